"""What only a process that has loaded torch can find out: devices, samplers, and the machine that figures are made on.

The models' process finds it and the window's process adopts it, which so never loads torch. A program without such a
process (a test, a script) finds it by itself.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from vssm import data
from vssm.models import registry
from vssm.sampling.step import Sampler


@dataclass(frozen=True)
class Offer:
    """What a person can choose of a model: its samplers, the usual one first, and the ways of showing pixels."""

    samplers: tuple[Sampler, ...]
    pixel_modes: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """offers: by names of model and data set. machine: as `benchmark.machine` describes it."""

    devices: tuple[str, ...] = ()
    offers: dict[tuple[str, str], Offer] = dataclasses.field(default_factory=dict)
    machine: dict[str, object] = dataclasses.field(default_factory=dict)


_adopted = Facts()


def find() -> Facts:
    """Find everything out; this loads torch and the models' code."""
    from vssm import device
    from vssm.evaluation import benchmark

    offers = {(model, dataset): _offer(model, dataset) for model in registry.PRESETS for dataset in data.DATA_SETS}
    return Facts(tuple(device.available()), offers, benchmark.machine())


def adopt(facts: Facts) -> None:
    """Take over what another process has found."""
    global _adopted
    _adopted = facts


def samplers(model: str, dataset: str) -> tuple[Sampler, ...]:
    """The samplers of a model for a data set, the usual one first; raises UserError for an unknown model."""
    return (_adopted.offers.get((model, dataset)) or _offer(model, dataset)).samplers


def pixel_modes(model: str) -> tuple[str, ...]:
    """The ways in which a model can show pixels, the usual one first; raises UserError for an unknown model."""
    dataset = next(iter(data.DATA_SETS))  # they are the network's, whatever it was trained on
    return (_adopted.offers.get((model, dataset)) or _offer(model, dataset)).pixel_modes


def machine() -> dict[str, object]:
    """Processor, GPU, system and versions."""
    if not _adopted.machine:
        adopt(dataclasses.replace(_adopted, machine=find().machine))
    return _adopted.machine


def _offer(model: str, dataset: str) -> Offer:
    preset = registry.get(model)
    return Offer(preset.samplers(data.get(dataset)), getattr(preset.network, "pixel_modes", ("sampled",)))
