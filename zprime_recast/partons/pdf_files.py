"""PDF sets on disk: find them, and read and check their .info files and grids."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import ANY_NUMBER
from ..errors import CardError, PDFError, UnknownName
from ..io.foreign import read_yaml
from ..io.paths import expanded, shipped, user_data_dir
from .grid import Subgrid

#: Parton id of the proton.
PROTON = 2212


@dataclass(frozen=True)
class SetInfo:
    """The checked contents of the ``.info`` file of a set."""

    name: str
    folder: Path
    description: str
    reference: str
    index: int
    members: int
    error_type: str
    confidence_level: float
    """Confidence level of the error members in per cent (ErrorConfLevel; one standard deviation if not given)."""
    flavors: tuple[int, ...]
    x_min: float
    x_max: float
    q_min_gev: float
    q_max_gev: float
    force_positive: int
    alpha_s_qs_gev: tuple[float, ...]
    """Knots of the strong coupling; empty if the set has no table of it."""
    alpha_s_values: tuple[float, ...]

    def grid_file(self, member: int) -> Path:
        """The ``.dat`` file of a member."""
        return self.folder / f"{self.name}_{member:04d}.dat"

    @property
    def info_file(self) -> Path:
        """The ``.info`` file."""
        return self.folder / f"{self.name}.info"


def set_folders() -> list[Path]:
    """Folders in which sets are looked for, in order."""
    paths = os.environ.get("LHAPDF_DATA_PATH", "").split(os.pathsep)
    folders = [expanded(p) for p in paths if p]
    return [*folders, user_data_dir() / "pdfs", shipped("data") / "pdfs"]


def list_sets(more: Sequence[str] = ()) -> dict[str, Path]:
    """Names and folders of the sets found, those in the folders ``more`` last; of several with one name, the first."""
    found: dict[str, Path] = {}
    for folder in (*set_folders(), *map(Path, more)):
        if folder.is_dir():
            for child in sorted(folder.iterdir()):
                if (child / f"{child.name}.info").is_file():
                    found.setdefault(child.name, child)
    return dict(sorted(found.items()))


def find_set(name: str, sets: Mapping[str, Path] | None = None) -> Path:
    """Folder of a set; UnknownName, which suggests the nearest name and says where sets belong, if there is none."""
    sets = list_sets() if sets is None else sets
    if name not in sets:
        raise UnknownName("PDF set", name, sets, f"put its folder into {user_data_dir() / 'pdfs'} or LHAPDF_DATA_PATH")
    return sets[name]


def read_set_info(folder: Path) -> SetInfo:
    """The checked ``.info`` of a set folder; PDFError names the key at fault."""
    path = folder / f"{folder.name}.info"
    try:
        documents = read_yaml(path, "an .info file in YAML")
    except CardError as err:
        raise PDFError(f"{path}: not readable as YAML ({err.found}); download the set again") from None
    entries = documents[0] if len(documents) == 1 else None
    if not isinstance(entries, dict):
        raise PDFError(f"{path}: no 'key: value' lines; download the set again")

    def number(key: str, default: float | None = None) -> float:
        value = entries.get(key, default)
        try:
            result = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            result = np.nan
        if isinstance(value, bool) or not np.isfinite(result):
            raise PDFError(f"{path}: {key} is {value!r}, expected a number; download the set again")
        return result

    _check_kind(path, entries)
    flavors = entries.get("Flavors")
    if not isinstance(flavors, list) or not flavors or not all(type(f) is int for f in flavors):
        raise PDFError(f"{path}: Flavors is {flavors!r}, expected a list of parton ids; download the set again")
    scales, values = _alpha_s_table(path, entries)
    info = SetInfo(
        name=folder.name,
        folder=folder,
        description=str(entries.get("SetDesc", "")),
        reference=str(entries.get("Reference", "")),
        index=int(number("SetIndex", 0)),
        members=int(number("NumMembers")),
        error_type=str(entries.get("ErrorType", "")),
        confidence_level=number("ErrorConfLevel", 68.26894921370858),  # one standard deviation
        flavors=tuple(flavors),
        x_min=number("XMin"),
        x_max=number("XMax"),
        q_min_gev=number("QMin"),
        q_max_gev=number("QMax"),
        force_positive=int(number("ForcePositive", 0)),
        alpha_s_qs_gev=scales,
        alpha_s_values=values,
    )
    if not 0 < info.confidence_level < 100:
        raise PDFError(
            f"{path}: ErrorConfLevel is {info.confidence_level:g}, expected per cent; download the set again"
        )
    if info.members < 1 or not 0 < info.x_min < info.x_max <= 1 or not 0 < info.q_min_gev < info.q_max_gev:
        raise PDFError(f"{path}: NumMembers, XMin, XMax, QMin or QMax are inconsistent; download the set again")
    return info


def _check_kind(path: Path, entries: dict[str, Any]) -> None:
    """PDFError unless the set holds parton densities of the proton, which is what LHAPDF takes for granted."""
    kind, particle = entries.get("SetType", "PDF"), entries.get("Particle", PROTON)
    if str(kind).strip().lower() != "pdf":
        raise PDFError(f"{path}: SetType is {kind!r}, not PDF: this set holds no parton densities; use one that does")
    if str(particle).strip() != str(PROTON):
        raise PDFError(
            f"{path}: Particle is {particle!r}, not the proton ({PROTON}); use a set of parton densities of the proton"
        )


def _alpha_s_table(path: Path, entries: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots and values of the strong coupling, empty if there are none; PDFError if they make no table."""
    scales, values = entries.get("AlphaS_Qs") or [], entries.get("AlphaS_Vals") or []
    if (scales or values or entries.get("AlphaS_Type") == "ipol") and not _alpha_s_table_ok(scales, values):
        raise PDFError(
            f"{path}: AlphaS_Qs and AlphaS_Vals are not ascending lists of equal length; download the set again"
        )
    return tuple(float(q) for q in scales), tuple(float(v) for v in values)


def _with_own_coupling(info: SetInfo, path: Path, header: str) -> SetInfo:
    """The info with the strong coupling of a member, which the header of its grid file gives if it is another."""
    import yaml

    if "AlphaS_" not in header:
        return info
    try:
        own = yaml.safe_load(header)
    except yaml.YAMLError as err:
        raise PDFError(
            f"{path}: header not readable as YAML ({str(err).splitlines()[0]}); download the set again"
        ) from None
    if not isinstance(own, dict) or not {"AlphaS_Qs", "AlphaS_Vals"} & set(own):
        return info
    of_set = {"AlphaS_Qs": list(info.alpha_s_qs_gev), "AlphaS_Vals": list(info.alpha_s_values)}
    scales, values = _alpha_s_table(path, {**of_set, **own})
    return replace(info, alpha_s_qs_gev=scales, alpha_s_values=values)


def _alpha_s_table_ok(scales: Any, values: Any) -> bool:
    if not isinstance(scales, list) or not isinstance(values, list) or len(scales) != len(values) or not scales:
        return False
    if not all(isinstance(v, (int, float)) and np.isfinite(v) and v > 0 for v in (*scales, *values)):
        return False
    # a threshold is a knot given twice
    return len(scales) > 3 and bool((np.diff(scales) >= 0).all()) and scales[-1] > scales[0]


_GRID_CHARACTERS = frozenset("0123456789.eE+- \n")


def read_grid(info: SetInfo, member: int) -> tuple[SetInfo, tuple[Subgrid, ...]]:
    """Read a member's grid file completely; PDFError says which subgrid is broken and how.

    Returns the info with its x and Q range cut to that of the grid and with the strong coupling of the member, and the
    subgrids.
    """
    path = info.grid_file(member)
    if not path.is_file():
        raise PDFError(f"{path}: no such file, though {info.info_file.name} promises {info.members} members")
    try:
        blocks = path.read_text(encoding="utf-8").split("---\n")
    except (OSError, UnicodeDecodeError) as err:
        raise PDFError(f"{path}: not readable ({err}); download the set again") from None
    if "Format: lhagrid1" not in blocks[0]:
        raise PDFError(f"{path}: the header does not say 'Format: lhagrid1'; download the set again")
    if len(blocks) < 3 or blocks[-1].strip():
        raise PDFError(f"{path}: cut short (no closing '---'); download the set again")
    info = _with_own_coupling(info, path, blocks[0])
    subgrids: list[Subgrid] = []
    x_min, x_max, q_min, q_max = info.x_min, info.x_max, info.q_min_gev, info.q_max_gev
    for i, block in enumerate(blocks[1:-1], 1):
        where = f"{path}: subgrid {i}"
        if not _GRID_CHARACTERS.issuperset(block):
            raise PDFError(f"{where} contains a non-numeric entry; download the set again")
        subgrid = _read_subgrid(where, block, info)
        x, q = subgrid.x, subgrid.q_gev
        if subgrids:
            if not np.array_equal(x, subgrids[-1].x):
                raise PDFError(f"{where}: x knots differ from those of the subgrid before; download the set again")
            if not np.isclose(q[0], subgrids[-1].q_gev[-1], rtol=1e-4):
                raise PDFError(f"{where} begins at Q = {q[0]:g}, not where the one before ends; download the set again")
        else:
            x_min, x_max, q_min = max(x_min, x[0]), min(x_max, x[-1]), max(q_min, q[0])
        subgrids.append(subgrid)
        q_max = min(info.q_max_gev, q[-1])
    if not x_min < x_max or not q_min < q_max:
        raise PDFError(
            f"{path}: its knots and the range in {info.info_file.name} do not overlap; download the set again"
        )
    x_min, x_max, q_min, q_max = (float(end) for end in (x_min, x_max, q_min, q_max))
    return replace(info, x_min=x_min, x_max=x_max, q_min_gev=q_min, q_max_gev=q_max), tuple(subgrids)


def _read_subgrid(where: str, block: str, info: SetInfo) -> Subgrid:
    """A subgrid; PDFError unless its numbers are complete and its knots ascend."""
    try:
        x_line, q_line, pid_line, body = block.split("\n", 3)
        x, q = np.array(x_line.split(), dtype=float), np.array(q_line.split(), dtype=float)
        pids = [int(pid) for pid in pid_line.split()]
        values = np.array(body.split(), dtype=float)
    except ValueError:
        raise PDFError(f"{where} contains a non-numeric entry; download the set again") from None
    if not all((np.abs(numbers) <= ANY_NUMBER[1]).all() for numbers in (values, x, q)):
        raise PDFError(f"{where} contains NaN, infinity or a number like it; download the set again")
    if len(x) < 4 or len(q) < 2 or (np.diff(x) <= 0).any() or (np.diff(q) <= 0).any():
        raise PDFError(f"{where}: knots are not ascending, or fewer than 4 in x or 2 in Q; download the set again")
    if x[0] <= 0 or x[-1] > 1 or q[0] <= 0:
        raise PDFError(f"{where}: knots outside 0 < x <= 1 or Q > 0; download the set again")
    if sorted(pids) != sorted(info.flavors):
        raise PDFError(f"{where}: flavours {pids} are not those of {info.info_file.name}; download the set again")
    lines = body.split("\n")[:-1]
    if len(lines) != len(x) * len(q) or any(len(line.split()) != len(pids) for line in lines):
        raise PDFError(f"{where}: not {len(x) * len(q)} lines of {len(pids)} values; download the set again")
    return Subgrid(x, q, tuple(pids), values.reshape(len(x), len(q), len(pids)))
