"""Searches with a likelihood, taken together: verdicts on hypotheses and limits of families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import FloatArray, IndexArray
from ..errors import InputError, LikelihoodError
from ..io.threads import one_blas_thread
from ..likelihood.asymptotics import unprofiled_statistic
from ..likelihood.background_fit import BackgroundFit, background_likelihood, fit_background
from ..likelihood.binned import BinnedLikelihood, Layouts, binned_likelihood
from ..likelihood.cls import Tested, asymptotic_cls, log_ratios
from ..likelihood.pyhf_fit import pyhf_background, pyhf_cls
from ..likelihood.toy_ensemble import Ensemble
from ..likelihood.toy_statistic import fitted
from ..likelihood.workspace import workspace_of
from ..model.card import load_model
from ..process.family import Family, coupling_family
from ..process.hypotheses import Hypotheses
from ..signal.fold import FoldedSearch
from ..signal.reference import exact_templates
from ..signal.template import templates
from .calculate import CALCULATE
from .crossings import CLsCurves
from .families import family_limits
from .method import CALCULATORS, Method
from .result import FamilyLimits, Verdicts
from .shared_toys import SharedToys

#: Hypotheses worked on together: what they need stays in the cache of a processor.
CHUNK = 512
#: Coupling over the largest one of a resonance that has no median limit.
TOP = 0.999


@dataclass(frozen=True, eq=False, repr=False)
class JointLikelihood:
    """The likelihood of all bins of some searches; one name is one nuisance in all of them."""

    folded: tuple[FoldedSearch, ...]
    theory: bool = True
    """Whether the uncertainties of the luminosities, where the searches have them, are nuisances."""
    _alone: dict[str, JointLikelihood] = field(default_factory=dict)

    kind = "likelihood"

    def __post_init__(self) -> None:
        ids = [f.search.id for f in self.folded]
        if not ids or len(set(ids)) != len(ids):
            raise InputError(f"one or more different analyses are needed, found {', '.join(ids) or 'none'}")

    @property
    def published_masses_gev(self) -> None:
        """None: limits are computed at any mass."""
        return None

    def used(self, method: Method) -> Method:
        """The method with its calculator, by default ``toys``; InputError for one that cannot be used."""
        method = method.resolved("toys")
        method.only("a verdict on a model", ("asymptotic", "pyhf"), *((name, "newton") for name in CALCULATORS))
        return method

    def verdicts(self, family: Family, which: IndexArray, x: FloatArray, method: Method) -> Verdicts:
        """CLs of the members ``which`` (n,) at x (n,)."""
        found = self.tested(family.at(which, x), self.used(method))
        nan = np.full(len(which), np.nan)
        again = tuple((int(i), "fitted with pyhf") for i in np.nonzero(found.recomputed)[0])
        return Verdicts(
            cls_observed=found.cls_observed,
            cls_expected=found.cls_expected,
            signal_over_limit_observed=nan,
            signal_over_limit_expected=nan,
            log_ratio=found.log_ratio,
            faults=found.faults,
            warnings=(*found.warnings, *again),
            calculator_used=found.calculator_used,
        )

    def limits(self, family: Family, method: Method, without_theory: bool = False) -> FamilyLimits:
        """The x of each family where CLs falls through 0.05."""
        return family_limits(self, family, self.used(method), without_theory)

    def tested(self, hypotheses: Hypotheses, method: Method) -> Tested:
        """CLs of hypotheses (n,) with the calculator and the fitter of a resolved method."""
        if method.fitter == "pyhf":
            return self.judge(hypotheses, method.interference)
        return CALCULATE[method.calculator or ""](self, hypotheses, method)

    def _fitted_by(self, fitter: str) -> Callable[[Hypotheses, bool], Tested]:
        return {"newton": self.test, "pyhf": self.judge}[fitter]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_layouts", "shared_toys")}

    @cached_property
    def _layouts(self) -> Layouts:
        return Layouts()

    @cached_property
    def background(self) -> BackgroundFit:
        """The fit without a signal."""
        with one_blas_thread():
            return fit_background(background_likelihood([f.search for f in self.folded], layouts=self._layouts))

    @cached_property
    def shared_toys(self) -> SharedToys:
        """The toys that all hypotheses in these searches share."""
        return SharedToys(self.background, self._resonance_at)

    def _resonance_at(self, mass_gev: float) -> tuple[BinnedLikelihood, Ensemble]:
        """The Z'_SSM of a mass at its median limit, as a likelihood and the ensemble of its fit."""
        family = coupling_family(load_model("ssm"), mass_gev)
        found = family_limits(self, family, Method(calculator="asymptotic"))
        coupling = found.x_95[:, 3]
        coupling = np.where(np.isfinite(coupling), coupling, TOP * found.largest)
        likelihood = self.likelihood(family.at(np.array([0]), coupling))
        return likelihood, fitted(likelihood, self.background)[0].ensemble

    @cached_property
    def without_theory(self) -> JointLikelihood:
        """A likelihood of these searches without the uncertainties of the luminosities."""
        return JointLikelihood(self.folded, False)

    def alone(self, search_id: str) -> JointLikelihood:
        """The likelihood of one of the searches."""
        if len(self.folded) == 1 and self.folded[0].search.id == search_id:
            return self
        if search_id not in self._alone:
            one = tuple(f for f in self.folded if f.search.id == search_id)
            self._alone[search_id] = JointLikelihood(one, self.theory)
        return self._alone[search_id]

    def likelihood(self, hypotheses: Hypotheses, interference: bool = True) -> BinnedLikelihood:
        """The likelihood of hypotheses (n,)."""
        signals = templates(self.folded, hypotheses, interference, theory=self.theory)
        return binned_likelihood(signals, self._layouts)

    def exact_likelihood(self, hypotheses: Hypotheses, interference: bool = True) -> BinnedLikelihood:
        """The likelihood of hypotheses (n,) from the exact template, which is slow and judges :meth:`likelihood`."""
        return binned_likelihood(exact_templates(self.folded, hypotheses, interference, theory=self.theory))

    def test(self, hypotheses: Hypotheses, interference: bool = True) -> Tested:
        """Asymptotic CLs of hypotheses (n,).

        Rows do not depend on each other. They are evaluated in the order of their masses, which is fastest.
        """
        n = len(hypotheses.mass_gev)
        order = np.argsort(hypotheses.mass_gev, kind="stable")
        arrays: dict[str, Any] = {}
        texts: tuple[list[tuple[int, str]], ...] = ([], [])
        background = self.background
        with one_blas_thread():
            for first in range(0, max(n, 1), CHUNK):
                rows = order[first : first + CHUNK]
                part = asymptotic_cls(self.likelihood(hypotheses.take(rows), interference), background)
                for name in ("cls_observed", "cls_expected", "q_observed", "q_asimov", "log_ratio", "recomputed"):
                    values = getattr(part, name)
                    arrays.setdefault(name, np.empty((n, *values.shape[1:]), values.dtype))[rows] = values
                for found, ours in zip(texts, (part.faults, part.warnings), strict=True):
                    found += [(int(rows[k]), text) for k, text in ours]
        faults, warnings = (tuple(sorted(found)) for found in texts)
        return Tested(**arrays, faults=faults, warnings=warnings, calculator_used=("asymptotic",) * n)

    def judge(self, hypotheses: Hypotheses, interference: bool = True) -> Tested:
        """Asymptotic CLs of hypotheses (n,) from the exact template and pyhf's fits, which take seconds each."""
        likelihood = self.exact_likelihood(hypotheses, interference)
        n = len(likelihood.signal)
        q_observed, q_asimov, observed = np.full((3, n), np.nan)
        expected = np.full((n, 5), np.nan)
        faults = dict(likelihood.faults)
        for i in range(n):
            if i in faults:
                continue
            try:
                workspace = workspace_of(likelihood, i)
                found = pyhf_cls(workspace, background_fit=self._pyhf_background(workspace))
            except LikelihoodError as err:
                faults[i] = str(err)
                continue
            q_observed[i], q_asimov[i], observed[i] = found.q_observed, found.q_asimov, found.cls_observed
            expected[i] = found.cls_expected
        # pyhf's fits give no ln L without the signal
        no_ratio, none = np.full(n, np.nan), np.zeros(n, dtype=bool)
        faulty = tuple(sorted(faults.items()))
        used = ("asymptotic",) * n
        return Tested(observed, expected, q_observed, q_asimov, no_ratio, none, faulty, likelihood.warnings, used)

    def _pyhf_background(self, workspace: dict[str, Any]) -> list[float]:
        if "pyhf" not in self._judged:
            self._judged["pyhf"] = pyhf_background(workspace)
        return self._judged["pyhf"]

    @cached_property
    def _judged(self) -> dict[str, list[float]]:
        return {}

    def log_ratios(self, hypotheses: Hypotheses, interference: bool = True) -> FloatArray:
        """ln L(hypothesis) - ln L(Standard Model), both profiled, (n,); NaN for a hypothesis without a likelihood."""
        background = self.background
        with one_blas_thread():
            parts = [
                log_ratios(self.likelihood(hypotheses.take(slice(first, first + CHUNK)), interference), background)
                for first in range(0, len(hypotheses.mass_gev), CHUNK)
            ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def bound(self, hypotheses: Hypotheses, interference: bool = True) -> FloatArray:
        """Asimov statistic of hypotheses (n,) with every nuisance fixed, without a fit."""
        total = np.zeros(len(hypotheses.mass_gev))
        with one_blas_thread():
            for signal in templates(self.folded, hypotheses, interference, changes=False):
                for name, events in signal.yields.items():
                    total += unprofiled_statistic(events, signal.search.channel(name).bkg)
        return total

    def curves(self, family: Family, interference: bool = True, fitter: str = "newton") -> CLsCurves:
        """The curves of a family for :func:`zprime_recast.limits.crossings.crossings`."""

        def tested(which: IndexArray, x: FloatArray) -> Tested:
            return self._fitted_by(fitter)(family.at(which, x), interference)

        def bound(which: IndexArray, x: FloatArray) -> FloatArray:
            return self.bound(family.at(which, x), interference)

        return CLsCurves(tested, bound)
