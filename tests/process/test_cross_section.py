from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.errors import InputError, RangeError
from zprime_recast.model.card import load_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.process.amplitudes import partonic_sm
from zprime_recast.process.couplings import coupling_products
from zprime_recast.process.cross_section import cross_section, sigma_br_full, sigma_br_narrow, spectrum
from zprime_recast.units import HBARC2_GEV2_FB

MODELS = ["elusive_bl", "minimal_bl", "ssm", "e6_psi", "e6_chi"]


@pytest.mark.parametrize("model_id", MODELS)
@pytest.mark.parametrize("mass", [500.0, 2000.0, 4000.0])
def test_narrow_width_limit_of_the_line_shape(model_id, mass, lumi):
    """Eq. (4.1) against the integral of |Z'|^2 at Gamma/M = 1e-5: 0.1 % (seen below 0.01 %)."""
    model = load_model(model_id)
    g = float(np.sqrt(1e-5 * mass / decay_widths(model, mass, 1.0).total_gev))
    narrow = sigma_br_narrow(model, mass, g, lumi)
    full = sigma_br_full(model, mass, g, lumi, interference=False)
    assert full / narrow == pytest.approx(1, abs=1e-3)


def test_full_is_independent_of_its_cells(elusive, lumi):
    for interference in (True, False):
        coarse, fine = (sigma_br_full(elusive, 2000.0, 0.2, lumi, interference, panel=w) for w in (0.02, 0.005))
        assert coarse == pytest.approx(fine, rel=1e-7)


def test_full_equals_the_sum_of_its_spectrum(elusive, lumi):
    """Exact cells against a brute-force sum of dsigma/dm over 200,000 points of a wide state: 1e-5."""
    window = (1500.0, 2600.0)
    edges = np.linspace(*window, 200001)
    m = 0.5 * (edges[1:] + edges[:-1])
    for interference, component in ((True, "signal"), (False, "zprime")):
        brute = spectrum(elusive, 2000.0, 0.4, m, lumi, component).sum() * (edges[1] - edges[0])
        assert sigma_br_full(elusive, 2000.0, 0.4, lumi, interference, window) == pytest.approx(brute, rel=1e-5)


def test_signal_is_the_coherent_sum_minus_the_standard_model(elusive, lumi):
    m = np.linspace(200, 4000, 300)
    full, sm, signal = (spectrum(elusive, 1500.0, 0.3, m, lumi, c) for c in ("full", "sm", "signal"))
    np.testing.assert_allclose(full - sm, signal, rtol=1e-10, atol=1e-14)
    assert (full > 0).all()
    assert (signal < 0).any()  # B-L interferes destructively below the peak
    assert (spectrum(elusive, 1500.0, 0.3, m, lumi, "zprime") > 0).all()


def test_photon_exchange_is_the_textbook_formula():
    """Far below the Z, q qbar -> gamma* -> l l: 4 pi alpha^2 Q_q^2/(9 s)."""
    model = load_model("ssm")
    s = 1.0
    expected = 4 * np.pi * model.sm.alpha_em**2 / (9 * s) * np.array([1 / 9, 4 / 9, 1 / 9, 4 / 9, 1 / 9])
    np.testing.assert_allclose(partonic_sm(model.sm, s).sum(axis=0), expected, rtol=2e-3)


def test_z_peak_is_the_breit_wigner_of_the_widths():
    """sigma(s = M^2) of an SSM Z' as heavy as the Z: 4 pi/(3 M^2) Gamma_qq Gamma_ll/Gamma^2, colour-averaged by 1/3 . 1/3 . 3."""
    model = load_model("ssm")
    mass, g = 3000.0, 0.5
    result = decay_widths(model, mass, g)
    products = coupling_products(model).summed
    gamma = float(result.total_gev)
    hard = mass**2 / (144 * np.pi) * g**4 * products.zprime_squared / (mass * gamma) ** 2
    partial = np.array([float(result.partial_gev[q]) for q in ("d", "u", "s", "c", "b")])
    expected = 4 * np.pi / 3 / mass**2 * partial * float(result.partial_gev["e"]) / gamma**2
    np.testing.assert_allclose(hard, expected, rtol=1e-5)  # quark masses in the widths


def test_an_ssm_on_top_of_the_z_doubles_its_amplitude(lumi):
    """Z' = Z: |gamma + 2 Z|^2. On the pole the rate is four times the Z's."""
    model = load_model("ssm")
    sm = model.sm
    m = np.array([sm.m_z_gev])
    full = spectrum(model, sm.m_z_gev, sm.g_z, m, lumi, "full", gamma_gev=sm.gamma_z_gev)
    assert float((full / spectrum(model, sm.m_z_gev, sm.g_z, m, lumi, "sm"))[0]) == pytest.approx(4, rel=3e-3)


def test_sigma_scales_as_coupling_squared(elusive, lumi):
    a, b = sigma_br_narrow(elusive, 2000.0, [0.1, 0.2], lumi)
    assert b / a == pytest.approx(4, rel=1e-12)


def test_inputs_broadcast(elusive, lumi):
    mass, g = np.array([[500.0], [1500.0], [3000.0]]), np.array([0.01, 0.1])
    sigma = sigma_br_narrow(elusive, mass, g, lumi)
    assert sigma.shape == (3, 2)
    assert sigma[1, 1] == pytest.approx(float(sigma_br_narrow(elusive, 1500.0, 0.1, lumi)), rel=1e-14)


def test_invisible_width_hides_the_leptons(elusive, lumi):
    """sigma x BR falls as 1/Gamma when only invisible width is added."""
    more = elusive.with_parameters(gamma_extra=50.0)
    ratio = sigma_br_narrow(more, 2000.0, 0.1, lumi) / sigma_br_narrow(elusive, 2000.0, 0.1, lumi)
    widths = [float(decay_widths(m, 2000.0, 0.1).total_gev) for m in (elusive, more)]
    assert ratio == pytest.approx(widths[0] / widths[1], rel=1e-12)


def test_result_says_what_was_assumed(elusive, lumi):
    result = cross_section(elusive, 2000.0, 0.1, lumi, method="full", interference=False)
    assert (result.method, result.order, result.interference) == ("full", "lo", False)
    assert result.window_gev == (1000.0, 12350.0)
    assert cross_section(elusive, 2000.0, 0.1, lumi).window_gev is None


def test_bad_requests(elusive, lumi):
    with pytest.raises(InputError, match="narrow or full"):
        cross_section(elusive, 2000.0, 0.1, lumi, method="wide")
    with pytest.raises(InputError, match="needs --method full"):
        cross_section(elusive, 2000.0, 0.1, lumi, window_gev=(1.0, 2.0))
    with pytest.raises(InputError, match="empty"):
        sigma_br_full(elusive, 2000.0, 0.1, lumi, window_gev=(3000.0, 2000.0))
    with pytest.raises(RangeError, match="50 to 12350"):
        sigma_br_narrow(elusive, 13000.0, 0.1, lumi)
    with pytest.raises(RangeError):
        sigma_br_full(elusive, 2000.0, 0.1, lumi, window_gev=(10.0, 2000.0))


def test_unit_conversion():
    """(hbar c)^2 = 0.3894 GeV^2 mb and 1 mb = 1e12 fb."""
    from scipy.constants import c, e, hbar

    assert pytest.approx((hbar * c / e * 1e-9) ** 2 * 1e28 * 1e15, rel=1e-8) == HBARC2_GEV2_FB


def test_running_width_is_a_shifted_fixed_width(lumi):
    """|1/(s - M^2 + i s Gamma/M)|^2 and its interference, integrated on a fine grid by hand: 1e-4."""
    from zprime_recast.process.amplitudes import interference_amplitude
    from zprime_recast.process.couplings import coupling_products

    model = load_model("elusive_bl").with_parameters(running_width=1, m_chi=500.0)
    mass, g, window = 2000.0, 0.35, (1200.0, 3000.0)
    gamma = float(decay_widths(model, mass, g).total_gev)
    assert gamma / mass > 0.1
    m = np.linspace(*window, 40001)
    s = m**2
    propagator = 1 / (s - mass**2 + 1j * s * gamma / mass)
    products = coupling_products(model).summed
    amplitude = interference_amplitude(products, s, model.sm.m_z_gev, model.sm.gamma_z_gev)
    rate = g**4 * np.multiply.outer(products.zprime_squared, np.abs(propagator) ** 2)
    rate = rate + g**2 * (amplitude.conj() * propagator).real
    density = HBARC2_GEV2_FB * 2 * m / 13000.0**2 * (s / (144 * np.pi) * rate * lumi(m)).sum(axis=0)
    np.testing.assert_allclose(spectrum(model, mass, g, m[::5000], lumi), density[::5000], rtol=1e-10)
    expected = np.trapezoid(density, m)
    assert float(sigma_br_full(model, mass, g, lumi, window_gev=window)) == pytest.approx(expected, rel=1e-7)
    fixed = load_model("elusive_bl").with_parameters(m_chi=500.0)
    assert float(sigma_br_full(fixed, mass, g, lumi, window_gev=window)) != pytest.approx(expected, rel=2e-3)


def test_template_uses_the_running_width(paper_searches):
    """At small Gamma/M the two propagators agree; at 20 % they differ by more than 2 % of the peak bin."""
    from zprime_recast.signal.reference import signal_template

    for g, low, high in ((0.01, 0.0, 1e-3), (0.5, 0.02, 1.0)):
        pair = [load_model("elusive_bl").with_parameters(m_chi=500.0, running_width=r) for r in (0, 1)]
        a, b = (signal_template(paper_searches[0], m, 2000.0, g).yields["ee"] for m in pair)
        assert low < np.abs(a - b).max() / a.max() < high
