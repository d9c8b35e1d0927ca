"""Names that become part of a path, an address or a key: checked once, where they enter."""

from __future__ import annotations

import re

from ..errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


def checked_name(what: str, text: str) -> str:
    """Return a name of at most 100 letters, digits and ``. _ + -`` that begins with a letter or digit.

    InputError, which says what it names, for any other text.

    >>> checked_name("PDF set", "CT18NNLO")
    'CT18NNLO'
    """
    if not _NAME.fullmatch(text) or ".." in text:
        shown = repr(text if len(text) <= 60 else text[:60] + "...")
        raise InputError(
            f"{shown} cannot be the name of a {what}: use at most 100 letters, digits and . _ + - (not ..), "
            "beginning with a letter or digit"
        )
    return text
