"""Cuts on a lepton pair: the closed form against the momenta, and one copy of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zprime_recast
from zprime_recast.process.final_state import LeptonCuts, share_within


@pytest.mark.parametrize("cuts", [LeptonCuts(30.0, 2.5), LeptonCuts(200.0), LeptonCuts(eta_max=1.0), LeptonCuts()])
def test_largest_cosine_is_that_of_the_cuts(cuts):
    """1e5 pairs made from four-momenta: boosted along the beam by y, cut on pt and eta of both leptons."""
    rng = np.random.default_rng(5)
    m, y, c = rng.uniform(50, 2000, 100_000), rng.uniform(-4, 4, 100_000), rng.uniform(-1, 1, 100_000)
    pt = 0.5 * m * np.sqrt(1 - c**2)
    passed = np.ones(len(m), dtype=bool)
    for sign in (1, -1):
        pz = 0.5 * m * (np.sinh(y) + sign * c * np.cosh(y))
        passed &= (pt > cuts.pt_min_gev) & (np.abs(np.arcsinh(pz / pt)) < cuts.eta_max)
    np.testing.assert_array_equal(np.abs(c) < cuts.largest_cosine(m, y), passed)
    assert cuts.any == (not passed.all())


def test_kinks_are_where_the_cuts_change_over():
    cuts = LeptonCuts(30.0, 2.5)
    first, last = cuts.rapidity_kinks(100.0)
    slope = np.diff(cuts.largest_cosine(100.0, np.array([first - 2e-6, first - 1e-6, first + 1e-6, first + 2e-6])))
    assert slope[0] == 0
    assert slope[2] < 0
    assert cuts.largest_cosine(100.0, last) == 0
    assert cuts.largest_cosine(100.0, last - 1e-6) > 0
    assert cuts.largest_cosine(59.0, 0.0) == 0
    assert LeptonCuts().rapidity_kinks(100.0) == (np.inf,)


def test_share_within_is_the_integral_of_the_angular_density():
    c = np.linspace(-1, 1, 2_000_001)
    for cosine in (0.0, 0.3, 0.9, 1.0):
        inside = np.abs(c) <= cosine
        integral = np.trapezoid(0.375 * (1 + c[inside] ** 2), c[inside]) if inside.sum() > 1 else 0.0
        assert share_within(np.array(cosine)) == pytest.approx(integral, abs=2e-6)


def test_formulas_of_the_pair_stand_in_one_file():
    """What a cut leaves, and the momenta of event files: a second copy would use these words again."""
    package = Path(zprime_recast.__file__).parent
    for words, home in (
        (("eta_max - ",), "process/final_state.py"),
        (("1 / 127", "1 / 128"), ""),
        (("np.arcsinh(p[:, 2]",), "events/kinematics.py"),
        (("pair[:, 3] + pair[:, 2]",), "events/kinematics.py"),
    ):
        found = {str(p.relative_to(package)) for p in package.rglob("*.py") if any(w in p.read_text() for w in words)}
        assert found == ({home} if home else set()), words
