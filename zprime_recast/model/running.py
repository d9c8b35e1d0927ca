r"""One-loop running of the coupling g of a U(1)' and the scale of its Landau pole.

.. math:: \frac{dg}{d\ln\mu} = \frac{b\,g^3}{16\pi^2}, \qquad
          b = \frac23 \sum_\mathrm{Weyl} q^2 + \frac13 \sum_\mathrm{complex\ scalars} q^2

so that 1/g^2 falls linearly in ln(mu) and vanishes at :math:`\Lambda = M \exp(8\pi^2/(b g^2))`. Source: Machacek and
Vaughn, Nucl. Phys. B 222 (1983) 83, eq. (2.1) with the Casimir operators of a U(1). All fields of a card count from the
mass of the Z' on, whatever their masses.
"""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..errors import InputError
from .zprime import ZprimeModel

#: Landau poles below this scale (GeV) are worth a warning.
LANDAU_SCALE_GEV = 1e5


def beta_coefficient(model: ZprimeModel) -> float:
    """Coefficient b of the running of g, from the fermions and scalars of a card; InputError for a set of couplings.

    >>> import zprime_recast as zr
    >>> beta_coefficient(zr.load_model("minimal_bl"))
    12.0
    """
    if not model.fields:
        raise InputError(f"model {model.id} is a set of couplings, not a U(1)' gauge theory: its coupling does not run")
    weyl = sum(f.colors * f.isospin_states * f.multiplicity * f.charge**2 for f in model.fields)
    scalars = sum(s.charge**2 for s in model.scalars)
    return float(model.charge_norm_squared * (2 * weyl + scalars) / 3)


def landau_pole_gev(model: ZprimeModel, mass_gev: ArrayLike, coupling: ArrayLike) -> FloatArray:
    """Scale in GeV where g diverges at one loop, for Z' masses (GeV) and couplings at that mass, which broadcast.

    It is inf where no charge lets g run, or where it lies above the largest float. InputError unless mass and coupling
    are finite and > 0, and for a set of couplings.
    """
    mass, g = checked_positive("mass_gev", mass_gev), checked_positive("coupling", coupling)
    b = beta_coefficient(model)
    with np.errstate(over="ignore", divide="ignore"):
        return np.asarray(mass * np.exp(8 * pi**2 / (b * g**2)))


def coupling_with_pole_at(model: ZprimeModel, mass_gev: float, scale_gev: float) -> float:
    """The coupling at the mass (GeV) of the Z' whose Landau pole is at a scale (GeV) above it; inf if g does not run.

    >>> import zprime_recast as zr
    >>> round(coupling_with_pole_at(zr.load_model("minimal_bl"), 3000.0, 1e5), 3)
    1.37
    """
    if not scale_gev > mass_gev:
        raise InputError(f"the scale of the pole must be above the mass of {mass_gev:g} GeV, found {scale_gev:g}")
    b = beta_coefficient(model)
    return float(np.sqrt(8 * pi**2 / (b * np.log(scale_gev / mass_gev)))) if b else float("inf")
