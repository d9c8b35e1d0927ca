"""Tables of parameter points: columns from NumPy, pandas, awkward, CSV or Parquet, and what they say of a Z'.

A row names a model (column ``model``, or one for all) with ``mass_gev``, ``coupling`` and any parameter of its card, or
it gives couplings ``g_uL g_uR g_dL g_dR g_lL g_lR g_nuL`` (of one generation: ``g_uL_3``) with ``mass_gev``, and
optionally ``gamma_gev``. Bad rows have a message; they never stop the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray
from ..errors import InputError, ZprimeError
from ..model.card import load_model
from ..model.standard_model import StandardModel, standard_model
from ..model.widths import all_partial_widths, free_partial_widths
from ..model.zprime import (
    CHARGED_LEPTONS,
    DOWN_QUARKS,
    GAMMA_EXTRA,
    NEUTRINOS,
    QCD_WIDTHS,
    QUARKS,
    RUNNING_WIDTH,
    SM_FERMIONS,
    UP_QUARKS,
    ZprimeModel,
    perturbative_coupling,
)
from ..partons.drell_yan import FLAVORS
from ..process.couplings import CouplingProducts, lepton_products, products_of
from ..process.hypotheses import GAMMA_OVER_M_MAX, Hypotheses

Columns = dict[str, npt.NDArray[Any]]

#: Free couplings and the fermions of generations 1 to 3 they belong to.
FREE_COUPLINGS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "g_uL": (UP_QUARKS, 0),
    "g_uR": (UP_QUARKS, 1),
    "g_dL": (DOWN_QUARKS, 0),
    "g_dR": (DOWN_QUARKS, 1),
    "g_lL": (CHARGED_LEPTONS, 0),
    "g_lR": (CHARGED_LEPTONS, 1),
    "g_nuL": (NEUTRINOS, 0),
}
_LEPTONS = ("e", "mu", "tau")
_FERMIONS = SM_FERMIONS
_QUARK_ROWS, _LEPTON_ROWS = ([_FERMIONS.index(f) for f in some] for some in (FLAVORS, _LEPTONS))
_SWITCHES = (QCD_WIDTHS, RUNNING_WIDTH)


@dataclass(frozen=True)
class Points:
    """Rows of a table as hypotheses; rows with an error have harmless placeholders."""

    hypotheses: Hypotheses
    partial_gev: Mapping[str, FloatArray]
    """Width per fermion, (n,)."""
    errors: npt.NDArray[np.object_]
    """Message per row, "" for a good one."""
    perturbative_coupling: float | None = None
    """Largest perturbative coupling of the model; None for free couplings."""


def columns_of(table: Any) -> Columns:
    """Columns of a mapping, a pandas DataFrame, a pyarrow Table, an awkward or structured NumPy array."""
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
        raise InputError(f"a table of points is needed (columns by name), found {type(table).__name__}")
    columns = {name: np.atleast_1d(values) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"columns of different lengths: {', '.join(f'{k} {n}' for k, n in lengths.items())}")
    return columns


def is_number(name: str) -> bool:
    """Whether a column of this name holds numbers whatever the model."""
    return name in ("mass_gev", "coupling", "gamma_gev", GAMMA_EXTRA) or _free_name(name) is not None


def numbers(values: npt.NDArray[Any]) -> FloatArray:
    """A column as floats, NaN for what is none."""
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
    """InputError if a table cannot describe points: no mass, or neither a model nor couplings."""
    known = set(names)
    if "mass_gev" not in known:
        raise InputError(f"the points have no column mass_gev; found {', '.join(sorted(known)) or 'none'}")
    free = any(name.startswith("g_") and _free_name(name) for name in known)
    if free and (model is not None or "model" in known or "coupling" in known):
        raise InputError("give a model with mass_gev and coupling, or couplings g_uL ..., not both")
    if not free and "coupling" not in known:
        raise InputError("the points have neither a column coupling nor couplings g_uL, g_lL ...")
    if not free and model is None and "model" not in known:
        raise InputError("the points have no column model: name one for all (--model MODEL)")
    wrong = sorted(name for name in known if name.startswith("g_") and not _free_name(name))
    if wrong:
        raise InputError(f"no such coupling: {', '.join(wrong)}; known: {', '.join(FREE_COUPLINGS)}, with _1 to _3")


@lru_cache(maxsize=1024)
def _free_name(name: str) -> tuple[str, int | None] | None:
    base, _, generation = name.rpartition("_")
    if name in FREE_COUPLINGS:
        return name, None
    if base in FREE_COUPLINGS and generation in ("1", "2", "3"):
        return base, int(generation) - 1
    return None


def read_points(columns: Columns, model: ZprimeModel | None = None) -> list[tuple[npt.NDArray[np.intp], Points]]:
    """Rows as hypotheses, grouped by model; each with the indices of its rows. InputError as :func:`check_columns`."""
    check_columns(columns, model)
    n = len(columns["mass_gev"])
    if "coupling" not in columns:
        return [(np.arange(n), _free_points(columns))] if n else []
    if model is not None and not any(name in columns for name in _SWITCHES):
        return [(np.arange(n), _model_points(columns, model))] if n else []
    names = np.full(n, "") if "model" not in columns or model is not None else columns["model"].astype(str)
    groups = []
    for name in np.unique(names):
        rows = np.nonzero(names == name)[0]
        some = {key: values[rows] for key, values in columns.items()}
        try:
            card = model if model is not None else load_model(str(name))
        except ZprimeError as err:
            groups.append((rows, _unusable(len(rows), str(err))))
            continue
        # the switches of the width are the same for all hypotheses of a call
        switches = np.stack([some[s].astype(str) for s in _SWITCHES if s in some] or [rows * 0])
        for pair in np.unique(switches, axis=1).T:
            same = np.nonzero((switches == pair[:, None]).all(axis=0))[0]
            part = {key: values[same] for key, values in some.items()}
            groups.append((rows[same], _model_points(part, card)))
    return groups


def _unusable(n: int, message: str) -> Points:
    one = np.ones(n)
    zero = np.zeros(5)
    products = {lepton: CouplingProducts(zero, zero, zero) for lepton in _LEPTONS}
    sm = standard_model()
    hypotheses = Hypotheses(1000 * one, one, one, products, False, sm.m_z_gev, sm.gamma_z_gev)
    partial = {f: one for f in (*QUARKS, *CHARGED_LEPTONS)}
    return Points(hypotheses, partial, np.full(n, message, dtype=object))


class _Errors:
    """The first message of each row."""

    def __init__(self, n: int) -> None:
        self.texts = np.full(n, "", dtype=object)

    def add(self, bad: npt.NDArray[np.bool_], text: str, values: npt.NDArray[Any] | None = None) -> None:
        """A message for the bad rows that have none yet; ``values`` are quoted."""
        if not bad.any():
            return
        for i in np.nonzero(bad & (self.texts == ""))[0]:
            self.texts[i] = text if values is None else f"{text}, found {values[i]}"

    def checked(self, columns: Columns, name: str, positive: bool) -> FloatArray:
        """A column as numbers, 1 where it is none."""
        values = numbers(columns[name])
        good = np.isfinite(values) & ((values > 0) if positive else (values >= 0))
        if good.all():
            return values
        self.add(~good, f"{name} must be a finite number {'> 0' if positive else '>= 0'}", columns[name])
        return np.where(good, values, 1.0)


def _model_points(columns: Columns, model: ZprimeModel) -> Points:
    n = len(columns["mass_gev"])
    errors = _Errors(n)
    mass, g = (errors.checked(columns, name, positive=True) for name in ("mass_gev", "coupling"))
    given = {name: errors.checked(columns, name, positive=False) for name in columns if name in model.parameters}
    switches: dict[str, float] = {}
    for name in _SWITCHES:
        if name in given and n:
            errors.add(~np.isin(given[name], (0.0, 1.0)), f"{name} is a switch: 0 or 1", columns[name])
            switches[name] = float(given[name][0] == 1.0)
    if switches:
        model = model.with_parameters(switches)
    partial = all_partial_widths(model, mass, g, given)
    products = lepton_products(model)
    gamma = np.asarray(sum(partial.values(), np.zeros(n)))
    points = _points(mass, g, partial, gamma, products, model.running_width, model.sm, errors)
    return replace(points, perturbative_coupling=perturbative_coupling(model))


def _free_points(columns: Columns) -> Points:
    sm = standard_model()
    n = len(columns["mass_gev"])
    errors = _Errors(n)
    mass = errors.checked(columns, "mass_gev", positive=True)
    couplings = np.zeros((len(_FERMIONS), 2, n))
    # those of one generation after those of all
    named = [(name, *(_free_name(name) or ("", None))) for name in columns if _free_name(name)]
    for name, base, generation in sorted(named, key=lambda c: c[2] is not None):
        values = numbers(columns[name])
        if not (finite := np.isfinite(values)).all():
            errors.add(~finite, f"{name} must be a finite number", columns[name])
            values = np.where(finite, values, 0.0)
        fermions, side = FREE_COUPLINGS[base]
        for fermion in fermions if generation is None else fermions[generation : generation + 1]:
            couplings[_FERMIONS.index(fermion), side] = values
    partial = free_partial_widths(couplings, mass)
    visible = np.asarray(sum(partial.values()))
    if GAMMA_EXTRA in columns:
        partial["extra"] = errors.checked(columns, GAMMA_EXTRA, positive=False)
        visible = visible + partial["extra"]
    total = errors.checked(columns, "gamma_gev", positive=True) if "gamma_gev" in columns else visible
    if "gamma_gev" in columns:
        errors.add(visible > total * (1 + 1e-9), "gamma_gev is less than the widths of the couplings given")
    quarks, own = couplings[_QUARK_ROWS], couplings[_LEPTON_ROWS]
    one = products_of(quarks, own[0], sm)
    alike = [(own[0] == other).all() for other in own]
    products = {
        lepton: one if same else products_of(quarks, other, sm)
        for lepton, other, same in zip(_LEPTONS, own, alike, strict=True)
    }
    return _points(mass, np.ones(n), partial, total, products, False, sm, errors)


def _points(
    mass: FloatArray,
    coupling: FloatArray,
    partial: Mapping[str, FloatArray],
    gamma: FloatArray,
    products: Mapping[str, CouplingProducts],
    running: bool,
    sm: StandardModel,
    errors: _Errors,
) -> Points:
    errors.add(gamma <= 0, "the Z' has no open decay")
    text = f"Gamma/M is above {GAMMA_OVER_M_MAX}, where a fixed-width line shape means nothing"
    errors.add(gamma > GAMMA_OVER_M_MAX * mass, text)
    if not (good := errors.texts == "").all():  # a row that is no hypothesis becomes a harmless one
        mass, coupling = np.where(good, mass, 1000.0), np.where(good, coupling, 1e-3)
        gamma = np.where(good, gamma, 1.0)
    hypotheses = Hypotheses(mass, gamma, coupling, products, running, sm.m_z_gev, sm.gamma_z_gev)
    return Points(hypotheses, partial, errors.texts)
