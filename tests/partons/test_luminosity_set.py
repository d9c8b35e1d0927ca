"""Luminosities with their members and scales: shipped tables, sets of other kinds, what is refused."""

from __future__ import annotations

import shutil
import tarfile

import numpy as np
import pytest

from zprime_recast.errors import InputError, PDFError, UnknownName
from zprime_recast.model.card import load_model
from zprime_recast.partons.drell_yan import corrected_luminosity, corrected_terms
from zprime_recast.partons.luminosity import luminosity_table
from zprime_recast.partons.luminosity_set import (
    load_luminosities,
    read_integrals,
    save_integrals,
    set_integrals,
    shipped_energies,
    shipped_file,
)
from zprime_recast.partons.nuisances import MODES_KEPT, theory_nuisances
from zprime_recast.partons.pdf import PAPER_SET, load_pdf
from zprime_recast.partons.pdf_errors import pdf_uncertainty
from zprime_recast.partons.pdf_files import find_set
from zprime_recast.partons.pdf_install import install_set, load_pdf_set
from zprime_recast.process.cross_section import cross_section, sigma_br_full, sigma_br_narrow, sigma_br_of_members

MASSES = np.array([250.0, 1000.0, 3000.0, 5000.0, 6000.0])


@pytest.fixture(scope="module")
def default():
    return load_luminosities()


def make_set(folder, name="MySet", members=3, kind="hessian", changes=("", "")):
    """A set of scaled copies of the paper's central member: member k is (1 + 0.1 k) times it in every flavour."""
    source = find_set(PAPER_SET)
    target = folder / name
    target.mkdir(parents=True)
    info = (source / f"{PAPER_SET}.info").read_text()
    lines = []
    for line in info.splitlines():
        key = line.split(":")[0]
        new = {"NumMembers": f"NumMembers: {members}", "ErrorType": f"ErrorType: {kind}"}
        lines.append(new.get(key, line))
    (target / f"{name}.info").write_text("\n".join(lines).replace(*changes) + "\n")
    head, *blocks = (source / f"{PAPER_SET}_0000.dat").read_text().split("---\n")
    for k in range(members):
        scaled = [head]
        for block in blocks[:-1]:
            rows = block.split("\n")
            numbers = [" ".join(f"{(1 + 0.1 * k) * float(v):.8e}" for v in row.split()) for row in rows[3:-1]]
            scaled.append("\n".join([*rows[:3], *numbers, ""]))
        (target / f"{name}_{k:04d}.dat").write_text("---\n".join([*scaled, blocks[-1]]))
    return target


@pytest.fixture
def sets(tmp_path, monkeypatch):
    monkeypatch.setenv("LHAPDF_DATA_PATH", str(tmp_path / "sets"))
    return tmp_path / "sets"


def test_default_is_ct18nnlo_at_nnlo(default):
    assert (default.pdf_set, default.order, default.sqrt_s_gev) == ("CT18NNLO", "nnlo", 13000.0)
    assert default.variations.members.shape[0] == 59
    assert default.variations.errors.confidence_level == 90.0
    assert shipped_energies("CT18NNLO") == [8000.0, 13000.0, 13600.0, 14000.0]
    assert default.warnings_at(250.0, 6000.0) == ()
    assert "negative u ubar" in " ".join(default.warnings_at(12000.0))


@pytest.mark.parametrize("sqrt_s", [8000.0, 13000.0, 14000.0])
@pytest.mark.parametrize("order", ["lo", "nlo", "nnlo"])
def test_shipped_central_member_equals_its_grid(sqrt_s, order):
    """The table against the integrals over the shipped grid: 2e-4 up to 0.7 sqrt(s), where a
    flavour is a thousandth of the sum or more.
    """
    mass = np.geomspace(60.0, 0.7 * sqrt_s, 25)
    pdf = load_pdf("CT18NNLO")
    expected = corrected_luminosity(corrected_terms(pdf, mass, sqrt_s), np.array([pdf.alpha_s(m) for m in mass]), order)
    matters = expected > 1e-3 * expected.sum(axis=0)
    deviation = load_luminosities(sqrt_s_gev=sqrt_s, order=order)(mass) / expected - 1
    assert np.abs(deviation)[matters].max() < 2e-4


@pytest.mark.slow
def test_every_shipped_member_equals_its_grid(full_sets):
    """All 59 members of CT18NNLO at random masses, LO to NNLO: 2e-4 wherever a flavour is a thousandth of the sum or
    more.
    """
    rng = np.random.default_rng(3)
    tables = {order: load_luminosities(order=order) for order in ("lo", "nlo", "nnlo")}
    for k in range(59):
        mass = np.exp(rng.uniform(np.log(60.0), np.log(9500.0), 6))
        pdf = load_pdf("CT18NNLO", k)
        terms, alpha_s = corrected_terms(pdf, mass, 13000.0), np.array([pdf.alpha_s(m) for m in mass])
        for order, table in tables.items():
            expected = corrected_luminosity(terms, alpha_s, order)
            matters = expected > 1e-3 * expected.sum(axis=0)
            assert np.abs(table.of_members(mass)[k] / expected - 1)[matters].max() < 2e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MMHT2014nlo68cl", "NNPDF30_nlo_as_0118", "LUXqed17_plus_PDF4LHC15_nnlo_30"])
def test_sets_of_every_error_type(full_sets, name):
    """Hessian 68 %, replicas, symmetric Hessian: positive, uncertainty of the SSM rate 2-6 % at 1 TeV, growing, modes
    that keep it to 15 % at 1 TeV and 5 % from 2 TeV.
    """
    lumi = load_luminosities(name, order="nlo")
    model = load_model("ssm")
    mass = np.array([1000.0, 2000.0, 3000.0])
    error = pdf_uncertainty(sigma_br_of_members(model, mass, 0.743, lumi), lumi.variations.errors)
    relative = error.symmetric / error.central
    assert 0.015 < relative[0] < 0.06
    assert (np.diff(relative) > 0).all()
    nuisances = theory_nuisances(lumi)
    weights = sigma_shares(model, mass, lumi)
    up = nuisances.at(mass)
    kept = np.sqrt(((up[:-1] * weights).sum(axis=1) ** 2).sum(axis=0))
    np.testing.assert_allclose(kept[0] / relative[0], 1.1, atol=0.15)
    np.testing.assert_allclose(kept[1:] / relative[1:], 1.05, atol=0.08)


def sigma_shares(model, mass, lumi):
    coupling = np.array([sum(g**2 for g in model.couplings(q)) for q in ("d", "u", "s", "c", "b")])
    rate = coupling[:, None] * lumi(mass)
    return rate / rate.sum(axis=0)


def test_orders_and_scales(default):
    """Scale uncertainty of the SSM rate at 3 TeV falls with the order: 11, 4, 1.5, 0.5 %; K factors 1.30, 1.37, 1.38."""
    model = load_model("ssm")
    found = {o: cross_section(model, 3000.0, 0.743, load_luminosities(order=o)) for o in ("lo", "nlo", "nnlo", "n3lo")}
    spread = [max(r.scale_up_fb, r.scale_down_fb) / r.sigma_br_fb for r in found.values()]
    assert (np.diff(spread) < 0).all()
    assert [r.k_factor for r in found.values()] == pytest.approx([1.0, 1.30, 1.37, 1.38], abs=0.01)
    assert found["nnlo"].sigma_br_fb == pytest.approx(float(sigma_br_narrow(model, 3000.0, 0.743, default)))


def test_members_and_full_line_shape_agree(default):
    """Narrow-width PDF errors are those of the full line shape of a narrow state: 1 %."""
    model = load_model("elusive_bl")
    narrow = cross_section(model, 2000.0, 0.001, default)
    full = cross_section(model, 2000.0, 0.001, default, "full", interference=False)
    assert full.pdf_up_fb / full.sigma_br_fb == pytest.approx(narrow.pdf_up_fb / narrow.sigma_br_fb, rel=0.01)
    assert full.scale_down_fb / full.sigma_br_fb == pytest.approx(narrow.scale_down_fb / narrow.sigma_br_fb, rel=0.02)
    assert full.sigma_br_fb == pytest.approx(float(sigma_br_full(model, 2000.0, 0.001, default, False)))
    members = sigma_br_of_members(model, MASSES, 0.1, default)
    assert members.shape == (59, 5)
    np.testing.assert_allclose(members[0], sigma_br_narrow(model, MASSES, 0.1, default), rtol=1e-12)


def test_nuisances_of_the_default(default):
    """Each flavour keeps its variance exactly; the SSM rate's uncertainty is kept to 5 % from 2 TeV, 15 % at 1 TeV."""
    nuisances = theory_nuisances(default)
    assert nuisances.names == ("pdf_1", "pdf_2", "pdf_3", "pdf_4", "pdf_5", "pdf_rest", "qcd_scale")
    assert len(nuisances.names) == MODES_KEPT + 2
    up = nuisances.at(MASSES)
    symmetric = pdf_uncertainty(default.of_members(MASSES), default.variations.errors).symmetric / default(MASSES)
    np.testing.assert_allclose(np.sqrt((up[:-1] ** 2).sum(axis=0)), symmetric, rtol=0.01)
    assert (up[-1] >= 0).all()
    model = load_model("ssm")
    error = pdf_uncertainty(sigma_br_of_members(model, MASSES, 0.743, default), default.variations.errors)
    kept = np.sqrt(((up[:-1] * sigma_shares(model, MASSES, default)).sum(axis=1) ** 2).sum(axis=0))
    ratio = kept / (error.symmetric / error.central)
    assert ((ratio > 0.97) & (ratio < 1.6)).all()  # conservative where 2 % is at stake, 250 GeV
    np.testing.assert_allclose(ratio[2:], 1.0, atol=0.05)


def test_one_member_alone():
    fifth = load_luminosities(member=5)
    assert fifth.variations is None
    np.testing.assert_allclose(fifth(MASSES), load_luminosities().of_members(MASSES)[5], rtol=1e-12)
    with pytest.raises(InputError, match="members 0 to 58, not 59"):
        load_luminosities(member=59)
    with pytest.raises(InputError, match="no error members here"):
        load_luminosities(PAPER_SET, order="lo").of_members(1000.0)
    with pytest.raises(InputError, match="without scale variations"):
        luminosity_table(load_pdf(PAPER_SET), points=20).of_scales(1000.0)


def test_hessian_set_of_scaled_copies(sets):
    """Members 10 and 20 % up in every density give 21 and 44 % in every luminosity: the LHAPDF sums follow."""
    make_set(sets)
    seen = []
    lumi = load_luminosities("MySet", order="lo", on_member=lambda *a: seen.append(a))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    result = cross_section(load_model("ssm"), 1000.0, 0.743, lumi)
    assert result.pdf_up_fb / result.sigma_br_fb == pytest.approx(0.44, rel=1e-5)
    assert result.pdf_down_fb == 0.0
    np.testing.assert_allclose(lumi(MASSES), luminosity_table(load_pdf(PAPER_SET))(MASSES), rtol=1e-4)


@pytest.mark.parametrize("kind", ["replicas", "symmhessian"])
def test_other_kinds_of_scaled_copies(sets, kind):
    make_set(sets, kind=kind)
    lumi = load_luminosities("MySet", order="lo")
    result = cross_section(load_model("ssm"), 1000.0, 0.743, lumi)
    expected = np.std([1.21, 1.44], ddof=1) if kind == "replicas" else np.hypot(0.21, 0.44)
    assert result.pdf_up_fb / result.sigma_br_fb == pytest.approx(expected, rel=1e-5)


def test_faults_of_a_set_are_named(sets):
    folder = make_set(sets, kind="mystery")
    with pytest.raises(PDFError, match="ErrorType is 'mystery', known are"):
        load_luminosities("MySet")
    (folder / "MySet.info").write_text((folder / "MySet.info").read_text().replace("mystery", "hessian"))
    grid = folder / "MySet_0002.dat"
    kept = grid.read_text()
    grid.unlink()
    with pytest.raises(PDFError, match=r"MySet_0002\.dat: no such file, though MySet.info promises 3 members"):
        load_luminosities("MySet")
    head, *blocks = kept.split("---\n")
    grid.write_text("---\n".join([head, blocks[0], ""]))
    with pytest.raises(PDFError, match=r"set MySet: a member covers Q = 1 to 1\.4 GeV only, which leaves no mass"):
        load_luminosities("MySet")


def test_members_on_knots_of_their_own(sets):
    """Every other Q knot of member 2 left out, as in sets whose alpha_s members have their own: 44 % up all the same."""
    folder = make_set(sets, kind="hessian")
    grid = folder / "MySet_0002.dat"
    head, *blocks, end = grid.read_text().split("---\n")
    thinner = []
    for block in blocks:
        x, q, pids, *rows = block.rstrip("\n").split("\n")
        q = q.split()
        kept = [k for k in range(len(q)) if k % 2 == 0 or k == len(q) - 1 or len(q) < 6]
        rows = [rows[i * len(q) + k] for i in range(len(x.split())) for k in kept]
        thinner.append("\n".join([x, " ".join(q[k] for k in kept), pids, *rows, ""]))
    grid.write_text("---\n".join([head, *thinner, end]))
    lumi = load_luminosities("MySet", order="nlo")
    members = lumi.of_members(MASSES)[:, 1]
    np.testing.assert_allclose(members[1] / members[0], 1.21, rtol=1e-6)
    np.testing.assert_allclose(members[2] / members[0], 1.44, rtol=2e-3)
    assert members[2, 1] / members[0, 1] != pytest.approx(1.44, rel=1e-9)  # on other knots
    assert [m.xf([2], 0.1, 500.0).item() > 0 for m in load_pdf_set("MySet").members] == [True] * 3


def test_members_with_a_strong_coupling_of_their_own(sets, tmp_path):
    """Member 2 with alpha_s 3 % up in the header of its grid: LQ = 1.44 [L + 1.03 alpha_s T1/(2 pi)]; also in a file."""
    folder = make_set(sets, kind="hessian")
    values = next(r for r in (folder / "MySet.info").read_text().splitlines() if r.startswith("AlphaS_Vals"))
    numbers = ", ".join(f"{1.03 * float(v):.8e}" for v in values.split("[")[1].rstrip("]").split(","))
    grid = folder / "MySet_0002.dat"
    grid.write_text(f"AlphaS_Vals: [{numbers}]\n" + grid.read_text())
    central, other = load_pdf("MySet"), load_pdf("MySet", 2)
    assert other.alpha_s(91.1876) == pytest.approx(1.03 * central.alpha_s(91.1876), rel=1e-7)
    made = set_integrals("MySet", 13000.0, points=60)
    save_integrals(made, tmp_path / "table.npz")
    mass = 3000.0
    first, second, _ = corrected_terms(central, mass, 13000.0)
    expected = 1.44 * first + 1.44 * 1.03 * central.alpha_s(mass) / (2 * np.pi) * second
    for table in (made.table("nlo"), read_integrals(tmp_path / "table.npz").table("nlo")):
        np.testing.assert_allclose(table.of_members(mass)[2], expected, rtol=2e-4)
        np.testing.assert_allclose(table.of_members(mass)[1], 1.21 * table(mass), rtol=1e-6)
    np.testing.assert_allclose(made.table("nlo", 2)(mass), luminosity_table(other, order="nlo")(mass), rtol=2e-4)


def test_set_without_alpha_s(sets):
    folder = make_set(sets, members=1, kind="none")
    info = folder / "MySet.info"
    info.write_text("\n".join(line for line in info.read_text().splitlines() if not line.startswith("AlphaS")) + "\n")
    assert load_luminosities("MySet", order="lo").variations.scales.shape[0] == 3
    for order in ("nlo", "nnlo"):
        with pytest.raises(PDFError, match="no table of alpha_s"):
            load_luminosities("MySet", order=order)


def test_an_installed_set_of_another_version_is_used(sets):
    """A CT18NNLO whose grid differs from the shipped tables' is computed, not replaced by them."""
    make_set(sets, name="CT18NNLO", members=3)
    lumi = load_luminosities("CT18NNLO", order="lo")
    assert lumi.variations.members.shape[0] == 3
    np.testing.assert_allclose(lumi(MASSES), luminosity_table(load_pdf(PAPER_SET))(MASSES), rtol=1e-4)


def test_negative_members_are_zero_with_a_warning(sets):
    """A member with the sign of its sea turned: luminosity 0, no uncertainty beyond, a remark that counts it."""
    folder = make_set(sets)
    path = folder / "MySet_0001.dat"
    head, *blocks = path.read_text().split("---\n")
    turned = [head]
    for block in blocks[:-1]:
        rows = block.split("\n")
        pids = [int(p) for p in rows[2].split()]
        numbers = [
            " ".join(
                f"{-float(v):.8e}" if pid in (-1, -2, -3, -4, -5) else v
                for pid, v in zip(pids, row.split(), strict=True)
            )
            for row in rows[3:-1]
        ]
        turned.append("\n".join([*rows[:3], *numbers, ""]))
    path.write_text("---\n".join([*turned, blocks[-1]]))
    lumi = load_luminosities("MySet", order="lo")
    assert (lumi.of_members(MASSES)[1] == 0).all()
    assert "1 of 2 error members have a negative u or d luminosity" in lumi.warnings_at(1000.0)[0]
    result = cross_section(load_model("ssm"), 1000.0, 0.743, lumi)
    assert result.pdf_down_fb == pytest.approx(result.sigma_br_fb, rel=1e-6)  # never below zero
    assert "1 of 2" in result.warnings[0]


def test_energies_that_are_not_shipped():
    with pytest.raises(InputError, match=r"CT18NNLO is not installed.*8000, 13000, 13600, 14000.*CT18NNLO_central"):
        load_luminosities(sqrt_s_gev=10000.0)
    assert load_luminosities("CT18NNLO_central", 10000.0).variations.members is None
    with pytest.raises(UnknownName, match="unknown PDF set 'CT18NLO'"):
        load_luminosities("CT18NLO")


def test_shipped_file_survives_its_round_trip_and_damage(tmp_path, sets):
    make_set(sets)
    made = set_integrals("MySet", 13000.0, points=30)
    path = tmp_path / "MySet_13000GeV.npz"
    save_integrals(made, path)
    back = read_integrals(path)
    np.testing.assert_allclose(back.members, made.members, rtol=1e-6)
    assert back.errors == made.errors
    shipped = shipped_file("CT18NNLO", 13000.0).read_bytes()
    path.write_bytes(shipped[: len(shipped) // 2])
    with pytest.raises(PDFError, match="not a table of luminosities"):
        read_integrals(path)


def test_install_from_an_archive(tmp_path, sets):
    """From a local file, and by name from an archive (here a folder): checked, whole or not at all."""
    make_set(tmp_path / "made")
    packed = tmp_path / "MySet.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(tmp_path / "made" / "MySet", "MySet")
    target = tmp_path / "user"
    assert install_set(str(packed), target) == target / "MySet"
    assert len(list((target / "MySet").iterdir())) == 4
    with pytest.raises(InputError, match="already exists"):
        install_set(str(packed), target)
    install_set("MySet", tmp_path / "other", archive=f"{tmp_path.as_uri()}/")
    with pytest.raises(PDFError, match=r"cannot be reached.*pdf install NoSet.tar.gz, or unpack it into"):
        install_set("NoSet", target, archive=f"{tmp_path.as_uri()}/")
    packed.write_bytes(packed.read_bytes()[:2000])
    shutil.rmtree(target / "MySet")
    with pytest.raises(PDFError, match="not a complete tar archive"):
        install_set(str(packed), target)
    assert list(target.iterdir()) == []


def test_install_refuses_paths_that_leave_the_folder(tmp_path):
    with tarfile.open(tmp_path / "Bad.tar.gz", "w:gz") as tar:
        (tmp_path / "x").write_text("x")
        tar.add(tmp_path / "x", "Bad/../../evil")
    with pytest.raises(PDFError):
        install_set(str(tmp_path / "Bad.tar.gz"), tmp_path / "user")
    assert not (tmp_path / "evil").exists()
