r"""A predicted background: the published total uncertainty of each bin, divided into sources.

Relative uncertainties at masses m of one channel, with u(m) the published total:

- columns of the spectrum named in ``sources`` are sources of their own, as published;
- ``[channel.background.local]`` is the share f u(m) that moves with its neighbours only, with the correlation
  :math:`\exp(-d^2/2 \ell^2)` at a distance d in ln m;
- ``[[channel.background.common]]`` are sources common to all masses, r_k(m). They share what is left in proportion to
  their sizes, r_k(m) times one factor at each mass, so that all together give u(m) in quadrature.

All are functions of mass, not of bins: in finer bins they are the same functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.polynomial import Polynomial

from ..arrays import FloatArray, Quiet
from ..errors import CardError
from ..io.cards import Section, read_csv
from .inputs import Input, read_input

#: Degree of the polynomial ln(events/GeV) of ln m that smooths a prediction.
SMOOTH_DEGREE = 5
#: Largest relative uncertainty of a source before it is scaled: a factor of 2.
_RELATIVE_MAX = 1.0


@dataclass(frozen=True, eq=False, repr=False)
class BackgroundTable(Quiet):
    """A predicted background with an uncertainty per bin.

    Each named source is fully correlated between all masses and has one nuisance. The local part is correlated by
    exp(-(ln m1/m2)^2/(2 length^2)) between bins, which falls off with the distance in mass.
    """

    sources: Mapping[str, FloatArray]
    """Relative uncertainty from each source common to all masses, (n_bins,)."""
    local: FloatArray
    """Relative uncertainty of the local part, (n_bins,)."""
    correlation_length: float
    """Correlation length of the local part, in ln(mass)."""
    smooth: bool = False
    """Whether finer bins are filled from a smooth curve through the prediction, instead of bin by bin."""
    inputs: tuple[Input, ...] = ()
    """Sources of the sizes on the card."""

    def at(self, log_mass: FloatArray, wanted: FloatArray) -> BackgroundTable:
        """The same uncertainties at other bins: linear in ln(mass) between the middles ``log_mass`` of these."""
        sources = {name: np.interp(wanted, log_mass, row) for name, row in self.sources.items()}
        return replace(self, sources=sources, local=np.interp(wanted, log_mass, self.local))


def read_prediction(section: Section, spectrum: Path, table: Mapping[str, FloatArray]) -> BackgroundTable:
    """Read the uncertainty of a predicted background from ``[channel.background]`` and the columns of the spectrum.

    ``table`` holds the columns m_low_gev, m_high_gev and bkg. CardError where the parts exceed the published total.
    """
    total, columns = _read_columns(spectrum, tuple(section.texts("sources", [])), table["bkg"])
    published = _quadrature(columns.values(), total)
    smooth = section.choice("finer_bins", ("as-published", "smooth"), "as-published") == "smooth"
    inputs: list[Input] = []
    if "common" in section.values:
        local, length = _read_local(section, total, published, inputs)
        left = np.sqrt(np.maximum(total**2 - published**2 - local**2, 0.0))
        columns |= _read_common(section, tuple(columns), table, left, inputs)
    else:
        length = section.number("correlation_length_log_mass", low=0.01)
        local = np.sqrt(np.maximum(total**2 - published**2, 0.0))
    section.finish()
    relative = {name: row / table["bkg"] for name, row in columns.items()}
    return BackgroundTable(relative, local / table["bkg"], length, smooth, tuple(inputs))


def _read_local(
    section: Section, total: FloatArray, published: FloatArray, inputs: list[Input]
) -> tuple[FloatArray, float]:
    """Local part in events, (n_bins,), and its correlation length; 0 without ``[channel.background.local]``."""
    if "local" not in section.values:
        return np.zeros_like(total), 1.0
    local = section.section("local")
    share = local.number("share", low=0.0, high=1.0)
    length = local.number("correlation_length_log_mass", low=0.01)
    inputs.append(read_input(local, "local part of the background"))
    local.finish()
    over = np.hypot(share * total, published) > total * (1 + 1e-6)
    if over.any():
        row = int(np.argmax(over))
        found = f"{share:g}, beside sources of {published[row] / total[row]:.3g} of the total in row {row + 1}"
        raise local.fault("share", found, "shares that in quadrature are at most the published total")
    return share * total, length


def _read_common(
    section: Section, taken: tuple[str, ...], table: Mapping[str, FloatArray], left: FloatArray, inputs: list[Input]
) -> dict[str, FloatArray]:
    """Events by which each ``[[channel.background.common]]`` moves the bins; in quadrature ``left`` (n_bins,)."""
    m = np.sqrt(table["m_low_gev"] * table["m_high_gev"])
    sizes: dict[str, FloatArray] = {}
    for part in section.sections("common"):
        name, kind = part.text("name"), part.choice("kind", ("rate", "scale"))
        if name in taken or name in sizes:
            raise part.fault("name", name, "a name that no other source has")
        masses, relative = read_mass_function(part, _RELATIVE_MAX)
        size = np.interp(m, masses, relative)
        sizes[name] = size * np.abs(log_slope(table, m)) if kind == "scale" else size
        inputs.append(read_input(part, f"background, {name}"))
        part.finish()
    whole = _quadrature(sizes.values(), left)
    if ((whole == 0) & (left > 0)).any():
        j = int(np.argmax((whole == 0) & (left > 0)))
        raise section.fault("common", f"no uncertainty at {m[j]:.0f} GeV", "a source > 0 at every mass of the spectrum")
    factor = np.divide(left, whole, out=np.zeros_like(left), where=whole > 0)
    return {name: row * factor for name, row in sizes.items()}


def read_mass_function(section: Section, largest: float) -> tuple[FloatArray, FloatArray]:
    """Masses ``m_gev`` and values ``relative``, linear between them and constant beyond; one value needs no mass."""
    masses, relative = section.numbers("m_gev", [1000.0]), section.numbers("relative")
    if len(masses) != len(relative) or len(masses) == 0 or (np.diff(masses) <= 0).any():
        raise section.fault("m_gev", masses.tolist(), f"{len(relative)} ascending masses, one per value of relative")
    if (relative < 0).any() or (relative > largest).any():
        raise section.fault("relative", relative.tolist(), f"numbers between 0 and {largest:g}")
    return masses, relative


def smooth_log_density(table: Mapping[str, FloatArray]) -> Polynomial:
    """The polynomial of ln m closest to ln(events/GeV) of the bins, of degree SMOOTH_DEGREE; the last bin is left out,
    because it is an overflow whose content does not say where its events are.

    The bins are weighted by the scatter of a simulated prediction, which grows about as mass.
    """
    low, high = table["m_low_gev"][:-1], table["m_high_gev"][:-1]
    log_m = 0.5 * np.log(low * high)
    degree = min(SMOOTH_DEGREE, len(low) - 1)
    return Polynomial.fit(log_m, np.log(table["bkg"][:-1] / (high - low)), degree, w=np.exp(-log_m))


def log_slope(table: Mapping[str, FloatArray], m_gev: FloatArray) -> FloatArray:
    """d ln(events/GeV)/d ln m of the smooth curve through a prediction: the change by a relative shift of the mass."""
    curve, last = smooth_log_density(table), np.log(table["m_high_gev"][-2])
    return np.asarray(curve.deriv()(np.minimum(np.log(m_gev), last)) + 1)


def _quadrature(rows: Iterable[FloatArray], like: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(sum((row**2 for row in rows), np.zeros_like(like))))


def _read_columns(spectrum: Path, names: tuple[str, ...], bkg: FloatArray) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Total uncertainty (column ``bkg_uncertainty``) and one column per source in ``names``, all in events."""
    table = read_csv(spectrum, ("bkg_uncertainty", *names))
    for name in ("bkg_uncertainty", *names):
        if (table[name] < 0).any():
            row = int(np.argmax(table[name] < 0))
            raise CardError(spectrum, f"row {row + 1}, column {name}", f"{table[name][row]:g}", "a number >= 0")
    total = table["bkg_uncertainty"]
    parts = _quadrature((table[name] for name in names), total)
    if (parts > total * (1 + 1e-6)).any():
        row = int(np.argmax(parts > total * (1 + 1e-6)))
        found = f"sources of {parts[row]:g} in quadrature"
        raise CardError(spectrum, f"row {row + 1}", found, f"at most the total, {total[row]:g}")
    return total, {name: table[name] for name in names}
