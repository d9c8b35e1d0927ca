"""References of results, and the survey of an installation."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from zprime_recast.errors import InputError
from zprime_recast.io.cards import read_toml
from zprime_recast.model.card import list_models, load_model
from zprime_recast.report import installation
from zprime_recast.report.references import LUMINOSITIES, METHOD, all_references, bibtex, references
from zprime_recast.searches.search import list_analyses


def command(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "zprime_recast", *words], capture_output=True, text=True, check=False, cwd=cwd
    )


def test_every_entry_is_complete():
    found = all_references()
    assert len(found) > 20
    for key, entry in found.items():
        assert entry.text.count("{") == entry.text.count("}"), key
        assert "match =" not in entry.text
        for field in ("title", "year"):
            assert f"  {field} = {{" in entry.text, (key, field)
    assert set(METHOD) | {key for keys in LUMINOSITIES.values() for key in keys} <= set(found)


def test_every_model_and_analysis_has_its_paper():
    named = {name: load_model(name).reference for name in list_models()}
    named |= {name: read_toml(folder / "card.toml").text("reference") for name, folder in list_analyses().items()}
    for name, text in named.items():
        assert any(entry.is_named_in(text) for entry in all_references().values()), name


def test_order_and_statistics_choose_the_entries():
    keys = [entry.key for entry in references(["arXiv:1707.08606"], "n3lo")]
    assert keys[0] == "DeRomeri:2017oxa"
    assert "Baglio:2022wzu" in keys
    assert "pyhf_joss" in keys
    assert len(set(keys)) == len(keys)
    keys = [entry.key for entry in references([], "lo", limits=False)]
    assert keys == ["Buckley:2014ana", "zprime_recast"]
    assert [
        entry.key for entry in references(["arXiv:11707.086061"], "lo", limits=False)
    ] == keys  # no part of a number
    with pytest.raises(InputError, match="order must be"):
        references([], "n4lo")
    assert bibtex(references([])).count("@") == len(references([]))


def test_cite_of_a_result(tmp_path):
    result = {
        "provenance": {
            "model": "ssm",
            "analyses": [{"id": "atlas-139fb-dilepton"}],
            "pdf_set": "CT18NNLO",
            "order": "n3lo",
        }
    }
    (tmp_path / "limit.json").write_text(json.dumps(result))
    done = command("cite", "limit.json", "--json", cwd=tmp_path)
    keys = json.loads(done.stdout)["keys"]
    assert {"Altarelli:1989ff", "ATLAS:2019erb", "Hou:2019efy", "Baglio:2022wzu"} <= set(keys)
    done = command("cite", "elusive_bl", "MSTW2008nlo_central", "--order", "lo")
    assert "@article{DeRomeri:2017oxa," in done.stdout
    assert "@article{Martin:2009iq," in done.stdout


@pytest.mark.parametrize(
    ("text", "message"), [("{}", "no provenance"), ("nonsense", "no provenance"), (None, "No such file")]
)
def test_results_that_cannot_be_cited(tmp_path, text, message):
    if text is not None:
        (tmp_path / "r.json").write_text(text)
    done = command("cite", "r.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    done = command("cite", "nothing")
    assert done.returncode == 2
    assert "nothing" in done.stderr


def test_doctor_finds_this_installation():
    done = command("doctor", "--json")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["versions"]["pyhf"].startswith("0.7")
    assert values["backend"] == "grid"
    assert list(values["backends"]) == ["grid", "lhapdf"]
    assert "MSTW2008nlo_central" in values["pdf_sets"]
    assert values["problems"] == []
    assert "extra [explore]: complete" in command("doctor").stdout


def test_doctor_names_what_is_missing(monkeypatch):
    monkeypatch.setenv("ZPRIME_RECAST_PDF_BACKEND", "pdflib")
    real = installation._version
    monkeypatch.setattr(installation, "_version", lambda name: None if name in ("pyhf", "nicegui") else real(name))
    found = installation.survey()
    assert found.problems == (
        "pyhf is missing: pip install pyhf",
        "ZPRIME_RECAST_PDF_BACKEND: unknown PDF backend 'pdflib': did you mean 'lhapdf'?",
    )
    assert "nicegui" in found.extras["explore"]
