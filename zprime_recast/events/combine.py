"""Several runs as one sample: slices of a process add up, runs of the same process are averaged.

Which of the two is decided from what the runs say of themselves, and said; where that is not clear it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import CardError, InputError
from .statement import PAIR_NAMES, Statement, Survey
from .weights import Meaning, Run, agree, meaning

ADD, AVERAGE = "add", "average"
#: Metadata that differ between slices of one process, and those that differ between its runs.
_SLICES = ("window_gev", "lepton", "lepton_pdg_id")
_RUNS = ("seed", "n_events", "cross_section_fb", "cross_section_error_fb", "absolute_cross_section_fb", "warnings")
_ASK = "--combine add (slices of one process) or --combine average (runs of one process)"


def combined(
    runs: Sequence[Run],
    surveys: Callable[[], Sequence[Survey]],
    cross_section_fb: float | None = None,
    combine: str | None = None,
) -> tuple[FloatArray, Statement]:
    """Factors from the weights of each run to fb, (n_runs,), and the statement of the sample they make up.

    Arguments:
        runs: the runs.
        surveys: gives flavours and masses of every run; called only for several runs without metadata.
        cross_section_fb: cross-section of the whole sample, if the user knows better than the files.
        combine: ``add`` or ``average``; default: decided from the runs.

    CardError if there is no cross-section; InputError if it is not clear whether to add or to average.
    """
    if combine not in (None, ADD, AVERAGE):
        raise InputError(f"--combine {combine}: expected {ADD} or {AVERAGE}")
    meanings = [meaning(run) for run in runs]
    remarks = [text for run, m in zip(runs, meanings, strict=True) for text in _labelled(run, m, len(runs) > 1)]
    known = [m.cross_section_fb for m in meanings]
    if None in known and (cross_section_fb is None or any(sigma is not None for sigma in known)):
        without = runs[known.index(None)]
        why = f" ({without.missing})" if without.missing else ""
        raise CardError(without.label, "", f"no cross-section{why}", "one: give it with --cross-section FB")
    shares = np.ones(len(runs))
    if len(runs) > 1:
        how, why = (combine, "as asked") if combine else _decided(runs, meanings, surveys)
        if how == AVERAGE:
            numbers = np.array([run.tally.events for run in runs], dtype=float)
            shares = numbers / numbers.sum()
        elif None in known:
            raise InputError("slices without a cross-section cannot be added: give their files one by one")
        verb = "averaged" if how == AVERAGE else "added"
        remarks.append(f"{len(runs)} runs ({why}) are {verb}")
    sigma = float(np.sum(shares * np.array([1.0 if s is None else s for s in known])))
    error = float(np.sqrt(np.sum((shares * np.array([m.error_fb for m in meanings])) ** 2)))
    factors = shares * np.array([m.factor for m in meanings])
    basis = ", ".join(dict.fromkeys(m.basis for m in meanings))
    if cross_section_fb is not None:
        if None not in known and not agree(sigma, cross_section_fb, error):
            given = f"the cross-section is {cross_section_fb:.5g} fb as given"
            remarks.append(f"{given}; the file says {sigma:.5g} fb ({basis})")
        factors, sigma, error, basis = factors * (cross_section_fb / sigma), cross_section_fb, 0.0, "as given"
    if not np.isfinite([*factors, sigma]).all():
        worst = runs[int(np.argmin(np.isfinite(factors)))]
        raise CardError(worst.label, "", f"weights that add up to {worst.tally.total:.3g}", "a cross-section")
    return factors, Statement(sigma, error, basis, remarks, truncated=any(run.truncated for run in runs))


def common_info(runs: Sequence[Run], statement: Statement) -> dict[str, Any]:
    """Metadata of the sample: those of the run, or what several runs have in common."""
    info = dict(runs[0].info)
    if len(runs) > 1:
        info = {key: value for key, value in info.items() if all(run.info.get(key) == value for run in runs[1:])}
        for key in _RUNS:
            info.pop(key, None)
        info["runs"] = [run.label for run in runs]
    if len(runs) > 1 or statement.basis == "as given":
        for key in ("n_events", "absolute_cross_section_fb"):
            info.pop(key, None)
    if "absolute_cross_section_fb" not in info:
        info |= {
            "cross_section_fb": statement.cross_section_fb,
            "cross_section_error_fb": statement.cross_section_error_fb,
        }
    return info


def _labelled(run: Run, m: Meaning, several: bool) -> list[str]:
    return [f"{run.label}: {text}" if several else text for text in (*run.remarks, *m.remarks)]


def _decided(
    runs: Sequence[Run], meanings: Sequence[Meaning], surveys: Callable[[], Sequence[Survey]]
) -> tuple[str, str]:
    """Whether to add or to average, and why; InputError if the runs do not tell."""
    infos = [run.info for run in runs]
    if all("model_digest" in info for info in infos):
        return _by_metadata(infos)
    found = surveys()
    sigmas = [m.cross_section_fb for m in meanings]
    apart = all(_apart(a, b) for i, a in enumerate(found) for b in found[i + 1 :])
    alike = len({s.flavors for s in found}) == 1
    equal = all(
        a is None or b is None or agree(a, b, float(np.hypot(meanings[0].error_fb, m.error_fb)))
        for a, b, m in zip([sigmas[0]] * len(sigmas), sigmas, meanings, strict=True)
    )
    if apart:
        what = "different masses" if alike else "different flavours or masses"
        return ADD, f"slices: {what}"
    if equal and alike and not any(_apart(a, b) for i, a in enumerate(found) for b in found[i + 1 :]):
        return AVERAGE, "equal cross-sections, flavours and masses"
    what = ", ".join(f"{run.label} {_described(m, s)}" for run, m, s in zip(runs, meanings, found, strict=True))
    raise InputError(f"these runs may be slices that add up or runs of one process ({what}): {_ASK}")


def _apart(a: Survey, b: Survey) -> bool:
    """Whether two runs have no flavour, or no mass, in common (masses up to 1 per cent of overlap at a border)."""
    if not a.flavors or not b.flavors:
        return False
    border = 0.01 * min(a.highest_gev, b.highest_gev)
    return not a.flavors & b.flavors or a.highest_gev < b.lowest_gev + border or b.highest_gev < a.lowest_gev + border


def _described(m: Meaning, s: Survey) -> str:
    sigma = "" if m.cross_section_fb is None else f"{m.cross_section_fb:.4g} fb "
    names = "/".join(PAIR_NAMES[code] for code in sorted(s.flavors)) or "no pairs"
    return f"{sigma}{names} {s.lowest_gev:.0f}-{s.highest_gev:.0f} GeV"


def _by_metadata(infos: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The choice of :func:`_decided` for runs of this package."""
    keys = {key for info in infos for key in info} - set(_RUNS)
    differ = {key for key in keys if any(info.get(key) != infos[0].get(key) for info in infos[1:])}
    if not differ:
        seeds = [info.get("seed") for info in infos]
        twice = len(set(seeds)) < len(seeds)
        return AVERAGE, "one process" + (", with the same seed: the same events more than once" if twice else "")
    if differ <= set(_SLICES) and all(_slices(a, b) for i, a in enumerate(infos) for b in infos[i + 1 :]):
        return ADD, "slices: " + ", ".join(sorted(differ & {"window_gev", "lepton"}))
    raise InputError(f"these runs are of different processes ({', '.join(sorted(differ))}): {_ASK}")


def _slices(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two runs have different leptons, or windows that do not overlap."""
    if a.get("lepton") != b.get("lepton"):
        return True
    (low_a, high_a), (low_b, high_b) = a.get("window_gev", (0, 0)), b.get("window_gev", (0, 0))
    return bool(high_a <= low_b or high_b <= low_a)
