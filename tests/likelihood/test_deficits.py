"""Bins that a destructive interference empties, the range of the strength, and ln L, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import poisson
from toy_search import counting, write_search

from zprime_recast.errors import LikelihoodError
from zprime_recast.likelihood.background_fit import fit_background
from zprime_recast.likelihood.binned import binned_likelihood
from zprime_recast.likelihood.cls import asymptotic_cls, log_ratios
from zprime_recast.likelihood.workspace import workspace_of
from zprime_recast.signal.signal import Signal

BKG = np.array([100.0, 4.0, 0.2, 0.005])


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    edges = [400.0, 600.0, 1000.0, 2000.0, 4000.0]
    return write_search(tmp_path_factory.mktemp("deficits") / "toy", edges, BKG, np.zeros(4))


def likelihood_of(search, *signals):
    return binned_likelihood([Signal(search, {"ee": np.array(signals, dtype=float)})])


def background_fit(likelihood):
    """The fit at mu = 0."""
    return fit_background(likelihood)


# --------------------------------------------------------------------------------------------------------------------
# Deficits


def test_a_deficit_below_nine_tenths_of_the_background_stays(search):
    """-89 of 100 expected events, -3.5 of 4: as they are, without a remark."""
    found = likelihood_of(search, [-89.0, -3.5, 0.1, 0.1])
    assert found.signal.tolist() == [[-89.0, -3.5, 0.1, 0.1]]
    assert found.warnings == found.faults == ()


def test_a_deficit_beyond_it_is_left_out_and_named(search):
    """-4 of 4 events: -3.6 stays, 0.4 is left out with a warning of that number."""
    found = likelihood_of(search, [1.0, -4.0, 0.1, 0.1])
    np.testing.assert_allclose(found.signal, [[1.0, -3.6, 0.1, 0.1]])
    ((index, message),) = found.warnings
    assert index == 0
    assert "toy, ee: destructive interference exceeds" in message
    assert "0.4 events of deficit left out" in message
    assert found.faults == ()


@pytest.mark.parametrize(("deficit", "said"), [(-3.64, False), (-3.66, True)])
def test_a_twentieth_of_an_event_is_left_out_without_a_remark(search, deficit, said):
    """0.04 events of 4 change no limit; 0.06 are named."""
    found = likelihood_of(search, [1.0, deficit, 0.1, 0.1])
    assert found.signal[0, 1] == pytest.approx(-3.6)
    assert bool(found.warnings) == said


@pytest.mark.parametrize(("deficits", "fault"), [((-4.05, -0.2), False), ((-4.05, -0.25), True), ((-4.12, 0.0), True)])
def test_more_than_half_an_event_of_a_channel_is_no_likelihood(search, deficits, fault):
    """Sums over the bins of a channel: 0.45 + 0.02 events are left out, 0.45 + 0.07 or 0.52 are a fault.

    Killed here: twice as large a deficit forgiven, or only that of a single bin looked at.
    """
    found = likelihood_of(search, [1.0, *deficits, 0.1])
    assert [i for i, _ in found.faults] == ([0] if fault else [])
    if fault:
        assert (found.signal == 0).all()
        with pytest.raises(LikelihoodError, match="interference takes 4.[01]"):
            workspace_of(found)


def test_bins_without_background_carry_no_deficit(search):
    """Of 0.005 expected events nothing is taken; an excess there stays."""
    found = likelihood_of(search, [1.0, 1.0, 0.1, -0.002], [1.0, 1.0, 0.1, 0.3])
    assert found.signal[:, 3].tolist() == [0.0, 0.3]
    assert found.faults == found.warnings == ()


def test_range_of_the_strength(search):
    """Half-way from 1 to where the deepest deficit would empty its bin, -S/B = 0.5: 1.5; -0.8: 1.125; 10 at most, where
    none is deeper than 1/19. The workspace says the same.
    """
    found = likelihood_of(
        search, [-50.0, 1, 0, 0], [-20.0, -3.2, 0, 0], [3.0, 1, 0, 0], [-5.0, 0, 0, 0], [-5.5, 0, 0, 0]
    )
    expected = [1.5, 1.125, 10.0, 10.0, 0.5 * (1 + 100 / 5.5)]
    np.testing.assert_allclose(found.mu_max, expected)
    for i, highest in enumerate(expected):
        (poi,) = workspace_of(found, i)["measurements"][0]["config"]["parameters"]
        np.testing.assert_allclose(poi["bounds"], [[0.0, highest]])


# --------------------------------------------------------------------------------------------------------------------
# ln L


def test_ln_l_of_the_background_is_that_of_poisson():
    """Counts and a nuisance profiled by scipy: sum ln P(n | B exp(a u)) - a^2/2, at its largest.

    Killed here: n! of one less, the constraint with the other sign, the background before its fit.
    """
    counts, bkg, u = np.array([130.0, 12.0, 0.0]), np.array([100.0, 10.0, 0.3]), np.array([0.2, 0.1, -0.1])
    likelihood = counting(counts, bkg, [[1.0, 1.0, 1.0]], [u])

    def negative(a):
        return 0.5 * a**2 - poisson.logpmf(counts, bkg * np.exp(a * u)).sum()

    best = minimize_scalar(negative, bounds=(-5, 5), method="bounded", options={"xatol": 1e-10})
    null = background_fit(likelihood)
    assert null.loglike == pytest.approx(-best.fun, abs=1e-7)
    assert null.nuisances == pytest.approx([best.x], abs=1e-5)
    np.testing.assert_allclose(null.expected, bkg * np.exp(best.x * u), rtol=1e-6)


@pytest.mark.parametrize(
    ("counts", "bkg", "signal"), [(100, 100.0, 20.0), (130, 100.0, 20.0), (2, 5.0, 9.0), (0, 0.1, 3.0)]
)
def test_ln_of_the_likelihood_ratio_of_a_counting_experiment(counts, bkg, signal):
    """ln P(n | S + B) - ln P(n | B), of one hypothesis and of many."""
    expected = poisson.logpmf(counts, signal + bkg) - poisson.logpmf(counts, bkg)
    for n in (1, 3):
        likelihood = counting([counts], [bkg], [[signal]] * n, [[0.0]], [[0.0]])
        null = background_fit(likelihood)
        np.testing.assert_allclose(log_ratios(likelihood, null), expected, rtol=1e-7)
        np.testing.assert_allclose(asymptotic_cls(likelihood, null).log_ratio, expected, rtol=1e-7)


def test_the_ratio_is_profiled():
    """With a background to 20 %, counted 150 of 100: both hypotheses fitted by scipy."""
    counts, bkg, signal, u = 150.0, 100.0, 30.0, 0.2
    likelihood = counting([counts], [bkg], [[signal]], [[u]], [[0.0]])

    def largest(s):
        def negative(a):
            return 0.5 * a**2 - poisson.logpmf(counts, s + bkg * np.exp(a * u))

        return -minimize_scalar(negative, bounds=(-5, 5), method="bounded", options={"xatol": 1e-10}).fun

    expected = largest(signal) - largest(0.0)
    null = background_fit(likelihood)
    assert log_ratios(likelihood, null)[0] == pytest.approx(expected, abs=1e-5)
    assert asymptotic_cls(likelihood, null).log_ratio[0] == pytest.approx(expected, abs=1e-5)


def test_a_hopeless_signal_has_an_upper_bound_of_its_ratio():
    """S = 400 on B = n = 100: the statistic without nuisances, 2 (400 - 100 ln 5) = 478, is above 300, so S/2 is tested,
    2 (200 - 100 ln 3) = 180. ln L at S lies below its tangent there:
    (100 ln 3 - 200) - 200 (1 - 100/300) = -223.47, and above -239.06, the ratio itself.
    """
    likelihood = counting([100.0], [100.0], [[400.0]] * 2, [[0.0]], [[0.0]])
    null = background_fit(likelihood)
    found = asymptotic_cls(likelihood, null)
    tangent = (100 * np.log(3) - 200) - 200 * (1 - 100 / 300)
    assert tangent == pytest.approx(-223.472, abs=1e-3)
    np.testing.assert_allclose(found.log_ratio, tangent, rtol=1e-7)
    np.testing.assert_allclose(log_ratios(likelihood, null), tangent, rtol=1e-7)
    assert (found.cls_observed < 1e-6).all()


def test_hypotheses_without_likelihood_have_no_numbers(search):
    """NaN everywhere, the others untouched."""
    found = likelihood_of(search, [10.0, 1, 0, 0], [-150.0, 1, 0, 0], [20.0, 1, 0, 0])
    null = background_fit(found)
    result = asymptotic_cls(found, null)
    for values in (result.cls_observed, result.q_observed, result.q_asimov, result.log_ratio, log_ratios(found, null)):
        assert np.isnan(values).tolist() == [False, True, False]
    assert np.isnan(result.cls_expected[1]).all()
    assert [i for i, _ in result.faults] == [1]
