"""A result that is kept: one picture a model made, where it came from, and how to make it again. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .runs import Run

MOST_PINNED = 12  # for each data set


@dataclass(frozen=True, eq=False)
class Pinned:
    """image: [H, W, C] uint8, the whole completion. known: [H, W] bool, what was given of it. model, title: the
    preset's name, and what people read ("VSSM chunked 49"). sample: which of the run's samples, from 1. seconds: the
    model's time for all of them."""

    image: np.ndarray
    known: np.ndarray
    model: str
    title: str
    seed: int
    temperature: float
    sample: int
    seconds: float

    @classmethod
    def of(cls, run: Run, sample: int) -> Pinned:
        """Of a finished run, the sample counted from 0."""
        request = run.request
        return cls(
            run.finished.images[sample],
            request.prompt.known,
            run.model,
            run.title,
            request.seed,
            request.temperature,
            sample + 1,
            run.seconds,
        )

    def __eq__(self, other: object) -> bool:
        """The same picture of the same origin; how long it took does not matter."""
        return isinstance(other, Pinned) and self._origin == other._origin

    def __hash__(self) -> int:
        return hash(self._origin)

    @property
    def _origin(self) -> tuple:
        return (
            *(self.model, self.title, self.seed, self.temperature, self.sample, self.image.shape),
            *(self.image.tobytes(), self.known.tobytes()),
        )

    @property
    def words(self) -> str:
        """Where it came from, in a line."""
        return f"{self.title}, seed {self.seed}, sample {self.sample}"
