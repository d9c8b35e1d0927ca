"""Searches as the experiments published them: spectra, efficiencies and limits, read and checked."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "SpectrumSearch": "spectrum",
    "load_spectrum": "spectrum",
    "LimitCurve": "limit_curve",
    "read_limit_curve": "limit_curve",
    "check_analysis": "check",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
