"""The common style of all figures, and the function that saves them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


#: Changes to mplhep's ROOT style: sizes for a one-column figure, fonts that every PDF viewer can show.
STYLE: dict[Any, Any] = {
    "font.size": 12,
    "axes.labelsize": 15,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "pdf.fonttype": 42,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "legend.handlelength": 2.0,
    "savefig.bbox": None,
}


def save_figure(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write ``stem.png`` (200 dpi) and ``stem.pdf``, each whole or not at all; OutputError if one cannot be written."""
    written = []
    for suffix in ("png", "pdf"):
        written.append(write_whole(folder / f"{stem}.{suffix}", partial(figure.savefig, format=suffix, dpi=200)))
        if figure.get_layout_engine() is not None:
            figure.set_layout_engine("none")  # both files have the layout of the first
    return written
