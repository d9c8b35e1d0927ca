"""Write the results of ``zprime-recast validate`` into the pages that quote them.

    zprime-recast validate -o validation
    python docs/write_validation.py validation

Several folders are taken together, as from ``validate`` with one analysis at a time. Tables stand between the marks
``<!-- validate: begin -->`` and ``<!-- validate: end -->`` of docs/validation.md and of the README of each
analysis; the rows of the main README are those that begin with the experiment and "expected limits".
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from zprime_recast.report.validation import BothWays, Deviations, Verdict
from zprime_recast.report.validation_tables import both_ways_table, validation_table

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- validate: begin -->", "<!-- validate: end -->"


def read(folders: list[Path]) -> tuple[list[Verdict], list[BothWays]]:
    """Verdicts and comparisons of two fits from the JSON of one or more runs."""
    found, both = [], []
    for folder in folders:
        values = json.loads((folder / "validation.json").read_text())
        found += [_verdict(one) for one in values["verdicts"]]
        both += [BothWays(**{k: v for k, v in one.items() if k != "reason"}) for one in values["both_ways"]]
    return found, both


def _verdict(values: dict[str, Any]) -> Verdict:
    known = {k: v for k, v in values.items() if k != "passed"}
    for name in ("expected", "observed"):
        known[name] = Deviations(**{k: float("nan") if v is None else v for k, v in known[name].items()})
    return Verdict(**{**known, "mass_range_gev": tuple(known["mass_range_gev"])})


def replaced(text: str, lines: list[str]) -> str:
    """A page with the lines between its marks replaced; ValueError without marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + "\n".join([BEGIN, *lines, END]) + after


def summary_rows(verdicts: list[Verdict]) -> dict[str, list[str]]:
    """Rows of the main README by experiment: one for each end of a range of masses and tolerance."""
    groups: dict[tuple[str, float, float], list[Verdict]] = {}
    for v in verdicts:
        if v.tolerance is not None:
            groups.setdefault((v.analysis, round(v.mass_range_gev[1], -3), v.tolerance), []).append(v)
    found: dict[str, list[str]] = {}
    for (analysis, _, tolerance), of in groups.items():
        experiment = analysis.split("-")[0].upper()
        ends = [end for v in of for end in v.mass_range_gev]
        medians, p90 = ([100 * getattr(v.expected, name) for v in of] for name in ("median", "p90"))
        channels = " and ".join(dict.fromkeys(v.channel for v in of))
        widths = _between([100 * v.gamma_over_m for v in of], "g")
        numbers = (
            f"median {_between(medians, '.1f')} %, p90 {_between(p90, '.0f')} %, "
            f"worst {100 * max(v.expected.worst for v in of):.0f} %"
        )
        row = (
            f"| {experiment} expected limits, {of[0].calculator}, {channels}, Γ/M {widths} %, "
            f"{_between(ends, '.0f')} GeV | HEPData | {numbers} | median {100 * tolerance:.0f} % |"
        )
        found.setdefault(experiment, []).append(row)
    return found


def _between(values: list[float], form: str) -> str:
    """The smallest and the largest of some numbers; one number if both read alike."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low}–{high}"


def main(folders: list[Path]) -> None:
    """Write all pages."""
    verdicts, both = read(folders)
    pages = {ROOT / "docs" / "validation.md": (verdicts, both)}
    for analysis in dict.fromkeys(v.analysis for v in verdicts):
        own = [v for v in verdicts if v.analysis == analysis], [one for one in both if one.analysis == analysis]
        pages[ROOT / "analyses" / analysis / "README.md"] = own
        for folder in folders:
            for figure in folder.glob(f"{analysis}_ll.png"):
                shutil.copy(figure, ROOT / "docs" / "figures" / f"validation_{analysis.split('-')[0]}_ll.png")
    for path, (some, two) in pages.items():
        lines = validation_table(some) + (["", *both_ways_table(two)] if two else [])
        path.write_text(replaced(path.read_text(), lines))
    readme = (ROOT / "README.md").read_text()
    for experiment, rows in summary_rows(verdicts).items():
        pattern = rf"(?:\| {experiment} expected limits[^\n]*\n)+"
        readme = re.sub(pattern, lambda _, rows=rows: "\n".join(rows) + "\n", readme, count=1)
    (ROOT / "README.md").write_text(readme)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
