"""The table [resonance_fit] of a card: what CMS's says, and faults with the key they are at."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from zprime_recast.io.paths import shipped
from zprime_recast.searches.check import check_analysis
from zprime_recast.searches.spectrum import load_spectrum


def test_signal_relative_to_the_z_peak():
    """N_Z/eff_Z over 1928 pb x luminosity as tabulated by hand: 0.95-0.98 for electrons, 0.99-1.05 for muons; the
    categories add up to the luminosity x acceptance x efficiency of the channel times their mean.
    """
    search = load_spectrum("cms-140fb-dilepton")
    by_hand = {
        "ee": [0.951, 0.934, 0.980, 0.971, 0.950, 0.947],
        "mumu": [1.045, 1.024, 1.026, 1.026, 1.000, 0.992],
    }
    for channel, expected in by_hand.items():
        whole = search.channel(channel)
        found = []
        for category in search.resonance_fit.of(channel):
            plain = whole.int_lumi_fb * np.interp(1000, whole.efficiency_m_gev, whole.efficiency)
            found.append(category.events(1000.0) / (plain * np.interp(1000, category.m_gev, category.share)))
        np.testing.assert_allclose(found, expected, atol=6e-4)


def test_uncertainties_of_the_categories():
    """Mass scale 2 % (barrel-barrel) and 1 % (barrel-endcap) for electrons, resolution 15 % in 2016 and 8.5 % later for
    muons; the background of a channel is that of its categories.
    """
    fit = load_spectrum("cms-140fb-dilepton").resonance_fit
    sizes = {
        (c.detector.name, c.name): [c.size(k, 1000.0) for k in ("yield", "scale", "resolution")] for c in fit.categories
    }
    assert sizes[("ee", "2017_BB")] == pytest.approx([0.06, 0.02, 0.0])
    assert sizes[("ee", "2018_BE")] == pytest.approx([0.08, 0.01, 0.0])
    assert sizes[("mumu", "2016_BE")] == pytest.approx([0.0155, 0.0005 + 0.0005 / 3, 0.15])
    assert sizes[("mumu", "2018_BB")][2] == 0.085
    assert len(sizes) == 12
    ends = np.array([300.0, 6070.0])
    total = sum(np.diff(c.background_below(ends))[0] for c in fit.of("ee"))
    whole = fit.of("ee")[0].detector
    assert total == pytest.approx(
        whole.bkg[(whole.edges_gev[:-1] >= 300) & (whole.edges_gev[1:] <= 6070)].sum(), rel=2e-3
    )


#: What is changed in the files of CMS's folder, and what the fault says.
FAULTS = [
    ("card.toml", "window_widths = 6.0", "window_width = 6.0", "resonance_fit.window_widths: found no such key"),
    (
        "card.toml",
        "norm_kappa = 1.4",
        "norm_kappa = 1.4\nnorm_kapa = 2",
        "resonance_fit.norm_kapa: found an unknown key",
    ),
    ("card.toml", "lowest_mass_gev = 200.0", "lowest_mass_gev = 400.0", "no bin in the window of 2016_BB at 250 GeV"),
    (
        "card.toml",
        "window_events = 100 ",
        "window_events = 1e7 ",
        "resonance_fit.window_events: found 1e+07, of which",
    ),
    (
        "card.toml",
        'expected = "median of toys"',
        'expected = "mean of toys"',
        "resonance_fit.expected: found mean of toys",
    ),
    ("card.toml", "n_toys = 500", "n_toys = 5", "resonance_fit.n_toys: found 5"),
    ("card.toml", "relative = [0.06]", "relative = [0.6]", "resonance_fit.uncertainty[0].relative: found [0.6]"),
    ("card.toml", '["2016_BB", "2016_BE"]', '["2016_BB", "2016_EE"]', "resonance_fit.uncertainty[6].categories: found"),
    ("card.toml", '["2016_BB", "2016_BE"]', '["2016_BB", "2017_BE"]', "2017_BE a second time"),
    ("response_ee.csv", "2016_BB,300,0.15081", "2016_BB,300,0.0508", "a sum of 0.9"),
    ("z_peak_ee.csv", "2016_BE,", "2016_EE,", "z_peak_ee.csv: column component"),
    ("z_peak_ee.csv", "0.084993", "-0.084993", "z_peak_ee.csv: row 1, column efficiency: found -0.084993"),
]


@pytest.mark.parametrize(("file", "old", "new", "message"), FAULTS)
def test_faults_are_named(tmp_path, file, old, new, message):
    """One fault each, and that one is found and says where."""
    folder = tmp_path / "cms-140fb-dilepton"
    shutil.copytree(shipped("analyses") / "cms-140fb-dilepton", folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    faults = [str(fault).replace("'", "") for fault in check_analysis(folder).faults]
    assert any(message in fault for fault in faults), faults


def test_functions_have_no_categories(tmp_path):
    """A response without components cannot be divided into categories."""
    folder = tmp_path / "atlas"
    shutil.copytree(shipped("analyses") / "atlas-139fb-dilepton", folder)
    with (folder / "card.toml").open("a") as card:
        card.write("\n[resonance_fit]\nwindow_widths = 6.0\n")
    (fault,) = check_analysis(folder).faults
    assert "response_form" in str(fault)
    assert "[resonance_fit] has a category per component" in str(fault)
