"""Searches prepared with luminosities as one object, which every verdict and every limit asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import InputError
from ..partons.luminosity import LuminosityTable
from ..partons.luminosity_set import DEFAULT_ORDER, load_luminosities
from ..partons.pdf import DEFAULT_SET, PDFMember, load_pdf
from ..process.family import Family
from ..searches.limit_curve import read_limit_curve
from ..searches.search import DEFAULT_ANALYSES, PreparedSearch, Search, check_mass, find_search, kind_of
from ..searches.spectrum import SpectrumSearch, load_spectrum
from ..signal.fold import fold_search
from .curve import FoldedCurve, SoleCurve
from .method import Method, Together
from .provenance import Provenance, provenance_of
from .result import FamilyLimits, Verdicts
from .verdicts import JointLikelihood

DEFAULT_METHOD = Method()


@dataclass(frozen=True, eq=False, repr=False)
class Analyses:
    """Searches prepared with a PDF set, which answer together.

    Spectra are combined in one likelihood; a limit curve has none and must be alone. The order of the searches does not
    change any number.
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
        """Pole masses that all searches cover; InputError if there are none."""
        lows, highs = zip(*(p.search.mass_range_gev for p in self.prepared), strict=True)
        if max(lows) >= min(highs):
            raise InputError("the analyses share no mass range; use fewer of them")
        return max(lows), min(highs)

    @property
    def published_masses_gev(self) -> FloatArray | None:
        """Masses a limit curve was published at, (n,); None for a likelihood, which has a limit at any mass."""
        return self.together.published_masses_gev

    def check_mass(self, mass_gev: ArrayLike) -> None:
        """RangeError that states the range unless every search covers every pole mass."""
        for p in self.prepared:
            check_mass(p.search, mass_gev)

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
        """Tests of all members of a family at x (n,); InputError for a method the analyses cannot honour."""
        return self.together.verdicts(family, np.arange(len(family.mass_gev)), x, method)

    def limits(self, family: Family, method: Method = DEFAULT_METHOD, without_theory: bool = False) -> FamilyLimits:
        """The x of each family above which everything is excluded; InputError as :meth:`verdicts`.

        ``without_theory``: also the observed limits without the uncertainties of the luminosities.
        """
        return self.together.limits(family, method, without_theory)

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
