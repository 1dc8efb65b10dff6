"""Predictive sampling: the sequential picture, pixel for pixel, in fewer calls."""

import copy
import itertools

import fuzzing
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import KINDS, RASTER, complete, pictures, small

from vssm import checkpoint, data
from vssm.files.examples import examples
from vssm.nn import scan
from vssm.sampling.events import Details, GenerationRequest, Progress
from vssm.sampling.generator import Generator, run

CPU = torch.device("cpu")


@st.composite
def cases(draw):
    """A network, pictures, which pixels are known of each, a window and a temperature."""
    name, kind = draw(st.sampled_from(RASTER)), draw(st.sampled_from(sorted(KINDS)))
    network, batch = small(name, **KINDS[kind]), draw(st.integers(1, 4))
    shape = batch, network.config.height, network.config.width
    known = torch.rand(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 999))))
    known = known < draw(st.sampled_from([0.0, 0.3, 0.9]))
    prefix = draw(st.integers(0, network.tokens - 1))
    known.view(batch, -1)[:, :prefix] = True
    size, temperature = draw(st.integers(2, network.config.width)), draw(st.sampled_from([0.0, 0.7, 1.0, 2.0]))
    return network, pictures(network.config, batch), known, size, temperature


@settings(max_examples=60)
@given(cases(), st.integers(0, 999))
def test_the_picture_is_the_sequential_one(case, seed):
    network, values, known, size, temperature = case
    how = {"values": values, "known": known, "temperature": temperature, "seed": seed}
    with torch.inference_mode():
        one_by_one = complete(network, mode="sequential", **how)
        guessed = complete(network, mode="predictive", size=size, **how)
        assert torch.equal(one_by_one[-1].values, guessed[-1].values)
        assert len(guessed) <= len(one_by_one) and guessed[-1].filled == network.tokens
        if not known.all():
            torch.testing.assert_close(
                one_by_one[-1].log_probability(), guessed[-1].log_probability(), rtol=1e-4, atol=1e-4, equal_nan=True
            )
    assert torch.equal(guessed[-1].values[known], values[known])


def test_a_window_of_one_pixel_is_the_sequential_sampler():
    network = small("mamba")
    values = pictures(network.config, 2)
    known = torch.zeros(values.shape[:3], dtype=torch.bool)
    steps = complete(network, values, known, mode="predictive", size=1)
    assert len(steps) == network.tokens and not any(s.drafts or s.drafted for s in steps)


@pytest.mark.parametrize("name", RASTER)
def test_shipped_weights_draw_the_same_digits(name):
    """Lower halves of 6 digits, alone and four at a time, with a dot known further down; see the next test, too."""
    generator = Generator(checkpoint.load(checkpoint.shipped(name, "mnist")), CPU)
    prompt = copy.deepcopy(examples(data.MNIST)[0].prompt)
    prompt.known[20, 9:12] = True
    for seed, samples in (0, 1), (1, 1), (4, 4):
        both = [
            run(generator, GenerationRequest(prompt, samples, seed=seed, sampler=sampler))
            for sampler in ("sequential", "predictive")
        ]
        assert (both[0].images == both[1].images).all()
        assert both[1].network_calls < both[0].network_calls / 4 and both[1].accepted > both[1].drafted / 3


@pytest.mark.skipif(not fuzzing.LONG, reason="takes minutes: a thousand digits, one pixel after another")
@pytest.mark.parametrize("name", RASTER)
def test_of_a_thousand_digits_rounding_parts_one_at_most(name):
    generator = Generator(checkpoint.load(checkpoint.shipped(name, "mnist")), CPU)
    nothing, none_known = np.zeros((50, *data.MNIST.shape), np.uint8), np.zeros((50, *data.MNIST.shape[:2]), bool)
    equal = 0
    for seed in range(20):
        one, other = (
            generator.complete_batch(nothing, none_known, seed=seed, sampler=sampler)[0]
            for sampler in ("sequential", "predictive")
        )
        equal += int((one == other).all((1, 2, 3)).sum())
    print(f"{name}: {equal} of 1000 pictures are equal")
    assert equal >= 999


@pytest.mark.parametrize("name", RASTER)
def test_shipped_weights_draw_the_same_colours(name):
    """The last row. A draw of 256 values may be as near to a tie as rounding goes: then it is the next value."""
    generator = Generator(checkpoint.load(checkpoint.shipped(name, "cifar10")), CPU)
    prompt = copy.deepcopy(examples(data.CIFAR10)[0].prompt)
    prompt.known[:-1], prompt.known[-1] = True, False
    for seed, samples in ((0, 1), (1, 1), (2, 3)):
        one, other = (
            run(generator, GenerationRequest(prompt, samples, seed=seed, sampler=sampler, parameter=size)).images
            for sampler, size in (("sequential", None), ("predictive", 5))
        )
        for a, b in zip(one[:, -1].astype(int), other[:, -1].astype(int), strict=True):
            different = (a != b).any(-1)
            assert not different.any() or abs(a - b)[different.argmax()].max() <= 2


def test_windows_are_told_as_rounds_of_drafting():
    """Guesses stand up to the first that fails, which is drawn anew; those after it are guessed again."""
    generator = Generator(checkpoint.load(checkpoint.shipped("transformer", "mnist")), CPU)
    prompt = copy.deepcopy(examples(data.MNIST)[0].prompt)
    request = GenerationRequest(prompt, 2, every=0, sampler="predictive", parameter=20, details=True)
    *events, finished = generator.generate(request)
    told = [e for e in events if isinstance(e, Progress)]
    rejected = 0
    for last, now in itertools.pairwise(told):
        drafts, settled = now.drafts, now.filled & ~last.filled
        assert drafts.proposed.sum() == now.drafted - last.drafted and not (drafts.proposed & last.filled).any()
        assert drafts.passed.sum() == now.accepted - last.accepted and (drafts.passed <= settled).all()
        assert np.array_equal(now.images[drafts.passed], drafts.images[drafts.passed])
        failed = drafts.proposed & ~drafts.passed
        assert (settled & failed).sum((1, 2)).tolist() == failed.any((1, 2)).tolist()
        rejected += int(failed.sum())
    assert rejected and finished.accepted + rejected == finished.drafted
    details = next(e for e in events if isinstance(e, Details))
    assert np.isfinite(details.log_probability[:, ~prompt.known]).all()
    assert details.order.max() == finished.network_calls


def test_a_recurrence_goes_on_from_any_step_of_a_segment():
    rng = torch.Generator().manual_seed(0)
    x, b, c = (torch.randn(2, 7, *shape, generator=rng) for shape in ((3, 4), (5,), (5,)))
    log_a, h = -torch.rand(2, 7, 3, generator=rng), torch.randn(2, 3, 4, 5, generator=rng)
    y, states = scan.ssd_segment(x, log_a, b, c, h), [h]
    for t in range(7):
        one, h = scan.ssd_step(x[:, t], log_a[:, t], b[:, t], c[:, t], h)
        torch.testing.assert_close(y[:, t], one)
        states.append(h)
    count = torch.tensor([3, 7])
    expected = torch.stack([states[3][0], states[7][1]])
    torch.testing.assert_close(scan.ssd_advance(x, log_a, b, states[0], count), expected)
