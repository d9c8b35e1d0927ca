"""Limits on the cross-section of a generic resonance, as an experiment defines them: many at once.

CLs is computed at a grid of cross-sections and again near the limits found; between them ln(CLs) and ln(sqrt(q_A)) are
interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from ..arrays import FloatArray, checked_positive
from ..errors import InputError, LikelihoodError, UnknownName
from ..likelihood.background_fit import Null, fit_null
from ..likelihood.bayes import upper_limits
from ..likelihood.binned import BinnedLikelihood, binned_likelihood
from ..likelihood.cls import batch_cls
from ..likelihood.expectations import batch_model
from ..likelihood.result import CLS_EXCLUDED
from ..likelihood.toys import toy_cls
from ..process.hypotheses import GAMMA_OVER_M_MAX
from ..searches.spectrum import Uncertainty
from ..signal.fold import FoldedSearch
from ..signal.resonance import generic_template
from ..signal.signal import Signal
from ..signal.systematics import expected_limit, held_detector

CALCULATORS = ("asymptotic", "bayes", "toys")

#: First grid of cross-sections, over an estimate of the expected limit.
_GRID = np.geomspace(0.12, 8.0, 12)
_HYPOTHESES = 96  # fitted in one go: bounds the memory


@dataclass(frozen=True)
class GenericLimitResult:
    """Cross-section times BR per lepton flavour at 95 % CL, as the experiment defines it."""

    analysis: str
    channel: str
    mass_gev: float
    gamma_over_m: float
    sigma_br_95_observed_fb: float
    sigma_br_95_expected_fb: tuple[float, ...]
    """At -2, -1, 0, 1, 2 standard deviations."""
    calculator: str = "asymptotic"


@dataclass(frozen=True)
class GenericHypotheses:
    """Generic resonances in one search, whose cross-section is still free."""

    folded: FoldedSearch
    mass_gev: FloatArray
    """(n,)."""
    gamma_over_m: FloatArray
    """(n,)."""
    channel: str

    def likelihood(self, sigma_br_fb: FloatArray, held: FloatArray | None = None) -> BinnedLikelihood:
        """The likelihood at cross-sections (n, m), hypotheses in their order when flattened. ``held``: values of
        ``peak_nuisances``, which are no nuisances then.
        """
        folded = self.folded
        if held is not None and len(held):
            names = tuple(u.name for u in self.peak_nuisances)
            channels = tuple(f.channel.name for f in folded.channels if self.channel in ("ll", f.channel.name))
            folded = _held(folded, channels, names, tuple(held.tolist()))
        mass, ratio, sigma = np.broadcast_arrays(self.mass_gev[:, None], self.gamma_over_m[:, None], sigma_br_fb)
        template = generic_template(folded, mass.ravel(), ratio.ravel(), sigma.ravel())
        yields = {name: y for name, y in template.yields.items() if self.channel in ("ll", name)}
        return binned_likelihood([Signal(folded.search, yields, template.nuisances, template.changes)])

    def estimate(self) -> FloatArray:
        """Expected limits in fb to a factor of two, (n,), without a fit."""
        yields = generic_template(self.folded, self.mass_gev, self.gamma_over_m).yields
        folds = [f for f in self.folded.channels if self.channel in ("ll", f.channel.name)]
        each = [expected_limit(f.information, yields[f.channel.name]) for f in folds]
        return np.asarray(sum(1 / limit**2 for limit in each) ** -0.5)

    @property
    def peak_nuisances(self) -> tuple[Uncertainty, ...]:
        """Uncertainties that move or widen a peak of the channels in use."""
        names = {f.channel.name for f in self.folded.channels if self.channel in ("ll", f.channel.name)}
        moving = (u for u in self.folded.search.uncertainties if u.kind in ("scale", "resolution"))
        return tuple(u for u in moving if set(u.channels) & names)

    def take(self, i: slice) -> GenericHypotheses:
        """Some of them."""
        return GenericHypotheses(self.folded, self.mass_gev[i], self.gamma_over_m[i], self.channel)


@lru_cache(maxsize=24)  # the points of a prior
def _held(
    folded: FoldedSearch, channels: tuple[str, ...], names: tuple[str, ...], values: tuple[float, ...]
) -> FoldedSearch:
    """Channels of a search with scale and resolution uncertainties held at values in standard deviations."""
    search, at, m = folded.search, dict(zip(names, values, strict=True)), folded.grid.m_gev
    rest = tuple(u for u in search.uncertainties if u.name not in at)
    folds = []
    for fold in (folded.fold(name) for name in channels):
        detector = held_detector(search, fold.channel, m, at)
        folds.append(replace(fold, detector=detector, log_detector=detector[:, :0], varied={}))
    return replace(folded, search=replace(search, uncertainties=rest), channels=tuple(folds))


def generic_hypotheses(
    folded: FoldedSearch, mass_gev: ArrayLike, gamma_over_m: ArrayLike, channel: str = "ll"
) -> GenericHypotheses:
    """Checked hypotheses; masses and relative widths broadcast. RangeError outside the search, InputError for a width
    that is not between 0 and GAMMA_OVER_M_MAX, UnknownName for a channel the search has not (``ll``: all of them).
    """
    mass, ratio = np.broadcast_arrays(checked_positive("mass_gev", mass_gev), np.asarray(gamma_over_m, dtype=float))
    folded.search.check_mass(mass)
    bad = ~(np.isfinite(ratio) & (ratio >= 0) & (ratio <= GAMMA_OVER_M_MAX))
    if bad.any():
        raise InputError(f"relative width must be between 0 and {GAMMA_OVER_M_MAX}, found {ratio[bad].flat[0]}")
    names = [c.channel.name for c in folded.channels]
    if channel != "ll" and channel not in names:
        raise UnknownName(f"channel of {folded.search.id}", channel, [*names, "ll"])
    return GenericHypotheses(folded, mass.ravel(), ratio.ravel(), channel)


def generic_limits(
    folded: FoldedSearch,
    mass_gev: ArrayLike,
    gamma_over_m: ArrayLike,
    channel: str = "ll",
    calculator: str = "asymptotic",
    spectrum_bins: bool = False,
) -> FloatArray:
    """Limits in fb, (6, n): observed, then expected at -2, -1, 0, 1, 2 standard deviations (``bayes``: the median only,
    from the background-only Asimov data; the others are NaN). Masses and widths broadcast to n.

    ``calculator``: ``asymptotic`` (CLs) or ``bayes`` (flat prior in the cross-section). Expected asymptotic limits are
    computed in the bins the card of the search gives for them, if it does, unless ``spectrum_bins``.
    """
    if calculator not in ("asymptotic", "bayes"):
        raise UnknownName("calculator", calculator, ("asymptotic", "bayes"))
    hypotheses = generic_hypotheses(folded, mass_gev, gamma_over_m, channel)
    null = null_of(hypotheses)
    solve = _asymptotic if calculator == "asymptotic" else _bayesian
    size = _HYPOTHESES if calculator == "asymptotic" else _HYPOTHESES // 4
    parts = [slice(i, i + size) for i in range(0, len(hypotheses.mass_gev), size)]
    limits = np.concatenate([solve(hypotheses.take(part), null) for part in parts], axis=1)
    if calculator == "asymptotic" and not spectrum_bins and folded.fine is not None:
        limits[1:] = generic_limits(folded.fine, mass_gev, gamma_over_m, channel, spectrum_bins=True)[1:]
    return limits


def generic_limit(
    folded: FoldedSearch,
    mass_gev: float,
    gamma_over_m: float,
    channel: str = "ll",
    calculator: str = "asymptotic",
    spectrum_bins: bool = False,
) -> GenericLimitResult:
    """Limit on sigma x BR of one generic resonance, for validation and quick use; arguments as
    :func:`generic_limits`.
    """
    limits = generic_limits(folded, float(mass_gev), float(gamma_over_m), channel, calculator, spectrum_bins)[:, 0]
    observed, *expected = (float(x) for x in limits)
    return GenericLimitResult(
        folded.search.id, channel, float(mass_gev), float(gamma_over_m), observed, tuple(expected), calculator
    )


def null_of(hypotheses: GenericHypotheses) -> Null:
    """The fit of the background to the data, the same for all hypotheses."""
    one = hypotheses.take(slice(0, 1))
    likelihood = one.likelihood(one.estimate()[:, None])
    return fit_null(batch_model(likelihood), likelihood.n_obs)


def _bayesian(hypotheses: GenericHypotheses, null: Null) -> FloatArray:
    estimate = hypotheses.estimate()
    limits = np.full((6, len(estimate)), np.nan)
    n_sampled = len(hypotheses.peak_nuisances)
    limits[0] = upper_limits(hypotheses.likelihood, null, estimate, n_sampled)
    limits[3] = upper_limits(hypotheses.likelihood, null, estimate, n_sampled, null.expected)
    return limits


def _asymptotic(hypotheses: GenericHypotheses, null: Null) -> FloatArray:
    n = len(hypotheses.mass_gev)
    sigma = hypotheses.estimate()[:, None] * _GRID
    curves = _curves(hypotheses, null, sigma)
    for _ in range(2):
        roots = _roots(sigma, curves)
        sigma = np.concatenate([sigma, roots], axis=1)
        curves = np.concatenate([curves, _curves(hypotheses, null, roots)], axis=2)
    return np.asarray(_roots(sigma, curves).T.reshape(6, n))


def _curves(hypotheses: GenericHypotheses, null: Null, sigma: FloatArray) -> FloatArray:
    """ln(CLs observed) and ln(sqrt(q_A)), (2, n, m)."""
    found = batch_cls(hypotheses.likelihood(sigma), null)
    for i, message in found.faults:
        mass = hypotheses.mass_gev[i // sigma.shape[1]]
        raise LikelihoodError(f"{hypotheses.folded.search.id}, {mass:g} GeV: {message}")
    observed = np.log(np.maximum(found.cls_observed, 1e-12))
    width = 0.5 * np.log(np.maximum(found.q_asimov, 1e-12))
    return np.stack([observed, width]).reshape(2, *sigma.shape)


def _roots(sigma: FloatArray, curves: FloatArray) -> FloatArray:
    """Where CLs = 0.05: observed and expected -2..+2, (n, 6); at the edge of what was computed if beyond it."""
    n = np.arange(-2, 3)
    widths = np.log(n - ndtri(CLS_EXCLUDED * ndtr(n)))
    roots = np.empty((len(sigma), 6))
    for row, x, observed, width in zip(roots, np.log(sigma), *curves, strict=True):
        row[0] = _crossing(x, -observed, [-np.log(CLS_EXCLUDED)])[0]
        row[1:] = _crossing(x, width, widths)
    return np.exp(roots)


def _crossing(x: FloatArray, y: FloatArray, targets: Sequence[float] | FloatArray) -> FloatArray:
    """Largest x where a rising y passes each target; one grid step beyond the range if it does not inside."""
    from scipy.interpolate import PchipInterpolator

    order = np.argsort(x)
    x, y = x[order], y[order]
    apart = np.append(True, np.diff(x) > 1e-9)
    x, y = x[apart], y[apart]
    found = np.empty(len(targets))
    for k, target in enumerate(targets):
        above = np.nonzero(y < target)[0]
        if len(above) == 0:
            found[k] = x[0] - 1.0
        elif above[-1] == len(y) - 1:
            found[k] = x[-1] + 1.0
        else:
            i = above[-1]
            near = slice(max(i - 2, 0), i + 4)
            piece = PchipInterpolator(x[near], y[near])
            low, high = x[i], x[i + 1]
            for _ in range(40):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if piece(middle) < target else (low, middle)
            found[k] = 0.5 * (low + high)
    return found


_POINTS = 14


def generic_toy_limit(
    folded: FoldedSearch, mass_gev: float, gamma_over_m: float, channel: str, n_toys: int, seed: int
) -> GenericLimitResult:
    """CLs limit of a generic resonance from toys, observed and expected.

    CLs is computed at rising cross-sections around the asymptotic limits, with the same seed at each, and interpolated
    in ln(CLs). LikelihoodError if it does not fall through 0.05 there.
    """
    hypotheses = generic_hypotheses(folded, mass_gev, gamma_over_m, channel)
    null = null_of(hypotheses)
    asymptotic = generic_limits(folded, mass_gev, gamma_over_m, channel, spectrum_bins=True)[:, 0]
    lowest, median = float(asymptotic.min()), float(asymptotic[3])
    x, curves = [], []
    for sigma in np.geomspace(0.8 * lowest, 8 * median, _POINTS):
        result = toy_cls(hypotheses.likelihood(np.array([[sigma]])), n_toys, seed, null)
        x.append(np.log(sigma))
        curves.append(np.log(np.maximum([result.cls_observed, *result.cls_expected], 0.1 / n_toys) / CLS_EXCLUDED))
        if (curves[-1] < 0).all():
            break
    found = [_root(np.array(x), y) for y in np.array(curves).T]
    name = folded.search.id
    return GenericLimitResult(name, channel, float(mass_gev), float(gamma_over_m), found[0], tuple(found[1:]), "toys")


def _root(x: FloatArray, y: FloatArray) -> float:
    """exp(x) where y falls through 0 for the last time."""
    above = np.nonzero(y > 0)[0]
    if len(above) == 0 or above[-1] == len(y) - 1:
        raise LikelihoodError("CLs from toys does not fall through 0.05 near the asymptotic limit; use more toys")
    i = above[-1]
    return float(np.exp(x[i] + (x[i + 1] - x[i]) * y[i] / (y[i] - y[i + 1])))
