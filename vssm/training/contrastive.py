"""Trains what a picture shows, without labels: features alike for two distortions of one picture (SimCLR, 2002.05709).

Each picture of a batch is distorted twice, as two other hands would write it (`augmentation`), and binarised. Features
go through a small projection, and of all other distortions in the batch each must name its twin by cosine similarity:
    −log exp(s_ij / τ) / Σ_k≠i exp(s_ik / τ)     (NT-Xent, equation 1)
Two deviations: the network is a small one, whose norms are folded into its convolutions in the end, and features are
scaled to have a given variance in all, so that k-means on them beside other numbers weighs both as wanted.

Shapes: B pictures, [B, H, W, 1] uint8; E features.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from tqdm import tqdm

from vssm.models.global_code import PictureFeatures, Quantiser
from vssm.nn.modules import ModuleList
from vssm.training.augmentation import augment, binarise

BATCH = 512
TEMPERATURE = 0.2  # τ
PROJECTED = 32  # numbers that cosine similarities are taken in
RATE, DECAY = 2e-3, 1e-4  # of AdamW
WARMUP_STEPS = 200


class Learner(nn.Module):
    """The network of features with batch norm after each convolution, and the projection."""

    def __init__(self, features: PictureFeatures) -> None:
        super().__init__()
        self.features = features
        self.norms: ModuleList[nn.BatchNorm1d] = ModuleList(
            nn.BatchNorm1d(layer.out_channels) for layer in features.layers
        )
        E = features.out.out_features
        self.project = nn.Sequential(
            nn.BatchNorm1d(E), nn.ReLU(), nn.Linear(E, 2 * PROJECTED), nn.ReLU(), nn.Linear(2 * PROJECTED, PROJECTED)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures [B, H, W, 1], from −1 to 1, to directions [B, PROJECTED]."""
        for layer, norm in zip(self.features.layers, self.norms, strict=True):
            x = layer(x)
            x = F.relu(norm(x.flatten(0, 2)).view_as(x))
        return F.normalize(self.project(self.features.out(x.flatten(1))), dim=1)

    @torch.no_grad()
    def fold(self) -> None:
        """Put the norms' statistics and gains into the convolutions before them."""
        for layer, norm in zip(self.features.layers, self.norms, strict=True):
            assert layer.bias is not None and norm.running_mean is not None and norm.running_var is not None
            weight, bias = fuse_conv_bn_weights(
                layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)


def drawn(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Draw black or white for each pixel of images [B, H, W, 1] uint8: −1 or 1."""
    return 2 * binarise(images, rng).float() - 1


def contrast(first: Tensor, second: Tensor) -> Tensor:
    """Compute the mean of NT-Xent over both directions of twins, [B, PROJECTED] each, in nats."""
    both = torch.cat([first, second])
    similar = both @ both.t() / TEMPERATURE
    similar.fill_diagonal_(-math.inf)
    twins = torch.arange(len(both), device=both.device).roll(len(first))
    return F.cross_entropy(similar, twins)


def train(
    features: PictureFeatures,
    images: Tensor,
    steps: int,
    variance: float,
    rng: np.random.Generator,
    batch: int = BATCH,
    quiet: bool = True,
) -> None:
    """Train features in place.

    Args:
        features: The network, untrained.
        images: [N, H, W, 1] uint8, light ink on black.
        steps: How many batches; with 0 the features stay random and are only scaled.
        variance: The sum over the features of their variances over the images.
        rng: The source of random numbers.
        batch: B; all but one of its pictures are what the one must be told from.
        quiet: Whether no progress is shown.
    """
    learner = Learner(features).to(images.device).requires_grad_(True).train()
    optimizer = torch.optim.AdamW(learner.parameters(), RATE, weight_decay=DECAY)
    for step in tqdm(range(steps), "features of pictures", disable=quiet, leave=False):
        rate = RATE * min(1, (step + 1) / WARMUP_STEPS) * (0.5 * (1 + math.cos(math.pi * step / steps)) + 0.01)
        for group in optimizer.param_groups:
            group["lr"] = rate
        some = images[torch.from_numpy(rng.integers(len(images), size=batch)).to(images.device)]
        loss = contrast(*(learner(drawn(augment(some, rng), rng)) for _ in range(2)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    learner.fold()
    features.requires_grad_(False)
    with torch.no_grad():
        found = torch.cat([features(drawn(some, rng)) for some in images.split(4096)])
        scale = (variance / found.var(0).sum()).sqrt()
        features.out.weight *= scale
        features.out.bias.copy_((features.out.bias - found.mean(0)) * scale)
        for p in features.parameters():
            p.copy_(p.half())  # which files keep in half the bytes


def fit(
    quantiser: Quantiser, images: Tensor, values: Tensor, steps: int, rng: np.random.Generator, quiet: bool = True
) -> None:
    """Fit a quantiser: its features, if it has some, which then weigh as much as the blurred pictures, and centroids.

    Args:
        quantiser: The quantiser, not fitted yet.
        images: [N, H, W, C] uint8.
        values: [N, H, W, C], the pixel values that models take them for.
        steps: How many batches to train the features on.
        rng: The source of random numbers.
        quiet: Whether no progress is shown.
    """
    if quantiser.features is not None:
        train(quantiser.features, images, steps, float(quantiser.blur(values).var(0).sum()), rng, quiet=quiet)
    quantiser.fit(values)
