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

from ..io.cards import FloatArray, IndexArray
from ..likelihood.cls import Null, unprofiled_statistic
from ..likelihood.pyhf_fit import CLS_EXCLUDED
from ..signal.fold import FoldedSearch
from ..signal.template import Hypotheses, batch_template
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
