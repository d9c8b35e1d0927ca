"""All crossings of curves with known roots: one, three (an island), none, and curves that end where nothing is defined."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.limits.crossings import crossings

#: Roots in ln x of each family, and the sign of the curve below the first.
ROOTS = ((np.array([-2.345]), 1.0), (np.array([-4.0, -3.2, -1.1]), 1.0), (np.array([-5.5, -2.0]), 1.0))


class Analytic:
    """Six curves per family: the sixth root of a polynomial with the roots above, later ones shifted by 0.05 each."""

    def __init__(self, defined_below=np.inf):
        self.defined_below = defined_below

    def __call__(self, which, log_x):
        values = np.empty((len(which), 6))
        for curve in range(6):
            for i, (family, t) in enumerate(zip(which, log_x, strict=True)):
                roots, sign = ROOTS[family]
                y = sign * np.prod(roots + 0.05 * curve - t)
                values[i, curve] = np.sinh(np.sign(y) * np.abs(y) ** (1 / len(roots)))
        bad = np.nonzero(np.exp(log_x) > self.defined_below)[0]
        values[bad] = np.nan
        return values, {int(k): "no likelihood" for k in bad}

    def sensitive(self, which, _log_x):
        return np.ones(len(which), dtype=bool)


def solved(curves=None):
    n = len(ROOTS)
    return crossings(curves or Analytic(), np.full(n, np.exp(-7.0)), np.full(n, 1.0))


def test_every_crossing_is_found_to_the_tolerance():
    for family, (roots, _) in zip(solved(), ROOTS, strict=True):
        for curve in range(6):
            assert family.log_x[curve] == pytest.approx(roots + 0.05 * curve, abs=2e-5)


def test_the_limit_is_the_last_crossing_and_an_island_is_named():
    one, island, unexcluded = solved()
    assert one.limit(0) == pytest.approx(np.exp(-2.345), rel=2e-5)
    assert one.island_warnings("coupling") == ()
    assert island.limit(0) == pytest.approx(np.exp(-1.1), rel=2e-5)
    (text,) = island.island_warnings("coupling")
    assert "crosses 0.05 at 0.01832, 0.04076, 0.3329; the limit is the last" in text
    # excluded between two crossings, not beyond: no limit
    assert np.isnan(unexcluded.limit(0))
    assert "the largest values are not excluded: no limit" in unexcluded.island_warnings("coupling")[0]


def test_a_curve_that_ends_is_followed_to_its_end():
    one, island, _ = solved(Analytic(defined_below=np.exp(-2.0)))
    assert one.limit(0) == pytest.approx(np.exp(-2.345), rel=2e-5)
    assert one.fault == "no likelihood"
    assert island.log_x[0] == pytest.approx([-4.0, -3.2], abs=2e-5)
    assert np.isnan(island.limit(0))
