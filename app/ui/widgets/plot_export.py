"""A plot as a picture of its own: under a caption that says what the panel around it says, as pixels or as SVG."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import pyqtgraph as pg
from PySide6.QtCore import QBuffer, QIODevice, QRect, QRectF, QSize
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QTextDocument
from PySide6.QtWidgets import QApplication

from app.core import csv_export
from app.ui import theme

SHARP = 2  # pixels for one on screen
MARGIN = 8  # around the caption
RIGHT = 10  # beside the plot
LEAST = QSize(560, 320)  # of a plot: a panel may have less room than a reader needs


def pixels(plot: pg.PlotWidget, caption: str) -> QImage:
    """caption: rich text."""
    with _roomy(plot):
        above = _caption(plot, caption)
        made = QImage(_size(plot, above) * SHARP, QImage.Format.Format_RGB32)
        made.fill(QColor(theme.now.card))
        painter = QPainter(made)
        painter.scale(SHARP, SHARP)
        with _thicker(plot):
            _paint(painter, plot, above, SHARP)
        painter.end()
    return made


def png(plot: pg.PlotWidget, caption: str) -> bytes:
    into = QBuffer()
    into.open(QIODevice.OpenModeFlag.WriteOnly)
    pixels(plot, caption).save(into, "PNG")  # type: ignore[call-overload]  # the stub asks for bytes, Qt refuses them
    return bytes(into.data().data())


def svg(plot: pg.PlotWidget, caption: str) -> bytes:
    """By Qt, which clips curves at the axes since it writes SVG 1.1; pyqtgraph's exporter breaks on closed paths."""
    from PySide6.QtSvg import QSvgGenerator

    with _roomy(plot):
        above = _caption(plot, caption)
        size, into = _size(plot, above), QBuffer()
        into.open(QIODevice.OpenModeFlag.WriteOnly)
        device = QSvgGenerator(QSvgGenerator.SvgVersion.Svg11)
        device.setOutputDevice(into)
        device.setSize(size)
        device.setViewBox(QRect(0, 0, size.width(), size.height()))
        device.setResolution(plot.logicalDpiX())
        device.setTitle(plot.accessibleName())
        painter = QPainter(device)
        painter.fillRect(QRectF(0, 0, size.width(), size.height()), QColor(theme.now.card))
        _paint(painter, plot, above, 1)
        painter.end()
    return re.sub(rb'font-family="([^"]*)"', rb'font-family="\1, sans-serif"', into.data().data())


def _caption(plot: pg.PlotWidget, caption: str) -> QTextDocument:
    """With the machine below it."""
    where = csv_export.circumstances()
    machine = escape(f"{where['gpu'] or where['cpu']} · torch {where['torch']} · VSSM Sketchpad {where['version']}")
    made = QTextDocument()
    made.setDocumentMargin(MARGIN)
    made.setDefaultFont(QApplication.font())
    lines = [f'<span style="color:{theme.now.text}">{caption}</span>'] if caption else []
    made.setHtml("<br>".join([*lines, f'<span style="color:{theme.now.muted}">{machine}</span>']))
    made.setTextWidth(plot.viewport().width() + RIGHT)
    return made


def _size(plot: pg.PlotWidget, above: QTextDocument) -> QSize:
    return QSize(plot.viewport().width() + RIGHT, plot.viewport().height() + math.ceil(above.size().height()))


def _paint(painter: QPainter, plot: pg.PlotWidget, above: QTextDocument, scale: int) -> None:
    from pyqtgraph.exporters.Exporter import Exporter

    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    above.drawContents(painter)
    area = QRectF(plot.viewport().rect())
    exporter = Exporter(plot.plotItem)  # which makes symbols of lines, not of pixels
    ground = plot.backgroundBrush().color()
    how = {"painter": painter, "antialias": True, "background": ground, "resolutionScale": scale}
    exporter.setExportMode(True, how)
    try:
        plot.scene().render(painter, area.translated(0, math.ceil(above.size().height())), area)
    finally:
        exporter.setExportMode(False)


@contextmanager
def _roomy(plot: pg.PlotWidget) -> Iterator[None]:
    """As large as a picture ought to be; nothing is painted on screen meanwhile."""
    before = plot.size()
    try:
        plot.resize(before.expandedTo(LEAST))
        plot.grab()  # axes take the room they need when they are painted
        yield
    finally:
        plot.resize(before)


@contextmanager
def _thicker(plot: pg.PlotWidget) -> Iterator[None]:
    """Lines as thick as on screen: pyqtgraph draws them so many pixels wide, however small these are."""
    lines = [item for item in plot.plotItem.items if isinstance(item, pg.PlotDataItem) and item.opts["pen"] is not None]
    pens = [QPen(pg.mkPen(item.opts["pen"])) for item in lines]
    try:
        for item, pen in zip(lines, pens, strict=True):
            thick = QPen(pen)
            thick.setWidthF(pen.widthF() * SHARP)
            item.setPen(thick)
        yield
    finally:
        for item, pen in zip(lines, pens, strict=True):
            item.setPen(pen)
