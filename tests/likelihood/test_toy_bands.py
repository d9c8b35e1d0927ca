"""The band of toys of a counting experiment, whose CLs at every quantile is a ratio of two Poisson sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, poisson
from toy_search import counting

from zprime_recast.likelihood.toys import toy_cls

#: Enough for the band; a few for single values.
MANY, FEW = 20_000, 4_000


def experiment(n_obs, background, signal):
    """One bin whose only nuisances, of the background and of the signal, change nothing."""
    return counting([n_obs], [background], [[signal]], [[0.0]], [[0.0]])


def band(likelihood, toys, seed):
    """CLs observed and at -2, -1, 0, 1, 2 standard deviations."""
    found = toy_cls(likelihood, toys, seed)
    return found.cls_observed, found.cls_expected, found.p_signal, found.q_observed


def cls_at(n, background, signal):
    """n counts or fewer with the signal, over the same without: the statistic falls as n grows, up to S + B."""
    return poisson.cdf(n, signal + background) / poisson.cdf(n, background)


def counts_of_the_band(background):
    """Counts of the background-only experiment at -2 ... 2 standard deviations, each clear of a step of the
    distribution by four standard deviations of the toys.
    """
    levels = norm.cdf([-2.0, -1.0, 0.0, 1.0, 2.0])
    counts = poisson.ppf(levels, background)
    for level, n in zip(levels, counts, strict=True):
        margin = 4 * np.sqrt(level * (1 - level) / MANY)
        assert poisson.cdf(n - 1, background) + margin < level < poisson.cdf(n, background) - margin
    return counts


@pytest.mark.parametrize(("background", "signal"), [(5.0, 8.0), (18.0, 13.0), (5.0, 2.5), (18.0, 6.0)])
def test_quantiles_of_the_expected_band(background, signal):
    """-2 sigma (an experiment with few counts, the strongest exclusion) to +2 sigma (many counts): CLs of each is
    P(N <= n | S + B)/P(N <= n | B), n the quantile of the Poisson distribution of B, and 1 where the counts reach S + B.
    To four standard deviations of 20,000 toys. The strong signals test the upper half of the band, the weak ones the
    lower.

    Killed here: a band whose upper half (15.87 %, 2.28 % of the toys) or lower half is taken at other quantiles, or in
    the reverse order.
    """
    counts = counts_of_the_band(background)
    expected = np.where(counts < signal + background, cls_at(counts, background, signal), 1.0)
    assert (np.diff(expected) > 0).all()
    _, found, _, _ = band(experiment(background, background, signal), MANY, seed=5)
    p_signal, p_null = poisson.cdf(counts, signal + background), poisson.cdf(counts, background)
    error = expected * np.sqrt((1 / p_signal - 1 + 1 / p_null - 1) / MANY)
    np.testing.assert_array_less(np.abs(np.array(found) - expected), 4 * error + 1e-12)


@pytest.mark.parametrize("n_obs", [0.0, 3.0, 9.0, 15.0])
def test_observed_cls_is_a_ratio_of_poisson_sums(n_obs):
    """B = 9.1 (fixed), S = 10.5: p(s+b) = P(N <= n | 19.6) and CLs its ratio to P(N <= n | 9.1); the statistic of the
    data is that of a counting experiment with its best strength max((n - B)/S, 0).
    """
    background, signal = 9.1, 10.5
    observed, _, p_signal, q = band(experiment(n_obs, background, signal), FEW, seed=3)
    total, best = background + signal, max(n_obs, background)
    expected_q = 2 * (total - best - (n_obs * np.log(total / best) if n_obs else 0.0))
    assert q == pytest.approx(expected_q, rel=1e-6)
    p = poisson.cdf(n_obs, total)
    assert p_signal == pytest.approx(p, abs=5 * np.sqrt(p / FEW) + 1e-4)
    relative = 5 * np.sqrt(1 / (p * FEW) + 1 / (poisson.cdf(n_obs, background) * FEW))
    if relative < 0.5:
        assert observed == pytest.approx(cls_at(n_obs, background, signal), rel=relative)


def test_an_excess_above_the_signal_excludes_nothing():
    """n = S + B or more: q = 0 and CLs = 1."""
    observed, _, p_signal, q = band(experiment(30.0, 9.1, 10.5), FEW, seed=1)
    assert (observed, p_signal, q) == (1.0, 1.0, 0.0)


def test_no_event_and_no_background_exclude_three_events():
    """exp(-S) = 0.05 at S = 3.0 whatever the background: every quantile of the band sees no event."""
    observed, expected, _, _ = band(experiment(0.0, 1e-4, 3.0), FEW, seed=2)
    assert observed == pytest.approx(np.exp(-3), abs=5 * np.sqrt(0.05 / FEW))
    np.testing.assert_allclose(expected, observed, rtol=1e-9)


def test_the_band_is_the_result_of_experiments_that_count_its_quantiles():
    """B = 5, S = 2.5: toys of one seed are the same whatever is counted, so the band at -2 ... 2 standard deviations is
    to the last digit what experiments with 1, 3, 5, 7 and 10 events observe: Poisson's quantiles at 2.28, 15.87, 50,
    84.13 and 97.72 %.

    Killed here: a band at 5 % and 95 %.
    """
    background, signal = 5.0, 2.5
    assert counts_of_the_band(background).tolist() == [1, 3, 5, 7, 10]
    _, expected, _, _ = band(experiment(background, background, signal), MANY, seed=7)
    each = [band(experiment(n, background, signal), MANY, seed=7)[0] for n in (1.0, 3.0, 5.0, 7.0, 10.0)]
    np.testing.assert_allclose(expected, each, rtol=1e-12)
    np.testing.assert_allclose(each[1:3], cls_at(np.array([3, 5]), background, signal), rtol=0.08)
