from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from zprime_recast.errors import InputError, OutputError, RangeError
from zprime_recast.io.files import write_text
from zprime_recast.limits.contour import ExclusionContour, contour
from zprime_recast.limits.hypothesis import limit
from zprime_recast.limits.result import MassLimit
from zprime_recast.model.card import load_model
from zprime_recast.report.contour_figure import plot_contour
from zprime_recast.report.contour_files import contour_csv, write_contour
from zprime_recast.report.style import save_figure

MASSES = [500.0, 2000.0, 5900.0]


@pytest.fixture(scope="module")
def result(searches):
    return contour(load_model("elusive_bl"), MASSES, searches, workers=2)


def test_processes_give_the_numbers_of_one(result, elusive, searches):
    single = limit(elusive, 2000.0, searches)
    assert result.complete
    assert not result.errors
    assert result.coupling_95_observed[1] == pytest.approx(single.coupling_95_observed, rel=1e-3)
    np.testing.assert_allclose(result.coupling_95_expected[1], single.coupling_95_expected, rtol=1e-3)
    assert np.isnan(result.coupling_95_observed[2])  # nothing excluded at 5.9 TeV below perturbativity


def test_json_and_csv(result, tmp_path):
    write_contour(result, tmp_path / "deep" / "folder")
    values = json.loads((tmp_path / "deep" / "folder" / "contour.json").read_text())
    assert values["mass_gev"] == MASSES
    assert values["coupling_95_observed"][2] is None
    assert values["coupling_95_expected"][2] == [None] * 5
    assert np.shape(values["coupling_95_expected"]) == (3, 5)
    provenance = values["provenance"]
    assert provenance["pdf_set"] == "CT18NNLO"
    assert provenance["order"] == "nnlo"
    assert provenance["theory_nuisances"] == ["pdf_1", "pdf_2", "pdf_3", "pdf_4", "pdf_5", "pdf_rest", "qcd_scale"]
    assert provenance["analyses"][0]["id"] == "atlas-139fb-dilepton"
    assert provenance["analyses"][0]["digest"]
    assert provenance["model_digest"] == load_model("elusive_bl").digest()
    assert any("recalled" in text for text in provenance["unverified_inputs"])
    rows = (tmp_path / "deep" / "folder" / "contour.csv").read_text().splitlines()
    assert len(rows) == 4
    assert rows[0].startswith("mass_gev,coupling_95_observed,coupling_95_expected_m2s")
    assert rows[3] == "5900,,,,,,,"
    assert float(rows[1].split(",")[1]) == pytest.approx(result.coupling_95_observed[0], rel=1e-5)
    assert not list((tmp_path / "deep" / "folder").glob(".*"))


def test_figure_is_written_and_not_blank(result, tmp_path):
    figure = plot_contour(result, "label", [result])
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert "m_{Z'}" in axes.get_xlabel()
    texts = [t.get_text() for t in axes.get_legend().get_texts()]
    assert any("observed" in t for t in texts)
    assert any("perturbativity" in t for t in texts)
    paths = save_figure(figure, tmp_path, "contour")
    import matplotlib.image

    image = matplotlib.image.imread(paths[0])
    assert image.shape[0] > 1000
    assert len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 50
    assert paths[1].read_bytes().startswith(b"%PDF")


def fabricated(g, provenance, reference=0.5):
    """A contour with given observed couplings; for what is done with a result, not for a result."""
    n, g = len(g), np.array(g)
    bands = np.tile(g[:, None], (1, 5))
    return ExclusionContour(
        model=replace(load_model("ssm"), reference_coupling=reference),
        mass_gev=np.arange(1.0, n + 1) * 1000,
        coupling_95_observed=g,
        coupling_95_expected=bands,
        sigma_br_95_observed_fb=g,
        sigma_br_95_expected_fb=bands,
        sigma_br_flavor="ee",
        sigma_br_sqrt_s_gev=13000.0,
        gamma_over_m_observed=np.full(n, 0.03),
        coupling_max=np.full(n, 5.0),
        coupling_max_reason=("",) * n,
        errors=(),
        warnings=(),
        crossings_observed=((),) * n,
        coupling_95_observed_no_theory=np.full(n, np.nan),
        reference_coupling=reference,
        analyses_used=(("atlas-139fb-dilepton",),) * n,
        complete=True,
        provenance=provenance,
    )


def test_mass_limit_of_a_benchmark(result):
    origin = result.provenance
    crossed = fabricated([0.1, 0.25, 1.0], origin)
    assert crossed.mass_limits(0.5)[0].gev == pytest.approx(2500.0)
    assert not crossed.mass_limits(0.5)[0].is_lower_bound
    assert fabricated([0.1, 0.2, 0.3], origin).mass_limits(0.5) == (MassLimit(3000.0, True),) * 2
    assert fabricated([0.7, 0.8, 0.9], origin).mass_limits(0.5) == (MassLimit(None),) * 2
    assert fabricated([0.1, 0.2, np.nan], origin).mass_limits(0.5)[0] == MassLimit(2000.0)
    assert crossed.to_dict()["mass_limit_observed_gev"] == pytest.approx(2500.0)
    assert crossed.to_dict()["mass_limit_is_lower_bound"] is False


def test_a_mass_limit_beyond_the_masses_is_a_bound_and_null_means_nothing_excluded(result):
    """Each of the three cases has a form of its own, also where the last mass failed."""
    origin = result.provenance
    everywhere, nowhere = fabricated([0.1, 0.2, 0.3], origin), fabricated([0.7, 0.8, 0.9], origin)
    values = everywhere.to_dict()
    assert (values["mass_limit_observed_gev"], values["mass_limit_is_lower_bound"]) == (3000.0, True)
    assert (values["mass_limit_expected_gev"], values["mass_limit_expected_is_lower_bound"]) == (3000.0, True)
    assert str(everywhere.mass_limits(0.5)[0]) == "excluded at least up to 3000 GeV"
    values = nowhere.to_dict()
    assert (values["mass_limit_observed_gev"], values["mass_limit_is_lower_bound"]) == (None, False)
    assert str(nowhere.mass_limits(0.5)[0]) == "excluded at no mass"
    failed = replace(fabricated([0.1, 0.2, np.nan], origin), errors=((3000.0, "the fit failed"),))
    assert failed.mass_limits(0.5)[0] == MassLimit(2000.0, True)
    used = (("atlas", "cms"), ("atlas", "cms"), ("atlas",))
    ended = replace(fabricated([0.1, 0.2, 0.8], origin), analyses_used=used)
    assert ended.mass_limits(0.5)[0] == MassLimit(2000.0, True)  # a step where a search ends is not a crossing
    plain = fabricated([0.1, 0.2, 0.3], origin, reference=None).to_dict()
    assert (plain["mass_limit_observed_gev"], plain["mass_limit_is_lower_bound"]) == (None, None)


def test_empty_contour_can_be_written_and_drawn(result, tmp_path):
    empty = fabricated([np.nan, np.nan], result.provenance)
    save_figure(plot_contour(empty, ""), tmp_path, "c")
    assert json.loads(json.dumps(empty.to_dict(), allow_nan=False))["coupling_95_observed"] == [None, None]
    assert contour_csv(empty).splitlines()[1] == "1000,,,,,,,"


def test_interrupt_keeps_what_is_done(elusive, searches):
    seen = []

    def interrupt(point):
        seen.append(point)
        if len(seen) == 1:
            raise KeyboardInterrupt

    partial = contour(elusive, [500.0, 5900.0, 6000.0], searches, calculator="asymptotic", on_done=interrupt)
    assert not partial.complete
    assert partial.mass_gev.tolist() == [500.0]
    assert np.isfinite(partial.coupling_95_observed).all()
    assert partial.to_dict()["complete"] is False


def test_a_failing_point_is_reported_and_the_rest_goes_on(elusive, searches):
    """gamma_extra above half of the lower mass: that point has an error, the other a limit."""
    wide = elusive.with_parameters(gamma_extra=400.0)
    partial = contour(wide, [500.0, 2000.0], searches, calculator="asymptotic")
    assert partial.complete
    assert partial.errors[0][0] == 500.0
    assert "gamma_extra" in partial.errors[0][1]
    assert np.isnan(partial.coupling_95_observed[0])
    assert np.isfinite(partial.coupling_95_observed[1])


def test_bad_requests(elusive, searches, tmp_path):
    with pytest.raises(InputError, match="ascend"):
        contour(elusive, [2000.0, 1000.0], searches)
    with pytest.raises(RangeError, match="250 to 6000"):
        contour(elusive, [100.0, 1000.0], searches)
    with pytest.raises(InputError, match="workers"):
        contour(elusive, [1000.0], searches, workers=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_text(tmp_path / "file" / "x.json", "")


def test_a_full_disk_is_an_error_and_leaves_the_old_file(tmp_path):
    """A limit on the size of files stands for the disk: it fails halfway through a file, as a full disk does."""
    resource = pytest.importorskip("resource")
    target = tmp_path / "contour.json"
    target.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OutputError, match="File too large"):
            write_text(target, "new" * 10000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert target.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_killed_workers_lose_no_mass(result, elusive, searches):
    """All workers killed after the first point: the contour of a run in peace, digit for digit."""
    import multiprocessing

    killed = []

    def kill(point):
        if not killed:
            for child in multiprocessing.active_children():
                child.kill()
                killed.append(child)

    disturbed = contour(elusive, MASSES, searches, workers=2, on_done=kill)
    assert killed
    assert disturbed.complete
    assert not disturbed.errors
    np.testing.assert_array_equal(disturbed.coupling_95_observed, result.coupling_95_observed)
    np.testing.assert_array_equal(disturbed.coupling_95_expected, result.coupling_95_expected)
