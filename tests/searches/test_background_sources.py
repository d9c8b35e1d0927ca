"""A predicted background divided into sources common to all masses and a local part, against sums by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from toy_search import common, local, write_search

from zprime_recast.limits.resonance import resonance_limit
from zprime_recast.searches.background import background_nuisances, finely_binned
from zprime_recast.searches.check import check_analysis
from zprime_recast.searches.spectrum import load_spectrum
from zprime_recast.signal.fold import fold_search

EDGES = np.array([400.0, 480.0, 600.0, 800.0, 1200.0, 1700.0, 2600.0, 4500.0])
BKG = np.array([900.0, 700.0, 400.0, 150.0, 40.0, 9.0, 1.5])
ERROR = np.array([60.0, 50.0, 20.0, 15.0, 4.0, 1.5, 0.6])
MIDDLE = np.sqrt(EDGES[1:] * EDGES[:-1])


def test_covariance_by_hand(tmp_path):
    """A norm of 2 %, a PDF of 1 % at 400 GeV that reaches 9 % at 4.4 TeV, a column of the spectrum, and 40 % local:
    covariance of ln B. The two sources of the card are scaled by one factor in each bin, so that the published total
    comes out in quadrature.

    Killed here: sources scaled linearly or all to the total, the column scaled as well, a share of the variance.
    """
    column = 0.3 * ERROR
    card = local(0.4, 0.25) + common("norm", [0.02]) + common("pdf", [0.01, 0.09], [400.0, 4400.0])
    search = write_search(tmp_path / "toy", EDGES, BKG, ERROR, sources=[("top", column)], background=card)
    names, rows = background_nuisances(search.id, search.channel("ee"))
    assert names[-3:] == ("toy_bkg_top", "toy_bkg_norm", "toy_bkg_pdf")
    total = ERROR / BKG
    sizes = np.array([np.full(7, 0.02), 0.01 + 0.08 * (MIDDLE - 400) / 4000])
    left = total * np.sqrt(1 - 0.4**2 - 0.3**2)
    scaled = sizes * left / np.sqrt(sizes[0] ** 2 + sizes[1] ** 2)
    np.testing.assert_allclose(rows[-3], np.log(1 + 0.3 * total), rtol=1e-12)
    np.testing.assert_allclose(rows[-2:], np.log(1 + scaled), rtol=1e-12)
    sigma = np.log(1 + 0.4 * total)
    distance = np.log(MIDDLE[:, None] / MIDDLE)
    covariance = np.outer(sigma, sigma) * np.exp(-(distance**2) / (2 * 0.25**2))
    np.testing.assert_allclose(rows[:-3].T @ rows[:-3], covariance, atol=1e-3 * np.trace(covariance))
    parts = search.channel("ee").background
    np.testing.assert_allclose(sum(r**2 for r in parts.sources.values()) + parts.local**2, total**2, rtol=1e-12)


def test_a_scale_moves_a_power_law_by_its_power(tmp_path):
    """B ~ m^-4 per GeV: a shift of the mass by 1 % changes ln B by 3 %, at every mass; beside a rate of 4 % that is 3/5 of
    the total.
    """
    edges = np.geomspace(300.0, 3000.0, 40)
    bkg = 1e12 * (edges[:-1] ** -3.0 - edges[1:] ** -3.0)
    card = common("norm", [0.04]) + common("scale", [0.01], kind="scale")
    search = write_search(tmp_path / "toy", edges, bkg, 0.02 * bkg, background=card)
    sources = search.channel("ee").background.sources
    np.testing.assert_allclose(sources["scale"], 0.012, rtol=2e-3)
    np.testing.assert_allclose(sources["norm"], 0.016, rtol=2e-3)
    assert background_nuisances("toy", search.channel("ee"))[0] == ("toy_bkg_norm", "toy_bkg_scale")  # nothing is local


@pytest.mark.parametrize("finer_bins", ["smooth", "as-published"])
def test_finer_bins_have_the_same_background(tmp_path, finer_bins):
    """Sums over the old bins: exact as published; smooth, the total and a power law without its noise of 3 %, to 1.5 %."""
    edges = np.geomspace(300.0, 3000.0, 41)
    curve = 1e12 * (edges[:-1] ** -3.0 - edges[1:] ** -3.0)
    bkg = curve * (1 + 0.03 * (-1.0) ** np.arange(40))
    card = f'finer_bins = "{finer_bins}"\n' + local(0.3) + common("norm", [0.04])
    channel = write_search(tmp_path / "toy", edges, bkg, 0.05 * bkg, background=card).channel("ee")
    width = np.log(edges[1] / edges[0])
    fine = finely_binned(channel, width / 4)
    summed = np.add.reduceat(fine.bkg, np.arange(0, len(fine.bkg) - 1, 4))
    summed[-1] -= fine.bkg[-1]
    expected = bkg[:-1] if finer_bins == "as-published" else curve[:-1] * bkg[:-1].sum() / curve[:-1].sum()
    np.testing.assert_allclose(summed[:39], expected, rtol=1e-9 if finer_bins == "as-published" else 0.015)
    assert fine.bkg.sum() == pytest.approx(bkg.sum(), rel=1e-12)
    assert fine.bkg[-1] == bkg[-1]
    np.testing.assert_allclose(fine.background.local, 0.3 * 0.05, rtol=1e-12)
    np.testing.assert_allclose(fine.background.sources["norm"], np.sqrt(1 - 0.09) * 0.05, rtol=1e-12)


def test_limits_do_not_depend_on_the_width_of_fine_bins():
    """CMS, ee, expected: bins of 1 % and half as wide, narrow and wide resonances: 0.5 %."""
    search = load_spectrum("cms-140fb-dilepton")
    own = tuple(u for u in search.uncertainties if "ee" in u.channels)

    def expected(width):
        channels = (finely_binned(search.channel("ee"), width),)
        one = replace(search, channels=channels, uncertainties=own, expected_bins=None, resonance_fit=None)
        limit = resonance_limit(fold_search(one, cache=False), [400.0, 1000.0, 3000.0] * 2, [0.006] * 3 + [0.05] * 3,
                                "ee", "asymptotic")  # fmt: skip
        return limit.sigma_br_95_expected_fb[:, 2]

    np.testing.assert_allclose(expected(0.005), expected(0.01), rtol=5e-3)


def test_a_further_source_never_strengthens_an_expected_limit(tmp_path):
    """A norm of 5 %; then beside it a slope of 3 % per unit of ln m, by which the total grows, so that the norm keeps its
    size. Asimov limits of narrow and wide resonances: the slope weakens the wide one at 600 GeV by more than 1 %.
    """
    edges = np.geomspace(300.0, 5000.0, 60)
    bkg = 3e12 * (edges[:-1] ** -3.0 - edges[1:] ** -3.0)
    slope = 0.03 * bkg * np.log(edges[1:] / 300.0)

    def expected(total, sources):
        card = common("norm", [0.04])
        search = write_search(tmp_path / f"toy-{len(sources)}", edges, bkg, total, sources=sources, background=card)
        limit = resonance_limit(search, [600.0, 600.0, 2000.0, 2000.0], [0.0, 0.1] * 2, "ee", "asymptotic")
        return limit.sigma_br_95_expected_fb[:, 2]

    ratio = expected(np.hypot(0.05 * bkg, slope), [("slope", slope)]) / expected(0.05 * bkg, [])
    assert (ratio > 1 - 1e-6).all()
    assert ratio[1] > 1.01


BAD = [
    ("share = 0.3", "share = 1.3", "channel[0].background.local.share"),
    ("share = 0.3", "share = -0.3", "channel[0].background.local.share"),
    ("share = 0.3", "share = 0.99", "channel[0].background.local.share"),
    ("share = 0.3", "share = 0.3\nextent = 2.0", "channel[0].background.local.extent"),
    ("correlation_length_log_mass = 0.3", "", "channel[0].background.local.correlation_length_log_mass"),
    ("relative = [0.02]", "relative = [-0.02]", "channel[0].background.common[0].relative"),
    ("relative = [0.02]", "relative = [0.0]", "channel[0].background.common"),
    ("relative = [0.02]", "relative = [0.02]\nm_gev = [400.0, 500.0]", "channel[0].background.common[0].m_gev"),
    ("kind = 'rate'", "kind = 'norm'", "channel[0].background.common[0].kind"),
    ("kind = 'rate'", "kind = 'rate'\nsize = 0.1", "channel[0].background.common[0].size"),
    ("name = 'norm'", "name = 'top'", "channel[0].background.common[0].name"),
    ('status = "assumed"', 'status = "guessed"', "channel[0].background.local.status"),
    ('finer_bins = "smooth"', 'finer_bins = "rough"', "channel[0].background.finer_bins"),
    ('finer_bins = "smooth"', "length = 0.3", "channel[0].background.length"),
]


@pytest.mark.parametrize(("good", "bad", "key"), BAD, ids=[f"{k}-{b.strip()[-12:]}" for _, b, k in BAD])
def test_bad_cards_say_which_line(tmp_path, good, bad, key):
    """``analysis check`` names the key, and nothing is read instead; share 0.99 beside a column of 0.3 of the total."""
    card = 'finer_bins = "smooth"\n' + local(0.3) + common("norm", [0.02])
    folder = tmp_path / "toy"
    write_search(folder, EDGES, BKG, ERROR, sources=[("top", 0.3 * ERROR)], background=card)
    assert check_analysis(folder).faults == ()
    text = (folder / "card.toml").read_text()
    assert good in text
    (folder / "card.toml").write_text(text.replace(good, bad, 1))
    faults = check_analysis(folder).faults
    assert key in {fault.key for fault in faults}
    assert all(re.fullmatch(r"[^\n]+", str(fault)) for fault in faults)
