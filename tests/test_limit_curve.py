from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.errors import CardError
from zprime_recast.limits.analyses import Analyses
from zprime_recast.limits.curve import FoldedCurve
from zprime_recast.limits.hypothesis import limit
from zprime_recast.model.card import load_model
from zprime_recast.process.cross_section import sigma_br_narrow
from zprime_recast.searches.limit_curve import read_limit_curve
from zprime_recast.searches.search import list_analyses


@pytest.fixture(scope="module")
def curve():
    return read_limit_curve(list_analyses()["atlas-36fb-dilepton"])


def curve_coupling(curve, model, lumi):
    """Observed g_95 at the masses of the curve."""
    return limit(model, curve.mass_gev, Analyses((FoldedCurve(curve, lumi),))).coupling_95_observed


def crossing(curve, model, lumi):
    g = curve_coupling(curve, model, lumi)
    i = int(np.nonzero(g < model.reference_coupling)[0][-1])
    fraction = np.log(model.reference_coupling / g[i]) / np.log(g[i + 1] / g[i])
    return curve.mass_gev[i] + fraction * (curve.mass_gev[i + 1] - curve.mass_gev[i])


@pytest.mark.parametrize(
    ("model_id", "atlas_tev", "tolerance"), [("ssm", 4.5, 0.05), ("e6_psi", 3.8, 0.2), ("e6_chi", 4.1, 0.2)]
)
def test_mass_limits_of_2017(curve, lumi, model_id, atlas_tev, tolerance):
    """ATLAS arXiv:1707.02424: SSM 4.5, psi 3.8, chi 4.1 TeV; seen 4.54, 3.95, 4.11."""
    found = crossing(curve, load_model(model_id), lumi)
    print(f"{model_id}: {found:.0f} GeV")
    assert found / 1000 == pytest.approx(atlas_tev, abs=tolerance)


def test_coupling_gives_the_limit_back(curve, lumi, elusive):
    """sigma x BR at g_95 is the ratio times the SSM rate, with and without extra width."""
    ssm = load_model("ssm")
    published = curve.limit_obs[:, 0] * sigma_br_narrow(ssm, curve.mass_gev, ssm.reference_coupling, lumi)
    for model in (elusive, elusive.with_parameters(gamma_extra=20.0, m_chi=300.0)):
        g = curve_coupling(curve, model, lumi)
        found = np.isfinite(g)
        assert found.sum() > 50
        np.testing.assert_allclose(
            sigma_br_narrow(model, curve.mass_gev[found], g[found], lumi), published[found], rtol=1e-8
        )


def test_139_fb_is_stronger_than_36_fb(curve, lumi, searches, elusive):
    """Expected: the limit on sigma x BR improves by about the luminosity ratio where nothing is seen (3.9 at 4 TeV)."""
    old = float(np.interp(4000.0, curve.mass_gev, curve_coupling(curve, elusive, lumi)))
    new = limit(elusive, 4000.0, searches).coupling_95_expected[2]
    assert 1.3 < old / new < 2.6


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("card.toml", "limit-curve", "curve", "kind: found 'curve'"),
        ("card.toml", "ratio_to_ssm.csv", "none.csv", "expected an existing file"),
        ("card.toml", "notes", "note", "note: found an unknown key"),
        ("ratio_to_ssm.csv", "gamma_over_m,limit", "width,limit", "column gamma_over_m"),
        ("ratio_to_ssm.csv", "200,", "-200,", "masses > 0"),
    ],
)
def test_broken_folders(curve, tmp_path, file, old, new, message):
    import shutil

    folder = shutil.copytree(list_analyses()["atlas-36fb-dilepton"], tmp_path / "mine")
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(CardError, match=message):
        read_limit_curve(folder)
