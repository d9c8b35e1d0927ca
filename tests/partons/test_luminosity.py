from __future__ import annotations

import numpy as np
import pytest

from zprime_recast.errors import InputError, RangeError
from zprime_recast.partons.drell_yan import parton_luminosity, rapidity_density, rapidity_integral
from zprime_recast.partons.luminosity import LuminosityTable, luminosity_table
from zprime_recast.partons.pairs import FLAVORS
from zprime_recast.partons.pdf import PDFMember


class ToyPDF(PDFMember):
    """x f = x^a (1 - x) with a = 1 for quarks and antiquarks: L known in closed form. Optionally negative sea."""

    backend = "toy"

    def __init__(self, info, sea_sign=lambda q: 1.0):
        super().__init__(info, 0)
        self.sea_sign = sea_sign

    @property
    def digest(self):
        return "toy"

    def _xf_at(self, pids, x, q_gev):
        return np.array([(self.sea_sign(q_gev) if pid < 0 else 1.0) * x * (1 - x) for pid in pids])

    def alpha_s(self, q_gev):
        return 0.118


def test_closed_form(pdf):
    """f = 1 - x: L = 2 int_tau^1 dx/x (1 - x)(1 - tau/x) = 2 [(1 + tau) ln(1/tau) - 2 (1 - tau)]."""
    mass = np.array([200.0, 1000.0, 5000.0, 12000.0])
    tau = (mass / 13000) ** 2
    expected = 2 * (-(1 + tau) * np.log(tau) - 2 * (1 - tau))
    toy = ToyPDF(pdf.info)
    np.testing.assert_allclose(parton_luminosity(toy, mass, 13000.0), np.tile(expected, (5, 1)), rtol=1e-10)


def test_equals_the_integral_over_x(pdf):
    """The definition, integrated over ln x on 20,000 points, against the rapidity integral: 1e-4."""
    for mass in (300.0, 2000.0, 6000.0):
        tau = (mass / 13000) ** 2
        t = (np.arange(20000) + 0.5) / 20000 * -np.log(tau)
        x = np.exp(-t)
        q, qbar = pdf.xf([2, 4], x, mass), pdf.xf([-2, -4], np.minimum(tau / x, 1.0), mass)
        expected = 2 * (q * qbar / tau).mean(axis=1) * -np.log(tau)
        np.testing.assert_allclose(parton_luminosity(pdf, mass, 13000.0)[[1, 3]], expected, rtol=1e-4)


def test_stable_under_doubling_of_every_grid(pdf, lumi):
    """Quadrature panels and table points doubled: below 1e-4 up to 9 TeV (seen 2e-5 and 4e-6)."""
    mass = np.geomspace(60, 9000, 60)
    once, twice = (parton_luminosity(pdf, mass, 13000.0, panels=n) for n in (16, 32))
    assert np.abs(once / twice - 1).max() < 1e-4
    np.testing.assert_allclose(lumi(mass), twice, rtol=1e-4)
    np.testing.assert_allclose(lumi(mass), luminosity_table(pdf, points=1280, cache=False)(mass), rtol=1e-4)


def test_positive_up_to_9_tev(pdf, lumi):
    mass = np.linspace(50.0, 9000, 500)
    assert (lumi(mass) > 0).all()
    assert (lumi.values > 0).all()
    assert not lumi.warnings_at(*lumi.range_gev)
    assert FLAVORS == ("d", "u", "s", "c", "b")
    assert (np.diff(lumi(mass), axis=1) < 0).all()


def test_rapidity_density_is_even_and_ends(pdf):
    y = np.linspace(0.01, 3, 20)
    np.testing.assert_allclose(
        rapidity_density(pdf, 1000.0, 13000.0, y, 1000.0), rapidity_density(pdf, 1000.0, 13000.0, -y, 1000.0)
    )
    assert (rapidity_density(pdf, 1000.0, 13000.0, np.array([2.6, 5.0]), 1000.0) == 0).all()


def test_weighted_integral_with_a_kink(pdf):
    """A step at |y| = 1.3 known to the quadrature equals the difference of two smooth pieces."""
    inside = rapidity_integral(pdf, 500.0, 13000.0, 500.0, lambda y: (np.abs(y) < 1.3).astype(float), (1.3,))
    outside = rapidity_integral(pdf, 500.0, 13000.0, 500.0, lambda y: (np.abs(y) >= 1.3).astype(float), (1.3,))
    np.testing.assert_allclose(inside + outside, rapidity_integral(pdf, 500.0, 13000.0, 500.0), rtol=1e-5)


def test_negative_luminosity_is_set_to_zero_with_a_warning(pdf):
    toy = ToyPDF(pdf.info, sea_sign=lambda q: -1.0 if q > 6000 else 1.0)
    table = luminosity_table(toy, cache=False)
    warnings = table.warnings_at(7000.0)
    assert len(warnings) == 5
    assert "negative u ubar luminosity from 60" in warnings[1]
    assert table.warnings_at(500.0, 5900.0) == ()
    assert (table(np.linspace(50, 12000, 300)) >= 0).all()
    assert (table(np.array([6500.0, 9000.0])) == 0).all()
    assert (table(np.array([1000.0, 5500.0])) > 0).all()


def test_table_states_its_range(lumi):
    low, high = lumi.range_gev
    assert lumi(np.array([low, high])).shape == (5, 2)
    for bad in (low - 1, high + 1, np.nan):
        with pytest.raises(RangeError, match="50 to 12350 GeV"):
            lumi(bad)


@pytest.mark.parametrize("bad", [0.0, -5.0, np.nan, np.inf])
def test_bad_masses_are_refused(pdf, bad):
    with pytest.raises(InputError):
        parton_luminosity(pdf, bad, 13000.0)
    with pytest.raises(InputError):
        luminosity_table(pdf, bad)


def test_mass_above_the_collider_energy(pdf):
    with pytest.raises(RangeError, match="to 1.3e"):
        parton_luminosity(pdf, 13000.0, 13000.0)


def test_cache_is_used_and_survives_damage(pdf, tmp_path, monkeypatch):
    monkeypatch.setenv("ZPRIME_RECAST_CACHE", str(tmp_path / "c"))
    first = luminosity_table(pdf, points=40)
    (file,) = (tmp_path / "c").glob("*.npy")
    stamp = file.stat().st_mtime_ns
    np.testing.assert_array_equal(luminosity_table(pdf, points=40).values, first.values)
    assert file.stat().st_mtime_ns == stamp
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(luminosity_table(pdf, points=40).values, first.values)
    assert file.stat().st_size > 1000  # made anew
    luminosity_table(pdf, 14000.0, points=40)
    luminosity_table(pdf, points=40, mu_f_over_m=0.5)
    assert len(list((tmp_path / "c").glob("*.npy"))) == 3  # another key each
    assert not list((tmp_path / "c").glob("*.tmp"))


def test_cache_that_cannot_be_written_is_done_without(pdf, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZPRIME_RECAST_CACHE", str(tmp_path / "file" / "below"))
    assert isinstance(luminosity_table(pdf, points=20), LuminosityTable)
