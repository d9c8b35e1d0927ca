"""Write HepMC3 event files (Asciiv3), .hepmc3 and .hepmc3.gz.

Weights are in fb. Every event carries the cross-section of the sample as an attribute, in pb as in all HepMC files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from ..arrays import FloatArray
from .kinematics import hard_process
from .records import DileptonEvents
from .text import (
    ByteArray,
    fill,
    format_choice,
    format_ids,
    format_integers,
    format_lepton_ids,
    format_momentum,
    format_numbers,
)

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
            *("P 4 3 ", format_lepton_ids(hard.lepton_id), *particle(hard.lminus, events["lminus_mass"]), " 1\n"),
            *("P 5 3 -", format_lepton_ids(hard.lepton_id), *particle(hard.lplus, events["lplus_mass"]), " 1\n"),
        ]
        self.file.write(fill(pieces, n))
        self.written += n

    def close(self) -> None:
        """Write the end of the file."""
        self.file.write(_END + b"\n\n")
