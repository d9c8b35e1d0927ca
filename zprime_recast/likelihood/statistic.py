r"""The one-sided profile statistic of a data set, from its fits at signal strength 0 and 1.

.. math:: \tilde q = -2 \ln\frac{L(1)}{\max_{0 \le \mu \le 1} L(\mu)}, \qquad
          \tilde q = 0 \text{ if } L \text{ still rises at } \mu = 1.

The slopes of ln L at both ends tell whether the best strength lies between, and only then is a third fit made.
Source: Cowan, Cranmer, Gross, Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727, eq. (16).
"""

from __future__ import annotations

import numpy as np

from ..arrays import BoolArray, FloatArray, IndexArray
from .expectations import Expectations
from .newton import Fits, fit

#: Second first guess of the strength, where a fit may end in another minimum.
FROM_ABOVE = 0.9


def profiled_statistic(
    model: Expectations,
    n_obs: FloatArray,
    reference: FloatArray,
    centers: FloatArray | None,
    at_zero: FloatArray,
    excess_at_zero: FloatArray,
    slope_at_zero: FloatArray,
    at_one: Fits,
    use_inverse: bool = False,
) -> tuple[FloatArray, BoolArray]:
    """q~ of data sets and whether all fits converged, each (n,).

    Arguments:
        model: expectations of the hypotheses, (n,).
        n_obs: counts, (n, n_bins) or one row for all.
        reference: expectations the fits refer to, (n, n_bins) or one row for all.
        centers: centres of the constraints, (n, n_nuisances) or one row for all; None for 0.
        at_zero: nuisances of the fits at strength 0, (n, n_nuisances) or one row for all.
        excess_at_zero: F of :mod:`zprime_recast.likelihood.newton` there, (n,) or one number.
        slope_at_zero: dF/dmu there, (n,).
        at_one: fits at strength 1.
        use_inverse: whether the Hessians of ``at_one`` are good enough to begin the third fit with.
    """
    excess = at_one.excess - excess_at_zero
    q = 2 * np.maximum(excess, 0.0)
    q[at_one.slope < 0] = 0.0
    converged = at_one.converged.copy()
    inside = at_one.converged & (at_one.slope >= 0) & ((slope_at_zero < 0) | (excess < 0))
    between = np.nonzero(inside)[0]
    if not len(between):
        return q, converged

    def rows(values: FloatArray, i: IndexArray) -> FloatArray:
        return values if values.ndim == 1 or len(values) == 1 else values[i]

    def fitted(i: IndexArray, start: FloatArray, strength: FloatArray, inverse: FloatArray | None) -> Fits:
        at = None if centers is None else rows(centers, i)
        data = rows(n_obs, i), rows(reference, i)
        return fit(model.take(i), *data, start, strength, at, free_mu=True, inverse=inverse)

    first = rows(at_zero, between)
    share = highest_between(-slope_at_zero[between], -excess[between], -at_one.slope[between])
    guess = first + share[:, None] * (at_one.nuisances[between] - first)
    free = fitted(between, guess, share, at_one.inverse[between] if use_inverse else None)
    lowest = free.excess
    odd = np.nonzero(slope_at_zero[between] >= 0)[0]  # F rises at both ends or falls in between: also start from above
    if len(odd):
        there = between[odd]
        above = fitted(there, at_one.nuisances[there], np.full(len(there), FROM_ABOVE), None)
        lowest[odd] = np.minimum(lowest[odd], above.excess)
    zero = excess_at_zero if np.ndim(excess_at_zero) == 0 else excess_at_zero[between]
    least = np.minimum(np.minimum(lowest - zero, excess[between]), 0.0)
    q[between] = 2 * np.maximum(excess[between] - least, 0.0)
    converged[between] &= free.converged
    return q, converged


def highest_between(slope_0: FloatArray, rise: FloatArray, slope_1: FloatArray) -> FloatArray:
    """Where between 0 and 1 the cubic with these slopes at both ends and this rise is highest, about, (n,)."""
    square, cube = 3 * rise - 2 * slope_0 - slope_1, slope_0 + slope_1 - 2 * rise
    root = np.sqrt(np.maximum(square**2 - 3 * cube * slope_0, 0.0))
    return np.asarray(np.clip(slope_0 / np.maximum(root - square, 1e-30), 0.02, 0.98))
