r"""Cross-section per bin of a variable by integration, without any event, to compare histograms with.

Mass integrals run over the mass cells of the sampler with three Gauss-Legendre points each, rapidity over 8-point
panels, and the angle is integrated in closed form: pt > a means cos^2 theta < 1 - 4 a^2/m^2, and the pseudorapidity
of a lepton is y +- atanh(cos theta). Partonic amplitudes and interpolated parton densities are those of the sampler;
its bounds and tables are not used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import UnknownName
from ..partons.grid import QUARK_PIDS
from ..process.final_state import share_within
from .process import ANTIQUARK_ROWS, PAIRS, QUARK_ROWS, Process
from .proposal import block_edges, mass_nodes

VARIABLES = ("m_ll", "y_ll", "cos_theta_cs", "lepton_pt", "lminus_eta", "lplus_eta")

_Y_PANELS, _Y_NODES = 24, 8
#: Parts of the sampler's blocks of 1 % in mass, in each of which the luminosity is taken at the mean mass.
_PARTS = 6


def predicted_histogram(process: Process, variable: str, edges: ArrayLike) -> FloatArray:
    """Cross-section (fb) in the bins of a variable, (bins,).

    ``lepton_pt`` is the transverse momentum of either lepton. With lepton cuts, which are meant to be combined with
    ``m_ll``, the angular integral runs over the angles that pass. UnknownName for a variable without a prediction.
    """
    if variable not in VARIABLES:
        raise UnknownName("variable with a prediction", variable, VARIABLES)
    at = np.asarray(edges, dtype=float)
    if variable == "m_ll":
        return _mass_histogram(process, at)
    cumulative = np.zeros(len(at))
    for m, strength in _by_mass(process):
        y, terms = _rapidity_terms(process, m, at if variable == "y_ll" else np.empty(0))
        cumulative += _below(process, variable, at, m, y, terms, strength)
    return np.diff(cumulative)


def _below(
    process: Process, variable: str, at: FloatArray, m: float, y: FloatArray, terms: FloatArray, strength: FloatArray
) -> FloatArray:
    """Rate below each value of a variable at one mass, (edges,).

    ``terms`` (2, pairs, ny): luminosity with the quark along +z and -z, times the weight of the node; ``strength``
    (pairs, 2): of the two angular terms.
    """
    limit = process.cuts.largest_cosine(m, y)
    # rate per sign of the angle's slope along +z: (1 + c)^2 and (1 - c)^2
    along = np.einsum("qy,q->y", terms[0], strength[:, 0]) + np.einsum("qy,q->y", terms[1], strength[:, 1])
    against = np.einsum("qy,q->y", terms[0], strength[:, 1]) + np.einsum("qy,q->y", terms[1], strength[:, 0])
    value = at[:, None]
    if variable == "y_ll":
        low, high = -limit, np.where(y < value, limit, -limit)
    elif variable == "lepton_pt":
        c = np.sqrt(np.clip(1 - (2 * value / m) ** 2, 0.0, 1.0))
        inner = np.minimum(c, limit)
        # below a means |c| above sqrt(1 - 4 a^2/m^2)
        return np.asarray(((along + against) * (share_within(limit) - share_within(inner))).sum(axis=1))
    elif variable == "cos_theta_cs":
        flip = np.sign(y)
        # c_cs = sign(y) c: below a on one side, above -a on the other
        low = np.where(flip > 0, -limit, np.clip(-value, -limit, limit))
        high = np.where(flip > 0, np.clip(value, -limit, limit), limit)
    else:
        reach = np.tanh(value - y)
        if variable == "lminus_eta":
            low, high = -limit, np.clip(reach, -limit, limit)
        else:
            low, high = np.clip(-reach, -limit, limit), limit
    return np.asarray(
        (along * (_primitive(high) - _primitive(low)) + against * (_primitive(-low) - _primitive(-high))).sum(axis=1)
    )


def _primitive(c: FloatArray) -> FloatArray:
    """Integral of 3/8 (1 + c)^2 from -1 to c."""
    return np.asarray((1 + c) ** 3 / 8)


def _mass_histogram(process: Process, edges: FloatArray) -> FloatArray:
    """Rate per mass bin; in each block of masses the luminosity, which is smooth, is taken at the mean mass."""
    low, high = process.window_gev
    inner = edges[(edges > low) & (edges < high)]
    result = np.zeros(len(edges) - 1)
    for m, strength in _by_mass(process, inner):
        j = int(np.searchsorted(edges, m, side="right")) - 1
        if 0 <= j < len(result):
            y, terms = _rapidity_terms(process, m, np.empty(0))
            share = share_within(process.cuts.largest_cosine(m, y))
            result[j] += np.einsum("dqy,y,qs->", terms, share, strength)
    return result


def _by_mass(process: Process, more_edges: FloatArray | None = None) -> list[tuple[float, FloatArray]]:
    """Blocks of masses: mean mass (GeV) weighted with |strength|, and K P integrated over it, (pairs, 2) in fb."""
    blocks = block_edges(process)
    blocks = np.append(
        blocks[:-1, None] * (blocks[1:] / blocks[:-1])[:, None] ** (np.arange(_PARTS) / _PARTS), blocks[-1]
    )
    if more_edges is not None:
        blocks = np.unique(np.concatenate([blocks, more_edges]))
    u = np.unique(np.concatenate([mass_nodes(process, block_edges(process)), blocks**2 - process.pole_gev2]))
    u = u[(u >= blocks[0] ** 2 - process.pole_gev2) & (u <= blocks[-1] ** 2 - process.pole_gev2)]
    nodes, weights = np.polynomial.legendre.leggauss(3)
    half = 0.5 * np.diff(u)[:, None]
    points = (u[:-1, None] + half * (1 + nodes)).ravel()
    m = np.sqrt(process.pole_gev2 + points)
    rate = process.strength(slice(None), points) * np.repeat(process.k_factor(m), 2, axis=0) * (half * weights).ravel()
    block = np.clip(np.searchsorted(blocks**2 - process.pole_gev2, points, side="right") - 1, 0, len(blocks) - 2)
    starts = np.searchsorted(block, np.arange(len(blocks) - 1))
    size = np.add.reduceat(np.abs(rate).sum(axis=0), starts)
    mean = np.add.reduceat(np.abs(rate).sum(axis=0) * m, starts) / np.where(size > 0, size, 1.0)
    sums = np.add.reduceat(rate, starts, axis=1)
    return [(float(mean[i]), sums[:, i].reshape(len(PAIRS), 2)) for i in range(len(starts)) if size[i] > 0]


def _rapidity_terms(process: Process, m: float, breaks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rapidity nodes (ny,) and f_q f_qbar with the quark along +z, along -z, times their weights, (2, pairs, ny)."""
    y_max = np.log(process.sqrt_s_gev / m)
    kinks = [k for k in (*process.cuts.rapidity_kinks(m), *np.abs(breaks)) if 0 < k < y_max]
    positive = np.unique([0.0, *np.linspace(0, y_max, _Y_PANELS // 2 + 1), *kinks])
    edges = np.concatenate([-positive[:0:-1], positive])
    nodes, weights = np.polynomial.legendre.leggauss(_Y_NODES)
    half = 0.5 * np.diff(edges)[:, None]
    y = (edges[:-1, None] + half * (1 + nodes)).ravel()
    root_tau, x_max = m / process.sqrt_s_gev, process.pdf.info.x_max
    x = np.minimum(root_tau * np.exp(np.stack([y, -y])), x_max)
    xf = process.pdf.xf(QUARK_PIDS, x, m * process.lumi.mu_f_over_m)
    quark, anti = xf[QUARK_ROWS], xf[ANTIQUARK_ROWS]
    pair = np.stack([quark[:, 0] * anti[:, 1], quark[:, 1] * anti[:, 0]])
    return y, pair * (half * weights).ravel() / root_tau**2
