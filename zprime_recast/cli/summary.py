"""The summary command: figure 2 of arXiv:1707.08606, with LHC and dark-matter limits in one plane."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ._shared import (
    Analyses,
    Calculator,
    Json,
    Model,
    Order,
    Pdf,
    Set,
    Workers,
    app,
    emit,
    load_with,
    number_of_workers,
    positive_number,
    prepare_searches,
)

if TYPE_CHECKING:
    from ..model.zprime import ZprimeModel
    from ..report.summary import LhcLimit


@app.command()
def summary(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for summary.png, .pdf, .json, .csv.")],
    dm_mass: Annotated[
        str, typer.Option("--dm-mass", metavar="M,M,...", help="Dark-matter masses in GeV, one panel each.")
    ] = "1000,5000,10000,20000",
    analysis: Analyses = None,
    era: Annotated[
        str,
        typer.Option(
            "--era",
            metavar="paper|current",
            help="Defaults: paper (LUX 2016, ATLAS 36/fb, MSTW2008 at LO) or current (LZ 2024, ATLAS 139/fb, CT18NNLO "
            "at NNLO); --analysis, --pdf and --order override them.",
        ),
    ] = "paper",
    no_lhc: Annotated[
        bool, typer.Option("--no-lhc", help="Leave out the LHC limit, which takes most of the time.")
    ] = False,
    grid: Annotated[
        str, typer.Option("--grid", metavar="MxG", help="Size of each plane: Z' masses times couplings.")
    ] = "150x120",
    calculator: Calculator = None,
    pdf: Pdf = None,
    order: Order = None,
    set_: Set = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Draw figure 2 of arXiv:1707.08606: LHC, relic density, direct detection and perturbativity against m_Z' and g.

    Example: zprime-recast summary elusive_bl --dm-mass 1000,5000,10000,20000 -o summary
    """
    from ..io.files import check_writable
    from ..partons.pdf import PAPER_SET
    from ..report.style import save_figure
    from ..report.summary import summary as make_summary
    from ..report.summary import summary_json, write_summary
    from ..report.summary_figure import plot_summary

    masses = [positive_number("--dm-mass", text) for text in dm_mass.split(",")]
    processes = number_of_workers(workers)
    cells = _parse_grid(grid)
    card = load_with(model, set_)
    check_writable(output)
    if era == "paper":  # the paper uses MSTW2008 at leading order
        pdf, order = pdf or PAPER_SET, order or "lo"
    lhc = None if no_lhc else lhc_source(analysis or list(LHC_OF_ERA.get(era, ())), pdf, order, calculator, processes)
    result = make_summary(
        card,
        masses,
        era=era,
        lhc=lhc,
        grid=cells,
        on_panel=lambda p: print(f"m_chi = {p.m_chi_gev:g} GeV done", file=sys.stderr),
    )
    written = write_summary(result, output) + save_figure(plot_summary(result), output, "summary")
    text = []
    for p in result.panels:
        allowed = p.mass_gev[p.allowed.any(axis=1)]
        found = f"m_Z' in [{allowed.min():.0f}, {allowed.max():.0f}] GeV" if allowed.size else "nothing"
        text.append(f"m_chi = {p.m_chi_gev:g} GeV: allowed {found}")
    emit(summary_json(result), as_json, [*text, "wrote " + ", ".join(str(path) for path in written)])


def _parse_grid(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise InputError(f"--grid {text[:60]}: expected two whole numbers such as 150x120")
    if max(map(len, parts)) > 6 or int(parts[0]) * int(parts[1]) > GRID_MAX:
        raise InputError(f"--grid {text[:60]}: at most {GRID_MAX} points, such as 1000x1000")
    return int(parts[0]), int(parts[1])


#: Largest number of points of each plane.
GRID_MAX = 1_000_000
#: Analyses used in each era unless --analysis is given.
LHC_OF_ERA = {"paper": ("atlas-36fb-dilepton",), "current": ("atlas-139fb-dilepton",)}


def lhc_source(
    analyses: list[str], pdf: str | None, order: str | None, calculator: str | None, workers: int
) -> Callable[[ZprimeModel], LhcLimit]:
    """Make the function that computes the observed LHC limit of a model whose chi mass is set.

    Arguments:
        analyses: ids or folders of analyses; empty for the default ones.
        pdf, order: PDF set and order in QCD; None for the defaults.
        calculator: of the contour; None for its default.
        workers: processes that share the masses.
    """
    from ..limits.contour import contour
    from ..report.summary import LhcLimit

    searches = prepare_searches(analyses, pdf, order, no_theory=False)

    def limit(card: ZprimeModel) -> LhcLimit:
        masses = searches.published_masses_gev
        found = contour(card, masses, searches, calculator=calculator, workers=workers)
        for mass, message in found.errors:
            print(f"zprime-recast: no limit at {mass:g} GeV: {message}", file=sys.stderr)
        if not found.complete:
            raise KeyboardInterrupt
        label = f"LHC: {searches.label}"
        largest = found.coupling_max
        return LhcLimit(found.mass_gev, found.coupling_95_observed, largest, label, found.provenance.to_dict())

    return limit
