"""Libraries that only some commands need, and the extras of the package that install them."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import InputError

#: Extra that reads and writes Parquet files, and what needs it.
PARQUET = ("parquet", "a Parquet file")
#: Extra with histograms and Lorentz vectors, and what needs it.
EVENTS = ("events", "the analysis of events")


def needed(library: str, extra: str, what: str) -> Any:
    """Import a library of an extra; InputError, which names the extra, if it is not installed.

    Arguments:
        library: the module, e.g. ``"pyarrow.parquet"``.
        extra: the extra of this package that installs it.
        what: the thing that needs it, at the beginning of the message.
    """
    try:
        return importlib.import_module(library)
    except ImportError as err:
        raise missing(err.name or library, extra, what) from None


def missing(library: str, extra: str, what: str) -> InputError:
    """The error for a library that is not installed: one line that names the extra with it."""
    return InputError(f"{what} needs {library.partition('.')[0]}: pip install 'zprime-recast[{extra}]'")
