"""Write files whole or not at all: a full disk or Ctrl-C never leaves a half-written file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from ..errors import OutputError


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary file beside ``path``, then move it into place; OutputError if that fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except BaseException as err:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(err, OSError):
            raise OutputError(path, err.strerror or str(err)) from None
        raise
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all."""
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def check_writable(folder: Path) -> None:
    """Raise an OutputError unless files can be written into a folder; to be called before a long run."""
    write_text(folder / ".zprime-recast-write-test", "").unlink(missing_ok=True)
