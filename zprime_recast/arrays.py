"""Array types and checked numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .errors import InputError

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.intp]

#: Characters of a one-line ``repr``.
REPR_LENGTH = 160


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


class Quiet:
    """A class whose instances print on one line: numbers and text as they are, arrays and collections by size."""

    def __repr__(self) -> str:
        shown = (f"{name}={_brief(value)}" for name, value in vars(self).items() if not name.startswith("_"))
        text = ", ".join(shown)
        return f"{type(self).__name__}({text if len(text) <= REPR_LENGTH else text[:REPR_LENGTH] + '...'})"


def _brief(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.item():.6g}" if value.ndim == 0 and value.dtype.kind == "f" else f"array{value.shape}"
    if value is None or isinstance(value, (str, bool, int)):
        return repr(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (tuple, list, dict)):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__
