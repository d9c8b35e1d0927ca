"""Times of the stages, each beside the peer it is measured against, in one run.

    python benchmarks/bench_chain.py

One luminosity table (against the same number of scalar PDF calls), one template of 100 + 100 bins (against building a
pyhf model of it), one CLs and one limit (against a single pyhf hypothesis test on a ready model).
"""

from __future__ import annotations

import platform
import statistics
import time

import numpy as np
import pyhf

from zprime_recast.limits.analyses import load_analyses
from zprime_recast.limits.hypothesis import limit, workspace
from zprime_recast.model.card import load_model
from zprime_recast.partons.luminosity import luminosity_table
from zprime_recast.partons.pdf import load_pdf
from zprime_recast.signal.reference import signal_template


def median_seconds(call, repeat):
    """Median wall time of a call, after one that is not counted."""
    call()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    pdf, model = load_pdf(), load_model("elusive_bl")
    searches = load_analyses()
    mass, g = 2000.0, 0.03
    spec = workspace(model, mass, g, searches)
    loaded = pyhf.Workspace(spec)
    ready = loaded.model()
    data = loaded.data(ready)

    def pyhf_cls():
        with np.errstate(all="ignore"):
            pyhf.infer.hypotest(1.0, data, ready, test_stat="qtilde", return_expected_set=True)

    def scalar_pdf():
        for x in np.geomspace(1e-3, 0.9, 1000):
            pdf.xf([2], x, 1000.0)

    # per mass: L_q with 128 nodes in y, the QCD corrections with 49 x 64 nodes in z and y; two x each, 11 partons
    points = 320 * 2 * (128 + 49 * 64) * 11
    couplings = np.geomspace(0.01, 0.1, 100)
    one_template = median_seconds(lambda: signal_template(searches[0], model, mass, g), 20)
    one_hypotest = median_seconds(pyhf_cls, 7)
    rows = [
        (
            "luminosities to NNLO (320 masses)",
            median_seconds(lambda: luminosity_table(pdf, cache=False), 5),
            f"{points} scalar PDF calls",
            median_seconds(scalar_pdf, 3) * points / 1000,
        ),
        (
            "template, 2 x 100 bins",
            one_template,
            "pyhf.Workspace(...).model() of it",
            median_seconds(lambda: pyhf.Workspace(spec).model(), 5),
        ),
        (
            "100 templates in one call",
            median_seconds(lambda: signal_template(searches[0], model, mass, couplings), 3),
            "100 calls",
            100 * one_template,
        ),
        (
            "CLs from a workspace",
            median_seconds(lambda: pyhf_cls(spec), 7),
            "pyhf.infer.hypotest on a ready model",
            one_hypotest,
        ),
        (
            "limit, observed and expected set",
            median_seconds(lambda: limit(model, mass, searches), 2),
            "pyhf.infer.hypotest on a ready model",
            one_hypotest,
        ),
    ]
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, pyhf {pyhf.__version__}")
    print("| stage | time | peer | time | ratio |\n|---|---|---|---|---|")
    for name, seconds, peer, peer_seconds in rows:
        print(
            f"| {name} | {1000 * seconds:.4g} ms | {peer} | {1000 * peer_seconds:.4g} ms | {peer_seconds / seconds:.3g} |"
        )


if __name__ == "__main__":
    main()
