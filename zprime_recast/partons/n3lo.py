"""QCD beyond NNLO: tabulated ratio of the corrected luminosities at N3LO to those at NNLO.

The table of ``data/kfactors`` was computed with n3loxs (arXiv:2209.06138) and CT18NNLO, all partonic channels, for
photon couplings; the ratio (0.986 at 200 GeV, 1.01 at 4 TeV, 1.08 at 8 TeV) is used for every flavour and PDF set.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache

import numpy as np

from ..arrays import FloatArray
from ..errors import InputError
from ..io.paths import shipped

#: Orders of the corrected luminosities; each includes those before it.
ORDERS = ("lo", "nlo", "nnlo", "n3lo")
#: Scale choices (mu_F/M, mu_R/M) of the seven-point variation, the central one first.
SEVEN_POINTS = ((1.0, 1.0), (0.5, 0.5), (0.5, 1.0), (1.0, 0.5), (1.0, 2.0), (2.0, 1.0), (2.0, 2.0))
#: Scale choices for which N3LO is tabulated.
DIAGONAL_POINTS = ((1.0, 1.0), (0.5, 0.5), (2.0, 2.0))

_FILE = "neutral_current_dy_n3lo_ct18nnlo.csv"


def checked_order(order: str) -> str:
    """Return the order if it is one of ORDERS; InputError otherwise."""
    if order not in ORDERS:
        raise InputError(f"order must be one of {', '.join(ORDERS)}, found {order!r}")
    return order


def scale_points(order: str) -> tuple[tuple[float, float], ...]:
    """Scale choices (mu_F/M, mu_R/M) available at an order, the central one first."""
    return DIAGONAL_POINTS if checked_order(order) == "n3lo" else SEVEN_POINTS


def tabulated_range_gev(sqrt_s_gev: float) -> tuple[float, float]:
    """Masses between which N3LO is tabulated; InputError at an energy that has no table."""
    energies = sorted({energy for energy, _ in _table()})
    if not energies[0] <= sqrt_s_gev <= energies[-1]:
        raise InputError(
            f"n3lo is tabulated for sqrt(s) = {energies[0]:g} to {energies[-1]:g} GeV, not {sqrt_s_gev:g}; "
            "use the order nnlo"
        )
    # the tables end at 0.62 sqrt(s) and begin at 200 GeV
    ends = [(m[0], m[-1] / energy) for (energy, _), (m, _) in _table().items()]
    return max(low for low, _ in ends), min(high for _, high in ends) * sqrt_s_gev


def n3lo_over_nnlo(mass_gev: FloatArray, sqrt_s_gev: float, mu_over_m: float = 1.0) -> FloatArray:
    """LQ(N3LO)/LQ(NNLO) at masses in GeV and mu_F = mu_R, (*mass.shape).

    Splines in ln M; between the energies of the table linear in ln sqrt(s) at fixed M/sqrt(s). Beyond the tabulated
    masses the ratio keeps the value at the nearest end. InputError for an energy or a scale without a table.
    """
    mass = np.asarray(mass_gev, dtype=float)
    tabulated_range_gev(sqrt_s_gev)
    if (mu_over_m, mu_over_m) not in DIAGONAL_POINTS:
        known = ", ".join(f"{f:g}" for f, _ in DIAGONAL_POINTS)
        raise InputError(f"n3lo is tabulated for mu_F/M = mu_R/M = {known}, not {mu_over_m:g}")
    energies = sorted({energy for energy, _ in _table()})
    i = int(np.clip(np.searchsorted(energies, sqrt_s_gev), 1, len(energies) - 1))
    low, high = energies[i - 1], energies[i]
    share = np.log(sqrt_s_gev / low) / np.log(high / low)
    at = [_at_energy(_table()[e, mu_over_m], mass * e / sqrt_s_gev) for e in (low, high)]
    return np.asarray((1 - share) * at[0] + share * at[1])


def _at_energy(column: tuple[FloatArray, FloatArray], mass: FloatArray) -> FloatArray:
    from scipy.interpolate import CubicSpline

    m, ratio = column
    return np.asarray(CubicSpline(np.log(m), ratio)(np.log(np.clip(mass, m[0], m[-1]))))


@cache
def _table() -> Mapping[tuple[float, float], tuple[FloatArray, FloatArray]]:
    """Masses and ratio per energy (GeV) and scale (mu_F/M = mu_R/M)."""
    with (shipped("data") / "kfactors" / _FILE).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    columns: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for row in rows:
        assert row["mu_f_over_m"] == row["mu_r_over_m"]
        key = (float(row["sqrt_s_GeV"]), float(row["mu_f_over_m"]))
        columns.setdefault(key, []).append((float(row["mass_GeV"]), float(row["k_n3lo"]) / float(row["k_nnlo"])))
    return {key: (np.array(c)[:, 0], np.array(c)[:, 1]) for key, c in columns.items()}
