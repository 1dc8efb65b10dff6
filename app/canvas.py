"""The sketch: what is drawn, which pixels are known, and how a pen, a finger or the keyboard changes both.

Known pixels are those of a region (set by the row slider, the known and unknown brushes and the buttons) and those
the pen has touched outside it. The eraser takes ink away, and with it what the pen had made known, so that a stray
stroke leaves nothing behind. Ink that comes to lie under unknown pixels is kept, so that moving the slider to and
fro loses nothing, but it is neither shown nor given to a model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPointingDevice
from PySide6.QtWidgets import QWidget

from vssm.data import DataSet
from vssm.prompt import Prompt

from . import draw

TOOLS = ("brush", "eraser", "known", "unknown")
UNDO_STEPS = 200


@dataclass(frozen=True)
class State:
    """pixels: [H, W, C] uint8. region, touched: [H, W] bool; known is their union."""

    pixels: np.ndarray
    region: np.ndarray
    touched: np.ndarray


class Sketch:
    """The picture and its mask, with undo. Positions are (x, y) in pixels; a pixel's centre is at a half."""

    def __init__(self, prompt: Prompt):
        self._undo: list[tuple[str, State]] = []
        self._redo: list[State] = []
        self._set(State(prompt.pixels.copy(), prompt.known.copy(), np.zeros_like(prompt.known)))
        H, W = prompt.known.shape
        self._y, self._x = np.mgrid[:H, :W] + 0.5

    def _set(self, state: State) -> None:
        self.pixels, self.region, self.touched = state.pixels, state.region, state.touched

    def _state(self) -> State:
        return State(self.pixels.copy(), self.region.copy(), self.touched.copy())

    @property
    def known(self) -> np.ndarray:
        return self.region | self.touched

    @property
    def prompt(self) -> Prompt:
        """A copy for a model; nothing stands under unknown pixels."""
        known = self.known
        return Prompt(self.pixels * known[..., None].astype(np.uint8), known)

    @property
    def rows(self) -> int:
        """How many whole rows from the top are known."""
        full = self.known.all(1)
        return int(full.size if full.all() else full.argmin())

    # --- history

    def begin(self, kind: str) -> None:
        """Remember the present for undo. Neighbouring steps of the kind "rows" become one."""
        if not (kind == "rows" and self._undo and self._undo[-1][0] == kind and not self._redo):
            self._undo.append((kind, self._state()))
            del self._undo[:-UNDO_STEPS]
        self._redo.clear()

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        return bool(self._redo)

    def undo(self) -> None:
        if self._undo:
            self._redo.append(self._state())
            self._set(self._undo.pop()[1])

    def redo(self) -> None:
        if self._redo:
            self._undo.append(("redo", self._state()))
            self._set(self._redo.pop())

    # --- changes

    def footprint(self, a: tuple[float, float], b: tuple[float, float], size: float) -> np.ndarray:
        """[H, W]: pixels whose centre lies within size / 2 of the segment from a to b, and the ones under both
        ends, so that even the thinnest stroke leaves no gap."""
        (ax, ay), (bx, by) = a, b
        dx, dy = bx - ax, by - ay
        along = ((self._x - ax) * dx + (self._y - ay) * dy) / max(dx * dx + dy * dy, 1e-9)
        along = along.clip(0, 1)
        near = np.hypot(self._x - ax - along * dx, self._y - ay - along * dy) <= max(size, 1.0) / 2
        for x, y in (a, b):
            if 0 <= x < near.shape[1] and 0 <= y < near.shape[0]:
                near[int(y), int(x)] = True
        return near

    def stroke(self, tool: str, a: tuple[float, float], b: tuple[float, float], size: float) -> None:
        """Draw with a tool from a to b."""
        near = self.footprint(a, b, size)
        if tool == "brush":
            self.pixels[near] = 255
            self.touched |= near & ~self.region
        elif tool == "eraser":
            self.pixels[near] = 0
            self.touched &= ~near
        elif tool == "known":
            self.region |= near
        else:
            self.region &= ~near
            self.touched &= ~near

    def set_known(self, known: np.ndarray) -> None:
        """Make exactly these pixels known."""
        self.region, self.touched = known.copy(), np.zeros_like(known)

    def clear(self) -> None:
        """Take all ink away; the region stays."""
        self.pixels, self.touched = np.zeros_like(self.pixels), np.zeros_like(self.touched)

    def take(self, prompt: Prompt) -> None:
        """Become a copy of an example."""
        self.pixels = prompt.pixels.copy()
        self.set_known(prompt.known)


class Canvas(draw.Picture):
    """Draws a `Sketch` and lets it be drawn on. `changed` follows every change, `lifted` the end of every stroke."""

    changed = Signal()
    lifted = Signal()

    def __init__(self, dataset: DataSet, prompt: Prompt, parent: QWidget | None = None):
        super().__init__("Sketch", parent)
        self.setAccessibleDescription(
            "Drawing field. Arrow keys move the pen, Space draws with the chosen tool, Delete erases."
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_AcceptTouchEvents)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.tool, self.pen = "brush", 3  # the pen's width in pixels
        self._trail: list[tuple[float, float]] = []  # the last points of the stroke under way
        self._stroke_tool = ""
        self._hover: QPointF | None = None
        self._cell = [dataset.width // 2, dataset.height // 4]  # the keyboard's pen
        self._by_keys = False  # whether that pen is in use, and shown
        self.sketch = Sketch(prompt)
        self.refresh()

    def refresh(self) -> None:
        known = self.sketch.known
        self.show_picture(draw.compose(self.sketch.pixels[None], known, known)[0], known)

    def load(self, prompt: Prompt) -> None:
        """Start a new sketch without a history."""
        self.sketch = Sketch(prompt)
        self._cell = [prompt.known.shape[1] // 2, prompt.known.shape[0] // 4]
        self._after()

    def change(self, kind: str, method, *given) -> None:
        """Call a method of the sketch as one step of its history."""
        self.sketch.begin(kind)
        method(*given)
        self._after()

    def undo(self) -> None:
        self.sketch.undo()
        self._after()

    def redo(self) -> None:
        self.sketch.redo()
        self._after()

    def _after(self) -> None:
        self.refresh()
        self.changed.emit()

    # --- strokes: a curve through the middles of successive points, which is smooth however few points arrive

    def _begin(self, point: tuple[float, float], tool: str) -> None:
        self.sketch.begin("stroke")
        self._stroke_tool, self._trail = tool, [point]
        self.sketch.stroke(tool, point, point, self.pen)
        self._after()

    def _extend(self, point: tuple[float, float]) -> None:
        if not self._trail or point == self._trail[-1]:
            return
        self._trail = [*self._trail[-2:], point]
        if len(self._trail) == 2:
            self._curve(self._trail[0], self._trail[0], _middle(*self._trail))
        else:
            a, b, c = self._trail
            self._curve(_middle(a, b), b, _middle(b, c))
        self._after()

    def _end(self) -> None:
        if not self._trail:
            return
        if len(self._trail) > 1:
            a, b = self._trail[-2:]
            self._curve(_middle(a, b), b, b)
        self._trail = []
        self._after()
        self.lifted.emit()

    def _curve(self, start, control, end) -> None:
        steps = max(1, math.ceil(math.dist(start, control) + math.dist(control, end)))
        before = start
        for i in range(1, steps + 1):
            t = i / steps
            weights = (1 - t) ** 2, 2 * t * (1 - t), t * t
            point = tuple(
                sum(w * p for w, p in zip(weights, axis, strict=True)) for axis in zip(start, control, end, strict=True)
            )
            self.sketch.stroke(self._stroke_tool, before, point, self.pen)
            before = point

    # --- input

    def mousePressEvent(self, event) -> None:
        tools = {Qt.MouseButton.LeftButton: self.tool, Qt.MouseButton.RightButton: "eraser"}
        self._by_keys = False
        if event.button() in tools and not self._trail:
            self._begin(self.to_pixels(event.position()), tools[event.button()])

    def mouseMoveEvent(self, event) -> None:
        self._hover = event.position()
        if self._trail:
            self._extend(self.to_pixels(event.position()))
        self.update()

    def mouseReleaseEvent(self, event) -> None:
        if self._trail and not event.buttons():
            self._extend(self.to_pixels(event.position()))
            self._end()

    def leaveEvent(self, event) -> None:
        self._hover = None
        self.update()

    def contextMenuEvent(self, event) -> None:
        event.accept()  # the right button erases

    def tabletEvent(self, event) -> None:
        rubber = event.pointerType() == QPointingDevice.PointerType.Eraser
        erase = rubber or event.buttons() & Qt.MouseButton.RightButton
        self._pen(event, self.to_pixels(event.position()), "eraser" if erase else self.tool)

    def event(self, event) -> bool:
        touches = (QEvent.Type.TouchBegin, QEvent.Type.TouchUpdate, QEvent.Type.TouchEnd, QEvent.Type.TouchCancel)
        if event.type() in touches:
            if event.points():
                self._pen(event, self.to_pixels(event.points()[0].position()), self.tool)
            elif self._trail:
                self._end()
            event.accept()
            return True
        return super().event(event)

    def _pen(self, event, point: tuple[float, float], tool: str) -> None:
        """A tablet's pen and a finger act alike."""
        kind = event.type()
        if kind in (QEvent.Type.TabletPress, QEvent.Type.TouchBegin):
            self._begin(point, tool)
        elif kind in (QEvent.Type.TabletMove, QEvent.Type.TouchUpdate):
            self._extend(point)
        else:
            self._end()
        event.accept()

    def focusInEvent(self, event) -> None:
        self._by_keys = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def keyPressEvent(self, event) -> None:
        moves = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        tools = {Qt.Key.Key_Space: self.tool, Qt.Key.Key_Delete: "eraser", Qt.Key.Key_Backspace: "eraser"}
        H, W = self.sketch.region.shape
        self._by_keys = self._by_keys or event.key() in moves or event.key() in tools
        if event.key() in moves:
            dx, dy = moves[event.key()]
            self._cell = [min(max(self._cell[0] + dx, 0), W - 1), min(max(self._cell[1] + dy, 0), H - 1)]
            self.update()
        elif event.key() in tools:
            point = self._cell[0] + 0.5, self._cell[1] + 0.5
            self._begin(point, tools[event.key()])
            self._end()
        else:
            super().keyPressEvent(event)

    # --- what lies on top of the picture

    def paint_over(self, painter: QPainter, field: QRectF) -> None:
        scale = field.width() / self.sketch.pixels.shape[1]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self.sketch.pixels[self.sketch.known].any() and not self._trail:
            self._paint_hint(painter, field)
        if self._hover is not None and field.contains(self._hover):
            painter.setPen(QPen(QColor(255, 255, 255, 200), 1.2))
            painter.drawEllipse(self._hover, self.pen * scale / 2, self.pen * scale / 2)
        if self.hasFocus() and self._by_keys:
            painter.setPen(QPen(QColor(255, 255, 255, 220), 1, Qt.PenStyle.DotLine))
            x, y = self._cell
            painter.drawRect(QRectF(field.left() + x * scale, field.top() + y * scale, scale, scale))

    def _paint_hint(self, painter: QPainter, field: QRectF) -> None:
        known = self.sketch.known
        top = QRectF(field)
        if known.all() or not known.any():
            text = "Nothing is known:\nComplete invents a whole picture" if not known.any() else "Draw here"
        else:
            text = "Draw the top of a digit here"
            if rows := self.sketch.rows:
                top.setHeight(field.height() * rows / known.shape[0])
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * 1.15)
        painter.setFont(font)
        painter.setPen(QColor(236, 240, 246))
        painter.drawText(top.adjusted(12, 4, -12, -4), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)


def _middle(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
