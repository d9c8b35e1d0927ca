"""Dilepton events: exact unweighted samples, their files, histograms, templates and showers."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "histogram": "histograms",
    "DileptonEvents": "records",
    "LeptonCuts": "process",
    "event_source": "sample",
    "stream_events": "storage",
    "load_column_map": "column_map",
    "predicted_histogram": "prediction",
    "shower_events": "shower",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
