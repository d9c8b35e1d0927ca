"""The mass response of a narrow line, bin by bin, against the integral of its written-out density."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from toy_search import write_search

from zprime_recast.searches.response import response_matrix
from zprime_recast.signal.fold import fold_search
from zprime_recast.signal.resonance import resonance_template

#: Tails with heavy powers that begin early, unlike on either side: each holds more than 10 % of the events.
MASS = 1000.0
ROWS = {
    800.0: {"mean": -0.002, "sigma": 0.010, "r_max": 0.20, "alpha_low": 0.8, "n_low": 3.0, "alpha_high": 1.1, "n_high": 2.2},
    1200.0: {"mean": 0.004, "sigma": 0.016, "r_max": 0.30, "alpha_low": 1.2, "n_low": 2.0, "alpha_high": 0.7, "n_high": 4.0},
}  # fmt: skip
#: From the far low tail, over both joints, to the far high tail; the outermost bins lie beyond the truncation.
EDGES = MASS * np.array([0.60, 0.74, 0.84, 0.95, 0.985, 0.99, 1.0, 1.004, 1.012, 1.03, 1.08, 1.2, 1.26, 1.4])


def written_out(r, p):
    """Double-sided Crystal Ball as in its definition: exp(-t^2/2) between the joints, and at distance |t| beyond one
    (n/alpha)^n exp(-alpha^2/2) (n/alpha - alpha + |t|)^-n.
    """
    t = (r - p["mean"]) / p["sigma"]
    if t < -p["alpha_low"]:
        alpha, n = p["alpha_low"], p["n_low"]
    elif t > p["alpha_high"]:
        alpha, n = p["alpha_high"], p["n_high"]
    else:
        return np.exp(-(t**2) / 2)
    return (n / alpha) ** n * np.exp(-(alpha**2) / 2) * (n / alpha - alpha + abs(t)) ** -n


def integral(p, low, high):
    """Over r between two ends inside the truncation, with stops at the joints and the peak."""
    stops = p["mean"] + p["sigma"] * np.array([-p["alpha_low"], 0.0, p["alpha_high"]])
    low, high = np.clip([low, high], -p["r_max"], p["r_max"])
    ends = [low, *stops[(stops > low) & (stops < high)], high]
    return sum(quad(written_out, a, b, args=(p,), epsabs=1e-15, epsrel=1e-11)[0] for a, b in pairwise(ends))


def by_quadrature(p, mass, edges):
    """Probability of each bin of measured mass for a line at ``mass``."""
    r = edges / mass - 1
    total = integral(p, -1.0, 1.0)
    return np.array([integral(p, a, b) for a, b in pairwise(r)]) / total


def between(mass):
    """Parameters linear in mass, held at the ends of the table."""
    (m0, low), (m1, high) = ROWS.items()
    x = np.clip((mass - m0) / (m1 - m0), 0.0, 1.0)
    return {name: (1 - x) * low[name] + x * high[name] for name in low}


def table(rows):
    header = "m_ll_gev," + ",".join(next(iter(rows.values())))
    return "\n".join([header, *(",".join(map(str, (m, *p.values()))) for m, p in rows.items())]) + "\n"


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    n = len(EDGES) - 1
    return write_search(tmp_path_factory.mktemp("dscb") / "toy", EDGES, np.ones(n), np.zeros(n), response=table(ROWS))


@pytest.mark.parametrize("mass", [700.0, 800.0, 950.0, 1000.0, 1100.0, 1300.0])
def test_a_line_fills_the_bins_as_its_written_density(search, mass):
    """Every bin to 1e-9, at masses of the table, between and beyond them.

    Killed here: an upper tail that falls with the power of the lower one or begins at its joint; an upper tail of the
    area of the lower one; a peak that is not continuous in the middle.
    """
    found = response_matrix(search.channel("ee"), np.array([mass]))[0]
    expected = by_quadrature(between(mass), mass, EDGES)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_both_tails_are_filled(search):
    """The numbers above test something: more than 5 % of the events lie beyond either joint, and none beyond r_max."""
    p = between(MASS)
    edges = MASS * (1 + p["mean"] + p["sigma"] * np.array([-1e3, -p["alpha_low"], p["alpha_high"], 1e3]))
    low, _, high = by_quadrature(p, MASS, np.clip(edges, 1.0, None))
    assert low > 0.05
    assert high > 0.05
    row = response_matrix(search.channel("ee"), np.array([MASS]))[0]
    assert row[0] == row[-1] == 0.0
    assert row.sum() == pytest.approx(1, rel=1e-12)


def test_events_of_a_narrow_line(search):
    """Through panels and folding: 7 fb at 1 TeV give luminosity x efficiency x 7 fb x the integral of each bin, to 1e-4
    of the largest bin.
    """
    found = resonance_template(fold_search(search, cache=False), MASS, 0.0, 7.0).yields["ee"]
    expected = 100.0 * 0.5 * 7.0 * by_quadrature(between(MASS), MASS, EDGES)
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


def test_a_mixture_is_the_sum_of_its_components(tmp_path):
    """Barrel and endcap with shares 0.7 and 0.3 at 500 GeV, 0.5 and 0.5 at 1500 GeV, linear between."""
    text = ["component,m_ll_gev,share,mean,sigma,r_max,alpha_low,n_low,alpha_high,n_high"]
    parts = {
        "bb": {"mean": 0.0, "sigma": 0.01, "r_max": 0.1, "alpha_low": 1.5, "n_low": 2.5, "alpha_high": 2.0, "n_high": 6.0},
        "be": {"mean": 0.01, "sigma": 0.03, "r_max": 0.4, "alpha_low": 0.9, "n_low": 1.5, "alpha_high": 1.3, "n_high": 3.0},
    }  # fmt: skip
    for name, shares in (("bb", (0.7, 0.5)), ("be", (0.3, 0.5))):
        for m, share in zip((500.0, 1500.0), shares, strict=True):
            text.append(",".join(map(str, (name, m, share, *parts[name].values()))))
    n = len(EDGES) - 1
    search = write_search(tmp_path / "toy", EDGES, np.ones(n), np.zeros(n), response="\n".join(text) + "\n")
    found = response_matrix(search.channel("ee"), np.array([MASS]))[0]
    expected = sum(share * by_quadrature(parts[name], MASS, EDGES) for name, share in (("bb", 0.6), ("be", 0.4)))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("kind", "size"), [("scale", 0.02), ("scale", -0.02), ("resolution", 0.3), ("resolution", -0.3)]
)
def test_a_changed_response_of_a_tailed_line(search, kind, size):
    """A scale multiplies the measured mass by 1 + x; a resolution multiplies sigma and moves the joints with it."""
    p = between(MASS)
    mass = MASS * (1 + size) if kind == "scale" else MASS
    if kind == "resolution":
        p["sigma"] *= 1 + size
    found = response_matrix(search.channel("ee"), np.array([MASS]), **{kind: size})[0]
    np.testing.assert_allclose(found, by_quadrature(p, mass, EDGES), rtol=1e-8, atol=1e-10)


def test_a_gaussian_line_is_the_normal_distribution(tmp_path):
    """No tails: differences of the normal distribution, over its part within |r| < 0.5."""
    edges = 1000.0 * np.array([0.4, 0.52, 0.8, 0.97, 1.0, 1.1, 1.3, 1.49, 1.6])
    response = "m_ll_gev,sigma\n500,0.1\n1500,0.3\n"
    search = write_search(tmp_path / "toy", edges, np.ones(8), np.zeros(8), response=response)
    found = response_matrix(search.channel("ee"), np.array([1000.0]))[0]
    inside = norm.cdf(np.clip(edges / 1000.0 - 1, -0.5, 0.5), scale=0.2)
    np.testing.assert_allclose(found, np.diff(inside) / (2 * norm.cdf(0.5, scale=0.2) - 1), rtol=1e-12, atol=1e-15)
