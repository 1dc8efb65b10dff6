"""Latent kinds: draws are hard and agree with their densities; divergences agree with what is drawn."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vssm.nn import latent_distributions

KINDS = [("gaussian", 3, 0, ""), ("categorical", 2, 4, "reinmax"), ("categorical", 2, 4, "gumbel")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{k[0]}-{k[3]}")
def test_divergence_is_the_mean_log_ratio(kind):
    torch.manual_seed(0)
    latent = latent_distributions.make(*kind)
    q, p = torch.randn(2, 1, latent.parameters)
    draws = latent.draw(q.expand(200_000, -1), 1.0, torch.Generator().manual_seed(1))
    ratio = latent.log_prob(q, draws) - latent.log_prob(p, draws)
    assert abs(ratio.mean() - latent.divergence(q, p)) < 5 * ratio.std() / len(draws) ** 0.5
    assert latent.divergence(p, p).abs() < 1e-5 and latent.divergence(q, p) > 0.1
    assert abs(-latent.log_prob(q, draws).mean() - latent.entropy(q)) < 0.02


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{k[0]}-{k[3]}")
def test_training_draws_are_distributed_as_generation_draws(kind):
    torch.manual_seed(0)
    latent = latent_distributions.make(*kind)
    raw = torch.randn(1, latent.parameters).expand(100_000, -1)
    relaxed, drawn = latent.relax(raw), latent.draw(raw, 1.0)
    assert (relaxed.mean(0) - drawn.mean(0)).abs().max() < 0.03
    if latent.kind == "categorical":
        assert torch.equal(relaxed.detach().round(), relaxed.detach().round().clamp(0, 1))
        torch.testing.assert_close(relaxed.detach(), relaxed.detach().round(), atol=1e-5, rtol=0)  # hard


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{k[0]}-{k[3]}")
def test_gradients_point_downhill(kind):
    """The estimator's gradient of E[f(z)], averaged, agrees in direction with the exact or finite-difference one."""
    torch.manual_seed(0)
    latent = latent_distributions.make(*kind)
    weight = torch.randn(latent.values)
    raw = torch.randn(latent.parameters).requires_grad_()
    estimate = torch.autograd.grad((latent.relax(raw.expand(50_000, -1)) @ weight).mean(), raw)[0]
    if latent.kind == "gaussian":
        exact = torch.cat([weight, torch.zeros_like(weight)])
    else:
        exact = torch.autograd.grad((latent.split(raw).exp().flatten() @ weight), raw)[0]
    assert torch.cosine_similarity(estimate, exact, dim=0) > 0.95


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda k: k[0])
def test_temperature_zero_is_the_most_likely(kind):
    latent = latent_distributions.make(*kind)
    raw = torch.randn(1, latent.parameters)
    draws = latent.draw(raw.expand(50, -1), 0.0)
    torch.testing.assert_close(draws, draws[:1].expand_as(draws))
    assert (latent.log_prob(raw, latent.draw(raw.expand(200, -1), 1.0)) <= latent.log_prob(raw, draws[:1]) + 1e-5).all()


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda k: k[0])
@given(seed=st.integers(0, 2**32), temperature=st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=20)
def test_codes_give_their_values_back_exactly(kind, seed, temperature):
    rng = torch.Generator().manual_seed(seed)
    latent = latent_distributions.make(*kind)
    raw = torch.randn(2, 3, latent.parameters, generator=rng)
    value = latent.draw(raw, temperature, rng)
    codes = torch.from_numpy(latent.codes(value).float().numpy().copy())  # as an event carries them
    assert latent.has(codes) and torch.equal(latent.value(codes), value)
    for wrong in (float("nan"), *((0.5, -1.0, 4.0) if latent.kind == "categorical" else (float("inf"),))):
        codes[1, 2, 0] = wrong
        assert not latent.has(codes)


def test_another_draw_has_the_distribution_of_draws_that_differ():
    torch.manual_seed(0)
    latent = latent_distributions.make("categorical", 3, 3, "reinmax")
    raw, rng = 1.5 * torch.randn(1, 9), torch.Generator().manual_seed(1)
    than = latent.draw(raw, 0.0)  # the likeliest, which most draws are
    drawn = latent.codes(latent.draw(raw.expand(100_000, -1), 1.0, rng, than.expand(100_000, -1)))
    every = torch.tensor(list(itertools.product(range(3), repeat=3)))
    log_p = latent.log_prob(raw.expand(27, -1), latent.value(every))
    p = log_p.exp().masked_fill((every == latent.codes(than)).all(-1), 0)
    found = (drawn.unsqueeze(1) == every).all(-1).float().mean(0)
    assert (p == 0).sum() == 1 and found[p == 0] == 0
    assert (found - p / p.sum()).abs().max() < 0.006


def test_another_draw_at_temperature_zero_is_the_likeliest_other():
    torch.manual_seed(0)
    latent = latent_distributions.make("categorical", 3, 3, "reinmax")
    raw, rng = torch.randn(1, 9), torch.Generator().manual_seed(1)
    than = latent.draw(raw, 0.0)
    drawn = latent.codes(latent.draw(raw.expand(100, -1), 0.0, rng, than.expand(100, -1)))
    every = torch.tensor(list(itertools.product(range(3), repeat=3)))
    second = every[latent.log_prob(raw.expand(27, -1), latent.value(every)).argsort()[-2]]
    assert (drawn == second).all()
