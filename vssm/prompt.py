"""A prompt: the pixels a person gave, and which of them count as known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vssm.errors import UserError
from vssm.files.image import as_sketch, read_exactly


@dataclass(frozen=True)
class Prompt:
    """Pixel values and the set S of known pixels.

    Args:
        pixels: [H, W, C] uint8, 0 to 255; values of unknown pixels are ignored.
        known: [H, W] bool.

    Raises:
        UserError: Shapes or types are wrong.
    """

    pixels: np.ndarray
    known: np.ndarray

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.dtype != np.uint8:
            raise UserError(f"A prompt needs pixels as uint8 [H, W, C], not {self.pixels.dtype} {self.pixels.shape}.")
        if self.known.shape != self.pixels.shape[:2] or self.known.dtype != np.bool_:
            raise UserError(
                f"A prompt's known mask is bool {self.pixels.shape[:2]}, not {self.known.dtype} {self.known.shape}."
            )

    @classmethod
    def empty(cls, height: int, width: int, channels: int) -> Prompt:
        """Make a prompt without known pixels; completing it is unconditional generation."""
        return cls(np.zeros((height, width, channels), np.uint8), np.zeros((height, width), bool))

    def same_as(self, other: Prompt) -> bool:
        """Whether both prompts have the same pixels and the same known ones."""
        return np.array_equal(self.known, other.known) and np.array_equal(self.pixels, other.pixels)

    def with_rows(self, rows: int) -> Prompt:
        """Return the same pixels with the first `rows` rows known: a prefix prompt, C = rows × W.

        Raises:
            UserError: There are fewer rows.
        """
        if not 0 <= rows <= self.known.shape[0]:
            raise UserError(f"Known rows must lie between 0 and {self.known.shape[0]}, not {rows}.")
        known = np.zeros_like(self.known)
        known[:rows] = True
        return Prompt(self.pixels, known)

    @property
    def prefix(self) -> int:
        """Length C of the leading run of known pixels in raster order."""
        flat = self.known.ravel()
        return int(flat.size if flat.all() else flat.argmin())

    @property
    def is_prefix(self) -> bool:
        """Whether every known pixel lies in that leading run."""
        return int(self.known.sum()) == self.prefix


def read_image(path: str | Path, height: int, width: int, channels: int) -> np.ndarray:
    """Read an image of exactly height × width pixels.

    An image of more than 8 bits is stretched to the range of its values; transparent pixels have no ink.

    Returns:
        [H, W, C] uint8.

    Raises:
        UserError: The file is no such image.
    """
    return as_sketch(read_exactly(path, height, width), channels)


def draw_known(
    count: int, height: int, width: int, empty_share: float, rng: np.random.Generator, kinds: str = "any"
) -> np.ndarray:
    """Draw known sets for training.

    A share `empty_share` of them is empty. The others are, in equal parts, prefixes of every length (half of them of
    whole rows, like those of the row slider), a known rectangle, an unknown rectangle, and strokes of a broad brush.

    Args:
        count: How many sets.
        height: Of a picture, in pixels.
        width: Of a picture, in pixels.
        empty_share: The share of empty sets, 0 to 1.
        rng: The source of random numbers.
        kinds: "any", or "prefix" for prefixes alone.

    Returns:
        [count, height, width] bool.

    Raises:
        ValueError: There is no such kind.
    """
    if kinds not in ("any", "prefix"):
        raise ValueError(f"kinds must be 'any' or 'prefix', not {kinds!r}")
    known = np.zeros((count, height, width), bool)
    for mask in known:
        if rng.random() < empty_share:
            continue
        kind = rng.integers(4) if kinds == "any" else 0
        if kind == 0:
            length = rng.integers(1, height) * width if rng.random() < 0.5 else rng.integers(1, height * width)
            mask.reshape(-1)[:length] = True
        elif kind in (1, 2):
            (top, bottom), (left, right) = (np.sort(rng.integers(0, n + 1, 2)) for n in (height, width))
            mask[top:bottom, left:right] = True
            if kind == 2:
                mask ^= True
        else:
            for _ in range(rng.integers(1, 5)):
                _stroke(mask, rng)
            if rng.random() < 0.3:
                mask ^= True
    return known


def _stroke(mask: np.ndarray, rng: np.random.Generator) -> None:
    """Paint a smooth random walk with a round brush into `mask` [H, W]."""
    height, width = mask.shape
    y, x = rng.uniform(0, height), rng.uniform(0, width)
    heading, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 3.5)
    rows, columns = np.ogrid[:height, :width]
    for _ in range(rng.integers(3, 24)):
        mask |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        heading += rng.normal(0, 0.5)
        y, x = np.clip(y + np.sin(heading), 0, height), np.clip(x + np.cos(heading), 0, width)
