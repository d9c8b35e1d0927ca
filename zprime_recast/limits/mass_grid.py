"""The pole masses of a contour: as close as the mass resolution and the bins of the searches ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..arrays import BoolArray, FloatArray, Quiet
from ..searches.channel import Channel
from ..searches.response import core_width
from ..searches.spectrum import SpectrumSearch
from .analyses import Analyses

#: Distance of neighbouring masses over the width of the narrowest mass response, and over that of the narrowest bin.
OF_RESPONSE, OF_BIN = 1.1, 0.5
#: Smallest and largest distance in ln M.
CLOSEST, WIDEST = 0.004, 0.05
#: Masses at which resolution and bins are looked at.
KNOTS = 40
#: Relative distance of a mass just outside the range of a search from its end, so that a step there stays a step.
BESIDE = 1e-4
#: Change of the ln of a limit from the chord of its neighbours above which masses are added, and how often.
BEND, TURNS = 0.05, 2
#: Points of limit curves, which have neither a response nor bins.
CURVE_POINTS = 300


def default_masses(analyses: Analyses) -> FloatArray:
    """Ascending masses (GeV) that follow the best mass resolution and the finest bins of the searches that cover them.

    They begin and end with the range of the searches. Where one of several searches begins or ends there is a mass at
    the end of its range and one just outside.

    >>> from zprime_recast.limits.analyses import load_analyses
    >>> masses = default_masses(load_analyses("atlas-139fb-dilepton"))
    >>> float(masses[0]), float(masses[-1]), 150 < len(masses) < 400
    (250.0, 6000.0, True)
    """
    low, high = analyses.mass_range_gev
    ends = {low, high}
    for p in analyses:
        first, last = p.search.mass_range_gev
        ends |= {first, last}
        ends |= {first * (1 - BESIDE)} if first > low else set()
        ends |= {last * (1 + BESIDE)} if last < high else set()
    edges = np.array(sorted(ends))
    edges = edges[analyses.covers(edges).any(axis=0)]
    parts = [_between(analyses, a, b) for a, b in pairwise(edges)]
    return np.unique(np.concatenate([edges, *parts]))


def _between(analyses: Analyses, low: float, high: float) -> FloatArray:
    """Masses from one end of a range to the other; none between ranges that no search covers."""
    log_m = np.linspace(np.log(low), np.log(high), KNOTS)
    middle = np.sqrt(low * high)
    if not analyses.covers(np.array([middle])).any() or high / low < 1 + 2 * BESIDE:
        return np.empty(0)
    density = 1 / _distance(analyses, np.clip(np.exp(log_m), low, high))
    done = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(log_m))])
    count = int(np.ceil(done[-1]))
    return np.asarray(np.exp(np.interp(np.linspace(0, done[-1], count + 1)[1:-1], done, log_m)))


def _distance(analyses: Analyses, mass_gev: FloatArray) -> FloatArray:
    """Distance in ln M of neighbouring masses, (n,)."""
    found = np.full(mass_gev.shape, WIDEST)
    for p, covered in zip(analyses, analyses.covers(mass_gev), strict=True):
        if isinstance(p.search, SpectrumSearch):
            own = np.min([_of_channel(channel, mass_gev) for channel in p.search.channels], axis=0)
        else:
            low, high = p.search.mass_range_gev
            own = np.full(mass_gev.shape, np.log(high / low) / CURVE_POINTS)
        found = np.where(covered, np.minimum(found, own), found)
    return np.asarray(np.maximum(found, CLOSEST))


def _of_channel(channel: Channel, mass_gev: FloatArray) -> FloatArray:
    edges = channel.edges_gev
    at = np.clip(np.searchsorted(edges, mass_gev, side="right") - 1, 0, len(edges) - 2)
    width = np.log(edges[1:] / edges[:-1])[at]
    return np.asarray(np.minimum(OF_RESPONSE * core_width(channel, mass_gev), OF_BIN * width))


@dataclass(frozen=True, eq=False, repr=False)
class Segment(Quiet):
    """Neighbouring masses of a contour that the same searches cover; the unit of work."""

    mass_gev: FloatArray
    """Ascending, (n,)."""
    around_gev: tuple[float, ...] = ()
    """The last mass of the segment before and the first of the one after, if they belong to the same searches.

    Bends are looked for up to them.
    """


def segments(masses_gev: FloatArray, analyses: Analyses, width: float) -> Iterator[Segment]:
    """Divide ascending masses (n,) into segments that are no wider than ``width`` in ln M.

    They depend on the masses and the searches alone, so that no number of workers changes a result.
    """
    used, log_m = analyses.used_at(masses_gev), np.log(masses_gev)
    n, first = len(masses_gev), 0
    while first < n:
        end = next((i for i in range(first, n) if used[i] != used[first]), n)
        length = log_m[end - 1] - log_m[first]
        count = max(1, int(np.ceil(length / width)))
        share = np.zeros(end - first) if length == 0 else (log_m[first:end] - log_m[first]) / length
        number = np.minimum((share * count).astype(int), count - 1)
        starts = [first + int(k) for k in np.unique(number, return_index=True)[1]]
        for start, stop in zip(starts, [*starts[1:], end], strict=True):
            around = [start - 1] * (start > first) + [stop] * (stop < end)
            yield Segment(masses_gev[start:stop], tuple(float(masses_gev[i]) for i in around))
        first = end


def own_masses(mass_gev: FloatArray, asked: FloatArray, around_gev: Sequence[float]) -> BoolArray:
    """Which of the masses (n,) belong to the segment that was asked for: not those before it, nor the next one's."""
    after = [one for one in around_gev if one > asked[-1]]
    return np.asarray((mass_gev >= asked[0]) & (mass_gev < (after[0] if after else np.inf)))


def added_masses(mass_gev: FloatArray, curves: FloatArray) -> FloatArray:
    """Masses halfway between neighbours where a curve bends or ends: ascending, empty if straight lines will do.

    Arguments:
        mass_gev: ascending masses, (n,).
        curves: ln of limits, NaN where there is none, (n, n_curves).
    """
    if len(mass_gev) < 2:
        return np.empty(0)
    known = np.isfinite(curves)
    here = (known[1:] != known[:-1]).any(axis=1)
    share = (np.diff(mass_gev)[:-1] / (mass_gev[2:] - mass_gev[:-2]))[:, None]
    with np.errstate(invalid="ignore"):
        bends = (np.abs(curves[1:-1] - curves[:-2] - share * (curves[2:] - curves[:-2])) > BEND).any(axis=1)
    here[:-1] |= bends
    here[1:] |= bends
    here &= np.diff(np.log(mass_gev)) > CLOSEST
    return np.asarray(np.sqrt(mass_gev[1:] * mass_gev[:-1])[here])
