"""Read models from a UFO folder (Degrande et al., arXiv:1108.2040; UFO 2.0, arXiv:2304.09883).

A UFO model is Python code, and reading it runs that code, in a separate process
(:mod:`zprime_recast.model.ufo_process`).

The vertex of a vector boson with a fermion pair is i c times a Lorentz structure. Decomposing the structure into
gamma^mu (a P_L + b P_R) gives the couplings g_L = -i c a and g_R = -i c b. The sign convention of the folder is read
off its photon, whose coupling is Q e in the convention of :mod:`zprime_recast.model.zprime`.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..arrays import FloatArray
from ..errors import InputError
from .make import make_model
from .slha import read_document
from .zprime import PDG_IDS, Charge, Fermion, ZprimeModel, generation_and_species

_PHOTON = 22
#: Significant digits of a coupling that are kept in a card.
DIGITS = 14
#: Time limit in seconds for running the code of a folder.
TIMEOUT_S = 60


@dataclass(frozen=True)
class FermionCoupling:
    """Couplings of a vector boson to one fermion and its antifermion."""

    pdg_id: int
    name: str
    g_left: float
    g_right: float
    mass_gev: float
    electric_charge: float
    colors: int
    majorana: bool = False


@dataclass(frozen=True)
class UfoBoson:
    """A vector boson of a UFO model with its couplings to fermions."""

    name: str
    pdg_id: int
    mass_gev: float
    width_gev: float
    """Width given by the parameters of the UFO model; the card does not use it."""
    couplings: tuple[FermionCoupling, ...]
    notes: tuple[str, ...] = field(default=())
    """Remarks on what the card leaves out: other decays, flavour-changing couplings."""

    def of(self, name: str) -> FermionCoupling:
        """Couplings to a Standard Model fermion, by its name in this package; InputError if there are none."""
        for coupling in self.couplings:
            if coupling.pdg_id == PDG_IDS[name]:
                return coupling
        raise InputError(f"{self.name} does not couple to {name}")


def read_ufo(folder: Path, particle: str | None = None, param_card: Path | None = None) -> UfoBoson:
    """Read a vector boson and its couplings to fermions from a UFO folder. This runs the Python code of the folder.

    ``particle`` is a name or PDG id; by default it is the only neutral, colourless vector boson besides photon and Z.
    Parameters take their values from ``param_card`` if given, otherwise the defaults of the folder. InputError if the
    folder cannot be read, or if the particle does not exist or is not a neutral vector boson.
    """
    model = _load(folder, param_card)
    boson = _find_boson(model, particle, folder)
    sign = _photon_sign(model)
    couplings: dict[int, FloatArray] = {}
    notes: list[str] = []
    for vertex in model.vertices:
        if boson not in vertex.particles or vertex.size == 0:
            continue
        first, second = others = vertex.others(boson)
        names = f"{first.name} {second.name}"
        if any(p.spin != 2 for p in others):
            closed = first.mass_gev + second.mass_gev >= boson.mass_gev
            if not closed and boson not in others and not any(p.unphysical for p in others):
                notes.append(f"{boson.name} -> {names} is not in the card; add its width with --set gamma_extra=GEV")
        elif first.name != second.antiname:
            notes.append(f"{boson.name} -> {names} changes flavour and is not in the card")
        else:
            pair = sign * np.array(_chiral_couplings(vertex, boson))
            pdg_id = abs(first.pdg_id)
            couplings[pdg_id] = couplings.get(pdg_id, np.zeros(2)) + pair
    if not couplings:
        raise InputError(f"{folder}: {boson.name} does not couple to any fermion pair")
    fermions = {p.pdg_id: p for p in model.particles}
    found = tuple(
        FermionCoupling(
            pdg_id=pdg_id,
            name=fermions[pdg_id].name,
            g_left=float(left),
            g_right=float(right),
            mass_gev=fermions[pdg_id].mass_gev,
            electric_charge=fermions[pdg_id].charge,
            colors=abs(fermions[pdg_id].color),
            majorana=fermions[pdg_id].antiname == fermions[pdg_id].name,
        )
        for pdg_id, (left, right) in sorted(couplings.items())
    )
    return UfoBoson(boson.name, boson.pdg_id, boson.mass_gev, boson.width_gev, found, tuple(dict.fromkeys(notes)))


def model_of(boson: UfoBoson, model_id: str, source: str) -> ZprimeModel:
    """Build a model whose couplings at g = 1 are those of a boson; fermions beyond the Standard Model become invisible.

    ``source`` names the origin in the title and reference of the model. InputError if a coupling is not finite.
    """
    known = {pdg_id: name for name, pdg_id in PDG_IDS.items()}
    generations: dict[int, dict[str, Charge]] = {1: {}, 2: {}, 3: {}}
    dark: list[Fermion] = []
    for c in boson.couplings:
        left, right = (_charge(g) for g in (c.g_left, c.g_right))
        name = known.get(c.pdg_id)
        if name is None:
            dark.append(_dark_fermion(c, left, right))
            continue
        generation, species = generation_and_species(name)
        generations[generation][f"{species}_left"] = left
        if species == "nu":
            if right.rational:
                dark.append(Fermion(f"{name}_right", "weyl", _charge(0.0), right, doc="right-handed neutrino"))
        else:
            generations[generation][f"{species}_right"] = right
    return make_model(
        model_id,
        {},
        generations=generations,
        dark=tuple(dark),
        u1=False,
        title=f"{boson.name} of {source}",
        reference=source,
        charge_name=f"coupling of {boson.name}",
        reference_coupling=1.0,
    )


def exotic_notes(boson: UfoBoson) -> list[str]:
    """Notes on charged or coloured states beyond the Standard Model, which the card counts as invisible width."""
    return [
        f"{c.name} (charge {c.electric_charge:g}, colour {c.colors}) is visible, but counts only in the width"
        for c in boson.couplings
        if c.pdg_id not in PDG_IDS.values() and (c.electric_charge or c.colors > 1)
    ]


def _dark_fermion(c: FermionCoupling, left: Charge, right: Charge) -> Fermion:
    if c.majorana:
        # i c gamma^mu gamma5 / 2 between a field and itself: one chirality of charge (g_R - g_L)/2
        return Fermion(c.name, "majorana", _charge(0.0), _charge((c.g_right - c.g_left) / 2), mass_gev=c.mass_gev)
    one_sided = not left.rational or not right.rational
    kind = "weyl" if one_sided and c.mass_gev == 0 else "dirac"
    return Fermion(c.name, kind, left, right, multiplicity=c.colors, mass_gev=c.mass_gev)


def _charge(value: float) -> Charge:
    if not np.isfinite(value):
        raise InputError(f"a coupling is not finite: {value}")
    return Charge(Fraction(f"{value:.{DIGITS}g}"))


# ---------------------------------------------------------------------------------------------------------------
# Content of the folder


@dataclass(frozen=True)
class _Particle:
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


@dataclass(frozen=True)
class _Vertex:
    name: str
    particles: tuple[_Particle, ...]
    terms: tuple[tuple[complex, str], ...]
    """Coupling and Lorentz structure."""

    @property
    def size(self) -> float:
        """Largest |coupling|."""
        return max((abs(value) for value, _ in self.terms), default=0.0)

    def others(self, particle: _Particle) -> list[_Particle]:
        """The other particles of the vertex, with one occurrence of ``particle`` removed."""
        rest = list(self.particles)
        rest.remove(particle)
        return rest


@dataclass(frozen=True)
class _Ufo:
    particles: tuple[_Particle, ...]
    vertices: tuple[_Vertex, ...]


def _load(folder: Path, param_card: Path | None) -> _Ufo:
    path = folder.resolve()
    if not (path / "particles.py").is_file():
        raise InputError(f"{folder}: not a UFO model (particles.py is missing)")
    default = path / "restrict_default.dat"
    card = param_card or (default if default.is_file() else None)
    command = [sys.executable, "-B", str(Path(__file__).with_name("ufo_process.py")), str(path)]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(_card_values(card)),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{folder}: its code did not finish within {TIMEOUT_S} s") from None
    try:
        found = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise InputError(f"{folder}: cannot be read as a UFO model: {last}") from None
    if "error" in found:
        raise InputError(f"{folder}: cannot be read as a UFO model: {found['error']}")
    particles = {p["name"]: _Particle(**p) for p in found["particles"]}
    vertices = [
        _Vertex(
            v["name"],
            tuple(particles[name] for name in v["particles"]),
            tuple((complex(*value), structure) for value, structure in v["terms"]),
        )
        for v in found["vertices"]
    ]
    for vertex in vertices:
        if not np.isfinite([value for value, _ in vertex.terms]).all():
            raise InputError(f"{folder}: a coupling of vertex {vertex.name} is not finite; give --param-card CARD")
    return _Ufo(tuple(particles.values()), tuple(vertices))


def _card_values(card: Path | None) -> dict[str, dict[str, float]]:
    """Values of a parameter card per block and code."""
    if card is None:
        return {}
    document = read_document(card, mass_block=False)
    values = {}
    for name, block in document.blocks.items():
        entries = ((key if isinstance(key, tuple) else (key,), value) for key, value in block.items())
        values[name] = {" ".join(map(str, key)): value for key, value in entries if isinstance(value, (int, float))}
    values["DECAY"] = {str(pdg_id): p.totalwidth for pdg_id, p in document.decays.items() if p.totalwidth is not None}
    return values


def _find_boson(model: _Ufo, particle: str | None, folder: Path) -> _Particle:
    neutral = [p for p in model.particles if p.spin == 3 and p.name == p.antiname and p.color == 1]
    names = ", ".join(f"{p.name} ({p.pdg_id})" for p in neutral)
    if particle is None:
        extra = [p for p in neutral if p.pdg_id not in (_PHOTON, 23)]
        if len(extra) == 1:
            return extra[0]
        raise InputError(f"{folder}: which boson? give --particle NAME_OR_PDG, one of {names}")
    for p in model.particles:
        if particle in (p.name, str(p.pdg_id)):
            if p not in neutral:
                raise InputError(f"{folder}: {p.name} is not a neutral, colourless vector boson; those are {names}")
            return p
    raise InputError(f"{folder}: no particle {particle!r}; neutral vector bosons are {names}")


def _photon_sign(model: _Ufo) -> float:
    """+1 if the photon of the folder couples with Q e in the convention of this package, -1 if with -Q e."""
    photon = next((p for p in model.particles if p.pdg_id == _PHOTON), None)
    charges = {p.pdg_id: p.charge for p in model.particles}
    for vertex in model.vertices:
        if photon not in vertex.particles or vertex.particles.count(photon) != 1:
            continue
        fermions = vertex.others(photon)
        charge = charges[abs(fermions[0].pdg_id)]
        if charge and all(p.spin == 2 for p in fermions):
            total = sum(_chiral_couplings(vertex, photon))
            if total:
                return float(np.sign(total * charge))
    return 1.0


def _chiral_couplings(vertex: _Vertex, boson: _Particle) -> tuple[float, float]:
    """Couplings (g_L, g_R) of a vertex with a fermion pair, up to the sign convention of the folder."""
    total = np.zeros(2, dtype=complex)
    index = vertex.particles.index(boson) + 1
    for value, structure in vertex.terms:
        if value:
            total += -1j * value * np.array(chirality(structure, index))
    if np.abs(total.imag).max() > 1e-10 * max(1.0, np.abs(total).max()):
        raise InputError(f"vertex {vertex.name}: complex couplings to a fermion pair are not supported")
    return float(total[0].real), float(total[1].real)


# ---------------------------------------------------------------------------------------------------------------
# Lorentz structures


def chirality(structure: str, vector: int) -> tuple[complex, complex]:
    """Coefficients (a, b) of a Lorentz structure gamma^mu (a P_L + b P_R), where mu belongs to particle ``vector``.

    The structure may contain sums and products of Gamma, ProjM, ProjP, Gamma5 and numbers. InputError for anything
    else, such as a dipole or momenta.
    """
    try:
        tree = ast.parse(structure.replace("^", "**"), mode="eval").body
        terms = _terms(tree)
    except (SyntaxError, ValueError) as err:
        raise InputError(f"Lorentz structure {structure!r} is not a current gamma^mu (a P_L + b P_R): {err}") from None
    total = np.zeros(2, dtype=complex)
    for factor, tensors in terms:
        total += factor * _term(tensors, vector, structure)
    return complex(total[0]), complex(total[1])


_Tensor = tuple[str, tuple[int, ...]]
_Term = tuple[complex, tuple[_Tensor, ...]]


def _terms(node: ast.expr) -> list[_Term]:
    """Expand an expression into a sum of products of tensors."""
    if isinstance(node, ast.BinOp):
        left, right = _terms(node.left), _terms(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left + [(-factor, tensors) for factor, tensors in right]
        if isinstance(node.op, ast.Mult):
            return [(a * b, s + t) for a, s in left for b, t in right]
        if isinstance(node.op, ast.Div) and len(right) == 1 and not right[0][1]:
            return [(factor / right[0][0], tensors) for factor, tensors in left]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return [(-factor, tensors) for factor, tensors in _terms(node.operand)]
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, complex)):
        return [(complex(node.value), ())]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return [(1.0 + 0j, ((node.func.id, tuple(int(ast.literal_eval(a)) for a in node.args)),))]
    raise ValueError(ast.unparse(node))


def _term(tensors: tuple[_Tensor, ...], vector: int, structure: str) -> FloatArray:
    """Coefficients (a, b) of one product; a matrix to the left of gamma acts on the opposite chirality."""
    gammas = [indices for name, indices in tensors if name == "Gamma" and indices[0] == vector]
    if len(gammas) != 1:
        raise InputError(f"Lorentz structure {structure!r} has no single gamma matrix of the boson")
    (_, left_end, right_end), value = gammas[0], np.ones(2)
    rest = [(name, indices) for name, indices in tensors if name != "Gamma" or indices[0] != vector]
    matrices = {"ProjM": (1.0, 0.0), "ProjP": (0.0, 1.0), "Gamma5": (-1.0, 1.0), "Identity": (1.0, 1.0)}
    while rest:
        for item in rest:
            name, indices = item
            if name not in matrices or len(indices) != 2:
                raise InputError(f"Lorentz structure {structure!r}: {name} is not supported")
            if indices[0] == right_end:
                value, right_end = value * matrices[name], indices[1]
            elif indices[1] == left_end:
                value, left_end = value * matrices[name][::-1], indices[0]
            else:
                continue
            rest.remove(item)
            break
        else:
            raise InputError(f"Lorentz structure {structure!r}: the fermion line is broken")
    return value
