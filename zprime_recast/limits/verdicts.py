"""Many hypotheses from couplings to CLs, in chunks of bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..io.cards import FloatArray
from ..likelihood.binned import BinnedLikelihood, Signal, binned_likelihood
from ..likelihood.cls import BatchCLs, Null, batch_cls, fit_null
from ..likelihood.expectations import batch_model
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel, checked_positive
from ..signal.fold import FoldedSearch
from ..signal.template import Hypotheses, batch_templates, hypotheses_of
from .result import GAMMA_OVER_M_MAX

#: Hypotheses worked on together: what they need stays in the cache of a processor.
CHUNK = 512


def batch_likelihood(
    searches: Sequence[FoldedSearch], hypotheses: Hypotheses, interference: bool = True
) -> BinnedLikelihood:
    """The likelihood of hypotheses in all searches."""
    templates = batch_templates(searches, hypotheses, interference)
    signals = [Signal(f.search, t.yields, t.nuisances, t.changes) for f, t in zip(searches, templates, strict=True)]
    return binned_likelihood(signals)


def null_of(searches: Sequence[FoldedSearch], hypotheses: Hypotheses) -> Null:
    """The fit of the background, the same for all hypotheses."""
    likelihood = batch_likelihood(searches, hypotheses.take(slice(0, 1)))
    return fit_null(batch_model(likelihood), likelihood.n_obs)


def cls_of_hypotheses(
    searches: Sequence[FoldedSearch], hypotheses: Hypotheses, interference: bool = True, null: Null | None = None
) -> BatchCLs:
    """CLs of hypotheses, all searches together. Rows do not depend on each other; they are worked on in the order of
    their masses, which is fastest.
    """
    null = null or null_of(searches, hypotheses)
    n = len(hypotheses.mass_gev)
    order = np.argsort(hypotheses.mass_gev, kind="stable")
    arrays: dict[str, Any] = {}
    texts: tuple[list[tuple[int, str]], ...] = ([], [])
    for first in range(0, n, CHUNK):
        rows = order[first : first + CHUNK]
        part = batch_cls(batch_likelihood(searches, hypotheses.take(rows), interference), null)
        for name in ("cls_observed", "cls_expected", "q_observed", "q_asimov", "log_ratio", "recomputed"):
            values = getattr(part, name)
            arrays.setdefault(name, np.empty((n, *values.shape[1:]), values.dtype))[rows] = values
        for found, ours in zip(texts, (part.faults, part.warnings), strict=True):
            found += [(int(rows[k]), text) for k, text in ours]
    faults, warnings = (tuple(sorted(found)) for found in texts)
    return BatchCLs(**arrays, faults=faults, warnings=warnings)


def cls_plane(
    model: ZprimeModel,
    mass_gev: ArrayLike,
    coupling: ArrayLike,
    searches: Sequence[FoldedSearch],
    interference: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """CLs of a model on a grid of masses (n,) in GeV and couplings (k,): observed (n, k), expected (n, k, 5).

    NaN where there is no hypothesis: Gamma/M above GAMMA_OVER_M_MAX, or interference beyond the background. RangeError
    if a mass is outside a search.
    """
    masses, g = (np.atleast_1d(checked_positive(n, v)) for n, v in (("mass_gev", mass_gev), ("coupling", coupling)))
    for folded in searches:
        folded.search.check_mass(masses)
    m, c = (a.ravel() for a in np.meshgrid(masses, g, indexing="ij"))
    width = decay_widths(model, m, c).total_gev
    observed, expected = np.full(m.shape, np.nan), np.full((len(m), 5), np.nan)
    good = np.nonzero(width <= GAMMA_OVER_M_MAX * m)[0]
    if len(good):
        found = cls_of_hypotheses(searches, hypotheses_of(model, m[good], c[good], width[good]), interference)
        observed[good], expected[good] = found.cls_observed, found.cls_expected
    shape = (len(masses), len(g))
    return observed.reshape(shape), expected.reshape(*shape, 5)
