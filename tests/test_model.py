from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from zprime_recast.errors import CardError, InputError, UnknownName
from zprime_recast.model.card import list_models, load_model, read_model_card
from zprime_recast.model.make import make_model
from zprime_recast.model.zprime import Charge, Fermion, anomaly_sums, perturbative_coupling

B_MINUS_L = {"q_left": "1/3", "u_right": "1/3", "d_right": "1/3", "l_left": -1, "e_right": -1}


@pytest.mark.parametrize("model_id", ["elusive_bl", "minimal_bl", "e6_psi", "e6_chi", "e6_eta", "e6_i", "e6_n", "e6_s"])
def test_anomaly_sums_vanish_exactly(model_id):
    """Eqs. (2.3), (2.4) of arXiv:1707.08606 and the mixed ones, in exact fractions."""
    assert set(anomaly_sums(load_model(model_id)).values()) == {Fraction(0)}


def test_anomaly_sums_of_a_broken_card_do_not_vanish():
    sums = anomaly_sums(make_model("broken", {**B_MINUS_L, "d_right": "2/3"}))
    assert sums["gravity"] == -3 - 3  # no right-handed neutrinos: -3; three colours, three d_R with 1/3 too much: -3
    assert sums["su3_squared"] == -1
    assert sums["hypercharge_squared"] == Fraction(-1, 3)
    assert sums["su2_squared"] == 0


def test_without_right_handed_neutrinos_b_minus_l_is_anomalous():
    sums = anomaly_sums(make_model("bl", B_MINUS_L))
    assert (sums["gravity"], sums["u1_cubed"]) == (-3, -3)
    assert sums["su3_squared"] == sums["su2_squared"] == sums["hypercharge_squared"] == sums["hypercharge"] == 0


def test_couplings_model_has_no_anomaly_sums():
    with pytest.raises(InputError, match="not a U"):
        anomaly_sums(load_model("ssm"))


def test_every_shipped_card_loads_and_names_itself():
    models = list_models()
    assert {"elusive_bl", "minimal_bl", "ssm", "lr_symmetric", "dm_vector", "dm_axial"} <= set(models)
    assert {f"e6_{name}" for name in ("psi", "chi", "eta", "i", "n", "s")} <= set(models)
    for name, path in models.items():
        model = load_model(path)
        assert model.id == name
        assert model.reference
        assert model.digest() == load_model(name).digest()


def test_ssm_couplings_are_those_of_the_z():
    model = load_model("ssm")
    sw2 = model.sm.sin2_theta_w
    np.testing.assert_allclose(model.couplings("u"), [0.5 - 2 / 3 * sw2, -2 / 3 * sw2], rtol=1e-14)
    np.testing.assert_allclose(model.couplings("b"), [-0.5 + 1 / 3 * sw2, 1 / 3 * sw2], rtol=1e-14)
    np.testing.assert_allclose(model.couplings("mu"), [-0.5 + sw2, sw2], rtol=1e-14)
    np.testing.assert_allclose(model.couplings("nu_tau"), [0.5, 0.0], rtol=1e-14)
    assert model.reference_coupling == pytest.approx(0.743, abs=0.001)


@pytest.mark.parametrize(
    ("name", "cos", "sin"),
    [
        ("eta", np.sqrt(3 / 8), -np.sqrt(5 / 8)),
        ("i", -np.sqrt(5 / 8), -np.sqrt(3 / 8)),
        ("n", 1 / 4, np.sqrt(15) / 4),
        ("s", 9 / np.sqrt(96), np.sqrt(15 / 96)),
    ],
)
def test_e6_models_are_mixtures_of_chi_and_psi(name, cos, sin):
    """Q = cos Q_chi + sin Q_psi for every fermion; arXiv:0801.1345, section on E6."""
    chi, psi, mixed = (load_model(f"e6_{n}") for n in ("chi", "psi", name))
    for fermion in ("u", "d", "e", "nu_e"):
        expected = cos * np.array(chi.couplings(fermion)) + sin * np.array(psi.couplings(fermion))
        np.testing.assert_allclose(mixed.couplings(fermion), expected, atol=1e-14)


def test_left_right_symmetric_charges():
    """Q = sqrt(3/5) [alpha T3R - (B-L)/(2 alpha)], alpha^2 = cot^2(theta_W) - 1: 1e-11."""
    model = load_model("lr_symmetric")
    sw2 = model.sm.sin2_theta_w
    alpha = np.sqrt((1 - 2 * sw2) / sw2)
    for name, t3r, b_minus_l in (("u", 0.5, 1 / 3), ("d", -0.5, 1 / 3), ("e", -0.5, -1.0)):
        left, right = (np.sqrt(3 / 5) * (alpha * t - b_minus_l / (2 * alpha)) for t in (0.0, t3r))
        np.testing.assert_allclose(model.couplings(name), [left, right], atol=1e-11)


def test_e6_charges_are_orthonormal():
    """Over a 27-plet tr(Q_psi Q_chi) = 0 and tr Q_psi^2 = tr Q_chi^2 = 3: the normalisation of E6."""
    psi, chi = load_model("e6_psi"), load_model("e6_chi")

    def trace(a, b):
        total = Fraction(0)
        for x, y in zip(a.fields, b.fields, strict=True):
            if x.name.endswith(("_2", "_3")):
                continue  # one generation of the Standard Model fields
            copies = x.multiplicity // 3 if x.multiplicity >= 3 else x.multiplicity
            total += copies * x.colors * x.isospin_states * x.charge * y.charge
        return total

    assert trace(psi, psi) * psi.charge_norm_squared == 3
    assert trace(chi, chi) * chi.charge_norm_squared == 3
    assert trace(psi, chi) == 0


def test_perturbativity_of_the_elusive_model():
    """Largest charge 5 (chi_R): g < sqrt(2 pi)/5 = 0.50, the line of the paper's figure 2."""
    assert perturbative_coupling(load_model("elusive_bl")) == pytest.approx(np.sqrt(2 * np.pi) / 5, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "rational", "sw2"),
    [("1/3", "1/3", 0), (-1, -1, 0), ("-2/3*sw2", 0, "-2/3"), ("1/2 - 2/3*sw2", "1/2", "-2/3"), ("sw2", 0, 1),
     ("-1/2 + sw2", "-1/2", 1), ("-sw2", 0, -1)],
)  # fmt: skip
def test_charges_parse(text, rational, sw2):
    assert Charge.parse(text) == Charge(Fraction(rational), Fraction(sw2))


@pytest.mark.parametrize("text", ["", "x", "1/0", "1.5.2", "2*sw", "1/3 +", 0.5, None, True, "nan"])
def test_inexact_charges_are_refused(text):
    with pytest.raises(ValueError, match="not an exact charge"):
        Charge.parse(text)


def test_user_card_equals_shipped_one(tmp_path):
    source = list_models()["elusive_bl"].read_text()
    card = tmp_path / "mine.toml"
    card.write_text(source)
    assert load_model(card).digest() == load_model("elusive_bl").digest()


def test_generation_dependent_charges(tmp_path):
    card = tmp_path / "third.toml"
    card.write_text(
        'schema = 1\nid = "third"\nkind = "u1"\nreference = "x"\n[charges]\nq_left = 0\n[charges_generation_3]\nq_left = "1/3"\n'
        'u_right = "1/3"\nd_right = "1/3"\nl_left = -1\ne_right = -1\n[[dark]]\nname = "nu_R"\nkind = "majorana"\nq_right = -1\n'
    )
    model = load_model(card)
    assert model.couplings("u") == (0, 0)
    assert model.couplings("t") == model.couplings("b") == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert set(anomaly_sums(model).values()) == {Fraction(0)}


def test_parameters_are_set_on_a_copy(elusive):
    changed = elusive.with_parameters(m_chi=1000.0, gamma_extra=3.0)
    assert changed.parameter("m_chi") == 1000.0
    assert changed.gamma_extra_gev == 3.0
    assert elusive.parameter("m_chi") == 5000.0
    assert changed.digest() != elusive.digest()
    with pytest.raises(UnknownName, match="did you mean 'm_chi'"):
        elusive.with_parameters(m_ch=1.0)
    for bad in (-1.0, np.nan, np.inf, "x"):
        with pytest.raises(InputError):
            elusive.with_parameters(m_chi=bad)


def test_python_objects_are_checked():
    with pytest.raises(UnknownName, match="multiplet"):
        make_model("x", {"quark": 1})
    with pytest.raises(InputError, match=r"charge q_left = 0\.3"):
        make_model("x", {"q_left": 0.3})
    with pytest.raises(InputError, match="without sw2"):
        make_model("x", {"q_left": "sw2"})
    twin = Fermion("u", "dirac", Charge(Fraction(1)), Charge(Fraction(1)))
    with pytest.raises(InputError, match="two fermions of one name"):
        make_model("x", B_MINUS_L, dark=(twin,))


GOOD = 'schema = 1\nid = "x"\nkind = "u1"\nreference = "r"\n[charges]\nq_left = 1\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 2\n", "schema: found 2, expected 1"),
        ("id = 3", "schema: found no such key"),
        ("schema = 1\n[[", "broken TOML"),
        (GOOD.replace('"x"', "7"), "id: found 7, expected a string"),
        (GOOD.replace('"u1"', '"su5"'), "kind: found 'su5', expected one of u1, couplings"),
        (GOOD + "[extra]\n", "extra: found an unknown key"),
        (GOOD + "w_left = 1\n", "charges.w_left: found an unknown key"),
        (GOOD + "u_right = 0.3\n", "charges.u_right: found 0.3, expected an integer"),
        (GOOD + 'u_right = "one"\n', "charges.u_right"),
        (GOOD + '[[dark]]\nname = "X"\nkind = "weyl"\nq_left = 1\nmass = 3.0\n', r"dark\[0\].mass: found 3.0"),
        (GOOD + '[[dark]]\nname = "X"\nkind = "weyl"\nq_left = 1\nq_right = 1\n', r"dark\[0\].kind"),
        (GOOD + '[[dark]]\nname = "X"\nkind = "dirac"\nq_left = 1\nmass = "m_x"\n', "m_x"),
        (GOOD + '[[dark]]\nname = "X"\nkind = "dirac"\nmass = -1.0\n', r"dark\[0\].mass: found -1.0"),
        (GOOD + "[parameters.m_x]\ndefault = nan\n", "parameters.m_x.default: found nan"),
        (GOOD + "[parameters.m_x]\ndefault = true\n", "parameters.m_x.default: found True"),
    ],
)
def test_broken_cards_are_explained(tmp_path, text, message):
    path = tmp_path / "card.toml"
    path.write_text(text)
    with pytest.raises(CardError, match=message) as error:
        read_model_card(path)
    assert error.value.path == path
    assert "\n" not in str(error.value)


def test_unknown_model_suggests_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'elusive_bl'"):
        load_model("elusive-bl")
