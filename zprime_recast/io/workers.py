"""Worker processes: single-threaded, deaf to Ctrl-C, replaced when killed, and gone as soon as their parent is.

Every worker has a pipe of its own. A process that is killed closes its end, at whatever moment that happens, so the
parent never waits for it; and nothing but short messages is written to a worker before it says that it is ready,
because a write to a process that died while starting would never return.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..errors import OutputError, ZprimeError
from .scratch import scratch_file

S = TypeVar("S")
V = TypeVar("V")
R = TypeVar("R")
K = TypeVar("K", bound=Hashable)

#: How often an item may be lost with a killed worker, or each worker be killed while it starts, before we give up.
MAX_LOST = 3
_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_NAME = "zprime-recast-worker"
#: Exit code of a worker that found the script of its parent asking for workers as it is imported.
_UNGUARDED = 79


def processors() -> int:
    """The number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerLost(Exception):
    """A worker process ended before it gave its answer."""


class Worker(Generic[V, R]):
    """A process that computes ``function(shared, value)``, one value at a time.

    ``function`` is a function of a module. ``shared`` is the path of a file made by :func:`pickled`, or None; the
    process reads it once. ``connection`` becomes readable when the worker is ready, when it has an answer, and when it
    is lost.
    """

    ready = False
    """Whether the process has started and read what is shared."""

    def __init__(self, function: Callable[[Any, V], R], shared: Path | None = None) -> None:
        refuse_while_importing_main()
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (function, shared, theirs)
        self._process = context.Process(target=_work, args=arguments, name=_NAME, daemon=True)
        with for_children():
            self._process.start()
        theirs.close()

    def send(self, value: V) -> None:
        """Give the worker a value, once it is ready; a worker that was killed is noticed by :meth:`receive`."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(value)

    def receive(self) -> R:
        """Wait for an answer: first None, which says that the worker is ready, then the result of each value sent.

        Raises WorkerLost if the process has ended, ZprimeError if it cannot run the script of its parent, and whatever
        ``function`` raised.
        """
        try:
            fine, answer = self.connection.recv()
        except (EOFError, OSError):
            self._process.join(timeout=1.0)
            if not self.ready and (self._process.exitcode or 0) > 0:  # not killed: below 0 is a signal
                raise ZprimeError(
                    "worker processes import the script that starts them: put its calls under "
                    "if __name__ == '__main__':"
                ) from None
            raise WorkerLost from None
        if not fine:
            raise answer
        self.ready = True
        result: R = answer
        return result

    def kill(self) -> None:
        """End the process at once; :meth:`receive`, called or waiting, then raises WorkerLost."""
        self._process.kill()
        self._process.join()


def in_processes(
    function: Callable[[S, V], R], shared: S, items: Iterable[tuple[K, V]], workers: int
) -> Generator[tuple[K, R], None, None]:
    """Yield (key, ``function(shared, value)``) for each (key, value) of ``items``, in the order they are done.

    Arguments:
        function: a function of a module, run in the worker processes.
        shared: an object that every call needs, megabytes perhaps; the workers read it once, from a temporary file.
        items: keys and values, taken one at a time as workers become free.
        workers: the largest number of processes.

    A worker that is killed is replaced and its item repeated. Closing the generator ends all workers. Raises
    ZprimeError if an item is lost more than MAX_LOST times, or if workers do not get as far as starting; OutputError if
    the temporary file cannot be written; and whatever ``function`` raised.
    """
    refuse_while_importing_main()
    todo, again = iter(items), list[tuple[K, V]]()
    lost: Counter[K] = Counter()
    lost_starts = 0
    crew: dict[Any, Worker[V, R]] = {}  # by connection, as the items given to them
    given: dict[Any, tuple[K, V]] = {}

    def following() -> tuple[K, V] | None:
        return again.pop() if again else next(todo, None)

    def dismiss(connection: Any) -> None:
        del given[connection]
        crew.pop(connection).kill()
        connection.close()

    with pickled(shared) as path:
        try:
            while True:
                while len(crew) < workers and (item := following()) is not None:
                    worker: Worker[V, R] = Worker(function, path)
                    crew[worker.connection], given[worker.connection] = worker, item
                if not crew:
                    return
                for connection in wait(list(crew)):
                    worker, item = crew[connection], given[connection]
                    was_ready = worker.ready
                    try:
                        result = worker.receive()
                    except WorkerLost:
                        lost[item[0]] += was_ready
                        lost_starts += not was_ready
                        if lost[item[0]] > MAX_LOST or lost_starts > MAX_LOST * workers:
                            raise ZprimeError(
                                "worker processes are killed again and again (out of memory?); "
                                "try fewer --workers or --chunk rows"
                            ) from None
                        again.append(item)
                        dismiss(connection)
                        continue
                    lost_starts = 0
                    if not was_ready:
                        worker.send(item[1])
                        continue
                    if (then := following()) is None:
                        dismiss(connection)
                    else:
                        given[connection] = then
                        worker.send(then[1])  # before the result is used, so that no worker waits for that
                    yield item[0], result
        finally:
            for connection in list(crew):
                dismiss(connection)


@contextlib.contextmanager
def pickled(shared: object) -> Iterator[Path]:
    """A temporary file that holds an object, for :class:`Worker`; removed at the end, by the workers if need be.

    OutputError if it cannot be written.
    """
    folder = Path(tempfile.gettempdir())
    with contextlib.ExitStack() as stack:
        try:
            path = stack.enter_context(scratch_file(folder, ".pickle"))
            with path.open("wb") as file:
                pickle.dump(shared, file, protocol=pickle.HIGHEST_PROTOCOL)
        except OSError as err:
            raise OutputError(folder, err.strerror or str(err)) from None
        yield path


def _work(function: Callable[[Any, Any], Any], path: Path | None, connection: Connection) -> None:
    """Run as a worker process: read what is shared, then answer one value after another."""
    end_with_parent(path)
    shared = None

    def read() -> None:
        nonlocal shared
        shared = None if path is None else pickle.loads(path.read_bytes())

    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent has closed its end
        connection.send_bytes(_answer(read))
        while True:
            value = connection.recv()
            connection.send_bytes(_answer(partial(function, shared, value)))


def _answer(compute: Callable[[], Any]) -> bytes:
    """(True, result) or (False, error), pickled; an error that cannot be pickled becomes one with the same message."""
    try:
        return pickle.dumps((True, compute()))
    except Exception as err:
        if not isinstance(err, ZprimeError):
            err.add_note(traceback.format_exc())
        with contextlib.suppress(Exception):
            answer = pickle.dumps((False, err))
            pickle.loads(answer)
            return answer
        same = ZprimeError(str(err)) if isinstance(err, ZprimeError) else RuntimeError(f"{type(err).__name__}: {err}")
        return pickle.dumps((False, same))


def refuse_while_importing_main() -> None:
    """End a worker whose import of the parent's script asks for workers: the calls of the script are not guarded."""
    process = multiprocessing.current_process()
    if process.name == _NAME and getattr(process, "_inheriting", False):
        os._exit(_UNGUARDED)


@contextlib.contextmanager
def for_children() -> Iterator[None]:
    """Let the processes started inside use one thread each for linear algebra, and leave Ctrl-C to their parent."""
    before = {name: os.environ.get(name) for name in _THREAD_LIMITS}
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    if os.name == "posix":
        resource_tracker.ensure_running()  # starting it would unblock the signal
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # inherited, from any thread
    try:
        yield
    finally:
        if os.name == "posix":
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def end_with_parent(remove: Path | None = None) -> None:
    """Call when a worker starts: makes it exit when its parent dies, even if the parent was killed.

    ``remove`` is a file of the parent that is then deleted.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name == "posix":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        if remove is not None:
            remove.unlink(missing_ok=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
