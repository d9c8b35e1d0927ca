"""HepMC3 event files (Asciiv3), .hepmc3 and .hepmc3.gz: written here, read with pyhepmc.

Weights are in fb. Every event carries the cross-section of the sample as an attribute, in pb as in all HepMC files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..arrays import FloatArray
from ..errors import CardError
from .kinematics import hard_process, select_leptons
from .records import DileptonEvents, from_momenta
from .text import ByteArray, fill, format_choice, format_ids, format_integers, format_momentum, format_numbers
from .text_stream import CompleteEvents, Readable

#: Events read into one batch.
BATCH = 20_000
_END = b"HepMC::Asciiv3-END_EVENT_LISTING"


class HepmcWriter:
    """Writes events to an open binary file."""

    def __init__(self, file: IO[bytes], info: Mapping[str, Any]) -> None:
        self.file, self.info, self.written = file, info, 0
        card = json.dumps(dict(info), allow_nan=False)
        version = info.get("version", "")
        self.file.write(
            "HepMC::Version 3.02.06\nHepMC::Asciiv3-START_EVENT_LISTING\nW weight\n"
            f"T zprime-recast\\|{version}\\|dilepton events\nA zprime_recast {card}\n".encode()
        )

    def write(self, events: DileptonEvents) -> None:
        """Append a batch."""
        n = len(events)
        hard = hard_process(events)

        def particle(p: FloatArray, mass: FloatArray) -> list[str | ByteArray]:
            return [*format_momentum(p), " ", format_numbers(mass)]

        zero = np.zeros(n)
        sigma, error = (1e-3 * float(self.info.get(k) or 0.0) for k in ("cross_section_fb", "cross_section_error_fb"))
        pdf = int(self.info.get("pdf_index", -1))
        ids = format_ids(events["id1"]), format_ids(events["id2"])
        flows = [format_choice(quark.astype(np.int64), ("000", "501")) for quark in hard.colored]
        pieces = [
            *("E ", format_integers(self.written + np.arange(n), 11), " 2 5\nU GEV MM\n"),
            *("W ", format_numbers(events["weight"]), "\n"),
            *(f"A 0 GenCrossSection {sigma:.8e} {error:.8e} -1 -1\nA 0 GenPdfInfo ", ids[0], " ", ids[1], " "),
            *(format_numbers(events["x1"]), " ", format_numbers(events["x2"]), " ", format_numbers(events["scale"])),
            *(f" 0 0 {pdf} {pdf}\nA 1 flow1 ", flows[0], "\nA 1 flow2 ", flows[1]),
            *("\nA 2 flow1 ", flows[1], "\nA 2 flow2 ", flows[0]),
            *("\nP 1 0 ", ids[0], *particle(hard.first, zero), " 4\nP 2 0 ", ids[1], *particle(hard.second, zero)),
            *(" 4\nV -1 0 [1,2]\n", f"P 3 -1 {hard.boson_id}", *particle(hard.boson, events["m_ll"]), " 2\n"),
            *(f"P 4 3 {hard.lepton_id}", *particle(hard.lminus, events["lminus_mass"]), " 1\n"),
            *(f"P 5 3 -{hard.lepton_id}", *particle(hard.lplus, events["lplus_mass"]), " 1\n"),
        ]
        self.file.write(fill(pieces, n))
        self.written += n

    def close(self) -> None:
        """Write the end of the file."""
        self.file.write(_END + b"\n\n")


def read_hepmc_info(file: Readable, path: Path) -> dict[str, Any]:
    """Read the metadata of a file written here; empty for files of other programs."""
    head = file.read(1 << 16)
    if not head.startswith(b"HepMC::Version") and b"HepMC::" not in head[:200]:
        raise CardError(path, "", "no HepMC header", "a HepMC3 event file")
    for line in head.split(b"\n"):
        if line.startswith(b"A zprime_recast "):
            try:
                return dict(json.loads(line[len(b"A zprime_recast ") :]))
            except ValueError:
                return {}
        if line.startswith(b"E "):
            break
    return {}


def stream_hepmc(file: Readable, total: int, info: dict[str, Any]) -> Iterator[DileptonEvents]:
    """Read the events of an open file in batches; weights of other programs are scaled to the cross-section."""
    import pyhepmc

    ours = "absolute_cross_section_fb" in info
    parts: list[Any] = []
    complete = CompleteEvents(file, b"\nE ", _END)
    with pyhepmc.open(complete, "r", format="HepMC3") as reader:
        for event in reader:
            parts.append(_event_arrays(event))
            if len(parts) == BATCH:
                yield _batch(parts, total, info, ours)
                parts = []
    if complete.truncated:
        info["truncated"] = True
    if parts:
        yield _batch(parts, total, info, ours)


def _event_arrays(event: Any) -> tuple[Any, ...]:
    particles = event.numpy.particles
    p = np.stack([particles.px, particles.py, particles.pz, particles.e], axis=1)
    pdf, section = event.pdf_info, event.cross_section
    partons = (0, 0, 0.0, 0.0, 0.0)
    if pdf is not None:
        partons = (pdf.parton_id1, pdf.parton_id2, pdf.x1, pdf.x2, pdf.scale)
    sigma = section.xsec() if section is not None else 0.0
    unit = 1.0 if str(event.momentum_unit).endswith("GEV") else 1e-3
    weight = event.weights[0] if len(event.weights) else 1.0
    return particles.pid, particles.status, p * unit, partons, weight, sigma


def _batch(parts: list[Any], total: int, info: dict[str, Any], ours: bool) -> DileptonEvents:
    ids, status, p = (np.concatenate([part[i] for part in parts]) for i in range(3))
    event = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    good, lminus, lplus = select_leptons(event, ids.astype(np.int64), status == 1, p, len(parts))
    partons = np.array([part[3] for part in parts], dtype=float)[good]
    weight = np.array([part[4] for part in parts], dtype=float)
    if not ours:
        sigma_fb = 1e3 * parts[-1][5]
        info.setdefault("cross_section_fb", sigma_fb)
        weight = weight * (sigma_fb / (total * max(float(np.abs(weight).mean()), 1e-300)))
    pids = np.where(np.abs(partons[:, :2]) < 100, partons[:, :2], 0)
    return from_momenta(lminus, lplus, weight[good], info, pids, partons[:, 2:4], partons[:, 4])
