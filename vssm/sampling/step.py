"""What a network is given to complete prompts, and what it reports after each of its calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from vssm.nn.latent_distributions import Latent


@dataclass(frozen=True)
class Sampler:
    """One way in which a model draws completions.

    Args:
        name: What requests, records and the command line call it.
        title: What people read.
        about: One line for people.
        parameter: The name of the whole number that it takes ("chunk", "draft", "steps"; the command line has an
            option of that name), or None if it takes none.
        default: The usual value of the parameter, 0 without one.
        most: The largest value of the parameter, 0 without one.
        can_fix_latents: Whether it can keep latents of an earlier run.
    """

    name: str
    title: str
    about: str
    parameter: str | None = None
    default: int = 0
    most: int = 0
    can_fix_latents: bool = False

    def words(self, parameter: int) -> str:
        """Write the sampler and its parameter for people."""
        return f"{self.name}, {self.parameter} {parameter}" if self.parameter else self.name


class FixedLevel(NamedTuple):
    """One level of latents that is kept: values [B, h, w, Z], and where [B, h, w] (bool) they are drawn again."""

    value: Tensor
    redraw: Tensor


class FixedLatentTensors(NamedTuple):
    """The latents that are kept while a network draws the others.

    Args:
        levels: By the number of a level; a level without an entry is drawn as usual.
        rng: The source of noise for what is drawn again.
        other: Whether a value that is drawn again must differ from the one before.
    """

    levels: dict[int, FixedLevel]
    rng: Generator
    other: bool


@dataclass(frozen=True)
class SamplingParams:
    """How a network draws completions.

    Args:
        rng: The source of all noise, on the network's device.
        sampler: The name of one of the network's samplers.
        parameter: The sampler's whole number, 0 if it takes none.
        temperature: 1 samples the model as trained; towards 0 it takes the most likely choice at every step.
        pixel_mode: "sampled", or "mean" to take the mean of each pixel given the latents.
        fixed_latents: Latents to keep, for a sampler that can.
    """

    rng: Generator
    sampler: str
    parameter: int = 0
    temperature: float = 1.0
    pixel_mode: str = "sampled"
    fixed_latents: FixedLatentTensors | None = None


class Drafted(NamedTuple):
    """One round of drafting.

    Args:
        values: [B, H, W, C] pixel values, with the drafted ones in their places.
        proposed: [B, H, W] bool, which pixels were drafted.
        passed: [B, H, W] bool, which drafts a verification has accepted; none before there was a verification.
    """

    values: Tensor
    proposed: Tensor
    passed: Tensor


class SamplingStep(NamedTuple):
    """What a network reports after one of its calls. Nothing is copied or moved for it.

    Args:
        values: [B, H, W, C] pixel values so far, or None; not whole numbers if means are shown.
        filled: Which pixels are known or generated: the number of pixels in raster order (all of them at the end),
            or a mask [B, H, W] that no later call changes.
        latent: Kind, values [B, h, w, Z], and the raw parameters of the distribution that they were drawn from.
        level: The number of the level of these latents, 0 for the global code.
        drawn: How many positions of the level have been drawn, in raster order; None for all.
        plan: What the global code says about the picture, [B, h, w, C] from −1 to 1.
        prompt: Whether this call only read the prompt.
        drafted: How many tokens were given to a verification, over the batch.
        accepted: How many of them it accepted, over the batch.
        drafts: Computes the round of drafting of this call, when the clock does not run. May be called before the
            network's next call only.
        log_probability: Computes [B, H, W] in nats, under the same condition: the log-probability that the model, at
            temperature 1, gave each value drawn by this call (or by all calls so far), given everything that the draw
            depended on; in colour that of all channels together. NaN for pixels that were not drawn. Values at known
            pixels do not count, and the last value of a pixel that is drawn again counts.
    """

    values: Tensor | None = None
    filled: int | Tensor = 0
    latent: tuple[Latent, Tensor, Tensor] | None = None
    level: int = 0
    drawn: int | None = None
    plan: Tensor | None = None
    prompt: bool = False
    drafted: int = 0
    accepted: int = 0
    drafts: Callable[[], Drafted] | None = None
    log_probability: Callable[[], Tensor] | None = None
