"""Units: GeV inside, fb at the surface. The only place where a conversion factor is typed."""

from __future__ import annotations

from typing import Final

GEV_PER_TEV: Final = 1000.0

#: (hbar c)^2 in GeV^2 fb: 0.3893793721 GeV^2 mbarn, exact by the SI of 2019; CODATA 2018.
HBARC2_GEV2_FB: Final = 0.3893793721e12

FB_PER_PB: Final = 1000.0
