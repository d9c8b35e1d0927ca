"""Les Houches event files (Alwall et al., Comput. Phys. Commun. 176 (2007) 300), version 3.0 header, .lhe and .lhe.gz.

The event weight XWGTUP is in pb and its mean is the cross-section (IDWTUP = -4, as MadGraph writes it).
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..arrays import FloatArray
from ..errors import CardError
from ..model.standard_model import standard_model
from .kinematics import DEFAULT_SQRT_S_GEV, hard_process, select_leptons
from .records import DileptonEvents, from_momenta
from .text import ByteArray, fill, format_choice, format_ids, format_momentum, format_numbers
from .text_stream import Readable

#: Bytes of a file parsed at once, which make one batch.
BLOCK = 1 << 24
_FINAL = 1


class LheWriter:
    """Writes events to an open binary file."""

    def __init__(self, file: IO[bytes], info: Mapping[str, Any]) -> None:
        self.file, self.info = file, info
        self.n = int(info.get("n_events", 0))
        beam = float(info.get("sqrt_s_gev", DEFAULT_SQRT_S_GEV)) / 2
        sigma, error = (1e-3 * float(info.get(k) or 0.0) for k in ("cross_section_fb", "cross_section_error_fb"))
        card = json.dumps(dict(info), allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")
        largest = 1e-3 * float(info.get("absolute_cross_section_fb") or sigma)
        pdf = int(info.get("pdf_index", -1))
        self.file.write(
            f'<LesHouchesEvents version="3.0">\n<header>\n<zprime-recast>\n{card}\n</zprime-recast>\n</header>\n'
            f"<init>\n2212 2212 {beam:.10e} {beam:.10e} 0 0 {pdf} {pdf} -4 1\n"
            f"{sigma:.10e} {error:.10e} {largest:.10e} 1\n"
            f"<generator name='zprime-recast' version='{info.get('version', '')}'>p p to l- l+</generator>\n"
            "</init>\n".encode()
        )

    def write(self, events: DileptonEvents) -> None:
        """Append a batch."""
        n = len(events)
        total = self.n or n
        hard, sm = hard_process(events), standard_model()

        def line(p: FloatArray, mass: FloatArray | None) -> list[str | ByteArray]:
            return [*format_momentum(p), " ", " 0.0" if mass is None else format_numbers(mass), " 0. 9.\n"]

        flows = [format_choice(quark.astype(np.int64), ("   0 501", " 501   0")) for quark in hard.colored]
        weight = format_numbers(1e-3 * total * events["weight"])
        tail = f" {sm.alpha_em:.8e} {sm.alpha_s:.8e}\n"
        pieces = [
            *("<event>\n5 1 ", weight, " ", format_numbers(events["scale"]), tail),
            *(format_ids(events["id1"]), " -1 0 0", flows[0], *line(hard.first, None)),
            *(format_ids(events["id2"]), " -1 0 0", flows[1], *line(hard.second, None)),
            *(f"{hard.boson_id} 2 1 2 0 0", *line(hard.boson, events["m_ll"])),
            *(f"{hard.lepton_id} 1 3 3 0 0", *line(hard.lminus, events["lminus_mass"])),
            *(f"-{hard.lepton_id} 1 3 3 0 0", *line(hard.lplus, events["lplus_mass"])),
            "</event>\n",
        ]
        self.file.write(fill(pieces, n))

    def close(self) -> None:
        """Write the end of the file."""
        self.file.write(b"</LesHouchesEvents>\n")


def read_lhe_info(file: Readable, path: Path) -> tuple[dict[str, Any], FloatArray]:
    """Read the metadata (those written here, or from <init>) and the <init> numbers of an open file."""
    head = b""
    while b"</init>" not in head:
        more = file.read(1 << 16)
        if not more or len(head) > 1 << 26:
            raise CardError(path, "<init>", "no such block", "a Les Houches event file")
        head += more
    numbers = re.search(rb"<init>\s*(.*?)(?:<|#|$)", head, re.S)
    try:
        init = np.array(numbers.group(1).split() if numbers else [], dtype=float)
        if len(init) < 14:
            raise ValueError
    except ValueError:
        raise CardError(path, "<init>", "a block that cannot be read", "10 numbers and 4 per process") from None
    processes = init[10 : 10 + 4 * int(init[9])].reshape(-1, 4)
    info: dict[str, Any] = {
        "sqrt_s_gev": float(init[2] + init[3]),
        "cross_section_fb": float(1e3 * processes[:, 0].sum()),
        "cross_section_error_fb": float(1e3 * np.sqrt((processes[:, 1] ** 2).sum())),
    }
    ours = re.search(rb"<zprime-recast>\s*(\{.*?\})\s*</zprime-recast>", head, re.S)
    if ours:
        try:
            info |= json.loads(ours.group(1))
        except ValueError:
            raise CardError(path, "<zprime-recast>", "broken JSON", "the block as it was written") from None
    return info, init


def stream_lhe(
    file: Readable, path: Path, init: FloatArray, total: int, info: dict[str, Any]
) -> Iterator[DileptonEvents]:
    """Read the events of an open file in batches; an incomplete last event is left out.

    Arguments:
        file: the open file.
        path: its path, for messages.
        init: the numbers of its <init> block.
        total: number of events in the file.
        info: metadata of the events; ``truncated`` becomes True if the file ends early.
    """
    rest = b""
    while block := file.read(BLOCK):
        block = rest + block
        end = block.rfind(b"</event>")
        if end < 0:
            rest = block
            continue
        rest = block[end + 8 :]
        yield _parse(block[: end + 8], path, init, total, info)
    if b"</LesHouchesEvents>" not in rest:
        info["truncated"] = True


def _parse(block: bytes, path: Path, init: FloatArray, total: int, info: dict[str, Any]) -> DileptonEvents:
    lines = block.split(b"\n")
    starts = np.array([i for i, line in enumerate(lines) if line.lstrip().startswith(b"<event")])
    try:
        heads = _numbers([lines[i + 1] for i in starts], 6)
        counts = heads[:, 0].astype(np.int64)
        offsets = np.cumsum(counts) - counts
        rows = np.repeat(starts + 2 - offsets, counts) + np.arange(counts.sum())
        table = _numbers([lines[i] for i in rows], 13)
    except (ValueError, IndexError, DeprecationWarning):
        raise CardError(path, "<event>", "lines that cannot be read", "6 numbers, then 13 per particle") from None
    event = np.repeat(np.arange(len(starts)), counts)
    ids, status, p = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 6:10]
    good, lminus, lplus = select_leptons(event, ids, status == _FINAL, p, len(starts))
    incoming = status == -1
    first = np.full((2, len(starts)), -1)
    for side, sign in enumerate((1, -1)):
        rows = np.flatnonzero(incoming & (np.sign(p[:, 2]) == sign))
        first[side, event[rows]] = rows
    known = (first >= 0).all(axis=0)
    parton_ids = np.where(known, ids[first], 0).T
    beam = init[2:4]
    x = np.where(known, np.abs(p[first, 2]) / beam[:, None], 0.0).T
    # IDWTUP 4: the mean weight is the cross-section; otherwise events count +1 or -1
    averaged = abs(int(init[8])) == 4
    weight = 1e3 * heads[:, 2] if averaged else np.sign(heads[:, 2]) * info["cross_section_fb"]
    parton_ids = np.where(np.abs(parton_ids) < 100, parton_ids, 0)
    return from_momenta(lminus, lplus, weight[good] / total, info, parton_ids[good], x[good], heads[good, 3])


def _numbers(lines: list[bytes], columns: int) -> FloatArray:
    """Lines of numbers as a table; ValueError or DeprecationWarning if they are something else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # raised by numpy for text that is not a number
        return np.fromstring(b" ".join(lines), dtype=float, sep=" ").reshape(-1, columns)


def count_events(file: Readable, mark: bytes) -> int:
    """Count the occurrences of ``mark`` in the readable part of an open file."""
    count, rest = 0, b""
    while block := file.read(BLOCK):
        count += (rest + block).count(mark)
        rest = block[-len(mark) + 1 :]
    return count
