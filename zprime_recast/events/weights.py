"""What the weights of one run of a generator mean: the statements of its header and its weights, compared.

Les Houches accord (Boos et al., hep-ph/0109068, section 2, IDWTUP): XWGTUP is in pb and its mean is the cross-section
for |IDWTUP| = 1 and 4; it is relative to XSECUP for 2; it is +1 or -1 for 3, and XSECUP is the net cross-section.
MadGraph and aMC@NLO deviate: with ``event_norm = sum`` the weights add up to the cross-section though IDWTUP is 3.
Sherpa writes a dummy XSECUP of 1 and the attempts of each event (``trials``): the cross-section is the sum of the
weights over that of the trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import CardError
from ..units import FB_PER_PB

#: Two cross-sections agree within this many standard deviations, plus a share for the rounding of printed numbers.
SIGMAS, ROUNDING = 5.0, 2e-3
#: Conventions that are not an IDWTUP: relative weights (HepMC), and weights that are cross-sections in fb.
RELATIVE, IN_FB = 0, 5


@dataclass(frozen=True)
class Tally:
    """Number and sums of the weights of a run."""

    events: int = 0
    total: float = 0.0
    squares: float = 0.0
    absolute: float = 0.0
    smallest: float = np.inf
    """Smallest and largest size of a weight."""
    largest: float = 0.0
    trials: float | None = None
    """Sum of the attempts per event, if every event states them."""

    @classmethod
    def of(cls, weights: npt.ArrayLike, trials: float | None = None) -> Tally:
        """The tally of some weights, (n,)."""
        w = np.asarray(weights, dtype=float)
        if not len(w):
            return cls()
        size = np.abs(w)
        return cls(
            len(w),
            float(w.sum()),
            float((w**2).sum()),
            float(size.sum()),
            float(size.min()),
            float(size.max()),
            trials,
        )

    def __add__(self, other: Tally) -> Tally:
        if not self.events or not other.events:
            return other if not self.events else self
        known = self.trials is not None and other.trials is not None
        return Tally(
            self.events + other.events,
            self.total + other.total,
            self.squares + other.squares,
            self.absolute + other.absolute,
            min(self.smallest, other.smallest),
            max(self.largest, other.largest),
            (self.trials or 0.0) + (other.trials or 0.0) if known else None,
        )

    @property
    def mean(self) -> float:
        """Mean weight."""
        return self.total / self.events

    @property
    def mean_error(self) -> float:
        """Standard deviation of the mean."""
        return float(np.sqrt(max(self.squares / self.events - self.mean**2, 0.0) / self.events))

    @property
    def same_size(self) -> bool:
        """Whether all weights have one size: the events are unweighted."""
        return self.largest - self.smallest <= 1e-6 * self.largest

    @property
    def unit(self) -> bool:
        """Whether every weight is +1 or -1: the weights say nothing about the cross-section."""
        return self.same_size and abs(self.largest - 1.0) < 1e-6


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a generator as its header and weights describe it: a file, or one of the parts of a merged file."""

    label: str
    """Name in messages."""
    tally: Tally
    convention: int
    """IDWTUP from -4 to 4 without 0, or RELATIVE or IN_FB."""
    stated_fb: float | None = None
    """Cross-section of the header; None or 0 if it gives none."""
    error_fb: float = 0.0
    stated_events: int | None = None
    """Number of events the header announces."""
    dummy: bool = False
    """Whether the header has 1 pb with an error and a largest weight of 0 or 1, as a placeholder."""
    truncated: bool = False
    missing: str = ""
    """Why there is no cross-section, if that is not plain."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """Metadata of the run."""
    remarks: tuple[str, ...] = ()
    """Remarks of the reader of the format."""


@dataclass(frozen=True)
class Meaning:
    """How the weights of a run become cross-sections."""

    factor: float
    """Cross-section in fb per unit of weight."""
    cross_section_fb: float | None
    """Of the whole run, events without a pair included; None if the run gives none (``factor`` is then relative)."""
    error_fb: float
    basis: str
    """The statement that was used."""
    remarks: tuple[str, ...] = ()


def agree(a: float, b: float, error: float) -> bool:
    """Whether two cross-sections agree within the standard deviation ``error`` of their difference."""
    return abs(a - b) <= SIGMAS * error + ROUNDING * max(abs(a), abs(b))


def meaning(run: Run) -> Meaning:
    """Decide what the weights of a run mean.

    CardError if its statements exclude each other.
    """
    if run.convention == IN_FB:
        return _in_fb(run)
    if run.convention == RELATIVE:
        return _relative(run)
    t, stated = run.tally, run.stated_fb or 0.0
    if t.trials and not t.unit:
        mean, name = FB_PER_PB * t.total / t.trials, "sum of the weights over sum of the trials"
        error = FB_PER_PB * np.sqrt(t.squares) / t.trials
    else:
        mean, name = FB_PER_PB * t.mean, "mean of the weights"
        error = FB_PER_PB * t.mean_error
    error = float(np.hypot(error, run.error_fb))
    if abs(run.convention) in (1, 4) or (t.trials and not t.unit):
        return _averaged(run, mean, error, name)
    if not stated:
        return _without(run)
    if t.unit or agree(mean, stated, error):
        return _to_stated(run, "XSECUP")
    total = FB_PER_PB * t.total
    if agree(total, stated, _sum_error(run)) or (abs(run.convention) == 3 and run.truncated):
        return _to_stated(run, "XSECUP")
    if run.dummy:
        remark = f"XSECUP is a placeholder, 1 pb; the mean of the weights, {mean:.5g} fb, was used"
        return Meaning(mean / t.total, mean, error, name, (remark,))
    remark = (
        f"XSECUP is {stated:.5g} fb, the mean of the weights {mean:.5g} fb and their sum {total:.5g} fb; XSECUP was "
        f"used (IDWTUP {run.convention}), check it or give --cross-section"
    )
    return _to_stated(run, "XSECUP", (remark,))


def _averaged(run: Run, mean: float, error: float, name: str) -> Meaning:
    """The meaning of weights whose mean should be the cross-section."""
    t, stated = run.tally, run.stated_fb or 0.0
    if t.unit:
        if not stated:
            return _without(run)
        remark: tuple[str, ...] = ()
        if not agree(mean, stated, error):
            remark = (f"all weights are 1 though IDWTUP is {run.convention}; XSECUP, {stated:.5g} fb, was used",)
        return _to_stated(run, "XSECUP", remark)
    by_mean = Meaning(mean / t.total if t.total else FB_PER_PB / t.events, mean, error, name)
    if not stated or run.dummy or agree(mean, stated, error):
        found: tuple[str, ...] = ()
        if run.dummy and not agree(mean, stated, error):
            found = (f"XSECUP is a placeholder, 1 pb; the {name}, {mean:.5g} fb, was used",)
        return Meaning(by_mean.factor, mean, error, name, found)
    total = FB_PER_PB * t.total
    if agree(total, stated, _sum_error(run)):
        remark_ = f"the weights add up to XSECUP, {stated:.5g} fb, though IDWTUP {run.convention} means their mean"
        return _to_stated(run, "XSECUP", (remark_,))
    remark_ = f"XSECUP is {stated:.5g} fb but the {name} {mean:.5g} fb; the latter was used (IDWTUP {run.convention})"
    return Meaning(by_mean.factor, mean, error, name, (remark_,))


def _relative(run: Run) -> Meaning:
    """The meaning of the weights of a HepMC file."""
    t, stated = run.tally, run.stated_fb or 0.0
    if not stated:
        return _without(run)
    found: tuple[str, ...] = ()
    mean, total = FB_PER_PB * t.mean, FB_PER_PB * t.total
    error = float(np.hypot(FB_PER_PB * t.mean_error, run.error_fb))
    if not (t.same_size or agree(mean, stated, error) or agree(total, stated, _sum_error(run))):
        found = (
            f"GenCrossSection is {stated:.5g} fb, but the weights (in pb) have the mean {mean:.5g} fb and the sum "
            f"{total:.5g} fb; GenCrossSection was used",
        )
    if run.stated_events and t.events > 1.01 * run.stated_events:
        found += (
            f"the file holds {t.events} events, but GenCrossSection counts {run.stated_events} accepted: runs of one "
            "process were merged, and are averaged",
        )
    return _to_stated(run, "GenCrossSection", found)


def _in_fb(run: Run) -> Meaning:
    """The meaning of weights in fb, which the metadata written here may confirm."""
    t, info = run.tally, run.info
    absolute, written = info.get("absolute_cross_section_fb"), info.get("n_events")
    error = float(np.sqrt(t.squares))
    if not absolute or not written:
        return Meaning(1.0, t.total, error, "sum of the weights")
    stated = float(info.get("cross_section_fb") or t.total)
    stated_error = float(info.get("cross_section_error_fb") or 0.0)
    copies = t.absolute / absolute
    if run.truncated:
        return Meaning(1.0 / copies, stated, stated_error, "metadata")
    if t.events <= written and copies <= 1 + 1e-6:
        if t.events == written and not agree(t.absolute, absolute, 0.0):
            found = f"the weights add up to {t.total:.5g} fb, the metadata say {stated:.5g} fb; the weights were used"
            return Meaning(1.0, t.total, error, "sum of the weights", (found,))
        fewer = t.events < written and "shower" not in info
        remarks = (f"the file holds {t.events} of the {written} events of its sample",) if fewer else ()
        return Meaning(1.0, stated, stated_error, "sum of the weights", remarks)
    found = f"the file holds {t.events} events of {t.absolute:.5g} fb, its metadata say {written} of {absolute:.5g} fb"
    whole = round(copies)
    if whole < 2 or abs(copies - whole) > 0.005 * whole or t.events <= written:
        raise CardError(run.label, "", found, "the files of different samples one by one (--events is repeatable)")
    return Meaning(
        1.0 / copies,
        stated,
        stated_error,
        "metadata",
        (f"{found}: {whole} runs of one process were merged, and are averaged",),
    )


def _sum_error(run: Run) -> float:
    """Standard deviation of the difference of a sum of weights and the cross-section stated, fb."""
    t = run.tally
    # the number of events is fixed: only the sizes and signs of the weights fluctuate
    return float(np.hypot(FB_PER_PB * t.events * t.mean_error, run.error_fb))


def _to_stated(run: Run, basis: str, remarks: tuple[str, ...] = ()) -> Meaning:
    """Weights normalised so that they add up to the cross-section of the header."""
    stated = run.stated_fb or 0.0
    if run.tally.total * stated < 0:
        raise CardError(
            run.label,
            "",
            f"weights that add up to {run.tally.total:.4g} and a cross-section of {stated:.4g} fb",
            "a sum of weights of the same sign",
        )
    return Meaning(stated / _net(run), stated, run.error_fb, basis, remarks)


def _without(run: Run) -> Meaning:
    """Weights of a run without a cross-section: relative, so that they add up to 1."""
    return Meaning(1.0 / _net(run), None, 0.0, "none")


def _net(run: Run) -> float:
    """The sum of the weights; CardError if those of both signs cancel within their statistical error."""
    t = run.tally
    mixed = t.absolute - abs(t.total) > 1e-9 * t.absolute
    if t.total == 0 or (mixed and abs(t.total) < 2 * np.sqrt(t.squares)):
        raise CardError(
            run.label,
            "",
            f"weights of both signs that cancel (sum {t.total:.4g}, error {np.sqrt(t.squares):.2g})",
            "a net weight above its error: more events, or weights in pb with IDWTUP -4",
        )
    return t.total
