"""The shape of the package: imports follow the arrows of the design, the public names exist, nothing is hidden."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import zprime_recast
from zprime_recast import _version

PACKAGE = Path(zprime_recast.__file__).parent

#: Modules every package may import.
GROUND = ("_exports", "_version", "arrays", "errors", "units")
#: Packages in the order of the physics, and what each may import; what those may import is allowed as well. A single
#: module (``process.final_state``) adds itself alone.
PACKAGES = {
    "io": (),
    "model": ("io",),
    "partons": ("io",),
    "process": ("model", "partons"),
    "dark_matter": ("model",),
    "events": ("process",),
    "searches": ("partons", "process.final_state"),
    "signal": ("process", "searches", "events.records", "events.statement"),
    "likelihood": ("io", "signal.signal", "searches.background"),
    "limits": ("likelihood", "signal", "process"),
    "scan": ("limits",),
    "report": ("limits", "dark_matter"),
}


def _closure(package: str) -> tuple[str, ...]:
    direct = PACKAGES[package]
    below = (name for other in direct if other in PACKAGES for name in _closure(other))
    return tuple(dict.fromkeys((*GROUND, *direct, *below)))


#: Allowed imports of each package, written out.
ARROWS = {
    "errors": (),
    "units": (),
    "_exports": (),
    "_version": (),
    "arrays": ("errors",),
    **{package: _closure(package) for package in PACKAGES},
    "explore": ("*",),
    "cli": ("*",),
}


def module_of(path: Path) -> str:
    """``limits.contour`` of ``limits/contour.py``; a package is its ``__init__.py``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in PACKAGE.rglob("*.py") if "data" not in path.parts}


def imported(path: Path, *, everywhere: bool = True) -> set[str]:
    """Modules of the package a file imports at run time; unless ``everywhere``, outside functions only."""
    found = set()
    package = path.relative_to(PACKAGE).parent.parts

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, (ast.FunctionDef, ast.Lambda)) and not everywhere:
            return
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else ())]
            for alias in node.names:
                name = ".".join([*base, alias.name])
                found.add(name if name in MODULES else ".".join(base))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def allowed(module: str, target: str) -> bool:
    """Whether the table allows that ``module`` imports ``target``."""
    package, other = module.split(".")[0], target.split(".")[0]
    arrows = ARROWS.get(package, ())
    return not target or package == other or "*" in arrows or other in arrows or target in arrows


def broken_arrows() -> set[str]:
    """Imports the table does not allow."""
    pairs = [(module, target) for module, path in MODULES.items() for target in imported(path)]
    return {f"{a} -> {b}" for a, b in pairs if a not in ("", "__main__") and not allowed(a, b)}


def test_imports_follow_the_arrows():
    assert not broken_arrows()


def test_the_experiments_know_no_model():
    """What an experiment published does not depend on a Z' model, nor does the likelihood of counts."""
    for package in ("searches", "likelihood", "partons"):
        assert "model" not in ARROWS[package]


def test_no_module_imports_itself_in_a_circle():
    arrows = {module: imported(path, everywhere=False) - {module} for module, path in MODULES.items() if module}
    while arrows:
        free = {module for module, targets in arrows.items() if not targets & set(arrows)}
        assert free, sorted(arrows)
        arrows = {module: targets for module, targets in arrows.items() if module not in free}


def test_every_module_has_its_place():
    assert {module.split(".")[0] for module in MODULES} <= {*ARROWS, "", "__main__"}


#: The public names, and the sub-packages that hold the rest.
PUBLIC = [
    "ZprimeModel",
    "load_model",
    "make_model",
    "list_models",
    "decay_widths",
    "load_luminosities",
    "cross_section",
    "spectrum",
    "Analyses",
    "load_analyses",
    "list_analyses",
    "cls",
    "limit",
    "contour",
    "resonance_limit",
    "evaluate",
    "Likelihood",
    "workspace",
    "generate_events",
    "read_events",
    "write_events",
    "relic_density",
    "direct_detection",
    "decoupling",
    "ZprimeError",
]


def test_public_names_are_pinned():
    assert sorted(zprime_recast.__all__) == sorted(["__version__", *PUBLIC])
    for name in PUBLIC:
        assert callable(getattr(zprime_recast, name))
    with pytest.raises(AttributeError, match="no attribute 'countour'"):
        zprime_recast.countour  # noqa: B018


def test_no_export_is_hidden_by_a_module():
    """In a fresh interpreter: every export of every package is there, and still callable once all submodules are."""
    code = """
import importlib, pkgutil
import zprime_recast as zr
names = [m.name for m in pkgutil.walk_packages(zr.__path__, "zprime_recast.")
         if not m.name.startswith(("zprime_recast.explore.page", "zprime_recast.model.ufo_process", "zprime_recast.__main__"))]
modules = [importlib.import_module(name) for name in names]
packages = [zr, *(m for m in modules if hasattr(m, "__path__") and hasattr(m, "_NAMES"))]
assert len(packages) > 10
for package in packages:
    modules_of = {n.split(".")[-1] for n in names if n.rpartition(".")[0] == package.__name__}
    for name in set(package._NAMES):
        assert name not in modules_of, (package.__name__, name)
        assert callable(getattr(package, name)) or name.isupper(), (package.__name__, name)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_results_compare_and_print_without_error():
    """Dataclasses with arrays are compared by identity (``==`` of arrays raises) and print on one line."""
    arrays = re.compile(r"\b(FloatArray|IndexArray|BoolArray|ComplexArray|NDArray)\b")
    checked = 0
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            decorators = [ast.unparse(d) for d in getattr(node, "decorator_list", ())]
            if not isinstance(node, ast.ClassDef) or not any("dataclass" in d for d in decorators):
                continue
            fields = [ast.unparse(f.annotation) for f in node.body if isinstance(f, ast.AnnAssign)]
            if any(arrays.search(field) for field in fields):
                assert "eq=False" in decorators[0], f"{module}.{node.name}"
                assert "repr=False" in decorators[0], f"{module}.{node.name}"
                checked += 1
    assert checked > 40


def test_both_places_state_the_same_version():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["version"] == _version.__version__ == zprime_recast.__version__


def test_public_functions_are_documented():
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        for node in [*tree.body, *(member for c in classes for member in c.body)]:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"
