"""The common style of all figures, and the function that saves them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


#: The ROOT style of mplhep at the sizes of a one-column figure, with fonts that every PDF viewer can show.
STYLE: dict[Any, Any] = {
    "font.size": 12,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "mathtext.default": "regular",
    "pdf.fonttype": 42,
    "savefig.bbox": None,
    "savefig.transparent": False,
    "axes.labelsize": 15,
    "axes.linewidth": 2,
    "axes.prop_cycle": "cycler('color', ['5790fc', 'f89c20', 'e42536', '964a8b', '9c9ca1', '7a21dd'])",
    "axes.unicode_minus": False,
    "grid.alpha": 0.8,
    "grid.linestyle": ":",
    "legend.borderpad": 0.5,
    "legend.fontsize": "small",
    "legend.frameon": False,
    "legend.handlelength": 2.0,
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
    "xtick.labelsize": 12,
    "xtick.direction": "in",
    "xtick.top": True,
    "xtick.minor.visible": True,
    "xtick.major.pad": 6,
    "xtick.major.size": 12,
    "xtick.major.bottom": True,
    "xtick.major.top": True,
    "xtick.minor.size": 6,
    "xtick.minor.bottom": True,
    "xtick.minor.top": True,
    "ytick.labelsize": 12,
    "ytick.direction": "in",
    "ytick.right": True,
    "ytick.minor.visible": True,
    "ytick.major.size": 12,
    "ytick.major.left": True,
    "ytick.major.right": True,
    "ytick.minor.size": 6,
    "ytick.minor.left": True,
    "ytick.minor.right": True,
}


def save_figure(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write ``stem.png`` (200 dpi) and ``stem.pdf``, each whole or not at all; OutputError if one cannot be written."""
    written = []
    for suffix in ("png", "pdf"):
        written.append(write_whole(folder / f"{stem}.{suffix}", partial(figure.savefig, format=suffix, dpi=200)))
        if figure.get_layout_engine() is not None:
            figure.set_layout_engine("none")  # both files have the layout of the first
    return written
