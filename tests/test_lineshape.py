from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from zprime_recast.lineshape import breit_wigner_weights


@pytest.mark.parametrize("gamma_over_m", [0.5, 0.1, 0.01, 1e-3])
@pytest.mark.parametrize("mass", [1000.0, 1003.7, 1499.9])
def test_weights_equal_numerical_integration(mass, gamma_over_m):
    """Hat function by hat function against adaptive quadrature, to 1e-8."""
    nodes = np.linspace(800, 1500, 15) ** 2
    gamma = gamma_over_m * mass
    weights, weights_u = breit_wigner_weights(nodes, mass, gamma)
    for k in (0, 3, 7, 14):
        hat = np.zeros(len(nodes))
        hat[k] = 1
        for found, power in ((weights[k], 0), (weights_u[k], 1)):

            def integrand(s, power=power, hat=hat):
                u = s - mass**2
                return np.interp(s, nodes, hat) * u**power / (u**2 + (mass * gamma) ** 2)

            low, high = nodes[max(k - 1, 0)], nodes[min(k + 1, len(nodes) - 1)]
            points = [p for p in (nodes[k], mass**2, mass**2 - mass * gamma, mass**2 + mass * gamma) if low < p < high]
            expected, _ = quad(integrand, low, high, points=points or None, limit=500, epsabs=0, epsrel=1e-10)
            assert found == pytest.approx(
                expected, rel=1e-7, abs=1e-9 * np.abs(weights if power == 0 else weights_u).max()
            )


def test_total_is_the_closed_form_from_1e_minus_8_to_one_half():
    """Sum of W: [atan((s2 - M^2)/(M Gamma)) - atan((s1 - M^2)/(M Gamma))]/(M Gamma), of any width, on any grid."""
    mass = 2000.0
    nodes = np.geomspace(130, 12000, 9000) ** 2
    gamma = mass * np.geomspace(1e-8, 0.5, 40)
    weights, weights_u = breit_wigner_weights(nodes, mass, gamma)
    w = mass * gamma
    expected = (np.arctan((nodes[-1] - mass**2) / w) - np.arctan((nodes[0] - mass**2) / w)) / w
    np.testing.assert_allclose(weights.sum(axis=1), expected, rtol=1e-11)
    logarithm = 0.5 * np.log(((nodes[-1] - mass**2) ** 2 + w**2) / ((nodes[0] - mass**2) ** 2 + w**2))
    np.testing.assert_allclose(weights_u.sum(axis=1), logarithm, rtol=1e-9)


def test_a_peak_on_a_node_or_between_gives_the_same_narrow_state():
    nodes = np.linspace(900, 1100, 201) ** 2
    for mass in (1000.0, 1000.5, 1000.999999):
        weights, _ = breit_wigner_weights(nodes, mass, 1e-8 * mass)
        total = weights.sum()
        assert total * mass**2 * 1e-8 == pytest.approx(np.pi, rel=1e-6)
        assert weights @ nodes / total == pytest.approx(mass**2, rel=1e-6)  # linear functions are exact
        assert (weights > -1e-15 * total).all()


def test_lower_end_inside_a_cell():
    nodes = np.linspace(500, 1500, 51) ** 2
    mass, gamma = 1000.0, 60.0
    fine = np.union1d(nodes, [(mass - 2 * gamma + 3.3) ** 2])
    cut = (mass - 2 * gamma + 3.3) ** 2
    weights, weights_u = breit_wigner_weights(nodes, mass, gamma, cut)
    fine_weights, fine_u = breit_wigner_weights(fine[fine >= cut], mass, gamma)
    for f in (lambda s: 1 + 0 * s, lambda s: s / mass**2):
        assert weights @ f(nodes) == pytest.approx(fine_weights @ f(fine[fine >= cut]), rel=1e-12)
        assert weights_u @ f(nodes) == pytest.approx(fine_u @ f(fine[fine >= cut]), rel=1e-10)
    assert (weights[nodes < cut][:-1] == 0).all()


def test_hypotheses_broadcast():
    nodes = np.linspace(500, 1500, 31) ** 2
    weights, weights_u = breit_wigner_weights(nodes, np.array([[900.0], [1100.0]]), np.array([1.0, 10.0, 100.0]))
    assert weights.shape == weights_u.shape == (2, 3, 31)
    single, _ = breit_wigner_weights(nodes, 1100.0, 10.0)
    np.testing.assert_array_equal(weights[1, 1], single)
