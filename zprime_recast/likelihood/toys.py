"""CLs from pseudo-experiments (toys), for the tail where asymptotic formulae fail.

Toys are drawn with the nuisances at their fit to the data under each hypothesis. Counts are Poisson distributed, and
the centres of the constraints are drawn as well, since they stand for measurements. The statistic is that of
:mod:`zprime_recast.likelihood.pyhf_fit`; :mod:`zprime_recast.likelihood.newton` fits all toys in one call. p-values
count ties as more extreme.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..arrays import BoolArray, FloatArray
from ..errors import InputError, LikelihoodError
from .background_fit import BackgroundFit, fit_background
from .binned import BinnedLikelihood
from .cls import CHUNK
from .expectations import Expectations, expectations_of, expected_background, expected_signal
from .newton import fit
from .statistic import profiled_statistic

#: Smallest number of toys of each hypothesis.
MIN_TOYS = 100
#: Statistics closer than this are ties: all data sets without events have the same value up to rounding.
TIE = 1e-6


@dataclass(frozen=True)
class ToyCLs:
    """CLs of one hypothesis from toys."""

    cls_observed: float
    cls_expected: tuple[float, ...]
    """Expected CLs at -2, -1, 0, 1, 2 standard deviations of background-only toys."""
    p_signal: float
    """p-value of the data under signal + background."""
    q_observed: float
    """Statistic q~ of the data."""
    n_toys: int
    """Number of toys of each hypothesis."""


def toy_cls(likelihood: BinnedLikelihood, n_toys: int, seed: int, null: BackgroundFit | None = None) -> ToyCLs:
    """CLs of the first hypothesis of a likelihood at mu = 1.

    ``n_toys`` toys are drawn both with and without the signal, from the random numbers of ``seed``. ``null`` is the fit
    of the background, computed if left out. InputError for fewer than MIN_TOYS; LikelihoodError if a fit fails.
    """
    if n_toys < MIN_TOYS:
        raise InputError(f"at least {MIN_TOYS} toys are needed, found {n_toys}")
    if likelihood.faults:
        raise LikelihoodError(likelihood.faults[0][1])
    model = expectations_of(likelihood).take(np.array([0]))
    null = null or fit_background(likelihood)
    rng = np.random.default_rng(seed)
    q_observed = float(statistics(model, likelihood.n_obs[None], np.zeros((1, model.n_nuisances)), null)[0])
    q_signal = statistics(model, *signal_toys(model, likelihood.n_obs, null, n_toys, rng), null)
    q_null = statistics(model, *null_toys(model, null, n_toys, rng), null)
    p_signal = float((q_signal >= q_observed - TIE).mean())
    # quantiles of background-only experiments: a large q is signal-unlike, so -2 sigma (strong exclusion) is at high q
    quantiles = np.quantile(q_null, [0.97725, 0.84134, 0.5, 0.15866, 0.02275])
    return ToyCLs(
        _cls(q_signal, q_null, q_observed),
        tuple(_cls(q_signal, q_null, float(q)) for q in quantiles),
        p_signal,
        q_observed,
        n_toys,
    )


def _cls(q_signal: FloatArray, q_null: FloatArray, q: float) -> float:
    p_null = float((q_null >= q - TIE).mean())
    return float((q_signal >= q - TIE).mean()) / p_null if p_null > 0 else 0.0


def signal_toys(
    model: Expectations, n_obs: FloatArray, null: BackgroundFit, n_toys: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Counts (n_toys, n_bins) and centres of constraints (n_toys, n_nuisances) of a single hypothesis at mu = 1.

    Arguments:
        model: expectations of the hypothesis.
        n_obs: observed counts, (n_bins,), to which the nuisances are fitted.
        null: fit of the background.
        n_toys: number of toys.
        rng: random number generator.

    LikelihoodError if the fit does not converge.
    """
    found = fit(model, n_obs[None], null.expected[None], model.padded(null.nuisances[None]), np.ones(1))
    if not found.converged.all():
        raise LikelihoodError("the fit of the signal hypothesis did not converge; try the asymptotic calculator")
    return _toys(expected_events(model, found.nuisances)[0], found.nuisances[0], n_toys, rng)


def null_toys(
    model: Expectations, null: BackgroundFit, n_toys: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Counts (n_toys, n_bins) and centres of constraints (n_toys, n_nuisances) without a signal."""
    return _toys(null.expected, model.padded(null.nuisances), n_toys, rng)


def expected_events(model: Expectations, nuisances: FloatArray) -> FloatArray:
    """Expected background plus signal, (n, n_bins), at nuisances (n, n_nuisances)."""
    return expected_background(model, nuisances) + expected_signal(model, nuisances)


def _toys(
    expected: FloatArray, nuisances: FloatArray, n_toys: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    counts = rng.poisson(expected, size=(n_toys, len(expected))).astype(float)
    return counts, rng.normal(nuisances, 1.0, size=(n_toys, len(nuisances)))


def statistics(model: Expectations, n_obs: FloatArray, centers: FloatArray, null: BackgroundFit) -> FloatArray:
    """Statistic q~ at mu = 1 of data sets, (n,), with counts (n, n_bins) and centres of constraints (n, n_nuisances).

    ``model`` has one hypothesis. A data set whose fit fails counts as q = 0; LikelihoodError if more than one in a
    thousand fails.
    """
    q, failed = np.zeros(len(n_obs)), 0
    for first in range(0, len(n_obs), CHUNK):
        i = np.arange(first, min(first + CHUNK, len(n_obs)))
        q[i], bad = _statistics(model.take(np.zeros(len(i), dtype=np.intp)), n_obs[i], centers[i], null)
        failed += int(bad.sum())
    if failed > max(1, len(n_obs) / 1000):
        raise LikelihoodError(
            f"{failed} of {len(n_obs)} toy fits did not converge (interference may bring the total of a bin to zero: "
            "try --no-interference)"
        )
    return q


def _statistics(
    model: Expectations, n_obs: FloatArray, centers: FloatArray, null: BackgroundFit
) -> tuple[FloatArray, BoolArray]:
    n = len(n_obs)
    model = _of_each(model, n)
    reference = null.expected[None]
    zero = fit(replace(model, signal=np.zeros_like(model.signal)), n_obs, reference, centers, np.ones(n), centers)
    one = fit(model, n_obs, reference, zero.nuisances, np.ones(n), centers)
    # slope of F at mu = 0; where it is negative the best mu is above 0
    signal = expected_signal(model, zero.nuisances)
    slope = (signal * (1 - n_obs / expected_background(model, zero.nuisances))).sum(axis=1)
    q, converged = profiled_statistic(model, n_obs, reference, centers, zero.nuisances, zero.excess, slope, one)
    bad = ~(zero.converged & converged)
    q[bad] = 0.0
    return q, bad


def _of_each(model: Expectations, n: int) -> Expectations:
    return model if len(model.signal) == n else model.take(np.zeros(n, dtype=np.intp))
