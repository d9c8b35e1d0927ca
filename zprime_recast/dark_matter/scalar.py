r"""Scalar sector: potential (2.7), its minimum, masses and mixing, exact and in the approximations (2.8)-(2.16).

The fields are :math:`\phi_j = (v_j + \varphi_j + i a_j)/\sqrt 2`, :math:`H^0 = (v + h + i G_Z)/\sqrt 2`; v = 246 GeV.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from math import atan, cos, pi, sin, sqrt
from typing import Final

import numpy as np

from ..arrays import FloatArray, checked_number
from ..errors import InputError

#: Electroweak vev in GeV, (sqrt(2) G_F)^(-1/2), PDG 2024.
V_EW_GEV: Final = 246.21965
#: Higgs mass in GeV, PDG 2024.
M_HIGGS_GEV: Final = 125.20
#: Upper bound on sin(alpha_1) from Higgs couplings, below eq. (2.15).
SIN_ALPHA_HIGGS: Final = 0.39
#: Upper bound on sin(alpha_1) from the W mass at m_phi1 = 800 GeV, below eq. (2.15); arXiv:1406.1043.
SIN_ALPHA_W_MASS, M_PHI1_W_MASS_GEV = 0.2, 800.0


@dataclass(frozen=True)
class Potential:
    """Quartic couplings, vevs (GeV) and trilinear coupling eta (GeV) of (2.7).

    The squared mass parameters follow from the minimum. InputError unless vevs, eta, lambda_h and lambda_1 are > 0.
    """

    v1_gev: float
    v2_gev: float
    lambda_h: float
    lambda_1: float
    lambda_2: float
    lambda_12: float
    lambda_1h: float
    lambda_2h: float
    eta_gev: float
    v_gev: float = V_EW_GEV

    def __post_init__(self) -> None:
        for name in ("v1_gev", "v2_gev", "eta_gev", "v_gev", "lambda_h", "lambda_1"):
            checked_number(name, getattr(self, name), above=0.0)
        for name in ("lambda_2", "lambda_12", "lambda_1h", "lambda_2h"):
            checked_number(name, getattr(self, name))

    def value_gev4(self, v: float, v1: float, v2: float) -> float:
        """Value of the potential (2.7) in GeV^4 for real fields H^0 = v/sqrt(2), phi_j = v_j/sqrt(2); v, v_j in GeV."""
        m_h2, m_12, m_22 = self.masses_squared_gev2()
        h, a, b = v**2 / 2, v1**2 / 2, v2**2 / 2
        squares = (m_h2 * h + m_12 * a + m_22 * b) / 2
        quartics = self.lambda_h * h**2 + self.lambda_1 * a**2 + self.lambda_2 * b**2
        portals = self.lambda_12 * a * b + self.lambda_1h * a * h + self.lambda_2h * b * h
        return squares + quartics / 2 + portals / 2 - self.eta_gev * v1**2 * v2 / sqrt(2)

    def masses_squared_gev2(self) -> tuple[float, float, float]:
        """Mass parameters (m_H^2, m_1^2, m_2^2) in GeV^2 that put the minimum at the vevs; (2.8)-(2.10), exact."""
        v, v1, v2 = self.v_gev**2, self.v1_gev**2, self.v2_gev
        return (
            -(self.lambda_1h * v1 + self.lambda_2h * v2**2 + 2 * self.lambda_h * v) / 2,
            -(2 * self.lambda_1 * v1 + self.lambda_1h * v - 4 * sqrt(2) * self.eta_gev * v2 + self.lambda_12 * v2**2)
            / 2,
            (sqrt(2) * self.eta_gev / v2 - self.lambda_12 / 2) * v1 - self.lambda_2 * v2**2 - self.lambda_2h / 2 * v,
        )

    def masses_squared_estimate_gev2(self) -> tuple[float, float, float]:
        """Mass parameters (m_H^2, m_1^2, m_2^2) in GeV^2 in the approximation printed in (2.8)-(2.10)."""
        v, v1 = self.v_gev**2, self.v1_gev**2
        return (
            -(self.lambda_1h * v1 + 2 * self.lambda_h * v) / 2,
            -(2 * self.lambda_1 * v1 + self.lambda_1h * v) / 2,
            sqrt(2) * self.eta_gev * v1 / self.v2_gev,
        )

    def mass_matrix_gev2(self) -> FloatArray:
        """Exact mass matrix (3x3) of (h, phi_1, phi_2) in GeV^2; (2.12) without its approximations."""
        v, v1, v2, eta = self.v_gev, self.v1_gev, self.v2_gev, self.eta_gev
        h1, h2 = self.lambda_1h * v1 * v / 2, self.lambda_2h * v2 * v / 2
        m12 = self.lambda_12 * v1 * v2 / 2 - sqrt(2) * eta * v1
        m22 = self.lambda_2 * v2**2 + eta * v1**2 / (sqrt(2) * v2)
        return np.array([[self.lambda_h * v**2, h1, h2], [h1, self.lambda_1 * v1**2, m12], [h2, m12, m22]])

    def mass_matrix_estimate_gev2(self) -> FloatArray:
        """Mass matrix (3x3) of (h, phi_1, phi_2) in GeV^2 as printed in (2.12)."""
        v, v1, v2, eta = self.v_gev, self.v1_gev, self.v2_gev, self.eta_gev
        h1, m12 = self.lambda_1h * v1 * v / 2, -sqrt(2) * eta * v1
        m22 = eta * v1**2 / (sqrt(2) * v2)
        return np.array([[self.lambda_h * v**2, h1, 0.0], [h1, self.lambda_1 * v1**2, m12], [0.0, m12, m22]])

    def is_bounded_below(self) -> bool:
        """Whether the vacuum is stable, i.e. the quartic form is copositive; Kannike, arXiv:1205.3781.

        The form is a_ii = lambda_i, a_ij = lambda_ij/2 on (|H|^2, |phi_1|^2, |phi_2|^2).
        """
        a1, a2, a3 = self.lambda_h, self.lambda_1, self.lambda_2
        if min(a1, a2, a3) < 0:
            return False
        a12, a13, a23 = self.lambda_1h / 2, self.lambda_2h / 2, self.lambda_12 / 2
        b12, b13, b23 = a12 + sqrt(a1 * a2), a13 + sqrt(a1 * a3), a23 + sqrt(a2 * a3)
        if min(b12, b13, b23) < 0:
            return False
        total = sqrt(a1 * a2 * a3) + a12 * sqrt(a3) + a13 * sqrt(a2) + a23 * sqrt(a1)
        return total + sqrt(2 * b12 * b13 * b23) >= 0

    def is_minimum(self) -> bool:
        """Whether the vacuum is a local minimum, without a tachyon."""
        return bool(np.linalg.eigvalsh(self.mass_matrix_gev2())[0] > 0)


@dataclass(frozen=True)
class Spectrum:
    """Scalar masses (GeV) and mixing angles (rad)."""

    m_h_gev: float
    m_phi1_gev: float
    m_phi2_gev: float
    m_a_gev: float
    """The pseudoscalar A of (2.16)."""
    alpha_1: float
    """Mixing of h and phi_1."""
    alpha_2: float
    """Mixing of phi_1 and phi_2."""

    @property
    def kappa(self) -> float:
        """Higgs couplings over those of the Standard Model, cos(alpha_1); eq. (2.15)."""
        return cos(self.alpha_1)


def v2_estimate_gev(eta_gev: float, v1_gev: float, m2_gev: float) -> float:
    """Estimate v_2 = sqrt(2) eta v_1^2/m_2^2 in GeV, eq. (2.11); InputError unless all are > 0."""
    eta, v1, m2 = (checked_number(n, v, above=0.0) for n, v in (("eta", eta_gev), ("v1", v1_gev), ("m2", m2_gev)))
    return sqrt(2) * eta * v1**2 / m2**2


def pseudoscalar(potential: Potential) -> tuple[FloatArray, float]:
    """Components of the pseudoscalar A on (a_1, a_2) and its exact mass in GeV, eq. (2.16).

    m_A^2 = eta (v_1^2 + 4 v_2^2)/(sqrt(2) v_2).
    """
    v1, v2 = potential.v1_gev, potential.v2_gev
    norm2 = v1**2 + 4 * v2**2
    return np.array([2 * v2, -v1]) / sqrt(norm2), sqrt(potential.eta_gev * norm2 / (sqrt(2) * v2))


def spectrum(potential: Potential) -> Spectrum:
    """Exact spectrum by diagonalisation. InputError if the vacuum is not a minimum (a tachyon).

    Each state is named after the field that dominates it.
    """
    values, vectors = np.linalg.eigh(potential.mass_matrix_gev2())
    if values[0] <= 0:
        raise InputError(f"the vacuum is not a minimum: mass squared {values[0]:g} GeV^2; lower the portal couplings")
    # assign states to fields by the largest overlap
    order = max(permutations(range(3)), key=lambda p: abs(np.prod([vectors[i, p[i]] for i in range(3)])))
    masses = [sqrt(values[i]) for i in order]
    # h = cos(alpha_1) h - sin(alpha_1) phi_1 and phi_1 = cos(alpha_2) phi_1 + sin(alpha_2) phi_2, as in (2.14)
    h, phi_2 = vectors[:, order[0]], vectors[:, order[2]]
    alpha_1, alpha_2 = atan(-h[1] / h[0]), atan(-phi_2[1] / phi_2[2])
    m_h, m_phi1, m_phi2 = masses
    return Spectrum(m_h, m_phi1, m_phi2, pseudoscalar(potential)[1], alpha_1, alpha_2)


def spectrum_estimate(potential: Potential) -> Spectrum:
    """Approximate spectrum by eqs. (2.13) and (2.14), with m_A = m_phi2.

    InputError if m_2^2 <= 0, where (2.11) does not hold.
    """
    p = potential
    m_22 = p.masses_squared_gev2()[2]
    if m_22 <= 0:
        raise InputError(f"eqs. (2.11) and (2.13) need m_2^2 > 0, found {m_22:g} GeV^2")
    alpha_1 = atan(p.lambda_1h * p.v_gev / (2 * p.lambda_1 * p.v1_gev))
    m_phi2 = sqrt(m_22 / 2)
    return Spectrum(
        m_h_gev=sqrt(p.lambda_h) * p.v_gev,
        m_phi1_gev=sqrt(p.lambda_1) * p.v1_gev,
        m_phi2_gev=m_phi2,
        m_a_gev=m_phi2,
        alpha_1=alpha_1,
        alpha_2=atan(2 * p.v2_gev / p.v1_gev),
    )


def potential_from_masses(
    v1_gev: float,
    v2_gev: float,
    m_phi1_gev: float,
    m_phi2_gev: float,
    sin_alpha_1: float,
    *,
    m_h_gev: float = M_HIGGS_GEV,
    lambda_2: float = 1.0,
    lambda_12: float = 0.0,
    lambda_2h: float = 0.0,
) -> Potential:
    """Build the potential with given masses and h-phi_1 mixing, exact up to the tiny mixing with phi_2.

    InputError unless masses and vevs are > 0 and |sin alpha_1| < 1.

    Arguments:
        v1_gev: v_1 in GeV.
        v2_gev: v_2 in GeV.
        m_phi1_gev: mass of phi_1 in GeV.
        m_phi2_gev: mass of phi_2 in GeV.
        sin_alpha_1: sine of the mixing angle of h and phi_1.
        m_h_gev: mass of the Higgs boson in GeV.
        lambda_2: quartic coupling of phi_2.
        lambda_12: quartic coupling of phi_1 and phi_2.
        lambda_2h: quartic coupling of phi_2 and the Higgs field.
    """
    named = {"v1_gev": v1_gev, "v2_gev": v2_gev, "m_phi1_gev": m_phi1_gev, "m_phi2_gev": m_phi2_gev, "m_h_gev": m_h_gev}
    v1, v2, m1, m2, mh = (checked_number(name, value, above=0.0) for name, value in named.items())
    s = checked_number("sin_alpha_1", sin_alpha_1)
    if abs(s) >= 1:
        raise InputError(f"sin_alpha_1 must be between -1 and 1, found {s:g}")
    c2 = 1 - s**2
    hh, ff = mh**2 * c2 + m1**2 * s**2, mh**2 * s**2 + m1**2 * c2
    hf = s * sqrt(c2) * (m1**2 - mh**2)
    return Potential(
        v1_gev=v1,
        v2_gev=v2,
        lambda_h=hh / V_EW_GEV**2,
        lambda_1=ff / v1**2,
        lambda_2=lambda_2,
        lambda_12=lambda_12,
        lambda_1h=2 * hf / (V_EW_GEV * v1),
        lambda_2h=lambda_2h,
        eta_gev=sqrt(2) * v2 * m2**2 / v1**2,
    )


def violated_constraints(potential: Potential) -> list[str]:
    """Names of the constraints that a potential violates; empty if there are none.

    They are Higgs couplings, W mass, vacuum stability, tachyon and perturbativity. The W-mass bound sin(alpha_1) < 0.2
    is given in the paper for m_phi1 = 800 GeV; it is applied above that mass, where it only gets stronger.
    """
    found = []
    if not potential.is_bounded_below():
        found.append("vacuum stability")
    if not potential.is_minimum():
        return [*found, "tachyon"]
    exact = spectrum(potential)
    mixing = abs(sin(exact.alpha_1))
    if mixing >= SIN_ALPHA_HIGGS:
        found.append("Higgs couplings")
    if exact.m_phi1_gev >= M_PHI1_W_MASS_GEV and mixing >= SIN_ALPHA_W_MASS:
        found.append("W mass")
    quartics = ("lambda_h", "lambda_1", "lambda_2", "lambda_12", "lambda_1h", "lambda_2h")
    if any(abs(getattr(potential, name)) > 4 * pi for name in quartics):
        found.append("perturbativity")
    return found


def paper_example() -> Potential:
    """Example given below (2.11): v_1 = m_2 = 10 TeV, eta = 1e-5 GeV and quartic couplings of order 1."""
    return Potential(1e4, v2_estimate_gev(1e-5, 1e4, 1e4), 0.26, 0.5, 0.5, 0.0, 0.1, 0.0, 1e-5)
