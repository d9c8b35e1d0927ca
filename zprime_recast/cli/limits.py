"""Commands on hypotheses: workspace, cls, limit, generic-limit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UnknownName
from ._shared import (
    Analyses,
    Coupling,
    Json,
    Mass,
    Model,
    NoInterference,
    NoTheory,
    Order,
    Pdf,
    Set,
    app,
    coupling_or_reference,
    emit,
    format_number,
    load_with,
    positive_number,
    prepare_searches,
)

Toys = Annotated[int, typer.Option("-n", metavar="N", help="Toys of each hypothesis (--calculator toys).")]
Seed = Annotated[int, typer.Option("--seed", metavar="S", help="Seed of the toys.")]


@app.command()
def workspace(
    model: Model,
    mass: Mass,
    output: Annotated[Path, typer.Option("-o", "--output", help="JSON file to write.")],
    coupling: Coupling = None,
    analysis: Analyses = None,
    pdf: Pdf = None,
    order: Order = None,
    no_theory: NoTheory = False,
    no_interference: NoInterference = False,
    set_: Set = None,
) -> None:
    """Write the pyhf workspace of a hypothesis.

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
    calculator: Annotated[str, typer.Option("--calculator", metavar="NAME", help="asymptotic or toys.")] = "asymptotic",
    n_toys: Toys = 2000,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """CLs of a hypothesis, observed and expected.

    Example: zprime-recast cls elusive_bl --mass 3000 --coupling 0.05
    """
    from ..limits.curve import CurveTest
    from ..limits.hypothesis import cls
    from ..limits.provenance import provenance

    card = load_with(model, set_)
    mass_gev, g = positive_number("--mass", mass), coupling_or_reference(card, coupling)
    searches = prepare_searches(analysis, pdf, order, no_theory)
    result = cls(card, mass_gev, g, searches, not no_interference, calculator, n_toys, seed)
    verdict = "excluded" if result.excluded else "not excluded"
    head = f"{card.id}, M = {mass_gev:g} GeV, g = {g:.5g}: {verdict} at 95% CL"
    if isinstance(result, CurveTest):
        ratios = (result.signal_over_limit_observed, result.signal_over_limit_expected)
        own: dict[str, Any] = {
            "cls_observed": None,
            "cls_expected": [None] * 5,
            "signal_over_limit_observed": ratios[0],
            "signal_over_limit_expected": ratios[1],
        }
        lines = [f"rate over limit: observed {format_number(ratios[0])}, expected {format_number(ratios[1])}"]
    else:
        own = {"cls_observed": result.cls_observed, "cls_expected": list(result.cls_expected)}
        lines = [
            f"CLs observed {result.cls_observed:.4g}",
            "CLs expected (-2..+2 sigma) " + ", ".join(f"{v:.4g}" for v in result.cls_expected),
        ]
    values = {
        **own,
        "excluded": result.excluded,
        "mass_gev": mass_gev,
        "coupling": g,
        "kind": "limit-curve" if isinstance(result, CurveTest) else "likelihood",
        "warnings": list(result.warnings),
        "calculator": calculator,
        "provenance": {**provenance(card, searches, not no_interference), "calculator": calculator},
    }
    emit(values, as_json, [head, *lines, *(f"warning: {w}" for w in result.warnings)])


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
    as_json: Json = False,
) -> None:
    """Coupling at 95% CL at one mass, observed and expected; the width follows the coupling.

    Example: zprime-recast limit elusive_bl --mass 2000
    """
    from ..limits.hypothesis import limit as find_limit
    from ..limits.provenance import provenance

    card = load_with(model, set_)
    mass_gev = positive_number("--mass", mass)
    searches = prepare_searches(analysis, pdf, order, no_theory)
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
        "kind": result.kind,
        "warnings": list(result.warnings),
        "provenance": provenance(card, searches, not no_interference),
    }
    text = [
        f"{card.id}, M = {mass_gev:g} GeV: 95% CL limit on the coupling",
        f"observed {format_number(result.coupling_95_observed)}",
        "expected (-2..+2 sigma) " + ", ".join(format_number(g) for g in result.coupling_95_expected),
        f"sigma x BR observed {format_number(result.sigma_br_95_observed_fb)} fb per lepton flavour",
    ]
    if None in (result.coupling_95_observed, *result.coupling_95_expected):
        text.append(f"'-': nothing excluded up to g = {result.coupling_max:.4g} ({result.coupling_max_reason})")
    emit(values, as_json, [*text, *(f"warning: {w}" for w in result.warnings)])


@app.command("generic-limit")
def generic_limit_(
    analysis: Annotated[str, typer.Argument(metavar="ANALYSIS", help="Analysis id or folder.")],
    mass: Mass,
    width: Annotated[str, typer.Option("--width", "-w", metavar="GAMMA_OVER_M", help="Relative width, 0 to 0.5.")],
    channel: Annotated[str, typer.Option("--channel", help="A channel of the analysis, or ll for all.")] = "ll",
    calculator: Annotated[
        str, typer.Option("--calculator", metavar="NAME", help="asymptotic (CLs), bayes (flat prior) or toys (CLs).")
    ] = "asymptotic",
    n_toys: Toys = 2000,
    seed: Seed = 1,
    spectrum_bins: Annotated[
        bool,
        typer.Option("--spectrum-bins", help="Expected limits in the bins of the spectrum, too."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Limit on sigma x BR of a generic resonance, as the experiment defines it (ATLAS: fiducial, CMS: total; per lepton
    flavour).

    Example: zprime-recast generic-limit atlas-139fb-dilepton --mass 2000 --width 0.03 --channel ee
    """
    from ..arrays import checked_number
    from ..limits.resonance import CALCULATORS, generic_limit, generic_toy_limit
    from ..searches.spectrum import load_search
    from ..signal.fold import fold_search

    mass_gev = positive_number("--mass", mass)
    gamma_over_m = checked_number("--width", width, low=0.0)
    if calculator not in CALCULATORS:
        raise UnknownName("calculator", calculator, CALCULATORS)
    search = load_search(analysis)
    folded = fold_search(search)
    if calculator == "toys":
        result = generic_toy_limit(folded, mass_gev, gamma_over_m, channel, n_toys, seed)
    else:
        result = generic_limit(folded, mass_gev, gamma_over_m, channel, calculator, spectrum_bins)
    bins = search.expected_bins if calculator == "asymptotic" and not spectrum_bins else None
    limits = [x if math.isfinite(x) else None for x in result.sigma_br_95_expected_fb]
    values = {
        "analysis": result.analysis,
        "channel": result.channel,
        "mass_gev": result.mass_gev,
        "gamma_over_m": result.gamma_over_m,
        "sigma_br_95_observed_fb": result.sigma_br_95_observed_fb,
        "sigma_br_95_expected_fb": limits,
        "calculator": result.calculator,
        "expected_bins": bins,
        "definition": search.limit_definition,
        "notes": list(search.notes),
    }
    text = [
        f"{result.analysis}, {result.channel}, M = {mass_gev:g} GeV, Gamma/M = {gamma_over_m:g}",
        f"95% {'credibility' if calculator == 'bayes' else 'CL'} limit on the {search.limit_definition}",
        f"observed {result.sigma_br_95_observed_fb:.5g} fb",
        "expected (-2..+2 sigma) " + ", ".join(format_number(x) for x in limits) + " fb",
        *([f"expected in bins of {100 * bins:g} %, observed in those of the published spectrum"] if bins else []),
        *(f"note: {note}" for note in search.notes),
    ]
    emit(values, as_json, text)
