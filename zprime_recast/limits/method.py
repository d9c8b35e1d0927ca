"""How a verdict is computed: one vocabulary for every command and function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..arrays import FloatArray, IndexArray
from ..errors import InputError, UnknownName
from ..process.family import Family
from .result import FamilyLimits, Verdicts

#: Ways to turn fits into a verdict: asymptotic formulae, pseudo-experiments, or a Bayesian limit with a flat prior.
CALCULATORS = ("asymptotic", "toys", "bayes")
#: Ways to fit: the batched Newton fits of the package, or pyhf with the exact template, which judges them.
FITTERS = ("newton", "pyhf")


@dataclass(frozen=True)
class Method:
    """The options of a verdict; UnknownName for a calculator or fitter that does not exist."""

    interference: bool = True
    """With photon and Z."""
    calculator: str = "asymptotic"
    fitter: str = "newton"
    n_toys: int = 2000
    """Number of toys of each of the two hypotheses, for the calculator ``toys``."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.calculator not in CALCULATORS:
            raise UnknownName("calculator", self.calculator, CALCULATORS)
        if self.fitter not in FITTERS:
            raise UnknownName("fitter", self.fitter, FITTERS)

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
        """The method that is honoured, for the provenance; InputError for one that cannot be."""
