"""Linear recurrences h_t = a_t h_{t-1} + b_t: over a whole sequence at once, and one step at a time.

`scan` is the plain recurrence by parallel prefix (Hillis and Steele: ⌈log2 T⌉ passes over the sequence). `ssd` is the
same recurrence with a matrix state h_t = a_t h_{t-1} + x_t ⊗ B_t, read out as y_t = h_t C_t, in the chunked matrix form
of Mamba-2 (2405.21060): matrix products inside chunks and across them. `scan_step` and `ssd_step` carry the state.
No function here loops over T.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LOWEST_LOG_DECAY = -80.0  # e^-80 is zero to float64; keeps differences of cumulative sums finite
NEGLIGIBLE = -40.0  # e^-40 counts as zero; denormal numbers (below e^-87) cost a CPU a hundred times more
CHUNK = 32  # steps that one matrix product joins: of 32 to 256 the fastest on a CPU from 512 steps on
LONGEST_MATRIX = 512  # steps up to which both directions of a scan are one matrix product


def scan_step(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    """Compute h_t from h_{t-1}."""
    return a * h + b


def scan(a: Tensor, b: Tensor, initial: Tensor | None = None, reverse: bool = False) -> Tensor:
    """Compute all h_t of h_t = a_t h_{t-1} + b_t along dimension 1.

    a, b: [B, T, ...], broadcast against each other; initial: h_0 [B, ...], zero by default. Returns [B, T, ...].
    With `reverse` the recurrence runs from the last step to the first. Decays may be anything from 0 to 1.
    """
    if reverse:
        return scan(a.flip(1), b.flip(1), initial).flip(1)
    a, b = torch.broadcast_tensors(a, b)
    if initial is not None:
        b = torch.cat([b[:, :1] + a[:, :1] * initial.unsqueeze(1), b[:, 1:]], 1)
    stride = 1
    while stride < b.shape[1]:  # (a, b) now spans `stride` steps; join it with the span before it
        b = torch.cat([b[:, :stride], b[:, stride:] + a[:, stride:] * b[:, :-stride]], 1)
        a = torch.cat([a[:, :stride], a[:, stride:] * a[:, :-stride]], 1)
        stride *= 2
    return b


def decay_matrix(log_a: Tensor) -> Tensor:
    """Compute L[t, s] = a_{s+1} ··· a_t for s ≤ t, else 0: [..., T] to [..., T, T]."""
    T = log_a.shape[-1]
    total = log_a.clamp_min(LOWEST_LOG_DECAY).cumsum(-1)
    span = total[..., :, None] - total[..., None, :]
    ahead = torch.ones(T, T, dtype=torch.bool, device=log_a.device).triu(1)
    return span.masked_fill(ahead | (span < NEGLIGIBLE), float("-inf")).exp()


def ssd(
    x: Tensor, log_a: Tensor, B: Tensor, C: Tensor, chunk: int = CHUNK, initial: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute y_t = h_t C_t with h_t = a_t h_{t-1} + x_t ⊗ B_t over a whole sequence.

    x: [batch, T, H, P] (H heads of P channels); log_a: [batch or 1, T, H], at most 0; B, C: [batch, T, N], shared by
    the heads; initial: h_0 [batch, H, P, N]. Returns y [batch, T, H, P] and h_T [batch, H, P, N].
    """
    T = x.shape[1]
    if pad := -T % min(chunk, T):
        x, B, C = F.pad(x, (0, 0, 0, 0, 0, pad)), F.pad(B, (0, 0, 0, pad)), F.pad(C, (0, 0, 0, pad))
        log_a = F.pad(log_a, (0, 0, 0, pad))  # a = 1, b = 0: the state stands still over the padding
    x, B, C, log_a = (v.unflatten(1, (-1, min(chunk, T))) for v in (x, B, C, log_a))  # [batch, chunks, K, ...]
    log_a = log_a.clamp_min(LOWEST_LOG_DECAY).transpose(2, 3)  # [batch, chunks, H, K]
    x = x.transpose(2, 3)  # [batch, chunks, H, K, P]

    inside = (C @ B.transpose(-1, -2)).unsqueeze(2) * decay_matrix(log_a).to(C.dtype)
    y = inside @ x

    total = log_a.cumsum(-1)
    to_end = (total[..., -1:] - total).exp().to(x.dtype)
    gained = (x * to_end[..., None]).transpose(-1, -2) @ B.unsqueeze(2)  # [batch, chunks, H, P, N]
    first = torch.zeros_like(gained[:, :1]) if initial is None else initial.unsqueeze(1).to(gained.dtype)
    gained = torch.cat([first, gained], 1).transpose(1, 2)  # [batch, H, 1 + chunks, P, N]
    across = decay_matrix(F.pad(total[..., -1].transpose(1, 2), (1, 0))).to(gained.dtype)
    states = (across @ gained.flatten(3)).view(gained.shape).transpose(1, 2)  # before every chunk, and after the last
    if x.shape[1] > 1 or initial is not None:
        y = y + (C.unsqueeze(2) @ states[:, :-1].transpose(-1, -2)) * total.exp().to(x.dtype)[..., None]
    return y.transpose(2, 3).flatten(1, 2)[:, :T], states[:, -1]


def ssd_step(x: Tensor, log_a: Tensor, B: Tensor, C: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Compute one step of `ssd`: x [batch, H, P], log_a [batch or 1, H], B, C [batch, N] and h [batch, H, P, N] to y
    and h."""
    h = scan_step(log_a.exp()[..., None, None], x[..., None] * B[:, None, None, :], h)
    return (h @ C[:, None, :, None].to(h.dtype)).squeeze(-1), h


def ssd_segment(x: Tensor, log_a: Tensor, B: Tensor, C: Tensor, h: Tensor) -> Tensor:
    """Compute y of `ssd` for a few steps after the state h, as one matrix product and without the state after them.

    x: [batch, T, H, P]; log_a: [batch, T, H]; B, C: [batch, T, N]; h: [batch, H, P, N]. Returns y [batch, T, H, P].
    """
    total = log_a.transpose(1, 2).cumsum(-1).unsqueeze(-1)
    ahead = log_a.new_full((x.shape[1], x.shape[1]), float("-inf")).triu_(1)
    mixing = (C @ B.transpose(-1, -2)).unsqueeze(1) * (total - total.transpose(-1, -2)).add_(ahead).exp_()
    return (mixing @ x.transpose(1, 2)).addcmul_(C.unsqueeze(1) @ h.transpose(-1, -2), total.exp_()).transpose(1, 2)


def ssd_advance(x: Tensor, log_a: Tensor, B: Tensor, h: Tensor, count: Tensor) -> Tensor:
    """Compute the state of `ssd` after the first `count` [batch] of the steps of a segment; see `ssd_segment`."""
    kept = torch.arange(x.shape[1], device=x.device) < count[:, None]
    total = (log_a * kept.unsqueeze(-1)).cumsum(1)
    to_end = (total[:, -1:] - total).exp() * kept.unsqueeze(-1)
    gained = (x * to_end.unsqueeze(-1)).permute(0, 2, 3, 1) @ B.unsqueeze(1)
    return torch.addcmul(gained, h, total[:, -1, :, None, None].exp())


def ssd_matrix(x: Tensor, decay: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """Compute `ssd` from zero as one matrix product; decay [batch or 1, H, T, T] is between any two steps."""
    mixing = torch.bmm(C, B.contiguous().transpose(1, 2)).unsqueeze(1) * decay.to(C.dtype)
    return (mixing @ x.transpose(1, 2)).transpose(1, 2)


def ssd_causal(x: Tensor, log_a: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """Compute `ssd` from zero, without the last state; up to LONGEST_MATRIX steps by one matrix product."""
    if x.shape[1] <= LONGEST_MATRIX:
        return ssd_matrix(x, causal_decay(log_a), B, C)
    return ssd(x, log_a, B, C)[0]


def ssd_bidirectional(x: Tensor, log_a: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """Compute `ssd` from zero, forwards for the first half of the heads and backwards for the second half.

    Up to LONGEST_MATRIX steps both directions are one matrix product (decays below the diagonal for one half, above it
    for the other: a quasi-separable matrix, as in Hydra, 2407.09941); beyond it, two chunked scans.
    """
    if x.shape[1] <= LONGEST_MATRIX:
        return ssd_matrix(x, bidirectional_decay(log_a), B, C)
    half = x.shape[2] // 2
    forwards, _ = ssd(x[:, :, :half], log_a[:, :, :half], B, C)
    backwards, _ = ssd(x[:, :, half:].flip(1), log_a[:, :, half:].flip(1), B.flip(1), C.flip(1))
    return torch.cat([forwards, backwards.flip(1)], 2)


def causal_decay(log_a: Tensor) -> Tensor:
    """Compute the decays of `ssd` for `ssd_matrix`: [batch, T, H] to [batch, H, T, T]."""
    return decay_matrix(log_a.transpose(1, 2))


def bidirectional_decay(log_a: Tensor) -> Tensor:
    """Compute the decays of `ssd_bidirectional` for `ssd_matrix`: [batch, T, H] to [batch, H, T, T]."""
    log_a = log_a.transpose(1, 2)
    half = log_a.shape[1] // 2
    backwards = decay_matrix(log_a[:, half:].flip(-1)).flip(-1, -2)
    return torch.cat([decay_matrix(log_a[:, :half]), backwards], 1)
