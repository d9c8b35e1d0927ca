"""Many hypotheses from couplings to CLs, in chunks of bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..likelihood.background_fit import Null, fit_null
from ..likelihood.binned import BinnedLikelihood, binned_likelihood
from ..likelihood.cls import BatchCLs, batch_cls
from ..likelihood.expectations import batch_model
from ..process.hypotheses import Hypotheses
from ..signal.fold import FoldedSearch
from ..signal.signal import Signal
from ..signal.template import batch_templates

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
