"""The fermion pair in the final state: its quantum numbers, cuts on both, and the share of decays that passes them.

The leptons of a pair with mass m and rapidity y, which leave a spin-1 resonance at an angle theta to the quark in the
rest frame of the pair, are back to back: both have pt = (m/2) sin theta, and pseudorapidities y +- atanh(cos theta).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import BoolArray, FloatArray
from ..errors import InputError, UnknownName
from ..partons.pairs import NEUTRAL_CURRENT, PartonPairs


@dataclass(frozen=True)
class WeakCharges:
    """Isospin of the left-handed state and electric charge of a fermion, and its colours."""

    isospin: float
    charge: float
    colors: int

    def z_couplings(self, sin2_theta_w: float) -> FloatArray:
        """(g_L, g_R) to the Z in units of g_z, (2,)."""
        return np.array([self.isospin - self.charge * sin2_theta_w, -self.charge * sin2_theta_w])


_UP, _DOWN = WeakCharges(0.5, 2 / 3, 3), WeakCharges(-0.5, -1 / 3, 3)
_LEPTON, _NEUTRINO = WeakCharges(-0.5, -1.0, 1), WeakCharges(0.5, 0.0, 1)
#: Of every fermion of the Standard Model.
WEAK_CHARGES = {
    **dict.fromkeys(("u", "c", "t"), _UP),
    **dict.fromkeys(("d", "s", "b"), _DOWN),
    **dict.fromkeys(("e", "mu", "tau"), _LEPTON),
    **dict.fromkeys(("nu_e", "nu_mu", "nu_tau"), _NEUTRINO),
}


@dataclass(frozen=True)
class FinalState:
    """A fermion pair a search looks for."""

    name: str
    fermions: tuple[str, ...]
    """Fermions whose rates are added."""
    label: str
    """For figures, in mathtext."""
    share: float = 1.0
    """Factor on the sum of the rates: 1/2 for a limit per flavour from electrons and muons together."""
    pairs: PartonPairs = NEUTRAL_CURRENT
    """The pairs of quark and antiquark that make it."""

    @property
    def fermion(self) -> str:
        """The fermion of a final state of one flavour."""
        return self.fermions[0]


#: Final states by name; ``ll`` is one charged-lepton flavour, from electrons and muons together.
FINAL_STATES = {
    state.name: state
    for state in (
        FinalState("ee", ("e",), r"$e^+e^-$"),
        FinalState("mumu", ("mu",), r"$\mu^+\mu^-$"),
        FinalState("tautau", ("tau",), r"$\tau^+\tau^-$"),
        FinalState("ll", ("e", "mu"), r"$\ell^+\ell^-$", 0.5),
        FinalState("jj", ("u", "d", "s", "c", "b"), r"$q\bar q$"),
        FinalState("bb", ("b",), r"$b\bar b$"),
        FinalState("tt", ("t",), r"$t\bar t$"),
    )
}
#: Final states of one charged lepton, by lepton.
LEPTON_PAIRS = {"e": FINAL_STATES["ee"], "mu": FINAL_STATES["mumu"], "tau": FINAL_STATES["tautau"]}


def lepton_pair(lepton: str) -> FinalState:
    """The final state of a charged lepton, ``e``, ``mu`` or ``tau``; UnknownName for another."""
    if lepton not in LEPTON_PAIRS:
        raise UnknownName("charged lepton", lepton, LEPTON_PAIRS)
    return LEPTON_PAIRS[lepton]


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

    def share(self, m_gev: float, y: FloatArray) -> FloatArray:
        """Share of unpolarised spin-1 decays that passes, at a pair mass in GeV and rapidities (n,), (n,)."""
        return share_within(self.largest_cosine(m_gev, y))

    def rapidity_kinks(self, m_gev: float) -> tuple[float, ...]:
        """Rapidities at which :meth:`share` has a kink at a mass in GeV; only those > 0 count."""
        if self.pt_min_gev == 0:
            return (self.eta_max,)
        eta_of_pt_min = np.arccosh(max(m_gev / (2 * self.pt_min_gev), 1.0))
        return float(self.eta_max - eta_of_pt_min), self.eta_max


@dataclass(frozen=True)
class PairRegion:
    """A region of |eta| for each of the leptons of a pair, either of which may be the first, and a cut on both pt."""

    pt_min_gev: float
    """Smallest transverse momentum, GeV."""
    eta_first: tuple[float, float]
    """Lowest and highest |eta| of one lepton."""
    eta_second: tuple[float, float]
    """Lowest and highest |eta| of the other."""

    @property
    def _edges(self) -> FloatArray:
        return np.array(sorted({*self.eta_first, *self.eta_second}))

    def _largest_distance(self, m_gev: float) -> float:
        """Largest distance in rapidity of a lepton from the pair, by pt."""
        if self.pt_min_gev == 0:
            return _FAR
        return float(min(np.arccosh(max(m_gev / (2 * self.pt_min_gev), 1.0)), _FAR))

    def contains(self, eta_one: FloatArray, eta_two: FloatArray) -> BoolArray:
        """Whether leptons with these pseudorapidities are in the region, whatever their pt."""
        a, b = np.abs(eta_one), np.abs(eta_two)
        (f, g), (h, i) = self.eta_first, self.eta_second
        return np.asarray(((a >= f) & (a < g) & (b >= h) & (b < i)) | ((b >= f) & (b < g) & (a >= h) & (a < i)))

    def share(self, m_gev: float, y: FloatArray) -> FloatArray:
        """Share of unpolarised spin-1 decays in the region, at a pair mass in GeV and rapidities (n,), (n,).

        With leptons at y +- d, d = atanh(cos theta), the distances that pass are intervals between |eta -+ y|.
        """
        y, edges, far = np.asarray(y, dtype=float)[..., None], self._edges, self._largest_distance(m_gev)
        stops = np.concatenate([np.abs(edges - y), np.abs(edges + y), np.zeros_like(y), np.full_like(y, far)], axis=-1)
        stops = np.sort(np.minimum(stops, far), axis=-1)
        middle = 0.5 * (stops[..., 1:] + stops[..., :-1])
        inside = self.contains(y + middle, y - middle)
        return np.asarray((np.diff(share_within(np.tanh(stops)), axis=-1) * inside).sum(axis=-1))

    def rapidity_kinks(self, m_gev: float) -> tuple[float, ...]:
        """Rapidities at which :meth:`share` has a kink at a mass in GeV."""
        edges, far = self._edges, self._largest_distance(m_gev)
        sums = np.add.outer(edges, np.concatenate([edges, -edges])).ravel() / 2
        found = np.abs(np.concatenate([sums, edges - far, edges + far]))
        return tuple(np.unique(np.round(found[found > _SAME], _DIGITS)).tolist())


#: A distance in rapidity beyond which no lepton is found; digits to which two kinks are one.
_FAR, _DIGITS, _SAME = 20.0, 9, 1e-9


def share_within(cosine: FloatArray) -> FloatArray:
    """Share of unpolarised spin-1 decays with |cos theta| below ``cosine``: 3/8 (1 + cos^2 theta), integrated.

    The term odd in cos theta, the forward-backward asymmetry, drops out, so this does not depend on the couplings.
    """
    return np.asarray((3 * cosine + cosine**3) / 4)
