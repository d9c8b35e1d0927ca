"""What holds of every likelihood: bounds and order of CLs, what a nuisance may do, and what the order of things may not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhf_judge import Judge
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm
from toy_search import changes, counting, with_bins

from zprime_recast.likelihood.binned import LogChanges
from zprime_recast.likelihood.cls import asymptotic_cls, cls_of
from zprime_recast.likelihood.workspace import workspace_of

few = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def results_of(likelihood):
    """CLs observed (n,) and expected (n, 5), and the statistics on the data and on the Asimov data."""
    found = asymptotic_cls(likelihood)
    assert found.faults == ()
    assert not found.recomputed.any()
    return found.cls_observed, found.cls_expected, found.q_observed, found.q_asimov


@st.composite
def likelihoods(draw, n_hypotheses=3, at_background=False, max_bins=5):
    """Up to five bins of 0.5 to 2000 events, signals of up to four standard deviations of the counts, deficits of up to
    30 % of the background, one to three nuisances of the background and up to two of the signal.
    """
    n = draw(st.integers(1, max_bins))
    background = np.array(draw(st.lists(st.floats(0.5, 2000.0), min_size=n, max_size=n)))
    pulls = np.array(draw(st.lists(st.floats(-2.0, 2.0), min_size=n, max_size=n)))
    counts = background if at_background else np.maximum(np.rint(background + pulls * np.sqrt(background)), 0.0)
    size = np.array(draw(st.lists(st.floats(-1.0, 4.0), min_size=n * n_hypotheses, max_size=n * n_hypotheses)))
    signal = np.maximum(size.reshape(n_hypotheses, n) * np.sqrt(background + 1), -0.3 * background)
    signal[:, 0] = np.abs(signal[:, 0]) + 0.1  # each has an effect
    k, m = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    of_background = draw(st.lists(st.floats(-0.4, 0.4), min_size=n * k, max_size=n * k))
    of_signal = draw(st.lists(st.floats(-0.3, 0.3), min_size=n * m, max_size=n * m))
    return counting(counts, background, signal, of_background, of_signal)


# --------------------------------------------------------------------------------------------------------------------
# From the statistics to CLs


@few
@given(st.lists(st.floats(0.0, 500.0), min_size=1, max_size=6), st.floats(1e-6, 400.0))
def test_cls_lies_between_0_and_1_and_falls_with_q(q, q_asimov):
    q = np.sort(np.array(q))
    observed, expected = cls_of(q, np.full(len(q), q_asimov))
    assert ((observed >= 0) & (observed <= 1)).all()
    assert ((expected >= 0) & (expected <= 1)).all()
    assert (np.diff(observed) <= 1e-15).all()
    assert (np.diff(expected, axis=1) >= 0).all()
    # stronger searches exclude more, at every quantile
    _, stronger = cls_of(q, np.full(len(q), 1.5 * q_asimov))
    assert (stronger <= expected).all()


@few
@given(st.floats(1e-3, 60.0), st.floats(0.0, 60.0))
def test_cls_is_that_of_the_asymptotic_formulas(q_asimov, q):
    """CLs = p(s+b)/(1 - p(b)) of Gaussian distributions of sqrt(q~): arXiv:1007.1727, eqs. (65) and (66), written with
    the best strength in units of its standard deviation 1/sqrt(q_A). Expected: (1 - Phi(sqrt(q_A) - N))/Phi(N).

    Killed here: the two branches of q~ exchanged, a factor of 2 in either, the band in reverse.
    """
    (observed,), (expected,) = cls_of(np.array([q]), np.array([q_asimov]))
    width = np.sqrt(q_asimov)
    # q below q_A: the best strength is 1 - sqrt(q/q_A) > 0; beyond, q = (1 - 2 best) q_A with best < 0
    best = 1 - np.sqrt(q / q_asimov) if q <= q_asimov else 0.5 * (1 - q / q_asimov)
    p_signal, p_null = norm.cdf((best - 1) * width), norm.cdf(best * width)
    if p_null > 1e-200:
        assert observed == pytest.approx(p_signal / p_null, rel=1e-9)
    for found, n in zip(expected, (-2, -1, 0, 1, 2), strict=True):
        assert found == pytest.approx(norm.sf(width - n) / norm.cdf(n), rel=1e-9)


@few
@given(st.floats(0.01, 100.0))
def test_the_background_itself_observes_the_median(q_asimov):
    """q = q_A: the data are the median, and CLs is continuous there."""
    q = q_asimov * np.array([1 - 1e-9, 1.0, 1 + 1e-9])
    observed, expected = cls_of(q, np.full(3, q_asimov))
    np.testing.assert_allclose(observed, expected[:, 2], rtol=1e-6)


def test_a_search_without_sensitivity_excludes_nothing():
    observed, expected = cls_of(np.array([0.0, 5.0]), np.zeros(2))
    assert observed.tolist() == [1.0, 1.0]
    assert (expected == 1.0).all()


# --------------------------------------------------------------------------------------------------------------------
# Of a counting experiment by hand


@few
@given(st.floats(1.0, 1000.0), st.floats(-2.5, 2.5), st.floats(0.2, 4.0))
def test_one_bin_without_uncertainties(background, pull, size):
    """q~ of n counts: 2 [S + B - best - n ln((S + B)/best)], the best expectation n held between B and S + B; q_A the
    same of n = B. 1e-6.

    Killed here: q doubled or halved, q > 0 for an excess above the signal, a best strength below 0.
    """
    counts, signal = np.rint(max(background + pull * np.sqrt(background), 0.0)), size * np.sqrt(background)
    likelihood = counting([counts], [background], [[signal]], [[0.0]], [[0.0]])
    _, _, q, q_asimov = results_of(likelihood)
    total = background + signal

    def by_hand(n):
        best = np.clip(n, background, total)
        return 2 * (total - best - (n * np.log(total / best) if n > 0 else 0.0))

    assert q[0] == pytest.approx(by_hand(counts), rel=1e-6, abs=1e-7)
    assert q_asimov[0] == pytest.approx(by_hand(background), rel=1e-6)


@few
@given(st.floats(20.0, 2000.0), st.floats(0.01, 0.3), st.floats(0.5, 2.5))
def test_one_bin_with_an_uncertain_background(background, uncertainty, size):
    """B exp(a u) with a unit-Gaussian a: the Asimov fit at S in one dimension, by scipy, 1e-6. A change of the background
    of up to 30 % is an exponential to 1e-8.
    """
    signal = size * np.sqrt(background + (uncertainty * background) ** 2)
    likelihood = counting([background], [background], [[signal]], [[uncertainty]], [[0.0]])
    _, _, _, q_asimov = results_of(likelihood)

    def slope(a):
        moved = background * np.exp(uncertainty * a)
        return uncertainty * moved * (1 - background / (signal + moved)) + a

    a = brentq(slope, -60.0, 0.0, xtol=1e-13)
    nu = signal + background * np.exp(uncertainty * a)
    expected = 2 * (nu - background - background * np.log(nu / background)) + a**2
    assert q_asimov[0] == pytest.approx(expected, rel=1e-5, abs=1e-8)


@few
@given(st.floats(20.0, 2000.0), st.floats(0.01, 0.3), st.floats(0.5, 4.0))
def test_one_bin_with_an_uncertain_signal(background, uncertainty, size):
    """S exp(a u) on a known background: the same in one dimension."""
    signal = size * np.sqrt(background)
    likelihood = counting([background], [background], [[signal]], [[0.0]], [[uncertainty]])
    _, _, _, q_asimov = results_of(likelihood)

    def slope(a):
        moved = signal * np.exp(uncertainty * a)
        return uncertainty * moved * (1 - background / (background + moved)) + a

    a = brentq(slope, -60.0, 0.0, xtol=1e-13)
    nu = background + signal * np.exp(uncertainty * a)
    expected = 2 * (nu - background - background * np.log(nu / background)) + a**2
    assert q_asimov[0] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("counts", [9000.0, 10000.0, 12000.0])
def test_a_strong_signal_on_an_uncertain_background(counts):
    """S = 5000 on B = 10,000 to 30 %: with a fixed background the statistic is 2 (5000 - 10,000 ln 1.5) = 1891, so weaker
    signals are tried first; with its uncertainty it is about (ln 2/0.3)^2 = 5.3, barely excluded. By scipy, in one
    dimension at every strength.

    Killed here: the result of the weaker signal, given for that of the full one.
    """
    background, signal, u = 10000.0, 5000.0, 0.3
    likelihood = counting([counts], [background], [[signal], [0.1 * signal]], [[u]], [[0.0]])
    observed, _, q, q_asimov = results_of(likelihood)

    def profiled(n, mu, center):
        def f(a):
            nu = mu * signal + background * np.exp(u * a)
            return 2 * (nu - n * np.log(nu)) + (a - center) ** 2

        return minimize_scalar(f, bounds=(-8, 8), method="bounded", options={"xatol": 1e-11})

    null = profiled(counts, 0.0, 0.0)
    fitted = background * np.exp(u * null.x)
    by_hand = profiled(fitted, 1.0, null.x).fun - profiled(fitted, 0.0, null.x).fun
    assert q_asimov[0] == pytest.approx(by_hand, rel=1e-5)
    free = minimize_scalar(lambda mu: profiled(counts, mu, 0.0).fun, bounds=(0, 1), method="bounded")
    assert q[0] == pytest.approx(profiled(counts, 1.0, 0.0).fun - min(free.fun, null.fun), rel=1e-4)
    assert 2 < q_asimov[0] < 20
    (of_statistics,), _ = cls_of(q[:1], q_asimov[:1])
    assert observed[0] == of_statistics > 1e-6


@settings(few, max_examples=12)
@given(likelihoods(n_hypotheses=1, max_bins=3))
def test_cls_is_pyhfs(likelihood):
    """Random searches against pyhf's expectations and constraints, minimised by scipy: 1e-6 and 1e-5."""
    observed, expected, _, _ = results_of(likelihood)
    judged, judged_expected = Judge(workspace_of(likelihood)).cls()
    assert observed[0] == pytest.approx(judged, abs=2e-6)
    np.testing.assert_allclose(expected[0], judged_expected, atol=1e-5)


# --------------------------------------------------------------------------------------------------------------------
# What holds of all


@few
@given(likelihoods())
def test_results_are_probabilities_in_order(likelihood):
    observed, expected, q, q_asimov = results_of(likelihood)
    assert ((observed >= 0) & (observed <= 1)).all()
    assert ((expected >= 0) & (expected <= 1)).all()
    assert (np.diff(expected, axis=1) >= 0).all()
    assert (q >= 0).all()
    assert (q_asimov >= 0).all()


@few
@given(likelihoods(n_hypotheses=1))
def test_a_stronger_signal_is_excluded_more(likelihood):
    """Expected CLs falls along mu = 0.25, 0.5, 1 of a positive signal."""
    signal = np.abs(likelihood.signal) * np.array([[0.25], [0.5], [1.0]])
    _, expected, _, q_asimov = results_of(replace(likelihood, signal=signal))
    assert (np.diff(q_asimov) >= -1e-7).all()
    assert (np.diff(expected, axis=0) <= 1e-7).all()


def with_nuisance(likelihood, of_signal, row):
    """One nuisance more, of the signal or of the background."""
    own = likelihood.signal_changes if of_signal else likelihood.background_changes
    more = changes("more", [row])
    longer = LogChanges(
        own.names + more.names, np.concatenate([own.change, more.change]), np.concatenate([own.acts, more.acts])
    )
    return replace(likelihood, **{"signal_changes" if of_signal else "background_changes": longer})


@few
@given(likelihoods(at_background=True), st.booleans(), st.lists(st.floats(-0.4, 0.4), min_size=5, max_size=5))
def test_a_nuisance_never_strengthens_the_expected_limit(likelihood, of_signal, row):
    """On background-only data the median CLs with one nuisance more is not below that without it, nor any quantile.

    Killed here: a constraint of the wrong sign, or of the width of 1/2 per unit when it is added.
    """
    more = with_nuisance(likelihood, of_signal, row[: len(likelihood.background)])
    (_, without, _, q_without), (_, with_it, _, q_with) = results_of(likelihood), results_of(more)
    assert (with_it >= without - 1e-6).all()
    assert (q_with <= q_without * (1 + 1e-5) + 1e-6).all()


@few
@given(likelihoods(), st.randoms(use_true_random=False))
def test_order_changes_nothing(likelihood, random):
    """Bins, hypotheses and nuisances in another order: 1e-9."""
    observed, expected, q, q_asimov = results_of(likelihood)
    order = random.sample(range(len(likelihood.background)), len(likelihood.background))
    for a, b in zip(results_of(with_bins(likelihood, order)), (observed, expected, q, q_asimov), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    order = random.sample(range(len(observed)), len(observed))
    shuffled = replace(likelihood, signal=likelihood.signal[order])
    for a, b in zip(results_of(shuffled), (observed, expected, q, q_asimov), strict=True):
        np.testing.assert_allclose(a, b[order], rtol=1e-9, atol=1e-9)
    own = likelihood.background_changes
    reverse = LogChanges(own.names[::-1], own.change[::-1].copy(), own.acts[::-1].copy())
    for a, b in zip(
        results_of(replace(likelihood, background_changes=reverse)), (observed, expected, q, q_asimov), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@few
@given(likelihoods())
def test_company_changes_nothing(likelihood):
    """A hypothesis alone, twice, or among others: 1e-9."""
    together = results_of(likelihood)
    for i in range(len(likelihood.signal)):
        alone = results_of(replace(likelihood, signal=likelihood.signal[[i, i]]))
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(a, np.stack([b[i], b[i]]), rtol=1e-9, atol=1e-9)


@few
@given(likelihoods(), st.floats(0.05, 0.95), st.floats(0.0, 1.0))
def test_a_bin_cut_in_two_of_the_same_purity_says_no_more(likelihood, share, counted):
    """Signal and background of the first bin shared alike between two, its counts in any way: Poisson's factor of the
    shares does not depend on the hypothesis. 1e-6.
    """
    cut = np.array([0, *range(len(likelihood.background))])
    scale = np.ones(len(cut))
    scale[:2] = share, 1 - share
    finer = with_bins(likelihood, cut)
    n_obs = finer.n_obs.copy()
    n_obs[0] = np.rint(counted * n_obs[1])
    n_obs[1] -= n_obs[0]
    finer = replace(finer, n_obs=n_obs, background=finer.background * scale, signal=finer.signal * scale)
    finer = replace(finer, bin_names=tuple(f"bin_{j}" for j in range(len(cut))))
    for a, b in zip(results_of(finer), results_of(likelihood), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
