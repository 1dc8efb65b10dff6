"""What a network offers for completing prompts, and what it reports after each of its calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Mode:
    """A sampler of a model.

    size: what its whole number is called ("chunk", "draft", "steps"; the command line's option of that name), None
    for a sampler without one; default: that number where none is asked for; most: the largest. about: one line for
    people. holds: whether latents of an earlier run can be held.
    """

    name: str
    title: str
    about: str
    size: str | None = None
    default: int = 0
    most: int = 0
    holds: bool = False


class Kept(NamedTuple):
    """Of one level of latents: values [B, h, w, Z] drawn earlier, and where [B, h, w] they are to be drawn anew."""

    value: Tensor
    anew: Tensor


class Holding(NamedTuple):
    """Latents that are held while others are drawn. levels: by a level's number; one without entry is drawn as usual.
    rng: for what is drawn anew; other: whether that must differ from what stood there."""

    levels: dict[int, Kept]
    rng: Generator
    other: bool


class Drafted(NamedTuple):
    """One round of drafting. values: [B, H, W, C], as drafted where they were; proposed, passed: [B, H, W], where, and
    which of these a verification has passed: none before there was one."""

    values: Tensor
    proposed: Tensor
    passed: Tensor


class Work(NamedTuple):
    """What a network reports after one of its calls. Nothing is copied or moved for it.

    values: [B, H, W, C] pixel values so far, or None; not whole numbers where means are to be shown; filled: what
    stands, known or generated, as the number of pixels in raster order (all of them when finished) or as a mask
    [B, H, W] that no later call changes.
    latent: the kind, the values [B, h, w, Z] and the raw parameters of the distribution they were drawn from; level:
    its number, 0 for the global code; drawn: how many positions in raster order have been, None for all. plan: of the
    global code, what it says of the picture, [B, h, w, C] from −1 to 1.
    drafted, accepted: tokens proposed to a verification and passed by it, over the batch.
    drafts: works out the round that this call belongs to, off the clock, where somebody wants to see it; asked before
    the next call or never. So too log_probability: [B, H, W], of the pixels that this call drew, or of all drawn so
    far, what the model itself, at temperature 1, gave the value drawn, in nats, given all that the draw was
    conditioned on (in colour the value of all channels); not a number at pixels not drawn. A pixel drawn again counts
    anew; what is said of known pixels does not count.
    """

    values: Tensor | None = None
    filled: int | Tensor = 0
    latent: tuple | None = None
    level: int = 0
    drawn: int | None = None
    plan: Tensor | None = None
    prompt: bool = False  # this call only read the prompt
    drafted: int = 0
    accepted: int = 0
    drafts: Callable[[], Drafted] | None = None
    log_probability: Callable[[], Tensor] | None = None
