"""Content of a UFO folder: run its Python code, in a process of its own, at the values of a parameter card.

Code that Python 3 does not run is converted from Python 2, in a private copy (:mod:`zprime_recast.model.python2`).
"""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io.scratch import scratch_folder
from .python2 import converted_copy
from .slha_file import SlhaFile, is_integer, read_slha_file, slha_number

#: Time limit in seconds for running the code of a folder.
TIMEOUT_S = 60
#: Relative difference above which a card contradicts a mass that the folder computes.
MASS_TOLERANCE = 1e-3


@dataclass(frozen=True)
class UfoParticle:
    """A particle of a UFO folder; mass and width in GeV are nan where the folder does not define them."""

    name: str
    antiname: str
    pdg_id: int
    spin: int
    """2 s + 1."""
    color: int
    charge: float
    mass_gev: float
    width_gev: float
    unphysical: bool
    """A ghost or Goldstone boson."""
    fault: str = ""
    """Why mass or width cannot be evaluated."""


@dataclass(frozen=True)
class UfoVertex:
    """A vertex of three particles."""

    name: str
    particles: tuple[UfoParticle, ...]
    terms: tuple[tuple[complex, str], ...]
    """Coupling and Lorentz structure; the coupling is nan if it cannot be evaluated."""
    fault: str = ""
    """Why a coupling cannot be evaluated."""

    @property
    def size(self) -> float:
        """Largest |coupling|; nan if one cannot be evaluated."""
        sizes = [abs(value) for value, _ in self.terms]
        return math.nan if any(map(math.isnan, sizes)) else max(sizes, default=0.0)

    def others(self, particle: UfoParticle) -> list[UfoParticle]:
        """The other particles of the vertex, with one occurrence of ``particle`` removed."""
        rest = list(self.particles)
        rest.remove(particle)
        return rest


@dataclass(frozen=True)
class UfoFolder:
    """Content of a UFO folder at the values of a parameter card."""

    particles: tuple[UfoParticle, ...]
    vertices: tuple[UfoVertex, ...]
    decays: tuple[tuple[str, tuple[str, ...], float], ...]
    """Names of boson and products, and width in GeV, of ``decays.py``; nan where it cannot be evaluated."""
    card: SlhaFile | None
    notes: tuple[str, ...]
    """Remarks on a conversion from Python 2 and on what the card leaves open."""


def read_folder(folder: Path, param_card: Path | None = None) -> UfoFolder:
    """Read a folder at the values of ``param_card``; default: its ``restrict_default.dat``, else its own values.

    InputError if the folder or the card cannot be read, or if nothing of the card belongs to the model.
    """
    path = folder.resolve()
    if not (path / "particles.py").is_file():
        raise InputError(f"{folder}: not a UFO model (particles.py is missing)")
    default = path / "restrict_default.dat"
    file = param_card or (default if default.is_file() else None)
    card = None if file is None else read_slha_file(file)
    found, notes = _run_either(folder, path, {} if card is None else _values(card))
    try:
        if card is not None:
            notes += _compared(card, [(name, block, code, value) for name, block, code, value in found["externals"]])
        return _checked(found, card, notes)
    except (KeyError, TypeError, ValueError) as err:
        if isinstance(err, InputError):
            raise
        raise InputError(f"{folder}: cannot be read as a UFO model: {type(err).__name__}: {err}") from None


# ---------------------------------------------------------------------------------------------------------------
# Running the code


def _run_either(folder: Path, path: Path, values: dict[str, dict[str, float]]) -> tuple[dict[str, Any], list[str]]:
    """Run a folder as it is or, failing that, its conversion from Python 2."""
    found = _run(folder, path, values)
    if "error" not in found:
        return found, []
    with scratch_folder(Path(tempfile.gettempdir())) as place:
        copy = place / "ufo"
        try:
            changed = converted_copy(path, copy)
        except InputError as err:
            raise InputError(f"{folder}: cannot be read as a UFO model: {found['error']}; {err}") from None
        if changed:
            again = _run(folder, copy, values)
            if "error" not in again:
                return again, [f"{path.name} is written for Python 2: a converted copy was read"]
            found = again
    raise InputError(f"{folder}: cannot be read as a UFO model: {found['error']}")


def _run(folder: Path, path: Path, values: dict[str, dict[str, float]]) -> dict[str, Any]:
    """What :mod:`~zprime_recast.model.ufo_process` prints; ``error`` is the reason why it found nothing."""
    script = Path(__file__).with_name("ufo_process.py")
    try:
        done = subprocess.run(
            [sys.executable, "-B", "-P", str(script), str(path)],
            input=json.dumps(values).encode(),
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{folder}: its code did not finish within {TIMEOUT_S} s") from None
    try:
        found = json.loads(done.stdout)
    except (ValueError, RecursionError):
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no output"])[-1]
        return {"error": last}
    return found if isinstance(found, dict) else {"error": "no description"}


def _checked(found: dict[str, Any], card: SlhaFile | None, notes: list[str]) -> UfoFolder:
    particles = {}
    for p in found["particles"]:
        faults = [str(p[key]) for key in ("mass_gev", "width_gev") if isinstance(p[key], str)]
        numbers = {key: math.nan if isinstance(p[key], str) else float(p[key]) for key in ("mass_gev", "width_gev")}
        particles[p["name"]] = UfoParticle(**{**p, **numbers}, fault="; ".join(dict.fromkeys(faults)))
    vertices = []
    for v in found["vertices"]:
        faults = [str(value) for value, _ in v["terms"] if isinstance(value, str)]
        terms = tuple((complex(math.nan) if isinstance(x, str) else complex(*x), str(s)) for x, s in v["terms"])
        faults += [f"a coupling is {x}" for x, _ in terms if not (math.isfinite(abs(x)) or faults)]
        terms = tuple((x if math.isfinite(abs(x)) else complex(math.nan), s) for x, s in terms)
        vertices.append(UfoVertex(v["name"], tuple(particles[n] for n in v["particles"]), terms, "; ".join(faults)))
    decays = []
    for name, products, width in found["decays"]:
        value = complex(math.nan) if isinstance(width, str) else complex(*width)
        real = abs(value.imag) <= 1e-6 * abs(value)
        decays.append((str(name), tuple(map(str, products)), value.real if real else math.nan))
    if card is not None:
        notes += _contradicted_masses(card, particles.values(), found["externals"])
    return UfoFolder(tuple(particles.values()), tuple(vertices), tuple(decays), card, tuple(notes))


# ---------------------------------------------------------------------------------------------------------------
# Parameter cards


def _values(card: SlhaFile) -> dict[str, dict[str, float]]:
    """Values of a card by block and code, as far as they are numbers; :func:`_compared` looks at the others."""
    values: dict[str, dict[str, float]] = {}
    for name, block in card.blocks.items():
        for _, (*key, value) in block.entries:
            with contextlib.suppress(InputError):
                code = " ".join(str(int(k)) for k in key if is_integer(k))
                values.setdefault(name, {}).setdefault(code, slha_number(value, ""))
    values["DECAY"] = {str(i): decay.width_gev for i, decay in card.decays.items() if decay.width_gev is not None}
    return values


def _compared(card: SlhaFile, externals: Sequence[tuple[str, str, str, float]]) -> list[str]:
    """Remarks on what card and model do not share; InputError if the model understands nothing of the card."""
    codes: dict[str, set[tuple[int, ...]]] = {}
    for _, block, code, _ in externals:
        codes.setdefault(block, set()).add(tuple(int(c) for c in code.split()))
    given: set[tuple[str, tuple[int, ...]]] = set()
    given |= {("DECAY", (pdg_id,)) for pdg_id, decay in card.decays.items() if decay.width_gev is not None}
    for block in codes.keys() & card.blocks.keys():
        given |= {(block, code) for code in card.values(block, len(next(iter(codes[block]))))}
    for pdg_id, *_ in codes.get("DECAY", ()):
        card.decay(pdg_id)
    known = {(block, code) for block, entries in codes.items() for code in entries}
    if not given & known:
        raise InputError(
            f"{card.path}: nothing of this card is a parameter of the model; it is the card of another one"
        )
    strange = sorted(b for b in card.blocks.keys() - codes.keys() if not b.startswith(_INFORMATION))
    unknown = sorted((b, code) for b, code in given - known if b not in ("MASS", "DECAY"))
    automatic = {("DECAY", (pdg_id,)) for pdg_id, decay in card.decays.items() if decay.width_gev is None}
    missing = [
        f"{block} {code} ({name} = {value:g})"
        for name, block, code, value in externals
        if (block, tuple(int(c) for c in code.split())) not in given | automatic
    ]
    notes, file = list(card.notes), card.path.name
    if strange:
        notes.append(f"blocks of {file} that the model does not know: {_few(strange)}")
    if unknown:
        entries = [f"{block} {' '.join(map(str, code))}" for block, code in unknown]
        notes.append(f"entries of {file} that the model does not know: {_few(entries)}")
    if missing:
        notes.append(f"parameters that {file} does not give keep the values of the folder: {_few(missing)}")
    return notes


#: Beginnings of the names of blocks that describe a file and hold no parameter.
_INFORMATION = ("SPINFO", "DCINFO", "MODSEL", "QNUMBERS", "FCINFO", "FMODSEL", "SPHENO", "MINPAR", "EXTPAR")


def _few(items: Sequence[str], count: int = 8) -> str:
    return ", ".join(items[:count]) + (f" and {len(items) - count} more" if len(items) > count else "")


def _contradicted_masses(
    card: SlhaFile, particles: Iterable[UfoParticle], externals: Sequence[Sequence[Any]]
) -> list[str]:
    """Remarks on masses of a card that the model computes otherwise, and on those of particles it does not have."""
    given = {code: value for (code, *_), value in card.values("MASS").items()}
    free = {int(code) for _, block, code, _ in externals if block == "MASS" and code}
    own = {p.pdg_id: p for p in particles if p.pdg_id in given}
    strange = sorted(set(given) - set(own))
    notes = [f"masses of {card.path.name} of particles that the model does not have: {_few([str(i) for i in strange])}"]
    notes = notes if strange else []
    for pdg_id, p in own.items():
        value = abs(given[pdg_id])
        if pdg_id not in free and abs(p.mass_gev - value) > MASS_TOLERANCE * max(value, p.mass_gev):
            notes.append(
                f"the model computes a mass of {p.mass_gev:g} GeV for {p.name}; the {value:g} GeV of {card.path.name}"
                " are not used"
            )
    return notes
