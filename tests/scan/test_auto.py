"""Tables by the default calculator: toys near the border of exclusion, asymptotic formulae elsewhere, row by row."""

from __future__ import annotations

import numpy as np
import pytest

import zprime_recast as zr
from zprime_recast.errors import InputError, UnknownName
from zprime_recast.scan.files_to_files import scan

#: Rows of one mass: far below the limit, near it, not far from it, far above.
POINTS = {"mass_gev": [4200.0] * 4, "coupling": [0.05, 0.24, 0.27, 0.49]}


@pytest.fixture(scope="module")
def rows(searches):
    return zr.scan.evaluator(searches, "elusive_bl")


@pytest.fixture(scope="module")
def table(rows):
    return rows(POINTS)


def test_rows_near_the_border_take_toys(searches, table):
    """The rule is the asymptotic CLs of the row, between 0.002 and 0.2; the other numbers are those of the formulae."""
    formula = zr.evaluate(POINTS, searches, "elusive_bl", calculator="asymptotic")
    near = (formula["cls_observed"] > 0.002) & (formula["cls_observed"] < 0.2)
    assert near.tolist() == [False, True, True, False]
    assert table["calculator_used"].tolist() == ["asymptotic", "toys", "toys", "asymptotic"]
    assert set(formula["calculator_used"]) == {"asymptotic"}
    for name in ("cls_observed", "cls_expected", "cls_expected_p2s"):
        np.testing.assert_array_equal(table[name][~near], formula[name][~near])
    # few events are expected at 4.2 TeV, where the formulae exclude too much
    assert (table["cls_observed"][near] > 1.1 * formula["cls_observed"][near]).all()
    np.testing.assert_array_equal(table["loglike"], formula["loglike"])


def test_toys_of_a_row_are_those_of_cls(searches, table):
    for i in (1, 2):
        single = zr.cls("elusive_bl", 4200.0, POINTS["coupling"][i], searches)
        assert table["cls_observed"][i] == pytest.approx(float(single.cls_observed), rel=1e-7)
        assert table["cls_expected_m1s"][i] == pytest.approx(float(single.cls_expected[1]), rel=1e-7)


def test_order_and_company_change_nothing(rows, table):
    for order in ([3, 2, 1, 0], [1], [2, 2, 0, 1]):
        some = rows({name: np.array(values)[order] for name, values in POINTS.items()})
        assert some["calculator_used"].tolist() == table["calculator_used"][order].tolist()
        np.testing.assert_allclose(some["cls_observed"], table["cls_observed"][order], rtol=1e-7)


def test_chunks_and_workers_change_nothing(rows, tmp_path):
    source = tmp_path / "points.csv"
    lines = [f"{m},{g}\n" for m, g in zip(POINTS["mass_gev"], POINTS["coupling"], strict=True)]
    source.write_text("mass_gev,coupling\n" + "".join(lines))
    scan(source, tmp_path / "one.csv", rows, {}, rows=4)
    scan(source, tmp_path / "two.csv", rows, {}, rows=2, workers=2)
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "two.csv").read_text()
    assert ",toys," in (tmp_path / "one.csv").read_text()


def test_seed_and_number_of_toys_are_honoured(searches, table):
    row = {"mass_gev": [4200.0], "coupling": [0.24]}
    other = zr.evaluate(row, searches, "elusive_bl", seed=2)["cls_observed"][0]
    fewer = zr.evaluate(row, searches, "elusive_bl", n_toys=1000)["cls_observed"][0]
    ours = table["cls_observed"][1]
    # 4,000 shared toys know CLs to 2 %, 1,000 to 4 %
    assert 0 < abs(other / ours - 1) < 0.08
    assert 0 < abs(fewer / ours - 1) < 0.15
    with pytest.raises(InputError, match="at least 100 toys"):
        zr.evaluate(row, searches, "elusive_bl", n_toys=10)
    with pytest.raises(UnknownName, match="calculator"):
        zr.evaluate(row, searches, "elusive_bl", calculator="frequentist")
