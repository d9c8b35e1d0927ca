"""The lepton pair in the final state: cuts on both leptons, and the share of spin-1 decays that passes them.

The leptons of a pair with mass m and rapidity y, which leave a spin-1 resonance at an angle theta to the quark in the
rest frame of the pair, are back to back: both have pt = (m/2) sin theta, and pseudorapidities y +- atanh(cos theta).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import InputError


@dataclass(frozen=True)
class LeptonCuts:
    """Cuts on both leptons; InputError unless pt_min_gev >= 0 and eta_max > 0."""

    pt_min_gev: float = 0.0
    """Smallest transverse momentum, GeV."""
    eta_max: float = np.inf
    """Largest absolute pseudorapidity."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.pt_min_gev) and self.pt_min_gev >= 0 and self.eta_max > 0):
            raise InputError(
                f"lepton cuts pt > {self.pt_min_gev} GeV, |eta| < {self.eta_max}: expected pt >= 0, eta > 0"
            )

    @property
    def any(self) -> bool:
        """Whether any cut is applied."""
        return self.pt_min_gev > 0 or self.eta_max < np.inf

    def largest_cosine(self, m_gev: ArrayLike, y: ArrayLike) -> FloatArray:
        """Largest |cos theta| that passes at pair masses in GeV and rapidities, in the shape of both; 0 if none does.

        min(sqrt(1 - 4 pt_min^2/m^2), tanh(eta_max - |y|)).
        """
        by_pt = np.sqrt(np.maximum(1 - (2 * self.pt_min_gev / np.asarray(m_gev, dtype=float)) ** 2, 0.0))
        by_eta = np.tanh(np.maximum(self.eta_max - np.abs(np.asarray(y, dtype=float)), 0.0))
        return np.asarray(np.minimum(by_pt, by_eta))

    def rapidity_kinks(self, m_gev: float) -> tuple[float, ...]:
        """Rapidities at which :meth:`largest_cosine` has a kink at a mass in GeV; only those > 0 count."""
        if self.pt_min_gev == 0:
            return (self.eta_max,)
        eta_of_pt_min = np.arccosh(max(m_gev / (2 * self.pt_min_gev), 1.0))
        return float(self.eta_max - eta_of_pt_min), self.eta_max


def share_within(cosine: FloatArray) -> FloatArray:
    """Share of unpolarised spin-1 decays with |cos theta| below ``cosine``: 3/8 (1 + cos^2 theta), integrated.

    The term odd in cos theta, the forward-backward asymmetry, drops out, so this does not depend on the couplings.
    """
    return np.asarray((3 * cosine + cosine**3) / 4)
