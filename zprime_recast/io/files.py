"""Write regular files whole or not at all, and write through to everything else.

A regular file is replaced in one step: a full disk, Ctrl-C or a killed process never leaves a half-written one. Its
mode is kept, and a symbolic link to it stays. A FIFO, a device or standard output receives the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ..errors import OutputError
from .scratch import scratch_file, sweep

#: The name of standard output as an output, and of standard input as an input.
STANDARD = Path("-")


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary file, then put it in the place of ``path``, or copy it there if that is a stream.

    OutputError if that fails; BrokenPipeError if the reader of a stream has gone.
    """
    with _as_output_error(path):
        if is_stream(path):
            with scratch_file(Path(tempfile.gettempdir()), ".tmp") as temporary:
                write(temporary)
                with temporary.open("rb") as source, open_stream(path) as stream:
                    shutil.copyfileobj(source, stream)
            return path
        target, before = _regular(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_file(target.parent, ".tmp", 0o666) as temporary:
            write(temporary)
            _flush(temporary, before)
            os.replace(temporary, target)
        _flush_folder(target.parent)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file, whole or not at all."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write bytes to a file, whole or not at all."""
    return write_whole(path, lambda temporary: temporary.write_bytes(content))


def is_stream(path: Path) -> bool:
    """Whether a path is written through to (or read once): ``-``, a FIFO, a device, what standard output goes to."""
    if path == STANDARD:
        return True
    try:
        found = os.stat(path)
    except OSError:
        return False
    if stat.S_ISREG(found.st_mode):
        return _number_of(found) is not None
    return not stat.S_ISDIR(found.st_mode)


def is_standard_output(path: Path) -> bool:
    """Whether a path names what this process prints to."""
    if path == STANDARD:
        return True
    try:
        return os.path.samestat(os.stat(path), os.fstat(1)) and is_stream(path)
    except OSError:
        return False


@contextlib.contextmanager
def open_stream(path: Path) -> Iterator[IO[bytes]]:
    """Open a stream for writing bytes. An OSError inside becomes an OutputError, but for a BrokenPipeError."""
    with _as_output_error(path):
        number = 1 if path == STANDARD else _number_of(os.stat(path))
        if number is not None:
            (sys.stdout if number == 1 else sys.stderr).flush()
        with open(path if number is None else os.dup(number), "wb") as stream:
            yield stream


def check_writable(folder: Path) -> None:
    """Raise an OutputError unless files can be written into a folder; to be called before a long run."""
    with _as_output_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        with scratch_file(folder):
            return


def check_output(path: Path) -> None:
    """Raise an OutputError unless a file can be written at this path; to be called before a long run."""
    with _as_output_error(path):
        if is_stream(path):
            if path != STANDARD and not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        target, _ = _regular(path)
    check_writable(target.parent)


def _regular(path: Path) -> tuple[Path, os.stat_result | None]:
    """The file that a path leads to, and what is there now. OSError if it is a folder or must not be written."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return Path(os.path.realpath(path)), None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return Path(os.path.realpath(path)), found


def _number_of(found: os.stat_result) -> int | None:
    """The number of the standard stream that goes to this regular file, if one does."""
    for number in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(found, os.fstat(number)):
                return number
    return None


def _flush(path: Path, before: os.stat_result | None) -> None:
    """Give a file the mode and group of the one it replaces, and have it written to the disk."""
    with path.open("r+b") as file:
        if before is not None and os.name == "posix":
            with contextlib.suppress(OSError):
                os.fchown(file.fileno(), -1, before.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@contextlib.contextmanager
def _as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except (OutputError, BrokenPipeError):
        raise
    except OSError as err:
        raise OutputError(path, err.strerror or str(err)) from None
    except ValueError as err:
        if "embedded null" in str(err):
            raise OutputError(path, "its name contains a NUL") from None
        raise
