"""How much of the picture is done over seconds of the model's own time, one curve a run."""

from __future__ import annotations

from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QColor

from app.core import csv_export
from app.core.formatting import seconds
from app.core.run import Run, comparable, compare
from app.ui import theme
from app.ui.widgets.card import Card, checkbox, configured, filled, label
from app.ui.widgets.curve_names import LINE, CurveName, CurveNames
from app.ui.widgets.plot import STYLES, Curve, Plot, Seconds

RACING = "The times of the race stand here once it has been played."
LEAST = 1e-3  # seconds; where a logarithmic axis begins


class Percent(pg.AxisItem):
    """An axis of shares, which end at 100 %."""

    def tickValues(self, least, most, size):
        return [(step, [v for v in values if v < 1.001]) for step, values in super().tickValues(least, most, size)]

    def tickStrings(self, values, scale, spacing):
        return [f"{100 * v:.3g} %" for v in values]


class TimingPanel(Card):
    """Curves of one run of every model and mode on one sketch, with those that are compared; colour, dash and symbol
    say which model, a hollow symbol that it is not in its usual mode. All other runs are shown on request, fainter."""

    def __init__(self) -> None:
        super().__init__("Timing", "How much of the picture is done when, by the model's own time, without painting")
        self._runs: list[Run] = []
        self._sketch: Run | None = None  # whose sketch is the one of the plot
        self._curves: dict[int, tuple[pg.PlotDataItem, pg.PlotDataItem]] = {}
        self._drawn: dict[int, tuple[object, ...]] = {}  # how a run is drawn
        self.all = checkbox("all runs", "Earlier runs and those of other sketches, too", self._redraw)
        tip = "Logarithmic time, so that 10 ms and a second are both readable"
        self.log = checkbox("log time", tip, self._set_log, on=True)
        filled(self.header, self.all, self.log)
        self.words = configured(label("", wrap=True), accessibleName="Comparison")
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.body.addWidget(self.words)
        self.plot = Plot(
            "Plot of the share of the picture that is done over seconds",
            "timing",
            {
                "": lambda: csv_export.of_runs(self._runs),
                "point by point": lambda: csv_export.of_points(self._runs),
            },
            {"bottom": Seconds("bottom"), "left": Percent("left")},
            log=(True, False),
        )
        self.plot.setLabel("left", "picture done")
        self.plot.setMinimumHeight(100)
        self.plot.keep_button()
        self._names, self._lines = CurveNames(self.plot), 1
        self.body.addWidget(self.plot, 1)
        self._waiting = False
        self.show_runs([])

    def retheme(self) -> None:
        self.plot.retheme()
        self._redraw()

    def show_runs(self, history: list[Run], sketch: Run | None = None) -> None:
        """Draw the runs anew; called when one begins or ends. sketch: a run whose sketch it is about, by default the
        last one."""
        self._runs = [run for run in history if run.points]
        self._sketch = sketch or (history[-1] if history else None)
        self._tell()
        self._draw()

    def wait_for_race(self, on: bool) -> None:
        """Compare nothing as long as a race that has been run was not seen, or do."""
        if self._waiting != on:
            self._waiting = on
            self._tell()

    def _tell(self) -> None:
        self.plot.caption = RACING if self._waiting else compare(self._of_sketch, self._name, self._each)
        self.words.setText(self.plot.caption or "Complete a sketch with two models to compare them.")

    @property
    def _of_sketch(self) -> list[Run]:
        return [run for run in self._runs if self._sketch is not None and run.prompt.same_as(self._sketch.prompt)]

    @property
    def _shown(self) -> list[Run]:
        return self._runs if self.all.isChecked() else comparable(self._of_sketch)

    @property
    def _each(self) -> bool:
        """Whether times are those of one picture, as runs have unequal numbers of them."""
        return len({run.settings.samples for run in self._shown}) > 1

    def _name(self, run: Run) -> str:
        """As in a legend; not broken at a line's end."""
        title = escape(run.title).replace(" ", "&nbsp;").replace("-", "-&#8288;")  # a word joiner
        sign = theme.sign(run.model, not run.variant)
        return f'<span style="color:{theme.now.model(run.model)}">{sign}</span>&nbsp;{title}'

    def follow(self, run: Run) -> None:
        """Draw the run under way; called while it works."""
        if not run.points:
            return
        if run not in self._runs:
            self.show_runs([*self._runs, run], run)
        self._draw()

    @Slot()
    def _redraw(self) -> None:
        self._drawn.clear()
        self._tell()
        self._draw()

    def _draw(self) -> None:
        latest, shown, each = comparable(self._of_sketch), self._shown, self._each
        for number in set(self._curves) - {run.number for run in shown}:
            self._drawn.pop(number, None)
            for item in self._curves.pop(number):
                self.plot.removeItem(item)
        for run in shown:
            self._draw_run(run, self._points(run, each), 1.0 if run in latest else 0.3)
        time = "time a picture" if each else "model's time"
        self.plot.setLabel("bottom", f"{time} (log)" if self.log.isChecked() else time)
        self._fit([self._points(run, each) for run in shown])
        lines = self._names.show([self._end(run, *self._points(run, each)[-1]) for run in latest])
        if lines != self._lines:
            self._lines = lines
            self._fit([self._points(run, each) for run in shown])
        self.plot.tell([self._curve(run, each) for run in shown])

    @staticmethod
    def _points(run: Run, each: bool) -> np.ndarray:
        """[n, 2]: seconds, and the share of the unknown pixels of all samples that is done."""
        whole = max(run.started.tokens if run.started else run.tokens, 1)
        return np.array(run.points, float) / (run.settings.samples if each else 1, whole)

    def _draw_run(self, run: Run, points: np.ndarray, strength: float) -> None:
        drawn = strength, len(points), points[-1, 0]
        if self._drawn.get(run.number) == drawn:
            return
        self._drawn[run.number] = drawn
        if run.number not in self._curves:
            self._curves[run.number] = self.plot.plot([], []), self.plot.plot([], [])
        line, end = self._curves[run.number]
        colour = QColor(theme.now.model(run.model))
        colour.setAlphaF(strength)
        style = STYLES[theme.place(run.model) % len(STYLES)]
        x, y = np.vstack([(LEAST, 0), points]).T
        x = x.clip(LEAST)
        line.setData(x, y, pen=pg.mkPen(colour, width=2 if strength == 1 else 1.2, style=style))
        end.setData(
            x[-1:],
            y[-1:],
            pen=None,
            symbol=theme.symbol(run.model),
            symbolSize=11 if strength == 1 else 7,
            symbolBrush=QColor(theme.now.card) if run.variant else colour,
            symbolPen=pg.mkPen(colour, width=1.6),
        )

    def _end(self, run: Run, when: float, share: float) -> CurveName:
        """The name of a curve: model, seconds, and what becomes of a run that has not finished."""
        x = np.log10(max(when, LEAST)) if self.log.isChecked() else when
        text = " ".join(part for part in (run.title, seconds(when), run.status) if part)
        return CurveName(float(x), share, text, theme.now.model(run.model))

    def _fit(self, curves: list[np.ndarray]) -> None:
        """Show all of the curves, with room for the names above them."""
        most = max((points[-1, 0] for points in curves), default=0.3)
        least = min((points[0, 0] for points in curves), default=0.003)
        if self.log.isChecked():
            low = max(np.log10(max(least, LEAST)) - 0.3, np.log10(LEAST))
            x = low, max(np.log10(most), low + 1) + 0.1
        else:
            x = 0, most * 1.05
        high = self.plot.zoom_box.boundingRect().height()
        above = min((self._lines * LINE + 14) / max(high, 1), 0.6)
        self.plot.fit(x, (0, 1 / (1 - above)))

    def _curve(self, run: Run, each: bool) -> Curve:
        x, y = self._points(run, each).T
        return Curve(x.clip(LEAST), y, lambda i: self._say(run, i))

    @staticmethod
    def _say(run: Run, number: int) -> str:
        """A point of a run in words."""
        when, tokens = run.points[number]
        samples = f", {run.settings.samples} samples" if run.settings.samples > 1 else ""
        return f"{run.title}, run {run.number}{samples}: {seconds(when)}, {tokens:,} pixels"

    @Slot(bool)
    def _set_log(self, on: bool) -> None:
        self.plot.set_log(on, False)
        self._redraw()
