"""A gallery of pictures of one size: point at one, pin it, use it. The same by mouse and by keyboard.

A click on a picture pins it, a click on a pinned one uses it; Space does what a click does, Return uses, Delete unpins,
and the right button asks for more. What these words mean is up to whoever listens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.ui.widgets import picture
from app.ui.widgets.card import plain_tip
from app.ui.widgets.keys import PRESS, RETURN, Keys

GAP, FEW = 6, 16  # between pictures, of which more than so many have only the room of their frames between them
CAPTIONED = 48  # the least width of a picture for a caption to fit under it
OUTLINED = 40  # the least width of a picture for an outline to leave something of it
AWAY = Qt.Key.Key_Delete, Qt.Key.Key_Backspace


class ThumbnailGallery(QWidget):
    """Pictures as large as fits, between two sizes. `chosen` follows an arrow key, `pointed` the mouse or, with the
    focus, the chosen picture (−1: none), `clicked` a click or Space, `used` Return, `unpinned` Delete; `more` the right
    button or the menu key, with the place on screen."""

    chosen = Signal(int)
    pointed = Signal(int)
    clicked = Signal(int)
    used = Signal(int)
    unpinned = Signal(int)
    more = Signal(int, QPoint)

    def __init__(self, name: str, about: str, smallest: int, largest: int):
        super().__init__()
        self.setAccessibleName(name)
        self._about, self._smallest, self._largest = about, smallest, largest
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self._images: list[QImage] = []
        self._frames: list[str] = []
        self._tips: list[str] = []
        self._captions: list[str] = []
        self._pins: set[int] = set()
        self._lines: Sequence[QLineF] = ()
        self._current, self._pointed, self._marked = 0, -1, True
        self._describe()
        does = {
            Qt.Key.Key_Left: lambda: self._choose((self._current - 1) % len(self._images)),
            Qt.Key.Key_Right: lambda: self._choose((self._current + 1) % len(self._images)),
            Qt.Key.Key_Home: lambda: self._choose(0),
            Qt.Key.Key_End: lambda: self._choose(len(self._images) - 1),
            Qt.Key.Key_Space: lambda: self.clicked.emit(self._current),
            **dict.fromkeys(RETURN, lambda: self.used.emit(self._current)),
            **dict.fromkeys(AWAY, lambda: self.unpinned.emit(self._current)),
        }
        once = *PRESS, *AWAY  # what a second press does is something else
        Keys(self, does, once=once, when=lambda: self._images)

    def _choose(self, number: int) -> None:
        self._current = number
        self._describe()
        self.chosen.emit(number)
        self._point(number)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(300, self._largest)

    def minimumSizeHint(self) -> QSize:
        return QSize(self._smallest + GAP, min(36, self._largest) if self._images else 0)

    def show_pictures(
        self,
        colours: list[np.ndarray] | np.ndarray,
        current: int,
        frames: list[str],
        tips: list[str],
        pins: set[int],
        lines: Sequence[QLineF] = (),
        marked: bool = True,
        captions: Sequence[str] = (),
    ) -> None:
        """colours: [H, W, 3] each. frames, tips: of each, the colour of the frame it takes when current and what is
        said of it. pins: the pinned ones, which bear a mark. lines: of an outline that all have. marked: whether the
        current one is framed without the focus too. captions: what stands under each, where there is room; empty ones
        keep it."""
        self._captions = list(captions)
        self._images = [picture.qimage(c) for c in colours]
        self._lines = lines
        self._frames, self._tips, self._pins, self._marked = frames, tips, pins, marked
        self._current = max(0, min(current, len(self._images) - 1))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if self._images else Qt.FocusPolicy.NoFocus)
        if not self._images and self.hasFocus():
            self.clearFocus()
        if self._pointed >= len(self._images):
            self._point(-1)
        self._describe()
        self.update()

    @property
    def pointer(self) -> int:
        """What `pointed` told last."""
        return self._pointed

    def forget_pointer(self) -> None:
        """Point at nothing until the mouse or a key moves: other pictures have come under it."""
        self._point(-1)

    def _describe(self) -> None:
        """For those who hear the window rather than see it."""
        at = self._tips[self._current] if self._images else ""
        self.setAccessibleDescription(". ".join(part for part in (at, self._about) if part))

    def _below(self, side: float) -> int:
        """The height of a caption under a picture of that width."""
        return self.fontMetrics().height() if self._captions and side >= CAPTIONED else 0

    def cells(self) -> list[QRectF]:
        """Where the pictures lie: in rows from the top left."""
        K, w, h, gap = len(self._images), self.width(), self.height(), GAP if len(self._images) <= FEW else 0
        if not K:
            return []
        aspect = self._images[0].width() / self._images[0].height()
        fits = []
        for columns in range(1, K + 1):
            rows = math.ceil(K / columns)
            across, tall = (w - (columns - 1) * gap) / columns / aspect, (h - (rows - 1) * gap) / rows
            most = min(across, self._largest)
            high = min(most, tall - self._below(most))
            if high < CAPTIONED:  # no caption takes room
                high = min(most, tall, CAPTIONED - 1 if self._captions else most)
            fits.append((high, columns))
        high, columns = max(fits)
        wide, each = high * aspect, high + gap + self._below(high)
        return [
            QRectF(i % columns * (wide + gap), i // columns * each, wide, high).adjusted(2, 2, -2, -2) for i in range(K)
        ]

    # --- painting

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        cells = self.cells()
        outline = self._outline(cells[0]) if cells and self._lines and cells[0].width() >= OUTLINED else None
        for i, (cell, image) in enumerate(zip(cells, self._images, strict=True)):
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, cell.width() < 2 * image.width())
            painter.drawImage(cell, image)
            picture.paint_edge(painter, cell)
            if outline is not None:
                painter.drawPixmap(cell.topLeft(), outline)
            if not self._marked:  # pictures of many origins
                painter.fillRect(QRectF(cell.left(), cell.bottom(), cell.width(), 2), QColor(self._frames[i]))
            if i == self._pointed:
                painter.setPen(QPen(self.palette().text().color(), 1))
                painter.drawRect(cell.adjusted(-1, -1, 1, 1))
            if i == self._current and (self._marked or self.hasFocus()):
                painter.setPen(QPen(QColor(self._frames[i]), 2.5))
                painter.drawRect(cell.adjusted(-1, -1, 1, 1))
            if i in self._pins:
                self._paint_pin(painter, cell, QColor(self._frames[i]))
            if below := self._below(cell.height() + 4):
                place = QRectF(cell.left() - GAP, cell.bottom() + 2, cell.width() + 2 * GAP, below)
                painter.setPen(self.palette().placeholderText().color())
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, self._captions[i])
        if self.hasFocus() and self._images:
            painter.setPen(QPen(self.palette().text().color(), 1, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    @staticmethod
    def _paint_pin(painter: QPainter, cell: QRectF, colour: QColor) -> None:
        """A pin's head in the corner, in the colour of the model, rimmed so that it is seen on any picture."""
        radius = max(4.0, cell.width() / 12)
        middle = QPointF(cell.right() - radius - 1, cell.top() + radius + 1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor("white"), 1.5))
        painter.setBrush(colour)
        painter.drawEllipse(middle, radius, radius)
        painter.restore()

    def _outline(self, cell: QRectF) -> QPixmap:
        """The known region's border, the same for all pictures."""
        ratio = self.devicePixelRatioF()
        made = QPixmap((cell.size() * ratio).toSize())
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        scale = made.width() / self._images[0].width()
        picture.paint_outline(painter, self._lines, QRectF(made.rect()), scale, ratio)
        painter.end()
        made.setDevicePixelRatio(ratio)
        return made

    # --- input

    def at(self, position: QPointF) -> int:
        """The picture at a point of the widget; −1 for none."""
        return next((i for i, cell in enumerate(self.cells()) if cell.contains(position)), -1)

    def _point(self, number: int) -> None:
        if number != self._pointed:
            self._pointed = number
            self.pointed.emit(number)
            self.update()

    def mouseMoveEvent(self, event) -> None:
        self._point(self.at(event.position()))

    def leaveEvent(self, event) -> None:
        self._point(self._current if self.hasFocus() and self._images else -1)

    def mousePressEvent(self, event) -> None:
        number = self.at(event.position())
        if number >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self._current = number
            self.clicked.emit(number)
        elif number >= 0 and event.button() == Qt.MouseButton.RightButton:
            self.more.emit(number, event.globalPosition().toPoint())

    def contextMenuEvent(self, event) -> None:
        event.accept()  # of the right button, the press has been dealt with
        if event.reason() == event.Reason.Keyboard and self._images:
            self.more.emit(self._current, self.mapToGlobal(self.cells()[self._current].center().toPoint()))

    def focusInEvent(self, event) -> None:
        super().focusInEvent(event)
        if self._images:
            self._point(self._current)

    def focusOutEvent(self, event) -> None:
        super().focusOutEvent(event)
        self._point(-1)

    def event(self, event) -> bool:
        if event.type() == QEvent.Type.ToolTip and self._images:
            number = self.at(QPointF(event.pos()))
            words = [self._tips[number]] if number >= 0 else []
            QToolTip.showText(event.globalPos(), plain_tip("\n".join([*words, self._about])), self)
            return True
        return super().event(event)
