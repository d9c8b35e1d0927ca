"""Limits at 95 % CL of the points of a table: on the coupling of a model, or on the strength of a signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..io.cards import FloatArray, IndexArray
from ..likelihood.cls import Null
from ..scan.points import Points
from ..signal.fold import FoldedSearch
from ..signal.template import Hypotheses
from .crossings import Crossings, Curves, crossings
from .result import COUPLING_MIN, COUPLING_RANGE, widest_coupling

#: Signal strengths between which a limit is looked for.
STRENGTH_RANGE = (1e-6, 1e4)


def point_limits(
    points: Points, rows: IndexArray, searches: Sequence[FoldedSearch], interference: bool, null: Null
) -> tuple[str, FloatArray, npt.NDArray[np.object_]]:
    """What is limited (``coupling`` or ``strength``), limits of ``rows`` (n, 6), observed and expected at -2..+2
    standard deviations, NaN where there is none, and remarks (n,).

    Points of a model: the coupling g_95 at the same mass and parameters, the width following it. Free couplings: the
    factor on the whole signal, interference included, at the same width.
    """
    h = points.hypotheses.take(rows)
    if points.perturbative_coupling is None:
        name, (low, high) = "strength", (np.full(len(rows), x) for x in STRENGTH_RANGE)

        def at(which: IndexArray, log_x: FloatArray) -> Hypotheses:
            return replace(h.take(which), strength=np.exp(log_x))

    else:
        name, extra = "coupling", points.partial_gev["extra"][rows]
        unit = (h.gamma_gev - extra) / h.coupling**2
        widest = widest_coupling(h.mass_gev, unit, extra)
        high = np.maximum(np.minimum(widest, points.perturbative_coupling), COUPLING_MIN)
        low = np.maximum(COUPLING_MIN, COUPLING_RANGE * high)

        def at(which: IndexArray, log_x: FloatArray) -> Hypotheses:
            g = np.exp(log_x)
            return replace(h.take(which), coupling=g, gamma_gev=unit[which] * g**2 + extra[which])

    found = crossings(Curves(at, tuple(searches), interference, null), low, high)
    limits = np.array([[_or_nan(family.limit(curve)) for curve in range(6)] for family in found]).reshape(-1, 6)
    remarks = np.array([_remark(family, name, x) for family, x in zip(found, low.tolist(), strict=True)], dtype=object)
    return name, limits, remarks


def _or_nan(limit: float | None) -> float:
    return np.nan if limit is None else limit


def _remark(family: Crossings, name: str, low: float) -> str:
    texts = list(family.island_warnings(name))
    if family.excluded_everywhere:
        texts.append(f"excluded down to a {name} of {low:g}")
    if family.fault is not None and None in [family.limit(curve) for curve in range(6)]:
        texts.append(f"no limit on the {name}: {family.fault}")
    return "; ".join(texts)
