"""The figure of a contour: takes results, returns a matplotlib figure, computes no physics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..limits.contour import ExclusionContour
from ..units import GEV_PER_TEV
from .style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Colours of the 1 and 2 sigma bands: the customary green and yellow, in tones that stay distinct in greyscale print.
_BAND_1, _BAND_2 = "#5fbf5f", "#ffdf70"
#: Colours of the models drawn for comparison.
_OTHERS = ("#1f4e9c", "#9c1f6b", "#8a5a00")
#: Largest number of masses that are marked on the observed line.
BEADS_MAX = 60


def plot_contour(result: ExclusionContour, label: str, compare: Sequence[ExclusionContour] = ()) -> Figure:
    """Draw the mass-coupling plane: observed and expected limits with bands, and the perturbativity bound.

    ``label`` names the searches and their luminosity; the limits of ``compare`` are drawn in the same plane.
    """
    import matplotlib.style
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(7.2, 5.6))
        figure.subplots_adjust(left=0.12, right=0.975, bottom=0.115, top=0.955)
        axes = figure.add_subplot()
        mass = result.mass_gev / GEV_PER_TEV
        expected = result.coupling_95_expected
        # a band without an upper edge is filled up to the largest coupling that was searched
        filled = np.where(np.isfinite(expected), expected, result.coupling_max[:, None])
        some = np.isfinite(expected[:, 0])
        axes.fill_between(mass[some], filled[some, 0], filled[some, 4], color=_BAND_2, lw=0, zorder=1)
        axes.fill_between(mass[some], filled[some, 1], filled[some, 3], color=_BAND_1, lw=0, zorder=2)
        axes.plot(mass, expected[:, 2], "k--", lw=1.5, zorder=4)
        beads = {"marker": "o", "ms": 3} if len(mass) <= BEADS_MAX else {"lw": 1.4}
        observed: dict[str, Any] = {"color": "k", "lw": 2} | beads
        axes.plot(mass, result.coupling_95_observed, zorder=5, **observed)
        plain = result.coupling_95_observed_no_theory
        if np.isfinite(plain).any():
            axes.plot(mass, plain, "-", color="0.45", lw=0.8, zorder=4)
        handles: list[Line2D | Patch] = [
            Line2D([], [], label=f"{_name(result)}: observed 95% CL", **observed),
            *(
                [Line2D([], [], color="0.45", lw=0.8, label="observed, no PDF and scale uncertainty")]
                if np.isfinite(plain).any()
                else []
            ),
            Line2D([], [], color="k", ls="--", lw=1.5, label="expected"),
            Patch(color=_BAND_1, label=r"expected $\pm 1\sigma$"),
            Patch(color=_BAND_2, label=r"expected $\pm 2\sigma$"),
        ]
        for k, other in enumerate(compare):
            color = _OTHERS[k % len(_OTHERS)]
            x = other.mass_gev / GEV_PER_TEV
            axes.plot(x, other.coupling_95_observed, color=color, lw=1.8, zorder=3)
            axes.plot(x, other.coupling_95_expected[:, 2], color=color, lw=1.2, ls=":", zorder=3)
            handles.append(Line2D([], [], color=color, lw=1.8, label=f"{_name(other)}: observed (dotted: expected)"))
        bottom, top = _limits(result, compare)
        if result.coupling_perturbative < 30 * top:
            top = max(top, 1.6 * result.coupling_perturbative)
            axes.axhspan(
                result.coupling_perturbative,
                top,
                facecolor="0.85",
                edgecolor="0.6",
                hatch="//",
                lw=0,
                zorder=0,
            )
            axes.axhline(result.coupling_perturbative, color="0.35", lw=1.2, ls="-.", zorder=3)
            handles.append(
                Line2D(
                    [],
                    [],
                    color="0.35",
                    lw=1.2,
                    ls="-.",
                    label=rf"perturbativity of {_name(result)}, $g\,q_{{\max}} = \sqrt{{2\pi}}$",
                )
            )
        if result.model.reference_coupling:
            axes.axhline(result.model.reference_coupling, color="#b22222", lw=1.3, zorder=3)
            handles.append(Line2D([], [], color="#b22222", lw=1.3, label=f"{_name(result)} benchmark coupling"))
        axes.set_yscale("log")
        axes.set_ylim(bottom, top)
        axes.set_xlim(mass.min() if len(mass) else 0, mass.max() if len(mass) > 1 else None)
        axes.set_xlabel(r"$m_{Z'}$ [TeV]", loc="right")
        axes.set_ylabel(_coupling_label(result), loc="top")
        if not result.complete:
            axes.set_title("incomplete (interrupted)", loc="left", fontsize=12, color="#b22222")
        axes.legend(
            handles=handles,
            title=label,
            alignment="left",
            loc="lower right",
            fontsize=10,
            title_fontsize=11,
            frameon=True,
            framealpha=0.9,
            edgecolor="none",
        )
    return figure


def _name(result: ExclusionContour) -> str:
    names = {
        "elusive_bl": r"elusive $Z'_{B-L}$",
        "minimal_bl": r"minimal $Z'_{B-L}$",
        "ssm": r"$Z'_{\rm SSM}$",
    }
    names |= {"e6_psi": r"$Z'_\psi$", "e6_chi": r"$Z'_\chi$"}
    return names.get(result.model.id, result.model.id)


def _coupling_label(result: ExclusionContour) -> str:
    return r"$g_{BL}$" if result.model.charge_name == "B-L" else r"coupling $g$"


def _limits(result: ExclusionContour, compare: Sequence[ExclusionContour]) -> tuple[float, float]:
    values = [result.coupling_95_observed, result.coupling_95_expected.ravel()]
    values += [other.coupling_95_observed for other in compare]
    finite = np.concatenate(values)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return 1e-3, 1.0
    # room for the legend
    return float((0.12 if compare else 0.4) * finite.min()), float(2.0 * finite.max())
