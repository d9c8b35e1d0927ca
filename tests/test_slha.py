"""Points as SLHA: what is written comes back with every limit; what is missing or broken is named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zprime_recast.errors import InputError
from zprime_recast.limits.hypothesis import cls
from zprime_recast.model.card import load_model
from zprime_recast.model.slha import read_slha, write_slha
from zprime_recast.model.widths import decay_widths
from zprime_recast.model.zprime import SM_FERMIONS


@pytest.mark.parametrize(
    ("name", "changes"), [("elusive_bl", {"m_chi": 800.0}), ("ssm", {}), ("minimal_bl", {"gamma_extra": 12.0})]
)
def test_round_trip(tmp_path, name, changes):
    """Mass, coupling, couplings and widths to 1e-12, at the written coupling and at another."""
    model = load_model(name).with_parameters(changes)
    point = read_slha(write_slha(model, 2500.0, 0.12, tmp_path / "point.slha"))
    assert (point.mass_gev, point.coupling, point.notes) == (2500.0, 0.12, ())
    for fermion in SM_FERMIONS:
        assert point.model.couplings(fermion) == pytest.approx(model.couplings(fermion), abs=1e-14)
    for g in (0.12, 0.03):
        own, back = decay_widths(model, 2500.0, g), decay_widths(point.model, 2500.0, g)
        assert back.total_gev == pytest.approx(float(own.total_gev), rel=1e-12)


def test_round_trip_keeps_cls(tmp_path, searches):
    model = load_model("elusive_bl").with_parameters(m_chi=1000.0)
    point = read_slha(write_slha(model, 2500.0, 0.08, tmp_path / "point.slha"))
    own, back = (cls(m, 2500.0, 0.08, searches, calculator="asymptotic") for m in (model, point.model))
    assert back.cls_observed == pytest.approx(own.cls_observed, abs=1e-6)


FILE = """BLOCK MASS
   32   2000.0
BLOCK ZPRIME
   1   0.2
BLOCK ZPRIMELEFT
   1   0.3333
   2   0.3333
   11  -1.0
BLOCK ZPRIMERIGHT
   1   0.3333
   2   0.3333
   11  -1.0
DECAY 32 20.0
   0.1   2   11   -11
"""


def test_invisible_width_follows_from_the_decay_table(tmp_path):
    path = tmp_path / "p.slha"
    path.write_text(FILE)
    point = read_slha(path)
    widths = decay_widths(point.model, 2000.0, 0.2)
    assert widths.total_gev == pytest.approx(20.0, rel=1e-12)
    assert any("BR(e) is 0.1 in DECAY" in note for note in point.notes)
    path.write_text(FILE[: FILE.index("DECAY")])
    point = read_slha(path)
    assert "no width in DECAY 32" in point.notes[0]
    assert "invisible" not in [f.name for f in point.model.fermions]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("   32   2000.0\n", "   25   125.0\n", "entry 32 of block MASS, the mass of the Z', is missing"),
        ("2000.0", "-5.0", "must be > 0"),
        ("2000.0", "nan", "not a finite number"),
        ("-1.0", "minus", "'minus' is not a finite number"),
        ("DECAY 32 20.0", "DECAY 32 1e-9", "less than the"),
        ("ZPRIMELEFT", "OTHER", None),
        ("0.1   2   11   -11", "0.1   2   11", "number of daughters"),
        ("BLOCK MASS", "BLOCK MESS", "MASS"),
    ],
)
def test_broken_files_are_named(tmp_path, old, new, message):
    path = tmp_path / "p.slha"
    path.write_text(FILE.replace(old, new))
    if message is None:
        assert read_slha(path).model.couplings("e")[0] == 0
        path.write_text(FILE.replace("ZPRIMELEFT", "A").replace("ZPRIMERIGHT", "B"))
        message = "ZPRIMELEFT and ZPRIMERIGHT"
    with pytest.raises(InputError, match=message) as caught:
        read_slha(path)
    assert str(path) in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_slha(tmp_path / "nothing.slha")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_slha(tmp_path / "binary")


def test_to_slha_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "zprime_recast", "model", "to-slha", "ssm", "--mass", "3000", "-o", "p.slha"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert read_slha(tmp_path / "p.slha").mass_gev == 3000.0


DMSIMP = """BLOCK MASS
  5000001 2000.0 # MY1
BLOCK DMINPUTS
  1 0.0 # gVXc
  2 1.0 # gVXd
  3 0.0 # gAXd
""" + "".join(
    f"  {n} {value} # {name}\n"
    for n, (name, value) in enumerate(
        [(f"gV{q}{i}{i}", 0.25) for q in "ud" for i in (1, 2, 3)]
        + [(f"gA{q}{i}{i}", 0.1 if q == "u" else 0.0) for q in "ud" for i in (1, 2, 3)]
        + [("gVl11", 0.05), ("gAl11", -0.02), ("gnu11", 0.03), ("gVu31", 0.0)],
        4,
    )
) + "DECAY 5000001 Auto\n"  # fmt: skip


def test_couplings_of_dmsimp(tmp_path):
    """Names in comments say what an entry is: g_L = gV - gA, g_R = gV + gA (arXiv:1508.05327)."""
    path = tmp_path / "p.dat"
    path.write_text(DMSIMP)
    point = read_slha(path)
    assert (point.mass_gev, point.coupling) == (2000.0, 1.0)
    assert "g_L = gV - gA" in point.notes[0]
    expected = {"u": (0.15, 0.35), "b": (0.25, 0.25), "e": (0.07, 0.03), "nu_e": (0.03, 0.0), "mu": (0.0, 0.0)}
    for name, pair in expected.items():
        assert point.model.couplings(name) == pytest.approx(pair, abs=1e-15), name
    path.write_text(DMSIMP.replace("0.0 # gVu31", "0.2 # gVu31"))
    assert "couplings that change flavour are left out: gVu31" in read_slha(path).notes
    path.write_text("\n".join(line for line in DMSIMP.splitlines() if "l11" not in line and "gnu" not in line))
    assert "block DMINPUTS has no couplings to leptons: they are 0" in read_slha(path).notes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# gVu22", "# gSu22", "gSu22 is no coupling of a spin-one mediator"),
        ("# gVu22", "", "without its name in a comment it is not known"),
        ("0.25 # gVu22", "x # gVu22", "'x' is not a finite number"),
        ("# gVu22", "# gVu11", "block DMINPUTS gives no gVu22; give the UFO folder"),
        ("0.25 # gVu22", "0.2 # gVu11", "another value of gVu11 further up"),
        ("DMINPUTS", "FRBLOCK", r"only the model .* knows what its blocks FRBLOCK mean"),
    ],
)
def test_blocks_that_are_not_understood(tmp_path, old, new, message):
    path = tmp_path / "p.dat"
    path.write_text(DMSIMP.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        read_slha(path)
    assert "--ufo DIR" in str(caught.value) or "finite" in str(caught.value) or "remove" in str(caught.value)


def test_a_spectrum_of_sarah_names_what_is_missing(tmp_path):
    """GAUGE of an extended gauge group: which charges the coupling multiplies stands nowhere in the file."""
    path = tmp_path / "SPheno.spc.BLSM"
    gauge = "Block GAUGE Q= 1.0E+03\n 1 3.6E-01\n 2 6.4E-01\n 3 1.1E+00\n 4 5.0E-01 # gBL\n"
    path.write_text(f"Block MODSEL\n 1 1\n{gauge}Block MASS\n 31 2.0E+03 # VZp\nBlock MNU\n 1 0.1\nDECAY 31 2.0E+01\n")
    with pytest.raises(InputError, match=r"--ufo DIR; only the model .* blocks GAUGE \(entries beyond 3\), MNU mean"):
        read_slha(path)
