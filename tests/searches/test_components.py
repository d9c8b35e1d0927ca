"""What a card says of the components of a response - normalisation, mass scale, regions - by hand, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from toy_search import uncertainty, write_search

from zprime_recast.errors import CardError
from zprime_recast.searches.check import check_analysis
from zprime_recast.searches.response import efficiency, response_matrix

EDGES = np.array([700.0, 900.0, 960.0, 990.0, 1000.0, 1010.0, 1040.0, 1100.0, 1300.0])
BKG = np.full(8, 50.0)
RESPONSE = """component,m_ll_gev,share,sigma
barrel,100,0.7,0.01
endcap,100,0.3,0.02
barrel,9000,0.5,0.01
endcap,9000,0.5,0.02
"""
EFFICIENCY = "m_ll_gev,efficiency\n100,0.4\n9000,0.4\n"
COUNTS = "component,events,efficiency,int_lumi_fb\nendcap,1900,0.1,20\nbarrel,4200,0.2,20\n"
STATED = 'status = "unofficial"\nsource = "invented"\n'
NORMALIZATION = f'[channel.normalization]\ncounts = "z.csv"\ncross_section_fb = 1000.0\n{STATED}'
SCALE = f'[[channel.mass_scale]]\ncomponents = ["barrel"]\nrelative = [0.03]\n{STATED}'
REGIONS = "".join(
    f'[[channel.region]]\nname = "{name}"\ncomponents = ["{name}"]\npt_min_gev = 30.0\neta_first = [0.0, 1.4]\n'
    f"eta_second = {eta}\n{STATED}"
    for name, eta in (("barrel", [0.0, 1.4]), ("endcap", [1.6, 2.5]))
)


def toy(folder, channel="", uncertainties="", counts=COUNTS, response=RESPONSE):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "z.csv").write_text(counts)
    return write_search(folder, EDGES, BKG, 0.1 * BKG, response=response, efficiency=EFFICIENCY, channel=channel,
                        uncertainties=uncertainties)  # fmt: skip


def gaussians(shares, widths):
    """Probability of the bins for 1000 GeV, a sum of Gaussians in |m_reco/m - 1| < 0.5."""
    edges = EDGES / 1000.0 - 1
    parts = [w * np.diff(norm.cdf(edges / s)) / (norm.cdf(0.5 / s) - norm.cdf(-0.5 / s))
             for w, s in zip(shares, widths, strict=True)]  # fmt: skip
    return sum(parts)


def test_normalization_weights_the_components(tmp_path):
    """N/(eff sigma L): barrel 4200/(0.2 x 1000 x 20) = 1.05, endcap 1900/(0.1 x 1000 x 20) = 0.95. At 1000 GeV the shares are
    0.7 - 0.2 x 900/8900 and the rest; the efficiency takes their mean, the response the new shares.
    """
    channel = toy(tmp_path / "toy", NORMALIZATION).channel("ee")
    barrel = 0.7 - 0.2 * 900 / 8900
    mean = 1.05 * barrel + 0.95 * (1 - barrel)
    assert efficiency(channel, np.array([1000.0]))[0] == pytest.approx(0.4 * mean, rel=1e-12)
    found = response_matrix(channel, np.array([1000.0]))[0]
    shares = [np.interp(1000.0, [100, 9000], [a * f / (1.05 * a + 0.95 * (1 - a)) for a in (0.7, 0.5)])
              for f in (1.05,)]  # fmt: skip
    np.testing.assert_allclose(found, gaussians([shares[0], 1 - shares[0]], [0.01, 0.02]), rtol=1e-9)
    assert [(i.name, i.status) for i in channel.inputs] == [("normalisation of the signal, ee", "unofficial")]


def test_mass_scale_widens_its_component(tmp_path):
    """Barrel: sqrt(1^2 + 3^2) %; a resolution uncertainty of 20 % widens the 1 % only. The endcap is as it was."""
    channel = toy(tmp_path / "toy", SCALE).channel("ee")
    barrel = 0.7 - 0.2 * 900 / 8900
    for resolution in (0.0, 0.2):
        found = response_matrix(channel, np.array([1000.0]), resolution=resolution)[0]
        wider = 1 + resolution
        widths = [np.hypot(0.01 * wider, 0.03), 0.02 * wider]
        np.testing.assert_allclose(found, gaussians([barrel, 1 - barrel], widths), rtol=1e-9)


def test_a_widened_response_is_the_mean_of_shifted_ones(tmp_path):
    """Averaged over a Gaussian mass scale of 3 % - what six independent nuisances do to a sum of six components - a
    Gaussian response of 1 % is one of sqrt(10) %: 1 % of the largest bin (the scale multiplies the mass).
    """
    one = "m_ll_gev,sigma\n100,0.01\n9000,0.01\n"
    widened = toy(tmp_path / "a", SCALE.replace("barrel", "all"), response=one).channel("ee")
    plain = toy(tmp_path / "b", response=one).channel("ee")
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    shifted = response_matrix(plain, np.full(40, 1000.0), scale=0.03 * nodes)
    found = response_matrix(widened, np.array([1000.0]))[0]
    np.testing.assert_allclose(found, weights / weights.sum() @ shifted, atol=0.01 * found.max())


BAD = [
    (NORMALIZATION, "1900", "-1900", ("z.csv", "row 1, column events")),
    (NORMALIZATION, "1900", "19000", ("z.csv", "row 1")),
    (NORMALIZATION, "endcap,1900", "forward,1900", ("z.csv", "column component")),
    (NORMALIZATION, "= 1000.0", "= -1000.0", ("card.toml", "channel[0].normalization.cross_section_fb")),
    (NORMALIZATION, "cross_section_fb", "sigma_fb", ("card.toml", "channel[0].normalization.cross_section_fb")),
    (SCALE, "[0.03]", "[-0.03]", ("card.toml", "channel[0].mass_scale[0].relative")),
    (SCALE, '"barrel"]\nrel', '"barel"]\nrel', ("card.toml", "channel[0].mass_scale[0].components")),
    (SCALE + SCALE, "", "", ("card.toml", "channel[0].mass_scale[1].components")),
    (SCALE, 'source = "', 'origin = "', ("card.toml", "channel[0].mass_scale[0].source")),
    (REGIONS, "[1.6, 2.5]", "[2.5, 1.6]", ("card.toml", "channel[0].region[1].eta_second")),
    (REGIONS, 'components = ["endcap"]', 'components = ["barrel"]', ("card.toml", "channel[0].region[1].components")),
    (REGIONS[: len(REGIONS) // 2], "", "", ("card.toml", "channel[0].region")),
    (REGIONS, "pt_min_gev = 30.0", "pt_min_gev = -30.0", ("card.toml", "channel[0].region[0].pt_min_gev")),
    (REGIONS, 'limits_on = "total"', "[fiducial]\npt_min_gev = 30.0\neta_max = 2.5\nlow_widths = 2.0",
     ("card.toml", "channel[0].region")),
]  # fmt: skip


@pytest.mark.parametrize(("card", "good", "bad", "where"), BAD, ids=[f"{w[1]}-{b[:9].strip()}" for _, _, b, w in BAD])
def test_bad_cards_say_which_line(tmp_path, card, good, bad, where):
    folder = tmp_path / "toy"
    toy(folder)
    path = folder / "card.toml"
    path.write_text(path.read_text() + card)
    for file in (path, folder / "z.csv"):
        text = file.read_text()
        if bad.startswith("[fiducial]"):
            text = text.replace(good, "")
            if file == path:
                text += bad
        elif good:
            text = text.replace(good, bad, 1)
        file.write_text(text)
    faults = {(fault.path.name, fault.key) for fault in check_analysis(folder).faults}
    assert where in faults


def test_a_mass_scale_counts_once(tmp_path):
    """In the response and as a nuisance of the same channel: refused."""
    with pytest.raises(CardError, match=r"uncertainty\[0\].*electron_scale.*only once"):
        toy(tmp_path / "toy", SCALE, uncertainty("electron_scale", "scale", [0.02]))


def test_components_need_a_table(repository, tmp_path):
    """A response of functions has no components."""
    import shutil

    folder = shutil.copytree(repository / "analyses" / "atlas-139fb-dilepton", tmp_path / "atlas-139fb-dilepton")
    text = (folder / "card.toml").read_text()
    at = text.index("[channel.background]")
    (folder / "card.toml").write_text(text[:at] + SCALE + text[at:])
    assert ("channel[0].mass_scale") in {fault.key for fault in check_analysis(folder).faults}
