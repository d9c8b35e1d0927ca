"""Read models from a UFO folder (Degrande et al., arXiv:1108.2040; UFO 2.0, arXiv:2304.09883).

A UFO model is Python code, and reading it runs that code, in a separate process
(:mod:`zprime_recast.model.ufo_process`).

The vertex of a vector boson with a fermion pair is i c times a Lorentz structure. Decomposing the structure into
gamma^mu (a P_L + b P_R) gives the couplings g_L = -i c a and g_R = -i c b. The sign convention of the folder is read
off its photon, whose coupling is Q e in the convention of :mod:`zprime_recast.model.zprime`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..arrays import ComplexArray, FloatArray
from ..errors import InputError
from .lorentz import chirality
from .make import make_model
from .ufo_folder import UfoFolder, UfoParticle, UfoVertex, read_folder
from .widths import fermion_width, unequal_pair_width
from .zprime import PDG_IDS, Charge, Fermion, ZprimeModel, generation_and_species

_PHOTON = 22
#: Significant digits of a coupling that are kept in a card.
DIGITS = 14
#: Couplings below this part of the largest coupling of the boson are rounding.
ROUNDING = 1e-10
#: So are imaginary parts below this one: CKM elements of some folders are unitary to five digits only. Imaginary parts
#: enter widths squared, with 1e-8 of the largest.
IMAGINARY_ROUNDING = 1e-4


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
    """Whether the fermion is its own antiparticle. Its current is axial, g_R = -g_L, and it counts once."""


@dataclass(frozen=True)
class LeftOut:
    """A decay that a card does not hold."""

    products: str
    reason: str
    width_gev: float | None
    """None if neither the folder nor the parameter card tells it."""


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
    """Remarks on the reading: Python 2, the parameter card, rounding."""
    left_out: tuple[LeftOut, ...] = ()
    """Open decays that are not in the card: bosons, flavour change."""

    def of(self, name: str) -> FermionCoupling:
        """Couplings to a Standard Model fermion, by its name in this package; InputError if there are none."""
        for coupling in self.couplings:
            if coupling.pdg_id == PDG_IDS[name]:
                return coupling
        raise InputError(f"{self.name} does not couple to {name}")

    @property
    def fermion_width_gev(self) -> float:
        """Width in GeV of the decays that are in the card, with the masses of the UFO model."""
        return sum(coupling_width_gev(c, self.mass_gev) for c in self.couplings)

    @property
    def left_out_gev(self) -> float:
        """Width in GeV of the decays that are not in the card, as far as it is known."""
        return sum(decay.width_gev or 0.0 for decay in self.left_out)


def coupling_width_gev(c: FermionCoupling, mass_gev: float) -> float:
    """Width in GeV of the decay of a boson to one fermion of a UFO model, with the mass the fermion has there."""
    if c.majorana:
        return float(fermion_width(0.0, _majorana_charge(c), "majorana", c.colors, c.mass_gev, mass_gev))
    return float(fermion_width(c.g_left, c.g_right, "dirac", c.colors, c.mass_gev, mass_gev))


def _majorana_charge(c: FermionCoupling) -> float:
    # i c gamma^mu gamma5 between a field and itself: one chirality of charge (g_R - g_L)/2
    return (c.g_right - c.g_left) / 2


def read_ufo(folder: Path, particle: str | None = None, param_card: Path | None = None) -> UfoBoson:
    """Read a vector boson and its couplings to fermions from a UFO folder. This runs the Python code of the folder.

    ``particle`` is a name, in upper or lower case, or a PDG id; by default it is the only neutral, colourless vector
    boson besides photon and Z. Parameters take their values from ``param_card`` if given, otherwise the defaults of the
    folder. InputError if the folder or the card cannot be read, or if the particle does not exist, is not a neutral
    vector boson or has couplings that cannot be evaluated.
    """
    model = read_folder(folder, param_card)
    boson = _find_boson(model, particle, folder)
    if math.isnan(boson.mass_gev):
        raise InputError(f"{folder}: the mass of {boson.name} is not defined: {boson.fault}; {_REMEDY}")
    vertices = [v for v in model.vertices if boson in v.particles]
    for vertex in vertices:
        if math.isnan(vertex.size):
            raise InputError(f"{folder}: vertex {vertex.name} of {boson.name}: {vertex.fault}; {_REMEDY}")
    largest = max((v.size for v in vertices if _is_current(v, boson)), default=0.0)
    sign = _photon_sign(model)
    couplings: dict[int, FloatArray] = {}
    mixed: dict[str, ComplexArray | None] = {}
    imaginary = 0.0
    for vertex in vertices:
        first, second = others = vertex.others(boson)
        if vertex.size <= ROUNDING * largest or not _is_current(vertex, boson):
            continue
        if first.name != second.antiname:
            mixed[_pair(others)] = _sum_of_currents(mixed.get(_pair(others), np.zeros(2, complex)), vertex, boson)
            continue
        pair = sign * _chiral_couplings(vertex, boson)
        imaginary = max(imaginary, np.abs(pair.imag).max() / largest)
        if imaginary > IMAGINARY_ROUNDING:
            raise InputError(
                f"{folder}: vertex {vertex.name}: the couplings of {boson.name} to {first.name} are complex"
            )
        pdg_id = abs(first.pdg_id)
        couplings[pdg_id] = pair.real + couplings.get(pdg_id, 0.0)
    if not any(pair.any() for pair in couplings.values()):
        raise InputError(f"{folder}: {boson.name} does not couple to any fermion pair")
    fermions = {p.pdg_id: p for p in model.particles}
    for pdg_id in couplings:
        if pdg_id not in fermions or math.isnan(fermions[pdg_id].mass_gev):
            fault = fermions[pdg_id].fault if pdg_id in fermions else "no such particle"
            raise InputError(f"{folder}: the mass of particle {pdg_id} is not defined: {fault}")
    notes = list(model.notes)
    if imaginary:
        notes.append(f"imaginary parts of {imaginary:.0e} of the largest coupling are rounding and dropped")
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
    left_out = tuple(_left_out(model, boson, vertices, mixed))
    return UfoBoson(boson.name, boson.pdg_id, boson.mass_gev, boson.width_gev, found, tuple(notes), left_out)


_REMEDY = "give --param-card CARD with values that work"


#: Number of decays that are named one by one.
_LISTED = 8


def left_out_notes(boson: UfoBoson) -> list[str]:
    """What a card of a boson leaves out, with its size, and the additional width that makes up for it."""
    total = boson.fermion_width_gev + boson.left_out_gev
    notes = []
    for decay in boson.left_out[:_LISTED]:
        width = decay.width_gev
        size = "a width the folder does not tell" if width is None else f"{width:.4g} GeV, {width / total:.2%}"
        notes.append(f"{boson.name} -> {decay.products} {decay.reason} and is not in the card: {size}")
    if rest := boson.left_out[_LISTED:]:
        more = sum(decay.width_gev or 0.0 for decay in rest)
        notes.append(f"{len(rest)} further decays, {more:.4g} GeV, {more / total:.2%}, are not in the card")
    if boson.left_out_gev:
        notes.append(
            f"the decays left out have {boson.left_out_gev:.4g} of {total:.4g} GeV at {boson.mass_gev:g} GeV;"
            f" add them with --set gamma_extra={boson.left_out_gev:.6g}"
        )
    elif any(decay.width_gev is None for decay in boson.left_out):
        notes.append("add the width of the decays left out with --set gamma_extra=GEV")
    return notes


def _left_out(
    model: UfoFolder, boson: UfoParticle, vertices: Sequence[UfoVertex], mixed: Mapping[str, ComplexArray | None]
) -> list[LeftOut]:
    """Open decays to bosons and to two different fermions, with their widths, the largest first.

    ``mixed`` holds the couplings of pairs of different fermions, None where they are no current.
    """
    particles = {p.name: p for p in model.particles}
    reasons = dict.fromkeys(mixed, "changes flavour")
    for vertex in vertices:
        if not _is_current(vertex, boson) and vertex.size > 0 and boson not in vertex.others(boson):
            reasons.setdefault(_pair(vertex.others(boson)), "is no decay to two fermions")
    widths: dict[str, float] = {}
    for name, products, width in model.decays:
        known = [particles[p] for p in products if p in particles]
        pair = len(known) == 2 and all(p.spin == 2 for p in known) and known[0].name == known[1].antiname
        if name == boson.name and len(known) == len(products) and not pair:
            widths[_pair(known)] = width
            reasons.setdefault(_pair(known), "is no decay to two fermions")
    found = []
    for pair_of, reason in reasons.items():
        decay_products = [particles[name] for name in pair_of.split(" ")]
        if any(p.unphysical for p in decay_products) or sum(p.mass_gev for p in decay_products) >= boson.mass_gev:
            continue
        width_gev: float | None = widths.get(pair_of, math.nan)
        current = mixed.get(pair_of)
        if not math.isfinite(width_gev or 0.0) and current is not None:
            first, second = decay_products
            masses = (first.mass_gev, second.mass_gev, boson.mass_gev)
            width_gev = unequal_pair_width(current[0], current[1], abs(first.color), *masses)
        elif not math.isfinite(width_gev or 0.0):
            width_gev = _card_width(model, boson, decay_products)
        if width_gev is None or width_gev > 0:
            found.append(LeftOut(pair_of, reason, width_gev))
    return sorted(found, key=lambda decay: -(math.inf if decay.width_gev is None else decay.width_gev))


def _card_width(model: UfoFolder, boson: UfoParticle, products: Iterable[UfoParticle]) -> float | None:
    """Width in GeV of a decay by the DECAY table of the parameter card; None if it does not list it."""
    decay = None if model.card is None else model.card.decay(boson.pdg_id)
    if decay is None or decay.width_gev is None:
        return None
    ratio = decay.ratios.get(tuple(sorted(p.pdg_id for p in products)))
    return None if ratio is None else ratio * decay.width_gev


def _pair(products: Iterable[UfoParticle]) -> str:
    return " ".join(p.name for p in sorted(products, key=lambda p: (abs(p.pdg_id), -p.pdg_id)))


def _sum_of_currents(total: ComplexArray | None, vertex: UfoVertex, boson: UfoParticle) -> ComplexArray | None:
    try:
        return None if total is None else total + _chiral_couplings(vertex, boson)
    except InputError:  # a dipole, say: its width may stand in decays.py
        return None


def _is_current(vertex: UfoVertex, boson: UfoParticle) -> bool:
    return all(p.spin == 2 for p in vertex.others(boson))


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
        if c.majorana:
            left, right = _charge(-_majorana_charge(c)), _charge(0.0)
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
        return Fermion(c.name, "majorana", _charge(0.0), _charge(_majorana_charge(c)), mass_gev=c.mass_gev)
    one_sided = not left.rational or not right.rational
    kind = "weyl" if one_sided and c.mass_gev == 0 else "dirac"
    return Fermion(c.name, kind, left, right, multiplicity=c.colors, mass_gev=c.mass_gev)


def _charge(value: float) -> Charge:
    if not np.isfinite(value):
        raise InputError(f"a coupling is not finite: {value}")
    return Charge(Fraction(f"{value:.{DIGITS}g}"))


# ---------------------------------------------------------------------------------------------------------------
# The boson and its vertices


def _find_boson(model: UfoFolder, particle: str | None, folder: Path) -> UfoParticle:
    neutral = [p for p in model.particles if p.spin == 3 and p.name == p.antiname and p.color == 1]
    names = ", ".join(f"{p.name} ({p.pdg_id})" for p in neutral)
    if particle is None:
        extra = [p for p in neutral if p.pdg_id not in (_PHOTON, 23)]
        if len(extra) == 1:
            return extra[0]
        raise InputError(f"{folder}: which boson? give --particle NAME_OR_PDG, one of {names}")
    called = [p for p in model.particles if particle in (p.name, str(p.pdg_id))]
    called = called or [p for p in model.particles if p.name.casefold() == particle.casefold()]
    if not called:
        raise InputError(f"{folder}: no particle {particle!r}; neutral vector bosons are {names}")
    suitable = [p for p in called if p in neutral]
    if len(suitable) == 1:
        return suitable[0]
    if suitable:
        raise InputError(
            f"{folder}: {particle} may be {' or '.join(p.name for p in suitable)}; write it as it is there"
        )
    raise InputError(f"{folder}: {called[0].name} is not a neutral, colourless vector boson; those are {names}")


def _photon_sign(model: UfoFolder) -> float:
    """+1 if the photon of the folder couples with Q e in the convention of this package, -1 if with -Q e."""
    photon = next((p for p in model.particles if p.pdg_id == _PHOTON), None)
    charges = {p.pdg_id: p.charge for p in model.particles}
    for vertex in model.vertices:
        if photon is None or vertex.particles.count(photon) != 1 or not _is_current(vertex, photon):
            continue
        charge = charges.get(abs(vertex.others(photon)[0].pdg_id))
        if charge and math.isfinite(vertex.size) and vertex.size > 0:
            total = sum(_chiral_couplings(vertex, photon).real)
            if total:
                return float(np.sign(total * charge))
    return 1.0


def _chiral_couplings(vertex: UfoVertex, boson: UfoParticle) -> ComplexArray:
    """Couplings (g_L, g_R) of a vertex with a fermion pair, up to the sign convention of the folder."""
    total = np.zeros(2, dtype=complex)
    vector = vertex.particles.index(boson) + 1
    pairs = [i for i, p in enumerate(vertex.particles, 1) if i != vector]
    conjugates = {vertex.particles[i - 1].antiname for i in pairs} == {vertex.particles[i - 1].name for i in pairs}
    positive = [i for i in pairs if vertex.particles[i - 1].pdg_id > 0]
    fermion = positive[0] if conjugates and len(positive) == 1 else None
    for value, structure in vertex.terms:
        if value:
            total += -1j * value * np.array(chirality(structure, vector, fermion))
    return total
