"""Reference pages made from the package itself: Python API, command line, card keys, analyses.

They are written to ``reference/generated/`` when a build begins, so that none can be out of date.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
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
    app.connect("builder-inited", lambda app: resolve_annotations())
    app.connect("autodoc-process-docstring", lambda *event: list_arguments(event[-1]))
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
    directive = [f".. automodule:: {module}"]
    if is_package(module):  # what it exports is on the pages of its modules
        directive.append("   :no-members:")
    return "\n".join([*lines, *directive, ""])


def names_page() -> str:
    """The public names, those of each package, each with its first line, and the list of modules."""
    lines = [
        "Python API",
        "==========",
        "",
        "``import zprime_recast as zr``; the names below are ``zr.NAME``. Inputs broadcast like NumPy, results are",
        "frozen dataclasses of arrays (NaN where a value is missing), and bad input raises",
        ":class:`~zprime_recast.errors.ZprimeError` with one line.",
        "",
        *names_table(zprime_recast, "zr"),
    ]
    lines += ["", "Names of the packages", "---------------------", ""]
    lines += ["More names, one level down: ``zr.PACKAGE.NAME``."]
    for package in zprime_recast._PACKAGES:
        found = importlib.import_module(f"zprime_recast.{package}")
        if hasattr(found, "__all__"):
            lines += ["", f"**{package}**: {first_sentence(found.__doc__ or '')}", ""]
            lines += names_table(found, f"zr.{package}")
    lines += ["", "Modules", "-------", ""]
    for module in modules():
        summary = first_sentence(module_docstring(module))
        lines.append(f"- :doc:`{module.removeprefix('zprime_recast.')} <api/{module}>`: {summary}")
    lines.append("")
    return "\n".join(lines)


def names_table(package: ModuleType, prefix: str) -> list[str]:
    """A table of the names a package exports, each with the first line of its docstring."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 30 70", "", "   * - name", "     - what it is"]
    for name in package._NAMES:
        value = getattr(package, name)
        summary = first_sentence(value.__doc__ or "")
        lines += [f"   * - :py:obj:`{prefix}.{name} <{value.__module__}.{name}>`", f"     - {summary}"]
    return lines


def is_package(module: str) -> bool:
    """Whether a module is a folder of modules."""
    return find_spec(module).submodule_search_locations is not None  # type: ignore[union-attr]


def resolve_annotations() -> None:
    """Run the imports that modules make for type checkers only: annotations then lead to the class they name."""
    for name in modules():
        tree = ast.parse(Path(find_spec(name).origin).read_text())  # type: ignore[union-attr,arg-type]
        blocks = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
        for block in blocks:
            exec(ast.unparse(block.body), vars(importlib.import_module(name)))


def module_docstring(module: str) -> str:
    """Its docstring, without importing it: it may need an extra that is not installed."""
    file = find_spec(module).origin  # type: ignore[union-attr]
    return ast.get_docstring(ast.parse(Path(file).read_text())) or ""  # type: ignore[arg-type]


def first_sentence(docstring: str) -> str:
    """The first paragraph up to its first full stop, escaped for reStructuredText."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    paragraph = re.sub(r":\w+:`~?([^`]+)`", r"``\1``", paragraph)
    return escape(re.split(r"(?<=[a-z)0-9])(?<!\beq)(?<!\beqs)[.;:] ", paragraph)[0])


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


def list_arguments(lines: list[str]) -> None:
    """Sections ``Arguments:`` become lists: an indented ``name: text`` is an item, deeper lines continue it."""
    found: list[str] = []
    inside = False
    for line in lines:
        if line == "Arguments:":
            inside = True
            found += [line, ""]
        elif inside and (item := re.match(r" {4}([\w*, ]+): ", line)):
            found.append(f"- ``{item[1]}``: {line[item.end() :]}")
        elif inside and line.startswith("    "):
            found.append("  " + line.strip())
        else:
            inside = inside and not line
            found.append(line)
    lines[:] = found


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
