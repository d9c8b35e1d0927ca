"""The signal of a hypothesis in the bins of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..arrays import FloatArray
from ..searches.spectrum import Search


@dataclass(frozen=True)
class Signal:
    """Expected signal events of hypotheses in one search, per channel."""

    search: Search
    yields: Mapping[str, FloatArray]
    """(n_bins,), or (n_hypotheses, n_bins)."""
    nuisances: tuple[str, ...] = ()
    """Nuisances that change hypotheses differently: of the luminosities, mass scale, resolution, spurious signal; one
    name is one nuisance in all searches of a workspace."""
    changes: Mapping[str, FloatArray] = field(default_factory=dict)
    """Change of ln(yield) per standard deviation and channel, ([n_hypotheses,] n_names, n_bins)."""


@dataclass(frozen=True)
class SignalTemplate:
    """Signal events per bin of hypotheses, and how the uncertainties of luminosities and mass response change them."""

    yields: Mapping[str, FloatArray]
    """Per channel, (*hypotheses, n_bins)."""
    nuisances: tuple[str, ...] = ()
    """Names: of the luminosities, then of the experiment; one name is one nuisance in all searches."""
    changes: Mapping[str, FloatArray] = field(default_factory=dict)
    """Change of ln(yield) per standard deviation of each nuisance, per channel, (*hypotheses, n_names, n_bins)."""
