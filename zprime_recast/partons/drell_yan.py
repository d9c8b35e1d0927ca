r"""Parton luminosities at one mass, and their convolution with the first-order QCD correction of Drell-Yan.

.. math:: L_q(\tau) = \int_\tau^1 \frac{dx}{x} [f_q(x) f_{\bar q}(\tau/x) + f_{\bar q}(x) f_q(\tau/x)], \quad
          \tau = M^2/S

so that :math:`d\sigma/dM^2 = \frac1S \sum_q \hat\sigma_q(M^2) L_q`, and C_qq of arXiv:1707.08606, eq. (4.1), is
:math:`\frac{4\pi^2}{3} L_q`. The integral runs over the pair rapidity y, x = sqrt(tau) exp(+-y). Quark and antiquark
may be of different flavours (:class:`zprime_recast.partons.pairs.PartonPairs`), as for a W'; q then stands for a pair
(q_i, qbar_j).

QCD corrections, inclusive in the leptons, do not depend on the model: they replace L_q by

.. math:: LQ_q = L_q + \frac{\alpha_s}{2\pi} T^{(1)}_q + \left(\frac{\alpha_s}{4\pi}\right)^2
          [T^{(2)}_q + 4 \beta_0 \ln(\mu_R/M) T^{(1)}_q], \quad \alpha_s = \alpha_s(\mu_R)

in the MS-bar scheme, where T is a sum over pairs of partons of coefficient functions convoluted with luminosities,
:math:`(\Delta \otimes L)(\tau) = \int_\tau^1 \frac{dz}{z} \Delta(z) L(\tau/z)`. First order (Altarelli, Ellis,
Martinelli, Nucl. Phys. B 157 (1979) 461; Hamberg, van Neerven, Matsuura, Nucl. Phys. B 359 (1991) 343, appendix B):

.. math:: \Delta_{qq} &= C_F \{4 (1+z^2) [\ln(1-z)/(1-z)]_+ - 2 \frac{1+z^2}{1-z} \ln z + (2\pi^2/3 - 8) \delta(1-z)\}
          + 2 P_{qq} \ln(M^2/\mu_F^2) \\
          \Delta_{qg} &= T_R \{[z^2 + (1-z)^2] [\ln((1-z)^2/z) + \ln(M^2/\mu_F^2)] + 1/2 + 3 z - 7 z^2/2\}

The second order is in :mod:`zprime_recast.partons.drell_yan_nnlo`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, Quiet, checked_positive
from ..errors import RangeError
from .drell_yan_nnlo import BETA0, C_F, T_R, SecondOrder
from .pairs import FLAVORS, NEUTRAL_CURRENT, PartonPairs
from .pdf import PDFMember

#: Parton ids of the quarks of FLAVORS.
_PIDS = np.arange(1, len(FLAVORS) + 1)

#: Gauss-Legendre nodes per panel and panels per smooth piece of the rapidity range.
_NODES, _PANELS = 8, 16


def rapidity_density(
    pdf: PDFMember,
    mass_gev: float,
    sqrt_s_gev: float,
    y: FloatArray,
    mu_f_gev: float,
    pairs: PartonPairs = NEUTRAL_CURRENT,
) -> FloatArray:
    """Density dL_q/dy of the parton luminosity at one mass, (pairs, *y.shape), dimensionless.

    It is even in y and 0 outside the kinematic range.

    Arguments:
        pdf: the parton densities.
        mass_gev: mass of the pair in GeV.
        sqrt_s_gev: collider energy in GeV.
        y: rapidities of the pair.
        mu_f_gev: factorisation scale in GeV.
        pairs: the pairs of quark and antiquark.
    """
    root_tau = mass_gev / sqrt_s_gev
    x1, x2 = root_tau * np.exp(y), root_tau * np.exp(-y)
    inside = (x1 < pdf.info.x_max) & (x2 < pdf.info.x_max)
    density = np.zeros((len(pairs), *y.shape))
    if inside.any():
        pids = np.concatenate([_PIDS[pairs.quarks], -_PIDS[pairs.antiquarks]]).tolist()
        xf = pdf.xf(pids, np.stack([x1[inside], x2[inside]]), mu_f_gev)
        quark, antiquark = xf[: len(pairs)] / root_tau, xf[len(pairs) :] / root_tau
        # x1 x2 = tau: dividing both densities by sqrt(tau) turns x f into f f x1 x2 / tau = f f
        density[:, inside] = quark[:, 0] * antiquark[:, 1] + antiquark[:, 0] * quark[:, 1]
    return density


def rapidity_integral(
    pdf: PDFMember,
    mass_gev: float,
    sqrt_s_gev: float,
    mu_f_gev: float,
    weight: Callable[[FloatArray], FloatArray] | None = None,
    breaks: tuple[float, ...] = (),
    panels: int = _PANELS,
    pairs: PartonPairs = NEUTRAL_CURRENT,
) -> FloatArray:
    """Integral over all y of dL_q/dy times a weight that is even in y, (pairs,).

    Arguments:
        pdf: the parton densities.
        mass_gev: mass of the pair in GeV.
        sqrt_s_gev: collider energy in GeV.
        mu_f_gev: factorisation scale in GeV.
        weight: the weight as a function of y; default 1.
        breaks: rapidities > 0 where the weight has a kink; others are ignored.
        panels: Gauss-Legendre panels per smooth piece of the rapidity range.
        pairs: the pairs of quark and antiquark.
    """
    y_max = np.log(sqrt_s_gev / mass_gev)
    edges = [0.0, *sorted(b for b in breaks if 0 < b < y_max), y_max]
    nodes, node_weights = np.polynomial.legendre.leggauss(_NODES)
    fine = np.concatenate([np.linspace(a, b, panels + 1)[:-1] for a, b in itertools.pairwise(edges)])
    fine = np.append(fine, y_max)
    half = np.diff(fine)[:, None] / 2
    y = (fine[:-1, None] + half * (1 + nodes)).ravel()
    w = 2 * (half * node_weights).ravel()  # both signs of y
    if weight is not None:
        w = w * weight(y)
    return rapidity_density(pdf, mass_gev, sqrt_s_gev, y, mu_f_gev, pairs) @ w


def parton_luminosity(
    pdf: PDFMember,
    mass_gev: ArrayLike,
    sqrt_s_gev: float,
    mu_f_over_m: float = 1.0,
    panels: int = _PANELS,
    pairs: PartonPairs = NEUTRAL_CURRENT,
) -> FloatArray:
    """Parton luminosity L_q by integration, (pairs, *mass.shape), dimensionless.

    Negative densities of a set can make it negative (:func:`zprime_recast.partons.luminosity.luminosity_table` cuts
    that off). RangeError for masses the set does not cover.

    Arguments:
        pdf: the parton densities.
        mass_gev: masses of the pair in GeV.
        sqrt_s_gev: collider energy in GeV.
        mu_f_over_m: factorisation scale over the mass.
        panels: Gauss-Legendre panels in rapidity.
        pairs: the pairs of quark and antiquark.
    """
    mass = checked_positive("mass_gev", mass_gev)
    _check_mass_range(pdf, mass, sqrt_s_gev, mu_f_over_m)
    columns = [rapidity_integral(pdf, m, sqrt_s_gev, m * mu_f_over_m, None, (), panels, pairs) for m in mass.ravel()]
    return np.stack(columns, axis=-1).reshape(len(pairs), *mass.shape)


def _check_mass_range(pdf: PDFMember, mass: FloatArray, sqrt_s_gev: float, mu_f_over_m: float) -> None:
    low = max(pdf.info.q_min_gev / mu_f_over_m, sqrt_s_gev * np.sqrt(pdf.info.x_min * pdf.info.x_max), 1.0)
    high = min(pdf.info.q_max_gev / mu_f_over_m, sqrt_s_gev)
    if (mass < low).any() or (mass >= high).any():
        found = mass[(mass < low) | (mass >= high)].flat[0]
        raise RangeError(
            f"mass {found:g} GeV is outside set {pdf.info.name} at sqrt(s) = {sqrt_s_gev:g} GeV: "
            f"{low:.4g} to {high:.4g} GeV"
        )


# ---------------------------------------------------------------------------------------------------------------
# QCD corrections

#: Panels of 8 nodes in the cube root of ln z, and in rapidity, of a convolution.
_Z_PANELS, _Y_PANELS = 6, 8


def corrected_terms(
    pdf: PDFMember,
    mass_gev: ArrayLike,
    sqrt_s_gev: float,
    mu_f_over_m: float = 1.0,
    z_panels: int = _Z_PANELS,
    y_panels: int = _Y_PANELS,
    pairs: PartonPairs = NEUTRAL_CURRENT,
) -> FloatArray:
    """The terms L_q, T1_q and T2_q of the formula at the head of this module, (3, pairs, *mass.shape).

    Arguments:
        pdf: the parton densities.
        mass_gev: masses of the pair in GeV.
        sqrt_s_gev: collider energy in GeV.
        mu_f_over_m: factorisation scale over the mass.
        z_panels: panels of the integral over z.
        y_panels: panels of the integral over rapidity.
        pairs: the pairs of quark and antiquark.
    """
    mass = checked_positive("mass_gev", mass_gev)
    _check_mass_range(pdf, mass, sqrt_s_gev, mu_f_over_m)
    columns = []
    for m in mass.ravel():
        nodes = _nodes(m, sqrt_s_gev, z_panels)
        found = pair_luminosities(pdf, nodes, m * mu_f_over_m, y_panels, pairs)
        born = rapidity_integral(pdf, m, sqrt_s_gev, m * mu_f_over_m, pairs=pairs)
        orders = (sum(terms(found, nodes, mu_f_over_m).values()) for terms in (first_order, second_order))
        columns.append(np.stack([born, *orders]))
    return np.stack(columns, axis=-1).reshape(3, len(pairs), *mass.shape)


def corrected_luminosity(
    terms: FloatArray, alpha_s: FloatArray | None, order: str, mu_r_over_m: float = 1.0
) -> FloatArray:
    """Corrected luminosity LQ_q at ``lo``, ``nlo`` or ``nnlo``, (..., pairs, n).

    It is made from the terms (3, ..., pairs, n) of :func:`corrected_terms` and alpha_s(mu_R) (n,).
    """
    if order == "lo":
        return np.asarray(terms[0])
    assert alpha_s is not None
    nlo = np.asarray(terms[0] + alpha_s / (2 * np.pi) * terms[1])
    if order == "nlo":
        return nlo
    return np.asarray(nlo + (alpha_s / (4 * np.pi)) ** 2 * (terms[2] + 4 * BETA0 * np.log(mu_r_over_m) * terms[1]))


@dataclass(frozen=True, eq=False, repr=False)
class Nodes(Quiet):
    """Nodes of the integral over z between tau and 1, dense at 1, where the plus distributions are."""

    tau: float
    ln_z: FloatArray
    """(n,)."""
    dz: FloatArray
    """Weights of the nodes, (n,)."""

    @property
    def z(self) -> FloatArray:
        """z at the nodes."""
        return np.exp(self.ln_z)

    @property
    def one_minus_z(self) -> FloatArray:
        """1 - z at the nodes, without cancellation."""
        return -np.expm1(self.ln_z)


@dataclass(frozen=True, eq=False, repr=False)
class PairLuminosities(Quiet):
    """Luminosities of two partons at tau/z for the nodes z and, last, at tau itself, (pairs, n + 1).

    The first axis is the pair (q_i, qbar_j) that couples to the boson: q_i may turn into q_j as it emits the boson, and
    qbar_j into qbar_i.
    """

    annihilation: FloatArray
    """q_i qbar_j."""
    like: FloatArray
    """Mean of q_i qbar_i and q_j qbar_j, which also become a gluon."""
    any_like: FloatArray
    """Sum of q qbar over all flavours, (1, n + 1)."""
    quark_gluon: FloatArray
    """q_i or qbar_j with a gluon."""
    gluon_gluon: FloatArray
    """Two gluons, whatever the pair that couples, (1, n + 1)."""
    quark_any: FloatArray
    """q_i or qbar_j with any quark or antiquark."""
    identical: FloatArray
    """q_i q_i and qbar_j qbar_j."""
    exchanged: FloatArray
    """q_i q_j and qbar_i qbar_j: two identical partons in the final state."""


def _nodes(mass_gev: float, sqrt_s_gev: float, panels: int) -> Nodes:
    tau = (mass_gev / sqrt_s_gev) ** 2
    t, weight = _panels(panels)
    ln_z = np.log(tau) * t**3
    return Nodes(tau, ln_z, -3 * np.log(tau) * t**2 * weight * np.exp(ln_z))


def first_order(pairs: PairLuminosities, nodes: Nodes, mu_f_over_m: float = 1.0) -> dict[str, FloatArray]:
    """Contributions of each pair of partons to T1_q, (pairs,) each.

    ``soft_virtual`` holds the plus distributions and the delta function alone, to which the q qbar channel tends at
    threshold, ``annihilation`` the rest of q qbar, ``quark_gluon`` a quark or antiquark with a gluon.
    """
    z, w, ln_z, scale = nodes.z, nodes.one_minus_z, nodes.ln_z, -2 * np.log(mu_f_over_m)
    soft = _distributions(pairs, nodes, (4 * scale, 8.0), 3 * scale + 2 * np.pi**2 / 3 - 8)
    regular = -4 * (1 + z) * np.log(w) - 2 * (1 + z**2) / w * ln_z - 2 * (1 + z) * scale
    gluon = (z**2 + w**2) * (2 * np.log(w) - ln_z + scale) + 0.5 + 3 * z - 3.5 * z**2
    return {
        "soft_virtual": C_F * soft,
        "annihilation": C_F * _regular(pairs.annihilation, regular, nodes),
        "quark_gluon": T_R * _regular(pairs.quark_gluon, gluon, nodes),
    }


def second_order(pairs: PairLuminosities, nodes: Nodes, mu_f_over_m: float = 1.0) -> dict[str, FloatArray]:
    """Contributions of each pair of partons to T2_q, (pairs,) each."""
    kernels = _second_order_kernels(nodes.tau, len(nodes.ln_z), float(mu_f_over_m))
    soft = SecondOrder(nodes.one_minus_z, -2 * np.log(mu_f_over_m))
    luminosities = {
        "annihilation": pairs.annihilation,
        "annihilation_emission": pairs.like,
        "gluon_splitting": pairs.any_like,
        "quark_gluon": pairs.quark_gluon,
        "gluon_gluon": pairs.gluon_gluon,
        "emission": pairs.quark_any,
        "identical": pairs.identical,
        "exchange": pairs.exchanged,
    }
    terms = {name: _regular(lumi, kernels[name], nodes) for name, lumi in luminosities.items()}
    return {"soft_virtual": _distributions(pairs, nodes, soft.plus, soft.delta), **terms}


@lru_cache(maxsize=2048)
def _second_order_kernels(tau: float, count: int, mu_f_over_m: float) -> dict[str, FloatArray]:
    """Regular coefficient functions at the nodes; the same for every member of a set."""
    ln_z = np.log(tau) * _panels(count // _NODES)[0] ** 3
    functions = SecondOrder(-np.expm1(ln_z), -2 * np.log(mu_f_over_m))
    names = (
        "annihilation",
        "annihilation_emission",
        "gluon_splitting",
        "quark_gluon",
        "gluon_gluon",
        "emission",
        "identical",
        "exchange",
    )
    return {name: getattr(functions, name)() for name in names}


def _regular(luminosity: FloatArray, function: FloatArray, nodes: Nodes) -> FloatArray:
    """Convolution of an integrable coefficient function, (pairs,) or (1,)."""
    return np.asarray(luminosity[:, :-1] @ (function * nodes.dz / nodes.z))


def _distributions(pairs: PairLuminosities, nodes: Nodes, plus: tuple[float, ...], delta: float) -> FloatArray:
    """Convolution of sum_k plus_k [ln^k(1-z)/(1-z)]_+ + delta * delta(1-z) with L_q, (pairs,)."""
    at_one, below = pairs.annihilation[:, -1], pairs.annihilation[:, :-1]
    difference = (below / nodes.z - at_one[:, None]) / nodes.one_minus_z
    log, log_end = np.log(nodes.one_minus_z), np.log1p(-nodes.tau)
    weight = sum(c * log**k for k, c in enumerate(plus))
    # the integral of each distribution from 0 to tau, where the luminosity is 0
    ends = sum(c * log_end ** (k + 1) / (k + 1) for k, c in enumerate(plus))
    return np.asarray(difference @ (weight * nodes.dz) + at_one * (ends + delta))


def _panels(count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of ``count`` Gauss-Legendre panels on 0..1."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    left = np.arange(count)[:, None] / count
    return ((left + (1 + nodes) / (2 * count)).ravel()), np.tile(weights / (2 * count), count)


def pair_luminosities(
    pdf: PDFMember, nodes: Nodes, mu_f_gev: float, panels: int = _Y_PANELS, pairs: PartonPairs = NEUTRAL_CURRENT
) -> PairLuminosities:
    """Luminosities of two partons at the nodes of a convolution, and at its end.

    Arguments:
        pdf: the parton densities.
        nodes: the nodes.
        mu_f_gev: factorisation scale in GeV.
        panels: panels of the integral over rapidity.
        pairs: the pairs of quark and antiquark that couple to the boson.
    """
    tau = np.append(nodes.tau / nodes.z, nodes.tau)
    u, weight = _panels(panels)
    y_max = -0.5 * np.log(tau)[:, None]
    root_tau = np.sqrt(tau)[:, None]
    x1, x2 = root_tau * np.exp(y_max * u), root_tau * np.exp(-y_max * u)
    inside = (x1 <= pdf.info.x_max) & (x2 <= pdf.info.x_max)
    x = np.where(inside, np.stack([x1, x2]), pdf.info.x_max)
    xf = pdf.xf([*_PIDS.tolist(), *(-_PIDS).tolist(), 21], x, mu_f_gev) * inside
    quark, antiquark, gluon = xf[:5], xf[5:10], xf[10]
    any_quark = (quark + antiquark).sum(axis=0)
    measure = 2 * y_max * weight / tau[:, None]  # both signs of y; x1 x2 = tau turns x f into f

    def integral(first: FloatArray, second: FloatArray) -> FloatArray:
        """Integral over y of f(x1) g(x2) + g(x1) f(x2)."""
        return np.asarray(((first[:, 0] * second[:, 1] + second[:, 0] * first[:, 1]) * measure).sum(axis=-1))

    i, j, neutral = pairs.quarks, pairs.antiquarks, pairs == NEUTRAL_CURRENT
    q, qbar = (quark, antiquark) if neutral else (quark[i], antiquark[j])
    annihilation = integral(q, qbar)
    like = annihilation if neutral else integral(quark, antiquark)  # of every flavour
    identical = (integral(q, q) + integral(qbar, qbar)) / 2
    exchanged = identical if neutral else (integral(q, quark[j]) + integral(antiquark[i], qbar)) / 2
    either = q + qbar
    return PairLuminosities(
        annihilation=annihilation,
        like=(like[i] + like[j]) / 2,
        any_like=like.sum(axis=0, keepdims=True),
        quark_gluon=integral(either, gluon[None]),
        gluon_gluon=integral(gluon[None], gluon[None]) / 2,
        quark_any=integral(either, any_quark[None]),
        identical=identical,
        exchanged=exchanged,
    )
