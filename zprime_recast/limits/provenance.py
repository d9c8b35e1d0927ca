"""What a result was computed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._version import __version__
from ..model.zprime import ZprimeModel
from .analyses import Prepared


def provenance(model: ZprimeModel, searches: Sequence[Prepared], interference: bool) -> dict[str, Any]:
    """What a result of a model was made from."""
    return {
        "model": model.id,
        "model_digest": model.digest(),
        "parameters": {name: p.value for name, p in model.parameters.items()},
        **provenance_of(searches, interference),
    }


def provenance_of(searches: Sequence[Prepared], interference: bool) -> dict[str, Any]:
    """What a result was made from, beside the model."""
    lumi = searches[0].lumi
    assert lumi is not None
    return {
        "zprime_recast": __version__,
        "analyses": [{"id": f.search.id, "digest": f.search.digest, "notes": list(f.search.notes)} for f in searches],
        "unverified_inputs": [
            f"{f.search.id}: {u.name} ({u.status}: {u.source})"
            for f in searches
            for u in f.search.uncertainties
            if u.status != "official"
        ],
        "pdf_set": lumi.pdf_set,
        "pdf_member": lumi.pdf_member,
        "order": lumi.order,
        "theory_nuisances": list(searches[0].theory.names) if searches[0].theory else [],
        "interference": interference,
        "calculator": "asymptotic",
        "warnings": list(lumi.warnings_at(*searches[0].search.mass_range_gev)),
    }
