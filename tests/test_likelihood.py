"""Theory uncertainties of the signal, from the luminosities to the modifiers of the workspace."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.likelihood.binned import binned_likelihood
from zprime_recast.likelihood.workspace import build_workspace, workspace_of
from zprime_recast.model.card import load_model


def test_theory_changes_enter_as_shared_nuisances(elusive, searches):
    """Each theory nuisance acts on every bin with signal by the factors of the template, on deficits by none; the
    change of a bin is that of the luminosities at the masses that fill it.
    """
    from zprime_recast.signal.reference import signal_template

    (folded,) = searches
    template = signal_template(folded, elusive, 5000.0, 0.5)
    spec = build_workspace([template])
    for name in ("ee", "mumu"):
        channels = [c for c in spec["channels"] if f"_{name}_" in c["name"]]
        for j in (10, 60, 95):
            signal = channels[j]["samples"][0]
            data = {m["name"]: m["data"] for m in signal["modifiers"]}
            for k, nuisance in enumerate(template.nuisances):
                affected = next((u.channels for u in folded.search.uncertainties if nuisance.endswith(u.name)), (name,))
                if name not in affected:
                    assert nuisance not in data
                    continue
                up = template.changes[name][k, j] if template.yields[name][j] > 0 else 0.0
                assert data[nuisance]["hi"] == pytest.approx(np.exp(up), rel=1e-12)
        assert (template.yields[name][[10, 60]] < 0).all()
    # the peak's PDF change is that of the rate at 5 TeV, the tail's that at lower masses
    up = folded.theory.at(np.array([1000.0, 5000.0]))
    size = np.sqrt((template.changes["ee"][: len(folded.theory.names) - 1] ** 2).sum(axis=0))
    at_peak = np.sqrt((up[:-1, 1, 1] ** 2).sum())
    assert size[97] == pytest.approx(at_peak, rel=0.25)
    assert size[40] < 0.25 * size[97]


def test_narrow_state_changes_as_its_luminosity(searches):
    """A narrow state at 3 TeV: every bin has the change of the rate at 3 TeV, to 3 % of it (groups of nodes)."""
    from zprime_recast.signal.reference import signal_template

    (folded,) = searches
    model = load_model("ssm")
    template = signal_template(folded, model, 3000.0, 0.1, interference=False, gamma_gev=0.03)
    filled = template.yields["ee"] > 1e-3 * template.yields["ee"].max()
    up = folded.theory.at(np.array([3000.0]))
    rate = np.array([sum(g**2 for g in model.couplings(q)) for q in ("d", "u", "s", "c", "b")]) * folded.lumi(3000.0)
    for k in range(len(folded.theory.names)):
        expected = float(up[k, :, 0] @ rate / rate.sum())
        assert template.changes["ee"][k, filled] == pytest.approx(expected, abs=0.002)


def test_hypotheses_together_are_the_workspaces_of_each(elusive, searches):
    """Three couplings in one likelihood; the workspace of each is the one built for it alone, modifier by modifier."""
    from zprime_recast.signal.reference import signal_template

    (folded,) = searches
    couplings = np.array([0.01, 0.1, 0.4])
    together = binned_likelihood([signal_template(folded, elusive, 3000.0, couplings)])
    assert together.signal.shape == (3, 200)
    assert len(together.nuisances) == len(folded.search.uncertainties) + 7 + 12
    for i, g in enumerate(couplings):
        alone = build_workspace([signal_template(folded, elusive, 3000.0, g)])
        both = workspace_of(together, i)
        assert [c["name"] for c in both["channels"]] == [c["name"] for c in alone["channels"]]
        assert both["measurements"][0]["config"]["parameters"][0]["bounds"][0][1] == pytest.approx(together.mu_max[i])
        for a, b in zip(both["channels"], alone["channels"], strict=True):
            for one, other in zip(a["samples"], b["samples"], strict=True):
                assert [m["name"] for m in one["modifiers"]] == [m["name"] for m in other["modifiers"]]
                np.testing.assert_allclose(one["data"], other["data"], rtol=1e-9)
                for m, n in zip(one["modifiers"], other["modifiers"], strict=True):
                    if m["type"] == "normsys":
                        np.testing.assert_allclose([*m["data"].values()], [*n["data"].values()], rtol=1e-9)


def test_a_bad_hypothesis_does_not_spoil_the_others(searches):
    from zprime_recast.errors import LikelihoodError
    from zprime_recast.signal.signal import Signal

    search = searches[0].search
    yields = np.ones((3, 100))
    yields[1, 60] = np.nan
    yields[2, 60] = -2 * search.channel("ee").bkg[60]
    likelihood = binned_likelihood([Signal(search, {"ee": yields})])
    assert [i for i, _ in likelihood.faults] == [1, 2]
    assert np.isfinite(likelihood.signal).all()
    workspace_of(likelihood, 0)
    with pytest.raises(LikelihoodError, match="not finite"):
        workspace_of(likelihood, 1)
