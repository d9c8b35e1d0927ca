r"""Second-order QCD correction of Drell-Yan: the coefficient functions of every pair of partons.

Coefficients of :math:`(\alpha_s/4\pi)^2` at mu_R = M in the MS-bar scheme with n_f = 5, as functions of z = M^2/s-hat
and L = ln(M^2/mu_F^2): Hamberg, van Neerven, Matsuura, Nucl. Phys. B 359 (1991) 343, appendix B, with the corrections
of the erratum (B 644 (2002) 403) and of Harlander, Kilgore, Phys. Rev. Lett. 88 (2002) 201801. A letter names the
graphs as in that paper: A annihilation, B annihilation into a gluon, C and D emission off either quark line, E and F
the same with identical quarks in the final state.

A boson that couples to the pair (q_i, qbar_j) is emitted as q_i turns into q_j, or qbar_j into qbar_i, so that each
interference belongs to the incoming partons for which both graphs end alike: AC to q_i qbar_j, BC to q_i qbar_i and
q_j qbar_j, CE to q_i q_j and qbar_i qbar_j, CF to q_i q_i and qbar_j qbar_j. For i = j these are one.

Left out: interference of emission off lines of different quarks (CD; it is proportional to the product of two
couplings, not to a square) and the axial triangle (AB). For equal couplings the CD term is part of the difference
to n3loxs, which is at most 5e-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from ..arrays import FloatArray, Quiet

C_A, C_F, T_R, N_F = 3.0, 4 / 3, 1 / 2, 5
ZETA2, ZETA3 = np.pi**2 / 6, 1.2020569031595942
#: First coefficient of the beta function: alpha_s(M) = alpha_s(mu) [1 + BETA0 alpha_s/(4 pi) ln(mu^2/M^2)].
BETA0 = 11 / 3 * C_A - 2 / 3 * N_F


@cache
def _legendre(count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on -1..1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def li3(x: FloatArray) -> FloatArray:
    """Trilogarithm for -1 <= x <= 1, to 1e-12: half the integral of v^2 x/(e^v - x) over v > 0."""
    nodes, weights = _legendre(120)
    t = (1 + nodes) / 2
    v, dv = 45 * t**2, 45 * t * weights  # v = 45 t^2: dense at 0, where x = 1 is nearly singular
    return np.asarray((0.5 * v**2 * dv * x[..., None] / (np.exp(v) - x[..., None])).sum(axis=-1))


def s12(x: FloatArray) -> FloatArray:
    """Nielsen's S_12 for x < 1, to 1e-12: half the integral of v^2/(e^v - 1) from 0 to -ln(1 - x)."""
    nodes, weights = _legendre(32)
    end = -np.log1p(-x)[..., None]
    v = end * (1 + nodes) / 2
    return np.asarray((0.5 * v**2 / np.expm1(v) * end * weights / 2).sum(axis=-1))


@dataclass(frozen=True, eq=False, repr=False)
class SecondOrder(Quiet):
    """Coefficient functions at nodes z (n,), strictly between 0 and 1, for one L = ln(M^2/mu_F^2)."""

    one_minus_z: FloatArray
    """1 - z at the nodes: exact near z = 1."""
    scale_log: float

    @cached_property
    def z(self) -> FloatArray:
        """z at the nodes."""
        return 1 - self.one_minus_z

    @cached_property
    def _logs(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ln z, ln(1 - z), ln(1 + z)."""
        return np.log1p(-self.one_minus_z), np.log(self.one_minus_z), np.log1p(self.z)

    @cached_property
    def _polylogs(self) -> tuple[FloatArray, ...]:
        """Li2, Li3, S12 of 1 - z, then of -z."""
        from scipy.special import spence

        w, z = self.one_minus_z, self.z
        return np.asarray(spence(z)), li3(w), s12(w), np.asarray(spence(1 + z)), li3(-z), s12(-z)

    @cached_property
    def _li3_ratio(self) -> tuple[FloatArray, FloatArray]:
        """Li3 of (1 - z)/(1 + z) and of its negative."""
        ratio = self.one_minus_z / (1 + self.z)
        return li3(ratio), li3(-ratio)

    @property
    def delta(self) -> float:
        """Coefficient of delta(1 - z) for q qbar."""
        L = self.scale_log
        abelian = (
            511 / 4 - 70 * ZETA2 - 60 * ZETA3 + 8 / 5 * ZETA2**2
            + (24 * ZETA2 + 176 * ZETA3 - 93) * L + (18 - 32 * ZETA2) * L**2
        )  # fmt: skip
        gluon = -1535 / 12 + 592 / 9 * ZETA2 + 28 * ZETA3 - 12 / 5 * ZETA2**2 + (193 / 3 - 24 * ZETA3) * L - 11 * L**2
        quarks = 127 / 6 - 112 / 9 * ZETA2 + 8 * ZETA3 - 34 / 3 * L + 2 * L**2
        # the terms above hold at mu_R = mu_F
        return float(C_F * (C_F * abelian + C_A * gluon + N_F * quarks + BETA0 * L * (6 * L + 8 * ZETA2 - 16)))

    @property
    def plus(self) -> tuple[float, float, float, float]:
        """Coefficients of the distributions [ln^k(1 - z)/(1 - z)]_+ for q qbar, k = 0..3."""
        L = self.scale_log
        d0 = (
            C_F * (256 * ZETA3 - (128 + 64 * ZETA2) * L + 48 * L**2)
            + C_A * (-1616 / 27 + 56 * ZETA3 + 176 / 3 * ZETA2 + (536 / 9 - 16 * ZETA2) * L - 44 / 3 * L**2)
            + N_F * (224 / 27 - 32 / 3 * ZETA2 - 80 / 9 * L + 8 / 3 * L**2)
            + BETA0 * 8 * L**2
        )
        d1 = (
            C_F * (-128 * ZETA2 - 256 + 96 * L + 64 * L**2)
            + C_A * (1072 / 9 - 32 * ZETA2 - 176 / 3 * L)
            + N_F * (-160 / 9 + 32 / 3 * L)
            + BETA0 * 16 * L
        )
        d2 = C_F * 192 * L - C_A * 176 / 3 + N_F * 32 / 3
        return C_F * d0, C_F * d1, C_F * d2, C_F * C_F * 128

    def annihilation(self) -> FloatArray:
        """Regular part for the pair q qbar that couples: A^2 and AC."""
        return N_F * self._quark_loops() + self._gluons() + self._abelian() + 2 * self._ac()

    def _quark_loops(self) -> FloatArray:
        z, w, L = self.z, self.one_minus_z, self.scale_log
        lz, lw, _ = self._logs
        d = self._polylogs[0]
        value = (
            (1 + z) * (16 / 3 * ZETA2 + 8 / 3 * d - 10 / 3 * lz**2 + 32 / 3 * lz * lw - 16 / 3 * lw**2)
            + (8 * lz**2 - 64 / 3 * lz * lw - 8 / 3 * d + 40 / 3 * lz) / w
            + (176 * z - 16) / 9 * lw - (4 + 44 * z) / 3 * lz + (188 - 412 * z) / 27
        )  # fmt: skip
        value += L**2 * 4 / 3 * (1 + z) + L * (8 / 3 * lz * (1 + z - 2 / w) + 8 / 9 * (11 * z - 1))
        return C_F * value

    def _gluons(self) -> FloatArray:
        z, w, L = self.z, self.one_minus_z, self.scale_log
        lz, lw, _ = self._logs
        d, t, s = self._polylogs[:3]
        value = (
            (1 + z) * (20 * s - 28 * ZETA3 + 8 * d * (2 * lw - lz) + 8 * ZETA2 * (2 * lw - lz) + 88 / 3 * lw**2)
            + (16 * d * (lz - lw) - 8 * s - 24 * t + 16 * lz * ZETA2 + 8 / 3 * d + 280 / 3 * lz * lw - 29 * lz**2) / w
            - 208 / 3 * lz / w - d * (32 + 56 * z) / 3 - ZETA2 * (76 + 100 * z) / 3 - 176 / 3 * (1 + z) * lz * lw
            + 55 / 3 * (1 + z) * lz**2 - lw * (152 + 956 * z) / 9 + lz * (52 + 218 * z) / 3 + (2278 * z - 446) / 27
        )  # fmt: skip
        value += -(L**2) * 22 / 3 * (1 + z) + L * (
            lz * (52 / 3 / w - 44 / 3 * (1 + z)) + 8 * d * (1 + z - 2 / w) + 8 * ZETA2 * (1 + z) - (76 + 496 * z) / 9
        )
        return C_A * C_F * value

    def _abelian(self) -> FloatArray:
        z, w, L = self.z, self.one_minus_z, self.scale_log
        lz, lw, _ = self._logs
        d, t, s = self._polylogs[:3]
        value = (
            (1 + z) * (
                48 * s - 32 * t - 128 * ZETA3 + 24 * d * (lw + lz) + 32 * ZETA2 * (2 * lw - 3 * lz)
                - 64 * lw**3 + 156 * lw**2 * lz - 96 * lw * lz**2 + 50 / 3 * lz**3
            )
            + (
                48 * d * (lw - lz) - 64 * s - 16 * t + 128 * lz * ZETA2 - 248 * lw**2 * lz + 144 * lw * lz**2
                - 24 * lz**3
                + 112 * lz
            ) / w
            - 8 * d * (3 + 4 * z) + 64 * w * (ZETA2 - lw**2) + 16 * lz * lw * (4 - 7 * z) + 8 * lz**2 * (3 * z - 1)
            + lw * (256 + 12 * z) + lz * (48 * z - 104) - 72 + 48 * z
        )  # fmt: skip
        value += L**2 * (lz * (24 * (1 + z) - 32 / w) - 32 * (1 + z) * lw - 40 - 8 * z) + L * (
            lz**2 * (48 / w - 36 * (1 + z)) + lz * lw * (144 * (1 + z) - 224 / w) + lz * (56 - 24 * z - 48 / w)
            - 96 * (1 + z) * lw**2 + lw * (16 * z - 112) + d * (16 * (1 + z) + 32 / w) + 32 * ZETA2 * (1 + z) + 120
            + 16 * z
        )  # fmt: skip
        return C_F**2 * value

    def _ac(self) -> FloatArray:
        z, w, L = self.z, self.one_minus_z, self.scale_log
        lz, lw, _ = self._logs
        d, t, s = self._polylogs[:3]
        value = (
            (
                16 / 3 * lz**3 - 16 * lz**2 * lw + 15 * lz**2 - 24 * lz * lw - 24 * lz * d + 24 * lz - 32 * lw * d
                - 12 * d
                + 32 * t - 72 * s
            ) / w
            + (1 + z) * (
                8 * lz**2 * lw - 2 * lz**3 + 4 * lz**2 - 16 * lz * lw + 16 * d * (lz + lw) - 20 * d - 24 * t + 36 * s
            )
            + lz * (32 - 30 * z) + lw * (56 * z - 64) + 94 - 78 * z
        )  # fmt: skip
        value += L * (4 * (lz**2 + 2 * d) * (1 + z - 2 / w) - lz * (8 * (1 + z) + 12 / w) + 28 * z - 32)
        return C_F * (C_F - C_A / 2) * value

    def annihilation_emission(self) -> FloatArray:
        """2 BC: q qbar of one flavour, either of which may also emit the boson."""
        z = self.z
        lz, _, lp = self._logs
        d, _, s, dm, tm, sm = self._polylogs
        square, triple = (1 + z) ** 2, 1 + z**2 + 3 * z
        value = (
            4 / 3 * lz**3 * (1 + z**2 + 4 * z) + lz**2 * (12 - 30 * z**2 - 16 * z) + 16 * triple * (lz * d + 2 * s)
            + square * (
                20 * lz**2 * lp - 24 * lz * lp**2 + 24 * lz * lp + 24 * lz * dm + 8 * lz * ZETA2 - 48 * lp * dm
                - 24 * lp * ZETA2
                + 24 * dm + 12 * ZETA2 - 8 * tm - 48 * sm
            )
            + lz * (36 + 44 * z) + 36 * d * (1 - z**2) + 54 - 26 * z**2 - 28 * z
        )  # fmt: skip
        return 2 * C_F * (C_F - C_A / 2) * value

    def gluon_splitting(self) -> FloatArray:
        """B^2: q qbar of any flavour into a pair of the flavour that couples."""
        z = self.z
        lz, _, lp = self._logs
        dm = self._polylogs[3]
        square = (1 + z) ** 2
        return C_F * (
            4 / 3 * square * (lz**2 - 4 * lz * lp - 4 * dm - 2 * ZETA2)
            + lz * (4 + 4 * z**2 + 16 / 3 * z) + 20 / 3 * (1 - z**2)
        )  # fmt: skip

    def emission(self) -> FloatArray:
        """C^2: the quark that couples with any other quark or antiquark."""
        z, L = self.z, self.scale_log
        lz, lw, _ = self._logs
        d, t, s = self._polylogs[:3]
        value = (
            (1 + z) * (
                12 * s - 8 * t + 8 * lw * d + 2 * lz * d - 4 * lz * ZETA2 + 3 / 2 * lz**3 - 4 * lz**2 * lw
                + 4 * lz * lw**2
            )
            + d * (13 + 8 / 3 * z**2 + 5 * z + 16 / 3 / z) + (ZETA2 - lw**2) * (8 / 3 * z**2 + 2 * z - 2 - 8 / 3 / z)
            + lz * lw * (6 + 8 * z**2 + 12 * z) - lz**2 * (5 / 4 + 10 / 3 * z**2 + 25 / 4 * z)
            + lw * (26 / 3 * (z - 1) + 44 / 9 * (1 / z - z**2)) + lz * (115 / 6 + 10 / 9 * z**2 - 8 / 3 * z)
            + 593 / 36 + 703 / 108 * z**2 - 433 / 18 * z + 29 / 27 / z
        )  # fmt: skip
        value += L**2 * (lz * (1 + z) + (1 - z) / 2 + 2 / 3 * (1 / z - z**2)) + L * (
            (1 + z) * (4 * d - 2 * lz**2 + 4 * lz * lw) + lz * (3 + 4 * z**2 + 6 * z)
            + lw * (2 - 8 / 3 * z**2 - 2 * z + 8 / 3 / z) + 13 / 3 * (z - 1) + 22 / 9 * (1 / z - z**2)
        )  # fmt: skip
        return (C_A**2 - 1) / C_A * value

    def exchange(self) -> FloatArray:
        """2 CE: two quarks, or two antiquarks, of the two flavours of the pair, which become identical."""
        z, L = self.z, self.scale_log
        lz, lw, lp = self._logs
        d, t, s, dm, tm, sm = self._polylogs
        tp, tn = self._li3_ratio
        k, r = 1 - z, 1 / (1 + z)
        ce = (
            lz**3 * (2 * k - 16 / 3 * r) + lz**2 * lw * (16 * r - 8 * k) + lz**2 * lp * (56 * r - 24 * k)
            - 4 * lz**2 * (1 + 3 * z) + 32 * (k - 2 * r) * lz * lw * lp + 16 * lz * lw * (1 + z) - 16 * r * lz * lp**2
            + 8 * lz * lp * (1 + z) + 24 * lz * d * (2 * r - k) + 32 * lz * dm * (2 * r - k)
            + 8 * lz * ZETA2 * (3 * r - k)
            + lz * (14 * z - 18) + 16 * (k - 2 * r) * lw * (2 * dm + ZETA2) + 32 * k * lw
            - 16 * r * lp * (2 * dm + ZETA2)
            + d * (24 + 8 * z) + (1 + z) * (8 * dm + 4 * ZETA2) + 32 * (k - 2 * r) * (t + tn - tp - s)
            + 16 * (k - r) * tm - 32 * r * sm + ZETA3 * (12 * k - 8 * r) - 34 * k
        )  # fmt: skip
        ce += L * ((k - 2 * r) * (16 * lz * lp - 4 * lz**2 + 16 * dm + 8 * ZETA2) + 8 * lz * (1 + z) + 16 * k)
        return 2 * C_F * (C_F - C_A / 2) * ce

    def identical(self) -> FloatArray:
        """CF: two quarks, or two antiquarks, of the flavour that couples."""
        z, w = self.z, self.one_minus_z
        lz = self._logs[0]
        d, t, s = self._polylogs[:3]
        cf = (
            w**2 * (8 * t - 8 * s - 4 / 3 * lz**3 - 6 * lz**2 - 8 * lz * d - 12 * d)
            + lz * (12 * z - 14) - 15 - 13 * z**2 + 28 * z
        )  # fmt: skip
        return 2 * C_F * (C_F - C_A / 2) * cf

    def quark_gluon(self) -> FloatArray:
        """A gluon with the quark or antiquark that couples."""
        z, L = self.z, self.scale_log
        lz, lw, lp = self._logs
        d, t, s, dm, tm, _ = self._polylogs
        tp, tn = self._li3_ratio
        z2 = z * z
        split, cross = 1 + 2 * z2 - 2 * z, 1 + 2 * z2 + 2 * z
        gluon = -(
            cross * (8 * lz * lw * lp - 6 * lz**2 * lp - 8 * lz * dm + 8 * lw * dm + 4 * tm + 8 * (tn - tp))
            - lz**3 * (3 + 20 / 3 * z) + lz**2 * lw * (6 - 4 * z2 + 28 * z) + lz**2 * (5 / 2 + 173 / 3 * z2 + 2 * z)
            - lz * lw**2 * (2 - 12 * z2 + 44 * z) - lz * lw * (10 + 130 * z2 - 16 * z)
            - (lz * lp + dm) * (4 + 16 * z2 + 20 * z)
            + lz * d * (8 * z2 - 28 * z) + lz * ZETA2 * (40 * z - 16 * z2) + lz * (457 / 9 * z2 + 16 / 3 * z - 118 / 3)
            - 13 / 3 * split * lw**3 + lw**2 * (154 / 3 * z2 - 42 * z - 4 - 16 / 3 / z)
            - lw * d * (28 + 20 * z2 + 40 * z)
            + 16 * lw * ZETA2 * (1 + 2 * z2 - z) + lw * (70 / 3 - 74 / 9 * z2 - 25 / 3 * z - 88 / 9 / z)
            - d * (22 + 88 / 3 * z2 + 64 * z + 32 / 3 / z) + ZETA2 * (56 * z - 10 - 214 / 3 * z2 + 16 / 3 / z)
            + t * (30 + 24 * z2 + 68 * z) - s * (36 + 16 * z2 + 64 * z) + ZETA3 * (2 + 4 * z2 + 8 * z)
            - 539 / 18 - 1837 / 54 * z2 + 613 / 9 * z - 58 / 27 / z
        )  # fmt: skip
        gluon += L**2 * (lz * (2 + 8 * z) + 2 * lw * split + (14 - 9 * z2 + 2 * z + 4 / z) / 3) + L * (
            -lz**2 * (4 + 12 * z) + lz * lw * (4 - 8 * z2 + 40 * z) - 4 * cross * (lz * lp + dm)
            + lz * (7 + 146 * z2 + 10 * z) / 3
            + 6 * split * lw**2 + lw * (40 / 3 - 98 / 3 * z2 + 64 / 3 * z + 16 / 3 / z) + d * (12 + 8 * z2 + 24 * z)
            - 8 * ZETA2 * (1 + 2 * z2 - z) - 47 / 6 - 85 / 18 * z2 + 29 / 3 * z + 44 / 9 / z
        )  # fmt: skip
        abelian = -(
            lz**3 * (17 / 6 + 26 / 3 * z2 - 17 / 3 * z) - lz**2 * lw * (12 + 40 * z2 - 24 * z)
            + lz**2 * (11 / 4 + z2 - 15 * z)
            + lz * lw**2 * (21 + 66 * z2 - 42 * z) - lz * lw * (14 + 96 * z2 - 96 * z)
            + (lz * lp + dm) * (24 * z2 + 16 * z - 8)
            + 2 * lz * d * (2 * z - 1) + split * (8 * lz * dm - 35 / 3 * lw**3 + 8 * lw * ZETA2 - 16 * tm - 50 * ZETA3)
            - 12 * lz * ZETA2 * (1 + 4 * z2 - 2 * z) + lz * (31 / 2 + 87 * z2 - 201 / 2 * z)
            + lw**2 * (23 + 63 * z2 - 80 * z)
            + lw * d * (6 + 52 * z2 - 12 * z) - lw * (26 + 88 * z2 - 135 * z) + d * (9 - 40 * z2 + 24 * z)
            + ZETA2 * (24 * z2 - 10 - 4 * z) + t * (2 - 36 * z2 - 4 * z) + s * (22 + 68 * z2 - 44 * z)
            + 157 / 4 + 305 / 4 * z2 - 221 / 2 * z
        )  # fmt: skip
        abelian += L**2 * (6 * split * lw - 3 * lz * (1 + 4 * z2 - 2 * z) - 3 / 2 + 6 * z) + L * (
            4 * lz**2 * (1 + 4 * z2 - 2 * z) - lz * lw * (20 + 64 * z2 - 40 * z) + lz * (5 + 46 * z2 - 40 * z)
            + 18 * split * lw**2 - lw * (16 + 46 * z2 - 68 * z) - 24 * z2 * d - 4 * ZETA2 * split + 12 + 11 * z2
            - 34 * z
        )  # fmt: skip
        # the quark loops of the running coupling; the terms above hold at mu_R = M for gluons
        quarks = -L * 2 / 3 * ((L - lz + 2 * lw) * split + (1 - 7 * z2 + 6 * z) / 2)
        return C_A * gluon + C_F * abelian + N_F * quarks

    def gluon_gluon(self) -> FloatArray:
        """Two gluons into a pair of the flavour that couples."""
        z, L = self.z, self.scale_log
        lz, lw, lp = self._logs
        d, t, s, dm, tm, sm = self._polylogs
        z2, square, broad = z * z, (1 + z) ** 2, 1 + 4 * z + 4 * z * z
        gluon = (
            -8 * self.one_minus_z**2 * s
            + square * (
                16 * sm + 24 * tm + 16 * ZETA3 - 24 * lz * dm + 16 * lp * dm + 16 / 3 * dm + 8 * ZETA2 * lp
                + 8 / 3 * ZETA2
                - 12 * lz**2 * lp + 8 * lz * lp**2 + 16 / 3 * lz * lp
            )
            + lz**2 * (50 * z2 + 4 * z - 4) / 3 - lz * (50 * z2 + 76 / 3 * z + 4) + (191 * z2 - 144 * z - 47) / 3
        )  # fmt: skip
        abelian = (
            broad * (16 * t - 16 * lw * d - 4 * lz * d - 8 * lw**2 * lz + 4 * lw * lz**2)
            + tm * (8 * z2 - 16 * z - 8) - s * (8 + 80 * z + 56 * z2) - 4 * ZETA3 * (1 + 2 * z - 2 * z2)
            - square * (16 * sm + 16 * lp * dm + 8 * lp * ZETA2 - 12 * lz**2 * lp + 8 * lz * lp**2)
            + lz * dm * (16 + 32 * z + 8 * z2) + lz * ZETA2 * (12 + 40 * z + 40 * z2)
            - lz**3 * (2 + 16 / 3 * z + 16 / 3 * z2)
            + d * (56 * z2 - 16 * z - 20) + 8 * (dm + lz * lp) * (1 + z) + ZETA2 * (20 + 36 * z - 48 * z2)
            + lw**2 * (48 * z2 - 32 * z - 16) + lw * lz * (4 + 32 * z - 16 * z2) - lz**2 * (6 + 14 * z + 8 * z2)
            + lw * (14 + 120 * z - 134 * z2) + lz * (105 * z2 - 64 * z - 23) - 32 - 66 * z + 98 * z2
        )  # fmt: skip
        abelian += L**2 * (12 * z2 - 8 * z - 4 - 2 * lz * broad) + L * (
            broad * (2 * lz**2 - 8 * d - 8 * lw * lz) + lw * (48 * z2 - 32 * z - 16) + lz * (2 + 16 * z - 8 * z2)
            + 7 + 60 * z - 67 * z2
        )  # fmt: skip
        return C_A**2 / (C_A**2 - 1) * gluon + abelian
