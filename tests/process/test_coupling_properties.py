"""What holds of every Z': sign flips, scalings and relabellings of its charges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprime_recast.model.make import make_model
from zprime_recast.model.standard_model import standard_model
from zprime_recast.partons.luminosity import LuminosityTable
from zprime_recast.process.couplings import coupling_products, products_of
from zprime_recast.process.cross_section import sigma_br_full, spectrum
from zprime_recast.process.poles import pole

few = settings(max_examples=25, deadline=None, derandomize=True, database=None)

FLAVORS = ("d", "u", "s", "c", "b")
KEYS = ("u_left", "u_right", "d_left", "d_right", "e_left", "e_right")
#: Fractions between -3 and 3, and none too close to 0 to be told from it.
charges = st.fixed_dictionaries({key: st.fractions(-3, 3, max_denominator=12) for key in KEYS})
M_LL = np.array([60.0, 91.0, 300.0, 980.0, 1000.0, 1500.0, 4000.0])
POLE = (1000.0, 0.3, 20.0)


def all_beams():
    mass = np.geomspace(50.0, 12000.0, 50)
    values = np.array([0.5, 0.9, 0.1, 0.05, 0.02])[:, None] * np.exp(-mass / 2000.0)
    return LuminosityTable(mass, values, values, 13000.0, "invented", 0, "invented", 1.0)


BEAMS = all_beams()


def model_of(values, **more):
    return make_model("random", values, u1=False, **more)


def flipped(values, *prefixes):
    return {key: -value if key.startswith(prefixes) else value for key, value in values.items()}


def products(model, lepton="e"):
    """|Z'|^2, and the products with photon and Z, per quark flavour."""
    return parts(coupling_products(model, lepton))


def parts(found):
    return found.summed.zprime_squared, found.summed.zprime_photon, found.summed.zprime_z


def spectra(model, gamma=POLE[2], lepton="e"):
    """fb/GeV of Z' alone, of its interference, of the Standard Model, and of all."""
    mass, g, _ = POLE
    each = {
        name: spectrum(model, mass, g, M_LL, BEAMS, name, lepton, gamma) for name in ("zprime", "signal", "sm", "full")
    }
    return each["zprime"], each["signal"] - each["zprime"], each["sm"], each["full"]


@few
@given(charges)
def test_a_flip_of_all_charges_changes_nothing(values):
    """A redefinition of the field: |Z'|^2 and the interference contain products of two charges only."""
    one, other = model_of(values), model_of(flipped(values, "u", "d", "e"))
    for a, b in zip(products(one), products(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
    for a, b in zip(spectra(one), spectra(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-30)


@few
@given(charges)
def test_a_flip_of_the_leptons_turns_the_interference(values):
    """Charges of the leptons alone, or of the quarks alone, with the other sign: |Z'|^2 stays, the interference with
    photon and Z changes its sign.
    """
    one = model_of(values)
    for prefixes in (("e",), ("u", "d")):
        other = model_of(flipped(values, *prefixes))
        squared, photon, z = products(other)
        expected = products(one)
        np.testing.assert_allclose(squared, expected[0], rtol=1e-12)
        np.testing.assert_allclose(photon, -expected[1], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(z, -expected[2], rtol=1e-12, atol=1e-15)
        zprime, interference, sm, _ = spectra(other)
        before = spectra(one)
        np.testing.assert_allclose(zprime, before[0], rtol=1e-12)
        scale = np.abs(before[0]) + np.abs(before[1])
        np.testing.assert_allclose(interference, -before[1], atol=1e-9 * scale.max() + 1e-30)
        np.testing.assert_allclose(sm, before[2], rtol=1e-12)


@few
@given(charges)
def test_one_quark_flipped_turns_its_own_flavours(values):
    squared, photon, z = products(model_of(flipped(values, "u")))
    expected = products(model_of(values))
    sign = np.array([-1.0 if flavor in ("u", "c") else 1.0 for flavor in FLAVORS])
    np.testing.assert_allclose(squared, expected[0], rtol=1e-12)
    np.testing.assert_allclose(photon, sign * expected[1], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(z, sign * expected[2], rtol=1e-12, atol=1e-15)


@few
@given(charges, st.sampled_from([2, 3, 5]))
def test_charges_times_k_are_a_coupling_times_k(values, k):
    """|Z'|^2 grows as k^4, interference as k^2; the same as a coupling k g."""
    one, other = model_of(values), model_of({key: k * value for key, value in values.items()})
    powers = (k**4, k**2, k**2)
    for power, a, b in zip(powers, products(one), products(other), strict=True):
        np.testing.assert_allclose(b, power * a, rtol=1e-12, atol=1e-15)
    mass, g, gamma = POLE
    a = spectrum(one, mass, k * g, M_LL, BEAMS, gamma_gev=gamma)
    b = spectrum(other, mass, g, M_LL, BEAMS, gamma_gev=gamma)
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11 * np.abs(a).max())


@few
@given(charges)
def test_products_by_hand(values):
    """Four chirality amplitudes, term by term, those of equal and of opposite chirality apart; the photon is e^2 Q_q Q_l, the Z g_z^2 (T3 - Q sw2)(...)."""
    sm = standard_model()
    q = {key: float(value) for key, value in values.items()}
    e2, sw2 = 4 * np.pi * sm.alpha_em, sm.sin2_theta_w
    found = coupling_products(model_of(values))
    for k, flavor in enumerate(FLAVORS):
        up = flavor in ("u", "c")
        charge, isospin = (2 / 3, 0.5) if up else (-1 / 3, -0.5)
        quark = [q[("u" if up else "d") + side] for side in ("_left", "_right")]
        expected = np.zeros((2, 3))
        for i, t_quark in enumerate((isospin, 0.0)):
            for j, t_lepton in enumerate((-0.5, 0.0)):
                both = quark[i] * q["e" + ("_left", "_right")[j]]
                z = e2 / (sw2 * (1 - sw2)) * (t_quark - charge * sw2) * (t_lepton + sw2)
                expected[int(i != j)] += np.array([both**2, both * e2 * -charge, both * z])
        np.testing.assert_allclose(found.same.values[:, k], expected[0], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(found.opposite.values[:, k], expected[1], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(found.summed.values[:, k], expected.sum(axis=0), rtol=1e-10, atol=1e-13)


@few
@given(charges, st.lists(st.fractions(-2, 2, max_denominator=5), min_size=2, max_size=2))
def test_leptons_are_told_apart(values, muon):
    """Own charges of the second generation change muons and c, s quarks, and nothing else."""
    own = {**values, "e_left": muon[0], "e_right": muon[1]}
    model = model_of(values, generations={2: {"e_left": muon[0], "e_right": muon[1]}})
    for lepton, like in (("e", values), ("mu", own), ("tau", values)):
        for a, b in zip(products(model, lepton), products(model_of(like)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


@few
@given(charges)
def test_relabelled_generations(values):
    """Charges of one generation given to another: u and c (d and s) trade their products."""
    other = {"u_left": 2, "u_right": -1, "d_left": 1, "d_right": 3}
    first = products(model_of(values, generations={1: other}))
    second = products(model_of(values, generations={2: other}))
    relabelled = [FLAVORS.index(f) for f in ("s", "c", "d", "u", "b")]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b[relabelled], rtol=1e-12, atol=1e-15)


@few
@given(st.lists(charges, min_size=1, max_size=5))
def test_many_models_at_once_are_each_alone(all_values):
    """(5, 2, n) and (2, n) give the same numbers, row by row."""
    each = [model_of(values) for values in all_values]
    quarks = np.array([[m.couplings(f) for f in FLAVORS] for m in each]).transpose(1, 2, 0)
    leptons = np.array([m.couplings("e") for m in each]).T
    together = products_of(quarks, leptons, each[0].sm)
    for i, model in enumerate(each):
        alone, own = coupling_products(model), together.rows(slice(i, i + 1))
        for a, b in ((own.same, alone.same), (own.opposite, alone.opposite), (own.summed, alone.summed)):
            np.testing.assert_allclose(a.values[:, 0], b.values, rtol=1e-12, atol=1e-15)


@few
@given(charges, st.floats(1e-3, 300.0))
def test_rates_are_positive_and_the_interference_is_bounded(values, gamma):
    """|SM + Z'|^2 >= 0 at every mass, and the interference is at most twice the geometric mean of both: Cauchy and
    Schwarz, over chiralities and flavours.
    """
    zprime, interference, sm, full = spectra(model_of(values), gamma)
    assert (full >= -1e-12 * sm).all()
    assert (zprime >= 0).all()
    assert (np.abs(interference) <= 2 * np.sqrt(zprime * sm) * (1 + 1e-9) + 1e-9 * (zprime + sm)).all()


@few
@given(charges, st.floats(0.01, 200.0))
def test_windows_add_up(values, gamma):
    """A signal from 600 to 1400 GeV is the sum of its halves, cut on the pole: 1e-7."""
    mass, g, _ = POLE
    model = model_of(values)
    whole, low, high = (
        float(sigma_br_full(model, mass, g, BEAMS, True, window, gamma_gev=gamma))
        for window in ((600.0, 1400.0), (600.0, mass), (mass, 1400.0))
    )
    assert whole == pytest.approx(low + high, rel=1e-7, abs=1e-7 * (abs(low) + abs(high)))


@few
@given(st.floats(100.0, 6000.0), st.floats(1e-4, 0.5), st.floats(0.05, 5.0))
def test_a_running_width_is_a_pole(mass, ratio, x):
    """residue/(s - m^2 + i m gamma) = 1/(s - M^2 + i s Gamma/M) at every s."""
    m, gamma, residue = pole(mass, ratio * mass, True)
    s = (x * mass) ** 2
    expected = 1 / (s - mass**2 + 1j * s * ratio)
    assert complex(residue / (s - m**2 + 1j * m * gamma)) == pytest.approx(expected, rel=1e-9)
