"""Acceptance of the fiducial cuts."""

from __future__ import annotations

import hashlib

import numpy as np

from ..arrays import FloatArray
from ..io.cache import cached_array
from ..partons.drell_yan import rapidity_integral
from ..partons.luminosity import LuminosityTable
from ..partons.pdf import PDFMember
from .spectrum import Fiducial

_ACCEPTANCE_POINTS = 160
_ACCEPTANCE_VERSION = 2


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
    """Fiducial acceptance per quark flavour at many masses, (5, n): exact on a grid of masses, monotone cubics in ln(m)
    between.
    """
    low = max(lumi.range_gev[0], 2.0 * fiducial.pt_min_gev)
    grid = np.geomspace(low, lumi.range_gev[1], _ACCEPTANCE_POINTS)
    key = (
        "acceptance",
        _ACCEPTANCE_VERSION,
        pdf.digest,
        lumi.sqrt_s_gev,
        lumi.mu_f_over_m,
        fiducial,
        _ACCEPTANCE_POINTS,
    )

    def make() -> FloatArray:
        columns = [acceptance_at(pdf, fiducial, m, lumi.sqrt_s_gev, lumi.mu_f_over_m) for m in grid]
        return np.stack(columns, axis=-1)

    def interpolated() -> FloatArray:
        from scipy.interpolate import PchipInterpolator

        table = cached_array(key, make, (5, len(grid)), cache)
        between = PchipInterpolator(np.log(grid), table, axis=-1)(np.log(np.clip(m_gev, grid[0], grid[-1])))
        return np.where(np.asarray(m_gev) < grid[0], 0.0, between)

    at = hashlib.sha256(np.ascontiguousarray(m_gev).tobytes()).hexdigest()
    return cached_array((*key, at), interpolated, (5, *np.shape(m_gev)), cache)
