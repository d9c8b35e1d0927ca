r"""Exact thermal average of the annihilation cross section; Gondolo, Gelmini, Nucl. Phys. B 360 (1991) 145.

With :math:`\sqrt s = 2 m_f + m_\chi\epsilon` (m_f the heavier of initial and final state), x = m_chi/T:

.. math:: \langle\sigma v\rangle = \frac{x}{4 K_2^2(x)} \int d\epsilon\; \sigma\,(y^2 - 4)\,y^2\,K_1(x y),
          \qquad y = \sqrt s/m_\chi .

One set of Gauss-Legendre nodes per point serves all x. It has three pieces: around the resonance the variable is
asinh(distance/width), which resolves a peak of any width together with its tails; on both sides it is ln(epsilon),
which resolves the thermal factor from x = 2 to 10^6.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil
from typing import Final

import numpy as np

from ..arrays import FloatArray
from ..errors import RangeError
from .annihilation import ZZ, Points, channel_mass_gev, channels, diboson, fermion_sum

#: Nodes of a piece: a constant number, and a number per unit of its variable. Good to 5e-4 in Omega h^2.
NODES: Final = (16.0, 3.0)
#: Range of epsilon: from x epsilon = 10^-4 at the largest x to x epsilon = 40 at the smallest.
_X_EPSILON: Final = (1e-4, 40.0)
#: Boltzmann factors with a larger exponent are neglected.
_NEGLIGIBLE: Final = 60.0
#: Smallest x = m_chi/T at which the average is computed.
X_MIN: Final = 2.0
#: Numbers of points and of values of x treated at once, small enough for the cache of a core.
_CHUNK: Final = 48
_BLOCK: Final = 8


def thermal_average(points: Points, x: FloatArray, only: tuple[str, ...] | None = None) -> FloatArray:
    """<sigma v> of chi chibar in GeV^-2, of shape (points, len(x)).

    x = m_chi/T >= 2 is one-dimensional and ascending. ``only`` restricts the sum to some final states. chi and chibar
    count as distinct particles: there is no factor 1/2. RangeError for x below 2.
    """
    x = np.atleast_1d(np.asarray(x, dtype=float))
    if not (np.isfinite(x).all() and x.min() >= X_MIN):
        raise RangeError(f"x = m_chi/T must be finite and >= {X_MIN:g}, found {x.min():g}")
    result = np.zeros((points.mass_gev.size, x.size))
    for begin in range(0, points.mass_gev.size, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        result[part] = _average(points.take(part), x, only)
    return result


def _average(points: Points, x: FloatArray, only: tuple[str, ...] | None) -> FloatArray:
    """Average for a chunk of points, (points, x); final states closed at rest are integrated from their thresholds."""
    total = np.zeros((points.mass_gev.size, x.size))
    late: dict[str, np.ndarray] = {}
    early: dict[str, np.ndarray] = {}
    for name in channels(points):
        if only is None or name in only:
            above = channel_mass_gev(points, name) > points.m_chi_gev
            late[name], early[name] = above, ~above
    always = [name for name in early if early[name].all() and name != ZZ]
    if always:
        total += _integral(points, x, points.m_chi_gev, lambda p, e: fermion_sum(p, always, e))
    for name in early:
        for mask, from_rest in ((early[name], True), (late[name], False)):
            if name in always or not mask.any():
                continue
            some = points.take(mask)
            heavy = some.m_chi_gev if from_rest else channel_mass_gev(some, name)
            total[mask] += _integral(some, x, heavy, _rate_of(name))
    return total


def _rate_of(name: str) -> Callable[[Points, FloatArray], FloatArray]:
    if name == ZZ:
        return diboson
    return lambda points, energy: fermion_sum(points, [name], energy)


def _integral(
    points: Points, x: FloatArray, heavy_gev: FloatArray, rate: Callable[[Points, FloatArray], FloatArray]
) -> FloatArray:
    """Thermal average, (points, x), of ``rate`` = beta_chi sigma, integrated from sqrt(s) = 2 ``heavy_gev``."""
    from scipy.special import kve

    m = points.m_chi_gev
    start = 2 * heavy_gev / m
    result = np.zeros((m.size, x.size))
    # a threshold far up the Boltzmann tail contributes nothing
    reached = x[0] * (start - 2) < _NEGLIGIBLE
    if not reached.any():
        return result
    some = points.take(reached)
    m, start = m[reached], start[reached, None]
    epsilon, weight = nodes(some.mass_gev / m - start[:, 0], some.gamma_gev / m, float(x[0]), float(x[-1]))
    y = start + epsilon
    integrand = weight * rate(some, m[:, None] * y) * np.sqrt((y - 2) * (y + 2)) * y**3
    average = np.zeros((m.size, x.size))
    series = _bessel_series()
    for begin in range(0, x.size, _BLOCK):
        block = x[begin : begin + _BLOCK, None]
        # nodes ascend, so those beyond count are negligible at every x of the block
        count = int(np.count_nonzero(block[0] * (y - 2) < _NEGLIGIBLE, axis=1).max())
        argument = block * y[:, None, :count]
        kernel = np.exp(2 * block - argument)
        inverse = 4 / argument
        kernel *= np.sqrt(inverse) / 2
        kernel *= _horner(series, inverse)
        average[:, begin : begin + _BLOCK] = np.matmul(kernel, integrand[:, :count, None])[..., 0]
    result[reached] = average * x / (4 * kve(2, x) ** 2)
    return result


@cache
def _bessel_series() -> FloatArray:
    r"""Coefficients of :math:`\sqrt z e^z K_1(z)` in powers of 4/z for z >= 4 (x >= 2), accurate to 10^-9."""
    from scipy.special import k1e

    def scaled(t: FloatArray) -> FloatArray:
        z = 4 / t
        return np.asarray(np.sqrt(z) * k1e(z))

    fit = np.polynomial.Chebyshev.interpolate(scaled, 10, domain=[1e-9, 1.0])
    return np.asarray(fit.convert(kind=np.polynomial.Polynomial, domain=[-1, 1], window=[-1, 1]).coef)


def _horner(coefficients: FloatArray, t: FloatArray) -> FloatArray:
    total = np.full_like(t, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= t
        total += coefficient
    return total


@cache
def _legendre(n: int) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    node, weight = np.polynomial.legendre.leggauss(n)
    return (node + 1) / 2, weight / 2


def nodes(resonance: FloatArray, gamma: FloatArray, x_low: float, x_high: float) -> tuple[FloatArray, FloatArray]:
    """Nodes epsilon > 0 and weights, each of shape (points, nodes), for a peak at ``resonance`` of width ``gamma``.

    Position and width of the peak have shape (points,) and are in units of m_chi; the peak may lie below zero or beyond
    the range of integration, which ``x_low`` and ``x_high`` set.
    """
    low, high = _X_EPSILON[0] / x_high, _X_EPSILON[1] / x_low
    centre = np.clip(np.abs(resonance), 4 * low, high)
    top = np.maximum(high, 4 * centre)
    real = centre == resonance
    scale = np.where(real, np.minimum(gamma, centre), centre)
    left, right = centre / 2, 2 * centre

    def logarithmic(begin: FloatArray, end: FloatArray) -> tuple[FloatArray, FloatArray]:
        length = np.log(end / begin)[:, None]
        t, w = _legendre(_count(length))
        epsilon = begin[:, None] * np.exp(length * t)
        return epsilon, epsilon * length * w

    first, last = np.arcsinh((left - centre) / scale)[:, None], np.arcsinh((right - centre) / scale)[:, None]
    t, w = _legendre(_count(last - first))
    angle = first + (last - first) * t
    middle = centre[:, None] + scale[:, None] * np.sinh(angle)
    middle_weight = scale[:, None] * np.cosh(angle) * (last - first) * w
    below, above = logarithmic(np.full_like(left, low), left), logarithmic(right, top)
    pieces = (below, (middle, middle_weight), above)
    return np.concatenate([p[0] for p in pieces], axis=1), np.concatenate([p[1] for p in pieces], axis=1)


def _count(length: FloatArray) -> int:
    """Number of nodes of a piece, from its length in the logarithmic variable at the point where it is longest."""
    return 8 * ceil((NODES[0] + NODES[1] * float(length.max())) / 8)
