"""What is asked of a model and what it tells: plain data (numpy, no torch, no Qt), so that a window needs no torch.

`Started` first, `Latents` and `Progress` as often as they occur, `Posterior` and `Details` if asked for, `Finished`
last: that is how `generation.Generator` answers a request.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vssm.errors import UserError
from vssm.prompt import Prompt
from vssm.sampling.step import Mode


@dataclass(frozen=True, eq=False)
class Held:
    """Latents of an earlier run that are to stay, in a request that is otherwise that run's.

    codes: of every level, as its `Latents` event had them; None for a level that is to be drawn as usual. anew: where
    a level's codes are to be drawn anew, [h, w] or [K, h, w] bool; None for nowhere. What is drawn anew comes from the
    prior given the prompt and all levels above, as these now stand; the levels below are held, although their prior
    is another now. `seed` is for what is drawn anew. All else meets the noise that it met in the run the codes are
    from: so holding everything gives that run's picture again, and a picture changes only by what a code brings.
    other: draw anew given that a position's codes differ from those held: not quite a draw from the prior, but one
    that is always another.
    """

    codes: tuple[np.ndarray | None, ...]
    anew: tuple[np.ndarray | None, ...]
    seed: int = 0
    other: bool = False


@dataclass(frozen=True)
class GenerationRequest:
    """Complete `prompt` `samples` times.

    temperature: 1 samples the model as trained, towards 0 its most likely choice at every step.
    every: least seconds between two Progress events (wall clock); 0 reports every network call.
    mode: one of the model's samplers, its usual one by default. size: that sampler's number (tokens a chunk, drafted
    tokens, steps), where it has one. posterior: whether to tell, after the clock has stopped, what the encoder makes
    of the finished picture; details: likewise, when each pixel came and how likely it was. pixels: "sampled" from
    their likelihood or its "mean", where the model draws them independently given latents; by default as the data set
    shows them where the model can, else sampled. held: latents that stay, where the mode can hold them.
    """

    prompt: Prompt
    samples: int = 1
    temperature: float = 1.0
    seed: int = 0
    every: float = 0.02
    mode: str | None = None
    size: int | None = None
    posterior: bool = False
    pixels: str | None = None
    held: Held | None = None
    details: bool = False

    def __post_init__(self):
        if self.samples < 1:
            raise UserError(f"The number of samples must be at least 1, not {self.samples}.")
        if not 0 <= self.temperature <= 10:
            raise UserError(f"The temperature must lie between 0 and 10, not {self.temperature}.")


@dataclass(frozen=True)
class Started:
    """tokens: pixels to be generated, over all samples. levels: of latents, 0 for a model without.

    clamped: whether known pixels lie after the first unknown one and this model, reading in raster order, can only
    pass them by ("clamp"), not be informed by them beforehand.
    """

    model: str
    title: str
    tokens: int
    samples: int
    levels: int
    device: str
    threads: int
    clamped: bool
    mode: Mode
    size: int
    pixels: str


@dataclass(frozen=True)
class Drafts:
    """A round of drafting. images: [K, H, W, C] uint8, the pixels as drafted, 0 elsewhere; proposed, passed: [K, H, W]
    bool, where, and which of these a verification has passed: none before there was one. After it, the first that it
    rejected is drawn anew, and stands."""

    images: np.ndarray
    proposed: np.ndarray
    passed: np.ndarray


@dataclass(frozen=True)
class Progress:
    """What stands so far. seconds: the model's time, prompt included. images: [K, H, W, C] uint8, the prompt where
    known, 0 where nothing stands yet; filled: [K, H, W] bool, known or generated. drafted, accepted: tokens proposed
    to a verification so far, and passed by it, over all samples. drafts: the round that the last call belongs to."""

    seconds: float
    tokens: int
    network_calls: int
    images: np.ndarray
    filled: np.ndarray
    drafted: int = 0
    accepted: int = 0
    drafts: Drafts | None = None


@dataclass(frozen=True)
class Latents:
    """One level of latents as sampled in this run. level: its number, from 1 to `levels`; 0 for the global code of a
    model that has one.

    kind: "gaussian" or "categorical" (with `classes`); codes: [K, h, w, N] float32, values or class numbers;
    entropy: [K, h, w] float32, of the distribution they were drawn from, in nats over the N variables. Where latents
    are drawn piece by piece, both are NaN at positions still to come. plan: of the global code, the small blurred
    picture that it stands for, [K, h, w, C] uint8.
    """

    seconds: float
    level: int
    levels: int
    kind: str
    classes: int
    codes: np.ndarray
    entropy: np.ndarray
    plan: np.ndarray | None = None


@dataclass(frozen=True)
class Posterior:
    """One level of q_ψ(z | x) of the finished pictures x, off the clock.

    entropy: [K, h, w] float32, in nats over the N variables; divergence: [K, h, w] float32, KL from the distribution
    that the latents are drawn from given the prompt, in nats.
    """

    level: int
    levels: int
    entropy: np.ndarray
    divergence: np.ndarray


@dataclass(frozen=True)
class Details:
    """Of every pixel of every sample, [K, H, W], off the clock.

    order: int32, the network call that settled it, from 1; 0 where known. seconds: float32, the model's time when it
    stood, as the clock was read after that call (on a device with a queue of its own: when the call had been queued,
    unless an event was made of it); not a number where known.

    log_probability: float32, in nats, what the model gave the value drawn, at temperature 1 whatever temperature it
    was drawn at, given what the draw was conditioned on: by a raster model all pixels before it, by AS-ARM all that
    stood, by a VSSM its latents (and the prompt, but for the causal one). In colour it is that of all channels
    together. Not a number where known, where means are shown, and from a network that does not tell.
    """

    log_probability: np.ndarray
    order: np.ndarray
    seconds: np.ndarray


@dataclass(frozen=True)
class Finished:
    """images: [K, H, W, C] uint8, known pixels exactly as given. seconds: the model's time after the prompt had been
    read, prompt_seconds: for reading it (0 where both are one call)."""

    model: str
    images: np.ndarray
    seconds: float
    prompt_seconds: float
    network_calls: int
    tokens: int
    device: str
    threads: int
    mode: str
    size: int
    pixels: str = "sampled"
    drafted: int = 0
    accepted: int = 0

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / max(self.seconds + self.prompt_seconds, 1e-9)


Event = Started | Progress | Latents | Posterior | Details | Finished
