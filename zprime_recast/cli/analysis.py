"""Commands on analysis folders: analysis check, analysis table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ._shared import Json, app, emit

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
    file: Annotated[Path, typer.Argument(metavar="FILE", help="HEPData table: .yaml, .csv or .root.")],
    name: Annotated[
        str | None, typer.Option("--table", metavar="NAME", help="Name of the table, if the file has several.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B,...", help="Names for the columns to keep, in order; '-' drops one."),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="CSV to write; default: print.")] = None,
) -> None:
    """Convert a table of a downloaded HEPData record to a CSV file for an analysis folder.

    Example: zprime-recast analysis table HEPData-ins1725190-v2-Table_1.yaml --columns m_low_gev,m_high_gev,n_obs
    """
    from ..io.files import write_text
    from ..searches.hepdata import read_hepdata

    data = read_hepdata(file, name)
    names = list(data) if columns is None else [c.strip() for c in columns.split(",")]
    if len(names) != len(data):
        raise InputError(f"--columns {columns}: {file} has {len(data)} columns: {', '.join(data)}")
    kept = {new: values for new, values in zip(names, data.values(), strict=True) if new != "-"}
    rows = [",".join(kept), *(",".join(f"{v:.10g}" for v in row) for row in zip(*kept.values(), strict=True))]
    text = "\n".join([f"# from {file.name}", *rows]) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"wrote {write_text(output, text)}")
