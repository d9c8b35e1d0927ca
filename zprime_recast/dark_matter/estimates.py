r"""Estimates given in the paper: sigma v at leading order in v, eqs. (3.3) and (3.5), and the relic density (3.6).

They are for comparison; the exact results do not use them. Each raises an error where it does not apply: (3.3) on the
pole, where thermal motion matters, and (3.5) below its threshold.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..errors import RangeError
from ..model.zprime import ZprimeModel
from ..units import GEV2_TO_CM3_PER_S
from .annihilation import DARK_MATTER, Points, channel_mass_gev, channels, make_points
from .cosmology import DEFAULT_DOF, PLANCK_MASS_PAPER_GEV, degrees_of_freedom

#: x = m_chi/T, typical of freeze-out, at which :func:`on_pole` compares thermal motion with the distance to the pole.
_X_TYPICAL: Final = 25.0


def on_pole(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, m_chi_gev: ArrayLike | None = None
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    r"""Whether a point is so near the pole that eq. (3.3) does not apply; a boolean array. Inputs (GeV) broadcast.

    Thermal motion at x = 25, s = 4 m^2 + 6 m T, there moves s by more than its distance to the pole,
    :math:`|4m_\chi^2 - M^2|` and :math:`M\Gamma/2` added in quadrature, and the expansion in v breaks down.
    """
    points = make_points(model, mass_gev, coupling, m_chi_gev)
    return _on_pole(points).reshape(points.shape)


def _on_pole(points: Points) -> np.ndarray[Any, np.dtype[np.bool_]]:
    m2, mass = points.m_chi_gev**2, points.mass_gev
    distance = np.hypot(4 * m2 - mass**2, mass * points.gamma_gev / 2)
    return np.asarray(distance < 6 * m2 / _X_TYPICAL)


def sigma_v_fermions_cm3_s(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, m_chi_gev: ArrayLike | None = None
) -> dict[str, FloatArray]:
    """<sigma v> of chi chibar -> f fbar in cm^3/s at leading order in v, by fermion; eq. (3.3).

    The inputs (masses in GeV) broadcast. Fermion masses are neglected, as in the paper; 0 if heavier than chi.
    RangeError on the pole (:func:`on_pole`).
    """
    points = make_points(model, mass_gev, coupling, m_chi_gev)
    pole = _on_pole(points)
    if pole.any():
        i = int(np.argmax(pole))
        raise RangeError(
            f"eq. (3.3) does not apply on the pole: m_Z' {points.mass_gev[i]:g} GeV, 2 m_chi "
            f"{2 * points.m_chi_gev[i]:g} GeV; use the exact relic density"
        )
    m, mass = points.m_chi_gev, points.mass_gev
    propagator = (4 * m**2 - mass**2) ** 2 + (points.gamma_gev * mass) ** 2
    left, right = model.couplings(DARK_MATTER)
    common = (left + right) ** 2 / (8 * np.pi) * points.coupling**4 * m**2 / propagator * GEV2_TO_CM3_PER_S
    result = {}
    for name in channels(points):
        if name not in points.states:  # eq. (3.3) is of fermions
            continue
        f = points.states[name]
        states = f.states * (f.g_left**2 + f.g_right**2)
        is_open = channel_mass_gev(points, name) < m
        result[name] = np.where(is_open, states * common, 0.0).reshape(points.shape)
    return result


def sigma_v_diboson_cm3_s(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, m_chi_gev: ArrayLike | None = None
) -> FloatArray:
    """<sigma v> of chi chibar -> Z'Z' in cm^3/s at leading order in v; eq. (3.5).

    The inputs (masses in GeV) broadcast. RangeError unless m_Z' < m_chi.
    """
    points = make_points(model, mass_gev, coupling, m_chi_gev)
    closed = points.mass_gev >= points.m_chi_gev
    if closed.any():
        i = int(np.argmax(closed))
        raise RangeError(
            f"eq. (3.5) needs m_Z' < m_chi, found m_Z' {points.mass_gev[i]:g} GeV, m_chi {points.m_chi_gev[i]:g} GeV"
        )
    return _diboson(points).reshape(points.shape)


def _diboson(points: Points) -> FloatArray:
    """<sigma v> of eq. (3.5) in cm^3/s, 0 where the channel is closed."""
    m2, mass2, g4 = points.m_chi_gev**2, points.mass_gev**2, points.coupling**4
    left, right = points.model.couplings(DARK_MATTER)
    plus, minus = (right + left) ** 2, (right - left) ** 2
    r = np.minimum(mass2 / m2, 1.0)
    couplings = 8 * g4 * plus * minus * m2 + (minus**2 + plus**2 - 6 * minus * plus) * g4 * mass2
    value = (1 - r) ** 1.5 / (1 - r / 2) ** 2 * couplings / (256 * np.pi * m2 * mass2)
    return np.asarray(value * GEV2_TO_CM3_PER_S)


def relic_density_estimate(
    model: ZprimeModel,
    mass_gev: ArrayLike,
    coupling: ArrayLike,
    t_freeze_out_gev: ArrayLike,
    m_chi_gev: ArrayLike | None = None,
    *,
    dof: str = DEFAULT_DOF,
) -> FloatArray:
    """Omega h^2 estimated by eq. (3.6), with sigma v from (3.3) and, where Z'Z' is open, (3.5).

    The inputs broadcast. RangeError on the pole; InputError unless all are > 0.

    Arguments:
        model: model with a Dirac fermion ``chi``.
        mass_gev: Z' mass in GeV.
        coupling: gauge coupling g.
        t_freeze_out_gev: freeze-out temperature in GeV.
        m_chi_gev: mass of chi in GeV; the default is that of the card.
        dof: table of degrees of freedom, ``drees`` or ``saikawa``.
    """
    t = checked_positive("t_freeze_out_gev", t_freeze_out_gev)
    fermions = sum(sigma_v_fermions_cm3_s(model, mass_gev, coupling, m_chi_gev).values())
    points = make_points(model, mass_gev, coupling, m_chi_gev)
    sigma_v = (fermions + _diboson(points).reshape(points.shape)) / GEV2_TO_CM3_PER_S
    m = points.m_chi_gev.reshape(points.shape)
    g_star = degrees_of_freedom(dof).g_eff(t)
    return np.asarray(2.5e28 * m / (t * PLANCK_MASS_PAPER_GEV**2 * np.sqrt(g_star) * sigma_v))
