"""Couplings of a Z' in parameter cards of other programs, where their meaning is documented.

Block DMINPUTS of the models DMsimp_s_spin1 of FeynRules (Backovic et al., arXiv:1508.05327, section 2): vector
and axial couplings of the mediator to each flavour, L = Y1_mu fbar gamma^mu (gV + gA gamma5) f, and gnu to left-handed
neutrinos. Models of other spins have blocks of the same name, and versions number the entries differently. What an
entry is follows from the name in its comment, which FeynRules, MadGraph and Herwig write: ``4 0.25 # gVd11``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import InputError
from .slha_file import SlhaFile, slha_number

_FERMION = re.compile(r"g(V|A)([udl])([123])([123])")
_NEUTRINO = re.compile(r"gnu([123])([123])")
#: Couplings to states of dark matter, whose decays count by the width in DECAY, and to the Higgs boson.
_OTHER = re.compile(r"g(?:V|A)(?:X[crdvmw]?|h)\d*|gh\d*", re.IGNORECASE)
_FIRST_ID = {"d": 1, "u": 2, "l": 11, "nu": 12}

#: Blocks that many files have and that hold no coupling of a Z'.
_COMMON = frozenset(
    {
        "MASS", "SMINPUTS", "YUKAWA", "CKMBLOCK", "VCKMIN", "UPMNSIN", "WOLFENSTEIN", "MODSEL", "MINPAR", "EXTPAR",
        "SPINFO", "DCINFO", "GAUGE", "YU", "YD", "YE", "HMIX", "VEVS", "ZPRIME", "LOOP",
    }
)  # fmt: skip


def chiral_couplings(file: SlhaFile, notes: list[str]) -> tuple[dict[int, float], dict[int, float]]:
    """Left- and right-handed couplings by PDG id from block DMINPUTS; remarks go to ``notes``.

    InputError names the entries that are missing or not understood, or the blocks of a file that has none of this kind.
    """
    if "DMINPUTS" not in file.blocks:
        raise InputError(
            f"{file.path}: the couplings of the Z' are missing: give blocks ZPRIMELEFT and ZPRIMERIGHT (charges by PDG"
            f" id), or the UFO folder that computes them with --ufo DIR{_unknown_blocks(file)}"
        )
    remedy = "; give the UFO folder of the model with --ufo DIR"
    named: dict[str, float] = {}
    for line, words in file.blocks["DMINPUTS"].entries:
        where = f"{file.path}, line {line}: {' '.join(words)!r} of block DMINPUTS"
        name = (file.comments.get(line, "").split() or [""])[0]
        if not any(pattern.fullmatch(name) for pattern in (_FERMION, _NEUTRINO, _OTHER)):
            kind = f"{name} is no coupling" if name else "without its name in a comment it is not known as a coupling"
            raise InputError(f"{where}: {kind} of a spin-one mediator to one flavour (gVu11, ...){remedy}")
        value = slha_number(words[-1], where)
        if named.setdefault(name, value) != value:
            raise InputError(f"{where}: the block has another value of {name} further up; remove one")
    wanted = [f"g{kind}{quark}{i}{i}" for kind in "VA" for quark in "ud" for i in "123"]
    if missing := [name for name in wanted if name not in named]:
        raise InputError(f"{file.path}: block DMINPUTS gives no {', '.join(missing)}{remedy}")
    notes.append("couplings from block DMINPUTS as in DMsimp_s_spin1 (arXiv:1508.05327): g_L = gV - gA, g_R = gV + gA")
    if not any(name.startswith(("gVl", "gAl", "gnu")) for name in named):
        notes.append("block DMINPUTS has no couplings to leptons: they are 0")
    left, right = _by_id(named)
    if mixing := [name for name, value in named.items() if value and _changes_flavour(name)]:
        notes.append(f"couplings that change flavour are left out: {', '.join(mixing)}")
    return left, right


def _by_id(named: Mapping[str, float]) -> tuple[dict[int, float], dict[int, float]]:
    left: dict[int, float] = {}
    right: dict[int, float] = {}
    for name, value in named.items():
        if _changes_flavour(name):
            continue
        if found := _FERMION.fullmatch(name):
            pdg_id = _FIRST_ID[found[2]] + 2 * (int(found[3]) - 1)
            left[pdg_id] = left.get(pdg_id, 0.0) + (value if found[1] == "V" else -value)
            right[pdg_id] = right.get(pdg_id, 0.0) + value
        elif found := _NEUTRINO.fullmatch(name):
            left[_FIRST_ID["nu"] + 2 * (int(found[1]) - 1)] = value
    return left, right


def _changes_flavour(name: str) -> bool:
    found = _FERMION.fullmatch(name) or _NEUTRINO.fullmatch(name)
    return found is not None and name[-1] != name[-2]


def _unknown_blocks(file: SlhaFile) -> str:
    """Which blocks may hold the couplings in a way that only their model knows."""
    others = [name for name in file.blocks if name not in _COMMON and not name.startswith("QNUMBERS")]
    if "GAUGE" in file.blocks and len(file.blocks["GAUGE"].entries) > 3:
        others.insert(0, "GAUGE (entries beyond 3)")
    if not others:
        return ""
    listed = ", ".join(others[:8]) + (", ..." if len(others) > 8 else "")
    return f"; only the model that wrote this file knows what its blocks {listed} mean"
