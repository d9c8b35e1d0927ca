"""Commands on the package itself: cite, doctor."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError, UnknownName
from ._shared import Json, Order, app, emit


@app.command()
def cite(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WHAT]...", help="Models, analyses, PDF sets, or results (.json) of this package."),
    ] = None,
    order: Order = None,
    as_json: Json = False,
) -> None:
    """Print BibTeX entries of the papers behind a result; without WHAT, those of the default analyses and PDF set.

    Example: zprime-recast cite contour/contour.json > references.bib
    """
    from ..partons.luminosity_set import DEFAULT_ORDER
    from ..partons.pdf import DEFAULT_SET
    from ..report.references import bibtex, references
    from ..searches.search import DEFAULT_ANALYSES

    origins, found_order = [], None
    for item in what or [*DEFAULT_ANALYSES, DEFAULT_SET]:
        if item.endswith(".json"):
            texts, found_order = _origins_of_result(Path(item))
            origins += texts
        else:
            origins.append(_origin(item))
    entries = references(origins, order or found_order or DEFAULT_ORDER)
    emit({"keys": [e.key for e in entries], "bibtex": bibtex(entries)}, as_json, [bibtex(entries).rstrip()])


def _origin(name: str) -> str:
    """The reference stated by a model, an analysis or a PDF set."""
    from ..model.card import list_models, load_model
    from ..partons.luminosity_set import shipped_energies
    from ..partons.pdf_files import list_sets, read_set_info
    from ..searches.search import list_analyses

    models, sets = list_models(), list_sets()
    if name in models or name.endswith(".toml"):
        return load_model(name).reference
    searches = list_analyses()
    if name in searches or (Path(name) / "card.toml").is_file():
        from ..io.cards import read_toml

        return read_toml(searches.get(name, Path(name)) / "card.toml").text("reference")
    if name in sets:
        return f"{name} {read_set_info(sets[name]).description}"
    if shipped_energies(name):
        return name
    raise UnknownName("model, analysis or PDF set", name, [*models, *searches, *sets])


def _origins_of_result(path: Path) -> tuple[list[str], str | None]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        about: dict[str, Any] = values["provenance"]
        names = [about["model"], *(a["id"] for a in about["analyses"]), about["pdf_set"]]
    except OSError as err:
        raise InputError(f"{path}: {err.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: it has no provenance; give a result of limit --json, cls --json or contour"
        ) from None
    texts = []
    for name in names:
        try:
            texts.append(_origin(str(name)))
        except UnknownName:
            texts.append(str(name))  # a card of the user that has been moved
    return texts, about.get("order")


@app.command()
def doctor(as_json: Json = False) -> None:
    """List versions, PDF backends and sets, caches, and how to get what is missing. Exit code 2 if nothing can run.

    Example: zprime-recast doctor
    """
    from ..report.installation import interpreter, survey

    found = survey()
    text = [f"Python {found.versions['python']} ({interpreter()})"]
    text += [f"{name} {version or 'MISSING'}" for name, version in found.versions.items() if name != "python"]
    for name, state in found.backends.items():
        text.append(f"PDF backend {name}{' (used)' if name == found.backend else ''}: {state}")
    text += [f"PDF set {name}: {path}" for name, path in found.pdf_sets.items()]
    for extra, missing in found.extras.items():
        remedy = f"without {', '.join(missing)}: pip install 'zprime-recast[{extra}]'"
        text.append(f"extra [{extra}]: {remedy if missing else 'complete'}")
    text += [f"{name}: {path}" for name, path in found.folders.items()]
    text.append(f"cache: {found.cache_files} files, {found.cache_mb:.1f} MB; it may be deleted at any time")
    emit(asdict(found), as_json, text)
    if found.problems:
        raise InputError("; ".join(found.problems))
