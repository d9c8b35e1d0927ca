"""The coupling or cross-section at 95 % CL, observed and expected.

A hypothesis is (mass, coupling, width of that coupling); its limit g_95 is where CLs = 0.05.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from ..errors import InputError, LikelihoodError, UnknownName
from ..io.cards import FloatArray
from ..likelihood.binned import Signal, binned_likelihood, build_workspace, interference_warnings
from ..likelihood.cls import unprofiled_statistic
from ..likelihood.pyhf_fit import CLS_EXCLUDED, CLsResult, fit_background, hypothesis_test
from ..likelihood.toys import toy_cls
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel, checked_positive
from ..partons.luminosity_set import DEFAULT_ORDER, load_luminosities
from ..partons.pdf import DEFAULT_SET, PDFMember, load_pdf
from ..process.cross_section import sigma_br_narrow
from ..searches.limit_curve import FoldedCurve, find_limit_curve
from ..searches.spectrum import Search, load_search
from ..signal.fold import FoldedSearch, SignalTemplate, fold_search, signal_template
from .curve import CurveTest, Prepared, curve_test, sole_curve, with_likelihood
from .families import coupling_limits
from .result import COUPLING_MIN, COUPLING_RANGE, GAMMA_OVER_M_MAX, LimitResult, largest_coupling

#: A root is accepted where the logarithm of the coupling (or cross-section) is known to this.
ROOT_TOLERANCE = 5e-4
DEFAULT_ANALYSES = ("atlas-139fb-dilepton", "cms-140fb-dilepton")

_MAX_EVALUATIONS = 60
_SQRT_Q_95 = 1.959964  # median expected limit: CLs = 2 (1 - Phi(sqrt q)) = 0.05


def prepare(
    analyses: Sequence[str | Search] = DEFAULT_ANALYSES,
    pdf: str | PDFMember = DEFAULT_SET,
    member: int = 0,
    order: str = DEFAULT_ORDER,
    theory: bool = True,
    on_member: Callable[[int, int], None] | None = None,
) -> tuple[Prepared, ...]:
    """Analyses prepared with a PDF set: the argument of everything below. Takes a few seconds, once.

    ``theory``: PDF and scale uncertainties of the signal as nuisances (a set without error members has the scale's
    only, a member other than 0 or one already loaded has none). ``on_member`` as in
    :func:`zprime_recast.partons.luminosity_set.load_luminosities`.
    """
    loaded = load_pdf(pdf) if isinstance(pdf, str) else pdf  # for the acceptance: the central member will do
    folded: list[Prepared] = []
    for analysis in analyses:
        curve = None if isinstance(analysis, Search) else find_limit_curve(analysis)
        if curve is not None:
            lumi = load_luminosities(pdf, curve.sqrt_s_gev, order, member, on_member=on_member)
            folded.append(FoldedCurve(curve, lumi))
            continue
        search = load_search(analysis)
        lumi = load_luminosities(pdf, search.sqrt_s_gev, order, member, on_member=on_member)
        folded.append(fold_search(search, loaded, lumi, theory))
    return tuple(folded)


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


def solve_limits(evaluate: Callable[[float], CLsResult], start: float, low: float, high: float) -> list[float | None]:
    """Where CLs falls through 0.05: observed, then expected -2..+2; None where it does not up to ``high``.

    All curves share their evaluations. The expected ones follow from one function, the Asimov statistic
    sqrt(q_A): CLs at N standard deviations is Phi(N - sqrt(q_A))/Phi(N). Each root is bracketed, then refined by
    inverse interpolation until ln x is known to ROOT_TOLERANCE. If CLs is not monotonic the crossing at the largest x
    is taken. LikelihoodError if no bracket is found down to ``low``.
    """
    thresholds = _sqrt_q_thresholds()
    points: dict[float, FloatArray] = {}

    def add(t: float) -> FloatArray:
        if t not in points:
            if len(points) >= _MAX_EVALUATIONS:
                raise LikelihoodError(f"no limit found in {_MAX_EVALUATIONS} evaluations near {np.exp(t):g}")
            result = evaluate(float(np.exp(t)))
            observed = np.log(max(result.cls_observed, 1e-30) / CLS_EXCLUDED)
            median = min(max(result.cls_expected[2], 1e-300), 1.0)
            sqrt_q = max(float(-ndtri(0.5 * median)), 1e-6)
            points[t] = np.array([observed, *np.log(thresholds / sqrt_q)])
        return points[t]

    t_low, t_high = float(np.log(low)), float(np.log(high))
    add(float(np.clip(np.log(start), t_low, t_high)))
    roots: dict[int, float | None] = {}
    for curve in (3, 1, 5, 2, 4, 0):  # the median first, then the outer ones: they bracket the rest
        roots[curve] = _solve_one(add, points, curve, t_low, t_high)
    return [roots[curve] for curve in range(6)]


def _sqrt_q_thresholds() -> FloatArray:
    """sqrt(q_A) at which CLs = 0.05 for the -2..+2 standard deviation experiments."""
    n = np.arange(-2, 3)
    return np.asarray(n - ndtri(CLS_EXCLUDED * ndtr(n)))


def _solve_one(
    add: Callable[[float], FloatArray],
    points: dict[float, FloatArray],
    curve: int,
    t_low: float,
    t_high: float,
) -> float | None:
    step = 0.15
    while True:  # bracket
        ts = sorted(points)
        above = [t for t in ts if points[t][curve] > 0]
        below = [t for t in ts if points[t][curve] <= 0 and (not above or t > above[-1])]
        if above and below:
            break
        if not below:  # not excluded at the largest x tried
            if ts[-1] >= t_high:
                return None
            add(min(_step_to(points, curve, ts[-1], step), t_high))
        else:
            if ts[0] <= t_low:
                raise LikelihoodError(f"excluded down to {np.exp(t_low):g}; the data reject every hypothesis")
            add(max(_step_to(points, curve, ts[0], -step), t_low))
        step *= 1.7
    left, right = above[-1], below[0]
    for _ in range(30):
        guess, error = _interpolated_root(points, curve, left, right)
        if error < ROOT_TOLERANCE or right - left < ROOT_TOLERANCE:
            return float(np.exp(guess))
        value = add(guess)[curve]
        left, right = (guess, right) if value > 0 else (left, guess)
    return float(np.exp(0.5 * (left + right)))


def _step_to(points: dict[float, FloatArray], curve: int, edge: float, step: float) -> float:
    """A point beyond ``edge``: about where the curve should cross, between one and three steps away."""
    value = points[edge][curve]
    return edge + float(np.sign(step) * np.clip(0.6 * abs(value), abs(step), 3 * abs(step)))


def _interpolated_root(points: dict[float, FloatArray], curve: int, left: float, right: float) -> tuple[float, float]:
    """Root between left and right by inverse interpolation through up to five points, and an estimate of its error.

    The error is the change when the farthest point is left out; the whole bracket if there are too few points.
    """
    middle = 0.5 * (left + right)
    inner = [t for t in sorted(points, key=lambda t: abs(t - middle)) if abs(t - middle) < 1.0]
    near = [left, right, *[t for t in inner if t not in (left, right)]][:5]
    y_left, y_right = points[left][curve], points[right][curve]
    chord = left + (right - left) * y_left / (y_left - y_right)
    guess, error = chord, right - left
    while len(near) >= 4:
        ordered = np.array(sorted(near))
        y = np.array([points[t][curve] for t in ordered])
        if (np.diff(y) < 0).all():
            full = _inverse_lagrange(y, ordered)
            kept = np.isin(ordered, near[:-1])
            if left <= full <= right:
                return full, abs(full - _inverse_lagrange(y[kept], ordered[kept]))
        near.pop()
    margin = 0.05 * (right - left)
    return float(np.clip(guess, left + margin, right - margin)), error


def _inverse_lagrange(y: FloatArray, t: FloatArray) -> float:
    """t at y = 0 by the Lagrange polynomial t(y) through all points."""
    total = 0.0
    for i in range(len(y)):
        others = np.delete(y, i)
        total += t[i] * float(np.prod(-others / (y[i] - others)))
    return total
