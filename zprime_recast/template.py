r"""Expected signal events per bin of a search: the line shape folded with detector, for many hypotheses at once.

.. math:: N_j = L_{int} \int dm\, \frac{2m}{S} \sum_q \hat\sigma_q(m^2) L_q(m)\, a_q(m)\, \epsilon(m)\, R(m \to j)

Smooth factors are linear between nodes spaced finer than the mass resolution, the Breit-Wigner and its interference
are integrated in closed form over each cell (:mod:`zprime_recast.lineshape`), so the result is one matrix product.

The uncertainty of the luminosities (:mod:`zprime_recast.theory`) changes bin j by the mean of its logarithmic change
over the true masses and flavours that fill the bin, weighted with |events|; the flavours as in |Z'|^2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from .cards import FloatArray
from .channel import Channel
from .coarse_grid import CoarseGrid, coarse_grid
from .cross_section import coupling_products, interference_amplitude
from .lineshape import breit_wigner_weights, pole
from .luminosity import LuminosityTable
from .model import ZprimeModel, checked_positive
from .pdf import PDFMember
from .response import acceptance, efficiency, response_matrix
from .search import Search
from .systematics import nuisance_names, shape_changes, signal_information, varied_detectors
from .theory import TheoryNuisances, theory_nuisances
from .units import HBARC2_GEV2_FB
from .widths import decay_widths

#: Nodes of the true mass: first one, and relative spacing (a tenth of the best mass resolution).
NODE_LOW_GEV = 130.0
NODE_SPACING = 5e-4

#: Nodes joined into one group for the uncertainty of the luminosities, which is smooth: 2.5 % in mass.
NODES_PER_GROUP = 50

#: Relative width that stands for "zero" in a generic limit; results do not change from 1e-6 down.
ZERO_WIDTH = 1e-8


@dataclass(frozen=True)
class ChannelFold:
    """What turns a true-mass spectrum into bins of one channel."""

    channel: Channel
    detector: FloatArray
    """Events per fb inside the fiducial region: efficiency x response x integrated luminosity, (n_nodes, n_bins)."""
    varied: Mapping[str, tuple[FloatArray, FloatArray]]
    """``detector`` at +1 and -1 standard deviation of the scale and resolution uncertainties, by name."""
    information: FloatArray
    """Of :func:`zprime_recast.systematics.signal_information`, (n_bins, n_bins)."""

    @cached_property
    def grouped(self) -> FloatArray:
        """Mean of ``detector`` over each group of nodes, (n_groups, n_bins)."""
        return _sum_groups(self.detector, axis=0) / _sum_groups(np.ones(len(self.detector)))[:, None]


@dataclass(frozen=True)
class FoldedSearch:
    """A search ready to take hypotheses: nodes of true mass, rates of the partons, detector of each channel."""

    search: Search
    m_nodes_gev: FloatArray
    parton_rate: FloatArray | None
    """hbarc^2 s/(144 pi S) L_q a_q at the nodes in GeV^2 fb, (5, n_nodes); None if folded without a PDF."""
    channels: tuple[ChannelFold, ...]
    lumi: LuminosityTable | None
    theory: TheoryNuisances | None
    """None without luminosities, or if they are to carry no uncertainty."""

    @cached_property
    def group_changes(self) -> FloatArray:
        """Changes of ln LQ_q per nuisance at the mean mass of each group, (n_names, 5, n_groups)."""
        assert self.theory is not None
        return self.theory.at(_sum_groups(self.m_nodes_gev) / _sum_groups(np.ones(len(self.m_nodes_gev))))

    @cached_property
    def coarse(self) -> CoarseGrid:
        """Groups of the nodes, for what is smooth over a group."""
        return coarse_grid(self.m_nodes_gev, NODES_PER_GROUP)

    @cached_property
    def coarse_rate(self) -> FloatArray:
        """``parton_rate`` at the points of the groups, (5, n_groups * POINTS)."""
        assert self.parton_rate is not None
        return self.coarse.at_points(self.m_nodes_gev, self.parton_rate)

    @cached_property
    def coarse_detector(self) -> Mapping[str, FloatArray]:
        """Moments of the detector of each channel, (n_groups, POINTS, n_bins)."""
        return {fold.channel.name: self.coarse.moments(fold.detector) for fold in self.channels}

    @cached_property
    def coarse_varied(self) -> Mapping[str, Mapping[str, tuple[FloatArray, FloatArray]]]:
        """The same of the varied detectors, per channel and uncertainty."""
        return {
            fold.channel.name: {
                name: (self.coarse.moments(up), self.coarse.moments(down)) for name, (up, down) in fold.varied.items()
            }
            for fold in self.channels
        }

    def changes_of(self, zprime_squared: FloatArray) -> FloatArray:
        """Changes of ln(rate) of a Z' per nuisance and group, ([n,] n_names, n_groups), at squared coupling products
        ([n,] 5): the mean over flavours with their share of the rate.
        """
        assert self.parton_rate is not None
        flavors = zprime_squared[..., None] * _sum_groups(self.parton_rate)
        flavors = flavors / np.maximum(flavors.sum(axis=-2, keepdims=True), 1e-300)
        return np.asarray((self.group_changes * flavors[..., None, :, :]).sum(axis=-2))

    def fold(self, name: str) -> ChannelFold:
        """A channel by name."""
        self.search.channel(name)
        return next(c for c in self.channels if c.channel.name == name)


@dataclass(frozen=True)
class SignalTemplate:
    """Signal events per bin of hypotheses, and how the uncertainties of luminosities and mass response change them."""

    yields: Mapping[str, FloatArray]
    """Per channel, (*hypotheses, n_bins)."""
    nuisances: tuple[str, ...] = ()
    """Names: of the luminosities, then of the experiment; one name is one nuisance in all searches."""
    changes: Mapping[str, FloatArray] = field(default_factory=dict)
    """Change of ln(yield) per standard deviation of each nuisance, per channel, (*hypotheses, n_names, n_bins)."""


def fold_search(
    search: Search, pdf: PDFMember | None = None, lumi: LuminosityTable | None = None, theory: bool = True
) -> FoldedSearch:
    """Prepare a search: response matrices, and parton rates inside its fiducial region if a PDF is given.

    ``pdf`` gives the acceptance, ``lumi`` the rates and, with ``theory``, their uncertainty as nuisances.
    """
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
            * (1.0 if search.fiducial is None else acceptance(pdf, search.fiducial, m, lumi))
        )
    folds = []
    for channel in search.channels:
        detector = response_matrix(channel, m) * (channel.int_lumi_fb * efficiency(channel, m))[:, None]
        folds.append(ChannelFold(channel, detector, varied_detectors(search, channel, m), signal_information(channel)))
    nuisances = theory_nuisances(lumi) if theory and lumi is not None and lumi.variations is not None else None
    return FoldedSearch(search, m, rate, tuple(folds), lumi, nuisances)


def signal_template(
    folded: FoldedSearch,
    model: ZprimeModel,
    mass_gev: ArrayLike,
    coupling: ArrayLike,
    interference: bool = True,
    gamma_gev: ArrayLike | None = None,
) -> SignalTemplate:
    """Signal events per bin and channel, each (*hypotheses, n_bins); mass and coupling broadcast.

    With interference (|SM + Z'|^2 - |SM|^2) bins may be negative. The width is the model's unless given.
    """
    if folded.parton_rate is None:
        raise ValueError("this search was folded without a PDF set")
    mass, g = np.broadcast_arrays(checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling))
    gamma = decay_widths(model, mass, g).total_gev if gamma_gev is None else checked_positive("gamma_gev", gamma_gev)
    s = folded.m_nodes_gev**2
    m_pole, gamma_pole, residue = pole(mass, gamma, model.running_width)
    weights, weights_u = breit_wigner_weights(s, m_pole, gamma_pole)
    yields, changes = {}, {}
    spectra: dict[str, FloatArray] = {}
    squared: dict[str, FloatArray] = {}
    for fold in folded.channels:
        lepton = fold.channel.lepton
        if lepton not in spectra:
            products = coupling_products(model, lepton)
            size = (g**4 * np.abs(residue) ** 2)[..., None]
            spectrum = weights * size * (products.zprime_squared @ folded.parton_rate)
            squared[lepton] = spectrum
            if interference:
                amplitude = (interference_amplitude(model, products, s) * folded.parton_rate).sum(axis=0)
                amplitude = amplitude * residue.conj()[..., None]
                w = (m_pole * gamma_pole)[..., None]
                spectrum = spectrum + (g**2)[..., None] * (weights_u * amplitude.real - w * weights * amplitude.imag)
            spectra[lepton] = spectrum
        name = fold.channel.name
        yields[name] = spectra[lepton] @ fold.detector
        changes[name] = _shape_changes(folded, fold, mass, yields[name], squared[lepton])
        if folded.theory is not None:
            theory = _theory_changes(folded, fold, model, spectra[lepton])
            changes[name] = np.concatenate([theory, changes[name]], axis=-2)
    names = (*(folded.theory.names if folded.theory else ()), *nuisance_names(folded.search))
    return SignalTemplate(yields, names, changes)


def _shape_changes(
    folded: FoldedSearch, fold: ChannelFold, mass: FloatArray, yields: FloatArray, squared: FloatArray
) -> FloatArray:
    """``squared``: rate of |Z'|^2 at the nodes, (*hypotheses, n_nodes)."""
    varied = {name: (squared @ up, squared @ down) for name, (up, down) in fold.varied.items()}
    return shape_changes(folded.search, fold.channel, mass, yields, fold.information, varied)


def _theory_changes(folded: FoldedSearch, fold: ChannelFold, model: ZprimeModel, spectrum: FloatArray) -> FloatArray:
    """Changes of ln(yield) per nuisance and bin, (*hypotheses, n_names, n_bins).

    ``spectrum``: rate at the nodes, (*hypotheses, n_nodes).
    """
    changes = folded.changes_of(coupling_products(model, fold.channel.lepton).zprime_squared)
    weights = _sum_groups(np.abs(spectrum))
    events = (weights @ fold.grouped)[..., None, :]
    moments = np.tensordot(weights, changes[..., None] * fold.grouped, axes=(-1, 1))
    return np.divide(moments, events, out=np.zeros_like(moments), where=events > 0)


def _sum_groups(values: FloatArray, axis: int = -1) -> FloatArray:
    """Sums over groups of NODES_PER_GROUP nodes along an axis."""
    return np.asarray(np.add.reduceat(values, np.arange(0, values.shape[axis], NODES_PER_GROUP), axis=axis))


def generic_template(
    folded: FoldedSearch, mass_gev: ArrayLike, gamma_over_m: ArrayLike, sigma_br_fb: ArrayLike = 1.0
) -> SignalTemplate:
    """Events per bin and channel, (*hypotheses, n_bins), for a cross-section times BR per flavour as the limits of the
    experiment define it; mass, relative width and cross-section broadcast.

    The generic resonance of the experiment: a relativistic Breit-Wigner without parton luminosity; for fiducial limits
    above M - low_widths * Gamma. Normalised to 1 there.
    """
    mass, ratio, sigma = np.broadcast_arrays(
        checked_positive("mass_gev", mass_gev), np.asarray(gamma_over_m, dtype=float), np.asarray(sigma_br_fb)
    )
    gamma = np.maximum(ratio, ZERO_WIDTH) * mass
    first, fiducial = folded.m_nodes_gev[0], folded.search.fiducial
    low = first if fiducial is None else np.maximum(mass - fiducial.low_widths * gamma, first)
    weights, _ = breit_wigner_weights(folded.m_nodes_gev**2, mass, gamma, low**2)
    spectrum = weights / weights.sum(axis=-1, keepdims=True) * sigma[..., None]
    yields = {fold.channel.name: spectrum @ fold.detector for fold in folded.channels}
    changes = {
        fold.channel.name: _shape_changes(folded, fold, mass, yields[fold.channel.name], spectrum)
        for fold in folded.channels
    }
    return SignalTemplate(yields, nuisance_names(folded.search), changes)
