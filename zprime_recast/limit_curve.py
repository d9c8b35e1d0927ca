"""Searches known only by a limit: a coupling from a published cross-section limit, without a likelihood.

The curve is the observed limit on sigma x BR over the Z'_SSM rate. Times our own Z'_SSM rate it is a limit on
sigma x BR, in which most of what is uncertain in the rate cancels. A narrow state with the acceptance of the Z'_SSM is
assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .cards import FloatArray, digest, read_csv, read_toml
from .cross_section import sigma_br_narrow
from .errors import CardError
from .luminosity import LuminosityTable
from .model import ZprimeModel, perturbative_coupling
from .model_card import load_model
from .search import find_search
from .widths import decay_widths


@dataclass(frozen=True)
class LimitCurve:
    """An observed limit as a ratio to the Z'_SSM rate."""

    id: str
    title: str
    label: str
    reference: str
    sqrt_s_gev: float
    mass_gev: FloatArray
    limit_over_ssm: FloatArray
    notes: tuple[str, ...]
    digest: str


def read_limit_curve(folder: Path) -> LimitCurve:
    """A limit curve from its folder; CardError names file, key, what was found and what was expected."""
    card = read_toml(folder / "card.toml")
    card.choice("kind", ("limit-curve",))
    path = card.file("curve")
    table = read_csv(path, ("mass_gev", "limit_over_ssm"))
    mass, ratio = table["mass_gev"], table["limit_over_ssm"]
    if (np.diff(mass) <= 0).any() or mass[0] <= 0:
        raise CardError(path, "column mass_gev", "masses out of order", "ascending masses > 0")
    if (ratio <= 0).any():
        raise CardError(path, "column limit_over_ssm", f"{ratio[ratio <= 0][0]:g}", "numbers > 0")
    curve = LimitCurve(
        id=card.text("id"),
        title=card.text("title"),
        label=card.text("label"),
        reference=card.text("reference"),
        sqrt_s_gev=card.number("sqrt_s_gev", low=1.0),
        mass_gev=mass,
        limit_over_ssm=ratio,
        notes=tuple(card.texts("notes", [])),
        digest=digest(folder / "card.toml", path),
    )
    card.finish()
    return curve


def find_limit_curve(analysis: str) -> LimitCurve | None:
    """The limit curve of an analysis id or folder; None if it is of another kind."""
    folder = find_search(analysis)
    card = read_toml(folder / "card.toml")
    return read_limit_curve(folder) if card.text("kind") == "limit-curve" else None


def curve_coupling(curve: LimitCurve, model: ZprimeModel, lumi: LuminosityTable) -> FloatArray:
    """Observed g_95 at the masses of the curve (n,); NaN where it is above the perturbative coupling.

    sigma x BR is a g^4/(g^2 c + Gamma_extra), so g^2 solves a quadratic equation.
    """
    ssm = load_model("ssm")
    assert ssm.reference_coupling is not None
    allowed = curve.limit_over_ssm * sigma_br_narrow(ssm, curve.mass_gev, ssm.reference_coupling, lumi)
    plain = model.with_parameters(gamma_extra=0.0)
    c = decay_widths(plain, curve.mass_gev, 1.0).total_gev
    a = sigma_br_narrow(plain, curve.mass_gev, 1.0, lumi) * c
    extra = model.gamma_extra_gev
    squared = (allowed * c + np.sqrt((allowed * c) ** 2 + 4 * a * allowed * extra)) / (2 * a)
    g = np.sqrt(squared)
    return np.where(g <= perturbative_coupling(model), g, np.nan)
