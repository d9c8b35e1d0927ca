"""What ``validate`` compares and says, on invented searches whose published limits are known."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from toy_search import write_search
from typer.testing import CliRunner

from zprime_recast.cli import app
from zprime_recast.limits.window_fit import window_limit
from zprime_recast.report.validation import Deviations, both_ways, validate, verdicts
from zprime_recast.report.validation_tables import both_ways_table, thinning_remark, validation_json, validation_table

EDGES = np.linspace(200.0, 6200.0, 301)
MASSES = [300.0, 500.0, 700.0, 1000.0, 2000.0]

FIT = """
[resonance_fit]
window_widths = 6.0
window_events = 50
norm_kappa = 1.4
bins = 0.2
expected = "Asimov data"
status = "assumed"
source = "invented"
"""
VALIDATION = """
[[validation]]
channel = "ee"
limits = "limit.csv"
calculator = "bayes"
tolerance = [ { mass_gev = [400.0, 1500.0], gamma_over_m = [0.0, 0.1], median = 0.15 } ]
"""


@pytest.fixture
def search(tmp_path):
    """Published at five masses: expected at the first four, observed at all but the first, and one mass outside."""
    rows = ["mass_gev,gamma_over_m,limit_obs_fb,limit_exp_fb"]
    for k, mass in enumerate([*MASSES, 6100.0]):
        rows.append(f"{mass},0.01,{'' if k == 0 else 0.5},{0.4 if k < 4 else ''}")
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "limit.csv").write_text("\n".join(rows) + "\n")
    n = len(EDGES) - 1
    return write_search(tmp_path, EDGES, np.full(n, 20.0), np.full(n, 1.0), uncertainties=FIT + VALIDATION)


def test_every_published_mass_is_compared_where_it_is_published(search):
    """All masses inside the search, each limit once; ratios are those of the window fit by hand."""
    (found,) = validate(search)
    np.testing.assert_array_equal(found.mass_gev, MASSES)
    assert found.n_published == 5
    np.testing.assert_array_equal(np.isfinite(found.ratio_expected), [True] * 4 + [False])
    np.testing.assert_array_equal(np.isfinite(found.ratio_observed), [False] + [True] * 4)
    one = window_limit(search.resonance_fit, "ee", 700.0, 0.01)
    assert found.ratio_expected[2] == pytest.approx(one.expected[2] / 0.4)
    assert found.ratio_observed[2] == pytest.approx(one.observed / 0.5)
    assert (found.fit, found.calculator, found.is_default) == ("windows", "bayes", True)
    assert thinning_remark([found]) == []


def test_a_thinned_comparison_says_so(search):
    (found,) = validate(search, 2)
    np.testing.assert_array_equal(found.mass_gev, [300.0, 1000.0])
    assert thinning_remark([found]) == ["thinned: 2 of 5 published masses (without --points: all)"]


def test_verdicts_leave_no_mass_out(search):
    """A row for the range with a tolerance, and one without for the rest; medians, p90 and worst as numpy has them."""
    comparisons = validate(search)
    inside, rest = verdicts(search, comparisons)
    assert (inside.mass_range_gev, rest.mass_range_gev) == ((500.0, 1000.0), (300.0, 2000.0))
    assert (inside.expected.points, inside.observed.points) == (3, 3)
    assert (rest.expected.points, rest.observed.points, rest.tolerance) == (1, 1, None)
    deviations = np.abs(comparisons[0].ratio_expected[1:4] - 1)
    assert inside.expected.median == np.median(deviations)
    assert inside.expected.p90 == np.quantile(deviations, 0.9)
    assert inside.expected.worst == deviations.max()
    assert rest.passed
    table = validation_table([inside, rest])
    assert "calculator bayes, fit windows (the default of generic-limit)" in table[0]
    assert "| 500–1000 | 3; " in table[4]
    assert table[5].endswith(f"| – | {rest.far} | – |")


def test_a_median_beyond_the_tolerance_fails(search):
    (inside, _) = verdicts(search, validate(search))
    worse = Deviations(3, 0.21, 0.3, 0.4)
    assert not type(inside)(**{**vars(inside), "expected": worse, "observed": Deviations.of(np.array([1.0]))}).passed
    fine = {"expected": Deviations.of(np.array([1.1])), "observed": Deviations.of(np.array([np.nan]))}
    assert type(inside)(**{**vars(inside), **fine}).passed


def test_both_ways_multiply_to_the_difference(search):
    """Windows over all bins is the product of the steps; without toys that of the toys is 1. In the table stand those
    that differ by more than 15 %, each with a reason.
    """
    both = both_ways(search, validate(search))
    assert [one.mass_gev for one in both] == MASSES[:4]
    for one in both:
        ratio = one.windows_over_published / one.all_bins_over_published
        assert one.toys * one.categories * one.background == pytest.approx(ratio)
        assert one.toys == pytest.approx(1.0)
        assert one.categories < 1
    apart = [one for one in both if abs(one.windows_over_published / one.all_bins_over_published - 1) > 0.15]
    lines = both_ways_table(both)
    assert f"{len(apart)} of 4 masses differ by more than 15 %" in lines[0]
    assert len(lines) == (4 + len(apart) if apart else 1)
    assert all("×" in line for line in lines[4:])


def test_pages_are_written_from_the_json(search, tmp_path):
    """What ``docs/write_validation.py`` puts between the marks is the table of the run, and it can be done again."""
    path = Path(__file__).parent.parent.parent / "docs" / "write_validation.py"
    spec = importlib.util.spec_from_file_location("write_validation", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    comparisons = validate(search)
    results, both = verdicts(search, comparisons), both_ways(search, comparisons)
    values = validation_json(comparisons, results, both)
    (tmp_path / "validation.json").write_text(json.dumps(values))
    again, two = script.read([tmp_path])
    assert validation_table(again) == validation_table(results)
    assert both_ways_table(two) == both_ways_table(both)
    page = f"before\n{script.BEGIN}\nold\n{script.END}\nafter\n"
    once = script.replaced(page, validation_table(again))
    assert script.replaced(once, validation_table(again)) == once
    assert "old" not in once
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    (row,) = script.summary_rows(again)["TOY"]
    assert row.startswith("| TOY expected limits, bayes, ee, Γ/M 1 %, 500–1000 GeV | HEPData | median ")


def test_the_command_writes_what_it_prints(search, tmp_path):
    """Table, remark on thinning, JSON and a figure; exit code 1 because the invented limits are missed by far."""
    done = CliRunner().invoke(app, ["validate", str(tmp_path), "--points", "3", "-o", str(tmp_path / "out")])
    assert done.exit_code == 1, done.output
    written = json.loads((tmp_path / "out" / "validation.json").read_text())
    assert written["passed"] is False
    assert len(written["points"][0]["mass_gev"]) == 3
    table = (tmp_path / "out" / "validation.md").read_text()
    assert "thinned: 3 of 5 published masses" in table
    assert table.strip() in done.output
    assert (tmp_path / "out" / "toy_ee.png").is_file()
