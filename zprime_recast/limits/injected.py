"""Limits on the strength of a signal given as events, of any process: its shape is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, IndexArray
from ..errors import LikelihoodError
from ..io.json import json_dict
from ..likelihood.asymptotics import unprofiled_statistic
from ..likelihood.background_fit import fit_background
from ..likelihood.binned import BinnedLikelihood, Layouts, binned_likelihood
from ..likelihood.cls import Tested, asymptotic_cls
from ..likelihood.shared_cls import shared_cls
from ..likelihood.toy_ensemble import Ensemble
from ..likelihood.toy_statistic import fitted
from ..signal.from_events import EventTemplate
from ..signal.signal import Signal
from .crossings import CLsCurves, crossings
from .method import Method
from .refined import refined_crossings
from .shared_toys import SharedToys

#: Strengths looked at, over an estimate of the expected limit, and the points of the grid between them.
SEARCHED, POINTS = (1e-3, 1e3), 40


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class StrengthLimit:
    """Signal strength (multiple of the sample's cross-section) at 95 % CL."""

    mu_95_observed: float
    mu_95_expected: FloatArray
    """At -2, -1, 0, 1, 2 standard deviations, (5,)."""
    cross_section_fb: float
    """Cross-section of the sample."""
    cls_observed: float
    """CLs of the sample at its own cross-section (mu = 1)."""
    warnings: tuple[str, ...]

    @property
    def sigma_95_observed_fb(self) -> float:
        """Cross-section at 95 % CL."""
        return self.mu_95_observed * self.cross_section_fb

    @property
    def sigma_95_expected_fb(self) -> FloatArray:
        """Cross-sections at -2..+2 standard deviations, (5,)."""
        return self.mu_95_expected * self.cross_section_fb

    def __repr__(self) -> str:
        return f"StrengthLimit(mu_95 = {self.mu_95_observed:.4g}, {self.sigma_95_observed_fb:.4g} fb)"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return json_dict(
            {
                "mu_95_observed": self.mu_95_observed,
                "mu_95_expected": self.mu_95_expected,
                "sigma_95_observed_fb": self.sigma_95_observed_fb,
                "sigma_95_expected_fb": self.sigma_95_expected_fb,
                "cls_observed": self.cls_observed,
                "warnings": self.warnings,
            }
        )


def strength_limit(
    templates: Sequence[EventTemplate], calculator: str = "toys", n_toys: int | None = None, seed: int = 1
) -> StrengthLimit:
    """Signal strength at 95 % CL from the templates of one sample in one or more searches.

    Arguments:
        templates: templates of the sample, one per search.
        calculator: ``toys`` that all strengths share, or ``asymptotic``.
        n_toys, seed: number of toys, by default SHARED_TOYS of :mod:`zprime_recast.limits.method`, and their seed.

    LikelihoodError if the sample gives no events in any bin, or if no strength is excluded.
    """
    method = Method(calculator=calculator, n_toys=n_toys, seed=seed)
    method.only("a limit on the strength of events", ("toys", "newton"), ("asymptotic", "newton"))
    if not any(np.any(y > 0) for t in templates for y in t.yields.values()):
        raise LikelihoodError("the sample gives no signal events in any bin: no limit")

    layouts = Layouts()

    def likelihood(mu: FloatArray) -> BinnedLikelihood:
        scaled = [{name: mu[:, None] * y for name, y in t.yields.items()} for t in templates]
        signals = [Signal(t.search, yields) for t, yields in zip(templates, scaled, strict=True)]
        return binned_likelihood(signals, layouts)

    background = fit_background(likelihood(np.zeros(1)))

    def test(which: IndexArray, mu: FloatArray) -> Tested:
        return asymptotic_cls(likelihood(mu), background)

    def bound(which: IndexArray, mu: FloatArray) -> FloatArray:
        one = likelihood(mu)
        total = unprofiled_statistic(one.signal, one.background)
        total[[i for i, _ in one.faults]] = np.inf  # to be tested, so that the fault is seen
        return total

    one = likelihood(np.ones(1))
    signal, expected = np.maximum(one.signal[0], 0.0), one.background
    estimate = np.array([min(3.0 / signal.sum() + 2.0 / np.sqrt((signal**2 / expected).sum()), 1e9)])
    curves = CLsCurves(test, bound)
    lowest, largest = SEARCHED[0] * estimate, SEARCHED[1] * estimate
    (found,) = crossings(curves, lowest, largest, POINTS)
    if calculator == "toys":
        median = np.array([found.limits[3] if np.isfinite(found.limits[3]) else estimate[0]])

        def resonance_at(_: float) -> tuple[BinnedLikelihood, Ensemble]:
            at_limit = likelihood(median)
            return at_limit, fitted(at_limit, background)[0].ensemble

        toys = SharedToys(background, resonance_at).near(_middle_gev(templates), method.toys, method.seed)

        def with_toys(mu: FloatArray) -> Tested:
            one = likelihood(mu)
            return shared_cls(one, background, toys, asymptotic_cls(one, background))

        def values(log_mu: FloatArray) -> FloatArray:
            tested = with_toys(np.exp(log_mu))
            return np.concatenate([tested.cls_observed[:, None], tested.cls_expected], axis=1)

        found = refined_crossings(values, found, float(lowest[0]), float(largest[0]))
        cls_observed = float(with_toys(np.ones(1)).cls_observed[0])
    else:
        cls_observed = float(test(np.zeros(1, dtype=np.intp), np.ones(1)).cls_observed[0])
    limits = found.limits
    if not np.isfinite(limits).all():
        raise LikelihoodError(found.fault or "no signal strength is excluded: the interference outweighs the signal")
    warnings = [text for _, text in likelihood(limits[:1]).warnings]
    return StrengthLimit(
        mu_95_observed=float(limits[0]),
        mu_95_expected=limits[1:],
        cross_section_fb=templates[0].cross_section_fb,
        cls_observed=cls_observed,
        warnings=(*warnings, *(w for t in templates for w in t.warnings)),
    )


def _middle_gev(templates: Sequence[EventTemplate]) -> float:
    """The mass where the sample is searched for: the mean of ln(mass) weighted with S^2/B."""
    weights, logs = [], []
    for template in templates:
        for name, events in template.yields.items():
            channel = template.search.channel(name)
            weights.append(events**2 / channel.bkg)
            logs.append(np.log(channel.centers_gev))
    return float(np.exp(np.average(np.concatenate(logs), weights=np.concatenate(weights))))
