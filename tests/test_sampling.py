"""The likelihood a sampler calls: the numbers of evaluate, from threads and processes, and an emcee chain."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from zprime_recast.errors import InputError
from zprime_recast.likelihood.cls import asymptotic_cls
from zprime_recast.likelihood.expectations import expectations_of
from zprime_recast.likelihood.newton import fit, fit_regular
from zprime_recast.model.card import load_model
from zprime_recast.scan.evaluate import evaluate
from zprime_recast.scan.points import read_points
from zprime_recast.scan.sampling import Likelihood

BL = load_model("minimal_bl")


@pytest.fixture(scope="module")
def likelihood(searches):
    return Likelihood(searches, "minimal_bl")


def test_single_calls_are_rows_of_evaluate(likelihood, searches):
    mass, g = np.array([600.0, 1500.0, 3300.0]), np.array([0.002, 0.01, 0.05])
    rows = evaluate({"mass_gev": mass, "coupling": g}, searches, load_model("minimal_bl"))
    single = [likelihood.loglike(m, x) for m, x in zip(mass, g, strict=True)]
    np.testing.assert_allclose(single, rows["loglike"], atol=1e-6)
    np.testing.assert_allclose(likelihood.loglikes(mass, g), single, atol=1e-6)
    assert likelihood.loglike_sm == pytest.approx(rows["loglike_sm"][0])


def test_free_couplings_and_impossible_points(searches, likelihood):
    free = Likelihood(searches)
    couplings = {"g_uL": 0.01, "g_uR": 0.01, "g_dL": 0.01, "g_dR": 0.01, "g_lL": -0.03, "g_lR": -0.03}
    narrow, wide = (free.loglike(2000.0, couplings, width) for width in (1.0, 200.0))
    assert np.isfinite([narrow, wide]).all()
    assert narrow != pytest.approx(wide, abs=1e-3)
    for mass, g in ((100.0, 0.1), (-5.0, 0.1), (2000.0, -0.1), (2000.0, np.nan), (1000.0, 9.0)):
        assert likelihood.loglike(mass, g) == -np.inf
    with pytest.raises(InputError, match="follows from its coupling"):
        likelihood.loglike(2000.0, 0.1, 10.0)


@pytest.mark.parametrize("model", ["minimal_bl", "e6_psi", "ssm"])
def test_a_single_call_is_its_share_of_many(searches, model):
    """One hypothesis is fitted without the bookkeeping of many: the same to 5e-6, and to
    2e-6 of ln L where it is hopeless.
    """
    likelihood = Likelihood(searches, model)
    rng = np.random.default_rng(8)
    mass, g = rng.uniform(250, 5900, 120), 10 ** rng.uniform(-4, 0, 120)
    many = likelihood.loglikes(mass, g)
    single = np.array([likelihood.loglike(m, x) for m, x in zip(mass, g, strict=True)])
    assert (many < likelihood.loglike_sm - 40).sum() > 15
    print(np.abs(single - many).max())
    near = many > likelihood.loglike_sm - 40
    np.testing.assert_allclose(single[near], many[near], atol=5e-6, rtol=0)
    np.testing.assert_allclose(single, many, rtol=2e-6)


def test_single_free_couplings_are_their_share_of_many(searches):
    """Electrons and muons of different couplings, and of the same."""
    likelihood = Likelihood(searches)
    rng = np.random.default_rng(9)
    mass, width = rng.uniform(400, 5000, 30), rng.uniform(20, 100, 30)
    names = ("g_uL", "g_dR", "g_lL", "g_lR_1", "g_lR_2")
    couplings = {name: rng.uniform(-0.05, 0.05, 30) for name in names}
    for chosen in (names, names[:3]):
        many = likelihood.loglikes(mass, {name: couplings[name] for name in chosen}, width)
        single = [
            likelihood.loglike(mass[k], {name: couplings[name][k] for name in chosen}, width[k]) for k in range(30)
        ]
        assert np.isfinite(many).all()
        near = many > likelihood.loglike_sm - 15
        assert near.sum() > 20
        np.testing.assert_allclose(np.array(single)[near], many[near], atol=5e-6, rtol=0)


def test_points_below_the_limit_need_no_bookkeeping(searches, likelihood):
    """The short way is taken: it gives up on none of 30 points with CLs of about 1 to 0.01."""
    columns = {"mass_gev": np.linspace(400, 5500, 30), "coupling": np.geomspace(1e-3, 0.3, 30)}
    ((points,), errors) = read_points(columns, BL)
    assert not errors.any()
    together, null = searches.joint.likelihood(points.hypotheses), searches.joint.background
    assert (asymptotic_cls(together, null).cls_observed > 1e-3).all()
    for k in range(30):
        one = searches.joint.likelihood(points.hypotheses.take(np.array([k])))
        model = expectations_of(one, rotated=False)
        start, mu = model.padded(null.nuisances), np.ones(1)
        short = fit_regular(model, one.n_obs, null.expected, start, mu, null.inverse)
        long = fit(expectations_of(one), one.n_obs, null.expected, expectations_of(one).padded(null.nuisances), mu)
        assert short is not None
        assert short[0][0] == pytest.approx(long.excess[0], abs=1e-6)
        assert short[1][0] == pytest.approx(long.slope[0], abs=3e-3)  # of first order in what a fit leaves


def test_threads_and_copies_agree(likelihood):
    points = [(m, 0.01) for m in np.linspace(500, 4000, 16)]
    serial = [likelihood.loglike(*p) for p in points]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda p: likelihood.loglike(*p), points)) == serial
    copy = pickle.loads(pickle.dumps(likelihood))
    assert copy.loglike(*points[3]) == serial[3]


def test_likelihood_falls_beyond_the_excluded_coupling(likelihood):
    """Also where CLs is below 1e-6 the value keeps falling: a chain that starts there finds its way."""
    values = [likelihood.loglike(1500.0, g) for g in (0.005, 0.02, 0.05, 0.2, 0.8)]
    assert (np.diff(values) < 0).all()
    assert values[0] == pytest.approx(likelihood.loglike_sm, abs=2)


def test_emcee_example(repository, likelihood):
    """The example of docs/scans.md, with fewer steps and the likelihood at hand."""
    text = (repository / "docs" / "scans.md").read_text()
    code = "# emcee" + text.split("```python\n# emcee")[1].split("```")[0]
    assert "Likelihood(" in code
    code = code.replace('zr.Likelihood(model="minimal_bl")', "likelihood").replace(
        "sampler.run_mcmc(start, 1000)", "sampler.run_mcmc(start, 60)"
    )
    space = {"likelihood": likelihood}
    exec(code, space)  # the documentation's own code
    chain = space["sampler"].get_chain(flat=True)
    assert np.isfinite(chain).all()
    assert len(np.unique(chain[:, 1])) > 20
    # flat in ln g below the limit: no walker stays where 139/fb exclude
    mass, g = np.exp(chain[-32:].T)
    assert (g[mass < 2000] < 0.05).all()
