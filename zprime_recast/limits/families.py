"""The coupling at 95 % CL at many masses at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray, IndexArray, checked_positive
from ..errors import InputError, LikelihoodError
from ..likelihood.background_fit import Null
from ..likelihood.binned import interference_warnings
from ..likelihood.pyhf_fit import fit_background, hypothesis_test
from ..likelihood.result import CLsResult
from ..likelihood.workspace import build_workspace
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel
from ..process.cross_section import sigma_br_narrow
from ..process.hypotheses import Hypotheses, hypotheses_of, largest_coupling, widest_coupling
from ..scan.points import Points
from ..signal.fold import FoldedSearch
from ..signal.from_events import EventTemplate
from ..signal.signal import Signal
from .analyses import Prepared, sole_curve, with_likelihood
from .crossings import Crossings, Curves, crossings, narrow, solve_limits
from .curve import curve_limit
from .result import COUPLING_MIN, COUPLING_RANGE, LimitResult
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


#: Signal strengths between which a limit is looked for.
STRENGTH_RANGE = (1e-6, 1e4)


def point_limits(
    points: Points, rows: IndexArray, searches: Sequence[FoldedSearch], interference: bool, null: Null
) -> tuple[str, FloatArray, npt.NDArray[np.object_]]:
    """What is limited (``coupling`` or ``strength``), limits of ``rows`` (n, 6), observed and expected at -2..+2
    standard deviations, NaN where there is none, and remarks (n,).

    Points of a model: the coupling g_95 at the same mass and parameters, the width following it. Free couplings: the
    factor on the whole signal, interference included, at the same width.
    """
    h = points.hypotheses.take(rows)
    if points.perturbative_coupling is None:
        name, (low, high) = "strength", (np.full(len(rows), x) for x in STRENGTH_RANGE)

        def at(which: IndexArray, log_x: FloatArray) -> Hypotheses:
            return replace(h.take(which), strength=np.exp(log_x))

    else:
        name, extra = "coupling", points.partial_gev["extra"][rows]
        unit = (h.gamma_gev - extra) / h.coupling**2
        widest = widest_coupling(h.mass_gev, unit, extra)
        high = np.maximum(np.minimum(widest, points.perturbative_coupling), COUPLING_MIN)
        low = np.maximum(COUPLING_MIN, COUPLING_RANGE * high)

        def at(which: IndexArray, log_x: FloatArray) -> Hypotheses:
            g = np.exp(log_x)
            return replace(h.take(which), coupling=g, gamma_gev=unit[which] * g**2 + extra[which])

    found = crossings(Curves(at, tuple(searches), interference, null), low, high)
    limits = np.array([[_or_nan(family.limit(curve)) for curve in range(6)] for family in found]).reshape(-1, 6)
    remarks = np.array([_remark(family, name, x) for family, x in zip(found, low.tolist(), strict=True)], dtype=object)
    return name, limits, remarks


def _or_nan(limit: float | None) -> float:
    return np.nan if limit is None else limit


def _remark(family: Crossings, name: str, low: float) -> str:
    texts = list(family.island_warnings(name))
    if family.excluded_everywhere:
        texts.append(f"excluded down to a {name} of {low:g}")
    if family.fault is not None and None in [family.limit(curve) for curve in range(6)]:
        texts.append(f"no limit on the {name}: {family.fault}")
    return "; ".join(texts)


@dataclass(frozen=True)
class StrengthLimit:
    """Signal strength (multiple of the sample's cross-section) at 95 % CL."""

    mu_95_observed: float
    mu_95_expected: tuple[float, ...]
    sigma_95_observed_fb: float
    sigma_95_expected_fb: tuple[float, ...]
    cls_observed: float
    """Of the sample as it is (mu = 1)."""
    warnings: tuple[str, ...]


def strength_limit(templates: Sequence[EventTemplate]) -> StrengthLimit:
    """Signal strength at 95 % CL from the templates of one sample in one or more searches, shapes and width fixed.

    LikelihoodError if the sample gives no events in any bin.
    """
    if not any(np.any(y > 0) for t in templates for y in t.yields.values()):
        raise LikelihoodError("the sample gives no signal events in any bin: no limit")

    def signals_at(mu: float) -> list[Signal]:
        return [Signal(t.search, {name: mu * y for name, y in t.yields.items()}) for t in templates]

    background_fit = fit_background(build_workspace(signals_at(1e-6)))

    def evaluate(mu: float) -> CLsResult:
        return hypothesis_test(build_workspace(signals_at(mu)), background_fit=background_fit)

    sensitivity = sum(
        float((np.maximum(y, 0) ** 2 / t.search.channel(name).bkg).sum())
        for t in templates
        for name, y in t.yields.items()
    )
    expected = sum(float(np.maximum(y, 0).sum()) for t in templates for y in t.yields.values())
    start = float(min(3.0 / expected + 2.0 / np.sqrt(sensitivity), 1e9))
    roots = solve_limits(evaluate, start, 1e-9 * start, 1e9 * start)
    found = [root for root in roots if root is not None]
    if len(found) < len(roots):
        raise LikelihoodError("no signal strength is excluded: the sample's interference outweighs its signal")
    sigma = templates[0].cross_section_fb
    return StrengthLimit(
        mu_95_observed=found[0],
        mu_95_expected=tuple(found[1:]),
        sigma_95_observed_fb=found[0] * sigma,
        sigma_95_expected_fb=tuple(mu * sigma for mu in found[1:]),
        cls_observed=evaluate(1.0).cls_observed,
        warnings=(*interference_warnings(signals_at(found[0])), *(w for t in templates for w in t.warnings)),
    )
