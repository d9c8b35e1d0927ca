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

from ._version import __version__

_EXPORTS = {
    "ZprimeModel": "model.zprime",
    "anomaly_sums": "model.zprime",
    "load_model": "model.card",
    "make_model": "model.make",
    "list_models": "model.card",
    "perturbative_coupling": "model.zprime",
    "Widths": "model.widths",
    "decay_widths": "model.widths",
    "partial_width": "model.widths",
    "massless_branching_ratios": "model.widths",
    "PDFMember": "partons.pdf",
    "load_pdf": "partons.pdf",
    "list_sets": "partons.pdf_files",
    "LuminosityTable": "partons.luminosity",
    "luminosity_table": "partons.luminosity",
    "load_luminosities": "partons.luminosity_set",
    "parton_luminosity": "partons.drell_yan",
    "ErrorSet": "partons.pdf_errors",
    "pdf_uncertainty": "partons.pdf_errors",
    "PDFSet": "partons.pdf_install",
    "load_pdf_set": "partons.pdf_install",
    "sigma_br_of_members": "process.cross_section",
    "SignalTemplate": "signal.signal",
    "CrossSection": "process.cross_section",
    "sigma_br": "process.cross_section",
    "dsigma_dm": "process.cross_section",
    "sigma_br_full": "process.cross_section",
    "sigma_br_narrow": "process.cross_section",
    "Search": "searches.spectrum",
    "load_search": "searches.spectrum",
    "list_searches": "searches.spectrum",
    "FoldedSearch": "signal.fold",
    "fold_search": "signal.fold",
    "signal_template": "signal.reference",
    "build_workspace": "likelihood.workspace",
    "CLsResult": "likelihood.result",
    "GenericLimitResult": "limits.resonance",
    "LimitResult": "limits.result",
    "cls": "limits.hypothesis",
    "generic_limit": "limits.resonance",
    "generic_limits": "limits.resonance",
    "validate": "report.validation",
    "LimitCurve": "searches.limit_curve",
    "FoldedCurve": "limits.curve",
    "CurveTest": "limits.curve",
    "limit": "limits.hypothesis",
    "prepare": "limits.analyses",
    "evaluate": "scan.evaluate",
    "evaluator": "scan.evaluate",
    "DileptonLikelihood": "scan.sampling",
    "cls_plane": "scan.evaluate",
    "workspace": "limits.hypothesis",
    "ExclusionContour": "limits.contour",
    "exclusion_contour": "limits.contour",
    "write_contour": "report.contour_files",
    "plot_contour": "report.plot_contour",
    "RelicDensity": "dark_matter.relic",
    "relic_density": "dark_matter.relic",
    "DirectDetection": "dark_matter.direct",
    "direct_detection": "dark_matter.direct",
    "IndirectDetection": "dark_matter.indirect",
    "indirect_detection": "dark_matter.indirect",
    "Decoupling": "dark_matter.neff",
    "decoupling": "dark_matter.neff",
    "DileptonEvents": "events.records",
    "LeptonCuts": "process.final_state",
    "event_source": "events.sample",
    "generate_dilepton": "events.sample",
    "read_events": "events.storage",
    "stream_events": "events.storage",
    "write_events": "events.storage",
    "histogram": "events.histogram",
    "predicted_histogram": "events.prediction",
    "event_template": "signal.from_events",
    "strength_limit": "limits.families",
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
    from .dark_matter.direct import DirectDetection, direct_detection
    from .dark_matter.indirect import IndirectDetection, indirect_detection
    from .dark_matter.neff import Decoupling, decoupling
    from .dark_matter.relic import RelicDensity, relic_density
    from .errors import ZprimeError
    from .events.histogram import histogram
    from .events.prediction import predicted_histogram
    from .events.records import DileptonEvents
    from .events.sample import event_source, generate_dilepton
    from .events.shower import shower_events
    from .events.storage import read_events, stream_events, write_events
    from .likelihood.result import CLsResult
    from .likelihood.workspace import build_workspace
    from .limits.analyses import prepare
    from .limits.contour import ExclusionContour, exclusion_contour
    from .limits.curve import CurveTest, FoldedCurve
    from .limits.families import strength_limit
    from .limits.hypothesis import cls, limit, workspace
    from .limits.resonance import GenericLimitResult, generic_limit, generic_limits
    from .limits.result import LimitResult
    from .model.card import list_models, load_model
    from .model.make import make_model
    from .model.widths import Widths, decay_widths, massless_branching_ratios, partial_width
    from .model.zprime import ZprimeModel, anomaly_sums, perturbative_coupling
    from .partons.drell_yan import parton_luminosity
    from .partons.luminosity import LuminosityTable, luminosity_table
    from .partons.luminosity_set import load_luminosities
    from .partons.pdf import PDFMember, load_pdf
    from .partons.pdf_errors import ErrorSet, pdf_uncertainty
    from .partons.pdf_files import list_sets
    from .partons.pdf_install import PDFSet, load_pdf_set
    from .process.cross_section import (
        CrossSection,
        dsigma_dm,
        sigma_br,
        sigma_br_full,
        sigma_br_narrow,
        sigma_br_of_members,
    )
    from .process.final_state import LeptonCuts
    from .report.contour_files import write_contour
    from .report.plot_contour import plot_contour
    from .report.validation import validate
    from .scan.evaluate import cls_plane, evaluate, evaluator
    from .scan.sampling import DileptonLikelihood
    from .searches.limit_curve import LimitCurve
    from .searches.spectrum import Search, list_searches, load_search
    from .signal.fold import FoldedSearch, fold_search
    from .signal.from_events import event_template
    from .signal.reference import signal_template
    from .signal.signal import SignalTemplate
