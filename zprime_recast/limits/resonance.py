"""Limits on the cross-section of a generic resonance, as an experiment defines them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, IndexArray, Quiet, checked_positive
from ..errors import InputError, LikelihoodError, UnknownName
from ..io.memo import Memo
from ..io.threads import one_blas_thread
from ..likelihood.asymptotics import unprofiled_statistic
from ..likelihood.background_fit import BackgroundFit, background_likelihood, fit_background
from ..likelihood.bayes import posterior
from ..likelihood.binned import BinnedLikelihood, Layouts, binned_likelihood
from ..likelihood.cls import Tested, asymptotic_cls
from ..likelihood.shared_cls import shared_cls
from ..likelihood.toy_ensemble import Ensemble
from ..likelihood.toy_statistic import fitted
from ..likelihood.toys import toy_cls
from ..process.hypotheses import GAMMA_OVER_M_MAX
from ..searches.search import check_mass
from ..searches.spectrum import SpectrumSearch, Uncertainty, load_spectrum
from ..signal.fold import FoldedSearch, fold_search
from ..signal.resonance import resonance_template
from ..signal.signal import Signal
from ..signal.systematics import expected_limit
from .crossings import CLsCurves, Crossings, crossings
from .families import FEW_EVENTS, few_events_remark
from .method import Method
from .refined import refined_crossings
from .result import ResonanceLimit
from .shared_toys import SharedToys
from .window_fit import WindowLimit, window_limit

#: Cross-sections looked at, over an estimate of the expected limit, and the points of the grid between them.
SEARCHED, POINTS = (0.05, 20.0), 20
#: Hypotheses fitted together, which bounds the memory; and resonances of a Bayesian limit.
CHUNK, BAYES_CHUNK = 512, 24
#: Ways to fit a resonance: in the windows and categories of ``[resonance_fit]`` of a card, or all bins of the published
#: spectrum with one background.
FITS = ("windows", "all-bins")


@dataclass(frozen=True, eq=False, repr=False)
class Resonances(Quiet):
    """Generic resonances in one search, whose cross-section is still free."""

    folded: FoldedSearch
    mass_gev: FloatArray
    """(n,)."""
    gamma_over_m: FloatArray
    """(n,)."""
    channel: str
    layouts: Layouts = field(default_factory=Layouts)

    def likelihood(self, sigma_br_fb: FloatArray, held: FloatArray | None = None) -> BinnedLikelihood:
        """The likelihood at cross-sections (n, m), hypotheses in their order when flattened. ``held``: values of
        ``peak_nuisances``, which are no nuisances then.
        """
        folded = self.folded
        if held is not None and len(held):
            values = {u.name: float(x) for u, x in zip(self.peak_nuisances, held, strict=True)}
            channels = tuple(f.channel.name for f in folded.channels if self.channel in ("ll", f.channel.name))
            folded = folded.held(channels, values)
        mass, ratio, sigma = np.broadcast_arrays(self.mass_gev[:, None], self.gamma_over_m[:, None], sigma_br_fb)
        template = resonance_template(folded, mass.ravel(), ratio.ravel(), sigma.ravel())
        yields = {name: y for name, y in template.yields.items() if self.channel in ("ll", name)}
        signal = Signal(folded.search, yields, template.nuisances, template.changes)
        return binned_likelihood([signal], self.layouts)

    def estimate(self) -> FloatArray:
        """Expected limits in fb to a factor of two, (n,), without a fit."""
        yields = resonance_template(self.folded, self.mass_gev, self.gamma_over_m).yields
        folds = [f for f in self.folded.channels if self.channel in ("ll", f.channel.name)]
        each = [expected_limit(f.information, yields[f.channel.name]) for f in folds]
        return np.asarray(sum(1 / limit**2 for limit in each) ** -0.5)

    @property
    def peak_nuisances(self) -> tuple[Uncertainty, ...]:
        """Uncertainties that move or widen a peak of the channels in use."""
        names = {f.channel.name for f in self.folded.channels if self.channel in ("ll", f.channel.name)}
        moving = (u for u in self.folded.search.uncertainties if u.kind in ("scale", "resolution"))
        return tuple(u for u in moving if set(u.channels) & names)

    @cached_property
    def background(self) -> BackgroundFit:
        """The fit of the background in the channels in use."""
        channels = None if self.channel == "ll" else (self.channel,)
        return fit_background(background_likelihood([self.folded.search], channels, self.layouts))

    @cached_property
    def _shared_toys(self) -> Memo[float, SharedToys]:
        return Memo(4)

    def shared_toys(self, gamma_over_m: float) -> SharedToys:
        """The toys that all resonances of a relative width share."""

        def resonance_at(mass_gev: float) -> tuple[BinnedLikelihood, Ensemble]:
            one = replace(self, mass_gev=np.array([mass_gev]), gamma_over_m=np.array([gamma_over_m]))
            likelihood = one.likelihood(_asymptotic(one)[:, 3:4])
            return likelihood, fitted(likelihood, self.background)[0].ensemble

        return self._shared_toys.get(gamma_over_m, lambda: SharedToys(self.background, resonance_at))

    def test(self, which: IndexArray, x: FloatArray) -> Tested:
        """Asymptotic CLs of the resonances ``which`` (k,) at cross-sections x (k,) in fb."""
        parts = [
            asymptotic_cls(self.take(which[at]).likelihood(x[at, None]), self.background)
            for at in (slice(first, first + CHUNK) for first in range(0, len(which), CHUNK))
        ]
        faults = tuple((k * CHUNK + i, text) for k, part in enumerate(parts) for i, text in part.faults)
        names = ("cls_observed", "cls_expected", "q_observed", "q_asimov", "log_ratio", "recomputed")
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return Tested(**joined, faults=faults, warnings=(), calculator_used=("asymptotic",) * len(which))

    def bound(self, which: IndexArray, x: FloatArray) -> FloatArray:
        """Asimov statistic with every nuisance fixed, (k,)."""
        yields = resonance_template(self.folded, self.mass_gev[which], self.gamma_over_m[which], x).yields
        used = [f.channel for f in self.folded.channels if self.channel in ("ll", f.channel.name)]
        return np.asarray(sum(unprofiled_statistic(yields[c.name], c.bkg) for c in used))

    def take(self, i: slice | IndexArray) -> Resonances:
        """Some of the resonances."""
        return replace(self, mass_gev=self.mass_gev[i], gamma_over_m=self.gamma_over_m[i])


def resonances(folded: FoldedSearch, mass_gev: ArrayLike, gamma_over_m: ArrayLike, channel: str = "ll") -> Resonances:
    """Checked resonances (n,); masses and relative widths broadcast.

    RangeError outside the search, InputError for a width that is not between 0 and GAMMA_OVER_M_MAX, UnknownName for a
    channel the search does not have (``ll``: all of them).
    """
    mass, ratio = _checked(folded.search, mass_gev, gamma_over_m, channel)
    return Resonances(folded, mass.ravel(), ratio.ravel(), channel)


def _checked(
    search: SpectrumSearch, mass_gev: ArrayLike, gamma_over_m: ArrayLike, channel: str
) -> tuple[FloatArray, FloatArray]:
    """Masses in GeV and relative widths of resonances that a search can be asked about, of one shape."""
    mass, ratio = np.broadcast_arrays(checked_positive("mass_gev", mass_gev), np.asarray(gamma_over_m, dtype=float))
    check_mass(search, mass)
    bad = ~(np.isfinite(ratio) & (ratio >= 0) & (ratio <= GAMMA_OVER_M_MAX))
    if bad.any():
        raise InputError(f"relative width must be between 0 and {GAMMA_OVER_M_MAX}, found {ratio[bad].flat[0]}")
    names = [c.name for c in search.channels]
    if channel != "ll" and channel not in names:
        raise UnknownName(f"channel of {search.id}", channel, [*names, "ll"])
    return mass, ratio


def resonance_limit(
    analysis: str | Path | SpectrumSearch | FoldedSearch,
    mass_gev: ArrayLike,
    gamma_over_m: ArrayLike,
    channel: str = "ll",
    calculator: str | None = None,
    spectrum_bins: bool = False,
    n_toys: int | None = None,
    seed: int | None = None,
    fit: str | None = None,
) -> ResonanceLimit:
    """Limit at 95 % CL on sigma x BR of generic resonances, observed and expected, as the experiment defines it.

    Arguments:
        analysis: id, folder, a search with a spectrum, or one that is folded already.
        mass_gev, gamma_over_m: mass in GeV and relative width; they broadcast to the shape of the result.
        channel: of the analysis; ``ll`` for all.
        calculator: CLs from ``toys`` that all cross-sections share (the default with all bins), from the
            ``asymptotic`` formulae or from ``plain-toys`` of each cross-section; or ``bayes`` (flat prior in the
            cross-section; with all bins the median of the expected band alone, from the background-only Asimov data).
        spectrum_bins: expected limits in the bins of the published spectrum; otherwise in the finer ones the
            card of the search gives for them, if it does.
        n_toys, seed: number of toys, by default SHARED_TOYS or PLAIN_TOYS of :mod:`zprime_recast.limits.method`, and
            their seed, by default 1; of windows those of the card.
        fit: ``windows`` (the default if the card of the search has ``[resonance_fit]``; ``bayes`` alone) or
            ``all-bins``.

    RangeError outside the masses of the search; LikelihoodError if CLs does not fall through 0.05.

    >>> import zprime_recast as zr
    >>> limit = zr.resonance_limit("atlas-139fb-dilepton", 2000.0, 0.03, "ee")
    >>> f"{limit.sigma_br_95_observed_fb:.2f} fb"
    '0.06 fb'
    """
    search = analysis.search if isinstance(analysis, FoldedSearch) else load_spectrum(analysis)
    mass, ratio = _checked(search, mass_gev, gamma_over_m, channel)
    if _fit_used(search, fit) == "windows":
        return _in_windows(search, mass, ratio, channel, calculator or "bayes", spectrum_bins, n_toys, seed)
    folded = analysis if isinstance(analysis, FoldedSearch) else fold_search(search)
    calculator = calculator or "toys"
    method = Method(calculator=calculator, n_toys=n_toys, seed=1 if seed is None else seed)
    asked = resonances(folded, mass, ratio, channel)
    method.only("a limit on a resonance", *((name, "newton") for name in _CALCULATORS))
    find = _CALCULATORS[calculator]
    bins = None if spectrum_bins else folded.search.expected_bins
    with one_blas_thread():
        limits = find(asked, method)
        if bins is not None and folded.fine is not None:
            limits[:, 1:] = find(resonances(folded.fine, mass, ratio, channel), method)[:, 1:]
    return ResonanceLimit(
        analysis=folded.search.id,
        channel=channel,
        mass_gev=mass,
        gamma_over_m=ratio,
        sigma_br_95_observed_fb=limits[:, 0].reshape(mass.shape),
        sigma_br_95_expected_fb=limits[:, 1:].reshape(*mass.shape, 5),
        calculator=calculator,
        fit="all-bins",
        definition=folded.search.limit_definition,
        expected_bins=bins,
        notes=(*folded.search.notes, *_remarks(asked, limits, calculator)),
    )


def _fit_used(search: SpectrumSearch, fit: str | None) -> str:
    """The fit that is honoured; UnknownName for an unknown one, InputError for windows a card does not have."""
    if fit is not None and fit not in FITS:
        raise UnknownName("fit", fit, FITS)
    if fit == "windows" and search.resonance_fit is None:
        raise InputError(f"the card of {search.id} has no [resonance_fit]; its resonances are fitted in all bins")
    return fit or ("all-bins" if search.resonance_fit is None else "windows")


def _in_windows(
    search: SpectrumSearch,
    mass: FloatArray,
    ratio: FloatArray,
    channel: str,
    calculator: str,
    spectrum_bins: bool,
    n_toys: int | None,
    seed: int | None,
) -> ResonanceLimit:
    Method(calculator=calculator, n_toys=n_toys)  # whether they exist
    if calculator != "bayes":
        raise InputError(
            f"calculator {calculator}: the windows of {search.id} take bayes; with --fit all-bins it applies"
        )
    if spectrum_bins:
        raise InputError(f"--spectrum-bins: the windows of {search.id} have bins of their own; it takes --fit all-bins")
    fit = search.resonance_fit
    assert fit is not None
    fit = replace(fit, n_toys=n_toys or fit.n_toys, seed=fit.seed if seed is None else seed)
    with one_blas_thread():
        each = [window_limit(fit, channel, float(m), float(r)) for m, r in zip(mass.flat, ratio.flat, strict=True)]
    return ResonanceLimit(
        analysis=search.id,
        channel=channel,
        mass_gev=mass,
        gamma_over_m=ratio,
        sigma_br_95_observed_fb=np.array([one.observed for one in each]).reshape(mass.shape),
        sigma_br_95_expected_fb=np.array([one.expected for one in each]).reshape(*mass.shape, 5),
        calculator=calculator,
        fit="windows",
        definition=search.limit_definition,
        expected_bins=None,
        notes=(*search.notes, *fit.remarks, *_window_remarks(each)),
        merged_over_categories=np.array([one.merged_over_categories for one in each]).reshape(mass.shape),
    )


def _window_remarks(each: list[WindowLimit]) -> Iterator[str]:
    """What the observed limit in merged bins leaves out, with its size."""
    loss = [one.merged_over_categories for one in each]
    size = f"{min(loss):.2f}" + (f" to {max(loss):.2f}" if len(loss) > 1 else "")
    bins = sorted({one.n_bins for one in each})
    number = f"{bins[0]}" + (f" to {bins[-1]}" if len(bins) > 1 else "")
    yield (
        f"counts per category are not public: the observed limit uses the {number} published bins in the window, "
        f"categories merged; expected limits in them are {size} times those by category"
    )


def _remarks(asked: Resonances, limits: FloatArray, calculator: str) -> Iterator[str]:
    """Remarks on what asymptotic limits (n, 6) leave out."""
    if calculator != "asymptotic":
        return
    events = np.maximum(asked.likelihood(limits[:, 3:4]).signal, 0.0).sum(axis=1)
    if (events < FEW_EVENTS).any():
        yield few_events_remark(float(events.min()))
    if any(u.kind == "scale" for u in asked.peak_nuisances):
        above = "the median limit of toys lies above this asymptotic one, by 5 to 20 % for a narrow peak"
        yield f"the mass scale floats: {above}"


def _asymptotic(asked: Resonances, method: Method | None = None) -> FloatArray:
    estimate = asked.estimate()
    low, high = (x * estimate for x in SEARCHED)
    return _limits(asked, crossings(CLsCurves(asked.test, asked.bound), low, high, POINTS), low, high)


def _toys(asked: Resonances, method: Method) -> FloatArray:
    """CLs from toys that all cross-sections share, around the asymptotic limits."""

    def values(i: int, x: FloatArray) -> FloatArray:
        some = np.full(len(x), i)
        likelihood = asked.take(some).likelihood(x[:, None])
        drawn = asked.shared_toys(float(asked.gamma_over_m[i])).near(float(asked.mass_gev[i]), method.toys, method.seed)
        found = shared_cls(likelihood, asked.background, drawn, asked.test(some, x))
        return np.concatenate([found.cls_observed[:, None], found.cls_expected], axis=1)

    return _refined(asked, values)


def _plain_toys(asked: Resonances, method: Method) -> FloatArray:
    """CLs from toys of each cross-section, with the same seed, around the asymptotic limits."""

    def values(i: int, x: FloatArray) -> FloatArray:
        found = []
        for one in x:
            likelihood = asked.take(np.array([i])).likelihood(np.array([[one]]))
            cls = toy_cls(likelihood, method.toys, method.seed, asked.background)
            found.append([cls.cls_observed, *cls.cls_expected])
        return np.maximum(found, 0.1 / method.toys)

    return _refined(asked, values)


def _refined(asked: Resonances, values: Callable[[int, FloatArray], FloatArray]) -> FloatArray:
    """Limits (n, 6) of a calculator, from CLs (k, 6) of one resonance at cross-sections (k,)."""
    estimate = asked.estimate()
    low, high = (x * estimate for x in SEARCHED)
    around = crossings(CLsCurves(asked.test, asked.bound), low, high, POINTS)
    found = [
        refined_crossings(lambda log_x, i=i: values(i, np.exp(log_x)), one, float(low[i]), float(high[i]))  # type: ignore[misc]
        for i, one in enumerate(around)
    ]
    return _limits(asked, found, low, high)


def _bayesian(asked: Resonances, method: Method) -> FloatArray:
    n, n_sampled = len(asked.mass_gev), len(asked.peak_nuisances)
    limits = np.full((n, 6), np.nan)
    for first in range(0, n, BAYES_CHUNK):
        rows = slice(first, first + BAYES_CHUNK)
        part = asked.take(rows)
        estimate, null = part.estimate(), asked.background
        limits[rows, 0] = posterior(part.likelihood, null, estimate, n_sampled).upper_limits
        limits[rows, 3] = posterior(part.likelihood, null, estimate, n_sampled, null.expected).upper_limits
    return limits


_CALCULATORS: dict[str, Callable[[Resonances, Method], FloatArray]] = {
    "asymptotic": _asymptotic,
    "toys": _toys,
    "plain-toys": _plain_toys,
    "bayes": _bayesian,
}


def _limits(asked: Resonances, found: list[Crossings], low: FloatArray, high: FloatArray) -> FloatArray:
    """Limits (n, 6); LikelihoodError where one is missing."""
    limits = np.array([one.limits for one in found]).reshape(-1, 6)
    for i in np.nonzero(~np.isfinite(limits).all(axis=1))[0]:
        why = found[i].fault or f"CLs does not fall through 0.05 between {low[i]:.3g} and {high[i]:.3g} fb"
        raise LikelihoodError(f"{asked.folded.search.id}, {asked.mass_gev[i]:g} GeV: {why}")
    return limits
