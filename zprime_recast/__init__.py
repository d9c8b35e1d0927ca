"""zprime_recast: from the charges of a Z' boson to LHC dilepton exclusion contours.

>>> import zprime_recast as zr
>>> model = zr.load_model("elusive_bl").with_parameters(m_chi=1000.0)
>>> searches = zr.prepare(["atlas-139fb-dilepton"])
>>> zr.cls(model, 2000.0, 0.05, searches).excluded
True

Names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "ZprimeModel": "model",
    "anomaly_sums": "model",
    "load_model": "model_card",
    "make_model": "model",
    "list_models": "model_card",
    "perturbative_coupling": "model",
    "Widths": "widths",
    "decay_widths": "widths",
    "partial_width": "widths",
    "massless_branching_ratios": "widths",
    "PDFMember": "pdf",
    "load_pdf": "pdf",
    "list_sets": "pdf",
    "LuminosityTable": "luminosity",
    "luminosity_table": "luminosity",
    "load_luminosities": "luminosity_set",
    "parton_luminosity": "convolution",
    "ErrorSet": "pdf_errors",
    "pdf_uncertainty": "pdf_errors",
    "PDFSet": "pdf_set",
    "load_pdf_set": "pdf_set",
    "sigma_br_of_members": "cross_section",
    "SignalTemplate": "template",
    "CrossSection": "cross_section",
    "sigma_br": "cross_section",
    "dsigma_dm": "cross_section",
    "sigma_br_full": "cross_section",
    "sigma_br_narrow": "cross_section",
    "Search": "search",
    "load_search": "search",
    "list_searches": "search",
    "FoldedSearch": "template",
    "fold_search": "template",
    "signal_template": "template",
    "build_workspace": "likelihood",
    "CLsResult": "fit",
    "GenericLimitResult": "generic",
    "LimitResult": "limit_result",
    "cls": "limits",
    "generic_limit": "generic",
    "generic_limits": "generic",
    "validate": "validation",
    "LimitCurve": "limit_curve",
    "FoldedCurve": "limit_curve",
    "CurveTest": "curve_limits",
    "limit": "limits",
    "prepare": "limits",
    "evaluate": "evaluate",
    "evaluator": "evaluate",
    "DileptonLikelihood": "sampling",
    "cls_plane": "batch",
    "workspace": "limits",
    "ExclusionContour": "contour",
    "exclusion_contour": "contour",
    "write_contour": "contour",
    "plot_contour": "plot",
    "RelicDensity": "dark_matter.relic",
    "relic_density": "dark_matter.relic",
    "DirectDetection": "dark_matter.direct",
    "direct_detection": "dark_matter.direct",
    "IndirectDetection": "dark_matter.indirect",
    "indirect_detection": "dark_matter.indirect",
    "Decoupling": "dark_matter.neff",
    "decoupling": "dark_matter.neff",
    "DileptonEvents": "events.records",
    "LeptonCuts": "events.process",
    "event_source": "events.sample",
    "generate_dilepton": "events.sample",
    "read_events": "events.storage",
    "stream_events": "events.storage",
    "write_events": "events.storage",
    "histogram": "events.histogram",
    "predicted_histogram": "events.prediction",
    "event_template": "events.signal_template",
    "strength_limit": "events.signal_template",
    "shower_events": "events.shower",
    "ZprimeError": "errors",
}
__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'zprime_recast' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_EXPORTS[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from .batch import cls_plane
    from .contour import ExclusionContour, exclusion_contour, write_contour
    from .convolution import parton_luminosity
    from .cross_section import CrossSection, dsigma_dm, sigma_br, sigma_br_full, sigma_br_narrow, sigma_br_of_members
    from .curve_limits import CurveTest
    from .dark_matter.direct import DirectDetection, direct_detection
    from .dark_matter.indirect import IndirectDetection, indirect_detection
    from .dark_matter.neff import Decoupling, decoupling
    from .dark_matter.relic import RelicDensity, relic_density
    from .errors import ZprimeError
    from .evaluate import evaluate, evaluator
    from .events.histogram import histogram
    from .events.prediction import predicted_histogram
    from .events.process import LeptonCuts
    from .events.records import DileptonEvents
    from .events.sample import event_source, generate_dilepton
    from .events.shower import shower_events
    from .events.signal_template import event_template, strength_limit
    from .events.storage import read_events, stream_events, write_events
    from .fit import CLsResult
    from .generic import GenericLimitResult, generic_limit, generic_limits
    from .likelihood import build_workspace
    from .limit_curve import FoldedCurve, LimitCurve
    from .limit_result import LimitResult
    from .limits import (
        cls,
        limit,
        prepare,
        workspace,
    )
    from .luminosity import LuminosityTable, luminosity_table
    from .luminosity_set import load_luminosities
    from .model import ZprimeModel, anomaly_sums, make_model, perturbative_coupling
    from .model_card import list_models, load_model
    from .pdf import PDFMember, list_sets, load_pdf
    from .pdf_errors import ErrorSet, pdf_uncertainty
    from .pdf_set import PDFSet, load_pdf_set
    from .plot import plot_contour
    from .sampling import DileptonLikelihood
    from .search import Search, list_searches, load_search
    from .template import FoldedSearch, SignalTemplate, fold_search, signal_template
    from .validation import validate
    from .widths import Widths, decay_widths, massless_branching_ratios, partial_width
