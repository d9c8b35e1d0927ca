"""Decays other than into fermion pairs, and charges that vary from point to point of a table."""

from math import cos, pi, sin, sqrt, tan

import numpy as np
import pytest

import zprime_recast as zr
from zprime_recast.dark_matter.annihilation import channels, fermion_sum, make_points
from zprime_recast.errors import CardError, InputError
from zprime_recast.model.card import load_model, model_of_card
from zprime_recast.model.formula import Formula
from zprime_recast.model.standard_model import standard_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.process.family import coupling_family

PARAMETRIC = ("u1x", "e6_mix", "lr", "lmu_ltau", "dmwg", "hvt", "topcolor", "dark_photon", "ssm_wide")


def test_widths_of_a_heavy_vector_triplet():
    """arXiv:1402.4431, eqs. (2.30), (2.31): Gamma(WW) = Gamma(Zh) = g_H^2 M/(192 pi), Gamma(ll) = g_f^2 M/(96 pi) per
    state; models A and B of the searches are about 2.5 and 2.9 % wide.
    """
    for g_f, g_h, gamma_over_m in ((-0.55, -0.56, 0.025), (0.14, -2.9, 0.029)):
        model = load_model("hvt").with_parameters(g_q=g_f, g_l=g_f, g_h=g_h)
        found = decay_widths(model, 4000.0, 1.0)
        for name in ("WW", "Zh"):
            assert float(found.partial_gev[name]) == pytest.approx(g_h**2 * 4000 / (192 * pi), rel=1e-12)
        assert float(found.partial_gev["e"]) == pytest.approx(g_f**2 * 4000 / (96 * pi), rel=1e-6)
        assert float(found.partial_gev["u"]) == pytest.approx(3 * g_f**2 * 4000 / (96 * pi), rel=1e-6)
        assert float(found.total_gev) / 4000 == pytest.approx(gamma_over_m, abs=0.0006)
        groups = found.branching_ratios_by_group
        assert float(groups["other_visible"]) == pytest.approx(float(2 * found.branching_ratios["WW"]), rel=1e-12)
        assert sum(map(float, groups.values())) == pytest.approx(1.0, rel=1e-12)
        assert float(groups["invisible"]) == pytest.approx(3 * g_f**2 / (96 * pi) / float(found.total_gev) * 4000)


def test_a_decay_is_closed_below_its_threshold():
    model = load_model("hvt")
    found = decay_widths(model, np.array([150.0, 170.0, 230.0]), 1.0).partial_gev
    assert found["WW"].tolist()[0] == 0
    assert found["WW"][1] > 0
    assert found["Zh"][1] == 0
    assert found["Zh"][2] > 0


@pytest.mark.parametrize("mass", [500.0, 1000.0, 4000.0])
def test_width_of_topcolor(mass):
    """Harris and Jain, arXiv:1112.4928, eq. (2): alpha cot^2 M/(8 cos^2 theta_W) (beta (2 + 4 m_t^2/M^2) + 4)."""
    sm, cot = standard_model(), 0.7
    m_t = sm.fermion_mass_gev["t"]
    expected = sm.alpha_em * cot**2 * mass / (8 * (1 - sm.sin2_theta_w))
    expected *= sqrt(1 - 4 * m_t**2 / mass**2) * (2 + 4 * m_t**2 / mass**2) + 4
    g = cot * sm.e / sqrt(1 - sm.sin2_theta_w)
    # the paper neglects all masses but that of the top quark: the b quark has m_b^2/M^2
    assert float(decay_widths(load_model("topcolor"), mass, g).total_gev) == pytest.approx(expected, rel=1e-4)


def test_couplings_of_a_dark_photon():
    """Exact diagonalisation of kinetic and mass mixing, arXiv:1412.0018, eqs. (2.6)-(2.10), far above the Z."""
    sm, epsilon, mass = standard_model(), 0.01, 10_000.0
    c, s = sqrt(1 - sm.sin2_theta_w), sqrt(sm.sin2_theta_w)
    eta = epsilon / c / sqrt(1 - epsilon**2 / c**2)
    delta2 = (mass / sm.m_z_gev) ** 2
    sign = -1.0  # of 1 - delta^2: the dark photon is heavier than the Z
    inside = (1 - eta**2 * s**2 - delta2) ** 2 + 4 * eta**2 * s**2
    tan_a = (1 - eta**2 * s**2 - delta2 - sign * sqrt(inside)) / (2 * eta * s)
    angle = np.arctan(tan_a)
    g = sm.e / s
    model = load_model("dark_photon").with_parameters(epsilon=epsilon)
    for name, t3, left, right in (("e", -0.5, -0.5, -1.0), ("u", 0.5, 1 / 6, 2 / 3), ("d", -0.5, 1 / 6, -1 / 3)):
        for side, (isospin, y) in enumerate(((t3, left), (0.0, right))):
            exact = g / c * (-sin(angle) * (c**2 * isospin - s**2 * y) + eta * cos(angle) * s * y)
            assert abs(exact) == pytest.approx(abs(model.couplings(name)[side]), rel=5e-4)
    assert tan(0.0) == 0.0


@pytest.mark.parametrize("name", PARAMETRIC)
def test_points_of_a_table_equal_their_cards(name):
    """Charges and widths for columns of parameters are those of a card with these values."""
    model = load_model(name)
    rng = np.random.default_rng(3)
    names = {*model.charge_parameters, *model.decay_parameters}
    given = {}
    for parameter in sorted(names):
        p = model.parameters[parameter]
        low, high = max(p.low, p.value - 0.5), min(p.high, p.value + 0.5)
        given[parameter] = rng.uniform(low, high, 7)
    mass, g = rng.uniform(300, 5000, 7), rng.uniform(0.01, 0.3, 7)
    family = coupling_family(model, mass, given)
    at = np.arange(7)
    assert not family.faults()
    for i in range(7):
        card = model.with_parameters({parameter: float(values[i]) for parameter, values in given.items()})
        alone = coupling_family(card, mass[i])
        one = np.arange(1)
        np.testing.assert_allclose(family.gamma_gev(at, g)[i], alone.gamma_gev(one, g[i : i + 1])[0], rtol=1e-13)
        np.testing.assert_allclose(family.coupling_perturbative[i], alone.coupling_perturbative[0], rtol=1e-13)
        np.testing.assert_allclose(family.production_over_g2_gev[:, i], alone.production_over_g2_gev[:, 0], rtol=1e-12)
        for lepton in ("e", "mu", "tau"):
            for kind in ("same", "opposite"):
                ours = getattr(family.unit.products[lepton], kind).values
                theirs = getattr(alone.unit.products[lepton], kind).values
                np.testing.assert_allclose(ours[:, i] if ours.ndim == 3 else ours, theirs, rtol=1e-12, atol=1e-15)


def test_a_column_of_charges_in_evaluate():
    """Every row is that of its own card; a value without a charge is the error of its row."""
    model = load_model("u1x")
    ratio = np.array([-0.8, 0.0, 1.3])
    table = {"mass_gev": [2000.0, 2500.0, 3000.0], "coupling": [0.05, 0.05, 0.1], "r": ratio}
    table = {k: np.asarray(v) for k, v in table.items()}
    found = zr.evaluate(table, ["atlas-139fb-dilepton"], model, calculator="asymptotic")
    for i in range(3):
        card = model.with_parameters(r=float(ratio[i]))
        alone = zr.cls(card, table["mass_gev"][i], table["coupling"][i], analyses="atlas-139fb-dilepton",
                       calculator="asymptotic")  # fmt: skip
        assert found["cls_observed"][i] == pytest.approx(float(alone.cls_observed), rel=1e-6)


def test_numbers_of_a_formula():
    formula = Formula("sqrt(x)/(1 - y) + 2**-1*cos(0)")
    found = formula.numbers({"x": np.array([4.0, -1.0, 1.0]), "y": np.array([0.0, 0.0, 1.0])})
    assert found[0] == 2.5
    assert np.isnan(found[1])
    assert np.isnan(found[2])
    with pytest.raises(InputError, match="'x': x is none of y"):
        Formula("x").numbers({"y": 1.0})


def test_annihilation_into_other_decays():
    """Every final state of width Gamma_X(sqrt s) has sigma in the ratio of the widths."""
    card = _card('width_over_g2 = "0.2*M/(24*pi)"', "[parameters.m_chi]\ndefault = 400.0", dark=True)
    points = make_points(card, 1000.0, 0.1)
    assert "XX" in channels(points)
    energy = np.array([[900.0, 950.0]])
    ours, electrons = (fermion_sum(points, [name], energy) for name in ("XX", "e"))
    np.testing.assert_allclose(ours / electrons, 0.2 / 2, rtol=1e-6)  # e: q_L^2 + q_R^2 = 2
    fixed = _card('width = "1.0"', "[parameters.m_chi]\ndefault = 400.0", dark=True)
    with pytest.raises(InputError, match="needs width_over_g2"):
        channels(make_points(fixed, 1000.0, 0.1))


def _card(decay: str, parameters: str = "", dark: bool = False):
    import tempfile
    from pathlib import Path

    from zprime_recast.io.cards import read_toml

    chi = '[[dark]]\nname = "chi"\nkind = "dirac"\nq_left = 1\nq_right = 1\nmass = "m_chi"\n' if dark else ""
    text = f"""
schema = 1
id = "x"
reference = "none"
kind = "couplings"
[charges]
l_left = 1
e_right = 1
q_left = 1
{parameters}
{chi}
[[decay]]
name = "XX"
{decay}
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.toml"
        path.write_text(text)
        return model_of_card(read_toml(path))


@pytest.mark.parametrize(
    ("decay", "message"),
    [
        ('width = "M/10"\nwidth_over_g2 = "M"', "width_over_g2"),
        ("", "width_over_g2"),
        ('width = "a*M"', "a is none of them"),
        ('width = "exp(M)"', "functions of a formula"),
        ('width = "M/10"\nthreshold = "M/2"', "M is none of them"),
        ('width = "M/10"\nvisible = 1', "true or false"),
        ('width = "M/10"\npdg_ids = [1.5]', "list of PDG ids"),
        ('width = "M/10"\ncolour = 3', "colour"),
    ],
)
def test_bad_decays(decay, message):
    with pytest.raises(CardError, match=message):
        _card(decay)


def test_a_formula_without_a_width():
    model = _card('width = "100 - M/10"')
    assert float(decay_widths(model, 500.0, 0.1).partial_gev["XX"]) == 50.0
    with pytest.raises(InputError, match=r"'100 - M/10' gives no width >= 0 for XX at 2000 GeV"):
        decay_widths(model, 2000.0, 0.1)
    rows = zr.evaluate(
        {"mass_gev": np.array([500.0, 2000.0]), "coupling": np.array([0.05, 0.05])},
        ["atlas-139fb-dilepton"],
        model,
        calculator="asymptotic",
    )
    assert rows["error"][0] == ""
    assert "gives no width" in rows["error"][1]
