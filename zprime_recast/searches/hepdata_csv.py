"""Tables of HEPData in CSV: ``#:`` lines, then a block of rows for each dependent variable.

A binned x has columns NAME LOW and NAME HIGH beside it. A value is followed by its uncertainties: ``LABEL +`` and
``LABEL -``, as numbers or in per cent.
"""

from __future__ import annotations

import csv
from pathlib import Path

from ..errors import CardError
from .hepdata_columns import Column, Error, cell, error_columns, name_and_units, unique

Rows = list[tuple[int, list[str]]]
"""Number of the line in the file, and its cells."""


def read_csv_table(path: Path) -> list[Column]:
    """The columns of all blocks; CardError names the line that has too many or too few cells."""
    columns: list[Column] = []
    for block in _blocks(path):
        columns += _block(path, block, columns)
    return columns


def _blocks(path: Path) -> list[Rows]:
    blocks: list[Rows] = [[]]
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            blocks.append([])
        elif not line.startswith("#"):
            blocks[-1].append((number, next(csv.reader([line], strict=True))))
    for block in blocks:
        for number, row in block:
            if len(row) != len(block[0][1]):
                raise CardError(path, f"line {number}", f"{len(row)} cells", f"{len(block[0][1])} as in the header")
    return [block for block in blocks if len(block) > 1]


def _block(path: Path, block: Rows, known: list[Column]) -> list[Column]:
    header, body = [title.strip() for title in block[0][1]], [row for _, row in block[1:]]
    of_file = {column.name: column for column in known}
    found: list[Column] = []
    i = 0
    while i < len(header):
        title = header[i]
        for end in (" LOW", " HIGH"):
            if title.upper().endswith(end):
                name, units = name_and_units(title[: -len(end)])
                name += title[-len(end) :]
                break
        else:
            name, units = name_and_units(title)
        cells = tuple(cell(row[i]) for row in body)
        errors, i = _errors(header, body, i + 1)
        if i < len(header) and name in of_file:  # the last value of a block is its dependent variable
            if cells != of_file[name].cells:
                raise CardError(path, f"line {block[0][0]}", f"{name} with other values than above", "the same rows")
            continue
        value = Column(unique(name, [*known, *found]), cells, units)
        found += [value, *error_columns(value, errors)]
    return found


def _errors(header: list[str], body: list[list[str]], at: int) -> tuple[list[list[Error]], int]:
    """Uncertainties of each row in the columns from ``at`` on, and the first column after them."""
    rows: list[list[Error]] = [[] for _ in body]
    while at + 1 < len(header) and header[at].endswith(" +") and header[at + 1].endswith(" -"):
        label = header[at][:-2].strip()
        label = "" if label.lower() == "error" else label
        for errors, row in zip(rows, body, strict=True):
            if row[at].strip() or row[at + 1].strip():
                errors.append(Error(label, row[at], row[at + 1]))
        at += 2
    return rows, at
