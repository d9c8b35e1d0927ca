"""Read and write model cards, TOML files in ``data/models/``, the user's folder or elsewhere.

The schema is described in docs/model-cards.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from math import inf, sqrt
from pathlib import Path

from ..errors import InputError, UnknownName
from ..io.cards import Section, read_toml
from ..io.paths import shipped, user_data_dir
from .formula import Formula
from .make import CHARGE, MULTIPLETS, make_model
from .standard_model import standard_model
from .zprime import (
    DECAY_NAMES,
    FORMULA_NAMES,
    LARGEST_CHARGE,
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


def model_folders() -> list[Path]:
    """Existing folders of model cards, the user's before the shipped one."""
    return [folder for folder in (user_data_dir() / "models", shipped("data") / "models") if folder.is_dir()]


def list_models() -> dict[str, Path]:
    """Model ids and the paths of their cards; a user's card hides a shipped one with the same id."""
    found = {}
    for folder in reversed(model_folders()):
        found.update({path.stem: path for path in sorted(folder.glob("*.toml"))})
    return dict(sorted(found.items()))


def load_model(model: str | Path | ZprimeModel) -> ZprimeModel:
    """Load a model by id or from a card (a path ending in ``.toml``); a :class:`ZprimeModel` is returned unchanged.

    UnknownName for an unknown id; CardError for a card that cannot be read.
    """
    if isinstance(model, ZprimeModel):
        return model
    path = Path(model)
    if path.suffix != ".toml":
        known = list_models()
        if str(model) not in known:
            raise UnknownName("model", str(model), known, "or give the path of a card ending in .toml")
        path = known[str(model)]
    return read_model_card(path)


def read_model_card(path: Path) -> ZprimeModel:
    """Read a model from a TOML card; CardError names the faulty key."""
    return model_of_card(read_toml(path))


def model_of_card(card: Section) -> ZprimeModel:
    """Build a model from the content of a card; CardError names the faulty key."""
    sm = standard_model()
    u1 = card.choice("kind", ("u1", "couplings")) == "u1"
    parameter_section = card.section("parameters", required=False)
    definition_section = card.section("definitions", required=False)
    names = frozenset({*parameter_section.values, *definition_section.values, *FORMULA_NAMES})
    charge_section = card.section("charges")
    charges = _card_charges(charge_section, names)
    generations = {
        g: _card_charges(section, names)
        for g in (1, 2, 3)
        if (section := card.section(f"charges_generation_{g}", required=False)).values
    }
    parameters = {}
    definitions = {name: _card_formula(definition_section, name, names) for name in definition_section.values}
    definition_section.finish()
    dark_sections, heavy_sections = card.sections("dark"), card.sections("heavy")
    masses = {section.values.get("mass") for section in dark_sections}
    for name in parameter_section.values:
        parameters[name] = _card_parameter(parameter_section.section(name), name, name in masses)
    dark = tuple(_card_fermion(section, names) for section in dark_sections)
    heavy = tuple(f for section in heavy_sections for f in _card_heavy(section, names))
    decays = tuple(_card_decay(section, names | {*DECAY_NAMES}) for section in card.sections("decay"))
    scalars = tuple(_card_scalar(section) for section in card.sections("scalar"))
    norm = card.fraction("charge_norm_squared", 1)
    reference = card.raw("reference_coupling")
    known_couplings = {"g_z": sm.g_z, "g_e6": sqrt(5 / 3) * sm.e / sqrt(1 - sm.sin2_theta_w)}
    if isinstance(reference, str):
        reference_coupling: float | None = known_couplings[card.choice("reference_coupling", known_couplings)]
    else:
        reference_coupling = card.number("reference_coupling", low=0.0) if reference is not None else None
    texts = [
        card.text("id"),
        card.text("title", card.path.stem),
        card.text("reference"),
        card.text("charge", "charge"),
    ]
    card.finish()
    try:
        return make_model(
            texts[0],
            charges,
            generations=generations,
            dark=dark,
            extra_fields=heavy,
            parameters=parameters,
            definitions=definitions,
            decays=decays,
            scalars=scalars,
            u1=u1,
            title=texts[1],
            reference=texts[2],
            charge_name=texts[3],
            charge_norm_squared=norm,
            reference_coupling=reference_coupling,
            sm=sm,
        )
    except InputError as err:
        raise card.fault("", "a contradiction", str(err)) from None


def _card_charge(section: Section, key: str, names: frozenset[str]) -> Charge:
    value = section.raw(key, 0)
    try:
        charge = Charge.read(value)
    except ValueError as err:
        raise section.fault(key, value, f"{CHARGE} ({err})") from None
    if charge.formula and (unknown := charge.formula.names - names):
        raise section.fault(key, value, f"{CHARGE} ({sorted(unknown)[0]} is no parameter of the card)")
    return charge


def _copies(section: Section, key: str) -> int:
    number = section.integer(key, 1, low=1)
    if number > LARGEST_CHARGE:
        raise section.fault(key, number, f"at most {LARGEST_CHARGE:g}")
    return number


def _card_parameter(section: Section, name: str, is_mass: bool) -> Parameter:
    """A parameter: >= 0 if it is a mass, of either sign if it stands in charges, unless the card gives its range."""
    low = section.number("low") if "low" in section.values else (0.0 if is_mass else -inf)
    high = section.number("high", low=low) if "high" in section.values else inf
    fraction = section.fraction("default") if isinstance(section.values.get("default"), str) else None
    value = section.number("default", low=low, high=high) if fraction is None else float(fraction)
    if not low <= value <= high:
        raise section.fault("default", value, f"a value in [{low:g}, {high:g}]")
    parameter = Parameter(name, value, section.text("doc", ""), low, high, fraction)
    section.finish()
    return parameter


def _card_formula(section: Section, key: str, names: frozenset[str]) -> Formula:
    text = section.text(key)
    try:
        formula = Formula(text)
    except ValueError as err:
        raise section.fault(key, text, f"a formula of parameters ({err})") from None
    if unknown := formula.names - names:
        raise section.fault(key, text, f"a formula of parameters ({sorted(unknown)[0]} is none of them)")
    return formula


def _card_charges(section: Section, names: frozenset[str]) -> dict[str, Charge]:
    charges = {key: _card_charge(section, key, names) for key in MULTIPLETS}
    section.finish()
    return {key: charge for key, charge in charges.items() if key in section.values}


def _card_fermion(section: Section, names: frozenset[str]) -> Fermion:
    kind = section.choice("kind", ("dirac", "weyl", "majorana"))
    mass = section.values.get("mass", 0)
    parameter = section.text("mass") if isinstance(mass, str) else None
    fermion = Fermion(
        name=section.text("name"),
        kind=kind,
        q_left=_card_charge(section, "q_left", names),
        q_right=_card_charge(section, "q_right", names),
        multiplicity=_copies(section, "multiplicity"),
        mass_gev=0.0 if parameter else section.number("mass", 0.0, low=0.0),
        mass_parameter=parameter,
        doc=section.text("doc", ""),
    )
    one_sided = any(q == ZERO and not q.formula for q in (fermion.q_left, fermion.q_right))
    if kind != "dirac" and not one_sided:
        raise section.fault("kind", kind, "dirac, or a charge for one chirality only")
    if kind == "weyl" and (parameter or fermion.mass_gev):
        raise section.fault("mass", mass, "no mass for a Weyl fermion")
    section.finish()
    return fermion


def _card_scalar(section: Section) -> Scalar:
    scalar = Scalar(section.text("name"), section.fraction("charge"), section.text("doc", ""))
    section.finish()
    return scalar


def _card_decay(section: Section, names: frozenset[str]) -> Decay:
    """A decay with the formula of its width: at g = 1 (``width_over_g2``), or for every g (``width``)."""
    given = [key for key in ("width_over_g2", "width") if key in section.values]
    if len(given) != 1:
        found = " and ".join(given) or "neither"
        raise section.fault("width_over_g2", found, "either width_over_g2 or width, a formula in GeV")
    ids = section.raw("pdg_ids", [])
    if not isinstance(ids, list) or not all(isinstance(i, int) and not isinstance(i, bool) for i in ids):
        raise section.fault("pdg_ids", ids, "a list of PDG ids such as [24, -24]")
    if not isinstance(visible := section.raw("visible", True), bool):
        raise section.fault("visible", visible, "true or false")
    decay = Decay(
        name=section.text("name"),
        width=_card_formula(section, given[0], names),
        scales=given[0] == "width_over_g2",
        threshold=_card_formula(section, "threshold", names - {"M"}) if "threshold" in section.values else None,
        visible=visible,
        pdg_ids=tuple(ids),
        doc=section.text("doc", ""),
    )
    section.finish()
    return decay


def _card_heavy(section: Section, names: frozenset[str]) -> tuple[ChiralField, ChiralField]:
    left, right = _card_charge(section, "q_left", names), _card_charge(section, "q_right", names)
    common = (
        _copies(section, "colors"),
        _copies(section, "isospin_states"),
        section.fraction("hypercharge", 0),
        _copies(section, "multiplicity"),
    )
    name = section.text("name")
    section.finish()
    colors, isospin, hypercharge, multiplicity = common
    return (
        ChiralField(
            name,
            True,
            left.rational,
            colors,
            isospin,
            hypercharge,
            multiplicity if "q_left" in section.values else 0,
            left if left.formula else None,
        ),
        ChiralField(
            name,
            False,
            right.rational,
            colors,
            isospin,
            hypercharge,
            multiplicity if "q_right" in section.values else 0,
            right if right.formula else None,
        ),
    )


# ---------------------------------------------------------------------------------------------------------------
# Writing a card


def couplings_card(model: ZprimeModel, notes: Sequence[str] = ()) -> str:
    """Write the couplings of a model as a card of ``kind = "couplings"``; returns TOML text with full precision.

    ``notes`` become comments at the top. Parameters of the model are not written. InputError if the mass of a fermion
    is a parameter.
    """

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    lines = [f"# {note}" for note in notes]
    lines += ["schema = 1", f"id = {quoted(model.id)}", f"title = {quoted(model.title)}"]
    lines += [f"reference = {quoted(model.reference)}", 'kind = "couplings"', f"charge = {quoted(model.charge_name)}"]
    if model.reference_coupling is not None:
        lines.append(f"reference_coupling = {model.reference_coupling!r}")
    lines += ["", "[charges]"]
    by_generation = [("u", "d", "e", "nu_e"), ("c", "s", "mu", "nu_mu"), ("t", "b", "tau", "nu_tau")]
    tables = []
    for names in by_generation:
        table = {}
        for species, name in zip(("u", "d", "e", "nu"), names, strict=True):
            fermion = model.fermion(name)
            table[f"{species}_left"] = _decimal(fermion.q_left, model)
            if species != "nu":
                table[f"{species}_right"] = _decimal(fermion.q_right, model)
        tables.append(table)
    lines += [f'{key} = "{value}"' for key, value in tables[0].items()]
    for generation, table in enumerate(tables[1:], 2):
        changed = {key: value for key, value in table.items() if value != tables[0][key]}
        if changed:
            lines += ["", f"[charges_generation_{generation}]"]
            lines += [f'{key} = "{value}"' for key, value in changed.items()]
    for fermion in model.fermions[len(SM_FERMIONS) :]:
        if fermion.mass_parameter:
            raise InputError(f"{model.id}: the mass of {fermion.name} is a parameter; write its card by hand")
        lines += ["", "[[dark]]", f"name = {quoted(fermion.name)}", f'kind = "{fermion.kind}"']
        lines += [f'q_left = "{_decimal(fermion.q_left, model)}"', f'q_right = "{_decimal(fermion.q_right, model)}"']
        lines += [f"mass = {fermion.mass_gev!r}", f"multiplicity = {fermion.multiplicity}"]
        if fermion.doc:
            lines.append(f"doc = {quoted(fermion.doc)}")
    return "\n".join(lines) + "\n"


def _decimal(charge: Charge, model: ZprimeModel) -> str:
    """The charge as a decimal of 17 significant digits if that is exact, otherwise as a fraction."""
    value = Fraction(charge.value(model.sm)) if charge.sw2 else charge.rational
    text = f"{float(value):.17g}"
    return text if Fraction(text) == value else str(value)
