"""The package's own reader of PDF grids against two others, neopdf and (where it is installed) LHAPDF."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.partons.grid import QUARK_PIDS, Subgrid, parton_grid, strong_coupling
from zprime_recast.partons.pdf import load_pdf
from zprime_recast.partons.pdf_files import find_set

PARTONS = [*QUARK_PIDS, 21]
SETS = ("CT18NNLO_central", "MSTW2008nlo_central")
#: Below and above the thresholds of both sets, and near the ends of their grids.
SCALES = (1.31, 2.0, 4.7, 4.7501, 4.8, 30.0, 91.1876, 1234.5, 9999.0, 29000.0)


def neopdf(name):
    module = pytest.importorskip("neopdf.pdf")
    return module.PDF.mkPDF_lhapdf_file(str(find_set(name) / f"{name}_0000.dat"))


def points(pdf, n=1500):
    rng = np.random.default_rng(1)
    return np.exp(rng.uniform(np.log(1.01 * pdf.info.x_min), np.log(0.98), n))


@pytest.mark.parametrize("name", SETS)
def test_densities_are_those_of_neopdf(name):
    """All partons at 1500 x and ten Q: 1e-10 (seen: 2e-12 where the density is not near zero)."""
    pdf, judge = load_pdf(name), neopdf(name)
    assert pdf.backend == "grid"
    x = points(pdf)
    for q in SCALES:
        expected = np.asarray(judge.xfxQ2s(PARTONS, x.tolist(), [q * q]))
        np.testing.assert_allclose(pdf.xf(PARTONS, x, q), expected, rtol=1e-10, atol=1e-13, err_msg=f"Q = {q}")


@pytest.mark.parametrize("name", SETS)
def test_strong_coupling_is_that_of_neopdf(name):
    """1e-12 away from thresholds, at which neopdf takes slopes across."""
    pdf, judge = load_pdf(name), neopdf(name)
    for q in (2.3, 20.0, 91.1876, 1234.5, 9999.0, 29000.0):
        assert pdf.alpha_s(q) == pytest.approx(judge.alphasQ2(q * q), rel=1e-12), q


@pytest.mark.parametrize("name", SETS)
def test_all_is_that_of_lhapdf(name):
    """Runs where LHAPDF can be imported: densities and coupling to 1e-10."""
    pytest.importorskip("lhapdf")
    ours, theirs = load_pdf(name), load_pdf(name, backend="lhapdf")
    x = points(ours, 100)
    for q in SCALES:
        np.testing.assert_allclose(ours.xf(PARTONS, x, q), theirs.xf(PARTONS, x, q), rtol=1e-10, atol=1e-13)
        assert ours.alpha_s(q) == pytest.approx(theirs.alpha_s(q), rel=1e-12)


@pytest.mark.parametrize("name", SETS)
def test_points_one_by_one_are_those_of_one_scale(name):
    """The two ways to evaluate the polynomials."""
    pdf, rng = load_pdf(name), np.random.default_rng(1)
    x = points(pdf)
    for q in SCALES:
        rows = rng.integers(0, 10, len(x))
        at_once = pdf.grid.at_scale(slice(10), x, q)
        one_by_one = pdf.grid.xf(rows, x, np.full(len(x), q))
        np.testing.assert_allclose(one_by_one, at_once[rows, np.arange(len(x))], rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(at_once, pdf.xf(QUARK_PIDS, x, SCALES[-1]))


def test_knots_are_reproduced():
    """The numbers of the file themselves, on knots of every subgrid; 0 at x = 1."""
    pdf = load_pdf("MSTW2008nlo_central")
    blocks = pdf.info.grid_file(0).read_text().split("---\n")[1:-1]
    for block in blocks:
        x_line, q_line, pid_line, body = block.split("\n", 3)
        x, q = np.array(x_line.split(), dtype=float), np.array(q_line.split(), dtype=float)
        pids = [int(pid) for pid in pid_line.split()]
        values = np.array(body.split(), dtype=float).reshape(len(x), len(q), len(pids))
        k = len(q) // 2
        np.testing.assert_allclose(pdf.xf(pids, x, q[k]), values[:, k].T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(pdf.xf(PARTONS, 1.0, 100.0), 0.0, atol=1e-15)


def test_strong_coupling_between_two_knots_and_at_a_threshold():
    """A straight line in ln Q^2 is reproduced; at a knot given twice the value above holds from there on."""
    q = np.array([1.0, 2.0, 4.0, 4.0, 8.0, 16.0])
    values = 0.3 - 0.02 * np.log(q**2)
    values[3:] -= 0.01
    coupling = strong_coupling(q, values)
    inside = np.array([1.3, 3.9, 4.0, 5.0, 16.0])
    expected = 0.3 - 0.02 * np.log(inside**2) - 0.01 * (inside >= 4)
    np.testing.assert_allclose(coupling(inside), expected, rtol=1e-13)


def test_a_subgrid_of_two_knots_in_q_is_bilinear():
    """LHAPDF 6.5, LogBicubicInterpolator: straight lines in ln x and ln Q; the subgrid above it is cubic as ever."""
    x, low, high = np.geomspace(1e-3, 1.0, 6), np.array([1.0, 2.0]), np.array([2.0, 4.0, 8.0, 20.0])
    rng = np.random.default_rng(4)
    first, second = rng.uniform(size=(6, 2, 1)), rng.uniform(size=(6, 4, 1))
    grid = parton_grid([Subgrid(x, low, (21,), first), Subgrid(x, high, (21,), second)])
    alone = parton_grid([Subgrid(x, high, (21,), second)])
    gluon = slice(10, 11)
    at = np.exp(rng.uniform(np.log(1e-3), 0, 50))
    for q in (1.0, 1.4, 1.99):
        share = np.log(q) / np.log(2)
        lines = [np.interp(np.log(at), np.log(x), first[:, k, 0]) for k in (0, 1)]
        np.testing.assert_allclose(
            grid.at_scale(gluon, at, q)[0], (1 - share) * lines[0] + share * lines[1], rtol=1e-12
        )
    for q in (2.0, 5.0, 20.0):
        np.testing.assert_allclose(grid.at_scale(gluon, at, q), alone.at_scale(gluon, at, q), rtol=1e-12)
