"""The summary command: figure 2, where the LHC contour meets the dark side."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ._shared import (
    Analyses,
    Json,
    Model,
    Order,
    Pdf,
    Set,
    app,
    load_with,
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
        str, typer.Option("--dm-mass", metavar="M,M,...", help="Dark-matter masses in GeV.")
    ] = "1000,5000,10000,20000",
    analysis: Analyses = None,
    era: Annotated[
        str,
        typer.Option(
            "--era",
            metavar="paper|current",
            help="Data sets: those of the paper's time (LUX 2016, ATLAS 36/fb), or today's (LZ 2024, ATLAS 139/fb).",
        ),
    ] = "paper",
    no_lhc: Annotated[
        bool, typer.Option("--no-lhc", help="Leave the LHC limit out (it takes most of the time).")
    ] = False,
    lhc_points: Annotated[int, typer.Option("--lhc-points", help="Z' masses of each LHC limit.")] = 12,
    grid: Annotated[
        str, typer.Option("--grid", metavar="MxG", help="Cells of each plane: Z' masses times couplings.")
    ] = "150x120",
    pdf: Pdf = None,
    order: Order = None,
    set_: Set = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes that share the masses.")] = 1,
    as_json: Json = False,
) -> None:
    """Figure 2 of the paper: LHC, relic density, direct detection and perturbativity in the (m_Z', g) plane.

    Example: zprime-recast summary elusive_bl --dm-mass 1000,5000,10000,20000 -o summary
    """
    from ..io.files import check_writable
    from ..partons.pdf import PAPER_SET
    from ..report.style import save_figure
    from ..report.summary import summary as make_summary
    from ..report.summary import summary_json, write_summary
    from ..report.summary_figure import plot_summary

    masses = [positive_number("--dm-mass", text) for text in dm_mass.split(",")]
    if lhc_points < 2 or workers < 1:
        raise InputError("--lhc-points must be at least 2 and --workers at least 1")
    cells = _parse_grid(grid)
    card = load_with(model, set_)
    check_writable(output)
    if era == "paper":  # as the paper has it: MSTW2008 at leading order
        pdf, order = pdf or PAPER_SET, order or "lo"
    lhc = None if no_lhc else lhc_source(analysis or list(LHC_OF_ERA.get(era, ())), pdf, order, lhc_points, workers)
    result = make_summary(
        card,
        masses,
        era=era,
        lhc=lhc,
        grid=cells,
        on_panel=lambda p: print(f"m_chi = {p.m_chi_gev:g} GeV done", file=sys.stderr),
    )
    written = write_summary(result, output) + save_figure(plot_summary(result), output, "summary")
    if as_json:
        typer.echo(json.dumps(summary_json(result), allow_nan=False))
        return
    for p in result.panels:
        allowed = p.mass_gev[p.allowed.any(axis=1)]
        text = f"m_Z' in [{allowed.min():.0f}, {allowed.max():.0f}] GeV" if allowed.size else "nothing"
        typer.echo(f"m_chi = {p.m_chi_gev:g} GeV: allowed {text}")
    typer.echo("wrote " + ", ".join(str(path) for path in written))


def _parse_grid(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise InputError(f"--grid {text}: expected two whole numbers such as 150x120")
    return int(parts[0]), int(parts[1])


#: Analyses of each era, unless --analysis names others.
LHC_OF_ERA = {"paper": ("atlas-36fb-dilepton",), "current": ("atlas-139fb-dilepton",)}


def lhc_source(
    analyses: list[str], pdf: str | None, order: str | None, points: int, workers: int
) -> Callable[[ZprimeModel], LhcLimit]:
    """The hook to the LHC side: a function from a model (chi mass set) to its observed limit.

    A limit curve gives it directly; searches with spectra through the contour.
    """

    from ..limits.contour import contour, default_masses
    from ..report.summary import LhcLimit

    searches = prepare_searches(analyses, pdf, order, no_theory=False)

    def limit(card: ZprimeModel) -> LhcLimit:
        masses = searches.published_masses_gev
        found = contour(card, default_masses(searches, points) if masses is None else masses, searches, workers=workers)
        for mass, message in found.errors:
            print(f"zprime-recast: no limit at {mass:g} GeV: {message}", file=sys.stderr)
        if not found.complete:
            raise KeyboardInterrupt
        label = f"LHC: {searches.label}"
        return LhcLimit(found.mass_gev, found.coupling_95_observed, label, found.provenance.to_dict())

    return limit
