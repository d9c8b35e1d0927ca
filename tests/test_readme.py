"""What README and docs show runs as written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest

from zprime_recast.model import anomaly_sums
from zprime_recast.model_card import load_model


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_two_commands_are_those_of_ci(repository):
    readme, ci = (repository / "README.md").read_text(), (repository / ".ci" / "run").read_text()
    main, tests = (block.strip() for block in blocks(readme, "sh")[:2])
    assert main.split(" && ")[0] == "python3 -m venv .venv"
    plain = ci.replace('"$venv/bin/', "").replace('"', "").replace(" --quiet", "")
    for command in [*main.split(" && ")[1:], *tests.split(" && ")]:
        assert command.replace(".venv/bin/", "").replace('"', "") in plain
    assert "contour elusive_bl --compare minimal_bl -o contour" in main


def test_commands_of_the_readme_run(repository, tmp_path):
    """Every line of the command list, in an empty folder."""
    block = blocks((repository / "README.md").read_text(), "sh")[2]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    lines = [line.split("#")[0].strip() for line in block.splitlines()]
    assert len(lines) > 6
    for line in lines:
        command = shlex.split(line)
        assert command[0] == "zprime-recast"
        done = subprocess.run(
            [sys.executable, "-m", "zprime_recast", *command[1:]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)


def test_python_of_the_readme_runs(repository, tmp_path):
    (code,) = blocks((repository / "README.md").read_text(), "python")
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0\n")
    assert "None" not in done.stdout.splitlines()[-1]


def test_the_card_of_the_docs_loads(repository, tmp_path):
    (card,) = blocks((repository / "docs" / "model-cards.md").read_text(), "toml")
    (tmp_path / "mine.toml").write_text(card)
    model = load_model(tmp_path / "mine.toml")
    assert model.parameter("m_x") == 500.0
    assert set(anomaly_sums(model).values()) == {0}


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/model-cards.md", "docs/analysis-folders.md", "docs/dark-matter.md"]
)
def test_links_lead_somewhere(repository, page):
    path = repository / page
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target
