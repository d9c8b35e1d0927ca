"""Chirality amplitudes of photon, Z and Z'."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import ComplexArray, FloatArray
from ..model.zprime import ZprimeModel
from .couplings import CouplingProducts, chirality_sums, standard_couplings


def z_propagator(s: FloatArray, m_z_gev: float, gamma_z_gev: float) -> ComplexArray:
    """1/(s - M_Z^2 + i M_Z Gamma_Z) in GeV^-2, s in GeV^2; that of the photon is 1/s."""
    return np.asarray(1 / (s - m_z_gev**2 + 1j * m_z_gev * gamma_z_gev), dtype=complex)


def interference_amplitude(
    products: CouplingProducts, s: FloatArray, m_z_gev: float, gamma_z_gev: float
) -> ComplexArray:
    """2 sum_ij q_i^q q_j^l a_ij(s), a the photon + Z amplitude; complex, ([n,] 5, *s.shape), GeV^-2, at unit coupling.

    The interference of a Z' of coupling g is then g^2 Re[this* / (s - M^2 + i M Gamma)].
    """
    z = z_propagator(s, m_z_gev, gamma_z_gev)
    amplitude = np.multiply.outer(products.zprime_photon, 1 / s) + np.multiply.outer(products.zprime_z, z)
    return np.asarray(2 * amplitude, dtype=complex)


def partonic_sm(model: ZprimeModel, s: ArrayLike) -> FloatArray:
    """sigma_hat(q qbar -> gamma/Z -> l l) in GeV^-2, shape (5, *s.shape), s in GeV^2."""
    s = np.asarray(s, dtype=float)
    sm = model.sm
    photon, z_boson = standard_couplings(sm)
    pairs = ((photon, photon), (photon, z_boson), (z_boson, z_boson))
    pp, pz, zz = (chirality_sums(*pair).sum(axis=0) for pair in pairs)
    z = z_propagator(s, sm.m_z_gev, sm.gamma_z_gev)
    terms = ((pp, 1 / s**2), (pz, 2 * z.real / s), (zz, z.real**2 + z.imag**2))
    return np.asarray(s / (144 * np.pi) * sum(np.multiply.outer(sums, shape) for sums, shape in terms))


Component = Literal["signal", "zprime", "sm", "full"]
