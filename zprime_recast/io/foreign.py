"""Read files with the libraries of others: their errors name the file, and no file takes more memory than it should."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import CardError, ZprimeError

#: Bytes of a YAML file, and nodes it may have once its aliases are written out.
YAML_BYTES, YAML_NODES = 1 << 26, 5_000_000


@contextlib.contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn whatever a library raises while it reads a file into a CardError that names the file."""
    try:
        yield
    except (ZprimeError, BrokenPipeError):
        raise
    except Exception as err:
        raise CardError(path, "", first_line(err), expected) from None


def first_line(err: Exception) -> str:
    """The message of an error of a library, on one line of at most 200 characters."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    text = lines[0][:200] if lines else ""
    return f"{type(err).__name__} ({text})" if text and len(text) < 12 else text or type(err).__name__


def read_yaml(path: Path, expected: str) -> list[Any]:
    """Read the documents of a YAML file; CardError if it cannot be read or is larger than it looks."""
    import yaml

    with reading(path, expected):
        if path.stat().st_size > YAML_BYTES:
            raise CardError(path, "", f"{path.stat().st_size} bytes", f"{expected} of at most {YAML_BYTES} bytes")
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        try:
            documents = []
            while loader.check_node():
                node = loader.get_node()
                if _size(node, {}) > YAML_NODES:
                    raise CardError(path, "", "aliases of aliases", f"{expected} of at most {YAML_NODES} values")
                documents.append(loader.construct_document(node))
            return documents
        finally:
            loader.dispose()


def _size(node: Any, known: dict[int, int]) -> int:
    """Nodes below a node with all aliases written out: those that are used twice count twice."""
    import yaml

    if id(node) not in known:
        known[id(node)] = YAML_NODES + 1  # what is found inside itself has no end
        inside = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = [part for item in inside for part in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]
