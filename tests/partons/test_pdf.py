"""The PDF layer: values against Pythia's own evaluation, the shipped set rebuilt, broken sets refused."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zprime_recast.errors import InputError, PDFError, RangeError, UnknownName
from zprime_recast.partons.pdf import DEFAULT_CENTRAL, PAPER_SET, load_pdf
from zprime_recast.partons.pdf_files import find_set, list_sets, read_grid, read_set_info

PARTONS = [-5, -4, -3, -2, -1, 21, 1, 2, 3, 4, 5]


def build_script(repository: Path):
    spec = importlib.util.spec_from_file_location("build_mstw2008nlo", repository / "data/pdfs/build_mstw2008nlo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.pythia
def test_shipped_set_is_what_its_script_makes(repository, tmp_path):
    pytest.importorskip("pythia8mc")
    script = build_script(repository)
    rebuilt = script.write_set(tmp_path, script.native_grid())
    for file in sorted(rebuilt.iterdir()):
        assert file.read_bytes() == (repository / "data/pdfs" / PAPER_SET / file.name).read_bytes()


@pytest.mark.pythia
def test_values_agree_with_pythias_own_interpolation(pdf):
    """2000 random points: same grid, different cubic. Seen: median 2e-4, largest 4e-3 (at low Q knots)."""
    pythia8 = pytest.importorskip("pythia8mc")
    pythia = pythia8.Pythia("", False)
    for setting in ("PDF:pSet = 6", "Print:quiet = on", "ProcessLevel:all = off"):
        pythia.readString(setting)
    assert pythia.init()
    theirs = pythia.getPDFPtr(2212)
    rng = np.random.default_rng(20261123)
    deviations = []
    for x, q in zip(np.exp(rng.uniform(np.log(1e-4), np.log(0.7), 2000)), rng.uniform(100, 9000, 2000), strict=True):
        pids = [2, -2, 1, -1, 3, 4, 5, 21]
        ours = pdf.xf(pids, x, q)
        deviations.append(np.abs(ours / [theirs.xf(pid, x, q * q) for pid in pids] - 1))
    assert np.median(deviations) < 5e-4
    assert np.max(deviations) < 6e-3


def test_sum_rules(pdf):
    """Momentum 1 (to 0.2 %) and valence 2 and 1 (to 1.5 %: a few per cent of it lies below x = 1e-6) at Q = 100 GeV."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    edges = np.log(np.geomspace(1e-6, 1, 41))
    t = (edges[:-1, None] + np.diff(edges)[:, None] * (nodes + 1) / 2).ravel()
    w = (np.diff(edges)[:, None] / 2 * weights).ravel()
    xf = dict(zip(PARTONS, pdf.xf(PARTONS, np.minimum(np.exp(t), 1.0), 100.0), strict=True))
    assert sum(f @ (w * np.exp(t)) for f in xf.values()) == pytest.approx(1, abs=0.002)
    assert (xf[2] - xf[-2]) @ w == pytest.approx(2, rel=0.015)
    assert (xf[1] - xf[-1]) @ w == pytest.approx(1, rel=0.015)


def test_arrays_scalars_and_absent_partons(pdf):
    x = np.array([[0.1, 0.2], [0.3, 0.5]])
    values = pdf.xf([2, 22, 21], x, 1000.0)
    assert values.shape == (3, 2, 2)
    assert (values[1] == 0).all()  # no photon in this set
    np.testing.assert_array_equal(values[:, 1, 0], pdf.xf([2, 22, 21], 0.3, 1000.0))
    assert pdf.alpha_s(91.1876) == pytest.approx(0.12018, abs=1e-5)


@pytest.mark.parametrize("x", [0.0, -0.1, 1.0001, 1e-9, np.nan, np.inf])
def test_x_outside_the_grid_is_refused(pdf, x):
    with pytest.raises(RangeError, match="1e-06 to 1"):
        pdf.xf([2], [0.1, x], 100.0)


@pytest.mark.parametrize("q", [0.5, 1e6, np.nan, np.inf, -3.0])
def test_q_outside_the_grid_is_refused(pdf, q):
    with pytest.raises(RangeError, match="Q ="):
        pdf.xf([2], 0.1, q)


@pytest.mark.parametrize("member", [-1, 1, 1.5, True, "0"])
def test_members_the_set_does_not_have(member):
    with pytest.raises(InputError, match="members 0 to 0"):
        load_pdf(PAPER_SET, member)


def test_unknown_set_suggests_and_says_where_sets_belong():
    with pytest.raises(UnknownName, match=r"did you mean 'MSTW2008nlo_central'\?.*LHAPDF_DATA_PATH"):
        load_pdf("MSTW2008nlo")


STAND_IN = """
import os
_paths, _verbosity, calls = ["/somewhere"], [1], [0]
class _Library:
    def __del__(self, verbosity=_verbosity, write=os.write):  # after all that is registered at exit
        if verbosity[0]: write(1, b"Thanks for using LHAPDF\\n")
_library = _Library()
__version__ = "6.9.9"
def verbosity(): return _verbosity[0]
def setVerbosity(level): _verbosity[0] = level
def paths(): return list(_paths)
def setPaths(new): _paths[:] = new
class _PDF:
    def __init__(self, file):
        import neopdf.pdf
        self._pdf = neopdf.pdf.PDF.mkPDF_lhapdf_file(file)
        self._partons = [int(p) for p in open(file).read().split("---\\n")[1].split("\\n")[2].split()]
    def xfxQ(self, *arguments):
        x, q = arguments  # one call for all partons
        calls[0] += 1
        if q > 9000: raise RuntimeError("beyond the grid\\nof this library")
        return {pid: self._pdf.xfxQ2(pid, x, q * q) for pid in self._partons}
    def alphasQ(self, q):
        if q > 9000: raise RuntimeError("alpha_s out of range")
        return self._pdf.alphasQ2(q * q)
def mkPDF(name, member):
    if _verbosity[0]: print("LHAPDF loading", name)
    for path in _paths:
        try: return _PDF(f"{path}/{name}/{name}_{member:04d}.dat")
        except OSError: pass
    raise RuntimeError(f"no set {name}")
"""


def run_with(library, code, tmp_path, repository, environment):
    """Run code with a module lhapdf on the path, in a process of its own: an imported one would stay."""
    (tmp_path / "lhapdf.py").write_text(library)
    environment = {**environment, "PYTHONPATH": f"{tmp_path}{os.pathsep}{repository}"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)


def test_lhapdf_on_request(tmp_path, repository, clean_environment):
    """One call per x; paths and verbosity restored; nothing printed; the library's exceptions are one line."""
    code = f"""
import numpy as np
from zprime_recast.errors import PDFError
from zprime_recast.partons.pdf import PAPER_SET, load_pdf
partons, x = {PARTONS}, np.geomspace(1e-4, 0.9, 20).reshape(4, 5)
ours, through = load_pdf(PAPER_SET), load_pdf(PAPER_SET, backend="lhapdf")
assert (ours.backend, through.backend) == ("grid", "lhapdf")
np.testing.assert_allclose(through.xf(partons, x, 500.0), ours.xf(partons, x, 500.0), rtol=1e-10, atol=1e-13)
assert abs(through.alpha_s(100.0) / ours.alpha_s(100.0) - 1) < 1e-12
import lhapdf
assert (lhapdf.calls, lhapdf.paths(), lhapdf.verbosity()) == ([20], ["/somewhere"], 1)
for call in (lambda: through.xf(partons, x, 9500.0), lambda: through.alpha_s(9500.0)):
    try: call()
    except PDFError as err: assert "range" in str(err) or "beyond" in str(err), err; assert "\\n" not in str(err)
    else: raise AssertionError
assert load_pdf(PAPER_SET, backend="lhapdf").digest == ours.digest
"""
    done = run_with(STAND_IN, code, tmp_path, repository, clean_environment)
    assert (done.returncode, done.stdout) == (0, "Thanks for using LHAPDF\n"), done.stderr  # its own, as it ends


def test_lhapdf_by_environment_reads_its_own_folders(tmp_path, repository, clean_environment):
    """A set that only LHAPDF knows of; another of a name shipped here does not take its place."""
    folder = tmp_path / "share"
    for name in ("OnlyThere", PAPER_SET):
        (folder / name).mkdir(parents=True)
        for file in find_set(PAPER_SET).iterdir():
            text = file.read_text().replace("1.30980000e+00", "1.30990000e+00")
            (folder / name / file.name.replace(PAPER_SET, name)).write_text(text)
    code = f"""
from zprime_recast.partons.pdf import PAPER_SET, load_pdf
pdf = load_pdf("OnlyThere")
assert pdf.backend == "lhapdf" and str(pdf.info.folder).startswith({str(folder)!r})
import lhapdf
assert lhapdf.paths() == [{str(folder)!r}]
assert not str(load_pdf(PAPER_SET).info.folder).startswith({str(folder)!r})
assert pdf.digest != load_pdf(PAPER_SET).digest
"""
    library = STAND_IN.replace('"/somewhere"', repr(str(folder)))
    environment = {**clean_environment, "ZPRIME_RECAST_PDF_BACKEND": "lhapdf"}
    done = run_with(library, code, tmp_path, repository, environment)
    assert (done.returncode, done.stdout) == (0, "Thanks for using LHAPDF\n"), done.stderr  # its own, as it ends


def test_lhapdf_adds_nothing_to_the_output_of_a_command(tmp_path, repository, clean_environment):
    """Neither as it loads a set nor as the process ends."""
    (tmp_path / "lhapdf.py").write_text(STAND_IN)
    environment = {**clean_environment, "PYTHONPATH": f"{tmp_path}{os.pathsep}{repository}"}
    command = [sys.executable, "-m", "zprime_recast", "--pdf-backend", "lhapdf", "pdf", "list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert PAPER_SET in json.loads(done.stdout)["sets"]


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        ("raise OSError('libLHAPDF.so: cannot open shared object file')", "libLHAPDF.so: cannot open shared object"),
        ("import a_module_that_is_not_there", "a_module_that_is_not_there"),
        ("def mkPDF(): pass", "is not LHAPDF 6"),
        ("", "is not LHAPDF 6"),
    ],
)
def test_what_only_has_the_name_of_lhapdf(tmp_path, repository, clean_environment, library, reason):
    """Never imported unless asked for; then one line with the reason, and what to do."""
    (tmp_path / "lhapdf.py").write_text(library)
    environment = {**clean_environment, "PYTHONPATH": f"{tmp_path}{os.pathsep}{repository}"}
    code = "from zprime_recast.partons import load_pdf; print(load_pdf('CT18NNLO_central').backend)"
    options = ["--pdf-backend", "lhapdf", "xsec", "ssm", "--mass", "2000", "--pdf", "CT18NNLO_central"]
    done, refused = (
        subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)
        for arguments in (["-c", code], ["-m", "zprime_recast", *options])
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "grid\n", "")
    assert refused.returncode == 2
    assert refused.stderr.strip().count("\n") == 0
    assert reason in refused.stderr
    assert "use the backend grid" in refused.stderr


def test_backends_that_do_not_exist(monkeypatch):
    with pytest.raises(UnknownName, match="unknown PDF backend 'neopdf': did you mean"):
        load_pdf(PAPER_SET, backend="neopdf")
    monkeypatch.setenv("ZPRIME_RECAST_PDF_BACKEND", "lhapd")
    with pytest.raises(UnknownName, match="did you mean 'lhapdf'"):
        load_pdf(PAPER_SET)


# ---------------------------------------------------------------------------------------------------------------
# Sets on disk


@pytest.fixture
def copied_set(tmp_path, monkeypatch):
    """A copy of the shipped set under another name, found through LHAPDF_DATA_PATH."""
    folder = tmp_path / "sets" / "MySet"
    folder.mkdir(parents=True)
    for file in find_set(PAPER_SET).iterdir():
        shutil.copy(file, folder / file.name.replace(PAPER_SET, "MySet"))
    monkeypatch.setenv("LHAPDF_DATA_PATH", f"{tmp_path / 'absent'}{os.pathsep}{folder.parent}")
    return folder


def test_sets_are_found_in_all_three_places(copied_set, monkeypatch, tmp_path):
    user = tmp_path / "user"
    shutil.copytree(copied_set, user / "pdfs" / "Other")
    for file in (user / "pdfs" / "Other").iterdir():
        file.rename(file.with_name(file.name.replace("MySet", "Other")))
    monkeypatch.setenv("ZPRIME_RECAST_HOME", str(user))
    assert set(list_sets()) == {"MySet", "Other", PAPER_SET, DEFAULT_CENTRAL}
    np.testing.assert_array_equal(load_pdf("MySet").xf([2], 0.2, 100.0), load_pdf("Other").xf([2], 0.2, 100.0))


def test_digest_follows_the_files(copied_set):
    before = load_pdf("MySet").digest
    dat = copied_set / "MySet_0000.dat"
    dat.write_text(dat.read_text().replace("1.30980000e+00", "1.30980001e+00", 1))
    assert load_pdf("MySet").digest != before


def test_force_positive_is_honoured(copied_set):
    info = copied_set / "MySet.info"
    x, q = 1e-5, 1.0  # the gluon is negative here
    assert load_pdf("MySet").xf([21], x, q) < 0
    info.write_text(info.read_text() + "ForcePositive: 1\n")
    assert load_pdf("MySet").xf([21], x, q) == 0
    info.write_text(info.read_text().replace("ForcePositive: 1", "ForcePositive: 2"))
    assert load_pdf("MySet").xf([21], x, q) == 1e-10


def cut(text):
    return text[: len(text) // 2]


BROKEN_INFO = {
    "empty": lambda t: "",
    "no yaml": lambda t: "a: [1, 2\nb: }",
    "no mapping": lambda t: "- 1\n- 2\n",
    "no flavours": lambda t: t.replace("Flavors:", "Flavours:"),
    "text flavours": lambda t: t.replace("[-5,", "[five,"),
    "no XMin": lambda t: t.replace("XMin: 1e-06\n", ""),
    "NaN XMin": lambda t: t.replace("XMin: 1e-06", "XMin: .nan"),
    "QMax below QMin": lambda t: t.replace("QMax: 31622.8", "QMax: 0.5"),
    "no members": lambda t: t.replace("NumMembers: 1", "NumMembers: 0"),
    "text members": lambda t: t.replace("NumMembers: 1", "NumMembers: many"),
    "alpha_s cut": lambda t: t[: t.index("AlphaS_Vals")],
    "alpha_s lengths": lambda t: t.replace("AlphaS_Qs: [1.000000e+00, ", "AlphaS_Qs: ["),
    "half": cut,
}
BROKEN_DAT = {
    "empty": lambda t: "",
    "a huge value": lambda t: t[: t.rindex("\n", 0, -10)].rsplit(" ", 1)[0] + " 1e308\n---\n",
    "header only": lambda t: t[: t.index("---") + 4],
    "half": cut,
    "last line cut": lambda t: t[: t.rindex("---") - 200],
    "no end": lambda t: t.rstrip().removesuffix("---"),
    "word in grid": lambda t: t.replace("1.30980000e+00", "one", 1),
    "NaN in grid": lambda t: t.replace("1.30980000e+00", "nan", 1),
    "value missing": lambda t: t.replace("1.30980000e+00 ", "", 1),
    "columns run together": lambda t: t.replace("0.00000000e+00 0.00000000e+00", "0.00000000e+000.00000000e+00", 1),
    "x knots swapped": lambda t: t.replace("1.000000e-06 2.000000e-06", "2.000000e-06 1.000000e-06", 1),
    "q knot missing": lambda t: t.replace("1.000000e+00 1.118034e+00", "1.118034e+00", 1),
    "flavour missing": lambda t: t.replace("-5 -4 -3", "-4 -3", 1),
    "subgrid gap": lambda t: t.replace("1.400000e+00 1.581139e+00", "1.500000e+00 1.581139e+00", 1),
    "binary": lambda t: "\udcff\udcfe" + t,
    "other format": lambda t: t.replace("lhagrid1", "lhagrid2", 1),
}


@pytest.mark.parametrize("fault", BROKEN_INFO)
def test_broken_info_is_refused(copied_set, fault):
    path = copied_set / "MySet.info"
    path.write_text(BROKEN_INFO[fault](path.read_text()))
    with pytest.raises((PDFError, InputError), match="MySet"):
        load_pdf("MySet")


@pytest.mark.parametrize("fault", BROKEN_DAT)
def test_broken_grid_is_refused(copied_set, fault):
    path = copied_set / "MySet_0000.dat"
    path.write_text(BROKEN_DAT[fault](path.read_text()), errors="surrogateescape")
    with pytest.raises(PDFError, match="MySet_0000.dat"):
        load_pdf("MySet")


def test_missing_grid_is_named(copied_set):
    (copied_set / "MySet_0000.dat").unlink()
    with pytest.raises(PDFError, match="no such file"):
        load_pdf("MySet")


def test_random_damage_never_ends_the_process(copied_set, clean_environment, repository):
    """300 random edits of the two files, each loaded and evaluated in one child process: it must survive them all."""
    code = f"""
import random, sys
from pathlib import Path
sys.path.insert(0, {str(repository)!r})
from zprime_recast.partons.pdf import PAPER_SET, load_pdf
from zprime_recast.errors import ZprimeError
random.seed(7)
folder = Path({str(copied_set)!r})
refused = 0
for i in range(300):
    path = folder / ("MySet.info" if i % 3 == 0 else "MySet_0000.dat")
    good = path.read_bytes()
    bad = bytearray(good)
    for _ in range(random.choice([1, 1, 3, 20])):
        at = random.randrange(len(bad) if i % 2 else min(len(bad), 1500))
        action = random.random()
        if action < 0.5:
            bad[at] = random.choice(b"0123456789.eE+- \\nxn[]:,")
        elif action < 0.8:
            del bad[at : at + random.choice([1, 5, 60, 5000])]
        else:
            bad[at:at] = random.choice([b"\\n", b" ", b"---\\n", b"nan ", b"1e999 ", b"- "])
    path.write_bytes(bytes(bad))
    try:
        load_pdf("MySet").xf([2, -2, 21], [1e-4, 0.1, 0.9], 500.0)
        load_pdf("MySet").alpha_s(91.0)
    except ZprimeError:
        refused += 1
    path.write_bytes(good)
print("refused", refused)
"""
    environment = {**clean_environment, "LHAPDF_DATA_PATH": str(copied_set.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[1]) > 100


def test_read_grid_returns_the_subgrids():
    info, subgrids = read_grid(read_set_info(find_set(PAPER_SET)), 0)
    assert (info.x_min, info.x_max) == (1e-6, 1.0)
    assert [len(s.q_gev) for s in subgrids] == [s.values.shape[1] for s in subgrids]
    assert sorted(subgrids[0].pids) == sorted(PARTONS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Particle: 1000822080", r"Particle is 1000822080, not the proton \(2212\); use a set .* of the proton"),
        ("Particle: [2112]", r"Particle is \[2112\], not the proton"),
        ("Particle: -2212", "Particle is -2212, not the proton"),
        ("SetType: FragFn", "SetType is 'FragFn', not PDF: this set holds no parton densities"),
        ("SetType: ff", "SetType is 'ff', not PDF"),
        ("SetType:", "SetType is None, not PDF"),
    ],
)
def test_sets_of_something_else_are_refused(copied_set, line, message):
    """Fragmentation functions and lead have the format of a proton's densities."""
    info = copied_set / "MySet.info"
    key = line.split(":")[0]
    info.write_text("\n".join([*(r for r in info.read_text().splitlines() if not r.startswith(key)), line, ""]))
    with pytest.raises(PDFError, match=message):
        load_pdf("MySet")


@pytest.mark.parametrize(
    "lines", ["SetType: pdf", "Particle: '2212'", "SetIndex: -1", "OrderQCD: NNLO", "OrderQCD: -1"]
)
def test_entries_that_do_not_matter(copied_set, lines):
    """Spellings and numbers that other sets have: the densities are what they were."""
    info, before = copied_set / "MySet.info", load_pdf("MySet").xf(PARTONS, 0.1, 100.0)
    key = lines.split(":")[0]
    info.write_text("\n".join([*(r for r in info.read_text().splitlines() if not r.startswith(key)), lines, ""]))
    pdf = load_pdf("MySet")
    np.testing.assert_array_equal(pdf.xf(PARTONS, 0.1, 100.0), before)
    assert pdf.alpha_s(91.1876) == pytest.approx(0.12018, abs=1e-5)


def test_photons_and_sets_without_alpha_s(copied_set):
    """A column for the photon, a tenth of u; no table of the coupling."""
    info, dat = copied_set / "MySet.info", copied_set / "MySet_0000.dat"
    kept = [line for line in info.read_text().splitlines() if not line.startswith("AlphaS")]
    info.write_text("\n".join(kept).replace("21]", "21, 22]") + "\n")
    head, *blocks, end = dat.read_text().split("---\n")
    made = []
    for block in blocks:
        x, q, pids, *rows = block.rstrip("\n").split("\n")
        u = pids.split().index("2")
        made.append("\n".join([x, q, f"{pids} 22", *(f"{r} {0.1 * float(r.split()[u]):.12e}" for r in rows), ""]))
    dat.write_text("---\n".join([head, *made, end]))
    pdf = load_pdf("MySet")
    u, photon = pdf.xf([2, 22], np.array([1e-3, 0.1, 0.7]), 700.0)
    np.testing.assert_allclose(photon, 0.1 * u, rtol=1e-9)
    with pytest.raises(PDFError, match="no table of alpha_s"):
        pdf.alpha_s(100.0)
