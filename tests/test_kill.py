"""Commands killed at random moments: the next run ends well, with the right result, and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

COMMANDS = {
    "evaluate": "evaluate points.csv --model minimal_bl -a atlas-139fb-dilepton --workers 2 --chunk 100 -o out.csv",
    "contour": "contour minimal_bl -a atlas-139fb-dilepton --masses 1000:3000:5 --workers 2 -o contour",
    "generate": "generate ssm --mass 3000 -n 50000 -o events.lhe",
    "pdf": "pdf install set.tar.gz -o sets",
}
#: What may be left by a run that is killed and is there to be taken up.
KEPT = {"out.csv.parts"}


@pytest.fixture
def place(tmp_path, repository):
    """A folder with inputs, a folder for temporary files, and an environment that names it."""
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "temporary").mkdir()
    rows = "".join(f"{500 + 10 * i},{0.001 * (1 + i % 90)}\n" for i in range(400))
    (work / "points.csv").write_text("mass_gev,coupling\n" + rows)
    pack(work / "set.tar.gz", repository / "data" / "pdfs" / "CT18NNLO_central", "set")
    return work, {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "ZPRIME_RECAST_CACHE": str(tmp_path / "cache")}


def pack(path: Path, folder: Path, name: str) -> None:
    """A set under another name, with its files."""
    with gzip.open(path, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        for source in sorted(folder.iterdir()):
            content = source.read_bytes()
            entry = tarfile.TarInfo(f"{name}/{source.name.replace(folder.name, name)}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def start(command, place):
    work, environment = place
    return subprocess.Popen(
        [sys.executable, "-m", "zprime_recast", *COMMANDS[command].split()],
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(command, place):
    process = start(command, place)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Traceback" not in err


def content(work):
    """Everything in a folder; figures, which hold the time they were made, by their names only."""
    found = {}
    for path in sorted(work.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(work))] = "" if path.suffix in (".png", ".pdf") else path.read_bytes()
    return found


def killed(command, place, number, seconds):
    process = start(command, place)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    try:
        process.communicate(timeout=300)
    finally:
        process.kill()
    return process.returncode


def check(command, place, times, numbers):
    """Kill a command at moments spread over its length, then run it and compare with a run in peace."""
    work, environment = place
    before = set(content(work))
    began = time.monotonic()
    finish(command, place)
    length = time.monotonic() - began
    right = content(work)
    made = [path for path in work.iterdir() if path.name not in before]
    temporary = Path(environment["TMPDIR"])
    assert not list(temporary.iterdir())
    rng, seen = random.Random(11), 0
    for _ in range(times):
        for path in [work / path.name for path in made if rng.random() < 0.5 or command == "pdf"]:
            if path.exists():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        number = rng.choice(numbers)
        code = killed(command, place, number, rng.uniform(0.05, 1.1) * length)
        seen += code != 0
        names = {path.name for path in work.iterdir()}
        if number != signal.SIGKILL:  # nothing but what is to be taken up
            assert names <= before | {path.name for path in made} | KEPT
        for path in made:  # old, new or not there, but never half
            if path.is_file() and (work / path.name).exists():
                assert (work / path.name).read_bytes() == right[path.name]
    for path in made:
        if command == "pdf" and path.exists():
            shutil.rmtree(path)
    finish(command, place)
    assert content(work) == right
    until = time.monotonic() + 60
    while list(temporary.iterdir()) and time.monotonic() < until:  # workers that are about to end remove theirs
        time.sleep(0.1)
    assert not [path for path in temporary.iterdir() if not path.name.startswith("matplotlib")]
    return seen


@pytest.mark.parametrize(
    ("command", "number"), [("evaluate", signal.SIGKILL), ("pdf", signal.SIGKILL), ("generate", signal.SIGTERM)]
)
def test_a_command_killed_at_a_random_moment(command, number, place):
    check(command, place, 1, [number])


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_killed_at_fifty_random_moments(command, place):
    assert check(command, place, 50, [signal.SIGKILL]) > 25


def test_an_interruption_inside_a_destructor_is_not_lost(tmp_path):
    """Python drops what is raised there; the command line raises it again."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, time\nfrom zprime_recast.cli import _end_as_after_ctrl_c\n_end_as_after_ctrl_c()\n"
        "class A:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGTERM)\n        time.sleep(0.01)\n"
        "try:\n    a = A()\n    del a\n    print('lost', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('ended')\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100)
    assert done.stdout == "lost\nended\n", done.stderr
    assert time.monotonic() - began < 50
