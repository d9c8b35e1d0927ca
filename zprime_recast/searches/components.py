"""Components of a tabulated mass response - years and categories of a search - and what a card says of each.

``[channel.normalization]``: the signal of each component is normalised to a process that the experiment counted, as the
Z peak, and not to the luminosity. ``[[channel.mass_scale]]``: an uncertainty of the mass scale that is independent in
each component widens their sum. ``[[channel.region]]``: where the leptons of a component are, from which its acceptance
depends on the initial quarks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import FloatArray, Quiet
from ..errors import CardError
from ..io.cards import Section, read_csv
from ..process.final_state import PairRegion
from .inputs import Input, read_input
from .prediction import read_mass_function

if TYPE_CHECKING:
    from .channel import ResponseTable

#: Largest relative uncertainty of a mass scale.
_SCALE_MAX = 0.2
#: Largest factor by which a normalisation may differ from the luminosity's.
_FACTOR_MAX = 2.0


@dataclass(frozen=True)
class Region:
    """Components whose leptons are in one region of the detector."""

    name: str
    components: tuple[str, ...]
    cuts: PairRegion


@dataclass(frozen=True, eq=False, repr=False)
class Components(Quiet):
    """A response with what the card says of its components, and the sources of that."""

    response: ResponseTable
    signal_norm: FloatArray
    """Signal over luminosity x cross-section x acceptance x efficiency at the masses of the response, (n_masses,)."""
    regions: tuple[Region, ...]
    inputs: tuple[Input, ...]


def read_components(section: Section, response: ResponseTable) -> Components:
    """Read what a channel says of the components of its response."""
    inputs: list[Input] = []
    factor = read_normalization(section, response, inputs)
    share = response.share * factor[:, None]
    signal_norm = share.sum(axis=0)
    changed = replace(response, share=share / signal_norm, smear=_read_mass_scale(section, response, inputs))
    return Components(changed, signal_norm, _read_regions(section, response, inputs), tuple(inputs))


def read_normalization(section: Section, response: ResponseTable, inputs: list[Input]) -> FloatArray:
    """Factor on the signal of each component, (n_components,): events/(efficiency x cross-section x luminosity)."""
    if "normalization" not in section.values:
        return np.ones(len(response.names))
    part = section.section("normalization")
    path, sigma = part.file("counts"), part.number("cross_section_fb", low=1e-9)
    table = read_csv(path, ("events", "efficiency", "int_lumi_fb"), ("component",))
    if sorted(table["component"]) != sorted(response.names):
        found = ", ".join(table["component"])
        raise CardError(path, "column component", found, f"those of the response: {', '.join(response.names)}")
    for name in ("events", "efficiency", "int_lumi_fb"):
        if (table[name] <= 0).any():
            row = int(np.argmax(table[name] <= 0))
            raise CardError(path, f"row {row + 1}, column {name}", f"{table[name][row]:g}", "a number > 0")
    factor = table["events"] / (table["efficiency"] * sigma * table["int_lumi_fb"])
    if (np.abs(np.log(factor)) > np.log(_FACTOR_MAX)).any():
        row = int(np.argmax(np.abs(np.log(factor))))
        expected = f"between {1 / _FACTOR_MAX:g} and {_FACTOR_MAX:g}"
        raise CardError(path, f"row {row + 1}", f"{factor[row]:.3g} times the luminosity's normalisation", expected)
    inputs.append(read_input(part, f"normalisation of the signal, {section.text('name')}"))
    part.finish()
    return np.asarray(factor[[table["component"].index(name) for name in response.names]])


def _read_mass_scale(section: Section, response: ResponseTable, inputs: list[Input]) -> FloatArray:
    """Relative width to add in quadrature to each component, (n_components, n_masses)."""
    smear = np.zeros(response.share.shape)
    for part in section.sections("mass_scale"):
        masses, relative = read_mass_function(part, _SCALE_MAX)
        for k in _chosen(part, response):
            if smear[k].any():
                raise part.fault("components", response.names[k], "each component in one [[channel.mass_scale]]")
            smear[k] = np.interp(response.m_gev, masses, relative)
        inputs.append(read_input(part, f"mass scale, {section.text('name')}"))
        part.finish()
    return smear


def _read_regions(section: Section, response: ResponseTable, inputs: list[Input]) -> tuple[Region, ...]:
    found: list[Region] = []
    for part in section.sections("region"):
        name, pt_min = part.text("name"), part.number("pt_min_gev", low=0.0)
        eta = []
        for key in ("eta_first", "eta_second"):
            values = part.numbers(key)
            if len(values) != 2 or not 0 <= values[0] < values[1]:
                raise part.fault(key, values.tolist(), "two ascending |eta| >= 0, of one of the leptons")
            eta.append((float(values[0]), float(values[1])))
        names = tuple(response.names[k] for k in _chosen(part, response))
        if twice := [n for region in found for n in region.components if n in names]:
            raise part.fault("components", twice[0], "each component in one [[channel.region]]")
        found.append(Region(name, names, PairRegion(pt_min, eta[0], eta[1])))
        inputs.append(read_input(part, f"region {name}, {section.text('name')}"))
        part.finish()
    missing = [n for n in response.names if all(n not in region.components for region in found)]
    if found and missing:
        raise section.fault("region", f"no region with {', '.join(missing)}", "every component of the response in one")
    return tuple(found)


def _chosen(part: Section, response: ResponseTable) -> list[int]:
    """Indices of the components that a table of the card names; all without ``components``."""
    names = part.texts("components", list(response.names))
    for name in names:
        if name not in response.names:
            raise part.fault("components", name, f"some of {', '.join(response.names)}")
    return [k for k, name in enumerate(response.names) if name in names]
