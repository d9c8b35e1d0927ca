r"""Dilepton cross-sections of p p -> gamma, Z, Z' -> l- l+.

Chirality amplitudes, with V = gamma, Z, Z' and couplings as in :mod:`zprime_recast.model.zprime`:

.. math:: A_{ij}(s) = \sum_V \frac{g^q_i g^l_j}{s - M_V^2 + i M_V \Gamma_V}, \qquad
          \hat\sigma_q(s) = \frac{s}{144\pi} \sum_{ij} |A_{ij}|^2, \qquad
          \frac{d\sigma}{dm^2} = \frac1S \sum_q \hat\sigma_q(m^2) LQ_q(m)

The order in QCD is that of the luminosities LQ_q (:mod:`zprime_recast.partons.luminosity`); nothing here depends on it.
Rates are linear in the luminosities, so one set of coefficients serves every PDF member and scale.

The signal is |SM + Z'|^2 - |SM|^2. It contains the interference and may be negative; ``interference=False`` keeps only
|Z'|^2. All cross-sections are for one lepton flavour, in fb.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..errors import InputError
from ..io.json import json_dict
from ..io.results import Result
from ..model.card import load_model
from ..model.widths import Widths, decay_widths, first_lepton, partial_width
from ..model.zprime import ZprimeModel
from ..partons.luminosity import LuminosityTable
from ..partons.pairs import NEUTRAL_CURRENT, PartonPairs
from ..partons.pdf_errors import ONE_SIGMA, pdf_uncertainty
from ..units import HBARC2_GEV2_FB
from .amplitudes import Component, interference_amplitude, partonic_sm, partonic_zprime
from .couplings import coupling_products, why_no_rate
from .final_state import lepton_pair
from .poles import panels, pole, pole_weights

#: Mass window of :func:`sigma_br_full` in units of the Z' mass; above it, to the end of the luminosity table.
FULL_WINDOW_LOW = 0.5


def spectrum(
    model: ZprimeModel | str,
    mass_gev: float,
    coupling: float,
    m_ll_gev: ArrayLike,
    lumi: LuminosityTable,
    component: Component = "signal",
    lepton: str = "e",
    gamma_gev: float | None = None,
) -> FloatArray:
    """Differential cross-section dsigma/dm_ll in fb/GeV, in the shape of ``m_ll_gev``.

    Arguments:
        model: the model.
        mass_gev: mass of the Z' in GeV.
        coupling: gauge coupling g of the Z'.
        m_ll_gev: dilepton masses in GeV.
        lumi: parton luminosities.
        component: ``signal`` (interference + Z'), ``zprime`` (|Z'|^2), ``sm``, or ``full`` (their coherent sum).
        lepton: ``e``, ``mu`` or ``tau``.
        gamma_gev: total width in GeV that replaces the width of the model.

    InputError unless masses, coupling and width are finite and > 0.
    The width is the model's unless ``gamma_gev`` is given.
    """
    model = load_model(model)
    m_ll, pairs = checked_positive("m_ll_gev", m_ll_gev), lepton_pair(lepton).pairs
    mass, g = float(checked_positive("mass_gev", mass_gev)), float(checked_positive("coupling", coupling))
    partonic = np.zeros(())
    if component in ("sm", "full"):
        partonic = partonic + partonic_sm(model.sm, m_ll**2, pairs)
    if component != "sm":
        gamma = (
            float(decay_widths(model, mass, g).total_gev)
            if gamma_gev is None
            else float(checked_positive("gamma_gev", gamma_gev))
        )
        partonic = partonic + partonic_zprime(model, m_ll**2, mass, g, gamma, component != "zprime", lepton)
    per_pair = partonic.sum(axis=0)  # of both chiralities
    return np.asarray(HBARC2_GEV2_FB * 2 * m_ll / lumi.sqrt_s_gev**2 * (per_pair * lumi.of(pairs)(m_ll)).sum(axis=0))


def sigma_br_narrow(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, lumi: LuminosityTable, lepton: str = "e"
) -> FloatArray:
    """sigma(p p -> Z') BR(l l) in fb in the narrow-width approximation, arXiv:1707.08606, eq. (4.1).

    sigma B = sum_q C_qq Gamma(Z' -> q qbar) BR / (S M) with C_qq = (4 pi^2/3) LQ_q.

    Arguments:
        model: the model.
        mass_gev, coupling: mass in GeV and coupling of the Z'; they broadcast to the shape of the result.
        lumi: parton luminosities.
        lepton: ``e``, ``mu`` or ``tau``.
    """
    coefficients = narrow_coefficients(model, mass_gev, coupling, lumi.sqrt_s_gev, lepton)
    mass, _ = np.broadcast_arrays(np.asarray(mass_gev, dtype=float), coupling)
    return np.asarray((coefficients * lumi.of(lepton_pair(lepton).pairs)(mass)).sum(axis=0))


def sigma_br_of_members(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, lumi: LuminosityTable, lepton: str = "e"
) -> FloatArray:
    """:func:`sigma_br_narrow` in fb for every member of the PDF set, (members, *shape); same arguments.

    Pass the result to :func:`zprime_recast.partons.pdf_errors.pdf_uncertainty`. InputError for a set without error
    members.
    """
    coefficients = narrow_coefficients(model, mass_gev, coupling, lumi.sqrt_s_gev, lepton)
    mass, _ = np.broadcast_arrays(np.asarray(mass_gev, dtype=float), coupling)
    return np.asarray(np.einsum("q...,mq...->m...", coefficients, lumi.of(lepton_pair(lepton).pairs).of_members(mass)))


def narrow_coefficients(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, sqrt_s_gev: float, lepton: str = "e"
) -> FloatArray:
    """sigma x BR in fb per unit of LQ_q(M), (pairs, *shape), by eq. (4.1) with tree-level quark widths.

    The arguments are those of :func:`sigma_br_narrow`, with the collider energy in place of the luminosities.
    """
    result = decay_widths(model, mass_gev, coupling)
    mass, g = result.mass_gev, result.coupling
    partial = production_widths(model, mass, g, lepton_pair(lepton).pairs)
    return narrow_rate(partial, result.branching_ratios[lepton], mass, sqrt_s_gev)


def production_widths(
    model: ZprimeModel, mass_gev: FloatArray, coupling: ArrayLike, pairs: PartonPairs = NEUTRAL_CURRENT
) -> FloatArray:
    """Tree-level widths in GeV into parton pairs, (pairs, *shape); 0 for a pair of two flavours."""
    none = np.zeros(np.broadcast(mass_gev, coupling).shape)
    return np.stack([partial_width(model, q, mass_gev, coupling) if q == qbar else none for q, qbar in pairs])


def narrow_rate(
    quark_gev: FloatArray, branching_ratio: FloatArray, mass_gev: FloatArray, sqrt_s_gev: float
) -> FloatArray:
    """sigma x BR in fb per unit of LQ_q(M), (pairs, *shape): arXiv:1707.08606, eq. (4.1).

    ``quark_gev`` are the tree-level widths into the parton pairs, (pairs, *shape); QCD corrections of the production
    are in the luminosities. ``branching_ratio`` and ``mass_gev`` have the shape ``shape``.
    """
    rate = 4 * np.pi**2 / 3 * quark_gev * branching_ratio / (sqrt_s_gev**2 * mass_gev)
    return np.asarray(HBARC2_GEV2_FB * rate)


def narrow_rate_fb(
    quark_gev: FloatArray, branching_ratio: FloatArray, mass_gev: FloatArray, lumi: LuminosityTable
) -> FloatArray:
    """sigma x BR in fb from widths, in the shape of ``mass_gev``; arguments as in :func:`narrow_rate`.

    ``lumi`` holds the luminosities of the same pairs.
    """
    return np.asarray((narrow_rate(quark_gev, branching_ratio, mass_gev, lumi.sqrt_s_gev) * lumi(mass_gev)).sum(axis=0))


def sigma_br_full(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    lumi: LuminosityTable,
    interference: bool = True,
    window_gev: tuple[float, float] | None = None,
    lepton: str = "e",
    gamma_gev: float | None = None,
    panel: float = 0.02,
) -> FloatArray:
    """Signal in fb integrated over a window of dilepton masses, with the true width and exact over the peak.

    Arguments:
        model: the model.
        mass_gev, coupling: mass in GeV and coupling of the Z'.
        lumi: parton luminosities.
        interference: whether to include the interference with photon and Z.
        window_gev: lowest and highest dilepton mass in GeV; by default M/2 and the end of the luminosity table.
        lepton: ``e``, ``mu`` or ``tau``.
        gamma_gev: total width in GeV that replaces the width of the model.
        panel: relative width of the panels on which the smooth factors are polynomials.

    InputError for an empty window.
    """
    m, coefficients = full_coefficients(
        model, mass_gev, coupling, lumi, interference, window_gev, lepton, gamma_gev, panel
    )
    return np.asarray((coefficients * lumi.of(lepton_pair(lepton).pairs)(m)).sum())


def full_coefficients(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    lumi: LuminosityTable,
    interference: bool = True,
    window_gev: tuple[float, float] | None = None,
    lepton: str = "e",
    gamma_gev: float | None = None,
    panel: float = 0.02,
) -> tuple[FloatArray, FloatArray]:
    """Dilepton masses (n,) in GeV, and the signal in fb per unit of LQ_q at each of them, (pairs, n).

    The arguments are those of :func:`sigma_br_full`.
    """
    mass, g = float(checked_positive("mass_gev", mass_gev)), float(checked_positive("coupling", coupling))
    low, high = window_gev or default_window_gev(mass, lumi)
    if not 0 < low < high:
        raise InputError(f"mass window {low:g} to {high:g} GeV is empty; give the lower edge first, > 0")
    gamma = (
        float(decay_widths(model, mass, g).total_gev)
        if gamma_gev is None
        else float(checked_positive("gamma_gev", gamma_gev))
    )
    m_pole, gamma_pole, residue = pole(mass, gamma, model.running_width)
    grid = panels(low, high, panel)
    products = coupling_products(model, lepton).summed
    smooth = HBARC2_GEV2_FB * grid.s / (144 * np.pi * lumi.sqrt_s_gev**2)
    propagator = pole_weights(grid, m_pole, gamma_pole)
    squared = -propagator.imag / (m_pole * gamma_pole)
    coefficients = g**4 * abs(residue) ** 2 * np.multiply.outer(products.zprime_squared, smooth * squared)
    if interference:
        amplitude = interference_amplitude(products, grid.s, model.sm.m_z_gev, model.sm.gamma_z_gev)
        coefficients = coefficients + g**2 * smooth * (amplitude.conj() * residue * propagator).real
    return grid.m_gev, np.asarray(coefficients)


def default_window_gev(mass_gev: float, lumi: LuminosityTable) -> tuple[float, float]:
    """Default mass window of :func:`sigma_br_full` in GeV: M/2 to the end of the luminosity table."""
    return max(FULL_WINDOW_LOW * mass_gev, lumi.range_gev[0]), lumi.range_gev[1]


@dataclass(frozen=True, eq=False, repr=False)
class CrossSection(Result):
    """sigma x BR of one hypothesis into one lepton flavour, in fb."""

    mass_gev: float
    coupling: float
    lepton: str
    """``e``, ``mu`` or ``tau``."""
    widths: Widths
    sigma_br_fb: float
    k_factor: float
    """Ratio to LO with the same PDF set; NaN if the rate at LO is 0, as for a lepton the Z' does not couple to."""
    pdf_up_fb: float | None
    """Size of the PDF uncertainty upwards, >= 0; None for a set without error members."""
    pdf_down_fb: float | None
    scale_up_fb: float | None
    """Size of the scale uncertainty upwards, >= 0; None for a table without variations."""
    scale_down_fb: float | None
    confidence_level: float
    """Confidence level of the PDF uncertainty, in per cent."""
    method: str
    interference: bool
    order: str
    window_gev: tuple[float, float] | None
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values, null for what is not known; the widths with their branching ratios."""
        ratios = self.widths.branching_ratios
        own = {name: value for name, value in self._values().items() if name != "widths"}
        return json_dict({**own, "gamma_gev": self.widths.total_gev, "branching_ratios": ratios})


def cross_section(
    model: ZprimeModel | str,
    mass_gev: float,
    coupling: float,
    lumi: LuminosityTable,
    method: str = "narrow",
    interference: bool = True,
    window_gev: tuple[float, float] | None = None,
    lepton: str | None = None,
    confidence_level: float = ONE_SIGMA,
) -> CrossSection:
    """sigma x BR by the narrow-width formula or from the full line shape, its uncertainties and what was assumed.

    Arguments:
        model: a model, or the id of a card.
        mass_gev, coupling: of the Z'.
        lumi: of a PDF set, energy and order, from :func:`zprime_recast.partons.luminosity_set.load_luminosities`.
        method: ``narrow`` (arXiv:1707.08606, eq. 4.1) or ``full`` (line shape).
        interference: with photon and Z, for ``full``.
        window_gev: dilepton masses, for ``full``; from M/2 to the end of the luminosity table unless given.
        lepton: ``e``, ``mu`` or ``tau``; the first the Z' couples to unless given.
        confidence_level: of the PDF uncertainty, in per cent.

    UnknownName for another lepton, InputError for another method or a window without ``full``.

    >>> import zprime_recast as zr
    >>> rate = zr.cross_section("ssm", 3000.0, 0.743, zr.load_luminosities("CT18NNLO", 13000.0))
    >>> f"{rate.sigma_br_fb:.2f} fb"
    '1.69 fb'
    """
    model = load_model(model)
    if method not in ("narrow", "full"):
        raise InputError(f"method must be narrow or full, found {method!r}")
    result = decay_widths(model, mass_gev, coupling)
    if lepton is None:
        lepton = first_lepton(result.partial_gev)
    lumi = lumi.of(lepton_pair(lepton).pairs)
    mass, g = float(result.mass_gev), float(result.coupling)
    if method == "narrow":
        if window_gev:
            raise InputError("a mass window needs --method full: the narrow width has all its rate at the pole")
        used, m = None, np.array([mass])
        coefficients = narrow_coefficients(model, m, g, lumi.sqrt_s_gev, lepton)
        warnings = lumi.warnings_at(mass)
    else:
        used = window_gev or default_window_gev(mass, lumi)
        m, coefficients = full_coefficients(model, mass, g, lumi, interference, used, lepton)
        # the rate far above the peak is negligible, so warnings about masses there do not concern the result
        warnings = lumi.warnings_at(used[0], max(used[0], min(used[1], 1.5 * mass)))
    sigma = float((coefficients * lumi(m)).sum())
    leading = float((coefficients * lumi.at_leading_order()(m)).sum())
    pdf_up = pdf_down = scale_up = scale_down = None
    if lumi.variations is not None:
        scales = np.einsum("qn,kqn->k", coefficients, lumi.of_scales(m))
        scale_up, scale_down = float(scales.max() - scales[0]), float(scales[0] - scales.min())
        if lumi.variations.errors is not None:
            members = np.einsum("qn,kqn->k", coefficients, lumi.of_members(m))
            error = pdf_uncertainty(members, lumi.variations.errors, confidence_level)
            pdf_up, pdf_down = float(error.plus), float(error.minus)
    return CrossSection(
        mass_gev=mass,
        coupling=g,
        lepton=lepton,
        widths=result,
        sigma_br_fb=sigma,
        k_factor=sigma / leading if leading else float("nan"),
        pdf_up_fb=pdf_up,
        pdf_down_fb=pdf_down,
        scale_up_fb=scale_up,
        scale_down_fb=scale_down,
        confidence_level=confidence_level,
        method=method,
        interference=method == "full" and interference,
        order=lumi.order,
        window_gev=used,
        warnings=(*why_no_rate(model, (lepton,)), *warnings),
    )
