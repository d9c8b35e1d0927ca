r"""Cells that bound the density from above and below, so that most events need no parton density at all.

The density of a channel is P(s) R(s, eta) Lbar(s): P the partonic strength, Lbar a smooth stand-in for the luminosity
(log-linear in ln s between blocks), R the rest, a function of mass and eta = y/y_max. Mass cells bound P Lbar, cells in
block x eta bound R; both are constant per cell, drawn by the alias method, and uniform inside. A proposal is kept
with probability density/bound. Where the random number lies below the product of the lower bounds, it is kept without
evaluating the density; for the few others the density is evaluated (:mod:`zprime_recast.events.sampler`). The tables
thus determine the speed, and the density alone the events.

Bounds are the extremes of nodes inside and on the edges of a cell, widened by the curvature seen there. Every
evaluated proposal is checked against its bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray, Quiet
from ..errors import InputError
from ..partons.grid import QUARK_PIDS
from .alias import IntArray, alias_table, alias_tables
from .process import ANTIQUARK_ROWS, CHANNELS, PAIRS, QUARK_ROWS, Process

#: Spacing of mass cells: relative in m, and in asinh(u/(M Gamma)) around a resonance.
MASS_STEP, RESONANCE_STEP = 1e-3, 0.006
#: Width of a block in ln m, and its cells in eta.
BLOCK_STEP, ETA_CELLS = 0.01, 256
#: Cells at either end in eta that are bounded together.
EDGE_CELLS = 4
#: Bounds are widened by this share, over the curvature.
MARGIN = 2e-4

#: Negative densities in cells of less than this share of the rate (roundings at x = 1) are left out.
NEGATIVE_SHARE = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Proposal(Quiet):
    """Tables from which events of one process are proposed."""

    total_fb: float
    """Integral of the upper bounds: cross-section = total_fb x mean kept weight."""
    u_low: FloatArray
    """Lower edges of the mass cells as u = s - pole^2, GeV^2, (cells,)."""
    u_width: FloatArray
    block: IntArray
    """First entry of the cell's block in the tables over eta, for flavour 0, (cells,)."""
    flavor_stride: int
    """Entries between one flavour and the next in the tables over eta."""
    mass_keep: FloatArray
    """Alias table over channel x mass cell, (10 cells,), as are the three arrays that follow."""
    mass_alias: IntArray
    mass_bound: FloatArray
    mass_squeeze: FloatArray
    """Lower over upper bound, (10 cells,); negative where the density is negative."""
    eta_keep: FloatArray
    """Alias tables over eta, (5 x blocks x ETA_CELLS,)."""
    eta_alias: IntArray
    """Index within the row."""
    eta_bound: FloatArray
    eta_squeeze: FloatArray
    signed: bool
    """Whether some density is negative."""

    @property
    def cells(self) -> int:
        """Number of mass cells."""
        return len(self.u_low)


def make_proposal(process: Process) -> Proposal:
    """Make the tables of a process; InputError if it has no rate in its window."""
    blocks = block_edges(process)
    log_lumi, eta_low, eta_high = _eta_bounds(process, blocks)
    u = mass_nodes(process, blocks)
    low, high, block = _mass_bounds(process, u, blocks, log_lumi)
    eta_bound = np.maximum(np.abs(eta_low), np.abs(eta_high))
    mass_bound = np.maximum(np.abs(low), np.abs(high))
    row_integral = eta_bound.sum(axis=-1) * (2.0 / ETA_CELLS)  # (pairs, blocks)
    weight = mass_bound * np.diff(u) * np.repeat(row_integral, 2, axis=0)[:, block]
    total = float(weight.sum())
    if not (np.isfinite(total) and total > 0):
        raise InputError("no rate in this mass window: choose another window, coupling or mode")
    mass_keep, mass_alias = alias_table(weight.ravel())
    eta_keep, eta_alias = alias_tables(eta_bound.reshape(-1, ETA_CELLS))
    squeezes = _squeeze(low, high, mass_bound), _squeeze(eta_low, eta_high, eta_bound)
    negative = (low < 0) | np.repeat((eta_low < 0).any(axis=-1), 2, axis=0)[:, block]
    signed = bool(weight[negative].sum() > NEGATIVE_SHARE * total)
    return Proposal(
        total_fb=total,
        u_low=u[:-1],
        u_width=np.diff(u),
        block=block * ETA_CELLS,
        flavor_stride=(len(blocks) - 1) * ETA_CELLS,
        mass_keep=mass_keep,
        mass_alias=mass_alias,
        mass_bound=mass_bound.ravel(),
        mass_squeeze=squeezes[0].ravel(),
        eta_keep=eta_keep.ravel(),
        eta_alias=eta_alias.ravel(),
        eta_bound=eta_bound.ravel(),
        eta_squeeze=squeezes[1].ravel(),
        signed=signed,
    )


def block_edges(process: Process) -> FloatArray:
    """Edges of the blocks in m (GeV)."""
    low, high = process.window_gev
    count = max(int(np.ceil(np.log(high / low) / BLOCK_STEP)), 1)
    edges = np.geomspace(low, high, count + 1)
    edges[0], edges[-1] = low, high
    return edges


def mass_nodes(process: Process, blocks: FloatArray) -> FloatArray:
    """Edges of the mass cells as u = s - pole^2, ascending: fine in ln m, and around the resonances."""
    low, high = process.window_gev
    per_block = int(np.ceil(np.log(blocks[1] / blocks[0]) / MASS_STEP))
    t = np.arange(per_block) / per_block
    m = (blocks[:-1, None] * (blocks[1:] / blocks[:-1])[:, None] ** t).ravel()
    nodes: list[FloatArray] = [m**2 - process.pole_gev2]
    sm = process.model.sm
    resonances = []
    if process.mode != "sm":
        resonances.append((0.0, process.pole_width_gev2))
    if process.mode != "zprime":
        resonances.append((sm.m_z_gev**2 - process.pole_gev2, sm.m_z_gev * sm.gamma_z_gev))
    for at, width in resonances:
        s = process.pole_gev2 + at
        reach = 2 * MASS_STEP * s / RESONANCE_STEP  # beyond, the cells even in ln m are the finer ones
        t_max = np.arcsinh(reach / width)
        t = np.linspace(-t_max, t_max, 2 * int(np.ceil(t_max / RESONANCE_STEP)) + 1)
        nodes.append(at + width * np.sinh(t))
    u_low, u_high = low**2 - process.pole_gev2, high**2 - process.pole_gev2
    merged: FloatArray = np.unique(np.concatenate(nodes))
    return np.concatenate([[u_low], merged[(merged > u_low) & (merged < u_high)], [u_high]])


def _eta_bounds(process: Process, blocks: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """ln Lbar (pairs, blocks + 1) on the block edges; lower and upper bounds of R, (pairs, blocks, ETA_CELLS) each."""
    m = np.empty(2 * len(blocks) - 1)  # edges and middles
    m[::2], m[1::2] = blocks, np.sqrt(blocks[1:] * blocks[:-1])
    eta = np.linspace(-1, 1, 2 * ETA_CELLS + 1)
    sqrt_s, x_max = process.sqrt_s_gev, process.pdf.info.x_max
    values = np.empty((len(PAIRS), len(m), len(eta)))
    for i, mass in enumerate(m):  # one row of parton densities per Q
        y_max = np.log(sqrt_s / mass)
        x = np.minimum(mass / sqrt_s * np.exp(eta * y_max), x_max)
        xf = process.partons.at_scale(slice(len(QUARK_PIDS)), x, mass)
        values[:, i] = 2 * y_max * (sqrt_s / mass) ** 2 * xf[QUARK_ROWS] * xf[ANTIQUARK_ROWS, ::-1]
    integral = np.abs(values).sum(axis=-1) * (1 / ETA_CELLS)
    log_lumi = np.log(np.maximum(integral[:, ::2], 1e-300))
    middle = 0.5 * (log_lumi[:, 1:] + log_lumi[:, :-1])
    scale = np.empty_like(integral)
    scale[:, ::2], scale[:, 1::2] = log_lumi, middle
    r = np.where(np.exp(scale)[:, :, None] > 1e-290, values / np.exp(scale)[:, :, None], 0.0)
    low, high = _extremes(r, axis=2)
    low_2, _ = _extremes(low, axis=1)
    _, high_2 = _extremes(high, axis=1)
    pad = MARGIN * np.maximum(np.abs(low_2), np.abs(high_2))
    low_2, high_2 = np.where(low_2 >= 0, np.maximum(low_2 - pad, 0), low_2 - pad), high_2 + pad
    # where x is nearly 1 a set's polynomials may bend within a cell: no rate to speak of, so generous bounds
    for ends in (slice(None, EDGE_CELLS), slice(-EDGE_CELLS, None)):
        largest = np.abs([low_2[..., ends], high_2[..., ends]]).max(axis=(0, -1), keepdims=True)[0]
        low_2[..., ends] = np.minimum(low_2[..., ends], 0.0)
        high_2[..., ends] = 2 * largest
    return log_lumi, low_2, high_2


def _mass_bounds(
    process: Process, u: FloatArray, blocks: FloatArray, log_lumi: FloatArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Lower and upper bounds of K P Lbar per channel and mass cell, (10, cells) each; block of every cell."""
    points = np.empty(2 * len(u) - 1)
    points[::2], points[1::2] = u, 0.5 * (u[1:] + u[:-1])
    m = np.clip(np.sqrt(process.pole_gev2 + points), *process.window_gev)
    lumi = np.stack([np.exp(np.interp(np.log(m), np.log(blocks), row)) for row in log_lumi])
    values = process.strength(slice(None), points) * np.repeat(lumi * process.k_factor(m), 2, axis=0)
    low, high = _extremes(values, axis=1)
    pad = MARGIN * np.maximum(np.abs(low), np.abs(high))
    low, high = np.where(low >= 0, np.maximum(low - pad, 0), low - pad), high + pad
    assert len(values) == CHANNELS
    block = np.clip(np.searchsorted(blocks, m[1::2], side="right") - 1, 0, len(blocks) - 2)
    return low, high, block


def _extremes(values: FloatArray, axis: int) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest value in every cell along an axis of 2n + 1 nodes (edges and middles), with curvature."""
    v = np.moveaxis(values, axis, -1)
    left, middle, right = v[..., :-1:2], v[..., 1::2], v[..., 2::2]
    bend = np.abs(left - 2 * middle + right)
    low = np.minimum(np.minimum(left, middle), right) - bend
    high = np.maximum(np.maximum(left, middle), right) + bend
    # nothing below zero that all three nodes do not suggest
    low = np.where((left >= 0) & (middle >= 0) & (right >= 0), np.maximum(low, 0.0), low)
    high = np.where((left <= 0) & (middle <= 0) & (right <= 0), np.minimum(high, 0.0), high)
    return np.moveaxis(low, -1, axis), np.moveaxis(high, -1, axis)


def _squeeze(low: FloatArray, high: FloatArray, bound: FloatArray) -> npt.NDArray[np.float64]:
    """Smallest |value| over the bound; 0 where the sign changes, negative where the value is negative."""
    inverse = np.divide(1.0, bound, out=np.zeros_like(bound), where=bound > 0)
    return np.where(low > 0, low, np.where(high < 0, high, 0.0)) * inverse
