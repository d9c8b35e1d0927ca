"""The verbs of the package: is a hypothesis excluded, and where is the limit on the coupling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..errors import InputError, LikelihoodError
from ..likelihood.workspace import workspace_of
from ..model.card import load_model
from ..model.widths import first_lepton
from ..model.zprime import ZprimeModel
from ..process.couplings import why_no_rate
from ..process.family import CouplingFamily, coupling_family
from ..process.final_state import LEPTON_PAIRS
from ..process.hypotheses import GAMMA_OVER_M_MAX
from ..searches.search import DEFAULT_ANALYSES
from .analyses import Analyses, AnalysesLike, load_analyses
from .method import Method
from .provenance import Provenance
from .result import CLsResult, FamilyLimits, LimitResult


def cls(
    model: ZprimeModel | str,
    mass_gev: ArrayLike,
    coupling: ArrayLike,
    analyses: AnalysesLike = DEFAULT_ANALYSES,
    interference: bool = True,
    calculator: str | None = None,
    fitter: str = "newton",
    n_toys: int | None = None,
    seed: int = 1,
) -> CLsResult:
    """CLs of hypotheses, all analyses together; for a limit curve, the rate over the limit.

    Arguments:
        model: a model, or the id of a card.
        mass_gev, coupling: mass of the Z' in GeV and coupling; they broadcast to the shape of the result.
        analyses: from :func:`~zprime_recast.limits.analyses.load_analyses`, or ids and folders of analyses.
        interference: with photon and Z.
        calculator: ``toys`` that all hypotheses share (the default for a likelihood), ``asymptotic``, ``plain-toys`` of
            each hypothesis, ``bayes`` (flat prior in the strength of the signal; its posterior beyond strength 1 takes
            the place of CLs) or ``auto`` (toys where the asymptotic CLs is near the border of exclusion).
        fitter: ``newton``, or ``pyhf`` for pyhf's fits of the exact template: the judge, seconds per hypothesis.
        n_toys, seed: number of toys, by default SHARED_TOYS or PLAIN_TOYS of :mod:`zprime_recast.limits.method`, and
            their seed.

    RangeError outside the masses of an analysis, InputError for a width above half of the mass, LikelihoodError where
    there is no verdict.

    >>> import zprime_recast as zr
    >>> bool(zr.cls("ssm", 4000.0, 0.743, "atlas-139fb-dilepton").excluded)
    True
    """
    model, searches = load_model(model), load_analyses(analyses)
    method = Method(interference, calculator, fitter, n_toys, seed)
    family, mass, g = checked_family(model, mass_gev, coupling, searches)
    found = searches.verdicts(family, g.ravel(), method)
    origin = searches.provenance(method).of_model(model)
    for i, text in found.faults:
        raise LikelihoodError(text if mass.ndim == 0 else f"at {mass.ravel()[i]:g} GeV: {text}")
    return CLsResult(
        mass_gev=mass,
        coupling=g,
        cls_observed=found.cls_observed.reshape(mass.shape),
        cls_expected=found.cls_expected.reshape(*mass.shape, 5),
        signal_over_limit_observed=found.signal_over_limit_observed.reshape(mass.shape),
        signal_over_limit_expected=found.signal_over_limit_expected.reshape(mass.shape),
        warnings=tuple(dict.fromkeys((*_no_rate(model, origin), *(text for _, text in found.warnings)))),
        provenance=origin,
    )


def limit(
    model: ZprimeModel | str,
    mass_gev: ArrayLike,
    analyses: AnalysesLike = DEFAULT_ANALYSES,
    interference: bool = True,
    calculator: str | None = None,
    fitter: str = "newton",
    n_toys: int | None = None,
    seed: int = 1,
) -> LimitResult:
    """The coupling at 95 % CL, observed and expected; the width follows the coupling.

    Arguments:
        model: a model, or the id of a card.
        mass_gev: mass of the Z' in GeV, any shape; the result has it.
        analyses: from :func:`~zprime_recast.limits.analyses.load_analyses`, or ids and folders of analyses.
        interference: with photon and Z.
        calculator: ``toys`` that all hypotheses share (the default for a likelihood), ``asymptotic``, ``plain-toys`` of
            each hypothesis, ``bayes`` (flat prior in the strength of the signal; its posterior beyond strength 1 takes
            the place of CLs) or ``auto`` (toys where the asymptotic CLs is near the border of exclusion).
        fitter: ``newton``, or ``pyhf`` for pyhf's fits of the exact template: the judge, seconds per mass.
        n_toys, seed: number of toys, by default SHARED_TOYS or PLAIN_TOYS of :mod:`zprime_recast.limits.method`, and
            their seed.

    RangeError outside the masses of an analysis; LikelihoodError if there is no limit for a reason other than a weak
    signal (for which the limit is NaN).

    >>> import zprime_recast as zr
    >>> limit = zr.limit("elusive_bl", 2000.0, "atlas-139fb-dilepton")
    >>> f"{limit.coupling_95_observed:.3f}"
    '0.019'
    """
    model, searches = load_model(model), load_analyses(analyses)
    mass = checked_positive("mass_gev", mass_gev)
    searches.check_mass(mass)
    family = coupling_family(model, mass.ravel())
    for _, text in family.faults():
        raise InputError(f"model {model.id}: {text}")
    result = coupling_limits(model, family, searches, Method(interference, calculator, fitter, n_toys, seed))
    for at, text in result.errors:
        raise LikelihoodError(text if mass.ndim == 0 else f"at {at:g} GeV: {text}")
    return result.reshaped(mass.shape)


def workspace(
    model: ZprimeModel | str,
    mass_gev: float,
    coupling: float,
    analyses: AnalysesLike = DEFAULT_ANALYSES,
    interference: bool = True,
) -> dict[str, Any]:
    """The pyhf workspace of one hypothesis, a JSON-able dict; its parameter of interest ``mu`` is 1 at the hypothesis.

    Arguments and errors as :func:`cls`; a limit curve has no workspace. It holds the searches that cover the mass.

    >>> import zprime_recast as zr
    >>> sorted(zr.workspace("ssm", 3000.0, 0.1, "atlas-139fb-dilepton"))
    ['channels', 'measurements', 'observations', 'version']
    """
    searches = load_analyses(analyses)
    family, _, g = checked_family(load_model(model), float(mass_gev), float(coupling), searches)
    ((_, used),) = searches.by_coverage(family.mass_gev)
    return workspace_of(used.joint.likelihood(family.at(np.array([0]), g.reshape(1)), interference))


def checked_family(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, analyses: Analyses
) -> tuple[CouplingFamily, FloatArray, FloatArray]:
    """The family of hypotheses, and their masses and couplings, which broadcast.

    RangeError or InputError if one is outside what the analyses or the line shape cover.
    """
    mass, g = np.broadcast_arrays(checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling))
    analyses.check_mass(mass)
    family = coupling_family(model, mass.ravel())
    for _, text in family.faults():
        raise InputError(f"model {model.id}: {text}")
    ratio = family.gamma_gev(np.arange(mass.size), g.ravel()) / mass.ravel()
    wide = np.nonzero(ratio > GAMMA_OVER_M_MAX)[0]
    if len(wide):
        raise InputError(
            f"Gamma/M = {ratio[wide[0]]:.2f} at coupling {g.ravel()[wide[0]]:g}: above {GAMMA_OVER_M_MAX} a "
            "fixed-width line shape means nothing; use a smaller coupling"
        )
    return family, mass, g


def coupling_limits(
    model: ZprimeModel,
    family: CouplingFamily,
    analyses: Analyses,
    method: Method | None = None,
    without_theory: bool = False,
) -> LimitResult:
    """g_95 of a model at the masses of its family (n,); families without a limit are in ``errors``.

    ``without_theory``: also the observed limit without the uncertainties of the luminosities.
    """
    method = method or Method()
    return limit_result(model, family, analyses, method, analyses.limits(family, method, without_theory))


def limit_result(
    model: ZprimeModel, family: CouplingFamily, analyses: Analyses, method: Method, found: FamilyLimits
) -> LimitResult:
    """Limits on the coupling of a model as a result with rates, widths and provenance."""
    n = len(family.mass_gev)
    rows = np.arange(n)
    found.x_95[[i for i, _ in found.faults]] = np.nan
    lumi, lepton = analyses.luminosities, first_lepton(family.partial_over_g2_gev)
    g = np.where(np.isfinite(found.x_95), found.x_95, 1.0)
    every = np.repeat(rows, 6)
    sigma = family.sigma_br_fb(every, g.ravel(), lumi, (lepton,)).reshape(n, 6)
    sigma = np.where(np.isfinite(found.x_95), sigma, np.nan)
    width = np.where(np.isfinite(found.x_95[:, 0]), family.gamma_gev(rows, g[:, 0]) / family.mass_gev, np.nan)
    mass, origin = family.mass_gev, analyses.provenance(method).of_model(model)
    no_rate = ((float(mass[0]), text) for text in _no_rate(model, origin))
    return LimitResult(
        mass_gev=mass,
        coupling_95_observed=found.x_95[:, 0],
        coupling_95_expected=found.x_95[:, 1:],
        sigma_br_95_observed_fb=sigma[:, 0],
        sigma_br_95_expected_fb=sigma[:, 1:],
        sigma_br_flavor=LEPTON_PAIRS[lepton].name,
        sigma_br_sqrt_s_gev=lumi.sqrt_s_gev,
        gamma_over_m_observed=width,
        coupling_max=found.largest,
        coupling_max_reason=found.largest_because,
        errors=tuple((float(mass[i]), text) for i, text in found.faults),
        warnings=(*no_rate, *((float(mass[i]), text) for i, text in (*found.islands, *found.warnings))),
        crossings_observed=found.crossings_observed,
        coupling_95_observed_no_theory=found.no_theory,
        reference_coupling=model.reference_coupling,
        analyses_used=analyses.used_at(mass),
        provenance=origin,
    )


def _no_rate(model: ZprimeModel, origin: Provenance) -> tuple[str, ...]:
    """Why a model has no signal at any coupling; likelihoods look for electrons and muons."""
    return why_no_rate(model, ("e", "mu") if origin.kind == "likelihood" else ())
