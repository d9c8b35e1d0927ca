"""Figure 2 of arXiv:1707.08606: the (m_Z', g) plane for given dark-matter masses, with LHC and dark-matter limits.

The LHC limit is a callable that takes the model with its chi mass set and returns an :class:`LhcLimit`
(``cli/summary.py`` makes one from ``contour``), so that both sides use the same width of the Z'.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import BoolArray, FloatArray, Quiet, checked_positive
from ..dark_matter.cosmology import OMEGA_H2_OBSERVED
from ..dark_matter.direct import coupling_at_limit, experiments
from ..dark_matter.relic import relic_density
from ..errors import InputError, UnknownName
from ..io.files import write_text
from ..io.json import json_text, jsonable
from ..model.zprime import ZprimeModel, perturbative_coupling

#: Data sets: the direct-detection limit that fills the excluded region, and further limits drawn as lines.
ERAS: Final = {
    "paper": ("lux_2016", ("xenon1t_2018", "projection_lz_1000d")),
    "current": ("lz_2024", ("lux_2016", "projection_darwin_200ty")),
}
#: Default numbers of masses (a third of them close to 2 m_chi) and of couplings.
DEFAULT_GRID: Final = (150, 120)


@dataclass(frozen=True, eq=False, repr=False)
class LhcLimit(Quiet):
    """The limit g_95 (n,) at ascending Z' masses (n,) in GeV; NaN where no coupling is excluded.

    Nothing is excluded outside the range of the masses. Between a mass with a limit and one without, the limit rises to
    the largest coupling that was looked at.
    """

    mass_gev: FloatArray
    coupling_95: FloatArray
    coupling_max: FloatArray | None = None
    """Largest coupling a limit was looked for at, (n,); None: the limit ends at the last mass that has one."""
    label: str = "LHC"
    provenance: dict[str, Any] = field(default_factory=dict)

    def excludes(self, mass_gev: FloatArray, coupling: FloatArray) -> BoolArray:
        """Whether the LHC excludes each point (the arguments broadcast); ln g_95 is interpolated linearly in mass."""
        with np.errstate(invalid="ignore"):
            limit = np.exp(np.interp(mass_gev, *self.outline, left=np.nan, right=np.nan))
            return np.asarray(coupling > limit)

    @property
    def outline(self) -> tuple[FloatArray, FloatArray]:
        """Masses (m,) in GeV and ln of the lower edge of the excluded region, (m,); NaN where there is none.

        The edge is closed: where the limit ends it rises to ``coupling_max`` at the neighbouring mass without a limit.
        """
        log_g = np.log(self.coupling_95)
        if self.coupling_max is None:
            return self.mass_gev, log_g
        known = np.isfinite(log_g)
        beside = ~known & (np.concatenate([known[1:], [False]]) | np.concatenate([[False], known[:-1]]))
        return self.mass_gev, np.where(beside, np.log(self.coupling_max), log_g)


LhcSource = Callable[[ZprimeModel], LhcLimit]


@dataclass(frozen=True, eq=False, repr=False)
class Panel(Quiet):
    """The plane for one chi mass; regions are boolean arrays of shape (masses, couplings)."""

    m_chi_gev: float
    mass_gev: FloatArray
    coupling: FloatArray
    omega_h2: FloatArray
    """Relic density, (masses, couplings)."""
    direct_coupling: dict[str, FloatArray]
    """Coupling at which each experiment sets its limit, (masses,)."""
    direct_id: str
    """The experiment whose limit counts as an exclusion."""
    lines: tuple[str, ...]
    """Further experiments, drawn as lines."""
    lhc: LhcLimit | None
    coupling_perturbative: float

    @property
    def overabundant(self) -> BoolArray:
        """Where chi would exceed the observed dark-matter density."""
        return self.omega_h2 > OMEGA_H2_OBSERVED

    @property
    def excluded_direct(self) -> BoolArray:
        """Where the experiment ``direct_id`` excludes, assuming as the paper does that chi is all of dark matter."""
        return self.reached_by(self.direct_id)

    @property
    def excluded_lhc(self) -> BoolArray:
        """Where the LHC excludes; nowhere if there is no LHC limit."""
        if self.lhc is None:
            return np.zeros(self.omega_h2.shape, dtype=bool)
        return self.lhc.excludes(self.mass_gev[:, None], self.coupling[None, :])

    @property
    def non_perturbative(self) -> BoolArray:
        """Where g q_max > sqrt(2 pi)."""
        return np.broadcast_to(self.coupling > self.coupling_perturbative, self.omega_h2.shape)

    @property
    def allowed(self) -> BoolArray:
        """Where nothing excludes."""
        return ~(self.overabundant | self.excluded_direct | self.excluded_lhc | self.non_perturbative)

    def reached_by(self, experiment: str) -> BoolArray:
        """Where an experiment excludes, or is projected to."""
        return np.asarray(self.coupling[None, :] > self.direct_coupling[experiment][:, None])


@dataclass(frozen=True)
class Summary:
    """The panels of figure 2, one per chi mass."""

    model: ZprimeModel
    panels: tuple[Panel, ...]
    era: str
    provenance: dict[str, Any]


def default_masses(m_chi_gev: float, count: int = DEFAULT_GRID[0]) -> FloatArray:
    """Z' masses in GeV from min(500 GeV, m_chi) to 10 TeV + 2 m_chi, the axis of the paper, denser near 2 m_chi."""
    high = 1e4 + 2 * m_chi_gev
    low = min(500.0, m_chi_gev)
    pole = 2 * m_chi_gev * (1 + np.linspace(-1, 1, count // 3) ** 3 * 0.3)
    return np.unique(np.concatenate([np.linspace(low, high, count - pole.size), pole[pole > low]]))


def default_couplings(model: ZprimeModel, count: int = DEFAULT_GRID[1]) -> FloatArray:
    """Couplings up to 1.4 times the perturbativity bound (0.7 for the elusive Z'), denser at small values."""
    return np.linspace(0.05, 1.0, count) ** 2 * 1.4 * perturbative_coupling(model)


def panel(
    model: ZprimeModel,
    m_chi_gev: float,
    *,
    era: str = "paper",
    lhc: LhcSource | LhcLimit | None = None,
    grid: tuple[int, int] = DEFAULT_GRID,
    mass_gev: ArrayLike | None = None,
    coupling: ArrayLike | None = None,
) -> Panel:
    """Compute the plane for one chi mass.

    Arguments:
        model: a model with a parameter ``m_chi``.
        m_chi_gev: mass of chi in GeV.
        era: key of :data:`ERAS`.
        lhc: an LHC limit, or a function that computes it for the model with its chi mass set; None for no LHC limit.
        grid: numbers of masses and couplings of the default axes.
        mass_gev: ascending Z' masses in GeV; default: the axis of the paper.
        coupling: ascending couplings; default: the axis of the paper.

    UnknownName for an unknown era, InputError for an axis that is not ascending or not > 0.
    """
    if era not in ERAS:
        raise UnknownName("era", era, ERAS)
    card = model.with_parameters(m_chi=m_chi_gev)
    masses = (
        default_masses(m_chi_gev, grid[0])
        if mass_gev is None
        else np.atleast_1d(checked_positive("mass_gev", mass_gev))
    )
    couplings = (
        default_couplings(card, grid[1]) if coupling is None else np.atleast_1d(checked_positive("coupling", coupling))
    )
    for name, axis in (("mass_gev", masses), ("coupling", couplings)):
        if axis.ndim != 1 or (np.diff(axis) <= 0).any():
            raise InputError(f"{name} of a plane must be a list of ascending numbers")
    relic = relic_density(card, masses[:, None], couplings[None, :])
    filled, lines = ERAS[era]
    known = experiments()
    return Panel(
        m_chi_gev=float(m_chi_gev),
        mass_gev=masses,
        coupling=couplings,
        omega_h2=relic.omega_h2,
        direct_coupling={n: coupling_at_limit(card, e.limit_cm2(m_chi_gev), masses) for n, e in known.items()},
        direct_id=filled,
        lines=lines,
        lhc=lhc(card) if callable(lhc) else lhc,
        coupling_perturbative=perturbative_coupling(card),
    )


def summary(
    model: ZprimeModel,
    dm_masses_gev: Sequence[float],
    *,
    era: str = "paper",
    lhc: LhcSource | LhcLimit | None = None,
    grid: tuple[int, int] = DEFAULT_GRID,
    on_panel: Callable[[Panel], None] | None = None,
    provenance: dict[str, Any] | None = None,
) -> Summary:
    """Compute figure 2 for any chi masses.

    Arguments:
        model: a model with a parameter ``m_chi``.
        dm_masses_gev: masses of chi in GeV, one per panel.
        era: key of :data:`ERAS`.
        lhc: an LHC limit, or a function that computes it for the model with its chi mass set; None for no LHC limit.
        grid: numbers of masses and couplings of each panel, at least 10 each.
        on_panel: called with each finished panel.
        provenance: entries to add to the provenance of the result.

    UnknownName for an unknown era, InputError for an empty list of masses or too small a grid.
    """
    if not dm_masses_gev:
        raise InputError("give at least one dark-matter mass")
    if min(grid) < 10:
        raise InputError(f"a grid needs at least 10 x 10 cells, found {grid[0]} x {grid[1]}")
    panels = []
    for m_chi in dm_masses_gev:
        panels.append(panel(model, m_chi, era=era, lhc=lhc, grid=grid))
        if on_panel:
            on_panel(panels[-1])
    used = {
        e.id: e.reference for e in experiments().values() if e.id in {p.direct_id for p in panels} | set(ERAS[era][1])
    }
    content = {"model": model.id, "digest": model.digest(), "era": era, "direct_detection": used}
    return Summary(model, tuple(panels), era, content | (provenance or {}))


def summary_json(result: Summary) -> dict[str, Any]:
    """The lines of the figure as JSON-able values; null where there is no limit."""
    values = {
        "provenance": result.provenance,
        "omega_h2_observed": OMEGA_H2_OBSERVED,
        "panels": [_panel_json(p) for p in result.panels],
    }
    return dict(jsonable(values))


def _panel_json(p: Panel) -> dict[str, Any]:
    return {
        "m_chi_gev": p.m_chi_gev,
        "mass_gev": p.mass_gev,
        "coupling_perturbative": p.coupling_perturbative,
        "coupling_direct": p.direct_coupling,
        "excluded_by_direct": p.direct_id,
        "coupling_relic_ranges": relic_ranges(p),
        "lhc": p.lhc
        and {
            "label": p.lhc.label,
            "mass_gev": p.lhc.mass_gev,
            "coupling_95_observed": p.lhc.coupling_95,
            "provenance": p.lhc.provenance,
        },
        "allowed_mass_range_gev": _range(p.mass_gev[p.allowed.any(axis=1)]),
        "allowed_coupling_range": _range(p.coupling[p.allowed.any(axis=0)]),
    }


def relic_ranges(p: Panel) -> list[list[tuple[float, float]]]:
    """For each mass, the coupling ranges where Omega h^2 is below the observed value.

    The edges are interpolated linearly in ln g and ln(Omega h^2).
    """
    excess, log_g = np.log(p.omega_h2 / OMEGA_H2_OBSERVED), np.log(p.coupling)
    found = []
    for row in excess:
        change = np.nonzero(np.diff(row > 0))[0]
        share = row[change] / (row[change] - row[change + 1])
        edges = [*np.exp(log_g[change] + share * (log_g[change + 1] - log_g[change])).tolist()]
        if row[0] <= 0:
            edges.insert(0, float(p.coupling[0]))
        if len(edges) % 2:
            edges.append(float(p.coupling[-1]))
        found.append(list(zip(edges[::2], edges[1::2], strict=True)))
    return found


def _range(values: FloatArray) -> list[float] | None:
    return [float(values.min()), float(values.max())] if values.size else None


_COLUMNS = ("m_chi_gev", "mass_gev", "coupling", "omega_h2", "overabundant", "excluded_direct", "excluded_lhc")


def summary_csv(result: Summary) -> str:
    """The planes as CSV text: one row per mass and coupling, the regions as 0 or 1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, "non_perturbative", "allowed"])
    for p in result.panels:
        writer.writerows(_cells(p))
    return text.getvalue()


def _cells(p: Panel) -> Iterator[list[str]]:
    regions = np.stack([p.overabundant, p.excluded_direct, p.excluded_lhc, p.non_perturbative, p.allowed]).astype(int)
    for i, mass in enumerate(p.mass_gev):
        for k, g in enumerate(p.coupling):
            numbers = (f"{p.m_chi_gev:g}", f"{mass:.6g}", f"{g:.6g}", f"{p.omega_h2[i, k]:.6g}")
            yield [*numbers, *(str(flag) for flag in regions[:, i, k])]


def write_summary(result: Summary, folder: Path) -> list[Path]:
    """Write summary.json and summary.csv, each whole or not at all; OutputError if one cannot be written."""
    return [
        write_text(folder / "summary.json", json_text(summary_json(result)) + "\n"),
        write_text(folder / "summary.csv", summary_csv(result)),
    ]
