"""What a model is asked for and what it reports: plain data (numpy, no torch, no Qt), so that a window needs no torch.

`Generator.generate` answers a request with events in this order: `Started` first; `Latents` and `Progress` as often as
they occur; `Posterior`, `Details` and `Influence` if the request asks for them; `Finished` last.

Shapes: K samples, H × W pixels of C channels; a level of latents has h × w positions with N variables each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vssm.errors import UserError
from vssm.prompt import Prompt
from vssm.sampling.step import Sampler


@dataclass(frozen=True, eq=False)
class FixedLatents:
    """Latents of an earlier run that a new run keeps, with the same request otherwise.

    A position that is drawn again comes from the prior given the prompt and the levels above as they now are. The
    levels below keep their codes although their prior has changed. All other noise is that of the earlier run: if
    everything is kept, the picture is the same, and each change of a picture comes from a code.

    Args:
        codes: For every level the codes of its `Latents` event, or None to draw the level as usual.
        redraw: For every level the positions to draw again, bool [h, w] or [K, h, w], or None for none of them.
        seed: Seed of what is drawn again.
        other: Whether the new codes of a position must differ from the ones before. This is not quite a draw from the
            prior, but it always shows a change.
    """

    codes: tuple[NDArray[np.float32] | None, ...]
    redraw: tuple[NDArray[np.bool_] | None, ...]
    seed: int = 0
    other: bool = False


@dataclass(frozen=True)
class GenerationRequest:
    """A request to complete one prompt.

    Args:
        prompt: The pixels that are known.
        samples: How many completions, K.
        temperature: 1 samples the model as trained; towards 0 it takes the most likely choice at every step.
        seed: Seed of all noise.
        every: Least time between two Progress events, in seconds of wall-clock time; 0 reports every network call.
        sampler: The name of one of the model's samplers; None for the usual one.
        parameter: The sampler's whole number (tokens in a chunk, tokens drafted in a call, steps); None for the usual
            value, and for a sampler without one.
        posterior: Whether to report, after the clock has stopped, the encoder's posterior of the finished pictures.
        pixel_mode: "sampled" or "mean", for models whose pixels are independent given latents; None for the data
            set's usual one if the model has it.
        fixed_latents: Latents of an earlier run to keep, for a sampler that can.
        details: Whether to report, after the clock has stopped, when each pixel was drawn and how likely it was.
        influence: The sample of which to report, after the clock has stopped, how far each latent moves the picture;
            −1 for the one of the highest score, for which `details` are needed; None for none.

    Raises:
        UserError: Samples or temperature are out of range.
    """

    prompt: Prompt
    samples: int = 1
    temperature: float = 1.0
    seed: int = 0
    every: float = 0.02
    sampler: str | None = None
    parameter: int | None = None
    posterior: bool = False
    pixel_mode: str | None = None
    fixed_latents: FixedLatents | None = None
    details: bool = False
    influence: int | None = None

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise UserError(f"The number of samples must be at least 1, not {self.samples}.")
        if not 0 <= self.temperature <= 10:
            raise UserError(f"The temperature must lie between 0 and 10, not {self.temperature}.")


@dataclass(frozen=True)
class Started:
    """The first event of a run.

    Args:
        model: The preset's name.
        title: What people call it.
        tokens: How many pixels will be generated, over all samples.
        samples: How many completions, K.
        num_levels: How many levels of latents the model has; 0 for a model without latents.
        device: The device, in words.
        threads: How many CPU threads torch uses.
        clamped: Whether there are known pixels after the first unknown one and the model reads in raster order: it
            keeps these pixels, but they do not influence the pixels before them.
        sampler: The sampler in use.
        parameter: Its whole number; 0 for a sampler without one.
        pixel_mode: "sampled" or "mean".
    """

    model: str
    title: str
    tokens: int
    samples: int
    num_levels: int
    device: str
    threads: int
    clamped: bool
    sampler: Sampler
    parameter: int
    pixel_mode: str


@dataclass(frozen=True)
class Drafts:
    """A round of drafting.

    The first draft that a verification rejects is replaced by a new draw; the drafts after it are dropped.

    Args:
        images: [K, H, W, C] uint8, the drafted pixels, 0 elsewhere.
        proposed: [K, H, W] bool, which pixels were drafted.
        passed: [K, H, W] bool, which drafts a verification has accepted; none before there was a verification.
    """

    images: NDArray[np.uint8]
    proposed: NDArray[np.bool_]
    passed: NDArray[np.bool_]


@dataclass(frozen=True)
class Progress:
    """The pictures so far.

    Args:
        seconds: The model's time, with the prompt.
        tokens: How many pixels have been generated, over all samples.
        network_calls: How many times the network has been called.
        images: [K, H, W, C] uint8: known pixels as given, generated ones, and 0 where there is nothing yet.
        filled: [K, H, W] bool, which pixels are known or generated.
        drafted: How many tokens have been given to a verification, over all samples.
        accepted: How many of them it accepted.
        drafts: The round of drafting that the last call belongs to.
    """

    seconds: float
    tokens: int
    network_calls: int
    images: NDArray[np.uint8]
    filled: NDArray[np.bool_]
    drafted: int = 0
    accepted: int = 0
    drafts: Drafts | None = None


@dataclass(frozen=True)
class Latents:
    """One level of latents as it was drawn in this run.

    Args:
        seconds: The model's time.
        level: The number of the level, from 1; 0 for the global code of a model that has one.
        num_levels: How many levels the model has.
        kind: "gaussian" or "categorical".
        classes: How many classes a categorical variable has; 0 for Gaussians.
        codes: [K, h, w, N] float32, values or class numbers. If latents are drawn piece by piece, codes and entropy
            are NaN at positions that have not been drawn yet.
        entropy: [K, h, w] float32 in nats, of the distribution that the N variables were drawn from.
        plan: Of the global code, the small blurred picture that it stands for, [K, h, w, C] uint8.
    """

    seconds: float
    level: int
    num_levels: int
    kind: str
    classes: int
    codes: NDArray[np.float32]
    entropy: NDArray[np.float32]
    plan: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Posterior:
    """One level of the posterior q(z | x) of the finished pictures x; computed after the clock has stopped.

    Args:
        level: The number of the level, as in `Latents`.
        num_levels: How many levels the model has.
        entropy: [K, h, w] float32 in nats, over the N variables.
        divergence: [K, h, w] float32 in nats, the KL divergence from the distribution given the prompt alone.
    """

    level: int
    num_levels: int
    entropy: NDArray[np.float32]
    divergence: NDArray[np.float32]


@dataclass(frozen=True)
class Details:
    """Every pixel of every sample; computed after the clock has stopped.

    Args:
        log_probability: [K, H, W] float32 in nats: what the model at temperature 1 (whatever the temperature of the
            draw) gave the value drawn, given what the draw depended on: all pixels before it in a raster model, all
            pixels that were there in AS-ARM, the latents in a VSSM (and the prompt, except in the causal one). In
            colour it is that of all channels together. NaN for known pixels, for means, and for a network that
            does not compute it.
        order: [K, H, W] int32, the network call that settled the pixel, from 1; 0 for known pixels.
        seconds: [K, H, W] float32, the model's time after that call; NaN for known pixels. On a device with a queue
            of its own, the time when the call was queued, unless an event was made of the call.
        score: [K] float32 in nats: the log-probability of the unknown pixels given the known ones. Of a model that
            draws by parts it is the sum of the above; a VSSM has a lower bound of it, by one draw from the posterior.
            NaN where a model has neither.
    """

    log_probability: NDArray[np.float32]
    order: NDArray[np.int32]
    seconds: NDArray[np.float32]
    score: NDArray[np.float32]


@dataclass(frozen=True)
class Influence:
    """How far the latents of one level move a picture; computed after the clock has stopped.

    Args:
        level: The number of the level, as in `Latents`.
        sample: The number of the sample.
        moves: [h, w, N] float32, the length of the change of the mean picture (the root of the sum of squares over
            unknown pixels and channels, of brightness from 0 to 1) when one variable changes by 1, or to another
            class, and all others are held; to first order, and estimated from few projections. Of the global code,
            when it is drawn anew with all that follows.
    """

    level: int
    sample: int
    moves: NDArray[np.float32]

    @property
    def total(self) -> float:
        """The length of the change when all variables of the level change independently of one another."""
        return float(np.sqrt(np.square(self.moves).sum()))


@dataclass(frozen=True)
class Finished:
    """The last event of a run.

    Args:
        model: The preset's name.
        images: [K, H, W, C] uint8, with known pixels exactly as given.
        seconds: The model's time after it had read the prompt.
        prompt_seconds: The model's time for reading the prompt; 0 if it needs no call of its own.
        network_calls: How many times the network was called.
        tokens: How many pixels were generated, over all samples.
        device: The device, in words.
        threads: How many CPU threads torch uses.
        sampler: The name of the sampler.
        parameter: Its whole number; 0 for a sampler without one.
        pixel_mode: "sampled" or "mean".
        drafted: How many tokens were given to a verification, over all samples.
        accepted: How many of them it accepted.
    """

    model: str
    images: NDArray[np.uint8]
    seconds: float
    prompt_seconds: float
    network_calls: int
    tokens: int
    device: str
    threads: int
    sampler: str
    parameter: int
    pixel_mode: str = "sampled"
    drafted: int = 0
    accepted: int = 0

    @property
    def tokens_per_second(self) -> float:
        """Pixels generated in a second of the model's whole time."""
        return self.tokens / max(self.seconds + self.prompt_seconds, 1e-9)


Event = Started | Progress | Latents | Posterior | Details | Influence | Finished
