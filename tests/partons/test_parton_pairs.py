"""Luminosities of any pair of quark and antiquark: against the definition, W production, and symmetries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad

from zprime_recast.errors import InputError, PDFError, UnknownName
from zprime_recast.partons.drell_yan import _nodes, corrected_terms, pair_luminosities
from zprime_recast.partons.drell_yan_nnlo import C_A, C_F, SecondOrder
from zprime_recast.partons.luminosity import luminosity_table
from zprime_recast.partons.luminosity_set import (
    load_luminosities,
    read_integrals,
    save_integrals,
    set_integrals,
)
from zprime_recast.partons.pairs import FLAVORS, NEUTRAL_CURRENT, PartonPairs
from zprime_recast.partons.pdf import PAPER_SET, PDFMember, load_pdf
from zprime_recast.process.cross_section import cross_section

U_DBAR, D_UBAR = PartonPairs((("u", "d"),)), PartonPairs((("d", "u"),))
CHARGED = PartonPairs((("u", "d"), ("d", "u"), ("c", "s"), ("u", "s")))
PIDS = {flavor: k + 1 for k, flavor in enumerate(FLAVORS)}
SQRT_S = 13000.0


@pytest.fixture(scope="module")
def pdf():
    return load_pdf("CT18NNLO_central")


def by_definition(pdf, quark, antiquark, mass, sqrt_s=SQRT_S, mu_f=None):
    """int_tau^1 dx/x [f_q(x) f_qbar(tau/x) + f_qbar(x) f_q(tau/x)] by adaptive quadrature in ln x."""
    tau, mu_f = (mass / sqrt_s) ** 2, mu_f or mass

    def integrand(t):
        x = np.exp(t)
        first = pdf.xf([PIDS[quark], -PIDS[antiquark]], [x, tau / x], mu_f)
        return (first[0, 0] * first[1, 1] + first[1, 0] * first[0, 1]) / tau  # x f at x and at tau/x

    edges = np.linspace(np.log(tau) + 1e-12, -1e-12, 9)
    parts = [quad(integrand, a, b, epsrel=1e-7, epsabs=0, limit=100)[0] for a, b in itertools.pairwise(edges)]
    return sum(parts)


@pytest.mark.parametrize("mass", [300.0, 2000.0, 5000.0])
def test_luminosities_are_the_convolution_of_the_grid(pdf, mass):
    """Pairs of two flavours, and one of one flavour, in a set asked for by its pairs: 1e-4."""
    pairs = PartonPairs((*CHARGED.pairs, ("u", "u")))
    found = load_luminosities("CT18NNLO_central", SQRT_S, "lo", pairs=pairs)(mass)
    for value, (quark, antiquark) in zip(found, pairs, strict=True):
        assert value == pytest.approx(by_definition(pdf, quark, antiquark, mass), rel=1e-4), (quark, antiquark)


def test_first_order_is_the_convolution_with_the_coefficient_functions(pdf):
    """T1 of u dbar at 2 TeV by adaptive quadrature over z of splines through L: Altarelli et al., 1e-3."""
    from scipy.interpolate import CubicSpline

    mass, t_r = 2000.0, 0.5
    tau = (mass / SQRT_S) ** 2
    log_t = np.linspace(np.log(tau), -0.02, 90)
    x_nodes, weights = np.polynomial.legendre.leggauss(200)
    annihilation, with_gluon = [], []
    for end in log_t:
        x = np.exp(end * (1 - x_nodes) / 2)
        other = np.exp(end) / x
        a, b = pdf.xf([2, -1, 21], np.minimum(x, 1), mass), pdf.xf([2, -1, 21], np.minimum(other, 1), mass)
        w = weights * -end / 2 / np.exp(end)
        annihilation.append(w @ (a[0] * b[1] + a[1] * b[0]))
        with_gluon.append(w @ ((a[0] + a[1]) * b[2] + a[2] * (b[0] + b[1])))
    qq, qg = (CubicSpline(log_t, np.array(values) * (1 - np.exp(log_t)) ** -7) for values in (annihilation, with_gluon))

    def lumi(spline, z):
        t = np.minimum(tau / z, 1.0)
        return spline(np.log(t)) * (1 - t) ** 7 if np.log(t) < -0.02 else 0.0

    at_one = lumi(qq, 1.0)

    def annihilating(z):
        plus = 4 * ((1 + z**2) * lumi(qq, z) / z - 2 * at_one) * np.log1p(-z) / (1 - z)
        return plus - 2 * (1 + z**2) / (1 - z) * np.log(z) * lumi(qq, z) / z

    def compton(z):
        w = 1 - z
        return ((z**2 + w**2) * np.log(w**2 / z) + 0.5 + 3 * z - 3.5 * z**2) * lumi(qg, z) / z

    below = 4 * 2 * at_one * np.log1p(-tau) ** 2 / 2  # the plus distribution between 0 and tau
    delta = (2 * np.pi**2 / 3 - 8) * at_one
    steps = [tau, 2 * tau, 0.1, 0.5, 0.9, 0.99, 1 - 1e-9]
    pieces = [quad(annihilating, a, b, limit=200)[0] for a, b in itertools.pairwise(steps)]
    gluon = [quad(compton, a, b, limit=200)[0] for a, b in itertools.pairwise(steps)]
    expected = C_F * (sum(pieces) + below + delta) + t_r * sum(gluon)
    found = corrected_terms(pdf, mass, SQRT_S, pairs=U_DBAR)[:, 0]
    assert found[0] == pytest.approx(at_one, rel=1e-4)
    assert found[1] == pytest.approx(expected, rel=1e-3)


def test_w_production_at_13_tev():
    """sigma(W+) and sigma(W-) times BR(l nu) = 10.86 %, with CKM elements, at NNLO against what ATLAS measured:
    11.83 +- 0.41 and 8.79 +- 0.30 nb (arXiv:1603.09222). Seen 1 and 2 % below.
    """
    ckm = {("u", "d"): 0.9737, ("u", "s"): 0.2245, ("u", "b"): 0.0038}
    ckm |= {("c", "d"): 0.2244, ("c", "s"): 0.9735, ("c", "b"): 0.0418}
    m_w, g_f, nb = 80.37, 1.16638e-5, 0.389379e6
    plus = PartonPairs(tuple(ckm))
    minus = PartonPairs(tuple((down, up) for up, down in ckm))
    squared = np.array(list(ckm.values())) ** 2
    rates = []
    for pairs in (plus, minus):
        table = luminosity_table(load_pdf("CT18NNLO_central"), SQRT_S, points=60, order="nnlo", pairs=pairs)
        rates.append(np.sqrt(2) * np.pi * g_f / 3 * m_w**2 / SQRT_S**2 * nb * 0.1086 * squared @ table(m_w))
    assert rates == pytest.approx([11.83, 8.79], rel=0.034)
    assert rates[0] / rates[1] == pytest.approx(11.83 / 8.79, rel=0.015)


class Relabelled(PDFMember):
    """A member whose partons are those of another under a map of parton ids."""

    backend = "relabelled"

    def __init__(self, pdf, ids):
        super().__init__(pdf.info, pdf.member)
        self.pdf, self.ids = pdf, ids

    def _xf_at(self, pids, x, q_gev):
        return self.pdf.xf([self.ids.get(pid, pid) for pid in pids], x, q_gev)

    def alpha_s(self, q_gev):
        return self.pdf.alpha_s(q_gev)


def test_equal_densities_make_equal_pairs(pdf):
    """Where d and u have the same densities, u dbar and d ubar are d dbar, at every order: 1e-12."""
    symmetric = Relabelled(pdf, {2: 1, -2: -1})
    pairs = PartonPairs((("d", "d"), ("u", "d"), ("d", "u")))
    one, two, three = np.moveaxis(corrected_terms(symmetric, 1500.0, SQRT_S, pairs=pairs), 1, 0)
    np.testing.assert_allclose(two, one, rtol=1e-12)
    np.testing.assert_allclose(three, one, rtol=1e-12)


@pytest.mark.parametrize("ids", [{1: 2, 2: 1, -1: -2, -2: -1}, {k: -k for k in (-3, -2, -1, 1, 2, 3)}])
def test_neutron_and_antiproton_beams(pdf, ids):
    """u and d exchanged, or quarks and antiquarks: what is u dbar becomes d ubar, at every order: 1e-12."""
    mirror = Relabelled(pdf, ids)
    for mass in (200.0, 4000.0):
        expected = corrected_terms(pdf, mass, SQRT_S, pairs=U_DBAR)
        np.testing.assert_allclose(corrected_terms(mirror, mass, SQRT_S, pairs=D_UBAR), expected, rtol=1e-12)
        assert np.abs(corrected_terms(pdf, mass, SQRT_S, pairs=D_UBAR) / expected - 1).max() > 0.05


def test_partons_of_each_second_order_term(pdf):
    """W+ from u and dbar by name: Hamberg, van Neerven, Matsuura, appendix A, for V_ud = 1 and no other coupling.

    u turns into d or dbar into ubar. BC: u ubar and d dbar, each with half the weight of the two it has for a Z'.
    CE: u d -> d d W+ and dbar ubar -> ubar ubar W+. CF: u u -> u d W+ and dbar dbar -> dbar ubar W+.
    """
    mass = 1000.0
    nodes = _nodes(mass, SQRT_S, 3)
    found = pair_luminosities(pdf, nodes, mass, 16, U_DBAR)

    def of(*parts):
        """Sum over pairs of ids of int dx/x f_1(x) f_2(tau/x), at tau."""
        x, w = np.polynomial.legendre.leggauss(400)
        tau = nodes.tau
        t = -np.log(tau) * (1 - x) / 2
        a, b = np.exp(-t), np.minimum(tau * np.exp(t), 1.0)
        total = 0.0
        for first, second in parts:
            product = pdf.xf([first], a, mass)[0] * pdf.xf([second], b, mass)[0]
            total += (product * w).sum() * -np.log(tau) / 2 / tau
        return total

    quarks = [k for k in range(-5, 6) if k]
    expected = {
        "annihilation": of((2, -1), (-1, 2)),
        "like": of((2, -2), (-2, 2), (1, -1), (-1, 1)) / 2,
        "any_like": of(*((k, -k) for k in quarks)),
        "quark_gluon": of((2, 21), (21, 2), (-1, 21), (21, -1)),
        "gluon_gluon": of((21, 21)),
        "quark_any": of(*((a, b) for k in quarks for a, b in ((2, k), (k, 2), (-1, k), (k, -1)))),
        "identical": of((2, 2), (-1, -1)),
        "exchanged": of((2, 1), (1, 2), (-2, -1), (-1, -2)) / 2,
    }
    for name, value in expected.items():
        assert getattr(found, name)[0, -1] == pytest.approx(value, rel=2e-4), name


def test_the_logarithm_of_the_exchange_is_a_splitting_function():
    """d -> dbar at second order, which u d -> W+ d d has to cancel, and nothing else that CE, CF and BC may hold:
    P_qqbar of Ellis, Stirling, Webber, eq. (4.111), in alpha_s/(2 pi), once for either beam.
    """
    z = np.array([0.1, 0.4, 0.8])
    one, none = (SecondOrder(1 - z, scale_log) for scale_log in (1.0, 0.0))

    def s2(x):
        return quad(lambda y: np.log((1 - y) / y) / y, x / (1 + x), 1 / (1 + x))[0]

    p_qq = 2 / (1 + z) - 1 + z  # at -z
    v = C_F * (C_F - C_A / 2) * (2 * p_qq * [s2(x) for x in z] + 2 * (1 + z) * np.log(z) + 4 * (1 - z))
    np.testing.assert_allclose(one.exchange() - none.exchange(), 2 * 4 * v, rtol=1e-9)
    np.testing.assert_allclose(one.identical(), none.identical(), rtol=1e-14)
    np.testing.assert_allclose(one.annihilation_emission(), none.annihilation_emission(), rtol=1e-14)


def test_file_of_two_flavours_comes_back(tmp_path, monkeypatch):
    """A table with pairs of two flavours, written and read: the same labels, numbers to single precision."""
    pairs = PartonPairs((*NEUTRAL_CURRENT.pairs, *CHARGED.pairs))
    made = set_integrals(PAPER_SET, SQRT_S, points=12, pairs=pairs)
    save_integrals(made, tmp_path / "table.npz")
    back = read_integrals(tmp_path / "table.npz")
    assert back.pairs == pairs
    np.testing.assert_allclose(back.members, made.members, rtol=1e-6)
    mass = np.array([300.0, 3000.0])
    for wanted in (NEUTRAL_CURRENT, CHARGED, U_DBAR):
        np.testing.assert_allclose(back.table("nlo").of(wanted)(mass), made.table("nlo").of(wanted)(mass), rtol=1e-6)
    own = made.table("nlo").of(U_DBAR)
    assert own.pairs == U_DBAR
    assert own.values.shape == (1, 12)
    assert own.of_scales(mass).shape == (7, 1, 2)


def test_shipped_tables_hold_the_neutral_current():
    table = load_luminosities()
    assert table.pairs == NEUTRAL_CURRENT
    assert table.of(NEUTRAL_CURRENT) is table
    bottom = PartonPairs((("b", "b"), ("d", "d")))
    np.testing.assert_array_equal(table.of(bottom).values, table.values[[4, 0]])
    np.testing.assert_array_equal(table.of(bottom).of_members(900.0).shape, (59, 2))


def test_pairs_that_a_table_does_not_hold():
    with pytest.raises(InputError, match=r"do not hold u dbar, d ubar; load them with load_luminosities\(.*pairs"):
        load_luminosities().of(PartonPairs((("u", "u"), ("u", "d"), ("d", "u"))))
    with pytest.raises(InputError, match="shipped only for the neutral current.* not for u dbar; install it.*_central"):
        load_luminosities("CT18NNLO", pairs=U_DBAR)
    with pytest.raises(InputError, match="n3lo is tabulated for the neutral current, not for u dbar; use nnlo"):
        load_luminosities("CT18NNLO_central", order="n3lo", pairs=U_DBAR)


def test_pairs_that_do_not_exist():
    with pytest.raises(UnknownName, match="unknown quark flavour 't'"):
        PartonPairs((("t", "b"),))
    with pytest.raises(InputError, match="parton pairs are none; name at least one"):
        PartonPairs(())
    with pytest.raises(InputError, match="u dbar, u dbar; name at least one, and each once"):
        PartonPairs((("u", "d"), ("u", "d")))


@pytest.mark.parametrize("pairs", [None, [["u"]], [["t", "b"]], "ud"])
def test_table_whose_pairs_make_no_sense(tmp_path, pairs):
    made = set_integrals(PAPER_SET, SQRT_S, points=12)
    object.__setattr__(made, "pairs", type("Labels", (), {"pairs": pairs})())
    save_integrals(made, tmp_path / "table.npz")
    with pytest.raises(PDFError, match="not a table of luminosities"):
        read_integrals(tmp_path / "table.npz")


def test_matrix_of_pairs():
    """Rows are quarks, columns antiquarks; what is not held is 0."""
    matrix = CHARGED.matrix(np.array([[3.0, 1.0], [2.0, 1.0], [0.5, 1.0], [0.2, 1.0]]))
    assert matrix.shape == (5, 5, 2)
    expected = np.zeros((5, 5))
    for value, (quark, antiquark) in zip((3.0, 2.0, 0.5, 0.2), CHARGED, strict=True):
        expected["duscb".index(quark), "duscb".index(antiquark)] = value
    np.testing.assert_array_equal(matrix[..., 0], expected)
    np.testing.assert_array_equal(NEUTRAL_CURRENT.matrix(np.ones(5)), np.eye(5))
    assert NEUTRAL_CURRENT.diagonal
    assert not CHARGED.diagonal


def test_a_zprime_is_made_by_the_diagonal(pdf):
    """Luminosities that hold more pairs, in another order, give the same rates."""
    pairs = PartonPairs((*CHARGED.pairs, *NEUTRAL_CURRENT.pairs[::-1]))
    options = {"points": 80, "order": "nlo"}
    plain, more = (luminosity_table(pdf, SQRT_S, pairs=p, **options) for p in (NEUTRAL_CURRENT, pairs))
    for method in ("narrow", "full"):
        one, two = (cross_section("e6_chi", 2000.0, 0.3, lumi, method).sigma_br_fb for lumi in (plain, more))
        assert two == pytest.approx(one, rel=1e-12)
