r"""The strong coupling at three loops with five flavours, from its value at m_Z.

.. math:: \frac{da}{d\ln\mu^2} = -\beta_0 a^2 - \beta_1 a^3 - \beta_2 a^4, \quad a = \alpha_s/\pi

(PDG review of QCD, MS-bar). Used for decay widths; cross sections take the coupling of their PDF set. A sixth flavour
above the top mass is left out: at 5 TeV it would raise alpha_s by 2.5 % and the width of a quark by 0.06 %.

The equation separates: with u = 1/a and q = beta_0 + beta_1 a + beta_2 a^2,

.. math:: \ln\mu^2 = \frac{1}{\beta_0} \left[u + \frac{\beta_1}{\beta_0} \ln a - \frac{\beta_1}{2\beta_0} \ln q\right]
          - \frac{c}{D} \arctan\frac{2\beta_2 a + \beta_1}{D} + \text{const},

with :math:`c = \beta_1^2/\beta_0^2 - 2\beta_2/\beta_0` and :math:`D^2 = 4\beta_0\beta_2 - \beta_1^2`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..errors import RangeError
from .standard_model import StandardModel, standard_model

FLAVOR_NUMBER = 5
#: Lowest scale in GeV at which the perturbative coupling is computed.
MU_MIN_GEV = 1.0
_BETA = (
    (11 - 2 / 3 * FLAVOR_NUMBER) / 4,
    (102 - 38 / 3 * FLAVOR_NUMBER) / 16,
    (2857 / 2 - 5033 / 18 * FLAVOR_NUMBER + 325 / 54 * FLAVOR_NUMBER**2) / 64,
)
#: Newton steps, starting from the one-loop coupling.
_STEPS = 6


def alpha_s(mu_gev: ArrayLike, sm: StandardModel | None = None) -> FloatArray:
    """MS-bar coupling alpha_s at scales ``mu_gev`` in GeV, with their shape; RangeError below 1 GeV."""
    sm = sm or standard_model()
    mu = checked_positive("mu_gev", mu_gev)
    if (mu < MU_MIN_GEV).any():
        raise RangeError(f"alpha_s is computed only above {MU_MIN_GEV:g} GeV, found mu = {mu.min():g} GeV")
    start = sm.alpha_s / np.pi
    log_mu2 = 2 * np.log(mu / sm.m_z_gev)
    wanted = log_mu2 + _log_mu2(np.asarray(start))
    u = np.maximum(1 / start + _BETA[0] * log_mu2, 1.0)
    for _ in range(_STEPS):
        a = 1 / u
        u = u + (wanted - _log_mu2(a)) * (_BETA[0] + a * (_BETA[1] + a * _BETA[2]))
    return np.asarray(np.pi / u)


def _log_mu2(a: FloatArray) -> FloatArray:
    """ln mu^2 as a function of a, up to a constant."""
    b0, b1, b2 = _BETA
    root = np.sqrt(4 * b0 * b2 - b1**2)
    logs = b1 / b0 * (np.log(a) - np.log(b0 + a * (b1 + a * b2)) / 2)
    arc = (b1**2 / b0**2 - 2 * b2 / b0) / root * np.arctan((2 * b2 * a + b1) / root)
    return np.asarray((1 / a + logs) / b0 - arc)
