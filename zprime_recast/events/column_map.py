"""Which columns of a tree of another program hold the leptons: NanoAOD, Delphes or home-made.

A map says ``lminus_pt = "Muon_pt[0]"``: the name of a branch, with an index if it is a list per event, or a number.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import CardError, InputError, UnknownName
from .records import COLUMNS, OPTIONAL_COLUMNS

_INDEXED = re.compile(r"^(?P<name>.+?)\[(?P<index>\d+)\]$")
#: Keys of a map that are not columns of events.
_SETTINGS = ("tree", "charge", "energy_unit")
_UNITS = {"GeV": 1.0, "MeV": 1e-3, "TeV": 1e3}
_ENERGIES = ("pt", "mass", "m_ll", "scale")


@dataclass(frozen=True)
class ColumnMap:
    """Sources of the columns of events."""

    sources: Mapping[str, str | float]
    """Column -> name of a branch, with [index] if it is a list, or a number that holds for all events."""
    tree: str | None = None
    """Name of the tree; default: the one with these branches."""
    charge: str | None = None
    """Branch with the charges of the leptons: l- and l+ are exchanged where the first is positive."""
    energy_unit: str = "GeV"

    def __post_init__(self) -> None:
        for name in self.sources:
            if name not in COLUMNS and name not in OPTIONAL_COLUMNS:
                raise UnknownName("column of events", name, [*COLUMNS, *OPTIONAL_COLUMNS, *_SETTINGS])
        needed = [name for name in COLUMNS if name.startswith(("lminus_", "lplus_"))]
        missing = [name for name in needed if name not in self.sources]
        if missing:
            raise InputError(f"--columns gives no {', '.join(missing)}: name a branch for each, {missing[0]}=NAME[0]")
        if self.energy_unit not in _UNITS:
            raise UnknownName("unit of energy", self.energy_unit, _UNITS)
        if self.charge and not all(self._parsed("lminus_pt")[1:] + self._parsed("lplus_pt")[1:]):
            raise InputError("charge= in --columns needs leptons with an index, e.g. lminus_pt=Muon_pt[0]")

    def _parsed(self, name: str) -> tuple[str, str | None]:
        source = str(self.sources[name])
        match = _INDEXED.match(source)
        return (match["name"], match["index"]) if match else (source, None)

    @property
    def branches(self) -> list[str]:
        """Names of the branches to read."""
        names = [self._parsed(name)[0] for name, source in self.sources.items() if isinstance(source, str)]
        return list(dict.fromkeys([*names, *([self.charge] if self.charge else [])]))

    @property
    def weight_branch(self) -> str | None:
        """Name of the branch with the weights, if there is one."""
        source = self.sources.get("weight")
        return source if isinstance(source, str) else None

    def columns(
        self, arrays: Mapping[str, Any], n: int, path: Path
    ) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.bool_]]:
        """The columns of n events, and which of the events have a pair, (n,); the columns are those of the pairs.

        Arguments:
            arrays: awkward or NumPy arrays of the branches.
            n: number of events.
            path: the file, for messages.
        """
        there = np.ones(n, dtype=bool)
        found: dict[str, npt.NDArray[Any]] = {}
        for name, source in self.sources.items():
            if not isinstance(source, str):
                found[name] = np.full(n, float(source))
                continue
            values, exists = self._values(name, arrays, path)
            found[name] = values
            there &= exists
        if self.charge:
            first, second = (
                _picked(arrays[self.charge], int(str(self._parsed(f"{side}_pt")[1])), path, self.charge)
                for side in ("lminus", "lplus")
            )
            there &= first[0] * second[0] < 0
            swapped = first[0] > 0
            for part in ("pt", "eta", "phi", "mass"):
                a, b = (found.get(f"{side}_{part}") for side in ("lminus", "lplus"))
                if a is not None and b is not None:
                    found[f"lminus_{part}"], found[f"lplus_{part}"] = np.where(swapped, b, a), np.where(swapped, a, b)
        for name in found:
            if name.endswith(_ENERGIES):
                found[name] = found[name] * _UNITS[self.energy_unit]
        return {name: column[there] for name, column in found.items()}, there

    def _values(self, name: str, arrays: Mapping[str, Any], path: Path) -> tuple[Any, npt.NDArray[np.bool_]]:
        branch, index = self._parsed(name)
        if index is not None:
            return _picked(arrays[branch], int(index), path, branch)
        try:
            values = np.asarray(arrays[branch])
            if values.ndim != 1 or values.dtype.kind not in "fiub":
                raise ValueError
        except (ValueError, TypeError):
            raise CardError(path, branch, "a list per event", f"an index, {name}={branch}[0]") from None
        return values, np.ones(len(values), dtype=bool)


def _picked(values: Any, index: int, path: Path, branch: str) -> tuple[Any, npt.NDArray[np.bool_]]:
    """One entry of a list per event, NaN where the list is shorter; and whether it is there, (n,) each."""
    import awkward as ak

    array = ak.Array(values)
    if array.ndim != 2:
        raise CardError(path, branch, "one number per event", f"no index, {branch}")
    exists = ak.to_numpy(ak.num(array) > index)
    padded = ak.fill_none(ak.pad_none(array, index + 1)[:, index], np.nan)
    return ak.to_numpy(padded).astype(float), exists


def load_column_map(given: Sequence[str]) -> ColumnMap | None:
    """Read a map from a TOML file, or from NAME=BRANCH pairs separated by white space; None if nothing is given."""
    if not given:
        return None
    if len(given) == 1 and given[0].endswith(".toml"):
        path = Path(given[0])
        try:
            pairs: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise CardError(path, "", "no such file", "a TOML file with the names of the branches") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
            raise CardError(path, "", str(err).splitlines()[0], "TOML such as lminus_pt = 'Muon_pt[0]'") from None
    else:
        pairs = {}
        for word in " ".join(given).split():
            name, equals, source = word.partition("=")
            if not equals or not source:
                raise InputError(f"--columns {word}: expected NAME=BRANCH, e.g. lminus_pt=Muon_pt[0], or a .toml file")
            pairs[name] = source
    sources: dict[str, str | float] = {}
    for name, source in pairs.items():
        if not isinstance(source, (str, int, float)) or isinstance(source, bool):
            raise InputError(f"--columns {name}: expected the name of a branch or a number, found {source!r}")
        try:
            sources[name] = float(source)
        except ValueError:
            sources[name] = str(source)
    settings = {name: str(sources.pop(name)) for name in _SETTINGS if name in sources}
    return ColumnMap(sources, **settings)
