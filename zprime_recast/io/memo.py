"""Keep in memory what was computed from an object, for as long as that object lives.

A single value is a ``functools.cached_property`` of the object it is computed from; values for many keys are in a
:class:`Memo` that the object owns. Nothing outside the object holds them, so they are freed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Values by key, at most ``size`` of them; the oldest makes room for a new one.

    Several threads may use it: two that miss the same key both compute its value, and both get the first one stored.
    Pickling or copying it gives an empty memo. Keys are numbers, strings, or tuples of them, never large objects, which
    they would keep alive.
    """

    __slots__ = ("_lock", "_size", "_values")

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[K, V] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[type[Memo[K, V]], tuple[int]]:
        return type(self), (self._size,)

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of ``key``, from ``make`` if there is none yet."""
        try:
            return self._values[key]
        except KeyError:
            value = make()
        with self._lock:
            if key not in self._values and len(self._values) >= self._size:
                del self._values[next(iter(self._values))]
            return self._values.setdefault(key, value)


class PickledByFields:
    """A dataclass whose pickles and copies hold its fields only: what it has computed and kept is computed again."""

    def __getstate__(self) -> dict[str, Any]:
        values = vars(self)
        return {name: values[name] for name in type(self).__dataclass_fields__}  # type: ignore[attr-defined]
