r"""Exact integrals over the pole of a propagator.

The range of s is cut into panels. On each panel a smooth function F(s) is given at the POINTS Gauss-Legendre nodes and
replaced by the polynomial through them. This module gives complex weights C_p such that

.. math:: \int F(s) \frac{ds}{s - M^2 + i M \Gamma} = \sum_p C_p F(s_p)

Away from the pole they are the Gauss-Legendre weights times the propagator. Near the pole the integral of the Legendre
polynomials times the propagator is done in closed form: with s = s_c + h t on the panel and the pole at t = z,

.. math:: \int_{-1}^{1} \frac{P_k(t)}{t - z} dt
          = P_k(z) \ln\frac{1 - z}{-1 - z} + \int_{-1}^{1} \frac{P_k(t) - P_k(z)}{t - z} dt

where the last integrand is a polynomial. No peak is missed, however narrow: this holds for Gamma/M from 1e-8 to 0.5.
The real part of C gives the interference, and -Im C/(M Gamma) gives |propagator|^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import BoolArray, ComplexArray, FloatArray, Quiet
from ..io.memo import PickledByFields

#: Number of nodes of a panel.
POINTS = 8
#: Distance |z| of the pole from the middle of a panel, in half panels, up to which the closed form is used. Beyond it
#: the Gauss-Legendre rule is exact to 1e-15, while the closed form loses digits.
NEAR = 4.0

_T, _W = np.polynomial.legendre.leggauss(POINTS)
#: P_k at the nodes, (k, POINTS).
_P = np.polynomial.legendre.legvander(_T, POINTS - 1).T
#: Matrix from integrals of P_k to weights of the nodes, (k, POINTS): (2 k + 1)/2 w_p P_k(t_p).
_TO_NODES = (np.arange(POINTS)[:, None] + 0.5) * _P * _W
#: Coefficients of t^i in P_k, (i, k).
_LEGENDRE = np.zeros((POINTS, POINTS))
for _k in range(POINTS):
    _LEGENDRE[: _k + 1, _k] = np.polynomial.legendre.leg2poly([0] * _k + [1])
#: Coefficients of z^i t^j in (P_k(t) - P_k(z))/(t - z), (i, j, k).
_REST = np.zeros((POINTS - 1, POINTS - 1, POINTS))
for _i in range(POINTS - 1):
    _REST[_i, : POINTS - 1 - _i] = _LEGENDRE[_i + 1 :]


def _moments(begin: FloatArray | float) -> FloatArray:
    """Integrals of t^j from ``begin`` to 1, (..., POINTS - 1)."""
    j = np.arange(1, POINTS)
    return np.asarray((1 - np.asarray(begin)[..., None] ** j) / j)


#: Coefficients of z^i in the integral of (P_k(t) - P_k(z))/(t - z) over t from -1 to 1, (i, k).
_REST_OF_PANEL = np.einsum("j,ijk->ik", _moments(-1.0), _REST)


def pole(mass_gev: ArrayLike, gamma_gev: ArrayLike, running: bool) -> tuple[FloatArray, FloatArray, ComplexArray]:
    """Mass (GeV), width (GeV) and residue of the propagator residue/(s - mass^2 + i mass width).

    Mass and width broadcast. A propagator with a running width, 1/(s - M^2 + i s Gamma/M), equals one with a fixed
    width at every s: its mass is M/sqrt(1 + r^2), its width Gamma/sqrt(1 + r^2) and its residue 1/(1 + i r), with
    r = Gamma/M.
    """
    mass, gamma = np.asarray(mass_gev, dtype=float), np.asarray(gamma_gev, dtype=float)
    if not running:
        return mass, gamma, np.ones(np.broadcast(mass, gamma).shape, dtype=complex)
    r = gamma / mass
    shrink = np.sqrt(1 + r**2)
    return np.asarray(mass / shrink), np.asarray(gamma / shrink), np.asarray(1 / (1 + 1j * r))


@dataclass(frozen=True, eq=False, repr=False)
class Panels(Quiet, PickledByFields):
    """Adjacent panels of true mass, and their nodes."""

    edges_gev: FloatArray
    """Edges of the panels in GeV, (n + 1,), ascending."""

    @cached_property
    def edges_s(self) -> FloatArray:
        """Edges in GeV^2, (n + 1,)."""
        return np.asarray(self.edges_gev**2)

    @cached_property
    def middle(self) -> FloatArray:
        """Middles of the panels in s, GeV^2, (n,)."""
        return np.asarray(0.5 * (self.edges_gev[1:] ** 2 + self.edges_gev[:-1] ** 2))

    @cached_property
    def half(self) -> FloatArray:
        """Half widths of the panels in s, GeV^2, (n,)."""
        return np.asarray(0.5 * (self.edges_gev[1:] ** 2 - self.edges_gev[:-1] ** 2))

    @cached_property
    def s(self) -> FloatArray:
        """Nodes in GeV^2, (n * POINTS,), ascending."""
        return np.asarray((self.middle[:, None] + self.half[:, None] * _T).ravel())

    @cached_property
    def m_gev(self) -> FloatArray:
        """Nodes in GeV, (n * POINTS,)."""
        return np.sqrt(self.s)

    @cached_property
    def weights(self) -> FloatArray:
        """Gauss-Legendre weights of the nodes for an integral over s without a pole, GeV^2, (n * POINTS,)."""
        return np.asarray((self.half[:, None] * _W).ravel())

    def part(self, start: int, stop: int) -> Panels:
        """The panels ``start`` to ``stop`` (exclusive)."""
        return Panels(self.edges_gev[start : stop + 1])

    def values_at(self, m_gev: FloatArray) -> tuple[np.ndarray, FloatArray]:
        """Indices of nodes and their shares, each (n, POINTS), that interpolate a function at masses (n,) in GeV.

        The masses lie inside the panels.
        """
        panel = np.clip(np.searchsorted(self.edges_gev, m_gev, side="right") - 1, 0, len(self.middle) - 1)
        t = (m_gev**2 - self.middle[panel]) / self.half[panel]
        shares = np.polynomial.legendre.legvander(t, POINTS - 1) @ _TO_NODES
        return panel[:, None] * POINTS + np.arange(POINTS), shares


@lru_cache(maxsize=16)
def panels(low_gev: float, high_gev: float, width: float, multiple: int = 1) -> Panels:
    """Panels of equal width in ln(m), at most ``width``; their number is a multiple of ``multiple``."""
    n = max(int(np.ceil(np.log(high_gev / low_gev) / width / multiple)), 1) * multiple
    edges = np.geomspace(low_gev, high_gev, n + 1)
    edges[0], edges[-1] = low_gev, high_gev
    return Panels(edges)


def pole_weights(
    grid: Panels, mass_gev: ArrayLike, gamma_gev: ArrayLike, low_gev: ArrayLike | None = None
) -> ComplexArray:
    """Weights C_p of the formula at the head of this module, (*hypotheses, n_nodes).

    Mass and width in GeV broadcast to the shape of the hypotheses. The integral starts at the first edge, or at
    ``low_gev`` (same shape), which may lie inside a panel.
    """
    mass, gamma = np.asarray(mass_gev, dtype=float), np.asarray(gamma_gev, dtype=float)
    if mass.shape != gamma.shape:
        mass, gamma = np.broadcast_arrays(mass, gamma)
    place = (mass * (mass - 1j * gamma))[..., None]
    weights = np.asarray(grid.weights / (grid.s - place), dtype=complex)
    z, near = put_closed_form(weights, grid, place)
    if low_gev is not None:
        by_panel = weights.reshape(*mass.shape, -1, POINTS)
        low = np.broadcast_to(np.asarray(low_gev, dtype=float), mass.shape)[..., None] ** 2
        begin = (low - grid.middle) / grid.half
        by_panel[begin >= 1] = 0.0
        cut = (begin > -1) & (begin < 1)
        by_panel[cut & near] = closed_form(z[cut & near], begin[cut & near])
        far = cut & ~near
        by_panel[far] = _shortened(z[far], begin[far])
    return weights


def put_closed_form(weights: ComplexArray, grid: Panels, place: ComplexArray) -> tuple[ComplexArray, BoolArray]:
    """Overwrite Gauss-Legendre weights, (*hypotheses, n_nodes), in panels near the poles.

    ``place`` holds the poles in GeV^2, (*hypotheses, 1). Returns the poles in units of the half panels, and whether a
    panel is near its pole, each (*hypotheses, n_panels).
    """
    z = (place - grid.middle) / grid.half
    near = np.abs(z) < NEAR
    weights.reshape(*z.shape, POINTS)[near] = closed_form(z[near])
    return z, near


def closed_form(z: ComplexArray, begin: FloatArray | float = -1.0) -> ComplexArray:
    """Weights (n, POINTS) of the nodes of panels with poles at z, (n,), for integrals over t from ``begin`` to 1."""
    powers = np.ones((len(z), POINTS), dtype=complex)
    powers[:, 1:] = z[:, None]
    np.multiply.accumulate(powers, axis=1, out=powers)
    if isinstance(begin, float) and begin == -1.0:
        rest = powers[:, :-1] @ _REST_OF_PANEL
    else:
        rest = np.einsum("ni,nj,ijk->nk", powers[:, :-1], _moments(begin), _REST)
    integrals = powers @ _LEGENDRE
    integrals *= np.log((1 - z) / (begin - z))[:, None]
    integrals += rest
    return np.asarray(integrals @ _TO_NODES)


def _shortened(z: ComplexArray, begin: FloatArray) -> ComplexArray:
    """Weights as in :func:`closed_form`, by the Gauss-Legendre rule from ``begin`` to 1, for a pole far away."""
    t = 0.5 * (1 + begin[:, None] + (1 - begin[:, None]) * _T)
    values = 0.5 * (1 - begin[:, None]) * _W / (t - z[:, None])
    return np.asarray(np.einsum("nq,nqk->nk", values, np.polynomial.legendre.legvander(t, POINTS - 1)) @ _TO_NODES)
