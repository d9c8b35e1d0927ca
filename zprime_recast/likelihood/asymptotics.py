"""CLs from the test statistics of the fits, by the asymptotic formulae of Cowan, Cranmer, Gross and Vitells.

Source: Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727. The statistic is the one-sided profile statistic q~_mu, and
CLs = CL_sb/CL_b.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from ..arrays import FloatArray

#: CLs at which a hypothesis is excluded at 95 % CL.
CLS_EXCLUDED = 0.05
#: Quantiles of background-only experiments, in standard deviations, for which expected results are given.
EXPECTED_SIGMAS = (-2, -1, 0, 1, 2)
#: Asimov statistic below which a hypothesis cannot be distinguished from the background; its CLs is 1.
BLIND = 1e-12


def cls_of(q_observed: FloatArray, q_asimov: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Observed CLs (n,) and expected CLs (n, 5) from the observed and the Asimov statistic, each (n,).

    Source: arXiv:1007.1727, eqs. (59)-(66).
    """
    root, width = np.sqrt(q_observed), np.sqrt(np.maximum(q_asimov, BLIND))
    shifted = np.where(root <= width, root - width, (q_observed - q_asimov) / (2 * width))
    # in logarithms, since both tails may underflow
    observed = np.exp(np.minimum(log_ndtr(-shifted - width) - log_ndtr(-shifted), 0.0))
    n = np.array(EXPECTED_SIGMAS)
    expected = ndtr(n - width[:, None]) / ndtr(n)
    blind = q_asimov < BLIND
    return np.where(blind, 1.0, observed), np.where(blind[:, None], 1.0, expected)


def sqrt_q_thresholds() -> FloatArray:
    """sqrt(q_A) at which the expected CLs is CLS_EXCLUDED, for each of EXPECTED_SIGMAS, (5,)."""
    n = np.array(EXPECTED_SIGMAS)
    return np.asarray(n - ndtri(CLS_EXCLUDED * ndtr(n)))


def unprofiled_statistic(signal: FloatArray, background: FloatArray) -> FloatArray:
    """Asimov statistic (...) of events (..., n_bins) with every nuisance fixed: an upper bound of the profiled one."""
    ratio = np.maximum(signal / background, -0.999)
    return np.asarray(2 * (background * (ratio - np.log1p(ratio))).sum(axis=-1))
