"""Dilepton events as flat columns, and as awkward records whose leptons are vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray, Quiet
from ..errors import InputError
from ..io.extras import EVENTS, needed
from .kinematics import azimuth, collins_soper, mass_squared, momenta, pseudorapidity, transverse_momentum

if TYPE_CHECKING:
    from .statement import Statement

#: Columns every sample has, with the type they are stored in. Momenta in GeV, beams along +z and -z.
COLUMNS: Mapping[str, Any] = {
    "lminus_pt": np.float64,
    "lminus_eta": np.float64,
    "lminus_phi": np.float64,
    "lplus_pt": np.float64,
    "lplus_eta": np.float64,
    "lplus_phi": np.float64,
    "m_ll": np.float64,
    "y_ll": np.float64,
    "cos_theta_cs": np.float64,
    "weight": np.float64,
    "id1": np.int8,
    "id2": np.int8,
    "x1": np.float64,
    "x2": np.float64,
    "scale": np.float64,
}
#: Columns that are 0 throughout unless a sample has them; ``lepton_id`` is the code of l- (0: not known).
OPTIONAL_COLUMNS: Mapping[str, Any] = {"lminus_mass": np.float64, "lplus_mass": np.float64, "lepton_id": np.int8}
#: Largest momentum and energy of an event of any collider, GeV.
MOMENTUM_MAX_GEV = 1e8
#: Largest weight or cross-section that a file can mean, in any unit.
NUMBER_MAX = 1e40


@dataclass(frozen=True, eq=False, repr=False)
class DileptonEvents(Quiet):
    """Events of p p -> l- l+.

    ``events["m_ll"]`` is a column (NumPy), ``events[mask]`` or ``events[:100]`` a sample with the same ``info``,
    ``events.array`` the awkward array (``events.array.lminus + events.array.lplus`` is a vector). A weight is a
    cross-section in fb: the weights of a complete sample add up to its cross-section.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    """Arrays (n,) under the names of COLUMNS; ids and x are 0 if a file does not give them."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """Metadata, JSON-able: model, seed, cross-section ..."""
    statement: Statement | None = None
    """Of events read from files: cross-section and contents of the whole sample, complete after its last batch."""

    def __len__(self) -> int:
        return len(self.columns["m_ll"])

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, str):
            return self.column(which)
        which = np.asarray(which) if not isinstance(which, slice) else which
        if not isinstance(which, slice) and (which.ndim != 1 or which.dtype.kind not in "biu"):
            raise InputError("events are selected by a column name, a slice, a mask or indices")
        return DileptonEvents({name: column[which] for name, column in self.columns.items()}, self.info, self.statement)

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column by name; InputError names the known ones."""
        if name in OPTIONAL_COLUMNS and name not in self.columns:
            return np.zeros(len(self))
        if name not in self.columns:
            from ..errors import UnknownName

            raise UnknownName("column", name, [*self.columns, *OPTIONAL_COLUMNS])
        return self.columns[name]

    @property
    def flavor(self) -> npt.NDArray[np.int64]:
        """Codes of the l-, (n,): 11, 13 or 15; 0 where neither the events nor the metadata give the flavour."""
        if "lepton_id" in self.columns:
            return self.columns["lepton_id"].astype(np.int64)
        return np.full(len(self), int(self.info.get("lepton_pdg_id", 0)))

    @cached_property
    def array(self) -> Any:
        """The awkward array: ``lminus`` and ``lplus`` (Momentum4D) and the other columns."""
        import awkward as ak

        needed("vector", *EVENTS).register_awkward()
        leptons = {}
        for name in ("lminus", "lplus"):
            parts = {part: self.column(f"{name}_{part}") for part in ("pt", "eta", "phi", "mass")}
            leptons[name] = ak.zip(parts, with_name="Momentum4D")
        rest = {name: column for name, column in self.columns.items() if not name.startswith(("lminus_", "lplus_"))}
        return ak.zip({**leptons, **rest}, depth_limit=1)

    @property
    def cross_section_fb(self) -> float:
        """Sum of the weights, in fb."""
        return float(self.columns["weight"].sum())

    @staticmethod
    def join(parts: Sequence[DileptonEvents]) -> DileptonEvents:
        """Join several samples in order, with the info of the first."""
        if not parts:
            raise InputError("no events to join")
        names = {name for part in parts for name in part.columns}
        columns = {n: np.concatenate([part.column(n) for part in parts]) for n in parts[0].columns if n in names}
        for name in sorted(names - set(columns)):
            columns[name] = np.concatenate([part.column(name) for part in parts])
        return DileptonEvents(columns, parts[0].info, parts[0].statement)


def from_momenta(
    lminus: FloatArray,
    lplus: FloatArray,
    weight: FloatArray,
    info: Mapping[str, Any],
    ids: npt.NDArray[Any] | None = None,
    x: FloatArray | None = None,
    scale: FloatArray | None = None,
    flavors: npt.NDArray[Any] | None = None,
) -> DileptonEvents:
    """Make events from the momenta of their leptons.

    Arguments:
        lminus: momenta of l- as px, py, pz, E in GeV, (n, 4).
        lplus: momenta of l+, (n, 4).
        weight: weights in fb, (n,).
        info: metadata of the sample.
        ids: codes of the incoming partons, (n, 2); 0 if they are not known.
        x: their momentum fractions, (n, 2); 0 if they are not known.
        scale: scale of the process in GeV, (n,); default: the mass of the pair.
        flavors: codes of the l-, (n,); default: that of the metadata, if they give one.
    """
    n = len(lminus)
    pair = lminus + lplus
    m = np.sqrt(np.maximum(mass_squared(pair), 0.0))
    columns: dict[str, npt.NDArray[Any]] = {}
    for name, p in (("lminus", lminus), ("lplus", lplus)):
        columns[f"{name}_pt"] = transverse_momentum(p)
        columns[f"{name}_eta"] = pseudorapidity(p)
        columns[f"{name}_phi"] = azimuth(p)
    for name, p in (("lminus", lminus), ("lplus", lplus)):
        mass2 = mass_squared(p)
        # the rounding of an energy is not a mass
        mass = np.sqrt(np.where(mass2 > 1e-9 * p[:, 3] ** 2, mass2, 0.0))
        if mass.any():
            columns[f"{name}_mass"] = mass
    transverse = np.sqrt(m**2 + pair[:, 0] ** 2 + pair[:, 1] ** 2)
    columns["m_ll"], columns["y_ll"] = m, np.arcsinh(pair[:, 2] / np.maximum(transverse, 1e-12))
    columns["cos_theta_cs"] = collins_soper(lminus, lplus)
    columns["weight"] = weight
    columns["id1"], columns["id2"] = (np.zeros((2, n), np.int8)) if ids is None else ids.T.astype(np.int8)
    columns["x1"], columns["x2"] = np.zeros((2, n)) if x is None else x.T
    columns["scale"] = m if scale is None else scale
    if flavors is not None:
        columns["lepton_id"] = flavors.astype(np.int8)
    ordered = {name: columns[name] for name in (*COLUMNS, *OPTIONAL_COLUMNS) if name in columns}
    return DileptonEvents(ordered, info)


def batches(events: DileptonEvents, size: int) -> Iterator[DileptonEvents]:
    """Split a sample into pieces of at most ``size`` events."""
    for start in range(0, len(events), size):
        yield events[start : start + size]


def from_columns(columns: Mapping[str, npt.NDArray[Any]], info: Mapping[str, Any], path: Any) -> DileptonEvents:
    """Make events from the columns of a file; CardError unless those of the leptons and the weight are there.

    Other missing columns are calculated (m_ll, y_ll, cos_theta_cs) or set to m_ll (scale) or to 0. Events whose leptons
    are not finite, or above MOMENTUM_MAX_GEV, are left out.
    """
    from ..errors import CardError

    needed = [*(name for name in COLUMNS if name.startswith(("lminus_", "lplus_"))), "weight"]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise CardError(path, "columns", f"no {', '.join(missing)}", ", ".join(needed))
    for name, column in columns.items():
        if column.dtype.kind not in "fiub" or column.ndim != 1:
            raise CardError(path, f"column {name}", f"values of type {column.dtype}", "one number per event")
    if not sensible(columns["weight"]):
        raise CardError(path, "column weight", "a value that is not a finite number", "numbers")
    fine = np.ones(len(columns["weight"]), dtype=bool)
    for name, column in columns.items():
        # a comparison with NaN is False
        fine &= np.abs(column) < (30 if name.endswith("_eta") else NUMBER_MAX if name == "weight" else MOMENTUM_MAX_GEV)
        if name.endswith("_pt"):
            fine &= column >= 0
    if not fine.all():
        columns = {name: column[fine] for name, column in columns.items()}
    columns = {name: np.asarray(columns[name]) for name in _known(columns)}
    if not all(name in columns for name in COLUMNS):
        n = len(columns["weight"])
        lminus, lplus = momenta(DileptonEvents({**columns, "m_ll": np.empty(n)}, info))
        columns = {**from_momenta(lminus, lplus, columns["weight"], info).columns, **columns}
        columns = {name: columns[name] for name in _known(columns)}
    if "lepton_id" in columns:
        columns["lepton_id"] = checked_flavors(columns["lepton_id"], path)
    return DileptonEvents(columns, info)


def sensible(numbers: npt.ArrayLike) -> bool:
    """Whether all weights or cross-sections are finite and below NUMBER_MAX."""
    return bool((np.abs(np.asarray(numbers, dtype=float)) < NUMBER_MAX).all())


def checked_flavors(codes: npt.NDArray[Any], path: Any) -> npt.NDArray[np.int8]:
    """Codes of charged leptons of either sign as those of the l-; CardError for other codes."""
    from ..errors import CardError

    found = np.abs(codes)
    unknown = ~np.isin(found, [0, 11, 13, 15])
    if unknown.any():
        raise CardError(path, "column lepton_id", f"the code {codes[unknown][0]}", "11, 13 or 15 (0: not known)")
    return np.asarray(found, dtype=np.int8)


def _known(columns: Mapping[str, Any]) -> list[str]:
    return [name for name in (*COLUMNS, *OPTIONAL_COLUMNS) if name in columns]
