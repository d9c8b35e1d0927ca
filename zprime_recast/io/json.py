"""Results as JSON: null wherever a number is undefined, because JSON has neither NaN nor infinities."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from math import isfinite
from os import PathLike, fspath
from typing import Any


def jsonable(value: Any) -> Any:
    """A result in the types JSON has, with null for NaN and infinities.

    Takes nested mappings, sequences, dataclasses, NumPy arrays and scalars; an exact fraction becomes text such as
    ``"-1/3"``, as cards write it, and a path its text. TypeError for any other type.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): jsonable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(part) for part in value]
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, PathLike):
        return fspath(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    to_list = getattr(value, "tolist", None)  # of a NumPy array or scalar, without importing NumPy
    if to_list is None:
        raise TypeError(f"{type(value).__name__} has no form in JSON")
    return jsonable(to_list())


def json_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping in the types JSON has, see :func:`jsonable`."""
    return {str(key): jsonable(part) for key, part in values.items()}


def json_text(value: Any, indent: int | None = None) -> str:
    """A result as JSON text, see :func:`jsonable`; on one line unless ``indent`` is given."""
    return json.dumps(jsonable(value), indent=indent, allow_nan=False)
