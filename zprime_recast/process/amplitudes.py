"""Chirality amplitudes of photon, Z and Z'."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..model.zprime import ZprimeModel
from ..partons.drell_yan import FLAVORS
from .couplings import ISOSPIN_CHARGE, LEPTON_ISOSPIN_CHARGE, CouplingProducts, z_charges


def interference_amplitude(model: ZprimeModel, products: CouplingProducts, s: FloatArray) -> FloatArray:
    """2 sum_ij q_i^q q_j^l a_ij(s), a the photon + Z amplitude; complex, (5, *s.shape), GeV^-2, at unit coupling.

    The interference of a Z' of coupling g is then g^2 Re[this* / (s - M^2 + i M Gamma)].
    """
    sm = model.sm
    z_propagator = 1 / (s - sm.m_z_gev**2 + 1j * sm.m_z_gev * sm.gamma_z_gev)
    return np.asarray(
        2 * (np.multiply.outer(products.zprime_photon, 1 / s) + np.multiply.outer(products.zprime_z, z_propagator))
    )


def partonic_sm(model: ZprimeModel, s: ArrayLike) -> FloatArray:
    """sigma_hat(q qbar -> gamma/Z -> l l) in GeV^-2, shape (5, *s.shape), s in GeV^2."""
    s = np.asarray(s, dtype=float)
    sm = model.sm
    z_propagator = 1 / (s - sm.m_z_gev**2 + 1j * sm.m_z_gev * sm.gamma_z_gev)
    lepton_z = sm.g_z * z_charges(*LEPTON_ISOSPIN_CHARGE, sm.sin2_theta_w)
    rows = []
    for flavor in FLAVORS:
        isospin, charge = ISOSPIN_CHARGE[flavor]
        z = np.outer(sm.g_z * z_charges(isospin, charge, sm.sin2_theta_w), lepton_z)
        photon = sm.e**2 * charge * LEPTON_ISOSPIN_CHARGE[1]
        amplitude = photon / s + np.multiply.outer(z.ravel(), z_propagator)
        rows.append(s / (144 * np.pi) * (np.abs(amplitude) ** 2).sum(axis=0))
    return np.array(rows)


Component = Literal["signal", "zprime", "sm", "full"]
