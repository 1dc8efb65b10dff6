"""A picture from outside before it is used: which part of it, and what becomes of that part at the data set's size."""

from __future__ import annotations

import numpy as np
from PIL import Image
from PySide6.QtCore import QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from app.ui.pointer import Contact, Pointer
from app.ui.widgets import picture
from app.ui.widgets.card import configured, filled, label, scrolled, spaced
from vssm import data as data_sets
from vssm import prompt_advice
from vssm.data import DataSet
from vssm.files import image as images
from vssm.prompt import Prompt

LEAST = 8  # pixels of the picture: the smallest side of the crop
GRIP = 12  # screen pixels: how near to a corner or an edge counts as on it
VEIL = 140  # of 255: how much is seen of unknown pixels in the preview
STEPS = 1000  # of the size slider
KEEP, HALF, ALL = "as in the sketch now", "upper half", "the whole picture"


_SHAPES = Qt.CursorShape
CURSORS = {  # by the edges that are held
    "": _SHAPES.ArrowCursor,
    "m": _SHAPES.SizeAllCursor,
    **dict.fromkeys("lr", _SHAPES.SizeHorCursor),
    **dict.fromkeys("tb", _SHAPES.SizeVerCursor),
    **dict.fromkeys(("lt", "rb"), _SHAPES.SizeFDiagCursor),
    **dict.fromkeys(("rt", "lb"), _SHAPES.SizeBDiagCursor),
}


class Cropper(QWidget):
    """The picture with a frame of the data set's shape, which is moved by dragging or arrow keys, and resized by its
    edges and corners, the wheel, + and −. `changed` follows every change."""

    changed = Signal()

    def __init__(self, image: Image.Image, data: DataSet):
        self._pointer = Pointer(self, direct=True)
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_AcceptTouchEvents)
        self.setAccessibleName("Crop")
        self.setAccessibleDescription("Arrow keys move the frame, plus and minus resize it.")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._picture = picture.qimage(np.asarray(image))
        self._size, self._aspect = image.size, data.width / data.height
        self.most = min(image.width / self._aspect, image.height)  # of the height of the frame
        self.least = min(LEAST, self.most)
        self.high = self.most
        self.left, self.top = (image.width - self.wide) / 2, (image.height - self.high) / 2
        self._before = self.left, self.top, self.high  # the frame when it was taken
        self._drag = "", QPointF(), QRectF()  # what is held, where it was taken, the frame then

    def sizeHint(self) -> QSize:
        return QSize(460, 400)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, 200)

    @property
    def wide(self) -> float:
        return self.high * self._aspect

    @property
    def box(self) -> images.Box:
        """What is cut out, in pixels of the picture."""
        right, bottom = min(self.left + self.wide, self._size[0]), min(self.top + self.high, self._size[1])
        return self.left, self.top, right, bottom

    def field(self) -> QRectF:
        """Where the picture lies in the widget."""
        w, h = self._size
        scale = min(self.width() / w, self.height() / h)
        return QRectF((self.width() - w * scale) / 2, (self.height() - h * scale) / 2, w * scale, h * scale)

    @property
    def scale(self) -> float:
        return self.field().width() / self._size[0]

    def frame(self) -> QRectF:
        """Where the crop lies in the widget."""
        field, scale = self.field(), self.scale
        return QRectF(
            field.left() + self.left * scale, field.top() + self.top * scale, self.wide * scale, self.high * scale
        )

    def place(self, x: float, y: float, high: float) -> None:
        """Put the frame there, as far as it lies in the picture."""
        self.high = min(max(high, self.least), self.most)
        self.left = min(max(x, 0.0), self._size[0] - self.wide)
        self.top = min(max(y, 0.0), self._size[1] - self.high)
        self.update()
        self.changed.emit()

    def resize_to(self, high: float) -> None:
        """The same middle, another size."""
        high = min(max(high, self.least), self.most)
        x = self.left + (self.wide - high * self._aspect) / 2
        self.place(x, self.top + (self.high - high) / 2, high)

    def _held(self, point: QPointF) -> str:
        """Edges near that point, as letters of l, r, t, b; "m" inside, "" outside."""
        frame = self.frame()
        if not frame.adjusted(-GRIP, -GRIP, GRIP, GRIP).contains(point):
            return ""
        grip = min(GRIP, frame.width() / 4)
        from_first, from_last = point - frame.topLeft(), frame.bottomRight() - point
        away = {"l": from_first.x(), "r": from_last.x(), "t": from_first.y(), "b": from_last.y()}
        return "".join(edge for edge, distance in away.items() if distance < grip) or "m"

    def event(self, event) -> bool:
        return self._pointer.takes(event) or super().event(event)

    def pointer_pressed(self, contact: Contact) -> bool:
        if contact.button != Qt.MouseButton.LeftButton:
            return False
        self._before = self.left, self.top, self.high
        held = self._held(contact.position)
        if not held:  # outside: the frame comes there, and is held by its middle
            spot = (contact.position - self.field().topLeft()) / self.scale
            self.place(spot.x() - self.wide / 2, spot.y() - self.high / 2, self.high)
            held = "m"
        self._drag = held, contact.position, QRectF(self.left, self.top, self.wide, self.high)
        return True

    def mouseMoveEvent(self, event) -> None:
        if not self._pointer.down:
            self.setCursor(CURSORS[self._held(event.position())])

    def pointer_moved(self, contact: Contact) -> None:
        held, taken, frame = self._drag
        moved = (contact.position - taken) / self.scale
        if held == "m":
            self.place(frame.x() + moved.x(), frame.y() + moved.y(), frame.height())
        else:
            self._pull(held, moved, frame)

    def _pull(self, held: str, moved: QPointF, frame: QRectF) -> None:
        """Resize by edges, the opposite corner or edge staying where it is."""
        across = {"l": -moved.x(), "r": moved.x()}
        down = {"t": -moved.y(), "b": moved.y()}
        grown = [across[e] / self._aspect for e in held if e in across] + [down[e] for e in held if e in down]
        high = frame.height() + max(grown, key=abs)
        fits_x = frame.right() if "l" in held else self._size[0] - frame.left() if "r" in held else self._size[0]
        fits_y = frame.bottom() if "t" in held else self._size[1] - frame.top() if "b" in held else self._size[1]
        high = min(max(high, self.least), fits_x / self._aspect, fits_y)
        wide = high * self._aspect
        x = frame.right() - wide if "l" in held else frame.left() if "r" in held else frame.center().x() - wide / 2
        y = frame.bottom() - high if "t" in held else frame.top() if "b" in held else frame.center().y() - high / 2
        self.place(x, y, high)

    def pointer_released(self, contact: Contact) -> None:
        self.pointer_moved(contact)

    def pointer_interrupted(self) -> None:
        """The frame stays where it is."""

    def pointer_cancelled(self) -> None:
        self.place(*self._before)

    def wheelEvent(self, event) -> None:
        self.resize_to(self.high * 0.9 ** (event.angleDelta().y() / 120))

    def keyPressEvent(self, event) -> None:
        step = self.high / 32 * (8 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
        if event.key() in picture.ARROWS:
            dx, dy = picture.ARROWS[event.key()]
            self.place(self.left + dx * step, self.top + dy * step, self.high)
        elif event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.resize_to(self.high * 1.1)
        elif event.key() == Qt.Key.Key_Minus:
            self.resize_to(self.high / 1.1)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        field, frame = self.field(), self.frame()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.scale < 2)
        painter.drawImage(field, self._picture)
        around = QPainterPath()
        around.addRect(field)
        around.addRect(frame)  # odd-even: only what lies outside
        painter.fillPath(around, QColor(10, 12, 16, 150))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, width in ((QColor(0, 0, 0, 170), 4), (QColor(picture.OUTLINE), 2)):
            painter.setPen(QPen(colour, width))
            painter.drawRect(frame)
        painter.setBrush(QColor(picture.OUTLINE))
        painter.setPen(QPen(QColor(0, 0, 0, 190), 1))
        for corner in (frame.topLeft(), frame.topRight(), frame.bottomLeft(), frame.bottomRight()):
            painter.drawRect(QRectF(corner.x() - 4, corner.y() - 4, 8, 8))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor("white"), 1, Qt.PenStyle.DotLine))
            painter.drawRect(frame.adjusted(4, 4, -4, -4))


class CropDialog(QDialog):
    """`prompt` is what would be used; `known` says which pixels count as known in the sketch now. `other_data` asks for
    the same picture to be used for another data set."""

    other_data = Signal(str)

    def __init__(self, brought: images.Picture, data: DataSet, known: np.ndarray, parent: QWidget | None = None):
        super().__init__(parent)
        self.setWindowTitle("Use part of a picture")
        self.brought, self._data, self._known = brought, data, known
        self._other = next((d for d in data_sets.DATA_SETS.values() if d.channels == 3), None)
        self.cropper = Cropper(brought.image, data)
        self.cropper.changed.connect(self._show)
        self.preview = picture.Picture("The sketch as it will be")
        self.preview.setFixedSize(256, round(256 * data.height / data.width))
        words = "Size of the part that is used"
        self.size_ = configured(
            QSlider(Qt.Orientation.Horizontal), maximum=STEPS, accessibleName="Size of the crop", toolTip=words
        )
        self.size_.valueChanged.connect(self._resize)
        words = "Which pixels the models must keep; they fill the others"
        self.which = configured(QComboBox(), accessibleName="Known pixels", toolTip=words)
        self.which.addItems([HALF, ALL, *([KEEP] if known.any() else [])])
        self.which.currentIndexChanged.connect(self._show)
        self.invert = QCheckBox("Invert: dark ink on light paper")
        self.invert.setVisible(data.channels == 1)
        self.invert.setChecked(data.channels == 1 and images.is_on_paper(brought.image))
        self.invert.toggled.connect(self._show)
        self.centre = QCheckBox(f"Centre and size as {data.title}'s digits are")
        self.centre.setToolTip("Makes the ink 20 pixels large, with the middle of its weight in the middle")
        self.centre.setVisible(data.num_values == 2)
        self.centre.toggled.connect(self._show)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.button(QDialogButtonBox.StandardButton.Ok).setText("Use it")
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)

        words = "{:,} × {:,} pixels. Drag the frame, its edges or its corners; the wheel resizes it."
        size = label(words.format(*brought.size), "muted", wrap=True)
        self._says, self.advice, self.offer = label("", "muted", wrap=True), label("", wrap=True), QPushButton()
        self.offer.clicked.connect(self._turn)
        self._photograph = data.channels == 1 and self._other is not None and images.is_colourful(brought.image)
        self.offer.setVisible(self._photograph)
        if self._other is not None:
            self.offer.setText(f"In colour: use it for {self._other.title}")
        beside = QWidget()
        filled(
            spaced(QVBoxLayout(beside), 8),
            label(f"At {data.width} × {data.height}, as it will be used"),
            self.preview,
            label("Size of the part that is used", "muted"),
            self.size_,
            label("Known pixels", "muted"),
            self.which,
            self.invert,
            self.centre,
            self._says,
            self.advice,
            self.offer,
            None,
        )
        side = scrolled(beside)  # on a small screen the buttons can be reached, too
        side.setFixedWidth(self.preview.width() + side.verticalScrollBar().sizeHint().width() + 4)
        columns = filled(spaced(QHBoxLayout(), 14), (filled(QVBoxLayout(), (self.cropper, 1), size), 1), side)
        filled(QVBoxLayout(self), (columns, 1), buttons)
        self.resize(880, 600)
        self.cropper.setFocus()
        self._show()

    @property
    def prompt(self) -> Prompt:
        pixels = self._pixels
        known = {
            KEEP: self._known,
            HALF: np.arange(self._data.height)[:, None].repeat(self._data.width, 1) < self._data.height // 2,
            ALL: np.ones_like(self._known),
        }
        return Prompt(pixels, known[self.which.currentText()].copy())

    @property
    def _pixels(self) -> np.ndarray:
        """The part that is used, at the data set's size."""
        image, box, invert = self.brought.image, self.cropper.box, self.invert.isChecked()
        if self._data.num_values == 2 and self.centre.isChecked():
            left, top, right, bottom = (round(edge) for edge in box)
            return images.cut_centred(image.crop((left, top, right, bottom)), invert)
        return images.cut(image, box, self._data, invert)

    @Slot()
    def _turn(self) -> None:
        assert self._other is not None
        self.other_data.emit(self._other.name)

    @Slot()
    def _show(self) -> None:
        prompt = self.prompt
        known = prompt.known
        colours = picture.compose(prompt.pixels[None], known & False, known | True)[0]
        self.preview.show_picture(colours, known, known, VEIL)
        self._says.setText(
            "Every pixel is known: mark some as unknown before completing."
            if known.all()
            else f"{int(known.sum()):,} of {known.size:,} pixels are known. The others (hatched) are kept too, and "
            "come back when you mark them as known."
        )
        whole = Prompt(prompt.pixels, known | True)  # what the person brought, of whatever part is known
        advice = prompt_advice.advise(whole, self._data).replace("This sketch is", "This part is")
        mends = bool(advice) and self._data.num_values == 2 and not self.centre.isChecked()
        self.advice.setText(advice + f" Tick “{self.centre.text()}”." * mends)
        self.advice.setVisible(bool(self.advice.text()) and not self._photograph)  # of which no digit is expected
        span = max(self.cropper.most - self.cropper.least, 1e-9)
        with QSignalBlocker(self.size_):
            self.size_.setValue(round(STEPS * (self.cropper.high - self.cropper.least) / span))

    @Slot(int)
    def _resize(self, step: int) -> None:
        self.cropper.resize_to(self.cropper.least + (self.cropper.most - self.cropper.least) * step / STEPS)
