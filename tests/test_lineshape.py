from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from zprime_recast.process.poles import POINTS, Panels, panels, pole_weights

GRID = Panels(np.linspace(800, 1500, 29))


def by_quadrature(f, mass, gamma, low, high, part):
    """Integral of f(s)/(s - M^2 + i M Gamma) from low to high (GeV), with stops at the pole."""
    w = mass * gamma

    def integrand(s):
        return getattr(f(s) / (s - mass**2 + 1j * w), part)

    stops = np.array([mass**2 + x * w for x in (-30, -3, -1, 0, 1, 3, 30)])
    ends = [low**2, *stops[(stops > low**2) & (stops < high**2)], high**2]
    return sum(quad(integrand, a, b, epsabs=0, epsrel=1e-12, limit=500)[0] for a, b in pairwise(ends))


@pytest.mark.parametrize("gamma_over_m", [0.5, 0.1, 0.01, 1e-3, 1e-4])
@pytest.mark.parametrize("mass", [1000.0, 1003.7, 1499.9, 700.0])
@pytest.mark.parametrize("low", [None, 861.2])
def test_weights_equal_numerical_integration(mass, gamma_over_m, low):
    """A smooth function against adaptive quadrature to 1e-9, real and imaginary part, also from inside a panel."""

    def f(s):
        return np.exp(-s / 9e5) * (1 + np.sin(s / 4e5) / 3)

    gamma = gamma_over_m * mass
    found = pole_weights(GRID, mass, gamma, low) @ f(GRID.s)
    for part in ("real", "imag"):
        expected = by_quadrature(f, mass, gamma, low or 800.0, 1500.0, part)
        assert getattr(found, part) == pytest.approx(expected, rel=1e-8, abs=1e-9 * abs(found))


@pytest.mark.parametrize("power", range(POINTS))
def test_polynomials_are_exact(power):
    """A polynomial of order POINTS - 1 on one panel, the pole inside it, beside it and far away: 1e-9."""
    grid = Panels(np.array([1000.0, 1020.0]))
    for mass, gamma in ((1010.0, 1e-3), (1010.0, 30.0), (1021.0, 0.1), (1080.0, 1.0), (2000.0, 1.0)):

        def f(s):
            return ((s - 1010.0**2) / 2e4) ** power

        found = pole_weights(grid, mass, gamma) @ f(grid.s)
        expected = [by_quadrature(f, mass, gamma, 1000.0, 1020.0, part) for part in ("real", "imag")]
        np.testing.assert_allclose([found.real, found.imag], expected, rtol=1e-8, atol=1e-9 * abs(found) + 1e-15)


def test_total_is_the_closed_form_from_1e_minus_8_to_one_half():
    """F = 1: the logarithm of the pole's distance to both ends, of any width, on any grid, to 1e-12."""
    mass = 2000.0
    gamma = mass * np.geomspace(1e-8, 0.5, 40)
    place = mass**2 - 1j * mass * gamma
    expected = np.log(12000**2 - place) - np.log(130**2 - place)
    for width in (0.004, 0.008, 0.1, 1.0):
        found = pole_weights(panels(130.0, 12000.0, width), mass, gamma).sum(axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_peak_on_an_edge_a_node_or_between_gives_the_same_narrow_state():
    grid = panels(900.0, 1100.0, 0.01)
    for mass in (1000.0, float(grid.edges_gev[5]), float(grid.m_gev[43]), 1000.999999):
        weights = -pole_weights(grid, mass, 1e-8 * mass).imag / np.pi
        assert weights.sum() == pytest.approx(1, rel=1e-6)
        for f in (lambda s: s / 1e6, lambda s: np.exp(s / 1e6)):
            assert weights @ f(grid.s) == pytest.approx(f(mass**2), rel=1e-6)


def test_nodes_integrate_and_interpolate():
    grid = panels(200.0, 5000.0, 0.05)
    assert grid.weights @ np.exp(-grid.s / 1e6) == pytest.approx(1e6 * (np.exp(-0.04) - np.exp(-25)), rel=1e-12)
    at = np.array([200.0, 333.3, 4999.0, 5000.0])
    nodes, shares = grid.values_at(at)
    np.testing.assert_allclose((np.log(grid.s)[nodes] * shares).sum(axis=1), 2 * np.log(at), rtol=1e-12)
    assert grid.part(3, 7).s == pytest.approx(grid.s[3 * POINTS : 7 * POINTS], rel=1e-15)


def test_hypotheses_broadcast():
    weights = pole_weights(GRID, np.array([[900.0], [1100.0]]), np.array([1.0, 10.0, 100.0]))
    assert weights.shape == (2, 3, len(GRID.s))
    np.testing.assert_array_equal(weights[1, 1], pole_weights(GRID, 1100.0, 10.0))
    cut = pole_weights(GRID, np.array([900.0, 1100.0]), 10.0, np.array([890.0, 2000.0]))
    assert (cut[1] == 0).all()
