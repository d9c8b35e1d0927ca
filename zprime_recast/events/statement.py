"""The statements a sample of events makes about itself, and what was found in it while it was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import FloatArray, IndexArray
from .kinematics import PDG_ID

#: Names of the pairs by the code of their l-; 0 if a file does not say the flavour.
PAIR_NAMES = {11: "e+e-", 13: "mu+mu-", 15: "tau+tau-", 0: "pairs of unknown flavour"}


@dataclass(eq=False)
class Statement:
    """Cross-section and contents of a sample, of one file or of several.

    The cross-section is that of all events, also of those without a pair of leptons. The counts grow while the file is
    read and are complete after its last batch.
    """

    cross_section_fb: float
    """Content of the whole sample."""
    cross_section_error_fb: float
    basis: str
    """Source of the cross-section: XSECUP, GenCrossSection, mean or sum of the weights, metadata, the user."""
    remarks: list[str] = field(default_factory=list)
    """One line for everything a user should know: statements that differ, what was left out."""
    events: int = 0
    """Events read."""
    pairs: dict[int, int] = field(default_factory=dict)
    """Number of pairs per flavour, by the code of the l-."""
    pairs_fb: dict[int, float] = field(default_factory=dict)
    """Their weights, fb."""
    flawed: int = 0
    """Events left out because a momentum is not finite or not physical."""
    truncated: bool = False
    """Whether a file ended early."""
    standard_model: int = 0
    """Pairs that come from a photon or a Z, by the record of their event."""

    def count(self, flavors: IndexArray, weights: FloatArray, events: int, flawed: int = 0) -> None:
        """Add a batch: the flavours and weights (fb) of its pairs, (n,), of so many events."""
        self.events += events
        self.flawed += flawed
        codes, number = np.unique(flavors, return_counts=True)
        for code, n in zip(codes.tolist(), number.tolist(), strict=True):
            self.pairs[code] = self.pairs.get(code, 0) + n
            self.pairs_fb[code] = self.pairs_fb.get(code, 0.0) + float(weights[flavors == code].sum())

    @property
    def without_pair(self) -> int:
        """Events without a pair of leptons of one flavour."""
        return self.events - sum(self.pairs.values()) - self.flawed

    @property
    def contents(self) -> str:
        """The counts in words: ``600 events: 19 e+e-, 20 mu+mu-, 22 tau+tau-, 539 without a pair``."""
        parts = [f"{self.pairs[code]} {name}" for code, name in PAIR_NAMES.items() if self.pairs.get(code)]
        if self.without_pair:
            parts.append(f"{self.without_pair} without a pair")
        if self.flawed:
            parts.append(f"{self.flawed} with impossible momenta")
        return f"{self.events} events: {', '.join(parts) or 'none'}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """All remarks, with those on the contents."""
        found = list(self.remarks)
        if self.truncated:
            found.append(f"the file was cut short: {self.events} complete events were used")
        if self.flawed:
            found.append(
                f"{self.flawed} of {self.events} events were left out: momenta that are not finite or above the energy"
            )
        total = sum(self.pairs.values())
        if self.standard_model > 0.5 * max(total, 1):
            found.append(
                f"{100 * self.standard_model / total:.0f} % of the pairs come from a photon or a Z: if the sample "
                "contains the Standard Model, all of it is taken as signal"
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        names = {code: lepton for lepton, code in PDG_ID.items()} | {0: "unknown"}
        return {
            "events": self.events,
            "pairs": {names[code]: n for code, n in sorted(self.pairs.items())},
            "pairs_fb": {names[code]: fb for code, fb in sorted(self.pairs_fb.items())},
            "without_pair": self.without_pair,
            "left_out": self.flawed,
            "cross_section_fb": self.cross_section_fb,
            "cross_section_error_fb": self.cross_section_error_fb,
            "cross_section_from": self.basis,
        }


@dataclass(frozen=True)
class Survey:
    """Flavours and masses of the pairs of one run, to see what it has in common with another."""

    flavors: frozenset[int]
    lowest_gev: float
    highest_gev: float

    @classmethod
    def of(cls, flavors: Sequence[IndexArray], masses: Sequence[FloatArray]) -> Survey:
        """The survey of batches of pairs."""
        m = np.concatenate([*masses, np.empty(0)])
        found = frozenset(int(code) for part in flavors for code in np.unique(part))
        return cls(found, float(m.min()) if len(m) else 0.0, float(m.max()) if len(m) else 0.0)
