"""Columns of a published table: numbers, gaps, text, units, and the uncertainties of values.

A value may have several uncertainties, symmetric or not, absolute or in per cent. Each becomes a column of its own, in
the units of the value: ``NAME error LABEL``, or ``NAME error LABEL up`` and ``... down`` with the signs published.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import CardError

Cell = float | str | None
"""A number, text that is not one, or None where nothing is published."""

#: How records write that there is no value.
GAPS = ("", "-", "--", "---", "\N{EN DASH}", "\N{EM DASH}")
#: Shorter than this, what is not a number is quoted in full.
_QUOTED = 60

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d{1,3})?", re.ASCII)
_ENERGY = {"mev": 1e-3, "gev": 1.0, "tev": 1e3}
_AREA = {"ab": 1e-3, "fb": 1.0, "pb": 1e3, "nb": 1e6}
_PER_ENERGY = re.compile(
    r"\s*(?:(?:/|\bper\b|\\,?/)\s*(?P<n>\d+(?:\.\d+)?)?\s*(?P<unit>[mgt]ev)\b"
    r"|(?P<inverse>[mgt]ev)\s*(?:\*\*|\^)\s*\{?\(?-1\)?\}?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Column:
    """A column of a table, in the order of its rows."""

    name: str
    cells: tuple[Cell, ...]
    units: str = ""
    of: str = ""
    """Name of the column whose uncertainty this is; empty for values."""
    label: str = ""
    """What the uncertainty is due to, as the record says."""
    side: str = ""
    """``up`` or ``down`` for an asymmetric uncertainty."""

    def numbers(self, path: Path) -> FloatArray:
        """The column as floats, NaN where nothing is published; CardError names the first row with text."""
        for row, value in enumerate(self.cells, 1):
            if isinstance(value, str):
                found = repr(value if len(value) < _QUOTED else value[:_QUOTED] + "...")
                raise CardError(path, f"column {self.name}, row {row}", found, "a number")
        return np.array([np.nan if value is None else value for value in self.cells], dtype=float)


def cell(value: object) -> Cell:
    """A cell as a finite number, as None for a gap, or as text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            return "an integer of hundreds of digits"
        return number if isfinite(number) else str(value)
    text = "" if value is None else str(value).strip()
    if text in GAPS:
        return None
    if _NUMBER.fullmatch(text) and isfinite(number := float(text.lower().replace("d", "e"))):
        return number
    return text


def unique(name: str, columns: Iterable[Column]) -> str:
    """The name, numbered if a column has it already."""
    taken = {column.name for column in columns}
    number, new = 1, name
    while new in taken:
        number += 1
        new = f"{name} ({number})"
    return new


def name_and_units(title: str, units: object = "") -> tuple[str, str]:
    """Split ``NAME [UNITS]``, unless the units are given."""
    name, given = title.strip(), "" if units is None else str(units).strip()
    found = re.fullmatch(r"(.*\S)\s*\[([^\[\]]*)\]", name)
    if found and not given and not found[1].endswith("\\"):
        return found[1], found[2].strip()
    return name, given


@dataclass(frozen=True)
class Error:
    """An uncertainty of one value, as published: numbers, or text that ends in a per cent sign."""

    label: str
    up: object
    down: object | None = None
    """None for a symmetric uncertainty."""


def error_columns(value: Column, errors: Sequence[Sequence[Error]]) -> list[Column]:
    """Columns for the uncertainties of a column, ``errors`` being those of each row."""
    rows: list[dict[tuple[str, int], Error]] = []
    for row in errors:
        found: dict[tuple[str, int], Error] = {}
        for error in row:
            found[error.label, sum(label == error.label for label, _ in found)] = error
        rows.append(found)
    columns: list[Column] = []
    for key in dict.fromkeys(key for row in rows for key in row):
        label = key[0] + (f" ({key[1] + 1})" if key[1] else "")
        name = f"{value.name} error {label}".rstrip()
        sides = ("up", "down") if any(key in row and row[key].down is not None for row in rows) else ("",)
        for side in sides:
            cells = tuple(
                _size(x, row[key], side) if key in row else None for x, row in zip(value.cells, rows, strict=True)
            )
            full = unique(f"{name} {side}".rstrip(), columns)
            columns.append(Column(full, cells, value.units, value.name, label, side))
    return columns


def _size(value: Cell, error: Error, side: str) -> Cell:
    """One side of an uncertainty in the units of its value."""
    published = error.down if side == "down" and error.down is not None else error.up
    text = str(published).strip()
    sign = -1.0 if side == "down" and error.down is None else 1.0
    if not text.endswith("%"):
        size = cell(published)
        return sign * size if isinstance(size, float) else size
    per_cent = cell(text[:-1])
    if isinstance(per_cent, float) and not isinstance(value, str):
        return None if value is None else sign * per_cent / 100.0 * abs(value)
    return text


def in_quadrature(path: Path, errors: Sequence[Column]) -> tuple[FloatArray, list[str]]:
    """Uncertainties added in quadrature, and remarks on rows where some of them are not published.

    Upward and downward sizes are added separately; the result is their mean. NaN in rows without any of them.
    """
    up, down = (
        np.array([np.abs(column.numbers(path)) for column in errors if column.side != other])
        for other in ("down", "up")
    )
    known = np.isfinite(up).any(axis=0) | np.isfinite(down).any(axis=0)
    remarks = [
        f"{column.name} is not published in {missing} of {len(known)} rows; nothing is added there"
        for column in errors
        if (missing := int((np.isnan(column.numbers(path)) & known).sum()))
    ]
    sizes = [np.sqrt(np.nansum(side**2, axis=0)) for side in (up, down)]
    return np.where(known, 0.5 * (sizes[0] + sizes[1]), np.nan), remarks


def per_energy(column: Column) -> tuple[float, str] | None:
    """Energy in GeV by which a column is divided, and what it is without that; None if it is not divided."""
    for title in (column.units, "" if column.units else column.name):
        if found := _PER_ENERGY.search(title):
            unit = found["unit"] or found["inverse"]
            rest = (title[: found.start()] + title[found.end() :]).strip()
            return float(found["n"] or 1) * _ENERGY[unit.lower()], rest if column.units else ""
    return None


def factor_to(name: str, units: str) -> tuple[float, str] | None:
    """Factor from ``units`` to those that the name of a column promises, and these; None if it promises nothing.

    Names that end in ``_gev`` or ``_fb`` promise GeV or fb, and so do the limits ``limit_obs`` and ``limit_exp``.
    """
    word = re.sub(r"[\\${}\s]|text|mathrm", "", units).lower()
    if name.endswith("_gev") and word in _ENERGY:
        return _ENERGY[word], "GeV"
    if (name.endswith("_fb") or name in ("limit_obs", "limit_exp")) and word in _AREA:
        return _AREA[word], "fb"
    return None


def as_mapping(path: Path, key: str, value: Any) -> Mapping[Any, Any]:
    """The value, if it is a table of keys; CardError if not."""
    if not isinstance(value, Mapping):
        raise CardError(path, key, f"{type(value).__name__}", "keys and values")
    return value


def as_list(path: Path, key: str, value: Any) -> list[Any]:
    """The value, if it is a list; CardError if not."""
    if not isinstance(value, list):
        raise CardError(path, key, f"{type(value).__name__}", "a list")
    return value
