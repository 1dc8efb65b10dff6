"""The models on small pictures: exactness, causality, equal forms, untouched prompts, and the bound."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import COLOUR, KINDS, RASTER, SMALL, chi_square, complete, every_picture, other_at, pictures, small

from vssm.config import from_dict
from vssm.errors import UserError
from vssm.models import registry
from vssm.models.transformer import Transformer, TransformerConfig
from vssm.models.vssm import VSSM, depth_to_space, space_to_depth
from vssm.models.vssm_paper import prefix

# --- Transformer and Mamba -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RASTER)
def test_raster_models_are_autoregressive(name, kind):
    network = small(name, **KINDS[kind])
    values = pictures(network.config, 1)
    raw = network(values)
    for t in range(network.tokens):
        changed = (network(other_at(values, t)) - raw).abs().sum(-1)[0] > 1e-7
        assert not changed[: t + 1].any() and (t + 1 == network.tokens or changed[t + 1])


@pytest.mark.parametrize("name", RASTER)
def test_raster_likelihood_sums_to_one(name):
    network = small(name, height=2, width=5)
    assert abs(network.log_likelihood(every_picture(2, 5)).exp().sum() - 1) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RASTER)
@pytest.mark.parametrize("samples, prefix", [(3, 0), (1, 1), (3, 7), (1, 23)])
def test_carried_states_give_the_outputs_of_the_whole_pass(name, samples, prefix, kind):
    """Prefill, then token by token, one sample without its axis: the same numbers as one call over the picture."""
    network = small(name, **KINDS[kind])
    values = pictures(network.config, samples)
    flat = network.signed(values).flatten(1, 2)
    whole = network(values)
    states, tables = network.make_states(samples), network.step_tables()
    if prefix:
        head = network(values, states, tokens=prefix)
        torch.testing.assert_close(head, whole[:, :prefix], rtol=0, atol=1e-4)
    c = network.config
    for t in range(prefix, network.tokens):
        stands = torch.arange(network.tokens) < t
        canvas = network.canvas(values)
        canvas[:, :, c.stem_rows :, c.stem_columns : c.stem_columns + c.width] *= stands.view(c.height, c.width)
        row, column = t // c.width, t % c.width
        window = canvas[:, :, row : row + c.stem_rows + 1, column : column + 2 * c.stem_columns + 1].squeeze(0)
        previous = (flat[:, t - 1] if t else torch.zeros_like(flat[:, 0])).squeeze(0)
        raw = network.next_raw(window, previous, tables.position[t], states, t, tables)
        torch.testing.assert_close(raw, whole[:, t].squeeze(0), rtol=0, atol=1e-4)


def test_mambas_matrix_form_is_its_recurrence():
    """In float64, over chunks that do not divide the sequence; and a step costs the same at any t."""
    network = small("mamba").double()
    x = torch.randn(2, network.tokens, network.config.d_model, dtype=torch.float64)
    whole = network.read(x)
    states, tables = network.make_states(2), network.block_tables()
    sizes = {tuple(s.shape for s in states)}
    for t in range(network.tokens):
        torch.testing.assert_close(network.step(x[:, t], states, t, tables), whole[:, t], rtol=1e-9, atol=1e-9)
        sizes.add(tuple(s.shape for s in states))
    assert len(sizes) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RASTER)
@pytest.mark.parametrize("rows", [0, 2])
def test_decoding_draws_what_the_whole_pass_would(name, rows, kind):
    """At temperature 0 every generated pixel is the likeliest of the uncached outputs on the finished picture."""
    network = small(name, **KINDS[kind])
    values = pictures(network.config, 4)
    known = torch.zeros(4, 4, 6, dtype=torch.bool)
    known[:, :rows] = True
    done = complete(network, values, known, temperature=0.0)[-1].values
    assert torch.equal(done[:, :rows], values[:, :rows])
    raw = network(done)
    best = network.likelihood.choose(raw, torch.zeros(*raw.shape[:-1], network.likelihood.noises), 0.0).view_as(done)
    assert torch.equal(best[:, rows:], done[:, rows:])


@pytest.mark.parametrize("name", RASTER)
def test_decoding_follows_the_exact_distribution(name):
    """20,000 draws of a 2×3 picture against all 64 probabilities (chi-square, 63 degrees of freedom)."""
    network = small(name, height=2, width=3)
    p = network.log_likelihood(every_picture(2, 3)).exp()
    nothing = torch.zeros(20_000, 2, 3, dtype=torch.bool)
    done = complete(network, nothing.unsqueeze(-1).long(), nothing)[-1].values
    assert chi_square(done.flatten(1), p) < 115  # p ≈ 0.0001


@pytest.mark.parametrize("name", [*RASTER, "asarm"])
def test_one_prompt_read_once_is_as_good_as_read_for_every_sample(name):
    network = small(name)
    values = pictures(network.config, 1).expand(3, -1, -1, -1)
    known = torch.zeros(3, 4, 6, dtype=torch.bool)
    known[:, :2] = True
    other = torch.cat([values, 1 - values[:1]])  # a fourth prompt, so that each is read by itself
    shared = complete(network, values, known, temperature=0.0, mode="sequential")[-1].values
    apart = complete(network, other, torch.cat([known, known[:1]]), temperature=0.0, mode="sequential")[-1].values
    assert torch.equal(shared, apart[:3])


@pytest.mark.parametrize("name", [*RASTER, "asarm"])
def test_prefill_is_one_call(name):
    network = small(name)
    known = torch.zeros(1, 4, 6, dtype=torch.bool)
    known[:, :2] = True
    works = complete(network, pictures(network.config, 1), known, mode="sequential")
    assert [w.prompt for w in works] == [True] + [False] * 12


# --- VSSM ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [(0, 1), (1, 2), (2, 1)])
def test_vssm_takes_one_stage_a_level_whatever_the_length(levels):
    for size in (8, 16):
        coarse, fine = levels
        codes = 2 if coarse else 0
        network = small("vssm", height=size, width=size, coarse_levels=coarse, fine_levels=fine, codes=codes)
        values = pictures(network.config, 2)
        works = complete(network, values, torch.zeros(values.shape[:3], dtype=torch.bool))
        assert len(works) == bool(codes) + network.num_levels + 1 and network.num_levels == coarse + fine
        assert [w.level for w in works[:-1]] == list(range(0 if codes else 1, coarse + fine + 1))


@pytest.mark.parametrize("latent", ["gaussian", "categorical"])
@pytest.mark.parametrize("name", ["vssm", "vssm-paper"])
def test_vssm_learns_and_its_bound_is_one(name, latent):
    """A few steps lower the loss; then −ELBO is no less than the entropy of two equally likely pictures, ln 2."""
    torch.manual_seed(0)
    network = registry.get(name).network(dataclasses.replace(SMALL[name], latent=latent))
    two = pictures(network.config, 2)
    values = two[torch.randint(0, 2, (32,))]
    known = torch.zeros(values.shape[:3], dtype=torch.bool)
    optimizer, losses = torch.optim.Adam(network.parameters(), 5e-3, fused=True), []
    for _ in range(150):
        terms = network.loss(values, known)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append(float(terms["loss"].detach()))
        assert torch.allclose(terms["loss"], terms["kl"] + terms["pixels"] + terms.get("partial", 0), rtol=1e-4)
    assert losses[-1] < (0.2 if name == "vssm" else 0.5) * losses[0]
    network.eval()
    with torch.no_grad():
        bound = torch.cat([network.log_likelihood(two.repeat(100, 1, 1, 1)) for _ in range(3)])
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


def test_the_importance_bound_is_tighter_and_with_one_sample_the_elbo():
    torch.manual_seed(0)
    network = VSSM(SMALL["vssm"]).eval().requires_grad_(False)
    values = pictures(network.config, 20)
    elbo, one, many = (
        torch.stack([bound(values) for _ in range(20)]).mean()
        for bound in (
            network.log_likelihood,
            lambda v: network.importance_bound(v, 1),
            lambda v: network.importance_bound(v, 64),
        )
    )
    assert abs(one - elbo) < 0.02 * abs(elbo) and many > elbo + 0.1
    for one_image in (network, small("vssm-paper")):
        torch.manual_seed(0)
        alone = one_image.importance_bound(values[:1], 8)
        assert alone.shape == (1,) and one_image.importance_bound(values[:3], 2).shape == (3,)


def test_chunks_of_a_ladder_are_known_to_those_after_them():
    """At temperature 0 the last chunk is what a completion of all before it would be."""
    network = small("vssm")
    values, known = pictures(network.config, 2), torch.zeros(2, 8, 8, dtype=torch.bool)
    known[:, :2] = True
    works = [w for w in complete(network, values, known, temperature=0.0, mode="chunked", size=5) if w.latent is None]
    assert [int(w.filled[0].sum()) // 4 for w in works[:-1]] == [9, 14] and works[-1].filled == 64
    last = complete(network, works[-2].values, works[-2].filled, temperature=0.0)[-1].values
    assert torch.equal(last, works[-1].values)


# --- VSSM as in the paper -----------------------------------------------------------------------------------------


def flat(latent: str = "categorical", **changes) -> VSSM:
    network = small("vssm-paper", latent=latent, **changes).double()
    return network


def some_latents(network: VSSM, count: int) -> torch.Tensor:
    raw = torch.randn(count, network.tokens, network.latent.parameters, dtype=torch.float64)
    return network.latent.draw(raw, 1.0).double()


@given(cuts=st.lists(st.integers(1, 15), max_size=5), selective=st.booleans())
@settings(max_examples=15)
def test_parallel_sequential_and_resumed_decoding_agree(cuts, selective):
    """The decoder's outputs for the same z: all at once, one by one, and resumed at any point."""
    network = flat(selective=selective)
    z, patch = some_latents(network, 2), network.config.patch
    h = network.decoder_position + network.fine[0].enter(z.unflatten(1, (4, 4)))
    for block in network.decoder:
        h = block(h)
    whole = space_to_depth(network.head(h, None), patch).flatten(1, 2)
    for points in (range(1, 16), sorted(set(cuts))):
        state, parts = network.start_decoding(2), []
        state = state._replace(states=[tuple(s.double() for s in pair) for pair in state.states])
        for start, end in itertools.pairwise([0, *points, 16]):
            assert state.start == start
            part, state = network.decode_from(z[:, start:end], state)
            parts.append(part)
        torch.testing.assert_close(torch.cat(parts, 1).double().flatten(2), whole, rtol=0, atol=1e-9)


def test_decoding_agrees_in_float32():
    network = flat().float()
    z = some_latents(network, 2).float()
    whole = network.decode(network.decoder_position + network.fine[0].enter(z.unflatten(1, (4, 4))), None)
    first, state = network.decode_from(z[:, :7], network.start_decoding(2))
    second, _ = network.decode_from(z[:, 7:], state)
    parts = depth_to_space(torch.cat([first, second], 1).flatten(2).unflatten(1, (4, 4)), network.config.patch)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-4)


def test_resuming_reads_no_token_that_stands():
    """Counted: the tokens that pass through each block of the decoder and of the partial posterior."""
    network, passed = flat().float(), []
    blocks = [*network.decoder, *network.prompt_blocks, network.fine[0].block]
    for block in blocks:
        usual = block.segment
        block.segment = lambda x, *rest, usual=usual: (passed.append(x.shape[1]), usual(x, *rest))[1]
        block.forward = None  # a pass over the whole picture would fail
    _, state = network.decode_from(some_latents(network, 1).float()[:, :9], network.start_decoding(1))
    passed.clear()
    network.decode_from(some_latents(network, 1).float()[:, :3], state)
    assert passed == [3] * len(network.decoder)
    passed.clear()
    values = pictures(network.config, 1)
    known = torch.zeros(1, 8, 8, dtype=torch.bool)
    known[:, :2] = True
    complete(network, values, known, mode="chunked", size=4)
    decoded, read = len(network.decoder) * 16, (len(network.prompt_blocks) + 1) * (16 + 12 - 4)
    # the decoder takes every token once; the reader takes the prompt's once, others once as unknown and, but for the
    # last chunk's, once as known
    assert sum(passed) == decoded + read


@pytest.mark.parametrize("rows", [0, 3])
def test_one_chunk_of_all_tokens_is_the_parallel_sampler(rows):
    network = flat().float()
    values, known = pictures(network.config, 4), torch.zeros(4, 8, 8, dtype=torch.bool)
    known[:, :rows] = True
    at_once = complete(network, values, known, mode="parallel", seed=3)[-1].values
    assert torch.equal(complete(network, values, known, mode="chunked", size=16, seed=3)[-1].values, at_once)


def test_the_partial_posterior_read_piece_by_piece_is_that_of_the_whole_prompt():
    network = flat()
    values, known = pictures(network.config, 2), torch.zeros(2, 8, 8, dtype=torch.bool)
    known.view(2, -1)[:, :27] = True
    whole = network.posterior(values, known)[0][2].flatten(1, 2)
    state, parts = network.start_reading(2), []
    state = state._replace(states=[tuple(s.double() for s in pair) for pair in state.states])
    for count in (3, 1, 7, 5):
        part, state = network.read_from(values, known, count, state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-9)


def test_the_paper_model_is_causal_and_its_prior_flat():
    network = flat()
    values = pictures(network.config, 1)
    nothing, everything = (torch.full((1, 8, 8), b) for b in (False, True))
    _, q, prior = network.posterior(values, nothing)[0]
    for t in range(16):
        other = space_to_depth(values, 2)
        other = other.flatten(1, 2).clone()
        other[:, t] = 1 - other[:, t]
        other = depth_to_space(other.unflatten(1, (4, 4)), 2)
        _, q2, prior2 = network.posterior(other, nothing)[0]
        changed = (q2 - q).abs().sum(-1).flatten() > 1e-12
        assert not changed[:t].any() and changed[t] and torch.equal(prior, prior2)
    assert (network.posterior(values, everything)[0][2] - prior).abs().max() > 1e-6


@pytest.mark.parametrize("mode", ["sequential", "chunked"])
def test_pixels_known_further_on_are_clamped(mode):
    """A prefix-only model takes no notice of them before it passes them."""
    network = flat().float()
    values, known = pictures(network.config, 2), torch.zeros(2, 8, 8, dtype=torch.bool)
    known[:, :2] = known[:, 6:, 3:] = True
    other = values.clone()
    other[:, 6:] = 1 - other[:, 6:]
    first, second = (complete(network, v, known, mode=mode, size=4)[-1].values for v in (values, other))
    assert torch.equal(first[:, :6], second[:, :6]) and torch.equal(first[known], values[known])
    assert not prefix(known)[:, 6:].any()


# --- all ----------------------------------------------------------------------------------------------------------


SAMPLERS = [(name, mode.name) for name in SMALL for mode in registry.get(name).network.samplers(SMALL[name])]


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize(("name", "mode"), SAMPLERS)
@given(data=st.data())
@settings(max_examples=6)
def test_known_pixels_come_back_untouched(name, mode, colour, data):
    network = small(name, **(COLOUR if colour else {}))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    values = pictures(network.config, 3, seed=int(rng.integers(1000)))
    known = torch.from_numpy(rng.random(values.shape[:3]) < data.draw(st.floats(0, 1)))
    temperature, size = data.draw(st.sampled_from([0.0, 0.7, 1.0])), data.draw(st.integers(1, 9))
    pixels = data.draw(st.sampled_from(network.pixel_modes))
    works = complete(network, values, known, temperature, mode=mode, size=size, pixels=pixels)
    done = works[-1].values
    assert works[-1].filled == known[0].numel()
    assert torch.equal(done[known], values[known].to(done.dtype))
    assert done.min() >= 0 and done.max() <= network.config.num_values - 1


@pytest.mark.parametrize(("name", "mode"), SAMPLERS)
def test_a_picture_known_as_a_whole_comes_back(name, mode):
    network = small(name)
    values = pictures(network.config, 2)
    works = complete(network, values, torch.ones(values.shape[:3], dtype=torch.bool), mode=mode)
    assert torch.equal(works[-1].values, values) and works[-1].filled == values[0].numel()


@pytest.mark.parametrize(("name", "mode"), SAMPLERS)
def test_a_seed_fixes_the_completion(name, mode):
    network = small(name)
    values = pictures(network.config, 5)
    known = torch.zeros(values.shape[:3], dtype=torch.bool)
    first, again, other = (complete(network, values, known, seed=s, mode=mode)[-1].values for s in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_unknown_and_missing_settings_are_errors():
    with pytest.raises(UserError, match="no setting 'depth'"):
        from_dict(TransformerConfig, {"height": 4, "width": 4, "depth": 3})
    with pytest.raises(UserError, match="needs the setting 'width'"):
        from_dict(TransformerConfig, {"height": 4})
    with pytest.raises(UserError, match="no model 'gpt'"):
        registry.get("gpt")
    assert isinstance(registry.build("transformer", dataclasses.asdict(SMALL["transformer"])), Transformer)


@pytest.mark.parametrize("name", SMALL)
def test_colour_trains_in_bfloat16(name):
    """Finite gradients for every parameter that is learned, and a loss that falls on two pictures."""
    torch.manual_seed(0)
    network = registry.get(name).network(dataclasses.replace(SMALL[name], **COLOUR))
    two = pictures(network.config, 2)
    optimizer, losses = torch.optim.Adam(network.parameters(), 5e-3, fused=True), []
    for _ in range(60):
        values = two[torch.randint(0, 2, (16,))]
        with torch.autocast("cpu", torch.bfloat16):
            loss = network.loss(values, torch.zeros(values.shape[:3], dtype=torch.bool))["loss"]
        optimizer.zero_grad()
        loss.backward()
        assert loss.dtype == torch.float32
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


@pytest.mark.parametrize("name", ["vssm", "vssm-paper"])
def test_vssm_reads_pixel_tokens_of_colour_as_a_config(name):
    network = small(name, patch=1, **COLOUR)
    assert network.tokens == network.config.height * network.config.width
    values = pictures(network.config, 2)
    bound = network.log_likelihood(values)
    assert bound.shape == (2,) and torch.isfinite(bound).all()
    assert network.importance_bound(values, 8).shape == (2,)


def test_mean_pixels_are_between_the_values_and_the_same_for_the_same_latents():
    """With `pixels` "mean" a draw of the latents is all that is random: at temperature 0 nothing is."""
    network = small("vssm", **COLOUR)
    values = pictures(network.config, 2)
    nothing = torch.zeros(values.shape[:3], dtype=torch.bool)
    first, second, other = (
        complete(network, values, nothing, t, seed, pixels="mean")[-1].values for t, seed in ((0, 1), (0, 2), (1, 1))
    )
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert not torch.equal(first, first.round()) and first.min() >= 0 and first.max() <= COLOUR["num_values"] - 1
