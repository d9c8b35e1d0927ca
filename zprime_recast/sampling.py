"""ln L of a hypothesis as a function a sampler can call: one point, one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .batch import batch_likelihood
from .batch_cls import log_ratios
from .batch_template import Hypotheses
from .cards import FloatArray
from .errors import InputError
from .evaluate import Evaluator, evaluator
from .limits import DEFAULT_ANALYSES, prepare
from .model import ZprimeModel
from .model_card import load_model
from .pdf import DEFAULT_SET
from .points import read_points
from .template import FoldedSearch


class DileptonLikelihood:
    """Profiled likelihood of the dilepton spectra for a Z' of given mass, couplings and width.

    ``analyses``: ids, folders, or searches from :func:`zprime_recast.limits.prepare`. ``model``: what a single coupling
    belongs to; without one the couplings are free. Immutable, so it can be pickled and called from any number of
    threads and processes.
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

        ``couplings``: the coupling of the model, or free ones by name (``g_uL`` ..., see :mod:`zprime_recast.points`);
        ``gamma_gev``: total width in GeV of free couplings, computed from them if left out. -inf outside the masses of
        the searches, for a width above half of the mass, and where interference takes more events than are expected.
        """
        return float(self.loglikes([mass_gev], couplings, None if gamma_gev is None else [gamma_gev])[0])

    def loglikes(
        self,
        mass_gev: Sequence[float] | FloatArray,
        couplings: float | Sequence[float] | FloatArray | Mapping[str, float | Sequence[float] | FloatArray],
        gamma_gev: Sequence[float] | FloatArray | None = None,
    ) -> FloatArray:
        """The same for many hypotheses at once, (n,): for samplers that move walkers together."""
        mass = np.atleast_1d(np.asarray(mass_gev, dtype=float))
        columns = {"mass_gev": mass}
        if isinstance(couplings, Mapping):
            columns |= {k: np.broadcast_to(np.asarray(v, dtype=float), mass.shape) for k, v in couplings.items()}
            if gamma_gev is not None:
                columns["gamma_gev"] = np.broadcast_to(np.asarray(gamma_gev, dtype=float), mass.shape)
        else:
            if gamma_gev is not None:
                raise InputError(
                    "the width of a model follows from its coupling; set gamma_extra, or use free couplings"
                )
            columns["coupling"] = np.broadcast_to(np.asarray(couplings, dtype=float), mass.shape)
        values = np.full(len(mass), -np.inf)
        for rows, points in read_points(columns, self._evaluator.model):
            good = points.errors == ""
            for folded in self._evaluator.searches:
                low, high = folded.search.mass_range_gev
                good &= (points.hypotheses.mass_gev >= low) & (points.hypotheses.mass_gev <= high)
            if good.any():
                values[rows[good]] = self._of(points.hypotheses.take(np.nonzero(good)[0]))
        return values

    def _of(self, hypotheses: Hypotheses) -> FloatArray:
        e = self._evaluator
        likelihood = batch_likelihood(e.searches, hypotheses, e.interference)
        ratios = log_ratios(likelihood, e.nulls[""])
        return np.where(np.isfinite(ratios), self.loglike_sm + ratios, -np.inf)
