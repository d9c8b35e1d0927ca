"""Survey an installation: versions, PDF backends and sets, caches, optional extras and how to install them."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from dataclasses import dataclass

from ..io.paths import cache_dir, shipped, user_data_dir


@dataclass(frozen=True)
class Installation:
    """The parts of an installation, found and missing."""

    versions: dict[str, str | None]
    """Version of the package, of Python and of every required distribution; None if it is missing."""
    backend: str
    """The reader of PDF sets that is used."""
    backends: dict[str, str]
    """Each reader of PDF sets: version and file, or why it cannot be used."""
    extras: dict[str, tuple[str, ...]]
    """Distributions that are missing for each extra of this package."""
    pdf_sets: dict[str, str]
    """Folder of each PDF set found."""
    folders: dict[str, str]
    """Folders named ``shipped data``, ``user data`` and ``cache``."""
    cache_files: int
    cache_mb: float
    problems: tuple[str, ...]
    """Each problem that keeps the package from working, with its remedy."""


def survey() -> Installation:
    """Survey this installation; missing parts are reported, never raised."""
    from ..errors import ZprimeError
    from ..partons.pdf import BACKEND_VARIABLE, BACKENDS, chosen_backend, lhapdf_library
    from ..partons.pdf_files import list_sets

    versions: dict[str, str | None] = {"zprime-recast": _version("zprime-recast"), "python": platform.python_version()}
    versions |= {name: _version(name) for name in sorted(_requirements())}
    backend, backends = BACKENDS[0], {"grid": "part of this package"}
    problems = [f"{name} is missing: pip install {name}" for name, version in versions.items() if version is None]
    try:
        library = lhapdf_library()
        backends["lhapdf"] = f"{library.__version__}, {library.__file__}"
    except ZprimeError as err:
        backends["lhapdf"] = str(err)
        if os.environ.get(BACKEND_VARIABLE) == "lhapdf":
            problems.append(str(err))
    try:
        backend = chosen_backend()
    except ZprimeError as err:
        problems.append(f"{BACKEND_VARIABLE}: {err}")
    try:
        data = str(shipped("data"))
        sets = {name: str(path) for name, path in list_sets().items()}
    except ZprimeError as err:
        data, sets = "missing", {}
        problems.append(str(err))
    files = [path for path in cache_dir().glob("**/*") if path.is_file()] if cache_dir().is_dir() else []
    return Installation(
        versions=versions,
        backend=backend,
        backends=backends,
        extras={extra: tuple(missing) for extra, missing in _missing_extras().items()},
        pdf_sets=sets,
        folders={"shipped data": data, "user data": str(user_data_dir()), "cache": str(cache_dir())},
        cache_files=len(files),
        cache_mb=sum(path.stat().st_size for path in files) / 1e6,
        problems=tuple(problems),
    )


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _requirements() -> set[str]:
    """Names of the distributions that this package always needs."""
    lines = importlib.metadata.requires("zprime-recast") or []
    return {re.split(r"[^\w.-]", line)[0] for line in lines if "extra ==" not in line}


def _missing_extras() -> dict[str, list[str]]:
    missing: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("zprime-recast") or []:
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        name = re.split(r"[^\w.-]", line)[0]
        if extra and extra[1] not in ("dev", "test"):
            entry = missing.setdefault(extra[1], [])
            if name != "zprime-recast" and _version(name) is None:
                entry.append(name)
    return missing


def interpreter() -> str:
    """Path of the running Python interpreter, for bug reports."""
    return sys.executable
