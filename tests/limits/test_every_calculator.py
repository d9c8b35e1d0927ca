"""Every calculator gives a verdict on a model, and says which one it was."""

from __future__ import annotations

import numpy as np
import pytest

import zprime_recast as zr
from zprime_recast.errors import InputError
from zprime_recast.limits.method import CALCULATORS

MASS, COUPLING = 4500.0, 0.3


@pytest.fixture(scope="module")
def verdicts(searches):
    return {name: zr.cls("elusive_bl", MASS, COUPLING, searches, calculator=name) for name in CALCULATORS}


def test_the_default_is_toys(searches, verdicts):
    default = zr.cls("elusive_bl", MASS, COUPLING, searches)
    assert default.cls_observed == verdicts["toys"].cls_observed
    assert default.provenance.calculator == "toys"


def test_shared_toys_agree_with_plain_ones(verdicts):
    """A few events at 4.5 TeV: 2,000 plain toys of each hypothesis know CLs = 0.06 to about 10 %; the asymptotic value
    is too small by more than that.
    """
    shared, plain, formula = (float(verdicts[name].cls_observed) for name in ("toys", "plain-toys", "asymptotic"))
    print(
        f"shared {shared:.4f}, plain {plain:.4f}, asymptotic {formula:.4f}, Bayes {verdicts['bayes'].cls_observed:.4f}"
    )
    assert shared == pytest.approx(plain, rel=0.3)
    assert formula < 0.7 * shared


def test_auto_is_toys_near_the_border(verdicts):
    assert verdicts["auto"].cls_observed == verdicts["toys"].cls_observed


def test_provenance_names_the_calculator(verdicts):
    for name, found in verdicts.items():
        origin = found.to_dict()["provenance"]
        assert origin["calculator"] == name
        toys = {"toys": 2500, "auto": 2500, "plain-toys": 2000}.get(name)
        assert (origin.get("n_toys"), origin.get("seed")) == ((toys, 1) if toys else (None, None))


def test_a_limit_of_auto_is_that_of_toys(searches):
    one, other = (zr.limit("elusive_bl", MASS, searches, calculator=name) for name in ("auto", "toys"))
    assert one.coupling_95_observed == other.coupling_95_observed
    np.testing.assert_array_equal(one.coupling_95_expected, other.coupling_95_expected)


def test_generic_limits_take_all_but_auto():
    with pytest.raises(InputError, match="calculator auto with fitter newton"):
        zr.resonance_limit("atlas-139fb-dilepton", 2000.0, 0.03, "ee", "auto")


def test_the_judge_is_asymptotic(searches):
    """pyhf's fits give asymptotic CLs: with another calculator they are refused, not ignored."""
    for name in ("toys", "auto", "plain-toys", "bayes"):
        with pytest.raises(InputError, match="with fitter pyhf"):
            zr.cls("elusive_bl", MASS, COUPLING, searches, calculator=name, fitter="pyhf")
