"""How pictures look: the same everywhere, so that a colour means one thing in the whole window.

Gold is what a person gave, white is what a model made (both by brightness), and a blue-grey checker is a pixel that
stands open. Colour pictures keep their own colours: there an outline tells the prompt apart, and where a picture is
large, what stands open is hatched, finer than any pixel, so that it is never taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

GOLD, WHITE = (255, 214, 102), (255, 255, 255)
OPEN = np.array([(94, 107, 132), (80, 93, 117)], np.uint8)  # the checker's two tones
OUTLINE, CHANGED = "#ffd666", "#ff5ca8"
ARROWS = {  # where they lead, in pixels right and down
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
EDGE = QColor(0, 0, 0, 60)  # of a picture as bright as what lies around it
HATCH = QColor(112, 125, 150), QColor(70, 82, 106)  # ground and lines


def compose(images: np.ndarray, known: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """[K, H, W, C] pixels, known [H, W] and filled [H, W] or [K, H, W] to colours on screen [K, H, W, 3] uint8."""
    _, H, W, C = images.shape
    if C == 1:
        tint = np.where(known[..., None], np.array(GOLD), np.array(WHITE))
        colours = (images.astype(np.uint16) * tint // 255).astype(np.uint8)
    else:
        colours = images
    checker = OPEN[np.add.outer(np.arange(H), np.arange(W)) % 2]
    return np.where(filled[..., None], colours, checker)


def qimage(colours: np.ndarray) -> QImage:
    """[H, W, 3] or, with opacity, [H, W, 4] uint8 to a QImage that owns its memory."""
    colours = np.ascontiguousarray(colours)
    H, W, C = colours.shape
    kind = QImage.Format.Format_RGB888 if C == 3 else QImage.Format.Format_RGBA8888
    return QImage(colours.data, W, H, C * W, kind).copy()


def pixmap(colours: np.ndarray, size: int, ratio: float = 1.0, known: np.ndarray | None = None) -> QPixmap:
    """The same as a thumbnail of `size` logical pixels, sharp on a screen of that device pixel ratio; with an outline
    where `known` is given."""
    made = QPixmap.fromImage(qimage(colours).scaledToHeight(round(size * ratio)))
    if known is not None:
        painter = QPainter(made)
        paint_outline(painter, outline(known), QRectF(made.rect()), made.height() / len(colours), ratio)
        painter.end()
    made.setDevicePixelRatio(ratio)
    return made


def thumbnail(image: np.ndarray, known: np.ndarray, filled: np.ndarray, size: int, outlined: bool = True) -> QPixmap:
    """A picture [H, W, C] as a thumbnail, in which the prompt is told apart by colour or else by an outline."""
    colours = compose(image[None], known, filled)[0]
    return pixmap(colours, size, 2, known if outlined and image.shape[-1] == 3 else None)


def outline(mask: np.ndarray) -> list[QLineF]:
    """The border between True and False, in pixel units; the picture's own edge is left out."""
    across = [QLineF(x, y + 1, x + 1, y + 1) for y, x in np.argwhere(mask[1:] != mask[:-1])]
    down = [QLineF(x + 1, y, x + 1, y + 1) for y, x in np.argwhere(mask[:, 1:] != mask[:, :-1])]
    return across + down


def paint_outline(
    painter: QPainter, lines: Sequence[QLineF], field: QRectF, scale: float, width: float = 1.5, light: str = OUTLINE
) -> None:
    """Gold, or another light colour, on a dark line, so that it is seen on any; `scale` screen pixels a pixel."""
    painter.save()
    painter.setClipRect(field)
    painter.translate(field.topLeft())
    painter.scale(scale, scale)
    for colour, thick in ((QColor(0, 0, 0, 160), width * 2), (QColor(light), width)):
        pen = QPen(colour, thick)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.drawLines(lines)
    painter.restore()


def paint_edge(painter: QPainter, field: QRectF) -> None:
    """The edge of a picture, which is seen where that is bright."""
    painter.setPen(QPen(EDGE, 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(field.adjusted(0.5, 0.5, -0.5, -0.5))


def paint_rim(painter: QPainter, box: QRectF, field: QRectF, scale: float, dotted: bool) -> None:
    """A frame around pixels, seen on any colour."""
    place = QRectF(field.left() + box.left() * scale, field.top() + box.top() * scale, 0, 0)
    place.setSize(box.size() * scale)
    style = Qt.PenStyle.DotLine if dotted else Qt.PenStyle.SolidLine
    for colour, width, line in ((QColor(0, 0, 0, 170), 2.6, Qt.PenStyle.SolidLine), (QColor("white"), 1.2, style)):
        painter.setPen(QPen(colour, width, line))
        painter.drawRect(place)


def hatch() -> QBrush:
    """What open pixels of colour pictures are filled with."""
    tile = QImage(8, 8, QImage.Format.Format_RGB32)
    for y in range(8):
        for x in range(8):
            tile.setPixelColor(x, y, HATCH[(x + y) % 8 < 3])
    return QBrush(tile)


class Picture(QWidget):
    """One picture, enlarged to whole device pixels, with the known region outlined. `resized` tells that there
    is more or less room for it."""

    resized = Signal()

    def __init__(self, name: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._image: QImage | None = None
        self._lines: list[QLineF] = []
        self._outlined: np.ndarray | None = None  # what the lines are around
        self._hatch = hatch()
        self._changed: list[QLineF] = []
        self._part: QRectF | None = None

    def sizeHint(self) -> QSize:
        return QSize(336, 336)

    def minimumSizeHint(self) -> QSize:
        return QSize(140, 140)

    def show_picture(
        self, colours: np.ndarray | None, known: np.ndarray | None, filled: np.ndarray | None = None, veil: int = 0
    ) -> None:
        """colours: [H, W, 3], or None for nothing. Where `filled` is given, pixels not filled are hatched; `veil`, up
        to 255, is how much of them is seen for all that."""
        if colours is not None and filled is not None:
            colours = np.concatenate([colours, np.where(filled, 255, veil)[..., None].astype(np.uint8)], -1)
        self._image = None if colours is None else qimage(colours)
        if known is None:
            self._outlined, self._lines = None, []
        elif self._outlined is None or not np.array_equal(known, self._outlined):
            self._outlined, self._lines = known.copy(), outline(known)
        self.update()

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.resized.emit()

    def frame_changes(self, changed: np.ndarray | None) -> None:
        """Outline these pixels [H, W], or none, as changed ones."""
        self._changed = [] if changed is None else outline(changed)
        self.update()

    def mark(self, part: QRectF | None) -> None:
        """Frame a part of the picture, given as shares of its sides, or none."""
        self._part = part
        self.update()

    def field(self) -> QRectF:
        """Where the picture lies in the widget, in logical pixels: at the top, so that neighbours are level."""
        if self._image is None:
            side = min(self.width(), self.height())
            return QRectF((self.width() - side) / 2, 0, side, side)
        ratio, w, h = self.devicePixelRatioF(), self._image.width(), self._image.height()
        scale = max(1, int(min(self.width() / w, self.height() / h) * ratio)) / ratio
        left = int((self.width() - w * scale) / 2 * ratio) / ratio
        return QRectF(left, 0, w * scale, h * scale)

    def to_pixels(self, position: QPointF) -> tuple[float, float]:
        """A point of the widget as (x, y) in pixels of the picture."""
        assert self._image is not None
        field = self.field()
        scale = field.width() / self._image.width()
        return (position.x() - field.left()) / scale, (position.y() - field.top()) / scale

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        field = self.field()
        if self._image is None:
            painter.setPen(QPen(self.palette().mid().color(), 1, Qt.PenStyle.DashLine))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)
            return
        if self._image.hasAlphaChannel():
            painter.fillRect(field, self._hatch)
        painter.drawImage(field, self._image)
        paint_edge(painter, field)
        paint_outline(painter, self._lines, field, field.width() / self._image.width())
        paint_outline(painter, self._changed, field, field.width() / self._image.width(), light=CHANGED)
        self.paint_over(painter, field)
        if self._part is not None:
            w, h, part = self._image.width(), self._image.height(), self._part
            box = QRectF(part.x() * w, part.y() * h, part.width() * w, part.height() * h)
            paint_rim(painter, box, field, field.width() / w, True)

    def paint_over(self, painter: QPainter, field: QRectF) -> None:
        """For what a kind of picture adds on top."""
