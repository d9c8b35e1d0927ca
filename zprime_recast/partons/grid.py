r"""Log-bicubic interpolation of a PDF set, vectorised: the package's own reader of LHAPDF6 grids.

A grid is turned into one bicubic polynomial in (ln x, ln Q^2) per cell and parton: Hermite with LHAPDF's finite
differences (mean of the two slopes inside a subgrid, one-sided at its ends; Buckley et al., Eur. Phys. J. C 75 (2015)
132). The strong coupling is a cubic in ln Q^2 between the knots of its table, by the same rule. Both agree with LHAPDF
to 1e-10 (``tests/partons/test_grid.py``).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet

#: First rows of every grid: flavours d u s c b, then their antiquarks.
QUARK_PIDS = (1, 2, 3, 4, 5, -1, -2, -3, -4, -5)

#: Cubic Hermite on 0..1: coefficients of 1, t, t^2, t^3 from value and slope at 0, value and slope at 1.
_HERMITE = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [-3, -2, 3, -1], [2, 1, -2, 1]], dtype=float)


@dataclass(frozen=True, eq=False, repr=False)
class Subgrid(Quiet):
    """Densities of a member between two thresholds."""

    x: FloatArray
    """Knots, (nx,)."""
    q_gev: FloatArray
    """Knots, (nq,)."""
    pids: tuple[int, ...]
    values: FloatArray
    """x f(x, Q) on the knots, (nx, nq, partons)."""


@dataclass(frozen=True, eq=False, repr=False)
class PartonGrid(Quiet):
    """Bicubic polynomials of the parton densities of one PDF member."""

    pids: tuple[int, ...]
    """Parton id of each row: QUARK_PIDS, whose densities are 0 where the set has none, then the other partons."""
    log_x: FloatArray
    """Knots (nx,)."""
    log_q2: FloatArray
    """Knots of all subgrids, a threshold once, (nq,)."""
    coefficients: FloatArray
    """(rows, nq - 1, nx - 1, 4, 4): powers of the position in the Q^2 cell, then of that in the x cell."""
    floor: float
    """Smallest value returned: -inf, or 0 or 1e-10 for sets that ask for positivity."""

    def xf(self, row: np.ndarray, x: FloatArray, q_gev: FloatArray) -> FloatArray:
        """x f(x, Q) of the parton of one row at each point, (n,); x and Q are not checked to be inside the grid."""
        ix, tx = _locate(self.log_x, np.log(x))
        iq, tq = _locate(self.log_q2, 2 * np.log(q_gev))
        _, nq, nx = self.coefficients.shape[:3]
        cells = self.coefficients.reshape(-1, 16).take((row * nq + iq) * nx + ix, axis=0).T
        columns = [cells[b] + tq * (cells[4 + b] + tq * (cells[8 + b] + tq * cells[12 + b])) for b in range(4)]
        value = columns[0] + tx * (columns[1] + tx * (columns[2] + tx * columns[3]))
        return np.asarray(np.maximum(value, self.floor))

    def at_scale(self, rows: IndexArray | slice, x: FloatArray, q_gev: float) -> FloatArray:
        """x f(x, Q) of the partons of some rows at one Q (GeV) and many x (n,), (rows, n); the range is not checked."""
        ix, tx = _locate(self.log_x, np.log(x))
        iq, tq = _locate(self.log_q2, np.array([2 * np.log(q_gev)]))
        powers = tq[0] ** np.arange(4)
        c = np.einsum("b,fxbp->pfx", powers, self.coefficients[rows, iq[0]])
        value: FloatArray = c[3].take(ix, axis=1)
        for power in (2, 1, 0):
            value *= tx
            value += c[power].take(ix, axis=1)
        np.maximum(value, self.floor, out=value)
        return value


def parton_grid(subgrids: Sequence[Subgrid], floor: float = -np.inf) -> PartonGrid:
    """Interpolate the subgrids of a member, which share their knots in x; ``floor`` is the smallest value returned."""
    log_q2, parts = [], []
    pids = (*QUARK_PIDS, *(pid for pid in subgrids[0].pids if pid not in QUARK_PIDS))
    for subgrid in subgrids:
        values = np.zeros((len(pids), len(subgrid.x), len(subgrid.q_gev)))
        for row, pid in enumerate(pids):
            if pid in subgrid.pids:
                values[row] = subgrid.values[:, :, subgrid.pids.index(pid)]
        log_q2.append(2 * np.log(subgrid.q_gev))
        parts.append(_bicubic(np.log(subgrid.x), log_q2[-1], values))
    knots = np.concatenate([log_q2[0], *(q[1:] for q in log_q2[1:])])
    coefficients = np.ascontiguousarray(np.concatenate(parts, axis=1))
    return PartonGrid(pids, np.log(subgrids[0].x), knots, coefficients, floor)


@dataclass(frozen=True, eq=False, repr=False)
class StrongCoupling(Quiet):
    """Cubic polynomials of alpha_s between the knots of a set's table."""

    log_q2: FloatArray
    """Knots, a threshold once, (n,)."""
    coefficients: FloatArray
    """(n - 1, 4): powers of the position in the cell."""

    def __call__(self, q_gev: FloatArray) -> FloatArray:
        """alpha_s(Q) at scales in GeV inside the table, in their shape."""
        cell, t = _locate(self.log_q2, 2 * np.log(q_gev))
        c = self.coefficients[cell]
        return np.asarray(c[..., 0] + t * (c[..., 1] + t * (c[..., 2] + t * c[..., 3])))


def strong_coupling(q_gev: Sequence[float], values: Sequence[float]) -> StrongCoupling:
    """Interpolate a table of alpha_s at ascending scales in GeV; one given twice is a threshold, where it may jump."""
    log_q2, alpha_s = 2 * np.log(q_gev), np.array(values, dtype=float)
    ends = [0, *(np.nonzero(np.diff(log_q2) == 0)[0] + 1).tolist(), len(log_q2)]
    pieces = [slice(a, b) for a, b in itertools.pairwise(ends) if b - a > 1]
    knots = np.concatenate([log_q2[pieces[0]], *(log_q2[piece][1:] for piece in pieces[1:])])
    return StrongCoupling(knots, np.concatenate([_hermite(log_q2[piece], alpha_s[piece]) for piece in pieces]))


def _locate(knots: FloatArray, at: FloatArray) -> tuple[IndexArray, FloatArray]:
    """Index of the cell and position 0..1 inside it."""
    index = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    return index, (at - knots[index]) / (knots[index + 1] - knots[index])


def _bicubic(x: FloatArray, q: FloatArray, values: FloatArray) -> FloatArray:
    """Polynomials of one subgrid, (rows, nq - 1, nx - 1, 4, 4), from values (rows, nx, nq) on its knots.

    With two knots in Q they are straight lines in both directions, as LHAPDF has it.
    """
    by_q = np.moveaxis(values, 1, -1)
    in_x = _hermite(x, by_q) if len(q) > 2 else _straight(by_q)  # (rows, nq, nx - 1, 4)
    both = _hermite(q, np.moveaxis(in_x, 1, -1))  # (rows, nx - 1, 4, nq - 1, 4)
    return np.asarray(both.transpose(0, 3, 1, 4, 2))


def _straight(values: FloatArray) -> FloatArray:
    """Coefficients (..., n - 1, 4) of the straight line of every cell along the last axis of values (..., n)."""
    zero = np.zeros_like(values[..., 1:])
    return np.stack([values[..., :-1], np.diff(values), zero, zero], axis=-1)


def _hermite(knots: FloatArray, values: FloatArray) -> FloatArray:
    """Coefficients (..., n - 1, 4) of the cubic of every cell along the last axis of values (..., n)."""
    step = np.diff(knots)
    slope = np.diff(values) / step
    derivative = np.empty_like(values)
    derivative[..., 0], derivative[..., -1] = slope[..., 0], slope[..., -1]
    derivative[..., 1:-1] = 0.5 * (slope[..., 1:] + slope[..., :-1])
    ends = np.stack(
        [values[..., :-1], derivative[..., :-1] * step, values[..., 1:], derivative[..., 1:] * step], axis=-1
    )
    return np.asarray(ends @ _HERMITE.T)
