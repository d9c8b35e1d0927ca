"""Event files of other generators: flavours, weights and cross-sections, several runs; the right values are in
tests/data/events/README.md, from the generator that made the files."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from zprime_recast.errors import CardError, InputError
from zprime_recast.events.column_map import load_column_map
from zprime_recast.events.records import DileptonEvents
from zprime_recast.events.sample import event_source
from zprime_recast.events.storage import read_events, stream_events, write_events
from zprime_recast.model.card import load_model
from zprime_recast.signal.from_events import event_template, event_templates

DATA = Path(__file__).resolve().parent.parent / "data" / "events"
SIGMA = 14.775
SYNTAX = sorted(path.name for path in DATA.glob("syntax_*"))
#: Expected events in 139 fb^-1 of a pure e+e- sample of 14.775 fb, taken for electrons and for muons.
EE, MUMU = 1374, 899


def name_of(stem):
    return next(DATA.glob(f"{stem}.*"))


def template(paper_searches, stem, sigma=None, **options):
    return event_template(paper_searches[0], stream_events(name_of(stem), sigma), **options)


def edited(path, tmp_path, *changes, count=1, suffix=".lhe"):
    """A copy of a file with some of its text replaced."""
    text = gzip.decompress(path.read_bytes()).decode()
    for old, new in changes:
        assert re.search(old, text), old
        text = re.sub(old, new, text, count=count)
    target = tmp_path / f"edited{suffix}"
    target.write_text(text)
    return target


def test_each_flavour_goes_to_its_channel(paper_searches):
    """The two channels get what the pairs of their flavour give alone."""
    found = template(paper_searches, "lhe_two_flavours")
    assert found.contents == "400 events: 207 e+e-, 193 mu+mu-"
    assert found.cross_section_fb == pytest.approx(2 * SIGMA, rel=1e-4)
    assert found.channel_fb["ee"] == pytest.approx(207 / 400 * 29.551, rel=1e-4)
    assert found.channel_fb["mumu"] == pytest.approx(193 / 400 * 29.551, rel=1e-4)
    # 5 % is the statistical error of 200 events
    assert found.yields["ee"].sum() == pytest.approx(207 / 200 * EE, rel=0.06)
    assert found.yields["mumu"].sum() == pytest.approx(193 / 200 * MUMU, rel=0.06)
    only = template(paper_searches, "lhe_two_flavours", channels=["ee"])
    assert list(only.yields) == ["ee"]
    np.testing.assert_array_equal(only.yields["ee"], found.yields["ee"])
    with pytest.raises(InputError, match="several flavours go to their own channels"):
        template(paper_searches, "lhe_two_flavours", universal=True)


def test_universality_is_asked_for(paper_searches):
    pure = template(paper_searches, "lhe_sherpa_weights")
    assert list(pure.yields) == ["ee"]
    assert any("channel mumu is not used" in text for text in pure.warnings)
    both = template(paper_searches, "lhe_sherpa_weights", universal=True)
    assert both.yields["mumu"].sum() / both.yields["ee"].sum() == pytest.approx(MUMU / EE, rel=0.02)
    with pytest.raises(InputError, match=r"no mu\+mu- pair for channel mumu: 100 events: 100 e\+e-"):
        template(paper_searches, "lhe_sherpa_weights", channels=["mumu"])


def test_taus_are_not_electrons(paper_searches):
    with pytest.raises(InputError, match=r"no e\+e- or mu\+mu- pair in 100 events: 100 tau\+tau- \(taus that have not"):
        template(paper_searches, "lhe_tau_pairs")


@pytest.mark.parametrize(
    ("stem", "basis", "events"),
    [
        ("lhe_sherpa_weights", "sum of the weights over sum of the trials", 1395),
        ("lhe_nlo_event_norm_sum", "XSECUP", 1395),
        ("lhe_weighted_idwtup", "mean of the weights", 1395),
        ("hepmc3_negative_weights", "GenCrossSection", 1400),
    ],
)
def test_weights(stem, basis, events, paper_searches):
    found = template(paper_searches, stem)
    assert found.cross_section_fb == pytest.approx(SIGMA, rel=1e-4)
    assert found.basis == basis
    assert found.yields["ee"].sum() == pytest.approx(events, rel=0.02)
    assert read_events(name_of(stem)).cross_section_fb == pytest.approx(SIGMA, rel=1e-4)


def test_weights_of_idwtup_1():
    weights = read_events(name_of("lhe_weighted_idwtup"))["weight"]
    assert sorted(set(np.round(weights * 100 / SIGMA, 3))) == [0.5, 1.5]


@pytest.mark.parametrize("stem", ["lhe_xsecup_zero", "hepmc3_no_cross_section"])
def test_files_without_a_cross_section(stem, paper_searches):
    with pytest.raises(CardError, match="no cross-section, expected one: give it with --cross-section"):
        read_events(name_of(stem))
    found = template(paper_searches, stem, SIGMA)
    assert found.cross_section_fb == SIGMA
    assert found.yields["ee"].sum() == pytest.approx(1395, rel=0.02)


def test_cross_section_is_of_the_whole_sample(tmp_path, paper_searches):
    """Of 100 events 3 keep their pair: these have 3 % of the cross-section, also of one given by hand."""
    text = (
        gzip.decompress(name_of("lhe_nlo_event_norm_sum").read_bytes())
        .decode()
        .replace("-2.462571e-04", "2.462571e-04")
    )
    head, *events = text.split("<event>")
    events = [e if k < 3 else re.sub(r"(?m)^(\s+-?)11( +1 )", r"\g<1>12\2", e) for k, e in enumerate(events)]
    path = tmp_path / "few.lhe"
    path.write_text("<event>".join([head, *events]))
    for sigma in (None, 100.0):
        whole = SIGMA if sigma is None else sigma
        found = event_template(paper_searches[0], stream_events(path, sigma))
        assert found.contents == "100 events: 3 e+e-, 97 without a pair"
        assert found.cross_section_fb == pytest.approx(whole, rel=1e-4)
        assert found.channel_fb["ee"] == pytest.approx(0.03 * whole, rel=1e-4)
        assert read_events(path, sigma).cross_section_fb == pytest.approx(0.03 * whole, rel=1e-4)


@pytest.mark.parametrize(
    ("idwtup", "factor", "xsecup", "expected", "remark"),
    [
        (3, 1.0, SIGMA, SIGMA, None),  # the accord: weights 1
        (-3, 1.0, SIGMA, SIGMA, None),  # aMC@NLO, unity
        (3, SIGMA * 1e-3 / 100, SIGMA, SIGMA, None),  # MadGraph, sum
        (-4, SIGMA * 1e-3, SIGMA, SIGMA, None),  # aMC@NLO, average
        (1, SIGMA * 1e-3, 0.0, SIGMA, None),  # XSECUP is not needed
        (4, SIGMA * 1e-3, 2 * SIGMA, SIGMA, "mean of the weights 14.775 fb; the latter was used"),
        (-4, SIGMA * 1e-3 / 100, SIGMA, SIGMA, "add up to XSECUP, 14.775 fb, though IDWTUP -4"),
        (-4, 1.0, SIGMA, SIGMA, "all weights are 1 though IDWTUP is -4; XSECUP, 14.775 fb, was used"),
        (2, 7.0, SIGMA, SIGMA, "XSECUP was used"),
        (3, 7.0, SIGMA, SIGMA, "XSECUP is 14.775 fb, the mean of the weights 7000 fb and their sum 7e"),
        (3, SIGMA * 1e-3, 1e3, SIGMA, "XSECUP is a placeholder, 1 pb; the mean of the weights, 14.775 fb"),
        (-4, SIGMA * 1e-3, -1e3, SIGMA, "XSECUP is a placeholder, 1 pb; the mean of"),  # POWHEG without a total
    ],
)
def test_idwtup(idwtup, factor, xsecup, expected, remark, tmp_path):
    """Every convention of hep-ph/0109068 and of the programs that deviate gives the cross-section meant."""
    error = "1" if xsecup == 1e3 else "0"
    path = edited(
        name_of("lhe_xsecup_zero"), tmp_path,
        (r"0  0  0  0  3  1", f"0  0  0  0  {idwtup}  1"),
        (r"0\.000000e\+00  2\.955086e-04  1", f"{1e-3 * xsecup:.9e} {error} 1"),
    )  # fmt: skip
    path.write_text(re.sub(r"(<event>\s+5  9999  )1.000000e\+00", rf"\g<1>{factor:.9e}", path.read_text()))
    events = read_events(path)
    assert events.cross_section_fb == pytest.approx(expected, rel=1e-6)
    assert events.statement.cross_section_fb == pytest.approx(expected, rel=1e-6)
    warnings = " ".join(events.statement.warnings)
    assert (warnings == "") if remark is None else (remark in warnings), warnings


def test_placeholders_are_not_cross_sections(tmp_path):
    """XSECUP, XERRUP and XMAXUP 1 with weights of 1 say nothing."""
    path = edited(name_of("lhe_xsecup_zero"), tmp_path, (r"0\.000000e\+00  2\.955086e-04  1", "1 1 1"))
    with pytest.raises(CardError, match=r"no cross-section \(XSECUP is a placeholder, 1 pb\)"):
        read_events(path)
    assert read_events(path, SIGMA).cross_section_fb == pytest.approx(SIGMA)


def test_contradictions_are_refused(tmp_path):
    for change, message in (
        ((r"0  0  0  0  3  1", "0 0 0 0 7 1"), "found IDWTUP 7, expected 1 to 4"),
        ((r"0\.000000e\+00  2\.955", "-1.4e-2 2.955"), "weights that add up to 100 and a cross-section of -14 fb"),
        ((r"2212  2212", "2212  zero"), "a block that cannot be read"),
        ((r"<event>\s+5  9999  1.0", "<event>\n 5 9999 nan"), "<event> 1: found a weight"),
        ((r"<event>\s+5  9999", "<event>\n 6  9999"), "71 numbers for 6 particles"),
    ):
        path = edited(name_of("lhe_xsecup_zero"), tmp_path, change)
        with pytest.raises(CardError, match=message):
            read_events(path, None if "-1.4" in change[1] else SIGMA)


def test_mixture_of_processes(tmp_path):
    """Two processes whose shares of the events are not those of XSECUP are said; with equal shares nothing is."""
    for shares, said in (((0.9, 0.1), True), ((0.5, 0.5), False)):
        lines = "\n".join(
            f"{SIGMA * 1e-3 * share:.8e} 0 1 {code}" for share, code in zip(shares, (9999, 7), strict=True)
        )
        path = edited(
            name_of("lhe_xsecup_zero"), tmp_path,
            (r"3  1\n.*9999\n</init>", f"3 2\n{lines}\n</init>"),
        )  # fmt: skip
        head, *events = path.read_text().split("<event>")
        events = [e.replace("  9999  ", "  7  ") if k % 2 else e for k, e in enumerate(events)]
        path.write_text("<event>".join([head, *events]))
        found = read_events(path)
        assert found.cross_section_fb == pytest.approx(SIGMA, rel=1e-6)
        text = " ".join(found.statement.warnings)
        assert ("process 9999 has 50.0 % of the weights but 90.0 % of XSECUP" in text) == said, text


@pytest.mark.parametrize("name", SYNTAX)
def test_syntax(name):
    events = read_events(DATA / name)
    assert len(events) == events.statement.events == 20
    assert events.cross_section_fb == pytest.approx(SIGMA, rel=1e-4)
    assert events.statement.warnings == ()
    first = read_events(DATA / SYNTAX[0])
    for column in ("m_ll", "lminus_pt", "cos_theta_cs", "x1"):
        np.testing.assert_array_equal(events[column], first[column])


def test_against_pylhe():
    """Momenta of our parser are those of pylhe."""
    import pylhe

    events = read_events(name_of("lhe_two_flavours"))
    for k, event in enumerate(pylhe.LHEFile.fromfile(str(name_of("lhe_two_flavours"))).events):
        lminus = next(p for p in event.particles if p.id in (11, 13))
        assert events["lminus_pt"][k] == pytest.approx(np.hypot(lminus.px, lminus.py), rel=1e-12)
        assert events.flavor[k] == lminus.id


def test_a_file_without_pairs(tmp_path, paper_searches):
    """The counts are in the error; a file that starts without pairs is read, written and filled all the same."""
    text = gzip.decompress(name_of("lhe_nlo_event_norm_sum").read_bytes()).decode()
    path = tmp_path / "jets.lhe"
    path.write_text(re.sub(r"(?m)^(\s+-?)11( +1 )", r"\g<1>12\2", text))
    with pytest.raises(CardError, match="found 100 events: 100 without a pair, expected a pair of leptons"):
        read_events(path)
    with pytest.raises(InputError, match=r"no e\+e- or mu\+mu- pair in 100 events: 100 without a pair"):
        event_template(paper_searches[0], stream_events(path))


def test_impossible_momenta_are_counted(tmp_path, paper_searches):
    path = edited(
        name_of("lhe_nlo_event_norm_sum"), tmp_path,
        (r"\n( +11     1     3     0     0     0) -2.9175520409e\+02", r"\n\1 nan"),
        (r"1.1555954734e\+03", "1.1555954734e+01"),
    )  # fmt: skip
    found = event_template(paper_searches[0], stream_events(path))
    assert found.contents == "100 events: 98 e+e-, 2 with impossible momenta"
    assert any("2 of 100 events were left out" in text for text in found.warnings)


@pytest.mark.parametrize("name", ["both3", "both-4", "both_r3", "both_r-4"])
def test_mass_slices_in_one_file(name, paper_searches):
    found = template(paper_searches, f"lhe_mass_slices_{name}")
    assert found.cross_section_fb == pytest.approx(1.7731, rel=1e-4)
    assert found.contents == "160 events: 160 e+e-"
    assert "2 runs (slices: different masses) are added" in found.warnings
    events = read_events(name_of(f"lhe_mass_slices_{name}"))
    low = events["m_ll"] < 2800
    assert events["weight"][low].sum() == pytest.approx(0.2469, rel=1e-3)
    assert events["weight"][~low].sum() == pytest.approx(1.5262, rel=1e-4)


@pytest.fixture(scope="module")
def runs(own_folders):
    """Two runs of one process, 1.7731 and 1.7725 fb, and one of another mass."""
    model = load_model("ssm")
    made = [
        event_source(model, mass, model.reference_coupling, "zprime", seed=seed)
        for mass, seed in ((3000.0, 1), (3000.0, 2), (2000.0, 1))
    ]
    return [source.events(n) for source, n in zip(made, (2000, 1000, 1000), strict=True)]


def merged(paths, target):
    """Merge files as the usual tools do: the metadata are those of the first."""
    if target.suffix == ".root":
        import uproot

        with uproot.recreate(target) as out:
            with uproot.open(paths[0]) as first:
                out["zprime_recast"] = str(first["zprime_recast"])
            trees = [uproot.open(path)["events"].arrays(library="np") for path in paths]
            out["events"] = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
    elif target.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = [pq.read_table(path) for path in paths]
        pq.write_table(pa.concat_tables([tables[0], *(t.cast(tables[0].schema) for t in tables[1:])]), target)
    else:
        target.write_bytes(b"".join(path.read_bytes() for path in paths))
    return target


@pytest.mark.parametrize("suffix", [".root", ".parquet", ".lhe", ".hepmc3", ".lhe.gz", ".hepmc3.gz"])
def test_merged_files_of_one_process(suffix, runs, tmp_path, paper_searches):
    """Two runs of one process have its rate, not twice that: in one file, or given one by one."""
    paths = [write_events(tmp_path / f"r{k}{suffix}", run) for k, run in enumerate(runs)]
    for given in (merged(paths[:2], tmp_path / f"merged{suffix}"), paths[:2]):
        found = event_template(paper_searches[0], stream_events(given))
        assert found.events == 3000
        assert found.cross_section_fb == pytest.approx(1.773, rel=1e-3)
        assert found.yields["ee"].sum() == pytest.approx(171.7, rel=0.01)
        assert any("averaged" in text for text in found.warnings)
    with pytest.raises((CardError, InputError), match="different samples one by one|different processes"):
        read_events(merged(paths[::2], tmp_path / f"wrong{suffix}"))
    with pytest.raises(InputError, match="different processes .*--combine add .* or --combine average"):
        read_events(paths[::2])
    both = read_events(paths[::2], combine="add")
    assert both.cross_section_fb == pytest.approx(sum(run.cross_section_fb for run in runs[::2]), rel=1e-9)


def test_same_seed_is_said(runs, tmp_path):
    path = write_events(tmp_path / "one.root", runs[0])
    events = read_events([path, path])
    assert events.cross_section_fb == pytest.approx(runs[0].cross_section_fb, rel=1e-9)
    assert "the same events more than once" in events.statement.warnings[0]


def test_slices_of_flavour_and_window(runs, tmp_path):
    """Slices in mass and another flavour of one process add up."""
    events, paths, total = runs[0], [], 0.0
    low = events["m_ll"] < 3000
    for k, (kept, lepton, code, window) in enumerate(
        ((low, "e", 11, [1500.0, 3000.0]), (~low, "e", 11, [3000.0, 12350.0]), (low, "mu", 13, [1500.0, 3000.0]))
    ):
        info = {**events.info, "lepton": lepton, "lepton_pdg_id": code, "window_gev": window}
        piece = DileptonEvents(events[kept].columns, info)
        total += piece.cross_section_fb
        paths.append(write_events(tmp_path / f"{k}.parquet", piece))
    events = read_events(paths)
    assert events.statement.cross_section_fb == pytest.approx(total, rel=1e-9)
    n = int(low.sum())
    assert events.statement.contents == f"{2000 + n} events: 2000 e+e-, {n} mu+mu-"
    assert "added" in events.statement.warnings[0]
    # written again, in every format, the flavours stay
    for suffix in (".root", ".lhe", ".hepmc3"):
        again = read_events(write_events(tmp_path / f"all{suffix}", events))
        np.testing.assert_array_equal(again.flavor, events.flavor)
        assert again.cross_section_fb == pytest.approx(total, rel=1e-9)


def test_foreign_runs_one_by_one(tmp_path):
    """Two files of one cross-section are averaged, e and mu of the same are added, an unclear pair is asked about."""
    one = name_of("lhe_nlo_event_norm_sum")
    two = name_of("lhe_weighted_idwtup")
    events = read_events([one, two])
    assert events.cross_section_fb == pytest.approx(SIGMA, rel=1e-4)
    assert events.statement.contents == "200 events: 200 e+e-"
    text = gzip.decompress(one.read_bytes()).decode()
    muons = tmp_path / "mu.lhe"
    muons.write_text(re.sub(r"(?m)^(\s+-?)11( +1 )", r"\g<1>13\2", text))
    assert read_events([one, muons]).cross_section_fb == pytest.approx(2 * SIGMA, rel=1e-4)
    half = tmp_path / "half.lhe"
    half.write_text(text.replace("1.477543e-02", "0.738771e-02"))
    with pytest.raises(InputError, match=r"may be slices .*--combine"):
        read_events([one, half])
    assert read_events([one, half], combine="average").statement.cross_section_fb == pytest.approx(
        0.75 * SIGMA, rel=1e-3
    )
    assert read_events([one, half], combine="add").statement.cross_section_fb == pytest.approx(1.5 * SIGMA, rel=1e-3)


def test_remarks_on_the_full_process(tmp_path):
    """A boson of the Standard Model in the record, or a process of MadGraph that does not exclude it, is said."""
    path = edited(name_of("lhe_nlo_event_norm_sum"), tmp_path, (r"\n +32     2", "\n 23 2"), count=0)
    assert "100 % of the pairs come from a photon or a Z" in read_events(path).statement.warnings[0]
    for process, said in (
        ("p p > l+ l-", True), ("p p > zp > l+ l-", False), ("p p > mu+ mu- / a z", False), ("p p > zp, zp > l+ l-", False)
    ):  # fmt: skip
        head = f"<header>\n<MG5ProcCard>\ngenerate {process}\n</MG5ProcCard>\n</header>\n<init>"
        path = edited(name_of("lhe_nlo_event_norm_sum"), tmp_path, (r"<init>", head))
        assert (f"'{process}' includes photon and Z" in " ".join(read_events(path).statement.warnings)) == said


def hepmc(text, tmp_path, name="edited.hepmc"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_nominal_weight(tmp_path):
    """Found by its name, else the first; wrong numbers of weights are one line."""
    text = gzip.decompress(name_of("hepmc3_negative_weights").read_bytes()).decode()
    start = "HepMC::Asciiv3-START_EVENT_LISTING\n"

    def named(names, weights):
        line = "W " + "\\|".join(names) + "\n"
        return hepmc(re.sub(r"(?m)^W (.*)$", weights, text).replace(start, start + line), tmp_path)

    reference = read_events(name_of("hepmc3_negative_weights"))["weight"]
    for names, index in (
        (["muR2", "Default", "muF2"], 1), (["PDF7", "x", "Weight"], 2), (["1", "0", "nominal"], 2), (["a", "0", "b"], 1)
    ):  # fmt: skip
        columns = ["9.0"] * 3
        columns[index] = r"\1"
        events = read_events(named(names, "W " + " ".join(columns)))
        np.testing.assert_allclose(events["weight"], reference, rtol=1e-12)
        assert f"weight '{names[index]}' ({index + 1} of 3) was used" in events.statement.warnings[0]
    events = read_events(named(["a", "b"], r"W \1 9.0"))
    np.testing.assert_allclose(events["weight"], reference, rtol=1e-12)
    assert "none has a usual name" in events.statement.warnings[0]
    with pytest.raises(CardError, match="3 weights for 2 names"):
        read_events(named(["a", "b"], r"W \1 1 1"))
    with pytest.raises(CardError, match="event 1: found 2 weights after events with 1"):
        read_events(hepmc(text.replace("W 1.0", "W 1.0 1.0", 1), tmp_path))
    lost = re.sub(r"(?m)^P 3 .*\n", "", text, count=1)
    with pytest.raises(CardError, match="event 0: found 4 particles where 5 are announced"):
        read_events(hepmc(lost, tmp_path))


@pytest.mark.parametrize("suffix", [".hepmc", ".hepmc.gz"])
def test_hepmc2(suffix, tmp_path):
    """What pyhepmc writes as HepMC2 is read as the HepMC3 file it came from, also in MeV and with a name for its weight."""
    import pyhepmc

    source = tmp_path / "source.hepmc3"
    source.write_bytes(gzip.decompress(name_of("hepmc3_negative_weights").read_bytes()))
    target = tmp_path / "two.hepmc"
    with pyhepmc.open(str(source)) as events, pyhepmc.open(str(target), "w", format="HepMC2") as out:
        for event in events:
            out.write(event)
    text = target.read_text()
    assert "HepMC::IO_GenEvent" in text
    path = tmp_path / f"events{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    again, first = read_events(path), read_events(source)
    assert again.statement.contents == "50 events: 50 e+e-"
    for name in ("m_ll", "lminus_pt", "cos_theta_cs", "weight"):
        np.testing.assert_allclose(again[name], first[name], rtol=1e-9)


def test_hepmc2_of_madgraph_and_pythia(tmp_path):
    """IO_GenEvent with names of weights, a cross-section in pb and energies in MeV, as text."""
    text = (
        "HepMC::Version 2.06.09\nHepMC::IO_GenEvent-START_EVENT_LISTING\n"
        'E 0 -1 2.0e+03 1.2e-01 7.8e-03 9999 -1 1 1 2 0 2 9.0 0.5\nN 2 "MUR=2" "Weight"\nU MEV MM\n'
        "C 1.4775e-02 1.0e-04\nF 2 -2 0.1 0.2 2.0e+03 0 0 0 0\n"
        "V -1 0 0 0 0 0 2 2 0\n"
        "P 1 2 0 0 1e6 1e6 0 4 0 0 -1 1 1 501\nP 2 -2 0 0 -1e6 1e6 0 4 0 0 -1 0\n"
        "P 3 13 0 8e5 6e5 1e6 0 1 0 0 0 0\nP 4 -13 0 -8e5 -6e5 1e6 0 1 0 0 0 0\n"
        "HepMC::IO_GenEvent-END_EVENT_LISTING\n"
    )
    events = read_events(hepmc(text, tmp_path))
    assert events.cross_section_fb == pytest.approx(14.775)
    np.testing.assert_allclose(events["m_ll"], 2000.0)
    np.testing.assert_allclose(events["lminus_pt"], 800.0)
    assert (events["id1"][0], events["x2"][0], events.flavor[0]) == (2, 0.2, 13)
    assert "weight 'Weight' (2 of 2) was used" in events.statement.warnings[0]
    with pytest.raises(CardError, match="3 particles where 4 are announced"):
        read_events(hepmc(text.replace("P 4 -13 0 -8e5 -6e5 1e6 0 1 0 0 0 0\n", ""), tmp_path))


def test_against_pyhepmc(capfd):
    import pyhepmc

    events = read_events(name_of("hepmc3_negative_weights"))
    with pyhepmc.open(str(name_of("hepmc3_negative_weights"))) as file:
        for k, event in enumerate(file):
            lminus = next(p for p in event.particles if p.pid == 11)
            assert events["lminus_pt"][k] == pytest.approx(lminus.momentum.pt(), rel=1e-12)
            assert np.sign(events["weight"][k]) == event.weight()
    assert capfd.readouterr().out == ""


NANO = (
    "lminus_pt=Muon_pt[0] lminus_eta=Muon_eta[0] lminus_phi=Muon_phi[0] "
    "lplus_pt=Muon_pt[1] lplus_eta=Muon_eta[1] lplus_phi=Muon_phi[1] charge=Muon_charge lepton_id=13"
)


@pytest.mark.parametrize("suffix", [".root", ".parquet"])
def test_column_map(suffix, runs, tmp_path, paper_searches):
    """A tree as NanoAOD has it, leptons in order of pt with their charges: the same events as from our file."""
    import awkward as ak

    events = runs[0]
    rng = np.random.default_rng(3)
    first = rng.random(len(events)) < 0.5  # whether l- comes first
    arrays = {}
    for part in ("pt", "eta", "phi"):
        a, b = events[f"lminus_{part}"], events[f"lplus_{part}"]
        arrays[f"Muon_{part}"] = ak.Array(np.stack([np.where(first, a, b), np.where(first, b, a)], axis=1))
    arrays["Muon_charge"] = ak.Array(np.stack([np.where(first, -1, 1), np.where(first, 1, -1)], axis=1))
    keep = np.arange(len(events)) >= 100
    counts = np.where(keep, 2, 1)
    for name, array in arrays.items():  # the first hundred events have one muon
        arrays[name] = ak.unflatten(ak.flatten(array)[ak.flatten(ak.local_index(array) < counts[:, None])], counts)
    arrays["genWeight"] = np.full(len(events), 3e4)
    path = tmp_path / f"nano{suffix}"
    if suffix == ".root":
        import uproot

        with uproot.recreate(path) as file:
            file["Events"] = arrays
    else:
        ak.to_parquet(ak.zip(arrays, depth_limit=1), str(path))
    for spec in ([NANO, "weight=genWeight"], [NANO]):
        columns = load_column_map(spec)
        with pytest.raises(CardError, match="no cross-section .*expected one: give it with --cross-section"):
            read_events(path, columns=columns)
        again = read_events(path, 2.0, columns=columns)
        assert again.statement.contents == "2000 events: 1900 mu+mu-, 100 without a pair"
        assert again.cross_section_fb == pytest.approx(1.9)
        np.testing.assert_allclose(again["m_ll"], events["m_ll"][keep], rtol=1e-9)
        np.testing.assert_allclose(again["lminus_pt"], events["lminus_pt"][keep], rtol=1e-9)
        np.testing.assert_allclose(again["cos_theta_cs"], events["cos_theta_cs"][keep], atol=1e-9)
    table = tmp_path / "nano.toml"
    table.write_text("".join(f'{w.split("=")[0]} = "{w.split("=")[1]}"\n' for w in NANO.split()) + 'tree = "Events"\n')
    if suffix == ".root":
        np.testing.assert_array_equal(
            read_events(path, 2.0, columns=load_column_map([str(table)]))["m_ll"], again["m_ll"]
        )
    for spec, message in (
        (["lminus_pt=Muon_pt[0]"], "gives no lminus_eta"),
        ([NANO.replace("lplus_phi", "lplus_fi")], "did you mean 'lplus_phi'"),
        (["lminus_pt"], "expected NAME=BRANCH"),
        ([NANO + " energy_unit=eV"], "unknown unit of energy"),
    ):
        with pytest.raises(InputError, match=message):
            load_column_map(spec)
    for change, other in (("Muon_eta[1]", "Muon_eta"), ("Muon_pt[1]", "muon_pt[1]")):
        with pytest.raises(
            CardError, match=r"a list per event, expected an index, lplus_eta=Muon_eta\[0\]|no branch muon_pt"
        ):
            read_events(path, 2.0, columns=load_column_map([NANO.replace(change, other)]))


def test_columns_without_weight_or_flavour(ssm_events, tmp_path, paper_searches):
    import uproot

    leptons = {name: column for name, column in ssm_events.columns.items() if name.startswith("l")}

    def written(**more):
        with uproot.recreate(tmp_path / "other.root") as file:
            file["events"] = {**leptons, **more}
        return tmp_path / "other.root"

    with pytest.raises(CardError, match=r"no cross-section \(it has no column of weights\)"):
        read_events(written())
    with pytest.raises(CardError, match=r"no cross-section \(all weights are 1\)"):
        read_events(written(weight=np.ones(3000)))
    path = written(weight=np.full(3000, 0.01))
    assert "taken to be in fb: 30 fb" in read_events(path).statement.warnings[0]
    with pytest.raises(InputError, match="the flavour of the pairs is not known: --channel NAME, or --universal"):
        event_template(paper_searches[0], stream_events(path))
    assert list(event_template(paper_searches[0], stream_events(path), ["mumu"]).yields) == ["mumu"]
    assert list(event_template(paper_searches[0], stream_events(path), universal=True).yields) == ["ee", "mumu"]
    pt = leptons["lminus_pt"].copy()
    pt[:5] = np.nan
    leptons["lminus_pt"] = pt
    assert read_events(written(weight=np.full(3000, 0.01))).statement.flawed == 5
    wrong = DileptonEvents({**ssm_events.columns, "m_ll": 2 * ssm_events["m_ll"]}, ssm_events.info)
    with pytest.raises(CardError, match="column m_ll: found"):
        read_events(write_events(tmp_path / "wrong.parquet", wrong))


def test_delphes(tmp_path):
    """Branches with a point in their names, as Delphes has them, in MeV."""
    import awkward as ak
    import uproot

    n = np.full(50, 2)
    pt = np.linspace(3e5, 9e5, 50)
    columns = {
        "Muon.PT": np.repeat(pt, 2), "Muon.Eta": np.tile([0.5, -0.5], 50), "Muon.Phi": np.tile([0.0, np.pi], 50)
    }  # fmt: skip
    path = tmp_path / "delphes.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("Delphes", dict.fromkeys(columns, "var * float64"))
        counts = {f"n{name}": n.astype(np.int32) for name in columns}
        tree.extend({**{name: ak.unflatten(column, n) for name, column in columns.items()}, **counts})
    spec = " ".join(
        f"{side}_{part.lower()}=Muon.{part}[{k}]"
        for k, side in enumerate(("lminus", "lplus"))
        for part in ("PT", "Eta", "Phi")
    )
    events = read_events(path, 1.0, columns=load_column_map([spec, "lepton_id=13", "energy_unit=MeV"]))
    np.testing.assert_allclose(events["m_ll"], 2e-3 * pt * np.cosh(0.5), rtol=1e-12)
    assert set(events.flavor) == {13}


def test_part_of_a_sample(runs, tmp_path):
    """Our file with fewer events than its metadata say: the weights stay, and that is said."""
    some = DileptonEvents(runs[0][:500].columns, runs[0].info)
    path = tmp_path / "part.root"
    write_events(path, some, info=runs[0].info)
    events = read_events(path)
    assert events.cross_section_fb == pytest.approx(runs[0].cross_section_fb / 4, rel=1e-9)
    assert events.statement.cross_section_fb == pytest.approx(runs[0].cross_section_fb, rel=1e-3)
    assert events.statement.warnings == ("the file holds 500 of the 2000 events of its sample",)


def test_one_pass_for_several_searches(paper_searches):
    path = name_of("lhe_two_flavours")
    for one, folded in zip(event_templates(paper_searches, stream_events(path)), paper_searches, strict=True):
        alone = event_template(folded, stream_events(path))
        np.testing.assert_array_equal(one.yields["ee"], alone.yields["ee"])


@pytest.mark.parametrize(
    ("stem", "module"), [("lhe_nlo_event_norm_sum", "lhe_reader"), ("hepmc3_negative_weights", "hepmc_reader")]
)
def test_weights_do_not_depend_on_batches(stem, module, monkeypatch):
    """Normalised over the file: batches of a few events, and blocks of a few bytes, give the same."""
    import importlib

    whole = read_events(name_of(stem))
    reader = importlib.import_module(f"zprime_recast.events.{module}")
    monkeypatch.setattr(reader, "_BATCH", 7)
    monkeypatch.setattr(reader, "_BLOCK", 13)
    assert len(list(stream_events(name_of(stem)))) > 5
    again = read_events(name_of(stem))
    for name in ("weight", "m_ll", "cos_theta_cs"):
        np.testing.assert_array_equal(again[name], whole[name])


@pytest.mark.parametrize("number", ["1e300", "1e-300", "nan", "1e400"])
def test_extreme_weights(number, tmp_path):
    """A weight that cannot be a cross-section in any unit is an error, or counts as nothing."""
    path = edited(name_of("lhe_nlo_event_norm_sum"), tmp_path, (r"9999 2\.462571e-04", f"9999 {number}"))
    if number == "1e-300":
        assert read_events(path).cross_section_fb == pytest.approx(SIGMA, rel=1e-4)
    else:
        with pytest.raises(CardError, match="a weight that cannot be read"):
            read_events(path)
    text = gzip.decompress(name_of("hepmc3_negative_weights").read_bytes()).decode()
    path = hepmc(text.replace("GenCrossSection 1.47754280e-02", f"GenCrossSection {number}"), tmp_path)
    if number == "1e-300":
        assert read_events(path).cross_section_fb == pytest.approx(1e-297)
    else:
        with pytest.raises(CardError, match="a cross-section that is not finite"):
            read_events(path)


def test_foreign_events_written_as_ours(tmp_path):
    """A sample in memory in every format, a stream to columns: flavours and cross-section stay; a stream to text is refused."""
    source = name_of("lhe_two_flavours")
    events = read_events(source)
    for suffix in (".root", ".parquet", ".lhe.gz", ".hepmc3"):
        again = read_events(write_events(tmp_path / f"all{suffix}", events))
        assert again.statement.contents == "400 events: 207 e+e-, 193 mu+mu-"
        assert again.cross_section_fb == pytest.approx(2 * SIGMA, rel=1e-4)
        assert again.statement.warnings == ()
    stream = read_events(write_events(tmp_path / "stream.parquet", stream_events(source)))
    assert stream.cross_section_fb == pytest.approx(2 * SIGMA, rel=1e-4)
    np.testing.assert_array_equal(stream.flavor, events.flavor)
    with pytest.raises(InputError, match="read it with read_events"):
        write_events(tmp_path / "stream.lhe", stream_events(source))
