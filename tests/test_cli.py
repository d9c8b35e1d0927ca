"""The command line as a user meets it: a process, its output, its exit code."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import zprime_recast
from zprime_recast.cli._shared import app

COMMAND = [sys.executable, "-m", "zprime_recast"]


@pytest.fixture
def run(repository, tmp_path):
    """Run a command in an empty folder; returns the finished process."""

    def call(*arguments, **more):
        environment = {**os.environ, "PYTHONPATH": str(repository), "COLUMNS": "200", **more.pop("env", {})}
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
            **more,
        )

    return call


def ok(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(done, *parts):
    """Exit code 2, one line on stderr that contains the parts, nothing on stdout, no traceback."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("zprime-recast: ")
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in lines[0], lines[0]


def commands():
    return [c.name or c.callback.__name__ for c in app.registered_commands]


@pytest.mark.parametrize("name", commands())
def test_every_command_has_help_with_an_example(run, name):
    done = run(name, "--help")
    assert done.returncode == 0
    assert f"Example: zprime-recast {name} " in re.sub(r"\s+", " ", done.stdout)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["contour", "--help"]])
def test_start_is_quick_because_nothing_heavy_is_imported(repository, arguments):
    """--version and --help import none of numpy, scipy, pyhf, matplotlib (0.15 s here instead of 2 s)."""
    code = (
        "import sys, runpy\nsys.argv = ['zprime-recast'] + " + repr(arguments) + "\n"
        "try: runpy.run_module('zprime_recast', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'numpy', 'scipy', 'pyhf', 'matplotlib', 'mplhep', 'neopdf', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_version(run):
    assert run("--version").stdout.strip() == f"zprime-recast {zprime_recast.__version__}"


@pytest.mark.parametrize("group", [(), ("pdf",), ("model",), ("analysis",)])
def test_a_bare_command_prints_its_help_as_help(run, group):
    done = run(*group)
    assert done.returncode == 0
    assert "Commands:\n" in done.stdout
    assert len(done.stdout.splitlines()) > 6
    assert not done.stderr


def test_lists(run):
    assert {"elusive_bl", "ssm"} <= set(ok(run("list", "models", "--json"))["models"])
    assert "atlas-139fb-dilepton" in ok(run("list", "analyses", "--json"))["analyses"]
    assert "MSTW2008nlo_central" in ok(run("list", "pdfs", "--json"))["pdfs"]
    assert "elusive_bl" in run("list", "models").stdout


def test_a_broken_file_does_not_hide_the_rest_of_a_list(run, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.toml").write_text("schema = ")
    rows = ok(run("list", "models", "--json", env={"ZPRIME_RECAST_HOME": str(tmp_path)}))["models"]
    assert rows["mine"].startswith("unusable: ")
    assert "broken TOML" in rows["mine"]
    assert rows["ssm"].startswith("Sequential")


def test_show(run):
    values = ok(run("show", "elusive_bl", "--json"))
    assert values["anomaly_sums"] == dict.fromkeys(values["anomaly_sums"], "0")
    assert values["fermions"]["chi"]["q_right"] == "5"
    assert values["coupling_perturbative"] == pytest.approx(0.50133, abs=1e-5)
    assert ok(run("show", "ssm", "--json"))["anomaly_sums"] is None
    assert "gravity 0" in run("show", "e6_psi").stdout


def test_widths(run):
    values = ok(
        run(
            "widths", "elusive_bl", "--mass", 4000, "--coupling", 0.2, "--set", "m_chi=1000", "--set", "m_n=0", "--json"
        )
    )
    assert values["gamma_gev"] == pytest.approx(sum(values["partial_widths_gev"].values()), rel=1e-12)
    assert sum(values["branching_ratios"].values()) == pytest.approx(1, rel=1e-12)
    assert values["branching_ratios_by_group"]["invisible"] == pytest.approx(66 / 76, abs=0.01)
    assert "Gamma = " in run("widths", "ssm", "--mass", 3000).stdout


def test_xsec(run):
    narrow = ok(run("xsec", "elusive_bl", "--mass", 2000, "--coupling", 0.01, "--json"))
    full = ok(
        run("xsec", "elusive_bl", "--mass", 2000, "--coupling", 0.01, "--method", "full", "--no-interference", "--json")
    )
    assert full["sigma_br_fb"] == pytest.approx(narrow["sigma_br_fb"], rel=2e-3)
    assert narrow["order"] == "nnlo"
    assert 1.2 < narrow["k_factor"] < 1.4
    assert 0.03 < narrow["pdf_up_fb"] / narrow["sigma_br_fb"] < 0.1
    assert 0 < narrow["scale_down_fb"] < 0.03 * narrow["sigma_br_fb"]
    paper = ok(run("xsec", "ssm", "--mass", 2000, "--pdf", "MSTW2008nlo_central", "--order", "lo", "--json"))
    assert paper["k_factor"] == 1
    assert paper["pdf_up_fb"] is None  # this set has no error members
    ratio = ok(run("xsec", "ssm", "--mass", 2000, "--sqrt-s", 14000, "--json"))["sigma_br_fb"]
    ratio /= ok(run("xsec", "ssm", "--mass", 2000, "--json"))["sigma_br_fb"]
    assert 1.2 < ratio < 1.5


def test_workspace_cls_and_limit_agree(run, tmp_path):
    found = ok(run("limit", "elusive_bl", "--mass", 1000, "--json"))
    assert len(found["coupling_95_expected"]) == 5
    g = found["coupling_95_observed"]
    values = ok(run("cls", "elusive_bl", "--mass", 1000, "--coupling", g, "--json"))
    # the root finder accepts 0.3 % of the coupling; both commands use the same toys
    assert values["cls_observed"] == pytest.approx(0.05, rel=0.03)
    assert values["excluded"] is (values["cls_observed"] < 0.05)
    for origin in (found["provenance"], values["provenance"]):
        assert (origin["calculator"], origin["n_toys"], origin["seed"]) == ("toys", 2500, 1)
    assert ok(run("cls", "elusive_bl", "--mass", 1000, "--coupling", 1.1 * g, "--json"))["excluded"] is True
    assert run("workspace", "elusive_bl", "--mass", 1000, "--coupling", g, "-o", "ws.json").returncode == 0
    formula = ok(run("cls", "elusive_bl", "--mass", 1000, "--coupling", g, "--calculator", "asymptotic", "--json"))
    assert formula["provenance"]["calculator"] == "asymptotic"
    assert "n_toys" not in formula["provenance"]
    import pyhf

    loaded = pyhf.Workspace(json.loads((tmp_path / "ws.json").read_text()))
    model = loaded.model()
    with np.errstate(all="ignore"):
        observed = float(pyhf.infer.hypotest(1.0, loaded.data(model), model, test_stat="qtilde"))
    assert observed == pytest.approx(formula["cls_observed"], rel=5e-3)


def test_generic_limit(run):
    values = ok(run("generic-limit", "atlas-139fb-dilepton", "--mass", 2000, "--width", 0, "--channel", "ee", "--json"))
    assert values["sigma_br_95_expected_fb"][2] == pytest.approx(0.064, rel=0.15)
    assert (np.diff(values["sigma_br_95_expected_fb"]) > 0).all()
    assert any("recalled" in note for note in values["notes"])


def test_contour_writes_everything(run, tmp_path):
    done = run("contour", "e6_psi", "--compare", "ssm", "--masses", "4500:5500:2", "-o", "out", "--json")
    values = ok(done)
    assert values["mass_gev"] == [4500, 5500]
    assert 4600 < values["mass_limit_observed_gev"] < 5200  # each experiment alone: 4570, 4720
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {
        "contour.json",
        "contour.csv",
        "contour.png",
        "contour.pdf",
        "contour_ssm.json",
        "contour_ssm.csv",
    }
    assert json.loads((tmp_path / "out" / "contour.json").read_text()) == values
    assert "2/2" in done.stderr  # the progress bar


# ---------------------------------------------------------------------------------------------------------------
# Bad input: each is one line, exit code 2

M = ("--mass", "1000")
G = ("--coupling", "0.1")
BAD = [
    (["show", "elusive"], ["unknown model 'elusive'", "did you mean 'elusive_bl'"]),
    (["widths", "elusive_bl", *M], ["give --coupling"]),
    (["widths", "elusive_bl", *M, "-g", "0"], ["--coupling must be > 0, found 0"]),
    (["widths", "elusive_bl", *M, "-g", "-0.1"], ["--coupling must be > 0"]),
    (["widths", "elusive_bl", *M, "-g", "nan"], ["--coupling must be finite"]),
    (["widths", "elusive_bl", *M, "-g", "strong"], ["--coupling must be a number, found 'strong'"]),
    (["widths", "elusive_bl", "--mass", "0", *G], ["--mass must be > 0"]),
    (["widths", "elusive_bl", "--mass", "inf", *G], ["--mass must be finite"]),
    (["widths", "elusive_bl", "--mass", "1 TeV", *G], ["--mass must be a number"]),
    (["widths", "elusive_bl", *M, *G, "--set", "m_ci=3"], ["unknown parameter", "did you mean 'm_chi'"]),
    (["widths", "elusive_bl", *M, *G, "--set", "m_chi"], ["expected NAME=VALUE"]),
    (["widths", "elusive_bl", *M, *G, "--set", "m_chi=-1"], ["m_chi must be >= 0"]),
    (["widths", "elusive_bl", *M, *G, "--set", "m_chi=heavy"], ["m_chi must be a number"]),
    (["widths", "none.toml", *M, *G], ["none.toml", "no such file"]),
    (["xsec", "ssm", *M, "--pdf", "MSTW2008"], ["unknown PDF set 'MSTW2008'", "did you mean 'MSTW2008nlo_central'"]),
    (["xsec", "ssm", "--mass", "20000"], ["mass 20000 GeV is outside", "50 to 12350 GeV"]),
    (["xsec", "ssm", "--mass", "20"], ["outside the luminosity table"]),
    (["xsec", "ssm", *M, "--order", "nnnlo"], ["order must be one of lo, nlo, nnlo, n3lo", "'nnnlo'"]),
    (["xsec", "ssm", *M, "--sqrt-s", "7000", "--order", "n3lo", "--pdf", "MSTW2008nlo_central"], ["8000 to 14000 GeV, not 7000", "use the order nnlo"]),
    (["xsec", "ssm", *M, "--sqrt-s", "10000"], ["CT18NNLO is not installed", "8000, 13000, 13600, 14000", "pdf install CT18NNLO"]),
    (["xsec", "ssm", *M, "--member", "60"], ["members 0 to 58, not 60"]),
    (["xsec", "ssm", *M, "--cl", "100"], ["confidence level must be between 0 and 100"]),
    (["widths", "ssm", *M, "--set", "qcd_widths=2"], ["qcd_widths is a switch: 0 or 1, found 2"]),
    (["pdf", "install", "../evil"], ["cannot be the name of a PDF set"]),
    (["pdf", "install", "missing.tar.gz"], ["missing.tar.gz: no such file"]),
    (["xsec", "ssm", *M, "--method", "wide"], ["narrow or full"]),
    (["xsec", "ssm", *M, "--method", "full", "--window", "1000"], ["LOW:HIGH"]),
    (["xsec", "ssm", *M, "--method", "full", "--window", "2000:1000"], ["empty"]),
    (["xsec", "ssm", *M, "--lepton", "muon"], ["unknown charged lepton 'muon'", "did you mean 'mu'"]),
    (["xsec", "ssm", *M, "--sqrt-s", "-13"], ["--sqrt-s must be > 0"]),
    (["cls", "ssm", "--mass", "100"], ["outside atlas-139fb-dilepton", "250 to 6000 GeV"]),
    (["cls", "ssm", *M, "-a", "atlas-139fb-dileptons"], ["unknown analysis", "did you mean 'atlas-139fb-dilepton'"]),
    (["cls", "ssm", *M, "-a", "atlas-139fb-dilepton", "-a", "atlas-139fb-dilepton"], ["different analyses"]),
    (["cls", "elusive_bl", *M, "-g", "20"], ["Gamma/M ="]),
    (["limit", "ssm", "--mass", "7000"], ["250 to 6000 GeV"]),
    (["limit", "ssm"], ["Missing option '--mass'"]),
    (["generic-limit", "atlas-139fb-dilepton", *M, "--width", "0.9"], ["between 0 and 0.5"]),
    (["generic-limit", "atlas-139fb-dilepton", *M, "--width", "-1"], ["--width must be >= 0"]),
    (["generic-limit", "atlas-139fb-dilepton", *M, "--width", "0", "--channel", "tautau"], ["unknown channel"]),
    (["generic-limit", "cms", *M, "--width", "0"], ["unknown analysis 'cms'"]),
    (["generic-limit", "cms-140fb-dilepton", *M, "--width", "0", "--calculator", "toys"], ["the windows of cms-140fb-dilepton take bayes"]),
    (["generic-limit", "atlas-139fb-dilepton", *M, "--width", "0", "--fit", "windows"], ["no [resonance_fit]"]),
    (["contour", "ssm", "--masses", "1000:2000", "-o", "x"], ["LOW:HIGH:N"]),
    (["contour", "ssm", "--masses", "2000:1000:3", "-o", "x"], ["LOW must be below HIGH"]),
    (["contour", "ssm", "--masses", "1000:2000:0", "-o", "x"], ["from 1 to 10000"]),
    (["contour", "ssm", "--masses", "100:2000:3", "-o", "x"], ["250 to 6000 GeV"]),
    (["contour", "ssm", "--compare", "ssm", "-o", "x"], ["same model twice"]),
    (["contour", "ssm", "--workers", "-3", "-o", "x"], ["--workers"]),
    (["contour", "ssm"], ["Missing option"]),
    (["list", "model"], ["unknown list 'model'", "did you mean 'models'"]),
    (["contuor", "ssm"], ["No such command"]),
    (["show", "ssm", "--colour"], ["No such option"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "parts"), BAD, ids=[" ".join(a) for a, _ in BAD])
def test_bad_input_is_one_clear_line(run, arguments, parts):
    refused(run(*arguments), *parts)


def test_broken_files_are_one_clear_line(run, tmp_path, repository):
    (tmp_path / "card.toml").write_text("schema = 1\nid = ")
    refused(run("show", "card.toml"), "card.toml", "broken TOML")
    folder = shutil.copytree(repository / "analyses" / "atlas-139fb-dilepton", tmp_path / "mine")
    (folder / "spectrum_ee.csv").write_text("m_low_gev,m_high_gev,n_obs,bkg\n")
    refused(run("cls", "ssm", *M, "-a", folder), "spectrum_ee.csv", "at least one row")
    sets = tmp_path / "sets" / "Broken"
    sets.mkdir(parents=True)
    for file in (repository / "data" / "pdfs" / "MSTW2008nlo_central").iterdir():
        (sets / file.name.replace("MSTW2008nlo_central", "Broken")).write_text(file.read_text()[:5000])
    refused(
        run("xsec", "ssm", *M, "--pdf", "Broken", env={"LHAPDF_DATA_PATH": str(sets.parent)}),
        "Broken_0000.dat",
        "cut short",
    )


def test_unwritable_output_is_told_before_the_work(run, tmp_path):
    (tmp_path / "file").write_text("")
    refused(run("contour", "ssm", "-o", "file/below"), "cannot write", "file/below")  # no progress bar: not begun
    refused(run("workspace", "ssm", *M, "-o", "file/ws.json"), "cannot write")


def test_ctrl_c_keeps_the_masses_done(repository, tmp_path):
    """SIGINT to the whole foreground group, as a terminal sends it, once some masses are done."""
    process = subprocess.Popen(
        [*COMMAND, "contour", "elusive_bl", "--masses", "500:5500:400", "-o", "out", "--workers", "2"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(repository), "TTY_INTERACTIVE": "1", "FORCE_COLOR": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a CI job in the background ignores it
    )  # fmt: skip
    seen = ""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not re.search(r"\b[1-9]\d*/400", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)):
        seen += process.stderr.read(20)
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 2, seen + rest
    assert "Traceback" not in seen + rest
    assert "kept in out" in re.sub(r"\s+", " ", rest)
    values = json.loads((tmp_path / "out" / "contour.json").read_text())
    assert values["complete"] is False
    assert 2 <= len(values["mass_gev"]) < 400
    assert (tmp_path / "out" / "contour.png").is_file()
