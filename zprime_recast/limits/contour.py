"""The exclusion contour g_95(M) of a model: observed, expected and its 1 and 2 sigma bands.

Neighbouring masses are solved together, and worker processes may share these segments. What is done is kept if the run
is interrupted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import BoolArray, FloatArray, Quiet, checked_positive
from ..errors import InputError
from ..io.json import json_dict
from ..io.workers import in_processes
from ..model.card import load_model
from ..model.zprime import ZprimeModel, perturbative_coupling
from ..process.family import CouplingFamily, coupling_family
from ..searches.search import DEFAULT_ANALYSES
from .analyses import Analyses, AnalysesLike, load_analyses
from .hypothesis import limit_result
from .mass_grid import TURNS, Segment, added_masses, default_masses, own_masses, segments
from .method import Method
from .result import FamilyLimits, LimitResult, joined, scattered
from .toy_contour import NearbyLimits, expected_between, nearby_limits

#: Width in ln M of the masses that are solved together.
SEGMENT = 0.12
#: Largest relative distance of two masses between which a step where a search ends is quoted.
BESIDE_AN_END = 0.01


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ExclusionContour(LimitResult):
    """g_95 against ascending masses (n,). NaN where nothing is excluded, or where the point failed."""

    model: ZprimeModel
    complete: bool
    """False if the run was interrupted: some of the masses asked for are missing."""

    @property
    def coupling_perturbative(self) -> float:
        """Largest perturbative coupling of the model."""
        return perturbative_coupling(self.model)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values, null for NaN: the content of ``contour.json``."""
        limits = self.mass_limits(self.reference_coupling) if self.reference_coupling else (None, None)
        observed, expected = limits
        return json_dict(
            {
                **self._values(),
                "coupling_95_observed_no_theory": self.coupling_95_observed_no_theory,
                "crossings_observed": self.crossings_observed,
                "analyses_used": self.analyses_used,
                "coupling_perturbative": self.coupling_perturbative,
                "mass_limit_observed_gev": observed and observed.gev,
                "mass_limit_is_lower_bound": observed and observed.is_lower_bound,
                "mass_limit_expected_gev": expected and expected.gev,
                "mass_limit_expected_is_lower_bound": expected and expected.is_lower_bound,
                "complete": self.complete,
                "errors": [{"mass_gev": m, "message": text} for m, text in self.errors],
                "warnings": [{"mass_gev": m, "message": text} for m, text in self.warnings],
                "provenance": self.provenance.to_dict(),
            }
        )


@dataclass(frozen=True, eq=False, repr=False)
class ContourTask(Quiet):
    """Inputs that all segments of a contour share."""

    model: ZprimeModel
    analyses: Analyses
    method: Method
    """With its calculator."""
    refine: bool
    """Whether masses are added where the observed or the median curve ends or bends by more than
    :data:`~zprime_recast.limits.mass_grid.BEND`.
    """


@dataclass(frozen=True, eq=False, repr=False)
class SolvedSegment(Quiet):
    """Limits at ascending masses (n,) that the same searches cover."""

    mass_gev: FloatArray
    found: FamilyLimits
    whole: BoolArray
    log_ratio: FloatArray
    """As in :class:`~zprime_recast.limits.toy_contour.NearbyLimits`."""
    failed: tuple[tuple[float, str], ...]
    """(mass in GeV, message) of masses at which no hypothesis can be tested."""


def contour(
    model: ZprimeModel | str,
    mass_gev: ArrayLike | None = None,
    analyses: AnalysesLike = DEFAULT_ANALYSES,
    interference: bool = True,
    calculator: str | None = None,
    fitter: str = "newton",
    workers: int = 1,
    on_done: Callable[[int], object] | None = None,
    n_toys: int | None = None,
    seed: int = 1,
) -> ExclusionContour:
    """The exclusion contour of a model.

    Arguments:
        model: a model, or the id of a card.
        mass_gev: ascending masses in GeV; None for :func:`~zprime_recast.limits.mass_grid.default_masses` and more
            where the curves bend between them, so that straight lines in ln g between the masses are the limit.
        analyses: from :func:`~zprime_recast.limits.analyses.load_analyses`, or ids and folders of analyses.
        interference, calculator, fitter, n_toys, seed: as :func:`zprime_recast.limits.hypothesis.limit`.
        workers: processes that share the masses; no result depends on it.
        on_done: called with the number of masses asked for that were done since the last call.

    With ``toys`` all six curves are computed at one of a few neighbouring masses, the observed one at each of them with
    the same toys, and the expected ones follow from the asymptotic formulae and the ratio at the nearest two of these
    masses: see :mod:`~zprime_recast.limits.toy_contour`.

    A point that fails is kept in ``errors``, the rest goes on. KeyboardInterrupt ends the run with the points done so
    far and ``complete`` False. RangeError or InputError for masses no limit can be looked for at.

    >>> import zprime_recast as zr
    >>> zr.contour("ssm", [2000.0, 4000.0], "atlas-139fb-dilepton", calculator="asymptotic")
    ExclusionContour(2 masses, 2000 to 4000 GeV: 2 observed limits)
    """
    task = contour_task(model, mass_gev is None, analyses, Method(interference, calculator, fitter, n_toys, seed))
    searches = task.analyses
    masses = default_masses(searches) if mass_gev is None else np.atleast_1d(checked_positive("mass_gev", mass_gev))
    if (np.diff(masses) <= 0).any():
        raise InputError("masses of a contour must ascend")
    searches.check_mass(masses)
    if workers < 1:
        raise InputError(f"workers must be at least 1, found {workers}")
    todo = list(segments(masses, searches, SEGMENT))
    parts: list[SolvedSegment] = []
    complete = True
    try:
        with contextlib.closing(_results(task, todo, min(workers, len(todo)))) as solved:
            for k, part in solved:
                parts.append(part)
                if on_done:
                    on_done(len(todo[k].mass_gev))
    except KeyboardInterrupt:
        complete = False
    return assembled(task, parts, complete)


def contour_task(model: ZprimeModel | str, refine: bool, analyses: AnalysesLike, method: Method) -> ContourTask:
    """The task of a contour; InputError for a method that the analyses cannot honour."""
    searches = load_analyses(analyses)
    return ContourTask(load_model(model), searches, searches.together.used(method), refine)


def _results(
    task: ContourTask, todo: Sequence[Segment], workers: int
) -> Generator[tuple[int, SolvedSegment], None, None]:
    """Solved segments with their numbers, as they are done; closing it ends the workers."""
    if workers > 1:
        return in_processes(solve, task, enumerate(todo), workers)
    return ((k, solve(task, segment)) for k, segment in enumerate(todo))


def solve(task: ContourTask, segment: Segment) -> SolvedSegment:
    """The limits at the masses of a segment, and at those added between them and up to the next one."""
    model, method, mass = task.model, task.method, segment.mass_gev
    family_at = partial(coupling_family, model)
    failed = [(float(mass[i]), text) for i, text in family_at(mass).faults()]
    mass = np.setdiff1d(mass, [one for one, _ in failed])
    around = [one for one in segment.around_gev if not family_at(np.array([one])).faults()]
    ((_, searches),) = task.analyses.by_coverage(mass[:1]) or ((None, task.analyses),)
    if method.calculator in ("toys", "auto") and searches.kind == "likelihood" and len(mass):
        joint = searches.joint
        near = nearby_limits(joint, family_at, mass, method, around, task.refine)
        found = near.found
        if any(p.theory is not None for p in searches):
            found = replace(found, no_theory=_without_theory(near, family_at, searches, method))
        return SolvedSegment(near.mass_gev, found, near.whole, near.log_ratio, tuple(failed))
    mass, found = _limits(task, family_at, searches, mass, around)
    n = len(mass)
    return SolvedSegment(mass, found, np.ones(n, dtype=bool), np.full((n, 5), np.nan), tuple(failed))


def _limits(
    task: ContourTask,
    family_at: Callable[[FloatArray], CouplingFamily],
    searches: Analyses,
    mass: FloatArray,
    around: Sequence[float],
) -> tuple[FloatArray, FamilyLimits]:
    """Masses and limits of a calculator that solves each mass alone, with masses added up to the next segment."""
    wanted = task.method.fitter == "newton" and any(p.theory is not None for p in searches)
    asked = np.sort([*mass, *around]) if task.refine and len(mass) else mass
    found = searches.limits(family_at(asked), task.method, wanted)
    for _ in range(TURNS if task.refine else 0):
        with np.errstate(invalid="ignore"):
            added = added_masses(asked, np.log(found.x_95[:, [0, 3]]))
        if not len(added):
            break
        more = searches.limits(family_at(added), task.method, wanted)
        place = np.argsort(np.argsort(np.concatenate([asked, added])))
        found = scattered([(place[: len(asked)], found), (place[len(asked) :], more)])
        asked = np.sort(np.concatenate([asked, added]))
    if not task.refine or not len(mass):
        return asked, found
    own = np.nonzero(own_masses(asked, mass, around))[0]
    return asked[own], found.part(own)


def _without_theory(
    near: NearbyLimits, family_at: Callable[[FloatArray], CouplingFamily], searches: Analyses, method: Method
) -> FloatArray:
    """Observed limits without the uncertainties of the luminosities, (n,).

    They are those with them times the asymptotic ratio of both, which varies slowly, at masses where all curves were
    computed with toys.
    """
    observed, log_m = near.found.x_95[:, 0], np.log(near.mass_gev)
    at = np.nonzero(near.whole & np.isfinite(observed))[0]
    if not len(at):
        return np.full(len(observed), np.nan)
    found = searches.limits(family_at(near.mass_gev[at]), replace(method, calculator="asymptotic"), True)
    ratio = found.no_theory / found.x_95[:, 0]
    good = np.isfinite(ratio)
    if not good.any():
        return np.full(len(observed), np.nan)
    return np.asarray(observed * np.interp(log_m, log_m[at[good]], ratio[good]))


def assembled(task: ContourTask, parts: Sequence[SolvedSegment], complete: bool) -> ExclusionContour:
    """The contour of the segments that were solved, in any order."""
    model, searches = task.model, task.analyses
    some = sorted((part for part in parts if len(part.mass_gev)), key=lambda part: float(part.mass_gev[0]))
    mass = np.concatenate([part.mass_gev for part in some]) if some else np.empty(0)
    family = coupling_family(model, mass)
    if some:
        ends = np.cumsum([0, *(len(part.mass_gev) for part in some)])
        rows = [np.arange(a, b) for a, b in pairwise(ends)]
        found = scattered([(where, part.found) for where, part in zip(rows, some, strict=True)])
        whole = np.concatenate([part.whole for part in some])
        log_ratio = np.concatenate([part.log_ratio for part in some])
        x_95 = found.x_95.copy()
        for at, _ in searches.by_coverage(mass):
            x_95[at, 1:] = expected_between(x_95[at], mass[at], whole[at], log_ratio[at], found.largest[at])
        found = replace(found, x_95=x_95)
    else:
        found = searches.limits(family, replace(task.method, calculator="asymptotic"))
    remarks = (*_ends(searches, mass, found.x_95[:, 0]), *_once(found.warnings, mass))
    found = replace(found, warnings=remarks, islands=_once(found.islands, mass))
    failed = [one for part in parts for one in part.failed]
    result = joined([limit_result(model, family, searches, task.method, found).with_faults(failed)])
    return ExclusionContour(**vars(result), model=model, complete=complete)


def _once(remarks: Sequence[tuple[int, str]], mass: FloatArray) -> tuple[tuple[int, str], ...]:
    """Remarks (index, text) that differ in their numbers alone: the first of each kind, and where there are more."""
    kinds: dict[str, list[tuple[int, str]]] = {}
    for i, text in sorted(remarks):
        kinds.setdefault(re.sub(r"[0-9.]+(e[+-][0-9]+)?", "#", text), []).append((i, text))
    found = []
    for same in kinds.values():
        first, last = same[0], same[-1]
        more = f" (and at {len(same) - 1} other masses up to {mass[last[0]]:.5g} GeV)" if len(same) > 1 else ""
        found.append((first[0], first[1] + more))
    return tuple(found)


def _ends(searches: Analyses, mass: FloatArray, observed: FloatArray) -> list[tuple[int, str]]:
    """(index, remark) at the first of neighbouring masses that a search does not cover, with the step in the limit."""
    found = []
    for p, covered in zip(searches, searches.covers(mass), strict=True):
        low, high = p.search.mass_range_gev
        for i in np.nonzero(~covered & np.concatenate([[True], covered[:-1]]))[0].tolist():
            text = f"{p.search.id} covers {low:g} to {high:g} GeV and takes no part beyond"
            if i and mass[i] < (1 + BESIDE_AN_END) * mass[i - 1] and observed[i] > 0 and observed[i - 1] > 0:
                text += f": the observed limit steps from {observed[i - 1]:.3g} to {observed[i]:.3g} where it ends"
            found.append((int(i), text))
    return found
