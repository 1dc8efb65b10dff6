"""Digits that people wrote with a pen, drawn like MNIST's pictures: prompts that no model was trained on.

They come from *Pen-Based Recognition of Handwritten Digits* (Alpaydin & Alimoglu, UCI Machine Learning Repository,
CC BY 4.0). A line of its files is a digit: eight points x, y from 0 to 100 (y upwards), at equal distances along the
pen's path, then the digit's name. The archive has stretched every digit to that range in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vssm import data
from vssm.errors import UserError

NAME = "pendigits.tra"  # the training file, as the archive calls it
WHERE = "https://archive.ics.uci.edu/dataset/81"
DIGITS = 0, 2, 3, 5, 6, 8  # the others are often written in ways that MNIST's writers do not use

POINTS = 8
RANGE = 100
MOST_BYTES = 50_000_000
BRUSH = 2.0  # pixels across
BOX = 20.0  # pixels: the longer side of a digit, brush included
SAMPLES = 24  # points on the curve between two of the pen's


@dataclass(frozen=True, eq=False)
class PenDigits:
    """Digits as points of the pen.

    Args:
        points: [N, 8, 2] float64, x and y from 0 to 100, y upwards.
        labels: [N] int64.
    """

    points: np.ndarray
    labels: np.ndarray


def find(file: str | Path | None = None, folder: str | Path | None = None) -> Path:
    """Return the path of the pen digits: `file`, else the archive's training file in the data folder."""
    return Path(file) if file is not None else data.data_dir(folder) / NAME


def read(path: str | Path) -> PenDigits:
    """Read a file of pen digits.

    Raises:
        UserError: There is no such file, or it has another format.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file {path} of pen digits; fetch {NAME} from {WHERE} or name one by --pen.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        lines = path.read_text(encoding="ascii").splitlines()
        found = [_numbers(line, number) for number, line in enumerate(lines, 1) if line.strip()]
        if not found:
            raise ValueError("it is empty")
    except (OSError, ValueError) as error:  # bytes that are no text are a ValueError, too
        raise UserError(
            f"{path} is not a file of pen digits ({error}); a line is eight points x, y from 0 to {RANGE} and a digit."
        ) from None
    numbers = np.array(found)
    return PenDigits(numbers[:, :-1].reshape(-1, POINTS, 2), numbers[:, -1].astype(np.int64))


def _numbers(line: str, number: int) -> list[float]:
    """Parse a line; raises ValueError if it is not a digit."""
    try:
        found = [float(part) for part in line.split(",")]
    except ValueError:
        raise ValueError(f"line {number} has something that is no number") from None
    if len(found) != 2 * POINTS + 1:
        raise ValueError(f"line {number} has {len(found)} numbers, not {2 * POINTS + 1}")
    if not all(0 <= x <= RANGE for x in found[:-1]) or found[-1] not in range(10):
        raise ValueError(f"line {number} has a number that is out of range")
    return found


def draw(points: np.ndarray, side: int = data.MNIST.height) -> np.ndarray:
    """Draw digits as MNIST's pictures are made: the longer side 20 pixels, the centre of mass in the middle.

    Args:
        points: [N, 8, 2], x and y in any unit, y upwards.
        side: height and width of a picture, in pixels.

    Returns:
        [N, side, side, 1] uint8: a binary picture, 0 or 255.
    """
    return np.array([_draw_one(curve(p), side) for p in points], np.uint8).reshape(-1, side, side, 1)


def curve(points: np.ndarray) -> np.ndarray:
    """Join points [n, 2] by a smooth curve that passes through all of them (Catmull-Rom): [(n − 1) · SAMPLES + 1, 2].

    The pen's points lie at equal distances along its path, so the uniform form has no loops or cusps of its own.
    """
    framed = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    before, start, end, after = (framed[i : len(framed) - 3 + i, None] for i in range(4))
    t = (np.arange(SAMPLES) / SAMPLES)[:, None]
    slope, bend = end - before, 2 * before - 5 * start + 4 * end - after
    pieces = start + 0.5 * t * (slope + t * (bend + t * (3 * (start - end) + after - before)))
    return np.concatenate([pieces.reshape(-1, 2), points[-1:]])


def _draw_one(path: np.ndarray, side: int) -> np.ndarray:
    """Draw a curve [n, 2] with the round brush: [side, side, 1] uint8."""
    path = path * (1, -1)  # rows grow downwards
    low, high = path.min(0), path.max(0)
    path = (path - (low + high) / 2) * ((BOX - BRUSH) / max(float((high - low).max()), 1e-9)) + side / 2
    ink = _brush(path, side)
    rows, columns = np.nonzero(ink)
    shift = side // 2 - np.array([columns.mean(), rows.mean()])  # in MNIST the middle is pixel 14, counted from 0
    room = np.array([side - BRUSH / 2 - path.max(0), BRUSH / 2 - path.min(0)])  # so that no ink leaves the picture
    return 255 * _brush(path + np.clip(shift, room[1], room[0]), side).astype(np.uint8)[..., None]


def _brush(path: np.ndarray, side: int) -> np.ndarray:
    """Return which pixels' centres the brush covers on its way: [side, side] bool."""
    centre = np.arange(side) + 0.5
    away = (centre - path[:, :1]) ** 2  # [n, side], squared
    down = (centre - path[:, 1:]) ** 2
    covered: np.ndarray = ((down[:, :, None] + away[:, None, :]) <= (BRUSH / 2) ** 2).any(0)
    return covered
