"""Read tables of parameter points (NumPy, pandas, pyarrow, awkward) as hypotheses on a Z'.

A row describes a model (one for all rows, or named in the column ``model``) by ``mass_gev``, ``coupling`` and any
parameter of its card. Or it describes free couplings by ``mass_gev``, the couplings ``g_uL g_uR g_dL g_dR g_lL g_lR
g_nuL`` (``g_uL_3`` for the third generation only) and optionally ``gamma_gev``. An invalid row gets a message and never
stops the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import BoolArray, FloatArray, IndexArray, Quiet, illegal_text, legal
from ..errors import InputError, ZprimeError
from ..model.card import load_model
from ..model.standard_model import standard_model
from ..model.widths import free_partial_widths
from ..model.zprime import (
    CHARGED_LEPTONS,
    DOWN_QUARKS,
    GAMMA_EXTRA,
    NEUTRINOS,
    QCD_WIDTHS,
    RUNNING_WIDTH,
    SM_FERMIONS,
    UP_QUARKS,
    ZprimeModel,
)
from ..partons.pairs import FLAVORS
from ..process.couplings import products_by_lepton
from ..process.family import Family, StrengthFamily, coupling_family
from ..process.hypotheses import GAMMA_OVER_M_MAX, Hypotheses

Columns = dict[str, npt.NDArray[Any]]
Texts = npt.NDArray[np.object_]
Outside = Callable[[FloatArray], Texts]

#: Free couplings: the fermions of generations 1 to 3 they belong to, and their chirality (0 left, 1 right).
FREE_COUPLINGS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "g_uL": (UP_QUARKS, 0),
    "g_uR": (UP_QUARKS, 1),
    "g_dL": (DOWN_QUARKS, 0),
    "g_dR": (DOWN_QUARKS, 1),
    "g_lL": (CHARGED_LEPTONS, 0),
    "g_lR": (CHARGED_LEPTONS, 1),
    "g_nuL": (NEUTRINOS, 0),
}
#: A column is taken for a misspelt one if its name is more similar than this to a known one (difflib ratio).
NEAR_MISS = 0.85
_QUARK_ROWS, _LEPTON_ROWS = ([SM_FERMIONS.index(f) for f in some] for some in (FLAVORS, CHARGED_LEPTONS))
_SWITCHES = (QCD_WIDTHS, RUNNING_WIDTH)


@dataclass(frozen=True, eq=False, repr=False)
class Points(Quiet):
    """The rows of a table that belong to one family of hypotheses."""

    rows: IndexArray
    """Indices of the rows, (n,)."""
    family: Family
    """Couplings of a model, or strengths of free couplings; one member per row."""
    x: FloatArray
    """The variable of the family, (n,): the coupling, or a strength of 1."""

    @property
    def hypotheses(self) -> Hypotheses:
        """The hypotheses of the rows, (n,)."""
        return self.family.at(np.arange(len(self.x)), self.x)


def columns_of(table: Any) -> Columns:
    """The columns of a mapping, a pandas DataFrame, a pyarrow Table, or an awkward or structured NumPy array.

    InputError for any other type, and for columns of different lengths.
    """
    if isinstance(table, Mapping):
        columns = {str(name): np.asarray(values) for name, values in table.items()}
    elif hasattr(table, "column_names"):  # pyarrow
        columns = {name: np.asarray(table[name].to_pylist()) for name in table.column_names}
    elif hasattr(table, "columns"):  # pandas
        columns = {str(name): table[name].to_numpy() for name in table.columns}
    elif hasattr(table, "fields"):  # awkward
        columns = {name: np.asarray(table[name]) for name in table.fields}
    elif getattr(getattr(table, "dtype", None), "names", None):
        columns = {name: table[name] for name in table.dtype.names}
    else:
        raise InputError(
            f"a table of points is needed (a mapping or DataFrame of columns), found {type(table).__name__}"
        )
    columns = {name: np.atleast_1d(values) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns have different lengths: {', '.join(f'{k} {n}' for k, n in lengths.items())}")
    return columns


def is_number(name: str) -> bool:
    """Whether a column of this name holds numbers for every model."""
    return name in ("mass_gev", "coupling", "gamma_gev", GAMMA_EXTRA) or _free_name(name) is not None


def numbers(values: npt.NDArray[Any]) -> FloatArray:
    """A column as floats; entries that are not numbers become NaN."""
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        return np.array([_number(value) for value in values])


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def check_columns(names: Iterable[str], model: ZprimeModel | None) -> None:
    """Raise InputError unless columns of these names describe points.

    They need a mass, and either a model with a coupling or free couplings, but not both. A column ``gamma_gev`` next to
    a model is refused.
    """
    known = set(names)
    if "mass_gev" not in known:
        raise InputError(f"the points have no column mass_gev; found {', '.join(sorted(known)) or 'none'}")
    free = any(name.startswith("g_") and _free_name(name) for name in known)
    if free and (model is not None or "model" in known or "coupling" in known):
        raise InputError("give a model with mass_gev and coupling, or couplings g_uL ..., not both")
    if not free and "coupling" not in known:
        raise InputError("the points have neither a column coupling nor couplings g_uL, g_lL ...")
    if not free and model is None and "model" not in known:
        raise InputError("the points have no column model: add one, or choose a model for all rows (--model MODEL)")
    if not free and "gamma_gev" in known:
        raise InputError(
            "a column gamma_gev goes with free couplings only: the width of a model follows from its coupling; "
            f"remove it, or give an additional width as {GAMMA_EXTRA}"
        )


def carried_columns(names: Iterable[str], model: ZprimeModel | None, models: Iterable[str] = ()) -> list[str]:
    """List the columns that an evaluation does not use and copies unchanged to the output.

    ``models``: names in the column ``model``. InputError for a column whose name is close to a known one or begins with
    ``g_`` as those of couplings do, because its values would be ignored.
    """
    meant = {"mass_gev", "coupling", "model", "gamma_gev", GAMMA_EXTRA, *FREE_COUPLINGS}
    known = set(names)
    if not any(_free_name(name) for name in known):
        meant |= set(_SWITCHES)
        for card in [model] if model is not None else _cards(models):
            meant |= set(card.parameters)
    carried = [name for name in names if name not in meant and _free_name(name) is None]
    if wrong := sorted(name for name in carried if name.startswith("g_")):
        couplings = sorted(name for name in meant - {*FREE_COUPLINGS} if name.startswith("g_"))
        listed = ", ".join(couplings or FREE_COUPLINGS) + ("" if couplings else ", each also with _1, _2 or _3")
        raise InputError(f"no such coupling: {', '.join(wrong)}; known: {listed}")
    for name in carried:
        close = _near(name, meant - known)
        if close is not None:
            raise InputError(
                f"column {name} is not known: is it {close}? Rename it, or choose a less similar name to have it copied"
            )
    return carried


def _cards(models: Iterable[str]) -> list[ZprimeModel]:
    """Load the models that can be loaded; the rows of the others get an error later."""
    found = []
    for name in models:
        try:
            found.append(load_model(str(name)))
        except ZprimeError:
            continue
    return found


def _near(name: str, meant: Iterable[str]) -> str | None:
    """The known name that is almost this one, or None."""
    plain = {_plain(one): one for one in meant}
    if _plain(name) in plain:
        return plain[_plain(name)]
    close = difflib.get_close_matches(name, plain.values(), 1, NEAR_MISS)
    return close[0] if close else None


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()


@lru_cache(maxsize=1024)
def _free_name(name: str) -> tuple[str, int | None] | None:
    base, _, generation = name.rpartition("_")
    if name in FREE_COUPLINGS:
        return name, None
    if base in FREE_COUPLINGS and generation in ("1", "2", "3"):
        return base, int(generation) - 1
    return None


def read_points(
    columns: Columns, model: ZprimeModel | None = None, outside: Outside | None = None
) -> tuple[list[Points], Texts]:
    """Read the valid rows, grouped by model, and the messages (n,) for all rows: "" for a valid one.

    ``outside`` is called with all masses (n,) in GeV and returns a message for each that the analyses do not cover, ""
    for the others. InputError as for :func:`check_columns`.
    """
    check_columns(columns, model)
    n = len(columns["mass_gev"])
    errors = Errors(n)
    mass = errors.checked(columns, "mass_gev", positive=True)
    if outside is not None:
        errors.put(outside(mass))
    groups: list[Points] = []
    if not n:
        return groups, errors.texts
    if "coupling" not in columns:
        return [_free_points(columns, errors)], errors.texts
    if model is not None and not any(name in columns for name in _SWITCHES):
        return [_model_points(columns, model, np.arange(n), errors)], errors.texts
    names = np.full(n, "") if "model" not in columns or model is not None else columns["model"].astype(str)
    for name in np.unique(names):
        rows = np.nonzero(names == name)[0]
        try:
            card = model if model is not None else load_model(str(name))
        except ZprimeError as err:
            errors.put(np.where(np.isin(np.arange(n), rows), str(err), ""))
            continue
        # all hypotheses of one group share the switches of the width
        shared = np.stack([columns[s][rows].astype(str) for s in _SWITCHES if s in columns] or [rows * 0])
        _, group = np.unique(shared, axis=1, return_inverse=True)
        order = np.argsort(group.ravel(), kind="stable")
        for same in np.split(rows[order], np.cumsum(np.bincount(group.ravel()))[:-1]):
            groups.append(_model_points(columns, card, same, errors))
    return groups, errors.texts


class Errors:
    """Collects one message per row of a table: the first one counts."""

    def __init__(self, n: int) -> None:
        self.texts: Texts = np.full(n, "", dtype=object)

    def put(self, texts: Texts) -> None:
        """Add messages (n,), where "" means none, to the rows that have none yet."""
        for i in np.nonzero((texts != "") & (self.texts == ""))[0]:
            self.texts[i] = str(texts[i])

    def add(self, rows: IndexArray, bad: BoolArray, text: str, values: npt.NDArray[Any] | None = None) -> None:
        """Add a message to the bad ones among ``rows``, quoting their entries of ``values`` (all rows)."""
        if not bad.any():
            return
        for i in rows[bad]:
            if self.texts[i] == "":
                self.texts[i] = text if values is None else f"{text}, found {values[i]}"

    def checked(self, columns: Columns, name: str, positive: bool, signed: bool = False) -> FloatArray:
        """A column as numbers; an entry out of range or not a number becomes 1 and gives its row a message."""
        values = numbers(columns[name])
        good = np.isfinite(values) & (signed | ((values > 0) if positive else (values >= 0)))
        possible = legal(name, values)
        if (good & possible).all():
            return values
        rows = np.arange(len(values))
        bound = "" if signed else " > 0" if positive else " >= 0"
        self.add(rows, ~good, f"{name} must be a finite number{bound}", columns[name])
        self.add(rows, ~possible, illegal_text(name), columns[name])
        return np.where(good & possible, values, 1.0)

    def good(self, rows: IndexArray) -> IndexArray:
        """Keep the rows that have no message."""
        return np.asarray(rows[self.texts[rows] == ""])


def _model_points(columns: Columns, model: ZprimeModel, rows: IndexArray, errors: Errors) -> Points:
    mass, g = (errors.checked(columns, name, positive=True) for name in ("mass_gev", "coupling"))
    own = {*model.charge_parameters, *model.decay_parameters}
    given = {name: errors.checked(columns, name, False, name in own) for name in columns if name in model.parameters}
    for name, values in given.items():
        low, high = model.parameters[name].low, model.parameters[name].high
        outside = (values < low) | (values > high)
        errors.add(rows, outside[rows], f"{name} must be in [{low:g}, {high:g}]", columns[name])
    switches: dict[str, float] = {}
    for name in _SWITCHES:
        if name in given:
            text = f"{name} is a switch: 0 or 1"
            errors.add(rows, ~np.isin(given[name][rows], (0.0, 1.0)), text, columns[name])
            switches[name] = float(given[name][rows[0]] == 1.0)
    model = model.with_parameters(switches) if switches else model
    rows = errors.good(rows)
    family = coupling_family(model, mass[rows], {name: values[rows] for name, values in given.items()})
    for i, text in family.faults():
        errors.put(np.where(np.arange(len(mass)) == rows[i], text, ""))
    return _sensible(Points(rows, family, g[rows]), errors)


def _free_points(columns: Columns, errors: Errors) -> Points:
    sm = standard_model()
    mass = errors.checked(columns, "mass_gev", positive=True)
    n = len(mass)
    couplings = np.zeros((len(SM_FERMIONS), 2, n))
    # a coupling of one generation overrides the one of all three
    named = [(name, *(_free_name(name) or ("", None))) for name in columns if _free_name(name)]
    for name, base, generation in sorted(named, key=lambda c: c[2] is not None):
        values = numbers(columns[name])
        if not (finite := np.isfinite(values)).all():
            errors.add(np.arange(n), ~finite, f"{name} must be a finite number", columns[name])
            values = np.where(finite, values, 0.0)
        if not (possible := legal("coupling", values)).all():
            errors.add(np.arange(n), ~possible, illegal_text("coupling"), columns[name])
            values = np.where(possible, values, 0.0)
        fermions, side = FREE_COUPLINGS[base]
        for fermion in fermions if generation is None else fermions[generation : generation + 1]:
            couplings[SM_FERMIONS.index(fermion), side] = values
    given = {
        name: errors.checked(columns, name, positive=name == "gamma_gev")
        for name in (GAMMA_EXTRA, "gamma_gev")
        if name in columns
    }
    rows = errors.good(np.arange(n))
    mass, couplings = mass[rows], couplings[:, :, rows]
    given = {name: values[rows] for name, values in given.items()}
    partial = free_partial_widths(couplings, mass)
    visible = np.asarray(sum(partial.values())) + given.get(GAMMA_EXTRA, 0.0)
    total = given.get("gamma_gev", visible)
    errors.add(
        rows,
        visible > total * (1 + 1e-9),
        "gamma_gev is less than the sum of the partial widths of the given couplings",
    )
    products = products_by_lepton(couplings[_QUARK_ROWS], couplings[_LEPTON_ROWS], sm)
    unit = np.ones(len(rows))
    hypotheses = Hypotheses(mass, total, unit, products, False, sm.m_z_gev, sm.gamma_z_gev)
    production = np.stack([partial[quark] for quark in FLAVORS])
    return _sensible(Points(rows, StrengthFamily(hypotheses, partial, production), unit), errors)


def _sensible(points: Points, errors: Errors) -> Points:
    """Keep the points whose width is physical; the others get a message."""
    gamma, mass = points.family.gamma_gev(np.arange(len(points.x)), points.x), points.family.mass_gev
    errors.add(points.rows, ~(gamma > 0), "the Z' has no open decay")
    text = f"Gamma/M is above {GAMMA_OVER_M_MAX}, where a fixed-width line shape is meaningless"
    errors.add(points.rows, gamma > GAMMA_OVER_M_MAX * mass, text)
    good = np.nonzero(errors.texts[points.rows] == "")[0]
    if len(good) == len(points.rows):
        return points
    return Points(points.rows[good], points.family.take(good), points.x[good])
