"""What the detector makes of a true dilepton mass: fiducial acceptance, efficiency, and the measured mass.

The mass response r = (m_reco - m)/m is a Crystal Ball plus a Gaussian, truncated to |r| <= 0.5, as ATLAS publishes it
(arXiv:1903.06248, HEPData tables t23 and t24).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from .cards import FloatArray
from .luminosity import LuminosityTable, cached_array, rapidity_integral
from .pdf import PDFMember
from .search import Channel, Fiducial, MassFunction

#: The published response is truncated at this |r| and normalised inside.
R_MAX = 0.5

_ACCEPTANCE_POINTS = 160
_ACCEPTANCE_VERSION = 2


def crystal_ball_cdf(
    r: FloatArray, mean: FloatArray, sigma: FloatArray, alpha: FloatArray, n: FloatArray
) -> FloatArray:
    """Integral of an unnormalised Crystal Ball (power-law tail below mean - alpha sigma, alpha > 0, n > 1) up to r.

    Density exp(-t^2/2) for t = (r - mean)/sigma > -alpha, (n/alpha)^n exp(-alpha^2/2) (n/alpha - alpha - t)^-n below;
    in units of t (multiply by sigma for an integral over r). Arguments broadcast.
    """
    t = (r - mean) / sigma
    height = np.exp(-0.5 * alpha**2)
    tail = np.minimum(t, -alpha)
    below = height * (n / alpha) / (n - 1) * ((n / alpha) / (n / alpha - alpha - tail)) ** (n - 1)
    core = np.sqrt(2 * np.pi) * (ndtr(np.maximum(t, -alpha)) - ndtr(-alpha))
    return np.asarray(below + core)


def response_cdf(response: dict[str, FloatArray], r: FloatArray) -> FloatArray:
    """P(response <= r), truncated to |r| <= R_MAX and normalised; parameters (n, 1) against r (n, k)."""
    p = response
    clipped = np.clip(r, -R_MAX, R_MAX)
    cb = (p["mu_cb"], p["sigma_cb"], p["alpha_cb"], p["n_cb"])
    # normalisation of the Crystal Ball over the whole line, so that kappa is its share before truncation
    total = np.exp(-0.5 * p["alpha_cb"] ** 2) * (p["n_cb"] / p["alpha_cb"]) / (p["n_cb"] - 1)
    total = total + np.sqrt(2 * np.pi) * ndtr(p["alpha_cb"])

    def cdf(at: FloatArray) -> FloatArray:
        crystal_ball = crystal_ball_cdf(at, *cb) / total
        gauss = ndtr((at - p["mu_g"]) / p["sigma_g"])
        return np.asarray(p["kappa"] * crystal_ball + (1 - p["kappa"]) * gauss)

    ends = np.full_like(p["mu_cb"], R_MAX)
    low, high = cdf(-ends), cdf(ends)
    return np.asarray((cdf(clipped) - low) / (high - low))


def response_matrix(channel: Channel, m_true_gev: FloatArray) -> FloatArray:
    """P(true mass -> reconstructed bin), shape (n_masses, n_bins); rows sum to at most 1 (the rest falls outside).

    Outside the masses where the response is published its relative shape is held at the nearest of them.
    """
    at = np.clip(m_true_gev, *channel.response_range_gev)
    parameters = {name: _column(function, at) for name, function in channel.response.items()}
    r = channel.edges_gev / m_true_gev[:, None] - 1
    return np.diff(response_cdf(parameters, r), axis=1)


def _column(function: MassFunction, m_gev: FloatArray) -> FloatArray:
    return function(m_gev)[:, None]


def efficiency(channel: Channel, m_true_gev: FloatArray) -> FloatArray:
    """Selection efficiency inside the fiducial region; held at its ends beyond the published table."""
    return np.asarray(np.interp(m_true_gev, channel.efficiency_m_gev, channel.efficiency))


def acceptance_at(
    pdf: PDFMember, fiducial: Fiducial, m_gev: float, sqrt_s_gev: float, mu_f_over_m: float = 1.0
) -> FloatArray:
    """Fiducial acceptance per quark flavour (5,) of a spin-1 pair at one mass: exact in rapidity and cos theta.

    Both leptons have pt = (m/2) sin theta and eta = y +- atanh(cos theta), so the cuts are |cos theta| < c(y) with
    c = min(sqrt(1 - 4 pt_min^2/m^2), tanh(eta_max - |y|)). The cut is even in cos theta, so the forward-backward
    odd term drops out and the acceptance does not depend on the couplings: 3/8 (1 + cos^2 theta) integrates to
    (3 c + c^3)/4.
    """
    mu_f = m_gev * mu_f_over_m
    pt_ratio = 2 * fiducial.pt_min_gev / m_gev
    if pt_ratio >= 1:
        return np.zeros(5)
    c_pt = np.sqrt(1 - pt_ratio**2)

    def weight(y: FloatArray) -> FloatArray:
        c = np.minimum(c_pt, np.tanh(np.clip(fiducial.eta_max - np.abs(y), 0.0, None)))
        return np.asarray((3 * c + c**3) / 4)

    kinks = (fiducial.eta_max - np.arctanh(c_pt), fiducial.eta_max)
    inside = rapidity_integral(pdf, m_gev, sqrt_s_gev, mu_f, weight, kinks)
    total = rapidity_integral(pdf, m_gev, sqrt_s_gev, mu_f)
    ratio = np.divide(inside, total, out=np.zeros(5), where=total > 0)
    return np.clip(ratio, 0.0, 1.0)


def acceptance(
    pdf: PDFMember, fiducial: Fiducial, m_gev: FloatArray, lumi: LuminosityTable, cache: bool = True
) -> FloatArray:
    """Fiducial acceptance per quark flavour at many masses, (5, n): exact on a grid of masses, linear between."""
    low = max(lumi.range_gev[0], 2.0 * fiducial.pt_min_gev)
    grid = np.geomspace(low, lumi.range_gev[1], _ACCEPTANCE_POINTS)
    key = (
        "acceptance",
        _ACCEPTANCE_VERSION,
        lumi.pdf_digest,
        lumi.sqrt_s_gev,
        lumi.mu_f_over_m,
        fiducial,
        _ACCEPTANCE_POINTS,
    )

    def make() -> FloatArray:
        columns = [acceptance_at(pdf, fiducial, m, lumi.sqrt_s_gev, lumi.mu_f_over_m) for m in grid]
        return np.stack(columns, axis=-1)

    table = cached_array(key, make, (5, len(grid)), cache)
    return np.stack([np.interp(np.log(m_gev), np.log(grid), row, left=0.0) for row in table])
