"""The signal of a generic resonance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import checked_positive
from ..process.poles import pole_weights
from .fold import FoldedSearch
from .signal import Signal
from .systematics import shape_changes

#: Relative width that replaces zero in the limit on a generic resonance; results do not change below 1e-6.
ZERO_WIDTH = 1e-8


def resonance_template(
    folded: FoldedSearch, mass_gev: ArrayLike, gamma_over_m: ArrayLike, sigma_br_fb: ArrayLike = 1.0
) -> Signal:
    """Events per bin of a generic resonance, as the limits of the experiment define it.

    Its line shape is a relativistic Breit-Wigner without parton luminosity; for a fiducial limit it is cut off below
    M - low_widths * Gamma. It is normalised to 1 over this range and scaled by the cross-section.

    Arguments:
        folded: the search.
        mass_gev: pole mass in GeV.
        gamma_over_m: relative width.
        sigma_br_fb: cross-section times branching ratio per flavour in fb.

    Mass, relative width and cross-section broadcast to the shape of the hypotheses.
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
