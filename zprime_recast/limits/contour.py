"""The exclusion contour g_95(M) of a model: observed, expected and its 1 and 2 sigma bands.

Masses are solved in batches, which worker processes may share. What is done is kept if the run is interrupted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..errors import InputError, ZprimeError
from ..io.workers import in_processes
from ..model.zprime import ZprimeModel, perturbative_coupling
from .analyses import Prepared
from .families import coupling_limits
from .provenance import provenance
from .result import LimitResult

#: Default number of masses, evenly spaced in the square root over the range all searches share.
DEFAULT_POINTS = 25
#: Masses solved together.
BATCH = 32
#: Change of ln g from the chord of its neighbours above which ``refine`` adds masses.
BEND = 0.03


@dataclass(frozen=True)
class ExclusionContour:
    """g_95 against mass. NaN where nothing is excluded below the largest coupling, or where the point failed."""

    model: ZprimeModel
    mass_gev: FloatArray
    coupling_95_observed: FloatArray
    """(n,)."""
    coupling_95_expected: FloatArray
    """(n, 5): -2, -1, 0, 1, 2 standard deviations."""
    sigma_br_95_observed_fb: FloatArray
    coupling_perturbative: float
    coupling_max: FloatArray
    """Largest coupling looked at, (n,)."""
    errors: tuple[tuple[float, str], ...]
    """(mass, message) of points that have no limit for a reason other than a weak signal."""
    warnings: tuple[tuple[float, str], ...]
    """(mass, message) of points whose limit comes with a remark."""
    complete: bool
    provenance: dict[str, Any]
    coupling_95_observed_no_theory: FloatArray | None = None
    """Observed limit without the uncertainties of the luminosities, (n,)."""
    crossings_observed: tuple[tuple[float, ...], ...] = ()
    """Per mass every coupling where the observed CLs crosses 0.05; more than one if CLs is not monotonic."""

    def mass_limit_gev(self, coupling: float) -> tuple[float | None, float | None]:
        """(observed, expected) mass where g_95 crosses a coupling: the lower mass limit of a benchmark model."""
        return (
            _crossing(self.mass_gev, self.coupling_95_observed, coupling),
            _crossing(self.mass_gev, self.coupling_95_expected[:, 2], coupling),
        )


def _crossing(mass: FloatArray, g: FloatArray, coupling: float) -> float | None:
    """Last mass up to which g < coupling, interpolated in log g; None if it never crosses."""
    excluded = g < coupling  # False for NaN
    if not excluded.any() or excluded[-1]:
        return None
    last = int(np.nonzero(excluded)[0][-1])
    if not np.isfinite(g[last + 1]):
        return float(mass[last])
    fraction = np.log(coupling / g[last]) / np.log(g[last + 1] / g[last])
    return float(mass[last] + fraction * (mass[last + 1] - mass[last]))


def default_masses(searches: Sequence[Prepared], points: int = DEFAULT_POINTS) -> FloatArray:
    """Masses (GeV) evenly spaced in their square root over the range all searches share."""
    low = max(f.search.mass_range_gev[0] for f in searches)
    high = min(f.search.mass_range_gev[1] for f in searches)
    if low >= high:
        raise InputError("the analyses share no mass range; use fewer of them")
    masses = np.linspace(np.sqrt(low), np.sqrt(high), points) ** 2
    masses[0], masses[-1] = low, high
    return np.asarray(masses)


def exclusion_contour(
    model: ZprimeModel,
    mass_gev: ArrayLike | None,
    searches: Sequence[Prepared],
    interference: bool = True,
    workers: int = 1,
    on_point: Callable[[LimitResult | None], None] | None = None,
    refine: int = 0,
) -> ExclusionContour:
    """The contour at given masses (ascending, GeV; None: :func:`default_masses`).

    ``workers`` processes share the masses; ``on_point`` is called after each. KeyboardInterrupt ends the run with
    the points done so far and ``complete`` False. A point that fails is kept in ``errors``, the rest goes on.
    ``refine`` times, masses are added halfway to the neighbours of a point where the observed or the median curve
    bends by more than BEND, or ends.
    """
    masses = default_masses(searches) if mass_gev is None else np.atleast_1d(checked_positive("mass_gev", mass_gev))
    if (np.diff(masses) <= 0).any():
        raise InputError("masses of a contour must ascend")
    for folded in searches:
        folded.search.check_mass(masses)
    if workers < 1:
        raise InputError(f"workers must be at least 1, found {workers}")
    done: dict[float, LimitResult] = {}
    errors: list[tuple[float, str]] = []
    complete = True
    task: _Task = (model, searches, interference)
    todo = masses
    try:
        for turn in range(refine + 1):
            with contextlib.closing(_results(task, todo, min(workers, len(todo)))) as batches:
                for mass, result in (pair for _, batch in batches for pair in batch):
                    if isinstance(result, str):
                        errors.append((mass, result))
                    else:
                        done[mass] = result
                    if on_point:
                        on_point(None if isinstance(result, str) else result)
            if turn == refine:
                break
            todo = _added_masses(done)
            if not len(todo):
                break
            masses = np.union1d(masses, todo)
    except KeyboardInterrupt:
        complete = False
    points = [done.get(float(m)) for m in masses]
    kept = [i for i, m in enumerate(masses) if complete or points[i] is not None]
    points = [points[i] for i in kept]
    nan = float("nan")
    return ExclusionContour(
        model=model,
        mass_gev=masses[kept],
        coupling_95_observed=np.array([_or_nan(p.coupling_95_observed) if p else nan for p in points]),
        coupling_95_expected=np.array(
            [[_or_nan(g) for g in p.coupling_95_expected] if p else [nan] * 5 for p in points]
        ).reshape(-1, 5),
        sigma_br_95_observed_fb=np.array([_or_nan(p.sigma_br_95_observed_fb) if p else nan for p in points]),
        coupling_perturbative=perturbative_coupling(model),
        coupling_max=np.array([p.coupling_max if p else nan for p in points]),
        errors=tuple(errors),
        warnings=tuple((p.mass_gev, text) for p in points if p for text in p.warnings),
        complete=complete,
        provenance=provenance(model, searches, interference),
        coupling_95_observed_no_theory=np.array(
            [_or_nan(p.coupling_95_observed_no_theory) if p else nan for p in points]
        ),
        crossings_observed=tuple(p.crossings_observed if p else () for p in points),
    )


def _added_masses(done: dict[float, LimitResult]) -> FloatArray:
    """Masses halfway between neighbours where a curve bends or ends."""
    mass = np.array(sorted(done))
    added: set[float] = set()
    curves = np.array([[_or_nan(done[m].coupling_95_observed), _or_nan(done[m].coupling_95_expected[2])] for m in mass])
    for t in np.log(curves.reshape(-1, 2)).T:
        ends = np.isfinite(t[1:]) != np.isfinite(t[:-1])
        share = np.diff(mass)[:-1] / (mass[2:] - mass[:-2])
        bends = np.abs(t[1:-1] - t[:-2] - share * (t[2:] - t[:-2])) > BEND
        here = ends
        here[:-1] |= bends
        here[1:] |= bends
        added |= set((0.5 * (mass[1:] + mass[:-1]))[here].tolist())
    return np.array(sorted(added))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


# ---------------------------------------------------------------------------------------------------------------
# Sharing masses among processes

_Task = tuple[ZprimeModel, Sequence[Prepared], bool]


def _results(
    task: _Task, masses: FloatArray, workers: int
) -> Generator[tuple[int, list[tuple[float, LimitResult | str]]], None, None]:
    """Batches of (mass, limit or error message) with their numbers, as they are done; closing it ends the workers."""
    size = BATCH if workers == 1 else min(BATCH, -(-len(masses) // (4 * workers)))
    batches = [masses[first : first + size] for first in range(0, len(masses), size)]
    if workers > 1:
        return in_processes(_several, task, enumerate(batches), workers)
    return ((k, _several(task, batch)) for k, batch in enumerate(batches))


def _several(task: _Task, mass_gev: FloatArray) -> list[tuple[float, LimitResult | str]]:
    model, searches, interference = task
    try:
        found = coupling_limits(model, mass_gev, searches, interference, without_theory=searches[0].theory is not None)
    except ZprimeError as err:
        found = [str(err)] * len(mass_gev)
    return list(zip(mass_gev.tolist(), found, strict=True))
