"""What a limit on the coupling is, and how far it is looked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..io.cards import FloatArray
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel, perturbative_coupling

#: Largest relative width of a hypothesis; a fixed-width Breit-Wigner means little beyond.
GAMMA_OVER_M_MAX = 0.5
#: Smallest coupling a limit is looked for at, and the same as a share of the largest.
COUPLING_MIN, COUPLING_RANGE = 1e-6, 1e-5


@dataclass(frozen=True)
class LimitResult:
    """Coupling at 95 % CL for one mass; None where nothing is excluded up to ``coupling_max``."""

    mass_gev: float
    coupling_95_observed: float | None
    coupling_95_expected: tuple[float | None, ...]
    """At -2, -1, 0, 1, 2 standard deviations."""
    sigma_br_95_observed_fb: float | None
    """Narrow-width sigma x BR (one lepton flavour) of the excluded coupling."""
    sigma_br_95_expected_fb: tuple[float | None, ...]
    gamma_over_m_observed: float | None
    coupling_max: float
    coupling_max_reason: str
    warnings: tuple[str, ...] = ()
    crossings_observed: tuple[float, ...] = ()
    """Every coupling where the observed CLs crosses 0.05, ascending; more than one if CLs is not monotonic."""
    coupling_95_observed_no_theory: float | None = None
    """The observed limit without the uncertainties of the luminosities; None also where it was not asked for."""
    kind: str = "likelihood"
    """``limit-curve`` if it comes from a published cross-section limit, without a likelihood."""


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
