"""The Transformer baseline: decoder-only, exact likelihood, one pixel token after another.

    p(x_{1:T}) = Π_t p(x_t | x_{<t})

Pre-norm blocks after GPT-2; row + column positions; a causal 2-D stem as in PixelCNN (1601.06759): the pixels of
the `stem_rows` rows above and those to the left, within ± `stem_columns` columns, enter through a small MLP.
Every second block attends to the last `window` tokens only (Sparse Transformer, 1904.10509; Mistral), which makes
training and decoding cheaper.

Shapes: B images, T = H·W tokens, D = d_model, K samples decoded at once.
Generation keeps a static key/value cache per block, prefills the known prefix in one call and then runs one token
a call. A free-form prompt is met by clamping known pixels as they pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..work import Work


@dataclass(frozen=True)
class TransformerConfig:
    """height, width, levels describe the picture; `window` is in tokens and holds for blocks 0, 2, 4, …"""

    height: int
    width: int
    levels: int = 2
    d_model: int = 128
    blocks: int = 4
    heads: int = 2
    window: int = 112
    stem_rows: int = 5
    stem_columns: int = 5
    stem_hidden: int = 256


class CausalAttention(nn.Module):
    """Multi-head causal self-attention over the last `window` tokens, or over all where window is None."""

    def __init__(self, d_model: int, heads: int, window: int | None):
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, cache: Tensor | None = None) -> Tensor:
        """x [B, T, D] from the first token on; fills `cache` [B, 2, heads, T_max, D/heads] (keys, values) if given."""
        B, T, D = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if cache is not None:
            cache[:, 0, :, :T], cache[:, 1, :, :T] = k, v
        return self.out(self._attend(q, k, v).transpose(1, 2).flatten(2))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, block: int = 112) -> Tensor:
        """Attention by blocks of queries, so that no score above the diagonal or before the window is computed.

        On a CPU this trains faster than the fused kernel in bfloat16, which a GPU prefers.
        """
        if self.window is None and q.is_cuda:
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        T = q.shape[-2]
        q = q * q.shape[-1] ** -0.5
        parts = []
        for start in range(0, T, block):
            end = min(start + block, T)
            first = 0 if self.window is None else max(0, start + 1 - self.window)
            scores = q[:, :, start:end] @ k[:, :, first:end].transpose(-1, -2)
            ahead = torch.arange(first, end, device=q.device) - torch.arange(start, end, device=q.device)[:, None]
            hidden = ahead > 0 if self.window is None else (ahead > 0) | (ahead <= -self.window)
            scores = scores.masked_fill(hidden, float("-inf"))
            parts.append(scores.softmax(-1) @ v[:, :, first:end])
        return torch.cat(parts, -2)


class SquaredReLU(nn.Module):
    """max(0, x)² (Primer, 2109.08668): cheaper than GELU on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


class Block(nn.Module):
    def __init__(self, d_model: int, heads: int, window: int | None):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attention = CausalAttention(d_model, heads, window)
        self.mlp = nn.Sequential(nn.Linear(d_model, 4 * d_model), SquaredReLU(), nn.Linear(4 * d_model, d_model))

    def forward(self, x: Tensor, cache: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x), cache)
        return x + self.mlp(self.norm2(x))

    def weights(self) -> BlockWeights:
        """The block's tensors, ready for one token at a time: matrices transposed for addmm."""
        attention, (first, _, last) = self.attention, self.mlp
        return BlockWeights(
            self.norm1.weight,
            self.norm1.bias,
            attention.qkv.weight.t(),
            attention.qkv.bias,
            attention.out.weight.t(),
            attention.out.bias,
            self.norm2.weight,
            self.norm2.bias,
            first.weight.t(),
            first.bias,
            last.weight.t(),
            last.bias,
            attention.window,
        )


class BlockWeights(NamedTuple):
    norm1: Tensor
    norm1_bias: Tensor
    qkv: Tensor
    qkv_bias: Tensor
    out: Tensor
    out_bias: Tensor
    norm2: Tensor
    norm2_bias: Tensor
    first: Tensor
    first_bias: Tensor
    last: Tensor
    last_bias: Tensor
    window: int | None


class StepTables(NamedTuple):
    """What a step needs, as plain tensors: stem over the whole window, embedding, positions [T, D], blocks, head."""

    window: Tensor
    window_bias: Tensor
    stem: Tensor
    previous: Tensor
    position: Tensor
    blocks: list[BlockWeights]
    norm: Tensor
    norm_bias: Tensor
    head: Tensor
    head_bias: Tensor


class Transformer(nn.Module):
    """Maps pixel values to the logits of each pixel given those before it in raster order."""

    Config = TransformerConfig
    half_precision = False  # many and small ones: bfloat16 makes a step slower

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = c = config
        rows, columns = c.stem_rows, c.stem_columns
        self.patch = (rows + 1) * (2 * columns + 1)
        self.seen = self.patch - columns - 1  # of the window in raster order, the entries before the centre
        self.stem = nn.Sequential(
            nn.Linear(self.seen, c.stem_hidden),
            SquaredReLU(),
            nn.Linear(c.stem_hidden, c.d_model, bias=False),
        )
        self.previous = nn.Embedding(c.levels + 1, c.d_model)  # x_{t-1}; the last entry stands for "none yet"
        self.row = nn.Parameter(torch.zeros(c.height, 1, c.d_model))
        self.column = nn.Parameter(torch.zeros(1, c.width, c.d_model))
        self.blocks = nn.ModuleList(
            Block(c.d_model, c.heads, c.window if i % 2 == 0 else None) for i in range(c.blocks)
        )
        self.norm = nn.LayerNorm(c.d_model)
        self.head = nn.Linear(c.d_model, c.levels)
        self.apply(self._init)
        for name, p in self.named_parameters():
            if name.endswith(("out.weight", "mlp.2.weight")):
                nn.init.normal_(p, std=0.02 / (2 * c.blocks) ** 0.5)  # GPT-2: keep the residual stream's variance

    @staticmethod
    def _init(module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, nn.Linear) and module.in_features < 100:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    @property
    def tokens(self) -> int:
        return self.config.height * self.config.width

    def canvas(self, values: Tensor) -> Tensor:
        """Pixel values [B, H, W] as -1 … 1, framed by zeros so that every pixel has its window."""
        c = self.config
        signed = values.float() * (2 / (c.levels - 1)) - 1
        return F.pad(signed, (c.stem_columns, c.stem_columns, c.stem_rows, 0))

    def embed(self, values: Tensor) -> Tensor:
        """Pixel values [B, H, W] to inputs [B, T, D]; the one at t has seen x_{<t} only."""
        c = self.config
        window = F.unfold(self.canvas(values)[:, None], (c.stem_rows + 1, 2 * c.stem_columns + 1))
        previous = F.pad(values.flatten(1)[:, :-1].long(), (1, 0), value=c.levels)
        position = (self.row + self.column).flatten(0, 1)
        return self.stem(window[:, : self.seen].transpose(1, 2)) + self.previous(previous) + position

    def forward(self, values: Tensor, caches=None, tokens: int | None = None) -> Tensor:
        """Pixel values [B, H, W] to logits [B, T, levels]; with `tokens`, of the first ones only.

        `caches`, one a block, are filled on the way: the prefill of generation.
        """
        x = self.embed(values)[:, :tokens]
        for block, cache in zip(self.blocks, caches or [None] * len(self.blocks), strict=True):
            x = block(x, cache)
        return self.head(self.norm(x))

    def log_likelihood(self, values: Tensor) -> Tensor:
        """Exact log p(x) in nats, [B], of pixel values [B, H, W, 1]."""
        values = values[..., 0]
        logits = self(values).float()
        return -F.cross_entropy(logits.transpose(1, 2), values.flatten(1).long(), reduction="none").sum(1)

    def loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Terms in nats an image; "loss" is the one to minimise. `known` [B, H, W] is not used by this model."""
        return {"loss": -self.log_likelihood(values).mean()}

    # --- generation ---------------------------------------------------------------------------------------------

    def make_caches(self, samples: int) -> list[Tensor]:
        """Static caches of keys and values for `samples` sequences of full length, one a block."""
        c = self.config
        shape = (samples, 2, c.heads, self.tokens, c.d_model // c.heads)
        return [self.head.weight.new_zeros(shape) for _ in self.blocks]

    def step_tables(self) -> StepTables:
        """Made once a generation."""
        window = F.pad(self.stem[0].weight, (0, self.patch - self.seen)).t().contiguous()
        position = (self.row + self.column).flatten(0, 1)
        return StepTables(
            window,
            self.stem[0].bias,
            self.stem[2].weight.t(),
            self.previous.weight,
            position,
            [block.weights() for block in self.blocks],
            self.norm.weight,
            self.norm.bias,
            self.head.weight.t(),
            self.head.bias,
        )

    def step(self, canvas: Tensor, previous: Tensor, caches: list[Tensor], t: int, tables: StepTables) -> Tensor:
        """Logits [K, levels] of the pixel at t. canvas: framed [K, H+rows, W+2·columns], zeros from t on;
        previous: [K], the value of x_{t-1} (`levels` at t = 0).

        The blocks' own forward pass for one token, written flat: at this size calling a module costs as much as its
        work.
        """
        c, K, shape = self.config, len(canvas), self.norm.normalized_shape
        r, q = divmod(t, c.width)
        window = canvas[:, r : r + c.stem_rows + 1, q : q + 2 * c.stem_columns + 1].reshape(K, -1)
        hidden = torch.addmm(tables.window_bias, window, tables.window).relu_()
        x = torch.addmm(tables.position[t], hidden * hidden, tables.stem) + F.embedding(previous, tables.previous)
        for w, cache in zip(tables.blocks, caches, strict=True):
            h = torch.layer_norm(x, shape, w.norm1, w.norm1_bias)
            qkv = torch.addmm(w.qkv_bias, h, w.qkv).view(K, 3, c.heads, -1)
            cache[:, :, :, t] = qkv[:, 1:]
            past = cache[:, :, :, 0 if w.window is None else max(0, t + 1 - w.window) : t + 1]
            y = F.scaled_dot_product_attention(qkv[:, 0].unsqueeze(2), past[:, 0], past[:, 1])
            x = x + torch.addmm(w.out_bias, y.view(K, -1), w.out)
            h = torch.layer_norm(x, shape, w.norm2, w.norm2_bias)
            h = torch.addmm(w.first_bias, h, w.first).relu_()
            x = x + torch.addmm(w.last_bias, h * h, w.last)
        return torch.addmm(tables.head_bias, torch.layer_norm(x, shape, tables.norm, tables.norm_bias), tables.head)

    def complete(self, values: Tensor, known: Tensor, temperature: float, rng: torch.Generator) -> Iterator[Work]:
        """Read the prefix that all prompts know in one call, then one token a call; known pixels are clamped."""
        c, T, K = self.config, self.tokens, len(values)
        flat, mask = values.flatten(1).clone(), known.flatten(1)
        shared = mask.all(0)
        prefix = int(shared.long().cumprod(0).sum())
        flat.mul_(torch.arange(T, device=flat.device) < prefix)  # pixels known later enter the canvas as they pass
        some, every = mask.any(0).tolist(), shared.tolist()
        given = values.flatten(1)
        noise = torch.empty(T, K, c.levels, device=flat.device).exponential_(generator=rng).log_().mul_(-temperature)
        caches, tables = self.make_caches(K), self.step_tables()
        canvas = self.canvas(values[..., 0] * 0)
        inner = canvas[:, c.stem_rows :, c.stem_columns : c.stem_columns + c.width]
        inner.zero_()
        signed = torch.linspace(-1, 1, c.levels, device=flat.device).unsqueeze(1)
        previous = torch.full((K,), c.levels, device=flat.device)
        if prefix:
            if (given[:, :prefix] == given[:1, :prefix]).all():  # one prompt, many samples: read it once
                first = self.make_caches(1)
                self(values[:1, ..., 0], first, tokens=prefix)
                for cache, one in zip(caches, first, strict=True):
                    cache.copy_(one.expand_as(cache))
            else:
                self(values[..., 0], caches, tokens=prefix)
            inner.copy_(
                torch.where(
                    torch.arange(T, device=flat.device) < prefix, F.embedding(given, signed)[..., 0], 0.0
                ).view_as(inner)
            )
            previous = given[:, prefix - 1]
            yield Work(flat.view_as(values), prefix, prompt=True)
        for t in range(prefix, T):
            logits = self.step(canvas, previous, caches, t, tables)
            previous = logits.add_(noise[t]).argmax(-1)
            if every[t]:
                previous = given[:, t]
            elif some[t]:
                previous = torch.where(mask[:, t], given[:, t], previous)
            flat[:, t] = previous
            inner[:, t // c.width, t % c.width] = F.embedding(previous, signed)[:, 0]
            yield Work(flat.view_as(values), t + 1)


def config_for(data, **changes) -> TransformerConfig:
    """The preset `transformer` for a data set."""
    return dataclasses.replace(TransformerConfig(data.height, data.width, data.levels), **changes)
