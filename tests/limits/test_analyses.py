"""Analyses as one object: no search stands for all, and natural calls are understood or refused in one line."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import zprime_recast as zr
from zprime_recast.errors import InputError, LikelihoodError, RangeError, UnknownName
from zprime_recast.limits.analyses import Analyses, load_analyses
from zprime_recast.model.make import make_model
from zprime_recast.partons.pdf import PAPER_SET
from zprime_recast.process.cross_section import sigma_br_narrow
from zprime_recast.searches.search import find_search


@pytest.fixture(scope="module")
def two_energies(own_folders, tmp_path_factory):
    """The CMS search as it is, and as if it had been made at 10 TeV."""
    folder = tmp_path_factory.mktemp("searches") / "cms-at-10-tev"
    shutil.copytree(find_search("cms-140fb-dilepton"), folder)
    text = (folder / "card.toml").read_text()
    assert "sqrt_s_gev = 13000.0" in text
    text = text.replace("sqrt_s_gev = 13000.0", "sqrt_s_gev = 10000.0").replace(
        'id = "cms-140fb-dilepton"', 'id = "cms-at-10-tev"'
    )
    (folder / "card.toml").write_text(text)
    return load_analyses(["cms-140fb-dilepton", folder], PAPER_SET, order="lo", theory=False)


def test_the_order_of_analyses_changes_no_number(two_energies):
    """Limits, rates, CLs, tables and provenance: the same in either order; rates are quoted at the highest energy."""
    swapped = Analyses(tuple(reversed(two_energies.prepared)))
    for model, mass in (("minimal_bl", 2000.0), ("ssm", 3500.0)):
        one, other = (zr.limit(model, mass, a, calculator="asymptotic") for a in (two_energies, swapped))
        np.testing.assert_allclose(one.coupling_95_observed, other.coupling_95_observed, rtol=1e-9)
        np.testing.assert_allclose(one.sigma_br_95_observed_fb, other.sigma_br_95_observed_fb, rtol=1e-9)
        assert one.sigma_br_sqrt_s_gev == other.sigma_br_sqrt_s_gev == 13000.0
        lumi = two_energies.luminosities_by_energy[13000.0]
        rate = sigma_br_narrow(zr.load_model(model), mass, one.coupling_95_observed, lumi)
        assert one.sigma_br_95_observed_fb == pytest.approx(float(rate), rel=1e-9)
    table = {"mass_gev": [1500.0, 3000.0], "coupling": [0.02, 0.1]}
    one, other = (zr.evaluate(table, a, "ssm", calculator="asymptotic") for a in (two_energies, swapped))
    for name in ("cls_observed", "cls_expected", "loglike", "sigma_br_fb", "loglike_cms-at-10-tev"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9)
    assert two_energies.provenance().to_dict()["sqrt_s_gev"] == swapped.provenance().to_dict()["sqrt_s_gev"]
    assert list(two_energies.luminosities_by_energy) == [10000.0, 13000.0]


def test_rates_are_of_the_flavour_that_couples(searches):
    """B - 3 L_3 + L_mu - L_tau couples to no electron: limits, tables and cross-sections are of muons, and say so."""
    charges = {"q_left": "1/3", "u_right": "1/3", "d_right": "1/3"}
    of = {2: {"l_left": 1, "e_right": 1}, 3: {"l_left": -4, "e_right": -4}}
    model = make_model("no_electrons", charges, generations=of, u1=False)
    limit = zr.limit(model, 2500.0, searches)
    assert limit.sigma_br_flavor == "mumu"
    assert limit.sigma_br_95_observed_fb > 0
    rate = zr.cross_section(model, 2500.0, float(limit.coupling_95_observed), searches.luminosities)
    assert rate.lepton == "mu"
    assert rate.sigma_br_fb == pytest.approx(float(limit.sigma_br_95_observed_fb), rel=1e-9)
    assert 1 < rate.k_factor < 1.6
    rows = zr.evaluate({"mass_gev": [2500.0], "coupling": [0.05]}, searches, model)
    assert rows["sigma_br_ee_fb"][0] == 0
    assert rows["sigma_br_fb"][0] == rows["sigma_br_mumu_fb"][0] > 0
    assert rows["sigma_br_tautau_fb"][0] == pytest.approx(16 * rows["sigma_br_mumu_fb"][0], rel=1e-4)
    assert rows["sigma_br_flavor"][0] == "mumu"
    assert rows["br_ll"][0] == rows["br_mumu"][0]
    assert zr.contour(model, [2500.0], searches).to_dict()["sigma_br_flavor"] == "mumu"


def test_a_limit_curve_is_an_analysis_like_any_other():
    """The same calls answer, refuse what they cannot honour, and say what they are."""
    curve = load_analyses("atlas-36fb-dilepton")
    verdict = zr.cls("ssm", [1500.0, 3000.0], 0.3, curve)
    assert verdict.signal_over_limit_observed.shape == (2,)
    assert np.isnan(verdict.cls_observed).all()
    assert verdict.excluded.any()
    origin = verdict.to_dict()["provenance"]
    assert (origin["interference"], origin["calculator"]) == (False, "limit-curve")
    assert np.isfinite(zr.limit("ssm", 3000.0, curve).coupling_95_observed)
    for call in (
        lambda: zr.cls("ssm", 3000.0, 0.3, curve, calculator="toys"),
        lambda: zr.limit("ssm", 3000.0, curve, fitter="pyhf"),
        lambda: zr.evaluate({"mass_gev": [3000.0], "coupling": [0.3]}, curve, "ssm"),
        lambda: zr.workspace("ssm", 3000.0, 0.3, curve),
        lambda: zr.Likelihood(curve, "ssm"),
    ):
        with pytest.raises(InputError, match="limit curve"):
            call()


def test_natural_calls_are_understood(searches):
    """Models and analyses by name, one or several masses, no analyses at all."""
    many = zr.limit("ssm", [2000.0, 3000.0], searches)
    assert many.coupling_95_expected.shape == (2, 5)
    one = zr.limit("ssm", 3000, "atlas-139fb-dilepton")
    assert one.coupling_95_observed == pytest.approx(many.coupling_95_observed[1], rel=1e-9)
    assert one.mass_gev.shape == ()
    assert f"{one.coupling_95_observed:.3f}"
    assert zr.load_analyses().ids == ("atlas-139fb-dilepton", "cms-140fb-dilepton")
    assert json.loads(json.dumps(many.to_dict(), allow_nan=False))["mass_gev"] == [2000.0, 3000.0]
    assert len(many.columns()["coupling_95_expected_p2s"]) == 2
    plane = zr.cls("ssm", [[2000.0], [3000.0]], [0.01, 0.1, 0.5], searches)
    assert plane.excluded.shape == (2, 3)
    assert {len(column) for column in plane.columns().values()} == {6}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: zr.limit("smm", 2000.0, a), UnknownName, "did you mean 'ssm'"),
        (lambda a: zr.limit("ssm", "heavy", a), InputError, "mass_gev must be a number"),
        (lambda a: zr.limit("ssm", [2000.0, None], a), InputError, "mass_gev must be"),
        (lambda a: zr.limit("ssm", -1.0, a), InputError, "mass_gev must be finite and > 0"),
        (lambda a: zr.limit("ssm", 9000.0, a), RangeError, "250 to 6000"),
        (lambda a: zr.limit("ssm", 2000.0, []), InputError, "one or more different analyses"),
        (lambda a: zr.limit("ssm", 2000.0, ["atlas-139fb-dilepton"] * 2), InputError, "different analyses"),
        (lambda a: zr.limit("ssm", 2000.0, "atlas"), UnknownName, "atlas"),
        (
            lambda a: zr.limit("ssm", 2000.0, ["atlas-139fb-dilepton", "cms-36fb-dijet"]),
            InputError,
            "cannot be combined",
        ),
        (
            lambda a: zr.limit("ssm", 2000.0, a, calculator="toys", fitter="pyhf"),
            InputError,
            "calculator toys with fitter pyhf: a verdict on a model takes",
        ),
        (lambda a: zr.cls("ssm", 2000.0, 0.1, a, calculator="frequentist"), UnknownName, "calculator"),
        (lambda a: zr.cls("ssm", 2000.0, 0.1, a, fitter="minuit"), UnknownName, "fitter"),
        (lambda a: zr.cls("ssm", 2000.0, 30.0, a), InputError, "Gamma/M ="),
        (lambda a: zr.contour("ssm", [3000.0, 2000.0], a), InputError, "ascend"),
        (lambda a: zr.Likelihood(a, "elusive_bl").loglike(2000.0, {"guL": 0.1}), InputError, "guL"),
        (lambda a: zr.Likelihood(a).loglike(2000.0, {"guL": 0.1}), InputError, "guL"),
        (lambda a: zr.Likelihood(a).loglike(2000.0, {"speed": 0.1}), InputError, "speed"),
        (
            lambda a: zr.evaluate({"mass_gev": [2e3], "coupling": [0.1], "mchi": [1e3]}, a, "elusive_bl"),
            InputError,
            "m_chi",
        ),
        (
            lambda a: zr.evaluate({"mass_gev": [2e3], "coupling": [0.1], "gamma_gev": [9.0]}, a, "ssm"),
            InputError,
            "gamma_gev",
        ),
        (
            lambda a: zr.evaluate({"mass_gev": [2e3], "coupling": [0.1], "excluded": [1]}, a, "ssm"),
            InputError,
            "excluded",
        ),
    ],
)
def test_other_calls_are_refused_in_one_line(searches, call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(searches)
    assert "\n" not in str(caught.value)


def test_a_failing_mass_is_named(elusive, searches):
    with pytest.raises((InputError, LikelihoodError), match="gamma_extra"):
        zr.limit(elusive.with_parameters(gamma_extra=400.0), [500.0, 2000.0], searches)
