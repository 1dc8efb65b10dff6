"""The registry: every model by its preset's name. A new model is one file and one line here.

A model module holds the nn.Module, its frozen `Config`, and `config_for(data, **changes)`, the preset. It is loaded,
and torch with it, when its network is first asked for; names and titles are to be had at once.
A network has
    loss(values, known) -> dict of named terms, "loss" among them: what training minimises;
    log_likelihood(values) -> [B], in nats: what evaluation reports;
    exact: whether that is exact, else a lower bound;
    likelihood_order, where that is exact in an order other than "raster";
    modes(config) -> tuple of Mode, its samplers, the usual one first;
    complete(values, known, temperature, rng, mode, size, pixels) -> Iterator[Work], a report after every call: what
        generation shows; with `held`, latents that stay, in modes that can hold them;
    pixels: the ways in which pixels can be shown, ("sampled",) or ("sampled", "mean");
    prefix_only: whether it reads prompts in raster order, so that pixels known further on cannot inform it beforehand;
    half_precision: whether generation is faster in bfloat16.
Its reports should tell how likely the pixels were (`Work.log_probability`); where they do not, nobody else can say.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vssm.config import from_dict
from vssm.data import DataSet
from vssm.errors import UserError
from vssm.sampling.step import Mode

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Preset:
    """title: what people read, and about: a line on what it does. source: where the network's class is, MODULE:NAME;
    preset: the function beside it that makes its config for a data set. lr: the learning rate at its height, as found
    best in short runs. known: the sets it is trained to complete, "any" or "prefix" (`prompt.draw_known`)."""

    name: str
    title: str
    about: str
    source: str
    lr: float
    preset: str = "config_for"
    known: str = "any"

    @property
    def network(self) -> type[nn.Module]:
        """The class."""
        module, _, name = self.source.partition(":")
        return getattr(importlib.import_module(module), name)

    def config(self, data: DataSet, **changes) -> Any:
        """Its config for a data set."""
        return getattr(importlib.import_module(self.source.partition(":")[0]), self.preset)(data, **changes)

    def modes(self, data: DataSet) -> tuple[Mode, ...]:
        """The samplers of the untouched preset, the usual one first."""
        return self.network.modes(self.config(data))


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
        Preset("vssm-paper", "VSSM (paper)", FLAT, "vssm.models.vssm:VSSM", 3e-4, "paper_config_for", "prefix"),
    )
}


def get(name: str) -> Preset:
    """The preset of that name; raises UserError for an unknown one."""
    if name not in PRESETS:
        raise UserError(f"There is no model {name!r}; choose one of: {', '.join(PRESETS)}.")
    return PRESETS[name]


def build(name: str, config: dict) -> nn.Module:
    """The untrained network of preset `name` under `config`, a dictionary; unknown keys raise UserError."""
    network = get(name).network
    return network(from_dict(network.Config, config))
