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
    "parton_luminosity": "luminosity",
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
    "GenericLimitResult": "limits",
    "LimitResult": "limits",
    "cls": "limits",
    "generic_limit": "limits",
    "limit": "limits",
    "prepare": "limits",
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
    from .contour import ExclusionContour, exclusion_contour, write_contour
    from .cross_section import CrossSection, dsigma_dm, sigma_br, sigma_br_full, sigma_br_narrow
    from .dark_matter.direct import DirectDetection, direct_detection
    from .dark_matter.indirect import IndirectDetection, indirect_detection
    from .dark_matter.neff import Decoupling, decoupling
    from .dark_matter.relic import RelicDensity, relic_density
    from .errors import ZprimeError
    from .fit import CLsResult
    from .likelihood import build_workspace
    from .limits import (
        GenericLimitResult,
        LimitResult,
        cls,
        generic_limit,
        limit,
        prepare,
        workspace,
    )
    from .luminosity import LuminosityTable, luminosity_table, parton_luminosity
    from .model import ZprimeModel, anomaly_sums, make_model, perturbative_coupling
    from .model_card import list_models, load_model
    from .pdf import PDFMember, list_sets, load_pdf
    from .plot import plot_contour
    from .search import Search, list_searches, load_search
    from .template import FoldedSearch, fold_search, signal_template
    from .widths import Widths, decay_widths, massless_branching_ratios, partial_width
