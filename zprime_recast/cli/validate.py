"""The validate command: our limits against the published ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from ._shared import Json, app


@app.command()
def validate(
    analysis: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ANALYSIS]...", help="Analysis ids or folders; default: all with published limits."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for validation.json, .md and a figure per channel.")
    ] = None,
    points: Annotated[int, typer.Option("--points", help="Masses per channel and width.")] = 24,
    as_json: Json = False,
) -> None:
    """Our generic limits against the published ones, with the tolerances of the card. Exit code 1 if one is exceeded.

    Example: zprime-recast validate atlas-139fb-dilepton -o validation
    """
    from ..io.files import check_writable, write_text
    from ..report.style import save_figure
    from ..report.validation import validate as run
    from ..report.validation import validation_json, validation_table, verdicts
    from ..report.validation_figure import plot_validation
    from ..searches.spectrum import load_spectrum

    searches = [load_spectrum(name) for name in analysis or _with_limits()]
    if len({s.id for s in searches}) != len(searches):
        raise InputError("an analysis is named twice")
    if output is not None:
        check_writable(output)
    comparisons: list[Any] = []
    results: list[Any] = []
    written: list[Path] = []
    for search in searches:
        found = run(search, points, on_done=_report)
        comparisons += found
        results += verdicts(search, found)
        if output is not None:
            for channel in dict.fromkeys(c.channel for c in found):
                written += save_figure(plot_validation(search, found, channel), output, f"{search.id}_{channel}")
    values, table = validation_json(comparisons, results), validation_table(results)
    if output is not None:
        written.append(write_text(output / "validation.json", json.dumps(values, indent=1, allow_nan=False) + "\n"))
        written.append(write_text(output / "validation.md", "\n".join(table) + "\n"))
    if as_json:
        typer.echo(json.dumps(values, allow_nan=False))
    else:
        typer.echo("\n".join(table))
        if written:
            typer.echo("wrote " + ", ".join(str(path) for path in written))
    if not values["passed"]:
        raise typer.Exit(1)


def _with_limits() -> list[str]:
    """Ids of the analyses that have a likelihood and published limits."""
    from ..searches.search import kind_of, list_analyses
    from ..searches.spectrum import load_spectrum

    spectra = (i for i, folder in list_analyses().items() if kind_of(folder) == "binned-likelihood")
    return [i for i in spectra if load_spectrum(i).validation]


def _report(comparison: Any) -> None:
    c = comparison
    print(f"{c.analysis}, {c.channel}, Gamma/M = {c.gamma_over_m:g}: {len(c.mass_gev)} masses done", file=sys.stderr)
