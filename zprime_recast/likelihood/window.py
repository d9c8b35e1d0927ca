r"""Marginal likelihood of the counts in one window, in which a signal may move and the background has its own norm.

.. math:: L(x) = \int d\theta\, N(\theta) \sum_d w_d \prod_j Pois(n_j \mid \kappa^\theta b_j + x s_{dj})

with x signal events in the window, b the expected background, s_d the shape of the signal at point d of the prior of
its nuisances (mass scale, resolution; weight w_d), normalised to 1 in the window, and kappa the log-normal uncertainty
of the background's norm. With y = x/kappa^theta the product is a function of y times that of the total,

.. math:: \ln \prod_j = n \ln \nu - \nu B - x + \sum_j n_j \ln(1 + y s_{dj}/b_j), \qquad \nu = \kappa^\theta,

so that the sum over bins is one matrix product for all data sets (toys), points and strengths, and what is left is an
integral over ln(nu), done by Gauss-Hermite quadrature around its maximum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet

#: Points in y and of the quadrature in ln(nu).
Y_POINTS, NODES = 40, 5
#: Newton steps that find the middle of the quadrature, and the accuracy in its widths at which they end.
STEPS, SETTLED = 20, 0.05


@dataclass(frozen=True, eq=False, repr=False)
class Window(Quiet):
    """Expected counts in the bins of one window."""

    background: FloatArray
    """(n_bins,)."""
    shapes: FloatArray
    """Signal at the points of the prior of its nuisances, each normalised to 1, (n_points, n_bins)."""
    weights: FloatArray
    """Weights of the points, which sum to 1, (n_points,)."""
    kappa: float
    """Log-normal uncertainty of the norm of the background: a factor per standard deviation."""

    @property
    def information(self) -> float:
        """Information of the bins on the number of signal events, without nuisances: sum of s^2/b."""
        return float(((self.weights @ self.shapes) ** 2 / self.background).sum())


def log_marginal(window: Window, counts: FloatArray, events: FloatArray) -> FloatArray:
    """ln L of the module's head, (n_data, n_strengths), up to a constant of each data set.

    Arguments:
        window: the expected counts.
        counts: data sets, (n_data, n_bins).
        events: ascending numbers of signal events in the window, (n_strengths,); the first may be 0.
    """
    spread = np.log(window.kappa)
    total, expected = counts.sum(axis=1)[:, None], window.background.sum()
    curve = _ratio_curve(window, counts, float(events[-1]))
    u = np.log((total + spread**-2) / (expected + spread**-2)) + np.zeros(len(events))
    for _ in range(STEPS):
        _, first, second = curve.at(events * np.exp(-u))
        nu = np.exp(u)
        slope = total - nu * expected - first - u / spread**2
        bend = np.maximum(nu * expected - second + spread**-2, spread**-2)
        move = np.clip(slope / bend, -spread, spread)
        u, width = u + move, bend**-0.5
        if (np.abs(move) < SETTLED * width).all():
            break
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    each = []
    for node, weight in zip(nodes, weights, strict=True):
        v = u + node * width
        value = curve.at(events * np.exp(-v))[0]
        log = total * v - np.exp(v) * expected + value - 0.5 * (v / spread) ** 2
        each.append(log + 0.5 * node**2 + np.log(weight))
    return np.asarray(np.logaddexp.reduce(each, axis=0) + np.log(width) - events)


@dataclass(frozen=True, eq=False, repr=False)
class _RatioCurve:
    """ln sum_d w_d exp(sum_j n_j ln(1 + y s_dj/b_j)) and its slope at points equidistant in t = ln(1 + y/unit)."""

    unit: float
    step: float
    value: FloatArray
    """(n_data, Y_POINTS)."""
    slope: FloatArray
    """d(value)/dt, (n_data, Y_POINTS)."""

    def at(self, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value, and its first and second derivative with respect to ln y, at y (n_data, n) by cubic interpolation."""
        t = np.log1p(y / self.unit)
        k: IndexArray = np.minimum((t / self.step).astype(np.intp), Y_POINTS - 2)
        z = np.minimum(t / self.step - k, 1.0)
        h = self.step
        f0, f1 = np.take_along_axis(self.value, k, 1), np.take_along_axis(self.value, k + 1, 1)
        g0, g1 = h * np.take_along_axis(self.slope, k, 1), h * np.take_along_axis(self.slope, k + 1, 1)
        c2, c3 = 3 * (f1 - f0) - 2 * g0 - g1, 2 * (f0 - f1) + g0 + g1
        value = f0 + z * (g0 + z * (c2 + z * c3))
        by_t, by_tt = (g0 + z * (2 * c2 + 3 * z * c3)) / h, (2 * c2 + 6 * z * c3) / h**2
        share = y / (y + self.unit)  # dt/d(ln y)
        return value, by_t * share, by_tt * share**2 + by_t * share * (1 - share)


def _ratio_curve(window: Window, counts: FloatArray, most: float) -> _RatioCurve:
    """The curve up to ``most`` signal events over the smallest norm of the background that the data allow."""
    spread = np.log(window.kappa)
    lowest = np.log((counts.sum(axis=1).min() + 0.1) / (window.background.sum() + 0.1))
    y_max = most * np.exp(min(6 * spread, max(0.0, -lowest) + 4 * spread)) + 1e-300
    ratio = window.shapes / window.background
    unit = max(1 / ratio.max(), 1e-6 * y_max)
    t = np.linspace(0.0, np.log1p(y_max / unit), Y_POINTS)
    y = unit * np.expm1(t)
    grown = 1 + y[:, None, None] * ratio
    n_bins = counts.shape[1]
    each = (counts @ np.log(grown).reshape(-1, n_bins).T).reshape(len(counts), Y_POINTS, -1)
    by_y = (counts @ (ratio / grown).reshape(-1, n_bins).T).reshape(len(counts), Y_POINTS, -1)
    highest = each.max(axis=2, keepdims=True)
    share = window.weights * np.exp(each - highest)
    total = share.sum(axis=2)
    slope = (share * by_y).sum(axis=2) / total * (y + unit)
    return _RatioCurve(unit, float(t[1] - t[0]), highest[:, :, 0] + np.log(total), slope)
