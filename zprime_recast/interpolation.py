"""Factors of nuisances on the expected background: HistFactory's ``normsys``, interpolation code 4 of pyhf, for arrays.

Inside one standard deviation the factor is a polynomial f of sixth order in the nuisance that joins the exponentials
outside with two derivatives (HistFactory, CERN-OPEN-2012-016, section 4.1.5; pyhf ``interpolators.code4``). For a
change d of the logarithm ln f is alpha d to 4.8e-5 d^7. Small ones are exponentials here, as are all of the signal,
whose factor need not be known better than to 1e-6; for large ones ln f - alpha d is added, as a polynomial in alpha:
for many hypotheses that is a matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .cards import FloatArray, IndexArray
from .likelihood import LogChanges

#: Changes up to this enter as exponentials: an error of the factor of 1e-8.
EXPONENTIAL_MAX = 0.3
#: Order of the polynomial: an error of the factor of 4e-13 for a change of 1, of 6e-8 for one of 2.
ORDER = 16


@dataclass(frozen=True)
class Factors:
    """Nuisances of a sample that is the same in all hypotheses, ready to be evaluated for many at once."""

    slopes: FloatArray
    """Change of ln(events) per unit, (n_names, n_bins)."""
    curved: IndexArray
    """Nuisances with large changes, (n_curved,)."""
    columns: IndexArray
    """Bins that have large ones, (n_columns,)."""
    corrections: FloatArray
    """Coefficients of alpha^0 ... alpha^ORDER of ln f - alpha d, (n_curved, ORDER + 1, n_columns)."""

    def __call__(self, alpha: FloatArray) -> FloatArray:
        """ln(factor) of each bin, (n, n_bins), at nuisances (n, n_names)."""
        log = alpha @ self.slopes
        if len(self.curved):
            powers = self._powers(alpha)
            log[:, self.columns] += powers.reshape(len(alpha), -1) @ self._matrix
        return np.asarray(log)

    def derivatives(self, alpha: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sums over bins of weight (n, n_bins) times first and second derivative of ln(factor), each (n, n_names)."""
        first, second = weights @ self.slopes.T, np.zeros(alpha.shape)
        if len(self.curved):
            powers = self._powers(alpha)
            order = np.arange(ORDER + 1)
            moments = (weights[:, self.columns] @ self._matrix.T).reshape(powers.shape)
            inside = np.abs(alpha[:, self.curved]) < 1
            first[:, self.curved] += inside * (moments[..., 1:] * order[1:] * powers[..., :-1]).sum(axis=-1)
            curvature = moments[..., 2:] * (order[2:] * order[1:-1]) * powers[..., :-2]
            second[:, self.curved] = inside * curvature.sum(axis=-1)
        return first, second

    @property
    def _matrix(self) -> FloatArray:
        return self.corrections.reshape(-1, len(self.columns))

    def _powers(self, alpha: FloatArray) -> FloatArray:
        a = np.clip(alpha[:, self.curved], -1.0, 1.0)
        powers = np.empty((*a.shape, ORDER + 1))
        powers[..., 0] = 1.0
        for k in range(ORDER):
            np.multiply(powers[..., k], a, out=powers[..., k + 1])
        return powers


@lru_cache(maxsize=16)
def factors(changes: LogChanges) -> Factors:
    """Factors of the changes of a background, (n_names, n_bins)."""
    large = np.abs(changes.change) > EXPONENTIAL_MAX
    curved, columns = np.nonzero(large.any(axis=1))[0], np.nonzero(large.any(axis=0))[0]
    change = (changes.change * large)[np.ix_(curved, columns)]
    nodes = np.cos(np.pi * (np.arange(ORDER + 1) + 0.5) / (ORDER + 1))
    values = np.log(polynomial(change[:, None, :], nodes[:, None])) - nodes[:, None] * change[:, None, :]
    chebyshev = np.polynomial.chebyshev.chebvander(nodes, ORDER)
    to_powers = np.stack([np.append(c, [0.0] * (ORDER + 1 - len(c))) for c in map(_cheb2poly, np.eye(ORDER + 1))])
    corrections = np.matmul(to_powers.T, np.linalg.solve(chebyshev, values))
    return Factors(changes.change, curved, columns, corrections)


def _cheb2poly(coefficients: FloatArray) -> FloatArray:
    return np.asarray(np.polynomial.chebyshev.cheb2poly(coefficients))


def polynomial(d: FloatArray, alpha: FloatArray) -> FloatArray:
    """pyhf's factor at |alpha| <= 1 for changes exp(+-d); arguments broadcast."""
    cosh, sinh = np.cosh(d), np.sinh(d)
    odd = (
        15 * sinh - 7 * d * cosh + d**2 * sinh,
        -5 * sinh + 5 * d * cosh - d**2 * sinh,
        3 * sinh - 3 * d * cosh + d**2 * sinh,
    )
    even = (
        -24 + 24 * cosh - 9 * d * sinh + d**2 * cosh,
        12 - 12 * cosh + 7 * d * sinh - d**2 * cosh,
        -8 + 8 * cosh - 5 * d * sinh + d**2 * cosh,
    )
    a = alpha
    return np.asarray(
        1 + (a * odd[0] + a**2 * even[0] + 2 * a**3 * odd[1] + 2 * a**4 * even[1] + a**5 * odd[2] + a**6 * even[2]) / 8
    )
