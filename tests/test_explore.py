"""The explorer without a browser: the numbers of a point, refused values, edited cards, the port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from fractions import Fraction

import numpy as np
import pytest

from zprime_recast.errors import CardError, InputError, PDFError, RangeError, UnknownName, ZprimeError
from zprime_recast.explore.card import load_card
from zprime_recast.explore.contours import AT_ONCE, Contours, in_turns
from zprime_recast.explore.figures import contour_figure, poisson_errors, spectrum_figure
from zprime_recast.explore.point import Bench, Settings, State, point_json
from zprime_recast.explore.server import HOST, listening_socket
from zprime_recast.explore.start import usable_analyses
from zprime_recast.limits.contour import assembled, contour_task, solve
from zprime_recast.limits.hypothesis import cls, limit
from zprime_recast.limits.mass_grid import Segment, default_masses
from zprime_recast.limits.method import Method
from zprime_recast.model.card import list_models, load_model
from zprime_recast.model.widths import decay_widths
from zprime_recast.process.cross_section import cross_section
from zprime_recast.signal.reference import signal_template

ATLAS = Settings(("atlas-139fb-dilepton",), "CT18NNLO", "nnlo")


@pytest.fixture(scope="module")
def bench(own_folders):
    return Bench()


@pytest.fixture(scope="module")
def state(own_folders):
    return State(load_card("elusive_bl"), 2500.0, 0.03, ATLAS, {})


def test_numbers_are_those_of_the_library(bench, state, searches):
    """Widths and cross-section identical; CLs, fitted by pyhf there, to 5e-5 (seen 5e-6); events to 1e-5 of the
    largest bin.
    """
    state = state.changed("parameter:m_chi", "1000").changed("coupling", 0.05)
    result = bench.evaluate(state)
    values = point_json(result)
    model = load_model("elusive_bl").with_parameters(m_chi=1000.0)
    widths = decay_widths(model, 2500.0, 0.05)
    assert values["gamma_gev"] == float(widths.total_gev)
    assert values["branching_ratios"] == {name: float(b) for name, b in widths.branching_ratios.items()}
    assert values["sigma_br_fb"] == cross_section(model, 2500.0, 0.05, searches[0].lumi).sigma_br_fb
    expected = cls(model, 2500.0, 0.05, searches)
    assert values["cls_observed"] == pytest.approx(expected.cls_observed, abs=5e-5)
    assert values["cls_expected"] == pytest.approx(list(expected.cls_expected), abs=5e-5)
    assert values["excluded"] == expected.excluded
    yields = signal_template(searches[0], model, 2500.0, 0.05).yields
    for spectrum in result.spectra:
        exact = yields[spectrum.channel]
        np.testing.assert_allclose(spectrum.signal, exact, atol=1e-5 * np.abs(exact).max())
    json.dumps(values, allow_nan=False)


def test_the_command_shown_gives_the_same(bench, state, capsys):
    from zprime_recast.cli._shared import app

    state = state.changed("parameter:m_n", 2000).changed("interference", False)
    words = state.command().split()
    assert words[:3] == ["zprime-recast", "cls", "elusive_bl"]
    assert words[-1] == "--no-interference"
    point = words[3 : words.index("--analysis")]
    app(["widths", "elusive_bl", *point, "--json"], standalone_mode=False)
    printed = json.loads(capsys.readouterr().out)
    assert printed["gamma_gev"] == point_json(bench.evaluate(state))["gamma_gev"]


@pytest.mark.parametrize(
    ("field", "value", "error", "part"),
    [
        ("mass", "abc", InputError, "mass must be a number"),
        ("mass", "nan", InputError, "finite"),
        ("mass", "-3", InputError, "> 0"),
        ("mass", "9000", RangeError, "250 to 6000"),
        ("coupling", "", InputError, "coupling must be a number"),
        ("coupling", "0", InputError, "> 0"),
        ("coupling", "40", InputError, "Gamma/M"),
        ("parameter:m_chi", "-1", InputError, "m_chi must be >= 0"),
        ("parameter:m_x", "1", UnknownName, "m_x"),
        ("parameter:qcd_widths", "2", InputError, "switch"),
        ("charge:charges.q_left", "1/0", CardError, "charges.q_left"),
        ("charge:charges.q_left", "sw2", CardError, "without sw2"),
        ("charge:charges.x_left", "1", UnknownName, "x_left"),
        ("charge:dark.omega.q_left", "one", CardError, "q_left"),
        ("card", "[[", CardError, "broken TOML"),
        ("card", "schema = 1", CardError, "kind"),
        ("pdf", "NoSuchSet", (UnknownName, PDFError), "NoSuchSet"),
        ("order", "n4lo", InputError, "n3lo"),
        ("analyses", [], InputError, "at least one"),
        ("analyses", ["nowhere"], UnknownName, "nowhere"),
        ("spin", 1, UnknownName, "spin"),
    ],
)
def test_refused(bench, state, field, value, error, part):
    """Nothing is lost: the state before still gives its results."""
    with pytest.raises(error) as caught:
        bench.evaluate(state.changed(field, value))
    assert isinstance(caught.value, ZprimeError)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert bench.evaluate(state).cls_observed == bench.evaluate(state).cls_observed


def test_limit_curves_are_not_offered(own_folders):
    offered = usable_analyses(ATLAS.analyses)
    assert offered[0] == "atlas-139fb-dilepton"
    assert "atlas-36fb-dilepton" not in offered


@pytest.mark.parametrize("name", list_models())
def test_card_text_makes_the_same_model(own_folders, name, tmp_path):
    card = load_card(name)
    path = tmp_path / f"{name}.toml"
    path.write_text(card.text(("a comment",)))
    assert load_model(path).digest() == load_model(name).digest() == card.model.digest()
    again = card.with_text(card.text())
    assert again.model.digest() == card.model.digest()
    assert again.model.id == f"{name}_edited"


def test_an_edited_charge_is_that_of_a_card(own_folders, tmp_path):
    """The downloaded card gives the edited model; B-L charges scaled by 2 have widths 4 times as large."""
    card = load_card("minimal_bl")
    for path, text in card.charges().items():
        card = card.with_charge(path, str(2 * Fraction(text)))
    file = tmp_path / card.name
    file.write_text(card.text())
    assert load_model(file).digest() == card.model.digest()
    ratio = (
        decay_widths(card.model, 3000.0, 0.1).total_gev / decay_widths(load_model("minimal_bl"), 3000.0, 0.1).total_gev
    )
    assert ratio == pytest.approx(4, rel=1e-12)


def test_figures_hold_the_point(bench, state):
    result = bench.evaluate(state)
    drawn = contour_figure(result, None)
    assert drawn["data"][-1]["x"] == [2.5]
    assert drawn["data"][-1]["y"] == [0.03]
    spectrum = spectrum_figure(result.spectra[0], 2500.0)
    assert sum(spectrum["data"][2]["y"]) == result.spectra[0].n_obs.sum()
    json.dumps([drawn, spectrum], allow_nan=False)


def test_poisson_intervals():
    """Garwood's central intervals: 0 to 1.84 for n = 0, 0.17 to 3.30 for n = 1 (Gehrels, ApJ 303 (1986) 336)."""
    down, up = poisson_errors(np.array([0.0, 1.0]))
    np.testing.assert_allclose(up, [1.841, 2.2995], atol=1e-3)
    np.testing.assert_allclose(down, [0.0, 0.8272], atol=1e-3)


def test_turns_cover_all_segments_once():
    turns = in_turns(range(41))
    assert turns[0] == [0, 8, 16, 24, 32, 40]
    assert sorted(i for turn in turns for i in turn) == list(range(41))
    assert max(len(turn) for turn in turns) == AT_ONCE
    assert in_turns([7, 8]) == [[7, 8]]
    assert in_turns([]) == []


@pytest.mark.slow
def test_contour_is_that_of_limit(bench, state, searches):
    """Through its process, at all masses of the default grid and more; some of them against ``limit`` with toys."""
    contours = Contours()
    try:
        key = contours.want(state.model, state.settings)
        until = time.monotonic() + 500
        while not contours.progress(key).complete and time.monotonic() < until:
            time.sleep(0.2)
        found = contours.progress(key)
        assert found.complete
        assert found.error == ""
    finally:
        contours.close()
    assert set(default_masses(searches)) <= set(found.contour.mass_gev)
    for i in (20, 150, 300):
        one = limit(state.model, found.contour.mass_gev[i], searches)
        assert found.contour.coupling_95_observed[i] == pytest.approx(one.coupling_95_observed, rel=0.02)
        assert found.contour.coupling_95_expected[i, 2] == pytest.approx(one.coupling_95_expected[2], rel=0.03)


def test_segments_are_assembled_in_any_order(state, searches):
    """Three segments: their masses ascend, and what is missing between them is not needed."""
    task = contour_task(state.model, False, searches, Method(calculator="asymptotic"))
    parts = [solve(task, Segment(np.array([mass]))) for mass in (4000.0, 2000.0, 3000.0)]
    whole = assembled(task, parts, True)
    assert whole.mass_gev.tolist() == [2000, 3000, 4000]
    assert (np.diff(whole.coupling_95_observed) > 0).all()
    assert whole.coupling_95_expected.shape == (3, 5)
    assert len(assembled(task, [], False).mass_gev) == 0


def test_port_in_use_and_out_of_range():
    with listening_socket() as taken:
        address, port = taken.getsockname()
        assert address == HOST == "127.0.0.1"
        with pytest.raises(InputError, match=f"port {port} is in use; choose another --port"):
            listening_socket(port)
    with pytest.raises(InputError, match="between 0 and 65535"):
        listening_socket(70000)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["no_model"], "unknown model"),
        (["elusive_bl", "--mass", "1e9"], "outside"),
        (["elusive_bl", "--port", "-1"], "--port"),
        (["elusive_bl", "--set", "m_chi"], "NAME=VALUE"),
        (["elusive_bl", "-a", "atlas-36fb-dilepton"], "limit curve"),
    ],
)
def test_command_refuses(repository, tmp_path, arguments, part):
    pytest.importorskip("nicegui")
    done = subprocess.run(
        [sys.executable, "-m", "zprime_recast", "explore", *arguments, "--no-browser"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert part in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture
def served(repository, tmp_path):
    """The address of an explorer of its own, and its process."""
    pytest.importorskip("nicegui")
    process = subprocess.Popen(
        [sys.executable, "-m", "zprime_recast", "explore", "elusive_bl", "-a", "atlas-139fb-dilepton", "-g", "0.03"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository), "BROWSER": "no-such-browser", "PATH": "/nonexistent"},
    )
    line = process.stdout.readline()
    assert line.startswith("explorer at http://127.0.0.1:"), line + process.stderr.read()
    yield line.split()[2], process
    process.kill()
    process.communicate()


def test_served_to_this_machine_only(served, tmp_path):
    """Loopback, own address, no foreign page; a missing browser is named; Ctrl-C ends it; no file is written."""
    url, process = served
    port = urllib.parse.urlsplit(url).port
    for other in (url.split("?")[0], url[:-1] + ("A" if url[-1] != "A" else "B"), url.split("token")[0] + "token="):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(other, timeout=60)
    with urllib.request.urlopen(url, timeout=60) as answer:
        text = answer.read().decode()
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    with_cookie = urllib.request.Request(url.split("?")[0], headers={"Cookie": f"a=b; {cookie.split(';')[0]}"})
    with urllib.request.urlopen(with_cookie, timeout=60) as answer:
        assert answer.status == 200
    assert "https://" not in text.replace("https://nicegui.io", "").replace("https://quasar", "")
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in others | {"127.0.0.2"}:
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            socket.create_connection((address, port), timeout=2).close()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "explorer ended" in out
    assert f"no browser found: open {url}" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_in_a_notebook(own_folders, repository, tmp_path, monkeypatch):
    """In a kernel of Jupyter, whose event loop runs already: the page answers, an interrupt ends it with one line."""
    pytest.importorskip("nicegui")
    manager = pytest.importorskip("jupyter_client").KernelManager(kernel_name="python3")
    monkeypatch.setenv("PYTHONPATH", str(repository))
    code = "from zprime_recast.explore.start import start; "
    code += "start('ssm', 3000.0, analyses=['atlas-139fb-dilepton'], open_browser=False)"
    manager.start_kernel(cwd=str(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=120)
        said = ""

        def listen(until):
            nonlocal said
            while not until():
                message = client.get_iopub_msg(timeout=120)
                content = message["content"]
                said += content.get("text", "") + content.get("ename", "") + content.get("evalue", "")
                if (message["parent_header"].get("msg_id"), content.get("execution_state")) == (asked, "idle"):
                    return

        asked = client.execute(code)
        listen(lambda: "(Ctrl-C to stop)" in said)
        url = said.split("explorer at ")[1].split()[0]
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.status == 200
        manager.interrupt_kernel()
        listen(lambda: False)
        assert said.endswith("explorer ended\n")
        assert "Traceback" not in said
        asked = client.execute(code)
        listen(lambda: False)
        assert "the explorer runs once in a process: restart the kernel" in said
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


#: Serves a page, loads it 6 times, lets NiceGUI forget those without a browser, and prints how many are left.
LOADS = """
import builtins, gc, threading, urllib.request
from zprime_recast.explore import server, start
found, listening = [], threading.Event()
def note(text, **_):
    found.append(text.split()[2])
    listening.set()
server.print = note
settings = {"analyses": ["atlas-139fb-dilepton"], "open_browser": False}
threading.Thread(target=start.start, args=("ssm", 3000.0), kwargs=settings, daemon=True).start()
listening.wait(100)
for _ in range(6):
    urllib.request.urlopen(found[0]).read()
from nicegui import Client, core
from zprime_recast.explore.page import Page
done = threading.Event()
core.loop.call_soon_threadsafe(lambda: (Client.prune_instances(client_age_threshold=0), done.set()))
done.wait(10)
urllib.request.urlopen(found[0]).read()
gc.collect()
print(sum(isinstance(one, Page) for one in gc.get_objects()))
"""


@pytest.mark.slow
def test_closed_pages_are_freed(own_folders, repository, tmp_path):
    """One page is left of 7, that of the last load; 600 loads by hand: 354, 361, 361 MB after 200, 400, 600."""
    pytest.importorskip("nicegui")
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", LOADS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=200)
    assert done.stdout == "1\n", done.stdout + done.stderr
