"""Toys of a joint likelihood, drawn once per mass and shared by every command, model and coupling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..io.memo import Memo
from ..likelihood.background_fit import BackgroundFit
from ..likelihood.binned import BinnedLikelihood
from ..likelihood.toy_ensemble import Ensemble, Toys, between, draw_toys, pooled

#: Distance in ln M of the masses toys are drawn for: no wider than the mass resolution.
NODE = 0.02
#: Shares of a number of toys drawn from the background, and from ensembles on the way to a signal (and away from it).
BACKGROUND_SHARE = 0.55
TILTED_SHARES = ((0.5, 0.3), (-0.5, 0.15))
#: Bins with fewer expected events are exact in the fits: where a signal is searched for among many events, its bins
#: have to be among them. Pole mass in GeV up to which, and the number of events.
FEW_EVENTS = ((1000.0, 3e4), (np.inf, 300.0))


def node_of(mass_gev: float) -> int:
    """Number of the mass closest to ``mass_gev`` that toys are drawn for."""
    return round(float(np.log(mass_gev)) / NODE)


@dataclass(eq=False, repr=False)
class SharedToys:
    """Toys for hypotheses near a mass: those of the background, and some drawn towards and away from a resonance.

    Toys depend on the searches, the mass, their number and the seed alone, so that commands agree and no order, chunk
    or number of processes changes a result.
    """

    background: BackgroundFit
    resonance_at: Callable[[float], tuple[BinnedLikelihood, Ensemble]]
    """A resonance of a mass in GeV at its median limit: a likelihood in the searches, and its ensemble."""
    _background_toys: Memo[tuple[int, int, float], Toys] = field(default_factory=lambda: Memo(2))
    _near: Memo[tuple[int, int, int], Toys] = field(default_factory=lambda: Memo(3))

    def near(self, mass_gev: float, n_toys: int, seed: int) -> Toys:
        """The ``n_toys`` toys for hypotheses near a mass.

        They are weighted with the density they were drawn from, so the resonance affects their precision alone.
        """
        node = node_of(mass_gev)
        return self._near.get((node, n_toys, seed), lambda: self._drawn(node, n_toys, seed))

    def _drawn(self, node: int, n_toys: int, seed: int) -> Toys:
        mass = float(np.exp(node * NODE))
        few_below = next(events for highest, events in FEW_EVENTS if mass < highest)
        likelihood, resonance = self.resonance_at(mass)
        parts = [(between(self.background, resonance, share), round(part * n_toys)) for share, part in TILTED_SHARES]
        rng = np.random.default_rng([seed, node])
        tilted = draw_toys(likelihood, self.background, parts, rng, few_below)

        def of_background() -> Toys:
            number = [(None, round(BACKGROUND_SHARE * n_toys))]
            return draw_toys(likelihood, self.background, number, np.random.default_rng([seed, 0]), few_below)

        return pooled([self._background_toys.get((n_toys, seed, few_below), of_background), tilted])
