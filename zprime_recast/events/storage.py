"""Event files of every format, by suffix: written whole or not at all, in batches; read in batches."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CardError, InputError, OutputError
from ..io.files import write_whole
from .kinematics import pair_transverse_momentum
from .records import DileptonEvents, batches
from .text_stream import TextFile

SUFFIXES = (".root", ".parquet", ".lhe", ".lhe.gz", ".hepmc3", ".hepmc3.gz")
#: Events per batch when a sample in memory is written.
BATCH = 1 << 17
_GZIP_LEVEL = 1


def format_of(path: Path) -> str:
    """The suffix of an event file, one of SUFFIXES; InputError names them."""
    name = path.name.lower()
    name = name.replace(".hepmc.gz", ".hepmc3.gz") if name.endswith(".hepmc.gz") else name
    name = name + "3" if name.endswith(".hepmc") else name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix) and len(name) > len(suffix):
            return suffix
    raise InputError(f"{path}: unknown kind of event file; known: {', '.join(SUFFIXES)}")


def write_events(
    path: str | Path,
    events: DileptonEvents | Iterable[DileptonEvents],
    info: Mapping[str, Any] | None = None,
    rntuple: bool = False,
    compression: str = "none",
) -> Path:
    """Write events to a file in the format of its suffix.

    OutputError if it cannot be written; then, and after Ctrl-C, no file is left behind.

    Arguments:
        path: the file, ending in one of SUFFIXES.
        events: a sample, or a stream of batches, of which one at a time is in memory.
        info: metadata; default: those of the events.
        rntuple: whether a ROOT file holds an RNTuple instead of a TTree.
        compression: ``none``, ``lz4``, ``zstd`` ... for ROOT and Parquet.
    """
    target = Path(path)
    kind = format_of(target)
    if rntuple and kind != ".root":
        raise InputError(f"{target}: an RNTuple goes into a .root file")
    if target.is_dir():
        raise OutputError(target, "it is a folder")
    if isinstance(events, DileptonEvents):
        info = described(events) if info is None else info
        events = batches(events, BATCH)
    stream = iter(events)
    first = next(stream, None)
    if first is None or not len(first):
        raise InputError(f"no events to write to {target}")
    known = dict(first.info if info is None else info)

    def write(temporary: Path) -> None:
        with _writer(kind, temporary, known, rntuple, compression) as put:
            put(first)
            for batch in stream:
                put(batch)

    return write_whole(target, write)


def described(events: DileptonEvents) -> dict[str, Any]:
    """The metadata of a sample in memory; a selection gets its own number of events and cross-section."""
    info = dict(events.info)
    if info.get("n_events") not in (None, len(events)):
        weight = events["weight"]
        info |= {
            "n_events": len(events),
            "cross_section_fb": float(weight.sum()),
            "cross_section_error_fb": float(np.sqrt((weight**2).sum())),
            "absolute_cross_section_fb": float(np.abs(weight).sum()),
            "selected_from": info["n_events"],
        }
    return info


@contextmanager
def _writer(
    kind: str, path: Path, info: Mapping[str, Any], rntuple: bool, compression: str
) -> Iterator[Callable[[DileptonEvents], None]]:
    writer: Any
    if kind in (".root", ".parquet"):
        if kind == ".root":
            from .root import RootWriter

            writer = RootWriter(path, info, rntuple, compression)
        else:
            from .parquet import ParquetWriter

            writer = ParquetWriter(path, info, compression)
        yield writer.write
        writer.close()
        return
    with open(path, "wb") as plain:
        file: Any = gzip.GzipFile("", "wb", _GZIP_LEVEL, plain, mtime=0) if kind.endswith(".gz") else plain
        if kind.startswith(".lhe"):
            from .lhe import LheWriter

            writer = LheWriter(file, info)
        else:
            from .hepmc import HepmcWriter

            writer = HepmcWriter(file, info)

        def put(batch: DileptonEvents) -> None:
            _check_leading_order(batch, path)
            # pieces that stay in the processor's cache are formatted twice as fast
            for piece in batches(batch, 8192):
                writer.write(piece)

        yield put
        writer.close()
        if file is not plain:
            file.close()


def _check_leading_order(events: DileptonEvents, path: Path) -> None:
    if (pair_transverse_momentum(events) > 1e-6 * events["m_ll"]).any() or not events["id1"].all():
        raise InputError(
            "these events have a pair with transverse momentum, or no partons: LHE and HepMC files hold parton-level "
            "events; write them to .root or .parquet"
        )


def stream_events(path: str | Path) -> Iterator[DileptonEvents]:
    """Read the events of a file in batches, in bounded memory. CardError if it is not an event file, or damaged.

    If an LHE or HepMC3 file ends early, its complete events are read and ``info["truncated"]`` of the last batch is
    True.
    """
    source = Path(path)
    kind = format_of(source)
    if not source.is_file():
        raise CardError(source, "", "no such file", "a file of events")
    info: dict[str, Any] = {}
    if kind == ".root":
        from .root import stream_root

        yield from stream_root(source, info)
    elif kind == ".parquet":
        from .parquet import stream_parquet

        yield from stream_parquet(source, info)
    else:
        try:
            yield from _stream_text(source, kind, info)
        except zlib.error as err:
            raise CardError(source, "", str(err), "an undamaged gzip file of events") from None


def _stream_text(path: Path, kind: str, info: dict[str, Any]) -> Iterator[DileptonEvents]:
    from .hepmc import read_hepmc_info, stream_hepmc
    from .lhe import count_events, read_lhe_info, stream_lhe

    compressed, lhe = kind.endswith(".gz"), kind.startswith(".lhe")
    with TextFile(path, compressed) as file:
        total = count_events(file, b"</event>" if lhe else b"\nE ")
    with TextFile(path, compressed) as file:
        if lhe:
            found, init = read_lhe_info(file, path)
        else:
            found = read_hepmc_info(file, path)
    info.update(found)
    with TextFile(path, compressed) as file:
        if lhe:
            yield from stream_lhe(file, path, init, total, info)
        else:
            yield from stream_hepmc(file, total, info)


def read_events(path: str | Path) -> DileptonEvents:
    """Read all events of a file into memory, see :func:`stream_events`. CardError if it holds no events."""
    parts = list(stream_events(path))
    if not sum(len(part) for part in parts):
        raise CardError(path, "", "no complete event with a pair of leptons", "events")
    return DileptonEvents.join(parts)
