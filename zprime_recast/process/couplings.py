"""Products of the couplings of quarks and leptons, summed over equal and over opposite chiralities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..arrays import FloatArray, IndexArray, Quiet
from ..io.memo import Memo, PickledByFields
from ..model.standard_model import StandardModel
from ..model.zprime import CHARGED_LEPTONS, ZprimeModel
from ..partons.pairs import NEUTRAL_CURRENT, PartonPairs
from .final_state import WEAK_CHARGES, lepton_pair


@dataclass(frozen=True, eq=False, repr=False)
class PairProducts(Quiet, PickledByFields):
    """Sums over chiralities of products of quark and lepton couplings, per parton pair."""

    values: FloatArray
    """The three sums named below one after the other, (3, [n,] pairs)."""

    @property
    def zprime_squared(self) -> FloatArray:
        """Sum over ij of (q_i^q q_j^l)^2 at unit coupling, ([n,] pairs)."""
        return np.asarray(self.values[0])

    @property
    def zprime_photon(self) -> FloatArray:
        """Sum of q_i^q q_j^l times the photon's e^2 Q_q Q_l, ([n,] pairs)."""
        return np.asarray(self.values[1])

    @property
    def zprime_z(self) -> FloatArray:
        """Sum of q_i^q q_j^l times the Z's, ([n,] pairs)."""
        return np.asarray(self.values[2])

    @property
    def shared(self) -> bool:
        """Whether all hypotheses share these products, which then have no axis n."""
        return self.values.ndim == 2

    @cached_property
    def key(self) -> bytes:
        """The numbers, as a key for what is computed from them."""
        return self.values.tobytes()

    def rows(self, i: IndexArray | slice) -> PairProducts:
        """Select the products of some hypotheses; products that all share are returned unchanged."""
        return self if self.shared else PairProducts(self.values[:, i])


@dataclass(frozen=True, eq=False, repr=False)
class CouplingProducts(Quiet, PickledByFields):
    """Products of quark and lepton couplings, apart for equal and for opposite chiralities of quark and lepton.

    With c the cosine of the angle between lepton and quark in the rest frame of the pair, the former go as (1 + c)^2,
    the latter as (1 - c)^2. Rates and acceptances that are even in c need only :attr:`summed`.
    """

    same: PairProducts
    """Quark and lepton left-handed, plus both right-handed."""
    opposite: PairProducts
    """One left-handed and the other right-handed."""

    @cached_property
    def summed(self) -> PairProducts:
        """Sum over all chiralities, which the rate integrated over the angle depends on."""
        return PairProducts(self.same.values + self.opposite.values)

    def rows(self, i: IndexArray | slice) -> CouplingProducts:
        """Select the products of some hypotheses; products that all share are returned unchanged."""
        return self if self.same.shared else CouplingProducts(self.same.rows(i), self.opposite.rows(i))


def coupling_products(model: ZprimeModel, lepton: str = "e") -> CouplingProducts:
    """Coupling products of q qbar -> l l for one lepton flavour (e, mu or tau)."""
    kept: Memo[tuple[str, ...], CouplingProducts] = model.memo
    return kept.get(("coupling products", lepton), lambda: _coupling_products(model, lepton))


def _coupling_products(model: ZprimeModel, lepton: str) -> CouplingProducts:
    pairs = lepton_pair(lepton).pairs
    quarks = np.array([model.couplings(q) if q == qbar else (0.0, 0.0) for q, qbar in pairs])
    return products_of(quarks, np.array(model.couplings(lepton)), model.sm, pairs)


def why_no_rate(model: ZprimeModel, leptons: Sequence[str] = ()) -> tuple[str, ...]:
    """Reasons why q qbar -> Z' -> l l has no rate, whatever the coupling; empty if it has one.

    Arguments:
        model: the model.
        leptons: flavours that are looked for (e, mu, tau); with none given, only the quarks are asked.
    """
    quarks = {quark for pair in lepton_pair("e").pairs for quark in pair}
    reasons = []
    if not any(any(model.couplings(quark)) for quark in quarks):
        reasons.append(f"{model.id} couples to none of the quarks u, d, s, c, b: it is not produced, the rate is 0")
    if leptons and not any(any(model.couplings(lepton)) for lepton in leptons):
        reasons.append(f"{model.id} does not couple to {' or '.join(leptons)}: the rate is 0")
    return tuple(reasons)


def lepton_products(model: ZprimeModel) -> Mapping[str, CouplingProducts]:
    """Coupling products per charged lepton; one object for leptons with the same couplings."""
    kept: Memo[tuple[str, ...], Mapping[str, CouplingProducts]] = model.memo
    return kept.get(("coupling products",), lambda: _lepton_products(model))


def _lepton_products(model: ZprimeModel) -> Mapping[str, CouplingProducts]:
    by_couplings = {model.couplings(lepton): coupling_products(model, lepton) for lepton in CHARGED_LEPTONS}
    return {lepton: by_couplings[model.couplings(lepton)] for lepton in CHARGED_LEPTONS}


def products_by_lepton(quarks: FloatArray, leptons: FloatArray, sm: StandardModel) -> dict[str, CouplingProducts]:
    """Coupling products per charged lepton of many models, with couplings to the parton pairs (pairs, 2, n) and to the
    leptons (3, 2, n); one object for leptons with the same couplings.
    """
    one = products_of(quarks, leptons[0], sm)
    return {
        lepton: one if (leptons[0] == other).all() else products_of(quarks, other, sm)
        for lepton, other in zip(CHARGED_LEPTONS, leptons, strict=True)
    }


def products_of(
    quarks: FloatArray, leptons: FloatArray, sm: StandardModel, pairs: PartonPairs = NEUTRAL_CURRENT
) -> CouplingProducts:
    """Coupling products from (g_L, g_R) to the parton pairs, (pairs, 2), and to the lepton, (2,).

    Many models, with couplings (pairs, 2, n) and (2, n), have products with an axis n.
    """
    zprime = (quarks, leptons)
    photon, z = standard_couplings(sm, pairs)
    # (2, 3, [n,] pairs): chirality, boson that multiplies the Z'
    sums = np.stack([chirality_sums(zprime, other) for other in (zprime, photon, z)], axis=1)
    same, opposite = np.ascontiguousarray(sums if sums.ndim == 3 else np.swapaxes(sums, 2, 3))
    return CouplingProducts(PairProducts(same), PairProducts(opposite))


#: Chiral couplings (g_L, g_R) of a boson to the parton pairs, (pairs, 2, *n), and to a charged lepton, (2, *n).
Couplings = tuple[FloatArray, FloatArray]


def chirality_sums(first: Couplings, second: Couplings) -> FloatArray:
    """Sums over chiralities of the product of two amplitudes' couplings, per parton pair, (2, pairs, *n).

    With p_ij = g_i^q g_j^l of each boson, the sum of p_ij p'_ij over equal chiralities of quark and lepton (LL, RR;
    as (1 + cos theta)^2), then over opposite ones (LR, RL; as (1 - cos theta)^2). All chirality sums of the
    package are taken here. Shapes of the two bosons broadcast in the trailing axes.
    """
    axes = max(first[1].ndim, second[1].ndim) - 1
    quark = _trailing(first[0], 2 + axes) * _trailing(second[0], 2 + axes)
    lepton = _trailing(first[1], 1 + axes) * _trailing(second[1], 1 + axes)
    same = quark[:, 0] * lepton[0] + quark[:, 1] * lepton[1]
    opposite = quark[:, 0] * lepton[1] + quark[:, 1] * lepton[0]
    return np.stack([same, opposite])


def _trailing(values: FloatArray, ndim: int) -> FloatArray:
    return values.reshape(values.shape + (1,) * (ndim - values.ndim))


def standard_couplings(sm: StandardModel, pairs: PartonPairs = NEUTRAL_CURRENT) -> tuple[Couplings, Couplings]:
    """Couplings of the photon and of the Z to parton pairs and charged leptons; 0 for a pair of two flavours."""
    return _standard_couplings(sm.e, sm.g_z, sm.sin2_theta_w, tuple(pairs))


@lru_cache(maxsize=16)
def _standard_couplings(
    e: float, g_z: float, sin2: float, pairs: tuple[tuple[str, str], ...]
) -> tuple[Couplings, Couplings]:
    quarks, lepton = [WEAK_CHARGES[quark] for quark, _ in pairs], WEAK_CHARGES["e"]
    like = np.array([[float(quark == antiquark)] for quark, antiquark in pairs])
    photon = e * like * np.array([[q.charge, q.charge] for q in quarks]), e * np.array([lepton.charge, lepton.charge])
    z = g_z * like * np.stack([q.z_couplings(sin2) for q in quarks]), g_z * lepton.z_couplings(sin2)
    return photon, z
