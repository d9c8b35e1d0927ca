"""CLs from toys: the statistic against pyhf's on the same pseudo-data, and the zero-event limit."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.errors import InputError
from zprime_recast.likelihood.expectations import expectations_of
from zprime_recast.likelihood.newton import fit
from zprime_recast.likelihood.toys import expected_events, signal_toys, statistics, toy_cls
from zprime_recast.likelihood.workspace import workspace_of
from zprime_recast.limits.resonance import resonance_limit, resonances
from zprime_recast.searches.spectrum import load_spectrum
from zprime_recast.signal.fold import fold_search


@pytest.fixture(scope="module")
def atlas():
    return fold_search(load_spectrum("atlas-139fb-dilepton"))


def test_statistic_of_toys_is_that_of_pyhf(atlas):
    """q~ of three toys, counts and centres drawn, against pyhf's own fits: 0.02 absolute (SLSQP's accuracy)."""
    import pyhf

    hypotheses = resonances(atlas, 3000.0, 0.03, "ee")
    null = hypotheses.background
    likelihood = hypotheses.likelihood(np.array([[0.08]]))
    model = expectations_of(likelihood)
    counts, centers = signal_toys(model, likelihood.n_obs, null, 3, np.random.default_rng(4))
    ours = statistics(model, counts, centers, null)
    spec = workspace_of(likelihood)
    workspace = {"channels": spec["channels"], "parameters": spec["measurements"][0]["config"]["parameters"]}
    judge = pyhf.Model(workspace, poi_name="mu", validate=False)
    place = {name: i for i, name in enumerate(likelihood.bin_names)}
    order = [place[name] for name in judge.config.channels]
    names = list(likelihood.nuisances)
    centers = model.take(np.zeros(3, dtype=int)).named(centers)
    for n, c, q in zip(counts, centers, ours, strict=True):
        data = [*n[order], *(c[names.index(name)] for name in judge.config.auxdata_order)]
        with np.errstate(all="ignore"):
            expected = pyhf.infer.test_statistics.qmu_tilde(
                1.0, data, judge, judge.config.suggested_init(), judge.config.suggested_bounds(), [False] * 99
            )
        assert q == pytest.approx(float(expected), abs=0.02)


def test_toys_are_drawn_around_the_fits(atlas):
    """Mean counts of 2000 toys are the expectations of the fit with signal, to five standard deviations of the mean."""
    hypotheses = resonances(atlas, 1000.0, 0.1, "ee")
    likelihood = hypotheses.likelihood(np.array([[2.0]]))
    model, null = expectations_of(likelihood), hypotheses.background
    counts, centers = signal_toys(model, likelihood.n_obs, null, 2000, np.random.default_rng(1))
    start, one = model.padded(null.nuisances[None]), np.ones(1)
    fitted = fit(model, likelihood.n_obs[None], null.expected[None], start, one).nuisances
    expected = expected_events(model, fitted)[0]
    pull = (counts.mean(axis=0) - expected) / np.sqrt(expected / 2000)
    assert np.abs(pull[expected > 20]).max() < 5
    assert np.abs(centers.mean(axis=0) - fitted[0]).max() < 5 / np.sqrt(2000)
    assert np.abs(centers.std(axis=0) - 1).max() < 0.1


def test_a_seed_gives_the_same_toys(atlas):
    hypotheses = resonances(atlas, 5000.0, 0.0, "ee")
    likelihood = hypotheses.likelihood(np.array([[0.03]]))
    one, two, other = (toy_cls(likelihood, 200, seed) for seed in (1, 1, 2))
    assert one == two
    assert one != other
    assert one.n_toys == 200
    with pytest.raises(InputError, match="at least 100"):
        toy_cls(likelihood, 10, 1)


@pytest.mark.slow
def test_zero_events_exclude_three(atlas):
    """ee at 6 TeV: no event seen, 0.03 expected under the peak. Asymptotic formulas give 2.0 events (1.92 + a little),
    toys 3.0 = -ln 0.05 (seen 2.94; 3.21 with 2,000 plain ones, which know CLs = 0.05 to 10 %, 0.1 events: three of these
    errors). Bayes: 3.07.
    """
    hypotheses = resonances(atlas, 6000.0, 0.0, "ee")
    per_fb = float(hypotheses.likelihood(np.array([[1.0]])).signal.sum())
    found = {
        name: resonance_limit(atlas, 6000.0, 0.0, "ee", name).sigma_br_95_observed_fb * per_fb
        for name in ("asymptotic", "toys", "plain-toys", "bayes")
    }
    print("events:", ", ".join(f"{name} {events:.2f}" for name, events in found.items()))
    assert found["asymptotic"] == pytest.approx(2.0, abs=0.1)
    assert found["toys"] == pytest.approx(-np.log(0.05), rel=0.03)
    assert found["plain-toys"] == pytest.approx(-np.log(0.05), abs=0.3)
    assert found["bayes"] == pytest.approx(-np.log(0.05), rel=0.05)
