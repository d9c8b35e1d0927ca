"""Expected counts around a generic resonance, in the windows of a search's own fit of resonances.

Signal shapes live on a lattice of bins equidistant in ln(mass), one of them centred at the pole. There the
Breit-Wigner in true mass (closed form, without parton luminosity) is convolved with the mass response at the pole. A
shift of the mass scale by whole bins is then a shift of the array.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet
from ..searches.channel import R_MAX
from ..searches.resonance_fit import Category, ResonanceFit
from ..searches.response import response_matrix
from .resonance import ZERO_WIDTH

#: Range of the prior of a mass scale, in standard deviations, and the largest step between its points: so many of its
#: standard deviations, or so many of Gamma/M + sigma.
SCALE_RANGE, SCALE_STEP, PEAK_STEP = 3.0, 0.75, 0.4
#: Points of Gauss-Hermite quadrature over the resolution.
RESOLUTION_POINTS = 3
#: Least expected background of a bin, in events.
LEAST = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class Peak(Quiet):
    """A resonance and the background under it in the bins of one window."""

    edges_gev: FloatArray
    """(n_bins + 1,)."""
    background: FloatArray
    """Expected background events, (n_bins,)."""
    shapes: FloatArray
    """Signal at the points of the prior of scale and resolution, normalised to 1 in the window, (n_points, n_bins)."""
    weights: FloatArray
    """Weights of the points; their sum is 1, (n_points,)."""


def category_peak(fit: ResonanceFit, category: Category, mass_gev: float, gamma_over_m: float) -> Peak:
    """The window of one category, in bins of ``fit.bins`` of its width, for a pole mass in GeV and a relative width."""
    step = lattice_step(fit, category, mass_gev, gamma_over_m)
    low, high = np.log(np.array(fit.window_gev(category, mass_gev, gamma_over_m)) / mass_gev) / step
    first, last = int(np.ceil(low + 0.5)), int(np.floor(high - 0.5))
    scale = category.size("scale", mass_gev)
    shifts, weights = scale_points(scale, step, gamma_over_m + category.core(mass_gev))
    margin = int(np.abs(shifts).max())
    nodes, node_weights = resolution_points(category.size("resolution", mass_gev))
    peaks = measured(category, mass_gev, gamma_over_m, step, first - margin, last + margin, nodes)
    bins = np.arange(last - first + 1)
    shapes = peaks[:, (margin - shifts)[:, None] + bins].reshape(-1, len(bins))
    edges = mass_gev * np.exp(step * (np.arange(first, last + 2) - 0.5))
    background = np.maximum(np.diff(category.background_below(edges)), LEAST)
    return Peak(edges, background, _normalised(shapes), np.outer(node_weights, weights).ravel())


def merged_peak(
    fit: ResonanceFit, categories: tuple[Category, ...], mass_gev: float, gamma_over_m: float, points: FloatArray
) -> tuple[Peak, slice]:
    """The bins of the published spectrum in the widest window of the categories of one channel, and which they are.

    ``points`` (n_points, 2 n_categories) are values of the nuisances of scale and resolution of each category, in
    standard deviations, of equal weight. Bins are inside the window if their middle is; at least that of the pole is.
    """
    channel = categories[0].detector
    windows = np.array([fit.window_gev(c, mass_gev, gamma_over_m) for c in categories])
    low, high = windows[:, 0].min(), windows[:, 1].max()
    at = int(np.clip(np.searchsorted(channel.edges_gev, mass_gev, side="right") - 1, 0, len(channel.bkg) - 1))
    inside = np.nonzero((channel.centers_gev > low) & (channel.centers_gev < high))[0]
    chosen = slice(min(at, *inside[:1]), max(at, *inside[-1:]) + 1) if len(inside) else slice(at, at + 1)
    edges = channel.edges_gev[chosen.start : chosen.stop + 1]
    shapes = np.zeros((len(points), len(edges) - 1))
    for k, category in enumerate(categories):
        step = lattice_step(fit, category, mass_gev, gamma_over_m)
        shift = np.log1p(points[:, 2 * k] * category.size("scale", mass_gev))
        resolution = category.size("resolution", mass_gev)
        wider = points[:, 2 * k + 1] * resolution if resolution > 0 else np.zeros(1)
        ends = np.log(edges / mass_gev) - np.array([[shift.max()], [shift.min()]])
        first, last = int(np.floor(ends.min() / step)), int(np.ceil(ends.max() / step))
        peaks = measured(category, mass_gev, gamma_over_m, step, first, last, wider)
        lattice = step * (np.arange(first, last + 2) - 0.5)
        below = np.concatenate([np.zeros((len(peaks), 1)), np.cumsum(peaks, axis=1)], axis=1)
        below = np.broadcast_to(below, (len(points), below.shape[1]))
        for row, (by, of) in enumerate(zip(shift, below, strict=True)):
            part = np.diff(np.interp(np.log(edges / mass_gev) - by, lattice, of))
            shapes[row] += category.events(mass_gev) * part / part.sum()
    background = np.asarray(channel.bkg[chosen])
    return Peak(edges, background, _normalised(shapes), np.full(len(points), 1 / len(points))), chosen


def lattice_step(fit: ResonanceFit, category: Category, mass_gev: float, gamma_over_m: float) -> float:
    """Width of the bins of a category in ln(mass)."""
    return float(fit.bins * (gamma_over_m + category.core(mass_gev)))


def measured(
    category: Category,
    mass_gev: float,
    gamma_over_m: float,
    step: float,
    first: int,
    last: int,
    wider: FloatArray,
) -> FloatArray:
    """Share of a resonance measured in the bins ``first`` to ``last`` of the lattice around its pole, (n, n_bins).

    ``wider`` (n,) are relative changes of the width of the response.
    """
    reach = int(np.ceil(-np.log(1 - R_MAX) / step))
    edges = mass_gev * np.exp(step * (np.arange(-reach, reach + 2) - 0.5))
    axis = replace(category.detector.axes[0], edges=edges)
    detector = replace(category.detector, axes=(axis,))
    response = response_matrix(detector, np.full(len(wider), mass_gev), resolution=wider)
    true = mass_gev * np.exp(step * (np.arange(first - reach, last + reach + 2) - 0.5))
    line = np.diff(breit_wigner_cdf(true, mass_gev, max(gamma_over_m, ZERO_WIDTH) * mass_gev))
    return np.array([np.convolve(line, row, mode="valid") for row in response])


def breit_wigner_cdf(m_gev: FloatArray, mass_gev: float, gamma_gev: float) -> FloatArray:
    """Share of 1/((s - M^2)^2 + M^2 Gamma^2) ds, over all s, below masses (n,), up to a constant, (n,)."""
    scale = mass_gev * gamma_gev
    return np.asarray(np.arctan((m_gev**2 - mass_gev**2) / scale) / np.pi)


def scale_points(scale: float, step: float, width: float) -> tuple[IndexArray, FloatArray]:
    """Shifts of a peak in bins, and their weights, for a mass scale known to ``scale`` (relative).

    The points are dense enough for the prior and for a peak of relative width ``width``. A scale smaller than a bin has
    three points with its variance.
    """
    if scale == 0:
        return np.zeros(1, dtype=np.intp), np.ones(1)
    if scale < step:
        aside = (scale / step) ** 2 / 2
        return np.array([-1, 0, 1], dtype=np.intp), np.array([aside, 1 - 2 * aside, aside])
    stride = max(1, int(min(SCALE_STEP * scale, PEAK_STEP * width) / step))
    most = int(SCALE_RANGE * scale / (stride * step))
    shifts = stride * np.arange(-most, most + 1)
    weights = np.exp(-0.5 * (step * shifts / scale) ** 2)
    return shifts, weights / weights.sum()


def resolution_points(resolution: float) -> tuple[FloatArray, FloatArray]:
    """Relative changes of the width of a response known to ``resolution``, and their weights."""
    if resolution == 0:
        return np.zeros(1), np.ones(1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(RESOLUTION_POINTS)
    return resolution * nodes, weights / weights.sum()


def _normalised(shapes: FloatArray) -> FloatArray:
    return np.asarray(shapes / shapes.sum(axis=1, keepdims=True))
