"""Training by wall clock: the same command suits a CPU, a GPU, and several of either.

Muon turns the matrices inside the blocks, AdamW the rest; both follow one schedule over the budget of minutes: a
short warm-up, a plateau, a linear descent to zero. The exponential moving average of the weights is what is kept.
Every few minutes, and on Ctrl-C or SIGTERM, the whole state goes to disk atomically.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from vssm import __version__, checkpoint, data, device
from vssm.errors import UserError
from vssm.files import atomic
from vssm.files.file_lock import FileLock
from vssm.files.picture import write_png
from vssm.models import registry
from vssm.models.registry import TorchModule
from vssm.prompt import Prompt, draw_known
from vssm.sampling.events import GenerationRequest
from vssm.sampling.generator import Generator, run
from vssm.training import augmentation, contrastive, distributed, optimizers
from vssm.training.distributed import Loss, Processes


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of a training.

    Args:
        model: The name of the preset.
        data: The name of the data set.
        minutes: The budget, over all resumed parts.
        batch: Images in each step, over all processes.
        lr: The highest learning rate; None for the preset's.
        weight_decay: Of the inner matrices.
        ema: The decay of the average of the weights.
        clip: Gradients with a larger norm are scaled down to this norm.
        skip_factor: A step is skipped if its norm is so many times larger than usual (VDVAE, 2011.10650).
        empty_share: The share of images with nothing known.
        known: The known sets of the others, "any" or "prefix" (`draw_known`); None for the preset's.
        augment: The share of the others that are changed as other people would write them (`augmentation`).
        warmup_steps: Steps in which the learning rate rises.
        descent: The share of the budget in which the learning rate falls.
        save_minutes: Time between two saves.
        seed: Seed of everything that is drawn.
        start: A checkpoint whose fitting tensors are taken.
        part: The only submodule to train, by a loss of its own (`code`: `VSSM.code_loss`).
        freeze: A submodule that is not trained.
        changes: Changes of the preset's config.
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
    augment: float = 0.0
    warmup_steps: int = 200
    descent: float = 0.5
    save_minutes: float = 3.0
    seed: int = 0
    start: str | None = None
    part: str | None = None
    freeze: str | None = None
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """The name of the file of weights."""
        return f"{self.model}-{self.data}.safetensors"


STATE, SAMPLES = "state.safetensors", "samples.png"  # the other files
PREPARED = 60_000  # images that a network is prepared with before the first step
CONTRASTIVE_STEPS = 10  # for each minute of the budget, in which they are not counted
MOST_SKIPS, DOUBTFUL_SKIPS = 50, 10  # more skipped than taken: then a training is given up, and not written
# drawn in a step, each from its own numbers
DRAWS = ("images", "known", "pixels", "mirrored", "noise", "augmented", "features")


class Average:
    """The exponential moving average of a network's parameters that learn; early weights fade fast."""

    def __init__(self, network: TorchModule, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.values = {n: p.detach().clone() for n, p in network.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, network: TorchModule) -> None:
        """Move the average towards the network\'s parameters."""
        self.steps += 1
        weight = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        parameters = dict(network.named_parameters())
        torch._foreach_lerp_(list(self.values.values()), [parameters[n] for n in self.values], weight)

    @contextlib.contextmanager
    def applied(self, network: TorchModule) -> Iterator[None]:
        """In this context, the network has the averaged weights."""
        parameters = dict(network.named_parameters())
        kept = {n: parameters[n].detach().clone() for n in self.values}
        with torch.no_grad():
            for n, value in self.values.items():
                parameters[n].copy_(value)
        try:
            yield
        finally:
            with torch.no_grad():
                for n, value in kept.items():
                    parameters[n].copy_(value)


def _unsound(tensors: dict[str, Tensor]) -> str | None:
    """Find the first tensor with a number that is not finite or, for weights, too large for `checkpoint.load`."""
    for name, values in tensors.items():
        most = math.inf if name.startswith("optimizer") else checkpoint.MOST_WEIGHT
        if not bool((values.abs() < most).all()):
            return name
    return None


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"{repr(value)[:100]} is no count")
    return value


def _amount(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise ValueError(f"{repr(value)[:100]} is no amount")
    return float(value)


def schedule(progress: float, step: int, config: TrainingConfig) -> float:
    """Compute the factor of the learning rate at `progress` (0 to 1) through the budget."""
    warmup = min(1.0, (step + 1) / config.warmup_steps)
    return warmup * min(1.0, max(0.0, (1 - progress) / config.descent))


class Trainer:
    """A network with its optimizers, its average and the clock; all of them are saved in one safetensors file."""

    def __init__(self, config: TrainingConfig, where: torch.device, processes: Processes | None = None) -> None:
        self.config, self.where, self.processes = config, where, processes or Processes(0, 1, where)
        self.data = data.get(config.data)
        torch.manual_seed(config.seed)
        preset = registry.get(config.model)
        self.network = preset.network(preset.config(self.data, **config.changes)).to(where)
        self.lr, self.kinds = config.lr or preset.lr, config.known or preset.known
        if config.augment and self.data.num_values > 2:
            raise UserError(
                f"Only pictures of pen strokes can be augmented, not {self.data.title}; leave --augment out."
            )
        self._earlier = self._start_from(config.start) if config.start else []  # parts of the training, as it is told
        self.loss: Loss = self.network.loss
        if config.part:
            loss: Loss | None = getattr(self.network, f"{config.part}_loss", None)
            if loss is None:
                raise UserError(f"{config.model} has no part {config.part!r} with a loss of its own; leave --part out.")
            self.loss = loss
            for name, p in self.network.named_parameters():
                p.requires_grad_(p.requires_grad and name.startswith(f"{config.part}."))
        if config.freeze:
            if config.freeze not in dict(self.network.named_children()):
                raise UserError(f"{config.model} has no part {config.freeze!r} to leave as it is; leave --freeze out.")
            getattr(self.network, config.freeze).requires_grad_(False)
        self.optimizers = optimizers.make(self.network, self.lr, config.weight_decay, self.processes)
        self.average = Average(self.network, config.ema)
        self.step, self.images, self.seconds, self.norm, self.skip_surplus = 0, 0, 0.0, math.inf, 0
        self._before = self._counts()  # as this part of the training began
        self._seed_noise()

    @property
    def skipped(self) -> int:
        """How many steps were skipped."""
        return self.step - self.average.steps

    @property
    def diverging(self) -> bool:
        """Whether so many of the last steps were skipped that the weights cannot be trusted."""
        return self.skip_surplus >= DOUBTFUL_SKIPS

    def _seed_noise(self) -> None:
        """Seed the network's noise, differently in every process and after every resumption."""
        torch.manual_seed(int(self._rng("noise", self.processes.rank).integers(2**63)))

    def _rng(self, purpose: str, process: int = 0) -> np.random.Generator:
        """Make random numbers for one of DRAWS in this step; the same in all processes, unless `process` is given."""
        key = DRAWS.index(purpose), process
        return np.random.default_rng(np.random.SeedSequence((self.config.seed, self.step), spawn_key=key))

    def prepare(self, images: Tensor, quiet: bool = True) -> None:
        """Before training: fit the quantiser of a global code to images [N, H, W, C] uint8, unless it is fitted."""
        if hasattr(self.network, "unfitted") and (quantiser := self.network.unfitted()) is not None:
            steps = round(CONTRASTIVE_STEPS * self.config.minutes)
            contrastive.fit(quantiser, images, self.values(images), steps, self._rng("features"), quiet)

    def draw_images(self, images: Tensor) -> Tensor:
        """Choose the images of this step, for all processes."""
        chosen = self._rng("images").integers(0, len(images), self.config.batch)
        return images[torch.from_numpy(chosen).to(self.where)]

    def _start_from(self, path: str) -> list[dict[str, Any]]:
        """Take the tensors of a checkpoint that fit this network by name and shape; the others stay new.

        Returns:
            The parts of the checkpoint's training.

        Raises:
            UserError: No tensor fits, or one is broken.
        """
        (theirs, meta), ours = checkpoint.read(path), self.network.state_dict()
        shared = {k: v for k, v in theirs.items() if k in ours and ours[k].shape == v.shape}
        if not shared:
            raise UserError(f"{path} shares no tensor with {self.config.model}; start from a checkpoint of its kind.")
        if broken := _unsound(shared):
            raise UserError(f"{path} has weights {broken!r} that are not finite, or too large; start from others.")
        self.network.load_state_dict(shared, strict=False)
        training = meta.get("training")
        return checkpoint.parts(training) if isinstance(training, dict) else []

    def _counts(self) -> dict[str, float]:
        return {
            "minutes": self.seconds / 60,
            "images": self.images,
            "steps": self.average.steps,
            "skipped": self.skipped,
        }

    def _parts(self) -> list[dict[str, Any]]:
        """Return the parts of this training; those of the weights that it started from come first."""
        counts = {k: v - self._before[k] for k, v in self._counts().items()}
        part = counts | {
            "minutes": round(counts["minutes"], 2),
            "device": self.processes.describe(),
            "version": __version__,
            "settings": dataclasses.asdict(self.config),
        }
        return [*self._earlier, part] if counts["steps"] or not self._earlier else self._earlier

    # --- state on disk ------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> Path:
        """Write the state for resuming and the averaged weights; returns the path of the weights.

        Raises:
            UserError: Weights have grown without bounds; the files stay as they are.
        """
        tensors = {f"network/{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.average.values.items()}
        for i, optimizer in enumerate(self.optimizers):
            for j, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer{i}/{j}/{k}": v for k, v in state.items()}
        tensors = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        if broken := _unsound(tensors):
            raise UserError(f"{broken} has grown without bounds, so nothing more is written; try a smaller --lr.")
        meta = {
            "config": dataclasses.asdict(self.config),
            "step": self.step,
            "images": self.images,
            "seconds": self.seconds,
            "norm": self.norm if math.isfinite(self.norm) else None,
            "average_steps": self.average.steps,
            "parts": self._parts(),
        }
        checkpoint.write(folder / STATE, tensors, meta)
        path = folder / self.config.file_name
        with self.average.applied(self.network):
            self.as_checkpoint().save(path)
        return path

    def restore(self, path: Path) -> None:
        """Restore a state that `save` has written; raises UserError if it is broken or of another training."""
        header = checkpoint.read_header(path)
        meta, layout = header.meta, header.layout
        self._require_same(meta.get("config"), path)
        try:
            step, images, steps = (_count(meta[key]) for key in ("step", "images", "average_steps"))
            seconds, norm = _amount(meta["seconds"]), math.inf if meta["norm"] is None else _amount(meta["norm"])
            if steps > step:
                raise ValueError("it tells of more updates than steps")
            checkpoint.require_fit(self._layout(layout), layout)
            tensors = checkpoint.read(path)[0]
            if broken := _unsound(tensors):
                raise ValueError(f"its {broken!r} is not finite, or too large")
        except (KeyError, TypeError, ValueError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
            raise UserError(
                f"{path} is no state to go on from: {reason}; restore it, or choose another --out and --start from the "
                "weights."
            ) from None
        self.network.load_state_dict({k: tensors[f"network/{k}"] for k in self.network.state_dict()})
        for k, v in self.average.values.items():
            v.copy_(tensors[f"average/{k}"])
        for i, optimizer in enumerate(self.optimizers):
            state: dict[int, dict[str, Tensor]] = {}
            for name in tensors:
                if name.startswith(f"optimizer{i}/"):
                    _, j, k = name.split("/")
                    state.setdefault(int(j), {})[k] = tensors[name]
            optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        self.step, self.images, self.average.steps, self.seconds, self.norm = step, images, steps, seconds, norm
        self._before = self._counts()
        self._earlier = checkpoint.parts(meta if "parts" in meta else self._before | {"settings": meta["config"]})
        self._seed_noise()

    def changed_settings(self) -> str:
        """Name the settings in which this part differs from the one before, each with both values; "" if in none."""
        before = self._earlier[-1].get("settings") if self._earlier and self.step else None
        if not isinstance(before, dict):
            return ""
        ours = {k: v for k, v in dataclasses.asdict(self.config).items() if k not in ("minutes", "save_minutes")}
        changed = [(k, v) for k, v in ours.items() if k in before and before[k] != v]
        return ", ".join(f"{k} {v!r} ({before[k]!r:.100} before)" for k, v in changed)

    def _require_same(self, settings: object, path: Path) -> None:
        """Raise UserError if the settings in a file are those of another training."""
        for key in ("model", "data", "changes", "part", "freeze"):
            ours, theirs = (
                getattr(self.config, key),
                settings.get(key) if isinstance(settings, dict) else None,
            )
            if theirs != ours:
                raise UserError(
                    f"{path} is of a training of {key} {repr(theirs)[:300]}, not {ours!r}; resume with the same "
                    "settings, or choose another --out."
                )

    def _layout(self, given: Collection[str]) -> dict[str, checkpoint.Layout]:
        """Return the layout of every tensor of a state. Optimizers have no tensors for a parameter before its first
        gradient, so theirs are expected only if some of them are `given`."""
        found = {f"network/{k}": checkpoint.described(v) for k, v in self.network.state_dict().items()}
        found |= {f"average/{k}": checkpoint.described(v) for k, v in self.average.values.items()}
        for i, optimizer in enumerate(self.optimizers):
            for j, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
                kind, shape = checkpoint.described(p)
                kept = optimizers.KEPT[type(optimizer)]
                layout = {f"optimizer{i}/{j}/{k}": (kind, () if k == "step" else shape) for k in kept}
                found |= layout if any(name in given for name in layout) else {}
        return found

    def as_checkpoint(self) -> checkpoint.Checkpoint:
        """Return the network with the history of its training."""
        training = self._counts() | {"minutes": round(self.seconds / 60, 1), "parts": self._parts()}
        return checkpoint.Checkpoint(self.config.model, self.data, self.network, {}, training)

    # --- one step -----------------------------------------------------------------------------------------------

    def values(self, images: Tensor) -> Tensor:
        """Convert stored images [B, H, W, C] uint8 to model values; a binarised set is drawn again in every step."""
        if self.data.num_values > 2:
            return images.long()
        return augmentation.binarise(images, self._rng("pixels")).long()

    def train_step(self, images: Tensor, loss: Loss) -> dict[str, float] | None:
        """Do one update on the images [B, H, W, C] uint8 of a step; this process computes its share of them.

        `loss` is the network's, or what `Processes.parallel` made of it. Returns the terms over all images, or None
        where the step was skipped.
        """
        config, processes = self.config, self.processes
        known = draw_known(
            len(images), self.data.height, self.data.width, config.empty_share, self._rng("known"), self.kinds
        )
        if config.augment:
            rng = self._rng("augmented")
            changed = torch.from_numpy(known.any((1, 2)) & (rng.random(len(images)) < config.augment)).to(images.device)
            if changed.any():
                images = images.clone()
                images[changed] = augmentation.augment(images[changed], rng)
        values = self.values(images)
        if self.data.flips:
            mirrored = torch.from_numpy(self._rng("mirrored").random(len(values)) < 0.5).to(values.device)
            values = torch.where(mirrored[:, None, None, None], values.flip(2), values)
        with device.autocast(self.where):
            terms = loss(processes.share(values), torch.from_numpy(processes.share(known)).to(self.where))
        terms["loss"].backward()
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), config.clip))
        usual, self.step = self.norm, self.step + 1
        skipped = not math.isfinite(norm) or norm > config.skip_factor * usual
        if skipped:
            self.skip_surplus += 1  # how many more of the latest steps were skipped than taken
            self.norm = usual * 1.05  # a lasting change of scale is let through after a while
        else:
            self.skip_surplus = max(0, self.skip_surplus - 1)
            self.images += len(images)
            self.norm = norm if math.isinf(usual) else 0.99 * usual + 0.01 * norm
            factor = schedule(self.seconds / (60 * config.minutes), self.step, config)
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = self.lr * factor
                optimizer.step()
            self.average.update(self.network)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        found = processes.mean({k: float(v.detach()) for k, v in terms.items()})
        return None if skipped else found


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

    Writes state.safetensors, MODEL-DATA.safetensors and samples.png into `out`. Of several processes the first does,
    and it alone reads the state. Raises UserError for an unwritable folder, missing data, or a state that does not fit.
    """
    with distributed.joined(device_name) as processes, contextlib.ExitStack() as stack:
        with processes.together():
            if config.batch % processes.count:
                raise UserError(f"{processes.count} processes cannot share {config.batch} images; change --batch.")
            if compiled:
                device.require_compiler(processes.where)
            state = None
            if processes.first:
                stack.enter_context(_claimed(out, config))
                state = _state_to_resume(out, config, resume)
            images = torch.from_numpy(data.load(data.get(config.data), "train", data_folder)[0]).to(processes.where)
            trainer = Trainer(config, processes.where, processes)
        _restore(trainer, state)
        if processes.first and not quiet and (changed := trainer.changed_settings()):
            tqdm.write(f"This part has other settings than the one before: {changed}.", file=sys.stderr)
        trainer.prepare(images[:PREPARED], quiet or not processes.first)
        stop = stack.enter_context(_stop_on_signals())
        _run(trainer, images, out, stop, compiled, quiet or not processes.first)
        _save(trainer, out)
    return out / config.file_name


@contextlib.contextmanager
def _claimed(out: Path, config: TrainingConfig) -> Iterator[None]:
    """Lock a folder for this training. A new folder is removed afterwards if nothing was written to it."""
    for name in (STATE, config.file_name, SAMPLES):
        atomic.require_writable(out / name)
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _lock(out):
            yield
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # it is not empty, or was never made
                folder.rmdir()


def _lock(folder: Path) -> contextlib.AbstractContextManager[object]:
    try:
        return FileLock(folder / "training.lock")
    except BlockingIOError:
        raise UserError(f"Another training writes to {folder}; wait for its end, or choose another --out.") from None
    except OSError:  # a file system without locks
        return contextlib.nullcontext()


def _state_to_resume(out: Path, config: TrainingConfig, resume: bool) -> Path | None:
    """Return the state to resume from, None to begin; raises UserError if weights would be lost."""
    state, weights = out / STATE, out / config.file_name
    if weights.exists() and not state.exists():
        raise UserError(
            f"{out} holds weights, but no {STATE} to go on from; choose another --out, and --start {weights} there to "
            "build on them."
        )
    if state.exists() and not resume:
        raise UserError(f"{out} holds an earlier training; add --resume to go on with it, or choose another --out.")
    return state if state.exists() else None


def _restore(trainer: Trainer, state: Path | None) -> None:
    """Restore the state in every process; only the first one has the file."""
    processes, content = trainer.processes, b""
    with processes.together():
        if state is not None:
            trainer.restore(state)
            content = state.read_bytes()
    content = processes.broadcast(content)
    with processes.together(), tempfile.TemporaryDirectory() as folder:
        if content and not processes.first:
            copy = Path(folder) / STATE
            copy.write_bytes(content)
            trainer.restore(copy)


def _run(trainer: Trainer, images: Tensor, out: Path, stop: threading.Event, compiled: bool, quiet: bool) -> None:
    """Train step by step, and save every few minutes, until the time is over, `stop` is set in a process, or nothing is
    learned any more."""
    config, processes = trainer.config, trainer.processes
    loss = processes.parallel(
        cast("nn.Module", trainer.network), torch.compile(trainer.loss) if compiled else trainer.loss
    )
    trainer.network.train()
    budget = max(1, round(config.minutes * 60))
    bar = tqdm(
        total=budget,
        initial=min(round(trainer.seconds), budget),  # an earlier part may have used more
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
    with contextlib.closing(bar):
        while True:
            clock = time.perf_counter() - begun
            trainer.seconds, stopped = processes.maximum(clock, stop.is_set())  # one clock, as the rate follows it
            bar.update(min(trainer.seconds, budget) - bar.n)
            if stopped or trainer.seconds >= 60 * config.minutes:
                return
            if trainer.seconds - saved > 60 * config.save_minutes and not trainer.diverging:
                _save(trainer, out)
                saved = trainer.seconds
            terms = trainer.train_step(trainer.draw_images(images), loss)
            if trainer.skip_surplus >= MOST_SKIPS:
                return
            for k, v in (terms or {}).items():
                if math.isfinite(v):  # a term may have no image in this batch
                    shown[k] = v if k not in shown else 0.98 * shown[k] + 0.02 * v
            words = [f"{k} {v:.2f}" for k, v in shown.items()] + [f"step {trainer.step}"]
            if trainer.skipped:
                words.append(f"skipped {trainer.skipped}")
            bar.set_postfix_str(" ".join(words), False)


def _save(trainer: Trainer, out: Path) -> None:
    """Write everything, in the first process; if the training diverges, write nothing and raise UserError."""
    with trainer.processes.together():
        path = out / trainer.config.file_name
        if trainer.diverging:
            kept = f"{path} keeps the weights from before" if path.exists() else "nothing was written"
            raise UserError(
                "The training diverges: most of the latest steps were skipped, as their gradients were far too large "
                f"or not finite, {trainer.skipped:,} steps in all; {kept}. Try a smaller --lr than {trainer.lr:g}."
            )
        if trainer.processes.first:
            trainer.save(out)
            write_samples(trainer, out)


def write_samples(trainer: Trainer, folder: Path, count: int = 16) -> None:
    """Write unconditional samples of the averaged weights to FOLDER/samples.png."""
    network = trainer.network
    with trainer.average.applied(network):
        network.eval()
        request = GenerationRequest(Prompt.empty(*trainer.data.shape), samples=count, seed=trainer.step)
        finished = run(Generator(trainer.as_checkpoint(), trainer.where), request)
        network.train()
    write_png(folder / SAMPLES, finished.images)


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C or SIGTERM sets, so that training ends after the current step and saves."""
    stop, before = threading.Event(), {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
