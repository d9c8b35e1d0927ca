"""Shared inputs: the shipped PDF set and search, with a cache folder of the test run's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No cache, user folder or PDF path of the machine's enters a test."""
    root = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZPRIME_RECAST_CACHE", str(root / "cache"))
        patch.setenv("ZPRIME_RECAST_HOME", str(root / "user"))
        patch.delenv("LHAPDF_DATA_PATH", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_reaches_children() -> None:
    """A shell that starts the tests in the background may have them ignore SIGINT, which their commands would inherit."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def pdf(own_folders):
    from zprime_recast.partons.pdf import PAPER_SET, load_pdf

    return load_pdf(PAPER_SET)


@pytest.fixture(scope="session")
def lumi(pdf):
    from zprime_recast.partons.luminosity import luminosity_table

    return luminosity_table(pdf)


@pytest.fixture(scope="session")
def searches(own_folders):
    from zprime_recast.limits.analyses import load_analyses

    return load_analyses(["atlas-139fb-dilepton"])


@pytest.fixture(scope="session")
def paper_searches(own_folders):
    """As the paper has it: MSTW2008 at leading order, no theory uncertainty."""
    from zprime_recast.limits.analyses import load_analyses
    from zprime_recast.partons.pdf import PAPER_SET

    return load_analyses(["atlas-139fb-dilepton"], PAPER_SET, order="lo", theory=False)


@pytest.fixture(scope="session")
def elusive(own_folders):
    from zprime_recast.model.card import load_model

    return load_model("elusive_bl")


@pytest.fixture(scope="session")
def full_sets_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the complete development sets (CT18NNLO, MMHT2014, NNPDF3.0, LUXqed17); skips where they are not.

    They are looked for as archives in ``shared/pdfsets`` beside the checkout, or under ``ZPRIME_RECAST_DEV_SETS``.
    """
    import tarfile

    beside = Path(__file__).resolve().parents[2] / "shared" / "pdfsets"
    archives = sorted(Path(os.environ.get("ZPRIME_RECAST_DEV_SETS", beside)).glob("*.tar.*"))
    if not archives:
        pytest.skip("the complete PDF sets are not here (ZPRIME_RECAST_DEV_SETS)")
    folder = tmp_path_factory.mktemp("sets")
    for archive in archives:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return folder


@pytest.fixture
def full_sets(full_sets_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The complete development sets, found by the package during one test."""
    monkeypatch.setenv("LHAPDF_DATA_PATH", str(full_sets_folder))
    return full_sets_folder


@pytest.fixture
def data_folder() -> Path:
    """Reference numbers of other programs."""
    return Path(__file__).parent / "data"


@pytest.fixture
def repository() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    """Environment of a user's shell: nothing of this checkout on the path."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LHAPDF_DATA_PATH")}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of our own: the number of damaged files of the fuzz tests."""
    parser.addoption("--mutations", type=int, default=400, help="number of damaged event files in the fuzz test")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked ``long`` run only when asked for by that name."""
    if "long" in (config.option.markexpr or ""):
        return
    kept = [item for item in items if "long" not in item.keywords]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
