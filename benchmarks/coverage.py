"""Coverage of the exclusions from shared toys: how often a hypothesis that is true has CLs below 0.05.

Pseudo-experiments with the signal are drawn at the fit of the hypothesis to the data: counts, and the centres of all
constraints. For each the whole procedure is done anew: the fits without and with the signal, the toys drawn at them, and
CLs. Pseudo-experiments whose statistic is among the smaller ones have no chance to be excluded, so toys are drawn for the
largest statistics alone, and for a sample of the others to see that this holds.

    python benchmarks/coverage.py results.jsonl                          # hours: 20,000 pseudo-experiments at 16 points
    python benchmarks/coverage.py results.jsonl --experiments 2000 --points 4
    python benchmarks/coverage.py results.jsonl --table
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import zprime_recast as zr
from zprime_recast.io.threads import one_blas_thread
from zprime_recast.likelihood.background_fit import fit_background
from zprime_recast.likelihood.binned import BinnedLikelihood, bounded_interference
from zprime_recast.likelihood.cls import asymptotic_cls
from zprime_recast.likelihood.expectations import expectations_of
from zprime_recast.likelihood.shared_cls import shared_cls
from zprime_recast.likelihood.toy_ensemble import between, draw_toys
from zprime_recast.likelihood.toy_statistic import fitted
from zprime_recast.likelihood.toys import statistics
from zprime_recast.limits.shared_toys import BACKGROUND_SHARE, FEW_EVENTS, TILTED_SHARES
from zprime_recast.model.card import load_model
from zprime_recast.process.family import coupling_family

ATLAS, CMS = "atlas-139fb-dilepton", "cms-140fb-dilepton"
BOTH = f"{ATLAS},{CMS}"
#: Model, mass in GeV, searches; each at 1 and 1.5 times the asymptotic median limit.
POINTS = (
    ("elusive_bl", 4500, BOTH),
    ("elusive_bl", 3500, BOTH),
    ("ssm", 5000, CMS),
    ("elusive_bl", 4500, ATLAS),
    ("elusive_bl", 1000, BOTH),
    ("elusive_bl", 400, BOTH),
    ("e6_psi", 4000, BOTH),
    ("minimal_bl", 2500, ATLAS),
)
FACTORS = (1.0, 1.5)
#: Share of the pseudo-experiments with the largest statistics for which toys are drawn, and a number of others.
SCREEN, OTHERS = 0.15, 20


def pseudo_experiment(likelihood: BinnedLikelihood, counts, signal_centers, background_centers) -> BinnedLikelihood:
    """The likelihood of a data set whose constraints have other centres, as one with centres at 0 (nuisances shifted)."""
    change = likelihood.signal_changes.change
    signal = likelihood.signal * np.exp(signal_centers @ (change[0] if change.ndim == 3 else change))
    background = likelihood.background * np.exp(background_centers @ likelihood.background_changes.change)
    return replace(likelihood, n_obs=counts, signal=bounded_interference(background, signal)[0], background=background)


def verdict(likelihood: BinnedLikelihood, mass: float, n_toys: int, seed: int) -> tuple[float, float]:
    """CLs from shared toys and from asymptotic formulae, with every fit and every toy made anew."""
    null = fit_background(likelihood)
    asymptotic = asymptotic_cls(likelihood, null)
    ensemble = fitted(likelihood, null)[0].ensemble
    parts = [(None, round(BACKGROUND_SHARE * n_toys))]
    parts += [(between(null, ensemble, share), round(part * n_toys)) for share, part in TILTED_SHARES]
    few_below = next(events for highest, events in FEW_EVENTS if mass < highest)
    toys = draw_toys(likelihood, null, parts, np.random.default_rng(seed), few_below)
    found = shared_cls(likelihood, null, toys, asymptotic)
    return float(found.cls_observed[0]), float(asymptotic.cls_observed[0])


def coverage(model: str, mass: float, ids: str, factor: float, n: int, n_toys: int, seed: int) -> dict:
    """P(CLs < 0.05 | signal + background) at a multiple of the asymptotic median limit."""
    joint = zr.load_analyses(ids.split(",")).joint
    median = float(zr.limit(model, mass, ids.split(","), calculator="asymptotic").coupling_95_expected[2])
    family = coupling_family(load_model(model), [mass])
    likelihood = joint.likelihood(family.at(np.zeros(1, dtype=int), np.array([factor * median])))
    null, hypothesis = joint.background, fitted(likelihood, joint.background)[0]
    rng = np.random.default_rng(seed)
    counts = rng.poisson(hypothesis.expected, size=(n, len(hypothesis.expected))).astype(float)
    own = hypothesis.ensemble.signal_nuisances + rng.standard_normal((n, len(hypothesis.ensemble.signal_nuisances)))
    of_background = hypothesis.background_nuisances + rng.standard_normal((n, len(null.nuisances)))
    model_ = expectations_of(likelihood)
    centers = np.concatenate([own @ model_.rotation[0].T, of_background], axis=1)
    q = statistics(model_, counts, centers, null)
    order = np.argsort(-(q + 1e-9 * rng.random(n)))  # ties in random order
    screened = order[: round(SCREEN * n)]
    others = rng.choice(order[round(SCREEN * n) :], min(OTHERS, n - len(screened)), replace=False)

    def verdicts(rows) -> np.ndarray:
        return np.array(
            [
                verdict(pseudo_experiment(likelihood, counts[i], own[i], of_background[i]), mass, n_toys, int(i))
                for i in rows
            ]
        )

    near, far = verdicts(screened), verdicts(others)
    share = float((near[:, 0] < 0.05).sum() / n)
    return {
        "point": [model, mass, ids, factor],
        "experiments": n,
        "toys": n_toys,
        "p_toys": share,
        "error": float(np.sqrt(max(share, 1 / n) * (1 - share) / n)),
        "p_asymptotic_of_screened": float((near[:, 1] < 0.05).sum() / n),
        "lowest_cls_of_others": float(far[:, 0].min()),
    }


def table(records: list[dict]) -> str:
    """Markdown."""
    lines = [
        "| model | M (GeV) | searches | g over median | P(CLs < 0.05), toys | asymptotic |",
        "|---|---|---|---|---|---|",
    ]
    for r in records:
        model, mass, ids, factor = r["point"]
        who = "both" if "," in ids else ids.split("-")[0].upper()
        lines.append(
            f"| {model} | {mass:g} | {who} | {factor:g} | {r['p_toys']:.3f} ± {r['error']:.3f} "
            f"| {r['p_asymptotic_of_screened']:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--experiments", type=int, default=20_000)
    parser.add_argument("--toys", type=int, default=4000)
    parser.add_argument("--points", type=int, default=len(POINTS))
    parser.add_argument("--table", action="store_true", help="print the table of the results there are")
    options = parser.parse_args()
    known = [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    if options.table:
        print(table(known))
        return
    done = {tuple(record["point"]) for record in known}
    with one_blas_thread():
        for model, mass, ids in POINTS[: options.points]:
            for factor in FACTORS:
                if (model, mass, ids, factor) in done:
                    continue
                record = coverage(model, mass, ids, factor, options.experiments, options.toys, seed=1)
                with options.results.open("a") as file:
                    file.write(json.dumps(record) + "\n")
                print(record, flush=True)


if __name__ == "__main__":
    main()
