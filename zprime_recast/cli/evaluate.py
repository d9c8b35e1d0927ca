"""The evaluate command: results for every row of a table of points."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from ._shared import (
    Analyses,
    Calculator,
    Json,
    NoInterference,
    NoTheory,
    Order,
    Pdf,
    Seed,
    Set,
    Toys,
    app,
    emit,
    load_with,
    prepare_searches,
)


@app.command()
def evaluate(
    points: Annotated[
        Path, typer.Argument(metavar="POINTS", help="Table of points to read, .csv or .parquet; - for standard input.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write, .csv or .parquet; - for standard output.")
    ],
    model: Annotated[
        str | None, typer.Option("--model", help="Model of all rows; default: the column model, or free couplings.")
    ] = None,
    analysis: Analyses = None,
    pdf: Pdf = None,
    order: Order = None,
    no_theory: NoTheory = False,
    no_interference: NoInterference = False,
    set_: Set = None,
    calculator: Calculator = "auto",
    n_toys: Toys = None,
    seed: Seed = 1,
    limits: Annotated[
        bool,
        typer.Option(
            "--limits", help="Compute limits as well: coupling_95 for models, strength_95 for free couplings."
        ),
    ] = False,
    workers: Annotated[int, typer.Option("--workers", help="Number of processes that share the rows.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Share the rows on a dask.distributed cluster.")
    ] = None,
    chunk: Annotated[
        int,
        typer.Option(
            "--chunk", help="Rows per chunk, rounded up to hundreds; finished chunks survive an interruption."
        ),
    ] = 1000,
    as_json: Json = False,
) -> None:
    """Compute CLs, widths, rates and likelihoods for every row of a table. Run it again to resume an interrupted run.

    Input columns: mass_gev, coupling and parameters of the card (with --model or a column model), or mass_gev, free
    couplings g_uL g_uR g_dL g_dR g_lL g_lR g_nuL (_1 to _3 for one generation) and optionally gamma_gev. Any other
    column is copied unchanged. --set needs --model.

    Example: zprime-recast evaluate points.csv --model elusive_bl -o results.csv
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from ..io.files import is_standard_output, is_stream
    from ..scan.evaluate import evaluator
    from ..scan.files_to_files import scan
    from ..scan.tables import table_format

    table_format(output)
    if not is_stream(points):
        table_format(points)
    if set_ and model is None:
        raise InputError("--set needs --model; without it, give parameters as columns")
    card = load_with(model, set_) if model is not None else None
    if not (is_stream(points) or points.exists()):
        raise InputError(f"no such file: {points}")
    searches = prepare_searches(analysis, pdf, order, no_theory)
    evaluate_rows = evaluator(searches, card, not no_interference, limits, calculator or "auto", n_toys, seed)
    origin = searches.provenance(evaluate_rows.method)
    origin = origin if card is None else origin.of_model(card)
    inputs: dict[str, Any] = {**origin.to_dict(), "theory": not no_theory, "limits": limits}
    columns = (TextColumn("{task.completed:,} rows"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("rows", total=None)
        result = scan(
            points,
            output,
            evaluate_rows,
            inputs,
            workers,
            scheduler,
            chunk,
            lambda n: bar.advance(task, n),
        )
    values = {
        "rows": result.rows,
        "errors": result.errors,
        "excluded": result.excluded,
        "resumed_rows": result.resumed_rows,
        "carried_columns": result.carried,
        "output": str(output),
        "provenance": inputs,
    }
    text = [f"{result.rows} rows: {result.excluded} excluded at 95% CL, {result.errors} with an error"]
    if result.resumed_rows:
        text.append(f"{result.resumed_rows} rows were taken from an earlier run")
    if result.carried:
        text.append(f"columns copied unchanged: {', '.join(result.carried)}")
    emit(values, as_json, [*text, f"wrote {output}"], to_stderr=is_standard_output(output))
