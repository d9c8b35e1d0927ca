"""Share the chunks of a scan on a dask.distributed cluster."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

from ..errors import InputError, ZprimeError
from ..io.workers import MAX_LOST

V = TypeVar("V")
R = TypeVar("R")


def on_cluster(
    function: Callable[[Any, V], R], common: object, todo: Iterator[tuple[int, V]], address: str
) -> Generator[tuple[int, R], None, None]:
    """Yield (k, ``function(common, value)``) for each (k, value), in the order they are done.

    The cluster at ``address`` repeats the values of workers that it loses. InputError if there is no cluster.
    """
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
            """Send what is common to every worker: a single copy would be lost with its worker."""
            try:
                return client.scatter([common], broadcast=True, hash=False, timeout=60)[0]
            except TimeoutError:
                raise InputError(f"the dask cluster at {address} has no workers; start at least one") from None

        shared, gone = copies(), "the workers that take a chunk are killed again and again (out of memory?)"
        room = 2 * max(1, sum(client.nthreads().values()))
        pending: dict[Any, tuple[int, V]] = {}
        lost: dict[int, int] = {}

        def submit(item: tuple[int, V]) -> Any:
            future = client.submit(function, shared, item[1], pure=False, retries=MAX_LOST)
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
