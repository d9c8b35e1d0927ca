"""The contour command: exclusion limits in the mass-coupling plane."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from ._shared import (
    Analyses,
    Calculator,
    Fitter,
    Json,
    Model,
    NoInterference,
    NoTheory,
    Order,
    Pdf,
    Seed,
    Set,
    Toys,
    Workers,
    app,
    emit,
    load_with,
    number_of_workers,
    positive_number,
    prepare_searches,
)

if TYPE_CHECKING:
    from ..limits.contour import ExclusionContour


@app.command()
def contour(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for contour.json, .csv, .png, .pdf.")],
    analysis: Analyses = None,
    masses: Annotated[
        str | None,
        typer.Option(
            "--masses",
            metavar="LOW:HIGH:N",
            help="N evenly spaced masses in GeV; default: as close as the mass resolution, the bins and the curves ask "
            "for, over all masses that any of the analyses covers.",
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare", metavar="MODEL", help="Draw another model as well (--set does not apply); repeatable."
        ),
    ] = None,
    pdf: Pdf = None,
    order: Order = None,
    no_theory: NoTheory = False,
    no_interference: NoInterference = False,
    set_: Set = None,
    calculator: Calculator = None,
    n_toys: Toys = None,
    seed: Seed = 1,
    fitter: Fitter = "newton",
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Compute the exclusion contour in mass and coupling and write it to files and a figure.

    Example: zprime-recast contour elusive_bl --compare minimal_bl -o contour
    """
    from ..io.files import check_writable
    from ..limits.contour import contour
    from ..limits.mass_grid import default_masses
    from ..report.contour_figure import plot_contour
    from ..report.contour_files import write_contour
    from ..report.style import save_figure

    processes = number_of_workers(workers)
    cards = [load_with(model, set_), *(load_with(name, None) for name in compare or ())]
    if len({card.id for card in cards}) != len(cards):
        raise InputError("--compare names the same model twice")
    grid = _parse_masses(masses)
    check_writable(output)
    searches = prepare_searches(analysis, pdf, order, no_theory)
    if grid is not None:
        searches.check_mass(grid)
    total = len(default_masses(searches) if grid is None else grid)
    results = []
    with _progress() as progress:
        for card in cards:
            with progress(card.id, total) as on_point:
                options = (not no_interference, calculator, fitter, processes, on_point, n_toys, seed)
                results.append(contour(card, grid, searches, *options))
            if not results[-1].complete:
                break
    main_result, others = results[0], results[1:]
    written = write_contour(main_result, output, others)
    written += save_figure(plot_contour(main_result, searches.label, others), output, "contour")
    for mass, message in main_result.errors:
        print(f"zprime-recast: no limit at {mass:g} GeV: {message}", file=sys.stderr)
    for mass, message in main_result.warnings:
        print(f"zprime-recast: at {mass:g} GeV: {message}", file=sys.stderr)
    if not results[-1].complete:
        raise InputError(f"interrupted; the masses done so far are kept in {output}")
    text = [line for result in results for line in _mass_limit(result)]
    emit(main_result.to_dict(), as_json, [*text, "wrote " + ", ".join(str(path) for path in written)])


def _mass_limit(result: ExclusionContour) -> list[str]:
    """One line with the mass limits at the benchmark coupling; none for a model without one."""
    card, g = result.model, result.model.reference_coupling
    if not g:
        return []
    observed, expected = result.mass_limits(g)
    return [f"{card.id}: {observed} (expected: {expected}) at g = {g:.4g}"]


def _parse_masses(text: str | None) -> Any:
    if text is None:
        return None
    import numpy as np

    parts = text.split(":")
    if len(parts) != 3:
        raise InputError(f"--masses {text}: expected LOW:HIGH:N in GeV")
    low, high = positive_number("--masses LOW", parts[0]), positive_number("--masses HIGH", parts[1])
    if not parts[2].isdecimal() or not 1 <= int(parts[2]) <= 10000:
        raise InputError(f"--masses {text}: N must be a whole number from 1 to 10000")
    count = int(parts[2])
    if low > high or (low == high) != (count == 1):
        raise InputError(f"--masses {text}: LOW must be below HIGH, or equal with N = 1")
    return np.linspace(low, high, count)


@contextmanager
def _progress() -> Iterator[Any]:
    """A progress bar on stderr: masses done and in total, time used and left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:

        @contextmanager
        def track(name: str, total: int) -> Iterator[Any]:
            task = bar.add_task(name, total=total)

            yield lambda done: bar.advance(task, done)

        yield track
