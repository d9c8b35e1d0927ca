"""Write Les Houches event files (Alwall et al., Comput. Phys. Commun. 176 (2007) 300), version 3.0, .lhe and .lhe.gz.

The event weight XWGTUP is in pb and its mean is the cross-section (IDWTUP = -4, as MadGraph writes it).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from ..arrays import FloatArray
from ..model.standard_model import standard_model
from .kinematics import DEFAULT_SQRT_S_GEV, hard_process
from .records import DileptonEvents
from .text import ByteArray, fill, format_choice, format_ids, format_lepton_ids, format_momentum, format_numbers


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
            *(format_lepton_ids(hard.lepton_id), " 1 3 3 0 0", *line(hard.lminus, events["lminus_mass"])),
            *("-", format_lepton_ids(hard.lepton_id), " 1 3 3 0 0", *line(hard.lplus, events["lplus_mass"])),
            "</event>\n",
        ]
        self.file.write(fill(pieces, n))

    def close(self) -> None:
        """Write the end of the file."""
        self.file.write(b"</LesHouchesEvents>\n")
