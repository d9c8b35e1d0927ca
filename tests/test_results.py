"""Every result prints on one line, becomes JSON and becomes a table."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import zprime_recast as zr

MASSES = np.array([2000.0, 4000.0])


@pytest.fixture(scope="module")
def results(searches):
    elusive = zr.load_model("elusive_bl")
    return [
        zr.decay_widths("ssm", MASSES, 0.3),
        zr.cross_section("ssm", 3000.0, 0.3, searches.luminosities),
        zr.cls("ssm", MASSES, 0.1, searches),
        zr.limit("ssm", MASSES, searches),
        zr.contour("ssm", MASSES, searches),
        zr.resonance_limit("atlas-139fb-dilepton", MASSES, 0.03, "ee"),
        zr.relic_density(elusive, np.array([9e3, 1e4]), 0.25, 3800.0),
        zr.direct_detection(elusive, np.array([9e3, 1e4]), 0.25, 3800.0),
        zr.dark_matter.indirect_detection(elusive, np.array([9e3, 1e4]), 0.25, 3800.0),
        zr.decoupling(elusive, np.array([9e3, 1e4]), 0.1),
    ]


def test_results_print_on_one_line(results):
    for result in results:
        assert "\n" not in repr(result)
        assert len(repr(result)) < 220
    assert len(repr(zr.load_analyses("atlas-139fb-dilepton"))) < 120


def test_results_compare_without_error(results):
    for one in results:
        assert one == one
        assert not any(one == other for other in results if other is not one)


def test_results_become_json(results):
    for result in results:
        values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
        assert len(values) >= 3


def test_results_become_tables(results):
    for result in results:
        table = pd.DataFrame(result.columns())
        assert len(table) in (1, 2)
        assert all(np.issubdtype(kind, np.number) or kind.kind == "b" for kind in table.dtypes)
    widths = pd.DataFrame(results[0].columns())
    np.testing.assert_allclose(widths["total_gev"], results[0].total_gev)
    partial = [name for name in widths if name.startswith("partial_gev_")]
    np.testing.assert_allclose(widths[partial].sum(axis=1), widths["total_gev"], rtol=1e-12)
    limits = pd.DataFrame(results[3].columns())
    np.testing.assert_array_equal(limits["coupling_95_expected_p2s"], results[3].coupling_95_expected[:, 4])
