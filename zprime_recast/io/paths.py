"""Folders of shipped files, of the user's files and of caches, in a checkout, an editable install or a wheel."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import InputError, ZprimeError

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped(folder: str) -> Path:
    """The shipped folder ``data`` or ``analyses``, or a path below: inside the wheel, or beside the package."""
    for root in (_PACKAGE, _PACKAGE.parent):
        if (root / folder).is_dir():
            return root / folder
    raise ZprimeError(f"installation is incomplete: no folder '{folder}' in {_PACKAGE}; reinstall zprime-recast")


def expanded(path: str) -> Path:
    """A path with the home folder in the place of ``~`` or ``~user``; InputError for a user who is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{path}: no home folder of that user; write the path out") from None


def user_data_dir() -> Path:
    """The user's own folder, with models/, analyses/ and pdfs/; ``ZPRIME_RECAST_HOME`` overrides it."""
    if override := os.environ.get("ZPRIME_RECAST_HOME"):
        return expanded(override)
    import platformdirs

    return Path(platformdirs.user_data_dir("zprime-recast", appauthor=False))


def cache_dir() -> Path:
    """Folder for cached tables, which may be deleted; ``ZPRIME_RECAST_CACHE`` overrides it."""
    if override := os.environ.get("ZPRIME_RECAST_CACHE"):
        return expanded(override)
    import platformdirs

    return Path(platformdirs.user_cache_dir("zprime-recast", appauthor=False))
