"""Digests tell values apart by content alone; caches notice a flipped bit and a change of the code."""

from __future__ import annotations

import copy
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from zprime_recast.io import cache, digest
from zprime_recast.io.cache import cached_array
from zprime_recast.io.digest import code_digest, content_digest
from zprime_recast.scan.evaluate import evaluator

DISTINCT = [
    None, 0, 0.0, -0.0, 1, True, "1", b"1", Fraction(1), 1 + 0j, [], {}, [[]], ["a", "b"], ["ab"], [["a"], "b"],
    {"a": 1}, {"a": 1.0}, {1}, np.array([1.0]), np.array([1]), np.array([[1.0]]), np.array(["a"], dtype=object),
    np.float64(1), "None", float("nan"), [float("inf")],
]  # fmt: skip


def test_different_values_have_different_digests():
    digests = [content_digest(value) for value in DISTINCT]
    assert len(set(digests)) == len(DISTINCT)
    assert digests == [content_digest(copy.deepcopy(value)) for value in DISTINCT]
    with pytest.raises(TypeError, match="no digest"):
        content_digest(object())


def test_order_counts_in_sequences_only():
    assert content_digest({"a": 1, "b": 2}) == content_digest({"b": 2, "a": 1})
    assert content_digest({"x", "y", "z"}) == content_digest({"z", "y", "x"})
    assert content_digest([1, 2]) != content_digest([2, 1])
    assert content_digest((1, 2)) == content_digest([1, 2])


def test_an_engine_is_known_by_its_content(searches):
    """The same in another process and before and after use; another with any number, model or option changed."""
    one = evaluator(searches, "elusive_bl")
    code = "from zprime_recast.scan.evaluate import evaluator; from zprime_recast.io.digest import content_digest; "
    code += "print(content_digest(evaluator('atlas-139fb-dilepton', 'elusive_bl')))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert content_digest(one) == other
    one({"mass_gev": [2000.0], "coupling": [0.1]})
    assert content_digest(one) == other
    changed = copy.deepcopy(one)
    counts = changed.analyses[0].search.channels[0].n_obs
    counts.flags.writeable = True
    counts[3] += 1
    engines = [changed, evaluator(searches), evaluator(searches, "ssm"), evaluator(searches, "elusive_bl", limits=True)]
    assert len({content_digest(engine) for engine in [one, *engines]}) == 5


def test_the_code_has_a_digest(tmp_path, monkeypatch):
    for name in ("model", "cli"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("x = 1")
    monkeypatch.setattr(digest, "_PACKAGE", tmp_path)
    before = code_digest.__wrapped__()
    (tmp_path / "cli" / "a.py").write_text("x = 2")
    assert code_digest.__wrapped__() == before
    (tmp_path / "model" / "a.py").write_text("x = 2")
    assert code_digest.__wrapped__() != before


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ZPRIME_RECAST_CACHE", str(tmp_path))
    return tmp_path


def test_a_flipped_bit_in_a_cache_is_noticed(folder):
    """Each of 200 bits of the file, one after the other: never another array than the one that was made."""
    array, made = np.arange(12.0).reshape(3, 4), []

    def make():
        made.append(1)
        return array

    cached_array("key", make, (3, 4))
    (path,) = folder.iterdir()
    whole, rng = path.read_bytes(), random.Random(1)
    np.testing.assert_array_equal(np.load(path), array)  # NumPy's own format
    for n in range(200):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        np.testing.assert_array_equal(cached_array("key", make, (3, 4)), array)
        assert len(made) == n + 2
        assert path.read_bytes() == whole
    for cut in (0, 10, 32, len(whole) - 1):
        path.write_bytes(whole[:cut])
        np.testing.assert_array_equal(cached_array("key", make, (3, 4)), array)
    count = len(made)
    cached_array("key", make, (3, 4))
    assert len(made) == count


def test_another_code_makes_its_own_entry(folder, monkeypatch):
    cached_array("key", lambda: np.zeros(2), (2,))
    monkeypatch.setattr(cache, "code_digest", lambda: "other")
    np.testing.assert_array_equal(cached_array("key", lambda: np.ones(2), (2,)), [1.0, 1.0])
    assert len(list(folder.iterdir())) == 2


def test_paths_do_not_count():
    assert content_digest(Path("a")) == content_digest(Path("b"))
