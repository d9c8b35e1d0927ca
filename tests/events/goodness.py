"""Chi-squared and Kolmogorov-Smirnov tests of events against the integrated prediction, over the configurations all
samplers are tested with. ``python tests/events/goodness.py 1e7 43`` prints the table of docs/events.md.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.stats import chi2

from zprime_recast.events.prediction import predicted_histogram
from zprime_recast.events.sample import event_source
from zprime_recast.model.card import load_model

VARIABLES = ("m_ll", "y_ll", "cos_theta_cs", "lepton_pt", "lminus_eta", "lplus_eta")

#: name: model, mass, coupling, mode, window of the full validation, window of the quick one
CONFIGURATIONS = {
    "narrow (2e-9)": ("minimal_bl", 1000.0, 1e-4, "zprime", None, (980.0, 1020.0)),
    "wide (0.31)": ("elusive_bl", 2000.0, 0.9, "full", None, (1900.0, 2200.0)),
    "interference": ("ssm", 6000.0, None, "signal", (300.0, 3000.0), (500.0, 600.0)),
    "low mass": ("ssm", 250.0, 0.05, "full", (60.0, 500.0), (235.0, 265.0)),
    "high mass": ("e6_chi", 6000.0, None, "full", None, (5800.0, 6200.0)),
    "SM, Z pole": ("ssm", 1000.0, None, "sm", (66.0, 116.0), (87.0, 96.0)),
}
RANGES = {"y_ll": (-4.0, 4.0), "cos_theta_cs": (-1.0, 1.0), "lminus_eta": (-5.0, 5.0), "lplus_eta": (-5.0, 5.0)}


def source_of(name, seed, quick=False, **options):
    model_id, mass, coupling, mode, window, quick_window = CONFIGURATIONS[name]
    model = load_model(model_id)
    window = quick_window if quick else window
    coupling = coupling or model.reference_coupling
    return event_source(model, mass, coupling, mode, order="lo", window_gev=window, seed=seed, **options)


def column(events, variable):
    return events["lminus_pt" if variable == "lepton_pt" else variable]


def edges_of(process, variable, events, bins=40):
    if variable == "m_ll":  # quantiles of the sample: a narrow peak has as many bins as its tails
        inner = np.quantile(events["m_ll"], np.linspace(0.004, 0.996, bins - 1))
        return np.unique([process.window_gev[0], *inner, process.window_gev[1]])
    if variable == "lepton_pt":
        return np.linspace(0.0, float(np.quantile(events["lminus_pt"], 0.998)), bins + 1)
    return np.linspace(*RANGES[variable], bins + 1)


def compare(source, events, variable, bins=40):
    """chi2, degrees of freedom, p-value, and the largest distance of the cumulative distributions in units of their
    statistical error (Kolmogorov-Smirnov: above 1.95 in 0.1 % of samples, less often for binned ones).
    """
    edges = edges_of(source.process, variable, events, bins)
    expected = predicted_histogram(source.process, variable, edges)
    weight, values = events["weight"], column(events, variable)
    found = np.histogram(values, edges, weights=weight)[0]
    variance = np.histogram(values, edges, weights=weight**2)[0]
    used = np.histogram(values, edges)[0] > 25
    positive = bool((weight > 0).all())
    if positive:  # the number of events is fixed: shapes are compared, the rate by itself
        expected = expected * (found[used].sum() / expected[used].sum())
    statistic = float(((found - expected)[used] ** 2 / variance[used]).sum())
    ndf = int(used.sum()) - positive
    distance = float(np.abs(np.cumsum((found - expected)[used])).max() / np.sqrt((weight**2).sum()))
    return statistic, ndf, float(chi2.sf(statistic, ndf)), distance


def rate(source):
    """Cross-section over its integral minus 1, and the same in standard deviations."""
    low, high = source.process.window_gev
    expected = float(predicted_histogram(source.process, "m_ll", [low, high]).sum())
    difference = source.cross_section_fb - expected
    return difference / expected, difference / source.cross_section_error_fb


def main(n, seed):
    print("| configuration | rate / integral - 1 | " + " | ".join(VARIABLES) + " |")
    for name in CONFIGURATIONS:
        source = source_of(name, seed)
        events = source.events(n)
        off, pull = rate(source)
        cells = ["{:.1f}/{} (p {:.2f}, KS {:.2f})".format(*compare(source, events, v)) for v in VARIABLES]
        print(f"| {name} | {off:+.1e} ({pull:+.1f} sd) | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(int(float(sys.argv[1])), int(sys.argv[2]))
