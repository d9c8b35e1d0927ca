"""Tables of a downloaded HEPData record: YAML, JSON, CSV, ROOT or YODA, as columns of numbers.

The formats: :mod:`~zprime_recast.searches.hepdata_yaml`, :mod:`~zprime_recast.searches.hepdata_csv`,
:mod:`~zprime_recast.searches.hepdata_root` and :mod:`~zprime_recast.searches.yoda`, which is also that of the reference
data of Rivet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import CardError, InputError, UnknownName
from ..io.foreign import reading
from .hepdata_columns import Column, cell, factor_to, in_quadrature, per_energy
from .hepdata_csv import read_csv_table
from .hepdata_root import read_root_table, root_tables
from .hepdata_yaml import json_tables, read_table, yaml_tables
from .yoda import read_yoda_table, yoda_tables

_Tables = Callable[[Path], Mapping[str, Any]]
_Columns = Callable[[Path, Any], list[Column]]
#: How the tables of a file are listed, and how one is read, by the end of its name.
_READERS: dict[str, tuple[_Tables, _Columns]] = {
    ".yaml": (yaml_tables, read_table),
    ".yml": (yaml_tables, read_table),
    ".json": (json_tables, read_table),
    ".csv": (lambda path: {path.stem: None}, lambda path, _: read_csv_table(path)),
    ".root": (root_tables, read_root_table),
    ".yoda": (yoda_tables, read_yoda_table),
    ".yoda.gz": (yoda_tables, read_yoda_table),
}


@dataclass(frozen=True)
class HepdataTable:
    """Columns of a table, and the file they are from."""

    path: Path
    columns: tuple[Column, ...]

    def __getitem__(self, name: str) -> Column:
        """The column of a name; UnknownName lists those that exist."""
        known = {column.name: column for column in self.columns}
        if name not in known:
            raise UnknownName(f"column of {self.path.name}", name, known)
        return known[name]

    @property
    def values(self) -> tuple[Column, ...]:
        """The columns that are not uncertainties of others."""
        return tuple(column for column in self.columns if not column.of)

    def numbers(self, name: str) -> FloatArray:
        """A column as floats, NaN where nothing is published; CardError if it has text."""
        return self[name].numbers(self.path)

    def uncertainty(self, name: str, label: str | None = None) -> tuple[FloatArray, list[str]]:
        """Uncertainties of a column in quadrature, and remarks on rows without some of them.

        Upward and downward sizes are added separately; the result is their mean. NaN in rows that publish none.
        InputError for a column without uncertainties.

        Arguments:
            name: a column of values.
            label: the label of the only uncertainty that counts; default: all.
        """
        return in_quadrature(self.path, self._errors(name, label))

    def _errors(self, name: str, label: str | None) -> list[Column]:
        column = self[name]
        errors = [error for error in self.columns if error.of == column.name]
        if not errors:
            raise InputError(f"{self.path}: no uncertainties of column {name}")
        if label is not None and not any(error.label == label for error in errors):
            raise UnknownName(f"uncertainty of {name}", label, {error.label for error in errors})
        return [error for error in errors if label in (None, error.label)]

    def times_bin_width(self) -> HepdataTable:
        """The table with every column per GeV (MeV, TeV, 10 GeV, ...) multiplied by the widths of its bins.

        InputError if the table has not exactly one variable with bins in units of energy, or no such column.
        """
        lows = [c for c in self.values if c.name.lower().endswith(" low")]
        highs = [c for c in self.values if c.name.lower().endswith(" high")]
        if len(lows) != 1 or len(highs) != 1:
            raise InputError(f"{self.path}: {len(lows)} variables with bins; events need exactly one")
        unit = factor_to("_gev", lows[0].units) if lows[0].units else (1.0, "GeV")
        if unit is None:
            raise InputError(f"{self.path}: {lows[0].name} is in {lows[0].units}, not in MeV, GeV or TeV")
        width = (highs[0].numbers(self.path) - lows[0].numbers(self.path)) * unit[0]
        columns, found = [], 0
        for column in self.columns:
            source = self[column.of] if column.of else column
            if (per := None if column in (*lows, *highs) else per_energy(source)) is None:
                columns.append(column)
                continue
            found += 1
            cells = tuple(
                None if np.isnan(w) else float(f"{x * w / per[0]:.12g}") if isinstance(x, float) else x
                for x, w in zip(column.cells, width, strict=True)
            )
            columns.append(replace(column, cells=cells, units=per[1]))
        if not found:
            units = ", ".join(f"{c.name} [{c.units or 'no units'}]" for c in self.values)
            raise InputError(f"{self.path}: no column is per GeV, MeV or TeV: {units}")
        return HepdataTable(self.path, tuple(columns))

    def selected(
        self, columns: Sequence[str] | None = None, uncertainties: Sequence[str] = ()
    ) -> tuple[HepdataTable, list[str]]:
        """The columns that are wanted, as numbers under new names, and remarks on gaps and units.

        Columns called ``..._gev`` or ``..._fb`` are converted to these units, ``limit_obs`` and ``limit_exp`` to fb.
        CardError if a column that is kept has text; InputError if the names do not fit the table.

        Arguments:
            columns: names for the columns in order, with or without those of uncertainties, ``-`` for one that is left
                out; or ``NEW=OLD`` for each that is kept. Default: all columns, unchanged.
            uncertainties: ``NEW=COLUMN`` or ``NEW=COLUMN:LABEL``: a column of the uncertainties of another, added in
                quadrature if several are given under one name.
        """
        if columns is None and not uncertainties:
            return self, []
        kept = self._renamed(columns)
        remarks: list[str] = []
        found = []
        for new, column in kept.items():
            found.append(self._converted(new, column.numbers(self.path), column.units, remarks))
        sources: dict[str, list[Column]] = {}
        for item in uncertainties:
            new, equals, old = item.partition("=")
            if not equals or not new.strip() or new.strip() in kept:
                raise InputError(f"uncertainty {item}: expected NEW=COLUMN or NEW=COLUMN:LABEL, NEW not a column yet")
            sources.setdefault(new.strip(), []).extend(self._named_errors(old.strip(), kept))
        for new, errors in sources.items():
            numbers, notes = in_quadrature(self.path, list(dict.fromkeys(errors)))
            remarks += notes
            found.append(self._converted(new, numbers, errors[0].units, remarks))
        return HepdataTable(self.path, tuple(found)), remarks

    def _named_errors(self, name: str, kept: Mapping[str, Column]) -> list[Column]:
        """Uncertainties of ``COLUMN`` or ``COLUMN:LABEL``, a column under its old or its new name."""
        known = {column.name for column in self.columns} | set(kept)
        parts = [(name, None)] + [(name[:i], name[i + 1 :]) for i, x in enumerate(name) if x == ":"]
        for column, label in parts:
            if column in known:
                return self._errors(kept[column].name if column in kept else column, label)
        raise UnknownName(f"column of {self.path.name}", name, sorted(known))

    def _renamed(self, names: Sequence[str] | None) -> dict[str, Column]:
        if names is None:
            return {column.name: column for column in self.columns}
        if names and all("=" in name for name in names):
            pairs = [(new.strip(), self[old.strip()]) for new, _, old in (name.partition("=") for name in names)]
        else:
            fitting = next((c for c in (self.values, self.columns) if len(c) == len(names)), None)
            if fitting is None:
                errors = [c.name for c in self.columns if c.of]
                listed = ", ".join(c.name for c in self.values)
                more = f"; and {len(errors)} of uncertainties: {', '.join(errors)}" if errors else ""
                raise InputError(
                    f"--columns {','.join(names)}: {self.path} has {len(self.values)} columns: {listed}{more}"
                )
            pairs = [(new, column) for new, column in zip(names, fitting, strict=True) if new != "-"]
        kept = dict(pairs)
        if len(kept) < len(pairs) or "" in kept or not kept:
            raise InputError(f"--columns {','.join(names)}: expected one name for each column that is kept")
        return kept

    def _converted(self, name: str, numbers: FloatArray, units: str, remarks: list[str]) -> Column:
        factor, new = factor_to(name, units) or (1.0, units)
        if factor != 1.0:
            remarks.append(f"{name}: converted from {units} to {new}")
        if gaps := int(np.isnan(numbers).sum()):
            remarks.append(f"{name}: nothing is published in {gaps} of {len(numbers)} rows; the cells are empty")
        if (per := per_energy(Column(name, (), units))) is not None and units:
            remarks.append(f"{name} is in {units}, per {per[0]:g} GeV; --events multiplies by the widths of the bins")
        return Column(name, tuple(cell(float(f"{x * factor:.12g}")) if np.isfinite(x) else None for x in numbers), new)


def read_hepdata(path: Path, table: str | None = None) -> HepdataTable:
    """Read a table: its independent variables, then the dependent ones, each followed by its uncertainties.

    An independent variable with bins becomes ``NAME low`` and ``NAME high``. CardError for a file that is not a HEPData
    table, or a table without a number; UnknownName for a table that is not in the file.
    """
    reader = next((r for suffix, r in _READERS.items() if path.name.lower().endswith(suffix)), None)
    if reader is None:
        raise InputError(f"{path}: expected a HEPData table ending in {', '.join(_READERS)}")
    if not path.is_file():
        raise CardError(path, "", "no such file", "a HEPData table")
    with reading(path, "a HEPData table"):
        columns = reader[1](path, _chosen(path, reader[0](path), table))
    lengths = {len(column.cells) for column in columns}
    if len(lengths) > 1:
        raise CardError(path, "", f"columns of {', '.join(map(str, sorted(lengths)))} rows", "one length")
    if not any(isinstance(value, float) for column in columns for value in column.cells):
        raise CardError(path, "", "no numbers", "a HEPData table")
    return HepdataTable(path, tuple(columns))


def _chosen(path: Path, tables: Mapping[str, Any], name: str | None) -> Any:
    if name is None:
        if len(tables) != 1:
            listed = ", ".join(list(tables)[:50])
            raise InputError(f"{path} has {len(tables)} tables, choose one with --table: {listed}")
        return next(iter(tables.values()))
    if name not in tables and len(found := [key for key in tables if key.rsplit("/", 1)[-1] == name]) == 1:
        return tables[found[0]]
    if name not in tables:
        raise UnknownName(f"table of {path.name}", name, tables)
    return tables[name]
