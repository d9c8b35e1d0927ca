"""Limits from shared toys at neighbouring masses, at a fraction of the cost of as many single limits.

All six curves are computed at one mass, the node. At the other masses the asymptotic limits are known from a few
hypotheses around those of the node; the observed limit is found from there with the toys of the node, usually in one or
two steps, because it changes with single events; the expected ones follow from the ratio to the asymptotic ones, which
varies slowly and is left to whoever has the nodes on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import BoolArray, FloatArray, IndexArray, Quiet
from ..io.threads import one_blas_thread
from ..likelihood.asymptotics import sqrt_q_thresholds
from ..likelihood.cls import asymptotic_cls
from ..likelihood.shared_cls import shared_cls
from ..likelihood.toy_ensemble import Toys
from ..process.family import CouplingFamily
from .families import family_limits
from .mass_grid import TURNS, added_masses, own_masses
from .method import Method
from .refined import straightened
from .result import FamilyLimits, scattered
from .verdicts import JointLikelihood

#: Distance in ln x of the hypotheses that asymptotic limits are interpolated between, how far they reach beyond the
#: limits of the node, and how far a limit may lie above the largest x to be the base of one from toys.
SPACING, REACH_DOWN, REACH_UP, BEYOND = 0.22, 0.65, 0.4, 0.4
#: Range of slopes of the straightened CLs in ln x: -1 to -1.3 for data as expected, steeper where there is an excess.
SLOPES = (-10.0, -0.3)
#: Steps in ln x: the largest one, the one after which a root is accepted without another look, and their number.
STEP_MAX, STEP_DONE, STEPS = 0.25, 0.02, 6
#: Difference of the ratio of toys to asymptotic observed limits at two neighbouring masses below which it is
#: interpolated at masses that were added between them.
EQUAL = 0.02


@dataclass(frozen=True, eq=False, repr=False)
class NearbyLimits(Quiet):
    """Limits at neighbouring, ascending masses (n,)."""

    mass_gev: FloatArray
    found: FamilyLimits
    """Observed limits from toys; expected ones from toys where ``whole``, asymptotic elsewhere."""
    whole: BoolArray
    """Masses at which all six curves were computed with toys, (n,)."""
    log_ratio: FloatArray
    """ln of the expected limits from toys over the asymptotic ones where ``whole``, (n, 5); NaN elsewhere."""


def nearby_limits(
    joint: JointLikelihood,
    family_at: Callable[[FloatArray], CouplingFamily],
    mass_gev: FloatArray,
    method: Method,
    around_gev: Sequence[float] = (),
    refine: bool = False,
) -> NearbyLimits:
    """Limits with toys at neighbouring masses (n,) in GeV.

    Arguments:
        joint: the likelihood of the searches that cover the masses.
        family_at: the family of the model at some masses.
        mass_gev: ascending masses.
        method: with the calculator ``toys``.
        around_gev: masses before and after these, up to the latter of which masses are added; not part of the result.
        refine: whether to add masses where the asymptotic curves bend.
    """
    node = float(mass_gev[len(mass_gev) // 2])
    family = family_at(np.array([node]))
    at_node = family_limits(joint, family, method)
    guess = at_node.x_95[0]
    if at_node.faults or len(at_node.crossings_observed[0]) != 1 or not np.isfinite(guess[0]):
        return _one_by_one(joint, family_at, mass_gev, method)
    asked = np.sort([*mass_gev, *around_gev]) if refine else mass_gev
    mass, log_x, slope = _asymptotic_curves(joint, family_at, asked, np.log(guess), method, refine)
    within = own_masses(mass, mass_gev, around_gev)
    mass, log_x, slope = mass[within], log_x[within], slope[within]
    at = int(np.nonzero(mass == node)[0][0])
    rest = np.setdiff1d(np.arange(len(mass)), [at])
    toys = joint.shared_toys.near(node, method.toys, method.seed)
    observed = np.full(len(mass), np.nan)
    observed[at] = np.log(guess[0])

    def look(some: IndexArray) -> None:
        start = log_x[some, 0] + observed[at] - log_x[at, 0]
        observed[some] = observed_near(joint, family_at(mass[some]), start, slope[some], toys, method)

    is_asked = np.isin(mass, mass_gev)
    look(rest[is_asked[rest]])
    added = np.nonzero(~is_asked)[0]
    if len(added):
        look(added[~_between_equal(mass, observed - log_x[:, 0], is_asked, added, observed, log_x[:, 0])])
    alone = rest[np.isnan(observed[rest])]  # no limit, or one that needs a closer look
    parts = [(np.array([at]), at_node)]
    if len(alone):
        parts.append((alone, family_limits(joint, family_at(mass[alone]), method)))
    near = np.setdiff1d(rest, alone)
    if len(near):
        parts.append((near, _of_observed(family_at(mass[near]), observed[near], log_x[near])))
    found = scattered(parts)
    whole = ~np.isin(np.arange(len(mass)), near)
    with np.errstate(invalid="ignore"):
        log_ratio = np.where(whole[:, None], np.log(found.x_95[:, 1:]) - log_x[:, 1:], np.nan)
    return NearbyLimits(mass, found, whole, log_ratio)


def _one_by_one(
    joint: JointLikelihood, family_at: Callable[[FloatArray], CouplingFamily], mass_gev: FloatArray, method: Method
) -> NearbyLimits:
    n = len(mass_gev)
    found = family_limits(joint, family_at(mass_gev), method)
    return NearbyLimits(mass_gev, found, np.ones(n, dtype=bool), np.full((n, 5), np.nan))


def _asymptotic_curves(
    joint: JointLikelihood,
    family_at: Callable[[FloatArray], CouplingFamily],
    mass_gev: FloatArray,
    guess: FloatArray,
    method: Method,
    refine: bool,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Masses (n,), with those where the curves bend, and what :func:`asymptotic_near` finds there."""
    mass = mass_gev
    log_x, slope = asymptotic_near(joint, family_at(mass), guess, method.interference)
    for _ in range(TURNS if refine else 0):
        added = added_masses(mass, log_x[:, [0, 3]])
        if not len(added):
            break
        more, slopes = asymptotic_near(joint, family_at(added), guess, method.interference)
        order = np.argsort(np.concatenate([mass, added]))
        mass = np.concatenate([mass, added])[order]
        log_x, slope = np.concatenate([log_x, more])[order], np.concatenate([slope, slopes])[order]
    return mass, log_x, slope


def _between_equal(
    mass: FloatArray,
    ratio: FloatArray,
    is_known: BoolArray,
    added: IndexArray,
    observed: FloatArray,
    asymptotic: FloatArray,
) -> BoolArray:
    """Where the observed limit follows from a ratio to the asymptotic one that is nearly the same on both sides.

    ``observed`` is filled in there.
    """
    known = np.nonzero(is_known & np.isfinite(ratio))[0]
    follows = np.zeros(len(added), dtype=bool)
    for k, i in enumerate(added):
        left, right = known[known < i], known[known > i]
        if len(left) and len(right) and abs(ratio[left[-1]] - ratio[right[0]]) < EQUAL:
            ends = [left[-1], right[0]]
            observed[i] = asymptotic[i] + np.interp(np.log(mass[i]), np.log(mass[ends]), ratio[ends])
            follows[k] = np.isfinite(observed[i])
    return follows


def _of_observed(family: CouplingFamily, observed: FloatArray, asymptotic: FloatArray) -> FamilyLimits:
    """Observed limits (n,) and asymptotic expected ones (n, 6), as ln x, in the place of complete ones."""
    x_95 = np.exp(np.concatenate([observed[:, None], asymptotic[:, 1:]], axis=1))
    return FamilyLimits(
        x_95=x_95,
        largest=family.largest,
        largest_because=family.largest_because,
        no_theory=np.full(len(observed), np.nan),
        crossings_observed=tuple((float(x),) for x in x_95[:, 0]),
        faults=(),
        islands=(),
        warnings=(),
    )


def asymptotic_near(
    joint: JointLikelihood, family: CouplingFamily, guess: FloatArray, interference: bool
) -> tuple[FloatArray, FloatArray]:
    """ln x of the six asymptotic limits of families whose limits are near a guess (6,) in ln x, (n, 6).

    Also the slope of the straightened observed CLs at its limit, (n,). Curves are interpolated, and continued up to
    BEYOND above the largest x. NaN where a limit is not found.
    """
    n = len(family.mass_gev)
    low, high = float(np.nanmin(guess)) - REACH_DOWN, float(np.nanmax(guess)) + REACH_UP
    top = np.log(family.largest) - 1e-9
    count = max(int(np.ceil((high - low) / SPACING)) + 1, 4)
    t = np.linspace(np.minimum(low, top - 3 * SPACING), np.minimum(high, top), count, axis=1)
    which: IndexArray = np.repeat(np.arange(n), count)
    tested = joint.test(family.at(which, np.exp(t.ravel())), interference)
    observed = straightened(tested.cls_observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.log(sqrt_q_thresholds() / np.sqrt(np.maximum(tested.q_asimov, 1e-12))[:, None])
    values = np.concatenate([observed[:, None], expected], axis=1).reshape(n, count, 6)
    roots = np.array([[_root(t[i], values[i, :, k], top[i]) for k in range(6)] for i in range(n)]).reshape(n, 6, 2)
    return roots[:, :, 0], roots[:, 0, 1]


def _root(t: FloatArray, y: FloatArray, top: float) -> tuple[float, float]:
    """Where a falling curve through points is 0, up to BEYOND above the last, and its slope there.

    NaN if it is 0 nowhere, or if it falls and rises.
    """
    from scipy.interpolate import CubicSpline

    good = np.isfinite(y)
    t, y = t[good], y[good]
    if len(t) < 4 or y[0] < 0 or (np.diff(y) > 0).any():
        return float("nan"), float("nan")
    if y[-1] > 0:
        slope = (y[-1] - y[-2]) / (t[-1] - t[-2])
        beyond = t[-1] - y[-1] / slope if slope < 0 else np.inf
        return (float(beyond), float(slope)) if beyond < top + BEYOND else (float("nan"), float("nan"))
    curve = CubicSpline(t, y)
    inside = curve.solve(0.0, extrapolate=False)
    return (float(inside[-1]), float(curve(inside[-1], 1))) if len(inside) else (float("nan"), float("nan"))


def observed_near(
    joint: JointLikelihood,
    family: CouplingFamily,
    start: FloatArray,
    slope: FloatArray,
    toys: Toys,
    method: Method,
) -> FloatArray:
    """ln x of the observed limits of families from given toys, (n,), by secant steps in ln x.

    Arguments:
        joint, family, method: as :func:`nearby_limits`.
        start: first ln x, (n,).
        slope: of the straightened CLs there before a second point is known, (n,).
        toys: the toys.

    NaN where a start is NaN, a limit lies above the largest x, or the steps do not settle.
    """
    top = np.log(family.largest) - 1e-9
    t, root = np.minimum(start, top), np.full(len(start), np.nan)
    before_t, before_y = np.full(len(start), np.nan), np.full(len(start), np.nan)
    slope = np.clip(slope, *SLOPES)
    todo = np.nonzero(np.isfinite(t))[0]
    for _ in range(STEPS):
        if not len(todo):
            break
        at, y = t[todo], straightened(observed_cls(joint, family.take(todo), t[todo], toys, method))
        with np.errstate(divide="ignore", invalid="ignore"):
            secant = (y - before_y[todo]) / (at - before_t[todo])
        usable = (secant > SLOPES[0]) & (secant < SLOPES[1])
        slope[todo] = np.where(usable, secant, slope[todo])
        before_t[todo], before_y[todo] = at, y
        step = np.clip(-y / slope[todo], -STEP_MAX, STEP_MAX)
        done = np.abs(step) < STEP_DONE
        root[todo[done]] = (at + step)[done]
        over = (at >= top[todo]) & (y > 0)
        t[todo] = np.minimum(at + step, top[todo])
        todo = todo[~done & ~over & np.isfinite(y)]
    return np.where(root <= top, root, np.nan)


def observed_cls(
    joint: JointLikelihood, family: CouplingFamily, log_x: FloatArray, toys: Toys, method: Method
) -> FloatArray:
    """Observed CLs of all members of a family at ln x (n,) from given toys, (n,); NaN where there is none."""
    with one_blas_thread():
        hypotheses = family.at(np.arange(len(log_x)), np.exp(log_x))
        likelihood = joint.likelihood(hypotheses, method.interference)
        asymptotic = asymptotic_cls(likelihood, joint.background)
        return shared_cls(likelihood, joint.background, toys, asymptotic, observed_only=True).cls_observed


def expected_between(
    x_95: FloatArray, mass_gev: FloatArray, whole: BoolArray, log_ratio: FloatArray, largest: FloatArray
) -> FloatArray:
    """Expected limits (n, 5): the asymptotic ones times the ratio of toys to them, interpolated between the nodes.

    Arguments:
        x_95: limits of the same searches, (n, 6); expected ones are asymptotic unless ``whole``.
        mass_gev: ascending masses, (n,).
        whole: where all six curves were computed with toys, (n,).
        log_ratio: ln of the ratio there, (n, 5).
        largest: above which no limit is quoted, (n,).
    """
    found, log_m = x_95[:, 1:].copy(), np.log(mass_gev)
    for k in range(5):
        known = np.nonzero(whole & np.isfinite(log_ratio[:, k]))[0]
        between = np.interp(log_m, log_m[known], log_ratio[known, k]) if len(known) else np.zeros(len(log_m))
        x = np.where(whole, found[:, k], found[:, k] * np.exp(between))
        found[:, k] = np.where(x <= largest, x, np.nan)
    return found
