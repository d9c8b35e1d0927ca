"""Parquet files with pyarrow: the flat columns, and the metadata as JSON in the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import CardError
from .records import COLUMNS, OPTIONAL_COLUMNS, DileptonEvents, from_columns

META = b"zprime_recast"


class ParquetWriter:
    """Writes events to a new Parquet file, one row group per batch."""

    def __init__(self, path: Path, info: Mapping[str, Any], compression: str = "none") -> None:
        self._path, self._info, self._compression = path, info, compression
        self._writer: Any = None

    def write(self, events: DileptonEvents) -> None:
        """Append a batch."""
        import pyarrow as pa
        import pyarrow.parquet as pq

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


def stream_parquet(path: Path, info: dict[str, Any]) -> Iterator[DileptonEvents]:
    """Read the events of a Parquet file, one batch per row group; the metadata are added to ``info``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as err:
        found = str(err).splitlines()[0][:120]
        raise CardError(path, "", found, "a complete Parquet file (if it is cut short, no event can be read)") from None
    with file:
        card = (file.schema_arrow.metadata or {}).get(META)
        if card is not None:
            try:
                info.update(json.loads(card))
            except ValueError:
                raise CardError(path, META.decode(), "broken JSON", "the metadata as they were written") from None
        names = [n for n in (*COLUMNS, *OPTIONAL_COLUMNS) if n in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            try:
                table = file.read_row_group(group, columns=names)
            except (pa.ArrowInvalid, OSError) as err:
                raise CardError(
                    path, f"row group {group}", str(err).splitlines()[0][:120], "an undamaged row group"
                ) from None
            yield from_columns({n: table[n].to_numpy() for n in names}, info, path)
