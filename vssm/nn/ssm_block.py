"""The SSM block that every VSSM is made of: a gated, pre-norm state space layer on a grid of tokens."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vssm.nn import scan


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    padding: int | tuple[int, ...] = 0,
    stride: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve x [B, H, W, C] as conv2d does; this layout needs no copy and is the fast one on a CPU."""
    x, weight = x.permute(0, 3, 1, 2), weight.contiguous(memory_format=torch.channels_last)
    if x.is_cpu and x.dtype == torch.float32 and not torch.is_grad_enabled() and torch.backends.mkldnn.is_available():
        # one small picture would otherwise take a slow reference path
        y = torch.mkldnn_convolution(x, weight, bias, _pair(padding), _pair(stride), (1, 1), groups)
    else:
        y = F.conv2d(x, weight, bias, stride, padding, groups=groups)
    return y.permute(0, 2, 3, 1)


def _pair(n: int | tuple[int, ...]) -> tuple[int, ...]:
    return (n, n) if isinstance(n, int) else n


def at_least_float32(x: Tensor) -> Tensor:
    """Convert to float32 if x has fewer bits, as a loss or a draw needs after a pass in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Conv(nn.Conv2d):
    """nn.Conv2d for [B, H, W, C]."""

    def forward(self, x: Tensor) -> Tensor:
        assert not isinstance(self.padding, str)
        return convolve(x, self.weight, self.bias, self.padding, self.stride[0], self.groups)


class SSMBlock(nn.Module):
    """x + out(silu(gate) · ssd(...)); a depthwise convolution comes before the scan.

    The state has the SSD form with one decay for each head: h_t = a h_{t-1} + v_t ⊗ B_t, y_t = h_t C_t + D v_t, where
    v, B and C depend on the input. Decays are constants (`selective=False`, as in RetNet) or also depend on the input
    (`selective=True`, as in Mamba-2).

    causal:        the scan runs in raster order; the convolution is the half of a 3×3 kernel up to the token itself;
                   `segment` continues from a carried state.
    bidirectional: half of the heads scan backwards, along rows or, with `columns`, along columns; the convolution is
                   3×3 on the grid.

    Shapes: [B, H, W, D] in and out; T = H·W tokens, E = inner channels, N = state size.
    """

    taps: Tensor

    def __init__(
        self,
        d_model: int,
        inner: int,
        state: int,
        heads: int,
        causal: bool = False,
        columns: bool = False,
        selective: bool = False,
        depth: int = 1,
    ) -> None:
        super().__init__()
        self.inner, self.state, self.heads = inner, state, heads
        self.causal, self.columns, self.selective = causal, columns, selective
        self._decay: Tensor | None = None
        self.norm = nn.LayerNorm(d_model)
        self.kernel = nn.Parameter(nn.init.dirac_(torch.empty(d_model, 1, 3, 3), groups=d_model))
        self.kernel.data += 0.05 * torch.randn_like(self.kernel)
        self.into = nn.Linear(d_model, 2 * inner + 2 * state)
        self.out = nn.Linear(inner, d_model)
        nn.init.normal_(self.out.weight, std=1 / math.sqrt(inner * depth))
        nn.init.zeros_(self.out.bias)
        self.skip = nn.Parameter(torch.ones(inner))
        reach = torch.logspace(0.3, 2, heads if causal else heads // 2)  # tokens a head remembers: 2 to 100
        reach = reach if causal else reach.repeat(2)
        # log of −log a; learning one that no input changes would need the gradient of a T×T matrix
        self.log_rate = nn.Parameter(-reach.log(), requires_grad=selective)
        before = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
        self.register_buffer("taps", before if causal else torch.ones(3, 3), persistent=False)
        if selective:
            self.rate = nn.Linear(d_model, heads)
            nn.init.zeros_(self.rate.bias)
            nn.init.normal_(self.rate.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        B, H, W, _ = x.shape
        u = self._convolve(self.norm(x))
        gate, v, b, c = self.into(u).split([self.inner, self.inner, self.state, self.state], -1)
        v, b, c, u = (self._flatten(part) for part in (v, b, c, u))
        heads = v.unflatten(-1, (self.heads, -1))
        c = c * self.state**-0.5
        if self._may_keep_decay(u):
            y = scan.ssd_matrix(heads, self._kept_decay(u, c.dtype), b, c)
        elif self.causal:
            y = scan.ssd_causal(heads, self._log_decay(u), b, c)
        else:
            y = scan.ssd_bidirectional(heads, self._log_decay(u), b, c)
        y = y.flatten(2) + self.skip.to(v.dtype) * v
        y = y.view(B, W, H, -1).transpose(1, 2) if self.columns else y.view(B, H, W, -1)
        return x + self.out(F.silu(gate) * y)

    def _flatten(self, x: Tensor) -> Tensor:
        """Flatten [B, H, W, C] to [B, T, C] in the order of this block's scan."""
        return (x.transpose(1, 2) if self.columns else x).flatten(1, 2)

    def _convolve(self, u: Tensor) -> Tensor:
        kernel = self.kernel * self.taps if self.causal else self.kernel
        return convolve(u, kernel.to(u.dtype), padding=1, groups=u.shape[-1])

    def train(self, mode: bool = True) -> SSMBlock:
        """Switch between training and evaluation; the kept decays are dropped."""
        self._decay = None  # the weights may have changed
        return super().train(mode)

    def _may_keep_decay(self, u: Tensor) -> bool:
        """Whether the matrix of constant decays can be computed once: only while nothing is learned."""
        learning = self.training or torch.is_grad_enabled()
        return not (self.selective or learning or u.shape[1] > scan.LONGEST_MATRIX)

    def _kept_decay(self, u: Tensor, dtype: torch.dtype) -> Tensor:
        kept = self._decay
        if kept is None or (kept.shape[-1], kept.device, kept.dtype) != (u.shape[1], u.device, dtype):
            between = scan.causal_decay if self.causal else scan.bidirectional_decay
            kept = self._decay = between(self._log_decay(u)).to(dtype)
        return kept

    def _log_decay(self, u: Tensor) -> Tensor:
        """Compute log a: [1 or B, T, heads]."""
        rate = self.log_rate.exp()
        if self.selective:
            return -rate * (2 * torch.sigmoid(self.rate(u).to(rate.dtype)))
        return -rate.expand(1, u.shape[1], -1)

    # --- piece by piece (causal only) ---------------------------------------------------------------------------

    def initial_state(self, batch: int, columns: int) -> tuple[Tensor, Tensor]:
        """Make the state that is carried before the first token of a grid with so many columns.

        Returns:
            The convolution's last inputs, one row and one token, [B, columns + 1, D], and h [B, heads, E/heads, N].
        """
        like = self.skip
        return (
            like.new_zeros(batch, columns + 1, self.norm.normalized_shape[0]),
            like.new_zeros(batch, self.heads, self.inner // self.heads, self.state),
        )

    def segment(self, x: Tensor, state: tuple[Tensor, Tensor], start: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run `forward` for a few tokens, given the carried state; earlier tokens are not read again.

        Args:
            x: The tokens, [B, n, D].
            state: The state before them.
            start: The number of the first of them in raster order.

        Returns:
            The block's output [B, n, D], and the state after these tokens.
        """
        recent, h = state
        n, W = x.shape[1], recent.shape[1] - 1
        normed = self.norm(x)
        past = torch.cat([recent.to(normed.dtype), normed], 1)  # the token j of this piece is at W + 1 + j
        column = torch.arange(start, start + n, device=x.device) % W
        left, right = (column > 0).to(x.dtype)[:, None], (column < W - 1).to(x.dtype)[:, None]
        taps = self.kernel[:, 0].flatten(1).t()  # [9, D], row by row
        u = past[:, W + 1 : W + 1 + n] * taps[4] + past[:, W : W + n] * (taps[3] * left)
        u = u + past[:, :n] * (taps[0] * left) + past[:, 1 : 1 + n] * taps[1] + past[:, 2 : 2 + n] * (taps[2] * right)
        gate, v, b, c = self.into(u).split([self.inner, self.inner, self.state, self.state], -1)
        heads, c = v.unflatten(-1, (self.heads, -1)), c * self.state**-0.5
        log_a = self._log_decay(u)
        if n == 1:
            y, h = scan.ssd_step(heads[:, 0], log_a[:, 0], b[:, 0], c[:, 0], h)
            y = y.unsqueeze(1)
        else:
            y, h = scan.ssd(heads, log_a, b, c, initial=h)
        y = y.flatten(2) + self.skip.to(v.dtype) * v
        return x + self.out(F.silu(gate) * y), (past[:, n:], h)
