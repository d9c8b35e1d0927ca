"""The application, the options shared by several commands, and the functions that read options and print results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from ..io.json import json_text
from .slha import ModelApp

if TYPE_CHECKING:
    from ..limits.analyses import Analyses as LoadedAnalyses
    from ..model.zprime import ZprimeModel
    from ..partons.luminosity import LuminosityTable

app = ModelApp(
    name="zprime-recast",
    help="From the charges of a Z' boson to LHC dilepton exclusion contours. Masses in GeV, cross-sections in fb.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# ---------------------------------------------------------------------------------------------------------------
# Options that several commands share

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Model id (see 'list models') or a card ending in .toml.")]
Mass = Annotated[str, typer.Option("--mass", "-m", metavar="M", help="Z' mass in GeV.")]
Coupling = Annotated[
    str | None,
    typer.Option("--coupling", "-g", metavar="G", help="Coupling g; default: the model's benchmark coupling."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a model parameter, e.g. m_chi=1000 (GeV); repeatable."),
]
Analyses = Annotated[
    list[str] | None,
    typer.Option(
        "--analysis",
        "-a",
        metavar="ID",
        help="Analysis id or folder; repeat to combine. Default: ATLAS 139/fb and CMS 140/fb together.",
    ),
]
Pdf = Annotated[
    str | None,
    typer.Option("--pdf", metavar="SET", help="PDF set in LHAPDF format (see 'pdf list'). Default: CT18NNLO."),
]
Order = Annotated[
    str | None,
    typer.Option("--order", metavar="ORDER", help="Order in QCD: lo, nlo, nnlo or n3lo. Default: nnlo."),
]
NoTheory = Annotated[
    bool,
    typer.Option(
        "--no-theory-uncertainty", help="Leave PDF and scale uncertainties of the signal out of the likelihood."
    ),
]
Calculator = Annotated[
    str | None,
    typer.Option(
        "--calculator",
        metavar="NAME",
        help="toys that all hypotheses share (right at few events), asymptotic (fast), plain-toys (slow cross-check), "
        "bayes (flat prior in the signal strength), or auto (toys near the border of exclusion, else asymptotic).",
    ),
]
Toys = Annotated[
    int | None,
    typer.Option("-n", "--toys", metavar="N", help="Number of toys (2500 shared ones, 2000 plain ones)."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="S", help="Seed of the toys.")]
Fitter = Annotated[
    str,
    typer.Option(
        "--fitter",
        metavar="NAME",
        help="newton, or pyhf with the exact template: a slow cross-check, with --calculator asymptotic only.",
    ),
]
NoInterference = Annotated[
    bool, typer.Option("--no-interference", help="Leave out the interference with photon and Z.")
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="Processes that share the masses; default: the processors available."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def number_of_workers(asked: int | None) -> int:
    """The value of --workers, by default the number of processors this process may use; InputError below 1."""
    from ..io.workers import processors

    if asked is not None and asked < 1:
        raise InputError(f"--workers must be at least 1, found {asked}")
    return processors() if asked is None else asked


def positive_number(name: str, text: str) -> float:
    """Read a finite number > 0 from the text of an option; InputError names the option."""
    from ..arrays import checked_number

    return checked_number(name, text, above=0.0)


def load_with(model: str, assignments: Sequence[str] | None) -> ZprimeModel:
    """Load a model and set the parameters given with --set."""
    from ..model.card import load_model

    values = read_assignments(assignments)
    return load_model(model).with_parameters(values)  # type: ignore[arg-type]  # checked and converted there


def read_assignments(assignments: Sequence[str] | None) -> dict[str, str]:
    """Read the texts NAME=VALUE of --set as values by name; InputError for any other text."""
    values = {}
    for assignment in assignments or ():
        name, equals, value = assignment.partition("=")
        if not equals:
            raise InputError(f"--set {assignment}: expected NAME=VALUE")
        values[name.strip()] = value.strip()
    return values


def coupling_or_reference(model: ZprimeModel, text: str | None) -> float:
    """The coupling given with --coupling, or else the benchmark coupling of the model; InputError without either."""
    if text is not None:
        return positive_number("--coupling", text)
    if model.reference_coupling is None:
        raise InputError(f"model {model.id} has no benchmark coupling: give --coupling G")
    return model.reference_coupling


def mass_and_coupling(model: ZprimeModel, mass: str, coupling: str | None) -> tuple[float, float]:
    """Mass (GeV) and coupling from --mass and --coupling; InputError for a Z' too wide to be a resonance."""
    from ..model.widths import decay_widths
    from ..process.hypotheses import check_width

    mass_gev, g = positive_number("--mass", mass), coupling_or_reference(model, coupling)
    check_width(float(decay_widths(model, mass_gev, g).total_gev), mass_gev, g)
    return mass_gev, g


def prepare_searches(
    analyses: Sequence[str] | None, pdf: str | None, order: str | None, no_theory: bool
) -> LoadedAnalyses:
    """Load the analyses of --analysis and fold them with the PDF set of --pdf at --order; None takes the default."""
    from ..limits.analyses import load_analyses
    from ..partons.luminosity_set import DEFAULT_ORDER
    from ..partons.pdf import DEFAULT_SET
    from ..searches.search import DEFAULT_ANALYSES

    ids = tuple(analyses or DEFAULT_ANALYSES)
    with member_progress(pdf) as on_member:
        return load_analyses(
            ids, pdf or DEFAULT_SET, order=order or DEFAULT_ORDER, theory=not no_theory, on_member=on_member
        )


def luminosities(pdf: str | None, sqrt_s_gev: float, order: str | None, member: int = 0) -> LuminosityTable:
    """Load the parton luminosities of --pdf at --order; None takes the default."""
    from ..partons.luminosity_set import DEFAULT_ORDER, load_luminosities
    from ..partons.pdf import DEFAULT_SET

    with member_progress(pdf) as on_member:
        return load_luminosities(pdf or DEFAULT_SET, sqrt_s_gev, order or DEFAULT_ORDER, member, on_member=on_member)


@contextmanager
def member_progress(pdf: str | None) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, shown while the luminosities of the members of a PDF set are computed."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: list[Any] = []

        def on_member(done: int, count: int) -> None:
            if count > 1 and not tasks:
                tasks.append(bar.add_task(f"computing luminosities of {pdf} (cached)", total=count))
            for task in tasks:
                bar.update(task, completed=done)

        yield on_member


def emit(values: dict[str, Any], as_json: bool, text: Sequence[str], to_stderr: bool = False) -> None:
    """Print a result, as one JSON object with null for NaN or as lines of text. Every command prints through here.

    ``to_stderr``: leave standard output to a file that is written to it.
    """
    typer.echo(json_text(values) if as_json else "\n".join(text), err=to_stderr)


def format_number(value: Any) -> str:
    """A number with five significant digits; '-' for None or NaN."""
    return "-" if value is None or value != value else f"{value:.5g}"
