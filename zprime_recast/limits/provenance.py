"""The provenance of a result: filled by the stages that know, written in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..model.zprime import ZprimeModel
from ..searches.search import PreparedSearch

if TYPE_CHECKING:
    from .method import Method


@dataclass(frozen=True)
class Provenance:
    """Analyses, luminosities and options of a result, and the model it is of."""

    analyses: tuple[dict[str, Any], ...]
    """id, digest and notes of each."""
    unverified_inputs: tuple[str, ...]
    pdf_set: str
    pdf_member: int
    order: str
    sqrt_s_gev: tuple[float, ...]
    """Collider energies, ascending."""
    theory_nuisances: tuple[str, ...]
    kind: str
    """``likelihood`` or ``limit-curve``."""
    interference: bool
    calculator: str
    fitter: str
    warnings: tuple[str, ...]
    model: str | None = None
    model_digest: str | None = None
    parameters: tuple[tuple[str, float], ...] = ()
    toys: tuple[int, int] | None = None
    """Number of toys of each hypothesis, and their seed."""

    def of_model(self, model: ZprimeModel) -> Provenance:
        """A copy with the model of a result."""
        parameters = tuple((name, p.value) for name, p in model.parameters.items())
        return replace(self, model=model.id, model_digest=model.digest(), parameters=parameters)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; keys of a model only if the result is of one."""
        of_model = {"model": self.model, "model_digest": self.model_digest, "parameters": dict(self.parameters)}
        of_toys = {} if self.toys is None else {"n_toys": self.toys[0], "seed": self.toys[1]}
        return {
            **(of_model if self.model is not None else {}),
            "zprime_recast": __version__,
            "analyses": [dict(analysis) for analysis in self.analyses],
            "unverified_inputs": list(self.unverified_inputs),
            "pdf_set": self.pdf_set,
            "pdf_member": self.pdf_member,
            "order": self.order,
            "sqrt_s_gev": list(self.sqrt_s_gev),
            "theory_nuisances": list(self.theory_nuisances),
            "interference": self.interference,
            "calculator": self.calculator,
            "fitter": self.fitter,
            **of_toys,
            "warnings": list(self.warnings),
        }


def provenance_of(prepared: Sequence[PreparedSearch], kind: str, method: Method) -> Provenance:
    """The provenance of a result of prepared searches, beside the model."""
    tables = {p.search.sqrt_s_gev: p.luminosities for p in prepared}
    one = tables[max(tables)]
    warnings = (w for p in prepared for w in p.luminosities.warnings_at(*p.search.mass_range_gev))
    names = (name for p in prepared if p.theory is not None for name in p.theory.names)
    return Provenance(
        analyses=tuple({"id": p.search.id, "digest": p.search.digest, "notes": list(p.search.notes)} for p in prepared),
        unverified_inputs=tuple(
            f"{p.search.id}: {u.name} ({u.status}: {u.source})"
            for p in prepared
            for u in p.search.inputs
            if u.status != "official"
        ),
        pdf_set=one.pdf_set,
        pdf_member=one.pdf_member,
        order=one.order,
        sqrt_s_gev=tuple(sorted(tables)),
        theory_nuisances=tuple(dict.fromkeys(names)),
        kind=kind,
        interference=method.interference,
        calculator=(method.calculator or "") if kind == "likelihood" else kind,
        fitter=method.fitter if kind == "likelihood" else kind,
        toys=(method.toys, method.seed) if method.calculator in ("toys", "auto", "plain-toys") else None,
        warnings=tuple(dict.fromkeys(warnings)),
    )
