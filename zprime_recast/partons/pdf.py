"""Parton distributions in LHAPDF6 format: one small interface, two backends.

``load_pdf("SET", member)`` uses the ``lhapdf`` library when it can be imported, else ``neopdf`` (package neopdf-hep).
Sets are looked for in the folders of ``LHAPDF_DATA_PATH``, then in the user's folder, then among those shipped.

neopdf ends the process on a broken file or a NaN, and downloads sets it does not find. Every file is therefore read and
checked here first, neopdf is given a copy whose .info holds only what was checked, and every x and Q is checked on
each call.
"""

from __future__ import annotations

import importlib.util
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import InputError, PDFError, RangeError, UnknownName
from ..io.cards import digest
from .pdf_files import SetInfo, check_grid, find_set, list_sets, read_set_info

#: The default set. Its central member is shipped (``CT18NNLO_central``), its uncertainty in luminosity tables.
DEFAULT_SET = "CT18NNLO"
DEFAULT_CENTRAL = "CT18NNLO_central"
#: The paper's set (arXiv:1707.08606, section 4), central member; shipped.
PAPER_SET = "MSTW2008nlo_central"


class PDFMember(ABC):
    """One member of a set. Backends implement ``_xf_at`` and ``alpha_s``."""

    backend: str

    def __init__(self, info: SetInfo, member: int) -> None:
        self.info, self.member = info, member

    @cached_property
    def digest(self) -> str:
        """Digest of the files of the member."""
        return digest(self.info.info_file, self.info.grid_file(self.member))

    def xf(self, pids: Sequence[int], x: ArrayLike, q_gev: float) -> FloatArray:
        """Densities x f(x, Q), shape (len(pids), *x.shape), at one Q (GeV) and any array of x.

        Parton ids follow the PDG (gluon 21); the density of a parton that the set does not have is 0.
        RangeError states the range for NaN, x above x_max = 1, and points outside the grid. A set that asks for
        positivity (``ForcePositive`` 1 or 2 in its .info) has its negative values raised to 0 (or 1e-10).
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

    Where the default set is not installed, its member 0 is the shipped ``CT18NNLO_central``.
    """
    if name == DEFAULT_SET and name not in list_sets():
        if member != 0:
            raise InputError(
                f"only the central member of {name} is available; install the set: zprime-recast pdf install {name}"
            )
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


def _checked_info_text(info: SetInfo) -> str:
    """An .info file with the checked entries that the backend needs; the member that is loaded becomes member 0."""
    import yaml

    # neopdf insists on reading masses, and alpha_s even without a table; nothing here ever asks for them
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
