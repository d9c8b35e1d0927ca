"""Start the explorer: check the input, evaluate the first point, then serve the page."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence

from ..errors import InputError, ZprimeError
from ..io.extras import missing
from ..model.zprime import perturbative_coupling
from ..partons.luminosity_set import DEFAULT_ORDER
from ..partons.pdf import DEFAULT_SET
from ..partons.pdf_files import list_sets
from ..searches.search import DEFAULT_ANALYSES, find_search, kind_of, list_analyses
from .card import load_card
from .contours import Contours
from .point import Bench, Settings, State
from .server import listening_socket, serve


def start(
    model: str,
    mass_gev: float,
    coupling: float | None = None,
    parameters: Mapping[str, str] | None = None,
    analyses: Sequence[str] | None = None,
    pdf: str | None = None,
    order: str | None = None,
    theory: bool = True,
    interference: bool = True,
    port: int = 0,
    open_browser: bool = True,
) -> None:
    """Serve the page until Ctrl-C; in a notebook, until its kernel is interrupted.

    Arguments:
        model: model id, or a card ending in ``.toml``.
        mass_gev: Z' mass of the first point in GeV.
        coupling: coupling of the first point; default: the benchmark coupling, or else 2 % of the perturbativity bound.
        parameters: parameters of the card by name, as text.
        analyses: ids or folders of analyses; default: the default analyses.
        pdf, order: PDF set and order in QCD; default: CT18NNLO at NNLO.
        theory: include PDF and scale uncertainties.
        interference: include the interference with photon and Z.
        port: port to listen on; 0 takes any free port.
        open_browser: open the page in a browser.

    Every error in the first point, the port or the installation is raised before the page is served.
    """
    for library in ("nicegui", "tomli_w"):
        if importlib.util.find_spec(library) is None:
            raise missing(library, "explore", "the explorer")
    card = load_card(model)
    g = coupling or card.model.reference_coupling or 0.02 * perturbative_coupling(card.model)
    settings = Settings(
        tuple(analyses or DEFAULT_ANALYSES), pdf or DEFAULT_SET, order or DEFAULT_ORDER, theory, interference
    )
    state = State(card, mass_gev, float(f"{g:.4g}") if coupling is None else g, settings, {})
    for name, value in (parameters or {}).items():
        state = state.changed(f"parameter:{name}", value)
    with listening_socket(port) as listening:
        bench = Bench()
        bench.evaluate(state)
        from .page import Page

        contours = Contours()
        contours.want(state.model, settings)
        choices = {"analyses": usable_analyses(settings.analyses), "pdfs": sorted({*list_sets(), settings.pdf_set})}
        try:
            serve(
                lambda: _page(Page, state, bench, contours, choices),
                listening,
                f"{card.name} - zprime-recast",
                open_browser,
            )
        except KeyboardInterrupt:  # or not: the server may have ended in peace before the signal is raised again
            pass
        finally:
            contours.close()
        print("explorer ended")


def _page(make: type, *arguments: object) -> None:
    make(*arguments)


def usable_analyses(first: Sequence[str]) -> list[str]:
    """Names of the analyses that have a likelihood, with ``first`` at the front."""
    found = list(first)
    for name in list_analyses():
        try:
            if name not in found and kind_of(find_search(name)) == "binned-likelihood":
                found.append(name)
        except (ZprimeError, InputError):  # a broken folder of the user's must not hide the rest
            continue
    return found
