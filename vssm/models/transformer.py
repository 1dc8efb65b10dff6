"""The Transformer baseline: decoder-only, exact likelihood, one pixel token after another.

Pre-norm blocks after GPT-2; the way in, the likelihood and the loop of generation are those of `raster.py`. Every
second block attends to the last `window` tokens only (Sparse Transformer, 1904.10509; Mistral), which makes training
and decoding cheaper.

Shapes: B images, T = H·W tokens, D = d_model, K samples decoded at once.
Generation keeps a static key/value cache per block, prefills the known prefix in one call and then runs one token
a call. A free-form prompt is met by clamping known pixels as they pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vssm.config import bounded, for_data
from vssm.data import DataSet
from vssm.models.raster import RasterConfig, RasterModel
from vssm.nn.modules import AttentionWeights, ModuleList, SquaredReLU, attention_weights


@dataclass(frozen=True)
class TransformerConfig(RasterConfig):
    """window: how many tokens blocks 0, 2, 4, … attend to."""

    blocks: int = bounded(4, 1, 64)
    heads: int = bounded(2, 1, 64, divides=("d_model",))
    window: int = bounded(112, 1, 16384)


class CausalAttention(nn.Module):
    """Multi-head causal self-attention over the last `window` tokens, or over all where window is None."""

    def __init__(self, d_model: int, heads: int, window: int | None) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, cache: Tensor | None = None) -> Tensor:
        """Attend: x [B, T, D], from the first token on; fills `cache` [B, 2, heads, T_max, D/heads] (keys, values)."""
        B, T, D = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if cache is not None:
            cache[:, 0, :, :T], cache[:, 1, :, :T] = k, v
        return self.out(self._attend(q, k, v).transpose(1, 2).flatten(2))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend by blocks of queries, so that no score above the diagonal or before the window is computed.

        On a CPU this trains faster than the fused kernel in bfloat16, which a GPU prefers.
        """
        if self.window is None and q.is_cuda:
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        T, block = q.shape[-2], self.window or 256
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


class Block(nn.Module):
    """Pre-norm attention and a small network."""

    def __init__(self, d_model: int, heads: int, window: int | None) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attention = CausalAttention(d_model, heads, window)
        self.mlp = nn.Sequential(nn.Linear(d_model, 4 * d_model), SquaredReLU(), nn.Linear(4 * d_model, d_model))

    def forward(self, x: Tensor, cache: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x), cache)
        return x + self.mlp(self.norm2(x))

    def weights(self) -> BlockWeights:
        """Return what one token at a time needs of the block."""
        a = self.attention
        return BlockWeights(attention_weights(self.norm1, a.qkv, a.out, self.norm2, self.mlp), a.window)


class BlockWeights(NamedTuple):
    """A block's tensors, and how many tokens it attends to, None for all."""

    weights: AttentionWeights
    window: int | None


class Transformer(RasterModel):
    """Blocks of causal attention between the ends that `RasterModel` has."""

    Config = TransformerConfig
    config: TransformerConfig

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        c = config
        self.make_ends(c)
        self.blocks: ModuleList[Block] = ModuleList(
            Block(c.d_model, c.heads, c.window if i % 2 == 0 else None) for i in range(c.blocks)
        )
        self.apply(self.init_linear)
        for name, p in self.named_parameters():
            if name.endswith(("out.weight", "mlp.2.weight")):
                nn.init.normal_(p, std=0.02 / (2 * c.blocks) ** 0.5)  # GPT-2: keep the residual stream's variance

    def read(self, x: Tensor, states: list[Tensor] | None = None) -> Tensor:
        for block, cache in zip(self.blocks, states or repeat(None), strict=False):
            x = block(x, cache)
        return x

    def make_states(self, samples: int, spare: int = 0) -> list[Tensor]:
        """Make static caches of keys and values, one for each block, for `samples` sequences of full length."""
        c = self.config
        shape = (samples, 2, c.heads, self.tokens + spare, c.d_model // c.heads)
        return [self.head.weight.new_zeros(shape) for _ in self.blocks]

    def block_tables(self) -> list[BlockWeights]:
        return [block.weights() for block in self.blocks]

    def step(self, x: Tensor, states: list[Tensor], t: int, tables: list[BlockWeights]) -> Tensor:
        heads, K = self.config.heads, len(states[0])
        for (w, window), cache in zip(tables, states, strict=True):
            qkv = w.project(x).view(K, 3, heads, 1, -1)
            cache.narrow(3, t, 1).copy_(qkv.narrow(1, 1, 2))
            first = 0 if window is None else max(0, t + 1 - window)
            keys, values = cache.narrow(3, first, t + 1 - first).unbind(1)
            y = F.scaled_dot_product_attention(qkv.select(1, 0), keys, values)
            w.finish(x, y.view_as(x))
        return x

    def segment(
        self, x: Tensor, states: list[Tensor], first: Tensor, tables: list[BlockWeights]
    ) -> tuple[Tensor, list[Any]]:
        c, (K, R, D) = self.config, x.shape
        where = first[:, None] + torch.arange(R, device=x.device)
        sample, start, end = torch.arange(K, device=x.device)[:, None], int(first.min()), int(first.max()) + R
        ahead = torch.arange(end, device=x.device) - where.unsqueeze(-1)
        hidden = {None: ahead > 0, c.window: (ahead > 0) | (ahead <= -c.window)}
        masks = {w: x.new_zeros(m.shape).masked_fill_(m, float("-inf")).unsqueeze(1) for w, m in hidden.items()}
        x = x.flatten(0, 1)
        for (w, window), cache in zip(tables, states, strict=True):
            qkv = w.project(x).view(K, R, 3, c.heads, -1)
            if K == 1:
                cache[0, :, :, start:end] = qkv[0, :, 1:].permute(1, 2, 0, 3)
            else:
                cache[sample, :, :, where] = qkv[:, :, 1:]
            past = slice(0 if window is None else max(0, start + 1 - window), end)
            q, (k, v) = qkv[:, :, 0].transpose(1, 2), cache[:, :, :, past].unbind(1)
            y = F.scaled_dot_product_attention(q, k, v, masks[window][..., past])
            w.finish(x, y.transpose(1, 2).reshape(K * R, D))
        return x.view(K, R, D), []


def config_for(data: DataSet, **changes: object) -> TransformerConfig:
    """Make the config of the preset `transformer` for a data set."""
    return for_data(TransformerConfig, data, "transformer", changes)
