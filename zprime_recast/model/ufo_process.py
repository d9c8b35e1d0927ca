"""Print the content of a UFO folder as JSON, with parameters, couplings and partial widths evaluated to numbers.

:mod:`zprime_recast.model.ufo_folder` runs this file in a separate process, because the folder brings modules with
common names such as ``particles``. It uses only the standard library.

    python ufo_process.py FOLDER < values.json

``values.json`` holds the values of external parameters as {block: {code: value}}, with codes joined by blanks.
"""

from __future__ import annotations

import cmath
import contextlib
import importlib
import importlib.util
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

#: Memory in bytes that the code of a folder may use.
MEMORY = 2 * 1024**3


def describe(folder: Path, values: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Describe the parameters, particles, three-particle vertices and decays of neutral vector bosons of a folder.

    ``values`` replaces the defaults of external parameters. What cannot be evaluated is given as a text with the
    reason: it matters only to those who need it. Each term of a vertex is a coupling [real, imaginary] and a Lorentz
    structure.
    """
    ufo = _import(folder)
    names, faults = _namespace(ufo), dict[str, str]()
    _evaluate_parameters(ufo.all_parameters, names, faults, values)

    def number(expression: Any, what: str) -> complex | str:
        try:
            return _value(expression, names)
        except NameError as err:
            return f"{what} = {expression}: {faults.get(str(err.name), str(err))}"
        except Exception as err:
            return f"{what} = {expression}: {type(err).__name__}: {err}"

    def size(parameter: Any) -> float | str:
        if parameter.name not in names:
            return faults.get(parameter.name, f"parameter {parameter.name} is not defined" if _named(parameter) else "")
        return abs(complex(names[parameter.name]))

    particles = [
        {
            "name": p.name,
            "antiname": p.antiname,
            "pdg_id": int(p.pdg_code),
            "spin": int(p.spin),
            "color": int(p.color),
            "charge": float(p.charge),
            "mass_gev": size(p.mass),
            "width_gev": size(p.width),
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
                value = number(one.value, f"coupling {one.name}")
                structure = str(vertex.lorentz[j].structure)
                terms.append([value if isinstance(value, str) else [value.real, value.imag], structure])
        vertices.append({"name": vertex.name, "particles": [p.name for p in vertex.particles], "terms": terms})
    decays = []
    for decay in _decays(ufo):
        if int(decay.particle.spin) == 3 and decay.particle.name == decay.particle.antiname:
            for products, width in decay.partial_widths.items():
                value = number(width, f"width {decay.particle.name} -> {' '.join(p.name for p in products)}")
                decays.append(
                    [
                        decay.particle.name,
                        [p.name for p in products],
                        value if isinstance(value, str) else [value.real, value.imag],
                    ]
                )
    externals = [
        [p.name, str(p.lhablock).upper(), " ".join(str(c) for c in p.lhacode), float(complex(p.value).real)]
        for p in ufo.all_parameters
        if p.nature == "external"
    ]
    return {"particles": particles, "vertices": vertices, "decays": decays, "externals": externals}


def _import(folder: Path) -> Any:
    """The package of a folder, whatever the folder is called; its modules, if ``__init__.py`` is missing or broken."""
    sys.path.insert(0, str(folder))
    before, init = set(sys.modules), folder / "__init__.py"
    if not init.is_file():
        return _modules()
    try:
        return _package(folder, init)
    except Exception as err:
        for name in set(sys.modules) - before:
            del sys.modules[name]
        try:
            return _modules()
        except Exception:
            raise err from None


def _package(folder: Path, init: Path) -> Any:
    spec = importlib.util.spec_from_file_location("ufo_model", init, submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{init} is no Python module")
    package = importlib.util.module_from_spec(spec)
    sys.modules["ufo_model"] = package
    if folder.name not in sys.modules and folder.name not in sys.stdlib_module_names:
        sys.modules[folder.name] = package  # some folders import themselves
    spec.loader.exec_module(package)
    for name in ("particles", "parameters", "vertices"):
        getattr(package, f"all_{name}")
    return package


def _modules() -> Any:
    found = {f"all_{name}": _module(name) for name in ("particles", "parameters", "vertices")}
    with contextlib.suppress(ImportError, AttributeError):
        found["all_functions"] = importlib.import_module("function_library").all_functions
    return SimpleNamespace(**found)


def _module(name: str) -> Any:
    return getattr(importlib.import_module(name), f"all_{name}")


def _decays(ufo: Any) -> Iterable[Any]:
    """Decays of a folder; none if it has no ``decays.py``, or one that cannot be read."""
    if hasattr(ufo, "all_decays"):
        return list(ufo.all_decays)
    with contextlib.suppress(Exception):
        return list(importlib.import_module("decays").all_decays)
    return ()


def _named(parameter: Any) -> bool:
    return str(parameter.name) != "ZERO"


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


def _evaluate_parameters(
    parameters: Any, names: dict[str, Any], faults: dict[str, str], values: Mapping[str, Mapping[str, float]]
) -> None:
    """Add the values of parameters to ``names``, and to ``faults`` the reason why one has none."""
    blocks = {block.upper(): entries for block, entries in values.items()}
    waiting = []
    for parameter in parameters:
        if parameter.nature == "external":
            code = " ".join(str(c) for c in parameter.lhacode)
            value = blocks.get(str(parameter.lhablock).upper(), {}).get(code, parameter.value)
            names[parameter.name] = float(value) if not isinstance(value, complex) else value
        else:
            waiting.append(parameter)
    while waiting:  # each pass evaluates the parameters whose ingredients are known
        left = []
        for parameter in waiting:
            what = f"parameter {parameter.name} = {parameter.value}"
            try:
                names[parameter.name] = _value(parameter.value, names)
            except NameError as err:
                if err.name in faults:
                    faults[parameter.name] = faults[str(err.name)]
                else:
                    left.append(parameter)
            except Exception as err:
                faults[parameter.name] = f"{what}: {type(err).__name__}: {err}"
        if len(left) == len(waiting):
            for parameter in left:
                faults[parameter.name] = f"parameter {parameter.name} = {parameter.value} depends on an undefined name"
            return
        waiting = left


def _value(expression: Any, names: dict[str, Any]) -> complex:
    if isinstance(expression, dict):  # Laurent series of a loop model: keep the finite part
        expression = expression.get(0, 0)
    return complex(eval(expression, names) if isinstance(expression, str) else expression)


def main() -> None:
    """Read values from standard input and print the description, or {"error": message}."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the folder prints is no part of the answer
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        found = describe(Path(sys.argv[1]), json.load(sys.stdin))
    except BaseException as err:  # the code of the folder may raise anything, including SystemExit
        found = {"error": f"{type(err).__name__}: {err}"}
    with out:
        json.dump(found, out)


if __name__ == "__main__":
    main()
