"""What a limit on the coupling is, and how far it is looked for."""

from __future__ import annotations

from dataclasses import dataclass

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
