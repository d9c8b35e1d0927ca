"""A scan resumes only what it is sure of: damaged parts are recomputed, foreign ones refused, lost ones noticed."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from zprime_recast.errors import InputError, ZprimeError
from zprime_recast.io.workers import in_processes
from zprime_recast.scan import files_to_files
from zprime_recast.scan.evaluate import evaluator
from zprime_recast.scan.files_to_files import scan

ROWS = 230


@pytest.fixture(scope="module")
def rows(searches):
    return evaluator(searches, "elusive_bl")


@pytest.fixture
def source(tmp_path):
    return table(tmp_path / "points.csv")


def table(path, n=ROWS, models=None):
    rng = np.random.default_rng(5)
    lines = ["id,mass_gev,coupling" + (",model" if models else "")]
    for i, (mass, g) in enumerate(zip(rng.uniform(400, 5900, n), 10 ** rng.uniform(-3, -0.5, n), strict=True)):
        lines.append(f"{i:03d},{mass!r},{g!r}" + (f",{models[i % len(models)]}" if models else ""))
    path.write_text("\n".join(lines) + "\n")
    return path


class Stop(Exception):
    pass


def interrupted(source, output, evaluate, inputs=None, after=2):
    """Start a scan and end it after some chunks; the folder of its parts."""
    left = [after]

    def count(_):
        left[0] -= 1
        if not left[0]:
            raise Stop

    with pytest.raises(Stop):
        scan(source, output, evaluate, inputs or {}, rows=100, on_chunk=count)
    folder = output.with_name(output.name + ".parts")
    assert len(list(folder.glob("part-*"))) == after
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("whole")
    scan(table(folder / "points.csv"), folder / "out.csv", rows, {})
    return (folder / "out.csv").read_text()


def test_a_damaged_part_is_recomputed(tmp_path, source, rows, whole):
    """Any flipped bit, any cut, nothing at all: the table of a run in peace, and none of the part's rows resumed."""
    folder = interrupted(source, tmp_path / "out.csv", rows)
    part, rng = folder / "part-00000001.bin", random.Random(2)
    kept, good = shutil.copytree(folder, tmp_path / "kept"), part.read_bytes()
    flips = [(rng.randrange(len(good)), rng.randrange(8)) for _ in range(300)]
    from zprime_recast.scan.parts import _parsed

    assert _parsed(good) is not None
    for at, bit in flips:
        assert _parsed(good[:at] + bytes([good[at] ^ (1 << bit)]) + good[at + 1 :]) is None
    at, bit = flips[0]
    for damage in (good[:at] + bytes([good[at] ^ (1 << bit)]) + good[at + 1 :], b"", good[:1000], b"\0" * len(good)):
        if not folder.exists():
            shutil.copytree(kept, folder)
        part.write_bytes(damage)
        assert scan(source, tmp_path / "out.csv", rows, {}, rows=100).resumed_rows == 100
        assert (tmp_path / "out.csv").read_text() == whole
        assert not folder.exists()


@pytest.mark.parametrize("number", [0, 2, 9])
def test_a_part_of_another_scan_is_refused(tmp_path, source, rows, number):
    """Whatever its number: in the place of our own, of the next, beyond the last."""
    folder = interrupted(source, tmp_path / "out.csv", rows)
    other = interrupted(source, tmp_path / "other.csv", rows, {"b": 2})
    shutil.copy(other / "part-00000000.bin", folder / f"part-{number:08d}.bin")
    with pytest.raises(InputError, match=rf"part-{number:08d}.bin is not a part of this scan; remove"):
        scan(source, tmp_path / "out.csv", rows, {}, rows=100)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("number", [1, 2, 3, 40])
def test_a_part_under_another_number_is_refused(tmp_path, source, rows, number):
    folder = interrupted(source, tmp_path / "out.csv", rows)
    shutil.copy(folder / "part-00000000.bin", folder / f"part-{number:08d}.bin")
    with pytest.raises(InputError, match="is not a part of this scan"):
        scan(source, tmp_path / "out.csv", rows, {}, rows=100)


def test_a_damaged_part_beyond_the_last_is_refused(tmp_path, source, rows):
    folder = interrupted(source, tmp_path / "out.csv", rows)
    (folder / "part-00000005.bin").write_bytes(b"")
    with pytest.raises(InputError, match="part-00000005.bin is not a part"):
        scan(source, tmp_path / "out.csv", rows, {}, rows=100)
    assert not (tmp_path / "out.csv").exists()


def test_an_orphaned_folder(tmp_path, source, rows, whole):
    """Without its manifest a part still says what it belongs to."""
    folder = interrupted(source, tmp_path / "out.csv", rows)
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match="is not a part of this scan"):
        scan(source, tmp_path / "out.csv", rows, {"a": 1}, rows=100)
    (folder / "manifest.json").unlink()
    assert scan(source, tmp_path / "out.csv", rows, {}, rows=100).resumed_rows == 200
    assert (tmp_path / "out.csv").read_text() == whole


def test_a_manifest_that_is_none(tmp_path, source, rows):
    folder = interrupted(source, tmp_path / "out.csv", rows)
    for text in ("", "[]", "{"):
        (folder / "manifest.json").write_text(text)
        with pytest.raises(InputError, match="is not the manifest of a scan; remove"):
            scan(source, tmp_path / "out.csv", rows, {}, rows=100)


def test_a_folder_with_other_files_is_left_alone(tmp_path, source, rows):
    folder = tmp_path / "out.csv.parts"
    folder.mkdir()
    (folder / "thesis.tex").write_text("all my work")
    with pytest.raises(InputError, match=r"thesis.tex is not part of a scan; move it away"):
        scan(source, tmp_path / "out.csv", rows, {})
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_an_edited_card_is_another_scan(tmp_path, searches, repository):
    """A card named in the table is edited between two runs, and during one."""
    card, output = tmp_path / "mine.toml", tmp_path / "out.csv"
    text = (repository / "data" / "models" / "ssm.toml").read_text()
    card.write_text(text)
    source = table(tmp_path / "points.csv", models=["minimal_bl", str(card)])
    folder = interrupted(source, output, evaluator(searches))
    card.write_text(text + "\n# edited\n")
    with pytest.raises(InputError, match=r"other inputs \(cards\)"):
        scan(source, output, evaluator(searches), {}, rows=100)
    card.write_text(text)
    assert scan(source, output, evaluator(searches), {}, rows=100).resumed_rows == 200
    assert not folder.exists()
    output.unlink()
    with pytest.raises(InputError, match="a model card was changed while the scan ran"):
        scan(source, output, evaluator(searches), {}, rows=100, on_chunk=lambda _: card.write_text("x"))
    assert not output.exists()


def test_another_model_under_the_same_name_is_another_scan(tmp_path, searches, repository):
    """The model of all rows counts by its content: a comment changes nothing, another number of neutrinos does."""
    card, output = tmp_path / "mine.toml", tmp_path / "out.csv"
    text = (repository / "data" / "models" / "minimal_bl.toml").read_text()
    card.write_text(text)
    source = table(tmp_path / "points.csv")
    interrupted(source, output, evaluator(searches, str(card)))
    changed = text.replace("multiplicity = 3", "multiplicity = 2")
    assert changed != text
    card.write_text(changed)
    with pytest.raises(InputError, match=r"other inputs \(engine\)"):
        scan(source, output, evaluator(searches, str(card)), {}, rows=100)
    card.write_text("# edited\n" + text)
    assert scan(source, output, evaluator(searches, str(card)), {}, rows=100).resumed_rows == 200


def test_another_engine_is_another_scan(tmp_path, source, searches, rows, monkeypatch):
    """Same options, other numbers inside: counts of the search, code of the package."""
    import copy

    folder = interrupted(source, tmp_path / "out.csv", rows)
    changed = copy.deepcopy(rows)
    counts = changed.analyses[0].search.channels[0].n_obs
    counts.flags.writeable = True
    counts[-1] += 1
    with pytest.raises(InputError, match=r"other inputs \(engine\)"):
        scan(source, tmp_path / "out.csv", changed, {}, rows=100)
    monkeypatch.setattr(files_to_files, "code_digest", lambda: "other")
    with pytest.raises(InputError, match=r"other inputs \(code\)"):
        scan(source, tmp_path / "out.csv", rows, {}, rows=100)
    assert len(list(folder.glob("part-*"))) == 2


def test_points_that_change_while_they_are_read(tmp_path, source, rows):
    def append(_):
        with source.open("a") as file:
            file.write("1,1000,0.1\n")

    with pytest.raises(InputError, match="was changed while it was read"):
        scan(source, tmp_path / "out.csv", rows, {}, rows=100, on_chunk=append)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_lost_chunk_is_never_left_out(tmp_path, source, rows, whole, workers):
    """A part that vanishes, and a chunk whose results never come: an error, no table; the next run has them all."""
    output = tmp_path / "out.csv"

    def lose(_):
        for path in tmp_path.glob("out.csv.parts/part-*"):
            path.unlink()

    with pytest.raises(ZprimeError, match="was lost or damaged while the scan ran"):
        scan(source, output, rows, {}, workers, rows=100, on_chunk=lose)
    assert not output.exists()
    scan(source, output, rows, {}, rows=100)
    assert output.read_text() == whole


@pytest.mark.parametrize("workers", [1, 2])
def test_results_that_do_not_come_are_missed(tmp_path, source, rows, monkeypatch, workers):
    """A pool that forgets a chunk, as ours did once, is caught where the table is put together."""
    real = files_to_files.in_processes
    monkeypatch.setattr(files_to_files, "in_processes", lambda *a: (pair for pair in real(*a) if pair[0] != 1))
    if workers == 1:
        monkeypatch.setattr(files_to_files, "evaluate_chunk", lambda shared, chunk: {"error": np.full(99, "")})
        with pytest.raises(ZprimeError, match="99 results for the 100 rows of chunk 0"):
            scan(source, tmp_path / "out.csv", rows, {}, rows=100)
    else:
        with pytest.raises(ZprimeError, match=r"part-00000001.bin was lost"):
            scan(source, tmp_path / "out.csv", rows, {}, workers, rows=100)
    assert not (tmp_path / "out.csv").exists()


def test_a_second_process_is_told(tmp_path, source, rows, whole):
    """While one scan runs another on the same output is refused, also through a link; a killed one blocks nobody."""
    output, link = tmp_path / "out.csv", tmp_path / "link.csv"
    link.symlink_to(output)
    refused = []

    def second(_):
        for path in (output, link):
            with pytest.raises(InputError, match="another process is writing out.csv: wait for it"):
                scan(source, path, rows, {}, rows=100)
            refused.append(path)

    scan(source, output, rows, {}, rows=100, on_chunk=second)
    assert len(refused) == 6
    assert output.read_text() == whole
    code = "import os, sys, time; from pathlib import Path; from zprime_recast.io.lock import only_process\n"
    code += "with only_process(Path(sys.argv[1]), 'busy'):\n print('held', flush=True); time.sleep(60)"
    (tmp_path / "other.csv.parts").mkdir()
    lock = tmp_path / "other.csv.parts" / "lock"
    with subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"held\n"
            with pytest.raises(InputError, match="another process is writing"):
                scan(source, tmp_path / "other.csv", rows, {})
        finally:
            process.kill()
    scan(source, tmp_path / "other.csv", rows, {})
    assert (tmp_path / "other.csv").read_text() == whole
    assert not list(tmp_path.glob("*.parts"))


def test_results_are_the_same_for_any_chunk(tmp_path, searches, rows):
    """To the last digit: chunks of any length, processes, several models in turn, limits."""
    models = ["elusive_bl", "minimal_bl", "ssm"]
    source = table(tmp_path / "points.csv", 330, models)
    evaluate = evaluator(searches)
    texts = []
    for n, workers in ((1, 1), (150, 1), (300, 1), (1000, 1), (100, 2)):
        scan(source, tmp_path / "out.csv", evaluate, {}, workers, rows=n)
        texts.append((tmp_path / "out.csv").read_text())
    assert texts[0].count("\n") == 331
    assert len(set(texts)) == 1
    with_limits = evaluator(searches, "minimal_bl", limits=True)
    source = table(tmp_path / "few.csv", 130)
    texts = []
    for n in (100, 1000):
        scan(source, tmp_path / "out.csv", with_limits, {}, rows=n)
        texts.append((tmp_path / "out.csv").read_text())
    assert texts[0] == texts[1]


def test_no_parameter_is_taken_for_a_misspelt_one_in_a_later_block(tmp_path, searches, repository):
    """Names are judged with all models of the table, not with those of some rows."""
    card = tmp_path / "near.toml"
    text = (repository / "data" / "models" / "elusive_bl.toml").read_text()
    card.write_text(text.replace("m_chi", "m_chi2"))
    lines = ["mass_gev,coupling,model,m_chi,m_chi2"]
    lines += [f"2000,0.1,{'elusive_bl' if i < 100 else card},500,500" for i in range(200)]
    (tmp_path / "points.csv").write_text("\n".join(lines) + "\n")
    assert scan(tmp_path / "points.csv", tmp_path / "out.csv", evaluator(searches), {}, rows=100).errors == 0


def doubled(shared, value):
    return 2 * value


def test_a_pool_in_a_thread_and_a_lock_leave_no_process(tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.extend(in_processes(doubled, None, enumerate(range(3)), 2)))
    thread.start()
    thread.join(timeout=60)
    assert sorted(found) == [(0, 0), (1, 2), (2, 4)]
    assert not multiprocessing.active_children()
    assert os.getpid()
