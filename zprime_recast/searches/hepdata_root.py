"""Tables of HEPData in ROOT: a directory per table, whose histograms have the bins and whose graphs the points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CardError
from .hepdata_columns import Column, Error, cell, error_columns, name_and_units

_HISTOGRAM = re.compile(r"Hist1D_y(\d+)")
_UNCERTAINTY = re.compile(r"(Hist1D_y\d+)_e(\d+)(plus|minus)?")


def root_tables(path: Path) -> dict[str, dict[str, Any]]:
    """Objects of each table of a file, by the name of its directory."""
    import uproot

    with uproot.open(path) as file:
        folders = {key.split(";")[0]: file[key] for key in file.keys(recursive=False)}
        return {
            name: {key.split(";")[0]: folder[key] for key in folder.keys(recursive=False)}
            for name, folder in folders.items()
            if hasattr(folder, "keys") and not hasattr(folder, "values_at")
        }


def read_root_table(path: Path, objects: Mapping[str, Any]) -> list[Column]:
    """The columns of a table: its histograms with their uncertainties, or its graphs where it has no histograms."""
    columns: list[Column] = []
    for name in sorted(objects, key=_order):
        if not _HISTOGRAM.fullmatch(name):
            continue
        counts, edges = objects[name].to_numpy()
        _, x_units = name_and_units(_title(objects[name], "fXaxis"))
        _, y_units = name_and_units(_title(objects[name], "fYaxis"))
        low, high = tuple(map(cell, edges[:-1].tolist())), tuple(map(cell, edges[1:].tolist()))
        if not columns:
            columns = [Column("x low", low, x_units), Column("x high", high, x_units)]
        elif columns[0].cells != low or columns[1].cells != high:
            raise CardError(path, name, "other bins than the histogram before", "the same bins")
        value = Column(name, tuple(map(cell, counts.tolist())), y_units)
        columns += [value, *error_columns(value, _errors(objects, name, len(low)))]
    return columns or _graphs(path, objects)


def _errors(objects: Mapping[str, Any], name: str, rows: int) -> list[list[Error]]:
    """The histograms NAME_e1, or NAME_e1plus and NAME_e1minus, of the uncertainties of each bin."""
    sizes: dict[int, dict[str, list[float]]] = {}
    for key, item in objects.items():
        if (found := _UNCERTAINTY.fullmatch(key)) and found[1] == name:
            sizes.setdefault(int(found[2]), {})[found[3] or ""] = item.values().tolist()
    errors: list[list[Error]] = [[] for _ in range(rows)]
    for number, sides in sorted(sizes.items()):
        for i, row in enumerate(errors):
            up, down = sides.get("plus", sides.get("", [])), sides.get("minus")
            if len(up) == rows and (down is None or len(down) == rows):
                row.append(Error(f"e{number}", up[i], None if down is None else down[i]))
    return errors


def _graphs(path: Path, objects: Mapping[str, Any]) -> list[Column]:
    columns: list[Column] = []
    for name in sorted(objects, key=_order):
        if name.startswith("Graph1D"):
            x, y = objects[name].values()
            at = tuple(map(cell, x.tolist()))
            if not columns:
                columns = [Column("x", at, name_and_units(_title(objects[name], "fXaxis"))[1])]
            elif columns[0].cells != at:
                raise CardError(path, name, "other points than the graph before", "the same points")
            columns.append(
                Column(name, tuple(map(cell, y.tolist())), name_and_units(_title(objects[name], "fYaxis"))[1])
            )
    return columns


def _title(item: Any, axis: str) -> str:
    """Title of an axis, empty if it has none."""
    try:
        return str(item.member(axis).member("fTitle") or "")
    except Exception:  # uproot raises many kinds where a graph has no axes
        return ""


def _order(name: str) -> tuple[str, list[int]]:
    """Alphabetical, with y10 after y9."""
    return re.sub(r"\d+", "", name), [int(n) for n in re.findall(r"\d+", name)]
