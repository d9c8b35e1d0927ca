"""A validation as JSON and as Markdown tables."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ..io.json import jsonable
from .validation import APART, BothWays, Comparison, Deviations, Verdict

_SERIES = ("observed_fb", "expected_fb", "published_observed_fb", "published_expected_fb")
_ABOUT = ("analysis", "channel", "gamma_over_m", "calculator", "fit", "expected_bins", "is_default", "n_published")


def validation_json(comparisons: list[Comparison], results: list[Verdict], both: list[BothWays]) -> dict[str, Any]:
    """Comparisons and verdicts as JSON-able values; null where no limit is published."""
    values = {
        "passed": all(v.passed for v in results),
        "verdicts": [{**asdict(v), "passed": v.passed} for v in results],
        "both_ways": [{**asdict(one), "reason": one.reason} for one in both],
        "points": [{name: getattr(c, name) for name in (*_ABOUT, "mass_gev", *_SERIES)} for c in comparisons],
    }
    return dict(jsonable(values))


def validation_table(results: list[Verdict]) -> list[str]:
    """How the limits were computed, and the verdicts as a Markdown table."""
    lines = [
        *dict.fromkeys(_method(v) for v in results),
        "",
        "| analysis | channel | Γ/M | M (GeV) | expected: points; median, p90, worst | observed: the same "
        "| tolerance (medians) | far | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for v in results:
        tolerance = "–" if v.tolerance is None else f"{100 * v.tolerance:.0f} %, {200 * v.tolerance:.0f} %"
        verdict = "–" if v.tolerance is None else "pass" if v.passed else "FAIL"
        lines.append(
            f"| {v.analysis} | {v.channel} | {100 * v.gamma_over_m:g} % "
            f"| {'else in ' if v.tolerance is None else ''}{v.mass_range_gev[0]:.0f}–{v.mass_range_gev[1]:.0f} "
            f"| {_shown(v.expected)} | {_shown(v.observed)} | {tolerance} | {v.far} | {verdict} |"
        )
    return lines


def _method(v: Verdict) -> str:
    default = "the default of generic-limit" if v.is_default else "not the default of generic-limit"
    return (
        f"- {v.analysis}: calculator {v.calculator}, fit {v.fit} ({default}); bins of expected limits: "
        f"{v.expected_bins}; of observed limits: public"
    )


def thinning_remark(comparisons: list[Comparison]) -> list[str]:
    """A line that says how many of the published masses were compared, if not all."""
    used, published = sum(len(c.mass_gev) for c in comparisons), sum(c.n_published for c in comparisons)
    return [] if used == published else [f"thinned: {used} of {published} published masses (without --points: all)"]


def both_ways_table(both: list[BothWays]) -> list[str]:
    """Where windows and all bins differ by more than APART, as a Markdown table with the reason; empty without any."""
    apart = [one for one in both if abs(one.windows_over_published / one.all_bins_over_published - 1) > APART]
    if not both:
        return []
    lines = [
        f"Narrow resonance, expected, from windows and from all bins with one background (both Bayesian): "
        f"{len(apart)} of {len(both)} masses differ by more than {100 * APART:.0f} %; windows/all bins, median: "
        f"{_median(both):.2f}."
    ]
    if apart:
        lines += [
            "",
            "| analysis | channel | Γ/M | M (GeV) | windows/published | all bins/published "
            "| reason: from all bins to windows |",
            "|---|---|---|---|---|---|---|",
        ]
    for one in apart:
        lines.append(
            f"| {one.analysis} | {one.channel} | {100 * one.gamma_over_m:g} % | {one.mass_gev:.0f} "
            f"| {one.windows_over_published:.2f} | {one.all_bins_over_published:.2f} | {one.reason} |"
        )
    return lines


def _median(both: list[BothWays]) -> float:
    return float(np.median([one.windows_over_published / one.all_bins_over_published for one in both]))


def _shown(d: Deviations) -> str:
    return f"{d.points}; {100 * d.median:.1f}, {100 * d.p90:.0f}, {100 * d.worst:.0f} %" if d.points else "0"
