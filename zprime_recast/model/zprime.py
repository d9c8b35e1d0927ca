r"""Z' models: exact charges, masses of dark states, anomaly sums.

Convention (all chiral couplings of the package):

.. math:: L = - Z'_\mu \sum_f \bar f \gamma^\mu (g_L P_L + g_R P_R) f, \qquad g_{L,R} = g\, q_{L,R}

A model is a card in ``data/models/``, a card of the user's, or a :class:`ZprimeModel` made in Python.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from math import sqrt
from typing import Any

import numpy as np

from ..errors import InputError, UnknownName
from ..io.cards import FloatArray
from .standard_model import StandardModel, standard_model

UP_QUARKS = ("u", "c", "t")
DOWN_QUARKS = ("d", "s", "b")
QUARKS = ("u", "d", "s", "c", "b", "t")
CHARGED_LEPTONS = ("e", "mu", "tau")
NEUTRINOS = ("nu_e", "nu_mu", "nu_tau")
SM_FERMIONS = QUARKS + CHARGED_LEPTONS + NEUTRINOS
#: PDG Monte Carlo ids.
PDG_IDS = dict(zip(SM_FERMIONS, (2, 1, 3, 4, 5, 6, 11, 13, 15, 12, 14, 16), strict=True))

#: Parameters every model has: additional invisible width, and two switches (0 or 1) of the width.
GAMMA_EXTRA = "gamma_extra"
QCD_WIDTHS = "qcd_widths"
RUNNING_WIDTH = "running_width"
_SWITCHES = (QCD_WIDTHS, RUNNING_WIDTH)


@dataclass(frozen=True)
class Charge:
    """An exact charge a + b sin^2(theta_W) with fractions a, b; b is 0 for a U(1)'."""

    rational: Fraction
    sw2: Fraction = Fraction(0)

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
        """From an int, a Fraction, or a string: ``"a"``, ``"b*sw2"`` or ``"a + b*sw2"`` with fractions a, b, or a
        decimal number. ValueError otherwise.
        """
        if isinstance(value, Charge):
            return value
        if isinstance(value, (int, Fraction)) and not isinstance(value, bool):
            return cls(Fraction(value))
        if not isinstance(value, str):
            raise ValueError(f"no exact charge: {value!r}")
        text = value.replace(" ", "")
        if re.fullmatch(r"[+-]?\d+\.\d*(?:[eE][+-]?\d{1,3})?|[+-]?\d+[eE][+-]?\d{1,3}", text):
            return cls(Fraction(text))
        match = re.fullmatch(r"([+-]?\d+(?:/\d+)?(?!\*))?(?:([+-]?)(?:(\d+(?:/\d+)?)\*)?(sw2))?", text)
        if not match or not text or re.search(r"/0+(?!\d)", text):
            raise ValueError(f"no exact charge: {value!r}")
        a, sign, b, sw2 = match.groups()
        coefficient = Fraction(f"{sign or ''}{b or 1}") if sw2 else Fraction(0)
        return cls(Fraction(a or 0), coefficient)


ZERO = Charge(Fraction(0))


@dataclass(frozen=True)
class Fermion:
    """A fermion the Z' may decay to."""

    name: str
    kind: str
    """``dirac`` (both chiralities), ``weyl`` (massless) or ``majorana`` (one chirality, massive)."""
    q_left: Charge
    q_right: Charge
    colors: int = 1
    multiplicity: int = 1
    mass_gev: float = 0.0
    mass_parameter: str | None = None
    """Parameter of the card that overrides ``mass_gev``."""
    doc: str = ""


@dataclass(frozen=True)
class ChiralField:
    """A left- or right-handed multiplet as it enters the anomaly sums."""

    name: str
    left: bool
    charge: Fraction
    colors: int
    isospin_states: int
    hypercharge: Fraction
    multiplicity: int


@dataclass(frozen=True)
class Parameter:
    """A parameter of a card, set with ``--set NAME=VALUE``."""

    name: str
    value: float
    doc: str


@dataclass(frozen=True)
class ZprimeModel:
    """Charges and dark states of a Z'. Immutable; mass and coupling of the Z' are arguments of what follows."""

    id: str
    title: str
    reference: str
    charge_name: str
    charge_norm_squared: Fraction
    """Physical charge = written charge times the square root of this."""
    fermions: tuple[Fermion, ...]
    fields: tuple[ChiralField, ...] = ()
    """Content for the anomaly sums; empty if the model is no U(1)' gauge theory."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    reference_coupling: float | None = None
    """Coupling at which the model is its benchmark (SSM, E6); None where the coupling is free."""
    sm: StandardModel = field(default_factory=standard_model)

    def __hash__(self) -> int:
        return hash(self.digest())

    def with_parameters(self, values: Mapping[str, float] | None = None, **more: float) -> ZprimeModel:
        """A copy with parameters changed; UnknownName or InputError if one does not exist or makes no sense."""
        changed = dict(self.parameters)
        for name, value in {**(values or {}), **more}.items():
            if name not in changed:
                raise UnknownName(f"parameter of {self.id}", name, changed)
            number = checked_number(name, value, low=0.0)
            if name in _SWITCHES and number not in (0.0, 1.0):
                raise InputError(f"{name} is a switch: 0 or 1, found {number:g}")
            changed[name] = replace(changed[name], value=number)
        return replace(self, parameters=changed)

    def parameter(self, name: str) -> float:
        """Value of a parameter."""
        if name not in self.parameters:
            raise UnknownName(f"parameter of {self.id}", name, self.parameters)
        return self.parameters[name].value

    @property
    def gamma_extra_gev(self) -> float:
        """Additional invisible width in GeV."""
        return self.parameters[GAMMA_EXTRA].value

    @property
    def qcd_widths(self) -> bool:
        """Whether quark widths have their QCD correction."""
        return self.parameters[QCD_WIDTHS].value == 1.0

    @property
    def running_width(self) -> bool:
        """Whether the propagator has the width s Gamma/M^2 instead of Gamma."""
        return self.parameters[RUNNING_WIDTH].value == 1.0

    def fermion(self, name: str) -> Fermion:
        """A fermion by name."""
        for fermion in self.fermions:
            if fermion.name == name:
                return fermion
        raise UnknownName(f"fermion of {self.id}", name, [f.name for f in self.fermions])

    def mass_gev(self, fermion: Fermion) -> float:
        """Mass of a fermion with the card's parameters."""
        return self.parameters[fermion.mass_parameter].value if fermion.mass_parameter else fermion.mass_gev

    def couplings(self, name: str) -> tuple[float, float]:
        """(g_L, g_R) of a fermion at unit coupling: the physical charges."""
        if name not in self._couplings:
            raise UnknownName(f"fermion of {self.id}", name, self._couplings)
        return self._couplings[name]

    @cached_property
    def _couplings(self) -> dict[str, tuple[float, float]]:
        norm = sqrt(self.charge_norm_squared)
        return {f.name: (norm * f.q_left.value(self.sm), norm * f.q_right.value(self.sm)) for f in self.fermions}

    def largest_charge(self) -> float:
        """Largest physical |charge| of any fermion, for the perturbativity bound g q_max <= sqrt(2 pi)."""
        return max(abs(g) for f in self.fermions for g in self.couplings(f.name))

    def digest(self) -> str:
        """Digest of everything that enters a result: charges, states, parameters, constants."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        content = repr((self.charge_norm_squared, self.fermions, sorted(self.parameters.items()), self.sm))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@lru_cache(maxsize=256)
def perturbative_coupling(model: ZprimeModel) -> float:
    """Largest perturbative coupling, g q_max = sqrt(2 pi); arXiv:1707.08606, section 5 (figure 2)."""
    return sqrt(2 * np.pi) / model.largest_charge()


def anomaly_sums(model: ZprimeModel) -> dict[str, Fraction]:
    """Anomaly sums (left minus right) with the charges as written, exact.

    ``gravity`` is eq. (2.3) and ``u1_cubed`` eq. (2.4) of arXiv:1707.08606; the mixed ones follow from the same
    triangle: SU(3)^2 U(1)', SU(2)^2 U(1)', Y^2 U(1)', Y U(1)'^2. InputError if the model is no U(1)' gauge theory.
    """
    if not model.fields:
        raise InputError(f"model {model.id} is a set of couplings, not a U(1)' gauge theory: it has no anomaly sums")

    def total(weight: Any) -> Fraction:
        terms = (weight(f) * f.multiplicity * (1 if f.left else -1) for f in model.fields)
        return sum(terms, Fraction(0))

    return {
        "gravity": total(lambda f: f.colors * f.isospin_states * f.charge),
        "u1_cubed": total(lambda f: f.colors * f.isospin_states * f.charge**3),
        "su3_squared": total(lambda f: f.isospin_states * f.charge if f.colors == 3 else Fraction(0)),
        "su2_squared": total(lambda f: f.colors * f.charge if f.isospin_states == 2 else Fraction(0)),
        "hypercharge_squared": total(lambda f: f.colors * f.isospin_states * f.hypercharge**2 * f.charge),
        "hypercharge": total(lambda f: f.colors * f.isospin_states * f.hypercharge * f.charge**2),
    }


def checked_number(name: str, value: object, low: float = -np.inf, above: float = -np.inf) -> float:
    """A finite float >= low and > above; InputError that names it otherwise."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, found {value!r}") from None
    if not np.isfinite(number):
        raise InputError(f"{name} must be finite, found {number}")
    if number < low or number <= above:
        bound = f">= {low:g}" if above == -np.inf else f"> {above:g}"
        raise InputError(f"{name} must be {bound}, found {number:g}")
    return number


def checked_positive(name: str, values: object) -> FloatArray:
    """An array of finite numbers > 0; InputError that names it otherwise."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number or an array of numbers, found {values!r}") from None
    bad = ~(np.isfinite(array) & (array > 0))
    if bad.any():
        raise InputError(f"{name} must be finite and > 0, found {array[bad].flat[0]:g}")
    return array


# ---------------------------------------------------------------------------------------------------------------
# Making a model

MULTIPLETS: dict[str, tuple[str, ...]] = {
    # key of the card: fermion species it sets
    "q_left": ("u", "d"),
    "l_left": ("nu", "e"),
    "u_left": ("u",),
    "d_left": ("d",),
    "nu_left": ("nu",),
    "e_left": ("e",),
    "u_right": ("u",),
    "d_right": ("d",),
    "e_right": ("e",),
}
_SPECIES: dict[str, tuple[str, ...]] = {
    "u": UP_QUARKS,
    "d": DOWN_QUARKS,
    "nu": NEUTRINOS,
    "e": CHARGED_LEPTONS,
}


def generation_and_species(name: str) -> tuple[int, str]:
    """Generation (1 to 3) and species (u, d, nu or e) of a fermion of the Standard Model; UnknownName otherwise."""
    for species, names in _SPECIES.items():
        if name in names:
            return names.index(name) + 1, species
    raise UnknownName("fermion of the Standard Model", name, SM_FERMIONS)


# (card key, colours, isospin states, hypercharge) of the Standard Model multiplets
_SM_FIELDS = (
    ("q_left", 3, 2, Fraction(1, 6)),
    ("u_right", 3, 1, Fraction(2, 3)),
    ("d_right", 3, 1, Fraction(-1, 3)),
    ("l_left", 1, 2, Fraction(-1, 2)),
    ("e_right", 1, 1, Fraction(-1)),
)

ChargeTable = Mapping[str, "Charge | int | str | Fraction"]


def make_model(
    id: str,
    charges: ChargeTable,
    *,
    generations: Mapping[int, ChargeTable] | None = None,
    dark: tuple[Fermion, ...] = (),
    extra_fields: tuple[ChiralField, ...] = (),
    parameters: Mapping[str, tuple[float, str]] | None = None,
    u1: bool = True,
    title: str = "",
    reference: str = "user model",
    charge_name: str = "charge",
    charge_norm_squared: Fraction | int | str = 1,
    reference_coupling: float | None = None,
    sm: StandardModel | None = None,
) -> ZprimeModel:
    """A model from charges per multiplet (``q_left``, ``u_right``, ``d_right``, ``l_left``, ``e_right``) or per
    chirality (``u_left``, ``d_left``, ``nu_left``, ``e_left``); absent ones are 0.

    ``generations`` overrides charges of generation 1, 2 or 3; ``dark`` adds fermions; ``extra_fields`` enter only
    the anomaly sums. Raises InputError on an unknown multiplet or a charge that is not exact.
    """
    sm = sm or standard_model()
    tables = [_parse_charges({**charges, **(generations or {}).get(g, {})}) for g in (1, 2, 3)]
    fermions = []
    for species in ("u", "d", "e", "nu"):
        for generation, name in enumerate(_SPECIES[species]):
            left, right = _chiral(tables[generation], species)
            fermions.append(
                Fermion(
                    name=name,
                    kind="weyl" if species == "nu" else "dirac",
                    q_left=left,
                    q_right=right,
                    colors=3 if species in "ud" else 1,
                    mass_gev=sm.fermion_mass_gev[name],
                )
            )
    order = {name: i for i, name in enumerate(SM_FERMIONS)}
    fermions.sort(key=lambda f: order[f.name])
    fields: list[ChiralField] = []
    if u1:
        for key, colors, isospin, hypercharge in _SM_FIELDS:
            for generation, table in enumerate(tables, 1):
                charge = table.get(key, ZERO)
                if charge.sw2:
                    raise InputError(f"charge {key} of {id}: a U(1)' charge is a fraction, without sw2")
                name = f"{key}_{generation}"
                fields.append(ChiralField(name, "left" in key, charge.rational, colors, isospin, hypercharge, 1))
        fields += [_dark_field(f, left) for f in dark for left in (True, False)]
        fields += extra_fields
    names = [f.name for f in (*fermions, *dark)]
    if len(set(names)) != len(names):
        raise InputError(f"model {id}: two fermions of one name in {', '.join(names)}")
    known = {name: Parameter(name, value, doc) for name, (value, doc) in (parameters or {}).items()}
    known[GAMMA_EXTRA] = Parameter(GAMMA_EXTRA, 0.0, "additional invisible width (GeV)")
    known[QCD_WIDTHS] = Parameter(QCD_WIDTHS, 0.0, "1: QCD correction of the quark widths, 0: tree level")
    known[RUNNING_WIDTH] = Parameter(RUNNING_WIDTH, 0.0, "1: width of the propagator grows with s, 0: fixed width")
    for fermion in dark:
        if fermion.mass_parameter and fermion.mass_parameter not in known:
            raise UnknownName(f"parameter of {id} (mass of {fermion.name})", fermion.mass_parameter, known)
    norm = Fraction(charge_norm_squared)
    if norm <= 0:
        raise InputError(f"charge_norm_squared of {id} must be > 0, found {norm}")
    return ZprimeModel(
        id=id,
        title=title or id,
        reference=reference,
        charge_name=charge_name,
        charge_norm_squared=norm,
        fermions=(*fermions, *dark),
        fields=tuple(fields),
        parameters=known,
        reference_coupling=reference_coupling,
        sm=sm,
    )


def _parse_charges(charges: ChargeTable) -> dict[str, Charge]:
    parsed = {}
    for key, value in charges.items():
        if key not in MULTIPLETS:
            raise UnknownName("multiplet", key, MULTIPLETS)
        try:
            parsed[key] = Charge.parse(value)
        except ValueError:
            raise InputError(
                f"charge {key} = {value!r}: expected an integer, or in quotes a fraction, a decimal or 'a + b*sw2'"
            ) from None
    return parsed


def _chiral(table: Mapping[str, Charge], species: str) -> tuple[Charge, Charge]:
    """(left, right) charge of u, d, nu or e: an own entry, else that of its doublet, else 0."""
    doublet = "q_left" if species in "ud" else "l_left"
    return table.get(f"{species}_left", table.get(doublet, ZERO)), table.get(f"{species}_right", ZERO)


def _dark_field(fermion: Fermion, left: bool) -> ChiralField:
    charge = fermion.q_left if left else fermion.q_right
    return ChiralField(fermion.name, left, charge.rational, 1, 1, Fraction(0), fermion.multiplicity)
