"""The template of :mod:`zprime_recast.template` for many hypotheses: the same integral with fewer nodes off the peak.

Around the pole the cells are those of the template, integrated in closed form. Farther away the spectrum is taken at
the points of a :class:`zprime_recast.coarse_grid.CoarseGrid` and folded with moments of the detector, made once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from .cards import ComplexArray, FloatArray, IndexArray
from .cross_section import CouplingProducts, coupling_products
from .lineshape import breit_wigner_weights, pole
from .model import ZprimeModel
from .systematics import nuisance_names, shape_changes
from .template import ChannelFold, FoldedSearch, SignalTemplate

#: Groups on either side of the one with the pole that keep their cells.
NEAR = 2


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

    def take(self, i: IndexArray | slice) -> Hypotheses:
        """Some of them."""
        products = {lepton: _rows(p, i) for lepton, p in self.products.items()}
        mass, gamma, coupling = self.mass_gev[i], self.gamma_gev[i], self.coupling[i]
        return Hypotheses(mass, gamma, coupling, products, self.running_width, self.m_z_gev, self.gamma_z_gev)


@dataclass(frozen=True)
class _Spectrum:
    """Rates of hypotheses sorted by the group of their pole."""

    far: FloatArray
    """At the points of the groups, 0 in those near the pole, (n, n_groups, POINTS)."""
    near: tuple[tuple[IndexArray, slice, FloatArray], ...]
    """(hypotheses, nodes, rate times weight at the nodes (n_hypotheses, n_nodes)) per group that holds a pole."""
    far_squared: FloatArray
    """The same of |Z'|^2 alone."""
    near_squared: tuple[tuple[IndexArray, slice, FloatArray], ...]

    def events(self, moments: FloatArray, detector: FloatArray, squared: bool = False) -> FloatArray:
        """Events per bin (n, n_bins) with a detector (n_nodes, n_bins) and its moments; of |Z'|^2 if ``squared``."""
        far, near = (self.far_squared, self.near_squared) if squared else (self.far, self.near)
        events = far.reshape(len(far), -1) @ moments.reshape(-1, moments.shape[-1])
        for i, nodes, rate in near:
            events[i] += rate @ detector[nodes]
        return np.asarray(events)


def hypotheses_of(model: ZprimeModel, mass_gev: FloatArray, coupling: FloatArray, gamma_gev: FloatArray) -> Hypotheses:
    """Hypotheses of one model; arrays of one length."""
    products = {lepton: coupling_products(model, lepton) for lepton in ("e", "mu", "tau")}
    sm = model.sm
    return Hypotheses(mass_gev, gamma_gev, coupling, products, model.running_width, sm.m_z_gev, sm.gamma_z_gev)


def batch_template(
    folded: FoldedSearch, hypotheses: Hypotheses, interference: bool = True, theory: bool = True
) -> SignalTemplate:
    """Signal events per bin and channel (n, n_bins), and theory changes (n, n_names, n_bins), of many hypotheses.

    As :func:`zprime_recast.template.signal_template`, yields to 1e-6 of the largest bin, changes to 1e-4 of themselves.
    """
    if folded.parton_rate is None:
        raise ValueError("this search was folded without a PDF set")
    theory = theory and folded.theory is not None
    yields, changes = {}, {}
    known: list[tuple[CouplingProducts, _Spectrum]] = []
    for fold in folded.channels:
        name, products = fold.channel.name, hypotheses.products[fold.channel.lepton]
        spectrum = next((s for p, s in known if _same(p, products)), None)
        if spectrum is None:
            spectrum = _spectrum(folded, hypotheses, products, interference)
            known.append((products, spectrum))
        yields[name] = spectrum.events(folded.coarse_detector[name], fold.detector)
        changes[name] = _shape_changes(folded, fold, hypotheses, spectrum, yields[name])
        if theory:
            changes[name] = np.concatenate([_theory_changes(folded, fold, spectrum, products), changes[name]], axis=1)
    names = folded.theory.names if folded.theory and theory else ()
    return SignalTemplate(yields, (*names, *nuisance_names(folded.search)), changes)


def _shape_changes(
    folded: FoldedSearch, fold: ChannelFold, hypotheses: Hypotheses, spectrum: _Spectrum, yields: FloatArray
) -> FloatArray:
    moments = folded.coarse_varied[fold.channel.name]
    varied = {
        name: (
            spectrum.events(moments[name][0], up, squared=True),
            spectrum.events(moments[name][1], down, squared=True),
        )
        for name, (up, down) in fold.varied.items()
    }
    mass = hypotheses.mass_gev
    return shape_changes(folded.search, fold.channel, mass, yields, fold.information, varied)


def _spectrum(
    folded: FoldedSearch, hypotheses: Hypotheses, products: CouplingProducts, interference: bool
) -> _Spectrum:
    rate = folded.parton_rate
    assert rate is not None
    grid = folded.coarse
    m_pole, gamma_pole, residue = pole(hypotheses.mass_gev, hypotheses.gamma_gev, hypotheses.running_width)
    g, w = hypotheses.coupling, m_pole * gamma_pole
    size = (g**4 * np.abs(residue) ** 2)[:, None]
    mixing = (g**2 * residue.conj())[:, None]
    points = grid.s.ravel()
    u = points - (m_pole**2)[:, None]
    inverse = 1 / (u**2 + (w**2)[:, None])
    squared, amplitude = _rates(hypotheses, products, points, folded.coarse_rate)
    far_squared = (size * squared * inverse).reshape(len(g), *grid.s.shape)
    far = far_squared
    if interference:
        mixed = mixing * amplitude
        far = far + ((u * mixed.real - w[:, None] * mixed.imag) * inverse).reshape(far.shape)
    group = np.clip(np.searchsorted(grid.s[:, -1], m_pole**2, side="right") - 1, 0, len(grid.s) - 1)
    beside = np.abs(np.arange(len(grid.s)) - group[:, None]) <= NEAR
    far[beside] = 0.0
    far_squared[beside] = 0.0
    near, near_squared = [], []
    for k in np.unique(group):
        i = np.nonzero(group == k)[0]
        nodes = slice(max(k - NEAR, 0) * grid.cells, min((k + NEAR + 1) * grid.cells + 1, len(folded.m_nodes_gev)))
        s = folded.m_nodes_gev[nodes] ** 2
        weights, weights_u = breit_wigner_weights(s, m_pole[i], gamma_pole[i])
        squared, amplitude = _rates(hypotheses, _rows(products, i), s, rate[:, nodes])
        cells = size[i] * squared * weights
        near_squared.append((i, nodes, cells))
        if interference:
            mixed = mixing[i] * amplitude
            cells = cells + weights_u * mixed.real - w[i, None] * weights * mixed.imag
        near.append((i, nodes, cells))
    return _Spectrum(far, tuple(near), far_squared, tuple(near_squared))


def _rates(
    hypotheses: Hypotheses, products: CouplingProducts, s: FloatArray, rate: FloatArray
) -> tuple[FloatArray, ComplexArray]:
    """Rates times couplings of |Z'|^2 and of the interference with photon and Z, summed over flavours, ([n,] n_s)."""
    z = 1 / (s - hypotheses.m_z_gev**2 + 1j * hypotheses.m_z_gev * hypotheses.gamma_z_gev)
    amplitude = (products.zprime_photon @ rate) / s + (products.zprime_z @ rate) * z
    return products.zprime_squared @ rate, np.asarray(2 * amplitude, dtype=complex)


def _theory_changes(
    folded: FoldedSearch, fold: ChannelFold, spectrum: _Spectrum, products: CouplingProducts
) -> FloatArray:
    """Changes of ln(yield) per nuisance and bin, (n, n_names, n_bins)."""
    grid = folded.coarse
    weights = np.abs((spectrum.far * grid.weights.sum(axis=-1)).sum(axis=-1))
    for i, nodes, rate in spectrum.near:
        first = nodes.start // grid.cells
        groups = np.add.reduceat(np.abs(rate), np.arange(0, rate.shape[1] - 1, grid.cells), axis=1)
        weights[i, first : first + groups.shape[1]] += groups
    changes = folded.changes_of(products.zprime_squared)[..., : len(grid.s)]
    grouped = fold.grouped[: len(grid.s)]
    events = (weights @ grouped)[:, None, :]
    moments = (weights[:, None, :] * changes) @ grouped
    return np.asarray(np.divide(moments, events, out=np.zeros_like(moments), where=events > 0))


def _rows(products: CouplingProducts, i: IndexArray | slice) -> CouplingProducts:
    values = [getattr(products, f.name) for f in fields(products)]
    return CouplingProducts(*(v if v.ndim == 1 else v[i] for v in values))


def _same(a: CouplingProducts, b: CouplingProducts) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
