"""The likelihood of a hypothesis as a pyhf (HistFactory) workspace.

Every bin of a channel is a HistFactory channel of one bin. That is what lets the background float as the collaboration
lets it float: a fit function whose logarithm is linear in its parameters changes each bin by a factor exp(alpha d),
which HistFactory has per channel (``normsys``) but not per bin; its per-bin modifier (``histosys``) is additive and
turns negative in the tail, where the function is uncertain by more than its value.

The floating parameters (norm, b, p0 ...) enter as uncorrelated combinations (eigenmodes of the Poisson information of
the background). One unit of a mode's nuisance is :data:`MODE_UNIT` standard deviations of the fit to the spectrum, so
its unit-Gaussian constraint adds 1/MODE_UNIT^2 = 4 % to the information of the data: in effect it floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cards import FloatArray
from .errors import InputError, LikelihoodError
from .search import Channel, Search

#: Standard deviations of the background fit per unit of a mode's nuisance.
MODE_UNIT = 5.0
#: Largest |log change| of a bin per unit. Cuts only where less than 0.1 events are expected in a bin.
MODE_CAP = 2.0
#: Largest deficit of a bin from interference, as a share of its background.
DEFICIT_MAX = 0.9
#: Largest sum of deficits beyond that, in events of a channel, that is left out with a warning.
DEFICIT_LOST_MAX = 0.5
#: Upper bound of the signal strength in fits.
MU_MAX = 10.0
POI = "mu"


@dataclass(frozen=True)
class Signal:
    """Expected signal events of one hypothesis in one search, per channel."""

    search: Search
    yields: Mapping[str, FloatArray]


def background_modes(channel: Channel) -> FloatArray:
    """Log change of each bin per unit of each background mode, (n_modes, n_bins).

    Derivatives of the log of the bin contents with respect to norm and floating parameters, made orthonormal under
    the Poisson information sum_j bkg_j d_kj d_lj, times MODE_UNIT, capped at MODE_CAP.
    """
    edges, function = channel.edges_gev, channel.background
    nodes, weights = np.polynomial.legendre.leggauss(16)
    # bins are split so that a wide last one is integrated well; its end stays below x = 1
    high = np.minimum(edges[1:], 0.999 * function.sqrt_s_gev)
    m = edges[:-1, None] + (high - edges[:-1])[:, None] * (1 + nodes) / 2
    density = np.exp(function.log_shape(m)) * weights
    derivatives = (function.log_derivatives(m) * density).sum(axis=-1) / density.sum(axis=-1)
    basis = np.vstack([np.ones(len(channel.bkg)), derivatives])
    root = np.sqrt(channel.bkg)
    orthonormal, triangle = np.linalg.qr((basis * root).T)
    if np.abs(np.diag(triangle)).min() < 1e-12 * np.abs(triangle).max():
        raise InputError(f"channel {channel.name}: floating background parameters are degenerate in this spectrum")
    return np.clip(MODE_UNIT * orthonormal.T / root, -MODE_CAP, MODE_CAP)


def build_workspace(signals: Sequence[Signal]) -> dict[str, Any]:
    """A pyhf workspace (a JSON-able dict) of one hypothesis; the parameter of interest ``mu`` is 1 at the hypothesis.

    Signal bins may be negative (interference) as long as background + signal stays positive, see
    :func:`bounded_interference`. InputError if the same search is given twice.
    """
    ids = [signal.search.id for signal in signals]
    if not ids or len(set(ids)) != len(ids):
        raise InputError(f"one or more different analyses are needed, found {', '.join(ids) or 'none'}")
    channels, observations = [], []
    mu_max = MU_MAX
    for signal in signals:
        for channel in signal.search.channels:
            if channel.name not in signal.yields:
                continue
            yields, _ = bounded_interference(signal.search, channel, signal.yields[channel.name])
            mu_max = min(mu_max, _largest_mu(channel, yields))
            modes = background_modes(channel)
            for j in range(len(yields)):
                name = f"{signal.search.id}_{channel.name}_{channel.edges_gev[j]:05.0f}GeV"
                samples = [
                    _signal_sample(signal.search, channel, yields, j),
                    _background_sample(signal.search, channel, modes, j),
                ]
                channels.append({"name": name, "samples": samples})
                observations.append({"name": name, "data": [float(channel.n_obs[j])]})
    if not channels:
        raise InputError("no channel of the analyses has a signal")
    parameters = [{"name": POI, "inits": [min(1.0, mu_max)], "bounds": [[0.0, mu_max]]}]
    measurement = {"name": "zprime", "config": {"poi": POI, "parameters": parameters}}
    return {
        "channels": channels,
        "observations": observations,
        "measurements": [measurement],
        "version": "1.0.0",
    }


def bounded_interference(search: Search, channel: Channel, yields: FloatArray) -> tuple[FloatArray, float]:
    """Yields with no bin below -DEFICIT_MAX times its background, and how many events of deficit that took away.

    In the far tail a fitted background may lie below the Standard Model amplitude that interferes with the Z' (the
    ATLAS dimuon function does, above 2.3 TeV): there the deficit would exceed the background. LikelihoodError if more
    than DEFICIT_LOST_MAX events are concerned, or if a yield is not finite.
    """
    values = np.asarray(yields, dtype=float)
    if not np.isfinite(values).all():
        raise LikelihoodError(
            f"{search.id}, {channel.name}: the signal is not finite; check mass, coupling and PDF set"
        )
    bounded = np.maximum(values, -DEFICIT_MAX * channel.bkg)
    lost = bounded - values
    if lost.sum() > DEFICIT_LOST_MAX:
        j = int(np.argmax(lost))
        raise LikelihoodError(
            f"{search.id}, {channel.name}, bin {channel.edges_gev[j]:.0f}-{channel.edges_gev[j + 1]:.0f} GeV: "
            f"interference takes {-values[j]:.3g} of {channel.bkg[j]:.3g} expected events, their total is < 0; "
            "use a smaller coupling or --no-interference"
        )
    return bounded, float(lost.sum())


def interference_warnings(signals: Sequence[Signal]) -> tuple[str, ...]:
    """What :func:`bounded_interference` took away, per channel, for the reader of a result."""
    warnings = []
    for signal in signals:
        for name, yields in signal.yields.items():
            _, lost = bounded_interference(signal.search, signal.search.channel(name), yields)
            if lost > 0:
                warnings.append(
                    f"{signal.search.id}, {name}: destructive interference exceeds the fitted background in the tail; "
                    f"{lost:.2g} events of deficit left out"
                )
    return tuple(warnings)


def _largest_mu(channel: Channel, yields: FloatArray) -> float:
    """Upper bound of mu that keeps every bin positive, with a margin since the background floats."""
    negative = yields < 0
    if not negative.any():
        return MU_MAX
    largest = float((channel.bkg[negative] / -yields[negative]).min())
    return min(MU_MAX, 0.5 * (1 + largest))


def _signal_sample(search: Search, channel: Channel, yields: FloatArray, j: int) -> dict[str, Any]:
    center = 0.5 * (channel.edges_gev[j] + channel.edges_gev[j + 1])
    modifiers: list[dict[str, Any]] = [{"name": POI, "type": "normfactor", "data": None}]
    for uncertainty in search.uncertainties:
        if channel.name in uncertainty.channels:
            modifiers.append(_log_normal(f"{search.id}_{uncertainty.name}", np.log1p(float(uncertainty.at(center)))))
    return {"name": "signal", "data": [float(yields[j])], "modifiers": modifiers}


def _background_sample(search: Search, channel: Channel, modes: FloatArray, j: int) -> dict[str, Any]:
    names = [f"{search.id}_bkg_{channel.name}_{k}" for k in range(1, len(modes) + 1)]
    modifiers = [_log_normal(name, float(d)) for name, d in zip(names, modes[:, j], strict=True)]
    return {"name": "background", "data": [float(channel.bkg[j])], "modifiers": modifiers}


def _log_normal(name: str, log_change: float) -> dict[str, Any]:
    return {
        "name": name,
        "type": "normsys",
        "data": {"hi": float(np.exp(log_change)), "lo": float(np.exp(-log_change))},
    }
