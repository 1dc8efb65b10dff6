"""The data sets: what a picture is, where it is found, and which values the models read.

A data set is a record; models, likelihoods, canvas and prompts follow from it. Images are [N, H, W, C] uint8.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import platformdirs

from vssm.errors import UserError
from vssm.files import archive, atomic

BINARISE_SEED = 20240711  # fixes the binarised MNIST test set that every figure is measured on


MOST_BYTES = 500_000_000  # of an array of images
DIM = 128  # nearly every picture of either set has a pixel as bright as that: 999 in a thousand
LIGHT = 128  # mean of a digit's first and last rows above which it stands on paper; MNIST's have 17 at most
FEW = 0.05  # of a set's pictures may be as no more than one in a thousand is


@dataclass(frozen=True)
class DataSet:
    """What the pictures of a set are, and how the models treat them.

    Args:
        name: What requests, files and the command line call it.
        title: What people read.
        height: Of a picture, in pixels.
        width: Of a picture, in pixels.
        channels: Of a pixel.
        num_values: How many values a channel has for the models: 2 if the set is binarised, 256 for 8 bits.
        classes: How many different labels there are.
        likelihood: The name of a pixel's likelihood, for `likelihoods.make`.
        flips: Whether the mirror image of a picture could also be in the set.
        unit: The unit of likelihoods: "nats" for an image, or "bits/dim".
        subject: What a picture shows, in a word for people.
        pixel_mode: How pixels that are independent given latents are usually shown, "sampled" or "mean".
        presets: By model, the settings of its preset that differ for this set.
    """

    name: str
    title: str
    height: int
    width: int
    channels: int
    num_values: int
    classes: int
    likelihood: str
    flips: bool
    unit: str
    subject: str
    pixel_mode: str = "sampled"
    presets: Mapping[str, Mapping[str, object]] = field(default_factory=dict, hash=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels

    @property
    def pixels(self) -> int:
        """How many pixels a picture has: the sequence length T if each is a token."""
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
    pixel_mode="mean",
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
    """Return the data set of that name; raises UserError for an unknown name."""
    if name not in DATA_SETS:
        raise UserError(f"There is no data set {name!r}; choose one of: {', '.join(DATA_SETS)}.")
    return DATA_SETS[name]


def data_dir(given: str | Path | None = None) -> Path:
    """Return the folder of the data sets: the given one, else $VSSM_DATA, else the user's cache folder."""
    return Path(given or os.environ.get("VSSM_DATA") or Path(platformdirs.user_cache_dir("vssm", False)) / "data")


def load(data: DataSet, split: str, folder: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read the images and labels of a data set.

    They come from NAME.npz in Keras' layout if the folder has this file, else from the files as they are published,
    which are downloaded if they are missing.

    Args:
        data: The data set.
        split: "train" or "test".
        folder: See `data_dir`.

    Returns:
        Images [N, H, W, C] uint8 and labels [N] int64.

    Raises:
        UserError: There are no files, a file is broken, or its content cannot be this data set: other shapes, types,
            ranges of values or labels.
    """
    folder = data_dir(folder)
    path = folder / f"{data.name}.npz"
    if path.exists():
        images, labels = _from_archive(data, split, path)
        return _checked_images(data, images, path), _checked_labels(data, labels, len(images), path)
    read = _from_idx if data.name == MNIST.name else _from_records
    images, labels = read(data, split, folder)
    return _checked_images(data, images, folder), _checked_labels(data, labels, len(images), folder)


def _from_archive(data: DataSet, split: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images as they are stored, and labels, of an archive in Keras' layout."""
    remedy = f"store x_train, y_train, x_test and y_test, as Keras' layout has them, or delete it to fetch {data.title}"

    def check(headers: dict[str, archive.ArrayHeader]) -> None:
        for part in ("train", "test"):
            images, labels = headers.get(f"x_{part}"), headers.get(f"y_{part}")
            if images is not None:
                _require_images(data, images, f"x_{part} in {path}")
            if images is not None and labels is not None:
                _require_labels(labels, images.shape[0], f"y_{part} in {path}")

    arrays = archive.read(path, (f"x_{split}", f"y_{split}"), check, remedy)
    return arrays[f"x_{split}"], arrays[f"y_{split}"]


def _layouts(data: DataSet) -> dict[tuple[int, ...], tuple[int, ...]]:
    """The shapes that one stored picture may have, and for each the order of axes, the picture's number first, that
    makes it [H, W, C]; empty where it need only be reshaped."""
    H, W, C = data.shape
    if C == 1:
        return {(H, W, 1): (), (H, W): (), (H * W,): (), (1, H, W): ()}
    return {(H, W, C): (), (C, H, W): (0, 2, 3, 1)}


def _require_images(data: DataSet, found: archive.ArrayHeader, where: str) -> None:
    """Raises UserError for an array that cannot be the set's images, by its type and shape alone."""
    H, W, C = data.shape
    wanted = f"{data.title} needs uint8 [N, {H}, {W}, {C}]"
    if found.dtype != np.uint8:
        raise UserError(f"{where} is {found}, and {wanted}; store its values as whole numbers from 0 to 255.")
    if found.shape[1:] not in _layouts(data):
        hint = "; put the values of each picture in that order first" if found.shape[1:] == (H * W * C,) else ""
        raise UserError(f"{where} is {found}, and {wanted}{hint}.")
    if not 0 < found.nbytes <= MOST_BYTES:
        raise UserError(f"{where} is {found}, and {wanted}, at least one picture and at most {MOST_BYTES:,} bytes.")


def _checked_images(data: DataSet, images: np.ndarray, source: Path) -> np.ndarray:
    """Images [N, H, W, C] of whatever layout; raises UserError where their values cannot be the set's."""
    axes = _layouts(data)[images.shape[1:]]
    images = np.ascontiguousarray(images.transpose(axes)) if axes else images.reshape(-1, *data.shape)
    brightest = images.max((1, 2, 3))
    dim, binary = brightest < DIM, brightest == 1
    if binary.any() or _many(dim):
        which, remedy = (binary, "multiply them by 255") if binary.any() else (dim, "stretch them")
        values = f"no value is above {brightest[which].max()}, and {data.title}'s go from 0 to 255"
        raise UserError(f"In {which.sum():,} of {len(images):,} pictures in {source} {values}; {remedy}.")
    if data.num_values == 2:
        on_paper = (images[:, 0].mean((1, 2)) + images[:, -1].mean((1, 2))) / 2 > LIGHT
        if _many(on_paper):
            which = f"{on_paper.sum():,} of {len(images):,} pictures"
            raise UserError(f"In {source} {which} are dark on light, and {data.title}'s light on black; invert them.")
    return images


def _many(found: np.ndarray) -> bool:
    """Whether so many pictures [N] bool are unusual that it is no chance."""
    return bool((found.sum() > 1 and found.mean() > FEW) or found.all())


def _require_labels(found: archive.ArrayHeader, count: int, where: str) -> None:
    """Raises UserError for an array that cannot be the labels of so many images, by its type and shape alone."""
    if found.dtype.kind not in "ui" or found.shape not in ((count,), (count, 1)):
        raise UserError(f"{where} is {found}, and {count:,} pictures need as many whole numbers.")


def _checked_labels(data: DataSet, labels: np.ndarray, count: int, source: Path) -> np.ndarray:
    """Labels [N] int64; raises UserError where they are none of the set's."""
    least, most = labels.min(), labels.max()
    if least < 0 or most >= data.classes:
        numbers = f"{data.title}'s from 0 to {data.classes - 1}"
        raise UserError(f"The labels in {source} go from {least} to {most}, and {numbers}; number them so.")
    return labels.ravel().astype(np.int64)


# --- the files as they are published --------------------------------------------------------------------------------


def _from_idx(data: DataSet, split: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of MNIST's own files, each packed or not, downloaded where they are missing."""
    stem = {"train": "train", "test": "t10k"}[split]
    names = f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"

    def find(name: str) -> Path | None:
        places = (place / f"{name}{suffix}" for place in (folder / "MNIST" / "raw", folder) for suffix in ("", ".gz"))
        return next((path for path in places if path.exists()), None)

    if not all(map(find, names)):
        with _downloading(data, folder):
            _fetch_idx(names, folder / "MNIST" / "raw")
    pictures, classes = (find(name) or folder / name for name in names)
    images, labels = _read_idx(pictures, data.shape[:2]), _read_idx(classes, ())
    _require_labels(archive.ArrayHeader(labels.shape, labels.dtype), len(images), f"What {classes} holds")
    return images, labels


def _read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A file of uint8 values [N, *shape] in the format in which MNIST is published, packed by gzip or not."""
    with _unpacked(path, MNIST) as file:
        size = 4 * (2 + len(shape))
        header = np.frombuffer(file.read(size).ljust(size, b"\0"), ">u4")
        count = int(header[1])
        if header[0] != 0x0801 + len(shape) or tuple(header[2:]) != shape:
            raise ValueError(f"it does not begin as one of uint8 [N{''.join(f', {n}' for n in shape)}] does")
        if not 0 < count * math.prod(shape) <= MOST_BYTES:
            raise ValueError(f"it says that it holds {count:,} of them")
        values = np.empty((count, *shape), np.uint8)
        got = file.readinto(values.data)
        if got < values.nbytes:
            raise ValueError(f"it is cut short: {got + size:,} bytes of {values.nbytes + size:,} are there")
        if file.read(1):
            raise ValueError("it is longer than it says")
        return values


@contextlib.contextmanager
def _unpacked(path: Path, data: DataSet) -> Iterator[io.BufferedIOBase]:
    """A published file, open to be read, packed by gzip or not; what is wrong with it becomes a UserError that names
    it."""
    try:
        if not path.is_file():
            raise ValueError("it is not a file")
        with path.open("rb") as start:
            packed = start.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            yield file
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{path} is no sound file of {data.title}'s ({reason}); delete it, and it is fetched again."
        ) from None


def _fetch_idx(names: tuple[str, ...], folder: Path) -> None:
    """Download these of MNIST's files, packed, into a folder, where each appears whole or not at all.

    torchvision's class would do so, but it reads a file of PyTorch's in the same folder first.
    """
    from torchvision.datasets.utils import download_url

    from vssm.files.torchvision_compat import datasets

    kind = datasets.MNIST
    for name, md5 in kind.resources:
        if name.removesuffix(".gz") not in names:
            continue
        for last, mirror in enumerate(kind.mirrors, 1 - len(kind.mirrors)):
            try:
                with tempfile.TemporaryDirectory() as place:
                    download_url(f"{mirror}{name}", place, name, md5)
                    atomic.write_bytes(folder / name, (Path(place) / name).read_bytes())
                break
            except (OSError, RuntimeError):  # of the network, or of what it sent
                if not last:
                    raise


# The version for programs in C: the one for Python is pickled, and whoever unpickles a file runs what it says.
RECORDS = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"
RECORDS_FOLDER = "cifar-10-batches-bin"


def _from_records(data: DataSet, split: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of CIFAR-10's own files, whose archive is downloaded where they are missing."""
    names = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}[split]

    def find(name: str) -> Path | None:
        return next((path for path in (folder / RECORDS_FOLDER / name, folder / name) if path.exists()), None)

    if not all(map(find, names)):
        _fetch_records(data, folder)
    parts = [_read_records(data, find(name) or folder / name) for name in names]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return images, labels


def _read_records(data: DataSet, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, C, H, W] and labels [N], uint8, of a file of records: a label, then a picture, its channels first."""
    H, W, C = data.shape
    size = 1 + C * H * W
    with _unpacked(path, data) as file:
        content = file.read(MOST_BYTES + 1)
        if not content or len(content) % size or len(content) > MOST_BYTES:
            raise ValueError(f"its {len(content):,} bytes are no records of {size:,}")
        records = np.frombuffer(content, np.uint8).reshape(-1, size)
        if records[:, 0].max() >= data.classes:
            raise ValueError(f"it has a label {records[:, 0].max()}, and they go from 0 to {data.classes - 1}")
    return records[:, 1:].reshape(-1, C, H, W), records[:, 0]


def _fetch_records(data: DataSet, folder: Path) -> None:
    """Take CIFAR-10's files out of their archive, where each appears whole or not at all; download it if it is not in
    the folder."""
    url, md5 = RECORDS
    here = folder / url.rpartition("/")[2]
    if here.exists():
        _take_out(data, here, folder / RECORDS_FOLDER)
        return
    with _downloading(data, folder), tempfile.TemporaryDirectory() as place:
        from torchvision.datasets.utils import download_url

        download_url(url, place, here.name, md5)
        _take_out(data, Path(place) / here.name, folder / RECORDS_FOLDER)


def _take_out(data: DataSet, path: Path, folder: Path) -> None:
    """Write the files of records in an archive to a folder."""
    with _unpacked(path, data) as file, tarfile.open(fileobj=file, mode="r|") as members:
        taken = 0
        for member in members:
            name = member.name.rpartition("/")[2]
            content = members.extractfile(member) if name.endswith(".bin") and member.isfile() else None
            if content is not None:
                if member.size > MOST_BYTES:
                    raise ValueError(f"{name} in it is too large")
                atomic.write_bytes(folder / name, content.read())
                taken += 1
        if not taken:
            raise ValueError("it holds no files of records")


@contextlib.contextmanager
def _downloading(data: DataSet, folder: Path) -> Iterator[None]:
    """For a block that downloads by torchvision's helpers; raises UserError where that fails."""
    from vssm.files import torchvision_compat  # noqa: F401 - makes torchvision importable beside any torch

    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
            yield
    except UserError:
        raise
    except (OSError, RuntimeError, EOFError, ValueError, AssertionError) as error:
        reason = (" ".join(str(error).split()) or type(error).__name__).rstrip(".")
        raise UserError(
            f"{data.title} is not in {folder} and could not be downloaded ({reason}); connect to the network, or put "
            f"{data.name}.npz there, or name another folder by --data-dir."
        ) from None


def binarise_fixed(images: np.ndarray, seed: int = BINARISE_SEED) -> np.ndarray:
    """Binarise images once and for all: each pixel is 1 with its grey level as probability, drawn from `seed`.

    Args:
        images: [N, H, W, C] uint8, 0 to 255.
        seed: The seed of the draw.

    Returns:
        [N, H, W, C] uint8, 0 or 1.
    """
    noise = np.random.default_rng(seed).random(images.shape, np.float32)
    return (noise * 255 < images).astype(np.uint8)


def fixed_values(images: np.ndarray, data: DataSet) -> np.ndarray:
    """Return the model values of stored images on which everything is measured; a binarised set is always the same."""
    return binarise_fixed(images) if data.num_values == 2 else images


def to_values(pixels: np.ndarray, data: DataSet) -> np.ndarray:
    """Convert stored pixels (uint8, 0 to 255) to the nearest values that the models read (0 to num_values − 1)."""
    return ((pixels.astype(np.uint16) * (data.num_values - 1) + 127) // 255).astype(np.uint8)


def to_pixels(values: np.ndarray, data: DataSet) -> np.ndarray:
    """Convert model values, or means of them, to stored pixels (uint8, 0 to 255)."""
    return np.round(values * (255 / (data.num_values - 1))).astype(np.uint8)
