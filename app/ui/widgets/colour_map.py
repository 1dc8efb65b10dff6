"""Numbers as colours: scales of values in the theme's colours, colours of classes, and the checker of open pixels."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QColor

from app.ui import theme
from app.ui.widgets import picture

CLASS_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")


def enlarge(map_: np.ndarray, side: int) -> np.ndarray:
    """[h, w, ...] to [side, side, ...] by repeating elements."""
    h, w = map_.shape[:2]
    return map_[np.arange(side) * h // side][:, np.arange(side) * w // side]


def rgb(colour: QColor) -> tuple[int, int, int]:
    return colour.red(), colour.green(), colour.blue()


def diverging() -> np.ndarray:
    """[256, 3] uint8: low, zero, high."""
    stops = np.array([rgb(QColor(c)) for c in (theme.now.low, theme.now.zero, theme.now.high)], np.float64)
    at = np.linspace(0, 2, 256)
    return np.stack([np.interp(at, [0, 1, 2], stops[:, i]) for i in range(3)], 1).astype(np.uint8)


def sequential() -> np.ndarray:
    """[256, 3] uint8: nothing to high."""
    return np.linspace(rgb(QColor(theme.now.line)), rgb(QColor(theme.now.high)), 256).round().astype(np.uint8)


def class_colours(classes: int) -> np.ndarray:
    """[classes, 3] uint8: colours after Okabe and Ito; for more classes than they are, lighter and darker ones too."""
    made = [QColor(CLASS_COLOURS[i % len(CLASS_COLOURS)]) for i in range(classes)]
    shades = (100, 150, 65)  # in per cent of lightness
    return np.array([rgb(c.lighter(shades[i // len(CLASS_COLOURS) % 3])) for i, c in enumerate(made)], np.uint8)


def paint(shares: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """[h, w] of indices into a palette to colours [h, w, 3]; what is not a number has not been drawn yet, and has the
    checker of open pixels."""
    h, w = shares.shape
    checker = picture.OPEN[np.add.outer(np.arange(h), np.arange(w)) % 2]
    drawn = palette[np.nan_to_num(shares).clip(0, len(palette) - 1).astype(int)]
    return np.where(np.isnan(shares)[..., None], checker, drawn)
