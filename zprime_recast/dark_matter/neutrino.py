r"""Neutrino sector: the inverse-seesaw mass matrix (2.6), light masses (2.2) and exact diagonalisation.

The basis is (nu_L^c, N_R, N'_R), three of each, with :math:`m_D = Y_\nu v/\sqrt 2`, :math:`\mu = Y'_N v_2/\sqrt 2` and
:math:`\mu' = Y_N v_2/\sqrt 2` . The vev of phi_2 is v_2/sqrt(2), a factor that
the paper omits in "mu = Y'_N v_2".
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray, checked_number
from ..errors import InputError
from ..io.results import Result
from .scalar import V_EW_GEV

ComplexArray = npt.NDArray[np.complex128]

#: NuFIT 5.2 (2022), normal ordering with SK data; Esteban et al., JHEP 09 (2020) 178, arXiv:2007.14792.
DELTA_M2_21_EV2: Final = 7.41e-5
DELTA_M2_31_EV2: Final = 2.507e-3
SIN2_THETA_12, SIN2_THETA_13, SIN2_THETA_23 = 0.303, 0.02225, 0.451
DELTA_CP_DEG: Final = 232.0
EV_PER_GEV: Final = 1e9


@dataclass(frozen=True, eq=False, repr=False)
class InverseSeesaw(Result):
    """Mass matrices of the neutrino sector in GeV, each 3x3; mu and mu_prime are symmetric.

    InputError for a wrong shape, a number that is not finite, or a singular m_dirac or m_n.
    """

    m_dirac_gev: ComplexArray
    """Y_nu v/sqrt(2), with rows nu_L and columns N_R."""
    m_n_gev: ComplexArray
    """M_N, with rows N_R and columns N'_R."""
    mu_gev: ComplexArray
    """N'_R N'_R block: the violation of lepton number that gives the light masses."""
    mu_prime_gev: ComplexArray
    """N_R N_R block; it gives no light mass at tree level."""

    def __post_init__(self) -> None:
        for name in ("m_dirac_gev", "m_n_gev", "mu_gev", "mu_prime_gev"):
            matrix = np.asarray(getattr(self, name), dtype=complex)
            if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
                raise InputError(f"{name} must be a finite 3x3 matrix, found shape {matrix.shape}")
            if name.startswith("mu") and not np.allclose(matrix, matrix.T, rtol=1e-9, atol=0):
                raise InputError(f"{name} must be symmetric")
            object.__setattr__(self, name, matrix)
        for name in ("m_dirac_gev", "m_n_gev"):
            if not np.linalg.cond(getattr(self, name)) < 1e12:
                raise InputError(f"{name} must be invertible")

    def mass_matrix_gev(self) -> ComplexArray:
        """The 9x9 matrix (2.6) in GeV, without the dark sector."""
        zero = np.zeros((3, 3), dtype=complex)
        d, m, mu, nu = self.m_dirac_gev, self.m_n_gev, self.mu_gev, self.mu_prime_gev
        return np.block([[zero, d, zero], [d.T, nu, m], [zero, m.T, mu]])


@dataclass(frozen=True, eq=False, repr=False)
class NeutrinoSpectrum(Result):
    """Neutrino masses in ascending order: three light ones in eV and six heavy ones in GeV."""

    light_ev: FloatArray
    heavy_gev: FloatArray

    @property
    def splittings_ev2(self) -> tuple[float, float]:
        """Mass splittings (Delta m^2_21, Delta m^2_31) in eV^2."""
        m = self.light_ev**2
        return float(m[1] - m[0]), float(m[2] - m[0])


def _complex(matrix: Any) -> ComplexArray:
    return np.asarray(matrix, dtype=np.complex128)


def from_yukawas(y_nu: Any, m_n_gev: Any, y_n_prime: Any, v2_gev: float, y_n: Any = None) -> InverseSeesaw:
    """Build the sector from the Yukawa matrices of (2.5).

    InputError unless v2_gev > 0, and for matrices that :class:`InverseSeesaw` rejects.

    Arguments:
        y_nu: Y_nu, 3x3.
        m_n_gev: M_N in GeV, 3x3.
        y_n_prime: Y'_N, symmetric 3x3, with mu = Y'_N v_2/sqrt(2).
        v2_gev: v_2 in GeV.
        y_n: Y_N, symmetric 3x3; the default is 0.
    """
    v2 = checked_number("v2_gev", v2_gev, above=0.0)
    return InverseSeesaw(
        m_dirac_gev=_complex(y_nu) * (V_EW_GEV / sqrt(2)),
        m_n_gev=_complex(m_n_gev),
        mu_gev=_complex(y_n_prime) * (v2 / sqrt(2)),
        mu_prime_gev=_complex(np.zeros((3, 3)) if y_n is None else y_n) * (v2 / sqrt(2)),
    )


def mixing_with_n_prime(sector: InverseSeesaw) -> ComplexArray:
    """Admixture m_D (M_N^T)^-1 of N'_R in the light neutrinos (3x3, dimensionless); it is small where (2.2) holds."""
    return np.asarray(sector.m_dirac_gev @ np.linalg.inv(sector.m_n_gev.T))


def light_mass_matrix_gev(sector: InverseSeesaw) -> ComplexArray:
    """Light mass matrix m_D (M_N^T)^-1 mu M_N^-1 m_D^T in GeV, eq. (2.2), with M_N as in (2.6)."""
    mixing = mixing_with_n_prime(sector)
    return np.asarray(mixing @ sector.mu_gev @ mixing.T)


def light_masses_estimate_ev(sector: InverseSeesaw) -> FloatArray:
    """Light masses by eq. (2.2) in eV, in ascending order."""
    values = np.linalg.svd(light_mass_matrix_gev(sector), compute_uv=False)
    return np.asarray(values[::-1] * EV_PER_GEV, dtype=float)


def exact_spectrum(sector: InverseSeesaw) -> NeutrinoSpectrum:
    """Exact masses of the matrix (2.6): its singular values, by Takagi factorisation of a symmetric matrix.

    The light masses, 10^-14 of the heavy ones, are the largest singular values of the inverse matrix, which is built
    block by block. InputError if mu is singular (a massless neutrino).
    """
    d, m, mu, nu = sector.m_dirac_gev, sector.m_n_gev, sector.mu_gev, sector.mu_prime_gev
    if not np.linalg.cond(mu) < 1e12:
        raise InputError("mu must be invertible: give the lightest neutrino a mass")
    # solve M (a, b, c) = (x, y, z): b = d^-1 x, c = mu^-1 (z - m^T b), a = d^-T (y - nu b - m c)
    b_x = np.linalg.inv(d)
    d_t = b_x.T
    mu_inverse = np.linalg.inv(mu)
    c_x, c_z = -mu_inverse @ m.T @ b_x, mu_inverse
    a_x, a_y, a_z = d_t @ (-nu @ b_x - m @ c_x), d_t, -d_t @ m @ c_z
    zero = np.zeros((3, 3))
    inverse = np.block([[a_x, a_y, a_z], [b_x, zero, zero], [c_x, zero, c_z]])
    light = 1 / np.linalg.svd(inverse, compute_uv=False)[:3]
    heavy = np.asarray(np.linalg.svd(sector.mass_matrix_gev(), compute_uv=False)[:6][::-1], dtype=float)
    return NeutrinoSpectrum(light_ev=np.asarray(light * EV_PER_GEV, dtype=float), heavy_gev=heavy)


def pmns() -> ComplexArray:
    """PMNS matrix (3x3) at the best fit of NuFIT 5.2, in the PDG convention and without Majorana phases."""
    s12, s13, s23 = (sqrt(x) for x in (SIN2_THETA_12, SIN2_THETA_13, SIN2_THETA_23))
    c12, c13, c23 = (sqrt(1 - x) for x in (SIN2_THETA_12, SIN2_THETA_13, SIN2_THETA_23))
    phase = np.exp(1j * np.deg2rad(DELTA_CP_DEG))
    return np.array(
        [
            [c12 * c13, s12 * c13, s13 / phase],
            [-s12 * c23 - c12 * s23 * s13 * phase, c12 * c23 - s12 * s23 * s13 * phase, s23 * c13],
            [s12 * s23 - c12 * c23 * s13 * phase, -c12 * s23 - s12 * c23 * s13 * phase, c23 * c13],
        ]
    )


def benchmark(m_n_gev: float = 1000.0, y_nu: float = 0.03, lightest_ev: float = 0.01) -> InverseSeesaw:
    """A sector with the measured splittings and mixing angles, with Y_nu = y 1, M_N = m 1 and mu from (2.2) inverted.

    mu = (M_N/m_D)^2 U^* diag(m) U^dagger. For M_N = 1 TeV it is of order keV at y = 0.03 and of order eV at y = 1.
    InputError unless all arguments are > 0.
    """
    m_n = checked_number("m_n", m_n_gev, above=0.0)
    y, lightest = checked_number("y_nu", y_nu, above=0.0), checked_number("lightest_ev", lightest_ev, above=0.0)
    masses = np.sqrt(lightest**2 + np.array([0.0, DELTA_M2_21_EV2, DELTA_M2_31_EV2])) / EV_PER_GEV
    m_dirac = y * V_EW_GEV / sqrt(2)
    u = pmns().conj()
    mu = (m_n / m_dirac) ** 2 * u @ np.diag(masses) @ u.T
    one, zero = _complex(np.eye(3)), _complex(np.zeros((3, 3)))
    return InverseSeesaw(_complex(m_dirac * one), _complex(m_n * one), (mu + mu.T) / 2, zero)
