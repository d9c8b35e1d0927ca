"""Limits from shared toys against plain toys, which are drawn for each hypothesis and fitted one by one.

For every point (model, mass, searches, interference) the limit comes from shared toys, and plain toys compute CLs at it:
observed at g_95, and at the quantiles of the background at the expected limits. CLs should be 0.05; how far it is off,
over the slope d ln CLs/d ln g, is how far g_95 is off. Results are appended to a file as they are done, one JSON line a
point, and a point that is there already is not repeated.

    python benchmarks/few_events.py results.jsonl                 # hours: 20,000 toys of both hypotheses, fitted singly
    python benchmarks/few_events.py results.jsonl --toys 4000 --expected 0
    python benchmarks/few_events.py benchmarks/few_events.jsonl --page docs/validation.md   # writes the table of the page
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

import zprime_recast as zr

ATLAS, CMS = "atlas-139fb-dilepton", "cms-140fb-dilepton"
BOTH = f"{ATLAS},{CMS}"
#: Model, mass in GeV, searches, interference. From many events to none, narrow and wide, alone and together.
POINTS = (
    ("elusive_bl", 4500, BOTH, True),
    ("elusive_bl", 1000, BOTH, True),
    ("ssm", 5000, CMS, True),
    ("e6_psi", 4000, BOTH, True),
    ("elusive_bl", 3500, BOTH, True),
    ("elusive_bl", 4500, ATLAS, True),
    ("elusive_bl", 5300, BOTH, True),
    ("elusive_bl", 2000, BOTH, True),
    ("ssm", 5000, CMS, False),
    ("e6_chi", 2500, ATLAS, True),
    ("minimal_bl", 3000, BOTH, True),
    ("elusive_bl", 500, BOTH, True),
    ("ssm", 5500, ATLAS, True),
    ("e6_psi", 4500, CMS, False),
    ("elusive_bl", 5000, CMS, False),
    ("minimal_bl", 4000, ATLAS, False),
    ("ssm", 700, ATLAS, True),
    ("e6_chi", 1500, CMS, True),
    ("elusive_bl", 3000, ATLAS, True),
    ("elusive_bl", 2500, CMS, True),
    ("e6_psi", 3500, ATLAS, False),
    ("ssm", 3000, BOTH, True),
    ("minimal_bl", 5200, BOTH, True),
    ("elusive_bl", 700, CMS, True),
    ("e6_chi", 5000, BOTH, False),
    ("e6_psi", 5400, CMS, True),
    ("minimal_bl", 1500, ATLAS, True),
)
#: Marks around the table of a page.
BEGIN, END = "<!-- few events: begin -->", "<!-- few events: end -->"
BANDS = ("-2", "-1", "median", "+1", "+2")


def slope(model: str, mass: float, g: float, analyses: object, interference: bool, column: int) -> float:
    """d ln CLs/d ln g of one of the six curves at a coupling, from shared toys."""
    step = 0.03
    found = [zr.cls(model, mass, g * np.exp(s), analyses, interference) for s in (-step, step)]
    values = [f.cls_observed if column == 0 else f.cls_expected[column - 1] for f in found]
    return float(np.log(values[1] / values[0]) / (2 * step))


def judged(
    point: tuple[str, int, str, bool], toys: int, expected: bool, prepared: dict[str, object]
) -> dict[str, object]:
    """One point: limits of both calculators, and what plain toys say at those of shared toys."""
    model, mass, ids, interference = point
    analyses = prepared.setdefault(ids, zr.load_analyses(ids.split(",")))
    begin = time.perf_counter()
    ours = zr.limit(model, float(mass), analyses, interference)
    seconds = time.perf_counter() - begin
    asymptotic = zr.limit(model, float(mass), analyses, interference, "asymptotic")
    limits = [float(ours.coupling_95_observed), *ours.coupling_95_expected.tolist()]
    other = [float(asymptotic.coupling_95_observed), *asymptotic.coupling_95_expected.tolist()]
    record: dict[str, object] = {
        "point": list(point),
        "toys": toys,
        "g_95": limits,
        "over_asymptotic": (np.array(limits) / np.array(other)).tolist(),
        "gamma_over_m": float(ours.gamma_over_m_observed),
        "seconds": seconds,
    }
    columns = (0, 1, 3, 5) if expected else (0,)
    record["cls"], record["error"], record["off"] = {}, {}, {}
    for column in columns:
        g = limits[column]
        if not np.isfinite(g):
            continue
        plain = zr.cls(model, float(mass), g, analyses, interference, "plain-toys", n_toys=toys, seed=1000 + column)
        cls = float(plain.cls_observed if column == 0 else plain.cls_expected[column - 1])
        # p(b) of the quantile, or the observed one of about p(s+b)/CLs; both counts fluctuate
        p_background = 0.5 if column == 0 else [0.02275, 0.15866, 0.5, 0.84134, 0.97725][column - 1]
        error = np.sqrt(1 / (toys * max(cls, 1e-4) * p_background) + 1 / (toys * p_background))
        name = "observed" if column == 0 else BANDS[column - 1]
        record["cls"][name], record["error"][name] = cls, float(error)  # type: ignore[index]
        falls = slope(model, float(mass), g, analyses, interference, column)
        record["off"][name] = float(np.log(cls / 0.05) / falls) if cls > 0 else None  # type: ignore[index]
    return record


def table(records: list[dict]) -> str:
    """Markdown: limits over the asymptotic ones, and CLs of plain toys at them."""
    lines = [
        "| model | M (GeV) | searches | Gamma/M | g_95 over asymptotic: observed, -2, median, +2 | CLs of plain toys at "
        "g_95 | g_95 off by (%) | median, -2, +2 off by (%) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in records:
        model, mass, ids, interference = r["point"]
        who = "both" if "," in ids else ids.split("-")[0].upper()
        ratio = r["over_asymptotic"]
        shown = ", ".join(f"{ratio[k]:.2f}" for k in (0, 1, 3, 5))
        off = {name: 100 * -value for name, value in r["off"].items() if value is not None}
        bands = ", ".join(f"{off[name]:+.1f}" for name in ("median", "-2", "+2") if name in off) or "-"
        cls, error = r["cls"]["observed"], r["error"]["observed"]
        lines.append(
            f"| {model}{'' if interference else ', no interference'} | {mass} | {who} | {r['gamma_over_m']:.3f} | {shown} "
            f"| {cls:.4f} ± {cls * error:.4f} | {off['observed']:+.1f} | {bands} |"
        )
    cls = np.array([r["cls"]["observed"] for r in records])
    error = np.array([r["error"]["observed"] for r in records])
    mean, own = np.log(cls / 0.05).mean(), np.sqrt((error**2).sum()) / len(cls)
    lines.append(f"\nMean of CLs/0.05 over {len(cls)} points: {np.exp(mean):.3f} ± {own:.3f}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--toys", type=int, default=20_000, help="plain toys of each hypothesis")
    parser.add_argument("--expected", type=int, default=len(POINTS), help="points whose expected limits are judged")
    parser.add_argument("--table", action="store_true", help="print the table of the results there are")
    parser.add_argument("--page", type=Path, help="page whose table, between its marks, is replaced")
    options = parser.parse_args()
    known = [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    if options.table:
        print(table(known))
        return
    if options.page:
        before, rest = options.page.read_text().split(BEGIN)
        options.page.write_text(f"{before}{BEGIN}\n{table(known)}\n{END}{rest.split(END)[1]}")
        return
    done = {tuple(record["point"]) for record in known}
    prepared: dict[str, object] = {}
    for k, point in enumerate(POINTS):
        if point in done:
            continue
        record = judged(point, options.toys, k < options.expected, prepared)
        with options.results.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(point, record["over_asymptotic"], record["cls"], record["off"], flush=True)


if __name__ == "__main__":
    main()
