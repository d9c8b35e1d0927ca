"""The wheel, in a clean environment outside the checkout: it finds its data and runs the main command."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import pytest

pytestmark = [pytest.mark.wheel, pytest.mark.slow]


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_wheel_runs_the_main_command(repository, tmp_path, clean_environment):
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", repository, env=clean_environment)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "data/models/elusive_bl.toml",
        "data/constants/standard_model.toml",
        "data/pdfs/MSTW2008nlo_central/MSTW2008nlo_central_0000.dat",
        "data/luminosities/CT18NNLO_13000GeV.npz",
        "data/kfactors/neutral_current_dy_n3lo_ct18nnlo.csv",
        "analyses/atlas-139fb-dilepton/card.toml",
        "analyses/atlas-139fb-dilepton/README.md",
    ):
        assert f"zprime_recast/{needed}" in names
    assert not [n for n in names if n.startswith("tests/") or "__pycache__" in n]
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, env=clean_environment)
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    environment = {
        **clean_environment,
        "ZPRIME_RECAST_CACHE": str(tmp_path / "c"),
        "ZPRIME_RECAST_HOME": str(tmp_path / "h"),
    }
    command = [python.parent / "zprime-recast", "contour", "elusive_bl", "--compare", "minimal_bl"]
    run(*command, "--masses", "1000:4000:2", "-o", "contour", cwd=outside, env=environment)
    values = json.loads((outside / "contour" / "contour.json").read_text())
    assert all(g is not None for g in values["coupling_95_observed"])
    assert {p.suffix for p in (outside / "contour").iterdir()} == {".json", ".csv", ".png", ".pdf"}
