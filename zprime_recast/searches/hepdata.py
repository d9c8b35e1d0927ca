"""Tables of a downloaded HEPData record: YAML, CSV or ROOT, as columns of numbers.

YAML: one table a file, or a submission of several documents. CSV: HEPData's, with ``#:`` header lines and one block per
dependent variable. ROOT: a directory per table; its histograms have the bins, its graphs the points.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import CardError, InputError, UnknownName
from ..io.foreign import read_yaml, reading


def read_hepdata(path: Path, table: str | None = None) -> dict[str, FloatArray]:
    """Read the columns of a table, in its order: the independent variables, then the dependent ones.

    An independent variable with bins becomes ``NAME low`` and ``NAME high``. CardError for a file that is not a HEPData
    table, UnknownName for a table that is not in the file.
    """
    readers = {".yaml": _read_yaml, ".yml": _read_yaml, ".csv": _read_csv, ".root": _read_root}
    if path.suffix not in readers:
        raise InputError(f"{path}: expected a HEPData table ending in {', '.join(readers)}")
    if not path.is_file():
        raise CardError(path, "", "no such file", "a HEPData table")
    with reading(path, "a HEPData table"):
        columns = readers[path.suffix](path, table)
    lengths = {len(values) for values in columns.values()}
    if not columns or lengths == {0}:
        raise CardError(path, "", "no numbers", "a HEPData table")
    if len(lengths) > 1:
        raise CardError(path, "", f"columns of {', '.join(map(str, sorted(lengths)))} rows", "one length")
    return columns


def _read_yaml(path: Path, table: str | None) -> dict[str, FloatArray]:
    documents = [d for d in read_yaml(path, "a HEPData table in YAML") if isinstance(d, dict)]
    tables = {str(d.get("name", i)): d for i, d in enumerate(documents) if "dependent_variables" in d}
    if not tables:
        raise CardError(path, "dependent_variables", "no such key", "a HEPData table")
    found = _chosen(path, tables, table)
    columns: dict[str, FloatArray] = {}
    for kind in ("independent_variables", "dependent_variables"):
        for variable in found.get(kind) or ():
            name = _unique(str(variable.get("header", {}).get("name", kind)), columns)
            values = variable.get("values") or []
            if values and all("low" in v and "high" in v for v in values):
                columns[f"{name} low"] = _numbers(path, name, [v["low"] for v in values])
                columns[f"{name} high"] = _numbers(path, name, [v["high"] for v in values])
            else:
                columns[name] = _numbers(path, name, [v.get("value") for v in values])
    return columns


def _read_csv(path: Path, table: str | None) -> dict[str, FloatArray]:
    """HEPData's CSV: blocks of rows under a header line; a binned x has LOW and HIGH columns beside it."""
    columns: dict[str, FloatArray] = {}
    for k, block in enumerate(_blocks(path)):
        rows = list(csv.reader(block))
        header, body = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
        for i, name in enumerate(header):
            if name.strip().lower() in ("error +", "error -") or (k and name in columns):
                continue
            values = _numbers(path, name, [row[i] for row in body])
            columns[_unique(name.strip(), columns)] = values
    return columns


def _blocks(path: Path) -> list[list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise CardError(path, "", f"an unreadable file ({err})", "a HEPData table") from None
    blocks: list[list[str]] = [[]]
    for line in lines:
        if not line.strip():
            blocks.append([])
        elif not line.startswith("#"):
            blocks[-1].append(line)
    return [block for block in blocks if len(block) > 1]


def _read_root(path: Path, table: str | None) -> dict[str, FloatArray]:
    import uproot

    try:
        file = uproot.open(path)
    except Exception as err:  # uproot raises many kinds
        raise CardError(path, "", f"a broken file ({str(err).splitlines()[0]})", "a ROOT file") from None
    with file:
        folders = {key.split(";")[0]: file[key] for key in file.keys(recursive=False)}
        content = _chosen(path, folders, table)
        objects = {key.split(";")[0]: content[key] for key in content.keys(recursive=False)}
        columns: dict[str, FloatArray] = {}
        for name, item in sorted(objects.items()):
            if name.startswith("Hist1D") and not name.endswith(("_e1", "_e1plus", "_e1minus", "_e2")):
                counts, edges = item.to_numpy()
                columns.setdefault("x low", np.asarray(edges[:-1], dtype=float))
                columns.setdefault("x high", np.asarray(edges[1:], dtype=float))
                columns[name] = np.asarray(counts, dtype=float)
        if not columns:
            for name, item in sorted(objects.items()):
                if name.startswith("Graph1D"):
                    x, y = item.values()
                    columns.setdefault("x", np.asarray(x, dtype=float))
                    columns[name] = np.asarray(y, dtype=float)
    return columns


def _chosen(path: Path, tables: dict[str, Any], name: str | None) -> Any:
    if name is None:
        if len(tables) > 1:
            raise InputError(f"{path} has {len(tables)} tables, choose one with --table: {', '.join(tables)}")
        return next(iter(tables.values()))
    if name not in tables:
        raise UnknownName(f"table of {path.name}", name, tables)
    return tables[name]


def _unique(name: str, columns: dict[str, FloatArray]) -> str:
    taken = [key for key in columns if key == name or key.startswith(f"{name} (")]
    return f"{name} ({len(taken) + 1})" if taken else name


def _numbers(path: Path, name: str, values: list[Any]) -> FloatArray:
    try:
        return np.array([float(value) for value in values])
    except (TypeError, ValueError):
        bad = next(v for v in values if not _is_number(v))
        raise CardError(path, f"column {name}", repr(bad), "a number") from None


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
