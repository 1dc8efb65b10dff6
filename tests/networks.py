"""Small networks of every model, pictures for them, and what tests compare."""

import dataclasses
import itertools
from typing import Any

import torch

from vssm.models import registry
from vssm.models.asarm import ASARMConfig
from vssm.models.mamba import MambaConfig
from vssm.models.transformer import TransformerConfig
from vssm.models.vssm import VSSMConfig
from vssm.sampling.step import SamplingParams

SMALL = {
    "transformer": TransformerConfig(4, 6, d_model=16, blocks=3, window=7, stem_rows=2, stem_columns=2, stem_hidden=12),
    "vssm": VSSMConfig(
        8,
        8,
        d_model=16,
        inner=16,
        state=8,
        heads=2,
        coarse_levels=1,
        fine_levels=2,
        latent_size=3,
        head_channels=4,
        codes=2,
        code_classes=3,
        code_blocks=1,
        code_hidden=8,
    ),
    "mamba": MambaConfig(
        4, 6, d_model=16, blocks=2, inner=16, state=4, heads=2, chunk=5, stem_rows=2, stem_columns=2, stem_hidden=12
    ),
    "asarm": ASARMConfig(4, 6, d_model=16, blocks=2, heads=2, reach=1, stem_hidden=12),
    "vssm-paper": VSSMConfig(
        8,
        8,
        d_model=16,
        inner=16,
        state=8,
        heads=2,
        causal=True,
        coarse_levels=0,
        fine_levels=1,
        prompt_blocks=1,
        encoder_blocks=1,
        decoder_blocks=2,
        latent="categorical",
        latent_size=3,
        head_channels=4,
    ),
}
RASTER = ("transformer", "mamba")


def small(name: str, **changes):
    torch.manual_seed(1)
    network = registry.get(name).network(dataclasses.replace(SMALL[name], **changes))
    for p in network.parameters():
        p.data += 0.2 * torch.randn_like(p)
    return network.eval().requires_grad_(False)


COLOUR: dict[str, Any] = {"channels": 3, "num_values": 5, "likelihood": "logistic-mixture", "components": 2}
KINDS = {"binary": {}, "colour": COLOUR, "colour, direct": {**COLOUR, "direct": True}}


def other_at(values: torch.Tensor, t: int) -> torch.Tensor:
    """The picture values [1, H, W, C] with another pixel at t."""
    other = values.flatten(1, 2).clone()
    other[:, t] = (other[:, t] + 1) % (2 if values.shape[-1] == 1 else COLOUR["num_values"])
    return other.view_as(values)


def pictures(config, count: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, config.num_values, (count, config.height, config.width, config.channels), generator=rng)


def complete(network, values, known, temperature=1.0, seed=0, mode=None, size=None, pixels="sampled"):
    modes = network.samplers(network.config)
    mode = next(m for m in modes if m.name == (mode or modes[0].name))
    rng = torch.Generator().manual_seed(seed)
    params = SamplingParams(rng, mode.name, size or mode.default, temperature, pixels)
    return list(network.complete(values, known, params))


def every_picture(height: int, width: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product((0, 1), repeat=height * width))).view(-1, height, width, 1)


def chi_square(drawn: torch.Tensor, p: torch.Tensor) -> float:
    """Of drawn pictures [N, T] against the probabilities of all 2^T, in the order of `every_picture`."""
    T, p = drawn.shape[1], p.double()
    codes = (drawn * 2 ** torch.arange(T - 1, -1, -1)).sum(1)
    expected = len(drawn) * p
    counts = torch.bincount(codes, minlength=2**T).double()
    assert counts[p == 0].sum() == 0
    return float((((counts - expected) ** 2)[p > 0] / expected[p > 0]).sum())
