"""The validate command: compare our limits with the published ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from ..io.json import json_text
from ._shared import Json, app, emit


@app.command()
def validate(
    analysis: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ANALYSIS]...", help="Analysis ids or folders; default: all with published limits."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for validation.json, .md and one figure per channel.")
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            "--points", metavar="N", help="About N masses per channel and width, for a quick look; default: all."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare our generic limits with the published ones, at all published masses: ten minutes for ATLAS and CMS.

    Exit code 1 if a tolerance of a card is exceeded.

    Example: zprime-recast validate atlas-139fb-dilepton -o validation
    """
    from ..io.files import check_writable, write_text
    from ..report.style import save_figure
    from ..report.validation import both_ways, verdicts
    from ..report.validation import validate as run
    from ..report.validation_figure import plot_validation
    from ..report.validation_tables import both_ways_table, thinning_remark, validation_json, validation_table
    from ..searches.spectrum import load_spectrum

    searches = [load_spectrum(name) for name in analysis or _with_limits()]
    if len({s.id for s in searches}) != len(searches):
        raise InputError("the same analysis is named twice; name each once")
    if output is not None:
        check_writable(output)
    comparisons: list[Any] = []
    results: list[Any] = []
    both: list[Any] = []
    written: list[Path] = []
    for search in searches:
        found = run(search, points, on_done=_report)
        comparisons += found
        results += verdicts(search, found)
        both += both_ways(search, found)
        if output is not None:
            for channel in dict.fromkeys(c.channel for c in found):
                written += save_figure(plot_validation(search, found, channel), output, f"{search.id}_{channel}")
    values = validation_json(comparisons, results, both)
    table = [*validation_table(results), *(["", *thinned] if (thinned := thinning_remark(comparisons)) else [])]
    table += ["", *both_ways_table(both)] if both else []
    if output is not None:
        written.append(write_text(output / "validation.json", json_text(values, indent=1) + "\n"))
        written.append(write_text(output / "validation.md", "\n".join(table) + "\n"))
    emit(values, as_json, [*table, *(["wrote " + ", ".join(str(path) for path in written)] if written else [])])
    if not values["passed"]:
        raise typer.Exit(1)


def _with_limits() -> list[str]:
    """The ids of all analyses that have a likelihood and published limits."""
    from ..searches.search import kind_of, list_analyses
    from ..searches.spectrum import load_spectrum

    spectra = (i for i, folder in list_analyses().items() if kind_of(folder) == "binned-likelihood")
    return [i for i in spectra if load_spectrum(i).validation]


def _report(comparison: Any) -> None:
    c = comparison
    print(f"{c.analysis}, {c.channel}, Gamma/M = {c.gamma_over_m:g}: {len(c.mass_gev)} masses done", file=sys.stderr)
