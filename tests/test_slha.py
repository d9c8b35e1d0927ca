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
