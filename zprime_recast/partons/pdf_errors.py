r"""Uncertainty of anything computed with every member of a PDF set, in the conventions of LHAPDF 6.

Replicas: average and standard deviation of the replicas, arXiv:1106.5788, eqs. (2.3), (2.4). Hessian pairs:

.. math:: \delta_+^2 = \sum_k \max(F_{2k-1} - F_0, F_{2k} - F_0, 0)^2, \quad
          \delta_-^2 = \sum_k \max(F_0 - F_{2k-1}, F_0 - F_{2k}, 0)^2, \quad
          \delta^2 = \frac14 \sum_k (F_{2k-1} - F_{2k})^2

(eqs. 2.1, 2.2, 2.6); symmetric Hessian: :math:`\delta^2 = \sum_k (F_k - F_0)^2`. Pairs of members at the end of a set
for parameters such as alpha_s (``ErrorType: hessian+as``) add half their difference in quadrature. Uncertainties are
scaled from the confidence level of the set to the one asked for as for a Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf, erfinv

from ..arrays import FloatArray, Quiet
from ..errors import InputError, PDFError
from .pdf_files import SetInfo

#: One standard deviation, in per cent.
ONE_SIGMA = float(100 * erf(1 / np.sqrt(2)))

_KINDS = ("replicas", "hessian", "symmhessian")


@dataclass(frozen=True)
class ErrorSet:
    """How the members of a set encode its uncertainty."""

    kind: str
    """``replicas``, ``hessian`` or ``symmhessian``."""
    members: int
    """All members, the central one included."""
    parameters: int = 0
    """Parameters varied by a pair of members each, at the end of the set."""
    confidence_level: float = ONE_SIGMA
    """Confidence level of the members as given, in per cent."""

    @property
    def eigenvectors(self) -> int:
        """Independent directions without the parameters: replicas, pairs or symmetric members."""
        count = self.members - 1 - 2 * self.parameters
        return count // 2 if self.kind == "hessian" else count


@dataclass(frozen=True, eq=False, repr=False)
class Uncertainty(Quiet):
    """Central value and uncertainties (sizes, >= 0) of a quantity, arrays of its shape."""

    central: FloatArray
    plus: FloatArray
    minus: FloatArray
    symmetric: FloatArray


def error_set(info: SetInfo) -> ErrorSet | None:
    """The error members as the ``.info`` of a set describes them; None for a set of one member.

    PDFError for an ErrorType that is not known, or a number of members that does not fit it.
    """
    if info.members == 1:
        return None
    kind, *parameters = info.error_type.split("+")
    if kind not in _KINDS:
        raise PDFError(
            f"{info.info_file}: ErrorType is {info.error_type!r}, known are {', '.join(_KINDS)}; use its central "
            "member, without PDF uncertainty"
        )
    rest = info.members - 1 - 2 * len(parameters)
    if rest < 1 or (kind == "hessian" and rest % 2) or (kind == "replicas" and rest < 2):
        raise PDFError(f"{info.info_file}: {info.members} members do not fit ErrorType {info.error_type!r}")
    level = ONE_SIGMA if kind == "replicas" else info.confidence_level
    return ErrorSet(kind, info.members, len(parameters), level)


def pdf_uncertainty(values: ArrayLike, errors: ErrorSet, confidence_level: float = ONE_SIGMA) -> Uncertainty:
    """Uncertainty of values computed with every member, shape (members, ...), at a confidence level in per cent.

    The central value is that of member 0; for replicas it is their average, as in LHAPDF.
    """
    v = _checked(values, errors)
    if not 0 < confidence_level < 100:
        raise InputError(f"confidence level must be between 0 and 100 per cent, found {confidence_level:g}")
    scale = float(erfinv(confidence_level / 100) / erfinv(errors.confidence_level / 100))
    end = len(v) - 2 * errors.parameters
    central, rest = v[0], v[1:end]
    if errors.kind == "replicas":
        central = rest.mean(axis=0)
        plus = minus = symmetric = rest.std(axis=0, ddof=1)
    elif errors.kind == "symmhessian":
        plus = minus = symmetric = np.sqrt(((rest - central) ** 2).sum(axis=0))
    else:
        first, second = rest[0::2] - central, rest[1::2] - central
        plus = np.sqrt((np.maximum(np.maximum(first, second), 0) ** 2).sum(axis=0))
        minus = np.sqrt((np.maximum(np.maximum(-first, -second), 0) ** 2).sum(axis=0))
        symmetric = 0.5 * np.sqrt(((first - second) ** 2).sum(axis=0))
    parameters = 0.5 * np.sqrt(((v[end::2] - v[end + 1 :: 2]) ** 2).sum(axis=0))
    plus, minus, symmetric = (scale * np.hypot(part, parameters) for part in (plus, minus, symmetric))
    return Uncertainty(np.asarray(central), *(np.asarray(part) for part in (plus, minus, symmetric)))


def relative_changes(values: ArrayLike, errors: ErrorSet) -> FloatArray:
    """Change by one standard deviation along every direction of the set over the central value, (directions, ...).

    Pairs give half their difference, replicas their deviation from the mean over sqrt(N - 1); the squares add up to
    the symmetric variance. 0 where the central value is not positive.
    """
    v = _checked(values, errors)
    to_sigma = float(erfinv(ONE_SIGMA / 100) / erfinv(errors.confidence_level / 100))
    end = len(v) - 2 * errors.parameters
    central, rest = v[0], v[1:end]
    if errors.kind == "replicas":
        rows = (rest - rest.mean(axis=0)) / np.sqrt(len(rest) - 1)
    elif errors.kind == "symmhessian":
        rows = rest - central
    else:
        rows = 0.5 * (rest[0::2] - rest[1::2])
    rows = np.concatenate([rows, 0.5 * (v[end::2] - v[end + 1 :: 2])])
    return np.asarray(to_sigma * np.divide(rows, central, out=np.zeros_like(rows), where=central > 0))


def _checked(values: ArrayLike, errors: ErrorSet) -> FloatArray:
    v = np.asarray(values, dtype=float)
    if v.ndim == 0 or len(v) != errors.members:
        found = "a number" if v.ndim == 0 else f"{len(v)} values"
        raise InputError(f"values of all {errors.members} members are needed, found {found}")
    return v
