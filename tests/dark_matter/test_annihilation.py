"""Cross sections: Breit-Wigner from the widths, thresholds, the amplitudes themselves, limits of the thermal average."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import k1e, kve

from zprime_recast.dark_matter.annihilation import (
    ZZ,
    cross_section_gev2,
    diboson,
    make_points,
    zz_unitarity_energy_gev,
)
from zprime_recast.dark_matter.thermal import thermal_average
from zprime_recast.errors import InputError, RangeError
from zprime_recast.model.make import make_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.model.zprime import Charge, Fermion
from zprime_recast.partons.pdf import load_pdf

_S0, _SX, _SY, _SZ = np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])
_NULL = np.zeros((2, 2))
GAMMA = [np.block([[_NULL, _S0], [_S0, _NULL]]), *(np.block([[_NULL, s], [-s, _NULL]]) for s in (_SX, _SY, _SZ))]
GAMMA_5, METRIC = np.diag([-1, -1, 1, 1]), np.diag([1.0, -1, -1, -1])


def slash(p):
    return sum(METRIC[i, i] * p[i] * GAMMA[i] for i in range(4))


def current_trace(p, m, q, mq, left, right):
    """Tr[(p + m) V^mu (q - mq) Vbar^nu] for V = gamma (g_L P_L + g_R P_R), particle p and antiparticle q."""
    vertex = (left * (np.eye(4) - GAMMA_5) + right * (np.eye(4) + GAMMA_5)) / 2
    v = [g @ vertex for g in GAMMA]
    one = np.eye(4)
    return np.array([[np.trace((slash(p) + m * one) @ a @ (slash(q) - mq * one) @ b) for b in v] for a in v])


def fermion_cross_section(s, m, mf, mass, chi, f):
    """Angle-integrated cross section from traces, unitary gauge, no width; one colour."""
    e, p, k = np.sqrt(s) / 2, np.sqrt(s / 4 - m**2), np.sqrt(s / 4 - mf**2)
    q = np.array([2 * e, 0, 0, 0])
    propagator = (METRIC - np.outer(METRIC @ q, METRIC @ q) / mass**2) / (s - mass**2)
    total = 0.0
    for c, w in zip(*np.polynomial.legendre.leggauss(6), strict=True):
        k1, k2 = np.array([e, k * np.sqrt(1 - c * c), 0, k * c]), np.array([e, -k * np.sqrt(1 - c * c), 0, -k * c])
        initial = current_trace(np.array([e, 0, 0, p]), m, np.array([e, 0, 0, -p]), m, *chi)
        final = current_trace(k1, mf, k2, mf, *f)
        squared = np.einsum("ab,cd,ac,bd->", initial, final.transpose(), propagator, propagator).real
        total += w / 2 * squared
    beta, beta_f = np.sqrt(1 - 4 * m**2 / s), np.sqrt(1 - 4 * mf**2 / s)
    return total / (2 * s * beta * 4) * beta_f / (8 * np.pi)


def diboson_squared(s, w, v, a):
    """sum |M|^2 of chi chibar -> Z'Z' averaged over the angle, m_chi = 1, polarisation vectors by hand."""
    e, p, k = np.sqrt(s) / 2, np.sqrt(s / 4 - 1), np.sqrt(s / 4 - w)
    one = np.eye(4)
    vertex, total = v * one + a * GAMMA_5, 0.0
    p1, p2 = np.array([e, 0, 0, p]), np.array([e, 0, 0, -p])
    for c, weight in zip(*np.polynomial.legendre.leggauss(60), strict=True):
        sn = np.sqrt(1 - c * c)
        k1 = np.array([e, k * sn, 0, k * c])
        k2 = np.array([e, -k * sn, 0, -k * c])
        across = [np.array([0, c, 0, -sn]), np.array([0, 0, 1, 0])]
        for x in [*across, np.array([k, e * sn, 0, e * c]) / np.sqrt(w)]:
            for y in [*across, np.array([k, -e * sn, 0, -e * c]) / np.sqrt(w)]:
                t = slash(y) @ vertex @ (slash(p1 - k1) + one) @ slash(x) @ vertex / (w - s / 2 + 2 * p * k * c)
                u = slash(x) @ vertex @ (slash(p1 - k2) + one) @ slash(y) @ vertex / (w - s / 2 - 2 * p * k * c)
                amplitude = t + u
                bar = GAMMA[0] @ amplitude.conj().T @ GAMMA[0]
                trace = np.trace((slash(p2) - one) @ amplitude @ (slash(p1) + one) @ bar)
                total += weight / 2 * trace.real
    return total


@pytest.mark.parametrize("m_chi", [100.0, 400.0, 495.0])
def test_pole_is_breit_wigner(elusive, m_chi):
    """sigma(s = M^2) = 12 pi/(M^2 beta^2) BR_chi BR_f for every fermion, to 1e-12."""
    model = elusive.with_parameters(m_chi=m_chi, m_n=300.0)
    sigma = cross_section_gev2(model, 1000.0, 1000.0, 0.1)
    ratios = decay_widths(model, 1000.0, 0.1).branching_ratios
    beta2 = 1 - (2 * m_chi / 1000.0) ** 2
    for name in ("u", "t", "tau", "nu_e", "omega", "N"):
        expected = 12 * np.pi / (1000.0**2 * beta2) * ratios["chi"] * ratios[name]
        assert sigma[name] == pytest.approx(float(expected), rel=1e-12, abs=0), name


def test_pole_is_breit_wigner_with_qcd(elusive):
    """With ``qcd_widths`` the peak still is 12 pi/(M^2 beta^2) BR_chi BR_f: rates and propagator have one correction."""
    model = elusive.with_parameters(m_chi=400.0, qcd_widths=1, gamma_extra=3.0)
    sigma = cross_section_gev2(model, 1000.0, 1000.0, 0.1)
    ratios = decay_widths(model, 1000.0, 0.1).branching_ratios
    for name in ("u", "b", "t", "mu", "omega"):
        expected = 12 * np.pi / (1000.0**2 * 0.36) * ratios["chi"] * ratios[name]
        assert sigma[name] == pytest.approx(float(expected), rel=1e-12, abs=0), name


def test_qcd_correction_at_the_virtuality(elusive):
    """Far from the pole chi chibar -> q qbar has the factor at sqrt(s), not M, with alpha_s of CT18NNLO; leptons have none."""
    energy = np.array([1000.0, 2000.0])
    tree, qcd = (cross_section_gev2(elusive.with_parameters(qcd_widths=q), energy, 8000.0, 0.01, 300.0) for q in (0, 1))
    pdf = load_pdf("CT18NNLO_central")
    a = np.array([pdf.alpha_s(1000.0), pdf.alpha_s(2000.0)]) / np.pi
    assert qcd["u"] / tree["u"] == pytest.approx(1 + a + 1.409 * a**2 - 12.77 * a**3, abs=1e-5)
    assert qcd["mu"] / tree["mu"] == pytest.approx(np.ones(2), abs=1e-5)  # width alone


def test_running_width(elusive):
    """``running_width`` replaces M Gamma by s Gamma/M: nothing on the pole, (s - M^2)^2 + (s Gamma/M)^2 off it."""
    fixed, running = (elusive.with_parameters(m_chi=200.0, running_width=r) for r in (0, 1))
    energy, mass, g = np.array([500.0, 1000.0, 1500.0]), 1000.0, 0.3
    gamma = float(decay_widths(fixed, mass, g).total_gev)
    ratio = cross_section_gev2(running, energy, mass, g)["mu"] / cross_section_gev2(fixed, energy, mass, g)["mu"]
    s, away = energy**2, (energy**2 - mass**2) ** 2
    assert ratio == pytest.approx((away + (mass * gamma) ** 2) / (away + (s * gamma / mass) ** 2), rel=1e-12, abs=0)
    assert ratio[1] == pytest.approx(1.0, rel=1e-14, abs=0)


def test_unitarity_of_the_s_channel(elusive):
    """J = 1 exchange: the sum over fermions stays below (3/4) pi/k^2, the bound with BR_chi (1 - BR_chi) <= 1/4."""
    energy = np.linspace(2010.0, 4000.0, 400)
    for mass, coupling in ((2500.0, 0.1), (2500.0, 0.01), (1500.0, 0.5)):
        sigma = cross_section_gev2(elusive, energy, mass, coupling, 1000.0)
        total = sum(value for name, value in sigma.items() if name != ZZ)
        assert (total <= 0.75 * np.pi / (energy**2 / 4 - 1e6)).all()


@pytest.mark.parametrize("chi", [(4, 5), (1, 1), (1, -1), (0, 2)])
@pytest.mark.parametrize("top", [(1, 1), (1, -1), (0, 1)])
def test_fermions_against_traces(with_chi, chi, top):
    """Transverse and longitudinal part with masses: the trace of the amplitude, to 1e-9, off the pole."""
    model = with_chi(*chi, q_left=top[0], u_right=top[1]).with_parameters(m_chi=300.0)
    found = cross_section_gev2(model, 700.0, 5000.0, 1e-3)["t"]
    mt = model.mass_gev(model.fermion("t"))
    expected = 3 * 1e-12 * fermion_cross_section(700.0**2, 300.0, mt, 5000.0, chi, top)
    assert found == pytest.approx(expected, rel=1e-7, abs=0)


@pytest.mark.parametrize("chi", [(1, -1), (4, 5), (0, 2)])
@pytest.mark.parametrize(("mass", "m_n"), [(200.0, 300.0), (5000.0, 300.0), (200.0, 340.0)])
def test_majorana_pair_against_traces(chi, mass, m_n):
    """chi chibar -> N N with three Majorana N of charge q: half the trace of Dirac fermions with g_A = q, g_V = 0.

    The vector current of a Majorana field vanishes and its axial one counts twice, so (q/2) N gamma gamma_5 N acts as
    g_A = q; the half is for identical particles. At m_Z' = 200 GeV the spin-0 part is most of it.
    """
    dark = (
        Fermion("chi", "dirac", Charge(Fraction(chi[0])), Charge(Fraction(chi[1])), mass_gev=300.0),
        Fermion("N", "majorana", Charge(Fraction(0)), Charge(Fraction(2)), multiplicity=3, mass_gev=m_n),
    )
    model = make_model("majorana", {"l_left": -1}, dark=dark, u1=False)
    found = cross_section_gev2(model, 700.0, mass, 1e-3)["N"]
    expected = 3 * 1e-12 * fermion_cross_section(700.0**2, 300.0, m_n, mass, chi, (-2, 2)) / 2
    assert found == pytest.approx(expected, rel=1e-7, abs=0)


@pytest.mark.parametrize(("left", "right"), [(4, 5), (1, 1), (1, -1)])
@pytest.mark.parametrize(("s", "w"), [(4.2, 0.3), (9.0, 2.0), (30.0, 0.05)])
def test_diboson_against_amplitude(with_chi, left, right, s, w):
    """The closed form of chi chibar -> Z'Z' is the squared amplitude, to 1e-9."""
    points = make_points(with_chi(left, right), np.sqrt(w), 1.0, 1.0)
    found = diboson(points, np.array([[np.sqrt(s)]]))[0, 0]
    squared = diboson_squared(s, w, (left + right) / 2, (right - left) / 2)
    assert found == pytest.approx(squared * np.sqrt(1 - 4 * w / s) / (128 * np.pi * s), rel=1e-9, abs=0)


def test_longitudinal_growth_needs_axial_coupling(with_chi):
    """Without phi_1 sigma(Z'Z') at high energy falls for vector couplings and tends to a constant for axial ones."""
    energy = np.array([2e4, 4e4])
    vector = cross_section_gev2(with_chi(1, 1), energy, 100.0, 0.1, 500.0)[ZZ]
    axial = cross_section_gev2(with_chi(1, -1), energy, 100.0, 0.1, 500.0)[ZZ]
    assert vector[1] / vector[0] < 0.35
    assert axial[1] / axial[0] == pytest.approx(1.0, abs=0.05)
    assert zz_unitarity_energy_gev(make_points(with_chi(1, 1), 100.0, 0.1, 500.0)) == np.inf
    assert zz_unitarity_energy_gev(make_points(with_chi(1, -1), 100.0, 0.1, 500.0)) == pytest.approx(
        2000 * np.pi, rel=1e-12, abs=0
    )


def test_thresholds(elusive):
    """Closed final states are exactly 0 below, and open as beta (vector t tbar) or sqrt(s - 4 M^2) (Z'Z')."""
    mt = elusive.mass_gev(elusive.fermion("t"))
    below, just, more = cross_section_gev2(elusive, 2 * mt * np.array([0.9999, 1.0001, 1.0004]), 5e3, 0.1, 100.0)["t"]
    assert below == 0
    assert more / just == pytest.approx(2.0, rel=1e-2, abs=0)
    below, just, more = cross_section_gev2(elusive, 600.0 * np.array([0.9999, 1.0001, 1.0004]), 300.0, 0.1, 200.0)[ZZ]
    assert below == 0
    assert more / just == pytest.approx(2.0, rel=1e-2, abs=0)
    with pytest.raises(InputError, match="above 2 m_chi"):
        cross_section_gev2(elusive, 2000.0, 300.0, 0.1, 1000.0)


@pytest.mark.parametrize("coupling", [1e-5, 1e-3, 1e-2])
def test_narrow_width_average(elusive, coupling):
    """Gamma -> 0: <sigma v> is the integral over a delta function; to 1e-3 from Gamma/M = 6e-10 on.

    At 6e-4 and x = 30 the tail below the peak, less suppressed by exp(-x y), adds 2.8 %, in proportion to Gamma.
    """
    mass, m_chi, x = 2300.0, 1000.0, np.array([5.0, 20.0, 30.0])
    points = make_points(elusive, mass, coupling, m_chi)
    widths = decay_widths(elusive.with_parameters(m_chi=m_chi), mass, coupling)
    visible = widths.total_gev - widths.partial_gev["chi"]
    sigma_area = 12 * np.pi**2 * widths.partial_gev["chi"] * visible / (1 - (2 * m_chi / mass) ** 2)
    sigma_area /= mass * widths.total_gev
    y = mass / m_chi
    shape = x / (8 * m_chi**5) * (mass**2 - 4 * m_chi**2) * mass
    expected = sigma_area * shape * k1e(x * y) * np.exp(2 * x - x * y) / kve(2, x) ** 2
    found = thermal_average(points, x, tuple(f.name for f in elusive.fermions))[0]
    assert found == pytest.approx(expected, rel=4e-2 if coupling > 5e-3 else 1e-3, abs=0)


@pytest.mark.parametrize(
    ("mass", "coupling", "m_chi"),
    [
        (2100.0, 0.02, 1000.0),  # just above the pole
        (1990.0, 0.02, 1000.0),  # just below
        (2000.2, 1e-3, 1000.0),  # peak inside the threshold
        (2400.0, 0.5, 1000.0),  # broad
        (1100.0, 0.2, 1000.0),  # Z'Z' above its threshold only
        (300.0, 0.1, 1000.0),  # Z'Z' open
        (9000.0, 0.1, 1000.0),  # contact interaction
    ],
)
def test_average_against_adaptive_quadrature(elusive, mass, coupling, m_chi):
    """All x from 5 to 10^4 agree with scipy.quad split at peak and thresholds, to 2e-4."""
    points = make_points(elusive, mass, coupling, m_chi)
    gamma = points.gamma_gev[0]
    for x in (5.0, 25.0, 1e3, 1e4):

        def integrand(energy, x=x):
            y = energy / m_chi
            sigma = sum(float(v) for v in cross_section_gev2(elusive, energy, mass, coupling, m_chi).values())
            return sigma * (y**2 - 4) * y**2 * k1e(x * y) * np.exp(2 * x - x * y) / m_chi

        top = 2 * m_chi + 40 * m_chi / x
        low = 2 * m_chi * (1 + 1e-13)
        edges = {low, top, 2 * m_chi + m_chi / x, 2 * m_chi + 5 * m_chi / x, 2 * m_chi + 0.1 * m_chi / x, 2 * mass}
        edges |= {mass + n * gamma for n in (-300, -30, -3, -1, 0, 1, 3, 30, 300)}
        inside = sorted(e for e in edges if low <= e <= top)
        pieces = [quad(integrand, a, b, epsrel=1e-6)[0] for a, b in pairwise(inside)]
        expected = sum(pieces) * x / (4 * kve(2, x) ** 2)
        found = thermal_average(points, np.array([x]))[0, 0]
        assert found == pytest.approx(expected, rel=2e-4, abs=0), x


def test_average_needs_cold_particles(elusive):
    with pytest.raises(RangeError, match=r"x = m_chi/T must be finite and >= 2"):
        thermal_average(make_points(elusive, 1000.0, 0.1, 400.0), np.array([1.0, 20.0]))
