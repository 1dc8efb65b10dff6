"""Changes digits as other people would write them: another size, slant, place and stroke, a soft bend, hard edges.

A person's sketch is not like a picture of the data set. Therefore a share of the pictures with a prompt is changed in
training, prompt and rest together. Pictures without a prompt are never changed, so that unconditional samples stay
like the data set.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

WIDER, NARROWER = 0.4, -0.25  # logarithms of the factors on a picture's width
TALLER, SHORTER = 0.1, -0.25  # and on its height
TURN, SLANT = math.radians(12), 0.3
SHIFT = 2.0  # pixels
BEND = 0.5  # pixels: standard deviation of the displacement of a point
BENDS = 5  # points on a side whose displacements are drawn
HARDEST = 12.0  # factor on the distance of a pixel's value from the middle grey


def augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Change every picture, each in another way.

    Args:
        images: [B, H, W, 1] uint8, light ink on black.
        rng: The source of random numbers.

    Returns:
        [B, H, W, 1] uint8.
    """
    B, H, W, _ = images.shape
    where = images.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, B).astype(np.float32)).to(where)

    x = F.interpolate(images.movedim(-1, 1).float() / 255, scale_factor=2, mode="bilinear")
    width = uniform(-0.7, 1)[:, None, None, None]  # times half a pixel: ink more or less on either side
    wide, thin = F.max_pool2d(x, 3, 1, 1), -F.max_pool2d(-x, 3, 1, 1)
    x = x + width.abs() * (torch.where(width > 0, wide, thin) - x)

    turn, slant = uniform(-TURN, TURN), uniform(-SLANT, SLANT)
    across, down = torch.exp(-uniform(NARROWER, WIDER)), torch.exp(-uniform(SHORTER, TALLER))
    cos, sin = turn.cos(), turn.sin()
    matrix = torch.stack(  # from where a pixel is to where its value comes from, in halves of the picture
        [
            torch.stack(
                [across * (cos + slant * sin), across * (slant * cos - sin), uniform(-1, 1) * 2 * SHIFT / W], 1
            ),
            torch.stack([down * sin, down * cos, uniform(-1, 1) * 2 * SHIFT / H], 1),
        ],
        1,
    )
    bend = torch.from_numpy(rng.normal(0, 2 * BEND / W, (B, 2, BENDS, BENDS)).astype(np.float32)).to(where)
    field = F.interpolate(bend, (H, W), mode="bicubic", align_corners=True).movedim(1, -1)
    grid = F.affine_grid(matrix, [B, 1, H, W], align_corners=False) + field
    x = F.grid_sample(x, grid, mode="bilinear", align_corners=False)

    hard = torch.exp(uniform(0, math.log(HARDEST)))[:, None, None, None]
    x = ((x - 0.5) * hard + 0.5).clamp(0, 1)
    return (255 * x).round().to(torch.uint8).movedim(1, -1)


def binarise(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Draw pixels of images uint8, of any shape: true with their brightness as probability."""
    noise = torch.from_numpy(rng.random(images.shape, np.float32)).to(images.device)
    return noise * 255 < images
