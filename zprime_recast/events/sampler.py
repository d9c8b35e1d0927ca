"""Exact unweighted events: proposed from the tables and accepted by the density, one chunk at a time.

A chunk is a fixed number of proposals from a generator of its own, seeded by (seed, number of the chunk), so that the
events do not depend on how chunks are shared among workers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray, Quiet
from .alias import IntArray
from .process import Process
from .proposal import ETA_CELLS, Proposal

#: Proposals in a chunk: its arrays stay in the processor's cache.
CHUNK = 16384
#: Share of the proposals that are evaluated in any case, to check the bounds.
AUDIT = 1 / 1024


@dataclass(frozen=True, eq=False, repr=False)
class RawEvents(Quiet):
    """Events of one or more chunks; all arrays (n,)."""

    mass_gev: FloatArray
    """Mass of the lepton pair."""
    rapidity: FloatArray
    """Rapidity of the pair along the first beam (+z)."""
    cos_theta: FloatArray
    """Cosine of the angle between l- and the quark in the rest frame of the pair."""
    phi: FloatArray
    """Azimuth of l-, -pi to pi."""
    flavor: npt.NDArray[np.int8]
    """PDG id of the quark, 1 to 5."""
    direction: npt.NDArray[np.int8]
    """+1 if the quark comes from the first beam, -1 from the second."""
    sign: npt.NDArray[np.int8]
    """Sign of the weight."""

    def __len__(self) -> int:
        return len(self.mass_gev)

    def __getitem__(self, which: slice | IntArray) -> RawEvents:
        return RawEvents(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    @staticmethod
    def join(parts: list[RawEvents]) -> RawEvents:
        """All events of several parts, in order."""
        names = RawEvents.__dataclass_fields__
        return RawEvents(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Tally:
    """Counts of the proposals of some chunks."""

    proposals: int = 0
    kept: int = 0
    kept_sign: int = 0
    """Positive minus negative events kept."""
    evaluated: int = 0
    above: int = 0
    """Evaluated proposals above their upper bound (kept with weight 1, so lost above it)."""
    above_weight: float = 0.0
    """Sum of the excess over the bounds, in units of one proposal."""
    below: int = 0
    """Evaluated proposals below their lower bound."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, k) + getattr(other, k) for k in self.__dataclass_fields__))


def sample_chunk(process: Process, proposal: Proposal, seed: int, number: int) -> tuple[RawEvents, Tally]:
    """The events of one chunk that pass the lepton cuts, and its tally."""
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(number,))))
    p = proposal
    # mass cell and channel, then the place inside the cell
    k = _draw(rng, p.mass_keep, p.mass_alias)
    channel, cell = np.divmod(k, p.cells)
    u = rng.random(CHUNK)
    u *= p.u_width.take(cell)
    u += p.u_low.take(cell)
    mass = np.sqrt(u + process.pole_gev2)
    # the same in eta
    row = p.block.take(cell)
    row += (channel >> 1) * p.flavor_stride
    j, eta = _draw_in_rows(rng, p.eta_keep, p.eta_alias, row)
    y = np.log(process.sqrt_s_gev / mass)
    y *= eta
    # accept by the bounds where they decide
    squeeze = p.mass_squeeze.take(k)
    squeeze *= p.eta_squeeze.take(j)
    uniform = rng.random(CHUNK)
    sign = None
    if p.signed:
        sign = np.where(squeeze < 0, -1, 1).astype(np.int8)
        squeeze = np.abs(squeeze)
    squeeze *= 1 - AUDIT
    open_ = np.flatnonzero(uniform >= squeeze)
    weight = process.density(channel[open_], u[open_], y[open_])
    bound = p.mass_bound.take(k[open_])
    bound *= p.eta_bound.take(j[open_])
    # eta = y / y_max: the tables hold the density in eta
    weight *= np.log(process.sqrt_s_gev / mass[open_])
    weight /= bound
    if sign is not None:
        sign[open_] = np.where(weight < 0, -1, 1)
        weight = np.abs(weight)
    keep = np.ones(CHUNK, dtype=bool)
    keep[open_] = uniform[open_] < weight
    kept = np.flatnonzero(keep)
    over = weight > 1
    tally = Tally(
        proposals=CHUNK,
        evaluated=len(open_),
        above=int(over.sum()),
        above_weight=float((weight[over] - 1).sum()),
        below=int((weight < squeeze[open_] * (1 / (1 - AUDIT)) * (1 - 1e-9)).sum()),
    )
    events = _complete(rng, mass.take(kept), y.take(kept), channel.take(kept), None if sign is None else sign[kept])
    if process.cuts.any:
        largest = process.cuts.largest_cosine(events.mass_gev, events.rapidity)
        events = events[np.flatnonzero(np.abs(events.cos_theta) <= largest)]
    total = int(events.sign.sum(dtype=np.int64)) if p.signed else len(events)
    return events, tally + Tally(kept=len(events), kept_sign=total)


def _draw(rng: np.random.Generator, keep: FloatArray, alias: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Indices into one alias table."""
    x = rng.random(CHUNK)
    x *= len(keep)
    k = x.astype(np.int64)
    x -= k
    return np.where(x < keep.take(k), k, alias.take(k))


def _draw_in_rows(
    rng: np.random.Generator, keep: FloatArray, alias: npt.NDArray[np.int64], row: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Indices into the alias tables that begin at ``row``, and eta uniform in the cell drawn."""
    x = rng.random(CHUNK)
    x *= ETA_CELLS
    j = x.astype(np.int64)
    x -= j
    index = row + j
    j = np.where(x < keep.take(index), j, alias.take(index))
    eta = rng.random(CHUNK)
    eta += j
    eta *= 2 / ETA_CELLS
    eta -= 1
    return row + j, eta


def _complete(
    rng: np.random.Generator,
    mass: FloatArray,
    y: FloatArray,
    channel: npt.NDArray[np.int64],
    sign: npt.NDArray[np.int8] | None,
) -> RawEvents:
    """Draw the angles and the beam of the quark, on which the density depends only through the channel."""
    n = len(mass)
    # the largest of three uniforms has the distribution of a cube root: (1 + c)^2 on -1..1
    c = rng.random((3, n)).max(axis=0)
    c *= 2
    c -= 1
    forward = 1 - 2 * (channel & 1)
    c *= forward
    phi = rng.random(n)
    phi *= 4
    second = phi >= 2
    direction = (1 - 2 * second).astype(np.int8)
    phi -= 2 * second
    phi -= 1
    phi *= np.pi
    y *= direction
    flavor = ((channel >> 1) + 1).astype(np.int8)
    return RawEvents(mass, y, c, phi, flavor, direction, np.ones(n, np.int8) if sign is None else sign)
