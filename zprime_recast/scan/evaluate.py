"""Evaluate every row of a table of points: widths, rates, CLs, likelihoods and, on request, limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import FloatArray, IndexArray
from ..errors import InputError
from ..likelihood.asymptotics import CLS_EXCLUDED
from ..limits.analyses import Analyses, AnalysesLike, load_analyses
from ..limits.method import Method
from ..limits.result import BANDS
from ..model.card import load_model
from ..model.widths import grouped
from ..model.zprime import ZprimeModel
from ..process.final_state import LEPTON_PAIRS
from ..searches.search import DEFAULT_ANALYSES, outside
from .points import Columns, Points, Texts, carried_columns, check_columns, columns_of, read_points

#: Name of the dilepton final state of each charged lepton, e.g. ``mu`` -> ``mumu``.
PAIRS = {lepton: state.name for lepton, state in LEPTON_PAIRS.items()}
#: Suffixes of the columns that hold limits.
LIMIT_COLUMNS = ("observed", *(f"expected{band}" for band in BANDS))


@dataclass(frozen=True, eq=False, repr=False)
class Evaluator:
    """A function from a table of points to a table of results, made by :func:`evaluator`.

    It holds the analyses with their background fitted. It can be pickled, and called from several threads and processes
    at once.
    """

    analyses: Analyses
    model: ZprimeModel | None = None
    """The model of all rows; None: named in a column ``model``, or free couplings."""
    method: Method = field(default_factory=Method)
    limits: bool = False
    """Whether to compute limits for every row as well, which takes about twenty times as long."""

    def __call__(self, points: Any) -> Columns:
        """Evaluate a table of points; columns and errors as for :func:`evaluate`."""
        columns = columns_of(points)
        self.check(columns)
        return self.results(columns)

    def results(self, columns: Columns) -> Columns:
        """Evaluate columns whose names have been checked, see :meth:`check`."""
        n = len(columns["mass_gev"])
        groups, errors = read_points(columns, self.model, self._outside)
        results = {**columns, **self._empty(n)}
        results["error"] = errors
        for group in groups:
            if len(group.rows):
                for name, values in self._group(group).items():
                    results[name][group.rows] = values
        return results

    def check(self, columns: Columns) -> list[str]:
        """List the columns that are copied unchanged; InputError for one that would be misread or overwritten."""
        check_columns(columns, self.model)
        models = np.unique(columns["model"].astype(str)).tolist() if "model" in columns else ()
        carried = carried_columns(columns, self.model, models)
        taken = sorted(set(carried) & set(self._empty(0)))
        if taken:
            raise InputError(f"column {taken[0]} has the name of a column of results: rename it")
        return carried

    def _outside(self, mass_gev: FloatArray) -> Texts:
        texts: Texts = np.full(len(mass_gev), "", dtype=object)
        for i in np.nonzero(~self.analyses.covers(mass_gev).any(axis=0))[0].tolist():
            texts[i] = "; ".join(outside(p.search, float(mass_gev[i])) for p in self.analyses)
        return texts

    def _empty(self, n: int) -> Columns:
        names = ["gamma_gev", "br_ll", *(f"br_{pair}" for pair in PAIRS.values())]
        names += ["br_quarks", "br_charged_leptons", "br_other_visible", "br_invisible"]
        names += ["sigma_br_fb", *(f"sigma_br_{pair}_fb" for pair in PAIRS.values()), "sigma_br_sqrt_s_gev"]
        names += ["cls_observed", *(f"cls_expected{band}" for band in BANDS)]
        names += [
            "loglike",
            "loglike_sm",
            *(f"{log}_{i}" for i in self.analyses.ids for log in ("loglike", "loglike_sm")),
        ]
        columns: Columns = {name: np.full(n, np.nan) for name in names}
        if self.limits:
            kinds = ("coupling_95", "strength_95")
            columns |= {f"{kind}_{which}": np.full(n, np.nan) for kind in kinds for which in LIMIT_COLUMNS}
        columns["excluded"] = np.full(n, None, dtype=object)
        columns |= {
            name: np.full(n, "", dtype=object) for name in ("sigma_br_flavor", "calculator_used", "warning", "error")
        }
        return columns

    def _group(self, points: Points) -> Columns:
        """The results of valid rows."""
        n = len(points.x)
        columns = {**self._empty(n), **self._rates(points)}
        found = self.analyses.verdicts(points.family, points.x, self.method)
        columns["cls_observed"] = found.cls_observed
        for k, band in enumerate(BANDS):
            columns[f"cls_expected{band}"] = found.cls_expected[:, k]
        columns["calculator_used"] = np.array(found.calculator_used, dtype=object)
        excluded = found.cls_observed < CLS_EXCLUDED
        columns["excluded"] = np.array([bool(one) for one in excluded], dtype=object)
        for i, text in found.faults:
            columns["error"][i], columns["excluded"][i] = text, None
        remarks = list(found.warnings)
        if self.limits:
            limited = self.analyses.limits(points.family, self.method)
            variable = points.family.variable
            for k, which in enumerate(LIMIT_COLUMNS):
                columns[f"{variable}_95_{which}"] = limited.x_95[:, k]
            remarks += [*limited.islands, *((i, f"no limit on the {variable}: {text}") for i, text in limited.faults)]
        for i, text in remarks:
            known = str(columns["warning"][i]).split("; ")
            columns["warning"][i] = "; ".join(filter(None, dict.fromkeys((*known, text))))
        parts = {"": (self.analyses.joint, found.log_ratio)}
        for search_id, covered in zip(self.analyses.ids, self.analyses.covers(points.hypotheses.mass_gev), strict=True):
            alone, rows = self.analyses.joint.alone(search_id), np.nonzero(covered)[0]
            ratio = np.full(n, np.nan)
            if len(self.analyses) == 1:
                ratio = found.log_ratio
            elif len(rows):
                ratio[rows] = alone.log_ratios(points.hypotheses.take(rows), self.method.interference)
            parts[f"_{search_id}"] = (alone, ratio)
        for suffix, (joint, ratios) in parts.items():
            log_sm = float(joint.background.loglike)
            columns[f"loglike_sm{suffix}"] = np.where(np.isfinite(ratios), log_sm, np.nan)
            columns[f"loglike{suffix}"] = log_sm + ratios
        return columns

    def _rates(self, points: Points) -> Columns:
        family, x, lumi = points.family, points.x, self.analyses.luminosities
        rows: IndexArray = np.arange(len(x))
        partial, total = family.partial_gev(rows, x), family.gamma_gev(rows, x)
        columns: Columns = {"gamma_gev": total, "sigma_br_sqrt_s_gev": np.full(len(x), lumi.sqrt_s_gev)}
        for lepton, pair in PAIRS.items():
            columns[f"br_{pair}"] = partial[lepton] / total
            columns[f"sigma_br_{pair}_fb"] = family.sigma_br_fb(rows, x, lumi, (lepton,))
        columns |= {
            f"br_{name}": width / total for name, width in grouped(partial, total, points.family.other_visible).items()
        }
        coupled = np.array([partial[lepton] > 0 for lepton in PAIRS])
        first, pairs = np.argmax(coupled, axis=0), list(PAIRS.values())  # the first lepton where none couples
        columns["sigma_br_flavor"] = np.array(pairs, dtype=object)[first]
        for name, of_pair in (("br_ll", "br_{}"), ("sigma_br_fb", "sigma_br_{}_fb")):
            columns[name] = np.choose(first, [columns[of_pair.format(pair)] for pair in pairs])
        return columns


def evaluator(
    analyses: AnalysesLike = DEFAULT_ANALYSES,
    model: ZprimeModel | str | None = None,
    interference: bool = True,
    limits: bool = False,
    calculator: str = "auto",
    n_toys: int | None = None,
    seed: int = 1,
) -> Evaluator:
    """Make an evaluator: fit the background of the analyses, each alone and all together.

    Arguments:
        analyses: from :func:`~zprime_recast.limits.analyses.load_analyses`, or ids and folders of analyses.
        model: model of all rows; None if a column ``model`` names it or the couplings are free.
        interference: include the interference with photon and Z.
        limits: compute limits for every row as well.
        calculator, n_toys, seed: as for :func:`evaluate`.

    InputError for a limit curve, which has no likelihood.
    """
    searches = load_analyses(analyses)
    for search_id in searches.ids:
        _ = searches.joint.alone(search_id).background
    _ = searches.joint.background
    method = searches.joint.used(Method(interference, calculator, n_toys=n_toys, seed=seed))
    return Evaluator(searches, None if model is None else load_model(model), method, limits)


def evaluate(
    points: Any,
    analyses: AnalysesLike = DEFAULT_ANALYSES,
    model: ZprimeModel | str | None = None,
    interference: bool = True,
    limits: bool = False,
    calculator: str = "auto",
    n_toys: int | None = None,
    seed: int = 1,
) -> Columns:
    """Compute widths, rates, CLs and likelihoods for every row of a table, in its order.

    Arguments:
        points: columns by name (mapping, pandas, pyarrow, awkward, structured NumPy), see
            :mod:`zprime_recast.scan.points`.
        analyses: from :func:`~zprime_recast.limits.analyses.load_analyses`, or ids and folders of analyses.
        model: model of all rows; None if a column ``model`` names it or the couplings are free.
        interference: include the interference with photon and Z.
        limits: compute limits as well: ``coupling_95_observed`` and ``coupling_95_expected`` (with its band) for rows
            of a model; ``strength_95_...``, a factor on the whole signal at fixed width, for free couplings; NaN where
            nothing is excluded.
        calculator: ``auto`` for toys in rows whose asymptotic CLs is near the border of exclusion (between 0.002 and
            0.2) and asymptotic formulae elsewhere; ``toys``, ``asymptotic``, ``plain-toys`` or ``bayes`` for all rows.
            The rule looks at each row alone. Limits of ``auto`` come from toys.
        n_toys, seed: number of toys, by default SHARED_TOYS or PLAIN_TOYS of :mod:`zprime_recast.limits.method`, and
            their seed.

    The result has the columns of the table and ``gamma_gev``; ``br_ee``, ``br_mumu``, ``br_tautau``, ``br_quarks``,
    ``br_charged_leptons``, ``br_other_visible`` (other decays of a card), ``br_invisible``; ``sigma_br_ee_fb``,
    ``sigma_br_mumu_fb``, ``sigma_br_tautau_fb`` (narrow width, at ``sigma_br_sqrt_s_gev``, the highest energy of the
    analyses); ``br_ll`` and ``sigma_br_fb``, which belong to the first flavour that couples, named in
    ``sigma_br_flavor``; ``cls_observed``, ``cls_expected``
    (the median; suffixes ``_m2s`` to ``_p2s`` for the band), ``calculator_used``, ``excluded``; ``loglike`` and
    ``loglike_sm`` (profiled, with and without the signal; ``loglike_<id>`` for each analysis alone, NaN where it does
    not cover the mass; the data of such an analysis count in ``loglike`` as those of the Standard Model); ``warning``
    and ``error``. In a row with an error the other results are NaN or None.

    InputError if the table as a whole cannot be used, or if the name of a column is almost a name that has a meaning.

    >>> import zprime_recast as zr
    >>> table = zr.evaluate({"mass_gev": [3000.0], "coupling": [0.1]}, "atlas-139fb-dilepton", "ssm")
    >>> table["excluded"][0]
    True
    """
    return evaluator(analyses, model, interference, limits, calculator, n_toys, seed)(points)
