"""Results as JSON: arrays become lists, NaN and infinities become null."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np


def json_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    """:func:`jsonable` of a mapping."""
    return {str(name): jsonable(value) for name, value in values.items()}


def jsonable(value: Any) -> Any:
    """A value of nested mappings, sequences, arrays and numbers as JSON-able ones, null for what is not finite.

    TypeError for a type that is not known: nothing is written as its ``repr``.
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, Mapping):
        return json_dict(value)
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(one) for one in value]
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, (Fraction, Path)):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is not JSON-able")
