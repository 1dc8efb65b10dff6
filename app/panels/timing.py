"""Tokens done over seconds of the model's own time, one curve a run."""

from __future__ import annotations

from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import QCheckBox

from .. import theme
from ..runs import Run, compare
from .card import Card, button, label

KEPT = 12
LEAST = 1e-3  # seconds; where a logarithmic axis begins
STYLES = (
    Qt.PenStyle.SolidLine,
    Qt.PenStyle.DashLine,
    Qt.PenStyle.DotLine,
    Qt.PenStyle.DashDotLine,
    Qt.PenStyle.DashDotDotLine,
)


class Seconds(pg.AxisItem):
    """An axis of seconds that reads 10 ms, 300 ms, 2 s, logarithmic or not."""

    def tickStrings(self, values, scale, spacing):
        return [self._text(10.0**v if self.logMode else v) for v in values]

    def tickValues(self, least, most, size):
        if not self.logMode:
            return super().tickValues(least, most, size)
        decades = range(int(np.floor(least)), int(np.ceil(most)) + 1)
        return [(1, [d for d in decades if least <= d <= most]), (0.5, self._between(decades, least, most))]

    def _between(self, decades, least: float, most: float) -> list[float]:
        return [d + np.log10(3) for d in decades if least <= d + np.log10(3) <= most]

    @staticmethod
    def _text(seconds: float) -> str:
        if seconds == 0:
            return "0"
        return f"{seconds * 1000:.3g} ms" if abs(seconds) < 0.9995 else f"{seconds:.3g} s"


class TimingPanel(Card):
    """Curves of the last runs; colour, dash and symbol say which model, a hollow symbol that it is not in its usual
    mode; older runs are fainter."""

    def __init__(self, clear: QAction):
        super().__init__("Timing", "Tokens (pixels) done over the model's own seconds, painting not included")
        self._runs: list[Run] = []
        self._curves: dict[int, tuple[pg.PlotDataItem, pg.PlotDataItem]] = {}
        self.log = QCheckBox("log time")
        self.log.setChecked(True)
        self.log.setToolTip("Logarithmic time, so that 10 ms and a second are both readable")
        self.log.toggled.connect(self._set_log)
        self.header.addWidget(self.log)
        self.header.addWidget(button(clear))
        self.words = label("", wrap=True)  # the legend, too
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.words.setAccessibleName("Comparison")
        self.body.addWidget(self.words)
        self.plot = pg.PlotWidget(axisItems={"bottom": Seconds("bottom")})
        self.plot.setAccessibleName("Plot of tokens done over seconds")
        self.plot.setMouseEnabled(False, False)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plot.setLogMode(x=True)
        self.plot.setLabel("left", "tokens done")
        self.plot.setLabel("bottom", "the model's time")
        self.plot.showGrid(x=True, y=True, alpha=0.15)
        self.plot.setMinimumHeight(100)
        self.body.addWidget(self.plot, 1)
        self._theme = theme.LIGHT
        self.show_runs([])

    def retheme(self, colours: theme.Theme) -> None:
        self._theme = colours
        theme.dress(self.plot, colours)
        self._draw()

    def show_runs(self, history: list[Run]) -> None:
        """Draw the last runs anew; called when one begins or ends."""
        self._runs = [run for run in history if run.points][-KEPT:]
        self.words.setText(compare(history, self._name) or "Run two models on the same sketch to compare them.")
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
            self._runs = [*self._runs, run][-KEPT:]
        self._draw_run(run, 1.0)
        self._rescale()

    def _draw(self) -> None:
        for number in set(self._curves) - {run.number for run in self._runs}:
            for item in self._curves.pop(number):
                self.plot.removeItem(item)
        newest = {run.title: run for run in self._runs}
        for age, run in enumerate(reversed(self._runs)):
            self._draw_run(run, 1.0 if newest[run.title] is run else max(0.18, 0.5 - 0.04 * age))
        self._rescale()

    def _draw_run(self, run: Run, strength: float) -> None:
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
        seconds = max((run.points[-1][0] for run in self._runs), default=0.3)
        least = min((run.points[0][0] for run in self._runs), default=0.003)
        tokens = max((run.started.tokens for run in self._runs if run.started), default=784)
        if self.log.isChecked():
            low = max(np.log10(max(least, LEAST)) - 0.3, np.log10(LEAST))
            self.plot.setXRange(low, max(np.log10(seconds), low + 1) + 0.1, padding=0)
        else:
            self.plot.setXRange(0, seconds * 1.05, padding=0)
        self.plot.setYRange(0, tokens * 1.06, padding=0)

    @Slot(bool)
    def _set_log(self, on: bool) -> None:
        self.plot.setLogMode(x=on)
        self._draw()
