"""Shared inputs: the shipped PDF set and search, with a cache folder of the test run's own."""

from __future__ import annotations

import os
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


@pytest.fixture(scope="session")
def pdf(own_folders):
    from zprime_recast.pdf import load_pdf

    return load_pdf()


@pytest.fixture(scope="session")
def lumi(pdf):
    from zprime_recast.luminosity import luminosity_table

    return luminosity_table(pdf)


@pytest.fixture(scope="session")
def searches(own_folders):
    from zprime_recast.limits import prepare

    return prepare(["atlas-139fb-dilepton"])


@pytest.fixture(scope="session")
def elusive(own_folders):
    from zprime_recast.model_card import load_model

    return load_model("elusive_bl")


@pytest.fixture
def repository() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    """Environment of a user's shell: nothing of this checkout on the path."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LHAPDF_DATA_PATH")}
