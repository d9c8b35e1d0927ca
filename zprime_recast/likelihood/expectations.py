r"""Expected events of many hypotheses at once, as functions of the nuisances that matter to each of them.

.. math:: \nu_j = \mu S_j \exp\Big(\sum_k \alpha_k D_{kj}\Big) + B_j(\alpha)

The nuisances of the signal have unit-Gaussian constraints, which are invariant under rotations. They are rotated so
that a few of them carry all that matters to a hypothesis, and the others are left out (:func:`active_nuisances`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet
from .binned import BinnedLikelihood
from .factors import Factors

#: Information below which a rotated nuisance of the signal is left out; including it would change q by as much.
NEGLIGIBLE_INFORMATION = 1e-7


@dataclass(frozen=True, eq=False, repr=False)
class Expectations(Quiet):
    """Expectations of many hypotheses, ready for fits.

    The nuisances are those of the signal, rotated, followed by those of the background.
    """

    signal: FloatArray
    """Signal events at mu = 1 and nuisances 0, (n, n_bins)."""
    background: FloatArray
    """Background events at nuisances 0, (n_bins,)."""
    slopes: FloatArray
    """d ln(signal)/d(nuisance), (n, n_signal, n_bins)."""
    rotation: FloatArray
    """Rotation from the named nuisances of the signal to those used here, (n, n_signal, n_names)."""
    information: FloatArray
    """Information of the data on the nuisances of the signal, (n, n_signal); 0 if they are not rotated."""
    background_factors: Factors
    background_slopes: FloatArray
    """d ln(background)/d(nuisance) at 0, (n_background, n_bins). They vary in the far tail only, and so are good enough
    for a Hessian."""
    pairs: tuple[IndexArray, IndexArray]
    """Pairs of nuisances of the background that share bins, as two arrays (n_pairs,)."""
    products: FloatArray
    """Products of the slopes of each pair, (n_bins, n_pairs)."""

    @property
    def n_signal(self) -> int:
        """Number of nuisances of the signal."""
        return int(self.slopes.shape[1])

    @property
    def n_nuisances(self) -> int:
        """Number of all nuisances."""
        return self.n_signal + len(self.background_slopes)

    def padded(self, background: FloatArray) -> FloatArray:
        """All nuisances, (..., n_nuisances), from those of the background, (..., n_background); 0 for the signal."""
        return np.concatenate([np.zeros((*background.shape[:-1], self.n_signal)), background], axis=-1)

    def named(self, nuisances: FloatArray) -> FloatArray:
        """Nuisances (n, n_nuisances) rotated back to the names and the order of the likelihood, (n, n_names)."""
        own = np.matmul(nuisances[:, None, : self.n_signal], self.rotation)[:, 0]
        return np.concatenate([own, nuisances[:, self.n_signal :]], axis=1)

    def take(self, i: IndexArray) -> Expectations:
        """Select hypotheses by index."""
        signal, slopes, rotation, information = self.signal[i], self.slopes[i], self.rotation[i], self.information[i]
        return replace(self, signal=signal, slopes=slopes, rotation=rotation, information=information)


def expectations_of(
    likelihood: BinnedLikelihood,
    rows: IndexArray | None = None,
    strength: FloatArray | float = 1.0,
    rotated: bool = True,
    negligible: float = NEGLIGIBLE_INFORMATION,
) -> Expectations:
    """The expectations of hypotheses of a likelihood, all or those at ``rows``, with signals scaled by ``strength``.

    Without ``rotated`` the nuisances of the signal are those of the likelihood. This suits a single hypothesis, for
    which the rotation takes more time than it saves. Rotated nuisances with less information than ``negligible`` are
    left out.
    """
    of_background = likelihood.background_changes.factors
    signal, change = likelihood.signal, likelihood.signal_changes.change
    if rows is not None:
        signal = signal[rows]
        change = change[rows] if change.ndim == 3 and len(change) > 1 else change
    signal = signal * np.asarray(strength)[..., None]
    if rotated:
        rotation, information = active_nuisances(signal, likelihood.background, change, negligible)
        change = np.matmul(rotation, change)
    else:
        rotation, information = np.eye(change.shape[-2])[None], np.zeros((len(signal), change.shape[-2]))
    return Expectations(
        signal,
        likelihood.background,
        change,
        rotation,
        information,
        of_background,
        of_background.slopes,
        *of_background.pairs,
    )


def active_nuisances(
    signal: FloatArray, background: FloatArray, change: FloatArray, negligible: float = NEGLIGIBLE_INFORMATION
) -> tuple[FloatArray, FloatArray]:
    """Rotations (n, n_active, n_names) to the nuisances that matter, and the information on each, (n, n_active).

    ``change`` is the change of ln(signal) per standard deviation of each nuisance, ([n or 1,] n_names, n_bins). The
    rows of a rotation are eigenvectors of sum_j S_j^2/(B_j + |S_j|) D_kj D_lj, the information of the data on the
    nuisances. Those with less than ``negligible`` are left out; if other hypotheses need the row, it is 0.
    """
    weights = signal**2 / (background + np.abs(signal))
    information = np.matmul(change * weights[:, None, :], np.swapaxes(change, -1, -2))
    values, vectors = np.linalg.eigh(information)
    matters = values > negligible
    first = values.shape[-1] - int(matters.any(axis=0).sum())
    chosen = vectors[:, :, first:] * matters[:, None, first:]
    return np.ascontiguousarray(np.swapaxes(chosen, -1, -2)), values[:, first:] * matters[:, first:]


def background_expectations(likelihood: BinnedLikelihood, n: int) -> Expectations:
    """The expectations without a signal, for fits of ``n`` data sets."""
    n_bins, of_background = len(likelihood.background), likelihood.background_changes.factors
    return Expectations(
        np.zeros((n, n_bins)),
        likelihood.background,
        np.zeros((n, 0, n_bins)),
        np.zeros((n, 0, 0)),
        np.zeros((n, 0)),
        of_background,
        of_background.slopes,
        *of_background.pairs,
    )


def expected_background(model: Expectations, nuisances: FloatArray) -> FloatArray:
    """Expected events without signal at nuisances (n, n_nuisances), (n, n_bins)."""
    alpha = nuisances[:, model.n_signal : model.n_nuisances]
    return events_of_background(model, alpha, model.background_factors.powers(alpha))


def events_of_background(model: Expectations, alpha: FloatArray, powers: FloatArray) -> FloatArray:
    """Expected events without signal at nuisances of the background (n, n_background), whose powers are known."""
    events = model.background_factors.log(alpha, powers)
    np.exp(events, out=events)
    events *= model.background
    return events


def expected_signal(model: Expectations, nuisances: FloatArray) -> FloatArray:
    """Expected events of the signal at nuisances (n, n_nuisances), (n, n_bins)."""
    events: FloatArray = np.matmul(nuisances[:, None, : model.n_signal], model.slopes)[:, 0]
    np.exp(events, out=events)
    events *= model.signal
    return events
