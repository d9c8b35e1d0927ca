"""A small sample shared by the tests of files and records."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def ssm_source(own_folders):
    from zprime_recast.events.sample import event_source
    from zprime_recast.model.card import load_model

    model = load_model("ssm")
    return event_source(model, 3000.0, model.reference_coupling, "signal", order="lo", lepton="mu", seed=7)


@pytest.fixture(scope="session")
def ssm_events(ssm_source):
    return ssm_source.events(3000)
