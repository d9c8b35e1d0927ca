"""Cross-sections and spectra against Pythia 8 (an independent matrix element and phase space) with the same PDF set.

Pythia's couplings v, a multiply e/(4 sin cos): g_L = (v + a) e/(4 sin cos), g_R = (v - a) e/(4 sin cos). Its alpha_em
is frozen at our value (alphaEMorder = -1), its width forced to ours; it runs with s, ours does not, which
matters at O(Gamma^2/M^2).
"""

from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.model.card import load_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.process.cross_section import sigma_br_full, sigma_br_narrow, spectrum

pythia8 = pytest.importorskip("pythia8mc")
pytestmark = pytest.mark.pythia


def make_pythia(model, mass, coupling, window, mode, seed):
    sm = model.sm
    pythia = pythia8.Pythia("", False)
    unit = 2 * np.sqrt(sm.sin2_theta_w * (1 - sm.sin2_theta_w)) / sm.e
    settings = [
        "Print:quiet = on",
        "Beams:eCM = 13000",
        "PartonLevel:all = off",
        "HadronLevel:all = off",
        "PDF:pSet = 6",
        "NewGaugeBoson:ffbar2gmZZprime = on",
        f"Zprime:gmZmode = {mode}",
        "SigmaProcess:alphaEMorder = -1",
        f"StandardModel:alphaEMmZ = {sm.alpha_em}",
        f"StandardModel:sin2thetaW = {sm.sin2_theta_w}",
        f"StandardModel:sin2thetaWbar = {sm.sin2_theta_w}",
        f"23:m0 = {sm.m_z_gev}",
        f"32:m0 = {mass}",
        "32:doForceWidth = on",
        f"32:mWidth = {float(decay_widths(model, mass, coupling).total_gev)}",
        "32:mMin = 50",
        "32:onMode = off",
        "32:onIfAny = 11",
        f"PhaseSpace:mHatMin = {window[0]}",
        f"PhaseSpace:mHatMax = {window[1]}",
        "Random:setSeed = on",
        f"Random:seed = {seed}",
    ]
    for name, fermion in (("d", "d"), ("u", "u"), ("e", "e"), ("nue", "nu_e")):
        left, right = (coupling * g for g in model.couplings(fermion))
        settings += [f"Zprime:v{name} = {unit * (left + right)}", f"Zprime:a{name} = {unit * (left - right)}"]
    for setting in settings:
        assert pythia.readString(setting), setting
    assert pythia.init()
    return pythia


def run(pythia, n):
    masses = []
    while len(masses) < n:
        if pythia.next():
            masses.append(pythia.infoPython().mHat())
    info = pythia.infoPython()
    return np.array(masses), info.sigmaGen() * 1e12, info.sigmaErr() * 1e12  # mb to fb


CASES = [
    ("elusive_bl", 500.0, 0.05),
    ("elusive_bl", 2000.0, 0.1),
    ("elusive_bl", 6000.0, 0.2),
    ("minimal_bl", 1000.0, 0.1),
    ("ssm", 3000.0, None),
    ("e6_psi", 4500.0, None),
    ("e6_chi", 1500.0, None),
]


@pytest.mark.parametrize(("model_id", "mass", "coupling"), CASES)
def test_zprime_rate_agrees_with_pythia(model_id, mass, coupling, lumi):
    """|Z'|^2 alone: within 1 % (seen: 0.0-0.6 %, Monte Carlo error 0.3 %)."""
    model = load_model(model_id)
    coupling = coupling or model.reference_coupling
    window = (0.8 * mass, 1.2 * mass)
    ours = float(sigma_br_full(model, mass, coupling, lumi, interference=False, window_gev=window))
    _, sigma, error = run(make_pythia(model, mass, coupling, window, mode=3, seed=11), 60000)
    print(f"{model_id} {mass:g}: ours/Pythia - 1 = {ours / sigma - 1:+.4f} +- {error / sigma:.4f}")
    assert error / sigma < 0.004
    assert abs(ours / sigma - 1) < 0.01
    if float(decay_widths(model, mass, coupling).total_gev) / mass < 0.004:
        narrow = float(sigma_br_narrow(model, mass, coupling, lumi))
        assert abs(narrow / sigma - 1) < 0.02  # the window cuts the Lorentz tails


@pytest.mark.parametrize(("model_id", "mass", "coupling"), [("elusive_bl", 2000.0, 0.25), ("ssm", 2000.0, None)])
def test_interference_spectrum_agrees_with_pythia(model_id, mass, coupling, lumi):
    """gamma/Z/Z' spectrum: chi2 of 20 bins around and below the peak within its statistical error."""
    model = load_model(model_id)
    coupling = coupling or model.reference_coupling
    window = (0.4 * mass, 1.3 * mass)
    masses, sigma, error = run(make_pythia(model, mass, coupling, window, mode=0, seed=5), 60000)
    edges = np.linspace(*window, 21)
    counts, _ = np.histogram(masses, edges)
    fine = np.linspace(*window, 20 * 100 + 1)
    density = spectrum(model, mass, coupling, 0.5 * (fine[1:] + fine[:-1]), lumi, "full")
    ours = (density * np.diff(fine)).reshape(20, 100).sum(axis=1)
    assert abs(ours.sum() / sigma - 1) < 0.005 + 3 * error / sigma
    expected = ours / ours.sum() * counts.sum()
    chi2 = ((counts - expected) ** 2 / expected).sum()
    print(f"{model_id}: chi2 = {chi2:.1f} for 19 degrees of freedom, rate {ours.sum() / sigma - 1:+.4f}")
    assert chi2 < 43.8  # p = 0.001
    without = spectrum(model, mass, coupling, 0.5 * (fine[1:] + fine[:-1]), lumi, "zprime") + spectrum(
        model, mass, coupling, 0.5 * (fine[1:] + fine[:-1]), lumi, "sm"
    )
    blind = (without * np.diff(fine)).reshape(20, 100).sum(axis=1)
    expected = blind / blind.sum() * counts.sum()
    assert ((counts - expected) ** 2 / expected).sum() > 3 * chi2  # the test does see the interference
