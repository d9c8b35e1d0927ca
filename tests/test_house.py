"""The map of the packages and the walk through them, docs/house.md, are those of the source."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from test_architecture import ARROWS, MODULES, imported

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "house.md"


@pytest.fixture(scope="module")
def house():
    spec = importlib.util.spec_from_file_location("draw_house", DOCS / "draw_house.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arrows_of_tests():
    """Package -> packages it imports, by the reader of imports that the architecture is tested with."""
    found = {}
    for module, path in MODULES.items():
        package = module.split(".")[0]
        if package not in ("", "__main__"):
            targets = {target.split(".")[0] for target in imported(path)} - {"", package}
            found[package] = sorted(targets | set(found.get(package, ())))
    return found


def test_the_drawing_is_that_of_the_imports(house):
    found = house.arrows()
    assert {name: targets for name, targets in found.items() if name in ARROWS} == {
        name: targets for name, targets in arrows_of_tests().items() if name in ARROWS
    }
    assert house.drawn(DOCS / "figures" / "house.svg") == found, "out of date: python docs/draw_house.py"


def test_the_drawing_is_made(house, tmp_path):
    path = house.draw(house.arrows(), tmp_path)
    text = path.read_text()
    for name in house.floors(house.arrows()):
        assert f">{name}<" in text
    assert house.drawn(path) == house.arrows()
    with pytest.raises(ValueError, match="in a circle: a, b"):
        house.floors({"a": ["b"], "b": ["a"]})
    with pytest.raises(ValueError, match="give decays a place"):
        house.draw({"decays": []}, tmp_path)


def table():
    """Package -> what the page says it may import."""
    rows = re.findall(r"^\| (`.+?) \| .+? \| (.+?) \|$", PAGE.read_text(), flags=re.MULTILINE)
    return {name: may for names, may in rows for name in re.findall(r"`(\w+)`", names)}


def test_the_table_is_that_of_the_architecture():
    """Everything the table allows is in ARROWS, and the other way round."""
    rows = table()
    assert set(rows) == set(ARROWS) - {"_version", "_exports"}
    ground = {"errors", "units", "arrays", "_version", "_exports", "io"}

    def closure(name):
        may = rows[name]
        if may.startswith("everything"):
            return {"*"}
        named = set(re.findall(r"`([\w.]+)`", may)) - {name}
        whole = {one for one in named if "." not in one}
        return named.union(*(closure(one) for one in whole))

    for name in rows:
        if name in ground:
            continue
        below = {one for one in ARROWS[name] if one not in ground}
        wanted = closure(name) - ground
        assert {one.split(".")[0] for one in below} == {one.split(".")[0] for one in wanted}, name


# ---------------------------------------------------------------------------------------------------------------
# The walk


def functions_of_the_walk():
    """First function each numbered line names, in order."""
    lines = re.findall(r"^\d+\. (?:\{\w+\})?`(.+?)`", PAGE.read_text(), flags=re.MULTILINE)
    return [line.split(" <")[0] for line in lines]


class Walk:
    """Calls between functions of the package, in order."""

    def __init__(self):
        self.stack, self.calls = [], []

    def __call__(self, frame, event, arg):
        if event not in ("call", "return"):
            return
        code = frame.f_code
        name = _name(code)
        if name is None:
            return
        if event == "return":
            if self.stack and self.stack[-1] == name:
                self.stack.pop()
            return
        caller = next((one for one in reversed(self.stack) if "<" not in one), "")
        self.stack.append(name)
        self.calls.append((caller, name))


def _name(code):
    """``limits.contour.contour`` of a function of the package; None of others."""
    _, inside, file = code.co_filename.partition("/zprime_recast/")
    if not inside or "/tests/" in file:
        return None
    return f"{file.removesuffix('.py').replace('/', '.').replace('.__init__', '')}.{code.co_qualname}"


@pytest.fixture(scope="module")
def walk(tmp_path_factory, own_folders):
    from zprime_recast import cli

    output = tmp_path_factory.mktemp("walk")
    words = ["contour", "minimal_bl", "--masses", "2000:2060:2", "-a", "atlas-139fb-dilepton", "-o", str(output)]
    words += ["--workers", "1", "-n", "400"]
    traced = Walk()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["zprime-recast", *words])
        sys.setprofile(traced)
        try:
            with pytest.raises(SystemExit) as end:
                cli.main()
        finally:
            sys.setprofile(None)
    assert end.value.code in (0, None)
    assert (output / "contour.png").exists()
    return traced


def test_the_page_tells_the_walk(walk):
    told = functions_of_the_walk()
    assert len(told) == 42
    calls = iter([name for _, name in walk.calls])
    for name in told:
        assert name in calls, f"{name} is not called after the one before it"  # goes on from there


def test_the_walk_meets_widths_in_one_place_and_hardly_climbs(walk, house):
    met = [caller for caller, name in walk.calls if name == "model.widths.all_partial_widths"]
    assert set(met) == {"process.family.coupling_family"}
    start = next(i for i, (_, name) in enumerate(walk.calls) if name == "limits.contour.contour")
    steps = [(a.split(".")[0], b.split(".")[0], b) for a, b in walk.calls[start:]]
    floor = house.floors(house.arrows())
    climbs = {name for a, b, name in steps if {a, b} <= set(floor) and floor[a] < floor[b]}
    # the progress bar
    assert climbs == {"cli.contour._progress.<locals>.track.<locals>.<lambda>"}
