"""Searches: what an ``analyses/<id>/`` folder says, checked. A user's own folder works the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .cards import FloatArray, Section, digest, read_csv, read_toml
from .errors import CardError, RangeError, UnknownName
from .paths import shipped, user_data_dir

_RESPONSE_PARAMETERS = ("mu_cb", "sigma_cb", "alpha_cb", "n_cb", "mu_g", "sigma_g", "kappa")


@dataclass(frozen=True)
class MassFunction:
    """A function of mass as a sum (or quadrature sum) of coefficient times basis; tabulated in a card's CSV."""

    combine: str
    coefficients: FloatArray
    bases: tuple[str, ...]
    """``m``: m^exponent, ``log_m``: (ln m)^exponent, ``exp``: exp(exponent m); m in GeV."""
    exponents: FloatArray

    def __call__(self, m_gev: FloatArray) -> FloatArray:
        """Value at masses in GeV."""
        forms = {
            "m": lambda e: m_gev**e,
            "log_m": lambda e: np.log(m_gev) ** e,
            "exp": lambda e: np.exp(e * m_gev),
        }
        terms = np.stack(
            [c * forms[b](e) for c, b, e in zip(self.coefficients, self.bases, self.exponents, strict=True)]
        )
        return np.asarray(np.sqrt((terms**2).sum(axis=0)) if self.combine == "quadrature" else terms.sum(axis=0))


@dataclass(frozen=True)
class BackgroundFunction:
    """Smooth background shape of an ATLAS dilepton fit, and which of its parameters float in ours.

    shape(m) = BW(m) (1 - x^c)^b x^(p0 + p1 ln x + p2 ln^2 x + ...), x = m/sqrt(s), BW the non-relativistic
    Breit-Wigner of the Z; arXiv:1903.06248, section 6.
    """

    parameters: Mapping[str, float]
    floating: tuple[str, ...]
    sqrt_s_gev: float
    m_z_gev: float
    gamma_z_gev: float

    def log_shape(self, m_gev: FloatArray, parameters: Mapping[str, float] | None = None) -> FloatArray:
        """Logarithm of the shape at masses in GeV, with parameters changed where given."""
        p = {**self.parameters, **(parameters or {})}
        x = m_gev / self.sqrt_s_gev
        log_x = np.log(x)
        powers = sorted(name for name in p if name.startswith("p"))
        exponent = sum((p[name] * log_x ** int(name[1:]) for name in powers), np.zeros_like(x))
        breit_wigner = -np.log((m_gev - self.m_z_gev) ** 2 + self.gamma_z_gev**2 / 4)
        return np.asarray(breit_wigner + p["b"] * np.log1p(-(x ** p["c"])) + exponent * log_x)

    def log_derivatives(self, m_gev: FloatArray) -> FloatArray:
        """d(log shape)/d(parameter) for the floating parameters; (n_floating, *m.shape)."""
        x = m_gev / self.sqrt_s_gev
        log_x = np.log(x)
        rows = []
        for name in self.floating:
            if name == "b":
                rows.append(np.log1p(-(x ** self.parameters["c"])))
            else:
                rows.append(log_x ** (int(name[1:]) + 1))
        return np.array(rows)


@dataclass(frozen=True)
class Uncertainty:
    """A systematic uncertainty of the signal; one nuisance of the likelihood, shared by the channels it names."""

    name: str
    kind: str
    """``yield``: relative change of the rate."""
    channels: tuple[str, ...]
    m_gev: FloatArray
    relative: FloatArray
    """One standard deviation at each mass, linear between, constant beyond."""
    source: str
    status: str
    """``official``, ``recalled`` (from memory of the paper, unchecked) or ``assumed``."""

    def at(self, m_gev: FloatArray | float) -> FloatArray:
        """One standard deviation at masses in GeV."""
        return np.asarray(np.interp(m_gev, self.m_gev, self.relative))


@dataclass(frozen=True)
class Channel:
    """One lepton flavour of a search: spectrum, background and detector."""

    name: str
    lepton: str
    int_lumi_fb: float
    edges_gev: FloatArray
    n_obs: FloatArray
    bkg: FloatArray
    background: BackgroundFunction
    efficiency_m_gev: FloatArray
    efficiency: FloatArray
    """Selection efficiency inside the fiducial region."""
    response: Mapping[str, MassFunction]
    response_range_gev: tuple[float, float]
    """Masses where the response is tabulated; beyond, its relative shape is held."""


@dataclass(frozen=True)
class Fiducial:
    """Fiducial region of a generic limit."""

    pt_min_gev: float
    eta_max: float
    low_widths: float
    """True mass above M - low_widths * Gamma."""


@dataclass(frozen=True)
class Validation:
    """Published limits, for validation only."""

    channel: str
    mass_gev: FloatArray
    gamma_over_m: FloatArray
    limit_obs_fb: FloatArray
    limit_exp_fb: FloatArray


@dataclass(frozen=True)
class Search:
    """A recastable search."""

    id: str
    title: str
    label: str
    reference: str
    sqrt_s_gev: float
    mass_range_gev: tuple[float, float]
    """Pole masses the search covers."""
    fiducial: Fiducial
    channels: tuple[Channel, ...]
    uncertainties: tuple[Uncertainty, ...]
    validation: tuple[Validation, ...]
    notes: tuple[str, ...]
    """What of its input is approximate or unverified; results repeat it."""
    digest: str

    def channel(self, name: str) -> Channel:
        """A channel by name."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise UnknownName(f"channel of {self.id}", name, [c.name for c in self.channels])

    def check_mass(self, mass_gev: FloatArray | float) -> None:
        """RangeError that states the range unless every pole mass is inside it."""
        low, high = self.mass_range_gev
        masses = np.atleast_1d(np.asarray(mass_gev, dtype=float))
        bad = ~((masses >= low) & (masses <= high))
        if bad.any():
            raise RangeError(f"mass {masses[bad][0]:g} GeV is outside {self.id}: {low:g} to {high:g} GeV")


def list_searches() -> dict[str, Path]:
    """Analysis ids and their folders; a folder of the user's hides a shipped one of the same id."""
    found = {}
    for root in (shipped("analyses"), user_data_dir() / "analyses"):
        if root.is_dir():
            found.update({card.parent.name: card.parent for card in sorted(root.glob("*/card.toml"))})
    return dict(sorted(found.items()))


def load_search(search: str | Path | Search) -> Search:
    """A search by id, by folder, or itself. UnknownName or CardError if it is none."""
    return search if isinstance(search, Search) else read_search(find_search(search))


def find_search(search: str | Path) -> Path:
    """Folder of an analysis by id, or the folder itself; UnknownName if it is neither."""
    known = list_searches()
    if str(search) in known:
        return known[str(search)]
    if (Path(search) / "card.toml").is_file():
        return Path(search)
    raise UnknownName("analysis", str(search), known, "or give the path of its folder")


def read_search(folder: Path) -> Search:
    """A search from its folder; CardError names file, key, what was found and what was expected."""
    card = read_toml(folder / "card.toml")
    card.choice("kind", ("binned-likelihood",))
    collider, fiducial = card.section("collider"), card.section("fiducial")
    sqrt_s = collider.number("sqrt_s_gev", low=1.0)
    int_lumi = collider.number("int_lumi_fb", low=0.0)
    collider.finish()
    mass_range = card.numbers("mass_range_gev")
    if len(mass_range) != 2 or not 0 < mass_range[0] < mass_range[1]:
        raise card.fault("mass_range_gev", mass_range.tolist(), "two ascending masses > 0")
    sections = card.sections("channel")
    if not sections:
        raise card.fault("channel", "no such key", "at least one [[channel]]")
    channels = tuple(_read_channel(section, sqrt_s, int_lumi) for section in sections)
    names = [c.name for c in channels]
    if len(set(names)) != len(names):
        raise card.fault("channel", names, "different names")
    uncertainties = tuple(_read_uncertainty(section, names) for section in card.sections("uncertainty"))
    search = Search(
        id=card.text("id"),
        title=card.text("title"),
        label=card.text("label"),
        reference=card.text("reference"),
        sqrt_s_gev=sqrt_s,
        mass_range_gev=(float(mass_range[0]), float(mass_range[1])),
        fiducial=Fiducial(
            fiducial.number("pt_min_gev", low=0.0),
            fiducial.number("eta_max", low=0.0),
            fiducial.number("low_widths", low=0.0),
        ),
        channels=channels,
        uncertainties=uncertainties,
        validation=tuple(_read_validation(section) for section in card.sections("validation")),
        notes=tuple(card.texts("notes", [])),
        digest=digest(*sorted(p for p in folder.iterdir() if p.suffix in (".toml", ".csv"))),
    )
    fiducial.finish()
    card.finish()
    return search


def _read_channel(section: Section, sqrt_s_gev: float, int_lumi_fb: float) -> Channel:
    spectrum = section.file("spectrum")
    table = read_csv(spectrum, ("m_low_gev", "m_high_gev", "n_obs", "bkg"))
    low, high = table["m_low_gev"], table["m_high_gev"]
    if (np.diff(low) <= 0).any() or (high <= low).any():
        row = int(np.argmax((high <= low) | np.append(np.diff(low) <= 0, False)))
        raise CardError(spectrum, f"row {row + 1}", f"bin {low[row]:g} to {high[row]:g}", "ascending bins")
    if not np.allclose(low[1:], high[:-1], rtol=1e-9):
        row = int(np.argmax(~np.isclose(low[1:], high[:-1], rtol=1e-9)))
        raise CardError(
            spectrum,
            f"row {row + 2}",
            f"bin from {low[row + 1]:g}",
            f"the end of the bin before, {high[row]:g}",
        )
    for name in ("n_obs", "bkg"):
        if (table[name] < 0).any():
            row = int(np.argmax(table[name] < 0))
            raise CardError(spectrum, f"row {row + 1}, column {name}", f"{table[name][row]:g}", "a number >= 0")
    if (table["bkg"] == 0).any():
        raise CardError(spectrum, f"row {int(np.argmax(table['bkg'] == 0)) + 1}, column bkg", "0", "a number > 0")
    efficiency_file = section.file("efficiency")
    efficiency = read_csv(efficiency_file, ("m_ll_gev", "efficiency"))
    if (np.diff(efficiency["m_ll_gev"]) <= 0).any():
        raise CardError(efficiency_file, "column m_ll_gev", "masses out of order", "ascending masses")
    if not ((efficiency["efficiency"] >= 0) & (efficiency["efficiency"] <= 1)).all():
        raise CardError(efficiency_file, "column efficiency", "a value outside [0, 1]", "efficiencies in [0, 1]")
    response_range = section.numbers("response_range_gev")
    if len(response_range) != 2 or not 0 < response_range[0] < response_range[1]:
        raise section.fault("response_range_gev", response_range.tolist(), "two ascending masses > 0")
    channel = Channel(
        name=section.text("name"),
        lepton=section.choice("lepton", ("e", "mu", "tau")),
        int_lumi_fb=section.number("int_lumi_fb", int_lumi_fb, low=0.0),
        edges_gev=np.append(low, high[-1]),
        n_obs=table["n_obs"],
        bkg=table["bkg"],
        background=_read_background(section.section("background"), sqrt_s_gev),
        efficiency_m_gev=efficiency["m_ll_gev"],
        efficiency=efficiency["efficiency"],
        response=_read_response(section.file("response")),
        response_range_gev=(float(response_range[0]), float(response_range[1])),
    )
    section.finish()
    return channel


def _read_background(section: Section, sqrt_s_gev: float) -> BackgroundFunction:
    parameters = {name: section.number(name) for name in section.values if name in ("c", "b") or name[1:].isdigit()}
    for name in ("c", "b", "p0"):
        section.number(name)
    floating = tuple(section.texts("floating"))
    for name in floating:
        if name not in parameters or name == "c":
            raise section.fault("floating", name, f"some of {', '.join(p for p in parameters if p != 'c')}")
    function = BackgroundFunction(
        parameters,
        floating,
        sqrt_s_gev,
        section.number("m_z_gev", low=1.0),
        section.number("gamma_z_gev", low=0.0),
    )
    section.finish()
    return function


def _read_response(path: Path) -> Mapping[str, MassFunction]:
    table = read_csv(path, ("coefficient", "exponent"), ("parameter", "combine", "basis"))
    functions = {}
    for name in _RESPONSE_PARAMETERS:
        rows = [i for i, p in enumerate(table["parameter"]) if p == name]
        if not rows:
            raise CardError(
                path, "column parameter", f"no rows for {name}", f"rows for {', '.join(_RESPONSE_PARAMETERS)}"
            )
        combine = {table["combine"][i] for i in rows}
        bases = tuple(table["basis"][i] for i in rows)
        if len(combine) != 1 or not combine <= {"sum", "quadrature"}:
            raise CardError(path, f"column combine of {name}", ", ".join(sorted(combine)), "sum or quadrature")
        if not set(bases) <= {"m", "log_m", "exp"}:
            raise CardError(path, f"column basis of {name}", ", ".join(bases), "m, log_m or exp")
        functions[name] = MassFunction(combine.pop(), table["coefficient"][rows], bases, table["exponent"][rows])
    unknown = set(table["parameter"]) - set(_RESPONSE_PARAMETERS)
    if unknown:
        raise CardError(path, "column parameter", ", ".join(sorted(unknown)), f"only {', '.join(_RESPONSE_PARAMETERS)}")
    return functions


def _read_uncertainty(section: Section, channels: list[str]) -> Uncertainty:
    name, kind = section.text("name"), section.choice("kind", ("yield",))
    affected = tuple(section.texts("channels", channels))
    for channel in affected:
        if channel not in channels:
            raise section.fault("channels", channel, f"some of {', '.join(channels)}")
    masses, relative = section.numbers("m_gev", [1000.0]), section.numbers("relative")
    if len(masses) != len(relative) or len(masses) == 0 or (np.diff(masses) <= 0).any():
        raise section.fault("m_gev", masses.tolist(), f"{len(relative)} ascending masses, one per value of relative")
    if (relative < 0).any() or (relative >= 1).any():
        raise section.fault("relative", relative.tolist(), "numbers in [0, 1)")
    status = section.choice("status", ("official", "recalled", "assumed"))
    uncertainty = Uncertainty(name, kind, affected, masses, relative, section.text("source"), status)
    section.finish()
    return uncertainty


def _read_validation(section: Section) -> Validation:
    table = read_csv(section.file("limits"), ("mass_gev", "gamma_over_m", "limit_obs_fb", "limit_exp_fb"))
    channel = section.text("channel")
    section.finish()
    return Validation(channel, **table)
