"""Calculators of verdicts and limits: the same toys for every command, and each calculator where it can be used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

import zprime_recast as zr
from zprime_recast.errors import InputError, UnknownName
from zprime_recast.limits.crossings import Crossings
from zprime_recast.limits.method import CALCULATORS, Method
from zprime_recast.limits.refined import refined_crossings, straightened

ATLAS = "atlas-139fb-dilepton"
TOYS = 600


@pytest.fixture(scope="module")
def atlas():
    return zr.load_analyses(ATLAS)


def test_cls_at_the_limit_is_five_per_cent(atlas):
    """The default limit against the default CLs of the same hypothesis: the same toys, so 1 % (of CLs, 0.15 % of g)."""
    limit = zr.limit("e6_psi", 4200.0, atlas, n_toys=TOYS)
    assert limit.provenance.calculator == "toys"
    assert limit.provenance.toys == (TOYS, 1)
    found = zr.cls("e6_psi", 4200.0, limit.coupling_95_observed, atlas, n_toys=TOYS)
    assert found.cls_observed == pytest.approx(0.05, rel=0.01)
    assert (np.diff(limit.coupling_95_expected) > 0).all()


def test_evaluate_takes_the_toys_of_cls_near_the_border(atlas):
    """Rows shuffled, alone and together: the same CLs to the last digit, of toys where the asymptotic CLs is between 0.002
    and 0.2, and equal to ``cls`` with the same calculator.
    """
    g = np.array([0.05, 0.15, 0.2, 0.24, 0.28, 0.6])
    table = {"mass_gev": np.full(6, 4300.0), "coupling": g}
    asymptotic = zr.evaluate(table, atlas, "elusive_bl", calculator="asymptotic")["cls_observed"].astype(float)
    found = zr.evaluate(table, atlas, "elusive_bl", n_toys=TOYS)
    near = (asymptotic > 0.002) & (asymptotic < 0.2)
    assert 0 < near.sum() < 6
    assert [name == "toys" for name in found["calculator_used"]] == near.tolist()
    np.testing.assert_array_equal(found["cls_observed"][~near].astype(float), asymptotic[~near])
    order = np.random.default_rng(3).permutation(6)
    shuffled = zr.evaluate({name: x[order] for name, x in table.items()}, atlas, "elusive_bl", n_toys=TOYS)
    # toys are shared and drawn from the seed alone; what is left is rounding of products of matrices
    np.testing.assert_allclose(shuffled["cls_observed"].astype(float), found["cls_observed"].astype(float)[order], 1e-6)
    k = int(np.nonzero(near)[0][0])
    alone = zr.cls("elusive_bl", 4300.0, g[k], atlas, calculator="toys", n_toys=TOYS)
    assert float(found["cls_observed"][k]) == pytest.approx(float(alone.cls_observed), rel=1e-6)


def test_another_seed_gives_other_toys(atlas):
    one, other = (zr.cls("ssm", 4800.0, 0.6, atlas, n_toys=TOYS, seed=seed).cls_observed for seed in (1, 2))
    assert one != other
    assert one == pytest.approx(other, rel=0.3)


def test_bayes_has_a_median_and_no_band(atlas):
    """The posterior takes the place of CLs; at few events it lies close to that of toys (seen: 4 %; limits 20 %)."""
    limit = zr.limit("elusive_bl", 4500.0, atlas, calculator="bayes")
    toys = zr.limit("elusive_bl", 4500.0, atlas, n_toys=TOYS)
    assert np.isnan(limit.coupling_95_expected[[0, 1, 3, 4]]).all()
    assert limit.coupling_95_observed == pytest.approx(float(toys.coupling_95_observed), rel=0.2)
    assert zr.cls("elusive_bl", 4500.0, limit.coupling_95_observed, atlas, calculator="bayes").cls_observed == (
        pytest.approx(0.05, rel=0.02)
    )


def test_asymptotic_limits_say_where_few_events_make_them_fail(atlas):
    few = zr.limit("elusive_bl", 4500.0, atlas, calculator="asymptotic")
    assert any("signal events are expected" in text for _, text in few.warnings)
    many = zr.limit("elusive_bl", 1000.0, atlas, calculator="asymptotic")
    assert not many.warnings


def test_a_limit_curve_refuses_what_it_cannot_honour():
    assert zr.limit("ssm", 2000.0, "atlas-36fb-dilepton").provenance.calculator == "limit-curve"
    for name in set(CALCULATORS) - {"asymptotic"}:
        with pytest.raises(InputError, match="limit curve"):
            zr.cls("ssm", 2000.0, 0.1, "atlas-36fb-dilepton", calculator=name)
        with pytest.raises(InputError, match="limit curve"):
            zr.limit("ssm", 2000.0, "atlas-36fb-dilepton", calculator=name)


def test_unknown_names_and_too_few_toys_are_refused():
    with pytest.raises(UnknownName, match="calculator"):
        Method(calculator="toy")
    with pytest.raises(InputError, match="at least 100"):
        Method(n_toys=10)


def test_straightened_is_a_line_for_a_gaussian_measurement():
    """CLs = 2 Phi(-c x) for a measurement at the background: ln x and nothing else."""
    x = np.geomspace(0.3, 2.0, 9)
    cls = 2 * 0.5 * np.array([np.exp(0)] * 9)
    cls = np.array([2 * float(_phi(-ndtri(0.975) * one)) for one in x])
    np.testing.assert_allclose(straightened(cls), -np.log(x), atol=1e-9)


def _phi(x):
    from scipy.special import ndtr

    return ndtr(x)


@given(
    root=st.floats(-1.0, 1.0),
    shift=st.floats(-0.3, 0.3),
    slope=st.floats(0.7, 1.5),
    band=st.lists(st.floats(0.1, 0.5), min_size=4, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_refined_limits_of_smooth_curves(root, shift, slope, band):
    """Curves whose roots lie up to 35 % from the asymptotic ones are found to 0.3 %, observed and expected."""
    steps = np.cumsum([0.0, *band])
    exact = np.array([root, *(root - 0.5 + steps)])

    def values(log_x):
        z = -ndtri(0.025) * np.exp(slope * (log_x[:, None] - exact) + 0.2 * (log_x[:, None] - exact) ** 2)
        return 2 * _phi(-z)

    asymptotic = Crossings(tuple((float(t + shift),) for t in exact), (True,) * 6, None)
    found = refined_crossings(values, asymptotic, np.exp(-6.0), np.exp(6.0))
    np.testing.assert_allclose(np.log(found.limits), exact, atol=0.02)
    assert abs(np.log(found.limits[0]) - root) < 0.003


def test_refined_limits_find_islands():
    """A CLs that dips below 0.05, rises and falls again has three crossings; the asymptotic one saw them elsewhere."""

    def values(log_x):
        z = 1.4 + 0.9 * np.sin(4 * log_x) + 0.8 * np.maximum(log_x, 0)
        return np.repeat(2 * _phi(-z)[:, None], 6, axis=1)

    t = np.linspace(-0.5, 2.5, 4001)
    y = straightened(values(t)[:, 0])
    exact = t[:-1][(y[:-1] > 0) != (y[1:] > 0)]
    assert len(exact) >= 3
    turning = tuple(t[1:-1][np.diff(np.sign(np.diff(y))) != 0])
    asymptotic = Crossings(tuple(tuple(exact + 0.03) for _ in range(6)), (True,) * 6, None, turning)
    found = refined_crossings(values, asymptotic, np.exp(-0.5), np.exp(2.5))
    assert len(found.log_x[0]) == len(exact)
    np.testing.assert_allclose(found.log_x[0], exact, atol=0.01)
