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


#: Legal magnitudes of a number other than 0 that is checked under a name, and of any other number. Between these ends
#: fourth powers and products of what is computed here are far from the ends of a double.
RANGES = {"mass_gev": (1e-9, 1e9), "coupling": (1e-15, 1e3), "sqrt_s_gev": (1e-3, 1e9)}
ANY_NUMBER = (1e-60, 1e60)
_OTHER_NAMES = {
    "--mass": "mass_gev",
    "mass": "mass_gev",
    "--coupling": "coupling",
    "--sqrt-s": "sqrt_s_gev",
}


def legal_range(name: str) -> tuple[float, float]:
    """Smallest and largest legal magnitude of the quantity with a name, see RANGES."""
    return RANGES.get(_OTHER_NAMES.get(name, name), ANY_NUMBER)


def legal(name: str, values: FloatArray) -> BoolArray:
    """Which values, (...), are 0 or a legal magnitude of the quantity with a name; never NaN."""
    low, high = legal_range(name)
    size = np.abs(values)
    return np.asarray((values == 0) | ((size >= low) & (size <= high)))


def illegal_text(name: str) -> str:
    """The message for a value that is not :func:`legal`."""
    low, high = legal_range(name)
    return f"{name} must be between {low:g} and {high:g} in magnitude"


def checked_number(name: str, value: object, low: float = -np.inf, above: float = -np.inf) -> float:
    """A finite float >= low and > above, of a legal magnitude (see RANGES); InputError that names it otherwise."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise InputError(f"{illegal_text(name)}, found an integer of more than 308 digits") from None
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, found {_short(value)}") from None
    if not np.isfinite(number):
        raise InputError(f"{name} must be finite, found {number}")
    if number < low or number <= above:
        bound = f">= {low:g}" if above == -np.inf else f"> {above:g}"
        raise InputError(f"{name} must be {bound}, found {number:g}")
    if not legal(name, np.asarray(number)):
        raise InputError(f"{illegal_text(name)}, found {number:g}")
    return number


def checked_positive(name: str, values: object) -> FloatArray:
    """An array of finite numbers > 0 of legal magnitudes (see RANGES); InputError that names it otherwise."""
    try:
        array = np.asarray(values, dtype=float)
    except OverflowError:
        raise InputError(f"{illegal_text(name)}, found an integer of more than 308 digits") from None
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number or an array of numbers, found {_short(values)}") from None
    bad = ~(np.isfinite(array) & (array > 0))
    if bad.any():
        raise InputError(f"{name} must be finite and > 0, found {array[bad].flat[0]:g}")
    if not (good := legal(name, array)).all():
        raise InputError(f"{illegal_text(name)}, found {array[~good].flat[0]:g}")
    return array


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


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
