"""The global code: a few discrete variables for the whole picture, drawn before the first level of the VSSM.

A product of distributions over positions cannot be what a posterior looks like over a data set that has modes (which
digit, which slant): positions would decide apart. The code names the mode first, z^0 = (k_1, …, k_M), and every
position then reads it.

    posterior   k_m = nearest of K centroids to what the stages before left over   residual quantisation, no learning
    prior       p_ω(k_m | k_{<m}, x_S)                                             one small network, called M times

As the posterior is a fixed function of x, log p(x) ≥ log p(k(x) | x_S) + the bound of the rest given k(x): it cannot
collapse, and its KL is the prior's cross-entropy. What is quantised is the picture, blurred and reduced, and beside it
what it shows: a few features trained beforehand to be alike for two distortions of one picture and to differ between
pictures. Neighbours among blurred pictures may be of different digits; with such features they seldom are. The sum of
the chosen centroids is the *plan*, a small blurred picture with features, and all that the rest of the model sees of
the code.

Sources: residual codes, SoundStream (2107.03312); a discrete code with a prior trained for it, VQ-VAE (1711.00937);
contrastive features, SimCLR (2002.05709), trained in `vssm.training.contrastive`.

Shapes: B pictures, [B, H, W, C] pixel values; M codes of K classes; plan of R = h·w·C + E numbers, E of them features;
coarse grid of half the patches' height and width; D = d_model.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vssm.nn import latent_distributions
from vssm.nn.modules import Foldable, ModuleList
from vssm.nn.ssm_block import Conv, SSMBlock, at_least_float32

SUMMARY = 16  # channels a position of the coarse grid may tell the whole picture, and be told of it
CERTAIN = 1e4  # logit of a class that is not the nearest, below that of the one that is


class PictureFeatures(nn.Module):
    """Maps pictures [B, H, W, C], from −1 to 1, to features [B, E] of what they show: a small convolutional network,
    trained once, before all else (`vssm.training.contrastive`), and fixed from then on."""

    def __init__(self, height: int, width: int, channels: int, features: int, wide: int = 20) -> None:
        super().__init__()
        self.layers: ModuleList[Conv] = ModuleList(
            [
                Conv(channels, wide, 4, stride=2, padding=1),
                Conv(wide, 2 * wide, 3, stride=2, padding=1),
                Conv(2 * wide, 2 * wide, 3, padding=1),
                Conv(2 * wide, 4 * wide, 3, stride=2, padding=1),
            ]
        )
        self.out = nn.Linear(4 * wide * math.ceil(height / 8) * math.ceil(width / 8), features)
        self.requires_grad_(False)
        for layer in self.layers:
            layer.precise = True  # a code must not depend on the precision

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.out(x.flatten(1))


class Quantiser(nn.Module):
    """Maps pictures to codes, and codes to plans. Its centroids are a buffer: found once by k-means, never trained.

    pool: how many pixels wide and high the part of a picture is that one pixel of the plan stands for, an even number;
    the plan is blurred over twice that; semantics: E, how many features of a picture are quantised beside it.
    """

    centroids: Tensor
    features: PictureFeatures | None

    def __init__(
        self,
        height: int,
        width: int,
        channels: int,
        num_values: int,
        pool: int,
        codes: int,
        classes: int,
        semantics: int = 0,
    ) -> None:
        super().__init__()
        self.pool, self.num_values = pool, num_values
        self.shape = height // pool, width // pool, channels
        self.features = PictureFeatures(height, width, channels, semantics) if semantics else None
        self.register_buffer("centroids", torch.zeros(codes, classes, math.prod(self.shape) + semantics))

    def picture(self, plan: Tensor) -> Tensor:
        """Return the picture in plans [B, R]: [B, h, w, C], from −1 to 1."""
        return plan[:, : math.prod(self.shape)].unflatten(1, self.shape)

    def signed(self, values: Tensor) -> Tensor:
        """Map pixel values to numbers from −1 to 1."""
        return values.to(self.centroids.dtype) * (2 / (self.num_values - 1)) - 1

    def blur(self, values: Tensor) -> Tensor:
        """Reduce pixel values [B, H, W, C] to small blurred pictures [B, h·w·C], from −1 to 1."""
        pool, signed = self.pool, self.signed(values).movedim(-1, 1)
        small = F.avg_pool2d(signed, 2 * pool, pool, pool // 2, count_include_pad=False)
        return small.movedim(1, -1).flatten(1)

    def reduce(self, values: Tensor) -> Tensor:
        """Reduce pixel values [B, H, W, C] to what is quantised, blurred pictures and their features: [B, R]."""
        blurred = self.blur(values)
        if self.features is None:
            return blurred
        return torch.cat([blurred, self.features(self.signed(values))], 1)

    @torch.no_grad()
    def codes(self, values: Tensor) -> Tensor:
        """Compute the codes [B, M] (int64) of pixel values [B, H, W, C]."""
        with torch.autocast(values.device.type, enabled=False):  # the same code in every precision
            rest, chosen = self.reduce(values), []
            for centroids in self.centroids:
                chosen.append(nearest(rest, centroids))
                rest = rest - centroids[chosen[-1]]
        return torch.stack(chosen, 1)

    def partial_plans(self, codes: Tensor) -> Tensor:
        """Compute the plan before each code and after the last one: codes [B, n ≤ M] to [B, n + 1, R]."""
        stages = torch.arange(codes.shape[1], device=codes.device)
        return F.pad(self.centroids[stages, codes].cumsum(1), (0, 0, 1, 0))

    @torch.no_grad()
    def fit(self, values: Tensor, rounds: int = 25) -> None:
        """Find the centroids: k-means on pixel values [N, H, W, C], stage after stage on what is left over."""
        rest = torch.cat([self.reduce(some) for some in values.split(4096)])
        for centroids in self.centroids:
            centroids.copy_(k_means(rest, len(centroids), rounds).half())  # which files keep in half the bytes
            rest = rest - centroids[nearest(rest, centroids)]


def nearest(x: Tensor, centroids: Tensor) -> Tensor:
    """Find the index of the nearest of centroids [K, R] for each of x [N, R]: [N]."""
    return torch.cat([(centroids.square().sum(1) - 2 * some @ centroids.t()).argmin(1) for some in x.split(8192)])


def k_means(x: Tensor, classes: int, rounds: int) -> Tensor:
    """Run Lloyd's algorithm on x [N, R], starting from some of its points: centroids [classes, R]. A class that has
    lost nearly all of its points starts again from one point."""

    def pick(count: int) -> Tensor:
        return x[torch.randint(len(x), (count,), device=x.device)]

    centroids = pick(classes)
    for _ in range(rounds):
        members = nearest(x, centroids)
        count = torch.bincount(members, minlength=classes)
        centroids = torch.zeros_like(centroids).index_add_(0, members, x) / count.clamp_min(1).unsqueeze(1)
        lost = count < len(x) / (20 * classes)
        centroids[lost] = pick(int(lost.sum()))
    return centroids


class ClassFeatures(nn.Module):
    """What a head's prediction is compared with, for each class of a code: its centroid [K, R], and features [K, F]
    that a small network finds in it. Both hold for similar centroids alike; with centroids alone, the logits of K
    classes would be linear in R given numbers."""

    def __init__(self, size: int, features: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, 2 * features)
        self.out = nn.Linear(2 * features, features, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, centroids: Tensor) -> Tensor:
        """Compute the features of centroids [K, R] and join them: [K, R + F]."""
        with torch.autocast(centroids.device.type, enabled=False):
            return torch.cat([centroids, self.out(F.silu(self.hidden(centroids)))], -1)


class CodePrior(nn.Module):
    """p_ω(k_m | k_{<m}, x_S): a stem and blocks on the coarse grid read the prompt once; then a small network with a
    head for each code is given this and the plan so far. A head predicts features of a class, and a class is as likely
    as its own are in line with these: what is learned of one class holds for those of similar centroids."""

    def __init__(
        self,
        quantiser: Quantiser,
        grid: tuple[int, int],
        d_model: int,
        patch: int,
        hidden: int,
        features: int,
        blocks: list[SSMBlock],
    ) -> None:
        super().__init__()
        codes, classes, size = quantiser.centroids.shape
        channels = quantiser.shape[-1] + 1
        self.stem = Conv(channels, d_model // 2, 3 * patch, stride=patch, padding=patch)
        self.stem_coarse = Conv(d_model // 2, d_model, 4, stride=2, padding=1)
        self.position = nn.Parameter(0.02 * torch.randn(*grid, d_model))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(d_model)
        self.summary = nn.Linear(d_model, SUMMARY)
        self.read = nn.Linear(SUMMARY * math.prod(grid), hidden)
        self.plan = nn.Linear(size, hidden, bias=False)
        self.stage = nn.Parameter(0.02 * torch.randn(codes, hidden))
        self.hidden = nn.Linear(hidden, hidden)
        heads = (nn.Linear(hidden, size + features, bias=False) for _ in range(codes))
        self.heads: ModuleList[nn.Linear] = ModuleList(heads)
        learned = (ClassFeatures(size, features) for _ in range(codes if features else 0))
        self.features: ModuleList[ClassFeatures] = ModuleList(learned)
        self.bias = nn.Parameter(torch.zeros(codes, classes))
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.02)

    def read_prompt(self, prompt: Tensor) -> Tensor:
        """Read a prompt [B, H, W, C + 1] for the heads: [B, hidden]."""
        h = self.stem_coarse(F.silu(self.stem(prompt))) + self.position
        for block in self.blocks:
            h = block(h)
        return self.read(self.summary(self.norm(h)).flatten(1))

    def logits(self, prompt: Tensor, plan: Tensor | None, stage: int, classes: Tensor) -> Tensor:
        """Compute the logits [B, K] of the code at `stage` (from 0), given `read_prompt`, the plan so far [B, R], if
        there is one, and what the stage's `classes` are compared by [K, R + F]."""
        u = prompt + self.stage[stage]
        u = F.silu(u if plan is None else u + self.plan(plan))
        wanted = self.heads[stage](u + F.silu(self.hidden(u)))
        with torch.autocast(wanted.device.type, enabled=False):  # near classes differ by less than bfloat16 tells
            return F.linear(at_least_float32(wanted), classes, self.bias[stage])


class PlanReader(nn.Module):
    """Maps the plan [B, R] to the coarse grid [B, h, w, D]: each position gets its own part, and a summary of the
    whole."""

    def __init__(self, quantiser: Quantiser, grid: tuple[int, int], d_model: int, hidden: int) -> None:
        super().__init__()
        size = math.prod(quantiser.shape)
        self.grid = grid
        self.whole = nn.Linear(quantiser.centroids.shape[-1], hidden)
        self.spread = nn.Linear(hidden, SUMMARY * math.prod(grid))
        self.enter = nn.Linear(SUMMARY + size // math.prod(grid), d_model)
        self.shape = quantiser.shape

    def forward(self, plan: Tensor) -> Tensor:
        (h, w), (rows, columns, channels) = self.grid, self.shape
        whole = self.spread(F.silu(self.whole(plan))).unflatten(1, (h, w, SUMMARY))
        picture = plan[:, : math.prod(self.shape)]
        local = picture.reshape(-1, h, rows // h, w, columns // w, channels).transpose(2, 3).flatten(3)
        return self.enter(torch.cat([whole, local.to(whole.dtype)], -1))


class GlobalCode(Foldable):
    """Quantiser and prior. The code is one level of latents: a Categorical of M variables of K classes at the one
    position of a 1 × 1 grid."""

    folded: list[Tensor] | None = None

    def __init__(self, quantiser: Quantiser, prior: CodePrior) -> None:
        super().__init__()
        self.quantiser, self.prior = quantiser, prior
        codes, classes, _ = quantiser.centroids.shape
        self.latent = latent_distributions.Categorical(codes, classes)

    def classes(self) -> list[Tensor]:
        """Compute what the classes of each code are compared by [K, R + F]."""
        centroids = list(self.quantiser.centroids)
        if not self.prior.features:
            return centroids
        return [features(some) for features, some in zip(self.prior.features, centroids, strict=True)]

    def fold(self) -> None:
        self.folded = self.classes()

    def infer(self, values: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute the code of whole pictures [B, H, W, C] with prompts [B, H, W, C + 1].

        Returns:
            Raw posterior, raw prior and the value, each [B, 1, 1, M·K], and the plan [B, R].
        """
        codes = self.quantiser.codes(values)
        plans = self.quantiser.partial_plans(codes)
        read = self.prior.read_prompt(prompt)
        logits = [self.prior.logits(read, plans[:, m], m, classes) for m, classes in enumerate(self.classes())]
        p = torch.cat(logits, -1)
        value = self.latent.value(codes)
        q = CERTAIN * (value - 1)
        return q[:, None, None], p[:, None, None], value[:, None, None], plans[:, -1]

    def draw(
        self, prompt: Tensor, samples: int, choose: Callable[[int, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw the codes, one after another.

        Args:
            prompt: [B, H, W, C + 1], or [1, H, W, C + 1] for one that all samples have.
            samples: How many samples to draw, B.
            choose: Takes the number of a code (from 0) and its logits [B, K], and returns its class [B].

        Returns:
            The value and the raw prior, each [B, 1, 1, M·K], and the plan [B, R].
        """
        read = self.prior.read_prompt(prompt)
        plan, raw, codes = None, [], []
        for m, classes in enumerate(self.folded or self.classes()):
            raw.append(self.prior.logits(read, plan, m, classes).expand(samples, -1))
            codes.append(choose(m, raw[-1]))
            chosen = self.quantiser.centroids[m, codes[-1]]
            plan = chosen if plan is None else plan + chosen
        assert plan is not None
        value = self.latent.value(torch.stack(codes, 1))
        return value[:, None, None], torch.cat(raw, -1)[:, None, None], plan
