"""Tables of HEPData as others publish them: gaps, text, uncertainties, units; and what no card can be used with."""

from __future__ import annotations

import gzip
import json
import random
import shutil

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from zprime_recast.cli._shared import app
from zprime_recast.errors import CardError, InputError, UnknownName, ZprimeError
from zprime_recast.searches.check import check_analysis
from zprime_recast.searches.hepdata import read_hepdata

GAPS = """
dependent_variables:
- header: {name: '$\\sigma\\times B$', units: pb}
  values: [{value: 0.52}, {value: '-'}, {value: 0.11}]
- header: {name: comment}
  values: [{value: 'first fit'}, {value: 'not fitted'}, {value: 'first fit'}]
independent_variables:
- header: {name: '$M$', units: TeV}
  values: [{value: 0.5}, {value: 1}, {value: 1.5}]
"""
SPECTRUM = """
name: Table 3
dependent_variables:
- header: {name: Data, units: events/GeV}
  values:
  - {value: 1.2, errors: [{symerror: 0.35, label: stat}]}
  - {value: 0.4, errors: [{symerror: 0.2, label: stat}]}
- header: {name: Background, units: events/GeV}
  values:
  - {value: 1.1, errors: [{symerror: '5%', label: sys}, {asymerror: {plus: 0.03, minus: -0.02}, label: norm}]}
  - {value: 0.5, errors: [{symerror: '8%', label: sys}, {asymerror: {plus: 0.02, minus: -0.01}, label: norm}]}
independent_variables:
- header: {name: '$m_{ll}$', units: GeV}
  values: [{low: 500, high: 520}, {low: 520, high: 560}]
"""


@pytest.fixture
def gaps(tmp_path):
    (tmp_path / "gaps.yaml").write_text(GAPS)
    return tmp_path / "gaps.yaml"


@pytest.fixture
def spectrum(tmp_path):
    (tmp_path / "spectrum.yaml").write_text(SPECTRUM)
    return tmp_path / "spectrum.yaml"


def run(*arguments):
    return CliRunner().invoke(app, ["analysis", "table", *map(str, arguments)])


def rows(result):
    return [line for line in result.stdout.splitlines() if not line.startswith("#")]


def test_text_matters_only_in_columns_that_are_kept(gaps):
    used = run(gaps, "--columns", "mass_gev,limit_obs,-")
    assert used.exit_code == 0, used.output
    assert rows(used) == ["mass_gev,limit_obs", "500,520", "1000,", "1500,110"]
    assert "limit_obs: nothing is published in 1 of 3 rows; the cells are empty" in used.stderr
    assert "limit_obs: converted from pb to fb" in used.stderr
    assert "mass_gev: converted from TeV to GeV" in used.stderr
    shown = run(gaps)
    assert "# units: $M$ [TeV], $\\sigma\\times B$ [pb]" in shown.stdout
    assert rows(shown)[2] == "1,,not fitted"
    with pytest.raises(CardError, match="column comment, row 1: found 'first fit', expected a number"):
        read_hepdata(gaps).selected(["mass_gev", "limit_obs", "n_obs"])


def test_uncertainties_are_columns_and_add_in_quadrature(spectrum):
    table = read_hepdata(spectrum)
    assert [column.name for column in table.columns if column.of == "Background"] == [
        "Background error sys", "Background error norm up", "Background error norm down",
    ]  # fmt: skip
    np.testing.assert_allclose(table.numbers("Background error sys"), [0.055, 0.04])
    np.testing.assert_allclose(table.numbers("Background error norm down"), [-0.02, -0.01])
    up, down = np.hypot([0.055, 0.04], [0.03, 0.02]), np.hypot([0.055, 0.04], [0.02, 0.01])
    np.testing.assert_allclose(table.uncertainty("Background")[0], 0.5 * (up + down))
    np.testing.assert_allclose(table.uncertainty("Background", "norm")[0], [0.025, 0.015])
    with pytest.raises(UnknownName, match="uncertainty of Background"):
        table.uncertainty("Background", "lumi")
    with pytest.raises(InputError, match="no uncertainties of column"):
        table.uncertainty("$m_{ll}$ low")


def test_densities_become_events_on_request(spectrum):
    names = "m_low_gev,m_high_gev,n_obs,bkg"
    made = run(spectrum, "--events", "--columns", names, "--uncertainty", "bkg_uncertainty=bkg:norm")
    assert made.exit_code == 0, made.output
    assert rows(made) == [f"{names},bkg_uncertainty", "500,520,24,22,0.5", "520,560,16,20,0.6"]
    assert "n_obs is in events/GeV, per 1 GeV; --events" in run(spectrum, "--columns", names).stderr
    twice = run(spectrum, "--columns", names, "--uncertainty", "b=bkg:sys", "--uncertainty", "b=Background:norm")
    whole = run(spectrum, "--columns", names, "--uncertainty", "b=bkg")
    assert rows(twice) == rows(whole)
    chosen = run(spectrum, "--columns", "bkg=Background,n=Data error stat")
    assert rows(chosen)[1] == "1.1,0.35"


@pytest.mark.parametrize(
    ("units", "x_units", "factor"),
    [
        ("events / 10 GeV", "GeV", 2.0), ("GeV^{-1}", "GEV", 20.0), ("1/TeV", "GeV", 0.02), ("fb GeV**-1", "TeV", 2e4),
        ("Events per GeV", "GeV", 20.0), ("", "GeV", None), ("events", "GeV", None), ("events/GeV", "cm", None),
    ],
)  # fmt: skip
def test_units_of_densities(tmp_path, units, x_units, factor):
    content = yaml.safe_load(SPECTRUM)
    content["dependent_variables"][0]["header"]["units"] = units
    del content["dependent_variables"][1]
    content["independent_variables"][0]["header"]["units"] = x_units
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(content))
    table = read_hepdata(tmp_path / "t.yaml")
    if factor is None:
        with pytest.raises(InputError, match="no column is per GeV|is in cm, not in MeV"):
            table.times_bin_width()
    else:
        assert table.times_bin_width().numbers("Data")[0] == pytest.approx(1.2 * factor)


def test_formats_agree(spectrum, tmp_path):
    """The spectrum as JSON of both kinds, CSV, ROOT and YODA of two versions."""
    import uproot

    expected = read_hepdata(spectrum)
    content = yaml.safe_load(SPECTRUM)
    (tmp_path / "same.json").write_text(json.dumps(content))
    y = [list(row) for row in zip(*(v["values"] for v in content["dependent_variables"]), strict=True)]
    web = {
        "name": "Table 3",
        "headers": [{"name": n, "colspan": 1} for n in ("$m_{ll}$ [GeV]", "Data [events/GeV]", "Background [events/GeV]")],
        "values": [
            {"x": [x], "y": row} for x, row in zip(content["independent_variables"][0]["values"], y, strict=True)
        ],
    }  # fmt: skip
    (tmp_path / "web.json").write_text(json.dumps(web))
    for name in ("same.json", "web.json"):
        assert read_hepdata(tmp_path / name).columns == expected.columns
    (tmp_path / "t.csv").write_text(
        "#: name: Table 3\n$m_{ll}$ [GeV],$m_{ll}$ [GeV] LOW,$m_{ll}$ [GeV] HIGH,Data [events/GeV],stat +,stat -\n"
        "510,500,520,1.2,0.35,-0.35\n540,520,560,0.4,0.2,-0.2\n\n"
        "$m_{ll}$ [GeV],$m_{ll}$ [GeV] LOW,$m_{ll}$ [GeV] HIGH,Background [events/GeV],sys +,sys -,norm +,norm -\n"
        "510,500,520,1.1,5%,-5%,0.03,-0.02\n540,520,560,0.5,8%,-8%,0.02,-0.01\n"
    )
    with uproot.recreate(tmp_path / "t.root") as file:
        for i, name in enumerate(("Data", "Background"), 1):
            file[f"Table 3/Hist1D_y{i}"] = (expected.numbers(name), np.array([500.0, 520.0, 560.0]))
        sizes = {"y1_e1": "Data error stat", "y2_e1": "Background error sys"}
        sizes |= {f"y2_e2{s}": f"Background error norm {t}" for s, t in (("plus", "up"), ("minus", "down"))}
        for key, name in sizes.items():
            file[f"Table 3/Hist1D_{key}"] = (expected.numbers(name), np.array([500.0, 520.0, 560.0]))
    for name, background in (("t.csv", "Background"), ("t.root", "Hist1D_y2")):
        table = read_hepdata(tmp_path / name)
        np.testing.assert_allclose(table.uncertainty(background)[0], expected.uncertainty("Background")[0])
    assert read_hepdata(tmp_path / "t.csv")["Background"].units == "events/GeV"


SCATTER = """BEGIN YODA_SCATTER2D_V2 /REF/ATLAS_2019_I1725190/d01-x01-y01
Variations: [""]
IsRef: 1
Path: /REF/ATLAS_2019_I1725190/d01-x01-y01
Type: Scatter2D
---
# xval   xerr-   xerr+   yval    yerr-   yerr+
5.100000e+02\t1.000000e+01\t1.000000e+01\t1.100000e+00\t2.000000e-02\t3.000000e-02
5.400000e+02\t2.000000e+01\t2.000000e+01\t5.000000e-01\t1.000000e-02\t2.000000e-02
END YODA_SCATTER2D_V2
"""
ESTIMATE = """BEGIN YODA_ESTIMATE1D_V3 /REF/ATLAS_2019_I1725190/d02-x01-y01
Path: /REF/ATLAS_2019_I1725190/d02-x01-y01
Type: Estimate1D
---
Edges(A1): [5.000000e+02, 5.200000e+02, 5.600000e+02]
ErrorLabels: ["stat", "sys"]
# value \terrDn(1) \terrUp(1) \terrDn(2) \terrUp(2)
nan \t--- \t--- \t--- \t---
1.100000e+00\t-2.000000e-02\t3.000000e-02\t-1.000000e-01\t1.000000e-01
5.000000e-01\t-1.000000e-02\t2.000000e-02\t---\t---
nan \t--- \t--- \t--- \t---
END YODA_ESTIMATE1D_V3

BEGIN YODA_BINNEDESTIMATE<S>_V3 /REF/ATLAS_2019_I1725190/d03-x01-y01
Path: /REF/ATLAS_2019_I1725190/d03-x01-y01
---
Edges(A1): ["5.0e+02 - 5.2e+02", "6.0e+02 - 6.2e+02"]
# value
nan
1.0e+00
2.0e+00
END YODA_BINNEDESTIMATE<S>_V3
"""


def test_reference_data_of_rivet(tmp_path):
    (tmp_path / "r.yoda.gz").write_bytes(gzip.compress((SCATTER + "\n" + ESTIMATE).encode()))
    with pytest.raises(InputError, match="has 3 tables"):
        read_hepdata(tmp_path / "r.yoda.gz")
    points = read_hepdata(tmp_path / "r.yoda.gz", "d01-x01-y01")
    binned = read_hepdata(tmp_path / "r.yoda.gz", "/ATLAS_2019_I1725190/d02-x01-y01")
    for table in (points, binned):
        np.testing.assert_array_equal(table.numbers("x low"), [500, 520])
        np.testing.assert_array_equal(table.numbers("x high"), [520, 560])
        np.testing.assert_array_equal(table.numbers("y"), [1.1, 0.5])
    np.testing.assert_allclose(points.uncertainty("y")[0], [0.025, 0.015])
    np.testing.assert_allclose(binned.uncertainty("y", "stat")[0], [0.025, 0.015])
    total, remarks = binned.uncertainty("y")
    assert total[1] == pytest.approx(0.015)
    assert "y error sys up is not published in 1 of 2 rows; nothing is added there" in remarks
    with_gap = read_hepdata(tmp_path / "r.yoda.gz", "d03-x01-y01")
    np.testing.assert_array_equal(with_gap.numbers("x low"), [500, 600])
    np.testing.assert_array_equal(with_gap.numbers("y"), [1, 2])


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("t.yaml", "header: {name: Data, units: events/GeV}", "header: Data"),
        ("t.yaml", "{low: 500, high: 520}", "500"),
        ("t.yaml", "values: [{low: 500, high: 520}, {low: 520, high: 560}]", "values: {low: 500, high: 520}"),
        ("t.yaml", "values: [{low: 500, high: 520}, ", "values: ["),
        ("t.yaml", "errors: [{symerror: 0.35, label: stat}]", "errors: 0.35"),
        ("t.yaml", "errors: [{symerror: 0.35, label: stat}]", "errors: [{error: 0.35, label: stat}]"),
        ("t.yaml", "asymerror: {plus: 0.03, minus: -0.02}", "asymerror: 0.03"),
        ("t.yaml", "independent_variables:\n-", "independent_variables:\n  a:"),
        ("t.yoda", "5.400000e+02\t", ""),
        ("t.yoda", "END YODA_SCATTER2D_V2", ""),
        ("t.yoda", "SCATTER2D", "SCATTER3D"),
        ("t.yoda", "5.0e+02 - 5.2e+02\", \"", ""),
        ("t.yoda", "1.100000e+00\t-2", "1.1.0\t-2"),
        ("t.json", "", "[1, 2"),
        ("t.csv", "", "m,y,stat +,stat -\n1,2,3,4\n1,2\n"),
        ("t.csv", "", "m,y\n1,2\n3,4\n\nm,z\n1,2\n4,5\n"),
    ],
)  # fmt: skip
def test_broken_structure_is_one_line(tmp_path, name, old, new):
    text = {"t.yaml": SPECTRUM, "t.yoda": SCATTER + ESTIMATE}.get(name, "")
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1) if old else new)
    messages = []
    for table in ("d01-x01-y01", "d02-x01-y01", "d03-x01-y01") if name == "t.yoda" else (None,):
        try:
            read_hepdata(tmp_path / name, table)
        except ZprimeError as err:
            messages.append(str(err))
    assert messages
    for message in messages:
        assert name in message
        assert "\n" not in message
        assert "object has no attribute" not in message


def test_text_in_an_uncertainty_is_no_zero(tmp_path):
    (tmp_path / "t.yaml").write_text(SPECTRUM.replace("'5%'", "'~5%'"))
    table = read_hepdata(tmp_path / "t.yaml")
    assert table.numbers("Background")[0] == 1.1
    with pytest.raises(CardError, match="column Background error sys, row 1: found '~5%'"):
        table.uncertainty("Background")


def test_mutated_tables(tmp_path):
    """Bits, lines and words of tables changed: numbers without NaN, or one line."""
    rng, read, messages = random.Random(18), 0, []
    originals = {"t.yaml": SPECTRUM, "g.yaml": GAPS, "t.yoda": SCATTER, "t.json": json.dumps(yaml.safe_load(SPECTRUM))}
    for k in range(400):
        name, text = rng.choice(list(originals.items()))
        content = bytearray(text.encode())
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(content))
            words = [
                b"1e308",
                b"-",
                b"nan",
                b"[",
                b"%",
                b"\n",
                b"9" * 400,
                b"",
                bytes([content[at] ^ 1 << rng.randrange(8)]),
            ]
            content[at : at + rng.randint(1, 12)] = rng.choice(words)
        if rng.random() < 0.2:
            del content[rng.randrange(len(content)) :]
        (tmp_path / name).write_bytes(content)
        try:
            table = read_hepdata(tmp_path / name)
            cells = [x for column in table.columns for x in column.cells if isinstance(x, float)]
            assert np.isfinite(cells).all(), k
            read += 1
            table.times_bin_width()
            table.uncertainty("Background")
        except ZprimeError as err:
            messages.append(str(err))
    assert not any("\n" in message for message in messages)
    assert 40 < read < 360


# ---------------------------------------------------------------------------------------------------------------
# Folders that can never be used

CARD = """schema = 1
id = "narrow"
kind = "limit-curve"
title = "narrow dimuon resonances"
label = "narrow"
reference = "invented"
sqrt_s_gev = 13000.0
final_state = "ll"
curve = "limit.csv"
"""
LIMIT = "mass_gev,gamma_over_m,limit_obs,limit_exp\n20,0,140,150\n110,0,70,80\n150,0,25,22\n200,0,11,12\n"


def faults(folder, card, table):
    (folder / "card.toml").write_text(card)
    (folder / "limit.csv").write_text(table)
    found = check_analysis(folder)
    return [(fault.key, str(fault)) for fault in found.faults], found.remarks


def test_a_limit_of_zero_width_needs_a_largest_width(tmp_path):
    found, _ = faults(tmp_path, CARD, LIMIT)
    assert [key for key, _ in found] == ["gamma_over_m_max"]
    assert "the largest Gamma/M for which this limit on a narrow resonance is used" in found[0][1]
    found, remarks = faults(tmp_path, CARD + "gamma_over_m_max = 0.01\n", LIMIT)
    assert found == []
    assert "masses of 20 to 200 GeV: parton luminosities exist for 50 to 12350 GeV alone" in remarks
    assert [key for key, _ in faults(tmp_path, CARD + "gamma_over_m_max = 0.0\n", LIMIT)[0]] == ["gamma_over_m_max"]


def test_a_narrow_limit_with_a_largest_width_excludes(tmp_path, repository):
    """g_95 of the limit entered at width 0, used up to 1 %, is that of the limit entered at 1 %."""
    from zprime_recast.limits.analyses import load_analyses
    from zprime_recast.limits.hypothesis import limit
    from zprime_recast.model.card import load_model

    model = load_model("dark_photon")
    couplings = []
    for name, more, table in (("a", "gamma_over_m_max = 0.01\n", LIMIT), ("b", "", LIMIT.replace(",0,", ",0.01,"))):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        (tmp_path / name).mkdir()
        assert faults(tmp_path / name, CARD + more, table)[0] == []
        couplings.append(limit(model, 150.0, load_analyses([str(tmp_path / name)])).coupling_95_observed)
    assert couplings[0] == pytest.approx(couplings[1], rel=1e-12)
    assert 0 < couplings[0] < 0.1


def test_masses_without_luminosities_are_a_fault(tmp_path):
    low = "mass_gev,gamma_over_m,limit_obs,limit_exp\n0.25,0.01,1,1\n10,0.01,1,1\n"
    found, _ = faults(tmp_path, CARD, low)
    assert [key for key, _ in found] == ["curve"]
    assert "found masses of 0.25 to 10 GeV, expected masses within 50 to 12350 GeV" in found[0][1]
