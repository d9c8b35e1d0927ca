"""Digests of what a result depends on: values by their content, and the code that computes with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_PACKAGE = Path(__file__).resolve().parents[1]
#: Packages that compute no number: a change in them leaves results and caches as they are.
_WITHOUT_NUMBERS = ("cli", "explore", "report")


@cache
def code_digest() -> str:
    """SHA-256 of the source of this package, but for the parts that compute no number, in hexadecimal."""
    total = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        name = path.relative_to(_PACKAGE)
        if name.parts[0] not in (*_WITHOUT_NUMBERS, "data", "analyses"):
            total.update(f"{name.as_posix()}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()


def content_digest(value: Any) -> str:
    """SHA-256 of a value by its content, in hexadecimal: the same in every process.

    Takes numbers, text, arrays, fractions, collections and dataclasses of them, whose fields count and nothing else. A
    path counts as such: where a file is does not matter. TypeError for any other type.
    """
    total = hashlib.sha256()
    for piece in _pieces(value):
        total.update(len(piece).to_bytes(8, "little"))
        total.update(piece)
    return total.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """The content of a value as a sequence of bytes in which nothing is ambiguous."""
    kind = type(value).__name__
    if value is None or isinstance(value, (str, bytes, bool, int, float, complex, Fraction, np.generic)):
        yield f"{kind} {value!r}".encode()
    elif isinstance(value, Enum | type):
        yield f"{kind} {value}".encode()
    elif isinstance(value, np.ndarray):
        yield f"array {value.dtype.str} {value.shape}".encode()
        if value.dtype.hasobject:
            for one in value.ravel().tolist():
                yield from _pieces(one)
        else:
            yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, Path):
        yield b"path"
    elif is_dataclass(value):
        yield f"{type(value).__module__}.{type(value).__qualname__}".encode()
        for field in fields(value):
            yield field.name.encode()
            yield from _pieces(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for key in sorted(value, key=repr):
            yield from _pieces(key)
            yield from _pieces(value[key])
    elif isinstance(value, Set):
        yield f"set {len(value)}".encode()
        yield from sorted(content_digest(one).encode() for one in value)
    elif isinstance(value, Sequence):
        yield f"sequence {len(value)}".encode()
        for one in value:
            yield from _pieces(one)
    else:
        raise TypeError(f"a {kind} has no digest")
