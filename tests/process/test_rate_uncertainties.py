"""Uncertainties and K factor of a rate, with luminosities whose variations are known factors."""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.model.make import make_model
from zprime_recast.partons.luminosity import LuminosityTable, Variations
from zprime_recast.partons.pdf_errors import ErrorSet
from zprime_recast.process.cross_section import cross_section

MASS = np.geomspace(50.0, 12000.0, 60)
SHARES = np.array([0.5, 0.9, 0.1, 0.05, 0.02])[:, None] * np.exp(-MASS / 1000.0)
#: Scales: 12 % up, 7 % down. Members of two pairs: (+3, -1), (+2, -4) %.
SCALES, MEMBERS = np.array([1.0, 1.12, 0.93, 1.05]), np.array([1.0, 1.03, 0.99, 1.02, 0.96])


def luminosities(variations=True):
    """LQ = 1.3 times the leading order."""
    points = tuple((1.0, float(k + 1)) for k in range(len(SCALES)))
    varied = Variations(
        MEMBERS[:, None, None] * 1.3 * SHARES, ErrorSet("hessian", 5), points, SCALES[:, None, None] * 1.3 * SHARES
    )
    more = {"order": "nlo", "variations": varied if variations else None}
    return LuminosityTable(MASS, 1.3 * SHARES, SHARES, 13000.0, "invented", 0, "invented", 1.0, **more)


@pytest.fixture(scope="module")
def model():
    return make_model(
        "plain", {"q_left": "1/3", "u_right": "1/3", "d_right": "1/3", "l_left": -1, "e_right": -1}, u1=False
    )


@pytest.mark.parametrize("method", ["narrow", "full"])
def test_uncertainties_of_a_rate(model, method):
    """Scales: the largest and the smallest over the central one. PDF pairs: up sqrt(3^2 + 2^2) %, down sqrt(1 + 4^2) %,
    of which a confidence level of 90 % makes 1.6449 times as much. K factor: 1.3.

    Killed here: up and down exchanged, the whole range for either side, the inverse K factor.
    """
    found = cross_section(model, 1000.0, 0.2, luminosities(), method, interference=False)
    sigma = found.sigma_br_fb
    assert found.k_factor == pytest.approx(1.3, rel=1e-9)
    assert found.scale_up_fb == pytest.approx(0.12 * sigma, rel=1e-6)
    assert found.scale_down_fb == pytest.approx(0.07 * sigma, rel=1e-6)
    assert found.pdf_up_fb == pytest.approx(np.sqrt(13) / 100 * sigma, rel=1e-6)
    assert found.pdf_down_fb == pytest.approx(np.sqrt(17) / 100 * sigma, rel=1e-6)
    wider = cross_section(model, 1000.0, 0.2, luminosities(), method, interference=False, confidence_level=90.0)
    assert wider.pdf_up_fb == pytest.approx(1.644854 * found.pdf_up_fb, rel=1e-6)
    plain = cross_section(model, 1000.0, 0.2, luminosities(variations=False), method, interference=False)
    assert (plain.pdf_up_fb, plain.pdf_down_fb, plain.scale_up_fb, plain.scale_down_fb) == (None,) * 4
    assert plain.sigma_br_fb == pytest.approx(sigma, rel=1e-12)


def test_what_a_rate_contains_is_said(model):
    """The narrow width has no interference and no window, whatever is asked."""
    narrow = cross_section(model, 1000.0, 0.2, luminosities(), "narrow", interference=True)
    assert (narrow.interference, narrow.window_gev) == (False, None)
    full = cross_section(model, 1000.0, 0.2, luminosities(), "full", interference=True)
    assert (full.interference, full.window_gev) == (True, (500.0, 12000.0))
    assert cross_section(model, 80.0, 0.2, luminosities(), "full").window_gev == (50.0, 12000.0)


def test_narrow_rate_by_hand(model):
    """Vector charges 1/3 of quarks and -1 of leptons at M = 100 GeV, far above all masses but the top's: widths g^2 M
    q^2/(12 pi) per state of a vector coupling, BR(ee) = 1/(3 + 3/2 + 5/3) = 6/37 (five quarks, neutrinos left-handed),

        sigma B = 4 pi^2/(3 S M) sum_q Gamma(q qbar) L_q BR = 0.3894e12 . 4 pi^2/3 . g^2 (1/3)/(12 pi S) . 6/37 sum_q L_q.
    """
    lumi = luminosities()
    found = cross_section(model, 100.0, 0.2, lumi).sigma_br_fb
    unit = 0.2**2 / (12 * np.pi)  # width over mass of a vector coupling of charge 1
    total = float(lumi(100.0).sum())
    # three colours and charge 1/3: a third of a lepton's width
    expected = 0.3893793721e12 * 4 * np.pi**2 / 3 / 13000.0**2 * unit / 3 * total * 6 / 37
    assert found == pytest.approx(expected * 1.0, rel=2e-3)
