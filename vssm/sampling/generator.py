"""The one road from a model to a screen: `Generator.generate(request)` yields events.

`Started` first, `Latents` and `Progress` as often as they occur, `Posterior` and `Details` if asked for, `Finished`
last; all plain data, as `events` has it. The command line prints them, the window draws them, tests list them. Closing
the iterator cancels.

A network takes part by one method,
    complete(values [B, H, W, C], known [B, H, W], temperature, rng, mode, size, pixels) -> Iterator[Work],
which yields after every network call, and says by `half_precision` whether bfloat16 makes it faster and by `pixels`
which ways it has of showing what it makes; with modes that can hold latents, it is given these as `held`. The clock
runs inside that iterator only: it stands still while an event is made and while its receiver paints.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from vssm import data, device
from vssm.checkpoint import Checkpoint
from vssm.errors import UserError
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import (
    Details,
    Drafts,
    Event,
    Finished,
    GenerationRequest,
    Held,
    Latents,
    Posterior,
    Progress,
    Started,
)
from vssm.sampling.step import Holding, Kept, Mode, Work


class Generator:
    """A trained model on a device, ready to complete prompts."""

    def __init__(self, checkpoint: Checkpoint, where: torch.device | None = None):
        self.checkpoint, self.where = checkpoint, where or device.choose()
        self.data, self.preset = checkpoint.data, registry.get(checkpoint.model)
        self.network = checkpoint.network.to(self.where)
        self._sampler = _halved(self.network, self.where) if self.network.half_precision else self.network

    def warm_up(self) -> None:
        """Run once, so that the first run a person sees does not pay for memory and kernels being set up."""
        events = self.generate(GenerationRequest(Prompt.empty(*self.data.shape), every=0))
        for _, _ in zip(range(20), events, strict=False):
            pass
        events.close()

    def generate(self, request: GenerationRequest, urgent: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Complete a prompt; see the module's text. Raises UserError where the prompt has another shape, where every
        pixel is known already, or where latents cannot be held.

        urgent: asked after every network call whether the receiver wants an event now, whatever `request.every` says:
        so a pause or a stop waits for one call at most.
        """
        prompt, K = request.prompt, request.samples
        if prompt.pixels.shape != self.data.shape:
            raise UserError(
                f"The prompt has the shape {prompt.pixels.shape}; {self.data.title} needs {self.data.shape}."
            )
        if prompt.known.all():
            raise UserError("Every pixel of the prompt is known, so there is nothing to complete; erase some first.")
        tokens = int((~prompt.known).sum()) * K
        levels = getattr(self.network, "ladder", 0)
        threads, name = torch.get_num_threads(), device.describe(self.where)
        clamped = self.network.prefix_only and not prompt.is_prefix
        mode, size = self.sampler(request.mode, request.size)
        pixels = self.shown(request.pixels)
        held = {"held": self._held(request, mode)} if request.held else {}
        yield Started(
            self.preset.name, self.preset.title, tokens, K, levels, name, threads, clamped, mode, size, pixels
        )

        values, known = self._to_device(np.repeat(prompt.pixels[None], K, 0), np.repeat(prompt.known[None], K, 0))
        rng = torch.Generator(self.where).manual_seed(request.seed)
        seconds, prompt_seconds, calls, shown = 0.0, 0.0, 0, time.perf_counter()
        drafted, accepted = 0, 0
        with self._working():
            works = self._sampler.complete(values, known, request.temperature, rng, mode.name, size, pixels, **held)
        last, record = None, Record(prompt.known, K) if request.details else None
        while True:
            with self._working():
                begun = time.perf_counter()
                work = next(works, None)
                now = time.perf_counter()
            seconds += now - begun
            if work is None:
                break
            last, calls = work, calls + 1
            if record:
                record.called(work.filled, seconds)
            drafted, accepted = drafted + work.drafted, accepted + work.accepted
            if work.prompt:
                device.synchronise(self.where)
                seconds += time.perf_counter() - now
                prompt_seconds = seconds
            whole = isinstance(work.filled, int) and work.filled >= self.data.pixels
            due = now - shown >= request.every or urgent()
            latents = work.latent is not None and (work.values is None or due or whole)
            progress = work.values is not None and due and not whole
            tells = record is not None and work.log_probability is not None and not whole
            if not (latents or progress or tells):
                continue
            device.synchronise(self.where)
            seconds += time.perf_counter() - now
            if record:
                record.read(seconds)
            if tells:
                self._note(record, work)
            if latents:
                yield self._latents(work, seconds, levels)
            if progress:
                yield self._progress(work, prompt, seconds, calls, drafted, accepted)
                shown = time.perf_counter()
        begun = time.perf_counter()
        device.synchronise(self.where)
        seconds += time.perf_counter() - begun
        final = self._progress(last, prompt, seconds, calls, drafted, accepted)
        images = final.images.copy()  # before anybody has the other
        yield final
        if request.posterior and levels:
            yield from self._posterior(last.values, known)
        if record:
            record.read(seconds)
            self._note(record, last)
            yield record.details()
        yield Finished(
            self.preset.name,
            images,
            seconds - prompt_seconds,
            prompt_seconds,
            calls,
            tokens,
            name,
            threads,
            mode.name,
            size,
            pixels,
            drafted,
            accepted,
        )

    def sampler(self, name: str | None = None, size: int | None = None) -> tuple[Mode, int]:
        """The mode of that name (the usual one by default) and its number (its usual one by default).

        Raises UserError where this model has no such mode, or the mode no such number.
        """
        modes = self.network.modes(self.network.config)
        mode = next((m for m in modes if m.name == (name or modes[0].name)), None)
        title = self.preset.title
        if mode is None:
            raise UserError(f"{title} has no mode {name!r}; choose one of: {', '.join(m.name for m in modes)}.")
        if size is None:
            return mode, mode.default
        if mode.size is None:
            raise UserError(f"{title}'s mode {mode.name!r} has no number to set; leave it out.")
        if not 1 <= size <= mode.most:
            raise UserError(f"{title}'s {mode.size} must lie between 1 and {mode.most}, not {size}.")
        return mode, size

    def shown(self, pixels: str | None = None) -> str:
        """How finished pixels are shown, "sampled" or "mean": as asked, else as the data set has it where this model
        can. Raises UserError for a way that this model does not have."""
        ways = self.network.pixels
        if pixels is None:
            return self.data.shown if self.data.shown in ways else ways[0]
        if pixels not in ways:
            raise UserError(f"{self.preset.title} has no {pixels!r} pixels; choose one of: {', '.join(ways)}.")
        return pixels

    def complete_batch(
        self,
        images: np.ndarray,
        known: np.ndarray,
        temperature: float = 1.0,
        seed: int = 0,
        mode: str | None = None,
        size: int | None = None,
        pixels: str | None = None,
        held: Held | None = None,
    ) -> tuple[np.ndarray, float, int]:
        """Complete many different prompts at once, without events: images [B, H, W, C] uint8 and known [B, H, W] to
        images [B, H, W, C] uint8, the seconds the model worked, and its network calls. held: as in a request, a sample
        a picture."""
        sampler, size = self.sampler(mode, size)
        request = GenerationRequest(Prompt.empty(*self.data.shape), len(images), temperature, seed, held=held)
        kept = {"held": self._held(request, sampler)} if held else {}
        pixels = self.shown(pixels)
        values, mask = self._to_device(images, known)
        rng = torch.Generator(self.where).manual_seed(seed)
        device.synchronise(self.where)
        begun = time.perf_counter()
        with self._working():
            works = self._sampler.complete(values, mask, temperature, rng, sampler.name, size, pixels, **kept)
            calls, last = deque(enumerate(works, 1), maxlen=1).pop()
        device.synchronise(self.where)
        seconds = time.perf_counter() - begun
        made = data.from_levels(last.values.cpu().numpy(), self.data)
        return np.where(known[..., None], images, made), seconds, calls

    def encode(self, images: np.ndarray, known: np.ndarray, seed: int = 0) -> tuple[np.ndarray, ...]:
        """Draw latents from the posterior, which sees whole pictures: images [B, H, W, C] uint8 and known [B, H, W] to
        the codes [B, h, w, N] float32 of every level, in order, as `Held` takes them. The model must have latents."""
        values, mask = self._to_device(images, known)
        with self._working(), torch.random.fork_rng([self.where] if self.where.type == "cuda" else []):
            torch.manual_seed(seed)
            _, found = self._sampler.infer(values, mask)
        return tuple(owned(level.latent.codes(level.value)) for level in found)

    def _held(self, request: GenerationRequest, mode: Mode) -> Holding:
        """Raises UserError where this mode cannot hold latents, or where these are not its latents."""
        held, title, K = request.held, self.preset.title, request.samples
        if not mode.holds:
            able = [m.title for m in self.network.modes(self.network.config) if m.holds]
            what = f"hold latents in its mode {able[0]!r} only" if able else "hold no latents, as it has none"
            raise UserError(f"{title} can {what}; complete anew.")
        found = self.network.latent_levels
        if not len(held.codes) == len(held.anew) == len(found):
            raise UserError(f"{title} has {len(found)} levels of latents, not {len(held.codes)}; complete anew.")
        levels: dict[int, Kept] = {}
        for (number, (kind, shape)), codes, anew in zip(found.items(), held.codes, held.anew, strict=True):
            if codes is None:
                continue
            level = f"level {number}" if number else "global code"
            anew = np.zeros(shape[:2], bool) if anew is None else np.asarray(anew)
            fits = anew.dtype == bool and anew.shape in (shape[:2], (K, *shape[:2]))
            if np.shape(codes) != (K, *shape) or not fits:
                size = " × ".join(map(str, (K, *shape)))
                raise UserError(f"The {level} of {title} has {size} codes, other than these; complete anew.")
            codes = torch.from_numpy(np.array(codes, np.float32)).to(self.where)
            if not kind.has(codes):
                raise UserError(f"Not all codes given of the {level} are codes of {title}; complete anew.")
            anew = torch.from_numpy(np.broadcast_to(anew, codes.shape[:3]).copy()).to(self.where)
            levels[number] = Kept(kind.value(codes), anew)
        # not the run's own stream, whatever both seeds are
        seed = int(np.random.SeedSequence((abs(request.seed), abs(held.seed))).generate_state(1)[0])
        return Holding(levels, torch.Generator(self.where).manual_seed(seed), held.other)

    def _note(self, record: Record, work: Work) -> None:
        if work.log_probability is not None:
            with self._working():
                record.told(work.log_probability().float().cpu().numpy())

    def _posterior(self, values: Tensor, known: Tensor) -> Iterator[Posterior]:
        with self._working():
            found = self._sampler.posterior(values, known)
        for number, (kind, q, p) in zip(self.network.latent_levels, found, strict=True):
            entropy, divergence = owned(kind.entropy(q)), owned(kind.divergence(q, p))
            yield Posterior(number, self.network.ladder, entropy, divergence)

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        """No gradients, and the precision in which this network generates fastest."""
        precision = device.autocast(self.where) if self.network.half_precision else contextlib.nullcontext()
        with torch.inference_mode(), precision:
            yield

    def _to_device(self, pixels: np.ndarray, known: np.ndarray) -> tuple[Tensor, Tensor]:
        values = torch.from_numpy(data.to_levels(pixels, self.data)).long()
        return values.to(self.where), torch.from_numpy(known).to(self.where)

    def _progress(
        self, work: Work, prompt: Prompt, seconds: float, calls: int, drafted: int, accepted: int
    ) -> Progress:
        images = data.from_levels(work.values.cpu().numpy(), self.data)
        if isinstance(work.filled, int):
            filled = (np.arange(self.data.pixels) < work.filled).reshape(prompt.known.shape)
            filled = np.repeat(filled[None], len(images), 0)
        else:
            filled = work.filled.cpu().numpy()
        images = np.where(prompt.known[..., None], prompt.pixels, images * filled[..., None].astype(np.uint8))
        tokens = int((filled & ~prompt.known).sum())
        drafts = self._drafts(work) if work.drafts else None
        return Progress(seconds, tokens, calls, images, filled | prompt.known, drafted, accepted, drafts)

    def _drafts(self, work: Work) -> Drafts:
        values, proposed, passed = work.drafts()
        proposed, passed = owned(proposed, torch.bool), owned(passed, torch.bool)
        images = data.from_levels(values.cpu().numpy(), self.data) * proposed[..., None].astype(np.uint8)
        return Drafts(images, proposed, passed)

    def _latents(self, work: Work, seconds: float, levels: int) -> Latents:
        kind, value, raw = work.latent
        codes, entropy = owned(kind.codes(value)), owned(kind.entropy(raw))
        if work.drawn is not None:
            for shown in (codes, entropy):
                shown.reshape(len(shown), codes[0, ..., 0].size, -1)[:, work.drawn :] = np.nan
        plan = None if work.plan is None else owned(((work.plan + 1) * 127.5).round().clamp(0, 255), torch.uint8)
        return Latents(seconds, work.level, levels, kind.kind, getattr(kind, "classes", 0), codes, entropy, plan)


def owned(x: Tensor, kind: torch.dtype = torch.float32) -> np.ndarray:
    """Copy a tensor for an event: what the model or anybody else does to their own later does not reach it."""
    return x.to("cpu", kind, copy=True).numpy()


class Record:
    """When each pixel stood, and how likely it was: a line a call, worked out once the clock has stopped."""

    def __init__(self, known: np.ndarray, samples: int):
        self._known = np.repeat(known[None], samples, 0)
        self._calls: list[tuple[int | Tensor, float]] = []  # what stood after each, and the clock then
        self._log_probability = np.full(self._known.shape, np.nan, np.float32)

    def called(self, filled: int | Tensor, seconds: float) -> None:
        """A call is done."""
        self._calls.append((filled, seconds))

    def read(self, seconds: float) -> None:
        """The clock says so of the last call, now that the device has done it."""
        self._calls[-1] = self._calls[-1][0], seconds

    def told(self, log_probability: np.ndarray) -> None:
        """Of the pixels that the last call drew; not a number elsewhere."""
        np.copyto(self._log_probability, log_probability, where=~np.isnan(log_probability))

    def details(self) -> Details:
        order, seconds = np.zeros(self._known.shape, np.int32), np.full(self._known.shape, np.nan, np.float32)
        raster = np.arange(self._known[0].size).reshape(self._known[0].shape)
        stood = self._known
        for number, (filled, at) in enumerate(self._calls, 1):
            stands = raster < filled if isinstance(filled, int) else filled.cpu().numpy()
            fresh = stands & ~stood
            order[fresh], seconds[fresh] = number, at
            stood = stood | fresh
        return Details(np.where(self._known, np.nan, self._log_probability), order, seconds)


def _halved(network: torch.nn.Module, where: torch.device) -> torch.nn.Module:
    """A copy whose linear layers lie in bfloat16, where `where` computes in it: half the memory to read, no casts."""
    if device.fast_dtype(where) == torch.float32:
        return network
    copied = copy.deepcopy(network)
    for layer in copied.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.bfloat16()
    return copied


def run(generator: Generator, request: GenerationRequest) -> Finished:
    """Generate without looking at the events in between."""
    *_, last = generator.generate(request)
    return last
