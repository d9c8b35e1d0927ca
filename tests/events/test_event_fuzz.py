"""Damaged event files: every mutation gives finite events or an error of one line; nothing else comes out.

``pytest tests/events/test_event_fuzz.py --mutations 20000`` makes more of them.
"""

from __future__ import annotations

import gzip
import json
import re
import resource
import time
from pathlib import Path

import numpy as np
import pytest

from zprime_recast.errors import CardError, ZprimeError
from zprime_recast.events.records import COLUMNS
from zprime_recast.events.storage import read_events, write_events

DATA = Path(__file__).resolve().parent.parent / "data" / "events"
#: What replaces a number of a text file.
REPLACEMENTS = (
    b"nan", b"inf", b"-inf", b"1e400", b"-1", b"0", b"", b"x", b"1e300", b"-1e-300", b"99999999999999999999", b"2147483648",
    b"1.5", b"1e", b"0x10", b"+", b"1D3", b"\xff", b"<", b"#", b'"',
)  # fmt: skip
_NUMBER = re.compile(rb"(?<=[\s,'\"\[:])[-+]?\d[\d.eEdD+-]*")


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The content of a file, damaged in one to three places."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.integers(8)
        n = max(len(content), 1)
        at = int(rng.integers(n))
        if kind == 0:
            content = content[:at]
        elif kind == 1:
            flipped = bytearray(content)
            for k in rng.integers(n, size=rng.integers(1, 5)):
                if flipped:
                    flipped[min(k, len(flipped) - 1)] ^= 1 << int(rng.integers(8))
            content = bytes(flipped)
        elif kind == 2:
            lines = content.split(b"\n")
            del lines[int(rng.integers(len(lines)))]
            content = b"\n".join(lines)
        elif kind == 3:
            lines = content.split(b"\n")
            k = int(rng.integers(len(lines)))
            content = b"\n".join([*lines[:k], lines[k], *lines[k:]])
        elif kind == 4:
            length = int(rng.integers(1, 200))
            content = content[:at] + content[at + length :]
        elif kind == 5:
            content = (
                content[:at] + bytes(rng.integers(256, size=int(rng.integers(1, 20)), dtype=np.uint8)) + content[at:]
            )
        else:  # twice as often as the others
            found = list(_NUMBER.finditer(content))
            if found:
                match = found[int(rng.integers(len(found)))]
                new = REPLACEMENTS[int(rng.integers(len(REPLACEMENTS)))]
                content = content[: match.start()] + new + content[match.end() :]
    return content


@pytest.fixture(scope="module")
def originals(ssm_events, tmp_path_factory):
    """Small files of every kind, of this package and of others."""
    import pyhepmc

    folder = tmp_path_factory.mktemp("fuzz")
    few = ssm_events[:12]
    found = [
        (write_events(folder / f"own{suffix}", few)) for suffix in (".root", ".parquet", ".lhe", ".hepmc3", ".lhe.gz")
    ]
    found.append(write_events(folder / "ntuple.root", few, rntuple=True))
    found.append(write_events(folder / "packed.root", few, compression="zlib"))
    for name, suffix in (
        ("lhe_sherpa_weights", ".lhe"),
        ("lhe_mass_slices_both3", ".lhe"),
        ("hepmc3_negative_weights", ".hepmc"),
    ):
        text = gzip.decompress(next(DATA.glob(f"{name}.*")).read_bytes())
        if name == "lhe_sherpa_weights":
            text = b"<event".join(text.split(b"<event")[:10]) + b"</LesHouchesEvents>\n"
        found.append(folder / f"{name}{suffix}")
        found[-1].write_bytes(text)
    with pyhepmc.open(str(found[-1])) as events, pyhepmc.open(str(folder / "two.hepmc"), "w", format="HepMC2") as out:
        for event in events:
            out.write(event)
    return [(path.name, path.read_bytes()) for path in (*found, folder / "two.hepmc")]


def check(path: Path) -> bool:
    """Whether a file can be read; AssertionError if what comes out is neither sound nor one line."""
    message = None
    try:
        events = read_events(path)
    except ZprimeError as err:
        message = str(err)
    if message is not None:
        assert message
        assert "\n" not in message
        return False
    for name in COLUMNS:
        assert np.isfinite(events[name]).all(), name
    statement = events.statement
    assert np.isfinite([statement.cross_section_fb, statement.cross_section_error_fb]).all()
    assert statement.events == sum(statement.pairs.values()) + statement.without_pair + statement.flawed
    assert statement.without_pair >= 0
    assert sum(statement.pairs.values()) == len(events)
    return True


def test_mutated_files(originals, tmp_path, request, capfd):
    count = request.config.getoption("--mutations")
    read = 0
    for k in range(count):
        rng = np.random.default_rng([18, k])
        name, content = originals[k % len(originals)]
        path = tmp_path / name
        path.write_bytes(mutated(content, rng))
        start = time.monotonic()
        try:
            read += check(path)
        except Exception as err:
            raise AssertionError(f"mutation {k} of {name}: {type(err).__name__}: {err}") from err
        assert time.monotonic() - start < 60, f"mutation {k} of {name} takes too long"
    out, _ = capfd.readouterr()
    assert out == ""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    with capfd.disabled():
        print(f"{count} mutations, {read} still readable, peak memory {memory:.2f} GB")
    assert memory < 2.0
    assert 0.05 * count < read < 0.95 * count


@pytest.mark.parametrize("kind", ["lhe", "hepmc3", "parquet", "root"])
def test_wrong_metadata(kind, ssm_events, tmp_path):
    """Metadata of the wrong type, or not finite, are named."""
    for key, value in (
        ("sqrt_s_gev", "13 TeV"), ("sqrt_s_gev", None), ("sqrt_s_gev", -1.0), ("n_events", [3]), ("lepton_pdg_id", 12),
        ("window_gev", 3.0), ("window_gev", [1.0, "x"]), ("absolute_cross_section_fb", "1"), ("cross_section_fb", True),
    ):  # fmt: skip
        path = tmp_path / f"wrong.{kind}"
        info = {**ssm_events.info, key: value}
        if kind in ("parquet", "root"):
            write_events(path, iter([ssm_events]), info)
        else:
            write_events(path, ssm_events)
            new = json.dumps({key: value})[1:-1].encode()
            path.write_bytes(path.read_bytes().replace(json.dumps({key: ssm_events.info[key]})[1:-1].encode(), new))
        with pytest.raises(CardError, match=f"{key}|a negative energy"):
            read_events(path)


def test_originals_are_read(originals, tmp_path):
    for name, content in originals:
        path = tmp_path / name
        path.write_bytes(content)
        assert check(path), name
