"""The decisions of assisted speculative decoding (2504.20456): which drafts are accepted, and what replaces the others.

A draft x was drawn from p, and by the verification it should have been drawn from q. It is accepted with probability
min(1, q(x) / p(x)); otherwise it is replaced by a draw from the residual r(v) = max(0, q(v) − p(v)) / Z, with
Z = Σ_v max(0, q(v) − p(v)). The result is a draw from q: a value v is drafted and accepted with probability
p(v) min(1, q(v) / p(v)) = min(p(v), q(v)), a draft is rejected with probability 1 − Σ_v min(p(v), q(v)) = Z, and
min(p(v), q(v)) + Z r(v) = q(v).

A pixel in colour has 16 million values, too many for a list. Each channel has 256, and the density is a product over
channels, q(x) = Π_c q(x_c | x_<c). So the rule is applied to one channel after another, like tokens, with
q(x_c | x_<c) and p(x_c | x_<c) instead of q and p: the first rejected channel is drawn from the residual of these two,
and the channels after it from q(x_c | x_<c), because there is no draft of them given the new value. By the argument
above each channel is drawn from q given the earlier ones, and hence the pixel is drawn from q.

p and q may differ by one part in a million, and both may be as small as e⁻⁵⁰. Therefore everything is computed in
float64 from log-probabilities, and log (q − p) as log q + log (1 − exp(log p − log q)), which neither cancels nor
overflows, however cold it is.

Shapes: raw outputs [..., P] of the likelihood `kind`, tokens [..., C] of C channels with V values each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vssm.nn.likelihoods import Likelihood


def passing_channels(
    kind: Likelihood, q: Tensor, p: Tensor, drafts: Tensor, temperature: float, rng: torch.Generator
) -> Tensor:
    """Decide how many channels of every draft are accepted, from the first one on: [...], C for the whole draft."""
    drafted = drafts.cpu() if drafts.device.type == "mps" else drafts
    log_q, log_p = (kind.channel_log_probs(_precise(raw), drafted, temperature) for raw in (q, p))
    stays = _uniform(log_q.shape, rng).log() < log_q - log_p
    return stays.long().cumprod(-1).sum(-1).to(drafts.device)


def replace(
    kind: Likelihood, q: Tensor, p: Tensor, drafts: Tensor, stay: Tensor, temperature: float, rng: torch.Generator
) -> Tensor:
    """Draw replacements [..., C] of drafts whose first `stay` [...] channels, fewer than C, are accepted."""
    q, p, where = _precise(q), _precise(p), drafts.device
    made, stay = drafts.to(q.device, copy=True), stay.to(q.device)
    for channel in range(made.shape[-1]):
        new, first = stay <= channel, stay == channel
        log_q = kind.next_channel(q[new], made[new][..., :channel], temperature).log_softmax(-1)
        log_p = kind.next_channel(p[first], made[first][..., :channel], temperature).log_softmax(-1)
        logits, rejected = log_q.clone(), first[new]
        behind = (log_p - log_q[rejected]).clamp_max(0)
        excess = log_q[rejected] + (-torch.expm1(behind)).log()  # log (q − p), −∞ where that is not positive
        # where q exceeds p nowhere they are the same to the last digit, and no draft is ever rejected
        logits[rejected] = torch.where(excess.isfinite().any(-1, keepdim=True), excess, log_q[rejected])
        made[..., channel][new] = (logits - (-_uniform(logits.shape, rng).log()).log()).argmax(-1)
    return made.to(where)


def _precise(x: Tensor) -> Tensor:
    """Convert to float64, on the CPU if the device does not have it."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def _uniform(shape: torch.Size, rng: torch.Generator) -> Tensor:
    """Draw uniform numbers in [0, 1), float64, on the device that `_precise` uses."""
    kind = torch.float32 if rng.device.type == "mps" else torch.float64
    return _precise(torch.rand(shape, generator=rng, device=rng.device, dtype=kind))
