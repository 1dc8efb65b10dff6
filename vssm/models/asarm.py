"""AS-ARM: an any-subset autoregressive model, with assisted speculative decoding (ASSD).

Guo & Ermon, *Reviving Any-Subset Autoregressive Models with Principled Parallel Sampling and Speculative Decoding*
(2504.20456). For any known set and any order σ of the other tokens,

    p(x_{σ(N+1:T)} | x_{σ(1:N)}) = Π_i p(x_{σ(i)} | x_{σ(<i)}),

and one network gives every factor. Tokens stand in the order σ, the known ones first; a row of the network predicts
the token at its own position ("target") from what stands before it:

    row of a known token        its value and position; attends to all known tokens
    row of the token of rank i  its position, the value and position of the token that stands last, and the pixels
                                around its target that stand already; attends to the rows of ranks below s, and itself

s, the number of tokens that stand, is i for the exact factor. With s < i the row is a *draft*: the marginal of its
token given the first s. The row of rank s is the same for both, so that a first draft is always accepted.

Deviations: one stream in place of XLNet's two, the query carried by the row after the last value (as in σ-GPT,
2404.09562), so that values are cached once and never reread; a convolutional stem as the Transformer has, of the
visible pixels around the target; trained on raster and on random orders, and on drafts, so that they are of use.

Shapes: B images, T = H·W tokens, D = d_model, R rows of one call.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..work import Mode, Work
from .raster import SquaredReLU

TINY = 1e-30


@dataclass(frozen=True)
class ASARMConfig:
    """height, width, levels describe the picture; the stem sees `reach` pixels in each direction.

    In training a share `random_orders` of the images has its unknown tokens in random order, the rest in raster
    order; a share `drafts` has drafts from a random rank on.
    """

    height: int
    width: int
    levels: int = 2
    d_model: int = 128
    blocks: int = 4
    heads: int = 2
    reach: int = 5
    stem_hidden: int = 256
    random_orders: float = 0.6
    drafts: float = 0.3


class Block(nn.Module):
    """Pre-norm attention under a mask and an MLP, as the Transformer has them."""

    def __init__(self, d_model: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.mlp = nn.Sequential(nn.Linear(d_model, 4 * d_model), SquaredReLU(), nn.Linear(4 * d_model, d_model))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of rows x [B, R, D], each [B, heads, R, D/heads]."""
        B, R, D = x.shape
        return self.qkv(self.norm1(x)).view(B, R, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4).unbind(0)

    def finish(self, x: Tensor, y: Tensor) -> Tensor:
        """What attention gave, y [B, heads, R, D/heads], into the rows x."""
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """All rows at once; bias [B, 1, R, R]: 0 where a row attends, −∞ elsewhere."""
        q, k, v = self.project(x)
        # on a CPU this trains faster than the fused kernel
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + bias.to(q.dtype)
        return self.finish(x, scores.softmax(-1) @ v)


class ASARM(nn.Module):
    """Maps rows (a target, and what stands before it) to the logits of their tokens."""

    Config = ASARMConfig
    exact = True
    prefix_only = False
    half_precision = False

    @staticmethod
    def modes(config: ASARMConfig) -> tuple[Mode, ...]:
        return (
            Mode("assd", "ASSD", "drafts so many tokens in one call, verifies them in another; exact", "draft", 32),
            Mode("sequential", "Sequential", "one pixel after another in raster order"),
            Mode("random", "Random order", "one pixel after another in random order"),
            Mode("masked", "Masked", "all pixels in so many calls, independent within a call; inexact", "steps", 16),
        )

    def __init__(self, config: ASARMConfig):
        super().__init__()
        self.config = c = config
        D, side = c.d_model, 2 * c.reach + 1
        self.value = nn.Embedding(c.levels + 1, D)  # the last entry stands for "none yet"
        self.row, self.column = (nn.Parameter(0.02 * torch.randn(n, D)) for n in (c.height, c.width))
        self.target_row, self.target_column = (nn.Parameter(0.02 * torch.randn(n, D)) for n in (c.height, c.width))
        self.known = nn.Parameter(torch.zeros(D))
        self.stem = nn.Sequential(
            nn.Linear(2 * side**2, c.stem_hidden), SquaredReLU(), nn.Linear(c.stem_hidden, D, bias=False)
        )
        self.blocks = nn.ModuleList(Block(D, c.heads) for _ in range(c.blocks))
        self.norm = nn.LayerNorm(D)
        self.head = nn.Linear(D, c.levels)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)
        nn.init.kaiming_normal_(self.stem[0].weight, nonlinearity="relu")
        for name, p in self.named_parameters():
            if name.endswith(("out.weight", "mlp.2.weight")):
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * c.blocks))
        rows, columns = torch.arange(c.height), torch.arange(c.width)
        offsets = torch.arange(side)
        framed = c.width + 2 * c.reach
        around = (rows[:, None] + offsets)[:, None, :, None] * framed + (columns[:, None] + offsets)[None, :, None, :]
        # of every position, the indices of its window in the picture framed by `reach` pixels: [T, side²]
        self.register_buffer("around", around.reshape(-1, side**2), persistent=False)

    @property
    def tokens(self) -> int:
        return self.config.height * self.config.width

    # --- rows ---------------------------------------------------------------------------------------------------

    def frame(self, x: Tensor, outside: int) -> Tensor:
        """[B, T] to [B, framed pixels], `outside` around the picture."""
        r, c = self.config.reach, self.config
        return F.pad(x.view(-1, c.height, c.width), (r, r, r, r), value=outside).flatten(1)

    def embed(self, values: Tensor, order: Tensor, known: Tensor, ranks: Tensor, seen: Tensor) -> Tensor:
        """Inputs of rows, [B, R, D].

        values: [B, T] by position; order: [B, T'], positions by rank, T' ≥ T; known: [B], how many are known;
        ranks: [B, R]; seen: [B, R], how many tokens stand for each row (`known` for the row of a known token).
        """
        c, T = self.config, self.tokens
        given = ranks < known[:, None]
        last = torch.where(given, ranks, seen - 1)  # rank of the token whose value the row carries
        none = ~given & (seen <= known[:, None])
        place = order.gather(1, last.clamp_min(0))
        value = values.gather(1, place).masked_fill(none, c.levels)
        target = order.gather(1, ranks)
        x = self.value(value)
        x = x + (self.row[place // c.width] + self.column[place % c.width]).masked_fill(none.unsqueeze(-1), 0)
        aim = self.target_row[target // c.width] + self.target_column[target % c.width]
        x = x + torch.where(given.unsqueeze(-1), self.known, aim)
        rank_of = torch.empty_like(values).scatter_(1, order[:, :T], torch.arange(T, device=x.device).expand_as(values))
        window = self.around[target].flatten(1)
        standing = self.frame(rank_of, T).gather(1, window).view(*ranks.shape, -1) < seen.unsqueeze(-1)
        signed = self.frame(values * 2 - (c.levels - 1), 0).gather(1, window).view_as(standing)
        dtype = self.stem[0].weight.dtype
        signed = (signed.to(dtype) / (c.levels - 1)) * standing
        return x + self.stem(torch.cat([signed, standing.to(dtype)], -1))

    def log_density(self, values: Tensor, order: Tensor, known: Tensor, seen: Tensor | None = None) -> Tensor:
        """log p of every token given those before it in `order`, in one call: [B, T] by rank, 0 for known tokens.

        values: [B, T] by position; order: [B, T], positions by rank; known: [B], how many of them are given; seen:
        [B, T], how many tokens stand for each row, its own rank by default.
        """
        B, T = values.shape
        ranks = torch.arange(T, device=values.device).expand(B, T)
        seen = torch.maximum(ranks, known[:, None]) if seen is None else seen
        x = self.embed(values, order, known, ranks, seen)
        allowed = ranks[:, None, :] < seen[:, :, None]
        allowed = allowed | torch.eye(T, dtype=torch.bool, device=values.device)
        bias = torch.zeros(allowed.shape, device=x.device).masked_fill_(~allowed, float("-inf")).unsqueeze(1)
        for block in self.blocks:
            x = block(x, bias)
        logits = self.head(self.norm(x)).float()
        nats = F.cross_entropy(logits.flatten(0, 1), values.gather(1, order).flatten(), reduction="none").view(B, T)
        return -nats * (ranks >= known[:, None])

    def order(self, known: Tensor, random: Tensor) -> tuple[Tensor, Tensor]:
        """An order with the known tokens first: known [B, T]; random [B], whether the unknown tokens follow in
        random order (else in raster order). Returns positions by rank [B, T], and how many are known [B]."""
        B, T = known.shape
        place = torch.arange(T, device=known.device).expand(B, T) / T
        key = torch.where(random[:, None], torch.rand(B, T, device=known.device), place)
        return torch.where(known, place - 1, key).argsort(1), known.sum(1)

    def log_likelihood(self, values: Tensor) -> Tensor:
        """Exact log p(x) in nats, [B], of pixel values [B, H, W, 1], every image in a random order of its own."""
        flat = values.flatten(1)
        nothing = torch.zeros_like(flat, dtype=torch.bool)
        order, known = self.order(nothing, torch.ones_like(flat[:, 0], dtype=torch.bool))
        return self.log_density(flat, order, known).sum(1)

    def loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Terms in nats an image; "loss" is the one to minimise: −log p of an unknown token, times T. "random" and
        "raster" are the mean over images with nothing known and no drafts in such an order."""
        c, T, where = self.config, self.tokens, values.device
        values, known = values.flatten(1), known.flatten(1)
        B = len(values)
        random = torch.rand(B, device=where) < c.random_orders
        order, count = self.order(known, random)
        ranks = torch.arange(T, device=where).expand(B, T)
        drafting = torch.rand(B, device=where) < c.drafts
        first = torch.where(drafting, count + (torch.rand(B, device=where) * (T - count)).long(), T)
        seen = torch.maximum(torch.minimum(ranks, first[:, None]), count[:, None])
        nats = -self.log_density(values, order, count, seen).sum(1) * (T / (T - count).clamp_min(1))
        plain = ~drafting & (count == 0)
        return {
            "loss": nats.mean(),
            "random": (nats * (plain & random)).sum() / (plain & random).sum(),
            "raster": (nats * (plain & ~random)).sum() / (plain & ~random).sum(),
        }
