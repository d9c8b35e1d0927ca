"""The evaluate command in a pipe: standard input and output, FIFOs, readers that have seen enough."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX streams")

ROWS = "mass_gev,coupling\n" + "".join(f"{1000 + i},0.05\n" for i in range(150))
COMMAND = [sys.executable, "-m", "zprime_recast", "evaluate"]
OPTIONS = ["--model", "minimal_bl", "-a", "atlas-139fb-dilepton"]


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "temporary").mkdir()
    return {**os.environ, "TMPDIR": str(tmp_path / "temporary")}


@pytest.fixture
def run(tmp_path, environment):
    def run(*arguments, given=None, code=0):
        done = subprocess.run(
            [*COMMAND, *arguments, *OPTIONS], input=given, capture_output=True, cwd=tmp_path, env=environment
        )
        assert done.returncode == code, done.stderr
        assert not list((tmp_path / "temporary").iterdir())
        return done

    return run


def test_a_pipe_through_evaluate(run, tmp_path):
    """The table alone on standard output, the same as in a file; what is to be said goes to standard error."""
    done = run("-", "-o", "-", given=ROWS.encode())
    (tmp_path / "points.csv").write_text(ROWS)
    run("points.csv", "-o", "out.csv")
    assert done.stdout.decode() == (tmp_path / "out.csv").read_text()
    assert b"150 rows" in done.stderr
    table = io.BytesIO()
    pq.write_table(pa.table({"mass_gev": [1000.0 + i for i in range(150)], "coupling": [0.05] * 150}), table)
    done = run("-", "-o", "/dev/stdout", "--json", given=table.getvalue())
    assert json.loads(done.stderr)["rows"] == 150
    assert [line.split(",")[3] for line in done.stdout.decode().splitlines()] == [
        line.split(",")[3] for line in (tmp_path / "out.csv").read_text().splitlines()
    ]


def test_a_fifo_is_read_once_and_written_through(run, tmp_path):
    for name in ("in.csv", "out.csv"):
        os.mkfifo(tmp_path / name)
    found = []
    threads = [
        threading.Thread(target=lambda: (tmp_path / "in.csv").write_text(ROWS), daemon=True),
        threading.Thread(target=lambda: found.append((tmp_path / "out.csv").read_text()), daemon=True),
    ]
    for thread in threads:
        thread.start()
    done = run("in.csv", "-o", "out.csv")
    for thread in threads:
        thread.join(timeout=10)
    assert b"150 rows" in done.stdout
    assert found[0].count("\n") == 151
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv", "temporary"]


def test_devices(run):
    run("-", "-o", "/dev/null", given=ROWS.encode())
    done = run("-", "-o", "/dev/full", given=ROWS.encode(), code=2)
    assert done.stderr.decode().strip().startswith("zprime-recast: cannot write /dev/full: No space left")
    done = run("/dev/null", "-o", "-", code=2)
    assert b"/dev/null: the first line must name every column" in done.stderr


def test_a_reader_that_has_seen_enough(tmp_path, environment):
    """head -1 ends the command without a word, in the middle of its work or with the last line."""
    (tmp_path / "points.csv").write_text(ROWS * 1)
    for arguments in (
        ["evaluate", "points.csv", "-o", "-", "--chunk", "100", *OPTIONS],
        ["list", "models"],
        ["--help"],
    ):
        shell = f'"{sys.executable}" -m zprime_recast {" ".join(arguments)} | head -1'
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert len(done.stdout.splitlines()) <= 1
        assert "Traceback" not in done.stderr
        assert "Broken" not in done.stderr
    closed = f'"{sys.executable}" -m zprime_recast list models | (exec 0<&-; sleep 3)'
    done = subprocess.run(["bash", "-c", closed], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (done.stdout, done.stderr) == ("", "")
    assert not list((tmp_path / "temporary").iterdir())
    assert [path.name for path in tmp_path.iterdir() if ".parts" in path.name] == []
