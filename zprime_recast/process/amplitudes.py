r"""Partonic cross-sections of q qbar -> l- l+ by photon, Z and Z', chirality by chirality.

With c the cosine of the angle between the lepton l- and the quark in the rest frame of the pair,

.. math:: \frac{d\hat\sigma_q}{dc} = \frac{s}{384\pi} \left[(1+c)^2 (|A_{LL}|^2 + |A_{RR}|^2)
          + (1-c)^2 (|A_{LR}|^2 + |A_{RL}|^2)\right]

for massless fermions. Each bracket integrates to 8/3, so the rate is the sum of both terms and the forward-backward
asymmetry 3/4 of their difference over their sum.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import ComplexArray, FloatArray
from ..model.standard_model import StandardModel
from ..model.zprime import ZprimeModel
from ..partons.pairs import NEUTRAL_CURRENT, PartonPairs
from .couplings import PairProducts, chirality_sums, coupling_products, standard_couplings
from .poles import pole

Component = Literal["signal", "zprime", "sm", "full"]


def z_propagator(s: FloatArray, m_z_gev: float, gamma_z_gev: float) -> ComplexArray:
    """Z propagator 1/(s - M_Z^2 + i M_Z Gamma_Z) in GeV^-2, for s in GeV^2. The propagator of the photon is 1/s."""
    return np.asarray(1 / (s - m_z_gev**2 + 1j * m_z_gev * gamma_z_gev), dtype=complex)


def interference_amplitude(products: PairProducts, s: FloatArray, m_z_gev: float, gamma_z_gev: float) -> ComplexArray:
    """Sum 2 sum_ij q_i^q q_j^l a_ij(s) at unit coupling, with a the photon + Z amplitude, in GeV^-2.

    Complex, ([n,] pairs, *s.shape). The interference of a Z' with coupling g is g^2 Re[sum* / (s - M^2 + i M Gamma)].
    """
    z = z_propagator(s, m_z_gev, gamma_z_gev)
    amplitude = np.multiply.outer(products.zprime_photon, 1 / s) + np.multiply.outer(products.zprime_z, z)
    return np.asarray(2 * amplitude, dtype=complex)


def partonic_sm(sm: StandardModel, s: ArrayLike, pairs: PartonPairs = NEUTRAL_CURRENT) -> FloatArray:
    """sigma_hat(q qbar -> gamma/Z -> l l) in GeV^-2 for s in GeV^2, (2, pairs, *s.shape).

    The first row is that of equal chiralities of quark and lepton, the second that of opposite ones.
    """
    s = np.asarray(s, dtype=float)
    photon, z_boson = standard_couplings(sm, pairs)
    pp, pz, zz = (chirality_sums(*pair) for pair in ((photon, photon), (photon, z_boson), (z_boson, z_boson)))
    z = z_propagator(s, sm.m_z_gev, sm.gamma_z_gev)
    terms = ((pp, 1 / s**2), (pz, 2 * z.real / s), (zz, z.real**2 + z.imag**2))
    return np.asarray(s / (144 * np.pi) * sum(np.multiply.outer(sums, shape) for sums, shape in terms))


def partonic_zprime(
    model: ZprimeModel,
    s: ArrayLike,
    mass_gev: float,
    coupling: float,
    gamma_gev: float,
    interference: bool = True,
    lepton: str = "e",
) -> FloatArray:
    """What a Z' adds to :func:`partonic_sm`, in GeV^-2 for s in GeV^2, (2, pairs, *s.shape).

    Arguments:
        model: the model.
        s: squared masses of the lepton pair in GeV^2.
        mass_gev, coupling, gamma_gev: mass, gauge coupling and total width of the Z'.
        interference: whether to include the interference with photon and Z, which can be negative.
        lepton: ``e``, ``mu`` or ``tau``.
    """
    s = np.asarray(s, dtype=float)
    sm, products = model.sm, coupling_products(model, lepton)
    m_pole, gamma_pole, residue = pole(mass_gev, gamma_gev, model.running_width)
    propagator = residue / (s - m_pole**2 + 1j * m_pole * gamma_pole)
    rates = []
    for of in (products.same, products.opposite):
        rate = coupling**4 * np.multiply.outer(of.zprime_squared, np.abs(propagator) ** 2)
        if interference:
            amplitude = interference_amplitude(of, s, sm.m_z_gev, sm.gamma_z_gev)
            rate = rate + coupling**2 * (amplitude.conj() * propagator).real
        rates.append(rate)
    return np.asarray(s / (144 * np.pi) * np.stack(rates))


def forward_backward_asymmetry(rates: ArrayLike) -> FloatArray:
    """A_FB of l- with respect to the quark, (*shape), from rates of equal and of opposite chiralities, (2, *shape).

    The rates are those of :func:`partonic_sm`, of their sum with :func:`partonic_zprime`, or anything proportional.
    NaN where both are 0.

    >>> float(forward_backward_asymmetry([3.0, 1.0]))
    0.375
    """
    same, opposite = np.asarray(rates, dtype=float)
    total = same + opposite
    return np.asarray(0.75 * np.divide(same - opposite, total, out=np.full(total.shape, np.nan), where=total != 0))
