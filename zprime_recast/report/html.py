"""One self-contained HTML page of a result: figures, tables, verdict in words, assumptions, warnings, validation of the
searches, provenance, papers, and the command that makes it again. No script, no network; it prints.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..io.files import write_text
from .references import references

#: Heading of the section of an analysis README whose table is shown.
VALIDATION_HEADING = "How close it comes"

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0.2rem; }
h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid #ccc; }
.verdict { font-size: 1.1rem; background: #f3f6fa; border-left: 4px solid #3b6ea5; padding: 0.6rem 1rem; }
.warning { background: #fff6e0; border-left: 4px solid #d09000; padding: 0.4rem 1rem; margin: 0.3rem 0; }
table { border-collapse: collapse; margin: 0.8rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: 0.2rem 0.8rem; text-align: right; }
th { border-bottom: 2px solid #888; }
th:first-child, td:first-child { text-align: left; }
caption { text-align: left; color: #555; padding: 0.3rem 0; }
img { max-width: 100%; } figure { margin: 1rem 0; } figcaption { color: #555; }
code { background: #f3f3f3; padding: 0.1rem 0.3rem; }
pre { background: #f3f3f3; padding: 0.6rem; white-space: pre-wrap; }
@media print { body { margin: 0; max-width: none; font-size: 11px; }
  h2, figure, table { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Table:
    """Rows of text under a header."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Report:
    """What a page says."""

    title: str
    verdict: tuple[str, ...]
    """Sentences."""
    command: tuple[str, ...]
    """The words of the command that makes the result."""
    provenance: Mapping[str, Any]
    figures: tuple[tuple[str, bytes], ...] = ()
    """(caption, PNG)."""
    tables: tuple[Table, ...] = ()
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    origins: tuple[str, ...] = field(default=())
    """References of model and searches, names of PDF sets: :func:`zprime_recast.report.references.references`."""


def write_report(report: Report, path: Path) -> Path:
    """Write the page, whole or not at all. OutputError if it cannot be written."""
    return write_text(path, html_page(report))


def html_page(report: Report) -> str:
    """The page as text; everything that came from outside is escaped."""
    text = html.escape
    parts = [f"<h1>{text(report.title)}</h1>"]
    parts.append(f'<div class="verdict">{"<br>".join(text(line) for line in report.verdict)}</div>')
    for caption, png in report.figures:
        data = base64.b64encode(png).decode()
        parts.append(
            f'<figure><img alt="{text(caption)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{text(caption)}</figcaption></figure>"
        )
    if report.warnings:
        parts.append("<h2>Warnings</h2>")
        parts += [f'<div class="warning">{text(warning)}</div>' for warning in dict.fromkeys(report.warnings)]
    if report.tables:
        parts.append("<h2>Numbers</h2>")
        parts += [_table(table) for table in report.tables]
    parts.append("<h2>What was assumed</h2><ul>")
    parts += [f"<li>{text(line)}</li>" for line in (*report.assumptions, *_assumptions(report.provenance))]
    parts.append("</ul>")
    validation = [t for a in report.provenance.get("analyses", ()) for t in validation_tables(str(a["id"]))]
    if validation:
        parts.append("<h2>How far the recast is from the published limits</h2>")
        parts += [_table(table) for table in validation]
    parts.append("<h2>Where it comes from</h2>")
    rows = tuple((str(key), _plain(value)) for key, value in report.provenance.items())
    parts.append(_table(Table("", ("item", "value"), rows)))
    parts.append(f"<h2>How to make it again</h2><pre>{text(' '.join(_quoted(w) for w in report.command))}</pre>")
    entries = references(report.origins, str(report.provenance.get("order", "nnlo")))
    parts.append("<h2>Papers to cite</h2><ul>")
    parts += [f"<li>{_cited(entry.text)}</li>" for entry in entries]
    parts.append("</ul>")
    head = f'<meta charset="utf-8"><title>{text(report.title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def validation_tables(analysis: str) -> list[Table]:
    """The table of the README of a search under VALIDATION_HEADING; none for a folder without one."""
    from ..searches.spectrum import list_searches

    folder = list_searches().get(analysis)
    readme = folder / "README.md" if folder else Path(analysis) / "README.md"
    if not readme.is_file():
        return []
    section = re.search(
        rf"^## {VALIDATION_HEADING}\n(.*?)(?=^## |\Z)",
        readme.read_text(encoding="utf-8"),
        flags=re.DOTALL | re.MULTILINE,
    )
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in (section[1].splitlines() if section else ())
        if line.startswith("|") and not re.fullmatch(r"[|\-: ]+", line)
    ]
    return [Table(f"{analysis}: |ours/published - 1|", rows[0], tuple(rows[1:]))] if len(rows) > 1 else []


def number(value: float | None, digits: int = 4) -> str:
    """A number for a table; a dash for none."""
    return "–" if value is None or value != value else f"{value:.{digits}g}"


def _assumptions(provenance: Mapping[str, Any]) -> list[str]:
    lines = []
    if "order" in provenance:
        lines.append(f"Rates at {str(provenance['order']).upper()} with PDF set {provenance.get('pdf_set')}.")
        names = provenance.get("theory_nuisances") or []
        lines.append(f"Theory nuisances: {', '.join(names)}." if names else "No uncertainty of PDF and scales.")
    if "interference" in provenance:
        used = "included" if provenance["interference"] else "left out"
        lines.append(f"Interference with photon and Z: {used}.")
    if provenance.get("calculator") == "asymptotic":
        lines.append("CLs with asymptotic formulae: where no event is expected the limit is 2 events, the exact one 3.")
    for analysis in provenance.get("analyses", ()):
        lines += [f"{analysis['id']}: {note}" for note in analysis.get("notes", ())]
    lines += [f"Not checked against the publication: {item}." for item in provenance.get("unverified_inputs", ())]
    return lines


def _table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    caption = f"<caption>{html.escape(table.caption)}</caption>" if table.caption else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(
            str(item["id"]) if isinstance(item, Mapping) and "id" in item else _plain(item) for item in value
        )
    return f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else "'" + word.replace("'", "'\\''") + "'"


def _cited(entry: str) -> str:
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, flags=re.MULTILINE))
    plain = {key: re.sub(r"[{}]|\$", "", value) for key, value in fields.items()}
    where = " ".join(plain[key] for key in ("journal", "volume") if key in plain)
    number_ = f"arXiv:{plain['eprint']}" if "eprint" in plain else plain.get("doi", "")
    pieces = [plain.get("author", "").split(" and ")[0], plain.get("title", ""), where, f"({plain['year']})", number_]
    return html.escape(", ".join(piece for piece in pieces if piece))


# ---------------------------------------------------------------------------------------------------------------
# Pages of results, from the JSON values the commands print


def contour_page(values: Mapping[str, Any], png: bytes, origins: Sequence[str], command: Sequence[str]) -> Report:
    """The page of ``contour.json``."""
    about = values["provenance"]
    model, g = about["model"], values["reference_coupling"]
    observed, expected = values["mass_limit_observed_gev"], values["mass_limit_expected_gev"]
    found = [(m, c) for m, c in zip(values["mass_gev"], values["coupling_95_observed"], strict=True) if c is not None]
    verdict = [f"{model}: 95 % CL limits on the coupling at {len(values['mass_gev'])} masses."]
    if found:
        best = min(found, key=lambda pair: pair[1])
        verdict.append(f"Strongest at {best[0]:.0f} GeV: couplings above {best[1]:.3g} are excluded.")
    else:
        verdict.append("No coupling up to the largest one looked at is excluded.")
    if g is not None and observed is not None:
        median = f" (expected {expected:.0f} GeV)" if expected is not None else ""
        verdict.append(f"At its benchmark coupling g = {g:.4g} the Z' is excluded below {observed:.0f} GeV{median}.")
    if not values["complete"]:
        verdict.append("The run was interrupted: masses are missing.")
    header = ("m_Z' (GeV)", "observed", "-2 σ", "-1 σ", "median", "+1 σ", "+2 σ", "σ×B observed (fb)")
    rows = tuple(
        (f"{m:.1f}", number(c), *(number(e) for e in band), number(s))
        for m, c, band, s in zip(
            values["mass_gev"],
            values["coupling_95_observed"],
            values["coupling_95_expected"],
            values["sigma_br_95_observed_fb"],
            strict=True,
        )
    )
    warnings = [f"{w['mass_gev']:.0f} GeV: {w['message']}" for w in (*values["errors"], *values["warnings"])]
    return Report(
        title=f"Exclusion contour of {model}",
        verdict=tuple(verdict),
        command=tuple(command),
        provenance=about,
        figures=(("Couplings above the line are excluded at 95 % CL.", png),),
        tables=(Table("Coupling at 95 % CL; – where nothing is excluded", header, rows),),
        warnings=(*about.get("warnings", ()), *warnings),
        origins=tuple(origins),
    )


def limit_page(values: Mapping[str, Any], origins: Sequence[str], command: Sequence[str]) -> Report:
    """The page of what ``limit --json`` prints."""
    about = values["provenance"]
    observed = values["coupling_95_observed"]
    point = f"{about['model']} at {values['mass_gev']:g} GeV"
    if observed is not None:
        verdict = f"{point}: couplings above {observed:.4g} are excluded at 95 % CL."
    else:
        largest, reason = values["coupling_max"], values["coupling_max_reason"]
        verdict = f"{point}: nothing is excluded up to g = {largest:.4g} ({reason})."
    names = ("observed", "-2 σ", "-1 σ", "median", "+1 σ", "+2 σ")
    couplings = (observed, *values["coupling_95_expected"])
    rates = (values["sigma_br_95_observed_fb"], *values["sigma_br_95_expected_fb"])
    rows = tuple((n, number(c), number(s)) for n, c, s in zip(names, couplings, rates, strict=True))
    return Report(
        title=f"Limit on {about['model']} at {values['mass_gev']:g} GeV",
        verdict=(verdict,),
        command=tuple(command),
        provenance=about,
        tables=(Table("Limits at 95 % CL", ("", "coupling", "σ×B per lepton flavour (fb)"), rows),),
        warnings=(*about.get("warnings", ()), *values["warnings"]),
        origins=tuple(origins),
    )


def summary_page(values: Mapping[str, Any], png: bytes, origins: Sequence[str], command: Sequence[str]) -> Report:
    """The page of ``summary.json``."""
    about = values.get("provenance", {})
    rows = []
    for panel in values["panels"]:
        allowed = panel.get("allowed_mass_range_gev")
        text = f"{allowed[0]:.0f} to {allowed[1]:.0f}" if allowed else "nothing"
        rows.append((f"{panel['m_chi_gev']:g}", text))
    return Report(
        title="LHC, relic density and direct detection in one plane",
        verdict=(
            "What is left after the LHC, the relic density, direct detection and perturbativity, per dark-matter mass.",
        ),
        command=tuple(command),
        provenance=about,
        figures=(("The plane of mass and coupling for each dark-matter mass.", png),),
        tables=(Table("Z' masses that remain", ("m_chi (GeV)", "m_Z' (GeV)"), tuple(rows)),),
        warnings=tuple(str(w) for w in values.get("warnings", ())),
        origins=tuple(origins),
    )


def evaluate_page(
    verdicts: Mapping[str, int], rows: int, about: Mapping[str, Any], origins: Sequence[str], command: Sequence[str]
) -> Report:
    """The page of a table of points: how many are excluded, allowed, or in error."""
    counted = tuple((name, str(count), f"{100 * count / max(rows, 1):.1f} %") for name, count in verdicts.items())
    return Report(
        title=f"Verdict on {rows} points",
        verdict=(", ".join(f"{count} {name}" for name, count in verdicts.items()) + ".",),
        command=tuple(command),
        provenance=about,
        tables=(Table("Points", ("verdict", "points", "share"), counted),),
        warnings=tuple(str(w) for w in about.get("warnings", ())),
        origins=tuple(origins),
    )
