"""Reports: figures, result files, validation tables and references. No physics is computed here."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "plot_contour": "contour_figure",
    "write_contour": "contour_files",
    "validate": "validation",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
