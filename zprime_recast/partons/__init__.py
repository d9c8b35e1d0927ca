"""Parton densities and luminosities of the colliding protons, at every order of QCD."""

from __future__ import annotations

from .._exports import lazy

_NAMES = {
    "PDFMember": "pdf",
    "load_pdf": "pdf",
    "list_sets": "pdf_files",
    "LuminosityTable": "luminosity",
    "luminosity_table": "luminosity",
    "parton_luminosity": "drell_yan",
    "ErrorSet": "pdf_errors",
    "pdf_uncertainty": "pdf_errors",
    "PDFSet": "pdf_install",
    "load_pdf_set": "pdf_install",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = lazy(__name__, _NAMES)
