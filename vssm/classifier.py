"""A small classifier of MNIST digits: the judge of completions, not one of the contestants.

It is trained on the training set alone, mostly on freshly binarised digits, since completions are binary, and
shifted by up to two pixels. `features` gives the penultimate layer, in which Fréchet distances can be taken.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from . import __version__, checkpoint, data
from .config import from_dict
from .errors import UserError

GREY_SHARE = 0.25  # of the training images are left grey
SHIFT = 2  # pixels, at most, in each direction


@dataclass(frozen=True)
class ClassifierConfig:
    """size: height and width of a picture. channels: of the three stages. features: of the penultimate layer."""

    size: int = 28
    channels: tuple[int, int, int] = (16, 32, 64)
    features: int = 96
    classes: int = 10


class Classifier(nn.Module):
    """Pictures [B, H, W, 1] as floats from 0 to 1, to the logits of their classes."""

    Config = ClassifierConfig

    def __init__(self, config: ClassifierConfig):
        super().__init__()
        self.config = c = config
        first, second, third = c.channels

        def stage(channels: int, out: int, width: int) -> list[nn.Module]:
            convolution = nn.Conv2d(channels, out, width, padding=width // 2, bias=False)
            return [convolution, nn.BatchNorm2d(out), nn.ReLU()]

        self.stages = nn.Sequential(
            *stage(1, first, 5),
            nn.MaxPool2d(2),
            *stage(first, second, 3),
            *stage(second, second, 3),
            nn.MaxPool2d(2),
            *stage(second, third, 3),
            nn.MaxPool2d(2),
        )
        self.narrow = nn.Linear(third * (c.size // 8) ** 2, c.features)
        self.head = nn.Linear(c.features, c.classes)

    def features(self, x: Tensor) -> Tensor:
        """Pictures [B, H, W, 1] to the penultimate layer [B, features]."""
        return F.relu(self.narrow(self.stages(x.permute(0, 3, 1, 2)).flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures [B, H, W, 1] to logits [B, classes]."""
        return self.head(self.features(x))


def path(dataset: data.DataSet) -> Path:
    """Where the shipped classifier of a data set lies."""
    return checkpoint.shipped("classifier", dataset.name)


def load(dataset: data.DataSet, file: str | Path | None = None) -> Classifier:
    """The classifier in `file`, by default the shipped one of a data set, in eval mode; raises UserError where it
    is missing or does not fit."""
    file, remedy = Path(file or path(dataset)), f"`python -m vssm train-classifier --data {dataset.name}`"
    if not file.is_file():
        raise UserError(f"There is no classifier {file}; make one with {remedy}.")
    tensors, meta = checkpoint.read(file)
    try:
        network = Classifier(from_dict(ClassifierConfig, meta["config"]))
        network.load_state_dict(tensors)
    except (RuntimeError, KeyError, TypeError, ValueError):
        raise UserError(f"{file} is no classifier of this version; make one with {remedy}.") from None
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def features(network: Classifier, images: np.ndarray, batch: int = 250) -> np.ndarray:
    """The penultimate layer [N, features] float32 of stored pictures [N, H, W, 1] uint8, 0 to 255."""
    where = network.head.weight.device
    parts = [torch.from_numpy(images[i : i + batch]).to(where).float() / 255 for i in range(0, len(images), batch)]
    return torch.cat([network.features(part) for part in parts]).cpu().numpy()


@torch.inference_mode()
def classify(network: Classifier, images: np.ndarray, batch: int = 250) -> np.ndarray:
    """Classes [N] int64 of stored pictures [N, H, W, 1] uint8, 0 to 255."""
    found = torch.from_numpy(features(network, images, batch)).to(network.head.weight.device)
    return network.head(found).argmax(1).cpu().numpy()


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Stored pictures [B, H, W, 1] uint8 to floats: most binarised by a fresh draw, all shifted a little."""
    B, H, W, _ = images.shape
    grey = images.float() / 255
    binary = (torch.rand(grey.shape, generator=generator) < grey).float()
    x = torch.where(torch.rand(B, 1, 1, 1, generator=generator) < GREY_SHARE, grey, binary)
    framed = F.pad(x[..., 0], (SHIFT,) * 4)
    top, left = torch.randint(0, 2 * SHIFT + 1, (2, B, 1, 1), generator=generator)
    rows, columns = top + torch.arange(H)[:, None], left + torch.arange(W)
    return framed[torch.arange(B)[:, None, None], rows, columns].unsqueeze(-1)


def train(
    dataset: data.DataSet,
    minutes: float = 3.0,
    file: str | Path | None = None,
    seed: int = 0,
    batch: int = 64,
    lr: float = 4e-3,
    data_folder: str | Path | None = None,
    quiet: bool = False,
) -> dict:
    """Train on the CPU for `minutes` and write the weights to `file` (the shipped place by default).

    Returns the scores, shares of test digits named right, grey and on the fixed binarised test set, and more.

    The test set is read only after the last step. Raises UserError for missing data or an unwritable folder.
    """
    file = Path(file or path(dataset))
    images, labels = (torch.from_numpy(a) for a in data.load(dataset, "train", data_folder))
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = Classifier(ClassifierConfig(dataset.height, classes=dataset.classes))
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.02)
    seen, begun, progress = 0, time.perf_counter(), 0.0
    order = torch.empty(0, dtype=torch.long)
    bar = tqdm(
        total=100,
        desc=f"classifier of {dataset.title}",
        leave=False,
        dynamic_ncols=True,
        disable=quiet,
        bar_format="{desc} {percentage:3.0f}%|{bar}| {postfix}",
    )
    while progress < 1:
        if len(order) < batch:
            order = torch.cat([order, torch.randperm(len(images), generator=generator)])
        now, order = order[:batch], order[batch:]
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, (seen + batch) / (100 * batch), 1.25 * (1 - progress))
        loss = F.cross_entropy(network(augment(images[now], generator)), labels[now])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seen += batch
        progress = (time.perf_counter() - begun) / (60 * minutes)
        bar.set_postfix_str(f"loss {loss.item():.3f}, {seen} images", refresh=False)
        bar.update(min(100.0, round(100 * progress, 1)) - bar.n)
    bar.close()
    network.eval().requires_grad_(False)

    scores = accuracies(network, *data.load(dataset, "test", data_folder))
    meta = {
        "model": "classifier",
        "data": dataset.name,
        "config": dataclasses.asdict(network.config),
        "scores": scores,
        "training": {
            "minutes": minutes,
            "images": seen,
            "batch": batch,
            "lr": lr,
            "seed": seed,
            "version": __version__,
        },
    }
    checkpoint.write(file, {k: v.contiguous() for k, v in network.state_dict().items()}, meta)
    return scores | {"minutes": minutes, "images": seen, "seed": seed, "out": str(file)}


def accuracies(network: Classifier, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Shares named right of grey pictures [N, H, W, 1] uint8 and of the same after the fixed binarisation."""
    binary = 255 * data.binarise_fixed(images)
    return {
        "accuracy": float((classify(network, images) == labels).mean()),
        "accuracy_binarised": float((classify(network, binary) == labels).mean()),
    }
