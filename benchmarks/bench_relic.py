"""Time of one relic-density point, on and off the resonance, and of a plane.

Example: python benchmarks/bench_relic.py --plane 200
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from zprime_recast.dark_matter.relic import relic_density
from zprime_recast.model.card import load_model

POINTS = {
    "off the pole": (10000.0, 0.3, 3000.0),
    "on the pole": (4000.0, 0.06, 1999.0),
    "on the pole, Gamma/M = 1e-8": (4100.0, 1e-4, 2000.0),
    "Z'Z' open": (500.0, 0.1, 2000.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plane", type=int, default=200, help="points per side of the plane")
    side = parser.parse_args().plane
    model = load_model("elusive_bl")
    begin = time.perf_counter()
    relic_density(model, 1000.0, 0.1, 400.0)
    print(f"first call (imports, tables): {time.perf_counter() - begin:.2f} s")
    for name, point in POINTS.items():
        times = []
        for _ in range(50):
            begin = time.perf_counter()
            relic_density(model, *point)
            times.append(time.perf_counter() - begin)
        print(f"{name:30s} {1e3 * np.median(times):6.2f} ms (best {1e3 * min(times):.2f} ms)")
    mass, coupling = np.linspace(500, 20000, side), np.linspace(0.01, 0.7, side)
    begin = time.perf_counter()
    relic_density(model, mass[:, None], coupling, 5000.0)
    seconds = time.perf_counter() - begin
    print(f"{side} x {side} plane: {seconds:.1f} s, {1e3 * seconds / side**2:.3f} ms per point")


if __name__ == "__main__":
    main()
