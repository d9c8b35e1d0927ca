"""Limits of calculators that take long: CLs at a few points around the asymptotic limits, and interpolated between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from ..arrays import FloatArray
from ..likelihood.asymptotics import sqrt_q_thresholds
from .crossings import Crossings

#: First points, over the lowest and the highest of the six asymptotic limits, and their number.
SPAN, NODES = (0.96, 1.25), 5
#: Points around every crossing, over its x, where the asymptotic CLs is not monotonic.
AROUND = (0.92, 0.97, 1.02, 1.08)
#: An observed root is accepted when a point at it moves it by less than this in ln x.
CLOSE = 0.003
#: Largest number of points added to narrow the observed root, and to reach roots outside the first points.
MORE, REACH = 3, 6
#: Points at which the curves between the nodes are looked at.
FINE = 1200

Values = Callable[[FloatArray], FloatArray]
"""CLs (n, 6), observed and at -2..+2 standard deviations, at ln x (n,); NaN where there is none."""


def straightened(cls: FloatArray) -> FloatArray:
    """A function of CLs that falls through 0 at 0.05 and is nearly a straight line in ln x.

    It is ln(c/z) with z = -Phi^-1(CLs/2) and c its value at 0.05: z is proportional to x for a Gaussian measurement.
    """
    z = -ndtri(np.clip(cls, 1e-12, 1 - 1e-9) / 2)
    return np.asarray(np.log(sqrt_q_thresholds()[2]) - np.log(np.maximum(z, 1e-6)))


def refined_crossings(values: Values, asymptotic: Crossings, lowest: float, largest: float) -> Crossings:
    """The crossings of the six curves of one family, near those of their asymptotic counterparts.

    Arguments:
        values: CLs at ln x.
        asymptotic: the asymptotic crossings and turning points.
        lowest, largest: range of x.
    """
    ends = np.log(lowest), np.log(largest)
    t = _first_nodes(asymptotic, *ends)
    if not len(t):
        return asymptotic
    y = straightened(values(t))
    for _ in range(REACH):  # where a limit lies outside the nodes
        more = []
        if np.nanmax(y[-1]) > 0 and t[-1] < ends[1] - 1e-9:
            more.append(min(t[-1] + 0.25, ends[1]))
        if np.nanmin(y[0]) < 0 and t[0] > ends[0]:
            more.append(max(t[0] - 0.25, ends[0]))
        if not more:
            break
        t, y = _with_nodes(values, t, y, np.array(more))
    for _ in range(MORE):  # the observed limit is checked where it is found
        roots, _ = _roots(t, y[:, 0])
        far = np.array([root for root in roots if np.abs(t - root).min() > CLOSE])
        if not len(far):
            break
        t, y = _with_nodes(values, t, y, far)
        again, _ = _roots(t, y[:, 0])
        if len(again) == len(roots) and np.abs(np.subtract(again, roots)).max() < CLOSE:
            break
    found = [_roots(t, y[:, k]) for k in range(6)]
    return Crossings(
        log_x=tuple(tuple(roots) for roots, _ in found),
        excluded_at_end=tuple(end for _, end in found),
        fault=asymptotic.fault,
        turning=asymptotic.turning,
    )


def _first_nodes(asymptotic: Crossings, lowest: float, largest: float) -> FloatArray:
    """ln x of the first points, ascending."""
    all_roots = [t for roots in asymptotic.log_x for t in roots]
    if not all_roots and not asymptotic.turning:
        # nothing is excluded asymptotically up to the largest x, nor is it with toys unless it nearly is
        return np.array([largest - 0.1, largest])
    some = all_roots or list(asymptotic.turning)
    nodes = np.linspace(min(some) + np.log(SPAN[0]), max(some) + np.log(SPAN[1]), NODES)
    if len(asymptotic.log_x[0]) > 1 or asymptotic.turning:
        around = [t + np.log(x) for t in asymptotic.log_x[0] for x in AROUND]
        nodes = np.concatenate([nodes, around, asymptotic.turning])
    nodes = np.unique(np.clip(nodes, lowest, largest))
    return np.asarray(nodes[np.concatenate([[True], np.diff(nodes) > 0.005])])


def _with_nodes(values: Values, t: FloatArray, y: FloatArray, more: FloatArray) -> tuple[FloatArray, FloatArray]:
    all_t = np.concatenate([t, more])
    all_y = np.concatenate([y, straightened(values(more))])
    order = np.argsort(all_t)
    return all_t[order], all_y[order]


def _roots(t: FloatArray, y: FloatArray) -> tuple[list[float], bool]:
    """Where the monotone cubic through points is 0, ascending, and whether it ends below 0."""
    from scipy.interpolate import PchipInterpolator

    good = np.isfinite(y)
    t, y = t[good], y[good]
    if not len(t):
        return [], False
    if len(t) == 1:
        return [], bool(y[0] < 0)
    fine = np.linspace(t[0], t[-1], FINE)
    value = PchipInterpolator(t, y)(fine)
    k = np.nonzero((value[:-1] > 0) != (value[1:] > 0))[0]
    roots = fine[k] + (fine[1] - fine[0]) * value[k] / (value[k] - value[k + 1])
    return [float(root) for root in roots], bool(y[-1] < 0)
