"""Commands on PDF sets: pdf list, path, install."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ZprimeError
from ._shared import Json, app, emit

pdf_app = typer.Typer(help="PDF sets in LHAPDF format: list, path, install.", no_args_is_help=True)
app.add_typer(pdf_app, name="pdf")


@pdf_app.command("list")
def list_(as_json: Json = False) -> None:
    """List the sets found, with members and error type, and the energies with shipped luminosity tables.

    Example: zprime-recast pdf list
    """
    from ..partons.luminosity_set import shipped_energies
    from ..partons.pdf import DEFAULT_SET, available_sets
    from ..partons.pdf_files import read_set_info

    rows: dict[str, Any] = {}
    for name, folder in available_sets().items():
        try:
            info = read_set_info(folder)
        except ZprimeError as err:
            rows[name] = {"unusable": str(err)}
            continue
        rows[name] = {"members": info.members, "error_type": info.error_type, "description": info.description}
    tables = {DEFAULT_SET: shipped_energies(DEFAULT_SET)}
    text = [
        f"{name:36s} {row['members']:4d} members  {row['error_type']}" if "members" in row else f"{name:36s} unusable"
        for name, row in rows.items()
    ]
    energies = ", ".join(f"{e:g}" for e in tables[DEFAULT_SET])
    text.append(f"{DEFAULT_SET}: luminosities of all members are shipped for sqrt(s) = {energies} GeV")
    emit({"sets": rows, "shipped_luminosities_sqrt_s_gev": tables}, as_json, text)


@pdf_app.command()
def path(as_json: Json = False) -> None:
    """List the folders in which sets are looked for, in order.

    Example: zprime-recast pdf path
    """
    from ..partons.pdf_files import set_folders

    folders = [str(folder) for folder in set_folders()]
    emit({"folders": folders}, as_json, folders)


@pdf_app.command()
def install(
    name: Annotated[str, typer.Argument(metavar="SET", help="Name of an LHAPDF set, or a .tar.gz of one.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the set; default: the user's own.")
    ] = None,
    archive: Annotated[
        str | None,
        typer.Option(
            "--archive", metavar="URL", help="Address of the folder with SET.tar.gz; default: LHAPDF's archive."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Download a set from LHAPDF's public archive, or unpack one, and check it.

    Example: zprime-recast pdf install CT18NNLO
    """
    from ..partons.pdf_install import ARCHIVE_URL, install_set

    folder = install_set(name, output, archive or ARCHIVE_URL)
    emit({"folder": str(folder)}, as_json, [f"installed {folder}"])
