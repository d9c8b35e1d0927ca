"""Parton distributions in LHAPDF6 format: one small interface, two backends.

``load_pdf("SET", member)`` uses the ``lhapdf`` library when it can be imported, else ``neopdf`` (package neopdf-hep).
Sets are looked for in the folders of ``LHAPDF_DATA_PATH``, then in the user's folder, then among those shipped.

neopdf ends the process on a broken file or a NaN, and downloads what it does not find. So every file is read and
checked here first, neopdf is handed a copy whose .info holds only what was checked, and every x and Q is checked on
each call.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, PDFError, RangeError, UnknownName
from ..io.cards import FloatArray, digest
from ..io.paths import shipped, user_data_dir

#: Set of every default; its central member is shipped (``CT18NNLO_central``), its uncertainty as luminosity tables.
DEFAULT_SET = "CT18NNLO"
DEFAULT_CENTRAL = "CT18NNLO_central"
#: The paper's set (arXiv:1707.08606, section 4), central member; shipped.
PAPER_SET = "MSTW2008nlo_central"


@dataclass(frozen=True)
class SetInfo:
    """What the ``.info`` file of a set says, checked."""

    name: str
    folder: Path
    description: str
    reference: str
    index: int
    members: int
    error_type: str
    confidence_level: float
    """Of the error members, in per cent (ErrorConfLevel; one standard deviation if the file does not say)."""
    flavors: tuple[int, ...]
    order_qcd: int
    x_min: float
    x_max: float
    q_min_gev: float
    q_max_gev: float
    force_positive: int
    alpha_s_qs_gev: tuple[float, ...]
    """Knots of the strong coupling; empty if the set has no table of it."""
    alpha_s_values: tuple[float, ...]
    grid_shape: tuple[tuple[int, int], ...] = ()
    """Knots in x and Q of each subgrid; known once a member's grid was read."""

    def grid_file(self, member: int) -> Path:
        """The ``.dat`` file of a member."""
        return self.folder / f"{self.name}_{member:04d}.dat"

    @property
    def info_file(self) -> Path:
        """The ``.info`` file."""
        return self.folder / f"{self.name}.info"


class PDFMember(ABC):
    """One member of a set. Backends implement ``_xf_at`` and ``alpha_s``."""

    backend: str

    def __init__(self, info: SetInfo, member: int) -> None:
        self.info, self.member = info, member

    @cached_property
    def digest(self) -> str:
        """Changes when the files of the member do."""
        return digest(self.info.info_file, self.info.grid_file(self.member))

    def xf(self, pids: Sequence[int], x: ArrayLike, q_gev: float) -> FloatArray:
        """Densities x f(x, Q), shape (len(pids), *x.shape), at one Q (GeV) and any array of x.

        Parton ids are PDG's (gluon 21); one the set does not have gives 0. x above x_max = 1 is refused, as are NaN
        and points outside the grid (RangeError states the range). A set that asks for positivity
        (``ForcePositive`` 1 or 2 in its .info) has negative values raised to 0 (1e-10).
        """
        points = np.asarray(x, dtype=float)
        info = self.info
        q = float(q_gev)
        if not info.q_min_gev <= q <= info.q_max_gev:
            raise RangeError(f"Q = {q:g} GeV is outside set {info.name}: {info.q_min_gev:g} to {info.q_max_gev:g} GeV")
        inside = (points >= info.x_min) & (points <= info.x_max)
        if not inside.all():
            found = points[~inside].flat[0]
            raise RangeError(f"x = {found:g} is outside set {info.name}: {info.x_min:g} to {info.x_max:g}")
        known = [pid for pid in pids if pid in info.flavors]
        values = np.zeros((len(pids), points.size))
        if known and points.size:
            rows = [i for i, pid in enumerate(pids) if pid in info.flavors]
            values[rows] = self._xf_at(known, points.ravel(), q)
        if info.force_positive:
            values = np.maximum(values, 0.0 if info.force_positive == 1 else 1e-10)
        return values.reshape(len(pids), *points.shape)

    def _checked_alpha_s_scale(self, q_gev: float) -> float:
        scales = self.info.alpha_s_qs_gev
        if not scales:
            raise PDFError(f"set {self.info.name} has no table of alpha_s (AlphaS_Qs, AlphaS_Vals in its .info)")
        if not scales[0] <= q_gev <= scales[-1]:
            raise RangeError(
                f"Q = {q_gev:g} GeV is outside alpha_s of {self.info.name}: {scales[0]:g} to {scales[-1]:g} GeV"
            )
        return float(q_gev)

    @abstractmethod
    def _xf_at(self, pids: list[int], x: FloatArray, q_gev: float) -> FloatArray:
        """(len(pids), len(x)) densities for checked arguments."""

    @abstractmethod
    def alpha_s(self, q_gev: float) -> float:
        """Strong coupling of the set at Q; PDFError if it has no table, RangeError outside."""


class NeopdfMember(PDFMember):
    """Backend neopdf (PyPI: neopdf-hep); equal to LHAPDF 6.5.1 to 5e-13 on random points."""

    backend = "neopdf"

    def __init__(self, info: SetInfo, member: int) -> None:
        super().__init__(info, member)
        from neopdf.pdf import PDF

        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / info.name
            copy.mkdir()
            (copy / f"{info.name}.info").write_text(_checked_info_text(info), encoding="utf-8")
            grids = info.grid_file(member).read_text(encoding="utf-8").split("---\n", 1)[1]
            grid_file = copy / f"{info.name}_0000.dat"
            grid_file.write_text("PdfType: central\nFormat: lhagrid1\n---\n" + grids, encoding="utf-8")
            self._pdf = PDF.mkPDF_lhapdf_file(str(grid_file))

    def _xf_at(self, pids: list[int], x: FloatArray, q_gev: float) -> FloatArray:
        return np.asarray(self._pdf.xfxQ2s(pids, x.tolist(), [q_gev**2]))

    def alpha_s(self, q_gev: float) -> float:
        """Strong coupling of the set at Q; PDFError if it has no table, RangeError outside."""
        return float(self._pdf.alphasQ2(self._checked_alpha_s_scale(q_gev) ** 2))


class LhapdfMember(PDFMember):
    """Backend lhapdf (the reference library); point by point, so slower than neopdf on large arrays."""

    backend = "lhapdf"

    def __init__(self, info: SetInfo, member: int) -> None:
        super().__init__(info, member)
        import lhapdf

        lhapdf.setVerbosity(0)
        parent = str(info.folder.parent)
        if parent not in lhapdf.paths():
            lhapdf.pathsPrepend(parent)
        self._pdf = lhapdf.mkPDF(info.name, member)

    def _xf_at(self, pids: list[int], x: FloatArray, q_gev: float) -> FloatArray:
        return np.array([[self._pdf.xfxQ(pid, float(v), q_gev) for v in x] for pid in pids])

    def alpha_s(self, q_gev: float) -> float:
        """Strong coupling of the set at Q; PDFError if it has no table, RangeError outside."""
        return float(self._pdf.alphasQ(self._checked_alpha_s_scale(q_gev)))


def default_backend() -> str:
    """``lhapdf`` if it can be imported, else ``neopdf``."""
    return "lhapdf" if importlib.util.find_spec("lhapdf") else "neopdf"


def load_pdf(name: str = DEFAULT_SET, member: int = 0, backend: str | None = None) -> PDFMember:
    """A member of a set by name; UnknownName if there is no such set, PDFError if its files are broken.

    Member 0 of the default set, where that is not installed, is the shipped ``CT18NNLO_central``.
    """
    if name == DEFAULT_SET and name not in list_sets():
        if member != 0:
            raise InputError(f"of set {name} the central member alone is here: zprime-recast pdf install {name}")
        name = DEFAULT_CENTRAL
    info = read_set_info(find_set(name))
    if isinstance(member, bool) or not isinstance(member, int) or not 0 <= member < info.members:
        raise InputError(f"set {name} has members 0 to {info.members - 1}, not {member}")
    info = check_grid(info, member)
    backends = {"lhapdf": LhapdfMember, "neopdf": NeopdfMember}
    chosen = backend or default_backend()
    if chosen not in backends:
        raise UnknownName("PDF backend", chosen, backends)
    if backend and not importlib.util.find_spec(backend):
        raise PDFError(f"backend {backend} is not installed")
    return backends[chosen](info, member)


# ---------------------------------------------------------------------------------------------------------------
# Sets on disk


def set_folders() -> list[Path]:
    """Where sets are looked for, in order."""
    paths = os.environ.get("LHAPDF_DATA_PATH", "").split(os.pathsep)
    folders = [Path(p).expanduser() for p in paths if p]
    return [*folders, user_data_dir() / "pdfs", shipped("data") / "pdfs"]


def list_sets() -> dict[str, Path]:
    """Names of the sets found and their folders; the first folder on the path wins."""
    found: dict[str, Path] = {}
    for folder in set_folders():
        if folder.is_dir():
            for child in sorted(folder.iterdir()):
                if (child / f"{child.name}.info").is_file():
                    found.setdefault(child.name, child)
    return dict(sorted(found.items()))


def find_set(name: str) -> Path:
    """Folder of a set; UnknownName that suggests the nearest one and says where sets belong."""
    sets = list_sets()
    if name not in sets:
        raise UnknownName("PDF set", name, sets, f"put its folder into {user_data_dir() / 'pdfs'} or LHAPDF_DATA_PATH")
    return sets[name]


def read_set_info(folder: Path) -> SetInfo:
    """The checked ``.info`` of a set folder; PDFError names the key at fault."""
    import yaml

    path = folder / f"{folder.name}.info"
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        raise PDFError(f"{path}: not readable as YAML ({str(err).splitlines()[0]}); fetch the set again") from None
    if not isinstance(entries, dict):
        raise PDFError(f"{path}: no 'key: value' lines; fetch the set again")

    def number(key: str, default: float | None = None) -> float:
        value = entries.get(key, default)
        try:
            result = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            result = np.nan
        if isinstance(value, bool) or not np.isfinite(result):
            raise PDFError(f"{path}: {key} is {value!r}, expected a number; fetch the set again")
        return result

    flavors = entries.get("Flavors")
    if not isinstance(flavors, list) or not flavors or not all(type(f) is int for f in flavors):
        raise PDFError(f"{path}: Flavors is {flavors!r}, expected a list of parton ids; fetch the set again")
    scales, values = entries.get("AlphaS_Qs") or [], entries.get("AlphaS_Vals") or []
    if (scales or values or entries.get("AlphaS_Type") == "ipol") and not _alpha_s_table_ok(scales, values):
        raise PDFError(f"{path}: AlphaS_Qs and AlphaS_Vals are no ascending table of equal length; fetch the set again")
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
        order_qcd=int(number("OrderQCD")),
        x_min=number("XMin"),
        x_max=number("XMax"),
        q_min_gev=number("QMin"),
        q_max_gev=number("QMax"),
        force_positive=int(number("ForcePositive", 0)),
        alpha_s_qs_gev=tuple(float(q) for q in scales),
        alpha_s_values=tuple(float(v) for v in values),
    )
    if not 0 < info.confidence_level < 100:
        raise PDFError(f"{path}: ErrorConfLevel is {info.confidence_level:g}, expected per cent; fetch the set again")
    if info.members < 1 or not 0 < info.x_min < info.x_max <= 1 or not 0 < info.q_min_gev < info.q_max_gev:
        raise PDFError(f"{path}: NumMembers, XMin, XMax, QMin or QMax make no sense; fetch the set again")
    return info


def _alpha_s_table_ok(scales: Any, values: Any) -> bool:
    if not isinstance(scales, list) or not isinstance(values, list) or len(scales) != len(values) or not scales:
        return False
    if not all(isinstance(v, (int, float)) and np.isfinite(v) and v > 0 for v in (*scales, *values)):
        return False
    return len(scales) > 3 and bool((np.diff(scales) >= 0).all())  # a threshold is a knot given twice


def _checked_info_text(info: SetInfo) -> str:
    """An .info file of what was checked and the backend needs, member 0 standing for the one that is loaded."""
    import yaml

    # masses and alpha_s without a table are values neopdf wants to read; nothing here ever asks it for them
    entries: dict[str, Any] = {
        "SetDesc": info.name,
        "SetIndex": info.index,
        "Format": "lhagrid1",
        "DataVersion": 1,
        "NumMembers": 1,
        "Particle": 2212,
        "Flavors": list(info.flavors),
        "OrderQCD": info.order_qcd,
        "FlavorScheme": "variable",
        "NumFlavors": 5,
        "ErrorType": "replicas",
        "XMin": info.x_min,
        "XMax": info.x_max,
        "QMin": info.q_min_gev,
        "QMax": info.q_max_gev,
        "MZ": 91.1876,
        **dict.fromkeys(("MUp", "MDown", "MStrange"), 0.0),
        **dict.fromkeys(("MCharm", "MBottom", "MTop"), 0.0),
        "AlphaS_MZ": 0.118,
        "AlphaS_OrderQCD": info.order_qcd,
        "AlphaS_Type": "ipol",
        "AlphaS_Qs": list(info.alpha_s_qs_gev) or [1.0, 10.0, 100.0, 1000.0],
        "AlphaS_Vals": list(info.alpha_s_values) or [0.1, 0.1, 0.1, 0.1],
    }
    return "".join(
        f"{key}: {yaml.safe_dump(value, default_flow_style=True, width=1e9).splitlines()[0]}\n"
        for key, value in entries.items()
    )


_GRID_CHARACTERS = frozenset("0123456789.eE+- \n")


def check_grid(info: SetInfo, member: int) -> SetInfo:
    """Read a member's grid file completely; PDFError says which subgrid is broken and how.

    Returns the info with its x and Q range cut to that of the grid.
    """
    path = info.grid_file(member)
    if not path.is_file():
        raise PDFError(f"{path}: no such file, though {info.info_file.name} promises {info.members} members")
    try:
        blocks = path.read_text(encoding="utf-8").split("---\n")
    except (OSError, UnicodeDecodeError) as err:
        raise PDFError(f"{path}: not readable ({err}); fetch the set again") from None
    if "Format: lhagrid1" not in blocks[0]:
        raise PDFError(f"{path}: header says no 'Format: lhagrid1'; fetch the set again")
    if len(blocks) < 3 or blocks[-1].strip():
        raise PDFError(f"{path}: cut short (no closing '---'); fetch the set again")
    previous: tuple[FloatArray, FloatArray] | None = None
    shape = []
    x_min, x_max, q_min, q_max = info.x_min, info.x_max, info.q_min_gev, info.q_max_gev
    for i, block in enumerate(blocks[1:-1], 1):
        where = f"{path}: subgrid {i}"
        if not _GRID_CHARACTERS.issuperset(block):
            raise PDFError(f"{where} holds something that is no number; fetch the set again")
        x, q = _check_subgrid(where, block, info)
        if previous is not None:
            if not np.array_equal(x, previous[0]):
                raise PDFError(f"{where}: x knots differ from those of the subgrid before; fetch the set again")
            if not np.isclose(q[0], previous[1][-1], rtol=1e-4):
                raise PDFError(f"{where} begins at Q = {q[0]:g}, not where the one before ends; fetch the set again")
        else:
            x_min, x_max, q_min = max(x_min, x[0]), min(x_max, x[-1]), max(q_min, q[0])
        previous = (x, q)
        shape.append((len(x), len(q)))
        q_max = min(info.q_max_gev, q[-1])
    if not x_min < x_max or not q_min < q_max:
        raise PDFError(f"{path}: its knots and the range in {info.info_file.name} do not overlap; fetch the set again")
    x_min, x_max, q_min, q_max = (float(end) for end in (x_min, x_max, q_min, q_max))
    return replace(info, grid_shape=tuple(shape), x_min=x_min, x_max=x_max, q_min_gev=q_min, q_max_gev=q_max)


def _check_subgrid(where: str, block: str, info: SetInfo) -> tuple[FloatArray, FloatArray]:
    """Knots in x and Q of a subgrid; PDFError unless its numbers are complete and its knots ascend."""
    try:
        x_line, q_line, pid_line, body = block.split("\n", 3)
        x, q = np.array(x_line.split(), dtype=float), np.array(q_line.split(), dtype=float)
        pids = [int(pid) for pid in pid_line.split()]
        values = np.array(body.split(), dtype=float)
    except ValueError:
        raise PDFError(f"{where} holds something that is no number; fetch the set again") from None
    finite = np.isfinite(values).all() and np.isfinite(x).all() and np.isfinite(q).all()
    if not finite:
        raise PDFError(f"{where} holds NaN or infinity; fetch the set again")
    if len(x) < 4 or len(q) < 2 or (np.diff(x) <= 0).any() or (np.diff(q) <= 0).any():
        raise PDFError(f"{where}: knots are not ascending, or fewer than 4 in x or 2 in Q; fetch the set again")
    if x[0] <= 0 or x[-1] > 1 or q[0] <= 0:
        raise PDFError(f"{where}: knots outside 0 < x <= 1 or Q > 0; fetch the set again")
    if sorted(pids) != sorted(info.flavors):
        raise PDFError(f"{where}: flavours {pids} are not those of {info.info_file.name}; fetch the set again")
    lines = body.split("\n")[:-1]
    if len(lines) != len(x) * len(q) or any(len(line.split()) != len(pids) for line in lines):
        raise PDFError(f"{where}: not {len(x) * len(q)} lines of {len(pids)} values; fetch the set again")
    return x, q
