"""Uncertainty of the luminosities, expressed by a few named nuisance parameters that all searches share.

The directions of a PDF set (29 eigenvectors of CT18NNLO, 100 replicas ...) are rotated so that the first few carry
most of the variance of the luminosities: a principal-component analysis of their relative changes, weighted by the
share of each flavour in the sum. The first, ``pdf_1``, ``pdf_2`` ..., are kept as they are; ``pdf_rest`` is the root
of the variance of all others, flavour by flavour and mass by mass, taken as correlated, so that no variance is lost.
Each is one standard deviation of a Gaussian nuisance and acts as a factor exp(+-d), so no rate turns negative.
``qcd_scale`` is half the width of the envelope of the scale choices, one nuisance for all masses and flavours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, Quiet
from .luminosity import LuminosityTable
from .pdf_errors import relative_changes

#: Masses, as shares of sqrt(s), whose variance orders the modes.
MODE_RANGE = (0.015, 0.46)
#: Modes kept as they are.
MODES_KEPT = 5


@dataclass(frozen=True, eq=False, repr=False)
class TheoryNuisances(Quiet):
    """Logarithmic changes of the luminosities per nuisance, on the mass grid of their table."""

    names: tuple[str, ...]
    mass_gev: FloatArray
    """(n,)."""
    log_change: FloatArray
    """Change of ln LQ_q per standard deviation, (nuisances, pairs, n)."""

    def at(self, mass_gev: FloatArray) -> FloatArray:
        """Changes at masses in GeV, linear in ln M, (nuisances, pairs, n_masses)."""
        x, grid = np.log(mass_gev), np.log(self.mass_gev)
        i = np.clip(np.searchsorted(grid, x) - 1, 0, len(grid) - 2)
        t = np.clip((x - grid[i]) / (grid[i + 1] - grid[i]), 0.0, 1.0)
        return np.asarray((1 - t) * self.log_change[..., i] + t * self.log_change[..., i + 1])


def theory_nuisances(lumi: LuminosityTable) -> TheoryNuisances:
    """The nuisance parameters of a table with variations.

    A set without error members has no PDF modes; a table without variations has no nuisances at all.
    """
    names: list[str] = []
    changes = [np.zeros((0, *lumi.values.shape))]
    if lumi.variations is not None:
        if lumi.variations.members is not None:
            modes = pdf_modes(lumi)
            names += [*(f"pdf_{k}" for k in range(1, len(modes))), "pdf_rest"]
            changes.append(modes)
        high, low = scale_envelope(lumi)
        names.append("qcd_scale")
        changes.append(0.5 * (high - low)[None])
    return TheoryNuisances(tuple(names), lumi.mass_gev, np.concatenate(changes))


def pdf_modes(lumi: LuminosityTable, kept: int = MODES_KEPT) -> FloatArray:
    """Principal modes of the PDF uncertainty and the rest, (kept + 1, pairs, n): relative change of LQ_q at one
    standard deviation each. A mode's sign is that of a rise of the total at the highest mass of MODE_RANGE.
    """
    variations = lumi.variations
    assert variations is not None
    assert variations.members is not None
    assert variations.errors is not None
    rows = relative_changes(variations.members, variations.errors)
    low, high = (share * lumi.sqrt_s_gev for share in MODE_RANGE)
    used = (lumi.mass_gev >= low) & (lumi.mass_gev <= high)
    share = (lumi.values / np.maximum(lumi.values.sum(axis=0), 1e-300))[:, used]
    weighted = (rows[:, :, used] * share).reshape(len(rows), -1)
    rotation, _, _ = np.linalg.svd(weighted, full_matrices=False)
    modes = np.einsum("km,kqn->mqn", rotation[:, :kept], rows)
    sign = np.where((modes[:, :, used][..., -1] * share[:, -1]).sum(axis=-1) < 0, -1.0, 1.0)
    rest = np.sqrt(np.maximum((rows**2).sum(axis=0) - (modes**2).sum(axis=0), 0.0))
    return np.concatenate([modes * sign[:, None, None], rest[None]])


def scale_envelope(lumi: LuminosityTable) -> tuple[FloatArray, FloatArray]:
    """Largest and smallest ln(LQ_q(scales)/LQ_q(M)) over the scale choices, (pairs, n) each; >= 0 and <= 0."""
    assert lumi.variations is not None
    scales = lumi.variations.scales
    positive = (scales > 0).all(axis=0)
    log = np.log(np.where(positive, scales, 1.0))
    change = log - log[0]
    return np.asarray(change.max(axis=0)), np.asarray(change.min(axis=0))
