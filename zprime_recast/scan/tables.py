"""Read and write tables of points chunk by chunk, as CSV or Parquet; columns passed on keep their types and digits."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..io.files import STANDARD, is_stream
from ..io.scratch import scratch_file
from .points import Columns

if TYPE_CHECKING:
    import pyarrow as pa

#: Key of the provenance in the metadata of a Parquet file.
META = b"zprime_recast"
_FORMATS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
_PARQUET_MAGIC = b"PAR1"


def table_format(path: Path) -> str:
    """The format of a table, ``csv`` or ``parquet``, by its suffix; that of a stream without one is CSV.

    InputError for any other suffix.
    """
    found = _FORMATS.get(path.suffix.lower())
    if found is None and is_stream(path):
        return "csv"
    if found is None:
        raise InputError(f"{path}: the name of a table must end in .csv or .parquet")
    return found


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a table as they are in the file: the text of CSV cells, the Arrow types of Parquet."""

    rows: Any
    """pyarrow Table."""
    faults: tuple[str, ...] = ()
    """A message for each row, empty for a row with a cell for each column; () if all have."""

    def columns(self, names: Iterable[str]) -> Columns:
        """Columns as NumPy arrays, in which missing numbers are NaN and texts have no blanks around them."""
        return {name: _values(self.rows[name]) for name in names}


@dataclass(frozen=True)
class Table:
    """A table of points that can be read, and the digest of its bytes."""

    name: str
    path: Path
    format: str
    digest: str

    def names(self) -> list[str]:
        """The names of the columns; InputError if it is not a table."""
        return list(next(self.chunks(1)).rows.column_names)

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """Read the table in order, ``rows`` rows at a time; one chunk without rows if there are none.

        InputError if it is not a table, or is changed meanwhile.
        """
        before = self.path.stat()
        try:
            yield from self._csv(rows) if self.format == "csv" else self._parquet(rows)
        except FileNotFoundError:
            raise InputError(f"no such file: {self.name}") from None
        except (UnicodeDecodeError, csv.Error) as err:
            raise InputError(f"{self.name} is not a CSV file: {err}") from None
        after = self.path.stat()
        if (before.st_mtime_ns, before.st_size, before.st_ino) != (after.st_mtime_ns, after.st_size, after.st_ino):
            raise InputError(f"{self.name} was changed while it was read; run the command again")

    def _csv(self, rows: int) -> Iterator[Chunk]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(line for line in file if not line.startswith("#"))
            header = [name.strip() for name in next(reader, [])]
            self._check_header(header)
            batch: list[list[str]] = []
            some = False
            for row in reader:
                if row:
                    batch.append(row)
                if len(batch) == rows:
                    yield _csv_chunk(header, batch)
                    some, batch = True, []
            if batch or not some:
                yield _csv_chunk(header, batch)

    def _check_header(self, header: list[str]) -> None:
        if not header or len(set(header)) != len(header):
            found = ", ".join(header)
            raise InputError(f"{self.name}: the first line must name every column exactly once, found {found!r}")

    def _parquet(self, rows: int) -> Iterator[Chunk]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                self._check_header(file.schema_arrow.names)
                waiting = file.schema_arrow.empty_table()
                some = False
                for batch in file.iter_batches(batch_size=rows):
                    waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
                    while waiting.num_rows >= rows:  # chunks end where those of any other reader end
                        yield Chunk(waiting.slice(0, rows))
                        some, waiting = True, waiting.slice(rows)
                if waiting.num_rows or not some:
                    yield Chunk(waiting)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as err:
            text = str(err).splitlines()[0]
            raise InputError(f"{self.name} is not a Parquet file, or a damaged one: {text}") from None


@contextlib.contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open a table for reading; ``-`` is standard input. A stream is read once, into a temporary file.

    InputError if there is no such file.
    """
    if not is_stream(path):
        kind = table_format(path)
        if not path.is_file():
            raise InputError(f"{path} is a folder" if path.is_dir() else f"no such file: {path}")
        yield Table(str(path), path, kind, file_digest(path))
        return
    name = "standard input" if path == STANDARD else str(path)
    with scratch_file(Path(tempfile.gettempdir()), ".points") as copy:
        with copy.open("wb") as file, _reading(path) as source:
            shutil.copyfileobj(source, file)
        with copy.open("rb") as file:
            kind = "parquet" if file.read(4) == _PARQUET_MAGIC else "csv"
        yield Table(name, copy, kind, file_digest(copy))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    if path == STANDARD:
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        yield file


def file_digest(path: Path) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _csv_chunk(header: list[str], batch: list[list[str]]) -> Chunk:
    import pyarrow as pa

    n = len(header)
    cells = [row if len(row) == n else (row + [""] * n)[:n] for row in batch]
    columns = [pa.array([row[k] for row in cells], type=pa.string()) for k in range(n)]
    texts = ["" if len(row) == n else f"{len(row)} cells in a row of {n} columns" for row in batch]
    return Chunk(pa.Table.from_arrays(columns, names=header), tuple(texts) if any(texts) else ())


def _values(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array([text if text is None else text.strip() for text in column.to_pylist()], dtype=object)
    if pa.types.is_nested(column.type):
        return np.array([str(value) for value in column.to_pylist()], dtype=object)
    return column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()


def with_results(chunk: Chunk, results: Columns) -> pa.Table:
    """The rows of a chunk and the results for them as one pyarrow table: NaN in a result becomes null."""
    import pyarrow as pa

    table = chunk.rows
    for name, values in results.items():
        if name == "excluded":
            array = pa.array(values.tolist(), type=pa.bool_())
        elif values.dtype == object or values.dtype.kind in "US":
            array = pa.array([None if v is None else str(v) for v in values.tolist()], type=pa.string())
        else:
            array = pa.array(values, from_pandas=values.dtype.kind == "f")
        table = table.append_column(name, array)
    return table


Put = Callable[[Any], None]


@contextlib.contextmanager
def csv_writer(file: IO[bytes]) -> Iterator[Put]:
    """A function that appends pyarrow tables, all with the same columns, to a CSV file open for writing bytes."""
    text = _Encoded(file)
    writer = csv.writer(text, lineterminator="\n")
    header: list[str] = []

    def put(table: pa.Table) -> None:
        if not header:
            header.extend(table.column_names)
            writer.writerow(header)
        writer.writerows(zip(*(map(_cell, column.to_pylist()) for column in table.columns), strict=True))
        file.flush()

    yield put


class _Encoded:
    """Writes text to a binary file, without keeping any back."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write text as UTF-8."""
        return self._file.write(text.encode("utf-8", "surrogatepass"))


@contextlib.contextmanager
def parquet_writer(path: Path, kinds: Mapping[str, str], provenance: Mapping[str, Any]) -> Iterator[Put]:
    """A function that appends pyarrow tables to a Parquet file.

    ``kinds``: types for columns of text, see :func:`text_kinds`; ``provenance`` goes into the metadata of the file.
    """
    import pyarrow.parquet as pq

    card = {META: json.dumps(provenance, allow_nan=False).encode()}
    with contextlib.ExitStack() as stack:
        writers: list[Any] = []

        def put(table: pa.Table) -> None:
            for name, kind in kinds.items():
                k = table.column_names.index(name)
                table = table.set_column(k, name, _typed(table[name], kind))
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), **card})
            if not writers:
                writers.append(stack.enter_context(pq.ParquetWriter(path, table.schema)))
            writers[0].write_table(table)

        yield put


def text_kinds(tables: Iterable[pa.Table], names: Iterable[str]) -> dict[str, str]:
    """What columns of text from a CSV file can become without losing anything: ``int64``, ``double`` or ``string``."""
    kinds: dict[str, set[str]] = {name: set() for name in names}
    for table in tables:
        for name, found in kinds.items():
            if "text" not in found:
                found |= _kinds(table[name].to_pylist())
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
    import pyarrow as pa

    if kind == "string":
        return column
    read = int if kind == "int64" else float
    values = [read(text) if text.strip() else None for text in column.to_pylist()]
    return pa.array(values, type=pa.int64() if kind == "int64" else pa.float64())


def _cell(value: Any) -> str:
    """A value as the text of a CSV cell; a float with the digits that give it back exactly."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
