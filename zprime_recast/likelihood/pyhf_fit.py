"""CLs of a workspace, fitted with pyhf.

The statistic is the one-sided profile statistic q~_mu with its asymptotic distributions (Cowan, Cranmer, Gross,
Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727). Expected values are given at -2, -1, 0, 1, 2 standard
deviations.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import LikelihoodError
from .asymptotics import cls_of, unprofiled_statistic


@dataclass(frozen=True)
class PyhfCLs:
    """CLs of one hypothesis, observed and expected at -2, -1, 0, 1, 2 standard deviations, and its statistics."""

    q_observed: float
    q_asimov: float
    cls_observed: float
    cls_expected: tuple[float, ...]


def pyhf_cls(workspace: Mapping[str, Any], mu: float = 1.0, background_fit: Sequence[float] | None = None) -> PyhfCLs:
    """CLs of signal strength ``mu`` in a workspace of :func:`~zprime_recast.likelihood.workspace.build_workspace`.

    ``background_fit`` are the parameters of the fit at mu = 0 from :func:`pyhf_background`, which do not depend on the
    signal; they are fitted if left out. A signal too large for the minimiser, with a CLs far too small to matter, gets
    the CLs of a weaker signal that is excluded with CLs < 1e-6, which is an upper bound. LikelihoodError if the fit
    fails otherwise, or if ``mu`` is above the bound of the workspace.
    """
    if mu > _measurement(workspace)["parameters"][0]["bounds"][0][1]:
        raise LikelihoodError(f"signal strength {mu:g} is too large to keep every bin positive; use a smaller one")
    signal = _events(workspace, "signal")
    if unprofiled_statistic(mu * signal, _events(workspace, "background")) < 1e-9:
        return PyhfCLs(0.0, 0.0, 1.0, (1.0,) * 5)
    null = background_fit if background_fit is not None else pyhf_background(workspace)
    result, failure = _asymptotic_cls(workspace, mu, null)
    weaker = 1.0
    while result is None:
        weaker /= 10
        if (signal < 0).any() or weaker * mu * signal.sum() < 10:
            raise LikelihoodError(f"the fit did not converge: {failure}")
        result, _ = _asymptotic_cls(_with_signal_scaled(workspace, weaker), mu, null)
        if result is not None and max(result.cls_observed, *result.cls_expected) > 1e-6:
            raise LikelihoodError(f"the fit did not converge: {failure}")
    return result


def pyhf_background(workspace: Mapping[str, Any]) -> list[float]:
    """Parameters of the fit to the data at mu = 0, in the order of pyhf; all signals in the same searches share them.

    LikelihoodError if the fit does not converge.
    """
    import pyhf

    model, data = _pyhf_model(_with_signal_scaled(workspace, 0.0))
    with np.errstate(all="ignore"), _quiet("pyhf.optimize.mixins"):
        try:
            return [float(p) for p in pyhf.infer.mle.fixed_poi_fit(0.0, data, model)]
        except pyhf.exceptions.FailedMinimization as err:
            raise LikelihoodError(f"the fit of the background did not converge: {str(err).splitlines()[0]}") from None


def _pyhf_model(workspace: Mapping[str, Any]) -> tuple[Any, list[float]]:
    """Model and data of a workspace, as from pyhf.Workspace(workspace), without validation of our own output."""
    import pyhf

    measurement = _measurement(workspace)
    spec = {"channels": workspace["channels"], "parameters": measurement["parameters"]}
    model = pyhf.Model(spec, poi_name=measurement["poi"], validate=False)
    counts = {observation["name"]: observation["data"] for observation in workspace["observations"]}
    return model, [*(n for channel in model.config.channels for n in counts[channel]), *model.config.auxdata]


def _asymptotic_cls(
    workspace: Mapping[str, Any], mu: float, background_fit: Sequence[float]
) -> tuple[PyhfCLs | None, str]:
    """CLs from three pyhf fits, or None and the reason why a fit failed.

    This is pyhf.infer.hypotest(..., test_stat="qtilde") without those two of its five fits whose results are known: the
    fit to the data at mu = 0, and the free fit to the Asimov data made from it. Source: arXiv:1007.1727, eqs. (16) and
    (59)-(66), with CLs = CL_sb/CL_b.
    """
    from pyhf.exceptions import FailedMinimization
    from pyhf.infer.mle import fit, fixed_poi_fit, twice_nll

    model, data = _pyhf_model(workspace)
    null = list(background_fit)
    null[model.config.poi_index] = 0.0
    asimov = [float(n) for n in model.expected_data(null)]
    failure = ""
    with np.errstate(all="ignore"), _quiet("pyhf.optimize.mixins"):
        for start in (null, model.config.suggested_init()):
            at_null, half = list(start), list(start)
            half[model.config.poi_index] = 0.5 * mu
            try:
                _, fixed = fixed_poi_fit(mu, data, model, at_null, return_fitted_val=True)
                best, free = fit(data, model, half, return_fitted_val=True)
                _, fixed_asimov = fixed_poi_fit(mu, asimov, model, at_null, return_fitted_val=True)
            except FailedMinimization as err:
                failure = str(err).splitlines()[0]
                continue
            free = min(float(free), float(np.squeeze(twice_nll(null, data, model))))  # the free fit may end at mu = 0
            q = max(float(fixed) - free, 0.0) if float(best[model.config.poi_index]) <= mu else 0.0
            q_asimov = max(float(fixed_asimov) - float(np.squeeze(twice_nll(null, asimov, model))), 0.0)
            if np.isfinite([q, q_asimov]).all():
                return _result(q, q_asimov), ""
            failure = "the likelihood is not a number"
    return None, failure


def _result(q: float, q_asimov: float) -> PyhfCLs:
    observed, expected = cls_of(np.array([q]), np.array([q_asimov]))
    return PyhfCLs(float(q), float(q_asimov), float(observed[0]), tuple(expected[0].tolist()))


def _with_signal_scaled(workspace: Mapping[str, Any], factor: float) -> dict[str, Any]:
    def scaled(sample: dict[str, Any]) -> dict[str, Any]:
        return {**sample, "data": [factor * n for n in sample["data"]]} if sample["name"] == "signal" else sample

    channels = [{**c, "samples": [scaled(s) for s in c["samples"]]} for c in workspace["channels"]]
    return {**workspace, "channels": channels}


def _measurement(workspace: Mapping[str, Any]) -> dict[str, Any]:
    (measurement,) = workspace["measurements"]
    config: dict[str, Any] = measurement["config"]
    return config


def _events(workspace: Mapping[str, Any], sample: str) -> FloatArray:
    return np.array([s["data"][0] for c in workspace["channels"] for s in c["samples"] if s["name"] == sample])


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Silence a logger for failures that are handled here."""
    log = logging.getLogger(logger)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
