"""Parton distributions in LHAPDF6 format: one small interface, two readers.

``load_pdf("SET", member)`` interpolates the grids itself (:mod:`zprime_recast.partons.grid`). On request, by
``backend="lhapdf"`` or the environment variable ``ZPRIME_RECAST_PDF_BACKEND``, the LHAPDF library does. Sets are looked
for in the folders of ``LHAPDF_DATA_PATH``, then in the user's folder, then among those shipped. Either way every file
is read and checked first, and every x and Q on each call.
"""

from __future__ import annotations

import importlib
import os
import shutil
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
from ..io.scratch import scratch_folder
from .grid import PartonGrid, StrongCoupling, Subgrid, parton_grid, strong_coupling
from .pdf_files import SetInfo, find_set, list_sets, read_grid, read_set_info

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

    @cached_property
    def grid(self) -> PartonGrid:
        """The polynomials of all partons, whatever evaluates :meth:`xf`."""
        return parton_grid(read_grid(self.info, self.member)[1], floor_of(self.info))

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
        return np.maximum(values, floor_of(info)).reshape(len(pids), *points.shape)

    def _checked_alpha_s_scale(self, q_gev: float) -> float:
        scales = self.info.alpha_s_qs_gev
        if not scales:
            raise PDFError(
                f"set {self.info.name} has no table of alpha_s (AlphaS_Qs, AlphaS_Vals in its .info): use the order lo"
            )
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


class GridMember(PDFMember):
    """The package's own reader: log-bicubic as LHAPDF, for arrays of x (:mod:`zprime_recast.partons.grid`)."""

    backend = "grid"

    def __init__(self, info: SetInfo, member: int, subgrids: tuple[Subgrid, ...]) -> None:
        super().__init__(info, member)
        self._subgrids = subgrids

    @cached_property
    def grid(self) -> PartonGrid:
        """The polynomials of all partons."""
        return parton_grid(self._subgrids, floor_of(self.info))

    @cached_property
    def _coupling(self) -> StrongCoupling:
        return strong_coupling(self.info.alpha_s_qs_gev, self.info.alpha_s_values)

    def _xf_at(self, pids: list[int], x: FloatArray, q_gev: float) -> FloatArray:
        return self.grid.at_scale(np.array([self.grid.pids.index(pid) for pid in pids], dtype=np.intp), x, q_gev)

    def alpha_s(self, q_gev: float) -> float:
        """Strong coupling of the set at Q; PDFError if it has no table, RangeError outside."""
        scale = self._checked_alpha_s_scale(q_gev)
        return float(self._coupling(np.array(scale)))


class LhapdfMember(PDFMember):
    """The reference library, LHAPDF 6, called once per x: slow on arrays, used on request.

    It reads a copy of the checked files under a name made from their digest, so that neither another set of that name
    on its paths nor one that it has read before can take their place. Its paths and verbosity are left as they were.
    """

    backend = "lhapdf"

    def __init__(self, info: SetInfo, member: int) -> None:
        super().__init__(info, member)
        library, name = lhapdf_library(), f"{info.name}_{self.digest[:16]}"
        paths, verbosity = library.paths(), library.verbosity()
        with scratch_folder(Path(tempfile.gettempdir())) as folder:
            (folder / name).mkdir()
            shutil.copy(info.info_file, folder / name / f"{name}.info")
            shutil.copy(info.grid_file(member), folder / name / f"{name}_{member:04d}.dat")
            try:
                library.setVerbosity(0)
                library.setPaths([str(folder), *paths])  # its own settings are found by these, too
                self._pdf = library.mkPDF(name, member)
            except Exception as err:  # whatever the library raises
                raise PDFError(f"{info.grid_file(member)}: LHAPDF refuses it: {_first_line(err)}") from None
            finally:
                library.setPaths(paths)
                library.setVerbosity(verbosity)

    def _xf_at(self, pids: list[int], x: FloatArray, q_gev: float) -> FloatArray:
        try:
            rows = [self._pdf.xfxQ(float(v), q_gev) for v in x]  # all partons at once
            return np.array([[row[pid] for row in rows] for pid in pids], dtype=float)
        except Exception as err:
            raise PDFError(f"LHAPDF cannot evaluate {self.info.name} at {q_gev:g} GeV: {_first_line(err)}") from None

    def alpha_s(self, q_gev: float) -> float:
        """Strong coupling of the set at Q; PDFError if it has no table, RangeError outside."""
        scale = self._checked_alpha_s_scale(q_gev)
        try:
            return float(self._pdf.alphasQ(scale))
        except Exception as err:
            raise PDFError(f"LHAPDF has no alpha_s of {self.info.name} at {scale:g} GeV: {_first_line(err)}") from None


def floor_of(info: SetInfo) -> float:
    """Smallest density that a set allows: -inf, 0 or 1e-10 (ForcePositive 0, 1, 2)."""
    return {0: -np.inf, 1: 0.0}.get(info.force_positive, 1e-10)


def lhapdf_library() -> Any:
    """Import LHAPDF; PDFError with the reason if it does not load, or if something else has its name."""
    try:
        library = importlib.import_module("lhapdf")
    except Exception as err:
        raise PDFError(
            f"the PDF backend lhapdf does not load ({_first_line(err)}); install LHAPDF 6 or use the backend grid"
        ) from None
    if not all(hasattr(library, name) for name in ("mkPDF", "paths", "setPaths", "verbosity", "setVerbosity")):
        found = library.__file__ or ", ".join(library.__path__)
        raise PDFError(f"{found} is not LHAPDF 6, though it is imported as lhapdf; rename it or use the backend grid")
    return library


def _first_line(err: Exception) -> str:
    return (str(err).splitlines() or [""])[0] or type(err).__name__


#: Readers of PDF sets by name, the default first.
BACKENDS = ("grid", "lhapdf")
#: Environment variable that names the reader.
BACKEND_VARIABLE = "ZPRIME_RECAST_PDF_BACKEND"


def chosen_backend(backend: str | None = None) -> str:
    """The reader asked for by argument or environment, else ``grid``; UnknownName for one that does not exist."""
    chosen = backend or os.environ.get(BACKEND_VARIABLE) or BACKENDS[0]
    if chosen not in BACKENDS:
        raise UnknownName("PDF backend", chosen, BACKENDS)
    return chosen


def available_sets(backend: str | None = None) -> dict[str, Path]:
    """Names and folders of the sets found; with the reader ``lhapdf`` also those in the folders LHAPDF looks into."""
    return list_sets(lhapdf_library().paths() if chosen_backend(backend) == "lhapdf" else ())


def load_pdf(name: str = DEFAULT_SET, member: int = 0, backend: str | None = None) -> PDFMember:
    """A member of a set by name; UnknownName if there is no such set, PDFError if its files are broken.

    Where the default set is not installed, its member 0 is the shipped ``CT18NNLO_central``.

    Arguments:
        name: name of the set.
        member: number of the member.
        backend: ``grid``, the package's own reader, or ``lhapdf``; by default what ``ZPRIME_RECAST_PDF_BACKEND``
            says, else ``grid``. With ``lhapdf`` sets are also found in LHAPDF's own data folders.
    """
    chosen, sets = chosen_backend(backend), available_sets(backend)
    if name == DEFAULT_SET and name not in sets:
        if member != 0:
            raise InputError(
                f"only the central member of {name} is available; install the set: zprime-recast pdf install {name}"
            )
        name = DEFAULT_CENTRAL
    info = read_set_info(find_set(name, sets))
    if isinstance(member, bool) or not isinstance(member, int) or not 0 <= member < info.members:
        raise InputError(f"set {name} has members 0 to {info.members - 1}, not {member}")
    info, subgrids = read_grid(info, member)
    return LhapdfMember(info, member) if chosen == "lhapdf" else GridMember(info, member, subgrids)
