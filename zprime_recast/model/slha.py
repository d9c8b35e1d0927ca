"""Read and write a point of a Z' model as an SLHA file (Skands et al., hep-ph/0311123), with ``pyslha``.

Blocks ``MASS`` and ``DECAY`` list the Z' under PDG id 32. ``ZPRIME`` holds the coupling g as entry 1 (default 1) and an
additional invisible width in GeV as entry 2 (default 0). ``ZPRIMELEFT`` and ``ZPRIMERIGHT`` hold the charges q_L and
q_R of the fermions by PDG id (default 0), with g_{L,R} = g q_{L,R} in the convention of
:mod:`zprime_recast.model.zprime`.

If the total width in ``DECAY`` exceeds the sum over Standard Model fermions, the rest is assigned to invisible states,
whose width grows with g^2 like that of any fermion.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

from ..arrays import checked_number
from ..errors import InputError
from ..io.files import write_text
from .make import make_model
from .widths import decay_widths, fermion_width
from .zprime import GAMMA_EXTRA, PDG_IDS, SM_FERMIONS, Charge, Fermion, ZprimeModel, generation_and_species

ZPRIME_ID = 32
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


def read_slha(path: Path) -> SlhaPoint:
    """Read a point from a file; InputError names the block or entry that is missing or broken."""
    document = read_document(path)
    mass = _entry(path, document, "MASS", ZPRIME_ID, above=0.0)
    coupling = _entry(path, document, "ZPRIME", 1, default=1.0, above=0.0)
    extra = _entry(path, document, "ZPRIME", 2, default=0.0, low=0.0)
    charges = {side: _charges(path, document, f"ZPRIME{side.upper()}") for side in ("left", "right")}
    if not any(charges.values()):
        raise InputError(f"{path}: blocks ZPRIMELEFT and ZPRIMERIGHT (charges by PDG id) are missing or empty")
    notes = []
    generations: dict[int, dict[str, Charge]] = {1: {}, 2: {}, 3: {}}
    dark = []
    for name, pdg_id in PDG_IDS.items():
        generation, species = generation_and_species(name)
        for side, table in charges.items():
            charge = table.pop(pdg_id, Charge(Fraction(0)))
            if species != "nu" or side == "left":
                generations[generation][f"{species}_{side}"] = charge
            elif charge.rational:
                dark.append(Fermion(f"{name}_right", "weyl", Charge(Fraction(0)), charge))
    unknown = sorted({pdg_id for table in charges.values() for pdg_id in table})
    if unknown:
        notes.append(
            f"charges of PDG ids {', '.join(map(str, unknown))} are ignored: invisible states follow from DECAY"
        )

    def model_with(invisible: tuple[Fermion, ...]) -> ZprimeModel:
        model = make_model(path.stem, {}, generations=generations, dark=invisible, u1=False, reference=str(path.name))
        return model.with_parameters({GAMMA_EXTRA: extra})

    visible = model_with(tuple(dark))
    width = float(decay_widths(visible, mass, coupling).total_gev)
    particle = document.decays.get(ZPRIME_ID)
    total = particle.totalwidth if particle is not None else 0
    if not total:
        notes.append(f"DECAY {ZPRIME_ID} is missing: the width follows from the charges, without invisible states")
        return SlhaPoint(visible, mass, coupling, tuple(notes))
    if not isfinite(total) or total < width * (1 - WIDTH_TOLERANCE):
        raise InputError(
            f"{path}: DECAY {ZPRIME_ID} has a width of {total:g} GeV, less than the {width:.6g} GeV of its charges"
        )
    hidden = max(total - width, 0.0)
    hidden_charge = sqrt(hidden / float(fermion_width(coupling, 0.0, "weyl", 1, 0.0, mass)))
    state = Fermion("invisible", "weyl", Charge(Fraction(f"{hidden_charge:.16g}")), Charge(Fraction(0)))
    model = model_with((*dark, state)) if hidden > 1e-12 * total else visible
    notes += _contradictions(model, mass, coupling, particle)
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
    hidden = {n: float(r) for n, r in widths.branching_ratios.items() if n not in SM_FERMIONS and r > 0}
    lines += [f"#  {ratio:.8g} to {name} (no PDG id)" for name, ratio in hidden.items()]
    return write_text(path, "\n".join(lines) + "\n")


def read_document(path: Path, mass_block: bool = True) -> Any:
    """Parse an SLHA file or parameter card with ``pyslha``; InputError if it is missing or broken."""
    try:
        import pyslha
    except ImportError:
        raise InputError("reading SLHA needs pyslha: pip install 'zprime-recast[slha]'") from None
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as err:
        raise InputError(f"{path}: {err.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file") from None
    try:
        document = pyslha.readSLHA(text, ignorenomass=not mass_block)
    except pyslha.ParseError as err:
        raise InputError(f"{path}: {err}") from None
    except Exception as err:  # pyslha lets the ValueError, IndexError ... of a broken line through
        raise InputError(f"{path}: broken SLHA ({type(err).__name__}: {err})") from None
    return document


def _entry(path: Path, document: Any, block: str, key: int, default: float | None = None, **bounds: float) -> float:
    if block not in document.blocks or key not in document.blocks[block]:
        if default is None:
            raise InputError(f"{path}: entry {key} of block {block} is missing")
        return default
    return checked_number(f"{path}: entry {key} of block {block}", document.blocks[block][key], **bounds)


def _charges(path: Path, document: Any, block: str) -> dict[int, Charge]:
    if block not in document.blocks:
        return {}
    values = {}
    for key, value in document.blocks[block].items():
        number = checked_number(f"{path}: entry {key} of block {block}", value)
        if not isinstance(key, int):
            raise InputError(f"{path}: entry {key} of block {block}: expected one PDG id")
        values[key] = Charge(Fraction(repr(number)))
    return values


def _contradictions(model: ZprimeModel, mass: float, coupling: float, particle: Any) -> list[str]:
    """Notes on branching ratios in the file that differ from those of the charges."""
    ratios = decay_widths(model, mass, coupling).branching_ratios
    notes = []
    for decay in particle.decays:
        names = [n for n, pdg_id in PDG_IDS.items() if sorted(decay.ids) == [-pdg_id, pdg_id]]
        for name in names:
            own = float(ratios[name])
            if abs(decay.br - own) > BR_TOLERANCE * max(decay.br, own):
                notes.append(f"BR({name}) is {decay.br:.4g} in DECAY and {own:.4g} from the charges, which are used")
    return notes
