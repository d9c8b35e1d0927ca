"""ln L of a hypothesis as a function a sampler can call: one point, one number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays import BoolArray, FloatArray, IndexArray
from ..errors import InputError
from ..likelihood.cls import log_ratios
from ..limits.analyses import DEFAULT_ANALYSES, prepare
from ..limits.verdicts import batch_likelihood
from ..model.card import load_model
from ..model.widths import total_width
from ..model.zprime import ZprimeModel
from ..partons.pdf import DEFAULT_SET
from ..process.hypotheses import GAMMA_OVER_M_MAX, Hypotheses, hypotheses_of
from ..signal.fold import FoldedSearch
from .evaluate import Evaluator, evaluator
from .points import read_points


class DileptonLikelihood:
    """Profiled likelihood of the dilepton spectra for a Z' of given mass, couplings and width.

    ``analyses``: ids, folders, or searches from :func:`zprime_recast.limits.analyses.prepare`. ``model``: what a
    single coupling belongs to; without one the couplings are free. Immutable, so it can be pickled and called from any
    number of threads and processes.
    """

    def __init__(
        self,
        analyses: Sequence[str | FoldedSearch] = DEFAULT_ANALYSES,
        model: str | ZprimeModel | None = None,
        pdf: str = DEFAULT_SET,
        interference: bool = True,
    ) -> None:
        folded = [a for a in analyses if isinstance(a, FoldedSearch)]
        names = [a for a in analyses if not isinstance(a, FoldedSearch)]
        searches = (*folded, *(prepare(names, pdf) if names else ()))
        self._evaluator: Evaluator = evaluator(searches, None if model is None else load_model(model), interference)

    @property
    def loglike_sm(self) -> float:
        """ln L without a Z': Poisson probabilities of all bins and -alpha^2/2 of each nuisance, profiled."""
        return self._evaluator.loglike_sm[""]

    def loglike(self, mass_gev: float, couplings: float | Mapping[str, float], gamma_gev: float | None = None) -> float:
        """ln L of one hypothesis, profiled over all nuisances; -inf where it has none.

        ``couplings``: the coupling of the model, or free ones by name (``g_uL`` ..., see
        :mod:`zprime_recast.scan.points`); ``gamma_gev``: total width in GeV of free couplings, computed from them if
        left out. -inf outside the masses of the searches, for a width above half of the mass, and where interference
        takes more events than are expected.
        """
        given = couplings if isinstance(couplings, Mapping) else np.reshape(couplings, 1)
        return float(self.loglikes([mass_gev], given, None if gamma_gev is None else [gamma_gev])[0])

    def loglikes(
        self,
        mass_gev: Sequence[float] | FloatArray,
        couplings: float | Sequence[float] | FloatArray | Mapping[str, float | Sequence[float] | FloatArray],
        gamma_gev: Sequence[float] | FloatArray | None = None,
    ) -> FloatArray:
        """The same for many hypotheses at once, (n,): for samplers that move walkers together."""
        mass, e = np.atleast_1d(np.asarray(mass_gev, dtype=float)), self._evaluator
        if isinstance(couplings, Mapping):
            found = self._by_name(mass, couplings, gamma_gev)
        elif gamma_gev is not None:
            raise InputError("the width of a model follows from its coupling; set gamma_extra, or use free couplings")
        elif e.model is None:
            raise InputError("without a model the couplings are free: give them by name, as {'g_uL': 0.01, ...}")
        else:
            g = np.asarray(couplings, dtype=float)
            found = self._of_model(e.model, mass, g if g.shape == mass.shape else np.broadcast_to(g, mass.shape))
        values = np.full(len(mass), -np.inf)
        for rows, hypotheses in found:
            if len(rows):
                ratios = log_ratios(batch_likelihood(e.searches, hypotheses, e.interference), e.nulls[""])
                values[rows] = np.where(np.isfinite(ratios), self.loglike_sm + ratios, -np.inf)
        return values

    def _of_model(self, model: ZprimeModel, mass: FloatArray, g: FloatArray) -> Iterator[tuple[IndexArray, Hypotheses]]:
        """Which points are hypotheses, and these."""
        rows = np.nonzero(self._inside(mass) & (g > 0) & (g < np.inf))[0]
        mass, g = mass[rows], g[rows]
        gamma = total_width(model, mass, g)
        if not (sensible := (gamma > 0) & (gamma <= GAMMA_OVER_M_MAX * mass)).all():
            rows, mass, g, gamma = rows[sensible], mass[sensible], g[sensible], gamma[sensible]
        yield rows, hypotheses_of(model, mass, g, gamma)

    def _by_name(
        self, mass: FloatArray, couplings: Mapping[str, Any], gamma_gev: Sequence[float] | FloatArray | None
    ) -> Iterator[tuple[IndexArray, Hypotheses]]:
        """The same of free couplings, or of a model with parameters of its card."""
        given = {"mass_gev": mass, **couplings} | ({} if gamma_gev is None else {"gamma_gev": gamma_gev})
        columns = {name: np.zeros(mass.shape) + np.asarray(values, dtype=float) for name, values in given.items()}
        for rows, points in read_points(columns, self._evaluator.model):
            good = np.nonzero((points.errors == "") & self._inside(mass[rows]))[0]
            yield rows[good], points.hypotheses if len(good) == len(rows) else points.hypotheses.take(good)

    def _inside(self, mass: FloatArray) -> BoolArray:
        low, high = self._evaluator.mass_range_gev
        return np.asarray((mass >= low) & (mass <= high))
