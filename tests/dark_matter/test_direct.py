"""Direct detection: the paper's numbers, xenon with unequal couplings, limits as tables, errors."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.dark_matter.direct import (
    coupling_at_limit,
    direct_detection,
    excluded_by,
    experiment,
    experiments,
    v1_bound_estimate_gev,
    v1_bound_gev,
)
from zprime_recast.errors import InputError, UnknownName
from zprime_recast.units import CM2_PER_PB


def test_eq_3_7_paper_point(elusive):
    """g = 0.25, m_Z' = 10 TeV, m_chi = 3.8 TeV: 9e-10 pb in the paper, to 5 %."""
    sigma = direct_detection(elusive, 1e4, 0.25, 3800.0).sigma_si_cm2 / CM2_PER_PB
    assert sigma == pytest.approx(9e-10, rel=0.05, abs=0)


def test_eq_3_8_coefficient(elusive):
    """v_1^4 sigma = 2.2e9 GeV^4 pb to 1.5 %, and the paper's v_1 > 40 TeV."""
    sigma = 8.6e-10 * CM2_PER_PB
    exact = v1_bound_gev(elusive, sigma, 3800.0)
    assert exact**4 * 8.6e-10 == pytest.approx(2.2e9, rel=0.015, abs=0)
    assert v1_bound_estimate_gev(sigma) == pytest.approx(float(exact), rel=0.005, abs=0)
    assert exact == pytest.approx(40e3, rel=0.02, abs=0)


def test_coupling_at_limit_inverts(elusive):
    mass = np.array([500.0, 5e3, 5e4])
    g = coupling_at_limit(elusive, 1e-45, mass, 1000.0)
    assert direct_detection(elusive, mass, g, 1000.0).sigma_si_cm2 == pytest.approx(np.full(3, 1e-45), rel=1e-12, abs=0)
    assert np.isinf(coupling_at_limit(elusive, np.inf, 1000.0, 1.0))


def test_unequal_quarks_weight_xenon(with_chi):
    """Up quarks alone: b_p = 2 g_u, b_n = g_u; the xenon average lies between, at (54 b_p + 77.3 b_n)/131.3."""
    model = with_chi(1, 1, q_left=0, u_left=1, u_right=1)
    found = direct_detection(model, 1000.0, 0.1)
    assert found.sigma_proton_cm2 == pytest.approx(4 * found.sigma_neutron_cm2, rel=1e-12, abs=0)
    ratio = ((54 * 2 + 77.293) / 131.293) ** 2
    assert found.sigma_si_cm2 == pytest.approx(ratio * float(found.sigma_neutron_cm2), rel=1e-9, abs=0)


def test_down_quarks_alone_by_hand(with_chi):
    """g = 0.1, M = 1 TeV, m_chi = 400 GeV, charge 1 of d and chi: b_p = 1, b_n = 2 (valence quarks uud, udd).

    mu^2/pi = 0.27930 GeV^2 and (g^2 b/M^2)^2 = 10^-16 b^2 GeV^-4: 1.0875e-44 cm^2 b^2; in xenon b = 1.58870.
    """
    found = direct_detection(with_chi(1, 1, q_left=0, d_left=1, d_right=1), 1000.0, 0.1)
    assert found.sigma_proton_cm2 == pytest.approx(1.0875e-44, rel=1e-4, abs=0)
    assert found.sigma_neutron_cm2 == pytest.approx(4 * 1.0875e-44, rel=1e-4, abs=0)
    assert found.sigma_si_cm2 == pytest.approx(1.58870**2 * 1.0875e-44, rel=1e-4, abs=0)


def test_isovector_coupling_cancels_in_xenon(with_chi):
    """u and d of opposite charge: b_p = -b_n, and xenon sees (54 - 77.293)/131.293 = -0.17741 of it per nucleon."""
    found = direct_detection(with_chi(1, 1, q_left=0, u_left=1, u_right=1, d_left=-1, d_right=-1), 1000.0, 0.1)
    assert found.sigma_proton_cm2 == pytest.approx(float(found.sigma_neutron_cm2), rel=1e-12, abs=0)
    assert found.sigma_si_cm2 == pytest.approx(0.17741**2 * float(found.sigma_proton_cm2), rel=1e-4, abs=0)


def test_axial_dark_matter_does_not_scatter(with_chi):
    model = with_chi(1, -1)
    assert direct_detection(model, 1000.0, 0.1).sigma_si_cm2 == 0
    with pytest.raises(InputError, match="no spin-independent scattering"):
        coupling_at_limit(model, 1e-45, 1000.0)


# minimum of the table, and the value at 1 TeV, against the papers' abstracts and figures
PUBLISHED = {
    "lux_2016": (1.1e-46, 0.07),
    "xenon1t_2017": (7.7e-47, 0.05),
    "xenon1t_2018": (4.1e-47, 0.05),
    "pandax2_2017": (8.6e-47, 0.1),
    "pandax4t_2024": (1.6e-47, 0.05),
    "xenonnt_2023": (2.6e-47, 0.05),
    "lz_2024": (2.1e-48, 0.07),
    "xenonnt_2025": (1.7e-47, 0.05),
    "projection_lz_1000d": (1.6e-48, 0.05),
}


@pytest.mark.parametrize("name", list(experiments()))
def test_tables(name):
    """Masses ascend, limits are finite and > 0, the minimum is the published one, and above the table it goes as m."""
    found = experiment(name)
    assert (np.diff(found.mass_gev) > 0).all()
    assert (found.sigma_cm2 > 0).all()
    assert found.reference
    if name in PUBLISHED:
        value, tolerance = PUBLISHED[name]
        assert found.sigma_cm2.min() == pytest.approx(value, rel=tolerance, abs=0)
    last = found.mass_gev[-1]
    assert found.limit_cm2(10 * last) == pytest.approx(10 * found.sigma_cm2[-1], rel=1e-12, abs=0)
    assert np.isinf(found.limit_cm2(found.mass_gev[0] / 2))


def test_excluded_by():
    """Excluded by what is stronger, not by what is weaker; a small share of dark matter saves the point."""
    limit = float(experiment("lux_2016").limit_cm2(1000.0))
    assert excluded_by(1.01 * limit, 1000.0)["lux_2016"]
    assert not excluded_by(0.99 * limit, 1000.0)["lux_2016"]
    assert not excluded_by(1.01 * limit, 1000.0, fraction=0.5)["lux_2016"]
    assert set(excluded_by(limit, 1000.0, kind="projected")) >= {"projection_lz_1000d", "projection_darwin_200ty"}
    for fraction in (0.0, 1.5, float("nan")):
        with pytest.raises(InputError, match="fraction"):
            excluded_by(limit, 1000.0, fraction=fraction)
    with pytest.raises(UnknownName, match="lux_2016"):
        experiment("lux2016")
