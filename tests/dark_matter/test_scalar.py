"""Scalar sector: (2.7)-(2.16) exactly, the paper's approximations, and where they stop."""

from __future__ import annotations

from dataclasses import replace
from math import cos, sin

import numpy as np
import pytest

from zprime_recast.dark_matter.scalar import (
    Potential,
    paper_example,
    potential_from_masses,
    pseudoscalar,
    spectrum,
    spectrum_estimate,
    v2_estimate_gev,
    violated_constraints,
)
from zprime_recast.errors import InputError

GENERIC = Potential(700.0, 90.0, 0.5, 0.8, 1.1, 0.3, 0.2, 0.15, 40.0)


@pytest.mark.parametrize("potential", [GENERIC, replace(GENERIC, lambda_1h=-0.3, lambda_12=-0.4)])
def test_minimum_and_mass_matrix_from_the_potential(potential):
    """Gradient zero to 1e-9 of its terms, Hessian the exact mass matrix to 1e-5: (2.8)-(2.10), (2.12) by differences."""
    vevs = np.array([potential.v_gev, potential.v1_gev, potential.v2_gev])

    def v(point):
        return potential.value_gev4(*point)

    step = 0.05
    one = np.eye(3) * step
    scale = abs(potential.masses_squared_gev2()[1]) * vevs[1]
    gradient = np.array([v(vevs + e) - v(vevs - e) for e in one]) / (2 * step)
    assert np.abs(gradient).max() < 1e-6 * scale
    hessian = [[v(vevs + a + b) - v(vevs + a - b) - v(vevs - a + b) + v(vevs - a - b) for b in one] for a in one]
    assert np.array(hessian) / (4 * step**2) == pytest.approx(potential.mass_matrix_gev2(), rel=1e-4, abs=1.0)


def test_pseudoscalar():
    """A is orthogonal to the Goldstone of the Z' and has the exact mass; degenerate with phi_2 when v_2 << v_1."""
    component, m_a = pseudoscalar(GENERIC)
    v1, v2, eta = GENERIC.v1_gev, GENERIC.v2_gev, GENERIC.eta_gev
    # the only phase in V: -eta v1^2 v2/sqrt(2) cos(2 a1/v1 - a2/v2)
    phase = np.array([2 / v1, -1 / v2])
    matrix = eta * v1**2 * v2 / np.sqrt(2) * np.outer(phase, phase)
    assert matrix @ component == pytest.approx(m_a**2 * component, rel=1e-10, abs=0)
    assert component @ np.array([v1, 2 * v2]) == pytest.approx(0.0, abs=1e-9)
    assert spectrum(paper_example()).m_a_gev == pytest.approx(spectrum(paper_example()).m_phi2_gev, rel=1e-4, abs=0)


def test_paper_example():
    """v_1 = m_2 = 10 TeV, eta = 1e-5 GeV: v_2 of order keV by (2.11), minimum exact to 1e-6, sound vacuum."""
    potential = paper_example()
    assert 1e-6 < potential.v2_gev < 1e-4
    m_22 = potential.masses_squared_gev2()[2]
    assert v2_estimate_gev(1e-5, 1e4, np.sqrt(m_22)) == pytest.approx(potential.v2_gev, rel=1e-6, abs=0)
    exact, estimate = potential.masses_squared_gev2(), potential.masses_squared_estimate_gev2()
    assert exact == pytest.approx(estimate, rel=1e-6, abs=0)
    assert violated_constraints(potential) == []


@pytest.mark.parametrize("lambda_1h", [0.001, 0.01, 0.05])
def test_approximations_hold_for_heavy_weakly_mixed_scalars(lambda_1h):
    """v_1 = 10 TeV: masses (2.13) to 1 %, angles (2.14) to 1 %."""
    potential = replace(paper_example(), lambda_1h=lambda_1h, eta_gev=2e-5)
    exact, estimate = spectrum(potential), spectrum_estimate(potential)
    for name in ("m_h_gev", "m_phi1_gev", "m_phi2_gev", "m_a_gev", "alpha_1", "kappa"):
        assert getattr(exact, name) == pytest.approx(getattr(estimate, name), rel=0.01, abs=0), name


def test_alpha_2_needs_heavy_phi_2():
    """(2.14) for alpha_2 holds to 1 % when m_phi2 >> m_phi1, and is off by m_phi1^2/m_phi2^2 otherwise."""
    heavy = potential_from_masses(4e4, 1e-6, 800.0, 2e4, 0.1)
    assert spectrum(heavy).alpha_2 == pytest.approx(spectrum_estimate(heavy).alpha_2, rel=0.01, abs=0)
    near = potential_from_masses(4e4, 1e-6, 800.0, 1000.0, 0.1)
    assert spectrum(near).alpha_2 / spectrum_estimate(near).alpha_2 > 2


def test_approximations_stop_for_large_mixing():
    """sin(alpha_1) = 0.3 at 800 GeV: (2.13) misses the Higgs mass by more than half; the exact one returns the input."""
    potential = potential_from_masses(4e4, 1e-6, 800.0, 7000.0, 0.3)
    exact = spectrum(potential)
    assert exact.m_h_gev == pytest.approx(125.2, rel=1e-6, abs=0)
    assert exact.m_phi1_gev == pytest.approx(800.0, rel=1e-6, abs=0)
    assert sin(exact.alpha_1) == pytest.approx(0.3, rel=1e-6, abs=0)
    assert exact.kappa == pytest.approx(cos(exact.alpha_1), rel=1e-12, abs=0)
    assert spectrum_estimate(potential).m_h_gev > 1.5 * exact.m_h_gev


def test_constraints():
    """sin(alpha) < 0.39 (kappa > 0.92) at any mass, < 0.2 at 800 GeV."""
    assert cos(np.arcsin(0.39)) == pytest.approx(0.92, abs=0.002)
    assert "Higgs couplings" in violated_constraints(potential_from_masses(4e4, 1e-6, 400.0, 7000.0, 0.40))
    assert violated_constraints(potential_from_masses(4e4, 1e-6, 400.0, 7000.0, 0.38)) == []
    assert "W mass" in violated_constraints(potential_from_masses(4e4, 1e-6, 800.0, 7000.0, 0.21))
    assert violated_constraints(potential_from_masses(4e4, 1e-6, 800.0, 7000.0, 0.19)) == []


def test_vacuum_stability_against_random_directions():
    """The copositivity conditions agree with a scan of the quartic form over directions."""
    rng = np.random.default_rng(7)
    x = np.abs(rng.normal(size=(20000, 3)))
    x = np.concatenate([x, np.eye(3)]) / np.linalg.norm(np.concatenate([x, np.eye(3)]), axis=1)[:, None]
    disagree = 0
    for _ in range(200):
        diagonal, off = rng.uniform(0.05, 1, 3), rng.uniform(-2, 1, 3)
        p = Potential(1e3, 1e-3, *diagonal, off[0], off[1], off[2], 1.0)
        matrix = np.diag(diagonal) + 0.5 * np.array([[0, off[1], off[2]], [off[1], 0, off[0]], [off[2], off[0], 0]])
        lowest = np.einsum("ni,ij,nj->n", x, matrix, x).min()
        disagree += p.is_bounded_below() != (lowest >= 0)
    assert disagree <= 2  # the scan may miss a narrow cone
    assert "vacuum stability" in violated_constraints(replace(paper_example(), lambda_1h=-0.8, lambda_h=0.26))


def test_bad_input_is_named():
    with pytest.raises(InputError, match="v1_gev must be > 0"):
        replace(GENERIC, v1_gev=0.0)
    with pytest.raises(InputError, match="lambda_12 must be finite"):
        replace(GENERIC, lambda_12=float("nan"))
    with pytest.raises(InputError, match="sin_alpha_1"):
        potential_from_masses(1e4, 1e-6, 800.0, 1e3, 1.0)
    with pytest.raises(InputError, match="not a minimum"):
        spectrum(replace(GENERIC, lambda_1h=5.0))
    with pytest.raises(InputError, match=r"m_2\^2 > 0"):
        spectrum_estimate(replace(GENERIC, lambda_12=30.0))
