"""The exclusion contour g_95(M) of a model: observed, expected and its 1 and 2 sigma bands.

Masses are solved in batches, which worker processes may share. What is done is kept if the run is interrupted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..errors import InputError
from ..io.json import json_dict
from ..io.workers import in_processes
from ..model.card import load_model
from ..model.zprime import ZprimeModel, perturbative_coupling
from ..process.family import coupling_family
from ..searches.search import DEFAULT_ANALYSES
from .analyses import Analyses, AnalysesLike, load_analyses
from .hypothesis import coupling_limits
from .method import Method
from .result import LimitResult, joined

#: Default number of masses, evenly spaced in the square root over the range all searches share.
DEFAULT_POINTS = 25
#: Masses solved together.
BATCH = 32
#: Change of ln g from the chord of its neighbours above which ``refine`` adds masses.
BEND = 0.03


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
        observed, expected = self.mass_limit_gev(self.reference_coupling) if self.reference_coupling else (None, None)
        return json_dict(
            {
                **self._values(),
                "coupling_95_observed_no_theory": self.coupling_95_observed_no_theory,
                "crossings_observed": self.crossings_observed,
                "coupling_perturbative": self.coupling_perturbative,
                "mass_limit_observed_gev": observed,
                "mass_limit_expected_gev": expected,
                "complete": self.complete,
                "errors": [{"mass_gev": m, "message": text} for m, text in self.errors],
                "warnings": [{"mass_gev": m, "message": text} for m, text in self.warnings],
                "provenance": self.provenance.to_dict(),
            }
        )


def default_masses(analyses: Analyses, points: int = DEFAULT_POINTS) -> FloatArray:
    """Masses (GeV) evenly spaced in their square root over the range all searches share."""
    low, high = analyses.mass_range_gev
    masses = np.linspace(np.sqrt(low), np.sqrt(high), points) ** 2
    masses[0], masses[-1] = low, high
    return np.asarray(masses)


def contour(
    model: ZprimeModel | str,
    mass_gev: ArrayLike | None = None,
    analyses: AnalysesLike = DEFAULT_ANALYSES,
    interference: bool = True,
    calculator: str | None = None,
    fitter: str = "newton",
    workers: int = 1,
    on_done: Callable[[int], object] | None = None,
    refine: int = 0,
) -> ExclusionContour:
    """The exclusion contour of a model.

    Arguments:
        model: a model, or the id of a card.
        mass_gev: ascending masses in GeV; None for :func:`default_masses`.
        analyses: from :func:`~zprime_recast.limits.analyses.load_analyses`, or ids and folders of analyses.
        interference, calculator, fitter: as :func:`zprime_recast.limits.hypothesis.limit`.
        workers: processes that share the masses.
        on_done: called with the number of masses done since the last call.
        refine: how often masses are added halfway to the neighbours of a point where the observed or the median curve
            ends or bends by more than BEND.

    A point that fails is kept in ``errors``, the rest goes on. KeyboardInterrupt ends the run with the points done so
    far and ``complete`` False. RangeError or InputError for masses no limit can be looked for at.

    >>> import zprime_recast as zr
    >>> zr.contour("ssm", [2000.0, 4000.0], "atlas-139fb-dilepton")
    ExclusionContour(2 masses, 2000 to 4000 GeV: 2 observed limits)
    """
    model, searches = load_model(model), load_analyses(analyses)
    method = Method(interference, calculator, fitter)
    masses = default_masses(searches) if mass_gev is None else np.atleast_1d(checked_positive("mass_gev", mass_gev))
    if (np.diff(masses) <= 0).any():
        raise InputError("masses of a contour must ascend")
    searches.check_mass(masses)
    if workers < 1:
        raise InputError(f"workers must be at least 1, found {workers}")
    task = (model, searches, method)
    parts: list[LimitResult] = []
    complete, todo = True, masses
    try:
        for turn in range(refine + 1):
            with contextlib.closing(_results(task, todo, min(workers, len(todo)))) as batches:
                for _, part in batches:
                    parts.append(part)
                    if on_done:
                        on_done(len(part.mass_gev))
            todo = _added_masses(joined(parts)) if turn < refine else masses[:0]
            if not len(todo):
                break
    except KeyboardInterrupt:
        complete = False
    limits = joined(parts or [_several(task, masses[:0])])
    return ExclusionContour(**vars(limits), model=model, complete=complete)


def _added_masses(found: LimitResult) -> FloatArray:
    """Masses halfway between neighbours where a curve bends or ends."""
    ok = ~np.isin(found.mass_gev, [mass for mass, _ in found.errors])
    mass = found.mass_gev[ok]
    added: set[float] = set()
    for g in (found.coupling_95_observed[ok], found.coupling_95_expected[ok, 2]):
        t = np.log(g)
        ends = np.isfinite(t[1:]) != np.isfinite(t[:-1])
        share = np.diff(mass)[:-1] / (mass[2:] - mass[:-2])
        bends = np.abs(t[1:-1] - t[:-2] - share * (t[2:] - t[:-2])) > BEND
        here = ends
        here[:-1] |= bends
        here[1:] |= bends
        added |= set((0.5 * (mass[1:] + mass[:-1]))[here].tolist())
    return np.array(sorted(added))


_Task = tuple[ZprimeModel, Analyses, Method]


def _results(task: _Task, masses: FloatArray, workers: int) -> Generator[tuple[int, LimitResult], None, None]:
    """Limits of batches of masses with their numbers, as they are done; closing it ends the workers."""
    size = BATCH if workers == 1 else min(BATCH, -(-len(masses) // (4 * workers)))
    batches: Iterable[FloatArray] = (masses[first : first + size] for first in range(0, len(masses), size))
    if workers > 1:
        return in_processes(_several, task, enumerate(batches), workers)
    return ((k, _several(task, batch)) for k, batch in enumerate(batches))


def _several(task: _Task, mass_gev: FloatArray) -> LimitResult:
    model, searches, method = task
    family = coupling_family(model, mass_gev)
    bad = dict(family.faults())
    good = np.array([i for i in range(len(mass_gev)) if i not in bad], dtype=np.intp)
    wanted = method.fitter == "newton" and any(p.theory is not None for p in searches)
    found = coupling_limits(model, family.take(good), searches, method, without_theory=wanted)
    return found.with_faults([(float(mass_gev[i]), text) for i, text in bad.items()])
