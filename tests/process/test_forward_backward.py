"""The forward-backward asymmetry of q qbar -> l- l+ against the textbook and against the angle itself."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.model.card import load_model
from zprime_recast.process.amplitudes import forward_backward_asymmetry, partonic_sm, partonic_zprime
from zprime_recast.process.couplings import coupling_products

#: Electric charge and isospin, d u s c b.
QUARKS = [(-1 / 3, -0.5), (2 / 3, 0.5)] * 2 + [(-1 / 3, -0.5)]


@pytest.fixture(scope="module")
def ssm():
    return load_model("ssm")


def vector_axial(charge, isospin, sw2):
    return isospin - 2 * charge * sw2, isospin


def polarisation(charge, isospin, sw2):
    """A_f = 2 v a/(v^2 + a^2)."""
    v, a = vector_axial(charge, isospin, sw2)
    return 2 * v * a / (v**2 + a**2)


def test_zprime_of_the_standard_model_at_its_pole(ssm):
    """A_FB = 3/4 A_q A_l, Phys. Rept. 427 (2006) 257, eq. (1.60); a quark of charge 2/3 has A = 0.67, a lepton 0.15."""
    sw2 = ssm.sm.sin2_theta_w
    lepton = polarisation(-1.0, -0.5, sw2)
    expected = [0.75 * polarisation(*quark, sw2) * lepton for quark in QUARKS]
    products = coupling_products(ssm)
    found = forward_backward_asymmetry([products.same.zprime_squared, products.opposite.zprime_squared])
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert 0.05 < found[1] < found[0] < 0.13


@pytest.mark.parametrize("m_ll", [30.0, 80.0, 91.1876, 100.0, 500.0])
def test_photon_and_z_are_the_textbook_formula(ssm, m_ll):
    """Ellis, Stirling, Webber, QCD and Collider Physics, section 8.3, by vector and axial couplings, without a
    chirality: dsigma/dc = A_0 (1 + c^2) + A_1 c, so that A_FB = 3/8 A_1/A_0.
    """
    sm, s = ssm.sm, m_ll**2
    sw2 = sm.sin2_theta_w
    kappa = 1 / (4 * sw2 * (1 - sw2))  # g_z^2/(4 e^2)
    chi = kappa * s / (s - sm.m_z_gev**2 + 1j * sm.m_z_gev * sm.gamma_z_gev)
    v_l, a_l = vector_axial(-1.0, -0.5, sw2)
    expected = []
    for charge, isospin in QUARKS:
        v, a = vector_axial(charge, isospin, sw2)
        even = charge**2 - 2 * charge * v * v_l * chi.real + (a**2 + v**2) * (a_l**2 + v_l**2) * abs(chi) ** 2
        odd = -4 * charge * a * a_l * chi.real + 8 * a * v * a_l * v_l * abs(chi) ** 2
        expected.append(3 / 8 * odd / even)
    np.testing.assert_allclose(forward_backward_asymmetry(partonic_sm(ssm.sm, s)), expected, rtol=1e-9)


def test_left_handed_or_vectorial_bosons():
    """Only left-handed fermions: 3/4 (cos theta as (1 + c)^2); vector couplings to leptons: none."""
    v_minus_a, vector = np.array([2.0, 0.0]), np.array([1.0, 1.0])
    assert forward_backward_asymmetry(v_minus_a) == 0.75
    assert forward_backward_asymmetry(vector) == 0
    assert np.isnan(forward_backward_asymmetry([0.0, 0.0]))
    products = coupling_products(load_model("elusive_bl"))
    np.testing.assert_allclose(products.same.values[0], products.opposite.values[0], rtol=1e-12)


@pytest.mark.parametrize("name", ["e6_chi", "ssm"])
def test_asymmetry_of_the_angular_distribution(name):
    """Photon, Z and Z': four complex amplitudes squared at 200,001 angles, each hemisphere summed: 1e-5."""
    model, mass, g, gamma, m_ll = load_model(name), 1000.0, 0.4, 30.0, 960.0
    sm, s = model.sm, m_ll**2
    e2, sw2 = 4 * np.pi * sm.alpha_em, sm.sin2_theta_w
    rates = partonic_sm(model.sm, s) + partonic_zprime(model, s, mass, g, gamma)
    found, c = forward_backward_asymmetry(rates), np.linspace(-1, 1, 200_001)
    lepton = model.couplings("e")
    for k, (flavor, (charge, isospin)) in enumerate(zip("duscb", QUARKS, strict=True)):
        quark, density = model.couplings(flavor), np.zeros(c.shape)
        for i, t_quark in enumerate((isospin, 0.0)):
            for j, t_lepton in enumerate((-0.5, 0.0)):
                z = e2 / (sw2 * (1 - sw2)) * (t_quark - charge * sw2) * (t_lepton + sw2)
                amplitude = (
                    -charge * e2 / s
                    + z / (s - sm.m_z_gev**2 + 1j * sm.m_z_gev * sm.gamma_z_gev)
                    + g**2 * quark[i] * lepton[j] / (s - mass**2 + 1j * mass * gamma)
                )
                density += abs(amplitude) ** 2 * (1 + c if i == j else 1 - c) ** 2
        forward, backward = (np.trapezoid(density[half], c[half]) for half in (c >= 0, c <= 0))
        assert found[k] == pytest.approx((forward - backward) / (forward + backward), rel=1e-5)
        total = s / (384 * np.pi) * (forward + backward)
        assert rates[:, k].sum() == pytest.approx(total, rel=1e-8)
