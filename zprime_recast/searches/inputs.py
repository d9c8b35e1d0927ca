"""Where the numbers of a card come from: each input that is not a published table states its source and status."""

from __future__ import annotations

from dataclasses import dataclass

from ..io.cards import Section

#: Where an input comes from: published, a public but unofficial source, the paper quoted from memory, our own choice.
STATUSES = ("official", "unofficial", "recalled", "assumed")


@dataclass(frozen=True)
class Input:
    """The source of a number on a card."""

    name: str
    source: str
    status: str
    """One of STATUSES."""


def read_input(section: Section, name: str) -> Input:
    """Read the keys ``source`` and ``status`` of a table of a card."""
    status = section.choice("status", STATUSES)
    return Input(name, section.text("source"), status)
