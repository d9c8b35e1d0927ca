"""What docs/add-a-search.md says: from a HEPData table to a limit; faults are explained; searches combine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from zprime_recast.cli._shared import app
from zprime_recast.errors import CardError, InputError, UnknownName
from zprime_recast.limits.analyses import Analyses, load_analyses
from zprime_recast.limits.hypothesis import cls, limit
from zprime_recast.process.family import coupling_family
from zprime_recast.searches.check import check_analysis
from zprime_recast.searches.hepdata import read_hepdata
from zprime_recast.searches.limit_curve import read_limit_curve
from zprime_recast.searches.search import DEFAULT_ANALYSES, find_search, list_analyses
from zprime_recast.searches.spectrum import load_spectrum


@pytest.fixture
def example(repository, tmp_path):
    return shutil.copytree(repository / "docs" / "examples" / "toy-dimuon", tmp_path / "toy-dimuon")


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_steps_of_the_page(example, elusive):
    (example / "spectrum.csv").unlink()
    columns = "m_low_gev,m_high_gev,n_obs,bkg,bkg_uncertainty"
    made = run(
        "analysis", "table", example / "hepdata_spectrum.yaml", "--columns", columns, "-o", example / "spectrum.csv"
    )
    assert made.exit_code == 0, made.output
    checked = run("analysis", "check", example, "--json")
    assert checked.exit_code == 0
    values = json.loads(checked.stdout)
    assert values["faults"] == []
    assert values["remarks"] == [
        "no [[validation]]: without published limits 'validate' cannot measure the accuracy of the recast"
    ]
    search = load_spectrum(example)
    assert search.channels[0].n_obs.sum() == 1485
    result = limit(elusive, 2000.0, load_analyses([search]))
    assert 0.015 < result.coupling_95_expected[2] < 0.06  # ATLAS with 139/fb: 0.023


@pytest.mark.parametrize("search_id", list(list_analyses()))
def test_shipped_folders_have_no_fault(search_id):
    assert check_analysis(list_analyses()[search_id]).faults == ()


def test_every_fault_is_found_at_once(example):
    card = (example / "card.toml").read_text()
    card = card.replace('kind = "scale"', 'kind = "shift"').replace("relative = [0.025]", "relative = [1.5]")
    (example / "card.toml").write_text(
        card.replace('lepton = "mu"', 'lepton = "muon"').replace("eta_max", "eta_maximum")
    )
    (example / "efficiency.csv").write_text("m_ll_gev,efficiency\n300,0.6\n200,0.7\n")
    (example / "response.csv").write_text("m_ll_gev,sigma\n300,0.02\n500,wide\n")
    faults = {(f.path.name, f.key) for f in check_analysis(example).faults}
    assert {
        ("card.toml", "uncertainty[0].relative"),
        ("card.toml", "uncertainty[1].kind"),
        ("card.toml", "fiducial.eta_max"),
        ("efficiency.csv", "column m_ll_gev"),
        ("response.csv", "line 3, column sigma"),
    } <= faults
    command = [sys.executable, "-m", "zprime_recast", "analysis", "check", str(example)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "found 'shift', expected one of yield, scale, resolution, spurious" in done.stdout
    assert done.stderr.startswith(f"zprime-recast: {example}")
    assert done.stderr.endswith(f" (and {len(faults) - 1} more faults)\n")
    assert done.stderr.count("\n") == 1
    done = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert done.returncode == 2
    assert len(json.loads(done.stdout)["faults"]) == len(faults)
    assert done.stderr.count("\n") == 1


def test_a_fiducial_region_without_rapidities_is_a_fault(example):
    card = (example / "card.toml").read_text()
    (example / "card.toml").write_text(re.sub(r"eta_max = .*", "eta_max = 0.0", card))
    assert [(f.key, f.expected) for f in check_analysis(example).faults] == [("fiducial.eta_max", "a number > 0")]


@pytest.mark.parametrize("cell", ['"0.03', "1e308", "1e-200", "nan", "\x00", '"' + "9" * 200_000 + '"'])
def test_damaged_cells_are_faults(example, cell):
    """An open quote, numbers of no legal magnitude, cells beyond the limit of the reader."""
    for name in ("response.csv", "spectrum.csv", "efficiency.csv"):
        text = (example / name).read_text()
        head, body = text.rsplit("\n", 3)[0], text.rsplit("\n", 3)[1]
        (example / name).write_text("\n".join([head, body.rsplit(",", 1)[0] + "," + cell, text.rsplit("\n", 3)[2], ""]))
        assert {fault.path.name for fault in check_analysis(example).faults} == {name}
        (example / name).write_text(text)


@pytest.mark.parametrize("text", ["", "kind = 3", "schema = 1\nkind = 'other'", "schema = 9"])
def test_hopeless_cards_are_explained(tmp_path, text):
    (tmp_path / "card.toml").write_text(text)
    assert check_analysis(tmp_path).faults
    assert isinstance(run("analysis", "check", tmp_path).exception, InputError)


def test_hepdata_formats_agree(example, tmp_path):
    """The same table as YAML, as HEPData's CSV and as its ROOT file."""
    import uproot

    table = read_hepdata(example / "hepdata_spectrum.yaml")
    names = [column.name for column in table.values]
    assert names == ["M(MUMU) low", "M(MUMU) high", "Data", "Background", "Background uncertainty"]
    low, high, counts = (table.numbers(name) for name in names[:3])
    lines = ["#: name: Table 1", "M(MUMU),M(MUMU) LOW,M(MUMU) HIGH,Data"]
    lines += [f"{0.5 * (a + b)},{a},{b},{n}" for a, b, n in zip(low, high, counts, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    from_csv = read_hepdata(tmp_path / "t.csv")
    np.testing.assert_array_equal(from_csv.numbers("Data"), counts)
    np.testing.assert_array_equal(from_csv.numbers("M(MUMU) LOW"), low)
    with uproot.recreate(tmp_path / "t.root") as file:
        file["Table 1/Hist1D_y1"] = (counts, np.append(low, high[-1]))
        file["Table 2/Hist1D_y1"] = (counts, np.append(low, high[-1]))
    from_root = read_hepdata(tmp_path / "t.root", "Table 1")
    np.testing.assert_array_equal(from_root.numbers("Hist1D_y1"), counts)
    np.testing.assert_allclose(from_root.numbers("x high"), high)
    with pytest.raises(InputError, match="has 2 tables, choose one with --table: Table 1, Table 2"):
        read_hepdata(tmp_path / "t.root")
    with pytest.raises(UnknownName, match="table of t.root"):
        read_hepdata(tmp_path / "t.root", "Table 3")


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.yaml", "{", CardError),
        ("a.yaml", "x: 1", CardError),
        ("a.yaml", "dependent_variables: [{header: {name: y}, values: [{value: '-'}]}]", CardError),
        ("a.csv", "", CardError),
        ("a.root", "no root file", CardError),
        ("a.txt", "1", InputError),
        ("a.json", None, CardError),
        ("b.csv", None, CardError),
    ],
)
def test_broken_hepdata_files_are_named(tmp_path, name, text, error):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(error, match=name):
        read_hepdata(tmp_path / name)


# ---------------------------------------------------------------------------------------------------------------
# Combination


def test_two_searches_are_better_than_one(elusive):
    """ATLAS and CMS together at 2 and 4 TeV: a stronger expected limit than either; one alone is what it was alone."""
    both = load_analyses(DEFAULT_ANALYSES)
    assert [f.search.id for f in both] == ["atlas-139fb-dilepton", "cms-140fb-dilepton"]
    for mass in (2000.0, 4000.0):

        def median(searches, mass=mass):
            return float(limit(elusive, mass, searches, calculator="asymptotic").coupling_95_expected[2])

        together, apart = median(both), [median(Analyses((f,))) for f in both]
        assert together < 0.95 * min(apart)
        alone = [median(load_analyses([i])) for i in DEFAULT_ANALYSES]
        np.testing.assert_allclose(apart, alone, rtol=1e-4)


def test_theory_is_shared_and_experiments_are_not(elusive):
    hypotheses = coupling_family(elusive, 3000.0).at(np.array([0]), np.array([0.1]))
    names = load_analyses(DEFAULT_ANALYSES).joint.likelihood(hypotheses).nuisances
    assert names.count("pdf_1") == names.count("qcd_scale") == 1
    assert {"atlas-139fb-dilepton_electron_scale", "cms-140fb-dilepton_electron_efficiency"} <= set(names)


def test_limit_curves_answer_the_same_questions(elusive):
    curve = load_analyses(["cms-137fb-dijet"])
    ssm_like = elusive.with_parameters(m_chi=5000.0)
    result = limit(ssm_like, 2500.0, curve)
    assert result.kind == "limit-curve"
    tested = cls(ssm_like, 2500.0, 0.3, curve)
    assert tested.provenance.kind == "limit-curve"
    assert np.isfinite(tested.signal_over_limit_observed)
    assert np.isnan(tested.signal_over_limit_expected)  # only the observed limit is published
    assert np.isnan(tested.cls_observed)
    assert "no likelihood" in tested.warnings[0]
    with pytest.raises(InputError, match="cannot be combined"):
        limit(elusive, 2500.0, Analyses((*curve, *load_analyses("atlas-139fb-dilepton"))))


def test_beyond_the_published_widths_there_is_no_limit(elusive):
    """Narrow table up to 3 %: a hypothesis of 5 % is not judged, and the result says so."""
    curve = load_analyses(["atlas-139fb-ttbar"])
    wide = cls(elusive.with_parameters(gamma_extra=150.0), 2500.0, 0.1, curve)
    assert np.isnan(wide.signal_over_limit_observed)
    assert "beyond the published 0.03" in wide.warnings[1]
    assert not wide.excluded


def test_widths_are_interpolated(elusive):
    curve = read_limit_curve(find_search("cms-137fb-dijet"))
    one, five = curve.at(4000.0, 0.01)[0], curve.at(4000.0, 0.05)[0]
    assert curve.at(4000.0, 0.03)[0] == pytest.approx(0.5 * (one + five))
    assert curve.at(4000.0, 0.001)[0] == one
    assert np.isnan(curve.at(4000.0, 0.6)[0])
    assert np.isnan(curve.at(100.0, 0.01)[0])
