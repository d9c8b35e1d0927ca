"""Models from UFO: the Standard Model's own Z, and the elusive Z' written as a UFO here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from zprime_recast.errors import InputError
from zprime_recast.model.card import couplings_card, load_model
from zprime_recast.model.ufo import chirality, exotic_notes, model_of, read_ufo
from zprime_recast.model.widths import decay_widths
from zprime_recast.model.zprime import PDG_IDS, SM_FERMIONS

ufo_sm = pytest.importorskip("ufo_sm")
SM_FOLDER = Path(ufo_sm.__file__).parent

ZPRIME_PARTICLES = """
Zp = Particle(pdg_code=32, name='Zp', antiname='Zp', spin=3, color=1, mass=Param.MZp, width=Param.WZp, texname='Zp',
              antitexname='Zp', charge=0, GhostNumber=0, LeptonNumber=0, Y=0)
chi = Particle(pdg_code=5000001, name='chi', antiname='chi~', spin=2, color=1, mass=Param.Mchi, width=Param.ZERO,
               texname='chi', antitexname='chi~', charge=0, GhostNumber=0, LeptonNumber=0, Y=0)
chi__tilde__ = chi.anti()
omega = Particle(pdg_code=5000002, name='omega', antiname='omega~', spin=2, color=1, mass=Param.ZERO, width=Param.ZERO,
                 texname='omega', antitexname='omega~', charge=0, GhostNumber=0, LeptonNumber=0, Y=0)
omega__tilde__ = omega.anti()
"""
for _k in (1, 2, 3):
    ZPRIME_PARTICLES += f"""
N{_k} = Particle(pdg_code=500001{_k}, name='N{_k}', antiname='N{_k}~', spin=2, color=1, mass=Param.MN, width=Param.ZERO,
             texname='N', antitexname='N', charge=0, GhostNumber=0, LeptonNumber=0, Y=0)
N{_k}__tilde__ = N{_k}.anti()
"""

ZPRIME_PARAMETERS = "".join(
    f"""
{name} = Parameter(name='{name}', nature='external', type='real', value={value}, texname='{name}', lhablock='{block}',
                   lhacode=[{code}])
"""
    for name, value, block, code in [
        ("gBL", 0.1, "ZPRIME", 1), ("MZp", 3000.0, "MASS", 32), ("WZp", 10.0, "DECAY", 32), ("Mchi", 1000.0, "MASS", 5000001),
        ("MN", 500.0, "MASS", 5000011),
    ]
)  # fmt: skip


def write_zprime_ufo(folder):
    """The elusive Z': the Standard Model UFO with charges of gauged B-L, as vector, chiral and gamma5 structures."""
    shutil.copytree(SM_FOLDER, folder, ignore=shutil.ignore_patterns("*.pkl", "__pycache__", "restrict_*"))
    additions = {
        "particles.py": ZPRIME_PARTICLES,
        "parameters.py": ZPRIME_PARAMETERS,
        "couplings.py": "",
        "vertices.py": "",
    }
    additions["lorentz.py"] = """
VZp = Lorentz(name='VZp', spins=[2, 2, 3], structure='Gamma(3,2,1)')
AZp = Lorentz(name='AZp', spins=[2, 2, 3], structure='Gamma(3,2,-1)*Gamma5(-1,1)')
LZp = Lorentz(name='LZp', spins=[2, 2, 3], structure='ProjP(2,-1)*Gamma(3,-1,1)')
"""
    states = {name: (Fraction(1, 3) if name in "udscbt" else Fraction(-1)) for name in SM_FERMIONS}
    names = {1: "d", 2: "u", 3: "s", 4: "c", 5: "b", 6: "t", 11: "e__minus__", 13: "mu__minus__", 15: "ta__minus__",
             12: "ve", 14: "vm", 16: "vt"}  # fmt: skip
    anti = {"e__minus__": "e__plus__", "mu__minus__": "mu__plus__", "ta__minus__": "ta__plus__"}
    vertices = []
    for name, charge in states.items():
        particle = names[PDG_IDS[name]]
        structure = "LZp" if name.startswith("nu") else "VZp"
        color = "Identity(1,2)" if charge > 0 else "1"
        vertices.append((particle, anti.get(particle, f"{particle}__tilde__"), color, [(structure, charge)]))
    vertices.append(
        ("chi", "chi__tilde__", "1", [("VZp", Fraction(9, 2)), ("AZp", Fraction(1, 2))])
    )  # q_L = 4, q_R = 5
    vertices.append(("omega", "omega__tilde__", "1", [("LZp", Fraction(4))]))
    vertices += [(f"N{k}", f"N{k}__tilde__", "1", [("VZp", Fraction(-1))]) for k in (1, 2, 3)]
    for i, (particle, antiparticle, color, terms) in enumerate(vertices):
        entries = []
        for j, (_, charge) in enumerate(terms):
            additions["couplings.py"] += (
                f"GZP_{i}_{j} = Coupling(name='GZP_{i}_{j}', value='complex(0,1)*gBL*{charge.numerator}./{charge.denominator}.',"
                " order={'QED': 1})\n"
            )
            entries.append(f"(0,{j}): C.GZP_{i}_{j}")
        structures = ", ".join(f"L.{name}" for name, _ in terms)
        additions["vertices.py"] += (
            f"V_zp{i} = Vertex(name='V_zp{i}', particles=[P.{antiparticle}, P.{particle}, P.Zp], color=['{color}'], "
            f"lorentz=[{structures}], couplings={{{', '.join(entries)}}})\n"
        )
    for file, text in additions.items():
        with (folder / file).open("a") as out:
            out.write("\n" + text)
    return folder


@pytest.fixture(scope="module")
def zprime_folder(tmp_path_factory):
    return write_zprime_ufo(tmp_path_factory.mktemp("ufo") / "Elusive_UFO")


def test_z_of_the_standard_model():
    """Its chiral couplings are g_z (T3 - Q sw2) with the model's own inputs: 1e-8."""
    z, photon = read_ufo(SM_FOLDER, "Z"), read_ufo(SM_FOLDER, "22")
    e = -photon.of("e").g_left
    g_z = 2 * z.of("nu_e").g_left
    sw2 = z.of("e").g_right / g_z
    assert e**2 == pytest.approx(g_z**2 * sw2 * (1 - sw2), rel=1e-8)
    for name, t3, q in [
        ("u", 0.5, 2 / 3),
        ("d", -0.5, -1 / 3),
        ("e", -0.5, -1.0),
        ("b", -0.5, -1 / 3),
        ("nu_mu", 0.5, 0.0),
    ]:
        found = z.of(name)
        assert found.g_left == pytest.approx(g_z * (t3 - q * sw2), abs=1e-8)
        assert found.g_right == pytest.approx(-g_z * q * sw2, abs=1e-8)
        assert photon.of(name).g_left == pytest.approx(q * e, abs=1e-8) if q else True
    assert z.mass_gev == pytest.approx(91.188)
    assert z.notes == ()


def test_elusive_zprime_from_ufo(zprime_folder, tmp_path):
    """Couplings of the card 0.1 x charges to 1e-8; widths of the model are those of the shipped card."""
    boson = read_ufo(zprime_folder)
    assert (boson.name, boson.pdg_id, boson.mass_gev) == ("Zp", 32, 3000.0)
    shipped = load_model("elusive_bl").with_parameters(m_chi=1000.0, m_n=500.0)
    for name in SM_FERMIONS:
        expected = [0.1 * g for g in shipped.couplings(name)]
        assert [boson.of(name).g_left, boson.of(name).g_right] == pytest.approx(expected, abs=1e-8)
    model = model_of(boson, "from_ufo", "test")
    own, reference = decay_widths(model, 3000.0, 1.0), decay_widths(shipped, 3000.0, 0.1)
    assert own.total_gev == pytest.approx(float(reference.total_gev), rel=1e-10)
    assert own.partial_gev["chi"] == pytest.approx(float(reference.partial_gev["chi"]), rel=1e-10)
    card = tmp_path / "mine.toml"
    card.write_text(couplings_card(model, ["a note"]))
    again = load_model(card)
    assert decay_widths(again, 3000.0, 1.0).total_gev == own.total_gev
    assert again.fermions == model.fermions


def test_param_card_changes_the_couplings(zprime_folder, tmp_path):
    card = tmp_path / "param_card.dat"
    card.write_text("BLOCK ZPRIME\n  1 0.25\nBLOCK MASS\n  32 4000.0\n")
    boson = read_ufo(zprime_folder, "32", card)
    assert boson.of("e").g_left == pytest.approx(-0.25, abs=1e-12)
    assert boson.mass_gev == 4000.0


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        ("Gamma(3,2,1)", (1, 1)),
        ("ProjM(-1,1)*Gamma(3,2,-1)-2*ProjP(-1,1)*Gamma(3,2,-1)", (1, -2)),
        ("Gamma(3,2,-1)*Gamma5(-1,1)", (-1, 1)),
        ("ProjM(2,-1)*Gamma(3,-1,1)", (0, 1)),
        ("Gamma(3,2,-1)*(Gamma5(-1,-2)*ProjP(-2,1) + ProjM(-1,1)/4)", (0.25, 1)),
    ],
)
def test_lorentz_structures(structure, expected):
    assert chirality(structure, 3) == pytest.approx(expected)


@pytest.mark.parametrize(
    "structure",
    ["P(3,1)*Identity(2,1)", "Sigma(3,-1,2,1)*P(-1,3)", "Gamma(3,2,1)**2", "1", "Gamma(3,2,-1)*ProjM(-2,1)"],
)
def test_structures_that_are_no_current(structure):
    with pytest.raises(InputError, match="Lorentz structure"):
        chirality(structure, 3)


def test_what_cannot_be_read(zprime_folder, tmp_path):
    with pytest.raises(InputError, match=r"no particle 'Zq'; neutral vector bosons are .*Zp \(32\)"):
        read_ufo(zprime_folder, "Zq")
    with pytest.raises(InputError, match="H is not a neutral, colourless vector boson"):
        read_ufo(zprime_folder, "H")
    with pytest.raises(InputError, match="W\\+ is not a neutral"):
        read_ufo(zprime_folder, "W+")
    with pytest.raises(InputError, match="which boson"):
        read_ufo(SM_FOLDER)
    with pytest.raises(InputError, match=r"particles\.py is missing"):
        read_ufo(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        read_ufo(zprime_folder, None, tmp_path / "nothing.dat")
    broken = tmp_path / "Broken_UFO"
    shutil.copytree(SM_FOLDER, broken, ignore=shutil.ignore_patterns("*.pkl", "__pycache__"))
    (broken / "vertices.py").write_text("raise RuntimeError('boom')\n")
    with pytest.raises(InputError, match="cannot be read as a UFO model"):
        read_ufo(broken, "Z")


def test_exotic_states_are_named(zprime_folder):
    assert exotic_notes(read_ufo(zprime_folder)) == []
    assert exotic_notes(read_ufo(SM_FOLDER, "Z")) == []


def test_from_ufo_command(zprime_folder, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "zprime_recast", "model", "from-ufo", str(zprime_folder), "-o", "mine.toml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "running the Python code" in done.stderr
    model = load_model(tmp_path / "mine.toml")
    np.testing.assert_allclose(model.couplings("e"), [-0.1, -0.1], atol=1e-10)
