r"""Expected signal events per bin of a search: the line shape folded with the detector response.

.. math:: N_j = L_{int} \int dm\, \frac{2m}{S} \sum_q \hat\sigma_q(m^2) L_q(m)\, a_q(m)\, \epsilon(m)\, R(m \to j)

The acceptance a_q is that of a fiducial region, or relative to Drell-Yan pairs
(:mod:`zprime_recast.signal.initial_state`).

The smooth factors are polynomials on panels of true mass narrower than twice the mass resolution, and the propagator is
integrated exactly (:mod:`zprime_recast.process.poles`). The result is one matrix product for many hypotheses.

The logarithmic change of bin j by an uncertainty of the luminosities (:mod:`zprime_recast.partons.nuisances`) is taken
at the mean logarithm of the true masses that fill the bin, with the parton pairs weighted as in |Z'|^2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..arrays import ComplexArray, FloatArray, IndexArray, Quiet
from ..errors import InputError
from ..io.memo import Memo, PickledByFields
from ..partons.luminosity import LuminosityTable
from ..partons.nuisances import TheoryNuisances, theory_nuisances
from ..partons.pairs import PartonPairs
from ..partons.pdf import PDFMember
from ..process.levels import GROUP, Levels, levels
from ..process.poles import Panels, panels
from ..searches.acceptance import acceptance
from ..searches.background import finely_binned
from ..searches.channel import Channel
from ..searches.response import efficiency, response_matrix
from ..searches.spectrum import SpectrumSearch
from ..units import HBARC2_GEV2_FB
from .initial_state import relative_acceptance
from .systematics import held_detector, signal_information, varied_detectors

#: Lowest true mass in GeV.
LOW_GEV = 130.0
#: Largest width of a panel in ln(mass).
PANEL_WIDTH = 0.008

#: Number of masses, 2.5 % apart, at which the uncertainty of the luminosities is tabulated.
THEORY_POINTS = 180
#: Largest distance in ln(mass) of the mean true mass of a bin from its middle.
MEAN_RANGE = 0.5

#: Rates of the partons, and twice that times the conjugate propagators of photon and Z, each (pairs, n_nodes).
PartonRates = tuple[FloatArray, FloatArray, ComplexArray]
#: Rates times couplings of |Z'|^2, and of the interference, summed over pairs, each ([n,] n_nodes).
RateSums = tuple[FloatArray, ComplexArray]


@dataclass(frozen=True, eq=False, repr=False)
class ChannelFold(Quiet):
    """Matrices that turn a spectrum in true mass into bins of one channel."""

    channel: Channel
    detector: FloatArray
    """Events per fb inside the fiducial region: efficiency x response x integrated luminosity, (n_nodes, n_bins)."""
    log_detector: FloatArray
    """``detector`` times ln(true mass/middle of the bin), (n_nodes, n_bins)."""
    varied: Mapping[str, FloatArray]
    """Change of ``detector`` per standard deviation of the scale and resolution uncertainties, by name."""
    information: FloatArray
    """Matrix from :func:`zprime_recast.signal.systematics.signal_information`, (n_bins, n_bins)."""
    rate: int = 0
    """Row of ``FoldedSearch.parton_rate`` that makes its signal: channels with one acceptance share a row."""


@dataclass(frozen=True)
class ChannelColumns:
    """Columns of a channel in the levels of a search."""

    bins: slice
    """Columns of its events; those of their first moments follow the bins of all channels, in the same order."""
    varied: Mapping[str, slice]
    """Columns of the variations, by name of the uncertainty."""


@dataclass(frozen=True, eq=False, repr=False)
class FoldedSearch(Quiet, PickledByFields):
    """A search ready to be folded with hypotheses: panels of true mass, parton rates, detector of each channel."""

    search: SpectrumSearch
    grid: Panels
    parton_rate: FloatArray | None
    """hbarc^2 s/(144 pi S) L_q a_q at the nodes in GeV^2 fb, (rows, pairs, n_nodes), a row for each acceptance
    (``ChannelFold.rate``); None if folded without a PDF."""
    channels: tuple[ChannelFold, ...]
    lumi: LuminosityTable | None
    theory: TheoryNuisances | None
    """Uncertainties of the luminosities; None without luminosities, or if their uncertainty is neglected."""

    @property
    def luminosities(self) -> LuminosityTable:
        """Parton luminosities at the collider energy; InputError if the search was folded without a PDF set."""
        if self.lumi is None:
            raise InputError(f"{self.search.id} was folded without a PDF set, which models need; fold it with one")
        return self.lumi

    @property
    def rates(self) -> FloatArray:
        """``parton_rate``; InputError if the search was folded without a PDF set."""
        if self.parton_rate is None:
            raise InputError(f"{self.search.id} was folded without a PDF set, which models need; fold it with one")
        return self.parton_rate

    @cached_property
    def levels(self) -> Levels:
        """Levels of ever wider panels (:mod:`zprime_recast.process.levels`).

        Their columns for the spectrum are ``detector`` of all channels side by side, then ``log_detector``; those for
        |Z'|^2 are ``detector``, then its variations (:attr:`columns`).
        """
        detector = [f.detector for f in self.channels]
        signal = np.concatenate([*detector, *(f.log_detector for f in self.channels)], axis=1)
        squared = np.concatenate([*detector, *(v for f in self.channels for v in f.varied.values())], axis=1)
        return levels(self.grid, self.rates, signal, squared)

    @cached_property
    def columns(self) -> dict[str, ChannelColumns]:
        """Columns of each channel in the levels, by its name."""
        found, start = {}, 0
        varied = sum(len(f.channel.bkg) for f in self.channels)
        for f in self.channels:
            n_bins = len(f.channel.bkg)
            places = {name: slice(varied + k * n_bins, varied + (k + 1) * n_bins) for k, name in enumerate(f.varied)}
            found[f.channel.name] = ChannelColumns(slice(start, start + n_bins), places)
            start, varied = start + n_bins, varied + len(f.varied) * n_bins
        return found

    @cached_property
    def log_centers(self) -> FloatArray:
        """ln(middle of the bin in GeV) of all channels one after the other, (n_bins,)."""
        return np.asarray(np.log(np.concatenate([f.channel.centers_gev for f in self.channels])))

    @cached_property
    def _theory_table(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ln(mass), rates (rows, pairs, n) and changes of ln LQ_q (n_names, pairs, n) at THEORY_POINTS masses."""
        if self.theory is None:
            raise InputError(f"{self.search.id} was folded without theory uncertainty; fold it with theory=True")
        m = np.geomspace(self.grid.edges_gev[0], self.grid.edges_gev[-1], THEORY_POINTS)
        nodes, shares = self.grid.values_at(m)
        return np.log(m), (self.rates[..., nodes] * shares).sum(axis=-1), np.ascontiguousarray(self.theory.at(m))

    def theory_changes(self, zprime_squared: FloatArray, log_mass: FloatArray, row: int = 0) -> FloatArray:
        """Changes of ln(yield) per nuisance of the luminosities, (*hypotheses, n_names, n_bins).

        ``zprime_squared`` are the squared coupling products, ([n,] pairs), and ``log_mass`` is the mean logarithm of
        the true masses (GeV) of each bin, (*hypotheses, n_bins); ``row`` is that of ``parton_rate``.
        """
        log_m = self._theory_table[0]
        one = zprime_squared.ndim == 1
        table = self._shared_changes(zprime_squared, row) if one else self.pair_changes(zprime_squared, row)
        at = (log_mass - log_m[0]) / (log_m[1] - log_m[0])
        k = np.minimum(np.maximum(at.astype(np.intp), 0), len(log_m) - 2)
        t = np.minimum(np.maximum(at - k, 0.0), 1.0)
        at_bin: tuple[IndexArray, ...] = () if one else (np.arange(len(k))[:, None],)
        low, high = table[(*at_bin, k)], table[(*at_bin, k + 1)]
        return np.swapaxes(low + t[..., None] * (high - low), -1, -2)

    @cached_property
    def fine(self) -> FoldedSearch | None:
        """The search in the finer bins in which its expected limits on generic resonances are computed.

        None if these are the bins of the spectrum.
        """
        width = self.search.expected_bins
        if width is None:
            return None
        channels = tuple(finely_binned(c, width) for c in self.search.channels)
        return fold_search(replace(self.search, channels=channels), cache=False)

    @cached_property
    def parton_rates(self) -> Memo[tuple[int, int, float, float], PartonRates]:
        """Parton rates at nodes, by row of the rates, panel of the pole, mass and width of the Z."""
        return Memo(1024)

    @cached_property
    def rate_sums(self) -> Memo[tuple[int, int, bytes, float, float], RateSums]:
        """Rates times couplings, by row of the rates, panel of the pole, key of products, mass and width of the Z."""
        return Memo(1024)

    @cached_property
    def _changes(self) -> Memo[tuple[int, bytes], FloatArray]:
        return Memo(64)

    def _shared_changes(self, zprime_squared: FloatArray, row: int) -> FloatArray:
        """:meth:`pair_changes` of coupling products (pairs,) that all hypotheses share."""
        return self._changes.get((row, zprime_squared.tobytes()), lambda: self.pair_changes(zprime_squared, row))

    def pair_changes(self, zprime_squared: FloatArray, row: int = 0) -> FloatArray:
        """Changes of ln(rate) at THEORY_POINTS masses with the pairs of |Z'|^2, ([n,] THEORY_POINTS, n_names)."""
        _, rates, changes = self._theory_table
        shares = zprime_squared[..., None] * rates[row]
        shares /= np.maximum(shares.sum(axis=-2, keepdims=True), 1e-300)
        return np.asarray(np.einsum("kqm,...qm->...mk", changes, shares))

    def fold(self, name: str) -> ChannelFold:
        """Look up a channel by name; UnknownName if the search does not have it."""
        self.search.channel(name)
        return next(c for c in self.channels if c.channel.name == name)

    @cached_property
    def _held(self) -> Memo[tuple[tuple[str, ...], tuple[tuple[str, float], ...]], FoldedSearch]:
        return Memo(24)  # the points of a prior

    def held(self, channels: tuple[str, ...], values: Mapping[str, float]) -> FoldedSearch:
        """Some channels of the search, with scale and resolution uncertainties fixed.

        ``values`` gives them in standard deviations, by name; they are no longer nuisances.
        """
        return self._held.get((channels, tuple(values.items())), lambda: self._with_held(channels, values))

    def _with_held(self, channels: tuple[str, ...], values: Mapping[str, float]) -> FoldedSearch:
        rest = tuple(u for u in self.search.uncertainties if u.name not in values)
        folds = []
        for fold in (self.fold(name) for name in channels):
            detector = fold.detector
            if set(fold.varied) & set(values):
                detector = held_detector(self.search, fold.channel, self.grid.m_gev, values)
            folds.append(replace(fold, detector=detector, log_detector=detector[:, :0], varied={}))
        return replace(self, search=replace(self.search, uncertainties=rest), channels=tuple(folds))


def production_pairs(search: SpectrumSearch) -> PartonPairs:
    """The parton pairs that make the final states of a search; InputError unless they are those of all channels."""
    found = {channel.final_state.pairs for channel in search.channels}
    if len(found) > 1:
        raise InputError(f"channels of {search.id} are made by different parton pairs: give each kind its own search")
    return found.pop()


def fold_search(
    search: SpectrumSearch,
    pdf: PDFMember | None = None,
    lumi: LuminosityTable | None = None,
    theory: bool = True,
    cache: bool = True,
) -> FoldedSearch:
    """Prepare a search: response matrices, and parton rates inside its fiducial region if a PDF set is given.

    Arguments:
        search: the search.
        pdf: PDF set member for the acceptance; without it and ``lumi`` the search can test only generic resonances.
        lumi: parton luminosities at the energy of the search.
        theory: whether the uncertainties of the luminosities become nuisances.
        cache: whether the responses are kept on disk.
    """
    high = 0.95 * search.sqrt_s_gev if lumi is None else lumi.range_gev[1]
    grid = panels(LOW_GEV, high, PANEL_WIDTH, GROUP**2)
    m = grid.m_gev
    if lumi is not None:
        lumi = lumi.of(production_pairs(search))
    rates = None if pdf is None or lumi is None else _parton_rates(search, m, pdf, lumi)
    folds = []
    for k, channel in enumerate(search.channels):
        detector = response_matrix(channel, m, cache=cache) * (channel.int_lumi_fb * efficiency(channel, m))[:, None]
        log_detector = detector * np.log(m[:, None] / channel.centers_gev)
        varied = varied_detectors(search, channel, m, cache)
        row = 0 if rates is None or len(rates) == 1 else k
        folds.append(ChannelFold(channel, detector, log_detector, varied, signal_information(channel), row))
    nuisances = theory_nuisances(lumi) if theory and lumi is not None and lumi.variations is not None else None
    return FoldedSearch(search, grid, rates, tuple(folds), lumi, nuisances)


def _parton_rates(search: SpectrumSearch, m: FloatArray, pdf: PDFMember, lumi: LuminosityTable) -> FloatArray:
    """Rates of the pairs at masses (n,), (rows, pairs, n): one row, or one per channel if the channels have regions."""
    rate = HBARC2_GEV2_FB * m**2 / (144 * np.pi * lumi.sqrt_s_gev**2) * lumi(m)
    if search.fiducial is not None:
        rate = rate * acceptance(pdf, search.fiducial, m, lumi)
    if not any(channel.regions for channel in search.channels):
        return rate[None]
    return np.stack([rate * relative_acceptance(channel, m, pdf, lumi) for channel in search.channels])
