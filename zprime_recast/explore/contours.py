"""Compute contours in a background process, a few masses at a time, and keep them until the page ends.

Every point is computed by :func:`zprime_recast.limits.contour.contour`; only the order of the masses differs, so that
the whole range is covered early.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..arrays import FloatArray
from ..errors import ZprimeError
from ..io.workers import Worker, WorkerLost
from ..limits.contour import ExclusionContour, contour, default_masses
from ..limits.result import joined
from ..model.zprime import ZprimeModel
from .point import Bench, Settings

Key = tuple[str, str, Settings]
Task = tuple[ZprimeModel, Settings, int]


@dataclass(frozen=True)
class Progress:
    """The part of a contour that has been computed so far."""

    contour: ExclusionContour | None
    """None before the first masses are done, and after an error."""
    complete: bool
    """Whether nothing more will be computed."""
    error: str = ""


def masses_in_turns(masses: FloatArray) -> list[FloatArray]:
    """Divide the masses into turns: first every eighth and both ends, then the masses halfway between, and so on."""
    last = len(masses) - 1
    seen = np.zeros(len(masses), dtype=bool)
    turns = []
    for step in (8, 4, 2, 1):
        now = np.unique(np.append(np.arange(0, len(masses), step), last))
        now = now[~seen[now]]
        seen[now] = True
        turns.append(masses[now])
    return [turn for turn in turns if len(turn)]


class Contours:
    """Computes the requested contours, the most recently requested one first."""

    def __init__(self) -> None:
        self._wanted: list[tuple[Key, ZprimeModel, Settings]] = []
        self._parts: dict[Key, list[ExclusionContour]] = {}
        self._known: dict[Key, Progress] = {}
        self._change = threading.Condition()
        self._closed = False
        self._worker: Worker[Task, tuple[ExclusionContour, int]] | None = None
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
            parts = self._parts.setdefault(key, [])
            turn = len(parts)
            try:
                part, turns = self._run(model, settings, turn)
                parts.append(part)
                self._known[key] = Progress(joined(parts), len(parts) == turns)
            except ZprimeError as err:
                self._known[key] = Progress(None, True, str(err))
            except WorkerLost:
                if self._closed:
                    return
                self._worker = None
                self._known[key] = Progress(
                    None,
                    True,
                    "the process that computed this contour was killed (out of memory?); restart the explorer",
                )
            if self._known[key].complete:
                with self._change:
                    self._wanted = [w for w in self._wanted if w[0] != key]

    def _run(self, model: ZprimeModel, settings: Settings, turn: int) -> tuple[ExclusionContour, int]:
        if self._worker is None:
            worker: Worker[Task, tuple[ExclusionContour, int]] = Worker(_turn)
            worker.receive()  # wait until it is ready
            self._worker = worker
        self._worker.send((model, settings, turn))
        return self._worker.receive()


@cache
def _bench() -> Bench:
    """The searches that the background process has loaded."""
    return Bench()


def _turn(_shared: None, task: Task) -> tuple[ExclusionContour, int]:
    """Compute one turn of a contour; also returns the number of turns."""
    model, settings, turn = task
    searches = _bench().prepared(settings)
    turns = masses_in_turns(default_masses(searches))
    return contour(model, turns[turn], searches, settings.interference), len(turns)
