"""Numbers outside the range of their quantity are one line, wherever they enter, and never a warning or an infinity."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest

from zprime_recast.arrays import checked_number, checked_positive
from zprime_recast.errors import ZprimeError
from zprime_recast.io.cards import parse_toml
from zprime_recast.model.card import load_model, read_model_card
from zprime_recast.model.make import make_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.scan.evaluate import evaluator

EXTREMES = [1e300, 1e-300, 5e-324, 10**400, 1e20, -1.0, float("nan"), float("inf"), "1e400", "x" * 5000]


@pytest.mark.parametrize("value", EXTREMES)
@pytest.mark.parametrize("name", ["--mass", "mass_gev", "coupling", "--coupling", "--sqrt-s"])
def test_an_extreme_number_is_one_line(name, value):
    for check in (lambda: checked_number(name, value, above=0.0), lambda: checked_positive(name, value)):
        with pytest.raises(ZprimeError, match=name) as caught:
            check()
        assert len(str(caught.value)) < 150
    with pytest.raises(ZprimeError):
        decay_widths(load_model("ssm"), value, 0.1)


def test_legal_numbers_pass():
    for name, value in (("mass_gev", 1e-9), ("mass_gev", 1e9), ("coupling", 1e-15), ("m_chi", 0.0), ("x", 1e-47)):
        assert checked_number(name, value) == value


CARD = 'schema = 1\nid = "x"\nreference = "x"\nkind = "u1"\ncharge_norm_squared = 1\n[charges]\nq_left = {}\n'


@pytest.mark.parametrize(
    "charge",
    ["1" + "0" * 400, "1" + "0" * 5000, '"1e300"', '"1e-300"', '"1e999999999"', '"1/1' + "0" * 90 + '"', '"' + "9" * 99 + '"'],
)  # fmt: skip
def test_an_extreme_charge_is_one_line(tmp_path, charge):
    path = tmp_path / "card.toml"
    for text in (CARD.format(charge), CARD.format(1).replace("squared = 1\n", f"squared = {charge}\n")):
        path.write_text(text)
        with pytest.raises(ZprimeError, match=r"card.toml") as caught:
            read_model_card(path)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = 1e999999", "a = 0x" + "f" * 9999, 'a = "' + "\\u0000" * 9 + '"']
)
def test_no_card_is_a_traceback(tmp_path, text):
    path = tmp_path / "card.toml"
    with pytest.raises(ZprimeError):
        parse_toml(path, f"schema = 1\n{text}\n").number("a")


@pytest.mark.parametrize("number", ["1e300", "5e-324", "inf", "nan", "1" + "0" * 400, "-1.0", "true"])
def test_a_number_of_a_card(tmp_path, number):
    card = parse_toml(tmp_path / "card.toml", f"schema = 1\na = {number}\nb = [{number}]\n")
    with pytest.raises(ZprimeError, match="found"):
        card.number("a", low=0.0)
    if number != "-1.0" and number != "true":
        with pytest.raises(ZprimeError, match="found"):
            card.numbers("b")


def test_charges_within_reason_are_kept():
    model = make_model("x", {"q_left": "1/3", "e_right": Fraction(10**6), "u_right": "1e-6"})
    assert model.fermions[0].q_left.rational == Fraction(1, 3)


def test_extreme_rows_of_a_table_are_messages(searches):
    """One bad number in each row, in every column: a message each, no warning, no infinity."""
    rows = evaluator(searches, "elusive_bl")
    bad = [1e300, 1e-300, 5e-324, 1e12]
    points = {"mass_gev": [2000.0] * 12, "coupling": [0.1] * 12, "m_chi": [500.0] * 12}
    for k, name in enumerate(points):
        points[name][4 * k : 4 * k + 4] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rows(points)
    for i in range(11):  # m_chi of 1e12 GeV only closes a decay
        assert "must be between" in found["error"][i]
    assert not any(np.isinf(v).any() for v in found.values() if v.dtype.kind == "f")
    free = evaluator(searches)({"mass_gev": [2000.0] * 4, "g_uL": [*bad[:2], 0.1, 0.1], "g_lL": [0.1, 0.1, *bad[2:]]})
    assert all("must be between" in text for text in free["error"])
