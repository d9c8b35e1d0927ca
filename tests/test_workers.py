"""Worker processes: every item once, whatever is killed and when; errors instead of hangs; nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import pytest

from zprime_recast.errors import InputError, UnknownName, ZprimeError
from zprime_recast.io.workers import MAX_LOST, Worker, WorkerLost, in_processes

#: More than any pipe holds.
LARGE = np.arange(500_000.0)


def scaled(shared, value):
    time.sleep(0.01)
    return shared[-1] * value


def killed_at(shared, value):
    if value == shared:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def failing(shared, value):
    raise shared


def unpicklable(shared, value):
    return lambda: value


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert not multiprocessing.active_children()
    assert not list(tmp_path.glob("*.pickle"))


class Killer(threading.Thread):
    """Kills worker processes, one or all, after pauses in seconds drawn from a range, for some seconds.

    With ``found``, never more than four of them until another result is in it: who kills every start gets an error.
    """

    def __init__(self, pause, seconds, everyone=False, found=None):
        super().__init__(daemon=True)
        self.pause, self.seconds, self.everyone, self.found = pause, seconds, everyone, found
        self.killed, self.over = 0, threading.Event()

    def run(self):
        rng, end = random.Random(3), time.monotonic() + self.seconds
        before, since = 0, 0
        while time.monotonic() < end and not self.over.wait(rng.uniform(*self.pause)):
            if self.found is not None and len(self.found) > before:
                before, since = len(self.found), 0
            if self.found is not None and since >= 4:
                continue
            children = multiprocessing.active_children()
            for child in children if self.everyone else rng.sample(children, min(1, len(children))):
                child.kill()
                self.killed += 1
                since += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def test_all_items_come_back_once():
    found = list(in_processes(scaled, LARGE, ((f"k{i}", i) for i in range(20)), 2))
    assert sorted(found) == sorted((f"k{i}", LARGE[-1] * i) for i in range(20))
    assert list(in_processes(scaled, LARGE, [], 2)) == []


def test_workers_killed_at_random_moments_lose_nothing():
    """While they start, read what is shared, wait, compute or answer: arrays larger than a pipe each way."""
    items = [(i, np.full(20_000, float(i))) for i in range(300)]
    found = []
    with Killer((0.0, 0.4), seconds=12, found=found) as killer:
        found.extend(in_processes(scaled, LARGE, items, 2))
    assert killer.killed > 5
    assert sorted(k for k, _ in found) == list(range(300))
    for k, values in found:
        assert values.shape == (20_000,)
        assert (values == LARGE[-1] * k).all()


def test_workers_that_are_always_killed_while_starting_are_an_error():
    with Killer((0.0, 0.01), seconds=60, everyone=True), pytest.raises(ZprimeError, match="killed again and again"):
        list(in_processes(scaled, LARGE, enumerate(range(4)), 2))


def test_an_item_that_kills_its_worker_is_given_up():
    done = []
    with pytest.raises(ZprimeError, match="killed again and again .out of memory"):
        done.extend(key for key, _ in in_processes(killed_at, 3, enumerate(range(6)), 2))
    assert 3 not in done
    assert len(done) == len(set(done))
    assert MAX_LOST == 3


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (InputError("no such thing"), InputError, "no such thing"),
        (UnknownName("model", "x", ["y"]), ZprimeError, "unknown model 'x'"),  # cannot be pickled as it is
        (ValueError("a bug"), ValueError, "a bug"),
    ],
)
def test_errors_of_the_function_are_raised(error, kind, text):
    items = enumerate(range(4))
    if isinstance(error, UnknownName):
        with pytest.raises(ZprimeError, match=text):
            list(in_processes(unknown, None, items, 2))
        return
    with pytest.raises(kind, match=text) as caught:
        list(in_processes(failing, error, items, 2))
    assert ("Traceback" in "".join(getattr(caught.value, "__notes__", ()))) == (kind is ValueError)


def unknown(shared, value):
    raise UnknownName("model", "x", ["y"])


def test_a_result_that_cannot_be_sent_is_an_error():
    with pytest.raises(Exception, match="pickle"):
        list(in_processes(unpicklable, None, enumerate(range(2)), 2))


def test_leaving_early_ends_the_workers(tmp_path):
    results = in_processes(scaled, LARGE, enumerate(range(1000)), 2)
    next(results)
    assert len(multiprocessing.active_children()) == 2
    assert len(list(tmp_path.glob("*.pickle"))) == 1
    results.close()


def test_one_worker_is_told_to_have_ended():
    worker = Worker(killed_at)
    assert worker.receive() is None
    for value in (1, 2):
        worker.send(value)
        assert worker.receive() == value
    worker.kill()
    worker.send(3)
    with pytest.raises(WorkerLost):
        worker.receive()


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_ctrl_c_is_left_to_the_parent():
    """A worker that a thread started, interrupted while it starts as by a terminal, gets ready and answers."""
    found = []

    def work():
        worker = Worker(killed_at)
        for _ in range(30):
            os.kill(worker._process.pid, signal.SIGINT)
            time.sleep(0.01)
        worker.receive()
        worker.send(7)
        found.append(worker.receive())
        worker.kill()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=60)
    work()
    assert found == [7, 7]


def test_a_script_without_a_guard_ends_with_the_remedy(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from zprime_recast.io.workers import in_processes\nprint(list(in_processes(max, 1, enumerate([0, 2]), 2)))\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "put its calls under if __name__ == '__main__':" in last
    script.write_text(
        "from zprime_recast.io.workers import in_processes\nif __name__ == '__main__':\n"
        "    print(sorted(in_processes(max, 1, enumerate([0, 2]), 2)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, env=environment)
    assert done.stdout == "[(0, 1), (1, 2)]\n"


@pytest.mark.slow
def test_a_scan_in_a_script_without_a_guard(tmp_path):
    """The remedy alone, though the workers reach the scan of their parent while it holds the lock of the results."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    scan = tmp_path / "scan.py"
    scan.write_text(
        "from pathlib import Path\nfrom zprime_recast.scan.files_to_files import scan\n"
        "from zprime_recast.scan.evaluate import evaluator\n"
        "Path('points.csv').write_text('mass_gev,coupling\\n3000,0.1\\n')\n"
        "scan(Path('points.csv'), Path('out.csv'), evaluator('atlas-139fb-dilepton', 'ssm'), {}, workers=2)\n"
    )
    command = [sys.executable, scan]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "put its calls under if __name__ == '__main__':" in done.stderr.strip().splitlines()[-1]
    assert not list(tmp_path.glob("out.csv*"))
