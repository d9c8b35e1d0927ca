"""How a collaboration fits a generic resonance, where that is not one fit of the published spectrum: the table
``[resonance_fit]`` of a card.

Each component of the mass response of a channel (a year and a detector region) is a category with a window of its own
around every mass, a norm of the background of its own in it, and a mass scale and resolution of its own. It serves
limits on a generic resonance alone; hypotheses of a model keep all bins and one background for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..arrays import FloatArray, Quiet
from ..io.cards import Section
from ..io.memo import PickledByFields
from .background import finely_binned
from .channel import R_MAX, Channel, ResponseTable, read_efficiency, read_response
from .components import read_normalization
from .inputs import STATUSES
from .prediction import read_mass_function

#: Kinds of uncertainty: of the signal's rate (those with one name are one nuisance), of the position of its peak and of
#: the width of its response (a nuisance of its own in every category).
KINDS = ("yield", "scale", "resolution")
#: Ways to define the expected limit.
EXPECTED = ("median of toys", "Asimov data")
#: Relative width of the bins in which the prediction is divided before it is shared out.
_FINE = 0.002
#: Largest relative uncertainty of a category.
RELATIVE_MAX = 0.5


@dataclass(frozen=True)
class CategoryUncertainty:
    """An uncertainty of the signal in some categories."""

    name: str
    kind: str
    """One of KINDS."""
    channel: str
    categories: tuple[str, ...]
    m_gev: tuple[float, ...]
    relative: tuple[float, ...]
    """One standard deviation at each mass, linear between, constant beyond."""
    status: str
    source: str

    def at(self, mass_gev: float) -> float:
        """One standard deviation at a mass in GeV."""
        return float(np.interp(mass_gev, self.m_gev, self.relative))


@dataclass(frozen=True, eq=False, repr=False)
class Category(Quiet, PickledByFields):
    """One category: a component of the response of a channel."""

    name: str
    detector: Channel
    """The channel with the response of this component, truncated at R_MAX: the window takes the place of r_max."""
    m_gev: FloatArray
    """Masses in GeV, (n,)."""
    share: FloatArray
    """Share of the channel's selected signal, and of its background, at these masses, (n,)."""
    events_per_fb: FloatArray
    """Selected signal events per fb at these masses, (n,)."""
    sigma: FloatArray
    """Relative width of the core of the response at these masses, (n,)."""
    uncertainties: tuple[CategoryUncertainty, ...]

    def core(self, mass_gev: float) -> float:
        """Relative width of the core of the response at a mass in GeV."""
        return float(np.interp(mass_gev, self.m_gev, self.sigma))

    def events(self, mass_gev: float) -> float:
        """Selected signal events per fb at a mass in GeV."""
        return float(np.interp(mass_gev, self.m_gev, self.events_per_fb))

    def size(self, kind: str, mass_gev: float) -> float:
        """One standard deviation of the uncertainty of a kind at a mass in GeV; 0 without one."""
        return next((u.at(mass_gev) for u in self.uncertainties if u.kind == kind), 0.0)

    @property
    def efficiency_nuisance(self) -> str:
        """Name of the nuisance of the rate; empty without one."""
        return next((u.name for u in self.uncertainties if u.kind == "yield"), "")

    @cached_property
    def _below(self) -> tuple[FloatArray, FloatArray]:
        """ln(mass) and background events below it."""
        fine = finely_binned(self.detector, _FINE)
        share = np.interp(fine.centers_gev, self.m_gev, self.share)
        return np.log(fine.edges_gev), np.append(0.0, np.cumsum(fine.bkg * share))

    def background_below(self, mass_gev: FloatArray) -> FloatArray:
        """Expected background events between the first bin of the spectrum and masses in GeV."""
        from scipy.interpolate import PchipInterpolator

        log_m, events = self._below
        return np.asarray(PchipInterpolator(log_m, events)(np.clip(np.log(mass_gev), log_m[0], log_m[-1])))


@dataclass(frozen=True, eq=False, repr=False)
class ResonanceFit(Quiet):
    """The fit of a generic resonance in windows."""

    categories: tuple[Category, ...]
    window_widths: float
    """Half a window in units of (Gamma/M + sigma) M."""
    window_events: float
    """Background events nearest to M that a window holds at least."""
    lowest_mass_gev: float
    norm_kappa: float
    """Log-normal uncertainty of the background's norm in a window: a factor."""
    bins: float
    """Width of the bins in units of (Gamma/M + sigma) M."""
    expected: str
    """One of EXPECTED."""
    n_toys: int
    seed: int
    status: str
    source: str

    @property
    def remarks(self) -> tuple[str, ...]:
        """What in the fit is not official, for the notes of a result."""
        stated = {"windows and norms of the background": self.status}
        stated |= {u.name: u.status for c in self.categories for u in c.uncertainties}
        found = {status: [name for name, own in stated.items() if own == status] for status in stated.values()}
        texts = [f"{status}: {', '.join(names)}" for status, names in found.items() if status != "official"]
        return (*texts, "assumed: the background is divided between categories like the signal")

    def of(self, channel: str) -> tuple[Category, ...]:
        """Categories of a channel; of all with ``ll``."""
        return tuple(c for c in self.categories if channel in ("ll", c.detector.name))

    def window_gev(self, category: Category, mass_gev: float, gamma_over_m: float) -> tuple[float, float]:
        """Lowest and highest measured mass of a category's window, in GeV.

        It is M +- window_widths (Gamma/M + sigma) M, or wide enough for the ``window_events`` background events nearest
        to M, whichever is wider, within the spectrum and not below ``lowest_mass_gev``.
        """
        edges = category.detector.edges_gev
        low, high = max(self.lowest_mass_gev, edges[0]), edges[-1]
        half = self.window_widths * (gamma_over_m + category.core(mass_gev)) * mass_gev
        wider = np.linspace(0.0, max(mass_gev - low, high - mass_gev), 2000)
        ends = (np.clip(mass_gev + sign * wider, low, high) for sign in (1, -1))
        inside = np.subtract(*(category.background_below(end) for end in ends))
        half = max(half, float(np.interp(self.window_events, inside, wider)))
        return float(max(mass_gev - half, low)), float(min(mass_gev + half, high))


def read_resonance_fit(
    section: Section, channel_sections: Sequence[Section], channels: Sequence[Channel], mass_range: tuple[float, float]
) -> ResonanceFit:
    """Read the table ``[resonance_fit]`` of a card; its categories are the components of the channels' responses.

    Arguments:
        section: the table.
        channel_sections, channels: the tables ``[[channel]]`` of the same card, and what was read from them.
        mass_range: lowest and highest pole mass of the search in GeV.
    """
    names = {c.name: _components(s)[0] for s, c in zip(channel_sections, channels, strict=True)}
    uncertainties = tuple(_read_uncertainty(part, names) for part in section.sections("uncertainty"))
    _check_one_each(section, uncertainties)
    categories = tuple(
        category
        for s, c in zip(channel_sections, channels, strict=True)
        for category in _categories(s, c, uncertainties)
    )
    fit = ResonanceFit(
        categories,
        window_widths=section.number("window_widths", low=0.1, high=100.0),
        window_events=section.number("window_events", low=0.0),
        lowest_mass_gev=section.number("lowest_mass_gev", 0.0, low=0.0),
        norm_kappa=section.number("norm_kappa", low=1.001, high=10.0),
        bins=section.number("bins", low=0.01, high=1.0),
        expected=section.choice("expected", EXPECTED),
        n_toys=section.integer("n_toys", low=50) if section.values.get("expected") == EXPECTED[0] else 0,
        seed=section.integer("seed") if section.values.get("expected") == EXPECTED[0] else 0,
        status=section.choice("status", STATUSES),
        source=section.text("source"),
    )
    section.finish()
    _check_windows(section, fit, mass_range)
    return fit


def _check_windows(section: Section, fit: ResonanceFit, mass_range: tuple[float, float]) -> None:
    """CardError for a window without bins, or a spectrum with fewer events than a window is to hold."""
    for category in fit.categories:
        edges = category.detector.edges_gev
        start = max(fit.lowest_mass_gev, edges[0])
        for mass in mass_range:
            if mass * (1 + fit.window_widths * category.core(mass)) <= start or mass >= edges[-1]:
                found = f"no bin in the window of {category.name} at {mass:g} GeV"
                expected = (
                    f"masses from {start:g} to {edges[-1]:g} GeV, where the spectrum and lowest_mass_gev leave some"
                )
                raise section.fault("window_widths", found, expected)
        total = float(np.subtract(*category.background_below(np.array([edges[-1], start]))))
        if total < fit.window_events:
            found = f"{fit.window_events:g}, of which {category.name} has {total:.3g}"
            raise section.fault("window_events", found, "at most the events of every category")


def _components(section: Section) -> tuple[tuple[str, ...], ResponseTable]:
    """Names of the components of the response of a channel, and the response as published."""
    response = read_response(section)[0]
    if not isinstance(response, ResponseTable):
        raise section.fault("response_form", "functions", '"table": [resonance_fit] has a category per component')
    return response.names, response


def _categories(section: Section, channel: Channel, uncertainties: tuple[CategoryUncertainty, ...]) -> list[Category]:
    """The categories of a channel, from its published tables."""
    names, response = _components(section)
    norm = read_normalization(section, response, [])
    efficiency = read_efficiency(section)
    m = response.m_gev
    selected = channel.int_lumi_fb * np.interp(m, efficiency["m_ll_gev"], efficiency["efficiency"])
    found = []
    for k, name in enumerate(names):
        rows = {key: v[k : k + 1] for key, v in vars(response).items() if isinstance(v, np.ndarray) and v.ndim == 2}
        tails = {key: values[k : k + 1] for key, values in response.tails.items()}
        whole = {"share": np.ones((1, len(m))), "r_max": np.full((1, len(m)), R_MAX)}
        alone = replace(response, **{**rows, **whole}, names=(name,), tails=tails)
        share = response.share[k]
        own = tuple(u for u in uncertainties if u.channel == channel.name and name in u.categories)
        detector = replace(channel, response=alone)
        found.append(Category(name, detector, m, share, selected * share * norm[k], response.sigma[k], own))
    return found


def _read_uncertainty(section: Section, names: dict[str, tuple[str, ...]]) -> CategoryUncertainty:
    channel = section.choice("channel", names)
    categories = tuple(section.texts("categories", list(names[channel])))
    for name in categories:
        if name not in names[channel]:
            raise section.fault("categories", name, f"some of {', '.join(names[channel])}")
    masses, relative = read_mass_function(section, RELATIVE_MAX)
    found = CategoryUncertainty(
        section.text("name"),
        section.choice("kind", KINDS),
        channel,
        categories,
        tuple(masses.tolist()),
        tuple(relative.tolist()),
        section.choice("status", STATUSES),
        section.text("source"),
    )
    section.finish()
    return found


def _check_one_each(section: Section, uncertainties: tuple[CategoryUncertainty, ...]) -> None:
    """CardError for two uncertainties of one kind in one category."""
    taken: set[tuple[str, str, str]] = set()
    for k, u in enumerate(uncertainties):
        for name in u.categories:
            if (u.kind, u.channel, name) in taken:
                expected = f"one {u.kind} uncertainty in each category"
                raise section.fault(f"uncertainty[{k}].categories", f"{name} a second time", expected)
            taken.add((u.kind, u.channel, name))
