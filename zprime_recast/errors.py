"""Errors that a user can cause and can correct.

    ZprimeError
    ├── InputError (also ValueError)     a number or option that makes no sense
    │   ├── RangeError                   a number outside what a table or formula covers
    │   └── UnknownName (also KeyError)  a name that no model, analysis, PDF set or parameter has
    ├── CardError (also ValueError)      a card or table, shipped or the user's, that cannot be used
    ├── PDFError (also ValueError)       a PDF set that is missing, broken or out of range
    ├── LikelihoodError (also ValueError)  a hypothesis that has no likelihood, or a fit that failed
    └── OutputError (also OSError)       a result that cannot be written

Each message is one line that states what was found and what to do. The command line prints it and exits with code 2.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

#: Letters of a word in a message, beyond which it is cut.
LONGEST_WORD = 300


class ZprimeError(Exception):
    """Base class of every error that this package raises on purpose."""

    def __str__(self) -> str:
        text = " ".join(str(part) for part in self.args)
        text = " ".join(text.splitlines())  # a message may quote a name or cell with a line break in it
        return re.sub(rf"(\S{{{LONGEST_WORD}}})\S+", r"\1...", text)  # or one of thousands of letters


class InputError(ZprimeError, ValueError):
    """A number or option that makes no sense; nothing was computed."""


class RangeError(InputError):
    """A number outside the range of a table or formula; the message states the range."""


class UnknownName(InputError, KeyError):
    """A name that no model, analysis, PDF set, parameter or fermion has; the message suggests the closest known one.

    Arguments:
        what: kind of thing that was looked for, e.g. ``"model"``.
        name: the name that was given.
        known: the names that exist.
        remedy: further advice, appended in parentheses.
    """

    def __init__(self, what: str, name: str, known: Iterable[str], remedy: str = "") -> None:
        self.what, self.name, self.known = what, name, sorted(known)
        near = difflib.get_close_matches(name.lower(), [k.lower() for k in self.known], n=1, cutoff=0.5)
        by_lower = {k.lower(): k for k in self.known}
        hint = f"did you mean '{by_lower[near[0]]}'?" if near else f"known: {', '.join(self.known) or 'none'}"
        super().__init__(f"unknown {what} '{name}': {hint}" + (f" ({remedy})" if remedy else ""))


class CardError(ZprimeError, ValueError):
    """A card or table that cannot be used; the message states file, key, what was found and what was expected."""

    def __init__(self, path: Path | str, key: str, found: str, expected: str) -> None:
        self.path, self.key, self.found, self.expected = Path(path), key, found, expected
        where = f"{path}: {key}" if key else f"{path}"
        super().__init__(f"{where}: found {found}, expected {expected}")


class PDFError(ZprimeError, ValueError):
    """A PDF set that is missing, broken, or evaluated outside its grid."""


class LikelihoodError(ZprimeError, ValueError):
    """A hypothesis without a likelihood (the expected events of a bin are negative), or a fit that did not converge."""


class OutputError(ZprimeError, OSError):
    """A result that cannot be written to the requested place."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = Path(path)
        super().__init__(f"cannot write {path}: {reason}; choose another folder with -o or free some space")
