"""Decoupling of omega: rate equation, closed form, eqs. (3.9)-(3.11), and where the paper's statements stop."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.dark_matter.cosmology import DOF_SOURCES, degrees_of_freedom
from zprime_recast.dark_matter.neff import decoupling, decoupling_estimate, interaction_rate_gev
from zprime_recast.errors import InputError


@pytest.mark.parametrize("find", [decoupling, decoupling_estimate])
def test_paper_point(elusive, find):
    """(10 TeV, 0.1): "about 4 GeV" (we find 2.1-2.4, the sum over colours and five flavours taken) and 0.026 to 5 %."""
    found = find(elusive, 1e4, 0.1)
    assert 2.0 < found.t_freeze_out_gev < 4.5
    assert found.delta_neff == pytest.approx(0.026, rel=0.05, abs=0)


def test_eq_3_9_at_4_gev():
    """The paper's pair of numbers: T = 4 GeV is Delta N_eff = 0.026 by (3.9), to 1 %."""
    g = degrees_of_freedom().g_eff(4.0)
    assert (11 / (2 * g)) ** (4 / 3) == pytest.approx(0.026, rel=0.01, abs=0)


def test_paper_range(elusive):
    """0.02-0.04 for 1-50 TeV and 0.01-0.5: true where m_Z'/g > 26 TeV (0.019 at the top); not for stronger coupling."""
    mass, g = np.geomspace(1e3, 5e4, 30)[:, None], np.geomspace(0.01, 0.5, 30)
    found = decoupling(elusive, mass, g)
    ratio = mass / g
    weak = ratio > 2.6e4
    assert found.delta_neff[weak].max() < 0.041
    assert found.delta_neff[weak].min() > 0.019
    # the corner of low mass and strong coupling decouples below the QCD crossover
    assert found.delta_neff[ratio < 1e4].min() > 0.05
    assert decoupling(elusive, 1e3, 0.5).delta_neff > 0.3


def test_entropy_shared_with_neutrinos(elusive):
    """[43/(4h)]^(4/3) is (43/22)^(4/3) = 2.44 times (3.9) for h = g; a state from above the weak scale gives 0.047."""
    found = decoupling(elusive, 5e4, 0.01)
    assert found.delta_neff_entropy / found.delta_neff == pytest.approx((43 / 22) ** (4 / 3), rel=0.01, abs=0)
    assert found.delta_neff_entropy == pytest.approx(0.047, rel=0.01, abs=0)


def test_rate_equals_hubble(elusive):
    """At T found, Gamma = H to 1e-3 (the table is interpolated)."""
    for mass, g in ((1e4, 0.1), (3e4, 0.4), (5e4, 0.02)):
        t = decoupling(elusive, mass, g).t_freeze_out_gev
        rate = interaction_rate_gev(elusive, t, mass, g)
        assert rate == pytest.approx(float(degrees_of_freedom().hubble_gev(t)), rel=1e-3, abs=0)


def test_rate_of_massless_fermions(elusive):
    """At T above all masses but top, chi, N: n <sigma v> with <s v> of Fermi-Dirac, to 3 %."""
    t, c = 30.0, 16 * (5 * 3 * 2 / 9 + 6 + 3)
    density, mean = 3 * 1.2020569 / (4 * np.pi**2) * t**3, 3.15137 * t
    expected = density * c / (12 * np.pi) * 8 / 3 * mean**2 * (0.1 / 1e4) ** 4
    assert interaction_rate_gev(elusive, t, 1e4, 0.1) == pytest.approx(expected, rel=0.03, abs=0)


def test_rate_is_the_fermi_dirac_average(elusive):
    """Far above all masses sigma = 16 * 60 g^4 s/(12 pi M^4), so n <sigma v> = n 8/3 <E>^2 sigma/s: to 1e-5.

    Density and mean energy are integrals over the Fermi-Dirac distribution; 60 = 76 - 16 is the sum of N_c q^2 over both
    chiralities of quarks (4), leptons (6), neutrinos (3), N (6) and chi (41).
    """
    from scipy.integrate import quad

    def moment(k):
        return quad(lambda x: x**k / (np.exp(x) + 1), 0, 200)[0]

    t, scale = 1e6, 1e9
    density, mean = moment(2) / (2 * np.pi**2) * t**3, moment(3) / moment(2) * t
    expected = density * 8 / 3 * mean**2 * 16 * 60 / (12 * np.pi) / scale**4
    model = elusive.with_parameters(m_chi=0.0, m_n=0.0)
    assert interaction_rate_gev(model, t, scale, 1.0) == pytest.approx(expected, rel=1e-5, abs=0)


def test_closed_form_follows_the_rate_equation(elusive):
    """(3.10) is within 25 % of the rate equation in T above the QCD crossover."""
    mass = np.array([5e3, 1e4, 3e4, 5e4])
    ratio = decoupling_estimate(elusive, mass, 0.05).t_freeze_out_gev / decoupling(elusive, mass, 0.05).t_freeze_out_gev
    assert ratio == pytest.approx(np.ones(4), abs=0.25)


@pytest.mark.parametrize("source", DOF_SOURCES)
def test_degrees_of_freedom(source):
    """Today's 3.91 and 3.36 with 1 %, all of the Standard Model at the top to 3 %, h rising throughout to 0.5 %."""
    table = degrees_of_freedom(source)
    assert table.h_eff(1e-6) == pytest.approx(3.91, rel=0.01, abs=0)
    assert table.g_eff(1e-6) == pytest.approx(3.36, rel=0.01, abs=0)
    assert table.g_eff(1e4) == pytest.approx(106.75, rel=0.03, abs=0)
    h = table.h_eff(np.geomspace(1e-5, 1e5, 300))
    assert (h[1:] > 0.995 * h[:-1]).all()
    with pytest.raises(InputError, match="t_gev must be finite and > 0"):
        table.sqrt_g_star(0.0)


@pytest.mark.parametrize(
    ("mass", "coupling", "message"),
    [
        (0.0, 0.1, "mass_gev must be finite and > 0"),
        (1e4, float("nan"), "coupling must be finite and > 0"),
        (1.0, 1.0, "omega decouples outside"),
        (1e9, 1e-5, "omega decouples outside"),
        (1000.0, 2e-5, "not a contact interaction"),
    ],
)
def test_bad_input_is_named(elusive, mass, coupling, message):
    with pytest.raises(InputError, match=message):
        decoupling(elusive, mass, coupling)


def test_needs_omega(vector):
    with pytest.raises(InputError, match="has no dark radiation"):
        decoupling(vector, 1e4, 0.1)
