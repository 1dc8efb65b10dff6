"""Names at the ends of a plot's curves, none over another."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import pyqtgraph as pg
from PySide6.QtCore import QObject, QRectF, Slot

from app.ui.widgets.plot import Plot

GAP = 6  # pixels between a curve's end and its name, and between two names
LINE, MARGIN = 17, 4  # pixels of a line, and of what pyqtgraph leaves free around a text
NEAR = 0.2  # of the plot's height


@dataclass(frozen=True)
class CurveName:
    """x, y: where a curve ends, by the axes' own places (decades, where logarithmic)."""

    x: float
    y: float
    text: str
    colour: str


class CurveNames(QObject):
    """Writes each name above the end of its curve, within the plot; where two would meet, one a line higher."""

    def __init__(self, plot: Plot):
        super().__init__(plot)
        self._plot, self._names = plot, tuple[CurveName, ...]()
        self._items: list[pg.TextItem] = []
        plot.zoom_box.sigRangeChanged.connect(self.place)
        plot.zoom_box.sigResized.connect(self.place)

    def show(self, names: Sequence[CurveName]) -> int:
        """Write exactly these names; returns over how many lines the uppermost are spread."""
        if tuple(names) != self._names:
            for item in self._items:
                self._plot.removeItem(item)
            self._names = tuple(names)
            self._items = [pg.TextItem(name.text, color=name.colour) for name in names]
            for item in self._items:
                item.setZValue(900)
                self._plot.addItem(item, ignoreBounds=True)
        return self.place()

    @Slot()
    def place(self) -> int:
        """Put the names where there is room; returns over how many lines the uppermost are spread."""
        shown, box = self._plot.zoom_box.viewRect(), self._plot.zoom_box.boundingRect()
        taken: list[QRectF] = []
        highest, lines = max((name.y for name in self._names), default=0.0), 1
        for name, item in sorted(zip(self._names, self._items, strict=True), key=lambda pair: -pair[0].x):
            size = item.boundingRect().size()
            x = (name.x - shown.left()) / shown.width() * box.width()
            y = (shown.bottom() - name.y) / shown.height() * box.height() - GAP
            left = min(max(x - size.width() / 2, 0.0), max(box.width() - size.width(), 0.0))
            places = (QRectF(left, y - LINE * (line + 1), size.width() + GAP, LINE - 1) for line in itertools.count())
            place = next(place for place in places if not any(place.intersects(one) for one in taken))
            taken.append(place)
            if name.y > highest - NEAR:
                lines = max(lines, round((y - place.top()) / LINE))
            item.setAnchor(((x - left) / size.width(), (y + GAP - place.top() + MARGIN) / size.height()))
            item.setPos(name.x, name.y)
            item.setVisible(shown.left() <= name.x <= shown.right())
        return lines
