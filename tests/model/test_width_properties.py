"""What no choice of signs or order may change: widths, branching ratios and the relic density of random models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprime_recast.dark_matter.direct import direct_detection
from zprime_recast.dark_matter.relic import relic_density
from zprime_recast.model.make import make_model
from zprime_recast.model.widths import decay_widths, total_width
from zprime_recast.model.zprime import Charge, Fermion, ZprimeModel

SETTINGS = settings(max_examples=25, deadline=None, derandomize=True, database=None)
FIELDS = ("u_left", "u_right", "d_left", "d_right", "l_left", "e_right")
CHARGES = st.fractions(min_value=-2, max_value=2, max_denominator=12)


@pytest.fixture(autouse=True)
def quiet(recwarn: pytest.WarningsRecorder) -> Iterator[None]:
    """A random model may warn of nothing."""
    yield
    assert not recwarn.list


def model_of(charges: dict[str, Fraction], dark: tuple[Fraction, ...], parameters: dict[str, float]) -> ZprimeModel:
    """A model with these charges; a lepton charge of 3 keeps a decay open."""
    states = (
        Fermion("chi", "dirac", Charge(dark[0]), Charge(dark[1]), mass_parameter="m_chi"),
        Fermion("N", "majorana", Charge(Fraction(0)), Charge(dark[2]), multiplicity=3, mass_gev=250.0),
        Fermion("omega", "weyl", Charge(dark[3]), Charge(Fraction(0)), multiplicity=2),
    )
    known = {"m_chi": (400.0, "mass of chi")}
    model = make_model("random", dict(charges), dark=states, parameters=known, u1=False)
    return model.with_parameters(parameters)


def flipped(model: ZprimeModel) -> ZprimeModel:
    """All charges with the other sign."""

    def minus(charge: Charge) -> Charge:
        return Charge(-charge.rational, -charge.sw2)

    return replace(
        model, fermions=tuple(replace(f, q_left=minus(f.q_left), q_right=minus(f.q_right)) for f in model.fermions)
    )


@st.composite
def models(draw: st.DrawFn) -> ZprimeModel:
    charges = {name: draw(CHARGES) for name in FIELDS} | {"l_left": draw(st.sampled_from([Fraction(3), Fraction(-3)]))}
    dark = (Fraction(1) + abs(draw(CHARGES)), *(draw(CHARGES) for _ in range(3)))
    switches = {"qcd_widths": draw(st.sampled_from([0.0, 1.0])), "gamma_extra": draw(st.sampled_from([0.0, 3.0]))}
    return model_of(charges, dark, switches)


POINTS = st.tuples(st.floats(100.0, 1e4), st.floats(0.005, 0.3), st.floats(30.0, 3000.0))


@SETTINGS
@given(model=models(), point=POINTS)
def test_widths_sum_to_the_total(model, point):
    """Sum of the partial widths = total = the sampler's, branching ratios sum to 1, nothing is negative; 1e-13."""
    mass, g, m_chi = point
    model = model.with_parameters(m_chi=m_chi)
    widths = decay_widths(model, mass, g)
    assert all(width >= 0 for width in widths.partial_gev.values())
    assert float(sum(widths.partial_gev.values())) == pytest.approx(float(widths.total_gev), rel=1e-13, abs=0)
    assert total_width(model, np.array([mass]), np.array([g])) == pytest.approx(
        float(widths.total_gev), rel=1e-13, abs=0
    )
    assert float(sum(widths.branching_ratios.values())) == pytest.approx(1.0, rel=1e-13, abs=0)
    # g^2 times the width at g = 1
    extra = widths.partial_gev["extra"]
    unit = decay_widths(model, mass, 1.0).total_gev - extra
    assert float(widths.total_gev) == pytest.approx(float(g**2 * unit + extra), rel=1e-12, abs=0)


@SETTINGS
@given(model=models(), point=POINTS)
def test_the_sign_of_all_charges_changes_nothing(model, point):
    """q -> -q for every fermion is Z' -> -Z': no width, branching ratio, relic density or sigma_SI sees it; 1e-13."""
    mass, g, m_chi = point
    mass = max(mass, m_chi / 2)  # the axial chi chibar -> Z'Z' grows without bound below
    other = flipped(model)
    for own in (lambda m: decay_widths(m, mass, g).branching_ratios, lambda m: decay_widths(m, mass, g).partial_gev):
        for name, value in own(model).items():
            assert float(own(other)[name]) == pytest.approx(float(value), rel=1e-13, abs=0), name
    here, there = (relic_density(m, mass, g, m_chi) for m in (model, other))
    assert there.omega_h2 == pytest.approx(float(here.omega_h2), rel=1e-13, abs=0)
    assert there.gamma_gev == pytest.approx(float(here.gamma_gev), rel=1e-13, abs=0)
    sigma = [direct_detection(m, mass, g, m_chi).sigma_si_cm2 for m in (model, other)]
    assert sigma[1] == pytest.approx(float(sigma[0]), rel=1e-13, abs=0)


@SETTINGS
@given(model=models(), point=POINTS, data=st.data())
def test_the_order_of_fermions_changes_nothing(model, point, data):
    """Fermions listed in another order: widths by name and the relic density stay, to the rounding of sums (1e-12)."""
    mass, g, m_chi = point
    mass = max(mass, m_chi / 2)
    other = replace(model, fermions=tuple(data.draw(st.permutations(model.fermions))))
    here, there = (decay_widths(m.with_parameters(m_chi=m_chi), mass, g) for m in (model, other))
    assert set(here.partial_gev) == set(there.partial_gev)
    for name, width in here.partial_gev.items():
        assert float(there.partial_gev[name]) == pytest.approx(float(width), rel=1e-13, abs=0), name
    assert float(there.total_gev) == pytest.approx(float(here.total_gev), rel=1e-13, abs=0)
    omega = [relic_density(m, mass, g, m_chi).omega_h2 for m in (model, other)]
    assert omega[1] == pytest.approx(float(omega[0]), rel=1e-12, abs=0)


@SETTINGS
@given(model=models(), point=POINTS)
def test_copies_are_states(model, point):
    """Three N of one entry and three entries of one N are the same particles: total width and relic density, 1e-12."""
    mass, g, m_chi = point
    mass = max(mass, m_chi / 2)
    apart = []
    for fermion in model.fermions:
        apart += (
            [replace(fermion, name=f"N{i}", multiplicity=1) for i in (1, 2, 3)] if fermion.name == "N" else [fermion]
        )
    other = replace(model, fermions=tuple(apart))
    here, there = (relic_density(m, mass, g, m_chi) for m in (model, other))
    assert there.gamma_gev == pytest.approx(float(here.gamma_gev), rel=1e-12, abs=0)
    assert there.omega_h2 == pytest.approx(float(here.omega_h2), rel=1e-12, abs=0)
