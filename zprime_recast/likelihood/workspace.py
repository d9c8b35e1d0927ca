"""Write a likelihood as a pyhf workspace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import LikelihoodError
from ..signal.signal import Signal
from .binned import BinnedLikelihood, LogChanges, binned_likelihood

#: Name of the parameter of interest.
POI = "mu"


def build_workspace(signals: Sequence[Signal]) -> dict[str, Any]:
    """A pyhf workspace (a JSON-able dict) of one hypothesis; the parameter of interest ``mu`` is 1 for the hypothesis.

    InputError as in :func:`~zprime_recast.likelihood.binned.binned_likelihood`; LikelihoodError if the hypothesis has
    no likelihood.
    """
    return workspace_of(binned_likelihood(signals))


def workspace_of(likelihood: BinnedLikelihood, i: int = 0) -> dict[str, Any]:
    """The pyhf workspace of hypothesis ``i``; LikelihoodError if it has no likelihood."""
    for bad, message in likelihood.faults:
        if bad == i:
            raise LikelihoodError(message)
    mu_max = float(likelihood.mu_max[i])
    n_obs = np.broadcast_to(likelihood.n_obs, likelihood.signal.shape)[i]
    signal_modifiers = _modifiers(likelihood.signal_changes.of(i))
    background_modifiers = _modifiers(likelihood.background_changes.of(i))
    channels, observations = [], []
    for j, name in enumerate(likelihood.bin_names):
        signal = {"name": "signal", "data": [float(likelihood.signal[i, j])]}
        background = {"name": "background", "data": [float(likelihood.background[j])]}
        signal["modifiers"] = [{"name": POI, "type": "normfactor", "data": None}, *signal_modifiers(j)]
        background["modifiers"] = background_modifiers(j)
        channels.append({"name": name, "samples": [signal, background]})
        observations.append({"name": name, "data": [float(n_obs[j])]})
    parameters = [{"name": POI, "inits": [min(1.0, mu_max)], "bounds": [[0.0, mu_max]]}]
    measurement = {"name": "zprime", "config": {"poi": POI, "parameters": parameters}}
    return {
        "channels": channels,
        "observations": observations,
        "measurements": [measurement],
        "version": "1.0.0",
    }


def _modifiers(changes: LogChanges) -> Callable[[int], list[dict[str, Any]]]:
    high, low = np.exp(changes.change), np.exp(-changes.change)

    def of_bin(j: int) -> list[dict[str, Any]]:
        return [
            {"name": name, "type": "normsys", "data": {"hi": float(high[k, j]), "lo": float(low[k, j])}}
            for k, name in enumerate(changes.names)
            if changes.acts[k, j]
        ]

    return of_bin
