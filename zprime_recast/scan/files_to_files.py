"""Evaluate a table of points from file to file, in chunks that are saved as soon as they are finished.

While a scan runs, the folder ``<results>.parts`` next to the results holds one Parquet file per chunk and a manifest of
the inputs. Run the same scan again to resume it: finished chunks are not recomputed, and different inputs are refused.
Chunks can be shared among processes (a killed process is replaced and its chunk repeated) or sent to a dask.distributed
cluster.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, ZprimeError
from ..io.workers import MAX_LOST, in_processes
from .evaluate import Evaluator
from .points import Columns, is_number, numbers
from .tables import RAGGED, file_digest, join_parts, read_chunks, table_format, write_manifest, write_parquet

#: Default number of rows per chunk.
ROWS = 1000

Done = tuple[int, Columns]


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
        points: table to read, .csv or .parquet.
        output: table to write, .csv or .parquet.
        evaluate: from :func:`~zprime_recast.scan.evaluate.evaluator`.
        inputs: everything else that the results depend on, JSON-able; a resumed scan must have equal inputs.
        workers: processes that share the chunks.
        scheduler: address of a dask.distributed cluster that shares the chunks instead.
        rows: rows per chunk.
        on_chunk: called with the number of rows of each finished chunk.

    InputError if a table is invalid or an unfinished scan has other inputs; OutputError if files cannot be written.
    """
    table_format(output)
    if workers < 1 or rows < 1:
        raise InputError(f"workers and rows per chunk must be at least 1, found {workers} and {rows}")
    carried: list[str] = []
    for columns in read_chunks(points, 1):
        carried = evaluate.check({name: values for name, values in columns.items() if name != RAGGED})
        break
    folder = output.with_name(output.name + ".parts")
    inputs = {**inputs, "points": file_digest(points), "rows": rows}
    _check_manifest(folder, inputs)
    resumed = 0

    def todo() -> Iterator[Done]:
        nonlocal resumed
        for k, columns in enumerate(read_chunks(points, rows)):
            if k and not len(next(iter(columns.values()))):
                continue
            if _part(folder, k).exists():
                n = len(next(iter(columns.values())))
                resumed += n
                if on_chunk:
                    on_chunk(n)
                continue
            yield k, columns

    results: Generator[Done, None, None]
    if scheduler is not None:
        results = _on_cluster(evaluate, todo(), scheduler)
    elif workers > 1:
        results = in_processes(evaluate_chunk, evaluate, todo(), workers)
    else:
        results = ((k, evaluate_chunk(evaluate, columns)) for k, columns in todo())
    with contextlib.closing(results):
        for k, columns in results:
            write_parquet(_part(folder, k), columns)
            if on_chunk:
                on_chunk(len(columns["error"]))
    parts = sorted(folder.glob("part-*.parquet"))
    join_parts(parts, output)
    total = _count(parts, resumed, tuple(carried))
    shutil.rmtree(folder)
    return total


def evaluate_chunk(evaluate: Evaluator, columns: Columns) -> Columns:
    """Evaluate some rows of a file; a row whose number of cells differs from the header gets an error."""
    ragged = columns.get(RAGGED)
    results = evaluate({name: values for name, values in columns.items() if name != RAGGED})
    if ragged is not None:
        for i in np.nonzero(ragged != "")[0].tolist():
            for name, values in results.items():
                if name not in columns:
                    values[i] = None if values.dtype == object else np.nan
            results["warning"][i], results["error"][i] = "", ragged[i]
    parameters = evaluate.model.parameters if evaluate.model is not None else {}
    for name, values in results.items():
        if name in columns and values.dtype == object and (is_number(name) or name in parameters):
            results[name] = numbers(values)
    return results


def _part(folder: Path, k: int) -> Path:
    return folder / f"part-{k:08d}.parquet"


def _check_manifest(folder: Path, inputs: dict[str, Any]) -> None:
    manifest = folder / "manifest.json"
    inputs = json.loads(json.dumps(inputs))
    if not manifest.exists():
        write_manifest(manifest, inputs)
        return
    try:
        known = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{manifest} is not valid JSON; remove {folder} to start again") from None
    changed = sorted(name for name in {*known, *inputs} if known.get(name) != inputs.get(name))
    if changed:
        raise InputError(
            f"{folder} holds an unfinished scan with other inputs ({', '.join(changed)}); "
            "finish that scan, remove the folder, or choose another output"
        )


def _count(parts: list[Path], resumed: int, carried: tuple[str, ...]) -> ScanResult:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rows = errors = excluded = 0
    for part in parts:
        table = pq.read_table(part, columns=["error", "excluded"])
        rows += table.num_rows
        errors += pc.sum(pc.not_equal(table["error"], "")).as_py() or 0
        excluded += pc.sum(table["excluded"]).as_py() or 0
    return ScanResult(rows, errors, excluded, resumed, carried)


def _on_cluster(evaluate: Evaluator, todo: Iterator[Done], address: str) -> Generator[Done, None, None]:
    """Evaluate chunks on a dask.distributed cluster, which repeats the chunks of workers that it loses."""
    try:
        from distributed import CancelledError, Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise InputError(
            "--scheduler needs dask.distributed: pip install 'zprime-recast[distributed]' here and on the workers"
        ) from None
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as err:
        raise InputError(f"no dask scheduler at {address} ({err or 'timed out'}); check --scheduler") from None
    with client:

        def copies() -> Any:
            """Send the evaluator to every worker: a single copy would be lost with its worker."""
            try:
                return client.scatter(evaluate, broadcast=True, hash=False, timeout=60)
            except TimeoutError:
                raise InputError(f"the dask cluster at {address} has no workers; start at least one") from None

        shared, gone = copies(), "the workers that take a chunk are killed again and again (out of memory?)"
        room = 2 * max(1, sum(client.nthreads().values()))
        pending: dict[Any, Done] = {}
        lost: dict[int, int] = {}

        def submit(item: Done) -> Any:
            future = client.submit(evaluate_chunk, shared, item[1], pure=False, retries=MAX_LOST)
            pending[future.key] = item
            return future

        first = [submit(item) for item in itertools.islice(todo, room)]
        queue = as_completed(first, loop=client.loop)
        for future in queue:
            item = pending.pop(future.key)
            try:
                result = future.result()
            except KilledWorker:
                raise ZprimeError(gone) from None
            except CancelledError:  # all copies of its inputs were lost with their workers
                lost[item[0]] = lost.get(item[0], 0) + 1
                if lost[item[0]] > MAX_LOST:
                    raise ZprimeError(gone) from None
                shared = copies()
                queue.add(submit(item))
                continue
            yield item[0], result
            following = next(todo, None)
            if following is not None:
                queue.add(submit(following))
