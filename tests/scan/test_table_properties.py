"""Random tables: a row depends on itself alone, and a bad cell in any column is the error of its row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprime_recast.scan.evaluate import evaluator
from zprime_recast.scan.points import carried_columns

COLUMNS = ("mass_gev", "coupling", "m_chi", "gamma_extra", "qcd_widths", "running_width")
BAD = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-300, 5e-324, 1e300, 40.0, 12351.0, 1e5)
NUMBERS = ("cls_observed", "cls_expected", "cls_expected_p2s", "loglike", "sigma_br_fb", "gamma_gev", "br_ll")
quick = settings(max_examples=12, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def rows(searches):
    return evaluator(searches, "elusive_bl", calculator="asymptotic")


def table(seed, n=24):
    rng = np.random.default_rng(seed)
    switch = rng.integers(0, 2, (2, n)).astype(float)
    mass, coupling = rng.uniform(300, 5900, n), 10 ** rng.uniform(-3, -0.5, n)
    values = (mass, coupling, rng.uniform(100, 5000, n), rng.uniform(0, 30, n), *switch)
    return dict(zip(COLUMNS, values, strict=True))


@quick
@given(seed=st.integers(0, 10_000), column=st.sampled_from(COLUMNS), bad=st.sampled_from(BAD), at=st.integers(0, 23))
def test_a_bad_cell_is_the_error_of_its_row(rows, seed, column, bad, at):
    """Every column, every kind of nonsense: the row has a message or a finite result, the others what they had."""
    good = table(seed)
    spoiled = {name: values.copy() for name, values in good.items()}
    spoiled[column][at] = bad
    before, after = rows(good), rows(spoiled)
    others = np.arange(24) != at
    for name in NUMBERS:
        np.testing.assert_allclose(after[name][others], before[name][others], rtol=1e-6, atol=1e-9)
    if after["error"][at]:
        assert np.isnan(after["cls_observed"][at])
        assert after["excluded"][at] is None
        assert "\n" not in after["error"][at]
    else:
        assert np.isfinite([after[name][at] for name in NUMBERS]).all()
    if not np.isfinite(bad) or bad < 0:
        assert after["error"][at].startswith((column, "mass"))


@quick
@given(seed=st.integers(0, 10_000), data=st.data())
def test_rows_know_nothing_of_each_other(rows, seed, data):
    """Any order, any selection, any duplicate: the same numbers. CLs to 1e-7, ln L to 5e-6 and 5e-8 of it."""
    whole = table(seed)
    order = np.array(data.draw(st.lists(st.integers(0, 23), min_size=1, max_size=30)))
    some = {name: values[order] for name, values in whole.items()}
    together, apart = rows(whole), rows(some)
    for name in NUMBERS:
        tolerance = {"rtol": 5e-8, "atol": 5e-6} if name == "loglike" else {"rtol": 1e-6, "atol": 1e-7}
        np.testing.assert_allclose(apart[name], together[name][order], **tolerance)
    assert (apart["error"] == together["error"][order]).all()


@quick
@given(seed=st.integers(0, 10_000))
def test_the_sign_of_all_couplings_does_not_matter(searches, seed):
    rng = np.random.default_rng(seed)
    names = ("g_uL", "g_uR", "g_dL", "g_dR", "g_lL", "g_lR", "g_nuL")
    points = {"mass_gev": rng.uniform(400, 5000, 6)} | {n: rng.normal(0, 0.05, 6) for n in names}
    flipped = points | {n: -points[n] for n in names}
    free = evaluator(searches, calculator="asymptotic")
    one, other = free(points), free(flipped)
    for name in NUMBERS:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9)


def test_carried_columns_are_listed_and_near_misses_refused(elusive):
    assert carried_columns(["mass_gev", "coupling", "m_chi", "label", "weight"], elusive) == ["label", "weight"]
    for name in ("mchi", "M_chi", "m_ch", "Mass_GeV", "couplings", "gammaextra"):
        with pytest.raises(Exception, match="is it"):
            carried_columns(["coupling" if "mass" in name.lower() else "mass_gev", "label", name], elusive)
