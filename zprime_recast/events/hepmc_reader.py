"""Read HepMC event files of any generator: HepMC3 (Asciiv3) and HepMC2 (IO_GenEvent), told apart by their content.

Formats: Buckley et al., Comput. Phys. Commun. 260 (2021) 107310, appendix B; Dobbs and Hansen, Comput. Phys.
Commun. 134 (2001) 41. Only particles, weights, units, cross-sections and PDF information are read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import CardError
from ..units import FB_PER_PB
from .kinematics import PHOTON_ID
from .metadata import parsed_metadata
from .pairs import Part, Records, pairs_in, whole_numbers
from .records import sensible
from .text_stream import Readable, TextFile
from .weights import IN_FB, RELATIVE, Run, Tally

#: Bytes read at once, and the number of particles parsed at once.
_BLOCK, _BATCH = 1 << 20, 1 << 18
#: Longest line.
_LONGEST = 1 << 26
#: Names of the nominal weight (arXiv:2203.08230 and the habits of the generators), lower case, best first.
NOMINAL = ("weight", "nominal", "default", "central", "0", "")
_OURS = b"A zprime_recast "
#: Status of a beam, and the code of a proton.
_INCOMING_BEAM, _PROTON = 4, 2212


@dataclass(eq=False)
class _Event:
    """The lines of one event, as words."""

    number: int
    expected: int
    """Number of particles it announces."""
    particles: list[bytes] = field(default_factory=list)
    weights: list[bytes] = field(default_factory=list)
    names: list[str] | None = None
    section: list[bytes] | None = None
    partons: list[bytes] | None = None
    unit_gev: float = 1.0


@dataclass(eq=False)
class _Header:
    """Header of a run."""

    modern: bool
    """HepMC3 rather than HepMC2."""
    names: list[str] | None = None
    info: dict[str, Any] = field(default_factory=dict)
    nominal: int = 0
    """Index of the nominal weight."""


@dataclass(eq=False)
class _Found:
    """Contents of a run, as the first pass found them."""

    header: _Header
    size: int = -1
    """Number of weights per event."""
    weights: list[float] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    section: tuple[float, float, int] = (0.0, 0.0, -1)
    truncated: bool = False

    def put(self, weight: float) -> None:
        """Add the weight of an event."""
        self.weights.append(weight)
        if len(self.weights) == 1 << 16:
            self.close()

    def close(self) -> None:
        """Bring the tally up to date."""
        self.tally += Tally.of(self.weights)
        self.weights.clear()


class HepmcFile:
    """A HepMC file: ``runs`` are those of its headers, ``parts()`` reads the pairs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.headers: list[_Header] = []
        self.runs: list[Run] = self._scan()

    def parts(self) -> Iterator[Part]:
        """Read the lepton pairs in batches, each of one run."""
        run, particles = -1, 0
        events: list[_Event] = []
        with TextFile(self.path) as file:
            for item in self._items(file, every=True):
                if isinstance(item, _Header):
                    if events:
                        yield self._parse(events, run)
                    run, events, particles = run + 1, [], 0
                elif item is not None:
                    events.append(item)
                    particles += len(item.particles)
                    if particles > _BATCH:
                        yield self._parse(events, run)
                        events, particles = [], 0
        if events:
            yield self._parse(events, run)

    def _scan(self) -> list[Run]:
        """The runs, from one pass over the weights and cross-sections."""
        found: list[_Found] = []
        with TextFile(self.path) as file:
            for item in self._items(file, every=False):
                if isinstance(item, _Header):
                    found.append(_Found(item))
                elif item is None:
                    found[-1].truncated = True
                else:
                    now = found[-1]
                    if now.size < 0:
                        self._first(item, now)
                    now.put(self._weight(item, now))
                    if item.section is not None:
                        now.section = self._section(item, now.section)
        if not found:
            raise CardError(self.path, "", "no HepMC header with events after it", "a HepMC event file")
        self.headers = [now.header for now in found]
        return [self._run(now, k) for k, now in enumerate(found)]

    def _first(self, event: _Event, found: _Found) -> None:
        """Learn from the first event of a run: the nominal weight, and the energy of the beams."""
        header = found.header
        header.names = header.names or event.names
        found.size = len(event.weights)
        if header.names and event.weights and len(header.names) != found.size:
            what = f"{found.size} weights for {len(header.names)} names"
            raise CardError(self.path, f"event {event.number}", what, "one name each")
        lower = [name.lower() for name in header.names or ()]
        header.nominal = next((lower.index(name) for name in NOMINAL if name in lower), 0)
        table = self._table([event], header.modern)
        beams = (table[:, 5] == _INCOMING_BEAM) & (np.abs(table[:, 0]) == _PROTON)
        if beams.sum() == 2 and np.isfinite(table[beams]).all():
            header.info.setdefault("sqrt_s_gev", float(event.unit_gev * table[beams, 4].sum()))

    def _run(self, found: _Found, k: int) -> Run:
        found.close()
        header, (sigma, error, accepted) = found.header, found.section
        if not found.tally.events:
            raise CardError(self.path, "", "no complete event", "events")
        remarks = []
        if header.names and len(header.names) > 1:
            name, size = header.names[header.nominal], len(header.names)
            why = "" if name.lower() in NOMINAL else ": none has a usual name of the nominal weight"
            remarks.append(f"weight '{name}' ({header.nominal + 1} of {size}) was used{why}")
        ours = "absolute_cross_section_fb" in header.info
        info = header.info
        if sigma and not ours:
            info = {**info, "cross_section_fb": sigma, "cross_section_error_fb": error}
        return Run(
            label=str(self.path) if len(self.headers) == 1 else f"{self.path} (header {k + 1})",
            tally=found.tally,
            convention=IN_FB if ours else RELATIVE,
            stated_fb=sigma,
            error_fb=error,
            stated_events=accepted if accepted > 0 else None,
            truncated=found.truncated,
            info=info,
            remarks=tuple(remarks),
        )

    def _weight(self, event: _Event, found: _Found) -> float:
        """The nominal weight of an event."""
        if len(event.weights) != found.size:
            raise CardError(
                self.path,
                f"event {event.number}",
                f"{len(event.weights)} weights after events with {found.size}",
                "the same number in every event",
            )
        if not event.weights:
            return 1.0
        try:
            weight = float(event.weights[found.header.nominal])
            if not sensible(weight):
                raise ValueError
        except ValueError:
            raise self._unreadable(event, "a weight that cannot be read") from None
        return weight

    def _section(self, event: _Event, before: tuple[float, float, int]) -> tuple[float, float, int]:
        """Cross-section and error in fb, and the number of accepted events (-1: not known)."""
        try:
            numbers = [float(word) for word in event.section or ()]
            sigma, error = FB_PER_PB * numbers[0], FB_PER_PB * numbers[1]
            accepted = int(numbers[2]) if len(numbers) > 2 else -1
        except (ValueError, IndexError, OverflowError):
            raise self._unreadable(event, "a cross-section that cannot be read") from None
        if not sensible([sigma, error]):
            raise self._unreadable(event, "a cross-section that is not finite")
        return (sigma, abs(error), accepted) if sigma else before

    def _items(self, file: Readable, every: bool) -> Iterator[_Header | _Event | None]:
        """Headers and complete events of a file, None where a run ends before its last event is complete.

        The particles are kept of every event, or of the first of each run.
        """
        header: _Header | None = None
        event: _Event | None = None
        keep, given = True, False
        for line in _lines(file):
            letter = line[:2]
            if event is not None and letter == b"P ":
                if keep:
                    event.particles.append(line)
                else:
                    event.expected -= 1
            elif event is not None and letter == b"V ":
                if header is not None and not header.modern:
                    event.expected += self._outgoing(line, event)
            elif letter == b"E " and header is not None:
                if not given:
                    yield header
                    given = True
                elif event is not None:
                    yield self._complete(event)
                    keep = every
                event = self._begun(line, header.modern)
            elif line.startswith(b"HepMC::"):
                if event is not None:
                    yield self._complete(event) if b"END_EVENT_LISTING" in line else None
                event = None
                if b"START_EVENT_LISTING" in line:
                    header, keep, given = _Header(self._is_modern(line)), True, False
                elif b"END_EVENT_LISTING" in line:
                    header = None
            elif event is not None:
                self._add(event, line)
            elif header is not None and letter == b"W ":
                header.names = line[2:].strip().decode("utf-8", "replace").split("\\|")
            elif header is not None and line.startswith(_OURS):
                header.info = parsed_metadata(self.path, "zprime_recast", line[len(_OURS) :])
            elif letter == b"E ":
                raise CardError(self.path, "", "an event outside a listing", "a line HepMC::...START_EVENT_LISTING")
        if event is not None:
            yield None

    def _is_modern(self, line: bytes) -> bool:
        for name, modern in ((b"HepMC::Asciiv3", True), (b"HepMC::IO_GenEvent", False)):
            if line.startswith(name):
                return modern
        found = line.decode("ascii", "replace").strip()[:60]
        raise CardError(self.path, "", f"the format {found}", "HepMC::Asciiv3 or HepMC::IO_GenEvent")

    def _begun(self, line: bytes, modern: bool) -> _Event:
        words = line.split()
        try:
            event = _Event(int(words[1]), int(words[3]) if modern else 0)
            if not modern:
                at = 12 + int(words[11])
                count = int(words[at])
                event.weights = words[at + 1 :]
                if len(event.weights) != count or not at >= 12:
                    raise ValueError
        except (ValueError, IndexError):
            raise CardError(self.path, "E", "an event that cannot be read", "its number and counts") from None
        return event

    def _outgoing(self, line: bytes, event: _Event) -> int:
        """Number of particles that follow a vertex of HepMC2."""
        try:
            words = line.split(None, 9)
            return int(words[7]) + int(words[8])
        except (ValueError, IndexError):
            raise self._unreadable(event, "a vertex that cannot be read") from None

    def _add(self, event: _Event, line: bytes) -> None:
        """Take over a line of an event that is not a particle or a vertex."""
        words = line.split()
        if not words:
            return
        letter, rest = words[0], words[1:]
        if letter == b"U":
            if not rest or rest[0] not in (b"GEV", b"MEV"):
                raise self._unreadable(event, "units that cannot be read")
            event.unit_gev = 1.0 if rest[0] == b"GEV" else 1e-3
        elif letter == b"W":
            event.weights = rest
        elif letter == b"C":
            event.section = rest
        elif letter == b"F":
            event.partons = rest[:5]
        elif letter == b"N":
            event.names = [part.decode("utf-8", "replace") for part in line.split(b'"')[1::2]]
        elif letter == b"A" and rest[:2] == [b"0", b"GenCrossSection"]:
            event.section = rest[2:]
        elif letter == b"A" and rest[:2] == [b"0", b"GenPdfInfo"]:
            event.partons = rest[2:7]

    def _complete(self, event: _Event) -> _Event:
        if len(event.particles) != event.expected:
            raise self._unreadable(event, f"{len(event.particles)} particles where {event.expected} are announced")
        return event

    def _table(self, events: list[_Event], modern: bool) -> FloatArray:
        """Particles as rows of code, px, py, pz, E, status; energies in the unit of the file, (n, 6)."""
        lines = [line for event in events for line in event.particles]
        width, skip = (9, 2) if modern else (8, 1)
        text = b" ".join(line[2:] if modern else b" ".join(line.split(None, 9)[1:9]) for line in lines)
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # raised by numpy for text that is not a number
            try:
                table = np.fromstring(text, dtype=float, sep=" ")
                if len(table) != width * len(lines):
                    raise ValueError
            except (ValueError, DeprecationWarning):
                raise self._unreadable(events[0], "a particle that cannot be read", events[-1]) from None
        table = table.reshape(-1, width)[:, skip:]
        return table[:, [0, 1, 2, 3, 4, 6]]

    def _parse(self, events: list[_Event], run: int) -> Part:
        """The pairs of some events."""
        header, n = self.headers[run], len(events)
        table = self._table(events, header.modern)
        event = np.repeat(np.arange(n), [len(e.particles) for e in events])
        unit = np.array([e.unit_gev for e in events])
        partons = np.zeros((n, 5))
        found = _Found(header, len(events[0].weights))
        weight = np.array([self._weight(e, found) for e in events])
        try:
            ids, status = whole_numbers(table[:, 0]), whole_numbers(table[:, 5])
            for k, e in enumerate(events):
                if e.partons:
                    partons[k] = [float(word) for word in e.partons]
            parton_ids = whole_numbers(partons[:, :2])
        except ValueError:
            raise self._unreadable(events[0], "a code, status or parton that cannot be read", events[-1]) from None
        # photons of other status are mostly copies of radiated ones
        origin = (status != 1) & (np.abs(ids) != PHOTON_ID)
        p = table[:, 1:5] * unit[event][:, None]
        records = Records(event, ids, status, p, weight, partons[:, 4], parton_ids, partons[:, 2:4], origin)
        return pairs_in(records, run)

    def _unreadable(self, event: _Event, found: str, last: _Event | None = None) -> CardError:
        where = f"event {event.number}" if last is None else f"events {event.number} to {last.number}"
        return CardError(self.path, where, found, "a line as HepMC writes it")


def _lines(file: Readable) -> Iterator[bytes]:
    """The lines of a file, without their ends."""
    rest = b""
    while block := file.read(_BLOCK):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        if len(rest) > _LONGEST:
            break
        yield from lines
    if rest:
        yield rest
