"""The variational state space model: levels of latents, coarse to fine, that complete any known set.

    global code                 p_ω(z^0 | x_S)              one for the whole picture; see `global_code`
    prior ≡ partial posterior   p_ω(z^ℓ | z^{<ℓ}, x_S)      S = ∅ gives unconditional generation
    posterior                   q_ψ(z^ℓ | z^{<ℓ}, x)        of the code: the nearest centroid
    decoder                     p_φ(x | z^{1:L}, x_S)       pixels independent given z and the prompt

It differs from Lambrechts et al. (2407.08415; their model is in `vssm_paper`) in four points: levels of latents (ladder
VAE 1602.02282, VDVAE 2011.10650) instead of a flat prior; scans in both directions, in row-major and column-major
order by turns; a prior that takes the prompt as an input, so that one network is prior and partial posterior; coarse
levels on a grid of half the resolution, which come first, and a global code before all levels, because positions that
are drawn independently cannot agree on one of several modes. Training maximises the evidence lower bound on the
unknown pixels,
    E_q[log p_φ(x_{∉S} | z, x_S)] − Σ_ℓ E_q KL(q_ψ(z^ℓ | z^{<ℓ}, x) ‖ p_ω(z^ℓ | z^{<ℓ}, x_S)),
with a new S for each image. The KL in this direction makes p_ω cover all of q_ψ's completions.

Shapes: B images, [B, H, W, C] pixel values; P raw outputs a pixel (`likelihood`); fine grid h×w = H/patch × W/patch
tokens, coarse grid h/2 × w/2; T = h·w tokens; D = d_model; Z = latent values a position.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vssm.config import PictureConfig, bounded, flag, for_data, one_of
from vssm.data import DataSet
from vssm.errors import UserError
from vssm.models.global_code import CodePrior, GlobalCode, PlanReader, Quantiser
from vssm.nn import latent_distributions, likelihoods
from vssm.nn.latent_distributions import Latent
from vssm.nn.likelihoods import Likelihood
from vssm.nn.modules import Linear, ModuleList
from vssm.nn.ssm_block import Conv, SSMBlock, at_least_float32, images_in_cache
from vssm.sampling.step import Sampler, SamplingParams, SamplingStep


@dataclass(frozen=True)
class VSSMConfig(PictureConfig):
    """The settings of both VSSMs.

    latent: "gaussian" (latent_size of them at each position) or "categorical" (latent_size of latent_classes each);
    estimator: of the gradient through a categorical draw, "reinmax" or "gumbel"; causal: true for the paper's model;
    codes: how many discrete variables of code_classes each the global code has, 0 for no code; code_pool: how many
    pixels wide and high the part of a picture is that one pixel of the plan stands for; code_blocks: how many blocks
    read the prompt for the code's prior; code_features: how many learned features of a class it sees; code_semantics:
    how many features of what a picture shows are part of the plan.
    """

    patch: int = bounded(2, 1, 64, divides=("height", "width"))
    d_model: int = bounded(128, 2, 2048)
    inner: int = bounded(256, 1, 4096)
    state: int = bounded(32, 1, 512)
    heads: int = bounded(4, 1, 64, divides=("inner",))
    selective: bool = flag(False)
    causal: bool = flag(False)
    coarse_levels: int = bounded(3, 0, 64)
    fine_levels: int = bounded(4, 1, 64)
    prompt_blocks: int = bounded(0, 0, 64)
    encoder_blocks: int = bounded(2, 0, 64)
    decoder_blocks: int = bounded(1, 0, 64)
    latent: str = one_of("gaussian", "categorical")
    latent_size: int = bounded(8, 1, 512)
    latent_classes: int = bounded(4, 2, 512)
    estimator: str = one_of("reinmax", "gumbel")
    head_channels: int = bounded(24, 1, 512)
    codes: int = bounded(0, 0, 64)
    code_classes: int = bounded(64, 2, 1024)
    code_pool: int = bounded(2, 2, 64, divides=("height", "width"))
    code_blocks: int = bounded(4, 0, 64)
    code_hidden: int = bounded(256, 1, 4096)
    code_features: int = bounded(0, 0, 1024)
    code_semantics: int = bounded(0, 0, 256)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.causal and (self.coarse_levels or self.fine_levels != 1):
            raise UserError("A causal VSSM is flat: it needs coarse_levels 0 and fine_levels 1.")
        if self.coarse_levels and (self.height // self.patch % 2 or self.width // self.patch % 2):
            raise UserError("A VSSM with coarse levels needs pictures whose sides are multiples of twice its patch.")
        if not self.causal and self.heads % 2:
            raise UserError("A VSSM that scans in both directions needs an even number of heads.")
        if self.codes and (not self.coarse_levels or self.code_pool % 2 or 2 * self.patch % self.code_pool):
            raise UserError("A global code needs coarse levels and an even code_pool that divides twice the patch.")
        if self.code_semantics and self.channels > 1:
            raise UserError("Semantic features are learned from distorted strokes; code_semantics is for one channel.")


class Inferred(NamedTuple):
    """One level, given a whole picture: the kind of latent, raw posterior and prior, and the value drawn."""

    latent: Latent
    q: Tensor
    p: Tensor
    value: Tensor

    def divergence(self) -> Tensor:
        """Compute KL(q ‖ p) in nats, [B]."""
        return self.latent.divergence(self.q, self.p).sum((1, 2))

    def log_ratio(self) -> Tensor:
        """Compute log p(z) − log q(z) of the value drawn, in nats, [B]."""
        return (self.latent.log_prob(self.p, self.value) - self.latent.log_prob(self.q, self.value)).sum((1, 2))


class Drawing(NamedTuple):
    """How latents and pixels are drawn in one run."""

    likelihood: Likelihood
    params: SamplingParams

    @property
    def means(self) -> bool:
        """Whether a pixel takes its mean given the latents."""
        return self.params.pixel_mode == "mean"

    def latents(self, kind: Latent, raw: Tensor, level: int = -1) -> Tensor:
        """Draw latents [..., Z] from their raw parameters, but keep those of the level (from 1) that are fixed."""
        drawn = kind.draw(raw, self.params.temperature, self.params.rng)  # always: what follows meets the same noise
        fixed = self.params.fixed_latents
        if fixed is None or level not in fixed.levels:
            return drawn
        kept = fixed.levels[level]
        again = kind.draw(raw, self.params.temperature, fixed.rng, kept.value if fixed.other else None)
        return torch.where(kept.redraw.unsqueeze(-1), again, kept.value)

    def code(self, number: int, logits: Tensor) -> Tensor:
        """Draw the class [B] of one variable of the global code, the level 0.

        Args:
            number: The number of the variable, from 0.
            logits: Its logits [B, K].

        If the code is drawn again and must differ from the one before, its first variable differs and the others
        follow.
        """
        kind = latent_distributions.Categorical(1, logits.shape[-1])
        drawn = kind.draw_classes(logits, self.params.temperature, self.params.rng)[..., 0]
        fixed = self.params.fixed_latents
        if fixed is not None and 0 in fixed.levels:
            kept = fixed.levels[0]
            before = kept.value[:, 0, 0].unflatten(-1, (-1, kind.classes))[:, number]
            other = before if fixed.other and number == 0 else None
            again = kind.draw(logits, self.params.temperature, fixed.rng, other)
            return torch.where(kept.redraw[:, 0], again, before).argmax(-1)
        return drawn

    def pixels(self, raw: Tensor) -> Tensor:
        """Draw pixel values [..., C] from raw outputs [..., P], or take their means, which are not whole numbers."""
        if self.means:
            return self.likelihood.mean(raw)
        noise = self.likelihood.noise(*raw.shape[:-1], rng=self.params.rng, device=raw.device)
        return self.likelihood.choose(raw, noise, self.params.temperature)

    def log_prob(self, raw: Tensor, values: Tensor, known: Tensor) -> Callable[[], Tensor] | None:
        """Return a function for a `SamplingStep` that computes the pixels' log-probability given the latents; None for
        means, which are not drawn.

        Args:
            raw: Raw outputs [B, H, W, P].
            values: The values [B, H, W, C] that were drawn from them.
            known: [B, H, W], the pixels that were not drawn.
        """
        if self.means:
            return None
        return lambda: self.likelihood.log_prob(raw, values).masked_fill(known, math.nan)


class Level(nn.Module):
    """One level of latents on one grid: an SSM block, the heads of prior and posterior, and the map back to D."""

    def __init__(self, d_model: int, latent: Latent, block: SSMBlock, depth: int) -> None:
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

    def infer(self, h: Tensor, features: Tensor) -> tuple[Tensor, Inferred]:
        """Draw from the posterior: h and the encoder's features, both [B, h, w, D], to the next h and the latents."""
        h = self.block(h)
        both = torch.cat([h.expand_as(features), features], -1)
        q = self.posterior_head(F.silu(self.posterior(both)))
        value = self.latent.relax(q)
        return h + self.enter(value), Inferred(self.latent, q, self.prior_head(h), value)

    def sample(self, h: Tensor, how: Drawing, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw from the prior, as level `number`: h to the next h, the value [B, h, w, Z] and its raw prior."""
        h = self.block(h)
        prior = self.prior_head(h)
        value = how.latents(self.latent, prior, number)
        tokens = h.flatten(0, 2)  # of the block's own output, which nobody else reads
        tokens.addmm_(value.flatten(0, 2), self.enter.weight.t()).add_(self.enter.bias)
        return h, value, prior


class Stem(nn.Module):
    """Maps picture and mask [B, H, W, C + 1] to tokens [B, h, w, D]; without `mixing` a token sees its patch only."""

    def __init__(self, channels: int, d_model: int, patch: int, mixing: bool) -> None:
        super().__init__()
        first, second = (3 * patch, 3) if mixing else (patch, 1)
        self.first = Conv(channels, d_model // 2, first, stride=patch, padding=patch if mixing else 0)
        self.second = Conv(d_model // 2, d_model, second, padding=second // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.silu(self.first(x)))


class Head(nn.Module):
    """Maps tokens [B, h, w, D] to raw outputs [B, H, W, P] in float32; with `mixing` a pixel also sees the tokens
    around it and the prompt [B, H, W, C + 1]."""

    def __init__(self, d_model: int, channels: int, patch: int, mixing: bool, likelihood: Likelihood) -> None:
        super().__init__()
        self.patch, self.channels, self.mixing = patch, channels, mixing
        self.norm = nn.LayerNorm(d_model)
        self.unpack = Linear(d_model, channels * patch * patch)
        seen = channels + mixing * (likelihood.channels + 1)
        self.mix = Conv(seen, channels, 5 if mixing else 1, padding=2 * mixing)
        self.raw = Conv(channels, likelihood.parameters, 3 if mixing else 1, padding=int(mixing))
        self.raw.precise = True
        assert self.raw.bias is not None
        self.raw.bias.data.copy_(likelihood.initial_bias())

    def forward(self, h: Tensor, prompt: Tensor | None) -> Tensor:
        x = depth_to_space(self.unpack(self.norm(h)), self.patch)
        if self.mixing and prompt is not None:
            x = torch.cat([x, prompt.to(x.dtype)], -1)
        x = F.silu(self.mix(F.silu(x)))
        with torch.autocast(x.device.type, enabled=False):  # a mean needs more digits than bfloat16 has
            return self.raw(at_least_float32(x))


def space_to_depth(x: Tensor, by: int) -> Tensor:
    """Move blocks of by × by pixels into channels: [B, H, W, C] to [B, H/by, W/by, by²·C]."""
    B, H, W, C = x.shape
    return x.view(B, H // by, by, W // by, by, C).transpose(2, 3).reshape(B, H // by, W // by, by * by * C)


def depth_to_space(x: Tensor, by: int) -> Tensor:
    """Undo `space_to_depth`: [B, H, W, by²·C] to [B, by·H, by·W, C]."""
    B, H, W, C = x.shape
    return x.view(B, H, W, by, by, C // by**2).transpose(2, 3).reshape(B, by * H, by * W, C // by**2)


class VSSM(nn.Module):
    """Encoder, levels of latents, and decoder."""

    Config = VSSMConfig
    token_of_pixel: Tensor
    exact = False
    causal = False
    prefix_only = False
    half_precision = True  # few and large matrix products: faster in bfloat16
    pixel_modes = ("sampled", "mean")

    @staticmethod
    def samplers(config: VSSMConfig) -> tuple[Sampler, ...]:
        """Its samplers under a config, the usual one first."""
        return (
            Sampler("parallel", "Parallel", "level after level, every pixel at once", can_fix_latents=True),
            chunked_sampler(config),
        )

    def __init__(self, config: VSSMConfig) -> None:
        super().__init__()
        if config.causal != self.causal:
            raise UserError("The preset vssm-paper is causal, and the preset vssm is not; leave the setting out.")
        self.config = c = config
        D, depth = c.d_model, self.num_levels + 1
        grid = c.height // c.patch, c.width // c.patch
        self.likelihood = likelihoods.of(c)
        self.latent = latent_distributions.make(c.latent, c.latent_size, c.latent_classes, c.estimator)

        def block(i: int) -> SSMBlock:
            columns = i % 2 == 1 and not c.causal
            return SSMBlock(D, c.inner, c.state, c.heads, c.causal, columns, c.selective, depth)

        self.prompt_stem = Stem(c.channels + 1, D, c.patch, mixing=not c.causal)
        self.image_stem = Stem(c.channels + 1, D, c.patch, mixing=not c.causal)
        self.fine_position = nn.Parameter(0.02 * torch.randn(*grid, D))
        self.prompt_blocks: ModuleList[SSMBlock] = ModuleList(block(i) for i in range(c.prompt_blocks))
        self.encoder: ModuleList[SSMBlock] = ModuleList(block(i) for i in range(c.encoder_blocks))
        self.fine: ModuleList[Level] = ModuleList(Level(D, self.latent, block(i), depth) for i in range(c.fine_levels))
        if c.coarse_levels:
            coarse_grid = grid[0] // 2, grid[1] // 2
            if c.codes:
                picture = c.height, c.width, c.channels, c.num_values
                quantiser = Quantiser(*picture, c.code_pool, c.codes, c.code_classes, c.code_semantics)
                blocks = [block(i) for i in range(c.code_blocks)]
                prior = CodePrior(quantiser, coarse_grid, D, c.patch, c.code_hidden, c.code_features, blocks)
                self.code = GlobalCode(quantiser, prior)
                self.plan = PlanReader(quantiser, coarse_grid, D, c.code_hidden)
            self.coarse_position = nn.Parameter(0.02 * torch.randn(*coarse_grid, D))
            self.fold_prompt = Linear(4 * D, D)
            self.fold_features = Linear(4 * D, D)
            self.encoder_coarse = block(0)
            self.coarse: ModuleList[Level] = ModuleList(
                Level(D, self.latent, block(i), depth) for i in range(c.coarse_levels)
            )
            self.unfold_coarse = Linear(D, 4 * D)
        if c.causal:
            self.decoder_position = nn.Parameter(0.02 * torch.randn(*grid, D))
        self.decoder: ModuleList[SSMBlock] = ModuleList(block(c.fine_levels + i) for i in range(c.decoder_blocks))
        self.head = Head(D, c.head_channels, c.patch, not c.causal, self.likelihood)
        tokens = torch.arange(self.tokens).view(*grid).repeat_interleave(c.patch, 0).repeat_interleave(c.patch, 1)
        self.register_buffer("token_of_pixel", tokens, persistent=False)

    @property
    def num_levels(self) -> int:
        """L, the number of levels, without the global code."""
        return self.config.coarse_levels + self.config.fine_levels

    @property
    def latent_levels(
        self,
    ) -> dict[int, tuple[Latent, tuple[int, int, int]]]:
        """For every level by its number (the global code is 0): the kind of latent, and h, w and the number of
        variables at a position."""
        (h, w), c = self.fine_position.shape[:2], self.config
        grids = [(h // 2, w // 2)] * c.coarse_levels + [(h, w)] * c.fine_levels
        code = {0: (self.code.latent, (1, 1, c.codes))} if c.codes else {}
        return code | {n: (self.latent, (*grid, self.latent.size)) for n, grid in enumerate(grids, 1)}

    @property
    def tokens(self) -> int:
        """T, the number of tokens on the fine grid."""
        return self.config.height * self.config.width // self.config.patch**2

    # --- likelihood ---------------------------------------------------------------------------------------------

    def prompt(self, values: Tensor, known: Tensor) -> Tensor:
        """Join pixel values [B, H, W, C], from −1 to 1 and zero at unknown pixels, with the mask [B, H, W] of known
        pixels: [B, H, W, C + 1]."""
        mask = known.unsqueeze(-1).to(self.fine_position.dtype)
        signed = values.to(mask.dtype) * (2 / (self.config.num_values - 1)) - 1
        return torch.cat([signed * mask, mask], -1)

    def top(self, prompt: Tensor) -> Tensor:
        """Compute the top-down stream before the first level: prompt [B, H, W, C + 1] to [B, h, w, D]."""
        h = self.prompt_stem(prompt) + self.fine_position
        for block in self.prompt_blocks:
            h = block(h)
        return h

    def encode(self, values: Tensor) -> Tensor:
        """Compute the encoder's features of whole pictures: [B, H, W, C] to [B, h, w, D]."""
        everything = torch.ones_like(values[..., 0], dtype=torch.bool)
        features = self.image_stem(self.prompt(values, everything)) + self.fine_position
        for block in self.encoder:
            features = block(features)
        return features

    def infer(self, values: Tensor, known: Tensor, draws: int = 1) -> tuple[Tensor, list[Inferred]]:
        """Compute raw outputs [draws · B, H, W, P] and the latents of every level, under posterior draws.

        Args:
            values: [B, H, W, C] pixel values of whole pictures.
            known: [B, H, W], which pixels the prompt has.
            draws: How many draws for each image; those of one image are together.
        """
        prompt = self.prompt(values, known)
        features, h = self.encode(values), self.top(prompt)
        if draws > 1:
            features, h, prompt = (x.repeat_interleave(draws, 0) for x in (features, h, prompt))
        found = []
        if self.config.coarse_levels:
            coarse_features = self.encoder_coarse(self.fold_features(space_to_depth(features, 2)))
            top = self.fold_prompt(space_to_depth(h, 2)) + self.coarse_position
            if self.config.codes:
                parts = self.code.infer(values, prompt[::draws])
                q, p, value, plan = (x.repeat_interleave(draws, 0) for x in parts) if draws > 1 else parts
                found.append(Inferred(self.code.latent, q, p, value))
                top = top + self.plan(plan)
            for level in self.coarse:
                top, inferred = level.infer(top, coarse_features)
                found.append(inferred)
            h = h + depth_to_space(self.unfold_coarse(top), 2)
        for level in self.fine:
            h, inferred = level.infer(h, features)
            found.append(inferred)
        return self.decode(h, prompt), found

    def decode(self, h: Tensor, prompt: Tensor | None) -> Tensor:
        """Map the stream after the last level [B, h, w, D] to raw outputs [B, H, W, P]."""
        images = images_in_cache(h)
        if len(h) > images:
            parts = h.split(images)
            prompts = repeat(None) if prompt is None else prompt.expand(len(h), -1, -1, -1).split(images)
            return torch.cat([self.decode(*part) for part in zip(parts, prompts, strict=False)])
        for block in self.decoder:
            h = block(h)
        return self.head(h, prompt)

    def elbo(self, values: Tensor, known: Tensor, draws: int = 1) -> tuple[Tensor, list[Inferred]]:
        """Compute log p_φ(x_{∉S} | z, x_S) [draws · B] in nats, and the latents of every level; see `infer`."""
        raw, found = self.infer(values, known, draws)
        if draws > 1:
            values, known = values.repeat_interleave(draws, 0), known.repeat_interleave(draws, 0)
        return (self.likelihood.log_prob(raw, values) * ~known).sum((1, 2)), found

    def loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Terms in nats for one image; training minimises "loss". "free" is −ELBO over the images with S = ∅, NaN if
        there are none."""
        log_p, found = self.elbo(values, known)
        kl = torch.stack([inferred.divergence() for inferred in found]).sum(0)
        bound = kl - log_p
        free = ~known.flatten(1).any(1)
        return {
            "loss": bound.mean(),
            "free": (bound * free).sum() / free.sum(),
            "kl": kl.mean(),
            "pixels": -log_p.mean(),
        }

    def code_loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Like `loss`, of the global code alone: the cross-entropy of its prior, in nats. "free" and "partial" are
        those of images with S = ∅ and of the others."""
        q, p, _, _ = self.code.infer(values, self.prompt(values, known))
        nats = self.code.latent.divergence(q, p).sum((1, 2))
        free = ~known.flatten(1).any(1)
        return {
            "loss": nats.mean(),
            "free": (nats * free).sum() / free.sum(),
            "partial": (nats * ~free).sum() / (~free).sum(),
        }

    def unfitted(self) -> Quantiser | None:
        """Return the quantiser if it has no centroids yet, and so must be fitted before training."""
        return self.code.quantiser if self.config.codes and not self.code.quantiser.centroids.any() else None

    def log_likelihood(self, values: Tensor) -> Tensor:
        """Compute the evidence lower bound of log p(x) in nats, [B], by one posterior draw for each image; S = ∅."""
        bound = self.conditional_bound(values, torch.zeros_like(values[..., 0], dtype=torch.bool))
        assert bound is not None
        return bound

    def conditional_bound(self, values: Tensor, known: Tensor) -> Tensor | None:
        """Compute the evidence lower bound of log p(x_{∉S} | x_S) in nats, [B], by one posterior draw an image."""
        log_p, found = self.elbo(values, known)
        return log_p - torch.stack([inferred.divergence() for inferred in found]).sum(0)

    def importance_bound(self, values: Tensor, samples: int) -> Tensor:
        """Compute the bound of IWAE (1509.00519) of log p(x) in nats, [B], by so many posterior draws; S = ∅."""
        log_p, found = self.elbo(values, torch.zeros_like(values[..., 0], dtype=torch.bool), samples)
        log_weight = log_p + torch.stack([inferred.log_ratio() for inferred in found]).sum(0)
        return log_weight.view(len(values), samples).logsumexp(1) - math.log(samples)

    def posterior(self, values: Tensor, known: Tensor) -> list[tuple[Latent, Tensor, Tensor]]:
        """For every level: the kind of latent, raw q_ψ given the picture, and raw p_ω given the prompt."""
        _, found = self.infer(values, known)
        return [(inferred.latent, inferred.q, inferred.p) for inferred in found]

    # --- generation ---------------------------------------------------------------------------------------------

    def complete(self, values: Tensor, known: Tensor, params: SamplingParams) -> Iterator[SamplingStep]:
        """Draw the code and the levels, one network stage each, then all unknown pixels at once: L + 1 steps for any T.
        "chunked" keeps the next few tokens only, and draws the rest again with these known."""
        how = Drawing(self.likelihood, params)
        chunk = params.parameter if params.sampler == "chunked" else self.tokens
        while True:
            prompt = self.prompt(values, known)
            alike = len(prompt) > 1 and bool((prompt == prompt[:1]).all())
            read = prompt[:1] if alike else prompt  # samples of one prompt share what depends on it alone
            h = self.top(read)
            number = 0
            if self.config.coarse_levels:
                top = self.fold_prompt(space_to_depth(h, 2)) + self.coarse_position
                if self.config.codes:
                    value, prior, plan = self.code.draw(read, len(prompt), how.code)
                    picture = self.code.quantiser.picture(plan)
                    yield SamplingStep(latent=(self.code.latent, value, prior), level=0, plan=picture)
                    top = top + self.plan(plan)
                top = top.expand(len(prompt), -1, -1, -1)
                for level in self.coarse:
                    top, value, prior = level.sample(top, how, number := number + 1)
                    yield SamplingStep(latent=(level.latent, value, prior), level=number)
                h = h + depth_to_space(self.unfold_coarse(top), 2)
            h = h.expand(len(prompt), -1, -1, -1)
            for level in self.fine:
                h, value, prior = level.sample(h, how, number := number + 1)
                yield SamplingStep(latent=(level.latent, value, prior), level=number)
            raw = self.decode(h, prompt)
            values = torch.where(known.unsqueeze(-1), values, how.pixels(raw))
            log_prob = how.log_prob(raw, values, known)
            if chunk >= self.tokens:
                break
            unknown = space_to_depth(~known.unsqueeze(-1), self.config.patch).any(-1)  # [B, h, w]
            later = unknown.flatten(1).cumsum(1).view_as(unknown) > chunk
            if not later.any():
                break
            known = ~later.repeat_interleave(self.config.patch, 1).repeat_interleave(self.config.patch, 2) | known
            yield SamplingStep(values, known, log_probability=log_prob)
        yield SamplingStep(values, known[0].numel(), log_probability=log_prob)


def chunked_sampler(config: VSSMConfig) -> Sampler:
    """The sampler that draws a few tokens at a time."""
    T = config.height * config.width // config.patch**2
    about = f"so many tokens ({config.patch}×{config.patch} pixels each) at a time, each chunk given all before it"
    return Sampler("chunked", "Chunked", about, "chunk", max(1, T // 7), T)


def config_for(data: DataSet, **changes: object) -> VSSMConfig:
    """Make the config of the preset `vssm` for a data set."""
    code = {"codes": 2, "code_classes": 1024, "code_blocks": 2, "code_hidden": 512, "code_features": 128}
    if data.channels == 1:
        code["code_semantics"] = 16
    return for_data(VSSMConfig, data, "vssm", changes, fine_levels=2, **code)
