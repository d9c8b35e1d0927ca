"""Contours computed in a process beside the page, a few masses at a time, and kept.

Every point is that of :func:`zprime_recast.limits.contour.exclusion_contour`; only the masses come in another order, so
that the whole range is covered early.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ..arrays import FloatArray
from ..errors import ZprimeError
from ..io.workers import Worker, WorkerLost
from ..limits.contour import ExclusionContour, default_masses, exclusion_contour
from ..model.zprime import ZprimeModel
from .point import Bench, Settings

Key = tuple[str, str, Settings]
Task = tuple[ZprimeModel, Settings, int]


@dataclass(frozen=True)
class Progress:
    """A contour as far as it is known."""

    contour: ExclusionContour | None
    complete: bool
    error: str = ""


def masses_in_turns(masses: FloatArray) -> list[FloatArray]:
    """The masses shared among turns: every eighth first (with both ends), then those halfway."""
    last = len(masses) - 1
    seen = np.zeros(len(masses), dtype=bool)
    turns = []
    for step in (8, 4, 2, 1):
        now = np.unique(np.append(np.arange(0, len(masses), step), last))
        now = now[~seen[now]]
        seen[now] = True
        turns.append(masses[now])
    return [turn for turn in turns if len(turn)]


def joined(parts: Sequence[ExclusionContour]) -> ExclusionContour:
    """One contour of parts with different masses."""
    mass = np.concatenate([part.mass_gev for part in parts])
    order = np.argsort(mass)

    def rows(name: str) -> FloatArray:
        return np.asarray(np.concatenate([getattr(part, name) for part in parts])[order])

    crossings = [c for part in parts for c in part.crossings_observed]
    return replace(
        parts[0],
        mass_gev=mass[order],
        coupling_95_observed=rows("coupling_95_observed"),
        coupling_95_expected=rows("coupling_95_expected"),
        sigma_br_95_observed_fb=rows("sigma_br_95_observed_fb"),
        coupling_max=rows("coupling_max"),
        coupling_95_observed_no_theory=rows("coupling_95_observed_no_theory"),
        errors=tuple(sorted(e for part in parts for e in part.errors)),
        warnings=tuple(sorted(w for part in parts for w in part.warnings)),
        crossings_observed=tuple(crossings[i] for i in order),
    )


class Contours:
    """The contours asked for; the newest one is worked on first."""

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
        """What a contour depends on."""
        return model.id, model.digest(), settings

    def want(self, model: ZprimeModel, settings: Settings) -> Key:
        """Have a contour computed, before all others that are not complete."""
        key = self.key(model, settings)
        with self._change:
            self._wanted = [w for w in self._wanted if w[0] != key]
            if not self.progress(key).complete:
                self._wanted.append((key, model, settings))
                del self._wanted[:-4]  # what nobody looks at any more
            self._change.notify()
        return key

    def progress(self, key: Key) -> Progress:
        """What is known of a contour."""
        return self._known.get(key, Progress(None, False))

    def close(self) -> None:
        """End the thread and the process."""
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
                self._known[key] = Progress(None, True, "the process of the contour was killed (out of memory?)")
            if self._known[key].complete:
                with self._change:
                    self._wanted = [w for w in self._wanted if w[0] != key]

    def _run(self, model: ZprimeModel, settings: Settings, turn: int) -> tuple[ExclusionContour, int]:
        if self._worker is None:
            worker: Worker[Task, tuple[ExclusionContour, int]] = Worker(_turn)
            worker.receive()  # it is ready
            self._worker = worker
        self._worker.send((model, settings, turn))
        return self._worker.receive()


@cache
def _bench() -> Bench:
    """Of the process of the contours."""
    return Bench()


def _turn(_shared: None, task: Task) -> tuple[ExclusionContour, int]:
    """One turn of a contour, and how many there are."""
    model, settings, turn = task
    searches = _bench().prepared(settings).searches
    turns = masses_in_turns(default_masses(searches))
    return exclusion_contour(model, turns[turn], searches, settings.interference), len(turns)
