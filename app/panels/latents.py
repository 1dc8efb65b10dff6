"""The latents of one sample: a block of maps for every level, coarse levels first, and what they cost in nats."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, Slot
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QStackedLayout, QWidget

from vssm import models

from .. import draw, theme
from ..runs import Run
from .card import Card, label

GAP, BETWEEN, HEAD = 1 / 9, 16, 20  # between maps (of a map's side), between blocks and for their titles (pixels)
SIDE = 28  # picture elements along a map at least, whatever its own grid
SCALE = 116, 16  # of the colour scale, in pixels
SPAN = 3.0  # values beyond ± this take the strongest colour
CLASS_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
VIEWS = {
    "values": "The values drawn, one map for each variable of a level",
    "prior entropy": "Entropy of the distributions the latents were drawn from: how open the drawing was",
    "posterior entropy": "Entropy of the posterior: how open the latents are to one who sees the finished picture",
    "KL": "KL divergence of the posterior from the prior: what the picture tells of the latents beyond the prompt",
}
EMPTY = "Latents appear here as a VSSM draws them: the plan of the picture, coarse levels first."
NONE = "{} has no latents: it settles each pixel when it comes to it, with no plan drawn before."
LATER = "The posterior is worked out when the picture is finished."


def enlarge(map_: np.ndarray, side: int) -> np.ndarray:
    """[h, w, ...] to [side, side, ...] by repeating elements."""
    h, w = map_.shape[:2]
    return map_[np.arange(side) * h // side][:, np.arange(side) * w // side]


def diverging(colours: theme.Theme) -> np.ndarray:
    """[256, 3] uint8: low, zero, high."""
    stops = np.array([QColor(c).getRgb()[:3] for c in (colours.low, colours.zero, colours.high)], float)
    at = np.linspace(0, 2, 256)
    return np.stack([np.interp(at, [0, 1, 2], stops[:, i]) for i in range(3)], 1).astype(np.uint8)


def sequential(colours: theme.Theme) -> np.ndarray:
    """[256, 3] uint8: nothing to high."""
    ends = [QColor(c).getRgb()[:3] for c in (colours.line, colours.high)]
    return np.linspace(*ends, 256).round().astype(np.uint8)


def class_colours(classes: int) -> np.ndarray:
    """[classes, 3] uint8: colours after Okabe and Ito; for more classes than they are, lighter and darker ones too."""
    made = [QColor(CLASS_COLOURS[i % len(CLASS_COLOURS)]) for i in range(classes)]
    shades = (100, 150, 65)  # in per cent of lightness
    return np.array([c.lighter(shades[i // len(CLASS_COLOURS) % 3]).getRgb()[:3] for i, c in enumerate(made)], np.uint8)


def paint(shares: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """[h, w] of indices into a palette to colours [h, w, 3]; what is not a number has not been drawn yet, and has the
    checker of open pixels."""
    h, w = shares.shape
    checker = draw.OPEN[np.add.outer(np.arange(h), np.arange(w)) % 2]
    drawn = palette[np.nan_to_num(shares).clip(0, len(palette) - 1).astype(int)]
    return np.where(np.isnan(shares)[..., None], checker, drawn)


def block(columns: int, maps: list[np.ndarray], ground: np.ndarray) -> np.ndarray:
    """Square maps [side, side, 3] in rows of `columns`, GAP apart, on a ground colour."""
    side = len(maps[0])
    gap = round(side * GAP)
    apart = side + gap
    sheet = np.empty((math.ceil(len(maps) / columns) * apart - gap, columns * apart - gap, 3), np.uint8)
    sheet[:] = ground
    for i, one in enumerate(maps):
        y, x = i // columns * apart, i % columns * apart
        sheet[y : y + side, x : x + side] = one
    return sheet


class LatentPanel(Card):
    """Values, entropies or divergence of the sample that the completion panel shows large."""

    def __init__(self):
        super().__init__("Latents", "Latent: a variable the model draws before the pixels, and from which they follow")
        self._run: Run | None = None
        self._theme = theme.LIGHT
        self.what = QComboBox()
        for i, (view, tip) in enumerate(VIEWS.items()):
            self.what.addItem(view)
            self.what.setItemData(i, tip, Qt.ItemDataRole.ToolTipRole)
        self.what.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.what.setMinimumContentsLength(8)  # so that the panel may be narrow
        self.what.setAccessibleName("What is shown of the latents")
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
        self.sums = label("", "muted", wrap=True)
        self.sums.setAccessibleName("Sums over all levels")
        self.sums.setToolTip("Of this sample, over all levels and positions:\n" + "\n".join(list(VIEWS.values())[1:]))
        self._scale = QLabel()
        self._scale.setAccessibleName("Colour scale")
        self._scale.hide()
        row = QHBoxLayout()
        row.addWidget(self.sums, 1)
        row.addWidget(self._scale)
        self.body.addLayout(row)

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
        run, view = self._run, self.what.currentText()
        self.what.setToolTip(VIEWS[view])
        self.what.setEnabled(bool(run and run.latents))
        message = self._nothing(run)
        maps = {} if message else self._maps(run, view)
        if not maps:
            self._message.setText(message or LATER)
            self._stack.setCurrentWidget(self._message)
            self._scale.hide()
            self.sums.setText("" if message else self._sums(run))
            self.sums.setVisible(bool(self.sums.text()))
            return
        self._stack.setCurrentWidget(self.view)
        self.sums.setText(self._sums(run))
        self.sums.show()
        event = next(iter(run.latents.values()))
        palette, least, most = self._palette(run, view)
        side = math.lcm(*(n for grid in maps.values() for n in grid.shape[:2]))
        side *= math.ceil(SIDE / side)
        titles = self._titles(run, view, maps)
        count = next(iter(maps.values())).shape[2]
        options = [self._arrange(run.started.levels, count, words) for words in titles]
        short = options[1][0] > 1.3 * options[0][0]  # where it gains much
        _, across, columns, wide, high = options[short]
        apart = max(wide, self._widest(titles[short])) + BETWEEN
        ground = np.array(QColor(self._theme.card).getRgb()[:3], np.uint8)
        for level in set(self._items) - set(maps):
            for item in self._items.pop(level):
                self._box.removeItem(item)
        for level, grid in maps.items():
            shares = grid if event.kind == "categorical" and view == "values" else (grid - least) / (most - least) * 255
            drawn = [enlarge(paint(shares[..., i], palette), side) for i in range(count)]
            x = (level - 1) % across * apart
            y = (level - 1) // across * (high + HEAD) + HEAD
            self._place(level, titles[short][level], block(columns, drawn, ground), QRectF(x, y, wide, high))
        self._box.setRange(QRectF(0, 0, self.view.width(), self.view.height()), padding=0)
        self._show_scale(view, palette, event.classes if event.kind == "categorical" else 0, (least, most))

    def _nothing(self, run: Run | None) -> str:
        """Why there is nothing to see; empty where there is."""
        if run is None or run.started is None or (run.started.levels and not run.latents):
            return EMPTY
        return "" if run.started.levels else NONE.format(models.get(run.model).title)

    def _maps(self, run: Run, view: str) -> dict[int, np.ndarray]:
        """[h, w, maps] by level, of the sample shown; not a number where nothing has been drawn yet."""
        if view == "values":
            return {level: event.codes[run.shown] for level, event in run.latents.items()}
        if view == "prior entropy":
            return {level: event.entropy[run.shown, ..., None] for level, event in run.latents.items()}
        if view == "posterior entropy":
            return {level: event.entropy[run.shown, ..., None] for level, event in run.posteriors.items()}
        return {level: event.divergence[run.shown, ..., None] for level, event in run.posteriors.items()}

    def _palette(self, run: Run, view: str) -> tuple[np.ndarray, float, float]:
        """Colours, and the values that take the first and the last of them. Both entropies share theirs."""
        event = next(iter(run.latents.values()))
        if view == "values":
            palette = class_colours(event.classes) if event.kind == "categorical" else diverging(self._theme)
            return palette, -SPAN, SPAN
        views = ("KL",) if view == "KL" else ("prior entropy", "posterior entropy")
        values = np.concatenate([m.ravel() for v in views for m in self._maps(run, v).values()])
        values = values[~np.isnan(values)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        low = 0.0 if view == "KL" else low
        return sequential(self._theme), low, max(high, low + 1e-6)

    def _titles(self, run: Run, view: str, maps: dict[int, np.ndarray]) -> tuple[dict[int, str], dict[int, str]]:
        """Titles of the blocks, long and short."""
        many = run.started.levels > 1
        grids = {level: f"{grid.shape[0]}×{grid.shape[1]}" for level, grid in maps.items()}
        long = {level: f"level {level} · {text}" if many else f"{text} positions" for level, text in grids.items()}
        short = {level: f"{level} · {text}" if many else text for level, text in grids.items()}
        if view == "values":
            return long, short
        sums = {level: f"{_nats(np.nansum(grid))} nats" for level, grid in maps.items()}
        return (
            {level: f"{text} · {sums[level]}" for level, text in long.items()},
            {level: f"{level}: {text}" if many else text for level, text in sums.items()},
        )

    def _sums(self, run: Run) -> str:
        """Entropies of prior and posterior, and the divergence, over all levels, as far as they are known."""
        shown = []
        for view in list(VIEWS)[1:]:
            if maps := self._maps(run, view):
                shown.append(f"{view.removesuffix(' entropy')} {_nats(sum(map(np.nansum, maps.values())))}")
        return " · ".join(shown) + " nats"

    def _place(self, level: int, words: str, image: np.ndarray, where: QRectF) -> None:
        if level not in self._items:
            self._items[level] = pg.ImageItem(axisOrder="row-major"), pg.TextItem(anchor=(0, 1))
            for item in self._items[level]:
                self._box.addItem(item, ignoreBounds=True)
        picture, title = self._items[level]
        picture.setImage(image, autoLevels=False, levels=(0, 255))
        picture.setRect(where)
        title.setText(words, color=self._theme.muted)
        title.setPos(where.x() - 3, where.y() + 3)

    def _widest(self, titles: dict[int, str]) -> int:
        return max(map(self.view.fontMetrics().horizontalAdvance, titles.values())) + 4

    def _arrange(self, levels: int, count: int, titles: dict[int, str]) -> tuple[float, int, int, float, float]:
        """Side of a map, blocks in a row, maps in a row of a block, and a block's width and height in pixels, such
        that the maps come out largest and no title runs into the next."""
        w, h, title = self.view.width(), self.view.height(), self._widest(titles)
        best = (0.0, 1, 1, 1.0, 1.0)
        for across in range(1, levels + 1):
            room = (w - (across - 1) * BETWEEN) / across, h / math.ceil(levels / across) - HEAD
            if room[0] < title and across > 1:
                break
            for columns in range(1, count + 1):
                wide, high = (n * (1 + GAP) - GAP for n in (columns, math.ceil(count / columns)))
                side = min(room[0] / wide, room[1] / high)
                best = max(best, (side, across, columns, wide * side, high * side))
        return best

    def _show_scale(self, view: str, palette: np.ndarray, classes: int, ends: tuple[float, float]) -> None:
        """The colours between their two ends: of values, nats, or classes."""
        classes = classes if view == "values" else 0
        self._scale.show()
        self._scale.setToolTip(f"Classes 1 to {classes}" if classes else "Values" if view == "values" else "In nats")
        texts = ("1", f"{classes}") if classes else (_signed(ends[0]), _signed(ends[1]))
        steps = classes or 52
        made = QPixmap(SCALE[0] * 2, SCALE[1] * 2)
        made.setDevicePixelRatio(2)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setPen(QColor(self._theme.muted))
        painter.setFont(self.font())
        painter.drawText(QRectF(0, 0, 28, 16), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, texts[0])
        for i in range(steps):
            colour = QColor(*map(int, palette[i * (len(palette) - 1) // max(steps - 1, 1)]))
            painter.fillRect(QRectF(32 + i * 52 / steps, 3, 52 / steps + 0.1, 10), colour)
        painter.drawText(QRectF(88, 0, SCALE[0] - 88, 16), Qt.AlignmentFlag.AlignVCenter, texts[1])
        painter.end()
        self._scale.setPixmap(made)


def _nats(value: float) -> str:
    """22.6, 10,712."""
    value = round(float(value), 1) + 0.0  # no −0.0
    return (f"{value:.1f}" if abs(value) < 999.5 else f"{value:,.0f}").replace("-", "−")


def _signed(value: float) -> str:
    """−3, 0.4, 12: short enough for the scale."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0").replace("-", "−")
