"""The fuzzer finds no case that ends in a traceback; a minute of it runs in CI, a thousandth of it here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzz.py")


def fuzz(seconds, seed):
    command = [sys.executable, str(SCRIPT), "--seconds", str(seconds), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 300)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return int(done.stdout.splitlines()[-1].split()[0])


def test_a_few_cases():
    assert fuzz(2, 1) > 4


@pytest.mark.slow
def test_a_minute_of_cases():
    assert fuzz(60, 100_000) > 4  # hundreds, but fewer on a busy machine


def test_a_failure_is_reported():
    """The script itself sees exceptions of other kinds, warnings, and messages of several lines or none."""
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import fuzz as script
    finally:
        sys.path.remove(str(SCRIPT.parent))
    import warnings

    from zprime_recast.errors import InputError

    def raises(error):
        def case(_):
            raise error

        return case

    assert script.run(lambda _: None, 1) == "result"
    assert script.run(raises(InputError("one line")), 1) == "message"
    assert script.run(raises(InputError("two\nlines")), 1) == "message"  # as the error itself prints it: one line
    assert script.run(raises(InputError("")), 1).startswith("no line")
    assert "Traceback" in script.run(raises(KeyError("x")), 1)
    assert "Traceback" in script.run(lambda _: warnings.warn("x", RuntimeWarning, stacklevel=1), 1)
