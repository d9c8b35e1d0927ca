"""Parquet files with pyarrow: the flat columns, and the metadata as JSON in the schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import CardError
from ..io.extras import PARQUET, needed
from .column_map import ColumnMap
from .columns import first_line
from .metadata import parsed_metadata
from .records import DileptonEvents

META = b"zprime_recast"


class ParquetWriter:
    """Writes events to a new Parquet file, one row group per batch."""

    def __init__(self, path: Path, info: Mapping[str, Any], compression: str = "none") -> None:
        self._path, self._info, self._compression = path, info, compression
        self._writer: Any = None

    def write(self, events: DileptonEvents) -> None:
        """Append a batch."""
        pa, pq = needed("pyarrow", *PARQUET), needed("pyarrow.parquet", *PARQUET)
        table = pa.table(dict(events.columns))
        table = table.replace_schema_metadata({META: json.dumps(dict(self._info), allow_nan=False).encode()})
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path, table.schema, compression=self._compression, use_dictionary=False
            )
        self._writer.write_table(table, row_group_size=len(events))

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


class ParquetTable:
    """An open Parquet file, read by row groups."""

    def __init__(self, path: Path, columns: ColumnMap | None = None) -> None:
        pa, pq = needed("pyarrow", *PARQUET), needed("pyarrow.parquet", *PARQUET)
        self.path, self.lists = path, columns is not None
        try:
            self.file = pq.ParquetFile(path)
            metadata = (self.file.schema_arrow.metadata or {}).get(META, b"{}")
            self.names: Sequence[str] = [*self.file.schema_arrow.names]
            self.groups = int(self.file.num_row_groups)
        except (pa.ArrowException, OSError, ValueError) as err:
            expected = "a complete Parquet file (if it is cut short, no event can be read)"
            raise CardError(path, "", first_line(err), expected) from None
        self.info = parsed_metadata(path, META.decode(), metadata)

    def steps(self) -> Sequence[int]:
        """Row groups."""
        return range(self.groups)

    def read(self, names: Sequence[str], step: int) -> tuple[Mapping[str, Any], int]:
        """Columns of a row group, as NumPy arrays, or as awkward arrays for a column map."""
        import awkward as ak
        import pyarrow as pa

        try:
            table = self.file.read_row_group(step, columns=[*names])
            if self.lists:
                return {name: ak.from_arrow(table[name]) for name in names}, table.num_rows
            return {name: table[name].to_numpy() for name in names}, table.num_rows
        except (pa.ArrowException, OSError, ValueError) as err:
            raise CardError(self.path, f"row group {step}", first_line(err), "an undamaged row group") from None
