"""Events in files of columns, ROOT trees and Parquet: the run they hold by their metadata and weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import CardError
from .column_map import ColumnMap
from .kinematics import mass_squared, momenta
from .pairs import Part
from .records import COLUMNS, OPTIONAL_COLUMNS, DileptonEvents, from_columns, sensible
from .weights import IN_FB, RELATIVE, Run, Tally

#: Relative difference of m_ll^2 from that of the momenta, and share of the energies squared, for single precision.
_M2_TOLERANCE, _E2_TOLERANCE = 1e-3, 1e-6


class Table(Protocol):
    """An open file of columns."""

    info: dict[str, Any]
    """Metadata written here; empty for files of other programs."""
    names: Sequence[str]

    def steps(self) -> Sequence[Any]:
        """Pieces that the file is read in."""

    def read(self, names: Sequence[str], step: Any) -> tuple[Mapping[str, Any], int]:
        """Columns of a piece, and its number of events; CardError if the file is damaged."""


class ColumnFile:
    """A file of columns: ``runs`` has one run, ``parts()`` reads the pairs."""

    def __init__(self, path: Path, table: Table, columns: ColumnMap | None) -> None:
        self.path, self.table, self.map = path, table, columns
        known = (*COLUMNS, *OPTIONAL_COLUMNS)
        self.names = columns.branches if columns else [name for name in known if name in table.names]
        missing = [name for name in self.names if name not in table.names]
        if missing:
            near = ", ".join(sorted(table.names)[:8])
            raise CardError(path, "", f"no branch {missing[0]}", f"one of its branches: {near} ...")
        self.runs = [self._run()]

    def parts(self) -> Iterator[Part]:
        """Read the lepton pairs in batches."""
        for step in self.table.steps():
            arrays, n = self.table.read(self.names, step)
            if self.map:
                columns, there = self.map.columns(arrays, n, self.path)
                count = int(there.sum())
            else:
                columns, count = dict(arrays), n
            columns.setdefault("weight", np.ones(count))
            events = from_columns(columns, self.table.info, self.path)
            if not self.map and "m_ll" in columns:
                self._check_masses(events)
            yield Part(0, events, n, count - len(events))

    def _run(self) -> Run:
        weight = self.map.weight_branch if self.map else "weight"
        tally, missing = Tally(), "it has no column of weights"
        for step in self.table.steps():
            if weight in self.names:
                arrays, n = self.table.read([str(weight)], step)
                values = np.asarray(arrays[str(weight)])
                if values.dtype.kind not in "fiu" or values.ndim != 1 or not sensible(values):
                    raise CardError(self.path, f"column {weight}", "a value that is not a finite number", "numbers")
            else:
                _, n = self.table.read(self.names[:1], step)
                values = np.ones(n)
            tally += Tally.of(values)
        if not tally.events:
            raise CardError(self.path, "", "no events", "a tree of dilepton events")
        in_fb = weight in self.names and self.map is None
        if weight in self.names and self.map:
            missing = f"the unit of {weight} is not known"
        elif in_fb and tally.unit and tally.events > 1 and "n_events" not in self.table.info:
            in_fb, missing = False, "all weights are 1"
        info = self.table.info
        if in_fb and tally.events > int(info.get("n_events") or tally.events):
            self._check_process()
        remarks = () if not in_fb or info else (f"the weights are taken to be in fb: {tally.total:.5g} fb",)
        convention = IN_FB if in_fb else RELATIVE
        return Run(str(self.path), tally, convention, info=info, missing=missing, remarks=remarks)

    def _check_process(self) -> None:
        """CardError if a file with more events than its metadata say has pairs that these exclude."""
        info = self.table.info
        low, high = info.get("window_gev") or (0.0, np.inf)
        for step in self.table.steps():
            events = from_columns(dict(self.table.read(self.names, step)[0]), info, self.path)
            other = not np.isin(events.flavor, [0, info.get("lepton_pdg_id", 0)]).all()
            outside = (events["m_ll"] > high * 1.001) | ((events["m_ll"] < low * 0.999) & ("shower" not in info))
            if other or outside.any():
                raise CardError(
                    self.path,
                    "",
                    f"more events than the {info['n_events']} of its metadata, of other flavours or masses",
                    "the files of different samples one by one (--events is repeatable)",
                )

    def _check_masses(self, events: DileptonEvents) -> None:
        """CardError if the column m_ll contradicts the momenta of the leptons."""
        lminus, lplus = momenta(events)
        pair = lminus + lplus
        off = np.abs(mass_squared(pair) - events["m_ll"] ** 2)
        wrong = off > _M2_TOLERANCE * events["m_ll"] ** 2 + _E2_TOLERANCE * pair[:, 3] ** 2
        if wrong.any():
            k = int(wrong.argmax())
            found = float(np.sqrt(max(mass_squared(pair)[k], 0.0)))
            raise CardError(
                self.path,
                "column m_ll",
                f"{events['m_ll'][k]:.6g} GeV for a pair of {found:.6g} GeV ({int(wrong.sum())} such events)",
                "the mass of the pair",
            )


def first_line(err: BaseException) -> str:
    """The first line of what a library says of a broken file."""
    lines = [line for line in str(err).splitlines() if line.strip()]
    return (lines[0] if lines else type(err).__name__)[:120]
