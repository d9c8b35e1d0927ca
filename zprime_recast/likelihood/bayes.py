"""Bayesian upper limits: flat prior in the signal strength, nuisances marginalised with their unit-Gaussian priors.

Nuisances that move a peak (mass scale, resolution) give likelihoods with many maxima, so they are sampled at
quasi-random points of their prior. The points are the same at every strength, and the true spectrum is folded anew at
each. The integral over all other nuisances is done in Laplace's approximation around their profiled values,

    p(n | mu, sampled) ~ L(mu, sampled, profiled) / sqrt(det H),

with H the Hessian of -ln L. Unlike with asymptotic CLs, the limit is the exact 3.0 events where none is seen and none
expected. CMS computes the same limit with a Markov chain (arXiv:2103.02708).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtri

from ..arrays import FloatArray, Quiet
from ..errors import LikelihoodError
from .background_fit import BackgroundFit
from .binned import BinnedLikelihood
from .cls import CHUNK
from .expectations import expectations_of
from .newton import fit, log_determinant

CREDIBILITY = 0.95
#: Number of strengths, up to SPAN times an estimate of the limit, at which each of two passes computes the posterior.
POINTS = 25
SPAN = 3.0
#: Passes at most, if no nuisance is sampled, and the change of ln(limit) from which on no more are made.
PASSES, SETTLED = 6, 0.3
#: Range of the logarithm of the posterior that counts.
LOG_RANGE = 60.0
#: Number of points of the prior of the sampled nuisances, in the first, rough pass and in the second one.
DRAWS = (4, 16)


def log_evidence(likelihood: BinnedLikelihood, null: BackgroundFit, n_obs: FloatArray) -> FloatArray:
    """ln p(n | mu = 1) of every hypothesis, (n,), with the nuisances integrated in Laplace's approximation.

    It is given up to a constant that depends only on the data, and -inf for a hypothesis that is a fault of the
    likelihood, whose total of a bin is below 0. ``n_obs`` are counts, (n_bins,) or (n, n_bins).
    LikelihoodError if a fit fails.
    """
    model = expectations_of(likelihood)
    start = model.padded(null.nuisances)
    n = len(likelihood.signal)
    result = np.empty(n)
    for first in range(0, n, CHUNK):
        i = np.arange(first, min(first + CHUNK, n))
        part, rows = model.take(i), n_obs if n_obs.ndim == 1 else n_obs[i]
        mu = np.ones(len(i))
        found = fit(part, rows, null.expected, start, mu)
        if not found.converged.all():
            raise LikelihoodError("a fit of the Bayesian limit did not converge; try another mass or width")
        result[i] = -found.excess - 0.5 * log_determinant(part, rows, null.expected, found.nuisances, mu)
    if not np.isfinite(result).all():
        raise LikelihoodError("the likelihood of the Bayesian limit is not finite; try another mass or width")
    result[[i for i, _ in likelihood.faults]] = -np.inf
    return result


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(Quiet):
    """Posteriors of the strength of n signals, at the points of a grid that is common in units of ``scale``."""

    scale: FloatArray
    """Unit of the strength, (n,)."""
    points: FloatArray
    """Ascending strengths in this unit, (n_points,)."""
    share: FloatArray
    """Cumulative posterior at the points, (n, n_points)."""

    @property
    def upper_limits(self) -> FloatArray:
        """Strengths below which a share CREDIBILITY of the posterior lies, (n,)."""
        each = (np.interp(CREDIBILITY, row, self.points) for row in self.share)
        return np.asarray(self.scale * np.array(list(each)))

    def beyond(self, strength: float) -> FloatArray:
        """Share of the posterior above a strength, (n,)."""
        ends = zip(strength / self.scale, self.share, strict=True)
        return np.array([1 - np.interp(at, self.points, row, left=0.0) for at, row in ends])


def posterior(
    likelihood_at: Callable[[FloatArray, FloatArray], BinnedLikelihood],
    null: BackgroundFit,
    estimate: FloatArray,
    n_sampled: int = 0,
    n_obs: FloatArray | None = None,
) -> Posterior:
    """Posteriors of the strengths of signals (n,) with a flat prior.

    Arguments:
        likelihood_at: function from strengths (n, m) and values (n_sampled,) of the sampled nuisances to a likelihood,
            whose hypotheses are in the order of the flattened strengths and which lacks the sampled nuisances.
        null: fit of the background.
        estimate: estimate of the upper limits to about a factor of two, (n,).
        n_sampled: number of sampled nuisances.
        n_obs: counts (n_bins,); by default those of the likelihood.

    LikelihoodError if a fit fails.
    """
    from scipy.interpolate import CubicSpline

    scale = np.asarray(estimate, dtype=float)
    grid = np.linspace(1e-3, SPAN, POINTS)
    # the logarithm is smooth: it is interpolated, then integrated
    fine = np.linspace(grid[0], grid[-1], 20 * POINTS)
    counts = [DRAWS[0]] * PASSES if n_sampled == 0 else []
    for count in (*counts, *DRAWS):
        strengths = scale[:, None] * grid
        likelihoods = (likelihood_at(strengths, draw) for draw in prior_points(n_sampled, count))
        each = [log_evidence(one, null, one.n_obs if n_obs is None else n_obs) for one in likelihoods]
        log = np.asarray(logsumexp(each, axis=0)).reshape(strengths.shape)
        log = np.maximum(log, log.max(axis=1, keepdims=True) - LOG_RANGE)  # -inf where a strength is impossible
        log = CubicSpline(grid, log, axis=1)(fine)
        total = np.cumsum(np.exp(log - log.max(axis=1, keepdims=True)), axis=1)
        found = Posterior(scale, fine, total / total[:, -1:])
        scale = found.upper_limits
        if n_sampled == 0 and (np.abs(np.log(scale / found.scale)) < SETTLED).all():
            break
    return found


def prior_points(dimensions: int, count: int) -> FloatArray:
    """Quasi-random points of a unit Gaussian and their mirror images, (count, dimensions); ``count`` is even.

    Without dimensions there is a single empty point.
    """
    if dimensions == 0:
        return np.zeros((1, 0))
    # additive recurrence with the generalised golden ratio
    root = 1.5
    for _ in range(60):
        root = (1 + root) ** (1 / (dimensions + 1))
    steps = root ** -np.arange(1.0, dimensions + 1)
    half = ndtri((0.5 + np.arange(1, count // 2 + 1)[:, None] * steps) % 1.0)
    half /= np.sqrt((half**2).mean(axis=0))  # few points: their variance is that of the prior only after this
    return np.concatenate([half, -half])
