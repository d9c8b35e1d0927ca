"""Commands on events: generate, histogram, template."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from ._shared import (
    Analyses,
    Coupling,
    Json,
    Mass,
    Model,
    NoInterference,
    Order,
    Pdf,
    Set,
    app,
    emit,
    load_with,
    mass_and_coupling,
    positive_number,
)

_FIGURES = (".png", ".pdf", ".svg")

CrossSection = Annotated[
    str | None,
    typer.Option(
        "--cross-section",
        metavar="FB",
        help="Cross-section of the whole sample in fb, events without a pair included; default: that of the files.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="NAME=BRANCH",
        help="Branches of a tree of another program, e.g. 'lminus_pt=Muon_pt[0] ...', or a .toml file; repeatable.",
    ),
]
Combine = Annotated[
    str | None,
    typer.Option(
        "--combine",
        metavar="HOW",
        help="add (slices of a process) or average (runs of one process); default: decided from the files, and said.",
    ),
]


@app.command()
def generate(
    model: Model,
    mass: Mass,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File: .root, .parquet, .lhe, .lhe.gz, .hepmc3 or .hepmc3.gz.")
    ],
    number: Annotated[str, typer.Option("-n", "--number", metavar="N", help="Number of events, e.g. 1e6.")] = "10000",
    seed: Annotated[int, typer.Option("--seed", help="Whole number >= 0; the same seed gives the same events.")] = 1,
    coupling: Coupling = None,
    mode: Annotated[
        str,
        typer.Option("--mode", help="full (photon, Z, Z'), zprime, sm, or signal (full - sm, weights of both signs)."),
    ] = "full",
    window: Annotated[
        str | None,
        typer.Option(
            "--window", metavar="LOW:HIGH", help="Range of dilepton masses in GeV. Default: from M/2 upwards."
        ),
    ] = None,
    lepton: Annotated[str, typer.Option("--lepton", help="e, mu or tau.")] = "e",
    pt_min: Annotated[str, typer.Option("--pt-min", metavar="GEV", help="Smallest pt of both leptons.")] = "0",
    eta_max: Annotated[str, typer.Option("--eta-max", help="Largest |eta| of both leptons.")] = "inf",
    sqrt_s: Annotated[str, typer.Option("--sqrt-s", metavar="GEV", help="Collider energy in GeV.")] = "13000",
    pdf: Pdf = None,
    member: Annotated[int, typer.Option("--member", help="Member of the PDF set; 0 is the central one.")] = 0,
    order: Order = None,
    workers: Annotated[int, typer.Option("--workers", help="Threads; the events do not depend on their number.")] = 1,
    rntuple: Annotated[
        bool, typer.Option("--rntuple", help="Write an RNTuple instead of a TTree (ROOT files).")
    ] = False,
    no_interference: NoInterference = False,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Generate unweighted events p p -> gamma/Z/Z' -> l- l+ and write them to a file.

    Example: zprime-recast generate ssm --mass 3000 -n 1e6 --seed 1 -o events.root
    """
    from ..events.sample import checked_count, event_source
    from ..events.storage import format_of, write_events
    from ..io.files import check_output
    from ..partons.luminosity_set import DEFAULT_ORDER
    from ..partons.pdf import DEFAULT_SET
    from ..process.final_state import LeptonCuts

    n = checked_count(_whole("-n", number))
    kind = format_of(output)
    if rntuple and kind != ".root":
        raise InputError("--rntuple needs an output file that ends in .root")
    if workers < 1:
        raise InputError(f"--workers must be at least 1, found {workers}")
    card = load_with(model, set_)
    cuts = LeptonCuts(_number("--pt-min", pt_min), _number("--eta-max", eta_max))
    mass_gev, g = mass_and_coupling(card, mass, coupling)
    check_output(output)
    source = event_source(
        card,
        mass_gev,
        g,
        mode,  # type: ignore[arg-type]  # checked there
        lepton=lepton,
        sqrt_s_gev=positive_number("--sqrt-s", sqrt_s),
        pdf=pdf or DEFAULT_SET,
        member=member,
        order=order or DEFAULT_ORDER,
        window_gev=_pair("--window", window) if window else None,
        cuts=cuts,
        interference=not no_interference,
        seed=seed,
    )
    with _progress(f"{n} events", n) as on_events:
        write_events(output, source.stream(n, workers, on_events), rntuple=rntuple)
    values = {"file": str(output), **source.info(n)}
    text = [
        f"wrote {output}: {n} events of {card.id}, {mode}, seed {seed}",
        f"cross-section {source.cross_section_fb:.6g} +- {source.cross_section_error_fb:.2g} fb "
        f"({source.process.lumi.order}, {source.process.pdf.info.name})",
        *(f"warning: {warning}" for warning in source.warnings),
    ]
    emit(values, as_json, text)


@app.command()
def shower(
    events: Annotated[
        Path, typer.Argument(metavar="FILE", help="Event file with incoming partons: generated here, or LHE.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File of dressed leptons: .root or .parquet.")],
    seed: Annotated[int, typer.Option("--seed", help="Seed of Pythia, from 1 to 899999999.")] = 1,
    no_isr: Annotated[bool, typer.Option("--no-isr", help="No radiation of the incoming partons.")] = False,
    no_fsr: Annotated[bool, typer.Option("--no-fsr", help="No radiation of the leptons.")] = False,
    hadronise: Annotated[
        bool, typer.Option("--hadronise", help="Also simulate hadrons and multiple interactions.")
    ] = False,
    cross_section: CrossSection = None,
    combine: Combine = None,
) -> None:
    """Shower events with Pythia (extra [shower]) and write the dressed leptons.

    Example: zprime-recast shower events.root -o showered.root
    """
    from ..events.records import batches
    from ..events.shower import shower_events
    from ..events.storage import format_of, stream_events, write_events

    if format_of(output) not in (".root", ".parquet"):
        raise InputError(f"{output}: showered events can be written only to .root or .parquet")
    sigma = _cross_section(cross_section)
    done = 0

    def showered(on_events: Callable[[int], object]) -> Iterator[Any]:
        nonlocal done
        pieces = (piece for batch in stream_events(events, sigma, combine) for piece in batches(batch, 20_000))
        for number, piece in enumerate(pieces):
            result = shower_events(piece, seed + number, not no_isr, not no_fsr, hadronise)
            done += len(result)
            on_events(len(piece))
            yield result

    with _progress("events", None) as on_events:
        write_events(output, showered(on_events))
    typer.echo(f"wrote {output}: {done} events")


@app.command("histogram")
def histogram_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Event files of any format.")],
    variable: Annotated[str, typer.Option("--variable", "-v", help="m_ll, y_ll, cos_theta_cs, lepton_pt ...")] = "m_ll",
    bins: Annotated[int, typer.Option("--bins", help="Number of equal bins.")] = 50,
    range_: Annotated[str | None, typer.Option("--range", metavar="LOW:HIGH", help="Range of the axis.")] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option("-o", "--output", help="File to write: .root, .png, .pdf or .svg; repeatable."),
    ] = None,
    prediction: Annotated[
        bool, typer.Option("--prediction", help="Overlay the prediction by integration (for files of zprime-recast).")
    ] = False,
    cross_section: CrossSection = None,
    combine: Combine = None,
    columns: Columns = None,
    as_json: Json = False,
) -> None:
    """Histogram a variable of event files, in fb per bin with errors, as a ROOT file or a figure.

    Example: zprime-recast histogram events.root --variable m_ll --prediction -o m_ll.png -o m_ll.root
    """
    import numpy as np

    from ..events.column_map import load_column_map
    from ..events.histograms import default_edges, histogram, predicted, values_of, write_root
    from ..events.storage import stream_events

    for path in output or ():
        if path.suffix not in (".root", *_FIGURES):
            raise InputError(f"{path}: a histogram can be written only to .root, {', '.join(_FIGURES)}")
    sigma, column_map = _cross_section(cross_section), load_column_map(columns or ())
    found = stream_events(files[0], sigma, combine, column_map)
    first = next(found)
    values_of(first[:0], variable)
    while not len(first) and (batch := next(found, None)) is not None:
        first = batch
    edges = default_edges(first, variable, bins)
    if range_:
        low, high = _pair("--range", range_, positive=False)
        edges = np.linspace(low, high, bins + 1)
    filled, infos, warnings = [], [], []
    for path in files:
        seen: dict[str, Any] = {}
        statement: Any = None

        def batches(path: Path = path, seen: dict[str, Any] = seen) -> Iterator[Any]:
            nonlocal statement
            for batch in stream_events(path, sigma, combine, column_map):
                statement = batch.statement
                seen.update(batch.info)
                yield batch

        filled.append(histogram(batches(), variable, edges))
        if not sum(statement.pairs.values()):
            raise InputError(f"{path}: no pair of leptons in {statement.contents}")
        warnings += [f"{path}: {text}" for text in statement.warnings]
        infos.append(seen)
    expected = [predicted(info, variable, edges) if prediction else None for info in infos]
    names = _names(files)
    for path in output or ():
        if path.suffix == ".root":
            write_root(path, dict(zip(names, filled, strict=True)))
        else:
            from ..report.events_figure import plot_histograms, write_figure

            write_figure(plot_histograms(filled, names, expected), path)
    values = {
        "variable": variable,
        "edges": edges.tolist(),
        "histograms": [
            {
                "file": str(path),
                "values_fb": one.values().tolist(),
                "variances_fb2": one.variances().tolist(),
                "prediction_fb": None if guess is None else guess.tolist(),
            }
            for path, one, guess in zip(files, filled, expected, strict=True)
        ],
        "warnings": warnings,
    }
    text = [f"wrote {path}" for path in output or ()]
    if not output:
        text = [f"{'from':>12s} {'to':>12s}" + "".join(f" {name[:24]:>24s}" for name in names)]
        for j in range(len(edges) - 1):
            cells = [f"{one.values()[j]:.5g} +- {one.variances()[j] ** 0.5:.2g}" for one in filled]
            text.append(f"{edges[j]:12.5g} {edges[j + 1]:12.5g}" + "".join(f" {cell:>24s}" for cell in cells))
    emit(values, as_json, [*text, *(f"warning: {w}" for w in warnings)])


@app.command()
def template(
    events: Annotated[
        list[Path],
        typer.Option("--events", help="Event file of the signal, with pairs of leptons; repeatable (see --combine)."),
    ],
    analysis: Analyses = None,
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", help="Channel to use; repeatable. Default: each that has pairs of its flavour."),
    ] = None,
    universal: Annotated[
        bool,
        typer.Option("--universal", help="The pairs, of one flavour, stand for those of every flavour."),
    ] = False,
    cross_section: CrossSection = None,
    combine: Combine = None,
    columns: Columns = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="pyhf workspace to write (JSON).")] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Only the expected signal, no limit.")] = False,
    as_json: Json = False,
) -> None:
    """Make the signal template of a search from events, and set a limit on its strength.

    Each pair goes to the channel of its flavour.

    Example: zprime-recast template --events signal.root --analysis atlas-139fb-dilepton
    """
    from ..events.column_map import load_column_map
    from ..events.storage import stream_events
    from ..io.files import write_text
    from ..likelihood.workspace import build_workspace
    from ..limits.injected import strength_limit
    from ..searches.search import DEFAULT_ANALYSES
    from ..searches.spectrum import load_spectrum
    from ..signal.fold import fold_search
    from ..signal.from_events import event_templates

    sigma = _cross_section(cross_section)
    stream = stream_events(events, sigma, combine, load_column_map(columns or ()))
    searches = [fold_search(load_spectrum(name)) for name in analysis or DEFAULT_ANALYSES]
    templates = event_templates(searches, stream, channel, universal=universal)
    first = templates[0]
    warnings = list(dict.fromkeys(w for t in templates for w in t.warnings))
    values: dict[str, Any] = {
        "events": first.events,
        "contents": first.contents,
        "cross_section_fb": first.cross_section_fb,
        "cross_section_from": first.basis,
        "analyses": {
            t.search.id: {
                "acceptance": t.acceptance,
                "channel_fb": dict(t.channel_fb),
                "yields": {name: y.tolist() for name, y in t.yields.items()},
                "statistical_errors": {name: e.tolist() for name, e in t.errors.items()},
                "edges_gev": {name: t.search.channel(name).edges_gev.tolist() for name in t.yields},
            }
            for t in templates
        },
        "warnings": warnings,
    }
    text = [f"{first.contents}; cross-section {first.cross_section_fb:.5g} fb ({first.basis})"]
    for t in templates:
        sums = ", ".join(f"{name} {y.sum():.4g} (of {t.channel_fb[name]:.4g} fb)" for name, y in t.yields.items())
        text.append(f"{t.search.id}: acceptance {t.acceptance:.4f}, expected events {sums}")
    if output:
        write_text(output, json.dumps(build_workspace([t.signal for t in templates]), allow_nan=False) + "\n")
        text.append(f"wrote {output}")
    if not no_limit:
        result = strength_limit(templates)
        values |= {**result.to_dict(), "warnings": list(dict.fromkeys([*warnings, *result.warnings]))}
        text += [
            f"95% CL limit on the signal strength: observed {result.mu_95_observed:.4g}",
            "expected (-2..+2 sigma) " + ", ".join(f"{mu:.4g}" for mu in result.mu_95_expected),
            f"cross-section observed {result.sigma_95_observed_fb:.4g} fb; CLs of the sample {result.cls_observed:.4g}",
        ]
    emit(values, as_json, [*text, *(f"warning: {w}" for w in values["warnings"])])


def _cross_section(text: str | None) -> float | None:
    return None if text is None else positive_number("--cross-section", text)


def _whole(name: str, text: str) -> int:
    """A whole number from text such as 1e6."""
    try:
        value = float(text)
        if value != int(value):
            raise ValueError
    except (ValueError, OverflowError):
        raise InputError(f"{name} {text}: expected a whole number, e.g. 1e6") from None
    return int(value)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name} {text}: expected a number") from None


def _pair(name: str, text: str, positive: bool = True) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"{name} {text}: expected LOW:HIGH")
    read = positive_number if positive else _number
    pair = read(name, low), read(name, high)
    if not pair[0] < pair[1]:
        raise InputError(f"{name} {text}: empty, expected LOW < HIGH")
    return pair


def _names(files: list[Path]) -> list[str]:
    """A short name for each file: its own, with a number if it occurs twice."""
    names: list[str] = []
    for path in files:
        stem = path.name.split(".")[0] or "events"
        names.append(stem if stem not in names else f"{stem}_{len(names) + 1}")
    return names


@contextmanager
def _progress(text: str, total: int | None) -> Iterator[Callable[[int], object]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=total)
        yield lambda done: bar.advance(task, done)
