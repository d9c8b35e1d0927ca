"""Indirect detection: sigma v today and its tau+ tau- share against Fermi-LAT and H.E.S.S. limits; section 3.3."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..io.cards import read_csv
from ..io.paths import shipped
from ..model.zprime import ZprimeModel
from .relic import sigma_v_at_rest_cm3_s


@dataclass(frozen=True)
class IndirectDetection:
    """sigma v today in cm^3/s, averaged over pairs of chi and chibar (half that of chi chibar).

    That is the number limits for self-conjugate dark matter apply to. Arrays of the broadcast shape of the inputs.
    """

    sigma_v_cm3_s: FloatArray
    branching_ratios: dict[str, FloatArray]
    """Share of each final state of chi chibar; they sum to 1."""
    sigma_v_tautau_cm3_s: FloatArray


@dataclass(frozen=True)
class TauLimit:
    """A 95 % CL upper limit on sigma v into tau+ tau-, at a few masses."""

    experiment: str
    reference: str
    mass_gev: FloatArray
    sigma_v_cm3_s: FloatArray

    def limit_cm3_s(self, m_chi_gev: ArrayLike) -> FloatArray:
        """Log-log between the masses, shape of ``m_chi_gev``; inf (no limit) outside their range."""
        m = checked_positive("m_chi", m_chi_gev)
        value = np.exp(np.interp(np.log(m), np.log(self.mass_gev), np.log(self.sigma_v_cm3_s)))
        return np.where((m < self.mass_gev[0]) | (m > self.mass_gev[-1]), np.inf, value)


def indirect_detection(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, m_chi_gev: ArrayLike | None = None
) -> IndirectDetection:
    """sigma v today; Z' mass and chi mass (the card's if None) in GeV. Inputs broadcast; InputError as elsewhere."""
    channels = sigma_v_at_rest_cm3_s(model, mass_gev, coupling, m_chi_gev)
    total = np.asarray(sum(channels.values()))
    with np.errstate(invalid="ignore"):
        shares = {name: np.where(total > 0, value / total, 0.0) for name, value in channels.items()}
    tau = channels.get("tau", np.zeros_like(total))
    return IndirectDetection(total / 2, shares, tau / 2)


@cache
def tau_limits() -> tuple[TauLimit, ...]:
    """The limits of ``data/indirect/tautau_limits.csv``; CardError if it is broken."""
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
    """Limit over predicted sigma v(tau+ tau-) per experiment: how many times weaker than needed; inf without limit."""
    chi = model.parameter("m_chi") if m_chi_gev is None else m_chi_gev
    predicted = indirect_detection(model, mass_gev, coupling, m_chi_gev).sigma_v_tautau_cm3_s
    with np.errstate(divide="ignore"):
        return {limit.experiment: limit.limit_cm3_s(chi) / predicted for limit in tau_limits()}
