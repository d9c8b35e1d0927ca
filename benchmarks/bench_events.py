"""Event generation against Pythia 8 at process level, and writing rates per format; one process, one run.

    python benchmarks/bench_events.py [--events 2e6] [--repeat 5]

Both sides make e+ e- events of the SSM Z' at 3 TeV with photon and Z, 1.5 to 4.5 TeV, MSTW2008 NLO, LO. Pythia's time
is that of ``next()`` alone, without reading its record; ours is that of full columns (four-momenta, x, flavours,
weights). Times are of the processor (``time.process_time``), the best of the repeats, alternating between the two.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from zprime_recast.events.sample import event_source
from zprime_recast.events.sampler import sample_chunk
from zprime_recast.events.storage import SUFFIXES, read_events, write_events
from zprime_recast.io.threads import one_blas_thread
from zprime_recast.model.card import load_model
from zprime_recast.partons.pdf import PAPER_SET

MASS, WINDOW = 3000.0, (1500.0, 4500.0)


def pythia(model):
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from test_pythia import make_pythia

    return make_pythia(model, MASS, model.reference_coupling, WINDOW, 0, 1)


def timed(action, clock=time.process_time):
    start = clock()
    count = action()
    return count / (clock() - start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", default="2e6")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    n = int(float(options.events))
    model = load_model("ssm")

    start = time.process_time()
    source = event_source(model, MASS, model.reference_coupling, "full", pdf=PAPER_SET, order="lo", window_gev=WINDOW)
    setup = time.process_time() - start
    peer = pythia(model)

    def next_events():
        done = 0
        for _ in range(40_000):
            done += peer.next()
        return done

    def drawn():
        return sum(len(sample_chunk(source.process, source.proposal, 1, i)[0]) for i in range(n // 16_000))

    def columns():
        return sum(len(batch) for batch in source.stream(n))

    def memory():
        return len(source.events(n))

    rates = {name: [] for name in ("pythia", "drawn", "columns", "memory")}
    for _ in range(options.repeat):
        for name, action in (("pythia", next_events), ("drawn", drawn), ("columns", columns), ("memory", memory)):
            rates[name].append(timed(action))
    best = {name: max(values) for name, values in rates.items()}
    ratios = {name: np.array(rates[name]) / np.array(rates["pythia"]) for name in rates}
    print(f"set-up of ours {setup:.2f} s (tables, and a million proposals for the cross-section)")
    print(f"evaluated {source.tally.evaluated / source.tally.proposals:.3f} of the proposals, "
          f"kept {source.tally.kept / source.tally.proposals:.3f}")  # fmt: skip
    print("| | events/s, best | over pythia8mc next(), median (range) |")
    labels = {
        "pythia": "pythia8mc next(), process level",
        "drawn": "mass, rapidity, angles, flavour, beam",
        "columns": "full columns, streamed in batches of 131072",
        "memory": f"full columns, {n} events in memory",
    }
    for name, label in labels.items():
        r = ratios[name]
        print(f"| {label} | {best[name]:,.0f} | {np.median(r):.0f} ({r.min():.0f}-{r.max():.0f}) |")

    print("| format | written, events/s (wall clock) | read, events/s | bytes/event |")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        big, small = source.events(n), source.events(200_000)
        for suffix in (*SUFFIXES, "rntuple"):
            events = big if suffix in (".root", ".parquet", "rntuple") else small
            if suffix.startswith(".hepmc3"):
                events = events[:50_000]
            path = Path(folder) / ("n.root" if suffix == "rntuple" else f"e{suffix}")

            def write(path=path, events=events, suffix=suffix):
                write_events(path, events, rntuple=suffix == "rntuple")
                return len(events)

            written = max(timed(write, time.perf_counter) for _ in range(3))
            size = path.stat().st_size / len(events)
            read = timed(lambda path=path: len(read_events(path)), time.perf_counter)
            print(f"| {suffix} | {written:,.0f} | {read:,.0f} | {size:.0f} |", flush=True)
            path.unlink()


if __name__ == "__main__":
    with one_blas_thread():
        main()
