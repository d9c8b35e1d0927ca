"""Draw the figures of the explorer: plotly (as plain dictionaries) for the page, matplotlib for files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import chi2

from ..arrays import FloatArray
from ..limits.contour import ExclusionContour
from ..model.zprime import perturbative_coupling
from ..report.contour_figure import BEADS_MAX, plot_contour
from ..report.style import STYLE
from ..units import GEV_PER_TEV
from .point import PointResult, Spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RED, GREY = "#b22222", "#6b7280"
_FONT = {"family": "Roboto, Helvetica, Arial, sans-serif", "size": 13, "color": "#1f2933"}
_AXIS = {"showline": True, "mirror": True, "ticks": "inside", "linecolor": "#9aa5b1", "gridcolor": "#eef1f4"}


def poisson_errors(n_obs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Downward and upward errors (n,) of counts (n,): central 68.27 % Poisson intervals (Garwood 1936)."""
    tail = 0.5 * (1 - 0.6826895)
    low = np.where(n_obs > 0, 0.5 * chi2.ppf(tail, 2 * np.maximum(n_obs, 1)), 0.0)
    return n_obs - low, 0.5 * chi2.isf(tail, 2 * (n_obs + 1)) - n_obs


def _digits(values: FloatArray, digits: int = 5) -> list[float | None]:
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in values]


def _steps(edges_gev: FloatArray, values: FloatArray) -> dict[str, Any]:
    """The corners of the outline of a histogram in TeV; values <= 0 are left out, for the axis is logarithmic."""
    x = np.repeat(edges_gev, 2)[1:-1]
    y = np.repeat(np.where(values > 0, values, np.nan), 2)
    return {"x": _digits(x / GEV_PER_TEV), "y": _digits(y), "mode": "lines", "connectgaps": False}


def spectrum_figure(spectrum: Spectrum, mass_gev: float) -> dict[str, Any]:
    """Draw data, background, and background plus the signal at the point, in events per bin; ``mass_gev`` is marked."""
    centers = 0.5 * (spectrum.edges_gev[:-1] + spectrum.edges_gev[1:])
    n = spectrum.n_obs
    down, up = poisson_errors(n)
    some = n > 0
    total = spectrum.background + spectrum.signal
    top = float(max(n.max(), total.max()))
    data = [
        {**_steps(spectrum.edges_gev, total), "name": "background + signal", "line": {"color": RED, "width": 2}},
        {**_steps(spectrum.edges_gev, spectrum.background), "name": "background", "line": {"color": "#1f4e9c"}},
        {
            "x": _digits(centers[some] / GEV_PER_TEV),
            "y": n[some].tolist(),
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": _digits(up[some], 3),
                "arrayminus": _digits(down[some], 3),
                "thickness": 1,
                "width": 0,
            },
            "mode": "markers",
            "marker": {"color": "black", "size": 4},
            "name": "data",
        },
    ]
    layout = _layout("m(ll) [TeV]", "events per bin")
    layout["yaxis"] |= {"type": "log", "range": [-2.0, float(np.log10(3 * max(top, 1.0)))]}
    layout["xaxis"] |= {"type": "log", "dtick": "D2"}
    layout["legend"] |= {"x": 0.99, "xanchor": "right", "y": 0.99, "yanchor": "top"}
    layout["shapes"] = [_line(x=mass_gev / GEV_PER_TEV)]
    return {"data": data, "layout": layout, "config": _CONFIG}


def contour_figure(result: PointResult, contour: ExclusionContour | None) -> dict[str, Any]:
    """Draw the point in the mass-coupling plane, and the part of the contour that has been computed."""
    state = result.state
    data: list[dict[str, Any]] = []
    if contour is not None:
        x = contour.mass_gev / GEV_PER_TEV
        expected = contour.coupling_95_expected
        filled = np.where(np.isfinite(expected), expected, contour.coupling_max[:, None])
        some = np.isfinite(expected[:, 0])
        for low, high, color, name in ((0, 4, "#ffdf70", "±2σ"), (1, 3, "#5fbf5f", "±1σ")):
            outline = {"x": _digits(np.append(x[some], x[some][::-1]))}
            outline["y"] = _digits(np.append(filled[some, low], filled[some, high][::-1]))
            shape = {"fill": "toself", "fillcolor": color, "line": {"width": 0}, "mode": "lines", "hoverinfo": "skip"}
            data.append({**outline, **shape, "name": f"expected {name}"})
        median = {"line": {"color": "black", "dash": "dash", "width": 1.5}, "mode": "lines", "name": "expected"}
        data.append({"x": _digits(x), "y": _digits(expected[:, 2]), **median})
        beads = len(x) <= BEADS_MAX
        observed = {"line": {"color": "black", "width": 2}, "mode": "lines+markers" if beads else "lines"}
        observed |= {"marker": {"size": 4}}
        data.append(
            {"x": _digits(x), "y": _digits(contour.coupling_95_observed), **observed, "name": "observed 95% CL"}
        )
    marker = {"size": 15, "symbol": "star", "color": RED, "line": {"color": "white", "width": 1}}
    point = {"x": [state.mass_gev / GEV_PER_TEV], "y": [state.coupling], "mode": "markers", "marker": marker}
    data.append({**point, "name": "this point"})
    layout = _layout("m(Z') [TeV]", "coupling g")
    layout["yaxis"] |= {"type": "log", "dtick": "D2", "exponentformat": "none"}
    layout["legend"] |= {"x": 0.99, "xanchor": "right", "y": 0.01, "yanchor": "bottom"}
    bound = perturbative_coupling(state.model)
    layout["shapes"] = [_line(y=bound, dash="dashdot")]
    layout["annotations"] = [
        {
            "x": 0.01,
            "xref": "paper",
            "y": float(np.log10(bound)),
            "text": "perturbativity bound",
            "showarrow": False,
            "xanchor": "left",
            "yanchor": "bottom",
            "font": {"size": 11, "color": GREY},
        }
    ]
    return {"data": data, "layout": layout, "config": _CONFIG}


_CONFIG = {"displaylogo": False, "responsive": True, "displayModeBar": False}


def plain(label: str) -> str:
    """The label of a search without TeX markup."""
    return label.replace("$^{-1}$", "⁻¹").replace("$", "")


def _layout(x: str, y: str) -> dict[str, Any]:
    return {
        "xaxis": {**_AXIS, "title": {"text": x}},
        "yaxis": {**_AXIS, "title": {"text": y}},
        "font": _FONT,
        "margin": {"l": 64, "r": 12, "t": 8, "b": 48},
        "legend": {"bgcolor": "rgba(255,255,255,0.85)", "font": {"size": 12}},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "uirevision": "same",
    }


def _line(x: float | None = None, y: float | None = None, dash: str = "dot") -> dict[str, Any]:
    across = {"x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1}
    along = {"y0": y, "y1": y, "xref": "paper", "x0": 0, "x1": 1}
    return {"type": "line", "line": {"color": GREY, "width": 1, "dash": dash}, **(across if y is None else along)}


# ---------------------------------------------------------------------------------------------------------------
# Files


def contour_file(result: PointResult, contour: ExclusionContour) -> Figure:
    """Draw the figure of the command ``contour`` with the point on it."""
    labels = dict.fromkeys(spectrum.label for spectrum in result.spectra)
    figure = plot_contour(contour, " + ".join(labels))
    axes, state = figure.axes[0], result.state
    axes.plot(state.mass_gev / GEV_PER_TEV, state.coupling, "*", color=RED, ms=14, mec="white", zorder=9)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.5 * state.coupling), max(high, 2 * state.coupling))
    return figure


def spectrum_file(result: PointResult, index: int) -> Figure:
    """Draw data, background and signal of the channel with this index in ``result.spectra``."""
    import matplotlib.style
    from matplotlib.figure import Figure

    spectrum, state = result.spectra[index], result.state
    edges, n = spectrum.edges_gev / GEV_PER_TEV, spectrum.n_obs
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(7.2, 5.6), layout="constrained")
        axes = figure.add_subplot()
        total = spectrum.background + spectrum.signal
        signal = f"background + Z' ({state.mass_gev / GEV_PER_TEV:g} TeV, g = {state.coupling:.3g})"
        axes.stairs(np.maximum(total, 1e-9), edges, color=RED, lw=1.8, label=signal)
        axes.stairs(spectrum.background, edges, color="#1f4e9c", lw=1.5, label="background")
        some = n > 0
        errors = np.stack(poisson_errors(n))[:, some]
        centers = 0.5 * (edges[:-1] + edges[1:])
        axes.errorbar(centers[some], n[some], errors, fmt="ko", ms=3, lw=1, label="data")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(1e-2, 3 * max(float(n.max()), float(total.max()), 1.0))
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel(r"$m_{\ell\ell}$ [TeV]", loc="right")
        axes.set_ylabel("events per bin", loc="top")
        axes.legend(title=f"{spectrum.label}, {spectrum.channel}", fontsize=11, title_fontsize=11)
    return figure
