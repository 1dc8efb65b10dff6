"""Latents that are held while others are drawn anew: a picture changes by what a code brings, and by nothing else."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vssm import checkpoint, data
from vssm.errors import UserError
from vssm.files.examples import examples
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, FixedLatents, GenerationRequest, Latents
from vssm.sampling.generator import Generator, run

CPU = torch.device("cpu")
WITH_LATENTS = ["vssm", "vssm-paper"]


@pytest.fixture(scope="module")
def generators() -> dict[str, Generator]:
    """On the shipped weights."""
    return {name: Generator(checkpoint.load(checkpoint.shipped(name, "mnist")), CPU) for name in registry.PRESETS}


def drawn(generator: Generator, request: GenerationRequest) -> tuple[list[Latents], np.ndarray]:
    """The latents, and the pictures."""
    events = list(generator.generate(request))
    assert isinstance(events[-1], Finished)
    return [e for e in events if isinstance(e, Latents)], events[-1].images


def requests(draw) -> GenerationRequest:
    """A request without latents held."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    prompt = Prompt(rng.choice(np.array([0, 255], np.uint8), (28, 28, 1)), rng.random((28, 28)) < draw(st.floats(0, 1)))
    prompt.known[-1, -1] = False
    seed, temperature = draw(st.integers(0, 2**31 - 1)), draw(st.sampled_from([0.0, 0.7, 1.0]))
    return GenerationRequest(prompt, draw(st.integers(1, 3)), temperature, seed, pixel_mode=draw(PIXELS))


PIXELS = st.sampled_from(["sampled", "mean"])


@pytest.mark.parametrize("name", WITH_LATENTS)
@given(given_=st.data())
@settings(max_examples=8)
def test_holding_everything_gives_the_same_picture(generators, name, given_):
    """Whatever the seed for what is drawn anew; and levels not given are drawn just as before."""
    request = requests(given_.draw)
    before, pictures = drawn(generators[name], request)
    first = given_.draw(st.sampled_from([e.level for e in before]))
    given = tuple(e.codes if e.level == first or given_.draw(st.booleans()) else None for e in before)
    held = FixedLatents(given, (None,) * len(given), given_.draw(st.integers(0, 9)), given_.draw(st.booleans()))
    after, again = drawn(generators[name], dataclasses.replace(request, fixed_latents=held))
    assert np.array_equal(again, pictures)
    for a, b in zip(before, after, strict=True):
        assert np.array_equal(a.codes, b.codes) and np.array_equal(a.entropy, b.entropy)


@pytest.mark.parametrize("name", WITH_LATENTS)
@given(given_=st.data())
@settings(max_examples=8)
def test_only_what_is_to_be_drawn_anew_changes(generators, name, given_):
    request = dataclasses.replace(requests(given_.draw), temperature=1.0)
    before, pictures = drawn(generators[name], request)
    rng = np.random.default_rng(given_.draw(st.integers(0, 10**6)))
    drawn_anew = given_.draw(st.sampled_from(before))
    level = drawn_anew.level
    one_for_all, other = given_.draw(st.booleans()), given_.draw(st.booleans())
    grid = drawn_anew.codes.shape[:3]
    mask = rng.random(grid[1:] if one_for_all else grid) < 0.3
    anew = tuple(mask if e.level == level else None for e in before)
    codes = tuple(e.codes for e in before)
    held = FixedLatents(codes, anew, request.seed, other)  # not the same noise, for all the same seed
    after, again = drawn(generators[name], dataclasses.replace(request, fixed_latents=held))
    mask = np.broadcast_to(mask, grid)
    untouched = ~mask.any((1, 2))
    same_prior = slice(None) if level else untouched  # a variable of the global code depends on those before it
    for a, b in zip(before, after, strict=True):
        changed = (a.codes != b.codes).any(-1)
        if a.level != level:
            assert not changed.any()
        else:
            assert not changed[~mask].any() and (changed.any() or not mask.any() or not other)
            assert changed[mask].all() or not (other or b.kind == "gaussian")
        if a.level <= level:  # nothing that the prior depends on has changed
            assert np.array_equal(a.entropy[same_prior], b.entropy[same_prior])
    assert np.array_equal(again[untouched], pictures[untouched])
    assert np.array_equal(again[:, request.prompt.known], pictures[:, request.prompt.known])


@pytest.mark.parametrize("first", [0, 1])
def test_a_whole_level_drawn_anew_changes_the_picture_by_its_seed(generators, first):
    """Of the global code, all of it; of level 1, every position."""
    request = GenerationRequest(examples(data.MNIST)[0].prompt, 4, seed=2)
    before, pictures = drawn(generators["vssm"], request)
    codes = tuple(e.codes for e in before)
    everywhere = tuple(np.ones(e.codes.shape[1:3], bool) if e.level == first else None for e in before)
    seen = [pictures]
    for seed in (0, 1, 1):
        held = dataclasses.replace(request, fixed_latents=FixedLatents(codes, everywhere, seed))
        seen.append(run(generators["vssm"], held).images)
    assert np.array_equal(seen[2], seen[3])
    assert all((a != b).any() for a, b in ((seen[0], seen[1]), (seen[0], seen[2]), (seen[1], seen[2])))
    above = tuple(e.codes if e.level <= first else None for e in before)
    follow = dataclasses.replace(request, fixed_latents=FixedLatents(above, everywhere))
    assert (run(generators["vssm"], follow).images != seen[1]).any()  # the levels below go with it


def test_latents_that_cannot_be_held_are_one_sentence(generators):
    request = GenerationRequest(examples(data.MNIST)[0].prompt, 2)
    events = drawn(generators["vssm"], request)[0]
    codes, nothing = tuple(e.codes for e in events), (None,) * len(events)

    def refuses(name: str, match: str, held: FixedLatents, **changes) -> None:
        with pytest.raises(UserError, match=match):
            run(generators[name], dataclasses.replace(request, fixed_latents=held, **changes))

    for name in set(registry.PRESETS) - set(WITH_LATENTS):
        refuses(name, "no latents", FixedLatents(codes, nothing))
    refuses("vssm", "sampler 'Parallel' only", FixedLatents(codes, nothing), sampler="chunked")
    refuses("vssm-paper", "sampler 'Parallel' only", FixedLatents(codes, nothing), sampler="sequential")
    refuses("vssm", f"{len(events)} levels", FixedLatents(codes[:-1], nothing[:-1]))
    refuses("vssm", f"{len(events)} levels", FixedLatents(codes, nothing[:-1]))
    refuses("vssm-paper", "1 levels", FixedLatents(codes, nothing))
    assert [e.level for e in events[:2]] == [0, 1]
    variables = codes[0].shape[-1]
    refuses("vssm", f"global code of VSSM has 3 × 1 × 1 × {variables} codes", FixedLatents(codes, nothing), samples=3)
    refuses("vssm", "level 1", FixedLatents((codes[0], codes[1][..., :7], *codes[2:]), nothing))
    refuses(
        "vssm",
        "level 1 of VSSM has 2 × 7 × 7 × 8 codes",
        FixedLatents(codes, (None, np.ones((14, 14), bool), *nothing[2:])),
    )
    refuses("vssm", "level 1", FixedLatents(codes, (None, np.ones((7, 7), int), *nothing[2:])))
    broken = codes[-1].copy()
    broken[0, 0, 0, 0] = np.nan
    refuses("vssm", f"level {events[-1].level}", FixedLatents((*codes[:-1], broken), nothing))
    refuses("vssm", "global code", FixedLatents((codes[0] + 0.5, *codes[1:]), nothing))
    refuses("vssm-paper", "level 1", FixedLatents((np.full((2, 7, 7, 16), 8, np.float32),), (None,)))
