"""Hypotheses: mass, width and coupling products of many points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from ..arrays import FloatArray, IndexArray
from ..errors import InputError
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel, perturbative_coupling
from .couplings import CouplingProducts, lepton_products

#: Largest relative width of a hypothesis; a fixed-width Breit-Wigner means little beyond.
GAMMA_OVER_M_MAX = 0.5


def largest_coupling(model: ZprimeModel, mass_gev: float) -> tuple[float, str]:
    """Largest coupling a limit is looked for at, and why: perturbativity, or Gamma/M = GAMMA_OVER_M_MAX."""
    g_perturbative = perturbative_coupling(model)
    unit = decay_widths(model, mass_gev, 1.0)
    fixed = model.gamma_extra_gev
    if fixed >= GAMMA_OVER_M_MAX * mass_gev:
        raise InputError(f"gamma_extra = {fixed:g} GeV alone makes the Z' wider than {GAMMA_OVER_M_MAX} of its mass")
    g_width = float(widest_coupling(mass_gev, unit.total_gev - fixed, fixed))
    if g_perturbative <= g_width:
        return g_perturbative, "perturbativity, g q_max = sqrt(2 pi)"
    return g_width, f"Gamma/M = {GAMMA_OVER_M_MAX}"


def widest_coupling(
    mass_gev: FloatArray | float, gamma_over_g2_gev: FloatArray | float, extra_gev: FloatArray | float
) -> FloatArray:
    """The coupling a per mille below Gamma/M = GAMMA_OVER_M_MAX, of a width gamma_over_g2 g^2 + extra; 0 if there is
    none. Arguments broadcast.
    """
    room = np.maximum(GAMMA_OVER_M_MAX * np.asarray(mass_gev) - extra_gev, 0.0)
    return np.asarray(0.999 * np.sqrt(room / gamma_over_g2_gev))


@dataclass(frozen=True)
class Hypotheses:
    """Poles and couplings of many Z' bosons."""

    mass_gev: FloatArray
    """(n,)."""
    gamma_gev: FloatArray
    coupling: FloatArray
    products: Mapping[str, CouplingProducts]
    """Per lepton flavour, at unit coupling; arrays (5,) for all, or (n, 5)."""
    running_width: bool
    m_z_gev: float
    gamma_z_gev: float
    strength: FloatArray | None = None
    """Factor on the whole signal, (n,); 1 unless given."""

    def take(self, i: IndexArray | slice) -> Hypotheses:
        """Some of them."""
        taken = {id(p): _rows(p, i) for p in self.products.values()}
        products = {lepton: taken[id(p)] for lepton, p in self.products.items()}
        strength = None if self.strength is None else self.strength[i]
        mass, gamma, coupling = self.mass_gev[i], self.gamma_gev[i], self.coupling[i]
        return replace(self, mass_gev=mass, gamma_gev=gamma, coupling=coupling, products=products, strength=strength)


def hypotheses_of(model: ZprimeModel, mass_gev: FloatArray, coupling: FloatArray, gamma_gev: FloatArray) -> Hypotheses:
    """Hypotheses of one model; arrays of one length."""
    sm, products = model.sm, lepton_products(model)
    return Hypotheses(mass_gev, gamma_gev, coupling, products, model.running_width, sm.m_z_gev, sm.gamma_z_gev)


def _rows(products: CouplingProducts, i: IndexArray | slice) -> CouplingProducts:
    if products.zprime_squared.ndim == 1:
        return products
    return CouplingProducts(*(getattr(products, f.name)[i] for f in fields(products)))
