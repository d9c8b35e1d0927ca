"""Where CLs crosses 0.05 along families of hypotheses, all families at once: the one root finder of all limits.

Curves of a free number x (coupling, strength, cross-section) are evaluated on a grid of ln x, every change of sign is
bracketed, and all brackets are narrowed together. A CLs that is not monotonic has all its crossings found, as far as
they lie a step of the grid apart; the limit is the one above which everything is excluded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import BoolArray, FloatArray, IndexArray, Quiet
from ..likelihood.asymptotics import CLS_EXCLUDED, sqrt_q_thresholds

#: Points of the first grid.
GRID = 42
#: A root is accepted where ln x is known to this.
ROOT_TOLERANCE = 1e-5
#: Asimov statistic with fixed nuisances below which nothing is excluded: it would take data 30 sigma off.
INSENSITIVE = 0.01
#: Half the width in ln x of the first bracket around a guess, its growth from step to step, and the largest one.
NEAR, NEAR_GROWTH, NEAR_MAX = 0.02, 3.0, 6.0

#: Largest |ln(CLs/0.05)| of a turning point that matters.
TURNING = 3.0

_MAX_STEPS = 40
_BLIND = 3.0  # value of a curve where nothing is excluded and nothing is computed


class HasCLs(Protocol):
    """Hypotheses that were tested: CLs of the data, and the Asimov statistic all expected values follow from."""

    @property
    def cls_observed(self) -> FloatArray:
        """(n,)."""

    @property
    def q_asimov(self) -> FloatArray:
        """(n,)."""

    @property
    def faults(self) -> tuple[tuple[int, str], ...]:
        """(index, message) of hypotheses without a likelihood."""


class Curves(Protocol):
    """Six functions of ln x of families, which fall through 0 at a limit: observed, then expected at -2..+2 sigma."""

    def __call__(self, which: IndexArray, log_x: FloatArray) -> tuple[FloatArray, dict[int, str]]:
        """Values (n, 6) of the members ``which`` (n,) at ln x (n,), NaN where there is none, and messages why."""

    def sensitive(self, which: IndexArray, log_x: FloatArray) -> BoolArray:
        """Where any of the six may be below 0, (n,); cheap."""


@dataclass(frozen=True, eq=False, repr=False)
class CLsCurves(Quiet):
    """``ln(CLs/0.05)``, and ``ln(c_N/sqrt(q_A))`` with c_N where Phi(N - c_N)/Phi(N) = 0.05."""

    test: Callable[[IndexArray, FloatArray], HasCLs]
    """Members of families, tested at x."""
    bound: Callable[[IndexArray, FloatArray], FloatArray]
    """Their Asimov statistic with every nuisance fixed, which profiling can only reduce."""

    def __call__(self, which: IndexArray, log_x: FloatArray) -> tuple[FloatArray, dict[int, str]]:
        """Values (n, 6) and messages, see :class:`Curves`."""
        found = self.test(which, np.exp(log_x))
        observed = np.log(np.maximum(found.cls_observed, 1e-30) / CLS_EXCLUDED)
        expected = np.log(sqrt_q_thresholds() / np.sqrt(np.maximum(found.q_asimov, 1e-12))[:, None])
        return np.concatenate([observed[:, None], expected], axis=1), dict(found.faults)

    def sensitive(self, which: IndexArray, log_x: FloatArray) -> BoolArray:
        """Where the bound is above INSENSITIVE, (n,)."""
        return np.asarray(self.bound(which, np.exp(log_x)) > INSENSITIVE)


@dataclass(frozen=True)
class Crossings:
    """Crossings of one family: ln x of each per curve, and whether the curve ends below 0 (excluded)."""

    log_x: tuple[tuple[float, ...], ...]
    excluded_at_end: tuple[bool, ...]
    fault: str | None
    """Why there is nothing above the last x with a likelihood."""
    turning: tuple[float, ...] = ()
    """ln x where the observed curve turns close to 0."""

    def limit(self, curve: int) -> float:
        """The x above which everything is excluded; NaN if there is none."""
        if not self.excluded_at_end[curve] or not self.log_x[curve]:
            return float("nan")
        return float(np.exp(self.log_x[curve][-1]))

    @property
    def limits(self) -> FloatArray:
        """Observed, then expected at -2..+2 standard deviations, (6,)."""
        return np.array([self.limit(curve) for curve in range(6)])

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


def crossings(
    curves: Curves,
    lowest: FloatArray,
    largest: FloatArray,
    points: int = GRID,
    tolerance: float | None = ROOT_TOLERANCE,
) -> list[Crossings]:
    """Crossings of all families between x = ``lowest`` and ``largest``.

    Arguments:
        curves: functions of ln x that fall through 0 at a limit.
        lowest, largest: ends of the grid of each family, (n,).
        points: of the grid.
        tolerance: of ln x; None takes parabolas through the grid, for noisy curves that cost too much to narrow.
    """
    t = np.linspace(np.log(lowest), np.log(largest), points, axis=1)
    values, faults = _on_grid(curves, t)
    brackets = []
    for i in range(len(t)):
        for curve in range(6):
            good = np.nonzero(np.isfinite(values[i, :, curve]))[0]
            y = values[i, good, curve]
            for k in np.nonzero((y[:-1] > 0) != (y[1:] > 0))[0]:
                near = good[np.clip(np.arange(k - 1, k + 3), 0, len(good) - 1)]
                brackets.append((i, curve, *t[i, near], *values[i, near, curve]))
    roots: dict[tuple[int, int], list[float]] = {}
    if brackets:
        which = np.array([bracket[:2] for bracket in brackets], dtype=np.intp)
        around = np.array([bracket[2:] for bracket in brackets])
        t_near, y = around[:, :4], around[:, 4:]
        if tolerance is None:
            solved = _parabola_roots(t_near, y)
        else:
            solved = _cubic_roots(t_near, y)
            ends = t_near[:, 1], t_near[:, 2], y[:, 1], y[:, 2]
            solved = narrow(curves, which[:, 0], which[:, 1], *ends, solved, tolerance)
        for (at, c), root in zip(which.tolist(), solved, strict=True):
            roots.setdefault((at, c), []).append(float(root))
    found = []
    for i in range(len(t)):
        excluded = []
        for curve in range(6):
            good = np.nonzero(np.isfinite(values[i, :, curve]))[0]
            excluded.append(bool(values[i, good[-1], curve] < 0) if len(good) else False)
        good = np.nonzero(np.isfinite(values[i]).any(axis=1))[0]
        after = range(int(good[-1]) + 1 if len(good) else 0, points)
        fault = next((faults[i, k] for k in after if (i, k) in faults), None)
        log_x = tuple(tuple(sorted(roots.get((i, c), ()))) for c in range(6))
        found.append(Crossings(log_x, tuple(excluded), fault, _turning_points(t[i], values[i, :, 0])))
    return found


def _turning_points(t: FloatArray, y: FloatArray) -> tuple[float, ...]:
    """Points of the grid at which a curve turns within TURNING of 0, where another calculator may find crossings."""
    good = np.nonzero(np.isfinite(y))[0]
    inner, slope = y[good], np.diff(y[good])
    turns = np.nonzero((slope[:-1] * slope[1:] < 0) & (np.abs(inner[1:-1]) < TURNING))[0] + 1
    return tuple(t[good[turns]].tolist())


def _on_grid(curves: Curves, t: FloatArray) -> tuple[FloatArray, dict[tuple[int, int], str]]:
    """The curves on the grid, (n, points, 6), evaluated only where something may be excluded."""
    which = np.repeat(np.arange(len(t)), t.shape[1])
    values = np.full((t.size, 6), _BLIND)
    todo = np.nonzero(curves.sensitive(which, t.ravel()))[0]
    faults = {}
    if len(todo):
        values[todo], bad = curves(which[todo], t.ravel()[todo])
        faults = {divmod(int(todo[k]), t.shape[1]): text for k, text in bad.items()}
    return values.reshape(*t.shape, 6), faults


def roots_near(
    curves: Curves, which: IndexArray, curve: IndexArray, guess: FloatArray, largest: FloatArray
) -> FloatArray:
    """ln x of the crossings of ``curve`` of the members ``which`` nearest to a guess, (n,); NaN if there is none.

    ``guess`` and ``largest`` are ln x, (n,). The bracket around the guess grows until the curve changes its sign.
    """
    rows = np.arange(len(which))

    def at(some: IndexArray, t: FloatArray) -> FloatArray:
        return curves(which[some], t)[0][np.arange(len(some)), curve[some]]

    low, high = guess - NEAR, np.minimum(guess + NEAR, largest)
    f_low, f_high = at(rows, low), at(rows, high)
    step = NEAR
    while step < NEAR_MAX:
        step *= NEAR_GROWTH
        for todo, up in ((rows[~(f_low > 0)], False), (rows[~(f_high < 0) & (high < largest)], True)):
            if up and len(todo):
                low[todo], f_low[todo] = high[todo], f_high[todo]
                high[todo] = np.minimum(high[todo] + step, largest[todo])
                f_high[todo] = at(todo, high[todo])
            elif len(todo):
                high[todo], f_high[todo] = np.where(
                    f_low[todo] < 0, (low[todo], f_low[todo]), (high[todo], f_high[todo])
                )
                low[todo] -= step
                f_low[todo] = at(todo, low[todo])
        if ((f_low > 0) & ((f_high < 0) | (high >= largest))).all():
            break
    roots = np.full(len(which), np.nan)
    ok = np.nonzero((f_low > 0) & (f_high < 0))[0]
    if len(ok):
        roots[ok] = narrow(curves, which[ok], curve[ok], low[ok], high[ok], f_low[ok], f_high[ok])
    return roots


def _parabola_roots(t: FloatArray, y: FloatArray) -> FloatArray:
    """Roots between t[:, 1] and t[:, 2] of parabolas in x = exp(t), of least squares through four points (n, 4), (n,).

    For curves with statistical noise: ln CLs is linear in x where few events count and quadratic where many do. The
    chord in x where a parabola has no root there.
    """
    roots = np.empty(len(t))
    for k, (x, values) in enumerate(zip(np.exp(t), y, strict=True)):
        low, high = x[1], x[2]
        chord = low + (high - low) * values[1] / (values[1] - values[2])
        found = np.roots(np.polyfit(x / chord, values, min(2, len(np.unique(x)) - 1))) * chord
        inside = [float(root.real) for root in found if abs(root.imag) == 0 and low <= root.real <= high]
        away = [abs(root - chord) for root in inside]
        roots[k] = np.log(inside[int(np.argmin(away))] if inside else chord)
    return roots


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
    curves: Curves,
    which: IndexArray,
    curve: IndexArray,
    a: FloatArray,
    b: FloatArray,
    fa: FloatArray,
    fb: FloatArray,
    guess: FloatArray | None = None,
    tolerance: float = ROOT_TOLERANCE,
) -> FloatArray:
    """Roots of brackets [a, b], all at once: Chandrupatla's method (Adv. Eng. Softw. 28 (1997) 145), which begins at
    ``guess``, or where the chord is 0.

    A root is taken from the last chord once the chord cannot miss it by more than ``tolerance``.
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
        ended = (np.minimum(bend, np.abs(b - a)) < tolerance) | (fa == 0)
        root[at[ended]] = np.where(fa == 0, a, chord)[ended]
        keep = ~ended
        at, a, b, c, fa, fb, fc = (v[keep] for v in (at, a, b, c, fa, fb, fc))
        if not len(at):
            break
        least = np.minimum(tolerance / np.abs(b - a), 0.5)
        with np.errstate(all="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            inverse = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi) & np.isfinite(inverse)
        share = np.clip(np.where(safe, inverse, 0.5), least, 1 - least)
    root[at] = 0.5 * (a + b)
    return root
