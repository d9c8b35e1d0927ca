"""The fit without a signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from ..arrays import FloatArray
from ..errors import LikelihoodError
from .binned import BinnedLikelihood
from .expectations import BatchModel, background_only, expected_background
from .newton import fit


@dataclass(frozen=True)
class Null:
    """The fit at mu = 0, the same for every signal in the same searches."""

    nuisances: FloatArray
    """Of the background, ([n,] n_background); those of the signal are 0."""
    expected: FloatArray
    """([n,] n_bins)."""
    inverse: FloatArray
    """Inverse Hessian of its Asimov data, ([n,] n_background, n_background)."""


def fit_null(model: BatchModel, n_obs: FloatArray) -> Null:
    """The fit of the background to counts (n_bins,) or (n_data_sets, n_bins). LikelihoodError if it fails."""
    counts = np.atleast_2d(n_obs)
    model = background_only(model, len(counts))
    start, mu = np.zeros(model.n_nuisances), np.zeros(len(counts))
    found = fit(model, counts, model.background, start, mu, accuracy=1e-13)
    if not found.converged.all():
        raise LikelihoodError("the fit of the background did not converge; check the spectra of the analyses")
    expected = expected_background(model, found.nuisances)
    slopes = model.background_slopes
    inverse = np.linalg.inv(np.eye(len(slopes)) + np.matmul(slopes * expected[:, None, :], slopes.T))
    all_sets = Null(found.nuisances, expected, inverse)
    return all_sets if n_obs.ndim == 2 else Null(found.nuisances[0], expected[0], inverse[0])


def loglike_of(likelihood: BinnedLikelihood, null: Null) -> float:
    """ln L at mu = 0, profiled: Poisson probabilities of all bins, and -alpha^2/2 of each nuisance."""
    n = likelihood.n_obs
    terms = n * np.log(null.expected) - null.expected - gammaln(n + 1)
    return float(terms.sum() - 0.5 * (null.nuisances**2).sum())
