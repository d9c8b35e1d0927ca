"""Scans: CLs per second against pyhf in the same run, contour, planes, tables, latency, memory.

    python benchmarks/bench_scans.py [--rows 100000]

One core. Random hypotheses of a minimal B-L Z': masses 250-5500 GeV, couplings 1e-4 to 1, Gamma/M 1e-8 to 0.3; "near the
limit" are couplings within a factor of 3 of g_95, where every fit is needed. pyhf's time is that of one CLs as a scan
needs it: workspace, model, three fits (the background fit is shared).
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial

import numpy as np

from zprime_recast.likelihood.cls import asymptotic_cls
from zprime_recast.likelihood.pyhf_fit import pyhf_background, pyhf_cls
from zprime_recast.likelihood.workspace import workspace_of
from zprime_recast.limits.analyses import load_analyses
from zprime_recast.limits.contour import contour
from zprime_recast.limits.hypothesis import coupling_limits
from zprime_recast.limits.mass_grid import default_masses
from zprime_recast.limits.method import Method
from zprime_recast.model.card import load_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.process.family import coupling_family
from zprime_recast.process.hypotheses import GAMMA_OVER_M_MAX, hypotheses_of
from zprime_recast.scan.evaluate import evaluator
from zprime_recast.scan.sampling import Likelihood

ATLAS, BOTH = ["atlas-139fb-dilepton"], ["atlas-139fb-dilepton", "cms-140fb-dilepton"]
#: What the rates of many hypotheses are for.
ASYMPTOTIC = Method(calculator="asymptotic")


def seconds(call, times=1):
    """Median of so many runs."""
    used = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        used.append(time.perf_counter() - start)
    return statistics.median(used)


def random_plane(model, n, seed=1):
    rng = np.random.default_rng(seed)
    mass, g = rng.uniform(250, 5500, n), 10 ** rng.uniform(-4, 0, n)
    return hypotheses_of(model, mass, g, mass * 10 ** rng.uniform(-8, np.log10(0.3), n))


def near_the_limit(model, searches, n, seed=2):
    """Hypotheses within a factor of 3 of the observed limit."""
    rng = np.random.default_rng(seed)
    limits = contour(model, None, searches, calculator="asymptotic")
    known = np.isfinite(limits.coupling_95_observed)
    masses, log_limit = limits.mass_gev[known], np.log(limits.coupling_95_observed[known])
    mass = rng.uniform(masses[0], masses[-1], n)
    g = np.exp(np.interp(mass, masses, log_limit) + rng.uniform(-np.log(3), np.log(3), n))
    return hypotheses_of(model, mass, g, decay_widths(model, mass, g).total_gev)


def plane(model, mass_gev, coupling, searches):
    """CLs on a grid, where the width allows a line shape."""
    mass, g = (a.ravel() for a in np.meshgrid(mass_gev, coupling, indexing="ij"))
    family = coupling_family(model, mass)
    good = np.nonzero(family.gamma_gev(np.arange(len(mass)), g) <= GAMMA_OVER_M_MAX * mass)[0]
    return searches.verdicts(family.take(good), g[good], ASYMPTOTIC)


def pyhf_seconds(searches, hypotheses, n=5):
    likelihoods = [searches.joint.likelihood(hypotheses.take(np.array([i]))) for i in range(n)]
    background = pyhf_background(workspace_of(likelihoods[0]))
    return statistics.median(
        seconds(lambda one=one: pyhf_cls(workspace_of(one), background_fit=background)) for one in likelihoods
    )


def b_minus_l(g):
    """Free couplings of a minimal B-L Z'."""
    return {"g_uL": g / 3, "g_uR": g / 3, "g_dL": g / 3, "g_dR": g / 3, "g_lL": -g, "g_lR": -g, "g_nuL": -g}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    rows_wanted = parser.parse_args().rows
    model = load_model("minimal_bl")
    start = time.perf_counter()
    searches = load_analyses(ATLAS)
    rows = [("prepare ATLAS, caches warm", f"{time.perf_counter() - start:.2f} s", "")]
    scattered, near = random_plane(model, 4000), near_the_limit(model, searches, 1000)
    null = searches.joint.background
    searches.joint.test(scattered.take(slice(0, 200)))  # grids and caches
    one = pyhf_seconds(searches, near)
    rows.append(("pyhf: one CLs with its expected set", f"{1000 * one:.0f} ms", "1"))
    chunks = [searches.joint.likelihood(near.take(slice(i, i + 128))) for i in range(0, 1000, 128)]
    fits = seconds(lambda: [asymptotic_cls(chunk, null) for chunk in chunks], 3) / 1000
    rows.append(("CLs near the limit, templates ready", f"{1 / fits:.0f} /s", f"{one / fits:.0f}"))
    for name, h in (("near the limit", near), ("over the plane", scattered)):
        each = seconds(lambda h=h: searches.joint.test(h), 3) / len(h.mass_gev)
        rows.append((f"full points {name}", f"{1 / each:.0f} /s", f"{one / each:.0f}"))
    for n in (1000, 10_000, 100_000):
        h = random_plane(model, n, seed=3)
        each = seconds(lambda h=h: searches.joint.test(h)) / n
        rows.append((f"cost of a point among {n:,}", f"{1e6 * each:.0f} us", ""))
    evaluate = evaluator(searches, model, calculator="asymptotic")
    rng = np.random.default_rng(4)
    table = {"mass_gev": rng.uniform(250, 5500, rows_wanted), "coupling": 10 ** rng.uniform(-4, 0, rows_wanted)}
    used = seconds(lambda: evaluate(table))
    rows.append((f"evaluate, {rows_wanted:,} rows", f"{used:.1f} s", f"{one * rows_wanted / used:.0f}"))
    masses = default_masses(searches)
    family = coupling_family(model, masses)
    used = seconds(lambda: coupling_limits(model, family, searches, ASYMPTOTIC, True), 3)
    rows.append(("asymptotic limits at 25 masses, observed and expected", f"{used:.2f} s", ""))
    one_mass = coupling_family(model, 3000.0)
    for name in ("first limit near a mass", "limit near a mass, toys drawn"):
        used = seconds(lambda: coupling_limits(model, one_mass, searches))
        rows.append((f"{name}, six curves from toys", f"{used:.2f} s", ""))
    likelihood = Likelihood(searches, model)
    both = load_analyses(BOTH)
    points = [(float(m), float(g)) for m, g in zip(near.mass_gev[:200], near.coupling[:200], strict=True)]
    free = Likelihood(searches)
    for name, one_point in (
        ("ATLAS", likelihood.loglike),
        ("ATLAS, free couplings", lambda m, g: free.loglike(m, b_minus_l(g))),
        ("ATLAS + CMS", Likelihood(both, model).loglike),
    ):
        seconds(lambda f=one_point: [f(*p) for p in points])  # what lies around each mass, once
        latency = statistics.median(seconds(lambda f=one_point, p=p: f(*p)) for p in points)
        rows.append((f"loglike, one call, {name}", f"{1000 * latency:.2f} ms", ""))
    walkers = seconds(lambda: likelihood.loglikes(near.mass_gev[:256], near.coupling[:256])) / 256
    rows.append(("loglikes, per point of 256 walkers", f"{1000 * walkers:.2f} ms", ""))
    couplings = np.geomspace(1e-3, 1, 100)
    used = seconds(lambda: plane(model, np.linspace(300, 5400, 100), couplings, both), 3)
    rows.append(("plane of 100 x 100, ATLAS + CMS", f"{used:.1f} s", ""))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "zprime_recast"]
        contour = [*command, "contour", "elusive_bl", "-o", folder]
        cold = {**os.environ, "ZPRIME_RECAST_CACHE": f"{folder}/cache"}
        for name, more, settings in (
            ("ATLAS + CMS, empty caches", [], cold),
            ("ATLAS + CMS", [], cold),
            ("ATLAS", ["-a", ATLAS[0]], cold),
        ):
            once = partial(subprocess.run, [*contour, *more], check=True, capture_output=True, env=settings)
            used = seconds(once, 1 if "empty" in name else 3)
            rows.append((f"contour command with figure, {name}", f"{used:.1f} s", ""))
        used = seconds(lambda: subprocess.run([*command, "--help"], check=True, capture_output=True), 3)
        rows.append(("--help", f"{used:.2f} s", ""))
    used = seconds(lambda: subprocess.run([sys.executable, "-c", "import zprime_recast"], check=True))
    rows.append(("import", f"{used:.2f} s", ""))
    rows.append(("peak memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB", ""))
    print(f"{platform.machine()}, {platform.processor() or 'processor unnamed'}, Python {platform.python_version()}")
    print("| what | measured | times pyhf's rate |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
