"""The option --slha of every command that takes a MODEL: an SLHA file becomes the card, the mass and the coupling."""

from __future__ import annotations

import atexit
import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

from ..errors import InputError

_OPTIONS = {
    "--slha": Annotated[
        str | None,
        typer.Option("--slha", metavar="FILE", help="SLHA spectrum or parameter card in place of MODEL and --mass."),
    ],
    "--particle": Annotated[
        str | None,
        typer.Option("--particle", metavar="PDG", help="The Z' of --slha: a PDG id, or a name with --ufo."),
    ],
    "--ufo": Annotated[
        str | None,
        typer.Option("--ufo", metavar="DIR", help="UFO folder that computes the couplings of --slha; its code is run."),
    ],
}


class ModelApp(typer.Typer):
    """A group of commands; those with a MODEL also take --slha FILE [--particle PDG] [--ufo DIR] in its place."""

    def command(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Register a command, as in :class:`typer.Typer`."""
        register = super().command

        def with_options(function: Callable[..., Any]) -> Callable[..., Any]:
            if "model" in inspect.signature(function).parameters:
                register(*args, **{"cls": _ModelCommand, **options})(_extended(function))
            else:
                register(*args, **options)(function)
            return function

        return with_options


def _extended(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the options of this module in its signature; :class:`_ModelCommand` has used them by then."""

    def call(**values: Any) -> Any:
        return function(**{name: value for name, value in values.items() if f"--{name}" not in _OPTIONS})

    hints = get_type_hints(function, include_extras=True) | {name.strip("-"): t for name, t in _OPTIONS.items()}
    known = inspect.signature(function).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *(inspect.Parameter(p.name, keyword, default=p.default, annotation=hints[p.name]) for p in known),
        *(inspect.Parameter(name.strip("-"), keyword, default=None, annotation=t) for name, t in _OPTIONS.items()),
    ]
    call.__name__, call.__doc__, call.__annotations__ = function.__name__, function.__doc__, hints
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


class _ModelCommand(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parse the command line, with a card in the place of --slha."""
        params = {str(p.name): p for p in self.params}
        rest, given = _taken(args)
        if "--slha" in given:
            args = _with_card(rest, params, **{name.strip("-"): value for name, value in given.items()})
        elif given:
            raise InputError(f"{' and '.join(given)}: these options need --slha FILE")
        return super().parse_args(ctx, args)


def _taken(args: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments without the options of this module, and the values of those."""
    rest, given, left = [], dict[str, str](), list(args)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if name not in _OPTIONS:
            rest.append(word)
            continue
        if not equals:
            if not left:
                raise InputError(f"{name}: its value is missing")
            value = left.pop(0)
        if name in given:
            raise InputError(f"{name} is given twice")
        given[name] = value
    return rest, given


def _with_card(
    args: list[str], params: Mapping[str, Any], slha: str, particle: str | None = None, ufo: str | None = None
) -> list[str]:
    """The arguments with the card of a point as MODEL, and with its mass and coupling where they are asked for."""
    from ..io.files import write_text
    from ..io.scratch import scratch_folder
    from ..model.card import couplings_card
    from ..model.slha import read_slha

    if ufo is not None:
        typer.echo(f"running the Python code of {ufo}", err=True)
    point = read_slha(Path(slha), particle, None if ufo is None else Path(ufo))
    for note in point.notes:
        typer.echo(f"warning: {note}", err=True)
    until_exit = ExitStack()
    folder = until_exit.enter_context(scratch_folder(Path(tempfile.gettempdir())))
    atexit.register(until_exit.close)
    card = write_text(
        folder / f"{point.model.id}.toml", couplings_card(replace(point.model, reference_coupling=point.coupling))
    )
    model = [str(card)] if params["model"].param_type_name == "argument" else ["--model", str(card)]
    more = []
    if "mass" in params and not _names(params["mass"], args):
        more += ["--mass", repr(point.mass_gev)]
    if "coupling" in params and params["coupling"].required and not _names(params["coupling"], args):
        more += ["--coupling", repr(point.coupling)]
    if point.model.gamma_extra_gev and "set_" in params and not any("gamma_extra" in word for word in args):
        more += ["--set", f"gamma_extra={point.model.gamma_extra_gev!r}"]
    return [*model, *args, *more]


def _names(param: Any, args: Sequence[str]) -> bool:
    """Whether an option stands in the arguments, as ``--mass 3000``, ``--mass=3000`` or ``-m3000``."""
    return any(
        word == name or word.startswith(f"{name}=") or (len(name) == 2 and word[:2] == name)
        for name in param.opts
        for word in args
    )
