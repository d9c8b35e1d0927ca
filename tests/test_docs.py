"""What README and docs show runs as written; the site builds without a warning and leads nowhere it does not exist."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from run_page import blocks

import zprime_recast
from zprime_recast.model.card import load_model
from zprime_recast.model.zprime import anomaly_sums

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if not {"generated", "_build", "notebooks", "examples"} & set(p.parts))
RUN = [ROOT / "README.md", *PAGES]
#: Pages without markers whose blocks take more than a few seconds.
SLOW_PAGES = {"README.md"}


def runnable(page, slow):
    """Does a run of the page, fast or slow, do something the other does not?"""
    runs = [b for b in blocks(page.read_text()) if b.kind in ("sh", "python")]
    if page.name in SLOW_PAGES or any(b.slow for b in runs):
        fast = page.name not in SLOW_PAGES and not runs[0].slow
        return slow or fast
    return bool(runs) and not slow


def environment(tmp_path):
    """A shell in which the command of this checkout is the one that is found."""
    command = tmp_path / "bin" / "zprime-recast"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zprime_recast "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}


def load_analyses(page, folder):
    """What a page takes as the reader's own."""
    if page.name == "model-cards.md":
        from test_ufo import write_zprime_ufo

        write_zprime_ufo(folder / "MyZprime_UFO")
        (folder / "param_card.dat").write_text("BLOCK ZPRIME\n  1  0.2\nBLOCK MASS\n  32  4000.0\n")
    elif page.name == "add-a-search.md":
        shutil.copytree(DOCS / "examples" / "toy-dimuon", folder / "toy-dimuon")
        shutil.copy(folder / "toy-dimuon" / "hepdata_spectrum.yaml", folder)
    elif page.name == "scans.md":
        import pandas

        points = pandas.DataFrame({"mass_gev": [1500.0, 3000.0], "coupling": [0.02, 0.05]})
        points.to_csv(folder / "points.csv", index=False)
        points.assign(model="minimal_bl").to_parquet(folder / "points.parquet")


def run_page(page, folder, env, slow):
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "run_page.py", page, *(["--slow"] if slow else [])],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture
def reader(tmp_path):
    folder = tmp_path / "reader"
    folder.mkdir()
    return folder, environment(tmp_path)


@pytest.mark.parametrize("page", [p for p in RUN if runnable(p, slow=False)], ids=lambda p: p.stem)
def test_page_runs(page, reader):
    folder, env = reader
    load_analyses(page, folder)
    assert "blocks ran" in run_page(page, folder, env, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [p for p in RUN if runnable(p, slow=True) and p.name not in ("README.md", "tutorial.md")],
    ids=lambda p: p.stem,
)
def test_slow_page_runs(page, reader):
    folder, env = reader
    load_analyses(page, folder)
    run_page(page, folder, env, slow=True)


@pytest.mark.slow
def test_readme_runs(reader, tmp_path):
    """All but its two set-up lines, which .ci/run runs (next test)."""
    folder, env = reader
    text = (ROOT / "README.md").read_text()
    for block in [b.text for b in blocks(text) if b.kind == "sh"][:2]:
        assert ".venv/bin/" in block
        text = text.replace(block, "true\n")
    page = tmp_path / "README.md"
    page.write_text(text)
    run_page(page, folder, env, slow=True)


def test_the_two_commands_of_the_readme_are_those_of_ci():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    main, tests = ([b.text.strip() for b in blocks(readme) if b.kind == "sh"])[:2]
    assert main.split(" && ")[0] == "python3 -m venv .venv"
    plain = ci.replace('"$venv/bin/', "").replace('"', "").replace(" --quiet", "")
    for command in [*main.split(" && ")[1:], *tests.split(" && ")]:
        assert command.replace(".venv/bin/", "").replace('"', "") in plain
    assert "contour elusive_bl --compare minimal_bl -o contour" in main


@pytest.mark.slow
@pytest.mark.wheel
def test_tutorial_in_a_fresh_environment(tmp_path, clean_environment):
    """To the letter, its installation included, with nothing but the source beside it."""
    (tmp_path / "zprime-recast").symlink_to(ROOT)
    home = {"ZPRIME_RECAST_CACHE": str(tmp_path / "cache"), "ZPRIME_RECAST_HOME": str(tmp_path / "home")}
    run_page(DOCS / "tutorial.md", tmp_path, {**clean_environment, **home}, slow=True)
    figure = tmp_path / "my-contour" / "contour.png"
    assert figure.stat().st_size > 20_000


def test_figures_of_the_docs_are_made(tmp_path):
    subprocess.run([sys.executable, DOCS / "figures" / "precision.py", tmp_path], check=True)
    for name in ("k_factors.png", "uncertainties.png"):
        assert (tmp_path / name).stat().st_size > 20_000


def test_the_card_of_the_docs_loads(tmp_path):
    (card,) = (b for b in blocks((DOCS / "model-cards.md").read_text()) if b.name == "mine.toml")
    (tmp_path / "mine.toml").write_text(card.text)
    model = load_model(tmp_path / "mine.toml")
    assert model.parameter("m_x") == 500.0
    assert set(anomaly_sums(model).values()) == {0}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda p: p.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text()):
        if not target.startswith("http") and "reference/generated" not in target:
            assert (page.parent / target).exists(), target


def test_modules_of_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| .+? \| (`.+?`) \| .+? \|$", text[text.index("## How it works") :], flags=re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([\w./]+)`", row)]
    assert len(named) > 30
    for name in named:
        assert importlib.util.find_spec(f"zprime_recast.{name.rstrip('/')}"), name


# ---------------------------------------------------------------------------------------------------------------
# The site


class Links(HTMLParser):
    """Addresses a page leads to or loads, and the names it can be led to."""

    def __init__(self, text):
        super().__init__()
        self.to, self.loaded, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors |= {values.get("id"), values.get("name")}
        if tag == "a" and values.get("href"):
            self.to.append(values["href"])
        elif tag in ("script", "img", "link"):
            self.loaded += [v for k in ("src", "href") if (v := values.get(k))]


def build(target):
    """The site of this checkout, from a copy of docs/ (a build writes its reference pages there); no network."""
    source = target / "docs"
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("generated", "_build", "__pycache__"))
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", source, target / "site"],
        env={
            **os.environ,
            **proxies,
            "no_proxy": "127.0.0.1,localhost",
            "PYTHONPATH": str(ROOT),
            "ZPRIME_RECAST_DOCS_NOTEBOOKS": "force",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return target / "site"


def check_site(site):
    """Every internal link and anchor exists; nothing is loaded from elsewhere; the reference is complete."""
    pages = {page: Links(page.read_text()) for page in site.rglob("*.html")}
    broken = []
    for page, links in pages.items():
        for address in {*links.to, *links.loaded}:
            if re.match(r"(https?|mailto|data):", address):
                if address in links.loaded:
                    broken.append(f"{page.name} loads {address}")
                continue
            path, _, anchor = address.partition("#")
            target = (page.parent / path.partition("?")[0]).resolve() if path else page
            if target.is_dir():
                target /= "index.html"
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].anchors):
                broken.append(f"{page.relative_to(site)}: {address}")
    assert not broken, broken[:20]
    api = "".join(page.read_text() for page in (site / "reference" / "generated" / "api").glob("*.html"))
    names = (site / "reference" / "generated" / "api.html").read_text()
    packages = [importlib.import_module(f"zprime_recast.{name}") for name in zprime_recast._PACKAGES]
    for package in [zprime_recast, *(one for one in packages if hasattr(one, "__all__"))]:
        for name in package._NAMES:
            origin = f"{getattr(package, name).__module__}.{name}"
            assert f'id="{origin}"' in api, name
            assert f'.html#{origin}"' in names, name
    command_line = (site / "reference" / "generated" / "cli.html").read_text()
    for command in ("contour", "generic-limit", "pdf install", "model from-ufo", "relic"):
        assert f"zprime-recast {command}" in command_line


@pytest.mark.slow
def test_site_builds_and_its_notebooks_run(tmp_path):
    """Without a warning; the build stops at an exception in a notebook."""
    site = build(tmp_path)
    check_site(site)
    pages = sorted((site / "notebooks").glob("*.html"))
    assert len(pages) >= 3
    for page in pages:
        assert "cell_output" in page.read_text(), page.name
