"""Templates of many hypotheses: the integral of :mod:`zprime_recast.signal.fold` with fewer nodes away from the peak.

Far from the pole the spectrum is evaluated at the nodes of wide panels and folded with moments of the detector
(:mod:`zprime_recast.process.levels`). Closer to the pole narrower panels take their place, and the narrowest ones use
the weights of :mod:`zprime_recast.process.poles`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import FloatArray
from ..process.amplitudes import z_propagator
from ..process.couplings import PairProducts
from ..process.hypotheses import Hypotheses
from ..process.levels import PoleNodes, Ranges, by_panel
from ..process.poles import Panels, pole
from .fold import MEAN_RANGE, FoldedSearch, PartonRates, RateSums
from .signal import Signal
from .systematics import shape_changes


def templates(
    searches: Sequence[FoldedSearch],
    hypotheses: Hypotheses,
    interference: bool = True,
    changes: bool = True,
    theory: bool = True,
) -> list[Signal]:
    """Signal events per bin and channel (n, n_bins) of hypotheses in each search, and how uncertainties change them.

    The yields agree with :func:`zprime_recast.signal.reference.signal_template` to 1e-5 of the largest bin. Hypotheses
    sorted by mass are fastest.

    Arguments:
        searches: searches folded with a PDF set; InputError otherwise.
        hypotheses: the hypotheses, (n,).
        interference: whether to include the interference with photon and Z, which can make bins negative.
        changes: whether to compute the changes (n, n_names, n_bins) by the uncertainties.
        theory: whether the uncertainties of the luminosities are among the changes.
    """
    spectra = _folded(searches, hypotheses, interference, changes)
    wanted = (changes, theory)
    return [_template(f, hypotheses, *found, *wanted) for f, found in zip(searches, spectra, strict=True)]


def _template(
    folded: FoldedSearch,
    hypotheses: Hypotheses,
    signal: FloatArray,
    squared: FloatArray,
    changes: bool,
    with_theory: bool,
) -> Signal:
    """The template of one search from its folded spectra, (n, columns)."""
    columns, n_bins = folded.columns, len(folded.log_centers)
    if hypotheses.strength is not None:
        signal = signal * hypotheses.strength[:, None]
    yields = {name: signal[:, own.bins] for name, own in columns.items()}
    if not changes:
        return Signal(folded.search, yields)
    theory = folded.theory.names if with_theory and folded.theory is not None else ()
    names = (*theory, *folded.search.shape_nuisances)
    all_changes = np.empty((len(signal), len(names), n_bins))
    if theory:
        shift = mean_shift(signal[:, :n_bins], signal[:, n_bins:])
        for products, row, bins in _alike(folded, hypotheses):
            found = folded.theory_changes(products.zprime_squared, folded.log_centers[bins] + shift[:, bins], row)
            all_changes[:, : len(theory), bins] = found
    for fold in folded.channels:
        name, own = fold.channel.name, columns[fold.channel.name]
        of = (fold.information, yields[name], squared[:, own.bins])
        varied = {u: squared[:, part] for u, part in own.varied.items()}
        found = shape_changes(folded.search, fold.channel, hypotheses.mass_gev, *of, varied)
        all_changes[:, len(theory) :, own.bins] = found
    return Signal(folded.search, yields, names, {name: all_changes[:, :, own.bins] for name, own in columns.items()})


def _alike(folded: FoldedSearch, hypotheses: Hypotheses) -> list[tuple[PairProducts, int, slice]]:
    """Coupling products summed over chiralities, row of the rates, and bins: all at once if all channels are alike."""
    own = [(hypotheses.products[fold.channel.final_state.fermion].summed, fold.rate) for fold in folded.channels]
    if all(products is own[0][0] and row == own[0][1] for products, row in own):
        return [(*own[0], slice(None))]
    return [(*one, folded.columns[fold.channel.name].bins) for one, fold in zip(own, folded.channels, strict=True)]


def _folded(
    searches: Sequence[FoldedSearch], hypotheses: Hypotheses, interference: bool, with_squared: bool
) -> list[tuple[FloatArray, FloatArray]]:
    """Spectra, and spectra of |Z'|^2, folded with the columns of the levels of each search, (n, columns)."""
    mass, gamma, residue = pole(hypotheses.mass_gev, hypotheses.gamma_gev, hypotheses.running_width)
    if (mass[1:] < mass[:-1]).any():
        order = np.argsort(mass, kind="stable")
        back = np.argsort(order)
        found = _folded(searches, hypotheses.take(order), interference, with_squared)
        return [(signal[back], squared[back]) for signal, squared in found]
    mixing = hypotheses.coupling**2 * residue
    scale, boson = mixing.real**2 + mixing.imag**2, (hypotheses.m_z_gev, hypotheses.gamma_z_gev)
    sums, on_same_grid = [], dict[Panels, list[int]]()
    for k, folded in enumerate(searches):
        low = folded.levels.low
        sums.append([np.zeros((len(mass), part.shape[1])) for part in (low.of_signal, low.of_squared)])
        on_same_grid.setdefault(folded.grid, []).append(k)
    alike = [[(p, r, *_columns(folded, bins)) for p, r, bins in _alike(folded, hypotheses)] for folded in searches]
    for same in on_same_grid.values():  # searches on the same panels share the propagators
        levels = searches[same[0]].levels
        for rows, panel in by_panel(levels.middle.grid, mass):
            nodes = levels.nodes(panel)
            propagator, pure = nodes.propagators(mass[rows], gamma[rows])
            propagator *= mixing[rows, None]
            pure *= scale[rows, None]
            for k in same:
                signal, squared = sums[k]
                for products, row, of_signal, of_squared in alike[k]:
                    rate, amplitude = _rates(searches[k], row, nodes, products.rows(rows), *boson)
                    size = pure * rate
                    if with_squared:
                        for at, part in searches[k].levels.windows(nodes, True, of_squared):
                            squared[rows, part.columns] += size[:, at] @ part.matrix
                    if interference:
                        size += (amplitude * propagator).real
                    for at, part in searches[k].levels.windows(nodes, False, of_signal):
                        signal[rows, part.columns] += size[:, at] @ part.matrix
    return [(signal, squared) for signal, squared in sums]


def _columns(folded: FoldedSearch, bins: slice) -> tuple[Ranges, Ranges]:
    """Columns of the levels for the spectrum and for |Z'|^2, of the channel with these bins or of all channels."""
    if bins == slice(None):
        return folded.levels.all_columns
    n_bins = len(folded.log_centers)
    own = next(own for own in folded.columns.values() if own.bins == bins)
    first, last = bins.start, bins.stop
    varied = tuple((part.start, part.stop) for part in own.varied.values())
    return ((first, last), (n_bins + first, n_bins + last)), ((first, last), *varied)


def _rates(
    folded: FoldedSearch, row: int, nodes: PoleNodes, products: PairProducts, m_z_gev: float, gamma_z_gev: float
) -> RateSums:
    """Rates times couplings at nodes, summed over pairs, ([n,] n_nodes).

    The first array is for |Z'|^2, the second for the interference with photon and Z, complex conjugate.
    """

    def summed() -> RateSums:
        rate, with_photon, with_z = _parton_rates(folded, row, nodes, m_z_gev, gamma_z_gev)
        amplitude = products.zprime_photon @ with_photon + products.zprime_z @ with_z
        return products.zprime_squared @ rate, np.asarray(amplitude, dtype=complex)

    if products.shared:  # shared by all hypotheses and independent of their poles
        return folded.rate_sums.get((row, nodes.panel, products.key, m_z_gev, gamma_z_gev), summed)
    return summed()


def _parton_rates(folded: FoldedSearch, row: int, nodes: PoleNodes, m_z_gev: float, gamma_z_gev: float) -> PartonRates:
    """Rates of the pairs at nodes, and twice that times the conjugate propagators of photon and Z, (pairs, n_nodes)."""

    def made() -> PartonRates:
        levels = folded.levels.all
        rate = np.concatenate(
            [levels[level].parton_rate[row, :, first:last] for level, first, last in nodes.spans], axis=1
        )
        z = z_propagator(nodes.s, m_z_gev, gamma_z_gev).conj()
        return rate, 2 * rate / nodes.s, np.asarray(2 * rate * z, dtype=complex)

    return folded.parton_rates.get((row, nodes.panel, m_z_gev, gamma_z_gev), made)


def mean_shift(events: FloatArray, moment: FloatArray) -> FloatArray:
    """Mean of ln(true mass/middle of the bin) of each bin, from events and their first moment.

    Where the interference changes sign and the mean is ill-defined, it is bounded by MEAN_RANGE.
    """
    mean = np.divide(moment, events, out=np.zeros(events.shape), where=np.abs(events) > 1e-200)
    return np.minimum(np.maximum(mean, -MEAN_RANGE), MEAN_RANGE)
