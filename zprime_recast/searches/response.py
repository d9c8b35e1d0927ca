"""Detector response to a true dilepton mass: selection efficiency, and distribution of the measured mass.

The mass response r = (m_reco - m)/m is a sum of a Crystal Ball and a Gaussian, each normalised within |r| <= 0.5, as
ATLAS publishes it (arXiv:1903.06248, HEPData tables t23 and t24).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from scipy.special import ndtr

from ..arrays import FloatArray, IndexArray
from ..io.cache import cached_array
from .channel import R_MAX, Channel, ResponseTable

#: To be raised whenever the functions of this module change, so that cached arrays are computed again.
_RESPONSE_VERSION = 3
#: Share of events below and above one standard deviation, and points at which a response is looked at to find them.
_CORE_SHARES, _CORE_POINTS = (0.159, 0.841), 1001


def crystal_ball_cdf(
    r: FloatArray, mean: FloatArray, sigma: FloatArray, alpha: FloatArray, n: FloatArray
) -> FloatArray:
    """Integral of an unnormalised Crystal Ball (power-law tail below mean - alpha sigma, alpha > 0, n > 1) up to r.

    Density exp(-t^2/2) for t = (r - mean)/sigma > -alpha, (n/alpha)^n exp(-alpha^2/2) (n/alpha - alpha - t)^-n below;
    in units of t (multiply by sigma for an integral over r). All arguments broadcast.

    Arguments:
        r: upper end of the integral.
        mean: position of the peak in r.
        sigma: width of the Gaussian core in r.
        alpha: where the tail begins below the mean, in units of sigma.
        n: power of the tail.
    """
    t, alpha, n = np.broadcast_arrays((r - mean) / sigma, alpha, n)
    found, tail = np.empty(t.shape), t < -alpha
    x, a, k = t[tail], alpha[tail], n[tail]
    found[tail] = _tail_area(a, k) * ((k / a) / (k / a - a - x)) ** (k - 1)
    x, a, k = t[~tail], alpha[~tail], n[~tail]
    found[~tail] = _tail_area(a, k) + np.sqrt(2 * np.pi) * (ndtr(x) - ndtr(-a))
    return found


def double_crystal_ball_cdf(
    r: FloatArray,
    mean: FloatArray,
    sigma: FloatArray,
    low: tuple[FloatArray, FloatArray],
    high: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """Integral up to r of an unnormalised Gaussian core with power-law tails on both sides.

    It is in units of t = (r - mean)/sigma. All arguments broadcast.

    Arguments:
        r: upper end of the integral.
        mean: position of the peak in r.
        sigma: width of the Gaussian core in r.
        low: (alpha, n) of the lower tail: where it begins in units of sigma, and its power.
        high: (alpha, n) of the upper tail.
    """
    r, mean, sigma, *tails = np.broadcast_arrays(r, mean, sigma, *low, *high)
    found, is_low, is_high = np.empty(r.shape), r < mean, r >= mean
    lower = [v[is_low] for v in (r, mean, sigma, *tails[:2])]
    found[is_low] = crystal_ball_cdf(*lower)
    # the upper half is a mirrored Crystal Ball
    at, middle, width, *upper = (v[is_high] for v in (r, mean, sigma, *tails))
    halves = crystal_ball_cdf(middle, middle, width, *upper[:2]) + crystal_ball_cdf(middle, middle, width, *upper[2:])
    found[is_high] = halves - crystal_ball_cdf(2 * middle - at, middle, width, *upper[2:])
    return found


def _tail_area(alpha: FloatArray, n: FloatArray) -> FloatArray:
    """Area of a Crystal Ball's tail below -alpha, in units of sigma."""
    return np.asarray(np.exp(-0.5 * alpha**2) * (n / alpha) / (n - 1))


def response_cdf(response: Mapping[str, FloatArray], r: FloatArray) -> FloatArray:
    """P(response <= r) of a Crystal Ball (share kappa) plus a Gaussian; parameters (n, 1) against r (n, k).

    Each component is truncated to |r| <= R_MAX and normalised there: with powers n near 1 a quarter of a Crystal Ball
    lies outside, and kappa is its share of the measured response.
    """
    p = response
    cb = (p["mu_cb"], p["sigma_cb"], p["alpha_cb"], p["n_cb"])
    kappa, n = p["kappa"], len(p["kappa"])

    def crystal_ball(at: FloatArray, row: IndexArray) -> FloatArray:
        return crystal_ball_cdf(at, *(v[row, 0] for v in cb))

    def gauss(at: FloatArray, row: IndexArray) -> FloatArray:
        return np.asarray(ndtr((at - p["mu_g"][row, 0]) / p["sigma_g"][row, 0]))

    r, end = np.broadcast_to(r, (n, r.shape[-1])), np.full(n, R_MAX)
    return np.asarray(kappa * _truncated(crystal_ball, r, end) + (1 - kappa) * _truncated(gauss, r, end))


def _truncated(cdf: Callable[[FloatArray, IndexArray], FloatArray], r: FloatArray, r_max: FloatArray) -> FloatArray:
    """A distribution function truncated at |r| = r_max (n,) and normalised, at r (n, k).

    ``cdf`` takes values and the rows they belong to; it is called only for values inside the truncation.
    """
    inside, above = np.abs(r) < r_max[:, None], r >= r_max[:, None]
    rows, (row, column) = np.arange(len(r)), np.nonzero(inside)
    low, high = cdf(-r_max, rows), cdf(r_max, rows)
    found = np.where(above, 1.0, 0.0)
    found[row, column] = (cdf(r[row, column], row) - low[row]) / (high - low)[row]
    return found


def response_matrix(
    channel: Channel,
    m_true_gev: FloatArray,
    scale: FloatArray | float = 0.0,
    resolution: FloatArray | float = 0.0,
    cache: bool = False,
) -> FloatArray:
    """Probability that a true mass is measured in each bin, (n_masses, n_bins).

    Rows sum to at most 1, because masses may be measured outside all bins. Outside the masses where the response is
    published its relative shape is that at the nearest of them.

    Arguments:
        channel: the channel with its bins and its response.
        m_true_gev: true masses in GeV, (n_masses,).
        scale: relative change of the measured mass, a number or (n_masses,).
        resolution: relative change of the width of the response, a number or (n_masses,).
        cache: whether the result is kept on disk, under a digest of all numbers that enter.
    """
    at = np.clip(m_true_gev, *channel.response_range_gev)
    shift = np.broadcast_to(1 + np.asarray(scale), m_true_gev.shape)[:, None]
    wider = np.broadcast_to(1 + np.asarray(resolution), m_true_gev.shape)[:, None]
    response = channel.response
    if isinstance(response, ResponseTable):
        shape = {name: getattr(response, name) for name in ("m_gev", "share", "mean", "sigma", "smear", "r_max")}
        parameters = {**shape, **response.tails}
    else:
        parameters = {name: function(at)[:, None] for name, function in response.items()}

    def make() -> FloatArray:
        r = channel.edges_gev / (m_true_gev[:, None] * shift) - 1
        if isinstance(response, ResponseTable):
            return np.diff(_table_cdf(response, at, r, wider), axis=1)
        changed = {name: parameters[name] * wider for name in ("sigma_cb", "sigma_g")}
        return np.diff(response_cdf({**parameters, **changed}, r), axis=1)

    if not cache:
        return make()
    digest = hashlib.sha256(repr(list(parameters)).encode())
    for values in (channel.edges_gev, m_true_gev, at, shift, wider, *parameters.values()):
        digest.update(np.ascontiguousarray(values, dtype=float).tobytes())
    shape_found = (len(m_true_gev), len(channel.edges_gev) - 1)
    return cached_array(("response", _RESPONSE_VERSION, digest.hexdigest()), make, shape_found)


def core_width(channel: Channel, m_true_gev: FloatArray) -> FloatArray:
    """Half of the range of m_reco/m that holds the central 68 % of the response, at true masses (n,) in GeV, (n,)."""
    at = np.clip(m_true_gev, *channel.response_range_gev)
    r = np.broadcast_to(np.linspace(-R_MAX, R_MAX, _CORE_POINTS), (len(at), _CORE_POINTS))
    response = channel.response
    if isinstance(response, ResponseTable):
        shares = _table_cdf(response, at, r, np.ones((len(at), 1)))
    else:
        shares = response_cdf({name: function(at)[:, None] for name, function in response.items()}, r)
    ends = np.array([np.interp(_CORE_SHARES, share, r[0]) for share in shares])
    return np.asarray(0.5 * (ends[:, 1] - ends[:, 0]))


def _table_cdf(table: ResponseTable, at: FloatArray, r: FloatArray, wider: FloatArray) -> FloatArray:
    """P(response <= r) of a tabulated mixture at masses ``at`` (n,), (n, k); columns linear in mass."""
    total = np.zeros_like(r)
    for k, share in enumerate(table.share):
        columns = [table.mean[k], table.sigma[k], *(rows[k] for rows in table.tails.values())]
        mean, sigma, *tails = (np.interp(at, table.m_gev, values) for values in columns)
        sigma = np.hypot(sigma * wider[:, 0], np.interp(at, table.m_gev, table.smear[k]))
        r_max = np.interp(at, table.m_gev, table.r_max[k])
        component = partial(_component_cdf, mean=mean, sigma=sigma, tails=tails)
        total += np.interp(at, table.m_gev, share)[:, None] * _truncated(component, r, r_max)
    return total


def _component_cdf(
    r: FloatArray, row: IndexArray, mean: FloatArray, sigma: FloatArray, tails: Sequence[FloatArray]
) -> FloatArray:
    """Unnormalised integral of a Gaussian (no tails), or of a Crystal Ball: alpha_low, n_low, alpha_high, n_high; the
    parameters (n,) are those of ``row``.
    """
    if not tails:
        return np.asarray(ndtr((r - mean[row]) / sigma[row]))
    alpha_low, n_low, alpha_high, n_high = (tail[row] for tail in tails)
    return double_crystal_ball_cdf(r, mean[row], sigma[row], (alpha_low, n_low), (alpha_high, n_high))


def efficiency(channel: Channel, m_true_gev: FloatArray) -> FloatArray:
    """Signal events over luminosity x fiducial cross-section, (n,); constant beyond the published masses.

    It is the selection efficiency times the normalisation of the signal relative to the luminosity.
    """
    found = np.interp(m_true_gev, channel.efficiency_m_gev, channel.efficiency)
    if isinstance(channel.response, ResponseTable):
        found *= np.interp(m_true_gev, channel.response.m_gev, channel.signal_norm)
    return np.asarray(found)
