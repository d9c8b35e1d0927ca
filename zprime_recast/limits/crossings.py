"""Where CLs crosses 0.05 along families of hypotheses, all families at once.

CLs is evaluated on a grid of every family, every sign change of CLs - 0.05 is bracketed, and all brackets are narrowed
together. A CLs that is not monotonic has all its crossings found, as far as they lie a step of the grid apart; the
limit is the one above which everything is excluded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from ..arrays import FloatArray, IndexArray
from ..errors import LikelihoodError
from ..likelihood.background_fit import Null
from ..likelihood.cls import unprofiled_statistic
from ..likelihood.result import CLS_EXCLUDED, CLsResult
from ..process.hypotheses import Hypotheses
from ..signal.fold import FoldedSearch
from ..signal.template import batch_template
from .verdicts import cls_of_hypotheses

#: Points of the first grid.
GRID = 42
#: A root is accepted where ln x is known to this.
ROOT_TOLERANCE = 1e-5
#: Asimov statistic with fixed nuisances below which nothing is excluded: it would take data 30 sigma off.
INSENSITIVE = 0.01

_MAX_STEPS = 40


@dataclass(frozen=True)
class Curves:
    """Functions of ln x of families of hypotheses that fall through 0 at a limit: observed, then expected at -2..+2
    standard deviations.

    ``ln(CLs/0.05)``, and ``ln(c_N/sqrt(q_A))`` with c_N where Phi(N - c_N)/Phi(N) = 0.05.
    """

    hypotheses: Callable[[IndexArray, FloatArray], Hypotheses]
    """Members of families: which (n,), at which ln x (n,)."""
    searches: tuple[FoldedSearch, ...]
    interference: bool
    null: Null

    def __call__(self, which: IndexArray, log_x: FloatArray) -> tuple[FloatArray, dict[int, str]]:
        """Values (n, 6), NaN where ``faults`` has a message."""
        found = cls_of_hypotheses(self.searches, self.hypotheses(which, log_x), self.interference, self.null)
        n = np.arange(-2, 3)
        thresholds = n - ndtri(CLS_EXCLUDED * ndtr(n))
        observed = np.log(np.maximum(found.cls_observed, 1e-30) / CLS_EXCLUDED)
        expected = np.log(thresholds / np.sqrt(np.maximum(found.q_asimov, 1e-12))[:, None])
        return np.concatenate([observed[:, None], expected], axis=1), dict(found.faults)

    def sensitive(self, which: IndexArray, log_x: FloatArray) -> FloatArray:
        """Asimov statistic with nothing but the signal allowed to change, (n,)."""
        total = np.zeros(len(which))
        for folded in self.searches:
            template = batch_template(folded, self.hypotheses(which, log_x), self.interference, changes=False)
            for name, signal in template.yields.items():
                total += unprofiled_statistic(signal, folded.search.channel(name).bkg)
        return total


@dataclass(frozen=True)
class Crossings:
    """Of one family: ln x of all crossings per curve, and whether the curve ends below 0 (excluded)."""

    log_x: tuple[tuple[float, ...], ...]
    excluded_at_end: tuple[bool, ...]
    fault: str | None
    """Of x above the last one with a likelihood."""

    def limit(self, curve: int) -> float | None:
        """The x above which everything is excluded."""
        if not self.excluded_at_end[curve] or not self.log_x[curve]:
            return None
        return float(np.exp(self.log_x[curve][-1]))

    @property
    def excluded_everywhere(self) -> bool:
        """Whether a curve ends below 0 without a crossing: the data reject every hypothesis."""
        return any(end and not ts for end, ts in zip(self.excluded_at_end, self.log_x, strict=True))

    @property
    def observed(self) -> tuple[float, ...]:
        """x of all crossings of the observed curve."""
        return tuple(float(np.exp(t)) for t in self.log_x[0])

    def island_warnings(self, name: str) -> tuple[str, ...]:
        """A remark if CLs is not monotonic in x, which is called ``name``."""
        if len(self.observed) == int(self.excluded_at_end[0]):
            return ()
        text = ", ".join(f"{x:.4g}" for x in self.observed)
        end = "the limit is the last" if self.excluded_at_end[0] else "the largest values are not excluded: no limit"
        return (f"CLs is not monotonic in the {name}: it crosses 0.05 at {text}; {end}",)


def crossings(curves: Curves, lowest: FloatArray, largest: FloatArray) -> list[Crossings]:
    """Crossings of all families between x = ``lowest`` and ``largest``, (n,)."""
    t = np.linspace(np.log(lowest), np.log(largest), GRID, axis=1)
    values, faults = _on_grid(curves, t)
    brackets = []
    for i in range(len(t)):
        good = np.nonzero(np.isfinite(values[i, :, 0]))[0]
        for curve in range(6):
            y = values[i, good, curve]
            for k in np.nonzero((y[:-1] > 0) != (y[1:] > 0))[0]:
                near = good[np.clip(np.arange(k - 1, k + 3), 0, len(good) - 1)]
                brackets.append((i, curve, *t[i, near], *values[i, near, curve]))
    roots: dict[tuple[int, int], list[float]] = {}
    if brackets:
        which = np.array([bracket[:2] for bracket in brackets], dtype=np.intp)
        around = np.array([bracket[2:] for bracket in brackets])
        t_near, y = around[:, :4], around[:, 4:]
        guess = _cubic_roots(t_near, y)
        solved = narrow(curves, which[:, 0], which[:, 1], t_near[:, 1], t_near[:, 2], y[:, 1], y[:, 2], guess)
        for (at, c), root in zip(which.tolist(), solved, strict=True):
            roots.setdefault((at, c), []).append(float(root))
    found = []
    for i in range(len(t)):
        good = np.nonzero(np.isfinite(values[i, :, 0]))[0]
        last = values[i, good[-1]] if len(good) else np.ones(6)
        fault = next((faults[i, k] for k in range(good[-1] + 1 if len(good) else 0, GRID) if (i, k) in faults), None)
        log_x = tuple(tuple(sorted(roots.get((i, c), ()))) for c in range(6))
        found.append(Crossings(log_x, tuple(bool(y < 0) for y in last), fault))
    return found


def _on_grid(curves: Curves, t: FloatArray) -> tuple[FloatArray, dict[tuple[int, int], str]]:
    """The curves on the grid, (n, GRID, 6), evaluated only where something may be excluded."""
    which = np.repeat(np.arange(len(t)), t.shape[1])
    values = np.full((t.size, 6), 3.0)
    todo = np.nonzero(curves.sensitive(which, t.ravel()) > INSENSITIVE)[0]
    faults = {}
    if len(todo):
        values[todo], bad = curves(which[todo], t.ravel()[todo])
        faults = {divmod(int(todo[k]), t.shape[1]): text for k, text in bad.items()}
    return values.reshape(*t.shape, 6), faults


def _cubic_roots(t: FloatArray, y: FloatArray) -> FloatArray:
    """Where between t[:, 1] and t[:, 2] the cubics through four points (n, 4) are 0, (n,); on the chord if points are
    the same.
    """
    whole = np.asarray((np.diff(t, axis=1) > 0).all(axis=1))
    low, high = t[:, 1], t[:, 2]
    chord = low + (high - low) * y[:, 1] / (y[:, 1] - y[:, 2])
    u = (np.where(whole[:, None], t, np.arange(4.0)) - low[:, None]) / (high - low)[:, None]
    c = np.linalg.solve(u[:, :, None] ** np.arange(4), y[:, :, None])[:, :, 0]
    left, right = np.zeros(len(t)), np.ones(len(t))
    for _ in range(30):
        middle = 0.5 * (left + right)
        value = c[:, 0] + middle * (c[:, 1] + middle * (c[:, 2] + middle * c[:, 3]))
        same = (value > 0) == (y[:, 1] > 0)
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    return np.where(whole, low + 0.5 * (left + right) * (high - low), chord)


def narrow(
    curves: Callable[[IndexArray, FloatArray], tuple[FloatArray, dict[int, str]]],
    which: IndexArray,
    curve: IndexArray,
    a: FloatArray,
    b: FloatArray,
    fa: FloatArray,
    fb: FloatArray,
    guess: FloatArray | None = None,
) -> FloatArray:
    """Roots of brackets [a, b], all at once: Chandrupatla's method (Adv. Eng. Softw. 28 (1997) 145), which begins at
    ``guess``, or where the chord is 0.

    A root is taken from the last chord once the chord cannot miss it by more than ROOT_TOLERANCE.
    """
    a, b, fa, fb = (np.array(x, dtype=float) for x in (a, b, fa, fb))
    root, at = np.full(len(a), np.nan), np.arange(len(a))
    share = fa / (fa - fb) if guess is None else np.clip((guess - a) / (b - a), 1e-3, 1 - 1e-3)
    for _ in range(_MAX_STEPS):
        x = a + share * (b - a)
        f = curves(which[at], x)[0][np.arange(len(at)), curve[at]]
        f = np.where(np.isfinite(f), f, np.where(fa > 0, -1e-3, 1e-3))
        same = np.sign(f) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, f
        # the chord, and how far a third point says the curve bends from it
        chord = a - fa * (b - a) / (fb - fa)
        bend = np.abs(fa * fb / (fb - fa) * ((fc - fa) / (c - a) - (fb - fa) / (b - a)) / (fc - fb))
        bend = np.where(np.isfinite(bend), np.abs(bend * (b - a)), np.inf)
        ended = (np.minimum(bend, np.abs(b - a)) < ROOT_TOLERANCE) | (fa == 0)
        root[at[ended]] = np.where(fa == 0, a, chord)[ended]
        keep = ~ended
        at, a, b, c, fa, fb, fc = (v[keep] for v in (at, a, b, c, fa, fb, fc))
        if not len(at):
            break
        least = np.minimum(ROOT_TOLERANCE / np.abs(b - a), 0.5)
        with np.errstate(all="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            inverse = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi) & np.isfinite(inverse)
        share = np.clip(np.where(safe, inverse, 0.5), least, 1 - least)
    root[at] = 0.5 * (a + b)
    return root


#: A root is accepted where the logarithm of the coupling (or cross-section) is known to this.
SOLVE_TOLERANCE = 5e-4

_MAX_EVALUATIONS = 60


def solve_limits(evaluate: Callable[[float], CLsResult], start: float, low: float, high: float) -> list[float | None]:
    """Where CLs falls through 0.05: observed, then expected -2..+2; None where it does not up to ``high``.

    All curves share their evaluations. The expected ones follow from one function, the Asimov statistic
    sqrt(q_A): CLs at N standard deviations is Phi(N - sqrt(q_A))/Phi(N). Each root is bracketed, then refined by
    inverse interpolation until ln x is known to SOLVE_TOLERANCE. If CLs is not monotonic the crossing at the largest x
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
        if error < SOLVE_TOLERANCE or right - left < SOLVE_TOLERANCE:
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
