"""The coupling at 95 % CL at many masses at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..io.cards import FloatArray, IndexArray
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel, checked_positive
from ..process.cross_section import sigma_br_narrow
from ..signal.fold import FoldedSearch
from ..signal.template import Hypotheses, hypotheses_of
from .crossings import Crossings, Curves, crossings, narrow
from .curve import Prepared, curve_limit, sole_curve, with_likelihood
from .result import COUPLING_MIN, COUPLING_RANGE, LimitResult, largest_coupling
from .verdicts import batch_likelihood, null_of


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
        lowest = np.maximum(COUPLING_MIN, COUPLING_RANGE * largest[usable])
        found = crossings(curves, lowest, largest[usable])
        plain: list[float | None] = [None] * len(usable)
        if without_theory:
            plain = _without_theory(curves, masses[usable], largest[usable], found)
        named = [reasons[i] for i in usable]
        solved = _results(model, curves, masses[usable], largest[usable], named, found, plain)
        for i, result in zip(usable.tolist(), solved, strict=True):
            results[i] = result
    return [r for r in results if r is not None]


def curves_of(
    model: ZprimeModel, masses: FloatArray, largest: FloatArray, searches: Sequence[FoldedSearch], interference: bool
) -> Curves:
    """A family of couplings per mass, with the widths of the model; its background fitted."""

    def at(which: IndexArray, log_g: FloatArray) -> Hypotheses:
        g, mass = np.exp(log_g), masses[which]
        return hypotheses_of(model, mass, g, decay_widths(model, mass, g).total_gev)

    null = null_of(searches, at(np.array([0]), np.log(1e-3 * largest[:1])))
    return Curves(at, tuple(searches), interference, null)


def _results(
    model: ZprimeModel,
    curves: Curves,
    masses: FloatArray,
    largest: FloatArray,
    reasons: Sequence[str],
    found: Sequence[Crossings],
    plain: Sequence[float | None],
) -> list[LimitResult | str]:
    roots = [[family.limit(curve) for curve in range(6)] for family in found]
    g = np.array([[1.0 if root is None else root for root in row] for row in roots])
    lumi = curves.searches[0].lumi
    assert lumi is not None
    sigma = sigma_br_narrow(model, masses[:, None], g, lumi)
    width = decay_widths(model, masses, g[:, 0]).total_gev / masses
    top = np.array([max((root for root in row if root is not None), default=np.nan) for row in roots])
    texts: list[list[str]] = [[] for _ in roots]
    some = np.nonzero(np.isfinite(top))[0]
    if len(some):
        h = curves.hypotheses(some, np.log(top[some]))
        for k, text in batch_likelihood(curves.searches, h, curves.interference).warnings:
            texts[some[k]].append(text)
    results: list[LimitResult | str] = []
    for i, family in enumerate(found):
        if family.fault is not None and None in roots[i]:
            results.append(family.fault)
            continue
        if family.excluded_everywhere:
            lowest = max(COUPLING_MIN, COUPLING_RANGE * largest[i])
            results.append(f"excluded down to g = {lowest:g}; the data reject every hypothesis")
            continue
        fb = [None if root is None else float(sigma[i, c]) for c, root in enumerate(roots[i])]
        result = LimitResult(
            mass_gev=float(masses[i]),
            coupling_95_observed=roots[i][0],
            coupling_95_expected=tuple(roots[i][1:]),
            sigma_br_95_observed_fb=fb[0],
            sigma_br_95_expected_fb=tuple(fb[1:]),
            gamma_over_m_observed=None if roots[i][0] is None else float(width[i]),
            coupling_max=float(largest[i]),
            coupling_max_reason=reasons[i],
            warnings=(*family.island_warnings("coupling"), *texts[i]),
            crossings_observed=family.observed,
            coupling_95_observed_no_theory=plain[i],
        )
        results.append(result)
    return results


def _without_theory(
    curves: Curves, masses: FloatArray, largest: FloatArray, found: Sequence[Crossings]
) -> list[float | None]:
    """Observed limits without the uncertainties of the luminosities: below those with them, and close."""
    plain = replace(curves, searches=tuple(f.without_theory() for f in curves.searches))
    with_theory = zip(found, largest, strict=True)
    ends = np.array([c.log_x[0][-1] if c.limit(0) is not None else np.log(g) for c, g in with_theory])
    low, high = ends - 0.05, np.minimum(ends + 1e-4, np.log(largest))
    which = np.arange(len(masses))
    values, _ = plain(np.concatenate([which, which]), np.concatenate([low, high]))
    f_low, f_high = values[: len(which), 0], values[len(which) :, 0]
    solvable = f_high < 0
    for _ in range(6):
        todo = np.nonzero(solvable & ~(f_low > 0))[0]
        if not len(todo):
            break
        low[todo] -= 0.15
        f_low[todo] = plain(todo, low[todo])[0][:, 0]
    ok = np.nonzero(solvable & (f_low > 0))[0]
    limits: list[float | None] = [None] * len(masses)
    if len(ok):
        zero = np.zeros(len(ok), dtype=np.intp)
        roots = narrow(plain, ok, zero, low[ok], high[ok], f_low[ok], f_high[ok])
        for i, root in zip(ok, roots, strict=True):
            limits[i] = float(np.exp(root))
    return limits
