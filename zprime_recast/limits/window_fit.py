"""Limits on a generic resonance from the windows of a search's own fit: Bayesian, flat prior in the cross-section.

Every category of the search is fitted in its own window (:mod:`zprime_recast.likelihood.window`); categories share the
cross-section and the nuisance of their efficiency. Counts per category are seldom public, so the observed limit is that
of the published bins, categories merged, in the widest of their windows, with the same nuisances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, Quiet
from ..errors import LikelihoodError
from ..likelihood.bayes import CREDIBILITY, prior_points
from ..likelihood.window import Window, log_marginal
from ..searches.resonance_fit import EXPECTED, Category, ResonanceFit
from ..signal.window import category_peak, merged_peak

#: Cross-sections of the posterior, and their largest over an estimate of the limit.
POINTS, SPAN = 40, 5.0
#: Points between them at which the posterior is summed.
FINER = 12
#: Points of quadrature over the nuisance of an efficiency.
EFFICIENCY_POINTS = 7
#: Points of the prior of scale and resolution of the categories that are merged.
MERGED_POINTS = 64
#: Least drop of ln L from its maximum to the largest cross-section; below, larger ones are looked at.
DROP, PASSES = 6.0, 6
#: Quantiles of the expected band, at -2 ... 2 standard deviations.
BAND = (0.02275, 0.15866, 0.5, 0.84134, 0.97725)


@dataclass(frozen=True, eq=False, repr=False)
class Counting(Quiet):
    """A window with its signal yield."""

    window: Window
    events_per_fb: float
    nuisance: str
    """Name of the nuisance of the efficiency, and its size; the same name is the same nuisance."""
    efficiency: float


@dataclass(frozen=True, eq=False, repr=False)
class WindowLimit(Quiet):
    """Limits on one resonance in fb."""

    expected: FloatArray
    """At -2, -1, 0, 1, 2 standard deviations, by category, (5,); the median alone from Asimov data."""
    asimov: float
    """Expected from background-only Asimov data, by category."""
    observed: float
    """In the published bins."""
    merged_over_categories: float
    """Expected limit (background-only Asimov data) in the published bins over that by category; NaN unless both are
    computed.
    """
    n_bins: int
    """Published bins in the window, of all channels."""


def window_limit(
    fit: ResonanceFit, channel: str, mass_gev: float, gamma_over_m: float, observed: bool = True, expected: bool = True
) -> WindowLimit:
    """Limits on a resonance in one channel, or in all with ``ll``.

    Arguments:
        fit: the fit of the search.
        channel: name of a channel, or ``ll``.
        mass_gev, gamma_over_m: pole mass in GeV and relative width.
        observed, expected: whether these limits are computed; NaN otherwise.
    """
    limits, n_bins = np.full(5, np.nan), 0
    by_category = found = loss = np.nan
    if expected:
        separate = [separate_window(fit, c, mass_gev, gamma_over_m) for c in fit.of(channel)]
        by_category = asimov_limit(separate)
        limits[2] = by_category
        if fit.expected == EXPECTED[0]:
            limits = np.quantile(upper_limits(separate, toys(fit, separate), by_category), BAND)
    if observed:
        channels = {c.detector.name: fit.of(c.detector.name) for c in fit.of(channel)}
        merged, counts = zip(*(merged_window(fit, of, mass_gev, gamma_over_m) for of in channels.values()), strict=True)
        estimate = asimov_limit(merged)
        found = upper_limits(merged, counts, estimate)[0]
        loss, n_bins = estimate / by_category, sum(one.shape[1] for one in counts)
    return WindowLimit(np.asarray(limits), by_category, float(found), float(loss), n_bins)


def separate_window(fit: ResonanceFit, category: Category, mass_gev: float, gamma_over_m: float) -> Counting:
    """The window of one category."""
    peak = category_peak(fit, category, mass_gev, gamma_over_m)
    window = Window(peak.background, peak.shapes, peak.weights, fit.norm_kappa)
    return Counting(window, category.events(mass_gev), category.efficiency_nuisance, category.size("yield", mass_gev))


def merged_window(
    fit: ResonanceFit, categories: Sequence[Category], mass_gev: float, gamma_over_m: float
) -> tuple[Counting, FloatArray]:
    """The window of all categories of a channel in the published bins, and the counts there, (1, n_bins).

    Its background has one norm: that of each category moves the merged counts in the same way. The efficiency's
    uncertainty is the mean of the categories, weighted with their events.
    """
    points = prior_points(2 * len(categories), MERGED_POINTS)
    peak, chosen = merged_peak(fit, tuple(categories), mass_gev, gamma_over_m, points)
    events = np.array([c.events(mass_gev) for c in categories])
    size = float(events @ [c.size("yield", mass_gev) for c in categories] / events.sum())
    window = Window(peak.background, peak.shapes, peak.weights, fit.norm_kappa)
    name = " and ".join(dict.fromkeys(c.efficiency_nuisance for c in categories))
    return Counting(window, float(events.sum()), name, size), np.asarray(categories[0].detector.n_obs[None, chosen])


def toys(fit: ResonanceFit, windows: Sequence[Counting]) -> list[FloatArray]:
    """Pseudo-data of the predicted background in each window, (n_toys, n_bins)."""
    rng = np.random.default_rng(fit.seed)
    return [
        rng.poisson(one.window.background, (fit.n_toys, len(one.window.background))).astype(float) for one in windows
    ]


def asimov_limit(windows: Sequence[Counting]) -> float:
    """Limit in fb from counts that are the expected background."""
    information = sum(one.events_per_fb**2 * one.window.information for one in windows)
    limit = float(1.96 * information**-0.5 + 3 / sum(one.events_per_fb for one in windows))
    for _ in range(2):  # the first one finds the range of the second
        limit = float(upper_limits(windows, [one.window.background[None] for one in windows], limit)[0])
    return limit


def upper_limits(windows: Sequence[Counting], counts: Sequence[FloatArray], estimate: float) -> FloatArray:
    """Cross-sections in fb below which CREDIBILITY of the posterior of each data set lies, (n_data,).

    Arguments:
        windows: windows with the same cross-section.
        counts: data sets of each window, (n_data, n_bins).
        estimate: the limit in fb to a factor of two.
    """
    from scipy.interpolate import CubicSpline

    found, rest = np.full(len(counts[0]), np.nan), np.arange(len(counts[0]))
    for _ in range(PASSES):
        sigma = SPAN * estimate * np.linspace(0.0, 1.0, POINTS) ** 2
        log = log_posterior(windows, [data[rest] for data in counts], sigma)
        root = np.linspace(0.0, 1.0, FINER * (POINTS - 1) + 1)
        curve = CubicSpline(np.linspace(0.0, 1.0, POINTS), log, axis=1)(root)
        density = np.exp(curve - curve.max(axis=1, keepdims=True)) * 2 * root
        below = np.concatenate([np.zeros((len(rest), 1)), np.cumsum(density[:, 1:] + density[:, :-1], axis=1)], axis=1)
        below /= below[:, -1:]
        done = log[:, -1] < log.max(axis=1) - DROP
        at = [np.interp(CREDIBILITY, row, root) for row in below[done]]
        found[rest[done]] = sigma[-1] * np.square(at)
        rest, estimate = rest[~done], 3 * estimate
        if len(rest) == 0:
            return found
    raise LikelihoodError("the posterior of a window fit does not end; try another mass or width")


def log_posterior(windows: Sequence[Counting], counts: Sequence[FloatArray], sigma_br_fb: FloatArray) -> FloatArray:
    """ln of the posterior density at ascending cross-sections (n,) from 0, (n_data, n), up to a constant."""
    from scipy.interpolate import CubicSpline

    nodes, weights = np.polynomial.hermite_e.hermegauss(EFFICIENCY_POINTS)
    root = np.sqrt(sigma_br_fb)
    groups: dict[str, list[FloatArray]] = {}
    for one, data in zip(windows, counts, strict=True):
        factors = (1 + one.efficiency) ** nodes
        largest = np.sqrt(factors.max())
        log = log_marginal(one.window, data, one.events_per_fb * (largest * root) ** 2)
        curve = CubicSpline(largest * root, log, axis=1)
        at_nodes = np.array([curve(np.sqrt(factor) * root) for factor in factors])
        groups.setdefault(one.nuisance, []).append(at_nodes)
    total = np.zeros((len(counts[0]), len(sigma_br_fb)))
    for parts in groups.values():
        summed = np.sum(parts, axis=0) + np.log(weights)[:, None, None]
        total += np.logaddexp.reduce(summed, axis=0)
    return total
