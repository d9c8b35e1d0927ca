"""Make the luminosity tables of this folder from the complete set CT18NNLO.

    python data/luminosities/build.py [SQRT_S_GEV ...]

The set (59 members) must be on LHAPDF_DATA_PATH or in the user's folder: ``zprime-recast pdf install CT18NNLO``.
One energy takes about half a minute; the tables of all four are 2 MB.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from zprime_recast.partons.luminosity_set import save_integrals, set_integrals

NAME = "CT18NNLO"
ENERGIES_GEV = (8000.0, 13000.0, 13600.0, 14000.0)


def main(energies: list[float]) -> None:
    """Write one table per energy beside this script."""
    for sqrt_s in energies or ENERGIES_GEV:
        start = time.perf_counter()
        path = Path(__file__).parent / f"{NAME}_{sqrt_s:g}GeV.npz"
        save_integrals(set_integrals(NAME, sqrt_s, cache=False), path)
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main([float(text) for text in sys.argv[1:]])
