"""Read Les Houches event files of any generator: the blocks, the runs they hold, and the lepton pairs of the events.

Alwall et al., Comput. Phys. Commun. 176 (2007) 300, and version 3 (Andersen et al., arXiv:1405.1067). Numbers are
separated by any white space; comments, blank lines, further tags and Fortran's D exponents are allowed for.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import CardError
from ..units import FB_PER_PB
from .metadata import parsed_metadata
from .pairs import Part, Records, pairs_in, whole_numbers
from .records import sensible
from .text_stream import Readable, TextFile
from .weights import ROUNDING, SIGMAS, Run, Tally

#: Bytes of a file searched at once, the longest block, and the number of events parsed at once.
_BLOCK, _LONGEST, _BATCH = 1 << 20, 1 << 26, 1 << 14
_STARTS = re.compile(rb"<!--|<!\[CDATA\[|<header(?=[\s>])|<init(?=[\s>])|<event(?=[\s>])|</?LesHouchesEvents")
_ENDS = {
    b"<!--": b"-->",
    b"<![CDATA[": b"]]>",
    b"<header": b"</header>",
    b"<init": b"</init>",
    b"<event": b"</event>",
    b"<LesHouchesEvents": b">",
    b"</LesHouchesEvents": b">",
}
_COMMENT = re.compile(rb"#[^\n]*")
_FORTRAN = re.compile(rb"(?<=[0-9.])[dD](?=[+-]?[0-9])")
_TRIALS = re.compile(rb"""\btrials\s*=\s*["']\s*([^"'\s]+)""")
_OURS = re.compile(rb"<zprime-recast>\s*(\{.*?\})\s*</zprime-recast>", re.S)
_MADGRAPH_EVENTS = re.compile(rb"#\s*Number of Events\s*:\s*(\d+)")
#: A process of MadGraph with leptons of one pair as its final state and no intermediate boson named.
_MADGRAPH_FULL = re.compile(rb"^\s*(?:generate|add process)\s+(\S+ \S+ > (?:l|e|mu)[+-] (?:l|e|mu)[+-][^\n,]*)", re.M)
_CUT = b""


class LheFile:
    """An LHE file: ``runs`` are those of its <init> blocks, ``parts()`` reads the pairs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inits: list[FloatArray] = []
        self.runs: list[Run] = self._scan()

    def parts(self) -> Iterator[Part]:
        """Read the lepton pairs in batches, each of one run."""
        run, number = -1, 0
        bodies: list[bytes] = []
        with TextFile(self.path) as file:
            for kind, body in _blocks(file, self.path):
                if kind == b"<init":
                    if bodies:
                        yield self._parse(bodies, run, number)
                    run, number, bodies = run + 1, number + len(bodies), []
                elif kind == b"<event":
                    bodies.append(_content(body))
                    if len(bodies) == _BATCH:
                        yield self._parse(bodies, run, number)
                        number, bodies = number + len(bodies), []
        if bodies:
            yield self._parse(bodies, run, number)

    def _scan(self) -> list[Run]:
        """The runs, from one pass over the weights."""
        heads: list[bytes] = []
        found: list[tuple[bytes, Tally]] = []
        shares: list[dict[float, float]] = []
        weights: list[float] = []
        trials: list[float | None] = []
        truncated, number = True, 0

        def tally() -> None:
            known = None if None in trials else float(sum(t for t in trials if t is not None))
            found[-1] = (found[-1][0], found[-1][1] + Tally.of(weights, known))
            weights.clear()
            trials.clear()

        with TextFile(self.path) as file:
            for kind, body in _blocks(file, self.path):
                if kind == b"<header":
                    heads.append(body)
                elif kind == b"<init":
                    if found:
                        tally()
                    found.append((b"".join(heads), Tally()))
                    shares.append({})
                    self.inits.append(self._init(body))
                    heads = []
                elif kind == b"<event":
                    if not found:
                        raise CardError(self.path, "<event>", "an event before the <init> block", "<init> first")
                    number += 1
                    process, weight, attempts = self._weight(body, number)
                    weights.append(weight)
                    shares[-1][process] = shares[-1].get(process, 0.0) + weight
                    trials.append(attempts)
                    if len(weights) == 1 << 16:
                        tally()
                elif kind in (_CUT, b"<LesHouchesEvents"):
                    truncated = True
                elif kind == b"</LesHouchesEvents":
                    truncated = False
        if not found:
            raise CardError(self.path, "<init>", "no such block", "a Les Houches event file")
        tally()
        last = len(found) - 1
        return [
            self._run(head, self.inits[k], counted, shares[k], truncated and k == last, k, last)
            for k, (head, counted) in enumerate(found)
        ]

    def _run(
        self,
        head: bytes,
        init: FloatArray,
        tally: Tally,
        shares: dict[float, float],
        truncated: bool,
        number: int,
        last: int,
    ) -> Run:
        processes = init[10:].reshape(-1, 4)
        stated, error = FB_PER_PB * processes[:, 0].sum(), FB_PER_PB * np.sqrt((processes[:, 1] ** 2).sum())
        info: dict[str, Any] = {
            "sqrt_s_gev": float(init[2] + init[3]),
            "cross_section_fb": float(stated),
            "cross_section_error_fb": float(error),
        }
        ours = _OURS.search(head)
        if ours:
            info |= parsed_metadata(self.path, "<zprime-recast>", ours.group(1))
        beams = float(init[2] + init[3])
        if abs(info["sqrt_s_gev"] - beams) > 1e-3 * beams:
            found = f"beams of {beams:g} GeV in all, metadata of {info['sqrt_s_gev']:g} GeV"
            raise CardError(self.path, "<init>", found, "the same energy")
        if not tally.events:
            raise CardError(self.path, "", "no complete event", "events")
        remarks = _mixture(processes, tally, shares)
        announced = _MADGRAPH_EVENTS.search(head)
        if announced and int(announced.group(1)) != tally.events and not truncated:
            remarks.append(f"the header announces {int(announced.group(1))} events, the file holds {tally.events}")
        full = _MADGRAPH_FULL.search(head)
        if full and b"/" not in full.group(1):
            process = full.group(1).decode("ascii", "replace").strip()
            remarks.append(f"the process '{process}' includes photon and Z, and all of it is taken as signal")
        if (init[:2] != 2212).any():
            remarks.append(f"the beams are {init[0]:.0f} and {init[1]:.0f}, not two protons (2212)")
        ones = [abs(abs(v) - 1) < 1e-9 for v in processes[0, :3]]
        dummy = len(processes) == 1 and ones[0] and (ones[1] or processes[0, 1] == 0) and ones[2]
        return Run(
            label=str(self.path) if not last else f"{self.path} (<init> {number + 1})",
            tally=tally,
            convention=int(init[8]),
            stated_fb=None if dummy and tally.unit else float(stated),
            error_fb=0.0 if dummy else float(error),
            dummy=bool(dummy),
            missing="XSECUP is a placeholder, 1 pb" if dummy else "",
            truncated=truncated,
            info=info,
            remarks=tuple(remarks),
        )

    def _init(self, body: bytes) -> FloatArray:
        try:
            init = _numbers(_content(body))
            if len(init) < 14 or not sensible(init):
                raise ValueError
            whole = whole_numbers(init[[0, 1, 8, 9]])
            if whole[3] < 1 or len(init) < 10 + 4 * whole[3] or not (init[2:4] > 0).all():
                raise ValueError
        except ValueError:
            raise CardError(
                self.path, "<init>", "a block that cannot be read", "10 numbers and 4 per process"
            ) from None
        if not 1 <= abs(whole[2]) <= 4:
            raise CardError(self.path, "<init>", f"IDWTUP {whole[2]}", "1 to 4 or -1 to -4 (hep-ph/0109068)")
        return init[: 10 + 4 * whole[3]]

    def _weight(self, body: bytes, number: int) -> tuple[float, float, float | None]:
        """IDPRUP, XWGTUP and the trials of an event."""
        given = _TRIALS.search(body, 0, body.find(b">") + 1)
        try:
            words = _content(body).split(None, 3)
            process, weight = (float(_FORTRAN.sub(b"e", word)) for word in words[1:3])
            trials = float(_FORTRAN.sub(b"e", given.group(1))) if given else None
            if not sensible(weight) or (trials is not None and not 0 <= trials < 1e18):
                raise ValueError
        except (ValueError, IndexError):
            raise CardError(self.path, f"<event> {number}", "a weight that cannot be read", "a number") from None
        return process, weight, trials

    def _parse(self, bodies: list[bytes], run: int, number: int) -> Part:
        """The pairs of some events; ``number`` is that of events before them."""
        sizes = np.array([len(body.split()) for body in bodies])
        offsets = np.cumsum(sizes) - sizes
        try:
            flat = _numbers(b" ".join(bodies))
            if len(flat) != sizes.sum():
                raise ValueError
            counts = whole_numbers(flat[offsets])
        except (ValueError, IndexError):
            raise self._unreadable(number, "a line that is not numbers") from None
        wrong = np.flatnonzero(sizes != 6 + 13 * counts)
        if len(wrong):
            raise self._unreadable(
                number + int(wrong[0]), f"{sizes[wrong[0]]} numbers for {counts[wrong[0]]} particles"
            )
        heads = flat[offsets[:, None] + np.arange(6)]
        rest = np.ones(len(flat), dtype=bool)
        rest[offsets[:, None] + np.arange(6)] = False
        table = flat[rest].reshape(-1, 13)
        event = np.repeat(np.arange(len(bodies)), counts)
        try:
            ids, status = whole_numbers(table[:, 0]), whole_numbers(table[:, 1])
        except ValueError:
            raise self._unreadable(number, "a code or status that is not a whole number") from None
        partons, x = _partons(event, ids, status, table[:, 6:10], self.inits[run][2:4], len(bodies))
        records = Records(event, ids, status, table[:, 6:10], heads[:, 2], heads[:, 3], partons, x, origin=status == 2)
        return pairs_in(records, run)

    def _unreadable(self, number: int, found: str) -> CardError:
        return CardError(self.path, f"<event> {number + 1}", found, "6 numbers, then 13 per particle")


def _blocks(file: Readable, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Split a file into its blocks, comments left out: (start of the tag, from there to the end of the block).

    An event that the end of the file cuts gives (_CUT, b"").
    """
    text, at = b"", 0
    while True:
        start = _STARTS.search(text, at)
        if start is None:
            more = file.read(_BLOCK)
            if not more:
                return
            text, at = text[max(len(text) - 32, at) :] + more, 0
            continue
        kind = start.group()
        begin = start.end()
        end = text.find(_ENDS[kind], begin)
        if end < 0:
            text, begin = text[begin:], 0
        while end < 0:
            more = file.read(_BLOCK)
            if not more:
                yield _CUT, b""
                return
            if len(text) > _LONGEST:
                raise CardError(path, kind.decode() + ">", "a block of more than 64 MB", _ENDS[kind].decode())
            seen = len(text)
            text += more
            end = text.find(_ENDS[kind], max(0, seen - 32))
        body = text[begin:end]
        at = end + len(_ENDS[kind])
        if kind == b"<event" and b"<event" in body:
            raise CardError(path, "<event>", "an event without its end", "</event>")
        if not kind.startswith(b"<!"):
            yield kind, body


def _content(body: bytes) -> bytes:
    """The numbers of a block: what stands between its tag and the next, without comments."""
    body = body[body.find(b">") + 1 :]
    if b"#" in body:
        body = _COMMENT.sub(b"", body)
    end = body.find(b"<")
    return body if end < 0 else body[:end]


def _numbers(text: bytes) -> FloatArray:
    """Numbers separated by white space; ValueError if there is something else."""
    if b"D" in text or b"d" in text:
        text = _FORTRAN.sub(b"e", text)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # raised by numpy for text that is not a number
        try:
            return np.fromstring(text, dtype=float, sep=" ")
        except DeprecationWarning:
            raise ValueError from None


def _mixture(processes: FloatArray, tally: Tally, weights: Mapping[float, float]) -> list[str]:
    """What to say if the processes do not share the weights as they share XSECUP.

    Arguments:
        processes: the lines of <init>, (n_processes, 4).
        tally: of all weights.
        weights: sum of the weights of each process, by its code.
    """
    stated = processes[:, 0].sum()
    if len(processes) < 2 or not stated or not tally.total:
        return []
    found = []
    for sigma, code in processes[:, [0, 3]]:
        share, expected = weights.get(float(code), 0.0) / tally.total, sigma / stated
        error = np.sqrt(tally.squares * abs(expected * (1 - expected))) / abs(tally.total)
        if abs(share - expected) > SIGMAS * error + ROUNDING:
            what = f"{100 * share:.1f} % of the weights but {100 * expected:.1f} % of XSECUP"
            found.append(f"process {code:.0f} has {what}: the weights were used")
    return found


def _partons(
    event: Any, ids: Any, status: Any, p: FloatArray, beams: FloatArray, n: int
) -> tuple[np.ndarray, FloatArray]:
    """Codes and momentum fractions of the incoming partons along +z and -z, (n, 2); 0 where they are not known."""
    first = np.full((2, n), -1)
    for side, sign in enumerate((1, -1)):
        rows = np.flatnonzero((status == -1) & (np.sign(p[:, 2]) == sign))
        first[side, event[rows]] = rows
    known = (first >= 0).all(axis=0)
    if not len(ids):
        return np.zeros((n, 2), dtype=np.int64), np.zeros((n, 2))
    with np.errstate(over="ignore"):  # a momentum far above the beam's is found out later
        x = np.abs(p[first, 2]) / beams[:, None]
    return np.where(known, ids[first], 0).T, np.where(known, x, 0.0).T
