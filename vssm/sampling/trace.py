"""A record of one run, pixel by pixel: which call settled it, at what time, and how likely its value was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vssm.sampling.events import Details


class SamplingTrace:
    """Collects one line for each network call; `details` combines them after the clock has stopped."""

    def __init__(self, known: NDArray[np.bool_], samples: int) -> None:
        """Start a trace for so many samples of a prompt whose known mask is `known` [H, W]."""
        self._known = np.repeat(known[None], samples, 0)
        self._calls: list[tuple[int | Tensor, float]] = []  # after each call: the pixels filled, and the clock
        self._log_probability = np.full(self._known.shape, np.nan, np.float32)

    def add_call(self, filled: int | Tensor, seconds: float) -> None:
        """Add a network call: the pixels filled after it (see `SamplingStep`), and the model's time in seconds."""
        self._calls.append((filled, seconds))

    def correct_time(self, seconds: float) -> None:
        """Set the time of the last call, once the device has finished it."""
        self._calls[-1] = self._calls[-1][0], seconds

    def add_log_prob(self, log_probability: NDArray[np.float32]) -> None:
        """Add log-probabilities [K, H, W] in nats of the pixels that the last call drew; NaN at all other pixels."""
        np.copyto(self._log_probability, log_probability, where=~np.isnan(log_probability))

    def details(self, bound: NDArray[np.float32] | None) -> Details:
        """Return the event that describes every pixel of every sample.

        Args:
            bound: [K] in nats, of the log-probability of each sample's unknown pixels, for a model with latents.
        """
        order, seconds = np.zeros(self._known.shape, np.int32), np.full(self._known.shape, np.nan, np.float32)
        raster = np.arange(self._known[0].size).reshape(self._known[0].shape)
        before = self._known
        for number, (filled, at) in enumerate(self._calls, 1):
            after = raster < filled if isinstance(filled, int) else filled.cpu().numpy()
            new = after & ~before
            order[new], seconds[new] = number, at
            before = before | new
        log_probability = np.where(self._known, np.nan, self._log_probability)
        score = np.where(self._known, 0, self._log_probability).sum((1, 2)) if bound is None else bound
        return Details(log_probability, order, seconds, score.astype(np.float32))
