"""The template of :mod:`zprime_recast.signal.fold` for many hypotheses: the same integral with fewer nodes off the
peak.

Far from the pole the spectrum is taken at the nodes of wide panels and folded with moments of the detector
(:mod:`zprime_recast.process.levels`); beside it the panels of the level below take their place, and at the lowest level
the weights of :mod:`zprime_recast.process.poles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..arrays import ComplexArray, FloatArray
from ..process.amplitudes import z_propagator
from ..process.couplings import CouplingProducts
from ..process.hypotheses import Hypotheses, rows_of
from ..process.levels import Levels, PoleNodes, Ranges, Window, by_panel, grids_of, pole_nodes, window
from ..process.poles import Panels, pole
from .fold import MEAN_RANGE, FoldedSearch
from .signal import Signal
from .systematics import nuisance_names, shape_changes


def templates(
    searches: Sequence[FoldedSearch],
    hypotheses: Hypotheses,
    interference: bool = True,
    changes: bool = True,
    theory: bool = True,
) -> list[Signal]:
    """Signal events per bin and channel (n, n_bins) of hypotheses in some searches, and how uncertainties change them.

    Yields are those of :func:`zprime_recast.signal.reference.signal_template` to 1e-5 of the largest bin. Fastest for
    hypotheses in the order of their masses.

    Arguments:
        searches: folded with a PDF set, InputError otherwise.
        hypotheses: (n,).
        interference: with photon and Z; bins may be negative then.
        changes: whether the changes (n, n_names, n_bins) by the uncertainties are wanted.
        theory: whether the uncertainties of the luminosities are among them.
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
    """The template from the folded spectra, (n, columns)."""
    columns, n_bins = folded.columns, len(folded.log_centers)
    if hypotheses.strength is not None:
        signal = signal * hypotheses.strength[:, None]
    yields = {name: signal[:, own.bins] for name, own in columns.items()}
    if not changes:
        return Signal(folded.search, yields)
    theory = folded.theory.names if with_theory and folded.theory is not None else ()
    names = (*theory, *nuisance_names(folded.search))
    all_changes = np.empty((len(signal), len(names), n_bins))
    if theory:
        shift = mean_shift(signal[:, :n_bins], signal[:, n_bins:])
        for products, bins in _alike(folded, hypotheses):
            found = folded.theory_changes(products.zprime_squared, folded.log_centers[bins] + shift[:, bins])
            all_changes[:, : len(theory), bins] = found
    for fold in folded.channels:
        name, own = fold.channel.name, columns[fold.channel.name]
        of = (fold.information, yields[name], squared[:, own.bins])
        varied = {u: squared[:, part] for u, part in own.varied.items()}
        found = shape_changes(folded.search, fold.channel, hypotheses.mass_gev, *of, varied)
        all_changes[:, len(theory) :, own.bins] = found
    return Signal(folded.search, yields, names, {name: all_changes[:, :, own.bins] for name, own in columns.items()})


def _alike(folded: FoldedSearch, hypotheses: Hypotheses) -> list[tuple[CouplingProducts, slice]]:
    """Coupling products and bins: all together if the leptons of all channels have the same couplings."""
    own = [hypotheses.products[fold.channel.final_state.fermion] for fold in folded.channels]
    if all(other is own[0] for other in own):
        return [(own[0], slice(None))]
    return [(p, folded.columns[fold.channel.name].bins) for p, fold in zip(own, folded.channels, strict=True)]


def _folded(
    searches: Sequence[FoldedSearch], hypotheses: Hypotheses, interference: bool, with_squared: bool
) -> list[tuple[FloatArray, FloatArray]]:
    """Spectra and |Z'|^2 folded with what the levels of each search hold, (n, columns)."""
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
        low = folded.levels[0]
        sums.append([np.zeros((len(mass), part.shape[1])) for part in (low.of_signal, low.of_squared)])
        on_same_grid.setdefault(folded.grid, []).append(k)
    alike = [[(p, *_columns(folded, bins)) for p, bins in _alike(folded, hypotheses)] for folded in searches]
    for same in on_same_grid.values():  # searches on the same panels share the propagators
        grids = grids_of(searches[same[0]].levels)
        for rows, panel in by_panel(grids[1], mass):
            nodes = pole_nodes(grids, panel)
            propagator, pure = nodes.propagators(mass[rows], gamma[rows])
            propagator *= mixing[rows, None]
            pure *= scale[rows, None]
            for k in same:
                signal, squared = sums[k]
                for products, of_signal, of_squared in alike[k]:
                    rate, amplitude = _rates(searches[k].levels, nodes, rows_of(products, rows), *boson)
                    size = pure * rate
                    if with_squared:
                        for at, part in _windows(searches[k].levels, nodes, True, of_squared):
                            squared[rows, part.columns] += size[:, at] @ part.matrix
                    if interference:
                        size += (amplitude * propagator).real
                    for at, part in _windows(searches[k].levels, nodes, False, of_signal):
                        signal[rows, part.columns] += size[:, at] @ part.matrix
    return [(signal, squared) for signal, squared in sums]


@lru_cache(maxsize=1024)
def _windows(levels: Levels, nodes: PoleNodes, squared: bool, ranges: Ranges) -> list[tuple[slice, Window]]:
    """What the levels hold for the spectrum, or that of |Z'|^2, in some ranges of columns: at which of the nodes."""
    found, start = [], 0
    for level, first, last in nodes.spans:
        at = slice(start, start + last - first)
        found.append((at, window(levels[level], first, last, squared, ranges)))
        start = at.stop
    return found


@lru_cache(maxsize=64)
def _whole(folded: FoldedSearch) -> tuple[Ranges, Ranges]:
    low = folded.levels[0]
    return ((0, low.of_signal.shape[1]),), ((0, low.of_squared.shape[1]),)


def _columns(folded: FoldedSearch, bins: slice) -> tuple[Ranges, Ranges]:
    """Of all channels, or of the one with these bins, in what the levels hold for the spectrum and for |Z'|^2."""
    if bins == slice(None):
        return _whole(folded)
    n_bins = len(folded.log_centers)
    own = next(own for own in folded.columns.values() if own.bins == bins)
    first, last = bins.start, bins.stop
    varied = tuple((part.start, part.stop) for part in own.varied.values())
    return ((first, last), (n_bins + first, n_bins + last)), ((first, last), *varied)


def _rates(
    levels: Levels, nodes: PoleNodes, products: CouplingProducts, m_z_gev: float, gamma_z_gev: float
) -> tuple[FloatArray, ComplexArray]:
    """Rates times couplings of |Z'|^2 and of the interference with photon and Z, conjugate, summed over flavours,
    ([n,] n_nodes).
    """
    if products.zprime_squared.ndim == 1:  # the same for all, whatever their pole
        return _shared_rates(levels, nodes, products, m_z_gev, gamma_z_gev)
    return _sums(products, *_parton_rates(levels, nodes, m_z_gev, gamma_z_gev))


@lru_cache(maxsize=1024)
def _shared_rates(
    levels: Levels, nodes: PoleNodes, products: CouplingProducts, m_z_gev: float, gamma_z_gev: float
) -> tuple[FloatArray, ComplexArray]:
    return _sums(products, *_parton_rates(levels, nodes, m_z_gev, gamma_z_gev))


@lru_cache(maxsize=1024)
def _parton_rates(
    levels: Levels, nodes: PoleNodes, m_z_gev: float, gamma_z_gev: float
) -> tuple[FloatArray, FloatArray, ComplexArray]:
    """At nodes, (5, n_nodes); twice that times the conjugate propagators of photon and Z."""
    rate = np.concatenate([levels[level].parton_rate[:, first:last] for level, first, last in nodes.spans], axis=1)
    z = z_propagator(nodes.s, m_z_gev, gamma_z_gev).conj()
    return rate, 2 * rate / nodes.s, np.asarray(2 * rate * z, dtype=complex)


def _sums(
    products: CouplingProducts, rate: FloatArray, with_photon: FloatArray, with_z: ComplexArray
) -> tuple[FloatArray, ComplexArray]:
    amplitude = products.zprime_photon @ with_photon + products.zprime_z @ with_z
    return products.zprime_squared @ rate, np.asarray(amplitude, dtype=complex)


def mean_shift(events: FloatArray, moment: FloatArray) -> FloatArray:
    """Mean logarithm of the true masses of each bin over its middle, from events and their first moment; not farther
    than MEAN_RANGE, where an interference changes its sign.
    """
    mean = np.divide(moment, events, out=np.zeros(events.shape), where=np.abs(events) > 1e-200)
    return np.minimum(np.maximum(mean, -MEAN_RANGE), MEAN_RANGE)
