"""Relic density: micrOMEGAs reference points, an independent solver, limits, errors, speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zprime_recast.dark_matter.annihilation import make_points
from zprime_recast.dark_matter.cosmology import (
    CRITICAL_DENSITY_GEV_CM3,
    ENTROPY_DENSITY_TODAY_CM3,
    PLANCK_MASS_GEV,
    degrees_of_freedom,
)
from zprime_recast.dark_matter.direct import direct_detection
from zprime_recast.dark_matter.relic import relic_density, sigma_v_at_rest_cm3_s
from zprime_recast.dark_matter.thermal import thermal_average
from zprime_recast.errors import InputError, RangeError, UnknownName
from zprime_recast.io.cards import read_csv
from zprime_recast.units import CM2_PER_PB

NUMBERS = (
    "m_chi_GeV",
    "m_Zp_GeV",
    "g_BL",
    "Gamma_Zp_GeV",
    "Omega_h2",
    "x_f",
    "sigv_today_cm3_s",
    "sigma_SI_nucleon_pb",
)
TABLE = read_csv(Path(__file__).parents[1] / "data" / "relic_reference.csv", NUMBERS, ("model",))
POINTS = range(len(TABLE["model"]))


@pytest.fixture(params=POINTS, ids=lambda i: f"{TABLE['model'][i]}-{TABLE['m_chi_GeV'][i]:g}-{TABLE['m_Zp_GeV'][i]:g}")
def point(request, vector, elusive_no_n):
    row = {name: TABLE[name][request.param] for name in NUMBERS}
    model = vector if TABLE["model"][request.param] == "BL_vector_dirac" else elusive_no_n
    return model, (row["m_Zp_GeV"], row["g_BL"], row["m_chi_GeV"]), row


def test_micromegas(point):
    """Omega h^2 to 2 % (5 % within 1 % of the pole), widths to 4 digits, sigma_SI to 1 %, sigma v today to 2 %."""
    model, (mass, g, m_chi), row = point
    result = relic_density(model, mass, g, m_chi)
    near = abs(mass / (2 * m_chi) - 1) < 0.01
    assert result.omega_h2 == pytest.approx(row["Omega_h2"], rel=0.05 if near else 0.02, abs=0)
    assert result.gamma_gev == pytest.approx(row["Gamma_Zp_GeV"], rel=1.5e-4, abs=0)
    assert result.sigma_v_today_cm3_s == pytest.approx(row["sigv_today_cm3_s"], rel=0.02, abs=0)
    assert result.x_freeze_out == pytest.approx(row["x_f"], abs=0.1)
    sigma = direct_detection(model, mass, g, m_chi).sigma_si_cm2 / CM2_PER_PB
    assert sigma == pytest.approx(row["sigma_SI_nucleon_pb"], rel=0.01, abs=0)


@pytest.mark.parametrize(
    ("mass", "g", "m_chi"),
    [(1000, 0.1, 400), (1000, 0.02, 480), (4000, 0.06, 1950), (500, 0.1, 2000), (1000, 1e-4, 499)],
)
def test_boltzmann_against_a_general_solver(elusive, mass, g, m_chi):
    """The exact-step solution and a stiff ODE solver with small tolerance agree to 3e-4."""
    from scipy.integrate import solve_ivp
    from scipy.interpolate import CubicSpline
    from scipy.special import kve

    x = np.geomspace(2, 1e6, 400)
    average = thermal_average(make_points(elusive, mass, g, m_chi), x)[0]
    table = degrees_of_freedom()
    prefactor = np.sqrt(np.pi / 45) * PLANCK_MASS_GEV * m_chi
    log_rate = CubicSpline(np.log(x), np.log(prefactor / x * table.sqrt_g_star(m_chi / x) * average / 2))

    def y_eq(u):
        x = np.exp(u)
        return 45 / (4 * np.pi**4) * 4 * x**2 * kve(2, x) * np.exp(-x) / table.h_eff(m_chi / x)

    def slope(u, w):
        return [-np.exp(log_rate(u)) * (np.exp(w[0]) - y_eq(u) ** 2 * np.exp(-w[0]))]

    begin = np.log(8.0)
    found = solve_ivp(slope, (begin, np.log(1e6)), [np.log(y_eq(begin))], method="Radau", rtol=1e-7, atol=1e-9)
    omega = m_chi * np.exp(found.y[0, -1]) * ENTROPY_DENSITY_TODAY_CM3 / CRITICAL_DENSITY_GEV_CM3
    assert relic_density(elusive, mass, g, m_chi).omega_h2 == pytest.approx(omega, rel=3e-4, abs=0)


def test_paper_point(elusive):
    """Section 3.2: g = 0.25, m_Z' = 10 TeV "requires" m_chi = 3.8 TeV; with N at 1 TeV that holds to 5 %."""
    assert relic_density(elusive, 10000.0, 0.25, 3800.0).omega_h2 == pytest.approx(0.1186, rel=0.05, abs=0)


def test_broadcasts_like_numpy(elusive):
    mass, g = np.array([[1800.0], [1990.0], [2300.0]]), np.array([0.05, 0.3])
    result = relic_density(elusive, mass, g, 1000.0)
    assert result.omega_h2.shape == (3, 2)
    for i in range(3):
        for k in range(2):
            one = relic_density(elusive, mass[i, 0], g[k], 1000.0)
            assert one.omega_h2.shape == ()
            assert one.omega_h2 == pytest.approx(result.omega_h2[i, k], rel=1e-9, abs=0)
            assert one.x_freeze_out == pytest.approx(result.x_freeze_out[i, k], rel=1e-9, abs=0)
    card = relic_density(elusive.with_parameters(m_chi=1000.0), 1800.0, 0.3)
    assert card.omega_h2 == pytest.approx(result.omega_h2[0, 1], rel=1e-12, abs=0)


def test_more_annihilation_leaves_less(elusive):
    """Off the pole Omega h^2 falls with the coupling as g^-4; adding final states never raises it."""
    g = np.geomspace(0.02, 0.2, 5)
    omega = relic_density(elusive, 5000.0, g, 1000.0).omega_h2
    slope = np.diff(np.log(omega)) / np.diff(np.log(g))
    assert slope == pytest.approx(np.full(4, -4.0), abs=0.35)
    without = relic_density(elusive, 5000.0, g, 1000.0, exclude=("omega", "ZZ")).omega_h2
    assert (without > omega).all()


def test_width_includes_dark_states(elusive):
    """The width is that of the LHC side with the same masses."""
    from zprime_recast.model.widths import decay_widths

    model = elusive.with_parameters(m_chi=1000.0, m_n=500.0, gamma_extra=1.5)
    result = relic_density(model, 3000.0, 0.2)
    assert result.gamma_gev == pytest.approx(decay_widths(model, 3000.0, 0.2).total_gev, rel=1e-13, abs=0)
    swapped = relic_density(model.with_parameters(m_chi=7777.0), 3000.0, 0.2, 1000.0)
    assert swapped.gamma_gev == pytest.approx(result.gamma_gev, rel=1e-13, abs=0)
    assert swapped.omega_h2 == pytest.approx(result.omega_h2, rel=1e-12, abs=0)


def test_degrees_of_freedom_matter_by_percents(elusive):
    """The choice of table moves Omega h^2 by 0.1 - 5 % at T around 10 GeV: a theory error."""
    drees, saikawa = (relic_density(elusive, 1000.0, 0.1, 300.0, dof=d).omega_h2 for d in ("drees", "saikawa"))
    assert 1e-3 < abs(saikawa / drees - 1) < 0.05
    with pytest.raises(UnknownName, match="did you mean 'drees'"):
        degrees_of_freedom("dress")


def test_feeble_coupling_is_flagged(elusive):
    """chi that never was in equilibrium gets a flag, and a finite number."""
    result = relic_density(elusive, 3000.0, np.array([1e-9, 0.1]), 1000.0)
    assert result.thermal.tolist() == [False, True]
    assert np.isfinite(result.omega_h2).all()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"mass_gev": 0.0}, "mass_gev must be finite and > 0"),
        ({"mass_gev": float("nan")}, "mass_gev must be finite and > 0, found nan"),
        ({"coupling": -0.1}, "coupling must be finite and > 0"),
        ({"m_chi_gev": 0.0}, "m_chi must be finite and > 0"),
        ({"m_chi_gev": [1.0, float("inf")]}, "m_chi must be finite and > 0"),
        ({"mass_gev": [1e3, 2e3], "coupling": [0.1, 0.2, 0.3]}, "mass, coupling and m_chi"),
        ({"exclude": ("zz",)}, "unknown final state"),
    ],
)
def test_bad_input_is_named(elusive, kwargs, message):
    arguments = {"mass_gev": 1000.0, "coupling": 0.1, "m_chi_gev": 400.0} | kwargs
    with pytest.raises(InputError, match=message):
        relic_density(elusive, **arguments)


def test_absurdly_strong_annihilation_is_named(elusive):
    with pytest.raises(RangeError, match="freezes out after m_chi/T = 60"):
        relic_density(elusive, 1e-5, 30.0, 1e-3)


@pytest.mark.parametrize("m_chi", [1e-1, 1e3, 1e5])
def test_extreme_points_are_finite(elusive, m_chi):
    """From feeble to non-perturbative, Z' far below to far above, on the pole to the last digit: finite and > 0."""
    ratio = np.array([1e-2, 0.999999, 1.0, 2.0, 2.0000001, 1e3, 1e4])[:, None]
    result = relic_density(elusive, m_chi * ratio, np.array([1e-12, 1e-4, 0.3, 2.0]), m_chi)
    for values in (result.omega_h2, result.x_freeze_out, result.sigma_v_today_cm3_s, result.sigma_v_freeze_out_cm3_s):
        assert (np.isfinite(values) & (values > 0)).all()


def test_closed_channels_are_named(elusive):
    """With every final state left out there is no annihilation: an error, no NaN."""
    names = tuple(f.name for f in elusive.fermions if f.name != "chi")
    with pytest.raises(InputError, match="no open annihilation channel"):
        relic_density(elusive, 9000.0, 0.1, 20.0, exclude=(*names, "ZZ"))


def test_models_without_dark_matter_are_named(elusive):
    from zprime_recast.model.card import load_model

    with pytest.raises(InputError, match="has no dark matter"):
        relic_density(load_model("ssm"), 1000.0, 0.1)


def test_sigma_v_today_is_the_limit_of_the_average(elusive):
    """The thermal average at x = 10^6 tends to sigma v at rest to 1e-3, also with Z'Z' open."""
    for mass in (3000.0, 300.0):
        rest = sum(sigma_v_at_rest_cm3_s(elusive, mass, 0.1, 1000.0).values())
        assert 2 * relic_density(elusive, mass, 0.1, 1000.0).sigma_v_today_cm3_s == pytest.approx(
            rest, rel=1e-12, abs=0
        )
        average = thermal_average(make_points(elusive, mass, 0.1, 1000.0), np.array([2.0, 1e6]))[0, -1]
        assert average * 1.16733e-17 == pytest.approx(rest, rel=1e-3, abs=0)


def test_numerical_error_anywhere(elusive, monkeypatch):
    """Random points, on and off the pole, Gamma/M from 1e-9: more nodes, x and steps move Omega h^2 by < 3e-3."""
    from zprime_recast.dark_matter import relic, thermal

    rng = np.random.default_rng(11)
    m_chi, g = 10 ** rng.uniform(1.5, 4.5, 80), 10 ** rng.uniform(-4.3, -0.2, 80)
    near = 2 * (1 + np.where(rng.uniform(size=80) < 0.5, 1, -1) * 10 ** rng.uniform(-6, -1, 80))
    mass = m_chi * np.where(rng.uniform(size=80) < 0.6, near, 10 ** rng.uniform(-1.5, 1.0, 80))
    found = relic_density(elusive, mass, g, m_chi)
    fine = np.concatenate([np.geomspace(2, 100, 140), np.geomspace(100, 1e6, 90)[1:]])
    monkeypatch.setattr(thermal, "NODES", (30.0, 4.0))
    monkeypatch.setattr(relic, "_STEPS", 400)
    monkeypatch.setattr(relic, "_x_nodes", lambda: fine)
    better = relic_density(elusive, mass, g, m_chi)
    assert found.omega_h2[found.thermal] == pytest.approx(better.omega_h2[found.thermal], rel=3e-3, abs=0)
