"""Evaluate a table of points from file to file, in chunks that are saved as soon as they are finished.

While a scan runs, the folder ``<results>.parts`` next to the results holds the finished chunks, see
:mod:`zprime_recast.scan.parts`. Run the same scan again to resume it: finished chunks are not recomputed, and different
inputs are refused. Chunks can be shared among processes (a killed process is replaced and its chunk repeated) or sent
to a dask.distributed cluster. Rows are evaluated in blocks of fixed length, so that the results are the same to
the last digit for any length of the chunks and any number of processes.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..errors import InputError, ZprimeError
from ..io.digest import code_digest, content_digest
from ..io.files import check_output, is_stream, open_stream, write_text, write_whole
from ..io.json import json_dict
from ..io.scratch import scratch_folder
from ..io.workers import in_processes, refuse_while_importing_main
from ..model.card import list_models
from .cluster import on_cluster
from .evaluate import Evaluator
from .parts import Parts, open_parts, rows_of
from .points import Columns
from .results_table import Put, csv_writer, parquet_writer, text_kinds
from .tables import Chunk, CsvChunk, Table, file_digest, open_table, table_format

#: Default number of rows per chunk.
ROWS = 1000
#: Rows that are evaluated together. The last digits of a fit depend on what is fitted with it, so blocks begin at fixed
#: rows of the table.
BLOCK = 100


@dataclass(frozen=True)
class ScanResult:
    """The counts of a finished scan."""

    rows: int
    errors: int
    """Rows with an error."""
    excluded: int
    """Rows excluded at 95 % CL."""
    resumed_rows: int
    """Rows that were taken from an earlier, interrupted run."""
    carried: tuple[str, ...]
    """Columns that mean nothing to an evaluation and were copied unchanged."""


@dataclass
class _Counts:
    rows: int = 0
    errors: int = 0
    excluded: int = 0
    resumed: int = 0

    def add(self, results: Columns) -> None:
        """Count the rows of one more part."""
        self.rows += rows_of(results)
        self.errors += sum(text != "" for text in results["error"].tolist())
        self.excluded += sum(one is True for one in results["excluded"].tolist())


@dataclass
class _Scan:
    """The chunks of a scan, and where they are to go."""

    table: Table
    evaluate: Evaluator
    used: tuple[str, ...]
    """Columns that the evaluation uses."""
    rows: int
    parts: Parts
    cards: dict[str, str]
    """Digests of the cards that the table names."""
    on_chunk: Callable[[int], None] | None
    counts: _Counts = field(default_factory=_Counts)
    lengths: list[int] = field(default_factory=list)
    """Rows of each chunk, as far as they have been read."""

    def missing(self) -> Iterator[tuple[int, Chunk]]:
        """The chunks whose parts are not on disk."""
        for k, chunk in enumerate(self.table.chunks(self.rows)):
            n = len(chunk)
            self.lengths.append(n)
            if self.parts.done(k, n):
                self.counts.resumed += n
                self._report(n)
            else:
                yield k, chunk
        self.parts.check_surplus(len(self.lengths))

    def keep(self, k: int, results: Columns) -> None:
        """Save the results of a chunk; ZprimeError unless they have as many rows as were read."""
        if rows_of(results) != self.lengths[k]:
            raise ZprimeError(f"{rows_of(results)} results for the {self.lengths[k]} rows of chunk {k}: please report")
        if _card_digests(self.cards) != self.cards:
            raise InputError(
                f"a model card was changed while the scan ran; remove {self.parts.folder} and run it again"
            )
        self.parts.write(k, results)
        self._report(rows_of(results))

    def finished(self) -> Iterator[tuple[Chunk, Columns]]:
        """All chunks with their results, in order, and counted; ZprimeError if results are missing."""
        for k, chunk in enumerate(self.table.chunks(self.rows)):
            results = self.parts.finished(k, len(chunk))
            self.counts.add(results)
            yield chunk, results

    def _report(self, n: int) -> None:
        if self.on_chunk:
            self.on_chunk(n)


def scan(
    points: Path,
    output: Path,
    evaluate: Evaluator,
    inputs: dict[str, Any],
    workers: int = 1,
    scheduler: str | None = None,
    rows: int = ROWS,
    on_chunk: Callable[[int], None] | None = None,
) -> ScanResult:
    """Evaluate a table of points and write the table of results, with the rows in the same order.

    Arguments:
        points: table to read, .csv or .parquet; ``-`` for standard input, which is read once, as any stream.
        output: table to write, .csv or .parquet; ``-`` for standard output.
        evaluate: from :func:`~zprime_recast.scan.evaluate.evaluator`.
        inputs: the provenance of the results, JSON-able; a resumed scan must have an equal one.
        workers: processes that share the chunks.
        scheduler: address of a dask.distributed cluster that shares the chunks instead.
        rows: rows per chunk, rounded up to a multiple of 100.
        on_chunk: called with the number of rows of each finished chunk.

    The provenance is in the metadata of a Parquet file (key ``zprime_recast``) and, with the SHA-256 of the table, in
    ``<output>.json`` beside a CSV file; a stream has none. InputError if a table is invalid, if an unfinished scan has
    other inputs, or if another process writes the same output; OutputError if files cannot be written.
    """
    kind = table_format(output)
    if workers < 1 or rows < 1:
        raise InputError(f"workers and rows per chunk must be at least 1, found {workers} and {rows}")
    if workers > 1:
        refuse_while_importing_main()
    check_output(output)
    rows = -(-rows // BLOCK) * BLOCK
    with contextlib.ExitStack() as stack:
        table = stack.enter_context(open_table(points))
        names, models = _names(table, evaluate)
        carried = evaluate.check({**dict.fromkeys(names, np.zeros(0, object)), **models})
        cards = _card_digests(models.get("model", ()))
        manifest = {
            **json_dict(inputs),
            "points": table.digest,
            "rows": rows,
            "cards": cards,
            "engine": content_digest(evaluate),
            "code": code_digest(),
        }
        parts = stack.enter_context(open_parts(stack.enter_context(_folder(output)), manifest))
        used = tuple(name for name in names if name not in carried)
        one = _Scan(table, evaluate, used, rows, parts, cards, on_chunk)
        if is_stream(output) and kind == "csv":
            with open_stream(output) as file, csv_writer(file) as put:
                _run(one, workers, scheduler, put)
        else:
            _run(one, workers, scheduler)
            _join(one, output, kind, inputs)
        parts.remove()
    counts = one.counts
    return ScanResult(counts.rows, counts.errors, counts.excluded, counts.resumed, tuple(carried))


def evaluate_chunk(shared: tuple[Evaluator, tuple[str, ...]], chunk: Chunk) -> Columns:
    """The results for the rows of a chunk; a row whose number of cells differs from the header gets an error.

    Arguments:
        shared: the evaluator, and the names of the columns it uses.
        chunk: rows that begin at a multiple of BLOCK.
    """
    evaluate, used = shared
    n = len(chunk)
    columns = chunk.columns(used)
    blocks = [
        evaluate.results({name: values[i : i + BLOCK] for name, values in columns.items()})
        for i in range(0, max(n, 1), BLOCK)
    ]
    results: Columns = {
        name: np.concatenate([block[name] for block in blocks]) for name in blocks[0] if name not in columns
    }
    for i, text in enumerate(chunk.faults):
        if text:
            for values in results.values():
                values[i] = None if values.dtype == object else np.nan
            results["sigma_br_flavor"][i], results["warning"][i], results["error"][i] = "", "", text
    return results


def _run(one: _Scan, workers: int, scheduler: str | None, put: Put | None = None) -> None:
    """Evaluate the chunks that are missing, and give all of them, in order and as they are ready, to ``put``."""
    shared, todo = (one.evaluate, one.used), one.missing()
    results: Iterator[tuple[int, Columns]]
    if scheduler is not None:
        results = on_cluster(evaluate_chunk, shared, todo, scheduler)
    elif workers > 1:
        results = in_processes(evaluate_chunk, shared, todo, workers)
    else:
        results = ((k, evaluate_chunk(shared, chunk)) for k, chunk in todo)
    ready, written = one.finished(), 0
    with contextlib.closing(results):
        for k, found in results:
            one.keep(k, found)
            while put is not None and written < len(one.lengths) and one.parts.path(written).exists():
                put(*next(ready))
                written += 1
    if put is not None:
        for chunk, found in ready:
            put(chunk, found)


def _join(one: _Scan, output: Path, kind: str, inputs: Mapping[str, Any]) -> None:
    """Join the parts into one table, with one of them in memory at a time; nothing is replaced if one is missing."""

    def to_csv(temporary: Path) -> None:
        with temporary.open("wb") as file, csv_writer(file) as put:
            for chunk, results in one.finished():
                put(chunk, results)

    def to_parquet(temporary: Path) -> None:
        texts = one.table.format == "csv"
        chunks = cast(Iterator[CsvChunk], one.table.chunks(one.rows))
        kinds = text_kinds(chunks, one.table.names()) if texts else {}
        with parquet_writer(temporary, kinds, json_dict(inputs)) as put:
            for chunk, results in one.finished():
                put(chunk, results)

    write_whole(output, to_csv if kind == "csv" else to_parquet)
    if kind == "csv":
        about = {"table": output.name, "sha256": file_digest(output), "provenance": json_dict(inputs)}
        write_text(output.with_name(output.name + ".json"), json.dumps(about, indent=1, allow_nan=False) + "\n")


@contextlib.contextmanager
def _folder(output: Path) -> Iterator[Path]:
    """The folder for the parts: beside the file that is written, or a temporary one for a stream."""
    if not is_stream(output):
        target = Path(output).resolve()
        yield target.with_name(target.name + ".parts")
        return
    with scratch_folder(Path(tempfile.gettempdir())) as folder:
        yield folder / f"{output.name}.parts"


def _names(table: Table, evaluate: Evaluator) -> tuple[list[str], Columns]:
    """The names of the columns, and a column ``model`` with every model that is named in the table."""
    names = table.names()
    if "model" not in names or evaluate.model is not None:
        return names, {}
    found: set[str] = set()
    for chunk in table.chunks(10_000):
        found.update(chunk.columns(["model"])["model"].astype(str))
    return names, {"model": np.array(sorted(found), dtype=object)}


def _card_digests(models: Iterable[str]) -> dict[str, str]:
    """Digests of the files of the cards that models are read from; "" for a model without one."""
    found: dict[str, str] = {}
    known: dict[str, Path] = {}
    for name in models:
        if not name.endswith(".toml"):
            known = known or list_models()
        path = Path(name) if name.endswith(".toml") else known.get(name)
        found[name] = file_digest(path) if path is not None and path.is_file() else ""
    return found
