"""Formulas as MathML, which every current browser draws by itself: nothing to download, now or when reading."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number


def mathml(latex: str, display: str) -> str:
    """The formula as a <math> element; ValueError for a command the converter does not know."""
    if display == "block" and re.search(r"(?<!\\)&|\\\\", latex) and r"\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    element = str(convert(latex, display=display))
    unknown = re.findall(r"\\[A-Za-z]+", element)
    if unknown:
        raise ValueError(f"no MathML for {', '.join(unknown)} in: {latex}")
    return element


def visit_inline(self: Any, node: nodes.math) -> None:
    """HTML of a formula in a line."""
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.math_block) -> None:
    """HTML of a displayed formula, with its number if it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})</span>')
    self.body.append(mathml(node.astext(), "block"))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
