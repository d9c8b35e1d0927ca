"""The binned likelihood of hypotheses, built so that it can be written as a pyhf (HistFactory) workspace.

Every bin of a channel is a HistFactory channel with one bin, which lets the background float as in the fit of the
collaboration. A fit function whose logarithm is linear in its parameters changes each bin by a factor exp(alpha d).
HistFactory has such a modifier per channel (``normsys``) but not per bin: its per-bin modifier (``histosys``) is
additive and turns negative in the tail, where the uncertainty of the function exceeds its value. The nuisances of the
background are those of :mod:`zprime_recast.searches.background`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import BoolArray, FloatArray, Quiet
from ..errors import InputError
from ..io.memo import Memo, PickledByFields
from ..searches.background import background_nuisances
from ..signal.signal import Signal
from .factors import Factors, factors

if TYPE_CHECKING:
    from ..searches.channel import Channel
    from ..searches.spectrum import SpectrumSearch

#: Largest deficit of a bin from interference, as a fraction of its background.
DEFICIT_MAX = 0.9
#: Expected events below which a deficit of a bin is dropped: such bins add up to at most 0.05 events of a channel.
DEFICIT_BIN_MIN = 0.01
#: Largest sum of deficits beyond DEFICIT_MAX, in events of a channel, that is dropped with a warning.
DEFICIT_LOST_MAX = 0.5
#: Deficits below this many events of a channel are dropped without a remark: no result can show them.
DEFICIT_SAID = 0.05
#: Upper bound of the signal strength in fits.
MU_MAX = 10.0


@dataclass(frozen=True, eq=False, repr=False)
class LogChanges(Quiet, PickledByFields):
    """Changes of the expected events of a sample by nuisances, bin by bin.

    The factor is exp(+-change) at +-1 standard deviation and HistFactory's ``normsys`` in between (code 4 of pyhf:
    polynomial inside, exponential outside). It is symmetric in the logarithm: up and down variations of a card or of
    the response are averaged there.
    """

    names: tuple[str, ...]
    change: FloatArray
    """Change of ln(events) per standard deviation, ([n_hypotheses or 1,] n_names, n_bins)."""
    acts: BoolArray
    """Whether the nuisance is declared for the bin, (n_names, n_bins); the changes are 0 where it is not."""

    @cached_property
    def factors(self) -> Factors:
        """Factors of these nuisances on the events of a background; only for changes (n_names, n_bins)."""
        return factors(self)

    def of(self, i: int) -> LogChanges:
        """The changes of hypothesis ``i``, (n_names, n_bins)."""
        if self.change.ndim == 2:
            return self
        return LogChanges(self.names, self.change[i if len(self.change) > 1 else 0], self.acts)


@dataclass(frozen=True, eq=False, repr=False)
class BinnedLikelihood(Quiet):
    """The likelihood of hypotheses: Poisson counts of background + mu * signal in all bins of all searches.

    The nuisances have unit-Gaussian constraints. Both the pyhf workspace and the fits of many hypotheses are made from
    it.
    """

    bin_names: tuple[str, ...]
    n_obs: FloatArray
    """Observed counts, (n_bins,) or (n_hypotheses, n_bins)."""
    background: FloatArray
    """Expected background events, (n_bins,)."""
    signal: FloatArray
    """Expected signal events at mu = 1, (n_hypotheses, n_bins)."""
    signal_changes: LogChanges
    background_changes: LogChanges
    """Changes by the nuisances of the background, none of which is one of the signal."""
    faults: tuple[tuple[int, str], ...] = ()
    """(index, message) of hypotheses without a likelihood; their signal is 0."""
    warnings: tuple[tuple[int, str], ...] = ()
    """(index, message) to be shown with the result."""

    @property
    def nuisances(self) -> tuple[str, ...]:
        """Names of all nuisances, each once."""
        return self.signal_changes.names + self.background_changes.names

    def take(self, i: int) -> BinnedLikelihood:
        """The likelihood of hypothesis ``i`` alone."""
        change = self.signal_changes.change
        own = change[i : i + 1] if change.ndim == 3 and len(change) > 1 else change
        return replace(
            self,
            signal=self.signal[i : i + 1],
            signal_changes=replace(self.signal_changes, change=own),
            faults=tuple((0, text) for k, text in self.faults if k == i),
            warnings=tuple((0, text) for k, text in self.warnings if k == i),
        )

    @property
    def mu_max(self) -> FloatArray:
        """Upper bound of mu that keeps every bin positive, (n_hypotheses,), with a margin as the background floats."""
        deepest = (-self.signal / self.background).max(axis=-1)
        return np.asarray(np.minimum(MU_MAX, 0.5 * (1 + 1 / np.maximum(deepest, 1e-300))))


def binned_likelihood(signals: Sequence[Signal], layouts: Layouts | None = None) -> BinnedLikelihood:
    """The likelihood of hypotheses, with every bin of every channel that has a signal, in the order of ``signals``.

    All signals hold the same hypotheses. Signal bins may be negative (interference) as long as background + signal
    stays positive, see :func:`bounded_interference`. ``layouts`` keeps what calls for the same searches have in common.
    InputError if no signal is given, if a search is given twice, or if a name is that of a nuisance of both signal and
    background.
    """
    layout = (Layouts() if layouts is None else layouts).layout(signals)
    blocks = layout.blocks
    given = [np.asarray(signals[b.search].yields[b.channel.name], dtype=float) for b in blocks]
    n = max(y.size // len(b.channel.bkg) for y, b in zip(given, blocks, strict=True))
    yields, change = np.empty((n, len(layout.background))), np.empty((n, *layout.change.shape))
    for y, b in zip(given, blocks, strict=True):
        yields[:, b.bins] = y
    yields, lost = bounded_interference(layout.background, yields)
    faults, warnings = _beyond_bounds(layout, [s.search for s in signals], lost)
    if faults:
        yields[[i for i, _ in faults]] = 0.0
    change[:] = layout.change
    # a deficit from interference has no nuisance of its own: it reduces a background that is fitted to the data
    positive = yields[:, None] > 0
    for b in blocks:
        if b.rows:
            of_channel = np.asarray(signals[b.search].changes[b.channel.name])
            change[:, b.rows, b.bins] = of_channel * positive[..., b.bins]
    return BinnedLikelihood(
        bin_names=layout.bin_names,
        n_obs=layout.n_obs,
        background=layout.background,
        signal=yields,
        signal_changes=LogChanges(layout.names, change, layout.acts),
        background_changes=layout.background_changes,
        faults=faults,
        warnings=warnings,
    )


@dataclass(frozen=True)
class Block:
    """The place of a channel in a likelihood."""

    search: int
    """Index of its search."""
    channel: Channel
    bins: slice
    rows: list[int]
    """Rows of the changes that hold its ``Signal.nuisances``."""


@dataclass(frozen=True, eq=False, repr=False)
class Layout(Quiet):
    """The part of a likelihood that all hypotheses in the same searches share."""

    blocks: tuple[Block, ...]
    bin_names: tuple[str, ...]
    n_obs: FloatArray
    background: FloatArray
    names: tuple[str, ...]
    """Names of the nuisances of the signal."""
    change: FloatArray
    """Changes by the nuisances of the kind ``yield``, 0 for the others, (n_names, n_bins)."""
    acts: BoolArray
    background_changes: LogChanges


class Layouts:
    """Layouts of the likelihoods of some searches, each computed once and freed with the owner of this object.

    Searches are identified by their ids, so an instance must be used for one set of searches only. A search may be
    replaced by one that lacks some scale or resolution uncertainties, whose names its signals then lack as well.
    """

    def __init__(self) -> None:
        self._layouts: Memo[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...], Layout] = Memo(32)
        self._channels: Memo[tuple[str, str], BinnedLikelihood] = Memo(64)
        self._backgrounds: Memo[tuple[tuple[str, str], ...], LogChanges] = Memo(16)

    def layout(self, signals: Sequence[Signal]) -> Layout:
        """The layout for signals with these searches, names of nuisances and channels.

        InputError as in :func:`binned_likelihood`.
        """
        key = tuple((s.search.id, s.nuisances, tuple(s.yields)) for s in signals)
        return self._layouts.get(key, lambda: self._layout(signals))

    def _layout(self, signals: Sequence[Signal]) -> Layout:
        ids = [s.search.id for s in signals]
        if not ids or len(set(ids)) != len(ids):
            raise InputError(f"one or more different analyses are needed, found {', '.join(ids) or 'none'}")
        used = [(k, c) for k, s in enumerate(signals) for c in s.search.channels if c.name in s.yields]
        if not used:
            raise InputError("no channel of the analyses has a signal; give yields for at least one")
        parts = [(k, self._channel(signals[k].search, channel), channel) for k, channel in used]
        names = tuple(
            dict.fromkeys(n for k, fixed, _ in parts for n in (*fixed.signal_changes.names, *signals[k].nuisances))
        )
        background_changes = self._backgrounds.get(
            tuple((ids[k], channel.name) for k, channel in used),
            lambda: _joined([fixed.background_changes for _, fixed, _ in parts]),
        )
        if shared := set(names) & set(background_changes.names):
            both = ", ".join(sorted(shared))
            raise InputError(f"{both}: an uncertainty of the signal and one of the background; give them two names")
        ends = np.cumsum([0, *(len(fixed.background) for _, fixed, _ in parts)])
        change = np.zeros((len(names), ends[-1]))
        acts, blocks = np.zeros(change.shape, dtype=bool), []
        for (k, fixed, channel), first, end in zip(parts, ends[:-1], ends[1:], strict=True):
            search, nuisances, bins = signals[k].search, signals[k].nuisances, slice(int(first), int(end))
            own, rows = ([names.index(name) for name in some] for some in (fixed.signal_changes.names, nuisances))
            change[own, bins], acts[own, bins] = fixed.signal_changes.change, fixed.signal_changes.acts
            foreign = {f"{search.id}_{u.name}" for u in search.uncertainties if channel.name not in u.channels}
            if rows:
                acts[rows, bins] = np.array([[name not in foreign] for name in nuisances])
            blocks.append(Block(k, channel, bins, rows))
        return Layout(
            tuple(blocks),
            tuple(name for _, fixed, _ in parts for name in fixed.bin_names),
            np.concatenate([fixed.n_obs for _, fixed, _ in parts]),
            np.concatenate([fixed.background for _, fixed, _ in parts]),
            names,
            change,
            acts,
            background_changes,
        )

    def _channel(self, search: SpectrumSearch, channel: Channel) -> BinnedLikelihood:
        return self._channels.get((search.id, channel.name), lambda: _without_signal(search, channel))


def _without_signal(search: SpectrumSearch, channel: Channel) -> BinnedLikelihood:
    """The likelihood of a channel without a signal, which all hypotheses share."""
    n_bins = len(channel.bkg)
    own = [u for u in search.uncertainties if u.kind == "yield"]
    acts = np.array([[channel.name in u.channels] * n_bins for u in own], dtype=bool).reshape(len(own), n_bins)
    change = np.array([u.log_change(channel.centers_gev) for u in own]).reshape(len(own), n_bins) * acts
    names = tuple(f"{search.id}_{u.name}" for u in own)
    mode_names, modes = background_nuisances(search.id, channel)
    return BinnedLikelihood(
        bin_names=tuple(f"{search.id}_{channel.name}_{edge:05.0f}GeV" for edge in channel.edges_gev[:-1]),
        n_obs=channel.n_obs,
        background=channel.bkg,
        signal=np.zeros((1, n_bins)),
        signal_changes=LogChanges(names, change, acts),
        background_changes=LogChanges(mode_names, modes, np.ones(modes.shape, dtype=bool)),
    )


def _joined(parts: Sequence[LogChanges]) -> LogChanges:
    """Changes of several blocks of bins, one after the other; equal names stand for the same nuisance."""
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    n_bins = sum(part.change.shape[-1] for part in parts)
    change, acts = np.zeros((len(names), n_bins)), np.zeros((len(names), n_bins), dtype=bool)
    first = 0
    for part in parts:
        columns = slice(first, first + part.change.shape[-1])
        for k, name in enumerate(part.names):
            change[names.index(name), columns], acts[names.index(name), columns] = part.change[k], part.acts[k]
        first = columns.stop
    return LogChanges(names, change, acts)


def bounded_interference(background: FloatArray, yields: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Yields (n_hypotheses, n_bins) with no bin below -DEFICIT_MAX times its background, and the deficits dropped.

    Bins with fewer than DEFICIT_BIN_MIN expected events lose their whole deficit, which is not counted as dropped.

    In the far tail a fitted background may lie below the Standard Model rate that interferes with the Z', as the ATLAS
    dimuon function does above 2.3 TeV. The deficit would exceed the background there.
    """
    bounded = np.maximum(yields, -DEFICIT_MAX * background)
    lost = bounded - yields
    return np.maximum(bounded, np.where(background < DEFICIT_BIN_MIN, 0.0, -np.inf)), lost


Messages = tuple[tuple[int, str], ...]


def _beyond_bounds(layout: Layout, searches: Sequence[SpectrumSearch], lost: FloatArray) -> tuple[Messages, Messages]:
    """(index, message) of hypotheses without a likelihood, and of hypotheses with a warning.

    A hypothesis has no likelihood if more than DEFICIT_LOST_MAX events of deficit were dropped in a channel or if a
    yield is not finite; a smaller deficit gives a warning.
    """
    if lost.sum() == 0:
        return (), ()
    faults, warnings = dict[int, str](), list[tuple[int, str]]()
    for block in layout.blocks:
        where = f"{searches[block.search].id}, {block.channel.name}"
        events = lost[:, block.bins].sum(axis=-1)
        for i in np.nonzero(~(events == 0))[0].tolist():
            if events[i] <= DEFICIT_SAID:
                continue
            if events[i] <= DEFICIT_LOST_MAX:
                text = "destructive interference exceeds the fitted background in the tail;"
                warnings.append((i, f"{where}: {text} {events[i]:.2g} events of deficit left out"))
            else:
                faults.setdefault(i, where + _fault(block.channel, lost[i, block.bins]))
    return tuple(sorted(faults.items())), tuple(warnings)


def _fault(channel: Channel, lost: FloatArray) -> str:
    if not np.isfinite(lost).all():
        return ": the signal is not finite; check mass, coupling and PDF set"
    j = int(np.argmax(lost))
    deficit = lost[j] + DEFICIT_MAX * channel.bkg[j]
    return (
        f", bin {channel.edges_gev[j]:.0f}-{channel.edges_gev[j + 1]:.0f} GeV: "
        f"interference takes {deficit:.3g} of {channel.bkg[j]:.3g} expected events, their total is < 0; "
        "use a smaller coupling or --no-interference"
    )
