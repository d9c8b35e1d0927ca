"""Neutrino sector: (2.2) against the exact diagonalisation of (2.6), measured splittings, the keV scale."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.dark_matter.neutrino import (
    DELTA_M2_21_EV2,
    DELTA_M2_31_EV2,
    InverseSeesaw,
    benchmark,
    exact_spectrum,
    from_yukawas,
    light_mass_matrix_gev,
    light_masses_estimate_ev,
    mixing_with_n_prime,
    pmns,
)
from zprime_recast.errors import InputError


def test_benchmark_reproduces_splittings():
    """Exact diagonalisation gives the measured splittings to 0.1 % and mu of order keV (M_N = 1 TeV, y = 0.03)."""
    sector = benchmark()
    d21, d31 = exact_spectrum(sector).splittings_ev2
    assert d21 == pytest.approx(DELTA_M2_21_EV2, rel=1e-3, abs=0)
    assert d31 == pytest.approx(DELTA_M2_31_EV2, rel=1e-3, abs=0)
    assert 0.3e-6 < np.abs(sector.mu_gev).max() < 3e-6


def test_scale_of_mu_follows_the_formula():
    """mu ~ m_nu (M_N/m_D)^2: with y = 1 and M_N = 1 TeV it is of order eV, a keV needs M_N of tens of TeV."""
    assert 0.3e-9 < np.abs(benchmark(1e3, 1.0).mu_gev).max() < 3e-9
    assert 0.3e-6 < np.abs(benchmark(3e4, 1.0).mu_gev).max() < 3e-6


def test_pmns_is_unitary_and_diagonalises():
    u = pmns()
    assert np.abs(u @ u.conj().T - np.eye(3)).max() < 1e-12
    light = u.T @ light_mass_matrix_gev(benchmark()) @ u
    assert np.abs(light - np.diag(np.diag(light))).max() < 1e-9 * np.abs(light).max()


@pytest.mark.parametrize("y", [0.003, 0.03, 0.3, 1.0, 3.0])
def test_seesaw_formula_is_off_by_the_mixing_squared(y):
    """Relative error of (2.2) = theta^2/(1 + theta^2), theta = m_D/M_N: 1e-6 at y = 0.006, 21 % at y = 3."""
    sector = benchmark(1e3, y)
    theta2 = float(np.abs(mixing_with_n_prime(sector)).max() ** 2)
    exact, estimate = exact_spectrum(sector).light_ev, light_masses_estimate_ev(sector)
    assert exact == pytest.approx(estimate / (1 + theta2), rel=1e-6, abs=0)
    assert (np.abs(exact / estimate - 1) < 0.01).all() == (theta2 < 0.0101)


def test_general_matrices():
    """Random Yukawas: (2.2) to 1e-3 at mixing of 1 %, six heavy states in pseudo-Dirac pairs split by mu."""
    rng = np.random.default_rng(3)

    def matrix():
        return rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))

    y_prime = matrix()
    m_n = np.diag([800.0, 1000.0, 1500.0]) + 20 * matrix()
    sector = from_yukawas(0.02 * matrix(), m_n, y_prime + y_prime.T, 1e-6)
    exact = exact_spectrum(sector)
    assert exact.light_ev == pytest.approx(light_masses_estimate_ev(sector), rel=3e-3, abs=0)
    pairs = exact.heavy_gev.reshape(3, 2)
    assert (np.diff(pairs, axis=1) < 1e-5).all()
    assert pairs.mean(axis=1) == pytest.approx(np.sort(np.linalg.svd(m_n, compute_uv=False)), rel=1e-3, abs=0)


def test_n_mass_term_does_not_matter_at_tree_level():
    """mu' = Y_N v_2 changes light masses by mu' mu/M^2 only: less than 1e-9."""
    sector = benchmark()
    more = InverseSeesaw(sector.m_dirac_gev, sector.m_n_gev, sector.mu_gev, np.eye(3, dtype=complex) * 1e-6)
    assert exact_spectrum(more).light_ev == pytest.approx(exact_spectrum(sector).light_ev, rel=1e-9, abs=0)


def test_light_masses_against_plain_svd():
    """Where double precision suffices (mu of GeV) the block inverse equals the plain singular values to 1e-6."""
    sector = benchmark(1e3, 0.03)
    big = InverseSeesaw(sector.m_dirac_gev, sector.m_n_gev, 1e6 * sector.mu_gev, sector.mu_prime_gev)
    plain = np.linalg.svd(big.mass_matrix_gev(), compute_uv=False)[::-1][:3] * 1e9
    assert exact_spectrum(big).light_ev == pytest.approx(plain, rel=1e-6, abs=0)


def test_bad_input_is_named():
    one, zero = np.eye(3, dtype=complex), np.zeros((3, 3), dtype=complex)
    with pytest.raises(InputError, match="mu must be invertible"):
        exact_spectrum(InverseSeesaw(one, 1e3 * one, zero, zero))
    with pytest.raises(InputError, match="m_n_gev must be invertible"):
        InverseSeesaw(one, zero, one, zero)
    with pytest.raises(InputError, match="mu_gev must be symmetric"):
        InverseSeesaw(one, one, np.triu(np.ones((3, 3))).astype(complex), zero)
    with pytest.raises(InputError, match="m_dirac_gev must be a finite 3x3"):
        InverseSeesaw(one * np.nan, one, one, zero)
    with pytest.raises(InputError, match="lightest_ev must be > 0"):
        benchmark(lightest_ev=0.0)
