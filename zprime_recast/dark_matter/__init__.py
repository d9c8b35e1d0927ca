"""The dark side of the model: relic density, direct and indirect detection, N_eff, scalars and neutrinos.

Reference for all equation numbers: De Romeri, Fernandez-Martinez, Gehrlein, Machado, Niro, JHEP 10 (2017) 169,
arXiv:1707.08606 ("the paper"). Nothing here knows the LHC: the two sides meet in ``zprime_recast.report.summary``.
"""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "RelicDensity": "relic",
    "DirectDetection": "direct",
    "IndirectDetection": "indirect",
    "indirect_detection": "indirect",
    "Decoupling": "neff",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
