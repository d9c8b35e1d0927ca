"""Input columns come out as they went in, and the provenance travels with the table."""

from __future__ import annotations

import csv
import datetime
import decimal
import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zprime_recast.scan.evaluate import evaluator
from zprime_recast.scan.files_to_files import scan
from zprime_recast.scan.results_table import META, text_kinds
from zprime_recast.scan.tables import CsvChunk

N = 250


@pytest.fixture(scope="module")
def rows(searches):
    return evaluator(searches, "minimal_bl")


def every_type():
    """Columns of every kind, the integers with nulls in the second chunk only."""
    rng = np.random.default_rng(1)
    ints = [None if 100 <= i < 200 and i % 7 == 0 else 2**62 + i for i in range(N)]
    day = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=datetime.UTC)
    return pa.table(
        {
            "id": pa.array(ints, type=pa.int64()),
            "small": pa.array([i % 100 for i in range(N)], type=pa.int8()),
            "mass_gev": pa.array(np.where(np.arange(N) == 120, np.nan, rng.uniform(400, 5900, N))),
            "coupling": pa.array(rng.uniform(0.01, 0.2, N).astype(np.float32)),
            "weight": pa.array(rng.normal(size=N)),
            "flag": pa.array([None if i == 3 else i % 2 == 0 for i in range(N)]),
            "name": pa.array([f"  row {i} \n\"'" for i in range(N)]),
            "kind": pa.array([None if i == 9 else "ab"[i % 2] for i in range(N)]).dictionary_encode(),
            "when": pa.array([day + datetime.timedelta(days=i) for i in range(N)], type=pa.timestamp("us", tz="UTC")),
            "price": pa.array([decimal.Decimal(i) / 100 for i in range(N)], type=pa.decimal128(20, 2)),
            "list": pa.array([[i, i + 1] for i in range(N)]),
            "nothing": pa.nulls(N),
            "unsigned": pa.array([2**64 - 1 - i for i in range(N)], type=pa.uint64()),
            "bytes": pa.array([bytes([i % 256]) for i in range(N)]),
        }
    ).replace_schema_metadata({b"theirs": b"kept"})


def test_parquet_types_and_values_are_kept(tmp_path, rows):
    source = every_type()
    pq.write_table(source, tmp_path / "points.parquet", row_group_size=90)
    provenance = {"model": "minimal_bl", "unknown": float("nan")}
    result = scan(tmp_path / "points.parquet", tmp_path / "out.parquet", rows, provenance, rows=100)
    assert (result.rows, result.errors) == (N, 1)
    table = pq.read_table(tmp_path / "out.parquet")
    kept = table.select(source.column_names)
    assert kept.schema.equals(pq.read_table(tmp_path / "points.parquet").schema)
    for name in source.column_names:
        same = [(a, b) for a, b in zip(kept[name].to_pylist(), source[name].to_pylist(), strict=True) if a != b]
        assert same in ([], [(pytest.approx(float("nan"), nan_ok=True),) * 2]), name
    assert table.schema.metadata[b"theirs"] == b"kept"
    assert json.loads(table.schema.metadata[META]) == {"model": "minimal_bl", "unknown": None}
    again = scan(tmp_path / "points.parquet", tmp_path / "again.parquet", rows, provenance, workers=2, rows=100)
    assert again == result
    without_nan = [name for name in table.column_names if name != "mass_gev"]
    assert pq.read_table(tmp_path / "again.parquet").select(without_nan).equals(table.select(without_nan))


def test_parquet_becomes_csv_without_losing_digits(tmp_path, rows):
    source = every_type()
    pq.write_table(source, tmp_path / "points.parquet")
    scan(tmp_path / "points.parquet", tmp_path / "out.csv", rows, {})
    scan(tmp_path / "points.parquet", tmp_path / "out.parquet", rows, {})
    numbers = pq.read_table(tmp_path / "out.parquet")
    with (tmp_path / "out.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    for i, cell in enumerate(cells):
        for name in ("id", "unsigned", "small"):
            value = source[name][i].as_py()
            assert cell[name] == ("" if value is None else str(value))
        for name in ("weight", "coupling", "cls_observed", "loglike", "gamma_gev"):
            value = numbers[name][i].as_py()
            assert cell[name] == "" if value is None else float(cell[name]) == value
        assert cell["name"] == source["name"][i].as_py()
        assert cell["flag"] == {None: "", True: "true", False: "false"}[source["flag"][i].as_py()]


CELLS = [
    ("id", "mass_gev", "coupling", "note", "zip", "x"),
    ("9007199254740993", " 2000.0", "0.10", 'said "no"', "007", "1e-3"),
    ("1152921504606846977", "3e3 ", "1e-1", "a,b", "010", "0.1"),
    ("-5", "abc", "0.1", "  spaced  ", "1", ""),
    ("", "-1", "nan", "", "", "2.50"),
]


def test_csv_cells_are_kept_as_they_are(tmp_path, rows):
    with (tmp_path / "points.csv").open("w", newline="") as file:
        csv.writer(file).writerows([*CELLS, ("7", "2000"), ("8", "2000", "0.1", "", "", "", "more")])
    result = scan(tmp_path / "points.csv", tmp_path / "out.csv", rows, {"a": 1})
    assert (result.rows, result.errors) == (6, 4)
    with (tmp_path / "out.csv").open(newline="") as file:
        found = [tuple(row[:6]) for row in csv.reader(file)]
    assert found == [*CELLS, ("7", "2000", "", "", "", ""), ("8", "2000", "0.1", "", "", "")]
    about = json.loads((tmp_path / "out.csv.json").read_text())
    assert about["provenance"] == {"a": 1}
    assert about["sha256"] == hashlib.sha256((tmp_path / "out.csv").read_bytes()).hexdigest()


def test_csv_becomes_parquet_without_losing_anything(tmp_path, rows):
    with (tmp_path / "points.csv").open("w", newline="") as file:
        csv.writer(file).writerows(CELLS)
    scan(tmp_path / "points.csv", tmp_path / "out.parquet", rows, {})
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["id"].to_pylist() == [9007199254740993, 1152921504606846977, -5, None]
    assert table["x"].to_pylist() == [1e-3, 0.1, None, 2.5]
    for k in (1, 3, 4):
        assert table[CELLS[0][k]].to_pylist() == [row[k] for row in CELLS[1:]]
    assert table.schema.field("coupling").type == pa.float64()


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2", "0", ""], "int64"),
        (["9223372036854775807", "-9223372036854775808"], "int64"),
        (["9223372036854775808"], "string"),
        (["1" * 400], "string"),
        (["9007199254740993", "0.5"], "string"),
        (["1", "0.5", "1e300", "-.5", "+5.", "NaN", "inf"], "double"),
        (["1e999"], "string"),
        (["007"], "string"),
        (["00.5"], "string"),
        (["-0"], "double"),
        (["1_000"], "string"),
        (["٣"], "string"),
        (["0x10"], "string"),
        (["infinity"], "string"),
        (["true"], "string"),
        (["", ""], "string"),
    ],
)
def test_what_text_can_become(cells, kind):
    for parts in ((cells,), (cells[:1], cells[1:])):
        chunks = [CsvChunk(["a"], [[cell] for cell in part]) for part in parts]
        assert text_kinds(chunks, ["a"]) == {"a": kind}
