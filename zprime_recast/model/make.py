"""Build a model from charges given in Python."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from ..errors import InputError, UnknownName
from ..io.names import checked_name
from .formula import FUNCTIONS, Formula
from .standard_model import StandardModel, standard_model
from .zprime import (
    _SPECIES,
    DECAY_NAMES,
    FORMULA_NAMES,
    GAMMA_EXTRA,
    LARGEST_CHARGE,
    QCD_WIDTHS,
    RUNNING_WIDTH,
    SM_FERMIONS,
    ZERO,
    Charge,
    ChiralField,
    Decay,
    Fermion,
    Parameter,
    Scalar,
    ZprimeModel,
)

MULTIPLETS: dict[str, tuple[str, ...]] = {
    # key of the card -> fermion species whose charge it sets
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

# (card key, colours, isospin states, hypercharge) of the Standard Model multiplets
_SM_FIELDS = (
    ("q_left", 3, 2, Fraction(1, 6)),
    ("u_right", 3, 1, Fraction(2, 3)),
    ("d_right", 3, 1, Fraction(-1, 3)),
    ("l_left", 1, 2, Fraction(-1, 2)),
    ("e_right", 1, 1, Fraction(-1)),
)

#: What a charge may be, for messages.
CHARGE = "an integer, or in quotes a fraction, a decimal or a formula of parameters and sw2"

ChargeTable = Mapping[str, "Charge | int | str | Fraction"]


def make_model(
    id: str,
    charges: ChargeTable,
    *,
    generations: Mapping[int, ChargeTable] | None = None,
    dark: tuple[Fermion, ...] = (),
    extra_fields: tuple[ChiralField, ...] = (),
    parameters: Mapping[str, tuple[float, str] | Parameter] | None = None,
    definitions: Mapping[str, Formula] | None = None,
    decays: tuple[Decay, ...] = (),
    scalars: tuple[Scalar, ...] = (),
    u1: bool = True,
    title: str = "",
    reference: str = "user model",
    charge_name: str = "charge",
    charge_norm_squared: Fraction | int | str = 1,
    reference_coupling: float | None = None,
    sm: StandardModel | None = None,
) -> ZprimeModel:
    """Build a model from charges per multiplet or per chirality.

    InputError for a charge that is not exact, two fermions of one name or a norm <= 0; UnknownName for an unknown
    multiplet or mass parameter.

    Arguments:
        id: name of the model.
        charges: charges of all generations by multiplet (``q_left``, ``u_right``, ``d_right``, ``l_left``, ``e_right``)
            or by chirality (``u_left``, ``d_left``, ``nu_left``, ``e_left``); those not given are 0.
        generations: charges of generation 1, 2 or 3 that replace the common ones.
        dark: further fermions that the Z' decays to.
        extra_fields: multiplets that enter only the anomaly sums.
        parameters: default value and description of each parameter of the model, or the parameters themselves.
        definitions: formulas by name that the formulas of charges and widths may use.
        decays: decays other than those into fermion pairs.
        scalars: complex scalars with a charge, which enter only the running of the coupling.
        u1: whether the model is a U(1)' gauge theory, with anomaly sums.
        title: one-line description; the default is ``id``.
        reference: publication that defines the model.
        charge_name: what the charge is called, e.g. B-L.
        charge_norm_squared: square of the factor from the charges as written to the physical ones, > 0.
        reference_coupling: coupling of the published benchmark, if there is one.
        sm: Standard Model inputs; the default is the shipped set.
    """
    checked_name("model", id)
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
                if charge.sw2 or (charge.formula and "sw2" in charge.formula.names):
                    raise InputError(f"charge {key} of {id}: a U(1)' charge must be a fraction, without sw2")
                name, source = f"{key}_{generation}", charge if charge.formula else None
                fields.append(
                    ChiralField(name, "left" in key, charge.rational, colors, isospin, hypercharge, 1, source)
                )
        fields += [_dark_field(f, left) for f in dark for left in (True, False)]
        fields += extra_fields
    names = [f.name for f in (*fermions, *dark)]
    if len(set(names)) != len(names):
        raise InputError(f"model {id}: two fermions of one name in {', '.join(names)}; rename one")
    channels = [*names, "extra", *(d.name for d in decays)]
    if taken := [name for name in channels if channels.count(name) > 1]:
        raise InputError(f"model {id}: two decays have the name {taken[0]}; rename one")
    given = {n: p if isinstance(p, Parameter) else Parameter(n, *p) for n, p in (parameters or {}).items()}
    known = dict(given)
    known[GAMMA_EXTRA] = Parameter(GAMMA_EXTRA, 0.0, "additional invisible width (GeV)")
    known[QCD_WIDTHS] = Parameter(QCD_WIDTHS, 0.0, "1: QCD correction of the quark widths, 0: tree level")
    known[RUNNING_WIDTH] = Parameter(RUNNING_WIDTH, 0.0, "1: width of the propagator grows with s, 0: fixed width")
    for fermion in dark:
        if fermion.mass_parameter and fermion.mass_parameter not in known:
            raise UnknownName(f"parameter of {id} (mass of {fermion.name})", fermion.mass_parameter, known)
    norm = Fraction(charge_norm_squared)
    if not 0 < norm <= LARGEST_CHARGE:
        raise InputError(f"charge_norm_squared of {id} must be > 0 and at most {LARGEST_CHARGE:g}, found {norm}")
    model = ZprimeModel(
        id=id,
        title=title or id,
        reference=reference,
        charge_name=charge_name,
        charge_norm_squared=norm,
        fermions=(*fermions, *dark),
        fields=tuple(fields),
        parameters=known,
        reference_coupling=reference_coupling,
        definitions=dict(definitions or {}),
        decays=decays,
        scalars=scalars,
        sm=sm,
    )
    reserved = {*FORMULA_NAMES, *FUNCTIONS, *(DECAY_NAMES if decays else ())}
    clash = sorted(reserved & {*given, *model.definitions} | given.keys() & model.definitions.keys())
    if clash and (model.charge_parameters or model.definitions or decays):
        raise InputError(f"model {id}: the name {clash[0]} has a meaning already; rename it")
    formulas = any(q.formula for f in model.fermions for q in (f.q_left, f.q_right)) or any(f.source for f in fields)
    model = model._with_charges() if formulas or model.definitions else model
    masses = {f.mass_parameter for f in dark}
    for name in given.keys() - masses - set(model.charge_parameters) - set(model.decay_parameters):
        raise InputError(f"parameter {name} of {id} is neither a mass nor in the formula of a charge; remove it")
    return model


def _parse_charges(charges: ChargeTable) -> dict[str, Charge]:
    parsed = {}
    for key, value in charges.items():
        if key not in MULTIPLETS:
            raise UnknownName("multiplet", key, MULTIPLETS)
        try:
            parsed[key] = Charge.read(value)
        except ValueError as err:
            raise InputError(f"charge {key} = {value!r}: expected {CHARGE}; {err}") from None
    return parsed


def _chiral(table: Mapping[str, Charge], species: str) -> tuple[Charge, Charge]:
    """Left and right charge of species u, d, nu or e; the left one defaults to that of its doublet, both to 0."""
    doublet = "q_left" if species in "ud" else "l_left"
    return table.get(f"{species}_left", table.get(doublet, ZERO)), table.get(f"{species}_right", ZERO)


def _dark_field(fermion: Fermion, left: bool) -> ChiralField:
    charge = fermion.q_left if left else fermion.q_right
    source = charge if charge.formula else None
    return ChiralField(fermion.name, left, charge.rational, 1, 1, Fraction(0), fermion.multiplicity, source)
