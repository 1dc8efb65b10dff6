"""The variational state space model, as a ladder of latent levels that completes any known set in L parallel stages.

    prior ≡ partial posterior   p_ω(z^ℓ | z^{<ℓ}, x_S)      S = ∅ gives unconditional generation
    posterior                   q_ψ(z^ℓ | z^{<ℓ}, x)
    decoder                     p_φ(x | z^{1:L}, x_S)        pixels independent given z and the prompt

After Lambrechts et al. (2407.08415), whose model is the case L = 1, S = ∅ with causal blocks. Deviations: levels
(ladder VAE 1602.02282, VDVAE 2011.10650) in place of the flat prior; scans in both directions, alternating between
row-major and column-major order; the prior takes the prompt as an input, so that one network serves as prior and as
partial posterior; coarse levels on a grid of half the resolution come first and settle what is drawn before how.

Training maximises the evidence lower bound on the unknown pixels,
    E_q[log p_φ(x_{∉S} | z, x_S)] − Σ_ℓ E_q KL(q_ψ(z^ℓ | z^{<ℓ}, x) ‖ p_ω(z^ℓ | z^{<ℓ}, x_S)),
with S drawn afresh for each image. The KL in this direction makes p_ω cover all of q_ψ's completions.

Shapes: B images, [B, H, W, 1] pixel values; fine grid h×w = H/patch × W/patch tokens, coarse grid h/2 × w/2;
D = d_model; Z = latent values a position.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import latents
from ..layers import Conv, SSMBlock
from ..work import Mode, Work


@dataclass(frozen=True)
class VSSMConfig:
    """latent: "gaussian" (latent_size of them a position) or "categorical" (latent_size of latent_classes each)."""

    height: int
    width: int
    levels: int = 2
    patch: int = 2
    d_model: int = 128
    inner: int = 256
    state: int = 32
    heads: int = 4
    selective: bool = False
    coarse_levels: int = 3
    fine_levels: int = 4
    encoder_blocks: int = 2
    latent: str = "gaussian"
    latent_size: int = 8
    latent_classes: int = 4
    estimator: str = "reinmax"
    head_channels: int = 24


class Level(nn.Module):
    """One group of latents on one grid: an SSM block, the prior's head, the posterior's, and the way back in."""

    def __init__(self, d_model: int, latent, block: SSMBlock, depth: int):
        super().__init__()
        self.latent, self.block = latent, block
        self.prior_head = nn.Linear(d_model, latent.parameters)
        self.posterior = nn.Linear(2 * d_model, d_model)
        self.posterior_head = nn.Linear(d_model, latent.parameters)
        self.enter = nn.Linear(latent.values, d_model)
        nn.init.normal_(self.prior_head.weight, std=0.02)
        nn.init.normal_(self.posterior_head.weight, std=0.02)
        nn.init.normal_(self.enter.weight, std=1 / math.sqrt(latent.values * depth))
        for layer in (self.prior_head, self.posterior_head, self.enter):
            nn.init.zeros_(layer.bias)

    def infer(self, h: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Training: h [B, h, w, D] and the encoder's features to the next h and KL(q ‖ p) in nats, [B]."""
        h = self.block(h)
        prior = self.prior_head(h)
        q = self.posterior_head(F.silu(self.posterior(torch.cat([h, features], -1))))
        value = self.latent.relax(q)
        return h + self.enter(value), self.latent.divergence(q, prior).sum((1, 2))

    def sample(self, h: Tensor, temperature: float, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Generation: h to the next h, the value drawn [B, h, w, Z] and the raw prior it was drawn from."""
        h = self.block(h)
        prior = self.prior_head(h)
        value = self.latent.draw(prior, temperature, rng)
        return h + self.enter(value), value, prior


class Stem(nn.Module):
    """Picture and mask [B, H, W, 2] to tokens [B, h, w, D]."""

    def __init__(self, channels: int, d_model: int, patch: int):
        super().__init__()
        self.first = Conv(channels, d_model // 2, 3 * patch, stride=patch, padding=patch)
        self.second = Conv(d_model // 2, d_model, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.silu(self.first(x)))


class Head(nn.Module):
    """Tokens [B, h, w, D] and the prompt [B, H, W, 2] to pixel logits [B, H, W, 1]."""

    def __init__(self, d_model: int, channels: int, patch: int, prompt_channels: int):
        super().__init__()
        self.patch, self.channels = patch, channels
        self.norm = nn.LayerNorm(d_model)
        self.unpack = nn.Linear(d_model, channels * patch * patch)
        self.mix = Conv(channels + prompt_channels, channels, 5, padding=2)
        self.logits = Conv(channels, 1, 3, padding=1)

    def forward(self, h: Tensor, prompt: Tensor) -> Tensor:
        x = unfold(self.unpack(self.norm(h)), self.patch)
        x = self.mix(F.silu(torch.cat([x, prompt.to(x.dtype)], -1)))
        return self.logits(F.silu(x))


def fold(x: Tensor, by: int) -> Tensor:
    """[B, H, W, C] to [B, H/by, W/by, by²·C]."""
    B, H, W, C = x.shape
    return x.view(B, H // by, by, W // by, by, C).transpose(2, 3).reshape(B, H // by, W // by, by * by * C)


def unfold(x: Tensor, by: int) -> Tensor:
    """The reverse of `fold`: [B, H, W, by²·C] to [B, by·H, by·W, C]."""
    B, H, W, C = x.shape
    return x.view(B, H, W, by, by, C // by**2).transpose(2, 3).reshape(B, by * H, by * W, C // by**2)


class VSSM(nn.Module):
    """Encoder, ladder and decoder."""

    Config = VSSMConfig
    exact = False
    prefix_only = False
    half_precision = True  # few and large matrix products: faster in bfloat16

    @staticmethod
    def modes(config: VSSMConfig) -> tuple[Mode, ...]:
        return (Mode("parallel", "Parallel", "level after level, every pixel at once"),)

    def __init__(self, config: VSSMConfig):
        super().__init__()
        self.config = c = config
        D, depth = c.d_model, self.ladder + 1
        grid = c.height // c.patch, c.width // c.patch
        self.latent = latents.make(c.latent, c.latent_size, c.latent_classes, c.estimator)

        def block(i: int) -> SSMBlock:
            return SSMBlock(D, c.inner, c.state, c.heads, columns=i % 2 == 1, selective=c.selective, depth=depth)

        self.prompt_stem = Stem(2, D, c.patch)
        self.image_stem = Stem(2, D, c.patch)
        self.fine_position = nn.Parameter(0.02 * torch.randn(*grid, D))
        self.encoder = nn.ModuleList(block(i) for i in range(c.encoder_blocks))
        self.fine = nn.ModuleList(Level(D, self.latent, block(i), depth) for i in range(c.fine_levels))
        if c.coarse_levels:
            self.coarse_position = nn.Parameter(0.02 * torch.randn(grid[0] // 2, grid[1] // 2, D))
            self.fold_prompt = nn.Linear(4 * D, D)
            self.fold_features = nn.Linear(4 * D, D)
            self.encoder_coarse = block(0)
            self.coarse = nn.ModuleList(Level(D, self.latent, block(i), depth) for i in range(c.coarse_levels))
            self.unfold_coarse = nn.Linear(D, 4 * D)
        self.last = block(c.fine_levels)
        self.head = Head(D, c.head_channels, c.patch, 2)

    @property
    def ladder(self) -> int:
        """L, the number of levels."""
        return self.config.coarse_levels + self.config.fine_levels

    def prompt(self, values: Tensor, known: Tensor) -> Tensor:
        """Pixel values [B, H, W, 1] and known [B, H, W] to signed values, zero where
        unknown, and the mask: [B, H, W, 2]."""
        mask = known.unsqueeze(-1).float()
        signed = values.float() * (2 / (self.config.levels - 1)) - 1
        return torch.cat([signed * mask, mask], -1)

    def elbo(self, values: Tensor, known: Tensor) -> tuple[Tensor, list[Tensor]]:
        """log p_φ(x_{∉S} | z, x_S) [B] under one posterior draw and the KL of every level [B], in nats."""
        prompt = self.prompt(values, known)
        features = self.image_stem(self.prompt(values, torch.ones_like(known))) + self.fine_position
        for block in self.encoder:
            features = block(features)
        divergences = []
        h = self.prompt_stem(prompt) + self.fine_position
        if self.config.coarse_levels:
            coarse_features = self.encoder_coarse(self.fold_features(fold(features, 2)))
            top = self.fold_prompt(fold(h, 2)) + self.coarse_position
            for level in self.coarse:
                top, kl = level.infer(top, coarse_features)
                divergences.append(kl)
            h = h + unfold(self.unfold_coarse(top), 2)
        for level in self.fine:
            h, kl = level.infer(h, features)
            divergences.append(kl)
        logits = self.head(self.last(h), prompt)[..., 0].float()
        log_p = -F.binary_cross_entropy_with_logits(logits, values[..., 0].float(), reduction="none")
        return (log_p * ~known).sum((1, 2)), divergences

    def loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Terms in nats an image; "loss" is the one to minimise. "free" is −ELBO over the images with S = ∅, not a
        number where there are none."""
        log_p, divergences = self.elbo(values, known)
        kl = torch.stack(divergences).sum(0)
        bound = kl - log_p
        free = ~known.flatten(1).any(1)
        return {
            "loss": bound.mean(),
            "kl": kl.mean(),
            "free": (bound * free).sum() / free.sum(),
            "pixels": -log_p.mean(),
        }

    def log_likelihood(self, values: Tensor) -> Tensor:
        """The evidence lower bound on log p(x) in nats, [B], by one hard posterior draw an image; S = ∅."""
        log_p, divergences = self.elbo(values, torch.zeros_like(values[..., 0], dtype=torch.bool))
        return log_p - torch.stack(divergences).sum(0)

    def complete(
        self, values: Tensor, known: Tensor, temperature: float, rng: torch.Generator, mode: str, size: int
    ) -> Iterator[Work]:
        """Sample every level, one network stage each, then all unknown pixels at once: L + 1 reports, whatever T."""
        prompt = self.prompt(values, known)
        h = self.prompt_stem(prompt) + self.fine_position
        number = 0
        if self.config.coarse_levels:
            top = self.fold_prompt(fold(h, 2)) + self.coarse_position
            for level in self.coarse:
                top, value, prior = level.sample(top, temperature, rng)
                yield Work(latent=(level.latent, value, prior), level=(number := number + 1))
            h = h + unfold(self.unfold_coarse(top), 2)
        for level in self.fine:
            h, value, prior = level.sample(h, temperature, rng)
            yield Work(latent=(level.latent, value, prior), level=(number := number + 1))
        logits = self.head(self.last(h), prompt).float()  # bfloat16 noise would be 0 once in 256 draws: stray pixels
        noise = torch.empty_like(logits).uniform_(generator=rng).logit_(1e-7)
        drawn = (logits > temperature * noise).long()
        yield Work(torch.where(known.unsqueeze(-1), values, drawn), known[0].numel())


def config_for(data, **changes) -> VSSMConfig:
    """The preset `vssm` for a data set."""
    return dataclasses.replace(VSSMConfig(data.height, data.width, data.levels), **changes)
