"""UFO folders and parameter cards of other people: read right, or refused with the reason.

The small folder is B-L with Majorana neutrinos; its widths are known in closed form, and it carries its own decays.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from math import pi, sin, sqrt
from pathlib import Path

import pytest

from zprime_recast.errors import InputError
from zprime_recast.model.card import load_model
from zprime_recast.model.ufo import coupling_width_gev, left_out_notes, model_of, read_ufo
from zprime_recast.model.ufo_folder import read_folder
from zprime_recast.model.widths import decay_widths, fermion_width, unequal_pair_width

sys.path.insert(0, str(Path(__file__).parent))
from small_ufo import write_ufo

G, M = 0.2, 1500.0
UNIT = G**2 * M / (24 * pi)


def bl_width(m_heavy=300.0, m_top=172.5, m_bottom=4.7, m=M, g=G):
    """Width of B-L: quarks 3 x 2/9 each, charged leptons 2, Majorana neutrinos 1 and beta^3; massive vector currents."""
    unit = g**2 * m / (24 * pi)
    quarks = sum(2 / 3 * (1 + 2 * (x / m) ** 2) * sqrt(1 - 4 * (x / m) ** 2) for x in (0, 0, 0, 0, m_top, m_bottom))
    return unit * (quarks + 3 * 2 + 3 + 3 * (1 - 4 * (m_heavy / m) ** 2) ** 1.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_ufo(tmp_path_factory.mktemp("ufo") / "BL_UFO")


def test_majorana_neutrinos_count_once(folder):
    """Light and heavy neutrinos that are their own antiparticles: total width in closed form, 1e-12."""
    boson = read_ufo(folder)
    assert boson.fermion_width_gev == pytest.approx(bl_width(), rel=1e-12)
    assert boson.notes == () == boson.left_out
    own = decay_widths(model_of(boson, "bl", "test"), M, 1.0)
    for name in ("nu_e", "nu_mu", "nu_tau"):
        assert own.partial_gev[name] == pytest.approx(UNIT, rel=1e-12)
    assert own.partial_gev["N1"] == pytest.approx(UNIT * (1 - 4 * 0.04) ** 1.5, rel=1e-12)
    assert own.total_gev == pytest.approx(bl_width(), rel=1e-5)  # masses of the package for t, b
    shipped = decay_widths(load_model("elusive_bl"), M, G)  # Dirac neutrinos: nu_L alone is the same
    assert own.partial_gev["nu_e"] == pytest.approx(float(shipped.partial_gev["nu_e"]), rel=1e-12)


@pytest.mark.parametrize("python2", [False, True])
def test_every_fermion_channel_agrees_with_the_decays_of_the_folder(tmp_path, python2):
    if python2:
        pytest.importorskip("fissix")
        pytest.importorskip("six")
    path = write_ufo(tmp_path / "BL", python2=python2)
    before = {p: p.stat().st_mtime_ns for p in path.rglob("*")}
    boson, content = read_ufo(path), read_folder(path)
    assert {p: p.stat().st_mtime_ns for p in path.rglob("*")} == before, "the folder of the user was changed"
    widths = {frozenset(products): width for _, products, width in content.decays}
    names = {p.pdg_id: {p.name, p.antiname} for p in content.particles}
    for c in boson.couplings:
        own = coupling_width_gev(c, M)
        assert own == pytest.approx(widths[frozenset(names[c.pdg_id])], rel=1e-12), c.name
    assert len(boson.couplings) == 15
    assert boson.notes == (("BL is written for Python 2: a converted copy was read",) if python2 else ())


def test_python2_without_its_extra(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("fissix.")]:
        monkeypatch.delitem(sys.modules, name)  # of an earlier test
    monkeypatch.setitem(sys.modules, "fissix", None)
    with pytest.raises(InputError, match=r"SyntaxError: .*; reading Python 2 code needs fissix: pip install"):
        read_ufo(write_ufo(tmp_path / "BL", python2=True))


@pytest.mark.parametrize("name", ["B-L.v1.2", "json", "test", "particles", "zprime_recast", "2HDM"])
def test_names_of_folders(tmp_path, name):
    assert read_ufo(write_ufo(tmp_path / name)).fermion_width_gev == pytest.approx(bl_width(), rel=1e-12)


def test_without_init_and_with_one_that_fails(tmp_path):
    path = write_ufo(tmp_path / "a", replaced=[("__init__.py", "all_functions = []", "all_functions = nowhere.all")])
    assert read_ufo(path).fermion_width_gev == pytest.approx(bl_width(), rel=1e-12)
    (path / "__init__.py").unlink()
    assert read_ufo(path).fermion_width_gev == pytest.approx(bl_width(), rel=1e-12)


def test_a_bad_coupling_elsewhere_does_not_end_the_reading(tmp_path):
    """Of the photon, of a vertex nobody asks for, of a parameter nobody needs; one of the boson does, and is named."""
    bad = [("parameters.py", "value='cmath.cos(mix)'", "value='cmath.cos(mix)/1'"),
           ("couplings.py", "name='GC_0_0', value='complex(0,1)*ee*(-1./3.)'", "name='GC_0_0', value='1/0'"),
           ("couplings.py", "name='GC_2_0', value='complex(0,1)*ee*(2./3.)'", "name='GC_2_0', value='undefined_name'")]  # fmt: skip
    path = write_ufo(tmp_path / "a", replaced=bad)
    with (path / "parameters.py").open("a") as out:
        out.write("bad = Parameter(name='bad', nature='internal', type='real', value='1/(mix*0)', texname='')\n")
    with (path / "couplings.py").open("a") as out:
        out.write("GC_X = Coupling(name='GC_X', value='((', order={})\n")
    assert read_ufo(path).fermion_width_gev == pytest.approx(bl_width(), rel=1e-12)
    worse = write_ufo(tmp_path / "b", replaced=[("couplings.py", "value='complex(0,1)*gz/3.'", "value='gz/(1-1)'")])
    with pytest.raises(InputError, match=r"vertex V_1 of Zp: coupling GC_1_0 = gz/\(1-1\): ZeroDivisionError"):
        read_ufo(worse)
    for_mass = write_ufo(tmp_path / "c", replaced=[("parameters.py", "value=1500.0", "value=0.0")])
    assert read_ufo(for_mass, "Zp").mass_gev == 0


def test_imaginary_parts(tmp_path):
    small = [("couplings.py", "value='-complex(0,1)*gz'", "value='-complex(1e-13,1)*gz'")]
    boson = read_ufo(write_ufo(tmp_path / "a", replaced=small))
    assert boson.notes == ("imaginary parts of 1e-13 of the largest coupling are rounding and dropped",)
    assert boson.fermion_width_gev == pytest.approx(bl_width(), rel=1e-12)
    large = [("couplings.py", "value='-complex(0,1)*gz'", "value='-complex(1e-2,1)*gz'")]
    with pytest.raises(InputError, match="the couplings of Zp to e\\+ are complex"):
        read_ufo(write_ufo(tmp_path / "b", replaced=large))


def test_names_of_particles_in_either_case(folder, tmp_path):
    assert read_ufo(folder, "zP").name == "Zp"
    assert read_ufo(folder, "9900032").name == "Zp"
    two = [("particles.py", "name='Z', antiname='Z'", "name='ZP', antiname='ZP'")]
    path = write_ufo(tmp_path / "two", replaced=two)
    assert read_ufo(path, "Zp").pdg_id == 9900032
    with pytest.raises(InputError, match="zp may be ZP or Zp"):
        read_ufo(path, "zp")


def test_a_vertex_that_lists_the_fermion_first_is_the_conjugate_current(tmp_path):
    """psi-bar^c gamma^mu P_L psi^c = - psi-bar gamma^mu P_R psi: chiralities and sign change places."""
    chiral = ("couplings.py", "GC_13_1', value='-complex(0,1)*gz'", "GC_13_1', value='-complex(0,3)*gz'")
    usual = read_ufo(write_ufo(tmp_path / "a", replaced=[chiral])).of("e")
    assert (usual.g_left, usual.g_right) == pytest.approx((-0.2, -0.6))
    turned = [chiral, ("vertices.py", "particles=[P.e_bar, P.e, P.Zp]", "particles=[P.e, P.e_bar, P.Zp]")]
    found = read_ufo(write_ufo(tmp_path / "b", replaced=turned)).of("e")
    assert (found.g_left, found.g_right) == pytest.approx((0.6, 0.2))


MIXED = "BLOCK BLINPUTS\n 1 0.2\n 2 0.3\nBLOCK MASS\n 6 172.5\n 5 4.7\n 23 91.1876\n 25 125.0\n 9900032 1500.0\n 9910012 300.0\n"


def test_widths_left_out_are_given_and_offered(tmp_path):
    """Z h from decays.py or the DECAY table, n N from the couplings; the sum is offered as gamma_extra."""
    card = tmp_path / "card.dat"
    card.write_text(MIXED + "DECAY 9900032 2.0\n 0.25 2 23 25\n")
    boson = read_ufo(write_ufo(tmp_path / "a"), None, card)
    found = {d.products: d.width_gev for d in boson.left_out}
    # two different Majorana fermions, axial coupling g sin(2 mix), masses 0 and m: M a^2/(12 pi) (1-r)^2 (1 + r/2)
    r, axial = (300 / M) ** 2, G * sin(0.6)
    assert found["n1 N1"] == pytest.approx(M * axial**2 / (12 * pi) * (1 - r) ** 2 * (1 + r / 2), rel=1e-12)
    longitudinal = (
        (G * 0.3) ** 2 * M / (192 * pi) * (91.1876 / M) ** 2 * (M / 91.1876) ** 2
    )  # g_V^2 M/(192 pi) as M grows
    assert found["Z H"] == pytest.approx(longitudinal, rel=0.03)
    notes = left_out_notes(boson)
    assert notes[-1].endswith(f"--set gamma_extra={boson.left_out_gev:.6g}")
    assert f"{found['Z H']:.4g} GeV" in next(n for n in notes if "Z H" in n)
    total = boson.fermion_width_gev + boson.left_out_gev
    assert f"{found['n1 N1'] / total:.2%}" in notes[0]
    without = write_ufo(tmp_path / "b", decays=False)
    by_card = {d.products: d.width_gev for d in read_ufo(without, None, card).left_out}
    assert by_card["Z H"] == 0.5  # BR 0.25 of 2 GeV
    assert by_card["n1 N1"] == pytest.approx(found["n1 N1"], rel=1e-12)
    card.write_text(MIXED + "DECAY 9900032 2.0\n")
    boson = read_ufo(without, None, card)
    assert {d.products: d.width_gev for d in boson.left_out}["Z H"] is None
    assert any("a width the folder does not tell" in note for note in left_out_notes(boson))


def test_unequal_pairs_tend_to_equal_ones():
    for left, right in ((0.3, 0.1), (0.2, -0.7)):
        equal = float(fermion_width(left, right, "dirac", 3, 200.0, 1000.0))
        assert unequal_pair_width(left, right, 3, 200.0, 200.0, 1000.0) == pytest.approx(equal, rel=1e-13)
    # as for W -> t b with a massless b quark: (1 - r)^2 (1 + r/2)
    r = 0.03
    assert unequal_pair_width(1.0, 0.0, 3, sqrt(r), 0.0, 1.0) == pytest.approx((1 - r) ** 2 * (1 + r / 2) / (8 * pi))
    assert unequal_pair_width(1.0, 1.0, 1, 600.0, 400.0, 1000.0) == 0


# ---------------------------------------------------------------------------------------------------------------
# Parameter cards


def read_with(folder, tmp_path, text):
    card = tmp_path / "param_card.dat"
    card.write_text(text)
    return read_ufo(folder, None, card)


def test_fortran_exponents(folder, tmp_path):
    boson = read_with(
        folder, tmp_path, MIXED.replace("1 0.2", "1 4.0D-01").replace("1500.0", "2.5d+03").replace("2 0.3", "2 0")
    )
    assert boson.mass_gev == 2500.0
    assert boson.fermion_width_gev == pytest.approx(bl_width(m=2500.0, g=0.4), rel=1e-12)


def test_what_card_and_model_do_not_share_is_named(folder, tmp_path):
    text = "BLOCK BLINPUTS # comment\n 1 0.2\n 7 1.0\nBLOCK GAUGEX Q= 1.0E+03\n 1 0.3\nBLOCK MASS\n 9900032 1500.0\n 1000022 97.0\n 1 0.5\n"
    notes = read_with(folder, tmp_path, text).notes
    assert "blocks of param_card.dat that the model does not know: GAUGEX" in notes
    assert "entries of param_card.dat that the model does not know: BLINPUTS 7" in notes
    assert any("MASS 9910012 (MN = 300)" in n and "BLINPUTS 2 (mix = 0)" in n and "DECAY" in n for n in notes)
    assert "masses of param_card.dat of particles that the model does not have: 1000022" in notes
    assert "the model computes a mass of 0 GeV for d; the 0.5 GeV of param_card.dat are not used" in notes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1 0.2", "1 scan:[0.1,0.2]", "is a scan, not one point"),
        ("1 0.2", "1 scan1 : [0.1, 0.2]", "is a scan, not one point"),
        ("1 0.2", "1 0.2.3", "'0.2.3' is not a finite number"),
        ("1 0.2", "1 nan", "'nan' is not a finite number"),
        ("1 0.2", "1 1e999", "is not a finite number"),
        ("1 0.2", "1 0.2 0.3", "expected 1 integer and a number"),
        ("1 0.2", "1 0.2\n 1 0.3", "another value of this entry further up"),
        ("1 0.2", "one 0.2", "expected 1 integer and a number"),
        ("BLOCK MASS", "BLOCK", "is no BLOCK NAME and no DECAY"),
        ("BLOCK BLINPUTS\n", "", "stands before the first BLOCK"),
        (MIXED, "BLOCK HMIX\n 1 0.2\n", "nothing of this card is a parameter of the model"),
        (MIXED, "nothing\n", "stands before the first BLOCK"),
        (MIXED, "# only a comment\n", "no BLOCK and no DECAY"),
        (MIXED, MIXED + "DECAY 9900032 1.0\nDECAY 9900032 2.0\n", "a second DECAY of 9900032"),
        (MIXED, MIXED + "DECAY 9900032 wide\n", "'wide' is not a finite number"),
    ],
)  # fmt: skip
def test_cards_that_cannot_be_understood(folder, tmp_path, old, new, message):
    with pytest.raises(InputError, match=message) as caught:
        read_with(folder, tmp_path, MIXED.replace(old, new))
    assert "param_card.dat" in str(caught.value)


def test_the_restriction_of_the_folder_is_the_default(tmp_path):
    path = write_ufo(tmp_path / "a")
    (path / "restrict_default.dat").write_text(MIXED.replace("1 0.2", "1 1.0D-01").replace("2 0.3", "2 0.0"))
    assert read_ufo(path).fermion_width_gev == pytest.approx(bl_width(g=0.1), rel=1e-12)


def test_automatic_widths_of_a_card(folder, tmp_path):
    notes = read_with(folder, tmp_path, MIXED + "DECAY 9900032 Auto\n").notes
    assert notes == ()


def test_command_names_what_is_left_out(tmp_path):
    write_ufo(tmp_path / "BL")
    (tmp_path / "card.dat").write_text(MIXED)
    done = subprocess.run(
        [sys.executable, "-m", "zprime_recast", "model", "from-ufo", "BL", "--param-card", "card.dat", "-o", "bl.toml", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert [d["products"] for d in out["left_out"]] == ["n1 N1", "n2 N2", "n3 N3", "Z H"]
    assert "gamma_extra" in out["warnings"][-1]
    assert "gamma_extra" in (tmp_path / "bl.toml").read_text()
    assert load_model(tmp_path / "bl.toml").couplings("e") == pytest.approx((-0.2, -0.2))
