"""Running of the coupling: coefficients of the literature, and the solution of the equation by quadrature."""

from fractions import Fraction
from math import inf, pi

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from zprime_recast.errors import InputError
from zprime_recast.model.card import load_model
from zprime_recast.model.make import make_model
from zprime_recast.model.running import beta_coefficient, coupling_with_pole_at, landau_pole_gev


def test_coefficients():
    """B-L with three right-handed neutrinos and a scalar of charge 2: b = 12 (Basso, Moretti, Pruna, arXiv:1004.3039);
    the elusive model adds N' (charge 1), chi (4, 5), omega (4) and scalars 1 and 2, by hand.
    """
    assert beta_coefficient(load_model("minimal_bl")) == pytest.approx(12.0, rel=1e-12)
    weyl = 3 * Fraction(4, 3) + 3 * 3 + 3 * 2 + 16 + 25 + 16  # quarks, leptons, N and N', chi, omega
    assert beta_coefficient(load_model("elusive_bl")) == pytest.approx(float(2 * weyl / 3 + Fraction(5, 3)), rel=1e-12)


def test_pole_of_the_equation():
    """The coupling runs as the differential equation says, and is a thousand times larger next to the pole."""
    model = load_model("e6_chi")
    b, g, mass = beta_coefficient(model), 0.9, 2000.0
    pole = float(landau_pole_gev(model, mass, g))
    end = np.log(pole / mass)

    def slope(t, y):
        return b * y**3 / (16 * pi**2)

    solved = solve_ivp(slope, (0, 0.75 * end), [g], rtol=1e-10, atol=1e-12)
    assert solved.y[0, -1] == pytest.approx(g / np.sqrt(0.25), rel=1e-7)
    assert coupling_with_pole_at(model, mass, pole) == pytest.approx(g, rel=1e-12)


def test_a_coupling_that_does_not_run():
    nothing = make_model("nothing", {})
    assert float(landau_pole_gev(nothing, 1000.0, 0.5)) == inf
    assert coupling_with_pole_at(nothing, 1000.0, 1e5) == inf
    with pytest.raises(InputError, match="does not run"):
        beta_coefficient(load_model("ssm"))
    with pytest.raises(InputError, match="above the mass"):
        coupling_with_pole_at(nothing, 1000.0, 900.0)
    assert float(landau_pole_gev(load_model("minimal_bl"), 1000.0, 1e-3)) == inf  # beyond the largest float
