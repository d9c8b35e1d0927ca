"""Compute contours in a background process, a few masses at a time, and keep the latest of them.

The complete contour is that of :func:`zprime_recast.limits.contour.contour`; only the order of its segments differs, so
that the whole range is covered early.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from ..errors import ZprimeError
from ..io.workers import Worker, WorkerLost
from ..limits.contour import SEGMENT, ExclusionContour, SolvedSegment, assembled, contour_task, solve
from ..limits.mass_grid import default_masses, segments
from ..limits.method import Method
from ..model.zprime import ZprimeModel
from .point import Bench, Settings

Key = tuple[str, str, Settings]
Task = tuple[ZprimeModel, Settings, list[SolvedSegment], int]
Answer = tuple[ExclusionContour, list[SolvedSegment], int]
T = TypeVar("T")
#: Segments computed between two looks at the page.
AT_ONCE = 6
#: Contours that are kept, those last worked on; another one is computed again when it is asked for.
KEPT = 20


@dataclass(frozen=True)
class Progress:
    """The part of a contour that has been computed so far."""

    contour: ExclusionContour | None
    """None before the first masses are done, and after an error."""
    complete: bool
    """Whether nothing more will be computed."""
    error: str = ""


def in_turns(items: Sequence[T]) -> list[list[T]]:
    """Divide items into turns of at most AT_ONCE: first every eighth and the last, then those between, and so on."""
    order: dict[int, None] = {}
    for step in (8, 4, 2, 1):
        order |= dict.fromkeys([*range(0, len(items), step), *([len(items) - 1] if items else [])])
    places = list(order)
    return [[items[i] for i in places[first : first + AT_ONCE]] for first in range(0, len(places), AT_ONCE)]


class Contours:
    """Computes the requested contours, the most recently requested one first."""

    def __init__(self) -> None:
        self._wanted: list[tuple[Key, ZprimeModel, Settings]] = []
        self._parts: dict[Key, tuple[list[SolvedSegment], int]] = {}
        self._known: dict[Key, Progress] = {}
        self._change = threading.Condition()
        self._closed = False
        self._worker: Worker[Task, Answer] | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @staticmethod
    def key(model: ZprimeModel, settings: Settings) -> Key:
        """The key of a contour: everything that its values depend on."""
        return model.id, model.digest(), settings

    def want(self, model: ZprimeModel, settings: Settings) -> Key:
        """Request a contour; it is computed before all other incomplete ones."""
        key = self.key(model, settings)
        with self._change:
            self._wanted = [w for w in self._wanted if w[0] != key]
            if not self.progress(key).complete:
                self._wanted.append((key, model, settings))
                del self._wanted[:-4]  # drop old requests: nobody looks at them any more
            self._change.notify()
        return key

    def progress(self, key: Key) -> Progress:
        """The progress of a contour, empty if it was never requested."""
        return self._known.get(key, Progress(None, False))

    def close(self) -> None:
        """Stop the thread and kill its process."""
        with self._change:
            self._closed = True
            self._change.notify()
        if self._worker is not None:
            self._worker.kill()

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closed or self._wanted)
                if self._closed:
                    return
                key, model, settings = self._wanted[-1]
            parts, turn = self._parts.get(key, ([], 0))
            try:
                contour, solved, turns = self._run(model, settings, parts, turn)
                self._parts[key] = [*parts, *solved], turn + 1
                self._keep(key, Progress(contour, turn + 1 == turns))
            except ZprimeError as err:
                self._keep(key, Progress(None, True, str(err)))
            except WorkerLost:
                if self._closed:
                    return
                self._worker = None
                text = "the process that computed this contour was killed (out of memory?); restart the explorer"
                self._keep(key, Progress(None, True, text))

    def _keep(self, key: Key, progress: Progress) -> None:
        """Keep a contour as the latest, and forget those that nobody has worked on for long."""
        with self._change:
            self._known.pop(key, None)
            self._known[key] = progress
            if progress.complete:
                self._wanted = [w for w in self._wanted if w[0] != key]
                self._parts.pop(key, None)
            for old in [*self._known][:-KEPT]:
                self._known.pop(old)
                self._parts.pop(old, None)

    def _run(self, model: ZprimeModel, settings: Settings, parts: list[SolvedSegment], turn: int) -> Answer:
        if self._worker is None:
            self._worker = Worker(_turn)
            self._worker.receive()  # wait until it is ready
        self._worker.send((model, settings, parts, turn))
        return self._worker.receive()


@cache
def _bench() -> Bench:
    """The searches that the background process has loaded."""
    return Bench()


def _turn(_shared: None, task: Task) -> Answer:
    """Compute one turn of a contour: the contour so far, the new segments, and the number of turns."""
    model, settings, parts, turn = task
    searches = _bench().prepared(settings)
    work = contour_task(model, True, searches, Method(settings.interference))
    turns = in_turns(list(segments(default_masses(searches), searches, SEGMENT)))
    solved = [solve(work, segment) for segment in turns[turn]]
    return assembled(work, [*parts, *solved], True), solved, len(turns)
