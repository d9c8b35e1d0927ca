r"""Acceptance of each pair of initial quarks relative to that of Drell-Yan pairs, in a search for the total rate.

An experiment that publishes acceptance x efficiency as a function of mass has simulated one mixture of initial quarks.
Heavy sea quarks make more central pairs than valence quarks do, so another mixture has another acceptance:

.. math:: w_q(m) = \sum_r s_r(m) \frac{a_{qr}(m)}{\sum_p f_p(m) a_{pr}(m)}

with s_r the share of the published signal in region r of the detector
(:class:`zprime_recast.searches.components.Region`), a_qr the geometric acceptance of this region, and f_p the shares of
the pairs in photon and Z exchange. The Drell-Yan mixture has :math:`\sum_q f_q w_q = 1`: its signal is the published
one.
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray
from ..model.standard_model import standard_model
from ..partons.luminosity import LuminosityTable
from ..partons.pdf import PDFMember
from ..process.amplitudes import partonic_sm
from ..searches.acceptance import acceptance
from ..searches.channel import Channel, ResponseTable


def drell_yan_shares(m_gev: FloatArray, lumi: LuminosityTable) -> FloatArray:
    """Shares of the parton pairs in the rate of photon and Z at masses (n,) in GeV, (pairs, n)."""
    rate = partonic_sm(standard_model(), m_gev**2, lumi.pairs).sum(axis=0) * lumi(m_gev)
    return np.asarray(rate / np.maximum(rate.sum(axis=0), 1e-300))


def relative_acceptance(channel: Channel, m_gev: FloatArray, pdf: PDFMember, lumi: LuminosityTable) -> FloatArray:
    """Acceptance of each parton pair over that of the Drell-Yan mixture at masses (n,) in GeV, (pairs, n).

    1 for a channel without regions.
    """
    found = np.ones((len(lumi.pairs), len(m_gev)))
    response = channel.response
    if not channel.regions or not isinstance(response, ResponseTable):
        return found
    mixture = drell_yan_shares(m_gev, lumi)
    found[:] = 0.0
    for region in channel.regions:
        rows = [response.names.index(name) for name in region.components]
        share = np.interp(m_gev, response.m_gev, response.share[rows].sum(axis=0))
        each = acceptance(pdf, region.cuts, m_gev, lumi)
        mean = (mixture * each).sum(axis=0)
        found += share * np.divide(each, mean, out=np.ones_like(each), where=mean > 0)
    return found
