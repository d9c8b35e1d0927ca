"""The explore command: a page in the browser for one model."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from ._shared import (
    Analyses,
    Coupling,
    Model,
    NoInterference,
    NoTheory,
    Order,
    Pdf,
    Set,
    app,
    positive_number,
    read_assignments,
)

#: Python's own thresholds for collections; :func:`zprime_recast.cli.main` makes them rare for short commands.
_THRESHOLDS = gc.get_threshold()


@app.command()
def explore(
    model: Model,
    mass: Annotated[str, typer.Option("--mass", "-m", metavar="M", help="Z' mass of the first point in GeV.")] = "3000",
    coupling: Coupling = None,
    analysis: Analyses = None,
    pdf: Pdf = None,
    order: Order = None,
    no_theory: NoTheory = False,
    no_interference: NoInterference = False,
    set_: Set = None,
    port: Annotated[int, typer.Option("--port", metavar="PORT", help="Port to listen on; 0: any free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
) -> None:
    """Open a page in the browser to change mass, coupling and charges and to see widths, spectra, CLs and the contour.

    The page is served to this machine only and needs no network. Example: zprime-recast explore elusive_bl --mass 3000
    """
    from ..explore.start import start

    gc.set_threshold(*_THRESHOLDS)  # pages that were closed are cycles of objects
    start(
        model,
        positive_number("--mass", mass),
        None if coupling is None else positive_number("--coupling", coupling),
        parameters=read_assignments(set_),
        analyses=analysis,
        pdf=pdf,
        order=order,
        theory=not no_theory,
        interference=not no_interference,
        port=port,
        open_browser=not no_browser,
    )
