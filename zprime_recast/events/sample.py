"""Samples of any number of events, made by any number of threads, with their cross-section."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._version import __version__
from ..errors import InputError, ZprimeError
from ..model.card import load_model
from ..model.zprime import ZprimeModel
from ..partons.luminosity import LuminosityTable, luminosity_table
from ..partons.luminosity_set import DEFAULT_ORDER, load_luminosities
from ..partons.pdf import DEFAULT_SET, PDFMember, load_pdf
from ..process.amplitudes import Component
from ..process.final_state import LeptonCuts
from .kinematics import PDG_ID
from .process import Process, make_process
from .proposal import Proposal, make_proposal
from .records import DileptonEvents
from .sampler import RawEvents, Tally, sample_chunk

#: Largest number of events of one call; their readers cannot take larger files.
N_MAX = 10_000_000_000
#: Largest number of events in memory at once (130 bytes each); more belong in a file.
N_MEMORY_MAX = 200_000_000
#: Events in a batch of a stream.
BATCH = 1 << 17
#: Chunks that measure the cross-section; more if cuts leave few events, until the relative error is ERROR_MAX.
SIGMA_CHUNKS, SIGMA_CHUNKS_MAX, ERROR_MAX = 64, 4096, 1e-3
#: Largest share of the rate that may lie above its bounds.
ABOVE_MAX = 1e-6

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class EventSource:
    """A process with its tables, ready to make events."""

    process: Process
    proposal: Proposal
    seed: int
    cross_section_fb: float
    cross_section_error_fb: float
    """Statistical error from the first chunks; for a signal with interference that of the difference."""
    absolute_fb: float
    """Cross-section with every weight counted as positive."""
    tally: Tally

    def stream(
        self, n: int, workers: int = 1, on_events: Callable[[int], object] | None = None
    ) -> Iterator[DileptonEvents]:
        """Make n events in batches of about 10^5, the same for any number of workers.

        ``on_events`` is called with the size of each batch.
        """
        checked_count(n)
        for batch in self._batches(n, BATCH, workers):
            yield batch
            if on_events:
                on_events(len(batch))

    def events(self, n: int, workers: int = 1) -> DileptonEvents:
        """Make n events in memory."""
        checked_in_memory(n)
        return next(self._batches(n, n, workers))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings that apply to the events: negative luminosities, orders beyond their tables."""
        p = self.process
        low, high = p.window_gev
        # far above the peak the rate vanishes, and warnings on masses there do not apply to the sample
        end = high if p.mode == "sm" else max(low, min(high, 1.5 * p.mass_gev))
        found = list(p.lumi.warnings_at(low, end))
        negative = 0.5 * (1 - self.tally.kept_sign / self.tally.kept)
        if p.mode != "signal" and negative:
            found.append(f"{100 * negative:.2g} % of the weights are negative, because parton densities of the set are")
        return tuple(found)

    def info(self, n: int) -> dict[str, Any]:
        """Metadata of a sample of n events, JSON-able."""
        p = self.process
        cuts = {"pt_min_gev": p.cuts.pt_min_gev, "eta_max": p.cuts.eta_max if np.isfinite(p.cuts.eta_max) else None}
        return {
            "generator": "zprime-recast",
            "version": __version__,
            "model": p.model.id,
            "model_title": p.model.title,
            "model_digest": p.model.digest(),
            "charges": {f.name: [str(f.q_left), str(f.q_right)] for f in p.model.fermions},
            "parameters": {name: v.value for name, v in p.model.parameters.items()},
            "mass_gev": p.mass_gev,
            "coupling": p.coupling,
            "gamma_gev": p.gamma_gev,
            "mode": p.mode,
            "interference": p.interference,
            "lepton": p.lepton,
            "lepton_pdg_id": PDG_ID[p.lepton],
            "window_gev": list(p.window_gev),
            "cuts": cuts,
            "sqrt_s_gev": p.sqrt_s_gev,
            "pdf_set": p.pdf.info.name,
            "pdf_member": p.pdf.member,
            "pdf_index": p.pdf.info.index,
            "order": p.lumi.order,
            "seed": self.seed,
            "n_events": n,
            "cross_section_fb": self.cross_section_fb,
            "cross_section_error_fb": self.cross_section_error_fb,
            "absolute_cross_section_fb": self.absolute_fb,
            "warnings": list(self.warnings),
        }

    def _chunk(self, number: int, weight: float) -> Columns:
        """The columns of one chunk."""
        raw, tally = sample_chunk(self.process, self.proposal, self.seed, number)
        check_bounds(self.tally + tally)
        return self._complete(raw, weight)

    def _chunks(self, workers: int, weight: float) -> Iterator[Columns]:
        """Chunks 0, 1, 2 ... in order."""
        if workers == 1:
            for number in itertools.count():
                yield self._chunk(number, weight)
        numbers = itertools.count()
        with ThreadPoolExecutor(workers) as pool:
            waiting: deque[Future[Columns]] = deque()
            try:
                while True:
                    while len(waiting) < 4 * workers:
                        waiting.append(pool.submit(self._chunk, next(numbers), weight))
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _batches(self, n: int, size: int, workers: int) -> Iterator[DileptonEvents]:
        """n events in batches of ``size``, filled chunk by chunk."""
        if workers < 1:
            raise InputError(f"workers must be 1 or more, found {workers}")
        info = self.info(n)
        # weights add up to the cross-section; |weight| is the same for all
        chunks = self._chunks(workers, self.absolute_fb / n)
        part, used = next(chunks), 0
        for start in range(0, n, size):
            length, filled = min(size, n - start), 0
            columns = _like(part, length)
            while filled < length:
                if used == len(part["m_ll"]):
                    part, used = next(chunks), 0
                count = min(length - filled, len(part["m_ll"]) - used)
                for name, values in part.items():
                    columns[name][filled : filled + count] = values[used : used + count]
                filled, used = filled + count, used + count
            yield DileptonEvents(columns, info)

    def _complete(self, raw: RawEvents, weight: float) -> Columns:
        """The columns of some events, from what was drawn."""
        m, y, c = raw.mass_gev, raw.rapidity, raw.cos_theta * raw.direction
        half_gap = np.arctanh(c)
        pt = np.sqrt((1 - c) * (1 + c))
        pt *= 0.5 * m
        boost = np.exp(y)
        root_tau = m / self.process.sqrt_s_gev
        first = raw.flavor * raw.direction
        return {
            "lminus_pt": pt,
            "lminus_eta": y + half_gap,
            "lminus_phi": raw.phi,
            "lplus_pt": pt,
            "lplus_eta": y - half_gap,
            "lplus_phi": raw.phi - np.copysign(np.pi, raw.phi),
            "m_ll": m,
            "y_ll": y,
            "cos_theta_cs": np.copysign(1.0, y) * c,
            "weight": weight * raw.sign,
            "id1": first,
            "id2": -first,
            "x1": root_tau * boost,
            "x2": root_tau / boost,
            "scale": m if self.process.lumi.mu_f_over_m == 1 else m * self.process.lumi.mu_f_over_m,
        }


def _like(part: Columns, length: int) -> Columns:
    """Empty columns for ``length`` events; those that are one array in ``part`` are one here."""
    made: dict[int, npt.NDArray[Any]] = {}
    return {name: made.setdefault(id(a), np.empty(length, a.dtype)) for name, a in part.items()}


def checked_count(n: int) -> int:
    """Return the number of events; InputError unless it is from 1 to N_MAX."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= N_MAX:
        raise InputError(f"the number of events must be a whole number from 1 to {N_MAX:.0e}, found {n}")
    return int(n)


def checked_in_memory(n: int) -> int:
    """Return the number of events; InputError unless they fit into memory."""
    if checked_count(n) > N_MEMORY_MAX:
        raise InputError(f"{n} events do not fit into memory: stream them into a file with write_events")
    return n


def check_bounds(tally: Tally) -> None:
    """Raise a ZprimeError if densities exceed their bounds by more than a negligible share of the rate."""
    if tally.above_weight > ABOVE_MAX * tally.proposals + 1e-3:
        raise ZprimeError(
            f"the density exceeds its bounds by {tally.above_weight / tally.proposals:.1e} of the rate; "
            "please report the model, mass, coupling and PDF set"
        )


def make_inputs(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    mode: Component,
    *,
    lepton: str,
    sqrt_s_gev: float,
    pdf: str | PDFMember,
    member: int,
    order: str,
    window_gev: tuple[float, float] | None,
    cuts: LeptonCuts | None,
    interference: bool,
    lumi: LuminosityTable | None = None,
) -> Process:
    """Load the PDF set and luminosities of a process and make it; arguments as in :func:`event_source`."""
    loaded = load_pdf(pdf, member) if isinstance(pdf, str) else pdf
    if lumi is None:
        known = isinstance(pdf, str) and order != "lo"
        lumi = (
            load_luminosities(pdf, sqrt_s_gev, order, member)
            if known
            else luminosity_table(loaded, sqrt_s_gev, order=order)
        )
    return make_process(model, mass_gev, coupling, loaded, lumi, mode, lepton, window_gev, cuts, interference)


def event_source(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    mode: Component = "full",
    *,
    lepton: str = "e",
    sqrt_s_gev: float = 13000.0,
    pdf: str | PDFMember = DEFAULT_SET,
    member: int = 0,
    order: str = DEFAULT_ORDER,
    window_gev: tuple[float, float] | None = None,
    cuts: LeptonCuts | None = None,
    interference: bool = True,
    seed: int | np.random.Generator = 1,
    lumi: LuminosityTable | None = None,
) -> EventSource:
    """Prepare the generation of events of one hypothesis and measure their cross-section, in about half a second.

    InputError if nothing passes the cuts.

    Arguments:
        model: the model.
        mass_gev: mass of the Z' in GeV.
        coupling: its coupling g.
        mode: ``full`` (photon, Z and Z'), ``zprime``, ``sm``, or ``signal`` (full minus sm, weights of both signs).
        lepton: ``e``, ``mu`` or ``tau``.
        sqrt_s_gev: collider energy in GeV.
        pdf: name of a PDF set, or a loaded member.
        member: member of the set.
        order: ``lo``, ``nlo``, ``nnlo`` or ``n3lo``.
        window_gev: range of dilepton masses; default M/2 to the end of the luminosity table.
        cuts: cuts on both leptons.
        interference: whether Z' and Standard Model interfere.
        seed: a whole number >= 0, or a Generator that gives one.
        lumi: luminosities, if they are already loaded.
    """
    if isinstance(seed, np.random.Generator):
        seed = int(seed.integers(2**63))
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed must be a whole number >= 0, found {seed}")
    process = make_inputs(
        model,
        mass_gev,
        coupling,
        mode,
        lepton=lepton,
        sqrt_s_gev=sqrt_s_gev,
        pdf=pdf,
        member=member,
        order=order,
        window_gev=window_gev,
        cuts=cuts,
        interference=interference,
        lumi=lumi,
    )
    proposal = make_proposal(process)
    tally = Tally()
    for number in range(SIGMA_CHUNKS_MAX):
        tally += sample_chunk(process, proposal, int(seed), number)[1]
        share = tally.kept / tally.proposals
        if number + 1 >= SIGMA_CHUNKS and (tally.kept and (1 - share) / tally.kept < ERROR_MAX**2):
            break
        if number + 1 >= 4 * SIGMA_CHUNKS and not tally.kept:
            raise InputError(f"no event of {tally.proposals} passes the lepton cuts in this mass window: loosen them")
    check_bounds(tally)
    sigma, error = _cross_section(tally, proposal)
    return EventSource(process, proposal, int(seed), sigma, error, proposal.total_fb * share, tally)


def _cross_section(tally: Tally, proposal: Proposal) -> tuple[float, float]:
    """Mean and its standard deviation, fb: each proposal counts +1, -1 or 0 times the integral of the bounds."""
    mean = tally.kept_sign / tally.proposals
    variance = tally.kept / tally.proposals - mean**2
    return proposal.total_fb * mean, proposal.total_fb * float(np.sqrt(variance / tally.proposals))


def generate_events(
    model: ZprimeModel | str,
    mass_gev: float,
    coupling: float,
    n: int,
    rng: int | np.random.Generator = 1,
    mode: Component = "full",
    workers: int = 1,
    **options: Any,
) -> DileptonEvents:
    """Generate unweighted events p p -> gamma/Z/Z' -> l- l+ in memory.

    Arguments:
        model: the model.
        mass_gev: mass of the Z' in GeV.
        coupling: its coupling g.
        n: number of events.
        rng: seed, or a Generator that gives one.
        mode: ``full`` (photon, Z and Z'), ``zprime``, ``sm``, or ``signal`` (full minus sm, weights of both signs).
        workers: number of threads; the events do not depend on it.
        options: further arguments of :func:`event_source`.
    """
    model = load_model(model)
    checked_in_memory(n)
    return event_source(model, mass_gev, coupling, mode, seed=rng, **options).events(n, workers)
