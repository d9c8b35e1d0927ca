"""Commands for models and cross sections: list, show, widths, xsec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError, ZprimeError
from ._shared import (
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
    luminosities,
    mass_and_coupling,
    positive_number,
)

#: Mass of the Z' (GeV) at which `show` quotes the coupling of a Landau pole.
SHOWN_MASS_GEV = 3000.0
_LISTS = ("models", "analyses", "pdfs")


@app.command("list")
def list_(what: Annotated[str, typer.Argument(metavar="models|analyses|pdfs")], as_json: Json = False) -> None:
    """List models, analyses or PDF sets.

    Example: zprime-recast list models
    """
    found: Mapping[str, Path]
    title: Callable[[Path], str]
    if what == "models":
        from ..model.card import list_models, load_model

        found, title = list_models(), lambda path: load_model(path).title
    elif what == "analyses":
        from ..io.cards import read_toml
        from ..searches.search import list_analyses

        found, title = list_analyses(), lambda folder: read_toml(folder / "card.toml").text("title")
    elif what == "pdfs":
        from ..partons.pdf_files import list_sets, read_set_info

        found, title = list_sets(), lambda folder: read_set_info(folder).description
    else:
        from ..errors import UnknownName

        raise UnknownName("list", what, _LISTS)
    rows = {}
    for name, path in found.items():
        try:
            rows[name] = title(path)
        except ZprimeError as err:  # one broken file must not hide the others
            rows[name] = f"unusable: {err}"
    emit({what: rows}, as_json, [f"{name:24s} {title}" for name, title in rows.items()])


@app.command()
def show(model: Model, set_: Set = None, as_json: Json = False) -> None:
    """Show the charges, anomaly sums, parameters and reference of a model.

    Example: zprime-recast show elusive_bl
    """
    from ..model.running import LANDAU_SCALE_GEV, beta_coefficient, coupling_with_pole_at
    from ..model.zprime import anomaly_sums, perturbative_coupling

    card = load_with(model, set_)
    pole = coupling_with_pole_at(card, SHOWN_MASS_GEV, LANDAU_SCALE_GEV) if card.fields else None
    found = anomaly_sums(card) if card.fields else None
    sums = None if found is None else {n: f"{v:.3g}" if isinstance(v, float) else str(v) for n, v in found.items()}
    values: dict[str, Any] = {
        "id": card.id,
        "title": card.title,
        "reference": card.reference,
        "charge": card.charge_name,
        "charge_norm_squared": str(card.charge_norm_squared),
        "reference_coupling": card.reference_coupling,
        "coupling_perturbative": perturbative_coupling(card),
        "running": None
        if pole is None
        else {
            "beta_coefficient": beta_coefficient(card),
            "coupling_with_landau_pole": pole,
            "landau_pole_gev": LANDAU_SCALE_GEV,
            "mass_gev": SHOWN_MASS_GEV,
        },
        "parameters": {name: {"value": p.value, "doc": p.doc} for name, p in card.parameters.items()},
        "fermions": {
            f.name: {
                "kind": f.kind,
                "q_left": str(f.q_left),
                "q_right": str(f.q_right),
                "formulas": {k: q.formula.text for k, q in (("q_left", f.q_left), ("q_right", f.q_right)) if q.formula},
                "colors": f.colors,
                "multiplicity": f.multiplicity,
                "mass_gev": card.mass_gev(f),
            }
            for f in card.fermions
        },
        "decays": {
            d.name: {
                "width_over_g2" if d.scales else "width": d.width.text,
                "threshold": d.threshold.text if d.threshold else None,
                "visible": d.visible,
                "pdg_ids": list(d.pdg_ids),
                "doc": d.doc,
            }
            for d in card.decays
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
    formulas: dict[str, list[str]] = {}
    for f in card.fermions:
        for side, charge in (("L", f.q_left), ("R", f.q_right)):
            if charge.formula:
                formulas.setdefault(charge.formula.text, []).append(f"{f.name}_{side}")
    text += [f"charge of {', '.join(names)} = {formula}" for formula, names in formulas.items()]
    text += [f"{name} = {formula.text}" for name, formula in card.definitions.items()]
    for d in card.decays:
        kind, seen = "g^2 " if d.scales else "", "" if d.visible else ", invisible"
        above = f" above M = {d.threshold.text}" if d.threshold else ""
        text.append(f"width to {d.name} = {kind}({d.width.text}) GeV{above}{seen}")
    text += [f"parameter {name} = {p.value:g}: {p.doc}" for name, p in card.parameters.items()]
    if sums is None:
        text.append("anomaly sums: none (a set of couplings, not a U(1)' gauge theory)")
    else:
        text.append("anomaly sums (left - right): " + ", ".join(f"{name} {value}" for name, value in sums.items()))
    text.append(f"perturbative up to g = {perturbative_coupling(card):.4g}")
    if pole is not None:
        scale = f"{LANDAU_SCALE_GEV / 1000:g} TeV for M = {SHOWN_MASS_GEV / 1000:g} TeV"
        text.append(f"running: b = {beta_coefficient(card):.4g}, Landau pole (one loop) at {scale} and g = {pole:.4g}")
    if card.reference_coupling:
        text.append(f"benchmark coupling g = {card.reference_coupling:.4g}")
    emit(values, as_json, text)


@app.command()
def widths(model: Model, mass: Mass, coupling: Coupling = None, set_: Set = None, as_json: Json = False) -> None:
    """Compute partial widths, the total width and branching ratios.

    Example: zprime-recast widths elusive_bl --mass 4000 --coupling 0.2 --set m_chi=1000
    """
    from ..model.running import LANDAU_SCALE_GEV, landau_pole_gev
    from ..model.widths import decay_widths

    card = load_with(model, set_)
    result = decay_widths(card, *mass_and_coupling(card, mass, coupling))
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
    if card.fields:
        scale = float(landau_pole_gev(card, result.mass_gev, result.coupling))
        values["landau_pole_gev"] = scale if isfinite(scale) else None
        if scale < LANDAU_SCALE_GEV:
            text.append(f"warning: the coupling has a Landau pole at {scale / 1000:.4g} TeV (one loop)")
    text += [
        f"{name:8s} {w:12.5g} GeV  BR {values['branching_ratios'][name]:.5f}"
        for name, w in values["partial_widths_gev"].items()
    ]
    text.append(
        ", ".join(f"{name.replace('_', ' ')} {b:.4f}" for name, b in values["branching_ratios_by_group"].items())
    )
    emit(values, as_json, text)


# ---------------------------------------------------------------------------------------------------------------
# Cross sections


@app.command()
def xsec(
    model: Model,
    mass: Mass,
    coupling: Coupling = None,
    sqrt_s: Annotated[str, typer.Option("--sqrt-s", metavar="GEV", help="Collider energy in GeV.")] = "13000",
    pdf: Pdf = None,
    member: Annotated[int, typer.Option("--member", help="Member of the PDF set; 0 is the central member.")] = 0,
    order: Order = None,
    method: Annotated[
        str, typer.Option("--method", help="narrow (narrow width, eq. 4.1) or full (line shape).")
    ] = "narrow",
    window: Annotated[
        str | None,
        typer.Option("--window", metavar="LOW:HIGH", help="Range of dilepton masses in GeV for --method full."),
    ] = None,
    lepton: Annotated[
        str | None, typer.Option("--lepton", help="e, mu or tau; default: the first the Z' couples to.")
    ] = None,
    confidence_level: Annotated[
        str, typer.Option("--cl", metavar="PERCENT", help="Confidence level of the PDF uncertainty.")
    ] = "68.27",
    no_interference: NoInterference = False,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Compute sigma(p p -> Z') x BR(l l) for one lepton flavour, with its PDF and scale uncertainty.

    Example: zprime-recast xsec ssm --mass 3000 --method full --no-interference
    """
    from ..process.cross_section import cross_section

    card = load_with(model, set_)
    (mass_gev, g), level = mass_and_coupling(card, mass, coupling), positive_number("--cl", confidence_level)
    lumi = luminosities(pdf, positive_number("--sqrt-s", sqrt_s), order, member)
    low_high = _parse_pair("--window", window) if window else None
    result = cross_section(card, mass_gev, g, lumi, method, not no_interference, low_high, lepton, level)
    values = {
        "model": card.id,
        "mass_gev": result.mass_gev,
        "coupling": result.coupling,
        "lepton": result.lepton,
        "sigma_br_fb": result.sigma_br_fb,
        "order": result.order,
        "k_factor": _finite(result.k_factor),
        "pdf_up_fb": result.pdf_up_fb,
        "pdf_down_fb": result.pdf_down_fb,
        "pdf_confidence_level": level if result.pdf_up_fb is not None else None,
        "scale_up_fb": result.scale_up_fb,
        "scale_down_fb": result.scale_down_fb,
        "method": result.method,
        "interference": result.interference,
        "window_gev": result.window_gev,
        "gamma_gev": float(result.widths.total_gev),
        "br_ll": float(result.widths.branching_ratios[result.lepton]),
        "sqrt_s_gev": lumi.sqrt_s_gev,
        "pdf_set": lumi.pdf_set,
        "pdf_member": lumi.pdf_member,
        "warnings": list(result.warnings),
    }
    pair, how = 2 * result.lepton, f"{result.method}, {result.order}, {lumi.pdf_set}"
    text = [f"sigma x BR({pair}) = {result.sigma_br_fb:.6g} fb  ({how})"]
    if result.pdf_up_fb is not None:
        text.append(f"PDF  +{result.pdf_up_fb:.3g} -{result.pdf_down_fb:.3g} fb at {level:g} % CL")
    if result.scale_up_fb is not None:
        text.append(f"scale +{result.scale_up_fb:.3g} -{result.scale_down_fb:.3g} fb (mu_F, mu_R from M/2 to 2 M)")
    if result.order != "lo" and isfinite(result.k_factor):
        text.append(f"K factor over LO {result.k_factor:.4f}")
    if result.window_gev:
        content = "signal with interference" if result.interference else "|Z'|^2 alone"
        text.append(f"dilepton mass {result.window_gev[0]:g} to {result.window_gev[1]:g} GeV, {content}")
    text.append(f"Gamma = {values['gamma_gev']:.5g} GeV, BR = {values['br_ll']:.5g}")
    emit(values, as_json, [*text, *(f"warning: {w}" for w in result.warnings)])


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _parse_pair(name: str, text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"{name} {text}: expected LOW:HIGH in GeV")
    return positive_number(name, low), positive_number(name, high)
