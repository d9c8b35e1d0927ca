"""Tables of points: numbers of the one-by-one path, bad rows, formats, interrupted and shared scans."""

from __future__ import annotations

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from zprime_recast.errors import InputError, OutputError
from zprime_recast.limits.hypothesis import cls, limit
from zprime_recast.model.card import load_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.process.cross_section import sigma_br_narrow
from zprime_recast.scan.evaluate import LIMIT_COLUMNS, evaluate, evaluator
from zprime_recast.scan.files_to_files import scan

B_L = {"g_uL": 1 / 3, "g_uR": 1 / 3, "g_dL": 1 / 3, "g_dR": 1 / 3, "g_lL": -1.0, "g_lR": -1.0, "g_nuL": -1.0}


@pytest.fixture(scope="module")
def elusive_rows(searches):
    """By asymptotic formulae, which are quick: most tests here are about tables."""
    return evaluator(searches, load_model("elusive_bl"), calculator="asymptotic")


def random_points(n, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "mass_gev": rng.uniform(300, 5900, n),
        "coupling": 10 ** rng.uniform(-3, -0.4, n),
        "m_chi": rng.uniform(100, 3000, n),
    }


def test_rows_are_the_single_results(searches, elusive, elusive_rows):
    points = {"mass_gev": [1500.0, 3000.0], "coupling": [0.02, 0.08], "m_chi": [500.0, 2000.0]}
    rows = elusive_rows(points)
    for i in range(2):
        model = elusive.with_parameters(m_chi=points["m_chi"][i])
        mass, g = points["mass_gev"][i], points["coupling"][i]
        single = cls(model, mass, g, searches, calculator="asymptotic")
        widths = decay_widths(model, mass, g)
        assert rows["gamma_gev"][i] == pytest.approx(float(widths.total_gev), rel=1e-12)
        assert rows["br_ll"][i] == pytest.approx(float(widths.branching_ratios["e"]), rel=1e-12)
        groups = widths.branching_ratios_by_group
        assert rows["br_invisible"][i] == pytest.approx(float(groups["invisible"]), rel=1e-12)
        assert rows["br_quarks"][i] == pytest.approx(float(groups["quarks"]), rel=1e-12)
        assert rows["sigma_br_fb"][i] == pytest.approx(
            float(sigma_br_narrow(model, mass, g, searches[0].lumi)), rel=1e-9
        )
        # the noise of pyhf's minimiser; the batched fits are judged in test_batch.py
        assert rows["cls_observed"][i] == pytest.approx(single.cls_observed, rel=2e-3)
        assert rows["cls_expected"][i] == pytest.approx(single.cls_expected[2], rel=2e-3)
        assert rows["excluded"][i] == single.excluded
        assert rows["loglike_atlas-139fb-dilepton"][i] == rows["loglike"][i]
    assert (rows["error"] == "").all()


def test_log_likelihoods_are_pyhfs(searches, elusive, elusive_rows):
    """ln L of data and constraints against pyhf's fits, which may end 1e-5 short of the maximum."""
    import pyhf

    from zprime_recast.limits.hypothesis import workspace

    rows = elusive_rows({"mass_gev": [2000.0], "coupling": [0.03]})
    loaded = pyhf.Workspace(workspace(elusive, 2000.0, 0.03, searches))
    model = loaded.model()
    constant = 0.5 * np.log(2 * np.pi) * (model.config.npars - 1)
    for name, mu in (("loglike", 1.0), ("loglike_sm", 0.0)):
        with np.errstate(all="ignore"):
            _, twice = pyhf.infer.mle.fixed_poi_fit(mu, loaded.data(model), model, return_fitted_val=True)
        assert rows[name][0] == pytest.approx(-0.5 * float(twice) + constant, abs=1e-3)


def test_free_couplings_are_a_model(searches):
    """B-L by its couplings: minimal_bl with a massless right-handed neutrino made a Weyl width by hand."""
    g = 0.05
    free = evaluate({"mass_gev": [2500.0], **{k: [g * v] for k, v in B_L.items()}}, searches)
    model = load_model("minimal_bl")
    widths = decay_widths(model, 2500.0, g)
    with_width = {"mass_gev": [2500.0], "gamma_gev": [float(widths.total_gev)], **{k: [g * v] for k, v in B_L.items()}}
    given = evaluate(with_width, searches)
    named = evaluate({"mass_gev": [2500.0], "coupling": [g], "model": ["minimal_bl"]}, searches)
    for name in ("cls_observed", "cls_expected", "sigma_br_fb", "br_ll", "loglike"):
        assert given[name][0] == pytest.approx(named[name][0], rel=1e-9), name
    assert free["gamma_gev"][0] < given["gamma_gev"][0]  # no right-handed neutrinos
    one_by_one = {f"{k}_{n}": [g * v] for k, v in B_L.items() for n in (1, 2, 3)}
    same = evaluate({"mass_gev": [2500.0], **one_by_one}, searches)
    assert same["cls_observed"][0] == pytest.approx(free["cls_observed"][0], rel=1e-12)


def test_coupling_limits_are_those_of_limit(searches, elusive):
    """g_95 of rows with their own dark masses, whatever their coupling, as of the limit command; to 3e-5."""
    points = {"mass_gev": [1500.0, 3000.0, 5800.0], "coupling": [0.3, 0.001, 0.1], "m_chi": [500.0, 2000.0, 3e4]}
    rows = evaluate(points, searches, elusive, limits=True, calculator="asymptotic")
    for i in range(3):
        model = elusive.with_parameters(m_chi=points["m_chi"][i])
        single = limit(model, points["mass_gev"][i], searches, calculator="asymptotic")
        expected = [single.coupling_95_observed, *single.coupling_95_expected]
        found = [rows[f"coupling_95_{which}"][i] for which in LIMIT_COLUMNS]
        for ours, theirs in zip(found, expected, strict=True):
            assert np.isnan(ours) if np.isnan(theirs) else ours == pytest.approx(theirs, rel=3e-5)
    assert np.isnan(rows["strength_95_observed"]).all()


def test_strength_limits_scale_the_signal(searches):
    """Without interference a strength x is a factor sqrt(x) on the couplings of the leptons at the same width."""
    points = {"mass_gev": [1500.0, 3000.0], "gamma_gev": [60.0, 200.0], "g_uL": [0.02, 0.1]}
    points |= {"g_lL": [0.02, 0.02], "g_lR": [0.0, 0.03]}
    rows = evaluate(points, searches, interference=False, limits=True, calculator="asymptotic")
    assert (rows["error"] == "").all()
    assert np.isnan(rows["coupling_95_observed"]).all()
    for which in ("observed", "expected", "expected_m2s"):
        scale = np.sqrt(rows[f"strength_95_{which}"])
        scaled = points | {name: scale * points[name] for name in ("g_lL", "g_lR")}
        again = evaluate(scaled, searches, interference=False, calculator="asymptotic")
        np.testing.assert_allclose(again[f"cls_{which}"], 0.05, rtol=1e-4)


def test_bad_rows_are_named_and_the_rest_goes_on(elusive_rows, searches):
    points = {
        "mass_gev": [2000.0, -1.0, "x", 100.0, np.nan, 2000.0, 2000.0],
        "coupling": [0.05, 0.1, 0.1, 0.1, 0.1, 9.0, np.inf],
    }
    rows = elusive_rows(points)
    texts = ["mass_gev must", "mass_gev must", "outside atlas", "mass_gev must", "Gamma/M is above", "coupling must"]
    assert rows["error"][0] == ""
    for text, found in zip(texts, rows["error"][1:], strict=True):
        assert text in found
    assert np.isfinite(rows["cls_observed"][0])
    assert np.isnan(rows["cls_observed"][1:]).all()
    assert rows["excluded"][1:].tolist() == [None] * 6
    models = evaluate({"model": ["ssm", "nonsense"], "mass_gev": [2000.0] * 2, "coupling": [0.05] * 2}, searches)
    assert models["error"][0] == ""
    assert "unknown model 'nonsense'" in models["error"][1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"coupling": [0.1]}, "no column mass_gev"),
        ({"mass_gev": [1000.0]}, "neither a column coupling"),
        ({"mass_gev": [1000.0], "coupling": [0.1]}, "no column model"),
        ({"mass_gev": [1000.0], "g_uL": [0.1], "coupling": [0.1]}, "not both"),
        ({"mass_gev": [1000.0], "g_uL": [0.1], "g_xR": [0.1]}, "no such coupling: g_xR"),
        ({"mass_gev": [1000.0, 2.0], "g_uL": [0.1]}, "different lengths"),
        ([1, 2], "a table of points is needed"),
    ],
)
def test_bad_tables(searches, columns, message):
    with pytest.raises(InputError, match=message):
        evaluate(columns, searches)


def test_tables_of_every_kind(elusive_rows):
    import awkward
    import pandas
    import pyarrow

    points = random_points(5)
    reference = elusive_rows(points)["cls_observed"]
    structured = np.zeros(5, dtype=[(name, float) for name in points])
    for name, values in points.items():
        structured[name] = values
    for table in (pandas.DataFrame(points), pyarrow.table(points), awkward.Array(points), structured):
        np.testing.assert_allclose(elusive_rows(table)["cls_observed"], reference, rtol=1e-12)


def write_csv(path, n=60, seed=1):
    points = random_points(n, seed)
    with path.open("w") as file:
        file.write("label," + ",".join(points) + "\n")
        for i in range(n):
            file.write(f"row {i}," + ",".join(repr(float(v[i])) for v in points.values()) + "\n")
        file.write("short,1000\nword,abc,0.1,100\n")
    return path


def read(path):
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}


def test_files_in_and_out(tmp_path, elusive_rows):
    """Two blocks of rows: the numbers to 1e-9, as rows alone have them; cells as they came."""
    source = write_csv(tmp_path / "points.csv", 130)
    result = scan(source, tmp_path / "out.csv", elusive_rows, {}, rows=17)
    assert (result.rows, result.errors) == (132, 2)
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [f"row {i}" for i in range(130)] + ["short", "word"]
    assert rows[130]["error"] == "2 cells in a row of 4 columns"
    assert "found abc" in rows[131]["error"]
    assert rows[131]["mass_gev"] == "abc"
    assert rows[131]["cls_observed"] == rows[130]["excluded"] == ""
    direct = elusive_rows(random_points(130))
    np.testing.assert_allclose([float(r["cls_observed"]) for r in rows[:130]], direct["cls_observed"], rtol=1e-9)
    scan(source, tmp_path / "out.parquet", elusive_rows, {}, rows=60)
    table = read(tmp_path / "out.parquet")
    np.testing.assert_array_equal([float(r["cls_observed"]) for r in rows[:130]], table["cls_observed"][:130])
    with pytest.raises(InputError, match="gamma_gev goes with free couplings"):  # a table of results is no input
        scan(tmp_path / "out.parquet", tmp_path / "again.parquet", elusive_rows, {})
    names = ["out.csv", "out.csv.json", "out.parquet", "points.csv"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_an_interrupted_scan_goes_on_and_repeats_nothing(tmp_path, elusive_rows):
    source, output = write_csv(tmp_path / "points.csv", 230), tmp_path / "out.csv"

    def stop(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(source, output, elusive_rows, {"a": 1}, rows=100, on_chunk=stop)
    parts = tmp_path / "out.csv.parts"
    assert [p.name for p in sorted(parts.glob("part*"))] == ["part-00000000.bin"]
    with pytest.raises(InputError, match=r"other inputs \(a\)"):
        scan(source, output, elusive_rows, {"a": 2}, rows=100)
    with pytest.raises(InputError, match=r"other inputs \(rows\)"):
        scan(source, output, elusive_rows, {"a": 1}, rows=200)
    seen = []
    result = scan(source, output, elusive_rows, {"a": 1}, rows=100, on_chunk=seen.append)
    assert (result.rows, result.resumed_rows) == (232, 100)
    assert seen == [100, 100, 32]
    whole = scan(source, tmp_path / "whole.csv", elusive_rows, {})
    assert whole.resumed_rows == 0
    assert output.read_text() == (tmp_path / "whole.csv").read_text()


def test_a_killed_worker_loses_nothing(tmp_path, elusive_rows):
    """Two processes, one killed while at work: the table of a serial run, row for row."""
    import multiprocessing

    source = write_csv(tmp_path / "points.csv", 800)
    scan(source, tmp_path / "serial.csv", elusive_rows, {})
    killed = []

    def kill_one(rows):
        if not killed:
            child = multiprocessing.active_children()[0]
            os.kill(child.pid, signal.SIGKILL)
            killed.append(child.pid)

    scan(source, tmp_path / "shared.csv", elusive_rows, {}, workers=2, rows=100, on_chunk=kill_one)
    assert killed
    assert (tmp_path / "shared.csv").read_text() == (tmp_path / "serial.csv").read_text()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("workers", [3, 1])
def test_a_cluster_that_loses_a_worker_loses_no_row(tmp_path, elusive_rows, workers):
    """dask.distributed with worker processes, one killed mid-scan: all there are, too, until it is replaced."""
    from distributed import LocalCluster

    source = write_csv(tmp_path / "points.csv", 1500)
    scan(source, tmp_path / "serial.csv", elusive_rows, {})
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, processes=True) as cluster:
        killed = []

        def kill_one(rows):
            if not killed:
                worker = next(iter(cluster.workers.values()))
                os.kill(worker.process.process.pid, signal.SIGKILL)
                killed.append(worker)

        address = cluster.scheduler_address
        scan(source, tmp_path / "shared.csv", elusive_rows, {}, rows=100, scheduler=address, on_chunk=kill_one)
    assert killed
    assert (tmp_path / "shared.csv").read_text() == (tmp_path / "serial.csv").read_text()


def test_bad_files(tmp_path, elusive_rows):
    (tmp_path / "p.txt").write_text("")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "no.parquet").write_text("nothing")
    (tmp_path / "none.csv").write_text("mass_gev,coupling\n")
    for name, message in (
        ("p.txt", "csv or .parquet"),
        ("empty.csv", "first line"),
        ("no.parquet", "not a Parquet"),
        ("x.csv", "no such file"),
    ):
        with pytest.raises(InputError, match=message):
            scan(tmp_path / name, tmp_path / "o.csv", elusive_rows, {})
    assert scan(tmp_path / "none.csv", tmp_path / "o.csv", elusive_rows, {}).rows == 0
    assert (tmp_path / "o.csv").read_text().startswith("mass_gev,coupling,gamma_gev")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        scan(write_csv(tmp_path / "p.csv", 2), tmp_path / "file" / "o.csv", elusive_rows, {})
    with pytest.raises(InputError, match="no dask scheduler"):
        scan(tmp_path / "p.csv", tmp_path / "o2.csv", elusive_rows, {}, scheduler="tcp://127.0.0.1:1")


def test_evaluator_can_be_pickled(elusive_rows):
    points = random_points(3)
    copy = pickle.loads(pickle.dumps(elusive_rows))
    np.testing.assert_array_equal(copy(points)["cls_observed"], elusive_rows(points)["cls_observed"])


def test_command_survives_kill_9(tmp_path):
    """The command killed mid-scan, then run again: it goes on, and other options are refused."""
    source = write_csv(tmp_path / "points.csv", 4000)
    command = [
        sys.executable,
        "-m",
        "zprime_recast",
        "evaluate",
        str(source),
        "--model",
        "elusive_bl",
        "--chunk",
        "200",
        "--calculator",
        "asymptotic",
    ]
    command += ["-o", str(tmp_path / "out.parquet"), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    parts = tmp_path / "out.parquet.parts"
    deadline = time.monotonic() + 120
    while len(list(parts.glob("part-*"))) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    done = len(list(parts.glob("part-*")))
    assert 2 <= done < 21
    other = subprocess.run([*command, "--no-interference"], capture_output=True, text=True)
    assert other.returncode == 2
    assert "other inputs (interference)" in other.stderr
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    values = json.loads(again.stdout)
    assert values["rows"] == 4002
    assert values["resumed_rows"] == 200 * done
    labels = read(tmp_path / "out.parquet")["label"]
    assert labels.tolist() == [*(f"row {i}" for i in range(4000)), "short", "word"]


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    """kill -9 of a scan with workers leaves neither a process nor a temporary file behind."""
    (tmp_path / "points.csv").write_text("mass_gev,coupling\n" + "2000,0.1\n" * 4000)
    command = [sys.executable, "-m", "zprime_recast", "evaluate", "points.csv", "--model", "minimal_bl", "-o", "r.csv"]
    command += ["--workers", "2", "--chunk", "100"]
    (temporary := tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    scan = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=environment)
    children = Path(f"/proc/{scan.pid}/task/{scan.pid}/children")
    if not children.exists():
        scan.kill()
        pytest.skip("no /proc here to list processes with")
    until = time.monotonic() + 60
    while len(workers := children.read_text().split()) < 3 and time.monotonic() < until:
        time.sleep(0.1)
    assert len(workers) >= 3  # two and multiprocessing's resource tracker
    while not list((tmp_path / "r.csv.parts").glob("part-*")) and time.monotonic() < until:
        time.sleep(0.1)
    assert list(temporary.glob("*.pickle"))
    scan.kill()
    while any(alive(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in workers if alive(pid)]
    assert not list(temporary.iterdir())
    scan.communicate()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
