"""Blocks and decay tables of an SLHA file or parameter card (hep-ph/0311123, section 3, and arXiv:0712.3311).

A number may be written as Fortran does (``1.0D+03``), and MadGraph's ``DECAY 32 Auto`` means that the width is not
given. Every line must be understood, save the entries of blocks that nobody asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from ..errors import InputError

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d{1,3})?")
_BLOCK = re.compile(r"block\s+([^\s=]+)\s*(?:q\s*=\s*(\S+)\s*)?", re.IGNORECASE)
_DECAY = re.compile(r"decay\s+(\S+)\s+(\S+)\s*", re.IGNORECASE)
_SCAN = re.compile(r"\bscan\d*\s*:", re.IGNORECASE)
_OTHER_SECTION = re.compile(r"(?:xsection|decay\w+)\b.*", re.IGNORECASE)


@dataclass(frozen=True)
class SlhaBlock:
    """Entries of one block, each a line of words, with its scale if it has one."""

    name: str
    scale: str | None
    entries: tuple[tuple[int, tuple[str, ...]], ...]
    """Number of the line in the file and its words."""


@dataclass(frozen=True)
class SlhaDecay:
    """Width in GeV and branching ratios of a particle."""

    width_gev: float | None
    """None where the file leaves the width to be computed (``Auto``)."""
    ratios: Mapping[tuple[int, ...], float]
    """Branching ratio by the sorted PDG ids of the final state."""


@dataclass(frozen=True)
class SlhaFile:
    """Content of a file. Names of blocks are upper case."""

    path: Path
    blocks: Mapping[str, SlhaBlock]
    decays: Mapping[int, SlhaDecay]
    notes: tuple[str, ...] = field(default=())
    """Remarks on blocks that stand in the file more than once."""
    faults: Mapping[int, str] = field(default_factory=dict)
    """Why the decay table of a particle cannot be read; it matters only to those who ask for that particle."""
    comments: Mapping[int, str] = field(default_factory=dict)
    """Comment at the end of each line that has one, by its number."""

    def decay(self, pdg_id: int) -> SlhaDecay | None:
        """Decays of a particle, None if the file has none; InputError if they cannot be read."""
        if pdg_id in self.faults:
            raise InputError(self.faults[pdg_id])
        return self.decays.get(pdg_id)

    def values(self, block: str, indices: int = 1) -> dict[tuple[int, ...], float]:
        """Numbers of a block by their indices; empty without the block.

        InputError names the line of an entry that is not ``indices`` integers and one finite number, or that gives
        another value to an entry that stands above it.
        """
        found: dict[tuple[int, ...], float] = {}
        for line, words in self.blocks[block].entries if block in self.blocks else ():
            where = f"{self.path}, line {line}: {' '.join(words)!r} of block {block}"
            *key, value = words
            if len(key) != indices or not all(map(is_integer, key)):
                raise InputError(f"{where}: expected {indices} integer{'s' * (indices > 1)} and a number")
            code, number = tuple(int(k) for k in key), slha_number(value, where)
            if found.setdefault(code, number) != number:
                raise InputError(f"{where}: the block has another value of this entry further up; remove one")
        return found


def is_integer(word: str) -> bool:
    """Whether a word is an integer, as the codes and PDG ids of these files are."""
    return re.fullmatch(r"[+-]?\d{1,18}", word) is not None


def slha_number(text: str, where: str) -> float:
    """A finite number in decimal or Fortran notation; InputError begins with ``where``."""
    if not _NUMBER.fullmatch(text) or not isfinite(number := float(text.lower().replace("d", "e"))):
        raise InputError(f"{where}: {text!r} is not a finite number")
    return number


def read_slha_file(path: Path) -> SlhaFile:
    """Read a file; InputError names the file and the line that is not understood."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as err:
        raise InputError(f"{path}: {err.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file") from None
    blocks: dict[str, SlhaBlock] = {}
    decays: dict[int, SlhaDecay] = {}
    notes, faults = list[str](), dict[int, str]()
    for header, (line, entries) in _sections(path, text):
        if block := _BLOCK.fullmatch(header):
            name = block[1].upper()
            if name in blocks:
                notes.append(f"block {name} stands more than once in {path.name}; the first is used")
            blocks.setdefault(name, SlhaBlock(name, block[2], tuple(entries)))
        elif decay := _DECAY.fullmatch(header):
            if not is_integer(decay[1]):
                raise InputError(f"{path}, line {line}: DECAY {decay[1]}: expected a PDG id and a width in GeV")
            pdg_id = int(decay[1])
            try:
                found = _decay(path, line, pdg_id, decay[2], entries)
                if decays.setdefault(pdg_id, found) != found:
                    faults[pdg_id] = f"{path}, line {line}: a second DECAY of {pdg_id}, not as the first; remove one"
            except InputError as err:
                faults[pdg_id] = str(err)
    if not blocks and not decays and not faults:
        raise InputError(f"{path}: no BLOCK and no DECAY; not an SLHA file")
    lines = enumerate(text.splitlines(), 1)
    comments = {number: comment.strip() for number, line in lines if (comment := line.partition("#")[2]).strip()}
    return SlhaFile(path, blocks, decays, tuple(dict.fromkeys(notes)), faults, comments)


_Entries = list[tuple[int, tuple[str, ...]]]


def _sections(path: Path, text: str) -> Iterator[tuple[str, tuple[int, _Entries]]]:
    """The header of each section, without comment, the number of its line, and its entries."""
    header, start, entries = "", 0, list[tuple[int, tuple[str, ...]]]()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        if _SCAN.search(line):
            raise InputError(f"{path}, line {number}: {line!r} is a scan, not one point; write a card for each value")
        if re.match(r"(?:block|decay\w*|xsection)\b", line, re.IGNORECASE):
            if header:
                yield header, (start, entries)
            if line[:5].lower() == "block" and line.split()[1:2] and line.split()[1].upper() == "QNUMBERS":
                line = "BLOCK QNUMBERS" + "".join(line.split()[2:3])
            if not any(pattern.fullmatch(line) for pattern in (_BLOCK, _DECAY, _OTHER_SECTION)):
                raise InputError(f"{path}, line {number}: {line!r} is no BLOCK NAME and no DECAY ID WIDTH")
            header, start, entries = line, number, []
        elif not header:
            raise InputError(f"{path}, line {number}: {line!r} stands before the first BLOCK or DECAY")
        else:
            entries.append((number, tuple(line.split())))
    if header:
        yield header, (start, entries)


def _decay(path: Path, line: int, pdg_id: int, width: str, entries: _Entries) -> SlhaDecay:
    where = f"{path}, line {line}: DECAY {pdg_id}"
    total = None if width.lower().startswith("auto") else slha_number(width, where)
    if total is not None and total < 0:
        raise InputError(f"{where}: the width is negative")
    ratios: dict[tuple[int, ...], float] = {}
    for number, words in entries:
        here = f"{path}, line {number}: {' '.join(words)!r} of DECAY {pdg_id}"
        integers = all(map(is_integer, words[1:]))
        if len(words) < 3 or not integers or int(words[1]) != len(words) - 2:
            raise InputError(f"{here}: expected a branching ratio, the number of daughters and their PDG ids")
        ratio = slha_number(words[0], here)
        if not 0 <= ratio <= 1 + 1e-6:
            raise InputError(f"{here}: a branching ratio lies between 0 and 1")
        key = tuple(sorted(int(word) for word in words[2:]))
        ratios[key] = ratios.get(key, 0.0) + ratio
    return SlhaDecay(total, ratios)
