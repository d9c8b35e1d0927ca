"""Write tables of results chunk by chunk, as CSV or Parquet; columns passed on keep their types and digits."""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy.typing as npt

from ..io.extras import PARQUET, needed
from .points import Columns
from .tables import Chunk, CsvChunk, csv_cell

#: Key of the provenance in the metadata of a Parquet file.
META = b"zprime_recast"
#: Appends the rows of a chunk and the results for them to a table.
Put = Callable[[Chunk, Columns], None]


@contextlib.contextmanager
def csv_writer(file: IO[bytes]) -> Iterator[Put]:
    """A function that appends chunks, all with the same columns, to a CSV file open for writing bytes.

    NaN in a result becomes an empty cell.
    """
    writer = csv.writer(_Encoded(file), lineterminator="\n")
    begun = False

    def put(chunk: Chunk, results: Columns) -> None:
        nonlocal begun
        if not begun:
            begun = True
            writer.writerow([*chunk.names, *results])
        found = ([csv_cell(value) for value in _values(column)] for column in results.values())
        writer.writerows([*row, *more] for row, more in zip(chunk.cells(), zip(*found, strict=True), strict=True))
        file.flush()

    yield put


class _Encoded:
    """Writes text to a binary file, without keeping any back."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write text as UTF-8."""
        return self._file.write(text.encode("utf-8", "surrogatepass"))


def _values(column: npt.NDArray[Any]) -> list[Any]:
    """Results as Python objects, None for NaN."""
    return [None if value != value else value for value in column.tolist()]


@contextlib.contextmanager
def parquet_writer(path: Path, kinds: Mapping[str, str], provenance: Mapping[str, Any]) -> Iterator[Put]:
    """A function that appends chunks to a Parquet file; NaN in a result becomes null.

    ``kinds``: types for columns of text, see :func:`text_kinds`; ``provenance`` goes into the metadata of the file.
    InputError if pyarrow is missing.
    """
    pa, pq = needed("pyarrow", *PARQUET), needed("pyarrow.parquet", *PARQUET)
    card = {META: json.dumps(provenance, allow_nan=False).encode()}
    with contextlib.ExitStack() as stack:
        writers: list[Any] = []

        def put(chunk: Chunk, results: Columns) -> None:
            table = chunk.arrow()
            for name, kind in kinds.items():
                k = table.column_names.index(name)
                table = table.set_column(k, name, _typed(table[name], kind))
            for name, column in results.items():
                texts = pa.bool_() if name == "excluded" else pa.string()
                type_ = texts if column.dtype.kind in "OU" else pa.float64()
                table = table.append_column(name, pa.array(_values(column), type=type_))
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), **card})
            if not writers:
                writers.append(stack.enter_context(pq.ParquetWriter(path, table.schema)))
            writers[0].write_table(table)

        yield put


def text_kinds(chunks: Iterable[CsvChunk], names: Iterable[str]) -> dict[str, str]:
    """What columns of text from a CSV file can become without losing anything: ``int64``, ``double`` or ``string``."""
    kinds: dict[str, set[str]] = {name: set() for name in names}
    for chunk in chunks:
        for name, found in kinds.items():
            if "text" not in found:
                found |= _kinds(chunk.texts(name))
    return {name: _common(found) for name, found in kinds.items()}


_INTEGER = re.compile(r"0|-?[1-9]\d*", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?!0\d)(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf", re.ASCII | re.IGNORECASE)
#: Digits that a double holds, whatever they are.
_DIGITS = 15


def _kinds(cells: Iterable[str]) -> set[str]:
    found = set()
    for cell in cells:
        text = cell.strip()
        if not text:
            continue
        if _INTEGER.fullmatch(text):
            big = len(text.lstrip("-")) > _DIGITS
            found.add("text" if not -(2**63) <= int(text[:20]) < 2**63 else "large" if big else "integer")
        elif _FLOAT.fullmatch(text) and (text.isalpha() or "inf" in text.lower() or abs(float(text)) < float("inf")):
            found.add("float")
        else:
            return {"text"}
    return found


def _common(kinds: set[str]) -> str:
    if "text" in kinds or not kinds or {"large", "float"} <= kinds:
        return "string"
    return "double" if "float" in kinds else "int64"


def _typed(column: Any, kind: str) -> Any:
    if kind == "string":
        return column
    import pyarrow as pa

    read = int if kind == "int64" else float
    values = [read(text) if text.strip() else None for text in column.to_pylist()]
    return pa.array(values, type=pa.int64() if kind == "int64" else pa.float64())
