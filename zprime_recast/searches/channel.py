"""One lepton flavour of a search: spectrum, background, efficiency and mass response, read from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..arrays import FloatArray, Quiet
from ..errors import CardError
from ..io.cards import Section, read_csv
from ..process.final_state import LEPTON_PAIRS, FinalState

_RESPONSE_PARAMETERS = ("mu_cb", "sigma_cb", "alpha_cb", "n_cb", "mu_g", "sigma_g", "kappa")
_TAILS = ("alpha_low", "n_low", "alpha_high", "n_high")
#: Default truncation of a response: |m_reco/m - 1|.
R_MAX = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class MassFunction(Quiet):
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


@dataclass(frozen=True, eq=False, repr=False)
class ResponseTable(Quiet):
    """Mass response as a mixture of double-sided Crystal Balls (or Gaussians), tabulated against the true mass."""

    names: tuple[str, ...]
    """Names of the components, such as years and categories."""
    m_gev: FloatArray
    """(n_masses,)."""
    share: FloatArray
    """Share of each component, (n_components, n_masses); sums to 1."""
    mean: FloatArray
    """Mean of m_reco/m - 1 of each component; shape as ``share``, like the arrays below."""
    sigma: FloatArray
    r_max: FloatArray
    """The response is truncated at |m_reco/m - 1| = r_max."""
    tails: Mapping[str, FloatArray]
    """alpha_low, n_low, alpha_high, n_high; empty for Gaussians."""


@dataclass(frozen=True)
class BackgroundFunction:
    """Smooth background shape of an ATLAS dilepton fit, and the parameters of it that float in our fit.

    shape(m) = BW(m) (1 - x^c)^b x^(p0 + p1 ln x + p2 ln^2 x + ...), x = m/sqrt(s), BW the non-relativistic
    Breit-Wigner of the Z; arXiv:1903.06248, section 6.
    """

    parameters: Mapping[str, float]
    floating: tuple[str, ...]
    sqrt_s_gev: float
    m_z_gev: float
    gamma_z_gev: float
    ranges: Mapping[str, float] = field(default_factory=dict)
    """One standard deviation by which floating parameters may leave their values; those not named are free."""

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


@dataclass(frozen=True, eq=False, repr=False)
class BackgroundTable(Quiet):
    """A predicted background with an uncertainty per bin.

    Each named source is fully correlated between all masses and has one nuisance. The rest of the uncertainty is
    correlated by exp(-(ln m1/m2)^2/(2 length^2)) between bins, which falls off with the distance in mass.
    """

    relative: FloatArray
    """Total relative uncertainty, (n_bins,)."""
    sources: Mapping[str, FloatArray]
    """Relative uncertainty from each fully correlated source, (n_bins,)."""
    correlation_length: float
    """Correlation length of the rest, in ln(mass)."""

    def at(self, log_mass: FloatArray, wanted: FloatArray) -> BackgroundTable:
        """The same uncertainties in other bins, linear in ln(mass) between the middles ``log_mass`` of these."""
        sources = {name: np.interp(wanted, log_mass, row) for name, row in self.sources.items()}
        return replace(self, relative=np.interp(wanted, log_mass, self.relative), sources=sources)


@dataclass(frozen=True, eq=False, repr=False)
class Axis(Quiet):
    """An observable a spectrum is binned in."""

    name: str
    edges: FloatArray
    """Ascending edges of the bins, (n_bins + 1,), in ``unit``."""
    unit: str = "GeV"


@dataclass(frozen=True, eq=False, repr=False)
class Channel(Quiet):
    """One lepton flavour of a search: spectrum, background and detector."""

    name: str
    final_state: FinalState
    int_lumi_fb: float
    axes: tuple[Axis, ...]
    """Observables of the spectrum; one today, the pair mass."""
    n_obs: FloatArray
    bkg: FloatArray
    background: BackgroundFunction | BackgroundTable
    efficiency_m_gev: FloatArray
    efficiency: FloatArray
    """Selection efficiency inside the fiducial region; acceptance times efficiency if limits are on the total rate."""
    response: Mapping[str, MassFunction] | ResponseTable
    response_range_gev: tuple[float, float]
    """Masses where the response is tabulated; beyond them its relative shape stays that at the nearest end."""

    @property
    def edges_gev(self) -> FloatArray:
        """Edges of the bins in pair mass, (n_bins + 1,)."""
        return self.axes[0].edges

    @property
    def centers_gev(self) -> FloatArray:
        """Middles of the bins, (n_bins,)."""
        return np.asarray(0.5 * (self.edges_gev[:-1] + self.edges_gev[1:]))


def read_channel(section: Section, sqrt_s_gev: float, int_lumi_fb: float) -> Channel:
    """Read a channel from its table in the card; CardError names file, key, what was found and what was expected."""
    spectrum, efficiency = read_spectrum(section), read_efficiency(section)
    response, response_range = read_response(section)
    channel = Channel(
        name=section.text("name"),
        final_state=LEPTON_PAIRS[section.choice("lepton", LEPTON_PAIRS)],
        int_lumi_fb=section.number("int_lumi_fb", int_lumi_fb, low=0.0),
        axes=(Axis("m_ll", np.append(spectrum["m_low_gev"], spectrum["m_high_gev"][-1])),),
        n_obs=spectrum["n_obs"],
        bkg=spectrum["bkg"],
        background=read_background(section, sqrt_s_gev),
        efficiency_m_gev=efficiency["m_ll_gev"],
        efficiency=efficiency["efficiency"],
        response=response,
        response_range_gev=response_range,
    )
    section.finish()
    return channel


def read_spectrum(section: Section) -> Mapping[str, FloatArray]:
    """Read the spectrum of a channel: columns m_low_gev, m_high_gev, n_obs, bkg."""
    return _read_spectrum(section.file("spectrum"))


def read_efficiency(section: Section) -> Mapping[str, FloatArray]:
    """Read the efficiency of a channel: columns m_ll_gev, efficiency."""
    path = section.file("efficiency")
    table = read_csv(path, ("m_ll_gev", "efficiency"))
    if (np.diff(table["m_ll_gev"]) <= 0).any():
        raise CardError(path, "column m_ll_gev", "masses out of order", "ascending masses")
    if not ((table["efficiency"] >= 0) & (table["efficiency"] <= 1)).all():
        raise CardError(path, "column efficiency", "a value outside [0, 1]", "efficiencies in [0, 1]")
    return table


def read_response(section: Section) -> tuple[Mapping[str, MassFunction] | ResponseTable, tuple[float, float]]:
    """Read the mass response of a channel, and the range of masses for which it is published."""
    form = section.choice("response_form", ("functions", "table"), "functions")
    path = section.file("response")
    if form == "table":
        table = _read_response_table(path)
        return table, (float(table.m_gev[0]), float(table.m_gev[-1]))
    masses = section.numbers("response_range_gev")
    if len(masses) != 2 or not 0 < masses[0] < masses[1]:
        raise section.fault("response_range_gev", masses.tolist(), "two ascending masses > 0")
    return _read_response_functions(path), (float(masses[0]), float(masses[1]))


def read_background(section: Section, sqrt_s_gev: float) -> BackgroundFunction | BackgroundTable:
    """Read the uncertainty of the background of a channel: a fit function, or a table."""
    background = section.section("background")
    if background.choice("form", ("function", "table"), "function") == "function":
        return _read_background(background, sqrt_s_gev)
    path = section.file("spectrum")
    return _read_background_table(background, path, _read_spectrum(path)["bkg"])


def _read_spectrum(path: Path) -> Mapping[str, FloatArray]:
    table = read_csv(path, ("m_low_gev", "m_high_gev", "n_obs", "bkg"))
    low, high = table["m_low_gev"], table["m_high_gev"]
    if (np.diff(low) <= 0).any() or (high <= low).any():
        row = int(np.argmax((high <= low) | np.append(np.diff(low) <= 0, False)))
        raise CardError(path, f"row {row + 1}", f"bin {low[row]:g} to {high[row]:g}", "ascending bins")
    if not np.allclose(low[1:], high[:-1], rtol=1e-9):
        row = int(np.argmax(~np.isclose(low[1:], high[:-1], rtol=1e-9)))
        expected = f"the end of the bin before, {high[row]:g}"
        raise CardError(path, f"row {row + 2}", f"bin from {low[row + 1]:g}", expected)
    for name in ("n_obs", "bkg"):
        if (table[name] < 0).any():
            row = int(np.argmax(table[name] < 0))
            raise CardError(path, f"row {row + 1}, column {name}", f"{table[name][row]:g}", "a number >= 0")
    if (table["bkg"] == 0).any():
        raise CardError(path, f"row {int(np.argmax(table['bkg'] == 0)) + 1}, column bkg", "0", "a number > 0")
    return table


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
        _read_ranges(section, floating),
    )
    section.finish()
    return function


def _read_ranges(section: Section, floating: tuple[str, ...]) -> dict[str, float]:
    """Ranges of floating parameters: the table ``range`` of a background, if there is one."""
    if "range" not in section.values:
        return {}
    ranges = section.section("range")
    found = {name: ranges.number(name, low=0.0) for name in list(ranges.values)}
    for name, size in found.items():
        if name not in floating or size == 0:
            raise ranges.fault(name, size, f"a number > 0 for some of {', '.join(floating)}")
    ranges.finish()
    return found


def _read_background_table(section: Section, spectrum: Path, bkg: FloatArray) -> BackgroundTable:
    """Columns ``bkg_uncertainty`` (total, events) and one per name in ``sources`` (events), in the spectrum's CSV."""
    names = tuple(section.texts("sources", []))
    table = read_csv(spectrum, ("bkg_uncertainty", *names))
    for name in ("bkg_uncertainty", *names):
        if (table[name] < 0).any():
            row = int(np.argmax(table[name] < 0))
            raise CardError(spectrum, f"row {row + 1}, column {name}", f"{table[name][row]:g}", "a number >= 0")
    total = table["bkg_uncertainty"]
    parts = np.sqrt(sum((table[name] ** 2 for name in names), np.zeros_like(total)))
    if (parts > total * (1 + 1e-6)).any():
        row = int(np.argmax(parts > total * (1 + 1e-6)))
        found = f"sources of {parts[row]:g} in quadrature"
        raise CardError(spectrum, f"row {row + 1}", found, f"at most the total, {total[row]:g}")
    length = section.number("correlation_length_log_mass", low=0.01)
    section.finish()
    return BackgroundTable(total / bkg, {name: table[name] / bkg for name in names}, length)


def _read_response_functions(path: Path) -> Mapping[str, MassFunction]:
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


def _read_response_table(path: Path) -> ResponseTable:
    """``m_ll_gev, sigma`` and, where the header has them, ``component, share, mean, r_max`` and the tails."""
    header = _header(path)
    optional = [name for name in ("share", "mean", "r_max", *_TAILS) if name in header]
    if any(name in header for name in _TAILS) and not set(_TAILS) <= set(header):
        raise CardError(path, "header", ", ".join(header), f"all of {', '.join(_TAILS)}, or none for a Gaussian")
    text = ["component"] if "component" in header else []
    table = read_csv(path, ("m_ll_gev", "sigma", *optional), text)
    names = table["component"] if text else ["all"] * len(table["sigma"])
    components = list(dict.fromkeys(names))
    rows = [np.array([i for i, n in enumerate(names) if n == c]) for c in components]
    masses = table["m_ll_gev"][rows[0]]
    for name, chosen in zip(components, rows, strict=True):
        if len(chosen) != len(masses) or not np.array_equal(table["m_ll_gev"][chosen], masses):
            raise CardError(path, f"component {name}", "other masses than the first component", "the same masses")
    if (np.diff(masses) <= 0).any() or masses[0] <= 0 or len(masses) < 2:
        raise CardError(path, "column m_ll_gev", "masses out of order or only one", "two or more ascending masses > 0")

    def column(name: str, default: float) -> FloatArray:
        values = table.get(name, np.full(len(names), default))
        return np.stack([values[chosen] for chosen in rows])

    share = column("share", 1.0 / len(components))
    if (share < 0).any() or not np.allclose(share.sum(axis=0), 1.0, atol=1e-3):
        worst = int(np.argmax(np.abs(share.sum(axis=0) - 1)))
        found = f"a sum of {share.sum(axis=0)[worst]:g} at {masses[worst]:g} GeV"
        raise CardError(path, "column share", found, "shares >= 0 that sum to 1")
    limits = {"sigma": 0.0, "r_max": 0.0, "alpha_low": 0.0, "alpha_high": 0.0, "n_low": 1.0, "n_high": 1.0}
    for name, low in limits.items():
        if name in table and (table[name] <= low).any():
            raise CardError(path, f"column {name}", f"{table[name].min():g}", f"numbers > {low:g}")
    tails = {name: column(name, 0.0) for name in _TAILS} if _TAILS[0] in header else {}
    return ResponseTable(
        names=tuple(components),
        m_gev=masses,
        share=share / share.sum(axis=0),
        mean=column("mean", 0.0),
        sigma=column("sigma", 0.0),
        r_max=column("r_max", R_MAX),
        tails=tails,
    )


def _header(path: Path) -> list[str]:
    """Column names of a CSV; an unreadable or empty file is explained by read_csv."""
    read_csv(path, ())
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#")
    return [name.strip() for name in next(lines).split(",")]
