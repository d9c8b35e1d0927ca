"""Read and write tables of points chunk by chunk, as CSV or Parquet."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..io.files import write_whole
from .points import Columns

#: Column with a message for every row whose number of cells differs from the header.
RAGGED = "__ragged__"


def table_format(path: Path) -> str:
    """The format of a table, ``csv`` or ``parquet``, by its suffix; InputError for any other suffix."""
    formats = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
    if path.suffix.lower() not in formats:
        raise InputError(f"{path}: the name of a table must end in .csv or .parquet")
    return formats[path.suffix.lower()]


def file_digest(path: Path) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def read_chunks(path: Path, rows: int) -> Iterator[Columns]:
    """Read a table in order, at most ``rows`` rows at a time. InputError for a file that is not a table."""
    try:
        chunks = _csv_chunks(path, rows) if table_format(path) == "csv" else _parquet_chunks(path, rows)
        yield from chunks
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except (UnicodeDecodeError, csv.Error) as err:
        raise InputError(f"{path} is not a CSV file: {err}") from None


def _csv_chunks(path: Path, rows: int) -> Iterator[Columns]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(line for line in file if not line.startswith("#"))
        header = [name.strip() for name in next(reader, [])]
        if not header or len(set(header)) != len(header):
            raise InputError(f"{path}: the first line must name every column exactly once, found {', '.join(header)!r}")
        batch: list[list[str]] = []
        for row in reader:
            if row:
                batch.append(row)
            if len(batch) == rows:
                yield _csv_columns(header, batch)
                batch = []
        yield _csv_columns(header, batch)


def _csv_columns(header: list[str], batch: list[list[str]]) -> Columns:
    n = len(header)
    ragged = np.array([len(row) != n for row in batch], dtype=bool)
    cells = [(row + [""] * n)[:n] for row in batch]
    columns: Columns = {}
    for k, name in enumerate(header):
        columns[name] = np.array([row[k].strip() for row in cells], dtype=object)
    if ragged.any():
        texts = ["" if len(row) == n else f"{len(row)} cells in a row of {n} columns" for row in batch]
        columns[RAGGED] = np.array(texts, dtype=object)
    return columns


def _parquet_chunks(path: Path, rows: int) -> Iterator[Columns]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as err:
        if isinstance(err, FileNotFoundError):
            raise
        raise InputError(f"{path} is not a Parquet file: {err}") from None
    empty = True
    with file:
        for batch in file.iter_batches(batch_size=rows):
            empty = False
            yield {name: _values(batch.column(k)) for k, name in enumerate(batch.schema.names)}
        if empty:
            yield {name: np.zeros(0, dtype=object) for name in file.schema_arrow.names}


def _values(column: Any) -> Any:
    """A column as a NumPy array; missing numbers are NaN."""
    return column.to_numpy(zero_copy_only=False)


def write_parquet(path: Path, columns: Columns) -> Path:
    """Write columns to a Parquet file, whole or not at all. OutputError if it cannot be written."""
    import pyarrow.parquet as pq

    return write_whole(path, lambda temporary: pq.write_table(arrow_table(columns), temporary))


def arrow_table(columns: Columns) -> Any:
    """Columns as a pyarrow table; NaN becomes null."""
    import pyarrow as pa

    arrays = {}
    for name, values in columns.items():
        if values.dtype == object and name == "excluded":
            arrays[name] = pa.array(values.tolist(), type=pa.bool_())
        elif values.dtype == object or values.dtype.kind in "US":
            arrays[name] = pa.array([None if v is None else str(v) for v in values.tolist()], type=pa.string())
        else:
            arrays[name] = pa.array(values, from_pandas=values.dtype.kind == "f")
    return pa.table(arrays)


def join_parts(parts: Iterable[Path], output: Path) -> Path:
    """Join Parquet files into one table, CSV or Parquet by the suffix of ``output``, holding one of them in memory."""
    import pyarrow.parquet as pq

    def to_parquet(temporary: Path) -> None:
        writer = None
        for part in parts:
            table = pq.read_table(part)
            writer = writer or pq.ParquetWriter(temporary, table.schema)
            writer.write_table(table)
        if writer:
            writer.close()

    def to_csv(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            for k, part in enumerate(parts):
                table = pq.read_table(part)
                if k == 0:
                    writer.writerow(table.column_names)
                writer.writerows(zip(*(map(_cell, table[n].to_pylist()) for n in table.column_names), strict=True))

    return write_whole(output, to_csv if table_format(output) == "csv" else to_parquet)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def write_manifest(path: Path, content: dict[str, Any]) -> None:
    """Write a manifest as JSON, whole or not at all."""
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
