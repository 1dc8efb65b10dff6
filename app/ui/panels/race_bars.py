"""Bars of a race: the seconds of every contestant, with the median and the spread of its repeats."""

from __future__ import annotations

import math
from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core import race_timing
from app.core.race import Race
from app.core.race_timing import Bar
from app.ui import theme
from app.ui.widgets.card import button, checkbox, configured, filled, label, named, spaced
from app.ui.widgets.flow import Flow
from app.ui.widgets.number_field import WholeField
from app.ui.widgets.plot import Curve, Plot, Seconds

MOST = 50  # repeats at once
HALF = 0.3  # of a bar's height, by its row's
ROOM = 0.28  # of the axis, beside the longest bar, for words


class BarsPanel(QWidget):
    """`repeat` is the action of its button; how often is `times`."""

    def __init__(self, repeat: QAction):
        super().__init__()
        self._bars: list[Bar] = []
        self._race: Race | None = None
        self._items: list = []
        self.words = configured(label("", "muted", wrap=True), accessibleName="What the bars are")
        self.plot = Plot(
            "Bars of the last race: seconds of every contestant",
            "race",
            {"": lambda: race_timing.table(self._bars), "call by call": lambda: race_timing.frames(self._race)},
            {"bottom": Seconds("bottom")},
        )
        self.plot.showGrid(x=True, y=False, alpha=0.15)
        self.plot.setMinimumHeight(90)
        row = Flow(5)
        self.times = configured(WholeField(), minimum=1, maximum=MOST, value=5)
        row.addWidget(button(repeat, "Repeat the timing"))
        named(row.group(5), "Times", self.times, "How many more runs of every contestant are timed")
        tip = "Logarithmic time; else a bar that is 88 times as long took 88 times as long"
        self.log = checkbox("log time", tip, self._draw)
        self.state = configured(label("", "muted"), accessibleName="Progress of the timing")
        row.addWidget(self.state)
        row.addStretch()
        row.addWidget(self.log)
        row.addWidget(self.plot.button)
        filled(spaced(QVBoxLayout(self), 6), self.words, (self.plot, 1), row)

    def retheme(self) -> None:
        self.plot.retheme()
        self._draw()

    def show_bars(self, bars: list[Bar], race: Race | None) -> None:
        self._bars, self._race = bars, race
        self._draw()

    def _draw(self) -> None:
        for item in self._items:
            self.plot.removeItem(item)
        self._items = []
        self.words.setText(race_timing.words(self._bars) or "Nobody has come to the end of a race yet.")
        self.plot.caption = escape(race_timing.words(self._bars))  # it is rich text
        if not self._bars:
            self.plot.tell([])
            return
        every = [s for bar in self._bars for s in bar.seconds]
        log = self.log.isChecked()
        if log != self.plot.logs[0]:
            self.plot.set_log(log, False)
        wide = (lambda s: math.log10(max(s, 1e-9))) if log else float
        low = wide(min(every)) - 0.3 if log else 0.0
        high = low + (wide(max(every)) - low) / (1 - ROOM)
        axis = self.plot.getAxis("left")
        axis.setTicks([[(-i, self._name(bar)) for i, bar in enumerate(self._bars)]])
        self.plot.setLabel("bottom", "the model's time (log)" if log else "the model's time")
        for i, bar in enumerate(self._bars):
            self._draw_bar(bar, -i, low, wide)
        self.plot.fit((low, high), (-len(self._bars) + 0.4, 0.6))
        self.plot.tell(
            [
                Curve(np.array(bar.seconds), np.full(len(bar.took), float(-i)), bar.say, joined=False)
                for i, bar in enumerate(self._bars)
            ]
        )

    @staticmethod
    def _name(bar: Bar) -> str:
        return f"{theme.sign(bar.contestant.model, not bar.contestant.variant)} {bar.contestant.title}"

    def _draw_bar(self, bar: Bar, y: int, low: float, wide) -> None:
        colour = QColor(theme.now.model(bar.contestant.model))
        faint = QColor(colour)
        faint.setAlphaF(0.35)
        shape = pg.BarGraphItem(
            x0=[low], x1=[wide(bar.median)], y0=[y - HALF], y1=[y + HALF], brush=faint, pen=pg.mkPen(colour, width=1.5)
        )
        least, most = wide(min(bar.seconds)), wide(max(bar.seconds))
        self._add(shape)
        if len(bar.took) > 1:
            ends = np.array(
                [(least, y - 0.15), (least, y + 0.15), (least, y), (most, y), (most, y - 0.15), (most, y + 0.15)]
            )
            self._add(pg.PlotCurveItem(ends[:, 0], ends[:, 1], pen=pg.mkPen(theme.now.text, width=1.5)))
        dots = pg.ScatterPlotItem(
            [wide(s) for s in bar.seconds],
            [y] * len(bar.took),
            symbol=theme.symbol(bar.contestant.model),
            size=8,
            brush=QColor(theme.now.card) if bar.contestant.variant else colour,
            pen=pg.mkPen(colour, width=1.2),
        )
        self._add(dots)
        said = pg.TextItem(f"\N{EN SPACE}{bar.words}", color=theme.now.text, anchor=(0, 0.5))
        said.setPos(max(most, wide(bar.median)), y)
        self._add(said)

    def _add(self, item) -> None:
        self._items.append(item)
        self.plot.addItem(item, ignoreBounds=True)
