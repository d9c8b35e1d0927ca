"""Times of the corrected luminosities.

    python benchmarks/bench_luminosity.py

Building the table of one energy (all members of the largest set found, LO and NLO terms, three factorisation scales),
per member, against one call per point of the PDF backend for the same points; and sigma x BR of 10,000 (model, mass)
points with all 59 members of CT18NNLO, against one point at a time.
"""

from __future__ import annotations

import platform
import time

import numpy as np

from zprime_recast.model.card import load_model
from zprime_recast.partons.luminosity_set import load_luminosities, set_integrals
from zprime_recast.partons.pdf import load_pdf
from zprime_recast.partons.pdf_files import list_sets
from zprime_recast.process.cross_section import sigma_br_of_members


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main():
    print(f"{platform.machine()}, Python {platform.python_version()}, one process")
    name = "CT18NNLO" if "CT18NNLO" in list_sets() else "CT18NNLO_central"
    pdf = load_pdf(name)
    members = pdf.info.members
    build = seconds(lambda: set_integrals(name, 13000.0, cache=False))
    calls = 2000
    single = seconds(lambda: [pdf.xf([2], x, 1000.0) for x in np.geomspace(1e-3, 0.9, calls)]) / calls
    # per mass: L_q with 128 nodes, first order with 49 x 64 nodes, two x each; 11 partons
    points = 200 * 2 * (128 + 49 * 64) * 11 * (members + 2)
    print(f"table of {name}, 13 TeV, {members} members, 200 masses, LO + first order, 3 scales: {build:.1f} s")
    print(
        f"  the same {points / 1e6:.0f} million PDF values one by one: {points * single:.0f} s, ratio {points * single / build:.0f}"
    )
    lumi, models = load_luminosities(), [load_model(name) for name in ("ssm", "e6_chi", "e6_psi", "elusive_bl")]
    mass = np.random.default_rng(1).uniform(200.0, 6000.0, 2500)
    many = seconds(lambda: [sigma_br_of_members(model, mass, 0.1, lumi) for model in models])
    few = seconds(lambda: [sigma_br_of_members(models[0], m, 0.1, lumi) for m in mass[:100]]) * 100
    print(f"sigma x BR with 59 members, 10,000 points: {many:.2f} s; one at a time {few:.0f} s, ratio {few / many:.0f}")


if __name__ == "__main__":
    main()
