"""The page: fields on the left, results on the right. ``point`` computes the results; the page only shows them.

A field with an invalid value shows the error and keeps the typed text; the results stay those of the last valid point.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from nicegui import background_tasks, ui

from ..errors import ZprimeError
from ..io.json import json_text
from ..model.zprime import GAMMA_EXTRA, QCD_WIDTHS, RUNNING_WIDTH, perturbative_coupling
from ..partons.n3lo import ORDERS
from .contours import Contours, Key
from .figures import contour_figure, contour_file, plain, spectrum_figure, spectrum_file
from .point import Bench, PointResult, State, point_json

_SWITCHES = (QCD_WIDTHS, RUNNING_WIDTH)
#: Seconds without a change before a contour is started.
_QUIET_S = 0.6
#: Seconds by which the new numbers are sent ahead of the figures, which take the browser longer.
_NUMBERS_FIRST_S = 0.03
_CSS = """
body { background: #f4f6f8; }
.zr-side { width: 330px; flex: none; }
.zr-card { border-radius: 8px; box-shadow: 0 1px 3px rgba(0,0,0,.12); background: white; padding: 14px 16px; }
.zr-title { font-weight: 600; color: #334155; font-size: .95rem; }
.zr-value { font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.zr-note { color: #64748b; font-size: .78rem; }
.zr-small .q-field__bottom { padding-top: 2px; }
"""


class Page:
    """One open page, with its own state."""

    def __init__(self, state: State, bench: Bench, contours: Contours, choices: dict[str, list[str]]) -> None:
        self.bench, self.contours, self.choices = bench, contours, choices
        self.state, self.result = state, bench.evaluate(state)
        self.inputs: dict[str, Any] = {}
        self.sliders: dict[str, tuple[Any, Callable[[float], float]]] = {}
        self.pending: dict[str, Any] = {}
        self.busy = False
        self.updating = False
        self.channel = 0
        self.last_change = 0.0
        self.shown: tuple[Key, int] | None = None
        ui.add_css(_CSS)
        ui.colors(primary="#1f4e9c")
        with ui.row().classes("w-full no-wrap items-start gap-4"):
            with ui.column().classes("zr-side gap-3 zr-small"):
                self.fields()
            with ui.column().classes("grow gap-3 min-w-0"):
                self.results()
        self.show()
        self.draw()
        ui.timer(0.3, self.watch_contour)

    # -----------------------------------------------------------------------------------------------------------
    # Fields

    @ui.refreshable_method
    def fields(self) -> None:
        """Build all fields from the state."""
        self.inputs.clear()
        self.sliders.clear()
        state, model = self.state, self.state.model
        with ui.column().classes("zr-card w-full gap-1"):
            ui.label(model.title).classes("zr-title")
            ui.label(model.reference).classes("zr-note")
            self._downloads()
        with ui.column().classes("zr-card w-full gap-0"):
            low, high = self.bench.prepared(state.settings).mass_range_gev
            self._number("mass", "mass of the Z' (GeV)", state.mass_gev, low, high, 5.0)
            top = 1.2 * perturbative_coupling(model)
            self._number("coupling", "coupling g", state.coupling, top * 1e-4, top, 0.002, logarithmic=True)
            for name, parameter in model.parameters.items():
                if name in _SWITCHES:
                    continue
                size, low = abs(parameter.value), 0.0
                top = 4 * size if size else (500.0 if name == GAMMA_EXTRA else 1000.0)
                if name in model.charge_parameters:
                    span = 4 * size if size else 2.0
                    low, top = max(parameter.low, -span), min(parameter.high, span)
                label = f"{name} (GeV)" if "GeV" in parameter.doc else name
                self._number(
                    f"parameter:{name}", label, parameter.value, low, top, (top - low) / 1000, tip=parameter.doc
                )
            for name in _SWITCHES:
                doc = {QCD_WIDTHS: "QCD correction of the quark widths", RUNNING_WIDTH: "width grows with s"}[name]
                on = bool(model.parameters[name].value)
                self._switch(f"parameter:{name}", doc, on)
        with ui.column().classes("zr-card w-full gap-1"):
            s = state.settings
            self._select("analyses", "analyses", self.choices["analyses"], list(s.analyses), multiple=True)
            self._select("pdf", "PDF set", self.choices["pdfs"], s.pdf_set)
            self._select("order", "order in QCD", list(ORDERS), s.order)
            self._switch("interference", "interference with photon and Z", s.interference)
            self._switch("theory", "PDF and scale uncertainty", s.theory)
        with ui.expansion("Charges").classes("zr-card w-full").props("dense") as box:
            box.value = state.card.edited
            with ui.grid(columns=2).classes("w-full gap-x-3 gap-y-0"):
                for path, text in state.card.charges().items():
                    label = path.removeprefix("charges.").removeprefix("dark.").replace("charges_", "")
                    self._text(f"charge:{path}", label, text)
        with ui.expansion("The card").classes("zr-card w-full").props("dense"):
            area = ui.textarea(value=state.card.text()).props(
                "outlined dense autogrow input-style='font: 12px monospace'"
            )
            self.inputs["card"] = area.classes("w-full zr-in-card")
            apply = ui.button("Apply", on_click=lambda: self.change("card", area.value)).props("dense flat no-caps")
            apply.classes("zr-apply")

    def _number(
        self,
        name: str,
        label: str,
        value: float,
        low: float,
        high: float,
        step: float,
        logarithmic: bool = False,
        tip: str = "",
    ) -> None:
        to_slider: Callable[[float], float] = (lambda v: float(np.log10(max(v, 1e-30)))) if logarithmic else float
        made = self._text(f"{name}", label, _digits(value))
        if tip:
            made.tooltip(tip)
        slider = ui.slider(min=to_slider(low), max=to_slider(high), step=step, value=to_slider(value))

        def moved() -> None:
            if not self.updating:
                number = float(f"{10**slider.value:.4g}") if logarithmic else slider.value
                self.change(name, number)

        slider.on_value_change(moved)
        slider.classes(f"{_css(name)}-slider").props("dense")
        self.sliders[name] = slider, to_slider

    def _text(self, name: str, label: str, value: str) -> Any:
        made = ui.input(label, value=value, on_change=lambda e: None if self.updating else self.change(name, e.value))
        made.props("dense debounce=250 spellcheck=false").classes(f"w-full {_css(name)}")
        made.error = None
        self.inputs[name] = made
        return made

    def _switch(self, name: str, label: str, value: bool) -> None:
        made = ui.switch(label, value=value, on_change=lambda e: None if self.updating else self.change(name, e.value))
        self.inputs[name] = made.props("dense").classes(f"{_css(name)} q-my-xs")

    def _select(self, name: str, label: str, options: list[str], value: Any, multiple: bool = False) -> None:
        made = ui.select(options, label=label, value=value, multiple=multiple, validation=lambda _: None)
        made.on_value_change(lambda e: None if self.updating else self.change(name, e.value))
        self.inputs[name] = made.props("dense options-dense").classes(f"w-full {_css(name)}")

    # -----------------------------------------------------------------------------------------------------------
    # Changes

    def change(self, name: str, value: Any) -> None:
        """Queue a change of a field; only the newest change of each field counts."""
        self.pending.pop(name, None)
        self.pending[name] = value
        if not self.busy:
            self.busy = True
            background_tasks.create(self._work())

    async def _work(self) -> None:
        try:
            while self.pending:
                name = next(iter(self.pending))
                await self._take(name, self.pending.pop(name))
        finally:
            self.busy = False

    async def _take(self, name: str, value: Any) -> None:
        began = time.perf_counter()
        try:
            state = self.state.changed(name, value)
            if not self.bench.is_ready(state.settings):
                self.status.text = "preparing the searches ..."
            result = await asyncio.to_thread(self.bench.evaluate, state)
        except (ZprimeError, ArithmeticError) as err:
            self._refuse(name, str(err))
            return
        same_card, same_range = state.card == self.state.card, state.settings.analyses == self.state.settings.analyses
        self.state, self.result, self.last_change = state, result, time.monotonic()
        if name == "card" or not same_range:
            self.fields.refresh()
        else:
            self._synchronise(name, update_card=not same_card)
        self.show()
        self.status.text = f"answered in {1000 * (time.perf_counter() - began):.0f} ms"
        await asyncio.sleep(_NUMBERS_FIRST_S)
        if not self.pending:
            self.draw()

    def _refuse(self, name: str, message: str) -> None:
        element = self.inputs[name]
        if hasattr(element, "error"):
            element.error = message
        else:  # a switch has no room for an error: switch it back
            ui.notify(message, type="negative")
            self._set(element, not element.value)
        self.status.text = "not accepted: the results are those of the last valid point"

    def _synchronise(self, name: str, update_card: bool) -> None:
        """Show the new value in the field and its slider, and clear the error."""
        element = self.inputs[name]
        if hasattr(element, "error"):
            element.error = None
        if name in self.sliders:
            kind = name.partition(":")[2]
            values = {"mass": self.state.mass_gev, "coupling": self.state.coupling}
            value = values[name] if name in values else self.state.model.parameter(kind)
            slider, to_slider = self.sliders[name]
            if _number(element.value) != value:
                self._set(element, _digits(value))
            if abs(slider.value - to_slider(value)) > 1e-3 * abs(slider.value) + 1e-9:
                self._set(slider, to_slider(value))
        if update_card:
            self._set(self.inputs["card"], self.state.card.text())

    def _set(self, element: Any, value: Any) -> None:
        self.updating = True
        try:
            element.value = value
        finally:
            self.updating = False

    # -----------------------------------------------------------------------------------------------------------
    # Results

    def results(self) -> None:
        """Build the right side of the page; :meth:`show` fills it in."""
        with ui.row().classes("zr-card w-full items-start gap-x-6 gap-y-2"):
            self.verdict = ui.label().classes("zr-value zr-verdict")
            self.values = {
                name: _value(label, name)
                for name, label in (
                    ("cls-observed", "CLs observed"),
                    ("cls-expected", "CLs expected"),
                    ("gamma", "width (GeV)"),
                    ("gamma-over-m", "width / mass"),
                    ("sigma", "σ × BR(ee) (fb)"),
                    ("br", "BR(ee)"),
                )
            }
        with ui.row().classes("w-full no-wrap gap-3"):
            with ui.column().classes("zr-card grow min-w-0 gap-1").style("width: 50%"):
                with ui.row().classes("w-full items-center no-wrap"):
                    ui.label("Dilepton spectrum").classes("zr-title")
                    ui.space()
                    self.channels = ui.select({0: ""}, value=0).props("dense borderless options-dense")
                    self.channels.classes("zr-channel")
                    self.channels.on_value_change(lambda e: self._choose_channel(e.value))
                self.spectrum = (
                    ui.plotly({"data": [], "layout": {}}).classes("w-full zr-spectrum").style("height: 380px")
                )
            with ui.column().classes("zr-card grow min-w-0 gap-1").style("width: 50%"):
                with ui.row().classes("w-full items-center no-wrap"):
                    ui.label("Excluded couplings").classes("zr-title")
                    ui.space()
                    self.contour_status = ui.label().classes("zr-note zr-contour-status")
                self.contour = _plot("zr-contour")
        with ui.row().classes("w-full no-wrap gap-3 items-start"):
            with ui.column().classes("zr-card gap-1").style("width: 50%"):
                ui.label("Decays").classes("zr-title")
                columns = [
                    {"name": "name", "label": "to", "field": "name", "align": "left"},
                    {"name": "width", "label": "width (GeV)", "field": "width"},
                    {"name": "ratio", "label": "branching ratio", "field": "ratio"},
                ]
                self.decays = ui.table(columns=columns, rows=[], row_key="name").classes("w-full zr-decays")
                self.decays.props("dense flat")
            with ui.column().classes("zr-card gap-2 grow min-w-0").style("width: 50%"):
                ui.label("Command for this point").classes("zr-title")
                self.command = ui.label().classes("zr-command").style("font: 12px monospace; overflow-wrap: anywhere")
                self.warnings = ui.label().classes("zr-note zr-warnings").style("white-space: pre-line; color: #9a6700")
                self.status = ui.label().classes("zr-note zr-status")

    def show(self) -> None:
        """Show the numbers of the result."""
        r, widths = self.result, self.result.sigma.widths
        self.verdict.text = "excluded at 95% CL" if r.excluded else "not excluded"
        self.verdict.style(f"color: {'#b22222' if r.excluded else '#15803d'}")
        ratios = {name: float(ratio) for name, ratio in widths.branching_ratios.items()}
        gamma = float(widths.total_gev)
        expected = ", ".join(f"{v:.2g}" for v in r.cls_expected)
        shown = {
            "cls-observed": (f"{r.cls_observed:.4g}", "excluded: < 0.05"),
            "cls-expected": (f"{r.cls_expected[2]:.4g}", f"-2..+2σ: {expected}"),
            "gamma": (f"{gamma:.4g}", ""),
            "gamma-over-m": (f"{gamma / r.state.mass_gev:.3g}", ""),
            "sigma": (f"{r.sigma.sigma_br_fb:.4g}", _uncertainty(r)),
            "br": (f"{ratios['e']:.4g}", ""),
        }
        for name, (text, note) in shown.items():
            self.values[name][0].text, self.values[name][1].text = text, note
        self.decays.rows = _decay_rows(r)
        self.command.text = r.state.command()
        self.warnings.text = "\n".join(f"⚠ {text}" for text in r.warnings)
        names = {i: f"{plain(s.label)}, {s.channel}" for i, s in enumerate(r.spectra)}
        if self.channels.options != names:
            self.channel = min(self.channel, len(names) - 1)
            self.channels.set_options(names, value=self.channel)

    def draw(self) -> None:
        """Draw both figures."""
        self._show_spectrum()
        self._show_contour()

    def _choose_channel(self, index: int) -> None:
        self.channel = index
        self._show_spectrum()

    def _show_spectrum(self) -> None:
        self.spectrum.update_figure(spectrum_figure(self.result.spectra[self.channel], self.state.mass_gev))

    def _show_contour(self) -> None:
        key = self.contours.key(self.state.model, self.state.settings)
        known = self.contours.progress(key)
        self.contour.update_figure(contour_figure(self.result, known.contour))
        done = 0 if known.contour is None else len(known.contour.mass_gev)
        self.contour_status.text = known.error or ("complete" if known.complete else f"computing, {done} masses so far")
        self.shown = key, done if not known.complete else -1

    def watch_contour(self) -> None:
        """Request the contour once the fields have not changed for a while, and show its progress."""
        key = self.contours.key(self.state.model, self.state.settings)
        known = self.contours.progress(key)
        if not known.complete and not self.busy and time.monotonic() - self.last_change > _QUIET_S:
            self.contours.want(self.state.model, self.state.settings)
        done = -1 if known.complete else 0 if known.contour is None else len(known.contour.mass_gev)
        if self.shown != (key, done):
            self._show_contour()

    # -----------------------------------------------------------------------------------------------------------
    # Downloads

    def _downloads(self) -> None:
        with (
            ui.button("Download", icon="download").props("no-caps outline dense").classes("q-px-sm zr-download"),
            ui.menu(),
        ):
            for label, made in (
                ("Point (JSON)", self._point_file),
                ("Card (TOML)", self._card_file),
                ("Contour (PDF)", lambda: self._contour_figure("pdf")),
                ("Contour (PNG)", lambda: self._contour_figure("png")),
                ("Contour (JSON)", self._contour_values),
                ("Spectrum (PDF)", lambda: self._spectrum_figure("pdf")),
                ("Spectrum (PNG)", lambda: self._spectrum_figure("png")),
            ):
                name = label.lower().replace(" ", "-").translate(str.maketrans("", "", "()"))
                ui.menu_item(label, made).classes(f"zr-download-{name}")

    def _point_file(self) -> None:
        text = json_text(point_json(self.result), indent=1) + "\n"
        ui.download.content(text, "point.json", "application/json")

    def _card_file(self) -> None:
        comments = (f"made with: {self.state.command()}",)
        name = f"{self.state.model.id}.toml"
        ui.download.content(self.state.card.text(comments), name, "application/toml")

    def _contour_now(self) -> Any:
        contour = self.contours.progress(self.contours.key(self.state.model, self.state.settings)).contour
        if contour is None:
            ui.notify("the contour is still being computed", type="warning")
        return contour

    def _contour_values(self) -> None:
        if (contour := self._contour_now()) is not None:
            text = json_text(contour.to_dict(), indent=1) + "\n"
            ui.download.content(text, "contour.json", "application/json")

    async def _contour_figure(self, suffix: str) -> None:
        if (contour := self._contour_now()) is not None:
            content = await asyncio.to_thread(_drawn, lambda: contour_file(self.result, contour), suffix)
            ui.download.content(content, f"contour.{suffix}")

    async def _spectrum_figure(self, suffix: str) -> None:
        content = await asyncio.to_thread(_drawn, lambda: spectrum_file(self.result, self.channel), suffix)
        ui.download.content(content, f"spectrum.{suffix}")


def _drawn(make: Callable[[], Any], suffix: str) -> bytes:
    target = io.BytesIO()
    make().savefig(target, format=suffix, dpi=200)
    return target.getvalue()


def _plot(name: str) -> Any:
    return ui.plotly({"data": [], "layout": {}}).classes(f"w-full {name}").style("height: 380px")


def _value(label: str, name: str) -> tuple[Any, Any]:
    with ui.column().classes("gap-0"):
        ui.label(label).classes("zr-note")
        value = ui.label().classes(f"zr-value zr-{name}")
        note = ui.label().classes("zr-note")
    return value, note


def _uncertainty(result: PointResult) -> str:
    s = result.sigma
    parts = []
    if s.pdf_up_fb is not None and s.pdf_down_fb is not None and s.sigma_br_fb > 0:
        parts.append(f"PDF +{s.pdf_up_fb / s.sigma_br_fb:.1%} -{s.pdf_down_fb / s.sigma_br_fb:.1%}")
    if s.scale_up_fb is not None and s.scale_down_fb is not None and s.sigma_br_fb > 0:
        parts.append(f"scale +{s.scale_up_fb / s.sigma_br_fb:.1%} -{s.scale_down_fb / s.sigma_br_fb:.1%}")
    return ", ".join(parts)


def _decay_rows(result: PointResult) -> list[dict[str, str]]:
    widths = result.sigma.widths
    ratios = widths.branching_ratios
    names = [name for name in widths.partial_gev if float(widths.partial_gev[name]) > 0]
    names.sort(key=lambda name: -float(ratios[name]))
    return [
        {"name": name, "width": f"{float(widths.partial_gev[name]):.4g}", "ratio": f"{float(ratios[name]):.4%}"}
        for name in names
    ]


def _digits(value: float) -> str:
    return f"{value:.6g}"


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _css(name: str) -> str:
    return "zr-in-" + name.replace(":", "-").replace(".", "-")
