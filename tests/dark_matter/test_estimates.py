"""Eqs. (3.3), (3.5), (3.6): limits of the exact results where they hold, named errors where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.dark_matter.annihilation import ZZ
from zprime_recast.dark_matter.estimates import (
    on_pole,
    relic_density_estimate,
    sigma_v_diboson_cm3_s,
    sigma_v_fermions_cm3_s,
)
from zprime_recast.dark_matter.relic import relic_density, sigma_v_at_rest_cm3_s
from zprime_recast.errors import InputError, RangeError


def test_eq_3_3_is_the_exact_sigma_v_at_rest(elusive):
    """(3.3) for every fermion, to 1e-3: it neglects m_f^2/m_chi^2."""
    mass = np.array([1000.0, 5000.0, 20000.0])
    exact = sigma_v_at_rest_cm3_s(elusive, mass, 0.1, 4000.0)
    for name, estimate in sigma_v_fermions_cm3_s(elusive, mass, 0.1, 4000.0).items():
        tolerance = 2e-2 if name == "N" else 1e-3
        assert estimate == pytest.approx(exact[name], rel=tolerance, abs=0), name


@pytest.mark.parametrize("ratio", [0.02, 0.3, 0.9, 0.999])
def test_eq_3_5_is_the_exact_sigma_v_at_rest(elusive, vector, ratio):
    """(3.5), to 1e-9, with and without axial coupling: the printed formula is exact in M/m_chi."""
    for model in (elusive, vector):
        exact = sigma_v_at_rest_cm3_s(model, ratio * 2000.0, 0.1, 2000.0)[ZZ]
        assert sigma_v_diboson_cm3_s(model, ratio * 2000.0, 0.1, 2000.0) == pytest.approx(float(exact), rel=1e-9, abs=0)


@pytest.mark.parametrize(("mass", "m_chi"), [(4000.0, 1400.0), (10000.0, 3000.0), (20000.0, 5000.0)])
def test_eq_3_6_is_good_to_forty_percent_off_the_pole(elusive, mass, m_chi):
    exact = relic_density(elusive, mass, 0.2, m_chi)
    estimate = relic_density_estimate(elusive, mass, 0.2, exact.t_freeze_out_gev, m_chi)
    assert estimate == pytest.approx(float(exact.omega_h2), rel=0.4, abs=0)


def test_eq_3_3_on_the_pole_is_named(elusive):
    """Where thermal motion sweeps the peak there is an error, no number; the mask says where."""
    for mass in (1960.0, 2000.0, 2050.0):
        assert on_pole(elusive, mass, 0.05, 1000.0)
        with pytest.raises(RangeError, match=r"eq. \(3.3\) does not apply on the pole"):
            sigma_v_fermions_cm3_s(elusive, mass, 0.05, 1000.0)
        with pytest.raises(RangeError, match=r"eq. \(3.3\)"):
            relic_density_estimate(elusive, mass, 0.05, 40.0, 1000.0)
    assert not on_pole(elusive, [1000.0, 1700.0, 2600.0], 0.05, 1000.0).any()


def test_eq_3_5_below_threshold_is_named(elusive):
    for mass in (1000.0, 3000.0):
        with pytest.raises(RangeError, match=r"eq. \(3.5\) needs m_Z' < m_chi"):
            sigma_v_diboson_cm3_s(elusive, [500.0, mass], 0.1, 1000.0)
    # (3.6) leaves the closed channel out
    assert np.isfinite(relic_density_estimate(elusive, [500.0, 4000.0], 0.1, 40.0, 1000.0)).all()


def test_bad_temperature_is_named(elusive):
    with pytest.raises(InputError, match="t_freeze_out_gev must be finite and > 0"):
        relic_density_estimate(elusive, 4000.0, 0.1, 0.0, 1000.0)
