"""Read tables of points chunk by chunk, from CSV or Parquet files, with the types and digits of their columns."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import InputError
from ..io.extras import PARQUET, needed
from ..io.files import STANDARD, is_stream
from ..io.scratch import scratch_file
from .points import Columns

if TYPE_CHECKING:
    import pyarrow as pa

_FORMATS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
_PARQUET_MAGIC = b"PAR1"


def table_format(path: Path) -> str:
    """The format of a table, ``csv`` or ``parquet``, by its suffix; that of a stream without one is CSV.

    InputError for any other suffix, and for Parquet if pyarrow is missing.
    """
    found = _FORMATS.get(path.suffix.lower())
    if found == "parquet":
        needed("pyarrow", *PARQUET)
    if found is None and is_stream(path):
        return "csv"
    if found is None:
        raise InputError(f"{path}: the name of a table must end in .csv or .parquet")
    return found


class Chunk(Protocol):
    """Consecutive rows of a table as they are in the file."""

    @property
    def names(self) -> Sequence[str]:
        """The names of the columns."""

    @property
    def faults(self) -> Sequence[str]:
        """A message for each row, empty for a row with a cell for each column; () if all have."""

    def __len__(self) -> int: ...

    def columns(self, names: Iterable[str]) -> Columns:
        """Columns as NumPy arrays, in which missing numbers are NaN and texts have no blanks around them."""

    def cells(self) -> Iterable[Sequence[str]]:
        """The rows as the texts of CSV cells."""

    def arrow(self) -> pa.Table:
        """The rows as a pyarrow table."""


@dataclass(frozen=True)
class CsvChunk:
    """Rows of a CSV file: the texts of its cells, each row with one for each column."""

    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    faults: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def texts(self, name: str) -> list[str]:
        """The cells of a column."""
        k = self.names.index(name)
        return [row[k] for row in self.rows]

    def columns(self, names: Iterable[str]) -> Columns:
        """Columns of texts without blanks around them, as NumPy arrays."""
        return {name: np.array([text.strip() for text in self.texts(name)], dtype=object) for name in names}

    def cells(self) -> Iterable[Sequence[str]]:
        """The rows."""
        return self.rows

    def arrow(self) -> pa.Table:
        """The rows as a pyarrow table of texts."""
        pyarrow = needed("pyarrow", *PARQUET)
        return pyarrow.table({name: pyarrow.array(self.texts(name), type=pyarrow.string()) for name in self.names})


@dataclass(frozen=True)
class ArrowChunk:
    """Rows of a Parquet file, with their Arrow types."""

    rows: Any
    """pyarrow Table."""
    faults: Sequence[str] = ()

    @property
    def names(self) -> Sequence[str]:
        """The names of the columns."""
        return list(self.rows.column_names)

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def columns(self, names: Iterable[str]) -> Columns:
        """Columns as NumPy arrays, in which missing numbers are NaN and texts have no blanks around them."""
        return {name: _values(self.rows[name]) for name in names}

    def cells(self) -> Iterable[Sequence[str]]:
        """The rows as the texts of CSV cells."""
        return zip(*([csv_cell(value) for value in column.to_pylist()] for column in self.rows.columns), strict=True)

    def arrow(self) -> pa.Table:
        """The rows."""
        return self.rows


def csv_cell(value: Any) -> str:
    """A value as the text of a CSV cell; a float with the digits that give it back exactly."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Table:
    """A table of points that can be read, and the digest of its bytes."""

    name: str
    path: Path
    format: str
    digest: str
    stamp: tuple[int, ...]
    """Time, size and number of the file when its digest was taken."""

    def names(self) -> list[str]:
        """The names of the columns; InputError if it is not a table."""
        return list(next(self.chunks(1)).names)

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """Read the table in order, ``rows`` rows at a time; one chunk without rows if there are none.

        InputError if it is not a table, or was changed since it was opened.
        """
        try:
            yield from self._csv(rows) if self.format == "csv" else self._parquet(rows)
        except FileNotFoundError:
            raise InputError(f"no such file: {self.name}") from None
        except (UnicodeDecodeError, csv.Error) as err:
            raise InputError(f"{self.name} is not a CSV file: {err}") from None
        if _stamp(self.path) != self.stamp:
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
        pa, pq = needed("pyarrow", *PARQUET), needed("pyarrow.parquet", *PARQUET)
        try:
            with pq.ParquetFile(self.path) as file:
                self._check_header(file.schema_arrow.names)
                waiting = file.schema_arrow.empty_table()
                some = False
                for batch in file.iter_batches(batch_size=rows):
                    waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
                    while waiting.num_rows >= rows:  # chunks end where those of any other reader end
                        yield ArrowChunk(waiting.slice(0, rows))
                        some, waiting = True, waiting.slice(rows)
                if waiting.num_rows or not some:
                    yield ArrowChunk(waiting)
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
        stamp = _stamp(path)
        yield Table(str(path), path, kind, file_digest(path), stamp)
        return
    name = "standard input" if path == STANDARD else str(path)
    with scratch_file(Path(tempfile.gettempdir()), ".points") as copy:
        with copy.open("wb") as file, _reading(path) as source:
            shutil.copyfileobj(source, file)
        with copy.open("rb") as file:
            kind = "parquet" if file.read(4) == _PARQUET_MAGIC else "csv"
        yield Table(name, copy, kind, file_digest(copy), _stamp(copy))


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


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


def _csv_chunk(header: list[str], batch: list[list[str]]) -> CsvChunk:
    n = len(header)
    cells = [row if len(row) == n else (row + [""] * n)[:n] for row in batch]
    texts = ["" if len(row) == n else f"{len(row)} cells in a row of {n} columns" for row in batch]
    return CsvChunk(header, cells, texts if any(texts) else ())


def _values(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array([text if text is None else text.strip() for text in column.to_pylist()], dtype=object)
    if pa.types.is_nested(column.type):
        return np.array([str(value) for value in column.to_pylist()], dtype=object)
    return column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
