"""Results as JSON: what has no form there becomes null or text, and nothing is lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from zprime_recast.io.json import json_text, jsonable


@dataclass
class Inner:
    charge: Fraction
    limits: np.ndarray


def test_undefined_numbers_are_null_at_every_depth():
    value = {
        "a": np.array([[1.0, np.nan], [np.inf, -0.5]]),
        "b": (float("nan"), 2, (float("-inf"),)),
        "c": Inner(Fraction(-1, 3), np.array([np.nan])),
        "d": [np.float64("nan"), np.float32(0.5), np.int64(3), np.bool_(True), None],
        "e": Path("x") / "y",
        "f": np.array(["ee", None], dtype=object),
        1: np.array([1, 2]),
    }
    assert jsonable(value) == {
        "a": [[1.0, None], [None, -0.5]],
        "b": [None, 2, [None]],
        "c": {"charge": "-1/3", "limits": [None]},
        "d": [None, 0.5, 3, True, None],
        "e": str(Path("x") / "y"),
        "f": ["ee", None],
        "1": [1, 2],
    }
    assert json.loads(json_text(value)) == jsonable(value)
    assert "\n" in json_text(value, indent=1)
    assert "\n" not in json_text(value)


def test_numbers_keep_all_their_digits():
    values = np.random.default_rng(1).uniform(size=20)
    assert json.loads(json_text({"x": values}))["x"] == values.tolist()


@pytest.mark.parametrize("value", [1j, {1, 2}, object(), Inner])
def test_other_types_are_refused(value):
    with pytest.raises(TypeError):
        json_text([value])
