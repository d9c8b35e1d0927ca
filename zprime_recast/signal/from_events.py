"""Signal templates from dilepton events, with the cuts, efficiency and mass response of a search.

They serve signals that are not a plain Z' line shape. The mass response is folded, not drawn at random: the true mass
of each event is shared between the nodes of its panel, so the detector adds no statistical noise. Events may have
weights of both signs, as a signal with interference does.
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

#: Relative statistical error of a template above which a warning is given.
ERROR_REMARK = 0.02


@dataclass(frozen=True, eq=False, repr=False)
class EventTemplate(Quiet):
    """Signal template of an event sample in one search."""

    search: SpectrumSearch
    yields: Mapping[str, FloatArray]
    """Events per channel and bin, (n_bins,), as the search would record them."""
    errors: Mapping[str, FloatArray]
    """Statistical errors of the yields from the size of the sample, per channel, (n_bins,)."""
    acceptance: float
    """Share of the cross-section inside the fiducial cuts."""
    cross_section_fb: float
    """Cross-section of the whole sample."""
    events: int
    """Number of events read."""
    truncated: bool
    """Whether the event file was cut short."""

    @property
    def signal(self) -> Signal:
        """The yields as a signal, for :func:`zprime_recast.likelihood.workspace.build_workspace`."""
        return Signal(self.search, self.yields)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings that apply to results from this template."""
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
    """The template of an event sample.

    Arguments:
        folded: the search.
        events: the sample, or a stream of its batches.
        channels: channels that see these events; by default all, as the sample then stands for every lepton flavour.
        cross_section_fb: cross-section of the whole sample, if its weights do not add up to it.

    InputError if no event passes the cuts, if the events contain the Standard Model, or if their energy is not that of
    the search; UnknownName for a channel the search does not have.
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
                "these events contain the Standard Model, but a template needs the signal alone: use --mode signal"
            )
        if abs(batch.info.get("sqrt_s_gev", search.sqrt_s_gev) / search.sqrt_s_gev - 1) > 1e-3:
            energy = batch.info["sqrt_s_gev"]
            raise InputError(f"events at {energy:g} GeV, but {search.id} is a search at {search.sqrt_s_gev:g} GeV")
        weight = batch["weight"]
        total, count = total + float(weight.sum()), count + len(batch)
        kept = fiducial(search, batch) & (batch["m_ll"] >= low) & (batch["m_ll"] <= high)
        mass, weight = batch["m_ll"][kept], weight[kept]
        inside += float(weight.sum())
        nodes, shares = grid.values_at(mass)
        for k, share in zip(nodes.T, shares.T, strict=True):
            spectrum += np.bincount(k, weight * share, len(spectrum))
            squares += np.bincount(k, weight**2 * share, len(squares))
        info = batch.info  # only the last batch says whether the file was cut short
    if not count or not spectrum.any():
        raise InputError(f"none of {count} events is inside the fiducial region of {search.id}: check masses and cuts")
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
    """Whether each event passes the cuts of a search on both leptons, (n,); always if it has no fiducial region."""
    cuts = search.fiducial
    passed = np.ones(len(events), dtype=bool)
    if cuts is None:
        return passed
    for name in ("lminus", "lplus"):
        passed &= (events[f"{name}_pt"] >= cuts.pt_min_gev) & (np.abs(events[f"{name}_eta"]) <= cuts.eta_max)
    return passed
