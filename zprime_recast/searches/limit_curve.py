"""Searches that published only a limit on a cross-section: limits on couplings without a likelihood.

The curve is a limit on sigma x BR (times a constant acceptance, if the experiment left it in) of a final state at some
relative widths, or the ratio of a limit to the Z'_SSM rate. This ratio is multiplied by our own Z'_SSM rate, so that
most uncertainties of the rate cancel. The rate of a model is taken in the narrow-width approximation. The limit is
interpolated between tabulated masses in logarithms, and between tabulated widths linearly in the width. For widths
below the narrowest one, where the detector resolution dominates, the limit is that for the narrowest; beyond the widest
there is no limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, Quiet
from ..errors import CardError
from ..io.cards import digest, read_csv, read_toml
from ..process.final_state import FINAL_STATES, FinalState
from .inputs import Input
from .spectrum import Uncertainty, Validation

#: Final states a curve may be for.
CURVE_STATES = ("ll", "tautau", "jj", "tt", "bb")


@dataclass(frozen=True, eq=False, repr=False)
class LimitCurve(Quiet):
    """A published limit against mass and relative width."""

    id: str
    title: str
    label: str
    reference: str
    sqrt_s_gev: float
    final_state: FinalState
    acceptance: float
    """Acceptance that the limit still contains: it is a limit on sigma x BR x acceptance."""
    mass_gev: FloatArray
    """Tabulated masses, (n,), ascending."""
    gamma_over_m: FloatArray
    """Tabulated relative widths, (w,), ascending."""
    limit_obs: FloatArray
    """Observed limit in fb, or over the Z'_SSM rate, (n, w); NaN where not published."""
    limit_exp: FloatArray
    """Median expected limit, in the units and the shape of ``limit_obs``."""
    over_ssm: bool
    gamma_over_m_max: float
    """Largest relative width at which the limit is used."""
    notes: tuple[str, ...]
    digest: str
    uncertainties: tuple[Uncertainty, ...] = ()
    inputs: tuple[Input, ...] = ()
    validation: tuple[Validation, ...] = ()
    kind: str = "limit-curve"

    @property
    def mass_range_gev(self) -> tuple[float, float]:
        """Lowest and highest pole mass of the curve."""
        return float(self.mass_gev[0]), float(self.mass_gev[-1])

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


def read_limit_curve(folder: Path) -> LimitCurve:
    """Read a limit curve from its folder; CardError names file, key, what was found and what was expected."""
    card = read_toml(folder / "card.toml")
    card.choice("kind", ("limit-curve",))
    path = card.file("curve")
    over_ssm = card.choice("limit_on", ("sigma_br", "sigma_br_over_ssm"), "sigma_br") == "sigma_br_over_ssm"
    mass, widths, observed, expected = _read_table(path)
    widest = card.number("gamma_over_m_max", float(widths[-1]), low=float(widths[-1]), high=1.0)
    if widest == 0:
        remedy = "the largest Gamma/M for which this limit on a narrow resonance is used, such as 0.01"
        raise card.fault("gamma_over_m_max", "no width above 0 in the table either", remedy)
    curve = LimitCurve(
        id=card.text("id"),
        title=card.text("title"),
        label=card.text("label"),
        reference=card.text("reference"),
        sqrt_s_gev=card.number("sqrt_s_gev", low=1.0),
        final_state=FINAL_STATES[card.choice("final_state", CURVE_STATES)],
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
