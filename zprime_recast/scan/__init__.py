"""Many points: tables in, verdicts out; ln L for samplers."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "Evaluator": "evaluate",
    "evaluator": "evaluate",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
