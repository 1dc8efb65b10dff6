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
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vssm.config import PictureConfig, bounded, flag, for_data
from vssm.data import DataSet
from vssm.models import assd
from vssm.models.raster import NEIGHBOURS
from vssm.nn import likelihoods
from vssm.nn.modules import ModuleList, SquaredReLU, linear
from vssm.nn.ssm_block import at_least_float32
from vssm.sampling.step import Drafted, Sampler, SamplingParams, SamplingStep


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


class Decoding:
    """The state of a run: values by position, how many tokens are there, and the keys and values of every row by rank.

    Ranks from T on, `spare` of them (T by default), are for rows that a sample does not need while others of the batch
    do.
    """

    def __init__(
        self,
        network: ASARM,
        values: Tensor,
        order: Tensor,
        known: Tensor,
        temperature: float,
        rng: torch.Generator,
        spare: int | None = None,
    ) -> None:
        self.network, self.values, self.order, self.known = network, values, order, known
        self.temperature, self.rng, self.T = max(temperature, likelihoods.LEAST), rng, network.tokens
        self.likelihood = network.likelihood
        self.rank_map = network.rank_map(order)
        self.ranks = torch.empty_like(order).scatter_(
            1, order, torch.arange(self.T, device=order.device).expand_as(order)
        )
        self.num_done = known.clone()
        self.round: tuple[Tensor, Tensor, int, Tensor | int] | None = None  # as `drafted` takes it
        self.drawn: tuple[Tensor, Tensor] | None = None  # by the last call: ranks, and raw outputs
        c, slots = network.config, self.T + (self.T if spare is None else spare)
        shape = (len(values), 2, c.heads, slots, c.d_model // c.heads)
        self.caches = [network.norm.weight.new_zeros(shape) for _ in network.blocks]  # keys and values, one a block
        self.padded = torch.cat([order, order[:, -1:].expand(-1, slots - self.T)], 1)

    def report(self, shape: torch.Size, drafted: int = 0, accepted: int = 0, prompt: bool = False) -> SamplingStep:
        """Describe the last call as a step; shape: of pixel values, [B, H, W, C]."""
        whole = bool((self.num_done == self.T).all())
        filled = self.T if whole else (self.ranks < self.num_done[:, None]).view(shape[:3])
        drafts = partial(self.drafted, shape, *self.round) if self.round else None
        log_prob = partial(self.log_probability, shape, *self.drawn) if self.drawn else None
        return SamplingStep(
            self.values.view(shape),
            filled,
            prompt=prompt,
            drafted=drafted,
            accepted=accepted,
            drafts=drafts,
            log_probability=log_prob,
        )

    def log_probability(self, shape: torch.Size, ranks: Tensor, raw: Tensor) -> Tensor:
        """Compute the log-probability of a `SamplingStep` for those of the ranks [B, R] that are settled; raw: the
        outputs [B, R, P] of their rows."""
        place = self.padded.gather(1, ranks)
        log_prob = self.likelihood.log_prob(raw, self.values.gather(1, place.unsqueeze(-1).expand(-1, -1, shape[-1])))
        log_prob = log_prob.masked_fill(ranks >= self.num_done[:, None], math.nan)
        made = log_prob.new_full((shape[0], self.T + 1), math.nan)
        return made.scatter_(1, torch.where(ranks < self.T, place, self.T), log_prob)[:, :-1].reshape(shape[:3])

    def drafted(self, shape: torch.Size, values: Tensor, num_done: Tensor, size: int, passed: Tensor | int) -> Drafted:
        """Describe a round of drafting: `size` drafts for each sample, from the rank `num_done` [B] on, of which the
        first `passed` were accepted."""
        first = num_done[:, None]
        proposed = (self.ranks >= first) & (self.ranks < first + size)
        accepted = proposed & (self.ranks < first + (passed if isinstance(passed, int) else passed[:, None]))
        return Drafted(values.view(shape), proposed.view(shape[:3]), accepted.view(shape[:3]))

    def call(self, ranks: Tensor, seen: Tensor) -> Tensor:
        """Call the network once: the raw outputs [B, R, P] of rows; ranks and seen as in `ASARM.embed`."""
        network, last = self.network, int(ranks.max()) + 1
        x, window = network.embed(self.values, self.padded, self.known, ranks, seen, self.rank_map)
        column = torch.arange(last, device=x.device)
        allowed = ((column < seen.unsqueeze(-1)) | (column == ranks.unsqueeze(-1))).unsqueeze(1)
        for block, cache in zip(network.blocks, self.caches, strict=True):
            q, k, v = block.project(x)
            index = ranks[:, None, :, None].expand_as(k)
            cache[:, 0].scatter_(2, index, k)
            cache[:, 1].scatter_(2, index, v)
            past = cache[:, :, :, :last]
            x = block.finish(x, F.scaled_dot_product_attention(q, past[:, 0], past[:, 1], attn_mask=allowed))
        return network.output(x, window)

    def read_prompt(self) -> None:
        """Fill the caches with the rows of the known tokens; only one row each if all samples have the same prompt."""
        N = int(self.known.max())
        ranks = torch.arange(N, device=self.values.device)
        shared = (self.order[:, :N] == self.order[:1, :N]).all() and (self.values == self.values[:1]).all()
        if shared and (self.known == N).all():
            one = Decoding(self.network, self.values[:1], self.order[:1], self.known[:1], 1.0, self.rng, 0)
            one.call(ranks.unsqueeze(0), self.known[:1, None].expand(1, N))
            for cache, first in zip(self.caches, one.caches, strict=True):
                cache[:, :, :, :N] = first[:, :, :, :N]
        else:
            self.call(ranks.expand(len(self.values), N), self.known[:, None].expand(-1, N))

    def draw(self, raw: Tensor) -> Tensor:
        """Draw tokens [..., C] from raw outputs [..., P]."""
        noise = self.likelihood.noise(*raw.shape[:-1], rng=self.rng, device=raw.device)
        return self.likelihood.choose(raw, noise, self.temperature)

    def put(self, ranks: Tensor, tokens: Tensor) -> None:
        """Write tokens [B, R, C] of the given ranks [B, R]; ranks from T on are dropped."""
        place = torch.where(ranks < self.T, self.padded.gather(1, ranks), self.T).unsqueeze(-1).expand_as(tokens)
        self.values = F.pad(self.values, (0, 0, 0, 1)).scatter_(1, place, tokens)[:, :-1].contiguous()

    def speculative(self, k: int) -> Iterator[tuple[int, int]]:
        """Run ASSD with k drafts in each round (k = 1: one token in each call); yields (drafted, accepted) after every
        call."""
        T = self.T
        while (most := int((T - self.num_done).max())) > 0:
            R, num_done = min(k, most), self.num_done[:, None]
            ranks = num_done + torch.arange(R, device=num_done.device)
            p = self.call(ranks, num_done.expand_as(ranks))
            drafts, valid = self.draw(p), ranks < T
            self.put(ranks, drafts)
            before, written = self.num_done, self.values
            self.drawn = ranks, p
            if R == 1:  # given all tokens so far: nothing to verify
                self.round = (written, before, 1, 1) if k > 1 else None
                self.num_done = (self.num_done + 1).clamp_max(T)
                yield (int(valid.sum()),) * 2 if k > 1 else (0, 0)
                continue
            self.round, self.drawn = (written, before, R, 0), None
            yield int(valid.sum()), 0
            q = torch.cat([p[:, :1], self.call(ranks[:, 1:], ranks[:, 1:].clamp_max(T))], 1)
            stay = assd.passing_channels(self.likelihood, q, p, drafts, self.temperature, self.rng)
            passed = ((stay == self.likelihood.channels) & valid).long().cumprod(1).sum(1)  # in order
            rejected = passed < valid.sum(1)
            if rejected.any():
                self.put_instead(q, p, drafts, stay, passed, rejected)
            self.round, self.drawn = (written, before, R, passed), (ranks, q)
            self.num_done = self.num_done + passed + rejected
            yield 0, int(passed.sum())

    def put_instead(self, q: Tensor, p: Tensor, drafts: Tensor, stay: Tensor, passed: Tensor, rejected: Tensor) -> None:
        """Replace the first rejected draft of every sample that has one.

        Args:
            q: Raw outputs [B, R, P] of the verification.
            p: Raw outputs [B, R, P] of the draft.
            drafts: [B, R, C].
            stay: [B, R], how many channels of each draft are accepted.
            passed: [B], how many drafts are accepted.
            rejected: [B], whether there is one to replace.
        """
        sample = rejected.nonzero().squeeze(1)
        at = sample, passed[sample]
        token = assd.replace(self.likelihood, q[at], p[at], drafts[at], stay[at], self.temperature, self.rng)
        tokens = drafts[:, :1].clone()
        tokens[sample, 0] = token
        self.put(torch.where(rejected, self.num_done + passed, self.T).unsqueeze(1), tokens)

    def masked(self, steps: int) -> Iterator[tuple[int, int]]:
        """Draw all unknown tokens in `steps` calls, those of one call independently; few at first (the cosine schedule
        of MaskGIT, 2202.04200)."""
        T, left = self.T, self.T - self.known
        before = num_done = self.known
        for step in range(1, steps + 1):
            share = 1 - math.cos(math.pi / 2 * step / steps)
            goal = self.known + torch.minimum(left, (left * share).ceil().long().clamp_min(step))
            goal = torch.full_like(goal, T) if step == steps else goal
            late, new = self.span(before + 1, num_done, T), self.span(num_done, goal, T)
            new = torch.where(new < T, new, new + late.shape[1])
            # the rows of the last call's tokens, now that their values are there, and those of the next tokens
            ranks = torch.cat([late, new], 1)
            if new.shape[1] == 0:
                break
            seen = torch.cat([late.clamp_max(T), num_done[:, None].expand_as(new)], 1)
            raw = self.call(ranks, seen)[:, late.shape[1] :]
            self.put(new, self.draw(raw))
            self.drawn = new, raw
            before, num_done = num_done, goal
            self.num_done = goal
            yield 0, 0

    def span(self, first: Tensor, end: Tensor, spare: int) -> Tensor:
        """Return the ranks first … end − 1 of every sample, [B, R]; ranks from `spare` on fill shorter rows."""
        steps = torch.arange(max(0, int((end - first).max())), device=first.device)
        ranks = first[:, None] + steps
        return torch.where(ranks < end[:, None], ranks, spare + steps)


def config_for(data: DataSet, **changes: object) -> ASARMConfig:
    """Make the config of the preset `asarm` for a data set."""
    return for_data(ASARMConfig, data, "asarm", changes)
