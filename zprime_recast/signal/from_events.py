"""From events to a signal template: the search's cuts, efficiency and mass response applied to dilepton events.

For a signal that is no plain Z' the search sees the events instead of a line shape. The response is not drawn but
folded: each event's true mass is shared between the two nearest nodes of the search's fold, so the detector adds no
noise. A difference of weights of both signs (signal with interference) is folded as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, Quiet
from ..errors import InputError, UnknownName
from ..events.records import DileptonEvents
from ..searches.spectrum import SpectrumSearch
from .fold import FoldedSearch
from .signal import Signal

#: Largest relative statistical error of a template that is used without a remark.
ERROR_REMARK = 0.02


@dataclass(frozen=True, eq=False, repr=False)
class EventTemplate(Quiet):
    """Signal of a sample in one search."""

    search: SpectrumSearch
    yields: Mapping[str, FloatArray]
    """Events per channel and bin, (n_bins,), as the search would record them."""
    errors: Mapping[str, FloatArray]
    """Statistical, of the sample, (n_bins,)."""
    acceptance: float
    """Share of the cross-section inside the fiducial cuts."""
    cross_section_fb: float
    events: int
    truncated: bool

    @property
    def signal(self) -> Signal:
        """The argument of :func:`zprime_recast.likelihood.workspace.build_workspace`."""
        return Signal(self.search, self.yields)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of a result must know."""
        found = []
        total = sum(float(np.abs(y).sum()) for y in self.yields.values())
        error = float(np.sqrt(sum((e**2).sum() for e in self.errors.values())))
        if error > ERROR_REMARK * total:
            found.append(f"the template has a statistical error of {100 * error / total:.0f} %: use more events")
        if self.truncated:
            found.append(f"the file was cut short: {self.events} complete events were used")
        return tuple(found)


def event_template(
    folded: FoldedSearch,
    events: DileptonEvents | Iterable[DileptonEvents],
    channels: Sequence[str] | None = None,
    cross_section_fb: float | None = None,
) -> EventTemplate:
    """The template of a sample, or of a stream of its batches.

    channels: those that see these events; default all (lepton universality: the sample stands for every flavour).
    cross_section_fb: of the whole sample, if its weights do not add up to it. InputError if nothing passes the cuts,
    or if the events contain the Standard Model.
    """
    search, grid = folded.search, folded.grid
    low, high = grid.edges_gev[0], grid.edges_gev[-1]
    names = [fold.channel.name for fold in folded.channels]
    for name in channels or ():
        if name not in names:
            raise UnknownName(f"channel of {search.id}", name, names)
    spectrum, squares = np.zeros(len(grid.s)), np.zeros(len(grid.s))
    total = inside = 0.0
    count = 0
    info: Mapping[str, Any] = {}
    for batch in [events] if isinstance(events, DileptonEvents) else events:
        if batch.info.get("mode") in ("full", "sm"):
            raise InputError(
                "these events contain the Standard Model, the template is of the signal: use --mode signal"
            )
        if abs(batch.info.get("sqrt_s_gev", search.sqrt_s_gev) / search.sqrt_s_gev - 1) > 1e-3:
            raise InputError(f"events at {batch.info['sqrt_s_gev']:g} GeV, {search.id} at {search.sqrt_s_gev:g} GeV")
        weight = batch["weight"]
        total, count = total + float(weight.sum()), count + len(batch)
        kept = fiducial(search, batch) & (batch["m_ll"] >= low) & (batch["m_ll"] <= high)
        mass, weight = batch["m_ll"][kept], weight[kept]
        inside += float(weight.sum())
        nodes, shares = grid.values_at(mass)
        for k, share in zip(nodes.T, shares.T, strict=True):
            spectrum += np.bincount(k, weight * share, len(spectrum))
            squares += np.bincount(k, weight**2 * share, len(squares))
        info = batch.info  # that a file was cut short is known at its end
    if not count or not spectrum.any():
        raise InputError(f"none of {count} events is inside the fiducial region of {search.id}")
    scale = 1.0 if cross_section_fb is None else cross_section_fb / total
    used = [fold for fold in folded.channels if channels is None or fold.channel.name in channels]
    return EventTemplate(
        search=search,
        yields={fold.channel.name: scale * (spectrum @ fold.detector) for fold in used},
        errors={fold.channel.name: abs(scale) * np.sqrt(np.maximum(squares @ fold.detector**2, 0.0)) for fold in used},
        acceptance=inside / total if total else float("nan"),
        cross_section_fb=scale * total,
        events=count,
        truncated=bool(info.get("truncated", False)),
    )


def fiducial(search: SpectrumSearch, events: DileptonEvents) -> np.ndarray:
    """Which events pass the cuts of a search on both leptons, (n,); all where it has no fiducial region."""
    cuts = search.fiducial
    passed = np.ones(len(events), dtype=bool)
    if cuts is None:
        return passed
    for name in ("lminus", "lplus"):
        passed &= (events[f"{name}_pt"] >= cuts.pt_min_gev) & (np.abs(events[f"{name}_eta"]) <= cuts.eta_max)
    return passed
