"""CLs of weighted toys: observed, and expected at the quantiles of the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from ..arrays import FloatArray, Quiet
from .asymptotics import EXPECTED_SIGMAS
from .toy_ensemble import Toys
from .toy_statistic import ToyStatistic

#: Statistics closer than this are ties. Data sets with the same counts in the only bins that matter have the same value
#: up to the accuracy of the fits; what it changes where there are none is below 0.1 % of CLs.
TIE = 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class WeightedCLs(Quiet):
    """CLs of one hypothesis from weighted toys."""

    cls_observed: float
    cls_expected: FloatArray
    """At -2, -1, 0, 1, 2 standard deviations of the background, (5,)."""
    p_signal: float
    """Probability of data at least as unlike the signal as the observed ones, under signal + background."""
    p_background: float
    """Probability of such data under the background alone."""
    n_effective: float
    """Number of equally weighted toys that would know p_signal as well."""


def weighted_cls(toys: Toys, tested: ToyStatistic, q_observed: float) -> WeightedCLs:
    """CLs = p_signal/p_background of data whose statistic is q~ = ``q_observed``.

    Both p-values count ties as at least as extreme. An expected value is that of the toy at the quantile, with its
    ties: the statistic is discrete where few events are expected, and a band is never inverted. Data more extreme than
    every toy get the CLs of the most extreme toy.
    """
    statistic = tested.statistic
    order = np.argsort(statistic, kind="stable")
    ordered = statistic[order]
    signal = np.exp(np.minimum((tested.log_weight - toys.log_mixture)[order], 700.0))
    background = np.exp(-toys.log_mixture[order])
    of_signal, of_background = np.cumsum(signal), np.cumsum(background)
    share = of_background / of_background[-1]
    n = len(ordered)

    def last(value: float) -> int:
        """The last toy at least as extreme as a value."""
        return max(int(np.searchsorted(ordered, value + TIE, side="right")) - 1, 0)

    at_quantiles = np.minimum(np.searchsorted(share, ndtr(np.array(EXPECTED_SIGMAS, dtype=float))), n - 1)
    observed = last(-0.5 * q_observed)
    chosen = np.array([observed, *(last(ordered[k]) for k in at_quantiles)])
    cls = np.minimum(of_signal[chosen] / of_background[chosen], 1.0)
    cls[ordered[chosen] >= -TIE] = 1.0  # data that no other strength describes better
    squares = float((signal[: observed + 1] ** 2).sum())
    return WeightedCLs(
        float(cls[0]),
        cls[1:],
        float(of_signal[observed] / n),
        float(of_background[observed] / n),
        float(of_signal[observed] ** 2 / squares) if squares > 0 else 0.0,
    )
