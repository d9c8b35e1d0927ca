"""Commands for hypotheses and limits: workspace, cls, limit, generic-limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ._shared import (
    Analyses,
    Calculator,
    Coupling,
    Fitter,
    Json,
    Mass,
    Model,
    NoInterference,
    NoTheory,
    Order,
    Pdf,
    Seed,
    Set,
    Toys,
    app,
    coupling_or_reference,
    emit,
    format_number,
    load_with,
    positive_number,
    prepare_searches,
)


@app.command()
def workspace(
    model: Model,
    mass: Mass,
    output: Annotated[Path, typer.Option("-o", "--output", help="Workspace to write (.json).")],
    coupling: Coupling = None,
    analysis: Analyses = None,
    pdf: Pdf = None,
    order: Order = None,
    no_theory: NoTheory = False,
    no_interference: NoInterference = False,
    set_: Set = None,
) -> None:
    """Write the pyhf workspace of one hypothesis. An analysis that publishes only a limit curve has none.

    Example: zprime-recast workspace elusive_bl --mass 3000 --coupling 0.05 -o ws.json
    """
    from ..io.files import write_text
    from ..limits.hypothesis import workspace as make_workspace

    card = load_with(model, set_)
    mass_gev, g = positive_number("--mass", mass), coupling_or_reference(card, coupling)
    spec = make_workspace(card, mass_gev, g, prepare_searches(analysis, pdf, order, no_theory), not no_interference)
    write_text(output, json.dumps(spec, allow_nan=False) + "\n")
    typer.echo(f"wrote {output} ({len(spec['channels'])} bins); parameter of interest mu = 1 at the hypothesis")


@app.command("cls")
def cls_(
    model: Model,
    mass: Mass,
    coupling: Coupling = None,
    analysis: Analyses = None,
    pdf: Pdf = None,
    order: Order = None,
    no_theory: NoTheory = False,
    no_interference: NoInterference = False,
    set_: Set = None,
    calculator: Calculator = None,
    fitter: Fitter = "newton",
    n_toys: Toys = None,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Compute the observed and expected CLs of one hypothesis.

    For an analysis that publishes only a limit curve: compute the rate over the limit; neither toys nor pyhf apply.

    Example: zprime-recast cls elusive_bl --mass 3000 --coupling 0.05
    """
    from ..limits.hypothesis import cls

    card = load_with(model, set_)
    mass_gev, g = positive_number("--mass", mass), coupling_or_reference(card, coupling)
    searches = prepare_searches(analysis, pdf, order, no_theory)
    result = cls(card, mass_gev, g, searches, not no_interference, calculator, fitter, n_toys, seed)
    verdict = "excluded" if result.excluded else "not excluded"
    head = f"{card.id}, M = {mass_gev:g} GeV, g = {g:.5g}: {verdict} at 95% CL"
    ratios = (result.signal_over_limit_observed, result.signal_over_limit_expected)
    over_limit = [f"rate over limit: observed {format_number(ratios[0])}, expected {format_number(ratios[1])}"]
    both = [
        f"CLs observed {result.cls_observed:.4g}",
        "CLs expected (-2..+2 sigma) " + ", ".join(f"{v:.4g}" for v in result.cls_expected),
    ]
    lines = over_limit if result.provenance.kind == "limit-curve" else both
    emit(result.to_dict(), as_json, [head, *lines, *(f"warning: {w}" for w in result.warnings)])


@app.command()
def limit(
    model: Model,
    mass: Mass,
    analysis: Analyses = None,
    pdf: Pdf = None,
    order: Order = None,
    no_theory: NoTheory = False,
    no_interference: NoInterference = False,
    set_: Set = None,
    calculator: Calculator = None,
    fitter: Fitter = "newton",
    n_toys: Toys = None,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Compute the observed and expected 95% CL limits on the coupling at one mass; the width follows the coupling.

    An analysis that publishes only a limit curve has no toys; --fitter pyhf does not apply to it either.

    Example: zprime-recast limit elusive_bl --mass 2000
    """
    from ..limits.hypothesis import limit as find_limit

    card = load_with(model, set_)
    mass_gev = positive_number("--mass", mass)
    searches = prepare_searches(analysis, pdf, order, no_theory)
    result = find_limit(card, mass_gev, searches, not no_interference, calculator, fitter, n_toys, seed)
    pair, tev = result.sigma_br_flavor, result.sigma_br_sqrt_s_gev / 1000
    text = [
        f"{card.id}, M = {mass_gev:g} GeV: 95% CL limit on the coupling",
        f"observed {format_number(result.coupling_95_observed)}",
        "expected (-2..+2 sigma) " + ", ".join(format_number(g) for g in result.coupling_95_expected),
        f"sigma x BR({pair}) observed {format_number(result.sigma_br_95_observed_fb)} fb at {tev:g} TeV",
    ]
    if any(g != g for g in (result.coupling_95_observed, *result.coupling_95_expected)):
        text.append(f"'-': nothing excluded up to g = {result.coupling_max:.4g} ({result.coupling_max_reason[0]})")
    emit(result.to_dict(), as_json, [*text, *(f"warning: {w}" for _, w in result.warnings)])


@app.command("generic-limit")
def generic_limit_(
    analysis: Annotated[str, typer.Argument(metavar="ANALYSIS", help="Analysis id or folder.")],
    mass: Mass,
    width: Annotated[
        str, typer.Option("--width", "-w", metavar="GAMMA_OVER_M", help="Relative width Gamma/M, 0 to 0.5.")
    ],
    channel: Annotated[
        str, typer.Option("--channel", help="Channel of the analysis, or ll for all of them together.")
    ] = "ll",
    calculator: Calculator = None,
    n_toys: Toys = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="S", help="Seed of the toys; default: 1, or that of the card.")
    ] = None,
    spectrum_bins: Annotated[
        bool,
        typer.Option("--spectrum-bins", help="Compute expected limits, like observed ones, in the published bins."),
    ] = False,
    fit: Annotated[
        str | None,
        typer.Option(
            "--fit",
            metavar="NAME",
            help="windows: the fit of the collaboration ([resonance_fit] of the card), or all-bins: one background for "
            "all bins, as for models; default: windows where the card has them.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute the limit on sigma x BR of a generic resonance, per lepton flavour and as the experiment defines it.

    ATLAS quotes fiducial cross-sections, CMS total ones. In all bins every calculator but auto applies (default: toys),
    in windows only bayes.

    Example: zprime-recast generic-limit atlas-139fb-dilepton --mass 2000 --width 0.03 --channel ee
    """
    from ..arrays import checked_number
    from ..limits.resonance import resonance_limit

    mass_gev = positive_number("--mass", mass)
    gamma_over_m = checked_number("--width", width, low=0.0)
    result = resonance_limit(analysis, mass_gev, gamma_over_m, channel, calculator, spectrum_bins, n_toys, seed, fit)
    bins = result.expected_bins
    text = [
        f"{result.analysis}, {result.channel}, M = {mass_gev:g} GeV, Gamma/M = {gamma_over_m:g}",
        f"95% {'credibility' if result.calculator == 'bayes' else 'CL'} limit on the {result.definition}; "
        f"calculator {result.calculator}, fit {result.fit}",
        f"observed {result.sigma_br_95_observed_fb:.5g} fb",
        "expected (-2..+2 sigma) " + ", ".join(format_number(x) for x in result.sigma_br_95_expected_fb) + " fb",
        *(
            [f"expected limits in bins of {100 * bins:g} %, observed limit in the bins of the published spectrum"]
            if bins
            else []
        ),
        *(f"note: {note}" for note in result.notes),
    ]
    emit(result.to_dict(), as_json, text)
