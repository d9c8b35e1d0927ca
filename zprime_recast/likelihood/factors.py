"""Factors of nuisances on the expected background: HistFactory's ``normsys``, interpolation code 4 of pyhf, for arrays.

Within one standard deviation the factor is a polynomial f of sixth order in the nuisance alpha, which joins the
exponentials outside with two continuous derivatives (HistFactory, CERN-OPEN-2012-016, section 4.1.5; pyhf
``interpolators.code4``).
For a change d of the logarithm, ln f equals alpha d up to 4.8e-5 d^7. Small changes are therefore treated as
exponentials here, as are all changes of the signal, whose factor need not be known to better than 1e-6. For large
changes ln f - alpha d is added as a polynomial in alpha, which is a matrix product for many hypotheses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet
from ..io.memo import PickledByFields

if TYPE_CHECKING:
    from .binned import LogChanges

#: Changes up to this are treated as exponentials; the error of the factor is 1e-8.
EXPONENTIAL_MAX = 0.3
#: Order of the polynomial. The error of the factor is 7e-11 for a change of 1, and 2e-6 for a change of 2, which occurs
#: in bins with fewer than 0.1 events.
ORDER = 12


@dataclass(frozen=True, eq=False, repr=False)
class Factors(Quiet, PickledByFields):
    """Factors on a sample that all hypotheses share, for many values of its nuisances alpha at once."""

    slopes: FloatArray
    """Change of ln(events) per unit, (n_names, n_bins)."""
    curved: IndexArray
    """Indices of nuisances with large changes, (n_curved,)."""
    columns: IndexArray
    """Indices of bins with large changes, (n_columns,)."""
    corrections: FloatArray
    """Coefficients of alpha^0 ... alpha^ORDER of ln f - alpha d, (n_curved * (ORDER + 1), n_columns)."""

    @cached_property
    def pairs(self) -> tuple[tuple[IndexArray, IndexArray], FloatArray]:
        """Nuisances that share bins, and the products of the slopes of each pair, (n_bins, n_pairs)."""
        k, m = np.nonzero((np.abs(self.slopes) @ np.abs(self.slopes).T) > 0)
        return (k, m), np.ascontiguousarray((self.slopes[k] * self.slopes[m]).T)

    def powers(self, alpha: FloatArray) -> FloatArray:
        """Powers 0 ... ORDER of the curved nuisances, clipped to [-1, 1], (n, n_curved * (ORDER + 1)).

        ``alpha`` holds the nuisances, (n, n_names). The methods below share these powers.
        """
        powers = np.ones((len(alpha), len(self.curved), ORDER + 1))
        powers[..., 1:] = np.minimum(np.maximum(alpha.take(self.curved, axis=1), -1.0), 1.0)[..., None]
        return np.multiply.accumulate(powers, axis=-1).reshape(len(alpha), -1)

    def log(self, alpha: FloatArray, powers: FloatArray) -> FloatArray:
        """ln(factor) of each bin, (n, n_bins)."""
        log = alpha @ self.slopes
        log[:, self.columns] += powers @ self.corrections
        return np.asarray(log)

    def first(self, alpha: FloatArray, powers: FloatArray, weights: FloatArray) -> FloatArray:
        """Sum over bins of weights (n, n_bins) times the first derivative of ln(factor), (n, n_names)."""
        first = weights @ self.slopes.T
        first[:, self.curved] += self._derivative(alpha, powers, weights, 1)
        return np.asarray(first)

    def second(self, alpha: FloatArray, powers: FloatArray, weights: FloatArray) -> FloatArray:
        """Sum over bins of weights (n, n_bins) times the second derivative of ln(factor), (n, n_names)."""
        second = np.zeros(alpha.shape)
        second[:, self.curved] = self._derivative(alpha, powers, weights, 2)
        return second

    @cached_property
    def derivatives(self) -> tuple[FloatArray, FloatArray]:
        """Coefficients of the first and second derivatives of the corrections, from alpha^0 upwards.

        They are transposed: (n_columns, n_curved * ORDER) and (n_columns, n_curved * (ORDER - 1)).
        """
        k, n = len(self.curved), len(self.columns)
        c, order = self.corrections.reshape(k, ORDER + 1, n), np.arange(ORDER + 1.0)[:, None]
        first, second = (c * order)[:, 1:], (c * order * (order - 1))[:, 2:]
        return first.reshape(k * ORDER, n).T.copy(), second.reshape(k * (ORDER - 1), n).T.copy()

    def _derivative(self, alpha: FloatArray, powers: FloatArray, weights: FloatArray, times: int) -> FloatArray:
        moments = weights.take(self.columns, axis=1) @ self.derivatives[times - 1]
        powers = powers.reshape(len(alpha), len(self.curved), ORDER + 1)[..., : ORDER + 1 - times]
        total = np.multiply(moments.reshape(powers.shape), powers).sum(axis=-1)
        return np.asarray(total * (np.abs(alpha.take(self.curved, axis=1)) < 1))


def factors(changes: LogChanges) -> Factors:
    """The factors of changes (n_names, n_bins) of a background."""
    large = np.abs(changes.change) > EXPONENTIAL_MAX
    curved, columns = np.nonzero(large.any(axis=1))[0], np.nonzero(large.any(axis=0))[0]
    change = (changes.change * large)[np.ix_(curved, columns)]
    nodes = np.cos(np.pi * (np.arange(ORDER + 1) + 0.5) / (ORDER + 1))
    values = np.log(polynomial(change[:, None, :], nodes[:, None])) - nodes[:, None] * change[:, None, :]
    corrections = np.linalg.solve(np.vander(nodes, ORDER + 1, increasing=True), values)
    return Factors(changes.change, curved, columns, corrections.reshape(len(curved) * (ORDER + 1), len(columns)))


def polynomial(d: FloatArray, alpha: FloatArray) -> FloatArray:
    """The factor of pyhf's code 4 at |alpha| <= 1 for changes exp(+-d); the arguments broadcast."""
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
