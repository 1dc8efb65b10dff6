"""Likelihoods of a pixel: they sum to one, keep finite gradients, and are what draws follow."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vssm.nn import likelihoods

RGB = likelihoods.make("logistic-mixture", 3, 256, 4)


def raw_outputs(kind, count: int, seed: int, scale: float = 1.5) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, kind.parameters, generator=rng) + kind.initial_bias()


def plain_log_prob(kind, raw: np.ndarray, values: tuple[int, ...], temperature: float = 1.0) -> float:
    """The density written out for one pixel in float64, straight from the paper's formula."""
    K, C = kind.components, kind.channels
    parts = raw.astype(np.float64).reshape(-1, K)
    logits, means, scales, pairs = parts[0], parts[1 : 1 + C], parts[1 + C : 1 + 2 * C], np.tanh(parts[1 + 2 * C :])
    weights = np.exp(logits / temperature - (logits / temperature).max())
    x = np.array(values) / kind.half - 1

    def between(a: float, b: float) -> float:  # σ(b) − σ(a), on the side where neither is near 1
        a, b = (a, b) if a + b < 0 else (-b, -a)
        low, high = (1 / (1 + math.exp(-z)) if z > -700 else 0.0 for z in (a, b))
        return high - low

    total = 0.0
    for k in range(K):
        p = weights[k] / weights.sum()
        for c, v in enumerate(values):
            shift = sum(pairs[i, k] * x[j] for i, (later, j) in enumerate(kind.pairs) if later == c)
            scale = temperature * math.exp(np.clip(scales[c, k], -7, 7))
            z = (x[c] - means[c, k] - shift) / scale
            half_bin = 0.5 / kind.half / scale
            p *= between(-math.inf if v == 0 else z - half_bin, math.inf if v == kind.num_values - 1 else z + half_bin)
        total += p
    return math.log(total) if total else -math.inf


@given(seed=st.integers(0, 10**6), channel=st.integers(0, 2), scale=st.floats(0.1, 5))
@settings(max_examples=30)
def test_every_channel_sums_to_one_given_the_earlier_ones(seed, channel, scale):
    raw = raw_outputs(RGB, 1, seed, scale)
    earlier = torch.randint(0, 256, (channel,), generator=torch.Generator().manual_seed(seed))
    values = torch.cat([earlier.expand(256, -1), torch.arange(256)[:, None]], 1)
    joint = RGB.log_prob(raw.expand(256, -1), values).double()
    given_earlier = RGB.log_prob(raw, earlier[None]).double() if channel else torch.zeros(1, dtype=torch.double)
    conditional = (joint - given_earlier).exp()
    assert abs(float(conditional.sum()) - 1) < 2e-4
    assert conditional[0] >= 0 and conditional[255] >= 0


@given(
    seed=st.integers(0, 10**6),
    values=st.tuples(*[st.sampled_from([0, 1, 37, 128, 254, 255])] * 3),
    temperature=st.sampled_from([0.5, 1.0]),
)
@settings(max_examples=60)
def test_density_is_that_of_the_paper(seed, values, temperature):
    raw = raw_outputs(RGB, 1, seed, 0.7)
    ours = float(RGB.log_prob(raw, torch.tensor([values]), temperature))
    plain = plain_log_prob(RGB, raw[0].numpy(), values, temperature)
    assert ours == pytest.approx(plain, abs=2e-3, rel=1e-3) if plain > -math.inf else ours < -600


def test_edge_bins_reach_to_infinity():
    """A mean far outside gives the edge all of the probability."""
    parts = torch.zeros(1 + 3 + 3 + 3, 4)
    parts[4:7] = -3.0  # log scales
    for mean, value in ((-3.0, 0), (3.0, 255)):
        parts[1:4] = mean
        assert float(RGB.log_prob(parts.flatten()[None], torch.full((1, 3), value))) > -1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1.0, 30.0, 1e4])
def test_gradients_are_finite_on_extreme_inputs(dtype, size):
    rng = torch.Generator().manual_seed(0)
    raw = (size * torch.randn(512, RGB.parameters, generator=rng)).to(dtype).requires_grad_()
    values = torch.randint(0, 256, (512, 3), generator=rng)
    values[:128], values[128:256] = 0, 255
    log_p = RGB.log_prob(raw, values)
    log_p.sum().backward()
    assert log_p.dtype == torch.float32 and torch.isfinite(log_p).all() and (log_p <= 1e-4).all()
    assert torch.isfinite(raw.grad).all() and (size == 0 or raw.grad.abs().sum() > 0)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_draws_follow_the_density(temperature):
    """200,000 draws of two channels of five values against all 25 probabilities (chi-square, 24 degrees)."""
    kind = likelihoods.make("logistic-mixture", 2, 5, 3)
    for seed in range(4):
        raw, rng = raw_outputs(kind, 1, seed, 1.0), torch.Generator().manual_seed(seed)
        every = torch.tensor(list(itertools.product(range(5), repeat=2)))
        p = kind.log_prob(raw.expand(25, -1), every, temperature).double().exp()
        drawn = kind.choose(raw.expand(200_000, -1), kind.noise(200_000, rng=rng), temperature)
        counts = torch.bincount(drawn[:, 0] * 5 + drawn[:, 1], minlength=25).double()
        rare = 200_000 * p < 5  # together one bin
        expected = torch.cat([200_000 * p[~rare], (200_000 * p[rare].sum())[None].clamp_min(0.1)])
        counts = torch.cat([counts[~rare], counts[rare].sum()[None]])
        assert float(((counts - expected) ** 2 / expected).sum()) < 62  # p ≈ 3e-5


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_draws_of_256_values_follow_the_density_of_their_channel(channel):
    """The blue of an RGB pixel depends on both colours before it; binned so that each bin is expected 5 times."""
    raw, rng = raw_outputs(RGB, 1, 5, 0.8), torch.Generator().manual_seed(1)
    drawn = RGB.choose(raw.expand(100_000, -1), RGB.noise(100_000, rng=rng))
    values = torch.arange(256)
    if channel == 0:
        p = RGB.log_prob(raw.expand(256, -1), values[:, None]).double().exp()
    else:  # summed over the channels before, by many draws of them
        before = drawn[:2000, :channel]
        joint = torch.cat([before[:, None].expand(-1, 256, -1), values[None, :, None].expand(2000, -1, 1)], -1)
        given_before = RGB.log_prob(raw.expand(2000, -1), before)[:, None]
        p = (RGB.log_prob(raw.expand(2000, 256, -1), joint) - given_before).double().exp().mean(0)
    cdf, counts = p.cumsum(0), torch.bincount(drawn[:, channel], minlength=256).double().cumsum(0) / 100_000
    assert float((cdf - counts).abs().max()) < (0.007 if channel == 0 else 0.04)  # Kolmogorov–Smirnov


def test_temperature_zero_is_the_likeliest_components_mean_and_draws_are_whole_values():
    raw = raw_outputs(RGB, 50, 2)
    first, second = (RGB.choose(raw, RGB.noise(50, rng=torch.Generator().manual_seed(seed)), 0.0) for seed in (0, 1))
    assert torch.equal(first, second) and first.dtype == torch.long and first.min() >= 0 and first.max() <= 255


def test_mean_is_the_mean_of_draws():
    raw, rng = raw_outputs(RGB, 6, 3, 0.3), torch.Generator().manual_seed(0)
    drawn = RGB.choose(raw[:, None].expand(-1, 40_000, -1), RGB.noise(6, 40_000, rng=rng)).float().mean(1)
    assert (RGB.mean(raw) - drawn).abs().max() < 6  # of 255: what the edges cut off is not counted
    bernoulli, logits = likelihoods.make("bernoulli", 1, 2, 0), torch.tensor([[-1.0], [0.5]])
    drawn = bernoulli.choose(logits[:, None].expand(-1, 40_000, -1), bernoulli.noise(2, 40_000, rng=rng)).float()
    torch.testing.assert_close(bernoulli.mean(logits), drawn.mean(1), rtol=0, atol=0.01)


def test_bernoulli_sums_to_one_at_any_temperature():
    kind, raw = likelihoods.make("bernoulli", 1, 2, 0), torch.tensor([[-3.0], [0.0], [40.0]])
    for temperature in (0.3, 1.0):
        p = sum(kind.log_prob(raw, torch.full((3, 1), v), temperature).exp() for v in (0, 1))
        torch.testing.assert_close(p, torch.ones(3))


@pytest.mark.parametrize("kind", ["bernoulli", "gamma", "logistic-mixture"])
def test_unknown_likelihoods_are_refused(kind):
    with pytest.raises(ValueError, match="there is no likelihood"):
        likelihoods.make(kind, 3, 256, 0)
