"""Tables of HEPData in YAML, one or several to a file, and in JSON: the same layout, or that of its web interface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CardError
from ..io.foreign import YAML_BYTES, read_yaml
from .hepdata_columns import Column, Error, as_list, as_mapping, cell, error_columns, name_and_units, unique

_EXPECTED = "a HEPData table"


def yaml_tables(path: Path) -> dict[str, Any]:
    """Tables of a YAML file by name, not yet read."""
    return _tables(path, read_yaml(path, f"{_EXPECTED} in YAML"))


def json_tables(path: Path) -> dict[str, Any]:
    """Tables of a JSON file by name, not yet read."""
    if path.stat().st_size > YAML_BYTES:
        raise CardError(path, "", f"{path.stat().st_size} bytes", f"{_EXPECTED} of at most {YAML_BYTES} bytes")
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    return _tables(path, content if isinstance(content, list) else [content])


def _tables(path: Path, documents: list[Any]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for i, document in enumerate(documents):
        if isinstance(document, dict) and ("dependent_variables" in document or "headers" in document):
            name = str(document.get("name", i))
            if name in tables:
                raise CardError(path, "name", f"two tables {name!r}", "one name each")
            tables[name] = document
    if not tables:
        raise CardError(path, "dependent_variables", "no such key", _EXPECTED)
    return tables


def read_table(path: Path, table: Any) -> list[Column]:
    """The columns of a table: independent variables, then dependent ones, each followed by its uncertainties."""
    return _read_headers(path, table) if "headers" in table else _read_variables(path, table)


def _read_variables(path: Path, table: Mapping[str, Any]) -> list[Column]:
    columns: list[Column] = []
    for kind in ("independent_variables", "dependent_variables"):
        for i, item in enumerate(as_list(path, kind, table.get(kind) or [])):
            key = f"{kind}[{i}]"
            variable = as_mapping(path, key, item)
            header = as_mapping(path, f"{key}.header", variable.get("header") or {})
            values = as_list(path, f"{key}.values", variable.get("values") or [])
            title, units = name_and_units(str(header.get("name", kind)), header.get("units"))
            columns += _variable(path, key, title, units, values, columns)
    return columns


def _read_headers(path: Path, table: Mapping[str, Any]) -> list[Column]:
    """The layout of HEPData's web interface: titles, and rows of x and y."""
    titles: list[str] = []
    for i, item in enumerate(as_list(path, "headers", table["headers"])):
        header = as_mapping(path, f"headers[{i}]", item)
        span = header.get("colspan", 1)
        if not isinstance(span, int) or not 1 <= span <= 10_000:
            raise CardError(path, f"headers[{i}].colspan", repr(span)[:40], "a number of columns")
        titles += [str(header.get("name", f"column {i}"))] * span
    rows = []
    for i, item in enumerate(as_list(path, "values", table.get("values"))):
        row = as_mapping(path, f"values[{i}]", item)
        cells = [v for axis in "xy" for v in as_list(path, f"values[{i}].{axis}", row.get(axis, []))]
        if len(cells) != len(titles):
            raise CardError(path, f"values[{i}]", f"{len(cells)} values", f"{len(titles)}, one for each header")
        rows.append(cells)
    columns: list[Column] = []
    for i, full in enumerate(titles):
        title, units = name_and_units(full)
        columns += _variable(path, f"column {i}", title, units, [row[i] for row in rows], columns)
    return columns


def _variable(path: Path, key: str, title: str, units: str, values: list[Any], known: list[Column]) -> list[Column]:
    """The columns of a variable: its bins or values, and its uncertainties."""
    rows = [as_mapping(path, f"{key}.values[{i}]", value) for i, value in enumerate(values)]
    name = unique(title, known)
    binned = [row for row in rows if "low" in row or "high" in row]
    found = []
    if binned:
        name = name if not any(column.name == f"{name} low" for column in known) else unique(f"{name} (2)", known)
        for end in ("low", "high"):
            found.append(Column(f"{name} {end}", tuple(cell(row.get(end)) for row in rows), units))
    if len(binned) < len(rows) or not rows:
        value = Column(name, tuple(cell(row.get("value")) for row in rows), units)
        errors = [_errors(path, f"{key}.values[{i}].errors", row.get("errors")) for i, row in enumerate(rows)]
        found += [value, *error_columns(value, errors)]
    return found


def _errors(path: Path, key: str, errors: Any) -> list[Error]:
    found = []
    for i, item in enumerate(as_list(path, key, errors or [])):
        error = as_mapping(path, f"{key}[{i}]", item)
        label = str(error.get("label") or "").strip()
        if "symerror" in error:
            found.append(Error(label, error["symerror"]))
        elif "asymerror" in error:
            sides = as_mapping(path, f"{key}[{i}].asymerror", error["asymerror"])
            found.append(Error(label, sides.get("plus"), sides.get("minus", "")))
        else:
            raise CardError(path, f"{key}[{i}]", ", ".join(map(str, error)) or "nothing", "symerror or asymerror")
    return found
