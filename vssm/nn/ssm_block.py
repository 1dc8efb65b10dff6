"""The SSM block that every VSSM is made of: a gated, pre-norm state space layer on a grid of tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vssm.nn import scan
from vssm.nn.modules import Foldable, Linear

TOKENS_IN_CACHE = 1600  # of so many at a time, what a block computes in between stays in a CPU core's cache
FEW_PLACES = 64  # where a kernel is applied: for so few, one product of all that it sees is faster than a convolution


def images_in_cache(x: Tensor) -> int:
    """Return how many images of x [B, H, W, D] to compute at a time: all, but on a CPU as many as its cache is for."""
    if not x.is_cpu or torch.is_grad_enabled():
        return len(x)
    return max(1, TOKENS_IN_CACHE // (x.shape[1] * x.shape[2]))


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    padding: int | tuple[int, ...] = 0,
    stride: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve x [B, H, W, C] as conv2d does; this layout needs no copy and is the fast one on a CPU."""
    if x.is_cpu and groups == 1 and len(x) * x.shape[1] * x.shape[2] <= FEW_PLACES * stride**2:
        return _convolve_few(x, weight, bias, _pair(padding), stride)
    x, weight = x.permute(0, 3, 1, 2), weight.contiguous(memory_format=torch.channels_last)
    direct = x.is_cpu and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    if direct and not torch.is_grad_enabled() and not torch.compiler.is_compiling():
        # one small picture would otherwise take a slow reference path
        y = torch.mkldnn_convolution(x, weight, bias, _pair(padding), _pair(stride), (1, 1), groups)
    else:
        y = F.conv2d(x, weight, bias, stride, padding, groups=groups)
    return y.permute(0, 2, 3, 1)


def _convolve_few(x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, ...], stride: int) -> Tensor:
    """As `convolve`, by one matrix product."""
    rows, columns = padding
    seen = F.pad(x, (0, 0, columns, columns, rows, rows))
    seen = seen.unfold(1, weight.shape[2], stride).unfold(2, weight.shape[3], stride)  # [B, h, w, C, rows, columns]
    return F.linear(seen.permute(0, 1, 2, 4, 5, 3).flatten(3), weight.permute(0, 2, 3, 1).flatten(1), bias)


def _pair(n: int | tuple[int, ...]) -> tuple[int, ...]:
    return (n, n) if isinstance(n, int) else n


def at_least_float32(x: Tensor) -> Tensor:
    """Convert to float32 if x has fewer bits, as a loss or a draw needs after a pass in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Conv(nn.Conv2d):
    """nn.Conv2d for [B, H, W, C]."""

    precise = False  # whether `prepare` leaves it in float32

    def forward(self, x: Tensor) -> Tensor:
        assert not isinstance(self.padding, str)
        if not torch.is_autocast_enabled(x.device.type):
            x = x.to(self.weight.dtype)
        return convolve(x, self.weight, self.bias, self.padding, self.stride[0], self.groups)


def prepare(modules: Iterable[nn.Module], dtype: torch.dtype) -> None:
    """Prepare weights for generation without autocast: large products in `dtype`, no cast or copy on the way, and what
    depends on them alone computed once.

    The rest stays in float32: plain `nn.Linear`, which is small, norms, positions, decays and precise convolutions.
    """
    for module in modules:
        if isinstance(module, Linear) or (isinstance(module, Conv) and not module.precise):
            module.to(dtype)
        if isinstance(module, Conv):
            module.weight.data = module.weight.contiguous(memory_format=torch.channels_last)
        if isinstance(module, SSMBlock):
            module.skip.data = module.skip.to(dtype)
            module.kernel.data = module.kernel.to(dtype).contiguous(memory_format=torch.channels_last)
        if isinstance(module, Foldable):
            module.fold()


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
        self._decay_of: tuple[int, int, torch.device, torch.dtype] | None = None  # what the decays are kept for
        self.norm = nn.LayerNorm(d_model)
        self.kernel = nn.Parameter(nn.init.dirac_(torch.empty(d_model, 1, 3, 3), groups=d_model))
        self.kernel.data += 0.05 * torch.randn_like(self.kernel)
        self.into = Linear(d_model, 2 * inner + 2 * state)
        self.out = Linear(inner, d_model)
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
            self.rate = Linear(d_model, heads)
            nn.init.zeros_(self.rate.bias)
            nn.init.normal_(self.rate.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        images = images_in_cache(x)
        if len(x) <= images:
            return x + self._change(x)
        y = torch.empty_like(x)
        for part, out in zip(x.split(images), y.split(images), strict=True):
            torch.add(part, self._change(part), out=out)
        return y

    def _change(self, x: Tensor) -> Tensor:
        """Compute what the block adds to x."""
        B, H, W, _ = x.shape
        if self.selective or self._learning() or H * W > scan.LONGEST_MATRIX:
            u = self._convolve(self.norm(x))
            gate, v, b, c = self.into(u).split([self.inner, self.inner, self.state, self.state], -1)
            return self.out(torch.addcmul(self._scan(u, v, b, c), v, self.skip.to(v.dtype)) * F.silu(gate))
        # generation: the same, written flat, as calls of modules take a part of a small picture's time
        n, into, out = self.norm, self.into, self.out
        u = self._convolve(torch.layer_norm(x, n.normalized_shape, n.weight, n.bias, n.eps)).flatten(1, 2)
        mixed = F.linear(u, into.weight, into.bias)
        gate, v, b, c = torch.split_with_sizes(mixed, (self.inner, self.inner, self.state, self.state), -1)
        heads = v.view(B, H * W, self.heads, -1)
        y = scan.ssd_matrix(heads, self._kept_decay(u, H, W, v.dtype), b, c).reshape(v.shape)
        y = torch.addcmul(y, v, self.skip.to(v.dtype)).mul_(F.silu(gate))
        return F.linear(y, out.weight, out.bias).view(x.shape)

    def _scan(self, u: Tensor, v: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """Run the recurrence in the order of this block, for the conv's output u [B, H, W, D] and parts of it:
        [B, H, W, E]."""
        B, H, W, _ = u.shape
        v, b, c, u = ((x.transpose(1, 2) if self.columns else x).flatten(1, 2) for x in (v, b, c, u))
        heads, run = v.unflatten(-1, (self.heads, -1)), scan.ssd_causal if self.causal else scan.ssd_bidirectional
        y = run(heads, self._log_decay(u), b, c * self.state**-0.5).flatten(2)
        return y.view(B, W, H, -1).transpose(1, 2) if self.columns else y.view(B, H, W, -1)

    def _convolve(self, u: Tensor) -> Tensor:
        kernel = self.kernel * self.taps.to(self.kernel.dtype) if self.causal else self.kernel
        return convolve(u.to(kernel.dtype), kernel, padding=1, groups=u.shape[-1])

    def train(self, mode: bool = True) -> SSMBlock:
        """Switch between training and evaluation; the kept decays are dropped."""
        self._decay = None  # the weights may have changed
        return super().train(mode)

    def _learning(self) -> bool:
        return self.training or torch.is_grad_enabled()

    def _kept_decay(self, u: Tensor, H: int, W: int, dtype: torch.dtype) -> Tensor:
        """Return the constant decays between the tokens of u [B, H·W, D] in raster order, whatever the order of the
        scan, times the scale of c: [1, heads, T, T]. They are computed once, as nothing is learned."""
        kept = self._decay
        if kept is None or self._decay_of != (H, W, u.device, dtype):
            between = scan.causal_decay if self.causal else scan.bidirectional_decay
            kept = between(self._log_decay(u)) * self.state**-0.5
            if self.columns:
                order = torch.arange(H * W, device=u.device).view(W, H).t().flatten()
                kept = kept[:, :, order][..., order]
            self._decay, self._decay_of = kept.to(dtype), (H, W, u.device, dtype)
            return self._decay
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
