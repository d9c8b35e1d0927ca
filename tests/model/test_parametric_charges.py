"""Charges as formulas of parameters: exact where they can be, equal to fixed cards, right published numbers, one-line errors."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from math import atan, cos, pi, sin, sqrt

import numpy as np
import pytest

from zprime_recast.errors import InputError, ZprimeError
from zprime_recast.model.card import load_model, read_model_card
from zprime_recast.model.formula import Formula, Linear
from zprime_recast.model.make import make_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.model.zprime import SM_FERMIONS, Charge, anomaly_sums, perturbative_coupling

PARAMETRIC = ("u1x", "lmu_ltau", "b_3l_mu", "e6_mix", "dmwg", "lr")


def charges(model):
    return {f: (model.fermion(f).q_left, model.fermion(f).q_right) for f in SM_FERMIONS}


# ---------------------------------------------------------------------------------------------------------------
# The grammar


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/3 + r/6", Fraction(5, 12)),
        ("-(r - 1)**2 * 3", Fraction(-3, 4)),
        ("2**-3 * r", Fraction(1, 16)),
        ("sqrt(4/9) + sqrt(r/2)", Fraction(7, 6)),
        ("cos(0) + sin(r - 1/2) - tan(0)", Fraction(1)),
        ("0.1 + .2", Fraction(3, 10)),
        ("1e-2", Fraction(1, 100)),
    ],
)
def test_exact_values(text, expected):
    assert Formula(text).value({"r": Linear(Fraction(1, 2))}, 0.23) == Linear(expected)


def test_values_with_the_weinberg_angle_stay_linear():
    one, sw2 = Fraction(1), 0.23129
    values = {"r": Linear(one / 2), "sw2": Linear(Fraction(0), one)}
    assert Formula("-1/2 + 2*r*sw2").value(values, sw2) == Linear(-one / 2, one)
    assert Formula("sw2*sw2").value(values, sw2) == pytest.approx(sw2**2, rel=1e-15)
    assert Formula("sqrt(sw2/(1 - sw2))").value(values, sw2) == pytest.approx(sqrt(sw2 / (1 - sw2)), rel=1e-15)
    assert str(Charge.parse("-1/2 + 2*sw2")) == "-1/2 + 2 sw2"


@pytest.mark.parametrize("text", [
    "__import__('os')", "r.real", "(1).bit_length()", "[1][0]", "lambda: 1", "r if r else 1", "f'{r}'", "1 < 2", "r or 1",
    "eval('1')", "sqrt", "sqrt()", "sqrt(1, 2)", "sqrt(x=1)", "1 +", "", "r r", "1j", "'1'", "True", "None", "2 % 2", "7 // 2", "~1",
    "exp(1)", "x := 1", "*r", "(" * 300 + "1" + ")" * 300, "1+" * 500 + "1", "r\x00", "1;2", "1\n2",
])  # fmt: skip
def test_what_is_no_formula(text):
    with pytest.raises(InputError) as caught:
        Formula(text).value({"r": Linear(Fraction(1))}, 0.23)
    assert "\n" not in " ".join(str(caught.value).split())


@pytest.mark.parametrize("text", ["1/(r-1)", "sqrt(-r)", "r**0.5/(r-1)", "(-r)**0.5", "(0*r)**-1", "((((9**16)**16)**16)**16)", "9**9**9", "x + r",
                                  "tan(pi/2)**99"])  # fmt: skip
def test_values_that_do_not_exist(text):
    with pytest.raises(InputError):
        Formula(text).value({"r": Linear(Fraction(1)), "pi": pi}, 0.23)


# ---------------------------------------------------------------------------------------------------------------
# Cards against fixed cards and published numbers


def test_b_minus_l_is_a_point_of_u1x():
    """Bit by bit the card of B-L; r = -4/5 is U(1)_chi and r = -2 is U(1)_R."""
    u1x, bl = load_model("u1x"), load_model("minimal_bl")
    assert charges(u1x) == charges(bl)
    own, fixed = decay_widths(u1x, 2000.0, 0.1), decay_widths(bl, 2000.0, 0.1)
    assert {k: float(v) for k, v in own.partial_gev.items()} == {k: float(v) for k, v in fixed.partial_gev.items()}
    chi = load_model("e6_chi")
    at = u1x.with_parameters(r="-4/5")
    for f in SM_FERMIONS:
        assert [5 * q.rational for q in charges(at)[f]] == [-q.rational for q in charges(chi)[f]] or f.startswith("nu")
    assert at.fermion("u").q_left.rational == Fraction(1, 5)
    right = charges(u1x.with_parameters(r=-2))
    assert [right[f][0].rational for f in ("u", "d", "e", "nu_e")] == [0, 0, 0, 0]
    assert [right[f][1].rational for f in ("u", "d", "e")] == [-1, 1, 1]


def test_e6_at_its_named_angles():
    """chi, psi, eta, N and I of arXiv:0801.1345, Table 1, to 1e-14; the shipped cards hold them as fractions."""
    mix = load_model("e6_mix")
    for name, theta, sign in [("e6_chi", 0.0, 1), ("e6_psi", pi / 2, 1), ("e6_eta", -atan(sqrt(5 / 3)), 1),
                              ("e6_n", atan(sqrt(15)), 1), ("e6_i", atan(sqrt(3 / 5)), -1)]:  # fmt: skip
        at, fixed = mix.with_parameters(theta=theta), load_model(name)
        for f in SM_FERMIONS:
            assert at.couplings(f) == pytest.approx([sign * g for g in fixed.couplings(f)], abs=1e-14), (name, f)
        assert all(abs(value) < 1e-14 for value in anomaly_sums(at).values())
    assert mix.with_parameters(theta=0.3).fermion("u").q_left.rational == Fraction(
        -cos(0.3) / sqrt(40) + sin(0.3) / sqrt(24)
    )


def test_dark_matter_working_group():
    """V2 bit by bit; the total width of V1 by eqs. (2.3), (2.5) of arXiv:1603.04156, with the masses of the package."""
    assert charges(load_model("dmwg")) == charges(load_model("dm_vector"))
    v1, m = load_model("dmwg").with_parameters(g_q=0.25, g_l=0, m_dm=10), 1000.0

    def width(g, mass, colors):
        return colors * g**2 * m / (12 * pi) * sqrt(1 - 4 * (mass / m) ** 2) * (1 + 2 * (mass / m) ** 2)

    masses = v1.sm.fermion_mass_gev
    expected = sum(width(0.25, masses[q], 3) for q in "udscbt") + width(1.0, 10.0, 1)
    assert decay_widths(v1, m, 1.0).total_gev == pytest.approx(expected, rel=1e-12)
    assert decay_widths(v1, m, 1.0).branching_ratios["mu"] == 0


def test_left_right_model():
    """kappa = 1 is the card with alpha = 1.52433 of the reference, to its ten digits."""
    own, fixed = load_model("lr"), load_model("lr_symmetric")
    for f in SM_FERMIONS:
        assert own.couplings(f) == pytest.approx(fixed.couplings(f), abs=2e-10)
    alpha = sqrt((1 - 0.23129) / 0.23129 - 1)
    assert alpha == pytest.approx(1.52433, abs=5e-5)
    with pytest.raises(InputError, match="kappa must be >= 0.55"):
        own.with_parameters(kappa=0.5)


def test_lepton_flavour_models():
    """L_mu - L_tau: BR(mu mu) = 1/3 above thresholds; B - 3 L_mu: 18 of 40 parts to muons, 4 to quarks, 9 each to nu, N."""
    ratios = decay_widths(load_model("lmu_ltau"), 1e5, 0.1).branching_ratios
    assert ratios["mu"] == pytest.approx(1 / 3, rel=1e-6)
    assert ratios["e"] == ratios["u"] == 0
    ratios = decay_widths(load_model("b_3l_mu"), 1e5, 0.1).branching_ratios
    assert ratios["mu"] == pytest.approx(18 / 40, rel=1e-5)
    assert ratios["N"] == pytest.approx(9 / 40, rel=1e-5)


@pytest.mark.parametrize("name", ["u1x", "lmu_ltau", "b_3l_mu"])
def test_anomaly_sums_vanish_identically(name):
    """Polynomials of degree 3 that are 0 at ten fractions are 0; a wrong charge is seen."""
    model = load_model(name)
    for k in range(-4, 6):
        sums = anomaly_sums(model.with_parameters(r=Fraction(k, 7)))
        assert all(isinstance(value, Fraction) and value == 0 for value in sums.values()), sums


@pytest.mark.parametrize("name", PARAMETRIC)
def test_a_card_evaluated_at_a_point_equals_the_fixed_card(name, tmp_path):
    """At other values of the parameters: charges of a card of fixed numbers, computed here in Python."""
    model = load_model(name)
    moved = model.with_parameters({p: 0.7 for p in model.charge_parameters})
    fixed = make_model("fixed", {}, generations={
        g + 1: {f"{s}_{side}": (moved.fermion(f).q_left if side == "left" else moved.fermion(f).q_right).rational
                for s, f in zip(("u", "d", "e", "nu"), names, strict=True) for side in ("left", "right") if (s, side) != ("nu", "right")}
        for g, names in enumerate((("u", "d", "e", "nu_e"), ("c", "s", "mu", "nu_mu"), ("t", "b", "tau", "nu_tau")))
    }, u1=False)  # fmt: skip
    assert [moved.couplings(f) for f in SM_FERMIONS] == [fixed.couplings(f) for f in SM_FERMIONS]
    assert moved.digest() != model.digest()
    back = moved.with_parameters({p: model.parameter(p) for p in model.charge_parameters})
    assert back.fermions == model.fermions
    assert perturbative_coupling(moved) > 0


@pytest.mark.parametrize("name", ["ssm", "lr", "u1x"])
def test_couplings_card_keeps_charges_with_sw2(name, tmp_path):
    from zprime_recast.model.card import couplings_card

    model = load_model(name)
    if name == "u1x":
        with pytest.raises(InputError, match="the mass of N is a parameter"):
            couplings_card(model)
        return
    (tmp_path / "c.toml").write_text(couplings_card(model))
    again = load_model(tmp_path / "c.toml")
    assert [again.couplings(f) for f in SM_FERMIONS] == [model.couplings(f) for f in SM_FERMIONS]


def test_parameters_may_be_fractions_or_negative():
    model = load_model("u1x")
    assert model.with_parameters(r="-1/3").fermion("u").q_left.rational == Fraction(5, 18)
    assert model.with_parameters(r=0.1).fermion("u").q_left.rational == Fraction(7, 20)
    with pytest.raises(InputError, match="m_n must be >= 0"):
        model.with_parameters(m_n=-1)
    with pytest.raises(InputError, match="r must be a number or a fraction"):
        model.with_parameters(r="1/0")
    with pytest.raises(InputError, match="r must be finite"):
        model.with_parameters(r="nan")


CARD = """schema = 1
id = "x"
reference = "r"
kind = "couplings"
[charges]
q_left = "a/b"
[definitions]
b = "2*c"
[parameters.a]
default = 1
[parameters.c]
default = 1
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"a/b"', '"a/d"', "charges.q_left: found 'a/d'.*d is no parameter of the card"),
        ('"a/b"', '"a/(b-2)"', r"'a/\(b-2\)': division by zero"),
        ('"a/b"', '"b"', "parameter a of x is neither a mass nor in the formula of a charge"),
        ('"2*c"', '"2*b"', "definitions b depend on each other in a circle"),
        ('"2*c"', '"2*c+d"', "definitions.b: found .*d is none of them"),
        ('"a/b"', '"a/b c"', "charges.q_left: .*is not a formula"),
        ('"a/b"', '"sqrt(a-b)"', "no real number"),
        ("default = 1\n[parameters.c]", "default = 1\nhigh = 0.5\n[parameters.c]", "parameters.a.default"),
        (
            "[parameters.a]",
            "[parameters.pi]\ndefault = 1\n[parameters.a]",
            "pi of x is neither a mass|pi has a meaning already",
        ),
        ('b = "2*c"', "b = 2", "definitions.b"),
    ],
)
def test_bad_cards_are_one_line(tmp_path, old, new, message):
    path = tmp_path / "x.toml"
    path.write_text(CARD)
    assert read_model_card(path).fermion("u").q_left == Charge(Fraction(1, 2))
    assert old in CARD
    path.write_text(CARD.replace(old, new))
    with pytest.raises(ZprimeError, match=message) as caught:
        read_model_card(path)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------------------------
# Commands


def run(folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "zprime_recast", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_commands_take_the_parameters(tmp_path):
    _, out, _ = run(tmp_path, "show", "u1x", "--set", "r=-4/5")
    assert "= 1/3 + r/6" in out
    assert "gravity 0, u1_cubed 0" in out
    code, out, _ = run(tmp_path, "xsec", "u1x", "-m", "2000", "-g", "0.1", "--set", "r=0.0", "--json")
    _, fixed, _ = run(tmp_path, "xsec", "minimal_bl", "-m", "2000", "-g", "0.1", "--json")
    assert json.loads(out)["sigma_br_fb"] == json.loads(fixed)["sigma_br_fb"]
    code, _, err = run(tmp_path, "show", "lr", "--set", "kappa=0.1")
    assert (code, len(err.splitlines())) == (2, 1)


def test_a_column_for_each_parameter(tmp_path, searches):
    """Rows with different charges: each as its own model; a negative value is one, a word is an error of its row."""
    from zprime_recast.limits.hypothesis import cls
    from zprime_recast.scan.evaluate import evaluate

    r = np.array([0.0, -0.8, 0.0, 0.4])
    table = evaluate(
        {"mass_gev": np.full(4, 2500.0), "coupling": np.full(4, 0.05), "r": r}, searches, "u1x", calculator="asymptotic"
    )
    expected = [
        cls(load_model("u1x").with_parameters(r=x), 2500.0, 0.05, searches, calculator="asymptotic").cls_observed
        for x in r
    ]
    np.testing.assert_allclose(table["cls_observed"], expected, rtol=1e-6, atol=1e-9)
    assert len(set(np.round(expected, 6))) == 3
