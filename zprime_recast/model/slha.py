"""Read and write a point of a Z' model as an SLHA file (Skands et al., hep-ph/0311123).

``MASS`` and ``DECAY`` list the Z' under any PDG id. Its couplings come from a UFO folder, from a documented block of
another program (:mod:`zprime_recast.model.slha_couplings`), or from three blocks of ours:
``ZPRIME`` holds the coupling g as entry 1 (default 1) and an additional invisible width in GeV as entry 2 (default 0),
``ZPRIMELEFT`` and ``ZPRIMERIGHT`` hold the charges q_L and q_R of the fermions by PDG id (default 0), with
g_{L,R} = g q_{L,R} in the convention of :mod:`zprime_recast.model.zprime`.

If the total width in ``DECAY`` exceeds the sum over the fermions, the rest is assigned to invisible states, whose width
grows with g^2 like that of any fermion. Their charge is no larger than the largest of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, sqrt
from pathlib import Path

from ..errors import InputError
from ..io.files import write_text
from .make import make_model
from .slha_couplings import chiral_couplings
from .slha_file import SlhaDecay, SlhaFile, is_integer, read_slha_file
from .ufo import left_out_notes, model_of, read_ufo
from .widths import decay_widths, fermion_width
from .zprime import (
    GAMMA_EXTRA,
    LARGEST_CHARGE,
    PDG_IDS,
    SM_FERMIONS,
    Charge,
    Fermion,
    ZprimeModel,
    generation_and_species,
)

#: PDG id under which a Z' is written.
ZPRIME_ID = 32
#: PDG ids under which files of other programs list a Z': the PDG's Z', Z'' and spin-one mediator, SARAH, FeynRules.
ZPRIME_IDS = (32, 31, 33, 55, 9900032, 9000001, 9000005, 9000006, 5000001)
#: Smallest mass (GeV) or coupling; squares of smaller numbers are zero in floating point.
_SMALL = 1e-30
#: Relative amount by which a total width may fall short of the visible width before it is an error.
WIDTH_TOLERANCE = 1e-3
#: Relative difference between a branching ratio in the file and that of the charges above which a note is made.
BR_TOLERANCE = 0.05


@dataclass(frozen=True)
class SlhaPoint:
    """A model with the mass (GeV) and coupling of its Z'."""

    model: ZprimeModel
    mass_gev: float
    coupling: float
    notes: tuple[str, ...] = ()
    """Remarks on missing or contradictory entries of the file."""


def read_slha(path: Path, particle: str | None = None, ufo: Path | None = None) -> SlhaPoint:
    """Read a point from a file; InputError names the block or entry that is missing or broken.

    Arguments:
        path: SLHA file or parameter card.
        particle: PDG id of the Z', or its name in the UFO folder; default: the only candidate of the file or folder.
        ufo: UFO folder that computes the couplings from the file; its Python code is run. Default: the couplings are in
            the blocks ``ZPRIMELEFT`` and ``ZPRIMERIGHT``, or in ``DMINPUTS``.
    """
    file = read_slha_file(path)
    notes: list[str] = []
    if ufo is not None:
        boson = read_ufo(ufo, particle, path)
        pdg_id, coupling = boson.pdg_id, 1.0
        mass = _mass(file, pdg_id) if (pdg_id,) in file.values("MASS") else boson.mass_gev
        notes += [*boson.notes, *left_out_notes(boson)]
        model = model_of(boson, path.stem, f"UFO {ufo.resolve().name} with {path.name}")
    else:
        notes += file.notes
        pdg_id = _zprime_id(file, particle)
        mass = _mass(file, pdg_id)
        model, coupling = _model_of_blocks(file, notes)
    decay = file.decay(pdg_id)
    if decay is None or not decay.width_gev:
        notes.append(f"{path.name} gives no width in DECAY {pdg_id}: it follows from the charges, without other states")
        return SlhaPoint(model, mass, coupling, tuple(notes))
    model = _with_total_width(file, model, mass, coupling, decay.width_gev, pdg_id)
    notes += _contradictions(model, mass, coupling, decay)
    return SlhaPoint(model, mass, coupling, tuple(notes))


def write_slha(model: ZprimeModel, mass_gev: float, coupling: float, path: Path) -> Path:
    """Write a point to a file and return its path; OutputError if writing fails.

    Dark states have no PDG id: they appear in the total width and, by name, in comments.
    """
    widths = decay_widths(model, mass_gev, coupling)
    lines = [
        f"# {model.id}: {model.title}",
        "BLOCK MASS",
        f"   {ZPRIME_ID}   {float(mass_gev)!r}   # Z'",
        "BLOCK ZPRIME",
        f"   1   {float(coupling)!r}   # coupling g",
        f"   2   {model.gamma_extra_gev!r}   # additional invisible width (GeV)",
    ]
    for side, block in enumerate(("ZPRIMELEFT", "ZPRIMERIGHT")):
        lines.append(f"BLOCK {block}   # g_{'LR'[side]} = g times")
        lines += [
            f"   {pdg_id}   {model.couplings(name)[side]!r}   # {name}"
            for name, pdg_id in sorted(PDG_IDS.items(), key=lambda item: item[1])
        ]
    lines.append(f"DECAY   {ZPRIME_ID}   {float(widths.total_gev)!r}")
    for name, ratio in widths.branching_ratios.items():
        if name in PDG_IDS and ratio > 0:
            lines.append(f"   {float(ratio)!r}   2   {PDG_IDS[name]}   {-PDG_IDS[name]}   # {name}")
    listed = {decay.name: decay.pdg_ids for decay in model.decays if decay.pdg_ids}
    for name, ids in listed.items():
        if (ratio := widths.branching_ratios[name]) > 0:
            lines.append(f"   {float(ratio)!r}   {len(ids)}   {'   '.join(map(str, ids))}   # {name}")
    known = {*SM_FERMIONS, *listed}
    hidden = {n: float(r) for n, r in widths.branching_ratios.items() if n not in known and r > 0}
    lines += [f"#  {ratio:.8g} to {name} (no PDG id)" for name, ratio in hidden.items()]
    return write_text(path, "\n".join(lines) + "\n")


# ---------------------------------------------------------------------------------------------------------------
# Content of a file


def _zprime_id(file: SlhaFile, particle: str | None) -> int:
    """PDG id of the Z': the one that is asked for, or the only candidate of the file."""
    listed = {code for (code,) in file.values("MASS")} | set(file.decays) | set(file.faults)
    if particle is not None:
        if not is_integer(particle):
            raise InputError(f"{file.path}: --particle {particle}: give a PDG id; names are known with --ufo DIR only")
        if int(particle) not in listed:
            raise InputError(f"{file.path}: no particle {particle} in MASS or DECAY; there are {_ids(listed)}")
        return int(particle)
    candidates = [pdg_id for pdg_id in ZPRIME_IDS if pdg_id in listed and _may_be_vector(file, pdg_id)]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise InputError(f"{file.path}: which Z'? give --particle, one of {_ids(candidates)}")
    raise InputError(f"{file.path}: no Z' under a usual PDG id; give --particle, one of {_ids(listed)}")


def _ids(pdg_ids: set[int] | list[int]) -> str:
    return ", ".join(map(str, sorted(pdg_ids))) or "none"


def _may_be_vector(file: SlhaFile, pdg_id: int) -> bool:
    """False if the file says that a particle is no neutral colourless vector: QNUMBERS of arXiv:0712.3311."""
    numbers = {code: value for (code,), value in file.values(f"QNUMBERS{pdg_id}").items()}
    return all(numbers.get(code, value) == value for code, value in ((1, 0.0), (2, 3.0), (3, 1.0), (4, 0.0)))


def _mass(file: SlhaFile, pdg_id: int) -> float:
    masses = file.values("MASS")
    if (pdg_id,) not in masses:
        raise InputError(f"{file.path}: entry {pdg_id} of block MASS, the mass of the Z', is missing")
    return _positive(f"{file.path}: entry {pdg_id} of block MASS", masses[pdg_id,])


def _positive(what: str, value: float) -> float:
    if not _SMALL <= value <= 1 / _SMALL:
        raise InputError(f"{what} must be > 0, between {_SMALL:g} and {1 / _SMALL:g}; found {value:g}")
    return value


def _model_of_blocks(file: SlhaFile, notes: list[str]) -> tuple[ZprimeModel, float]:
    """Model and coupling by the blocks ZPRIME, ZPRIMELEFT and ZPRIMERIGHT, or DMINPUTS; remarks go to ``notes``."""
    own = file.values("ZPRIME")
    coupling, extra = own.get((1,), 1.0), own.get((2,), 0.0)
    coupling = _positive(f"{file.path}: entry 1 of block ZPRIME, the coupling,", coupling)
    if extra < 0:
        raise InputError(f"{file.path}: entry 2 of block ZPRIME, the additional width, is negative")
    left, right = ({code: x for (code,), x in file.values(f"ZPRIME{side}").items()} for side in ("LEFT", "RIGHT"))
    foreign = not any(table.get(pdg_id) for table in (left, right) for pdg_id in PDG_IDS.values())
    if foreign:
        left, right = chiral_couplings(file, notes)
    for side in ("LEFT", "RIGHT"):
        if f"ZPRIME{side}" not in file.blocks and not foreign:
            notes.append(f"{file.path.name} has no block ZPRIME{side}: all {side.lower()}-handed charges are 0")
    largest = max(map(abs, (*left.values(), *right.values())), default=0.0)
    if not 0 < largest <= LARGEST_CHARGE:
        blocks = "DMINPUTS" if foreign else "ZPRIMELEFT or ZPRIMERIGHT"
        raise InputError(f"{file.path}: a charge of {largest:g}, the largest in {blocks}, is no charge")
    generations: dict[int, dict[str, Charge]] = {1: {}, 2: {}, 3: {}}
    dark = []
    for name, pdg_id in PDG_IDS.items():
        generation, species = generation_and_species(name)
        charges = [Charge(Fraction(repr(table.get(pdg_id, 0.0)))) for table in (left, right)]
        generations[generation][f"{species}_left"] = charges[0]
        if species != "nu":
            generations[generation][f"{species}_right"] = charges[1]
        elif charges[1].rational:
            dark.append(Fermion(f"{name}_right", "weyl", Charge(Fraction(0)), charges[1]))
    unknown = sorted((left.keys() | right.keys()) - set(PDG_IDS.values()))
    if unknown:
        notes.append(
            f"charges of PDG ids {', '.join(map(str, unknown))} are ignored: invisible states follow from DECAY"
        )
    model = make_model(
        file.path.stem, {}, generations=generations, dark=tuple(dark), u1=False, reference=file.path.name
    )
    return model.with_parameters({GAMMA_EXTRA: extra}), coupling


def _with_total_width(
    file: SlhaFile, model: ZprimeModel, mass: float, coupling: float, total: float, pdg_id: int
) -> ZprimeModel:
    """The model with an invisible state for what the total width in GeV has beyond the decays of the model."""
    width = float(decay_widths(model, mass, coupling).total_gev)
    if total < width * (1 - WIDTH_TOLERANCE):
        raise InputError(
            f"{file.path}: DECAY {pdg_id} has a width of {total:g} GeV, less than the {width:.6g} GeV of its charges;"
            " correct one of them, or write Auto for the width"
        )
    if total > mass:
        raise InputError(
            f"{file.path}: DECAY {pdg_id} has a width of {total:g} GeV, more than the mass of {mass:g} GeV"
        )
    hidden = max(total - width, 0.0)
    if hidden <= 1e-12 * total:
        return model
    charge = sqrt(hidden / float(fermion_width(coupling, 0.0, "weyl", 1, 0.0, mass)))
    copies = ceil((charge / model.largest_charge()) ** 2 * (1 - 1e-12))  # none couples more than a fermion of the file
    left = Charge(Fraction(f"{charge / sqrt(copies):.16g}"))
    state = Fermion("invisible", "weyl", left, Charge(Fraction(0)), multiplicity=copies)
    return replace(model, fermions=(*model.fermions, state))


def _contradictions(model: ZprimeModel, mass: float, coupling: float, decay: SlhaDecay) -> list[str]:
    """Notes on branching ratios of the file that differ from those of the charges, and on decays of other kinds."""
    ratios = decay_widths(model, mass, coupling).branching_ratios
    notes, names = [], {tuple(sorted((-pdg_id, pdg_id))): name for name, pdg_id in PDG_IDS.items()}
    names |= {(pdg_id, pdg_id): name for name, pdg_id in PDG_IDS.items()}  # neutrinos that are Majorana fermions
    other = 0.0
    for ids, ratio in decay.ratios.items():
        if ids not in names:
            other += ratio
            continue
        own = float(ratios[names[ids]])
        if abs(ratio - own) > BR_TOLERANCE * max(ratio, own):
            notes.append(f"BR({names[ids]}) is {ratio:.4g} in DECAY and {own:.4g} from the charges, which are used")
    if other > 0:
        notes.append(f"{other:.2%} of the decays are no Standard Model fermion pairs and count as invisible width")
    given = sum(decay.ratios.values())
    if given > 1 + BR_TOLERANCE:
        notes.append(f"the branching ratios in DECAY add up to {given:.4g}; those of the charges are used")
    return notes
