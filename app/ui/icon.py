"""The program's icon, drawn: a seven, its upper half given in gold, its lower half completed in white."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

from app.ui.widgets import picture


def icon() -> QIcon:
    made = QIcon()
    for size in (16, 32, 64, 256):
        made.addPixmap(_pixmap(size))
    return made


def _pixmap(size: int) -> QPixmap:
    made = QPixmap(size, size)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size / 32, size / 32)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor("#11151b"))
    painter.drawRoundedRect(QRectF(1, 1, 30, 30), 6, 6)
    seven = [QPointF(8, 8), QPointF(24, 8), QPointF(14, 26)]
    for colour, part in ((picture.GOLD, QRectF(0, 0, 32, 16)), (picture.WHITE, QRectF(0, 16, 32, 16))):
        painter.setClipRect(part)
        painter.setPen(QPen(QColor(*colour), 4, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawPolyline(seven)
    painter.end()
    return made
