"""The sketch with its tools: what a person gives the models."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton

from vssm import data
from vssm.examples import examples
from vssm.prompt import Prompt

from .. import draw
from ..actions import Actions
from ..canvas import Canvas
from .card import Card, button, label

THUMB = 34
SIZES = 1, 8


class SketchPanel(Card):
    """Canvas, legend, tools, row slider and examples. `prompt_given` follows a click on an example and the
    letting go of the row slider."""

    prompt_given = Signal()

    def __init__(self, dataset: data.DataSet, prompt: Prompt, actions: Actions):
        super().__init__("Sketch", "The prompt: the pixels you give. The models fill the rest.")
        self.canvas = Canvas(dataset, prompt)
        self.canvas.changed.connect(self._changed)
        self._actions = actions
        for name in ("undo", "redo", "clear"):
            self.header.addWidget(button(actions[name]))
        self.body.addWidget(self.canvas, 100)
        self.body.addLayout(self._legend())
        self.body.addLayout(self._tools())
        self.body.addLayout(self._known())
        self._thumbs = QHBoxLayout()
        self._thumbs.setSpacing(4)
        self.body.addLayout(self._thumbs)
        self.body.addStretch(1)
        self.show_examples(dataset)
        self._changed()

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.canvas.setMaximumHeight(max(140, self.width() - 24))

    def _legend(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(5)
        swatches = (
            (np.full((1, 1, 3), draw.GOLD, np.uint8), "your ink", "Known pixels with ink"),
            (np.zeros((1, 1, 3), np.uint8), "known, empty", "Known pixels without ink: they stay empty"),
            (draw.OPEN[[[0, 1], [1, 0]]], "unknown", "Unknown pixels: the models fill them"),
        )
        for colours, text, tip in swatches:
            swatch = QLabel()
            swatch.setPixmap(QPixmap.fromImage(draw.qimage(colours).scaled(12, 12)))
            swatch.setToolTip(tip)
            words = label(text, "muted")
            words.setToolTip(tip)
            row.addWidget(swatch)
            row.addWidget(words)
            row.addSpacing(8)
        row.addStretch(1)
        return row

    def _tools(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        for action in self._actions.choices("choose_tool"):
            row.addWidget(button(action))
        row.addStretch(1)
        self.pen = QSlider(Qt.Orientation.Horizontal)
        self.pen.setRange(*SIZES)
        self.pen.setValue(self.canvas.pen)
        self.pen.setFixedWidth(54)
        self.pen.setAccessibleName("Pen size")
        self.pen.valueChanged.connect(self._resize)
        self._size_text = label("", "muted")
        self._resize(self.canvas.pen)
        row.addWidget(self._size_text)
        row.addWidget(self.pen)
        return row

    def _known(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        self._rows_text = label("Known: free form")
        self._rows_text.setMinimumWidth(self._rows_text.sizeHint().width())
        self.rows = QSlider(Qt.Orientation.Horizontal)
        self.rows.setRange(0, self.canvas.sketch.pixels.shape[0])
        self.rows.setAccessibleName("Known rows")
        self.rows.setToolTip("Exactly the upper rows become known; the models complete the rest")
        self.rows.valueChanged.connect(self._set_rows)
        self.rows.sliderReleased.connect(self.prompt_given)
        row.addWidget(self._rows_text)
        row.addWidget(self.rows, 1)
        row.addWidget(button(self._actions["know_all"], "All"))
        row.addWidget(button(self._actions["know_none"], "None"))
        return row

    def turn_to(self, dataset: data.DataSet, prompt: Prompt) -> None:
        """Begin a new sketch, of pictures of another data set."""
        self.rows.blockSignals(True)
        self.rows.setRange(0, dataset.height)
        self.rows.blockSignals(False)
        self.canvas.load(prompt)
        self.show_examples(dataset)

    def show_examples(self, dataset: data.DataSet) -> None:
        """Thumbnails of that data set's example prompts."""
        while item := self._thumbs.takeAt(0):
            if item.widget():
                item.widget().hide()
                item.widget().deleteLater()
        self.thumbs: list[QToolButton] = []
        for example in examples(dataset):
            prompt = example.prompt
            colours = draw.compose(prompt.pixels[None], prompt.known, prompt.known)[0]
            thumb = QToolButton()
            thumb.setObjectName("thumb")
            thumb.setIcon(QIcon(draw.pixmap(colours, THUMB, 2)))
            thumb.setIconSize(QSize(THUMB, THUMB))
            thumb.setToolTip(f"Example: {example.title}")
            thumb.setAccessibleName(f"Example: {example.title}")
            thumb.setProperty("example", example)
            thumb.clicked.connect(self._take)
            self._thumbs.addWidget(thumb)
            self.thumbs.append(thumb)
        self._thumbs.addStretch(1)

    @Slot()
    def _take(self) -> None:
        example = self.sender().property("example")
        self.canvas.change("example", self.canvas.sketch.take, example.prompt)
        self.prompt_given.emit()

    @Slot(int)
    def _resize(self, size: int) -> None:
        self.canvas.pen = size
        self._size_text.setText(f"size {size}")
        self.pen.setToolTip(f"Width of the pen: {size} pixels")
        self.canvas.update()

    @Slot(int)
    def _set_rows(self, rows: int) -> None:
        sketch = self.canvas.sketch
        self.canvas.change("rows", sketch.set_known, sketch.prompt.with_rows(rows).known)

    @Slot()
    def _changed(self) -> None:
        """Let slider and buttons say what the sketch is."""
        sketch = self.canvas.sketch
        known = sketch.known
        self.rows.blockSignals(True)
        self.rows.setValue(sketch.rows)
        self.rows.blockSignals(False)
        exact = known.sum() == sketch.rows * known.shape[1]
        self._rows_text.setText(f"Known rows {sketch.rows}" if exact else "Known: free form")
        self._actions["undo"].setEnabled(sketch.can_undo)
        self._actions["redo"].setEnabled(sketch.can_redo)
