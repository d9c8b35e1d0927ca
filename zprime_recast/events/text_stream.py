"""Read text event files that may be compressed and may be cut short."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import IO, Protocol

#: Bytes taken from the disk at once.
_RAW = 1 << 20
_GZIP = b"\x1f\x8b"


class Readable(Protocol):
    """A file as the parsers need it."""

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; none at the end."""


class TextFile:
    """A plain or gzip file, told apart by its first bytes; if it is cut short, all that comes before is read.

    zlib.error if it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = open(path, "rb")  # noqa: SIM115  (closed in __exit__)
        self._compressed = self._file.read(len(_GZIP)) == _GZIP
        self._file.seek(0)
        self._inflate = zlib.decompressobj(31)

    def __enter__(self) -> TextFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes (all with -1); none at the end."""
        if not self._compressed:
            return self._file.read(size)
        parts, length = [], 0
        while size < 0 or length < size:
            rest = self._inflate.unconsumed_tail or self._inflate.unused_data
            raw = rest or self._file.read(_RAW)
            if not raw:
                break
            if self._inflate.eof:  # another member of the same file
                self._inflate = zlib.decompressobj(31)
            part = self._inflate.decompress(raw, size - length if size > 0 else 0)
            parts.append(part)
            length += len(part)
        return b"".join(parts)
