"""Lower mass limits of benchmark models by calculator and kind of signal, beside the published ones, as Markdown.

    python benchmarks/mass_limits.py

CMS's limits are Bayesian, on a resonance alone; ATLAS's are asymptotic CLs. Takes a few minutes.
"""

from __future__ import annotations

import numpy as np

import zprime_recast as zr

ATLAS, CMS = "atlas-139fb-dilepton", "cms-140fb-dilepton"
#: Search, model, published observed limit in TeV and its source, masses in GeV between which it is looked for.
MODELS = (
    (CMS, "ssm", 5.15, (4800, 5500)),
    (CMS, "e6_psi", 4.56, (4200, 4900)),
    (ATLAS, "ssm", 5.1, (4700, 5400)),
    (ATLAS, "e6_psi", 4.5, (4100, 4800)),
    (ATLAS, "e6_chi", 4.8, (4300, 5000)),
)
SOURCES = {CMS: "arXiv:2103.02708", ATLAS: "arXiv:1903.06248"}
STEP_GEV = 50.0


def mass_limits(model: str, analyses: object, masses: np.ndarray, interference: bool, calculator: str) -> list[str]:
    """Observed and median expected limits in TeV: where CLs of the benchmark rises through 0.05."""
    card = zr.load_model(model)
    found = zr.cls(card, masses, card.reference_coupling, analyses, interference, calculator)
    limits = []
    for cls in (found.cls_observed, found.cls_expected[:, 2]):
        y = np.log(cls / 0.05)
        k = np.nonzero((y[:-1] < 0) & (y[1:] >= 0))[0]
        if not len(k):
            limits.append(f"> {masses[-1] / 1000:.1f}" if y[-1] < 0 else "-")
            continue
        k = k[-1]
        limits.append(f"{(masses[k] + (masses[k + 1] - masses[k]) * y[k] / (y[k] - y[k + 1])) / 1000:.2f}")
    return limits


def main() -> None:
    print("| search | model | signal | calculator | observed (TeV) | expected (TeV) | published (TeV) |")
    print("|---|---|---|---|---|---|---|")
    for search, model, published, (low, high) in MODELS:
        analyses = zr.load_analyses(search)
        masses = np.arange(low, high + 1, STEP_GEV)
        for interference in (False, True):
            for calculator in ("toys", "bayes", "asymptotic"):
                observed, expected = mass_limits(model, analyses, masses, interference, calculator)
                kind = "with interference" if interference else "resonance alone"
                row = (search, model, kind, calculator, observed, expected, f"{published}, {SOURCES[search]}")
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
