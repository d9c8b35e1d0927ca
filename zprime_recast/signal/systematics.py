"""Uncertainties of a search that act on each hypothesis differently, as changes of ln(signal) per bin.

``scale`` and ``resolution`` fold the true spectrum with a changed mass response; ``spurious`` (a signal-like
fluctuation of the background model) changes the whole signal of a channel by so many events as the card says, relative
to the signal at the expected limit. Those of the kind ``yield`` are the same for every hypothesis, see
:mod:`zprime_recast.likelihood.binned`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..arrays import FloatArray
from ..searches.background import background_modes
from ..searches.channel import Channel
from ..searches.response import efficiency, response_matrix
from ..searches.spectrum import SpectrumSearch

#: Largest |log change| of a bin by scale or resolution; beyond lie bins on the far flank of a peak.
RESPONSE_CAP = 0.5
#: Largest relative change by spurious signal: reached only by hypotheses far too weak to be excluded.
SPURIOUS_CAP = 0.5


def varied_detectors(
    search: SpectrumSearch, channel: Channel, m_gev: FloatArray, cache: bool = False
) -> dict[str, FloatArray]:
    """Change of events per fb at true masses, (n_masses, n_bins), per standard deviation of each scale and resolution
    uncertainty of a channel: half the difference of up and down.
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
    """Events per fb at true masses, (n_masses, n_bins), with scale and resolution uncertainties of a channel at
    ``values`` in standard deviations, by name.
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
    """Changes of ln(yield) per standard deviation, nuisance and bin, (*hypotheses, n_names, n_bins); 0 for those of
    other channels.

    ``mass_gev``: pole masses (*hypotheses); ``information``: of :func:`signal_information`; ``yields``: events of the
    signal; ``nominal`` and ``varied``: those of |Z'|^2 alone, and their change per scale or resolution uncertainty (an
    interference has no peak to move).
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
    """Matrix Q, (n_bins, n_bins): s Q s is the Poisson information on the strength of a signal s when the background
    is free within its modes.
    """
    modes = background_modes(channel)
    covariance = np.linalg.inv((modes * channel.bkg) @ modes.T + np.eye(len(modes)))
    return np.asarray(np.diag(1 / channel.bkg) - modes.T @ covariance @ modes)


def expected_limit(information: FloatArray, yields: FloatArray) -> FloatArray:
    """Signal strength a channel alone is expected to exclude at 95 % CL, (*hypotheses): 1.96 standard deviations of its
    fit with the background free, plus 1.92 events (what remains without background). An estimate without a fit.
    """
    squared = (np.matmul(yields, information) * yields).sum(axis=-1)
    total = np.abs(yields).sum(axis=-1)
    return np.asarray(1.96 / np.sqrt(np.maximum(squared, 1e-300)) + 1.92 / np.maximum(total, 1e-300))
