"""ROOT files with uproot: a TTree ``events`` (or an RNTuple), and the metadata as a JSON string ``zprime_recast``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CardError
from .records import COLUMNS, OPTIONAL_COLUMNS, DileptonEvents, from_columns

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


def stream_root(path: Path, info: dict[str, Any]) -> Iterator[DileptonEvents]:
    """Events of a ROOT file: the tree ``events``, or the only one with the lepton columns.

    The metadata are added to ``info``.
    """
    import uproot

    try:
        file = uproot.open(path)
    except Exception as err:  # uproot raises many kinds for files that are not ROOT files or are cut short
        raise CardError(
            path, "", _first_line(err), "a complete ROOT file (if it is cut short, no event can be read)"
        ) from None
    with file:
        if META in file:
            info.update(_parsed(path, str(file[META])))
        tree = _tree(file, path)
        names = [n for n in (*COLUMNS, *OPTIONAL_COLUMNS) if n in tree.keys()]  # noqa: SIM118  (no mapping)
        count = int(tree.num_entries)
        for start in range(0, count, STEP):
            try:
                arrays = tree.arrays(names, entry_start=start, entry_stop=min(start + STEP, count), library="np")
                columns = arrays if isinstance(arrays, dict) else {n: arrays[n].to_numpy() for n in names}
            except (OSError, ValueError, IndexError, EOFError, AssertionError) as err:
                if start:  # what comes before the cut is whole
                    info["truncated"] = True
                    return
                raise CardError(path, TREE, _first_line(err), "events: the file is damaged or cut short") from None
            yield from_columns(columns, info, path)


def _tree(file: Any, path: Path) -> Any:
    found = []
    for name, kind in file.classnames(cycle=False).items():
        if kind == "TTree" or "RNTuple" in kind:
            tree = file[name]
            if "lminus_pt" in tree.keys():  # noqa: SIM118
                found.append((name != TREE, name, tree))
    if not found:
        raise CardError(path, "", "no tree with columns lminus_pt, lminus_eta ...", "a tree of dilepton events")
    return min(found, key=lambda item: item[:2])[2]


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError:
        raise CardError(path, META, "broken JSON", "the metadata as they were written") from None


def _first_line(err: Exception) -> str:
    lines = [line for line in str(err).splitlines() if line.strip()]
    return (lines[0] if lines else type(err).__name__)[:120]
