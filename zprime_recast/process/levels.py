r"""Levels of panels, each GROUP times as wide as the one below, for a spectrum that is smooth on wide panels.

.. math:: \int_{panel} f(s) R(s)\, ds \approx \sum_p f(s_p) \int_{panel} \ell_p(s) R(s)\, ds

with Lagrange's polynomials of the panel's nodes: what is folded with a spectrum f enters by its moments, made once. If
the nearest pole of f is x half widths away from the middle of a panel, the error is (x + sqrt(x^2 - 1))^-POINTS of what
the panel holds: 1e-5 for x = 2.3, the nearest one that is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from ..arrays import ComplexArray, FloatArray, IndexArray, Quiet
from ..io.memo import Memo, PickledByFields
from .poles import POINTS, Panels, put_closed_form

#: Panels of a level that make one of the next.
GROUP = 5


@dataclass(frozen=True, eq=False, repr=False)
class Window(Quiet):
    """What a level is folded with at some of its nodes, without columns of zeros: bins far from them see nothing."""

    columns: IndexArray | slice
    matrix: FloatArray
    """(n_nodes, n_columns)."""


#: First columns, and those after the last.
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Level(Quiet, PickledByFields):
    """Panels of one width, and what a spectrum is folded with at their nodes."""

    grid: Panels
    parton_rate: FloatArray
    """(5, n_nodes)."""
    of_signal: FloatArray
    """For the whole spectrum, (n_nodes, k): functions at the lowest level, moments above it."""
    of_squared: FloatArray
    """The same for the spectrum of |Z'|^2."""

    @cached_property
    def _windows(self) -> Memo[tuple[int, int, bool, Ranges], Window]:
        return Memo(2048)

    def window(self, start: int, stop: int, squared: bool, ranges: Ranges) -> Window:
        """What nodes ``start`` to before ``stop`` are folded with for the spectrum, or with ``squared`` for that of
        |Z'|^2, in some ranges of columns.
        """
        return self._windows.get((start, stop, squared, ranges), lambda: self._window(start, stop, squared, ranges))

    def _window(self, start: int, stop: int, squared: bool, ranges: Ranges) -> Window:
        rows = (self.of_squared if squared else self.of_signal)[start:stop]
        wanted = np.zeros(rows.shape[1], dtype=bool)
        for first, last in ranges:
            wanted[first:last] = rows[:, first:last].any(axis=0)
        columns = np.nonzero(wanted)[0]
        if len(columns) and columns[-1] - columns[0] + 1 == len(columns):
            whole = slice(int(columns[0]), int(columns[-1]) + 1)
            return Window(whole, np.ascontiguousarray(rows[:, whole]))
        return Window(columns, np.ascontiguousarray(rows[:, columns]))


@dataclass(frozen=True, eq=False, repr=False)
class PoleNodes(Quiet):
    """The nodes at which a spectrum is taken whose pole lies in one panel of the middle level: those of the highest
    level, of the middle one beside the pole and of the lowest one closer to it, in this order.
    """

    panel: int
    """The panel of the middle level that the pole is in."""
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


@dataclass(frozen=True, eq=False, repr=False)
class Levels(Quiet, PickledByFields):
    """The three levels of a search."""

    low: Level
    middle: Level
    high: Level

    @cached_property
    def all(self) -> tuple[Level, Level, Level]:
        """The levels, from the lowest upwards."""
        return self.low, self.middle, self.high

    @cached_property
    def all_columns(self) -> tuple[Ranges, Ranges]:
        """All columns that the spectrum is folded with, and all for that of |Z'|^2."""
        return ((0, self.low.of_signal.shape[1]),), ((0, self.low.of_squared.shape[1]),)

    @cached_property
    def _nodes(self) -> Memo[int, PoleNodes]:
        return Memo(1024)

    @cached_property
    def _windows(self) -> Memo[tuple[int, bool, Ranges], list[tuple[slice, Window]]]:
        return Memo(1024)

    def nodes(self, panel: int) -> PoleNodes:
        """The nodes for a pole in a panel of the middle level."""
        return self._nodes.get(panel, lambda: self._pole_nodes(panel))

    def windows(self, nodes: PoleNodes, squared: bool, ranges: Ranges) -> list[tuple[slice, Window]]:
        """What the levels are folded with for the spectrum, or with ``squared`` for that of |Z'|^2, in some ranges of
        columns, each with the slice of ``nodes`` it belongs to. The nodes may be those of another search on the same
        panels.
        """
        return self._windows.get((nodes.panel, squared, ranges), lambda: self._pole_windows(nodes, squared, ranges))

    def _pole_nodes(self, panel: int) -> PoleNodes:
        n_high = len(self.high.grid.middle)
        above = panel // GROUP
        spans, kept = [(2, 0, n_high)], [np.ones(n_high)]
        kept[0][max(above - 1, 0) : above + 2] = 0.0
        for level, k in ((1, above), (0, panel)):
            first, last = max(k - 1, 0) * GROUP, min((k + 2) * GROUP, len(self.all[level].grid.middle))
            spans.append((level, first, last))
        _, first, last = spans[1]
        kept.append((np.abs(np.arange(first, last) - panel) > 1).astype(float))
        nodes = tuple((level, first * POINTS, last * POINTS) for level, first, last in spans)
        s = np.concatenate([self.all[level].grid.s[first:last] for level, first, last in nodes])
        lowest = self.low.grid.part(*spans[2][1:])
        weights = np.concatenate([np.repeat(np.concatenate(kept), POINTS), lowest.weights])
        return PoleNodes(panel, s, weights, lowest, nodes)

    def _pole_windows(self, nodes: PoleNodes, squared: bool, ranges: Ranges) -> list[tuple[slice, Window]]:
        found, start = [], 0
        for level, first, last in nodes.spans:
            at = slice(start, start + last - first)
            found.append((at, self.all[level].window(first, last, squared, ranges)))
            start = at.stop
        return found


def by_panel(middle: Panels, mass_gev: FloatArray) -> list[tuple[slice, int]]:
    """Neighbouring hypotheses, (n,), whose poles are in the same panel of the middle level, and which one it is."""
    if not len(mass_gev):
        return []
    own = np.searchsorted(middle.edges_s[1:-1], mass_gev**2, side="right")
    starts = [0, *(np.nonzero(own[1:] != own[:-1])[0] + 1).tolist(), len(own)]
    return [(slice(first, last), int(own[first])) for first, last in pairwise(starts)]


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
    return Levels(*found)


def _moments(shares: FloatArray, rows: FloatArray) -> FloatArray:
    """(n_panels * POINTS, k) from functions at the nodes of the lowest level, (n_nodes, k)."""
    by_panel = rows.reshape(len(shares), -1, rows.shape[1])
    return np.asarray(np.matmul(np.swapaxes(shares, 1, 2), by_panel).reshape(-1, rows.shape[1]))
