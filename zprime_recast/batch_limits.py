"""The coupling at 95 % CL at many masses at once.

CLs is evaluated on a grid of couplings at every mass, every sign change of CLs - 0.05 is bracketed, and all brackets
are narrowed together. A CLs that is not monotonic in g has all its crossings found, as far as they lie a step of the
grid apart; the limit is the one above which everything is excluded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from .batch import batch_likelihood, cls_of_hypotheses, null_of
from .batch_cls import Null
from .batch_template import Hypotheses, batch_template, hypotheses_of
from .cards import FloatArray, IndexArray
from .cross_section import sigma_br_narrow
from .curve_limits import Prepared, curve_limit, sole_curve, with_likelihood
from .errors import InputError
from .fit import CLS_EXCLUDED
from .limit_result import COUPLING_MIN, COUPLING_RANGE, LimitResult, largest_coupling
from .model import ZprimeModel, checked_positive
from .template import FoldedSearch
from .widths import decay_widths

#: Couplings of the first grid: a factor of 1.26 apart.
GRID = 50
#: A root is accepted where ln g is known to this.
ROOT_TOLERANCE = 1e-5
#: Asimov statistic with fixed nuisances below which nothing is excluded: it would take data 30 sigma off.
INSENSITIVE = 0.01

_MAX_STEPS = 40


@dataclass(frozen=True)
class Curves:
    """Functions of ln g that fall through 0 at a limit: observed, then expected at -2..+2 standard deviations.

    ``ln(CLs/0.05)``, and ``ln(c_N/sqrt(q_A))`` with c_N where Phi(N - c_N)/Phi(N) = 0.05.
    """

    model: ZprimeModel
    searches: tuple[FoldedSearch, ...]
    interference: bool
    null: Null

    def hypotheses(self, mass_gev: FloatArray, log_g: FloatArray) -> Hypotheses:
        """The hypotheses of masses and couplings, with the widths of the model."""
        g = np.exp(log_g)
        return hypotheses_of(self.model, mass_gev, g, decay_widths(self.model, mass_gev, g).total_gev)

    def __call__(self, mass_gev: FloatArray, log_g: FloatArray) -> tuple[FloatArray, dict[int, str]]:
        """Values (n, 6), NaN where ``faults`` has a message."""
        found = cls_of_hypotheses(self.searches, self.hypotheses(mass_gev, log_g), self.interference, self.null)
        n = np.arange(-2, 3)
        thresholds = n - ndtri(CLS_EXCLUDED * ndtr(n))
        observed = np.log(np.maximum(found.cls_observed, 1e-30) / CLS_EXCLUDED)
        expected = np.log(thresholds / np.sqrt(np.maximum(found.q_asimov, 1e-12))[:, None])
        return np.concatenate([observed[:, None], expected], axis=1), dict(found.faults)

    def sensitive(self, mass_gev: FloatArray, log_g: FloatArray) -> FloatArray:
        """Asimov statistic with nothing but the signal allowed to change, (n,)."""
        total = np.zeros(len(mass_gev))
        for folded in self.searches:
            template = batch_template(folded, self.hypotheses(mass_gev, log_g), self.interference, theory=False)
            for name, signal in template.yields.items():
                bkg = folded.search.channel(name).bkg
                ratio = np.maximum(signal / bkg, -0.999)
                total += 2 * (bkg * (ratio - np.log1p(ratio))).sum(axis=1)
        return total


def coupling_limits(
    model: ZprimeModel,
    mass_gev: Sequence[float] | FloatArray,
    searches: Sequence[Prepared],
    interference: bool = True,
    without_theory: bool = False,
) -> list[LimitResult | str]:
    """g_95 at masses in GeV, or why there is none at that mass; the width follows the coupling.

    ``without_theory``: also the observed limit without the uncertainties of the luminosities. RangeError if a mass is
    outside a search.
    """
    masses = np.atleast_1d(checked_positive("mass_gev", mass_gev))
    for prepared in searches:
        prepared.search.check_mass(masses)
    curve = sole_curve(searches)
    if curve is not None:
        return [curve_limit(curve, model, mass) for mass in masses.tolist()]
    folded = with_likelihood(searches)
    results: list[LimitResult | str | None] = [None] * len(masses)
    largest, reasons = np.full(len(masses), np.nan), [""] * len(masses)
    for i, mass in enumerate(masses.tolist()):
        try:
            largest[i], reasons[i] = largest_coupling(model, mass)
        except InputError as err:
            results[i] = str(err)
    usable = np.nonzero(np.isfinite(largest))[0]
    if len(usable):
        curves = curves_of(model, masses[usable], largest[usable], folded, interference)
        found = _solve(curves, masses[usable], largest[usable])
        plain: list[float | None] = [None] * len(usable)
        if without_theory:
            plain = _without_theory(curves, masses[usable], largest[usable], found)
        named = [reasons[i] for i in usable]
        solved = _results(curves, masses[usable], largest[usable], named, found, plain)
        for i, result in zip(usable.tolist(), solved, strict=True):
            results[i] = result
    return [r for r in results if r is not None]


def curves_of(
    model: ZprimeModel, masses: FloatArray, largest: FloatArray, searches: Sequence[FoldedSearch], interference: bool
) -> Curves:
    """The curves of a model, their background fitted."""
    g = 1e-3 * largest
    null = null_of(searches, hypotheses_of(model, masses, g, decay_widths(model, masses, g).total_gev))
    return Curves(model, tuple(searches), interference, null)


@dataclass(frozen=True)
class _Crossings:
    """Of one mass: ln g of all crossings per curve, and whether the curve ends below 0 (excluded)."""

    log_g: tuple[tuple[float, ...], ...]
    excluded_at_end: tuple[bool, ...]
    fault: str | None
    """Of couplings above the last one with a likelihood."""


def _solve(curves: Curves, masses: FloatArray, largest: FloatArray) -> list[_Crossings]:
    lowest = np.maximum(COUPLING_MIN, COUPLING_RANGE * largest)
    t = np.linspace(np.log(lowest), np.log(largest), GRID, axis=1)
    values, faults = _on_grid(curves, masses, t)
    brackets = []
    for i in range(len(masses)):
        good = np.nonzero(np.isfinite(values[i, :, 0]))[0]
        for curve in range(6):
            y = values[i, good, curve]
            for k in np.nonzero((y[:-1] > 0) != (y[1:] > 0))[0]:
                a, b = good[k], good[k + 1]
                brackets.append((i, curve, t[i, a], t[i, b], values[i, a, curve], values[i, b, curve]))
    roots: dict[tuple[int, int], list[float]] = {}
    if brackets:
        which = np.array([bracket[:2] for bracket in brackets], dtype=np.intp)
        low, high, f_low, f_high = np.array([bracket[2:] for bracket in brackets]).T
        solved = _narrow(curves, masses[which[:, 0]], which[:, 1], low, high, f_low, f_high)
        for (at, c), root in zip(which.tolist(), solved, strict=True):
            roots.setdefault((at, c), []).append(float(root))
    found = []
    for i in range(len(masses)):
        good = np.nonzero(np.isfinite(values[i, :, 0]))[0]
        last = values[i, good[-1]] if len(good) else np.ones(6)
        fault = next((faults[i, k] for k in range(good[-1] + 1 if len(good) else 0, GRID) if (i, k) in faults), None)
        log_g = tuple(tuple(sorted(roots.get((i, c), ()))) for c in range(6))
        found.append(_Crossings(log_g, tuple(bool(y < 0) for y in last), fault))
    return found


def _on_grid(curves: Curves, masses: FloatArray, t: FloatArray) -> tuple[FloatArray, dict[tuple[int, int], str]]:
    """The curves on the grid, (n_masses, GRID, 6), evaluated only where something may be excluded."""
    mass = np.repeat(masses, t.shape[1])
    values = np.full((t.size, 6), 3.0)
    todo = np.nonzero(curves.sensitive(mass, t.ravel()) > INSENSITIVE)[0]
    faults = {}
    if len(todo):
        values[todo], bad = curves(mass[todo], t.ravel()[todo])
        faults = {divmod(int(todo[k]), t.shape[1]): text for k, text in bad.items()}
    return values.reshape(*t.shape, 6), faults


def _narrow(
    curves: Callable[[FloatArray, FloatArray], tuple[FloatArray, dict[int, str]]],
    mass: FloatArray,
    curve: IndexArray,
    a: FloatArray,
    b: FloatArray,
    fa: FloatArray,
    fb: FloatArray,
) -> FloatArray:
    """Roots of brackets [a, b], all at once: Chandrupatla's method (Adv. Eng. Softw. 28 (1997) 145).

    A root is taken from the last chord once the chord cannot miss it by more than ROOT_TOLERANCE.
    """
    a, b, fa, fb = (np.array(x, dtype=float) for x in (a, b, fa, fb))
    root, at = np.full(len(a), np.nan), np.arange(len(a))
    share = fa / (fa - fb)
    for _ in range(_MAX_STEPS):
        x = a + share * (b - a)
        f = curves(mass[at], x)[0][np.arange(len(at)), curve[at]]
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


def _limit(crossings: _Crossings, curve: int) -> float | None:
    """The coupling above which everything is excluded."""
    if not crossings.excluded_at_end[curve] or not crossings.log_g[curve]:
        return None
    return float(np.exp(crossings.log_g[curve][-1]))


def _results(
    curves: Curves,
    masses: FloatArray,
    largest: FloatArray,
    reasons: Sequence[str],
    found: Sequence[_Crossings],
    plain: Sequence[float | None],
) -> list[LimitResult | str]:
    roots = [[_limit(crossings, curve) for curve in range(6)] for crossings in found]
    g = np.array([[1.0 if root is None else root for root in row] for row in roots])
    lumi = curves.searches[0].lumi
    assert lumi is not None
    sigma = sigma_br_narrow(curves.model, masses[:, None], g, lumi)
    width = decay_widths(curves.model, masses, g[:, 0]).total_gev / masses
    top = np.array([max((root for root in row if root is not None), default=np.nan) for row in roots])
    texts: list[list[str]] = [[] for _ in roots]
    some = np.nonzero(np.isfinite(top))[0]
    if len(some):
        h = curves.hypotheses(masses[some], np.log(top[some]))
        for k, text in batch_likelihood(curves.searches, h, curves.interference).warnings:
            texts[some[k]].append(text)
    results: list[LimitResult | str] = []
    for i, crossings in enumerate(found):
        if crossings.fault is not None and None in roots[i]:
            results.append(crossings.fault)
            continue
        if any(end and not ts for end, ts in zip(crossings.excluded_at_end, crossings.log_g, strict=True)):
            lowest = max(COUPLING_MIN, COUPLING_RANGE * largest[i])
            results.append(f"excluded down to g = {lowest:g}; the data reject every hypothesis")
            continue
        fb = [None if root is None else float(sigma[i, c]) for c, root in enumerate(roots[i])]
        observed = tuple(float(np.exp(t)) for t in crossings.log_g[0])
        result = LimitResult(
            mass_gev=float(masses[i]),
            coupling_95_observed=roots[i][0],
            coupling_95_expected=tuple(roots[i][1:]),
            sigma_br_95_observed_fb=fb[0],
            sigma_br_95_expected_fb=tuple(fb[1:]),
            gamma_over_m_observed=None if roots[i][0] is None else float(width[i]),
            coupling_max=float(largest[i]),
            coupling_max_reason=reasons[i],
            warnings=(*_island_warnings(observed, crossings.excluded_at_end[0]), *texts[i]),
            crossings_observed=observed,
            coupling_95_observed_no_theory=plain[i],
        )
        results.append(result)
    return results


def _island_warnings(crossings: tuple[float, ...], excluded_at_end: bool) -> tuple[str, ...]:
    if len(crossings) == int(excluded_at_end):
        return ()
    text = ", ".join(f"{g:.4g}" for g in crossings)
    limit = "the limit is the last" if excluded_at_end else "the largest couplings are not excluded: no limit"
    return (f"CLs is not monotonic in the coupling: it crosses 0.05 at g = {text}; {limit}",)


def _without_theory(
    curves: Curves, masses: FloatArray, largest: FloatArray, found: Sequence[_Crossings]
) -> list[float | None]:
    """Observed limits without the uncertainties of the luminosities: below those with them, and close."""
    plain = replace(curves, searches=tuple(replace(f, theory=None) for f in curves.searches))
    plain = curves_of(plain.model, masses, largest, plain.searches, plain.interference)
    with_theory = zip(found, largest, strict=True)
    ends = np.array([c.log_g[0][-1] if _limit(c, 0) is not None else np.log(g) for c, g in with_theory])
    high = np.minimum(ends + 1e-4, np.log(largest))
    f_high, _ = plain(masses, high)
    low, f_low = ends - 0.05, np.full(len(ends), np.nan)
    solvable = f_high[:, 0] < 0
    for _ in range(6):
        todo = np.nonzero(solvable & ~(f_low > 0))[0]
        if not len(todo):
            break
        f_low[todo] = plain(masses[todo], low[todo])[0][:, 0]
        again = todo[~(f_low[todo] > 0)]
        low[again] -= 0.15
    ok = np.nonzero(solvable & (f_low > 0))[0]
    limits: list[float | None] = [None] * len(masses)
    if len(ok):
        zero = np.zeros(len(ok), dtype=np.intp)
        roots = _narrow(plain, masses[ok], zero, low[ok], high[ok], f_low[ok], f_high[ok, 0])
        for i, root in zip(ok, roots, strict=True):
            limits[i] = float(np.exp(root))
    return limits
