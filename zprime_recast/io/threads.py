"""One BLAS thread where arrays are small: more threads cost processor time and save none."""

from __future__ import annotations

import threading
from functools import cache
from types import TracebackType
from typing import Any


class one_blas_thread:  # read as a phrase: with one_blas_thread()
    """A block in which NumPy's linear algebra uses one thread, whatever the environment says.

    Blocks may be nested and run in several Python threads: the number of threads, which belongs to the process, is put
    back when the last block ends.
    """

    _lock = threading.Lock()
    _inside = 0
    _before: tuple[int, ...] = ()

    def __enter__(self) -> None:
        cls = type(self)
        with cls._lock:
            if cls._inside == 0:
                cls._before = tuple(library.num_threads for library in _libraries())
                for library in _libraries():
                    library.set_num_threads(1)
            cls._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, where: TracebackType | None
    ) -> None:
        cls = type(self)
        with cls._lock:
            cls._inside -= 1
            if cls._inside == 0:
                for library, threads in zip(_libraries(), cls._before, strict=True):
                    library.set_num_threads(threads)


@cache
def _libraries() -> tuple[Any, ...]:
    """The BLAS libraries of this process; looking for them takes some milliseconds."""
    import numpy.linalg  # noqa: F401  # loads NumPy's
    from threadpoolctl import ThreadpoolController

    controllers = ThreadpoolController().select(user_api="blas").lib_controllers
    return tuple(c for c in controllers if "numpy" in c.filepath) or tuple(controllers)
