"""Draw from tables of probabilities in constant time: the alias method (A. J. Walker, 1974; M. Vose, 1991).

Draw j = int(n u) for a uniform u, keep it if the fraction n u - j is below keep[j], else take alias[j].
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray

IntArray = npt.NDArray[np.int64]


def alias_table(weights: FloatArray) -> tuple[FloatArray, IntArray]:
    """Tables (keep, alias) of one long row of weights >= 0, (n,), not all of them 0."""
    n = len(weights)
    scaled = (weights * (n / weights.sum())).tolist()
    keep, alias = np.ones(n), np.arange(n)
    small = [j for j, w in enumerate(scaled) if w < 1.0]
    large = [j for j, w in enumerate(scaled) if w >= 1.0]
    while small and large:
        j, donor = small.pop(), large[-1]
        keep[j], alias[j] = scaled[j], donor
        scaled[donor] += scaled[j] - 1.0
        if scaled[donor] < 1.0:
            small.append(large.pop())
    return keep, alias


def alias_tables(weights: FloatArray) -> tuple[FloatArray, IntArray]:
    """Tables (keep, alias) of many rows of weights at once, (rows, n) each; a row of zeros keeps every j.

    All rows advance together: in sorted order the small entries are filled by the first large one until that has less
    than its share, which the next large one then fills.
    """
    rows, n = weights.shape
    total = weights.sum(axis=1, keepdims=True)
    scaled = np.divide(weights * n, total, out=np.ones_like(weights), where=total > 0)
    order = np.argsort(scaled, axis=1)
    scaled = np.take_along_axis(scaled, order, axis=1)
    keep, alias = np.ones((rows, n)), np.tile(np.arange(n), (rows, 1))
    r = np.arange(rows)
    smalls = (scaled < 1.0).sum(axis=1)
    small, donor = np.zeros(rows, dtype=np.int64), np.minimum(smalls, n - 1)
    rest = scaled[r, donor]
    for _ in range(n):
        gives = (rest >= 1.0) & (small < smalls)
        passes = (rest < 1.0) & (donor < n - 1)
        filled, giver = np.where(gives, small, donor), np.where(gives, donor, np.minimum(donor + 1, n - 1))
        value = np.where(gives, scaled[r, filled], rest)
        acts = gives | passes
        where = order[r, filled]
        keep[r, where] = np.where(acts, np.minimum(value, 1.0), keep[r, where])
        alias[r, where] = np.where(acts, order[r, giver], alias[r, where])
        rest = np.where(gives, rest + value - 1.0, np.where(passes, rest + scaled[r, giver] - 1.0, rest))
        small, donor = small + gives, donor + passes
    return keep, alias
