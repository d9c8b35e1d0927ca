"""Cache arrays on disk, so that each is computed only once."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..arrays import FloatArray
from .paths import cache_dir


def cached_array(key: object, make: Callable[[], FloatArray], shape: tuple[int, ...], use: bool = True) -> FloatArray:
    """Read an array of a given shape from the disk cache, or make it and store it there.

    A broken or unwritable cache is ignored. ``key`` must hold, in its ``repr``, everything the array depends on.
    """
    if not use:
        return make()
    path = cache_dir() / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.npy"
    try:
        array = np.load(path, allow_pickle=False)
        if array.shape == shape and np.isfinite(array).all():
            return np.asarray(array, dtype=float)
    except (OSError, ValueError, EOFError):
        pass
    array = make()
    _store(path, array)
    return array


def _store(path: Path, array: FloatArray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                np.save(file, array)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        os.replace(temporary, path)
    except OSError:
        return  # a cache only saves time
