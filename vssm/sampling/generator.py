"""From a request to events: `Generator.generate(request)` is the only way from a model to a screen.

All events are plain data; see `events` for their order. The command line prints them, the window draws them, tests list
them. Closing the iterator cancels the run.

A network takes part by one method (see `registry.Network`),
    complete(values [B, H, W, C], known [B, H, W], params) -> Iterator[SamplingStep],
which yields after every network call. The clock runs inside that iterator only: it stops while an event is made and
while its receiver draws it.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Generator as Events
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vssm import data, device
from vssm.checkpoint import Checkpoint
from vssm.errors import UserError
from vssm.models import registry
from vssm.models.registry import LatentNetwork, Network
from vssm.nn.ssm_block import prepare
from vssm.prompt import Prompt
from vssm.sampling import influence
from vssm.sampling.events import (
    Drafts,
    Event,
    Finished,
    FixedLatents,
    GenerationRequest,
    Influence,
    Latents,
    Posterior,
    Progress,
    Started,
)
from vssm.sampling.step import FixedLatentTensors, FixedLevel, Sampler, SamplingParams, SamplingStep
from vssm.sampling.trace import SamplingTrace

PROJECTIONS = 2  # of a picture, for the influence of its latents


class Generator:
    """A trained model on a device, ready to complete prompts."""

    def __init__(self, checkpoint: Checkpoint, where: torch.device | None = None) -> None:
        """Move the network to a device, by default the best one of this machine."""
        self.checkpoint, self.where = checkpoint, where or device.choose()
        self.data, self.preset = checkpoint.data, registry.get(checkpoint.model)
        self.network: Network = checkpoint.network.to(self.where)
        self._sampling_network = _prepared(self.network, self.where)

    def warm_up(self) -> None:
        """Run a few network calls, so that the first run a person sees does not include the set-up of kernels."""
        events = self.generate(GenerationRequest(Prompt.empty(*self.data.shape), every=0))
        for _, _ in zip(range(20), events, strict=False):
            pass
        events.close()

    def generate(
        self, request: GenerationRequest, urgent: Callable[[], bool] = lambda: False
    ) -> Events[Event, None, None]:
        """Complete a prompt, as events.

        Args:
            request: What to complete, and how.
            urgent: Called after every network call: whether the receiver wants an event now, whatever `request.every`
                says. So a pause or a stop waits for one network call at most.

        Raises:
            UserError: The prompt has another shape than the data set's pictures or no unknown pixel, or the model
                lacks the sampler, its parameter, the pixel mode or the latents.
        """
        prompt, K = request.prompt, request.samples
        if prompt.pixels.shape != self.data.shape:
            raise UserError(
                f"The prompt has the shape {prompt.pixels.shape}; {self.data.title} needs {self.data.shape}."
            )
        if prompt.known.all():
            raise UserError("Every pixel of the prompt is known, so there is nothing to complete; erase some first.")
        tokens = int((~prompt.known).sum()) * K
        num_levels = self.network.num_levels if isinstance(self.network, LatentNetwork) else 0
        threads, name = torch.get_num_threads(), device.describe(self.where)
        clamped = self.network.prefix_only and not prompt.is_prefix
        sampler, params = self._params(request)
        yield Started(
            self.preset.name,
            self.preset.title,
            tokens,
            K,
            num_levels,
            name,
            threads,
            clamped,
            sampler,
            params.parameter,
            params.pixel_mode,
        )

        values, known = self._to_device(np.repeat(prompt.pixels[None], K, 0), np.repeat(prompt.known[None], K, 0))
        seconds, prompt_seconds, calls, last_event = 0.0, 0.0, 0, time.perf_counter()
        drafted, accepted = 0, 0
        drawn: dict[int, Latents] = {}
        score = None
        with torch.inference_mode():
            steps = self._sampling_network.complete(values, known, params)
        last, trace = SamplingStep(), SamplingTrace(prompt.known, K) if request.details else None
        while True:
            with torch.inference_mode():
                begun = time.perf_counter()
                step = next(steps, None)
                now = time.perf_counter()
            seconds += now - begun
            if step is None:
                break
            last, calls = step, calls + 1
            if trace:
                trace.add_call(step.filled, seconds)
            drafted, accepted = drafted + step.drafted, accepted + step.accepted
            if step.prompt:
                device.synchronise(self.where)
                seconds += time.perf_counter() - now
                prompt_seconds = seconds
            whole = isinstance(step.filled, int) and step.filled >= self.data.pixels
            due = now - last_event >= request.every or urgent()
            with_latents = step.latent is not None and (step.values is None or due or whole)
            with_progress = step.values is not None and due and not whole
            with_log_prob = trace is not None and step.log_probability is not None and not whole
            if not (with_latents or with_progress or with_log_prob):
                continue
            device.synchronise(self.where)
            seconds += time.perf_counter() - now
            if trace:
                trace.correct_time(seconds)
                if with_log_prob:
                    self._add_log_prob(trace, step)
            if with_latents:
                drawn[step.level] = self._latents(step, seconds, num_levels)
                yield drawn[step.level]
            if with_progress:
                yield self._progress(step, prompt, seconds, calls, drafted, accepted)
                last_event = time.perf_counter()
        begun = time.perf_counter()
        device.synchronise(self.where)
        seconds += time.perf_counter() - begun
        final = self._progress(last, prompt, seconds, calls, drafted, accepted)
        images = final.images.copy()  # a receiver may change the pictures of an event
        yield final
        if request.posterior and num_levels and last.values is not None:
            yield from self._posterior(last.values, known)
        if trace:
            trace.correct_time(seconds)
            self._add_log_prob(trace, last)
            details = trace.details(self._bound(last.values, known, request.seed) if num_levels else None)
            score = details.score
            yield details
        if request.influence is not None and sampler.can_fix_latents and "mean" in self.network.pixel_modes:
            best = request.influence if score is None or request.influence >= 0 else int(np.nan_to_num(score).argmax())
            yield from self._influence(request, drawn, best)
        yield Finished(
            self.preset.name,
            images,
            seconds - prompt_seconds,
            prompt_seconds,
            calls,
            tokens,
            name,
            threads,
            params.sampler,
            params.parameter,
            params.pixel_mode,
            drafted,
            accepted,
        )

    def find_sampler(self, name: str | None = None, parameter: int | None = None) -> tuple[Sampler, int]:
        """Find a sampler of this model and the value of its parameter, the usual ones by default.

        Raises:
            UserError: The model has no such sampler, or the sampler does not take this value.
        """
        samplers = self.network.samplers(self.network.config)
        sampler = next((s for s in samplers if s.name == (name or samplers[0].name)), None)
        title = self.preset.title
        if sampler is None:
            raise UserError(f"{title} has no sampler {name!r}; choose one of: {', '.join(s.name for s in samplers)}.")
        if parameter is None:
            return sampler, sampler.default
        if sampler.parameter is None:
            raise UserError(f"{title}'s sampler {sampler.name!r} has no number to set; leave it out.")
        if not 1 <= parameter <= sampler.most:
            raise UserError(f"{title}'s {sampler.parameter} must lie between 1 and {sampler.most}, not {parameter}.")
        return sampler, parameter

    def find_pixel_mode(self, pixel_mode: str | None = None) -> str:
        """Find how pixels are shown, "sampled" or "mean": as asked, else the data set's usual way if the model has it.

        Raises:
            UserError: The model does not have this way.
        """
        modes = self.network.pixel_modes
        if pixel_mode is None:
            return self.data.pixel_mode if self.data.pixel_mode in modes else modes[0]
        if pixel_mode not in modes:
            raise UserError(f"{self.preset.title} has no {pixel_mode!r} pixels; choose one of: {', '.join(modes)}.")
        return pixel_mode

    def complete_batch(
        self,
        images: NDArray[np.uint8],
        known: NDArray[np.bool_],
        temperature: float = 1.0,
        seed: int = 0,
        sampler: str | None = None,
        parameter: int | None = None,
        pixel_mode: str | None = None,
        fixed_latents: FixedLatents | None = None,
    ) -> tuple[NDArray[np.uint8], float, int]:
        """Complete many different prompts at once, without events.

        Args:
            images: [B, H, W, C] uint8, the prompts' pixels.
            known: [B, H, W] bool.
            temperature: As in `GenerationRequest`, like all that follow.
            seed: Seed of all noise.
            sampler: The name of a sampler.
            parameter: The sampler's whole number.
            pixel_mode: "sampled" or "mean".
            fixed_latents: Latents to keep, one sample for each picture.

        Returns:
            Pictures [B, H, W, C] uint8, the model's time in seconds, and the number of network calls.
        """
        _, params = self._params(
            GenerationRequest(
                Prompt.empty(*self.data.shape),
                len(images),
                temperature,
                seed,
                sampler=sampler,
                parameter=parameter,
                pixel_mode=pixel_mode,
                fixed_latents=fixed_latents,
            )
        )
        values, mask = self._to_device(images, known)
        device.synchronise(self.where)
        begun = time.perf_counter()
        with torch.inference_mode():
            steps = self._sampling_network.complete(values, mask, params)
            calls, last = deque(enumerate(steps, 1), maxlen=1).pop()
        device.synchronise(self.where)
        seconds = time.perf_counter() - begun
        made = data.to_pixels(_whole(last).cpu().numpy(), self.data)
        return np.where(known[..., None], images, made), seconds, calls

    def encode(
        self, images: NDArray[np.uint8], known: NDArray[np.bool_], seed: int = 0
    ) -> tuple[NDArray[np.float32], ...]:
        """Draw latents from the posterior, which sees whole pictures. The model must have latents.

        Args:
            images: [B, H, W, C] uint8, whole pictures.
            known: [B, H, W] bool, the prompt's known pixels.
            seed: Seed of the draw.

        Returns:
            The codes [B, h, w, N] of every level, in order, as `FixedLatents` takes them.
        """
        values, mask = self._to_device(images, known)
        with torch.inference_mode(), torch.random.fork_rng([self.where] if self.where.type == "cuda" else []):
            torch.manual_seed(seed)
            _, found = _with_latents(self._sampling_network).infer(values, mask)
        return tuple(_floats(level.latent.codes(level.value)) for level in found)

    def _params(self, request: GenerationRequest) -> tuple[Sampler, SamplingParams]:
        """The sampler, and what the network is given; raises UserError for what the model lacks."""
        sampler, parameter = self.find_sampler(request.sampler, request.parameter)
        pixel_mode = self.find_pixel_mode(request.pixel_mode)
        fixed = None if request.fixed_latents is None else self._fix(request.fixed_latents, sampler, request)
        rng = torch.Generator(self.where).manual_seed(request.seed)
        return sampler, SamplingParams(rng, sampler.name, parameter, request.temperature, pixel_mode, fixed)

    def _fix(self, fixed: FixedLatents, sampler: Sampler, request: GenerationRequest) -> FixedLatentTensors:
        """Latents to keep, as tensors; raises UserError if the sampler cannot keep any, or these are not its own."""
        title, K = self.preset.title, request.samples
        if not sampler.can_fix_latents:
            able = [s.title for s in self.network.samplers(self.network.config) if s.can_fix_latents]
            what = f"hold latents with its sampler {able[0]!r} only" if able else "hold no latents, as it has none"
            raise UserError(f"{title} can {what}; complete anew.")
        found = _with_latents(self.network).latent_levels
        if not len(fixed.codes) == len(fixed.redraw) == len(found):
            raise UserError(f"{title} has {len(found)} levels of latents, not {len(fixed.codes)}; complete anew.")
        levels: dict[int, FixedLevel] = {}
        for (number, (kind, shape)), codes, redraw in zip(found.items(), fixed.codes, fixed.redraw, strict=True):
            if codes is None:
                continue
            level = f"level {number}" if number else "global code"
            mask = np.zeros(shape[:2], bool) if redraw is None else np.asarray(redraw)
            fits = mask.dtype == bool and mask.shape in (shape[:2], (K, *shape[:2]))
            if np.shape(codes) != (K, *shape) or not fits:
                size = " × ".join(map(str, (K, *shape)))
                raise UserError(f"The {level} of {title} has {size} codes, other than these; complete anew.")
            given = torch.from_numpy(np.array(codes, np.float32)).to(self.where)
            if not kind.has(given):
                raise UserError(f"Not all codes given of the {level} are codes of {title}; complete anew.")
            where = torch.from_numpy(np.broadcast_to(mask, given.shape[:3]).copy()).to(self.where)
            levels[number] = FixedLevel(kind.value(given), where)
        # a stream of its own, even if both seeds are the same
        mixed = int(np.random.SeedSequence((abs(request.seed), abs(fixed.seed))).generate_state(1)[0])
        return FixedLatentTensors(levels, torch.Generator(self.where).manual_seed(mixed), fixed.other)

    def _add_log_prob(self, trace: SamplingTrace, step: SamplingStep) -> None:
        if step.log_probability is not None:
            with torch.inference_mode():
                trace.add_log_prob(step.log_probability().float().cpu().numpy())

    def _posterior(self, values: Tensor, known: Tensor) -> Iterator[Posterior]:
        network = _with_latents(self._sampling_network)
        with torch.inference_mode():
            found = network.posterior(values, known)
        for number, (kind, q, p) in zip(network.latent_levels, found, strict=True):
            yield Posterior(number, network.num_levels, _floats(kind.entropy(q)), _floats(kind.divergence(q, p)))

    def _bound(self, values: Tensor | None, known: Tensor, seed: int) -> NDArray[np.float32]:
        """Compute the bound of log p(unknown pixels | known pixels) in nats, [K], the same for the same seed."""
        network = _with_latents(self._sampling_network)
        on_gpu = [self.where] if self.where.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(on_gpu):
            torch.manual_seed(seed % 2**63)
            bound = None if values is None else network.conditional_bound(values, known)
        return np.full(len(known), np.nan, np.float32) if bound is None else _floats(bound)

    def _influence(self, request: GenerationRequest, drawn: dict[int, Latents], sample: int) -> Iterator[Influence]:
        """Compute how far the latents of a sample move its mean picture; the last rows have another global code."""
        given, others = sorted(drawn), 0 in drawn
        rows = PROJECTIONS * (1 + others)
        codes = tuple(np.repeat(drawn[number].codes[[sample]], rows, 0) for number in given)
        again = np.arange(rows) >= PROJECTIONS
        redraw = tuple(np.broadcast_to(again[:, None, None], one.shape[:3]) for one in codes)
        fixed = FixedLatents(codes, redraw, request.seed, other=True)
        held = dataclasses.replace(request, samples=rows, pixel_mode="mean", fixed_latents=fixed)
        _, params = self._params(held)
        assert params.fixed_latents is not None
        kinds = _with_latents(self._sampling_network).latent_levels
        levels = {n: (kinds[n][0], one.value) for n, one in params.fixed_latents.levels.items() if n}
        for _, value in levels.values():
            value.requires_grad_()
        prompt = request.prompt
        values, known = self._to_device(np.repeat(prompt.pixels[None], rows, 0), np.repeat(prompt.known[None], rows, 0))
        with torch.enable_grad():
            *_, last = self._sampling_network.complete(values, known, params)
            pixels = _whole(last).float() / (self.data.num_values - 1)
            rng = torch.Generator(self.where).manual_seed(request.seed)
            found = influence.moves(pixels, levels, rng)
        if others:
            change = (pixels[PROJECTIONS:] - pixels[:PROJECTIONS]).square().sum((1, 2, 3)).mean().sqrt()
            size = kinds[0][0].size
            found[0] = (change.detach() / math.sqrt(size)).expand(1, 1, size)
        for number in given:
            yield Influence(number, sample, _floats(found[number]))

    def _to_device(self, pixels: NDArray[np.uint8], known: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        values = torch.from_numpy(data.to_values(pixels, self.data)).long()
        return values.to(self.where), torch.from_numpy(known).to(self.where)

    def _progress(
        self, step: SamplingStep, prompt: Prompt, seconds: float, calls: int, drafted: int, accepted: int
    ) -> Progress:
        images = data.to_pixels(_whole(step).cpu().numpy(), self.data)
        if isinstance(step.filled, int):
            filled = (np.arange(self.data.pixels) < step.filled).reshape(prompt.known.shape)
            filled = np.repeat(filled[None], len(images), 0)
        else:
            filled = step.filled.cpu().numpy()
        images = np.where(prompt.known[..., None], prompt.pixels, images * filled[..., None].astype(np.uint8))
        tokens = int((filled & ~prompt.known).sum())
        drafts = self._drafts(step) if step.drafts else None
        return Progress(seconds, tokens, calls, images, filled | prompt.known, drafted, accepted, drafts)

    def _drafts(self, step: SamplingStep) -> Drafts | None:
        if step.drafts is None:
            return None
        values, proposed, passed = step.drafts()
        drafted, accepted = _copied(proposed, torch.bool), _copied(passed, torch.bool)
        images = data.to_pixels(values.cpu().numpy(), self.data) * drafted[..., None].astype(np.uint8)
        return Drafts(images, drafted, accepted)

    def _latents(self, step: SamplingStep, seconds: float, num_levels: int) -> Latents:
        assert step.latent is not None
        kind, value, raw = step.latent
        codes, entropy = _floats(kind.codes(value)), _floats(kind.entropy(raw))
        if step.drawn is not None:
            for shown in (codes, entropy):
                shown.reshape(len(shown), codes[0, ..., 0].size, -1)[:, step.drawn :] = np.nan
        plan = None if step.plan is None else _copied(((step.plan + 1) * 127.5).round().clamp(0, 255), torch.uint8)
        return Latents(seconds, step.level, num_levels, kind.kind, kind.classes, codes, entropy, plan)


def run(generator: Generator, request: GenerationRequest) -> Finished:
    """Complete a prompt and return the last event."""
    *_, last = generator.generate(request)
    assert isinstance(last, Finished)
    return last


def _whole(step: SamplingStep) -> Tensor:
    """The pixel values of a step that has some, as the last one of every network does."""
    if step.values is None:
        raise RuntimeError("a network's last step must have pixel values")
    return step.values


def _with_latents(network: Network) -> LatentNetwork:
    if not isinstance(network, LatentNetwork):
        raise TypeError(f"{type(network).__name__} has no latents")
    return network


def _floats(x: Tensor) -> NDArray[np.float32]:
    return _copied(x, torch.float32)


def _copied(x: Tensor, dtype: torch.dtype) -> NDArray[Any]:
    """Copy a tensor for an event, so that later changes to the tensor do not reach it."""
    return x.to("cpu", dtype, copy=True).numpy()


def _prepared(network: Network, where: torch.device) -> Network:
    """A copy that generates in the device's fast precision without autocast, which costs small calls; the network
    itself if that is no faster."""
    if not network.half_precision:
        return network
    copied = copy.deepcopy(network)
    prepare(copied.modules(), device.fast_dtype(where))
    return copied
