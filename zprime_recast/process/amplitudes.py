"""Chirality amplitudes of the photon, the Z and the Z'."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import ComplexArray, FloatArray
from ..model.zprime import ZprimeModel
from .couplings import CouplingProducts, chirality_sums, standard_couplings


def z_propagator(s: FloatArray, m_z_gev: float, gamma_z_gev: float) -> ComplexArray:
    """Z propagator 1/(s - M_Z^2 + i M_Z Gamma_Z) in GeV^-2, for s in GeV^2. The propagator of the photon is 1/s."""
    return np.asarray(1 / (s - m_z_gev**2 + 1j * m_z_gev * gamma_z_gev), dtype=complex)


def interference_amplitude(
    products: CouplingProducts, s: FloatArray, m_z_gev: float, gamma_z_gev: float
) -> ComplexArray:
    """Sum 2 sum_ij q_i^q q_j^l a_ij(s) at unit coupling, with a the photon + Z amplitude, in GeV^-2.

    Complex, ([n,] 5, *s.shape). The interference of a Z' with coupling g is g^2 Re[sum* / (s - M^2 + i M Gamma)].
    """
    z = z_propagator(s, m_z_gev, gamma_z_gev)
    amplitude = np.multiply.outer(products.zprime_photon, 1 / s) + np.multiply.outer(products.zprime_z, z)
    return np.asarray(2 * amplitude, dtype=complex)


def partonic_sm(model: ZprimeModel, s: ArrayLike) -> FloatArray:
    """Partonic cross-section sigma_hat(q qbar -> gamma/Z -> l l) in GeV^-2, (5, *s.shape), for s in GeV^2."""
    s = np.asarray(s, dtype=float)
    sm = model.sm
    photon, z_boson = standard_couplings(sm)
    pairs = ((photon, photon), (photon, z_boson), (z_boson, z_boson))
    pp, pz, zz = (chirality_sums(*pair).sum(axis=0) for pair in pairs)
    z = z_propagator(s, sm.m_z_gev, sm.gamma_z_gev)
    terms = ((pp, 1 / s**2), (pz, 2 * z.real / s), (zz, z.real**2 + z.imag**2))
    return np.asarray(s / (144 * np.pi) * sum(np.multiply.outer(sums, shape) for sums, shape in terms))


Component = Literal["signal", "zprime", "sm", "full"]
