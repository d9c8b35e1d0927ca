r"""Parton luminosities of a proton-proton collider, per quark flavour.

.. math:: L_q(\tau) = \int_\tau^1 \frac{dx}{x} [f_q(x) f_{\bar q}(\tau/x) + f_{\bar q}(x) f_q(\tau/x)], \quad
          \tau = M^2/S

so that :math:`d\sigma/dM^2 = \frac1S \sum_q \hat\sigma_q(M^2) L_q`, and C_qq of arXiv:1707.08606, eq. (4.1), is
:math:`\frac{4\pi^2}{3} L_q`. The integral runs over the pair rapidity y, x = sqrt(tau) exp(+-y).
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from .cards import FloatArray
from .errors import RangeError
from .model import checked_positive
from .paths import cache_dir
from .pdf import PDFMember

#: Quark flavours of every luminosity array, first axis, in the order of their parton ids 1..5.
FLAVORS = ("d", "u", "s", "c", "b")
_PIDS = (1, 2, 3, 4, 5)

#: Gauss-Legendre nodes per panel and panels per smooth piece of the rapidity range.
_NODES, _PANELS = 8, 16

#: Masses of a table: from here to a fraction of sqrt(s), even in log(M/(sqrt(s) - M)): dense where L falls steeply.
TABLE_LOW_GEV = 50.0
TABLE_HIGH_OVER_SQRT_S = 0.95
TABLE_POINTS = 640

#: Changes whenever the numbers of a cached table would.
_CACHE_VERSION = 3


def rapidity_density(pdf: PDFMember, mass_gev: float, sqrt_s_gev: float, y: FloatArray, mu_f_gev: float) -> FloatArray:
    """dL_q/dy at one mass: shape (5 flavours, *y.shape), dimensionless; even in y, 0 outside the kinematic range."""
    root_tau = mass_gev / sqrt_s_gev
    x1, x2 = root_tau * np.exp(y), root_tau * np.exp(-y)
    inside = (x1 < pdf.info.x_max) & (x2 < pdf.info.x_max)
    density = np.zeros((len(_PIDS), *y.shape))
    if inside.any():
        pids = [*_PIDS, *(-pid for pid in _PIDS)]
        xf = pdf.xf(pids, np.stack([x1[inside], x2[inside]]), mu_f_gev)
        quark, antiquark = xf[:5] / root_tau, xf[5:] / root_tau
        # x1 x2 = tau: dividing both densities by sqrt(tau) turns x f into f f x1 x2 / tau = f f
        density[:, inside] = quark[:, 0] * antiquark[:, 1] + antiquark[:, 0] * quark[:, 1]
    return density


def rapidity_integral(
    pdf: PDFMember,
    mass_gev: float,
    sqrt_s_gev: float,
    mu_f_gev: float,
    weight: Callable[[FloatArray], FloatArray] | None = None,
    breaks: tuple[float, ...] = (),
    panels: int = _PANELS,
) -> FloatArray:
    """Integral of dL_q/dy times an even weight(y) over all y; shape (5,). ``breaks``: kinks of the weight at y > 0."""
    y_max = np.log(sqrt_s_gev / mass_gev)
    edges = [0.0, *sorted(b for b in breaks if 0 < b < y_max), y_max]
    nodes, node_weights = np.polynomial.legendre.leggauss(_NODES)
    fine = np.concatenate([np.linspace(a, b, panels + 1)[:-1] for a, b in itertools.pairwise(edges)])
    fine = np.append(fine, y_max)
    half = np.diff(fine)[:, None] / 2
    y = (fine[:-1, None] + half * (1 + nodes)).ravel()
    w = 2 * (half * node_weights).ravel()  # both signs of y
    if weight is not None:
        w = w * weight(y)
    return rapidity_density(pdf, mass_gev, sqrt_s_gev, y, mu_f_gev) @ w


def parton_luminosity(
    pdf: PDFMember, mass_gev: ArrayLike, sqrt_s_gev: float, mu_f_over_m: float = 1.0, panels: int = _PANELS
) -> FloatArray:
    """L_q at each mass (GeV), by integration; shape (5, *mass.shape), dimensionless. May be negative: see the table."""
    mass = checked_positive("mass_gev", mass_gev)
    _check_mass_range(pdf, mass, sqrt_s_gev, mu_f_over_m)
    columns = [rapidity_integral(pdf, m, sqrt_s_gev, m * mu_f_over_m, panels=panels) for m in mass.ravel()]
    return np.stack(columns, axis=-1).reshape(len(FLAVORS), *mass.shape)


def _check_mass_range(pdf: PDFMember, mass: FloatArray, sqrt_s_gev: float, mu_f_over_m: float) -> None:
    low = max(pdf.info.q_min_gev / mu_f_over_m, sqrt_s_gev * np.sqrt(pdf.info.x_min * pdf.info.x_max), 1.0)
    high = min(pdf.info.q_max_gev / mu_f_over_m, sqrt_s_gev)
    if (mass < low).any() or (mass >= high).any():
        found = mass[(mass < low) | (mass >= high)].flat[0]
        raise RangeError(
            f"mass {found:g} GeV is outside set {pdf.info.name} at sqrt(s) = {sqrt_s_gev:g} GeV: "
            f"{low:.4g} to {high:.4g} GeV"
        )


@dataclass(frozen=True)
class LuminosityTable:
    """L_q on a grid of masses, interpolated; the stage every cross-section starts from."""

    mass_gev: FloatArray
    """Grid (n,), ascending."""
    values: FloatArray
    """L_q on the grid (5, n), never negative."""
    sqrt_s_gev: float
    pdf_set: str
    pdf_member: int
    pdf_digest: str
    mu_f_over_m: float
    warnings: tuple[str, ...] = ()

    @property
    def range_gev(self) -> tuple[float, float]:
        """Masses the table covers."""
        return float(self.mass_gev[0]), float(self.mass_gev[-1])

    def __call__(self, mass_gev: ArrayLike) -> FloatArray:
        """L_q at masses in GeV, shape (5, *mass.shape). RangeError states the range."""
        mass = np.asarray(mass_gev, dtype=float)
        low, high = self.range_gev
        ok = (mass >= low) & (mass <= high)
        if not ok.all():
            raise RangeError(
                f"mass {mass[~ok].flat[0]:g} GeV is outside the luminosity table: "
                f"{low:g} to {high:g} GeV at sqrt(s) = {self.sqrt_s_gev:g} GeV"
            )
        return _interpolate(self._logit(self.mass_gev), self.values, self._logit(mass))

    def _logit(self, mass_gev: FloatArray) -> FloatArray:
        """log(M/(sqrt(s) - M)), in which log L is close to a straight line at both ends."""
        return np.asarray(np.log(mass_gev / (self.sqrt_s_gev - mass_gev)))


def _interpolate(grid: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """Interpolate rows (k, n) of non-negative values over a grid: the total by a spline of its logarithm, the shares
    of the rows by splines clipped to [0, 1]. A total of 0 (a set without positive luminosity) ends the table there.
    """
    from scipy.interpolate import CubicSpline

    total = values.sum(axis=0)
    positive = total > 0
    if not positive.all():
        end = int(np.argmin(positive))
        if end < 4:
            return np.zeros((len(values), *at.shape))
        inside = _interpolate(grid[:end], values[:, :end], np.minimum(at, grid[end - 1]))
        return np.where(at <= grid[end - 1], inside, 0.0)
    shares = np.clip(CubicSpline(grid, values / total, axis=1)(at), 0.0, 1.0)
    return np.asarray(np.exp(CubicSpline(grid, np.log(total))(at)) * shares)


def luminosity_table(
    pdf: PDFMember,
    sqrt_s_gev: float = 13000.0,
    mu_f_over_m: float = 1.0,
    points: int = TABLE_POINTS,
    cache: bool = True,
) -> LuminosityTable:
    """The table of a PDF member, read from the disk cache if it is there.

    The key holds the digest of the set's files, so a changed set never meets an old table. Where the integral comes
    out negative (some modern sets have u-ubar < 0 near 6 TeV) the table has 0 and a warning says where.
    """
    sqrt_s = float(checked_positive("sqrt_s_gev", sqrt_s_gev))
    high = min(TABLE_HIGH_OVER_SQRT_S * sqrt_s, 0.999 * pdf.info.q_max_gev / mu_f_over_m)
    low = max(TABLE_LOW_GEV, 1.001 * pdf.info.q_min_gev / mu_f_over_m, 1.001 * sqrt_s * np.sqrt(pdf.info.x_min))
    if not low < high:
        raise RangeError(f"sqrt_s_gev = {sqrt_s:g} leaves no masses between {low:g} and {high:g} GeV")
    logit = np.linspace(np.log(low / (sqrt_s - low)), np.log(high / (sqrt_s - high)), points)
    grid = sqrt_s / (1 + np.exp(-logit))
    grid[0], grid[-1] = low, high
    key = (_CACHE_VERSION, pdf.digest, sqrt_s, mu_f_over_m, points, _NODES, _PANELS)
    raw = cached_array(key, lambda: parton_luminosity(pdf, grid, sqrt_s, mu_f_over_m), (5, points), cache)
    warnings = []
    for flavor, row in zip(FLAVORS, raw, strict=True):
        if (row < 0).any():
            first = grid[row < 0][0]
            warnings.append(
                f"PDF set {pdf.info.name} member {pdf.member}: negative {flavor} {flavor}bar luminosity from "
                f"{first:.0f} GeV on; set to 0"
            )
    return LuminosityTable(
        mass_gev=grid,
        values=np.maximum(raw, 0.0),
        sqrt_s_gev=sqrt_s,
        pdf_set=pdf.info.name,
        pdf_member=pdf.member,
        pdf_digest=pdf.digest,
        mu_f_over_m=mu_f_over_m,
        warnings=tuple(warnings),
    )


def cached_array(key: object, make: Callable[[], FloatArray], shape: tuple[int, ...], use: bool = True) -> FloatArray:
    """An array from the disk cache, or made and put there. A cache that is broken or not writable is done without."""
    if not use:
        return make()
    path = cache_dir() / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.npy"
    try:
        array = np.load(path, allow_pickle=False)
        if array.shape == shape and np.isfinite(array).all():
            return np.asarray(array, dtype=float)
    except (OSError, ValueError, EOFError):
        pass
    array = make()
    _store(path, array)
    return array


def _store(path: Path, array: FloatArray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                np.save(file, array)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        os.replace(temporary, path)
    except OSError:
        return  # a cache only saves time
