"""Text from cards and options never becomes a path or a pattern."""

from __future__ import annotations

import pytest

from zprime_recast.cli.about import _origin
from zprime_recast.errors import InputError, ZprimeError
from zprime_recast.io.names import checked_name
from zprime_recast.limits.contour import contour
from zprime_recast.model.card import list_models, load_model
from zprime_recast.model.make import make_model
from zprime_recast.partons.luminosity_set import load_luminosities, shipped_energies
from zprime_recast.partons.pdf_files import list_sets
from zprime_recast.partons.pdf_install import install_set
from zprime_recast.report.contour_files import write_contour
from zprime_recast.searches.search import list_analyses

FOREIGN = [
    "", ".", "..", "/x", "x/../../..", "../CT18NNLO", "a/b", "a\\b", "a\0b", "a\nb", "*", "C*", "CT18NNL?", "[C]T18NNLO",
    "~", "~nouser", "-x", ".hidden", "a..b", "x" * 101, "x" * 10_000, "C:x", "a b", "é", "{x}", "%2e%2e", "?a=1", "#",
]  # fmt: skip


@pytest.mark.parametrize("text", FOREIGN)
def test_a_foreign_text_is_no_name(text, tmp_path):
    with pytest.raises(InputError, match="cannot be the name of a thing: use at most 100 letters") as caught:
        checked_name("thing", text)
    assert len(str(caught.value)) < 300
    with pytest.raises(InputError, match="cannot be the name of a model"):
        make_model(text, {"q_left": 1})
    with pytest.raises(InputError, match="cannot be the name of a PDF set"):
        install_set(text, tmp_path)
    assert shipped_energies(text) == []
    for function in (load_luminosities, _origin, load_model):
        with pytest.raises((ZprimeError, OSError)):  # what the command line prints as one line
            function(text)


def test_shipped_names_are_names():
    for name in (*list_models(), *list_analyses(), *list_sets(), *(load_model(name).id for name in list_models())):
        assert checked_name("thing", name) == name
    assert shipped_energies("CT18NNLO") == [8000.0, 13000.0, 13600.0, 14000.0]


def test_the_id_of_a_card_writes_nowhere_else(tmp_path, repository, searches):
    """A card whose id is a path is an error when it is read, so no contour gets that name."""
    card = tmp_path / "card.toml"
    text = (repository / "data" / "models" / "ssm.toml").read_text()
    card.write_text(text.replace('id = "ssm"', 'id = "../../evil"'))
    with pytest.raises(ZprimeError, match=r"card.toml.*cannot be the name of a model"):
        load_model(card)
    card.write_text(text.replace('id = "ssm"', 'id = "mine-1.0+x_y"'))
    mine = contour(card, [2000.0], searches)
    written = write_contour(mine, tmp_path / "out", [mine])
    assert {path.parent for path in written} == {tmp_path / "out"}
