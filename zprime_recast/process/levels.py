r"""Levels of panels, each GROUP times as wide as the one below, for a spectrum that is smooth on wide panels.

.. math:: \int_{panel} f(s) R(s)\, ds \approx \sum_p f(s_p) \int_{panel} \ell_p(s) R(s)\, ds

with the Lagrange polynomials l_p of the nodes of the panel. The function R that is folded with a spectrum f enters only
through its moments, which are computed once. If the nearest pole of f is x half widths away from the middle of a panel,
the relative error of the integral over this panel is (x + sqrt(x^2 - 1))^-POINTS: 1e-5 for x = 2.3, the smallest
distance at which a wide panel is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from ..arrays import ComplexArray, FloatArray, IndexArray, Quiet
from ..io.memo import Memo, PickledByFields
from .poles import POINTS, Panels, put_closed_form

#: Number of panels that make one panel of the next higher level.
GROUP = 5


@dataclass(frozen=True, eq=False, repr=False)
class Window(Quiet):
    """Rows of the functions or moments of a level, without columns of zeros: bins far from the nodes see nothing."""

    columns: IndexArray | slice
    """Columns of the level that are kept."""
    matrix: FloatArray
    """(n_nodes, n_columns)."""


#: Ranges of columns: the first column and the one after the last, of each.
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Level(Quiet, PickledByFields):
    """Panels of one width, with the functions or moments that a spectrum is folded with at their nodes."""

    grid: Panels
    parton_rate: FloatArray
    """Rates of the partons per pair, (..., pairs, n_nodes)."""
    of_signal: FloatArray
    """Folded with the whole spectrum, (n_nodes, k): functions at the lowest level, moments at the levels above."""
    of_squared: FloatArray
    """Folded with the spectrum of |Z'|^2, likewise."""

    @cached_property
    def _windows(self) -> Memo[tuple[int, int, bool, Ranges], Window]:
        return Memo(2048)

    def window(self, start: int, stop: int, squared: bool, ranges: Ranges) -> Window:
        """Rows ``start`` to ``stop`` (exclusive) of ``of_squared`` or ``of_signal``, in some ranges of columns."""
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
    """The nodes at which a spectrum is evaluated if its pole lies in a given panel of the middle level.

    First come the nodes of the highest level, then those of the middle level beside the pole, then those of the lowest
    level closest to it.
    """

    panel: int
    """Number of the panel of the middle level that contains the pole."""
    s: FloatArray
    """GeV^2, (n,)."""
    weights: FloatArray
    """Weights, (n,): 1 at the upper levels, whose moments are integrals already, or 0 where the level below takes their
    place; Gauss-Legendre weights in GeV^2 at the lowest level."""
    low: Panels
    """Panels of the lowest level that are used."""
    spans: tuple[tuple[int, int, int], ...]
    """(level, first node, node after the last) of each level that is used, in the order of the nodes."""

    def propagators(self, mass_gev: FloatArray, gamma_gev: FloatArray) -> tuple[ComplexArray, FloatArray]:
        """1/(s - M^2 + i M Gamma) and its squared modulus, both times the weights, (n_hypotheses, n).

        Panels near the pole get the closed-form weights of :mod:`zprime_recast.process.poles`.
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
        """Ranges of all columns of ``of_signal``, and of all columns of ``of_squared``."""
        return ((0, self.low.of_signal.shape[1]),), ((0, self.low.of_squared.shape[1]),)

    @cached_property
    def _nodes(self) -> Memo[int, PoleNodes]:
        return Memo(1024)

    @cached_property
    def _windows(self) -> Memo[tuple[int, bool, Ranges], list[tuple[slice, Window]]]:
        return Memo(1024)

    def nodes(self, panel: int) -> PoleNodes:
        """The nodes for a pole in this panel of the middle level."""
        return self._nodes.get(panel, lambda: self._pole_nodes(panel))

    def windows(self, nodes: PoleNodes, squared: bool, ranges: Ranges) -> list[tuple[slice, Window]]:
        """Windows of the levels at the nodes, each with the slice of ``nodes`` that it belongs to.

        ``squared`` selects ``of_squared`` instead of ``of_signal``; ``ranges`` selects columns. The nodes may come from
        another search on the same panels.
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
    """Slices of hypotheses, (n,) in ascending order, whose poles share a panel of the middle level; and its number."""
    if not len(mass_gev):
        return []
    own = np.searchsorted(middle.edges_s[1:-1], mass_gev**2, side="right")
    starts = [0, *(np.nonzero(own[1:] != own[:-1])[0] + 1).tolist(), len(own)]
    return [(slice(first, last), int(own[first])) for first, last in pairwise(starts)]


def levels(grid: Panels, parton_rate: FloatArray, of_signal: FloatArray, of_squared: FloatArray) -> Levels:
    """The lowest level and the two above it, from functions at the nodes of ``grid``.

    ``parton_rate`` is (..., pairs, n_nodes), ``of_signal`` and ``of_squared`` are (n_nodes, k). The number of panels
    of ``grid`` must be a multiple of GROUP^2.
    """
    found = [Level(grid, parton_rate, of_signal, of_squared)]
    for size in (GROUP, GROUP**2):
        wide = Panels(grid.edges_gev[::size])
        nodes, shares = grid.values_at(wide.m_gev)
        rate = (parton_rate[..., nodes] * shares).sum(axis=-1)
        _, shares = wide.values_at(grid.m_gev)
        shares = (shares * grid.weights[:, None]).reshape(len(wide.middle), -1, POINTS)
        found.append(Level(wide, rate, _moments(shares, of_signal), _moments(shares, of_squared)))
    return Levels(*found)


def _moments(shares: FloatArray, rows: FloatArray) -> FloatArray:
    """Moments (n_panels * POINTS, k) of functions at the nodes of the lowest level, (n_nodes, k)."""
    by_panel = rows.reshape(len(shares), -1, rows.shape[1])
    return np.asarray(np.matmul(np.swapaxes(shares, 1, 2), by_panel).reshape(-1, rows.shape[1]))
