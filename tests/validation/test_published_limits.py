"""Our limits against the published ones, and the statistics behind them. Run with ``-s`` to see the tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zprime_recast.io.cards import read_csv
from zprime_recast.likelihood.expectations import expectations_of
from zprime_recast.likelihood.toys import null_toys, signal_toys, statistics
from zprime_recast.limits.analyses import load_analyses
from zprime_recast.limits.contour import contour
from zprime_recast.limits.resonance import resonance_limit, resonances
from zprime_recast.model.card import load_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.partons.luminosity_set import load_luminosities
from zprime_recast.partons.pdf import load_pdf
from zprime_recast.process.cross_section import full_coefficients, sigma_br_narrow
from zprime_recast.report.validation import validate, verdicts
from zprime_recast.report.validation_tables import validation_table
from zprime_recast.searches.acceptance import acceptance
from zprime_recast.searches.search import find_search, kind_of, list_analyses
from zprime_recast.searches.spectrum import load_spectrum
from zprime_recast.signal.fold import fold_search

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "search_id", [i for i, folder in list_analyses().items() if kind_of(folder) == "binned-likelihood"]
)
def test_every_search_is_within_the_tolerances_of_its_card(search_id):
    """Median |ratio - 1| of expected limits, every channel and width with published limits; of observed ones, which
    scatter, where there are 20 of them and within 1.3 times their tolerance (``zprime-recast validate`` takes all
    masses: 200 a width, and the tolerance itself).
    """
    search = load_spectrum(search_id)
    points = 24 if search.validation[0].calculator == "asymptotic" else 12
    results = verdicts(search, validate(search, points))
    print("\n".join(validation_table(results)))
    assert results
    for v in (v for v in results if v.tolerance is not None):
        assert v.expected.median <= v.tolerance, v
        assert v.observed.points < 20 or v.observed.median <= 1.3 * 2 * v.tolerance, v


@pytest.mark.parametrize("channel", ["ee", "ll"])
def test_public_bins_are_what_weakens_narrow_limits(channel):
    """Zero width, expected, against ATLAS's: median |ratio - 1| 4 % in bins of 0.5 % (largest 8 %), 8 % in those of the
    published spectrum (31 %); bins of 0.3 % change the limits by less than 1 %.
    """
    search = load_spectrum("atlas-139fb-dilepton")
    (published,) = [v for v in search.validation if v.channel == channel]
    rows = (published.gamma_over_m == 0) & np.isfinite(published.limit_exp_fb)
    masses, reference = published.mass_gev[rows][::8], published.limit_exp_fb[rows][::8]

    def expected(of_search, spectrum_bins=False):
        found = resonance_limit(fold_search(of_search), masses, 0.0, channel, "asymptotic", spectrum_bins)
        return found.sigma_br_95_expected_fb[:, 2]

    fine, coarse = expected(search), expected(search, True)
    print(channel, len(masses), np.round(fine / reference, 3), np.round(coarse / reference, 3))
    assert np.median(np.abs(fine / reference - 1)) < 0.05 < np.median(np.abs(coarse / reference - 1))
    assert np.abs(fine / reference - 1).max() < 0.1 < np.abs(coarse / reference - 1).max()
    np.testing.assert_allclose(expected(replace(search, expected_bins=0.003)), fine, rtol=0.01)


@pytest.mark.parametrize("mass", [1500.0, 3000.0, 5000.0])
def test_coverage(mass):
    """A signal at its expected limit (3 % width, ll) is excluded by p(s+b) < 0.05 in 5 +- 1 % of 5,000 toys, and by
    CLs < 0.05 in fewer. p-values are from 5,000 further toys of each hypothesis.
    """
    folded = fold_search(load_spectrum("atlas-139fb-dilepton"))
    hypotheses = resonances(folded, mass, 0.03, "ll")
    null = hypotheses.background
    limits = resonance_limit(folded, mass, 0.03, "ll", "asymptotic", spectrum_bins=True)
    expected = limits.sigma_br_95_expected_fb[2]
    likelihood = hypotheses.likelihood(np.array([[expected]]))
    model = expectations_of(likelihood)
    rng, n = np.random.default_rng(1), 5000
    test, q_signal = (statistics(model, *signal_toys(model, likelihood.n_obs, null, n, rng), null) for _ in range(2))
    q_null = statistics(model, *null_toys(model, null, n, rng), null)
    p_signal, p_null = (((n - np.searchsorted(np.sort(q), test - 1e-6)) / n) for q in (q_signal, q_null))
    by_p, by_cls = (p_signal < 0.05).mean(), (p_signal < 0.05 * p_null).mean()
    print(f"{mass:g} GeV: p(s+b) {100 * by_p:.1f} %, CLs {100 * by_cls:.1f} %")
    assert by_p == pytest.approx(0.05, abs=0.01)
    assert by_cls < by_p


@pytest.mark.parametrize(("model_id", "published_tev"), [("ssm", 5.1), ("e6_chi", 4.8), ("e6_psi", 4.5)])
def test_mass_limits_of_atlas(model_id, published_tev):
    """Observed lower mass limits, ee + mumu, NNLO with CT18NNLO and no theory uncertainty, and asymptotic CLs, as
    ATLAS: 0.1 TeV.
    """
    model = load_model(model_id)
    masses = (published_tev + np.array([-0.3, 0.0, 0.3])) * 1000
    searches = load_analyses(["atlas-139fb-dilepton"], theory=False)
    result = contour(model, masses, searches, workers=1, calculator="asymptotic")
    limit = result.mass_limits(model.reference_coupling)[0].gev
    print(f"{model_id}: {limit:.0f} GeV, ATLAS {published_tev} TeV")
    assert limit == pytest.approx(1000 * published_tev, abs=100)


@pytest.mark.parametrize(
    ("model_id", "width", "channel", "published_tev"),
    [
        ("ssm", 0.03, "ll", 5.15),
        ("e6_psi", 0.006, "ll", 4.56),
        ("ssm", 0.03, "mumu", 4.89),
        ("e6_psi", 0.006, "mumu", 4.29),
    ],
)
def test_mass_limits_of_cms(model_id, width, channel, published_tev):
    """Where our Bayesian limit on a resonance crosses our NNLO rate, as CMS has it (mumu: a prediction, its tables are
    not used anywhere): 0.1 TeV.
    """
    model, lumi = load_model(model_id), load_luminosities()
    masses = (published_tev + np.array([-0.3, 0.0, 0.3])) * 1000
    rate = sigma_br_narrow(model, masses, model.reference_coupling, lumi)
    limits = resonance_limit("cms-140fb-dilepton", masses, width, channel, "bayes").sigma_br_95_observed_fb
    crossing = np.interp(0.0, -np.log(rate / limits), masses)
    print(f"CMS, {channel}, {model_id}: {crossing:.0f} GeV, published {published_tev} TeV")
    assert crossing == pytest.approx(1000 * published_tev, abs=100)


def test_dimuon_limit_of_atlas_is_predicted():
    """Z'_SSM, mumu: where our limit at 3 % width crosses the published fiducial rate. ATLAS: 4.5 TeV, observed and
    expected; the mumu limit tables are not used anywhere.
    """
    table = read_csv(find_search("atlas-139fb-dilepton") / "rate_ssm.csv", ["mass_gev", "sigma_br_smoothed_fb"])
    masses = np.linspace(4000.0, 5000.0, 6)
    rate = np.exp(np.interp(masses, table["mass_gev"], np.log(table["sigma_br_smoothed_fb"])))
    limits = resonance_limit("atlas-139fb-dilepton", masses, 0.03, "mumu", "asymptotic")
    both = (limits.sigma_br_95_observed_fb, limits.sigma_br_95_expected_fb[:, 2])
    found = [np.interp(0.0, -np.log(rate / limit), masses) for limit in both]
    print("SSM mumu, observed and expected:", np.round(found))
    np.testing.assert_allclose(found, 4500.0, atol=120)


def test_ssm_rate_in_the_fiducial_region():
    """Z'_SSM rate, |Z'|^2 above M - 2 Gamma with both leptons in the fiducial region, NNLO with CT18NNLO, against the
    published curve from 1 to 5 TeV: ours is 4 to 8 % lower. The published one was made with couplings that run to the
    Z' mass (Pythia): with them, +2.6 % at 1 TeV and +4.4 % at 5 TeV, the difference is below 7 % everywhere (median
    2 %; scatter of the derived curve 1.3 %, its PDF set was CT14NNLO).
    """
    search = load_spectrum("atlas-139fb-dilepton")
    table = read_csv(find_search(search.id) / "rate_ssm.csv", ["mass_gev", "sigma_br_fb", "sigma_br_smoothed_fb"])
    chosen = (table["mass_gev"] >= 1000) & (table["mass_gev"] <= 5000)
    model, lumi, pdf = load_model("ssm"), load_luminosities(), load_pdf("CT18NNLO")
    ratios, running = [], []
    for mass, published in zip(table["mass_gev"][chosen], table["sigma_br_smoothed_fb"][chosen], strict=True):
        low = mass - 2 * float(decay_widths(model, mass, model.reference_coupling).total_gev)
        window = (low, lumi.range_gev[1])
        m, coefficients = full_coefficients(model, mass, model.reference_coupling, lumi, False, window)
        rate = (coefficients * lumi(m) * acceptance(pdf, search.fiducial, m, lumi)).sum()
        ratios.append(rate / published)
        # one loop of leptons and five quarks above m_Z: sum of N_c Q^2 = 20/3
        sm = model.sm
        running.append(1 / (1 - sm.alpha_em / (3 * np.pi) * 20 / 3 * 2 * np.log(mass / sm.m_z_gev)))
    deviation = np.abs(np.array(ratios) * running - 1)
    print(
        "SSM rate over published",
        np.round(ratios, 3),
        "with running couplings",
        np.round(ratios * np.array(running), 3),
    )
    assert np.abs(np.array(ratios) - 1).max() < 0.08
    assert deviation.max() < 0.07
    assert np.median(deviation) < 0.03
