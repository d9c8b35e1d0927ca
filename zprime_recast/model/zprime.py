r"""Z' models: exact charges, masses of dark states and anomaly sums.

All chiral couplings in the package follow the convention

.. math:: L = - Z'_\mu \sum_f \bar f \gamma^\mu (g_L P_L + g_R P_R) f, \qquad g_{L,R} = g\, q_{L,R}

A model comes from a card in ``data/models/``, from a card of the user, or from Python as a :class:`ZprimeModel`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import inf, pi, sqrt
from typing import Any

import numpy as np

from ..arrays import FloatArray, checked_number
from ..errors import InputError, UnknownName
from ..io.memo import Memo, PickledByFields
from .formula import Formula, Linear, Number, environment
from .standard_model import StandardModel, standard_model

UP_QUARKS = ("u", "c", "t")
DOWN_QUARKS = ("d", "s", "b")
QUARKS = ("u", "d", "s", "c", "b", "t")
CHARGED_LEPTONS = ("e", "mu", "tau")
NEUTRINOS = ("nu_e", "nu_mu", "nu_tau")
SM_FERMIONS = QUARKS + CHARGED_LEPTONS + NEUTRINOS
#: PDG Monte Carlo ids.
PDG_IDS = dict(zip(SM_FERMIONS, (2, 1, 3, 4, 5, 6, 11, 13, 15, 12, 14, 16), strict=True))

#: Parameters that every model has: an additional invisible width and two switches (0 or 1) for the width.
GAMMA_EXTRA = "gamma_extra"
QCD_WIDTHS = "qcd_widths"
RUNNING_WIDTH = "running_width"
_SWITCHES = (QCD_WIDTHS, RUNNING_WIDTH)
#: Names that formulas of charges know without a parameter: sin^2(theta_W), pi and the couplings of photon and Z.
FORMULA_NAMES = ("sw2", "pi", "e", "g_z")
#: Names that formulas of widths know besides: the mass of the decaying boson and those of W, Z and Higgs boson in GeV.
DECAY_NAMES = ("M", "m_w", "m_z", "m_h")

#: Largest perturbative g q, sqrt(2 pi); arXiv:1707.08606, section 5.
PERTURBATIVE = sqrt(2 * pi)

#: Largest number in a charge; beyond it is a slip of the pen, and far beyond it floats overflow.
LARGEST_CHARGE = 10**9


@dataclass(frozen=True)
class Charge:
    """An exact charge a + b sin^2(theta_W) with fractions a and b; a U(1)' charge has b = 0."""

    rational: Fraction
    sw2: Fraction = Fraction(0)
    formula: Formula | None = field(default=None, repr=False, compare=False)
    """The formula of parameters whose value it is; None if it is fixed."""
    exact: bool = field(default=True, repr=False, compare=False)
    """False if the formula has no exact value: the rational part is the float then."""

    def value(self, sm: StandardModel) -> float:
        """The charge as a number."""
        return float(self.rational) + float(self.sw2) * sm.sin2_theta_w

    def __str__(self) -> str:
        if not self.sw2:
            short = self.rational.denominator < 1e6
            return str(self.rational) if short else f"{float(self.rational):.12g}"
        return f"{self.rational} {'+' if self.sw2 > 0 else '-'} {abs(self.sw2)} sw2"

    @classmethod
    def parse(cls, value: object) -> Charge:
        """Read a charge from an int, a Fraction or a string.

        A string is a :class:`~zprime_recast.model.formula.Formula` of numbers and ``sw2`` whose value is exact, such as
        ``"1/3"``, ``"0.1"`` or ``"-1/2 + 2*sw2"``. ValueError for anything else, and for a number of more than
        :data:`LARGEST_CHARGE`.
        """
        charge = value if isinstance(value, Charge) else cls._parse(value)
        return charge.checked(value)

    def checked(self, value: object) -> Charge:
        """The charge itself; ValueError for a number of more than :data:`LARGEST_CHARGE`, or less than its inverse."""
        if any(part and not 1 / LARGEST_CHARGE <= abs(part) <= LARGEST_CHARGE for part in (self.rational, self.sw2)):
            raise ValueError(f"not a charge between {1 / LARGEST_CHARGE:g} and {LARGEST_CHARGE:g}")
        return self

    @classmethod
    def read(cls, value: object) -> Charge:
        """As :meth:`parse`, or a formula of parameters, whose value :meth:`at` computes."""
        if not isinstance(value, str):
            return cls.parse(value)
        formula = Formula(value)
        return cls(Fraction(0), formula=formula) if formula.names - {"sw2"} else cls.parse(value)

    def at(self, values: Mapping[str, Number], sin2_theta_w: float) -> Charge:
        """The charge at given values of the parameters; InputError quotes a formula without a value."""
        if self.formula is None:
            return self
        found = self.formula.value(values, sin2_theta_w)
        if isinstance(found, float):
            return replace(self, rational=Fraction(found), sw2=Fraction(0), exact=False).checked(self.formula.text)
        return replace(self, rational=found.rational, sw2=found.sw2, exact=True).checked(self.formula.text)

    @classmethod
    def _parse(cls, value: object) -> Charge:
        if isinstance(value, (int, Fraction)) and not isinstance(value, bool):
            return cls(Fraction(value))
        if not isinstance(value, str):
            raise ValueError(f"not an exact charge: {str(value)[:60]!r}")
        try:
            found = Formula(value).value({"sw2": Linear(Fraction(0), Fraction(1))}, 0.0)
        except InputError as err:
            raise ValueError(f"not an exact charge: {str(err)[:120]}") from None
        if isinstance(found, float):
            raise ValueError(f"not an exact charge: {str(value)[:60]!r}")
        return cls(found.rational, found.sw2)


ZERO = Charge(Fraction(0))


@dataclass(frozen=True)
class Fermion:
    """A fermion the Z' may decay to."""

    name: str
    kind: str
    """``dirac`` (two chiralities), ``weyl`` (one chirality, massless) or ``majorana`` (one chirality, massive)."""
    q_left: Charge
    q_right: Charge
    colors: int = 1
    multiplicity: int = 1
    mass_gev: float = 0.0
    mass_parameter: str | None = None
    """Parameter of the card that replaces ``mass_gev``; None if the mass is fixed."""
    doc: str = ""


@dataclass(frozen=True)
class ChiralField:
    """A left- or right-handed multiplet that enters the anomaly sums."""

    name: str
    left: bool
    charge: Fraction
    colors: int
    isospin_states: int
    hypercharge: Fraction
    multiplicity: int
    source: Charge | None = field(default=None, repr=False, compare=False)
    """The charge with its formula, if it has one."""


@dataclass(frozen=True)
class Scalar:
    """A complex scalar without colour and isospin, which counts in the running of g alone."""

    name: str
    charge: Fraction
    doc: str = ""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a card; ``--set NAME=VALUE`` changes it on the command line."""

    name: str
    value: float
    doc: str
    low: float = field(default=0.0, repr=False)
    """Smallest value allowed: 0 for masses and widths."""
    high: float = field(default=inf, repr=False)
    fraction: Fraction | None = field(default=None, repr=False)
    """The exact value, if it was given as a fraction such as 1/3."""

    @property
    def exact(self) -> Fraction:
        """The value as a fraction: as it was given, else the decimal number it prints as."""
        return Fraction(repr(self.value)) if self.fraction is None else self.fraction


@dataclass(frozen=True)
class Decay:
    """A decay of the Z' into states other than fermion pairs, with a formula for its width."""

    name: str
    width: Formula
    """Width in GeV: a formula of the mass M of the boson in GeV, of parameters and of :data:`DECAY_NAMES`."""
    scales: bool = True
    """Whether ``width`` is that at g = 1 and grows as g^2; False for a width that does not depend on g."""
    threshold: Formula | None = None
    """Mass M in GeV below which the decay is closed."""
    visible: bool = True
    """Whether the final state is seen in a detector; ``widths`` counts the others as invisible."""
    pdg_ids: tuple[int, ...] = ()
    """PDG ids of the final state, empty if it has none."""
    doc: str = ""


@dataclass(frozen=True)
class ZprimeModel(PickledByFields):
    """Charges and dark states of a Z' (immutable). Functions take the mass and coupling of the Z' as arguments."""

    id: str
    title: str
    reference: str
    charge_name: str
    charge_norm_squared: Fraction
    """A physical charge is the charge on the card times the square root of this number."""
    fermions: tuple[Fermion, ...]
    fields: tuple[ChiralField, ...] = ()
    """Multiplets that enter the anomaly sums; empty if the model is not a U(1)' gauge theory."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    reference_coupling: float | None = None
    """Coupling of the published benchmark (SSM, E6); None if the model leaves it free."""
    definitions: Mapping[str, Formula] = field(default_factory=dict)
    """Abbreviations that the formulas of charges and widths use."""
    decays: tuple[Decay, ...] = ()
    """Decays other than those into fermion pairs."""
    scalars: tuple[Scalar, ...] = ()
    """Scalars charged under the U(1)'."""
    sm: StandardModel = field(default_factory=standard_model)

    def __hash__(self) -> int:
        return hash(self.digest())

    def with_parameters(self, values: Mapping[str, float] | None = None, **more: float) -> ZprimeModel:
        """Return a copy with other parameter values.

        Charges that are formulas follow; a text such as ``"1/3"`` is exact. UnknownName for a parameter that does not
        exist; InputError for a value that is not finite or out of its range, a switch that is neither 0 nor 1, or a
        charge without a value.
        """
        changed = dict(self.parameters)
        for name, value in {**(values or {}), **more}.items():
            if name not in changed:
                raise UnknownName(f"parameter of {self.id}", name, changed)
            fraction = _fraction(name, value)
            number = checked_number(name, value if fraction is None else float(fraction), low=changed[name].low)
            if number > changed[name].high:
                raise InputError(f"{name} must be <= {changed[name].high:g}, found {number:g}")
            if name in _SWITCHES and number not in (0.0, 1.0):
                raise InputError(f"{name} is a switch: 0 or 1, found {number:g}")
            changed[name] = replace(changed[name], value=number, fraction=fraction)
        model = replace(self, parameters=changed)
        return model._with_charges() if self.charge_parameters else model

    @cached_property
    def charge_parameters(self) -> tuple[str, ...]:
        """Parameters on which charges depend."""
        charges = [q for f in self.fermions for q in (f.q_left, f.q_right)] + [
            f.source for f in self.fields if f.source
        ]
        return self._parameters_in({name for q in charges if q.formula for name in q.formula.names})

    @cached_property
    def decay_parameters(self) -> tuple[str, ...]:
        """Parameters on which the formulas of widths depend."""
        formulas = [f for d in self.decays for f in (d.width, d.threshold) if f is not None]
        return self._parameters_in({name for formula in formulas for name in formula.names})

    def _parameters_in(self, names: set[str]) -> tuple[str, ...]:
        """Parameters among names, and in the definitions among them."""
        while more := {n for d in names & self.definitions.keys() for n in self.definitions[d].names} - names:
            names |= more
        return tuple(name for name in self.parameters if name in names)

    def numbers(self, given: Mapping[str, FloatArray] | None = None) -> dict[str, FloatArray]:
        """Values of everything that a formula may name, at the parameters of the model or, for many points, at those
        ``given`` (n,); NaN where a definition has no value. ``M`` is not among them.
        """
        sm = self.sm
        constants = {"sw2": sm.sin2_theta_w, "pi": pi, "e": sm.e, "g_z": sm.g_z}
        constants |= {"m_w": sm.m_w_gev, "m_z": sm.m_z_gev, "m_h": sm.m_h_gev}
        own = {name: float(parameter.exact) for name, parameter in self.parameters.items()}
        known = {name: np.asarray(value, dtype=float) for name, value in {**constants, **own, **(given or {})}.items()}
        waiting = dict(self.definitions)
        while ready := [name for name, formula in waiting.items() if not formula.names & waiting.keys()]:
            for name in ready:
                known[name] = waiting.pop(name).numbers(known)
        return known

    def couplings_at(self, given: Mapping[str, FloatArray]) -> FloatArray:
        """Couplings (g_L, g_R) for g = 1 at many values of parameters, each (n,); NaN where a charge has no value.

        Returns an array (n_fermions, 2, n). :meth:`with_parameters` tells why there is none.
        """
        known, n = self.numbers(given), len(next(iter(given.values())))
        found = np.empty((len(self.fermions), 2, n))
        for i, fermion in enumerate(self.fermions):
            for side, charge in enumerate((fermion.q_left, fermion.q_right)):
                found[i, side] = charge.value(self.sm) if charge.formula is None else charge.formula.numbers(known)
        return np.asarray(sqrt(self.charge_norm_squared) * found)

    def _with_charges(self) -> ZprimeModel:
        """The model with the charges at its parameters; InputError names the fermion whose charge has no value."""
        own = (GAMMA_EXTRA, *_SWITCHES)
        exact = {name: parameter.exact for name, parameter in self.parameters.items() if name not in own}
        sw2 = self.sm.sin2_theta_w
        known = environment(exact, self.definitions, {"pi": pi, "e": self.sm.e, "g_z": self.sm.g_z}, sw2)

        def at(name: str, charge: Charge) -> Charge:
            try:
                return charge.at(known, sw2)
            except ValueError as err:
                raise InputError(f"charge of {name} in model {self.id}: {err}") from None

        fermions = tuple(replace(f, q_left=at(f.name, f.q_left), q_right=at(f.name, f.q_right)) for f in self.fermions)
        fields = []
        for one in self.fields:
            source = None if one.source is None else at(one.name, one.source)
            fields.append(one if source is None else replace(one, charge=source.rational, source=source))
        return replace(self, fermions=fermions, fields=tuple(fields))

    def parameter(self, name: str) -> float:
        """Value of a parameter; UnknownName if the model does not have it."""
        if name not in self.parameters:
            raise UnknownName(f"parameter of {self.id}", name, self.parameters)
        return self.parameters[name].value

    @property
    def gamma_extra_gev(self) -> float:
        """Additional invisible width in GeV."""
        return self.parameters[GAMMA_EXTRA].value

    @property
    def qcd_widths(self) -> bool:
        """Whether quark widths include their QCD correction."""
        return self.parameters[QCD_WIDTHS].value == 1.0

    @property
    def running_width(self) -> bool:
        """Whether the width in the propagator is s Gamma/M^2 instead of Gamma."""
        return self.parameters[RUNNING_WIDTH].value == 1.0

    def fermion(self, name: str) -> Fermion:
        """Look up a fermion by name; UnknownName if the model does not have it."""
        for fermion in self.fermions:
            if fermion.name == name:
                return fermion
        raise UnknownName(f"fermion of {self.id}", name, [f.name for f in self.fermions])

    def mass_gev(self, fermion: Fermion) -> float:
        """Mass of a fermion in GeV for the current parameter values."""
        return self.parameters[fermion.mass_parameter].value if fermion.mass_parameter else fermion.mass_gev

    def couplings(self, name: str) -> tuple[float, float]:
        """Couplings (g_L, g_R) of a fermion for g = 1, i.e. its physical charges; UnknownName if there is none."""
        if name not in self._couplings:
            raise UnknownName(f"fermion of {self.id}", name, self._couplings)
        return self._couplings[name]

    @cached_property
    def _couplings(self) -> dict[str, tuple[float, float]]:
        norm = sqrt(self.charge_norm_squared)
        return {f.name: (norm * f.q_left.value(self.sm), norm * f.q_right.value(self.sm)) for f in self.fermions}

    @cached_property
    def memo(self) -> Memo[tuple[str, ...], Any]:
        """Tables that other modules compute from the model and need again, by their names."""
        return Memo(16)

    def largest_charge(self) -> float:
        """Largest physical |charge| of any fermion; it sets the perturbativity bound g q_max <= sqrt(2 pi)."""
        return max(abs(g) for pair in self._couplings.values() for g in pair)

    def digest(self) -> str:
        """Digest of everything in the model that enters a result: charges, states, parameters and constants."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        content = repr((self.charge_norm_squared, self.fermions, sorted(self.parameters.items()), self.sm))
        content += repr((self.decays, self.definitions)) if self.decays else ""
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def _fraction(name: str, value: object) -> Fraction | None:
    """The exact value of a text such as 1/3; None if it is no fraction."""
    if not (isinstance(value, str) and "/" in value):
        return value if isinstance(value, Fraction) else None
    try:
        return Fraction(value.replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        raise InputError(f"{name} must be a number or a fraction, found {value!r}") from None


def perturbative_coupling(model: ZprimeModel) -> float:
    """Largest perturbative coupling, where g q_max = sqrt(2 pi); arXiv:1707.08606, section 5 (figure 2).

    InputError for a model whose charges are all 0.
    """
    if not model.largest_charge():
        raise InputError(f"model {model.id}: every charge is 0, so that no coupling is too large")
    return PERTURBATIVE / model.largest_charge()


def anomaly_sums(model: ZprimeModel) -> dict[str, Fraction | float]:
    """Anomaly sums (left minus right) of the charges as written on the card.

    They are exact fractions, or floats where a charge is a formula without an exact value.

    ``gravity`` is eq. (2.3) and ``u1_cubed`` eq. (2.4) of arXiv:1707.08606. The mixed sums SU(3)^2 U(1)',
    SU(2)^2 U(1)', Y^2 U(1)' and Y U(1)'^2 come from the same triangle diagrams.

    InputError if the model is not a U(1)' gauge theory.
    """
    if not model.fields:
        raise InputError(f"model {model.id} is a set of couplings, not a U(1)' gauge theory: it has no anomaly sums")

    exact = all(f.source is None or f.source.exact for f in model.fields)

    def total(weight: Any) -> Fraction | float:
        terms = (weight(f) * f.multiplicity * (1 if f.left else -1) for f in model.fields)
        return sum(terms, Fraction(0)) if exact else float(sum(terms, Fraction(0)))

    return {
        "gravity": total(lambda f: f.colors * f.isospin_states * f.charge),
        "u1_cubed": total(lambda f: f.colors * f.isospin_states * f.charge**3),
        "su3_squared": total(lambda f: f.isospin_states * f.charge if f.colors == 3 else Fraction(0)),
        "su2_squared": total(lambda f: f.colors * f.charge if f.isospin_states == 2 else Fraction(0)),
        "hypercharge_squared": total(lambda f: f.colors * f.isospin_states * f.hypercharge**2 * f.charge),
        "hypercharge": total(lambda f: f.colors * f.isospin_states * f.hypercharge * f.charge**2),
    }


# ---------------------------------------------------------------------------------------------------------------
# Making a model

_SPECIES: dict[str, tuple[str, ...]] = {
    "u": UP_QUARKS,
    "d": DOWN_QUARKS,
    "nu": NEUTRINOS,
    "e": CHARGED_LEPTONS,
}


def generation_and_species(name: str) -> tuple[int, str]:
    """Generation (1 to 3) and species (u, d, nu or e) of a Standard Model fermion; UnknownName for any other name."""
    for species, names in _SPECIES.items():
        if name in names:
            return names.index(name) + 1, species
    raise UnknownName("fermion of the Standard Model", name, SM_FERMIONS)
