"""Seconds against sequence length, both logarithmic: one curve a model, point after point as they are measured."""

from __future__ import annotations

import math
from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox, QHBoxLayout

from app.core import csv_export
from app.core.formatting import seconds, times
from app.core.job import State
from app.ui import theme
from app.ui.widgets.card import Card, OneLine, configured, filled, hint, label, plain_button, spaced
from app.ui.widgets.plot import STYLES, Curve, Plot, Seconds
from vssm.evaluation import scaling

OFFERED = {1024: "some 10 seconds", 2048: "some 20 seconds", 4096: "half a minute"}  # on two cores
EMPTY = (
    "Run makes every model draw one picture of T pixels at T = {}, and draws the seconds over T.\n"
    "The networks are untrained and have as many parameters each ({}); on two cores it takes {}. "
    "Completing waits meanwhile."
)
FITTED = (
    "∝ T to the power of the slope of log seconds against log T, by least squares over all points of a model,\n"
    "if there are three or more.\n"
    "One picture at a time, the fixed cost of a network call hides the rest at small T."
)
POINT = 11  # pixels across


class ScalingPanel(Card):
    """`asked` and `stopped` follow the two buttons; `asked` gives the lengths. It is told to `begin`, then the events
    of a scaling run, and how that stands."""

    asked = Signal(tuple)
    stopped = Signal()

    def __init__(self) -> None:
        super().__init__("Scaling", "How the time for a picture grows with T, its number of pixels, for equal networks")
        self.points: list[scaling.Measured] = []
        self._curves: dict[str, tuple[pg.PlotDataItem, pg.ScatterPlotItem]] = {}
        self._job = State.IDLE  # how the scaling run stands
        self._total = 0
        self.most = QComboBox()
        for length in OFFERED:
            self.most.addItem(f"T ≤ {length:,}", length)
        configured(self.most, accessibleName="Largest T", toolTip="The longest pictures, in pixels")
        self.most.currentIndexChanged.connect(self._explain)
        self.run = plain_button("Run", "Measure every model at every length", self._ask, "Run scaling")
        self.halt = plain_button("Stop", "Stop measuring; the points stay (Esc)", self.stopped, "Stop scaling")
        self.state = configured(OneLine(), objectName="muted", accessibleName="Progress of the measuring")
        row = filled(spaced(QHBoxLayout(), 4), self.most, self.run, self.halt, (self.state, 1))
        row.insertSpacing(3, 4)  # a row of their own, so that the panel may be as narrow as its neighbours
        self.plot = self._make_plot()
        self.header.addWidget(self.plot.button)
        self.body.addLayout(row)
        self.words = configured(label("", wrap=True), accessibleName="Exponents", toolTip=FITTED)  # the legend
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.body.addWidget(self.words)
        self._message = hint("")
        self._stack = self.add_pages(self._message, self.plot)
        self._explain()
        self._show()

    def _make_plot(self) -> Plot:
        plot = Plot(
            "Plot of seconds over T, both logarithmic",
            "scaling",
            {"": lambda: csv_export.of_scaling(self.points)},
            {"left": Seconds("left")},
            log=(True, True),
        )
        plot.setMinimumHeight(80)
        return plot

    @property
    def lengths(self) -> tuple[int, ...]:
        """Those that are measured up to the one chosen."""
        return tuple(n for n in scaling.LENGTHS if n <= self.most.currentData())

    # --- the course of a run

    def begin(self, total: int) -> None:
        """Forget the last points; so many are to come."""
        self.points, self._total = [], total
        self.state.setText("Making the networks …")
        self.plot.zoom_box.show_whole()
        self._draw()

    def add(self, event: scaling.Event) -> None:
        match event:
            case scaling.Began():
                done = f"{len(self.points)} of {self._total} points"
                self.state.setText(f"{event.title}, T = {event.length:,} … ({done})")
            case scaling.Measured():
                self.points.append(event)
                self._draw()

    def show_state(self, state: State) -> None:
        """How the scaling run stands."""
        if state is self._job:
            return
        self._job = state
        if state is State.STOPPING:
            self.state.setText("Stopping …")
        elif state is State.IDLE:
            done, total = len(self.points), self._total
            self.state.setText(self._comparison() if done == total else f"Stopped after {done} of {total} points.")
        self._draw()

    def _comparison(self) -> str:
        """How the fastest at the largest T compares with a Transformer."""
        most = max(p.length for p in self.points)
        last = {p.model: p for p in self.points if p.length == most}
        best = min(last.values(), key=lambda p: p.seconds)
        if "transformer" not in last or best.model == "transformer":
            return f"{best.title} is the fastest at T = {most:,}."
        ratio = times(last["transformer"].seconds / best.seconds)
        return f"{best.title} is {ratio} faster than {last['transformer'].title} at T = {most:,}."

    # --- showing

    def retheme(self) -> None:
        self.plot.retheme()
        self._draw()

    @Slot()
    def _ask(self) -> None:
        self.asked.emit(self.lengths)

    @Slot()
    def _explain(self) -> None:
        *first, last = (f"{n:,}" for n in self.lengths)
        span = f"{', '.join(first)} and {last}" if first else last
        size = f"{scaling.PARAMETERS:,}"
        self._message.setText(EMPTY.format(span, size, OFFERED[self.most.currentData()]))

    def _show(self) -> None:
        for one in (self.run, self.most):
            one.setEnabled(self._job is State.IDLE)
        self.halt.setEnabled(self._job is State.RUNNING)
        self.words.setVisible(bool(self.points))
        self._stack.setCurrentWidget(self.plot if self.points else self._message)

    def _draw(self) -> None:
        for name in set(self._curves) - {p.model for p in self.points}:
            for item in self._curves.pop(name):
                self.plot.removeItem(item)
        slopes = scaling.exponents(self.points)
        for name in slopes:
            self._draw_curve(name, [p for p in self.points if p.model == name])
        lengths = sorted({p.length for p in self.points})
        spans = {name: scaling.span([p.length for p in self.points if p.model == name]) for name in slopes}
        alike = len(set(spans.values())) == 1
        legend = [self._legend(name, slope, "" if alike else spans[name]) for name, (slope, _) in slopes.items()]
        if alike and len(lengths) > 1:
            legend.append(f"(T = {scaling.span(lengths)})".replace(" ", "&nbsp;"))  # names the axis, too
        self.words.setText("&ensp; ".join(legend))
        self.plot.caption = self.words.text()
        if lengths:
            self._rescale(lengths)
        self.plot.tell([self._curve([p for p in self.points if p.model == name]) for name in slopes])
        self._show()

    def _draw_curve(self, name: str, points: list[scaling.Measured]) -> None:
        if name not in self._curves:
            dots = pg.ScatterPlotItem()
            self._curves[name] = self.plot.plot([], []), dots
            self.plot.addItem(dots)
        line, dots = self._curves[name]
        colour, style = QColor(theme.now.model(name)), STYLES[theme.place(name) % len(STYLES)]
        lengths, taken = [p.length for p in points], [p.seconds for p in points]
        line.setData(lengths, taken, pen=pg.mkPen(colour, width=2, style=style))
        dots.setData(  # which, unlike a line, takes the places on logarithmic axes
            [math.log10(n) for n in lengths],
            [math.log10(s) for s in taken],
            symbol=theme.symbol(name),
            size=POINT,
            brush=colour,
            pen=pg.mkPen(colour, width=1.6),
        )

    def _legend(self, name: str, slope: float | None, lengths: str) -> str:
        """Not broken at a line's end. lengths: at which it was measured, where others were at others."""
        title = next(p.title for p in self.points if p.model == name)
        text = escape(title).replace(" ", "&nbsp;").replace("-", "-&#8288;")  # a word joiner
        sign = f'<span style="color:{theme.now.model(name)}">{theme.sign(name)}</span>'
        power = "" if slope is None else f"&nbsp;∝&nbsp;T^{slope:.2f}".replace("-", "−")
        own = f" (T = {lengths})".replace(" ", "&nbsp;") if lengths else ""
        return f"{sign}&nbsp;{text}{power}{own}"

    def _rescale(self, lengths: list[int]) -> None:
        found = [math.log10(p.seconds) for p in self.points]
        self.plot.getAxis("bottom").setTicks([[(math.log10(n), f"{n:,}") for n in lengths]])
        x = math.log10(lengths[0]) - 0.1, math.log10(lengths[-1]) + 0.1
        self.plot.fit(x, (min(found) - 0.25, max(found) + 0.25))

    def _curve(self, points: list[scaling.Measured]) -> Curve:
        x, y = (np.array(v, float) for v in zip(*((p.length, p.seconds) for p in points), strict=True))
        return Curve(x, y, lambda i: describe(points[i]))


def describe(data: scaling.Measured) -> str:
    """A point in words."""
    height, width = data.shape
    runs = "one run" if data.repeats == 1 else f"the median of {data.repeats} runs"
    text = f"{data.title}, T = {data.length:,} ({height}×{width}): {seconds(data.seconds)}, {runs}"
    return f"{text}, {data.network_calls:,} network call{'s' * (data.network_calls > 1)}"
