"""Write a contour to JSON and CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..io.files import write_text
from ..io.json import json_text
from ..limits.contour import ExclusionContour


def contour_csv(result: ExclusionContour) -> str:
    """The contour as CSV text: one row per mass, empty cells where there is no limit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    bands = [f"coupling_95_expected_{name}" for name in ("m2s", "m1s", "median", "p1s", "p2s")]
    writer.writerow(["mass_gev", "coupling_95_observed", *bands, "sigma_br_95_observed_fb"])
    for i, mass in enumerate(result.mass_gev):
        row = [
            result.coupling_95_observed[i],
            *result.coupling_95_expected[i],
            result.sigma_br_95_observed_fb[i],
        ]
        writer.writerow([f"{mass:.6g}", *(f"{v:.6g}" if np.isfinite(v) else "" for v in row)])
    return text.getvalue()


def write_contour(result: ExclusionContour, folder: Path, compare: Sequence[ExclusionContour] = ()) -> list[Path]:
    """Write contour.json and contour.csv, and ``contour_<model>`` files for the models in ``compare``.

    Each file is written whole or not at all. OutputError if the folder cannot be written.
    """
    written = []
    for item, stem in [(result, "contour"), *((other, f"contour_{other.model.id}") for other in compare)]:
        written.append(write_text(folder / f"{stem}.json", json_text(item.to_dict(), indent=1) + "\n"))
        written.append(write_text(folder / f"{stem}.csv", contour_csv(item)))
    return written
