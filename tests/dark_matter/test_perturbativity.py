"""g q_max <= sqrt(2 pi)."""

from __future__ import annotations

from math import pi, sqrt

import pytest

from zprime_recast.model.zprime import perturbative_coupling


def test_elusive(elusive):
    """q_max = 5: g < 0.5 in the paper, 0.5013 exactly."""
    assert perturbative_coupling(elusive) == pytest.approx(sqrt(2 * pi) / 5, rel=1e-12, abs=0)
    assert perturbative_coupling(elusive) == pytest.approx(0.5, abs=0.002)
