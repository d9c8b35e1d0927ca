"""The explore command."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import InputError
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
)


@app.command()
def explore(
    model: Model,
    mass: Annotated[str, typer.Option("--mass", "-m", metavar="M", help="Z' mass in GeV to begin with.")] = "3000",
    coupling: Coupling = None,
    analysis: Analyses = None,
    pdf: Pdf = None,
    order: Order = None,
    no_theory: NoTheory = False,
    no_interference: NoInterference = False,
    set_: Set = None,
    port: Annotated[int, typer.Option("--port", metavar="PORT", help="Port to serve at; default: any free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
) -> None:
    """A page in the browser: move mass, coupling, charges and masses, see widths, spectra, CLs and the contour.

    Served to this machine only, without network. Example: zprime-recast explore elusive_bl --mass 3000
    """
    from ..explore.start import start

    start(
        model,
        positive_number("--mass", mass),
        None if coupling is None else positive_number("--coupling", coupling),
        parameters=_assignments(set_),
        analyses=analysis,
        pdf=pdf,
        order=order,
        theory=not no_theory,
        interference=not no_interference,
        port=port,
        open_browser=not no_browser,
    )


def _assignments(texts: list[str] | None) -> dict[str, str]:
    values = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected NAME=VALUE")
        values[name.strip()] = value.strip()
    return values
