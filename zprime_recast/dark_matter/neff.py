r"""Dark radiation: decoupling of the massless omega and its contribution to N_eff, eqs. (3.9)-(3.11).

**Rate equation** (:func:`decoupling`): omega decouples where :math:`\Gamma = n_\omega\langle\sigma v\rangle` falls
below H(T), with the thermal average of the exact sigma(omega omegabar -> f fbar) for massive final states, and g(T)
from a table. Quarks count only above the QCD crossover. The Z' is treated as a contact interaction (T << M).

**Closed form** (:func:`decoupling_estimate`): eq. (3.10), solved with the tabulated g(T).

There are two values of Delta N_eff. Eq. (3.9), :math:`[11/(2g)]^{4/3}`, transfers all entropy after decoupling to the
photons and counts 2 degrees of freedom below the electron mass. Keeping the share of the neutrinos (h = 43/4 when they
decouple) gives :math:`[43/(4h)]^{4/3}`, 2.4 times as much. Both are returned; ``delta_neff`` is eq. (3.9).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..errors import InputError, RangeError
from ..io.results import Result
from ..model.card import load_model
from ..model.zprime import QUARKS, Fermion, ZprimeModel
from .annihilation import fermion_states
from .cosmology import (
    DEFAULT_DOF,
    H_EFF_NEUTRINO_DECOUPLING,
    PLANCK_MASS_PAPER_GEV,
    DegreesOfFreedom,
    degrees_of_freedom,
)

#: Name of the massless fermion on a card.
DARK_RADIATION: Final = "omega"
#: Pseudo-critical temperature of QCD in GeV; HotQCD, Phys. Lett. B 795 (2019) 15, arXiv:1812.08235.
T_QCD_GEV: Final = 0.1565
#: Mean energy of a massless fermion over T, 7 pi^4/(180 zeta(3)); it is 3 for Maxwell-Boltzmann statistics.
_MEAN_ENERGY: Final = 3.15137
_ZETA3: Final = 1.2020569031595942
#: Range of temperatures of the rate table in GeV.
_T_RANGE: Final = (1e-3, 1e4)
#: The contact interaction is used for M above this times T, where s < M^2/4 except in the tail.
_CONTACT: Final = 10.0


@dataclass(frozen=True, eq=False, repr=False)
class Decoupling(Result):
    """Decoupling of omega; arrays have the broadcast shape of mass and coupling."""

    t_freeze_out_gev: FloatArray
    g_star: FloatArray
    """g_eff at decoupling."""
    delta_neff: FloatArray
    """Delta N_eff by eq. (3.9)."""
    delta_neff_entropy: FloatArray
    """Delta N_eff = [43/(4 h)]^(4/3), with the neutrinos keeping their share of the entropy."""


def dark_radiation_fermion(model: ZprimeModel) -> Fermion:
    """The massless Weyl fermion ``omega`` of a model; InputError if there is none."""
    for fermion in model.fermions:
        if fermion.name == DARK_RADIATION and fermion.kind == "weyl":
            return fermion
    raise InputError(f"model {model.id} has no dark radiation: add a weyl [[dark]] fermion '{DARK_RADIATION}'")


def decoupling(
    model: ZprimeModel | str, mass_gev: ArrayLike, coupling: ArrayLike, *, dof: str = DEFAULT_DOF
) -> Decoupling:
    """Decoupling of omega from the rate equation. Z' mass (GeV) and coupling broadcast; ``dof`` names a table.

    InputError for values that are not > 0 or a model without omega; RangeError if omega decouples outside
    1 MeV - 10 TeV, or above M/10, where the contact interaction does not hold.
    """
    model = load_model(model)
    mass, g = np.broadcast_arrays(checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling))
    dark_radiation_fermion(model)
    table = degrees_of_freedom(dof)
    t, unit = _rate_table(model)
    # Gamma/H at (M/g) = 1 GeV grows with T; it is (M/g)^4 at decoupling
    ratio = np.log(unit / table.hubble_gev(t))
    wanted = 4 * np.log(mass / g)
    _check_range(wanted, ratio, mass / g)
    found = np.exp(np.interp(wanted, ratio, np.log(t)))
    if (mass < _CONTACT * found).any():
        i = np.unravel_index(int(np.argmin(mass / found)), mass.shape)
        raise RangeError(
            f"omega would decouple at {found[i]:g} GeV, above m_Z'/{_CONTACT:g} = {mass[i] / _CONTACT:g} GeV: "
            "where the Z' is not a contact interaction; take a larger coupling"
        )
    return _result(found, table)


def decoupling_estimate(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, *, dof: str = DEFAULT_DOF
) -> Decoupling:
    r"""Decoupling of omega by the closed form (3.10), solved with the tabulated g(T).

    It reads :math:`T^3 = 2.16\sqrt g M^4/(M_{Pl} g_{BL}^4 \sum_f N_c (q_L^2 + q_R^2))`.

    The sum runs over the Standard Model fermions except the top. Arguments and errors are those of :func:`decoupling`.
    """
    mass, g = np.broadcast_arrays(checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling))
    dark_radiation_fermion(model)
    table = degrees_of_freedom(dof)
    light = [f for f in model.fermions if f.name != "t" and not f.mass_parameter and f.name != DARK_RADIATION]
    charges = sum(f.multiplicity * f.colors * sum(q**2 for q in model.couplings(f.name)) for f in light)
    t = np.geomspace(*_T_RANGE, 400)
    ratio = np.log(t**3 * PLANCK_MASS_PAPER_GEV * charges / (2.16 * np.sqrt(table.g_eff(t))))
    wanted = 4 * np.log(mass / g)
    _check_range(wanted, ratio, mass / g)
    return _result(np.exp(np.interp(wanted, ratio, np.log(t))), table)


def _check_range(wanted: FloatArray, ratio: FloatArray, scale: FloatArray) -> None:
    outside = (wanted < ratio[0]) | (wanted > ratio[-1])
    if outside.any():
        low, high = np.exp(ratio[0] / 4), np.exp(ratio[-1] / 4)
        raise RangeError(
            f"omega decouples outside {_T_RANGE[0] * 1e3:g} MeV - {_T_RANGE[1] / 1e3:g} TeV: m_Z'/coupling must be in "
            f"[{low:.3g}, {high:.3g}] GeV, found {scale[outside].flat[0]:.3g}"
        )


def _result(t: FloatArray, table: DegreesOfFreedom) -> Decoupling:
    g_star = table.g_eff(t)
    return Decoupling(
        t_freeze_out_gev=np.asarray(t),
        g_star=g_star,
        delta_neff=np.asarray((11 / (2 * g_star)) ** (4 / 3)),
        delta_neff_entropy=np.asarray((H_EFF_NEUTRINO_DECOUPLING / table.h_eff(t)) ** (4 / 3)),
    )


@cache
def _laguerre() -> tuple[FloatArray, FloatArray]:
    return np.polynomial.laguerre.laggauss(48)


def interaction_rate_gev(model: ZprimeModel, t_gev: ArrayLike, mass_gev: ArrayLike, coupling: ArrayLike) -> FloatArray:
    """Rate n_omega <sigma v> in GeV of omega omegabar -> f fbar at temperature T (GeV), in the contact interaction.

    The inputs (Z' mass in GeV) broadcast. The sum runs over all fermions except omega, with their masses; quarks count
    only above the QCD crossover. InputError for values that are not > 0.
    """
    t = checked_positive("t_gev", t_gev)
    mass, g = checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling)
    return np.asarray(_unit_rate(model, t) * (g / mass) ** 4)


@cache
def _rate_nodes() -> tuple[FloatArray, FloatArray]:
    r"""Gauss-Laguerre nodes y = sqrt(s)/T and weights for :math:`\frac{1}{16}\int dy\,y^4 K_1(y)\,\sigma`."""
    from scipy.special import k1e

    y, weight = _laguerre()
    return y, weight * k1e(y) * y**4 / 16


def _unit_rate(model: ZprimeModel, t_gev: FloatArray) -> FloatArray:
    r"""Rate times (M/g)^4 in GeV^5, with the shape of ``t_gev``.

    omega has one helicity, so sigma = 48 pi Gamma_omega(s) Gamma_f(s)/M^4 at unit coupling, with eq. (3.4) at virtual
    mass sqrt(s). The average is (1/16) int dy y^4 K_1(y) sigma(y T) for massless Maxwell-Boltzmann states, times the
    squared ratio of the mean energies of Fermi-Dirac and Maxwell-Boltzmann statistics, which is exact for sigma ~ s.
    The density is n = 3 zeta(3) T^3/(4 pi^2) per omega. Quark widths are at tree level whatever ``qcd_widths`` is: at
    sqrt(s) ~ 3 T thermal QCD corrections are as large as those in vacuum, which alone would not improve the rate.
    """
    t = np.asarray(t_gev, dtype=float)[..., None]
    y, weight = _rate_nodes()
    energy = y * t
    final = np.zeros_like(energy)
    states = fermion_states(model)
    for name, state in states.items():
        if name != DARK_RADIATION:
            free = t > T_QCD_GEV if name in QUARKS else True
            final += np.where(free, state.width_gev(energy), 0.0)
    sigma = 48 * np.pi * states[DARK_RADIATION].width_gev(energy) * final
    average = (sigma * weight).sum(axis=-1) * (_MEAN_ENERGY / 3) ** 2
    density = 3 * _ZETA3 / (4 * np.pi**2) * t[..., 0] ** 3
    return np.asarray(density * average)


def _rate_table(model: ZprimeModel) -> tuple[FloatArray, FloatArray]:
    """Temperatures (GeV) and the rate times (M/g)^4 at them (GeV^5)."""
    t = np.geomspace(*_T_RANGE, 400)
    return t, _unit_rate(model, t)
