"""Acceptance per initial flavour, relative to Drell-Yan pairs, against events that are generated, cut and counted."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from zprime_recast.events.sample import event_source
from zprime_recast.limits.analyses import load_analyses
from zprime_recast.model.card import load_model
from zprime_recast.partons.pairs import FLAVORS
from zprime_recast.partons.pdf import PAPER_SET
from zprime_recast.process.family import coupling_family
from zprime_recast.process.final_state import PairRegion
from zprime_recast.searches.spectrum import load_spectrum
from zprime_recast.signal.initial_state import drell_yan_shares, relative_acceptance
from zprime_recast.signal.reference import exact_templates
from zprime_recast.signal.template import templates


@pytest.fixture(scope="module")
def cms():
    return load_spectrum("cms-140fb-dilepton")


@pytest.fixture(scope="module")
def drell_yan(pdf):
    """A million pairs of photon and Z between 299 and 301 GeV, with the flavour of their quarks."""
    source = event_source(load_model("ssm"), 1000.0, 0.1, "sm", order="lo", pdf=pdf, window_gev=(299.0, 301.0), seed=3)
    events = source.events(1_000_000)
    pt = np.minimum(events["lminus_pt"], events["lplus_pt"])
    return SimpleNamespace(flavor=np.abs(events["id1"]), pt=pt, eta=np.abs([events["lminus_eta"], events["lplus_eta"]]))


def inside(name, region, events):
    """The selection of arXiv:2103.02708, written out."""
    a, b = events.eta
    if name == "ee":
        central, forward = (x < 1.4442 for x in (a, b)), ((x > 1.566) & (x < 2.5) for x in (a, b))
        (c1, c2), (f1, f2) = central, forward
        return (events.pt > 35) & (c1 & c2 if region == "barrel-barrel" else (c1 & f2) | (c2 & f1))
    both = (a < 1.2) & (b < 1.2)
    return (events.pt > 53) & (a < 2.4) & (b < 2.4) & (both if region == "barrel-barrel" else ~both)


@pytest.mark.parametrize("name", ["ee", "mumu"])
def test_shares_of_events_in_the_regions(cms, pdf, lumi, drell_yan, name):
    """300 GeV, each flavour: share of the published signal in a region times events of the flavour there over those of all
    flavours, 4 standard deviations of the counts (b: 7 %). Sea quarks are 40 and 30 % above the mixture, d 10 and 9 %.
    """
    channel = cms.channel(name)
    found = relative_acceptance(channel, np.array([300.0]), pdf, lumi)[:, 0]
    numbers = np.array([np.count_nonzero(drell_yan.flavor == k + 1) for k in range(5)])
    expected, variance = np.zeros(5), np.zeros(5)
    for region in channel.regions:
        rows = [channel.response.names.index(c) for c in region.components]
        share = np.interp(300.0, channel.response.m_gev, channel.response.share[rows].sum(axis=0))
        passed = inside(name, region.name, drell_yan)
        counts = np.array([np.count_nonzero(passed & (drell_yan.flavor == k + 1)) for k in range(5)])
        ratio = counts / numbers / passed.mean()
        expected += share * ratio
        variance += (share * ratio) ** 2 * (1 / counts + 1 / passed.sum())
    np.testing.assert_array_less(np.abs(found - expected), 4 * np.sqrt(variance))
    assert (np.sqrt(variance) < 0.018).all()
    assert found[FLAVORS.index("b")] == pytest.approx({"ee": 1.39, "mumu": 1.32}[name], abs=0.04)
    assert found[FLAVORS.index("d")] == pytest.approx(1.09, abs=0.02)
    shares = drell_yan_shares(np.array([300.0]), lumi)[:, 0]
    np.testing.assert_allclose(shares, numbers / numbers.sum(), atol=2e-3)
    assert shares @ found == pytest.approx(1.0, rel=1e-6)  # the mixture has the published acceptance


@pytest.mark.parametrize(
    "region", [PairRegion(35.0, (0.0, 1.4442), (1.566, 2.5)), PairRegion(0.0, (0.5, 1.0), (0.0, 2.0))]
)
def test_share_of_decays_in_a_region(region):
    """2e6 pairs with d N/d cos = 3/8 (1 + cos^2), boosted by y: 4 standard deviations, and 0 far forward."""
    rng = np.random.default_rng(7)
    for y in (0.0, 0.4, 1.3, 2.2):
        c = rng.uniform(-1, 1, 2_000_000)
        c = c[rng.uniform(0, 2, len(c)) < 1 + c**2]
        eta = np.abs([y + np.arctanh(c), y - np.arctanh(c)])
        (f, g), (h, i) = region.eta_first, region.eta_second
        one, two = (((eta[k] > f) & (eta[k] < g) & (eta[1 - k] > h) & (eta[1 - k] < i)) for k in (0, 1))
        expected = ((one | two) & (100 * np.sqrt(1 - c**2) > region.pt_min_gev)).mean()
        found = region.share(200.0, np.array([y, -y]))
        np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / len(c)))
    assert region.share(200.0, np.array([8.0]))[0] == 0


def test_kinks_of_a_region_are_all_its_kinks():
    """Between two kinks the share is smooth: a polynomial of degree 9 follows it to 1e-5."""
    region = PairRegion(35.0, (0.0, 1.4442), (1.566, 2.5))
    ends = [0.0, *region.rapidity_kinks(300.0)]
    for low, high in pairwise(ends):
        y = np.linspace(low, high, 60)[1:-1]
        share = region.share(300.0, y)
        fit = np.polynomial.Polynomial.fit(y, share, 9)(y)
        np.testing.assert_allclose(fit, share, atol=1e-5)


def test_fast_and_exact_templates_agree_on_flavours():
    """CMS, where each channel has parton rates of its own: B - L and B - 3 L_mu, to 2e-5 of the largest bin."""
    analyses = load_analyses(["cms-140fb-dilepton"], PAPER_SET, order="lo", theory=False)
    (folded,) = analyses
    assert [f.rate for f in folded.channels] == [0, 1]
    for model in ("elusive_bl", "b_3l_mu"):
        h = coupling_family(load_model(model), np.array([350.0, 1000.0])).at(np.array([0, 1]), np.array([0.02, 0.1]))
        fast, exact = (make([folded], h)[0].yields for make in (templates, exact_templates))
        for name in fast:
            scale = np.abs(exact[name]).max()
            np.testing.assert_allclose(fast[name], exact[name], atol=2e-5 * max(scale, 1e-9))
