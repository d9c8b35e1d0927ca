"""The example runs as its reader would run it, and its stages agree with each other and with the paper."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def example(tmp_path_factory, own_folders):
    """What the example prints, and its folder."""
    folder = tmp_path_factory.mktemp("example") / "figures"
    done = subprocess.run(
        [sys.executable, ROOT / "example.py", folder],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not done.stderr
    return done.stdout, folder


def number(text, label):
    found = re.search(rf"{re.escape(label)} = ([\d.e+-]+)", text)
    assert found, label
    return float(found[1])


def test_its_folder_has_the_figure_and_the_tables(example):
    _, folder = example
    assert {path.name for path in folder.iterdir()} == {"contour.json", "contour.csv", "contour.png", "contour.pdf"}
    assert (folder / "contour.png").stat().st_size > 20_000


def test_its_stages_agree(example):
    text, folder = example
    assert "anomalies cancel: True" in text
    # eq. (3.4) by hand, in units of g^2 M/(24 pi): chi with charges 5 and 4 and three pairs N with 1 and 1, all of 1 TeV
    r, beta = 0.4**2, 0.6
    dark = beta * ((25 + 16) * (1 - r) + 6 * 20 * r) + 3 * beta * (2 * (1 - r) + 6 * r) + 16
    total = dark + 3 + 6 + 4
    assert number(text, "BR(ee)") == pytest.approx(2 / total, rel=2e-3)
    assert number(text, "BR(invisible)") == pytest.approx((dark + 3) / total, rel=2e-3)
    cls, g_95 = number(text, "CLs"), number(text, "g_95")
    assert (cls < 0.05) == ("excluded True" in text) == (g_95 < 0.05)
    contour = json.loads((folder / "contour.json").read_text())
    limits = dict(zip(contour["mass_gev"], contour["coupling_95_observed"], strict=True))
    assert limits[2500.0] == pytest.approx(g_95, rel=2e-3)
    assert contour["complete"]
    assert contour["errors"] == []


def test_dark_matter_is_left_on_the_resonance_alone(example):
    """Section 5 of the paper: for chi of 1 TeV only the strip m_Z' = 2 m_chi survives."""
    text, _ = example
    found = re.findall(r"(\d+) GeV: g < [\d.]+, there Omega h\^2 = ([\d.e+-]+)", text)
    assert len(found) == 7
    assert [mass for mass, omega in found if float(omega) < 0.12] == ["2000"]


def test_the_source_distribution_has_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "example.py" in project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
