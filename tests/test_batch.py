"""Many hypotheses at once, against the one-by-one path: pyhf's expectations, the exact template, and each other."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from pyhf_judge import Judge

from zprime_recast.likelihood.binned import LogChanges
from zprime_recast.likelihood.factors import factors
from zprime_recast.likelihood.workspace import workspace_of
from zprime_recast.model.card import load_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.process.hypotheses import hypotheses_of
from zprime_recast.signal.reference import signal_template
from zprime_recast.signal.template import templates


def random_plane(model, n, seed):
    """Masses 250-6000 GeV, couplings 1e-4 to 1, Gamma/M 1e-8 to 0.3."""
    rng = np.random.default_rng(seed)
    mass, g = rng.uniform(250, 6000, n), 10 ** rng.uniform(-4, 0, n)
    return hypotheses_of(model, mass, g, mass * 10 ** rng.uniform(-8, np.log10(0.3), n))


def judged(searches, model, n, seed, tests):
    """Largest deviations (observed, expected) of ``tests`` of ``n`` random hypotheses from the judge. Where a deficit
    nearly empties a bin its minimiser may end outside the allowed region, without a result: 2 % at most.
    """
    hypotheses = random_plane(model, n, seed)
    found = searches.joint.test(hypotheses)
    assert not found.recomputed.any()
    # those with no effect at all, and those excluded beyond 1e-6, need no fit to judge
    judged = [i for i in range(n) if i not in dict(found.faults) and 1e-7 < found.cls_expected[i, 4] < 1]
    worst, null, lost = np.zeros(2), None, 0
    for i in judged[:tests]:
        judge = Judge(workspace_of(searches.joint.likelihood(hypotheses.take(np.array([i]))), 0), null)
        null = judge.null
        observed, expected = judge.cls()
        deviations = abs(found.cls_observed[i] - observed), np.abs(found.cls_expected[i] - expected).max()
        if not np.isfinite(deviations).all():
            lost += 1
            continue
        worst = np.maximum(worst, deviations)
    print(f"{lost} of {tests} not judged")
    assert lost <= 0.02 * tests
    return worst, len(judged[:tests])


def test_cls_of_random_hypotheses_is_pyhfs(searches):
    """1e-6 observed, 1e-5 expected; a long test does 500."""
    worst, tested = judged(searches, load_model("minimal_bl"), 40, 11, 5)
    print(worst)
    assert tested == 5
    assert worst[0] < 1e-6
    assert worst[1] < 1e-5


def test_interpolation_is_pyhfs_code_4():
    """ln(factor) to 3e-6 for a change of 2, 2e-8 below 1.2; derivatives against differences."""
    change = np.random.default_rng(0).uniform(-1.2, 1.2, (4, 7))
    change[1], change[2, 3], change[3, :5] = 0.29, 2.0, 0.1
    found = factors(LogChanges(tuple("abcd"), change, np.ones(change.shape, dtype=bool)))
    histograms = [[[np.exp(-change[k]), np.ones(7), np.exp(change[k])]] for k in range(4)]
    weights = np.random.default_rng(1).normal(size=(1, 7))

    def log_of(alpha):
        return found.log(alpha, found.powers(alpha))[0]

    for a in (-1.7, -1.0, -0.6, 0.0, 0.3, 0.99, 1.2):
        alpha = np.array([[a, 0.5 * a, a, -a]])
        reference = np.asarray(pyhf.interpolators.code4(histograms)(pyhf.tensorlib.astensor(alpha.T))).reshape(4, 7)
        log = np.log(reference).sum(axis=0)
        np.testing.assert_allclose(log_of(alpha), log, atol=3e-6)
        np.testing.assert_allclose(np.delete(log_of(alpha), 3), np.delete(log, 3), atol=2e-8)
        first, second = (f(alpha, found.powers(alpha), weights) for f in (found.first, found.second))
        for k in range(4):
            step = 1e-4 * np.eye(4)[k]
            low, middle, high = (float(weights[0] @ log_of(alpha + x * step)) for x in (-1, 0, 1))
            if abs(abs(alpha[0, k]) - 1) > 1e-3:  # pyhf's second derivative is continuous there, its third is not
                assert first[0, k] == pytest.approx((high - low) / 2e-4, abs=1e-6)
                assert second[0, k] == pytest.approx((high - 2 * middle + low) / 1e-8, abs=1e-5)


@pytest.mark.parametrize("model_id", ["minimal_bl", "e6_psi"])
@pytest.mark.parametrize("interference", [True, False])
def test_template_is_the_exact_one(searches, model_id, interference):
    """Every bin to 1e-5 of the largest (seen 8e-6 at worst, 4e-7 typically, from kinks of the acceptance table);
    theory changes of bins that matter to 3e-4.
    """
    (folded,) = searches
    model = load_model(model_id)
    h = random_plane(model, 60, 3)
    (many,) = templates([folded], h, interference)
    each = signal_template(folded, model, h.mass_gev, h.coupling, interference, gamma_gev=h.gamma_gev)
    for name in ("ee", "mumu"):
        size = np.abs(each.yields[name]).max(axis=1, keepdims=True)
        np.testing.assert_allclose(many.yields[name] / size, each.yields[name] / size, atol=1e-5)
        filled = (each.yields[name] > 1e-3 * size)[:, None, :]
        assert np.abs(np.where(filled, many.changes[name] - each.changes[name], 0.0)).max() < 3e-4


def test_results_do_not_depend_on_the_batch(searches, monkeypatch):
    """Order, batch size, company: the same to 1e-9."""
    import zprime_recast.limits.verdicts as module

    h = random_plane(load_model("ssm"), 150, 5)
    together = searches.joint.test(h)
    order = np.random.default_rng(1).permutation(150)
    monkeypatch.setattr(module, "CHUNK", 17)
    shuffled = searches.joint.test(h.take(order))
    np.testing.assert_allclose(shuffled.cls_observed, together.cls_observed[order], atol=1e-9, equal_nan=True)
    np.testing.assert_allclose(shuffled.cls_expected, together.cls_expected[order], atol=1e-9, equal_nan=True)
    assert [order[i] for i, _ in shuffled.faults] == [i for i in order if i in dict(together.faults)]


def test_no_nan_without_a_fault_on_the_plane(searches):
    """1,000 hypotheses of two models, also far beyond what is excluded; a long test does 10^5."""
    for name in ("ssm", "e6_chi"):
        found = searches.joint.test(random_plane(load_model(name), 500, 9))
        good = np.ones(500, dtype=bool)
        good[[i for i, _ in found.faults]] = False
        assert np.isfinite(found.cls_observed[good]).all()
        assert np.isfinite(found.cls_expected[good]).all()
        assert np.isnan(found.cls_observed[~good]).all()
        assert all("interference takes" in text for _, text in found.faults)
        assert ((found.cls_observed[good] >= 0) & (found.cls_observed[good] <= 1)).all()
        assert (np.diff(found.cls_expected[good], axis=1) >= 0).all()


def test_plane_of_a_model(searches):
    """Masses and couplings broadcast, as in NumPy; the limit fed back gives 0.05."""
    from zprime_recast.errors import InputError
    from zprime_recast.limits.hypothesis import cls, limit

    model = load_model("minimal_bl")
    g_95 = limit(model, 2000.0, searches, calculator="asymptotic").coupling_95_observed
    couplings = np.array([0.5, 1.0, 2.0]) * g_95
    plane = cls(model, np.array([[2000.0], [3000.0]]), couplings, searches, calculator="asymptotic")
    assert plane.cls_observed.shape == plane.excluded.shape == (2, 3)
    assert plane.cls_expected.shape == (2, 3, 5)
    assert plane.cls_observed[0, 1] == pytest.approx(0.05, rel=1e-3)
    assert plane.cls_observed[0, 0] > 0.05 > plane.cls_observed[0, 2]
    with pytest.raises(InputError, match="Gamma/M"):
        cls(model, [2000.0, 3000.0], 5.0, searches)


@pytest.mark.parametrize("mass", [400.0, 2000.0, 4200.0])
def test_limits_are_the_roots_of_pyhfs_likelihood(searches, mass):
    """CLs of the judge crosses 0.05 within 1e-4 of every g_95."""
    from zprime_recast.limits.hypothesis import limit

    model = load_model("elusive_bl")
    found = limit(model, mass, searches, calculator="asymptotic")
    null = None
    for k, g in ((None, found.coupling_95_observed), (2, found.coupling_95_expected[2])):
        values = []
        for x in (g * (1 - 1e-4), g * (1 + 1e-4)):
            gamma = np.array([float(decay_widths(model, mass, x).total_gev)])
            h = hypotheses_of(model, np.array([mass]), np.array([x]), gamma)
            judge = Judge(workspace_of(searches.joint.likelihood(h), 0), null)
            null = judge.null
            observed, expected = judge.cls()
            values.append(observed if k is None else expected[k])
        assert values[0] > 0.05 > values[1]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_500_random_hypotheses(searches, seed):
    """1,280 hypotheses of four models; 500 of those whose CLs is neither 1 nor below 1e-7 are judged."""
    model = load_model(["minimal_bl", "e6_psi", "ssm", "elusive_bl"][seed])
    worst, tested = judged(searches, model, 320, 100 + seed, 125)
    print(f"{model.id}: {tested} judged, largest deviations {worst}")
    assert tested == 125
    assert worst[0] < 1e-6
    assert worst[1] < 1e-5


@pytest.mark.long
def test_no_nan_in_100_000(searches):
    h = random_plane(load_model("minimal_bl"), 100_000, 77)
    found = searches.joint.test(h)
    good = np.ones(len(h.mass_gev), dtype=bool)
    good[[i for i, _ in found.faults]] = False
    print(f"recomputed with pyhf: {found.recomputed.sum()}, without likelihood: {(~good).sum()}")
    assert np.isfinite(found.cls_observed[good]).all()
    assert np.isfinite(found.cls_expected[good]).all()
    assert found.recomputed.sum() < 20
