"""Compare our generic limits with the published ones, at every published mass, within the tolerances of the card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import BoolArray, FloatArray, IndexArray
from ..errors import InputError
from ..io.results import Result
from ..io.threads import one_blas_thread
from ..limits.resonance import resonance_limit
from ..limits.window_fit import window_limit
from ..searches.spectrum import SpectrumSearch, Validation
from ..signal.fold import FoldedSearch, fold_search

#: Relative deviations of an expected and an observed limit beyond which the README of the analysis explains the point.
FAR_EXPECTED, FAR_OBSERVED = 0.25, 0.40
#: Relative difference between the expected limits of two fits of a narrow resonance from which on it is explained.
APART = 0.15


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """Limits (n,) in fb for one channel and relative width, ours and published; NaN where none is published."""

    analysis: str
    channel: str
    gamma_over_m: float
    calculator: str
    fit: str
    """``windows`` or ``all-bins``."""
    expected_bins: str
    """Bins of the expected limits; observed ones use those of the published spectrum."""
    is_default: bool
    """Whether ``generic-limit`` takes this calculator and fit unless told otherwise."""
    n_published: int
    """Number of published masses in the range of the search; more than compared if they were thinned."""
    mass_gev: FloatArray
    observed_fb: FloatArray
    expected_fb: FloatArray
    published_observed_fb: FloatArray
    published_expected_fb: FloatArray

    @property
    def ratio_observed(self) -> FloatArray:
        """Our observed limit over the published one, (n,)."""
        return np.asarray(self.observed_fb / self.published_observed_fb)

    @property
    def ratio_expected(self) -> FloatArray:
        """Our expected limit over the published one, (n,)."""
        return np.asarray(self.expected_fb / self.published_expected_fb)


@dataclass(frozen=True)
class Deviations:
    """Distribution of |ours/published - 1|; NaN without points."""

    points: int
    median: float
    p90: float
    """Nine of ten points deviate by less."""
    worst: float

    @staticmethod
    def of(ratio: FloatArray) -> Deviations:
        """The deviations of ratios (n,), without those that are NaN."""
        found = np.abs(ratio[np.isfinite(ratio)] - 1)
        if len(found) == 0:
            return Deviations(0, np.nan, np.nan, np.nan)
        return Deviations(len(found), *(float(q) for q in np.quantile(found, (0.5, 0.9, 1.0))))


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison in one range of masses."""

    analysis: str
    channel: str
    gamma_over_m: float
    calculator: str
    fit: str
    expected_bins: str
    is_default: bool
    mass_range_gev: tuple[float, float]
    expected: Deviations
    observed: Deviations
    tolerance: float | None
    """Largest allowed expected median; the observed one may be twice as large. None if the card gives none."""
    far: int
    """Number of limits that deviate by more than FAR_EXPECTED or FAR_OBSERVED."""

    @property
    def passed(self) -> bool:
        """Whether both medians are within their tolerance, if there is one."""
        if self.tolerance is None:
            return True
        return not (self.expected.median > self.tolerance or self.observed.median > 2 * self.tolerance)


@dataclass(frozen=True)
class BothWays:
    """Expected limits on a narrow resonance from windows and from all bins with one background, Bayesian, and why they
    differ: windows over all bins is the product of ``toys``, ``categories`` and ``background``.
    """

    analysis: str
    channel: str
    gamma_over_m: float
    mass_gev: float
    windows_over_published: float
    all_bins_over_published: float
    toys: float
    """Median of toys over Asimov data, in windows."""
    categories: float
    """Categories in fine bins over merged public bins, in windows, Asimov data; 1 if all bins are fine as well."""
    background: float
    """The rest: a norm for each window over one background for all bins, and what else the two fits do not share."""

    @property
    def reason(self) -> str:
        """The steps from all bins to windows, the largest first."""
        steps = {
            "median of toys": self.toys,
            "fine bins by category": self.categories,
            "background, scale, norm of the signal": self.background,
        }
        ordered = sorted(steps.items(), key=lambda step: -abs(np.log(step[1])))
        return ", ".join(f"{name} ×{factor:.2f}" for name, factor in ordered if abs(factor - 1) > 0.02)


def validate(
    search: SpectrumSearch, points: int | None = None, on_done: Callable[[Comparison], None] | None = None
) -> list[Comparison]:
    """Compare our limits with the published ones, per channel and width.

    ``points`` thins the masses to about so many, evenly spaced in ln(mass). ``on_done`` is called with each comparison.
    InputError if the search has no published limits.
    """
    if not search.validation:
        raise InputError(f"analysis {search.id} has no published limits: add [[validation]] to its card")
    if points is not None and points < 2:
        raise InputError(f"a validation needs at least 2 masses, found {points}")
    folded, found = fold_search(search) if search.resonance_fit is None else None, []
    for validation in search.validation:
        for width in np.unique(validation.gamma_over_m):
            comparison = compare(search, folded, validation, float(width), points)
            if comparison is not None:
                found.append(comparison)
                if on_done:
                    on_done(comparison)
    return found


def compare(
    search: SpectrumSearch,
    folded: FoldedSearch | None,
    validation: Validation,
    gamma_over_m: float,
    points: int | None = None,
) -> Comparison | None:
    """Compare one channel and width at the published masses; None if none is in the range of the search.

    Arguments:
        search: the search.
        folded: the search, folded; None if its card has windows.
        validation: its published limits.
        gamma_over_m: the relative width.
        points: about how many masses; None for all.
    """
    low, high = search.mass_range_gev
    rows = (validation.gamma_over_m == gamma_over_m) & (validation.mass_gev >= low) & (validation.mass_gev <= high)
    rows &= np.isfinite(validation.limit_obs_fb) | np.isfinite(validation.limit_exp_fb)
    order = np.nonzero(rows)[0][np.argsort(validation.mass_gev[rows])]
    if len(order) == 0:
        return None
    chosen = order if points is None else order[_thinned(validation, order, points)]
    masses = validation.mass_gev[chosen]
    published = validation.limit_obs_fb[chosen], validation.limit_exp_fb[chosen]
    fit = search.resonance_fit
    if fit is not None and validation.calculator == "bayes":
        ours = _in_windows(search, validation.channel, gamma_over_m, masses, published)
        bins, used = f"{fit.bins:g} (Γ/M + σ), by category", "windows"
    else:
        folded = folded or fold_search(search)
        limit = resonance_limit(folded, masses, gamma_over_m, validation.channel, validation.calculator, fit="all-bins")
        ours = limit.sigma_br_95_observed_fb, limit.sigma_br_95_expected_fb[:, 2]
        bins = "public" if limit.expected_bins is None else f"{100 * limit.expected_bins:g} %"
        used = "all-bins"
    return Comparison(
        analysis=search.id,
        channel=validation.channel,
        gamma_over_m=gamma_over_m,
        calculator=validation.calculator,
        fit=used,
        expected_bins=bins,
        is_default=(used, validation.calculator) == (("all-bins", "toys") if fit is None else ("windows", "bayes")),
        n_published=len(order),
        mass_gev=masses,
        observed_fb=ours[0],
        expected_fb=ours[1],
        published_observed_fb=published[0],
        published_expected_fb=published[1],
    )


def _thinned(validation: Validation, order: IndexArray, points: int) -> IndexArray:
    """Indices into ``order`` of masses evenly spaced in ln(mass), if possible some with an expected limit."""
    expected = np.nonzero(np.isfinite(validation.limit_exp_fb[order]))[0]
    of = expected if len(expected) else np.arange(len(order))
    masses = validation.mass_gev[order][of]
    wanted = np.geomspace(masses[0], masses[-1], points)
    return np.asarray(of[np.unique(np.abs(masses[:, None] - wanted).argmin(axis=0))])


def _in_windows(
    search: SpectrumSearch,
    channel: str,
    gamma_over_m: float,
    masses: FloatArray,
    published: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Observed and expected limits (n,) of a search with windows, each where one is published."""
    assert search.resonance_fit is not None
    asked = zip(masses, *(np.isfinite(limit) for limit in published), strict=True)
    with one_blas_thread():
        each = [
            window_limit(search.resonance_fit, channel, float(m), gamma_over_m, bool(observed), bool(expected))
            for m, observed, expected in asked
        ]
    return np.array([one.observed for one in each]), np.array([one.expected[2] for one in each])


def verdicts(search: SpectrumSearch, comparisons: list[Comparison]) -> list[Verdict]:
    """Judge each comparison in each range of masses that has a tolerance in the card, and in what they leave over."""
    return [verdict for c in comparisons for verdict in _verdicts(search, c)]


def _verdicts(search: SpectrumSearch, c: Comparison) -> Iterator[Verdict]:
    (validation,) = (v for v in search.validation if v.channel == c.channel)
    rest = np.ones(len(c.mass_gev), dtype=bool)
    for region in validation.tolerances:
        if region.gamma_over_m[0] <= c.gamma_over_m <= region.gamma_over_m[1]:
            inside = (c.mass_gev >= region.mass_gev[0]) & (c.mass_gev <= region.mass_gev[1])
            rest &= ~inside
            if inside.any():
                yield _verdict(c, region.median, inside)
    if rest.any():
        yield _verdict(c, None, rest)


def _verdict(c: Comparison, tolerance: float | None, inside: BoolArray) -> Verdict:
    expected, observed = c.ratio_expected[inside], c.ratio_observed[inside]
    far = (np.abs(expected - 1) > FAR_EXPECTED).sum() + (np.abs(observed - 1) > FAR_OBSERVED).sum()
    masses = c.mass_gev[inside]
    return Verdict(
        c.analysis,
        c.channel,
        c.gamma_over_m,
        c.calculator,
        c.fit,
        c.expected_bins,
        c.is_default,
        (float(masses[0]), float(masses[-1])),
        Deviations.of(expected),
        Deviations.of(observed),
        tolerance,
        int(far),
    )


def both_ways(search: SpectrumSearch, comparisons: list[Comparison]) -> list[BothWays]:
    """Expected limits on the narrowest resonance from windows and from all bins, at the masses of the comparisons."""
    narrow = min((c.gamma_over_m for c in comparisons), default=0.0)
    found: list[BothWays] = []
    if search.resonance_fit is None:
        return found
    folded, fit = fold_search(search), replace(search.resonance_fit, expected="Asimov data")
    for c in comparisons:
        if c.fit != "windows" or c.gamma_over_m != narrow:
            continue
        at = np.isfinite(c.expected_fb)
        masses, published = c.mass_gev[at], c.published_expected_fb[at]
        everywhere = resonance_limit(folded, masses, narrow, c.channel, "bayes", fit="all-bins")
        all_bins = everywhere.sigma_br_95_expected_fb[:, 2]
        for k, mass in enumerate(masses):
            one = window_limit(fit, c.channel, float(mass), narrow)
            categories = 1 / one.merged_over_categories if everywhere.expected_bins is None else 1.0
            windows = float(c.expected_fb[at][k])
            toys = windows / one.asimov
            background = windows / float(all_bins[k]) / toys / categories
            ratios = windows / float(published[k]), float(all_bins[k] / published[k])
            found.append(BothWays(c.analysis, c.channel, narrow, float(mass), *ratios, toys, categories, background))
    return found
