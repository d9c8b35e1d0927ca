"""How a verdict is computed: one vocabulary for every command and function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from ..arrays import FloatArray, IndexArray
from ..errors import InputError, UnknownName
from ..process.family import Family
from .result import FamilyLimits, Verdicts

#: Ways to turn fits into a verdict: toys that all hypotheses share; the asymptotic formulae, alone or with toys near
#: the border of exclusion (auto); toys of each hypothesis, fitted one by one, which judge the shared ones; or the
#: posterior of a flat prior in the signal strength.
CALCULATORS = ("toys", "asymptotic", "auto", "plain-toys", "bayes")
#: Ways to fit: the batched Newton fits of the package, or pyhf with the exact template, which judges them.
FITTERS = ("newton", "pyhf")
#: Numbers of toys unless asked for otherwise, and the smallest one.
SHARED_TOYS, PLAIN_TOYS, MIN_TOYS = 2500, 2000, 100


@dataclass(frozen=True)
class Method:
    """The options of a verdict; UnknownName for a calculator or fitter that does not exist."""

    interference: bool = True
    """With photon and Z."""
    calculator: str | None = None
    """None: that of the searches, see :meth:`Together.used`."""
    fitter: str = "newton"
    n_toys: int | None = None
    """Number of toys: those that all hypotheses share, or with ``plain-toys`` those of each of the two hypotheses. None
    for SHARED_TOYS and PLAIN_TOYS.
    """
    seed: int = 1

    @property
    def toys(self) -> int:
        """The number of toys in use."""
        if self.n_toys is not None:
            return self.n_toys
        return PLAIN_TOYS if self.calculator == "plain-toys" else SHARED_TOYS

    def __post_init__(self) -> None:
        if self.calculator is not None and self.calculator not in CALCULATORS:
            raise UnknownName("calculator", self.calculator, CALCULATORS)
        if self.fitter not in FITTERS:
            raise UnknownName("fitter", self.fitter, FITTERS)
        if self.n_toys is not None and self.n_toys < MIN_TOYS:
            raise InputError(f"at least {MIN_TOYS} toys are needed, found {self.n_toys}")

    def resolved(self, default: str) -> Method:
        """The method with a calculator: the default one, or ``asymptotic`` for another fitter than our own."""
        if self.calculator is not None:
            return self
        return replace(self, calculator=default if self.fitter == "newton" else "asymptotic")

    def only(self, question: str, *possible: tuple[str, str]) -> None:
        """InputError unless calculator and fitter are one of the possible pairs."""
        if (self.calculator, self.fitter) not in possible:
            known = "; ".join(f"calculator {c} with fitter {f}" for c, f in possible) or "no calculator"
            raise InputError(f"calculator {self.calculator} with fitter {self.fitter}: {question} takes {known}")


class Together(Protocol):
    """Searches that are asked together: a likelihood, or a single limit curve."""

    @property
    def kind(self) -> str:
        """``likelihood`` or ``limit-curve``."""

    @property
    def published_masses_gev(self) -> FloatArray | None:
        """Masses a limit was published at, (n,); None if it is computed."""

    def verdicts(self, family: Family, which: IndexArray, x: FloatArray, method: Method) -> Verdicts:
        """Tests of the members ``which`` (n,) at x (n,)."""

    def limits(self, family: Family, method: Method, without_theory: bool = False) -> FamilyLimits:
        """The x of each family above which everything is excluded."""

    def used(self, method: Method) -> Method:
        """The method that is honoured, with its calculator; InputError for one that cannot be."""
