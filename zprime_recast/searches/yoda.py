"""Tables in YODA, of HEPData or of Rivet's reference data: points (Scatter2D) and binned values (Estimate1D)."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import yaml

from ..errors import CardError
from ..io.foreign import YAML_BYTES
from .hepdata_columns import Cell, Column, Error, cell, error_columns

_BEGIN = re.compile(r"BEGIN\s+YODA_(\S+?)(?:_V(\d+))?\s+(\S.*)")
_POINTS = re.compile(r"SCATTER2D")
_BINS = re.compile(r"ESTIMATE1D|BINNEDESTIMATE<[A-Z]>")
_RANGE = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*")
Block = tuple[str, list[tuple[int, str]]]
"""Type of an object, and its lines with their numbers."""


def yoda_tables(path: Path) -> dict[str, Block]:
    """Objects of a file that can be columns, by their path without ``/REF``, not yet read."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        with gzip.open(path) as stream:
            raw = stream.read(YAML_BYTES + 1)
    if len(raw) > YAML_BYTES:
        raise CardError(path, "", f"more than {YAML_BYTES} bytes", "a YODA file of at most as many")
    tables: dict[str, Block] = {}
    others: set[str] = set()
    kind, name, lines = "", "", list[tuple[int, str]]()
    for number, line in enumerate(raw.decode("utf-8").splitlines(), 1):
        if begin := _BEGIN.match(line):
            if kind:
                raise CardError(path, f"line {number}", "BEGIN inside an object", f"END YODA of {name}")
            kind, name, lines = begin[1].upper(), begin[3].strip().removeprefix("/REF"), []
        elif line.startswith("END YODA"):
            if not kind:
                raise CardError(path, f"line {number}", "END without BEGIN", "BEGIN YODA")
            if _POINTS.fullmatch(kind) or _BINS.fullmatch(kind):
                if name in tables:
                    raise CardError(path, f"line {number}", f"{name} twice", "one object of each name")
                tables[name] = kind, lines
            else:
                others.add(kind)
            kind = ""
        elif kind:
            lines.append((number, line))
    if kind:
        raise CardError(path, "", f"the end of the file inside {name}", "END YODA")
    if not tables:
        raise CardError(path, "", f"objects of type {', '.join(sorted(others)) or 'none'}", "Scatter2D or Estimate1D")
    return tables


def read_yoda_table(path: Path, block: Block) -> list[Column]:
    """The columns of an object: its bins, values and uncertainties."""
    kind, lines = block
    rows = [(number, line.split()) for number, line in lines]
    first = next((i for i, (_, line) in enumerate(lines) if line.strip() == "---"), -1) + 1
    if _POINTS.fullmatch(kind):
        return _points(path, [(n, words) for n, words in rows[first:] if words and words[0][:1] in "+-.0123456789n"])
    return _bins(path, kind in ("ESTIMATE1D", "BINNEDESTIMATE<D>"), lines[first:])


def _points(path: Path, rows: list[tuple[int, list[str]]]) -> list[Column]:
    numbers = [[_number(path, n, word) for word in words] for n, words in rows]
    for (n, words), _ in zip(rows, numbers, strict=True):
        if len(words) != 6:
            raise CardError(path, f"line {n}", f"{len(words)} numbers", "6: x, -dx, +dx, y, -dy, +dy")
    x, below, above, y, down, up = (list(column) for column in zip(*numbers, strict=True)) if rows else ([],) * 6
    low = tuple(_sum(a, b, -1) for a, b in zip(x, below, strict=True))
    high = tuple(_sum(a, b, 1) for a, b in zip(x, above, strict=True))
    axes = [Column("x", tuple(x))] if low == high else [Column("x low", low), Column("x high", high)]
    value = Column("y", tuple(y))
    errors = [[Error("", u, None if d is None else _sum(0.0, d, -1))] for u, d in zip(up, down, strict=True)]
    return [*axes, value, *error_columns(value, errors)]


def _sum(a: Cell, b: Cell, sign: int) -> Cell:
    """a + sign b, rounded to ten digits as the file is."""
    return float(f"{a + sign * b:.10g}") if isinstance(a, float) and isinstance(b, float) else None


def _bins(path: Path, continuous: bool, lines: list[tuple[int, str]]) -> list[Column]:
    head = "\n".join(line for _, line in lines if re.match(r"(?:Edges\(A\d+\)|ErrorLabels)\s*:", line))
    try:
        keys = yaml.safe_load(head) or {}
    except yaml.YAMLError as err:
        raise CardError(path, f"line {lines[0][0]}", str(err).splitlines()[0], "Edges(A1) and ErrorLabels") from None
    edges, labels = keys.get("Edges(A1)"), keys.get("ErrorLabels") or []
    if not isinstance(edges, list) or "Edges(A2)" in keys or not isinstance(labels, list):
        where = f"line {lines[0][0]}" if lines else ""
        raise CardError(path, where, "no list of edges along one axis", "Edges(A1): [...]")
    start = next((i for i, (_, line) in enumerate(lines) if line.startswith("# value")), None)
    if start is None:
        raise CardError(path, f"line {lines[0][0]}", "no line '# value'", "a table of values")
    rows = [(n, line.split()) for n, line in lines[start + 1 :] if line.strip() and not line.startswith("#")]
    axes, rows = _axis(path, continuous, [cell(edge) for edge in edges], rows)
    for n, words in rows:
        if len(words) != 1 + 2 * max(len(labels), (len(words) - 1) // 2):
            raise CardError(path, f"line {n}", f"{len(words)} numbers", f"a value and {len(labels)} pairs of errors")
    value = Column("y", tuple(_number(path, n, words[0]) for n, words in rows))
    errors = [
        [
            Error(str(labels[k]) if k < len(labels) else "", _number(path, n, up), _number(path, n, down))
            for k, (down, up) in enumerate(zip(words[1::2], words[2::2], strict=True))
            if up != "---" or down != "---"
        ]
        for n, words in rows
    ]
    return [*axes, value, *error_columns(value, errors)]


def _axis(
    path: Path, continuous: bool, edges: list[Cell], rows: list[tuple[int, list[str]]]
) -> tuple[list[Column], list[tuple[int, list[str]]]]:
    """The columns of the bins, and the rows without under- and overflow.

    Between n edges there are n - 1 bins, an underflow before and an overflow after them; n values or names of bins are
    preceded by one row for everything else.
    """
    if len(rows) != len(edges) + 1:
        where = f"line {rows[0][0]}" if rows else ""
        raise CardError(path, where, f"{len(rows)} rows for {len(edges)} edges", f"{len(edges) + 1} rows")
    if continuous:
        return [Column("x low", tuple(edges[:-1])), Column("x high", tuple(edges[1:]))], rows[1:-1]
    ranges = [_RANGE.fullmatch(edge) if isinstance(edge, str) else None for edge in edges]
    if ranges and all(ranges):
        low, high = (tuple(cell(found[k]) for found in ranges if found) for k in (1, 2))
        return [Column("x low", low), Column("x high", high)], rows[1:]
    return [Column("x", tuple(edges))], rows[1:]


def _number(path: Path, line: int, word: str) -> Cell:
    found = None if word.lower() in ("nan", "-nan") else cell(word)
    if isinstance(found, str):
        raise CardError(path, f"line {line}", repr(word[:40]), "a number")
    return found
