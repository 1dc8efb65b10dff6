"""The registry: every model by its preset's name. A new model is one file and one line here.

A model module holds the nn.Module, its frozen `Config`, and `config_for(data, **changes)`, the preset.
A network has
    loss(values, known) -> dict of named terms, "loss" among them: what training minimises;
    log_likelihood(values) -> [B], exact or a lower bound, in nats: what evaluation reports;
    complete(values, known, temperature, rng) -> Iterator[Work], a report after every call: what generation shows;
    half_precision: whether generation is faster in bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from torch import nn

from ..config import from_dict
from ..data import DataSet
from ..errors import UserError
from . import transformer, vssm


@dataclass(frozen=True)
class Preset:
    """title: what people read. network: the class. configure(data, **changes): its config for a data set."""

    name: str
    title: str
    network: type[nn.Module]
    module: ModuleType
    exact: bool  # whether the likelihood is exact (else a bound)
    lr: float  # learning rate at its height, as found best in short runs
    raster: bool  # whether it writes in raster order, so that known pixels further on cannot inform it beforehand

    def config(self, data: DataSet, **changes):
        return self.module.config_for(data, **changes)


PRESETS = {
    p.name: p
    for p in (
        Preset("vssm", "VSSM", vssm.VSSM, vssm, exact=False, lr=2e-3, raster=False),
        Preset("transformer", "Transformer", transformer.Transformer, transformer, exact=True, lr=1e-3, raster=True),
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
