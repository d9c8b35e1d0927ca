"""Limit curves in the place of searches: the same questions, answered without a likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel, perturbative_coupling
from ..process.cross_section import sigma_br_narrow
from ..searches.limit_curve import FoldedCurve, coupling_at_limit, signal_over_limit
from ..signal.fold import FoldedSearch
from .result import LimitResult

Prepared = FoldedSearch | FoldedCurve
"""What :func:`zprime_recast.limits.hypothesis.prepare` makes of an analysis."""


@dataclass(frozen=True)
class CurveTest:
    """A hypothesis against a published cross-section limit: no likelihood, so no CLs."""

    signal_over_limit_observed: float | None
    """None where the limit curve has none (width, mass)."""
    signal_over_limit_expected: float | None
    warnings: tuple[str, ...] = ()
    kind: str = "limit-curve"

    @property
    def excluded(self) -> bool:
        """Whether the rate is above the observed limit."""
        return self.signal_over_limit_observed is not None and self.signal_over_limit_observed >= 1


def sole_curve(searches: Sequence[Prepared]) -> FoldedCurve | None:
    """The limit curve if it is the only analysis, None if all have a likelihood; InputError for a mixture."""
    curves = [f for f in searches if isinstance(f, FoldedCurve)]
    if curves and len(searches) > 1:
        raise InputError(
            f"{curves[0].search.id} is a limit curve without a likelihood and cannot be combined: use it alone"
        )
    return curves[0] if curves else None


def with_likelihood(searches: Sequence[Prepared]) -> list[FoldedSearch]:
    """The searches, InputError if one is a limit curve."""
    folded = [f for f in searches if isinstance(f, FoldedSearch)]
    if len(folded) < len(searches):
        sole_curve(searches)
        raise InputError(f"{searches[0].search.id} is a limit curve: it has no likelihood")
    return folded


def curve_test(curve: FoldedCurve, model: ZprimeModel, mass_gev: float, coupling: float) -> CurveTest:
    """Rate over limit of one hypothesis; RangeError outside the masses of the curve."""
    curve.search.check_mass(mass_gev)
    observed, expected = (float(x) for x in signal_over_limit(curve, model, mass_gev, coupling))
    width = float(decay_widths(model, mass_gev, coupling).total_gev) / mass_gev
    return CurveTest(
        observed if np.isfinite(observed) else None,
        expected if np.isfinite(expected) else None,
        _warnings(curve, width),
    )


def curve_limit(curve: FoldedCurve, model: ZprimeModel, mass_gev: float) -> LimitResult:
    """g_95 at one mass, observed and median expected; RangeError outside the masses of the curve."""
    curve.search.check_mass(mass_gev)
    observed, median = (float(g) if np.isfinite(g) else None for g in coupling_at_limit(curve, model, mass_gev)[:, 0])
    roots = [observed, None, None, median, None, None]
    sigma = [None if g is None else float(sigma_br_narrow(model, mass_gev, g, curve.lumi)) for g in roots]
    width = None if observed is None else float(decay_widths(model, mass_gev, observed).total_gev) / mass_gev
    widest = curve.search.gamma_over_m_max
    return LimitResult(
        mass_gev=mass_gev,
        coupling_95_observed=observed,
        coupling_95_expected=tuple(roots[1:]),
        sigma_br_95_observed_fb=sigma[0],
        sigma_br_95_expected_fb=tuple(sigma[1:]),
        gamma_over_m_observed=width,
        coupling_max=perturbative_coupling(model),
        coupling_max_reason=f"perturbativity, or Gamma/M above the published {widest:g}",
        warnings=_warnings(curve, width),
        kind="limit-curve",
    )


def _warnings(curve: FoldedCurve, gamma_over_m: float | None) -> tuple[str, ...]:
    search = curve.search
    found = [f"{search.id} is a limit curve: no likelihood, no expected bands, narrow-width rate, no interference"]
    if gamma_over_m is not None and gamma_over_m > search.gamma_over_m_max:
        found.append(f"Gamma/M = {gamma_over_m:.3g} is beyond the published {search.gamma_over_m_max:g}: no limit")
    return tuple(found)
