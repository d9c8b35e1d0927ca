"""Turn a UFO folder written for Python 2 into one for Python 3, with ``fissix`` (a maintained lib2to3).

Most public UFO folders are from the years of Python 2: ``raise UFOError, "..."``, print statements, ``iteritems`` and
indentation that mixes tabs and blanks.
"""

from __future__ import annotations

import io
import re
import shutil
import tokenize
import warnings
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io.extras import needed

#: Words of Python 2 that Python 3 does not know; it compiles most of them all the same.
_OLD = re.compile(
    r"\b(iteritems|itervalues|iterkeys|has_key|xrange|raw_input|basestring|execfile|cPickle|StringIO|ConfigParser|unichr"
    r"|__nonzero__|__metaclass__|maketrans|urllib2|izip|imap|ifilter)\b"
    r"|\b(unicode|reduce|long|file|cmp|next|apply|intern|reload)\(|^\s*(import|from) (commands|exceptions|__builtin__)",
    re.MULTILINE,
)


def converted_copy(folder: Path, target: Path) -> bool:
    """Copy a folder to ``target``, with its Python 2 code as Python 3; whether that changed anything.

    A file that is no Python 2 either is copied unchanged. InputError without ``fissix``, or if a file cannot be read.
    """
    try:
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns("__pycache__", "*.pkl", ".git"))
        tool, changed = _tool(), False
        for path in sorted(target.rglob("*.py")):
            source = path.read_bytes()
            text = _text(source)
            new = _converted(tool, text) if _OLD.search(text) or not _compiles(text) else text
            if new.encode() != source:
                path.write_text(new, encoding="utf-8")
                changed = True
    except (OSError, shutil.Error) as err:
        raise InputError(f"{folder}: cannot be copied: {getattr(err, 'strerror', None) or err}") from None
    return changed


def _tool() -> Any:
    refactor = needed("fissix.refactor", "ufo", "reading Python 2 code")
    return refactor.RefactoringTool(refactor.get_fixers_from_package("fissix.fixes"))


def _converted(tool: Any, text: str) -> str:
    # Python 2 counts a tab as a jump to the next multiple of eight
    even = "\n".join(_expanded(line) for line in text.splitlines()) + "\n"
    try:
        return str(tool.refactor_string(even, "file"))
    except Exception:  # of its parser: the error of Python 3 will be the one that is reported
        return even


def _compiles(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "file", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _expanded(line: str) -> str:
    body = line.lstrip(" \t\f")
    return line[: len(line) - len(body)].replace("\f", "").expandtabs(8) + body.rstrip()


def _text(source: bytes) -> str:
    """Decode a file by its coding line, else as UTF-8, else as Latin-1; the coding line goes."""
    try:
        text = source.decode(tokenize.detect_encoding(io.BytesIO(source).readline)[0])
    except (SyntaxError, UnicodeDecodeError, LookupError):
        text = source.decode("latin-1")
    head = [re.sub(r"coding[:=]\s*[-\w.]+", "", line) for line in text.splitlines()[:2]]
    return "\n".join([*head, *text.splitlines()[2:]])
