"""The coupling or cross-section at 95 % CL, observed and expected.

A hypothesis is (mass, coupling, width of that coupling); its limit g_95 is where CLs = 0.05.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from .cards import FloatArray
from .cross_section import sigma_br_narrow
from .errors import InputError, LikelihoodError, UnknownName
from .fit import CLS_EXCLUDED, CLsResult, fit_background, hypothesis_test
from .likelihood import Signal, build_workspace, interference_warnings
from .luminosity import luminosity_table
from .model import ZprimeModel, checked_positive, perturbative_coupling
from .pdf import DEFAULT_SET, PDFMember, load_pdf
from .search import Search, load_search
from .template import FoldedSearch, fold_search, generic_template, signal_template
from .widths import decay_widths

#: A root is accepted where the logarithm of the coupling (or cross-section) is known to this.
ROOT_TOLERANCE = 5e-4
#: Largest relative width of a hypothesis; a fixed-width Breit-Wigner means little beyond.
GAMMA_OVER_M_MAX = 0.5
DEFAULT_ANALYSES = ("atlas-139fb-dilepton",)

_COUPLING_MIN = 1e-6
_MAX_EVALUATIONS = 60
_SQRT_Q_95 = 1.959964  # median expected limit: CLs = 2 (1 - Phi(sqrt q)) = 0.05


@dataclass(frozen=True)
class LimitResult:
    """Coupling at 95 % CL for one mass; None where nothing is excluded up to ``coupling_max``."""

    mass_gev: float
    coupling_95_observed: float | None
    coupling_95_expected: tuple[float | None, ...]
    """At -2, -1, 0, 1, 2 standard deviations."""
    sigma_br_95_observed_fb: float | None
    """Narrow-width sigma x BR (one lepton flavour) of the excluded coupling."""
    sigma_br_95_expected_fb: tuple[float | None, ...]
    gamma_over_m_observed: float | None
    coupling_max: float
    coupling_max_reason: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class GenericLimitResult:
    """Fiducial cross-section times BR per lepton flavour at 95 % CL, as the experiment defines it."""

    analysis: str
    channel: str
    mass_gev: float
    gamma_over_m: float
    sigma_br_95_observed_fb: float
    sigma_br_95_expected_fb: tuple[float, ...]


def prepare(
    analyses: Sequence[str | Search] = DEFAULT_ANALYSES, pdf: str | PDFMember = DEFAULT_SET, member: int = 0
) -> tuple[FoldedSearch, ...]:
    """Searches folded with a PDF set: the argument of everything below. Takes about a second, once."""
    loaded = load_pdf(pdf, member) if isinstance(pdf, str) else pdf
    searches = [load_search(analysis) for analysis in analyses]
    return tuple(fold_search(s, loaded, luminosity_table(loaded, s.sqrt_s_gev)) for s in searches)


def workspace(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    searches: Sequence[FoldedSearch],
    interference: bool = True,
) -> dict[str, Any]:
    """The pyhf workspace of one hypothesis; RangeError outside the mass range of a search."""
    return build_workspace(hypothesis_signals(model, mass_gev, coupling, searches, interference))


def hypothesis_signals(
    model: ZprimeModel, mass_gev: float, coupling: float, searches: Sequence[FoldedSearch], interference: bool = True
) -> list[Signal]:
    """Expected signal of one hypothesis in every search; RangeError outside the mass range of one."""
    mass, g = float(checked_positive("mass_gev", mass_gev)), float(checked_positive("coupling", coupling))
    check_hypothesis(model, mass, g, searches)
    return [Signal(f.search, signal_template(f, model, mass, g, interference)) for f in searches]


def check_hypothesis(model: ZprimeModel, mass_gev: float, coupling: float, searches: Sequence[FoldedSearch]) -> None:
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
    searches: Sequence[FoldedSearch],
    interference: bool = True,
) -> CLsResult:
    """CLs of one hypothesis, all searches together."""
    signals = hypothesis_signals(model, mass_gev, coupling, searches, interference)
    return replace(hypothesis_test(build_workspace(signals)), warnings=interference_warnings(signals))


def largest_coupling(model: ZprimeModel, mass_gev: float) -> tuple[float, str]:
    """Largest coupling a limit is looked for at, and why: perturbativity, or Gamma/M = GAMMA_OVER_M_MAX."""
    g_perturbative = perturbative_coupling(model)
    unit = decay_widths(model, mass_gev, 1.0)
    fixed = model.gamma_extra_gev
    room = GAMMA_OVER_M_MAX * mass_gev - fixed
    if room <= 0:
        raise InputError(f"gamma_extra = {fixed:g} GeV alone makes the Z' wider than {GAMMA_OVER_M_MAX} of its mass")
    g_width = float(np.sqrt(room / (unit.total_gev - fixed)))
    if g_perturbative <= g_width:
        return g_perturbative, "perturbativity, g q_max = sqrt(2 pi)"
    return 0.999 * g_width, f"Gamma/M = {GAMMA_OVER_M_MAX}"


def limit(
    model: ZprimeModel, mass_gev: float, searches: Sequence[FoldedSearch], interference: bool = True
) -> LimitResult:
    """g_95 at one mass, observed and expected; the width follows the coupling."""
    mass = float(checked_positive("mass_gev", mass_gev))
    for folded in searches:
        folded.search.check_mass(mass)
    g_max, reason = largest_coupling(model, mass)

    def signals_at(g: float) -> list[Signal]:
        return hypothesis_signals(model, mass, g, searches, interference)

    background_fit = fit_background(build_workspace(signals_at(1e-3 * g_max)))

    def evaluate(g: float) -> CLsResult:
        return hypothesis_test(build_workspace(signals_at(g)), background_fit=background_fit)

    grid = np.geomspace(max(_COUPLING_MIN, 1e-5 * g_max), g_max, 60)
    start = float(
        grid[_first_sensitive([signal_template(f, model, mass, grid, interference) for f in searches], searches)]
    )
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


def generic_limit(
    folded: FoldedSearch, mass_gev: float, gamma_over_m: float, channel: str = "ll"
) -> GenericLimitResult:
    """Limit on the fiducial sigma x BR of a generic resonance of given relative width, for validation and quick use.

    ``channel``: one of the search's, or ``ll`` for all of them with lepton universality.
    """
    mass = float(checked_positive("mass_gev", mass_gev))
    folded.search.check_mass(mass)
    if not (np.isfinite(gamma_over_m) and 0 <= gamma_over_m <= GAMMA_OVER_M_MAX):
        raise InputError(f"relative width must be between 0 and {GAMMA_OVER_M_MAX}, found {gamma_over_m}")
    names = [c.channel.name for c in folded.channels]
    if channel != "ll" and channel not in names:
        raise UnknownName(f"channel of {folded.search.id}", channel, [*names, "ll"])
    template = generic_template(folded, mass, gamma_over_m)
    yields = {name: y for name, y in template.items() if channel in ("ll", name)}
    scales = np.geomspace(1e-6, 1e6, 400)
    scaled = {name: scales[:, None] * y for name, y in yields.items()}
    start = float(scales[_first_sensitive([scaled], [folded])])

    background_fit = fit_background(build_workspace([Signal(folded.search, yields)]))

    def evaluate(sigma_fb: float) -> CLsResult:
        events = {name: sigma_fb * y for name, y in yields.items()}
        return hypothesis_test(build_workspace([Signal(folded.search, events)]), background_fit=background_fit)

    roots = solve_limits(evaluate, start, 1e-9, 1e9)
    found = [root for root in roots if root is not None]
    if len(found) < len(roots):
        raise LikelihoodError(f"{folded.search.id}, {channel}: no signal events at {mass:g} GeV, no limit")
    return GenericLimitResult(folded.search.id, channel, mass, float(gamma_over_m), found[0], tuple(found[1:]))


def _first_sensitive(templates: Sequence[Mapping[str, FloatArray]], searches: Sequence[FoldedSearch]) -> int:
    """Index of the first hypothesis the median experiment would exclude if nothing but the signal could change.

    q = 2 sum [S - B ln(1 + S/B)] for data B; a starting point only.
    """
    total: FloatArray | float = 0.0
    for template, folded in zip(templates, searches, strict=True):
        for name, signal in template.items():
            ratio = np.maximum(signal / folded.search.channel(name).bkg, -0.999)
            bkg = folded.search.channel(name).bkg
            total = total + 2 * (bkg * (ratio - np.log1p(ratio))).sum(axis=-1)
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
