"""The registry: every model by its preset's name. A new model is one file and one line here.

A model module holds the nn.Module, its frozen `Config`, and `config_for(data, **changes)`, the preset.
A network has
    loss(values, known) -> dict of named terms, "loss" among them: what training minimises;
    log_likelihood(values) -> [B], in nats: what evaluation reports;
    exact: whether that is exact, else a lower bound;
    likelihood_order, where that is exact in an order other than "raster";
    modes(config) -> tuple of Mode, its samplers, the usual one first;
    complete(values, known, temperature, rng, mode, size, pixels) -> Iterator[Work], a report after every call: what
        generation shows;
    pixels: the ways in which pixels can be shown, ("sampled",) or ("sampled", "mean");
    prefix_only: whether it reads prompts in raster order, so that pixels known further on cannot inform it beforehand;
    half_precision: whether generation is faster in bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ..config import from_dict
from ..data import DataSet
from ..errors import UserError
from ..work import Mode
from . import asarm, mamba, transformer, vssm


@dataclass(frozen=True)
class Preset:
    """title: what people read. network: the class. config(data, **changes): its config for a data set.
    lr: the learning rate at its height, as found best in short runs. known: the sets it is trained to complete, "any"
    or "prefix" (`prompt.draw_known`)."""

    name: str
    title: str
    network: type[nn.Module]
    config: Callable
    lr: float
    known: str = "any"

    def modes(self, data: DataSet) -> tuple[Mode, ...]:
        """The samplers of the untouched preset, the usual one first."""
        return self.network.modes(self.config(data))


PRESETS = {
    p.name: p
    for p in (
        Preset("vssm", "VSSM", vssm.VSSM, vssm.config_for, lr=2e-3),
        Preset("transformer", "Transformer", transformer.Transformer, transformer.config_for, lr=1e-3),
        Preset("mamba", "Mamba", mamba.Mamba, mamba.config_for, lr=1e-3),
        Preset("asarm", "AS-ARM", asarm.ASARM, asarm.config_for, lr=1e-3),
        Preset("vssm-paper", "VSSM (paper)", vssm.VSSM, vssm.paper_config_for, lr=3e-4, known="prefix"),
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
