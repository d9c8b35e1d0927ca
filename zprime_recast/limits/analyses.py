"""Analyses prepared with luminosities."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import InputError
from ..partons.luminosity_set import DEFAULT_ORDER, load_luminosities
from ..partons.pdf import DEFAULT_SET, PDFMember, load_pdf
from ..searches.limit_curve import find_limit_curve
from ..searches.spectrum import Search, load_search
from ..signal.fold import FoldedSearch, fold_search
from .curve import FoldedCurve

Prepared = FoldedSearch | FoldedCurve
"""What :func:`zprime_recast.limits.analyses.prepare` makes of an analysis."""


def sole_curve(searches: Sequence[Prepared]) -> FoldedCurve | None:
    """The limit curve if it is the only analysis, None if all have a likelihood; InputError for a mixture."""
    curves = [f for f in searches if isinstance(f, FoldedCurve)]
    if curves and len(searches) > 1:
        raise InputError(
            f"{curves[0].search.id} is a limit curve without a likelihood and cannot be combined: use it alone"
        )
    return curves[0] if curves else None


def with_likelihood(searches: Sequence[Prepared]) -> list[FoldedSearch]:
    """The searches, InputError if one is a limit curve."""
    folded = [f for f in searches if isinstance(f, FoldedSearch)]
    if len(folded) < len(searches):
        sole_curve(searches)
        raise InputError(f"{searches[0].search.id} is a limit curve: it has no likelihood")
    return folded


DEFAULT_ANALYSES = ("atlas-139fb-dilepton", "cms-140fb-dilepton")


def prepare(
    analyses: Sequence[str | Search] = DEFAULT_ANALYSES,
    pdf: str | PDFMember = DEFAULT_SET,
    member: int = 0,
    order: str = DEFAULT_ORDER,
    theory: bool = True,
    on_member: Callable[[int, int], None] | None = None,
) -> tuple[Prepared, ...]:
    """Analyses prepared with a PDF set: the argument of everything below. Takes a few seconds, once.

    ``theory``: PDF and scale uncertainties of the signal as nuisances (a set without error members has the scale's
    only, a member other than 0 or one already loaded has none). ``on_member`` as in
    :func:`zprime_recast.partons.luminosity_set.load_luminosities`.
    """
    loaded = load_pdf(pdf) if isinstance(pdf, str) else pdf  # for the acceptance: the central member will do
    folded: list[Prepared] = []
    for analysis in analyses:
        curve = None if isinstance(analysis, Search) else find_limit_curve(analysis)
        if curve is not None:
            lumi = load_luminosities(pdf, curve.sqrt_s_gev, order, member, on_member=on_member)
            folded.append(FoldedCurve(curve, lumi))
            continue
        search = load_search(analysis)
        lumi = load_luminosities(pdf, search.sqrt_s_gev, order, member, on_member=on_member)
        folded.append(fold_search(search, loaded, lumi, theory))
    return tuple(folded)
