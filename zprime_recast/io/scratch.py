"""Temporary files and folders with names nobody can guess, removed when their process ends, however it ends.

A process holds a lock on each of its own; the lock goes with the process, even with one that is killed. Whoever works
in the same folder next removes those that nobody holds.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .lock import locked

_NAME = re.compile(r"\.zprime-recast-[0-9a-f]{32}(\.[a-z]+)?")
#: Where locks are missing, age in seconds from which a temporary file is taken to be abandoned.
_ABANDONED_S = 86_400.0
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@contextlib.contextmanager
def scratch_file(folder: Path, suffix: str = "", mode: int = 0o600) -> Iterator[Path]:
    """Make an empty file in a folder, removed at the end unless it has been moved away. OSError if that fails.

    ``mode``: its permissions, as far as the umask of the process allows them.
    """
    sweep_once(str(folder))
    while True:
        path = _new_name(folder, suffix)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        os.close(os.open(path, flags, mode))
        try:
            with _held(path) as ours:
                if ours:
                    yield path
                    return
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Make an empty folder in a folder, removed with its content at the end. OSError if that fails."""
    sweep_once(str(folder))
    while True:
        path = _new_name(folder, "")
        path.mkdir(mode=0o700)
        try:
            with _held(path) as ours:
                if ours:
                    yield path
                    return
        finally:
            shutil.rmtree(path, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes of this user have left in a folder."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in [entry for entry in entries if _NAME.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                _remove_if_abandoned(Path(entry.path))


@cache
def sweep_once(folder: str) -> None:
    """:func:`sweep`, the first time this process asks for a folder."""
    sweep(Path(folder))


def _new_name(folder: Path, suffix: str) -> Path:
    return folder / f".zprime-recast-{secrets.token_hex(16)}{suffix}"


@contextlib.contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold the lock of a new temporary file; False if a sweep of another process was faster and removed it."""
    if os.name != "posix":  # elsewhere a file that is open can be neither moved nor removed
        yield True
        return
    try:
        number = os.open(path, _READ)
    except FileNotFoundError:
        yield False
        return
    try:
        locked(number)
        try:
            ours = os.path.samestat(os.fstat(number), os.lstat(path))
        except FileNotFoundError:
            ours = False
        yield ours
    finally:
        os.close(number)


def _remove_if_abandoned(path: Path) -> None:
    found = os.lstat(path)
    if os.name != "posix":
        if time.time() - found.st_mtime > _ABANDONED_S:
            _remove(path, found)
        return
    if found.st_uid != os.geteuid() or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return
    number = os.open(path, _READ)
    try:
        if locked(number, wait=False):
            _remove(path, found)
    finally:
        os.close(number)


def _remove(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
