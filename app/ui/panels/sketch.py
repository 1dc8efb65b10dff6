"""The sketch with its tools: what a person gives the models."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QSlider, QToolButton, QWidget

from app.core.dataset_settings import Desk
from app.core.sketch import COLOUR_TOOLS, SIZES, TOOLS
from app.ui.actions import Actions
from app.ui.widgets import picture
from app.ui.widgets.canvas import Canvas
from app.ui.widgets.card import Card, button, label
from app.ui.widgets.palette import Palette, name, swatch
from app.ui.words import plain_tip
from vssm import data
from vssm.files.examples import examples
from vssm.prompt import Prompt

THUMB = 34
PAINTING = ("brush", *COLOUR_TOOLS, "eraser")  # the other tools say what is known
INK = 26  # the present colour on its button


class SketchPanel(Card):
    """Canvas, legend, tools, colours, row slider and examples. `prompt_given` follows a click on an example and the
    letting go of the row slider; `ink_chosen` a colour, and whether it is to be remembered."""

    prompt_given = Signal()
    ink_chosen = Signal(tuple, bool)

    def __init__(self, dataset: data.DataSet, desk: Desk, actions: Actions):
        super().__init__("Sketch", "The prompt: the pixels you give. The models fill the rest.")
        self.canvas = Canvas(dataset, desk.sketch)
        self.canvas.changed.connect(self._changed)
        self._actions = actions
        self.header.addWidget(button(actions["open_picture"], "Open…"))
        for one in ("undo", "redo", "clear"):
            self.header.addWidget(button(actions[one]))
        self.body.addWidget(self.canvas, 100)
        self._legend_row = QHBoxLayout()
        self._legend_row.setSpacing(5)
        self.body.addLayout(self._legend_row)
        self._buttons: dict[str, QToolButton] = {}
        self.body.addLayout(self._painting())
        self.body.addWidget(self._colours())
        self.body.addLayout(self._marking())
        self.body.addLayout(self._known())
        self._thumbs = QHBoxLayout()
        self._thumbs.setSpacing(4)
        self.body.addLayout(self._thumbs)
        self.body.addStretch(1)
        self.turn_to(dataset, desk)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.canvas.setMaximumHeight(max(140, self.width() - 24))

    def _show_legend(self, colour: bool) -> None:
        row = self._legend_row
        _empty(row)
        hatched = QImage(12, 12, QImage.Format.Format_RGB32)
        painter = QPainter(hatched)
        painter.fillRect(hatched.rect(), picture.hatch())
        painter.end()
        if colour:
            outlined = np.full((12, 12, 3), (120, 150, 110), np.uint8)
            outlined[[0, 1, -2, -1]] = outlined[:, [0, 1, -2, -1]] = picture.GOLD
            swatches = (
                (picture.qimage(outlined), "known, outlined", "Known pixels: the models keep them as they are"),
                (hatched, "unknown", "Unknown pixels: the models fill them"),
            )
        else:
            gold, black = np.full((1, 1, 3), picture.GOLD, np.uint8), np.zeros((1, 1, 3), np.uint8)
            swatches = (
                (picture.qimage(gold), "your ink", "Known pixels with ink"),
                (picture.qimage(black), "known, empty", "Known pixels without ink: they stay empty"),
                (picture.qimage(picture.OPEN[[[0, 1], [1, 0]]]), "unknown", "Unknown pixels: the models fill them"),
            )
        for image, text, tip in swatches:
            spot = label("")
            spot.setPixmap(QPixmap.fromImage(image.scaled(12, 12)))
            spot.setToolTip(tip)
            words = label(text, "muted")
            words.setToolTip(tip)
            row.addWidget(spot)
            row.addWidget(words)
            row.addSpacing(8)
        row.addStretch(1)

    def _tool(self, value: str) -> QToolButton:
        self._buttons[value] = button(self._actions["choose_tool", value], "Pick" if value == "pick" else "")
        return self._buttons[value]

    def _painting(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        for value in PAINTING:
            row.addWidget(self._tool(value))
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

    def _colours(self) -> QWidget:
        self.colours = QWidget()
        row = QHBoxLayout(self.colours)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self.ink = button(self._actions["choose_colour"])
        self.ink.setObjectName("thumb")
        self.ink.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.ink.setIconSize(QSize(INK, INK))
        self.palette_ = Palette()
        self.palette_.chosen.connect(self._palette_chosen)
        row.addWidget(self.ink)
        row.addWidget(self.palette_, 1)
        return self.colours

    def _marking(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        for value in TOOLS:
            if value not in PAINTING:
                row.addWidget(self._tool(value))
        row.addStretch(1)
        row.addWidget(button(self._actions["know_all"], "All"))
        row.addWidget(button(self._actions["know_none"], "None"))
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
        return row

    def turn_to(self, dataset: data.DataSet, desk: Desk) -> None:
        """Go on with the sketch of a data set."""
        self._data = dataset
        colour = dataset.channels == 3
        for value in COLOUR_TOOLS:
            self._buttons[value].setVisible(colour)
        self.colours.setVisible(colour)
        self._show_legend(colour)
        self.rows.blockSignals(True)
        self.rows.setRange(0, dataset.height)
        self.rows.blockSignals(False)
        desk.sketch.pixels = self._read(desk.sketch.pixels)  # an old session may have other values
        self.canvas.load(dataset, desk.sketch)
        self.show_ink(desk)
        self.show_examples(dataset)

    def show_ink(self, desk: Desk) -> None:
        """Draw in the desk's colour, and say which it is."""
        self.canvas.ink = desk.ink
        if len(desk.ink) == 3:
            action = self._actions["choose_colour"]
            action.setIcon(swatch(desk.ink, INK))
            action.setToolTip(f"The pen's colour is {name(desk.ink)}; click for any other (C)")
            self.ink.setAccessibleName(f"Colour: {name(desk.ink)}")
            self.palette_.show_colours(desk.ink, desk.recent)

    def show_examples(self, dataset: data.DataSet) -> None:
        """Thumbnails of that data set's example prompts."""
        _empty(self._thumbs)
        self.thumbs: list[QToolButton] = []
        for example in examples(dataset):
            prompt = example.prompt
            thumb = QToolButton()
            thumb.setObjectName("thumb")
            thumb.setIcon(QIcon(picture.thumbnail(prompt.pixels, prompt.known, prompt.known, THUMB)))
            thumb.setIconSize(QSize(THUMB, THUMB))
            thumb.setToolTip(plain_tip(f"Example: {example.title}"))
            thumb.setAccessibleName(f"Example: {example.title}")
            thumb.setProperty("example", example)
            thumb.clicked.connect(self._take)
            self._thumbs.addWidget(thumb)
            self.thumbs.append(thumb)
        self._thumbs.addStretch(1)

    @Slot()
    def _take(self) -> None:
        example = self.sender().property("example")
        self.give(example.prompt, "example")

    def give(self, prompt: Prompt, kind: str) -> None:
        """Put a whole prompt into the sketch, as one step of its history; in values that the models read, so that what
        is shown is what they get."""
        prompt = Prompt(self._read(prompt.pixels), prompt.known)
        self.canvas.change(kind, self.canvas.sketch.take, prompt)
        self.prompt_given.emit()

    def _read(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels as the models read them."""
        return data.to_pixels(data.to_values(pixels, self._data), self._data)

    @Slot(tuple)
    def _palette_chosen(self, ink: tuple[int, ...]) -> None:
        self.ink_chosen.emit(ink, False)

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


def _empty(row: QHBoxLayout) -> None:
    """Take everything out of it."""
    while item := row.takeAt(0):
        if item.widget():
            item.widget().hide()  # deleted only when the event loop is reached
            item.widget().deleteLater()
