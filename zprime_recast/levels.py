r"""Levels of panels, each GROUP times as wide as the one below, for a spectrum that is smooth on wide panels.

.. math:: \int_{panel} f(s) R(s)\, ds \approx \sum_p f(s_p) \int_{panel} \ell_p(s) R(s)\, ds

with Lagrange's polynomials of the panel's nodes: what is folded with a spectrum f enters by its moments, made once. If
the nearest pole of f is x half widths away from the middle of a panel, the error is (x + sqrt(x^2 - 1))^-POINTS of what
the panel holds: 1e-5 for x = 2.3, the nearest one that is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .cards import FloatArray
from .lineshape import POINTS, Panels

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
