"""The colours to draw with: a fixed dozen, those used before, and the present one."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.core.dataset_settings import MOST_RECENT
from app.ui.widgets.keys import PRESS, Keys

Colour = tuple[int, ...]
COLOURS = {
    "White": (255, 255, 255),
    "Light grey": (176, 182, 188),
    "Grey": (104, 110, 116),
    "Black": (14, 14, 16),
    "Brown": (104, 68, 42),
    "Sand": (212, 184, 140),
    "Red": (196, 40, 36),
    "Orange": (234, 134, 38),
    "Yellow": (246, 210, 70),
    "Green": (78, 134, 54),
    "Sky": (130, 184, 230),
    "Deep blue": (32, 74, 150),
}
COLUMNS = MOST_RECENT
assert len(COLOURS) == COLUMNS
CELL = 17  # least height and width of one


def name(colour: Colour) -> str:
    """As people read it: "Sky" or "#82b8e6"."""
    return next((n for n, c in COLOURS.items() if c == colour), QColor(*colour).name())


class Palette(QWidget):
    """Two rows: the dozen above, colours used before below. `chosen` follows a click, or Return on the cell that arrow
    keys moved to."""

    chosen = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Palette")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._ink: Colour = COLOURS["Black"]
        self._recent: tuple[Colour, ...] = ()
        self._at = 0  # the keyboard's cell
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -COLUMNS, Qt.Key.Key_Down: COLUMNS}
        does = {key: partial(self._step, by) for key, by in steps.items()}
        Keys(self, does | dict.fromkeys(PRESS, lambda: self.chosen.emit(self.colours[self._at])), once=PRESS)
        self.show_colours(self._ink, ())

    def _step(self, by: int) -> None:
        self._at = min(max(self._at + by, 0), len(self.colours) - 1)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(COLUMNS * 24, 2 * CELL)

    def minimumSizeHint(self) -> QSize:
        return QSize(COLUMNS * CELL, 2 * CELL)

    def show_colours(self, ink: Colour, recent: tuple[Colour, ...]) -> None:
        self._ink, self._recent = ink, recent
        self._at = min(self._at, len(self.colours) - 1)
        self.setAccessibleDescription(f"The pen's colour is {name(ink)}. Arrow keys and Return choose another.")
        self.update()

    @property
    def colours(self) -> list[Colour]:
        """All that can be chosen, in the order of the cells."""
        return [*COLOURS.values(), *self._recent]

    def cell(self, number: int) -> QRectF:
        wide, high = self.width() / COLUMNS, self.height() / 2
        return QRectF(number % COLUMNS * wide, number // COLUMNS * high, wide, high).adjusted(1, 1, -1, -1)

    def _under(self, position) -> int | None:
        return next((i for i in range(len(self.colours)) if self.cell(i).contains(position)), None)

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line, text = self.palette().mid().color(), self.palette().text().color()
        colours = self.colours
        for i in range(2 * COLUMNS):
            cell = self.cell(i).adjusted(1, 1, -1, -1)
            if i >= len(colours):
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(line, 1, Qt.PenStyle.DotLine))
            else:
                painter.setBrush(QColor(*colours[i]))
                painter.setPen(QPen(text, 2) if colours[i] == self._ink else QPen(line, 1))
            painter.drawRoundedRect(cell, 3, 3)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().highlight().color(), 2))
            painter.drawRoundedRect(self.cell(self._at), 4, 4)

    def mousePressEvent(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton and (i := self._under(event.position())) is not None:
            self._at = i
            self.chosen.emit(self.colours[i])

    def mouseMoveEvent(self, event) -> None:
        i = self._under(event.position())
        self.setToolTip("" if i is None else name(self.colours[i]))


def swatch(colour: Colour, size: int) -> QIcon:
    """One colour with a rim that is seen on light and dark."""
    made = QPixmap(2 * size, 2 * size)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(*colour))
    painter.setPen(QPen(QColor(128, 134, 142), 2))
    painter.drawRoundedRect(QRectF(2, 2, 2 * size - 4, 2 * size - 4), 6, 6)
    painter.end()
    made.setDevicePixelRatio(2)
    return QIcon(made)
