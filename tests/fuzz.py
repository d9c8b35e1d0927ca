"""Mutate cards, tables, event files and command lines for a given time: every case ends in a result or in one line.

python tests/fuzz.py --seconds 60 --seed 1

Each case is a valid input with some bytes, cells, values or options changed. Prints the number of cases by kind and
exits with code 1 if one ended in an exception that is not a ZprimeError, in a warning, or in a message of more lines than
one; the case is kept in a folder that is printed. A case can be repeated with its seed: --only SEED.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

NASTY = [
    "1e300", "1e-300", "5e-324", "-0", "0", "-1", "nan", "inf", "-inf", "1" * 400, "1/0", "1/3", "", " ", "x", "'", '"',
    "../../x", "/x", "*", "[", "{}", "\\", "%s", "\0", "\n", "é", "٣", "0x10", "1_0", "true", "[]", "1e999999", "--", "-",
    "~nouser", "a" * 5000, "\ud800", "NaN", "None", "2000", "0.1", "#", ",", ";", "\ufeff", "1,5",
]  # fmt: skip


class Fuzzer:
    """Valid inputs, and what reads them."""

    def __init__(self, folder: Path) -> None:
        from zprime_recast.events.sample import generate_events
        from zprime_recast.events.storage import write_events
        from zprime_recast.limits.analyses import load_analyses
        from zprime_recast.scan.evaluate import evaluator

        self.folder = folder
        self.cards = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "data" / "models").glob("*.toml"))]
        self.evaluators = [evaluator(load_analyses("atlas-139fb-dilepton"), m) for m in ("elusive_bl", None)]
        events = generate_events("ssm", 3000.0, 0.5, 50)
        self.events = {}
        for suffix in (".root", ".parquet", ".lhe", ".lhe.gz", ".hepmc3"):
            self.events[suffix] = write_events(folder / f"valid{suffix}", events).read_bytes()

    def card(self, rng: random.Random) -> None:
        """A model card."""
        from zprime_recast.model.card import read_model_card
        from zprime_recast.model.widths import decay_widths

        path = self.folder / "card.toml"
        lines = rng.choice(self.cards).splitlines()
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(lines))
            key, equals, _ = lines[at].partition("=")
            if equals and rng.random() < 0.7:
                new = rng.choice(NASTY)
                lines[at] = f"{key}= {new}" if rng.random() < 0.5 else f'{key}= "{new}"'
            elif rng.random() < 0.5:
                lines[at : at + 1] = []
                lines = lines or ["schema = 1"]
            else:
                lines[at] = mutated_text(rng, lines[at])
        path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
        decay_widths(read_model_card(path), 3000.0, 0.1)

    def table(self, rng: random.Random) -> None:
        """A table of points, evaluated from file to file."""
        from zprime_recast.scan.files_to_files import scan

        names = ["mass_gev", "coupling", "m_chi", "label"]
        if free := rng.random() < 0.3:
            names = ["mass_gev", "g_uL", "g_lL", "gamma_gev"]
        rows = [[str(rng.uniform(300, 6000)), *(str(rng.uniform(0, 0.3)) for _ in names[1:])] for _ in range(4)]
        cells = [names, *rows]
        for _ in range(rng.randint(1, 4)):
            row = cells[rng.randrange(len(cells)) if rng.random() < 0.2 else rng.randrange(1, len(cells))]
            if row:
                row[rng.randrange(len(row))] = rng.choice(NASTY)
            if rng.random() < 0.1:
                row.append("more")
        text = "\n".join(",".join(row) for row in cells)
        if rng.random() < 0.2:
            text = mutated_text(rng, text)
        path, output = self.folder / "points.csv", self.folder / rng.choice(["out.csv", "out.parquet"])
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        scan(path, output, self.evaluators[free], {})

    def event_file(self, rng: random.Random) -> None:
        """An event file."""
        from zprime_recast.events.storage import read_events

        suffix = rng.choice(list(self.events))
        path = self.folder / f"events{suffix}"
        path.write_bytes(mutated(rng, self.events[suffix]))
        read_events(path)

    def command(self, rng: random.Random) -> None:
        """A command line, in this process."""
        from zprime_recast.cli import app

        line = rng.choice(
            [
                ["widths", "ssm", "--mass", "3000", "--coupling", "0.1", "--json"],
                ["xsec", "ssm", "--mass", "3000", "--coupling", "0.1", "--sqrt-s", "13000"],
                ["widths", "elusive_bl", "--mass", "3000", "--coupling", "0.1", "--set", "m_chi=500"],
                ["direct", "elusive_bl", "--mass", "10000", "--coupling", "0.25", "--set", "m_chi=3800"],
                ["cite", "ssm", "atlas-139fb-dilepton", "CT18NNLO"],
                ["list", "models", "--json"],
                ["pdf", "install", "x.tar.gz", "-o", str(self.folder / "sets")],
                ["model", "to-slha", "ssm", "--mass", "3000", "--coupling", "0.1", "-o", str(self.folder / "p.slha")],
            ]
        )
        for _ in range(rng.randint(1, 2)):
            at = rng.randrange(1, len(line))
            before = line[at - 1]
            if before in ("-o", "--archive"):
                continue
            line[at] = rng.choice(NASTY) if rng.random() < 0.8 else mutated_text(rng, line[at])
        try:
            app(line, standalone_mode=False)
        except Exception as err:
            if not hasattr(err, "format_message") and type(err).__name__ not in ("Abort", "Exit"):
                raise


def mutated(rng: random.Random, content: bytes) -> bytes:
    """Bytes with a few changed, left out, repeated or cut off."""
    new = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, n = rng.randrange(len(new) + 1), rng.randint(1, 60)
        piece = [rng.randbytes(n), b"", bytes(new[at : at + n] * 2), rng.choice(NASTY).encode("utf-8", "replace")]
        new[at : at + n] = rng.choice(piece)
        if rng.random() < 0.1:
            del new[at:]
    return bytes(new)


def mutated_text(rng: random.Random, text: str) -> str:
    """Text with a few characters changed."""
    return mutated(rng, text.encode("utf-8", "replace")).decode("utf-8", "replace")


def run(case: Callable[[random.Random], None], seed: int) -> str:
    """Run one case; "result", "message", or what went wrong."""
    from zprime_recast.errors import ZprimeError

    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("error")
        try:
            case(random.Random(seed))
        except ZprimeError as err:
            text = str(err)
            return "message" if text and "\n" not in text.strip() and len(text) < 2000 else f"no line: {text!r}"
        except OSError as err:  # the command line makes one line of it
            return "message" if err.strerror else traceback.format_exc()
        except Exception:
            return traceback.format_exc()
    return "result"


def main() -> int:
    """Fuzz for a time; the number of failed cases is printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first case")
    parser.add_argument("--only", type=int, help="run the case of this seed alone")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    fuzzer = Fuzzer(folder)
    cases = [fuzzer.card, fuzzer.table, fuzzer.event_file, fuzzer.command]
    count: Counter[str] = Counter()
    failed = 0
    end, seed = time.monotonic() + options.seconds, options.seed
    if options.only is not None:
        end, seed = time.monotonic(), options.only
    while True:
        case = cases[seed % len(cases)]
        outcome = run(case, seed)
        if outcome not in ("result", "message"):
            failed += 1
            print(f"--- seed {seed}, {case.__name__}, in {folder}\n{outcome}", flush=True)
        count[f"{case.__name__}: {outcome if outcome in ('result', 'message') else 'FAILED'}"] += 1
        seed += 1
        if time.monotonic() >= end:
            break
    for name, n in sorted(count.items()):
        print(f"{n:8d} {name}")
    print(f"{sum(count.values())} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
