"""Files are written whole or not at all, everything else is written through, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from zprime_recast.errors import OutputError
from zprime_recast.io.files import check_output, check_writable, is_stream, write_text, write_whole
from zprime_recast.io.scratch import scratch_file, scratch_folder, sweep

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files")

#: Writes half a file and waits, until it is killed.
WRITER = """
import sys, time
from pathlib import Path
from zprime_recast.io.files import write_whole
from zprime_recast.io.scratch import scratch_folder
def write(path):
    path.write_text("half")
    with scratch_folder(path.parent) as folder:
        (folder / "member").write_text("half")
        print("half", flush=True)
        time.sleep(60)
write_whole(Path(sys.argv[1]), write)
"""


@posix
def test_a_fifo_is_written_through(tmp_path):
    fifo, found = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: found.append(fifo.read_text()))
    reader.start()
    write_text(fifo, "x" * 200_000)
    reader.join(timeout=10)
    assert found == ["x" * 200_000]
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert list(tmp_path.iterdir()) == [fifo]


@posix
@pytest.mark.parametrize("name", ["/dev/null", "link"])
def test_a_device_stays_a_device(tmp_path, name):
    (tmp_path / "link").symlink_to("/dev/null")
    path = tmp_path / name
    check_output(path)
    write_text(path, "nothing")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert (tmp_path / "link").is_symlink()
    with pytest.raises(OutputError, match="No space left"):
        write_text(Path("/dev/full"), "something")


@posix
def test_standard_output_is_written_through(tmp_path):
    """To a pipe, and to a file after what is already in it."""
    code = "from pathlib import Path; from zprime_recast.io.files import write_text as w; "
    code += "print('a'); w(Path('/dev/stdout'), 'b\\n'); w(Path('-'), 'c\\n'); print('d')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "a\nb\nc\nd\n"
    (tmp_path / "log").write_text("before\n")
    with (tmp_path / "log").open("a") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, cwd=tmp_path, check=True)
    assert (tmp_path / "log").read_text() == "before\na\nb\nc\nd\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@posix
def test_links_are_followed_and_modes_kept(tmp_path):
    (tmp_path / "store").mkdir()
    target, link = tmp_path / "store" / "results", tmp_path / "link"
    link.symlink_to(Path("store") / "results")  # dangling at first
    write_text(link, "one")
    target.chmod(0o640)
    write_text(link, "two")
    assert link.is_symlink()
    assert target.read_text() == "two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    before = os.umask(0o077)
    try:
        write_text(tmp_path / "new", "")
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["results"]


@posix
def test_what_cannot_be_written(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    for path, text in (("loop", "symbolic links"), (".", "folder"), ("file/x", "Not a directory"), ("a\0b", "NUL")):
        with pytest.raises(OutputError, match=text):
            write_text(tmp_path / path, "")
    with pytest.raises(OutputError, match="too long"):
        check_output(tmp_path / ("x" * 300) / "y")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]


def test_temporary_names_are_not_guessed_or_followed(tmp_path, monkeypatch):
    """A link planted under the next name is an error, not a file written elsewhere."""
    seen = set()
    for _ in range(5):
        with scratch_file(tmp_path, ".tmp") as path:
            seen.add(path.name)
    assert len(seen) == 5
    assert min(len(name) for name in seen) > 40  # 128 bits
    monkeypatch.setattr("secrets.token_hex", lambda n: "0" * (2 * n))
    (tmp_path / (".zprime-recast-" + "0" * 32 + ".tmp")).symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match="exists"):
        write_text(tmp_path / "new", "text")
    assert not (tmp_path / "victim").exists()


def test_a_name_of_any_length_has_a_temporary_one(tmp_path):
    write_text(tmp_path / ("x" * 255), "text")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["text"]


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_killed_writer(tmp_path, number):
    """After kill -9 the next run removes a file and a folder; after Ctrl-C they are gone at once."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "out"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout.readline() == b"half\n"
            assert len(list(tmp_path.iterdir())) == 2
            sweep(tmp_path)  # of another process: whoever is alive keeps its files
            check_writable(tmp_path)
            assert len(list(tmp_path.iterdir())) == 2
            process.send_signal(number)
            process.wait(timeout=60)
        finally:
            process.kill()
    if number == signal.SIGKILL:
        assert len(list(tmp_path.iterdir())) == 2
        check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


@posix
def test_the_sweep_leaves_what_is_not_ours(tmp_path):
    names = [".zprime-recast-mine.tmp", ".zprime-recast-" + "0" * 31 + ".tmp", "zprime-recast-" + "0" * 32]
    for name in names:
        (tmp_path / name).write_text("")
    link = tmp_path / (".zprime-recast-" + "1" * 32)
    link.symlink_to(tmp_path / names[0])
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, link.name])


@posix
def test_sweeps_and_writers_at_once_lose_nothing(tmp_path):
    """Another process sweeps the folder all the time: no writer sees its file taken away."""
    code = "import sys; from pathlib import Path; from zprime_recast.io.scratch import sweep\n"
    code += "print('on', flush=True)\nwhile True: sweep(Path(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"on\n"
        end, n = time.monotonic() + 2, 0
        try:
            while time.monotonic() < end:
                write_whole(tmp_path / "out", lambda path, text=str(n): path.write_text(text))
                assert (tmp_path / "out").read_text() == str(n)
                with scratch_folder(tmp_path) as folder:
                    (folder / "x").write_text("")
                n += 1
        finally:
            process.kill()
    assert n > 20
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@posix
def test_the_race_between_making_and_locking(tmp_path, monkeypatch):
    """A sweep that removes a new file before its maker holds the lock costs the maker another name, nothing else."""
    from zprime_recast.io import scratch

    taken, real = [], scratch.locked

    def late(number, wait=True):
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        return real(number, wait)

    monkeypatch.setattr(scratch, "locked", late)
    write_text(tmp_path / "out", "text")
    assert len(taken) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@posix
def test_streams(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("")
    found = {name: is_stream(tmp_path / name) for name in ("fifo", "file", "none", ".", "/dev/null")}
    assert found == {"fifo": True, "file": False, "none": False, ".": False, "/dev/null": True}
