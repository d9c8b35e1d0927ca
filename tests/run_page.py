"""Run the blocks of a Markdown page as its reader would: in order, in the current folder.

``sh`` blocks go to bash and keep its environment and folder, ``python`` blocks (and ``{code-cell}`` ones) share one namespace. An HTML comment before a
block changes that: ``<!-- file: NAME -->`` saves the block, whatever its language, ``<!-- test: skip, REASON -->`` leaves
it out, ``<!-- test: slow -->`` runs it (and what follows) only with ``--slow``, and ``<!-- test: OLD=NEW ... -->`` with numbers
replaced, where those shown would take minutes. By hand: python tests/run_page.py docs/tutorial.md --slow
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^(?:<!-- (?P<what>file|test): (?P<value>[^>]*?) -->\n\s*)?```(?P<language>[^\n`]*)\n(?P<text>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    kind: str
    """sh, python, file or shown (neither run nor saved)."""
    text: str
    line: int
    slow: bool = False
    name: str = ""


def blocks(page: str) -> list[Block]:
    """The blocks of a page in order."""
    found = []
    for match in BLOCK.finditer(page):
        what, value, language = match["what"], match["value"] or "", match["language"].strip()
        line = page.count("\n", 0, match.start("text")) + 1
        kind = {"sh": "sh", "python": "python", "{code-cell}": "python"}.get(language.split(" ")[0], "shown")
        if what == "file":
            found.append(Block("file", match["text"], line, name=value))
        elif what == "test" and value.startswith("skip, "):
            found.append(Block("shown", match["text"], line))
        else:
            words = value.split()
            text = match["text"]
            for old, new in (word.split("=") for word in words if word != "slow"):
                if old not in text:
                    raise ValueError(f"line {line}: {old} is not in the block")
                text = text.replace(old, new)
            found.append(Block(kind, text, line, slow="slow" in words))
    return found


def in_shell(text: str) -> bool:
    """Run lines in bash; what they export, and where they change to, stays."""
    with tempfile.NamedTemporaryFile() as state:
        script = f'{text}\n{{ pwd; env -0; }} > "{state.name}"\n'
        if subprocess.run(["bash", "-eo", "pipefail", "-c", script], check=False).returncode:
            return False
        folder, _, variables = state.read().decode().partition("\n")
    os.chdir(folder)
    os.environ.update(pair.split("=", 1) for pair in variables.split("\0") if "=" in pair)
    return True


def run(page: Path, slow: bool) -> int:
    """Run a page; the number of blocks run. SystemExit names the block that failed."""
    count, names = 0, {"__name__": "__main__"}
    for block in blocks(page.read_text()):
        if block.slow and not slow:
            break  # what follows may need it
        where = f"{page.name}, line {block.line}"
        if block.kind == "file":
            Path(block.name).write_text(block.text)
        elif block.kind == "sh":
            if not in_shell(block.text):
                sys.exit(f"{where}: this block failed:\n{block.text}")
            count += 1
        elif block.kind == "python":
            try:
                exec(compile(block.text, where, "exec"), names)
            except Exception:
                sys.exit(f"{where}: this block failed:\n{traceback.format_exc()}")
            count += 1
    return count


if __name__ == "__main__":
    print(f"{run(Path(sys.argv[1]).resolve(), '--slow' in sys.argv)} blocks ran")
