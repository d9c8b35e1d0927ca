"""Read and check cards (TOML) and tables (CSV). Errors name file, key, what was found and what was expected."""

from __future__ import annotations

import csv
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import ANY_NUMBER, FloatArray
from ..errors import CardError


class Section:
    """A table of a TOML card, read key by key; :meth:`finish` rejects keys that were never read."""

    def __init__(self, path: Path, values: Mapping[str, Any], prefix: str = "") -> None:
        self.path, self.values, self.prefix = path, dict(values), prefix
        self._read: set[str] = set()

    def fault(self, key: str, found: object, expected: str) -> CardError:
        """Make a :class:`CardError` located at ``key``."""
        try:
            text = repr(found) if key in self.values else str(found)
        except ValueError:  # from Python, which does not print integers of more than 4300 digits
            text = "an integer of thousands of digits"
        return CardError(self.path, self.prefix + key, text if len(text) <= 200 else text[:200] + "...", expected)

    def _get(self, key: str, expected: str, default: Any) -> Any:
        self._read.add(key)
        if key in self.values:
            return self.values[key]
        if default is _REQUIRED:
            raise self.fault(key, "no such key", expected)
        return default

    def raw(self, key: str, default: Any = None) -> Any:
        """The unchecked value in the file; the caller checks it."""
        return self._get(key, "a value", default)

    def text(self, key: str, default: Any = ...) -> str:
        """A string."""
        value = self._get(key, "a string", _REQUIRED if default is ... else default)
        if not isinstance(value, str):
            raise self.fault(key, value, "a string")
        return value

    def number(self, key: str, default: Any = ..., low: float = -np.inf, high: float = np.inf) -> float:
        """A finite number in [low, high]."""
        expected = "a finite number" + (f" in [{low:g}, {high:g}]" if np.isfinite([low, high]).any() else "")
        value = self._get(key, expected, _REQUIRED if default is ... else default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_legal(value):
            raise self.fault(key, value, expected)
        if not low <= value <= high:
            raise self.fault(key, value, expected)
        return float(value)

    def integer(self, key: str, default: Any = ..., low: int = 0) -> int:
        """An integer of at least ``low``."""
        value = self._get(key, f"an integer >= {low}", _REQUIRED if default is ... else default)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise self.fault(key, value, f"an integer >= {low}")
        return value

    def fraction(self, key: str, default: Any = ...) -> Fraction:
        """An exact number: an integer, or a fraction in quotes such as ``"-1/3"``."""
        value = self._get(key, "an integer or a fraction in quotes", _REQUIRED if default is ... else default)
        return parse_fraction(value, self, key)

    def choice(self, key: str, choices: Iterable[str], default: Any = ...) -> str:
        """One of a few strings."""
        options = tuple(choices)
        value = self.text(key, default)
        if value not in options:
            raise self.fault(key, value, f"one of {', '.join(options)}")
        return value

    def section(self, key: str, required: bool = True) -> Section:
        """A sub-table; empty if absent and not required."""
        value = self._get(key, "a table", _REQUIRED if required else {})
        if not isinstance(value, dict):
            raise self.fault(key, value, "a table")
        return Section(self.path, value, f"{self.prefix}{key}.")

    def sections(self, key: str) -> list[Section]:
        """An array of tables; empty if absent."""
        value = self._get(key, "an array of tables", [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.fault(key, value, "an array of tables")
        return [Section(self.path, v, f"{self.prefix}{key}[{i}].") for i, v in enumerate(value)]

    def numbers(self, key: str, default: Any = ...) -> FloatArray:
        """A list of finite numbers."""
        value = self._get(key, "a list of numbers", _REQUIRED if default is ... else default)
        ok = isinstance(value, list) and all(isinstance(v, (int, float)) and _is_legal(v) for v in value)
        if not ok:
            raise self.fault(key, value, "a list of finite numbers")
        return np.asarray(value, dtype=float)

    def texts(self, key: str, default: Any = ...) -> list[str]:
        """A list of strings."""
        value = self._get(key, "a list of strings", _REQUIRED if default is ... else default)
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.fault(key, value, "a list of strings")
        return value

    def file(self, key: str) -> Path:
        """A file beside the card."""
        name = self.text(key)
        path = self.path.parent / name
        if not path.is_file():
            raise self.fault(key, name, f"an existing file in {self.path.parent}")
        return path

    def finish(self) -> None:
        """Reject unknown keys."""
        for key in self.values:
            if key not in self._read:
                raise CardError(
                    self.path, self.prefix + key, "an unknown key", f"one of {', '.join(sorted(self._read))}"
                )


_REQUIRED: Any = object()
#: Characters of an exact number, and its largest numerator and denominator: enough for any charge ever written.
_FRACTION_LENGTH, _FRACTION_MAX = 40, 10**12


def _is_legal(value: int | float) -> bool:
    """Whether a number is 0 or of a magnitude that can be computed with, which infinity and NaN are not."""
    low, high = ANY_NUMBER
    return value == 0 or low <= abs(value) <= high


def parse_fraction(value: object, section: Section, key: str) -> Fraction:
    """An exact number from an integer or a string like ``"5/3"``."""
    if isinstance(value, (int, Fraction)) and not isinstance(value, bool):
        exact = Fraction(value)
    elif isinstance(value, str) and len(value) <= _FRACTION_LENGTH and not re.search(r"[eE][+-]?\d{3}", value):
        try:
            exact = Fraction(value)
        except (ValueError, ZeroDivisionError):
            exact = None
    else:
        exact = None
    if exact is not None and max(abs(exact.numerator), exact.denominator) <= _FRACTION_MAX:
        return exact
    raise section.fault(key, value, 'an integer or a fraction in quotes such as "-1/3"')


def read_toml(path: Path, schema: int = 1) -> Section:
    """The top table of a TOML card whose ``schema`` is known."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CardError(path, "", "no such file", "a TOML card") from None
    except (OSError, UnicodeDecodeError) as err:
        raise CardError(path, "", f"an unreadable file ({err})", "a UTF-8 TOML card") from None
    return parse_toml(path, text, schema)


def parse_toml(path: Path, text: str, schema: int = 1) -> Section:
    """The top table of a TOML card given as text; ``path`` names the card in messages."""
    try:
        card = Section(path, tomllib.loads(text))
    except (
        ValueError,
        RecursionError,
    ) as err:  # a number of 5000 digits and brackets 2000 deep are not TOMLDecodeErrors
        raise CardError(path, "", f"broken TOML ({str(err)[:200]})", "a TOML card") from None
    found = card.integer("schema")
    if found != schema:
        raise card.fault("schema", found, f"{schema} (the only version that this zprime-recast reads)")
    return card


def read_csv(path: Path, numeric: Iterable[str], text: Iterable[str] = (), blank: Iterable[str] = ()) -> dict[str, Any]:
    """Read columns of a CSV table by name.

    They are float arrays for ``numeric`` and ``blank`` (where an empty cell becomes NaN), lists of str for ``text``.

    Lines that start with ``#`` are comments. Raises CardError on a missing column, an empty table, a cell that is not a
    number of a legal magnitude, or a row of the wrong length.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise CardError(path, "", f"an unreadable file ({err})", "a CSV table") from None
    numbered = [(i, line) for i, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not numbered:
        raise CardError(path, "", "an empty file", "a CSV table with a header line")
    try:
        rows = [next(csv.reader([line], strict=True)) for _, line in numbered]  # a quote ends within its line
    except csv.Error as err:
        raise CardError(path, "", f"an unreadable table ({err})", "a CSV table") from None
    header = [name.strip() for name in rows[0]]
    blank, text = tuple(blank), tuple(text)
    numeric = (*numeric, *blank)
    for name in (*numeric, *text):
        if name not in header:
            raise CardError(path, f"column {name}", f"only columns {', '.join(header)}", "that column")
    if len(rows) == 1:
        raise CardError(path, "", "a header without rows", "at least one row")
    columns: dict[str, Any] = {name: [] for name in (*numeric, *text)}
    for (line_number, _), row in zip(numbered[1:], rows[1:], strict=True):
        if len(row) != len(header):
            raise CardError(path, f"line {line_number}", f"{len(row)} cells", f"{len(header)} cells")
        cells = dict(zip(header, row, strict=True))
        for name in numeric:
            try:
                value = float(cells[name])
            except ValueError:
                value = np.nan
            if not _is_legal(value) and (cells[name].strip() or name not in blank):
                raise CardError(path, f"line {line_number}, column {name}", repr(cells[name]), "a finite number")
            columns[name].append(value)
        for name in text:
            columns[name].append(cells[name].strip())
    return {name: np.asarray(values) if name in numeric else values for name, values in columns.items()}


def digest(*paths: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 over the names and bytes of files, in order."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:16]
