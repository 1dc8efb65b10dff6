"""Checkpoints: safetensors files with the config, the scores and the history of training in the metadata.

Nothing is ever unpickled. Writing is atomic: if the program is killed, the old file or the new one is there, never
half of one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from safetensors import SafetensorError, safe_open

from vssm import data
from vssm.config import PICTURE
from vssm.errors import UserError
from vssm.files import atomic, resources
from vssm.models import registry
from vssm.models.registry import Network, TorchModule

if TYPE_CHECKING:
    from torch import Tensor, nn

M = TypeVar("M", bound=TorchModule)
FORMAT = "vssm-checkpoint/1"
MOST_HEADER = 4_000_000  # bytes: some hundred times what a training's state takes
RENAMED = {"levels": "num_values"}  # settings of configs, by the names that older files have for them
MOST_DEPTH = 6  # levels of lists and records in metadata
MOST_WEIGHT = 1e6  # far above every number of a network that has learned anything
SUFFIX = ".safetensors"
SHIPPED = resources.folder("checkpoints")


@dataclass
class Checkpoint:
    """A trained network and what is known about it.

    Args:
        model: The name of its preset.
        data: The data set that it was trained on.
        network: In eval mode, float32, on the CPU.
        scores: Results of `evaluate`, by name.
        training: How it was trained.
        path: The file that it comes from, if any.
    """

    model: str
    data: data.DataSet
    network: Network
    scores: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None

    @property
    def parameters(self) -> int:
        """How many parameters the network has."""
        return sum(p.numel() for p in self.network.parameters())

    def total(self, key: str) -> float:
        """Add up "minutes", "images" or "steps" over all parts of the training."""
        total: float = sum(part.get(key, 0) for part in parts(self.training))
        return total

    def save(self, path: str | Path) -> None:
        """Write to `path` atomically; raises UserError if that is not possible."""
        meta = {
            "model": self.model,
            "data": self.data.name,
            "config": dataclasses.asdict(self.network.config),
            "scores": self.scores,
            "training": self.training,
        }
        write(path, {k: _stored(v.detach().cpu().contiguous()) for k, v in self.network.state_dict().items()}, meta)


def _stored(tensor: Tensor) -> Tensor:
    """Convert a tensor to half precision if that changes none of its numbers."""
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if bool((half.to(tensor.dtype) == tensor).all()) else tensor


def parts(training: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a training in their order, each with "minutes", "images", "steps", "device", "settings", …

    A part ends when the training is resumed with `--resume`, or when another training starts from its weights with
    `--start`. Old files have one part only, with the settings of the last one.
    """
    found = training.get("parts", [training] if training else [])
    found = found if isinstance(found, list) else []
    return [part for part in found if isinstance(part, dict) and _is_plain(part, 2)]  # as deep as it lies in a file


def shipped(model: str, dataset: str) -> Path:
    """Return the path of the weights of a preset that come with the program."""
    return SHIPPED / f"{model}-{dataset}{SUFFIX}"


def load(path: str | Path, expect_model: str | None = None, expect_data: str | None = None) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: The file.
        expect_model: The preset's name that it must have, or None for any.
        expect_data: The data set's name that it must have, or None for any.

    Raises:
        UserError: The file is missing, broken or foreign, or of another model or data set than expected.
    """

    def make(meta: dict[str, Any]) -> Network:
        if expect_model and meta["model"] != expect_model:
            raise Foreign(f"holds the model {meta['model']!r}, not {expect_model!r}; name the right file or model")
        if expect_data and meta["data"] != expect_data:
            raise Foreign(f"was trained on {meta['data']!r}, not {expect_data!r}; name the right file or data set")
        network, dataset = registry.build(meta["model"], meta["config"]), data.get(meta["data"])
        for name in PICTURE:
            made = getattr(network.config, name, None)
            if made is not None and made != getattr(dataset, name):
                wanted = getattr(dataset, name)
                raise UserError(f"{dataset.title}'s pictures have {name} {wanted!r}, and its config says {made!r}.")
        return network

    network, meta = read_network(path, make)
    return Checkpoint(meta["model"], data.get(meta["data"]), network, meta["scores"], meta["training"], Path(path))


class Foreign(UserError):
    """A sound file of the wrong model or data set; the message follows the file's name."""


def read_network(path: str | Path, make: Callable[[dict[str, Any]], M]) -> tuple[M, dict[str, Any]]:
    """Read a network and the metadata of its file; the network is in eval mode, float32, on the CPU.

    The file is not trusted: the metadata are checked, the network that they describe may not be larger than the file's
    tensors, and these must fit the network by name, shape and type before any of them is read.

    Args:
        path: The file.
        make: Makes the untrained network from the metadata, in which "model", "data", "config", "scores" and
            "training" exist and have the right types.

    Raises:
        UserError: The file is missing, broken or foreign, or what `make` raises, with the file's name.
    """
    header = read_header(path)
    try:
        meta = _checked(header.meta)
        with _no_larger_than(sum(math.prod(shape) for _, shape in header.layout.values())):
            network = make(meta)
        require_fit({name: described(value) for name, value in network.state_dict().items()}, header.layout)
        tensors = read(path)[0]
        for name, tensor in tensors.items():
            if not bool((tensor.abs() < MOST_WEIGHT).all()):  # which no number holds for that is not finite
                raise UserError(f"its weights {name!r} are not finite, or too large to be trained ones.")
        network.load_state_dict(tensors)
    except Foreign as error:
        raise UserError(f"{path} {error}.") from None
    except UserError as error:
        raise UserError(f"{path} does not fit this version of the program: {error}") from None
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        reason = " ".join((str(error) or type(error).__name__).split())[:200].rstrip(".")
        raise UserError(f"{path} does not fit its own config ({reason}); train or fetch it again.") from None
    return network.eval().requires_grad_(False), meta


def _checked(meta: dict[str, Any]) -> dict[str, Any]:
    """Check and complete metadata, and rename old settings; raises UserError if something is missing or wrong."""
    kinds = {"model": str, "data": str, "config": dict, "scores": dict, "training": dict}
    meta = {"scores": {}, "training": {}} | meta
    for name, kind in kinds.items():
        if not isinstance(meta.get(name), kind):
            raise UserError(f"its {name} is missing or no {'text' if kind is str else 'record'}; fetch it again.")
        if not _is_plain(meta[name]):
            raise UserError(f"its {name} holds what is neither text nor a finite number; fetch it again.")
    meta["config"] = {RENAMED.get(name, name): value for name, value in meta["config"].items()}
    for name in ("measured", "speeds"):
        if not isinstance(meta["scores"].get(name, {}), dict):
            raise UserError(f"its scores' {name!r} is no record; fetch it again.")
    return meta


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value is text, a number of usual size, true, false, null, or a few levels of lists and records."""
    if isinstance(value, (dict, list)):
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        return depth < MOST_DEPTH and all(_is_plain(part, depth + 1) for part in parts)
    if isinstance(value, (int, float)):
        return abs(value) < 2**63
    return value is None or (isinstance(value, str) and value.isprintable())


@contextlib.contextmanager
def _no_larger_than(numbers: int) -> Iterator[None]:
    """In this context, building a network of many more parameters raises UserError, so that a short text cannot take
    all memory. (Building on torch's meta device would first import much of torch, for more than a second.)"""
    from torch.nn.modules.module import register_module_parameter_registration_hook

    seen, thread = 0, threading.get_ident()  # the hook is called in all threads

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal seen
        if parameter is not None and threading.get_ident() == thread:
            seen += parameter.numel()
            if seen > 2 * numbers:  # twice, as a parameter may be set more than once
                raise UserError(f"its config asks for a larger network than its {numbers:,} numbers are.")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


Layout = tuple[str, tuple[int, ...]]  # a tensor's type, by its name in safetensors, and its shape


def described(tensor: Tensor) -> Layout:
    """Return the layout that a file has for a tensor, but for those of "F32" whose numbers are all of "F16"."""
    names = {"float32": "F32", "int64": "I64"}  # all that networks here are made of
    kind = str(tensor.dtype).removeprefix("torch.")
    return names.get(kind, kind), tuple(tensor.shape)


def require_fit(wanted: dict[str, Layout], given: dict[str, Layout]) -> None:
    """Raise UserError for the first tensor that is missing, unknown, or of another type or shape."""
    for name in sorted(wanted.keys() | given.keys()):
        if name not in given:
            raise UserError(f"it has no tensor {name!r}.")
        if name not in wanted:
            raise UserError(f"it has a tensor {name!r} that its network does not know.")
        (kind, shape), (other, size) = given[name], wanted[name]
        if shape != size or (kind != other and (kind, other) != ("F16", "F32")):
            raise UserError(f"its tensor {name!r} is {kind} {list(shape)}, and its network needs {other} {list(size)}.")


def write(path: str | Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write tensors and JSON metadata to a safetensors file, atomically."""
    from safetensors.torch import save_file  # here, as it brings torch: where files lie is asked before that is loaded

    with atomic.replacing(path) as part:
        try:
            save_file(tensors, part, {"format": FORMAT, "meta": json.dumps(meta)})
        except SafetensorError as error:  # as of a full disk
            raise OSError(str(error)) from None


@dataclass(frozen=True)
class Header:
    """The header of a file: metadata, and the layout of every tensor by name."""

    meta: dict[str, Any]
    layout: dict[str, Layout]


def read_header(path: str | Path) -> Header:
    """Read the header of a file that `write` made, but no tensor; raises UserError for any other file."""
    with _opened(path) as (file, meta):
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        return Header(meta, {n: (str(s.get_dtype()), tuple(s.get_shape())) for n, s in slices.items()})


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and metadata of a file that `write` made; raises UserError for any other file."""
    with _opened(path) as (file, meta):
        return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118 - not a dict


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Open a file that `write` made, with its metadata; raises UserError for any other file, also in the block."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no checkpoint {path}; train one with `python -m vssm train` or restore the file.")
    try:
        with path.open("rb") as start:
            if int.from_bytes(start.read(8), "little") > MOST_HEADER:
                raise ValueError("its header is too large")
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise UserError(f"{path} was not made by this program; train one with `python -m vssm train`.")
            meta = json.loads(header["meta"])
            if not isinstance(meta, dict):
                raise ValueError("its metadata are no record")
            yield file, meta
    except UserError:
        raise
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise UserError(f"{path} is broken or not a safetensors file ({reason}); restore or retrain it.") from None
