r"""What is expected of many hypotheses at once, in nuisances that matter to each.

.. math:: \nu_j = \mu S_j \exp\Big(\sum_k \alpha_k D_{kj}\Big) + B_j(\alpha)

The nuisances of the signal have unit-Gaussian constraints, which rotations leave as they are: they are rotated so that
a few carry all that matters to a hypothesis, and the rest is left out (:func:`active_nuisances`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet
from .binned import BinnedLikelihood
from .factors import Factors

#: Information on the signal that a rotated nuisance may carry and be left out: it would change q by as much.
NEGLIGIBLE_INFORMATION = 1e-7


@dataclass(frozen=True, eq=False, repr=False)
class Expectations(Quiet):
    """Expectations of many hypotheses, ready for fits. Nuisances: those of the signal, rotated, then the others."""

    signal: FloatArray
    """At mu = 1, (n, n_bins)."""
    background: FloatArray
    """(n_bins,)."""
    slopes: FloatArray
    """d ln(signal)/d(nuisance), (n, n_signal, n_bins)."""
    rotation: FloatArray
    """From the named nuisances of the signal to those here, (n, n_signal, n_names)."""
    information: FloatArray
    """Of an experiment on the nuisances of the signal, (n, n_signal); 0 if they are not rotated, and not known."""
    background_factors: Factors
    background_slopes: FloatArray
    """d ln(background)/d(nuisance) at 0, good enough for a Hessian: they change in the far tail alone,
    (n_background, n_bins)."""
    pairs: tuple[IndexArray, IndexArray]
    """Nuisances of the background that share bins."""
    products: FloatArray
    """Product of the slopes of each pair, (n_bins, n_pairs)."""

    @property
    def n_signal(self) -> int:
        """Nuisances of the signal."""
        return int(self.slopes.shape[1])

    @property
    def n_nuisances(self) -> int:
        """All nuisances."""
        return self.n_signal + len(self.background_slopes)

    def padded(self, background: FloatArray) -> FloatArray:
        """Nuisances of the background (..., n_background) with 0 for those of the signal before them."""
        return np.concatenate([np.zeros((*background.shape[:-1], self.n_signal)), background], axis=-1)

    def named(self, nuisances: FloatArray) -> FloatArray:
        """Nuisances (n, n_nuisances) in the order of the names of the likelihood, (n, n_names)."""
        own = np.matmul(nuisances[:, None, : self.n_signal], self.rotation)[:, 0]
        return np.concatenate([own, nuisances[:, self.n_signal :]], axis=1)

    def take(self, i: IndexArray) -> Expectations:
        """Some of the hypotheses."""
        signal, slopes, rotation, information = self.signal[i], self.slopes[i], self.rotation[i], self.information[i]
        return replace(self, signal=signal, slopes=slopes, rotation=rotation, information=information)


def expectations_of(
    likelihood: BinnedLikelihood,
    rows: IndexArray | None = None,
    strength: FloatArray | float = 1.0,
    rotated: bool = True,
) -> Expectations:
    """The expectations of hypotheses of a likelihood, ``rows`` of them or all, their signals times ``strength``.

    Without ``rotated`` the nuisances of the signal are those of the likelihood: for a single hypothesis, whose fit
    takes less time than the rotation saves.
    """
    of_background = likelihood.background_changes.factors
    signal, change = likelihood.signal, likelihood.signal_changes.change
    if rows is not None:
        signal = signal[rows]
        change = change[rows] if change.ndim == 3 and len(change) > 1 else change
    signal = signal * np.asarray(strength)[..., None]
    if rotated:
        rotation, information = active_nuisances(signal, likelihood.background, change)
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


def active_nuisances(signal: FloatArray, background: FloatArray, change: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotations (n, n_active, n_names) to what matters of nuisances that change ln(signal) by ``change``
    ([n or 1,] n_names, n_bins) per unit, and the information on each, (n, n_active).

    The rows are eigenvectors of sum_j S_j^2/(B_j + |S_j|) D_kj D_lj, the information of an experiment on the nuisances;
    those with less than NEGLIGIBLE_INFORMATION are left out (a row of 0 if others of the hypotheses have one).
    """
    weights = signal**2 / (background + np.abs(signal))
    information = np.matmul(change * weights[:, None, :], np.swapaxes(change, -1, -2))
    values, vectors = np.linalg.eigh(information)
    matters = values > NEGLIGIBLE_INFORMATION
    first = values.shape[-1] - int(matters.any(axis=0).sum())
    chosen = vectors[:, :, first:] * matters[:, None, first:]
    return np.ascontiguousarray(np.swapaxes(chosen, -1, -2)), values[:, first:] * matters[:, first:]


def background_expectations(likelihood: BinnedLikelihood, n: int) -> Expectations:
    """The expectations of ``n`` data sets without a signal."""
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
    alpha, of = nuisances[:, model.n_signal : model.n_nuisances], model.background_factors
    return np.asarray(model.background * np.exp(of.log(alpha, of.powers(alpha))))


def expected_signal(model: Expectations, nuisances: FloatArray) -> FloatArray:
    """Expected events of the signal at nuisances (n, n_nuisances), (n, n_bins)."""
    log = np.matmul(nuisances[:, None, : model.n_signal], model.slopes)[:, 0]
    return np.asarray(model.signal * np.exp(log))
