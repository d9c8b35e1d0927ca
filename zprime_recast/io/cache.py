"""Cache arrays on disk, so that each is computed only once."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..arrays import FloatArray
from ..errors import OutputError
from .digest import code_digest
from .files import write_bytes
from .paths import cache_dir


def cached_array(key: object, make: Callable[[], FloatArray], shape: tuple[int, ...], use: bool = True) -> FloatArray:
    """Read an array of a given shape from the disk cache, or make it and store it there.

    A damaged entry, one of other code, and an unwritable cache are ignored. ``key`` must hold, in its ``repr``,
    everything the array depends on but the code.
    """
    if not use:
        return make()
    name = hashlib.sha256(repr((code_digest(), key)).encode()).hexdigest()
    path = cache_dir() / f"{name[:32]}.npy"
    array = _stored(path)
    if array is not None and array.shape == shape:
        return array
    array = make()
    with contextlib.suppress(OutputError):  # a cache only saves time
        _store(path, array)
    return array


def _stored(path: Path) -> FloatArray | None:
    """The array of a file, or None if it is not there or not as it was written."""
    try:
        content = path.read_bytes()
        array, checksum = content[:-32], content[-32:]
        if hashlib.sha256(array).digest() == checksum:
            return np.asarray(np.load(io.BytesIO(array), allow_pickle=False), dtype=float)
    except (OSError, ValueError, EOFError):
        pass
    return None


def _store(path: Path, array: FloatArray) -> None:
    """Write an array in NumPy's format, followed by its SHA-256."""
    file = io.BytesIO()
    np.save(file, array)
    write_bytes(path, file.getvalue() + hashlib.sha256(file.getvalue()).digest())
