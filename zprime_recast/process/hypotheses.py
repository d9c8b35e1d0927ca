"""Hypotheses: masses, widths and coupling products of many Z' bosons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..arrays import FloatArray, IndexArray, Quiet
from ..errors import InputError
from ..model.zprime import ZprimeModel
from .couplings import CouplingProducts, lepton_products

#: Largest relative width of a hypothesis; a fixed-width Breit-Wigner means little beyond.
GAMMA_OVER_M_MAX = 0.5


def check_width(gamma_gev: float, mass_gev: float, coupling: float) -> None:
    """Raise an InputError for a Z' that is too wide for a line shape, see GAMMA_OVER_M_MAX."""
    if not gamma_gev <= GAMMA_OVER_M_MAX * mass_gev:
        raise InputError(
            f"Gamma/M = {gamma_gev / mass_gev:.3g} at coupling {coupling:g}: above {GAMMA_OVER_M_MAX} a fixed-width "
            "line shape means nothing; use a smaller coupling"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Hypotheses(Quiet):
    """Poles and couplings of n Z' bosons."""

    mass_gev: FloatArray
    """Pole masses, (n,)."""
    gamma_gev: FloatArray
    """Total width, (n,)."""
    coupling: FloatArray
    """Gauge couplings g, (n,)."""
    products: Mapping[str, CouplingProducts]
    """Coupling products per lepton flavour at g = 1, shared by all hypotheses or one row for each."""
    running_width: bool
    """Whether the width in the propagators is s Gamma/M^2 instead of Gamma."""
    m_z_gev: float
    gamma_z_gev: float
    strength: FloatArray | None = None
    """Factor that multiplies the whole signal, (n,); None means 1."""

    def take(self, i: IndexArray | slice) -> Hypotheses:
        """Select hypotheses by index or slice."""
        taken = {id(p): p.rows(i) for p in self.products.values()}
        products = {lepton: taken[id(p)] for lepton, p in self.products.items()}
        strength = None if self.strength is None else self.strength[i]
        mass, gamma, coupling = self.mass_gev[i], self.gamma_gev[i], self.coupling[i]
        return replace(self, mass_gev=mass, gamma_gev=gamma, coupling=coupling, products=products, strength=strength)


def hypotheses_of(model: ZprimeModel, mass_gev: FloatArray, coupling: FloatArray, gamma_gev: FloatArray) -> Hypotheses:
    """Hypotheses of one model, from masses and widths in GeV and couplings, each (n,)."""
    sm, products = model.sm, lepton_products(model)
    return Hypotheses(mass_gev, gamma_gev, coupling, products, model.running_width, sm.m_z_gev, sm.gamma_z_gev)
