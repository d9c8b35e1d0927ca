"""Likelihoods of counts with nuisances, their fits and CLs. This package does not know what a Z' is."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "BinnedLikelihood": "binned",
    "binned_likelihood": "binned",
    "BackgroundFit": "background_fit",
    "fit_background": "background_fit",
    "workspace_of": "workspace",
    "pyhf_cls": "pyhf_fit",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
