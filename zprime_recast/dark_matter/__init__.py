"""Dark-matter phenomenology of the model: relic density, direct and indirect detection, N_eff, scalars and neutrinos.

All equation numbers refer to De Romeri, Fernandez-Martinez, Gehrlein, Machado, Niro, JHEP 10 (2017) 169,
arXiv:1707.08606 ("the paper"). Nothing here depends on the LHC part; the two meet in
``zprime_recast.report.summary``.
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
