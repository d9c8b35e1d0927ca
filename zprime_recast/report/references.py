"""The papers behind a result as BibTeX: model, searches, PDF set and statistical method.

The entries are in ``data/references.bib``. An entry is used if its ``eprint`` number or its ``match`` text appears in
the reference of a model card or analysis card, or in the description of a PDF set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from ..errors import InputError
from ..io.paths import shipped

#: Papers behind every limit: the package, CLs, the asymptotic formulae, HistFactory and pyhf.
METHOD = ("zprime_recast", "Read:2002hq", "Cowan:2010js", "Cranmer:2012sba", "pyhf_joss")
#: Papers behind the parton luminosities at each order in QCD.
LUMINOSITIES = {
    "lo": ("Buckley:2014ana",),
    "nlo": ("Buckley:2014ana", "Hamberg:1990np"),
    "nnlo": ("Buckley:2014ana", "Hamberg:1990np", "Harlander:2002wh"),
    "n3lo": ("Buckley:2014ana", "Hamberg:1990np", "Harlander:2002wh", "Baglio:2022wzu"),
}


@dataclass(frozen=True)
class Reference:
    """A BibTeX entry."""

    key: str
    text: str
    """The entry as printed, without its ``match`` field."""
    eprint: str | None
    match: str | None

    def is_named_in(self, text: str) -> bool:
        """Whether a text contains the arXiv number of this paper or its ``match`` text."""
        by_number = self.eprint is not None and re.search(rf"(?<![\d.]){re.escape(self.eprint)}(?![\d])", text)
        return bool(by_number or (self.match is not None and self.match in text))


@cache
def all_references() -> dict[str, Reference]:
    """All entries of ``data/references.bib`` by key."""
    text = (shipped("data") / "references.bib").read_text(encoding="utf-8")
    found = {}
    for body in re.findall(r"^@\w+\{.*?^\}", text, flags=re.DOTALL | re.MULTILINE):
        key = re.match(r"@\w+\{([^,]+),", body)
        assert key is not None
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", body, flags=re.MULTILINE))
        printed = re.sub(r"^  match = .*\n", "", body, flags=re.MULTILINE)
        found[key[1]] = Reference(key[1], printed, fields.get("eprint"), fields.get("match"))
    return found


def references(origins: Iterable[str], order: str = "nnlo", limits: bool = True) -> list[Reference]:
    """List the entries named in texts, in the order of the texts, then the papers behind the method; each once.

    Arguments:
        origins: references of models and analyses, names and descriptions of PDF sets.
        order: order in QCD of the luminosities.
        limits: include the statistical method; False for cross-sections alone.

    InputError for an unknown order.
    """
    if order not in LUMINOSITIES:
        raise InputError(f"order must be one of {', '.join(LUMINOSITIES)}, found {order!r}")
    known = all_references()
    keys = [key for text in origins for key, entry in known.items() if entry.is_named_in(text)]
    keys += [*LUMINOSITIES[order], *(METHOD if limits else METHOD[:1])]
    return [known[key] for key in dict.fromkeys(keys)]


def bibtex(entries: Sequence[Reference]) -> str:
    """Entries as the text of a BibTeX file."""
    return "\n\n".join(entry.text for entry in entries) + "\n"
