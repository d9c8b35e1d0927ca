"""Print the particles and vertices of a UFO folder as JSON, with parameters and couplings evaluated to numbers.

:mod:`zprime_recast.model.ufo` runs this file in a separate process, because the folder brings modules with common names
such as ``particles``. It uses only the standard library.

    python ufo_process.py FOLDER < values.json

``values.json`` holds the values of external parameters as {block: {code: value}}, with codes joined by blanks.
"""

from __future__ import annotations

import cmath
import contextlib
import importlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def describe(folder: Path, values: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Describe the particles and three-particle vertices of a folder.

    Each term of a vertex is a coupling [real, imaginary] and a Lorentz structure. ``values`` replaces the defaults of
    external parameters. ValueError if an expression cannot be evaluated.
    """
    sys.path[:0] = [str(folder.parent), str(folder)]
    with contextlib.redirect_stdout(sys.stderr):
        ufo = importlib.import_module(folder.name)
    names = _namespace(ufo)
    _evaluate_parameters(ufo.all_parameters, names, values)
    particles = [
        {
            "name": p.name,
            "antiname": p.antiname,
            "pdg_id": int(p.pdg_code),
            "spin": int(p.spin),
            "color": int(p.color),
            "charge": float(p.charge),
            "mass_gev": abs(complex(names.get(p.mass.name, 0.0))),
            "width_gev": abs(complex(names.get(p.width.name, 0.0))),
            "unphysical": bool(getattr(p, "GhostNumber", 0) or _goldstone(p)),
        }
        for p in ufo.all_particles
    ]
    vertices = []
    for vertex in ufo.all_vertices:
        if len(vertex.particles) != 3:
            continue
        terms = []
        for (_, j), coupling in vertex.couplings.items():
            for one in coupling if isinstance(coupling, (list, tuple)) else [coupling]:
                value = _value(one.value, names, f"coupling {one.name}")
                terms.append([[value.real, value.imag], str(vertex.lorentz[j].structure)])
        vertices.append({"name": vertex.name, "particles": [p.name for p in vertex.particles], "terms": terms})
    return {"particles": particles, "vertices": vertices}


def _goldstone(particle: Any) -> bool:
    return any(bool(getattr(particle, key, False)) for key in ("goldstone", "GoldstoneBoson", "goldstoneboson"))


def _namespace(ufo: Any) -> dict[str, Any]:
    """Names available in expressions: the standard UFO functions and those the folder declares."""
    names: dict[str, Any] = {
        **{name: getattr(cmath, name) for name in ("sqrt", "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan")},
        "cmath": cmath,
        "math": math,
        "complex": complex,
        "abs": abs,
        "ZERO": 0.0,
        "complexconjugate": lambda z: complex(z).conjugate(),
        "re": lambda z: complex(z).real,
        "im": lambda z: complex(z).imag,
        "sec": lambda z: 1 / cmath.cos(z),
        "csc": lambda z: 1 / cmath.sin(z),
        "cot": lambda z: 1 / cmath.tan(z),
        "cond": lambda condition, yes, no: yes if condition == 0 else no,
    }
    for function in getattr(ufo, "all_functions", ()):
        if function.name not in names:
            names[function.name] = _function(tuple(function.arguments), str(function.expr), names)
    return names


def _function(arguments: tuple[str, ...], expression: str, names: dict[str, Any]) -> Callable[..., Any]:
    return lambda *values: eval(expression, names, dict(zip(arguments, values, strict=True)))


def _evaluate_parameters(parameters: Any, names: dict[str, Any], values: Mapping[str, Mapping[str, float]]) -> None:
    blocks = {block.upper(): entries for block, entries in values.items()}
    waiting = []
    for parameter in parameters:
        if parameter.nature == "external":
            code = " ".join(str(c) for c in parameter.lhacode)
            names[parameter.name] = float(blocks.get(parameter.lhablock.upper(), {}).get(code, parameter.value))
        else:
            waiting.append(parameter)
    while waiting:  # each pass evaluates the parameters whose ingredients are known
        left = []
        for parameter in waiting:
            try:
                names[parameter.name] = _value(parameter.value, names, f"parameter {parameter.name}")
            except NameError:
                left.append(parameter)
        if len(left) == len(waiting):
            raise ValueError(f"parameter {left[0].name} = {left[0].value} depends on an undefined name")
        waiting = left


def _value(expression: Any, names: dict[str, Any], what: str) -> complex:
    if isinstance(expression, dict):  # Laurent series of a loop model: keep the finite part
        expression = expression.get(0, 0)
    if not isinstance(expression, str):
        return complex(expression)
    try:
        return complex(eval(expression, names))
    except NameError:
        raise
    except Exception as err:
        raise ValueError(f"{what} = {expression}: {type(err).__name__}: {err}") from None


def main() -> None:
    """Read values from standard input and print the description, or {"error": message}."""
    out = sys.stdout
    try:
        found = describe(Path(sys.argv[1]), json.load(sys.stdin))
    except BaseException as err:  # the code of the folder may raise anything, including SystemExit
        found = {"error": f"{type(err).__name__}: {err}"}
    json.dump(found, out)


if __name__ == "__main__":
    main()
