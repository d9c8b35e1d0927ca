r"""Relic density of chi from the Boltzmann equation with the exact thermal average.

For Y = (n_chi + n_chibar)/s, x = m_chi/T and <sigma v>/2 (chi and chibar are distinct):

.. math:: \frac{dY}{dx} = -\lambda(x)\,(Y^2 - Y_{eq}^2), \qquad
          \lambda = \sqrt{\frac{\pi}{45}}\,\frac{M_{Pl}\, m_\chi}{x^2}\, g_*^{1/2}\,\frac{\langle\sigma v\rangle}{2}

Gondolo, Gelmini, Nucl. Phys. B 360 (1991) 145. Chi is assumed to stay in kinetic equilibrium and to have no asymmetry.
This is a Riccati equation for Z = Y/Y_eq. Each step in ln x is solved exactly with coefficients taken at its middle, so
the stiff early phase does not need small steps; Richardson extrapolation from two step sizes removes the leading error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from ..arrays import FloatArray, Quiet
from ..errors import InputError, RangeError, UnknownName
from ..io.results import Result
from ..model.card import load_model
from ..model.zprime import ZprimeModel
from ..units import GEV2_TO_CM3_PER_S
from .annihilation import ZZ, Points, channels, diboson, fermion_sum, make_points
from .cosmology import (
    CRITICAL_DENSITY_GEV_CM3,
    DEFAULT_DOF,
    ENTROPY_DENSITY_TODAY_CM3,
    OMEGA_H2_OBSERVED,
    PLANCK_MASS_GEV,
    DegreesOfFreedom,
    degrees_of_freedom,
)
from .thermal import thermal_average

#: Internal degrees of freedom of chi and chibar together.
G_DARK_MATTER: Final = 4
#: Freeze-out is defined by Y = 2.5 Y_eq, as in micrOMEGAs.
FREEZE_OUT_RATIO: Final = 2.5
#: The full equation is solved from the first x to the second, then d(1/Y) = lambda dx (Y_eq = 0) to the third.
_X_START, _X_SWITCH, _X_END = 2.0, 60.0, 1e6
_STEPS: Final = 128
#: Number of points solved at once.
_CHUNK: Final = 2048


@dataclass(frozen=True, eq=False, repr=False)
class RelicDensity(Result):
    """Relic density of chi. Every array has the broadcast shape of mass, coupling and chi mass."""

    m_chi_gev: FloatArray
    mass_gev: FloatArray
    coupling: FloatArray
    gamma_gev: FloatArray
    omega_h2: FloatArray
    """Omega h^2 of chi and chibar together; the observed value is 0.12."""
    x_freeze_out: FloatArray
    """m_chi/T where Y = 2.5 Y_eq."""
    t_freeze_out_gev: FloatArray
    sigma_v_freeze_out_cm3_s: FloatArray
    """<sigma v> of chi chibar at freeze-out."""
    sigma_v_today_cm3_s: FloatArray
    """sigma v at rest averaged over pairs of chi and chibar, half that of chi chibar, as in micrOMEGAs. Limits on
    self-conjugate dark matter apply to this average."""
    thermal: npt.NDArray[np.bool_]
    """False where chi was never in equilibrium at T < m_chi/2; ``omega_h2`` then assumes Y = Y_eq at T = m_chi/2."""

    @property
    def fraction(self) -> FloatArray:
        """Share of chi in dark matter: Omega h^2 over the observed value, at most 1."""
        return np.minimum(self.omega_h2 / OMEGA_H2_OBSERVED, 1.0)


def relic_density(
    model: ZprimeModel | str,
    mass_gev: ArrayLike,
    coupling: ArrayLike,
    m_chi_gev: ArrayLike | None = None,
    *,
    dof: str = DEFAULT_DOF,
    exclude: tuple[str, ...] = (),
) -> RelicDensity:
    """Relic density of chi. Z' mass, coupling and chi mass broadcast.

    InputError for values that are not > 0, a model without chi, or if chi cannot annihilate; RangeError if it
    freezes out after x = 60; UnknownName for an unknown table or final state.

    Arguments:
        model: model with a Dirac fermion ``chi``.
        mass_gev: Z' mass in GeV.
        coupling: gauge coupling g.
        m_chi_gev: mass of chi in GeV; the default is that of the card.
        dof: table of degrees of freedom, ``drees`` or ``saikawa``.
        exclude: final states to leave out of the annihilation; they still count in the width.
    """
    model = load_model(model)
    points = make_points(model, mass_gev, coupling, m_chi_gev)
    known = channels(points)
    for name in exclude:
        if name not in known:
            raise UnknownName("final state of chi chibar", name, known)
    only = tuple(name for name in known if name not in exclude)
    size = points.mass_gev.size
    parts = [_chunk(points.take(slice(i, i + _CHUNK)), only, dof) for i in range(0, size, _CHUNK)]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.empty(0)] * 5
    omega, x_f, sigma_v_f, today, thermal = (column.reshape(points.shape) for column in columns)
    m_chi, mass, g, gamma = (
        a.reshape(points.shape) for a in (points.m_chi_gev, points.mass_gev, points.coupling, points.gamma_gev)
    )
    return RelicDensity(
        m_chi_gev=m_chi,
        mass_gev=mass,
        coupling=g,
        gamma_gev=gamma,
        omega_h2=omega,
        x_freeze_out=x_f,
        t_freeze_out_gev=m_chi / x_f,
        sigma_v_freeze_out_cm3_s=sigma_v_f * GEV2_TO_CM3_PER_S,
        sigma_v_today_cm3_s=today * GEV2_TO_CM3_PER_S,
        thermal=thermal.astype(bool),
    )


def _chunk(points: Points, only: tuple[str, ...], dof: str) -> tuple[npt.NDArray[Any], ...]:
    """Columns of the result for a chunk of points.

    They are Omega h^2, x_f, <sigma v> at x_f, sigma v at rest averaged over pairs (both in GeV^-2), and whether chi was
    in equilibrium.
    """
    x = _x_nodes()
    average = thermal_average(points, x, only)
    closed = ~(average > 0).all(axis=1)
    if closed.any():
        i = int(np.argmax(closed))
        where = f"m_chi {points.m_chi_gev[i]:g} GeV, m_Z' {points.mass_gev[i]:g} GeV"
        raise InputError(f"model {points.model.id}: chi chibar has no open annihilation channel at {where}")
    omega, x_f, thermal = _solve(points, x, average, dof)
    log_x = np.log(x)
    at_freeze_out = [np.interp(u, log_x, row) for u, row in zip(np.log(x_f), np.log(average), strict=True)]
    at_rest = _at_rest(points)
    today = sum((at_rest[name] for name in only), np.zeros_like(omega)) / 2
    return omega, x_f, np.exp(at_freeze_out), today, thermal


@cache
def _x_nodes() -> FloatArray:
    """Values of x at which <sigma v> is computed: dense around freeze-out, sparse later."""
    return np.concatenate([np.geomspace(_X_START, 100.0, 48), np.geomspace(100.0, _X_END, 34)[1:]])


def _solve(
    points: Points, x: FloatArray, average: FloatArray, dof: str
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Omega h^2, x of freeze-out, and whether chi was in equilibrium, each of shape (points,)."""
    from scipy.interpolate import CubicSpline

    table = degrees_of_freedom(dof)
    m = points.m_chi_gev
    # lambda x, the rate per unit of ln x, at the nodes of x
    rate = np.sqrt(np.pi / 45) * PLANCK_MASS_GEV * m[:, None] / x * table.sqrt_g_star(m[:, None] / x) * average / 2
    log_rate = CubicSpline(np.log(x), np.log(rate), axis=1)
    early = [_freeze_out(m, table, log_rate, steps) for steps in (_STEPS, 2 * _STEPS)]
    # the error is of second order in the step size: Richardson extrapolation
    y_switch = np.exp((4 * early[1].log_y - early[0].log_y) / 3)
    tail_x = np.linspace(np.log(_X_SWITCH), np.log(_X_END), 201)
    simpson = np.ones(tail_x.size)
    simpson[1:-1:2], simpson[2:-1:2] = 4, 2
    late = np.exp(log_rate(tail_x)) @ simpson * (tail_x[1] - tail_x[0]) / 3
    y_today = 1 / (1 / y_switch + late)
    omega = m * y_today * ENTROPY_DENSITY_TODAY_CM3 / CRITICAL_DENSITY_GEV_CM3
    return omega, (4 * early[1].x_f - early[0].x_f) / 3, early[1].thermal


@dataclass(frozen=True, eq=False, repr=False)
class _FreezeOut(Quiet):
    log_y: FloatArray
    """ln Y at the last x of the early phase."""
    x_f: FloatArray
    thermal: npt.NDArray[np.bool_]


def _freeze_out(
    m_chi_gev: FloatArray, table: DegreesOfFreedom, log_rate: Callable[[FloatArray], FloatArray], steps: int
) -> _FreezeOut:
    """Solve the early phase, through freeze-out until Y_eq is negligible.

    With u = ln x, a = lambda x Y_eq and b = -d ln Y_eq/du, the equation is dZ/du = -a (Z^2 - 1) + b Z. Its fixed points
    are ``upper`` and ``lower``, and (Z - upper)/(Z - lower) decays as exp(-a (upper - lower) u).
    """
    edge = np.linspace(np.log(_X_START), np.log(_X_SWITCH), steps + 1)
    middle, step = (edge[1:] + edge[:-1]) / 2, edge[1] - edge[0]
    log_y = _log_y_equilibrium(np.exp(edge), m_chi_gev, table)
    a = np.exp(log_rate(middle) + _log_y_equilibrium(np.exp(middle), m_chi_gev, table))
    b = -np.diff(log_y, axis=1) / step
    root = np.sqrt(b**2 + 4 * a**2)
    upper, lower, decay = ((b + root) / (2 * a)).T, (-2 * a / (b + root)).T, np.exp(-root * step).T
    thermal = np.asarray(a[:, 0] > 1)
    ratio = np.empty((steps + 1, m_chi_gev.size))
    ratio[0] = z = np.where(thermal, upper[0], 1.0)
    for i, (up, down, factor) in enumerate(zip(upper, lower, decay, strict=True), 1):
        q = (z - up) / (z - down) * factor
        ratio[i] = z = (up - q * down) / (1 - q)
    late = z < 10 * FREEZE_OUT_RATIO
    if late.any():
        raise RangeError(
            f"m_chi {m_chi_gev[late][0]:g} GeV freezes out after m_chi/T = {_X_SWITCH:g}: its annihilation is too "
            "strong for a perturbative coupling; take a smaller coupling"
        )
    return _FreezeOut(np.log(z) + log_y[:, -1], _crossing(edge, np.log(ratio)), thermal)


def _log_y_equilibrium(x: FloatArray, m_chi_gev: FloatArray, table: DegreesOfFreedom) -> FloatArray:
    """ln Y_eq = ln [45 g x^2 K_2(x)/(4 pi^4 h)] for Maxwell-Boltzmann statistics, of shape (points, x)."""
    from scipy.special import kve

    h = table.h_eff(m_chi_gev[:, None] / x)
    return np.asarray(np.log(45 * G_DARK_MATTER / (4 * np.pi**4) * x**2 * kve(2, x)) - x - np.log(h))


def _crossing(log_x: FloatArray, log_ratio: FloatArray) -> FloatArray:
    """Value of x where Z = Y/Y_eq, of shape (x, points), crosses 2.5; linear interpolation in ln x and ln Z."""
    target = np.log(FREEZE_OUT_RATIO)
    i = np.maximum(np.argmax(log_ratio >= target, axis=0), 1)
    column = np.arange(log_ratio.shape[1])
    low, high = log_ratio[i - 1, column], log_ratio[i, column]
    share = np.clip((target - low) / (high - low), 0.0, 1.0)
    return np.asarray(np.exp(log_x[i - 1] + share * (log_x[i] - log_x[i - 1])))


def sigma_v_at_rest_cm3_s(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, m_chi_gev: ArrayLike | None = None
) -> dict[str, FloatArray]:
    """sigma v of chi chibar at v = 0 in cm^3/s per final state, with exact masses; 0 where it is closed.

    The inputs (masses in GeV) broadcast. InputError for values that are not > 0 or a model without chi.
    """
    points = make_points(model, mass_gev, coupling, m_chi_gev)
    values = _at_rest(points)
    return {name: (value * GEV2_TO_CM3_PER_S).reshape(points.shape) for name, value in values.items()}


def _at_rest(points: Points) -> dict[str, FloatArray]:
    """sigma v of chi chibar at rest in GeV^-2 per final state; v = 2 beta at threshold."""
    energy = 2 * points.m_chi_gev[:, None]
    values = {n: 2 * fermion_sum(points, [n], energy)[:, 0] for n in channels(points) if n != ZZ}
    values[ZZ] = 2 * diboson(points, energy)[:, 0]
    return values
