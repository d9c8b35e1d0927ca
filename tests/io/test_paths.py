"""Paths that are no text, that cannot be read, or that name an unknown user: a result or one line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from zprime_recast.errors import InputError
from zprime_recast.io.paths import expanded

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX paths")


def test_an_unknown_user():
    assert expanded("~/x").name == "x"
    with pytest.raises(InputError, match=r"~no_such_user_here/x: no home folder of that user; write the path out"):
        expanded("~no_such_user_here/x")


@pytest.mark.parametrize("variable", ["ZPRIME_RECAST_HOME", "ZPRIME_RECAST_CACHE", "LHAPDF_DATA_PATH"])
def test_an_unknown_user_in_the_environment(variable):
    command = [sys.executable, "-m", "zprime_recast", "xsec", "ssm", "--mass", "3000", "--pdf", "MSTW2008nlo_central"]
    environment = {**os.environ, variable: "~no_such_user_here/x"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr == "zprime-recast: ~no_such_user_here/x: no home folder of that user; write the path out\n"


def test_names_that_are_not_utf_8(tmp_path):
    command = [
        sys.executable.encode(),
        b"-m",
        b"zprime_recast",
        b"model",
        b"to-slha",
        b"ssm",
        b"--mass",
        b"3000",
        b"-o",
    ]
    done = subprocess.run([*command, b"\xff\xfe.slha"], capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"wrote \\udcff\\udcfe.slha\n"
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xff\xfe.slha"]
    done = subprocess.run([*command, b"no\xff/\0"[:3] + b"/x/" + b"y" * 300], capture_output=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(b"zprime-recast: cannot write no\\udcff")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        [b"show", b"bad\xff.toml"],
        [b"show", b"none\xff.toml"],
        [b"show", b"~no_such_user_here/x.toml"],
        [b"show", b"loop.toml"],
        [b"analysis", b"check", b"dir\xff"],
        [b"analysis", b"table", b"bad\xff.csv"],
        [b"pdf", b"install", b"~no_such_user_here/x.tar.gz"],
        [b"widths", b"--slha", b"loop.toml"],
        [b"cite", b"bad\xff.toml"],
    ],
)
def test_inputs_that_cannot_be_read(tmp_path, words):
    """Content or a name that is not UTF-8, a link to itself, a user who is not there: one line."""
    folder = os.fsencode(tmp_path)
    os.mkdir(folder + b"/dir\xff")
    for name in (b"bad\xff.toml", b"bad\xff.csv", b"dir\xff/card.toml"):
        with open(folder + b"/" + name, "wb") as file:
            file.write(b"\xff\xfe")
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    command = [sys.executable.encode(), b"-m", b"zprime_recast"]
    done = subprocess.run([*command, *words], capture_output=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(b"zprime-recast: ")
    assert done.stderr.count(b"\n") == 1
