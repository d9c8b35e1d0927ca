"""Indirect detection (section 3.3): sigma v today, and its tau+ tau- share against Fermi-LAT and H.E.S.S. limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, Quiet, checked_positive
from ..io.cards import read_csv
from ..io.paths import shipped
from ..io.results import Result
from ..model.zprime import ZprimeModel
from .relic import sigma_v_at_rest_cm3_s


@dataclass(frozen=True, eq=False, repr=False)
class IndirectDetection(Result):
    """sigma v today in cm^3/s, averaged over pairs of chi and chibar (half that of chi chibar).

    Limits on self-conjugate dark matter apply to this average. Arrays have the broadcast shape of the inputs.
    """

    sigma_v_cm3_s: FloatArray
    branching_ratios: dict[str, FloatArray]
    """Share of each final state of chi chibar; the shares sum to 1."""
    sigma_v_tautau_cm3_s: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class TauLimit(Quiet):
    """Upper limit at 95 % CL on sigma v into tau+ tau-, tabulated at a few masses."""

    experiment: str
    reference: str
    mass_gev: FloatArray
    sigma_v_cm3_s: FloatArray

    def limit_cm3_s(self, m_chi_gev: ArrayLike) -> FloatArray:
        """Limit in cm^3/s with the shape of ``m_chi_gev`` (GeV), interpolated log-log; inf outside the table."""
        m = checked_positive("m_chi", m_chi_gev)
        value = np.exp(np.interp(np.log(m), np.log(self.mass_gev), np.log(self.sigma_v_cm3_s)))
        return np.where((m < self.mass_gev[0]) | (m > self.mass_gev[-1]), np.inf, value)


def indirect_detection(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, m_chi_gev: ArrayLike | None = None
) -> IndirectDetection:
    """sigma v today and the shares of its final states. The inputs broadcast.

    Z' mass and chi mass (None for that of the card) are in GeV. InputError for values that are not > 0 or a model
    without chi.
    """
    channels = sigma_v_at_rest_cm3_s(model, mass_gev, coupling, m_chi_gev)
    total = np.asarray(sum(channels.values()))
    with np.errstate(invalid="ignore"):
        shares = {name: np.where(total > 0, value / total, 0.0) for name, value in channels.items()}
    tau = channels.get("tau", np.zeros_like(total))
    return IndirectDetection(total / 2, shares, tau / 2)


@cache
def tau_limits() -> tuple[TauLimit, ...]:
    """Limits in ``data/indirect/tautau_limits.csv``; CardError if the file is broken."""
    path = shipped("data") / "indirect" / "tautau_limits.csv"
    table = read_csv(path, ("mass_gev", "sigma_v_cm3_s"), ("experiment", "reference"))
    names = np.asarray(table["experiment"])
    limits = []
    for name in dict.fromkeys(table["experiment"]):
        rows = names == name
        reference = table["reference"][int(np.argmax(rows))]
        limits.append(TauLimit(name, reference, table["mass_gev"][rows], table["sigma_v_cm3_s"][rows]))
    return tuple(limits)


def tau_margin(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, m_chi_gev: ArrayLike | None = None
) -> dict[str, FloatArray]:
    """Limit on sigma v(tau+ tau-) over its prediction, by experiment; inf where there is no limit.

    Values above 1 are not excluded. Arguments are those of :func:`indirect_detection`.
    """
    chi = model.parameter("m_chi") if m_chi_gev is None else m_chi_gev
    predicted = indirect_detection(model, mass_gev, coupling, m_chi_gev).sigma_v_tautau_cm3_s
    with np.errstate(divide="ignore"):
        return {limit.experiment: limit.limit_cm3_s(chi) / predicted for limit in tau_limits()}
