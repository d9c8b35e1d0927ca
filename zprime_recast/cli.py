"""The command line: parse, call the library, print or write. No physics here.

numpy, pyhf and matplotlib are imported inside the commands, so ``--help`` and ``--version`` are quick.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import __version__
from .errors import InputError, ZprimeError

if TYPE_CHECKING:
    from .limits import LimitResult
    from .model import ZprimeModel
    from .template import FoldedSearch

app = typer.Typer(
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
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the card, e.g. m_chi=1000 (GeV); repeatable."),
]
Analyses = Annotated[
    list[str] | None,
    typer.Option("--analysis", "-a", metavar="ID", help="Analysis id or folder; repeatable. Default: all shipped."),
]
Pdf = Annotated[
    str | None,
    typer.Option("--pdf", metavar="SET", help="LHAPDF-format set (see 'list pdfs'). Default: MSTW2008nlo_central."),
]
NoInterference = Annotated[bool, typer.Option("--no-interference", help="Drop the interference with photon and Z.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"zprime-recast {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point: every error of the user's is one line on stderr and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except ZprimeError as err:
        _fail(str(err))
    except KeyboardInterrupt:
        _fail("interrupted")
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(2)
    except OSError as err:
        _fail(f"{err.filename or 'input/output'}: {err.strerror or err}")
    except Exception as err:
        _usage_error(err)
    sys.exit(code if isinstance(code, int) else 0)


def _usage_error(err: Exception) -> None:
    """click's (or typer's own copy's) complaint about the arguments, without naming either at import time."""
    if hasattr(err, "format_message"):
        command = getattr(getattr(err, "ctx", None), "command_path", "zprime-recast")
        _fail(f"{err.format_message()} Try '{command} --help'.")
    if type(err).__name__ == "Abort":
        _fail("interrupted")
    raise err


def _fail(message: str) -> None:
    print("zprime-recast: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(2)


def _number(name: str, text: str) -> float:
    from .model import checked_number

    return checked_number(name, text, above=0.0)


def _load(model: str, assignments: Sequence[str] | None) -> ZprimeModel:
    from .model import load_model

    values = {}
    for assignment in assignments or ():
        name, equals, value = assignment.partition("=")
        if not equals:
            raise InputError(f"--set {assignment}: expected NAME=VALUE")
        values[name.strip()] = value.strip()
    return load_model(model).with_parameters(values)  # type: ignore[arg-type]  # checked and converted there


def _coupling_of(model: ZprimeModel, text: str | None) -> float:
    if text is not None:
        return _number("--coupling", text)
    if model.reference_coupling is None:
        raise InputError(f"model {model.id} has no benchmark coupling: give --coupling G")
    return model.reference_coupling


def _prepare(analyses: Sequence[str] | None, pdf: str | None) -> tuple[FoldedSearch, ...]:
    from .limits import DEFAULT_ANALYSES, prepare
    from .pdf import DEFAULT_SET

    return prepare(tuple(analyses or DEFAULT_ANALYSES), pdf or DEFAULT_SET)


def _emit(values: dict[str, Any], as_json: bool, text: Sequence[str]) -> None:
    if as_json:
        typer.echo(json.dumps(values, allow_nan=False))
    else:
        typer.echo("\n".join(text))


def _show_number(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


# ---------------------------------------------------------------------------------------------------------------
# Models and widths

_LISTS = ("models", "analyses", "pdfs")


@app.command("list")
def list_(what: Annotated[str, typer.Argument(metavar="models|analyses|pdfs")], as_json: Json = False) -> None:
    """List models, analyses or PDF sets.

    Example: zprime-recast list models
    """
    rows: dict[str, str] = {}
    if what == "models":
        from .model import list_models, load_model

        rows = {name: load_model(path).title for name, path in list_models().items()}
    elif what == "analyses":
        from .search import list_searches, load_search

        rows = {name: load_search(path).title for name, path in list_searches().items()}
    elif what == "pdfs":
        from .pdf import list_sets, read_set_info

        rows = {name: read_set_info(folder).description for name, folder in list_sets().items()}
    else:
        from .errors import UnknownName

        raise UnknownName("list", what, _LISTS)
    _emit({what: rows}, as_json, [f"{name:24s} {title}" for name, title in rows.items()])


@app.command()
def show(model: Model, set_: Set = None, as_json: Json = False) -> None:
    """Charges, anomaly sums, parameters and references of a model.

    Example: zprime-recast show elusive_bl
    """
    from .model import anomaly_sums, perturbative_coupling

    card = _load(model, set_)
    sums = {name: str(value) for name, value in anomaly_sums(card).items()} if card.fields else None
    values: dict[str, Any] = {
        "id": card.id,
        "title": card.title,
        "reference": card.reference,
        "charge": card.charge_name,
        "charge_norm_squared": str(card.charge_norm_squared),
        "reference_coupling": card.reference_coupling,
        "coupling_perturbative": perturbative_coupling(card),
        "parameters": {name: {"value": p.value, "doc": p.doc} for name, p in card.parameters.items()},
        "fermions": {
            f.name: {
                "kind": f.kind,
                "q_left": str(f.q_left),
                "q_right": str(f.q_right),
                "colors": f.colors,
                "multiplicity": f.multiplicity,
                "mass_gev": card.mass_gev(f),
            }
            for f in card.fermions
        },
        "anomaly_sums": sums,
        "digest": card.digest(),
    }
    text = [f"{card.id}: {card.title}", f"reference: {card.reference}", f"charge: {card.charge_name}"]
    if card.charge_norm_squared != 1:
        text.append(f"physical charge = charge x sqrt({card.charge_norm_squared})")
    text.append(f"{'fermion':8s} {'copies':>6s} {'q_left':>18s} {'q_right':>18s} {'mass / GeV':>12s}")
    for f in card.fermions:
        copies = f.multiplicity * f.colors
        text.append(f"{f.name:8s} {copies:6d} {f.q_left!s:>18s} {f.q_right!s:>18s} {card.mass_gev(f):12.5g}")
    text += [f"parameter {name} = {p.value:g}: {p.doc}" for name, p in card.parameters.items()]
    if sums is None:
        text.append("anomaly sums: none (a set of couplings, not a U(1)' gauge theory)")
    else:
        text.append("anomaly sums (left - right): " + ", ".join(f"{name} {value}" for name, value in sums.items()))
    text.append(f"perturbative up to g = {perturbative_coupling(card):.4g}")
    if card.reference_coupling:
        text.append(f"benchmark coupling g = {card.reference_coupling:.4g}")
    _emit(values, as_json, text)


@app.command()
def widths(model: Model, mass: Mass, coupling: Coupling = None, set_: Set = None, as_json: Json = False) -> None:
    """Partial widths, total width and branching ratios.

    Example: zprime-recast widths elusive_bl --mass 4000 --coupling 0.2 --set m_chi=1000
    """
    from .widths import decay_widths

    card = _load(model, set_)
    result = decay_widths(card, _number("--mass", mass), _coupling_of(card, coupling))
    values: dict[str, Any] = {
        "model": card.id,
        "mass_gev": float(result.mass_gev),
        "coupling": float(result.coupling),
        "gamma_gev": float(result.total_gev),
        "gamma_over_m": float(result.total_gev / result.mass_gev),
        "partial_widths_gev": {name: float(w) for name, w in result.partial_gev.items()},
        "branching_ratios": {name: float(b) for name, b in result.branching_ratios.items()},
        "branching_ratios_by_group": {name: float(b) for name, b in result.branching_ratios_by_group.items()},
    }
    text = [f"{card.id}: M = {values['mass_gev']:g} GeV, g = {values['coupling']:.5g}"]
    text.append(f"Gamma = {values['gamma_gev']:.5g} GeV, Gamma/M = {values['gamma_over_m']:.5g}")
    text += [
        f"{name:8s} {w:12.5g} GeV  BR {values['branching_ratios'][name]:.5f}"
        for name, w in values["partial_widths_gev"].items()
    ]
    text.append(
        ", ".join(f"{name.replace('_', ' ')} {b:.4f}" for name, b in values["branching_ratios_by_group"].items())
    )
    _emit(values, as_json, text)


# ---------------------------------------------------------------------------------------------------------------
# Cross-sections


@app.command()
def xsec(
    model: Model,
    mass: Mass,
    coupling: Coupling = None,
    sqrt_s: Annotated[str, typer.Option("--sqrt-s", metavar="GEV", help="Collider energy in GeV.")] = "13000",
    pdf: Pdf = None,
    order: Annotated[str, typer.Option("--order", help="Order of the QCD correction: lo.")] = "lo",
    method: Annotated[str, typer.Option("--method", help="narrow (eq. 4.1) or full (the line shape).")] = "narrow",
    window: Annotated[
        str | None,
        typer.Option("--window", metavar="LOW:HIGH", help="Dilepton masses in GeV for --method full."),
    ] = None,
    lepton: Annotated[str, typer.Option("--lepton", help="e, mu or tau.")] = "e",
    no_interference: NoInterference = False,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """sigma(p p -> Z') x BR(l l) of one lepton flavour.

    Example: zprime-recast xsec ssm --mass 3000 --method full --no-interference
    """
    from .cross_section import sigma_br
    from .errors import UnknownName
    from .luminosity import luminosity_table
    from .model import CHARGED_LEPTONS
    from .pdf import DEFAULT_SET, load_pdf

    if order != "lo":
        raise InputError(f"--order {order}: this version computes lo only")
    if lepton not in CHARGED_LEPTONS:
        raise UnknownName("charged lepton", lepton, CHARGED_LEPTONS)
    card = _load(model, set_)
    lumi = luminosity_table(load_pdf(pdf or DEFAULT_SET), _number("--sqrt-s", sqrt_s))
    low_high = _parse_pair("--window", window) if window else None
    g = _coupling_of(card, coupling)
    result = sigma_br(card, _number("--mass", mass), g, lumi, method, not no_interference, low_high, lepton)
    values = {
        "model": card.id,
        "mass_gev": result.mass_gev,
        "coupling": result.coupling,
        "lepton": lepton,
        "sigma_br_fb": result.sigma_br_fb,
        "order": result.order,
        "k_factor": 1.0,
        "pdf_up_fb": None,
        "pdf_down_fb": None,
        "scale_up_fb": None,
        "scale_down_fb": None,
        "method": result.method,
        "interference": result.interference,
        "window_gev": result.window_gev,
        "gamma_gev": float(result.widths.total_gev),
        "br_ll": float(result.widths.branching_ratios[lepton]),
        "sqrt_s_gev": lumi.sqrt_s_gev,
        "pdf_set": lumi.pdf_set,
        "pdf_member": lumi.pdf_member,
        "warnings": list(result.warnings),
    }
    text = [
        f"sigma x BR({lepton}{lepton}) = {result.sigma_br_fb:.6g} fb  ({result.method}, {result.order}, {lumi.pdf_set})"
    ]
    if result.window_gev:
        content = "signal with interference" if result.interference else "|Z'|^2 alone"
        text.append(f"dilepton mass {result.window_gev[0]:g} to {result.window_gev[1]:g} GeV, {content}")
    text.append(f"Gamma = {values['gamma_gev']:.5g} GeV, BR = {values['br_ll']:.5g}")
    _emit(values, as_json, [*text, *(f"warning: {w}" for w in result.warnings)])


def _parse_pair(name: str, text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"{name} {text}: expected LOW:HIGH in GeV")
    return _number(name, low), _number(name, high)


# ---------------------------------------------------------------------------------------------------------------
# Likelihood and limits


@app.command()
def workspace(
    model: Model,
    mass: Mass,
    output: Annotated[Path, typer.Option("-o", "--output", help="JSON file to write.")],
    coupling: Coupling = None,
    analysis: Analyses = None,
    pdf: Pdf = None,
    no_interference: NoInterference = False,
    set_: Set = None,
) -> None:
    """Write the pyhf workspace of a hypothesis.

    Example: zprime-recast workspace elusive_bl --mass 3000 --coupling 0.05 -o ws.json
    """
    from .contour import write_text
    from .limits import workspace as make_workspace

    card = _load(model, set_)
    mass_gev, g = _number("--mass", mass), _coupling_of(card, coupling)
    spec = make_workspace(card, mass_gev, g, _prepare(analysis, pdf), not no_interference)
    write_text(output, json.dumps(spec, allow_nan=False) + "\n")
    typer.echo(f"wrote {output} ({len(spec['channels'])} bins); parameter of interest mu = 1 at the hypothesis")


@app.command("cls")
def cls_(
    model: Model,
    mass: Mass,
    coupling: Coupling = None,
    analysis: Analyses = None,
    pdf: Pdf = None,
    no_interference: NoInterference = False,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """CLs of a hypothesis, observed and expected.

    Example: zprime-recast cls elusive_bl --mass 3000 --coupling 0.05
    """
    from .contour import provenance
    from .limits import cls

    card = _load(model, set_)
    mass_gev, g = _number("--mass", mass), _coupling_of(card, coupling)
    searches = _prepare(analysis, pdf)
    result = cls(card, mass_gev, g, searches, not no_interference)
    values = {
        "cls_observed": result.cls_observed,
        "cls_expected": list(result.cls_expected),
        "excluded": result.excluded,
        "mass_gev": mass_gev,
        "coupling": g,
        "provenance": provenance(card, searches, not no_interference),
    }
    verdict = "excluded" if result.excluded else "not excluded"
    text = [
        f"{card.id}, M = {mass_gev:g} GeV, g = {g:.5g}: {verdict} at 95% CL",
        f"CLs observed {result.cls_observed:.4g}",
        "CLs expected (-2..+2 sigma) " + ", ".join(f"{v:.4g}" for v in result.cls_expected),
    ]
    _emit(values, as_json, text)


@app.command()
def limit(
    model: Model,
    mass: Mass,
    analysis: Analyses = None,
    pdf: Pdf = None,
    no_interference: NoInterference = False,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Coupling at 95% CL at one mass, observed and expected; the width follows the coupling.

    Example: zprime-recast limit elusive_bl --mass 2000
    """
    from .contour import provenance
    from .limits import limit as find_limit

    card = _load(model, set_)
    mass_gev = _number("--mass", mass)
    searches = _prepare(analysis, pdf)
    result = find_limit(card, mass_gev, searches, not no_interference)
    values = {
        "mass_gev": result.mass_gev,
        "coupling_95_observed": result.coupling_95_observed,
        "coupling_95_expected": list(result.coupling_95_expected),
        "sigma_br_95_observed_fb": result.sigma_br_95_observed_fb,
        "sigma_br_95_expected_fb": list(result.sigma_br_95_expected_fb),
        "gamma_over_m_observed": result.gamma_over_m_observed,
        "coupling_max": result.coupling_max,
        "coupling_max_reason": result.coupling_max_reason,
        "reference_coupling": card.reference_coupling,
        "provenance": provenance(card, searches, not no_interference),
    }
    text = [
        f"{card.id}, M = {mass_gev:g} GeV: 95% CL limit on the coupling",
        f"observed {_show_number(result.coupling_95_observed)}",
        "expected (-2..+2 sigma) " + ", ".join(_show_number(g) for g in result.coupling_95_expected),
        f"sigma x BR observed {_show_number(result.sigma_br_95_observed_fb)} fb per lepton flavour",
    ]
    if None in (result.coupling_95_observed, *result.coupling_95_expected):
        text.append(f"'-': nothing excluded up to g = {result.coupling_max:.4g} ({result.coupling_max_reason})")
    _emit(values, as_json, text)


@app.command("generic-limit")
def generic_limit_(
    analysis: Annotated[str, typer.Argument(metavar="ANALYSIS", help="Analysis id or folder.")],
    mass: Mass,
    width: Annotated[str, typer.Option("--width", "-w", metavar="GAMMA_OVER_M", help="Relative width, 0 to 0.5.")],
    channel: Annotated[str, typer.Option("--channel", help="A channel of the analysis, or ll for all.")] = "ll",
    as_json: Json = False,
) -> None:
    """Limit on sigma x BR of a generic resonance, defined as the experiment does (ATLAS: fiducial, per lepton flavour).

    Example: zprime-recast generic-limit atlas-139fb-dilepton --mass 2000 --width 0.03 --channel ee
    """
    from .limits import generic_limit
    from .model import checked_number
    from .search import load_search
    from .template import fold_search

    mass_gev = _number("--mass", mass)
    gamma_over_m = checked_number("--width", width, low=0.0)
    search = load_search(analysis)
    result = generic_limit(fold_search(search), mass_gev, gamma_over_m, channel)
    values = {
        "analysis": result.analysis,
        "channel": result.channel,
        "mass_gev": result.mass_gev,
        "gamma_over_m": result.gamma_over_m,
        "sigma_br_95_observed_fb": result.sigma_br_95_observed_fb,
        "sigma_br_95_expected_fb": list(result.sigma_br_95_expected_fb),
        "definition": "fiducial cross-section times branching ratio to one lepton flavour",
        "notes": list(search.notes),
    }
    text = [
        f"{result.analysis}, {result.channel}, M = {mass_gev:g} GeV, Gamma/M = {gamma_over_m:g}: 95% CL, fiducial sigma x BR per flavour",
        f"observed {result.sigma_br_95_observed_fb:.5g} fb",
        "expected (-2..+2 sigma) " + ", ".join(f"{v:.5g}" for v in result.sigma_br_95_expected_fb) + " fb",
        *(f"note: {note}" for note in search.notes),
    ]
    _emit(values, as_json, text)


# ---------------------------------------------------------------------------------------------------------------
# Contour


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
            help="N masses in GeV, evenly spaced; default: 25 over the range of the searches.",
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option("--compare", metavar="MODEL", help="Another model in the same figure; repeatable."),
    ] = None,
    pdf: Pdf = None,
    no_interference: NoInterference = False,
    set_: Set = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes; default: one per core.")] = 0,
    as_json: Json = False,
) -> None:
    """Exclusion contour in mass and coupling: files and a figure.

    Example: zprime-recast contour elusive_bl --compare minimal_bl -o contour
    """
    import os

    from .contour import check_writable, contour_json, exclusion_contour, write_contour
    from .plot import plot_contour, save_figure

    if workers < 0:
        raise InputError(f"--workers must be at least 1, found {workers}")
    count = workers or os.cpu_count() or 1
    cards = [_load(model, set_), *(_load(name, None) for name in compare or ())]
    if len({card.id for card in cards}) != len(cards):
        raise InputError("--compare names the same model twice")
    grid = _parse_masses(masses)
    check_writable(output)
    searches = _prepare(analysis, pdf)
    results = []
    with _progress() as progress:
        for card in cards:
            with progress(f"{card.id}", len(grid) if grid is not None else None) as on_point:
                results.append(exclusion_contour(card, grid, searches, not no_interference, count, on_point))
            if not results[-1].complete:
                break
    main_result, others = results[0], results[1:]
    label = " + ".join(f.search.label for f in searches)
    written = write_contour(main_result, output, others)
    written += save_figure(plot_contour(main_result, label, others), output, "contour")
    for mass, message in main_result.errors:
        print(f"zprime-recast: no limit at {mass:g} GeV: {message}", file=sys.stderr)
    if not results[-1].complete:
        raise InputError(f"interrupted; the masses done so far are kept in {output}")
    if as_json:
        typer.echo(json.dumps(contour_json(main_result), allow_nan=False))
    else:
        for result in results:
            _report_contour(result.model, result.mass_limit_gev)
        typer.echo("wrote " + ", ".join(str(path) for path in written))


def _report_contour(card: ZprimeModel, mass_limit: Any) -> None:
    if card.reference_coupling:
        observed, expected = mass_limit(card.reference_coupling)
        typer.echo(
            f"{card.id}: excluded below {_show_number(observed)} GeV (expected {_show_number(expected)}) at g = {card.reference_coupling:.4g}"
        )


def _parse_masses(text: str | None) -> Any:
    if text is None:
        return None
    import numpy as np

    parts = text.split(":")
    if len(parts) != 3:
        raise InputError(f"--masses {text}: expected LOW:HIGH:N")
    low, high = _number("--masses LOW", parts[0]), _number("--masses HIGH", parts[1])
    if not parts[2].isdecimal() or not 1 <= int(parts[2]) <= 10000:
        raise InputError(f"--masses {text}: N must be a whole number from 1 to 10000")
    count = int(parts[2])
    if low > high or (low == high) != (count == 1):
        raise InputError(f"--masses {text}: LOW must be below HIGH, or equal with N = 1")
    return np.linspace(low, high, count)


@contextmanager
def _progress() -> Iterator[Any]:
    """A progress bar on stderr: masses done, masses in all, time used and left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from .contour import DEFAULT_POINTS

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:

        @contextmanager
        def track(name: str, total: int | None) -> Iterator[Any]:
            task = bar.add_task(name, total=total or DEFAULT_POINTS)

            def on_point(_: LimitResult | None) -> None:
                bar.advance(task)

            yield on_point

        yield track


if __name__ == "__main__":
    main()
