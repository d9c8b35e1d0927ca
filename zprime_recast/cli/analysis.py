"""Commands on analysis folders: analysis check, analysis table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ._shared import Json, app, emit

if TYPE_CHECKING:
    from ..searches.hepdata_columns import Column

analysis_app = typer.Typer(help="Analysis folders: check one, read HEPData tables.", no_args_is_help=True)
app.add_typer(analysis_app, name="analysis")


@analysis_app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with card.toml and its tables.")],
    as_json: Json = False,
) -> None:
    """Report every error in an analysis folder: file, key, what was found, what was expected.

    With an error the exit code is 2, and standard error has a line with the first one.

    Example: zprime-recast analysis check my-search
    """
    from ..searches.check import check_analysis

    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    result = check_analysis(folder)
    faults = [{"file": str(f.path), "key": f.key, "found": f.found, "expected": f.expected} for f in result.faults]
    values = {"folder": str(folder), "kind": result.kind, "faults": faults, "remarks": list(result.remarks)}
    text = [f"fault: {f}" for f in result.faults] + [f"remark: {r}" for r in result.remarks]
    emit(values, as_json, text if faults else [*text, f"{folder}: a complete {result.kind} analysis"])
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise InputError(f"{result.faults[0]}{more}")


@analysis_app.command()
def table(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="HEPData table: .yaml, .json, .csv, .root, .yoda or .yoda.gz.")
    ],
    name: Annotated[
        str | None, typer.Option("--table", metavar="NAME", help="Name of the table, if the file has several.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", metavar="A,B,...", help="Names for the columns, in order, '-' drops one; or NEW=OLD,..."
        ),
    ] = None,
    uncertainty: Annotated[
        list[str] | None,
        typer.Option(
            "--uncertainty",
            metavar="NEW=COLUMN[:LABEL]",
            help="Column of the uncertainties of another, in quadrature; repeatable.",
        ),
    ] = None,
    events: Annotated[
        bool, typer.Option("--events", help="Multiply columns per GeV by the widths of their bins.")
    ] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="CSV to write; default: print.")] = None,
) -> None:
    """Convert a table of a downloaded HEPData record to a CSV file for an analysis folder.

    Example: zprime-recast analysis table HEPData-ins1725190-v2-Table_1.yaml --columns m_low_gev,m_high_gev,n_obs
    """
    from ..io.files import write_text
    from ..searches.hepdata import read_hepdata

    data = read_hepdata(file, name)
    if events:
        data = data.times_bin_width()
    names = None if columns is None else [c.strip() for c in columns.split(",")]
    kept, remarks = data.selected(names, uncertainty or ())
    for remark in remarks:
        typer.echo(f"remark: {remark}", err=True)
    text = _csv_text(file.name, kept.columns)
    if output is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"wrote {write_text(output, text)}")


def _csv_text(source: str, columns: Sequence[Column]) -> str:
    """The columns as CSV, their units in a comment, gaps as empty cells."""
    buffer = io.StringIO()
    units = ", ".join(f"{c.name} [{c.units}]" for c in columns if c.units and not c.of)
    for line in (f"from {source}", f"units: {units}" if units else "no units"):
        buffer.write(f"# {' '.join(line.split())}\n")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([c.name for c in columns])
    for row in zip(*(c.cells for c in columns), strict=True):
        writer.writerow(["" if x is None else f"{x:.10g}" if isinstance(x, float) else x for x in row])
    return buffer.getvalue()
