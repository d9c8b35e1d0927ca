"""Signal templates from dilepton events, with the cuts, efficiency and mass response of a search.

They serve signals that are not a plain Z' line shape. The mass response is folded, not drawn at random: the true mass
of each event is shared between the nodes of its panel, so the detector adds no statistical noise. Events may have
weights of both signs, as a signal with interference does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet
from ..errors import InputError, UnknownName
from ..events.records import DileptonEvents
from ..events.statement import PAIR_NAMES, Statement
from ..model.zprime import PDG_IDS
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
    """Events per channel and bin, (n_bins,), as the search would record them; of the channels with pairs."""
    errors: Mapping[str, FloatArray]
    """Statistical errors of the yields from the size of the sample, per channel, (n_bins,)."""
    acceptance: float
    """Share of the cross-section in pairs that the channels use and that are inside the fiducial cuts."""
    cross_section_fb: float
    """Cross-section of the whole sample, all flavours and events without a pair included."""
    basis: str
    """The statement it is from."""
    channel_fb: Mapping[str, float]
    """Cross-section of the pairs that go to each channel, before cuts."""
    events: int
    """Number of events read."""
    contents: str
    """Description in words."""
    remarks: tuple[str, ...]
    """What the reader found, and channels that are not used."""

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
        return (*found, *self.remarks)


class _Spectra:
    """Fiducial pairs of a sample on the nodes of one search, per flavour."""

    def __init__(self, folded: FoldedSearch) -> None:
        self.folded = folded
        self.weights: dict[int, FloatArray] = {}
        self.squares: dict[int, FloatArray] = {}
        self.inside_fb: dict[int, float] = {}

    def add(self, batch: DileptonEvents, flavor: IndexArray) -> None:
        """Add a batch; InputError if its energy is not that of the search."""
        search, grid = self.folded.search, self.folded.grid
        energy = batch.info.get("sqrt_s_gev", search.sqrt_s_gev)
        if abs(energy / search.sqrt_s_gev - 1) > 1e-3:
            raise InputError(f"events at {energy:g} GeV, but {search.id} is a search at {search.sqrt_s_gev:g} GeV")
        low, high = grid.edges_gev[0], grid.edges_gev[-1]
        inside = fiducial(search, batch) & (batch["m_ll"] >= low) & (batch["m_ll"] <= high)
        for code in np.unique(flavor[inside]).tolist():
            kept = inside & (flavor == code)
            mass, weight = batch["m_ll"][kept], batch["weight"][kept]
            n = len(grid.s)
            at = self.weights.setdefault(code, np.zeros(n)), self.squares.setdefault(code, np.zeros(n))
            nodes, shares = grid.values_at(mass)
            for k, share in zip(nodes.T, shares.T, strict=True):
                at[0][:] += np.bincount(k, weight * share, n)
                at[1][:] += np.bincount(k, weight**2 * share, n)
            self.inside_fb[code] = self.inside_fb.get(code, 0.0) + float(weight.sum())


def event_template(
    folded: FoldedSearch,
    events: DileptonEvents | Iterable[DileptonEvents],
    channels: Sequence[str] | None = None,
    cross_section_fb: float | None = None,
    universal: bool = False,
) -> EventTemplate:
    """The template of an event sample in one search; arguments as for :func:`event_templates`."""
    return event_templates([folded], events, channels, cross_section_fb, universal)[0]


def event_templates(
    searches: Sequence[FoldedSearch],
    events: DileptonEvents | Iterable[DileptonEvents],
    channels: Sequence[str] | None = None,
    cross_section_fb: float | None = None,
    universal: bool = False,
) -> list[EventTemplate]:
    """The templates of an event sample in some searches, from one pass over the events.

    Each pair goes to the channel of its flavour; channels without pairs are left out, and a remark says so.

    Arguments:
        searches: the searches.
        events: the sample, or a stream of its batches.
        channels: names of the channels to use; default: all that have pairs. Pairs whose flavour the events do not say
            go to each of them.
        cross_section_fb: cross-section of the whole sample, if its weights do not add up to it.
        universal: whether pairs of one flavour stand for those of the others as well, so that every channel gets them.

    InputError if there is no pair for a channel, if none passes the cuts, if the events contain the Standard Model, or
    if their energy is not that of a search; UnknownName for a channel that a search does not have.
    """
    for folded in searches:
        names = [fold.channel.name for fold in folded.channels]
        for name in channels or ():
            if name not in names:
                raise UnknownName(f"channel of {folded.search.id}", name, names)
    spectra = [_Spectra(folded) for folded in searches]
    statement: Statement | None = None
    found = Statement(0.0, 0.0, "sum of the weights")
    for batch in [events] if isinstance(events, DileptonEvents) else events:
        if batch.info.get("mode") in ("full", "sm"):
            raise InputError(
                "these events contain the Standard Model, but a template needs the signal alone: use --mode signal"
            )
        flavor = batch.flavor
        found.count(flavor, batch["weight"], len(batch))
        found.truncated |= bool(batch.info.get("truncated", False))
        for one in spectra:
            one.add(batch, flavor)
        statement = batch.statement  # complete after the last batch
    total = sum(found.pairs_fb.values())
    whole = statement.cross_section_fb if statement is not None else total
    scale = 1.0 if cross_section_fb is None else cross_section_fb / whole
    return [_template(one, found, statement or found, channels, universal, whole, scale) for one in spectra]


def _template(
    spectra: _Spectra,
    found: Statement,
    statement: Statement,
    channels: Sequence[str] | None,
    universal: bool,
    whole_fb: float,
    scale: float,
) -> EventTemplate:
    """The template of one search; ``found`` counts the pairs that were given, ``statement`` the whole sample."""
    search, contents = spectra.folded.search, statement.contents
    codes = {fold.channel.name: PDG_IDS[fold.channel.final_state.fermion] for fold in spectra.folded.channels}
    usable = sorted(code for code in found.pairs if code in (0, *codes.values()))
    if not usable:
        wanted = " or ".join(PAIR_NAMES[code] for code in dict.fromkeys(codes.values()))
        taus = " (taus that have not decayed)" if PDG_IDS["tau"] in found.pairs else ""
        raise InputError(f"no {wanted} pair in {contents}{taus}")
    if universal and len(usable) > 1:
        raise InputError(f"pairs of several flavours go to their own channels, without --universal: {contents}")
    yields, errors, channel_fb, unused = {}, {}, {}, []
    inside = set()
    for fold in spectra.folded.channels:
        name, code = fold.channel.name, codes[fold.channel.name]
        if channels is not None and name not in channels:
            continue
        if universal or (0 in found.pairs and channels is not None):
            code = code if code in found.pairs else usable[0]
        if code not in found.pairs:
            unused.append((name, code))
            continue
        nothing = np.zeros(len(spectra.folded.grid.s))
        weights, squares = spectra.weights.get(code, nothing), spectra.squares.get(code, nothing)
        yields[name] = scale * (weights @ fold.detector)
        errors[name] = abs(scale) * np.sqrt(np.maximum(squares @ fold.detector**2, 0.0))
        channel_fb[name] = scale * found.pairs_fb[code]
        inside.add(code)
    if unused and (channels is not None or not yields):
        if 0 in found.pairs:
            raise InputError(f"the flavour of the pairs is not known: --channel NAME, or --universal ({contents})")
        raise InputError(f"no {PAIR_NAMES[unused[0][1]]} pair for channel {unused[0][0]}: {contents}")
    if not any(y.any() for y in yields.values()):
        raise InputError(f"no pair is inside the fiducial region of {search.id} ({contents}): check masses and cuts")
    remarks = [
        f"{search.id}: no {PAIR_NAMES[code]} pairs, so channel {name} is not used (--universal if the pairs stand for "
        "every flavour)"
        for name, code in unused
    ]
    return EventTemplate(
        search=search,
        yields=yields,
        errors=errors,
        acceptance=sum(spectra.inside_fb.get(code, 0.0) for code in inside) / whole_fb if whole_fb else float("nan"),
        cross_section_fb=scale * whole_fb,
        basis=statement.basis if scale == 1 else "as given",
        channel_fb=channel_fb,
        events=statement.events,
        contents=contents,
        remarks=(*statement.warnings, *remarks),
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
