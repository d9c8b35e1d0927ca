"""Scans: a verdict for every row of a table of points, and ln L for samplers."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "Evaluator": "evaluate",
    "evaluator": "evaluate",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
