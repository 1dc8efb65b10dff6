"""The registry: every model by the name of its preset. A new model is one file and one line here.

A model's file has the network, its frozen `Config`, and `config_for(data, **changes)`, the preset's config for a data
set. The file, and torch with it, is imported when the network is first needed; names and titles need neither.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, cast, runtime_checkable

from vssm.config import PictureConfig, from_dict
from vssm.data import DataSet
from vssm.errors import UserError
from vssm.sampling.step import Sampler, SamplingParams, SamplingStep

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from vssm.models.vssm import Inferred
    from vssm.nn.latent_distributions import Latent


class TorchModule(Protocol):
    """What is used of `nn.Module`, which a protocol cannot inherit."""

    training: bool

    def to(self, device: torch.device) -> Self: ...

    def eval(self) -> Self: ...

    def train(self, mode: bool = True) -> Self: ...

    def requires_grad_(self, requires_grad: bool = True) -> Self: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...

    def modules(self) -> Iterator[nn.Module]: ...

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> object: ...

    def named_children(self) -> Iterator[tuple[str, nn.Module]]: ...


@runtime_checkable
class Network(TorchModule, Protocol):
    """What every model's `nn.Module` has. Pixel values are int64 [B, H, W, C], known pixels bool [B, H, W].

    Attributes:
        Config: The class of its config.
        config: The config that it was made with.
        exact: Whether `log_likelihood` is exact; otherwise it is a lower bound.
        prefix_only: Whether it reads prompts in raster order, so that pixels known further on have no influence on
            the pixels before them.
        half_precision: Whether it generates faster in bfloat16.
        pixel_modes: How it can show pixels: ("sampled",) or ("sampled", "mean").
        tokens: How many tokens a picture has for it.

    A network whose likelihood is exact in another order than "raster" also has `likelihood_order`.
    """

    def __init__(self, config: Any) -> None: ...

    Config: ClassVar[type[PictureConfig]]
    config: Any
    exact: bool
    half_precision: bool
    pixel_modes: tuple[str, ...]

    @property
    def prefix_only(self) -> bool:
        """Whether it reads prompts in raster order only."""

    @property
    def tokens(self) -> int:
        """T, how many tokens a picture has."""

    @staticmethod
    def samplers(config: Any) -> tuple[Sampler, ...]:
        """Its samplers under a config, the usual one first."""

    def loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Terms in nats for one image; training minimises the one called "loss"."""

    def log_likelihood(self, values: Tensor) -> Tensor:
        """log p(x), or a lower bound of it, in nats: [B]."""

    def complete(self, values: Tensor, known: Tensor, params: SamplingParams) -> Iterator[SamplingStep]:
        """Fill the unknown pixels, with a step after every network call.

        The steps should have `log_probability`: nothing else can compute how likely the pixels were.
        """


@runtime_checkable
class LatentNetwork(Network, Protocol):
    """A network with latent variables."""

    @property
    def num_levels(self) -> int:
        """How many levels of latents it has, without a global code."""

    @property
    def latent_levels(self) -> dict[int, tuple[Latent, tuple[int, int, int]]]:
        """For every level by its number (a global code is 0): the kind of latent, and h, w and the number of variables
        at a position."""

    def infer(self, values: Tensor, known: Tensor, draws: int = 1) -> tuple[Tensor, list[Inferred]]:
        """Raw outputs under posterior draws, and the latents of every level."""

    def posterior(self, values: Tensor, known: Tensor) -> list[tuple[Latent, Tensor, Tensor]]:
        """For every level: the kind of latent, and the raw parameters of posterior and prior."""

    def conditional_bound(self, values: Tensor, known: Tensor) -> Tensor | None:
        """A lower bound of log p(unknown pixels | known pixels) in nats, [B]; None if it has none."""

    def importance_bound(self, values: Tensor, samples: int) -> Tensor:
        """The importance-weighted bound of log p(x) in nats, [B]."""


@dataclass(frozen=True)
class Preset:
    """A model as it is trained, sampled and shown.

    Args:
        name: What requests, files and the command line call it.
        title: What people read.
        about: One line on what it does.
        source: Where the network's class is, MODULE:NAME; its `config_for` is in the same module.
        lr: The highest learning rate, the best one in short runs.
        known: The known sets it is trained on, "any" or "prefix"; see `prompt.draw_known`.
    """

    name: str
    title: str
    about: str
    source: str
    lr: float
    known: str = "any"

    @property
    def network(self) -> type[Network]:
        """The class of its network; this imports torch."""
        module, _, name = self.source.partition(":")
        return cast("type[Network]", getattr(importlib.import_module(module), name))

    def config(self, data: DataSet, **changes: Any) -> Any:
        """Return its config for a data set; raises UserError for impossible changes."""
        return importlib.import_module(self.source.partition(":")[0]).config_for(data, **changes)

    def samplers(self, data: DataSet) -> tuple[Sampler, ...]:
        """Return the samplers of the preset as it is, the usual one first."""
        return self.network.samplers(self.config(data))


RASTER = "one pixel after another, each drawn given all before it"
DRAFTS = "drafts so many pixels in one call, verifies them in another; exact"
FLAT = "all latents at once, then every pixel at once by one scan"

PRESETS = {
    p.name: p
    for p in (
        Preset("vssm", "VSSM", "level after level, every pixel at once", "vssm.models.vssm:VSSM", 2e-3),
        Preset("transformer", "Transformer", RASTER, "vssm.models.transformer:Transformer", 1e-3),
        Preset("mamba", "Mamba", RASTER, "vssm.models.mamba:Mamba", 1e-3),
        Preset("asarm", "AS-ARM", DRAFTS, "vssm.models.asarm:ASARM", 1e-3),
        Preset("vssm-paper", "VSSM (paper)", FLAT, "vssm.models.vssm_paper:PaperVSSM", 3e-4, known="prefix"),
    )
}


def get(name: str) -> Preset:
    """Return the preset of that name; raises UserError for an unknown name."""
    if name not in PRESETS:
        raise UserError(f"There is no model {name!r}; choose one of: {', '.join(PRESETS)}.")
    return PRESETS[name]


def build(name: str, config: dict[str, Any]) -> Network:
    """Make the untrained network of a preset; raises UserError for settings that it does not have."""
    network = get(name).network
    return network(from_dict(network.Config, config))
