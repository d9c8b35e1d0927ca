"""The explorer in headless Chromium, as a reader meets it: load, move, read, refuse, download, look."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zprime_recast.limits.analyses import load_analyses
from zprime_recast.model.card import load_model
from zprime_recast.model.widths import decay_widths

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="no Chromium with its driver found: apt-get install chromium chromium-driver",
    ),
]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1440,1100"
)

POINT = ("-a", "atlas-139fb-dilepton", "--mass", "2500", "--coupling", "0.03")
REPOSITORY = Path(__file__).resolve().parents[1]


class Reader:
    """What a reader does with a page."""

    def __init__(self, driver, downloads):
        self.driver, self.downloads = driver, downloads

    def find(self, css):
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.CSS_SELECTOR, css)

    def text(self, name):
        return self.find(f".zr-{name}").text

    def until(self, holds, seconds=60):
        """Wait until something holds; the seconds it took."""
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException

        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            try:
                if holds():
                    return time.perf_counter() - began
            except (NoSuchElementException, StaleElementReferenceException):
                pass
            time.sleep(0.02)
        self.driver.save_screenshot(str(self.downloads / "failed.png"))
        raise AssertionError(f"not within {seconds} s; status {self.text('status')!r}, see {self.downloads}/failed.png")

    def type(self, name, text):
        """Replace what a field holds."""
        from selenium.webdriver.common.keys import Keys

        field = self.find(f".zr-in-{name} input, input.zr-in-{name}")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)

    def error(self, name):
        return self.find(f".zr-in-{name} .q-field__messages").text

    def errors(self):
        return self.driver.execute_script(
            "return [...document.querySelectorAll('.q-field--error .q-field__messages')].map(e => e.innerText)"
        )

    def download(self, item, file):
        self.until(lambda: not self.driver.execute_script("return document.querySelector('.q-menu')"))
        self.find(".zr-download").click()
        self.until(lambda: self.find(f".zr-download-{item}").is_displayed())
        self.find(f".zr-download-{item}").click()
        path = self.downloads / file
        self.until(lambda: path.is_file() and path.stat().st_size)
        return path


@pytest.fixture(scope="module")
def reader(own_folders, tmp_path_factory):
    pytest.importorskip("nicegui")
    pytest.importorskip("selenium")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    home = tmp_path_factory.mktemp("explorer")
    process = subprocess.Popen(
        [sys.executable, "-m", "zprime_recast", "explore", "elusive_bl", "--no-browser", *POINT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    line = process.stdout.readline()
    assert line.startswith("explorer at "), process.stderr.read()
    downloads = tmp_path_factory.mktemp("downloads")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.get(line.split()[2])
        found = Reader(driver, downloads)
        found.until(lambda: found.text("cls-observed"))
        yield found
        assert list(home.iterdir()) == []
    finally:
        driver.quit()
        process.kill()
        process.communicate()


def test_first_page(reader):
    """The numbers of the library; nothing is fetched from elsewhere; the console has no error."""
    widths = decay_widths(load_model("elusive_bl"), 2500.0, 0.03)
    assert reader.text("gamma") == f"{float(widths.total_gev):.4g}"
    assert reader.text("br") == f"{float(widths.branching_ratios['e']):.4g}"
    assert "omega" in reader.text("decays")
    reader.until(lambda: reader.find(".zr-spectrum .main-svg").is_displayed())
    own = reader.driver.current_url.split("?")[0]
    names = reader.driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert len(names) > 5
    assert [n for n in names if not n.startswith((own, own.replace("http", "ws"), "data:", "blob:"))] == []
    assert [entry for entry in reader.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_slider_changes_the_numbers(reader):
    """Prints the seconds between key and new number; nothing depends on them."""
    from selenium.webdriver.common.keys import Keys

    from zprime_recast.explore.card import load_card
    from zprime_recast.explore.point import Bench, Settings, State

    slider = reader.find(".zr-in-mass-slider [tabindex]")
    taken = []
    for _ in range(6):
        before = reader.text("cls-observed")
        slider.send_keys(Keys.ARROW_RIGHT)
        taken.append(reader.until(lambda before=before: reader.text("cls-observed") != before))
    print("seconds from key to number:", " ".join(f"{t:.3f}" for t in sorted(taken)), reader.text("status"))
    mass = float(reader.find("input.zr-in-mass, .zr-in-mass input").get_attribute("value"))
    assert mass > 2500
    settings = Settings(("atlas-139fb-dilepton",), "CT18NNLO", "nnlo")
    result = Bench().evaluate(State(load_card("elusive_bl"), mass, 0.03, settings, {}))
    assert reader.text("cls-observed") == f"{result.cls_observed:.4g}"
    assert f"--mass {mass:g} " in reader.text("command")


def test_wrong_input_is_refused_in_place(reader):
    before = reader.text("cls-observed")
    reader.type("coupling", "abc")
    reader.until(lambda: "coupling must be a number" in " ".join(reader.errors()))
    reader.type("mass", "90000")
    reader.until(lambda: len(reader.errors()) == 2)
    assert any("250" in text for text in reader.errors())
    assert reader.text("cls-observed") == before
    assert "last valid point" in reader.text("status")
    reader.type("mass", "2600")
    reader.until(lambda: len(reader.errors()) == 1)
    reader.type("coupling", "0.04")
    reader.until(lambda: not reader.errors() and reader.text("cls-observed") != before)


def test_a_charge_changes_the_widths_and_the_card(reader):
    """A quark charge of 1/2: the downloaded card has the branching ratios of the page."""
    from selenium.webdriver.common.by import By

    header = reader.driver.find_elements(By.XPATH, "//*[contains(@class, 'q-item')][.//*[text()='Charges']]")[0]
    header.click()
    reader.until(
        lambda: reader.find("input.zr-in-charge-charges-q_left, .zr-in-charge-charges-q_left input").is_displayed()
    )
    before = reader.text("br")
    reader.type("charge-charges-q_left", "1/")
    reader.until(lambda: any("charges.q_left" in text for text in reader.errors()))
    assert reader.text("br") == before
    reader.type("charge-charges-q_left", "1/2")
    reader.until(lambda: reader.text("br") != before)
    assert reader.errors() == []
    card = reader.download("card-toml", "elusive_bl_edited.toml")
    widths = decay_widths(load_model(card), 2600.0, 0.04)
    assert reader.text("br") == f"{float(widths.branching_ratios['e']):.4g}"


def test_downloads(reader):
    values = json.loads(reader.download("point-json", "point.json").read_text())
    assert values["mass_gev"] == 2600
    assert f"{values['cls_observed']:.4g}" == reader.text("cls-observed")
    reader.until(
        lambda: "so far" not in reader.text("contour-status") or "0 masses" not in reader.text("contour-status"), 300
    )
    contour = json.loads(reader.download("contour-json", "contour.json").read_text())
    assert contour["provenance"]["model_digest"] == values["provenance"]["model_digest"]
    assert len(contour["mass_gev"]) >= 4
    assert reader.download("contour-pdf", "contour.pdf").read_bytes().startswith(b"%PDF")
    assert reader.download("spectrum-png", "spectrum.png").read_bytes().startswith(b"\x89PNG")
    print("downloads in", reader.downloads)


def test_another_order(reader):
    """Searches are prepared again; the leading order has a K factor of 1."""
    from selenium.webdriver.common.by import By

    reader.find("label.zr-in-order, .zr-in-order").click()
    option = "//*[contains(@class, 'q-menu')]//*[text()='lo']"
    reader.until(lambda: reader.driver.find_elements(By.XPATH, option))
    reader.driver.find_elements(By.XPATH, option)[0].click()
    reader.until(lambda: "--order lo" in reader.text("command"), 120)
    point = reader.downloads / "point.json"
    point.unlink()
    values = json.loads(reader.download("point-json", "point.json").read_text())
    assert values["k_factor"] == 1
    assert values["provenance"]["order"] == "lo"
    assert load_analyses(["atlas-139fb-dilepton"], order="lo")[0].lumi.order == "lo"


def test_screenshot(reader):
    """Both figures are drawn; the picture is kept for a look."""
    path = reader.downloads / "explorer.png"
    reader.driver.save_screenshot(str(path))
    assert path.stat().st_size > 30_000
    for name in ("spectrum", "contour"):
        assert len(reader.driver.execute_script(f"return document.querySelectorAll('.zr-{name} .scatterlayer .trace')"))
    print("screenshot", path)
