r"""Levels of panels, each GROUP times as wide as the one below, for a spectrum that is smooth on wide panels.

.. math:: \int_{panel} f(s) R(s)\, ds \approx \sum_p f(s_p) \int_{panel} \ell_p(s) R(s)\, ds

with Lagrange's polynomials of the panel's nodes: what is folded with a spectrum f enters by its moments, made once. If
the nearest pole of f is x half widths away from the middle of a panel, the error is (x + sqrt(x^2 - 1))^-POINTS of what
the panel holds: 1e-5 for x = 2.3, the nearest one that is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from ..arrays import ComplexArray, FloatArray, IndexArray, Quiet
from .poles import POINTS, Panels, put_closed_form

#: Panels of a level that make one of the next.
GROUP = 5


@dataclass(frozen=True, eq=False, repr=False)
class Level(Quiet):
    """Panels of one width, and what a spectrum is folded with at their nodes."""

    grid: Panels
    parton_rate: FloatArray
    """(5, n_nodes)."""
    of_signal: FloatArray
    """For the whole spectrum, (n_nodes, k): functions at the lowest level, moments above it."""
    of_squared: FloatArray
    """The same for the spectrum of |Z'|^2."""


Levels = tuple[Level, Level, Level]


@dataclass(frozen=True, eq=False, repr=False)
class PoleNodes(Quiet):
    """The nodes at which a spectrum is taken whose pole lies in one panel of the middle level: those of the highest
    level, of the middle one beside the pole and of the lowest one closer to it, in this order.
    """

    s: FloatArray
    """GeV^2, (n,)."""
    weights: FloatArray
    """Of the nodes of the upper levels, whose moments are integrals, 1, or 0 where the level below takes their place;
    of those of the lowest one Gauss and Legendre's."""
    low: Panels
    """Panels of the lowest level."""
    spans: tuple[tuple[int, int, int], ...]
    """Level, first node and the one after the last there, in the order of the nodes here."""

    def propagators(self, mass_gev: FloatArray, gamma_gev: FloatArray) -> tuple[ComplexArray, FloatArray]:
        """1/(s - M^2 + i M Gamma) and the square of its modulus times the weights, (n_hypotheses, n); in panels near
        the pole those of :mod:`zprime_recast.process.poles`.
        """
        place = np.asarray(mass_gev * (mass_gev - 1j * gamma_gev), dtype=complex)[:, None]
        low = -POINTS * len(self.low.middle)
        found = np.asarray(self.weights / (self.s - place), dtype=complex)
        of_low = found[:, low:].copy()
        put_closed_form(of_low, self.low, place)
        found[:, low:] = of_low
        squared = found.real**2 + found.imag**2
        np.divide(of_low.imag, -(mass_gev * gamma_gev)[:, None], out=squared[:, low:])
        return found, squared


Grids = tuple[Panels, Panels, Panels]


def grids_of(levels: Levels) -> Grids:
    """Their panels, from the lowest level upwards."""
    low, middle, high = levels
    return low.grid, middle.grid, high.grid


@lru_cache(maxsize=1024)
def pole_nodes(grids: Grids, panel: int) -> PoleNodes:
    """For a pole in this panel of the middle level."""
    low, _, high = grids
    above = panel // GROUP
    spans, kept = [(2, 0, len(high.middle))], [np.ones(len(high.middle))]
    kept[0][max(above - 1, 0) : above + 2] = 0.0
    for level, k in ((1, above), (0, panel)):
        first, last = max(k - 1, 0) * GROUP, min((k + 2) * GROUP, len(grids[level].middle))
        spans.append((level, first, last))
    _, first, last = spans[1]
    kept.append((np.abs(np.arange(first, last) - panel) > 1).astype(float))
    s = np.concatenate([grids[level].part(first, last).s for level, first, last in spans])
    nodes = tuple((level, first * POINTS, last * POINTS) for level, first, last in spans)
    lowest = low.part(*spans[2][1:])
    weights = np.concatenate([np.repeat(np.concatenate(kept), POINTS), lowest.weights])
    return PoleNodes(s, weights, lowest, nodes)


def by_panel(middle: Panels, mass_gev: FloatArray) -> list[tuple[slice, int]]:
    """Neighbouring hypotheses, (n,), whose poles are in the same panel of the middle level, and which one it is."""
    if not len(mass_gev):
        return []
    own = np.searchsorted(middle.edges_s[1:-1], mass_gev**2, side="right")
    starts = [0, *(np.nonzero(own[1:] != own[:-1])[0] + 1).tolist(), len(own)]
    return [(slice(first, last), int(own[first])) for first, last in pairwise(starts)]


@dataclass(frozen=True, eq=False, repr=False)
class Window(Quiet):
    """What a level is folded with at some of its nodes, without columns of zeros: bins far from them see nothing."""

    columns: IndexArray | slice
    matrix: FloatArray
    """(n_nodes, n_columns)."""


#: First columns, and those after the last.
Ranges = tuple[tuple[int, int], ...]


@lru_cache(maxsize=2048)
def window(level: Level, start: int, stop: int, squared: bool, ranges: Ranges) -> Window:
    """Nodes ``start`` to before ``stop`` of what a level holds for the spectrum, or that of |Z'|^2, in some columns."""
    rows = (level.of_squared if squared else level.of_signal)[start:stop]
    wanted = np.zeros(rows.shape[1], dtype=bool)
    for first, last in ranges:
        wanted[first:last] = rows[:, first:last].any(axis=0)
    columns = np.nonzero(wanted)[0]
    if len(columns) and columns[-1] - columns[0] + 1 == len(columns):
        whole = slice(int(columns[0]), int(columns[-1]) + 1)
        return Window(whole, np.ascontiguousarray(rows[:, whole]))
    return Window(columns, np.ascontiguousarray(rows[:, columns]))


def levels(grid: Panels, parton_rate: FloatArray, of_signal: FloatArray, of_squared: FloatArray) -> Levels:
    """The lowest level, and two above it: the number of panels is a multiple of GROUP^2."""
    found = [Level(grid, parton_rate, of_signal, of_squared)]
    for size in (GROUP, GROUP**2):
        wide = Panels(grid.edges_gev[::size])
        nodes, shares = grid.values_at(wide.m_gev)
        rate = (parton_rate[:, nodes] * shares).sum(axis=-1)
        _, shares = wide.values_at(grid.m_gev)
        shares = (shares * grid.weights[:, None]).reshape(len(wide.middle), -1, POINTS)
        found.append(Level(wide, rate, _moments(shares, of_signal), _moments(shares, of_squared)))
    low, middle, high = found
    return low, middle, high


def _moments(shares: FloatArray, rows: FloatArray) -> FloatArray:
    """(n_panels * POINTS, k) from functions at the nodes of the lowest level, (n_nodes, k)."""
    by_panel = rows.reshape(len(shares), -1, rows.shape[1])
    return np.asarray(np.matmul(np.swapaxes(shares, 1, 2), by_panel).reshape(-1, rows.shape[1]))
