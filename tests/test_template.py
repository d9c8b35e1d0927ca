from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.errors import InputError
from zprime_recast.model.card import load_model
from zprime_recast.process.cross_section import sigma_br_narrow
from zprime_recast.searches.acceptance import acceptance_at
from zprime_recast.searches.response import efficiency, response_matrix
from zprime_recast.searches.spectrum import load_spectrum
from zprime_recast.signal.fold import fold_search
from zprime_recast.signal.reference import signal_template
from zprime_recast.signal.resonance import resonance_template


def expected_events(folded, model, mass, g, pdf, channel_name):
    """Narrow state by hand: luminosity x sum_q sigma_q B a_q(M) x eps(M) x P(reconstructed inside the spectrum)."""
    channel = folded.search.channel(channel_name)
    lumi = folded.lumi
    total = float(sigma_br_narrow(model, mass, g, lumi))
    partial = np.array([model.couplings(q)[0] ** 2 + model.couplings(q)[1] ** 2 for q in ("d", "u", "s", "c", "b")])
    share = partial * lumi(np.array(mass))
    accepted = total * (share / share.sum()) @ acceptance_at(pdf, folded.search.fiducial, mass, 13000.0)
    at = np.array([mass])
    inside = response_matrix(channel, at).sum()
    return channel.int_lumi_fb * accepted * float(efficiency(channel, at)[0]) * inside


@pytest.mark.parametrize("model_id", ["elusive_bl", "ssm", "e6_chi"])
@pytest.mark.parametrize("mass", [400.0, 1234.5, 4000.0])
def test_narrow_state_has_the_expected_yield(paper_searches, pdf, model_id, mass):
    """Sum over bins of |Z'|^2 at Gamma/M = 1e-8 against the formula, width forced: 1e-4 + the acceptance table's 5e-4."""
    (folded,) = paper_searches
    model = load_model(model_id)
    g = 0.1
    from zprime_recast.model.widths import decay_widths

    gamma = 1e-8 * mass
    template = signal_template(folded, model, mass, g, interference=False, gamma_gev=gamma).yields
    rescale = gamma / float(decay_widths(model, mass, g).total_gev)  # sigma B goes as 1/Gamma at fixed couplings
    for name in ("ee", "mumu"):
        expected = expected_events(folded, model, mass, g, pdf, name)
        assert template[name].sum() * rescale == pytest.approx(expected, rel=6e-4)


def test_narrow_state_sums_exactly_on_its_own_acceptance(searches):
    """The same closure with acceptance and luminosity read from the folded nodes: 1e-4 (seen 1e-6)."""
    (folded,) = searches
    model = load_model("elusive_bl")
    from zprime_recast.process.couplings import coupling_products

    for mass in (300.0, 1000.0, 2718.3, 5500.0):
        gamma = 1e-8 * mass
        nodes, shares = (a[0] for a in folded.grid.values_at(np.array([mass])))
        rate = folded.parton_rate[0][:, nodes] @ shares
        events = coupling_products(model).summed.zprime_squared @ rate * 0.1**4 * np.pi / (mass * gamma)
        template = signal_template(folded, model, mass, 0.1, interference=False, gamma_gev=gamma).yields
        detector = folded.fold("ee").detector[nodes].sum(axis=1) @ shares
        assert template["ee"].sum() == pytest.approx(events * detector, rel=1e-4)


def test_narrow_template_does_not_depend_on_its_width(searches):
    """Bin by bin, Gamma/M = 1e-8 against 1e-6, sigma B held: 1e-4 of the largest bin (seen 4e-6)."""
    (folded,) = searches
    model = load_model("elusive_bl")
    for mass in (300.0, 1000.0, 3141.6):
        a, b = (signal_template(folded, model, mass, 0.1, False, gamma_gev=w * mass).yields for w in (1e-8, 1e-6))
        for name in ("ee", "mumu"):
            np.testing.assert_allclose(100 * b[name], a[name], atol=1e-4 * a[name].max())


def test_panels_are_fine_enough(paper_searches, monkeypatch, pdf, lumi):
    """Templates of narrow and wide states with panels of half the width: 1e-4 of the largest bin."""
    import zprime_recast.signal.fold as module

    monkeypatch.setattr(module, "PANEL_WIDTH", 0.004)
    fine = fold_search(load_spectrum("atlas-139fb-dilepton"), pdf, lumi)
    model = load_model("ssm")
    for mass, g in ((400.0, 0.01), (2000.0, 0.7), (5000.0, 1.5)):
        a, b = (signal_template(f, model, mass, g).yields for f in (paper_searches[0], fine))
        for name in ("ee", "mumu"):
            np.testing.assert_allclose(a[name], b[name], atol=1e-4 * np.abs(b[name]).max())


def test_wide_template_equals_brute_force(paper_searches, lumi, pdf):
    """Gamma/M = 10 %: folding dsigma/dm on 40,000 points of true mass with the response: 1e-3 of the largest bin."""
    from zprime_recast.process.cross_section import spectrum
    from zprime_recast.searches.acceptance import acceptance

    (folded,) = paper_searches
    model, mass, g = load_model("minimal_bl"), 2500.0, 0.7
    edges = np.geomspace(130, 12350, 40001)
    m = np.sqrt(edges[1:] * edges[:-1])
    a = acceptance(pdf, folded.search.fiducial, m, lumi)
    for interference, component in ((True, "signal"), (False, "zprime")):
        template = signal_template(folded, model, mass, g, interference).yields
        per_bin = spectrum(model, mass, g, m, lumi, component) * np.diff(edges)
        # B-L couples to all quarks alike up to the interference's up/down difference: weight acceptances by rate
        up = make_flavor_only(model, mass, g, m, lumi, component, ("u", "c"))
        average = (up * a[1] + (per_bin / np.diff(edges) - up) * a[0]) * np.diff(edges)
        channel = folded.search.channel("ee")
        brute = channel.int_lumi_fb * (average * efficiency(channel, m)) @ response_matrix(channel, m)
        np.testing.assert_allclose(template["ee"], brute, atol=0.01 * np.abs(brute).max())


def make_flavor_only(model, mass, g, m, lumi, component, flavors):
    """dsigma/dm from some quark flavours only."""
    from dataclasses import replace

    from zprime_recast.partons.pairs import FLAVORS
    from zprime_recast.process.cross_section import spectrum

    keep = np.array([f in flavors for f in FLAVORS])[:, None]
    total = lumi.values.sum(axis=0)
    shares = np.where(keep, lumi.values, 1e-12 * total)
    return spectrum(model, mass, g, m, replace(lumi, values=shares), component)


def test_hypotheses_broadcast(searches):
    (folded,) = searches
    model = load_model("elusive_bl")
    many = signal_template(folded, model, np.array([[800.0], [1600.0]]), np.array([0.01, 0.05, 0.2])).yields
    assert many["ee"].shape == (2, 3, 100)
    one = signal_template(folded, model, 1600.0, 0.05).yields
    np.testing.assert_allclose(many["mumu"][1, 1], one["mumu"], rtol=1e-12)


def test_interference_shifts_events_below_the_peak(searches):
    (folded,) = searches
    model = load_model("elusive_bl")
    with_it, without = (signal_template(folded, model, 3000.0, 0.3, i).yields["ee"] for i in (True, False))
    assert (without >= 0).all()
    assert (with_it < 0).any()
    peak = np.argmax(without)
    assert with_it[peak] == pytest.approx(without[peak], rel=0.1)


def test_zero_coupling_limit_is_pure_interference(searches):
    """Off the peak the signal goes as g^2 when g falls: the interference."""
    (folded,) = searches
    model = load_model("elusive_bl")
    a, b = (signal_template(folded, model, 4000.0, g, gamma_gev=1.0).yields["ee"][40] for g in (1e-3, 2e-3))
    assert b / a == pytest.approx(4, rel=1e-3)


def test_generic_template(searches):
    (folded,) = searches
    narrow, nearly = (resonance_template(folded, 1000.0, w).yields for w in (0.0, 1e-7))
    for name in ("ee", "mumu"):
        channel = folded.search.channel(name)
        np.testing.assert_allclose(narrow[name], nearly[name], atol=1e-5 * narrow[name].max())
        assert narrow[name].sum() == pytest.approx(139 * efficiency(channel, np.array([1000.0]))[0], rel=1e-4)
    wide = resonance_template(folded, 1000.0, 0.1).yields["ee"]
    edges = folded.search.channel("ee").edges_gev
    assert wide[edges[1:] < 1000 * (1 - 2 * 0.1) * 0.9].sum() < 0.02 * wide.sum()  # cut at M - 2 Gamma, then smeared
    assert wide.max() < 0.3 * narrow["ee"].max()


def test_folding_without_a_pdf_knows_no_models():
    folded = fold_search(load_spectrum("atlas-139fb-dilepton"))
    with pytest.raises(ValueError, match="without a PDF set"):
        signal_template(folded, load_model("ssm"), 1000.0, 0.1)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_bad_hypotheses(searches, bad):
    model = load_model("ssm")
    for arguments in ((bad, 0.1), (1000.0, bad)):
        with pytest.raises(InputError):
            signal_template(searches[0], model, *arguments)
