"""ROOT files with uproot: a TTree ``events`` (or an RNTuple), and the metadata as a JSON string ``zprime_recast``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CardError
from .column_map import ColumnMap
from .columns import first_line
from .metadata import parsed_metadata
from .records import DileptonEvents

TREE, META = "events", "zprime_recast"
#: Events per step when reading.
STEP = 1 << 18
#: Largest number of events per byte of a file: momenta hardly shrink, and more are the sign of a damaged count.
MOST_PER_BYTE = 10


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
            wanted = columns.branches if columns else ["lminus_pt"]
            self.tree = _tree(file, path, wanted, columns.tree if columns else None)
            self.names: Sequence[str] = _names(self.tree)
            self.count = int(self.tree.num_entries)
        except CardError:
            raise
        except Exception as err:  # as above, for a file whose inside is damaged
            raise CardError(path, "", first_line(err), "an undamaged ROOT file") from None
        if not 0 <= self.count <= MOST_PER_BYTE * path.stat().st_size:
            found = f"{self.count} events in {path.stat().st_size} bytes"
            raise CardError(path, "", found, "an undamaged ROOT file")
        self.info = parsed_metadata(path, META, metadata)
        self.lists = columns is not None

    def steps(self) -> Sequence[tuple[int, int]]:
        """Ranges of events."""
        return [(start, min(start + STEP, self.count)) for start in range(0, self.count, STEP)]

    def read(self, names: Sequence[str], step: tuple[int, int]) -> tuple[Mapping[str, Any], int]:
        """Columns of a range of events, as NumPy arrays, or as awkward arrays for a column map."""
        start, stop = step
        try:
            if self.lists:
                span = {"entry_start": start, "entry_stop": stop}
                columns = {name: self.tree[name].array(library="ak", **span) for name in names}
            else:
                arrays = self.tree.arrays([*names], entry_start=start, entry_stop=stop, library="np")
                columns = arrays if isinstance(arrays, dict) else {n: arrays[n].to_numpy() for n in names}
            if any(len(column) != stop - start for column in columns.values()):
                raise ValueError("columns of different lengths")
        except Exception as err:  # uproot raises many kinds for damaged files
            raise CardError(self.path, TREE, first_line(err), "events: the file is damaged or cut short") from None
        return columns, stop - start


def _tree(file: Any, path: Path, wanted: Sequence[str], named: str | None) -> Any:
    """The tree with the branches wanted, the one called ``events`` if there are several."""
    trees = {
        name: file[name]
        for name, kind in file.classnames(cycle=False).items()
        if (kind == "TTree" or "RNTuple" in kind) and named in (None, name)
    }
    missing = {name: [w for w in wanted if w not in _names(tree)] for name, tree in trees.items()}
    found = [name for name in trees if not missing[name]]
    if found:
        return trees[TREE if TREE in found else min(found)]
    if "lminus_pt" in wanted:
        what = "no tree with columns lminus_pt, lminus_eta ..."
        raise CardError(path, "", what, "a tree of dilepton events; for other names: --columns")
    if not trees:
        raise CardError(path, "", f"no tree {named or ''}".rstrip(), "a tree")
    nearest = min(missing, key=lambda name: len(missing[name]))
    near = difflib.get_close_matches(missing[nearest][0], _names(trees[nearest]), n=1)
    remedy = f"'{near[0]}'?" if near else f"one of {', '.join(_names(trees[nearest])[:6])} ..."
    raise CardError(path, nearest, f"no branch {missing[nearest][0]}", remedy)


def _names(tree: Any) -> list[str]:
    """Names of the branches of a tree, those inside others without the name of these."""
    return [str(key).rpartition("/")[2] for key in tree.keys()]  # noqa: SIM118  (no mapping)
