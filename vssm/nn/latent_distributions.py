"""Distributions of the latent variables of one level: draws, draws with gradients, and divergences.

A kind maps raw network outputs ("parameters", [..., self.parameters]) to values ([..., self.values]). Values are
always hard: what the decoder is trained on is what it will be given.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vssm.nn.ssm_block import at_least_float32

LEAST = 1e-3  # temperature below which the likeliest remaining draw is taken


class Gaussian:
    """`size` independent Gaussians at each position; the parameters are means and log standard deviations."""

    kind = "gaussian"
    classes = 0

    def __init__(self, size: int) -> None:
        self.size, self.parameters, self.values = size, 2 * size, size

    def split(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Split raw parameters into mean and log standard deviation; the latter stays softly within ±4."""
        mean, log_std = at_least_float32(raw).chunk(2, -1)
        return mean, 4 * torch.tanh(log_std / 4)

    def relax(self, raw: Tensor) -> Tensor:
        """Draw with a gradient, by reparameterisation."""
        mean, log_std = self.split(raw)
        return mean + log_std.exp() * torch.randn_like(mean)

    def draw(
        self, raw: Tensor, temperature: float, generator: torch.Generator | None = None, than: Tensor | None = None
    ) -> Tensor:
        """Draw with the standard deviation multiplied by `temperature`; `than` is for the other kind of latent."""
        mean, log_std = self.split(raw)
        noise = torch.empty_like(mean).normal_(generator=generator)
        return torch.add(mean, noise.mul_(log_std.exp()), alpha=temperature)

    def log_prob(self, raw: Tensor, value: Tensor) -> Tensor:
        """Compute the log density in nats, summed over the variables: [...]."""
        mean, log_std = self.split(raw)
        return (-0.5 * ((value - mean) * (-log_std).exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)

    def divergence(self, raw_q: Tensor, raw_p: Tensor) -> Tensor:
        """Compute KL(q ‖ p) in nats, summed over the variables: [...]."""
        (mq, sq), (mp, sp) = self.split(raw_q), self.split(raw_p)
        return (sp - sq - 0.5 + 0.5 * (((mq - mp) ** 2 + (2 * sq).exp()) * (-2 * sp).exp())).sum(-1)

    def entropy(self, raw: Tensor) -> Tensor:
        """Compute the differential entropy in nats, summed over the variables: [...]."""
        return (self.split(raw)[1] + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def codes(self, value: Tensor) -> Tensor:
        """Convert values to the codes that people see: [..., size], the values themselves."""
        return value

    def value(self, codes: Tensor) -> Tensor:
        """Convert codes to values."""
        return codes

    def has(self, codes: Tensor) -> bool:
        """Whether numbers [..., size] are codes of this kind."""
        return bool(codes.isfinite().all())

    def step(self, slope: Tensor) -> Tensor:
        """Convert slopes in the values to changes by 1 of each variable: [..., size], to first order."""
        return slope


class Categorical:
    """`size` categorical variables of `classes` classes at each position; values are one-hot, flattened.

    estimator: "reinmax" (2304.08612, second order) or "gumbel" (straight-through Gumbel-softmax, 1611.01144).
    """

    kind = "categorical"

    def __init__(self, size: int, classes: int, estimator: str = "reinmax", temperature: float = 1.1) -> None:
        self.size, self.classes, self.estimator, self.temperature = size, classes, estimator, temperature
        self.parameters = self.values = size * classes

    def split(self, raw: Tensor) -> Tensor:
        """Compute log-probabilities [..., size, classes] from raw parameters."""
        return at_least_float32(raw).unflatten(-1, (self.size, self.classes)).log_softmax(-1)

    def relax(self, raw: Tensor) -> Tensor:
        """Draw one-hot values with the gradient of the estimator."""
        logp = self.split(raw)
        if self.estimator == "gumbel":
            return F.gumbel_softmax(logp, tau=1.0, hard=True).flatten(-2)
        p = logp.exp()
        hard = self._one_hot(logp, 1.0, None)
        mixed = (hard + (logp / self.temperature).softmax(-1)) / 2  # 2 π₁ − π₀ / 2, with π₁ recentred at the draw
        recentred = ((mixed.clamp_min(1e-12).log() - logp).detach() + logp).softmax(-1)
        slope = 2 * recentred - 0.5 * p
        return (slope - slope.detach() + hard).flatten(-2)

    def draw(
        self, raw: Tensor, temperature: float, generator: torch.Generator | None = None, than: Tensor | None = None
    ) -> Tensor:
        """Draw one-hot values from probabilities that `temperature` sharpens; with `than`, given that they differ from
        these values."""
        if than is not None:
            return self._another(raw, temperature, generator, than)
        return self._one_hot(self.split(raw), temperature, generator).flatten(-2)

    def draw_classes(self, raw: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
        """Draw as `draw` does, but the class of each variable: [..., size]."""
        return self._choose(self.split(raw), temperature, generator)

    def _another(self, raw: Tensor, temperature: float, generator: torch.Generator | None, than: Tensor) -> Tensor:
        """Draw, given that at each position at least one variable differs from `than`: those before the first one that
        differs are the same, and those after it are free. Towards temperature 0 the most likely such draw."""
        logp = (self.split(raw) / max(temperature, LEAST)).log_softmax(-1)
        same = than.unflatten(-1, (self.size, self.classes)) > 0.5
        other = logp.masked_fill(same, -math.inf)
        stays, differs = logp.masked_fill(~same, 0).sum(-1), other.logsumexp(-1)
        begins = stays.cumsum(-1) - stays + differs  # log probability that this variable is the first to differ
        first = (begins - torch.empty_like(begins).exponential_(generator=generator).log()).argmax(-1, keepdim=True)
        place = torch.arange(self.size, device=raw.device)
        freed = torch.where((place == first).unsqueeze(-1), other, logp)
        drawn = self._one_hot(freed, 1.0, generator)
        return torch.where((place < first).unsqueeze(-1), same.to(drawn.dtype), drawn).flatten(-2)

    def _one_hot(self, logp: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
        return F.one_hot(self._choose(logp, temperature, generator), self.classes).to(logp.dtype)

    def _choose(self, logp: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
        noise = torch.empty_like(logp).exponential_(generator=generator).log_()
        return torch.sub(logp, noise, alpha=temperature).argmax(-1)

    def log_prob(self, raw: Tensor, value: Tensor) -> Tensor:
        """Compute the log-probability in nats, summed over the variables: [...]."""
        return (self.split(raw) * value.unflatten(-1, (self.size, self.classes))).sum((-1, -2))

    def divergence(self, raw_q: Tensor, raw_p: Tensor) -> Tensor:
        """Compute KL(q ‖ p) in nats, summed over the variables: [...]."""
        logq, logp = self.split(raw_q), self.split(raw_p)
        return (logq.exp() * (logq - logp)).sum((-1, -2))

    def entropy(self, raw: Tensor) -> Tensor:
        """Compute the entropy in nats, summed over the variables: [...]."""
        logp = self.split(raw)
        return -(logp.exp() * logp).sum((-1, -2))

    def codes(self, value: Tensor) -> Tensor:
        """Convert one-hot values to the class of each variable: [..., size]."""
        return value.unflatten(-1, (self.size, self.classes)).argmax(-1)

    def value(self, codes: Tensor) -> Tensor:
        """Convert classes to one-hot values, flattened."""
        return F.one_hot(codes.long(), self.classes).float().flatten(-2)

    def has(self, codes: Tensor) -> bool:
        """Whether numbers [..., size] are codes of this kind."""
        return bool((codes == codes.floor()).all() and (codes >= 0).all() and (codes < self.classes).all())

    def step(self, slope: Tensor) -> Tensor:
        """Convert slopes in the values to changes of each variable to another class: [..., size], to first order, the
        root mean square over pairs of classes."""
        return math.sqrt(2) * slope.unflatten(-1, (self.size, self.classes)).std(-1)


Latent = Gaussian | Categorical


def make(kind: str, size: int, classes: int, estimator: str) -> Latent:
    """Make the kind of latent of that name; raises ValueError for an unknown name."""
    if kind == "gaussian":
        return Gaussian(size)
    if kind == "categorical":
        return Categorical(size, classes, estimator)
    raise ValueError(f"latent kind must be 'gaussian' or 'categorical', not {kind!r}")
