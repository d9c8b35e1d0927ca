"""CLs of all hypotheses of a likelihood from toys that they share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .background_fit import BackgroundFit
from .binned import BinnedLikelihood
from .cls import Tested
from .expectations import expectations_of
from .toy_ensemble import Toys
from .toy_statistic import ToyStatistic, fitted, toy_statistic
from .toys import statistics
from .weighted_cls import weighted_cls

#: Statistic q~ of the Asimov data below which a hypothesis cannot be told from the background; its CLs is 1.
BLIND = 1e-6
#: Largest number of toys of a hypothesis that are fitted singly: a few in 10,000 need it.
MOST_SINGLY = 64


def shared_cls(
    likelihood: BinnedLikelihood, null: BackgroundFit, toys: Toys, asymptotic: Tested, observed_only: bool = False
) -> Tested:
    """CLs of all hypotheses at strength 1 from shared toys.

    ``asymptotic`` holds the observed statistics, from :func:`~zprime_recast.likelihood.cls.asymptotic_cls`. Hypotheses
    whose fit does not converge become faults. With ``observed_only`` the expected values stay asymptotic, and only toys
    near the data are fitted, which takes half the time.
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
            near = -0.5 * float(asymptotic.q_observed[i]) if observed_only else None
            tested = toy_statistic(toys, hypothesis, near)
            _fit_singly(tested, toys, likelihood, i)
            found = weighted_cls(toys, tested, float(asymptotic.q_observed[i]))
            observed[i] = found.cls_observed
            if not observed_only:
                expected[i] = found.cls_expected
    faulty = tuple(sorted(faults.items()))
    return replace(asymptotic, cls_observed=observed, cls_expected=expected, faults=faulty)


def _fit_singly(tested: ToyStatistic, toys: Toys, likelihood: BinnedLikelihood, i: int) -> None:
    """Replace the statistics of toys whose fast fit was given up by those of Newton fits; in place."""
    rows = tested.unconverged[:MOST_SINGLY]
    if not len(rows):
        return
    model = expectations_of(likelihood, np.array([i]))
    n_bins, deviations = toys.n_bins, toys.deviations[rows].astype(float)
    counts = np.rint(deviations[:, :n_bins] + toys.null.expected)
    end = n_bins + len(toys.null.nuisances)
    of_background = deviations[:, n_bins:end] + toys.null.nuisances
    centers = np.concatenate([deviations[:, end:] @ model.rotation[0].T, of_background], axis=1)
    tested.statistic[rows] = -0.5 * statistics(model, counts, centers, toys.null)
