"""Read text event files that may be compressed and may be cut short."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import IO, Any, Protocol

#: Bytes taken from the disk at once.
_RAW = 1 << 20


class Readable(Protocol):
    """A file as the parsers need it."""

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; none at the end."""


class TextFile:
    """A plain or gzip file; if it is cut short, all that comes before is read. zlib.error if it is damaged."""

    def __init__(self, path: Path, compressed: bool) -> None:
        self._file: IO[bytes] = open(path, "rb")  # noqa: SIM115  (closed in __exit__)
        self._compressed = compressed
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


class CompleteEvents(io.RawIOBase):
    """Hands on a HepMC3 file up to its last complete event, with the line that ends the listing."""

    def __init__(self, file: Readable, start: bytes, end: bytes) -> None:
        super().__init__()
        self._file, self._start, self._end = file, start, end
        self._held = self._ready = b""
        self._at = 0
        self._done = self.truncated = False

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; none at the end."""
        while self._at >= len(self._ready) and not self._done:
            self._advance()
        start = self._at
        self._at = len(self._ready) if size < 0 else min(start + size, len(self._ready))
        return self._ready[start : self._at]

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; returns the number of bytes, 0 at the end."""
        given = self.read(len(buffer))
        buffer[: len(given)] = given
        return len(given)

    def write(self, _: Any) -> int:
        """Raise UnsupportedOperation; pyhepmc demands that every file has this method."""
        raise io.UnsupportedOperation("write")

    def _advance(self) -> None:
        block = self._file.read(_RAW)
        text = self._held + block
        self._done, self._at = not block, 0
        cut = text.rfind(self._start) + 1
        if self._done:
            self.truncated = self._end not in text
            self._ready = text[:cut] + self._end + b"\n\n" if self.truncated else text
        else:
            self._ready, self._held = text[:cut], text[cut:]
