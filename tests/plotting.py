"""Points of a plot, and how a person gets at them."""

import csv
import io
import math

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

SVG = "{http://www.w3.org/2000/svg}"


def place(plot, curve: int, point: int) -> QPoint:
    """Where a point is on screen, by pyqtgraph's own arithmetic."""
    at = plot._curves[curve]
    x, y = (math.log10(v[point]) if log else v[point] for v, log in zip((at.x, at.y), plot._log, strict=True))
    return plot.mapFromScene(plot.plotItem.vb.mapViewToScene(QPointF(x, y)))


def point_at(qtbot, plot, curve: int, point: int) -> str:
    for at in (QPoint(1, 1), place(plot, curve, point)):  # to where it is already, the mouse does not move
        qtbot.mouseMove(plot.viewport(), at)
    return plot.value.text()


def turn(plot, at: QPoint, notches: int = 1, keys=Qt.KeyboardModifier.NoModifier) -> QWheelEvent:
    """The wheel, away from the person where notches are positive."""
    spot, view = QPointF(at), plot.viewport()
    turned = QPoint(0, 120 * notches)
    event = QWheelEvent(
        spot, QPointF(view.mapToGlobal(at)), QPoint(), turned, Qt.MouseButton.NoButton, keys,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)
    return event


def ranges(plot) -> np.ndarray:
    return np.array(plot.plotItem.vb.viewRange())


def rows_of(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text)))
