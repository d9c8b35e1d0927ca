r"""The process p p -> gamma, Z, Z' -> l- l+ of an event sample, and its differential cross-section.

With s = m_ll^2, y the rapidity of the pair along the quark, c the cosine of the angle between lepton (l-) and quark
in the rest frame of the pair, and A_ij the chirality amplitudes of :mod:`zprime_recast.process.cross_section`,

.. math:: \frac{d\sigma}{ds\,dy\,dc} = \frac{1}{S} \sum_q K_q(m)\, 2 f_q(x_1) f_{\bar q}(x_2) \frac{s}{384\pi}
   \left[(1+c)^2 (|A_{LL}|^2 + |A_{RR}|^2) + (1-c)^2 (|A_{LR}|^2 + |A_{RL}|^2)\right]

x_1,2 = m/sqrt(S) exp(+-y), and the factor 2 because the quark may come from either beam. A *channel* is a parton pair
and one of the two angular terms. In each of the 10 channels the density is a product of a function of s, one of (s, y)
and one of c. Beyond leading order K_q = LQ_q/L_q: mass and flavour follow the order, while the kinematics stay those of
leading order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from ..arrays import FloatArray, Quiet, checked_positive
from ..errors import InputError, RangeError, UnknownName
from ..model.widths import decay_widths
from ..model.zprime import CHARGED_LEPTONS, ZprimeModel
from ..partons.grid import PartonGrid
from ..partons.luminosity import LuminosityTable
from ..partons.pairs import FLAVORS, NEUTRAL_CURRENT
from ..partons.pdf import PDFMember
from ..process.amplitudes import Component, z_propagator
from ..process.couplings import chirality_sums, coupling_products, standard_couplings
from ..process.final_state import LeptonCuts
from ..process.poles import pole
from ..units import HBARC2_GEV2_FB

#: Largest K factor of a flavour.
K_MAX = 4.0
#: The pairs of quark and antiquark that make the events, and the rows of their densities in a :class:`PartonGrid`.
PAIRS = NEUTRAL_CURRENT
QUARK_ROWS, ANTIQUARK_ROWS = PAIRS.quarks, PAIRS.antiquarks + len(FLAVORS)
#: Channels: pair times angular term, (1+c)^2 first.
CHANNELS = 2 * len(PAIRS)


@dataclass(frozen=True, eq=False, repr=False)
class Process(Quiet):
    """p p -> gamma, Z, Z' -> l- l+ of one hypothesis, ready to be evaluated."""

    model: ZprimeModel
    mass_gev: float
    coupling: float
    gamma_gev: float
    mode: Component
    interference: bool
    lepton: str
    window_gev: tuple[float, float]
    cuts: LeptonCuts
    pdf: PDFMember
    partons: PartonGrid
    lumi: LuminosityTable
    """Luminosities of the order, for K factors; their energy is that of the collider."""
    pole_gev2: float
    """Squared pole mass: masses are handled as u = s - pole_gev2, which keeps the narrowest peak resolved."""
    pole_width_gev2: float
    """Pole mass times pole width."""
    residue: complex
    log_mass_knots: FloatArray
    """ln m of the luminosity table, (n,)."""
    k_knots: FloatArray
    """K factors at these masses, (pairs, n)."""
    couplings: FloatArray
    """(10, 6): sums over the two chirality pairs of a channel of p^2, p z, z^2, k^2, k p, k z; p, z, k the products of
    quark and lepton couplings to photon, Z and Z' (the last at unit g)."""

    @property
    def sqrt_s_gev(self) -> float:
        """Collider energy."""
        return self.lumi.sqrt_s_gev

    def strength(self, channel: np.ndarray | slice, u: FloatArray) -> FloatArray:
        """dsigma_hat/dc without its angular term, integrated over it, at s = pole_gev2 + u: fb, times 1/S in GeV^-2.

        HBARC^2 s/(144 pi S) sum |A|^2 for one channel per point (n,) or for a slice of channels (k, n); may be
        negative where the mode is a difference.
        """
        pp, pz, zz, kk, kp, kz = (self.couplings[channel, i] for i in range(6))
        if isinstance(channel, slice):
            pp, pz, zz, kk, kp, kz = (a[:, None] for a in (pp, pz, zz, kk, kp, kz))
        sm, s = self.model.sm, self.pole_gev2 + u
        total: FloatArray | float = 0.0
        z = z_propagator(s, sm.m_z_gev, sm.gamma_z_gev)
        if self.mode in ("sm", "full"):
            total = pp / s**2 + 2 * pz / s * z.real + zz * (z.real**2 + z.imag**2)
        if self.mode != "sm":
            g2, w = self.coupling**2, self.pole_width_gev2
            denominator = u**2 + w**2
            total = total + g2**2 * abs(self.residue) ** 2 * kk / denominator
            if self.mode != "zprime" and self.interference:
                re, im = self.residue.real, self.residue.imag
                p_re, p_im = (re * u + im * w) / denominator, (im * u - re * w) / denominator
                total = total + 2 * g2 * ((kp / s + kz * z.real) * p_re + kz * z.imag * p_im)
        return np.asarray(HBARC2_GEV2_FB * s / (144 * np.pi * self.sqrt_s_gev**2) * total)

    def k_factor(self, m_gev: FloatArray) -> FloatArray:
        """LQ_q/L_q at masses in GeV, (pairs, n): linear in ln m between the masses of the luminosity table.

        It is kept between 0 and K_MAX. Where a flavour has no luminosity, because that of some sets passes through
        zero, it is the K factor of all flavours together.
        """
        return np.stack([np.interp(np.log(m_gev), self.log_mass_knots, row) for row in self.k_knots])

    def density(self, channel: np.ndarray, u: FloatArray, y: FloatArray) -> FloatArray:
        """d sigma/(ds dy) of one channel per point, in fb/GeV^2; y along the quark, both beams summed."""
        s = self.pole_gev2 + u
        m, root_tau = np.sqrt(s), np.sqrt(s) / self.sqrt_s_gev
        pair = channel >> 1
        boost = np.exp(y)
        x_max = self.pdf.info.x_max
        x1, x2 = np.minimum(root_tau * boost, x_max), np.minimum(root_tau / boost, x_max)
        both = self.partons.xf(QUARK_ROWS[pair], x1, m) * self.partons.xf(ANTIQUARK_ROWS[pair], x2, m)
        value = self.strength(channel, u) * 2 * both / root_tau**2
        if self.lumi.order != "lo":
            value = value * self.k_factor(m)[pair, np.arange(len(m))]
        return np.asarray(value)


def make_process(
    model: ZprimeModel,
    mass_gev: float,
    coupling: float,
    pdf: PDFMember,
    lumi: LuminosityTable,
    mode: Component = "full",
    lepton: str = "e",
    window_gev: tuple[float, float] | None = None,
    cuts: LeptonCuts | None = None,
    interference: bool = True,
) -> Process:
    """Make a process from a model, with every input checked.

    InputError or RangeError for a window that is empty or outside the luminosity table, or for different PDF sets.

    Arguments:
        model: the model.
        mass_gev: mass of the Z' in GeV.
        coupling: its coupling g.
        pdf: the parton densities.
        lumi: luminosities of the same PDF set; their order and energy are those of the process.
        mode: ``full`` (photon, Z and Z'), ``zprime``, ``sm``, or ``signal`` (full minus sm).
        lepton: ``e``, ``mu`` or ``tau``.
        window_gev: range of dilepton masses; default M/2 to the end of the luminosity table, as ``xsec --method full``.
        cuts: cuts on both leptons.
        interference: whether Z' and Standard Model interfere.
    """
    mass, g = float(checked_positive("mass_gev", mass_gev)), float(checked_positive("coupling", coupling))
    if mode not in get_args(Component):
        raise UnknownName("mode", mode, get_args(Component))
    if lepton not in CHARGED_LEPTONS:
        raise UnknownName("charged lepton", lepton, CHARGED_LEPTONS)
    lumi = lumi.of(PAIRS)
    if lumi.pdf_set.removesuffix("_central") != pdf.info.name.removesuffix("_central"):
        raise InputError(f"the luminosities are of {lumi.pdf_set}, the partons of {pdf.info.name}: use one PDF set")
    low_end, high_end = lumi.range_gev
    low, high = window_gev or (min(max(0.5 * mass, low_end), high_end), high_end)
    if not (np.isfinite(low) and np.isfinite(high) and 0 < low < high):
        raise InputError(f"mass window {low:g} to {high:g} GeV is empty; give LOW:HIGH with 0 < LOW < HIGH")
    if low < low_end or high > high_end:
        raise RangeError(
            f"mass window {low:g} to {high:g} GeV is outside {low_end:g} to {high_end:g} GeV, where events can be made "
            f"at sqrt(s) = {lumi.sqrt_s_gev:g} GeV"
        )
    cuts = cuts or LeptonCuts()
    if 2 * cuts.pt_min_gev >= high:
        raise InputError(f"leptons of pt > {cuts.pt_min_gev:g} GeV have a pair mass above the window's {high:g} GeV")
    gamma = float(decay_widths(model, mass, g).total_gev)
    m_pole, gamma_pole, residue = pole(mass, gamma, model.running_width)
    return Process(
        model=model,
        mass_gev=mass,
        coupling=g,
        gamma_gev=gamma,
        mode=mode,
        interference=interference,
        lepton=lepton,
        window_gev=(float(low), float(high)),
        cuts=cuts,
        pdf=pdf,
        partons=pdf.grid,
        lumi=lumi,
        pole_gev2=float(m_pole) ** 2,
        pole_width_gev2=float(m_pole * gamma_pole),
        residue=complex(residue),
        log_mass_knots=np.log(lumi.mass_gev),
        k_knots=_k_factors(lumi),
        couplings=_channel_couplings(model, lepton),
    )


def _k_factors(lumi: LuminosityTable) -> FloatArray:
    if lumi.order == "lo":
        return np.ones_like(lumi.values)
    leading, total = lumi.leading_order, lumi.leading_order.sum(axis=0)
    together = np.divide(lumi.values.sum(axis=0), total, out=np.ones_like(total), where=total > 0)
    ratio = np.divide(lumi.values, leading, out=np.tile(together, (len(leading), 1)), where=leading > 0)
    return np.asarray(np.clip(ratio, 0.0, K_MAX))


def _channel_couplings(model: ZprimeModel, lepton: str) -> FloatArray:
    """Chirality sums per channel, (10, 6): pair by pair, equal chiralities of quark and lepton first."""
    photon, z = standard_couplings(model.sm, PAIRS)
    own = coupling_products(model, lepton)
    of_zprime = np.stack([own.same.values, own.opposite.values], axis=1)  # k^2, k p, k z: (3, 2, pairs)
    of_sm = np.stack([chirality_sums(*pair) for pair in ((photon, photon), (photon, z), (z, z))])
    return np.concatenate([of_sm, of_zprime]).transpose(2, 1, 0).reshape(CHANNELS, 6)
