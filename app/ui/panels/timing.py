"""Tokens done over seconds of the model's own time, one curve a run."""

from __future__ import annotations

from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import QCheckBox

from app.core import csv_export
from app.core.formatting import seconds
from app.core.run import Run, compare
from app.ui import theme
from app.ui.widgets.card import Card, button, label
from app.ui.widgets.plot import STYLES, Curve, Plot, Seconds

LEAST = 1e-3  # seconds; where a logarithmic axis begins


class TimingPanel(Card):
    """Curves of the last runs; colour, dash and symbol say which model, a hollow symbol that it is not in its usual
    mode; older runs are fainter."""

    def __init__(self, clear: QAction):
        super().__init__("Timing", "Tokens (pixels) done over the model's own seconds, painting not included")
        self._runs: list[Run] = []
        self._curves: dict[int, tuple[pg.PlotDataItem, pg.PlotDataItem]] = {}
        self._drawn: dict[int, tuple[float, int]] = {}  # how strong, and how many points of a run
        self.log = QCheckBox("log time")
        self.log.setChecked(True)
        self.log.setToolTip("Logarithmic time, so that 10 ms and a second are both readable")
        self.log.toggled.connect(self._set_log)
        self.header.addWidget(self.log)
        self.header.addWidget(button(clear, "Clear"))
        self.words = label("", wrap=True)  # the legend, too
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.words.setAccessibleName("Comparison")
        self.body.addWidget(self.words)
        self.plot = Plot(
            "Plot of tokens done over seconds",
            "timing",
            {
                "": lambda: csv_export.of_runs(self._runs),
                "point by point": lambda: csv_export.of_points(self._runs),
            },
            {"bottom": Seconds("bottom")},
            log=(True, False),
        )
        self.plot.setLabel("left", "tokens done")
        self.plot.setLabel("bottom", "the model's time")
        self.plot.setMinimumHeight(100)
        self.plot.keep_button()
        self.body.addWidget(self.plot, 1)
        self._theme = theme.LIGHT
        self.show_runs([])

    def retheme(self, colours: theme.Theme) -> None:
        self._theme = colours
        self.plot.retheme(colours)
        self._drawn.clear()
        self._draw()

    def show_runs(self, history: list[Run]) -> None:
        """Draw the last runs anew; called when one begins or ends."""
        self._runs = [run for run in history if run.points]
        self.plot.caption = compare(history, self._name)
        self.words.setText(self.plot.caption or "Run two models on the same sketch to compare them.")
        self._draw()

    def _name(self, run: Run) -> str:
        """As in a legend; not broken at a line's end."""
        title = escape(run.title).replace(" ", "&nbsp;").replace("-", "-&#8288;")  # a word joiner
        sign = theme.sign(run.model, not run.variant)
        return f'<span style="color:{self._theme.model(run.model)}">{sign}</span>&nbsp;{title}'

    def follow(self, run: Run) -> None:
        """Draw the run under way; called while it works."""
        if run not in self._runs:
            if not run.points:
                return
            self._runs = [*self._runs, run]
        self._draw_run(run, 1.0)
        self._rescale()

    def _draw(self) -> None:
        for number in set(self._curves) - {run.number for run in self._runs}:
            self._drawn.pop(number, None)
            for item in self._curves.pop(number):
                self.plot.removeItem(item)
        newest = {run.title: run for run in self._runs}
        for age, run in enumerate(reversed(self._runs)):
            self._draw_run(run, 1.0 if newest[run.title] is run else 0.42 if age < 4 else 0.2)
        self._rescale()

    def _draw_run(self, run: Run, strength: float) -> None:
        if self._drawn.get(run.number) == (strength, len(run.points)):
            return
        self._drawn[run.number] = strength, len(run.points)
        if run.number not in self._curves:
            self._curves[run.number] = self.plot.plot([], []), self.plot.plot([], [])
        line, end = self._curves[run.number]
        colour = QColor(self._theme.model(run.model))
        colour.setAlphaF(strength)
        style = STYLES[theme.place(run.model) % len(STYLES)]
        points = np.array([(LEAST, 0), *run.points], float)
        points[:, 0] = points[:, 0].clip(LEAST)
        line.setData(points[:, 0], points[:, 1], pen=pg.mkPen(colour, width=2 if strength == 1 else 1.2, style=style))
        end.setData(
            points[-1:, 0],
            points[-1:, 1],
            pen=None,
            symbol=theme.symbol(run.model),
            symbolSize=11 if strength == 1 else 7,
            symbolBrush=QColor(self._theme.card) if run.variant else colour,
            symbolPen=pg.mkPen(colour, width=1.6),
        )

    def _rescale(self) -> None:
        most = max((run.points[-1][0] for run in self._runs), default=0.3)
        least = min((run.points[0][0] for run in self._runs), default=0.003)
        tokens = max((run.started.tokens for run in self._runs if run.started), default=784)
        if self.log.isChecked():
            low = max(np.log10(max(least, LEAST)) - 0.3, np.log10(LEAST))
            x = low, max(np.log10(most), low + 1) + 0.1
        else:
            x = 0, most * 1.05
        self.plot.fit(x, (0, tokens * 1.1))
        self.plot.tell([self._curve(run) for run in self._runs])

    def _curve(self, run: Run) -> Curve:
        points = np.array(run.points, float)
        return Curve(points[:, 0].clip(LEAST), points[:, 1], lambda i: self._say(run, i))

    @staticmethod
    def _say(run: Run, number: int) -> str:
        """A point of a run in words."""
        when, tokens = run.points[number]
        samples = f", {run.settings.samples} samples" if run.settings.samples > 1 else ""
        return f"{run.title}, run {run.number}{samples}: {seconds(when)}, {tokens:,} tokens"

    @Slot(bool)
    def _set_log(self, on: bool) -> None:
        self.plot.set_log(on, False)
        self._drawn.clear()
        self._draw()
