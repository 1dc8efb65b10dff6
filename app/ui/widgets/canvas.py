"""The field to draw on: how a pen, a mouse, a finger or the keyboard changes a `Sketch`."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.core.sketch import Sketch
from app.ui.pointer import Contact, Pointer
from app.ui.widgets import picture
from vssm.data import DataSet
from vssm.prompt_advice import BOX

STROKES = ("brush", "eraser", "known", "unknown")
GUIDE = QColor(255, 255, 255, 70)
FADED = 0.7  # how much of a preview is seen, and how little of the sketch beneath


class Canvas(picture.Picture):
    """Draws a `Sketch` and lets it be drawn on. `changed` follows every change, `lifted` the end of every gesture that
    made one, `picked` the colour taken from the sketch by the eyedropper."""

    changed = Signal()
    lifted = Signal()
    picked = Signal(tuple)

    def __init__(self, dataset: DataSet, sketch: Sketch, parent: QWidget | None = None):
        self._pointer = Pointer(self, direct=True)
        super().__init__("Sketch", parent)
        self.setAttribute(Qt.WidgetAttribute.WA_AcceptTouchEvents)
        self.setAccessibleDescription(
            "Drawing field. Arrow keys move the pen, Space draws with the chosen tool, Delete erases."
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._tool, self.pen = "brush", 2  # the pen's width in pixels
        self.ink: tuple[int, ...] = (255,) * dataset.channels
        self._before = sketch.moment  # the sketch before that gesture
        self._gesture = ""  # the tool of the gesture under way
        self._trail: list[tuple[float, float]] = []  # the last points of a stroke; both corners of a rectangle
        self._keyed = False  # whether the gesture under way was begun by a key
        self._held = False  # whether the right button draws the rectangle
        self._away = False  # whether the rectangle under way makes unknown
        self._hover: QPointF | None = None
        self._by_keys = False  # whether the keyboard's pen is in use, and shown
        self.dropping = False  # whether something hovers that would be opened
        self._preview: np.ndarray | None = None  # the colours of what lies over the sketch, [H, W, 3]
        self.load(dataset, sketch)

    @property
    def tool(self) -> str:
        return self._tool

    @tool.setter
    def tool(self, name: str) -> None:
        self._abandon()
        self._tool = name

    @property
    def drawing(self) -> bool:
        """Whether a gesture is under way."""
        return bool(self._gesture)

    def refresh(self) -> None:
        known = self.sketch.known
        colours = picture.compose(self.sketch.pixels[None], known, known)[0]
        if self._preview is not None:
            faded = FADED * self._preview + (1 - FADED) * colours
            self.show_picture(faded.round().astype(np.uint8), known)
        else:
            self.show_picture(colours, known, known if self.sketch.colour else None)

    def preview(self, colours: np.ndarray | None) -> None:
        """Lay a picture [H, W, 3] over the sketch, faded, until the sketch changes or None is given. The sketch and
        its history stay as they are."""
        self._preview = colours
        self.refresh()

    def show_dropping(self, on: bool) -> None:
        """Say whether something hovers that would be opened."""
        self.dropping = on
        self.update()

    def load(self, dataset: DataSet, sketch: Sketch) -> None:
        """Turn to another sketch, with its history."""
        self._gesture, self._trail = "", []
        self._subject = dataset.subject
        margins = (dataset.width - BOX) / 2, (dataset.height - BOX) / 2
        self._guide = QRectF(*margins, BOX, BOX) if dataset.num_values == 2 else QRectF()  # where digits lie
        self.sketch = sketch
        self._cell = [dataset.width // 2, dataset.height // 4]  # the keyboard's pen
        self._after()

    def change(self, kind: str, method, *given) -> None:
        """Call a method of the sketch as one step of its history."""
        self._abandon()
        self.sketch.begin(kind)
        method(*given)
        self._after()

    def undo(self) -> None:
        self._abandon()
        self.sketch.undo()
        self._after()

    def redo(self) -> None:
        self._abandon()
        self.sketch.redo()
        self._after()

    def _after(self) -> None:
        self._preview = None
        self.refresh()
        self.changed.emit()

    # --- gestures: strokes, rectangles, and those of one point

    def _begin(self, point: tuple[float, float], tool: str, away: bool = False) -> None:
        """away: of a rectangle, to make unknown."""
        self._gesture, self._trail, self._away, self._keyed = tool, [point], away, False
        self._before = self.sketch.moment
        if tool in STROKES:
            self.sketch.begin("stroke")
            self.sketch.stroke(tool, point, point, self.pen, self.ink)
            self._after()
        elif tool == "rectangle":
            self._trail = [point, point]
            self.update()
        else:
            self._touch(point)

    def _extend(self, point: tuple[float, float], away: bool | None = None) -> None:
        if self._gesture == "rectangle":
            self._trail[1] = point
            self._away = self._away if away is None else away
            self.update()
        elif self._gesture in STROKES and point != self._trail[-1]:
            self._stroke(point)

    def _end(self) -> None:
        tool, trail = self._gesture, self._trail
        if tool in STROKES and len(trail) > 1:
            a, b = trail[-2:]
            self._curve(_middle(a, b), b, b)
        self._gesture, self._trail = "", []
        if tool == "rectangle":
            self.change("rectangle", self.sketch.rectangle, *trail, not self._away)
        elif tool in STROKES:
            self._after()
        if tool not in ("", "pick"):
            self.lifted.emit()

    def _abandon(self) -> None:
        """End what is under way, a rectangle without effect."""
        if self._gesture == "rectangle":
            self._gesture, self._trail = "", []
            self.update()
        elif self._gesture:
            self._end()

    def _touch(self, point: tuple[float, float]) -> None:
        """Fill, or take the colour, at one point."""
        H, W = self.sketch.region.shape
        x, y = math.floor(point[0]), math.floor(point[1])
        if not (0 <= x < W and 0 <= y < H):
            return
        if self._gesture == "pick":
            if self.sketch.known[y, x]:
                self.picked.emit(tuple(self.sketch.pixels[y, x].tolist()))
        else:
            self.sketch.begin("fill")
            self.sketch.fill(x, y, self.ink)
            self._after()

    # a stroke is a curve through the middles of successive points, which is smooth however few points arrive

    def _stroke(self, point: tuple[float, float]) -> None:
        self._trail = [*self._trail[-2:], point]
        if len(self._trail) == 2:
            self._curve(self._trail[0], self._trail[0], _middle(*self._trail))
        else:
            a, b, c = self._trail
            self._curve(_middle(a, b), b, _middle(b, c))
        self._after()

    def _curve(self, start, control, end) -> None:
        steps = max(1, math.ceil(math.dist(start, control) + math.dist(control, end)))
        before = start
        for i in range(1, steps + 1):
            t = i / steps
            weights = (1 - t) ** 2, 2 * t * (1 - t), t * t
            point = tuple(
                sum(w * p for w, p in zip(weights, axis, strict=True)) for axis in zip(start, control, end, strict=True)
            )
            self.sketch.stroke(self._gesture, before, point, self.pen, self.ink)
            before = point

    # --- input

    def _meant(self, erase: bool, modifiers: Qt.KeyboardModifier) -> tuple[str, bool]:
        """The tool that a press stands for, and whether as a rectangle it makes unknown."""
        if modifiers & Qt.KeyboardModifier.AltModifier and self.sketch.colour:
            return "pick", False
        if self._tool == "rectangle":
            return "rectangle", erase or bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        return "eraser" if erase else self._tool, False

    def pointer_pressed(self, contact: Contact) -> bool:
        self._by_keys = False
        if contact.button not in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton):
            return False
        self.setFocus(Qt.FocusReason.MouseFocusReason)  # of a click only Qt does so; a number typed is done with
        self._abandon()  # a rectangle that the keyboard had begun
        self._held = contact.button == Qt.MouseButton.RightButton
        self._begin(self.to_pixels(contact.position), *self._meant(self._held, contact.modifiers))
        return True

    def pointer_moved(self, contact: Contact) -> None:
        if not self._keyed:
            # Shift may be pressed or let go during a rectangle.
            away = self._held or bool(contact.modifiers & Qt.KeyboardModifier.ShiftModifier)
            self._extend(self.to_pixels(contact.position), away)

    def pointer_released(self, contact: Contact) -> None:
        if not self._keyed:
            self.pointer_moved(contact)
            self._end()

    def pointer_interrupted(self) -> None:
        if not self._keyed:
            self._abandon()

    def pointer_cancelled(self) -> None:
        """A stroke or a fill leaves no trace, in the history neither."""
        tool, self._gesture, self._trail = self._gesture, "", []
        if tool in (*STROKES, "fill"):
            self.sketch.go_back(self._before)
            self._after()
            self.lifted.emit()
        self.update()

    def mouseMoveEvent(self, event) -> None:
        self._hover = event.position()
        self.update()

    def leaveEvent(self, event) -> None:
        self._hover = None
        self.update()

    def contextMenuEvent(self, event) -> None:
        event.accept()  # the right button erases

    def event(self, event) -> bool:
        return self._pointer.takes(event) or super().event(event)

    def focusInEvent(self, event) -> None:
        self._by_keys = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def keyPressEvent(self, event) -> None:
        erase = event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
        draws = erase or event.key() == Qt.Key.Key_Space
        H, W = self.sketch.region.shape
        self._by_keys = self._by_keys or event.key() in picture.ARROWS or draws
        if event.key() in picture.ARROWS:
            dx, dy = picture.ARROWS[event.key()]
            self._cell = [min(max(self._cell[0] + dx, 0), W - 1), min(max(self._cell[1] + dy, 0), H - 1)]
            if self._keyed:
                self._extend((self._cell[0] + 0.5, self._cell[1] + 0.5))
            self.update()
        elif draws:
            if not event.isAutoRepeat():  # a key that is held draws one dot, or sets one corner
                self._draw_by_key(erase, event.modifiers())
        else:
            super().keyPressEvent(event)

    def _draw_by_key(self, erase: bool, modifiers: Qt.KeyboardModifier) -> None:
        """A dot, a fill, a colour taken; or one corner of a rectangle and then the other."""
        if not self._gesture:
            self._begin((self._cell[0] + 0.5, self._cell[1] + 0.5), *self._meant(erase, modifiers))
            self._keyed = True
            if self._gesture == "rectangle":
                return
        elif self._keyed:
            self._away = self._away or self._meant(erase, modifiers)[1]
        else:
            return  # a button is held
        self._end()

    # --- what lies on top of the picture

    def paint_over(self, painter: QPainter, field: QRectF) -> None:
        scale = field.width() / self.sketch.pixels.shape[1]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._guide.isEmpty() and self._preview is None:
            guide = QRectF(self._guide.topLeft() * scale + field.topLeft(), self._guide.size() * scale)
            painter.setPen(QPen(GUIDE, 1, Qt.PenStyle.DashLine))
            painter.drawRect(guide)
        if self._preview is not None:
            self._paint_tag(painter, field)
        elif self._says_hint() and not self._gesture:
            self._paint_hint(painter, field)
        if self._gesture == "rectangle":
            left, top, right, bottom = self.sketch.box(*self._trail)
            picture.paint_rim(painter, QRectF(left, top, right - left, bottom - top), field, scale, self._away)
        elif self._hover is not None and field.contains(self._hover):
            self._paint_pen(painter, self._hover, field, scale)
        if self.hasFocus() and self._by_keys:
            picture.paint_rim(painter, QRectF(self._cell[0], self._cell[1], 1, 1), field, scale, True)
        if self.dropping:
            painter.setPen(QPen(QColor(picture.OUTLINE), 4))
            painter.drawRect(field.adjusted(2, 2, -2, -2))

    def _paint_pen(self, painter: QPainter, at: QPointF, field: QRectF, scale: float) -> None:
        """The circle that the pen covers, or for tools without a width the pixel."""
        if self._tool in STROKES:
            for colour, width in ((QColor(0, 0, 0, 150), 2.6), (QColor(255, 255, 255, 220), 1.2)):
                painter.setPen(QPen(colour, width))
                painter.drawEllipse(at, self.pen * scale / 2, self.pen * scale / 2)
        else:
            x, y = (math.floor(v) for v in self.to_pixels(at))
            picture.paint_rim(painter, QRectF(x, y, 1, 1), field, scale, False)

    def _paint_tag(self, painter: QPainter, field: QRectF) -> None:
        """Says that what is seen is not the sketch."""
        text, metrics = "Preview", QFontMetricsF(self.font())
        tag = QRectF(0, 0, metrics.horizontalAdvance(text) + 14, metrics.height() + 6)
        tag.moveTopLeft(field.topLeft() + QPointF(6, 6))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(20, 24, 32, 200))
        painter.drawRoundedRect(tag, 5, 5)
        painter.setPen(QColor(236, 240, 246))
        painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, text)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _says_hint(self) -> bool:
        known = self.sketch.known
        return not (known if self.sketch.colour else self.sketch.pixels[known]).any()

    def _paint_hint(self, painter: QPainter, field: QRectF) -> None:
        known = self.sketch.known
        top, short = QRectF(field), "Draw here"
        if self.sketch.colour:
            text = "Paint, open or drop a picture, or take an example.\nComplete invents the rest."
            short = "Paint here"
        elif known.all():
            text = short
        elif not known.any():
            text = f"Draw the top of a {self._subject} here.\nComplete alone invents one."
        else:
            text = f"Draw the top of a {self._subject} here"
            if rows := self.sketch.rows:
                top.setHeight(field.height() * rows / known.shape[0])
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * 1.15)
        painter.setFont(font)
        place, flags = top.adjusted(12, 4, -12, -4), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        if QFontMetricsF(font).boundingRect(place, int(flags), text).height() > place.height():
            text = short
        if self.sketch.colour:  # text on hatching is hard to read
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(20, 24, 32, 170))
            words = QFontMetricsF(font).boundingRect(place, int(flags), text)
            painter.drawRoundedRect(words.adjusted(-8, -6, 8, 6), 6, 6)
        painter.setPen(QColor(236, 240, 246))
        painter.drawText(place, flags, text)


def _middle(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
