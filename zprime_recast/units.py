"""Units: GeV inside, fb at the surface. The only place where a conversion factor is typed."""

from __future__ import annotations

from typing import Final

GEV_PER_TEV: Final = 1000.0

#: (hbar c)^2 in GeV^2 fb: 0.3893793721 GeV^2 mbarn, exact by the SI of 2019; CODATA 2018.
HBARC2_GEV2_FB: Final = 0.3893793721e12

#: GeV^-2 to cm^2: the same, with 1 fb = 1e-39 cm^2.
GEV2_TO_CM2: Final = HBARC2_GEV2_FB * 1e-39

#: Speed of light in cm/s, exact.
SPEED_OF_LIGHT_CM_S: Final = 2.99792458e10

#: GeV^-2 (natural units, <sigma v>) to cm^3/s.
GEV2_TO_CM3_PER_S: Final = GEV2_TO_CM2 * SPEED_OF_LIGHT_CM_S

CM2_PER_PB: Final = 1e-36
