"""Acceptance of cuts on both leptons, per pair of initial quarks."""

from __future__ import annotations

import hashlib

import numpy as np

from ..arrays import FloatArray
from ..io.cache import cached_array
from ..partons.drell_yan import rapidity_integral
from ..partons.luminosity import LuminosityTable
from ..partons.pairs import NEUTRAL_CURRENT, PartonPairs
from ..partons.pdf import PDFMember
from ..process.final_state import LeptonCuts, PairRegion

_ACCEPTANCE_POINTS = 160
_ACCEPTANCE_VERSION = 3


def acceptance_at(
    pdf: PDFMember,
    fiducial: LeptonCuts | PairRegion,
    m_gev: float,
    sqrt_s_gev: float,
    mu_f_over_m: float = 1.0,
    pairs: PartonPairs = NEUTRAL_CURRENT,
) -> FloatArray:
    """Acceptance of lepton cuts per parton pair, (pairs,), for a spin-1 pair of one mass: exact in rapidity and angle.

    The angle is integrated in closed form (:mod:`zprime_recast.process.final_state`). The cuts are even in cos theta,
    so the acceptance does not depend on the couplings.

    Arguments:
        pdf: the parton densities.
        fiducial: the cuts on both leptons.
        m_gev: mass of the pair in GeV.
        sqrt_s_gev: collider energy in GeV.
        mu_f_over_m: factorisation scale over the mass.
        pairs: the pairs of quark and antiquark.
    """
    mu_f = m_gev * mu_f_over_m
    if m_gev <= 2 * fiducial.pt_min_gev:
        return np.zeros(len(pairs))

    def weight(y: FloatArray) -> FloatArray:
        return fiducial.share(m_gev, y)

    inside = rapidity_integral(pdf, m_gev, sqrt_s_gev, mu_f, weight, fiducial.rapidity_kinks(m_gev), pairs=pairs)
    total = rapidity_integral(pdf, m_gev, sqrt_s_gev, mu_f, pairs=pairs)
    ratio = np.divide(inside, total, out=np.zeros(len(pairs)), where=total > 0)
    return np.clip(ratio, 0.0, 1.0)


def acceptance(
    pdf: PDFMember, fiducial: LeptonCuts | PairRegion, m_gev: FloatArray, lumi: LuminosityTable, cache: bool = True
) -> FloatArray:
    """Acceptance of lepton cuts per parton pair at many masses, (pairs, n).

    It is exact on a grid of masses, with monotone cubics in ln(m) in between.

    Arguments:
        pdf: the parton densities.
        fiducial: the cuts on both leptons.
        m_gev: masses of the pair in GeV, (n,).
        lumi: the luminosities, whose pairs, energy, scale and range of masses are used.
        cache: whether the disk cache is used.
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
        lumi.pairs.names,
        pdf.backend,
    )

    def make() -> FloatArray:
        columns = [acceptance_at(pdf, fiducial, m, lumi.sqrt_s_gev, lumi.mu_f_over_m, lumi.pairs) for m in grid]
        return np.stack(columns, axis=-1)

    def interpolated() -> FloatArray:
        from scipy.interpolate import PchipInterpolator

        table = cached_array(key, make, (len(lumi.pairs), len(grid)), cache)
        between = PchipInterpolator(np.log(grid), table, axis=-1)(np.log(np.clip(m_gev, grid[0], grid[-1])))
        return np.where(np.asarray(m_gev) < grid[0], 0.0, between)

    at = hashlib.sha256(np.ascontiguousarray(m_gev).tobytes()).hexdigest()
    return cached_array((*key, at), interpolated, (len(lumi.pairs), *np.shape(m_gev)), cache)
