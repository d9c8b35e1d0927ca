"""The coupling or cross-section at 95 % CL, observed and expected.

A hypothesis is (mass, coupling, width of that coupling); its limit g_95 is where CLs = 0.05.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import FloatArray, checked_positive
from ..errors import InputError, LikelihoodError, UnknownName
from ..likelihood.binned import binned_likelihood, interference_warnings
from ..likelihood.cls import unprofiled_statistic
from ..likelihood.pyhf_fit import fit_background, hypothesis_test
from ..likelihood.result import CLsResult
from ..likelihood.toys import toy_cls
from ..likelihood.workspace import build_workspace
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel
from ..process.cross_section import sigma_br_narrow
from ..process.hypotheses import GAMMA_OVER_M_MAX, largest_coupling
from ..signal.fold import FoldedSearch
from ..signal.reference import signal_template
from ..signal.signal import Signal, SignalTemplate
from .analyses import Prepared, sole_curve, with_likelihood
from .crossings import solve_limits
from .curve import CurveTest, curve_test
from .families import coupling_limits
from .result import COUPLING_MIN, COUPLING_RANGE, LimitResult

_SQRT_Q_95 = 1.959964  # median expected limit: CLs = 2 (1 - Phi(sqrt q)) = 0.05


def workspace(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    searches: Sequence[Prepared],
    interference: bool = True,
) -> dict[str, Any]:
    """The pyhf workspace of one hypothesis; RangeError outside the mass range of a search."""
    return build_workspace(hypothesis_signals(model, mass_gev, coupling, searches, interference))


def hypothesis_signals(
    model: ZprimeModel, mass_gev: float, coupling: float, searches: Sequence[Prepared], interference: bool = True
) -> list[Signal]:
    """Expected signal of one hypothesis in every search; RangeError outside the mass range of one."""
    mass, g = float(checked_positive("mass_gev", mass_gev)), float(checked_positive("coupling", coupling))
    check_hypothesis(model, mass, g, searches)
    folded = with_likelihood(searches)
    return [folded_signal(f, signal_template(f, model, mass, g, interference)) for f in folded]


def folded_signal(folded: FoldedSearch, template: SignalTemplate) -> Signal:
    """The template of one hypothesis as the signal of a likelihood."""
    return Signal(folded.search, template.yields, template.nuisances, template.changes)


def check_hypothesis(model: ZprimeModel, mass_gev: float, coupling: float, searches: Sequence[Prepared]) -> None:
    """RangeError or InputError if a hypothesis is outside what the searches or the line shape cover."""
    for folded in searches:
        folded.search.check_mass(mass_gev)
    ratio = float(decay_widths(model, mass_gev, coupling).total_gev) / mass_gev
    if ratio > GAMMA_OVER_M_MAX:
        raise InputError(
            f"Gamma/M = {ratio:.2f} at coupling {coupling:g}: above {GAMMA_OVER_M_MAX} a fixed-width line shape "
            "means nothing; use a smaller coupling"
        )


def cls(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    searches: Sequence[Prepared],
    interference: bool = True,
    calculator: str = "asymptotic",
    n_toys: int = 2000,
    seed: int = 1,
) -> CLsResult | CurveTest:
    """CLs of one hypothesis, all searches together; for a limit curve, the rate over the limit.

    ``calculator``: ``asymptotic`` (pyhf's fits), or ``toys`` for ``n_toys`` pseudo-experiments of each hypothesis.
    """
    if calculator not in ("asymptotic", "toys"):
        raise UnknownName("calculator", calculator, ("asymptotic", "toys"))
    curve = sole_curve(searches)
    if curve is not None:
        return curve_test(curve, model, mass_gev, coupling)
    signals = hypothesis_signals(model, mass_gev, coupling, searches, interference)
    warnings = interference_warnings(signals)
    if calculator == "toys":
        found = toy_cls(binned_likelihood(signals), n_toys, seed)
        m2, m1, median, p1, p2 = found.cls_expected
        return CLsResult(found.cls_observed, (m2, m1, median, p1, p2), warnings)
    return replace(hypothesis_test(build_workspace(signals)), warnings=warnings)


def limit(
    model: ZprimeModel,
    mass_gev: float,
    searches: Sequence[Prepared],
    interference: bool = True,
    calculator: str = "batch",
) -> LimitResult:
    """g_95 at one mass, observed and expected; the width follows the coupling.

    ``calculator``: ``batch`` for the fits of :mod:`zprime_recast.likelihood.newton`, ``pyhf`` for pyhf's, which judge
    them and take seconds. LikelihoodError if there is no limit for a reason other than a weak signal.
    """
    mass = float(checked_positive("mass_gev", mass_gev))
    if calculator == "batch":
        largest_coupling(model, mass)
        (found,) = coupling_limits(model, [mass], searches, interference)
        if isinstance(found, str):
            raise LikelihoodError(found)
        return found
    if calculator != "pyhf":
        raise UnknownName("calculator", calculator, ("batch", "pyhf"))
    for folded in searches:
        folded.search.check_mass(mass)
    folded_searches = with_likelihood(searches)
    g_max, reason = largest_coupling(model, mass)

    def signals_at(g: float) -> list[Signal]:
        return hypothesis_signals(model, mass, g, searches, interference)

    background_fit = fit_background(build_workspace(signals_at(1e-3 * g_max)))

    def evaluate(g: float) -> CLsResult:
        return hypothesis_test(build_workspace(signals_at(g)), background_fit=background_fit)

    grid = np.geomspace(max(COUPLING_MIN, COUPLING_RANGE * g_max), g_max, 60)
    yields = [signal_template(f, model, mass, grid, interference).yields for f in folded_searches]
    start = float(grid[_first_sensitive(yields, folded_searches)])
    roots = solve_limits(evaluate, start, float(grid[0]), g_max)
    lumi = searches[0].lumi
    assert lumi is not None
    sigma = [None if g is None else float(sigma_br_narrow(model, mass, g, lumi)) for g in roots]
    observed = roots[0]
    largest = max((g for g in roots if g is not None), default=None)
    signals = [] if largest is None else signals_at(largest)
    return LimitResult(
        mass_gev=mass,
        coupling_95_observed=observed,
        coupling_95_expected=tuple(roots[1:]),
        sigma_br_95_observed_fb=sigma[0],
        sigma_br_95_expected_fb=tuple(sigma[1:]),
        gamma_over_m_observed=None if observed is None else float(decay_widths(model, mass, observed).total_gev) / mass,
        coupling_max=g_max,
        coupling_max_reason=reason,
        warnings=interference_warnings(signals),
    )


def _first_sensitive(templates: Sequence[Mapping[str, FloatArray]], searches: Sequence[FoldedSearch]) -> int:
    """Index of the first hypothesis the median experiment would exclude if nothing but the signal could change.

    q = 2 sum [S - B ln(1 + S/B)] for data B; a starting point only.
    """
    total: FloatArray | float = 0.0
    for template, folded in zip(templates, searches, strict=True):
        for name, signal in template.items():
            total = total + unprofiled_statistic(signal, folded.search.channel(name).bkg)
    q = np.asarray(total)
    # the last hypothesis below the threshold, so that a small island does not start the search
    below = np.nonzero(q < _SQRT_Q_95**2)[0]
    return int(min(below[-1] + 1, len(q) - 1)) if len(below) else 0
