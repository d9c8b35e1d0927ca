r"""Exact integrals of a Breit-Wigner over fine cells.

A smooth function F(s) is given at nodes and linear between them. With u = s - M^2, w = M Gamma and
D = u^2 + w^2 this module gives weights such that

.. math:: \int F \frac{ds}{D} = \sum_k W_k F(s_k), \qquad \int F \frac{u\,ds}{D} = \sum_k V_k F(s_k)

in closed form (arctangent and logarithm), so that no peak is stepped over however narrow: Gamma/M from 1e-8 to 0.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .cards import ComplexArray, FloatArray


def pole(mass_gev: ArrayLike, gamma_gev: ArrayLike, running: bool) -> tuple[FloatArray, FloatArray, ComplexArray]:
    """Mass (GeV), width (GeV) and residue of the propagator: residue/(s - mass^2 + i mass width).

    A running width, s - M^2 + i s Gamma/M, is the same as a fixed one of mass M/sqrt(1 + r^2) and width
    Gamma/sqrt(1 + r^2) with residue 1/(1 + i r), r = Gamma/M, at every s.
    """
    mass, gamma = np.asarray(mass_gev, dtype=float), np.asarray(gamma_gev, dtype=float)
    if not running:
        return mass, gamma, np.ones(np.broadcast(mass, gamma).shape, dtype=complex)
    r = gamma / mass
    shrink = np.sqrt(1 + r**2)
    return np.asarray(mass / shrink), np.asarray(gamma / shrink), np.asarray(1 / (1 + 1j * r))


def breit_wigner_weights(
    s_nodes: FloatArray, mass_gev: ArrayLike, gamma_gev: ArrayLike, s_low: ArrayLike = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Weights (W, V) of the module's formulas, each of shape (*hypotheses, n_nodes), in GeV^-2 and 1.

    ``s_nodes`` (GeV^2) ascending; mass and width (GeV) broadcast to the shape of the hypotheses. The integral begins
    at ``s_low`` (GeV^2, same shape), also inside a cell.
    """
    mass, gamma, low = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (mass_gev, gamma_gev, s_low)))
    w = (mass * gamma)[..., None]
    u = s_nodes - (mass**2)[..., None]
    u1, u2 = u[..., :-1], u[..., 1:]
    step = np.diff(s_nodes)
    # each cell from its left node, or from s_low, to its right node
    begin = np.minimum(np.maximum(u1, (low - mass**2)[..., None]), u2)
    # integrals of 1/D, u/D and u^2/D over that
    inverse = np.arctan2(w * (u2 - begin), w**2 + begin * u2) / w
    logarithm = 0.5 * np.log((u2**2 + w**2) / (begin**2 + w**2))
    square = (u2 - begin) - w**2 * inverse
    # the share of each cell's right node: integrand times (u - u1)/step
    right = (logarithm - u1 * inverse) / step
    right_u = (square - u1 * logarithm) / step
    weights, weights_u = np.zeros(u.shape), np.zeros(u.shape)
    weights[..., 1:] += right
    weights[..., :-1] += inverse - right
    weights_u[..., 1:] += right_u
    weights_u[..., :-1] += logarithm - right_u
    return weights, weights_u
