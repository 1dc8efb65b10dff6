"""How far latents move a picture: as much as they do when they are changed."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vssm import checkpoint, data
from vssm.files.examples import examples
from vssm.nn.latent_distributions import Categorical, Gaussian
from vssm.sampling import influence
from vssm.sampling.events import FixedLatents, GenerationRequest, Influence, Latents
from vssm.sampling.generator import Generator, run

CPU = torch.device("cpu")


@given(st.integers(0, 10**6))
@settings(max_examples=10)
def test_of_linear_pictures_it_is_the_length_of_the_change(seed):
    """Of a variable of unit length, by many projections; of classes, over all pairs."""
    rng = torch.Generator().manual_seed(seed)
    B, gaussian, classes = 4000, Gaussian(2), Categorical(1, 3)
    maps = torch.randn(2, 25, generator=rng), torch.randn(3, 25, generator=rng)
    values = [torch.zeros(B, 1, 1, n, requires_grad=True) for n in (2, 3)]
    pixels = sum(v.flatten(1) @ m for v, m in zip(values, maps, strict=True)).view(B, 5, 5, 1)
    found = influence.moves(pixels, {1: (gaussian, values[0]), 2: (classes, values[1])}, rng)
    assert torch.allclose(found[1][0, 0], maps[0].norm(dim=1), rtol=0.1)
    pairs = [(maps[1][a] - maps[1][b]).square().sum() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert torch.allclose(found[2][0, 0], torch.stack(pairs).mean().sqrt(), rtol=0.1)


@pytest.mark.parametrize(("name", "dataset"), [("vssm", "mnist"), ("vssm", "cifar10"), ("vssm-paper", "mnist")])
def test_what_moves_the_picture_most_changes_it_most(name, dataset):
    generator = Generator(checkpoint.load(checkpoint.shipped(name, dataset)), CPU)
    prompt = examples(data.get(dataset))[0].prompt
    request = GenerationRequest(prompt, 2, seed=3, every=0, details=True, influence=1, pixel_mode="mean")
    events = list(generator.generate(request))
    codes = {e.level: e.codes for e in events if isinstance(e, Latents)}
    found = {e.level: e for e in events if isinstance(e, Influence)}
    assert found.keys() == codes.keys()
    for level, one in found.items():
        assert one.sample == 1 and one.moves.shape == codes[level].shape[1:]
        assert np.isfinite(one.moves).all() and one.total > 0

    def change(level, mask):
        """How far the picture of sample 1 moves when these codes of it are drawn anew."""
        masks = [np.zeros(c.shape[:3], bool) for _, c in sorted(codes.items())]
        masks[sorted(codes).index(level)][1] = mask
        if level == 0:
            masks = [m | True for m in masks]
        held = FixedLatents(tuple(c for _, c in sorted(codes.items())), tuple(masks), 5, other=True)
        images = run(generator, dataclasses.replace(request, influence=None, fixed_latents=held)).images
        return np.linalg.norm(images[1].astype(float) - events[-1].images[1])

    order = sorted(found, key=lambda level: -found[level].total)
    if len(order) > 1:
        assert change(order[0], True) > change(order[-1], True)
    first = found[max(order[0], 1)].moves
    strength = np.square(first).sum(-1)
    at = [np.unravel_index(i, strength.shape) for i in (strength.argmax(), strength.argmin())]
    masks = [np.zeros(strength.shape, bool) for _ in at]
    for mask, place in zip(masks, at, strict=True):
        mask[place] = True
    strong, weak = (change(max(order[0], 1), mask) for mask in masks)
    assert strong > weak


def test_of_the_likeliest_sample_and_only_where_it_is_asked_for():
    generator = Generator(checkpoint.load(checkpoint.shipped("vssm", "mnist")), CPU)
    prompt = examples(data.MNIST)[0].prompt
    *_, details, _, _, _, _, _, last, _ = generator.generate(
        GenerationRequest(prompt, 3, seed=1, details=True, influence=-1)
    )
    assert last.sample == details.score.argmax()
    chunked = GenerationRequest(prompt, seed=1, sampler="chunked", details=True, influence=-1)
    for request in (GenerationRequest(prompt, seed=1, details=True), chunked):
        assert not any(isinstance(e, Influence) for e in generator.generate(request))
