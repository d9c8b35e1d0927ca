"""Rates from a model and parton luminosities. This is the only package that knows an amplitude."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "CrossSection": "cross_section",
    "sigma_br_narrow": "cross_section",
    "sigma_br_full": "cross_section",
    "sigma_br_of_members": "cross_section",
    "coupling_family": "family",
    "CouplingFamily": "family",
    "Hypotheses": "hypotheses",
    "hypotheses_of": "hypotheses",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
