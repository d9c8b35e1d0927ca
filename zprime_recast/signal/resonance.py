"""The signal of a generic resonance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import checked_positive
from ..process.poles import pole_weights
from .fold import FoldedSearch
from .signal import Signal
from .systematics import shape_changes

#: Relative width that stands for "zero" in a generic limit; results do not change from 1e-6 down.
ZERO_WIDTH = 1e-8


def resonance_template(
    folded: FoldedSearch, mass_gev: ArrayLike, gamma_over_m: ArrayLike, sigma_br_fb: ArrayLike = 1.0
) -> Signal:
    """Events per bin for a cross-section times branching ratio per flavour, as the experiment's limits define it.

    Mass, relative width and cross-section broadcast to the shape of the hypotheses.

    The generic resonance of the experiment: a relativistic Breit-Wigner without parton luminosity; for fiducial limits
    above M - low_widths * Gamma. Normalised to 1 there.
    """
    mass, ratio, sigma = np.broadcast_arrays(
        checked_positive("mass_gev", mass_gev), np.asarray(gamma_over_m, dtype=float), np.asarray(sigma_br_fb)
    )
    gamma = np.maximum(ratio, ZERO_WIDTH) * mass
    first, fiducial = folded.grid.edges_gev[0], folded.search.fiducial
    low = None if fiducial is None else np.maximum(mass - fiducial.low_widths * gamma, first)
    weights = -pole_weights(folded.grid, mass, gamma, low).imag
    spectrum = weights / weights.sum(axis=-1, keepdims=True) * sigma[..., None]
    yields, changes = {}, {}
    for fold in folded.channels:
        name = fold.channel.name
        yields[name] = spectrum @ fold.detector
        varied = {uncertainty: spectrum @ change for uncertainty, change in fold.varied.items()}
        of = (fold.information, yields[name], yields[name])
        changes[name] = shape_changes(folded.search, fold.channel, mass, *of, varied)
    return Signal(folded.search, yields, folded.search.shape_nuisances, changes)
