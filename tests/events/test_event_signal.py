"""From events to limits, histograms and showers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zprime_recast.errors import InputError, LikelihoodError, UnknownName
from zprime_recast.events.histograms import LABELS, histogram, predicted, values_of, write_root
from zprime_recast.events.sample import event_source
from zprime_recast.limits.injected import strength_limit
from zprime_recast.model.card import load_model
from zprime_recast.partons.pdf import PAPER_SET
from zprime_recast.process.final_state import LeptonCuts
from zprime_recast.signal.from_events import event_template, fiducial
from zprime_recast.signal.reference import signal_template

MODELS = [("ssm", 3000.0, None, "zprime"), ("elusive_bl", 2000.0, 0.1, "signal"), ("e6_chi", 1500.0, None, "signal")]


def sample(folded, model_id, mass, coupling, mode, n, seed=5):
    model = load_model(model_id)
    coupling = coupling or model.reference_coupling
    window = (folded.grid.edges_gev[0] * (1 + 1e-9), folded.grid.edges_gev[-1] * (1 - 1e-9))
    source = event_source(model, mass, coupling, mode, pdf=PAPER_SET, lumi=folded.lumi, window_gev=window, seed=seed)
    analytic = signal_template(folded, model, mass, coupling, mode == "signal")
    return source, source.events(n), analytic


@pytest.mark.parametrize(("model_id", "mass", "coupling", "mode"), MODELS)
def test_template_of_events_is_the_analytic_one(model_id, mass, coupling, mode, paper_searches):
    """At 10^6 events: every sum of a channel within 4 standard deviations, chi2 of the bins; seen: sums within 0.05 %
    for |Z'|^2. Bins are correlated by the mass response, so that chi2 is small rather than large.
    """
    folded = paper_searches[0]
    _, events, analytic = sample(folded, model_id, mass, coupling, mode, 1_000_000)
    template = event_template(folded, events, universal=True)
    for name, yields in template.yields.items():
        expected, error = analytic.yields[name], template.errors[name]
        filled = error > 1e-3 * error.max()
        chi2 = (((yields - expected)[filled] / error[filled]) ** 2).sum()
        off = (yields - expected).sum() / np.sqrt((error**2).sum())
        print(
            f"{model_id} {name}: sum {yields.sum() / expected.sum() - 1:+.1e} ({off:+.1f} sd), chi2 {chi2:.0f}/{filled.sum()}"
        )
        assert abs(off) < 4
        assert chi2 < filled.sum() + 5 * np.sqrt(2 * filled.sum())
    assert template.warnings == () or mode == "signal"


@pytest.mark.slow
@pytest.mark.parametrize(("model_id", "mass", "coupling", "mode"), MODELS)
def test_limit_of_events_is_the_analytic_one(model_id, mass, coupling, mode, paper_searches):
    """Limits on the signal strength within 1 % (seen: 0.3 %)."""
    folded = paper_searches[0]
    _, events, analytic = sample(folded, model_id, mass, coupling, mode, 1_000_000)
    template = event_template(folded, events, universal=True)
    ours = strength_limit([template])
    reference = strength_limit([replace(template, yields=analytic.yields)])
    assert ours.mu_95_observed == pytest.approx(reference.mu_95_observed, rel=0.01)
    np.testing.assert_allclose(ours.mu_95_expected, reference.mu_95_expected, rtol=0.01)
    assert ours.sigma_95_observed_fb == pytest.approx(ours.mu_95_observed * template.cross_section_fb)


def test_strength_limit_excludes_at_five_per_cent(paper_searches):
    """The limit put back in gives CLs = 0.05; a cross-section given by hand scales it."""
    folded = paper_searches[0]
    _, events, _ = sample(folded, "ssm", 3000.0, None, "zprime", 20_000)
    template = event_template(folded, events, channels=["ee"])
    assert list(template.yields) == ["ee"]
    result = strength_limit([template])
    at_limit = event_template(folded, events, ["ee"], result.sigma_95_observed_fb)
    again = strength_limit([at_limit])
    assert again.cls_observed == pytest.approx(0.05, rel=0.01)
    assert again.mu_95_observed == pytest.approx(1.0, rel=2e-3)
    assert again.sigma_95_observed_fb == pytest.approx(result.sigma_95_observed_fb, rel=2e-3)


def test_templates_that_make_no_sense(paper_searches, ssm_events):
    folded = paper_searches[0]
    with pytest.raises(UnknownName, match="channel"):
        event_template(folded, ssm_events, ["tautau"])
    with pytest.raises(InputError, match="contain the Standard Model"):
        event_template(folded, replace(ssm_events, info={**ssm_events.info, "mode": "full"}))
    with pytest.raises(InputError, match="events at 8000 GeV"):
        event_template(folded, replace(ssm_events, info={**ssm_events.info, "sqrt_s_gev": 8000.0}))
    outside = replace(ssm_events, columns={**ssm_events.columns, "lminus_eta": ssm_events["lminus_eta"] + 20})
    with pytest.raises(InputError, match=r"no pair is inside .* \(3000 events: 3000 mu\+mu-\)"):
        event_template(folded, outside)
    negative = replace(ssm_events, columns={**ssm_events.columns, "weight": -np.abs(ssm_events["weight"])})
    with pytest.raises(LikelihoodError, match="no signal events"):
        strength_limit([event_template(folded, negative)])
    few = event_template(folded, ssm_events[:100])
    assert "statistical error" in few.warnings[0]
    cut_short = event_template(folded, replace(ssm_events, info={**ssm_events.info, "truncated": True}))
    assert any("cut short: 3000 complete events" in text for text in cut_short.warnings)


def test_fiducial_cuts(paper_searches, ssm_events):
    passed = fiducial(paper_searches[0].search, ssm_events)
    kept = ssm_events[passed]
    assert 0.5 < passed.mean() < 1
    assert np.abs(kept["lminus_eta"]).max() <= 2.5
    assert min(kept["lminus_pt"].min(), kept["lplus_pt"].min()) >= 30


@pytest.mark.parametrize("variable", LABELS)
def test_histograms(variable, ssm_events):
    """The same as NumPy, with sums of squared weights, over batches or at once; hist and ROOT objects."""
    filled = histogram(ssm_events, variable, bins=20)
    edges = filled.axes[0].edges
    values, weight = values_of(ssm_events, variable)
    np.testing.assert_allclose(filled.values(), np.histogram(values, edges, weights=weight)[0], atol=1e-15)
    np.testing.assert_allclose(filled.variances(), np.histogram(values, edges, weights=weight**2)[0], atol=1e-18)
    batches = (ssm_events[i : i + 1000] for i in range(0, 3000, 1000))
    np.testing.assert_allclose(histogram(batches, variable, edges).values(), filled.values(), atol=1e-15)


def test_histogram_files_and_selection(ssm_events, tmp_path):
    import uproot

    filled = histogram(ssm_events, "m_ll", [500, 2900, 3100, 6000], select=lambda e: e["y_ll"] > 0)
    assert filled.values().sum() == pytest.approx(
        ssm_events[(ssm_events["y_ll"] > 0) & (ssm_events["m_ll"] > 500)].cross_section_fb
    )
    path = write_root(tmp_path / "h.root", {"signal": filled})
    with uproot.open(path) as file:
        np.testing.assert_allclose(file["signal"].values(), filled.values())
        np.testing.assert_allclose(file["signal"].variances(), filled.variances())
    for edges in ([1.0], [2.0, 1.0], [0.0, np.nan]):
        with pytest.raises(InputError, match="edges"):
            histogram(ssm_events, "m_ll", edges)
    with pytest.raises(InputError, match="bins"):
        histogram(ssm_events, "m_ll", bins=0)
    with pytest.raises(UnknownName, match="did you mean 'm_ll'"):
        histogram(ssm_events, "mll")


def test_prediction_from_the_metadata_of_a_file():
    """With lepton cuts: every variable's rate is that of the sample within 4 standard deviations."""
    cuts = LeptonCuts(400.0, 2.0)
    model = load_model("ssm")
    source = event_source(model, 1000.0, 0.5, "full", order="lo", window_gev=(950.0, 1050.0), cuts=cuts, seed=4)
    events = source.events(200_000)
    for variable, edges in (
        ("m_ll", np.linspace(950, 1050, 21)),
        ("lepton_pt", np.linspace(400, 530, 21)),
        ("lminus_eta", np.linspace(-2, 2, 21)),
        ("y_ll", np.linspace(-2, 2, 21)),
        ("cos_theta_cs", np.linspace(-1, 1, 21)),
    ):
        filled = histogram(events, variable, edges)
        expected = predicted(events.info, variable, edges)
        # both leptons of an event enter the pt spectrum, with the same value
        variance = filled.variances() * (2 if variable == "lepton_pt" else 1)
        used = filled.values() > 20 * events["weight"][0]
        chi2 = ((filled.values() - expected)[used] ** 2 / variance[used]).sum()
        print(f"{variable}: chi2 {chi2:.1f}/{used.sum()}")
        assert chi2 < used.sum() + 5 * np.sqrt(2 * used.sum())
    with pytest.raises(InputError, match="not the one"):
        predicted({**events.info, "model_digest": "0"}, "m_ll", [950, 1050])
    for wrong in ({"parameters": None}, {"cuts": 3}, {"window_gev": [1.0]}):
        with pytest.raises(InputError, match="metadata do not describe one process"):
            predicted({**events.info, **wrong}, "m_ll", [950, 1050])
    with pytest.raises(InputError, match="does not say"):
        predicted({}, "m_ll", [950, 1050])
    with pytest.raises(UnknownName, match="prediction"):
        predicted(events.info, "x1", [0, 1])


@pytest.mark.pythia
def test_showers(ssm_events):
    """Without radiation the leptons come back as they were; with it the pair recoils and its mass falls a little."""
    pytest.importorskip("pythia8mc")
    from zprime_recast.events.shower import shower_events

    some = ssm_events[:150]
    quiet = shower_events(some, isr=False, fsr=False, settings=("BeamRemnants:primordialKT = off",))
    for name in ("lminus_pt", "lplus_eta", "m_ll"):
        np.testing.assert_allclose(quiet[name], some[name], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(quiet["weight"], some["weight"])
    loud = shower_events(some)
    ratio = loud["m_ll"] / some["m_ll"][: len(loud)] if len(loud) == len(some) else np.ones(1)
    pt = np.hypot(*(sum(loud[f"{n}_pt"] * f(loud[f"{n}_phi"]) for n in ("lminus", "lplus")) for f in (np.cos, np.sin)))
    assert loud.info["shower"]["events_lost"] == 0
    assert np.median(pt) > 5
    assert 0.9 < ratio.mean() <= 1 + 1e-9
    assert ratio.max() < 1 + 1e-6
    with pytest.raises(InputError, match="seed of Pythia"):
        shower_events(some, seed=0)
    with pytest.raises(InputError, match="does not know the setting"):
        shower_events(some, settings=("No:such = thing",))
    with pytest.raises(InputError, match="incoming partons"):
        shower_events(replace(some, columns={**some.columns, "id1": 0 * some["id1"]}))
