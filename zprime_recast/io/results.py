"""The form every result has: one line in print, JSON-able values, columns for a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from ..arrays import FloatArray, Quiet
from .json import json_dict


class Result(Quiet):
    """A dataclass of numbers and arrays that broadcast, with text and collections beside them."""

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-able values, null for NaN."""
        return json_dict(self._values())

    def columns(self) -> dict[str, FloatArray]:
        """Numbers and arrays as equal columns (n,), such as for ``pandas.DataFrame(result.columns())``.

        The entries of a mapping become columns of their own, ``<field>_<key>``; text and tuples are left out.
        """
        found = dict[str, Any]()
        for name, value in self._values().items():
            parts = (
                {f"{name}_{key}": one for key, one in value.items()} if isinstance(value, Mapping) else {name: value}
            )
            found |= {key: one for key, one in parts.items() if isinstance(one, (bool, int, float, np.ndarray))}
        shape = np.broadcast_shapes(*(np.shape(value) for value in found.values()))
        return {name: np.broadcast_to(value, shape).ravel() for name, value in found.items()}

    def _values(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]  # of subclasses
