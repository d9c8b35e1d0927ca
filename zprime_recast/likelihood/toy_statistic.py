r"""The statistic q~ of all toys of an ensemble for one hypothesis, in microseconds a toy.

For every toy the likelihood is maximised at signal strength 1 (:mod:`zprime_recast.likelihood.toy_fits`, around the fit
of the hypothesis to the data), which together with its fit at strength 0 gives ln L(1)/L(0). Where the slopes at both
ends show that the best strength lies between, the likelihood is maximised along the straight line between the two fits
and corrected by one Fisher step off that line. The statistic is

.. math:: -\tfrac12 \tilde q = \ln\frac{L(1)}{\max_{0 \le \mu \le 1} L(\mu)} \le 0,

which is 0 where the likelihood still rises at strength 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet
from .background_fit import BackgroundFit, first_inverse
from .binned import BinnedLikelihood
from .expectations import Expectations, expectations_of, expected_background, expected_signal
from .newton import fit
from .statistic import highest_between
from .toy_ensemble import CHUNK, Ensemble, Toys, density_ratio
from .toy_fits import LEAST_TOTAL, TOY_TYPE, FewEvents, ToyArray, maxima, row_dot

#: Expected signal, over the square root of the expected events if there is more than one, from which on a bin with few
#: events follows the nuisances of the signal exactly.
SIGNAL_MIN = 0.01
#: Steps and decrement at which the fit of a toy ends.
MAX_STEPS, DECREMENT = 15, 0.05
#: Information below which a rotated nuisance of the signal is left out.
NEGLIGIBLE_INFORMATION = 1e-4
#: Strengths at which the line between the fits at 0 and 1 is looked at; then more for toys that need it.
STRENGTH_STEPS = (2, 2, 4)
#: Toys that may matter to a p-value, by their -q~/2 and ln L(1)/L(0) after one Fisher step; and those whose fit at
#: strength 0 shows that such a step misses more than STEP_MISSES.
NEAR_ABOVE, NEAR_BELOW, NEAR_UNCERTAIN, STEP_MISSES = 1.5, 1.0, 8.0, 1.5
#: Gain in ln L of a further step in the strength above which it is made; a smaller one is added.
STRENGTH_GAIN = 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class Fitted(Quiet):
    """A hypothesis at its fit to the data at strength 1."""

    signal: FloatArray
    """Expected signal at nuisances 0, (n_bins,)."""
    slopes: FloatArray
    """d ln(signal)/d(nuisance), (n_signal, n_bins)."""
    rotation: FloatArray
    """From the named nuisances of the signal to those used here, (n_signal, n_names)."""
    background_slopes: FloatArray
    """(n_background, n_bins)."""
    signal_nuisances: FloatArray
    """(n_signal,)."""
    background_nuisances: FloatArray
    """(n_background,)."""
    signal_events: FloatArray
    """Expected signal at the fit, (n_bins,)."""
    background_events: FloatArray
    """Expected background at the fit, (n_bins,)."""
    converged: bool

    @property
    def expected(self) -> FloatArray:
        """Expected events at the fit, (n_bins,)."""
        return np.asarray(self.signal_events + self.background_events)

    @property
    def ensemble(self) -> Ensemble:
        """The ensemble of signal and background."""
        return Ensemble(self.expected, self.background_nuisances, self.signal_nuisances @ self.rotation)


def fitted(likelihood: BinnedLikelihood, null: BackgroundFit, rows: IndexArray | None = None) -> list[Fitted]:
    """The fits of all hypotheses of a likelihood, or those at ``rows``, to the data at strength 1.

    A total below LEAST_TOTAL of its background, which interference may cause in an empty bin, is raised to it.
    """
    model: Expectations = expectations_of(likelihood, rows, negligible=NEGLIGIBLE_INFORMATION)
    n = len(model.signal)
    start, first = model.padded(null.nuisances), first_inverse(model, null)
    found = fit(model, likelihood.n_obs, null.expected, start, np.ones(n), inverse=first)
    background = expected_background(model, found.nuisances)
    signal = np.maximum(expected_signal(model, found.nuisances), (LEAST_TOTAL - 1) * background)
    return [
        Fitted(
            model.signal[i],
            model.slopes[i],
            model.rotation[i],
            model.background_slopes,
            found.nuisances[i, : model.n_signal],
            found.nuisances[i, model.n_signal :],
            signal[i],
            background[i],
            bool(found.converged[i]),
        )
        for i in range(n)
    ]


@dataclass(frozen=True, eq=False, repr=False)
class ToyStatistic(Quiet):
    """Toys (n,) under one hypothesis."""

    log_weight: FloatArray
    """T: ln of the probability under signal + background over that under the background, (n,)."""
    statistic: FloatArray
    """-q~/2, (n,)."""
    unconverged: IndexArray
    """Toys whose fit at strength 1 was given up."""


def toy_statistic(toys: Toys, hypothesis: Fitted, near: float | None = None) -> ToyStatistic:
    """T and -q~/2 of all toys for one hypothesis.

    With ``near`` only toys that may lie on either side of this -q~/2 are fitted, which takes half the time; the others
    have the value of a parabola in the strength from Fisher's quadratic forms.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        test = _Test(toys, hypothesis)
        if near is None:
            return test.of(np.arange(len(toys)), np.zeros(len(toys)))
        estimate, ratio = test.estimate()
        close = (estimate < near + NEAR_ABOVE) & (ratio > near - NEAR_BELOW)
        uncertain = np.abs(toys.step_gain - toys.gain) > STEP_MISSES
        return test.of(np.nonzero(close | (uncertain & (estimate < near + NEAR_UNCERTAIN)))[0], estimate)


class _Test:
    """One hypothesis prepared for all toys; nuisances are ordered signal, background."""

    def __init__(self, toys: Toys, hypothesis: Fitted) -> None:
        self.toys, self.hypothesis = toys, hypothesis
        h, null, n_bins = hypothesis, toys.null, toys.n_bins
        self.n_signal, n_background = h.slopes.shape[0], len(null.nuisances)
        total = h.expected
        slopes = np.concatenate([h.slopes * h.signal_events, h.background_slopes * h.background_events]) / total
        fisher = (slopes * total) @ slopes.T + np.eye(len(slopes))
        lower = np.linalg.cholesky(fisher)
        whitening = np.linalg.inv(lower)
        #: From data to whitened scores, and from whitened to plain nuisances.
        self.lower, self.back = lower.astype(TOY_TYPE), whitening.astype(TOY_TYPE)
        shift = np.concatenate([h.signal_nuisances, h.background_nuisances - null.nuisances])
        self.shift = shift.astype(TOY_TYPE)
        of_deviations = np.concatenate(
            [
                slopes.T @ whitening.T,
                whitening.T[self.n_signal :],
                h.rotation.T @ whitening.T[: self.n_signal],
            ]
        )
        is_many = np.zeros(n_bins, dtype=bool)
        is_many[toys.many] = True
        along = np.where(is_many, h.signal_events / total, 0.0)
        from_many = np.concatenate([along, np.zeros(len(of_deviations) - n_bins)])
        ratio = density_ratio(null, h.ensemble)
        columns = np.concatenate([of_deviations, ratio.weights[:, None], from_many[:, None]], axis=1)
        products = toys.deviations @ columns.astype(TOY_TYPE)
        difference = null.expected - total
        self.log_weight = products[:, -2].astype(float) + ratio.constant
        #: Part of dlnL/dmu at strength 1 of the bins with many events, and how it changes with z.
        self.rise_many = products[:, -1] + TOY_TYPE(along @ difference)
        self.rise_change = (whitening @ (slopes @ np.where(is_many, h.signal_events, 0.0))).astype(TOY_TYPE)
        offset = (whitening @ (slopes @ difference - shift)).astype(TOY_TYPE)
        self.score = np.ascontiguousarray(products[:, :-2]) + offset
        self.centers = toys.deviations[:, n_bins + n_background :] @ h.rotation.T.astype(TOY_TYPE)
        #: What the signal's constraints gain at strength 0, where its nuisances follow their centres.
        self.half = 0.5 * row_dot(self.centers, self.centers)
        own = np.concatenate([h.signal[None], h.signal * h.slopes]).astype(TOY_TYPE)
        rises = toys.excess_over_expected @ own.T
        self.rise_at_0 = rises[:, 0] + row_dot(self.centers, rises[:, 1:])
        few, k = toys.few, self.n_signal
        varies = np.abs(h.signal_events[few]) > SIGNAL_MIN * np.sqrt(np.maximum(total[few], 1.0))
        #: The bins with few events, those whose signal counts first.
        self.order = np.concatenate([np.nonzero(varies)[0], np.nonzero(~varies)[0]])
        self.bins, self.n_with = few[self.order], int(varies.sum())
        self.signal_without = h.signal_events[self.bins[self.n_with :]].astype(TOY_TYPE)
        with_signal, without = self.bins[: self.n_with], self.bins[self.n_with :]
        of_background = whitening[:, k:] @ h.background_slopes[:, self.bins]
        of_background[:, self.n_with :] = whitening @ slopes[:, without]
        events = np.concatenate([h.background_events[with_signal], total[without]])
        self.few = FewEvents(
            events.astype(TOY_TYPE),
            np.ascontiguousarray(of_background, TOY_TYPE),
            h.signal_events[with_signal].astype(TOY_TYPE),
            np.ascontiguousarray(whitening[:, :k] @ h.slopes[:, with_signal], TOY_TYPE),
        )

    def estimate(self) -> tuple[FloatArray, FloatArray]:
        """-q~/2 and ln L(1)/L(0) of all toys after one Fisher step at either strength, each (n,)."""
        step_gain = 0.5 * row_dot(self.score, self.score)
        ratio = self.log_weight + step_gain - self.toys.step_gain - self.half
        slope = self.rise_at_0.astype(float)
        inside = (slope > 0) & (slope < 2 * (slope - ratio))
        between = np.divide(slope**2, 4 * (slope - ratio), out=np.zeros(len(ratio)), where=inside)
        return np.asarray(ratio - np.maximum(np.maximum(ratio, 0.0), between)), ratio

    def of(self, chosen: IndexArray, statistic: FloatArray) -> ToyStatistic:
        """The result with the statistics of the chosen toys from fits."""
        unconverged = [chosen[:0]]
        for first in range(0, len(chosen), CHUNK):
            rows = chosen[first : first + CHUNK]
            statistic[rows], left = self.some(rows)
            unconverged.append(rows[left > DECREMENT])
        return ToyStatistic(self.log_weight, statistic, np.concatenate(unconverged))

    def some(self, rows: IndexArray) -> tuple[FloatArray, ToyArray]:
        """-q~/2 of some toys, and the decrements of their fits, each (n,)."""
        toys, k = self.toys, self.n_signal
        score, counts = self.score[rows], toys.counts_few[rows][:, self.order]
        start = score + toys.missed[rows] @ self.lower[k:]  # the Fisher step, and what the fit at 0 says it misses
        safe = toys.shift[rows] @ self.lower[k:]
        found = maxima(self.few, start, score, counts, MAX_STEPS, DECREMENT, safe)
        ratio = self.log_weight[rows] + found.gain - toys.gain[rows] - self.half[rows]
        highest = np.maximum(ratio, 0.0)
        rising = np.nonzero(self.rise_at_0[rows] > 0)[0]
        if len(rising):
            rise_at_1 = self._rise_at_1(found.z[rising], counts[rising], self.rise_many[rows[rising]])
            top = rise_at_1 > 0
            at_1 = rising[top]
            highest[at_1] = ratio[at_1]  # the best strength is 1 or above
            inner = rising[~top]
            ends = self.rise_at_0[rows[inner]].astype(float), rise_at_1[~top].astype(float)
            strength = highest_between(ends[0], ratio[inner], ends[1])
            for steps in STRENGTH_STEPS:
                if not len(inner):
                    break
                line = _Line(self, rows[inner], found.z[inner] @ self.back)
                best, strength, gain = line.highest(strength, steps)
                highest[inner] = np.maximum(highest[inner], best)
                open_ = gain > STRENGTH_GAIN
                inner, strength = inner[open_], strength[open_]
        return ratio - highest, found.decrement

    def _rise_at_1(self, z: ToyArray, counts: ToyArray, rise_many: ToyArray) -> ToyArray:
        """dlnL/dmu at the fits at strength 1, (n,)."""
        _, background, signal = self.few.samples(z)
        ratio = counts / self.few.total(background, signal)
        found = row_dot(ratio[:, : self.n_with] - 1, signal)
        found += (ratio[:, self.n_with :] - 1) @ self.signal_without
        return np.asarray(found + rise_many - z @ self.rise_change)

    @cached_property
    def line_slopes(self) -> tuple[ToyArray, ToyArray, ToyArray, ToyArray]:
        """Slopes of background and signal in the bins with few events and in the others."""
        h, toys = self.hypothesis, self.toys
        both = h.background_slopes.astype(TOY_TYPE), h.slopes.astype(TOY_TYPE)
        with_signal = self.bins[: self.n_with]
        return both[0][:, self.bins], both[0][:, toys.many], both[1][:, with_signal], both[1][:, toys.many]


class _Line:
    """ln L(mu)/L(0) of toys (n,) whose nuisances go on a straight line from their fit at strength 0 to that at 1."""

    def __init__(self, test: _Test, rows: IndexArray, step: ToyArray) -> None:
        toys, hypothesis, k = test.toys, test.hypothesis, test.n_signal
        self.test, self.k, self.n_with = test, k, test.n_with
        b_few, b_many, s_few, s_many = test.line_slopes
        centers = test.centers[rows]
        x = step + test.shift  # fit at 1 less fit at 0
        x[:, :k] -= centers
        x[:, k:] -= toys.shift[rows]
        self.x = x
        signal = hypothesis.signal.astype(TOY_TYPE)
        # bins with many events: ln L is quadratic in mu, with d ln(nu)/dmu = rate
        self.own_many, self.excess_many = toys.expected_many[rows], toys.excess_many[rows]
        rate = np.exp(centers @ s_many) * signal[toys.many] / self.own_many + x[:, k:] @ b_many
        self.counts_many, self.rate = self.own_many + self.excess_many, rate
        self.first_many = row_dot(self.excess_many, rate)
        self.second_many = row_dot(self.counts_many * rate, rate)
        # bins with few events
        self.own, self.counts = toys.expected_few[rows][:, test.order], toys.counts_few[rows][:, test.order]
        self.background_rate, self.signal_rate = x[:, k:] @ b_few, x[:, :k] @ s_few
        self.signal = np.exp(centers @ s_few) * signal[test.bins[: test.n_with]]
        self.signal_without = signal[test.bins[test.n_with :]]
        self.least = LEAST_TOTAL * self.own
        # constraints, as pulls at strength 0
        self.pulls = np.zeros_like(x)
        self.pulls[:, k:] = toys.pulls[rows]
        self.first_pull, self.second_pull = row_dot(self.pulls, x), row_dot(x, x)

    def highest(self, start: FloatArray, steps: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Maxima over the strength, with the gain of one step off the line; the strengths of a next Newton step; and
        what it would gain, each (n,).
        """
        mu = start.astype(TOY_TYPE)
        low, high = np.zeros_like(mu), np.ones_like(mu)
        best = np.full(len(mu), -np.inf)
        for turn in range(steps):
            m = mu[:, None]
            background = np.exp(m * self.background_rate)
            background *= self.own
            signal = np.exp(m * self.signal_rate)
            signal *= self.signal
            total = self._total(m, background, signal)
            ratio = self.counts / total
            weight = ratio - 1
            value = self._value(mu, total)
            change = background * self.background_rate  # d(nu)/dmu
            second = row_dot(weight, change * self.background_rate)
            signal_1 = signal * self.signal_rate
            second += 2 * row_dot(weight[:, : self.n_with], signal_1)
            change[:, : self.n_with] += signal + m * signal_1
            change[:, self.n_with :] += self.signal_without
            first = row_dot(weight, change) + self.first_many - mu * self.second_many
            first -= self.first_pull + mu * self.second_pull
            ratio /= total
            change *= change
            second -= row_dot(ratio, change) + self.second_many + self.second_pull
            low, high = np.where(first > 0, mu, low), np.where(first > 0, high, mu)
            falling = second < 0
            room = np.abs(first * np.where(first > 0, high - mu, low - mu))
            gain = np.where(falling, 0.5 * first**2 / np.maximum(-second, 1e-6), np.inf)
            gain = np.minimum(gain, room)
            best = np.maximum(best, value)
            step = np.where(falling, mu - first / np.minimum(second, -1e-6), np.where(first > 0, high, low))
            after = np.where((step > low) & (step < high), step, 0.5 * (low + high)).astype(TOY_TYPE)
            if turn < steps - 1:
                mu = after
        off = self._off_the_line(mu, weight, background, signal)
        found = np.maximum(best, np.maximum(value, off) + np.minimum(gain, STRENGTH_GAIN))
        return np.asarray(found), after.astype(float), np.asarray(gain)

    def _total(self, m: ToyArray, background: ToyArray, signal: ToyArray) -> ToyArray:
        total = background.copy()
        total[:, : self.n_with] += m * signal
        total[:, self.n_with :] += m * self.signal_without
        return np.asarray(np.maximum(total, self.least, out=total))

    def _value(self, mu: ToyArray, total: ToyArray) -> FloatArray:
        few = self._poisson(total)
        many = mu * self.first_many - 0.5 * mu**2 * self.second_many
        return np.asarray(few + many - mu * self.first_pull - 0.5 * mu**2 * self.second_pull, dtype=float)

    def _poisson(self, total: ToyArray) -> ToyArray:
        """ln of the Poisson probabilities over those at strength 0, (n,)."""
        log = total / self.own
        np.log(log, out=log)
        return np.asarray(row_dot(self.counts, log) - (total - self.own).sum(axis=1))

    def _off_the_line(self, mu: ToyArray, weight: ToyArray, background: ToyArray, signal: ToyArray) -> FloatArray:
        """ln L(mu)/L(0) after one Fisher step of the nuisances, in the metric at strength 1, (n,)."""
        b_few, b_many, s_few, _ = self.test.line_slopes
        m, k = mu[:, None], self.k
        pulls = self.pulls + m * self.x
        gradient = np.empty_like(self.x)
        gradient[:, :k] = (m * signal * weight[:, : self.n_with]) @ s_few.T
        gradient[:, k:] = (weight * background) @ b_few.T
        gradient[:, k:] += (self.excess_many - self.own_many * (m * self.rate)) @ b_many.T
        gradient -= pulls
        score = gradient @ self.test.back.T
        score *= np.minimum(1, 2 / np.maximum(np.sqrt(row_dot(score, score)), 1e-6))[:, None]
        step = score @ self.test.back
        total = self._total(m, np.exp(step[:, k:] @ b_few) * background, np.exp(step[:, :k] @ s_few) * signal)
        moved, rate = pulls + step, m * self.rate + step[:, k:] @ b_many
        found = self._poisson(total)
        found += row_dot(self.excess_many, rate) - 0.5 * row_dot(self.counts_many * rate, rate)
        found -= 0.5 * (row_dot(moved, moved) - row_dot(self.pulls, self.pulls))
        return np.asarray(found, dtype=float)
