"""generate, histogram, template and shower as a user meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zprime_recast.events.storage import read_events, write_events

COMMAND = [sys.executable, "-m", "zprime_recast"]


@pytest.fixture
def run(tmp_path):
    def call(*arguments):
        environment = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(
            [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
        )

    return call


def refused(done, *parts):
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("zprime-recast: ")
    for part in parts:
        assert part in lines[0], lines[0]


def test_generate_histogram_template(run, tmp_path):
    options = ("--mass", 3000, "--mode", "zprime", "-n", "2e4", "--seed", 3, "--window", "2700:3300", "--order", "lo")
    done = run("generate", "ssm", *options, "-o", "signal.root", "--json")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    events = read_events(tmp_path / "signal.root")
    assert len(events) == values["n_events"] == 20_000
    assert values["seed"] == 3
    assert events.cross_section_fb == pytest.approx(values["cross_section_fb"], rel=1e-9)

    assert run("generate", "ssm", *options, "-o", "again.parquet", "--workers", 2).returncode == 0
    again = read_events(tmp_path / "again.parquet")
    np.testing.assert_array_equal(again["lminus_eta"], events["lminus_eta"])

    done = run(
        "histogram", "signal.root", "again.parquet", "-v", "m_ll", "--range", "2800:3200", "--bins", 20,
        "--prediction", "-o", "m.png", "-o", "m.root", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["histograms"]
    assert first["values_fb"] == second["values_fb"]
    pull = (np.array(first["values_fb"]) - first["prediction_fb"]) / np.sqrt(first["variances_fb2"])
    assert (pull**2).sum() < 60
    assert {p.name for p in tmp_path.iterdir()} == {"signal.root", "again.parquet", "m.png", "m.root"}
    done = run("template", "--events", "signal.root", "--universal", "-o", "ws.json", "--no-limit", "--json")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert 0.9 < values["analyses"]["atlas-139fb-dilepton"]["acceptance"] < 1
    assert len(json.loads((tmp_path / "ws.json").read_text())["channels"]) == 200 + 137  # bins


@pytest.mark.pythia
def test_shower(run, tmp_path, ssm_events):
    pytest.importorskip("pythia8mc")
    write_events(tmp_path / "events.lhe", ssm_events[:100])
    done = run("shower", "events.lhe", "-o", "showered.root", "--no-isr")
    assert done.returncode == 0, done.stderr
    showered = read_events(tmp_path / "showered.root")
    assert showered.info["shower"]["isr"] is False
    assert showered.cross_section_fb == pytest.approx(ssm_events[:100].cross_section_fb, rel=1e-6)
    refused(run("shower", "events.lhe", "-o", "showered.lhe"), ".root or .parquet")


def test_bad_input(run, tmp_path):
    base = ("generate", "ssm", "--mass", 3000, "--order", "lo")
    refused(run(*base, "-n", "1e12", "-o", "e.root"), "number of events")
    refused(run(*base, "-o", "e.xyz"), "known: .root, .parquet")
    refused(run(*base, "-o", "e.root", "--window", "500:400"), "empty")
    refused(run(*base, "-o", "e.root", "--mode", "all"), "mode")
    refused(run("histogram", "none.root"), "no such file")
    assert list(tmp_path.iterdir()) == []


def test_histogram_of_a_file_cut_short(run, tmp_path, ssm_events):
    path = write_events(tmp_path / "events.lhe", ssm_events)
    path.write_bytes(path.read_bytes()[:1_000_000])
    done = run("histogram", "events.lhe", "--json")
    assert done.returncode == 0
    assert "cut short" in json.loads(done.stdout)["warnings"][0]
    refused(run("histogram", "events.lhe", "-v", "mll"), "did you mean 'm_ll'")
    refused(run("histogram", "events.lhe", "-o", "h.gif"), ".gif", ".root")
    assert "+-" in run("histogram", "events.lhe", "-v", "y_ll", "--bins", 3).stdout


DATA = Path(__file__).resolve().parent.parent / "data" / "events"


def test_template_of_other_programs(run, tmp_path):
    """What a user of other programs' files sees: right numbers, or one line with code 2."""
    base = ("template", "-a", "atlas-139fb-dilepton", "--no-limit")
    done = run(*base, "--json", "--events", DATA / "lhe_two_flavours.lhe.gz")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["contents"] == "400 events: 207 e+e-, 193 mu+mu-"
    assert values["cross_section_from"] == "XSECUP"
    yields = values["analyses"]["atlas-139fb-dilepton"]["yields"]
    # 1374 and 899 for a pure sample of 14.775 fb; 29.551 fb are shared 207 : 193
    assert sum(yields["ee"]) == pytest.approx(1374 * 207 / 200, rel=0.06)
    assert sum(yields["mumu"]) == pytest.approx(899 * 193 / 200, rel=0.06)
    done = run(*base, "--events", DATA / "lhe_mass_slices_both3.lhe.gz")
    assert "cross-section 1.7731 fb" in done.stdout
    assert "warning: 2 runs (slices: different masses) are added" in done.stdout
    refused(run(*base, "--events", DATA / "lhe_tau_pairs.lhe.gz"), "100 tau+tau-", "not decayed")
    refused(run(*base, "--events", DATA / "lhe_xsecup_zero.lhe.gz"), "no cross-section", "--cross-section")
    refused(
        run(*base, "--events", DATA / "hepmc3_no_cross_section.hepmc3.gz", "--cross-section", "-1"), "--cross-section"
    )
    done = run(*base, "--events", DATA / "lhe_xsecup_zero.lhe.gz", "--cross-section", 14.775)
    assert "expected events ee 139" in done.stdout
    same = DATA / "lhe_sherpa_weights.lhe.gz"
    done = run(*base, "--events", same, "--events", DATA / "lhe_weighted_idwtup.lhe.gz", "--json")
    assert json.loads(done.stdout)["cross_section_fb"] == pytest.approx(14.775, rel=1e-4)
    assert any("averaged" in text for text in json.loads(done.stdout)["warnings"])
    done = run(*base, "--events", same, "--events", same, "--combine", "add")
    assert "cross-section 29.551 fb" in done.stdout
    refused(run(*base, "--events", same, "--combine", "sum"), "--combine sum: expected add or average")
    refused(run("histogram", DATA / "lhe_xsecup_zero.lhe.gz"), "--cross-section")
    done = run("histogram", DATA / "lhe_xsecup_zero.lhe.gz", "--cross-section", 14.775, "--json")
    assert sum(json.loads(done.stdout)["histograms"][0]["values_fb"]) == pytest.approx(14.775, rel=0.03)
