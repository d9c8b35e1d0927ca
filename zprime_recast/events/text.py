"""Format whole columns of numbers as text of fixed width, for event files with millions of lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray

ByteArray = npt.NDArray[np.uint8]

#: Digits of a number: a sign, one digit, a point, 12 digits and an exponent of two digits (relative rounding 5e-13).
WIDTH = 19
_DIGITS = 12
_FOUR = np.frombuffer("".join(f"{i:04d}" for i in range(10000)).encode(), dtype=np.uint8).reshape(10000, 4)
_POWERS = 10.0 ** np.arange(-99 + _DIGITS, 100 + _DIGITS)


def format_numbers(values: FloatArray) -> ByteArray:
    """Finite values (n,) as text like +1.234567890123e+02, (n, WIDTH) bytes; below 1e-90 in size as 0."""
    size = np.abs(values)
    zero = size < 1e-90
    size = np.where(zero, 1.0, size)
    exponent = np.floor(np.log10(size)).astype(np.int64)
    mantissa = np.rint(size * _POWERS[99 - exponent]).astype(np.int64)
    low, high = mantissa < 10**_DIGITS, mantissa >= 10 ** (_DIGITS + 1)
    if low.any() or high.any():  # the logarithm, or rounding, was one off
        exponent += high.astype(np.int64) - low
        mantissa = np.where(low | high, np.rint(size * _POWERS[99 - exponent]).astype(np.int64), mantissa)
    mantissa[zero] = 0
    text = np.empty((len(values), WIDTH), dtype=np.uint8)
    text[:, 0] = np.where(values < 0, ord("-"), ord("+"))
    for start in (11, 7, 3):
        mantissa, part = np.divmod(mantissa, 10000)
        text[:, start : start + 4] = _FOUR.take(part, axis=0)
    text[:, 1] = mantissa + ord("0")
    text[:, 2] = ord(".")
    text[:, 15] = ord("e")
    text[:, 16] = np.where(exponent < 0, ord("-"), ord("+"))
    text[:, 17:19] = _FOUR.take(np.abs(exponent), axis=0)[:, 2:]
    return text


def format_integers(values: npt.NDArray[np.int64], width: int) -> ByteArray:
    """Integers >= 0 with leading zeros, (n, width)."""
    digits = values[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10
    return np.asarray(digits + ord("0"), dtype=np.uint8)


def format_choice(index: npt.NDArray[np.int64], words: Sequence[str]) -> ByteArray:
    """One of a few words per row, padded to the longest, (n, width)."""
    width = max(len(word) for word in words)
    table = np.frombuffer("".join(word.rjust(width) for word in words).encode(), dtype=np.uint8).reshape(-1, width)
    return np.asarray(table.take(index, axis=0))


def format_ids(ids: npt.NDArray[np.int8]) -> ByteArray:
    """Quark ids from -9 to 9 with their sign, (n, 2)."""
    return format_choice(ids.astype(np.int64) + 9, [f"{i:+d}" for i in range(-9, 10)])


def format_lepton_ids(ids: npt.NDArray[np.int64]) -> ByteArray:
    """Codes of charged leptons, 11, 13 or 15, (n, 2)."""
    return format_integers(ids, 2)


def format_momentum(p: FloatArray) -> list[str | ByteArray]:
    """Momenta (n, 4) as pieces for :func:`fill`, a space before each component."""
    return [piece for column in p.T for piece in (" ", format_numbers(column))]


def fill(pieces: Sequence[str | ByteArray], n: int) -> bytes:
    """n records of constant text and columns of text, in order."""
    widths = [len(piece) if isinstance(piece, str) else piece.shape[1] for piece in pieces]
    record = np.empty((n, sum(widths)), dtype=np.uint8)
    at = 0
    for piece, width in zip(pieces, widths, strict=True):
        record[:, at : at + width] = np.frombuffer(piece.encode(), np.uint8) if isinstance(piece, str) else piece
        at += width
    return record.tobytes()
