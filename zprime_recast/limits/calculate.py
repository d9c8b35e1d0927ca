"""The calculators: from hypotheses to CLs, one function for each name in
:data:`zprime_recast.limits.method.CALCULATORS`.

Every calculator looks at one hypothesis at a time: no result depends on the company, the order or the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import FloatArray, IndexArray
from ..errors import LikelihoodError
from ..io.threads import one_blas_thread
from ..likelihood.bayes import posterior
from ..likelihood.binned import BinnedLikelihood
from ..likelihood.cls import Tested
from ..likelihood.shared_cls import BLIND, shared_cls
from ..likelihood.toys import toy_cls
from ..process.hypotheses import Hypotheses
from .method import Method
from .shared_toys import node_of

if TYPE_CHECKING:
    from .verdicts import JointLikelihood

#: Asymptotic CLs between which ``auto`` takes toys.
BORDER = (0.002, 0.2)
#: Hypotheses whose likelihood is held in memory together, and of those with a posterior.
CHUNK, BAYES_CHUNK = 64, 8


def asymptotic(joint: JointLikelihood, hypotheses: Hypotheses, method: Method) -> Tested:
    """CLs of hypotheses (n,) from the asymptotic formulae."""
    return joint.test(hypotheses, method.interference)


def toys(joint: JointLikelihood, hypotheses: Hypotheses, method: Method) -> Tested:
    """CLs of hypotheses (n,) from the toys that all hypotheses near a mass share."""
    found = asymptotic(joint, hypotheses, method)
    return with_toys(joint, hypotheses, method, found, np.arange(len(hypotheses.mass_gev)))


def auto(joint: JointLikelihood, hypotheses: Hypotheses, method: Method) -> Tested:
    """CLs of hypotheses (n,) from toys where the asymptotic CLs is near the border of exclusion."""
    found = asymptotic(joint, hypotheses, method)
    with np.errstate(invalid="ignore"):
        near = (found.cls_observed > BORDER[0]) & (found.cls_observed < BORDER[1])
    return with_toys(joint, hypotheses, method, found, np.nonzero(near)[0])


def with_toys(
    joint: JointLikelihood, hypotheses: Hypotheses, method: Method, found: Tested, rows: IndexArray
) -> Tested:
    """The asymptotic results with those of some rows replaced by results of shared toys."""
    observed, expected = found.cls_observed.copy(), found.cls_expected.copy()
    used = np.array(found.calculator_used)
    faults = dict(found.faults)
    with one_blas_thread():
        for mass, some in _by_node(hypotheses.mass_gev, rows):
            drawn = joint.shared_toys.near(mass, method.toys, method.seed)
            likelihood = joint.likelihood(hypotheses.take(some), method.interference)
            part = shared_cls(likelihood, joint.background, drawn, found.take(some))
            observed[some], expected[some], used[some] = part.cls_observed, part.cls_expected, "toys"
            faults |= {int(some[k]): text for k, text in part.faults}
    return replace(
        found,
        cls_observed=observed,
        cls_expected=expected,
        calculator_used=tuple(used.tolist()),
        faults=tuple(sorted(faults.items())),
    )


def _by_node(mass_gev: FloatArray, rows: IndexArray) -> Iterator[tuple[float, IndexArray]]:
    """Masses toys are drawn for, and the rows near each, a few at a time."""
    nodes = np.array([node_of(mass) for mass in mass_gev[rows]], dtype=int)
    for node in np.unique(nodes):
        near = rows[nodes == node]
        for first in range(0, len(near), CHUNK):
            yield float(mass_gev[near[0]]), near[first : first + CHUNK]


def plain_toys(joint: JointLikelihood, hypotheses: Hypotheses, method: Method) -> Tested:
    """CLs of hypotheses (n,) from toys of each hypothesis, fitted one by one: the judge of the shared ones."""
    n = len(hypotheses.mass_gev)
    observed, q_observed, expected = np.full(n, np.nan), np.full(n, np.nan), np.full((n, 5), np.nan)
    likelihood = joint.likelihood(hypotheses, method.interference)
    faults = dict(likelihood.faults)
    with one_blas_thread():
        for i in range(n):
            if i in faults:
                continue
            try:
                found = toy_cls(likelihood.take(i), method.toys, method.seed, joint.background)
            except LikelihoodError as err:
                faults[i] = str(err)
                continue
            observed[i], expected[i], q_observed[i] = found.cls_observed, found.cls_expected, found.q_observed
    unknown, none = np.full(n, np.nan), np.zeros(n, dtype=bool)
    faulty = tuple(sorted(faults.items()))
    used = ("plain-toys",) * n
    return Tested(observed, expected, q_observed, unknown, unknown, none, faulty, likelihood.warnings, used)


def bayes(joint: JointLikelihood, hypotheses: Hypotheses, method: Method) -> Tested:
    """Posterior probability of more signal than that of each hypothesis (n,), with a flat prior in its strength.

    It takes the place of CLs, with which it agrees for counts without nuisances. Expected values are those of the
    background-only Asimov data, without a band.
    """
    found = asymptotic(joint, hypotheses, method)
    n = len(hypotheses.mass_gev)
    observed, expected = found.cls_observed.copy(), np.full((n, 5), np.nan)
    with np.errstate(invalid="ignore"):
        rows = np.nonzero(found.q_asimov > BLIND)[0]
    background = joint.background
    with one_blas_thread():
        for first in range(0, len(rows), BAYES_CHUNK):
            some = rows[first : first + BAYES_CHUNK]
            part, size = hypotheses.take(some), found.q_asimov[some]

            def likelihood_at(strengths: FloatArray, _: FloatArray, part: Hypotheses = part) -> BinnedLikelihood:
                n, m = strengths.shape
                repeated = part.take(np.repeat(np.arange(n), m))
                own = 1.0 if repeated.strength is None else repeated.strength
                return joint.likelihood(replace(repeated, strength=own * strengths.ravel()), method.interference)

            estimate = 2 / np.sqrt(size) + 1 / size
            observed[some] = posterior(likelihood_at, background, estimate).beyond(1.0)
            expected[some, 2] = posterior(likelihood_at, background, estimate, 0, background.expected).beyond(1.0)
    return replace(
        found,
        cls_observed=observed,
        cls_expected=expected,
        calculator_used=("bayes",) * n,
    )


Calculator = Callable[["JointLikelihood", Hypotheses, Method], Tested]

CALCULATE: dict[str, Calculator] = {
    "asymptotic": asymptotic,
    "toys": toys,
    "auto": auto,
    "plain-toys": plain_toys,
    "bayes": bayes,
}
