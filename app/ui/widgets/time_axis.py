"""The common axis of time of a race: a row for each contestant, and where the replay stands."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QSlider, QToolTip

from app.core import formatting
from app.core.race import Axis, Race
from app.ui import theme
from app.ui.widgets.plot import Seconds

STEPS = 10_000  # of the slider
ROW, HIGH, FOOT = 9, 20, 30  # pixels: of a contestant on the axis, at least and where there is room, and of its ticks


class TimeAxis(QSlider):
    """The common axis: a row for each contestant, up to its end, and where the replay stands.

    `scrubbed` follows the mouse, in seconds; `stepped` the arrow keys, in frames.
    """

    scrubbed = Signal(float)
    stepped = Signal(int)

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, STEPS)
        self.setAccessibleName("Time of the race")
        self.setToolTip("Drag to any time; arrow keys go from one network call to the next")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.valueChanged.connect(self._valued)
        self.axis = Axis(1.0)
        self._race: Race | None = None
        self._now = 0.0

    def sizeHint(self) -> QSize:
        return QSize(280, HIGH * self._rows + FOOT)

    def minimumSizeHint(self) -> QSize:
        return QSize(220, ROW * self._rows + FOOT)

    @property
    def _rows(self) -> int:
        return len(self._race.tracks) if self._race else 1

    def show_time(self, raced: Race | None, seconds: float, logarithmic: bool, resting: bool) -> None:
        """resting: whether it stays there for a while."""
        before = self._rows
        self._race, self._now = raced, seconds
        if self._rows != before:
            self.updateGeometry()
        first = [track.frames[1].seconds for track in raced.tracks if len(track.frames) > 1] if raced else []
        self.axis = Axis(raced.duration if raced else 1.0, logarithmic, min(first, default=1e-3))
        self.blockSignals(True)
        self.setValue(round(self.axis.share(seconds) * STEPS))
        self.blockSignals(False)
        if resting:
            self.setAccessibleDescription(f"{formatting.seconds(seconds)} of {formatting.seconds(self.axis.duration)}")
        self.update()

    def words_at(self, place: QPointF) -> str:
        """What the contestant of that row had at that time; empty beside the rows."""
        field, race = self._field(), self._race
        row = math.floor((place.y() - field.top()) / field.height() * self._rows)
        if race is None or not 0 <= row < self._rows or not field.left() <= place.x() <= field.right():
            return ""
        seconds = self.axis.seconds((place.x() - field.left()) / field.width())
        return race.at(seconds)[row].words

    def event(self, event) -> bool:
        if event.type() == QEvent.Type.ToolTip and (words := self.words_at(QPointF(event.pos()))):
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return super().event(event)

    @Slot(int)
    def _valued(self, value: int) -> None:
        self.scrubbed.emit(self.axis.seconds(value / STEPS))

    def _field(self) -> QRectF:
        return QRectF(self.rect()).adjusted(8, 4, -8, 8 - FOOT)

    def _seek(self, x: float) -> None:
        field = self._field()
        self.setValue(round(min(max((x - field.left()) / field.width(), 0), 1) * STEPS))

    def mousePressEvent(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._seek(event.position().x())

    def mouseMoveEvent(self, event) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._seek(event.position().x())

    def mouseReleaseEvent(self, event) -> None:
        """The slider's own handle has nothing to do."""

    def keyPressEvent(self, event) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1}.get(event.key())
        if steps is not None and event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.KeypadModifier,
        ):
            self.stepped.emit(steps)
        elif event.key() in (Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            super().keyPressEvent(event)
        else:
            event.ignore()

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        t, field = theme.now, self._field()
        painter.setFont(self.font())
        for seconds in self.axis.ticks():
            x = field.left() + self.axis.share(seconds) * field.width()
            painter.setPen(QColor(t.line))
            painter.drawLine(QPointF(x, field.top()), QPointF(x, field.bottom() + 2))
            painter.setPen(QColor(t.muted))
            text = Seconds._text(seconds)
            wide = self.fontMetrics().horizontalAdvance(text)
            left = min(max(x - wide / 2, 0), self.width() - wide)
            painter.drawText(QPointF(left, self.height() - 4), text)
        tracks = self._race.tracks if self._race else ()
        for i, track in enumerate(tracks):
            y = field.top() + (i + 0.5) * field.height() / len(tracks)
            colour = QColor(t.model(track.contestant.model))
            end = field.left() + self.axis.share(track.end) * field.width()
            here = field.left() + self.axis.share(min(track.end, self._now)) * field.width()
            faint = QColor(colour)
            faint.setAlphaF(0.35)
            painter.setPen(QPen(faint, 2))
            painter.drawLine(QPointF(field.left(), y), QPointF(end, y))
            painter.setPen(
                QPen(colour, max(4, field.height() / len(tracks) / 3), Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap)
            )
            painter.drawLine(QPointF(field.left(), y), QPointF(here, y))
            if track.finished:
                painter.setPen(QPen(colour, 1.5))
                painter.setBrush(colour if self._now >= track.end else QColor(t.card))
                painter.drawEllipse(QPointF(end, y), 3.5, 3.5)
        x = field.left() + self.axis.share(self._now) * field.width()
        painter.setPen(QPen(QColor(t.text), 1.5))
        painter.drawLine(QPointF(x, 1), QPointF(x, field.bottom() + 3))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(t.accent), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
