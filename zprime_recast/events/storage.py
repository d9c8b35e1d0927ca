"""Event files of every format, by suffix: written whole or not at all, in batches; read in batches."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..arrays import checked_positive
from ..errors import CardError, InputError, OutputError
from ..io.extras import PARQUET, needed
from ..io.files import write_whole
from ..io.foreign import reading
from .column_map import ColumnMap
from .combine import combined, common_info
from .kinematics import pair_transverse_momentum
from .pairs import Part
from .records import DileptonEvents, batches
from .statement import Survey
from .weights import Run

SUFFIXES = (".root", ".parquet", ".lhe", ".lhe.gz", ".hepmc3", ".hepmc3.gz")
#: Events per batch when a sample in memory is written.
BATCH = 1 << 17
_GZIP_LEVEL = 1


def format_of(path: Path) -> str:
    """The suffix of an event file, one of SUFFIXES; InputError names them, or pyarrow if that is missing for one."""
    name = path.name.lower()
    name = name.replace(".hepmc.gz", ".hepmc3.gz") if name.endswith(".hepmc.gz") else name
    name = name + "3" if name.endswith(".hepmc") else name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix) and len(name) > len(suffix):
            if suffix == ".parquet":
                needed("pyarrow", *PARQUET)
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
    stream = (batch for batch in events if len(batch))
    first = next(stream, None)
    if first is None:
        raise InputError(f"no events to write to {target}")
    known = dict(first.info if info is None else info)
    if "n_events" not in known:
        if kind not in (".root", ".parquet"):
            raise InputError(
                f"{target}: a stream whose metadata have no n_events and cross_section_fb; read it with read_events"
            )
        # the weights alone say what the cross-section of these events is
        for key in ("cross_section_fb", "cross_section_error_fb", "absolute_cross_section_fb"):
            known.pop(key, None)

    def write(temporary: Path) -> None:
        with _writer(kind, temporary, known, rntuple, compression) as put:
            put(first)
            for batch in stream:
                put(batch)

    return write_whole(target, write)


def described(events: DileptonEvents) -> dict[str, Any]:
    """The metadata of a sample in memory; a selection gets its own number of events and cross-section."""
    info = dict(events.info)
    whole = info.get("n_events", events.statement.events if events.statement else len(events))
    if info.get("n_events") != len(events):
        weight = events["weight"]
        info |= {
            "n_events": len(events),
            "cross_section_fb": float(weight.sum()),
            "cross_section_error_fb": float(np.sqrt((weight**2).sum())),
            "absolute_cross_section_fb": float(np.abs(weight).sum()),
            "selected_from": whole,
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


def stream_events(
    paths: str | Path | Sequence[str | Path],
    cross_section_fb: float | None = None,
    combine: str | None = None,
    columns: ColumnMap | None = None,
) -> Iterator[DileptonEvents]:
    """Read the events of one or more files in batches, in bounded memory.

    The weights are cross-sections in fb; the ``statement`` of every batch says what they are from, and what the files
    hold, as soon as the last batch is read. CardError if a file is not an event file, if it is damaged, or if it
    contradicts itself. If a text file ends early, its complete events are read, and the statement says so.

    Arguments:
        paths: the files.
        cross_section_fb: cross-section of the whole sample, events without a pair included; needed if the files give
            none.
        combine: ``add`` for files that are slices of a process, ``average`` for runs of one process; default: decided
            from their cross-sections, flavours and masses, InputError if that is not clear.
        columns: names of the columns of trees of other programs.
    """
    if cross_section_fb is not None:
        checked_positive("cross_section_fb", cross_section_fb)
    given = [paths] if isinstance(paths, (str, Path)) else [*paths]
    if not given:
        raise InputError("no files of events")
    sources = [open_source(Path(path), columns) for path in given]
    runs = [run for source in sources for run in source.runs]
    factors, statement = combined(
        runs, lambda: [s for source in sources for s in _surveys(source)], cross_section_fb, combine
    )
    info = common_info(runs, statement)
    if statement.truncated:
        info["truncated"] = True
    first = 0
    for source in sources:
        for part in _parts(source):
            pairs = part.events
            weight = factors[first + part.run] * pairs["weight"]
            batch = DileptonEvents(_columns(runs[first + part.run], pairs, info) | {"weight": weight}, info, statement)
            statement.count(batch.flavor, weight, part.read, part.flawed)
            statement.standard_model += part.standard_model
            yield batch
        first += len(source.runs)


def _columns(run: Run, pairs: DileptonEvents, info: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of some pairs, with their flavour unless the metadata of all events give it.

    CardError if the metadata of their run give another flavour.
    """
    columns = dict(pairs.columns)
    stated = run.info.get("lepton_pdg_id")
    if stated is not None:
        found = set(np.unique(columns.get("lepton_id", np.array([stated]))).tolist())
        if found - {stated}:
            other = min(found - {stated})
            raise CardError(run.label, "", f"pairs of flavour {other}, metadata of flavour {stated}", "one of them")
        columns["lepton_id"] = np.full(len(pairs), stated, dtype=np.int8)
    if "lepton_pdg_id" in info:
        columns.pop("lepton_id", None)
    elif "runs" in info:  # every batch of several files has the same columns
        columns.setdefault("lepton_id", np.zeros(len(pairs), dtype=np.int8))
    return columns


def _surveys(source: Source) -> list[Survey]:
    """Flavours and masses of the runs of a file."""
    found: list[tuple[list[Any], list[Any]]] = [([], []) for _ in source.runs]
    for part in _parts(source):
        found[part.run][0].append(part.events.flavor)
        found[part.run][1].append(part.events["m_ll"])
    return [Survey.of(*both) for both in found]


def _parts(source: Source) -> Iterator[Part]:
    with reading(source.path, "an undamaged file of events"):
        yield from source.parts()


class Source(Protocol):
    """A file of events whose runs are known."""

    path: Path
    runs: list[Run]

    def parts(self) -> Iterator[Part]:
        """Read the lepton pairs in batches, each of one run, with the weights of the file."""


def open_source(path: Path, columns: ColumnMap | None = None) -> Source:
    """Open a file and read what its headers and weights say. CardError if it is not an event file."""
    kind = format_of(path)
    if not path.is_file():
        raise CardError(path, "", "no such file", "a file of events")
    if kind in (".root", ".parquet"):
        from .columns import ColumnFile, Table
        from .parquet import ParquetTable
        from .root import RootTable

        with reading(path, f"an undamaged {kind} file of events"):
            table: Table = RootTable(path, columns) if kind == ".root" else ParquetTable(path, columns)
            return ColumnFile(path, table, columns)
    if columns is not None:
        raise InputError(f"{path}: --columns is for ROOT and Parquet files")
    from .hepmc_reader import HepmcFile
    from .lhe_reader import LheFile

    with reading(path, "an undamaged file of events"):
        return LheFile(path) if kind.startswith(".lhe") else HepmcFile(path)


def read_events(
    paths: str | Path | Sequence[str | Path],
    cross_section_fb: float | None = None,
    combine: str | None = None,
    columns: ColumnMap | None = None,
) -> DileptonEvents:
    """Read all events of one or more files into memory; arguments as for :func:`stream_events`.

    CardError if they hold no pair of leptons.
    """
    parts = list(stream_events(paths, cross_section_fb, combine, columns))
    events = DileptonEvents.join(parts)
    if not len(events):
        found = "no events" if events.statement is None else events.statement.contents
        path = paths if isinstance(paths, (str, Path)) else paths[0]
        raise CardError(path, "", found, "a pair of leptons")
    return events
