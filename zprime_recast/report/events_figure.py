"""Figures of event histograms: take histograms, return a matplotlib figure, compute no physics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray
from ..io.files import write_whole
from .style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_histograms(
    histograms: Sequence[Any], labels: Sequence[str], predictions: Sequence[FloatArray | None] = (), log: bool = True
) -> Figure:
    """Draw histograms as dsigma/dx with statistical errors, and their ratio to a reference below.

    Arguments:
        histograms: one-dimensional ``hist`` histograms with weights in fb.
        labels: one per histogram.
        predictions: integrated cross-section in fb per bin of each histogram, or None; may be shorter than the list.
        log: use a logarithmic axis where all contents are >= 0.

    The reference is the prediction of the histogram or else of an earlier one; without any, the first histogram.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(7.2, 6.2), layout="constrained")
        top, ratio = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _draw(top, ratio, histograms, labels, predictions, log)
    return figure


def _draw(
    top: Any,
    ratio: Any,
    histograms: Sequence[Any],
    labels: Sequence[str],
    predictions: Sequence[FloatArray | None],
    log: bool,
) -> None:
    from matplotlib.colors import to_hex

    reference: FloatArray | None = None
    for i, (filled, label) in enumerate(zip(histograms, labels, strict=True)):
        axis = filled.axes[0]
        edges, width = axis.edges, np.diff(axis.edges)
        value, error = filled.values() / width, np.sqrt(filled.variances()) / width
        center = 0.5 * (edges[1:] + edges[:-1])
        drawn = predictions[i] if i < len(predictions) else None
        prediction = None if drawn is None else drawn / width
        if prediction is not None:
            reference = prediction
        elif reference is None:
            reference = value
        color = to_hex(f"C{i}")  # resolve it now: the style no longer applies when the figure is written
        if prediction is not None:
            top.stairs(prediction, edges, color=color, lw=1.2, baseline=None, label=f"{label}, integrated")
            top.errorbar(center, value, error, fmt=".", ms=3, lw=0.8, color=color, label=f"{label}, events")
        else:
            top.stairs(value, edges, color=color, lw=1.2, baseline=None, label=label)
            top.errorbar(center, value, error, fmt="none", lw=0.8, color=color)
        if len(reference) == len(value):
            inverse = np.divide(1.0, reference, out=np.full_like(reference, np.nan), where=reference != 0)
            ratio.errorbar(center, value * inverse, np.abs(error * inverse), fmt=".", ms=3, lw=0.8, color=color)
    name = histograms[0].axes[0].label
    unit = " [fb/GeV]" if "GeV" in name else " [fb]"
    variable = name.split(" [")[0].replace("$", "")
    top.set_ylabel(rf"$\mathrm{{d}}\sigma/\mathrm{{d}}{variable}$".replace("lepton ", "") + unit)
    positive = all((filled.values() >= 0).all() for filled in histograms) and any(
        filled.values().any() for filled in histograms
    )
    if log and positive:
        top.set_yscale("log")
    top.legend(frameon=False, fontsize=9)
    ratio.axhline(1.0, color="0.6", lw=0.8)
    ratio.set_ylim(0.8, 1.2)
    ratio.set_ylabel("events / integral" if any(p is not None for p in predictions) else "ratio")
    ratio.set_xlabel(name)
    top.set_xlim(histograms[0].axes[0].edges[0], histograms[0].axes[0].edges[-1])


def write_figure(figure: Figure, path: Path) -> Path:
    """Write a figure in the format given by the suffix (200 dpi), whole or not at all."""
    return write_whole(path, partial(figure.savefig, format=path.suffix[1:], dpi=200))
