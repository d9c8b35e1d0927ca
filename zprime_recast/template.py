r"""Expected signal events per bin of a search: the line shape folded with detector, for many hypotheses at once.

.. math:: N_j = L_{int} \int dm\, \frac{2m}{S} \sum_q \hat\sigma_q(m^2) L_q(m)\, a_q(m)\, \epsilon(m)\, R(m \to j)

Smooth factors are linear between nodes spaced finer than the mass resolution, the Breit-Wigner and its interference
are integrated in closed form over each cell (:mod:`zprime_recast.lineshape`), so the result is one matrix product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .cards import FloatArray
from .cross_section import coupling_products, interference_amplitude
from .lineshape import breit_wigner_weights
from .luminosity import LuminosityTable
from .model import ZprimeModel, checked_positive
from .pdf import PDFMember
from .response import acceptance, efficiency, response_matrix
from .search import Channel, Search
from .units import HBARC2_GEV2_FB
from .widths import decay_widths

#: Nodes of the true mass: first one, and relative spacing (a tenth of the best mass resolution).
NODE_LOW_GEV = 130.0
NODE_SPACING = 5e-4

#: Relative width that stands for "zero" in a generic limit; results do not change from 1e-6 down.
ZERO_WIDTH = 1e-8


@dataclass(frozen=True)
class ChannelFold:
    """What turns a true-mass spectrum into bins of one channel."""

    channel: Channel
    detector: FloatArray
    """Events per fb inside the fiducial region: efficiency x response x integrated luminosity, (n_nodes, n_bins)."""


@dataclass(frozen=True)
class FoldedSearch:
    """A search ready to take hypotheses: nodes of true mass, rates of the partons, detector of each channel."""

    search: Search
    m_nodes_gev: FloatArray
    parton_rate: FloatArray | None
    """hbarc^2 s/(144 pi S) L_q a_q at the nodes in GeV^2 fb, (5, n_nodes); None if folded without a PDF."""
    channels: tuple[ChannelFold, ...]
    lumi: LuminosityTable | None

    def fold(self, name: str) -> ChannelFold:
        """A channel by name."""
        self.search.channel(name)
        return next(c for c in self.channels if c.channel.name == name)


def fold_search(search: Search, pdf: PDFMember | None = None, lumi: LuminosityTable | None = None) -> FoldedSearch:
    """Prepare a search: response matrices, and parton rates inside its fiducial region if a PDF is given."""
    high = 0.95 * search.sqrt_s_gev if lumi is None else lumi.range_gev[1]
    m = np.geomspace(NODE_LOW_GEV, high, int(np.ceil(np.log(high / NODE_LOW_GEV) / NODE_SPACING)) + 1)
    m[-1] = high
    rate = None
    if pdf is not None and lumi is not None:
        rate = (
            HBARC2_GEV2_FB
            * m**2
            / (144 * np.pi * lumi.sqrt_s_gev**2)
            * lumi(m)
            * acceptance(pdf, search.fiducial, m, lumi)
        )
    folds = []
    for channel in search.channels:
        detector = response_matrix(channel, m) * (channel.int_lumi_fb * efficiency(channel, m))[:, None]
        folds.append(ChannelFold(channel, detector))
    return FoldedSearch(search, m, rate, tuple(folds), lumi)


def signal_template(
    folded: FoldedSearch,
    model: ZprimeModel,
    mass_gev: ArrayLike,
    coupling: ArrayLike,
    interference: bool = True,
    gamma_gev: ArrayLike | None = None,
) -> Mapping[str, FloatArray]:
    """Signal events per bin and channel, each (*hypotheses, n_bins); mass and coupling broadcast.

    With interference (|SM + Z'|^2 - |SM|^2) bins may be negative. The width is the model's unless given.
    """
    if folded.parton_rate is None:
        raise ValueError("this search was folded without a PDF set")
    mass, g = np.broadcast_arrays(checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling))
    gamma = decay_widths(model, mass, g).total_gev if gamma_gev is None else checked_positive("gamma_gev", gamma_gev)
    s = folded.m_nodes_gev**2
    weights, weights_u = breit_wigner_weights(s, mass, gamma)
    yields = {}
    spectra: dict[str, FloatArray] = {}
    for fold in folded.channels:
        lepton = fold.channel.lepton
        if lepton not in spectra:
            products = coupling_products(model, lepton)
            spectrum = weights * (g**4)[..., None] * (products.zprime_squared @ folded.parton_rate)
            if interference:
                amplitude = (interference_amplitude(model, products, s) * folded.parton_rate).sum(axis=0)
                w = (mass * gamma)[..., None]
                spectrum = spectrum + (g**2)[..., None] * (weights_u * amplitude.real - w * weights * amplitude.imag)
            spectra[lepton] = spectrum
        yields[fold.channel.name] = spectra[lepton] @ fold.detector
    return yields


def generic_template(folded: FoldedSearch, mass_gev: float, gamma_over_m: float) -> Mapping[str, FloatArray]:
    """Events per bin and channel, (n_bins,), for 1 fb of fiducial cross-section times BR per flavour.

    The generic resonance of the experiment: a relativistic Breit-Wigner of relative width ``gamma_over_m`` without
    parton luminosity, above the fiducial M - low_widths * Gamma; normalised to 1 there.
    """
    mass = float(checked_positive("mass_gev", mass_gev))
    gamma = max(gamma_over_m, ZERO_WIDTH) * mass
    low = max(mass - folded.search.fiducial.low_widths * gamma, folded.m_nodes_gev[0]) ** 2
    weights, _ = breit_wigner_weights(folded.m_nodes_gev**2, mass, gamma, low)
    share = weights / weights.sum()
    return {fold.channel.name: share @ fold.detector for fold in folded.channels}
