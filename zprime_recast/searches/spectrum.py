"""Searches with a spectrum: the contents of an ``analyses/<id>/`` folder, shipped or of the user, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..arrays import FloatArray, Quiet
from ..errors import CardError, UnknownName
from ..io.cards import Section, digest, read_csv, read_toml
from ..io.memo import PickledByFields
from ..process.final_state import LeptonCuts
from .channel import Channel, read_channel
from .inputs import STATUSES, Input
from .resonance_fit import ResonanceFit, read_resonance_fit
from .search import find_search

#: Kinds of uncertainty of the signal.
KINDS = ("yield", "scale", "resolution", "spurious")


@dataclass(frozen=True, eq=False, repr=False)
class Uncertainty(Quiet):
    """A systematic uncertainty of the signal: one nuisance parameter, shared by the channels that it names."""

    name: str
    kind: str
    """``yield``: relative change of the rate; ``scale``: of the measured mass; ``resolution``: of the width of the mass
    response (all against the measured or true mass of the event); ``spurious``: signal-like background events of either
    sign, relative to the signal at the expected limit (against the pole mass), one nuisance per channel.
    """
    channels: tuple[str, ...]
    m_gev: FloatArray
    relative: FloatArray
    """One standard deviation upwards at each mass, linear between, constant beyond."""
    relative_down: FloatArray
    """One standard deviation downwards at each mass, as a positive number."""
    source: str
    status: str
    """One of STATUSES."""

    def at(self, m_gev: FloatArray | float) -> FloatArray:
        """One standard deviation upwards at masses in GeV."""
        return np.asarray(np.interp(m_gev, self.m_gev, self.relative))

    def down_at(self, m_gev: FloatArray | float) -> FloatArray:
        """One standard deviation downwards at masses in GeV, >= 0."""
        return np.asarray(np.interp(m_gev, self.m_gev, self.relative_down))

    def log_change(self, m_gev: FloatArray) -> FloatArray:
        """Change of ln(rate) per standard deviation: log-normal; the mean of up and down where they differ."""
        up = np.log1p(self.at(m_gev))
        if np.array_equal(self.relative, self.relative_down):
            return np.asarray(up)
        return np.asarray(0.5 * (up - np.log1p(-self.down_at(m_gev))))


@dataclass(frozen=True)
class Fiducial(LeptonCuts):
    """Fiducial region of the limit on a generic resonance of pole mass M and width Gamma."""

    low_widths: float = 0.0
    """The true mass of the pair is above M - low_widths * Gamma."""


@dataclass(frozen=True)
class Tolerance:
    """Largest median |ours/published - 1| of expected limits in a region; twice that for observed ones."""

    mass_gev: tuple[float, float]
    gamma_over_m: tuple[float, float]
    median: float


@dataclass(frozen=True, eq=False, repr=False)
class Validation(Quiet):
    """Published limits, for validation only."""

    channel: str
    mass_gev: FloatArray
    gamma_over_m: FloatArray
    limit_obs_fb: FloatArray
    """Observed limit; NaN where only the other limit is published, as in ``limit_exp_fb``."""
    limit_exp_fb: FloatArray
    calculator: str
    """Statistical method of the experiment, as far as we can reproduce it: ``asymptotic`` (CLs) or ``bayes``."""
    tolerances: tuple[Tolerance, ...]


@dataclass(frozen=True, eq=False, repr=False)
class SpectrumSearch(PickledByFields):
    """A recastable search."""

    id: str
    title: str
    label: str
    reference: str
    sqrt_s_gev: float
    mass_range_gev: tuple[float, float]
    """Lowest and highest pole mass of the search."""
    fiducial: Fiducial | None
    """None if limits are on the total cross-section; the efficiency then includes the acceptance."""
    expected_bins: float | None
    """Relative width of the bins in which expected limits on a resonance are computed; None: those of the spectrum."""
    channels: tuple[Channel, ...]
    uncertainties: tuple[Uncertainty, ...]
    validation: tuple[Validation, ...]
    notes: tuple[str, ...]
    """Inputs that are approximate or unverified; every result repeats these notes."""
    digest: str
    resonance_fit: ResonanceFit | None = None
    """How the collaboration fits a generic resonance; None if it is one fit of the spectrum."""
    kind: str = "binned-likelihood"

    @property
    def limit_definition(self) -> str:
        """The quantity on which the limit on a generic resonance is set."""
        kind = "total" if self.fiducial is None else "fiducial"
        return f"{kind} cross-section times branching ratio to one lepton flavour"

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Sources of the inputs that the card states: uncertainties, and what it says of its channels."""
        own = (Input(u.name, u.source, u.status) for u in self.uncertainties)
        return (*own, *(stated for channel in self.channels for stated in channel.inputs))

    @cached_property
    def shape_uncertainties(self) -> tuple[Uncertainty, ...]:
        """The uncertainties that change each hypothesis differently: all but those of the kind ``yield``."""
        return tuple(u for u in self.uncertainties if u.kind != "yield")

    @cached_property
    def shape_nuisances(self) -> tuple[str, ...]:
        """Names of the nuisances of :attr:`shape_uncertainties` in a likelihood."""
        return tuple(f"{self.id}_{u.name}" for u in self.shape_uncertainties)

    def channel(self, name: str) -> Channel:
        """A channel by name."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise UnknownName(f"channel of {self.id}", name, [c.name for c in self.channels])


def load_spectrum(search: str | Path | SpectrumSearch) -> SpectrumSearch:
    """A search with a spectrum by id, by folder, or itself. UnknownName or CardError if it is not one."""
    return search if isinstance(search, SpectrumSearch) else read_search(find_search(search))


def read_search(folder: Path) -> SpectrumSearch:
    """A search from its folder; CardError names file, key, what was found and what was expected."""
    card = read_toml(folder / "card.toml")
    card.choice("kind", ("binned-likelihood",))
    collider = card.section("collider")
    sqrt_s = collider.number("sqrt_s_gev", low=1.0)
    int_lumi = collider.number("int_lumi_fb", low=0.0)
    collider.finish()
    mass_range = card.numbers("mass_range_gev")
    if len(mass_range) != 2 or not 0 < mass_range[0] < mass_range[1]:
        raise card.fault("mass_range_gev", mass_range.tolist(), "two ascending masses > 0")
    sections = card.sections("channel")
    if not sections:
        raise card.fault("channel", "no such key", "at least one [[channel]]")
    channels = tuple(read_channel(section, sqrt_s, int_lumi) for section in sections)
    names = [c.name for c in channels]
    if len(set(names)) != len(names):
        raise card.fault("channel", names, "different names")
    uncertainties = tuple(read_uncertainty(section, names) for section in card.sections("uncertainty"))
    fiducial = read_fiducial(card)
    _check_once(card, sections, channels, uncertainties, fiducial)
    search = SpectrumSearch(
        id=card.text("id"),
        title=card.text("title"),
        label=card.text("label"),
        reference=card.text("reference"),
        sqrt_s_gev=sqrt_s,
        mass_range_gev=(float(mass_range[0]), float(mass_range[1])),
        fiducial=fiducial,
        expected_bins=read_expected_bins(card),
        channels=channels,
        uncertainties=uncertainties,
        validation=tuple(read_validation(section, names) for section in card.sections("validation")),
        notes=tuple(card.texts("notes", [])),
        digest=digest(*sorted(p for p in folder.iterdir() if p.suffix in (".toml", ".csv"))),
        resonance_fit=_read_fit(card, sections, channels, (float(mass_range[0]), float(mass_range[1]))),
    )
    card.finish()
    return search


def _check_once(
    card: Section,
    sections: list[Section],
    channels: tuple[Channel, ...],
    uncertainties: tuple[Uncertainty, ...],
    fiducial: Fiducial | None,
) -> None:
    """CardError if the card says twice what its signal loses or how its mass scale moves."""
    for section, channel in zip(sections, channels, strict=True):
        if channel.regions and fiducial is not None:
            raise section.fault(
                "region", "regions", 'no regions, or limits_on = "total": [fiducial] has the acceptance'
            )
        if "mass_scale" not in section.values:
            continue
        for k, u in enumerate(uncertainties):
            if u.kind == "scale" and channel.name in u.channels:
                found = f"{u.name}, although [[channel.mass_scale]] of {channel.name} is in its response"
                raise CardError(card.path, f"uncertainty[{k}]", found, "the scale of a channel only once")


def _read_fit(
    card: Section, sections: list[Section], channels: tuple[Channel, ...], mass_range: tuple[float, float]
) -> ResonanceFit | None:
    if "resonance_fit" not in card.values:
        return None
    return read_resonance_fit(card.section("resonance_fit"), sections, channels, mass_range)


def read_fiducial(card: Section) -> Fiducial | None:
    """Read the fiducial region of a card; None if its limits are on the total cross-section."""
    if card.choice("limits_on", ("fiducial", "total"), "fiducial") == "total":
        return None
    section = card.section("fiducial")
    pt_min, eta_max = section.number("pt_min_gev", low=0.0), section.number("eta_max", low=0.0)
    low_widths = section.number("low_widths", low=0.0)
    section.finish()
    if eta_max == 0:
        raise section.fault("eta_max", eta_max, "a number > 0")
    return Fiducial(pt_min, eta_max, low_widths)


def read_expected_bins(card: Section) -> float | None:
    """Relative width of the bins of expected limits, if the collaboration fitted in finer bins than it published."""
    if "expected_bins" not in card.values:
        return None
    width = card.number("expected_bins")
    if not 0.001 <= width <= 0.1:
        raise card.fault("expected_bins", width, "a relative width between 0.001 and 0.1")
    return width


def read_uncertainty(section: Section, channels: list[str]) -> Uncertainty:
    """Read an uncertainty of a card whose channels have these names."""
    name, kind = section.text("name"), section.choice("kind", KINDS)
    affected = tuple(section.texts("channels", channels))
    for channel in affected:
        if channel not in channels:
            raise section.fault("channels", channel, f"some of {', '.join(channels)}")
    masses, relative = section.numbers("m_gev", [1000.0]), section.numbers("relative")
    down = section.numbers("relative_down", relative.tolist())
    if len(masses) != len(relative) or len(masses) == 0 or (np.diff(masses) <= 0).any():
        raise section.fault("m_gev", masses.tolist(), f"{len(relative)} ascending masses, one per value of relative")
    if len(down) != len(relative):
        raise section.fault("relative_down", down.tolist(), f"{len(relative)} numbers, as in relative")
    checks = [("relative", relative, 1.0)]
    if "relative_down" in section.values:
        checks.append(("relative_down", down, 0.5))
    for key, values, largest in checks:
        if (values < 0).any() or (values > largest).any():
            raise section.fault(key, values.tolist(), f"numbers between 0 and {largest:g}: a factor of 2 at most")
    status = section.choice("status", STATUSES)
    uncertainty = Uncertainty(name, kind, affected, masses, relative, down, section.text("source"), status)
    section.finish()
    return uncertainty


def read_validation(section: Section, channels: list[str]) -> Validation:
    """Read the published limits of a card whose channels have these names."""
    path = section.file("limits")
    table = read_csv(path, ("mass_gev", "gamma_over_m"), blank=("limit_obs_fb", "limit_exp_fb"))
    for name in ("limit_obs_fb", "limit_exp_fb"):
        if (table[name] <= 0).any():
            raise CardError(path, f"column {name}", f"{np.nanmin(table[name]):g}", "numbers > 0, or empty cells")
    channel = section.choice("channel", ("ll", *channels))
    calculator = section.choice("calculator", ("asymptotic", "bayes"), "asymptotic")
    tolerances = []
    for part in section.sections("tolerance"):
        ranges = []
        for key in ("mass_gev", "gamma_over_m"):
            values = part.numbers(key)
            if len(values) != 2 or not values[0] <= values[1]:
                raise part.fault(key, values.tolist(), "two ascending numbers")
            ranges.append((float(values[0]), float(values[1])))
        tolerances.append(Tolerance(ranges[0], ranges[1], part.number("median", low=0.0)))
        part.finish()
    section.finish()
    return Validation(channel=channel, calculator=calculator, tolerances=tuple(tolerances), **table)
