r"""Dilepton cross-sections of p p -> gamma, Z, Z' -> l- l+ at leading order.

Chirality amplitudes, with V = gamma, Z, Z' and couplings as in :mod:`zprime_recast.model`:

.. math:: A_{ij}(s) = \sum_V \frac{g^q_i g^l_j}{s - M_V^2 + i M_V \Gamma_V}, \qquad
          \hat\sigma_q(s) = \frac{s}{144\pi} \sum_{ij} |A_{ij}|^2, \qquad
          \frac{d\sigma}{dm^2} = \frac1S \sum_q \hat\sigma_q(m^2) L_q(m)

"Signal" means |SM + Z'|^2 - |SM|^2; it contains the interference and may be negative. ``interference=False`` keeps
|Z'|^2 alone. All cross-sections are for one lepton flavour, in fb.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .cards import FloatArray
from .errors import InputError
from .lineshape import breit_wigner_weights
from .luminosity import FLAVORS, LuminosityTable
from .model import ZprimeModel, checked_positive
from .units import HBARC2_GEV2_FB
from .widths import Widths, decay_widths

#: Weak isospin of the left-handed state and electric charge.
_ISOSPIN_CHARGE = {
    "u": (0.5, 2 / 3),
    "c": (0.5, 2 / 3),
    "d": (-0.5, -1 / 3),
    "s": (-0.5, -1 / 3),
    "b": (-0.5, -1 / 3),
}
_LEPTON_ISOSPIN_CHARGE = (-0.5, -1.0)

#: Mass window of :func:`sigma_br_full` in units of the Z' mass; above it, to the end of the luminosity table.
FULL_WINDOW_LOW = 0.5


@dataclass(frozen=True)
class CouplingProducts:
    """Products of quark and lepton couplings summed over chiralities, per quark flavour (first axis as FLAVORS)."""

    zprime_squared: FloatArray
    """Sum over ij of (q_i^q q_j^l)^2 at unit coupling, (5,)."""
    zprime_photon: FloatArray
    """Sum of q_i^q q_j^l times the photon's e^2 Q_q Q_l, (5,)."""
    zprime_z: FloatArray
    """Sum of q_i^q q_j^l times the Z's, (5,)."""


def coupling_products(model: ZprimeModel, lepton: str = "e") -> CouplingProducts:
    """Coupling products of q qbar -> l l for one lepton flavour (e, mu or tau)."""
    sm = model.sm
    lepton_zprime = np.array(model.couplings(lepton))
    lepton_z = sm.g_z * _z_charges(*_LEPTON_ISOSPIN_CHARGE, sm.sin2_theta_w)
    squared, photon, z = [], [], []
    for flavor in FLAVORS:
        isospin, charge = _ISOSPIN_CHARGE[flavor]
        quark = np.array(model.couplings(flavor))
        kappa = np.outer(quark, lepton_zprime)
        squared.append((kappa**2).sum())
        photon.append(kappa.sum() * sm.e**2 * charge * _LEPTON_ISOSPIN_CHARGE[1])
        z.append((kappa * np.outer(sm.g_z * _z_charges(isospin, charge, sm.sin2_theta_w), lepton_z)).sum())
    return CouplingProducts(np.array(squared), np.array(photon), np.array(z))


def _z_charges(isospin: float, charge: float, sin2: float) -> FloatArray:
    """(left, right) couplings of the Z in units of g_z."""
    return np.array([isospin - charge * sin2, -charge * sin2])


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
    lepton_z = sm.g_z * _z_charges(*_LEPTON_ISOSPIN_CHARGE, sm.sin2_theta_w)
    rows = []
    for flavor in FLAVORS:
        isospin, charge = _ISOSPIN_CHARGE[flavor]
        z = np.outer(sm.g_z * _z_charges(isospin, charge, sm.sin2_theta_w), lepton_z)
        photon = sm.e**2 * charge * _LEPTON_ISOSPIN_CHARGE[1]
        amplitude = photon / s + np.multiply.outer(z.ravel(), z_propagator)
        rows.append(s / (144 * np.pi) * (np.abs(amplitude) ** 2).sum(axis=0))
    return np.array(rows)


Component = Literal["signal", "zprime", "sm", "full"]


def dsigma_dm(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    m_ll_gev: ArrayLike,
    lumi: LuminosityTable,
    component: Component = "signal",
    lepton: str = "e",
    gamma_gev: float | None = None,
) -> FloatArray:
    """dsigma/dm_ll in fb/GeV at dilepton masses in GeV (shape of ``m_ll_gev``).

    component: ``signal`` (interference + Z'), ``zprime`` (|Z'|^2), ``sm``, or ``full`` (their coherent sum).
    The width is the model's unless ``gamma_gev`` is given.
    """
    m_ll = checked_positive("m_ll_gev", m_ll_gev)
    mass, g = float(checked_positive("mass_gev", mass_gev)), float(checked_positive("coupling", coupling))
    s = m_ll**2
    partonic = np.zeros((len(FLAVORS), *m_ll.shape))
    if component in ("sm", "full"):
        partonic += partonic_sm(model, s)
    if component != "sm":
        gamma = (
            float(decay_widths(model, mass, g).total_gev)
            if gamma_gev is None
            else float(checked_positive("gamma_gev", gamma_gev))
        )
        products = coupling_products(model, lepton)
        propagator = 1 / (s - mass**2 + 1j * mass * gamma)
        zprime = g**4 * np.multiply.outer(products.zprime_squared, np.abs(propagator) ** 2)
        if component != "zprime":
            zprime = zprime + g**2 * (interference_amplitude(model, products, s).conj() * propagator).real
        partonic += s / (144 * np.pi) * zprime
    return np.asarray(HBARC2_GEV2_FB * 2 * m_ll / lumi.sqrt_s_gev**2 * (partonic * lumi(m_ll)).sum(axis=0))


def sigma_br_narrow(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, lumi: LuminosityTable, lepton: str = "e"
) -> FloatArray:
    """sigma(p p -> Z') BR(l l) in fb in the narrow-width approximation, arXiv:1707.08606, eq. (4.1).

    sigma B = sum_q C_qq Gamma(Z' -> q qbar) BR / (S M) with C_qq = (4 pi^2/3) L_q. Mass and coupling broadcast.
    """
    result = decay_widths(model, mass_gev, coupling)
    partial = np.stack([result.partial_gev[q] for q in FLAVORS])
    rate = (4 * np.pi**2 / 3 * lumi(result.mass_gev) * partial).sum(axis=0) / (lumi.sqrt_s_gev**2 * result.mass_gev)
    return np.asarray(HBARC2_GEV2_FB * rate * result.branching_ratios[lepton])


def sigma_br_full(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    lumi: LuminosityTable,
    interference: bool = True,
    window_gev: tuple[float, float] | None = None,
    lepton: str = "e",
    gamma_gev: float | None = None,
    cell: float = 0.002,
) -> FloatArray:
    """Signal integrated over a dilepton mass window in fb, with the true width (exact over the peak).

    Window: M/2 to the end of the luminosity table unless given. ``cell``: relative width of the cells on which the
    smooth factors are linear. The width is the model's unless ``gamma_gev`` is given.
    """
    mass, g = float(checked_positive("mass_gev", mass_gev)), float(checked_positive("coupling", coupling))
    low, high = window_gev or (max(FULL_WINDOW_LOW * mass, lumi.range_gev[0]), lumi.range_gev[1])
    if not 0 < low < high:
        raise InputError(f"mass window {low:g} to {high:g} GeV is empty")
    gamma = (
        float(decay_widths(model, mass, g).total_gev)
        if gamma_gev is None
        else float(checked_positive("gamma_gev", gamma_gev))
    )
    m = np.geomspace(low, high, int(np.ceil(np.log(high / low) / cell)) + 1)
    s = m**2
    products = coupling_products(model, lepton)
    smooth = HBARC2_GEV2_FB * s / (144 * np.pi * lumi.sqrt_s_gev**2) * lumi(m)
    weights, weights_u = breit_wigner_weights(s, mass, gamma)
    total = g**4 * (products.zprime_squared @ smooth) @ weights
    if interference:
        amplitude = g**2 * (interference_amplitude(model, products, s) * smooth).sum(axis=0)
        total += amplitude.real @ weights_u - mass * gamma * (amplitude.imag @ weights)
    return np.asarray(total)


@dataclass(frozen=True)
class CrossSection:
    """sigma x BR of one hypothesis, one lepton flavour, in fb."""

    mass_gev: float
    coupling: float
    widths: Widths
    sigma_br_fb: float
    method: str
    interference: bool
    order: str
    window_gev: tuple[float, float] | None
    warnings: tuple[str, ...]


def sigma_br(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    lumi: LuminosityTable,
    method: str = "narrow",
    interference: bool = True,
    window_gev: tuple[float, float] | None = None,
    lepton: str = "e",
) -> CrossSection:
    """sigma x BR by the narrow-width formula or from the full line shape, with what was assumed."""
    if method not in ("narrow", "full"):
        raise InputError(f"method must be narrow or full, found {method!r}")
    result = decay_widths(model, mass_gev, coupling)
    mass, g = float(result.mass_gev), float(result.coupling)
    if method == "narrow":
        if window_gev:
            raise InputError("a mass window needs --method full: the narrow width has all its rate at the pole")
        sigma, used = float(sigma_br_narrow(model, mass, g, lumi, lepton)), None
    else:
        used = window_gev or (max(FULL_WINDOW_LOW * mass, lumi.range_gev[0]), lumi.range_gev[1])
        sigma = float(sigma_br_full(model, mass, g, lumi, interference, used, lepton))
    return CrossSection(mass, g, result, sigma, method, method == "full" and interference, "lo", used, lumi.warnings)
