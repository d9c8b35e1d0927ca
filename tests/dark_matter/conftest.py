"""Models of the micrOMEGAs reference points."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from zprime_recast.model.card import load_model
from zprime_recast.model.make import make_model
from zprime_recast.model.zprime import Charge, Fermion, ZprimeModel

B_MINUS_L = {"q_left": "1/3", "u_right": "1/3", "d_right": "1/3", "l_left": -1, "e_right": -1}


@pytest.fixture(scope="session")
def elusive() -> ZprimeModel:
    return load_model("elusive_bl")


@pytest.fixture(scope="session")
def elusive_no_n(elusive: ZprimeModel) -> ZprimeModel:
    """N too heavy for anything: as in the reference points."""
    return elusive.with_parameters(m_n=1e8)


@pytest.fixture(scope="session")
def with_chi() -> Callable[..., ZprimeModel]:
    """B-L, or other Standard Model charges, with a Dirac chi of given charges; no omega, no N."""

    def make(left: int, right: int, **charges: object) -> ZprimeModel:
        chi = Fermion("chi", "dirac", Charge(Fraction(left)), Charge(Fraction(right)), mass_parameter="m_chi")
        parameters = {"m_chi": (400.0, "")}
        return make_model("test", charges or B_MINUS_L, dark=(chi,), parameters=parameters, u1=False)

    return make


@pytest.fixture(scope="session")
def vector(with_chi) -> ZprimeModel:
    return with_chi(1, 1)
