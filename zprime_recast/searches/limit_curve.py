"""Searches known only by a limit: a coupling from a published cross-section limit, without a likelihood.

The curve is a limit on sigma x BR (times a constant acceptance, if the experiment left it in) of a final state at some
relative widths, or the ratio of a limit to the Z'_SSM rate. The latter times our own Z'_SSM rate is a limit in which
most of what is uncertain in the rate cancels. The rate of a model is the narrow-width one. Between tabulated masses the
limit is interpolated in logarithms, between tabulated widths linearly in the width; the narrowest one holds for all
below it (there the detector decides), and beyond the widest there is no limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..errors import CardError, RangeError
from ..io.cards import FloatArray, digest, read_csv, read_toml
from ..model.card import load_model
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel, checked_positive, perturbative_coupling
from ..partons.luminosity import LuminosityTable
from ..partons.nuisances import TheoryNuisances
from ..process.cross_section import sigma_br_narrow
from .spectrum import Uncertainty, Validation, find_search

#: Fermions of each final state a curve may be for; ``ll`` is one charged-lepton flavour.
FINAL_STATES = {"ll": ("e",), "tautau": ("tau",), "jj": ("u", "d", "s", "c", "b"), "tt": ("t",), "bb": ("b",)}

_COUPLINGS = 300


@dataclass(frozen=True)
class LimitCurve:
    """A published limit against mass and relative width."""

    id: str
    title: str
    label: str
    reference: str
    sqrt_s_gev: float
    final_state: str
    acceptance: float
    """What the limit has not divided out: it is on sigma x BR x acceptance."""
    mass_gev: FloatArray
    """(n,)."""
    gamma_over_m: FloatArray
    """(w,)."""
    limit_obs: FloatArray
    """fb, or over the Z'_SSM rate; (n, w), NaN where not published."""
    limit_exp: FloatArray
    """The same for the median expected one."""
    over_ssm: bool
    gamma_over_m_max: float
    """Largest relative width the limit is taken to hold for."""
    notes: tuple[str, ...]
    digest: str
    uncertainties: tuple[Uncertainty, ...] = ()
    validation: tuple[Validation, ...] = ()

    @property
    def mass_range_gev(self) -> tuple[float, float]:
        """Pole masses of the curve."""
        return float(self.mass_gev[0]), float(self.mass_gev[-1])

    def check_mass(self, mass_gev: ArrayLike) -> None:
        """RangeError that states the range unless every pole mass is inside it."""
        low, high = self.mass_range_gev
        masses = np.atleast_1d(np.asarray(mass_gev, dtype=float))
        bad = ~((masses >= low) & (masses <= high))
        if bad.any():
            raise RangeError(f"mass {masses[bad][0]:g} GeV is outside {self.id}: {low:g} to {high:g} GeV")

    def at(self, mass_gev: ArrayLike, gamma_over_m: ArrayLike) -> FloatArray:
        """Observed and expected limit, (2, *broadcast); NaN beyond the tabulated masses and widths."""
        mass, width = np.broadcast_arrays(np.asarray(mass_gev, dtype=float), np.asarray(gamma_over_m, dtype=float))
        columns = np.empty((2, len(self.gamma_over_m), *mass.shape))
        for row, table in zip(columns, (self.limit_obs, self.limit_exp), strict=True):
            for i, values in enumerate(table.T):
                known = np.isfinite(values)
                row[i] = np.nan
                if known.any():
                    x, y = np.log(self.mass_gev[known]), np.log(values[known])
                    row[i] = np.exp(np.interp(np.log(mass), x, y, left=np.nan, right=np.nan))
        grid = self.gamma_over_m
        k = np.clip(np.searchsorted(grid, width, side="right") - 1, 0, max(len(grid) - 2, 0))
        above = np.minimum(k + 1, len(grid) - 1)
        step = grid[above] - grid[k]
        t = np.clip(np.divide(width - grid[k], step, out=np.zeros_like(step), where=step > 0), 0.0, 1.0)
        low, high = (np.take_along_axis(columns, i[None, None], axis=1)[:, 0] for i in (k, above))
        limit = np.where(t > 0, low + t * (high - low), low)
        return np.where(width <= self.gamma_over_m_max * (1 + 1e-9), limit, np.nan)


@dataclass(frozen=True)
class FoldedCurve:
    """A limit curve with the luminosities that turn a model into a rate; takes the place of a folded search."""

    search: LimitCurve
    lumi: LuminosityTable
    theory: TheoryNuisances | None = None
    """Always None: a limit curve has no nuisances."""
    ssm: ZprimeModel = field(default_factory=lambda: load_model("ssm"))

    @cached_property
    def unit_fb(self) -> FloatArray:
        """Z'_SSM rate at the masses of the curve in fb, or 1."""
        if not self.search.over_ssm:
            return np.ones_like(self.search.mass_gev)
        assert self.ssm.reference_coupling is not None
        return sigma_br_narrow(self.ssm, self.search.mass_gev, self.ssm.reference_coupling, self.lumi)

    def limit_fb(self, mass_gev: ArrayLike, gamma_over_m: ArrayLike) -> FloatArray:
        """Observed and expected limit on sigma x BR in fb, (2, *broadcast)."""
        unit = np.exp(np.interp(np.log(mass_gev), np.log(self.search.mass_gev), np.log(self.unit_fb)))
        limit: FloatArray = self.search.at(mass_gev, gamma_over_m) * unit / self.search.acceptance
        return limit

    def rate_fb(self, model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike) -> FloatArray:
        """sigma x BR of the model into the final state in fb, narrow-width; mass and coupling broadcast."""
        fermions = FINAL_STATES[self.search.final_state]
        return np.asarray(sum(sigma_br_narrow(model, mass_gev, coupling, self.lumi, f) for f in fermions))


def signal_over_limit(curve: FoldedCurve, model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike) -> FloatArray:
    """Rate over limit, observed and expected, (2, *broadcast); excluded above 1, NaN where there is no limit."""
    mass, g = checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling)
    width = decay_widths(model, mass, g).total_gev / mass
    ratio: FloatArray = curve.rate_fb(model, mass, g) / curve.limit_fb(mass, width)
    return ratio


def coupling_at_limit(curve: FoldedCurve, model: ZprimeModel, mass_gev: ArrayLike) -> FloatArray:
    """g_95 observed and expected, (2, n_masses): from there on every coupling with a limit is excluded, up to the
    perturbative one or the widest published width; NaN where none is.
    """
    mass = np.atleast_1d(checked_positive("mass_gev", mass_gev))
    g_max = perturbative_coupling(model)
    grid = np.geomspace(1e-4 * g_max, g_max, _COUPLINGS)
    ratio = signal_over_limit(curve, model, mass, grid[:, None])
    below = ~(ratio >= 1) & np.isfinite(ratio)
    # the last coupling that is not excluded; the next must have a limit
    last = _COUPLINGS - 1 - np.argmax(below[:, ::-1], axis=1)
    after = np.minimum(last + 1, _COUPLINGS - 1)
    found = np.take_along_axis(ratio, after[:, None], axis=1)[:, 0] >= 1
    found &= np.isfinite(np.take_along_axis(ratio, last[:, None], axis=1)[:, 0]) & below.any(axis=1)
    low, high = np.log(grid[last]), np.log(grid[after])
    for _ in range(50):
        middle = 0.5 * (low + high)
        both = [signal_over_limit(curve, model, mass, np.exp(middle[side]))[side] for side in (0, 1)]
        over = np.stack(both) >= 1
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.where(found, np.exp(high), np.nan)


def curve_coupling(curve: LimitCurve, model: ZprimeModel, lumi: LuminosityTable) -> FloatArray:
    """Observed g_95 at the masses of the curve (n,); NaN where nothing is excluded."""
    return np.asarray(coupling_at_limit(FoldedCurve(curve, lumi), model, curve.mass_gev)[0])


def read_limit_curve(folder: Path) -> LimitCurve:
    """A limit curve from its folder; CardError names file, key, what was found and what was expected."""
    card = read_toml(folder / "card.toml")
    card.choice("kind", ("limit-curve",))
    path = card.file("curve")
    over_ssm = card.choice("limit_on", ("sigma_br", "sigma_br_over_ssm"), "sigma_br") == "sigma_br_over_ssm"
    mass, widths, observed, expected = _read_table(path)
    widest = card.number("gamma_over_m_max", float(widths[-1]), low=float(widths[-1]), high=1.0)
    curve = LimitCurve(
        id=card.text("id"),
        title=card.text("title"),
        label=card.text("label"),
        reference=card.text("reference"),
        sqrt_s_gev=card.number("sqrt_s_gev", low=1.0),
        final_state=card.choice("final_state", FINAL_STATES),
        acceptance=card.number("acceptance", 1.0, low=1e-6, high=1.0),
        mass_gev=mass,
        gamma_over_m=widths,
        limit_obs=observed,
        limit_exp=expected,
        over_ssm=over_ssm,
        gamma_over_m_max=widest,
        notes=tuple(card.texts("notes", [])),
        digest=digest(folder / "card.toml", path),
    )
    card.finish()
    return curve


def _read_table(path: Path) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Masses (n,), widths (w,), observed and expected limits (n, w) of a CSV in any order of rows."""
    table = read_csv(path, ("mass_gev", "gamma_over_m"), blank=("limit_obs", "limit_exp"))
    for name in ("limit_obs", "limit_exp"):
        if (table[name] <= 0).any():
            raise CardError(path, f"column {name}", f"{np.nanmin(table[name]):g}", "numbers > 0, or empty cells")
    masses, row = np.unique(table["mass_gev"], return_inverse=True)
    widths, column = np.unique(table["gamma_over_m"], return_inverse=True)
    if masses[0] <= 0 or widths[0] < 0:
        raise CardError(
            path, "columns mass_gev, gamma_over_m", f"{masses[0]:g}, {widths[0]:g}", "masses > 0, widths >= 0"
        )
    if len(masses) < 2:
        raise CardError(path, "column mass_gev", "one mass", "two or more")
    if len(set(zip(row, column, strict=True))) < len(row):
        raise CardError(path, "rows", "the same mass and width twice", "one row each")
    limits = np.full((2, len(masses), len(widths)), np.nan)
    limits[0, row, column], limits[1, row, column] = table["limit_obs"], table["limit_exp"]
    return masses, widths, limits[0], limits[1]


def find_limit_curve(analysis: str | Path) -> LimitCurve | None:
    """The limit curve of an analysis id or folder; None if it is of another kind."""
    folder = find_search(analysis)
    card = read_toml(folder / "card.toml")
    return read_limit_curve(folder) if card.text("kind") == "limit-curve" else None
