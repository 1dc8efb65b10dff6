"""The sketch with its tools: what a person gives the models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QSignalBlocker, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QColorDialog, QHBoxLayout, QSlider, QToolButton, QWidget

from app.core.dataset_settings import DatasetSettings
from app.core.sketch import COLOUR_TOOLS, SIZES, TOOLS
from app.ui.actions import Actions
from app.ui.widgets import picture
from app.ui.widgets.canvas import Canvas
from app.ui.widgets.card import Card, button, configured, emptied, filled, label, spaced, thumb
from app.ui.widgets.palette import COLOURS, Palette, name, swatch
from app.ui.widgets.picture import Picture
from vssm import data, prompt_advice
from vssm.files.examples import examples
from vssm.prompt import Prompt

THUMB = 30
LEAST, LARGEST = 140, 10_000  # pixels, of the sketch on screen
PAINTING = ("brush", *COLOUR_TOOLS, "eraser")  # the other tools say what is known
INK = 26  # the present colour on its button


class SketchPanel(Card):
    """Canvas, legend, tools, colours, row slider and examples. `prompt_given` follows a click on an example and the
    letting go of the row slider."""

    prompt_given = Signal()

    def __init__(self, dataset: data.DataSet, settings: DatasetSettings, actions: Actions):
        super().__init__("Sketch", "The prompt: the pixels you give. The models fill the rest.")
        self.canvas = Canvas(dataset, settings.sketch)
        self.canvas.changed.connect(self._changed)
        self.canvas.lifted.connect(self._fit)
        self.canvas.picked.connect(self._picked)
        self._most = LARGEST  # pixels: the side of the sketch
        self._bound = QTimer(self, interval=0, singleShot=True)
        self._bound.timeout.connect(self.measure)
        self._painting_tool = "brush"  # that the eyedropper gives way to
        self._actions = actions
        self.header.addWidget(button(actions["open_picture"], "Open…"))
        for one in ("undo", "redo", "clear"):
            self.header.addWidget(button(actions[one]))
        self.body.addWidget(self.canvas, 100)
        self._legend_row = spaced(QHBoxLayout(), 5)
        self.body.addLayout(self._legend_row)
        self._buttons: dict[str, QToolButton] = {}
        self.body.addLayout(self._painting())
        self.body.addWidget(self._colours())
        self.body.addLayout(self._marking())
        self.body.addLayout(self._known())
        self._thumbs = spaced(QHBoxLayout(), 4)
        self.body.addLayout(self._thumbs)
        self.body.addStretch(1)
        self.turn_to(dataset, settings)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._fit()

    def stay_smaller(self, other: Picture, least: Callable[[], float]) -> None:
        """Let the sketch be one size smaller than a picture at its least side, as this was laid out last."""
        self._larger, self._least = other, least
        other.resized.connect(self._bound.start)

    @Slot()
    def measure(self) -> None:
        """Take the size of that picture as the bound, while it is in sight."""
        if self._larger.isVisible():  # else its size may be one from when panels came and went
            pixels = max(self._data.height, self._data.width)
            self._most = int(self._least()) // pixels * pixels - 1
            self._fit()

    @Slot()
    def _fit(self) -> None:
        if self.canvas.drawing:
            return
        self.canvas.setMinimumSize(0, 0)
        self.canvas.setMaximumSize(LARGEST, max(LEAST, min(self._most, self.width() - 24)))

    def _show_legend(self, colour: bool) -> None:
        row = self._legend_row
        emptied(row)
        hatched = QImage(12, 12, QImage.Format.Format_RGB32)
        painter = QPainter(hatched)
        painter.fillRect(hatched.rect(), picture.hatch())
        painter.end()
        if colour:
            outlined = np.full((12, 12, 3), (120, 150, 110), np.uint8)
            outlined[[0, 1, -2, -1]] = outlined[:, [0, 1, -2, -1]] = picture.GOLD
            swatches: tuple[tuple[QImage, str, str], ...] = (
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
            spot = configured(label(""), pixmap=QPixmap.fromImage(image.scaled(12, 12)), toolTip=tip)
            filled(row, spot, configured(label(text, "muted"), toolTip=tip))
            row.addSpacing(8)
        row.addStretch(1)

    def _tool(self, value: str) -> QToolButton:
        self._buttons[value] = button(self._actions["choose_tool", value])
        return self._buttons[value]

    def _painting(self) -> QHBoxLayout:
        self.pen = configured(QSlider(Qt.Orientation.Horizontal), accessibleName="Pen size")
        self.pen.setRange(*SIZES)
        self.pen.setValue(self.canvas.pen)
        self.pen.setMinimumWidth(36)  # so that no data set needs more width than another
        self.pen.setMaximumWidth(54)
        self.pen.valueChanged.connect(self._resize)
        self._size_text = label("", "muted")
        self._resize(self.canvas.pen)
        return filled(spaced(QHBoxLayout(), 4), *map(self._tool, PAINTING), None, self._size_text, self.pen)

    def _colours(self) -> QWidget:
        self.colours = QWidget()
        self.ink = button(self._actions["choose_colour"])
        self.ink.setObjectName("thumb")
        self.ink.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.ink.setIconSize(QSize(INK, INK))
        self.palette_ = Palette()
        self.palette_.chosen.connect(self.use)
        filled(spaced(QHBoxLayout(self.colours), 6), self.ink, (self.palette_, 1))
        return self.colours

    def _marking(self) -> QHBoxLayout:
        tools = [self._tool(value) for value in TOOLS if value not in PAINTING]
        all_, none = button(self._actions["know_all"], "All"), button(self._actions["know_none"], "None")
        return filled(spaced(QHBoxLayout(), 4), *tools, None, all_, none)

    def _known(self) -> QHBoxLayout:
        self._rows_text = label("Known: free form")
        self._rows_text.setMinimumWidth(self._rows_text.sizeHint().width())
        tip = "Exactly the upper rows become known; the models complete the rest"
        self.rows = configured(QSlider(Qt.Orientation.Horizontal), accessibleName="Known rows", toolTip=tip)
        self.rows.setRange(0, self.canvas.sketch.pixels.shape[0])
        self.rows.valueChanged.connect(self._set_rows)
        self.rows.sliderReleased.connect(self.prompt_given)
        return filled(spaced(QHBoxLayout(), 4), self._rows_text, (self.rows, 1))

    def turn_to(self, dataset: data.DataSet, settings: DatasetSettings) -> None:
        """Go on with the sketch of a data set."""
        self._data, self._settings = dataset, settings
        self._bound.start()  # as another data set's pixels are of another size
        colour = dataset.channels == 3
        for value in COLOUR_TOOLS:
            self._buttons[value].setVisible(colour)
        self.colours.setVisible(colour)
        self._show_legend(colour)
        with QSignalBlocker(self.rows):
            self.rows.setRange(0, dataset.height)
        settings.sketch.pixels = self._read(settings.sketch.pixels)  # an old session may have other values
        self.canvas.load(dataset, settings.sketch)
        self._show_ink()
        self.show_examples(dataset)

    def _show_ink(self) -> None:
        """Draw in the present colour, and say which it is."""
        settings = self._settings
        self.canvas.ink = settings.ink
        if len(settings.ink) == 3:
            action = self._actions["choose_colour"]
            action.setIcon(swatch(settings.ink, INK))
            action.setToolTip(f"The pen's colour is {name(settings.ink)}; click for any other (C)")
            self.ink.setAccessibleName(f"Colour: {name(settings.ink)}")
            self.palette_.show_colours(settings.ink, settings.recent)

    def show_examples(self, dataset: data.DataSet) -> None:
        """Thumbnails of that data set's example prompts."""
        emptied(self._thumbs)
        self.thumbs: list[QToolButton] = []
        for example in examples(dataset):
            prompt, words = example.prompt, f"Example: {example.title}"
            small = picture.thumbnail(prompt.pixels, prompt.known, prompt.known, THUMB)
            self.thumbs.append(thumb(small, words, words, self._take))
            self.thumbs[-1].setProperty("example", example)
            self._thumbs.addWidget(self.thumbs[-1])
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

    # --- tools and colours

    def choose_tool(self, name: str) -> None:
        if name in ("brush", "fill"):
            self._painting_tool = name
        self.canvas.tool = name

    def turn_tool(self, name: str) -> None:
        """Choose a tool, and let its button say so."""
        self._actions["choose_tool", name].setChecked(True)
        self.choose_tool(name)

    def ask_colour(self) -> None:
        """Ask for any colour."""
        dialog = QColorDialog(QColor(*self._settings.ink), self.window())
        dialog.setWindowTitle("Colour to draw with")
        dialog.setOption(QColorDialog.ColorDialogOption.DontUseNativeDialog)  # alike on every desktop
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(self._colour_chosen)
        dialog.open()

    @Slot(QColor)
    def _colour_chosen(self, colour: QColor) -> None:
        self.use((colour.red(), colour.green(), colour.blue()), True)

    @Slot(tuple)
    def _picked(self, ink: tuple[int, ...]) -> None:
        """The eyedropper took a colour: it gives way to the tool that paints."""
        self.use(ink, True)
        if self.canvas.tool == "pick":
            self.turn_tool(self._painting_tool)

    @Slot(tuple)
    def use(self, ink: tuple[int, ...], remember: bool = False) -> None:
        """Draw in that colour; it may be remembered where the palette does not have it."""
        self._settings.use_ink(ink, remember and ink not in COLOURS.values())
        self._show_ink()

    def step_colour(self, by: int) -> None:
        """To the palette's next colour, or the one before."""
        colours = self.palette_.colours
        at = colours.index(self._settings.ink) if self._settings.ink in colours else -1 if by > 0 else 0
        self.use(colours[(at + by) % len(colours)])

    # --- the sketch as a whole

    def clear(self) -> None:
        self.canvas.change("clear", self.canvas.sketch.clear)

    def know(self, known: bool) -> None:
        """Mark all pixels as known, or none."""
        sketch = self.canvas.sketch
        self.canvas.change("known", sketch.set_known, np.full_like(sketch.known, known))

    def centre(self) -> None:
        """Move and size the ink as MNIST's digits are, as one step of the sketch's history."""
        sketch = self.canvas.sketch
        self.canvas.change("centre", sketch.replace_ink, prompt_advice.centred(sketch.prompt))
        self.prompt_given.emit()

    @Slot(int)
    def _resize(self, size: int) -> None:
        self.canvas.pen = size
        self._size_text.setText(f"{size} px")
        self.pen.setToolTip(f"Width of the pen: {size} pixels")
        self.canvas.update()

    @Slot(int)
    def _set_rows(self, rows: int) -> None:
        sketch = self.canvas.sketch
        self.canvas.change("rows", sketch.set_known, sketch.prompt.with_rows(rows).known)

    @Slot()
    def _changed(self) -> None:
        """Let slider and buttons say what the sketch is. No pixel moves under the pen, whatever panels do."""
        if self.canvas.drawing:
            self.canvas.setFixedSize(self.canvas.size())
        sketch = self.canvas.sketch
        known = sketch.known
        with QSignalBlocker(self.rows):
            self.rows.setValue(sketch.rows)
        exact = known.sum() == sketch.rows * known.shape[1]
        self._rows_text.setText(f"Known rows {sketch.rows}" if exact else "Known: free form")
