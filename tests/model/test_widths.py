from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import zprime_recast
from zprime_recast.errors import InputError, RangeError, UnknownName
from zprime_recast.model.card import load_model
from zprime_recast.model.widths import (
    decay_widths,
    fermion_width,
    free_partial_widths,
    massless_branching_ratios,
    partial_width,
    qcd_factor,
    total_width,
)
from zprime_recast.model.zprime import CHARGED_LEPTONS, NEUTRINOS, QUARKS, SM_FERMIONS

HEAVY = 1e9  # GeV: every mass of the model is negligible against this


def test_massless_branching_ratios_are_the_papers(elusive):
    """chi closed: invisible 25/35, quarks 4/35, charged leptons 6/35; open: 66/76 (arXiv:1707.08606, section 4)."""
    closed = massless_branching_ratios(elusive, closed=["chi"])
    assert sum(closed[f] for f in QUARKS) == Fraction(4, 35)
    assert sum(closed[f] for f in CHARGED_LEPTONS) == Fraction(6, 35)
    assert sum(closed[f] for f in (*NEUTRINOS, "N", "chi", "omega")) == Fraction(25, 35)
    opened = massless_branching_ratios(elusive)
    assert sum(opened[f] for f in (*NEUTRINOS, "N", "chi", "omega")) == Fraction(66, 76)
    assert sum(opened.values()) == 1


@pytest.mark.parametrize(("m_chi", "expected"), [(1e12, (4 / 35, 6 / 35, 25 / 35)), (0.0, (4 / 76, 6 / 76, 66 / 76))])
def test_widths_reach_the_massless_limit(elusive, m_chi, expected):
    groups = decay_widths(elusive.with_parameters(m_chi=m_chi, m_n=0.0), HEAVY, 0.1).branching_ratios_by_group
    np.testing.assert_allclose([groups["quarks"], groups["charged_leptons"], groups["invisible"]], expected, rtol=1e-12)


@pytest.mark.parametrize("model_id", ["elusive_bl", "minimal_bl", "ssm", "e6_psi", "e6_chi"])
def test_branching_ratios_sum_to_one(model_id):
    mass, g = np.geomspace(200, 1e5, 50)[:, None], np.geomspace(1e-4, 1, 4)
    result = decay_widths(load_model(model_id).with_parameters(gamma_extra=0.5), mass, g)
    assert result.total_gev.shape == (50, 4)
    np.testing.assert_allclose(sum(result.branching_ratios.values()), 1.0, rtol=1e-13)
    np.testing.assert_allclose(sum(result.branching_ratios_by_group.values()), 1.0, rtol=1e-13)


def test_mass_terms_of_equation_3_4(elusive):
    """Vector coupling: (1 + 2r) sqrt(1 - 4r); chi with charges 4, 5 as the equation is printed."""
    mass, g = 400.0, 0.3
    r = (elusive.sm.fermion_mass_gev["t"] / mass) ** 2
    top = 3 * g**2 * mass / (12 * np.pi) / 9 * (1 + 2 * r) * np.sqrt(1 - 4 * r)
    np.testing.assert_allclose(partial_width(elusive, "t", mass, g), top, rtol=1e-13)
    m_z, m_chi = 3000.0, 1200.0
    printed = g**2 * (6 * 4 * 5 * m_chi**2 + (16 + 25) * (m_z**2 - m_chi**2)) * np.sqrt(m_z**2 - 4 * m_chi**2)
    chi = partial_width(elusive.with_parameters(m_chi=m_chi), "chi", m_z, g)
    np.testing.assert_allclose(chi, printed / (24 * np.pi * m_z**2), rtol=1e-13)


def test_axial_width_is_p_wave():
    """A purely axial coupling (u in chi) has beta^3: g_A^2 M beta^3 N_c/(12 pi), g_L = -g_R = g_A."""
    model = load_model("e6_chi")
    mass, g = 400.0, 0.4
    beta = np.sqrt(1 - 4 * (model.sm.fermion_mass_gev["t"] / mass) ** 2)
    g_a = g / np.sqrt(40)
    np.testing.assert_allclose(
        partial_width(model, "t", mass, g), 3 * g_a**2 * mass * beta**3 / (12 * np.pi), rtol=1e-12
    )


def test_thresholds_close_smoothly(elusive):
    m_chi = 1000.0
    model = elusive.with_parameters(m_chi=m_chi)
    above = 2 * m_chi * (1 + np.geomspace(1e-12, 1e-2, 30))
    width = partial_width(model, "chi", above, 0.1)
    assert (np.diff(width) > 0).all()
    np.testing.assert_allclose(
        width[:20] / np.sqrt(above[:20] - 2 * m_chi), width[0] / np.sqrt(above[0] - 2 * m_chi), rtol=1e-3
    )
    assert (partial_width(model, "chi", [1.0, 1500.0, 2 * m_chi], 0.1) == 0).all()


def test_majorana_neutrinos_close_with_beta_cubed():
    model = load_model("minimal_bl")
    massless = partial_width(model, "N", 1000.0, 0.2)
    np.testing.assert_allclose(massless, 3 * 0.04 * 1000 / (24 * np.pi), rtol=1e-14)
    beta = np.sqrt(1 - 4 * 0.4**2)
    np.testing.assert_allclose(partial_width(model.with_parameters(m_n=400.0), "N", 1000.0, 0.2), massless * beta**3)


def test_extra_invisible_width_adds(elusive):
    plain, more = (
        decay_widths(elusive, 2000.0, 0.1),
        decay_widths(elusive.with_parameters(gamma_extra=7.0), 2000.0, 0.1),
    )
    assert float(more.total_gev - plain.total_gev) == pytest.approx(7.0, rel=1e-12, abs=0)
    assert float(more.partial_gev["extra"]) == 7.0
    assert more.branching_ratios_by_group["invisible"] > plain.branching_ratios_by_group["invisible"]


def test_widths_agree_with_micromegas(elusive):
    """Gamma of elusive_bl without N from micrOMEGAs 6.0 (m_chi, M, g, Gamma): to 4 digits; seen 5e-5."""
    points = [
        (480, 1000, 0.02, 0.241778),
        (900, 2000, 0.05, 3.57068),
        (1400, 4000, 0.2, 138.34),
        (2000, 5000, 0.2, 162.296),
    ]
    for m_chi, mass, g, gamma in points:
        model = elusive.with_parameters(m_chi=float(m_chi), m_n=1e6)
        np.testing.assert_allclose(decay_widths(model, mass, g).total_gev, gamma, rtol=1e-4)


def test_e6_widths_are_those_atlas_quotes():
    """Z'_psi 0.5 %, Z'_chi 1.2 %, SSM 3 % of the mass (arXiv:1903.06248, section 2)."""
    for model_id, percent in (("e6_psi", 0.5), ("e6_chi", 1.2), ("ssm", 3.0)):
        model = load_model(model_id)
        assert round(float(decay_widths(model, 3000.0, model.reference_coupling).total_gev) / 30, 1) == percent


@pytest.mark.parametrize("bad", [0, -1.0, np.nan, np.inf, "x", None, [1000, -1]])
def test_bad_numbers_are_refused(elusive, bad):
    with pytest.raises(InputError, match="mass_gev"):
        decay_widths(elusive, bad, 0.1)
    with pytest.raises(InputError, match="coupling"):
        decay_widths(elusive, 1000.0, bad)


def test_unknown_fermion_is_named(elusive):
    with pytest.raises(UnknownName, match="omega"):
        partial_width(elusive, "omgea", 1000.0, 0.1)


def test_strong_coupling_against_a_pdf_set():
    """Three loops, five flavours, alpha_s(m_Z) = 0.118: the table of CT18NNLO (made with HOPPET) to 1e-4, seen 1e-5."""
    from zprime_recast.model.strong_coupling import alpha_s
    from zprime_recast.partons.pdf import load_pdf

    pdf = load_pdf("CT18NNLO_central")
    scales = np.array([10.0, 50.0, 91.187, 500.0, 3000.0, 10000.0])
    np.testing.assert_allclose(alpha_s(scales), [pdf.alpha_s(q) for q in scales], rtol=1e-4)
    with pytest.raises(InputError, match="mu_gev must be finite and > 0"):
        alpha_s(-1.0)


def test_qcd_correction_of_quark_widths(elusive):
    """Off: tree level. On: quark widths times 1 + a + 1.409 a^2 - 12.77 a^3; at m_Z the 3.8 % of the Z's R_l."""
    corrected = elusive.with_parameters(qcd_widths=1)
    tree, qcd = (decay_widths(m, 2000.0, 0.1) for m in (elusive, corrected))
    factor = float(qcd_factor(elusive, 2000.0))
    for name, width in tree.partial_gev.items():
        expected = factor if name in ("u", "d", "s", "c", "b", "t") else 1.0
        assert qcd.partial_gev[name] == pytest.approx(expected * width, rel=1e-14, abs=0)
    assert float(qcd_factor(elusive, 91.188)) == pytest.approx(1.0389, abs=3e-4)
    assert 1.024 < float(qcd_factor(elusive, 5000.0)) < factor < 1.030
    assert qcd.total_gev > tree.total_gev
    assert sum(qcd.branching_ratios.values()) == pytest.approx(1.0)
    assert corrected.digest() != elusive.digest()


def test_majorana_width_in_the_total():
    """g^2 q^2 M beta^3/(24 pi) for each of three N of charge -1, beta^3 = 0.216 at m = 0.4 M: in the sum of all widths."""
    model = load_model("minimal_bl").with_parameters(m_n=400.0)
    widths = decay_widths(model, 1000.0, 0.2)
    beta_cubed = 0.6**3
    by_hand = 3 * 0.04 * 1000 * beta_cubed / (24 * np.pi)
    assert float(widths.partial_gev["N"]) == pytest.approx(by_hand, rel=1e-13, abs=0)
    visible = sum(w for name, w in widths.partial_gev.items() if name != "N")
    total = total_width(model, np.array([1000.0]), np.array([0.2]))
    assert float(total[0] - visible) == pytest.approx(by_hand, rel=1e-12, abs=0)


@pytest.mark.parametrize(("kind", "power"), [("dirac", 1), ("majorana", 3), ("weyl", 3)])
def test_width_at_its_threshold(kind, power):
    """At M = 2 m_f a vector pair has 9 g^2 M beta/(48 pi) per state ((1 + 2 r) of a Dirac fermion is 3/2), one
    chirality alone beta^3; below it nothing."""
    beta = 1e-3
    m_f = 500.0 * np.sqrt(1 - beta**2)
    left, right = (0.3, 0.3) if kind == "dirac" else (0.3, 0.0)
    factor = 2 * (1 + 2 * (m_f / 1000.0) ** 2) if kind == "dirac" else 1.0
    expected = 6 * 0.09 * 1000 / (24 * np.pi) * factor * beta**power
    assert float(fermion_width(left, right, kind, 6, m_f, 1000.0)) == pytest.approx(expected, rel=1e-9, abs=0)
    assert float(fermion_width(left, right, kind, 6, 501.0, 1000.0)) == 0.0


def test_width_function_broadcasts():
    """A table of fermions against masses is the same number as one by one."""
    left, right = np.array([0.3, -0.2, 0.5])[:, None], np.array([0.1, 0.4, 0.0])[:, None]
    kind, states = np.array(["dirac", "dirac", "majorana"])[:, None], np.array([3, 1, 3])[:, None]
    m_f, mass = np.array([173.0, 0.0, 400.0])[:, None], np.array([300.0, 1000.0, 5000.0, 9000.0])
    found = fermion_width(left, right, kind, states, m_f, mass)
    assert found.shape == (3, 4)
    for i in range(3):
        for k in range(4):
            one = fermion_width(left[i, 0], right[i, 0], str(kind[i, 0]), states[i, 0], m_f[i, 0], mass[k])
            assert float(one) == pytest.approx(found[i, k], rel=1e-14, abs=0)


@pytest.mark.parametrize(
    "changes", [{}, {"qcd_widths": 1}, {"gamma_extra": 7.5}, {"qcd_widths": 1, "gamma_extra": 2.0}]
)
def test_one_width_for_lhc_dark_matter_and_tables(elusive, changes):
    """The Z' of 3 TeV with g = 0.1 and chi of 1 TeV is 28.476 GeV wide, 28.516 GeV with the QCD correction, everywhere."""
    from zprime_recast.dark_matter.relic import relic_density
    from zprime_recast.scan.points import read_points

    model = elusive.with_parameters(m_chi=1000.0, **changes)
    expected = (28.516343 if "qcd_widths" in changes else 28.476028) + changes.get("gamma_extra", 0.0)
    row = {name: np.array([value]) for name, value in {"mass_gev": 3000.0, "coupling": 0.1, "m_chi": 1000.0}.items()}
    found = {
        "lhc": decay_widths(model, 3000.0, 0.1).total_gev,
        "sampler": total_width(model, np.array([3000.0]), np.array([0.1]))[0],
        "table": read_points(row, model)[0][0].hypotheses.gamma_gev[0],
        "dark": relic_density(model, 3000.0, 0.1).gamma_gev,
        "dark, own mass": relic_density(model.with_parameters(m_chi=9e9), 3000.0, 0.1, 1000.0).gamma_gev,
    }
    for name, gamma in found.items():
        assert float(gamma) == pytest.approx(expected, rel=1e-7, abs=0), name
        assert float(gamma) == pytest.approx(float(found["lhc"]), rel=1e-14, abs=0), name


def test_free_couplings_have_the_width_of_the_model():
    """SSM couplings given one by one, twice the strength in the second row: the widths of the card, 1e-13."""
    model = load_model("ssm")
    g = np.array([0.4, 0.8])
    couplings = np.array([model.couplings(f) for f in SM_FERMIONS])[:, :, None] * g
    found = free_partial_widths(couplings, np.array([400.0, 3000.0]))
    expected = decay_widths(model, [400.0, 3000.0], g).partial_gev
    for name in SM_FERMIONS:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-13)


@pytest.mark.parametrize(
    ("constant", "place"),
    [
        (r"\b24(\.0)?\s*\*\s*(np\.|math\.)?pi|pi\s*\*\s*24\b", "model/widths.py"),
        (r"1\.409|12\.767", "model/widths.py"),
        (r"2857|5033", "model/strong_coupling.py"),
    ],
)
def test_width_formula_stands_in_one_file(constant, place):
    """24 pi of eq. (3.4) and the QCD coefficients are written once, whoever needs a width calls them."""
    package = Path(zprime_recast.__file__).parent
    code = {
        str(p.relative_to(package)): re.sub(r'"""(.|\n)*?"""|#.*', "", p.read_text()) for p in package.rglob("*.py")
    }
    assert [name for name, text in code.items() if re.search(constant, text)] == [place]


def test_qcd_correction_at_low_energies(elusive):
    """Held below 1 GeV, where the strong coupling has no perturbative value and quarks are no final states."""
    from zprime_recast.model.strong_coupling import alpha_s

    assert qcd_factor(elusive, [0.01, 0.5, 1.0]) == pytest.approx(
        np.full(3, float(qcd_factor(elusive, 1.0))), rel=1e-15, abs=0
    )
    with pytest.raises(RangeError, match="computed only above 1 GeV"):
        alpha_s([100.0, 0.9])


def test_strong_coupling_solves_its_equation():
    """d a/d ln mu^2 = -beta_0 a^2 - beta_1 a^3 - beta_2 a^4 by a general solver from m_Z down to 1 GeV and up to 10 TeV."""
    from scipy.integrate import solve_ivp

    from zprime_recast.model.standard_model import standard_model
    from zprime_recast.model.strong_coupling import alpha_s

    sm = standard_model()
    for scale in (1.0, 2.0, 1e4):
        span = (0.0, 2 * np.log(scale / sm.m_z_gev))
        # n_f = 5: 23/12, 29/12, 9769/3456
        solved = solve_ivp(lambda _, a: -a * a * (23 / 12 + a * (29 / 12 + a * 9769 / 3456)), span, [sm.alpha_s / np.pi],
                           rtol=1e-11, atol=1e-14)  # fmt: skip
        assert float(alpha_s(scale)) == pytest.approx(np.pi * solved.y[0, -1], rel=1e-8, abs=0)
