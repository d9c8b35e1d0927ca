"""Limits of families of hypotheses from the likelihood of searches: couplings, strengths, many masses at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..arrays import FloatArray
from ..process.family import Family
from .calculate import CALCULATE
from .crossings import Crossings, crossings, roots_near
from .method import Method
from .refined import refined_crossings
from .result import FamilyLimits

if TYPE_CHECKING:
    from .verdicts import JointLikelihood


#: Positive signal events at the median limit below which asymptotic limits come with a remark. With more than 15 in
#: both default searches, or 40 in one, observed and median limits are right to 3 and 1 %.
FEW_EVENTS = 15.0


def family_limits(joint: JointLikelihood, family: Family, method: Method, without_theory: bool = False) -> FamilyLimits:
    """The x above which every member of each family is excluded, observed and expected.

    Those of the fitter ``pyhf`` are looked for from 2 % below to 2 % above ours, and further if they are not there.
    ``without_theory``: also the observed limit without the uncertainties of the luminosities.
    """
    interference, fitter = method.interference, method.fitter
    lowest, largest = family.lowest, family.largest
    found = crossings(joint.curves(family, interference), lowest, largest)
    if method.calculator != "asymptotic":
        found = [_refined(joint, family, method, i, one) for i, one in enumerate(found)]
    x_95 = np.array([one.limits for one in found]).reshape(-1, 6)
    if fitter != "newton":
        x_95 = _judged(joint, family, interference, fitter, x_95)
    faults, islands = [], []
    for i, one in enumerate(found):
        islands += [(i, text) for text in one.island_warnings(family.variable)]
        if (fault := _fault(one, family.variable, float(lowest[i]))) is not None:
            faults.append((i, fault))
    top = np.max(np.nan_to_num(x_95, nan=-np.inf), axis=1, initial=-np.inf)
    some = np.nonzero(np.isfinite(top))[0]
    warnings: tuple[tuple[int, str], ...] = ()
    if method.calculator == "asymptotic":
        warnings = _few_events(joint, family, interference, x_95[:, 3])
    if len(some):
        likelihood = joint.likelihood(family.at(some, top[some]), interference)
        warnings = (*warnings, *((int(some[k]), text) for k, text in likelihood.warnings))
    no_theory = np.full(len(found), np.nan)
    if without_theory:
        no_theory = _without_theory(joint, family, interference, x_95[:, 0])
    return FamilyLimits(
        x_95=x_95,
        largest=largest,
        largest_because=family.largest_because,
        no_theory=no_theory,
        crossings_observed=tuple(one.observed for one in found),
        faults=tuple(faults),
        islands=tuple(islands),
        warnings=warnings,
    )


def _few_events(
    joint: JointLikelihood, family: Family, interference: bool, median: FloatArray
) -> tuple[tuple[int, str], ...]:
    """(index, remark) of families at whose median limit too few events are expected for the asymptotic formulae."""
    some = np.nonzero(np.isfinite(median))[0]
    if not len(some):
        return ()
    signal = joint.likelihood(family.at(some, median[some]), interference).signal
    events = np.maximum(signal, 0.0).sum(axis=1)
    return tuple((int(i), few_events_remark(n)) for i, n in zip(some, events, strict=True) if n < FEW_EVENTS)


def few_events_remark(events: float) -> str:
    """Remark on asymptotic limits where this many signal events are expected at the median limit."""
    return (
        f"{events:.2g} signal events are expected at the median limit: asymptotic limits are up to 15 % too strong "
        "there and their 2-sigma bands off by up to a factor of 1.7; use --calculator toys"
    )


def _refined(joint: JointLikelihood, family: Family, method: Method, i: int, asymptotic: Crossings) -> Crossings:
    """The crossings of one family by another calculator than the asymptotic one."""
    # a limit is at the border of exclusion, where ``auto`` takes toys
    calculator = "toys" if method.calculator == "auto" else method.calculator or ""

    def values(log_x: FloatArray) -> FloatArray:
        hypotheses = family.at(np.full(len(log_x), i), np.exp(log_x))
        tested = CALCULATE[calculator](joint, hypotheses, method)
        return np.concatenate([tested.cls_observed[:, None], tested.cls_expected], axis=1)

    return refined_crossings(values, asymptotic, float(family.lowest[i]), float(family.largest[i]))


def _fault(found: Crossings, variable: str, lowest: float) -> str | None:
    """Why a family has no limit for a reason other than a weak signal; None otherwise."""
    if found.fault is not None and np.isnan(found.limits).any():
        return found.fault
    if found.excluded_everywhere:
        return f"excluded down to a {variable} of {lowest:g}; the data reject every hypothesis"
    return None


def _without_theory(joint: JointLikelihood, family: Family, interference: bool, with_theory: FloatArray) -> FloatArray:
    """Observed limits without the uncertainties of the luminosities, close to those with them, (n,)."""
    n = len(with_theory)
    end = np.log(family.largest)
    guess = np.where(np.isfinite(with_theory), np.log(np.where(with_theory > 0, with_theory, 1.0)), end)
    curves = joint.without_theory.curves(family, interference)
    return np.exp(roots_near(curves, np.arange(n), np.zeros(n, dtype=np.intp), guess, end))


def _judged(joint: JointLikelihood, family: Family, interference: bool, fitter: str, x_95: FloatArray) -> FloatArray:
    """The limits found again by another fitter, (n, 6)."""
    which, curve = np.nonzero(np.isfinite(x_95))
    judged = np.full(x_95.shape, np.nan)
    if len(which):
        curves, end = joint.curves(family, interference, fitter), np.log(family.largest)[which]
        judged[which, curve] = np.exp(roots_near(curves, which, curve, np.log(x_95[which, curve]), end))
    return judged
