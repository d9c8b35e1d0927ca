"""Uncertainties of a search that affect each hypothesis differently, as changes of ln(signal) per bin.

``scale`` and ``resolution`` fold the true spectrum with a changed mass response. ``spurious`` is a signal-like
fluctuation of the background model; it changes the whole signal of a channel by the number of events given on the card,
relative to the signal at the expected limit. Uncertainties of the kind ``yield`` are the same for every hypothesis and
are treated in :mod:`zprime_recast.likelihood.binned`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..arrays import FloatArray
from ..searches.background import background_nuisances
from ..searches.channel import Channel
from ..searches.response import efficiency, response_matrix
from ..searches.spectrum import SpectrumSearch

#: Largest |change of ln(yield)| of a bin by scale or resolution; only bins on the far flank of a peak exceed it.
RESPONSE_CAP = 0.5
#: Largest relative change by spurious signal; only hypotheses far too weak to be excluded reach it.
SPURIOUS_CAP = 0.5


def varied_detectors(
    search: SpectrumSearch, channel: Channel, m_gev: FloatArray, cache: bool = False
) -> dict[str, FloatArray]:
    """Change of events per fb at true masses in GeV, (n_masses, n_bins), by name of the uncertainty.

    It is half the difference between one standard deviation up and down, for each scale and resolution uncertainty of
    the channel. ``cache`` keeps the responses on disk.
    """
    events_per_fb = (channel.int_lumi_fb * efficiency(channel, m_gev))[:, None]
    found = {}
    for u in search.uncertainties:
        if channel.name in u.channels and u.kind in ("scale", "resolution"):
            sizes = (u.at(m_gev), -u.down_at(m_gev))
            up, down = (response_matrix(channel, m_gev, **{u.kind: x}, cache=cache) for x in sizes)
            found[u.name] = 0.5 * (up - down) * events_per_fb
    return found


def held_detector(
    search: SpectrumSearch, channel: Channel, m_gev: FloatArray, values: Mapping[str, float]
) -> FloatArray:
    """Events per fb at true masses in GeV, (n_masses, n_bins), with shifted scale and resolution.

    ``values`` gives the shifts in standard deviations, by name of the uncertainty.
    """
    changes = {kind: np.zeros(len(m_gev)) for kind in ("scale", "resolution")}
    for u in search.uncertainties:
        if channel.name in u.channels and u.name in values:
            alpha = values[u.name]
            changes[u.kind] += alpha * (u.at(m_gev) if alpha > 0 else u.down_at(m_gev))
    events_per_fb = (channel.int_lumi_fb * efficiency(channel, m_gev))[:, None]
    return response_matrix(channel, m_gev, changes["scale"], changes["resolution"]) * events_per_fb


def shape_changes(
    search: SpectrumSearch,
    channel: Channel,
    mass_gev: FloatArray | float,
    information: FloatArray,
    yields: FloatArray,
    nominal: FloatArray,
    varied: Mapping[str, FloatArray],
) -> FloatArray:
    """Changes of ln(yield) per standard deviation of each nuisance and bin, (*hypotheses, n_names, n_bins).

    Nuisances of other channels change nothing.

    Arguments:
        search: the search; its ``shape_uncertainties`` are the nuisances.
        channel: the channel.
        mass_gev: pole masses in GeV, (*hypotheses).
        information: matrix from :func:`signal_information`, (n_bins, n_bins).
        yields: signal events, (*hypotheses, n_bins).
        nominal: events of |Z'|^2 alone, (*hypotheses, n_bins): the interference has no peak to move.
        varied: change of ``nominal`` per standard deviation of each scale or resolution uncertainty, by name.
    """
    uncertainties = search.shape_uncertainties
    changes = np.zeros((*nominal.shape[:-1], len(uncertainties), nominal.shape[-1]))
    events = np.maximum(nominal, 1e-12 * nominal.sum(axis=-1, keepdims=True) + 1e-300)
    for k, u in enumerate(uncertainties):
        if channel.name not in u.channels:
            continue
        if u.kind == "spurious":
            size = u.at(mass_gev) * expected_limit(information, yields)
            changes[..., k, :] = np.log1p(np.minimum(size, SPURIOUS_CAP))[..., None]
        else:
            ratio = varied[u.name] / events
            np.minimum(np.maximum(ratio, -RESPONSE_CAP, out=ratio), RESPONSE_CAP, out=changes[..., k, :])
    return changes


def signal_information(channel: Channel) -> FloatArray:
    """Matrix Q, (n_bins, n_bins), such that s Q s is the Poisson information on the strength of a signal s.

    The background is free within its nuisances.
    """
    _, modes = background_nuisances("", channel)
    covariance = np.linalg.inv((modes * channel.bkg) @ modes.T + np.eye(len(modes)))
    return np.asarray(np.diag(1 / channel.bkg) - modes.T @ covariance @ modes)


def expected_limit(information: FloatArray, yields: FloatArray) -> FloatArray:
    """Estimate, without a fit, of the signal strength that a channel alone excludes at 95 % CL, (*hypotheses).

    It is 1.96 standard deviations of the strength with the background free, plus 1.92 events, the limit that remains
    without background.
    """
    squared = (np.matmul(yields, information) * yields).sum(axis=-1)
    total = np.abs(yields).sum(axis=-1)
    return np.asarray(1.96 / np.sqrt(np.maximum(squared, 1e-300)) + 1.92 / np.maximum(total, 1e-300))
