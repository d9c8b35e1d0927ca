"""The fit of the background without a signal, which all hypotheses in the same searches share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

from ..arrays import FloatArray, Quiet
from ..errors import LikelihoodError
from ..signal.signal import Signal
from .binned import BinnedLikelihood, Layouts, binned_likelihood
from .expectations import Expectations, background_expectations, expected_background
from .newton import fit

if TYPE_CHECKING:
    from ..searches.spectrum import SpectrumSearch


@dataclass(frozen=True, eq=False, repr=False)
class BackgroundFit(Quiet):
    """The background fitted to data at mu = 0. With many data sets every array has a first axis (n,)."""

    nuisances: FloatArray
    """Nuisances of the background, ([n,] n_background); those of the signal are 0."""
    expected: FloatArray
    """Expected events at the fit, ([n,] n_bins)."""
    inverse: FloatArray
    """Inverse Hessian of the Asimov data, ([n,] n_background, n_background)."""
    loglike: FloatArray
    """ln L of the Standard Model, ([n]): the log Poisson probabilities of all bins, and -alpha^2/2 of each nuisance."""


def background_likelihood(
    searches: Sequence[SpectrumSearch], channels: Sequence[str] | None = None, layouts: Layouts | None = None
) -> BinnedLikelihood:
    """The likelihood of searches without a signal, in some channels or all; ``layouts`` as in
    :func:`~zprime_recast.likelihood.binned.binned_likelihood`.
    """

    def nothing(search: SpectrumSearch) -> Signal:
        used = (c for c in search.channels if channels is None or c.name in channels)
        return Signal(search, {c.name: np.zeros(len(c.bkg)) for c in used})

    return binned_likelihood([nothing(search) for search in searches], layouts)


def fit_background(likelihood: BinnedLikelihood, n_obs: FloatArray | None = None) -> BackgroundFit:
    """Fit the background to the data of a likelihood, or to ``n_obs``, counts (n_bins,) or (n_data_sets, n_bins).

    The signal of the likelihood is ignored. LikelihoodError if the fit does not converge.
    """
    data = likelihood.n_obs if n_obs is None else n_obs
    counts = np.atleast_2d(data)
    model = background_expectations(likelihood, len(counts))
    found = fit(model, counts, model.background, np.zeros(model.n_nuisances), np.zeros(len(counts)), accuracy=1e-13)
    if not found.converged.all():
        raise LikelihoodError("the fit of the background did not converge; check the spectra of the analyses")
    expected = expected_background(model, found.nuisances)
    slopes = model.background_slopes
    inverse = np.linalg.inv(np.eye(len(slopes)) + np.matmul(slopes * expected[:, None, :], slopes.T))
    terms = counts * np.log(expected) - expected - gammaln(counts + 1)
    loglike = terms.sum(axis=1) - 0.5 * (found.nuisances**2).sum(axis=1)
    if data.ndim == 2:
        return BackgroundFit(found.nuisances, expected, inverse, loglike)
    return BackgroundFit(found.nuisances[0], expected[0], inverse[0], loglike[0])


def first_inverse(model: Expectations, null: BackgroundFit) -> FloatArray:
    """Initial inverse Hessians, (n, n_nuisances, n_nuisances): a signal hardly changes that of the background."""
    k = np.arange(model.n_signal)
    inverse = np.zeros((len(model.signal), model.n_nuisances, model.n_nuisances))
    inverse[:, k, k] = 1 / (1 + model.information)
    inverse[:, len(k) :, len(k) :] = null.inverse
    return inverse
