"""Without the libraries of an extra: what needs them says so on one line that names it, the rest works."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

from zprime_recast.errors import InputError
from zprime_recast.events.histograms import histogram
from zprime_recast.events.records import COLUMNS, DileptonEvents
from zprime_recast.events.storage import read_events, write_events
from zprime_recast.scan.evaluate import evaluator
from zprime_recast.scan.files_to_files import scan

LIBRARIES = ("fissix", "hist", "mplhep", "nicegui", "pandas", "pyarrow", "pyhepmc", "pylhe", "pythia8mc", "vector")


@pytest.fixture
def plain(monkeypatch):
    """A plain install: no library of an extra can be imported."""
    importlib.import_module("awkward._connect.pyarrow")  # remembers for good whether there is pyarrow
    for name in [*sys.modules]:
        if name.partition(".")[0] in LIBRARIES:
            monkeypatch.delitem(sys.modules, name)
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def events():
    return DileptonEvents({name: np.ones(3, dtype=kind) for name, kind in COLUMNS.items()})


def test_each_library_names_its_extra(plain, events, tmp_path):
    from zprime_recast.explore.start import start
    from zprime_recast.scan.tables import table_format

    for use, library, extra in (
        (lambda: table_format(tmp_path / "points.parquet"), "pyarrow", "parquet"),
        (lambda: write_events(tmp_path / "events.parquet", events), "pyarrow", "parquet"),
        (lambda: read_events(tmp_path / "events.parquet"), "pyarrow", "parquet"),
        (lambda: histogram(events, "m_ll"), "hist", "events"),
        (lambda: events.array, "vector", "events"),
    ):
        with pytest.raises(InputError, match=rf"^.* needs {library}: pip install 'zprime-recast\[{extra}\]'$"):
            use()
    with pytest.raises((InputError, ValueError)):
        start("ssm", 3000.0)
    assert not list(tmp_path.iterdir())


def test_tables_of_text_need_no_extra(plain, searches, tmp_path):
    """CSV to CSV, in one process, with the digits of a run that has pyarrow; events to ROOT and LHE."""
    (tmp_path / "points.csv").write_text("mass_gev,coupling,tag\n3000,0.1,a\n2000,x,b\n")
    result = scan(tmp_path / "points.csv", tmp_path / "out.csv", evaluator(searches, "ssm"), {})
    assert (result.rows, result.errors, result.excluded) == (2, 1, 1)
    first, *rows = (tmp_path / "out.csv").read_text().splitlines()
    assert first.startswith("mass_gev,coupling,tag,gamma_gev")
    assert [row.split(",")[2] for row in rows] == ["a", "b"]


def test_the_command_line_says_it_on_one_line(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({LIBRARIES}))\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import sitecustomize; from zprime_recast.cli import main; main()"
    command = [sys.executable, "-c", code, "evaluate", "points.parquet", "-o", "out.csv", "--model", "ssm"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "zprime-recast: a Parquet file needs pyarrow: pip install 'zprime-recast[parquet]'\n"
