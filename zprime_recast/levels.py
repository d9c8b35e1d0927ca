r"""Levels of panels, each GROUP times as wide as the one below, for a spectrum that is smooth on wide panels.

.. math:: \int_{panel} f(s) R(s)\, ds \approx \sum_p f(s_p) \int_{panel} \ell_p(s) R(s)\, ds

with Lagrange's polynomials of the panel's nodes: what is folded with a spectrum f enters by its moments, made once. If
the nearest pole of f is x half widths away from the middle of a panel, the error is (x + sqrt(x^2 - 1))^-POINTS of what
the panel holds: 1e-5 for x = 2.3, the nearest one that is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .cards import ComplexArray, FloatArray, IndexArray
from .lineshape import POINTS, Panels, pole_weights

#: Panels of a level that make one of the next.
GROUP = 5


@dataclass(frozen=True, eq=False)
class Level:
    """Panels of one width, and what a spectrum is folded with at their nodes."""

    grid: Panels
    parton_rate: FloatArray
    """(5, n_nodes)."""
    of_signal: FloatArray
    """For the whole spectrum, (n_nodes, k): functions at the lowest level, moments above it."""
    of_squared: FloatArray
    """The same for the spectrum of |Z'|^2."""


Levels = tuple[Level, Level, Level]


@dataclass(frozen=True)
class Window:
    """What a level is folded with at some of its nodes, without columns of zeros: bins far from them see nothing."""

    columns: IndexArray | slice
    matrix: FloatArray
    """(n_nodes, n_columns)."""


@lru_cache(maxsize=512)
def window(level: Level, start: int, stop: int, squared: bool, bins: tuple[tuple[int, int], ...]) -> Window:
    """Nodes from ``start`` to before ``stop`` of what a level holds for the spectrum, or that of |Z'|^2, in some ranges
    of columns.
    """
    rows = (level.of_squared if squared else level.of_signal)[start:stop]
    wanted = np.zeros(rows.shape[1], dtype=bool)
    for first, last in bins:
        wanted[first:last] = rows[:, first:last].any(axis=0)
    columns = np.nonzero(wanted)[0]
    if len(columns) and columns[-1] - columns[0] + 1 == len(columns):
        whole = slice(int(columns[0]), int(columns[-1]) + 1)
        return Window(whole, np.ascontiguousarray(rows[:, whole]))
    return Window(columns, np.ascontiguousarray(rows[:, columns]))


@dataclass(frozen=True)
class Piece:
    """The propagator where it is needed: at some nodes of a level, for the hypotheses that use them."""

    level: int
    """Which one; 0 is the lowest."""
    start: int
    """First of the nodes."""
    stop: int
    """The one after the last."""
    rows: slice
    """Which hypotheses."""
    propagator: ComplexArray
    """(n_rows, n_nodes); 0 where the level below takes its place, weights of :mod:`zprime_recast.lineshape` at the
    lowest level."""
    squared: FloatArray
    """The same of its square."""


def pieces(grids: tuple[Panels, Panels, Panels], mass_gev: FloatArray, gamma_gev: FloatArray) -> Iterator[Piece]:
    """The propagators 1/(s - M^2 + i M Gamma) of hypotheses, (n,), in the order of their masses: at all panels of the
    highest level, and those of lower ones beside the pole.
    """
    place = (mass_gev * (mass_gev - 1j * gamma_gev))[:, None]
    own = [np.searchsorted(grid.edges_s[1:-1], mass_gev**2, side="right") for grid in grids]

    def smooth(level: int, first: int, last: int, rows: slice) -> Piece:
        propagator = np.asarray(1 / (grids[level].part(first, last).s - place[rows]), dtype=complex)
        beside = np.abs(np.arange(first, last) - own[level][rows, None]) <= 1
        propagator.reshape(*beside.shape, POINTS)[beside] = 0.0
        squared = propagator.real**2 + propagator.imag**2
        return Piece(level, first * POINTS, last * POINTS, rows, propagator, squared)

    yield smooth(2, 0, len(grids[2].middle), slice(None))
    for level in (1, 0):
        above = own[level + 1]
        starts = [0, *(np.nonzero(np.diff(above))[0] + 1).tolist(), len(above)]
        for start, stop in zip(starts[:-1], starts[1:], strict=True):
            k, rows = int(above[start]), slice(start, stop)
            first, last = max(k - 1, 0) * GROUP, min((k + 2) * GROUP, len(grids[level].middle))
            if level == 1:
                yield smooth(level, first, last, rows)
                continue
            mass, gamma = mass_gev[rows], gamma_gev[rows]
            weights = pole_weights(grids[0].part(first, last), mass, gamma)
            squared = -weights.imag / (mass * gamma)[:, None]
            yield Piece(level, first * POINTS, last * POINTS, rows, weights, squared)


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
