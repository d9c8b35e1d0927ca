"""Figures of a validation: published limits and ours, with their ratio below."""

from __future__ import annotations

from typing import Any

from ..searches.spectrum import SpectrumSearch
from .validation import Comparison


def plot_validation(search: SpectrumSearch, comparisons: list[Comparison], channel: str) -> Any:
    """Draw one channel: the limits for every width above, ours over published below."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    chosen = [c for c in comparisons if c.channel == channel]
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(7.5, 6.5), sharex=True, height_ratios=(2.2, 1), layout="constrained"
    )
    colors = plt.get_cmap("viridis")([0.9 * k / max(len(chosen) - 1, 1) for k in range(len(chosen))])
    # the curves of different widths lie close together: multiply each by three more than the one before
    for k, (c, color) in enumerate(zip(chosen, colors, strict=True)):
        shift = 3.0**k
        label = rf"$\Gamma/M$ = {100 * c.gamma_over_m:g} %" + (rf" ($\times${shift:g})" if k else "")
        above.plot(c.mass_gev, shift * c.published_expected_fb, "--", color=color, lw=1)
        above.plot(c.mass_gev, shift * c.published_observed_fb, "-", color=color, lw=1, label=label)
        above.plot(c.mass_gev, shift * c.expected_fb, "o", color=color, ms=3.5, mfc="none")
        above.plot(c.mass_gev, shift * c.observed_fb, "o", color=color, ms=3.5)
        below.plot(c.mass_gev, c.ratio_expected, "o--", color=color, ms=3.5, mfc="none", lw=0.8)
        below.plot(c.mass_gev, c.ratio_observed, "o-", color=color, ms=3.5, lw=0.8)
    above.set_xscale("log")
    above.set_yscale("log")
    unit = "fiducial" if search.fiducial else "total"
    above.set_ylabel(rf"95% CL limit on {unit} $\sigma\times$BR (fb)")
    above.set_title(f"{search.label}, {channel}; lines: published, points: ours ({chosen[0].calculator})", fontsize=10)
    above.legend(fontsize=8, title="filled, solid: observed; open, dashed: expected", title_fontsize=8)
    below.axhline(1.0, color="black", lw=0.8)
    below.axhspan(0.75, 1.25, color="0.9", zorder=0)
    below.set_ylim(0.4, 1.6)
    below.set_ylabel("ours / published")
    below.set_xlabel(r"$M$ (GeV)")
    ticks = [t for t in (300, 500, 1000, 2000, 3000, 5000) if chosen[0].mass_gev[0] <= t <= chosen[0].mass_gev[-1]]
    below.set_xticks(ticks, [str(t) for t in ticks])
    below.minorticks_off()
    return figure
