"""Pairs of a quark and an antiquark that annihilate into a boson: the labels of the first axis of every luminosity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays import FloatArray, IndexArray
from ..errors import InputError, UnknownName

#: Quark flavours in the order of their parton ids 1..5.
FLAVORS = ("d", "u", "s", "c", "b")


@dataclass(frozen=True)
class PartonPairs:
    """Pairs (q_i, qbar_j), each one entry of the matrix of all pairs of five quarks and five antiquarks.

    A neutral boson without flavour-changing couplings is made by the diagonal ones, a W' by the others. InputError for
    no pair or the same one twice, UnknownName for a flavour that is not one of FLAVORS.

    >>> charged = PartonPairs((("u", "d"), ("d", "u")))
    >>> charged.names
    ('u dbar', 'd ubar')
    >>> charged.matrix(np.array([3.0, 2.0]))[1, 0]  # row u, column dbar
    np.float64(3.0)
    """

    pairs: tuple[tuple[str, str], ...]
    """Flavour of the quark and flavour of the antiquark, of each pair."""

    def __post_init__(self) -> None:
        for flavor in (flavor for pair in self.pairs for flavor in pair):
            if flavor not in FLAVORS:
                raise UnknownName("quark flavour", flavor, FLAVORS)
        if not self.pairs or len(set(self.pairs)) < len(self.pairs):
            raise InputError(f"parton pairs are {', '.join(self.names) or 'none'}; name at least one, and each once")

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the pairs, for messages and files: ``u dbar``."""
        return tuple(f"{quark} {antiquark}bar" for quark, antiquark in self.pairs)

    @cached_property
    def quarks(self) -> IndexArray:
        """Index in FLAVORS of the quark of each pair, (pairs,)."""
        return np.array([FLAVORS.index(quark) for quark, _ in self.pairs], dtype=np.intp)

    @cached_property
    def antiquarks(self) -> IndexArray:
        """Index in FLAVORS of the flavour of the antiquark of each pair, (pairs,)."""
        return np.array([FLAVORS.index(antiquark) for _, antiquark in self.pairs], dtype=np.intp)

    @cached_property
    def diagonal(self) -> bool:
        """Whether quark and antiquark are of one flavour in every pair."""
        return all(quark == antiquark for quark, antiquark in self.pairs)

    def missing(self, wanted: PartonPairs) -> tuple[str, ...]:
        """Names of the pairs that are in ``wanted`` and not here."""
        return tuple(name for name, pair in zip(wanted.names, wanted, strict=True) if pair not in self.pairs)

    def rows(self, wanted: PartonPairs) -> IndexArray:
        """Index here of each pair of ``wanted``, which must all be here, (wanted pairs,)."""
        return np.array([self.pairs.index(pair) for pair in wanted], dtype=np.intp)

    def matrix(self, values: FloatArray) -> FloatArray:
        """Values per pair, (pairs, *shape), as a matrix of quark and antiquark, (5, 5, *shape); 0 elsewhere."""
        matrix = np.zeros((len(FLAVORS), len(FLAVORS), *values.shape[1:]))
        matrix[self.quarks, self.antiquarks] = values
        return matrix


#: The pairs that make photon, Z and Z', in the order of FLAVORS.
NEUTRAL_CURRENT = PartonPairs(tuple((flavor, flavor) for flavor in FLAVORS))
