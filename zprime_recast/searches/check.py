"""Errors in an analysis folder: the first one in every table of its card and in every file that the card names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CardError
from ..io.cards import Section, read_toml
from ..partons.luminosity import TABLE_HIGH_OVER_SQRT_S, TABLE_LOW_GEV
from .channel import read_background, read_channel, read_efficiency, read_parts, read_response, read_spectrum
from .limit_curve import read_limit_curve
from .resonance_fit import read_resonance_fit
from .search import KINDS, Search
from .spectrum import read_fiducial, read_search, read_uncertainty, read_validation


@dataclass(frozen=True)
class AnalysisCheck:
    """Errors in a folder, and remarks on what is allowed but should be looked at."""

    folder: Path
    kind: str
    faults: tuple[CardError, ...]
    remarks: tuple[str, ...]


def check_analysis(folder: Path) -> AnalysisCheck:
    """Read every part of a folder on its own and collect the errors; each names file, key, found and expected."""
    faults: list[CardError] = []

    def attempt(read: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return read(*arguments)
        except CardError as err:
            if str(err) not in {str(known) for known in faults}:
                faults.append(err)
            return None

    card = attempt(read_toml, folder / "card.toml")
    if card is None:
        return AnalysisCheck(folder, "unknown", tuple(faults), ())
    kind = attempt(card.choice, "kind", KINDS) or "unknown"
    whole = None
    if kind == "limit-curve":
        whole = attempt(read_limit_curve, folder)
    elif kind == "binned-likelihood":
        _check_parts(card, attempt)
        whole = attempt(read_search, folder)
    if whole is not None:
        attempt(_check_masses, card, whole)
    for key in ("id", "title", "label", "reference"):
        attempt(card.text, key)
    return AnalysisCheck(folder, kind, tuple(faults), _remarks(folder, card, whole))


def _check_parts(card: Section, attempt: Callable[..., Any]) -> None:
    collider = attempt(card.section, "collider")
    sqrt_s = attempt(collider.number, "sqrt_s_gev", ..., 1.0) if collider else None
    mass_range = attempt(card.numbers, "mass_range_gev")
    attempt(read_fiducial, card)
    names, sections, channels = [], [], []
    for section in attempt(card.sections, "channel") or ():
        names.append(attempt(section.text, "name") or "")
        # a section of its own for each, because reading a key marks it as known
        for read in (read_spectrum, read_efficiency):
            attempt(read, Section(section.path, section.values, section.prefix))
        if response := attempt(read_response, Section(section.path, section.values, section.prefix)):
            attempt(read_parts, Section(section.path, section.values, section.prefix), response[0])
        attempt(read_background, Section(section.path, section.values, section.prefix), sqrt_s or 13000.0)
        again = Section(section.path, section.values, section.prefix)
        channels.append(attempt(read_channel, again, sqrt_s or 13000.0, 1.0))
        sections.append(again)
    for section in attempt(card.sections, "uncertainty") or ():
        attempt(read_uncertainty, section, names)
    if "resonance_fit" in card.values and None not in channels and mass_range is not None and len(mass_range) == 2:
        fit = attempt(card.section, "resonance_fit")
        attempt(read_resonance_fit, fit, sections, channels, tuple(mass_range)) if fit else None
    for section in attempt(card.sections, "validation") or ():
        attempt(read_validation, section, names)


def _check_masses(card: Section, search: Search) -> None:
    """CardError if there are parton luminosities for no mass of a search."""
    (low, high), (first, last) = search.mass_range_gev, _luminosity_range_gev(search)
    if high < first or low > last:
        expected = f"masses within {first:g} to {last:g} GeV, where there are parton luminosities"
        key = "curve" if search.kind == "limit-curve" else "mass_range_gev"
        raise CardError(card.path, key, f"masses of {low:g} to {high:g} GeV", expected)


def _luminosity_range_gev(search: Search) -> tuple[float, float]:
    """Masses of the parton luminosities at the energy of a search; a PDF set may have fewer."""
    return TABLE_LOW_GEV, TABLE_HIGH_OVER_SQRT_S * search.sqrt_s_gev


def _remarks(folder: Path, card: Section, whole: Any) -> tuple[str, ...]:
    found = []
    if not (folder / "README.md").is_file():
        found.append("no README.md: say where every table is from")
    if card.values.get("id") not in (None, folder.resolve().name):
        found.append(f"id is {card.values['id']!r}, the folder {folder.resolve().name!r}: give one name to both")
    if not card.values.get("notes"):
        found.append("no notes: say which inputs are approximate; every result repeats the notes")
    if card.values.get("kind") == "binned-likelihood":
        if not card.values.get("validation"):
            found.append(
                "no [[validation]]: without published limits 'validate' cannot measure the accuracy of the recast"
            )
        if not card.values.get("uncertainty"):
            found.append("no [[uncertainty]]: the signal is taken to be known exactly")
    if whole is not None:
        low, high = whole.mass_range_gev
        first, last = _luminosity_range_gev(whole)
        if low < first <= high or low <= last < high:
            found.append(
                f"masses of {low:g} to {high:g} GeV: parton luminosities exist for {first:g} to {last:g} GeV alone"
            )
    if whole is not None and whole.kind == "binned-likelihood":
        low, high = whole.mass_range_gev
        for channel in whole.channels:
            if channel.efficiency_m_gev[0] > low or channel.efficiency_m_gev[-1] < high:
                text = f"the efficiency does not cover {low:g} to {high:g} GeV; the nearest value is used"
                found.append(f"channel {channel.name}: {text}")
            if channel.edges_gev[0] > low or channel.edges_gev[-1] < high:
                found.append(f"channel {channel.name}: the spectrum does not cover {low:g} to {high:g} GeV")
    return tuple(found)
