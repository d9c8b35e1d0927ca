"""Locks between processes: on an open file, and on a folder that one process works in."""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError

try:
    import fcntl as _fcntl
except ImportError:  # Windows
    _fcntl = None  # type: ignore[assignment]

_flock: Any = getattr(_fcntl, "flock", None)


def locked(number: int, wait: bool = True) -> bool:
    """Lock an open file for this process until it is closed; False if another holds it, or locks do not work here."""
    if _flock is None:
        return False
    try:
        _flock(number, _fcntl.LOCK_EX | (0 if wait else _fcntl.LOCK_NB))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def only_process(path: Path, busy: str) -> Iterator[None]:
    """Hold a lock file, which is made if need be, and removed at the end; InputError ``busy`` if another holds it.

    Warns where the file system has no locks. OSError if the file cannot be made.
    """
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            _lock_or_refuse(number, path, busy)
            try:
                ours = os.path.samestat(os.fstat(number), os.stat(path))
            except FileNotFoundError:  # removed by the process that held it before
                continue
            if ours:
                try:
                    yield
                finally:
                    if os.name == "posix":
                        path.unlink(missing_ok=True)
                return
        finally:
            os.close(number)


def _lock_or_refuse(number: int, path: Path, busy: str) -> None:
    if _flock is None:
        return
    try:
        _flock(number, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except OSError as err:
        if err.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise InputError(busy) from None
        warnings.warn(f"{path.parent}: locks do not work on this file system; run one process at a time", stacklevel=4)
