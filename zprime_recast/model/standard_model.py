"""Standard Model inputs, read from ``data/constants/standard_model.toml``, where each value has its reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import pi, sqrt

from ..io.cards import read_toml
from ..io.paths import shipped


@dataclass(frozen=True)
class StandardModel:
    """Electroweak inputs (MS-bar at m_Z) and fermion masses."""

    alpha_em: float
    """Electromagnetic coupling alpha at m_Z."""
    sin2_theta_w: float
    """sin^2 of the weak mixing angle."""
    m_z_gev: float
    gamma_z_gev: float
    m_w_gev: float
    m_h_gev: float
    alpha_s: float
    """Strong coupling at m_Z with five flavours."""
    fermion_mass_gev: Mapping[str, float]

    @property
    def e(self) -> float:
        """Electromagnetic gauge coupling sqrt(4 pi alpha)."""
        return sqrt(4 * pi * self.alpha_em)

    @property
    def g_z(self) -> float:
        """Z coupling e/(sin theta_W cos theta_W): fermions couple with g_z (T3 - Q sin^2 theta_W)."""
        return self.e / sqrt(self.sin2_theta_w * (1 - self.sin2_theta_w))


@cache
def standard_model() -> StandardModel:
    """Standard Model inputs shipped with the package, read once."""
    card = read_toml(shipped("data") / "constants" / "standard_model.toml")
    electroweak, masses = card.section("electroweak"), card.section("fermion_mass_gev")
    return StandardModel(
        alpha_em=1 / electroweak.section("alpha_em_inverse").number("value"),
        sin2_theta_w=electroweak.section("sin2_theta_w").number("value"),
        m_z_gev=electroweak.section("m_z_gev").number("value"),
        gamma_z_gev=electroweak.section("gamma_z_gev").number("value"),
        m_w_gev=electroweak.section("m_w_gev").number("value"),
        m_h_gev=electroweak.section("m_h_gev").number("value"),
        alpha_s=electroweak.section("alpha_s").number("value"),
        fermion_mass_gev={f: masses.section(f).number("value", low=0.0) for f in masses.values},
    )
