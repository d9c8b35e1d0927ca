"""Searches prepared with luminosities as one object, which every verdict and every limit asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import BoolArray, FloatArray, IndexArray
from ..errors import InputError, RangeError
from ..partons.luminosity import LuminosityTable
from ..partons.luminosity_set import DEFAULT_ORDER, load_luminosities
from ..partons.pdf import DEFAULT_SET, PDFMember, load_pdf
from ..process.family import Family
from ..process.hypotheses import Hypotheses
from ..searches.limit_curve import read_limit_curve
from ..searches.search import DEFAULT_ANALYSES, PreparedSearch, Search, find_search, kind_of, outside
from ..searches.spectrum import SpectrumSearch, load_spectrum
from ..signal.fold import fold_search
from .curve import FoldedCurve, SoleCurve
from .method import Method, Together
from .provenance import Provenance, provenance_of
from .result import FamilyLimits, Verdicts, scattered
from .verdicts import JointLikelihood

DEFAULT_METHOD = Method()


@dataclass(frozen=True, eq=False, repr=False)
class Analyses:
    """Searches prepared with a PDF set, which answer together.

    Spectra are combined in one likelihood; a limit curve has none and must be alone. Each search takes part in its own
    range of pole masses, so that together they cover the union. The order of the searches does not change any number.
    """

    prepared: tuple[PreparedSearch, ...]

    def __post_init__(self) -> None:
        ids = [p.search.id for p in self.prepared]
        if not ids or len(set(ids)) != len(ids):
            raise InputError(f"one or more different analyses are needed, found {', '.join(ids) or 'none'}")
        curves = [p.search.id for p in self.prepared if p.search.kind == SoleCurve.kind]
        if curves and len(ids) > 1:
            raise InputError(f"{curves[0]} is a limit curve without a likelihood and cannot be combined: use it alone")

    def __repr__(self) -> str:
        table = self.luminosities
        return f"Analyses({', '.join(self.ids)}; {table.pdf_set}, {table.order})"

    def __iter__(self) -> Iterator[PreparedSearch]:
        return iter(self.prepared)

    def __len__(self) -> int:
        return len(self.prepared)

    def __getitem__(self, i: int) -> PreparedSearch:
        return self.prepared[i]

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the searches."""
        return tuple(p.search.id for p in self.prepared)

    @property
    def label(self) -> str:
        """For figures."""
        return " + ".join(p.search.label for p in self.prepared)

    @property
    def kind(self) -> str:
        """``likelihood``, or ``limit-curve`` for a published cross-section limit."""
        return self.together.kind

    @property
    def mass_range_gev(self) -> tuple[float, float]:
        """The lowest and the highest pole mass that any of the searches covers."""
        lows, highs = zip(*(p.search.mass_range_gev for p in self.prepared), strict=True)
        return min(lows), max(highs)

    def covers(self, mass_gev: ArrayLike) -> BoolArray:
        """Which searches cover which pole masses (n,), (n_searches, n): each has its own range."""
        mass = np.asarray(mass_gev, dtype=float)
        ranges = np.array([p.search.mass_range_gev for p in self.prepared])
        return np.asarray((mass >= ranges[:, :1]) & (mass <= ranges[:, 1:]))

    def used_at(self, mass_gev: FloatArray) -> tuple[tuple[str, ...], ...]:
        """Ids of the searches that take part at each pole mass (n,): those that cover it."""
        return tuple(tuple(self.ids[i] for i in np.nonzero(column)[0]) for column in self.covers(mass_gev).T)

    def by_coverage(self, mass_gev: FloatArray) -> list[tuple[IndexArray, Analyses]]:
        """Pole masses (n,) that the same searches cover: their indices, and these searches together.

        RangeError for a mass that no search covers.
        """
        self.check_mass(mass_gev)
        covers = self.covers(mass_gev)
        found = []
        for pattern in np.unique(covers, axis=1).T:
            rows = np.nonzero((covers == pattern[:, None]).all(axis=0))[0]
            found.append((rows, self.some(tuple(np.nonzero(pattern)[0].tolist()))))
        return found

    def some(self, which: tuple[int, ...]) -> Analyses:
        """Some of the searches by their numbers; kept, since their likelihood is expensive."""
        if len(which) == len(self):
            return self
        if which not in self._some:
            self._some[which] = Analyses(tuple(self.prepared[i] for i in which))
        return self._some[which]

    @cached_property
    def _some(self) -> dict[tuple[int, ...], Analyses]:
        return {}

    def absent_at(self, mass_gev: FloatArray) -> list[tuple[int, str]]:
        """(index, remark) for each search that does not cover one of the pole masses (n,)."""
        found = []
        for p, covered in zip(self.prepared, self.covers(mass_gev), strict=True):
            low, high = p.search.mass_range_gev
            text = f"{p.search.id} covers {low:g} to {high:g} GeV and takes no part in this result"
            found += [(int(i), text) for i in np.nonzero(~covered)[0]]
        return sorted(found)

    @property
    def published_masses_gev(self) -> FloatArray | None:
        """Masses a limit curve was published at, (n,); None for a likelihood, which has a limit at any mass."""
        return self.together.published_masses_gev

    def check_mass(self, mass_gev: ArrayLike) -> None:
        """RangeError that states the ranges unless every pole mass is covered by at least one search."""
        masses = np.atleast_1d(np.asarray(mass_gev, dtype=float)).ravel()
        bad = np.nonzero(~self.covers(masses).any(axis=0))[0]
        if len(bad):
            raise RangeError("; ".join(outside(p.search, float(masses[bad[0]])) for p in self.prepared))

    @property
    def luminosities_by_energy(self) -> dict[float, LuminosityTable]:
        """Luminosities per collider energy in GeV, ascending."""
        tables = {p.search.sqrt_s_gev: p.luminosities for p in self.prepared}
        return dict(sorted(tables.items()))

    @property
    def luminosities(self) -> LuminosityTable:
        """Luminosities of the highest collider energy, where rates are quoted."""
        return list(self.luminosities_by_energy.values())[-1]

    @cached_property
    def together(self) -> Together:
        """The searches as one, in the order of their ids: so are the random numbers of toys."""
        return _TOGETHER[self.prepared[0].search.kind](tuple(sorted(self.prepared, key=lambda p: p.search.id)))

    @property
    def joint(self) -> JointLikelihood:
        """The likelihood of all bins; InputError for a limit curve, which has none."""
        if self.kind != JointLikelihood.kind:
            raise InputError(f"{self.ids[0]} is a limit curve: it has no likelihood")
        return cast(JointLikelihood, self.together)

    def verdicts(self, family: Family, x: FloatArray, method: Method = DEFAULT_METHOD) -> Verdicts:
        """Tests of all members of a family at x (n,), each by the searches that cover its mass.

        InputError for a method the analyses cannot honour, RangeError for a mass that no search covers.
        """
        parts = [
            (rows, some.together.verdicts(family, rows, x[rows], method))
            for rows, some in self.by_coverage(family.mass_gev)
        ]
        found = scattered(parts) if parts else self.together.verdicts(family, np.arange(0), x, method)
        return replace(found, warnings=(*self.absent_at(family.mass_gev), *found.warnings))

    def limits(self, family: Family, method: Method = DEFAULT_METHOD, without_theory: bool = False) -> FamilyLimits:
        """The x of each family above which everything is excluded, by the searches that cover its mass.

        ``without_theory``: also the observed limits without the uncertainties of the luminosities. Errors as for
        :meth:`verdicts`.
        """
        parts = [
            (rows, some.together.limits(family.take(rows), method, without_theory))
            for rows, some in self.by_coverage(family.mass_gev)
        ]
        found = scattered(parts) if parts else self.together.limits(family, method, without_theory)
        return replace(found, warnings=(*self.absent_at(family.mass_gev), *found.warnings))

    def log_ratios(self, hypotheses: Hypotheses, interference: bool = True) -> FloatArray:
        """ln L(hypothesis) - ln L(Standard Model) of the searches that cover its mass, (n,); NaN without a likelihood.

        A search that does not cover the mass knows nothing of the hypothesis: its data count as those of the Standard
        Model.
        """
        found = np.full(len(hypotheses.mass_gev), np.nan)
        for rows, some in self.by_coverage(hypotheses.mass_gev):
            found[rows] = some.joint.log_ratios(hypotheses.take(rows), interference)
        return found

    def provenance(self, method: Method = DEFAULT_METHOD) -> Provenance:
        """The inputs and options behind a result of these analyses."""
        return provenance_of(self.prepared, self.kind, self.together.used(method))


_TOGETHER: dict[str, Callable[[tuple[Any, ...]], Together]] = {
    "binned-likelihood": JointLikelihood,
    "limit-curve": lambda prepared: SoleCurve(*prepared),
}

AnalysesLike: TypeAlias = "Analyses | str | Path | SpectrumSearch | Sequence[str | Path | SpectrumSearch]"
"""Analyses as functions accept them: loaded, or one or several ids, folders or searches."""


def load_analyses(
    analyses: AnalysesLike = DEFAULT_ANALYSES,
    pdf: str | PDFMember = DEFAULT_SET,
    member: int = 0,
    order: str = DEFAULT_ORDER,
    theory: bool = True,
    on_member: Callable[[int, int], None] | None = None,
) -> Analyses:
    """Load analyses and fold them with a PDF set; takes a few seconds, once.

    Arguments:
        analyses: one or several ids, folders or searches; already loaded ones are returned as they are.
        pdf: name of an LHAPDF-format set, or a member already loaded.
        member: of the set.
        order: in QCD: ``lo``, ``nlo``, ``nnlo`` or ``n3lo``.
        theory: PDF and scale uncertainties of the signal as nuisances. A set without error members has those of the
            scale alone; a member other than 0, or one already loaded, has none.
        on_member: called with (done, count) as :func:`zprime_recast.partons.luminosity_set.load_luminosities` does.

    UnknownName, CardError or PDFError for what cannot be loaded; InputError for searches that cannot be combined.

    >>> load_analyses("atlas-139fb-dilepton").mass_range_gev
    (250.0, 6000.0)
    """
    if isinstance(analyses, Analyses):
        return analyses
    named = [analyses] if isinstance(analyses, (str, Path, SpectrumSearch)) else list(analyses)
    loaded = load_pdf(pdf) if isinstance(pdf, str) else pdf  # for the acceptance: the central member will do

    def luminosities(search: Search) -> LuminosityTable:
        return load_luminosities(pdf, search.sqrt_s_gev, order, member, on_member=on_member)

    prepared: list[PreparedSearch] = []
    for one in named:
        if not isinstance(one, SpectrumSearch) and kind_of(find_search(one)) == SoleCurve.kind:
            curve = read_limit_curve(find_search(one))
            prepared.append(FoldedCurve(curve, luminosities(curve)))
        else:
            search = load_spectrum(one)
            prepared.append(fold_search(search, loaded, luminosities(search), theory))
    return Analyses(tuple(prepared))
