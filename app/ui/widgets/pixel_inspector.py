"""The large picture of a completion: what a model says of each pixel, and where its samples differ."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from app.core import formatting
from app.core.run import Run
from app.ui.widgets import picture
from app.ui.widgets.card import OneLine, configured, filled, label, plain_tip, spaced
from app.ui.widgets.keys import Keys

SPREAD = np.array((255, 92, 168))  # on a grey picture, unlike gold and white
DIM = 0.45  # of the picture under the spread
LEAST = 0.01  # the scale's end is never less, so that rounding is not taken for spread
LEAST_SIDE = 168  # pixels of the picture, however small the window: the rest scrolls
SCALE = 84, 10  # of the legend, in pixels
POINT = "Point at a pixel:", "how likely? when?"
LATER = "more when it has finished"
ALONE = "Spread needs two samples:", "set Samples to 2 or more"
ABOUT = """\
Of the pixel under the mouse, or where the arrow keys stand on the picture.
Probability: how likely the model, at temperature 1, finds what it drew there, given what it had to go by: all pixels \
before it, or for a VSSM its latents.
In colour: bits a channel, 8 for a channel of which the model has no idea.
Call: the network call that settled the pixel; then the model's own time."""
ABOUT_SPREAD = "Standard deviation over the samples: of brightness, or in colour over red, green and blue; 0 to 0.5"


def spread(images: np.ndarray) -> np.ndarray:
    """[K, H, W, C] uint8 to [H, W]: how far samples lie apart, the standard deviation over them of a channel's
    brightness (0 to 1), as the root mean square over channels."""
    return np.sqrt((images / np.float32(255)).var(0).mean(-1))


def overlaid(colours: np.ndarray, apart: np.ndarray, most: float) -> np.ndarray:
    """A picture on screen [H, W, 3], grey and dim, under the spread [H, W] on a scale from 0 to `most`."""
    grey = colours.mean(-1, keepdims=True) * DIM
    share = (apart / most).clip(0, 1)[..., None]
    return (grey + (SPREAD - grey) * share).round().astype(np.uint8)


def figures(run: Run, x: int, y: int) -> tuple[str, str]:
    """What is to be said of a pixel of the sample shown, in two lines: what it is, how likely, and where; when it
    came."""
    place = f"row {y + 1}, column {x + 1}"
    if run.prompt.known[y, x]:
        return f"given · {place}", "part of the prompt"
    if not run.filled[run.sample_index, y, x]:
        return f"open · {place}", "not drawn yet" if not run.ended else "the run was stopped"
    details, K = run.details, run.settings.samples
    value = run.images[run.sample_index, y, x]
    likely = _likely(value, math.nan if details is None else details.log_probability[run.sample_index, y, x], run)
    parts = [] if run.ended or details is not None else [LATER]
    if details is not None:
        call, calls = int(details.order[run.sample_index, y, x]), run.network_calls
        parts = [f"call {call:,} of {calls:,}"]
        parts += [f"at {formatting.seconds(float(details.seconds[run.sample_index, y, x]))}"]
    if K > 1 and run.filled[:, y, x].all():
        parts.append(f"spread {spread(run.images[:, y : y + 1, x : x + 1])[0, 0]:.2f}")
    return f"{likely} · {place}", " · ".join(parts)


def _likely(value: np.ndarray, log_probability: float, run: Run) -> str:
    """A pixel's value and how likely the model found it; of means, what they say of the pixel."""
    if len(value) == 1:
        if run.mean:
            return f"ink {formatting.percent(value[0] / 255)} likely"
        name = "ink" if value[0] else "no ink"
        if np.isnan(log_probability):
            return name
        return f"{name}, {formatting.percent(math.exp(log_probability))} likely"
    if run.mean:
        return "mean colour"
    if np.isnan(log_probability):
        return "RGB {}".format(" ".join(map(str, value)))
    return f"{-log_probability / math.log(2) / len(value):.1f} bits a channel"


class InspectedPicture(picture.Picture):
    """`looked_at` follows the pixel (x, y) under the mouse or, with the focus, the keyboard's; None for none."""

    looked_at = Signal(object)

    def __init__(self) -> None:
        super().__init__("Completion")
        self.describe("")
        self.setMouseTracking(True)
        self.at: tuple[int, int] | None = None
        self._cell = 0, 0
        steps = {key: partial(self._step, *by) for key, by in picture.ARROWS.items()}
        Keys(self, steps, when=lambda: self._image is not None)

    def minimumSizeHint(self):
        return QSize(LEAST_SIDE, LEAST_SIDE)

    def show_picture(self, colours, known, filled=None, veil=0) -> None:
        super().show_picture(colours, known, filled, veil)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if colours is not None else Qt.FocusPolicy.NoFocus)
        if colours is None:
            self._look(None)

    def describe(self, text: str) -> None:
        """Say this of the pixel looked at to those who hear the window; else how to look at one."""
        keys = "Arrow keys go from pixel to pixel and tell what is known of each."
        self.setAccessibleDescription(text.replace("\n", ", ") or keys)

    def _look(self, at: tuple[int, int] | None) -> None:
        if at != self.at:
            self.at = at
            self.looked_at.emit(at)
            self.update()

    def _within(self) -> tuple[int, int]:
        """The keyboard's pixel, held within a picture that may be another."""
        assert self._image is not None
        return min(self._cell[0], self._image.width() - 1), min(self._cell[1], self._image.height() - 1)

    def mouseMoveEvent(self, event) -> None:
        if self._image is not None:
            inside = self.field().contains(event.position())
            x, y = (math.floor(v) for v in self.to_pixels(event.position()))
            inside = inside and 0 <= x < self._image.width() and 0 <= y < self._image.height()
            self._look((x, y) if inside else None)

    def leaveEvent(self, event) -> None:
        self._look(self._within() if self.hasFocus() and self._image is not None else None)

    def focusInEvent(self, event) -> None:
        super().focusInEvent(event)
        if self._image is not None:
            self._look(self._within())

    def focusOutEvent(self, event) -> None:
        super().focusOutEvent(event)
        self._look(None)

    def _step(self, dx: int, dy: int) -> None:
        """To a pixel beside the keyboard's."""
        assert self._image is not None
        x, y = self._within()
        self._cell = min(max(x + dx, 0), self._image.width() - 1), min(max(y + dy, 0), self._image.height() - 1)
        self._look(self._cell)

    def paint_over(self, painter: QPainter, field: QRectF) -> None:
        if self.at is not None:
            assert self._image is not None
            scale = field.width() / self._image.width()
            picture.paint_rim(painter, QRectF(*self.at, 1, 1), field, scale, self.hasFocus())


class PixelReadout(QWidget):
    """Two lines of fixed height under the picture: of the pixel looked at, else the legend of the spread where that is
    shown, else what can be done."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("The pixel looked at")
        self.words = QWidget()
        self._lines = tuple(configured(OneLine(), objectName="muted") for _ in range(2))
        filled(spaced(QVBoxLayout(self.words), 0), *self._lines)
        self.legend = QWidget()
        ramp, self._end = label(""), label("", "muted")
        ramp.setPixmap(_ramp())
        row = filled(spaced(QHBoxLayout(), 5), label("0", "muted"), ramp, self._end, None)
        filled(spaced(QVBoxLayout(self.legend), 0), label("spread of the samples", "muted"), row)
        self.legend.setToolTip(ABOUT_SPREAD)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.words)
        self._pages.addWidget(self.legend)
        self.setMinimumWidth(1)  # it takes what room there is
        self.setFixedHeight(2 * self.fontMetrics().lineSpacing() + 2)

    @property
    def text(self) -> str:
        """What the two lines say."""
        return "\n".join(one.text() for one in self._lines)

    def tell(self, first: str = "", second: str = "") -> None:
        for one, text in zip(self._lines, (first, second), strict=True):
            one.setText(text)
            one.setToolTip(plain_tip("\n\n".join((self.text.strip(), ABOUT))))
        self.setAccessibleDescription(", ".join((first, second)))
        self._pages.setCurrentWidget(self.words)

    def show_scale(self, most: float) -> None:
        self._end.setText(f"{most:.2f}")
        self.setAccessibleDescription(f"Spread of the samples, from 0 to {most:.2f}")
        self._pages.setCurrentWidget(self.legend)


def _ramp() -> QPixmap:
    """The spread's colours, from none to the most."""
    width, height = SCALE
    shares = np.linspace(0, 1, width, dtype=np.float32)[None]
    black = np.zeros((1, width, 3), np.uint8)
    return QPixmap.fromImage(picture.qimage(overlaid(black, shares, 1.0)).scaled(width, height))
