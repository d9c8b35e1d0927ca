"""The protocol of a search, whatever it published: a spectrum with counts, or only a limit.

A search is prepared with parton luminosities (:func:`zprime_recast.limits.analyses.load_analyses`) and then answers two
questions: is a hypothesis excluded, and where is the limit of a family of hypotheses.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..errors import RangeError, UnknownName
from ..io.cards import read_toml
from ..io.paths import shipped, user_data_dir
from ..partons.luminosity import LuminosityTable
from ..partons.nuisances import TheoryNuisances

if TYPE_CHECKING:
    from .inputs import Input
    from .spectrum import Uncertainty, Validation

#: Kinds of searches a folder may describe.
KINDS = ("binned-likelihood", "limit-curve")
#: Analyses used unless others are named.
DEFAULT_ANALYSES = ("atlas-139fb-dilepton", "cms-140fb-dilepton")


class Search(Protocol):
    """A search as its folder describes it."""

    @property
    def kind(self) -> str:
        """``binned-likelihood`` or ``limit-curve``."""

    @property
    def id(self) -> str:
        """Name of its folder."""

    @property
    def title(self) -> str:
        """One line for lists."""

    @property
    def label(self) -> str:
        """For figures."""

    @property
    def reference(self) -> str:
        """The paper."""

    @property
    def sqrt_s_gev(self) -> float:
        """Collider energy."""

    @property
    def mass_range_gev(self) -> tuple[float, float]:
        """Pole masses the search covers."""

    @property
    def uncertainties(self) -> tuple[Uncertainty, ...]:
        """Systematic uncertainties of the signal."""

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Sources of the inputs that the card states."""

    @property
    def validation(self) -> tuple[Validation, ...]:
        """Published limits to compare with."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Inputs that are approximate or unverified; every result repeats these notes."""

    @property
    def digest(self) -> str:
        """Digest of the contents of its folder."""


class PreparedSearch(Protocol):
    """A search with the luminosities of its collider energy."""

    @property
    def search(self) -> Search:
        """The published search."""

    @property
    def luminosities(self) -> LuminosityTable:
        """At the energy of the search; InputError if it was prepared without a PDF set."""

    @property
    def theory(self) -> TheoryNuisances | None:
        """Nuisances of the luminosities; None if they carry no uncertainty."""


def check_mass(search: Search, mass_gev: ArrayLike) -> None:
    """RangeError that states the range unless every pole mass is inside it."""
    low, high = search.mass_range_gev
    masses = np.atleast_1d(np.asarray(mass_gev, dtype=float))
    bad = ~((masses >= low) & (masses <= high))
    if bad.any():
        raise RangeError(outside(search, float(masses[bad][0])))


def outside(search: Search, mass_gev: float) -> str:
    """The message for a pole mass the search does not cover."""
    low, high = search.mass_range_gev
    return f"mass {mass_gev:g} GeV is outside {search.id}: {low:g} to {high:g} GeV"


def list_analyses() -> dict[str, Path]:
    """Analysis ids and their folders; a folder of the user hides a shipped one with the same id."""
    found = {}
    for root in (shipped("analyses"), user_data_dir() / "analyses"):
        if root.is_dir():
            found.update({card.parent.name: card.parent for card in sorted(root.glob("*/card.toml"))})
    return dict(sorted(found.items()))


def find_search(search: str | Path) -> Path:
    """Folder of an analysis by id, or the folder itself; UnknownName if it is neither."""
    known = list_analyses()
    if str(search) in known:
        return known[str(search)]
    if (Path(search) / "card.toml").is_file():
        return Path(search)
    raise UnknownName("analysis", str(search), known, "or give the path of its folder")


def kind_of(folder: Path) -> str:
    """The kind of search a folder describes; CardError if it is not one of ``KINDS``."""
    return read_toml(folder / "card.toml").choice("kind", KINDS)
