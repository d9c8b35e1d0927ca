"""The figure of a summary: takes a result, returns a matplotlib figure, computes no physics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..dark_matter.cosmology import OMEGA_H2_OBSERVED
from ..dark_matter.direct import experiment
from ..units import GEV_PER_TEV
from .style import STYLE
from .summary import Panel, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RELIC, _DIRECT, _LHC, _WALL = "#7f9fd6", "#f0a04b", "#d9686b", "0.82"
_DASHES = ((0, (2.5, 1.5)), (0, (7, 2.5)), (0, (1, 1.2)))


def plot_summary(result: Summary) -> Figure:
    """Draw one panel per chi mass, two in a row."""
    import matplotlib.style
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    columns = min(2, len(result.panels))
    rows = -(-len(result.panels) // columns)
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(5.4 * columns, 4.4 * rows + 0.7), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, p in zip(axes[: len(result.panels)], result.panels, strict=True):
            _draw(ax, p, r"$g_{BL}$" if result.model.charge_name == "B-L" else r"coupling $g$")
        for ax in axes[len(result.panels) :]:
            ax.set_axis_off()
        first = result.panels[0]
        handles: list[Any] = [
            Patch(facecolor=_RELIC, alpha=0.75, label=rf"$\Omega h^2 > {OMEGA_H2_OBSERVED:.2f}$"),
            Patch(facecolor=_DIRECT, alpha=0.75, label=experiment(first.direct_id).label),
            *(
                Line2D([], [], color="#b05a00", ls=_DASHES[k % len(_DASHES)], label=experiment(name).label)
                for k, name in enumerate(first.lines)
            ),
            Patch(facecolor=_WALL, hatch="//", edgecolor="0.6", label="non-perturbative"),
        ]
        if first.lhc is not None:
            handles.insert(0, Patch(facecolor=_LHC, alpha=0.75, label=first.lhc.label))
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=11, frameon=False)
    return figure


def _draw(ax: Axes, p: Panel, coupling_label: str) -> None:
    mass, top = p.mass_gev / GEV_PER_TEV, float(p.coupling[-1])
    with np.errstate(divide="ignore"):
        excess = np.log10(p.omega_h2 / OMEGA_H2_OBSERVED).T
    ax.contourf(mass, p.coupling, excess, levels=[0, 99], colors=[_RELIC], alpha=0.75, zorder=1)
    ax.contour(mass, p.coupling, excess, levels=[0], colors=["#2f4f8f"], linewidths=1.2, zorder=4)
    direct = p.direct_coupling[p.direct_id]
    ax.fill_between(mass, np.minimum(direct, top), top, color=_DIRECT, alpha=0.75, lw=0, zorder=2)
    ax.plot(mass, direct, color="#b05a00", lw=1.2, zorder=4)
    for k, name in enumerate(p.lines):
        ax.plot(mass, p.direct_coupling[name], color="#b05a00", ls=_DASHES[k % len(_DASHES)], lw=1.6, zorder=5)
    if p.lhc is not None:
        edges, log_g = p.lhc.outline
        x, lower = edges / GEV_PER_TEV, np.exp(log_g)
        ax.fill_between(x, np.minimum(lower, top), top, color=_LHC, alpha=0.75, lw=0, zorder=3)
        known = np.nonzero(np.isfinite(lower))[0]
        if len(known):  # the line goes up at the ends of the data, as the region does
            first, last = known[[0, -1]]
            around = np.concatenate([x[[first]], x[first : last + 1], x[[last]]])
            ax.plot(around, [top, *lower[first : last + 1], top], color="#8f2a2d", lw=1.2, zorder=4)
    ax.axhspan(p.coupling_perturbative, top, facecolor=_WALL, edgecolor="0.6", hatch="//", lw=0, zorder=3.5)
    ax.set_xlim(mass[0], mass[-1])
    ax.set_ylim(0, top)
    ax.set_xlabel(r"$m_{Z'}$ [TeV]", loc="right")
    ax.set_ylabel(coupling_label, loc="top")
    ax.set_title(rf"$m_\chi$ = {p.m_chi_gev / GEV_PER_TEV:g} TeV", loc="center", fontsize=13)
