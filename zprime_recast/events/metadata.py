"""Metadata that this package writes into event files, read back and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import CardError
from .kinematics import PDG_ID
from .records import NUMBER_MAX

#: Metadata that readers compute with.
_NUMBERS = ("sqrt_s_gev", "cross_section_fb", "cross_section_error_fb", "absolute_cross_section_fb", "n_events")


def parsed_metadata(path: Path, key: str, text: str | bytes) -> dict[str, Any]:
    """Metadata from their JSON; CardError if it is broken, or if a number in it is not one.

    Arguments:
        path: the file, for messages.
        key: where the metadata stand in it, for messages.
        text: the JSON.
    """
    try:
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise CardError(path, key, "broken JSON", "the metadata as they were written") from None
    for name in _NUMBERS:
        if name in found and not (_finite(found[name]) or (found[name] is None and name != "sqrt_s_gev")):
            raise CardError(path, f"{key}: {name}", repr(found[name])[:60], "a finite number")
    if found.get("sqrt_s_gev", 1) <= 0 or (found.get("n_events") or 0) < 0:
        raise CardError(path, key, "a negative energy or number of events", "the metadata as they were written")
    if found.get("lepton_pdg_id", PDG_ID["e"]) not in PDG_ID.values():
        raise CardError(path, f"{key}: lepton_pdg_id", repr(found["lepton_pdg_id"])[:60], "11, 13 or 15")
    window = found.get("window_gev", [0.0, 1.0])
    if not (isinstance(window, list) and len(window) == 2 and all(_finite(edge) for edge in window)):
        raise CardError(path, f"{key}: window_gev", repr(window)[:60], "two numbers")
    return found


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < NUMBER_MAX
