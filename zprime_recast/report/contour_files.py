"""A contour as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..io.files import write_text
from ..io.json import json_text, jsonable
from ..limits.contour import ExclusionContour


def contour_json(result: ExclusionContour) -> dict[str, Any]:
    """The result as JSON-able values, null for NaN; keys as in the documentation of ``contour.json``."""
    reference = result.model.reference_coupling
    observed, expected = result.mass_limit_gev(reference) if reference else (None, None)
    values = {
        "mass_gev": result.mass_gev,
        "coupling_95_observed": result.coupling_95_observed,
        "coupling_95_expected": result.coupling_95_expected,
        "coupling_95_observed_no_theory": _no_theory(result),
        "crossings_observed": result.crossings_observed,
        "sigma_br_95_observed_fb": result.sigma_br_95_observed_fb,
        "coupling_perturbative": result.coupling_perturbative,
        "coupling_max": result.coupling_max,
        "reference_coupling": reference,
        "mass_limit_observed_gev": observed,
        "mass_limit_expected_gev": expected,
        "complete": result.complete,
        "errors": [{"mass_gev": m, "message": text} for m, text in result.errors],
        "warnings": [{"mass_gev": m, "message": text} for m, text in result.warnings],
        "provenance": result.provenance,
    }
    return dict(jsonable(values))


def _no_theory(result: ExclusionContour) -> FloatArray:
    values = result.coupling_95_observed_no_theory
    return np.full(len(result.mass_gev), np.nan) if values is None else values


def contour_csv(result: ExclusionContour) -> str:
    """The result as CSV text: one row a mass, empty cells where there is no limit."""
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
    """Write contour.json and contour.csv (``compare``: the same under ``contour_<model>``). Files appear whole or not
    at all. OutputError if the folder cannot be written.
    """
    written = []
    for item, stem in [(result, "contour"), *((other, f"contour_{other.model.id}") for other in compare)]:
        written.append(write_text(folder / f"{stem}.json", json_text(contour_json(item), indent=1) + "\n"))
        written.append(write_text(folder / f"{stem}.csv", contour_csv(item)))
    return written
