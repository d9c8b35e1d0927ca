r"""x f(x, Q) of a set's quarks at scattered points: LHAPDF's log-bicubic interpolation, vectorised.

Both backends interpolate one point at a time or an outer product of x and Q. Events need one flavour at millions of
unrelated points, so the grid file is read here into one bicubic polynomial in (ln x, ln Q^2) per cell and flavour:
Hermite with LHAPDF's finite differences (mean of the two slopes inside a subgrid, one-sided at its ends; Buckley et
al., Eur. Phys. J. C 75 (2015) 132). The result agrees with the backends to 1e-10 (tests/events/test_parton_grid.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, Quiet
from .pdf import PDFMember

#: Rows of every array of quarks: flavours d u s c b, then their antiquarks.
QUARK_PIDS = (1, 2, 3, 4, 5, -1, -2, -3, -4, -5)

#: Cubic Hermite on 0..1: coefficients of 1, t, t^2, t^3 from value and slope at 0, value and slope at 1.
_HERMITE = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [-3, -2, 3, -1], [2, 1, -2, 1]], dtype=float)


@dataclass(frozen=True, eq=False, repr=False)
class PartonGrid(Quiet):
    """Bicubic polynomials of the ten quark densities of one PDF member."""

    log_x: FloatArray
    """Knots (nx,)."""
    log_q2: FloatArray
    """Knots of all subgrids, a threshold once, (nq,)."""
    coefficients: FloatArray
    """(10, nq - 1, nx - 1, 4, 4): powers of the position in the Q^2 cell, then of that in the x cell."""
    floor: float
    """Smallest value returned: -inf, or 0 or 1e-10 for sets that ask for positivity."""

    def xf(self, row: np.ndarray, x: FloatArray, q_gev: FloatArray) -> FloatArray:
        """x f(x, Q) of the quark QUARK_PIDS[row] at each point, (n,); x and Q are not checked to be inside the grid."""
        ix, tx = _locate(self.log_x, np.log(x))
        iq, tq = _locate(self.log_q2, 2 * np.log(q_gev))
        _, nq, nx = self.coefficients.shape[:3]
        cells = self.coefficients.reshape(-1, 16).take((row * nq + iq) * nx + ix, axis=0).T
        columns = [cells[b] + tq * (cells[4 + b] + tq * (cells[8 + b] + tq * cells[12 + b])) for b in range(4)]
        value = columns[0] + tx * (columns[1] + tx * (columns[2] + tx * columns[3]))
        return np.asarray(np.maximum(value, self.floor))

    def xf_all(self, x: FloatArray, q_gev: float) -> FloatArray:
        """x f(x, Q) of all ten quarks at one Q (GeV) and many x (n,), (10, n); the range is not checked."""
        ix, tx = _locate(self.log_x, np.log(x))
        iq, tq = _locate(self.log_q2, np.array([2 * np.log(q_gev)]))
        powers = tq[0] ** np.arange(4)
        c = np.einsum("b,fxbp->pfx", powers, self.coefficients[:, iq[0]])
        value = c[0][:, ix] + tx * (c[1][:, ix] + tx * (c[2][:, ix] + tx * c[3][:, ix]))
        return np.asarray(np.maximum(value, self.floor))


def _locate(knots: FloatArray, at: FloatArray) -> tuple[np.ndarray, FloatArray]:
    """Index of the cell and position 0..1 inside it."""
    index = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    return index, (at - knots[index]) / (knots[index + 1] - knots[index])


def parton_grid(pdf: PDFMember) -> PartonGrid:
    """Read the grid of a loaded member (its file was checked when it was loaded)."""
    info = pdf.info
    blocks = info.grid_file(pdf.member).read_text(encoding="utf-8").split("---\n")[1:-1]
    log_q2, parts = [], []
    for block in blocks:
        x_line, q_line, pid_line, body = block.split("\n", 3)
        x, q = np.log(np.array(x_line.split(), dtype=float)), 2 * np.log(np.array(q_line.split(), dtype=float))
        pids = [int(pid) for pid in pid_line.split()]
        values = np.array(body.split(), dtype=float).reshape(len(x), len(q), len(pids))
        quarks = np.zeros((len(QUARK_PIDS), len(x), len(q)))
        for row, pid in enumerate(QUARK_PIDS):
            if pid in pids:
                quarks[row] = values[:, :, pids.index(pid)]
        parts.append(_bicubic(x, q, quarks))
        log_q2.append(q)
    knots = np.concatenate([log_q2[0], *(q[1:] for q in log_q2[1:])])
    floor = {0: -np.inf, 1: 0.0}.get(info.force_positive, 1e-10)
    return PartonGrid(x, knots, np.ascontiguousarray(np.concatenate(parts, axis=1)), floor)


def _bicubic(x: FloatArray, q: FloatArray, values: FloatArray) -> FloatArray:
    """Polynomials of one subgrid, (10, nq - 1, nx - 1, 4, 4), from values (10, nx, nq) on its knots."""
    in_x = _hermite(x, np.moveaxis(values, 1, -1))  # (10, nq, nx - 1, 4)
    both = _hermite(q, np.moveaxis(in_x, 1, -1))  # (10, nx - 1, 4, nq - 1, 4)
    return np.asarray(both.transpose(0, 3, 1, 4, 2))


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
