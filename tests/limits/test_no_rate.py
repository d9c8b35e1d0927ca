"""A Z' that cannot be made or seen in pairs of electrons and muons: the rate is 0, and the reason is said."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from zprime_recast.cli._shared import app
from zprime_recast.limits.hypothesis import cls, limit
from zprime_recast.model.card import load_model
from zprime_recast.model.make import make_model
from zprime_recast.process.couplings import why_no_rate

CARDS = {
    "l_mu - l_tau": "[charges]\nq_left = 0\n[charges_generation_2]\nl_left = 1\ne_right = 1\n[charges_generation_3]\nl_left = -1\ne_right = -1\n",
    "baryon number": '[charges]\nq_left = "1/3"\nu_right = "1/3"\nd_right = "1/3"\n',
}
REASONS = {
    "l_mu - l_tau": "couples to none of the quarks u, d, s, c, b: it is not produced, the rate is 0",
    "baryon number": "does not couple to e or mu: the rate is 0",
}


@pytest.mark.parametrize("name", CARDS)
def test_the_reason_is_said(name, tmp_path, searches):
    card = tmp_path / "mine.toml"
    head = 'schema = 1\nid = "mine"\ntitle = "mine"\nreference = "test"\nkind = "u1"\nreference_coupling = 0.3\n'
    card.write_text(head + CARDS[name])
    model = load_model(str(card))
    result = limit(model, 2000.0, searches, calculator="asymptotic")
    assert [REASONS[name] in text for _, text in result.warnings] == [True]
    assert REASONS[name] in cls(model, 2000.0, 0.1, searches, calculator="asymptotic").warnings[0]
    lepton = "mu" if name.startswith("l_mu") else "e"
    done = CliRunner().invoke(app, ["xsec", str(card), "-m", "2000", "--lepton", lepton])
    assert "= 0 fb" in done.output
    assert "the rate is 0" in done.output
    assert "nan" not in done.output


def test_no_reason_where_there_is_a_rate():
    assert why_no_rate(make_model("one", {"q_left": 1, "l_left": 1}), ("e", "mu")) == ()
