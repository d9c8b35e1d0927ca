"""Scale, resolution and spurious signal of a search in a few bins, against normal distributions and hand calculations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from toy_search import uncertainty, write_search

from zprime_recast.likelihood.binned import binned_likelihood
from zprime_recast.likelihood.workspace import workspace_of
from zprime_recast.signal.fold import fold_search
from zprime_recast.signal.resonance import resonance_template
from zprime_recast.signal.signal import Signal
from zprime_recast.signal.systematics import expected_limit, held_detector, signal_information, varied_detectors

MASS = 1000.0
EDGES = np.array([600.0, 900.0, 960.0, 990.0, 1005.0, 1030.0, 1080.0, 1500.0])
#: Luminosity x efficiency of the invented search, events per fb.
PER_FB = 100.0 * 0.5
#: Width of its response, Gaussian, held between 100 GeV and 9 TeV; truncation at 50 sigma changes nothing.
SIGMA = 0.01


def shares(scale=0.0, resolution=0.0, mass=MASS):
    """Probability of each bin for a line at ``mass``: a Gaussian of the measured mass."""
    return np.diff(norm.cdf(EDGES, mass * (1 + scale), mass * (1 + scale) * SIGMA * (1 + resolution)))


def make(tmp_path, uncertainties, **kwargs):
    n = len(EDGES) - 1
    return write_search(tmp_path / "toy", EDGES, np.full(n, 50.0), np.zeros(n), uncertainties=uncertainties, **kwargs)


def template_changes(search, sigma_br_fb=1.0, mass=MASS):
    """Events of a narrow line and the change of their logarithm per nuisance of the search, by its name there."""
    template = resonance_template(fold_search(search, cache=False), mass, 0.0, sigma_br_fb)
    names = [name.removeprefix("toy_") for name in template.nuisances]
    return template.yields["ee"], dict(zip(names, template.changes["ee"], strict=True))


# --------------------------------------------------------------------------------------------------------------------
# Scale and resolution: up and down are different things


@pytest.mark.parametrize(("kind", "up", "down"), [("scale", 0.004, 0.012), ("resolution", 0.3, 0.1)])
def test_up_and_down_enter_with_their_own_sizes(tmp_path, kind, up, down):
    """A card with a larger variation on one side: the change per standard deviation is half the difference of the two
    Gaussians, moved (or widened) by +up and by -down. 1e-9 of the events.

    Killed here: a downward variation of the size of the upward one, of the opposite sign, or absent.
    """
    search = make(tmp_path, uncertainty("u", kind, [up], [down]))
    found = varied_detectors(search, search.channel("ee"), np.array([MASS]))["u"][0]
    expected = 0.5 * PER_FB * (shares(**{kind: up}) - shares(**{kind: -down}))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    # the two sides are not mirror images, else the test would be blind
    assert np.abs(found - 0.5 * PER_FB * (shares(**{kind: up}) - shares(**{kind: -up}))).max() > 0.5


@pytest.mark.parametrize("kind", ["scale", "resolution"])
def test_one_size_is_meant_for_both_sides(tmp_path, kind):
    search = make(tmp_path, uncertainty("u", kind, [0.05]))
    found = varied_detectors(search, search.channel("ee"), np.array([MASS]))["u"][0]
    expected = 0.5 * PER_FB * (shares(**{kind: 0.05}) - shares(**{kind: -0.05}))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_sizes_are_linear_in_mass_on_both_sides(tmp_path):
    """Between 500 GeV and 1500 GeV each side has its own line; beyond, its own end."""
    text = uncertainty("u", "scale", [0.002, 0.010], [0.008, 0.004], m_gev=[500.0, 1500.0])
    search = make(tmp_path, text)
    for mass, up, down in (
        (1000.0, 0.006, 0.006),
        (750.0, 0.004, 0.007),
        (1250.0, 0.008, 0.005),
        (1700.0, 0.010, 0.004),
    ):
        found = varied_detectors(search, search.channel("ee"), np.array([mass]))["u"][0]
        expected = 0.5 * PER_FB * (shares(up, mass=mass) - shares(-down, mass=mass))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_changes_of_a_line_in_the_likelihood(tmp_path):
    """The logarithmic change of a bin is the half difference over the events, at most 1/2 in modulus; the workspace has
    exp(+-) of it.
    """
    search = make(tmp_path, uncertainty("s", "scale", [0.004], [0.012]) + uncertainty("r", "resolution", [0.3], [0.1]))
    yields, change = template_changes(search, 2.0)
    np.testing.assert_allclose(yields, 2.0 * PER_FB * shares(), atol=1e-4 * yields.max())
    half = 0.5 * (shares(0.004) - shares(-0.012)) / shares()
    wide = 0.5 * (shares(resolution=0.3) - shares(resolution=-0.1)) / shares()
    filled = shares() > 1e-5
    assert (np.abs(half[filled]) > 0.5).any()
    assert (np.abs(half[filled]) < 0.5).any()
    np.testing.assert_allclose(change["s"][filled], np.clip(half, -0.5, 0.5)[filled], atol=2e-4)
    np.testing.assert_allclose(change["r"][filled], np.clip(wide, -0.5, 0.5)[filled], atol=2e-4)
    template = resonance_template(fold_search(search, cache=False), MASS, 0.0)
    spec = workspace_of(binned_likelihood([Signal(search, template.yields, template.nuisances, template.changes)]))
    for j in np.nonzero(filled)[0]:
        channel = spec["channels"][j]
        data = {m["name"]: m["data"] for m in channel["samples"][0]["modifiers"]}["toy_s"]
        assert data["hi"] == pytest.approx(np.exp(np.clip(half[j], -0.5, 0.5)), abs=3e-4)
        assert data["lo"] == pytest.approx(np.exp(-np.clip(half[j], -0.5, 0.5)), abs=3e-4)


@pytest.mark.parametrize("alpha", [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
def test_a_detector_held_at_standard_deviations(tmp_path, alpha):
    """What Bayesian limits sample: alpha > 0 moves by alpha x up, alpha < 0 by alpha x down; scale and resolution at
    once; two sources of a kind add up.
    """
    text = uncertainty("s", "scale", [0.004], [0.012]) + uncertainty("s2", "scale", [0.001]) + uncertainty(
        "r", "resolution", [0.3], [0.1]
    )  # fmt: skip
    search = make(tmp_path, text)
    found = held_detector(search, search.channel("ee"), np.array([MASS]), {"s": alpha, "s2": 1.0, "r": -alpha})[0]
    scale = alpha * (0.004 if alpha > 0 else 0.012) + 0.001
    resolution = -alpha * (0.3 if alpha < 0 else 0.1)
    np.testing.assert_allclose(found, PER_FB * shares(scale, resolution), rtol=1e-9, atol=1e-9)


def test_an_asymmetric_yield_is_averaged_in_the_logarithm(tmp_path):
    """+20 %/-30 %: ln(1.2/0.7)/2 per standard deviation, in every bin and in the workspace."""
    search = make(tmp_path, uncertainty("eff", "yield", [0.2], [0.3]))
    template = resonance_template(fold_search(search, cache=False), MASS, 0.0)
    spec = workspace_of(binned_likelihood([Signal(search, template.yields)]))
    data = {m["name"]: m["data"] for m in spec["channels"][3]["samples"][0]["modifiers"]}["toy_eff"]
    assert data["hi"] == pytest.approx(np.sqrt(1.2 / 0.7), rel=1e-12)
    assert data["lo"] == pytest.approx(np.sqrt(0.7 / 1.2), rel=1e-12)


# --------------------------------------------------------------------------------------------------------------------
# Spurious signal: a share of the signal at the expected limit


def one_bin(tmp_path, bkg, relative, bkg_uncertainty=0.0, **kwargs):
    """A single bin that holds the whole line."""
    text = uncertainty("spurious", "spurious", relative, **kwargs)
    return write_search(tmp_path / f"one-{bkg:g}", [500.0, 1500.0], [bkg], [bkg_uncertainty], uncertainties=text)


def excluded_events(bkg):
    """Median expected limit of a counting experiment in events: 2 [S - B ln(1 + S/B)] = 1.96^2."""
    threshold = norm.isf(0.025) ** 2
    return brentq(lambda s: 2 * (s - bkg * np.log1p(s / bkg)) - threshold, 1e-6, 100 + 10 * np.sqrt(bkg))


@pytest.mark.parametrize(("bkg", "accuracy"), [(1e-3, 0.04), (1e-2, 0.1), (4e4, 3e-3), (1e6, 1e-3)])
def test_spurious_signal_is_a_share_of_the_excluded_signal(tmp_path, bkg, accuracy):
    """A spurious signal of 10 % of the excluded number of events adds 0.1 S_95 to a signal of S events: ln(1 + 0.1
    S_95/S). S_95 solves the Asimov formula of a counting experiment (the package interpolates between its ends, to
    10 % where both matter least).

    Killed here: a spurious signal twice or half as large, or relative to the signal instead of to the limit.
    """
    search = one_bin(tmp_path, bkg, [0.1])
    s_95 = excluded_events(bkg)
    for times in (0.5, 1.0, 4.0):
        yields, change = template_changes(search, times * s_95 / PER_FB)
        assert yields.sum() == pytest.approx(times * s_95, rel=1e-4)
        assert np.expm1(change["spurious"][0]) == pytest.approx(0.1 / times, rel=accuracy)


def test_spurious_events_by_hand(tmp_path):
    """B = 10,000: the strength excluded for S = 50 is (1.96 x 100 + 1.92)/50 = 3.9584; 4 % of it is 0.158336."""
    _, change = template_changes(one_bin(tmp_path, 1e4, [0.04]), 1.0)
    assert change["spurious"] == pytest.approx([np.log(1.158336)], rel=1e-5)


def test_spurious_size_is_taken_at_the_pole_mass(tmp_path):
    """10 % at 600 GeV, 2 % at 1400 GeV: 6 % at 1 TeV, 8 % at 800 GeV; the same in every bin of the line."""
    search = one_bin(tmp_path, 1e4, [0.1, 0.02], m_gev=[600.0, 1400.0])
    for mass, relative in ((600.0, 0.1), (800.0, 0.08), (1000.0, 0.06), (1400.0, 0.02)):
        _, change = template_changes(search, 2.0, mass)
        assert np.expm1(change["spurious"][0]) == pytest.approx(relative * (196 + 1.92) / 100, rel=1e-4)


def test_a_hopelessly_weak_signal_is_at_most_half_spurious(tmp_path):
    _, change = template_changes(one_bin(tmp_path, 1e4, [0.1]), 0.01)
    assert change["spurious"] == pytest.approx([np.log(1.5)], rel=1e-12)


# --------------------------------------------------------------------------------------------------------------------
# The limit a channel is expected to set, with its background free within its uncertainty


def test_information_is_the_inverse_of_the_covariance_of_the_counts(tmp_path):
    """Poisson variances plus what the background may change: Q = (diag(B) + B_i C_ij B_j)^-1, C the written covariance
    of ln B. To 1e-2 of the diagonal (small modes are left out).

    Killed here: a background whose uncertainty is forgotten or counted twice in the expected limit.
    """
    edges = np.array([400.0, 500.0, 700.0, 1000.0, 1600.0, 3000.0])
    bkg, error = np.array([900.0, 500.0, 200.0, 60.0, 9.0]), np.array([90.0, 40.0, 30.0, 12.0, 3.0])
    search = write_search(tmp_path / "toy", edges, bkg, error, correlation_length=0.5)
    log_m = 0.5 * np.log(edges[1:] * edges[:-1])
    sigma = np.log1p(error / bkg)
    covariance = np.outer(sigma, sigma) * np.exp(-0.5 * ((log_m[:, None] - log_m) / 0.5) ** 2)
    expected = np.linalg.inv(np.diag(bkg) + covariance * np.outer(bkg, bkg))
    found = signal_information(search.channel("ee"))
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-2)


def test_limit_of_one_bin_with_an_uncertain_background(tmp_path):
    """Variance B + (B ln(1 + u))^2: 1.96 of its root, plus 1.92, over S. 400 events to 5 %: sqrt(400 + (400 x 0.04879)^2)
    = 27.9442.
    """
    search = write_search(tmp_path / "toy", [500.0, 1500.0], [400.0], [20.0])
    found = expected_limit(signal_information(search.channel("ee")), np.array([30.0]))
    assert found == pytest.approx((1.96 * 27.9442 + 1.92) / 30, rel=1e-5)
