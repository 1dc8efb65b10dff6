"""AS-ARM: an any-subset autoregressive model, with assisted speculative decoding (ASSD).

Guo & Ermon, *Reviving Any-Subset Autoregressive Models with Principled Parallel Sampling and Speculative Decoding*
(2504.20456). For any known set and any order σ of the other tokens,

    p(x_{σ(N+1:T)} | x_{σ(1:N)}) = Π_i p(x_{σ(i)} | x_{σ(<i)}),

and one network computes every factor. Tokens are in the order σ, known ones first; a row of the network predicts the
token at its own position (its "target") from the tokens before it:

    row of a known token        its value and position; attends to all known tokens
    row of the token of rank i  its position, value and position of the last token that is there, and the pixels around
                                its target that are there; attends to the rows of ranks below s, and itself

s is the number of tokens that are there; for the exact factor it is i. With s < i the row is a *draft*: the marginal of
its token given the first s. The row of rank s is the same in both cases, so that a first draft is always accepted.

Deviations: one stream in place of XLNet's two, the query carried by the row after the last value (as in σ-GPT,
2404.09562), so that values are cached once and never reread; a convolutional stem as the Transformer has, of the
visible pixels around the target; trained on raster and on random orders, and on drafts, so that they are of use; in
colour the channels of a draft are verified one after another (`assd`).

Shapes: B images, T = H·W tokens, C channels, D = d_model, P raw outputs of the likelihood, R rows of one call.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vssm.config import PictureConfig, bounded, flag, for_data
from vssm.data import DataSet
from vssm.models.asarm_decoding import Decoding
from vssm.models.raster import NEIGHBOURS
from vssm.nn import likelihoods
from vssm.nn.modules import ModuleList, SquaredReLU, linear
from vssm.nn.ssm_block import at_least_float32
from vssm.sampling.step import Sampler, SamplingParams, SamplingStep


@dataclass(frozen=True)
class ASARMConfig(PictureConfig):
    """reach: how many pixels the stem sees in each direction; direct: whether a linear map leads from what it sees to
    the outputs.

    In training a share `random_orders` of the images has its unknown tokens in random order, the rest in raster
    order; a share `drafts` has drafts from a random rank on. draft: how many tokens ASSD usually drafts in a call.
    """

    d_model: int = bounded(128, 1, 2048)
    blocks: int = bounded(4, 1, 64)
    heads: int = bounded(2, 1, 64, divides=("d_model",))
    reach: int = bounded(5, 1, 16)
    stem_hidden: int = bounded(256, 1, 4096)
    direct: bool = flag(False)
    random_orders: float = bounded(0.6, 0.0, 1.0)
    drafts: float = bounded(0.3, 0.0, 1.0)
    draft: int = bounded(32, 1, 16384)


class Block(nn.Module):
    """Pre-norm attention under a mask, and an MLP, as in the Transformer."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.mlp = nn.Sequential(nn.Linear(d_model, 4 * d_model), SquaredReLU(), nn.Linear(4 * d_model, d_model))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute queries, keys and values of rows x [B, R, D], each [B, heads, R, D/heads]."""
        B, R, D = x.shape
        return self.qkv(self.norm1(x)).view(B, R, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4).unbind(0)

    def finish(self, x: Tensor, y: Tensor) -> Tensor:
        """Add the result y [B, heads, R, D/heads] of attention to the rows x [B, R, D], and apply the MLP."""
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))

    def forward(self, x: Tensor, bias: Tensor, widest: int, block: int = 112) -> Tensor:
        """Run the block on all rows at once, by groups of rows, so that few scores are computed in vain.

        Args:
            x: Rows [B, R, D].
            bias: [B, 1, R, R], 0 where a row attends and −∞ elsewhere; −∞ everywhere above the diagonal, except in the
                first `widest` columns.
            widest: See `bias`.
            block: How many rows are in a group.
        """
        q, k, v = self.project(x)
        q = q * q.shape[-1] ** -0.5
        parts = []
        for start in range(0, x.shape[1], block):
            end = min(start + block, x.shape[1])
            last = max(end, widest) if start < widest else end
            scores = q[:, :, start:end] @ k[:, :, :last].transpose(-1, -2) + bias[:, :, start:end, :last]
            parts.append(scores.softmax(-1) @ v[:, :, :last])
        return self.finish(x, torch.cat(parts, 2))


class ASARM(nn.Module):
    """Maps rows (a target and the tokens before it) to the raw outputs of their tokens."""

    Config = ASARMConfig
    around: Tensor
    exact = True
    likelihood_order = "random"
    prefix_only = False
    half_precision = False
    pixel_modes = ("sampled",)

    @staticmethod
    def samplers(config: ASARMConfig) -> tuple[Sampler, ...]:
        """Its samplers under a config, the usual one first."""
        T, about = config.height * config.width, "drafts so many pixels in one call, verifies them in another; exact"
        masked = "all pixels in so many calls, independent within a call; inexact"
        return (
            Sampler("assd", "ASSD", about, "draft", config.draft, T),
            Sampler("sequential", "Sequential", "one pixel after another in raster order"),
            Sampler("random", "Random order", "one pixel after another in random order"),
            Sampler("masked", "Masked", masked, "steps", 16, T),
        )

    def __init__(self, config: ASARMConfig) -> None:
        super().__init__()
        self.config = c = config
        D, side = c.d_model, 2 * c.reach + 1
        self.likelihood = likelihoods.of(c)
        self.value = nn.Linear(c.channels + 1, D)  # the last input stands for "none yet"
        self.row, self.column = (nn.Parameter(0.02 * torch.randn(n, D)) for n in (c.height, c.width))
        self.target_row, self.target_column = (nn.Parameter(0.02 * torch.randn(n, D)) for n in (c.height, c.width))
        self.known = nn.Parameter(torch.zeros(D))
        self.stem = nn.Sequential(
            nn.Linear((c.channels + 1) * side**2, c.stem_hidden), SquaredReLU(), nn.Linear(c.stem_hidden, D, bias=False)
        )
        self.blocks: ModuleList[Block] = ModuleList(Block(D, c.heads) for _ in range(c.blocks))
        self.norm = nn.LayerNorm(D)
        self.head = nn.Linear(D, self.likelihood.parameters)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.head.bias.data.copy_(self.likelihood.initial_bias())
        if c.direct:
            self.direct_head = nn.Linear((c.channels + 1) * side**2, self.likelihood.parameters, bias=False)
            expected, centre = torch.zeros(side**2), side**2 // 2
            expected[centre - 1], expected[centre - side], expected[centre - side - 1] = NEIGHBOURS
            start = self.likelihood.linear_start(expected)
            visible = torch.zeros_like(start[:, :1])
            self.head.weight.data *= 0.1
            self.direct_head.weight.data.copy_(torch.cat([start, visible], 1).flatten(1))
        nn.init.kaiming_normal_(linear(self.stem, 0).weight, nonlinearity="relu")
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
        """T, one token for each pixel."""
        return self.config.height * self.config.width

    # --- rows ---------------------------------------------------------------------------------------------------

    def frame(self, x: Tensor, outside: int) -> Tensor:
        """Pad pictures [B, T, N] on all sides with the value `outside`: [B, framed pixels, N]."""
        r, c = self.config.reach, self.config
        return F.pad(x.unflatten(1, (c.height, c.width)), (0, 0, r, r, r, r), value=outside).flatten(1, 2)

    def rank_map(self, order: Tensor) -> Tensor:
        """Convert positions by rank [B, T] to ranks by position, padded: [B, framed pixels]."""
        ranks = torch.arange(self.tokens, device=order.device).expand_as(order)
        return self.frame(torch.empty_like(order).scatter_(1, order, ranks).unsqueeze(2), self.tokens).squeeze(2)

    def signed(self, values: Tensor) -> Tensor:
        """Scale pixel values to −1 … 1, in float32."""
        return values.float() * (2 / (self.config.num_values - 1)) - 1

    def embed(
        self, values: Tensor, order: Tensor, known: Tensor, ranks: Tensor, seen: Tensor, rank_map: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute the inputs of rows, [B, R, D], and the windows around their targets, [B, R, (C + 1) · side²].

        Args:
            values: [B, T, C] by position.
            order: [B, T or more], positions by rank.
            known: [B], how many tokens are known.
            ranks: [B, R], the ranks of the rows.
            seen: [B, R], how many tokens each row may see (`known` for the row of a known token).
            rank_map: As `rank_map` makes it.
        """
        c = self.config
        signed = self.signed(values)
        given = ranks < known[:, None]
        last = torch.where(given, ranks, seen - 1)  # rank of the token whose value the row carries
        none = (~given & (seen <= known[:, None])).unsqueeze(-1)
        place = order.gather(1, last.clamp_min(0))
        value = signed.gather(1, place.unsqueeze(-1).expand(-1, -1, c.channels)).masked_fill(none, 0)
        target = order.gather(1, ranks)
        x = self.value(torch.cat([value, none.float()], -1))
        x = x + (self.row[place // c.width] + self.column[place % c.width]).masked_fill(none, 0)
        aim = self.target_row[target // c.width] + self.target_column[target % c.width]
        x = x + torch.where(given.unsqueeze(-1), self.known, aim)
        around = self.around[target].flatten(1)
        visible = (rank_map.gather(1, around).view(*ranks.shape, -1) < seen.unsqueeze(-1)).unsqueeze(2)
        framed = self.frame(signed, 0)
        colours = [framed[..., i].gather(1, around).view(*ranks.shape, -1) for i in range(c.channels)]
        window = torch.cat([torch.stack(colours, 2) * visible, visible.float()], 2).flatten(2)
        return x + self.stem(window), window

    def output(self, x: Tensor, window: Tensor) -> Tensor:
        """Map rows after the last block to raw outputs [B, R, P] in float32."""
        x = self.norm(x)
        with torch.autocast(x.device.type, enabled=False):  # a mean needs more digits than bfloat16 has
            raw = self.head(at_least_float32(x))
            return raw + self.direct_head(window) if self.config.direct else raw

    def forward(self, values: Tensor, order: Tensor, known: Tensor, seen: Tensor | None = None) -> Tensor:
        """Compute the raw outputs of every token given those before it, in one call: [B, T, P] by rank.

        Args:
            values: [B, T, C] by position.
            order: [B, T], positions by rank.
            known: [B], how many tokens are known.
            seen: [B, T], how many tokens each row may see; its own rank by default.
        """
        B, T, _ = values.shape
        ranks = torch.arange(T, device=values.device).expand(B, T)
        seen = torch.maximum(ranks, known[:, None]) if seen is None else seen
        x, window = self.embed(values, order, known, ranks, seen, self.rank_map(order))
        allowed = ranks[:, None, :] < seen[:, :, None]
        allowed = allowed | torch.eye(T, dtype=torch.bool, device=values.device)
        bias = torch.zeros_like(allowed, dtype=x.dtype).masked_fill_(~allowed, float("-inf")).unsqueeze(1)
        if torch.is_autocast_enabled(x.device.type):
            bias = bias.to(torch.get_autocast_dtype(x.device.type))
        for block in self.blocks:
            x = block(x, bias, int(known.max()))
        return self.output(x, window)

    def log_density(self, values: Tensor, order: Tensor, known: Tensor, seen: Tensor | None = None) -> Tensor:
        """Compute log p of every token in nats, [B, T] by rank, 0 for known tokens; arguments as in `forward`."""
        by_rank = values.gather(1, order.unsqueeze(-1).expand_as(values))
        log_p = self.likelihood.log_prob(self(values, order, known, seen), by_rank)
        return log_p * (torch.arange(values.shape[1], device=values.device) >= known[:, None])

    def order(self, known: Tensor, random: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Make an order with the known tokens first.

        Args:
            known: [B, T], which tokens are known.
            random: [B], whether the unknown tokens follow in random order (else in raster order).
            rng: The source of random numbers.

        Returns:
            Positions by rank [B, T], and how many tokens are known [B].
        """
        B, T = known.shape
        place = torch.arange(T, device=known.device).expand(B, T) / T
        key = torch.where(random[:, None], torch.rand(B, T, device=known.device, generator=rng), place)
        return torch.where(known, place - 1, key).argsort(1), known.sum(1)

    def log_likelihood(self, values: Tensor) -> Tensor:
        """Compute log p(x) in nats, [B], of pixel values [B, H, W, C], each in a random order; it is exact."""
        flat = values.flatten(1, 2)
        nothing = torch.zeros_like(flat[..., 0], dtype=torch.bool)
        order, known = self.order(nothing, torch.ones_like(nothing[:, 0]))
        return self.log_density(flat, order, known).sum(1)

    def loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Terms in nats for one image; training minimises "loss", −log p of an unknown token times T. "random" and
        "raster" are means over images in such an order, with nothing known and without drafts."""
        c, T, where = self.config, self.tokens, values.device
        values, known = values.flatten(1, 2), known.flatten(1)
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

    # --- generation ---------------------------------------------------------------------------------------------

    def complete(self, values: Tensor, known: Tensor, params: SamplingParams) -> Iterator[SamplingStep]:
        """Read the prompt in one call, then fill the rest by one of the `samplers`; prompts of a batch may differ."""
        sampler, rng = params.sampler, params.rng
        mask = known.flatten(1)
        order, count = self.order(mask, torch.full_like(mask[:, 0], sampler in ("random", "masked")), rng)
        drafts = {"assd": params.parameter, "masked": self.tokens}.get(sampler, 1)
        given = values.flatten(1, 2) * mask.unsqueeze(-1)
        run = Decoding(self, given, order, count, params.temperature, rng, spare=drafts)
        if mask.any():
            run.read_prompt()
            yield run.report(values.shape, prompt=True)
        rounds = run.masked(params.parameter) if sampler == "masked" else run.speculative(drafts)
        for drafted, accepted in rounds:
            yield run.report(values.shape, drafted, accepted)


def config_for(data: DataSet, **changes: object) -> ASARMConfig:
    """Make the config of the preset `asarm` for a data set."""
    return for_data(ASARMConfig, data, "asarm", changes)
