"""Turn the fields of the page into results: the numbers of the commands ``widths``, ``xsec`` and ``cls``.

The numbers agree to the last digit, because the page calls the same functions.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import FloatArray, Quiet, checked_number
from ..errors import InputError, LikelihoodError, UnknownName
from ..likelihood.asymptotics import CLS_EXCLUDED
from ..limits.analyses import Analyses, load_analyses
from ..limits.hypothesis import checked_family
from ..limits.method import Method
from ..limits.provenance import Provenance
from ..model.widths import first_lepton
from ..model.zprime import ZprimeModel
from ..partons.n3lo import checked_order
from ..process.cross_section import CrossSection, cross_section
from ..process.final_state import LEPTON_PAIRS
from ..searches.search import PreparedSearch
from ..signal.template import templates
from .card import ModelCard


@dataclass(frozen=True)
class Settings:
    """The settings of an evaluation, apart from the point itself."""

    analyses: tuple[str, ...]
    pdf_set: str
    order: str
    theory: bool = True
    """Include PDF and scale uncertainties as nuisances."""
    interference: bool = True
    """Include the interference with photon and Z."""


@dataclass(frozen=True)
class State:
    """The fields of the page: each value is valid on its own, though the point may still have no result."""

    card: ModelCard
    mass_gev: float
    coupling: float
    settings: Settings
    parameters: Mapping[str, float]
    """Values that differ from the defaults of the card."""

    @cached_property
    def model(self) -> ZprimeModel:
        """The model with its parameters."""
        return self.card.model.with_parameters(self.parameters)

    def changed(self, field: str, value: Any) -> State:
        """A copy with one field changed.

        ``field`` is ``mass``, ``coupling``, ``pdf``, ``order``, ``analyses``, ``theory``, ``interference``, ``card``
        (its text), ``parameter:NAME`` or ``charge:PATH``. UnknownName for any other field, InputError or CardError for
        an invalid value.
        """
        kind, _, name = field.partition(":")
        if kind == "mass":
            return replace(self, mass_gev=checked_number("mass", value, above=0.0))
        if kind == "coupling":
            return replace(self, coupling=checked_number("coupling", value, above=0.0))
        if kind == "parameter":
            known = self.card.model.parameters
            number = checked_number(name, value, low=known[name].low if name in known else 0.0)
            changed = replace(self, parameters={**self.parameters, name: number})
            changed.model.parameter(name)
            return changed
        if kind in ("charge", "card"):
            card = self.card.with_charge(name, str(value)) if kind == "charge" else self.card.with_text(str(value))
            kept = {p: v for p, v in self.parameters.items() if p in card.model.parameters}
            return replace(self, card=card, parameters=kept)
        return replace(self, settings=_changed_settings(self.settings, kind, value))

    def command(self, verb: str = "cls") -> str:
        """The command that computes this point."""
        s = self.settings
        words = ["zprime-recast", verb, self.card.name, "--mass", f"{self.mass_gev:.12g}"]
        words += ["--coupling", f"{self.coupling:.12g}"]
        for name, number in self.parameters.items():
            words += ["--set", f"{name}={number:.12g}"]
        for analysis in s.analyses:
            words += ["--analysis", analysis]
        words += ["--pdf", s.pdf_set, "--order", s.order]
        words += [] if s.theory else ["--no-theory-uncertainty"]
        words += [] if s.interference else ["--no-interference"]
        return shlex.join(words)


def _changed_settings(settings: Settings, kind: str, value: Any) -> Settings:
    if kind == "analyses":
        if not value:
            raise InputError("choose at least one analysis")
        return replace(settings, analyses=tuple(value))
    if kind == "theory":
        return replace(settings, theory=bool(value))
    if kind == "interference":
        return replace(settings, interference=bool(value))
    if kind == "pdf":
        return replace(settings, pdf_set=str(value))
    if kind == "order":
        return replace(settings, order=checked_order(str(value)))
    raise UnknownName("field", kind, ("mass", "coupling", "analyses", "theory", "interference", "pdf", "order", "card"))


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(Quiet):
    """Events per bin (n,) in one channel; edges (n + 1,) in GeV."""

    analysis: str
    label: str
    channel: str
    edges_gev: FloatArray
    n_obs: FloatArray
    background: FloatArray
    signal: FloatArray
    """Negative where interference is destructive."""


@dataclass(frozen=True)
class PointResult:
    """All results for a point."""

    state: State
    sigma: CrossSection
    """Cross-section, with the widths in it."""
    cls_observed: float
    cls_expected: tuple[float, ...]
    """CLs expected at -2, -1, 0, 1, 2 standard deviations."""
    spectra: tuple[Spectrum, ...]
    warnings: tuple[str, ...]
    provenance: Provenance

    @property
    def excluded(self) -> bool:
        """Whether the point is excluded at 95 % CL, observed."""
        return self.cls_observed < CLS_EXCLUDED


class Bench:
    """Evaluates points; the analyses are loaded once for each choice of settings."""

    def __init__(self) -> None:
        self._prepared: dict[Settings, Analyses] = {}
        self._folded: dict[tuple[str, str, str, bool], PreparedSearch] = {}
        self._lock = threading.Lock()

    def is_ready(self, settings: Settings) -> bool:
        """Whether the analyses for these settings are loaded, so that a point takes milliseconds."""
        return settings in self._prepared

    def prepared(self, settings: Settings) -> Analyses:
        """The analyses for some settings, loaded in a few seconds the first time.

        Errors as for :func:`~zprime_recast.limits.analyses.load_analyses`.
        """
        with self._lock:
            if settings not in self._prepared:
                self._prepared[settings] = self._prepare(settings)
            return self._prepared[settings]

    def _prepare(self, settings: Settings) -> Analyses:
        for analysis in settings.analyses:
            key = (analysis, settings.pdf_set, settings.order, settings.theory)
            if key not in self._folded:
                loaded = load_analyses(analysis, settings.pdf_set, order=settings.order, theory=settings.theory)
                self._folded[key] = loaded[0]
        keys = ((analysis, settings.pdf_set, settings.order, settings.theory) for analysis in settings.analyses)
        analyses = Analyses(tuple(self._folded[key] for key in keys))
        _ = analyses.joint.background
        return analyses

    def evaluate(self, state: State) -> PointResult:
        """Compute all results for a point; InputError or LikelihoodError where it has none."""
        searches, method = self.prepared(state.settings), Method(state.settings.interference)
        model, mass, g = state.model, state.mass_gev, state.coupling
        searches.check_mass(mass)
        family, _, _ = checked_family(model, mass, g, searches)
        sigma = cross_section(model, mass, g, searches.luminosities, lepton=first_lepton(family.partial_over_g2_gev))
        found = searches.verdicts(family, np.array([g]), method)
        for _, message in found.faults:
            raise LikelihoodError(message)
        hypotheses = family.at(np.array([0]), np.array([g]))
        spectra = []
        ((_, used),) = searches.by_coverage(hypotheses.mass_gev)
        for signal in templates(used.joint.folded, hypotheses, method.interference, changes=False):
            for channel in signal.search.channels:
                spectra.append(
                    Spectrum(
                        signal.search.id,
                        signal.search.label,
                        channel.name,
                        channel.edges_gev,
                        channel.n_obs,
                        channel.bkg,
                        signal.yields[channel.name][0],
                    )
                )
        warnings = (*sigma.warnings, *(text for _, text in found.warnings))
        return PointResult(
            state=state,
            sigma=sigma,
            cls_observed=float(found.cls_observed[0]),
            cls_expected=tuple(found.cls_expected[0].tolist()),
            spectra=tuple(spectra),
            warnings=tuple(dict.fromkeys(warnings)),
            provenance=searches.provenance(method).of_model(model),
        )


def point_json(result: PointResult) -> dict[str, Any]:
    """Results as JSON-able values, with the keys of the commands ``widths``, ``xsec`` and ``cls``."""
    state, sigma = result.state, result.sigma
    widths = sigma.widths
    return {
        "model": state.card.name,
        "mass_gev": state.mass_gev,
        "coupling": state.coupling,
        "parameters": {name: p.value for name, p in state.model.parameters.items()},
        "charges": state.card.charges(),
        "gamma_gev": float(widths.total_gev),
        "partial_widths_gev": {name: float(w) for name, w in widths.partial_gev.items()},
        "branching_ratios": {name: float(b) for name, b in widths.branching_ratios.items()},
        "sigma_br_fb": sigma.sigma_br_fb,
        "sigma_br_flavor": LEPTON_PAIRS[sigma.lepton].name,
        "k_factor": sigma.k_factor if np.isfinite(sigma.k_factor) else None,
        "pdf_up_fb": sigma.pdf_up_fb,
        "pdf_down_fb": sigma.pdf_down_fb,
        "scale_up_fb": sigma.scale_up_fb,
        "scale_down_fb": sigma.scale_down_fb,
        "cls_observed": result.cls_observed,
        "cls_expected": list(result.cls_expected),
        "excluded": result.excluded,
        "spectra": [
            {
                "analysis": s.analysis,
                "channel": s.channel,
                "edges_gev": s.edges_gev.tolist(),
                "n_obs": s.n_obs.tolist(),
                "background": s.background.tolist(),
                "signal": s.signal.tolist(),
            }
            for s in result.spectra
        ],
        "warnings": list(result.warnings),
        "command": state.command(),
        "provenance": result.provenance.to_dict(),
    }
