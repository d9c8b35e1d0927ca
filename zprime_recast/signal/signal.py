"""The signal of a hypothesis in the bins of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..arrays import FloatArray, Quiet
from ..searches.spectrum import SpectrumSearch


@dataclass(frozen=True, eq=False, repr=False)
class Signal(Quiet):
    """Expected signal events of hypotheses in one search, and how uncertainties change them."""

    search: SpectrumSearch
    yields: Mapping[str, FloatArray]
    """Events per bin of each channel, (*hypotheses, n_bins)."""
    nuisances: tuple[str, ...] = ()
    """Names of the nuisances that change each hypothesis differently: first those of the luminosities, then those of
    mass scale, resolution and spurious signal. A name stands for the same nuisance in all searches of a likelihood."""
    changes: Mapping[str, FloatArray] = field(default_factory=dict)
    """Change of ln(yield) per standard deviation of each nuisance, per channel, (*hypotheses, n_names, n_bins)."""
