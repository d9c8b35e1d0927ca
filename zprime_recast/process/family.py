r"""Families of hypotheses: Z' bosons of fixed mass whose coupling, or signal strength, is still free.

A family reads charges and widths of a model once, at unit coupling, and holds all that a limit, a scan or a sampler
needs of it. The total width at coupling g is :math:`\Gamma(g) = g^2 u + \Gamma_\mathrm{extra}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet, checked_positive
from ..model.widths import all_partial_widths, quark_correction, visible_decays, width_faults
from ..model.zprime import CHARGED_LEPTONS, GAMMA_EXTRA, PERTURBATIVE, ZprimeModel, perturbative_coupling
from ..partons.luminosity import LuminosityTable
from ..partons.pairs import NEUTRAL_CURRENT, PartonPairs
from .couplings import CouplingProducts, lepton_products, products_by_lepton
from .cross_section import narrow_rate_fb, production_widths
from .hypotheses import GAMMA_OVER_M_MAX, Hypotheses

#: Smallest coupling at which a limit is searched for: absolute, and relative to the largest.
COUPLING_MIN, COUPLING_RANGE = 1e-6, 1e-5
#: Range of signal strengths in which a limit is searched for.
STRENGTH_RANGE = (1e-6, 1e4)


class Family(Protocol):
    """Hypotheses (n,) with one free number x each: the coupling, or the signal strength."""

    @property
    def variable(self) -> str:
        """Name of x: ``coupling`` or ``strength``."""

    @property
    def mass_gev(self) -> FloatArray:
        """Pole masses, (n,)."""

    @property
    def other_visible(self) -> tuple[str, ...]:
        """Names of the partial widths into visible states other than Standard Model fermions."""

    @property
    def lowest(self) -> FloatArray:
        """Smallest x at which a limit is searched for, (n,)."""

    @property
    def largest(self) -> FloatArray:
        """Largest x at which a limit is searched for, (n,)."""

    @property
    def largest_because(self) -> tuple[str, ...]:
        """Why no limit is searched for above ``largest``, (n,)."""

    def widest(self, gamma_over_m: float) -> FloatArray:
        """Largest x at which Gamma/M stays below a value, (n,)."""

    def at(self, which: IndexArray, x: FloatArray) -> Hypotheses:
        """Hypotheses of the members with indices ``which`` (k,) at x (k,)."""

    def gamma_gev(self, which: IndexArray, x: FloatArray) -> FloatArray:
        """Total widths in GeV, (k,)."""

    def partial_gev(self, which: IndexArray, x: FloatArray) -> Mapping[str, FloatArray]:
        """Partial widths in GeV per fermion, summed over its copies, (k,); without the extra invisible width."""

    def sigma_br_fb(
        self, which: IndexArray, x: FloatArray, lumi: LuminosityTable, fermions: Sequence[str]
    ) -> FloatArray:
        """sigma x BR in fb, (k,), in the narrow-width approximation, summed over ``fermions``.

        Source: arXiv:1707.08606, eq. (4.1).
        """

    def take(self, which: IndexArray) -> Family:
        """Select members by index."""


@dataclass(frozen=True, eq=False, repr=False)
class CouplingFamily(Quiet):
    """Z' bosons of one model whose coupling is free; their width follows from it."""

    mass_gev: FloatArray
    """Pole masses, (n,)."""
    unit: Hypotheses
    """The hypotheses at coupling 1, (n,)."""
    partial_over_g2_gev: Mapping[str, FloatArray]
    """Partial widths in GeV at unit coupling per fermion, summed over its copies, and per other decay, (n,)."""
    production_over_g2_gev: FloatArray
    """Tree-level widths in GeV into the parton pairs at unit coupling, (pairs, n); QCD corrections of the production
    are in the luminosities."""
    extra_gev: FloatArray
    """Width in GeV that does not depend on the coupling, (n,)."""
    coupling_perturbative: FloatArray
    """Largest perturbative couplings, where g q_max = sqrt(2 pi), (n,)."""
    without_width: tuple[str, ...]
    """Why a member has no width, "" if it has one, (n,)."""
    other_visible: tuple[str, ...] = ()
    """Names of the partial widths into visible states other than Standard Model fermions."""
    variable: str = "coupling"
    pairs: PartonPairs = NEUTRAL_CURRENT
    """The pairs of quark and antiquark that make the boson."""

    @property
    def gamma_over_g2_gev(self) -> FloatArray:
        """u of Gamma = g^2 u + extra in GeV, (n,)."""
        return self.unit.gamma_gev - self.extra_gev

    def widest(self, gamma_over_m: float) -> FloatArray:
        """Coupling 0.1 % below the one with this relative width, (n,); 0 where ``extra_gev`` alone is wider."""
        room = np.maximum(gamma_over_m * self.mass_gev - self.extra_gev, 0.0)
        unit = self.gamma_over_g2_gev
        squared = np.divide(room, unit, out=np.full(room.shape, np.inf), where=unit > 0)
        return np.asarray(0.999 * np.sqrt(squared))

    @property
    def largest(self) -> FloatArray:
        """Largest coupling at which a limit is searched for, (n,): perturbative, with Gamma/M < GAMMA_OVER_M_MAX."""
        return np.maximum(np.minimum(self.widest(GAMMA_OVER_M_MAX), self.coupling_perturbative), COUPLING_MIN)

    @property
    def largest_because(self) -> tuple[str, ...]:
        """The bound that sets ``largest``, (n,): perturbativity, or the width."""
        names = ("perturbativity, g q_max = sqrt(2 pi)", f"Gamma/M = {GAMMA_OVER_M_MAX}")
        return tuple(names[int(wide)] for wide in self.widest(GAMMA_OVER_M_MAX) < self.coupling_perturbative)

    @property
    def lowest(self) -> FloatArray:
        """Smallest coupling at which a limit is searched for, (n,)."""
        return np.maximum(COUPLING_MIN, COUPLING_RANGE * self.largest)

    def faults(self) -> list[tuple[int, str]]:
        """(index, message) of members that cannot be tested at any coupling."""
        found = [(i, text) for i, text in enumerate(self.without_width) if text]
        wide = np.nonzero(self.extra_gev >= GAMMA_OVER_M_MAX * self.mass_gev)[0].tolist()
        text = f"alone makes the Z' wider than {GAMMA_OVER_M_MAX} of its mass"
        return found + [(i, f"{GAMMA_EXTRA} = {self.extra_gev[i]:g} GeV {text}") for i in wide]

    def at(self, which: IndexArray, x: FloatArray) -> Hypotheses:
        """Hypotheses of the members ``which`` (k,) at couplings x (k,)."""
        return replace(self.unit.take(which), coupling=x, gamma_gev=self.gamma_gev(which, x))

    def gamma_gev(self, which: IndexArray, x: FloatArray) -> FloatArray:
        """Total widths in GeV at couplings x, (k,)."""
        return np.asarray(x**2 * self.gamma_over_g2_gev[which] + self.extra_gev[which])

    def partial_gev(self, which: IndexArray, x: FloatArray) -> dict[str, FloatArray]:
        """Partial widths in GeV per fermion at couplings x, (k,)."""
        return {name: x**2 * unit[which] for name, unit in self.partial_over_g2_gev.items()}

    def sigma_br_fb(
        self, which: IndexArray, x: FloatArray, lumi: LuminosityTable, fermions: Sequence[str]
    ) -> FloatArray:
        """sigma x BR in fb at couplings x, summed over ``fermions``, (k,)."""
        decay = x**2 * _summed(self.partial_over_g2_gev, fermions, len(self.mass_gev))[which]
        ratio = decay / self.gamma_gev(which, x)
        widths = x**2 * self.production_over_g2_gev[:, which]
        return narrow_rate_fb(widths, ratio, self.mass_gev[which], lumi.of(self.pairs))

    def take(self, which: IndexArray) -> CouplingFamily:
        """Select members by index."""
        return replace(
            self,
            mass_gev=self.mass_gev[which],
            unit=self.unit.take(which),
            partial_over_g2_gev={name: width[which] for name, width in self.partial_over_g2_gev.items()},
            production_over_g2_gev=self.production_over_g2_gev[:, which],
            extra_gev=self.extra_gev[which],
            coupling_perturbative=self.coupling_perturbative[which],
            without_width=tuple(self.without_width[int(i)] for i in np.arange(len(self.mass_gev))[which]),
        )


@dataclass(frozen=True, eq=False, repr=False)
class StrengthFamily(Quiet):
    """Z' bosons of given couplings and widths whose whole signal, interference included, is scaled by a strength."""

    hypotheses: Hypotheses
    """The hypotheses at strength 1, (n,)."""
    widths_gev: Mapping[str, FloatArray]
    """Partial widths in GeV per fermion, (n,)."""
    production_gev: FloatArray
    """Tree-level widths in GeV into the parton pairs, (pairs, n)."""
    variable: str = "strength"
    pairs: PartonPairs = NEUTRAL_CURRENT
    """The pairs of quark and antiquark that make the boson."""
    other_visible: tuple[str, ...] = ()

    @property
    def mass_gev(self) -> FloatArray:
        """Pole masses, (n,)."""
        return self.hypotheses.mass_gev

    @property
    def lowest(self) -> FloatArray:
        """Smallest strength at which a limit is searched for, (n,)."""
        return np.full(len(self.mass_gev), STRENGTH_RANGE[0])

    @property
    def largest(self) -> FloatArray:
        """Largest strength at which a limit is searched for, (n,)."""
        return np.full(len(self.mass_gev), STRENGTH_RANGE[1])

    @property
    def largest_because(self) -> tuple[str, ...]:
        """Names the largest strength, which is an arbitrary bound, (n,)."""
        return (f"a strength of {STRENGTH_RANGE[1]:g}",) * len(self.mass_gev)

    def widest(self, gamma_over_m: float) -> FloatArray:
        """The largest strength for members with Gamma/M up to a value, 0 for wider ones, (n,)."""
        return np.where(self.hypotheses.gamma_gev <= gamma_over_m * self.mass_gev, self.largest, 0.0)

    def at(self, which: IndexArray, x: FloatArray) -> Hypotheses:
        """Hypotheses of the members ``which`` (k,) at strengths x (k,)."""
        return replace(self.hypotheses.take(which), strength=x)

    def gamma_gev(self, which: IndexArray, x: FloatArray) -> FloatArray:
        """Total widths in GeV, which do not depend on the strength, (k,)."""
        return self.hypotheses.gamma_gev[which]

    def partial_gev(self, which: IndexArray, x: FloatArray) -> dict[str, FloatArray]:
        """Partial widths in GeV per fermion, which do not depend on the strength, (k,)."""
        return {name: width[which] for name, width in self.widths_gev.items()}

    def sigma_br_fb(
        self, which: IndexArray, x: FloatArray, lumi: LuminosityTable, fermions: Sequence[str]
    ) -> FloatArray:
        """sigma x BR in fb times the strength, summed over ``fermions``, (k,)."""
        ratio = _summed(self.widths_gev, fermions, len(self.mass_gev))[which] / self.hypotheses.gamma_gev[which]
        widths = self.production_gev[:, which]
        return np.asarray(x * narrow_rate_fb(widths, ratio, self.mass_gev[which], lumi.of(self.pairs)))

    def take(self, which: IndexArray) -> StrengthFamily:
        """Select members by index."""
        widths = {name: width[which] for name, width in self.widths_gev.items()}
        return replace(
            self,
            hypotheses=self.hypotheses.take(which),
            widths_gev=widths,
            production_gev=self.production_gev[:, which],
        )


def coupling_family(
    model: ZprimeModel, mass_gev: object, parameters: Mapping[str, FloatArray] | None = None
) -> CouplingFamily:
    """The family of a model at masses (n,) in GeV.

    ``parameters`` maps parameters of the card that differ from member to member to their values (n,); members where the
    formula of a charge or a width has no value there are among the :meth:`CouplingFamily.faults`. InputError unless the
    masses are finite and > 0.
    """
    mass = np.atleast_1d(checked_positive("mass_gev", mass_gev))
    one, given = np.ones(mass.shape), parameters or {}
    widths = all_partial_widths(model, mass, one, parameters)
    partial = dict(widths)
    fixed = [partial.pop("extra"), *(partial.pop(d.name) for d in model.decays if not d.scales)]
    extra = np.asarray(sum(fixed), dtype=float)
    total = np.asarray(sum(partial.values(), extra))
    sm = model.sm
    products: Mapping[str, CouplingProducts]
    if given.keys() & set(model.charge_parameters):
        charges = np.nan_to_num(model.couplings_at(given))
        by_name = dict(zip((f.name for f in model.fermions), charges, strict=True))
        quarks = np.stack([by_name[q] for q, _ in NEUTRAL_CURRENT])
        products = products_by_lepton(quarks, np.stack([by_name[lepton] for lepton in CHARGED_LEPTONS]), sm)
        production = np.stack([widths[q] for q, _ in NEUTRAL_CURRENT]) / quark_correction(model, mass)
        perturbative = PERTURBATIVE / np.maximum(np.abs(charges).max(axis=(0, 1)), 1e-60)
    else:
        products = lepton_products(model)
        production = production_widths(model, mass, 1.0)
        perturbative = np.full(mass.shape, perturbative_coupling(model))
    unit = Hypotheses(mass, total, one, products, model.running_width, sm.m_z_gev, sm.gamma_z_gev)
    without = dict(width_faults(model, mass, total, widths))
    texts = tuple(without.get(i, "") for i in range(len(mass)))
    return CouplingFamily(mass, unit, partial, production, extra, perturbative, texts, visible_decays(model))


def _summed(partial_gev: Mapping[str, FloatArray], fermions: Sequence[str], n: int) -> FloatArray:
    return np.asarray(sum((partial_gev[name] for name in fermions if name in partial_gev), np.zeros(n)))
