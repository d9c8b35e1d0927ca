"""The template of one hypothesis, the judge of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import checked_positive
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel
from ..process.amplitudes import interference_amplitude
from ..process.couplings import coupling_products
from ..process.poles import pole, pole_weights
from .fold import FoldedSearch
from .signal import SignalTemplate
from .systematics import nuisance_names, shape_changes
from .template import mean_shift


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
    m_pole, gamma_pole, residue = pole(mass, gamma, model.running_width)
    propagator = residue[..., None] * pole_weights(folded.grid, m_pole, gamma_pole)
    # of |residue * propagator|^2
    weights = -(residue.conj()[..., None] * propagator).imag / (m_pole * gamma_pole)[..., None]
    yields, changes = {}, {}
    for fold in folded.channels:
        name, products = fold.channel.name, coupling_products(model, fold.channel.lepton)
        squared = (g**4)[..., None] * weights * (products.zprime_squared @ folded.parton_rate)
        spectrum = squared
        if interference:
            amplitude = (interference_amplitude(model, products, folded.grid.s) * folded.parton_rate).sum(axis=0)
            spectrum = squared + (g**2)[..., None] * (amplitude.conj() * propagator).real
        yields[name] = spectrum @ fold.detector
        varied = {uncertainty: squared @ change for uncertainty, change in fold.varied.items()}
        of = (fold.information, yields[name], squared @ fold.detector)
        rows = [shape_changes(folded.search, fold.channel, mass, *of, varied)]
        if folded.theory is not None:
            log_mass = np.log(fold.channel.centers_gev) + mean_shift(yields[name], spectrum @ fold.log_detector)
            rows.insert(0, folded.theory_changes(products.zprime_squared, log_mass))
        changes[name] = np.concatenate(rows, axis=-2)
    names = (*(folded.theory.names if folded.theory else ()), *nuisance_names(folded.search))
    return SignalTemplate(yields, names, changes)
