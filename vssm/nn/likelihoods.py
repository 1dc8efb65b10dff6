"""Likelihoods of a pixel: the distribution of its value, given the raw outputs of a network.

    Bernoulli          one binary channel; raw: its logit
    LogisticMixture    8-bit channels, as in PixelCNN++ (1701.05517): a mixture of K logistics a pixel, cut into one
                       bin a value, the lowest and the highest reaching to infinity. A component's mean of a channel
                       is shifted by a learned multiple of the channels before it, so that within a pixel
                       p(r, g, b) = Σ_k π_k p_k(r) p_k(g | r) p_k(b | r, g)

A kind has `parameters` raw outputs for each pixel, and needs `noises` random numbers for each draw. Log-probabilities
and draws are computed in float32, whatever the precision of the raw outputs. The probability of the bin between two
edges is
    σ(a) − σ(b) = σ(a) σ(−b) (1 − exp(b − a))
and its logarithm is a sum of terms that neither overflow nor cancel, so that small bins need no special case (the paper
has one).

Shapes: raw [..., parameters], values [..., C] whole numbers from 0 to num_values − 1, noise [..., noises].
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vssm.config import PictureConfig
from vssm.nn.ssm_block import at_least_float32

LEAST = 1e-4  # temperature below which densities are no longer told apart
COUPLING = 0.9  # of a channel to the one before it, before training


class Bernoulli:
    """One channel of two values."""

    channels, num_values, parameters, noises = 1, 2, 1, 1

    def initial_bias(self) -> Tensor:
        """Return the bias of a head before training: [parameters]."""
        return torch.zeros(1)

    def linear_start(self, expected: Tensor) -> Tensor:
        """Return the weights [1, 1, n] of a map from n neighbours to the logit, before training."""
        return expected.view(1, 1, -1)

    def log_prob(self, raw: Tensor, values: Tensor, temperature: float = 1.0) -> Tensor:
        """Compute log p of values [..., 1] in nats at a temperature above 0: [...]."""
        logit, x = at_least_float32(raw) / temperature, values.to(torch.promote_types(raw.dtype, torch.float32))
        return -F.binary_cross_entropy_with_logits(logit, x, reduction="none")[..., 0]

    def channel_log_probs(self, raw: Tensor, values: Tensor, temperature: float = 1.0) -> Tensor:
        """Compute log p of the only channel in nats: [..., 1]."""
        return self.log_prob(raw, values, temperature).unsqueeze(-1)

    def next_channel(self, raw: Tensor, earlier: Tensor, temperature: float = 1.0) -> Tensor:
        """Compute log p of both values of the only channel in nats, [..., 2]; `earlier` [..., 0] is empty."""
        return F.logsigmoid(at_least_float32(raw) / temperature * torch.tensor([-1, 1], device=raw.device))

    def noise(self, *shape: int, rng: torch.Generator, device: torch.device | None = None) -> Tensor:
        """Draw the noise that `choose` needs for draws of this shape: standard logistic, [*shape, 1]."""
        return torch.empty(*shape, 1, device=device).uniform_(generator=rng).logit_(1e-7)

    def choose(self, raw: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Draw values [..., 1] by the given noise; at temperature 0 the more likely value."""
        return (at_least_float32(raw) > temperature * noise).long()

    def mean(self, raw: Tensor) -> Tensor:
        """Compute the expected value, [..., 1]."""
        return at_least_float32(raw).sigmoid()


class LogisticMixture:
    """A mixture of logistics over all channels of a pixel.

    Raw outputs: for each component a logit; then for each channel its means and its log scales; then for each pair of
    channels its coefficients.
    """

    def __init__(self, channels: int, num_values: int, components: int) -> None:
        self.channels, self.num_values, self.components = channels, num_values, components
        self.half = (num_values - 1) / 2
        self.pairs = [(c, earlier) for c in range(channels) for earlier in range(c)]
        self.parameters = components * (1 + 2 * channels + len(self.pairs))
        self.noises = components + channels

    def initial_bias(self) -> Tensor:
        """Return the bias of a head before training: [parameters].

        Components are narrow to wide, and each channel follows the one before it, as in most colours.
        """
        C, K = self.channels, self.components
        scales = torch.linspace(-4.5, -1.5, K).expand(C, K)
        follow = torch.tensor([[math.atanh(COUPLING) * (c == earlier + 1)] for c, earlier in self.pairs])
        follow = follow.reshape(-1, 1).expand(-1, K)
        return torch.cat([torch.zeros(1 + C, K), scales, follow]).flatten()

    def linear_start(self, expected: Tensor) -> Tensor:
        """Return the weights [parameters, C, n] of a map from n neighbours to the raw outputs, before training.

        By these, every component expects each channel to be the sum of the neighbours' channels with weights
        `expected` [n]; the error of a channel is carried to the next one by `initial_bias`.
        """
        C, K = self.channels, self.components
        means = torch.zeros(C, K, C, len(expected))
        for c in range(C):
            means[c, :, c] = expected
            if c:
                means[c, :, c - 1] = -COUPLING * expected
        rest = torch.zeros(self.parameters - K - C * K, C, len(expected))
        return torch.cat([torch.zeros(K, C, len(expected)), means.flatten(0, 1), rest])

    def split(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Split raw outputs: logits [..., K], means and log scales [..., C, K], and coefficients [..., pairs, K]."""
        parts = at_least_float32(raw).unflatten(-1, (-1, self.components))
        logits, means, scales, pairs = parts.split([1, self.channels, self.channels, len(self.pairs)], -2)
        return logits.squeeze(-2), means, scales.clamp(-7, 7), pairs.tanh()

    def log_prob(self, raw: Tensor, values: Tensor, temperature: float = 1.0) -> Tensor:
        """Compute log p of values [..., C] in nats at a temperature above 0: [...]."""
        logits, log_p = self.components_log_prob(raw, values, temperature)
        return torch.logsumexp(logits + log_p.sum(-2), -1)

    def channel_log_probs(self, raw: Tensor, values: Tensor, temperature: float = 1.0) -> Tensor:
        """Compute log p of every channel of values [..., C] given the channels before it, in nats: [..., C]."""
        logits, log_p = self.components_log_prob(raw, values, temperature)
        upto = torch.logsumexp(logits.unsqueeze(-2) + log_p.cumsum(-2), -1)
        return torch.cat([upto[..., :1], upto.diff(dim=-1)], -1)

    def next_channel(self, raw: Tensor, earlier: Tensor, temperature: float = 1.0) -> Tensor:
        """Compute log p of every value of a channel, given the values [..., c] of those before it, in nats:
        [..., num_values]."""
        logits, log_p = self.components_log_prob(raw, earlier, temperature)
        logits = (logits + log_p.sum(-2)).log_softmax(-1)  # of the components, given the channels before
        _, every_mean, scales, pairs = self.split(raw)
        c = earlier.shape[-1]
        mean, x = every_mean[..., c, :], self.scaled(earlier, logits.dtype)
        for i, (later, before) in enumerate(self.pairs):
            if later == c:
                mean = mean + pairs[..., i, :] * x[..., before, None]
        every = torch.arange(self.num_values, device=raw.device).unsqueeze(-1)  # [V, 1], against components
        log_p = self.bin_log_prob(mean.unsqueeze(-2), scales[..., c, None, :], every, temperature)
        return torch.logsumexp(logits.unsqueeze(-2) + log_p, -1)

    def components_log_prob(self, raw: Tensor, values: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Compute the log-probabilities [..., K] of the components, and under each of them those of the first c
        channels of values [..., c], given the channels before: [..., c, K]."""
        logits, every_mean, scales, pairs = self.split(raw)
        C, x = values.shape[-1], self.scaled(values, logits.dtype)
        means = list(every_mean[..., :C, :].unbind(-2))
        for i, (c, earlier) in enumerate(self.pairs):
            if c < C:
                means[c] = means[c] + pairs[..., i, :] * x[..., earlier, None]
        mean = torch.stack(means, -2) if means else every_mean[..., :0, :]
        log_p = self.bin_log_prob(mean, scales[..., :C, :], values.unsqueeze(-1), temperature)
        return (logits / temperature).log_softmax(-1), log_p

    def scaled(self, values: Tensor, dtype: torch.dtype) -> Tensor:
        """Scale values to −1 … 1."""
        return values.to(dtype) / self.half - 1

    def bin_log_prob(self, mean: Tensor, scale: Tensor, values: Tensor, temperature: float) -> Tensor:
        """Compute the log-probability of values' bins under logistics of these means and log scales, in nats; all
        three broadcast against each other."""
        inverse = (-scale).exp() / temperature
        away, bin_width = (self.scaled(values, mean.dtype) - mean) * inverse, inverse / self.half
        lowest, highest = values == 0, values == self.num_values - 1
        below = F.logsigmoid(away + bin_width / 2).masked_fill(highest, 0)
        above = F.logsigmoid(bin_width / 2 - away).masked_fill(lowest, 0)
        inside = (-torch.expm1(-bin_width)).log().masked_fill(lowest | highest, 0)
        return below + above + inside

    def noise(self, *shape: int, rng: torch.Generator, device: torch.device | None = None) -> Tensor:
        """Draw the noise that `choose` needs for draws of this shape, [*shape, noises]: Gumbel for the component and
        logistic for the channels."""
        noise = torch.empty(*shape, self.noises, device=device)
        noise[..., : self.components].exponential_(generator=rng).log_().neg_()
        noise[..., self.components :].uniform_(generator=rng).logit_(1e-7)
        return noise

    def choose(self, raw: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Draw values [..., C] by the given noise; at temperature 0 the mean of the most likely component."""
        C, K = self.channels, self.components
        parts = at_least_float32(raw).unflatten(-1, (-1, K))
        chosen = torch.add(parts[..., 0, :], noise[..., :K], alpha=temperature).argmax(-1)
        index = chosen[..., None, None].expand(*chosen.shape, parts.shape[-2] - 1, 1)
        means, scales, pairs = parts[..., 1:, :].gather(-1, index).squeeze(-1).split([C, C, len(self.pairs)], -1)
        # in units of values, few and small operations: one step of an autoregressive model waits for this
        drawn = torch.addcmul(means, scales.clamp(-7, 7).exp(), noise[..., K:], value=temperature)
        drawn = drawn.add_(1).mul_(self.half)
        follow = pairs.tanh().unbind(-1)
        values: list[Tensor] = []
        for c, x in enumerate(drawn.unbind(-1)):
            for i, (later, earlier) in enumerate(self.pairs):
                if later == c:
                    x = torch.addcmul(x, follow[i], values[earlier] - self.half)
            values.append(x.round().clamp_(0, self.num_values - 1))
        return torch.stack(values, -1).long()

    def mean(self, raw: Tensor) -> Tensor:
        """Compute the expected value, [..., C], as if only the mean of a component could be out of range."""
        logits, means, _, pairs = self.split(raw)
        expected: list[Tensor] = []
        for c in range(self.channels):
            x = means[..., c, :]
            for i, (later, earlier) in enumerate(self.pairs):
                if later == c:
                    x = x + pairs[..., i, :] * expected[earlier]
            expected.append(x.clamp(-1, 1))
        mean = (torch.stack(expected, -2) * logits.softmax(-1).unsqueeze(-2)).sum(-1)
        return ((mean + 1) * self.half).clamp(0, self.num_values - 1)  # rounding may pass the edges by a hair


Likelihood = Bernoulli | LogisticMixture


def of(picture: PictureConfig) -> Likelihood:
    """Make the likelihood that a config asks for; raises ValueError as `make` does."""
    return make(picture.likelihood, picture.channels, picture.num_values, picture.components)


def make(kind: str, channels: int, num_values: int, components: int) -> Likelihood:
    """Make the likelihood of that name; raises ValueError if it is unknown or does not fit such values."""
    if kind == "bernoulli" and (channels, num_values) == (1, 2):
        return Bernoulli()
    if kind == "logistic-mixture" and min(channels, components) >= 1 and num_values >= 2:
        return LogisticMixture(channels, num_values, components)
    raise ValueError(f"there is no likelihood {kind!r} of {channels} channels with {num_values} values")
