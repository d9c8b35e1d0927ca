r"""Cross sections of chi chibar -> Z' -> f fbar and chi chibar -> Z'Z', for any energy, mass and chiral coupling.

**f fbar.** With the width formula (3.4) taken at a virtual mass :math:`\sqrt s`, the spin-1 part is

.. math:: \sigma_T = \frac{12\pi}{\beta_\chi^2} \frac{\Gamma_\chi(s)\,\Gamma_f(s)}{(s-M^2)^2 + M^2\Gamma^2},
          \qquad \beta_\chi = \sqrt{1 - 4 m_\chi^2/s},

which is the Breit-Wigner peak at s = M^2, and the spin-0 part, from the divergence of the axial currents, is

.. math:: \sigma_L = \frac{N_c\, m_\chi^2 m_f^2\, g_{A\chi}^2 g_{Af}^2}{\pi s\,(M^4 + M^2\Gamma^2)}
          \frac{\beta_f}{\beta_\chi}, \qquad g_A = (g_R - g_L)/2 .

It has no pole in s (complex-mass propagator, mu^2 = M^2 - i M Gamma) and vanishes for B-L, where massive final states
have vector couplings. Scalar exchange is neglected. If the parameter ``running_width`` of the model is 1, s Gamma/M
replaces M Gamma in sigma_T, and M^4 alone stands in sigma_L, because the self-energy from massless fermions is
transverse.

**Z'Z'.** This is t- and u-channel chi exchange, averaged over spins and angles in closed form (traces of the chiral
vertices in unitary gauge). The exchange of phi_1 is velocity suppressed and neglected, as in (3.5). Without it the
axial part with longitudinal Z' grows like (g_A m_chi/M)^4 s/m_chi^2, so the formula holds below
:func:`zz_unitarity_energy_gev`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, Quiet, checked_positive
from ..errors import InputError
from ..model.widths import fermion_width, other_widths, quark_correction, total_width, velocity, width_over_beta
from ..model.zprime import QUARKS, Fermion, ZprimeModel

#: Name of the dark-matter fermion on a card.
DARK_MATTER = "chi"
#: Name of the channel Z'Z'; the other channels have the names of their fermions.
ZZ = "ZZ"


@dataclass(frozen=True)
class State:
    """A fermion with its couplings for g = 1 and its mass in GeV, looked up once per model."""

    fermion: Fermion
    g_left: float
    g_right: float
    mass_gev: float

    @property
    def states(self) -> int:
        """Number of colours times number of copies."""
        return self.fermion.colors * self.fermion.multiplicity

    def width_gev(self, sqrt_s_gev: FloatArray) -> FloatArray:
        """Tree-level width (3.4) in GeV at unit coupling for a Z' of virtual mass sqrt(s); 0 below threshold."""
        return fermion_width(self.g_left, self.g_right, self.fermion.kind, self.states, self.mass_gev, sqrt_s_gev)


@dataclass(frozen=True, eq=False, repr=False)
class Points(Quiet):
    """Points of parameter space, as flat arrays of one length."""

    model: ZprimeModel
    states: Mapping[str, State]
    m_chi_gev: FloatArray
    mass_gev: FloatArray
    coupling: FloatArray
    gamma_gev: FloatArray
    """Total width for these chi masses, the same as in :func:`~zprime_recast.model.widths.decay_widths`."""
    shape: tuple[int, ...]
    """Broadcast shape of the inputs, which results are returned in."""

    def take(self, keep: FloatArray | slice | np.ndarray) -> Points:
        """Select points by a mask, index array or slice."""
        arrays = (self.m_chi_gev[keep], self.mass_gev[keep], self.coupling[keep], self.gamma_gev[keep])
        return Points(self.model, self.states, *arrays, shape=arrays[0].shape)


def dark_matter_fermion(model: ZprimeModel) -> Fermion:
    """The dark-matter fermion ``chi`` of a model; InputError if there is none or it is not a Dirac fermion."""
    for fermion in model.fermions:
        if fermion.name == DARK_MATTER:
            if fermion.kind != "dirac":
                raise InputError(f"model {model.id}: dark matter {DARK_MATTER} must be a Dirac fermion")
            return fermion
    raise InputError(f"model {model.id} has no dark matter: add a [[dark]] fermion '{DARK_MATTER}' to its card")


def make_points(
    model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike, m_chi_gev: ArrayLike | None = None
) -> Points:
    """Make points from Z' mass (GeV), coupling and chi mass (GeV; None for that of the card), which broadcast.

    InputError unless all are finite and > 0, and where the Z' has no open decay.
    """
    chi = dark_matter_fermion(model)
    named = {"mass_gev": mass_gev, "coupling": coupling}
    named["m_chi"] = model.mass_gev(chi) if m_chi_gev is None else m_chi_gev
    try:
        mass, g, m_chi = np.broadcast_arrays(*(checked_positive(name, value) for name, value in named.items()))
    except ValueError as err:
        raise err if isinstance(err, InputError) else InputError(f"mass, coupling and m_chi: {err}") from None
    shape = mass.shape
    mass, g, m_chi = mass.ravel(), g.ravel(), m_chi.ravel()
    gamma = total_width(model, mass, g, {DARK_MATTER: m_chi})
    if (gamma <= 0).any():
        raise InputError(f"model {model.id}: the Z' has no open decay at {mass[gamma <= 0][0]:g} GeV")
    return Points(model, fermion_states(model), m_chi, mass, g, gamma, shape)


def fermion_states(model: ZprimeModel) -> dict[str, State]:
    """Fermions of a model that couple to the Z', by name."""
    states = {f.name: State(f, *model.couplings(f.name), model.mass_gev(f)) for f in model.fermions}
    return {name: state for name, state in states.items() if state.g_left or state.g_right}


def channels(points: Points) -> tuple[str, ...]:
    """Names of the final states of chi chibar: every other fermion that couples to the Z', the other decays of the card
    and ``ZZ``."""
    return (*(name for name in points.states if name != DARK_MATTER), *_other_decays(points), ZZ)


def _other_decays(points: Points) -> tuple[str, ...]:
    """Decays of the card whose width grows with g^2; InputError for one of fixed width, whose coupling is unknown."""
    for decay in points.model.decays:
        if not decay.scales:
            raise InputError(
                f"model {points.model.id}: annihilation into {decay.name} needs width_over_g2, its width at g = 1"
            )
    return tuple(decay.name for decay in points.model.decays)


def channel_mass_gev(points: Points, channel: str) -> FloatArray:
    """Mass (GeV) of one of the two particles of a final state, with the shape of the points."""
    if channel == ZZ:
        return points.mass_gev
    for decay in points.model.decays:
        if channel == decay.name:
            threshold = 0.0 if decay.threshold is None else decay.threshold.numbers(points.model.numbers()) / 2
            return np.full(points.mass_gev.shape, threshold)
    return np.full(points.mass_gev.shape, points.states[channel].mass_gev)


def fermion_sum(points: Points, final: Sequence[str], sqrt_s_gev: FloatArray) -> FloatArray:
    r"""Flux-free cross section :math:`\beta_\chi \sum_f \sigma(\chi\bar\chi\to f\bar f)` in GeV^-2.

    ``sqrt_s_gev`` >= 2 m_chi and the result have shape (points, nodes). The result is finite at threshold, where sigma
    itself diverges.

    If the parameter ``qcd_widths`` is 1, the width Gamma_q(s) of a quark is multiplied by 1 + alpha_s/pi + ... at the
    scale sqrt(s) rather than M: the Z' is colourless, so gluons only see the virtuality of the quark pair. At s = M^2
    this is the correction in the total width of the propagator, so the peak remains 12 pi/(M^2 beta_chi^2) BR_chi BR_q.
    The spin-0 part, which has a different QCD correction, stays at tree level.
    """
    m, mass, g, gamma = (a[:, None] for a in (points.m_chi_gev, points.mass_gev, points.coupling, points.gamma_gev))
    chi = points.states[DARK_MATTER]
    left, right = chi.g_left, chi.g_right
    s = sqrt_s_gev**2
    chi_over_beta = width_over_beta(left, right, chi.fermion.kind, chi.states, m, sqrt_s_gev)
    total = np.zeros_like(s)
    quarks = [name for name in final if name in QUARKS]
    if quarks:
        total += sum(points.states[name].width_gev(sqrt_s_gev) for name in quarks)
        total *= quark_correction(points.model, sqrt_s_gev)
    total += sum(
        points.states[name].width_gev(sqrt_s_gev) for name in final if name in points.states.keys() - {*QUARKS}
    )
    others = [name for name in final if name not in points.states]
    if others:
        widths = other_widths(points.model, sqrt_s_gev, np.ones_like(s))
        total += sum(widths[name] for name in others)
    running = points.model.running_width
    absorptive = s * gamma / mass if running else mass * gamma
    pole = ((sqrt_s_gev - mass) * (sqrt_s_gev + mass)) ** 2 + absorptive**2
    transverse = 12 * np.pi * g**4 * chi_over_beta * total / pole
    axial_chi = m**2 * ((right - left) / 2) ** 2
    spin0 = sum(_axial_divergence(points.states[name], s) for name in final if name in points.states)
    longitudinal = mass**4 if running else mass**2 * (mass**2 + gamma**2)
    return np.asarray(transverse + g**4 * axial_chi * spin0 / (np.pi * s * longitudinal))


def _axial_divergence(state: State, s: FloatArray) -> FloatArray | float:
    """N_c m_f^2 g_A^2 beta_f of a final state, all copies; a Majorana pair counts half a Dirac one with g_A = g."""
    majorana = state.fermion.kind == "majorana"
    axial = (state.g_left**2 + state.g_right**2) / 2 if majorana else ((state.g_right - state.g_left) / 2) ** 2
    if not state.mass_gev * axial:
        return 0.0
    return np.asarray(state.states * state.mass_gev**2 * axial * velocity(state.mass_gev, np.sqrt(s)))


def diboson(points: Points, sqrt_s_gev: FloatArray) -> FloatArray:
    r"""Flux-free cross section :math:`\beta_\chi\,\sigma(\chi\bar\chi\to Z'Z')` in GeV^-2; 0 below threshold.

    ``sqrt_s_gev`` and the result have shape (points, nodes). With s and w = M^2 in units of m_chi^2,
    g_V = (g_L + g_R)/2, g_A = (g_R - g_L)/2 and Z = sqrt((s - 4)(s - 4 w))/2, h = s/2 - w:
    sum |M|^2 averaged over the angle = A + B/(w^2 + s - 4 w) + L artanh(Z/h)/Z.
    """
    m, mass, g = (a[:, None] for a in (points.m_chi_gev, points.mass_gev, points.coupling))
    chi = points.states[DARK_MATTER]
    left, right = chi.g_left, chi.g_right
    v2, a2 = ((right + left) / 2) ** 2, ((right - left) / 2) ** 2
    s, w = (sqrt_s_gev / m) ** 2, (mass / m) ** 2
    beta_z = np.sqrt(np.clip(1 - 4 * w / s, 0.0, None))
    # below threshold, evaluate at threshold: the phase space beta_z is 0 there
    s = np.maximum(s, 4 * w)
    h = s / 2 - w
    z = np.sqrt(np.maximum((s - 4) * (s - 4 * w), 0.0)) / 2
    constant = -16 * v2**2 - 96 * v2 * a2 + 16 * a2**2 * (2 * s - 8 * w - w**2) / w**2
    poles = -16 * v2**2 * (w + 2) ** 2 - 16 * a2**2 * (w - 4) ** 2
    poles = poles - 32 * v2 * a2 * (3 * w**2 - 10 * w + 4 * s - 8)
    logs = 16 * v2**2 * (4 * w**2 - 8 * w + s**2 + 4 * s - 8)
    logs = logs + 32 * v2 * a2 * (12 * w**3 - 20 * w**2 + 3 * w * s**2 - 20 * w * s + 16 * w + 2 * s**2) / w
    quartic = 4 * w**4 - 16 * w**3 + (w * s) ** 2 - 12 * w**2 * s + 4 * w * s**2 + 16 * w * s - 4 * s**2
    logs = (logs + 16 * a2**2 * quartic / w**2) / (s - 2 * w)
    squared = constant + poles / (w**2 + s - 4 * w) + logs * _artanh_over(z, h)
    # flux 2 s beta_chi, spin average 1/4, identical bosons 1/2, phase space beta_Z/(8 pi)
    return np.asarray(g**4 * np.maximum(squared, 0.0) * beta_z / (128 * np.pi * s * m**2))


def _artanh_over(z: FloatArray, h: FloatArray) -> FloatArray:
    """artanh(z/h)/z, with its limit for z -> 0."""
    ratio = z / h
    small = ratio < 1e-4
    safe = np.where(small, 0.5, ratio)
    return np.where(small, 1 + ratio**2 / 3, np.arctanh(safe) / safe) / h


def zz_unitarity_energy_gev(points: Points) -> FloatArray:
    r"""Energy sqrt(s) (GeV) up to which chi chibar -> Z'_L Z'_L without phi_1 respects unitarity; inf for g_A = 0.

    :math:`\sqrt s < \pi M^2/(g_A^2 m_\chi)`; Kahlhoefer et al., JHEP 02 (2016) 016, arXiv:1510.02110, section 2.
    """
    chi = points.states[DARK_MATTER]
    axial = points.coupling**2 * ((chi.g_right - chi.g_left) / 2) ** 2
    with np.errstate(divide="ignore"):
        energy = np.pi * points.mass_gev**2 / (axial * points.m_chi_gev)
    return np.asarray(energy.reshape(points.shape))


def cross_section_gev2(
    model: ZprimeModel,
    sqrt_s_gev: ArrayLike,
    mass_gev: ArrayLike,
    coupling: ArrayLike,
    m_chi_gev: ArrayLike | None = None,
) -> dict[str, FloatArray]:
    """Spin-averaged cross sections of chi chibar in GeV^-2 per final state, 0 where it is closed.

    The inputs broadcast, and the results have their common shape. InputError unless all are finite and > 0 and
    sqrt(s) > 2 m_chi.

    Arguments:
        model: model with a Dirac fermion ``chi``.
        sqrt_s_gev: centre-of-mass energy in GeV.
        mass_gev: Z' mass in GeV.
        coupling: gauge coupling g.
        m_chi_gev: mass of chi in GeV; the default is that of the card.
    """
    chi_mass = model.mass_gev(dark_matter_fermion(model)) if m_chi_gev is None else m_chi_gev
    energy = checked_positive("sqrt_s_gev", sqrt_s_gev)
    energy, mass, g, m_chi = np.broadcast_arrays(
        energy, *(np.asarray(a, float) for a in (mass_gev, coupling, chi_mass))
    )
    points = make_points(model, mass, g, m_chi)
    flat = energy.ravel()[:, None]
    m = points.m_chi_gev[:, None]
    if (flat <= 2 * m).any():
        raise InputError(f"sqrt_s_gev must be above 2 m_chi, found {flat[flat <= 2 * m][0]:g} GeV")
    beta = np.sqrt(1 - (2 * m / flat) ** 2)
    sigma = {name: fermion_sum(points, [name], flat) / beta for name in channels(points) if name != ZZ}
    sigma[ZZ] = diboson(points, flat) / beta
    return {name: value.reshape(energy.shape) for name, value in sigma.items()}
