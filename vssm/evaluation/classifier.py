"""A small classifier of a data set's pictures: the judge of completions, not one of the contestants.

It is trained on the training set alone, on pictures shifted by up to two pixels; mirrored ones too where the set has
them, and mostly freshly binarised ones where completions are binary. `features` gives the penultimate layer, in which
Fréchet distances can be taken.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from vssm import __version__, checkpoint, data, device
from vssm.config import BoundedConfig, bounded, from_dict
from vssm.errors import UserError

GREY_SHARE = 0.25  # of the training images are left grey where the set is binarised
SHIFT = 2  # pixels, at most, in each direction


@dataclass(frozen=True)
class ClassifierConfig(BoundedConfig):
    """The settings of a classifier.

    size: height and width of a picture; channels, convolutions: of the three stages; features: of the last hidden
    layer; colours: channels of a picture.
    """

    size: int = bounded(28, 8, 256)
    channels: tuple[int, int, int] = bounded((16, 32, 64), 1, 1024, length=3)
    features: int = bounded(96, 1, 4096)
    classes: int = bounded(10, 2, 1000)
    colours: int = bounded(1, 1, 4)
    convolutions: tuple[int, int, int] = bounded((1, 2, 1), 1, 16, length=3)


def config_for(dataset: data.DataSet) -> ClassifierConfig:
    """Make the config of a data set's classifier; for pictures in colour it is larger."""
    config = ClassifierConfig(size=dataset.height, classes=dataset.classes, colours=dataset.channels)
    if dataset.channels == 1:
        return config
    return dataclasses.replace(config, channels=(32, 64, 96), convolutions=(2, 2, 2))


class Classifier(nn.Module):
    """Maps pictures [B, H, W, C], floats from 0 to 1, to the logits of their classes."""

    Config = ClassifierConfig

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = c = config
        layers: list[nn.Module] = []
        last, width = c.colours, 5  # the first convolution is a wide one
        for channels, convolutions in zip(c.channels, c.convolutions, strict=True):
            for _ in range(convolutions):
                layers += [nn.Conv2d(last, channels, width, padding=width // 2, bias=False)]
                layers += [nn.BatchNorm2d(channels), nn.ReLU()]
                last, width = channels, 3
            layers.append(nn.MaxPool2d(2))
        self.stages = nn.Sequential(*layers)
        self.narrow = nn.Linear(last * (c.size // 8) ** 2, c.features)
        self.head = nn.Linear(c.features, c.classes)

    def features(self, x: Tensor) -> Tensor:
        """Compute the penultimate layer [B, features] for pictures [B, H, W, C]."""
        return F.relu(self.narrow(self.stages(x.permute(0, 3, 1, 2)).flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits [B, classes] for pictures [B, H, W, C]."""
        return self.head(self.features(x))


def path(dataset: data.DataSet) -> Path:
    """Return the path of the shipped classifier of a data set."""
    return checkpoint.shipped("classifier", dataset.name)


def load(dataset: data.DataSet, file: str | Path | None = None) -> Classifier:
    """Read the classifier of a data set, by default the shipped one; it is in eval mode.

    Raises:
        UserError: The file is missing or does not fit.
    """
    file, remedy = Path(file or path(dataset)), f"`python -m vssm train-classifier --data {dataset.name}`"
    if not file.is_file():
        raise UserError(f"There is no classifier {file}; make one with {remedy}.")

    def make(meta: dict[str, Any]) -> Classifier:
        refusal = UserError(f"it is no classifier of {dataset.title}'s pictures; make one with {remedy}.")
        if meta["model"] != "classifier":  # whose config is another
            raise refusal
        network = Classifier(from_dict(ClassifierConfig, meta["config"]))
        made = network.config.size, network.config.size, network.config.colours
        if made != dataset.shape or network.config.classes != dataset.classes:
            raise refusal
        return network

    network, _ = checkpoint.read_network(file, make)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # faster on a CPU, too


@torch.inference_mode()
def features(network: Classifier, images: np.ndarray, batch: int = 250) -> np.ndarray:
    """Compute the penultimate layer [N, features] float32 for stored pictures [N, H, W, C] uint8, 0 to 255."""
    where = network.head.weight.device
    parts = [torch.from_numpy(images[i : i + batch]).to(where).float() / 255 for i in range(0, len(images), batch)]
    return torch.cat([network.features(part) for part in parts]).cpu().numpy()


@torch.inference_mode()
def classify(network: Classifier, images: np.ndarray, batch: int = 250) -> np.ndarray:
    """Compute the classes [N] int64 of stored pictures [N, H, W, C] uint8, 0 to 255."""
    found = torch.from_numpy(features(network, images, batch)).to(network.head.weight.device)
    return network.head(found).argmax(1).cpu().numpy()


def augment(images: Tensor, dataset: data.DataSet, generator: torch.Generator) -> Tensor:
    """Convert stored pictures [B, H, W, C] uint8 to floats for training, all shifted a little; of a binarised set most
    are binarised by a new draw, of a set that flips half are mirrored."""
    B, H, W, _ = images.shape
    x = images.float() / 255
    if dataset.num_values == 2:
        binary = (torch.rand(x.shape, generator=generator) < x).float()
        x = torch.where(torch.rand(B, 1, 1, 1, generator=generator) < GREY_SHARE, x, binary)
    framed = F.pad(x.permute(0, 3, 1, 2), (SHIFT,) * 4, mode="reflect").permute(0, 2, 3, 1)
    top, left = torch.randint(0, 2 * SHIFT + 1, (2, B, 1, 1), generator=generator)
    rows, columns = top + torch.arange(H)[:, None], left + torch.arange(W)
    if dataset.flips:
        mirrored = torch.rand(B, 1, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(-1), columns)
    return framed[torch.arange(B)[:, None, None], rows, columns]


def train(
    dataset: data.DataSet,
    minutes: float = 3.0,
    file: str | Path | None = None,
    seed: int = 0,
    batch: int = 64,
    lr: float = 4e-3,
    data_folder: str | Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Train on the CPU for `minutes` and write the weights to `file` (the shipped place by default).

    Returns the scores of `accuracies` on the test set, and more.

    The test set is read only after the last step. Raises UserError for missing data or an unwritable folder.
    """
    file = Path(file or path(dataset))
    images, labels = (torch.from_numpy(a) for a in data.load(dataset, "train", data_folder))
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    where = torch.device("cpu")
    network = Classifier(config_for(dataset))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # faster on a CPU, too
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
        with device.autocast(where):
            loss = F.cross_entropy(network(augment(images[now], dataset, generator)), labels[now])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seen += batch
        progress = (time.perf_counter() - begun) / (60 * minutes)
        bar.set_postfix_str(f"loss {loss.item():.3f}, {seen} images", refresh=False)
        bar.update(min(100.0, round(100 * progress, 1)) - bar.n)
    bar.close()
    network.eval().requires_grad_(False)

    scores = accuracies(network, *data.load(dataset, "test", data_folder), dataset)
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


def accuracies(network: Classifier, images: np.ndarray, labels: np.ndarray, dataset: data.DataSet) -> dict[str, float]:
    """Compute the share of stored pictures [N, H, W, C] uint8 that are named right: "accuracy", and for a binarised set
    also "accuracy_binarised", after the fixed binarisation."""
    scores = {"accuracy": float((classify(network, images) == labels).mean())}
    if dataset.num_values == 2:
        binary = data.to_pixels(data.fixed_values(images, dataset), dataset)
        scores["accuracy_binarised"] = float((classify(network, binary) == labels).mean())
    return scores
