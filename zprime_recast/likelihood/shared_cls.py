"""CLs of all hypotheses of a likelihood from toys that they share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .background_fit import BackgroundFit
from .binned import BinnedLikelihood
from .cls import Tested
from .toy_ensemble import Toys
from .toy_statistic import fitted, toy_statistic
from .weighted_cls import weighted_cls

#: Statistic q~ of the Asimov data below which a hypothesis cannot be told from the background; its CLs is 1.
BLIND = 1e-6


def shared_cls(likelihood: BinnedLikelihood, null: BackgroundFit, toys: Toys, asymptotic: Tested) -> Tested:
    """CLs of all hypotheses at strength 1 from shared toys.

    ``asymptotic`` holds the observed statistics, from :func:`~zprime_recast.likelihood.cls.asymptotic_cls`. Hypotheses
    whose fit does not converge become faults.
    """
    observed, expected = asymptotic.cls_observed.copy(), asymptotic.cls_expected.copy()
    faults = dict(asymptotic.faults)
    with np.errstate(invalid="ignore"):
        todo = np.nonzero(asymptotic.q_asimov > BLIND)[0]
    todo = np.array([i for i in todo.tolist() if i not in faults], dtype=np.intp)
    if len(todo):
        for i, hypothesis in zip(todo.tolist(), fitted(likelihood, null, todo), strict=True):
            if not hypothesis.converged:
                faults[i] = "the fit of the signal hypothesis did not converge; try --calculator asymptotic"
                observed[i], expected[i] = np.nan, np.nan
                continue
            found = weighted_cls(toys, toy_statistic(toys, hypothesis), float(asymptotic.q_observed[i]))
            observed[i], expected[i] = found.cls_observed, found.cls_expected
    faulty = tuple(sorted(faults.items()))
    return replace(asymptotic, cls_observed=observed, cls_expected=expected, faults=faulty)
