"""A predicted background: its modes reproduce the covariance that the card writes, in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from toy_search import write_search

from zprime_recast.searches.background import background_nuisances

#: Wide bins, unequal in ln(mass), so that the middle of a bin and the distance of two of them matter.
EDGES = np.array([400.0, 480.0, 600.0, 800.0, 1200.0, 1700.0, 2600.0, 4500.0])
BKG = np.array([900.0, 700.0, 400.0, 150.0, 40.0, 9.0, 1.5])
ERROR = np.array([60.0, 50.0, 20.0, 15.0, 4.0, 1.5, 0.6])


def modes_of(folder, length, sources=()):
    """Names and rows of the nuisances of the background, (n_names, n_bins)."""
    search = write_search(folder / f"toy-{length:g}", EDGES, BKG, ERROR, correlation_length=length, sources=sources)
    return background_nuisances(search.id, search.channel("ee"))


def written_covariance(relative, length):
    """sigma_i sigma_j exp(-(ln m_i/m_j)^2/(2 length^2)): sigma = ln(1 + relative), m the geometric middle of the bin."""
    sigma = np.log(1 + relative)
    n = len(sigma)
    found = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            ratio = np.sqrt(EDGES[i] * EDGES[i + 1] / (EDGES[j] * EDGES[j + 1]))
            found[i, j] = sigma[i] * sigma[j] * np.exp(-(np.log(ratio) ** 2) / (2 * length**2))
    return found


@pytest.mark.parametrize("length", [0.05, 0.2, 0.3, 0.6, 2.0])
def test_modes_reproduce_the_written_covariance(tmp_path, length):
    """Sum over modes of mode_k(i) mode_k(j) against the closed form: what is left out is a positive matrix with less
    than 1e-3 of the total variance.

    Killed here: twice or half the correlation length; exp(-d^2/L^2) or exp(-|d|/L) instead of the Gaussian; distances
    between arithmetic middles; modes scaled by the variance instead of its root.
    """
    _, modes = modes_of(tmp_path, length)
    expected = written_covariance(ERROR / BKG, length)
    found = np.einsum("ki,kj->ij", modes, modes)
    lost = expected - found
    assert np.trace(lost) < 1e-3 * np.trace(expected)
    assert np.linalg.eigvalsh(lost).min() > -1e-12
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.trace(expected))


def test_neighbours_move_together_and_far_bins_do_not(tmp_path):
    """Length 0.3 in ln m: the first two bins, 0.2027 apart, have a correlation of exp(-0.2027^2/0.18) = 0.796; the first
    and the last, 2.0555 apart, of exp(-23.5) = 0. To the variance left out.
    """
    _, modes = modes_of(tmp_path, 0.3)
    covariance = modes.T @ modes
    correlation = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert correlation[0, 1] == pytest.approx(0.796, abs=0.01)
    assert correlation[0, 6] == pytest.approx(0.0, abs=0.01)


def test_modes_are_uncorrelated_and_ordered(tmp_path):
    """Eigenmodes: orthogonal, the largest first, and as few as hold 99.9 % of the variance."""
    names, modes = modes_of(tmp_path, 0.6)
    assert names == tuple(f"toy_bkg_ee_{k}" for k in range(1, len(modes) + 1))
    products = modes @ modes.T
    variances = np.diag(products)
    np.testing.assert_allclose(products, np.diag(variances), atol=1e-14)
    assert (np.diff(variances) < 0).all()
    total = np.trace(written_covariance(ERROR / BKG, 0.6))
    assert variances.sum() >= 0.999 * total
    assert variances[:-1].sum() < 0.999 * total
    # short range: every bin its own mode; long range: one
    assert len(modes_of(tmp_path, 0.02)[1]) == len(BKG)
    assert len(modes_of(tmp_path, 20.0)[1]) == 1


def test_named_sources_leave_the_rest_to_the_modes(tmp_path):
    """Two correlated sources of the uncertainty: ln(1 + their share) in every bin, and modes for what is left of the
    total in quadrature.

    Killed here: sources added linearly, counted twice, or left in the modes.
    """
    pdf, luminosity = 0.6 * ERROR, 0.5 * ERROR
    names, rows = modes_of(tmp_path, 0.3, sources=[("pdf", pdf), ("lumi", luminosity)])
    assert names[-2:] == ("toy_bkg_pdf", "toy_bkg_lumi")
    np.testing.assert_allclose(rows[-2:], np.log(1 + np.array([pdf, luminosity]) / BKG), rtol=1e-12)
    rest = np.sqrt(1 - 0.36 - 0.25) * ERROR / BKG
    expected = written_covariance(rest, 0.3)
    np.testing.assert_allclose(rows[:-2].T @ rows[:-2], expected, atol=1e-3 * np.trace(expected))


def test_total_event_count(tmp_path):
    """The uncertainty of the sum of all bins, to first order: sqrt(sum_ij B_i C_ij B_j). With a correlation over all
    masses it is the linear sum of B ln(1 + error/B), with none at all the quadratic one.
    """
    each = BKG * np.log(1 + ERROR / BKG)
    for length, expected in ((50.0, each.sum()), (0.01, np.sqrt((each**2).sum()))):
        _, modes = modes_of(tmp_path, length)
        assert np.sqrt(((modes @ BKG) ** 2).sum()) == pytest.approx(expected, rel=5e-3)
