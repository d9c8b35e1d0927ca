"""Verdicts and limits."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "CLsResult": "result",
    "LimitResult": "result",
    "ResonanceLimit": "result",
    "ExclusionContour": "contour",
    "StrengthLimit": "injected",
    "strength_limit": "injected",
    "default_masses": "mass_grid",
    "Method": "method",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
