r"""Groups of the cells of true mass, for spectra that are smooth over a group.

.. math:: \int_{group} f(s) R(s)\, ds \approx \sum_p f(s_p) \int_{group} \ell_p(s) R(s)\, ds

with the Lagrange polynomials of Chebyshev points s_p of the group, and R linear between the nodes. If the nearest
pole of f is x half-widths of the group away from its centre, the error is (x + sqrt(x^2 - 1))^-POINTS of what the group
holds: 1e-6 for x = 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .cards import FloatArray

#: Chebyshev points of a group.
POINTS = 6


@dataclass(frozen=True)
class CoarseGrid:
    """Groups of cells and their points."""

    cells: int
    """Of a group; the last group may have fewer."""
    s: FloatArray
    """Points in GeV^2, (n_groups, POINTS)."""
    weights: FloatArray
    """Integral of Lagrange polynomial times hat function of each node, (n_groups, POINTS, cells + 1)."""

    def moments(self, values: FloatArray) -> FloatArray:
        """Integrals of the Lagrange polynomials times functions at the nodes (n_nodes, k), (n_groups, POINTS, k)."""
        n_groups = len(self.s)
        rows = np.zeros((n_groups * self.cells + 1, values.shape[1]))
        rows[: len(values)] = values
        index = np.arange(n_groups)[:, None] * self.cells + np.arange(self.cells + 1)
        return np.asarray(np.matmul(self.weights, rows[index]))

    def at_points(self, m_nodes_gev: FloatArray, values: FloatArray) -> FloatArray:
        """Functions given at the nodes (k, n_nodes), linear in s between them, at the points (k, n_groups * POINTS)."""
        points = self.s.ravel()
        return np.stack([np.interp(points, m_nodes_gev**2, row) for row in values])


def coarse_grid(m_nodes_gev: FloatArray, cells: int) -> CoarseGrid:
    """Groups of ``cells`` cells between nodes of true mass (GeV, ascending)."""
    s = m_nodes_gev**2
    n_groups = -(-(len(s) - 1) // cells)
    chebyshev = np.cos(np.pi * (2 * np.arange(POINTS) + 1) / (2 * POINTS))
    # integrands are polynomials of order POINTS on a cell
    nodes, node_weights = np.polynomial.legendre.leggauss(POINTS // 2 + 1)
    points = np.zeros((n_groups, POINTS))
    weights = np.zeros((n_groups, POINTS, cells + 1))
    for g in range(n_groups):
        inside = s[g * cells : (g + 1) * cells + 1]
        middle, half = 0.5 * (inside[0] + inside[-1]), 0.5 * (inside[-1] - inside[0])
        points[g] = middle + half * chebyshev
        width = np.diff(inside)[:, None]
        right = 0.5 * (1 + nodes)
        at = inside[:-1, None] + width * right
        basis = _lagrange((at - middle) / half, chebyshev) * (0.5 * width * node_weights)
        n = len(width)
        weights[g, :, :n] += (basis * (1 - right)).sum(axis=-1)
        weights[g, :, 1 : n + 1] += (basis * right).sum(axis=-1)
    return CoarseGrid(cells, points, weights)


def _lagrange(x: FloatArray, nodes: FloatArray) -> FloatArray:
    """Lagrange polynomials of the nodes at x, (n_nodes, *x.shape)."""
    rows = []
    for p, node in enumerate(nodes):
        others = np.delete(nodes, p)
        rows.append(np.prod([(x - other) / (node - other) for other in others], axis=0))
    return np.stack(rows)
