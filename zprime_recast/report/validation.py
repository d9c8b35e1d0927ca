"""Compare our generic limits with the published ones, point by point, within the tolerances of the analysis card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import InputError
from ..io.json import jsonable
from ..io.results import Result
from ..limits.resonance import resonance_limit
from ..searches.spectrum import SpectrumSearch, Tolerance, Validation
from ..signal.fold import FoldedSearch, fold_search

#: Default number of masses per channel and relative width.
DEFAULT_POINTS = 24
#: Relative deviations of an expected and an observed limit beyond which the README of the analysis explains the point.
FAR_EXPECTED, FAR_OBSERVED = 0.25, 0.40


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """Limits (n,) in fb for one channel and relative width, ours and published; NaN where none is published."""

    analysis: str
    channel: str
    gamma_over_m: float
    calculator: str
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
class Verdict:
    """The result of a comparison in one mass range with a tolerance in the card."""

    analysis: str
    channel: str
    gamma_over_m: float
    calculator: str
    mass_range_gev: tuple[float, float]
    points: int
    expected_median: float
    """Median of |ratio - 1|, where the ratio is ours over published."""
    expected_max: float
    observed_median: float
    observed_max: float
    tolerance: float
    """Largest allowed expected median; the observed median may be twice as large."""
    far: int
    """Number of limits that deviate by more than FAR_EXPECTED or FAR_OBSERVED."""

    @property
    def passed(self) -> bool:
        """Whether both medians are within their tolerance."""
        return self.expected_median <= self.tolerance and self.observed_median <= 2 * self.tolerance


def validate(
    search: SpectrumSearch, points: int = DEFAULT_POINTS, on_done: Callable[[Comparison], None] | None = None
) -> list[Comparison]:
    """Compare our limits with the published ones at about ``points`` masses per channel and width.

    ``on_done`` is called with each comparison. InputError if the search has no published limits.
    """
    if not search.validation:
        raise InputError(f"analysis {search.id} has no published limits: add [[validation]] to its card")
    if points < 2:
        raise InputError(f"a validation needs at least 2 masses, found {points}")
    folded, found = fold_search(search), []
    for validation in search.validation:
        for width in np.unique(validation.gamma_over_m):
            comparison = compare(folded, validation, float(width), points)
            if comparison is not None:
                found.append(comparison)
                if on_done:
                    on_done(comparison)
    return found


def compare(folded: FoldedSearch, validation: Validation, gamma_over_m: float, points: int) -> Comparison | None:
    """Compare one channel and width at masses with a published expected limit; None if no tolerance covers them."""
    rows = validation.gamma_over_m == gamma_over_m
    observed, expected = (
        _table(validation.mass_gev[rows], limits[rows]) for limits in (validation.limit_obs_fb, validation.limit_exp_fb)
    )
    regions = [t for t in validation.tolerances if t.gamma_over_m[0] <= gamma_over_m <= t.gamma_over_m[1]]
    low, high = folded.search.mass_range_gev
    if regions:
        low = max(low, min(t.mass_gev[0] for t in regions))
        high = min(high, max(t.mass_gev[1] for t in regions))
    masses = expected[0][(expected[0] >= low) & (expected[0] <= high)]
    if len(masses) == 0:
        return None
    # about evenly spaced in ln(mass), at tabulated masses
    wanted = np.geomspace(masses[0], masses[-1], points)
    masses = np.unique(masses[np.abs(masses[:, None] - wanted).argmin(axis=0)])
    ours = resonance_limit(folded, masses, gamma_over_m, validation.channel, validation.calculator)
    return Comparison(
        folded.search.id,
        validation.channel,
        gamma_over_m,
        validation.calculator,
        masses,
        ours.sigma_br_95_observed_fb,
        ours.sigma_br_95_expected_fb[:, 2],
        _interpolated(observed, masses),
        _interpolated(expected, masses),
    )


def verdicts(search: SpectrumSearch, comparisons: list[Comparison]) -> list[Verdict]:
    """Judge each comparison in each mass range that has a tolerance in the card."""
    return [verdict for c in comparisons for verdict in _verdicts(search, c)]


def _verdicts(search: SpectrumSearch, c: Comparison) -> Iterator[Verdict]:
    (validation,) = (v for v in search.validation if v.channel == c.channel)
    for region in validation.tolerances:
        if region.gamma_over_m[0] <= c.gamma_over_m <= region.gamma_over_m[1]:
            inside = (c.mass_gev >= region.mass_gev[0]) & (c.mass_gev <= region.mass_gev[1])
            if inside.any():
                yield _verdict(c, region, inside)


def _verdict(c: Comparison, region: Tolerance, inside: Any) -> Verdict:
    observed = np.abs(c.ratio_observed[inside] - 1)
    expected = np.abs(c.ratio_expected[inside] - 1)
    far = (expected > FAR_EXPECTED).sum() + (observed > FAR_OBSERVED).sum()
    masses = c.mass_gev[inside]
    return Verdict(
        c.analysis,
        c.channel,
        c.gamma_over_m,
        c.calculator,
        (float(masses[0]), float(masses[-1])),
        len(masses),
        float(np.nanmedian(expected)),
        float(np.nanmax(expected)),
        float(np.nanmedian(observed)),
        float(np.nanmax(observed)),
        region.median,
        int(far),
    )


def _table(mass: FloatArray, limit: FloatArray) -> tuple[FloatArray, FloatArray]:
    known = np.isfinite(limit)
    order = np.argsort(mass[known])
    return mass[known][order], limit[known][order]


def _interpolated(table: tuple[FloatArray, FloatArray], mass: FloatArray) -> FloatArray:
    """A published limit, interpolated in ln(limit) and ln(mass); NaN outside the masses of the table."""
    if len(table[0]) == 0:
        return np.full(len(mass), np.nan)
    return np.asarray(np.exp(np.interp(np.log(mass), np.log(table[0]), np.log(table[1]), left=np.nan, right=np.nan)))


def validation_json(comparisons: list[Comparison], results: list[Verdict]) -> dict[str, Any]:
    """Comparisons and verdicts as JSON-able values; null where no limit is published."""
    values = {
        "passed": all(v.passed for v in results),
        "verdicts": [{**vars(v), "passed": v.passed} for v in results],
        "points": [
            {
                "analysis": c.analysis,
                "channel": c.channel,
                "gamma_over_m": c.gamma_over_m,
                "calculator": c.calculator,
                "mass_gev": c.mass_gev,
                **{
                    name: getattr(c, name)
                    for name in ("observed_fb", "expected_fb", "published_observed_fb", "published_expected_fb")
                },
            }
            for c in comparisons
        ],
    }
    return dict(jsonable(values))


def validation_table(results: list[Verdict]) -> list[str]:
    """The verdicts as a Markdown table."""
    lines = [
        "| analysis | channel | Γ/M | M (GeV) | expected: median, max | observed: median, max | tolerance | far | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for v in results:
        lines.append(
            f"| {v.analysis} | {v.channel} | {100 * v.gamma_over_m:g} % "
            f"| {v.mass_range_gev[0]:.0f}–{v.mass_range_gev[1]:.0f} "
            f"| {100 * v.expected_median:.1f} %, {100 * v.expected_max:.0f} % "
            f"| {100 * v.observed_median:.1f} %, {100 * v.observed_max:.0f} % "
            f"| {100 * v.tolerance:.0f} %, {200 * v.tolerance:.0f} % | {v.far} | {'pass' if v.passed else 'FAIL'} |"
        )
    return lines
