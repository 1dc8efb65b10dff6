"""A prompt: the pixels a person gave, and which of them count as known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vssm.errors import UserError
from vssm.files.image import as_sketch, read_exactly


@dataclass(frozen=True)
class Prompt:
    """Pixel values and the set S of known ones.

    pixels: [H, W, C] uint8, 0 to 255; what stands where `known` is false is ignored.
    known:  [H, W] bool.
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
        """Nothing known: completing it is unconditional generation."""
        return cls(np.zeros((height, width, channels), np.uint8), np.zeros((height, width), bool))

    def same_as(self, other: Prompt) -> bool:
        """Whether all pixels are the same, and the same ones are known."""
        return np.array_equal(self.known, other.known) and np.array_equal(self.pixels, other.pixels)

    def with_rows(self, rows: int) -> Prompt:
        """The same pixels with exactly the first `rows` rows known (a prefix prompt, C = rows × W)."""
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
    """Read an image of exactly height × width as [H, W, C] uint8; raises UserError for anything else.

    Of more than 8 bits it is stretched to the range of its values; what is transparent is no ink.
    """
    return as_sketch(read_exactly(path, height, width), channels)


def draw_known(
    count: int, height: int, width: int, empty_share: float, rng: np.random.Generator, kinds: str = "any"
) -> np.ndarray:
    """Draw the known sets VSSM trains on: [count, height, width] bool.

    A share `empty_share` has S = ∅; the rest are, in equal parts, prefixes of every length (half of them whole
    rows, as the row slider makes them), a known rectangle, a missing rectangle, and strokes of a broad brush; or,
    where `kinds` is "prefix" and not "any", prefixes alone. Raises ValueError for another word.
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
    """Paint one smooth random walk with a round brush into `mask`."""
    height, width = mask.shape
    y, x = rng.uniform(0, height), rng.uniform(0, width)
    heading, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 3.5)
    rows, columns = np.ogrid[:height, :width]
    for _ in range(rng.integers(3, 24)):
        mask |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        heading += rng.normal(0, 0.5)
        y, x = np.clip(y + np.sin(heading), 0, height), np.clip(x + np.cos(heading), 0, width)
