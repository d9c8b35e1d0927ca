"""Factors of nuisances on the expected events: HistFactory's ``normsys``, interpolation code 4 of pyhf, for arrays.

Inside one standard deviation the factor is a polynomial of sixth order in the nuisance that joins the exponentials
outside with two derivatives (HistFactory, CERN-OPEN-2012-016, section 4.1.5; pyhf ``interpolators.code4``). For a
symmetric change d it deviates from exp(alpha d) by less than 4.8e-5 d^7, so for small ones the exponential is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .cards import FloatArray
from .likelihood import BoolArray, LogChanges

#: Symmetric changes up to this enter as exponentials: an error of the factor of 1e-8.
EXPONENTIAL_MAX = 0.3

IndexArray = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Factors:
    """Nuisances of one sample, ready to be evaluated for many hypotheses at once.

    ``slopes`` holds what is exponential; the pairs (nuisance, bin) of ``rows`` and ``columns`` have the polynomial.
    """

    slopes: FloatArray
    """d ln(events)/d(nuisance) of the exponential part, ([n_hypotheses,] n_names, n_bins); 0 for the pairs."""
    rows: IndexArray
    """(n_pairs,), in ascending order of ``columns``."""
    columns: IndexArray
    up: FloatArray
    """([n_hypotheses,] n_pairs)."""
    down: FloatArray
    polynomial: FloatArray
    """Coefficients of alpha^1 ... alpha^6, (6, [n_hypotheses,] n_pairs)."""

    @property
    def of_each(self) -> bool:
        """Whether the changes differ between hypotheses."""
        return self.slopes.ndim == 3

    def take(self, i: IndexArray) -> Factors:
        """Those of some hypotheses."""
        if not self.of_each:
            return self
        return Factors(self.slopes[i], self.rows, self.columns, self.up[i], self.down[i], self.polynomial[:, i])

    def __call__(self, alpha: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """ln(factor) of each bin (n, n_bins), its first derivative ([n,] n_names, n_bins), and of the pairs the second
        (n, n_pairs), at nuisances (n, n_names).
        """
        log, first, second = self.of_pairs(alpha)
        if first is None:
            return log, self.slopes, None
        slopes = np.array(np.broadcast_to(self.slopes, (len(alpha), *self.slopes.shape[-2:])))
        slopes[:, self.rows, self.columns] = first
        return log, slopes, second

    def of_pairs(self, alpha: FloatArray) -> tuple[FloatArray, FloatArray | None, FloatArray | None]:
        """The same with the first derivative of the pairs alone, (n, n_pairs)."""
        log = np.matmul(alpha[:, None, :], self.slopes)[:, 0] if self.of_each else alpha @ self.slopes
        if not len(self.rows):
            return log, None, None
        value, first, second = self._pairs(alpha[:, self.rows])
        starts = np.nonzero(np.diff(self.columns, prepend=-1))[0]
        log[:, self.columns[starts]] += np.add.reduceat(value, starts, axis=1)
        return log, first, second

    def curvature(self, second: FloatArray, weights: FloatArray) -> FloatArray:
        """Sum over bins of weight (n, n_bins) times second derivative, per nuisance, (n, n_names)."""
        indicator = np.zeros((len(self.rows), self.slopes.shape[-2]))
        indicator[np.arange(len(self.rows)), self.rows] = 1.0
        return np.asarray((second * weights[:, self.columns]) @ indicator)

    def _pairs(self, a: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        c = self.polynomial
        factor = c[5] * a
        derivative = 6 * c[5]
        second = 30 * c[5]
        for k in (4, 3, 2, 1, 0):
            factor = (factor + c[k]) * a
            if k >= 1:
                second = second * a + (k + 1) * k * c[k]
            derivative = derivative * a + (k + 1) * c[k]
        factor = 1 + factor
        value, first = np.log(factor), derivative / factor
        second = second / factor - first**2
        outside = np.abs(a) >= 1
        if outside.any():
            slope = np.where(a > 0, self.up, -self.down)
            value, first = np.where(outside, a * slope, value), np.where(outside, slope, first)
            second = np.where(outside, 0.0, second)
        return value, first, second


def factors(changes: LogChanges) -> Factors:
    """Factors of the changes of a likelihood."""
    up, down = changes.up, changes.down
    odd = 0.5 * (up - down)
    curved: BoolArray = (np.abs(up + down) > 1e-9) | (np.abs(odd) > EXPONENTIAL_MAX)
    if curved.ndim == 3:
        curved = np.asarray(curved.any(axis=0))
    columns, rows = np.nonzero(curved.T)
    odd[..., rows, columns] = 0.0
    of_pairs = up[..., rows, columns], down[..., rows, columns]
    return Factors(odd, rows, columns, *of_pairs, polynomial_of(*of_pairs))


def polynomial_of(up: FloatArray, down: FloatArray) -> FloatArray:
    """Coefficients of alpha^1 ... alpha^6 of the factor for log changes at +1 and -1, (6, *shape)."""
    high, low = np.exp(up), np.exp(down)
    s0, a0 = 0.5 * (high + low), 0.5 * (high - low)
    s1, a1 = 0.5 * (high * up - low * down), 0.5 * (high * up + low * down)
    s2, a2 = 0.5 * (high * up**2 + low * down**2), 0.5 * (high * up**2 - low * down**2)
    return np.stack(
        [
            (15 * a0 - 7 * s1 + a2) / 8,
            (-24 + 24 * s0 - 9 * a1 + s2) / 8,
            (-5 * a0 + 5 * s1 - a2) / 4,
            (12 - 12 * s0 + 7 * a1 - s2) / 4,
            (3 * a0 - 3 * s1 + a2) / 8,
            (-8 + 8 * s0 - 5 * a1 + s2) / 8,
        ]
    )
