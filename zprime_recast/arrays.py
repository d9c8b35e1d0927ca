"""Array types and checked numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .errors import InputError

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.intp]


def checked_number(name: str, value: object, low: float = -np.inf, above: float = -np.inf) -> float:
    """A finite float >= low and > above; InputError that names it otherwise."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, found {value!r}") from None
    if not np.isfinite(number):
        raise InputError(f"{name} must be finite, found {number}")
    if number < low or number <= above:
        bound = f">= {low:g}" if above == -np.inf else f"> {above:g}"
        raise InputError(f"{name} must be {bound}, found {number:g}")
    return number


def checked_positive(name: str, values: object) -> FloatArray:
    """An array of finite numbers > 0; InputError that names it otherwise."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number or an array of numbers, found {values!r}") from None
    bad = ~(np.isfinite(array) & (array > 0))
    if bad.any():
        raise InputError(f"{name} must be finite and > 0, found {array[bad].flat[0]:g}")
    return array
