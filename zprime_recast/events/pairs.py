"""The lepton pairs of event records of other programs, with what was found besides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import BoolArray, FloatArray, Quiet
from .kinematics import PDG_ID, PHOTON_ID, Z_ID, ZPRIME_ID, select_leptons
from .records import MOMENTUM_MAX_GEV, DileptonEvents, from_momenta

#: Smallest code of a boson that is not of the Standard Model, apart from the Higgs boson (25).
_NEW_BOSON = ZPRIME_ID


@dataclass(frozen=True, eq=False, repr=False)
class Part(Quiet):
    """The pairs in a part of a file that belongs to one run."""

    run: int
    """Index of the run in its file."""
    events: DileptonEvents
    """The pairs; their weights are those of the file."""
    read: int
    """Number of events looked at."""
    flawed: int = 0
    """Events left out because of a momentum that is not finite, or of an energy below it."""
    standard_model: int = 0
    """Pairs from a photon or a Z."""


@dataclass(frozen=True, eq=False, repr=False)
class Records(Quiet):
    """Particles of some events, (k,) and (k, 4), and values of the events, (n,)."""

    event: npt.NDArray[np.int64]
    """Index of the event of each particle."""
    ids: npt.NDArray[np.int64]
    status: npt.NDArray[np.int64]
    p: FloatArray
    """px, py, pz, E in GeV."""
    weight: FloatArray
    scale: FloatArray
    parton_ids: npt.NDArray[np.int64]
    """(n, 2); 0 where they are not known."""
    x: FloatArray
    """(n, 2)."""
    origin: BoolArray
    """Whether a particle may be the boson that a pair comes from, (k,)."""


def pairs_in(records: Records, run: int) -> Part:
    """Find the pair of each event; the flavours are a column of the result."""
    n = len(records.weight)
    final = (records.status == 1) & np.isin(np.abs(records.ids), [*PDG_ID.values(), PHOTON_ID])
    sound = np.asarray(np.isfinite(records.p).all(axis=1))
    p = np.where(sound[:, None], records.p, 0.0)
    sound &= (np.abs(p) < MOMENTUM_MAX_GEV).all(axis=1)
    p = np.where(sound[:, None], p, 0.0)
    # the energy of a particle is its momentum or more, but for the digits it is printed with
    sound &= p[:, 3] >= 0.99 * np.sqrt((p[:, :3] ** 2).sum(axis=1)) - 1e-3
    flawed = np.zeros(n, dtype=bool)
    flawed[records.event[final & ~sound]] = True
    flawed |= ~np.isfinite(records.scale) | ~np.isfinite(records.x).all(axis=1)
    final &= ~flawed[records.event]
    good, flavors, lminus, lplus = select_leptons(records.event, records.ids, final, p, n)
    from_sm, from_new = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    size = np.abs(records.ids)
    from_sm[records.event[records.origin & ((size == Z_ID) | (size == PHOTON_ID))]] = True
    from_new[records.event[records.origin & (size >= _NEW_BOSON)]] = True
    partons = np.where(np.abs(records.parton_ids) < 100, records.parton_ids, 0)
    pairs = from_momenta(
        lminus, lplus, records.weight[good], {}, partons[good], records.x[good], records.scale[good], flavors
    )
    return Part(run, pairs, n, int(flawed.sum()), int((from_sm & ~from_new)[good].sum()))


def whole_numbers(values: FloatArray) -> npt.NDArray[np.int64]:
    """Floats that are integers of at most 32 bits; ValueError otherwise."""
    fine = np.isfinite(values) & (np.abs(np.where(np.isfinite(values), values, 0.0)) < 2**31)
    if not fine.all() or (values != np.rint(values)).any():
        raise ValueError("not a whole number")
    return values.astype(np.int64)
