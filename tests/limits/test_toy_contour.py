"""Contours with toys: the numbers of single limits at a fraction of their cost."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.limits.contour import contour, contour_task, solve
from zprime_recast.limits.hypothesis import limit
from zprime_recast.limits.mass_grid import Segment
from zprime_recast.limits.method import Method
from zprime_recast.limits.toy_contour import asymptotic_near, expected_between
from zprime_recast.process.family import coupling_family

MASSES = np.array([3000.0, 3030.0, 3060.0, 3090.0, 3120.0])


def test_asymptotic_limits_near_a_guess_are_those_of_the_root_finder(elusive, searches):
    """To 0.3 %, also where the guess is 30 % off and the limits of neighbouring masses differ."""
    family = coupling_family(elusive, np.array([700.0, 720.0, 2500.0]))
    exact = limit(elusive, family.mass_gev, searches, calculator="asymptotic")
    for rows, factor in ((np.array([0, 1]), 1.0), (np.array([2]), 1.3)):
        wanted = np.concatenate([exact.coupling_95_observed[rows, None], exact.coupling_95_expected[rows]], axis=1)
        found, slope = asymptotic_near(searches.joint, family.take(rows), np.log(factor * wanted[0]), True)
        np.testing.assert_allclose(np.exp(found), wanted, rtol=3e-3)
        assert ((slope < -0.5) & (slope > -6)).all()


def test_neighbouring_masses_have_their_single_limits(elusive, searches):
    """Five masses within 4 %: the node to the last digit, the others as far as two sets of 2500 toys agree."""
    found = contour(elusive, MASSES, searches)
    assert found.provenance.calculator == "toys"
    single = limit(elusive, MASSES, searches)
    assert found.coupling_95_observed[2] == single.coupling_95_observed[2]
    np.testing.assert_array_equal(found.coupling_95_expected[2], single.coupling_95_expected[2])
    np.testing.assert_allclose(found.coupling_95_observed, single.coupling_95_observed, rtol=0.015)
    np.testing.assert_allclose(found.coupling_95_expected[:, 2], single.coupling_95_expected[:, 2], rtol=0.025)
    np.testing.assert_allclose(found.coupling_95_expected[:, 1:4], single.coupling_95_expected[:, 1:4], rtol=0.05)
    asymptotic = limit(elusive, MASSES, searches, calculator="asymptotic")
    assert (single.coupling_95_observed > 1.03 * asymptotic.coupling_95_observed).all()  # what the test can tell apart


@pytest.mark.slow
def test_straight_lines_between_the_masses_are_the_limit(elusive, searches):
    """A refined piece of the default contour against single limits at random masses, as its figure and CSV are read.

    To 5 % (seen 3.6 %): bends of less than 5 % are not followed, and both limits have the noise of 2,500 toys.
    """
    task = contour_task(elusive, True, searches, Method())
    part = solve(task, Segment(np.geomspace(2000.0, 2100.0, 6), (1980.0, 2120.0)))
    assert (part.mass_gev[0], part.mass_gev[-1] < 2120.0) == (2000.0, True)
    assert set(np.geomspace(2000.0, 2100.0, 6)) <= set(part.mass_gev)
    at = np.sort(np.random.default_rng(5).uniform(2000.0, part.mass_gev[-1], 6))
    lines = np.exp(np.interp(at, part.mass_gev, np.log(part.found.x_95[:, 0])))
    np.testing.assert_allclose(lines, limit(elusive, at, searches).coupling_95_observed, rtol=0.05)


def test_no_number_of_workers_changes_a_result(elusive, searches):
    masses = [900.0, 910.0, 3000.0, 3030.0]
    one, two = (contour(elusive, masses, searches, workers=n) for n in (1, 2))
    for name in ("coupling_95_observed", "coupling_95_expected", "coupling_95_observed_no_theory"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_the_limit_without_theory_uncertainty_is_stronger_with_the_same_calculator(elusive, searches):
    found = contour(elusive, MASSES[:3], searches)
    assert (found.coupling_95_observed_no_theory < found.coupling_95_observed).all()
    assert (found.coupling_95_observed_no_theory > 0.9 * found.coupling_95_observed).all()


def test_expected_limits_between_nodes():
    """The ratio at the nodes is linear in ln M between them and constant beyond; nothing above the largest coupling."""
    mass = np.exp(np.arange(5.0))
    x_95, ratio = np.ones((5, 6)), np.full((5, 5), np.nan)
    whole = np.array([False, True, False, True, False])
    x_95[whole, 1:] = [[2.0], [8.0]]
    ratio[whole] = np.log([[2.0], [8.0]])
    found = expected_between(x_95, mass, whole, ratio, np.full(5, 7.0))
    np.testing.assert_allclose(found[:3], np.repeat([[2.0], [2.0], [4.0]], 5, axis=1))
    assert np.isnan(found[3:]).all()


def test_no_bend_is_lost_where_segments_meet(elusive, searches):
    """A peak of the observed limit between two masses is found wherever the masses are divided."""
    task = contour_task(elusive, True, searches, Method(calculator="asymptotic"))
    masses = np.geomspace(560.0, 640.0, 11)
    whole = solve(task, Segment(masses)).mass_gev
    halves = np.sqrt(masses[1:] * masses[:-1])
    added = {i for i in range(10) if np.isclose(halves[i], whole).any()}
    assert 0 < len(added) <= 10
    for cut in (3, 5, 7):
        parts = Segment(masses[:cut], (masses[cut],)), Segment(masses[cut:], (masses[cut - 1],))
        found = np.concatenate([solve(task, part).mass_gev for part in parts])
        assert added <= {i for i in range(10) if np.isclose(halves[i], found).any()}
