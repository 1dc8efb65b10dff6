"""Training by wall clock: the same command suits a CPU and a GPU.

Muon turns the matrices inside the blocks, AdamW the rest; both follow one schedule over the budget of minutes: a
short warm-up, a plateau, a linear descent to zero. The exponential moving average of the weights is what is kept.
Every few minutes, and on Ctrl-C or SIGTERM, the whole state goes to disk atomically.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from . import __version__, checkpoint, data, device, models, optimizers
from .errors import UserError
from .events import GenerationRequest
from .generation import Generator, run
from .picture import write_png
from .prompt import Prompt, draw_known


@dataclass(frozen=True)
class TrainingConfig:
    """minutes: the budget, counted over all resumed parts. empty_share: images trained with nothing known.
    known: which sets the others know, "any" or "prefix" (`draw_known`), the preset's own by default.

    lr: the learning rate at its height, the preset's own by default.
    changes: settings of the preset's config to replace. start: a checkpoint to take matching tensors from.
    clip: the gradient norm above which it is scaled down; a norm above skip_factor times its running average is an
    outlier and its step is skipped (VDVAE, 2011.10650). descent: the share of the budget in which the rate falls.
    """

    model: str
    data: str = "mnist"
    minutes: float = 60.0
    batch: int = 8
    lr: float | None = None
    weight_decay: float = 0.02
    ema: float = 0.999
    clip: float = 1.0
    skip_factor: float = 20.0
    empty_share: float = 0.5
    known: str | None = None
    warmup_steps: int = 200
    descent: float = 0.5
    save_minutes: float = 3.0
    seed: int = 0
    start: str | None = None
    changes: dict = dataclasses.field(default_factory=dict)


class Average:
    """Exponential moving average of a network's parameters, warmed up so that early weights fade fast."""

    def __init__(self, network: nn.Module, decay: float):
        self.decay, self.steps = decay, 0
        self.values = {n: p.detach().clone() for n, p in network.named_parameters()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.steps += 1
        weight = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        parameters = dict(network.named_parameters())
        torch._foreach_lerp_(list(self.values.values()), [parameters[n] for n in self.values], weight)

    @contextlib.contextmanager
    def applied(self, network: nn.Module):
        """Inside, the network carries the averaged weights."""
        parameters = dict(network.named_parameters())
        kept = {n: p.detach().clone() for n, p in parameters.items()}
        with torch.no_grad():
            for n, value in self.values.items():
                parameters[n].copy_(value)
        try:
            yield
        finally:
            with torch.no_grad():
                for n, value in kept.items():
                    parameters[n].copy_(value)


def schedule(progress: float, step: int, config: TrainingConfig) -> float:
    """The factor on the learning rate at `progress` (0 to 1) through the budget."""
    warmup = min(1.0, (step + 1) / config.warmup_steps)
    return warmup * min(1.0, max(0.0, (1 - progress) / config.descent))


class Trainer:
    """A network, its optimizers, its average and the clock; saves and restores all of them as one safetensors file."""

    def __init__(self, config: TrainingConfig, where: torch.device):
        self.config, self.where = config, where
        self.data = data.get(config.data)
        torch.manual_seed(config.seed)
        preset = models.get(config.model)
        self.network = preset.network(preset.config(self.data, **config.changes)).to(where)
        self.lr, self.kinds = config.lr or preset.lr, config.known or preset.known
        if config.start:
            self._start_from(config.start)
        self.optimizers = optimizers.make(self.network, self.lr, config.weight_decay)
        self.average = Average(self.network, config.ema)
        self.step, self.images, self.seconds, self.norm = 0, 0, 0.0, math.inf

    def _start_from(self, path: str) -> None:
        """Take over the tensors of a checkpoint that this network has too, by name and shape; the rest stay new."""
        theirs, ours = checkpoint.read(path)[0], self.network.state_dict()
        shared = {k: v for k, v in theirs.items() if k in ours and ours[k].shape == v.shape}
        if not shared:
            raise UserError(f"{path} shares no tensor with {self.config.model}; start from a checkpoint of its kind.")
        self.network.load_state_dict(shared, strict=False)

    # --- state on disk ------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> Path:
        """Write the resumable state and the averaged weights; returns the path of the latter."""
        tensors = {f"network/{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.values.items()}
        plain = {}
        for i, optimizer in enumerate(self.optimizers):
            for j, state in optimizer.state_dict()["state"].items():
                for k, v in state.items():
                    if isinstance(v, Tensor):
                        tensors[f"optimizer{i}/{j}/{k}"] = v
                    else:
                        plain[f"optimizer{i}/{j}/{k}"] = v
        tensors = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        meta = {
            "config": dataclasses.asdict(self.config),
            "step": self.step,
            "images": self.images,
            "seconds": self.seconds,
            "norm": self.norm if math.isfinite(self.norm) else None,
            "average_steps": self.average.steps,
            "optimizer": plain,
        }
        checkpoint.write(folder / "state.safetensors", tensors, meta)
        path = folder / f"{self.config.model}-{self.config.data}.safetensors"
        with self.average.applied(self.network):
            self.as_checkpoint().save(path)
        return path

    def restore(self, folder: Path) -> None:
        """Take up the state that `save` left; raises UserError where it is of another model."""
        tensors, meta = checkpoint.read(folder / "state.safetensors")
        theirs = meta["config"]
        for key in ("model", "data", "changes"):
            if theirs[key] != getattr(self.config, key):
                raise UserError(
                    f"{folder} holds a training of {key} {theirs[key]!r}, not {getattr(self.config, key)!r}; "
                    "resume with the same settings or choose another --out."
                )

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.network.load_state_dict(part("network/"))
        for k, v in part("average/").items():
            self.average.values[k].copy_(v)
        for i, optimizer in enumerate(self.optimizers):
            state = optimizer.state_dict()
            for key, v in part(f"optimizer{i}/").items():
                j, k = key.split("/")
                state["state"].setdefault(int(j), {})[k] = v
            for key, v in meta["optimizer"].items():
                which, j, k = key.split("/")
                if which == f"optimizer{i}":
                    state["state"].setdefault(int(j), {})[k] = v
            optimizer.load_state_dict(state)
        self.step, self.images, self.seconds = meta["step"], meta["images"], meta["seconds"]
        self.norm = meta["norm"] or math.inf
        self.average.steps = meta["average_steps"]
        torch.manual_seed(self.config.seed + self.step)  # not the noise of the first steps again

    def as_checkpoint(self) -> checkpoint.Checkpoint:
        training = {
            "minutes": round(self.seconds / 60, 1),
            "images": self.images,
            "steps": self.step,
            "device": device.describe(self.where),
            "version": __version__,
            "settings": dataclasses.asdict(self.config),
        }
        return checkpoint.Checkpoint(self.config.model, self.data, self.network, {}, training)

    # --- one step -----------------------------------------------------------------------------------------------

    def train_step(self, images: Tensor, loss) -> dict[str, float] | None:
        """One update on `images` [B, H, W, C] uint8; returns the loss terms, or None where it was skipped."""
        config = self.config
        if self.data.levels == 2:  # dynamic binarisation: a fresh draw every time an image is seen
            values = (torch.rand(images.shape, device=images.device) * 255 < images).long()
        else:
            values = images.long()
        if self.data.flips:
            mirrored = torch.rand(len(values), 1, 1, 1, device=values.device) < 0.5
            values = torch.where(mirrored, values.flip(2), values)
        rng = np.random.default_rng((config.seed, self.step))
        known = draw_known(len(images), self.data.height, self.data.width, config.empty_share, rng, self.kinds)
        known = torch.from_numpy(known).to(self.where)
        with device.autocast(self.where):
            terms = loss(values, known)
        terms["loss"].backward()
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), config.clip))
        usual, self.step = self.norm, self.step + 1
        self.images += len(images)
        skipped = not math.isfinite(norm) or norm > config.skip_factor * usual
        if not skipped:
            self.norm = norm if math.isinf(usual) else 0.99 * usual + 0.01 * norm
            factor = schedule(self.seconds / (60 * config.minutes), self.step, config)
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = self.lr * factor
                optimizer.step()
            self.average.update(self.network)
        else:
            self.norm = usual * 1.05  # a lasting change of scale is let through after a while
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        return None if skipped else {k: float(v.detach()) for k, v in terms.items()}


def train(
    config: TrainingConfig,
    out: Path,
    device_name: str = "auto",
    resume: bool = False,
    compiled: bool = False,
    data_folder: str | Path | None = None,
    quiet: bool = False,
) -> Path:
    """Train until the minutes are used up or the caller interrupts; returns the path of the averaged weights.

    Writes state.safetensors, MODEL-DATA.safetensors and samples.png into `out`. Raises UserError for an unwritable
    folder, missing data, or a state that does not fit.
    """
    where = device.choose(device_name)
    state, weights = out / "state.safetensors", out / f"{config.model}-{config.data}.safetensors"
    if not resume and (state.exists() or weights.exists()):
        raise UserError(f"{out} holds earlier weights; add --resume to go on with them, or choose another --out.")
    images, _ = data.load(data.get(config.data), "train", data_folder)
    images = torch.from_numpy(images).to(where)
    trainer = Trainer(config, where)
    if resume and state.exists():
        trainer.restore(out)
    else:
        trainer.save(out)  # an unwritable folder is found now, not after the first minutes
    with _stop_on_signals() as stop:
        _run(trainer, images, out, stop, compiled, quiet)
    path = trainer.save(out)
    write_samples(trainer, out)
    return path


def _run(trainer: Trainer, images: Tensor, out: Path, stop: threading.Event, compiled: bool, quiet: bool) -> None:
    """Step after step until the minutes are used up or `stop` is set, saving every few minutes."""
    config, where = trainer.config, trainer.where
    loss = torch.compile(trainer.network.loss) if compiled else trainer.network.loss
    trainer.network.train()
    bar = tqdm(
        total=round(config.minutes * 60),
        initial=round(trainer.seconds),
        unit="s",
        disable=quiet,
        mininterval=1,
        dynamic_ncols=True,
        bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s {postfix}",
    )
    bar.set_description(f"{config.model} on {config.data}")
    shown: dict[str, float] = {}
    saved = trainer.seconds
    begun = time.perf_counter() - trainer.seconds
    while trainer.seconds < 60 * config.minutes and not stop.is_set():
        order = np.random.default_rng((config.seed, 1, trainer.step)).integers(0, len(images), config.batch)
        terms = trainer.train_step(images[torch.from_numpy(order).to(where)], loss)
        for k, v in (terms or {}).items():
            if not math.isfinite(v):  # a term that this batch had no image for
                continue
            shown[k] = v if k not in shown else 0.98 * shown[k] + 0.02 * v
        trainer.seconds = time.perf_counter() - begun
        bar.set_postfix_str(" ".join(f"{k} {v:.2f}" for k, v in shown.items()) + f" step {trainer.step}", False)
        bar.update(min(trainer.seconds, bar.total) - bar.n)
        if trainer.seconds - saved > 60 * config.save_minutes:
            trainer.save(out)
            write_samples(trainer, out)
            saved = trainer.seconds
    bar.close()


def write_samples(trainer: Trainer, folder: Path, count: int = 16) -> None:
    """Unconditional samples of the averaged weights as FOLDER/samples.png."""
    network = trainer.network
    with trainer.average.applied(network):
        network.eval()
        request = GenerationRequest(Prompt.empty(*trainer.data.shape), samples=count, seed=trainer.step)
        finished = run(Generator(trainer.as_checkpoint(), trainer.where), request)
        network.train()
    write_png(folder / "samples.png", finished.images)


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that training ends after the step in hand and saves."""
    stop, before = threading.Event(), {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
