"""The levels of latents as pictures over positions: one large, whose codes can be drawn anew, and all of them small."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRectF, QSignalBlocker, QSize, QSizeF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSlider, QWidget

from app.core import formatting
from app.ui import theme
from app.ui.pointer import Contact, Pointer
from app.ui.widgets import picture as draw
from app.ui.widgets.card import configured, filled, label, spaced
from app.ui.widgets.keys import PRESS, Keys

GAP, HEAD, THUMB = 6, 14, 84  # between thumbnails of levels, above them for their numbers, and their largest side
CODE = 26  # pixels of a thumbnail, from which on it is called so
DOT = 0.6  # the widest, of a code's side; their areas tell
SPAN, STEP = 3.0, 0.05  # how far a code is walked, and by what
WALK = (
    "Walk the variable shown of the framed code from −3 to 3, all other codes held; the picture follows. By keyboard: "
    "arrows, Page Up and Page Down"
)
TOUCH = (
    "Code: the variables of a level at one position. Click one to draw another in its place (from the prior, given "
    "that it is another), drag over several; all other codes are held, so the picture changes only by what these "
    "bring. The larger its dot, the farther a code moves the picture; one without a dot hardly does"
)
KEYS = (
    "Arrows move, with Shift they mark several; Space or Enter draws these anew; Page Up and Page Down change the "
    "level; Backspace takes the last edit back"
)
MOVES = {key: QPoint(*by) for key, by in draw.ARROWS.items()}
TURNS = {Qt.Key.Key_PageUp: -1, Qt.Key.Key_PageDown: 1}


def level_name(level: int) -> str:
    """What people read of a level by its number."""
    return f"Level {level}" if level else "Code"


class LatentMap(QWidget):
    """One level as large as fits. `edited` gives the codes to be drawn anew [h, w]; `pointed` the one under the
    pointer or the keys, (row, column), or None; `picked` tells that another one is meant; `turned` asks for a level
    further up or down, `back` for the last edit to be taken back."""

    edited = Signal(object)
    picked = Signal()
    pointed = Signal(object)
    turned = Signal(int)
    back = Signal()

    def __init__(self) -> None:
        self._pointer = Pointer(self, direct=True)
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_AcceptTouchEvents)
        self.setAccessibleName("Codes of a level")
        self.setAccessibleDescription(KEYS)
        self.setToolTip(TOUCH)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves Return to completing
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._picture: np.ndarray | None = None
        self._grid = 1, 1
        self._dots: np.ndarray | None = None
        self._at = QPoint()  # the code meant: pressed last, or gone to by keys
        self._from: QPoint | None = None  # where a drag over several began
        self._under: QPoint | None = None  # the pointer
        does: dict[Qt.Key, Callable[[], None]] = {key: partial(self._step, by, False) for key, by in MOVES.items()}
        does |= dict.fromkeys(PRESS, lambda: self.edited.emit(self.marked))
        does |= {key: partial(self.turned.emit, by) for key, by in TURNS.items()}
        does[Qt.Key.Key_Backspace] = self.back.emit
        shifted = {key: partial(self._step, by, True) for key, by in MOVES.items()}
        Keys(self, does, shifted, once=PRESS, when=lambda: self._picture is not None)

    def sizeHint(self) -> QSize:
        return QSize(200, 200)

    def minimumSizeHint(self) -> QSize:
        return QSize(90, 90)

    def show_level(self, picture: np.ndarray, grid: tuple[int, int], dots: np.ndarray | None) -> None:
        """picture: [rows, columns, 3]; grid: h, w of the codes that lie on it; dots: their widths [h, w], 0 to 1."""
        self._picture, self._grid, self._dots = picture, grid, dots
        self._at = self._within(self._at)
        self.update()

    @property
    def cell(self) -> tuple[int, int]:
        """Row and column of the code meant."""
        return self._at.y(), self._at.x()

    def go_to(self, cell: tuple[int, int]) -> None:
        """Mean this code."""
        self._at = self._within(QPoint(cell[1], cell[0]))
        self.update()

    @property
    def field(self) -> QRectF:
        """Where the level lies."""
        if self._picture is None:
            return QRectF()
        h, w = self._grid
        side = max(1.0, min(self.width() // w, self.height() // h))
        return QRectF(0, 0, w * side, h * side)

    @property
    def marked(self) -> np.ndarray:
        """The codes that an edit would draw anew, [h, w]: one, or a rectangle."""
        mask = np.zeros(self._grid, bool)
        first = self._at if self._from is None else self._within(self._from)
        left, right = sorted((first.x(), self._at.x()))
        top, bottom = sorted((first.y(), self._at.y()))
        mask[top : bottom + 1, left : right + 1] = True
        return mask

    def _within(self, place: QPoint) -> QPoint:
        h, w = self._grid
        return QPoint(min(max(place.x(), 0), w - 1), min(max(place.y(), 0), h - 1))

    def _code(self, position: QPointF) -> QPoint | None:
        """The code at a point of the widget."""
        field = self.field
        if not field.contains(position):
            return None
        side = field.width() / self._grid[1]
        return self._within(QPoint(int(position.x() / side), int(position.y() / side)))

    def _point(self, place: QPoint | None) -> None:
        """Tell of the code there, or else of the one that is meant by keys."""
        self._under = place
        shown = place or (self._at if self.hasFocus() else None)
        self.pointed.emit(None if shown is None else (shown.y(), shown.x()))
        self.update()

    def _pick(self, place: QPoint) -> None:
        self._at = place
        self.picked.emit()
        self._point(place)

    def _step(self, by: QPoint, mark: bool) -> None:
        """To the code beside; mark: with those passed, from where the keys stood."""
        self._from = (self._at if self._from is None else self._from) if mark else None
        self._pick(self._within(self._at + by))

    def mouseMoveEvent(self, event) -> None:
        if not self._pointer.down:
            self._point(self._code(event.position()))

    def pointer_pressed(self, contact: Contact) -> bool:
        place = self._code(contact.position)
        if contact.button != Qt.MouseButton.LeftButton or place is None:
            return False
        self._from = place
        self._pick(place)
        return True

    def pointer_moved(self, contact: Contact) -> None:
        side = self.field.width() / self._grid[1]
        self._pick(self._within((contact.position / side - QPointF(0.5, 0.5)).toPoint()))

    def pointer_released(self, contact: Contact) -> None:
        self.pointer_moved(contact)
        mask, self._from = self.marked, None
        self.edited.emit(mask)
        self.update()

    def pointer_interrupted(self) -> None:
        """Draw nothing anew: what is marked may not be all that was meant."""
        self._from = None
        self.update()

    pointer_cancelled = pointer_interrupted

    def leaveEvent(self, event) -> None:
        self._point(None)

    def focusInEvent(self, event) -> None:
        super().focusInEvent(event)
        self._point(self._under)

    def focusOutEvent(self, event) -> None:
        super().focusOutEvent(event)
        self._from = None
        self._point(self._under)

    def event(self, event) -> bool:
        return self._pointer.takes(event) or super().event(event)

    def paintEvent(self, event) -> None:
        if self._picture is None:
            return
        painter, field = QPainter(self), self.field
        painter.drawImage(field, draw.qimage(self._picture))
        side = field.width() / self._grid[1]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._dots is not None:
            painter.setPen(QPen(QColor(theme.now.card), 1))
            painter.setBrush(QColor(theme.now.text))
            for (y, x), share in np.ndenumerate(self._dots):
                if share > 0:
                    painter.drawEllipse(QPointF((x + 0.5) * side, (y + 0.5) * side), *[DOT * side * share**0.5 / 2] * 2)
        rows, columns = np.nonzero(self.marked)
        left, top = int(columns.min()), int(rows.min())
        box = QRectF(left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        draw.paint_rim(painter, box, field, side, False)
        if self._under is not None and self._from is None:
            draw.paint_rim(painter, QRectF(self._under, QSizeF(1, 1)), field, side, True)


class CodeSlider(QWidget):
    """Walks one variable of a code. `walked` gives its value, and whether more are to come, as it is being dragged."""

    walked = Signal(float, bool)

    def __init__(self) -> None:
        super().__init__()
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)
        self.slider = configured(QSlider(Qt.Orientation.Horizontal), accessibleName="Value of the code", toolTip=WALK)
        self.slider.setRange(-round(SPAN / STEP), round(SPAN / STEP))
        self.slider.setPageStep(round(0.5 / STEP))
        self.slider.setMinimumWidth(40)
        self._value = label("", "muted")
        self._value.setFixedWidth(self._value.fontMetrics().horizontalAdvance("−3.00"))
        filled(spaced(QHBoxLayout(self), 4), (self.slider, 1), self._value)
        self.slider.valueChanged.connect(self._move)
        self.slider.sliderReleased.connect(self._move)

    def show_value(self, value: float | None) -> None:
        """Show the value of a code, unless it is being dragged; None where there is nothing to walk."""
        self.setVisible(value is not None)
        if self.slider.isSliderDown():
            return
        with QSignalBlocker(self.slider):
            self.slider.setValue(round((value or 0) / STEP))
        self._value.setText(formatting.signed(value or 0))

    @Slot()
    def _move(self) -> None:
        value = self.slider.value() * STEP
        self._value.setText(formatting.signed(value))
        self.walked.emit(value, self.slider.isSliderDown())


class LevelStrip(QWidget):
    """All levels small, numbered; `chosen` asks for one to be shown large, `edited` for that one to be drawn anew."""

    chosen = Signal(int)
    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Levels")
        self.setToolTip("All levels, those first that change the picture most; click one to see it large")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.pictures: dict[int, np.ndarray] = {}
        self._level = 1
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1}
        does = {key: partial(self._step, by) for key, by in steps.items()} | dict.fromkeys(PRESS, self.edited.emit)
        Keys(self, does, once=PRESS, when=lambda: self.pictures)

    def _step(self, by: int) -> None:
        levels = list(self.pictures)
        self.chosen.emit(levels[min(max(levels.index(self._level) + by, 0), len(levels) - 1)])

    def minimumSizeHint(self) -> QSize:
        return QSize(110, 30)

    def show_levels(self, pictures: dict[int, np.ndarray], level: int) -> None:
        """pictures: [h, w, 3] by level, in their order."""
        self.pictures, self._level = pictures, level
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if len(pictures) > 1 else Qt.FocusPolicy.NoFocus)
        words = "{} is shown large; arrows choose another, Space or Enter draw it anew"
        self.setAccessibleDescription(words.format(level_name(level)))
        self.update()

    def cells(self) -> dict[int, QRectF]:
        """Where each level lies, in rows, as large as fits."""
        best = 0.0, 1
        for columns in range(1, len(self.pictures) + 1):
            rows = math.ceil(len(self.pictures) / columns)
            side = min((self.width() + GAP) / columns - GAP, (self.height() + GAP) / rows - GAP - HEAD, THUMB)
            best = max(best, (side, columns))
        side, columns = max(best[0], 1.0), best[1]
        apart = side + GAP
        return {
            level: QRectF(i % columns * apart + 2, i // columns * (apart + HEAD) + HEAD, side - 4, side - 4)
            for i, level in enumerate(self.pictures)
        }

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.85)
        painter.setFont(font)
        for level, cell in self.cells().items():
            painter.setPen(QColor(theme.now.text if level == self._level else theme.now.muted))
            above = cell.translated(0, -HEAD)
            above.setSize(QSizeF(cell.width() + HEAD, HEAD))
            number = "code" if not level and cell.width() > CODE else str(level)
            painter.drawText(above, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, number)
            painter.drawImage(cell, draw.qimage(self.pictures[level]))
            if level == self._level:
                painter.setPen(QPen(QColor(theme.now.accent), 2))
                painter.drawRect(cell.adjusted(-1, -1, 1, 1))
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.now.text), 1, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def mousePressEvent(self, event) -> None:
        for level, cell in self.cells().items():
            if cell.adjusted(-2, -HEAD, 2, 2).contains(event.position()):
                self.chosen.emit(level)
