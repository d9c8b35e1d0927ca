"""Dark-matter commands: relic, direct, indirect, neff, scalar. :func:`register` adds them to the application.

Each command parses its options, calls the library and prints. It imports numpy and scipy only when it runs, so that
``--help`` stays fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError, RangeError
from ._shared import Json, Mass, Model, Set, emit, load_with, mass_and_coupling, positive_number

if TYPE_CHECKING:
    from ..model.zprime import ZprimeModel

Coupling = Annotated[str, typer.Option("--coupling", "-g", metavar="G", help="Coupling g.")]
Dof = Annotated[str, typer.Option("--dof", metavar="drees|saikawa", help="Table of degrees of freedom.")]


def register(app: typer.Typer) -> None:
    """Add the dark-matter commands to an application."""
    for name, command in (
        ("relic", relic),
        ("direct", direct),
        ("indirect", indirect),
        ("neff", neff),
        ("scalar", scalar),
    ):
        app.command(name)(command)


def relic(
    model: Model, mass: Mass, coupling: Coupling, set_: Set = None, dof: Dof = "drees", as_json: Json = False
) -> None:
    """Compute the relic density of chi, exactly and by the estimate (3.6) of arXiv:1707.08606.

    Example: zprime-recast relic elusive_bl --mass 10000 --coupling 0.3 --set m_chi=4500
    """
    from ..dark_matter.estimates import relic_density_estimate
    from ..dark_matter.relic import relic_density
    from ..model.zprime import perturbative_coupling

    card, mass_gev, g = _inputs(model, mass, coupling, set_)
    result = relic_density(card, mass_gev, g, dof=dof)
    notes = []
    estimate = None
    try:
        estimate = float(relic_density_estimate(card, mass_gev, g, result.t_freeze_out_gev, dof=dof))
    except RangeError as err:
        notes.append(str(err))
    if not result.thermal:
        notes.append("chi was never in thermal equilibrium below T = m_chi/2; omega_h2 assumes that it was")
    if g > perturbative_coupling(card):
        notes.append(f"the coupling is above the perturbative limit {perturbative_coupling(card):.4g}")
    values = {**result.to_dict(), "omega_h2_estimate": estimate, "dof": dof, "notes": notes}
    text = [
        f"{card.id}, m_chi = {float(result.m_chi_gev):g} GeV, M = {mass_gev:g} GeV, g = {g:.5g}",
        f"Omega h^2 = {values['omega_h2']:.4g} (estimate (3.6): {_number(estimate)})",
        f"freeze-out at x = {values['x_freeze_out']:.4g}, T = {values['t_freeze_out_gev']:.4g} GeV",
        f"sigma v today = {values['sigma_v_today_cm3_s']:.4g} cm^3/s (averaged over pairs of chi and chibar)",
    ]
    emit(values, as_json, [*text, *(f"note: {note}" for note in notes)])


def direct(
    model: Model,
    mass: Mass,
    coupling: Coupling,
    set_: Set = None,
    scaled: Annotated[
        bool, typer.Option("--scaled", help="Multiply by the share of chi in dark matter, Omega h^2/0.12 (at most 1).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compute the spin-independent cross section (3.7) and list the experiments that exclude it.

    Example: zprime-recast direct elusive_bl --mass 10000 --coupling 0.25 --set m_chi=3800
    """
    from ..dark_matter.direct import direct_detection, excluded_by, experiments
    from ..dark_matter.relic import relic_density

    card, mass_gev, g = _inputs(model, mass, coupling, set_)
    result = direct_detection(card, mass_gev, g)
    m_chi, sigma = float(result.m_chi_gev), float(result.sigma_si_cm2)
    fraction = float(relic_density(card, mass_gev, g).fraction) if scaled else 1.0
    limits = {e.id: float(e.limit_cm2(m_chi)) for e in experiments().values()}
    observed = [name for name, yes in excluded_by(sigma, m_chi, fraction=fraction).items() if yes]
    projected = [name for name, yes in excluded_by(sigma, m_chi, fraction=fraction, kind="projected").items() if yes]
    values = {
        "sigma_si_cm2": sigma,
        "excluded_by": observed,
        "reached_by": projected,
        "fraction": fraction,
        "limits_cm2": {name: limit if limit < float("inf") else None for name, limit in limits.items()},
        "sigma_proton_cm2": float(result.sigma_proton_cm2),
        "sigma_neutron_cm2": float(result.sigma_neutron_cm2),
        "m_chi_gev": m_chi,
        "mass_gev": mass_gev,
        "coupling": g,
    }
    text = [
        f"{card.id}, m_chi = {m_chi:g} GeV, M = {mass_gev:g} GeV, g = {g:.5g}",
        f"sigma_SI = {sigma:.4g} cm^2 per nucleon" + (f", share of dark matter {fraction:.3g}" if scaled else ""),
        "excluded by " + (", ".join(observed) or "none"),
        "within reach of " + (", ".join(projected) or "none"),
    ]
    emit(values, as_json, text)


def indirect(model: Model, mass: Mass, coupling: Coupling, set_: Set = None, as_json: Json = False) -> None:
    """Compute annihilation today and compare its tau+ tau- share with the limits.

    Example: zprime-recast indirect elusive_bl --mass 10000 --coupling 0.3 --set m_chi=4500
    """
    from ..dark_matter.indirect import indirect_detection, tau_margin

    card, mass_gev, g = _inputs(model, mass, coupling, set_)
    result = indirect_detection(card, mass_gev, g)
    margin = {name: float(value) for name, value in tau_margin(card, mass_gev, g).items()}
    finite = {name: value if value < float("inf") else None for name, value in margin.items()}
    values = {
        "sigma_v_today_cm3_s": float(result.sigma_v_cm3_s),
        "sigma_v_tautau_cm3_s": float(result.sigma_v_tautau_cm3_s),
        "branching_ratios": {name: float(value) for name, value in result.branching_ratios.items()},
        "limit_over_prediction": finite,
        "mass_gev": mass_gev,
        "coupling": g,
    }
    text = [
        f"sigma v today = {values['sigma_v_today_cm3_s']:.4g} cm^3/s",
        f"into tau+ tau- = {values['sigma_v_tautau_cm3_s']:.4g} cm^3/s",
        *(f"{name}: limit is {_number(value)} times the prediction" for name, value in finite.items()),
    ]
    emit(values, as_json, text)


def neff(
    model: Model, mass: Mass, coupling: Coupling, set_: Set = None, dof: Dof = "drees", as_json: Json = False
) -> None:
    """Compute when omega decouples and its contribution to N_eff, eqs. (3.9)-(3.11).

    Example: zprime-recast neff elusive_bl --mass 10000 --coupling 0.1
    """
    from ..dark_matter.neff import decoupling, decoupling_estimate

    card, mass_gev, g = _inputs(model, mass, coupling, set_)
    exact = decoupling(card, mass_gev, g, dof=dof)
    estimate = decoupling_estimate(card, mass_gev, g, dof=dof)
    values = {
        "delta_neff": float(exact.delta_neff),
        "t_freeze_out_gev": float(exact.t_freeze_out_gev),
        "g_star": float(exact.g_star),
        "delta_neff_entropy": float(exact.delta_neff_entropy),
        "delta_neff_estimate": float(estimate.delta_neff),
        "t_freeze_out_estimate_gev": float(estimate.t_freeze_out_gev),
        "mass_gev": mass_gev,
        "coupling": g,
    }
    text = [
        f"omega decouples at T = {values['t_freeze_out_gev']:.4g} GeV (closed form (3.10): "
        f"{values['t_freeze_out_estimate_gev']:.4g} GeV), g* = {values['g_star']:.4g}",
        f"Delta N_eff = {values['delta_neff']:.4g} by eq. (3.9)",
        f"Delta N_eff = {values['delta_neff_entropy']:.4g} with the neutrinos' share of the entropy kept",
    ]
    emit(values, as_json, text)


def scalar(
    model: Model,
    mass: Mass,
    coupling: Coupling,
    m_phi1: Annotated[str, typer.Option("--m-phi1", help="Mass of phi_1 in GeV.")] = "800",
    m_phi2: Annotated[str, typer.Option("--m-phi2", help="Mass of phi_2 in GeV.")] = "7000",
    sin_alpha: Annotated[str, typer.Option("--sin-alpha", help="sin(alpha_1), the mixing of h and phi_1.")] = "0.1",
    v2: Annotated[str, typer.Option("--v2", help="Vacuum expectation value v_2 of phi_2 in GeV.")] = "1e-6",
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Compute the scalar spectrum with v_1 = M/g, exactly and in the approximations (2.13), (2.14).

    Example: zprime-recast scalar elusive_bl --mass 10000 --coupling 0.25 --m-phi1 800 --sin-alpha 0.15
    """
    from dataclasses import asdict
    from math import sqrt

    from ..arrays import checked_number
    from ..dark_matter.scalar import potential_from_masses, spectrum, spectrum_estimate, violated_constraints

    _, mass_gev, g = _inputs(model, mass, coupling, set_)
    v2_gev = positive_number("--v2", v2)
    # eq. (3.2): M = g sqrt(v_1^2 + 4 v_2^2)
    if mass_gev / g <= 2 * v2_gev:
        raise InputError(f"--v2 {v2_gev:g} GeV is too large: M/g = {mass_gev / g:g} GeV needs v_2 < M/(2 g)")
    v1 = sqrt((mass_gev / g) ** 2 - 4 * v2_gev**2)
    numbers = [
        checked_number(n, v) for n, v in (("--m-phi1", m_phi1), ("--m-phi2", m_phi2), ("--sin-alpha", sin_alpha))
    ]
    potential = potential_from_masses(v1, v2_gev, *numbers)
    exact, estimate = spectrum(potential), spectrum_estimate(potential)
    violated = violated_constraints(potential)
    values = {
        "potential": asdict(potential),
        "exact": {**asdict(exact), "kappa": exact.kappa},
        "estimate": {**asdict(estimate), "kappa": estimate.kappa},
        "violated": violated,
    }
    text = [
        f"v_1 = {v1:.5g} GeV, eta = {potential.eta_gev:.4g} GeV",
        "             " + "".join(f"{name:>14s}" for name in asdict(exact)),
        "exact        " + "".join(f"{value:14.6g}" for value in asdict(exact).values()),
        "(2.13)(2.14) " + "".join(f"{value:14.6g}" for value in asdict(estimate).values()),
        "violates " + (", ".join(violated) or "nothing"),
    ]
    emit(values, as_json, text)


def _inputs(
    model: str, mass: str, coupling: str, assignments: Sequence[str] | None
) -> tuple[ZprimeModel, float, float]:
    card = load_with(model, assignments)
    return card, *mass_and_coupling(card, mass, coupling)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
