"""Distributions of our events against pythia8mc at process level: same PDF set, couplings, width, alpha_em."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2 as chi2_distribution

from zprime_recast.events.sample import event_source
from zprime_recast.model.card import load_model
from zprime_recast.partons.pdf import PAPER_SET

pythia8 = pytest.importorskip("pythia8mc")
pytestmark = pytest.mark.pythia

#: model, mass, coupling, window (GeV), mode of ours and of Pythia
CASES = [
    ("ssm", 2000.0, None, (600.0, 2600.0), "full", 0),
    pytest.param("e6_chi", 1500.0, None, (1200.0, 1800.0), "zprime", 3, marks=pytest.mark.slow),
]
EVENTS = 60_000


def pythia_leptons(pythia, n):
    """Momenta of e- and e+ and which beam the quark came from, (n, 4), (n, 4), (n,)."""
    rows = []
    while len(rows) < n:
        if not pythia.next():
            continue
        process = pythia.process
        electron = next(p for p in process if p.id() == 11)
        positron = next(p for p in process if p.id() == -11)
        rows.append([f() for p in (electron, positron) for f in (p.px, p.py, p.pz, p.e)] + [process[3].id()])
    rows = np.array(rows)
    return rows[:, :4], rows[:, 4:8], rows[:, 8]


def two_samples(ours, theirs, edges):
    a, b = np.histogram(ours, edges)[0], np.histogram(theirs, edges)[0]
    used = (a + b > 40) & (b > 5)
    a, b = a[used], b[used]
    ratio = np.sqrt(b.sum() / a.sum())
    return float(((a * ratio - b / ratio) ** 2 / (a + b)).sum()), int(used.sum()) - 1


@pytest.mark.parametrize(("model_id", "mass", "coupling", "window", "mode", "gmz_mode"), CASES)
def test_distributions_agree_with_pythia(model_id, mass, coupling, window, mode, gmz_mode, pdf):
    from test_pythia import make_pythia

    from zprime_recast.events.records import from_momenta

    model = load_model(model_id).with_parameters(running_width=1)  # as Pythia has it
    coupling = coupling or model.reference_coupling
    source = event_source(model, mass, coupling, mode, pdf=PAPER_SET, order="lo", window_gev=window, seed=6)
    ours = source.events(600_000)
    pythia = make_pythia(model, mass, coupling, window, gmz_mode, 21)
    lminus, lplus, first = pythia_leptons(pythia, EVENTS)
    theirs = from_momenta(lminus, lplus, np.ones(EVENTS), {})
    info = pythia.infoPython()
    rate, error = info.sigmaGen() * 1e12, info.sigmaErr() * 1e12
    print(f"{model_id}: rate {source.cross_section_fb / rate - 1:+.4f} +- {error / rate:.4f}")
    assert abs(source.cross_section_fb / rate - 1) < 0.005 + 3 * error / rate
    edges = {
        "m_ll": np.linspace(*window, 41),
        "y_ll": np.linspace(-3, 3, 31),
        "cos_theta_cs": np.linspace(-1, 1, 31),
        "lminus_pt": np.linspace(0, 0.6 * mass, 31),
        "lminus_eta": np.linspace(-4, 4, 31),
        "lplus_eta": np.linspace(-4, 4, 31),
    }
    for variable, at in edges.items():
        statistic, ndf = two_samples(ours[variable], theirs[variable], at)
        p = float(chi2_distribution.sf(statistic, ndf))
        print(f"  {variable}: chi2 {statistic:.1f}/{ndf}, p = {p:.3f}")
        assert p > 1e-4, variable
    flavors = [np.bincount(np.abs(ids).astype(int), minlength=6)[1:6] for ids in (ours["id1"], first)]
    share = flavors[0] / len(ours), flavors[1] / EVENTS
    np.testing.assert_allclose(share[0], share[1], atol=0.008)
    forward_backward(ours, theirs, "m_ll", np.linspace(*window, 9))
    forward_backward(ours, theirs, "y_ll", np.array([0, 0.3, 0.6, 0.9, 1.2, 1.6, 2.4]), absolute=True)


def forward_backward(ours, theirs, variable, edges, absolute=False):
    """A_FB in bins of mass or |rapidity|: (forward - backward)/(forward + backward) in the Collins-Soper frame."""
    asymmetry, error = [], []
    for events in (ours, theirs):
        values = np.abs(events[variable]) if absolute else events[variable]
        forward, backward = (
            np.histogram(values[side], edges)[0] for side in (events["cos_theta_cs"] > 0, events["cos_theta_cs"] < 0)
        )
        total = np.maximum(forward + backward, 1)
        asymmetry.append((forward - backward) / total)
        error.append(1 / np.sqrt(total))
    filled = error[1] < 0.2
    pull = ((asymmetry[0] - asymmetry[1]) / np.hypot(*error))[filled]
    print(f"  A_FB in {variable}: {np.round(asymmetry[0][filled], 3)}, chi2 {(pull**2).sum():.1f}/{len(pull)}")
    assert chi2_distribution.sf((pull**2).sum(), len(pull)) > 1e-3
