"""A verdict for every row of a table of points: widths, rates, CLs, likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from ..arrays import FloatArray, checked_positive
from ..likelihood.background_fit import Null, fit_null, loglike_of
from ..likelihood.cls import log_ratios
from ..likelihood.expectations import batch_model
from ..likelihood.result import CLS_EXCLUDED
from ..limits.analyses import Prepared, with_likelihood
from ..limits.families import point_limits
from ..limits.verdicts import CHUNK, batch_likelihood, cls_of_hypotheses
from ..model.widths import decay_widths
from ..model.zprime import ZprimeModel
from ..partons.drell_yan import FLAVORS
from ..process.hypotheses import GAMMA_OVER_M_MAX, Hypotheses, hypotheses_of
from ..signal.fold import FoldedSearch
from ..units import HBARC2_GEV2_FB
from .points import Columns, Points, check_columns, columns_of, read_points

#: Suffixes of the expected CLs; the median has none.
BANDS = ("_m2s", "_m1s", "", "_p1s", "_p2s")
#: Endings of the columns of limits.
LIMIT_COLUMNS = ("observed", *(f"expected{band}" for band in BANDS))


@dataclass(frozen=True)
class Evaluator:
    """Searches whose background is fitted: a function from a table of points to a table of results.

    Can be pickled, and called from several threads and processes at once.
    """

    searches: tuple[FoldedSearch, ...]
    model: ZprimeModel | None = None
    interference: bool = True
    nulls: dict[str, Null] = field(default_factory=dict)
    """Of each analysis, and of all together under ""."""
    loglike_sm: dict[str, float] = field(default_factory=dict)
    """ln L at mu = 0 of the same."""
    limits: bool = False
    """Whether rows have their limits, too: twenty times the work."""

    @property
    def mass_range_gev(self) -> tuple[float, float]:
        """Pole masses that all searches cover."""
        lows, highs = zip(*(f.search.mass_range_gev for f in self.searches), strict=True)
        return max(lows), min(highs)

    def __call__(self, points: Any) -> Columns:
        """See :func:`evaluate`."""
        columns = columns_of(points)
        check_columns(columns, self.model)
        n = len(columns["mass_gev"])
        results = {**columns, **self._empty(n)}
        for rows, group in read_points(columns, self.model):
            for name, values in self._group(group).items():
                results[name][rows] = values
        return results

    def _empty(self, n: int) -> Columns:
        ids = [f.search.id for f in self.searches]
        names = ["gamma_gev", "br_ll", "br_quarks", "br_charged_leptons", "br_invisible", "sigma_br_fb", "cls_observed"]
        names += [f"cls_expected{band}" for band in BANDS]
        logs = ["loglike", "loglike_sm", *(f"loglike_{i}" for i in ids), *(f"loglike_sm_{i}" for i in ids)]
        columns: Columns = {name: np.full(n, np.nan) for name in (*names, *logs)}
        if self.limits:
            kinds = ("coupling_95", "strength_95")
            columns |= {f"{kind}_{which}": np.full(n, np.nan) for kind in kinds for which in LIMIT_COLUMNS}
        columns["excluded"] = np.full(n, None, dtype=object)
        columns |= {name: np.full(n, "", dtype=object) for name in ("warning", "error")}
        return columns

    def _group(self, points: Points) -> Columns:
        h, errors = points.hypotheses, points.errors.copy()
        for folded in self.searches:
            low, high = folded.search.mass_range_gev
            for i in np.nonzero(((h.mass_gev < low) | (h.mass_gev > high)) & (errors == ""))[0].tolist():
                errors[i] = f"mass {h.mass_gev[i]:g} GeV is outside {folded.search.id}: {low:g} to {high:g} GeV"
        good = np.nonzero(errors == "")[0]
        columns = self._empty(len(errors))
        columns["error"] = errors
        if not len(good):
            return columns
        for name, values in self._rates(points).items():
            columns[name][good] = values[good]
        some = h.take(good)
        found = cls_of_hypotheses(self.searches, some, self.interference, self.nulls[""])
        columns["cls_observed"][good] = found.cls_observed
        for k, band in enumerate(BANDS):
            columns[f"cls_expected{band}"][good] = found.cls_expected[:, k]
        columns["excluded"][good] = found.cls_observed < CLS_EXCLUDED
        for i, text in found.faults:
            columns["error"][good[i]], columns["excluded"][good[i]] = text, None
        remarks = [*found.warnings, *((k, "fitted with pyhf") for k in np.nonzero(found.recomputed)[0].tolist())]
        if self.limits:
            kind, limits, texts = point_limits(points, good, self.searches, self.interference, self.nulls[""])
            for k, which in enumerate(LIMIT_COLUMNS):
                columns[f"{kind}_95_{which}"][good] = limits[:, k]
            remarks += [(i, text) for i, text in enumerate(texts.tolist()) if text]
        for i, text in remarks:
            columns["warning"][good[i]] = "; ".join(filter(None, (columns["warning"][good[i]], text)))
        parts = {"": found.log_ratio}
        for folded in self.searches:
            alone = len(self.searches) == 1
            parts[f"_{folded.search.id}"] = found.log_ratio if alone else self._log_ratios(folded, some)
        for suffix, ratios in parts.items():
            log_sm = self.loglike_sm[suffix[1:] if suffix[1:] in self.nulls else ""]
            columns[f"loglike_sm{suffix}"][good] = np.where(np.isfinite(ratios), log_sm, np.nan)
            columns[f"loglike{suffix}"][good] = log_sm + ratios
        return columns

    def _log_ratios(self, folded: FoldedSearch, hypotheses: Hypotheses) -> FloatArray:
        null = self.nulls[folded.search.id]
        parts = []
        for first in range(0, len(hypotheses.mass_gev), CHUNK):
            some = hypotheses.take(slice(first, first + CHUNK))
            parts.append(log_ratios(batch_likelihood([folded], some, self.interference), null))
        return np.concatenate(parts)

    def _rates(self, points: Points) -> dict[str, FloatArray]:
        h, partial = points.hypotheses, points.partial_gev
        total = h.gamma_gev
        lumi = self.searches[0].lumi
        assert lumi is not None
        quarks = sum((w for f, w in partial.items() if f in ("u", "d", "s", "c", "b", "t")), np.zeros(len(total)))
        leptons = sum((w for f, w in partial.items() if f in ("e", "mu", "tau")), np.zeros(len(total)))
        rate = sum(partial[f] * lumi(h.mass_gev)[k] for k, f in enumerate(FLAVORS))
        br_ll = partial["e"] / total
        sigma = HBARC2_GEV2_FB * 4 * np.pi**2 / 3 * rate * br_ll / (lumi.sqrt_s_gev**2 * h.mass_gev)
        return {
            "gamma_gev": total,
            "br_ll": br_ll,
            "br_quarks": quarks / total,
            "br_charged_leptons": leptons / total,
            "br_invisible": (total - quarks - leptons) / total,
            "sigma_br_fb": sigma,
        }


def evaluator(
    searches: Sequence[Prepared], model: ZprimeModel | None = None, interference: bool = True, limits: bool = False
) -> Evaluator:
    """Fit the background of searches, alone and together. InputError for a limit curve, which has no likelihood.

    ``limits``: rows are to have their limits, too.
    """
    nulls, logs = {}, {}
    searches = with_likelihood(searches)
    tuples: dict[str, tuple[FoldedSearch, ...]] = {"": tuple(searches)}
    tuples |= {f.search.id: (f,) for f in searches if len(searches) > 1}
    for key, some in tuples.items():
        likelihood = batch_likelihood(some, _any_hypothesis(some))
        nulls[key] = fit_null(batch_model(likelihood), likelihood.n_obs)
        logs[key] = loglike_of(likelihood, nulls[key])
    return Evaluator(tuple(searches), model, interference, nulls, logs, limits)


def _any_hypothesis(searches: Sequence[FoldedSearch]) -> Hypotheses:
    """A hypothesis to name the nuisances with."""
    mass = max(f.search.mass_range_gev[0] for f in searches)
    columns = {"mass_gev": np.array([mass]), "g_uL": np.array([1e-3]), "g_lL": np.array([1e-3])}
    return read_points(columns)[0][1].hypotheses


def evaluate(
    points: Any,
    searches: Sequence[Prepared],
    model: ZprimeModel | None = None,
    interference: bool = True,
    limits: bool = False,
) -> dict[str, npt.NDArray[Any]]:
    """Widths, rates, CLs and likelihoods of every row of a table, in its order.

    ``points``: columns by name (mapping, pandas, pyarrow, awkward, structured NumPy), see
    :mod:`zprime_recast.scan.points`. The result has those columns and ``gamma_gev``, ``br_ll`` (one flavour),
    ``br_quarks``, ``br_charged_leptons``, ``br_invisible``, ``sigma_br_fb`` (narrow width, one flavour),
    ``cls_observed``, ``cls_expected`` (median; with ``_m2s`` to ``_p2s`` the band), ``excluded``, ``loglike`` and
    ``loglike_sm`` (profiled, with and without the signal; of each analysis alone ``loglike_<id>``), ``warning`` and
    ``error``. A row with an error has NaN and None elsewhere. With ``limits`` also ``coupling_95_observed``,
    ``coupling_95_expected`` (and its band) for rows of a model, and ``strength_95_...``, the factor on the whole signal
    at the same width, for free couplings; NaN where nothing is excluded. InputError if the table as a whole makes no
    sense.
    """
    return evaluator(searches, model, interference, limits)(points)


def cls_plane(
    model: ZprimeModel,
    mass_gev: ArrayLike,
    coupling: ArrayLike,
    searches: Sequence[FoldedSearch],
    interference: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """CLs of a model on a grid of masses (n,) in GeV and couplings (k,): observed (n, k), expected (n, k, 5).

    NaN where there is no hypothesis: Gamma/M above GAMMA_OVER_M_MAX, or interference beyond the background. RangeError
    if a mass is outside a search.
    """
    masses, g = (np.atleast_1d(checked_positive(n, v)) for n, v in (("mass_gev", mass_gev), ("coupling", coupling)))
    for folded in searches:
        folded.search.check_mass(masses)
    m, c = (a.ravel() for a in np.meshgrid(masses, g, indexing="ij"))
    width = decay_widths(model, m, c).total_gev
    observed, expected = np.full(m.shape, np.nan), np.full((len(m), 5), np.nan)
    good = np.nonzero(width <= GAMMA_OVER_M_MAX * m)[0]
    if len(good):
        found = cls_of_hypotheses(searches, hypotheses_of(model, m[good], c[good], width[good]), interference)
        observed[good], expected[good] = found.cls_observed, found.cls_expected
    shape = (len(masses), len(g))
    return observed.reshape(shape), expected.reshape(*shape, 5)
