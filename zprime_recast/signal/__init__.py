"""Expected signal events per bin of a search."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "FoldedSearch": "fold",
    "fold_search": "fold",
    "Signal": "signal",
    "signal_template": "reference",
    "templates": "template",
    "event_template": "from_events",
    "event_templates": "from_events",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
