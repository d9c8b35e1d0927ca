"""The planes of a heavy vector triplet excluded by ATLAS, arXiv:1903.06248."""

import csv
from pathlib import Path

import numpy as np
import pytest

import zprime_recast as zr

CONTOURS = Path(__file__).parent.parent / "data" / "hvt_contours_atlas.csv"
#: Allowed deviation of the size of a contour by mass (GeV); seen point by point: 0.93 to 1.03 at 3 TeV, 0.92 to 1.08
#: at 4 TeV, 1.11 to 1.17 at 5 TeV. Toys, which are right there, give weaker limits still.
SIZE = {3000.0: 0.10, 4000.0: 0.10, 5000.0: 0.20}
#: The same of its shape: 3 % seen for expected contours, 6.5 % for the observed one at 4 TeV, whose width varies along it.
SHAPE = {"expected": 0.04, "observed": 0.07}


@pytest.mark.slow
def test_contours_of_a_heavy_vector_triplet():
    """The factor on all couplings of a published point at which it is excluded: asymptotic, LO, no interference."""
    with CONTOURS.open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    x, y, mass = (np.array([float(row[name]) for row in rows]) for name in ("x", "y", "mass_gev"))
    plane = np.array([row["plane"] for row in rows])
    charges = {"g_q": np.where(plane == "g_l", x, y), "g_l": y, "g_h": np.where(plane == "g_l", 0.0, x)}
    table = {"mass_gev": mass, "coupling": np.ones(len(x)), **charges}
    atlas = zr.load_analyses(["atlas-139fb-dilepton"], order="lo")
    found = zr.evaluate(table, atlas, "hvt", interference=False, limits=True, calculator="asymptotic")
    observed = np.array([row["type"] == "observed" for row in rows])
    factor = np.where(observed, found["coupling_95_observed"], found["coupling_95_expected"])
    tables = np.array([row["table"] for row in rows])
    for name in np.unique(tables):
        own, tolerance = factor[tables == name], SIZE[mass[tables == name][0]]
        size = own.mean()
        assert abs(size - 1) < tolerance, (name, size)
        kind = "observed" if observed[tables == name].all() else "expected"
        assert np.abs(own / size - 1).max() < SHAPE[kind], (name, own / size)
