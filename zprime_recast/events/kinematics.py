"""Momenta of dilepton events: the hard process as event records hold it, and the lepton pair found in a record.

Momenta are arrays (n, 4) of px, py, pz, E in GeV.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray, Quiet
from ..model.zprime import CHARGED_LEPTONS, PDG_IDS

if TYPE_CHECKING:
    from .records import DileptonEvents

#: Final-state photons within this distance in (eta, phi) of a lepton are added to it.
DRESSING_R = 0.1
#: Particle Data Group codes of the charged leptons, the photon, the Z and the Z'.
PDG_ID = {lepton: PDG_IDS[lepton] for lepton in CHARGED_LEPTONS}
PHOTON_ID, Z_ID, ZPRIME_ID = 22, 23, 32
#: Proton-proton energy of events that do not say theirs, GeV.
DEFAULT_SQRT_S_GEV = 13000.0


@dataclass(frozen=True, eq=False, repr=False)
class HardProcess(Quiet):
    """q qbar -> boson -> l- l+ with partons along the beams; momenta (n, 4)."""

    first: FloatArray
    """Massless parton of the beam along +z."""
    second: FloatArray
    """Massless parton of the beam along -z."""
    boson: FloatArray
    """The lepton pair."""
    lminus: FloatArray
    lplus: FloatArray
    quark_first: npt.NDArray[np.bool_]
    """Whether the quark, not the antiquark, comes along +z, (n,): colour runs from the quark to the antiquark."""
    boson_id: int
    """ZPRIME_ID, or Z_ID for events of the Standard Model alone."""
    lepton_id: npt.NDArray[np.int64]
    """Codes of the l-, (n,), those of the l+ have the opposite sign; 11 where the flavour is not known."""

    @property
    def colored(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Whether the first and the second parton carry colour (a quark) or anticolour, (n,) each."""
        return self.quark_first, ~self.quark_first


def hard_process(events: DileptonEvents) -> HardProcess:
    """The hard process of parton-level events: the partons carry the light-cone momenta of the pair."""
    lminus, lplus = momenta(events)
    pair = lminus + lplus
    zero = np.zeros(len(pair))
    plus, minus = 0.5 * (pair[:, 3] + pair[:, 2]), 0.5 * (pair[:, 3] - pair[:, 2])
    first, second = (np.stack([zero, zero, pz, np.abs(pz)], axis=1) for pz in (plus, -minus))
    return HardProcess(
        first=first,
        second=second,
        boson=pair,
        lminus=lminus,
        lplus=lplus,
        quark_first=events["id1"] > 0,
        boson_id=Z_ID if events.info.get("mode") == "sm" else ZPRIME_ID,
        lepton_id=np.where(events.flavor == 0, PDG_ID["e"], events.flavor),
    )


def momenta(events: DileptonEvents) -> tuple[FloatArray, FloatArray]:
    """Momenta of l- and l+, (n, 4) each."""
    result = []
    for name in ("lminus", "lplus"):
        pt, eta, phi, mass = (events.column(f"{name}_{part}") for part in ("pt", "eta", "phi", "mass"))
        pz = pt * np.sinh(eta)
        energy = np.sqrt(pt**2 + pz**2 + mass**2)
        result.append(np.stack([pt * np.cos(phi), pt * np.sin(phi), pz, energy], axis=1))
    return result[0], result[1]


def pair_transverse_momentum(events: DileptonEvents) -> FloatArray:
    """Transverse momentum of the lepton pair in GeV, (n,)."""
    px, py = (
        sum(events[f"{name}_pt"] * f(events[f"{name}_phi"]) for name in ("lminus", "lplus")) for f in (np.cos, np.sin)
    )
    return np.asarray(np.hypot(px, py))


def transverse_momentum(p: FloatArray) -> FloatArray:
    """Transverse momentum in GeV, (n,)."""
    return np.asarray(np.hypot(p[:, 0], p[:, 1]))


def pseudorapidity(p: FloatArray) -> FloatArray:
    """Pseudorapidity, (n,); large but finite along the beams."""
    return np.asarray(np.arcsinh(p[:, 2] / np.maximum(transverse_momentum(p), 1e-12)))


def azimuth(p: FloatArray) -> FloatArray:
    """Azimuth from -pi to pi, (n,)."""
    return np.asarray(np.arctan2(p[:, 1], p[:, 0]))


def mass_squared(p: FloatArray) -> FloatArray:
    """Invariant mass squared in GeV^2, (n,); rounding may make that of a massless particle negative."""
    return np.asarray(p[:, 3] ** 2 - (p[:, :3] ** 2).sum(axis=1))


def collins_soper(lminus: FloatArray, lplus: FloatArray) -> FloatArray:
    """cos theta of l- in the Collins-Soper frame, (n,); Phys. Rev. D 16 (1977) 2219."""
    pair = lminus + lplus
    plus = [p[:, 3] + p[:, 2] for p in (lminus, lplus)]
    minus = [p[:, 3] - p[:, 2] for p in (lminus, lplus)]
    pt2 = pair[:, 0] ** 2 + pair[:, 1] ** 2
    m2 = np.maximum(pair[:, 3] ** 2 - pair[:, 2] ** 2 - pt2, 1e-300)
    cos = (plus[0] * minus[1] - minus[0] * plus[1]) / np.sqrt(m2 * (m2 + pt2))
    return np.asarray(np.clip(np.where(pair[:, 2] < 0, -cos, cos), -1.0, 1.0))


def select_leptons(
    event: npt.NDArray[np.int64], ids: npt.NDArray[np.int64], final: npt.NDArray[np.bool_], p: FloatArray, n: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray, FloatArray]:
    """Find the lepton pair of each event and dress it with nearby photons.

    Per flavour the l- and l+ of highest pt are taken; of several flavours the pair with the highest sum of pt.

    Arguments:
        event: index of the event each particle belongs to, (k,).
        ids: codes of the particles, (k,).
        final: whether each particle is in the final state, (k,).
        p: momenta of the particles, (k, 4).
        n: number of events.

    Returns the indices of the events with a pair, (n_pairs,), the codes of their l-, (n_pairs,), and the momenta of
    their l- and l+, (n_pairs, 4) each.
    """
    pt = transverse_momentum(p)
    codes = np.array(list(PDG_ID.values()))
    best = np.full((len(codes), 2, n), -1)
    for k, lepton in enumerate(codes):
        for side, pid in enumerate((lepton, -lepton)):
            rows = np.flatnonzero(final & (ids == pid))
            rows = rows[np.argsort(pt[rows], kind="stable")]
            best[k, side, event[rows]] = rows  # the last assignment, of the highest pt, stands
    paired = (best >= 0).all(axis=1)
    score = np.where(paired, pt[best].sum(axis=1) if len(pt) else 0.0, -1.0)
    flavor = score.argmax(axis=0)
    good = np.flatnonzero(paired.any(axis=0))
    chosen = best[flavor[good], :, good]  # (good, 2)
    leptons = [p[chosen[:, side]].copy() for side in range(2)]
    photons = np.flatnonzero(final & (ids == PHOTON_ID))
    if len(photons):
        place = np.full(n, -1)
        place[good] = np.arange(len(good))
        photons = photons[place[event[photons]] >= 0]
        of = place[event[photons]]
        distance = [_delta_r(p[photons], p[chosen[of, side]]) for side in range(2)]
        for side in range(2):
            near = (distance[side] < DRESSING_R) & (distance[side] <= distance[1 - side])
            np.add.at(leptons[side], of[near], p[photons[near]])
    return good, codes[flavor[good]], leptons[0], leptons[1]


def _delta_r(a: FloatArray, b: FloatArray) -> FloatArray:
    phi = np.remainder(azimuth(a) - azimuth(b) + np.pi, 2 * np.pi) - np.pi
    return np.asarray(np.hypot(pseudorapidity(a) - pseudorapidity(b), phi))
