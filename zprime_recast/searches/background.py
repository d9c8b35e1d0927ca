"""Nuisance parameters of the background of a channel, each a change of the logarithm of every bin.

A fit function floats, as in the fit of the collaboration: its parameters (norm, b, p0 ...) enter as uncorrelated
combinations (eigenmodes of the Poisson information of the background). One unit of a mode's nuisance is
:data:`MODE_UNIT` standard deviations of the fit to the spectrum, so its unit-Gaussian constraint adds
1/MODE_UNIT^2 = 4 % to the information of the data, which in effect leaves it free. A parameter with a range is held to
it where the data do not say more: an exponent that no data reach would otherwise float to unphysical values.

A predicted background moves within its published uncertainty: one nuisance per fully correlated source, and the
eigenmodes of the covariance of the rest.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..arrays import FloatArray
from ..errors import InputError
from .channel import BackgroundFunction, BackgroundTable, Channel

#: Standard deviations of the background fit per unit of a mode's nuisance.
MODE_UNIT = 5.0
#: Largest |log change| of a bin per unit. The cap is reached only in bins with less than 0.1 expected events.
MODE_CAP = 2.0
#: Modes of a table's covariance are kept until they hold all but this share of its variance.
VARIANCE_LEFT = 1e-3


def background_nuisances(search_id: str, channel: Channel) -> tuple[tuple[str, ...], FloatArray]:
    """Names of the nuisances of a channel's background, and the log change of each bin per unit, (n_names, n_bins).

    A named source of a table is one nuisance in all channels of the search.
    """
    modes = background_modes(channel)
    names = [f"{search_id}_bkg_{channel.name}_{k}" for k in range(1, len(modes) + 1)]
    if isinstance(channel.background, BackgroundTable):
        sources = channel.background.sources
        names += [f"{search_id}_bkg_{name}" for name in sources]
        modes = np.concatenate([modes, *(np.log1p(row)[None] for row in sources.values())])
    return tuple(names), modes


def background_modes(channel: Channel) -> FloatArray:
    """Log change of each bin per unit of each mode of the background, (n_modes, n_bins)."""
    if isinstance(channel.background, BackgroundTable):
        return _table_modes(channel, channel.background)
    return _function_modes(channel, channel.background)


def finely_binned(channel: Channel, width: float) -> Channel:
    """A channel rebinned in a relative width up to its last bin, with the expected background as its data.

    The last bin, an overflow, keeps its content. A background function is integrated over the bins; a prediction is
    divided between the edges of its bins by their sum above, and its uncertainties are the same functions of mass.
    """
    old, background = channel.edges_gev, channel.background
    steps = round(np.log(old[-2] / old[0]) / width)
    edges = np.append(np.geomspace(old[0], old[-2], steps + 1), old[-1])
    if isinstance(background, BackgroundFunction):
        m, weights = _nodes(edges, background)
        bkg = (np.exp(background.log_shape(m)) * weights).sum(axis=-1)
        bkg *= channel.bkg.sum() / bkg.sum()
    else:
        bkg = _finer_prediction(channel, edges)
        background = background.at(0.5 * np.log(old[1:] * old[:-1]), 0.5 * np.log(edges[1:] * edges[:-1]))
    axes = (replace(channel.axes[0], edges=edges),)
    return replace(channel, axes=axes, bkg=bkg, n_obs=bkg, background=background)


def _finer_prediction(channel: Channel, edges: FloatArray) -> FloatArray:
    """Expected events of a prediction in finer bins, whose last one is that of the channel."""
    from scipy.interpolate import PchipInterpolator

    # ln(events above a mass) is nearly straight in ln(mass), and keeps the content of every bin
    above = np.cumsum(channel.bkg[::-1])[::-1]
    log_above = PchipInterpolator(np.log(channel.edges_gev[:-1]), np.log(above))(np.log(edges[:-1]))
    return np.append(-np.diff(np.exp(log_above)), channel.bkg[-1])


def _nodes(edges: FloatArray, function: BackgroundFunction) -> tuple[FloatArray, FloatArray]:
    """Masses and weights of an integral over each bin, (n_bins, 16); the last bin ends below x = 1."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    width = np.minimum(edges[1:], 0.999 * function.sqrt_s_gev) - edges[:-1]
    return edges[:-1, None] + width[:, None] * (1 + nodes) / 2, width[:, None] * weights / 2


def _function_modes(channel: Channel, function: BackgroundFunction) -> FloatArray:
    """Derivatives of the log of the bin contents with respect to norm and floating parameters, made orthonormal under
    the Poisson information sum_j bkg_j d_kj d_lj and that of the ranges, times MODE_UNIT, capped at MODE_CAP.
    """
    m, weights = _nodes(channel.edges_gev, function)
    density = np.exp(function.log_shape(m)) * weights
    derivatives = (function.log_derivatives(m) * density).sum(axis=-1) / density.sum(axis=-1)
    basis = np.vstack([np.ones(len(channel.bkg)), derivatives])
    root = np.sqrt(channel.bkg)
    # a range is information as well: with MODE_UNIT it is one standard deviation where the data say nothing
    bounds = np.array(
        [[MODE_UNIT / function.ranges[p] * (p == q) for q in ("", *function.floating)] for p in function.ranges]
    )
    informed = np.concatenate([(basis * root).T, bounds.reshape(len(bounds), len(basis))])
    orthonormal, triangle = np.linalg.qr(informed)
    orthonormal = orthonormal[: len(root)]
    if np.abs(np.diag(triangle)).min() < 1e-12 * np.abs(triangle).max():
        raise InputError(f"channel {channel.name}: floating background parameters are degenerate in this spectrum")
    return np.clip(MODE_UNIT * orthonormal.T / root, -MODE_CAP, MODE_CAP)


def _table_modes(channel: Channel, table: BackgroundTable) -> FloatArray:
    """Eigenmodes of the covariance of ln(bkg) that the named sources leave, largest first."""
    rest = np.sqrt(np.maximum(table.relative**2 - sum(row**2 for row in table.sources.values()), 0.0))
    sigma = np.log1p(rest)
    log_m = 0.5 * np.log(channel.edges_gev[1:] * channel.edges_gev[:-1])
    distance = (log_m[:, None] - log_m) / table.correlation_length
    covariance = sigma[:, None] * sigma * np.exp(-0.5 * distance**2)
    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = np.maximum(variances[::-1], 0.0), vectors[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(variances), (1 - VARIANCE_LEFT) * variances.sum())) + 1
    return np.asarray((vectors * np.sqrt(variances)).T[:kept])
