"""The template of :mod:`zprime_recast.template` for many hypotheses: the same integral with fewer nodes off the peak.

Far from the pole the spectrum is taken at the nodes of wide panels and folded with moments of the detector
(:mod:`zprime_recast.levels`); beside it the panels of the level below take their place, and at the lowest level the
weights of :mod:`zprime_recast.lineshape`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np

from .cards import ComplexArray, FloatArray, IndexArray
from .cross_section import CouplingProducts, coupling_products
from .levels import GROUP, Level
from .lineshape import POINTS, pole, pole_weights
from .model import ZprimeModel
from .systematics import expected_limit, nuisance_names, shape_changes
from .template import ChannelFold, FoldedSearch, SignalTemplate, mean_shift


@dataclass(frozen=True)
class Hypotheses:
    """Poles and couplings of many Z' bosons."""

    mass_gev: FloatArray
    """(n,)."""
    gamma_gev: FloatArray
    coupling: FloatArray
    products: Mapping[str, CouplingProducts]
    """Per lepton flavour, at unit coupling; arrays (5,) for all, or (n, 5)."""
    running_width: bool
    m_z_gev: float
    gamma_z_gev: float
    strength: FloatArray | None = None
    """Factor on the whole signal, (n,); 1 unless given."""

    def take(self, i: IndexArray | slice) -> Hypotheses:
        """Some of them."""
        products = {lepton: _rows(p, i) for lepton, p in self.products.items()}
        strength = None if self.strength is None else self.strength[i]
        mass, gamma, coupling = self.mass_gev[i], self.gamma_gev[i], self.coupling[i]
        return replace(self, mass_gev=mass, gamma_gev=gamma, coupling=coupling, products=products, strength=strength)


def hypotheses_of(model: ZprimeModel, mass_gev: FloatArray, coupling: FloatArray, gamma_gev: FloatArray) -> Hypotheses:
    """Hypotheses of one model; arrays of one length."""
    products = {lepton: coupling_products(model, lepton) for lepton in ("e", "mu", "tau")}
    sm = model.sm
    return Hypotheses(mass_gev, gamma_gev, coupling, products, model.running_width, sm.m_z_gev, sm.gamma_z_gev)


@dataclass(frozen=True)
class _Pole:
    """What is the same for all panels."""

    mass_gev: FloatArray
    """(n,)."""
    gamma_gev: FloatArray
    squared: FloatArray
    """g^4 |residue|^2."""
    mixing: ComplexArray
    """g^2 times the residue; 0 without interference."""


def batch_template(
    folded: FoldedSearch, hypotheses: Hypotheses, interference: bool = True, changes: bool = True
) -> SignalTemplate:
    """Signal events per bin and channel (n, n_bins), and changes (n, n_names, n_bins), of many hypotheses.

    As :func:`zprime_recast.template.signal_template`, yields to 1e-5 of the largest bin; without ``changes`` they are
    all there is. Fastest for hypotheses in the order of their masses.
    """
    if folded.parton_rate is None:
        raise ValueError("this search was folded without a PDF set")
    m_pole, gamma_pole, residue = pole(hypotheses.mass_gev, hypotheses.gamma_gev, hypotheses.running_width)
    g = hypotheses.coupling
    at = _Pole(m_pole, gamma_pole, g**4 * np.abs(residue) ** 2, g**2 * residue * interference)
    theory = folded.theory is not None
    yields, found = {}, {}
    for group in _alike(folded.channels, hypotheses):
        products = hypotheses.products[group[0].channel.lepton]
        channels = [fold.channel.name for fold in group]
        of_signal, of_squared = _folded(folded, channels, hypotheses, at, products, interference, changes)
        for fold in group:
            name, n_bins = fold.channel.name, len(fold.channel.bkg)
            own, own_squared = folded.columns[name]
            signal, squared = of_signal[:, own], of_squared[:, own_squared]
            if hypotheses.strength is not None:
                signal = signal * hypotheses.strength[:, None]
            yields[name], moment = signal[:, :n_bins], signal[:, n_bins:]
            if not changes:
                continue
            nominal, *rest = np.split(squared, 1 + len(fold.varied), axis=1)
            varied = dict(zip(fold.varied, rest, strict=True))
            limits = expected_limit(fold.information, yields[name])
            rows = [shape_changes(folded.search, fold.channel, hypotheses.mass_gev, limits, nominal, varied)]
            if theory:
                shift = mean_shift(yields[name], moment)
                rows.insert(0, folded.theory_changes(fold, products.zprime_squared, shift))
            found[name] = np.concatenate(rows, axis=1)
    if not changes:
        return SignalTemplate(yields)
    names = folded.theory.names if folded.theory else ()
    return SignalTemplate(yields, (*names, *nuisance_names(folded.search)), found)


def _alike(folds: Sequence[ChannelFold], hypotheses: Hypotheses) -> list[list[ChannelFold]]:
    """Channels whose leptons have the same couplings, together."""
    groups: list[list[ChannelFold]] = []
    for fold in folds:
        own = hypotheses.products[fold.channel.lepton]
        for group in groups:
            if _same(hypotheses.products[group[0].channel.lepton], own):
                group.append(fold)
                break
        else:
            groups.append([fold])
    return groups


def _folded(
    folded: FoldedSearch,
    names: Sequence[str],
    hypotheses: Hypotheses,
    at: _Pole,
    products: CouplingProducts,
    interference: bool,
    with_squared: bool,
) -> tuple[FloatArray, FloatArray]:
    """Spectra and |Z'|^2 folded with what the levels hold, (n, columns); 0 in the columns of other channels."""
    levels = folded.levels
    signal, squared = (
        np.zeros((len(at.mass_gev), part.shape[1])) for part in (levels[0].of_signal, levels[0].of_squared)
    )
    whole = len(names) == len(folded.channels)
    blocks = [(slice(None), slice(None))] if whole else [folded.columns[name] for name in names]
    place, boson = at.mass_gev**2, (hypotheses.m_z_gev, hypotheses.gamma_z_gev)

    def add(level: Level, i: IndexArray | slice, chosen: slice, skip: IndexArray | None) -> None:
        nodes = slice(chosen.start * POINTS, chosen.stop * POINTS)
        part = level.grid.part(chosen.start, chosen.stop)
        mass, gamma = at.mass_gev[i], at.gamma_gev[i]
        if skip is None:
            propagator = pole_weights(part, mass, gamma)
            size = -propagator.imag / (mass * gamma)[:, None]
        else:
            propagator = np.asarray(1 / (part.s - (mass * (mass - 1j * gamma))[:, None]), dtype=complex)
            beside = np.abs(np.arange(chosen.start, chosen.stop) - skip[:, None]) <= 1
            propagator.reshape(len(mass), -1, POINTS)[beside] = 0.0
            size = propagator.real**2 + propagator.imag**2
        if products.zprime_squared.ndim == 1:  # the same for all, whatever their pole
            of_squared, amplitude = _rates_at_nodes(level, products, *boson)
            of_squared, amplitude = of_squared[nodes], amplitude[nodes]
        else:
            of_squared, amplitude = _rates(_rows(products, i), part.s, level.parton_rate[:, nodes], *boson)
        size *= at.squared[i][:, None] * of_squared
        rate = size
        if interference:
            rate = size + (amplitude * (at.mixing[i][:, None] * propagator)).real
        for of_signal, of_z in blocks:
            signal[i, of_signal] += rate @ level.of_signal[nodes, of_signal]
            if with_squared:
                squared[i, of_z] += size @ level.of_squared[nodes, of_z]

    low, middle, high = levels
    panel = [np.searchsorted(x.grid.edges_s[1:-1], place, side="right") for x in levels]
    add(high, slice(None), slice(0, len(high.grid.middle)), panel[2])
    for level, above, own in ((middle, panel[2], panel[1]), (low, panel[1], None)):
        for k in np.unique(above).tolist():
            i = np.nonzero(above == k)[0] if len(above) > 1 else slice(None)
            chosen = slice(max(k - 1, 0) * GROUP, min((k + 2) * GROUP, len(level.grid.middle)))
            add(level, i, chosen, None if own is None else own[i])
    return signal, squared


@lru_cache(maxsize=64)
def _rates_at_nodes(
    level: Level, products: CouplingProducts, m_z_gev: float, gamma_z_gev: float
) -> tuple[FloatArray, ComplexArray]:
    return _rates(products, level.grid.s, level.parton_rate, m_z_gev, gamma_z_gev)


def _rates(
    products: CouplingProducts, s: FloatArray, rate: FloatArray, m_z_gev: float, gamma_z_gev: float
) -> tuple[FloatArray, ComplexArray]:
    """Rates times couplings of |Z'|^2 and of the interference with photon and Z, conjugate, summed over flavours,
    ([n,] n_s).
    """
    z = 1 / (s - m_z_gev**2 + 1j * m_z_gev * gamma_z_gev)
    amplitude = (products.zprime_photon @ rate) / s + (products.zprime_z @ rate) * z
    return products.zprime_squared @ rate, np.asarray(2 * amplitude.conj(), dtype=complex)


def _rows(products: CouplingProducts, i: IndexArray | slice) -> CouplingProducts:
    if products.zprime_squared.ndim == 1:
        return products
    return CouplingProducts(*(getattr(products, f.name)[i] for f in fields(products)))


def _same(a: CouplingProducts, b: CouplingProducts) -> bool:
    return a is b or all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
