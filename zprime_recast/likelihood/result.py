"""What the test of one hypothesis says."""

from __future__ import annotations

from dataclasses import dataclass

#: Exclusion at 95 % CL.
CLS_EXCLUDED = 0.05


@dataclass(frozen=True)
class CLsResult:
    """CLs observed and the expected set (-2 to +2 standard deviations, ascending)."""

    cls_observed: float
    cls_expected: tuple[float, float, float, float, float]
    warnings: tuple[str, ...] = ()

    @property
    def excluded(self) -> bool:
        """Observed exclusion at 95 % CL."""
        return self.cls_observed < CLS_EXCLUDED
