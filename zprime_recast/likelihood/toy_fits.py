r"""Maxima of many log-likelihoods that are quadratic but for the bins with few events.

Around a reference point with expectations :math:`N_j = B_j + S_j` the gain in ln L of a data set :math:`n_j` is, in
nuisances z that are whitened with the Fisher information,

.. math:: G(z) = y\cdot z - \tfrac12 |z|^2 + \sum_{j \in \mathrm{few}} \Big[ n_j \ln\frac{\nu_j}{N_j} - (\nu_j - N_j)
          - (n_j - N_j)\,l_j + \tfrac12 N_j l_j^2 \Big],

with the score y, :math:`\nu_j = B_j e^{u_j} + S_j e^{v_j}`, u and v linear in z, and
:math:`l_j = (B_j u_j + S_j v_j)/N_j`. The first two terms are Fisher's quadratic form of all bins; the sum replaces it
by the exact Poisson terms where few events are expected. What cancels between two fits of one data set is never
computed, so single precision is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import IndexArray, Quiet

#: Arrays of all toys have this precision; only deviations from expectations are stored, never the counts themselves.
TOY_TYPE = np.float32
ToyArray = NDArray[np.floating[Any]]
#: Smallest total of a bin over its expectation: interference may bring it to zero.
LEAST_TOTAL = 0.02
#: Steps remembered by the fits, and the largest change of a whitened nuisance in one step.
MEMORY, STEP_MAX = 4, 4.0
#: Largest decrement of which half is added to the maximum as the gain of the step that is not made.
GAIN_MAX = 0.3


@dataclass(frozen=True, eq=False, repr=False)
class FewEvents(Quiet):
    """The bins with few events (n_few,) as functions of whitened nuisances z (n_nuisances,).

    Bins whose signal counts, (n_with,), come first. In the others the signal is too small for its share of the events
    to vary, and the background stands for the sum of both.
    """

    background: ToyArray
    """Expected background at z = 0, (n_few,)."""
    background_slopes: ToyArray
    """d ln(background)/dz, (n_nuisances, n_few)."""
    signal: ToyArray
    """Expected signal at z = 0, (n_with,)."""
    signal_slopes: ToyArray
    """d ln(signal)/dz, (n_nuisances, n_with)."""

    @cached_property
    def expected(self) -> ToyArray:
        """N, (n_few,)."""
        found = self.background.copy()
        found[: len(self.signal)] += self.signal
        return found

    @cached_property
    def _transposed(self) -> tuple[ToyArray, ToyArray]:
        return np.ascontiguousarray(self.background_slopes.T), np.ascontiguousarray(self.signal_slopes.T)

    @cached_property
    def _constants(self) -> tuple[ToyArray, ToyArray]:
        """1/N, and the smallest total."""
        return 1 / self.expected, LEAST_TOTAL * self.expected

    def samples(self, z: ToyArray) -> tuple[ToyArray, ToyArray, ToyArray]:
        """N l and the expected background, (n, n_few), and the expected signal, (n, n_with), at z (n, n_nuisances)."""
        n_with = len(self.signal)
        background = z @ self.background_slopes
        linear = background * self.background
        np.exp(background, out=background)
        background *= self.background
        signal = z @ self.signal_slopes
        linear[:, :n_with] += signal * self.signal
        np.exp(signal, out=signal)
        signal *= self.signal
        return linear, background, signal

    def total(self, background: ToyArray, signal: ToyArray) -> ToyArray:
        """nu, (n, n_few), at least the smallest total."""
        found = background.copy()
        found[:, : len(self.signal)] += signal
        return np.asarray(np.maximum(found, self._constants[1], out=found))

    def gain(self, z: ToyArray, score: ToyArray, counts: ToyArray) -> tuple[ToyArray, ToyArray]:
        """G(z), (n,), and its gradient, (n, n_nuisances), for scores (n, n_nuisances) and counts (n, n_few)."""
        n_with, (inverse, _) = len(self.signal), self._constants
        linear, background, signal = self.samples(z)
        total = self.total(background, signal)
        change = background - self.background  # nu - N
        change[:, :n_with] += signal - self.signal
        excess = counts - self.expected
        linear -= excess  # N l - (n - N), whose square holds both quadratic terms
        value = total * inverse
        np.log(value, out=value)
        value *= counts
        value -= change
        excess *= excess
        found = value.sum(axis=1) - 0.5 * (excess @ inverse)
        np.multiply(linear, inverse, out=value)
        found += 0.5 * row_dot(value, linear)
        found += row_dot(score - 0.5 * z, z)
        ratio = np.divide(counts, total, out=total)
        ratio -= 1
        background *= ratio
        gradient_signal = ratio[:, :n_with] * signal
        gradient_signal += value[:, :n_with] * self.signal
        value *= self.background
        background += value
        gradient = background @ self._transposed[0]
        gradient += gradient_signal @ self._transposed[1]
        gradient += score
        gradient -= z
        return found, gradient


def row_dot(a: ToyArray, b: ToyArray) -> ToyArray:
    """Scalar products of rows, (n,)."""
    return np.asarray(np.einsum("ij,ij->i", a, b))


@dataclass(frozen=True, eq=False, repr=False)
class Maxima(Quiet):
    """Maxima of G, one per data set."""

    gain: ToyArray
    """G at the maximum, (n,)."""
    z: ToyArray
    """Whitened nuisances there, (n, n_nuisances)."""
    decrement: ToyArray
    """Twice the distance in G that a last step would have gained, (n,), half of which is part of ``gain``."""


def maxima(
    few: FewEvents,
    start: ToyArray,
    score: ToyArray,
    counts: ToyArray,
    max_steps: int,
    decrement: float,
    safe_start: ToyArray | None = None,
) -> Maxima:
    """Maximise G for all data sets at once with limited-memory BFGS steps; finished ones are set aside.

    Arguments:
        few: the bins with few events.
        start: first z, (n, n_nuisances).
        score: y, (n, n_nuisances).
        counts: counts of the bins with few events, (n, n_few).
        max_steps: number of steps after which a fit is given up.
        decrement: a fit has converged when its decrement is below this.
        safe_start: z to start from where G is below 0 at ``start``; 0 by default.

    Source: J. Nocedal, Math. Comp. 35 (1980) 773.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _maxima(few, start, score, counts, max_steps, decrement, safe_start)


def _maxima(
    few: FewEvents,
    start: ToyArray,
    score: ToyArray,
    counts: ToyArray,
    max_steps: int,
    least_decrement: float,
    safe_start: ToyArray | None,
) -> Maxima:
    z = start.copy()
    value, gradient = few.gain(z, score, counts)
    low = np.nonzero(~(value >= -1e-3))[0]
    if len(low):
        other = np.zeros_like(z[low]) if safe_start is None else safe_start[low]
        there, slope = few.gain(other, score[low], counts[low])
        better = ~(value[low] >= there)
        k = low[better]
        z[k], value[k], gradient[k] = other[better], there[better], slope[better]
    n = len(z)
    gain, left, at_maximum = value.copy(), np.empty_like(value), z.copy()
    at: IndexArray = np.arange(n)
    steps: list[tuple[ToyArray, ToyArray, ToyArray]] = []
    length: ToyArray = np.ones(n, TOY_TYPE)
    for turn in range(max_steps + 1):
        direction = _direction(gradient, steps)
        decrement = row_dot(direction, gradient)
        wrong = ~(decrement > 0)
        if wrong.any():
            direction[wrong] = gradient[wrong]
            decrement[wrong] = row_dot(gradient[wrong], gradient[wrong])
        left[at] = decrement
        gain[at] = value + 0.5 * np.minimum(decrement, GAIN_MAX)
        at_maximum[at] = z
        going = decrement > least_decrement
        if turn == max_steps or not going.any():
            break
        if not going.all():
            at = at[going]
            z, value, gradient, direction = (a[going] for a in (z, value, gradient, direction))
            counts, score, length = (a[going] for a in (counts, score, length))
            steps = [(s[going], y[going], r[going]) for s, y, r in steps]
        largest = np.maximum(np.abs(direction).max(axis=1), 1e-9)
        step = direction * (np.minimum(1, STEP_MAX / largest) * length)[:, None]
        trial = z + step
        there, slope = few.gain(trial, score, counts)
        change = np.nan_to_num(gradient - slope)
        curvature = row_dot(step, change)
        usable = (curvature > 1e-8) & np.isfinite(there)
        steps = [*steps, (step, change, np.where(usable, 1 / np.maximum(curvature, 1e-8), 0).astype(TOY_TYPE))]
        steps = steps[-MEMORY:]
        rises = there >= value - 1e-3
        length = np.where(rises, 1, 0.3 * length).astype(TOY_TYPE)
        if rises.all():
            z, value, gradient = trial, there, slope
        else:
            z = np.where(rises[:, None], trial, z)
            gradient = np.where(rises[:, None], np.nan_to_num(slope), gradient)
            value = np.where(rises, there, value)
    return Maxima(gain, at_maximum, left)


def _direction(gradient: ToyArray, steps: list[tuple[ToyArray, ToyArray, ToyArray]]) -> ToyArray:
    """Inverse Hessian of the last steps times the gradient: the two-loop recursion."""
    found = gradient.copy()
    shares = []
    for step, change, inverse in reversed(steps):
        share = inverse * row_dot(step, found)
        found -= share[:, None] * change
        shares.append(share)
    for (step, change, inverse), share in zip(steps, reversed(shares), strict=True):
        found += (share - inverse * row_dot(change, found))[:, None] * step
    return found
