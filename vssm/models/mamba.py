"""Mamba: a selective state space model in the SSD form of Mamba-2, exact likelihood, one pixel token after another.

Dao & Gu, *Transformers are SSMs* (2405.21060). In every block, with one decay a head,

    Δ_t = softplus(δ_t + bias)                step size
    h_t = exp(−Δ_t A) h_{t−1} + Δ_t v_t ⊗ B_t   state [P, N] of a head
    y_t = h_t C_t + skip · v_t

where δ, v, B, C depend on the input, the last three through a short causal convolution. Training runs the chunked
matrix form (`scan.ssd`), generation the recurrence, at the same cost for every token. The way in, the likelihood and
the loop of generation are those of `raster.py`, the Transformer's own: what differs is what mixes the tokens.
Deviation: LayerNorm, whose gradient is one fast kernel on a CPU, in place of RMSNorm.

Shapes: B images, T = H·W tokens, D = d_model, E = inner = heads · P, N = state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vssm.config import bounded, for_data
from vssm.data import DataSet
from vssm.models.raster import RasterConfig, RasterModel
from vssm.nn import scan
from vssm.nn.modules import ModuleList, affine, by_columns
from vssm.nn.ssm_block import at_least_float32, convolve


@dataclass(frozen=True)
class MambaConfig(RasterConfig):
    """convolution: how many tokens the short convolution spans; chunk: how many steps one matrix product joins."""

    blocks: int = bounded(5, 1, 64)
    inner: int = bounded(256, 1, 4096)
    state: int = bounded(32, 1, 512)
    heads: int = bounded(4, 1, 64, divides=("inner",))
    convolution: int = bounded(4, 1, 64)
    chunk: int = bounded(56, 1, 16384)


class Block(nn.Module):
    """x + out(norm(y · silu(gate))), y from the selective scan."""

    def __init__(self, c: MambaConfig) -> None:
        super().__init__()
        self.inner, self.state, self.heads, self.chunk = c.inner, c.state, c.heads, c.chunk
        self.mixed = c.inner + 2 * c.state  # channels of the convolution: v, B, C
        self.norm = nn.LayerNorm(c.d_model)
        self.into = nn.Linear(c.d_model, c.inner + self.mixed)  # gate; v, B, C
        self.step = nn.Linear(c.d_model, c.heads)  # δ and its bias
        self.kernel = nn.Parameter(torch.empty(self.mixed, 1, c.convolution, 1))
        self.kernel_bias = nn.Parameter(torch.zeros(self.mixed))
        self.log_rate = nn.Parameter(torch.linspace(0, math.log(16), c.heads))  # log A, as in Mamba-2 from 1 to 16
        self.skip = nn.Parameter(torch.ones(c.heads))
        self.last_norm = nn.LayerNorm(c.inner)
        self.out = nn.Linear(c.inner, c.d_model, bias=False)
        nn.init.uniform_(self.kernel, -(c.convolution**-0.5), c.convolution**-0.5)

    def forward(self, x: Tensor, states: list[Tensor] | None = None) -> Tensor:
        """Scan x [B, T, D], from the first token on; fills `states` (see `Mamba.make_states`) if given."""
        B, T, _ = x.shape
        normed = self.norm(x)
        gate, mixed = self.into(normed).split([self.inner, self.mixed], -1)
        width = self.kernel.shape[2]
        framed = F.pad(mixed, (0, 0, width - 1, 0))
        # tokens along the picture's height: along its width the gradient is many times slower on a CPU
        kernel, bias = self.kernel.to(mixed.dtype), self.kernel_bias.to(mixed.dtype)
        u = convolve(framed.unsqueeze(2), kernel, bias, groups=self.mixed)[:, :, 0]
        v, b, c = F.silu(u).split([self.inner, self.state, self.state], -1)
        step = F.softplus(at_least_float32(self.step(normed)))  # [B, T, H]
        v = v.view(B, T, self.heads, -1)
        y, h = scan.ssd(v * step.to(v.dtype).unsqueeze(-1), -step * self.log_rate.exp(), b, c, self.chunk)
        y = (y + self.skip.to(v.dtype)[:, None] * v).flatten(2)
        if states is not None:
            for state, last in zip(states, (h, *framed[:, T:].unbind(1)), strict=True):
                state.copy_(last)
        return x + self.out(self.last_norm(y * F.silu(gate)))

    def weights(self) -> BlockWeights:
        """Return the block's tensors for one token at a time."""
        return BlockWeights(
            self.norm.weight,
            self.norm.bias,
            by_columns(torch.cat([self.into.weight, self.step.weight])),
            torch.cat([self.into.bias, self.step.bias]),
            self.kernel[:, 0, :, 0].t().contiguous().unbind(0),
            self.kernel_bias,
            -self.log_rate.exp(),
            self.skip.unsqueeze(1),
            self.last_norm.weight,
            self.last_norm.bias,
            by_columns(self.out.weight),
        )


class BlockWeights(NamedTuple):
    """A block's tensors, matrices [out, in] as `by_columns` lays them; kernel: one row for each token it spans, the
    last for its own."""

    norm: Tensor
    norm_bias: Tensor
    into: Tensor
    into_bias: Tensor
    kernel: tuple[Tensor, ...]
    kernel_bias: Tensor
    rate: Tensor
    skip: Tensor
    last_norm: Tensor
    last_norm_bias: Tensor
    out: Tensor


class Pending(NamedTuple):
    """Of a segment of R tokens what may enter a block's states: inputs [K, width − 1 + R, E + 2N] of the convolution,
    with those before the segment; x [K, R, H, P], log_a [K, R, H] and b [K, R, N] of the recurrence."""

    inputs: Tensor
    x: Tensor
    log_a: Tensor
    b: Tensor


class Mamba(RasterModel):
    """Blocks of selective scans between the ends that `RasterModel` has."""

    Config = MambaConfig
    config: MambaConfig

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        self.make_ends(config)
        self.blocks: ModuleList[Block] = ModuleList(Block(config) for _ in range(config.blocks))
        self.apply(self.init_linear)
        usual = torch.logspace(-2.5, -0.5, config.heads)
        for block in self.blocks:
            nn.init.normal_(block.out.weight, std=1 / math.sqrt(config.inner * config.blocks))
            nn.init.normal_(block.into.weight, std=1 / math.sqrt(config.d_model))
            nn.init.normal_(block.step.weight, std=0.02)
            block.step.bias.data.copy_(usual.expm1().log())  # softplus of it is `usual`

    def read(self, x: Tensor, states: list[Tensor] | None = None) -> Tensor:
        for i, block in enumerate(self.blocks):
            x = block(x, None if states is None else states[self._of(i)])
        return x

    def _of(self, block: int) -> slice:
        """Where a block's tensors are in the states."""
        width = self.config.convolution
        return slice(block * width, (block + 1) * width)

    def make_states(self, samples: int, spare: int = 0) -> list[Tensor]:
        """Make for each block h [K, H, P, N] and the convolution's last inputs, width − 1 tensors [K, E + 2N]."""
        c, new = self.config, self.head.weight.new_zeros
        h, mixed = (samples, c.heads, c.inner // c.heads, c.state), (samples, c.inner + 2 * c.state)
        return [new(shape) for _ in self.blocks for shape in (h, *[mixed] * (c.convolution - 1))]

    def block_tables(self) -> list[BlockWeights]:
        return [block.weights() for block in self.blocks]

    def step(self, x: Tensor, states: list[Tensor], t: int, tables: list[BlockWeights]) -> Tensor:
        c, K = self.config, len(states[0])
        sizes, parts = [c.inner, c.inner + 2 * c.state, c.heads], [c.inner, c.state, c.state]
        for i, w in enumerate(tables):
            h, *recent = states[self._of(i)]
            normed = torch.layer_norm(x, self.norm.normalized_shape, w.norm, w.norm_bias)
            gate, mixed, step = affine(w.into_bias, normed, w.into).view(K, -1).split_with_sizes(sizes, -1)
            recent.append(mixed)
            u = w.kernel_bias
            for one, weight in zip(recent, w.kernel, strict=True):
                u = torch.addcmul(u, one, weight)
            states[self._of(i)] = [h, *recent[1:]]
            v, b, C = F.silu(u).split_with_sizes(parts, -1)
            step = F.softplus(step)
            v = v.view(K, c.heads, -1)
            h.mul_((step * w.rate).exp_().view(K, -1, 1, 1))
            h.addcmul_((v * step.unsqueeze(-1)).unsqueeze(-1), b.view(K, 1, 1, -1))
            # the row first: products of a batch of matrices with columns are many times slower on a CPU
            y = torch.bmm(C.unsqueeze(1), h.view(K, c.inner, c.state).transpose(1, 2)).view(K, c.heads, -1)
            y = torch.addcmul(y, w.skip, v).view(K, c.inner) * F.silu(gate)
            x = affine(x, torch.layer_norm(y, (c.inner,), w.last_norm, w.last_norm_bias).squeeze(0), w.out)
        return x

    def segment(
        self, x: Tensor, states: list[Tensor], first: Tensor, tables: list[BlockWeights]
    ) -> tuple[Tensor, list[Pending]]:
        c, (K, R, D) = self.config, x.shape
        if R == 1:  # it is right whatever was guessed
            return self.step(x[:, 0].squeeze(0), states, 0, tables).view(K, 1, D), []
        sizes, parts = [c.inner, c.inner + 2 * c.state, c.heads], [c.inner, c.state, c.state]
        pending = []
        x = x.flatten(0, 1)
        for i, w in enumerate(tables):
            h, *recent = states[self._of(i)]
            normed = torch.layer_norm(x, self.norm.normalized_shape, w.norm, w.norm_bias)
            gate, mixed, step = affine(w.into_bias, normed, w.into).split(sizes, -1)
            inputs = torch.cat([*(one.unsqueeze(1) for one in recent), mixed.view(K, R, -1)], 1)
            u = w.kernel_bias
            for lag, weight in enumerate(w.kernel):
                u = torch.addcmul(u, inputs[:, lag : lag + R], weight)
            v, b, C = F.silu(u).split(parts, -1)
            step = F.softplus(step).view(K, R, -1)
            v = v.view(K, R, c.heads, -1)
            run = v * step.unsqueeze(-1), step * w.rate, b
            pending.append(Pending(inputs, *run))
            y = torch.addcmul(scan.ssd_segment(*run, C, h), w.skip, v).reshape(K * R, c.inner) * F.silu(gate)
            x = affine(x, torch.layer_norm(y, (c.inner,), w.last_norm, w.last_norm_bias), w.out)
        return x.view(K, R, D), pending

    def keep(self, states: list[Tensor], pending: list[Pending], count: Tensor) -> None:
        if not pending:
            return
        n = len(pending)  # blocks, whose states move on together: a few operations in place of many
        inputs, x, log_a, b = (torch.cat(each) for each in zip(*pending, strict=True))
        count = count.repeat(n)
        h = scan.ssd_advance(x, log_a, b, torch.cat([states[self._of(i)][0] for i in range(n)]), count)
        lags = count[:, None] + torch.arange(self.config.convolution - 1, device=count.device)
        recent = inputs.gather(1, lags.unsqueeze(-1).expand(-1, -1, inputs.shape[-1]))
        states[:] = [
            one for pair in zip(h.chunk(n), recent.chunk(n), strict=True) for one in (pair[0], *pair[1].unbind(1))
        ]


def config_for(data: DataSet, **changes: object) -> MambaConfig:
    """Make the config of the preset `mamba` for a data set."""
    return for_data(MambaConfig, data, "mamba", changes)
