"""Bayesian limits: nuisances integrated over, against quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad, quad_vec
from scipy.optimize import brentq
from scipy.stats import norm, poisson
from toy_search import counting

from zprime_recast.likelihood.background_fit import fit_background
from zprime_recast.likelihood.bayes import log_evidence, posterior


def background_fit(likelihood):
    """The fit at mu = 0."""
    return fit_background(likelihood)


@pytest.mark.parametrize("counts", [30.0, 50.0, 70.0])
def test_evidence_is_the_integral_over_the_background(counts):
    """B = 50 to 25 %, S from 0 to 60: ln of the integral of P(n | S + B exp(a u)) over a Gaussian of a, relative to S =
    0, to 0.02 (Laplace's approximation). The determinant alone is 0.3 of it.

    Killed here: a likelihood that is profiled instead of integrated, and a determinant with the other sign.
    """
    bkg, u, signals = 50.0, 0.25, np.array([0.0, 10.0, 25.0, 40.0, 60.0])
    likelihood = counting([counts], [bkg], signals[:, None], [[u]], [[0.0]])

    def integral(s):
        return quad(
            lambda a: norm.pdf(a) * poisson.pmf(counts, s + bkg * np.exp(u * a)), -9, 9, points=[-3, -1, 0, 1, 3]
        )[0]

    found = log_evidence(likelihood, background_fit(likelihood), likelihood.n_obs)
    expected = np.log([integral(s) for s in signals])
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=0.02)


@pytest.mark.parametrize(("counts", "bkg", "u"), [(0.0, 0.01, 0.3), (4.0, 3.0, 0.4), (30.0, 25.0, 0.3)])
def test_a_sampled_nuisance_is_integrated(counts, bkg, u):
    """A nuisance of the signal, S exp(a u), sampled at 16 points of its prior: the 95 % quantile of the strength, flat
    prior, against quadrature over a, 5 %: the spread of the points is 5 % too small.

    Killed here: the largest likelihood of the draws instead of their sum; a limit at 90 %.
    """

    def at(strengths, draw):
        signal = (strengths * np.exp(u * draw[0])).reshape(-1, 1)
        return counting([counts], [bkg], signal, [[0.0]], [[0.0]])

    null = background_fit(counting([counts], [bkg], [[1.0]], [[0.0]], [[0.0]]))
    mu = np.linspace(0.0, 6 * (3 + np.sqrt(bkg) * 2), 3001)
    density, _ = quad_vec(lambda a: norm.pdf(a) * poisson.pmf(counts, bkg + mu * np.exp(u * a)), -6, 6)
    share = np.cumsum(density) / density.sum()
    exact = brentq(lambda x: np.interp(x, mu, share) - 0.95, 0.0, mu[-1])
    found = posterior(at, null, np.array([0.8 * exact]), n_sampled=1).upper_limits[0]
    assert found == pytest.approx(exact, rel=0.05)
