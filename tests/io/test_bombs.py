"""Small files that claim or unfold to enormous ones, and damaged ones: one line, no memory, whatever library reads them."""

from __future__ import annotations

import gzip
import io
import tarfile

import numpy as np
import pytest

from zprime_recast.cli.summary import _parse_grid
from zprime_recast.errors import CardError, InputError, PDFError, ZprimeError
from zprime_recast.events.storage import read_events
from zprime_recast.io import foreign
from zprime_recast.io.foreign import read_yaml, reading
from zprime_recast.partons import pdf_install
from zprime_recast.partons.pdf_files import read_set_info
from zprime_recast.partons.pdf_install import install_set
from zprime_recast.searches.hepdata import read_hepdata

resource = pytest.importorskip("resource")

#: 9^9 nodes in 400 bytes.
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
YAML = {
    "laughs": (LAUGHS, "aliases of aliases"),
    "itself": ("a: &a [*a]\n", "aliases of aliases"),
    "deep": ("[" * 5000 + "]" * 5000, "recursion"),
    "digits": ("a: " + "9" * 5000, "Exceeds the limit"),
    "control": ("a: \x01", "unacceptable character"),
    "tag": ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
}


@pytest.mark.parametrize("name", YAML)
def test_yaml(tmp_path, name):
    text, found = YAML[name]
    (tmp_path / "set").mkdir()
    for path in (tmp_path / "set" / "set.info", tmp_path / "table.yaml"):
        path.write_text(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CardError, match=found):
        read_hepdata(tmp_path / "table.yaml")
    with pytest.raises(PDFError, match=found):
        read_set_info(tmp_path / "set")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_honest_aliases_are_read(tmp_path, monkeypatch):
    path = tmp_path / "table.yaml"
    path.write_text("a: &a [1, 2]\nb: [*a, *a]\n---\nc: 1\n")
    assert read_yaml(path, "a table") == [{"a": [1, 2], "b": [[1, 2], [1, 2]]}, {"c": 1}]
    monkeypatch.setattr(foreign, "YAML_BYTES", 10)
    with pytest.raises(CardError, match="bytes, expected a table of at most 10 bytes"):
        read_yaml(path, "a table")


def archive(path, *members):
    with gzip.open(path, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def test_archives(tmp_path, monkeypatch):
    """A header that claims 10 GB, too many files, a wrong checksum, half a file: nothing is unpacked or left."""
    entry = tarfile.TarInfo("set/set.info")
    entry.size = 10**10
    (tmp_path / "set.tar").write_bytes(entry.tobuf() + b"x" * 512)
    good = archive(tmp_path / "set.tar.gz", ("set/set.info", b"SetDesc: x\n"), ("set/x", bytes(np.arange(9999) % 251)))
    whole = good.read_bytes()
    bad = {
        "larger than any PDF set": lambda: tmp_path / "set.tar",
        "CRC check failed": lambda: damaged(good, whole[:-8] + b"1234" + whole[-4:]),
        "not a complete tar archive": lambda: damaged(good, whole[: len(whole) // 2]),
        "no such file": lambda: tmp_path / "none.tar.gz",
    }
    for text, make in bad.items():
        with pytest.raises(ZprimeError, match=text):
            install_set(str(make()), tmp_path / "sets")
    good.write_bytes(whole)
    monkeypatch.setattr(pdf_install, "SET_FILES", 1)
    with pytest.raises(PDFError, match="it was not unpacked"):
        install_set(str(good), tmp_path / "sets")
    assert list((tmp_path / "sets").iterdir()) == []


def damaged(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("text", ["100000x100000", "9" * 5000 + "x2", "1x", "x", "-1x5", "²x3"])
def test_grids(text):
    with pytest.raises(InputError, match="--grid") as caught:
        _parse_grid(text)
    assert len(str(caught.value)) < 200
    assert _parse_grid("1000x1000") == (1000, 1000)


LHE = """<LesHouchesEvents version="3.0">
<init>
2212 2212 6500 6500 0 0 0 0 3 1
1.0 0.1 1.0 1
</init>
<event>
{} 1 1.0 91.0 0.007 0.118
</event>
</LesHouchesEvents>
"""


@pytest.mark.parametrize("count", ["100000000000", "1e300", "-5", "nan", "inf", "4"])
def test_an_event_that_claims_many_particles(tmp_path, count):
    path = tmp_path / "events.lhe"
    path.write_text(LHE.format(count))
    with pytest.raises(CardError, match=r"events.lhe"):
        read_events(path)
    path.write_text(LHE.format("5").replace("6500 6500", "nan inf"))
    with pytest.raises(CardError, match="init"):
        read_events(path)


def test_whatever_a_library_raises_names_the_file(tmp_path):
    for error in (KeyError("x"), AssertionError(), MemoryError(), RecursionError("deep"), OSError(5, "I/O error")):
        with (
            pytest.raises(CardError, match=r"events.root: found .*expected a file"),
            reading(tmp_path / "events.root", "a file"),
        ):
            raise error
    with pytest.raises(InputError, match="ours"), reading(tmp_path, "a file"):
        raise InputError("ours")
    with pytest.raises(KeyboardInterrupt), reading(tmp_path, "a file"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("suffix", [".root", ".parquet", ".lhe", ".lhe.gz", ".hepmc3", ".hepmc3.gz"])
def test_damaged_event_files(tmp_path, suffix):
    """Bytes changed, left out or repeated: events or one line that names the file."""
    from zprime_recast.events.sample import generate_events
    from zprime_recast.events.storage import write_events

    path = tmp_path / f"events{suffix}"
    write_events(path, generate_events("ssm", 3000.0, 0.5, 300))
    whole, rng = path.read_bytes(), np.random.default_rng(3)
    for _ in range(25):
        content = bytearray(whole)
        at, n = int(rng.integers(len(content))), int(rng.integers(1, 50))
        kind = rng.integers(3)
        content[at : at + n] = rng.bytes(n) if kind == 0 else b"" if kind == 1 else content[at : at + n] * 2
        path.write_bytes(content)
        text = ""
        try:
            read_events(path)
        except ZprimeError as err:
            text = str(err)
        assert not text or (path.name in text and "\n" not in text)
