"""Figure 2: the paper's statements, each a test, and the files."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from zprime_recast.errors import InputError, OutputError, UnknownName
from zprime_recast.model.card import load_model
from zprime_recast.report.summary import LhcLimit, Summary, panel, relic_ranges, summary, summary_json, write_summary

GRID = (90, 60)


@pytest.fixture(scope="module")
def model():
    return load_model("elusive_bl")


@pytest.fixture(scope="module")
def panels(model):
    return {m: panel(model, 1000.0 * m, grid=GRID) for m in (1, 5, 10, 20)}


def test_only_a_sliver_at_1_tev(panels):
    """m_chi = 1 TeV, relic density with LUX alone: what survives lies within 15 % of m_Z' = 2 m_chi, below g = 0.1."""
    p = panels[1]
    allowed_mass = p.mass_gev[p.allowed.any(axis=1)]
    assert allowed_mass.size
    assert (np.abs(allowed_mass / 2000.0 - 1) < 0.15).all()
    assert p.coupling[p.allowed.any(axis=0)].max() < 0.1


def test_allowed_region_grows_and_stays_around_twice_the_mass(panels):
    """The allowed range of m_Z' grows from 1 to 20 TeV and always holds 2 m_chi."""
    widths = []
    for m, p in panels.items():
        allowed = p.mass_gev[p.allowed.any(axis=1)]
        assert allowed.min() < 2000.0 * m < allowed.max()
        widths.append(allowed.max() - allowed.min())
    assert widths[0] < widths[1] < widths[2]


def test_direct_detection_cannot_cover_20_tev(panels):
    """LZ (1000 d) reaches all that is allowed at 1 TeV above g = 0.03, and at 20 TeV leaves more than 90 %."""
    share = {}
    for m, p in panels.items():
        cell = np.gradient(p.mass_gev)[:, None] * np.gradient(p.coupling)[None, :]
        share[m] = (cell * (p.allowed & p.reached_by("projection_lz_1000d"))).sum() / (cell * p.allowed).sum()
    assert share[1] > 0.8
    assert share[1] > share[10] > share[20]
    assert share[20] < 0.1


def test_relic_density_bounds_the_coupling_from_below(panels):
    """Off the pole a stronger coupling is allowed, a weaker one overabundant: one range that ends at the top."""
    p = panels[5]
    for mass, ranges in zip(p.mass_gev, relic_ranges(p), strict=True):
        if 6000 < mass < 9000 or 11000 < mass < 16000:
            assert len(ranges) == 1
            assert ranges[0][1] == pytest.approx(p.coupling[-1])


def test_lhc_limit_excludes_above_its_line():
    limit = LhcLimit(np.array([1000.0, 2000.0, 3000.0]), np.array([0.01, 0.1, np.nan]))
    mass = np.array([500.0, 1000.0, 1500.0, 2000.0, 2500.0])
    assert limit.excludes(mass, np.full(5, 0.05)).tolist() == [False, True, True, False, False]


def test_the_lhc_region_is_closed_at_the_top():
    """From the last mass with a limit, the edge rises to the largest coupling at the next mass, and ends there."""
    limit = LhcLimit(np.array([1e3, 2e3, 3e3, 4e3]), np.array([0.01, 0.1, np.nan, np.nan]), np.full(4, 0.4))
    mass, log_g = limit.outline
    np.testing.assert_allclose(np.exp(log_g[:3]), [0.01, 0.1, 0.4])
    assert mass.tolist() == [1e3, 2e3, 3e3, 4e3]
    assert np.isnan(log_g[3])
    at = np.array([2500.0, 2500.0, 3500.0])
    assert limit.excludes(at, np.array([0.19, 0.21, 0.9])).tolist() == [False, True, False]  # sqrt(0.1 * 0.4) = 0.2


def test_lhc_is_asked_with_the_mass_of_chi(model, tmp_path):
    """The LHC side gets the model of the panel; its region is part of the result and of the files."""
    asked = []

    def source(card):
        asked.append(card.parameter("m_chi"))
        return LhcLimit(np.array([500.0, 4000.0]), np.array([0.005, 0.3]), None, "LHC test", {"pdf": "x"})

    result = summary(model, [1000.0, 5000.0], lhc=source, era="current", grid=(40, 30), provenance={"note": "n"})
    assert asked == [1000.0, 5000.0]
    assert result.panels[0].excluded_lhc.any()
    assert not (result.panels[0].allowed & result.panels[0].excluded_lhc).any()
    values = summary_json(result)
    assert values["panels"][0]["lhc"]["coupling_95_observed"] == [0.005, 0.3]
    assert values["provenance"]["note"] == "n"
    paths = write_summary(result, tmp_path / "new")
    assert [p.name for p in paths] == ["summary.json", "summary.csv"]
    json.loads(paths[0].read_text(), parse_constant=pytest.fail)
    rows = list(csv.DictReader(paths[1].read_text().splitlines()))
    assert len(rows) == sum(p.omega_h2.size for p in result.panels)
    allowed = sum(int(row["allowed"]) for row in rows)
    assert allowed == sum(int(p.allowed.sum()) for p in result.panels)

    from zprime_recast.report.summary_figure import plot_summary

    figure = plot_summary(result)
    assert [axes.get_title() for axes in figure.axes] == [r"$m_\chi$ = 1 TeV", r"$m_\chi$ = 5 TeV"]


def test_bad_input_is_named(model, tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'paper'"):
        panel(model, 1000.0, era="papers", mass_gev=[1e3], coupling=[0.1])
    with pytest.raises(InputError, match="ascending"):
        panel(model, 1000.0, mass_gev=[2e3, 1e3], coupling=[0.1])
    with pytest.raises(InputError, match="at least one"):
        summary(model, [])
    (tmp_path / "file").write_text("")
    nothing = Summary(model, (), "paper", {})
    with pytest.raises(OutputError, match="cannot write"):
        write_summary(nothing, tmp_path / "file")


def test_command(tmp_path):
    """zprime-recast summary: four files, and with --json one object on stdout."""
    from typer.testing import CliRunner

    from zprime_recast.cli._shared import app

    arguments = ["summary", "elusive_bl", "--dm-mass", "1000,3000", "--no-lhc", "--grid", "30x20", "--era", "current"]
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    values = json.loads(done.stdout)
    assert [p["m_chi_gev"] for p in values["panels"]] == [1000.0, 3000.0]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"summary.{s}" for s in ("json", "csv", "png", "pdf")}
    for option, value, message in (
        ("--grid", "5x5", "at least 10 x 10"),
        ("--grid", "many", "expected two whole numbers"),
        ("--dm-mass", "1000,x", "--dm-mass must be a number"),
        ("--era", "future", "unknown era"),
        ("--workers", "0", "--workers"),
    ):
        with pytest.raises(InputError, match=message):
            CliRunner().invoke(app, [*arguments, option, value, "-o", str(tmp_path)], catch_exceptions=False)


def test_the_era_chooses_the_lhc_data(model):
    """Paper: the ATLAS 36/fb limit curve; today: the contour of the 139/fb likelihood, stronger in the median."""
    from zprime_recast.cli.summary import LHC_OF_ERA, lhc_source

    card = model.with_parameters(m_chi=10000.0)
    old = lhc_source(list(LHC_OF_ERA["paper"]), None, None, None, 1)(card)
    new = lhc_source(list(LHC_OF_ERA["current"]), None, None, "asymptotic", 1)(card)
    assert "36.1" in old.label
    assert "139" in new.label
    assert old.provenance["analyses"][0]["notes"][0].startswith("derived")
    at = new.mass_gev[np.isfinite(new.coupling_95)]
    assert len(at) >= 200  # at the resolution of the data
    before = np.interp(at, old.mass_gev, old.coupling_95)
    assert np.nanmedian(before / new.coupling_95[np.isfinite(new.coupling_95)]) > 1.2
