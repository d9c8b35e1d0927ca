"""ln L of a hypothesis as a function that a sampler can call: one number per point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays import BoolArray, FloatArray, IndexArray
from ..errors import InputError, UnknownName
from ..limits.analyses import AnalysesLike, load_analyses
from ..model.card import load_model
from ..model.widths import total_width
from ..model.zprime import GAMMA_EXTRA, ZprimeModel
from ..partons.pdf import DEFAULT_SET
from ..process.hypotheses import GAMMA_OVER_M_MAX, Hypotheses, hypotheses_of
from ..searches.search import DEFAULT_ANALYSES
from .points import FREE_COUPLINGS, carried_columns, read_points

_Values = float | Sequence[float] | FloatArray


class Likelihood:
    """The profiled likelihood of the dilepton spectra for a Z' of given mass, couplings and width.

    Arguments:
        analyses: from :func:`~zprime_recast.limits.analyses.load_analyses`, or ids and folders of analyses.
        model: a model or its id; None for free couplings.
        pdf: name of the PDF set to fold the analyses with, unless they are loaded already.
        interference: include the interference with photon and Z.

    It is immutable: it can be pickled, and called from any number of threads and processes. InputError for a limit
    curve, which has no likelihood.

    >>> import zprime_recast as zr
    >>> likelihood = zr.Likelihood("atlas-139fb-dilepton", model="ssm")
    >>> likelihood.loglike(3000.0, 0.7) < likelihood.loglike_sm
    True
    """

    def __init__(
        self,
        analyses: AnalysesLike = DEFAULT_ANALYSES,
        model: str | ZprimeModel | None = None,
        pdf: str = DEFAULT_SET,
        interference: bool = True,
    ) -> None:
        self._analyses = load_analyses(analyses, pdf)
        self._joint = self._analyses.joint
        self._model = None if model is None else load_model(model)
        self._interference = interference
        _ = self._joint.background

    def __repr__(self) -> str:
        model = "free couplings" if self._model is None else self._model.id
        return f"Likelihood({model}; {', '.join(self._analyses.ids)})"

    @property
    def loglike_sm(self) -> float:
        """Profiled ln L without a Z': the Poisson probabilities of all bins, and -alpha^2/2 for each nuisance."""
        return float(self._joint.background.loglike)

    def loglike(self, mass_gev: float, couplings: float | Mapping[str, float], gamma_gev: float | None = None) -> float:
        """Compute ln L of one hypothesis, profiled over all nuisances; -inf where there is no likelihood.

        Arguments:
            mass_gev: mass of the Z' in GeV.
            couplings: the coupling of the model; or a mapping by name, either of free couplings (``g_uL`` ..., see
                :mod:`zprime_recast.scan.points`) or of ``coupling`` and parameters of the card.
            gamma_gev: total width in GeV, for free couplings only; computed from them if left out.

        A search whose mass range ends contributes the ln L of the Standard Model beyond it, so that all values are of
        the same data. There is no likelihood where no search covers the mass, for a width above half the mass, and
        where destructive interference makes the expected events of a bin negative. UnknownName for an unknown coupling
        or parameter, InputError for a width given with a model.
        """
        given = couplings if isinstance(couplings, Mapping) else np.reshape(couplings, 1)
        return float(self.loglikes([mass_gev], given, None if gamma_gev is None else [gamma_gev])[0])

    def loglikes(
        self,
        mass_gev: Sequence[float] | FloatArray,
        couplings: _Values | Mapping[str, _Values],
        gamma_gev: Sequence[float] | FloatArray | None = None,
    ) -> FloatArray:
        """Compute ln L of many hypotheses at once, (n,), for samplers that move walkers together.

        Arguments and errors as for :meth:`loglike`; each value is one number for all hypotheses or has shape (n,).
        """
        mass = np.atleast_1d(np.asarray(mass_gev, dtype=float))
        if isinstance(couplings, Mapping):
            found = self._by_name(mass, couplings, gamma_gev)
        elif gamma_gev is not None:
            raise InputError("the width of a model follows from its coupling: set gamma_extra, or use free couplings")
        elif self._model is None:
            raise InputError("without a model the couplings are free: give them by name, e.g. {'g_uL': 0.01, ...}")
        else:
            g = np.asarray(couplings, dtype=float)
            found = self._of_model(self._model, mass, g if g.shape == mass.shape else np.broadcast_to(g, mass.shape))
        values = np.full(len(mass), -np.inf)
        for rows, hypotheses in found:
            if len(rows):
                ratios = self._analyses.log_ratios(hypotheses, self._interference)
                values[rows] = np.where(np.isfinite(ratios), self.loglike_sm + ratios, -np.inf)
        return values

    def _of_model(self, model: ZprimeModel, mass: FloatArray, g: FloatArray) -> Iterator[tuple[IndexArray, Hypotheses]]:
        """Indices of the valid points, and their hypotheses."""
        rows = np.nonzero(self._inside(mass) & (g > 0) & (g < np.inf))[0]
        mass, g = mass[rows], g[rows]
        gamma = total_width(model, mass, g)
        if not (sensible := (gamma > 0) & (gamma <= GAMMA_OVER_M_MAX * mass)).all():
            rows, mass, g, gamma = rows[sensible], mass[sensible], g[sensible], gamma[sensible]
        yield rows, hypotheses_of(model, mass, g, gamma)

    def _by_name(
        self, mass: FloatArray, couplings: Mapping[str, Any], gamma_gev: Sequence[float] | FloatArray | None
    ) -> Iterator[tuple[IndexArray, Hypotheses]]:
        """Indices of the valid points, and their hypotheses, from couplings and parameters by name."""
        given = {"mass_gev": mass, **couplings} | ({} if gamma_gev is None else {"gamma_gev": gamma_gev})
        for unknown in carried_columns(list(given), self._model):
            own = ("coupling", *self._model.parameters) if self._model is not None else (*FREE_COUPLINGS, GAMMA_EXTRA)
            raise UnknownName("coupling or parameter", unknown, own)
        columns = {name: np.zeros(mass.shape) + np.asarray(values, dtype=float) for name, values in given.items()}
        inside = self._inside(mass)
        groups, _ = read_points(columns, self._model, lambda _: np.where(inside, "", "outside"))
        for points in groups:
            yield points.rows, points.hypotheses

    def _inside(self, mass: FloatArray) -> BoolArray:
        return np.asarray(self._analyses.covers(mass).any(axis=0))
