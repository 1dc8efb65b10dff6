"""How far each latent of a VSSM moves the picture: the slopes of all pixels in all latents, by one backward pass.

For signs s, independent and ±1 with equal probability, E[(∂(s · x) / ∂z)²] = ‖∂x / ∂z‖²: the squared slope of a random
projection of the picture x is, in the mean, the squared length of the picture's change (Hutchinson's estimator).
"""

from __future__ import annotations

import torch
from torch import Tensor

from vssm.nn.latent_distributions import Latent


def moves(pixels: Tensor, latents: dict[int, tuple[Latent, Tensor]], rng: torch.Generator) -> dict[int, Tensor]:
    """Estimate how far a picture moves when one variable changes by 1, or to another class.

    Args:
        pixels: [B, H, W, C], B times the same picture, each computed from its own row of latents.
        latents: By level the kind and the values [B or more, h, w, Z], of which the pixels have gradients.
        rng: The source of the signs.

    Returns:
        By level [h, w, N], from B projections.
    """
    signs = 2 * torch.randint(2, pixels.shape, generator=rng, device=pixels.device) - 1
    slopes = torch.autograd.grad((pixels * signs).sum(), [value for _, value in latents.values()])
    return {
        number: (kind.step(slope).square().sum(0) / len(pixels)).sqrt()
        for (number, (kind, _)), slope in zip(latents.items(), slopes, strict=True)
    }
