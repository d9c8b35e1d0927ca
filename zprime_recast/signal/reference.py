"""The exact template, integrated at every node: slow, and the reference for :mod:`zprime_recast.signal.template`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel
from ..process.amplitudes import interference_amplitude
from ..process.hypotheses import Hypotheses, hypotheses_of
from ..process.poles import pole, pole_weights
from .fold import FoldedSearch
from .signal import Signal
from .systematics import shape_changes
from .template import mean_shift


def exact_templates(
    searches: Sequence[FoldedSearch], hypotheses: Hypotheses, interference: bool = True, theory: bool = True
) -> list[Signal]:
    """Signal events per bin and channel (n, n_bins) of hypotheses in each search, and how uncertainties change them.

    With ``interference`` (|SM + Z'|^2 - |SM|^2) bins may be negative. With ``theory`` the uncertainties of the
    luminosities are among the nuisances. InputError for a search folded without a PDF set.
    """
    return [_exact_template(folded, hypotheses, interference, theory) for folded in searches]


def _exact_template(folded: FoldedSearch, hypotheses: Hypotheses, interference: bool, theory: bool) -> Signal:
    h, all_rates = hypotheses, folded.rates
    strength = 1.0 if h.strength is None else h.strength[:, None]
    m_pole, gamma_pole, residue = pole(h.mass_gev, h.gamma_gev, h.running_width)
    propagator = residue[:, None] * pole_weights(folded.grid, m_pole, gamma_pole)
    # weights of |residue * propagator|^2
    weights = -(residue.conj()[:, None] * propagator).imag / (m_pole * gamma_pole)[:, None]
    with_theory = theory and folded.theory is not None
    yields, changes = {}, {}
    for fold in folded.channels:
        name, products = fold.channel.name, h.products[fold.channel.final_state.fermion].summed
        rates = all_rates[fold.rate]
        squared = strength * (h.coupling**4)[:, None] * weights * (products.zprime_squared @ rates)
        spectrum = squared
        if interference:
            amplitude = (interference_amplitude(products, folded.grid.s, h.m_z_gev, h.gamma_z_gev) * rates).sum(axis=-2)
            spectrum = squared + strength * (h.coupling**2)[:, None] * (amplitude.conj() * propagator).real
        yields[name] = spectrum @ fold.detector
        varied = {uncertainty: squared @ change for uncertainty, change in fold.varied.items()}
        of = (fold.information, yields[name], squared @ fold.detector)
        rows = [shape_changes(folded.search, fold.channel, h.mass_gev, *of, varied)]
        if with_theory:
            log_mass = np.log(fold.channel.centers_gev) + mean_shift(yields[name], spectrum @ fold.log_detector)
            rows.insert(0, folded.theory_changes(products.zprime_squared, log_mass, fold.rate))
        changes[name] = np.concatenate(rows, axis=-2)
    luminosity_names = folded.theory.names if folded.theory is not None and with_theory else ()
    return Signal(folded.search, yields, (*luminosity_names, *folded.search.shape_nuisances), changes)


def signal_template(
    folded: FoldedSearch,
    model: ZprimeModel,
    mass_gev: ArrayLike,
    coupling: ArrayLike,
    interference: bool = True,
    gamma_gev: ArrayLike | None = None,
) -> Signal:
    """The exact template of a model, with events (*hypotheses, n_bins).

    Arguments:
        folded: a search folded with a PDF set; InputError otherwise.
        model: the model.
        mass_gev, coupling: mass in GeV and coupling, which broadcast to the shape of the hypotheses.
        interference: whether to include the interference with photon and Z.
        gamma_gev: total width in GeV that replaces the width of the model.
    """
    mass, g = np.broadcast_arrays(checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling))
    gamma = decay_widths(model, mass, g).total_gev if gamma_gev is None else checked_positive("gamma_gev", gamma_gev)
    widths = np.broadcast_to(gamma, mass.shape)
    flat = _exact_template(folded, hypotheses_of(model, mass.ravel(), g.ravel(), widths.ravel()), interference, True)

    def shaped(values: FloatArray) -> FloatArray:
        return values.reshape(*mass.shape, *values.shape[1:])

    yields = {name: shaped(values) for name, values in flat.yields.items()}
    return Signal(flat.search, yields, flat.nuisances, {name: shaped(c) for name, c in flat.changes.items()})
