"""The masses of a contour: as close as resolution, bins and curves ask for."""

from __future__ import annotations

import numpy as np
import pytest
from toy_search import write_search

from zprime_recast.limits.analyses import load_analyses
from zprime_recast.limits.mass_grid import BESIDE, CLOSEST, OF_RESPONSE, added_masses, default_masses, segments
from zprime_recast.partons.pdf import PAPER_SET
from zprime_recast.searches.response import core_width


def test_the_core_of_a_gaussian_response_is_its_sigma(tmp_path):
    """A response of 2 % at 1 TeV and 4 % at 3 TeV, linear between them."""
    response = "m_ll_gev,sigma\n1000,0.02\n3000,0.04\n"
    search = write_search(
        tmp_path / "toy", np.geomspace(200, 6000, 21), np.full(20, 9.0), np.zeros(20), response=response
    )
    found = core_width(search.channels[0], np.array([1000.0, 2000.0, 3000.0]))
    np.testing.assert_allclose(found, [0.02, 0.03, 0.04], rtol=2e-3)


@pytest.mark.parametrize("n_bins", [20, 400])
def test_masses_follow_the_narrower_of_resolution_and_bins(tmp_path, n_bins):
    """A resolution of 2 %: 1.1 times that with wide bins, half of a bin with bins of 0.85 %."""
    edges = np.geomspace(200, 6000, n_bins + 1)
    response = "m_ll_gev,sigma\n100,0.02\n9000,0.02\n"
    write_search(tmp_path / "toy", edges, np.full(n_bins, 9.0), np.zeros(n_bins), response=response)
    masses = default_masses(load_analyses(tmp_path / "toy", PAPER_SET, order="lo", theory=False))
    assert (masses[0], masses[-1]) == (200.0, 6000.0)
    wanted = min(OF_RESPONSE * 0.02, 0.5 * np.log(edges[1] / edges[0]))
    np.testing.assert_allclose(np.diff(np.log(masses)), wanted, rtol=0.02)


def test_default_masses_cover_the_union_and_both_sides_of_an_end():
    both = load_analyses(theory=False)
    masses = default_masses(both)
    assert (masses[0], masses[-1]) == (250.0, 6000.0)
    assert 250 < len(masses) < 350
    beside = masses[np.searchsorted(masses, 5500.0) :][:2]
    assert beside[0] == 5500.0
    assert 0 < beside[1] / 5500.0 - 1 < 1e-3


def test_a_kink_between_the_first_masses_is_found():
    """A peak of 0.5 % between masses 1 % apart, of which the first points see one flank: straight lines end up close."""
    masses = np.exp(np.arange(6.0, 8.0, 0.01))

    def curve(m):
        return np.stack([3 * np.log(m / 1e3) + 0.5 * np.exp(-0.5 * ((np.log(m) - 7.0045) / 0.005) ** 2)], axis=1)

    before = len(masses)
    for _ in range(2):
        masses = np.sort(np.concatenate([masses, added_masses(masses, curve(masses))]))
    assert before < len(masses) < before + 25
    at = np.linspace(1050, 1150, 2001)
    error = np.interp(at, masses, curve(masses)[:, 0]) - curve(at)[:, 0]
    assert np.abs(error).max() < 0.02
    straight = np.exp(np.arange(6.0, 8.0, 0.01))
    assert not len(added_masses(straight, np.log(straight)[:, None]))


def test_masses_are_added_where_a_curve_ends():
    masses = np.array([1000.0, 1010.0, 1020.0, 1030.0])
    ended = np.array([[0.0], [0.0], [np.nan], [np.nan]])
    np.testing.assert_allclose(added_masses(masses, ended), [np.sqrt(1010 * 1020)])
    close = 1000 * np.exp(np.arange(4) * 0.9 * CLOSEST)
    assert not len(added_masses(close, ended))
    assert not len(added_masses(masses[:1], ended[:1]))


def test_segments_hold_every_mass_once_and_no_end_of_a_search():
    both = load_analyses(theory=False)
    masses = default_masses(both)
    parts = list(segments(masses, both, 0.08))
    np.testing.assert_array_equal(np.concatenate([part.mass_gev for part in parts]), masses)
    for k, part in enumerate(parts):
        assert np.log(part.mass_gev[-1] / part.mass_gev[0]) < 0.08 + 1e-9
        assert len(set(both.used_at(part.mass_gev))) == 1
        before = [] if part.mass_gev[0] in (250.0, 5500.0 * (1 + BESIDE)) else [parts[k - 1].mass_gev[-1]]
        after = [] if part.mass_gev[-1] in (5500.0, 6000.0) else [parts[k + 1].mass_gev[0]]
        assert list(part.around_gev) == before + after
    apart = list(segments(np.array([500.0, 1000.0, 5000.0, 5900.0]), both, 0.08))
    assert [part.mass_gev.tolist() for part in apart] == [[500.0], [1000.0], [5000.0], [5900.0]]
