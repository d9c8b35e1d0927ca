"""Generic limits, all at once, against pyhf's own CLs; Bayesian ones against textbook and sampling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from zprime_recast.errors import InputError, RangeError, UnknownName
from zprime_recast.likelihood.background_fit import BackgroundFit
from zprime_recast.likelihood.bayes import posterior, prior_points
from zprime_recast.likelihood.binned import BinnedLikelihood, LogChanges
from zprime_recast.likelihood.pyhf_fit import pyhf_cls
from zprime_recast.likelihood.workspace import workspace_of
from zprime_recast.limits.resonance import resonance_limit, resonances
from zprime_recast.searches.background import finely_binned
from zprime_recast.searches.spectrum import load_spectrum
from zprime_recast.signal.fold import fold_search


@pytest.fixture(scope="module", params=["atlas-139fb-dilepton", "cms-140fb-dilepton"])
def folded(request):
    return fold_search(load_spectrum(request.param))


def test_limits_are_where_pyhf_says_cls_is_5_percent(folded):
    """CLs of pyhf's fits at our limits, observed and median: 0.05 to 2 % (of which SLSQP's accuracy is a part)."""
    limits = resonance_limit(folded, [700.0, 3000.0], [0.03, 0.01], "ee", "asymptotic", True, fit="all-bins")
    hypotheses = resonances(folded, [700.0, 3000.0], [0.03, 0.01], "ee")
    observed, median = limits.sigma_br_95_observed_fb, limits.sigma_br_95_expected_fb[:, 2]
    likelihood = hypotheses.likelihood(np.stack([observed, median], axis=1))
    for i in range(2):
        assert pyhf_cls(workspace_of(likelihood, 2 * i)).cls_observed == pytest.approx(0.05, rel=0.02)
        assert pyhf_cls(workspace_of(likelihood, 2 * i + 1)).cls_expected[2] == pytest.approx(0.05, rel=0.02)
    assert (np.diff(limits.sigma_br_95_expected_fb, axis=1) > 0).all()


def test_more_widths_than_one_go_are_the_same(folded):
    """A hypothesis has the same limit alone and among others: 1e-4."""
    masses = np.linspace(500.0, 5000.0, 7)
    together = resonance_limit(folded, masses, 0.02, "ll", "asymptotic", fit="all-bins")
    alone = resonance_limit(folded, float(masses[3]), 0.02, "ll", "asymptotic", fit="all-bins")
    np.testing.assert_allclose(together.sigma_br_95_observed_fb[3], alone.sigma_br_95_observed_fb, rtol=1e-4)
    assert alone.calculator == "asymptotic"


def counting(n_obs, bkg, bkg_error, signal_error=0.0):
    """A one-bin likelihood of strengths, and its mu = 0 fit."""

    def at(strengths, _draw=None):
        s = strengths.reshape(-1, 1)
        one = np.full((len(s), 1, 1), signal_error)
        b = np.full((1, 1), bkg_error)
        acts = np.ones((1, 1), dtype=bool)
        return BinnedLikelihood(
            ("bin",), np.array([n_obs]), np.array([bkg]), s, LogChanges(("s",), one, acts),
            LogChanges(("b",), b, acts),
        )  # fmt: skip

    return at, BackgroundFit(np.zeros(1), np.array([bkg]), np.eye(1), np.zeros(()))


@pytest.mark.parametrize(("n_obs", "exact"), [(0.0, 2.996), (1.0, 4.744), (3.0, 7.754)])
def test_bayes_without_background_is_the_textbook(n_obs, exact):
    """Flat prior, no background: upper limits 3.00, 4.74, 7.75 (Particle Data Group, statistics, table 40.3)."""
    at, null = counting(n_obs, 1e-6, 1e-3)
    assert posterior(at, null, np.array([4.0])).upper_limits[0] == pytest.approx(exact, rel=0.01)


def test_bayes_with_nuisances_against_quadrature():
    """Background 50 +- 10 % and signal efficiency 15 %, 60 events: the same integral by brute force, 2 %."""
    at, null = counting(60.0, 50.0, np.log(1.1), np.log(1.15))
    ours = posterior(at, null, np.array([25.0])).upper_limits[0]
    alpha = np.linspace(-5, 5, 201)
    weight = norm.pdf(alpha)
    b, e = 50 * 1.1 ** alpha[:, None], 1.15 ** alpha[None, :]
    mu = np.linspace(0, 120, 1201)
    nu = mu[:, None, None] * e + b
    density = np.einsum("mij,i,j->m", np.exp(60 * np.log(nu / 60) - nu + 60), weight, weight)
    cumulative = np.cumsum(density) / density.sum()
    exact = brentq(lambda x: np.interp(x, mu, cumulative) - 0.95, 0, 120)
    print(f"Bayes: {ours:.2f}, quadrature {exact:.2f}")
    assert ours == pytest.approx(exact, rel=0.02)


def test_held_nuisances_fold_the_peak_anew():
    """Electron scale and resolution at +-1 sigma move and widen a narrow peak as the card says, and are no nuisances."""
    atlas = load_spectrum("atlas-139fb-dilepton")
    own = tuple(u for u in atlas.uncertainties if u.channels == ("ee",))
    one = replace(atlas, channels=(finely_binned(atlas.channel("ee"), 0.005),), uncertainties=own)
    folded = fold_search(one, cache=False)
    hypotheses = resonances(folded, 2000.0, 0.0, "ee")
    names = [u.name for u in hypotheses.peak_nuisances]
    assert names == ["electron_scale", "electron_resolution"]
    sizes = [float(u.at(2000.0)) for u in hypotheses.peak_nuisances]

    def moments(*values):
        found = hypotheses.likelihood(np.ones((1, 1)), np.array(values))
        assert not any(name in text for text in found.nuisances for name in names)
        edges, share = folded.search.channel("ee").edges_gev, np.cumsum(found.signal[0]) / found.signal[0].sum()
        low, middle, high = np.interp([0.159, 0.5, 0.841], share, edges[1:])
        return middle, (high - low) / 2

    nominal, up, wide = moments(0.0, 0.0), moments(1.0, 0.0), moments(0.0, 1.0)
    assert up[0] / nominal[0] - 1 == pytest.approx(sizes[0], rel=0.3)
    assert 0.3 * sizes[1] < wide[1] / nominal[1] - 1 < 1.1 * sizes[1]  # the tails are cut and bins have a width
    assert len(hypotheses.likelihood(np.ones((1, 1))).nuisances) == len(
        hypotheses.likelihood(np.ones((1, 1)), np.zeros(2)).nuisances
    ) + len(names)


def test_prior_points_are_gaussian():
    """16 points in two dimensions: no mean, a spread of 1 to 0.2, and they do not line up."""
    points = prior_points(2, 16)
    assert np.abs(points.mean(axis=0)).max() < 1e-12
    assert points.std(axis=0) == pytest.approx(1.0, abs=0.2)
    assert abs(np.corrcoef(points.T)[0, 1]) < 0.6
    assert prior_points(0, 16).shape == (1, 0)


def test_bad_hypotheses_are_named(folded):
    with pytest.raises(InputError, match="relative width"):
        resonance_limit(folded, 1000.0, 0.6)
    with pytest.raises(RangeError, match="is outside"):
        resonance_limit(folded, [1000.0, 9000.0], 0.01)
    with pytest.raises(UnknownName, match="calculator"):
        resonance_limit(folded, 1000.0, 0.01, calculator="frequentist")
    with pytest.raises(UnknownName, match="channel of"):
        resonance_limit(folded, 1000.0, 0.01, "tau")
