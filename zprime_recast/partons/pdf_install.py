"""Load a PDF set with all its members, and install sets from LHAPDF's archive."""

from __future__ import annotations

import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import CardError, InputError, OutputError, PDFError
from ..io.foreign import reading
from ..io.names import checked_name
from ..io.paths import expanded, user_data_dir
from ..io.scratch import scratch_folder
from .pdf import PDFMember, load_pdf
from .pdf_errors import ONE_SIGMA, ErrorSet, Uncertainty, error_set, pdf_uncertainty
from .pdf_files import read_grid, read_set_info

#: LHAPDF's public archive: one .tar.gz per set.
ARCHIVE_URL = "https://lhapdfsets.web.cern.ch/current/"
_TIMEOUT_S = 30
#: Bytes of one file and of all files of a set, and number of files: far above those of the largest set of LHAPDF.
FILE_BYTES, SET_BYTES, SET_FILES = 200_000_000, 8_000_000_000, 10_000


@dataclass(frozen=True)
class PDFSet:
    """All members of a set, loaded."""

    name: str
    members: tuple[PDFMember, ...]
    errors: ErrorSet | None

    def xf(self, pids: Sequence[int], x: ArrayLike, q_gev: float) -> FloatArray:
        """x f(x, Q) of every member, shape (members, len(pids), *x.shape)."""
        return np.stack([member.xf(pids, x, q_gev) for member in self.members])

    def uncertainty(self, values: ArrayLike, confidence_level: float = ONE_SIGMA) -> Uncertainty:
        """PDF uncertainty of values (members, ...) at a level in per cent; InputError for a set of one member."""
        if self.errors is None:
            raise InputError(f"PDF set {self.name} has only one member, so its PDF uncertainty is not known")
        return pdf_uncertainty(values, self.errors, confidence_level)


def load_pdf_set(name: str, backend: str | None = None) -> PDFSet:
    """Load every member of a set; PDFError names a member that is missing or broken."""
    central = load_pdf(name, 0, backend)
    members = (central, *(load_pdf(name, k, backend) for k in range(1, central.info.members)))
    return PDFSet(name, members, error_set(central.info))


def install_set(source: str, folder: Path | None = None, archive: str = ARCHIVE_URL) -> Path:
    """Fetch a set by name from an archive, or unpack a ``.tar.gz`` given by its path, into ``folder`` (default: the
    user's ``pdfs``). Every member is checked first. Returns the folder of the set; an existing one is not touched.

    PDFError without network, or for a broken archive; the message says how to install the set by hand.
    """
    target = folder or user_data_dir() / "pdfs"
    local = source.endswith((".tar.gz", ".tgz", ".tar.xz", ".tar"))
    name = checked_name("PDF set", Path(source).name.split(".tar")[0].removesuffix(".tgz") if local else source)
    if (target / name).exists():
        raise InputError(f"{target / name} already exists; remove it to install the set again")
    try:
        target.mkdir(parents=True, exist_ok=True)
        with scratch_folder(target) as scratch:
            packed = expanded(source) if local else _fetch(name, archive, scratch, target)
            unpacked = _unpack(packed, name, scratch)
            info = read_set_info(unpacked)
            error_set(info)
            for member in range(info.members):
                read_grid(info, member)
            unpacked.replace(target / name)
    except OSError as err:
        raise OutputError(target, str(err.strerror or err)) from None
    return target / name


def _fetch(name: str, archive: str, scratch: Path, target: Path) -> Path:
    url = f"{archive}{name}.tar.gz"
    path = scratch / "set.tar.gz"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except urllib.error.HTTPError as err:
        raise PDFError(f"{url}: {err.code} {err.reason}; is {name} the exact name of an LHAPDF set?") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as err:
        reason = getattr(err, "reason", err)
        raise PDFError(
            f"{url} cannot be reached ({reason}); download it elsewhere, then: zprime-recast pdf install "
            f"{name}.tar.gz, or unpack it into {target}"
        ) from None
    return path


def _members(tar: tarfile.TarFile, packed: Path) -> list[tarfile.TarInfo]:
    """The members of an archive; PDFError as soon as there are more or larger ones than a PDF set has."""
    found: list[tarfile.TarInfo] = []
    total = 0
    for member in tar:
        total += member.size
        if member.size > FILE_BYTES or total > SET_BYTES or len(found) >= SET_FILES:
            raise PDFError(
                f"{packed}: larger than any PDF set ({FILE_BYTES / 1e6:.0f} MB a file, {SET_BYTES / 1e9:.0f} GB and "
                f"{SET_FILES} files in all); it was not unpacked"
            )
        found.append(member)
    return found


def _unpack(packed: Path, name: str, scratch: Path) -> Path:
    """The folder of the set inside an archive, unpacked; only plain files below ``name/`` are taken."""
    try:
        with reading(packed, "a complete tar archive"), tarfile.open(packed) as tar:
            wanted = [
                m for m in _members(tar, packed) if m.isfile() and m.name.removeprefix("./").startswith(f"{name}/")
            ]
            tar.extractall(scratch, members=wanted, filter="data")
            rest = tar.fileobj
            while rest is not None and rest.read(1 << 20):  # the checksum of gzip is at its end
                if rest.tell() > SET_BYTES:
                    raise PDFError(f"{packed}: more than {SET_BYTES / 1e9:.0f} GB; this is no PDF set")
    except CardError as err:
        if not packed.is_file():
            raise InputError(f"{packed}: no such file") from None
        raise PDFError(f"{packed}: not a complete tar archive ({err.found}); download it again") from None
    if not (scratch / name / f"{name}.info").is_file():
        raise PDFError(f"{packed}: holds no {name}/{name}.info; download it again")
    return scratch / name
