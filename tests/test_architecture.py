"""The shape of the package: imports follow the arrows of the design, the public names exist, nothing is hidden."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import zprime_recast

PACKAGE = Path(zprime_recast.__file__).parent

#: Stages in order: a module imports only from those before it.
ORDER = [
    "errors",
    "units",
    "files",
    "paths",
    "processes",
    "references",
    "cards",
    "constants",
    "model",
    "model_card",
    "strong_coupling",
    "widths",
    "slha",
    "ufo_process",
    "ufo",
    "dark_matter",
    "pdf",
    "pdf_errors",
    "pdf_set",
    "second_order",
    "convolution",
    "kfactor",
    "luminosity",
    "luminosity_set",
    "theory",
    "lineshape",
    "levels",
    "cross_section",
    "channel",
    "search",
    "limit_curve",
    "hepdata",
    "analysis_check",
    "response",
    "background",
    "systematics",
    "template",
    "batch_template",
    "likelihood",
    "fit",
    "interpolation",
    "batch_model",
    "batch_fit",
    "batch_cls",
    "limit_result",
    "batch",
    "crossings",
    "curve_limits",
    "batch_limits",
    "points",
    "point_limits",
    "evaluate",
    "bayes",
    "generic",
    "toys",
    "limits",
    "contour",
    "table_files",
    "scan",
    "sampling",
    "validation",
    "plot",
    "validation_plot",
    "summary",
    "summary_plot",
    "installation",
    "events",
    "report",
    "cli",
]


def imported(path: Path) -> set[str]:
    """Modules of the package a file imports at run time."""
    found = set()
    tree = ast.parse(path.read_text())
    guarded = {
        id(node) for block in ast.walk(tree) if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in guarded:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return found


# cli is free to import all; what the sub-packages import is tested beside them
@pytest.mark.parametrize("stage", [s for s in ORDER if s not in ("cli", "dark_matter", "events")])
def test_imports_follow_the_arrows(stage):
    allowed = set(ORDER[: ORDER.index(stage)]) | {"__version__"}
    assert imported(PACKAGE / f"{stage}.py") <= allowed


def test_every_module_has_its_place():
    assert {p.stem for p in PACKAGE.glob("*.py")} - {"__init__", "__main__"} <= set(ORDER)


def test_exported_names():
    for name in zprime_recast.__all__:
        assert getattr(zprime_recast, name) is not None
    assert set(dir(zprime_recast)) == set(zprime_recast.__all__)
    with pytest.raises(AttributeError, match="no attribute 'countour'"):
        zprime_recast.countour  # noqa: B018


def test_public_functions_are_documented():
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        for node in [*tree.body, *(member for c in classes for member in c.body)]:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"
