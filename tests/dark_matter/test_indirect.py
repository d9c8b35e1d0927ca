"""Indirect detection: shares, and the distance to the limits on tau+ tau-."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.dark_matter.indirect import indirect_detection, tau_limits, tau_margin
from zprime_recast.dark_matter.relic import relic_density


def relic_coupling(model, mass, m_chi):
    """Coupling of the observed relic density, on a fine grid."""
    g = np.geomspace(0.02, 0.5, 200)
    omega = relic_density(model, mass, g, m_chi).omega_h2
    return float(g[np.argmin(np.abs(np.log(omega / 0.12)))])


def test_shares_sum_to_one(elusive):
    found = indirect_detection(elusive, np.array([3000.0, 500.0]), 0.1, 1000.0)
    assert sum(found.branching_ratios.values()) == pytest.approx(np.ones(2), rel=1e-12, abs=0)
    assert found.branching_ratios["ZZ"].tolist()[0] == 0
    assert found.branching_ratios["ZZ"][1] > 0


def test_tau_share_is_about_five_percent(elusive, elusive_no_n):
    """The paper: "about 5 %". 2/35 = 5.7 % with three light pairs N, 2/29 = 6.9 % without."""
    assert indirect_detection(elusive_no_n, 9000.0, 0.3, 4000.0).branching_ratios["tau"] == pytest.approx(
        2 / 29, rel=3e-3, abs=0
    )
    assert indirect_detection(elusive, 30000.0, 0.3, 19000.0).branching_ratios["tau"] == pytest.approx(
        2 / 35, rel=3e-3, abs=0
    )


def test_limits_lie_where_the_paper_says():
    """Between 1e-25 and 1.3e-22 cm^3/s from 1 to 10 TeV for Fermi-LAT; H.E.S.S. is stronger, from 2e-26."""
    for limit in tau_limits():
        values = limit.limit_cm3_s(np.geomspace(1e3, 5e3, 20))
        assert values.min() > 1.9e-26
        assert values.max() < 1.3e-22
        assert np.isinf(limit.limit_cm3_s(1.0))
    assert {limit.experiment.split()[0] for limit in tau_limits()} == {"Fermi-LAT", "H.E.S.S."}


@pytest.mark.parametrize(("mass", "m_chi"), [(1700.0, 1000.0), (8000.0, 5000.0), (16000.0, 10000.0)])
def test_two_orders_of_magnitude_below_the_limits(elusive, mass, m_chi):
    """At the observed relic density, off the pole: Fermi-LAT 2015 is > 100 times too weak (200 at 1 TeV); H.E.S.S.,
    with its peaked halo profile, > 10 times."""
    margin = tau_margin(elusive, mass, relic_coupling(elusive, mass, m_chi), m_chi)
    assert margin["Fermi-LAT dwarfs 2015"] > 100
    assert margin["H.E.S.S. Galactic Centre 2016"] > 10
