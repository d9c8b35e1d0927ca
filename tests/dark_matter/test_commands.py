"""Commands: keys of the contract, one JSON object, errors of one line, quick help; who imports whom."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from zprime_recast.cli.dark_matter import register
from zprime_recast.errors import InputError, ZprimeError

PACKAGE = Path(__file__).parents[2] / "zprime_recast"


@pytest.fixture(scope="module")
def run():
    app = typer.Typer(pretty_exceptions_enable=False)
    register(app)

    def call(*arguments: str):
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout

    return call


POINT = ("elusive_bl", "--mass", "10000", "--coupling", "0.25", "--set", "m_chi=3800", "--json")
KEYS = {
    "relic": {"omega_h2", "omega_h2_estimate", "x_freeze_out", "sigma_v_today_cm3_s"},
    "direct": {"sigma_si_cm2", "excluded_by"},
    "indirect": {"sigma_v_today_cm3_s", "limit_over_prediction"},
    "neff": {"delta_neff", "t_freeze_out_gev"},
    "scalar": {"exact", "estimate", "violated"},
}


@pytest.mark.parametrize("command", KEYS)
def test_json(run, command):
    """stdout is one JSON object with the keys of the contract, without NaN; without --json it is text."""
    values = json.loads(run(command, *POINT), parse_constant=pytest.fail)
    assert set(values) >= KEYS[command]
    assert "Example: zprime-recast " + command in run(command, "--help").replace("\n", " ")
    text = run(command, *POINT[:-1])
    assert text.strip()
    assert not text.startswith("{")


def test_set_reaches_the_physics(run):
    """m_chi, m_n and gamma_extra change the numbers."""
    base = json.loads(run("relic", *POINT))
    for setting in ("m_chi=3000", "m_n=1e5", "gamma_extra=500"):
        assert json.loads(run("relic", *POINT, "--set", setting))["omega_h2"] != base["omega_h2"]


def test_direct_lists_experiments(run):
    """The paper's 3.8 TeV point lies below LUX 2016 and above LZ 2024."""
    excluded = json.loads(run("direct", *POINT))["excluded_by"]
    assert "lz_2024" in excluded
    assert "lux_2016" not in excluded
    scaled = json.loads(run("direct", *POINT, "--scaled", "--set", "m_chi=4900"))
    assert scaled["fraction"] < 0.1
    assert scaled["excluded_by"] == []


def test_estimate_on_the_pole_is_null_with_a_note(run):
    values = json.loads(run("relic", *POINT, "--set", "m_chi=5000"))
    assert values["omega_h2_estimate"] is None
    assert "eq. (3.3) does not apply on the pole" in values["notes"][0]
    assert values["omega_h2"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("relic", "ssm", "-m", "1000", "-g", "0.1"), "has no dark matter"),
        (("relic", "elusive_bl", "-m", "-1", "-g", "0.1"), "--mass must be > 0"),
        (("relic", "elusive_bl", "-m", "1e3", "-g", "x"), "--coupling must be a number"),
        (("relic", "elusive_bl", "-m", "1e3", "-g", "0.1", "--set", "m_chi=0"), "m_chi must be finite and > 0"),
        (("relic", "elusive_bl", "-m", "1e3", "-g", "0.1", "--set", "m_chi"), "expected NAME=VALUE"),
        (("relic", "elusive_bl", "-m", "1e3", "-g", "0.1", "--dof", "none"), "degrees of freedom"),
        (("direct", "elusive_bl", "-m", "nan", "-g", "0.1"), "--mass must be finite"),
        (("neff", "minimal_bl", "-m", "1e3", "-g", "0.1"), "has no dark radiation"),
        (("neff", "elusive_bl", "-m", "1e3", "-g", "1e-5"), "omega"),
        (("scalar", "elusive_bl", "-m", "1e3", "-g", "0.1", "--v2", "1e5"), "--v2"),
    ],
)
def test_errors_are_named(run, arguments, message):
    with pytest.raises(ZprimeError, match=message) as caught:
        run(*arguments)
    assert isinstance(caught.value, InputError)
    assert "\n" not in str(caught.value)


def test_commands_import_nothing_heavy():
    code = (
        "import sys, zprime_recast.cli.dark_matter; "
        "print([m for m in ('numpy', 'scipy', 'matplotlib', 'pyhf') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]"


def test_commands_of_the_page_run(run):
    """What docs/dark-matter.md shows runs as written (summary, which takes minutes, is tested in test_summary)."""
    page = (PACKAGE.parent / "docs" / "dark-matter.md").read_text()
    lines = [line for block in page.split("```")[1::2] for line in block.strip().splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith("zprime-recast") and "summary" not in line]
    assert {words[0] for words in commands} == set(KEYS)
    for words in commands:
        assert run(*words).strip()


def test_dark_side_does_not_know_the_lhc():
    """dark_matter imports only model, io, and the ground (arrays, errors, units, lazy exports)."""
    allowed = {"model", "io", "arrays", "errors", "units", "_exports"}
    for path in (PACKAGE / "dark_matter").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                assert node.module.split(".")[0] in allowed, f"{path.name} imports {node.module}"


def test_tolerances_are_relative():
    """Cross sections here are 1e-8 to 1e-45, far below the absolute 1e-12 that ``pytest.approx`` allows unless told."""
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "approx":
                given = {keyword.arg for keyword in node.keywords}
                assert given >= {"abs"}, f"{path.name}, line {node.lineno}: approx without abs"
