"""CLs of many hypotheses at once, with the definition of :mod:`zprime_recast.likelihood.pyhf_fit`.

Each hypothesis needs three fits: at mu = 1 to the data and to the background-only Asimov data, and one with mu free.
The slopes at mu = 0 and mu = 1 make the free fit unnecessary unless the best mu lies between. All hypotheses share the
fit at mu = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import BoolArray, FloatArray, IndexArray, Quiet
from ..errors import LikelihoodError
from .asymptotics import cls_of, unprofiled_statistic
from .background_fit import BackgroundFit, first_inverse, fit_background
from .binned import BinnedLikelihood
from .expectations import Expectations, expectations_of
from .newton import DECREMENT, fit, fit_regular
from .pyhf_fit import pyhf_cls
from .statistic import profiled_statistic
from .workspace import workspace_of

#: Number of hypotheses fitted together, small enough for the cache of a processor.
CHUNK = 128
#: Unprofiled Asimov statistic below which a hypothesis has no effect.
NEGLIGIBLE = 1e-9
#: Unprofiled Asimov statistic above which a weaker signal is tested first; its CLs is an upper bound.
STRONG = 300.0
#: Minimum of F above which the fit to Asimov data may end early: CLs = 1e-6 corresponds to q = 46.
HOPELESS = 30.0
#: Accuracy of fits that are extrapolated, in place of DECREMENT.
EXTRAPOLATED = 1e-10
#: CLs below which an upper bound is good enough.
CLS_FLOOR = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Tested(Quiet):
    """CLs of hypotheses; NaN only where ``faults`` says why."""

    cls_observed: FloatArray
    """Observed CLs, (n,)."""
    cls_expected: FloatArray
    """Expected CLs at -2, -1, 0, 1, 2 standard deviations, (n, 5)."""
    q_observed: FloatArray
    """Observed statistic q~ at mu = 1, (n,); a lower bound where CLs is below CLS_FLOOR."""
    q_asimov: FloatArray
    """Statistic q~ at mu = 1 of the background-only Asimov data, (n,)."""
    log_ratio: FloatArray
    """ln L(mu = 1) - ln L(mu = 0), both profiled, (n,), as from :func:`log_ratios`."""
    recomputed: BoolArray
    """Whether a fit did not converge and was repeated with pyhf, (n,)."""
    faults: tuple[tuple[int, str], ...]
    """(index, message) of hypotheses without CLs."""
    warnings: tuple[tuple[int, str], ...]
    """(index, message) to be shown with the result."""
    calculator_used: tuple[str, ...]
    """Calculator of each hypothesis, (n,)."""

    def take(self, rows: IndexArray) -> Tested:
        """Select hypotheses by index."""
        place = {int(row): k for k, row in enumerate(rows)}
        return Tested(
            self.cls_observed[rows],
            self.cls_expected[rows],
            self.q_observed[rows],
            self.q_asimov[rows],
            self.log_ratio[rows],
            self.recomputed[rows],
            tuple((place[i], text) for i, text in self.faults if i in place),
            tuple((place[i], text) for i, text in self.warnings if i in place),
            tuple(self.calculator_used[int(row)] for row in rows),
        )


def asymptotic_cls(likelihood: BinnedLikelihood, null: BackgroundFit | None = None) -> Tested:
    """CLs of all hypotheses of a likelihood at mu = 1.

    ``null`` is the fit of the background, computed if left out. A hypothesis whose fit does not converge is recomputed
    with pyhf and flagged; if pyhf fails as well, it becomes a fault.
    """
    if null is None:
        null = fit_background(likelihood)
    n = len(likelihood.signal)
    q_observed, q_asimov, log_ratio = np.zeros((3, n))
    first_pass = True
    converged = np.ones(n, dtype=bool)
    bound = unprofiled_statistic(likelihood.signal, likelihood.background)
    mu = _tested_strength(likelihood, bound)
    order = np.argsort(bound * mu, kind="stable")
    todo = order[bound[order] >= NEGLIGIBLE]
    while len(todo):
        for first in range(0, len(todo), CHUNK):
            i = todo[first : first + CHUNK]
            model = expectations_of(likelihood, i, mu[i])
            q_observed[i], q_asimov[i], ratio, converged[i] = _statistics(
                model, mu[i], _rows(likelihood.n_obs, i), _taken(null, i)
            )
            if first_pass:
                log_ratio[i] = ratio
        first_pass = False
        observed, expected = cls_of(q_observed[todo], q_asimov[todo])
        # a weaker signal that is not clearly excluded proves too little: go closer to the full strength
        again = (mu[todo] < 1) & ((observed > CLS_FLOOR) | (expected[:, 4] > CLS_FLOOR) | ~converged[todo])
        todo = todo[again]
        mu[todo] = np.minimum(4 * mu[todo], 1.0)
    observed, expected = cls_of(q_observed, q_asimov)
    faults = dict(likelihood.faults)
    for k in np.nonzero(~converged)[0].tolist():
        if k in faults:
            continue
        try:
            found = pyhf_cls(workspace_of(likelihood, k))
            q_observed[k], q_asimov[k] = found.q_observed, found.q_asimov
            observed[k], expected[k] = found.cls_observed, found.cls_expected
        except LikelihoodError as err:
            faults[k] = str(err)
    bad = list(faults)
    observed[bad], expected[bad], log_ratio[bad], q_observed[bad], q_asimov[bad] = (np.nan,) * 5
    return Tested(
        observed,
        expected,
        q_observed,
        q_asimov,
        log_ratio,
        ~converged,
        tuple(sorted(faults.items())),
        likelihood.warnings,
        ("asymptotic",) * n,
    )


def log_ratios(likelihood: BinnedLikelihood, null: BackgroundFit) -> FloatArray:
    """ln L(mu = 1) - ln L(mu = 0), both profiled, (n,); NaN for a hypothesis without a likelihood.

    A signal so strong that the unprofiled statistic exceeds STRONG is fitted at 1/2, 1/4 ... of its strength and
    extrapolated along the slope. This gives an upper bound, since ln L is concave in mu. The rule depends on the
    hypothesis alone, so its value does not depend on the other hypotheses.
    """
    single = len(likelihood.signal) == 1 and likelihood.n_obs.ndim == 1
    ratio = _log_ratio_of_one(likelihood, null) if single else None
    if ratio is None:
        bound = unprofiled_statistic(likelihood.signal, likelihood.background)
        mu = _tested_strength(likelihood, bound)
        ratio, order = np.empty(len(mu)), np.argsort(bound * mu, kind="stable")
        for first in range(0, len(mu), CHUNK):
            i = order[first : first + CHUNK]
            model, part = expectations_of(likelihood, i, mu[i]), _taken(null, i)
            found = fit(
                model,
                _rows(likelihood.n_obs, i),
                part.expected,
                model.padded(part.nuisances),
                np.ones(len(i)),
                accuracy=_accuracy(mu[i]),
                inverse=first_inverse(model, part),
            )
            ratio[i] = _log_ratio(found.excess, found.slope, mu[i], part)
    if likelihood.faults:
        ratio[[i for i, _ in likelihood.faults]] = np.nan
    return ratio


def _log_ratio_of_one(likelihood: BinnedLikelihood, null: BackgroundFit) -> FloatArray | None:
    """:func:`log_ratios` of a single hypothesis, (1,); None if :func:`fit_regular` cannot fit it."""
    mu = np.ones(1)
    # 2 (r - ln(1 + r)) < 12 r^2 above r = -0.999, so most signals need no logarithm to be recognised as not strong
    if 12 * float((likelihood.signal[0] ** 2 / likelihood.background).sum()) > STRONG:
        mu = _tested_strength(likelihood, unprofiled_statistic(likelihood.signal, likelihood.background))
    model = expectations_of(likelihood, strength=mu, rotated=False)
    start = model.padded(null.nuisances)
    accuracy = float(_accuracy(mu)[0])
    found = fit_regular(model, likelihood.n_obs, null.expected, start, np.ones(1), null.inverse, accuracy)
    return None if found is None else _log_ratio(*found, mu, null)


def _accuracy(mu: FloatArray) -> FloatArray:
    """Required accuracy of a fit, (n,): extrapolations need more, as the error of the slope is of first order."""
    return np.where(mu < 1, EXTRAPOLATED, DECREMENT)


def _log_ratio(excess: FloatArray, slope: FloatArray, mu: FloatArray, null: BackgroundFit) -> FloatArray:
    """Logarithm of the profiled likelihood ratio at strength 1, from F and its slope at strengths ``mu``."""
    return np.asarray(0.5 * (null.nuisances**2).sum(axis=-1) - excess - (1 - mu) / mu * slope)


def _statistics(
    model: Expectations, mu: FloatArray, n_obs: FloatArray, null: BackgroundFit
) -> tuple[FloatArray, FloatArray, FloatArray, BoolArray]:
    """q~ of the data and of the Asimov data for signals of strength ``mu``, the logarithm of the profiled likelihood
    ratio at strength 1, and whether the fits converged, each (n,).
    """
    at_null, one = model.padded(null.nuisances), np.ones(len(mu))
    first = first_inverse(model, null)
    asimov = fit(model, null.expected, null.expected, at_null, one, centers=at_null, hopeless=HOPELESS, inverse=first)
    fixed = fit(model, n_obs, null.expected, asimov.nuisances, one, accuracy=_accuracy(mu), inverse=asimov.inverse)
    start = 0.5 * (null.nuisances**2).sum(axis=-1)
    slope_null = (model.signal * (1 - n_obs / null.expected)).sum(axis=1)
    q, converged = profiled_statistic(
        model, n_obs, null.expected, None, at_null, start, slope_null, fixed, use_inverse=True
    )
    log_ratio = _log_ratio(fixed.excess, fixed.slope, mu, null)
    return q, 2 * np.maximum(asimov.excess, 0.0), log_ratio, asimov.converged & converged


def _tested_strength(likelihood: BinnedLikelihood, bound: FloatArray) -> FloatArray:
    """Strength to test, (n,): 1, or for a very strong signal the largest of 1/2, 1/4 ... at which the unprofiled
    statistic is below STRONG.

    CLs falls with mu above the best mu, so a hypothesis that is excluded at a smaller strength is also excluded at 1.
    """
    mu = np.ones(len(bound))
    strong = np.nonzero(bound > STRONG)[0]
    while len(strong):
        mu[strong] *= 0.5
        signal = mu[strong, None] * likelihood.signal[strong]
        strong = strong[unprofiled_statistic(signal, likelihood.background) > STRONG]
    return mu


def _rows(values: FloatArray, i: IndexArray) -> FloatArray:
    return values if values.ndim == 1 else values[i]


def _taken(null: BackgroundFit, i: IndexArray) -> BackgroundFit:
    one = null.expected.ndim == 1
    return null if one else BackgroundFit(null.nuisances[i], null.expected[i], null.inverse[i], null.loglike[i])
