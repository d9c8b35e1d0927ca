"""CLs of one hypothesis by pyhf's fits: a counting experiment in every regime of the statistic, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from toy_search import counting

from zprime_recast.likelihood.cls import asymptotic_cls
from zprime_recast.likelihood.pyhf_fit import pyhf_cls
from zprime_recast.likelihood.workspace import workspace_of
from zprime_recast.limits.result import Verdicts

BACKGROUND, SIGNAL = 100.0, 24.0


def by_hand(counts):
    """q~ = 2 [S + B - best - n ln((S + B)/best)], best = n between B and S + B; CLs by Gaussian distributions of the best
    strength, whose standard deviation is 1/sqrt(q_A) (arXiv:1007.1727).
    """
    total = BACKGROUND + SIGNAL

    def statistic(n):
        best = np.clip(n, BACKGROUND, total)
        return 2 * (total - best - n * np.log(total / best))

    q, q_asimov = statistic(counts), statistic(BACKGROUND)
    width = np.sqrt(q_asimov)
    best = 1 - np.sqrt(q) / width if q <= q_asimov else 0.5 * (1 - q / q_asimov)
    observed = norm.cdf((best - 1) * width) / norm.cdf(best * width)
    return observed, [norm.sf(width - n) / norm.cdf(n) for n in (-2, -1, 0, 1, 2)]


@pytest.mark.parametrize("counts", [60.0, 85.0, 100.0, 110.0, 123.0, 124.0, 150.0])
def test_cls_of_a_counting_experiment(counts):
    """Below the background (q > q_A), between it and the signal, above both (q = 0, half of the experiments with signal
    have it): 1e-3 by pyhf's minimiser, 1e-6 by our own.

    Killed here: either branch of the distribution used for both, an excess that counts against the signal, a factor of
    2, the band in reverse.
    """
    likelihood = counting([counts], [BACKGROUND], [[SIGNAL]], [[0.0]], [[0.0]])
    observed, expected = by_hand(counts)
    found = pyhf_cls(workspace_of(likelihood))
    assert found.cls_observed == pytest.approx(observed, rel=1e-3)
    np.testing.assert_allclose(found.cls_expected, expected, rtol=1e-3)
    ours = asymptotic_cls(likelihood)
    assert ours.cls_observed[0] == pytest.approx(observed, rel=1e-6)
    np.testing.assert_allclose(ours.cls_expected[0], expected, rtol=1e-6)
    if counts >= BACKGROUND + SIGNAL:
        assert ours.cls_observed[0] == pytest.approx(0.5 / norm.cdf(np.sqrt(ours.q_asimov[0])), rel=1e-9)


def test_exclusion_is_below_5_per_cent():
    values = np.array([0.0, 0.0499, 0.05, 0.0501, 1.0])
    nan, bands = np.full(5, np.nan), np.full((5, 5), np.nan)
    found = Verdicts(
        cls_observed=values,
        cls_expected=bands,
        signal_over_limit_observed=nan,
        signal_over_limit_expected=nan,
        log_ratio=nan,
        faults=(),
        warnings=(),
        calculator_used=("asymptotic",) * 5,
    )
    assert found.excluded.tolist() == [True, True, False, False, False]
