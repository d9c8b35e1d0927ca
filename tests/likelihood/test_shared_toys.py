"""Toys that all hypotheses share: their weights, statistics and CLs against sums of Poisson probabilities and against
one-by-one fits of the same toys.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, poisson
from toy_search import counting

from zprime_recast.likelihood.background_fit import fit_background
from zprime_recast.likelihood.cls import asymptotic_cls
from zprime_recast.likelihood.expectations import expectations_of
from zprime_recast.likelihood.shared_cls import shared_cls
from zprime_recast.likelihood.toy_ensemble import between, density_ratio, draw_toys
from zprime_recast.likelihood.toy_statistic import fitted, toy_statistic
from zprime_recast.likelihood.toys import statistics
from zprime_recast.likelihood.weighted_cls import weighted_cls


def shared(likelihood, number=20_000, shares=((None, 0.5), (0.5, 0.3), (-0.5, 0.2)), seed=1, few_below=300.0):
    """Toys of the background and of ensembles on the way to the first hypothesis, and what is needed to use them."""
    null = fit_background(likelihood)
    hypothesis = fitted(likelihood, null)[0]
    parts = [
        (None if share is None else between(null, hypothesis.ensemble, share), int(number * part))
        for share, part in shares
    ]
    return draw_toys(likelihood, null, parts, np.random.default_rng(seed), few_below), null


def result(likelihood, **how):
    """CLs of all hypotheses of a likelihood."""
    toys, null = shared(likelihood, **how)
    return shared_cls(likelihood, null, toys, asymptotic_cls(likelihood, null))


def cls_at(n, background, signal):
    """CLs of n counts: the statistic falls as n grows, up to S + B."""
    return poisson.cdf(n, signal + background) / poisson.cdf(n, background) if n < signal + background else 1.0


@pytest.mark.parametrize(("background", "signal"), [(0.05, 3.2), (1.0, 4.0), (5.0, 8.0), (18.0, 13.0), (18.0, 6.0)])
@pytest.mark.parametrize("n_obs", [0.0, 2.0, 9.0])
def test_cls_is_a_ratio_of_poisson_sums(background, signal, n_obs):
    """One bin without nuisances: P(N <= n | S + B)/P(N <= n | B), observed and at the quantiles of the band.

    To 5 % with 20,000 toys (seen: 3 %), where the data are not rarer than 1 in 1,000 under the background.
    """
    likelihood = counting([n_obs], [background], [[signal]], [[0.0]], [[0.0]])
    found = result(likelihood)
    if poisson.cdf(n_obs, background) > 1e-3:
        assert found.cls_observed[0] == pytest.approx(cls_at(n_obs, background, signal), rel=0.05)
    for sigma, cls in zip((-2, -1, 0, 1, 2), found.cls_expected[0], strict=True):
        level = norm.cdf(sigma)
        # either side of a step of the distribution that lies within the error of the toys is right
        near = {poisson.ppf(np.clip(level + shift, 1e-9, 1 - 1e-9), background) for shift in (-0.01, 0.0, 0.01)}
        assert any(cls == pytest.approx(cls_at(n, background, signal), rel=0.05) for n in near), sigma
    assert (np.diff(found.cls_expected[0]) >= 0).all()


@given(
    background=st.floats(1e-12, 1e-4),
    signal=st.floats(0.5, 6.0),
    n_bins=st.integers(1, 6),
)
@settings(max_examples=20, deadline=None)
def test_no_event_and_no_background(background, signal, n_bins):
    """CLs = exp(-S), whatever the width of the bins: 0.05 at 2.996 events, observed and expected at every quantile."""
    likelihood = counting(
        [0.0] * n_bins, [background / n_bins] * n_bins, [[signal / n_bins] * n_bins], [[0.0] * n_bins], [[0.0] * n_bins]
    )
    found = result(likelihood, number=1000)
    assert found.cls_observed[0] == pytest.approx(np.exp(-signal), rel=1e-4)
    np.testing.assert_allclose(found.cls_expected[0], np.exp(-signal), rtol=1e-4)


def two_bins(signal, n_obs=(112.0, 1.0), slope=0.1):
    """A bin with many events and one with few, both moved by one nuisance of the background and one of the signal."""
    return counting(n_obs, [110.0, 2.5], signal, [[0.08, 0.5]], [[slope, slope]])


def test_weights_are_the_ratio_of_the_probabilities():
    """T of the likelihood at s + b over that at b: the mean weight of toys of the background is 1, and the weighted mean
    of counts and centres is that of the other ensemble, within five standard errors.
    """
    likelihood = two_bins([[6.0, 2.0]])
    toys, null = shared(likelihood, number=40_000)
    hypothesis = fitted(likelihood, null)[0]
    weights = np.exp(density_ratio(null, hypothesis.ensemble).of(toys.deviations) - toys.log_mixture)

    def check(values, expected):
        error = values.std() / np.sqrt(len(values))
        assert abs(values.mean() - expected) < 5 * error
        assert error < 0.05 * max(abs(expected), 1.0)

    check(weights, 1.0)
    counts = toys.deviations[:, :2].astype(float) + null.expected
    for j in range(2):
        check(weights * counts[:, j], hypothesis.expected[j])
        check(np.exp(-toys.log_mixture) * counts[:, j], null.expected[j])
    center = toys.deviations[:, 2].astype(float) + null.nuisances[0]
    check(weights * center, hypothesis.background_nuisances[0])


@pytest.mark.parametrize("signal", [[6.0, 2.0], [25.0, 0.5], [-8.0, 3.0]])
def test_statistic_is_that_of_single_fits(signal):
    """q~ of every toy against Newton fits of the exact likelihood: 0.06 on average (rms), and CLs to 1 %."""
    likelihood = two_bins([signal])
    toys, null = shared(likelihood, number=1500)
    hypothesis = fitted(likelihood, null)[0]
    tested = toy_statistic(toys, hypothesis)
    counts = np.rint(toys.deviations[:, :2].astype(float) + null.expected)
    model = expectations_of(likelihood)
    own = toys.deviations[:, 3:].astype(float) @ model.rotation[0].T
    centers = np.concatenate([own, toys.deviations[:, 2:3] + null.nuisances], axis=1)
    q = statistics(model, counts, centers, null)
    difference = -2 * tested.statistic - q
    assert np.sqrt((difference**2).mean()) < 0.06
    q_observed = float(asymptotic_cls(likelihood, null).q_observed[0])
    ours = weighted_cls(toys, tested, q_observed)
    tested.statistic[:] = -0.5 * q
    judged = weighted_cls(toys, tested, q_observed)
    assert ours.cls_observed == pytest.approx(judged.cls_observed, rel=0.01)
    np.testing.assert_allclose(ours.cls_expected, judged.cls_expected, rtol=0.03)


def test_toys_near_the_data_are_enough_for_the_observed_cls():
    """A parabola for the other toys changes CLs by less than 2 %."""
    likelihood = two_bins([[6.0, 2.0]])
    toys, null = shared(likelihood, number=6000)
    hypothesis = fitted(likelihood, null)[0]
    q = float(asymptotic_cls(likelihood, null).q_observed[0])
    whole = weighted_cls(toys, toy_statistic(toys, hypothesis), q)
    near = weighted_cls(toys, toy_statistic(toys, hypothesis, -0.5 * q), q)
    assert near.cls_observed == pytest.approx(whole.cls_observed, rel=0.02)


def test_cls_is_smooth_in_the_strength():
    """ln CLs along a scan of the signal is rough by less than 0.02, which no independent toys reach: 4,000 of them know
    CLs = 0.05 to 7 %.
    """
    strengths = np.linspace(0.8, 1.4, 25)
    likelihood = two_bins([[6.0 * s, 2.0 * s] for s in strengths])
    log = np.log(result(likelihood, number=4000).cls_observed)
    assert (np.diff(log) < 0.01).all()
    assert np.abs(log - np.polyval(np.polyfit(strengths, log, 3), strengths)).max() < 0.02


def test_a_signal_that_changes_nothing_is_not_excluded():
    assert result(two_bins([[0.0, 0.0]]), number=1000).cls_observed[0] == 1.0


@pytest.mark.parametrize("factor", [3.0, 10.0, 100.0])
def test_strong_signals_are_excluded_without_a_nan(factor):
    found = result(two_bins([[30.0 * factor, 10.0 * factor]]), number=1000)
    assert 0 <= found.cls_observed[0] < 1e-3
    assert ((found.cls_expected[0] >= 0) & (found.cls_expected[0] < 0.05)).all()
