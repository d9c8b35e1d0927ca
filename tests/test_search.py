"""Analysis folders: every shipped one is walked; broken ones are explained; the response and background are checked."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from zprime_recast.errors import CardError, RangeError, UnknownName
from zprime_recast.io.cards import read_csv
from zprime_recast.searches.acceptance import acceptance, acceptance_at
from zprime_recast.searches.background import MODE_CAP, MODE_UNIT, background_modes
from zprime_recast.searches.channel import R_MAX
from zprime_recast.searches.limit_curve import read_limit_curve
from zprime_recast.searches.response import crystal_ball_cdf, efficiency, response_cdf, response_matrix
from zprime_recast.searches.search import check_mass, list_analyses
from zprime_recast.searches.spectrum import load_spectrum


@pytest.fixture(scope="module")
def atlas():
    return load_spectrum("atlas-139fb-dilepton")


@pytest.mark.parametrize("search_id", list(list_analyses()))
def test_every_shipped_folder_loads(search_id):
    if 'kind = "limit-curve"' in (list_analyses()[search_id] / "card.toml").read_text():
        curve = read_limit_curve(list_analyses()[search_id])
        assert curve.id == search_id
        assert curve.notes  # each is a copy of a copy, or derived
        assert (list_analyses()[search_id] / "README.md").is_file()
        with pytest.raises(CardError, match="expected one of binned-likelihood"):
            load_spectrum(search_id)
        return
    search = load_spectrum(search_id)
    assert search.id == search_id
    assert (list_analyses()[search_id] / "README.md").is_file()
    assert search.validation
    for channel in search.channels:
        assert len(channel.edges_gev) == len(channel.n_obs) + 1 == len(channel.bkg) + 1


def test_spectra_hold_the_published_totals(atlas):
    """Figure 1 of arXiv:1903.06248: counts and fitted background above 225 GeV."""
    assert [c.n_obs.sum() for c in atlas.channels] == [178020, 138730]
    np.testing.assert_allclose([c.bkg.sum() for c in atlas.channels], [178000, 138700], rtol=1e-6)


@pytest.mark.parametrize("name", ["ee", "mumu"])
def test_background_function_reproduces_the_published_fit(atlas, name):
    """Our evaluation against the tabulated one, bin by bin: 1.4e-4 (rounding of the printed parameters)."""
    channel = atlas.channel(name)
    x, w = np.polynomial.legendre.leggauss(32)
    low, high = channel.edges_gev[:-2, None], channel.edges_gev[1:-1, None]
    m = low + (high - low) * (x + 1) / 2
    events = (np.exp(channel.background.log_shape(m)) * w).sum(axis=1) * (high - low)[:, 0] / 2
    events *= channel.bkg[:-1].sum() / events.sum()
    assert np.abs(events / channel.bkg[:-1] - 1).max() < 2e-4


@pytest.mark.parametrize("name", ["ee", "mumu"])
def test_background_derivatives_reproduce_the_tabulated_shifts(atlas, name, repository):
    """Relative change of the background for a shift of one parameter, total fixed, against ZPEED's table: 2 % of it
    (theirs is a finite difference, ours a derivative).
    """
    shifts = {
        "ee": {"b": 0.1, "p0": -0.009, "p1": 0.0014, "p2": -0.00027, "p3": 0.00005},
        "mumu": {"b": 0.05, "p0": -0.012, "p1": 0.0017, "p2": -0.00029, "p3": 0.00005},
    }[name]
    channel = atlas.channel(name)
    folder = repository / "analyses" / "atlas-139fb-dilepton"
    table = read_csv(folder / f"background_shifts_{name}.csv", tuple(shifts))
    x, w = np.polynomial.legendre.leggauss(16)
    low, high = channel.edges_gev[:-2, None], channel.edges_gev[1:-1, None]
    m = low + (high - low) * (x + 1) / 2
    density = np.exp(channel.background.log_shape(m)) * w
    derivatives = (channel.background.log_derivatives(m) * density).sum(axis=-1) / density.sum(axis=-1)
    bkg = channel.bkg[:-1]
    for row, parameter in zip(derivatives, channel.background.floating, strict=True):
        change = np.expm1(row * shifts[parameter])
        fixed_total = (1 + change) * bkg.sum() / (bkg * (1 + change)).sum() - 1
        assert np.abs(fixed_total - table[parameter]).max() < 0.02 * np.abs(table[parameter]).max()


@pytest.mark.parametrize("name", ["ee", "mumu"])
def test_background_modes_are_the_fit_of_the_spectrum(atlas, name):
    """Modes carry unit Poisson information per standard deviation and are uncorrelated, but for the cap, which touches
    only bins with few events: the largest loss is 27 % of one mode. What that does to limits: test_limits.
    """
    channel = atlas.channel(name)
    channel = replace(channel, background=replace(channel.background, ranges={}))
    modes = background_modes(channel)
    assert modes.shape == (6, len(channel.bkg))
    capped = (np.abs(modes) >= MODE_CAP * (1 - 1e-12)).any(axis=0)
    assert channel.bkg[capped].max() < 0.1
    assert capped.sum() < 30
    information = (modes * channel.bkg) @ modes.T / MODE_UNIT**2
    np.testing.assert_allclose(information[:3, :3], np.eye(3), atol=1e-3)
    np.testing.assert_allclose(information, np.eye(6), atol=0.3)
    # they span norm and parameters: each derivative is a combination of them where nothing is capped
    m = 0.5 * (channel.edges_gev[1:] + channel.edges_gev[:-1])[~capped]
    basis = modes[:, ~capped].T
    for row in channel.background.log_derivatives(m):
        residual = row - basis @ np.linalg.lstsq(basis, row, rcond=None)[0]
        assert np.abs(residual).max() < 1e-3 * np.abs(row).max()


# ---------------------------------------------------------------------------------------------------------------
# Response


def test_crystal_ball_integral():
    """Against quadrature of the density, on both sides of the joint: 1e-9."""
    alpha, n = 1.4, 2.3

    def density(t):
        if t > -alpha:
            return np.exp(-(t**2) / 2)
        return (n / alpha) ** n * np.exp(-(alpha**2) / 2) * (n / alpha - alpha - t) ** -n

    one = np.ones(1)
    for t in (-8.0, -1.41, -1.39, 0.3, 4.0):
        expected = quad(density, -np.inf, min(t, -alpha))[0] + (quad(density, -alpha, t)[0] if t > -alpha else 0)
        found = crystal_ball_cdf(t * one, 0 * one, one, alpha * one, n * one)
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["ee", "mumu"])
def test_response_is_a_probability(atlas, name):
    channel = atlas.channel(name)
    m = np.geomspace(130, 12000, 200)
    matrix = response_matrix(channel, m)
    assert (matrix >= 0).all()
    assert (matrix.sum(axis=1) <= 1 + 1e-12).all()
    inside = (m * (1 - R_MAX) > 225) & (m * (1 + R_MAX) < channel.edges_gev[-1])
    np.testing.assert_allclose(matrix[inside].sum(axis=1), 1.0, rtol=1e-12)
    parameters = {key: f(m)[:, None] for key, f in channel.response.items()}
    ends = response_cdf(parameters, np.tile([-R_MAX, R_MAX], (len(m), 1)))
    np.testing.assert_allclose(ends, np.tile([0.0, 1.0], (len(m), 1)), atol=1e-12)


@pytest.mark.parametrize(("name", "low", "high"), [("ee", 0.7, 1.3), ("mumu", 0.7, 1.3)])
def test_response_width_agrees_with_an_independent_one(atlas, name, low, high):
    """Half the central 68 % interval against ZPEED's effective single-Gaussian widths: the scale, to 30 %."""
    published = {"ee": {1000.08: 11.165, 2999.03: 30.59}, "mumu": {517.135: 28.368, 283.5552: 11.4005}}[name]
    channel = atlas.channel(name)
    for m, sigma in published.items():
        r = np.linspace(-0.4, 0.4, 8001)
        parameters = {key: f(np.array([m]))[:, None] for key, f in channel.response.items()}
        cdf = response_cdf(parameters, r[None, :])[0]
        half = 0.5 * (np.interp(0.84, cdf, r) - np.interp(0.16, cdf, r)) * m
        assert low < half / sigma < high


def test_acceptance_against_a_toy_monte_carlo(atlas, pdf):
    """Fiducial acceptance by hand: sample y from dL/dy and cos theta from 1 + c^2, cut pt and eta. 4e5 pairs, 5 sigma."""
    from zprime_recast.partons.drell_yan import rapidity_density
    from zprime_recast.partons.pairs import FLAVORS

    rng = np.random.default_rng(3)
    n = 400_000
    for mass in (150.0, 400.0, 2000.0):
        exact = acceptance_at(pdf, atlas.fiducial, mass, 13000.0)
        y_max = np.log(13000 / mass)
        grid = np.linspace(-y_max, y_max, 4001)[1:-1]
        density = rapidity_density(pdf, mass, 13000.0, grid, mass)
        c = rng.uniform(-1, 1, 3 * n)
        c = c[rng.uniform(0, 2, 3 * n) < 1 + c**2][:n]
        for flavor in (0, 1, 4):
            cdf = np.cumsum(density[flavor])
            y = np.interp(rng.uniform(0, 1, n), cdf / cdf[-1], grid)
            eta = np.arctanh(c)
            passed = (mass / 2 * np.sqrt(1 - c**2) > 30) & (np.abs(y + eta) < 2.5) & (np.abs(y - eta) < 2.5)
            error = np.sqrt(exact[flavor] * (1 - exact[flavor]) / n)
            assert abs(passed.mean() - exact[flavor]) < 5 * error + 3e-4, (mass, FLAVORS[flavor])


def test_acceptance_table_equals_the_exact_one(atlas, pdf, lumi):
    """Linear between 160 masses: below 1e-3 at any mass, 0 where no pair can pass."""
    m = np.array([55.0, 70.0, 97.0, 213.0, 777.0, 3210.0, 9000.0])
    table = acceptance(pdf, atlas.fiducial, m, lumi)
    exact = np.stack([acceptance_at(pdf, atlas.fiducial, x, 13000.0) for x in m], axis=1)
    np.testing.assert_allclose(table, exact, atol=1e-3)
    assert (exact[:, 0] == 0).all()
    assert ((exact >= 0) & (exact <= 1)).all()


def test_efficiency_is_held_at_its_ends(atlas):
    channel = atlas.channel("ee")
    assert efficiency(channel, np.array([50.0, 9000.0])).tolist() == [channel.efficiency[0], channel.efficiency[-1]]


# ---------------------------------------------------------------------------------------------------------------
# Bad folders


@pytest.fixture
def folder(tmp_path, repository):
    return shutil.copytree(repository / "analyses" / "atlas-139fb-dilepton", tmp_path / "mine")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_users_folder_works_like_a_shipped_one(folder):
    assert load_spectrum(folder).digest == load_spectrum("atlas-139fb-dilepton").digest
    edit(folder / "card.toml", "relative = [0.017]", "relative = [0.02]")
    assert load_spectrum(folder).digest != load_spectrum("atlas-139fb-dilepton").digest


FAULTS = {
    "unknown key": ("card.toml", "[collider]", "colour = 1\n[collider]", "colour: found an unknown key"),
    "unknown channel key": ("card.toml", 'lepton = "e"', 'lepton = "e"\nspin = 1', r"channel\[0\].spin: found an unknown key"),
    "wrong type": ("card.toml", "int_lumi_fb = 139.0", 'int_lumi_fb = "139"', "collider.int_lumi_fb: found '139'"),
    "negative luminosity": ("card.toml", "int_lumi_fb = 139.0", "int_lumi_fb = -139.0", "collider.int_lumi_fb"),
    "missing file": ("card.toml", "spectrum_ee.csv", "spectrum_xx.csv", "found 'spectrum_xx.csv', expected an existing file"),
    "kind": ("card.toml", "binned-likelihood", "unbinned", "kind: found 'unbinned'"),
    "lepton": ("card.toml", 'lepton = "mu"', 'lepton = "muon"', "found 'muon', expected one of e, mu, tau"),
    "mass range": ("card.toml", "[250.0, 6000.0]", "[6000.0, 250.0]", "mass_range_gev"),
    "floating": ("card.toml", '["b", "p0"', '["a", "p0"', "floating: found 'a'"),
    "range of a fixed parameter": ("card.toml", "range = { b = 10.0 }     #", "range = { c = 1.0 }  #", "range.c: found 1"),
    "range without a size": ("card.toml", "range = { b = 10.0 }     #", "range = { b = 0 }  #", "range.b: found 0"),
    "status": ("card.toml", '"official"', '"sure"', "found 'sure', expected one of official"),
    "channel of uncertainty": ("card.toml", 'channels = ["ee"]', 'channels = ["tautau"]', "found 'tautau'"),
    "table lengths": ("card.toml", "m_gev = [300.0, 5000.0]", "m_gev = [300.0]", "2 ascending masses"),
    "missing column": ("spectrum_ee.csv", ",bkg\n", ",background\n", "column bkg: found only columns"),
    "unsorted bins": ("spectrum_ee.csv", "240.271,248.291", "200.271,248.291", "expected ascending bins"),
    "gap": ("spectrum_ee.csv", "240.271,248.291", "241.271,248.291", "the end of the bin before"),
    "negative background": ("spectrum_ee.csv", ",14016.26782", ",-14016.26782", "column bkg: found -14016"),
    "zero background": ("spectrum_ee.csv", ",14016.26782", ",0", "column bkg: found 0"),
    "negative count": ("spectrum_ee.csv", "14240,", "-14240,", "column n_obs: found -14240"),
    "no number": ("spectrum_ee.csv", "14240,", "many,", "found 'many', expected a finite number"),
    "NaN": ("spectrum_ee.csv", "14240,", "nan,", "found 'nan', expected a finite number"),
    "short row": ("spectrum_ee.csv", "14240,14016.26782", "14240", "found 3 cells, expected 4"),
    "efficiency above 1": ("efficiency_ee.csv", "0.627112", "1.627112", "column efficiency"),
    "efficiency unsorted": ("efficiency_ee.csv", "188.7,", "1888.7,", "ascending masses"),
    "response without kappa": ("response_ee.csv", "kappa,", "kapa,", "kapa"),
    "response basis": ("response_ee.csv", "0.13287,m,0", "0.13287,sqrt,0", "m, log_m or exp"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_folders_are_explained(folder, fault):
    file, old, new, message = FAULTS[fault]
    edit(folder / file, old, new)
    if fault == "response without kappa":
        path = folder / file
        path.write_text(path.read_text().replace("kappa,", "kapa,"))
        message = "no rows for kappa"
    with pytest.raises(CardError, match=message) as error:
        load_spectrum(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize("content", ["", "# only a comment\n", "m_low_gev,m_high_gev,n_obs,bkg\n"])
def test_empty_tables_are_named(folder, content):
    (folder / "spectrum_ee.csv").write_text(content)
    with pytest.raises(CardError, match="spectrum_ee.csv"):
        load_spectrum(folder)


def test_unknown_analysis_suggests(atlas):
    with pytest.raises(UnknownName, match="did you mean 'atlas-139fb-dilepton'"):
        load_spectrum("atlas-139fb-dilep")
    with pytest.raises(UnknownName, match="ee"):
        atlas.channel("e")
    for mass in (249.9, 6001.0, np.nan):
        with pytest.raises(RangeError, match="250 to 6000 GeV"):
            check_mass(atlas, mass)
