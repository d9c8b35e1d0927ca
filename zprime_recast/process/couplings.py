"""Products of the couplings of quarks and leptons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..arrays import FloatArray, Quiet
from ..io.memo import Memo, PickledByFields
from ..model.standard_model import StandardModel
from ..model.zprime import CHARGED_LEPTONS, ZprimeModel
from ..partons.drell_yan import FLAVORS

#: Weak isospin of the left-handed state and electric charge of the quarks.
ISOSPIN_CHARGE = {
    "u": (0.5, 2 / 3),
    "c": (0.5, 2 / 3),
    "d": (-0.5, -1 / 3),
    "s": (-0.5, -1 / 3),
    "b": (-0.5, -1 / 3),
}
LEPTON_ISOSPIN_CHARGE = (-0.5, -1.0)


@dataclass(frozen=True, eq=False, repr=False)
class CouplingProducts(Quiet, PickledByFields):
    """Products of quark and lepton couplings summed over chiralities, per quark flavour (first axis as FLAVORS)."""

    zprime_squared: FloatArray
    """Sum over ij of (q_i^q q_j^l)^2 at unit coupling, (5,)."""
    zprime_photon: FloatArray
    """Sum of q_i^q q_j^l times the photon's e^2 Q_q Q_l, (5,)."""
    zprime_z: FloatArray
    """Sum of q_i^q q_j^l times the Z's, (5,)."""

    @cached_property
    def key(self) -> bytes:
        """The numbers, as a key for what is computed from them."""
        return self.zprime_squared.tobytes() + self.zprime_photon.tobytes() + self.zprime_z.tobytes()


def coupling_products(model: ZprimeModel, lepton: str = "e") -> CouplingProducts:
    """Coupling products of q qbar -> l l for one lepton flavour (e, mu or tau)."""
    kept: Memo[tuple[str, ...], CouplingProducts] = model.memo
    return kept.get(("coupling products", lepton), lambda: _coupling_products(model, lepton))


def _coupling_products(model: ZprimeModel, lepton: str) -> CouplingProducts:
    quarks = np.array([model.couplings(flavor) for flavor in FLAVORS])
    return products_of(quarks, np.array(model.couplings(lepton)), model.sm)


def lepton_products(model: ZprimeModel) -> Mapping[str, CouplingProducts]:
    """Coupling products per charged lepton; one object for leptons with the same couplings."""
    kept: Memo[tuple[str, ...], Mapping[str, CouplingProducts]] = model.memo
    return kept.get(("coupling products",), lambda: _lepton_products(model))


def _lepton_products(model: ZprimeModel) -> Mapping[str, CouplingProducts]:
    by_couplings = {model.couplings(lepton): coupling_products(model, lepton) for lepton in CHARGED_LEPTONS}
    return {lepton: by_couplings[model.couplings(lepton)] for lepton in CHARGED_LEPTONS}


def products_of(quarks: FloatArray, leptons: FloatArray, sm: StandardModel) -> CouplingProducts:
    """The same from (g_L, g_R) of the quarks, (5, 2), and of the leptons, (2,); of many models, (5, 2, n) and (2, n),
    they are (n, 5).
    """
    axes = (1,) * (leptons.ndim - 1)
    quark_z, lepton_z, photon = _standard_couplings(sm.e, sm.g_z, sm.sin2_theta_w)
    # sums over both chiralities are products of sums over one
    squared = (quarks**2).sum(axis=1) * (leptons**2).sum(axis=0)
    of_photon = quarks.sum(axis=1) * leptons.sum(axis=0) * photon.reshape(-1, *axes)
    of_z = (quarks * quark_z.reshape(-1, 2, *axes)).sum(axis=1) * (leptons * lepton_z.reshape(2, *axes)).sum(axis=0)
    return CouplingProducts(squared.T, of_photon.T, of_z.T)


@lru_cache(maxsize=16)
def _standard_couplings(e: float, g_z: float, sin2: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of the Z to quarks (5, 2) and charged leptons (2,), and of the photon, quark times lepton, (5,)."""
    quark_z = g_z * np.stack([z_charges(*ISOSPIN_CHARGE[flavor], sin2) for flavor in FLAVORS])
    photon = e**2 * LEPTON_ISOSPIN_CHARGE[1] * np.array([ISOSPIN_CHARGE[flavor][1] for flavor in FLAVORS])
    return quark_z, g_z * z_charges(*LEPTON_ISOSPIN_CHARGE, sin2), photon


def z_charges(isospin: float, charge: float, sin2: float) -> FloatArray:
    """(left, right) couplings of the Z in units of g_z."""
    return np.array([isospin - charge * sin2, -charge * sin2])
