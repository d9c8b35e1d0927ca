"""zprime_recast: from the charges of a Z' boson to LHC dilepton exclusion contours.

>>> import zprime_recast as zr
>>> model = zr.load_model("elusive_bl").with_parameters(m_chi=1000.0)
>>> bool(zr.cls(model, 2000.0, 0.05, "atlas-139fb-dilepton").excluded)
True

Everything else is in the sub-packages, such as ``zr.partons.load_pdf`` or ``zr.dark_matter.indirect_detection``. Names
are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._exports import lazy
from ._version import __version__ as __version__

_NAMES = {
    # models
    "ZprimeModel": "model.zprime",
    "load_model": "model.card",
    "make_model": "model.make",
    "list_models": "model.card",
    # rates
    "decay_widths": "model.widths",
    "load_luminosities": "partons.luminosity_set",
    "cross_section": "process.cross_section",
    "spectrum": "process.cross_section",
    # analyses
    "Analyses": "limits.analyses",
    "load_analyses": "limits.analyses",
    "list_analyses": "searches.search",
    # verdicts and limits
    "cls": "limits.hypothesis",
    "limit": "limits.hypothesis",
    "contour": "limits.contour",
    "resonance_limit": "limits.resonance",
    "evaluate": "scan.evaluate",
    "Likelihood": "scan.sampling",
    "workspace": "limits.hypothesis",
    # events
    "generate_events": "events.sample",
    "read_events": "events.storage",
    "write_events": "events.storage",
    # dark matter
    "relic_density": "dark_matter.relic",
    "direct_detection": "dark_matter.direct",
    "decoupling": "dark_matter.neff",
    "ZprimeError": "errors",
}
_PACKAGES = (
    "dark_matter",
    "events",
    "likelihood",
    "limits",
    "model",
    "partons",
    "process",
    "report",
    "scan",
    "searches",
    "signal",
)
__all__ = ["__version__", *_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES | {name: name for name in _PACKAGES})


if TYPE_CHECKING:
    from .dark_matter.direct import direct_detection as direct_detection
    from .dark_matter.neff import decoupling as decoupling
    from .dark_matter.relic import relic_density as relic_density
    from .errors import ZprimeError as ZprimeError
    from .events.sample import generate_events as generate_events
    from .events.storage import read_events as read_events
    from .events.storage import write_events as write_events
    from .limits.analyses import Analyses as Analyses
    from .limits.analyses import load_analyses as load_analyses
    from .limits.contour import contour as contour
    from .limits.hypothesis import cls as cls
    from .limits.hypothesis import limit as limit
    from .limits.hypothesis import workspace as workspace
    from .limits.resonance import resonance_limit as resonance_limit
    from .model.card import list_models as list_models
    from .model.card import load_model as load_model
    from .model.make import make_model as make_model
    from .model.widths import decay_widths as decay_widths
    from .model.zprime import ZprimeModel as ZprimeModel
    from .partons.luminosity_set import load_luminosities as load_luminosities
    from .process.cross_section import cross_section as cross_section
    from .process.cross_section import spectrum as spectrum
    from .scan.evaluate import evaluate as evaluate
    from .scan.sampling import Likelihood as Likelihood
    from .searches.search import list_analyses as list_analyses
