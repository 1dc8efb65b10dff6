"""The latents of one sample as they were drawn: a block of maps for every level, coarse levels first."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, Slot
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import QComboBox, QLabel, QStackedLayout, QWidget

from vssm.generation import Latents

from .. import theme
from ..runs import Run
from .card import Card, label

CELL = 28  # picture elements a map is drawn with, whatever its own grid
GAP, BETWEEN, HEAD = 3, 16, 20  # between maps (elements), between blocks and for their titles (pixels)
WIDE = 116  # of the colour scale, in pixels
SPAN = 3.0  # values beyond ± this take the strongest colour
CLASS_COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999"]
TITLES = "level {} · {}×{}", "{} · {}×{}"
EMPTY = "Latents appear here as a VSSM draws them: the plan of the picture, coarse levels first."
NONE = "{} has no latents: it settles each pixel when it comes to it, with no plan drawn before."


def enlarge(map_: np.ndarray) -> np.ndarray:
    """[h, w, ...] to [CELL, CELL, ...] by repeating elements."""
    h, w = map_.shape[:2]
    return map_[np.arange(CELL) * h // CELL][:, np.arange(CELL) * w // CELL]


def diverging(colours: theme.Theme) -> np.ndarray:
    """[256, 3] uint8: low, zero, high."""
    stops = np.array([QColor(c).getRgb()[:3] for c in (colours.low, colours.zero, colours.high)], float)
    at = np.linspace(0, 2, 256)
    return np.stack([np.interp(at, [0, 1, 2], stops[:, i]) for i in range(3)], 1).astype(np.uint8)


def block(columns: int, maps: list[np.ndarray], ground: np.ndarray) -> np.ndarray:
    """Maps [CELL, CELL, 3] in rows of `columns`, GAP apart, on a ground colour."""
    rows = math.ceil(len(maps) / columns)
    sheet = np.empty((rows * (CELL + GAP) - GAP, columns * (CELL + GAP) - GAP, 3), np.uint8)
    sheet[:] = ground
    for i, one in enumerate(maps):
        y, x = i // columns * (CELL + GAP), i % columns * (CELL + GAP)
        sheet[y : y + CELL, x : x + CELL] = one
    return sheet


class LatentPanel(Card):
    """Codes or entropy of the sample that the completion panel shows large."""

    def __init__(self):
        super().__init__("Latents", "Latent: a variable the model draws before the pixels, and from which they follow")
        self._run: Run | None = None
        self._theme = theme.LIGHT
        self._model = ""
        self._scale = QLabel()
        self._scale.setAccessibleName("Colour scale")
        self.header.addWidget(self._scale)
        self.what = QComboBox()
        self.what.addItems(["values", "entropy"])
        self.what.setAccessibleName("What is shown of the latents")
        self.what.setToolTip("The values drawn, or the entropy (in nats) of what they were drawn from: how open it was")
        self.what.currentIndexChanged.connect(self._draw)
        self.header.addWidget(self.what)
        self.view = pg.GraphicsView()
        self.view.setAccessibleName("Latents by level and position")
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._box = pg.ViewBox(invertY=True, enableMouse=False, enableMenu=False, defaultPadding=0)
        self.view.setCentralItem(self._box)
        self._items: dict[int, tuple[pg.ImageItem, pg.TextItem]] = {}
        self._message = label(EMPTY, "muted", wrap=True)
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self._message)
        self._stack.addWidget(self.view)
        self.body.addWidget(holder, 1)
        self._scale.hide()

    def retheme(self, colours: theme.Theme) -> None:
        self._theme = colours
        self.view.setBackground(colours.card)
        self._draw()

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._draw()

    def show_run(self, run: Run | None) -> None:
        self._run = run
        self._draw()

    @Slot()
    def _draw(self) -> None:
        run = self._run
        levels = run.started.levels if run and run.started else 0
        if not run or not levels or not run.latents:
            self._message.setText(NONE.format(run.title) if run and run.started and not levels else EMPTY)
            self._stack.setCurrentWidget(self._message)
            self._scale.hide()
            self.what.setEnabled(False)
            return
        self._stack.setCurrentWidget(self.view)
        self.what.setEnabled(True)
        sample, colours = run.shown, diverging(self._theme)
        first = next(iter(run.latents.values()))
        entropy = self.what.currentText() == "entropy"
        count = 1 if entropy else first.codes.shape[-1]
        ends = self._ends(run) if entropy else (-SPAN, SPAN)
        options = [self._arrange(levels, count, title) for title in TITLES]
        self._title = TITLES[options[1][0] > 1.3 * options[0][0]]  # the short one where it gains much
        _, across, columns, wide, high = options[TITLES.index(self._title)]
        apart = max(wide, self._title_width(self._title)) + BETWEEN
        ground = np.array(QColor(self._theme.card).getRgb()[:3], np.uint8)
        for level in set(self._items) - set(run.latents):
            for item in self._items.pop(level):
                self._box.removeItem(item)
        for level, event in run.latents.items():
            maps = self._entropy(event, sample, ends) if entropy else self._values(event, sample, colours)
            x = (level - 1) % across * apart
            y = (level - 1) // across * (high + HEAD) + HEAD
            self._place(level, event, block(columns, maps, ground), x, y, wide, high)
        self._box.setRange(QRectF(0, 0, self.view.width(), self.view.height()), padding=0)
        self._show_scale(first, entropy, ends)

    def _place(self, level: int, event: Latents, image: np.ndarray, x: float, y: float, wide: float, high: float):
        if level not in self._items:
            self._items[level] = pg.ImageItem(axisOrder="row-major"), pg.TextItem(anchor=(0, 1))
            for item in self._items[level]:
                self._box.addItem(item, ignoreBounds=True)
        picture, title = self._items[level]
        picture.setImage(image, autoLevels=False, levels=(0, 255))
        picture.setRect(QRectF(x, y, wide, high))
        h, w = event.codes.shape[1:3]
        title.setText(self._title.format(level, h, w), color=self._theme.muted)
        title.setPos(x - 3, y + 3)

    def _title_width(self, title: str) -> int:
        return self.view.fontMetrics().horizontalAdvance(title.format(8, 88, 88)) + 4

    def _arrange(self, levels: int, count: int, words: str) -> tuple[float, int, int, float, float]:
        """Scale, blocks in a row, maps in a row of a block, and a block's width and height in pixels, such that the
        maps come out largest and no title runs into the next."""
        w, h, title = self.view.width(), self.view.height(), self._title_width(words)
        best = (0.0, 1, 1, 1.0, 1.0)
        for across in range(1, levels + 1):
            room = (w - (across - 1) * BETWEEN) / across, h / math.ceil(levels / across) - HEAD
            if room[0] < title and across > 1:
                break
            for columns in range(1, count + 1):
                wide, high = columns * (CELL + GAP) - GAP, math.ceil(count / columns) * (CELL + GAP) - GAP
                scale = min(room[0] / wide, room[1] / high)
                best = max(best, (scale, across, columns, wide * scale, high * scale))
        return best

    def _values(self, event: Latents, sample: int, colours: np.ndarray) -> list[np.ndarray]:
        codes = event.codes[sample]
        if event.kind == "categorical":
            classes = np.array([QColor(c).getRgb()[:3] for c in CLASS_COLOURS], np.uint8)
            drawn = classes[codes.astype(int) % len(classes)]
        else:
            drawn = colours[((codes / SPAN + 1) * 127.5).clip(0, 255).astype(int)]
        return [enlarge(drawn[:, :, i]) for i in range(drawn.shape[2])]

    def _entropy(self, event: Latents, sample: int, ends: tuple[float, float]) -> list[np.ndarray]:
        share = (event.entropy[sample] - ends[0]) / max(ends[1] - ends[0], 1e-6)
        return [enlarge(self._sequential()[(share * 255).clip(0, 255).astype(int)])]

    def _sequential(self) -> np.ndarray:
        return diverging(self._theme)[np.linspace(128, 255, 256).astype(int)]

    def _ends(self, run: Run) -> tuple[float, float]:
        values = np.concatenate([e.entropy[run.shown].ravel() for e in run.latents.values()])
        return float(values.min()), float(values.max())

    def _show_scale(self, event: Latents, entropy: bool, ends: tuple[float, float]) -> None:
        self._scale.setVisible(entropy or event.kind == "gaussian")
        colours = self._sequential() if entropy else diverging(self._theme)
        self._scale.setToolTip("Entropy of the prior, in nats" if entropy else "Values of the latents")
        texts = [f"{e:.1f}" for e in ends] if entropy else [f"−{SPAN:.0f}", f"+{SPAN:.0f}"]
        made = QPixmap(WIDE * 2, 16 * 2)
        made.setDevicePixelRatio(2)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setPen(QColor(self._theme.muted))
        painter.setFont(self.font())
        painter.drawText(QRectF(0, 0, 28, 16), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, texts[0])
        for i in range(52):
            painter.fillRect(QRectF(32 + i, 3, 1.1, 10), QColor(*map(int, colours[i * 255 // 51])))
        painter.drawText(QRectF(88, 0, WIDE - 88, 16), Qt.AlignmentFlag.AlignVCenter, texts[1])
        painter.end()
        self._scale.setPixmap(made)
