"""Line drawings at the size of a data set: strokes keep their ink, however thin they are.

The mean of what a pixel covers is right for photographs. For a binarised set it loses drawings: a line of one pixel in
a picture ten times as large covers a tenth of a target pixel, which is black once it is binarised. So a drawing is
first brought to a grid `FINE` times as fine as the target by the greatest value, which no line escapes. There it is
split into ink and ground, and thin strokes are thickened to the width of a pen's in MNIST; only then are means taken.
"""

from __future__ import annotations

import math

import numpy as np

FINE = 8  # cells of the fine grid to a side of a target pixel
STROKE = 2.0  # pixels: the least width of a stroke; half of MNIST's strokes are 2.1 to 3.0 wide (prompt_advice)
BOX, MIDDLE = 20 / 28, 14.5 / 28  # of MNIST's pictures: the longer side of a digit; where its centre of mass lies
BROAD = 7  # pixels: no stroke is as wide
FRAME = 0.9  # of the outermost cells are ink where a frame goes round the picture
LITTLE = 0.005  # of a picture is too little to be a digit
CONTRAST = 24  # of 255: ink and ground that differ by less are noise


def reduce_drawing(grey: np.ndarray, height: int, width: int) -> np.ndarray:
    """Reduce a drawing [h, w] uint8, light ink on dark ground, to [height, width] uint8 of 0 and 255."""
    drawn = thicken(find(grey, height, width), STROKE * FINE).reshape(height, FINE, width, FINE)
    return np.where(drawn.mean((1, 3)) >= 0.5, 255, 0).astype(np.uint8)


def find(grey: np.ndarray, height: int, width: int) -> np.ndarray:
    """Find the ink of a drawing on the fine grid of a target of this size: bool [height × FINE, width × FINE].

    Broad dark areas at the border are no ink, but a shadow on the paper or the table below. In such pictures ink is
    what differs from the ground around it by more than noise does.
    """
    fine = _greatest(grey, height * FINE, width * FINE)
    drawn = split(fine)
    radius = BROAD * FINE // 2
    broad = shrink(drawn, radius)
    if drawn.mean() < 0.5 and (broad[[0, -1]].any() or broad[:, [0, -1]].any()):
        ground = _extreme(_extreme(fine, np.minimum, radius), np.maximum, radius)
        out = (fine - ground).astype(int)
        standing_out = split((out - 2 * int(np.median(out))).clip(0).astype(np.uint8))
        drawn = standing_out if standing_out.any() else drawn  # where all ink is broad, it is what was drawn
    return _without_frame(drawn)


def _without_frame(drawn: np.ndarray) -> np.ndarray:
    """Remove what goes round the whole picture, such as a table around a page, and is not all there is."""
    inside = np.zeros(drawn.shape, bool)
    inside[1:-1, 1:-1] = True
    frame, more = drawn & ~inside, True
    if frame.sum() < FRAME * (~inside).sum():
        return drawn
    while more:
        before = frame.sum()
        frame = grow(frame, 2) & drawn
        more = frame.sum() > before
    left = drawn & ~frame
    return left if left.mean() > LITTLE else drawn


def split(grey: np.ndarray) -> np.ndarray:
    """Find the ink of [h, w] uint8, bool: above the best threshold between two groups of values (Otsu's), or nowhere if
    there is no contrast."""
    counts = np.bincount(grey.ravel(), minlength=256).astype(float)
    values = np.arange(256)
    below = counts.cumsum()
    above = below[-1] - below
    sum_below = (counts * values).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_below, mean_above = sum_below / below, (sum_below[-1] - sum_below) / above
        spread = np.nan_to_num(below * above * (mean_above - mean_below) ** 2)
    # between two heaps all thresholds part them alike: the middle one is taken
    best = np.flatnonzero(spread >= spread.max() * (1 - 1e-9))
    at = int(best[len(best) // 2])
    if not spread.max() or mean_above[at] - mean_below[at] < CONTRAST:
        return np.zeros(grey.shape, bool)
    return grey > at


def stroke_width(mask: np.ndarray) -> float:
    """Mean width of what is drawn, in cells: twice the area by the length of the outline; 0 where nothing is drawn.

    The outline is counted in sides of cells, which is 4/π too long on average over all directions.
    """
    framed = np.pad(mask, 1)
    sides = (framed[1:] != framed[:-1]).sum() + (framed[:, 1:] != framed[:, :-1]).sum()
    return 2 * float(mask.sum()) / (sides * math.pi / 4) if sides else 0.0


def thicken(mask: np.ndarray, least: float) -> np.ndarray:
    """Make strokes at least `least` cells wide; what is wider stays as it is."""
    radius = round(least / 2)
    broad = grow(shrink(mask, radius), radius)
    thin = mask & ~grow(broad, math.ceil(radius / 2))  # less the corners of what is broad
    more = round((least - stroke_width(thin)) / 2)
    return mask | grow(thin, more) if more > 0 else mask


def grow(mask: np.ndarray, radius: int) -> np.ndarray:
    """Add all cells up to `radius` away; the shape is an octagon, made by crosses and squares in turn."""
    for step in range(radius):
        framed = np.pad(mask, 1)
        if step % 2:
            rows = framed[:-2] | framed[1:-1] | framed[2:]
            mask = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
        else:
            mask = mask | framed[:-2, 1:-1] | framed[2:, 1:-1] | framed[1:-1, :-2] | framed[1:-1, 2:]
    return mask


def shrink(mask: np.ndarray, radius: int) -> np.ndarray:
    """Remove all cells up to `radius` away from cells without ink; the edge of the picture removes nothing."""
    return ~grow(~mask, radius)


def fitting_box(mask: np.ndarray) -> tuple[float, float, float, float] | None:
    """Find the square (left, top, right, bottom) in which the drawing has the place and the size of MNIST's digits.

    mask: [h, w] bool, of any size. None where nothing is drawn.
    """
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    side = (max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1) / BOX
    y, x = (float(places.mean()) + 0.5 for places in np.nonzero(mask))
    left, top = x - side * MIDDLE, y - side * MIDDLE
    return left, top, left + side, top + side


def _extreme(grey: np.ndarray, which: np.ufunc, radius: int) -> np.ndarray:
    """Compute the smallest or the largest value in a square around each cell; `radius` is half its side."""
    for axis in (0, 1):
        ends = [(0, 0), (0, 0)]
        ends[axis] = radius, radius
        found, seen = np.moveaxis(np.pad(grey, ends, "edge"), axis, 0), 1
        while seen < 2 * radius + 1:  # so many neighbours in each
            step = min(seen, 2 * radius + 1 - seen)
            found, seen = which(found[:-step], found[step:]), seen + step
        grey = np.moveaxis(found, 0, axis)
    return grey


def _greatest(grey: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize to [height, width] by the largest value that each cell covers; a smaller cell covers one pixel."""
    for axis, cells in enumerate((height, width)):
        starts = np.arange(cells) * grey.shape[axis] // cells
        grey = np.maximum.reduceat(grey, starts, axis)
    return grey
