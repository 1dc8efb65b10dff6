"""What a model made of the sketch: one sample large, all samples below, and earlier runs to compare with."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from vssm import models

from .. import draw, runs, theme
from ..runs import Run
from .card import Card, OneLine, label

THUMB = 40
SMALL, LARGE, GAP = 64, 96, 6  # of samples in the gallery, where there is room; and what lies between them
OUTLINED = 40  # the least width of a sample for an outline to leave something of it
CLAMPED = "{} reads row by row from the top: pixels known further down cannot inform it before it gets there."
DRAFTS = (
    "Tokens a network call settles in each sample. Tokens are drafted in one call and verified in another, which "
    "accepts them up to the first that does not hold."
)
MIXTURE, INK = "Pixels: mean of the mixture", "Pixels: mean (how likely ink is)"
MEAN = (
    "This model draws all pixels independently of one another, given its latents. Shown is the expected colour of each "
    "pixel in place of a draw, which removes pixel noise."
)
EMPTY = "Sketch something, then press Complete (↵). The picture fills in here while the model works."


class Gallery(QWidget):
    """All samples of a run, as large as fits; `chosen` follows a click or an arrow key."""

    chosen = Signal(int)

    def __init__(self):
        super().__init__()
        self.setAccessibleName("Samples of this run")
        self.setAccessibleDescription("All samples of this run; arrow keys choose the one shown large.")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setToolTip("All samples of this run; click one to see it large")
        self._images, self._lines, self._current = [], [], 0
        self.frame = "#0069b0"

    def sizeHint(self) -> QSize:
        return QSize(300, 72)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 44 if self._images else 0)

    def show_samples(self, colours: np.ndarray | None, current: int, known: np.ndarray | None = None) -> None:
        """colours: [K, H, W, 3], or None for nothing. known: a region to be outlined."""
        self._images = [] if colours is None or len(colours) < 2 else [draw.qimage(c) for c in colours]
        self._lines = [] if known is None else draw.outline(known)
        self._current = current
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if self._images else Qt.FocusPolicy.NoFocus)
        self._bound()
        self.update()

    def resizeEvent(self, event) -> None:
        self._bound()

    def _bound(self) -> None:
        """Take no more height than there is use for, so that the large picture gets it."""
        columns = max(1, min(len(self._images), (self.width() + GAP) // (SMALL + GAP)))
        rows = math.ceil(len(self._images) / columns)
        side = min(LARGE, (self.width() + GAP) // columns - GAP)
        self.setMaximumHeight(rows * (side + GAP))

    def cells(self) -> list[QRectF]:
        """Where the samples lie: in rows from the top left."""
        K, w, h, gap = len(self._images), self.width(), self.height(), GAP
        if not K:
            return []
        aspect = self._images[0].width() / self._images[0].height()
        fits = []
        for columns in range(1, K + 1):
            rows = math.ceil(K / columns)
            high = min((h - (rows - 1) * gap) / rows, (w - (columns - 1) * gap) / columns / aspect)
            fits.append((min(high, LARGE), columns))
        high, columns = max(fits)
        wide = high * aspect
        return [
            QRectF(i % columns * (wide + gap), i // columns * (high + gap), wide, high).adjusted(2, 2, -2, -2)
            for i in range(K)
        ]

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        cells = self.cells()
        outline = self._outline(cells[0]) if cells and self._lines and cells[0].width() >= OUTLINED else None
        for i, (cell, image) in enumerate(zip(cells, self._images, strict=True)):
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, cell.width() < 2 * image.width())
            painter.drawImage(cell, image)
            if outline is not None:
                painter.drawPixmap(cell.topLeft(), outline)
            if i == self._current:
                painter.setPen(QPen(QColor(self.frame), 2.5))
                painter.drawRect(cell.adjusted(-1, -1, 1, 1))
        if self.hasFocus() and self._images:
            painter.setPen(QPen(self.palette().text().color(), 1, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _outline(self, cell: QRectF) -> QPixmap:
        """The known region's border, the same for all samples."""
        ratio = self.devicePixelRatioF()
        made = QPixmap((cell.size() * ratio).toSize())
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        scale = made.width() / self._images[0].width()
        draw.paint_outline(painter, self._lines, QRectF(made.rect()), scale, ratio)
        painter.end()
        made.setDevicePixelRatio(ratio)
        return made

    def mousePressEvent(self, event) -> None:
        for i, cell in enumerate(self.cells()):
            if cell.contains(event.position()):
                self.chosen.emit(i)

    def keyPressEvent(self, event) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(event.key())
        if step is None or not self._images:
            super().keyPressEvent(event)
        else:
            self.chosen.emit((self._current + step) % len(self._images))


class CompletionPanel(Card):
    """Shows one run; `run_chosen` asks for an earlier one, `sample_chosen` follows the choice of a sample."""

    run_chosen = Signal(int)
    sample_chosen = Signal()

    def __init__(self):
        super().__init__("Completion", "What the model made of the sketch")
        self.run: Run | None = None
        self._model = OneLine()
        self._model.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.header.addWidget(self._model, 100)
        self.picture = draw.Picture("Completion")
        self.body.addWidget(self.picture, 50)
        self._hint = label(EMPTY, "muted", wrap=True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        within = QVBoxLayout(self.picture)
        within.setContentsMargins(24, 0, 24, 0)
        within.addWidget(self._hint)
        self._figures: dict[str, QLabel] = {}
        self.body.addLayout(self._figure_row())
        self.pixels = label("", "muted", wrap=True)
        self.pixels.setToolTip(MEAN)
        self.drafts, self.note = label("", "muted", wrap=True), label("", "muted", wrap=True)
        self.drafts.setToolTip(DRAFTS)
        for one in (self.pixels, self.drafts, self.note):
            one.hide()
            self.body.addWidget(one)
        self.gallery = Gallery()
        self.gallery.chosen.connect(self.choose_sample)
        self.body.addWidget(self.gallery, 30)
        self.body.addStretch(1)
        thumbs = QWidget()
        self._earlier = QHBoxLayout(thumbs)
        self._earlier.setContentsMargins(0, 4, 0, 0)
        self._earlier.setSpacing(4)
        self._earlier_row = Column(label("Runs to compare, newest first", "muted"), thumbs)
        self._earlier_row.hide()
        self.body.addWidget(self._earlier_row)

    def _figure_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        for name, unit, tip in (
            ("seconds", "model's time", "The time the model itself worked, reading the prompt included"),
            ("calls", "network calls", "Network call: one forward pass of a network, whatever it covers"),
            ("rate", "tokens/s", "Tokens (here pixels) generated a second, over all samples"),
        ):
            value, caption = label("–", "number"), label(unit, "muted")
            for one in (value, caption):
                one.setToolTip(tip)
                one.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            cell = Column(value, caption)
            row.addWidget(cell, 1)
            self._figures[name] = value
        return row

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.picture.setMaximumHeight(max(140, self.width() - 24))

    def show_run(self, run: Run | None, colours: theme.Theme) -> None:
        """Draw a run as it stands; cheap enough to be called thirty times a second."""
        self.run = run
        self._hint.setVisible(run is None)
        if run is None:
            self.picture.show_picture(None, None)
            self.gallery.show_samples(None, 0)
            for one in (self.pixels, self.drafts, self.note):
                one.hide()
            self._model.setText("")
            for value in self._figures.values():
                value.setText("–")
            return
        known = run.request.prompt.known
        drawn = draw.compose(run.images, known, run.filled)
        colour = run.images.shape[-1] == 3
        self.picture.show_picture(drawn[run.shown], known, run.filled[run.shown] if colour else None)
        self.gallery.frame = colours.model(run.model)
        self.gallery.show_samples(drawn, run.shown, known if colour else None)
        sample = f"{run.shown + 1} of {run.request.samples}" if run.request.samples > 1 else ""
        name = f"{theme.sign(run.model, not run.variant)} {run.title}"
        self._model.setText(" · ".join(part for part in (name, run.state or sample) if part))
        self._model.setStyleSheet(f"color: {colours.model(run.model)}")
        self._figures["seconds"].setText(runs.seconds(run.seconds) if run.points else "–")
        self._figures["calls"].setText(f"{run.network_calls:,}" if run.points else "–")
        rate = run.tokens / run.seconds if run.tokens and run.seconds else 0
        self._figures["rate"].setText(runs.rate(rate).removesuffix(" tokens/s") if rate else "–")
        if run.finished and run.finished.prompt_seconds:
            self._figures["seconds"].setToolTip(
                f"{runs.seconds(run.finished.prompt_seconds)} for reading the prompt, "
                f"{runs.seconds(run.finished.seconds)} for writing the pixels"
            )
        self.pixels.setText(MIXTURE if colour else INK)
        self.pixels.setVisible(run.mean)
        self.drafts.setText(run.drafts)
        self.drafts.setVisible(bool(run.drafts))
        self.note.setText(CLAMPED.format(models.get(run.model).title))
        self.note.setVisible(bool(run.started and run.started.clamped))

    @Slot(int)
    def choose_sample(self, number: int) -> None:
        if self.run is not None and number < self.run.request.samples:
            self.run.shown = number
            self.sample_chosen.emit()

    def show_earlier(self, history: list[Run], colours: theme.Theme) -> None:
        """Thumbnails of the last runs, the newest first, to look at again."""
        while item := self._earlier.takeAt(0):
            if item.widget():
                item.widget().hide()  # deleted only when the event loop is reached
                item.widget().deleteLater()
        room = self.width() - 24
        shown = [r for r in reversed(history) if r.progress]
        lines = 1 + any(run.variant for run in shown)
        for run in shown:
            known = run.request.prompt.known
            thumb = QToolButton()
            thumb.setObjectName("thumb")
            thumb.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            thumb.setIcon(QIcon(draw.thumbnail(run.images[run.shown], known, run.filled[run.shown], THUMB)))
            thumb.setIconSize(QSize(THUMB, THUMB))
            seconds = f"{theme.sign(run.model, not run.variant)} {runs.seconds(run.seconds)}"
            thumb.setText("\n".join([seconds, run.variant][:lines]))
            thumb.setStyleSheet(f"color: {colours.model(run.model)}")
            thumb.setCheckable(True)
            thumb.setChecked(run is self.run)
            words = f"{run.title}, {run.request.samples} samples, {runs.seconds(run.seconds)}, seed {run.request.seed}"
            thumb.setToolTip(f"Look at this run again: {words}")
            thumb.setAccessibleName(f"Earlier run: {words}")
            thumb.setProperty("number", run.number)
            thumb.clicked.connect(self._choose_run)
            room -= thumb.sizeHint().width() + self._earlier.spacing()
            if room < 0:
                thumb.deleteLater()
                break
            self._earlier.addWidget(thumb)
        self._earlier.addStretch(1)
        self._earlier_row.setVisible(len(history) > 1)

    @Slot()
    def _choose_run(self) -> None:
        self.run_chosen.emit(self.sender().property("number"))


class Column(QWidget):
    """Widgets one under another, close together."""

    def __init__(self, *widgets: QWidget):
        super().__init__()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        for one in widgets:
            rows.addWidget(one)
