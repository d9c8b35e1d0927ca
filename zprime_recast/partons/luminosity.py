r"""Corrected parton luminosities LQ_q on a grid of masses: the stage every cross-section starts from.

.. math:: \frac{d\sigma}{dM^2} = \frac1S \sum_q \hat\sigma_q(M^2) LQ_q(M)

One table per PDF member, order, scales and energy serves every model. LO, NLO and NNLO are integrals over the PDFs
(:mod:`zprime_recast.partons.drell_yan`), N3LO is NNLO times a tabulated ratio (:mod:`zprime_recast.partons.n3lo`). A
table may also hold the luminosities of the error members and of the scale choices; such tables are made by
:mod:`zprime_recast.partons.luminosity_set`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, IndexArray, Quiet, checked_positive
from ..errors import InputError, RangeError
from ..io.cache import cached_array
from .drell_yan import corrected_luminosity, corrected_terms
from .n3lo import checked_order, n3lo_over_nnlo, tabulated_range_gev
from .pairs import NEUTRAL_CURRENT, PartonPairs
from .pdf import PDFMember
from .pdf_errors import ErrorSet

#: Masses of a table: from here to a fraction of sqrt(s), even in log(M/(sqrt(s) - M)): dense where L falls steeply.
TABLE_LOW_GEV = 50.0
TABLE_HIGH_OVER_SQRT_S = 0.95
TABLE_POINTS = 320

#: To be raised whenever the numbers of a cached table change.
_CACHE_VERSION = 6


@dataclass(frozen=True, eq=False, repr=False)
class Variations(Quiet):
    """Luminosities of the error members and of other scales, on the grid of their table; never negative."""

    members: FloatArray | None
    """Luminosities of the members, (members, pairs, n), the central one first; None for a set without error members."""
    errors: ErrorSet | None
    scale_points: tuple[tuple[float, float], ...]
    """Scale choices (mu_F/M, mu_R/M), the central one first."""
    scales: FloatArray
    """Luminosities at the scale choices, (scale choices, pairs, n)."""

    def rows(self, i: IndexArray) -> Variations:
        """The variations of some pairs."""
        members = None if self.members is None else self.members[:, i]
        return replace(self, members=members, scales=self.scales[:, i])


@dataclass(frozen=True)
class Remark:
    """A warning that concerns the masses between two ends."""

    low_gev: float
    high_gev: float
    text: str


@dataclass(frozen=True, eq=False, repr=False)
class LuminosityTable(Quiet):
    """LQ_q on a grid of masses, interpolated."""

    mass_gev: FloatArray
    """Grid (n,), ascending."""
    values: FloatArray
    """LQ_q on the grid (pairs, n), never negative."""
    leading_order: FloatArray
    """L_q of the same PDF and mu_F, (pairs, n): the denominator of K factors."""
    sqrt_s_gev: float
    pdf_set: str
    pdf_member: int
    pdf_digest: str
    mu_f_over_m: float
    mu_r_over_m: float = 1.0
    order: str = "lo"
    variations: Variations | None = None
    remarks: tuple[Remark, ...] = ()
    pairs: PartonPairs = NEUTRAL_CURRENT
    """The pairs of quark and antiquark whose luminosities these are."""

    @property
    def range_gev(self) -> tuple[float, float]:
        """Masses the table covers."""
        return float(self.mass_gev[0]), float(self.mass_gev[-1])

    def __call__(self, mass_gev: ArrayLike) -> FloatArray:
        """LQ_q at masses in GeV, shape (pairs, *mass.shape). RangeError states the range."""
        return self.interpolated(self.values, mass_gev)

    def of(self, pairs: PartonPairs) -> LuminosityTable:
        """The luminosities of some pairs, in their order; InputError for a pair that the table does not hold."""
        if pairs == self.pairs:
            return self
        if missing := self.pairs.missing(pairs):
            raise InputError(
                f"these luminosities of {self.pdf_set} do not hold {', '.join(missing)}; "
                "load them with load_luminosities(pdf, sqrt_s_gev, pairs=...)"
            )
        i = self.pairs.rows(pairs)
        variations = None if self.variations is None else self.variations.rows(i)
        values, leading = self.values[i], self.leading_order[i]
        return replace(self, values=values, leading_order=leading, variations=variations, pairs=pairs)

    def warnings_at(self, low_gev: float, high_gev: float | None = None) -> tuple[str, ...]:
        """Warnings that apply to results using masses (GeV) from low to high (default: low alone)."""
        high = low_gev if high_gev is None else high_gev
        return tuple(r.text for r in self.remarks if r.low_gev <= high and low_gev <= r.high_gev)

    def at_leading_order(self) -> LuminosityTable:
        """A table of the leading-order luminosities L_q, without variations."""
        return replace(self, values=self.leading_order, order="lo", variations=None)

    def of_members(self, mass_gev: ArrayLike) -> FloatArray:
        """LQ_q of every error member, (members, pairs, *mass.shape); InputError for a set that has none."""
        if self.variations is None or self.variations.members is None:
            raise InputError(f"PDF set {self.pdf_set} has no error members here, so its PDF uncertainty is not known")
        return self.interpolated(self.variations.members, mass_gev)

    def of_scales(self, mass_gev: ArrayLike) -> FloatArray:
        """LQ_q at every scale choice, (scale choices, pairs, *mass.shape); InputError for a table without them."""
        if self.variations is None:
            raise InputError("this luminosity table was made without scale variations")
        return self.interpolated(self.variations.scales, mass_gev)

    def interpolated(self, values: FloatArray, mass_gev: ArrayLike) -> FloatArray:
        """Values on the grid, (..., pairs, n), at masses in GeV, (..., pairs, *mass.shape); RangeError outside it."""
        mass = np.asarray(mass_gev, dtype=float)
        low, high = self.range_gev
        ok = (mass >= low) & (mass <= high)
        if not ok.all():
            raise RangeError(
                f"mass {mass[~ok].flat[0]:g} GeV is outside the luminosity table: "
                f"{low:g} to {high:g} GeV at sqrt(s) = {self.sqrt_s_gev:g} GeV"
            )
        return _interpolate(self._logit(self.mass_gev), values, self._logit(mass))

    def _logit(self, mass_gev: FloatArray) -> FloatArray:
        """log(M/(sqrt(s) - M)), in which log L is close to a straight line at both ends."""
        return np.asarray(np.log(mass_gev / (self.sqrt_s_gev - mass_gev)))


def _interpolate(grid: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """Interpolate non-negative values (..., k, n) over a grid: the total of the k rows by a spline of its logarithm,
    the shares of the rows by splines clipped to [0, 1]. A total of 0 (a set without positive luminosity) ends there.
    """
    total = values.sum(axis=-2)
    positive = total > 0
    if not positive.all():
        if values.ndim > 2:
            return np.stack([_interpolate(grid, row, at) for row in values])
        end = int(np.argmin(positive))
        if end < 4:
            return np.zeros((len(values), *at.shape))
        inside = _interpolate(grid[:end], values[:, :end], np.minimum(at, grid[end - 1]))
        return np.where(at <= grid[end - 1], inside, 0.0)
    rows = np.concatenate([values / total[..., None, :], np.log(total)[..., None, :]], axis=-2)
    between = np.moveaxis(_spline(grid, rows, at), values.ndim - 2, 0)
    return np.asarray(np.moveaxis(np.exp(between[-1]) * np.clip(between[:-1], 0.0, 1.0), 0, values.ndim - 2))


def _spline(grid: FloatArray, rows: FloatArray, at: FloatArray) -> FloatArray:
    """Cubic splines (not-a-knot) of rows (..., n) over a grid, (..., *at.shape). The coefficients of a single table are
    kept on disk: a short command is over before SciPy's interpolation is imported.
    """

    def spline() -> Any:
        from scipy.interpolate import CubicSpline

        return CubicSpline(grid, rows, axis=-1)

    if rows.ndim > 2:
        return np.asarray(spline()(at))
    key = ("spline", hashlib.sha256(grid.tobytes() + rows.tobytes()).hexdigest())
    cubic = cached_array(key, lambda: np.asarray(spline().c), (4, len(grid) - 1, len(rows)))
    k = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, len(grid) - 2)
    x = (at - grid[k])[..., None]
    return np.moveaxis(((cubic[0][k] * x + cubic[1][k]) * x + cubic[2][k]) * x + cubic[3][k], -1, 0)


def mass_grid(
    sqrt_s_gev: float, low_gev: float = TABLE_LOW_GEV, high_gev: float | None = None, points: int = TABLE_POINTS
) -> FloatArray:
    """Masses (GeV) even in log(M/(sqrt(s) - M)), both ends included; RangeError if there are none."""
    high = TABLE_HIGH_OVER_SQRT_S * sqrt_s_gev if high_gev is None else high_gev
    if not low_gev < high < sqrt_s_gev:
        raise RangeError(f"sqrt_s_gev = {sqrt_s_gev:g} leaves no masses between {low_gev:g} and {high:g} GeV")
    logit = np.linspace(np.log(low_gev / (sqrt_s_gev - low_gev)), np.log(high / (sqrt_s_gev - high)), points)
    grid = sqrt_s_gev / (1 + np.exp(-logit))
    grid[0], grid[-1] = low_gev, high
    return np.asarray(grid)


def set_range_gev(pdf: PDFMember, sqrt_s_gev: float, mu_f_over_m: float = 1.0) -> tuple[float, float]:
    """Masses of the table of a set: from TABLE_LOW_GEV to TABLE_HIGH_OVER_SQRT_S sqrt(s), as far as its grid allows."""
    info = pdf.info
    high = min(TABLE_HIGH_OVER_SQRT_S * sqrt_s_gev, 0.999 * info.q_max_gev / mu_f_over_m)
    low = max(TABLE_LOW_GEV, 1.001 * info.q_min_gev / mu_f_over_m, 1.001 * sqrt_s_gev * np.sqrt(info.x_min))
    return float(low), float(high)


def luminosity_table(
    pdf: PDFMember,
    sqrt_s_gev: float = 13000.0,
    mu_f_over_m: float = 1.0,
    points: int = TABLE_POINTS,
    cache: bool = True,
    order: str = "lo",
    mu_r_over_m: float = 1.0,
    pairs: PartonPairs = NEUTRAL_CURRENT,
) -> LuminosityTable:
    """Tabulate the luminosities of one PDF member, without variations.

    Where a luminosity comes out negative (some modern sets have u-ubar < 0 near 6 TeV) the table has 0 and a warning
    says where. From NLO on alpha_s is the set's: PDFError if it has none.

    Arguments:
        pdf: the PDF member.
        sqrt_s_gev: collider energy in GeV.
        mu_f_over_m: factorisation scale over the mass.
        points: number of masses.
        cache: whether the integrals are read from and kept in the disk cache; its key holds the digest of the set's
            files, so an integral of a changed set is never used.
        order: ``lo``, ``nlo``, ``nnlo`` or ``n3lo``.
        mu_r_over_m: renormalisation scale over the mass.
        pairs: the pairs of quark and antiquark; InputError at ``n3lo`` unless they are those of the neutral current.
    """
    check_order_of_pairs(order, pairs)
    sqrt_s = float(checked_positive("sqrt_s_gev", sqrt_s_gev))
    grid = mass_grid(sqrt_s, *set_range_gev(pdf, sqrt_s, float(checked_positive("mu_f_over_m", mu_f_over_m))), points)
    terms = integrals(pdf, grid, sqrt_s, mu_f_over_m, cache, pairs)
    alpha_s = None if order == "lo" else running_coupling(pdf, grid, mu_r_over_m)
    raw = corrected(terms, alpha_s, grid, sqrt_s, order, mu_f_over_m, mu_r_over_m, pairs)
    return LuminosityTable(
        mass_gev=grid,
        values=np.maximum(raw, 0.0),
        leading_order=np.maximum(terms[0], 0.0),
        sqrt_s_gev=sqrt_s,
        pdf_set=pdf.info.name,
        pdf_member=pdf.member,
        pdf_digest=pdf.digest,
        mu_f_over_m=mu_f_over_m,
        mu_r_over_m=mu_r_over_m,
        order=order,
        remarks=(
            *negative_remarks(raw, grid, f"PDF set {pdf.info.name} member {pdf.member}", pairs),
            *order_remarks(order, sqrt_s),
        ),
        pairs=pairs,
    )


def check_order_of_pairs(order: str, pairs: PartonPairs) -> None:
    """InputError for an order that does not exist, or that is not known for some of the pairs."""
    if checked_order(order) == "n3lo" and not pairs.diagonal:
        raise InputError(f"n3lo is tabulated for the neutral current, not for {', '.join(pairs.names)}; use nnlo")


def running_coupling(pdf: PDFMember, grid: FloatArray, mu_r_over_m: float = 1.0) -> FloatArray:
    """alpha_s(mu_R) of the set at every mass, (n,); PDFError if it has none, RangeError outside its table."""
    ratio = float(checked_positive("mu_r_over_m", mu_r_over_m))
    return np.array([pdf.alpha_s(m) for m in grid * ratio])


def negative_remarks(raw: FloatArray, grid: FloatArray, name: str, pairs: PartonPairs) -> list[Remark]:
    """Warnings on the masses where luminosities (pairs, n) of a member are negative."""
    remarks = []
    for pair, row in zip(pairs.names, raw, strict=True):
        if (row < 0).any():
            first, last = grid[row < 0][[0, -1]]
            text = f"{name}: negative {pair} luminosity from {first:.0f} GeV on; set to 0"
            remarks.append(Remark(float(first), float(last), text))
    return remarks


def order_remarks(order: str, sqrt_s_gev: float) -> list[Remark]:
    """Warnings on the masses where N3LO is not tabulated."""
    if order != "n3lo":
        return []
    low, high = tabulated_range_gev(sqrt_s_gev)
    text = (
        f"n3lo over nnlo is tabulated from {low:.0f} to {high:.0f} GeV at sqrt(s) = {sqrt_s_gev:g} GeV; its value at "
        "the nearest end is used"
    )
    # half a GeV of tolerance for masses typed as the rounded end of the range
    return [Remark(0.0, low - 0.5, text), Remark(high + 0.5, sqrt_s_gev, text)]


def integrals(
    pdf: PDFMember,
    grid: FloatArray,
    sqrt_s_gev: float,
    mu_f_over_m: float = 1.0,
    cache: bool = True,
    pairs: PartonPairs = NEUTRAL_CURRENT,
) -> FloatArray:
    """Compute :func:`zprime_recast.partons.drell_yan.corrected_terms` on a grid of masses, (3, pairs, n).

    Arguments:
        pdf: the PDF member.
        grid: masses in GeV, (n,).
        sqrt_s_gev: collider energy in GeV.
        mu_f_over_m: factorisation scale over the mass.
        cache: whether the disk cache is used.
        pairs: the pairs of quark and antiquark.
    """
    key = (_CACHE_VERSION, pdf.digest, sqrt_s_gev, mu_f_over_m, grid[0], grid[-1], len(grid), pairs.names, pdf.backend)
    shape = (3, len(pairs), len(grid))
    return cached_array(key, lambda: corrected_terms(pdf, grid, sqrt_s_gev, mu_f_over_m, pairs=pairs), shape, cache)


def corrected(
    terms: FloatArray,
    alpha_s: FloatArray | None,
    mass_gev: FloatArray,
    sqrt_s_gev: float,
    order: str,
    mu_f_over_m: float = 1.0,
    mu_r_over_m: float = 1.0,
    pairs: PartonPairs = NEUTRAL_CURRENT,
) -> FloatArray:
    """Corrected luminosities LQ_q of any order, (..., pairs, n); they may be negative.

    Arguments:
        terms: the terms of :func:`zprime_recast.partons.drell_yan.corrected_terms`, (3, ..., pairs, n).
        alpha_s: alpha_s(mu_R) at each mass, (n,); not needed at ``lo``.
        mass_gev: masses in GeV, (n,).
        sqrt_s_gev: collider energy in GeV.
        order: ``lo``, ``nlo``, ``nnlo`` or ``n3lo``.
        mu_f_over_m: factorisation scale over the mass.
        mu_r_over_m: renormalisation scale over the mass; InputError at ``n3lo`` unless it is ``mu_f_over_m``.
        pairs: the pairs of quark and antiquark; InputError at ``n3lo``, which is tabulated for the neutral current,
            for a pair of two flavours.
    """
    below = corrected_luminosity(terms, alpha_s, order, mu_r_over_m)
    if order != "n3lo":
        return below
    check_order_of_pairs(order, pairs)
    if mu_f_over_m != mu_r_over_m:
        raise InputError(f"n3lo needs mu_F = mu_R, found mu_F/M = {mu_f_over_m:g} and mu_R/M = {mu_r_over_m:g}")
    return below * n3lo_over_nnlo(mass_gev, sqrt_s_gev, mu_f_over_m)
