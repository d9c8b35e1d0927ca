r"""Partial widths, total width and branching ratios of a Z'.

.. math:: \Gamma_f = \frac{N_c M \beta}{24\pi} [(g_L^2 + g_R^2)(1 - r) + 6 g_L g_R r],
          \quad r = m_f^2/M^2, \quad \beta = \sqrt{1 - 4 r}

arXiv:1707.08606, eq. (3.4). A massless Weyl state gives g^2 q^2 M/(24 pi), a Majorana one g^2 q^2 M beta^3/(24 pi).

Widths are at tree level by default, as in the paper. Setting the parameter ``qcd_widths`` of a model to 1 multiplies
its quark widths by 1 + a + 1.409 a^2 - 12.77 a^3 with a = alpha_s(M)/pi (massless quarks, five flavours, non-singlet:
Baikov, Chetyrkin, Kuhn, Rittinger, Phys. Rev. Lett. 108 (2012) 222003, arXiv:1201.5804). The correction is +2.9 % at
1 TeV and +2.6 % at 5 TeV, and the same for the top quark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import pi, sqrt

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import BoolArray, FloatArray, Quiet, checked_positive
from ..errors import InputError
from ..io.results import Result
from .card import load_model
from .standard_model import standard_model
from .strong_coupling import MU_MIN_GEV, alpha_s
from .zprime import CHARGED_LEPTONS, GAMMA_EXTRA, QUARKS, SM_FERMIONS, ZprimeModel

#: Coefficients of (alpha_s/pi)^k, k = 1, 2, 3, of a quark width: arXiv:1201.5804, n_f = 5.
QCD_COEFFICIENTS = (1.0, 1.40923, -12.7671)


@dataclass(frozen=True, eq=False, repr=False)
class Widths(Result):
    """Decay widths of a Z' in GeV. Every array has the broadcast shape of mass and coupling."""

    mass_gev: FloatArray
    coupling: FloatArray
    partial_gev: Mapping[str, FloatArray]
    """Width per fermion, summed over its copies, per other decay of the card, and ``extra``, the additional invisible
    width."""
    total_gev: FloatArray
    other_visible: tuple[str, ...] = ()
    """Decays of the card into visible states other than fermions of the Standard Model."""

    @property
    def branching_ratios(self) -> dict[str, FloatArray]:
        """Branching ratio per fermion and other decay, and of ``extra``; they sum to 1."""
        return {name: partial / self.total_gev for name, partial in self.partial_gev.items()}

    @property
    def branching_ratios_by_group(self) -> dict[str, FloatArray]:
        """Branching ratios to the groups of :func:`grouped`; they sum to 1."""
        return grouped(self.branching_ratios, np.ones_like(self.total_gev), self.other_visible)


def grouped(
    parts: Mapping[str, FloatArray], total: FloatArray, other_visible: Sequence[str] = ()
) -> dict[str, FloatArray]:
    """Sums of widths or branching ratios into ``quarks``, ``charged_leptons``, ``other_visible`` (decays of the card
    that are seen) and ``invisible``, which is the rest of the total; each with the shape of ``total``.
    """

    def of(names: Sequence[str]) -> FloatArray:
        return np.asarray(sum((parts[name] for name in names if name in parts), np.zeros_like(total)))

    seen = {"quarks": of(QUARKS), "charged_leptons": of(CHARGED_LEPTONS), "other_visible": of(other_visible)}
    return {**seen, "invisible": total - seen["quarks"] - seen["charged_leptons"] - seen["other_visible"]}


def fermion_width(
    g_left: ArrayLike, g_right: ArrayLike, kind: ArrayLike, states: ArrayLike, m_f_gev: ArrayLike, mass_gev: ArrayLike
) -> FloatArray:
    """Tree-level width in GeV of a vector boson of mass M decaying into a fermion pair, eq. (3.4); 0 below threshold.

    The arguments broadcast, and the result has their common shape.

    Arguments:
        g_left: left-chiral coupling, including the gauge coupling g; pass the charge to get the width at g = 1.
        g_right: right-chiral coupling, likewise.
        kind: ``dirac``, or ``weyl`` or ``majorana`` for a fermion with one chirality (width proportional to beta^3).
        states: number of colours times number of copies.
        m_f_gev: mass of the fermion in GeV, >= 0.
        mass_gev: mass M of the boson in GeV, > 0; sqrt(s) if it is virtual.
    """
    mass, r = np.asarray(mass_gev, dtype=float), _mass_ratio_squared(m_f_gev, mass_gev)
    return _width(*_coupling_sums(g_left, g_right, kind, states), r, mass)


def width_over_beta(
    g_left: ArrayLike, g_right: ArrayLike, kind: ArrayLike, states: ArrayLike, m_f_gev: ArrayLike, mass_gev: ArrayLike
) -> FloatArray:
    """Width (3.4) divided by the fermion velocity beta, in GeV. It is smooth through the threshold M = 2 m_f.

    At threshold, where the width vanishes, a Dirac pair has a finite limit.

    Arguments:
        g_left, g_right, kind, states, m_f_gev, mass_gev: those of :func:`fermion_width`.
    """
    mass, r = np.asarray(mass_gev, dtype=float), _mass_ratio_squared(m_f_gev, mass_gev)
    return _width_over_beta(*_coupling_sums(g_left, g_right, kind, states), r, mass)


def velocity(m_f_gev: ArrayLike, mass_gev: ArrayLike) -> FloatArray:
    """Velocity beta of either particle of a pair of mass m_f and total energy M, in GeV; 0 below threshold."""
    return _velocity(_mass_ratio_squared(m_f_gev, mass_gev))


def unequal_pair_width(
    g_left: complex, g_right: complex, colors: int, m_1_gev: float, m_2_gev: float, mass_gev: float
) -> float:
    """Tree-level width in GeV of a vector boson of mass M decaying into two different fermions; 0 below threshold.

    With r_i = m_i^2/M^2 and the Kaellen function lambda(1, r_1, r_2), it is N_c M sqrt(lambda)/(24 pi) times
    (|g_L|^2 + |g_R|^2) (1 - (r_1 + r_2)/2 - (r_1 - r_2)^2/2) + 6 Re(g_L g_R^*) sqrt(r_1 r_2), which is eq. (3.4) for
    equal masses. ``colors`` is N_c.

    >>> equal = fermion_width(0.1, 0.3, "dirac", 3, 173.0, 1000.0)
    >>> bool(abs(unequal_pair_width(0.1, 0.3, 3, 173.0, 173.0, 1000.0) / equal - 1) < 1e-14)
    True
    """
    if m_1_gev + m_2_gev >= mass_gev:
        return 0.0
    r_1, r_2 = (m_1_gev / mass_gev) ** 2, (m_2_gev / mass_gev) ** 2
    velocity = sqrt(max((1 - r_1 - r_2) ** 2 - 4 * r_1 * r_2, 0.0))
    squares, product = abs(g_left) ** 2 + abs(g_right) ** 2, (complex(g_left) * complex(g_right).conjugate()).real
    bracket = squares * (1 - (r_1 + r_2) / 2 - (r_1 - r_2) ** 2 / 2) + 6 * product * sqrt(r_1 * r_2)
    return float(colors * mass_gev * velocity * bracket / (24 * pi))


def _mass_ratio_squared(m_f_gev: ArrayLike, mass_gev: ArrayLike) -> FloatArray:
    return np.asarray((np.asarray(m_f_gev, dtype=float) / np.asarray(mass_gev, dtype=float)) ** 2)


def _coupling_sums(
    g_left: ArrayLike, g_right: ArrayLike, kind: ArrayLike, states: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """a and b of eq. (3.4) written as Gamma = M beta (a + b r)."""
    left, right = np.asarray(g_left, dtype=float), np.asarray(g_right, dtype=float)
    factor, squares = np.asarray(states, dtype=float) / (24 * np.pi), left**2 + right**2
    two_sided, one_sided = 6 * left * right - squares, -4 * squares
    if isinstance(kind, str):  # saves most of the time of a single fermion
        slope = two_sided if kind == "dirac" else one_sided
    else:
        slope = np.where(np.equal(kind, "dirac"), two_sided, one_sided)
    return np.asarray(factor * squares), np.asarray(factor * slope)


def _width_over_beta(a: FloatArray, b: FloatArray, r: FloatArray, mass: FloatArray) -> FloatArray:
    return np.asarray(mass * (a + b * r))


def _velocity(r: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.maximum(1 - 4 * r, 0.0)))


def _width(a: FloatArray, b: FloatArray, r: FloatArray, mass: FloatArray) -> FloatArray:
    return np.asarray(_velocity(r) * _width_over_beta(a, b, r, mass))


def partial_width(model: ZprimeModel, fermion: str, mass_gev: ArrayLike, coupling: ArrayLike) -> FloatArray:
    """Tree-level width of Z' -> f fbar in GeV, summed over the copies of ``fermion``; 0 below threshold. Eq. (3.4).

    Z' mass (GeV) and coupling broadcast. ``qcd_widths`` has no effect here: the production cross section needs the
    tree-level width because its QCD correction is in the parton luminosities. :func:`decay_widths` applies it.

    InputError unless mass and coupling are finite and > 0; UnknownName if the model has no such fermion.
    """
    mass, g = checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling)
    state = model.fermion(fermion)
    left, right = model.couplings(fermion)
    states = state.colors * state.multiplicity
    return np.asarray(g**2 * fermion_width(left, right, state.kind, states, model.mass_gev(state), mass))


def free_partial_widths(couplings: FloatArray, mass_gev: FloatArray) -> dict[str, FloatArray]:
    """Tree-level widths (n,) in GeV of the Standard Model fermions, for n points with their own couplings and masses.

    ``couplings`` has shape (12, 2, n): g_L and g_R of each fermion, in the order of
    ``zprime_recast.model.zprime.SM_FERMIONS``. ``mass_gev`` has shape (n,).
    """
    colors, masses = _standard_model_states()
    widths = fermion_width(couplings[:, 0], couplings[:, 1], "dirac", colors, masses, mass_gev)
    return dict(zip(SM_FERMIONS, widths, strict=True))


@cache
def _standard_model_states() -> tuple[FloatArray, FloatArray]:
    """Colours and masses (GeV) of the Standard Model fermions, each (12, 1)."""
    masses = standard_model().fermion_mass_gev
    colors = np.array([[3.0] if f in QUARKS else [1.0] for f in SM_FERMIONS])
    return colors, np.array([[masses[f]] for f in SM_FERMIONS])


def qcd_factor(model: ZprimeModel, energy_gev: ArrayLike) -> FloatArray:
    """QCD correction factor of a quark width, evaluated at the Z' mass or, if virtual, at sqrt(s); both in GeV.

    The result has the shape of ``energy_gev``. Below 1 GeV, where the final states are hadrons rather than quarks, the
    factor is frozen at its 1 GeV value.
    """
    a = alpha_s(np.maximum(energy_gev, MU_MIN_GEV), model.sm) / np.pi
    return np.asarray(1 + sum(c * a**k for k, c in enumerate(QCD_COEFFICIENTS, 1)))


def quark_correction(model: ZprimeModel, energy_gev: ArrayLike) -> FloatArray | float:
    """Factor on the quark widths of a model: :func:`qcd_factor` if its parameter ``qcd_widths`` is 1, otherwise 1."""
    return qcd_factor(model, energy_gev) if model.qcd_widths else 1.0


def decay_widths(model: ZprimeModel | str, mass_gev: ArrayLike, coupling: ArrayLike) -> Widths:
    """All decay widths of a Z' with given mass (GeV) and coupling, which broadcast.

    ``model``: a model, or the id of a card. InputError unless mass and coupling are finite and > 0, and where no decay
    is open.

    >>> import zprime_recast as zr
    >>> float(zr.decay_widths("minimal_bl", 1000.0, 0.1).total_gev) > 0
    True
    """
    model = load_model(model)
    mass, g = checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling)
    mass, g = np.broadcast_arrays(mass, g)
    partial = all_partial_widths(model, mass, g)
    total = np.asarray(sum(partial.values(), np.zeros(mass.shape)))
    if faults := width_faults(model, mass.ravel(), total.ravel(), {n: w.ravel() for n, w in partial.items()}):
        raise InputError(f"model {model.id}: {faults[0][1]}")
    return Widths(mass, g, partial, total, visible_decays(model))


def visible_decays(model: ZprimeModel) -> tuple[str, ...]:
    """Names of the decays of a card into visible states other than fermion pairs of the Standard Model."""
    return tuple(decay.name for decay in model.decays if decay.visible)


def width_faults(
    model: ZprimeModel, mass_gev: FloatArray, total_gev: FloatArray, partial_gev: Mapping[str, FloatArray]
) -> list[tuple[int, str]]:
    """(index, message) of points (n,) without a width: no open decay, or a decay whose formula gives none."""
    faults = []
    for i in np.nonzero(~(total_gev > 0))[0].tolist():
        without = [d for d in model.decays if np.isnan(partial_gev[d.name][i])]
        charged = [f for f in model.fermions if np.isnan(partial_gev[f.name][i])]
        if charged:
            found = f"the formula of a charge of {charged[0].name} has no value"
        elif without:
            found = f"{without[0].width.text!r} gives no width >= 0 for {without[0].name}"
        else:
            found = "the Z' has no open decay"
        faults.append((i, f"{found} at {mass_gev[i]:g} GeV"))
    return faults


def all_partial_widths(
    model: ZprimeModel, mass: FloatArray, g: FloatArray, given: Mapping[str, FloatArray] | None = None
) -> dict[str, FloatArray]:
    """Width in GeV per fermion, summed over its copies, per other decay, and ``extra``, for Z' masses (n,) in GeV and
    couplings (n,); NaN where a formula of the card gives none.

    ``given`` maps parameters of the card that vary from point to point to their values (n,).
    """
    values = given or {}
    parameters = {f.name: f.mass_parameter for f in model.fermions}
    own_mass = {name: values[p] for name, p in parameters.items() if p is not None and p in values}
    own = model.couplings_at(values) if values.keys() & set(model.charge_parameters) else None
    widths = _fermion_widths(model, mass, g, own_mass, own)
    partial = dict(zip((f.name for f in model.fermions), widths, strict=True))
    if model.decays:
        partial |= other_widths(model, mass, g, values)
    partial["extra"] = values.get(GAMMA_EXTRA, np.full(mass.shape, model.gamma_extra_gev))
    return partial


def other_widths(
    model: ZprimeModel, mass: FloatArray, g: FloatArray, given: Mapping[str, FloatArray] | None = None
) -> dict[str, FloatArray]:
    """Widths in GeV of the decays of a card other than into fermions, for masses (...) in GeV and couplings (...).

    They are 0 below their thresholds, and NaN where a formula gives no width >= 0. ``given`` holds values of parameters
    that vary from point to point.
    """
    known, widths = {**model.numbers(given), "M": mass}, {}
    for decay in model.decays:
        found = np.broadcast_to(decay.width.numbers(known), mass.shape)
        found = np.where(found >= 0, found, np.nan) * (g**2 if decay.scales else np.ones(mass.shape))
        if decay.threshold is not None:
            found = np.where(mass > decay.threshold.numbers(known), found, 0.0)
        widths[decay.name] = found
    return widths


def total_width(
    model: ZprimeModel, mass: FloatArray, g: FloatArray, own_mass: Mapping[str, FloatArray] | None = None
) -> FloatArray:
    """Total width (n,) in GeV for Z' masses (n,) in GeV and couplings (n,); 0 if no decay is open, and NaN where the
    formula of a decay gives none.

    ``own_mass`` maps names of fermions to masses (n,) in GeV that replace those of the card.
    """
    total = _fermion_widths(model, mass, g, own_mass or {}).sum(axis=0) + model.gamma_extra_gev
    if not model.decays:
        return np.asarray(total)
    masses = {f.mass_parameter: own_mass[f.name] for f in model.fermions if own_mass and f.name in own_mass}
    given = {name: values for name, values in masses.items() if name is not None}
    return np.asarray(sum(other_widths(model, mass, g, given).values(), total))


def _fermion_widths(
    model: ZprimeModel,
    mass: FloatArray,
    g: FloatArray,
    own_mass: Mapping[str, FloatArray],
    own_couplings: FloatArray | None = None,
) -> FloatArray:
    """Widths (n_fermions, n) in GeV, with the QCD correction if the model asks for it.

    Masses of fermions by name, (n,), and couplings at g = 1, (n_fermions, 2, n), replace those of the card.
    """
    table: _Table = model.memo.get(("width table",), lambda: _table(model))
    axes = (-1, *(1,) * mass.ndim)
    masses = table.mass_gev.reshape(axes)
    if own_mass:
        masses = np.array(np.broadcast_to(masses, (len(masses), *mass.shape)))
        for name, values in own_mass.items():
            masses[table.names.index(name)] = values
    a, b = table.a.reshape(axes), table.b.reshape(axes)
    if own_couplings is not None:
        a, b = _sums_of(model, own_couplings)
    widths = g**2 * _width(a, b, _mass_ratio_squared(masses, mass), mass)
    if model.qcd_widths:
        widths[table.quarks] *= quark_correction(model, mass)
    return widths


@dataclass(frozen=True, eq=False, repr=False)
class _Table(Quiet):
    """Fermions of a model as arrays (n_fermions,), with coupling sums a and b for g = 1 and masses of the card."""

    names: tuple[str, ...]
    a: FloatArray
    b: FloatArray
    mass_gev: FloatArray
    quarks: BoolArray


def _sums_of(model: ZprimeModel, couplings: FloatArray) -> tuple[FloatArray, FloatArray]:
    """:func:`_coupling_sums` of the fermions of a model, from couplings (n_fermions, 2, n); each (n_fermions, n)."""
    kinds = np.array([[f.kind] for f in model.fermions])
    states = np.array([[f.colors * f.multiplicity] for f in model.fermions])
    return _coupling_sums(couplings[:, 0], couplings[:, 1], kinds, states)


def _table(model: ZprimeModel) -> _Table:
    fermions = model.fermions
    a, b = (sums[:, 0] for sums in _sums_of(model, np.array([model.couplings(f.name) for f in fermions])[:, :, None]))
    return _Table(
        names=tuple(f.name for f in fermions),
        a=a,
        b=b,
        mass_gev=np.array([model.mass_gev(f) for f in fermions]),
        quarks=np.array([f.name in QUARKS for f in fermions]),
    )


def first_lepton(partial_gev: Mapping[str, FloatArray]) -> str:
    """The first charged lepton (e, mu, tau) any of the Z' bosons decays to; e if there is none."""
    coupled = (name for name in CHARGED_LEPTONS if name in partial_gev and np.any(partial_gev[name] > 0))
    return next(coupled, CHARGED_LEPTONS[0])


def massless_branching_ratios(model: ZprimeModel, closed: Iterable[str] = ()) -> dict[str, Fraction]:
    """Exact branching ratios for massless final states, leaving out the channels in ``closed``.

    InputError if a charge contains sin^2(theta_W) or if every channel is closed.
    """
    shut = {model.fermion(name).name for name in closed}
    weights = {}
    for f in model.fermions:
        if f.q_left.sw2 or f.q_right.sw2:
            raise InputError(f"charges of {model.id} contain sin^2(theta_W): it has no exact branching ratios")
        strength = f.q_left.rational**2 + f.q_right.rational**2
        weights[f.name] = Fraction(0) if f.name in shut else f.multiplicity * f.colors * strength
    total = sum(weights.values(), Fraction(0))
    if not total:
        raise InputError(f"model {model.id}: every decay channel is closed")
    return {name: weight / total for name, weight in weights.items()}
