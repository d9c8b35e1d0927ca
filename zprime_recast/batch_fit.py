r"""Profile fits of many hypotheses at once, on the likelihood the pyhf workspace is made of.

Newton's method on

.. math:: F = \sum_j \left[\nu_j - \nu^0_j - n_j \ln\frac{\nu_j}{\nu^0_j}\right] + \frac12 \sum_k (\alpha_k - c_k)^2,
          \qquad \nu_j = \mu S_j(\alpha) + B_j(\alpha)

a difference of -ln L to that of fixed expectations nu^0, so that small differences keep their digits. A step is halved
until F falls; where the Hessian is not positive on the step, the moduli of its eigenvalues are. A fit ends when the
Newton decrement says how far F is from its minimum; each has a flag that says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .cards import FloatArray
from .interpolation import Factors, factors
from .likelihood import BinnedLikelihood, BoolArray

#: Steps after which a fit has failed.
MAX_STEPS = 80
#: A fit ends where the decrement (twice the distance in F) is below this times sqrt(F), which CLs depends on.
DECREMENT = 3e-5
#: Largest change of a nuisance in one step.
STEP_MAX = 3.0

#: Size of the step that leaves a saddle point.
SADDLE_STEP = 0.5

IndexArray = npt.NDArray[np.intp]


@dataclass(frozen=True)
class FrozenSlopes:
    """Derivatives of ln(background) at the start, good enough for the Hessian: they change in the far tail alone."""

    slopes: FloatArray
    """(n_names, n_bins)."""
    pairs: tuple[IndexArray, IndexArray]
    """Nuisances that share bins."""
    products: FloatArray
    """Product of the slopes of each pair, (n_bins, n_pairs)."""


def _frozen(of: Factors) -> FrozenSlopes | None:
    if of.of_each:
        return None
    _, slopes, _ = of(np.zeros((1, of.slopes.shape[0])))
    slopes = slopes.reshape(of.slopes.shape)
    k, m = np.nonzero((np.abs(slopes) @ np.abs(slopes).T) > 0)
    return FrozenSlopes(slopes, (k, m), np.ascontiguousarray((slopes[k] * slopes[m]).T))


@dataclass(frozen=True)
class BatchModel:
    """Expectations of many hypotheses, ready for fits."""

    signal: FloatArray
    """At mu = 1, (n, n_bins)."""
    background: FloatArray
    """(n_bins,)."""
    signal_factors: Factors
    background_factors: Factors
    signal_index: IndexArray
    """Place of each nuisance of the signal among all."""
    background_index: IndexArray
    n_nuisances: int
    frozen: FrozenSlopes | None = None
    """Of the background; None where it differs between hypotheses."""

    def take(self, i: IndexArray) -> BatchModel:
        """Some of the hypotheses."""
        return BatchModel(
            self.signal[i],
            self.background,
            self.signal_factors.take(i),
            self.background_factors.take(i),
            self.signal_index,
            self.background_index,
            self.n_nuisances,
            self.frozen,
        )


@dataclass(frozen=True)
class BatchFit:
    """Minima of F, one per hypothesis."""

    mu: FloatArray
    nuisances: FloatArray
    """(n, n_nuisances)."""
    excess: FloatArray
    """F at the minimum: -ln L over that of the reference, (n,)."""
    slope: FloatArray
    """dF/dmu there, (n,); 0 where mu floats."""
    converged: BoolArray
    steps: int


def batch_model(likelihood: BinnedLikelihood) -> BatchModel:
    """The expectations of a likelihood."""
    names = likelihood.nuisances
    background = factors(likelihood.background_changes)
    return BatchModel(
        likelihood.signal,
        likelihood.background,
        factors(likelihood.signal_changes),
        background,
        np.array([names.index(name) for name in likelihood.signal_changes.names], dtype=np.intp),
        np.array([names.index(name) for name in likelihood.background_changes.names], dtype=np.intp),
        len(names),
        _frozen(background),
    )


def background_only(model: BatchModel, n: int) -> BatchModel:
    """The model without signal, for ``n`` data sets (as many as hypotheses if the background differs between them)."""
    n_bins = len(model.background)
    none = np.zeros((0, n_bins))
    flat = Factors(none, np.zeros(0, np.intp), np.zeros(0, np.intp), none[:, 0], none[:, 0], np.zeros((6, 0)))
    index = np.zeros(0, dtype=np.intp)
    return replace(model, signal=np.zeros((n, n_bins)), signal_factors=flat, signal_index=index)


def expected_background(model: BatchModel, nuisances: FloatArray) -> FloatArray:
    """Expected events without signal at nuisances (n, n_nuisances), (n, n_bins)."""
    log, _, _ = model.background_factors(nuisances[:, model.background_index])
    return np.asarray(model.background * np.exp(log))


def fit(
    model: BatchModel,
    n_obs: FloatArray,
    reference: FloatArray,
    start: FloatArray,
    mu: FloatArray,
    centers: FloatArray | None = None,
    free_mu: bool = False,
    hopeless: float = np.inf,
    accuracy: float = DECREMENT,
) -> BatchFit:
    """Minimise F for every hypothesis of a model.

    ``n_obs`` counts, ``reference`` expectations nu^0 ((n, n_bins), or one row for all), ``start`` first nuisances and
    ``centers`` of their constraints ((n, n_nuisances) or one row; 0 unless given), ``mu`` (n,): the signal strength,
    or where it starts if ``free_mu``; it stays between 0 and 1 then. A fit also ends, as converged, once F is certain
    to stay above ``hopeless``.
    """
    n = len(model.signal)
    size = model.n_nuisances + free_mu
    shape = (n, model.signal.shape[1])
    counts, nu0 = np.broadcast_to(n_obs, shape), np.broadcast_to(reference, shape)
    x = np.zeros((n, size))
    x[:, : model.n_nuisances] = start
    if free_mu:
        x[:, -1] = mu
    fixed = np.asarray(np.broadcast_to(mu, (n,)), dtype=float)
    c = np.zeros(model.n_nuisances) if centers is None else centers
    c = np.broadcast_to(c, (n, model.n_nuisances))
    best = np.full(n, np.inf)
    slope = np.zeros(n)
    done = np.zeros(n, dtype=bool)
    # of the hypotheses still at work
    at = np.arange(n)
    part, part_counts, part_nu0, part_c, part_mu = model, counts, nu0, c, fixed
    trial, base, step, value = x.copy(), x.copy(), np.zeros((n, size)), np.full(n, np.inf)
    length = np.ones(n)
    steps = 0
    with np.errstate(all="ignore"):
        while len(at) and steps < MAX_STEPS:
            steps += 1
            f, gradient, hessian, along = _derivatives(part, part_counts, part_nu0, trial, part_mu, part_c, free_mu)
            falls = f <= value + 1e-12 + 1e-9 * np.abs(np.where(np.isfinite(value), value, 0.0))
            falls &= np.isfinite(f)
            if steps == 1 and not falls.all():  # a bin below zero: begin where none is
                trial[~falls, : model.n_nuisances] = 0.0
                continue
            base[falls], value[falls], length[falls] = trial[falls], f[falls], 1.0
            new, decrement = (
                _bounded_step(trial[:, -1], gradient, hessian) if free_mu else _newton_step(gradient, hessian)
            )
            step[falls] = new[falls]
            length[~falls] *= 0.3
            sure = falls & (decrement <= accuracy * np.sqrt(np.maximum(f, 1e-10)))
            saddle = _not_minima(np.nonzero(sure)[0], hessian)
            if len(saddle):  # leave along the direction that falls
                step[saddle], sure[saddle] = _downhill(gradient[saddle], hessian[saddle]), False
            sure |= falls & (f - decrement > hopeless) & (decrement < 0.3 * f)
            ended = sure | (length < 1e-9)
            if ended.any():
                i = at[ended]
                x[i], done[i], slope[i] = base[ended], sure[ended], along[ended]
                best[i] = value[ended] - np.where(sure & (decrement < 1e-3), 0.5 * decrement, 0.0)[ended]
                keep = np.nonzero(~ended)[0]
                at = at[keep]
                part, part_counts, part_nu0 = part.take(keep), part_counts[keep], part_nu0[keep]
                part_c, part_mu = part_c[keep], part_mu[keep]
                base, step, value, length = base[keep], step[keep], value[keep], length[keep]
            trial = base + _limited(base, step, length, free_mu)
        x[at], best[at] = base, value
    nuisances = x[:, : model.n_nuisances]
    return BatchFit(x[:, -1].copy() if free_mu else fixed, nuisances, best, slope, done, steps)


def log_determinant(
    model: BatchModel, n_obs: FloatArray, reference: FloatArray, nuisances: FloatArray, mu: FloatArray
) -> FloatArray:
    """ln det of the Hessian of F in the nuisances, (n,), at nuisances (n, n_nuisances) and strengths mu (n,)."""
    shape = model.signal.shape
    counts, nu0 = np.broadcast_to(n_obs, shape), np.broadcast_to(reference, shape)
    _, _, hessian, _ = _derivatives(model, counts, nu0, nuisances, mu, np.zeros_like(nuisances), False)
    sign, log = np.linalg.slogdet(hessian)
    return np.where(sign > 0, log, np.nan)


def _limited(base: FloatArray, step: FloatArray, length: FloatArray, free_mu: bool) -> FloatArray:
    """The step, shortened so that no nuisance runs away and mu stays between 0 and 1."""
    largest = np.abs(step).max(axis=1)
    size = length * np.minimum(1.0, STEP_MAX / np.maximum(largest, 1e-300))
    if free_mu:
        mu, change = base[:, -1], step[:, -1]
        room = np.where(change > 0, 1 - mu, mu) / np.maximum(np.abs(change), 1e-300)
        size = np.minimum(size, 0.95 * room)
    return np.asarray(step * size[:, None])


def _bounded_step(mu: FloatArray, gradient: FloatArray, hessian: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Newton's step and the decrement, without mu where it lies at 0 or 1 and would leave: it is taken out of gradient
    and Hessian there.
    """
    step, decrement = _newton_step(gradient, hessian)
    held = np.nonzero(((mu < 1e-4) & (step[:, -1] < 0)) | ((mu > 1 - 1e-4) & (step[:, -1] > 0)))[0]
    if len(held):
        g, h = gradient[held], hessian[held]
        g[:, -1], h[:, -1, :], h[:, :, -1], h[:, -1, -1] = 0.0, 0.0, 0.0, 1.0
        gradient[held], hessian[held] = g, h
        step[held], decrement[held] = _newton_step(g, h)
    return step, decrement


def _newton_step(gradient: FloatArray, hessian: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Newton's step and the decrement; with the moduli of the Hessian's eigenvalues where the step does not descend."""
    usable = np.asarray(np.isfinite(hessian).all(axis=(1, 2)) & np.isfinite(gradient).all(axis=1))
    safe = np.where(usable[:, None, None], hessian, np.eye(hessian.shape[-1]))
    try:
        step = np.asarray(-np.linalg.solve(safe, gradient[:, :, None])[:, :, 0], dtype=float)
    except np.linalg.LinAlgError:
        step = np.full(gradient.shape, np.nan)
    decrement: FloatArray = -(gradient * step).sum(axis=1)
    bad = usable & ~(decrement >= 0)
    if bad.any():
        values, vectors = np.linalg.eigh(safe[bad])
        along = np.matmul(np.swapaxes(vectors, -1, -2), gradient[bad][:, :, None])
        step[bad] = -np.matmul(vectors, along / np.maximum(np.abs(values), 1e-3)[:, :, None])[:, :, 0]
        decrement[bad] = -(gradient[bad] * step[bad]).sum(axis=1)
    return step, decrement


def _not_minima(i: IndexArray, hessian: FloatArray) -> IndexArray:
    """Those of the points ``i`` whose Hessian is not positive: a step of zero there is no sign of a minimum."""
    try:
        np.linalg.cholesky(hessian[i])
    except np.linalg.LinAlgError:
        return np.asarray(i[np.linalg.eigvalsh(hessian[i])[:, 0] <= 0])
    return i[:0]


def _downhill(gradient: FloatArray, hessian: FloatArray) -> FloatArray:
    """Steps of SADDLE_STEP along the direction of most negative curvature, to the side where F does not rise."""
    direction = np.linalg.eigh(hessian)[1][:, :, 0]
    side = np.where((gradient * direction).sum(axis=1) > 0, -1.0, 1.0)
    return np.asarray(SADDLE_STEP * side[:, None] * direction)


def _derivatives(
    model: BatchModel,
    n_obs: FloatArray,
    reference: FloatArray,
    x: FloatArray,
    mu: FloatArray,
    centers: FloatArray,
    free_mu: bool,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """F, its gradient and Hessian in x, and dF/dmu."""
    alpha = x[:, : model.n_nuisances]
    if free_mu:
        mu = x[:, -1]
    i_s, i_b = model.signal_index, model.background_index
    log_s, slope_s, second_s = model.signal_factors(alpha[:, i_s])
    frozen, factors_b = model.frozen, model.background_factors
    slope_b: FloatArray
    if frozen is None:
        log_b, slope_b, second_b = factors_b(alpha[:, i_b])
    else:
        log_b, first_b, second_b = factors_b.of_pairs(alpha[:, i_b])
        slope_b = frozen.slopes
    unit = model.signal * np.exp(log_s)
    signal, background = mu[:, None] * unit, model.background * np.exp(log_b)
    nu = signal + background
    change = (nu - reference) / reference
    counted = n_obs > 0
    # an empty bin has no logarithm: like pyhf, its expectation may pass through zero
    log = np.log1p(np.where(counted, change, 0.0))
    f = (nu - reference - n_obs * log).sum(axis=1) + 0.5 * ((alpha - centers) ** 2).sum(axis=1)
    f = np.where((counted & (nu <= 0)).any(axis=1), np.inf, f)
    ratio = np.where(counted, n_obs / nu, 0.0)
    w = 1 - ratio
    gradient, hessian = np.zeros(x.shape), np.zeros((*x.shape, x.shape[-1]))
    gradient[:, : model.n_nuisances] = alpha - centers
    diagonal = np.arange(model.n_nuisances)
    hessian[:, diagonal, diagonal] = 1.0
    fisher = ratio / nu
    ws, wb = w * signal, w * background
    along = (w * unit).sum(axis=1)
    if len(i_s):
        gradient[:, i_s] += _project(slope_s, ws)
        scaled = slope_s * (fisher * signal**2 + ws)[:, None, :]
        hessian[:, i_s[:, None], i_s] += np.matmul(scaled, np.swapaxes(slope_s, -1, -2))
        _add_curvature(hessian, model.signal_factors, i_s, ws, second_s)
        cross = slope_s * (fisher * signal * background)[:, None, :]
        mixed = np.matmul(cross, np.swapaxes(slope_b, -1, -2))
        hessian[:, i_s[:, None], i_b] += mixed
        hessian[:, i_b[:, None], i_s] += np.swapaxes(mixed, -1, -2)
    if len(i_b):
        weights = fisher * background**2 + wb
        if frozen is None:
            gradient[:, i_b] += _project(slope_b, wb)
            scaled = slope_b * weights[:, None, :]
            hessian[:, i_b[:, None], i_b] += np.matmul(scaled, np.swapaxes(slope_b, -1, -2))
        else:
            gradient[:, i_b] += wb @ factors_b.slopes.T
            if first_b is not None:
                gradient[:, i_b] += factors_b.curvature(first_b, wb)
            hessian[:, i_b[frozen.pairs[0]], i_b[frozen.pairs[1]]] += weights @ frozen.products
        _add_curvature(hessian, model.background_factors, i_b, wb, second_b)
    if free_mu:
        gradient[:, -1] = along
        hessian[:, -1, -1] += (fisher * unit**2).sum(axis=1)
        edge = np.zeros((len(x), model.n_nuisances))
        if len(i_s):
            edge[:, i_s] += _project(slope_s, unit * (fisher * signal + w))
        if len(i_b):
            edge[:, i_b] += _project(slope_b, fisher * unit * background)
        hessian[:, -1, :-1] += edge
        hessian[:, :-1, -1] += edge
    return f, gradient, hessian, along


def _project(slopes: FloatArray, weights: FloatArray) -> FloatArray:
    """Sum over bins of slope times weight, (n, n_names)."""
    if slopes.ndim == 2:
        return np.asarray(weights @ slopes.T)
    return np.asarray(np.matmul(slopes, weights[:, :, None])[:, :, 0])


def _add_curvature(
    hessian: FloatArray, of: Factors, index: IndexArray, weights: FloatArray, second: FloatArray | None
) -> None:
    if second is not None:
        hessian[:, index, index] += of.curvature(second, weights)
