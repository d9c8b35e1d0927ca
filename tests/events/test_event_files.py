"""Event files: every format read back by us and by a reader that is not ours; damage, full disks, interruptions."""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from zprime_recast.errors import CardError, InputError, OutputError
from zprime_recast.events.kinematics import momenta
from zprime_recast.events.records import COLUMNS, DileptonEvents
from zprime_recast.events.storage import SUFFIXES, read_events, stream_events, write_events
from zprime_recast.events.text import format_integers, format_numbers


def test_numbers_as_text():
    """Twelve digits after the point, over all sizes: relative rounding below 6e-13."""
    rng = np.random.default_rng(1)
    values = np.concatenate(
        [10 ** rng.uniform(-80, 80, 5000) * rng.choice([-1, 1], 5000), [0, 1, -1, 10, 9.9999999999999, 1e-300]]
    )
    text = [bytes(row).decode() for row in format_numbers(values)]
    assert {len(t) for t in text} == {19}
    np.testing.assert_allclose([float(t) for t in text], np.where(np.abs(values) < 1e-90, 0, values), rtol=6e-13)
    assert bytes(format_integers(np.array([7, 123]), 5).ravel()) == b"0000700123"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(suffix, ssm_events, tmp_path):
    """Binary formats exactly, text to 1e-11 of the largest; the metadata as they were."""
    path = write_events(tmp_path / f"events{suffix}", ssm_events)
    again = read_events(path)
    assert list(again.columns) == list(COLUMNS)
    exact = suffix in (".root", ".parquet")
    for name, column in ssm_events.columns.items():
        scale = np.abs(column).max()
        assert again[name].dtype == column.dtype
        np.testing.assert_allclose(again[name], column, rtol=0, atol=0 if exact else 1e-11 * scale, err_msg=name)
    assert again.info == ssm_events.info
    assert list(tmp_path.iterdir()) == [path]


def test_rntuple(ssm_events, tmp_path):
    import uproot

    path = write_events(tmp_path / "events.root", ssm_events, rntuple=True)
    np.testing.assert_array_equal(read_events(path)["m_ll"], ssm_events["m_ll"])
    with uproot.open(path) as file:
        assert "RNTuple" in file.classname_of("events")


def test_root_and_parquet_in_other_readers(ssm_events, tmp_path):
    import pyarrow.parquet as pq
    import uproot

    path = write_events(tmp_path / "events.root", ssm_events)
    with uproot.open(path) as file:
        assert file.classname_of("events") == "TTree"
        np.testing.assert_array_equal(file["events/x1"].array(library="np"), ssm_events["x1"])
        info = json.loads(str(file["zprime_recast"]))
    table = pq.read_table(write_events(tmp_path / "events.parquet", ssm_events))
    np.testing.assert_array_equal(table["id1"].to_numpy(), ssm_events["id1"])
    assert json.loads(table.schema.metadata[b"zprime_recast"]) == info == ssm_events.info
    assert info["seed"] == 7
    assert info["charges"]["u"]
    assert info["version"]


@pytest.mark.parametrize("suffix", [".lhe", ".lhe.gz"])
def test_lhe_in_pylhe(suffix, ssm_source, ssm_events, tmp_path):
    """Momenta conserved to 1e-9, on shell, colour connected, mean weight the cross-section."""
    import pylhe

    path = write_events(tmp_path / f"events{suffix}", ssm_events)
    file = pylhe.LHEFile.fromfile(str(path))
    events = list(file.events)
    assert len(events) == len(ssm_events)
    assert file.init.initInfo.beamA == 2212
    mean = np.mean([event.eventinfo.weight for event in events])
    assert mean == pytest.approx(1e-3 * ssm_events.cross_section_fb, rel=1e-9)
    assert file.init.procInfo[0].xSection == pytest.approx(1e-3 * ssm_source.cross_section_fb, rel=1e-9)
    rows = np.array(
        [[(p.px, p.py, p.pz, p.e, p.m, p.id, p.status, p.color1, p.color2) for p in e.particles] for e in events]
    )
    check_momenta(rows[..., :5], ssm_events)
    np.testing.assert_array_equal(rows[:, 0, 5], ssm_events["id1"])
    assert (np.sort(rows[:, :2, 7:].reshape(-1, 4)) == [0, 0, 501, 501]).all()
    assert (rows[:, 3:, 5] == [13, -13]).all()
    assert events[0].eventinfo.aqed == pytest.approx(1 / 127.930, rel=1e-8)  # the package's own, MS-bar at m_Z
    assert events[0].eventinfo.aqcd == pytest.approx(0.1180)


@pytest.mark.parametrize("suffix", [".hepmc3", ".hepmc3.gz"])
def test_hepmc_in_pyhepmc(suffix, ssm_source, ssm_events, tmp_path):
    import pyhepmc

    path = write_events(tmp_path / f"events{suffix}", ssm_events)
    with pyhepmc.open(str(path)) as file:
        events = list(file)
    assert len(events) == len(ssm_events)
    first = events[0]
    assert first.cross_section.xsec() == pytest.approx(1e-3 * ssm_source.cross_section_fb, rel=1e-8)
    assert first.pdf_info.parton_id1 == ssm_events["id1"][0]
    assert [len(v.particles_in) for v in first.vertices] == [2, 1]
    assert sorted(int(str(p.attributes["flow1"])) for p in first.particles[:2]) == [0, 501]
    rows = np.array(
        [
            [(p.momentum.px, p.momentum.py, p.momentum.pz, p.momentum.e, p.generated_mass) for p in e.particles]
            for e in events
        ]
    )
    check_momenta(rows, ssm_events)
    weights = np.array([event.weight() for event in events])
    np.testing.assert_allclose(weights, ssm_events["weight"], rtol=1e-11)


def check_momenta(rows, events):
    """rows (n, 5 particles, px py pz e m): incoming, boson, leptons."""
    p, mass = rows[..., :4], rows[..., 4]
    size = p[:, 2, 3][:, None]
    assert (np.abs(p[:, :2].sum(axis=1) - p[:, 3:].sum(axis=1)) < 1e-9 * size).all()
    assert (np.abs(p[:, 2] - p[:, 3:].sum(axis=1)) < 1e-9 * size).all()
    off = p[..., 3] ** 2 - (p[..., :3] ** 2).sum(axis=-1) - mass**2
    assert (np.abs(off) < 1e-9 * p[..., 3] ** 2).all()
    np.testing.assert_allclose(mass[:, 2], events["m_ll"], rtol=1e-11)


@pytest.mark.pythia
@pytest.mark.parametrize("suffix", [".lhe.gz"])
def test_lhe_is_showered_by_pythia(suffix, ssm_source, ssm_events, tmp_path):
    pythia8 = pytest.importorskip("pythia8mc")
    path = write_events(tmp_path / f"events{suffix}", ssm_events[:50])
    pythia = pythia8.Pythia("", False)
    for line in ("Print:quiet = on", "Beams:frameType = 4", f"Beams:LHEF = {path}"):
        assert pythia.readString(line)
    assert pythia.init()
    done = charged = 0
    while pythia.next():
        done += 1
        charged += sum(p.isFinal() and p.isCharged() for p in pythia.event)
    assert pythia.infoPython().atEndOfFile()
    assert done == 50
    assert charged > 50 * done  # hadronised, with multiple interactions


def test_records(ssm_events):
    """Vectors of awkward give back the pair; slices, masks and indices keep what was generated."""
    array = ssm_events.array
    pair = array.lminus + array.lplus
    np.testing.assert_allclose(pair.mass, ssm_events["m_ll"], rtol=1e-9)
    np.testing.assert_allclose(pair.rapidity, ssm_events["y_ll"], atol=1e-9)
    cut = array[(array.lminus.pt > 500) & (abs(array.lplus.eta) < 1)]
    mask = (ssm_events["lminus_pt"] > 500) & (np.abs(ssm_events["lplus_eta"]) < 1)
    assert len(cut) == mask.sum() == len(ssm_events[mask]) > 0
    assert ssm_events[mask].info == ssm_events.info
    assert len(ssm_events[-5:]) == 5
    np.testing.assert_array_equal(ssm_events[np.array([3, 1])]["m_ll"], ssm_events["m_ll"][[3, 1]])
    with pytest.raises(InputError, match="unknown column 'm_l': did you mean 'm_ll'"):
        ssm_events["m_l"]
    with pytest.raises(InputError, match="selected by"):
        ssm_events[1.5]


def test_collins_soper_angle_from_momenta(ssm_events):
    from zprime_recast.events.records import from_momenta

    again = from_momenta(*momenta(ssm_events), ssm_events["weight"], {})
    np.testing.assert_allclose(again["cos_theta_cs"], ssm_events["cos_theta_cs"], atol=1e-9)


@pytest.mark.parametrize("suffix", [".lhe", ".lhe.gz", ".hepmc3", ".hepmc3.gz"])
def test_a_file_cut_short(suffix, ssm_events, tmp_path):
    """The complete events are read, and that it was cut short is said."""
    path = write_events(tmp_path / f"events{suffix}", ssm_events)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    again = read_events(path)
    assert again.info["truncated"]
    assert 0.5 < len(again) / len(ssm_events) < 0.75
    np.testing.assert_allclose(again["m_ll"], ssm_events["m_ll"][: len(again)], rtol=1e-10)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_that_are_none(suffix, ssm_events, tmp_path):
    path = tmp_path / f"events{suffix}"
    with pytest.raises(CardError, match="no such file"):
        read_events(path)
    for content in (b"", b"nothing of the kind\n" * 100):
        path.write_bytes(content)
        with pytest.raises(CardError, match="events"):
            read_events(path)
    if suffix in (".root", ".parquet"):
        whole = write_events(tmp_path / f"whole{suffix}", ssm_events).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(CardError, match="cut short"):
            read_events(path)


def test_a_selection_keeps_its_cross_section(ssm_events, tmp_path):
    """In every format the weights of a selection add up to its own cross-section."""
    some = ssm_events[ssm_events["lminus_pt"] > 1000]
    for suffix in (".root", ".lhe", ".hepmc3"):
        again = read_events(write_events(tmp_path / f"some{suffix}", some))
        assert again.cross_section_fb == pytest.approx(some.cross_section_fb, rel=1e-9)
        assert again.info["selected_from"] == len(ssm_events)


def test_what_cannot_be_written(ssm_events, tmp_path):
    for name in ("events.csv", "events", ".root", "events.root.bak"):
        with pytest.raises(InputError, match=r"known: \.root, \.parquet"):
            write_events(tmp_path / name, ssm_events)
    (tmp_path / "folder.root").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        write_events(tmp_path / "folder.root", ssm_events)
    with pytest.raises(InputError, match="no events"):
        write_events(tmp_path / "events.root", ssm_events[:0])
    moved = DileptonEvents({**ssm_events.columns, "lminus_pt": ssm_events["lminus_pt"] + 1}, ssm_events.info)
    with pytest.raises(InputError, match="parton-level"):
        write_events(tmp_path / "events.lhe", moved)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.root"]


def test_foreign_columns(ssm_events, tmp_path):
    """A tree with the leptons alone: the rest is calculated; one without them is refused by name."""
    import uproot

    leptons = {name: column for name, column in ssm_events.columns.items() if name.startswith("l")}
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("dileptons", {name: c.dtype for name, c in leptons.items()}).extend(leptons)
        file.mktree("jets", {"jet_pt": np.dtype(float)}).extend({"jet_pt": np.ones(3)})
    again = read_events(tmp_path / "other.root", 2.5)
    assert again.cross_section_fb == pytest.approx(2.5)
    np.testing.assert_allclose(again["m_ll"], ssm_events["m_ll"], rtol=1e-9)
    np.testing.assert_allclose(again["cos_theta_cs"], ssm_events["cos_theta_cs"], atol=1e-9)
    with uproot.recreate(tmp_path / "jets.root") as file:
        file.mktree("jets", {"jet_pt": np.dtype(float)}).extend({"jet_pt": np.ones(3)})
    with pytest.raises(CardError, match="lminus_pt"):
        read_events(tmp_path / "jets.root")


def test_foreign_lhe(tmp_path):
    """Photons, several leptons, comments, weights of IDWTUP 3: the hardest pair of one flavour, dressed."""
    head = '<LesHouchesEvents version="1.0">\n<!-- other -->\n<init>\n2212 2212 6500 6500 0 0 1 1 3 1\n2.0 0.1 1.0 1\n</init>\n'
    event = (
        "<event>\n 6 1 1.0 100. 0.0078 0.118\n 2 -1 0 0 501 0 0 0 100. 100. 0 0 1\n -2 -1 0 0 0 501 0 0 -110. 110. 0 0 -1\n"
        " 11 1 1 2 0 0 90. 0 0 90. 0 0 1\n -11 1 1 2 0 0 -90. 0 -10. 90.5538513813742 0 0 1\n"
        " 13 1 1 2 0 0 5. 0 0 5. 0 0 1\n 22 1 1 2 0 0 9. 0.1 0 9.0005555384 0 0 1\n# a comment\n<rwgt>\n<wgt id='1'>1.0</wgt>\n</rwgt>\n</event>\n"
    )
    path = tmp_path / "other.lhe"
    path.write_text(head + 4 * event + "</LesHouchesEvents>\n")
    events = read_events(path)
    assert len(events) == 4
    assert events.cross_section_fb == pytest.approx(2000.0)
    np.testing.assert_allclose(events["lminus_pt"], np.hypot(99.0, 0.1))
    np.testing.assert_allclose(events["x1"], 100 / 6500)
    path.write_text(head + event.replace("90. 0 0 90.", "90. 0 zero 90.") + "</LesHouchesEvents>\n")
    with pytest.raises(CardError, match="a line that is not numbers, expected 6 numbers, then 13 per particle"):
        read_events(path)


def generate(tmp_path, *arguments, **more):
    command = [sys.executable, "-m", "zprime_recast", "generate", "ssm", "--mass", "3000", "--order", "lo"]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.Popen(
        [*command, *arguments], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )  # fmt: skip


@pytest.mark.parametrize("suffix", [".root", ".lhe.gz"])
def test_a_full_disk(suffix, tmp_path):
    """No file may grow beyond 3 MB: one line, exit code 2, nothing left behind."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))

    done = generate(tmp_path, "-n", "200000", "-o", f"events{suffix}", preexec_fn=limit)
    out, err = done.communicate(timeout=120)
    assert done.returncode == 2, err
    lines = [line for line in err.splitlines() if line.startswith("zprime-recast: ")]
    assert len(lines) == 1
    assert f"cannot write events{suffix}" in lines[0]
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path, number):
    done = generate(tmp_path, "-n", "1e9", "-o", "events.lhe")
    try:
        while not any(p.stat().st_size > 1e6 for p in tmp_path.iterdir() if p.suffix == ".tmp"):
            assert done.poll() is None
            time.sleep(0.1)
        done.send_signal(number)
        _, err = done.communicate(timeout=300)
    finally:
        done.kill()
    assert done.returncode == 2
    assert "zprime-recast: interrupted" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_streams_keep_memory_bounded(ssm_source, tmp_path):
    """Batches are made, written and read one at a time: a million events within 200 MB of traced memory."""
    import tracemalloc

    tracemalloc.start()
    try:
        path = write_events(tmp_path / "events.root", ssm_source.stream(1_000_000))
        _, written = tracemalloc.get_traced_memory()
        total = sum(len(batch) for batch in stream_events(path))
        _, read = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"peak {written / 1e6:.0f} MB writing, {read / 1e6:.0f} MB reading")
    assert total == 1_000_000
    assert max(written, read) < 200e6  # seen: 41 and 110 MB


def test_gzip_is_gzip(ssm_events, tmp_path):
    path = write_events(tmp_path / "events.lhe.gz", ssm_events)
    assert gzip.decompress(path.read_bytes()).startswith(b"<LesHouchesEvents")
