"""The data sets: what a picture is, where it is found, and which values the models read.

A data set is a record; models, likelihoods, canvas and prompts follow from it. Images are [N, H, W, C] uint8.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import platformdirs

from .errors import UserError

BINARISE_SEED = 20240711  # fixes the binarised MNIST test set that every figure is measured on


# What np.load raises for files that are no archive, or a broken one; with allow_pickle=False nothing is unpickled.
BROKEN_ARCHIVE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class DataSet:
    """What a picture of this set is, and what the models make of it.

    levels: the number of values a stored pixel takes for the models; 2 means binarised, 256 means 8-bit. likelihood:
    of a pixel, a name that `likelihood.make` takes. flips: whether a picture seen in a mirror is one of the set too.
    unit: in which likelihoods are told, "nats" an image or "bits/dim". subject: what a picture shows, for people.
    shown: how pixels that are independent given latents are shown unless asked otherwise, "sampled" or "mean".
    presets: by model, what its preset for this set has unlike its usual config.
    """

    name: str
    title: str
    height: int
    width: int
    channels: int
    levels: int
    classes: int
    likelihood: str
    flips: bool
    unit: str
    subject: str
    shown: str = "sampled"
    presets: Mapping[str, Mapping[str, object]] = field(default_factory=dict, hash=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def pixels(self) -> int:
        """Sequence length T at pixel tokens."""
        return self.height * self.width


MNIST = DataSet("mnist", "MNIST", 28, 28, 1, 2, 10, "bernoulli", flips=False, unit="nats", subject="digit")
CIFAR10 = DataSet(
    "cifar10",
    "CIFAR-10",
    32,
    32,
    3,
    256,
    10,
    "logistic-mixture",
    flips=True,
    unit="bits/dim",
    subject="picture",
    shown="mean",
    presets={
        "transformer": {"window": 128, "stem_hidden": 384, "direct": True},
        "mamba": {"chunk": 64, "stem_hidden": 384, "direct": True},
        "asarm": {"reach": 4, "stem_hidden": 384, "direct": True, "draft": 4},
        "vssm": {"coarse_levels": 4, "fine_levels": 3, "latent_size": 16, "head_channels": 48, "code_pool": 4},
        "vssm-paper": {"patch": 2, "head_channels": 48},
    },
)
DATA_SETS = {d.name: d for d in (MNIST, CIFAR10)}


def get(name: str) -> DataSet:
    """The data set of that name; raises UserError for an unknown one."""
    if name not in DATA_SETS:
        raise UserError(f"There is no data set {name!r}; choose one of: {', '.join(DATA_SETS)}.")
    return DATA_SETS[name]


def data_dir(given: str | Path | None = None) -> Path:
    """The folder data sets are sought in: the given one, else $VSSM_DATA, else the user's cache folder."""
    return Path(given or os.environ.get("VSSM_DATA") or Path(platformdirs.user_cache_dir("vssm", False)) / "data")


def load(data: DataSet, split: str, folder: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, H, W, C] uint8 and labels [N] int64 of `split` ("train" or "test").

    Reads NAME.npz in Keras' layout if it stands in the folder, else torchvision's files, downloading them.
    Raises UserError where neither can be had.
    """
    folder = data_dir(folder)
    path = folder / f"{data.name}.npz"
    if not path.exists():
        images, labels = _torchvision(data, split, folder)
        return images.reshape(-1, *data.shape).astype(np.uint8), labels.astype(np.int64)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, labels = arrays[f"x_{split}"], arrays[f"y_{split}"].ravel()
        if images.dtype != np.uint8 or labels.dtype.kind not in "ui" or not 0 < len(images) == len(labels):
            raise ValueError(f"it holds {len(images)} {images.dtype} images and {len(labels)} {labels.dtype} labels")
        return images.reshape(-1, *data.shape), labels.astype(np.int64)
    except BROKEN_ARCHIVE as error:
        raise UserError(f"{path} is not a data set in Keras' layout ({error}); delete it or make it anew.") from None


def _torchvision(data: DataSet, split: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    from .torchvision_compat import datasets

    try:
        kind = {"mnist": datasets.MNIST, "cifar10": datasets.CIFAR10}[data.name]
        found = kind(str(folder), train=split == "train", download=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{data.title} is not in {folder} and could not be downloaded ({error}); connect to the network, or put "
            f"{data.name}.npz there, or name another folder by --data-dir."
        ) from None
    return np.asarray(found.data), np.asarray(found.targets)


def binarise_fixed(images: np.ndarray, seed: int = BINARISE_SEED) -> np.ndarray:
    """Bernoulli with the grey level as probability, drawn once from `seed`: uint8 [N, H, W, C] of 0 and 1."""
    noise = np.random.default_rng(seed).random(images.shape, np.float32)
    return (noise * 255 < images).astype(np.uint8)


def fixed_values(images: np.ndarray, data: DataSet) -> np.ndarray:
    """What every figure is measured on: the model values of stored images, binarised once where the set is."""
    return binarise_fixed(images) if data.levels == 2 else images


def to_levels(pixels: np.ndarray, data: DataSet) -> np.ndarray:
    """Stored pixels (uint8, 0 to 255) to the values the models read, 0 to levels − 1: the nearest."""
    return ((pixels.astype(np.uint16) * (data.levels - 1) + 127) // 255).astype(np.uint8)


def from_levels(values: np.ndarray, data: DataSet) -> np.ndarray:
    """The reverse of `to_levels`: model values, or means of them, to uint8 pixels."""
    return np.round(values * (255 / (data.levels - 1))).astype(np.uint8)
