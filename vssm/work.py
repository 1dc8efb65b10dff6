"""What a network reports after each of its calls while it completes prompts."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Work(NamedTuple):
    """What a network reports after one of its calls. Nothing is copied or moved for it.

    values: [B, H, W, C] pixel values so far, or None; filled: how many tokens in raster order stand, known or
    generated (T when all). latent: the kind, the values [B, h, w, Z] and the prior's raw parameters of a level.
    """

    values: Tensor | None = None
    filled: int = 0
    latent: tuple | None = None
    level: int = 0
    prompt: bool = False  # this call only read the prompt
