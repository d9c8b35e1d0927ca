"""Commands that import and export models: model from-ufo, model to-slha."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ._shared import (
    Coupling,
    Json,
    Mass,
    Model,
    Set,
    app,
    emit,
    load_with,
    mass_and_coupling,
)
from .slha import ModelApp

group = ModelApp(help="Import models from UFO, and write parameter points as SLHA.", no_args_is_help=True)
app.add_typer(group, name="model")


@group.command("from-ufo")
def from_ufo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="UFO folder. Its Python code is run, so use only folders you trust.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="CARD", help="Card to write (.toml).")],
    param_card: Annotated[
        Path | None, typer.Option("--param-card", metavar="FILE", help="Parameter card; default: the folder's values.")
    ] = None,
    particle: Annotated[
        str | None, typer.Option("--particle", metavar="NAME_OR_PDG", help="The boson, if there is more than one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the card of a vector boson of a UFO model: chiral couplings per fermion and generation, invisible states.

    The couplings are those of the parameter card at coupling 1. Example: zprime-recast model from-ufo ./MyZp_UFO
    --particle Zp -o myzp.toml
    """
    from ..io.files import write_text
    from ..model.card import couplings_card
    from ..model.ufo import exotic_notes, left_out_notes, model_of, read_ufo

    if output.suffix != ".toml":
        raise InputError(f"{output}: the name of a card must end in .toml")
    typer.echo(f"running the Python code of {folder}", err=True)
    boson = read_ufo(folder, particle, param_card)
    source = f"UFO {folder.resolve().name}" + (f" with {param_card.name}" if param_card else "")
    notes = [*boson.notes, *left_out_notes(boson), *exotic_notes(boson)]
    made = [
        f"{boson.name} (PDG {boson.pdg_id}) of {source}: mass {boson.mass_gev:g} GeV in the UFO; coupling 1 is its own"
    ]
    write_text(output, couplings_card(model_of(boson, output.stem, source), [*made, *notes]))
    values = {
        "card": str(output),
        "particle": boson.name,
        "pdg_id": boson.pdg_id,
        "mass_gev": boson.mass_gev,
        "couplings": {c.name: [c.g_left, c.g_right] for c in boson.couplings},
        "gamma_gev": boson.fermion_width_gev,
        "gamma_left_out_gev": boson.left_out_gev,
        "left_out": [{"products": d.products, "width_gev": d.width_gev, "reason": d.reason} for d in boson.left_out],
        "warnings": notes,
    }
    text = [f"wrote {output}: {boson.name}, mass {boson.mass_gev:g} GeV in the UFO"]
    text += [f"{c.name:8s} g_L {c.g_left: .8f}  g_R {c.g_right: .8f}" for c in boson.couplings]
    emit(values, as_json, [*text, *(f"warning: {note}" for note in notes)])


@group.command("to-slha")
def to_slha(
    model: Model,
    mass: Mass,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="SLHA file to write.")],
    coupling: Coupling = None,
    set_: Set = None,
) -> None:
    """Write a parameter point of a model as SLHA: mass, charges, width and branching ratios.

    Example: zprime-recast model to-slha elusive_bl --mass 3000 --coupling 0.1 -o point.slha
    """
    from ..model.slha import write_slha

    card = load_with(model, set_)
    write_slha(card, *mass_and_coupling(card, mass, coupling), output)
    typer.echo(f"wrote {output}")
