r"""Direct detection: spin-independent scattering through the Z', eqs. (3.7) and (3.8), and experimental limits.

The vector charges of the valence quarks add up to b_p = 2 g_V^u + g_V^d and b_n = g_V^u + 2 g_V^d. For any model

.. math:: \sigma_N = \frac{\mu_{\chi N}^2}{\pi}\,\left(\frac{g_V^\chi\, b_N}{M^2}\right)^2, \qquad
          \sigma_{SI} = \frac{\mu_{\chi N}^2}{\pi}
          \left(\frac{g_V^\chi}{M^2}\,\frac{Z b_p + (A - Z) b_n}{A}\right)^2 \text{ for xenon.}

For B-L, with b_p = b_n = g and g_V^chi = 9 g/2, this is eq. (3.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, Quiet, checked_positive
from ..errors import InputError, UnknownName
from ..io.cards import read_csv, read_toml
from ..io.paths import shipped
from ..io.results import Result
from ..model.card import load_model
from ..model.zprime import ZprimeModel
from ..units import CM2_PER_PB, GEV2_TO_CM2
from .annihilation import DARK_MATTER, make_points

#: Mean of proton and neutron mass in GeV, PDG 2024.
NUCLEON_MASS_GEV: Final = 0.93892
#: Xenon: protons, and mean mass number of the natural element (IUPAC 2021).
XENON_Z, XENON_A = 54, 131.293


@dataclass(frozen=True, eq=False, repr=False)
class DirectDetection(Result):
    """Spin-independent cross sections in cm^2; arrays of the broadcast shape of mass, coupling and chi mass."""

    m_chi_gev: FloatArray
    sigma_si_cm2: FloatArray
    """Cross section per nucleon in xenon, as experiments quote it."""
    sigma_proton_cm2: FloatArray
    sigma_neutron_cm2: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class Experiment(Quiet):
    """A limit on the spin-independent cross section at 90 % CL."""

    id: str
    label: str
    reference: str
    kind: str
    """``observed``, ``projected`` or ``fog`` (the neutrino fog)."""
    mass_gev: FloatArray
    sigma_cm2: FloatArray

    def limit_cm2(self, m_chi_gev: ArrayLike) -> FloatArray:
        """Upper limit in cm^2, with the shape of ``m_chi_gev`` (GeV), interpolated log-log.

        Above the last row of the table it grows in proportion to the mass; below the first there is no limit: inf.
        InputError unless masses are > 0.
        """
        m = checked_positive("m_chi", m_chi_gev)
        inside = np.exp(np.interp(np.log(m), np.log(self.mass_gev), np.log(self.sigma_cm2)))
        above = np.maximum(m / self.mass_gev[-1], 1.0)
        return np.where(m < self.mass_gev[0], np.inf, inside * above)


def direct_detection(
    model: ZprimeModel | str, mass_gev: ArrayLike, coupling: ArrayLike, m_chi_gev: ArrayLike | None = None
) -> DirectDetection:
    """Spin-independent cross sections on nucleons, eq. (3.7) generalised to any charges. The inputs broadcast.

    Z' mass and chi mass (None for that of the card) are in GeV. Axial couplings do not contribute. InputError for
    values that are not > 0 or a model without chi.
    """
    model = load_model(model)
    points = make_points(model, mass_gev, coupling, m_chi_gev)

    def vector(name: str) -> float:
        return sum(model.couplings(name)) / 2

    proton, neutron = 2 * vector("u") + vector("d"), vector("u") + 2 * vector("d")
    nucleon = (XENON_Z * proton + (XENON_A - XENON_Z) * neutron) / XENON_A
    m = points.m_chi_gev
    reduced = m * NUCLEON_MASS_GEV / (m + NUCLEON_MASS_GEV)
    strength = points.coupling**2 * vector(DARK_MATTER) / points.mass_gev**2
    common = (reduced**2 / np.pi * strength**2 * GEV2_TO_CM2).reshape(points.shape)
    return DirectDetection(
        m_chi_gev=m.reshape(points.shape),
        sigma_si_cm2=common * nucleon**2,
        sigma_proton_cm2=common * proton**2,
        sigma_neutron_cm2=common * neutron**2,
    )


def v1_bound_gev(model: ZprimeModel, sigma_si_cm2: ArrayLike, m_chi_gev: ArrayLike) -> FloatArray:
    """Smallest v_1 = M/g (GeV) for which sigma_SI, eq. (3.7), stays below a limit in cm^2; eq. (3.8).

    The inputs broadcast. InputError unless they are > 0.
    """
    limit = checked_positive("sigma_si_cm2", sigma_si_cm2)
    unit = direct_detection(model, 1.0, 1.0, m_chi_gev).sigma_si_cm2
    return np.asarray((unit / limit) ** 0.25)


def v1_bound_estimate_gev(sigma_si_cm2: ArrayLike) -> FloatArray:
    """Bound on v_1 in GeV from eq. (3.8) as printed, (2.2e9/sigma[pb])^(1/4), for a limit on sigma_SI in cm^2."""
    return np.asarray((2.2e9 / (checked_positive("sigma_si_cm2", sigma_si_cm2) / CM2_PER_PB)) ** 0.25)


def coupling_at_limit(
    model: ZprimeModel, limit_cm2: ArrayLike, mass_gev: ArrayLike, m_chi_gev: ArrayLike | None = None
) -> FloatArray:
    """Coupling at which sigma_SI, eq. (3.7), equals a limit in cm^2; inf where the limit is inf.

    The inputs broadcast. InputError if the model has no spin-independent scattering.
    """
    unit = direct_detection(model, mass_gev, 1.0, m_chi_gev).sigma_si_cm2
    if (unit <= 0).any():
        raise InputError(f"model {model.id} has no spin-independent scattering")
    return np.asarray((np.asarray(limit_cm2, dtype=float) / unit) ** 0.25)


@cache
def experiments() -> dict[str, Experiment]:
    """Limits in ``data/direct_detection`` by id, in order of publication; CardError if a table is broken."""
    folder = shipped("data") / "direct_detection"
    card = read_toml(folder / "experiments.toml")
    found = {}
    for name in card.values:
        if name == "schema":
            continue
        section = card.section(name)
        table = read_csv(folder / f"{name}.csv", ("mass_gev", "sigma_si_cm2"))
        found[name] = Experiment(
            id=name,
            label=section.text("label"),
            reference=section.text("reference"),
            kind=section.choice("kind", ("observed", "projected", "fog")),
            mass_gev=table["mass_gev"],
            sigma_cm2=table["sigma_si_cm2"],
        )
        section.finish()
    return found


def experiment(name: str) -> Experiment:
    """Look up a limit by id; UnknownName if there is none."""
    known = experiments()
    if name not in known:
        raise UnknownName("direct-detection limit", name, known)
    return known[name]


def excluded_by(
    sigma_si_cm2: ArrayLike, m_chi_gev: ArrayLike, *, fraction: ArrayLike = 1.0, kind: str = "observed"
) -> dict[str, np.ndarray]:
    """Whether sigma_SI (cm^2) times ``fraction`` exceeds the limit of each experiment of the given ``kind``, by id.

    ``fraction`` is the share of chi in dark matter. The inputs broadcast, and the arrays have their common shape.
    InputError unless 0 < fraction <= 1.
    """
    share = checked_positive("fraction", fraction)
    if (share > 1).any():
        raise InputError(f"fraction must be at most 1, found {share.max():g}")
    sigma = np.asarray(sigma_si_cm2, dtype=float) * share
    return {e.id: sigma > e.limit_cm2(m_chi_gev) for e in experiments().values() if e.kind == kind}
