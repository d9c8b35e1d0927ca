"""The finished chunks of a scan on disk: what they belong to is checked before any of them is used.

The folder ``<results>.parts`` holds a manifest of all that the results depend on, and one file per chunk with its
results: a checksum, a line of JSON with the digest of the manifest, its own number, its rows and the columns of texts,
and the columns of numbers as they are in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, OutputError, ZprimeError
from ..io.digest import content_digest
from ..io.files import write_bytes, write_text
from ..io.lock import only_process
from ..io.scratch import sweep
from .points import Columns

_NAME = re.compile(r"part-(\d{8})\.bin")
_MANIFEST, _LOCK = "manifest.json", "lock"


@dataclass(frozen=True)
class Parts:
    """The parts of one scan; only one process at a time has them."""

    folder: Path
    digest: str
    """Digest of the manifest."""

    def path(self, k: int) -> Path:
        """The file of a part."""
        return self.folder / f"part-{k:08d}.bin"

    def write(self, k: int, results: Columns) -> None:
        """Write the results of chunk ``k``, whole or not at all, through to the disk. OutputError if that fails."""
        texts = {name: column.tolist() for name, column in results.items() if column.dtype.kind in "OU"}
        numbers = np.array([column for name, column in results.items() if name not in texts], dtype="<f8")
        about = {"scan": self.digest, "part": k, "rows": rows_of(results), "names": list(results), "texts": texts}
        content = json.dumps(about).encode() + b"\n" + numbers.tobytes()
        write_bytes(self.path(k), _checksum(content) + b"\n" + content)

    def read(self, k: int, rows: int) -> Columns | None:
        """Read the results of chunk ``k``, which has ``rows`` rows; None if they are not there, or damaged.

        InputError for a part of another scan.
        """
        try:
            content = self.path(k).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as err:
            raise OutputError(self.path(k), err.strerror or str(err)) from None
        parsed = _parsed(content)
        if parsed is None:
            return None
        about, numbers = parsed
        if (about["scan"], about["part"], about["rows"]) != (self.digest, k, rows):
            raise self._foreign(self.path(k))
        values = iter(np.frombuffer(numbers, dtype="<f8").reshape(len(about["names"]) - len(about["texts"]), rows))
        texts = about["texts"]
        return {name: np.array(texts[name], dtype=object) if name in texts else next(values) for name in about["names"]}

    def done(self, k: int, rows: int) -> bool:
        """Whether the part of chunk ``k`` is on disk as it was written; InputError for a part of another scan."""
        return self.read(k, rows) is not None

    def finished(self, k: int, rows: int) -> Columns:
        """Read a part that must be there; ZprimeError if it is not."""
        results = self.read(k, rows)
        if results is None:
            raise ZprimeError(f"{self.path(k)} was lost or damaged while the scan ran; run the command again")
        return results

    def check_foreign(self) -> None:
        """Raise an InputError if there is a part of another scan, or under the number of another part."""
        for path in self.paths():
            about, _ = _parsed(path.read_bytes()) or ({}, b"")
            if about and (about["scan"], self.path(about["part"])) != (self.digest, path):
                raise self._foreign(path)

    def check_surplus(self, n: int) -> None:
        """Raise an InputError if there are parts beyond the first ``n``."""
        surplus = [path for path in self.paths() if int(path.name[5:13]) >= n]
        if surplus:
            raise self._foreign(surplus[0])

    def _foreign(self, path: Path) -> InputError:
        return InputError(
            f"{path} is not a part of this scan; remove {self.folder} to start again, or choose another output"
        )

    def remove(self) -> None:
        """Remove the manifest and the parts; the folder goes with the lock."""
        (self.folder / _MANIFEST).unlink(missing_ok=True)
        for path in self.paths():
            path.unlink(missing_ok=True)

    def paths(self) -> list[Path]:
        """The files of all parts."""
        return sorted(path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))


@contextlib.contextmanager
def open_parts(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Parts]:
    """Take the folder of the parts of a scan, new or from an interrupted run.

    InputError if another process has it, if it belongs to a scan with another manifest, or if it holds other files;
    OutputError if it cannot be written.
    """
    busy = f"another process is writing {folder.name.removesuffix('.parts')}: wait for it, or choose another output"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        sweep(folder.parent)
        with only_process(folder / _LOCK, busy):
            _check_content(folder)
            _check_manifest(folder, manifest)
            parts = Parts(folder, content_digest(manifest))
            try:
                parts.check_foreign()
                yield parts
            finally:
                if not parts.paths():
                    parts.remove()
    except OutputError:
        raise
    except BrokenPipeError:
        raise
    except OSError as err:
        raise OutputError(err.filename or folder, err.strerror or str(err)) from None
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # if it is empty


def _check_content(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name not in (_MANIFEST, _LOCK) and not _NAME.fullmatch(path.name):
            raise InputError(f"{path} is not part of a scan; move it away, or choose another output")


def _check_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    path = folder / _MANIFEST
    if not path.exists():
        write_text(path, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        known = None
    if not isinstance(known, dict):
        raise InputError(f"{path} is not the manifest of a scan; remove {folder} to start again")
    changed = sorted(name for name in {*known, *manifest} if known.get(name) != manifest.get(name))
    if changed:
        others = [name for name in changed if name != "engine"] or changed
        raise InputError(
            f"{folder} holds an unfinished scan with other inputs ({', '.join(others)}); "
            "finish that scan, remove the folder, or choose another output"
        )


def rows_of(results: Columns) -> int:
    """The number of rows of results."""
    return len(results["error"])


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _parsed(content: bytes) -> tuple[dict[str, Any], bytes] | None:
    """What a part says of itself, and its numbers; None if its bytes are not those that were written."""
    checksum, _, rest = content.partition(b"\n")
    if checksum != _checksum(rest):
        return None
    about, _, numbers = rest.partition(b"\n")
    return dict(json.loads(about)), numbers
