"""PDF uncertainties: every error type against the formulas of arXiv:1106.5788 written out, and stated faults."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from zprime_recast.errors import InputError, PDFError
from zprime_recast.partons.pdf import PAPER_SET, load_pdf
from zprime_recast.partons.pdf_errors import ONE_SIGMA, ErrorSet, error_set, pdf_uncertainty, relative_changes
from zprime_recast.partons.pdf_files import find_set, read_set_info
from zprime_recast.partons.pdf_install import load_pdf_set

LEVEL_90_TO_SIGMA = 1 / 1.6448536269514722  # Gaussian quantile of 90 %, two-sided


def by_hand(values, kind, parameters):
    """Sums of one number per member, as LHAPDF's PDFSet::uncertainty has them."""
    count = len(values) - 1 - 2 * parameters
    v0, plus, minus, symmetric = values[0], 0.0, 0.0, 0.0
    if kind == "replicas":
        v0 = sum(values[1 : count + 1]) / count
        variance = count / (count - 1) * (sum(v * v for v in values[1 : count + 1]) / count - v0**2)
        plus = minus = symmetric = variance
    elif kind == "symmhessian":
        plus = minus = symmetric = sum((v - v0) ** 2 for v in values[1 : count + 1])
    else:
        for k in range(1, count // 2 + 1):
            a, b = values[2 * k - 1], values[2 * k]
            plus += max(a - v0, b - v0, 0) ** 2
            minus += max(v0 - a, v0 - b, 0) ** 2
            symmetric += (a - b) ** 2 / 4
    extra = sum((values[count + 2 * k - 1] - values[count + 2 * k]) ** 2 / 4 for k in range(1, parameters + 1))
    return v0, sqrt(plus + extra), sqrt(minus + extra), sqrt(symmetric + extra)


@pytest.mark.parametrize("parameters", [0, 1, 2])
@pytest.mark.parametrize("kind", ["replicas", "hessian", "symmhessian"])
def test_formulas(kind, parameters):
    """1e-12 at the level of the set; 90 % members scale to one sigma by the Gaussian quantile."""
    rng = np.random.default_rng(5)
    members = 1 + 20 + 2 * parameters
    values = 10 + rng.normal(size=(members, 3))
    errors = ErrorSet(kind, members, parameters)
    found = pdf_uncertainty(values, errors)
    for i in range(3):
        expected = by_hand([float(v) for v in values[:, i]], kind, parameters)
        row = (found.central[i], found.plus[i], found.minus[i], found.symmetric[i])
        assert row == pytest.approx(expected, rel=1e-10)
    if kind != "replicas":
        ninety = pdf_uncertainty(values, replace(errors, confidence_level=90.0))
        np.testing.assert_allclose(ninety.plus, found.plus * LEVEL_90_TO_SIGMA, rtol=1e-12)
    wider = pdf_uncertainty(values, errors, 95.45)
    np.testing.assert_allclose(wider.minus, 2 * found.minus, rtol=2e-4)  # 95.45 is 2 sigma rounded


@pytest.mark.parametrize("kind", ["replicas", "hessian", "symmhessian"])
def test_relative_changes_carry_the_variance(kind):
    rng = np.random.default_rng(6)
    values = 10 + rng.normal(size=(23, 4, 2))
    errors = ErrorSet(kind, 23, 1, 90.0 if kind != "replicas" else ONE_SIGMA)
    rows = relative_changes(values, errors)
    found = pdf_uncertainty(values, errors).symmetric
    np.testing.assert_allclose(np.sqrt((rows**2).sum(axis=0)) * values[0], found, rtol=1e-12)
    zero = relative_changes(np.where(np.arange(23)[:, None] == 0, 0.0, values[:, 0]), errors)
    assert (zero == 0).all()


def test_error_set_of_info():
    info = read_set_info(find_set(PAPER_SET))
    assert error_set(info) is None
    ct18 = replace(info, members=59, error_type="hessian", confidence_level=90.0)
    assert error_set(ct18) == ErrorSet("hessian", 59, 0, 90.0)
    assert error_set(ct18).eigenvectors == 29
    assert error_set(replace(ct18, members=61, error_type="hessian+as")).eigenvectors == 29
    nnpdf = error_set(replace(info, members=101, error_type="replicas", confidence_level=68.0))
    assert nnpdf == ErrorSet("replicas", 101)
    assert nnpdf.eigenvectors == 100


@pytest.mark.parametrize(
    ("members", "kind", "message"),
    [
        (59, "unknown", "ErrorType is 'unknown', known are replicas, hessian, symmhessian"),
        (59, "", "ErrorType is ''"),
        (58, "hessian", "58 members do not fit ErrorType 'hessian'"),
        (2, "replicas", "2 members do not fit"),
        (3, "hessian+as", "3 members do not fit"),
    ],
)
def test_error_types_that_are_not_known_are_named(members, kind, message):
    info = replace(read_set_info(find_set(PAPER_SET)), members=members, error_type=kind)
    with pytest.raises(PDFError, match=message):
        error_set(info)


def test_wrong_number_of_values():
    with pytest.raises(InputError, match="all 59 members are needed, found 58"):
        pdf_uncertainty(np.ones(58), ErrorSet("hessian", 59))
    with pytest.raises(InputError, match="found a number"):
        pdf_uncertainty(1.0, ErrorSet("hessian", 59))
    with pytest.raises(InputError, match="between 0 and 100"):
        pdf_uncertainty(np.ones(59), ErrorSet("hessian", 59), 0.0)


def test_set_of_one_member():
    single = load_pdf_set(PAPER_SET)
    x = np.array([0.01, 0.3])
    np.testing.assert_array_equal(single.xf([2, 21], x, 500.0)[0], load_pdf(PAPER_SET).xf([2, 21], x, 500.0))
    with pytest.raises(InputError, match="has only one member"):
        single.uncertainty([1.0])
