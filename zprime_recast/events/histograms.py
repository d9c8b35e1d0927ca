"""Histograms of events as ``hist`` objects with weights and variances, their files and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import InputError, UnknownName, ZprimeError
from ..io.extras import EVENTS, needed
from .kinematics import pair_transverse_momentum
from .records import DileptonEvents

if TYPE_CHECKING:
    from .process import Process

#: Axis label of each variable; ``lepton_*`` are filled with both leptons.
LABELS: Mapping[str, str] = {
    "m_ll": r"$m_{\ell\ell}$ [GeV]",
    "y_ll": r"$y_{\ell\ell}$",
    "pt_ll": r"$p_{T,\ell\ell}$ [GeV]",
    "cos_theta_cs": r"$\cos\theta_{\mathrm{CS}}$",
    "lepton_pt": r"lepton $p_T$ [GeV]",
    "lepton_eta": r"lepton $\eta$",
    "lminus_pt": r"$p_T(\ell^-)$ [GeV]",
    "lminus_eta": r"$\eta(\ell^-)$",
    "lminus_phi": r"$\phi(\ell^-)$",
    "lplus_pt": r"$p_T(\ell^+)$ [GeV]",
    "lplus_eta": r"$\eta(\ell^+)$",
    "lplus_phi": r"$\phi(\ell^+)$",
    "x1": r"$x_1$",
    "x2": r"$x_2$",
}
#: Ranges of variables that have a natural one.
_RANGES = {
    "y_ll": (-4.0, 4.0),
    "cos_theta_cs": (-1.0, 1.0),
    "x1": (0.0, 1.0),
    "x2": (0.0, 1.0),
    **dict.fromkeys(("lepton_eta", "lminus_eta", "lplus_eta"), (-5.0, 5.0)),
    **dict.fromkeys(("lminus_phi", "lplus_phi"), (-np.pi, np.pi)),
}


def values_of(events: DileptonEvents, variable: str) -> tuple[FloatArray, FloatArray]:
    """Values of a variable and their weights (fb); both leptons for ``lepton_pt`` and ``lepton_eta``."""
    weight = events["weight"]
    if variable in ("lepton_pt", "lepton_eta"):
        part = variable.removeprefix("lepton")
        return np.concatenate([events["lminus" + part], events["lplus" + part]]), np.concatenate([weight, weight])
    if variable == "pt_ll":
        return pair_transverse_momentum(events), weight
    if variable not in LABELS:
        raise UnknownName("variable", variable, LABELS)
    return events[variable], weight


def default_edges(events: DileptonEvents, variable: str, bins: int = 50) -> FloatArray:
    """Edges of equal bins over the natural range of a variable, or over the range of the events."""
    if not 1 <= bins <= 100_000:
        raise InputError(f"the number of bins must be from 1 to 100000, found {bins}")
    if variable in _RANGES:
        return np.linspace(*_RANGES[variable], bins + 1)
    values, _ = values_of(events, variable)
    low, high = (float(q) for q in np.quantile(values, [0.001, 0.999])) if len(values) else (0.0, 1.0)
    if high <= low:
        high = low + max(abs(low), 1.0) * 1e-6
    pad = 0.05 * (high - low)
    return np.linspace(max(low - pad, 0.0) if low >= 0 else low - pad, high + pad, bins + 1)


def histogram(
    events: DileptonEvents | Iterable[DileptonEvents],
    variable: str,
    edges: ArrayLike | None = None,
    bins: int = 50,
    select: Callable[[DileptonEvents], npt.NDArray[np.bool_]] | None = None,
) -> Any:
    """Fill a ``hist.Hist`` with Weight storage, in fb per bin.

    Arguments:
        events: a sample, or a stream of its batches such as that of a file.
        variable: a key of LABELS.
        edges: bin edges, ascending.
        bins: number of equal bins over the range of the first batch, unless ``edges`` are given.
        select: a function from a batch to a mask of the events to keep, (n,).
    """
    hist = needed("hist", *EVENTS)
    stream = iter([events]) if isinstance(events, DileptonEvents) else (batch for batch in events if len(batch))
    first = next(stream, None)
    if first is None:
        raise InputError("no events to fill a histogram with")
    at = default_edges(first, variable, bins) if edges is None else np.asarray(edges, dtype=float)
    if at.ndim != 1 or len(at) < 2 or not np.isfinite(at).all() or (np.diff(at) <= 0).any():
        raise InputError("bin edges must be two or more finite ascending numbers")
    filled = hist.Hist(
        hist.axis.Variable(at, name=variable, label=LABELS.get(variable, variable)), storage=hist.storage.Weight()
    )
    for batch in (first, *stream) if isinstance(events, DileptonEvents) else _chain(first, stream):
        part = batch if select is None else batch[select(batch)]
        values, weight = values_of(part, variable)
        filled.fill(values, weight=weight)
    return filled


def _chain(first: DileptonEvents, rest: Iterable[DileptonEvents]) -> Iterable[DileptonEvents]:
    yield first
    yield from rest


def predicted(info: Mapping[str, Any], variable: str, edges: ArrayLike) -> FloatArray:
    """Cross-section per bin (fb) by integration, for the process that the metadata of a sample describe.

    InputError if they describe none, or if the model card has changed since.
    """
    from .prediction import VARIABLES, predicted_histogram

    if info.get("generator") != "zprime-recast":
        raise InputError("a prediction needs events of zprime-recast: this file does not say what was generated")
    if variable not in VARIABLES:
        raise UnknownName("variable with a prediction", variable, VARIABLES)
    try:
        process = _described_process(info)
    except ZprimeError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise InputError(f"the metadata do not describe one process, so there is no prediction ({err})") from None
    rate = predicted_histogram(process, variable, edges)
    return 2 * rate if variable == "lepton_pt" else rate


def _described_process(info: Mapping[str, Any]) -> Process:
    """The process that metadata describe."""
    from ..model.card import load_model
    from ..process.final_state import LeptonCuts
    from .sample import make_inputs

    model = load_model(str(info["model"])).with_parameters(dict(info["parameters"]))
    if model.digest() != info["model_digest"]:
        raise InputError(f"model {info['model']} is not the one these events were made with, so there is no prediction")
    return make_inputs(
        model,
        info["mass_gev"],
        info["coupling"],
        info["mode"],
        lepton=info["lepton"],
        sqrt_s_gev=info["sqrt_s_gev"],
        pdf=info["pdf_set"],
        member=info["pdf_member"],
        order=info["order"],
        window_gev=tuple(info["window_gev"]),
        cuts=LeptonCuts(info["cuts"]["pt_min_gev"], info["cuts"]["eta_max"] or np.inf),
        interference=info["interference"],
    )


def write_root(path: str | Path, histograms: Mapping[str, Any]) -> Path:
    """Write histograms to a ROOT file (TH1D with sums of squared weights), whole or not at all."""
    import uproot

    from ..io.files import write_whole

    def write(temporary: Path) -> None:
        with uproot.recreate(temporary) as file:
            for name, filled in histograms.items():
                file[name] = filled

    return write_whole(Path(path), write)
