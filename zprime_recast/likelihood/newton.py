r"""Profile fits of many hypotheses at once, with the likelihood from which the pyhf workspace is made.

Newton's method minimises

.. math:: F = \sum_j \left[\nu_j - \nu^0_j - n_j \ln\frac{\nu_j}{\nu^0_j}\right] + \frac12 \sum_k (\alpha_k - c_k)^2,
          \qquad \nu_j = \mu S_j(\alpha) + B_j(\alpha)

the difference of -ln L from its value at fixed expectations nu^0, so that small differences keep their digits. Two
things make it fast. There are few nuisances (:mod:`zprime_recast.likelihood.expectations`), and Hessians are reused,
from step to step and from one fit to the next with similar counts, as long as the steps made with them converge fast.

A step is shortened until F falls. Where the Hessian does not give a descending step, its eigenvalues are replaced by
their moduli. A fit has converged when the Newton decrement shows that F is close enough to its minimum; each fit has a
flag for this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import BoolArray, FloatArray, IndexArray, Quiet
from .expectations import Expectations, events_of_background, expected_background, expected_signal

#: Number of steps after which a fit has failed.
MAX_STEPS = 120
#: A fit ends when the decrement (twice the distance to the minimum) is below this times sqrt(F), on which CLs depends.
DECREMENT = 1e-5
#: Largest ratio of the decrements after and before a step at which its Hessian is reused.
KEPT_WHILE = 0.05
#: Largest change of a nuisance in one step.
STEP_MAX = 3.0
#: Size of the step that leaves a saddle point.
SADDLE_STEP = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class Fits(Quiet):
    """Minima of F, one per hypothesis."""

    mu: FloatArray
    """Signal strengths, (n,)."""
    nuisances: FloatArray
    """Nuisances at the minimum, (n, n_nuisances)."""
    excess: FloatArray
    """F at the minimum: -ln L over that of the reference, (n,)."""
    slope: FloatArray
    """dF/dmu at the minimum, (n,); 0 where mu floats."""
    converged: BoolArray
    """Whether the fit converged, (n,)."""
    inverse: FloatArray
    """Inverse of a Hessian near the minimum, (n, size, size)."""


@dataclass(eq=False, repr=False)
class _Point(Quiet):
    """F, its gradient and the terms of its Hessian, at one point per hypothesis."""

    f: FloatArray
    """F, (n,)."""
    gradient: FloatArray
    """Gradient in the nuisances, and in mu where it floats, (n, size)."""
    along: FloatArray
    """dF/dmu, (n,)."""
    unit: FloatArray
    """Signal at mu = 1, (n, n_bins); the arrays below have the same shape unless stated otherwise."""
    mu: FloatArray
    """Signal strengths, (n,)."""
    expected_background: FloatArray
    fisher: FloatArray
    """n/nu^2."""
    w: FloatArray
    """1 - n/nu."""
    alpha: FloatArray
    """Nuisances of the background, (n, n_background)."""
    powers: FloatArray
    """Powers of ``alpha``, from :meth:`zprime_recast.likelihood.factors.Factors.powers`."""


def _point(
    model: Expectations,
    n_obs: FloatArray,
    lowest: FloatArray,
    reference: FloatArray,
    x: FloatArray,
    mu: FloatArray,
    centers: FloatArray,
    free_mu: bool,
    known: tuple[FloatArray, FloatArray] | None = None,
) -> _Point:
    """Evaluate F at ``x``; ``known`` are the expected signal at mu = 1 and background there, if known already."""
    k, m, of = model.n_signal, model.n_nuisances, model.background_factors
    alpha = x[:, k:m]
    if free_mu:
        mu = x[:, -1]
    powers = of.powers(alpha)
    unit, background = known or (expected_signal(model, x), events_of_background(model, alpha, powers))
    nu = mu[:, None] * unit
    nu += background
    term = np.maximum(nu, lowest)  # nu - nu^0 - n ln(nu/nu^0), in one array
    term /= reference
    np.log(term, out=term)
    term *= n_obs
    np.subtract(nu, term, out=term)
    term -= reference
    pull = x[:, :m] - centers
    f = term.sum(axis=1) + 0.5 * (pull**2).sum(axis=1)
    ratio = n_obs / nu
    w = 1 - ratio
    gradient = np.empty(x.shape)
    weighted = w * unit
    along = weighted.sum(axis=1)
    gradient[:, :m] = pull
    if k:
        gradient[:, :k] += mu[:, None] * np.matmul(model.slopes, weighted[:, :, None])[:, :, 0]
    gradient[:, k:m] += of.first(alpha, powers, w * background)
    if free_mu:
        gradient[:, -1] = along
    return _Point(f, gradient, along, unit, mu, background, ratio / nu, w, alpha, powers)


def _hessian(model: Expectations, p: _Point, i: IndexArray, free_mu: bool) -> FloatArray:
    """Hessian of F at the points with indices ``i``, (n, size, size)."""
    k, m = model.n_signal, model.n_nuisances
    every = len(i) == len(p.f)
    arrays = (model.slopes, p.unit, p.expected_background, p.fisher, p.w, p.alpha, p.powers)
    slopes, unit, background, fisher, w, alpha, powers = (a if every else a[i] for a in arrays)
    signal = (p.mu if every else p.mu[i])[:, None] * unit
    hessian = np.zeros((len(i), m + free_mu, m + free_mu))
    diagonal = np.arange(m)
    hessian[:, diagonal, diagonal] = 1.0
    if k:
        scaled = slopes * (fisher * signal**2 + w * signal)[:, None, :]
        hessian[:, :k, :k] += np.matmul(scaled, np.swapaxes(slopes, -1, -2))
        np.multiply(slopes, (fisher * signal * background)[:, None, :], out=scaled)
        mixed = (scaled.reshape(-1, scaled.shape[-1]) @ model.background_slopes.T).reshape(len(i), k, m - k)
        hessian[:, :k, k:m] = mixed
        hessian[:, k:m, :k] = np.swapaxes(mixed, -1, -2)
    weighted = w * background
    curvature = fisher * background**2 + weighted
    if len(i) == 1:  # the products of all pairs do not fit into the cache of a processor
        hessian[0, k:m, k:m] += (model.background_slopes * curvature) @ model.background_slopes.T
    else:
        rows, columns = model.pairs
        hessian[:, k + rows, k + columns] += curvature @ model.products
    hessian[:, diagonal[k:], diagonal[k:]] += model.background_factors.second(alpha, powers, weighted)
    if free_mu:
        hessian[:, -1, -1] = (fisher * unit**2).sum(axis=1)
        edge = _edge(model, slopes, unit, background, fisher, w, signal)
        hessian[:, -1, :m] = hessian[:, :m, -1] = edge
    return hessian


def _edge(
    model: Expectations,
    slopes: FloatArray,
    unit: FloatArray,
    background: FloatArray,
    fisher: FloatArray,
    w: FloatArray,
    signal: FloatArray,
) -> FloatArray:
    """Mixed second derivatives of F in mu and the nuisances, (n, n_nuisances)."""
    of_signal = np.matmul(slopes, (unit * (fisher * signal + w))[:, :, None])[:, :, 0]
    return np.concatenate([of_signal, (fisher * unit * background) @ model.background_slopes.T], axis=1)


def _bordered(model: Expectations, n_obs: FloatArray, x: FloatArray, inverse: FloatArray) -> FloatArray:
    """Inverse Hessians in nuisances and mu at ``x``, from those in the nuisances alone; 0 where not positive."""
    mu, unit, background = x[:, -1:], expected_signal(model, x), expected_background(model, x)
    with np.errstate(all="ignore"):
        nu = mu * unit + background
        fisher, w = n_obs / nu**2, 1 - n_obs / nu
        edge = _edge(model, model.slopes, unit, background, fisher, w, mu * unit)
        across = np.matmul(inverse, edge[:, :, None])[:, :, 0]
        rest = 1 / ((fisher * unit**2).sum(axis=1) - (edge * across).sum(axis=1))
        full = np.zeros((len(x), x.shape[1], x.shape[1]))
        full[:, -1, -1], full[:, -1, :-1] = rest, -rest[:, None] * across
        full[:, :-1, -1] = full[:, -1, :-1]
        full[:, :-1, :-1] = inverse + across[:, :, None] * (rest[:, None] * across)[:, None, :]
    full[~(rest > 0) | ~np.isfinite(rest)] = 0.0
    return full


def fit(
    model: Expectations,
    n_obs: FloatArray,
    reference: FloatArray,
    start: FloatArray,
    mu: FloatArray,
    centers: FloatArray | None = None,
    free_mu: bool = False,
    hopeless: float = np.inf,
    accuracy: FloatArray | float = DECREMENT,
    inverse: FloatArray | None = None,
) -> Fits:
    """Minimise F for every hypothesis of a model.

    Arguments:
        model: expectations of the hypotheses.
        n_obs: counts, (n, n_bins) or one row for all.
        reference: expectations nu^0, (n, n_bins) or one row for all.
        start: initial nuisances, (n, n_nuisances) or one row for all.
        mu: signal strengths, (n,); with ``free_mu`` their initial values.
        centers: centres of the constraints of the nuisances, (n, n_nuisances) or one row for all; 0 by default.
        free_mu: whether mu floats, between 0 and 1.
        hopeless: a fit also ends, as converged, once F is certain to stay above this.
        accuracy: bound of the decrement over sqrt(F) at which a fit ends, for all or (n,).
        inverse: initial inverse Hessians from a fit to similar counts at fixed mu, (n, n_nuisances, n_nuisances); 0 for
            hypotheses without one.
    """
    n = len(model.signal)
    m = model.n_nuisances
    size = m + free_mu
    shape = model.signal.shape
    counts, lowest, nu0 = (np.broadcast_to(a, shape) for a in (n_obs, _lowest(n_obs), reference))
    x = np.zeros((n, size))
    x[:, :m] = start
    if free_mu:
        x[:, -1] = mu
    fixed = np.asarray(np.broadcast_to(mu, (n,)), dtype=float)
    c = np.broadcast_to(np.zeros(m) if centers is None else centers, (n, m))
    needed = np.asarray(np.broadcast_to(accuracy, (n,)), dtype=float)
    best, slope, done = np.full(n, np.inf), np.zeros(n), np.zeros(n, dtype=bool)
    # arrays of the hypotheses that are not finished
    at = np.arange(n)
    part, part_counts, part_lowest, part_nu0, part_c, part_mu = model, counts, lowest, nu0, c, fixed
    trial, base, step, value = x.copy(), x.copy(), np.zeros((n, size)), np.full(n, np.inf)
    highest = value
    inverses = np.zeros((n, size, size))
    if inverse is not None:
        inverses = _bordered(model, counts, x, inverse) if free_mu else inverse
    length, left = np.ones(n), np.where(inverses[:, -1, -1] > 0, np.inf, 0.0)
    inverse, inverses = inverses, inverses.copy()
    hessian, unchecked = np.empty((n, size, size)), np.zeros(n, dtype=bool)
    steps = 0
    with np.errstate(all="ignore"):
        while len(at) and steps < MAX_STEPS:
            steps += 1
            p = _point(part, part_counts, part_lowest, part_nu0, trial, part_mu, part_c, free_mu)
            falls = (p.f <= highest) & np.isfinite(p.f)
            if steps == 1 and not falls.all():  # a bin is below zero: start at 0, where none is
                trial[~falls, :m] = 0.0
                continue
            new = -np.matmul(inverse, p.gradient[:, :, None])[:, :, 0]
            decrement = -(p.gradient * new).sum(axis=1)
            # compute a new Hessian where the last one no longer gives fast steps
            fresh = falls & ~((decrement >= 0) & (decrement < KEPT_WHILE * left))
            i = np.nonzero(fresh)[0]
            if len(i):
                made = _hessian(part, p, i, free_mu)
                new[i], decrement[i], inverse[i], held = _newton_step(
                    p.gradient[i], made, trial[i, -1] if free_mu else None
                )
                hessian[i], unchecked[i] = made, True
            if falls.all():
                base, value, left, step = trial, p.f, decrement.copy(), new
                length[:] = 1.0
            else:
                base[falls], value[falls], length[falls] = trial[falls], p.f[falls], 1.0
                left[falls], step[falls] = decrement[falls], new[falls]
                length[~falls] *= 0.3
                left[~falls] = 0.0  # compute a new Hessian after a step that had to be shortened
            highest = value + 1e-10 + 1e-9 * np.abs(value)
            if len(i):
                left[i[held]] = 0.0
            sure = falls & (decrement <= needed * np.sqrt(np.maximum(p.f, 1e-10)))
            saddle = _not_minima(np.nonzero(sure & unchecked)[0], hessian) if sure.any() else at[:0]
            if len(saddle):  # leave the saddle point along the direction in which F falls
                step[saddle], sure[saddle] = _downhill(p.gradient[saddle], hessian[saddle]), False
                left[saddle] = 0.0
            lost = falls & (p.f - decrement > hopeless) & (decrement < 0.3 * p.f)
            ended = sure | lost | (length < 1e-9)
            if ended.any():
                i = at[ended]
                x[i], slope[i], done[i] = base[ended], p.along[ended], (sure | lost)[ended]
                best[i], inverses[i] = value[ended] - np.where(sure, 0.5 * decrement, 0.0)[ended], inverse[ended]
                near = i[sure[ended]]
                x[near] += step[sure]
                keep = np.nonzero(~ended)[0]
                at = at[keep]
                part, part_nu0, part_c, part_mu = part.take(keep), part_nu0[keep], part_c[keep], part_mu[keep]
                part_counts, part_lowest = part_counts[keep], part_lowest[keep]
                base, step, value, length, left = (a[keep] for a in (base, step, value, length, left))
                highest, needed = highest[keep], needed[keep]
                inverse, hessian, unchecked = inverse[keep], hessian[keep], unchecked[keep]
            trial = base + _limited(base, step, length, free_mu)
        x[at], best[at], inverses[at] = base, value, inverse
    return Fits(x[:, -1].copy() if free_mu else fixed, x[:, :m], best, slope, done, inverses)


def fit_regular(
    model: Expectations,
    n_obs: FloatArray,
    reference: FloatArray,
    start: FloatArray,
    mu: FloatArray,
    inverse: FloatArray,
    accuracy: float = DECREMENT,
) -> tuple[FloatArray, FloatArray] | None:
    """Minimise F for one hypothesis at fixed mu, without the bookkeeping of :func:`fit` that would dominate the time.

    Returns ``excess`` and ``slope`` of :class:`Fits`, each (1,), or None unless all full steps lead downhill and all
    Hessians are positive.

    Arguments:
        model: expectations of the hypothesis.
        n_obs: counts, (n_bins,).
        reference: expected background at ``start``, (n_bins,).
        start: initial nuisances, (n_nuisances,); those of the signal are 0.
        mu: signal strength, (1,).
        inverse: inverse Hessian of the background fit, (n_background, n_background).
        accuracy: bound of the decrement over sqrt(F) at which the fit ends.
    """
    x, lowest, centers = start[None], _lowest(n_obs), np.zeros(model.n_nuisances)
    highest, left, one = np.inf, np.inf, np.arange(1)
    hessian: FloatArray | None = None
    with np.errstate(all="ignore"):
        known = model.signal, reference[None]
        p = _point(model, n_obs, lowest, reference, x, mu, centers, False, known)
        inverse = _with_signal(model, p, inverse)
        for _ in range(MAX_STEPS):
            f, gradient = float(p.f[0]), p.gradient[0]
            if not f <= highest:
                return None
            step = inverse @ gradient
            decrement = float(gradient @ step)
            if not 0 <= decrement < KEPT_WHILE * left:
                hessian = _hessian(model, p, one, False)
                inverse = _inverse(hessian[0])
                step = inverse @ gradient
                decrement = float(gradient @ step)
            sure = decrement <= accuracy * max(f, 1e-10) ** 0.5
            if sure:
                if not decrement >= 0 or (hessian is not None and len(_not_minima(one, hessian))):
                    return None
                return p.f - 0.5 * decrement, p.along
            if not np.abs(step).max() <= STEP_MAX:
                return None
            x, left, highest = x - step, decrement, f + 1e-10 + 1e-9 * abs(f)
            p = _point(model, n_obs, lowest, reference, x, mu, centers, False)
    return None


def _with_signal(model: Expectations, p: _Point, of_background: FloatArray) -> FloatArray:
    """Inverse Hessian at one point, from that of the background, which a signal hardly changes; NaN if singular."""
    k, slopes, signal = model.n_signal, model.slopes[0], p.mu * p.unit[0]
    own = (slopes * (p.fisher * signal**2 + p.w * signal)) @ slopes.T
    mixed = (slopes * (p.fisher * signal * p.expected_background)) @ model.background_slopes.T
    across = mixed @ of_background
    full = np.empty((model.n_nuisances, model.n_nuisances))
    full[:k, :k] = _inverse(own + np.eye(k) - across @ mixed.T)
    full[:k, k:] = -full[:k, :k] @ across
    full[k:, :k] = full[:k, k:].T
    full[k:, k:] = of_background - across.T @ full[:k, k:]
    return full


def _inverse(matrix: FloatArray) -> FloatArray:
    try:
        return np.asarray(np.linalg.inv(matrix), dtype=float)
    except np.linalg.LinAlgError:
        return np.full(matrix.shape, np.nan)


def log_determinant(
    model: Expectations, n_obs: FloatArray, reference: FloatArray, nuisances: FloatArray, mu: FloatArray
) -> FloatArray:
    """Logarithm of the determinant of the Hessian of F in the nuisances, (n,); NaN where it is not positive.

    Arguments:
        model: expectations of the hypotheses.
        n_obs: counts, (n, n_bins) or one row for all.
        reference: expectations nu^0, (n, n_bins) or one row for all.
        nuisances: point at which the Hessian is taken, (n, n_nuisances).
        mu: signal strengths, (n,).
    """
    p = _point(model, n_obs, _lowest(n_obs), reference, nuisances, mu, np.zeros_like(nuisances), False)
    sign, log = np.linalg.slogdet(_hessian(model, p, np.arange(len(mu)), False))
    return np.where(sign > 0, log, np.nan)


def _lowest(n_obs: FloatArray) -> FloatArray:
    """Lower bounds of the expectations inside the logarithm.

    In a bin with counts the bound is 0, where F is infinite. An empty bin has no logarithmic term, so its expectation
    may pass through zero, as in pyhf.
    """
    return np.where(n_obs > 0, 0.0, 1e-300)


def _limited(base: FloatArray, step: FloatArray, length: FloatArray, free_mu: bool) -> FloatArray:
    """The steps, shortened so that no nuisance runs away and mu stays between 0 and 1."""
    largest = np.abs(step).max(axis=1, initial=0.0)
    size = length * np.minimum(1.0, STEP_MAX / np.maximum(largest, 1e-300))
    if free_mu:
        mu, change = base[:, -1], step[:, -1]
        room = np.where(change > 0, 1 - mu, mu) / np.maximum(np.abs(change), 1e-300)
        size = np.minimum(size, 0.95 * room)
    return np.asarray(step * size[:, None])


def _newton_step(
    gradient: FloatArray, hessian: FloatArray, mu: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray, BoolArray]:
    """Newton steps, decrements, inverse Hessians, and whether mu is held, so that the Hessian must not be reused.

    Where a step would not descend, the eigenvalues of the Hessian are replaced by their moduli. ``mu`` is the strength
    where it floats; where it is at 0 or 1 and would leave, it is held and removed from gradient and Hessian.
    """
    step, decrement, inverse = _descent(gradient, hessian)
    held = np.zeros(len(step), dtype=bool)
    if mu is not None:
        held = ((mu < 1e-4) & (step[:, -1] < 0)) | ((mu > 1 - 1e-4) & (step[:, -1] > 0))
        if held.any():
            g, h = gradient[held], hessian[held]
            g[:, -1], h[:, -1, :], h[:, :, -1], h[:, -1, -1] = 0.0, 0.0, 0.0, 1.0
            gradient[held], hessian[held] = g, h
            step[held], decrement[held], inverse[held] = _descent(g, h)
    return step, decrement, inverse, held


def _descent(gradient: FloatArray, hessian: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    usable = np.asarray(np.isfinite(hessian).all(axis=(1, 2)) & np.isfinite(gradient).all(axis=1))
    safe = hessian if usable.all() else np.where(usable[:, None, None], hessian, np.eye(hessian.shape[-1]))
    try:
        inverse = np.asarray(np.linalg.inv(safe), dtype=float)
    except np.linalg.LinAlgError:
        inverse = np.full(hessian.shape, np.nan)
    step = -np.matmul(inverse, gradient[:, :, None])[:, :, 0]
    decrement: FloatArray = -(gradient * step).sum(axis=1)
    bad = usable & ~(decrement >= 0)
    if bad.any():
        values, vectors = np.linalg.eigh(safe[bad])
        scaled = vectors / np.maximum(np.abs(values), 1e-3)[:, None, :]
        inverse[bad] = np.matmul(scaled, np.swapaxes(vectors, -1, -2))
        step[bad] = -np.matmul(inverse[bad], gradient[bad][:, :, None])[:, :, 0]
        decrement[bad] = -(gradient[bad] * step[bad]).sum(axis=1)
    return step, decrement, inverse


def _not_minima(i: IndexArray, hessian: FloatArray) -> IndexArray:
    """The points of ``i`` whose Hessian is not positive: a step of zero there does not indicate a minimum."""
    if not len(i):
        return i
    try:
        np.linalg.cholesky(hessian[i])
    except np.linalg.LinAlgError:
        return np.asarray(i[np.linalg.eigvalsh(hessian[i])[:, 0] <= 0])
    return i[:0]


def _downhill(gradient: FloatArray, hessian: FloatArray) -> FloatArray:
    """Steps of size SADDLE_STEP in the direction of the most negative curvature, to the side where F does not rise."""
    direction = np.linalg.eigh(hessian)[1][:, :, 0]
    side = np.where((gradient * direction).sum(axis=1) > 0, -1.0, 1.0)
    return np.asarray(SADDLE_STEP * side[:, None] * direction)
