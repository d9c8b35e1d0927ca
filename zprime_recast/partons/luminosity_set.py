"""Corrected luminosities of a whole PDF set: central value, error members and scale choices.

:func:`load_luminosities` takes CT18NNLO at 8, 13, 13.6 and 14 TeV from tables shipped with the package
(``data/luminosities``, made by ``build.py`` there), so that the PDF uncertainty is known even on a machine without any
PDF set. Every other set, energy or version of the set is computed from its grids, once.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..arrays import FloatArray, Quiet, checked_positive
from ..errors import InputError, PDFError
from ..io.cards import digest
from ..io.paths import shipped
from .luminosity import (
    LuminosityTable,
    Remark,
    Variations,
    check_order_of_pairs,
    corrected,
    integrals,
    mass_grid,
    negative_remarks,
    order_remarks,
    running_coupling,
    set_range_gev,
)
from .n3lo import checked_order, scale_points
from .pairs import NEUTRAL_CURRENT, PartonPairs
from .pdf import DEFAULT_SET, PDFMember, available_sets, load_pdf
from .pdf_errors import ErrorSet, error_set
from .pdf_files import read_set_info

DEFAULT_ORDER = "nnlo"
#: Factors of the mass at which scales are varied.
SCALE_FACTORS = (1.0, 0.5, 2.0)
#: Masses of a table with error members.
SET_POINTS = 200


@dataclass(frozen=True, eq=False, repr=False)
class SetIntegrals(Quiet):
    """Integrals from which the corrected luminosities of a set at one energy are made."""

    pdf_set: str
    digests: tuple[str, ...]
    """Digest of the files of each member."""
    grid_digest: str
    """Digest of the grid of member 0 alone, which identifies the version of the set whatever its .info says."""
    sqrt_s_gev: float
    mass_gev: FloatArray
    """(n,)."""
    members: FloatArray
    """L_q, T1_q, T2_q (:mod:`zprime_recast.partons.drell_yan`) of each member at mu_F = M, (3, members, pairs, n)."""
    scales: FloatArray
    """L_q, T1_q and T2_q of the central member at mu_F = M/2 and 2 M, (2, 3, pairs, n): factor, term, pair, mass."""
    alpha_s: FloatArray | None
    """alpha_s of the central member at M, M/2 and 2 M, (3, n); None for a set without it."""
    errors: ErrorSet | None
    pairs: PartonPairs = NEUTRAL_CURRENT
    """The pairs of quark and antiquark whose integrals these are."""
    member_alpha_s: FloatArray | None = None
    """alpha_s of each member at M, (members, n), if some have their own; None if all have that of the central one."""

    def terms(self, mu_f_over_m: float) -> FloatArray:
        """Terms of the central member at a factorisation scale, (3, pairs, n)."""
        return self.members[:, 0] if mu_f_over_m == 1.0 else self.scales[SCALE_FACTORS.index(mu_f_over_m) - 1]

    def table(self, order: str, member: int = 0) -> LuminosityTable:
        """Corrected luminosities of an order; those of the central member come with their variations."""
        if not 0 <= member < self.members.shape[1]:
            raise InputError(f"set {self.pdf_set} has members 0 to {self.members.shape[1] - 1}, not {member}")
        if checked_order(order) != "lo" and self.alpha_s is None:
            raise PDFError(f"set {self.pdf_set} has no table of alpha_s (AlphaS_Qs, AlphaS_Vals): use the order lo")
        grid, sqrt_s = self.mass_gev, self.sqrt_s_gev

        def of(
            terms: FloatArray, mu_f: float = 1.0, mu_r: float = 1.0, alpha_s: FloatArray | None = None
        ) -> FloatArray:
            if alpha_s is None and self.alpha_s is not None:
                alpha_s = self.alpha_s[SCALE_FACTORS.index(mu_r)]
            return corrected(terms, alpha_s, grid, sqrt_s, order, mu_f, mu_r, self.pairs)

        own = self.member_alpha_s
        members = of(self.members, alpha_s=None if own is None else own[:, None])
        points = scale_points(order)
        if order == "lo":  # no renormalisation scale
            points = ((1.0, 1.0), (0.5, 1.0), (2.0, 1.0))
        raw = members[member]
        remarks = [
            *negative_remarks(raw, grid, f"PDF set {self.pdf_set} member {member}", self.pairs),
            *self._negative_members(members),
            *order_remarks(order, sqrt_s),
        ]
        return LuminosityTable(
            mass_gev=grid,
            values=np.maximum(raw, 0.0),
            leading_order=np.maximum(self.members[0, member], 0.0),
            sqrt_s_gev=sqrt_s,
            pdf_set=self.pdf_set,
            pdf_member=member,
            pdf_digest=self.digests[member],
            mu_f_over_m=1.0,
            order=order,
            variations=None
            if member
            else Variations(
                members=None if self.errors is None else np.maximum(members, 0.0),
                errors=self.errors,
                scale_points=points,
                scales=np.maximum(np.stack([of(self.terms(f), f, r) for f, r in points]), 0.0),
            ),
            remarks=tuple(remarks),
            pairs=self.pairs,
        )

    def _negative_members(self, members: FloatArray) -> list[Remark]:
        """One warning on all error members, at masses from where the luminosity of u and d of any is negative."""
        light = [k for k, pair in enumerate(self.pairs) if set(pair) <= {"u", "d"}]
        negative = np.asarray(np.any(members[1:, light] < 0, axis=1))  # (members - 1, n)
        if not negative.any():
            return []
        columns = np.nonzero(negative.any(axis=0))[0]
        first, last = self.mass_gev[columns[[0, -1]]]
        text = (
            f"PDF set {self.pdf_set}: {int(negative.any(axis=1).sum())} of {len(negative)} error members have a "
            f"negative u or d luminosity, the first from {first:.0f} GeV on; set to 0"
        )
        return [Remark(float(first), float(last), text)]


def load_luminosities(
    pdf: str | PDFMember = DEFAULT_SET,
    sqrt_s_gev: float = 13000.0,
    order: str = DEFAULT_ORDER,
    member: int = 0,
    cache: bool = True,
    on_member: Callable[[int, int], None] | None = None,
    pairs: PartonPairs = NEUTRAL_CURRENT,
) -> LuminosityTable:
    """Load corrected luminosities with their PDF and scale variations.

    They come from the shipped tables where these hold the set and energy, otherwise from the set itself: about 0.4 s a
    member and energy the first time, then from the disk cache. UnknownName for a set that is not there, PDFError for
    one that is broken or whose ErrorType is not known.

    Arguments:
        pdf: name of a PDF set, or a loaded member.
        sqrt_s_gev: collider energy in GeV.
        order: ``lo``, ``nlo``, ``nnlo`` or ``n3lo``.
        member: member of the set; one other than 0, or one already loaded, has no variations.
        cache: whether the disk cache is used.
        on_member: called with (members done, all members) while a set is computed.
        pairs: the pairs of quark and antiquark. The shipped tables hold those of the neutral current; any other, as a
            W' needs, is computed from the grids.

    >>> from zprime_recast.partons.pairs import PartonPairs
    >>> charged = PartonPairs((("u", "d"), ("d", "u")))
    >>> both = load_luminosities("CT18NNLO_central", 13000.0, order="lo", pairs=charged)
    >>> plus, minus = both(3000.0)
    >>> f"{plus / minus:.1f}"  # a W'+ is made more often than a W'-
    '3.6'
    """
    sqrt_s = float(checked_positive("sqrt_s_gev", sqrt_s_gev))
    check_order_of_pairs(order, pairs)
    if isinstance(pdf, PDFMember):
        from .luminosity import luminosity_table

        return luminosity_table(pdf, sqrt_s, cache=cache, order=order, pairs=pairs)
    found = _shipped_integrals(pdf, sqrt_s)
    if found is None or found.pairs.missing(pairs):
        found = set_integrals(pdf, sqrt_s, cache=cache, on_member=on_member, pairs=pairs)
    return found.table(order, member).of(pairs)


def set_integrals(
    name: str,
    sqrt_s_gev: float,
    points: int = SET_POINTS,
    cache: bool = True,
    on_member: Callable[[int, int], None] | None = None,
    pairs: PartonPairs = NEUTRAL_CURRENT,
) -> SetIntegrals:
    """Compute the integrals of every member of a set; PDFError names a member that is missing or does not fit.

    Arguments:
        name: name of the PDF set.
        sqrt_s_gev: collider energy in GeV.
        points: number of masses.
        cache: whether the disk cache is used.
        on_member: called with (members done, all members).
        pairs: the pairs of quark and antiquark.
    """
    if name not in available_sets() and shipped_energies(name):
        energies = ", ".join(f"{e:g}" for e in shipped_energies(name))
        wanted = f"{sqrt_s_gev:g} GeV" if pairs == NEUTRAL_CURRENT else f"{', '.join(pairs.names)}"
        raise InputError(
            f"set {name} is not installed, and is shipped only for the neutral current at sqrt(s) = {energies} GeV, "
            f"not for {wanted}; install it (zprime-recast pdf install {name}) or use its central member, "
            f"--pdf {name}_central"
        )
    central = load_pdf(name)
    errors = error_set(central.info)
    count = central.info.members if errors else 1
    members = [central, *(load_pdf(name, k) for k in range(1, count))]  # each on knots of its own
    ranges = [set_range_gev(central, sqrt_s_gev, factor) for factor in SCALE_FACTORS]
    ranges += [set_range_gev(member, sqrt_s_gev) for member in members]
    low, high = max(low for low, _ in ranges), min(high for _, high in ranges)
    if low >= high and all(first < last for first, last in ranges[: len(SCALE_FACTORS)]):
        narrow = min(members, key=lambda member: np.log(member.info.q_max_gev / member.info.q_min_gev)).info
        raise PDFError(
            f"set {name}: a member covers Q = {narrow.q_min_gev:g} to {narrow.q_max_gev:g} GeV only, which leaves no "
            f"mass at sqrt(s) = {sqrt_s_gev:g} GeV that all members cover; use its member 0 alone (member=0 of "
            "zprime_recast.partons.load_pdf) or another set"
        )
    grid = mass_grid(sqrt_s_gev, low, high, points)
    rows, digests, couplings = [], [], []
    for k in range(count):
        member = members.pop(0)  # and with it what it computes
        rows.append(integrals(member, grid, sqrt_s_gev, cache=cache, pairs=pairs))
        digests.append(member.digest)
        if member.info.alpha_s_qs_gev:
            couplings.append(running_coupling(member, grid))
        if on_member:
            on_member(k + 1, count)
    own = len(couplings) == count and any((other != couplings[0]).any() for other in couplings)
    return SetIntegrals(
        pdf_set=name,
        digests=tuple(digests),
        grid_digest=digest(central.info.grid_file(0)),
        sqrt_s_gev=sqrt_s_gev,
        mass_gev=grid,
        members=np.stack(rows, axis=1),
        scales=np.stack([integrals(central, grid, sqrt_s_gev, factor, cache, pairs) for factor in SCALE_FACTORS[1:]]),
        alpha_s=np.stack([running_coupling(central, grid, factor) for factor in SCALE_FACTORS])
        if central.info.alpha_s_qs_gev
        else None,
        errors=errors,
        pairs=pairs,
        member_alpha_s=np.stack(couplings) if own else None,
    )


# ---------------------------------------------------------------------------------------------------------------
# Shipped tables


def shipped_file(name: str, sqrt_s_gev: float) -> Path:
    """Path of the shipped table of a set and energy, which need not exist."""
    return shipped("data") / "luminosities" / f"{name}_{sqrt_s_gev:g}GeV.npz"


def shipped_energies(name: str) -> list[float]:
    """Collider energies (GeV) for which the tables of a set are shipped."""
    found = [file.stem.removesuffix("GeV").rpartition("_") for file in (shipped("data") / "luminosities").glob("*.npz")]
    return sorted(float(energy) for stem, _, energy in found if stem == name)


#: Arrays of a table in a file; those of the strong coupling may be absent.
_ARRAYS = ("mass_gev", "members", "scales", "alpha_s", "member_alpha_s")


def save_integrals(integrals_: SetIntegrals, path: Path) -> None:
    """Write a table in the form in which it is shipped: single precision (6e-8), compressed."""
    about = {
        "pdf_set": integrals_.pdf_set,
        "digests": integrals_.digests,
        "grid_digest": integrals_.grid_digest,
        "sqrt_s_gev": integrals_.sqrt_s_gev,
        "errors": asdict(integrals_.errors) if integrals_.errors else None,
        "pairs": integrals_.pairs.pairs,
    }
    arrays = {name: getattr(integrals_, name) for name in _ARRAYS}
    present = {name: a for name, a in arrays.items() if a is not None}
    single = {name: a if name == "mass_gev" else a.astype(np.float32) for name, a in present.items()}
    np.savez_compressed(path, about=json.dumps(about), **single)


def read_integrals(path: Path) -> SetIntegrals:
    """Read a table written by :func:`save_integrals`; PDFError if it is broken."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            names = [name for name in _ARRAYS if name in file]
            arrays: dict[str, FloatArray] = {name: file[name].astype(float) for name in names}
        pairs = PartonPairs(tuple((str(quark), str(antiquark)) for quark, antiquark in about["pairs"]))
        n, k = len(arrays["mass_gev"]), len(pairs)
        expected: dict[str, tuple[int, ...]] = {"members": (3, len(about["digests"]), k, n), "scales": (2, 3, k, n)}
        optional = {"alpha_s": (3, n), "member_alpha_s": (len(about["digests"]), n)}
        expected |= {name: shape for name, shape in optional.items() if name in arrays}
        if any(arrays[name].shape != shape or not np.isfinite(arrays[name]).all() for name, shape in expected.items()):
            raise ValueError("arrays do not fit")
        errors = ErrorSet(**about["errors"]) if about["errors"] else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as err:
        raise PDFError(f"{path}: not a table of luminosities ({err}); reinstall zprime-recast") from None
    return SetIntegrals(
        about["pdf_set"],
        tuple(about["digests"]),
        about["grid_digest"],
        about["sqrt_s_gev"],
        mass_gev=arrays["mass_gev"],
        members=arrays["members"],
        scales=arrays["scales"],
        alpha_s=arrays.get("alpha_s"),
        member_alpha_s=arrays.get("member_alpha_s"),
        errors=errors,
        pairs=pairs,
    )


def _shipped_integrals(name: str, sqrt_s_gev: float) -> SetIntegrals | None:
    """The shipped table; None if there is none, or if another version of the set is installed here."""
    if sqrt_s_gev not in shipped_energies(name):
        return None
    table = read_integrals(shipped_file(name, sqrt_s_gev))
    installed = available_sets().get(name)
    if installed is not None:
        grid = read_set_info(installed).grid_file(0)
        if not grid.is_file() or digest(grid) != table.grid_digest:
            return None
    return table
