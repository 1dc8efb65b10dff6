"""A model as small as the registry allows: what README's "Add a model" describes, in one file.

p(x | x_S) = Π_t Bernoulli(x_t; f_t(x_S)), f a small network: all pixels at once, or in so many rounds, each
reading what the rounds before it drew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vssm.config import PictureConfig, bounded, for_data
from vssm.models import registry
from vssm.sampling.step import Sampler, SamplingParams, SamplingStep


@dataclass(frozen=True)
class ToyConfig(PictureConfig):
    hidden: int = bounded(32, 1, 1024)


class Toy(nn.Module):
    """Maps the known pixels to the logits of all."""

    Config = ToyConfig
    exact = True
    prefix_only = False
    half_precision = False
    pixel_modes = ("sampled",)

    @staticmethod
    def samplers(config: ToyConfig) -> tuple[Sampler, ...]:
        return (
            Sampler("parallel", "Parallel", "all pixels at once"),
            Sampler(
                "rounds", "Rounds", "some pixels in each of so many rounds", parameter="rounds", default=4, most=28
            ),
        )

    def __init__(self, config: ToyConfig):
        super().__init__()
        self.config, self.tokens = config, config.height * config.width
        self.read, self.write = nn.Linear(2 * self.tokens, config.hidden), nn.Linear(config.hidden, self.tokens)

    def forward(self, values: Tensor, known: Tensor) -> Tensor:
        """Values [B, H, W, 1] and known [B, H, W] to logits [B, H, W]."""
        prompt = torch.cat([(values[..., 0] * known).flatten(1), known.flatten(1)], 1).float()
        return self.write(self.read(prompt).relu()).view(known.shape)

    def log_likelihood(self, values: Tensor) -> Tensor:
        logits = self(values, torch.zeros_like(values[..., 0], dtype=torch.bool))
        return -F.binary_cross_entropy_with_logits(logits, values[..., 0].float(), reduction="none").sum((1, 2))

    def loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        logits = self(values, known)
        nats = F.binary_cross_entropy_with_logits(logits, values[..., 0].float(), reduction="none")
        return {"loss": (nats * ~known).sum((1, 2)).mean()}

    def complete(self, values: Tensor, known: Tensor, params: SamplingParams) -> Iterator[SamplingStep]:
        rounds = params.parameter if params.sampler == "rounds" else 1
        turn = (
            torch.rand(known.shape, generator=params.rng, device=known.device).mul(rounds).long().masked_fill(known, -1)
        )
        for number in range(rounds):
            filled = turn < number
            noise = torch.rand(known.shape, generator=params.rng, device=known.device).logit(1e-7)
            drawn = (self(values, filled) > params.temperature * noise).long().unsqueeze(-1)
            values = torch.where((turn == number).unsqueeze(-1), drawn, values)
            yield SamplingStep(values, turn <= number)


def config_for(data, **changes) -> ToyConfig:
    return for_data(ToyConfig, data, "toy", changes)


def preset(name: str, title: str) -> registry.Preset:
    """The registry's one line."""
    return registry.Preset(name, title, "all pixels at once", "toy:Toy", lr=1e-3)


PRESET = preset("toy", "Toy")


class Stuck(Toy):
    """Prints, and at one temperature never comes back."""

    def complete(self, values: Tensor, known: Tensor, params: SamplingParams) -> Iterator[SamplingStep]:
        print(PRINTED, flush=True)
        if params.temperature == STUCK_AT:
            time.sleep(10**6)
        yield from super().complete(values, known, params)


PRINTED, STUCK_AT = "a model prints this", 9.0
STUCK = registry.Preset("stuck", "Stuck", "never comes back", "toy:Stuck", lr=1e-3)
