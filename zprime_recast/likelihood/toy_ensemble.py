r"""Pseudo-experiments (toys) that all hypotheses in the same searches share, each with the weight it stands for.

A toy is a set of counts :math:`n_j` and of centres c of the constraints. Toys are drawn from a mixture of ensembles:
the background at its fit to the data (expectations :math:`B^0_j`, nuisances :math:`\theta_0`), and ensembles on the way
to a signal. The probabilities of one toy in an ensemble (:math:`N_j, \theta`) and in that of the background have
exactly the ratio exp(T),

.. math:: T(n, c) = \sum_j \Big[ n_j \ln\frac{N_j}{B^0_j} - (N_j - B^0_j) \Big]
          + (\theta - \theta_0)\cdot c - \tfrac12\big(|\theta|^2 - |\theta_0|^2\big),

so a toy stands for exp(T - ln m) toys of the ensemble (N, theta), where m is the density of the mixture over that of
the background. One set of toys therefore serves every hypothesis, and CLs is smooth in the coupling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet
from .background_fit import BackgroundFit
from .binned import BinnedLikelihood
from .toy_fits import TOY_TYPE, FewEvents, ToyArray, maxima, row_dot

#: Toys fitted together, which stay in the cache of a processor.
CHUNK = 1024


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble(Quiet):
    """Expectations and nuisances that toys are drawn at."""

    expected: FloatArray
    """Expected events, (n_bins,)."""
    background_nuisances: FloatArray
    """(n_background,)."""
    signal_nuisances: FloatArray
    """Named nuisances of the signal, (n_names,)."""


@dataclass(frozen=True, eq=False, repr=False)
class DensityRatio(Quiet):
    """T of an ensemble as a linear function of the deviations of a toy."""

    weights: FloatArray
    """(n_bins + n_background + n_names,)."""
    constant: float

    def of(self, deviations: ToyArray) -> FloatArray:
        """T of toys (n, n_columns), (n,)."""
        return np.asarray((deviations @ self.weights.astype(TOY_TYPE)).astype(float) + self.constant)


def density_ratio(null: BackgroundFit, ensemble: Ensemble) -> DensityRatio:
    """T of an ensemble; deviations are [n - B0, c - theta_0] of the background, and c of the signal."""
    log = np.log(ensemble.expected / null.expected)
    shift = ensemble.background_nuisances - null.nuisances
    own = ensemble.signal_nuisances
    constant = null.expected @ log - (ensemble.expected - null.expected).sum() - 0.5 * (shift @ shift + own @ own)
    return DensityRatio(np.concatenate([log, shift, own]), float(constant))


def between(null: BackgroundFit, ensemble: Ensemble, share: float) -> Ensemble:
    """The ensemble at a share of the way from the background (0) to another ensemble (1), geometric in the counts."""
    expected = null.expected * (ensemble.expected / null.expected) ** share
    background = null.nuisances + share * (ensemble.background_nuisances - null.nuisances)
    return Ensemble(expected, background, share * ensemble.signal_nuisances)


@dataclass(frozen=True, eq=False, repr=False)
class Toys(Quiet):
    """Toys (n,) drawn from a mixture of ensembles, and their fits without a signal."""

    null: BackgroundFit
    """Fit of the background to the data, which the deviations refer to."""
    slopes: FloatArray
    """d ln(background)/d(nuisance), (n_background, n_bins)."""
    few: IndexArray
    """Bins that are exact in the fits; the others are quadratic."""
    deviations: ToyArray
    """[n - B0, c - theta_0, c] of counts and of the centres of background and signal, (n, n_columns)."""
    drawn: tuple[tuple[Ensemble, int], ...]
    """Ensembles of the mixture and the number of toys drawn from each."""
    log_mixture: FloatArray
    """ln m, (n,)."""
    gain: ToyArray
    """ln L(fit) - ln L(theta_0) without a signal, (n,)."""
    step_gain: ToyArray
    """The gain of the first Fisher step by the quadratic form, (n,)."""
    shift: ToyArray
    """Fitted nuisances less theta_0, (n, n_background)."""
    missed: ToyArray
    """Shift less the first Fisher step, (n, n_background)."""

    def __len__(self) -> int:
        return len(self.gain)

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.null.expected)

    @cached_property
    def many(self) -> IndexArray:
        """Bins that are quadratic in the fits."""
        return np.setdiff1d(np.arange(self.n_bins), self.few)

    @cached_property
    def counts_few(self) -> ToyArray:
        """Counts of the bins that are exact, (n, n_few)."""
        exact = self.deviations[:, self.few].astype(float) + self.null.expected[self.few]
        return np.rint(exact).astype(TOY_TYPE)

    @cached_property
    def expected(self) -> ToyArray:
        """Expected events at the fits, (n, n_bins)."""
        found = self.shift @ self.slopes.astype(TOY_TYPE)
        np.exp(found, out=found)
        found *= self.null.expected.astype(TOY_TYPE)
        return found

    @cached_property
    def expected_few(self) -> ToyArray:
        """Expected events at the fits in the bins that are exact, (n, n_few)."""
        return np.ascontiguousarray(self.expected[:, self.few])

    @cached_property
    def expected_many(self) -> ToyArray:
        """Expected events at the fits in the other bins, (n, n_many)."""
        return np.ascontiguousarray(self.expected[:, self.many])

    @cached_property
    def excess_many(self) -> ToyArray:
        """Counts less expected events at the fits in the bins that are quadratic, (n, n_many)."""
        reference = self.null.expected[self.many].astype(TOY_TYPE)
        return np.asarray(self.deviations[:, self.many] - (self.expected_many - reference))

    @cached_property
    def pulls(self) -> ToyArray:
        """Fitted nuisances less the centres of their constraints, (n, n_background)."""
        n_bins = self.n_bins
        return np.asarray(self.shift - self.deviations[:, n_bins : n_bins + self.shift.shape[1]])

    @cached_property
    def excess_over_expected(self) -> ToyArray:
        """(n - B)/B at the fits, (n, n_bins)."""
        reference = self.null.expected.astype(TOY_TYPE)
        return np.asarray((self.deviations[:, : self.n_bins] - (self.expected - reference)) / self.expected)


def draw_toys(
    likelihood: BinnedLikelihood,
    null: BackgroundFit,
    parts: Sequence[tuple[Ensemble | None, int]],
    rng: np.random.Generator,
    few_below: float,
) -> Toys:
    """Draw toys and fit them without a signal.

    Arguments:
        likelihood: any likelihood in the searches; its signal is ignored.
        null: fit of the background.
        parts: ensembles and numbers of toys; None is the background.
        rng: random numbers.
        few_below: bins with fewer expected events are exact in all fits.
    """
    slopes = likelihood.background_changes.factors.slopes
    n_names = likelihood.signal_changes.change.shape[-2]
    background = Ensemble(null.expected, null.nuisances, np.zeros(n_names))
    drawn = tuple((background if one is None else one, number) for one, number in parts)
    deviations = np.concatenate([_draw(null, one, number, rng) for one, number in drawn])
    few = np.nonzero(null.expected < few_below)[0]
    fits = _fits(null, slopes, few, deviations)
    mixture = _log_mixture(null, drawn, deviations)
    return Toys(null, slopes, few, deviations, drawn, mixture, *fits)


def pooled(parts: Sequence[Toys]) -> Toys:
    """One set of toys of several that were drawn for the same searches and the same exact bins."""
    first = parts[0]
    drawn = tuple(one for toys in parts for one in toys.drawn)
    deviations = np.concatenate([toys.deviations for toys in parts])
    names = ("gain", "step_gain", "shift", "missed")
    fits = (np.concatenate([getattr(toys, name) for toys in parts]) for name in names)
    mixture = _log_mixture(first.null, drawn, deviations)
    return Toys(first.null, first.slopes, first.few, deviations, drawn, mixture, *fits)


def _log_mixture(null: BackgroundFit, drawn: Sequence[tuple[Ensemble, int]], deviations: ToyArray) -> FloatArray:
    total = sum(number for _, number in drawn)
    terms = [density_ratio(null, one).of(deviations) + np.log(number / total) for one, number in drawn]
    return np.asarray(np.logaddexp.reduce(terms, axis=0))


def _draw(null: BackgroundFit, ensemble: Ensemble, number: int, rng: np.random.Generator) -> ToyArray:
    n_bins, n_background = len(null.expected), len(null.nuisances)
    found = np.empty((number, n_bins + n_background + len(ensemble.signal_nuisances)), TOY_TYPE)
    counts = rng.poisson(ensemble.expected, size=(number, n_bins))
    np.subtract(counts, null.expected, out=found[:, :n_bins], casting="unsafe")
    found[:, n_bins:] = rng.standard_normal((number, found.shape[1] - n_bins), dtype=TOY_TYPE)
    shift = ensemble.background_nuisances - null.nuisances
    found[:, n_bins:] += np.concatenate([shift, ensemble.signal_nuisances]).astype(TOY_TYPE)
    return found


def _fits(
    null: BackgroundFit, slopes: FloatArray, few: IndexArray, deviations: ToyArray
) -> tuple[ToyArray, ToyArray, ToyArray, ToyArray]:
    """Gain, step_gain, shift and missed of :class:`Toys`."""
    n_background, n_bins = slopes.shape
    fisher = (slopes * null.expected) @ slopes.T + np.eye(n_background)
    whitening = np.linalg.inv(np.linalg.cholesky(fisher))
    of_deviations = np.concatenate([slopes.T, np.eye(n_background)]) @ whitening.T
    score = deviations[:, : n_bins + n_background] @ of_deviations.astype(TOY_TYPE)
    own = FewEvents(
        null.expected[few].astype(TOY_TYPE),
        np.ascontiguousarray(whitening @ slopes[:, few]).astype(TOY_TYPE),
        np.empty(0, TOY_TYPE),
        np.empty((n_background, 0), TOY_TYPE),
    )
    counts = np.rint(deviations[:, few].astype(float) + null.expected[few]).astype(TOY_TYPE)
    size = np.maximum(np.sqrt(row_dot(score, score)), 1e-9)
    start = score * np.minimum(1, 8 / size)[:, None]
    gain, z = np.empty(len(score), TOY_TYPE), np.empty_like(score)
    for first in range(0, len(score), CHUNK):
        rows = slice(first, first + CHUNK)
        found = maxima(own, start[rows], score[rows], counts[rows], 25, 1e-3)
        gain[rows], z[rows] = found.gain, found.z
    back = whitening.astype(TOY_TYPE)
    return gain, 0.5 * row_dot(score, score), z @ back, (z - score) @ back
