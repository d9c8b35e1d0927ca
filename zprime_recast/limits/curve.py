"""Limit curves in the place of searches with a likelihood: the same questions, answered by rate over limit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import BoolArray, FloatArray, IndexArray
from ..model.card import load_model
from ..partons.luminosity import LuminosityTable
from ..partons.nuisances import TheoryNuisances
from ..process.family import Family, coupling_family
from ..searches.limit_curve import LimitCurve
from .crossings import crossings
from .method import Method
from .result import FamilyLimits, Verdicts

#: Limits of curves are known to this in ln x: they cost nothing.
_TOLERANCE = 1e-9
_POINTS = 200


@dataclass(frozen=True, eq=False, repr=False)
class FoldedCurve:
    """A limit curve with the luminosities that turn a model into a rate."""

    search: LimitCurve
    luminosities: LuminosityTable
    theory: TheoryNuisances | None = None
    """Always None: a limit curve has no nuisances."""

    @cached_property
    def unit_fb(self) -> FloatArray:
        """Z'_SSM rate at the masses of the curve in fb, or 1."""
        mass = self.search.mass_gev
        if not self.search.over_ssm:
            return np.ones_like(mass)
        ssm = load_model("ssm")
        g = np.full(len(mass), ssm.reference_coupling, dtype=float)
        return coupling_family(ssm, mass).sigma_br_fb(np.arange(len(mass)), g, self.luminosities, ("e",))

    def limit_fb(self, mass_gev: ArrayLike, gamma_over_m: ArrayLike) -> FloatArray:
        """Observed and expected limit on sigma x BR in fb, (2, *broadcast)."""
        unit = np.exp(np.interp(np.log(mass_gev), np.log(self.search.mass_gev), np.log(self.unit_fb)))
        return np.asarray(self.search.at(mass_gev, gamma_over_m) * unit / self.search.acceptance)

    def over_limit(self, family: Family, which: IndexArray, x: FloatArray) -> FloatArray:
        """Rate over limit, observed and expected, (2, n); excluded above 1, NaN where there is no limit."""
        state, mass = self.search.final_state, family.mass_gev[which]
        rate = state.share * family.sigma_br_fb(which, x, self.luminosities, state.fermions)
        return np.asarray(rate / self.limit_fb(mass, family.gamma_gev(which, x) / mass))


@dataclass(frozen=True, eq=False)
class RateCurves:
    """``ln(limit/rate)``, observed and median expected, for :func:`zprime_recast.limits.crossings.crossings`."""

    curve: FoldedCurve
    family: Family

    def __call__(self, which: IndexArray, log_x: FloatArray) -> tuple[FloatArray, dict[int, str]]:
        """Values (n, 6); NaN for the bands, which no curve has, and where there is no limit."""
        values = np.full((len(which), 6), np.nan)
        with np.errstate(divide="ignore"):  # a rate of zero is far from any limit
            values[:, [0, 3]] = np.minimum(-np.log(self.curve.over_limit(self.family, which, np.exp(log_x))).T, 1e6)
        return values, {}

    def sensitive(self, which: IndexArray, log_x: FloatArray) -> BoolArray:
        """Everywhere."""
        return np.ones(len(which), dtype=bool)


@dataclass(frozen=True, eq=False, repr=False)
class SoleCurve:
    """A limit curve as the only analysis: it has no likelihood that could be combined."""

    curve: FoldedCurve

    kind = "limit-curve"

    @property
    def published_masses_gev(self) -> FloatArray:
        """Masses of the curve, (n,)."""
        return self.curve.search.mass_gev

    def used(self, method: Method) -> Method:
        """The method without interference; InputError for toys, a Bayesian limit or another fitter."""
        method = method.resolved("asymptotic")
        method.only(f"{self.curve.search.id} is a limit curve without a likelihood and", ("asymptotic", "newton"))
        return replace(method, interference=False)

    def verdicts(self, family: Family, which: IndexArray, x: FloatArray, method: Method) -> Verdicts:
        """Rate over limit of the members ``which`` (n,) at x (n,)."""
        self.used(method)
        observed, expected = self.curve.over_limit(family, which, x)
        nan, width = np.full(len(which), np.nan), family.gamma_gev(which, x) / family.mass_gev[which]
        return Verdicts(
            cls_observed=nan,
            cls_expected=np.full((len(which), 5), np.nan),
            signal_over_limit_observed=observed,
            signal_over_limit_expected=expected,
            log_ratio=nan,
            faults=(),
            warnings=tuple((i, text) for i, w in enumerate(width.tolist()) for text in self._warnings(w)),
            calculator_used=(self.kind,) * len(which),
        )

    def limits(self, family: Family, method: Method, without_theory: bool = False) -> FamilyLimits:
        """From which x on every member with a limit is excluded, observed and median expected."""
        self.used(method)
        search, n = self.curve.search, len(family.mass_gev)
        widest = family.widest(search.gamma_over_m_max)
        largest = np.minimum(family.largest, widest)
        published = f"Gamma/M = {search.gamma_over_m_max:g}, the widest published"
        bounds = zip(widest, family.largest, family.largest_because, strict=True)
        because = [published if w < x else text for w, x, text in bounds]
        x_95 = np.full((n, 6), np.nan)
        crossed: list[tuple[float, ...]] = [()] * n
        some = np.nonzero(largest > 0)[0]  # others are wider than the widest published limit at any x
        if len(some):
            part, top = family.take(some), largest[some]
            bottom = np.minimum(part.lowest, 1e-3 * top)
            for i, one in zip(
                some, crossings(RateCurves(self.curve, part), bottom, top, _POINTS, _TOLERANCE), strict=True
            ):
                x_95[i], crossed[i] = one.limits, one.observed
        seen = np.nonzero(np.isfinite(x_95[:, 0]))[0]
        width = np.where(largest > 0, 0.0, family.gamma_gev(np.arange(n), family.lowest) / family.mass_gev)
        width[seen] = family.gamma_gev(seen, x_95[seen, 0]) / family.mass_gev[seen]
        return FamilyLimits(
            x_95=x_95,
            largest=largest,
            largest_because=tuple(because),
            no_theory=np.full(n, np.nan),
            crossings_observed=tuple(crossed),
            faults=(),
            islands=(),
            warnings=tuple((i, text) for i, w in enumerate(width.tolist()) for text in self._warnings(w)),
        )

    def _warnings(self, gamma_over_m: float) -> list[str]:
        search = self.curve.search
        found = [f"{search.id} is a limit curve: no likelihood, no expected bands, narrow-width rate, no interference"]
        if gamma_over_m > search.gamma_over_m_max:
            found.append(f"Gamma/M = {gamma_over_m:.3g} is beyond the published {search.gamma_over_m_max:g}: no limit")
        return found
