"""A Z' boson: charges, widths, cards."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "Charge": "zprime",
    "Fermion": "zprime",
    "anomaly_sums": "zprime",
    "perturbative_coupling": "zprime",
    "Widths": "widths",
    "partial_width": "widths",
    "massless_branching_ratios": "widths",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
