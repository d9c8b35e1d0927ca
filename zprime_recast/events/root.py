"""ROOT files with uproot: a TTree ``events`` (or an RNTuple), and the metadata as a JSON string ``zprime_recast``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CardError
from .column_map import ColumnMap
from .columns import first_line, parsed_metadata
from .records import DileptonEvents

TREE, META = "events", "zprime_recast"
#: Events per step when reading.
STEP = 1 << 18


class RootWriter:
    """Writes events to a new ROOT file, by default uncompressed: momenta hardly shrink, and compression is slow."""

    def __init__(self, path: Path, info: Mapping[str, Any], rntuple: bool = False, compression: str = "none") -> None:
        import uproot

        chosen = None if compression == "none" else getattr(uproot, compression.upper())(1)
        self._file = uproot.recreate(path, compression=chosen)
        self._file[META] = json.dumps(dict(info), allow_nan=False)
        self._rntuple = rntuple
        self._tree: Any = None

    def write(self, events: DileptonEvents) -> None:
        """Append a batch (one basket per column)."""
        columns = {name: np.ascontiguousarray(column) for name, column in events.columns.items()}
        if self._tree is None:
            make = self._file.mkrntuple if self._rntuple else self._file.mktree
            self._tree = make(TREE, {name: column.dtype for name, column in columns.items()})
        self._tree.extend(columns)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class RootTable:
    """An open ROOT file: the tree ``events``, or the only one with the columns asked for."""

    def __init__(self, path: Path, columns: ColumnMap | None = None) -> None:
        import uproot

        self.path = path
        try:
            file = uproot.open(path)
        except Exception as err:  # uproot raises many kinds for files that are not ROOT files or are cut short
            raise CardError(
                path, "", first_line(err), "a complete ROOT file (if it is cut short, no event can be read)"
            ) from None
        try:
            metadata = str(file[META]) if META in file else "{}"
            wanted = set(columns.branches if columns else ["lminus_pt"])
            self.tree = _tree(file, path, wanted, columns.tree if columns else None)
            self.names: Sequence[str] = [*self.tree.keys()]
            self.count = int(self.tree.num_entries)
        except CardError:
            raise
        except Exception as err:  # as above, for a file whose inside is damaged
            raise CardError(path, "", first_line(err), "an undamaged ROOT file") from None
        self.info = parsed_metadata(path, META, metadata)
        self.lists = columns is not None

    def steps(self) -> Sequence[tuple[int, int]]:
        """Ranges of events."""
        return [(start, min(start + STEP, self.count)) for start in range(0, self.count, STEP)]

    def read(self, names: Sequence[str], step: tuple[int, int]) -> tuple[Mapping[str, Any], int]:
        """Columns of a range of events, as NumPy arrays, or as awkward arrays for a column map."""
        start, stop = step
        try:
            arrays = self.tree.arrays(
                [*names], entry_start=start, entry_stop=stop, library="ak" if self.lists else "np"
            )
            if self.lists:
                columns = {name: arrays[name] for name in names}
            else:
                columns = arrays if isinstance(arrays, dict) else {n: arrays[n].to_numpy() for n in names}
            if any(len(column) != stop - start for column in columns.values()):
                raise ValueError("columns of different lengths")
        except Exception as err:  # uproot raises many kinds for damaged files
            raise CardError(self.path, TREE, first_line(err), "events: the file is damaged or cut short") from None
        return columns, stop - start


def _tree(file: Any, path: Path, wanted: set[str], named: str | None) -> Any:
    found = []
    for name, kind in file.classnames(cycle=False).items():
        if (kind == "TTree" or "RNTuple" in kind) and named in (None, name):
            tree = file[name]
            if wanted <= set(tree.keys()) or named:
                found.append((name != TREE, name, tree))
    if not found:
        what = "no tree with lminus_pt, lminus_eta ..." if "lminus_pt" in wanted else "no tree with these branches"
        remedy = "a tree of dilepton events; for other names of columns: --columns"
        raise CardError(path, "", what if named is None else f"no tree {named}", remedy)
    return min(found, key=lambda item: item[:2])[2]
