"""Searches that cover different masses: each takes part where it can, and results say which did."""

from __future__ import annotations

import numpy as np
import pytest

import zprime_recast as zr
from zprime_recast.errors import RangeError
from zprime_recast.limits.contour import contour

ATLAS, CMS = "atlas-139fb-dilepton", "cms-140fb-dilepton"


@pytest.fixture(scope="module")
def both(own_folders):
    return zr.load_analyses()


@pytest.fixture(scope="module")
def atlas(both):
    return both.some((0,))


def test_a_combination_covers_the_union(both):
    assert both.mass_range_gev == (250.0, 6000.0)
    assert both.used_at(np.array([5500.0, 5501.0])) == ((ATLAS, CMS), (ATLAS,))
    with pytest.raises(RangeError, match="6100 GeV is outside"):
        zr.limit("ssm", [5000.0, 6100.0], both)


@pytest.mark.parametrize("calculator", ["asymptotic", "toys"])
def test_beyond_the_end_of_a_search_the_limit_is_that_of_the_others(both, atlas, calculator):
    """At 5.8 TeV the combination of both is ATLAS alone; at 5.4 TeV it is stronger."""
    whole, alone = (zr.limit("ssm", [5400.0, 5800.0], some, calculator=calculator) for some in (both, atlas))
    assert whole.coupling_95_observed[1] == pytest.approx(alone.coupling_95_observed[1], rel=1e-9)
    np.testing.assert_allclose(whole.coupling_95_expected[1], alone.coupling_95_expected[1], rtol=1e-9)
    assert whole.coupling_95_expected[0, 2] < 0.9 * alone.coupling_95_expected[0, 2]
    assert whole.analyses_used == ((ATLAS, CMS), (ATLAS,))
    assert [mass for mass, text in whole.warnings if CMS in text] == [5800.0]
    assert not [text for _, text in alone.warnings if "takes no part" in text]
    assert zr.limit("ssm", 5800.0, both, calculator="asymptotic").to_dict()["analyses_used"] == [ATLAS]


def test_verdicts_and_workspaces_are_of_the_searches_that_cover_the_mass(both, atlas):
    verdict, alone = (zr.cls("ssm", [5400.0, 5800.0], 0.8, some, calculator="asymptotic") for some in (both, atlas))
    assert verdict.cls_observed[1] == pytest.approx(alone.cls_observed[1], rel=1e-9)
    assert verdict.cls_observed[0] < alone.cls_observed[0]
    assert any(CMS in text for text in verdict.warnings)
    channels = [
        {c["name"].rsplit("_", 2)[0] for c in zr.workspace("ssm", m, 0.5, both)["channels"]} for m in (5400, 5800)
    ]
    assert len(channels[0]) > len(channels[1])


def test_tables_and_samplers_count_the_data_of_a_search_that_ended_as_standard_model(both, atlas):
    """ln L is of the same data on both sides of the end, so that a sampler may cross it."""
    likelihood = zr.Likelihood(both, "ssm")
    inside, beyond = likelihood.loglikes([5499.0, 5501.0], 0.5)
    ratio = zr.Likelihood(atlas, "ssm").loglike(5501.0, 0.5) - zr.Likelihood(atlas, "ssm").loglike_sm
    assert beyond - likelihood.loglike_sm == pytest.approx(ratio, abs=1e-6)
    assert inside != pytest.approx(beyond, abs=0.1)
    assert likelihood.loglike(6001.0, 0.5) == -np.inf
    table = zr.evaluate({"mass_gev": [5499.0, 5501.0, 6001.0], "coupling": [0.5] * 3}, both, "ssm")
    np.testing.assert_allclose(table["loglike"][:2], [inside, beyond], atol=1e-6)
    np.testing.assert_allclose(table["loglike_sm"][:2], likelihood.loglike_sm, atol=1e-6)
    assert np.isfinite(table[f"loglike_{CMS}"]).tolist() == [True, False, False]
    assert np.isfinite(table[f"loglike_{ATLAS}"]).tolist() == [True, True, False]
    assert [CMS in text for text in table["warning"]] == [False, True, False]
    assert "6001 GeV is outside" in table["error"][2]


def test_a_contour_says_once_where_a_search_ends_and_how_far_the_limit_steps(both):
    found = contour("ssm", [5300.0, 5500.0, 5501.0, 5800.0], both, calculator="asymptotic")
    (note,) = [(mass, text) for mass, text in found.warnings if "takes no part" in text]
    assert note[0] == 5501.0
    steps = f"from {found.coupling_95_observed[1]:.3g} to {found.coupling_95_observed[2]:.3g}"
    assert f"{CMS} covers 250 to 5500 GeV" in note[1]
    assert steps in note[1]
    assert found.to_dict()["analyses_used"] == [[ATLAS, CMS]] * 2 + [[ATLAS]] * 2
