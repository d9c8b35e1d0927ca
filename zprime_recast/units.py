"""Units: GeV inside the package, fb in results. Every conversion factor is defined here and nowhere else."""

from __future__ import annotations

from typing import Final

GEV_PER_TEV: Final = 1000.0

#: (hbar c)^2 in GeV^2 fb: 0.3893793721 GeV^2 mbarn, exact since the 2019 revision of the SI; CODATA 2018.
HBARC2_GEV2_FB: Final = 0.3893793721e12

#: GeV^-2 to cm^2: (hbar c)^2 with 1 fb = 1e-39 cm^2.
GEV2_TO_CM2: Final = HBARC2_GEV2_FB * 1e-39

#: Speed of light in cm/s, exact.
SPEED_OF_LIGHT_CM_S: Final = 2.99792458e10

#: GeV^-2 to cm^3/s, for <sigma v> in natural units.
GEV2_TO_CM3_PER_S: Final = GEV2_TO_CM2 * SPEED_OF_LIGHT_CM_S

#: cm^2 per picobarn.
CM2_PER_PB: Final = 1e-36

#: 1 pb in fb; event files of other programs are in pb.
FB_PER_PB: Final = 1e3
