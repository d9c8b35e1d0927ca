r"""Degrees of freedom of the early Universe, the Hubble rate and cosmological constants.

Tables in ``data/dof/`` give :math:`h_\mathrm{eff}` (entropy) and :math:`g_\mathrm{eff}` (energy) of the Standard
Model. Two sources are included; their difference (up to 8 % near the QCD transition) is a theory uncertainty of the
relic density.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, Quiet, checked_positive
from ..errors import CardError, UnknownName
from ..io.cards import read_csv
from ..io.paths import shipped

#: Planck mass (not reduced) in GeV, CODATA 2018.
PLANCK_MASS_GEV: Final = 1.220890e19
#: Planck mass in GeV as rounded in the paper below eq. (3.6), used only in its estimates (3.6) and (3.10).
PLANCK_MASS_PAPER_GEV: Final = 1.2e19
#: Critical density over h^2 in GeV cm^-3, PDG 2024, astrophysical constants.
CRITICAL_DENSITY_GEV_CM3: Final = 1.053672e-5
#: Entropy density today in cm^-3 for T = 2.7255 K and three neutrinos, PDG 2024, astrophysical constants.
ENTROPY_DENSITY_TODAY_CM3: Final = 2891.2
#: Omega h^2 of dark matter, +- 0.0012 (the paper: 0.1186):
#: Planck 2018, A&A 641 (2020) A6, arXiv:1807.06209, Table 2 (TT,TE,EE+lowE+lensing).
OMEGA_H2_OBSERVED: Final = 0.1200
#: Entropy degrees of freedom just before neutrinos decouple: photons, electrons, three neutrinos; 43/4.
H_EFF_NEUTRINO_DECOUPLING: Final = 10.75

DOF_SOURCES: Final = {
    "drees": "drees_hajkarim_schmitz_2015.csv",
    "saikawa": "saikawa_shirai_2020.csv",
}
DEFAULT_DOF: Final = "drees"


@dataclass(frozen=True, eq=False, repr=False)
class DegreesOfFreedom(Quiet):
    """h_eff(T) and g_eff(T) from one source, interpolated in ln T by monotone cubics (PCHIP).

    Beyond the first (T > 0) and last rows the functions keep their end values: the tables are flat there, and above
    13 TeV every Standard Model state is relativistic.
    """

    source: str
    reference: str
    t_gev: FloatArray
    h_table: FloatArray
    g_table: FloatArray
    _h: Any
    _g: Any

    def h_eff(self, t_gev: ArrayLike) -> FloatArray:
        """Entropy degrees of freedom h, s = (2 pi^2/45) h T^3, with the shape of ``t_gev``; InputError unless T > 0."""
        return np.asarray(self._h(self._log(t_gev)))

    def g_eff(self, t_gev: ArrayLike) -> FloatArray:
        """Energy degrees of freedom g, rho = (pi^2/30) g T^4, with the shape of ``t_gev``; InputError unless T > 0."""
        return np.asarray(self._g(self._log(t_gev)))

    def sqrt_g_star(self, t_gev: ArrayLike) -> FloatArray:
        r""":math:`g_*^{1/2} = h/\sqrt{g}\,[1 + \frac{1}{3}\frac{d\ln h}{d\ln T}]`; Gondolo, Gelmini (1991)."""
        log_t = self._log(t_gev)
        h = self._h(log_t)
        return np.asarray(h / np.sqrt(self._g(log_t)) * (1 + self._h(log_t, 1) / (3 * h)))

    def hubble_gev(self, t_gev: ArrayLike) -> FloatArray:
        r"""Hubble rate :math:`\sqrt{4\pi^3 g/45}\,T^2/M_{Pl}` in GeV, for radiation alone."""
        t = checked_positive("t_gev", t_gev)
        return np.asarray(np.sqrt(4 * np.pi**3 * self.g_eff(t) / 45) * t**2 / PLANCK_MASS_GEV)

    def _log(self, t_gev: ArrayLike) -> FloatArray:
        t = checked_positive("t_gev", t_gev)
        return np.log(np.clip(t, self.t_gev[0], self.t_gev[-1]))


@cache
def degrees_of_freedom(source: str = DEFAULT_DOF) -> DegreesOfFreedom:
    """Load a table by name: ``drees`` (the default of micrOMEGAs) or ``saikawa``; UnknownName for any other."""
    from scipy.interpolate import PchipInterpolator

    if source not in DOF_SOURCES:
        raise UnknownName("table of degrees of freedom", source, DOF_SOURCES)
    path = shipped("data") / "dof" / DOF_SOURCES[source]
    table = read_csv(path, ("t_gev", "h_eff", "g_eff"))
    keep = table["t_gev"] > 0
    t, h, g = (table[name][keep] for name in ("t_gev", "h_eff", "g_eff"))
    if (np.diff(t) <= 0).any():
        raise CardError(path, "column t_gev", "rows out of order", "ascending temperatures")
    return DegreesOfFreedom(
        source, reference_line(path), t, h, g, PchipInterpolator(np.log(t), h), PchipInterpolator(np.log(t), g)
    )


def reference_line(path: Path, line: int = 1) -> str:
    """Text of comment line number ``line`` of a table (line 1 of those in ``data/dof`` names the paper).

    The file name if the table has no such line.
    """
    comments = [text[1:].strip() for text in path.read_text(encoding="utf-8").splitlines() if text.startswith("#")]
    return comments[line] if len(comments) > line else path.name
