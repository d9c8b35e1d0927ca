"""Limit curves in the place of searches: the same questions, answered without a likelihood."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..model.card import load_model
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel, perturbative_coupling
from ..partons.luminosity import LuminosityTable
from ..partons.nuisances import TheoryNuisances
from ..process.cross_section import sigma_br_narrow
from ..searches.limit_curve import FINAL_STATES, LimitCurve
from .result import LimitResult


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


_COUPLINGS = 300


@dataclass(frozen=True)
class FoldedCurve:
    """A limit curve with the luminosities that turn a model into a rate; takes the place of a folded search."""

    search: LimitCurve
    lumi: LuminosityTable
    theory: TheoryNuisances | None = None
    """Always None: a limit curve has no nuisances."""
    ssm: ZprimeModel = field(default_factory=lambda: load_model("ssm"))

    @cached_property
    def unit_fb(self) -> FloatArray:
        """Z'_SSM rate at the masses of the curve in fb, or 1."""
        if not self.search.over_ssm:
            return np.ones_like(self.search.mass_gev)
        assert self.ssm.reference_coupling is not None
        return sigma_br_narrow(self.ssm, self.search.mass_gev, self.ssm.reference_coupling, self.lumi)

    def limit_fb(self, mass_gev: ArrayLike, gamma_over_m: ArrayLike) -> FloatArray:
        """Observed and expected limit on sigma x BR in fb, (2, *broadcast)."""
        unit = np.exp(np.interp(np.log(mass_gev), np.log(self.search.mass_gev), np.log(self.unit_fb)))
        limit: FloatArray = self.search.at(mass_gev, gamma_over_m) * unit / self.search.acceptance
        return limit

    def rate_fb(self, model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike) -> FloatArray:
        """sigma x BR of the model into the final state in fb, narrow-width; mass and coupling broadcast."""
        fermions = FINAL_STATES[self.search.final_state]
        return np.asarray(sum(sigma_br_narrow(model, mass_gev, coupling, self.lumi, f) for f in fermions))


def signal_over_limit(curve: FoldedCurve, model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike) -> FloatArray:
    """Rate over limit, observed and expected, (2, *broadcast); excluded above 1, NaN where there is no limit."""
    mass, g = checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling)
    width = decay_widths(model, mass, g).total_gev / mass
    ratio: FloatArray = curve.rate_fb(model, mass, g) / curve.limit_fb(mass, width)
    return ratio


def coupling_at_limit(curve: FoldedCurve, model: ZprimeModel, mass_gev: ArrayLike) -> FloatArray:
    """g_95 observed and expected, (2, n_masses): from there on every coupling with a limit is excluded, up to the
    perturbative one or the widest published width; NaN where none is.
    """
    mass = np.atleast_1d(checked_positive("mass_gev", mass_gev))
    g_max = perturbative_coupling(model)
    grid = np.geomspace(1e-4 * g_max, g_max, _COUPLINGS)
    ratio = signal_over_limit(curve, model, mass, grid[:, None])
    below = ~(ratio >= 1) & np.isfinite(ratio)
    # the last coupling that is not excluded; the next must have a limit
    last = _COUPLINGS - 1 - np.argmax(below[:, ::-1], axis=1)
    after = np.minimum(last + 1, _COUPLINGS - 1)
    found = np.take_along_axis(ratio, after[:, None], axis=1)[:, 0] >= 1
    found &= np.isfinite(np.take_along_axis(ratio, last[:, None], axis=1)[:, 0]) & below.any(axis=1)
    low, high = np.log(grid[last]), np.log(grid[after])
    for _ in range(50):
        middle = 0.5 * (low + high)
        both = [signal_over_limit(curve, model, mass, np.exp(middle[side]))[side] for side in (0, 1)]
        over = np.stack(both) >= 1
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.where(found, np.exp(high), np.nan)


def curve_coupling(curve: LimitCurve, model: ZprimeModel, lumi: LuminosityTable) -> FloatArray:
    """Observed g_95 at the masses of the curve (n,); NaN where nothing is excluded."""
    return np.asarray(coupling_at_limit(FoldedCurve(curve, lumi), model, curve.mass_gev)[0])
