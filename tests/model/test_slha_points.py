"""SLHA files of other programs in place of a MODEL: any PDG id, couplings from blocks or a UFO folder, all commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from zprime_recast.errors import InputError
from zprime_recast.model.card import load_model
from zprime_recast.model.slha import read_slha, write_slha
from zprime_recast.model.slha_file import read_slha_file
from zprime_recast.model.widths import decay_widths

sys.path.insert(0, str(Path(__file__).parent))
from small_ufo import write_ufo

#: As SARAH's SPheno writes a spectrum: comments, scales, blocks of words, decays by antiparticle, one-loop decays.
SPECTRUM = """# SUSY Les Houches Accord 2 - B-L Spectrum + Decays
Block SPINFO         # Program information
     1   SPheno      # spectrum calculator
     2   v4.0.5      # version number
Block MINPAR  # Input parameters
    1    1.30000000E-01  # Lambda1IN
Block BLINPUTS
    1    2.00000000E-01  # g_BL
Block GAUGE Q=  1.60000000E+02  # (SUSY Scale)
   1    3.60000000E-01  # g1
Block MASS  # Mass spectrum
#   PDG code      mass          particle
        25     1.25090000E+02  # hh_1
        23     9.11876000E+01  # VZ
         6     1.72500000E+02  # Fu_3
         5     4.70000000E+00
   9900032     1.50000000E+03  # VZp
   9910012     3.00000000E+02
BLOCK ZPRIMELEFT
   1   0.3333333333333333
   2   0.3333333333333333
  11  -1.0
BLOCK ZPRIMERIGHT
   1   0.3333333333333333
   2   0.3333333333333333
  11  -1.0
BLOCK ZPRIME
   1 0.2
DECAY   9900032     1.50000000E+01   # VZp
#    BR                NDA      ID1      ID2
     3.53677651E-02    2          -1         1   # BR(VZp -> Fd_1^* Fd_1 )
     1.06103295E-01    2         -11        11
     5.0E-01           2          9910012  9910012
DECAY1L 9900032     1.7E+01
     1.0    2          -1         1
DECAY        6     1.48000000E+00   # Fu_3
     1.0    2           5        24
"""
UNIT = 0.2**2 * 1500 / (24 * 3.141592653589793)


def point(tmp_path, text, *args):
    path = tmp_path / "spectrum.slha"
    path.write_text(text)
    return read_slha(path, *args)


def test_a_spectrum(tmp_path):
    """Mass, width and coupling; the invisible width is what the charges leave of the total."""
    found = point(tmp_path, SPECTRUM)
    assert (found.mass_gev, found.coupling) == (1500.0, 0.2)
    widths = decay_widths(found.model, 1500.0, 0.2)
    assert widths.total_gev == pytest.approx(15.0, rel=1e-12)
    assert widths.partial_gev["e"] == pytest.approx(2 * UNIT, rel=1e-12)
    assert any("50.00% of the decays are no Standard Model fermion pairs" in note for note in found.notes)
    assert not any("BR(e)" in note for note in found.notes)
    assert not any("BR(d)" in note for note in found.notes)
    wrong = point(tmp_path, SPECTRUM.replace("1.06103295E-01", "5.3E-02"))
    assert "BR(e) is 0.053 in DECAY and 0.1061 from the charges, which are used" in wrong.notes


@pytest.mark.parametrize("pdg_id", [31, 32, 33, 55, 9900032, 5000001, 9000001])
def test_usual_pdg_ids(tmp_path, pdg_id):
    assert point(tmp_path, SPECTRUM.replace("9900032", str(pdg_id))).mass_gev == 1500.0


def test_other_pdg_ids_are_asked_for(tmp_path):
    text = SPECTRUM.replace("9900032", "1234567")
    assert point(tmp_path, text, "1234567").mass_gev == 1500.0
    with pytest.raises(
        InputError, match=r"no Z' under a usual PDG id; give --particle, one of 5, 6, 23, 25, 1234567, 9910012"
    ):
        point(tmp_path, text)
    with pytest.raises(InputError, match="no particle 77 in MASS or DECAY"):
        point(tmp_path, text, "77")
    with pytest.raises(InputError, match="--particle Zp: give a PDG id"):
        point(tmp_path, text, "Zp")
    both = SPECTRUM.replace("        25     1.25090000E+02", "        32     2.0E+03")
    with pytest.raises(InputError, match="which Z'.*32, 9900032"):
        point(tmp_path, both)
    assert point(tmp_path, both, "32").mass_gev == 2000.0
    numbers = "Block QNUMBERS 32 # h2\n 1 0\n 2 1\n 3 1\n 4 0\n"  # a scalar
    assert point(tmp_path, both + numbers).mass_gev == 1500.0


def test_what_is_missing_or_contradicts_is_named(tmp_path):
    without = SPECTRUM.replace("ZPRIMELEFT", "A").replace("ZPRIMERIGHT", "B")
    with pytest.raises(InputError, match=r"couplings of the Z' are missing: give blocks ZPRIMELEFT .* --ufo DIR"):
        point(tmp_path, without)
    for width in ("Auto", "auto", "0.0"):
        found = point(tmp_path, SPECTRUM.replace("DECAY   9900032     1.50000000E+01", f"DECAY 9900032 {width}"))
        assert any("no width in DECAY 9900032" in note for note in found.notes)
    with pytest.raises(InputError, match="less than the .* GeV of its charges; correct one of them, or write Auto"):
        point(tmp_path, SPECTRUM.replace("1.50000000E+01", "1.5E-03"))
    with pytest.raises(InputError, match="the mass of the Z', is missing"):
        point(tmp_path, SPECTRUM.replace("   9900032     1.50000000E+03  # VZp\n", ""))
    other = SPECTRUM.replace("DECAY        6     1.48000000E+00", "DECAY 6 NaN")  # no concern of the Z'
    assert point(tmp_path, other).notes == point(tmp_path, SPECTRUM).notes
    fortran = SPECTRUM.replace("1.50000000E+03", "1.50000000D+03")
    assert point(tmp_path, fortran).mass_gev == 1500.0
    with pytest.raises(InputError, match="line 33.*branching ratio lies between 0 and 1"):
        point(tmp_path, SPECTRUM.replace("5.0E-01 ", "5.0E+01 "))
    twice = SPECTRUM + "Block GAUGE Q= 1.0E+03\n 1 0.37\n"
    assert "block GAUGE stands more than once in spectrum.slha; the first is used" in point(tmp_path, twice).notes


def test_couplings_from_a_ufo_folder(tmp_path):
    """Spectrum and folder together: closed widths of B-L; mass, width and BRs of the file."""
    folder = write_ufo(tmp_path / "BL.v1")
    text = SPECTRUM.replace("ZPRIMELEFT", "A").replace("ZPRIMERIGHT", "B")
    found = point(tmp_path, text, None, folder)
    assert (found.mass_gev, found.coupling) == (1500.0, 1.0)
    widths = decay_widths(found.model, 1500.0, 1.0)
    assert widths.partial_gev["e"] == pytest.approx(2 * UNIT, rel=1e-12)
    assert widths.partial_gev["nu_e"] == pytest.approx(UNIT, rel=1e-12)
    assert widths.partial_gev["N1"] == pytest.approx(UNIT * (1 - 4 * 0.04) ** 1.5, rel=1e-12)
    assert widths.total_gev == pytest.approx(15.0, rel=1e-12)
    assert point(tmp_path, text, "zp", folder).model.fermions == found.model.fermions
    assert any("BLINPUTS 2 (mix = 0)" in note for note in found.notes)


def test_our_files_by_an_independent_reader(tmp_path):
    """pyslha reads what we write and what we read, with the same numbers."""
    pyslha = pytest.importorskip("pyslha")
    (tmp_path / "spectrum.slha").write_text(
        SPECTRUM.replace("DECAY1L 9900032     1.7E+01\n     1.0    2          -1         1\n", "")
    )
    for path in (write_slha(load_model("ssm"), 3000.0, 0.7, tmp_path / "own.slha"), tmp_path / "spectrum.slha"):
        own, other = read_slha_file(path), pyslha.read(str(path))
        for block in ("MASS", "ZPRIME", "ZPRIMELEFT", "ZPRIMERIGHT"):
            assert {code: value for (code,), value in own.values(block).items()} == dict(other.blocks[block].items())
        for pdg_id, decay in own.decays.items():
            assert decay.width_gev == other.decays[pdg_id].totalwidth
            assert decay.ratios == {tuple(sorted(d.ids)): d.br for d in other.decays[pdg_id].decays}


# ---------------------------------------------------------------------------------------------------------------
# Commands


def run(folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "zprime_recast", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [["widths"], ["xsec"], ["cls"], ["limit"], ["show"]])
def test_commands_take_a_file_in_place_of_a_model(tmp_path, words):
    """The numbers of the model it was written from."""
    write_slha(load_model("minimal_bl").with_parameters(gamma_extra=3.0), 2500.0, 0.1, tmp_path / "point.slha")
    code, out, err = run(tmp_path, *words, "--slha", "point.slha", "--json")
    assert code == 0, err
    options = {"widths": ["--mass", "2500", "-g", "0.1"], "xsec": ["-m", "2500", "-g", "0.1"], "cls": ["-m", "2500", "-g", "0.1"],
               "limit": ["-m", "2500"], "show": []}[words[0]]  # fmt: skip
    code, direct, err = run(tmp_path, *words, "minimal_bl", *options, "--set", "gamma_extra=3", "--json")
    assert code == 0, err
    own, reference = json.loads(out), json.loads(direct)
    compared = 0
    for key in ("gamma_gev", "sigma_br_fb", "cls_observed", "coupling_95_observed", "coupling_perturbative"):
        if key in reference:
            assert own[key] == pytest.approx(reference[key], rel=1e-9)
            compared += 1
    assert compared, sorted(reference)


def test_options_that_do_not_fit_are_one_line(tmp_path):
    write_slha(load_model("ssm"), 2500.0, 0.7, tmp_path / "p.slha")
    for words, message in [
        (["widths", "--slha"], "--slha: its value is missing"),
        (["widths", "--slha", "nothing.slha"], "No such file"),
        (["widths", "ssm", "-m", "1000", "--particle", "32"], "--particle: these options need --slha FILE"),
        (["widths", "ssm", "--slha", "p.slha"], "unexpected extra argument"),
        (["widths", "--slha", "p.slha", "--slha", "p.slha"], "--slha is given twice"),
        (["widths", "--slha", "p.slha", "--ufo", "."], "not a UFO model"),
    ]:
        code, out, err = run(tmp_path, *words)
        assert code == 2
        assert out == ""
        assert message in err.splitlines()[-1]
        assert "Traceback" not in err


def test_own_mass_replaces_that_of_the_file(tmp_path):
    write_slha(load_model("ssm"), 2500.0, 0.7, tmp_path / "p.slha")
    for words in (["--mass=3000"], ["-m", "3000"], ["-m3000"]):
        _, out, _ = run(tmp_path, "widths", "--slha=p.slha", *words, "--json")
        assert json.loads(out)["mass_gev"] == 3000.0


def test_every_command_with_a_model_shows_the_option():
    import typer

    from zprime_recast.cli import app

    group = typer.main.get_command(app)
    shown = {n for n, c in group.commands.items() if any("--slha" in p.opts for p in c.params)}
    with_model = {n for n, c in group.commands.items() if any(p.name == "model" for p in c.params)}
    assert (
        shown == with_model >= {"widths", "xsec", "cls", "limit", "contour", "evaluate", "relic", "explore", "summary"}
    )
