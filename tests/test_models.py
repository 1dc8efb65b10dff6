"""The two models on small pictures: exactness, causality, untouched prompts, and the bound."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vssm import models
from vssm.config import from_dict
from vssm.errors import UserError
from vssm.models.transformer import Transformer, TransformerConfig
from vssm.models.vssm import VSSM, VSSMConfig

SMALL = {
    "transformer": TransformerConfig(4, 6, d_model=16, blocks=3, window=7, stem_rows=2, stem_columns=2, stem_hidden=12),
    "vssm": VSSMConfig(
        8,
        8,
        d_model=16,
        inner=16,
        state=8,
        heads=2,
        coarse_levels=1,
        fine_levels=2,
        latent_size=3,
        head_channels=4,
    ),
}


def small(name: str, **changes):
    torch.manual_seed(1)
    network = models.get(name).network(dataclasses.replace(SMALL[name], **changes))
    for p in network.parameters():
        p.data += 0.2 * torch.randn_like(p)
    return network.eval().requires_grad_(False)


def pictures(config, count: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (count, config.height, config.width, 1), generator=rng)


def complete(network, values, known, temperature=1.0, seed=0):
    return list(network.complete(values, known, temperature, torch.Generator().manual_seed(seed)))


# --- Transformer --------------------------------------------------------------------------------------------------


def test_transformer_is_autoregressive():
    network = small("transformer")
    values = pictures(network.config, 1)
    logits = network(values[..., 0])
    for t in range(network.tokens):
        other = values.clone().flatten()
        other[t] = 1 - other[t]
        changed = (network(other.view_as(values)[..., 0]) - logits).abs().sum(-1)[0] > 1e-7
        assert not changed[: t + 1].any() and (t + 1 == network.tokens or changed[t + 1])


def test_transformer_likelihood_sums_to_one():
    network = small("transformer", height=2, width=5)
    every = torch.tensor(list(itertools.product((0, 1), repeat=10))).view(-1, 2, 5, 1)
    assert abs(network.log_likelihood(every).exp().sum() - 1) < 1e-4


@pytest.mark.parametrize("prefix", [0, 1, 7, 23])
def test_cached_decoding_gives_the_logits_of_the_whole_pass(prefix):
    """Static cache, prefill and stem by the window: the same numbers as one uncached call over the picture."""
    network = small("transformer")
    values = pictures(network.config, 3)
    flat = values.flatten(1)
    whole = network(values[..., 0])
    caches, tables = network.make_caches(3), network.step_tables()
    if prefix:
        head = network(values[..., 0], caches, tokens=prefix)
        torch.testing.assert_close(head, whole[:, :prefix], rtol=0, atol=1e-4)
    c = network.config
    for t in range(prefix, network.tokens):
        stands = torch.arange(network.tokens) < t
        canvas = network.canvas(values[..., 0])
        canvas[:, c.stem_rows :, c.stem_columns : c.stem_columns + c.width] *= stands.view(c.height, c.width)
        previous = flat[:, t - 1] if t else torch.full((3,), c.levels)
        logits = network.step(canvas, previous, caches, t, tables)
        torch.testing.assert_close(logits, whole[:, t], rtol=0, atol=1e-4)


@pytest.mark.parametrize("rows", [0, 2])
def test_decoding_draws_what_the_whole_pass_would(rows):
    """At temperature 0 every generated pixel is the argmax of the uncached logits on the finished picture."""
    network = small("transformer")
    values = pictures(network.config, 4)
    known = torch.zeros(4, 4, 6, dtype=torch.bool)
    known[:, :rows] = True
    done = complete(network, values, known, temperature=0.0)[-1].values
    assert torch.equal(done[:, :rows], values[:, :rows])
    best = network(done[..., 0]).argmax(-1).view(4, 4, 6)
    assert torch.equal(best[:, rows:], done[:, rows:, :, 0])


def test_decoding_follows_the_exact_distribution():
    """20,000 draws of a 2×3 picture against all 64 probabilities (chi-square, 63 degrees of freedom)."""
    network = small("transformer", height=2, width=3)
    every = torch.tensor(list(itertools.product((0, 1), repeat=6))).view(-1, 2, 3, 1)
    p = network.log_likelihood(every).exp().double()
    draws = 20_000
    done = complete(network, torch.zeros(draws, 2, 3, 1).long(), torch.zeros(draws, 2, 3, dtype=torch.bool))[-1].values
    codes = (done.flatten(1) * torch.tensor([32, 16, 8, 4, 2, 1])).sum(1)
    counts = torch.bincount(codes, minlength=64).double()
    assert ((counts - draws * p) ** 2 / (draws * p)).sum() < 115  # p ≈ 0.0001


def test_one_prompt_read_once_is_as_good_as_read_for_every_sample():
    network = small("transformer")
    values = pictures(network.config, 1).expand(3, -1, -1, -1)
    known = torch.zeros(3, 4, 6, dtype=torch.bool)
    known[:, :2] = True
    other = torch.cat([values, 1 - values[:1]])  # a fourth prompt, so that each is read by itself
    shared = complete(network, values, known, temperature=0.0)[-1].values
    apart = complete(network, other, torch.cat([known, known[:1]]), temperature=0.0)[-1].values
    assert torch.equal(shared, apart[:3])


def test_prefill_is_one_call():
    network = small("transformer")
    known = torch.zeros(1, 4, 6, dtype=torch.bool)
    known[:, :2] = True
    works = complete(network, pictures(network.config, 1), known)
    assert [w.prompt for w in works] == [True] + [False] * 12


# --- VSSM ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [(0, 1), (1, 2), (2, 1)])
def test_vssm_takes_one_stage_a_level_whatever_the_length(levels):
    for size in (8, 16):
        ladder = dict(zip(("coarse_levels", "fine_levels"), levels, strict=True))
        network = small("vssm", height=size, width=size, **ladder)
        values = pictures(network.config, 2)
        works = complete(network, values, torch.zeros(values.shape[:3], dtype=torch.bool))
        assert len(works) == sum(levels) + 1 == network.ladder + 1
        assert [w.level for w in works[:-1]] == list(range(1, sum(levels) + 1))


@pytest.mark.parametrize("latent", ["gaussian", "categorical"])
def test_vssm_learns_and_its_bound_is_one(latent):
    """A few steps lower the loss; then −ELBO is no less than the entropy of two equally likely pictures, ln 2."""
    torch.manual_seed(0)
    network = VSSM(dataclasses.replace(SMALL["vssm"], latent=latent))
    two = pictures(network.config, 2)
    values = two[torch.randint(0, 2, (32,))]
    known = torch.zeros(values.shape[:3], dtype=torch.bool)
    optimizer, losses = torch.optim.Adam(network.parameters(), 5e-3), []
    for _ in range(150):
        terms = network.loss(values, known)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append(float(terms["loss"].detach()))
        assert torch.allclose(terms["loss"], terms["kl"] + terms["pixels"], rtol=1e-4)
    assert losses[-1] < 0.2 * losses[0]
    network.eval()
    with torch.no_grad():
        bound = torch.cat([network.log_likelihood(two) for _ in range(300)])
    assert -bound.mean() > 0.6931 - 3 * bound.std() / len(bound) ** 0.5


def test_vssm_loss_counts_unknown_pixels_only():
    network = small("vssm")
    values = pictures(network.config, 4)
    everything = torch.ones(values.shape[:3], dtype=torch.bool)
    assert network.loss(values, everything)["pixels"] == 0
    assert network.loss(values, ~everything)["pixels"] > 1


def test_unknown_pixels_do_not_leak_into_vssm_completions():
    network = small("vssm")
    values, known = pictures(network.config, 2), torch.zeros(2, 8, 8, dtype=torch.bool)
    known[:, :3] = True
    other = torch.where(known.unsqueeze(-1), values, 1 - values)
    assert torch.equal(complete(network, values, known)[-1].values, complete(network, other, known)[-1].values)


# --- both ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_known_pixels_come_back_untouched(name, data):
    network = small(name)
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    values = pictures(network.config, 3, seed=int(rng.integers(1000)))
    known = torch.from_numpy(rng.random(values.shape[:3]) < data.draw(st.floats(0, 1)))
    done = complete(network, values, known, temperature=data.draw(st.sampled_from([0.0, 0.7, 1.0])))[-1].values
    assert torch.equal(done[known], values[known])
    assert done.min() >= 0 and done.max() <= 1


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_fixes_the_completion(name):
    network = small(name)
    values = pictures(network.config, 5)
    known = torch.zeros(values.shape[:3], dtype=torch.bool)
    first, again, other = (complete(network, values, known, seed=s)[-1].values for s in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_unknown_and_missing_settings_are_errors():
    with pytest.raises(UserError, match="no setting 'depth'"):
        from_dict(TransformerConfig, {"height": 4, "width": 4, "depth": 3})
    with pytest.raises(UserError, match="needs the setting 'width'"):
        from_dict(TransformerConfig, {"height": 4})
    with pytest.raises(UserError, match="no model 'gpt'"):
        models.get("gpt")
    assert isinstance(models.build("transformer", dataclasses.asdict(SMALL["transformer"])), Transformer)
