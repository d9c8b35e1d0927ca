"""Results of verdicts and limits: arrays with the shape of the masses, NaN where a value is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from ..arrays import BoolArray, FloatArray, IndexArray, Quiet
from ..io.json import json_dict
from ..likelihood.asymptotics import CLS_EXCLUDED
from .provenance import Provenance

#: Endings of the columns of an expected band at -2..+2 standard deviations; the median has none.
BANDS = ("_m2s", "_m1s", "", "_p1s", "_p2s")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Verdicts(Quiet):
    """Tests of hypotheses (n,) in all analyses together; NaN where a value is missing."""

    cls_observed: FloatArray
    cls_expected: FloatArray
    """(n, 5)."""
    signal_over_limit_observed: FloatArray
    signal_over_limit_expected: FloatArray
    log_ratio: FloatArray
    """ln L over that of the Standard Model, both profiled, (n,)."""
    faults: tuple[tuple[int, str], ...]
    """(index, message) of hypotheses without a verdict."""
    warnings: tuple[tuple[int, str], ...]
    """(index, message) for the reader of a result."""
    calculator_used: tuple[str, ...]
    """Calculator of each hypothesis, (n,); ``limit-curve`` where the verdict is rate over limit."""

    @property
    def excluded(self) -> BoolArray:
        """Observed exclusion at 95 % CL, (n,)."""
        return np.asarray((self.cls_observed < CLS_EXCLUDED) | (self.signal_over_limit_observed >= 1))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FamilyLimits(Quiet):
    """The free number x of families (n,) at 95 % CL."""

    x_95: FloatArray
    """Observed, then expected at -2, -1, 0, 1, 2 standard deviations, (n, 6); NaN where nothing is excluded."""
    largest: FloatArray
    """Largest x a limit was looked for at, (n,)."""
    largest_because: tuple[str, ...]
    no_theory: FloatArray
    """Observed limits without the uncertainties of the luminosities, (n,); NaN unless asked for."""
    crossings_observed: tuple[tuple[float, ...], ...]
    faults: tuple[tuple[int, str], ...]
    """(index, message) of families that have no limit for a reason other than a weak signal."""
    islands: tuple[tuple[int, str], ...]
    """(index, message) of families whose CLs is not monotonic."""
    warnings: tuple[tuple[int, str], ...]
    """(index, message) of remarks on the signal at the limit."""

    def part(self, rows: IndexArray) -> FamilyLimits:
        """The limits of some families."""
        changed: dict[str, Any] = {}
        for f in fields(self):
            values = getattr(self, f.name)
            if f.name in ("faults", "islands", "warnings"):
                place = {int(row): k for k, row in enumerate(rows)}
                changed[f.name] = tuple((place[i], text) for i, text in values if i in place)
            elif isinstance(values, np.ndarray):
                changed[f.name] = values[rows]
            else:
                changed[f.name] = tuple(values[i] for i in rows)
        return replace(self, **changed)


AnyRows = TypeVar("AnyRows", Verdicts, FamilyLimits)


def scattered(parts: Sequence[tuple[IndexArray, AnyRows]]) -> AnyRows:
    """One result (n,) of results for some rows each: (indices, result)."""
    n = sum(len(rows) for rows, _ in parts)
    changed: dict[str, Any] = {}
    for f in fields(parts[0][1]):
        values: list[Any] = [getattr(part, f.name) for _, part in parts]
        if f.name in ("faults", "islands", "warnings"):
            texts = [(int(rows[i]), text) for (rows, _), some in zip(parts, values, strict=True) for i, text in some]
            changed[f.name] = tuple(sorted(texts, key=lambda one: one[0]))
        elif isinstance(values[0], np.ndarray):
            whole = np.empty((n, *values[0].shape[1:]), values[0].dtype)
            for (rows, _), some in zip(parts, values, strict=True):
                whole[rows] = some
            changed[f.name] = whole
        else:
            order = np.argsort(np.concatenate([rows for rows, _ in parts]))
            together = [one for some in values for one in some]
            changed[f.name] = tuple(together[i] for i in order)
    return replace(parts[0][1], **changed)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CLsResult:
    """Whether hypotheses are excluded; arrays have the broadcast shape of mass and coupling."""

    mass_gev: FloatArray
    coupling: FloatArray
    cls_observed: FloatArray
    """NaN for a limit curve, which has no likelihood."""
    cls_expected: FloatArray
    """At -2, -1, 0, 1, 2 standard deviations, (*shape, 5)."""
    signal_over_limit_observed: FloatArray
    """Rate over the published limit; NaN for a likelihood, and where the curve has no limit."""
    signal_over_limit_expected: FloatArray
    warnings: tuple[str, ...]
    provenance: Provenance

    @property
    def excluded(self) -> BoolArray:
        """Observed exclusion at 95 % CL."""
        return np.asarray((self.cls_observed < CLS_EXCLUDED) | (self.signal_over_limit_observed >= 1))

    def __repr__(self) -> str:
        return f"CLsResult({_shown(self.mass_gev, 'M')}: {int(np.sum(self.excluded))} of {self.mass_gev.size} excluded)"

    def columns(self) -> dict[str, FloatArray]:
        """Equal columns (n,) for a table, such as ``pandas.DataFrame(result.columns())``."""
        names = ("mass_gev", "coupling", "cls_observed", "signal_over_limit_observed", "signal_over_limit_expected")
        found = {name: np.ravel(getattr(self, name)) for name in names}
        bands = self.cls_expected.reshape(-1, 5).T
        return found | {f"cls_expected{band}": row for band, row in zip(BANDS, bands, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values, null for NaN."""
        return json_dict(
            {
                "mass_gev": self.mass_gev,
                "coupling": self.coupling,
                "cls_observed": self.cls_observed,
                "cls_expected": self.cls_expected,
                "signal_over_limit_observed": self.signal_over_limit_observed,
                "signal_over_limit_expected": self.signal_over_limit_expected,
                "excluded": self.excluded,
                "kind": self.provenance.kind,
                "calculator": self.provenance.calculator,
                "warnings": self.warnings,
                "provenance": self.provenance.to_dict(),
            }
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LimitResult:
    """Couplings at 95 % CL; arrays have the shape of the masses, NaN where nothing is excluded up to ``coupling_max``.

    A limit is the coupling above which every hypothesis is excluded.
    """

    mass_gev: FloatArray
    coupling_95_observed: FloatArray
    coupling_95_expected: FloatArray
    """At -2, -1, 0, 1, 2 standard deviations, (*shape, 5)."""
    sigma_br_95_observed_fb: FloatArray
    """Narrow-width sigma x BR of the excluded coupling, into ``sigma_br_flavor`` at ``sigma_br_sqrt_s_gev``."""
    sigma_br_95_expected_fb: FloatArray
    """(*shape, 5)."""
    sigma_br_flavor: str
    """The first charged lepton the Z' couples to: ``ee``, ``mumu`` or ``tautau``."""
    sigma_br_sqrt_s_gev: float
    """The highest collider energy of the analyses."""
    gamma_over_m_observed: FloatArray
    coupling_max: FloatArray
    """Largest coupling a limit was looked for at."""
    coupling_max_reason: tuple[str, ...]
    """Per mass."""
    errors: tuple[tuple[float, str], ...]
    """(mass in GeV, message) where there is no limit for a reason other than a weak signal."""
    warnings: tuple[tuple[float, str], ...]
    """(mass in GeV, message) of limits that come with a remark."""
    crossings_observed: tuple[tuple[float, ...], ...]
    """Per mass every coupling where the observed CLs crosses 0.05, ascending; more than one if it is not monotonic."""
    coupling_95_observed_no_theory: FloatArray
    """The observed limit without the uncertainties of the luminosities; NaN also where it was not asked for."""
    reference_coupling: float | None
    """Coupling at which the model is its benchmark."""
    analyses_used: tuple[tuple[str, ...], ...]
    """Per mass the ids of the analyses that cover it; the others take no part in the limit there."""
    provenance: Provenance

    @property
    def kind(self) -> str:
        """``likelihood``, or ``limit-curve`` if the limit comes from a published cross-section limit."""
        return self.provenance.kind

    def __repr__(self) -> str:
        found = int(np.isfinite(self.coupling_95_observed).sum())
        return f"{type(self).__name__}({_shown(self.mass_gev, 'M')}: {found} observed limits)"

    def mass_limits(self, coupling: float) -> tuple[MassLimit, MassLimit]:
        """The mass up to which the model is excluded at a coupling, observed and expected. Masses must ascend.

        Where the exclusion ends because a search takes no part any more, the mass is a lower bound.
        """
        good = np.nonzero(~np.isin(self.mass_gev, [mass for mass, _ in self.errors]))[0]
        fewer = np.array(
            [not set(self.analyses_used[a]) <= set(self.analyses_used[b]) for a, b in pairwise(good)], bool
        )
        mass = self.mass_gev[good]
        observed, expected = self.coupling_95_observed[good], self.coupling_95_expected[good, 2]
        return mass_limit(mass, observed, coupling, fewer), mass_limit(mass, expected, coupling, fewer)

    def with_faults(self, faults: Sequence[tuple[float, str]]) -> LimitResult:
        """The result (n,) with further masses (GeV) that have no limit, and the reasons."""
        if not faults:
            return self
        more = len(faults)

        def padded(values: FloatArray) -> FloatArray:
            return np.concatenate([values, np.full((more, *values.shape[1:]), np.nan)])

        arrays = (f.name for f in fields(LimitResult) if isinstance(getattr(self, f.name), np.ndarray))
        changed: dict[str, Any] = {name: padded(getattr(self, name)) for name in arrays}
        changed["mass_gev"] = np.concatenate([self.mass_gev, [mass for mass, _ in faults]])
        changed["coupling_max_reason"] = (*self.coupling_max_reason, *(text for _, text in faults))
        changed["crossings_observed"] = (*self.crossings_observed, *((),) * more)
        changed["analyses_used"] = (*self.analyses_used, *((),) * more)
        return replace(self, **changed, errors=(*self.errors, *faults))

    def reshaped(self, shape: tuple[int, ...]) -> LimitResult:
        """The result with another shape of its masses."""
        names = ("mass_gev", "coupling_95_observed", "sigma_br_95_observed_fb", "gamma_over_m_observed", "coupling_max")
        plain = (*names, "coupling_95_observed_no_theory")
        changed: dict[str, Any] = {name: getattr(self, name).reshape(shape) for name in plain}
        for name in ("coupling_95_expected", "sigma_br_95_expected_fb"):
            changed[name] = getattr(self, name).reshape(*shape, 5)
        return replace(self, **changed)

    def columns(self) -> dict[str, FloatArray]:
        """Equal columns (n,) for a table, such as ``pandas.DataFrame(result.columns())``."""
        found = {"mass_gev": np.ravel(self.mass_gev), "coupling_95_observed": np.ravel(self.coupling_95_observed)}
        bands = zip(BANDS, self.coupling_95_expected.reshape(-1, 5).T, strict=True)
        found |= {f"coupling_95_expected{band}": row for band, row in bands}
        return found | {"sigma_br_95_observed_fb": np.ravel(self.sigma_br_95_observed_fb)}

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values, null for NaN; of a single mass plain numbers."""
        single = self.mass_gev.ndim == 0
        return json_dict(
            {
                **self._values(),
                "coupling_max_reason": self.coupling_max_reason[0] if single else self.coupling_max_reason,
                "analyses_used": self.analyses_used[0] if single else self.analyses_used,
                "kind": self.kind,
                "errors": [text for _, text in self.errors],
                "warnings": [text for _, text in self.warnings],
                "provenance": self.provenance.to_dict(),
            }
        )

    def _values(self) -> dict[str, Any]:
        return {
            "mass_gev": self.mass_gev,
            "coupling_95_observed": self.coupling_95_observed,
            "coupling_95_expected": self.coupling_95_expected,
            "sigma_br_95_observed_fb": self.sigma_br_95_observed_fb,
            "sigma_br_95_expected_fb": self.sigma_br_95_expected_fb,
            "sigma_br_flavor": self.sigma_br_flavor,
            "sigma_br_sqrt_s_gev": self.sigma_br_sqrt_s_gev,
            "gamma_over_m_observed": self.gamma_over_m_observed,
            "coupling_max": self.coupling_max,
            "reference_coupling": self.reference_coupling,
        }


AnyLimits = TypeVar("AnyLimits", bound=LimitResult)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ResonanceLimit:
    """Cross-section times BR per lepton flavour at 95 % CL, as the experiment defines it, (n,) resonances."""

    analysis: str
    channel: str
    mass_gev: FloatArray
    gamma_over_m: FloatArray
    sigma_br_95_observed_fb: FloatArray
    sigma_br_95_expected_fb: FloatArray
    """At -2, -1, 0, 1, 2 standard deviations, (*shape, 5); of ``bayes`` in all bins the median alone."""
    calculator: str
    fit: str
    """``windows`` (the fit of the collaboration) or ``all-bins``."""
    definition: str
    """The quantity the limit is on."""
    expected_bins: float | None
    """Relative width of the bins of the expected limits; None for those of the published spectrum, or of windows."""
    notes: tuple[str, ...]
    merged_over_categories: FloatArray | None = None
    """Expected limit in the published bins, in which the observed limit is computed, over that in the categories of the
    windows, from background-only Asimov data; None with all bins.
    """

    def __repr__(self) -> str:
        return f"ResonanceLimit({self.analysis}, {self.channel}, {_shown(self.mass_gev, 'M')}, {self.calculator})"

    def columns(self) -> dict[str, FloatArray]:
        """Equal columns (n,) for a table, such as ``pandas.DataFrame(result.columns())``."""
        names = ("mass_gev", "gamma_over_m", "sigma_br_95_observed_fb")
        found = {name: np.ravel(getattr(self, name)) for name in names}
        bands = zip(BANDS, self.sigma_br_95_expected_fb.reshape(-1, 5).T, strict=True)
        return found | {f"sigma_br_95_expected{band}_fb": row for band, row in bands}

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values, null for NaN; of a single resonance plain numbers."""
        return json_dict({name: getattr(self, name) for name in self.__dataclass_fields__})


def joined(parts: Sequence[AnyLimits]) -> AnyLimits:
    """One result of parts (n,) with different masses, ascending; what is not an array is that of the first."""
    mass = np.concatenate([part.mass_gev for part in parts])
    order = np.argsort(mass, kind="stable")
    changed: dict[str, Any] = {}
    for f in fields(LimitResult):
        values = [getattr(part, f.name) for part in parts]
        if f.name in ("errors", "warnings"):
            changed[f.name] = tuple(sorted(message for some in values for message in some))
        elif f.name in ("crossings_observed", "coupling_max_reason", "analyses_used"):
            together = [one for some in values for one in some]
            changed[f.name] = tuple(together[i] for i in order)
        elif isinstance(values[0], np.ndarray):
            changed[f.name] = np.concatenate(values)[order]
    return replace(parts[0], **changed)


@dataclass(frozen=True)
class MassLimit:
    """The mass up to which a model is excluded at a coupling."""

    gev: float | None
    """None if no mass is excluded."""
    is_lower_bound: bool = False
    """Whether the model is still excluded at ``gev``, and nothing is known beyond: it is the last mass at which a limit
    was looked for, or the end of the range of a search.
    """

    def __str__(self) -> str:
        if self.gev is None:
            return "excluded at no mass"
        return f"excluded {'at least up to' if self.is_lower_bound else 'below'} {self.gev:.5g} GeV"


def mass_limit(
    mass_gev: FloatArray, coupling_95: FloatArray, coupling: float, fewer: BoolArray | None = None
) -> MassLimit:
    """The last mass up to which g_95 < coupling, from g_95 (n,) at ascending masses (n,), interpolated in ln g.

    ``fewer`` tells between which neighbours, (n - 1,), a search ends: there g_95 steps and is not interpolated.

    >>> str(mass_limit(np.array([1e3, 2e3]), np.array([0.1, 0.4]), 0.2))
    'excluded below 1500 GeV'
    >>> str(mass_limit(np.array([1e3, 2e3]), np.array([0.1, 0.1]), 0.2))
    'excluded at least up to 2000 GeV'
    """
    mass, g = np.atleast_1d(mass_gev), np.atleast_1d(coupling_95)
    excluded = g < coupling  # False for NaN
    if not excluded.any():
        return MassLimit(None)
    last = int(np.nonzero(excluded)[0][-1])
    if last == len(g) - 1 or (fewer is not None and fewer[last]):
        return MassLimit(float(mass[last]), True)
    if not np.isfinite(g[last + 1]):
        return MassLimit(float(mass[last]))
    fraction = np.log(coupling / g[last]) / np.log(g[last + 1] / g[last])
    return MassLimit(float(mass[last] + fraction * (mass[last + 1] - mass[last])))


def _shown(mass_gev: FloatArray, name: str) -> str:
    if mass_gev.size == 1:
        return f"{name} = {float(mass_gev.ravel()[0]):g} GeV"
    return f"{mass_gev.size} masses, {mass_gev.min():g} to {mass_gev.max():g} GeV" if mass_gev.size else "no masses"
