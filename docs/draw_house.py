"""Draw the packages of zprime_recast and who imports whom, from the imports in the source: docs/figures/house.svg.

Run ``python docs/draw_house.py [FOLDER]`` after an import between packages came or went. The arrows are also kept as
JSON in the metadata of the SVG, where ``tests/test_house.py`` compares them with the source.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "zprime_recast"
#: Ground floor: modules and a package that all others may import; arrows to it are kept but not drawn.
GROUND = ("errors", "units", "arrays", "_version", "_exports", "io")
#: Column of each package, 0 to 1; its floor follows from the imports.
COLUMNS = {
    "model": 0.62,
    "partons": 0.3,
    "process": 0.46,
    "dark_matter": 0.9,
    "events": 0.7,
    "searches": 0.24,
    "signal": 0.46,
    "likelihood": 0.24,
    "limits": 0.46,
    "scan": 0.2,
    "report": 0.78,
    "explore": 0.56,
    "cli": 0.4,
}

Arrows = dict[str, list[str]]


def imports_of(path: Path) -> Iterator[str]:
    """Packages of ours that a file imports at run time, wherever the import stands."""
    inside = path.relative_to(PACKAGE).parent.parts

    def visit(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*inside[: len(inside) - node.level + 1], *(node.module.split(".") if node.module else ())]
            yield from [base[0]] if base else [alias.name for alias in node.names]
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return visit(ast.parse(path.read_text()))


def arrows() -> Arrows:
    """Package -> packages it imports, both sorted; the package's own ``__init__`` and ``__main__`` left out."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if name not in ("__init__", "__main__", "data", "analyses"):
            found.setdefault(name, set()).update(imports_of(path))
    return {name: sorted(targets - {name}) for name, targets in sorted(found.items())}


def floors(found: Arrows) -> dict[str, int]:
    """Floor of each package: one above the highest it imports; ValueError for a circle."""
    known = dict.fromkeys(GROUND, -1)
    left = {name: set(targets) for name, targets in found.items() if name not in GROUND}
    while left:
        ready = {name for name, targets in left.items() if targets <= set(known)}
        if not ready:
            raise ValueError(f"imports in a circle: {', '.join(sorted(left))}")
        known |= {name: 1 + max((known[t] for t in left[name]), default=-1) for name in ready}
        left = {name: targets for name, targets in left.items() if name not in ready}
    return {name: floor for name, floor in known.items() if name not in GROUND}


def reached(found: Mapping[str, list[str]], name: str) -> set[str]:
    """All packages a package imports, directly or through others."""
    direct = set(found[name])
    return direct.union(*(reached(found, target) for target in direct))


def draw(found: Arrows, folder: Path) -> Path:
    """The drawing as ``house.svg``. Dark arrows: the nearest package below; light ones: an import past others."""
    floor = floors(found)
    missing = sorted(set(floor) - set(COLUMNS))
    if missing:
        raise ValueError(f"give {', '.join(missing)} a place in COLUMNS of {Path(__file__).name}")
    plt.rcParams["svg.hashsalt"] = "house"
    plt.rcParams["svg.fonttype"] = "none"
    figure = plt.figure(figsize=(9, 7))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, 1), ylim=(-1.4, max(floor.values()) + 0.5))
    axes.axis("off")
    at = {name: (COLUMNS[name], float(floor[name])) for name in floor}
    style = {"boxstyle": "round,pad=0.5", "fc": "#f4f6fa", "ec": "#2f4b7c", "lw": 1.2}
    boxes = {
        name: axes.text(x, y, name, ha="center", va="center", fontsize=11, family="monospace", bbox=style, zorder=3)
        for name, (x, y) in at.items()
    }
    figure.canvas.draw()  # boxes have their size
    for name in at:
        targets = set(found[name]) & set(at)
        implied = {target for target in targets if any(target in reached(found, via) for via in targets - {target})}
        for target in sorted(targets):
            near = target not in implied
            if not near and name in ("cli", "explore"):
                continue
            (x, y), (to_x, to_y) = at[name], at[target]
            bend = 0.0 if near else 0.18 if to_x >= x else -0.18
            arrow = {
                "arrowstyle": "-|>",
                "color": "#2f4b7c" if near else "#b9c2d3",
                "lw": 1.4 if near else 0.8,
                "patchA": boxes[name].get_bbox_patch(),
                "patchB": boxes[target].get_bbox_patch(),
                "shrinkA": 1,
                "shrinkB": 1,
                "connectionstyle": f"arc3,rad={bend}",
            }
            axes.annotate("", (to_x, to_y), (x, y), arrowprops=arrow, zorder=2 if near else 1)
    ground = ", ".join(GROUND)
    axes.text(0.5, -0.95, f"ground: {ground}", ha="center", va="center", fontsize=10, family="monospace", bbox=style)
    path = folder / "house.svg"
    figure.savefig(
        path, metadata={"Date": None, "Title": "Packages of zprime_recast", "Description": json.dumps(found)}
    )
    plt.close(figure)
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
    return path


def drawn(path: Path) -> Arrows:
    """The arrows a drawing was made from."""
    (text,) = re.findall(r"<dc:description>(.*?)</dc:description>", path.read_text(), flags=re.DOTALL)
    return dict(json.loads(unescape(text)))


if __name__ == "__main__":
    print(draw(arrows(), Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "figures")))
