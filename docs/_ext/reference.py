"""Reference pages made from the package itself: Python API, command line, card keys, analyses.

They are written to ``reference/generated/`` when a build begins, so that none can be out of date.
"""

from __future__ import annotations

import ast
import pkgutil
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
from sphinx.application import Sphinx
from sphinx.config import Config

import zprime_recast
from zprime_recast import cli
from zprime_recast.io import paths

HELP_WIDTH = 100


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages first, then read."""
    app.connect("config-inited", write_pages)
    app.connect("autodoc-process-docstring", lambda *event: escape_prose(event[-1]))
    app.connect("source-read", leave_the_site)
    app.connect("source-read", drop_empty_patterns)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx, config: Config) -> None:
    """All generated pages."""
    folder = Path(app.srcdir) / "reference" / "generated"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "api").mkdir(parents=True)
    (folder / "analyses").mkdir()
    explained = pages_that_explain(Path(app.srcdir))
    for module in modules():
        (folder / "api" / f"{module}.rst").write_text(module_page(module, explained.get(module, [])))
    (folder / "api.rst").write_text(names_page())
    (folder / "cli.md").write_text(cli_page())
    for readme in sorted(paths.shipped("analyses").glob("*/README.md")):
        (folder / "analyses" / f"{readme.parent.name}.md").write_text(readme.read_text())


# ---------------------------------------------------------------------------------------------------------------
# Python API


def modules() -> Iterator[str]:
    """Modules of the library, the command line left out."""
    for found in pkgutil.walk_packages(zprime_recast.__path__, "zprime_recast."):
        if not re.search(r"\.(cli|__main__)\b", found.name):
            yield found.name


def module_page(module: str, explained: list[str]) -> str:
    """One module: its docstring and members, and the physics pages that use it."""
    title = module.removeprefix("zprime_recast.")
    # no entry in the menu of every page: the list of modules leads here
    lines = [":orphan:", "", title, "=" * len(title), ""]
    if explained:
        lines += ["Explained in: " + ", ".join(f":doc:`/{page}`" for page in explained), ""]
    return "\n".join([*lines, f".. automodule:: {module}", ""])


def names_page() -> str:
    """The public names, by module, each with its first line, and the list of modules."""
    by_module: dict[str, list[str]] = {}
    for name, module in zprime_recast._EXPORTS.items():
        by_module.setdefault(f"zprime_recast.{module}", []).append(name)
    lines = [
        "Python API",
        "==========",
        "",
        "``import zprime_recast as zr``; the names below are ``zr.NAME``. Inputs broadcast like NumPy, results are",
        "frozen dataclasses of arrays, bad input raises :class:`~zprime_recast.errors.ZprimeError` with one line.",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 30 70",
        "",
        "   * - name",
        "     - what it is",
    ]
    for module, names in by_module.items():
        for name in names:
            value = getattr(zprime_recast, name)
            summary = first_sentence(value.__doc__ or "")
            lines += [f"   * - :py:obj:`~{module}.{name}`", f"     - {summary}"]
    lines += ["", "Modules", "-------", ""]
    for module in modules():
        summary = first_sentence(module_docstring(module))
        lines.append(f"- :doc:`{module.removeprefix('zprime_recast.')} <api/{module}>`: {summary}")
    lines.append("")
    return "\n".join(lines)


def module_docstring(module: str) -> str:
    """Its docstring, without importing it: it may need an extra that is not installed."""
    file = find_spec(module).origin  # type: ignore[union-attr]
    return ast.get_docstring(ast.parse(Path(file).read_text())) or ""  # type: ignore[arg-type]


def first_sentence(docstring: str) -> str:
    """The first paragraph up to its first full stop, escaped for reStructuredText."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    paragraph = re.sub(r":\w+:`~?([^`]+)`", r"``\1``", paragraph)
    return escape(re.split(r"(?<=[a-z)0-9])[.;:] ", paragraph)[0])


def pages_that_explain(source: Path) -> dict[str, list[str]]:
    """Module name -> pages under physics/ that refer to it or to something in it."""
    found: dict[str, list[str]] = {}
    known = set(modules())
    for page in sorted(source.glob("physics/*.md")):
        for target in re.findall(r"`~?(zprime_recast\.[\w.]+)`", page.read_text()):
            while target and target not in known:
                target = target.rpartition(".")[0]
            pages = found.setdefault(target, [])
            name = f"physics/{page.stem}"
            if name not in pages:
                pages.append(name)
    return found


_LITERAL = re.compile(r"(``.+?``|:[\w:]+:`[^`]+`|`[^`]+`_+)")


def escape(text: str) -> str:
    """Prose whose stars, bars and underscores are themselves; roles and literals stay."""
    parts = _LITERAL.split(text)
    return "".join(p if i % 2 else re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", p) for i, p in enumerate(parts))


def escape_prose(lines: list[str]) -> None:
    """Docstrings are plain text with roles, literals and ``.. math::``; the rest is not markup."""
    inside = ""  # indentation of the directive or literal block we are in
    for i, line in enumerate(lines):
        indent = line[: len(line) - len(line.lstrip())]
        if inside and line.strip() and len(indent) < len(inside):
            inside = ""
        if line.lstrip().startswith(".. "):
            inside = indent + " "
        elif not inside and not line.lstrip().startswith(">>>"):
            lines[i] = escape(line)


# ---------------------------------------------------------------------------------------------------------------
# Command line


def cli_page() -> str:
    """The --help of every command there is."""
    lines = ["# Command line", "", "What `zprime-recast COMMAND --help` prints, for every command.", ""]
    group = typer.main.get_command(cli.app)
    for words, command in commands(group, ()):
        context = command.context_class(
            command, info_name=" ".join(["zprime-recast", *words]), max_content_width=HELP_WIDTH
        )
        context.terminal_width = HELP_WIDTH
        lines += ["## " + " ".join(words), "", "```text", command.get_help(context).strip(), "```", ""]
    return "\n".join(lines)


def commands(group: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(words, command) of every command that does something."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        elif not command.hidden:
            yield (*words, name), command


# ---------------------------------------------------------------------------------------------------------------
# Links out of docs/, which are right in the repository

OUT_OF_DOCS = re.compile(
    r"(?<!!)\[([^\]]+)\]"
    r"\(((?:\.\./)+(?:analyses|data|README|CONTRIBUTING|CHANGELOG|tests|benchmarks|zprime_recast)[^)#]*)\)"
)


def leave_the_site(app: Sphinx, docname: str, content: list[str]) -> None:
    """Links to the README of an analysis lead to its page here; those to other files of the repository become text."""
    up = "../" * docname.count("/")
    folder = (Path(app.srcdir) / docname).parent
    content[0] = content[0].replace("](../../docs/", f"]({up}")  # of the README of an analysis

    def shown(match: re.Match[str]) -> str:
        return f"{match[1]} (`{match[2]}`)" if (folder / match[2]).is_dir() else match[0]

    content[0] = re.sub(r"(?<!!)\[([^\]]+)\]\(((?!\.\.)[\w./-]+)\)", shown, content[0])

    def replace(match: re.Match[str]) -> str:
        text, target = match.groups()
        analysis = re.match(r"(?:\.\./)*analyses/([\w-]+)(?:/README\.md)?/?$", target)
        if analysis:
            return f"[{text}]({up}reference/generated/analyses/{analysis[1]}.md)"
        return f"{text} (`{target.lstrip('./')}`)" if not text.startswith("`") else text

    if not docname.startswith("reference/generated/api"):
        content[0] = OUT_OF_DOCS.sub(replace, content[0])


def drop_empty_patterns(app: Sphinx, docname: str, content: list[str]) -> None:
    """Patterns of the index that no page matches (Sphinx would warn)."""
    if docname == "index":
        source = Path(app.srcdir)
        lines = content[0].splitlines()
        content[0] = "\n".join(line for line in lines if not line.endswith("*") or any(source.glob(f"{line}.*")))
